/* Weights as a spec says them, and the numbers of init. */
#include "../../core/kernels.h"
#include "../../core/weight.h"
#include "lib_value.h"
#include "../t.h"

/* ---- numbers --------------------------------------------------------------------------------- */

TEST(philox_gives_the_known_answers)
{
    /* kat_vectors of Random123 (Salmon et al.): philox4x32, 10 rounds */
    static const struct {
        uint32_t counter[4], key[2], out[4];
    } known[] = {
        {{0, 0, 0, 0}, {0, 0}, {0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}},
        {{0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff},
         {0xffffffff, 0xffffffff},
         {0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}},
        {{0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344},
         {0xa4093822, 0x299f31d0},
         {0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}},
    };
    for (size_t i = 0; i < 3; i++) {
        uint32_t out[4];
        convd_philox_block(known[i].counter, known[i].key, out);
        for (int k = 0; k < 4; k++) EQ(known[i].out[k], out[k]);
    }
    uint32_t a[4], b[4];
    convd_philox(0x299f31d0a4093822u, 7, a);
    convd_philox_block((uint32_t[]){7, 0, 0, 0}, (uint32_t[]){0xa4093822, 0x299f31d0}, b);
    OK(memcmp(a, b, sizeof a) == 0);
}

TEST(inits_give_the_numbers_of_the_reference)
{
    /* computed apart, in Python, from reference.md */
    static const struct {
        enum convd_init init;
        uint64_t seed;
        double gain;
        ptrdiff_t dim[4];
        size_t i;
        double want;
    } cases[] = {
        {CONVD_HE_NORMAL, 1, 1, {64, 3, 3, 3}, 0, 0.103531966},
        {CONVD_HE_NORMAL, 1, 1, {64, 3, 3, 3}, 1, 0.170633593},
        {CONVD_HE_NORMAL, 1, 1, {64, 3, 3, 3}, 2, -0.42652574},
        {CONVD_HE_NORMAL, 1, 1, {64, 3, 3, 3}, 1727, -0.208268611},
        {CONVD_XAVIER_UNIFORM, 0x200000005, 1, {4, 2, 1, 3}, 0, 0.253590245},
        {CONVD_XAVIER_UNIFORM, 0x200000005, 1, {4, 2, 1, 3}, 23, 0.207972697},
        {CONVD_XAVIER_NORMAL, 7, 1, {4, 2, 1, 3}, 0, 9.71891391e-05},
        {CONVD_XAVIER_NORMAL, 7, 1, {4, 2, 1, 3}, 7, -0.530772959},
        {CONVD_HE_UNIFORM, 7, 0.5, {4, 2, 1, 3}, 7, -0.229353142},
        {CONVD_NORMAL, 3, 1, {4, 2, 1, 3}, 1, -1.53800052},
        {CONVD_UNIFORM, 3, 1, {4, 2, 1, 3}, 1, -0.463551923},
    };
    for (size_t k = 0; k < sizeof cases / sizeof *cases; k++) {
        float out[64 * 27];
        convd_weight_init(cases[k].init, cases[k].seed, cases[k].gain, cases[k].dim, out);
        NEAR(cases[k].want, out[cases[k].i],
             1e-8 * fmax(1, fabs(cases[k].want)) + 6e-8 * fabs(cases[k].want));
        NEAR(out[cases[k].i],
             convd_weight_number(cases[k].init, cases[k].seed, cases[k].gain, cases[k].dim,
                                 cases[k].i),
             0);
    }
}

TEST(inits_have_the_spread_they_promise)
{
    static const ptrdiff_t dim[4] = {32, 16, 5, 5};
    static const struct {
        enum convd_init init;
        double variance;
    } cases[] = {{CONVD_HE_NORMAL, 2.0 / 400},
                 {CONVD_HE_UNIFORM, 2.0 / 400},
                 {CONVD_XAVIER_NORMAL, 2.0 / 1200},
                 {CONVD_XAVIER_UNIFORM, 2.0 / 1200},
                 {CONVD_NORMAL, 1},
                 {CONVD_UNIFORM, 1.0 / 3}};
    static float out[32 * 16 * 25];
    for (size_t k = 0; k < 6; k++) {
        double sum = 0, squares = 0;
        const double n = 32 * 16 * 25;
        convd_weight_init(cases[k].init, 11, 1, dim, out);
        for (size_t i = 0; i < 32 * 16 * 25; i++) {
            sum += (double)out[i];
            squares += (double)out[i] * (double)out[i];
        }
        NEAR(0, sum / n, 0.03 * sqrt(cases[k].variance));
        NEAR(cases[k].variance, squares / n, 0.05 * cases[k].variance);
    }
}

TEST(the_normal_is_exact_where_its_word_is_near_zero)
{
    /* log((w0 + 1) / 2^32) is steep there: the smallest word of two million */
    uint32_t w[4], least = UINT32_MAX, angle = 0, at = 0;
    for (uint32_t i = 0; i < 1u << 21; i++) {
        convd_philox(5, i, w);
        if (w[0] < least) {
            least = w[0];
            angle = w[1];
            at = i;
        }
    }
    OK(least < 20000);
    const double want = sqrt(-2 * log((least + 1.0) / 4294967296.0)) * cos(2 * M_PI * angle / 4294967296.0);
    const ptrdiff_t dim[4] = {1 << 21, 1, 1, 1};
    NEAR(want, convd_weight_number(CONVD_NORMAL, 5, 1, dim, at), 6e-8 * fabs(want));
}

TEST(identity_and_zeros_are_what_they_say)
{
    float out[4 * 2 * 3 * 5];
    const ptrdiff_t dim[4] = {4, 2, 3, 5};
    convd_weight_init(CONVD_IDENTITY, 1, 2, dim, out);
    for (int i = 0; i < 120; i++) {
        const int x = i % 5, y = i / 5 % 3, c = i / 15 % 2, o = i / 30;
        NEAR(x == 2 && y == 1 && c == o % 2 ? 2 : 0, out[i], 0);
    }
    convd_weight_init(CONVD_ZEROS, 1, 2, dim, out);
    for (int i = 0; i < 120; i++) NEAR(0, out[i], 0);
}

TEST(across_spreads)
{
    const double v[] = {1, -2, 3};
    const struct convd_across mean = {.word = CONVD_ACROSS_MEAN}, sum = {.word = CONVD_ACROSS_SUM},
                              luma = {.word = CONVD_ACROSS_LUMA},
                              numbers = {.word = -1, .numbers = {3, v}};
    NEAR(0.2, convd_across_factor(&mean, 1, 5), 1e-16);
    NEAR(1, convd_across_factor(&sum, 1, 5), 0);
    NEAR(0.587, convd_across_factor(&luma, 1, 3), 0);
    NEAR(-2, convd_across_factor(&numbers, 1, 3), 0);
    STR("mean", convd_across_words[CONVD_ACROSS_MEAN]);
    STR("sum", convd_across_words[CONVD_ACROSS_SUM]);
    STR("luma", convd_across_words[CONVD_ACROSS_LUMA]);
    STR("he_normal", convd_init_words[CONVD_HE_NORMAL]);
    STR("identity", convd_init_words[CONVD_IDENTITY]);
}

/* ---- reading --------------------------------------------------------------------------------- */

static struct convd_arena mem;
static struct convd_weight got;

/* Reads v at place /w; the first fault, or NULL. */
static const struct convd_fault *reading(struct convd_value v)
{
    struct convd_faults *f = convd_arena_zero(&mem, sizeof *f);
    convd_faults_init(f, &mem);
    convd_enter(f, "w");
    const bool fine = convd_weight_read(&v, f, &mem, 129, &got);
    EQ(fine, convd_faults_count(f) == 0);
    return convd_faults_first(f);
}

TEST(arrays_of_every_rank_are_read)
{
    struct convd_value v = num(5);
    for (int rank = 0; rank <= 4; rank++) {
        OK(!reading(v));
        EQ(CONVD_W_ARRAY, got.kind);
        EQ(rank, got.array.rank);
        for (int d = 0; d < rank; d++) EQ(2, got.array.dim[d]);
        for (int i = 0; i < 1 << rank; i++) NEAR(5, got.array.data[i], 0);
        EQ(v.kind, got.source->kind);
        v = list(2, v, v);
    }
    OK(!reading(list(2, list(3, num(1), num(2), num(3)), list(3, num(4), num(5), num(6)))));
    EQ(2, got.array.dim[0]);
    EQ(3, got.array.dim[1]);
    for (int i = 0; i < 6; i++) NEAR(i + 1, got.array.data[i], 0);
}

TEST(lists_of_kernels_are_read)
{
    const struct convd_value matrix =
        list(3, list(3, num(1), num(2), num(3)), list(3, num(4), num(5), num(6)),
             list(3, num(7), num(8), num(9)));
    OK(!reading(list(3, str("sobel_x"), matrix, object(2, "name", str("mean"), "size", num(3)))));
    EQ(CONVD_W_KERNELS, got.kind);
    EQ(3, got.n_kernels);
    STR("sobel_x", got.kernels[0].row->name);
    NEAR(8, got.kernels[1].v[7], 0);
    STR("box", got.kernels[2].row->name);
    STR("box", convd_value_get(&got.source->items[2], "name")->string);
    OK(!reading(list(2, matrix, matrix))); /* matrices alone are a rank 3 array */
    EQ(CONVD_W_ARRAY, got.kind);
    EQ(3, got.array.rank);
}

TEST(tensors_and_inits_are_read)
{
    OK(!reading(str("@bank")));
    EQ(CONVD_W_TENSOR, got.kind);
    STR("bank", got.tensor);
    OK(!reading(object(5, "init", str("xavier_uniform"), "out_channels", num(64), "kernel_size",
                       list(2, num(3), num(5)), "seed", num(0), "gain", num(0.5))));
    EQ(CONVD_W_INIT, got.kind);
    EQ(CONVD_XAVIER_UNIFORM, got.init);
    EQ(64, got.out);
    EQ(3, got.size.h);
    EQ(5, got.size.w);
    EQ(0, got.seed);
    OK(got.has_seed);
    NEAR(0.5, got.gain, 0);
    OK(!reading(object(2, "init", str("zeros"), "out_features", num(10))));
    EQ(10, got.out);
    OK(!got.has_seed);
    NEAR(1, got.gain, 0);
    EQ(0, got.size.h);
}

TEST(weights_that_are_none_are_faults_with_a_place)
{
    const struct {
        struct convd_value v;
        int code;
        const char *pointer, *suggestion;
    } cases[] = {
        {nothing(), CONVD_WRONG_TYPE, "/w", NULL},
        {str("sobel_x"), CONVD_WRONG_TYPE, "/w", "[\"sobel_x\"]"},
        {list(0), CONVD_BAD_SHAPE, "/w", NULL},
        {list(2, list(1, num(1)), list(0)), CONVD_BAD_SHAPE, "/w/1", NULL},
        {list(2, list(2, num(1), num(2)), list(1, num(1))), CONVD_BAD_SHAPE, "/w/1", NULL},
        {list(2, list(1, num(1)), num(1)), CONVD_BAD_SHAPE, "/w/1", NULL},
        {list(2, num(1), list(1, num(1))), CONVD_WRONG_TYPE, "/w/1", NULL},
        {list(2, num(1), nothing()), CONVD_WRONG_TYPE, "/w/1", NULL},
        {list(2, num(1), num(1e39)), CONVD_OUT_OF_RANGE, "/w/1", NULL},
        {list(1, list(1, list(1, list(1, list(1, num(1)))))), CONVD_BAD_SHAPE, "/w", NULL},
        {list(2, str("sobel_x"), str("sobel_z")), CONVD_UNKNOWN_KERNEL, "/w/1", "sobel_x"},
        {list(2, str("sobel_x"), str("roberts_x")), CONVD_BAD_SHAPE, "/w/1", NULL},
        {list(2, str("sobel_x"), str("@t")), CONVD_WRONG_TYPE, "/w/1", NULL},
        {list(2, str("sobel_x"), num(1)), CONVD_WRONG_TYPE, "/w/1", NULL},
        {object(1, "init", str("he_norml")), CONVD_OUT_OF_RANGE, "/w/init", "he_normal"},
        {object(1, "out_channels", num(1)), CONVD_MISSING, "/w/init", NULL},
        {object(2, "init", str("zeros"), "out_channels", num(1e9)), CONVD_OUT_OF_RANGE,
         "/w/out_channels", NULL},
        {object(2, "init", str("zeros"), "out_channels", num(0)), CONVD_OUT_OF_RANGE,
         "/w/out_channels", NULL},
        {object(2, "init", str("zeros"), "kernel_size", num(131)), CONVD_OUT_OF_RANGE,
         "/w/kernel_size", NULL},
        {object(2, "init", str("zeros"), "seed", num(-1)), CONVD_OUT_OF_RANGE, "/w/seed", NULL},
        {object(2, "init", str("zeros"), "seed", num(1.5)), CONVD_WRONG_TYPE, "/w/seed", NULL},
        {object(2, "init", str("zeros"), "sede", num(1)), CONVD_UNKNOWN_MEMBER, "/w/sede", "seed"},
        {object(3, "init", str("zeros"), "out_channels", num(1), "out_features", num(1)),
         CONVD_UNKNOWN_MEMBER, "/w/out_features", NULL},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const struct convd_fault *f = reading(cases[i].v);
        if (!f) T_FAIL("case %zu is no fault", i);
        if (cases[i].code != f->code) T_FAIL("case %zu: %s", i, f->detail);
        STR(cases[i].pointer, f->pointer);
        STR(cases[i].suggestion, f->suggestion);
        OK(f->expected);
    }
}

T_MAIN("core/weight")
