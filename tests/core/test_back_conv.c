/* The gradients of conv, conv_transpose and filter against central differences of their definitions in double, over random
 * shapes, parameters, modes, forms of the weight, parts and instruction sets. */
#include "../../core/border.h"
#include "../../core/weight.h"
#include "lib_back.h"
#include "lib_value.h"

enum form { OIHW, HWIO, LIST, ONE, FORMS };

/* What was drawn, and what the definitions look at. */
struct drawn {
    ptrdiff_t o, c, kh, kw, sh, sw, dh, dw, top, left, bottom, right, groups;
    int mode;
    bool flip, same, bias;
    double value, scale;
    enum form form;
    double across[64];
    struct convd_window w;
    struct convd_shape x, y;
    float *numbers; /* of the weight, which a tensor refers to */
};

static double outside(const struct drawn *d)
{
    return d->mode == CONVD_MODE_CONSTANT ? (double)(float)d->value : 0;
}

static double pixel(const struct drawn *d, const double *x, ptrdiff_t c, ptrdiff_t i, ptrdiff_t j)
{
    i = convd_border_index((enum convd_mode)d->mode, i, d->x.h);
    j = convd_border_index((enum convd_mode)d->mode, j, d->x.w);
    return i < 0 || j < 0 ? outside(d) : x[(c * d->x.h + i) * d->x.w + j];
}

/* Number [o,c,a,b] as conv applies it, from what was written. */
static double weight(const struct drawn *d, const double *v, ptrdiff_t o, ptrdiff_t c, ptrdiff_t a,
                     ptrdiff_t b)
{
    if (d->flip) {
        a = d->kh - 1 - a;
        b = d->kw - 1 - b;
    }
    if (d->form == HWIO) return v[((a * d->kw + b) * d->c + c) * d->o + o];
    if (d->form == OIHW) return v[((o * d->c + c) * d->kh + a) * d->kw + b];
    return v[(o * d->kh + a) * d->kw + b] * d->across[c];
}

static void define_conv(const struct back_case *k, double *y)
{
    const struct drawn *d = k->of;
    for (ptrdiff_t o = 0; o < d->o; o++)
        for (ptrdiff_t i = 0; i < d->y.h; i++)
            for (ptrdiff_t j = 0; j < d->y.w; j++) {
                double sum = d->bias ? k->in[2].value[o] : 0;
                for (ptrdiff_t c = 0; c < d->c; c++)
                    for (ptrdiff_t a = 0; a < d->kh; a++)
                        for (ptrdiff_t b = 0; b < d->kw; b++)
                            sum += weight(d, k->in[1].value, o, c, a, b) *
                                   pixel(d, k->in[0].value, o / (d->o / d->groups) * d->c + c,
                                         i * d->sh + a * d->dh - d->w.top,
                                         j * d->sw + b * d->dw - d->w.left);
                *y++ = sum;
            }
}

static struct drawn draw(struct t_rng *r)
{
    struct drawn d = {
        .kh = t_between(r, 1, 5), .kw = t_between(r, 1, 5), .sh = 1, .sw = 1, .dh = 1, .dw = 1};
    d.x = (struct convd_shape){1, 1, t_between(r, 1, 9),
                               t_between(r, 1, t_between(r, 0, 4) ? 11 : 60)};
    d.groups = t_between(r, 0, 2) ? 1 : t_between(r, 2, 3);
    d.c = t_between(r, 1, 3);
    d.o = d.groups * t_between(r, 1, d.groups > 1 ? 3 : 6);
    if (t_between(r, 0, 4) == 0) d.kh = d.kw = 1;
    if (t_between(r, 0, 1)) d.sh = t_between(r, 1, 4);
    if (t_between(r, 0, 1)) d.sw = t_between(r, 1, 4);
    if (t_between(r, 0, 1)) d.dh = t_between(r, 1, 3);
    if (t_between(r, 0, 1)) d.dw = t_between(r, 1, 3);
    if (t_between(r, 0, 2)) {
        d.top = t_between(r, 0, 6);
        d.left = t_between(r, 0, 6);
        d.bottom = t_between(r, 0, 6);
        d.right = t_between(r, 0, 6);
    }
    d.same = t_between(r, 0, 4) == 0;
    d.mode = (int)t_between(r, 0, 5);
    d.flip = t_between(r, 0, 1);
    d.bias = t_between(r, 0, 1);
    d.value = t_uniform(r, -2, 2);
    d.scale = t_uniform(r, 0.5, 2);
    d.form = (enum form)t_between(r, 0, FORMS - 1);
    if (d.form == ONE) d.o = d.groups = 1;
    d.x.c = d.c * d.groups;
    return d;
}

static const char *describe(const struct drawn *d, const char *op, const char *simd)
{
    static char what[300];
    snprintf(what, sizeof what,
             "%s %s x %tdx%tdx%td k %tdx%tdx%tdx%td s %tdx%td d %tdx%td p %td,%td,%td,%td g %td "
             "mode %d same %d flip %d form %d",
             op, simd, d->x.c, d->x.h, d->x.w, d->o, d->c, d->kh, d->kw, d->sh, d->sw, d->dh, d->dw,
             d->top, d->left, d->bottom, d->right, d->groups, d->mode, d->same, d->flip,
             (int)d->form);
    return what;
}

static struct convd_value pair(ptrdiff_t h, ptrdiff_t w)
{
    return list(2, num((double)h), num((double)w));
}

static struct convd_value sides(const struct drawn *d)
{
    return list(4, num((double)d->top), num((double)d->left), num((double)d->bottom),
                num((double)d->right));
}

/* How channels are weighed where kernels are spread, and the words for it. */
static struct convd_value draw_across(struct t_rng *r, struct drawn *d)
{
    const int kind = (int)t_between(r, 0, 2);
    struct convd_value *items = malloc((size_t)d->c * sizeof *items);
    for (ptrdiff_t c = 0; c < d->c; c++) {
        d->across[c] = kind == 0   ? 1.0 / (double)d->c
                       : kind == 1 ? 1
                                   : (double)(float)t_uniform(r, -1, 1);
        items[c] = num(d->across[c]);
    }
    if (kind < 2) free(items);
    return kind == 0   ? str("mean")
           : kind == 1 ? str("sum")
                       : (struct convd_value){CONVD_ARRAY, (uint32_t)d->c, {.items = items}};
}

/* The weight as an array, or as "@t". */
static struct convd_value written(struct t_rng *r, const struct drawn *d, const float *w,
                                  struct convd_tensor *t)
{
    const ptrdiff_t dims[FORMS][4] = {[OIHW] = {d->o, d->c, d->kh, d->kw},
                                      [HWIO] = {d->kh, d->kw, d->c, d->o},
                                      [LIST] = {d->o, d->kh, d->kw},
                                      [ONE] = {d->kh, d->kw}};
    const int rank = d->form == LIST ? 3 : d->form == ONE ? 2 : 4;
    *t = (struct convd_tensor){.name = "t", .rank = rank, .data = (float *)(uintptr_t)w};
    memcpy(t->dim, dims[d->form], sizeof t->dim);
    return t_between(r, 0, 1) ? str("@t") : array(w, rank, dims[d->form]);
}

static bool open_conv(struct t_rng *r, struct drawn *d, const struct convd_simd *simd,
                      struct op_site *s, struct back_case *k)
{
    struct convd_tensor t;
    const size_t count =
        (size_t)(d->o * (d->form == LIST || d->form == ONE ? 1 : d->c) * d->kh * d->kw);
    const struct convd_value across = draw_across(r, d);
    k->in[0] = (struct back_variable){.count = (size_t)(d->x.c * d->x.h * d->x.w)};
    k->in[1] = (struct back_variable){.row = 0, .count = count};
    k->in[2] = (struct back_variable){.row = 2, .count = (size_t)d->o};
    k->n = d->bias ? 3 : 2;
    for (size_t i = 0; i < 3; i++) k->in[i].value = back_numbers(r, k->in[i].count);
    float *w = d->numbers = back_floats(k->in[1].value, count),
          *b = back_floats(k->in[2].value, (size_t)d->o);
    const struct convd_value args = object(
        10 + d->bias, "weight", written(r, d, w, &t), "layout",
        str(d->form == HWIO ? "HWIO" : "OIHW"), "across", across, "stride", pair(d->sh, d->sw),
        "dilation", pair(d->dh, d->dw), "padding", d->same ? str("same") : sides(d), "groups",
        num((double)d->groups), "padding_mode", str(convd_padding_modes[d->mode]), "padding_value",
        num(d->value), "flip", convd_boolean(d->flip), "bias", array(b, 1, &d->o));
    const bool fine = site_open(s, "conv", args, &t, d->x, simd);
    if (fine) {
        s->op->window(&s->site, &d->w);
        d->y = s->site.y;
    }
    free(b);
    return fine;
}

static void let_go(struct drawn *d, struct back_case *k, struct op_site *s)
{
    free(d->numbers);
    for (size_t i = 0; i < BACK_INPUTS; i++) free(k->in[i].value);
    site_close(s);
}

static const struct convd_simd *any_simd(int round)
{
    size_t n = 0;
    while (convd_simd_at(n)) n++;
    return convd_simd_at((size_t)round % n);
}

TEST(random_convolutions_give_back_what_they_took)
{
    struct t_rng r = t_rng(50);
    int ran = 0;
    for (int round = 0; round < T_ROUNDS(1500); round++) {
        struct drawn d = draw(&r);
        struct op_site s;
        struct back_case k = {.site = &s, .define = define_conv, .of = &d, .step = 1};
        const struct convd_simd *simd = any_simd(round);
        if (open_conv(&r, &d, simd, &s, &k)) {
            k.what = describe(&d, "conv", simd->name);
            back_check(&k, &r, 5);
            ran++;
        }
        let_go(&d, &k, &s);
    }
    OK(ran > T_ROUNDS(900));
}

/* Rows longer than one dot product, more rows and more channels than are laid out at once. */
TEST(large_convolutions_give_back_what_they_took)
{
    static const struct drawn cases[] = {
        {.x = {1, 1, 3, 2500},
         .groups = 1,
         .c = 1,
         .o = 2,
         .kh = 2,
         .kw = 3,
         .sh = 1,
         .sw = 2,
         .dh = 1,
         .dw = 1},
        {.x = {1, 1, 2, 2600},
         .groups = 1,
         .c = 1,
         .o = 5,
         .kh = 1,
         .kw = 3,
         .sh = 1,
         .sw = 1,
         .dh = 1,
         .dw = 1},
        {.x = {1, 2, 70, 90},
         .groups = 1,
         .c = 2,
         .o = 2,
         .kh = 3,
         .kw = 3,
         .sh = 1,
         .sw = 1,
         .dh = 1,
         .dw = 1,
         .top = 1,
         .left = 1,
         .mode = CONVD_MODE_REFLECT},
        {.x = {1, 40, 9, 40},
         .groups = 1,
         .c = 40,
         .o = 2,
         .kh = 5,
         .kw = 5,
         .sh = 1,
         .sw = 1,
         .dh = 1,
         .dw = 1},
        {.x = {1, 1, 60, 30},
         .groups = 1,
         .c = 1,
         .o = 1,
         .kh = 7,
         .kw = 2,
         .sh = 2,
         .sw = 3,
         .dh = 6,
         .dw = 5,
         .top = 20,
         .bottom = 20,
         .mode = CONVD_MODE_CIRCULAR},
        {.x = {1, 12, 40, 40},
         .groups = 12,
         .c = 1,
         .o = 12,
         .kh = 3,
         .kw = 3,
         .sh = 1,
         .sw = 1,
         .dh = 1,
         .dw = 1},
        {.x = {1, 9, 40, 130},
         .groups = 1,
         .c = 9,
         .o = 9,
         .kh = 1,
         .kw = 1,
         .sh = 1,
         .sw = 1,
         .dh = 1,
         .dw = 1},
    };
    struct t_rng r = t_rng(51);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct drawn d = cases[i];
        struct op_site s;
        struct back_case k = {.site = &s, .define = define_conv, .of = &d, .step = 1};
        OK(open_conv(&r, &d, convd_simd_choose(NULL), &s, &k));
        k.what = describe(&d, "conv", "large");
        back_check(&k, &r, 4);
        let_go(&d, &k, &s);
    }
}

/* Channels and tiles enough for Winograd, both ways. */
TEST(convolutions_over_many_channels_give_back_what_they_took)
{
    struct t_rng r = t_rng(55);
    for (int round = 0; round < T_ROUNDS(5); round++) {
        struct drawn d = {.groups = 1 + (round % 2),
                          .c = t_between(&r, 16, 21),
                          .o = t_between(&r, 16, 21),
                          .kh = 3,
                          .kw = 3,
                          .sh = 1,
                          .sw = 1,
                          .dh = 1,
                          .dw = 1,
                          .top = t_between(&r, 0, 2),
                          .left = t_between(&r, 0, 3),
                          .bottom = t_between(&r, 0, 2),
                          .right = t_between(&r, 0, 1),
                          .mode = (int)t_between(&r, 0, 5),
                          .bias = true,
                          .form = t_between(&r, 0, 1) ? OIHW : HWIO};
        struct op_site s;
        struct back_case k = {.site = &s, .define = define_conv, .of = &d, .step = 1};
        d.o *= d.groups;
        d.x = (struct convd_shape){1, d.c * d.groups, t_between(&r, 36, 40), t_between(&r, 40, 47)};
        OK(open_conv(&r, &d, any_simd(round), &s, &k));
        k.what = describe(&d, "conv", "many channels");
        back_check(&k, &r, 1);
        let_go(&d, &k, &s);
    }
}

/* ---- conv_transpose -------------------------------------------------------------------------- */

static void define_transpose(const struct back_case *k, double *y)
{
    const struct drawn *d = k->of;
    const ptrdiff_t in = d->x.c / d->groups, out = d->y.c / d->groups; /* of a group */
    for (ptrdiff_t i = 0; i < d->y.c * d->y.h * d->y.w; i++)
        y[i] = d->bias ? k->in[2].value[i / (d->y.h * d->y.w)] : 0;
    for (ptrdiff_t c = 0; c < d->x.c; c++)
        for (ptrdiff_t o = 0; o < out; o++)
            for (ptrdiff_t p = 0; p < d->x.h * d->x.w; p++)
                for (ptrdiff_t t = 0; t < d->kh * d->kw; t++) {
                    const ptrdiff_t i = p / d->x.w * d->sh + t / d->kw * d->dh - d->top;
                    const ptrdiff_t j = p % d->x.w * d->sw + t % d->kw * d->dw - d->left;
                    if (i < 0 || i >= d->y.h || j < 0 || j >= d->y.w) continue;
                    const ptrdiff_t tap = d->flip ? d->kh * d->kw - 1 - t : t;
                    y[((c / in * out + o) * d->y.h + i) * d->y.w + j] +=
                        k->in[1].value[(c * out + o) * d->kh * d->kw + tap] *
                        k->in[0].value[c * d->x.h * d->x.w + p];
                }
}

static bool open_transpose(struct t_rng *r, struct drawn *d, const struct convd_simd *simd,
                           struct op_site *s, struct back_case *k)
{
    const ptrdiff_t dim[4] = {d->x.c, d->c, d->kh, d->kw}, channels = d->c * d->groups;
    k->in[0] = (struct back_variable){.count = (size_t)(d->x.c * d->x.h * d->x.w)};
    k->in[1] = (struct back_variable){.row = 0, .count = (size_t)(d->x.c * d->c * d->kh * d->kw)};
    k->in[2] = (struct back_variable){.row = 1, .count = (size_t)channels};
    k->n = d->bias ? 3 : 2;
    for (size_t i = 0; i < 3; i++) k->in[i].value = back_numbers(r, k->in[i].count);
    float *w = back_floats(k->in[1].value, k->in[1].count),
          *b = back_floats(k->in[2].value, k->in[2].count);
    const ptrdiff_t more_h = t_between(r, 0, (d->sh > d->dh ? d->sh : d->dh) - 1),
                    more_w = t_between(r, 0, (d->sw > d->dw ? d->sw : d->dw) - 1);
    const struct convd_value args =
        object(7 + d->bias, "weight", array(w, 4, dim), "stride", pair(d->sh, d->sw), "dilation",
               pair(d->dh, d->dw), "padding", sides(d), "groups", num((double)d->groups), "flip",
               convd_boolean(d->flip), "output_padding", pair(more_h, more_w), "bias",
               array(b, 1, &channels));
    const bool fine = site_open(s, "conv_transpose", args, NULL, d->x, simd);
    d->y = s->site.y;
    free(w);
    free(b);
    return fine;
}

TEST(random_transposed_convolutions_give_back_what_they_took)
{
    struct t_rng r = t_rng(52);
    int ran = 0;
    for (int round = 0; round < 600; round++) {
        struct drawn d = draw(&r);
        struct op_site s;
        struct back_case k = {.site = &s, .define = define_transpose, .of = &d, .step = 1};
        const struct convd_simd *simd = any_simd(round);
        if (open_transpose(&r, &d, simd, &s, &k)) {
            k.what = describe(&d, "conv_transpose", simd->name);
            back_check(&k, &r, 5);
            ran++;
        }
        let_go(&d, &k, &s);
    }
    OK(ran > 400);
}

/* Forward, of the same definition: it is the way back of conv. */
TEST(random_transposed_convolutions_are_what_they_are_defined_to_be)
{
    struct t_rng r = t_rng(53);
    for (int round = 0; round < 600; round++) {
        struct drawn d = draw(&r);
        struct op_site s;
        struct back_case k = {.site = &s, .of = &d};
        const struct convd_simd *simd = any_simd(round);
        if (open_transpose(&r, &d, simd, &s, &k)) {
            float *x = back_floats(k.in[0].value, k.in[0].count), *y = site_run(&s, x, 0, true),
                  *cut = site_run(&s, x, t_between(&r, -1, 3), false);
            double *want = malloc(site_count(&s) * sizeof *want);
            define_transpose(&k, want);
            if (memcmp(y, cut, site_count(&s) * sizeof *y) != 0)
                T_FAIL("%s depends on the cut", describe(&d, "conv_transpose", simd->name));
            for (size_t i = 0; i < site_count(&s); i++)
                if (!(fabs((double)y[i] - want[i]) <= 1e-5 * fmax(fabs(want[i]), 1)))
                    T_FAIL("%s: %zu is %.9g, expected %.9g",
                           describe(&d, "conv_transpose", simd->name), i, (double)y[i], want[i]);
            free(x);
            free(y);
            free(cut);
            free(want);
        }
        let_go(&d, &k, &s);
    }
}

/* ---- filter ---------------------------------------------------------------------------------- */

static void define_filter(const struct back_case *k, double *y)
{
    const struct drawn *d = k->of;
    for (ptrdiff_t c = 0; c < d->x.c; c++)
        for (ptrdiff_t i = 0; i < d->x.h; i++)
            for (ptrdiff_t j = 0; j < d->x.w; j++) {
                double sum = 0;
                for (ptrdiff_t t = 0; t < d->kh * d->kw; t++)
                    sum += k->in[1].value[d->flip ? d->kh * d->kw - 1 - t : t] *
                           pixel(d, k->in[0].value, c, i + t / d->kw - d->w.top,
                                 j + t % d->kw - d->w.left);
                *y++ = d->scale * sum + d->value;
            }
}

TEST(random_filters_give_back_what_they_took)
{
    struct t_rng r = t_rng(54);
    for (int round = 0; round < 400; round++) {
        struct drawn d = draw(&r);
        struct op_site s;
        struct back_case k = {.site = &s, .define = define_filter, .of = &d, .step = 1, .n = 2};
        const struct convd_simd *simd = any_simd(round);
        k.in[0] = (struct back_variable){.count = (size_t)(d.x.c * d.x.h * d.x.w)};
        k.in[1] = (struct back_variable){.row = 0, .count = (size_t)(d.kh * d.kw)};
        for (size_t i = 0; i < 2; i++) k.in[i].value = back_numbers(&r, k.in[i].count);
        if (round % 3 == 0) /* a product of two rows runs as two passes forward */
            for (ptrdiff_t t = 0; t < d.kh * d.kw; t++)
                k.in[1].value[t] =
                    (double)(float)((1 + (double)(t / d.kw)) * (2 - (double)(t % d.kw)));
        float *w = d.numbers = back_floats(k.in[1].value, k.in[1].count);
        const struct convd_tensor t = {.name = "t", .rank = 2, .dim = {d.kh, d.kw}, .data = w};
        OK(site_open(&s, "filter",
                     object(7, "kernel", str("@t"), "padding_mode",
                            str(convd_padding_modes[d.mode]), "padding_value", num(d.value),
                            "scale", num(d.scale), "delta", num(d.value), "flip",
                            convd_boolean(d.flip), "anchor",
                            pair(t_between(&r, 0, d.kh - 1), t_between(&r, 0, d.kw - 1))),
                     &t, d.x, simd));
        s.op->window(&s.site, &d.w);
        d.y = s.site.y;
        k.what = describe(&d, "filter", simd->name);
        back_check(&k, &r, 6);
        let_go(&d, &k, &s);
    }
}

/* ---- NaN ------------------------------------------------------------------------------------- */

TEST(nan_reaches_only_the_weights_that_saw_it)
{
    float w[4] = {1, 2, 3, 4}, x[4 * 40], dy[3 * 39], dx[4 * 40] = {0}, dw[4] = {0};
    struct op_site s;
    for (int i = 0; i < 160; i++) x[i] = 1;
    for (int i = 0; i < 117; i++) dy[i] = 1;
    x[39] = NAN; /* the last column of the first row: seen by tap (0,1) alone */
    OK(site_open(&s, "conv", object(1, "weight", array(w, 4, (ptrdiff_t[]){1, 1, 2, 2})), NULL,
                 (struct convd_shape){1, 1, 4, 40}, convd_simd_choose(NULL)));
    float *scratch = aligned_alloc(64, (s.op->back_scratch(&s.site) + 63) / 64 * 64),
          *dweight[16] = {dw};
    const struct convd_view vx = {x, 1, 4, 40, 0, 4, 40, 160}, vdy = {dy, 1, 3, 39, 0, 3, 39, 117},
                            vdx = {dx, 1, 4, 40, 0, 4, 40, 160};
    back_run(&s, (struct convd_back){.site = &s.site,
                                     .x = &vx,
                                     .y = &vdy,
                                     .dy = &vdy,
                                     .dx = &vdx,
                                     .dweight = dweight,
                                     .parts = 1,
                                     .scratch = scratch});
    OK(isnan(dw[1]));
    for (int i = 0; i < 4; i++)
        if (i != 1) NEAR(117, dw[i], 0);
    for (int i = 0; i < 160; i++) OK(!isnan(dx[i]));
    free(scratch);
    site_close(&s);
}

/* The same where tiles are many: what one NaN in x and one in dy reach, fresh or added to. */
TEST(nan_stays_where_it_belongs_with_many_channels)
{
    enum { C = 16, SIDE = 48, N = C * SIDE * SIDE };
    float *w = malloc(C * C * 9 * sizeof *w), *x = malloc(N * sizeof *x),
          *dy = malloc(N * sizeof *dy), *dx = malloc(N * sizeof *dx),
          *dw = calloc(C * C * 9, sizeof *dw);
    struct op_site s;
    for (int i = 0; i < C * C * 9; i++) w[i] = 1;
    for (int i = 0; i < N; i++) x[i] = dy[i] = 1;
    x[3 * SIDE * SIDE + 20 * SIDE + 20] = NAN;
    dy[5 * SIDE * SIDE + 30 * SIDE + 7] = NAN;
    OK(site_open(&s, "conv",
                 object(2, "weight", array(w, 4, (ptrdiff_t[]){C, C, 3, 3}), "padding", num(1)),
                 NULL, (struct convd_shape){1, C, SIDE, SIDE}, convd_simd_choose(NULL)));
    float *scratch = aligned_alloc(64, (s.op->back_scratch(&s.site) + 63) / 64 * 64),
          *dweight[16] = {dw};
    const struct convd_view vx = {x, C, SIDE, SIDE, 0, SIDE, SIDE, SIDE * SIDE},
                            vdy = {dy, C, SIDE, SIDE, 0, SIDE, SIDE, SIDE * SIDE},
                            vdx = {dx, C, SIDE, SIDE, 0, SIDE, SIDE, SIDE * SIDE};
    for (int fresh = 0; fresh < 2; fresh++) {
        for (int i = 0; i < N; i++) dx[i] = fresh ? NAN : 1;
        back_run(&s, (struct convd_back){.site = &s.site,
                                         .x = &vx,
                                         .y = &vdy,
                                         .dy = &vdy,
                                         .dx = &vdx,
                                         .dweight = dweight,
                                         .fresh = fresh,
                                         .parts = 1,
                                         .scratch = scratch});
        for (int i = 0; i < N; i++) {
            const int row = i / SIDE % SIDE, column = i % SIDE;
            const bool near = row >= 29 && row <= 31 && column >= 6 && column <= 8;
            if (near != (bool)isnan(dx[i]))
                T_FAIL("dx %d, fresh %d: row %d, column %d", i, fresh, row, column);
            if (!near && row > 0 && row < SIDE - 1 && column > 0 && column < SIDE - 1)
                OK(fabsf(dx[i] - (float)(9 * C + !fresh)) <= 1e-5f * 9 * C);
        }
    }
    for (int i = 0; i < C * C * 9; i++)
        if ((i / 9 % C == 3 || i / 9 / C == 5) != (bool)isnan(dw[i])) T_FAIL("dw %d", i);
    free(scratch);
    site_close(&s);
    free(w), free(x), free(dy), free(dx), free(dw);
}

T_MAIN("core/back_conv")
