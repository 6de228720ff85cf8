/* convd run: pictures in, pictures out. */
#include "../t.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib_child.h"

enum { W = 23, H = 17 };

static unsigned char scene(int x, int y, int c)
{
    return (unsigned char)((x * x * (c + 3) + 7 * y * (5 - c) + ((x / 4 + y / 3) % 2) * 90) % 256);
}

static int at(int i, int n) /* reflect, as OpenCV's REFLECT_101 */
{
    return i < 0 ? -i : i >= n ? 2 * n - 2 - i : i;
}

static double gray(int x, int y)
{
    x = at(x, W), y = at(y, H);
    return 0.299 * scene(x, y, 0) + 0.587 * scene(x, y, 1) + 0.114 * scene(x, y, 2);
}

/* |Sobel x| + |Sobel y| of the gray picture, saturated. */
static double edge(int x, int y)
{
    double dx = gray(x + 1, y - 1) + 2 * gray(x + 1, y) + gray(x + 1, y + 1) - gray(x - 1, y - 1) -
                2 * gray(x - 1, y) - gray(x - 1, y + 1);
    double dy = gray(x - 1, y + 1) + 2 * gray(x, y + 1) + gray(x + 1, y + 1) - gray(x - 1, y - 1) -
                2 * gray(x, y - 1) - gray(x + 1, y - 1);
    return fmin(255, fabs(dx) + fabs(dy));
}

static void check_edges(const void *data, size_t n)
{
    int w, h, c;
    const unsigned char *p;
    if (!child_pnm(data, n, &w, &h, &c, &p)) T_FAIL("not a PNM of %zu bytes", n);
    EQ(W, w);
    EQ(H, h);
    for (int y = 0; y < H; y++)
        for (int x = 0; x < W; x++)
            for (int k = 0; k < c; k++) NEAR(edge(x, y), p[(y * W + x) * c + k], 1);
}

static const char *picture(const char *name)
{
    size_t n;
    void *ppm = child_ppm(W, H, scene, &n);
    const char *path = child_path(name);
    child_file(path, ppm, n);
    free(ppm);
    return path;
}

static void *contents(const char *path, size_t *n)
{
    return t_file(path, n);
}

static bool exists(const char *path)
{
    return access(path, F_OK) == 0;
}

TEST(edges_of_a_file_are_the_sobel_sum)
{
    const char *in = picture("in.ppm"), *out = child_path("out.ppm");
    struct child c = CONVD("run", "edges", in, "-o", out);
    STR("", c.err);
    EQ(0, c.code);
    EQ(0, c.out_n);
    child_release(&c);
    size_t n;
    void *data = contents(out, &n);
    check_edges(data, n);
    free(data);
}

TEST(pipes_work_and_threads_do_not_change_a_byte)
{
    size_t n;
    void *ppm = child_ppm(W, H, scene, &n);
    struct child one = child_run(
        (const char *const[]){"convd", "run", "edges", "--format", "ppm", "--threads", "1", NULL},
        ppm, n, NULL);
    struct child dash = child_run((const char *const[]){"convd", "run", "edges", "-", "-o", "-",
                                                        "--format=ppm", "--threads=3", NULL},
                                  ppm, n, NULL);
    EQ(0, one.code);
    EQ(0, dash.code);
    check_edges(one.out, one.out_n);
    EQ(one.out_n, dash.out_n);
    EQ(0, memcmp(one.out, dash.out, one.out_n));
    child_release(&one);
    child_release(&dash);
    free(ppm);
}

TEST(a_spec_file_and_its_chain_give_the_same_bytes)
{
    const char *in = picture("in.ppm"), *spec = child_path("spec.json");
    static const char text[] =
        "{\"steps\":[\"grayscale\",{\"op\":\"filter\",\"kernel\":\"sobel_x\"},\"abs\"]}";
    child_file(spec, text, sizeof text - 1);
    char word[600];
    snprintf(word, sizeof word, "@%s", spec);
    struct child a = CONVD("run", word, in), b = CONVD("run", "grayscale/sobel_x/abs", in),
                 c = CONVD("run", text, in);
    EQ(0, a.code);
    OK(a.out_n > 50);
    EQ(a.out_n, b.out_n);
    EQ(0, memcmp(a.out, b.out, a.out_n));
    EQ(a.out_n, c.out_n);
    EQ(0, memcmp(a.out, c.out, a.out_n));
    EQ(0, memcmp(a.out, "\x89PNG", 4));
    child_release(&a);
    child_release(&b);
    child_release(&c);
}

TEST(the_ending_of_the_result_chooses_its_format)
{
    static const struct {
        const char *name, *begin;
        size_t n;
    } cases[] = {{"r.png", "\x89PNG", 4}, {"r.JPG", "\xff\xd8\xff", 3}, {"r.webp", "RIFF", 4},
                 {"r.bmp", "BM", 2},      {"r.npy", "\x93NUMPY", 6},    {"r.json", "{", 1}};
    const char *in = picture("in.ppm");
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const char *out = child_path(cases[i].name);
        struct child c = CONVD("run", "edges", in, "-o", out);
        STR("", c.err);
        size_t n;
        void *data = contents(out, &n);
        OK(n > cases[i].n);
        if (memcmp(data, cases[i].begin, cases[i].n) != 0)
            T_FAIL("%s is something else", cases[i].name);
        free(data);
        child_release(&c);
    }
}

TEST(many_pictures_go_to_a_directory_and_a_bad_one_fails_alone)
{
    mkdir(child_path("more"), 0777);
    const char *a = picture("a.ppm"), *b = child_path("b.ppm"), *other = picture("more/a.ppm"),
               *dir = child_path("out");
    child_file(b, "P6\n5 5\n255\nxx", 13);
    struct child c = CONVD("run", "edges", a, b, other, "-o", dir, "--format", "ppm");
    EQ(1, c.code);
    EQ(0, c.out_n);
    char line[1024];
    snprintf(line, sizeof line, "convd: %s: ", b);
    OK(strstr(c.err, line));
    OK(strstr(c.err, "convd: 1 of 3 pictures failed\n"));
    child_release(&c);
    size_t n;
    void *data = contents(child_path("out/a.ppm"), &n);
    check_edges(data, n);
    free(data);
    data = contents(child_path("out/a-2.ppm"), &n); /* the other a.ppm */
    check_edges(data, n);
    free(data);
    OK(!exists(child_path("out/b.ppm")));
}

TEST(a_directory_stands_for_the_files_below_it)
{
    mkdir(child_path("tree"), 0777);
    mkdir(child_path("tree/deep"), 0777);
    picture("tree/a.ppm");
    picture("tree/a.pnm");
    picture("tree/deep/b.ppm");
    struct child c =
        CONVD("run", "edges", child_path("tree"), "-o", child_path("leaves"), "--format", "ppm");
    if (c.code) T_FAIL("%s", c.err);
    child_release(&c);
    static const char *const names[] = {"leaves/a.ppm", "leaves/a-2.ppm", "leaves/deep/b.ppm"};
    for (size_t i = 0; i < 3; i++) {
        size_t n;
        void *data = contents(child_path(names[i]), &n);
        check_edges(data, n);
        free(data);
    }
    c = CONVD("run", "edges", child_path("tree/deep"));
    EQ(2, c.code);
    STR("convd: run: 1 picture goes to a directory: add -o DIR\n", c.err);
    child_release(&c);
    mkdir(child_path("empty"), 0777);
    c = CONVD("run", "edges", child_path("empty"), "-o", child_path("leaves"));
    EQ(1, c.code);
    OK(strstr(c.err, "there are no files in"));
    child_release(&c);
}

TEST(one_picture_goes_into_a_directory_that_is_there)
{
    const char *in = picture("in.ppm"), *dir = child_path("there");
    mkdir(dir, 0777);
    struct child c = CONVD("run", "edges", in, "-o", dir);
    EQ(0, c.code);
    OK(exists(child_path("there/in.png")));
    child_release(&c);
}

TEST(many_pictures_without_a_directory_are_a_usage_error)
{
    const char *in = picture("in.ppm");
    struct child c = CONVD("run", "edges", in, in);
    EQ(2, c.code);
    STR("convd: run: 2 pictures go to a directory: add -o DIR\n", c.err);
    child_release(&c);
}

TEST(faults_say_where_and_what_would_work)
{
    const char *in = picture("in.ppm");
    struct child c = CONVD(
        "run", "{\"steps\":[{\"op\":\"max_pool\",\"kernel_size\":0},{\"op\":\"grayscal\"}]}", in);
    EQ(1, c.code);
    STR("", c.out);
    OK(strstr(c.err, "convd: /steps/0/kernel_size: "));
    OK(strstr(c.err, "convd: /steps/1/op: "));
    OK(strstr(c.err, "did you mean grayscale?\n"));
    child_release(&c);
    c = CONVD("run", "edgse", in);
    EQ(1, c.code);
    OK(strstr(c.err, "did you mean edges?\n"));
    child_release(&c);
}

TEST(files_that_cannot_be_read_or_written_fail_with_a_reason)
{
    const char *in = picture("in.ppm");
    struct child c = CONVD("run", "edges", child_path("nowhere.png"));
    EQ(1, c.code);
    OK(strstr(c.err, "convd: cannot open ") && strstr(c.err, "No such file"));
    child_release(&c);
    c = CONVD("run", "edges", in, "-o", child_path("no/such/place.png"));
    EQ(1, c.code);
    OK(strstr(c.err, "convd: cannot write ") && strstr(c.err, "No such file"));
    child_release(&c);
    c = CONVD("run", "edges", in, "-o", "/dev/full");
    EQ(1, c.code);
    OK(strstr(c.err, "convd: cannot write /dev/full"));
    child_release(&c);
    c = CONVD("run", "@/nowhere.json", in);
    EQ(1, c.code);
    OK(strstr(c.err, "convd: cannot open /nowhere.json"));
    child_release(&c);
}

TEST(limits_are_flags_and_environment)
{
    const char *in = picture("in.ppm");
    struct child c = CONVD("run", "edges", in, "--max-pixels", "100");
    EQ(1, c.code);
    OK(strstr(c.err, "pixels"));
    child_release(&c);
    c = child_run((const char *const[]){"convd", "run", "edges", in, NULL}, NULL, 0,
                  (const char *const[]){"CONVD_MAX_PIXELS=100", NULL});
    EQ(1, c.code);
    child_release(&c);
    c = CONVD("run", "grayscale/abs/abs", in, "--max-steps", "2");
    EQ(1, c.code);
    child_release(&c);
}

TEST(tensors_come_from_files)
{
    /* [[0,0,0],[0,2,0],[0,0,0]] as npy: twice the picture, saturated. */
    unsigned char npy[128 + 36] =
        "\x93NUMPY\x01\x00\x76\x00{'descr': '<f4', 'fortran_order': False, 'shape': (3, 3), }";
    size_t head = 10 + strlen((char *)npy + 10);
    memset(npy + head, ' ', 127 - head);
    npy[127] = '\n';
    float two = 2;
    memcpy(npy + 128 + 16, &two, sizeof two);
    const char *in = picture("in.ppm"), *file = child_path("k.npy");
    child_file(file, npy, sizeof npy);
    char word[600];
    snprintf(word, sizeof word, "k=%s", file);
    struct child c = CONVD("run", "{\"steps\":[{\"op\":\"filter\",\"kernel\":\"@k\"}]}", in,
                           "--tensor", word, "--format", "ppm");
    STR("", c.err);
    EQ(0, c.code);
    int w, h, ch;
    const unsigned char *p;
    OK(child_pnm(c.out, c.out_n, &w, &h, &ch, &p));
    EQ(3, ch);
    for (int i = 0; i < W * H * 3; i++)
        NEAR(fmin(255, 2 * scene(i / 3 % W, i / 3 / W, i % 3)), p[i], 0);
    child_release(&c);
}

TEST(stats_are_told_on_standard_error)
{
    const char *in = picture("in.ppm");
    struct child c = CONVD("run", "grayscale/scale:0,7", in, "--stats", "--format", "ppm");
    EQ(0, c.code);
    OK(c.out_n > (size_t)W * H);
    OK(strstr(c.err, "23x17, decode "));
    OK(strstr(c.err, ": min 7, max 7, mean 7, std 0, zeros 0, nonfinite 0\n"));
    child_release(&c);
}

TEST(a_terminal_gets_words_and_a_bar_but_no_picture)
{
    const char *in = picture("in.ppm"), *dir = child_path("bar");
    char text[8192];
    if (!child_has_terminal()) skip(); /* a chroot without /dev/pts, say */
    EQ(1, child_on_terminal((const char *const[]){"convd", "run", "edges", in, NULL}, text, sizeof text));
    OK(strstr(text, "a terminal cannot show: add -o FILE.png"));
    OK(!strstr(text, "PNG\r"));
    EQ(0, child_on_terminal((const char *const[]){"convd", "run", "edges", in, "--format", "json", NULL},
                      text, sizeof text));
    OK(strstr(text, "\"outputs\""));
    EQ(0, child_on_terminal((const char *const[]){"convd", "run", "edges", in, in, "-o", dir, NULL}, text,
                      sizeof text));
    OK(strstr(text, "[########################################] 2/2"));
}

T_MAIN("cli/run")
