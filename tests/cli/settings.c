/* Settings: what the rows promise, by flag and by environment. */
#include "../t.h"

#include "../../server/settings.h"
#include "../../server/settings_number.h"
#include "lib_child.h"

static char said[4096]; /* what was said on err by the last call */

/* Settings from an environment (NULL-terminated) and flags; false when anything was wrong. */
static bool load(struct settings *s, const char *const *env, const char *const *flags)
{
    FILE *err = tmpfile();
    bool ok = settings_init(s, (char *const *)(uintptr_t)env, err);
    int argc = 0;
    while (flags && flags[argc]) argc++;
    for (int i = 0; ok && i < argc;) {
        int taken = settings_flag(s, ~0u, argc, (char *const *)(uintptr_t)flags, &i, err);
        if (taken <= 0) ok = false;
    }
    if (ok) settings_settle(s);
    ok = ok && settings_keys(s, err);
    rewind(err);
    size_t n = fread(said, 1, sizeof said - 1, err);
    said[n] = 0;
    fclose(err);
    return ok;
}
#define ENV(...)                                                                                   \
    (const char *const[])                                                                          \
    {                                                                                              \
        __VA_ARGS__, NULL                                                                          \
    }
#define FLAGS(...)                                                                                 \
    (const char *const[])                                                                          \
    {                                                                                              \
        __VA_ARGS__, NULL                                                                          \
    }

TEST(defaults_are_those_of_the_reference)
{
    struct settings s;
    OK(load(&s, NULL, NULL));
    STR("127.0.0.1:8080", s.listen);
    EQ(33554432, s.max_body);
    EQ(64000000, s.max_pixels);
    EQ(32768, s.max_side);
    OK(s.max_memory == 1073741824 || s.max_memory == s.memory_budget);
    NEAR(1e12, s.max_macs, 0);
    EQ(256, s.max_steps);
    EQ(129, s.max_kernel);
    EQ(30000, s.timeout);
    EQ(2048, s.max_connections);
    EQ(5000, s.header_timeout);
    EQ(10000, s.body_timeout);
    EQ(1000, s.drain_delay);
    EQ(LOG_TEXT, s.log_format);
    EQ(0, s.cors_origin.n);
    EQ(0, s.keys.n);
    OK(s.workers >= 1);
    EQ(16 * s.workers, s.queue_depth);
    OK(s.memory_budget > 64u << 20);
    STR("", said);
    settings_release(&s);
}

TEST(flags_win_over_the_environment_which_wins_over_defaults)
{
    struct settings s;
    OK(load(&s, ENV("CONVD_MAX_BODY=1Mi", "CONVD_TIMEOUT=2s", "HOME=/"),
            FLAGS("--max-body", "2Mi", "--max-side=99")));
    EQ(2097152, s.max_body);
    EQ(2000, s.timeout);
    EQ(99, s.max_side);
    settings_release(&s);
}

TEST(numbers_take_decimal_and_binary_suffixes)
{
    static const struct {
        const char *text;
        double value;
    } good[] = {{"0", 0},        {"4096", 4096}, {"1k", 1e3},        {"64M", 64e6},
                {"1.5G", 1.5e9}, {"2Ki", 2048},  {"32Mi", 33554432}, {"1Gi", 1073741824},
                {"1e12", 1e12},  {"3T", 3e12}};
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        double x = -1;
        OK(settings_number(good[i].text, &x));
        NEAR(good[i].value, x, 0);
    }
    static const char *const bad[] = {"",    "abc", "-1",  "+1",  " 1",    "1 ", "0x10",
                                      "12Q", "1kk", "inf", "nan", "1e999", "Mi", "1,5"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        double x;
        if (settings_number(bad[i], &x)) T_FAIL("\"%s\" was taken for %g", bad[i], x);
    }
}

TEST(durations_take_units_and_are_seconds_without)
{
    static const struct {
        const char *text;
        double ms;
    } good[] = {{"30", 30e3},  {"30s", 30e3},  {"500ms", 500},
                {"2m", 120e3}, {"1h", 3600e3}, {"0.25", 250}};
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        double x = -1;
        OK(settings_duration(good[i].text, &x));
        NEAR(good[i].ms, x, 0);
    }
    double x;
    OK(!settings_duration("30 s", &x) && !settings_duration("5d", &x) &&
       !settings_duration("s", &x));
}

/* A row's bound as text that reads back exactly. */
static void bound(const struct settings_row *row, double x, char *text, size_t room)
{
    snprintf(text, room, row->type == SETTINGS_DURATION ? "%.0fms" : "%.0f", x);
}

TEST(every_row_takes_its_bounds_and_refuses_what_lies_beyond)
{
    for (const struct settings_row *row = settings_rows; row->name; row++) {
        if (row->type != SETTINGS_SIZE && row->type != SETTINGS_NUMBER &&
            row->type != SETTINGS_DURATION)
            continue;
        const double values[] = {row->lo, row->hi, row->lo - 1, row->hi * 1.001 + 1};
        for (int i = 0; i < 4; i++) {
            if (values[i] < 0) continue;
            char text[64];
            bound(row, values[i], text, sizeof text);
            struct settings s;
            bool ok = load(&s, NULL, FLAGS(row->flag, text));
            if (ok != (i < 2)) T_FAIL("%s %s: %s", row->flag, text, ok ? "was taken" : said);
            if (!ok && (strncmp(said, "convd: --", 9) != 0 || !strstr(said, row->flag)))
                T_FAIL("%s: said %s", row->flag, said);
            settings_release(&s);
        }
    }
}

TEST(every_row_has_a_flag_an_environment_name_and_help_that_agree)
{
    for (const struct settings_row *row = settings_rows; row->name; row++) {
        char flag[64] = "--", env[64] = "CONVD_";
        for (size_t i = 0; i <= strlen(row->name); i++) {
            char c = row->name[i];
            flag[2 + i] = c == '_' ? '-' : c;
            env[6 + i] = (char)(c >= 'a' && c <= 'z' ? c - 32 : c);
        }
        STR(flag, row->flag);
        STR(env, row->env);
        OK(strlen(row->help) > 5);
    }
}

TEST(wrong_values_are_said_with_what_would_work)
{
    struct settings s;
    OK(!load(&s, NULL, FLAGS("--max-body", "big")));
    STR("convd: --max-body: \"big\" is not a number such as 4096, 32Mi or 64M\n", said);
    settings_release(&s);
    OK(!load(&s, ENV("CONVD_TIMEOUT=soon"), NULL));
    STR("convd: CONVD_TIMEOUT: \"soon\" is not a duration such as 30s, 500ms or 2m\n", said);
    settings_release(&s);
    OK(!load(&s, NULL, FLAGS("--log-format", "xml")));
    STR("convd: --log-format: \"xml\" is not one of text|json\n", said);
    settings_release(&s);
    OK(!load(&s, NULL, FLAGS("--max-side", "1.5")));
    STR("convd: --max-side: 1.5 is not a whole number\n", said);
    settings_release(&s);
    OK(!load(&s, NULL, FLAGS("--max-side")));
    STR("convd: --max-side wants a value: --max-side pixels\n", said);
    settings_release(&s);
}

TEST(unknown_names_in_the_environment_are_warned_of)
{
    struct settings s;
    OK(load(&s, ENV("CONVD_MAX_BODDY=1", "CONVD_ISA=base", "CONVD=x"), NULL));
    STR("convd: CONVD_MAX_BODDY in the environment is no setting and is ignored; the nearest is "
        "CONVD_MAX_BODY\n",
        said);
    settings_release(&s);
}

TEST(an_instruction_set_that_does_not_run_is_warned_of)
{
    struct settings s;
    OK(load(&s, ENV("CONVD_ISA=mmx"), NULL));
    OK(strstr(said, "convd: CONVD_ISA: \"mmx\" does not run here; ") == said);
    settings_release(&s);
}

TEST(lists_are_separated_by_commas)
{
    struct settings s;
    OK(load(&s, NULL, FLAGS("--cors-origin", "https://a.example,,http://b.example:81")));
    EQ(2, s.cors_origin.n);
    STR("https://a.example", s.cors_origin.v[0]);
    STR("http://b.example:81", s.cors_origin.v[1]);
    settings_release(&s);
}

TEST(keys_are_the_lines_of_their_file)
{
    const char *path = child_path("keys");
    static const char text[] = "# who\nsecret-1\r\n\n  \nsecret 2  \nlast";
    child_file(path, text, sizeof text - 1);
    struct settings s;
    OK(load(&s, NULL, FLAGS("--api-keys", path)));
    EQ(3, s.keys.n);
    STR("secret-1", s.keys.v[0]);
    STR("secret 2", s.keys.v[1]);
    STR("last", s.keys.v[2]);
    settings_release(&s);
    child_file(path, "# none\n", 7);
    OK(!load(&s, NULL, FLAGS("--api-keys", path)));
    OK(strstr(said, "holds no key"));
    settings_release(&s);
    OK(!load(&s, NULL, FLAGS("--api-keys", child_path("nowhere"))));
    OK(strstr(said, "No such file"));
    settings_release(&s);
}

TEST(limits_are_told_as_json_members)
{
    struct settings s;
    OK(load(&s, NULL,
            FLAGS("--max-body", "1Mi", "--timeout", "2s", "--max-memory", "64Mi", "--api-keys=")));
    struct convd_bytes out = {0};
    OK(settings_json(&s, SETTINGS_LIMIT | SETTINGS_LIMIT_SERVE, &out));
    OK(convd_bytes_put(&out, "", 1));
    const char *text = (const char *)out.data;
    OK(strstr(text, "\"max_body\":1048576"));
    OK(strstr(text, "\"timeout_ms\":2000"));
    OK(strstr(text, "\"max_macs\":1000000000000"));
    OK(strstr(text, "\"max_memory\":67108864"));
    OK(!strstr(text, "listen") && !strstr(text, "api_keys"));
    convd_bytes_release(&out);
    settings_release(&s);
}

T_MAIN("cli/settings")
