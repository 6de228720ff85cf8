/* One number explained: its window is what the tap was made of, its source what it depends on. */
#include "../../api/json.h"
#include "../../core/tensor_file.h"
#include "../t.h"
#include "lib_work.h"

enum { W = 21, H = 17 };

static const char *const pipelines[] = {
    "edges",
    "edges-xy",
    "magnitude",
    "orientation",
    "features",
    "residual",
    "dense",
    "csp",
    "se",
    "median",
    "emboss",
    "sumpool",
    "grayscale/sobel_x/abs/max_pool:2",
    "gaussian:5,padding_mode=zeros",
    "gaussian:5,padding_mode=reflect",
    "gaussian:7,padding_mode=symmetric",
    "gaussian:7,padding_mode=replicate",
    "gaussian:9,padding_mode=circular",
    "gaussian:5,padding_mode=constant,padding_value=77",
    "filter:roberts_x,flip=true,scale=0.5,delta=3",
    "filter:prewitt_y,anchor=0x2",
    "gaussian:39,padding_mode=symmetric",
    "max_pool:3,2,1,ceil_mode=true",
    "min_pool:3x2,2,padding=1x0x0x1",
    "max_pool:2x3,1,dilation=2x3,padding=1x2",
    "min_pool:4,3,padding=same",
    "avg_pool:3,2,1,count_include_pad=false,ceil_mode=true",
    "avg_pool:3x5,2,1x2,dilation=2x1,ceil_mode=true",
    "avg_pool:3,1,padding=2x1x0x1,divisor_override=5",
    "sum_pool:5,3,2,ceil_mode=true",
    "lp_pool:3,2,1,norm_type=3",
    "adaptive_avg_pool:5x7",
    "adaptive_max_pool:4x9",
    "global_max_pool",
    "global_avg_pool/scale:2",
    "global_sum_pool",
    "dilate:4x3,padding_mode=reflect",
    "erode:2x5,padding_mode=constant,padding_value=3",
    "median:3x5,padding_mode=circular",
    "dilate:5",
    "resize:9x30",
    "resize:scale_factor=0.4x1.7,mode=bicubic",
    "resize:7x5,mode=area",
    "resize:40x50,mode=nearest",
    "resize:33x9,align_corners=true",
    "pad:5x3x9x1,padding_mode=reflect/filter:box",
    "pad:25,padding_mode=circular/crop:3,9,20,30",
    "flip:x/gaussian:3",
    "flip:y/max_pool:2",
    "flip:xy/sobel_x",
    "rotate/gaussian:3/rotate:-1",
    "rotate:2/avg_pool:3",
    "crop:0,0,16,20/pixel_unshuffle:2/shuffle:3/pixel_shuffle:2/sharpen",
    "select:2x0/reduce:sum/gaussian",
    "reduce:max,height",
    "reduce:mean,width",
    "reduce:min",
    "reduce:l2",
    "scale:0.01/softmax/lrn:2",
    "minmax/sobel_y",
    "instance_norm/sobel_x",
    "normalize:1,2/relu6/dropout",
    "batch_norm:2,3/flatten",
    "{\"steps\":[{\"op\":\"conv\",\"weight\":{\"init\":\"he_normal\",\"out_channels\":4,\"kernel_"
    "size\":[3,2]},"
    "\"padding\":[2,1,0,3],\"stride\":[1,2],\"bias\":[1,-2,3,4]},\"relu\"]}",
    "{\"steps\":[{\"op\":\"conv\",\"weight\":{\"init\":\"uniform\",\"out_channels\":6,\"kernel_"
    "size\":3},"
    "\"padding\":\"same\",\"padding_mode\":\"circular\",\"dilation\":3},{\"op\":\"conv\","
    "\"groups\":3,\"flip\":true,"
    "\"weight\":{\"init\":\"normal\",\"out_channels\":6,\"kernel_size\":5},\"stride\":2,"
    "\"padding\":2,"
    "\"padding_mode\":\"symmetric\"}]}",
    "{\"steps\":[{\"op\":\"conv\",\"weight\":[\"sobel_x\",\"laplacian\"],\"across\":\"luma\","
    "\"padding\":\"same\","
    "\"stride\":2,\"padding_mode\":\"constant\",\"padding_value\":9}]}",
    "{\"steps\":[{\"op\":\"conv_transpose\",\"weight\":{\"init\":\"he_normal\",\"out_channels\":2,"
    "\"kernel_size\":[3,4]},"
    "\"stride\":[2,3],\"padding\":[1,0,0,2],\"output_padding\":1,\"bias\":[1,2]}]}",
    "{\"steps\":[{\"op\":\"conv_transpose\",\"weight\":{\"init\":\"he_normal\",\"out_channels\":3,"
    "\"kernel_size\":3},"
    "\"stride\":4,\"dilation\":2,\"groups\":3,\"flip\":true}]}",
    "{\"steps\":[{\"op\":\"resize\",\"size\":[4,5]},{\"op\":\"linear\",\"weight\":{\"init\":\"he_"
    "normal\","
    "\"out_features\":9},\"bias\":{\"init\":\"zeros\"}}]}",
    "{\"steps\":[{\"id\":\"a\",\"op\":\"grayscale\"},{\"id\":\"b\",\"op\":\"concat\",\"inputs\":["
    "\"image\",\"a\"]},"
    "{\"op\":\"filter\",\"kernel\":\"gaussian\",\"id\":\"c\"},{\"id\":\"p\",\"op\":\"global_avg_"
    "pool\"},"
    "{\"op\":\"multiply\",\"inputs\":[\"c\",\"p\"]},{\"op\":\"hypot\",\"inputs\":[\"s4\",\"a\"]},"
    "{\"op\":\"maximum\",\"inputs\":[\"s5\",\"b\",\"c\"]},{\"op\":\"avg_pool\",\"kernel_size\":3}]"
    "}",
};
enum { PIPELINES = sizeof pipelines / sizeof *pipelines, PLACES = 12 };

/* ---- maps and probes ---- */

struct map {
    ptrdiff_t c, h, w; /* of the first sample */
    float *x;
};

/* Any step's numbers, through npy. */
static struct map tap(const void *image, size_t n, const char *pipeline, const char *step)
{
    const struct api_pair query[] = {{"from", step}, {"format", "npy"}};
    struct api_work w = test_work(NULL, image, n, pipeline);
    struct convd_faults *f = convd_faults_new();
    struct convd_arena mem = {0};
    struct convd_stored t;
    w.query = query;
    w.n_query = 2;
    test_run(&w);
    OK(convd_npy_open(w.body.data, w.body.n, &t, &mem, f));
    struct map m = {t.dim[1], t.dim[2], t.dim[3], malloc(t.count * sizeof(float))};
    OK(m.x);
    convd_stored_read(&t, m.x);
    convd_arena_release(&mem);
    convd_faults_free(f);
    api_work_release(&w);
    return m;
}

struct probed {
    struct api_work w;
    struct convd_value at[API_AT_MEMBERS];
};

static void ask(struct probed *p, const void *image, size_t n, const char *pipeline,
                const char *step, double c, double x, double y)
{
    *p = (struct probed){.w = test_work(NULL, image, n, pipeline)};
    p->w.ask = API_PROBE;
    p->at[API_AT_STEP] = convd_string(step);
    p->at[API_AT_CHANNEL] = convd_number(c);
    p->at[API_AT_X] = convd_number(x);
    p->at[API_AT_Y] = convd_number(y);
    for (size_t i = 0; i < API_AT_MEMBERS; i++) p->w.at[i] = &p->at[i];
}

/* The answer, parsed; the work is released. */
static const struct convd_value *probe(const void *image, size_t n, const char *pipeline,
                                       const char *step, ptrdiff_t c, ptrdiff_t x, ptrdiff_t y)
{
    struct probed p;
    ask(&p, image, n, pipeline, step, (double)c, (double)x, (double)y);
    test_run(&p.w);
    const struct convd_value *v = test_json((const char *)p.w.body.data, p.w.body.n);
    api_work_release(&p.w);
    return v;
}

/* A float as JSON writes it: what is not finite is null. */
static double number(const struct convd_value *v)
{
    return v->kind == CONVD_NULL ? (double)NAN : v->number;
}

static bool same(double a, float b)
{
    return isfinite(b) ? (float)a == b : isnan(a);
}

/* ---- what must hold of an answer ---- */

static void check_sum(const struct convd_value *v, const char *where)
{
    const struct convd_value *products = convd_value_get(v, "products"),
                             *weights = convd_value_get(v, "weights"),
                             *window = convd_value_get(v, "window"),
                             *outside = convd_value_get(v, "outside");
    double sum = number(test_at(v, "bias")), most = fabs(sum);
    for (uint32_t q = 0; q < products->n; q++)
        for (uint32_t a = 0; a < products->items[q].n; a++)
            for (uint32_t b = 0; b < products->items[q].items[a].n; b++) {
                double p = products->items[q].items[a].items[b].number;
                double x = window->items[q].items[a].items[b].number,
                       w = weights->items[q].items[a].items[b].number;
                sum += p;
                most += fabs(p);
                if (fabs(p - x * w) > 1e-6 * (1 + fabs(p)))
                    T_FAIL("%s: %g is not %g times %g", where, p, x, w);
            }
    OK(outside->n == (products->n ? products->items[0].n : outside->n));
    if (fabs(sum - number(test_at(v, "value"))) > 1e-5 * (1 + most))
        T_FAIL("%s: products and bias make %g, the value is %g", where, sum,
               number(test_at(v, "value")));
}

static void check_winner(const struct convd_value *v, const char *where)
{
    const struct convd_value *winner = convd_value_get(v, "winner");
    char path[64];
    if (winner->kind != CONVD_ARRAY) T_FAIL("%s: nobody wins", where);
    snprintf(path, sizeof path, "window/0/%.0f/%.0f", winner->items[0].number,
             winner->items[1].number);
    if (number(test_at(v, path)) != number(test_at(v, "value")))
        T_FAIL("%s: the winner is %g, the value %g", where, number(test_at(v, path)),
               number(test_at(v, "value")));
}

/* A picture that is the same inside the rectangle and other everywhere else. */
static uint8_t *scrambled(const uint8_t *image, size_t n, const struct convd_value *source,
                          struct t_rng *r)
{
    uint8_t *other = malloc(n);
    OK(other);
    memcpy(other, image, n);
    const ptrdiff_t x0 = (ptrdiff_t)test_at(source, "x")->number,
                    y0 = (ptrdiff_t)test_at(source, "y")->number,
                    x1 = x0 + (ptrdiff_t)test_at(source, "width")->number,
                    y1 = y0 + (ptrdiff_t)test_at(source, "height")->number;
    OK(x0 >= 0 && y0 >= 0 && x1 <= W && y1 <= H);
    for (ptrdiff_t y = 0; y < H; y++)
        for (ptrdiff_t x = 0; x < W; x++)
            for (size_t k = 0; k < 3; k++)
                if (x < x0 || x >= x1 || y < y0 || y >= y1)
                    other[n - (size_t)(W * H * 3) + (size_t)(y * W + x) * 3 + k] =
                        (uint8_t)t_random(r);
    return other;
}

static void check_answer(const uint8_t *image, size_t n, const char *pipeline, const char *step,
                         const struct map *m, ptrdiff_t c, ptrdiff_t x, ptrdiff_t y,
                         struct t_rng *r)
{
    char where[400];
    snprintf(where, sizeof where, "%.300s, %s at channel %td, x %td, y %td", pipeline, step, c, x,
             y);
    const struct convd_value *v = probe(image, n, pipeline, step, c, x, y);
    const float value = m->x[(c * m->h + y) * m->w + x];
    STR(step, test_at(v, "step")->string);
    EQ(c, test_at(v, "channel")->number);
    EQ(x, test_at(v, "x")->number);
    EQ(y, test_at(v, "y")->number);
    if (!same(number(test_at(v, "value")), value))
        T_FAIL("%s: the value is %.9g, the tap's %.9g", where, number(test_at(v, "value")),
               (double)value);
    if (convd_value_get(v, "products")) check_sum(v, where);
    if (convd_value_get(v, "winner")) check_winner(v, where);
    OK(convd_value_get(v, "window") || convd_value_get(v, "inputs"));
    uint8_t *other = scrambled(image, n, test_at(v, "source"), r);
    const struct convd_value *again = probe(other, n, pipeline, step, c, x, y);
    if (!same(number(test_at(again, "value")), value))
        T_FAIL("%s: the value depends on more than its source", where);
    free(other);
}

/* Ids of all steps, inner ones too. */
static size_t steps_of(const void *image, size_t n, const char *pipeline, char ids[][80],
                       size_t most)
{
    struct api_work w = test_work(NULL, image, n, pipeline);
    size_t count = 0;
    if (!api_work_prepare(&w)) T_FAIL("%s is refused: %s", pipeline, test_faults(w.faults));
    for (size_t v = 1; v < w.graph->n_nodes && count < most; v++)
        if (w.graph->nodes[v].kind == CONVD_NODE_STEP)
            snprintf(ids[count++], 80, "%s", w.graph->nodes[v].id);
    api_work_release(&w);
    return count;
}

/* Corners and borders as often as the middle. */
static ptrdiff_t somewhere(struct t_rng *r, ptrdiff_t n)
{
    switch (t_between(r, 0, 3)) {
    case 0:
        return t_between(r, 0, n > 2 ? 1 : 0);
    case 1:
        return n - 1 - t_between(r, 0, n > 2 ? 1 : 0);
    default:
        return t_between(r, 0, n - 1);
    }
}

TEST(a_probed_number_is_the_taps_number)
{
    struct t_rng r = t_rng(20260701);
    size_t n, places = 0;
    uint8_t *image = test_picture(W, H, 3, &n);
    static char ids[64][80];
    for (size_t i = 0; i < PIPELINES; i++) {
        size_t steps = steps_of(image, n, pipelines[i], ids, 64);
        for (int k = 0; k < PLACES; k++) {
            const char *step =
                ids[k < 4 ? steps - 1 : (size_t)t_between(&r, 0, (ptrdiff_t)steps - 1)];
            struct map m = tap(image, n, pipelines[i], step);
            check_answer(image, n, pipelines[i], step, &m, t_between(&r, 0, m.c - 1),
                         somewhere(&r, m.w), somewhere(&r, m.h), &r);
            free(m.x);
            places++;
        }
    }
    print_message("%zu places in %d pipelines\n", places, PIPELINES);
    OK(places >= 500);
    free(image);
}

/* Where every weight counts, each edge of the source does. */
TEST(a_source_is_no_larger_than_it_must_be)
{
    static const char *const tight[] = {"box:3",
                                        "gaussian:5/box:3/avg_pool:2",
                                        "sum_pool:3,2,1/gaussian:3",
                                        "grayscale/gaussian:7,padding_mode=circular",
                                        "rotate/box:5/flip:x",
                                        "sum_pool:2,1,dilation=5",
                                        "pad:4,padding_mode=reflect/avg_pool:3",
                                        "resize:8x9,mode=area/box:3",
                                        "crop:0,0,16,20/pixel_unshuffle:4/reduce:sum",
                                        "box:3/flatten"};
    struct t_rng r = t_rng(7);
    size_t n;
    uint8_t *image = test_picture(W, H, 3, &n);
    static char ids[64][80];
    for (size_t i = 0; i < sizeof tight / sizeof *tight; i++) {
        size_t steps = steps_of(image, n, tight[i], ids, 64);
        struct map m = tap(image, n, tight[i], ids[steps - 1]);
        for (int k = 0; k < 6; k++) {
            const ptrdiff_t c = t_between(&r, 0, m.c - 1), x = somewhere(&r, m.w),
                            y = somewhere(&r, m.h);
            const struct convd_value *v = probe(image, n, tight[i], ids[steps - 1], c, x, y),
                                     *s = test_at(v, "source");
            const ptrdiff_t x0 = (ptrdiff_t)test_at(s, "x")->number,
                            y0 = (ptrdiff_t)test_at(s, "y")->number,
                            w = (ptrdiff_t)test_at(s, "width")->number,
                            h = (ptrdiff_t)test_at(s, "height")->number;
            for (int edge = 0; edge < 4; edge++) {
                uint8_t *other = malloc(n);
                OK(other && w > 0 && h > 0);
                memcpy(other, image, n);
                for (ptrdiff_t j = 0; j < (edge < 2 ? w : h); j++)
                    for (size_t q = 0; q < 3; q++) {
                        ptrdiff_t px = edge < 2    ? x0 + j
                                       : edge == 2 ? x0
                                                   : x0 + w - 1,
                                  py = edge >= 2   ? y0 + j
                                       : edge == 0 ? y0
                                                   : y0 + h - 1;
                        uint8_t *at =
                            &other[n - (size_t)(W * H * 3) + (size_t)(py * W + px) * 3 + q];
                        *at = *at < 128 ? 255 : 0;
                    }
                const struct convd_value *again =
                    probe(other, n, tight[i], ids[steps - 1], c, x, y);
                if (number(test_at(again, "value")) == number(test_at(v, "value")))
                    T_FAIL("%s at channel %td, x %td, y %td: edge %d of %td x %td at %td,%td does "
                           "nothing",
                           tight[i], c, x, y, edge, w, h, x0, y0);
                free(other);
            }
        }
        free(m.x);
    }
    free(image);
}

/* ---- windows, number by number ---- */

/* A picture of one row of gray numbers 10, 20, 30, 40. */
static const uint8_t four[] = "P5\n4 1\n255\n\x0a\x14\x1e\x28";

static void check_row(const struct convd_value *v, const char *name, const double *want, size_t n)
{
    const struct convd_value *row = test_at(test_at(v, name), "0/0");
    EQ(n, row->n);
    for (size_t i = 0; i < n; i++) NEAR(want[i], number(&row->items[i]), 1e-6);
}

TEST(borders_are_as_the_padding_mode_makes_them)
{
    static const struct {
        const char *mode;
        double left[5];
    } modes[] = {{"zeros", {0, 0, 10, 20, 30}},       {"reflect", {30, 20, 10, 20, 30}},
                 {"symmetric", {20, 10, 10, 20, 30}}, {"replicate", {10, 10, 10, 20, 30}},
                 {"circular", {30, 40, 10, 20, 30}},  {"constant", {7, 7, 10, 20, 30}}};
    for (size_t i = 0; i < sizeof modes / sizeof *modes; i++) {
        char pipeline[200];
        snprintf(pipeline, sizeof pipeline,
                 "select:0/filter:1x2x3x4x5;,padding_mode=%s,padding_value=7,delta=2",
                 modes[i].mode);
        const struct convd_value *v = probe(four, sizeof four - 1, pipeline, "s1", 0, 0, 0);
        check_row(v, "window", modes[i].left, 5);
        check_row(v, "weights", (double[]){1, 2, 3, 4, 5}, 5);
        EQ(2, test_at(v, "bias")->number);
        for (uint32_t k = 0; k < 5; k++)
            EQ(k < 2, test_at(test_at(v, "outside"), "0")->items[k].boolean);
    }
}

TEST(pools_say_what_is_no_number)
{
    const struct convd_value *v =
        probe(four, sizeof four - 1, "select:0/max_pool:1x3,1,0x1", "s1", 0, 0, 0);
    check_row(v, "window", (double[]){(double)NAN, 10, 20}, 3);
    EQ(2, test_at(v, "winner/1")->number);
    OK(!convd_value_get(v, "weights"));
    v = probe(four, sizeof four - 1, "select:0/avg_pool:1x3,1,0x1", "s1", 0, 0, 0);
    check_row(v, "window", (double[]){0, 10, 20}, 3);
    check_row(v, "weights", (double[]){1 / 3.0, 1 / 3.0, 1 / 3.0}, 3);
    v = probe(four, sizeof four - 1, "select:0/avg_pool:1x3,1,0x1,count_include_pad=false", "s1", 0,
              0, 0);
    check_row(v, "weights", (double[]){0, 0.5, 0.5}, 3);
}

TEST(steps_without_a_window_give_their_inputs)
{
    const struct convd_value *v =
        probe(four, sizeof four - 1, "select:0/scale:2/abs", "s1", 0, 2, 0);
    EQ(1, test_at(v, "inputs")->n);
    EQ(30, test_at(v, "inputs/0")->number);
    EQ(60, test_at(v, "value")->number);
    OK(!convd_value_get(v, "window"));
    v = probe(four, sizeof four - 1,
              "{\"steps\":[{\"op\":\"select\",\"channels\":0},{\"op\":\"global_max_pool\"},{\"op\":"
              "\"add\",\"inputs\":[\"s0\",\"s1\"]}]}",
              "s2", 0, 1, 0);
    EQ(2, test_at(v, "inputs")->n);
    EQ(20, test_at(v, "inputs/0")->number);
    EQ(40, test_at(v, "inputs/1")->number);
    EQ(4, test_at(v, "source/width")->number);
}

TEST(a_window_too_large_to_list_is_null_and_its_number_is_there)
{
    size_t n;
    uint8_t *image = test_picture(300, 260, 3, &n);
    const struct convd_value *v = probe(image, n, "global_avg_pool", "s0", 1, 0, 0);
    EQ(CONVD_NULL, test_at(v, "window")->kind);
    EQ(CONVD_NUMBER, test_at(v, "value")->kind);
    EQ(300, test_at(v, "source/width")->number);
    EQ(260, test_at(v, "source/height")->number);
    free(image);
}

/* ---- faults ---- */

static void refused(struct probed *p, const char *pipeline, const char *step, double c, double x,
                    double y)
{
    ask(p, four, sizeof four - 1, pipeline, step, c, x, y);
    if (api_work_prepare(&p->w)) T_FAIL("%s at %g,%g,%g is accepted", step, c, x, y);
    OK(p->w.faults->first);
}

TEST(what_is_not_there_is_said)
{
    struct probed p;
    const struct convd_fault *f;
    refused(&p, "edges", "edges.greay", 0, 0, 0);
    f = p.w.faults->first;
    EQ(CONVD_UNKNOWN_NAME, f->code);
    STR("/step", f->pointer);
    STR("edges.gray", f->suggestion);
    api_work_release(&p.w);
    refused(&p, "edges", "edges", 3, -1, 1);
    f = p.w.faults->first;
    EQ(3, convd_faults_count(p.w.faults));
    EQ(CONVD_OUT_OF_RANGE, f->code);
    STR("/channel", f->pointer);
    STR("0", f->expected);
    NEAR(0, f->limit, 0);
    NEAR(3, f->actual, 0);
    STR("/x", f->next->pointer);
    STR("a whole number from 0 to 3", f->next->expected);
    STR("/y", f->next->next->pointer);
    api_work_release(&p.w);
    refused(&p, "edges", "edges", 0, 1.5, 0);
    EQ(CONVD_WRONG_TYPE, p.w.faults->first->code);
    STR("/x", p.w.faults->first->pointer);
    api_work_release(&p.w);
}

TEST(what_is_left_out_is_the_result_and_its_only_number)
{
    struct probed p;
    ask(&p, four, sizeof four - 1, "select:0/global_sum_pool", "", 0, 0, 0);
    memset(p.w.at, 0, sizeof p.w.at);
    test_run(&p.w);
    const struct convd_value *v = test_json((const char *)p.w.body.data, p.w.body.n);
    STR("s1", test_at(v, "step")->string);
    EQ(100, test_at(v, "value")->number);
    api_work_release(&p.w);
    ask(&p, four, sizeof four - 1, "select:0", "s0", 0, 0, 0);
    p.w.at[API_AT_X] = NULL;
    OK(!api_work_prepare(&p.w));
    EQ(CONVD_MISSING, p.w.faults->first->code);
    STR("/x", p.w.faults->first->pointer);
    api_work_release(&p.w);
}

TEST(numbers_of_a_query_come_as_text)
{
    struct probed p;
    ask(&p, four, sizeof four - 1, "select:0", "s0", 0, 0, 0);
    p.at[API_AT_X] = convd_string("3");
    test_run(&p.w);
    EQ(40, test_at(test_json((const char *)p.w.body.data, p.w.body.n), "value")->number);
    api_work_release(&p.w);
    static const char *const bad[] = {"", "three", "1x", "0x1", "nan", "1e400"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        ask(&p, four, sizeof four - 1, "select:0", "s0", 0, 0, 0);
        p.at[API_AT_X] = convd_string(bad[i]);
        if (api_work_prepare(&p.w)) T_FAIL("x=%s is accepted", bad[i]);
        STR("/x", p.w.faults->first->pointer);
        api_work_release(&p.w);
    }
}

TEST(a_probe_takes_no_more_than_it_said)
{
    size_t n;
    uint8_t *image = test_picture(160, 120, 3, &n);
    struct counting *c = counting_new();
    struct probed p;
    ask(&p, image, n, "features", "features.conv", 3, 5, 7);
    p.w.memory = &c->memory;
    if (!api_work_prepare(&p.w)) T_FAIL("refused: %s", test_faults(p.w.faults));
    OK(api_work_run(&p.w, NULL, NULL));
    if (c->most > p.w.bytes) T_FAIL("took %zu, said %zu", c->most, p.w.bytes);
    api_work_release(&p.w);
    counting_free(c);
    free(image);
}
T_MAIN("api/probe")
