/* What explain says: costs that add up, what is fused, blocks as trees, charts, and programs whose words are all there.
 * (That the programs compute the same is tested by running them: make test-code.) */
#include "../../core/op.h"
#include "../t.h"
#include "lib_work.h"

static const char nested[] =
    "{\"steps\":[{\"id\":\"blk\",\"op\":\"residual\",\"projection\":true,\"steps\":[\"relu\",{"
    "\"op\":\"conv\",\"padding\":1,"
    "\"weight\":{\"init\":\"he_normal\",\"out_channels\":4,\"kernel_size\":3}}]},"
    "{\"op\":\"dense\",\"steps\":[{\"op\":\"csp\",\"steps\":[\"sigmoid\"]}]},\"gaussian\",\"abs\"]"
    "}";

/* The text of an explanation; the caller frees. */
static char *explain(const char *pipeline, ptrdiff_t w, ptrdiff_t h, ptrdiff_t c,
                     const char *format)
{
    struct api_work work = test_work(NULL, NULL, 0, pipeline);
    const struct api_size size = {w, h, c};
    if (!api_explain(&work, &size, format))
        T_FAIL("%s as %s: %s", pipeline, format, test_faults(work.faults));
    char *text = malloc(work.body.n + 1);
    OK(text);
    memcpy(text, work.body.data, work.body.n);
    text[work.body.n] = 0;
    api_work_release(&work);
    return text;
}

static void has(const char *text, const char *part)
{
    if (!strstr(text, part)) T_FAIL("no %s in\n%s", part, text);
}

TEST(the_total_is_the_sum_of_the_steps)
{
    char *text = explain(nested, 32, 24, 3, "json");
    const struct convd_value *v = test_json(text, strlen(text)), *steps = test_at(v, "steps");
    static const char *const names[] = {"weights", "macs", "bytes"};
    for (size_t k = 0; k < 3; k++) {
        double sum = 0;
        for (uint32_t i = 0; i < steps->n; i++) sum += test_at(&steps->items[i], names[k])->number;
        NEAR(sum, test_at(test_at(v, "total"), names[k])->number, 0.5);
    }
    OK(test_at(v, "total/ms")->number > 0);
    NEAR(3 * 9 * 4 + 3 * 4 + 25, test_at(v, "total/weights")->number, 0);
    free(text);
}

TEST(receptive_field_and_jump_grow_as_windows_and_strides_do)
{
    char *text = explain("grayscale/gaussian:5/max_pool:3,2/avg_pool:2/box:3", 99, 88, 3, "json");
    const struct convd_value *steps = test_at(test_json(text, strlen(text)), "steps");
    static const double field[] = {1, 5, 7, 9, 17}, jump[] = {1, 1, 2, 4, 4};
    EQ(5, steps->n);
    for (uint32_t i = 0; i < 5; i++) {
        EQ(field[i], test_at(&steps->items[i], "receptive_field/0")->number);
        EQ(field[i], test_at(&steps->items[i], "receptive_field/1")->number);
        EQ(jump[i], test_at(&steps->items[i], "jump/1")->number);
    }
    free(text);
}

/* The time expected of a pipeline on 640x480 pixels that leaves in that format. */
static double expected_ms(const char *pipeline, const char *format)
{
    const struct api_pair query = {"format", format};
    const struct api_size size = {640, 480, 3};
    struct api_work w = test_work(NULL, NULL, 0, pipeline);
    w.query = &query;
    w.n_query = 1;
    OK(api_explain(&w, &size, "json"));
    const double ms = test_at(test_at(test_json(test_body(&w), w.body.n), "total"), "ms")->number;
    api_work_release(&w);
    return ms;
}

/* What each pair differs by was measured with convd bench: a factor of five or more, of which two are asked for. */
TEST(the_expected_time_is_that_of_the_algorithm)
{
    static const struct {
        const char *fast, *fast_format, *slow, *slow_format;
    } pairs[] = {{"edges", "png", "edges", "npy"}, /* integers */
                 {"median:5", "png", "median:5", "npy"},
                 {"gaussian:31,5", "npy", "median:9", "npy"}, /* across and down */
                 {"invert", "png", "minmax", "png"}};
    for (size_t i = 0; i < sizeof pairs / sizeof *pairs; i++) {
        const double fast = expected_ms(pairs[i].fast, pairs[i].fast_format),
                     slow = expected_ms(pairs[i].slow, pairs[i].slow_format);
        if (!(fast > 0 && 2 * fast < slow)) T_FAIL("pair %zu: %g and %g ms", i, fast, slow);
    }
}

/* A word of a step of a pipeline that leaves as numbers, not as an 8-bit view. */
static const char *word_of(const char *pipeline, const char *member, uint32_t step)
{
    static char found[64];
    const struct api_pair query = {"format", "npy"};
    const struct api_size size = {64, 48, 3};
    struct api_work w = test_work(NULL, NULL, 0, pipeline);
    w.query = &query;
    w.n_query = 1;
    OK(api_explain(&w, &size, "json"));
    const struct convd_value *v = test_json(test_body(&w), w.body.n),
                             *x = test_at(&test_at(v, "steps")->items[step], member);
    snprintf(found, sizeof found, "%s", x->kind == CONVD_STRING ? x->string : "(null)");
    api_work_release(&w);
    return found;
}

TEST(the_algorithm_is_the_one_that_runs)
{
    STR("separable", word_of("gaussian:7", "algorithm", 0));
    STR("direct", word_of("kirsch_ne", "algorithm", 0));
    STR("pointwise", word_of("abs", "algorithm", 0));
}

TEST(what_runs_in_the_rows_of_another_is_fused_into_it)
{
    STR("(null)", word_of("grayscale/sobel_x/abs/max_pool:2", "fused_into", 1));
    STR("s1", word_of("grayscale/sobel_x/abs/max_pool:2", "fused_into", 2));
    STR("s1", word_of("grayscale/sobel_x/abs/max_pool:2", "fused_into", 3));
    STR("(null)", word_of("abs/minmax/abs", "fused_into", 1)); /* wants the whole map */
}

/* Blanks that a line begins with; the test fails when there is no such line. */
static int indent_of(const char *text, const char *word)
{
    for (const char *line = text; *line; line += strcspn(line, "\n") + 1) {
        int n = (int)strspn(line, " ");
        if (strncmp(line + n, word, strlen(word)) == 0 && line[n + (int)strlen(word)] == ' ')
            return n;
        if (!strchr(line, '\n')) break;
    }
    T_FAIL("no line of %s in\n%s", word, text);
    return -1;
}

TEST(blocks_are_trees_in_text)
{
    char *text = explain(nested, 32, 24, 3, "text");
    EQ(0, indent_of(text, "blk"));
    EQ(2, indent_of(text, "blk.projection"));
    EQ(2, indent_of(text, "blk.add"));
    EQ(0, indent_of(text, "s1"));
    EQ(4, indent_of(text, "s1.s0.first"));
    EQ(2, indent_of(text, "s1.concat"));
    EQ(4, indent_of(text, "s1.1.s0.rest"));
    EQ(2, indent_of(text, "gaussian.gaussian"));
    EQ(0, indent_of(text, "s3"));
    EQ(0, indent_of(text, "total"));
    free(text);
}

TEST(a_chart_has_a_box_a_step_and_an_arrow_an_edge)
{
    char *text = explain(nested, 32, 24, 3, "mermaid");
    size_t boxes = 0, arrows = 0, open = 0, ends = 0;
    OK(strncmp(text, "flowchart TD\n", 13) == 0);
    for (const char *line = text; *line; line += strcspn(line, "\n") + 1) {
        boxes += strstr(line, "[\"<b>") == line + strspn(line, " n0123456789");
        boxes += strstr(line, "([\"<b>") == line + strspn(line, " n0123456789");
        arrows +=
            strncmp(strchr(line, 'n') ? line + strspn(line, " n0123456789") : line, "--> ", 4) == 0;
        open += strncmp(line + strspn(line, " "), "subgraph ", 9) == 0;
        ends += strncmp(line + strspn(line, " "), "end\n", 4) == 0;
    }
    EQ(16, boxes);
    EQ(21, arrows);
    EQ(5, open);
    EQ(5, ends);
    has(text, "n0[/\"<b>image</b><br>3 × 24 × 32\"/]");
    has(text, "<b>conv</b> blk.s1<br>weight=he_normal,padding=1<br>4 × 24 × 32");
    has(text, "([\"<b>abs</b> s3<br>16 × 24 × 32\"])");
    free(text);
}

TEST(text_in_a_chart_cannot_leave_its_box)
{
    struct api_work w = test_work(
        NULL, NULL, 0, "{\"steps\":[{\"op\":\"filter\",\"kernel\":\"@a\\\"]<script>#&`\"}]}");
    const char *tensors = "{\"a\\\"]<script>#&`\":[[1]]}";
    const struct api_size size = {9, 9, 1};
    w.tensor_values = test_json(tensors, strlen(tensors));
    if (api_explain(&w, &size, "mermaid")) {
        const char *text = test_body(&w);
        OK(!strstr(text, "<script>") && !strstr(text, "a\"]"));
    } else {
        OK(convd_faults_count(w.faults) > 0); /* or such a name is none */
    }
    api_work_release(&w);
}

/* ---- programs ---- */

TEST(every_operation_has_words_in_pytorch)
{
    for (size_t i = 0; i < convd_op_count(); i++) {
        const struct convd_op *op = convd_op_at(i);
        if (op->expand) continue;
        if (!op->torch && !op->torch_of) T_FAIL("%s has none", op->name);
        if (!op->example) continue;
        char *text = explain(op->example, 64, 48, 3, "pytorch");
        has(text, "import torch\n");
        has(text, "def run(image, tensors):\n");
        if (strchr(text, '$')) T_FAIL("%s leaves a helper's sign:\n%s", op->name, text);
        free(text);
    }
}

TEST(what_opencv_cannot_say_is_said_with_its_place)
{
    const struct api_size size = {64, 48, 3};
    struct api_work w = test_work(
        NULL, NULL, 0, "{\"steps\":[\"grayscale\",{\"op\":\"lrn\",\"size\":3},\"abs\",\"gelu\"]}");
    OK(!api_explain(&w, &size, "opencv"));
    EQ(2, convd_faults_count(w.faults));
    EQ(CONVD_NOT_EXPRESSIBLE, w.faults->first->code);
    EQ(422, api_faults_status(w.faults));
    STR("/steps/1", w.faults->first->pointer);
    OK(strstr(w.faults->first->detail, "lrn"));
    STR("/steps/3", w.faults->first->next->pointer);
    EQ(0, w.body.n);
    api_work_release(&w);
}

TEST(programs_hold_their_weights)
{
    char *text = explain("{\"steps\":[{\"op\":\"conv\",\"weight\":{\"init\":\"he_normal\",\"out_"
                         "channels\":64,\"kernel_size\":3,"
                         "\"seed\":7}},{\"op\":\"filter\",\"kernel\":[[0.1,0.25],[-1,3]]}]}",
                         32, 24, 3, "pytorch");
    has(text, "s0_weight = init(\"he_normal\", (64, 3, 3, 3), seed=7, gain=1)");
    has(text, "s1_kernel = array([0.1, 0.25, -1, 3], (2, 2))");
    has(text, "def numbers(kind, shape, seed, gain):");
    free(text);
    text = explain("grayscale/abs", 32, 24, 3, "pytorch");
    OK(!strstr(text, "def pad(") && !strstr(text, "load_tensors")); /* only what is used */
    free(text);
}

TEST(names_of_steps_become_names_of_python)
{
    char *text = explain("{\"steps\":[{\"id\":\"lambda\",\"op\":\"abs\"},{\"id\":\"a-b\",\"op\":"
                         "\"neg\"},{\"id\":\"a_b\",\"op\":"
                         "\"neg\"},{\"id\":\"torch\",\"op\":\"neg\"},{\"id\":\"pad\",\"op\":"
                         "\"pad\",\"padding\":1}]}",
                         8, 8, 3, "pytorch");
    has(text, "    lambda_1 = image.abs()");
    has(text, "    a_b = -lambda_1 ");
    has(text, "    a_b_3 = -a_b ");
    has(text, "    torch_4 = -a_b_3 ");
    has(text, "    pad_5 = pad(torch_4, ");
    has(text, "    return {\"pad\": pad_5}");
    free(text);
}

TEST(names_of_tensors_stay_inside_their_quotes)
{
    static const char pipeline[] =
        "{\"steps\":[{\"op\":\"add\",\"inputs\":[\"image\",\"@a\\\"]+$pad\"]}]}";
    static const char tensors[] = "{\"a\\\"]+$pad\":[[1]]}";
    struct api_work w = test_work(NULL, NULL, 0, pipeline);
    const struct api_size size = {9, 9, 3};
    w.tensor_values = test_json(tensors, sizeof tensors - 1);
    if (!api_explain(&w, &size, "pytorch")) T_FAIL("%s", test_faults(w.faults));
    has(test_body(&w), "s0 = image + maps(tensors[\"a\\x22\\x5d\\x2b\\x24pad\"])");
    api_work_release(&w);
}

/* What "image" and "@t" mean inside a block is written again as it was, whichever of them the block itself takes. */
TEST(inputs_inside_blocks_are_printed_as_they_were_written)
{
    static const char pipeline[] =
        "{\"steps\":[{\"op\":\"neg\"},{\"op\":\"abs\"},"
        "{\"op\":\"dense\",\"steps\":[{\"op\":\"abs\",\"input\":\"@t\"},{\"op\":\"sub\",\"inputs\":[\"image\",\"s0\"]}]},"
        "{\"op\":\"dense\",\"input\":\"@t\",\"steps\":[{\"op\":\"abs\",\"input\":\"image\"},"
        "{\"op\":\"sub\",\"inputs\":[\"@t\",\"image\"]}]}]}\n";
    static const char tensors[] = "{\"t\":[[1]]}";
    struct api_work w = test_work(NULL, NULL, 0, pipeline);
    w.tensor_values = test_json(tensors, sizeof tensors - 1);
    if (!api_explain(&w, NULL, "spec")) T_FAIL("%s", test_faults(w.faults));
    STR(pipeline, test_body(&w));
    api_work_release(&w);
}

TEST(an_unknown_form_is_answered_with_the_nearest)
{
    const struct api_size size = {64, 48, 3};
    struct api_work w = test_work(NULL, NULL, 0, "edges");
    OK(!api_explain(&w, &size, "pytroch"));
    STR("pytorch", w.faults->first->suggestion);
    api_work_release(&w);
}
T_MAIN("api/explain")
