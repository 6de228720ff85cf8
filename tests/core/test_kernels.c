/* The named kernels' numbers, and kernels as a spec says them. */
#include "../../core/kernels.h"
#include "lib_value.h"
#include "../t.h"

/* ---- numbers --------------------------------------------------------------------------------- */

static const struct {
    const char *name;
    ptrdiff_t h, w, anchor_y, anchor_x;
    float v[25];
} fixed[] = {
    {"identity", 3, 3, 1, 1, {0, 0, 0, 0, 1, 0, 0, 0, 0}},
    {"sobel_x", 3, 3, 1, 1, {-1, 0, 1, -2, 0, 2, -1, 0, 1}},
    {"scharr_x", 3, 3, 1, 1, {-3, 0, 3, -10, 0, 10, -3, 0, 3}},
    {"prewitt_x", 3, 3, 1, 1, {-1, 0, 1, -1, 0, 1, -1, 0, 1}},
    {"roberts_x", 2, 2, 0, 0, {1, 0, 0, -1}},
    {"roberts_y", 2, 2, 0, 0, {0, 1, -1, 0}},
    {"laplacian", 3, 3, 1, 1, {0, 1, 0, 1, -4, 1, 0, 1, 0}},
    {"laplacian8", 3, 3, 1, 1, {1, 1, 1, 1, -8, 1, 1, 1, 1}},
    {"outline", 3, 3, 1, 1, {-1, -1, -1, -1, 8, -1, -1, -1, -1}},
    {"laplacian_of_gaussian", 5, 5, 2, 2, {0, 0, 1, 0, 0, 0, 1, 2, 1, 0, 1, 2, -16,
                                           2, 1, 0, 1, 2, 1, 0, 0, 0, 1, 0, 0}},
    {"line_h", 3, 3, 1, 1, {-1, -1, -1, 2, 2, 2, -1, -1, -1}},
    {"line_45", 3, 3, 1, 1, {-1, -1, 2, -1, 2, -1, 2, -1, -1}},
    {"line_135", 3, 3, 1, 1, {2, -1, -1, -1, 2, -1, -1, -1, 2}},
    {"diagonal_45", 3, 3, 1, 1, {0, 1, 2, -1, 0, 1, -2, -1, 0}},
    {"diagonal_135", 3, 3, 1, 1, {-2, -1, 0, -1, 0, 1, 0, 1, 2}},
    {"sharpen", 3, 3, 1, 1, {0, -1, 0, -1, 5, -1, 0, -1, 0}},
    {"emboss", 3, 3, 1, 1, {-2, -1, 0, -1, 1, 1, 0, 1, 2}},
};

static const struct convd_kernel *built(const char *name, const char *args)
{
    static struct convd_arena mem;
    static struct convd_kernel k;
    struct convd_faults *f = convd_faults_new();
    struct convd_arg *list;
    size_t n;
    convd_arena_release(&mem);
    convd_arena_init(&mem, NULL, 0);
    const struct convd_kernel_row *row = convd_kernel_find(name);
    OK(row);
    OK(convd_args_split(f, &mem, args, &list, &n));
    if (!convd_kernel_build(row, list, n, f, &mem, &k))
        T_FAIL("%s:%s: %s", name, args, convd_faults_first(f)->detail);
    convd_faults_free(f);
    return &k;
}

TEST(fixed_kernels_have_their_numbers)
{
    for (size_t i = 0; i < sizeof fixed / sizeof *fixed; i++) {
        const struct convd_kernel *k = built(fixed[i].name, "");
        EQ(fixed[i].h, k->h);
        EQ(fixed[i].w, k->w);
        EQ(fixed[i].anchor_y, k->anchor_y);
        EQ(fixed[i].anchor_x, k->anchor_x);
        for (ptrdiff_t j = 0; j < k->h * k->w; j++)
            if (k->v[j] != fixed[i].v[j])
                T_FAIL("%s number %td is %g", fixed[i].name, j, (double)k->v[j]);
    }
}

TEST(y_kernels_are_transposes)
{
    static const char *const pairs[][2] = {{"sobel_x", "sobel_y"},
                                           {"scharr_x", "scharr_y"},
                                           {"prewitt_x", "prewitt_y"},
                                           {"line_h", "line_v"}};
    for (size_t i = 0; i < 4; i++) {
        float x[9];
        memcpy(x, built(pairs[i][0], "")->v, sizeof x);
        const struct convd_kernel *y = built(pairs[i][1], "");
        for (int a = 0; a < 3; a++)
            for (int b = 0; b < 3; b++) NEAR(x[a * 3 + b], y->v[b * 3 + a], 0);
    }
}

TEST(kirsch_turns_clockwise)
{
    static const char *const names[] = {"kirsch_n", "kirsch_ne", "kirsch_e", "kirsch_se",
                                        "kirsch_s", "kirsch_sw", "kirsch_w", "kirsch_nw"};
    static const int ring[8] = {0, 1, 2, 5, 8, 7, 6, 3}; /* clockwise from the top left */
    static const float north[8] = {5, 5, 5, -3, -3, -3, -3, -3};
    for (int d = 0; d < 8; d++) {
        const struct convd_kernel *k = built(names[d], "");
        NEAR(0, k->v[4], 0);
        for (int i = 0; i < 8; i++) NEAR(north[i], k->v[ring[(i + d) % 8]], 0);
    }
}

TEST(unsharp_is_twice_the_picture_less_its_blur)
{
    static const double line[5] = {1, 4, 6, 4, 1};
    const struct convd_kernel *k = built("unsharp", "");
    EQ(5, k->h);
    for (int i = 0; i < 25; i++)
        NEAR((i == 12 ? 2 : 0) - line[i / 5] * line[i % 5] / 256, k->v[i], 0);
}

/* Left half and middle of cv::getGaussianKernel (OpenCV 4.6.0). */
static const struct {
    const char *args;
    int n;
    double line[6];
} gaussians[] = {
    {"5,1.2", 5, {0.085629163955012924, 0.24266759672960797, 0.34340647863075818}},
    {"11,0.5",
     11,
     {1.517098131620036e-22, 9.9612616500472869e-15, 1.1979455936033154e-08, 0.00026386507641542863,
      0.10645076942314473, 0.78657070704194787}},
    {"1", 1, {1}},
    {"3", 3, {0.25, 0.5}},
    {"", 5, {0.0625, 0.25, 0.375}},
    {"ksize=7", 7, {0.03125, 0.109375, 0.21875, 0.28125}},
};

TEST(gaussians_are_opencvs)
{
    for (size_t g = 0; g < sizeof gaussians / sizeof *gaussians; g++) {
        const struct convd_kernel *k = built("gaussian", gaussians[g].args);
        const int n = gaussians[g].n;
        EQ(n, k->h);
        EQ(n, k->w);
        for (int i = 0; i < n; i++)
            for (int j = 0; j < n; j++) {
                const double want = gaussians[g].line[i <= n / 2 ? i : n - 1 - i] *
                                    gaussians[g].line[j <= n / 2 ? j : n - 1 - j];
                NEAR(want, k->v[i * n + j], 1e-7 * want + 1e-44); /* denormal corners */
            }
    }
}

TEST(gaussian_without_sigma_follows_the_rule_beyond_the_tables)
{
    const struct convd_kernel *k = built("gaussian", "11");
    const double s = 0.3 * ((11 - 1) * 0.5 - 1) + 0.8;
    double sum = 0;
    for (int i = -5; i <= 5; i++) sum += exp(-i * i / (2 * s * s));
    for (int i = -5; i <= 5; i++)
        NEAR(exp(-i * i / (2 * s * s)) / sum / sum, k->v[(i + 5) * 11 + 5], 1e-8);
}

TEST(box_dog_gabor_and_motion_follow_their_formulas)
{
    const struct convd_kernel *k = built("box", "7");
    for (int i = 0; i < 49; i++) NEAR((float)(1.0 / 49), k->v[i], 0);
    EQ(3, built("mean", "")->h);
    float a[81], b[81];
    memcpy(a, built("gaussian", "9,1")->v, sizeof a);
    memcpy(b, built("gaussian", "9,1.6")->v, sizeof b);
    k = built("dog", "");
    EQ(9, k->w);
    for (int i = 0; i < 81; i++) NEAR((double)a[i] - (double)b[i], k->v[i], 1e-8);
    k = built("gabor", "5,2,30,6,0.5,20");
    static const double first[5] = {-0.31264965, -0.021123, 0.615534, 0.83536633,
                                    0.32556901}; /* computed apart, in Python */
    for (int i = 0; i < 5; i++) NEAR(first[i], k->v[i], 1e-7);
    NEAR(-0.05075744, k->v[9], 1e-7);
    static const double blur[25] = {
        0,          0, 0,          0,          0,          0, 0,          0.01339746, 0.14019238,
        0.14641016, 0, 0.08660254, 0.22679492, 0.08660254, 0, 0.14641016, 0.14019238, 0.01339746,
        0,          0, 0,          0,          0,          0, 0}; /* the same */
    k = built("motion", "5,30");
    for (int i = 0; i < 25; i++) NEAR(blur[i], k->v[i], 1e-7);
}

TEST(motion_sums_to_one_and_is_a_clean_line_at_quarter_turns)
{
    for (int size = 1; size <= 129; size += 16)
        for (int angle = -360; angle <= 720; angle += 15) {
            char args[40];
            snprintf(args, sizeof args, "%d,%d", size, angle);
            const struct convd_kernel *k = built("motion", args);
            double sum = 0;
            int used = 0;
            for (int i = 0; i < size * size; i++) {
                sum += (double)k->v[i];
                used += k->v[i] != 0;
            }
            NEAR(1, sum, 1e-6);
            if (angle % 90 == 0) EQ(size, used);
        }
    const struct convd_kernel *k = built("motion", "9,90");
    for (int i = 0; i < 81; i++) NEAR(i % 9 == 4 ? (float)(1.0 / 9) : 0, k->v[i], 0);
}

TEST(every_row_is_complete)
{
    EQ(35, convd_kernel_count());
    for (size_t i = 0; convd_kernel_at(i); i++) {
        const struct convd_kernel_row *row = convd_kernel_at(i);
        OK(row->name && row->summary && row->source);
        OK(convd_kernel_find(row->name) == row);
        STR(row->name, convd_kernel_name(NULL, i));
        OK(!row->numbers != !row->make);
        const struct convd_kernel *k = built(row->name, "");
        for (ptrdiff_t j = 0; j < k->h * k->w; j++) OK(isfinite(k->v[j]));
    }
    STR("laplacian_of_gaussian", convd_kernel_find("log")->name);
    STR("box", convd_kernel_find("mean")->name);
    OK(!convd_kernel_find("sobel"));
}

/* ---- reading --------------------------------------------------------------------------------- */

static struct convd_arena mem;
static struct convd_kernel got;

/* Reads v at place /k; the first fault, or NULL. */
static const struct convd_fault *reading(struct convd_value v, ptrdiff_t max_side)
{
    struct convd_faults *f = convd_arena_zero(&mem, sizeof *f);
    convd_faults_init(f, &mem);
    convd_enter(f, "k");
    const bool fine = convd_kernel_read(&v, f, &mem, max_side, &got);
    EQ(fine, convd_faults_count(f) == 0);
    return convd_faults_first(f);
}

TEST(kernels_are_read_in_all_their_forms)
{
    OK(!reading(str("sobel_x"), 129));
    STR("sobel_x", got.row->name);
    STR("sobel_x", got.source->string);
    OK(!reading(str("log"), 129));
    STR("laplacian_of_gaussian", got.source->string);
    OK(!reading(str("@mine"), 129));
    STR("mine", got.tensor);
    EQ(129, got.max_side);
    OK(!reading(object(2, "name", str("mean"), "ksize", num(5)), 129));
    EQ(5, got.h);
    EQ(CONVD_OBJECT, got.source->kind);
    STR("box", convd_value_get(got.source, "name")->string);
    NEAR(5, convd_value_get(got.source, "size")->number, 0);
    OK(!reading(object(1, "name", str("gaussian")), 129));
    STR("gaussian", got.source->string);
    OK(!reading(list(3, list(2, num(1), num(2)), list(2, num(3), num(4)), list(2, num(5), num(6))),
                129));
    EQ(3, got.h);
    EQ(2, got.w);
    EQ(1, got.anchor_y);
    EQ(1, got.anchor_x);
    NEAR(6, got.v[5], 0);
}

TEST(kernels_that_are_none_are_faults_with_a_place)
{
    const struct {
        struct convd_value v;
        int code;
        const char *pointer, *suggestion;
    } cases[] = {
        {str("sobel_xx"), CONVD_UNKNOWN_KERNEL, "/k", "sobel_x"},
        {object(1, "name", str("gausian")), CONVD_UNKNOWN_KERNEL, "/k/name", "gaussian"},
        {object(1, "size", num(3)), CONVD_MISSING, "/k/name", NULL},
        {object(1, "name", num(3)), CONVD_WRONG_TYPE, "/k/name", NULL},
        {object(2, "name", str("gaussian"), "size", num(4)), CONVD_OUT_OF_RANGE, "/k/size", NULL},
        {object(2, "name", str("gaussian"), "ksize", num(4)), CONVD_OUT_OF_RANGE, "/k/ksize", NULL},
        {object(2, "name", str("gaussian"), "size", num(131)), CONVD_OUT_OF_RANGE, "/k/size", NULL},
        {object(2, "name", str("gaussian"), "sigma", num(-1)), CONVD_OUT_OF_RANGE, "/k/sigma",
         NULL},
        {object(2, "name", str("gaussian"), "sgima", num(1)), CONVD_UNKNOWN_MEMBER, "/k/sgima",
         "sigma"},
        {object(2, "name", str("sobel_x"), "size", num(1)), CONVD_UNKNOWN_MEMBER, "/k/size", NULL},
        {num(3), CONVD_WRONG_TYPE, "/k", NULL},
        {nothing(), CONVD_WRONG_TYPE, "/k", NULL},
        {list(0), CONVD_WRONG_TYPE, "/k", NULL},
        {list(2, num(1), num(2)), CONVD_WRONG_TYPE, "/k", NULL},
        {list(2, list(1, num(1)), num(2)), CONVD_WRONG_TYPE, "/k/1", NULL},
        {list(1, list(0)), CONVD_WRONG_TYPE, "/k/0", NULL},
        {list(2, list(2, num(1), num(2)), list(1, num(3))), CONVD_BAD_SHAPE, "/k/1", NULL},
        {list(1, list(2, num(1), str("x"))), CONVD_WRONG_TYPE, "/k/0/1", NULL},
        {list(1, list(2, num(1), num(1e300))), CONVD_OUT_OF_RANGE, "/k/0/1", NULL},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const struct convd_fault *f = reading(cases[i].v, 129);
        if (!f) T_FAIL("case %zu is no fault", i);
        EQ(cases[i].code, f->code);
        STR(cases[i].pointer, f->pointer);
        STR(cases[i].suggestion, f->suggestion);
        OK(f->expected);
    }
}

TEST(kernels_larger_than_the_limit_are_faults)
{
    const struct convd_fault *f = reading(object(2, "name", str("box"), "size", num(9)), 7);
    OK(f);
    EQ(CONVD_OUT_OF_RANGE, f->code);
    NEAR(7, f->limit, 0);
    NEAR(9, f->actual, 0);
    OK(reading(list(1, list(3, num(1), num(2), num(3))), 2));
    OK(!reading(list(1, list(2, num(1), num(2))), 2));
}

TEST(all_faults_of_a_matrix_are_told)
{
    struct convd_value v =
        list(3, list(2, num(1), str("a")), list(2, str("b"), num(1)), list(1, num(1)));
    struct convd_faults f;
    convd_faults_init(&f, &mem);
    OK(!convd_kernel_read(&v, &f, &mem, 129, &got));
    EQ(3, convd_faults_count(&f));
}

TEST(separable_kernels_are_found)
{
    static const struct {
        const char *name, *args;
        bool separable;
    } cases[] = {{"gaussian", "5", true},  {"gaussian", "31,5", true}, {"gaussian", "129,2", true},
                 {"box", "7", true},       {"sobel_x", "", true},      {"scharr_y", "", true},
                 {"laplacian", "", false}, {"identity", "", true},     {"emboss", "", false},
                 {"dog", "", false},       {"motion", "9,0", true},    {"motion", "9,30", false},
                 {"roberts_x", "", false}, {"line_h", "", true},       {"unsharp", "", false}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const struct convd_kernel *k = built(cases[i].name, cases[i].args);
        double col[129], row[129];
        const bool is = convd_kernel_separate(k, col, row);
        if (is != cases[i].separable)
            T_FAIL("%s:%s separable: %d", cases[i].name, cases[i].args, is);
        for (ptrdiff_t j = 0; is && j < k->h * k->w; j++)
            NEAR(k->v[j], col[j / k->w] * row[j % k->w], 3e-7);
    }
    struct convd_kernel none = {.h = 2, .w = 2, .v = (float[]){0, 0, 0, 0}};
    double col[2], row[2];
    OK(!convd_kernel_separate(&none, col, row));
    none.v = (float[]){NAN, 1, 1, 1};
    OK(!convd_kernel_separate(&none, col, row));
    none.v = (float[]){INFINITY, 1, 1, 1};
    OK(!convd_kernel_separate(&none, col, row));
}

TEST(integer_kernels_separate_into_integers)
{
    /* then sums over 8-bit pixels stay exact: cv::getDerivKernels 5, 7 */
    static const float five[2][5] = {{1, 4, 6, 4, 1}, {-1, -2, 0, 2, 1}},
                       seven[2][7] = {{1, 6, 15, 20, 15, 6, 1}, {-1, -4, -5, 0, 5, 4, 1}};
    for (int n = 5; n <= 7; n += 2) {
        float v[49];
        double col[7], row[7];
        const float *a = n == 5 ? five[0] : seven[0], *b = n == 5 ? five[1] : seven[1];
        for (int i = 0; i < n * n; i++) v[i] = a[i / n] * b[i % n];
        OK(convd_kernel_separate(&(struct convd_kernel){.h = n, .w = n, .v = v}, col, row));
        for (int i = 0; i < n * n; i++) {
            NEAR(v[i], col[i / n] * row[i % n], 0);
            NEAR(rint(row[i % n] * 4), row[i % n] * 4, 0);
        }
    }
}

T_MAIN("core/kernels")
