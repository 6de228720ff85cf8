/* dim.h: the axis that softmax and reduce work along. */
#ifndef CONVD_OPS_DIM_H
#define CONVD_OPS_DIM_H
#include "row.h"

enum { DIM_CHANNEL, DIM_HEIGHT, DIM_WIDTH };
static const char *const dim_words[] = {"channel", "height", "width", NULL};

#define DIM_PARAM                                                                                  \
    {                                                                                              \
        AT(dim), .type = CONVD_P_WORD, .def = "channel", .words = dim_words,                       \
                 .summary = "the axis it works along", .aliases = "axis"                           \
    }

/* The rows hook: along the height every number sees the whole map, else its own row. */
static inline bool dim_rows(int dim, struct convd_rows y, struct convd_rows *x)
{
    *x = y;
    return dim != DIM_HEIGHT;
}
static inline void dim_look(int dim, const struct convd_shape *x, struct convd_place at,
                            struct convd_look *l)
{
    *l = (struct convd_look){
        .c = at.c, .channels = 1, .y = at.i, .x = at.j, .kh = 1, .kw = 1, .dy = 1, .dx = 1};
    if (dim == DIM_CHANNEL) l->c = 0, l->channels = x->c;
    if (dim == DIM_HEIGHT) l->y = 0, l->kh = x->h;
    if (dim == DIM_WIDTH) l->x = 0, l->kw = x->w;
}
static inline void dim_window(int dim, const struct convd_shape *x, struct convd_window *w)
{
    *w = (struct convd_window){1, 1, 1, 1, 1, 1, 0, 0, dim == DIM_HEIGHT};
    if (dim == DIM_WIDTH) w->kw = w->sw = x->w;
}
#endif
