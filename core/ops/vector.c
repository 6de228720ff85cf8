/* vector.c: one number a channel; see vector.h. */
#include "vector.h"

static bool given(const struct convd_weight *w)
{
    return w->kind == CONVD_W_ARRAY || w->kind == CONVD_W_TENSOR;
}

bool convd_vector_check(const struct convd_weight *w, ptrdiff_t n, const char *member,
                        struct convd_faults *f)
{
    if (!given(w)) return true; /* left out, or an init of as many as there are */
    ptrdiff_t count = 1, longest = 1;
    for (int d = 0; d < w->array.rank; d++) {
        count *= w->array.dim[d];
        longest = most(longest, w->array.dim[d]);
    }
    if (w->array.data && (w->array.rank == 0 || (count == n && longest == n))) return true;
    struct convd_fault *x =
        convd_fault(f, CONVD_BAD_SHAPE, member, "%s has %td numbers in %d dimensions", member,
                    count, w->array.rank);
    x->expected = convd_arena_printf(f->mem, "a list of %td numbers, one a channel", n);
    return false;
}

float convd_vector_number(const struct convd_weight *w, ptrdiff_t n, float otherwise,
                          size_t position, ptrdiff_t c)
{
    if (w->kind == CONVD_W_INIT)
        return convd_weight_number(w->init, weight_seed(w, position), w->gain,
                                   (ptrdiff_t[]){n, 1, 1, 1}, (size_t)c);
    if (!given(w)) return otherwise;
    return w->array.data[w->array.rank > 0 ? c : 0];
}

void convd_vector_fill(const struct convd_weight *w, ptrdiff_t n, float otherwise, size_t position,
                       float *out)
{
    for (ptrdiff_t c = 0; c < n; c++) out[c] = convd_vector_number(w, n, otherwise, position, c);
}

bool convd_vector_shape(const struct convd_weight *w, ptrdiff_t n, struct convd_tensor *t)
{
    if (!given(w) && w->kind != CONVD_W_INIT) return false;
    *t = given(w) ? w->array : (struct convd_tensor){.name = "", .rank = 1, .dim = {n}};
    return true;
}

void convd_vector_add(const struct convd_weight *w, ptrdiff_t c, double g, float *written)
{
    written[given(w) && w->array.rank == 0 ? 0 : c] += (float)g;
}

size_t convd_vector_count(const struct convd_weight *w, ptrdiff_t n)
{
    return w->kind == CONVD_W_NONE ? 0 : (size_t)n;
}
