/* convd explain: one pipeline in its several forms, and what it costs. */
#include "../t.h"

#include "lib_child.h"

TEST(text_tells_each_step)
{
    struct child c = CONVD("explain", "grayscale/sobel_x/abs/max_pool:2", "--size", "640x480x3");
    STR("", c.err);
    EQ(0, c.code);
    static const char *const words[] = {"grayscale", "filter", "sobel_x", "abs", "max_pool",
                                        "640",       "480",    "320",     "240"};
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if (!strstr(c.out, words[i])) T_FAIL("no %s in\n%s", words[i], c.out);
    EQ('\n', c.out[c.out_n - 1]);
    child_release(&c);
}

TEST(json_has_shapes_and_totals)
{
    struct child c = CONVD("explain", "grayscale/sobel_x/abs/max_pool:2", "--size", "640x480x3",
                           "--format", "json");
    EQ(0, c.code);
    OK(strstr(c.out, "\"output_shape\":[1,1,240,320]"));
    OK(strstr(c.out, "\"total\""));
    OK(strstr(c.out, "\"receptive_field\":[4,4]"));
    child_release(&c);
}

TEST(chain_and_spec_turn_into_each_other)
{
    static const char *const chains[] = {"grayscale/sobel_x/abs/max_pool:2", "edges-x",
                                         "gaussian:5,1.2/scale:2,1", "median:3/invert"};
    for (size_t i = 0; i < sizeof chains / sizeof *chains; i++) {
        struct child spec = CONVD("explain", chains[i], "--format", "spec");
        STR("", spec.err);
        EQ(0, spec.code);
        const char *file = child_path("spec.json");
        child_file(file, spec.out, spec.out_n);
        char word[600];
        snprintf(word, sizeof word, "@%s", file);
        struct child chain = CONVD("explain", word, "--format", "chain");
        EQ(0, chain.code);
        chain.out[strcspn(chain.out, "\n")] = 0;
        struct child again = CONVD("explain", chain.out, "--format", "spec");
        STR(spec.out, again.out);
        child_release(&spec);
        child_release(&chain);
        child_release(&again);
    }
}

TEST(charts_and_programs_are_printed)
{
    static const struct {
        const char *format, *part;
    } forms[] = {{"mermaid", "flowchart TD\n"},
                 {"pytorch", "import torch.nn.functional as F\n"},
                 {"opencv", "import cv2\n"}};
    for (size_t i = 0; i < sizeof forms / sizeof *forms; i++) {
        struct child c = CONVD("explain", "edges", "--format", forms[i].format);
        STR("", c.err);
        EQ(0, c.code);
        if (!strstr(c.out, forms[i].part)) T_FAIL("no %s in\n%s", forms[i].part, c.out);
        EQ('\n', c.out[c.out_n - 1]);
        child_release(&c);
    }
    struct child c = CONVD("explain", "lrn:3", "--format", "opencv");
    EQ(1, c.code);
    OK(strstr(c.err, "/steps/0"));
    STR("", c.out);
    child_release(&c);
}

TEST(a_graph_that_no_chain_can_say_is_said_to_be_one)
{
    static const char spec[] =
        "[{\"id\":\"g\",\"op\":\"grayscale\"},{\"id\":\"x\",\"op\":\"filter\",\"kernel\":\"sobel_"
        "x\"},"
        "{\"id\":\"y\",\"op\":\"filter\",\"kernel\":\"sobel_y\",\"input\":\"g\"},"
        "{\"op\":\"add\",\"inputs\":[\"x\",\"y\"]}]";
    struct child c = CONVD("explain", spec, "--format", "chain");
    EQ(1, c.code);
    EQ(0, strncmp(c.err, "convd: /", 8));
    child_release(&c);
}

TEST(a_picture_gives_the_size)
{
    static const char ppm[] = "P5\n7 5\n255\n.................................................";
    const char *file = child_path("in.pgm");
    child_file(file, ppm, 11 + 35);
    struct child c = CONVD("explain", "edges", file, "--format", "json");
    STR("", c.err);
    EQ(0, c.code);
    OK(strstr(c.out, "[1,1,5,7]"));
    child_release(&c);
}

TEST(without_a_size_it_asks_for_one)
{
    struct child c = CONVD("explain", "edges");
    EQ(2, c.code);
    STR("convd: explain: of what size is the picture? Add --size 640x480x3, or name a file\n",
        c.err);
    child_release(&c);
}

TEST(faults_come_all_at_once)
{
    struct child c = CONVD("explain", "max_pool:0/abbs/median:4", "--size", "64x64x3");
    EQ(1, c.code);
    size_t lines = 0;
    for (const char *p = c.err; *p; p++) lines += *p == '\n';
    OK(lines >= 3);
    child_release(&c);
}

T_MAIN("cli/explain")
