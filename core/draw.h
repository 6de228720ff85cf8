/* draw.h: maps to pictures: normalisation, colour maps, grids of tiles. */
#ifndef CONVD_DRAW_H
#define CONVD_DRAW_H
#include "convd.h"

enum convd_normalize { CONVD_NORM_NONE, CONVD_NORM_MINMAX, CONVD_NORM_SIGNED, CONVD_NORM_VIRIDIS, CONVD_NORM_MAGMA,
                       CONVD_NORM_TURBO };
extern const char *const convd_normalize_words[]; /* none minmax signed viridis magma turbo, NULL */
enum convd_view_kind { CONVD_VIEW_AUTO, CONVD_VIEW_GRID, CONVD_VIEW_CHANNEL };

struct convd_view_options {
    enum convd_view_kind kind;
    ptrdiff_t channel;               /* of CHANNEL                                         */
    enum convd_normalize normalize;
    int depth;                       /* 8 or 16                                            */
    bool rgba;                       /* the input was asked for as RGBA: 4 channels are a picture */
};
/* What a view of shape s will be: picture size and channels (1 or 3 or 4), samples included (N > 1: one grid). direct: it
 * is just the map's own numbers saturated, interleaved: convd_plan_run can write it. False: channel out of range or the
 * picture would overflow. */
struct convd_view_size { ptrdiff_t width, height, channels; bool direct; };
bool convd_view_size(struct convd_shape s, const struct convd_view_options *o, struct convd_view_size *size);
/* Draws x (f32 NCHW) to out (u8, or u16 when depth is 16; interleaved). Returns values that had to be saturated. */
uint64_t convd_draw(const float *x, struct convd_shape s, const struct convd_view_options *o, void *out);
#endif
