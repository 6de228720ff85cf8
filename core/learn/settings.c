/* settings.c: what one may say of learning, from rows. */
#include "learn.h"
#include <math.h>
#include <string.h>

const char *const convd_loss_words[] = {"cross_entropy", "mse", "l1", NULL};
const char *const convd_optimizer_words[] = {"sgd", "adam", "adamw", NULL};
const char *const convd_schedule_words[] = {"constant", "step", "cosine", NULL};
const char *const convd_mirror_words[] = {"none", "x", "y", "xy", NULL};

enum {
#define SETTING(NAME, ...) ROW_##NAME,
#include "settings.def"
#undef SETTING
    ROWS
};

const struct convd_param convd_learn_params[] = {
#define SETTING(NAME, FLAG, TYPE, DEFAULT, LO, HI, WORDS, SUMMARY)                                 \
    {.name = #NAME,                                                                                \
     .type = CONVD_P_##TYPE,                                                                       \
     .offset = offsetof(struct convd_learn_settings, NAME),                                        \
     .def = DEFAULT,                                                                               \
     .lo = LO,                                                                                     \
     .hi = HI,                                                                                     \
     .words = WORDS,                                                                               \
     .summary = SUMMARY},
#include "settings.def"
#undef SETTING
    CONVD_PARAM_END,
};

#define AT(FIELD) .name = #FIELD, .offset = offsetof(struct convd_augment, FIELD)
// clang-format off
const struct convd_param convd_augment_params[] = {
    {AT(flip), .type = CONVD_P_WORD, .def = "none", .words = convd_mirror_words,
     .summary = "axes along which half of the examples are mirrored"},
    {AT(shift), .type = CONVD_P_INT, .def = "0", .lo = 0, .hi = 4096,
     .summary = "up to so many pixels along either axis"},
    {AT(noise), .type = CONVD_P_NUMBER, .def = "0", .lo = 0, .hi = 1e6,
     .summary = "standard deviation of what is added to every number"},
    CONVD_PARAM_END,
};
// clang-format on

static bool read_augment(const struct convd_arg *a, struct convd_augment *out,
                         struct convd_arena *mem, struct convd_faults *f)
{
    struct convd_bind b = {
        .faults = f, .mem = mem, .rows = convd_augment_params, .into = out, .what = "augment"};
    struct convd_arg *args = NULL;
    size_t n = 0;
    if (a && a->value && a->value->kind != CONVD_OBJECT) {
        convd_fault_expected(f, CONVD_WRONG_TYPE, "augment",
                             "{\"flip\":…, \"shift\":…, \"noise\":…}", "augment is %s",
                             convd_value_show(f->mem, a->value));
        return false;
    }
    size_t mark = convd_enter(f, "augment");
    bool fine = true;
    if (a && a->text) fine = convd_args_split(f, mem, a->text, &args, &n);
    if (a && a->value && a->value->n > 0) {
        args = convd_arena_array(mem, a->value->n, sizeof *args);
        for (; args && n < a->value->n; n++)
            args[n] = (struct convd_arg){.name = a->value->members[n].name,
                                         .value = &a->value->members[n].value};
    }
    fine = convd_params_bind(&b, args, n) && fine;
    convd_leave(f, mark);
    return fine;
}

/* What needs a second setting. */
static bool check(const struct convd_learn_settings *s, struct convd_faults *f)
{
    size_t before = convd_faults_count(f);
    if (s->betas.n != 2)
        convd_fault_expected(f, CONVD_OUT_OF_RANGE, "betas", "two numbers from 0 to less than 1",
                             "betas has %zu number%s", s->betas.n, s->betas.n == 1 ? "" : "s");
    if (s->nesterov && s->momentum <= 0)
        convd_fault_expected(f, CONVD_OUT_OF_RANGE, "nesterov", "a momentum above 0",
                             "nesterov without momentum");
    if (s->optimizer != CONVD_SGD && (s->momentum > 0 || s->nesterov))
        convd_fault_expected(f, CONVD_OUT_OF_RANGE, s->momentum > 0 ? "momentum" : "nesterov",
                             "the optimizer sgd", "the optimizer is %s",
                             convd_optimizer_words[s->optimizer]);
    return convd_faults_count(f) == before;
}

bool convd_learn_read(const struct convd_arg *args, size_t n, struct convd_learn_settings *s,
                      struct convd_arena *mem, struct convd_faults *f)
{
    const struct convd_arg *augment = NULL;
    struct convd_arg *own = convd_arena_array(mem, n + 1, sizeof *own);
    size_t n_own = 0;
    *s = (struct convd_learn_settings){.loss = 0};
    if (!own) {
        convd_fault(f, CONVD_NO_MEMORY, NULL, "no memory for the settings");
        return false;
    }
    for (size_t i = 0; i < n; i++)
        if (args[i].name && strcmp(args[i].name, "augment") == 0)
            augment = &args[i];
        else
            own[n_own++] = args[i];
    struct convd_bind b = {
        .faults = f, .mem = mem, .rows = convd_learn_params, .into = s, .what = "learn"};
    bool fine = convd_params_bind(&b, own, n_own);
    fine &= read_augment(augment, &s->augment, mem, f);
    if (!(b.given & UINT64_C(1) << ROW_loss)) s->loss = CONVD_LOSS_BY_DATA;
    if (!(b.given & UINT64_C(1) << ROW_schedule) && s->epochs < 1) s->schedule = CONVD_COSINE_RATE;
    if (isnan(s->weight_decay)) s->weight_decay = s->optimizer == CONVD_ADAMW ? 0.01 : 0;
    return fine && check(s, f);
}
