/* relu6: y = min(max(x, 0), 6). NaN stays NaN. Equals torch.nn.functional.relu6.
 * Source: Howard et al. 2017, "MobileNets". */
#include "integer.h"
#include "pointwise.h"

static inline float f(float x)
{
    float y = x < 0 ? 0 : x;
    return y > 6 ? 6 : y;
}
static inline float back(struct at v)
{
    return ((v.x <= 0) | (v.x >= 6)) ? 0 : v.dy;
}
POINTWISE(f, back)

static bool fixed(const struct convd_site *s, const struct convd_fixed *x, struct convd_fixed_ask *a,
                  struct convd_fixed *y)
{
    (void)s, (void)a;
    return convd_int_affine(x, 1, 0, 0, 6, y);
}
static void forward_fixed(const struct convd_fixed_call *c)
{
    convd_int_affine_rows(c, 1, 0, 0, 6);
}

const struct convd_op convd_op_relu6 = {
    .name = "relu6",
    POINTWISE_ROW,
    .rising = true,
    .fixed = fixed,
    .forward_fixed = forward_fixed,
    .summary = "clamped to 0..6",
    .aliases = "ReLU6",
    .example = "grayscale/scale:0.05/relu6",
    .source = "torch.nn.functional.relu6",
    .torch = "F.relu6({x})",
    .opencv = "np.clip({x}, 0, 6)",
};
