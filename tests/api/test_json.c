/* The strict front door for JSON, the writer, and base64. */
#include "../../api/base64.h"
#include "../../api/json.h"
#include "../t.h"
#include "lib_work.h"

struct parsed {
    struct convd_arena mem;
    struct convd_faults *f;
    struct convd_value v;
    bool fine;
};

static struct parsed parse_n(const char *text, size_t n)
{
    struct parsed p = {.f = convd_faults_new()};
    char *copy =
        malloc(n ? n : 1); /* of exactly that size, so that a sanitizer sees a step too far */
    OK(copy);
    memcpy(copy, text, n);
    convd_arena_init(&p.mem, NULL, 0);
    p.fine = api_json_parse(copy, n, API_PIPELINE_TEXT, &p.mem, p.f, &p.v);
    free(copy);
    EQ(p.fine, convd_faults_count(p.f) == 0);
    return p;
}

static void done(struct parsed *p)
{
    convd_arena_release(&p->mem);
    convd_faults_free(p->f);
}

/* What is refused, with what the words say (line, column) and where. */
TEST(refuses_what_rfc_8259_does)
{
    static const struct {
        const char *text, *pointer, *words;
    } cases[] = {
        {"", "", "line 1, column 1"},
        {"   ", "", "line 1, column 4"},
        {"{} x", "", "line 1, column 4"},
        {"{}{}", "", "line 1, column 3"},
        {"[01]", "", "line 1, column 3"},
        {"[-01]", "", "line 1, column 4"},
        {"[1.]", "", "line 1, column 4"},
        {"[.5]", "", "line 1, column 2"},
        {"[+1]", "", "line 1, column 2"},
        {"[1e]", "", "line 1, column 4"},
        {"[1e+]", "", "exponent"},
        {"[-]", "", "no digit"},
        {"[0x10]", "", "line 1, column 3"},
        {"[NaN]", "", "line 1, column 2"},
        {"[Infinity]", "", "line 1, column 2"},
        {"[-Infinity]", "", "no digit"},
        {"[1,]", "", "line 1, column 4"},
        {"[,1]", "", "line 1, column 2"},
        {"[1 2]", "", "line 1, column 4"},
        {"[1", "", "ends inside an array"},
        {"{\"a\":1,}", "", "line 1, column 8"},
        {"{\"a\" 1}", "", "line 1, column 6"},
        {"{a:1}", "", "line 1, column 2"},
        {"{'a':1}", "", "line 1, column 2"},
        {"{\"a\":}", "", "line 1, column 6"},
        {"{\"a\":1", "", "ends inside an object"},
        {"[tru]", "", "line 1, column 2"},
        {"[True]", "", "line 1, column 2"},
        {"[nullx]", "", "line 1, column 6"},
        {"/* c */ []", "", "line 1, column 1"},
        {"[\n 1,\n  x]", "", "line 3, column 3"},
        {"[\"é\", x]", "", "line 1, column 7"},
        {"\xEF\xBB\xBF[]", "", "byte order mark"},
        {"\xFF\xFE[\0", "", "line 1, column 1"},
        {"[\"a\\u0000b\"]", "", "\\u0000"},
        {"[\"\\x41\"]", "", "escape"},
        {"[\"\\u12\"]", "", "hexadecimal"},
        {"[\"\\u12g4\"]", "", "hexadecimal"},
        {"[\"\\ud800\"]", "", "surrogate"},
        {"[\"\\udc00\"]", "", "surrogate"},
        {"[\"\\ud800\\u0041\"]", "", "surrogate"},
        {"[\"\\", "", "hexadecimal"},
        {"[\"a\nb\"]", "", "control character"},
        {"[\"a\tb\"]", "", "control character"},
        {"[\"abc", "", "inside a string"},
        {"[\"\xC3(\"]", "", "UTF-8"},
        {"[\"\xC0\xAF\"]", "", "UTF-8"},
        {"[\"\xED\xA0\x80\"]", "", "UTF-8"},
        {"[\"\xF4\x90\x80\x80\"]", "", "UTF-8"},
        {"[\"\xF0\x80\x80\x80\"]", "", "UTF-8"},
        {"[\"\x80\"]", "", "UTF-8"},
        {"[\"\xE2\x82", "", "UTF-8"},
        {"[1e999]", "/0", "too large"},
        {"{\"a\":[0,-1e400]}", "/a/1", "too large"},
        {"{\"a\":1,\"a\":2}", "/a", "twice"},
        {"{\"a\":1,\"\\u0061\":2}", "/a", "twice"},
        {"{\"s\":[{\"op\":\"abs\",\"op\":\"neg\"}]}", "/s/0/op", "twice"},
        {"{\"a/b~\":{\"x\":1,\"x\":1}}", "/a~1b~0/x", "twice"},
        {"{\"1\":0,\"2\":0,\"3\":0,\"4\":0,\"5\":0,\"6\":0,\"7\":0,\"8\":0,\"9\":0,\"10\":0,\"3\":"
         "0}",
         "/3", "twice"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct parsed p = parse_n(cases[i].text, strlen(cases[i].text));
        if (p.fine) T_FAIL("%s is accepted", cases[i].text);
        const struct convd_fault *x = convd_faults_first(p.f);
        EQ(400, api_code_status(x->code));
        STR("bad-json", api_code_word(x->code));
        STR(cases[i].pointer, x->pointer);
        if (!strstr(x->detail, cases[i].words))
            T_FAIL("%s: \"%s\" does not say \"%s\"", cases[i].text, x->detail, cases[i].words);
        OK(x->expected);
        done(&p);
    }
}

TEST(a_raw_nul_is_refused)
{
    struct parsed p = parse_n("[\"a\0b\"]", 7);
    OK(!p.fine);
    OK(strstr(convd_faults_first(p.f)->detail, "NUL"));
    done(&p);
    p = parse_n("[1]\0", 4);
    OK(!p.fine);
    done(&p);
}

TEST(reads_what_is_json)
{
    static const char *const good[] = {
        "0",
        "-0",
        "1.5e-3",
        "1E+2",
        "\"\"",
        "null",
        "true",
        "[]",
        "{}",
        " [ 1 , 2 ] ",
        "{\"a\":{\"b\":[true,false,null,\"\\ud83d\\ude00\\n\\\"\\/\"]}}",
        "\"\xF0\x9F\x98\x80\"",
        "\r\n\t[1]\n"};
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        struct parsed p = parse_n(good[i], strlen(good[i]));
        if (!p.fine) T_FAIL("%s: %s", good[i], test_faults(p.f));
        done(&p);
    }
    struct parsed p = parse_n("{\"a\":[1,-2.5,\"x\\u00e9\"],\"b\":true}", 33);
    OK(p.fine);
    EQ(CONVD_OBJECT, p.v.kind);
    NEAR(-2.5, test_at(&p.v, "a/1")->number, 0);
    STR("x\xC3\xA9", test_at(&p.v, "a/2")->string);
    OK(test_at(&p.v, "b")->boolean);
    OK(!convd_value_get(&p.v, "B")); /* names differ by case */
    done(&p);
}

TEST(strings_of_every_length_survive)
{
    char text[400];
    for (size_t n = 0; n < 200; n++) {
        text[0] = '[';
        text[1] = '"';
        for (size_t i = 0; i < n; i++) text[2 + i] = (char)('a' + i % 26);
        memcpy(text + 2 + n, "\",{\"k\":1}]", 11);
        struct parsed p = parse_n(text, strlen(text));
        OK(p.fine);
        EQ(n, strlen(test_at(&p.v, "0")->string));
        EQ(0, strncmp(test_at(&p.v, "0")->string, text + 2, n));
        done(&p);
    }
}

static char *repeat(const char *head, const char *middle, size_t times, const char *tail, size_t *n)
{
    size_t a = strlen(head), b = strlen(middle), c = strlen(tail);
    char *s = malloc(a + b * times + c + 1);
    OK(s);
    memcpy(s, head, a);
    for (size_t i = 0; i < times; i++) memcpy(s + a + i * b, middle, b);
    memcpy(s + a + b * times, tail, c + 1);
    *n = a + b * times + c;
    return s;
}

TEST(limits_are_said_with_both_numbers)
{
    size_t n;
    char *s = repeat("", "[", 33, "", &n);
    struct parsed p = parse_n(s, n);
    OK(!p.fine);
    NEAR(32, convd_faults_first(p.f)->limit, 0);
    done(&p);
    free(s);
    s = repeat("", "[", 32, "", &n);
    char *t = repeat(s, "]", 32, "", &n);
    p = parse_n(t, n);
    OK(p.fine);
    done(&p);
    free(s);
    free(t);

    s = repeat("[", "1,", 262143, "1]", &n);
    p = parse_n(s, n);
    OK(p.fine);
    EQ(262144, p.v.n);
    done(&p);
    free(s);
    s = repeat("[", "1,", 262144, "1]", &n);
    p = parse_n(s, n);
    OK(!p.fine);
    NEAR(262144, convd_faults_first(p.f)->limit, 0);
    done(&p);
    free(s);

    s = repeat("\"", "a", API_PIPELINE_TEXT, "\"", &n);
    p = parse_n(s, n);
    OK(!p.fine);
    EQ(413, api_code_status(convd_faults_first(p.f)->code));
    NEAR((double)n, convd_faults_first(p.f)->actual, 0);
    done(&p);
    free(s);
}

/* Refused by the scan: nothing was built. */
TEST(floods_take_no_memory)
{
    struct convd_arena mem;
    struct convd_value v;
    convd_arena_init(&mem, NULL, 0);
    size_t n;
    static const struct {
        const char *head, *middle;
        size_t times;
    } floods[] = {{"", "[", 100000},
                  {"{\"steps\":", "[", 100000},
                  {"[", "0.12345,", 2600000},
                  {"[", "[],", 7000000},
                  {"[", "{\"a\":", 100000}};
    for (size_t i = 0; i < sizeof floods / sizeof *floods; i++) {
        char *s = repeat(floods[i].head, floods[i].middle, floods[i].times, "", &n);
        struct convd_faults *f = convd_faults_new();
        OK(!api_json_parse(s, n, SIZE_MAX, &mem, f, &v));
        EQ(0, mem.taken);
        convd_faults_free(f);
        free(s);
    }
    convd_arena_release(&mem);
}

TEST(many_members_are_compared_in_one_go)
{
    size_t room = 4u << 20, n = 0;
    char *s = malloc(room);
    OK(s);
    s[n++] = '{';
    for (int i = 0; i < 60000; i++)
        n += (size_t)snprintf(s + n, room - n, "%s\"k%06d\":0", i ? "," : "", (i * 7919) % 60000);
    s[n++] = '}';
    struct parsed p = parse_n(s, n);
    OK(p.fine);
    done(&p);
    n--;
    n += (size_t)snprintf(s + n, room - n, ",\"k000777\":1}");
    p = parse_n(s, n);
    OK(!p.fine);
    STR("/k000777", convd_faults_first(p.f)->pointer);
    EQ(1, convd_faults_count(p.f));
    done(&p);
    free(s);
}

TEST(a_long_string_is_copied_once)
{
    struct counting *c = counting_new();
    struct convd_arena mem;
    struct convd_value v;
    struct convd_faults *f = convd_faults_new();
    convd_arena_init(&mem, &c->memory, 0);
    size_t n;
    char *s = repeat("{\"image\":\"", "A", 8 << 20, "\"}", &n);
    OK(api_json_parse(s, n, SIZE_MAX, &mem, f, &v));
    OK(c->most < n + n / 4);
    convd_arena_release(&mem);
    convd_faults_free(f);
    counting_free(c);
    free(s);
}

/* ---- writing ---- */

static struct convd_bytes out;
static struct api_json fresh(void)
{
    out.n = 0;
    return api_json_to(&out);
}
static const char *text(void)
{
    convd_bytes_put(&out, "", 1);
    return (const char *)out.data;
}

TEST(writes_objects_arrays_and_escapes)
{
    struct api_json j = fresh();
    api_json_object(&j);
    api_json_key(&j, "a\"b");
    api_json_array(&j);
    api_json_integer(&j, -3);
    api_json_string(&j, "x\n\x01\\\xC3\xA9\xFFz");
    api_json_object(&j);
    api_json_end(&j);
    api_json_array(&j);
    api_json_end(&j);
    api_json_null(&j);
    api_json_end(&j);
    api_json_key(&j, "n");
    api_json_number(&j, NAN);
    api_json_key(&j, "t");
    api_json_boolean(&j, true);
    api_json_end(&j);
    OK(!j.failed);
    STR("{\"a\\\"b\":[-3,\"x\\n\\u0001\\\\\xC3\xA9\xEF\xBF\xBDz\",{},[],null],\"n\":null,\"t\":"
        "true}",
        text());
}

TEST(numbers_are_short)
{
    static const struct {
        double x;
        const char *text;
    } cases[] = {{0, "0"},
                 {-0.0, "0"},
                 {1, "1"},
                 {-255, "-255"},
                 {0.1, "0.1"},
                 {1e15, "1e+15"},
                 {123456789012345.0, "123456789012345"},
                 {1.0 / 3, "0.3333333333333333"},
                 {5e-324, "4.94065645841247e-324"},
                 {1e300, "1e+300"}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char s[API_NUMBER_ROOM];
        api_number_text(cases[i].x, s);
        STR(cases[i].text, s);
    }
    static const struct {
        float x;
        const char *text;
    } floats[] = {{0.5f, "0.5"},
                  {0.1f, "0.1"},
                  {-1.25f, "-1.25"},
                  {255.0f, "255"},
                  {2e-5f, "0.00002"},
                  {16777216.0f, "16777216"},
                  {3.4028235e38f, "3.4028235e+38"},
                  {1e-45f, "1.4013e-45"},
                  {9.9999995f, "9.999999"},
                  {99999.99f, "99999.99"},
                  {1e7f, "10000000"},
                  {0.3333333433f, "0.33333334"}};
    for (size_t i = 0; i < sizeof floats / sizeof *floats; i++) {
        char s[API_NUMBER_ROOM];
        api_float_text(floats[i].x, s);
        if (strtof(s, NULL) != floats[i].x) T_FAIL("%s is not %.9g", s, (double)floats[i].x);
        STR(floats[i].text, s);
    }
}

TEST(floats_of_every_size_read_back)
{
    struct t_rng r = t_rng(20240611);
    for (int i = 0; i < 400000; i++) {
        uint32_t bits = (uint32_t)t_random(&r);
        float x;
        char s[API_NUMBER_ROOM];
        if (i % 2)
            bits = (bits & 0x807FFFFFu) | (uint32_t)t_between(&r, 100, 150)
                                              << 23; /* about 1e-8 … 1e7 */
        memcpy(&x, &bits, sizeof x);
        if (!isfinite(x)) continue;
        size_t n = api_float_text(x, s);
        EQ(n, strlen(s));
        OK(n < 20);
        if (strtof(s, NULL) != x || (float)strtod(s, NULL) != x)
            T_FAIL("%s is not %.9g", s, (double)x);
    }
}

/* ---- base64 ---- */

static bool decode(const char *s, char *to, size_t *n)
{
    size_t at;
    bool fine = api_base64_decode(s, strlen(s), (uint8_t *)to, n, &at);
    to[fine ? *n : 0] = 0;
    return fine;
}

TEST(base64_is_rfc_4648s)
{
    static const struct {
        const char *plain, *coded;
    } vectors[] = {{"", ""},
                   {"f", "Zg=="},
                   {"fo", "Zm8="},
                   {"foo", "Zm9v"},
                   {"foob", "Zm9vYg=="},
                   {"fooba", "Zm9vYmE="},
                   {"foobar", "Zm9vYmFy"}};
    for (size_t i = 0; i < sizeof vectors / sizeof *vectors; i++) {
        char back[64];
        size_t n;
        OK(decode(vectors[i].coded, back, &n));
        STR(vectors[i].plain, back);
        out.n = 0;
        OK(api_base64_put(&out, vectors[i].plain, strlen(vectors[i].plain)));
        STR(vectors[i].coded, text());
    }
    static const char *const bad[] = {"Zg",   "Zg=",      "Zg===", "Zh==", "Zm9=", "Z g=", "Zm9v\n",
                                      "=Zg=", "Zg==Zg==", "Zm9_",  "Zm9-", "====", "Z==="};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        char back[64];
        size_t n;
        if (decode(bad[i], back, &n)) T_FAIL("%s is accepted", bad[i]);
    }
    STR("Zg==", api_base64_payload("data:image/png;base64,Zg=="));
    STR("Zg==", api_base64_payload("Zg=="));
    STR("Zg==", api_base64_payload("data:;base64,Zg=="));
    OK(!api_base64_payload("data:text/plain,hello"));
    OK(!api_base64_payload("data:base64"));
}
T_MAIN("api/json")
