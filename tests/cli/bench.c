/* convd bench: what it prints; never how long things take. */
#include "../t.h"

#include "lib_child.h"

static unsigned char scene(int x, int y, int c)
{
    return (unsigned char)((x * x + 7 * y * (5 - c)) % 256);
}

static const char *picture(void)
{
    size_t n;
    void *ppm = child_ppm(61, 47, scene, &n);
    const char *path = child_path("in.ppm");
    child_file(path, ppm, n);
    free(ppm);
    return path;
}

struct row {
    char step[64];
    size_t threads;
    double min, median, gflops, gbytes;
};

/* Reads the lines; each has six fields with tabs between. */
static size_t rows_of(char *text, struct row *rows, size_t most)
{
    size_t n = 0;
    for (char *line = text; *line; n++) {
        char *end = strchr(line, '\n');
        OK(end);
        *end = 0;
        struct row r;
        int used = 0;
        if (n == most ||
            sscanf(line, "%63[^\t]\t%zu\t%lf\t%lf\t%lf\t%lf%n", r.step, &r.threads, &r.min,
                   &r.median, &r.gflops, &r.gbytes, &used) != 6 ||
            line[used])
            T_FAIL("not a line of bench: %s", line);
        size_t tabs = 0;
        for (const char *p = line; *p; p++) tabs += *p == '\t';
        EQ(5, tabs);
        rows[n] = r;
        line = end + 1;
    }
    return n;
}

TEST(a_line_a_step_and_the_total_last)
{
    static const char *const steps[] = {"s0", "s1", "s2"};
    for (size_t threads = 1; threads <= 2; threads++) {
        struct child c = CONVD("bench", "grayscale/gaussian:5,1/max_pool:2", "--input", picture(),
                               "--threads", threads == 1 ? "1" : "2", "--rounds", "3");
        STR("", c.err);
        EQ(0, c.code);
        struct row rows[8];
        const size_t n = rows_of(c.out, rows, 8);
        OK(n >= 4);
        const struct row *total = &rows[n - 1], *first = &rows[n - 4];
        STR("total", total->step);
        for (size_t i = 0; i < 3; i++) STR(steps[i], first[i].step);
        double sum = 0;
        for (size_t i = 0; i < n; i++) {
            EQ(threads, rows[i].threads);
            OK(rows[i].min >= 0 && rows[i].min <= rows[i].median);
            if (i + 1 < n) sum += rows[i].min;
        }
        OK(total->min > 0 && total->gflops > 0 && total->gbytes > 0);
        OK(first[1].gflops > 0);
        /* each line's shortest is part of some round, so together they are at most the total's shortest */
        if (sum > total->min + 0.0005) T_FAIL("%f of steps in %f", sum, total->min);
        child_release(&c);
    }
}

TEST(rates_are_work_over_time)
{
    struct child c = CONVD("bench", "filter:sobel_x", "--input", picture(), "--rounds", "1"),
                 e = CONVD("explain", "filter:sobel_x", "--size", "61x47x3", "--format", "json");
    struct row rows[4];
    const size_t n = rows_of(c.out, rows, 4);
    const char *macs = strstr(e.out, "\"macs\":"), *bytes = strstr(e.out, "\"bytes\":");
    OK(macs && bytes && n >= 2);
    const struct row *total = &rows[n - 1];
    EQ(0, total->min != total->median); /* one round */
    /* times have four places, rates two */
    const double flop = 2e-6 * strtod(macs + 7, NULL), moved = 1e-6 * strtod(bytes + 8, NULL);
    OK((total->gflops - 0.0051) * (total->min - 0.000051) <= flop);
    OK((total->gflops + 0.0051) * (total->min + 0.000051) >= flop);
    OK((total->gbytes - 0.0051) * (total->min - 0.000051) <= moved);
    OK((total->gbytes + 0.0051) * (total->min + 0.000051) >= moved);
    child_release(&c);
    child_release(&e);
}

/* Of `edges` all but the gray picture run in one loop. */
TEST(steps_that_run_in_one_loop_share_its_time_and_rates)
{
    struct child c =
        CONVD("bench", "edges", "--input", picture(), "--threads", "1", "--rounds", "1");
    struct row rows[8];
    const size_t n = rows_of(c.out, rows, 8);
    OK(n >= 7);
    const struct row *sum = &rows[n - 2];
    STR("edges.edges", sum->step);
    for (const struct row *r = sum - 4; r < sum; r++) {
        NEAR(sum->gflops, r->gflops, 0.01);
        NEAR(sum->gbytes, r->gbytes, 0.01);
        OK(r->min > 0);
    }
    child_release(&c);
}

TEST(json_says_the_same)
{
    struct child c =
        CONVD("bench", "edges", "--input", picture(), "--threads", "1", "--rounds", "2", "--json");
    STR("", c.err);
    EQ(0, c.code);
    EQ(0, strncmp(c.out, "{\"rounds\":2,\"steps\":[{\"step\":\"", 30));
    OK(strstr(c.out, "\"op\":\"grayscale\",\"threads\":1,\"min_ms\":"));
    OK(strstr(c.out, "],\"total\":{\"step\":\"total\",\"threads\":1,\"min_ms\":"));
    OK(strstr(c.out, "\"gbytes_s\":"));
    STR("}}\n", c.out + c.out_n - 3);
    child_release(&c);
}

TEST(a_picture_need_not_be_given)
{
    struct child c = CONVD("bench", "invert", "--rounds", "1");
    STR("", c.err);
    EQ(0, c.code);
    OK(strstr(c.out, "\ntotal\t"));
    child_release(&c);
}

TEST(tensors_take_part)
{
    static const char npy[] = "\x93NUMPY\x01\x00\x46\x00{'descr': '<f4', 'fortran_order': False, "
                              "'shape': (1, 1), }        "
                              "       \n\0\0\x80\x3f";
    char word[600];
    const char *file = child_path("one.npy");
    child_file(file, npy, sizeof npy - 1);
    snprintf(word, sizeof word, "k=%s", file);
    struct child c =
        CONVD("bench", "filter:@k", "--tensor", word, "--input", picture(), "--rounds", "1");
    STR("", c.err);
    EQ(0, c.code);
    child_release(&c);
}

TEST(faults_are_said_with_their_place)
{
    struct child c = CONVD("bench", "max_pool:0", "--input", picture());
    EQ(1, c.code);
    STR("", c.out);
    EQ(0, strncmp(c.err, "convd: /steps/0/kernel_size: ", 29));
    child_release(&c);
    c = CONVD("bench", "edges", "--input", "/nowhere/at/all.png");
    EQ(1, c.code);
    STR("", c.out);
    child_release(&c);
    c = CONVD("bench", "edges", "--rounds", "0");
    EQ(2, c.code);
    STR("convd: --rounds: \"0\" is not a whole number from 1 to 100000\n", c.err);
    child_release(&c);
}

T_MAIN("cli/bench")
