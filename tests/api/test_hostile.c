/* Pipelines sent to break something: each is refused with the status and words it deserves, or runs when it is legal. */
#include "../../api/json.h"
#include "../t.h"
#include "lib_work.h"

static uint8_t *picture;
static size_t picture_n;

/* Plays one; returns the status of the answer. */
static int play(const char *name, const char *text, size_t n)
{
    struct counting *c = counting_new();
    struct api_work w = test_work(c, picture, picture_n, NULL);
    w.pipeline = text;
    w.pipeline_n = n;
    bool fine = api_work_prepare(&w) && api_work_run(&w, NULL, NULL);
    int status = fine ? 200 : api_faults_status(w.faults);
    if (!fine) {
        struct convd_bytes b = {0};
        OK(w.faults->first);
        for (const struct convd_fault *f = w.faults->first; f; f = f->next) {
            if (!f->detail || !*f->detail) T_FAIL("%s: a fault without words", name);
            if (strlen(f->detail) > 400)
                T_FAIL("%s: %zu characters of words", name, strlen(f->detail));
            if (!isnan(f->limit) && !(f->actual > f->limit))
                T_FAIL("%s: limit %g, actual %g", name, f->limit, f->actual);
        }
        OK(api_problem_write(w.faults, "id", &b));
        test_json((const char *)b.data, b.n); /* whatever was in it: it is JSON */
        convd_bytes_release(&b);
    }
    if (c->most > 64u << 20) T_FAIL("%s took %zu bytes", name, c->most);
    api_work_release(&w);
    counting_free(c);
    return status;
}

TEST(each_of_the_list_gets_what_it_deserves)
{
    picture = test_picture(64, 48, 3, &picture_n);
    char *list = t_file("hostile-specs/list", NULL);
    size_t count = 0;
    for (char *s = list; *s;) {
        char name[128], path[200], allowed[128];
        EQ(2, sscanf(s, "%127s %127s", name, allowed));
        s += strcspn(s, "\n");
        s += *s == '\n';
        snprintf(path, sizeof path, "hostile-specs/%s.json", name);
        size_t n;
        char *text = t_file(path, &n), code[8];
        snprintf(code, sizeof code, "%d", play(name, text, n));
        if (!strstr(allowed, code)) T_FAIL("%s: %s, not %s", name, code, allowed);
        free(text);
        count++;
    }
    OK(count > 100);
    free(list);
    free(picture);
}

static char *built(const char *head, const char *middle, size_t times, const char *tail,
                   const char *end, size_t *n)
{
    size_t a = strlen(head), b = strlen(middle), c = strlen(tail), d = strlen(end);
    char *s = malloc(a + (b + c) * times + d + 1), *p = s;
    OK(s);
    memcpy(p, head, a);
    p += a;
    for (size_t i = 0; i < times; i++, p += b) memcpy(p, middle, b);
    for (size_t i = 0; i < times; i++, p += c) memcpy(p, tail, c);
    memcpy(p, end, d + 1);
    *n = a + (b + c) * times + d;
    return s;
}

TEST(large_ones_are_refused_too)
{
    static const struct {
        const char *name, *head, *middle;
        size_t times;
        const char *tail, *end;
        int status;
    } cases[] = {
        {"100,000 deep", "", "[", 100000, "]", "", 400},
        {"steps 900 deep", "{\"steps\":[", "{\"op\":\"residual\",\"steps\":[", 900, "]}", "]}",
         400},
        {"steps 10 deep", "{\"steps\":[", "{\"op\":\"residual\",\"steps\":[", 10, "]}", "]}",
         422}, /* the innermost list is empty */
        {"20 MB of numbers", "{\"steps\":[{\"op\":\"filter\",\"kernel\":[[", "0.12345,", 2500000,
         "", "1]]}]}", 413},
        {"300,000 numbers", "{\"steps\":[{\"op\":\"filter\",\"kernel\":[[", "1,", 300000, "",
         "1]]}]}", 400},
        {"100,000 steps", "{\"steps\":[\"abs\"", ",\"abs\"", 100000, "", "]}", 422},
        {"257 steps", "[\"abs\"", ",\"abs\"", 256, "", "]", 422},
        {"256 steps", "[\"abs\"", ",\"abs\"", 255, "", "]", 200},
        {"90,000 inputs", "{\"steps\":[{\"op\":\"add\",\"inputs\":[\"image\"", ",\"image\"", 90000,
         "", "]}]}", 422},
        {"a name of 1,000,000", "{\"steps\":[\"", "a", 1000000, "", "\"]}", 422},
        {"a name of 2,000,000", "{\"steps\":[\"", "a", 2000000, "", "\"]}", 413},
        {"20,000 faults", "[\"nope\"", ",\"nope\"", 200, "", "]", 422},
        {"100,000 members", "{\"steps\":[\"abs\"]", ",\"k\":0", 100000, "", "}", 400},
        {"a side of 1001", "{\"steps\":[{\"op\":\"filter\",\"kernel\":[[0", ",0", 1000, "", "]]}]}",
         422},
        {"a chain of 300", "abs", "/abs", 300, "", "", 422},
        {"a chain of slashes", "", "/", 5000, "", "", 400},
        {"a chain of percents", "", "%25", 5000, "", "", 422},
    };
    picture = test_picture(16, 12, 3, &picture_n);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        size_t n;
        char *s =
            built(cases[i].head, cases[i].middle, cases[i].times, cases[i].tail, cases[i].end, &n);
        int status = play(cases[i].name, s, n);
        if (status != cases[i].status)
            T_FAIL("%s: %d, not %d", cases[i].name, status, cases[i].status);
        free(s);
    }
    free(picture);
}
T_MAIN("api/hostile")
