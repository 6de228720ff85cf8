/* relu: y = max(x, 0). NaN stays NaN. Equals torch.nn.functional.relu.
 * Source: Nair and Hinton 2010, "Rectified linear units improve restricted Boltzmann machines". */
#include "integer.h"
#include "pointwise.h"

static void forward(const struct convd_call *call)
{
    POINTWISE_RUNS(call->site->simd->relu(y, x, (size_t)n);)
}

static void backward(const struct convd_back *call)
{
    POINTWISE_BACK_RUNS(if (call->fresh) call->site->simd->relu_back(dx, y, dy, (size_t)n);
                        else for (ptrdiff_t j = 0; j < n; j++) dx[j] += y[j] <= 0 ? 0 : dy[j];)
}

static bool fixed(const struct convd_site *s, const struct convd_fixed *x, struct convd_fixed_ask *a,
                  struct convd_fixed *y)
{
    (void)s, (void)a;
    return convd_int_affine(x, 1, 0, 0, INFINITY, y);
}
static void forward_fixed(const struct convd_fixed_call *c)
{
    convd_int_affine_rows(c, 1, 0, 0, INFINITY);
}

const struct convd_op convd_op_relu = {
    .name = "relu",
    POINTWISE_ROW,
    .rising = true,
    .back_skips_x = true,
    .fixed = fixed,
    .forward_fixed = forward_fixed,
    .summary = "negative numbers become 0",
    .aliases = "ReLU Relu",
    .example = "grayscale/sobel_x/relu",
    .source = "torch.nn.functional.relu",
    .torch = "F.relu({x})",
    .opencv = "np.maximum({x}, 0)",
};
