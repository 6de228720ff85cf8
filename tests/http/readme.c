/* readme.c: what the README tells people to type is typed, line by line, and does what the README says. */
#include "../t.h"
#include "lib_server.h"
#include <sys/stat.h>
#include <unistd.h>

static struct server s;
static char folder[64];

/* Where the project's own files are, seen from the tests' data. */
static const char *top(const char *name)
{
    static char path[2][1024];
    static int turn;
    const char *data = getenv("TESTDATA");
    char *p = path[turn++ % 2];
    char *root = realpath(data ? data : "tests/data", NULL);
    snprintf(p, sizeof path[0], "%s/../../%s", root ? root : ".", name);
    free(root);
    return p;
}

/* Runs a block as a shell would, in a folder like a checkout, with the daemon's own port; returns what it printed. */
static char *type(const char *block, size_t n)
{
    char script[128], command[2048];
    static char out[65536];
    snprintf(script, sizeof script, "%s/block.sh", folder);
    FILE *f = fopen(script, "w");
    OK(f != NULL);
    fprintf(f, "set -e\ncd %s\ncurl() { command curl -sS \"$@\"; }\n", folder);
    for (const char *c = block; c < block + n; c++) {
        if (strncmp(c, "localhost:8080", 14) == 0) {
            fprintf(f, "127.0.0.1:%d", s.port);
            c += 13;
        } else {
            fputc(*c, f);
        }
    }
    fclose(f);
    snprintf(command, sizeof command, "bash %s 2>&1", script);
    FILE *p = popen(command, "r");
    OK(p != NULL);
    size_t got = fread(out, 1, sizeof out - 1, p);
    out[got] = 0;
    int code = pclose(p);
    if (code != 0) T_FAIL("%.*s\nended with %d: %s", (int)n, block, code, out);
    return out;
}

/* Every file a block writes with -o is what its name says. */
static void look_at_files(const char *block, size_t n)
{
    static const struct {
        const char *ending, *magic;
    } kinds[] = {{".png", "\x89PNG"}, {".jpg", "\xff\xd8\xff"}, {".npy", "\x93NUMPY"}};
    for (const char *c = block; (c = strstr(c, "-o ")) && c < block + n; c += 3) {
        char name[256], path[512];
        if (sscanf(c, "-o %255s", name) != 1 || name[strlen(name) - 1] == '/') continue;
        snprintf(path, sizeof path, "%s/%s", folder, name);
        for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
            const char *dot = strrchr(name, '.');
            if (!dot || strcmp(dot, kinds[i].ending) != 0) continue;
            size_t size;
            char *data = t_file(path, &size);
            if (size < 100 || strncmp(data, kinds[i].magic, strlen(kinds[i].magic)) != 0)
                T_FAIL("%s is no %s: %.300s", name, kinds[i].ending, data);
            free(data);
        }
    }
}

TEST(every_line_of_the_readme_works_when_pasted)
{
    char command[4096];
    char *text = t_file(top("README.md"), NULL);
    const char *program = getenv("CONVD");
    int blocks = 0;
    snprintf(folder, sizeof folder, "/tmp/convd-readme-%d", (int)getpid());
    snprintf(command, sizeof command,
             "mkdir -p %s/build && cp -r %s %s/ && ln -s \"$(realpath %s)\" %s/build/convd && ln "
             "-s %s %s/tests",
             folder, top("docs"), folder, program ? program : "build/convd", folder, top("tests"),
             folder);
    EQ(0, system(command));
    snprintf(command, sizeof command, "%s/data", folder);
    s = SERVER("--workers", "2", "--data", command);
    for (char *b = text; (b = strstr(b, "```sh\n"));) {
        b += 6;
        char *end = strstr(b, "```");
        OK(end != NULL);
        if (strncmp(b, "make ", 5) == 0)
            continue; /* what runs these tests, and what needs a container engine */
        char *printed = type(b, (size_t)(end - b));
        look_at_files(b, (size_t)(end - b));
        char *answer = strstr(printed, "\"answer\"");
        if (answer) STR("\"answer\":\"x\"\n\"answer\":\"y\"\n", answer);
        if (strstr(b, "sobell") && strstr(b, "sobell") < end) {
            OK(strstr(printed, "\"suggestion\":\"sobel_x\""));
            OK(strstr(printed, "\"pointer\":\"/steps/1/kernel_size\""));
        }
        blocks++;
    }
    EQ(0, server_stop(&s));
    OK(blocks >= 8);
    snprintf(command, sizeof command, "rm -rf %s", folder);
    EQ(0, system(command));
    free(text);
}
T_MAIN("http/readme")
