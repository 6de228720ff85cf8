/* correlate.h: the three passes of every convolution. Kernels k[o][c][a][b] tie a small map y of groups * out channels to
 * a large map x of groups * in channels, padded by a mode:
 *
 *     gather    y[o,i,j] = bias[o] + sum over c,a,b of k[o,c,a,b] * x[c, i*sh + a*dh - top, j*sw + b*dw - left]
 *     spread    x[c,…] += k[o,c,a,b] * y[o,i,j]        its adjoint: dL/dx from dL/dy
 *     products  k[o,c,a,b] += x[c,…] * y[o,i,j]        the other one: dL/dk from dL/dy and x
 *
 * conv gathers forward, spreads and multiplies backward; conv_transpose spreads forward, gathers and multiplies backward;
 * filter has its own way forward and these two backward. Every number comes out the same however rows are cut. */
#ifndef CONVD_OPS_CORRELATE_H
#define CONVD_OPS_CORRELATE_H
#include "row.h"

struct convd_corr {
    struct convd_window window;
    enum convd_mode mode;
    float value;               /* for CONSTANT                            */
    ptrdiff_t groups, in, out; /* channels of x and of y in a group       */
    bool shared;               /* one set of kernels for all groups       */
    struct convd_shape x, y;   /* of one sample                           */
    const struct convd_simd *simd;
};

/* Numbers in k; 0 when they cannot be counted. */
size_t convd_corr_count(const struct convd_corr *r);

/* Packed kernels of gather: blocks of up to CONVD_TAPS_OUTS outputs of a group, in each tap by tap (c, a, b). */
static inline size_t convd_gather_index(const struct convd_corr *r, ptrdiff_t o, ptrdiff_t c,
                                        ptrdiff_t a, ptrdiff_t b)
{
    const struct convd_window *w = &r->window;
    const ptrdiff_t at = o % r->out % CONVD_TAPS_OUTS, first = o - at;
    const ptrdiff_t outs = least(CONVD_TAPS_OUTS, r->out - first % r->out);
    return (size_t)(first * r->in * w->kh * w->kw + ((c * w->kh + a) * w->kw + b) * outs + at);
}

/* Writes rows [y->y0,y->y1), or adds to them. bias: one number for each of y's channels, or NULL. */
size_t convd_gather_bytes(const struct convd_corr *r,
                          bool add); /* of scratch; SIZE_MAX: cannot be counted */
void convd_gather(const struct convd_corr *r, const float *k, const float *bias,
                  const struct convd_view *x, const struct convd_view *y, bool add, void *scratch);

/* The same for columns [from,to) of one group. */
void convd_gather_part(const struct convd_corr *r, const float *k, const float *bias,
                       const struct convd_view *x, const struct convd_view *y, bool add,
                       ptrdiff_t group, struct convd_rows columns, void *scratch);

/* Gather by Winograd's F(4x4, 3x3), and, turned, spread without stride where what is outside is dropped: then the same with
 * turned kernels, from y to x. It differs from both by a few 1e-6 of the largest number. x holds the rows that windows of
 * convd_wino_rows see. */
struct convd_wino_bank {
    const struct convd_corr *of;
    const float *k, *u; /* packed for gather; of convd_wino_pack */
    const float *bias;  /* one number for each output, or NULL   */
    bool turned;
};
bool convd_wino_pays(const struct convd_corr *r); /* where it can be used and is faster           */
size_t
convd_wino_count(const struct convd_corr *r); /* numbers in u                                 */
size_t
convd_wino_bytes(const struct convd_corr *r); /* of scratch; SIZE_MAX: cannot be counted      */
struct convd_rows convd_wino_rows(struct convd_rows y,
                                  ptrdiff_t h); /* that are computed for rows y  */
/* Share `part` of `parts` of u. */
void convd_wino_pack(const struct convd_corr *r, const float *gather, bool turned, float *u, size_t part, size_t parts);
/* Writes rows [y->y0,y->y1), or adds to them. */
void convd_wino(const struct convd_wino_bank *k, const struct convd_view *x,
                const struct convd_view *y, bool add, void *scratch);
/* The correlation whose gather is r's spread: from r's y to its x, for windows without stride. */
void convd_corr_turn(const struct convd_corr *r, struct convd_corr *t);

/* Adds to rows [x->y0,x->y1) all that rows of y give them. k as convd_spread_pack made it, out of gather's; k and y are not
 * looked at where they are not needed: of y the rows whose windows reach x's. */
void convd_spread_pack(const struct convd_corr *r, const float *gather, float *k);
size_t convd_spread_bytes(const struct convd_corr *r);
void convd_spread(const struct convd_corr *r, const float *k, const struct convd_view *y,
                  const struct convd_view *x, void *scratch);

/* Adds to k (o, c, a, b; NULL: not wanted) and to bias (the sums of y's channels; NULL: not wanted) what rows [from,to) of
 * y give. */
size_t convd_products_bytes(const struct convd_corr *r);
void convd_products(const struct convd_corr *r, const struct convd_view *x,
                    const struct convd_view *y, struct convd_rows rows, double *k, double *bias,
                    void *scratch);

/* The same for one group, kernels alone. */
void convd_products_group(const struct convd_corr *r, const struct convd_view *x,
                          const struct convd_view *y, struct convd_rows rows, ptrdiff_t group,
                          double *k, void *scratch);

/* The same by Winograd, where it pays: sums of transformed products, which convd_wino_give makes kernels of. Where numbers
 * have no bounds they are not transformed: then k, of convd_corr_count numbers, is set to what those rows give, and true is
 * returned. bias is added to. */
bool convd_wino_products_pay(const struct convd_corr *r);
size_t convd_wino_products_bytes(const struct convd_corr *r); /* of scratch            */
size_t convd_wino_sums_count(const struct convd_corr *r);     /* numbers in sums       */
bool convd_wino_products(const struct convd_corr *r, const struct convd_view *x,
                         const struct convd_view *y, struct convd_rows rows, float *sums, double *k,
                         double *bias, void *scratch);
/* Adds to kernels [outs) of k what `workers` sums give, each `stride` bytes behind the one before. */
void convd_wino_give(const struct convd_corr *r, const float *sums, size_t stride, size_t workers,
                     struct convd_rows outs, double *k);

/* Columns that are done for all channels written before the next ones: so many that what is read of them stays in the second
 * level cache while one block of channels after another goes over it. read, written: channels of a group. */
static inline ptrdiff_t convd_corr_tile(ptrdiff_t read, ptrdiff_t written, ptrdiff_t kh,
                                        ptrdiff_t n)
{
    const ptrdiff_t cache = 256 * 1024, unit = 240; /* whole tiles of every instruction set */
    if (written <= CONVD_TAPS_OUTS) return n;
    const ptrdiff_t columns = cache / (read * kh * (ptrdiff_t)sizeof(float));
    return most(columns / unit * unit, unit);
}

/* bytes += count * size, rounded up to 64; false on overflow. */
static inline bool convd_room(size_t *bytes, size_t count, size_t size)
{
    size_t n;
    if (!convd_mul(count, size, &n) || !convd_add(n, 63, &n)) return false;
    return convd_add(*bytes, n & ~(size_t)63, bytes);
}
#endif
