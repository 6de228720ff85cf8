/* weight.c: what stands for weights in a spec, and the generator behind init. */
#include "weight.h"
#include "kernels.h"
#include <math.h>
#include <string.h>

const char *const convd_init_words[] = {"he_normal",      "he_uniform", "xavier_normal",
                                        "xavier_uniform", "normal",     "uniform",
                                        "zeros",          "identity",   NULL};
const char *const convd_across_words[] = {"mean", "sum", "luma", NULL};

double convd_across_factor(const struct convd_across *a, ptrdiff_t c, ptrdiff_t n)
{
    static const double luma[3] = {0.299, 0.587, 0.114};
    switch (a->word) {
    case CONVD_ACROSS_MEAN:
        return 1.0 / (double)n;
    case CONVD_ACROSS_SUM:
        return 1;
    case CONVD_ACROSS_LUMA:
        return luma[c];
    default:
        return a->numbers.v[a->numbers.n == 1 ? 0 : c];
    }
}

/* ---- numbers --------------------------------------------------------------------------------- */

static uint32_t high(uint64_t x)
{
    return (uint32_t)(x >> 32);
}

void convd_philox_block(const uint32_t counter[4], const uint32_t key[2], uint32_t out[4])
{
    uint32_t c0 = counter[0], c1 = counter[1], c2 = counter[2], c3 = counter[3], k0 = key[0],
             k1 = key[1];
    for (int round = 0; round < 10; round++) {
        const uint64_t a = UINT64_C(0xD2511F53) * c0, b = UINT64_C(0xCD9E8D57) * c2;
        c0 = high(b) ^ c1 ^ k0;
        c2 = high(a) ^ c3 ^ k1;
        c1 = (uint32_t)b;
        c3 = (uint32_t)a;
        k0 += 0x9E3779B9; /* golden ratio and sqrt(3) - 1: the key schedule is a Weyl sequence */
        k1 += 0xBB67AE85;
    }
    out[0] = c0;
    out[1] = c1;
    out[2] = c2;
    out[3] = c3;
}

void convd_philox(uint64_t seed, uint32_t i, uint32_t out[4])
{
    convd_philox_block((const uint32_t[4]){i, 0, 0, 0},
                       (const uint32_t[2]){(uint32_t)seed, high(seed)}, out);
}

/* Standard deviation of the normal, half width of the uniform ones; fan_in = I*kh*kw, fan_out = O*kh*kw. */
static double spread(enum convd_init init, const ptrdiff_t dim[4])
{
    const double window = (double)dim[2] * (double)dim[3];
    const double in = (double)dim[1] * window, out = (double)dim[0] * window;
    switch (init) {
    case CONVD_HE_NORMAL:
        return sqrt(2 / in);
    case CONVD_HE_UNIFORM:
        return sqrt(6 / in);
    case CONVD_XAVIER_NORMAL:
        return sqrt(2 / (in + out));
    case CONVD_XAVIER_UNIFORM:
        return sqrt(6 / (in + out));
    default:
        return 1;
    }
}

static double identity(const ptrdiff_t dim[4], size_t i)
{
    const ptrdiff_t at = (ptrdiff_t)i, x = at % dim[3], y = at / dim[3] % dim[2];
    const ptrdiff_t in = at / dim[3] / dim[2] % dim[1], out = at / dim[3] / dim[2] / dim[1];
    return x == dim[3] / 2 && y == dim[2] / 2 && in == out % dim[1];
}

float convd_weight_number(enum convd_init init, uint64_t seed, double gain, const ptrdiff_t dim[4],
                          size_t i)
{
    const double unit = 0x1p-32, two_pi = 6.283185307179586476925286766559;
    uint32_t w[4];
    if (init == CONVD_ZEROS) return 0;
    if (init == CONVD_IDENTITY) return (float)(gain * identity(dim, i));
    convd_philox(seed, (uint32_t)i, w);
    const double w0 = (double)w[0], w1 = (double)w[1], scale = gain * spread(init, dim);
    if (init == CONVD_HE_UNIFORM || init == CONVD_XAVIER_UNIFORM || init == CONVD_UNIFORM)
        return (float)(scale * (2 * w0 * unit - 1));
    return (float)(scale * sqrt(-2 * log((w0 + 1) * unit)) * cos(two_pi * w1 * unit));
}

void convd_weight_init(enum convd_init init, uint64_t seed, double gain, const ptrdiff_t dim[4],
                       float *out)
{
    const size_t n = (size_t)dim[0] * (size_t)dim[1] * (size_t)dim[2] * (size_t)dim[3];
    for (size_t i = 0; i < n; i++) out[i] = convd_weight_number(init, seed, gain, dim, i);
}

/* ---- reading --------------------------------------------------------------------------------- */

static const char forms[] =
    "an array of rank 0 to 4, a list of kernels, \"@tensor\", or {\"init\":…}";

static bool no_memory(struct convd_faults *f)
{
    convd_fault(f, CONVD_NO_MEMORY, NULL, "no memory for weights");
    return false;
}

/* The shape by going down the first items; the rest is held against it while copying. */
static bool array_shape(const struct convd_value *v, struct convd_faults *f, struct convd_tensor *t)
{
    for (t->rank = 0; v->kind == CONVD_ARRAY; v = v->items) {
        if (t->rank == 4) {
            convd_fault_expected(f, CONVD_BAD_SHAPE, NULL, forms,
                                 "the array has more than 4 dimensions");
            return false;
        }
        if (v->n == 0) {
            convd_fault_expected(f, CONVD_BAD_SHAPE, NULL, "at least one number",
                                 "the array is empty");
            return false;
        }
        t->dim[t->rank++] = (ptrdiff_t)v->n;
    }
    return true;
}

static void wrong_item(const struct convd_value *v, bool range, struct convd_faults *f)
{
    convd_fault_expected(f, range ? CONVD_OUT_OF_RANGE : CONVD_WRONG_TYPE, NULL,
                         "a finite number in single precision", "it is %s",
                         convd_value_show(f->mem, v));
}

/* Copies what stands at depth d to out and moves it on; ragged or foreign items are faults at their place.
 * Counts on after a fault, but says no more than a few. */
static bool array_copy(const struct convd_value *v, const struct convd_tensor *t, int d,
                       struct convd_faults *f, float **out)
{
    if (d == t->rank) {
        if (v->kind != CONVD_NUMBER || !isfinite((float)v->number)) {
            wrong_item(v, v->kind == CONVD_NUMBER, f);
            return false;
        }
        *(*out)++ = (float)v->number;
        return true;
    }
    if (v->kind != CONVD_ARRAY) {
        convd_fault_expected(f, CONVD_BAD_SHAPE, NULL, "lists of equal depth",
                             "it is %s, beside a list of %td", convd_value_show(f->mem, v),
                             t->dim[d]);
        return false;
    }
    if ((ptrdiff_t)v->n != t->dim[d]) {
        convd_fault_expected(f, CONVD_BAD_SHAPE, NULL, "lists of equal length",
                             "the list has %u items, the first one %td", v->n, t->dim[d]);
        return false;
    }
    bool fine = true;
    for (uint32_t i = 0; i < v->n; i++) {
        const size_t mark = convd_enter_item(f, i);
        fine &= array_copy(&v->items[i], t, d + 1, f, out);
        convd_leave(f, mark);
        if (!fine && f->n >= f->most) return false;
    }
    return fine;
}

static bool read_array(const struct convd_value *v, struct convd_faults *f, struct convd_arena *mem,
                       struct convd_weight *out)
{
    struct convd_tensor *t = &out->array;
    size_t count = 1;
    t->name = "";
    out->kind = CONVD_W_ARRAY;
    if (!array_shape(v, f, t)) return false;
    for (int d = 0; d < t->rank; d++)
        if (!convd_mul(count, (size_t)t->dim[d], &count)) return no_memory(f);
    t->data = convd_arena_array(mem, count, sizeof *t->data);
    if (!t->data) return no_memory(f);
    float *to = t->data;
    return array_copy(v, t, 0, f, &to);
}

/* A list is one of kernels when any item is a name or an object. Matrices may stand among them. */
static bool is_kernels(const struct convd_value *v)
{
    for (uint32_t i = 0; i < v->n; i++)
        if (v->items[i].kind == CONVD_STRING || v->items[i].kind == CONVD_OBJECT) return true;
    return false;
}

static bool read_kernels(const struct convd_value *v, struct convd_faults *f,
                         struct convd_arena *mem, ptrdiff_t max_side, struct convd_weight *out)
{
    struct convd_kernel *k = convd_arena_array(mem, v->n, sizeof *k);
    struct convd_value *sources = convd_arena_array(mem, v->n, sizeof *sources);
    bool fine = true;
    if (!k || !sources) return no_memory(f);
    for (uint32_t i = 0; i < v->n; i++) {
        const size_t mark = convd_enter_item(f, i);
        bool read = convd_kernel_read(&v->items[i], f, mem, max_side, &k[i]);
        if (read && k[i].tensor) {
            convd_fault_expected(
                f, CONVD_WRONG_TYPE, NULL,
                "names and matrices in the list, or \"@tensor\" in place of the list",
                "item %u is a tensor", i);
            read = false;
        }
        if (read && fine && i > 0 && (k[i].h != k[0].h || k[i].w != k[0].w)) {
            convd_fault_expected(f, CONVD_BAD_SHAPE, NULL, "kernels of one size",
                                 "it is %tdx%td, the first kernel %tdx%td", k[i].h, k[i].w, k[0].h,
                                 k[0].w);
            read = false;
        }
        if (read) sources[i] = *k[i].source;
        fine &= read;
        convd_leave(f, mark);
    }
    out->kind = CONVD_W_KERNELS;
    out->n_kernels = v->n;
    out->kernels = k;
    struct convd_value *list = convd_arena_zero(mem, sizeof *list);
    if (!list) return no_memory(f);
    *list = (struct convd_value){.kind = CONVD_ARRAY, .n = v->n, .items = sources};
    out->source = list;
    return fine;
}

/* The members of {"init":…}, read by rows like any op's. */
struct members {
    int init;
    ptrdiff_t out_channels, out_features, seed;
    struct convd_pair kernel_size;
    double gain;
};
enum { INIT, OUT_CHANNELS, OUT_FEATURES, KERNEL_SIZE, SEED, GAIN, END };

#define AT(FIELD) .name = #FIELD, .offset = offsetof(struct members, FIELD)

// clang-format off
static const struct convd_param init_params[CONVD_INIT_ROWS] = {
    [INIT] = {AT(init), .type = CONVD_P_WORD, .words = convd_init_words,
              .summary = "how the numbers are drawn: their spread follows from the shape"},
    [OUT_CHANNELS] = {AT(out_channels), .type = CONVD_P_INT, .def = "", .lo = 1, .hi = 65536,
                      .summary = "outputs of a convolution"},
    [OUT_FEATURES] = {AT(out_features), .type = CONVD_P_INT, .def = "", .lo = 1, .hi = 65536,
                      .summary = "the same, as linear calls it"},
    [KERNEL_SIZE] = {AT(kernel_size), .type = CONVD_P_PAIR, .def = "", .lo = 1, .hi = 129, .summary = "window, pixels"},
    [SEED] = {AT(seed), .type = CONVD_P_INT, .def = "", .lo = 0, .hi = 0x1p53,
              .summary = "decides the numbers, with the shape; left out: 1 + the step's position"},
    [GAIN] = {AT(gain), .type = CONVD_P_NUMBER, .def = "1", .summary = "factor of all numbers"},
    [END] = CONVD_PARAM_END,
};
// clang-format on

void convd_init_params(ptrdiff_t max_side, struct convd_param rows[CONVD_INIT_ROWS])
{
    memcpy(rows, init_params, sizeof init_params);
    rows[KERNEL_SIZE].hi = (double)max_side;
}

static bool read_init(const struct convd_value *v, struct convd_faults *f, struct convd_arena *mem,
                      ptrdiff_t max_side, struct convd_weight *out)
{
    struct convd_param rows[CONVD_INIT_ROWS];
    struct members m = {0};
    convd_init_params(max_side, rows);
    struct convd_arg *args = convd_arena_array(mem, v->n + 1u, sizeof *args);
    if (!args) return no_memory(f);
    for (uint32_t i = 0; i < v->n; i++)
        args[i] = (struct convd_arg){.name = v->members[i].name, .value = &v->members[i].value};
    struct convd_bind bind = {.faults = f,
                              .mem = mem,
                              .rows = rows,
                              .into = &m,
                              .what = "weight",
                              .max_kernel = max_side};
    if (!convd_params_bind(&bind, args, v->n)) return false;
    if (m.out_channels && m.out_features) {
        convd_fault_expected(f, CONVD_UNKNOWN_MEMBER, "out_features",
                             "one of out_channels (conv) and out_features (linear)",
                             "both are given");
        return false;
    }
    out->kind = CONVD_W_INIT;
    out->init = (enum convd_init)m.init;
    out->out = m.out_channels ? m.out_channels : m.out_features;
    out->size = m.kernel_size;
    out->gain = m.gain;
    out->seed = (uint64_t)m.seed;
    out->has_seed = (bind.given >> SEED & 1) != 0;
    return true;
}

bool convd_weight_read(const struct convd_value *v, struct convd_faults *f, struct convd_arena *mem,
                       ptrdiff_t max_side, struct convd_weight *out)
{
    *out = (struct convd_weight){.max_side = max_side, .gain = 1};
    struct convd_value *copy = convd_arena_zero(mem, sizeof *copy);
    if (!copy) return no_memory(f);
    *copy = *v;
    out->source = copy;
    switch (v->kind) {
    case CONVD_NUMBER:
        return read_array(v, f, mem, out);
    case CONVD_ARRAY:
        return is_kernels(v) ? read_kernels(v, f, mem, max_side, out) : read_array(v, f, mem, out);
    case CONVD_OBJECT:
        return read_init(v, f, mem, max_side, out);
    case CONVD_STRING:
        if (v->string[0] != '@') break;
        out->kind = CONVD_W_TENSOR;
        out->tensor = convd_arena_text(mem, v->string + 1, strlen(v->string + 1));
        return out->tensor || no_memory(f);
    case CONVD_NULL:
    case CONVD_BOOL:
        break;
    }
    struct convd_fault *x = convd_fault_expected(f, CONVD_WRONG_TYPE, NULL, forms, "it is %s",
                                                 convd_value_show(f->mem, v));
    if (v->kind == CONVD_STRING && convd_kernel_find(v->string))
        x->suggestion = convd_arena_printf(f->mem, "[\"%s\"]", v->string);
    return false;
}

static bool init_allowed(const struct convd_weight *w, unsigned flags, struct convd_faults *f)
{
    bool fine = true;
    const char *out = flags & CONVD_INIT_SIZE ? "out_channels" : "out_features";
    if ((flags & CONVD_INIT_OUT) && w->out < 1) {
        convd_fault_expected(f, CONVD_MISSING, out, "an integer from 1 to 65536",
                             "the init does not say %s", out);
        fine = false;
    }
    if ((flags & CONVD_INIT_SIZE) && w->size.h < 1) {
        convd_fault_expected(f, CONVD_MISSING, "kernel_size", "an integer, or [h,w]",
                             "the init does not say kernel_size");
        fine = false;
    }
    if ((flags & CONVD_INIT_ZEROS) && w->init != CONVD_ZEROS) {
        convd_fault_expected(f, CONVD_OUT_OF_RANGE, "init", "\"zeros\"", "init is \"%s\"",
                             convd_init_words[w->init]);
        fine = false;
    }
    return fine;
}

bool convd_weight_allowed(const struct convd_weight *w, unsigned flags, struct convd_faults *f)
{
    if (w->kind == CONVD_W_INIT) return init_allowed(w, flags, f);
    if (w->kind != CONVD_W_KERNELS || !(flags & CONVD_NO_KERNELS)) return true;
    convd_fault_expected(f, CONVD_WRONG_TYPE, NULL, "an array, \"@tensor\", or {\"init\":…}",
                         "it is a list of kernels");
    return false;
}
