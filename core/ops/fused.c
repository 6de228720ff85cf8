/* fused.c: see fused.h. */
#include "fused.h"

bool convd_fused_abs(const struct convd_site *s, const struct convd_fixed *x, const struct convd_fixed *y,
                    const struct convd_fixed_fused *const *in, struct convd_fixed_fused *out)
{
    (void)s;
    if (!in[0] || in[0]->terms != 1 || x->frac != y->frac) return false;
    *out = *in[0];
    out->first = false;
    out->term[0].absolute = true;
    return true;
}

static bool merged(const struct convd_site *s, const struct convd_fixed *x, const struct convd_fixed *y,
                   const struct convd_fixed_fused *const *in, bool largest, struct convd_fixed_fused *out)
{
    if (s->n != 2 || !in[0] || !in[1] || in[0]->terms != 1 || in[1]->terms != 1 || in[0]->of != in[1]->of ||
        in[0]->mode != in[1]->mode || in[0]->value != in[1]->value || x[0].frac != y->frac || x[1].frac != y->frac)
        return false;
    const int odd = in[0]->term[0].odd_row ? 0 : 1; /* an odd row first: neither merge minds their order */
    *out = *in[0];
    out->first = false;
    out->terms = 2;
    out->term[0] = in[odd]->term[0];
    out->term[1] = in[1 - odd]->term[0];
    out->largest = largest;
    return true;
}

bool convd_fused_add(const struct convd_site *s, const struct convd_fixed *x, const struct convd_fixed *y,
                    const struct convd_fixed_fused *const *in, struct convd_fixed_fused *out)
{
    return merged(s, x, y, in, false, out);
}

bool convd_fused_maximum(const struct convd_site *s, const struct convd_fixed *x, const struct convd_fixed *y,
                        const struct convd_fixed_fused *const *in, struct convd_fixed_fused *out)
{
    return merged(s, x, y, in, true, out);
}

size_t convd_fused_state(const struct convd_fixed *x, ptrdiff_t w)
{
    return convd_int_outside(x, w, 1, 1);
}

void convd_fused_rows(const struct convd_fixed_call *c, const struct convd_fixed_fused *what)
{
    const struct convd_fixed_view *y = c->y;
    const struct convd_int_lines lines = {
        .x = c->x, .mode = what->mode, .value = what->value, .left = 1, .right = 1, .outside = c->state};
    convd_int_lines_begin(&lines, y->y0 - 1, y->y1 + 1);
    for (ptrdiff_t p = 0; p < y->format->planes; p++)
        for (ptrdiff_t i = y->y0; i < y->y1; i += CONVD_FUSED_ROWS) {
            const int16_t *t[CONVD_FUSED_ROWS + 2];
            void *to[CONVD_FUSED_ROWS];
            const ptrdiff_t outs = least(CONVD_FUSED_ROWS, y->y1 - i);
            for (ptrdiff_t a = 0; a < outs + 2; a++) t[a] = convd_int_line(&lines, p, i - 1 + a);
            for (ptrdiff_t o = 0; o < outs; o++) to[o] = convd_fixed_row(y, p, i + o);
            const struct convd_fused b = {.t = t,
                                         .step = (size_t)c->x->format->step,
                                         .terms = what->terms,
                                         .outs = (size_t)outs,
                                         .term = {what->term[0], what->term[1]},
                                         .largest = what->largest,
                                         .bytes = what->bytes,
                                         .even = what->even,
                                         .count = c->saturated != NULL,
                                         .frac = what->frac,
                                         .y = to};
            const uint64_t saturated = c->site->simd->fused_i16(&b, (size_t)y->n);
            if (c->saturated) *c->saturated += saturated;
        }
}
