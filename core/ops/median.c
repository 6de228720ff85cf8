/* median: the middle number of each window of an odd size; the size is kept.
 * A window that holds a NaN is NaN. Equals cv::medianBlur (whose border is replicate, the default here too). */
#include "median.h"
#include "rank_int.h"

// clang-format off
static const struct convd_param params[] = {
    RANK_PARAMS(129, CONVD_ODD),
    CONVD_PARAM_END,
};
// clang-format on

/* The scratch: the block, a byte for each of its rows that says whether it holds a NaN, and what the way wants. */
struct layout {
    struct convd_rank_block block;
    size_t nan, way, bytes; /* offsets */
};

static struct layout layout(const struct convd_site *s, ptrdiff_t rows)
{
    const struct convd_rank_params *p = s->params;
    struct layout l = {.block = convd_rank_layout(s, rows)};
    l.nan = (size_t)l.block.rows * (size_t)l.block.row * sizeof(float);
    l.way = (l.nan + (size_t)l.block.rows + 63) & ~(size_t)63;
    l.bytes = l.way;
    if (p->kernel_size.h * p->kernel_size.w > MEDIAN_SELECT)
        l.bytes = l.way + convd_median_slide_scratch(&l.block);
    return l;
}

static size_t scratch(const struct convd_site *s, ptrdiff_t rows)
{
    return layout(s, rows).bytes;
}

static bool has_nan(const float *x, ptrdiff_t n)
{
    int found = 0;
    for (ptrdiff_t j = 0; j < n; j++) found |= x[j] != x[j];
    return found;
}

/* Writes NaN to the outputs of a row whose window holds one. */
static void spread_nan(float *y, ptrdiff_t n, const float *x, ptrdiff_t row,
                       const unsigned char *nan, const struct convd_pair *k)
{
    for (ptrdiff_t r = 0; r < k->h; r++) {
        if (!nan[r]) continue;
        const float *v = x + r * row;
        for (ptrdiff_t j = 0; j < n + k->w - 1; j++)
            if (v[j] != v[j])
                for (ptrdiff_t o = most(j - k->w + 1, 0); o <= least(j, n - 1); o++) y[o] = v[j];
    }
}

static void forward(const struct convd_call *call)
{
    const struct convd_pair k = ((const struct convd_rank_params *)call->site->params)->kernel_size;
    const struct convd_view *y = call->y;
    const struct layout l = layout(call->site, y->y1 - y->y0);
    unsigned char *nan = (unsigned char *)call->scratch + l.nan;
    void *way = (char *)call->scratch + l.way;
    bool slide = k.h * k.w > MEDIAN_SELECT;
    for (ptrdiff_t c = 0; c < y->c; c++) {
        struct convd_rank_block b = convd_rank_block(call, c, call->scratch);
        for (ptrdiff_t r = 0; r < b.rows; r++) nan[r] = has_nan(b.data + r * b.row, b.w);
        if (slide) convd_median_slide(y, c, &b, k.h, k.w, way);
        for (ptrdiff_t i = 0; i < y->y1 - y->y0; i++) {
            float *out = convd_row(y, c, y->y0 + i);
            const float *x = b.data + i * b.row;
            if (!slide) convd_median_select(out, y->w, x, b.row, k.h, k.w);
            spread_nan(out, y->w, x, b.row, nan + i, &k);
        }
    }
}

static const char *torch(const struct convd_site *s, struct convd_arena *mem)
{
    const char *padded = convd_rank_padded(s, mem);
    const struct convd_pair k = ((const struct convd_rank_params *)s->params)->kernel_size;
    return padded ? convd_arena_printf(
                        mem, "%s.unfold(2, %td, 1).unfold(3, %td, 1).flatten(4).median(4).values",
                        padded, k.h, k.w)
                  : NULL;
}

/* cv2.medianBlur has floats in 3x3 and 5x5. */
static const char *opencv(const struct convd_site *s, struct convd_arena *mem)
{
    const struct convd_rank_params *p = s->params;
    const struct convd_pair k = p->kernel_size;
    const ptrdiff_t c = s->x[0].c;
    const char *padded = convd_rank_padded(s, mem);
    if (k.h == k.w && (k.h == 3 || k.h == 5) && p->padding_mode == CONVD_MODE_REPLICATE &&
        (c == 1 || c == 3 || c == 4))
        return convd_arena_printf(mem, "$hwc(cv2.medianBlur({x}, %td))", k.h);
    return padded ? convd_arena_printf(mem,
                                       "np.median($windows(%s, {kernel_size}, (1, 1), (1, 1), "
                                       "(0, 0), (0, 0), 0), (3, 4))",
                                       padded)
                  : NULL;
}

static bool slides(const struct convd_site *s)
{
    const struct convd_pair k = ((const struct convd_rank_params *)s->params)->kernel_size;
    return k.h * k.w > MEDIAN_SELECT;
}

static void backward(const struct convd_back *call)
{
    convd_rank_back(call, true, slides(call->site) ? convd_median_find : convd_rank_award);
}

static size_t back_scratch(const struct convd_site *s)
{
    const struct convd_rank_block b = convd_rank_layout(s, convd_rank_back_band(s));
    return convd_rank_back_scratch(s, slides(s) ? convd_median_slide_scratch(&b) : 0);
}

/* Selecting costs by the square of the taps, sliding by the side. */
static double ns_of(const struct convd_site *s)
{
    const struct convd_pair k = ((const struct convd_rank_params *)s->params)->kernel_size;
    const double taps = (double)k.h * (double)k.w;
    return taps <= 49 ? 3 + 0.06 * taps * taps : 30 + 2.9 * (double)k.h;
}

const struct convd_op convd_op_median = {
    .name = "median",
    RANK_ROW,
    .fixed = convd_median_fixed,
    .forward_fixed = convd_median_forward_fixed,
    .summary = "middle number around each pixel",
    .aliases = "medianBlur median_blur median_filter",
    .example = "grayscale/median:3",
    .source = "cv::medianBlur",
    .algorithm = "selection",
    .cost = convd_rank_cost,
    .scratch = scratch,
    .back_scratch = back_scratch,
    .look = convd_rank_look,
    .torch_of = torch,
    .opencv_of = opencv,
    .ns_of = ns_of,
};
