/* The command line itself: help, mistakes, completion, the man page, version. */
#include "../t.h"

#include "../../server/cmd.h"
#include "lib_child.h"

static const char *const names[] = {"serve",   "run",       "explain", "bench",       "ops",
                                    "kernels", "pipelines", "jobs",    "healthcheck", "version"};
enum { NAMES = sizeof names / sizeof *names };

/* The first line of text is exactly this. */
static void first_line(const char *expected, char *text)
{
    text[strcspn(text, "\n")] = 0;
    STR(expected, text);
}

TEST(help_lists_every_subcommand)
{
    static const char *const words[][2] = {{"--help", NULL}, {"-h", NULL}, {"help", NULL}};
    for (size_t w = 0; w < 3; w++) {
        struct child c = CONVD(words[w][0]);
        EQ(0, c.code);
        for (size_t i = 0; i < NAMES; i++) {
            char line[64];
            snprintf(line, sizeof line, "\n  convd %-12s ", names[i]);
            if (!strstr(c.out, line)) T_FAIL("%s is not in the help", names[i]);
        }
        STR("", c.err);
        child_release(&c);
    }
}

TEST(no_words_are_a_usage_error_with_the_help)
{
    struct child c = child_run((const char *const[]){"convd", NULL}, NULL, 0, NULL);
    EQ(2, c.code);
    STR("", c.out);
    OK(strstr(c.err, "convd serve"));
    child_release(&c);
}

TEST(every_subcommand_explains_itself)
{
    for (size_t i = 0; i < NAMES; i++) {
        struct child a = CONVD(names[i], "--help"), b = CONVD("help", names[i]);
        EQ(0, a.code);
        EQ(0, b.code);
        STR(a.out, b.out);
        char begin[64];
        snprintf(begin, sizeof begin, "convd %s", names[i]);
        EQ(0, strncmp(begin, a.out, strlen(begin)));
        OK(strstr(a.out, "\nOptions:\n"));
        OK(strstr(a.out, "--help"));
        STR("", a.err);
        child_release(&a);
        child_release(&b);
    }
}

TEST(serve_help_has_every_setting)
{
    struct child c = CONVD("serve", "--help");
    for (const struct settings_row *row = settings_rows; row->name; row++) {
        char line[256];
        if (row->use == SETTINGS_CLIENT) continue;
        snprintf(line, sizeof line, "\n  %s %s ", row->flag, row->unit);
        if (!strstr(c.out, line)) T_FAIL("no line for %s", row->flag);
        if (!strstr(c.out, row->help)) T_FAIL("no help for %s", row->flag);
    }
    child_release(&c);
}

TEST(mistakes_are_one_line_with_the_nearest_name_and_exit_2)
{
    static const struct {
        const char *words[4];
        const char *said;
    } cases[] = {
        {{"rum"}, "convd: unknown subcommand rum; did you mean run?"},
        {{"zzzzzzzz"}, "convd: unknown subcommand zzzzzzzz; convd --help lists them"},
        {{"serve", "--max-boddy", "1"},
         "convd: serve: unknown option --max-boddy; did you mean --max-body?"},
        {{"run", "edges", "--formt=png"},
         "convd: run: unknown option --formt; did you mean --format?"},
        {{"serve", "--max-body"}, "convd: --max-body wants a value: --max-body bytes"},
        {{"serve", "--max-body=x"},
         "convd: --max-body: \"x\" is not a number such as 4096, 32Mi or 64M"},
        {{"run"},
         "convd: run: something is missing: convd run PIPELINE [INPUT...] [-o OUT|DIR] [options]"},
        {{"run", "edges", "--format"}, "convd: --format wants a value: --format FORMAT"},
        {{"ops", "--json=1"}, "convd: --json takes no value"},
        {{"ops", "abs", "neg"}, "convd: ops: what is \"neg\" for? convd ops [NAME] [--json]"},
        {{"explain", "edges", "--size", "big"},
         "convd: --size: \"big\" is not WIDTHxHEIGHT or WIDTHxHEIGHTxCHANNELS, such as 640x480x3"},
        {{"run", "edges", "--threads", "0"},
         "convd: --threads: \"0\" is not a whole number from 1 to 1024"},
        {{"run", "edges", "--tensor", "x"}, "convd: --tensor: \"x\" is not NAME=FILE"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const char *argv[6] = {"convd"};
        memcpy(argv + 1, cases[i].words, sizeof cases[i].words);
        struct child c = child_run(argv, NULL, 0, NULL);
        STR("", c.out);
        OK(strchr(c.err, '\n') && !strchr(c.err, '\n')[1]);
        first_line(cases[i].said, c.err);
        EQ(2, c.code);
        child_release(&c);
    }
}

TEST(two_dashes_end_the_options)
{
    struct child c = CONVD("ops", "--", "--json");
    EQ(1, c.code);
    OK(strstr(c.err, "no operation is called --json"));
    child_release(&c);
}

TEST(version_says_its_number)
{
    struct child a = CONVD("version"), b = CONVD("--version");
    EQ(0, a.code);
    STR(a.out, b.out);
    EQ(0, strncmp(a.out, "convd " CONVD_VERSION "\n", strlen("convd " CONVD_VERSION "\n")));
    child_release(&a);
    child_release(&b);
}

TEST(the_man_page_is_what_the_rows_make)
{
    struct child c = CONVD("help", "man");
    EQ(0, c.code);
    size_t n;
    char *page = t_file("../../docs/convd.1", &n);
    if (n != c.out_n || memcmp(page, c.out, n) != 0) T_FAIL("docs/convd.1 is old: run make man");
    free(page);
    child_release(&c);
}

/* True when completion of the words offers this one. */
static bool offers(const char *const *words, const char *word)
{
    const char *argv[8] = {"convd", "complete"};
    for (size_t i = 0; words[i]; i++) argv[2 + i] = words[i];
    struct child c = child_run(argv, NULL, 0, NULL);
    EQ(0, c.code);
    bool found = false;
    for (const char *line = c.out; *line && !found; line = strchr(line, '\n') + 1)
        found = strncmp(line, word, strlen(word)) == 0 && line[strlen(word)] == '\t';
    child_release(&c);
    return found;
}
#define OFFERS(WORD, ...) offers((const char *const[]){__VA_ARGS__, NULL}, WORD)

TEST(completion_offers_what_may_come)
{
    OK(OFFERS("explain", "ex"));
    OK(!OFFERS("run", "ex"));
    OK(OFFERS("edges-x", "run", "edg"));
    OK(OFFERS("grayscale/sobel_x", "run", "grayscale/sob"));
    OK(OFFERS("max_pool", "ops", "max"));
    OK(OFFERS("gaussian", "kernels", ""));
    OK(OFFERS("--max-body", "serve", "--max"));
    OK(OFFERS("json", "serve", "--log-format", "j"));
    OK(OFFERS("webp", "run", "edges", "--format", "w"));
    OK(OFFERS("--format=webp", "run", "edges", "--format=w"));
    OK(OFFERS("max_pool:2/abs", "run", "max_pool:2/ab"));
    OK(!OFFERS("edges", "run", "edges", "ed")); /* files come here */
}

T_MAIN("cli/usage")
