/* kernels.c: the named kernels. Numbers are applied as correlation; none is divided unless said.
 *
 * Fixed kernels are written out. Parametric ones are computed in double and rounded once. */
#include "kernels.h"
#include <math.h>
#include <string.h>

/* ---- parametric kernels: their own structs, size first --------------------------------------- */

struct box {
    ptrdiff_t size;
};
struct gaussian {
    ptrdiff_t size;
    double sigma;
};
struct motion {
    ptrdiff_t size;
    double angle;
};
struct gabor {
    ptrdiff_t size;
    double sigma, theta, lambda, gamma, psi;
};
struct dog {
    ptrdiff_t size;
    double sigma1, sigma2;
};

/* clang-format off */
#define ROW(STRUCT, FIELD) .name = #FIELD, .offset = offsetof(struct STRUCT, FIELD)
#define SIZE(STRUCT, DEFAULT) \
    {ROW(STRUCT, size), .type = CONVD_P_INT, .def = DEFAULT, .lo = 1, .hi = CONVD_KERNEL_SIDE, \
     .summary = "side of the square, pixels", .aliases = "ksize kernel_size", .flags = CONVD_ODD}
#define SIGMA(STRUCT, FIELD, DEFAULT, WORDS) \
    {ROW(STRUCT, FIELD), .type = CONVD_P_NUMBER, .def = DEFAULT, .lo = 0.01, .hi = 10000, .summary = WORDS}
#define ANGLE(STRUCT, FIELD, WORDS) \
    {ROW(STRUCT, FIELD), .type = CONVD_P_NUMBER, .def = "0", .summary = WORDS}

static const struct convd_param box_params[] = {SIZE(box, "3"), CONVD_PARAM_END};
static const struct convd_param gaussian_params[] = {
    SIZE(gaussian, "5"),
    {ROW(gaussian, sigma), .type = CONVD_P_NUMBER, .def = "", .lo = 0, .hi = 10000,
     .summary = "standard deviation, pixels; left out or 0: 0.3*((size-1)*0.5-1)+0.8, fixed tables up to size 7"},
    CONVD_PARAM_END};
static const struct convd_param motion_params[] = {
    SIZE(motion, "9"), ANGLE(motion, angle, "direction, degrees counter-clockwise from +x"), CONVD_PARAM_END};
static const struct convd_param gabor_params[] = {
    SIZE(gabor, "15"),
    SIGMA(gabor, sigma, "3", "standard deviation of the envelope, pixels"),
    ANGLE(gabor, theta, "direction of the wave, degrees"),
    SIGMA(gabor, lambda, "8", "wavelength, pixels"),
    {ROW(gabor, gamma), .type = CONVD_P_NUMBER, .def = "0.5", .lo = 0, .hi = 1000,
     .summary = "aspect of the envelope"},
    ANGLE(gabor, psi, "phase, degrees"),
    CONVD_PARAM_END};
static const struct convd_param dog_params[] = {
    SIZE(dog, "9"), SIGMA(dog, sigma1, "1", "standard deviation of the first gaussian, pixels"),
    SIGMA(dog, sigma2, "1.6", "of the one subtracted"), CONVD_PARAM_END};
/* clang-format on */

static ptrdiff_t side(const void *params)
{
    return *(const ptrdiff_t *)params;
}

static void make_box(const void *params, float *out)
{
    const ptrdiff_t n = side(params) * side(params);
    for (ptrdiff_t i = 0; i < n; i++) out[i] = (float)(1.0 / (double)n);
}

/* cv::getGaussianKernel: exp(-(i-c)^2 / 2 sigma^2), divided by the sum. Without a sigma small odd sizes are
 * binomial-like tables. */
static void gaussian_line(ptrdiff_t n, double sigma, double *out)
{
    static const double small[4][7] = {
        {1},
        {0.25, 0.5, 0.25},
        {0.0625, 0.25, 0.375, 0.25, 0.0625},
        {0.03125, 0.109375, 0.21875, 0.28125, 0.21875, 0.109375, 0.03125}};
    const bool ruled = !(sigma > 0);
    if (ruled && n <= 7) {
        memcpy(out, small[n / 2], (size_t)n * sizeof *out);
        return;
    }
    const double s = ruled ? 0.3 * ((double)(n - 1) * 0.5 - 1) + 0.8 : sigma,
                 middle = (double)(n - 1) * 0.5;
    double sum = 0;
    for (ptrdiff_t i = 0; i < n; i++) {
        const double d = (double)i - middle;
        out[i] = exp(-0.5 * d * d / (s * s));
        sum += out[i];
    }
    for (ptrdiff_t i = 0; i < n; i++) out[i] /= sum;
}

static void make_gaussian(const void *params, float *out)
{
    const struct gaussian *p = params;
    double line[CONVD_KERNEL_SIDE];
    gaussian_line(p->size, p->sigma, line);
    for (ptrdiff_t i = 0; i < p->size; i++)
        for (ptrdiff_t j = 0; j < p->size; j++) out[i * p->size + j] = (float)(line[i] * line[j]);
}

static void make_dog(const void *params, float *out)
{
    const struct dog *p = params;
    double a[CONVD_KERNEL_SIDE], b[CONVD_KERNEL_SIDE];
    gaussian_line(p->size, p->sigma1, a);
    gaussian_line(p->size, p->sigma2, b);
    for (ptrdiff_t i = 0; i < p->size; i++)
        for (ptrdiff_t j = 0; j < p->size; j++)
            out[i * p->size + j] = (float)(a[i] * a[j] - b[i] * b[j]);
}

/* Cosine and sine of degrees, exact at quarter turns so that motion:9,90 is a clean line. */
static void turn(double degrees, double *c, double *s)
{
    static const double quarter[5] = {1, 0, -1, 0, 1};
    double d = fmod(degrees, 360);
    if (d < 0) d += 360;
    const int q = (int)(d / 90);
    if (d == 90.0 * q) {
        *c = quarter[q % 4];
        *s = quarter[(q + 3) % 4];
        return;
    }
    *c = cos(d * (M_PI / 180));
    *s = sin(d * (M_PI / 180));
}

/* Adds v at (y,x) of the square, spread over the four pixels around it. */
static void splat(double *grid, ptrdiff_t n, double y, double x, double v)
{
    const double y0 = floor(y), x0 = floor(x);
    for (int dy = 0; dy < 2; dy++)
        for (int dx = 0; dx < 2; dx++) {
            const double share = (dy ? y - y0 : 1 - (y - y0)) * (dx ? x - x0 : 1 - (x - x0));
            const ptrdiff_t i = (ptrdiff_t)y0 + dy, j = (ptrdiff_t)x0 + dx;
            if (share > 0 && i >= 0 && i < n && j >= 0 && j < n) grid[i * n + j] += v * share;
        }
}

static void make_motion(const void *params, float *out)
{
    const struct motion *p = params;
    const double middle = (double)(p->size / 2);
    double grid[CONVD_KERNEL_SIDE * CONVD_KERNEL_SIDE] = {0}, c, s; /* 130 KiB */
    turn(p->angle, &c, &s);
    for (ptrdiff_t i = 0; i < p->size; i++) {
        const double t = (double)i - middle; /* y points down */
        splat(grid, p->size, middle - t * s, middle + t * c, 1.0 / (double)p->size);
    }
    for (ptrdiff_t i = 0; i < p->size * p->size; i++) out[i] = (float)grid[i];
}

static void make_gabor(const void *params, float *out)
{
    const struct gabor *p = params;
    const ptrdiff_t middle = p->size / 2;
    double c, s;
    turn(p->theta, &c, &s);
    for (ptrdiff_t i = 0; i < p->size; i++)
        for (ptrdiff_t j = 0; j < p->size; j++) {
            const double y = (double)(i - middle), x = (double)(j - middle);
            const double u = x * c + y * s, v = -x * s + y * c;
            const double envelope =
                exp(-(u * u + p->gamma * p->gamma * v * v) / (2 * p->sigma * p->sigma));
            out[i * p->size + j] =
                (float)(envelope * cos(2 * M_PI * u / p->lambda + p->psi * (M_PI / 180)));
        }
}

/* ---- the rows -------------------------------------------------------------------------------- */

/* clang-format off */
#define FIXED(H, W, ...)  .h = H, .w = W, .anchor_y = -1, .anchor_x = -1, .numbers = (const float[]){__VA_ARGS__}
#define CORNER(H, W, ...) .h = H, .w = W, .anchor_y = 0, .anchor_x = 0, .numbers = (const float[]){__VA_ARGS__}
#define PARAMETRIC(NAME) \
    .anchor_y = -1, .anchor_x = -1, .params = NAME##_params, .params_size = sizeof(struct NAME), .side = side, \
    .make = make_##NAME

#define SOBEL    "Sobel and Feldman 1968; cv::Sobel"
#define SCHARR   "Scharr 2000, Optimale Operatoren in der Digitalen Bildverarbeitung; cv::Scharr"
#define PREWITT  "Prewitt 1970, Object Enhancement and Extraction"
#define ROBERTS  "Roberts 1963, Machine Perception of Three-Dimensional Solids"
#define KIRSCH   "Kirsch 1971, Computer determination of the constituent structure of biological images"
#define LINES    "Gonzalez and Woods, Digital Image Processing, line detection masks"
#define DIAGONAL "Gonzalez and Woods, Digital Image Processing, diagonal Sobel masks"

static const struct convd_kernel_row rows[] = {
    {.name = "identity", .summary = "the picture itself", .source = "the unit of convolution",
     FIXED(3, 3, 0, 0, 0,  0, 1, 0,  0, 0, 0)},
    {.name = "sobel_x", .summary = "change along x: vertical borders", .source = SOBEL,
     FIXED(3, 3, -1, 0, 1,  -2, 0, 2,  -1, 0, 1)},
    {.name = "sobel_y", .summary = "change along y: horizontal borders", .source = SOBEL,
     FIXED(3, 3, -1, -2, -1,  0, 0, 0,  1, 2, 1)},
    {.name = "scharr_x", .summary = "change along x, with better rotational symmetry than sobel_x",
     .source = SCHARR,
     FIXED(3, 3, -3, 0, 3,  -10, 0, 10,  -3, 0, 3)},
    {.name = "scharr_y", .summary = "change along y, with better rotational symmetry than sobel_y",
     .source = SCHARR,
     FIXED(3, 3, -3, -10, -3,  0, 0, 0,  3, 10, 3)},
    {.name = "prewitt_x", .summary = "change along x, rows weighted alike", .source = PREWITT,
     FIXED(3, 3, -1, 0, 1,  -1, 0, 1,  -1, 0, 1)},
    {.name = "prewitt_y", .summary = "change along y, columns weighted alike", .source = PREWITT,
     FIXED(3, 3, -1, -1, -1,  0, 0, 0,  1, 1, 1)},
    {.name = "roberts_x", .summary = "difference along one diagonal", .source = ROBERTS,
     CORNER(2, 2, 1, 0,  0, -1)},
    {.name = "roberts_y", .summary = "difference along the other diagonal", .source = ROBERTS,
     CORNER(2, 2, 0, 1,  -1, 0)},
    {.name = "laplacian", .summary = "second derivative, four neighbours", .source = "cv::Laplacian, ksize 1",
     FIXED(3, 3, 0, 1, 0,  1, -4, 1,  0, 1, 0)},
    {.name = "laplacian8", .summary = "second derivative, eight neighbours",
     .source = "Gonzalez and Woods, Digital Image Processing",
     FIXED(3, 3, 1, 1, 1,  1, -8, 1,  1, 1, 1)},
    {.name = "laplacian_of_gaussian", .summary = "second derivative of the smoothed picture", .aliases = "log",
     .source = "Marr and Hildreth 1980, Theory of Edge Detection; the usual 5x5 integer mask",
     FIXED(5, 5, 0, 0, 1, 0, 0,  0, 1, 2, 1, 0,  1, 2, -16, 2, 1,  0, 1, 2, 1, 0,  0, 0, 1, 0, 0)},
    {.name = "kirsch_n", .summary = "compass operator, north", .source = KIRSCH,
     FIXED(3, 3, 5, 5, 5,  -3, 0, -3,  -3, -3, -3)},
    {.name = "kirsch_ne", .summary = "compass operator, north-east", .source = KIRSCH,
     FIXED(3, 3, -3, 5, 5,  -3, 0, 5,  -3, -3, -3)},
    {.name = "kirsch_e", .summary = "compass operator, east", .source = KIRSCH,
     FIXED(3, 3, -3, -3, 5,  -3, 0, 5,  -3, -3, 5)},
    {.name = "kirsch_se", .summary = "compass operator, south-east", .source = KIRSCH,
     FIXED(3, 3, -3, -3, -3,  -3, 0, 5,  -3, 5, 5)},
    {.name = "kirsch_s", .summary = "compass operator, south", .source = KIRSCH,
     FIXED(3, 3, -3, -3, -3,  -3, 0, -3,  5, 5, 5)},
    {.name = "kirsch_sw", .summary = "compass operator, south-west", .source = KIRSCH,
     FIXED(3, 3, -3, -3, -3,  5, 0, -3,  5, 5, -3)},
    {.name = "kirsch_w", .summary = "compass operator, west", .source = KIRSCH,
     FIXED(3, 3, 5, -3, -3,  5, 0, -3,  5, -3, -3)},
    {.name = "kirsch_nw", .summary = "compass operator, north-west", .source = KIRSCH,
     FIXED(3, 3, 5, 5, -3,  5, 0, -3,  -3, -3, -3)},
    {.name = "line_h", .summary = "horizontal lines", .source = LINES,
     FIXED(3, 3, -1, -1, -1,  2, 2, 2,  -1, -1, -1)},
    {.name = "line_v", .summary = "vertical lines", .source = LINES,
     FIXED(3, 3, -1, 2, -1,  -1, 2, -1,  -1, 2, -1)},
    {.name = "line_45", .summary = "lines that rise to the right", .source = LINES,
     FIXED(3, 3, -1, -1, 2,  -1, 2, -1,  2, -1, -1)},
    {.name = "line_135", .summary = "lines that fall to the right", .source = LINES,
     FIXED(3, 3, 2, -1, -1,  -1, 2, -1,  -1, -1, 2)},
    {.name = "diagonal_45", .summary = "change across the falling diagonal", .source = DIAGONAL,
     FIXED(3, 3, 0, 1, 2,  -1, 0, 1,  -2, -1, 0)},
    {.name = "diagonal_135", .summary = "change across the rising diagonal", .source = DIAGONAL,
     FIXED(3, 3, -2, -1, 0,  -1, 0, 1,  0, 1, 2)},
    {.name = "box", .summary = "mean of a square", .aliases = "mean", .source = "cv::blur", PARAMETRIC(box)},
    {.name = "gaussian", .summary = "weights that fall off as a bell", .source = "cv::getGaussianKernel",
     PARAMETRIC(gaussian)},
    {.name = "sharpen", .summary = "the picture less its laplacian",
     .source = "Gonzalez and Woods, Digital Image Processing",
     FIXED(3, 3, 0, -1, 0,  -1, 5, -1,  0, -1, 0)},
    {.name = "unsharp", .summary = "twice the picture less its 5x5 binomial blur",
     .source = "unsharp masking: 2 delta - (1 4 6 4 1)^T (1 4 6 4 1) / 256",
#define U(N) (N) / -256.0f
     FIXED(5, 5, U(1), U(4), U(6), U(4), U(1),  U(4), U(16), U(24), U(16), U(4),  U(6), U(24), 2.0f - 36 / 256.0f, U(24), U(6),
           U(4), U(16), U(24), U(16), U(4),  U(1), U(4), U(6), U(4), U(1))},
#undef U
    {.name = "emboss", .summary = "relief, lit from the bottom right",
     .source = "the usual 3x3 emboss mask; its numbers sum to 1",
     FIXED(3, 3, -2, -1, 0,  -1, 1, 1,  0, 1, 2)},
    {.name = "outline", .summary = "laplacian8 with the sign turned",
     .source = "Gonzalez and Woods, Digital Image Processing",
     FIXED(3, 3, -1, -1, -1,  -1, 8, -1,  -1, -1, -1)},
    {.name = "motion", .summary = "blur along a line",
     .source = "equal samples one pixel apart, spread bilinearly", PARAMETRIC(motion)},
    {.name = "gabor", .summary = "a wave under a bell",
     .source = "Daugman 1985; cv::getGaborKernel, turned by 180 degrees", PARAMETRIC(gabor)},
    {.name = "dog", .summary = "difference of two gaussians",
     .source = "Marr and Hildreth 1980, Theory of Edge Detection", PARAMETRIC(dog)},
};
/* clang-format on */

size_t convd_kernel_count(void)
{
    return sizeof rows / sizeof *rows;
}

const struct convd_kernel_row *convd_kernel_at(size_t i)
{
    return i < convd_kernel_count() ? &rows[i] : NULL;
}

const char *convd_kernel_name(const void *unused, size_t i)
{
    (void)unused;
    return i < convd_kernel_count() ? rows[i].name : NULL;
}

const struct convd_kernel_row *convd_kernel_find(const char *name)
{
    for (size_t i = 0; i < convd_kernel_count(); i++)
        if (strcmp(rows[i].name, name) == 0) return &rows[i];
    for (size_t i = 0; i < convd_kernel_count(); i++)
        if (rows[i].aliases && convd_word_in(rows[i].aliases, name)) return &rows[i];
    return NULL;
}
