/* row.h: short words for the rows and loops of the files in this folder. Nothing here leaves it. */
#ifndef CONVD_OPS_ROW_H
#define CONVD_OPS_ROW_H
#include "../border.h"
#include "../op.h"
#include "../simd/simd.h"
#include <math.h>
#include <string.h>

/* Name and place of a parameter in the file's own struct params: {AT(stride), .type = CONVD_P_PAIR, …}. OF is for a
 * struct that several files share. */
#define AT(FIELD)         OF(params, FIELD)
#define OF(STRUCT, FIELD) .name = #FIELD, .offset = offsetof(struct STRUCT, FIELD)

/* What lies outside the picture, for every op that has a window and keeps the size. */
#define PADDING_MODE(STRUCT, DEFAULT)                                                              \
    {                                                                                              \
        OF(STRUCT, padding_mode),                                                                  \
            .type = CONVD_P_WORD, .def = DEFAULT, .words = convd_padding_modes,                    \
            .summary = "what lies outside the picture", .aliases = "border border_type borderType" \
    }
#define PADDING_VALUE(STRUCT)                                                                      \
    {                                                                                              \
        OF(STRUCT, padding_value), .type = CONVD_P_NUMBER, .def = "0", .lo = -3e38, .hi = 3e38,    \
                                   .summary = "the value outside, for constant",                   \
                                   .aliases = "border_value borderValue value"                     \
    }

/* Says that the turns of the next loop do not depend on each other: y is x or lies apart from it. (clang has no such word
 * that is silent where a loop cannot be made of vectors; it checks at run time.) */
#ifdef __clang__
#define INDEPENDENT
#else
#define INDEPENDENT _Pragma("GCC ivdep")
#endif

static inline ptrdiff_t least(ptrdiff_t a, ptrdiff_t b)
{
    return a < b ? a : b;
}
static inline ptrdiff_t most(ptrdiff_t a, ptrdiff_t b)
{
    return a > b ? a : b;
}

/* The same map with fewer rows in memory; and those rows as a map of their own. */
static inline struct convd_view rows_of(const struct convd_view *v, struct convd_rows r)
{
    struct convd_view part = *v;
    part.data = convd_row(v, 0, r.y0);
    part.y0 = r.y0;
    part.y1 = r.y1;
    return part;
}
static inline struct convd_view cut_out(const struct convd_view *v, struct convd_rows r)
{
    struct convd_view part = rows_of(v, r);
    part.h = part.y1 = r.y1 - r.y0;
    part.y0 = 0;
    return part;
}

/* A part's share of the rows of a map: row r is row r % h of channel r / h. Empty where no gradient is wanted. */
static inline struct convd_rows part_rows(const struct convd_back *b, const struct convd_view *v)
{
    return v->data ? convd_share(v->c * v->h, b->part, b->parts) : (struct convd_rows){0, 0};
}

/* Nothing goes back to this part's rows. */
static inline void clear_if_fresh(const struct convd_back *b)
{
    const struct convd_rows own = part_rows(b, b->dx);
    for (ptrdiff_t r = own.y0; b->fresh && r < own.y1; r++)
        memset(convd_row(b->dx, r / b->dx->h, r % b->dx->h), 0, (size_t)b->dx->w * sizeof(float));
}

/* Its share where a row of dx depends on rows around it: whole channels if there are enough of them, else rows of all. */
struct part_box {
    struct convd_rows channels, rows;
};
static inline struct part_box part_box(const struct convd_back *b, const struct convd_view *v)
{
    const bool channels = v->c % (ptrdiff_t)b->parts == 0 || v->c >= 4 * (ptrdiff_t)b->parts;
    const struct convd_rows all_channels = {0, v->c}, all_rows = {0, v->h};
    return (struct part_box){channels ? convd_share(v->c, b->part, b->parts) : all_channels,
                             channels ? all_rows : convd_share(v->h, b->part, b->parts)};
}

/* One channel as a map of its own. */
static inline struct convd_view channel_of(const struct convd_view *v, ptrdiff_t c)
{
    struct convd_view one = *v;
    one.data = convd_row(v, c, v->y0);
    one.c = 1;
    return one;
}

/* Adds g to row i of channel c of dx. */
static inline void add_to_row(const struct convd_back *b, const struct convd_view *dx, ptrdiff_t c,
                              ptrdiff_t i, const float *g)
{
    float *to = convd_row(dx, c, i);
    b->site->simd->add(to, to, g, (size_t)dx->w);
}

/* a op b where a NaN on either side wins. */
static inline float larger(float a, float b)
{
    return ((b > a) | (b != b)) ? b : a;
}
static inline float smaller(float a, float b)
{
    return ((b < a) | (b != b)) ? b : a;
}
#endif
