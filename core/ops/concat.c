/* concat: the channels of all inputs, one input behind the other.
 * x_k [c_k,h,w] -> y [sum of c_k,h,w]. Heights and widths must agree. Equals torch.cat(inputs, dim=1). */
#include "row.h"
#include <string.h>

static bool shape(struct convd_site *s, struct convd_faults *f)
{
    struct convd_shape y = s->x[0];
    for (size_t k = 1; k < s->n; k++) {
        const struct convd_shape *x = &s->x[k];
        if (x->h != y.h || x->w != y.w) {
            convd_fault_expected(f, CONVD_BAD_SHAPE, NULL, "inputs of one height and width",
                                 "input %zu is %tdx%td high and wide, the first is %tdx%td", k,
                                 x->h, x->w, y.h, y.w);
            return false;
        }
        if (__builtin_add_overflow(y.c, x->c, &y.c)) {
            convd_fault(f, CONVD_BAD_SHAPE, NULL, "the inputs have too many channels together");
            return false;
        }
    }
    y.n = s->y.n;
    s->y = y;
    return true;
}

static void forward(const struct convd_call *call)
{
    const struct convd_view *y = call->y;
    ptrdiff_t first = 0;
    for (size_t k = 0; k < call->site->n; first += call->x[k++].c)
        for (ptrdiff_t c = 0; c < call->x[k].c; c++)
            for (ptrdiff_t i = y->y0; i < y->y1; i++)
                memcpy(convd_row(y, first + c, i), convd_row(&call->x[k], c, i),
                       (size_t)y->w * sizeof(float));
}

static void backward(const struct convd_back *call)
{
    ptrdiff_t first = 0;
    for (size_t k = 0; k < call->site->n; first += call->x[k++].c) {
        const struct convd_view *dx = &call->dx[k];
        const struct convd_rows own = part_rows(call, dx);
        for (ptrdiff_t r = own.y0; r < own.y1; r++)
            add_to_row(call, dx, r / dx->h, r % dx->h,
                       convd_row(call->dy, first + r / dx->h, r % dx->h));
    }
}

static void look(const struct convd_site *s, struct convd_place at, struct convd_look *l)
{
    *l = (struct convd_look){.c = at.c, .channels = 1, .y = at.i, .x = at.j, .kh = 1, .kw = 1};
    while (l->c >= s->x[l->input].c) l->c -= s->x[l->input++].c;
}

/* torch.cat spreads no samples. */
static const char *torch(const struct convd_site *s, struct convd_arena *mem)
{
    bool spread = false;
    for (size_t i = 0; i < s->n; i++) spread |= s->x[i].n != s->y.n;
    return spread ? convd_arena_printf(
                        mem, "torch.cat([v.expand(%td, -1, -1, -1) for v in [{xs}]], 1)", s->y.n)
                  : "torch.cat([{xs}], 1)";
}

const struct convd_op convd_op_concat = {
    .name = "concat",
    .group = CONVD_MERGING,
    .summary = "channels of all inputs, one behind the other",
    .example = "[\"grayscale\",{\"id\":\"x\",\"op\":\"filter\",\"kernel\":\"sobel_x\"},"
               "{\"op\":\"filter\",\"kernel\":\"sobel_y\",\"input\":\"s0\"},{\"op\":\"concat\","
               "\"inputs\":[\"x\",\"s2\"]}]",
    .aliases = "Concat cat concatenate Concatenate",
    .source = "torch.cat, dim=1",
    .algorithm = "copy",
    .min_inputs = 2,
    .max_inputs = 64,
    .shape = shape,
    .forward = forward,
    .backward = backward,
    .look = look,
    .torch_of = torch,
    .opencv = "np.concatenate([{xs}], 2)",
};
