/* convd learn: a directory or an archive of examples in, weights or a saved pipeline out, and what is said on the way. */
#include "../t.h"

#include <sys/stat.h>
#include <unistd.h>

#include "lib_child.h"
#include "server/archive.h"

enum { SIDE = 12 };

static int turned, number; /* of the picture being made */

static unsigned char stripes(int x, int y, int c)
{
    const int v = turned ? y : x, noise = (x * 7 + y * 13 + number * 29 + c * 3) % 40;
    return (unsigned char)((v + number) / 2 % 2 * 150 + 30 + noise);
}

static unsigned char brighter(int x, int y, int c)
{
    return (unsigned char)(stripes(x, y, c) / 2 + 20);
}

static void picture(const char *folder, int n, int w, int h,
                    unsigned char (*f)(int x, int y, int c))
{
    char name[100];
    size_t size;
    number = n;
    void *ppm = child_ppm(w, h, f, &size);
    snprintf(name, sizeof name, "%s/%d.ppm", folder, n);
    child_file(child_path(name), ppm, size);
    free(ppm);
}

static const char *folder(const char *name)
{
    const char *path = child_path(name);
    mkdir(path, 0777);
    return path;
}

/* set/x and set/y, n pictures each. */
static void classes(const char *set, int n)
{
    char name[64];
    folder(set);
    for (turned = 0; turned < 2; turned++) {
        snprintf(name, sizeof name, "%s/%s", set, turned ? "y" : "x");
        folder(name);
        for (int i = 0; i < n; i++) picture(name, i, SIDE, SIDE, stripes);
    }
    turned = 0;
}

static const char net[] = "[{\"op\":\"scale\",\"mul\":0.00392157,\"add\":-0.5},"
                          "{\"op\":\"conv\",\"weight\":{\"init\":\"he_normal\",\"out_channels\":8,"
                          "\"kernel_size\":3}},\"relu\","
                          "\"global_avg_pool\",{\"op\":\"linear\",\"weight\":{\"init\":\"he_"
                          "normal\",\"out_features\":2}}]";
static const char filter[] =
    "[{\"op\":\"conv\",\"weight\":{\"init\":\"he_normal\",\"out_channels\":3,\"kernel_size\":1},"
    "\"bias\":{\"init\":\"zeros\"}}]";

static void same_files(const char *a, const char *b, bool same)
{
    size_t n[2];
    void *x = t_file(a, &n[0]), *y = t_file(b, &n[1]);
    EQ(same, n[0] == n[1] && memcmp(x, y, n[0]) == 0);
    free(x);
    free(y);
}

TEST(classes_are_learned_and_the_weights_answer)
{
    classes("set", 12);
    const char *set = child_path("set"), *w = child_path("w.safetensors"),
               *json = child_path("result.json");
    char tensor[600];
    snprintf(tensor, sizeof tensor, "w=%s", w);
    struct child c =
        CONVD("learn", net, set, "-o", w, "--result", json, "--epochs", "40", "--lr", "0.03");
    if (c.code) T_FAIL("%s", c.err);
    OK(strstr(c.out, "epoch 1/40\tloss "));
    OK(strstr(c.out, "epoch 40/40\tloss "));
    OK(strstr(c.out, "\taccuracy 1.0000\t"));
    OK(strstr(c.err, "--tensor w="));
    child_release(&c);
    size_t n;
    char *result = t_file(json, &n);
    OK(strstr(result, "\"classes\":[\"x\",\"y\"]"));
    OK(strstr(result, "\"confusion\":[[12,0],[0,12]]"));
    OK(strstr(result, "\"before\":\"data:image/png;base64,"));
    OK(strstr(result, "\"val_loss\":null"));
    free(result);
    for (int y = 0; y < 2; y++) {
        c = CONVD("run", net, "--tensor", tensor, child_path(y ? "set/y/3.ppm" : "set/x/3.ppm"),
                  "--format", "json");
        EQ(0, c.code);
        const char *values = strstr(c.out, "\"values\":[");
        OK(values);
        double a, b;
        EQ(2, sscanf(values, "\"values\":[%lf,%lf", &a, &b));
        OK(y ? b > a : a > b);
        child_release(&c);
    }
}

TEST(the_same_seed_gives_the_same_bytes_and_another_does_not)
{
    classes("set", 6);
    const char *set = child_path("set"), *a = child_path("a.st"), *b = child_path("b.st"),
               *d = child_path("d.st");
    struct child c = CONVD("learn", net, set, "-o", a, "--epochs=5", "--threads=2");
    EQ(0, c.code);
    child_release(&c);
    c = CONVD("learn", net, set, "-o", b, "--epochs=5", "--threads=2");
    EQ(0, c.code);
    child_release(&c);
    c = CONVD("learn", net, set, "-o", d, "--epochs=5", "--threads=2", "--seed=2");
    EQ(0, c.code);
    child_release(&c);
    same_files(a, b, true);
    same_files(a, d, false);
}

TEST(a_checkpoint_goes_on_where_it_was_left)
{
    classes("set", 6);
    const char *set = child_path("set"), *a = child_path("a.st"), *b = child_path("b.st"),
               *k = child_path("k");
    struct child c = CONVD("learn", net, set, "-o", a, "--epochs=7", "--threads=1");
    EQ(0, c.code);
    child_release(&c);
    c = CONVD("learn", net, set, "-o", b, "--epochs=3", "--threads=1", "--checkpoint", k);
    EQ(0, c.code);
    child_release(&c);
    c = CONVD("learn", net, set, "-o", b, "--epochs=7", "--threads=1", "--checkpoint", k);
    EQ(0, c.code);
    OK(strstr(c.err, "going on after epoch 3"));
    child_release(&c);
    same_files(a, b, true);
    c = CONVD("learn", net, set, "-o", b, "--epochs=7", "--seed=5", "--threads=1", "--checkpoint",
              k);
    EQ(1, c.code);
    OK(strstr(c.err, "other settings"));
    child_release(&c);
}

TEST(pairs_are_learned)
{
    folder("pairs");
    folder("pairs/input");
    folder("pairs/target");
    for (int i = 0; i < 8; i++) {
        picture("pairs/input", i, SIDE, SIDE, stripes);
        picture("pairs/target", i, SIDE, SIDE, brighter);
    }
    struct child c =
        CONVD("learn", filter, child_path("pairs"), "-o", child_path("p.st"), "--epochs", "5");
    if (c.code) T_FAIL("%s", c.err);
    OK(strstr(c.out, "epoch 5/5\tloss "));
    OK(!strstr(c.out, "accuracy"));
    child_release(&c);
    picture("pairs/target", 3, SIDE, SIDE - 2, brighter);
    c = CONVD("learn", filter, child_path("pairs"), "--epochs", "5");
    EQ(1, c.code);
    OK(strstr(c.err, "the target of input/3.ppm is 12x10"));
    child_release(&c);
    unlink(child_path("pairs/target/3.ppm"));
    c = CONVD("learn", filter, child_path("pairs"), "--epochs", "5");
    EQ(1, c.code);
    OK(strstr(c.err, "input/3.ppm has no partner in target/"));
    child_release(&c);
}

static void refuse(const char *spec, const char *set, const char *words)
{
    struct child c = CONVD("learn", spec, child_path(set), "--epochs", "2");
    EQ(1, c.code);
    EQ(0, c.out_n);
    if (!strstr(c.err, words)) T_FAIL("no \"%s\" in: %s", words, c.err);
    child_release(&c);
}

TEST(bad_examples_are_refused_with_words)
{
    folder("none");
    refuse(net, "none", "there are no pictures");
    folder("loose");
    picture("loose", 1, SIDE, SIDE, stripes);
    refuse(net, "loose", "no picture stands in a folder");
    folder("one");
    folder("one/x");
    picture("one/x", 1, SIDE, SIDE, stripes);
    refuse(net, "one", "all pictures are of one class, x");
    classes("bad", 3);
    child_file(child_path("bad/y/1.ppm"), "", 0);
    refuse(net, "bad", "y/1.ppm: ");
    picture("bad/y", 1, SIDE + 2, SIDE, stripes);
    refuse(net, "bad", "y/1.ppm is 14x12 with 3 channels, the first example 12x12");
    classes("bad", 3);
    refuse("grayscale", "bad", "nothing to learn");
    refuse("[{\"op\":\"conv\",\"weight\":{\"init\":\"he_normal\",\"out_channels\":5,\"kernel_"
           "size\":3}},\"global_avg_pool\"]",
           "bad", "the pipeline puts out 5x1x1 numbers, and there are 2 classes");
}

static bool append(void *arg, const void *data, size_t n)
{
    return fwrite(data, 1, n, arg) == n;
}

/* set.tar.gz of the files in set/. */
static void pack(int n)
{
    FILE *f = fopen(child_path("set.tar.gz"), "wb");
    OK(f);
    struct archive_out *out = archive_create(ARCHIVE_TAR_GZ, append, f);
    for (int i = 2 * n; i-- > 0;) { /* in another order than that of the names */
        char name[32];
        size_t size;
        snprintf(name, sizeof name, "set/%c/%d.ppm", "xy"[i % 2], i / 2);
        void *data = t_file(child_path(name), &size);
        OK(archive_add(out, name, data, size));
        free(data);
    }
    OK(archive_end(out, true));
    EQ(0, fclose(f));
}

TEST(an_archive_teaches_the_same_and_what_is_saved_answers)
{
    classes("set", 12);
    pack(12);
    const char *set = child_path("set"), *file = child_path("set.tar.gz"),
               *data = child_path("data"), *a = child_path("a.safetensors"),
               *b = child_path("b.safetensors");
    struct child c = CONVD("learn", net, set, "-o", a, "--epochs", "40", "--lr", "0.03");
    EQ(0, c.code);
    child_release(&c);
    c = CONVD("learn", net, file, "-o", b, "--epochs", "40", "--lr", "0.03", "--save", "stripes",
              "--data", data);
    if (c.code) T_FAIL("%s", c.err);
    OK(strstr(c.err, "saved: convd run stripes PICTURE"));
    child_release(&c);
    same_files(a, b, true);
    for (int y = 0; y < 2; y++) {
        c = CONVD("run", "stripes", child_path(y ? "set/y/3.ppm" : "set/x/3.ppm"), "--data", data);
        EQ(0, c.code);
        OK(strstr(c.out, "\"labels\":[\"x\",\"y\"]"));
        OK(strstr(c.out, y ? "\"answer\":\"y\"" : "\"answer\":\"x\""));
        child_release(&c);
    }
    c = CONVD("learn", "stripes", file, "--save", "edges", "--data", data);
    EQ(1, c.code);
    OK(strstr(c.err, "convd: --save: a built-in pipeline is called edges already"));
    child_release(&c);
    child_file(file, "nothing", 7);
    refuse(net, "set.tar.gz", "set.tar.gz: this is no archive that is read here");
}

TEST(settings_that_make_no_sense_are_all_named)
{
    classes("set", 2);
    struct child c = CONVD("learn", net, child_path("set"), "--lr", "-1", "--batch-size", "0",
                           "--optimizer", "adma", "--augment", "flip=z");
    EQ(2, c.code);
    OK(strstr(c.err, "--lr: lr is -1"));
    OK(strstr(c.err, "--batch-size: batch_size is 0"));
    OK(strstr(c.err, "--optimizer: "));
    OK(strstr(c.err, "--augment flip: "));
    child_release(&c);
}

T_MAIN("cli/learn")
