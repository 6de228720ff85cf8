/* learn.c: jobs that learn: what comes of them, what they say on the way, what is refused, and what survives the process. */
#include "../t.h"
#include "lib_jobs.h"
#include <signal.h>
#include <unistd.h>

static struct server s;
static char data[64];

#define JOB(MORE) "{\"type\":\"learn\",\"pipeline\":" STRIPES_NET MORE "}"

static const char *start(const char *job, enum archive_kind kind)
{
    struct bytes b = stripes_album(kind, 20, NULL, NULL, 0);
    const char *address = job_accepted(job_post(&s, job, "data", b.data, b.n));
    free(b.data);
    return address;
}

static void answers(const char *path, bool upright)
{
    size_t n;
    void *p = stripes(16, upright, 77, &n);
    struct answer a = fetch(&s, &(struct fetch){.path = path, .body = p, .body_n = n});
    EQ(200, a.status);
    OK(answer_has(&a, "\"labels\":[\"lying\",\"upright\"]"));
    if (!answer_has(&a, upright ? "\"answer\":\"upright\"" : "\"answer\":\"lying\""))
        T_FAIL("%s", a.body);
    answer_release(&a);
    free(p);
}

/* ---- what comes of it ---- */

TEST(what_was_learned_answers_with_the_names_of_the_folders)
{
    const char *job =
        start(JOB(",\"save_as\":\"stripes\",\"epochs\":25,\"validation\":0.2"), ARCHIVE_ZIP);
    job_wait(&s, job, "succeeded");
    answers("/stripes", true);
    answers("/stripes", false);
    answers("/invert/invert/stripes", true);
    struct answer a = get(&s, job_at(job, "result"));
    EQ(200, a.status);
    STR("application/json", answer_header(&a, "Content-Type"));
    static const char *const parts[] = {
        "{\"pipeline\":\"stripes\",\"classes\":[\"lying\",\"upright\"],\"curve\":[{\"epoch\":1,",
        "{\"epoch\":25,\"loss\":",
        "\"val_accuracy\":1",
        "\"confusion\":[[4,0],[0,4]]",
        "\"kernels\":{\"before\":\"data:image/png;base64,",
        "\"after\":\"data:image/png;base64,"};
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++)
        if (!answer_has(&a, parts[i])) T_FAIL("no %s in %.3000s", parts[i], a.body);
    OK(!answer_has(&a, "\"epoch\":26"));
    answer_release(&a);
    expect(get(&s, job), 200, "\"progress\":{\"done\":800,\"total\":800,\"eta_s\":0}");
    expect(get(&s, "/v1/pipelines/stripes"), 200, "\"labels\":[\"lying\",\"upright\"]");
    expect(get(&s, "/v1/pipelines/stripes/weights"), 200, "");
}

TEST(learning_goes_on_from_a_name_and_replaces_what_it_meant)
{
    static const char again[] = "{\"type\":\"learn\",\"pipeline\":\"stripes\",\"save_as\":"
                                "\"stripes\",\"epochs\":1,\"lr\":1e-6}";
    const char *job = start(again, ARCHIVE_TAR_GZ);
    job_wait(&s, job, "succeeded");
    expect(get(&s, job_at(job, "result")), 200, "\"accuracy\":1,");
    answers("/stripes", true);
}

TEST(without_a_name_one_is_made)
{
    const char *job = start(JOB(",\"epochs\":1"), ARCHIVE_TAR);
    char name[80];
    job_wait(&s, job, "succeeded");
    snprintf(name, sizeof name, "\"pipeline\":\"learned-%.8s\"", job + strlen("/v1/jobs/"));
    expect(get(&s, job_at(job, "result")), 200, name);
}

TEST(pairs_teach_an_operator)
{
    struct bytes b = {0};
    struct archive_out *out = archive_create(ARCHIVE_ZIP, bytes_put, &b);
    for (unsigned i = 0; i < 8; i++) {
        char name[32];
        size_t n;
        char *p = stripes(12, i % 2, i, &n);
        snprintf(name, sizeof name, "input/%u.ppm", i);
        OK(archive_add(out, name, p, n));
        for (size_t k = n - 12 * 12 * 3; k < n; k++) p[k] = (char)(255 - (unsigned char)p[k]);
        snprintf(name, sizeof name, "target/%u.ppm", i);
        OK(archive_add(out, name, p, n));
        free(p);
    }
    OK(archive_end(out, true));
#define OPERATOR(MORE)                                                                             \
    "{\"type\":\"learn\",\"save_as\":\"operator\",\"pipeline\":[{\"op\":\"conv\",\"weight\":{"     \
    "\"init\":\"he_normal\",\"out_channels\":3,\"kernel_size\":1},\"bias\":{\"init\":\"zeros\"}}]" \
    ","                                                                                            \
    "\"epochs\":40," MORE "}"
    const char *address = job_accepted(
        job_post(&s, OPERATOR("\"optimizer\":\"sgd\",\"lr\":10"), "data", b.data, b.n));
    job_wait(&s, address, "failed");
    expect(get(&s, job_at(address, "result")), 422, "a smaller lr (it is 10)");
    expect(get(&s, "/v1/pipelines/operator"), 404, NULL);
    address = job_accepted(job_post(&s, OPERATOR("\"lr\":0.01"), "data", b.data, b.n));
    job_wait(&s, address, "succeeded");
    expect(get(&s, job_at(address, "result")), 200, "\"classes\":null");
    size_t n;
    void *p = stripes(12, true, 3, &n);
    struct answer a = fetch(&s, &(struct fetch){.path = "/operator", .body = p, .body_n = n});
    EQ(200, a.status);
    STR("image/png", answer_header(&a, "Content-Type"));
    answer_release(&a);
    free(p);
    free(b.data);
}

/* ---- on the way ---- */

static size_t count(const char *text, const char *word)
{
    size_t n = 0;
    for (; (text = strstr(text, word)); text += strlen(word)) n++;
    return n;
}

TEST(every_epoch_is_an_event)
{
    const char *job = start(JOB(",\"epochs\":12"), ARCHIVE_ZIP);
    struct answer a = get(&s, job_at(job, "events")); /* ends with the job */
    EQ(200, a.status);
    EQ(12, count(a.body, "event: epoch\n"));
    OK(answer_has(&a, "data: {\"epoch\":12,\"loss\":"));
    OK(answer_has(&a, "event: progress\n"));
    OK(answer_has(&a, "\"state\":\"succeeded\""));
    answer_release(&a);
}

TEST(a_job_that_learns_is_cancelled_at_once)
{
    const char *job = start(JOB(",\"save_as\":\"never\",\"epochs\":1000000"), ARCHIVE_ZIP);
    job_wait(&s, job, "running");
    expect(get(&s, job_at(job, "result")), 409, "\"code\":\"not-finished\"");
    expect(job_delete(&s, job), 202, "\"state\":\"cancelled\"");
    OK(becomes(&s, "convd_jobs{type=\"learn\",state=\"running\"}", 0, 20));
    expect(get(&s, "/v1/pipelines/never"), 404, NULL);
    expect(job_delete(&s, job), 204, NULL);
}

/* ---- what is refused ---- */

TEST(settings_and_names_are_looked_at_before_it_is_accepted)
{
    static const struct {
        const char *job;
        int status;
        const char *text;
    } cases[] = {
        {JOB(",\"save_as\":\"blur\""), 409, "\"pointer\":\"/save_as\""},
        {JOB(",\"save_as\":\"conv\""), 409, "\"code\":\"conflict\""},
        {JOB(",\"save_as\":\"sobel_x\""), 409, "\"code\":\"conflict\""},
        {JOB(",\"save_as\":\"healthz\""), 409, "\"code\":\"conflict\""},
        {JOB(",\"save_as\":\"A b\""), 400, "\"pointer\":\"/save_as\""},
        {JOB(",\"save_as\":7"), 422, "\"pointer\":\"/save_as\""},
        {JOB(",\"lr\":-1"), 422, "\"pointer\":\"/lr\""},
        {JOB(",\"epochs\":1.5"), 422, "\"pointer\":\"/epochs\""},
        {JOB(",\"loss\":\"mse\""), 422, "\"pointer\":\"/loss\""},
        {JOB(",\"optimiser\":\"adam\""), 422, "\"suggestion\":\"optimizer\""},
        {JOB(",\"save_az\":\"x\""), 422, "\"suggestion\":\"save_as\""},
        {JOB(",\"augment\":{\"flp\":\"x\"}"), 422, "\"pointer\":\"/augment/flp\""},
        {"{\"type\":\"learn\"}", 422, "\"pointer\":\"/pipeline\""},
        {"{\"type\":\"learn\",\"pipeline\":[{\"op\":\"cnv\"}]}", 422,
         "\"pointer\":\"/pipeline/0/op\""},
        {"{\"type\":\"learn\",\"pipeline\":\"edges\"}", 422, "nothing to learn"},
        {"{\"type\":\"learn\",\"pipeline\":[{\"op\":\"conv\",\"weight\":{\"init\":\"he_normal\","
         "\"out_channels\":5,\"kernel_size\":3}},\"global_avg_pool\"]}",
         422, "5x1x1 numbers, and there are 2 classes"},
    };
    struct bytes b = stripes_album(ARCHIVE_ZIP, 2, NULL, NULL, 0);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        expect(job_post(&s, cases[i].job, "data", b.data, b.n), cases[i].status, cases[i].text);
    expect(job_post(&s, JOB(""), "img", b.data, b.n), 400, "no examples came");
    free(b.data);
}

static void refuse(struct bytes b, int status, const char *words)
{
    expect(job_post(&s, JOB(""), "data", b.data, b.n), status, words);
    free(b.data);
}

TEST(data_nobody_can_learn_from_are_refused_with_words)
{
    size_t n, whole;
    void *other = stripes(20, true, 1, &n);
    char *cut = stripes(16, true, 1, &whole);
    struct bytes b = {0};
    struct archive_out *out = archive_create(ARCHIVE_ZIP, bytes_put, &b);
    expect(job_post(&s, JOB(""), "data", "", 0), 400, "0 bytes");
    expect(job_post(&s, JOB(""), "data", "stripes", 7), 415, "no archive");
    OK(archive_add(out, "x/1.ppm", cut, whole));
    OK(archive_end(out, true));
    refuse(b, 422, "one class, x");
    b = (struct bytes){0};
    out = archive_create(ARCHIVE_TAR, bytes_put, &b);
    OK(archive_add(out, "readme.txt", "hi", 2));
    OK(archive_end(out, true));
    refuse(b, 422, "no picture stands in a folder");
    refuse(stripes_album(ARCHIVE_ZIP, 2, "set/lying/z.ppm", other, n), 422, "z.ppm is 20x20");
    refuse(stripes_album(ARCHIVE_ZIP, 2, "set/lying/z.ppm", "", 0), 400,
           "z.ppm: there are no bytes");
    refuse(stripes_album(ARCHIVE_TAR_GZ, 2, "set/lying/z.txt", "words", 5), 415, "z.txt: ");
    refuse(stripes_album(ARCHIVE_ZIP, 2, "../../z.ppm", cut, whole), 400,
           "leads out of the archive");
    refuse(stripes_album(ARCHIVE_TAR, 2, "/z.ppm", cut, whole), 400, "z.ppm: its name");
    b = stripes_album(ARCHIVE_TAR_GZ, 20, NULL, NULL, 0);
    b.n /= 2;
    refuse(b, 400, "archive");
    b = (struct bytes){0};
    out = archive_create(ARCHIVE_TAR_GZ, bytes_put, &b);
    void *zeros = calloc(1, 30 << 20);
    OK(archive_add(out, "x/1.ppm", zeros, 30 << 20));
    free(zeros);
    OK(archive_end(out, true));
    refuse(b, 422, "come out of");
    free(other);
    free(cut);
}

TEST(targets_fit_what_comes_out)
{
    static const char job[] =
        "{\"type\":\"learn\",\"pipeline\":[{\"op\":\"conv\",\"weight\":{\"init\":\"he_normal\","
        "\"out_channels\":3,\"kernel_size\":3},\"padding\":\"same\"}]}";
    for (int wrong = 0; wrong < 2; wrong++) {
        struct bytes b = {0};
        struct archive_out *out = archive_create(ARCHIVE_ZIP, bytes_put, &b);
        stripes_add(out, "input/1.ppm", 12, 1);
        stripes_add(out, "target/1.ppm", wrong ? 12 : 10, 1);
        stripes_add(out, "input/2.ppm", 12, 1);
        if (!wrong) stripes_add(out, "target/2.ppm", 12, 1);
        OK(archive_end(out, true));
        expect(job_post(&s, job, "data", b.data, b.n), 422,
               wrong ? "input/2.ppm has no partner in target/"
                     : "the target of input/1.ppm is 10x10");
        free(b.data);
    }
}

/* ---- the process ends ---- */

static struct answer weights_of(const char *name)
{
    char path[100];
    snprintf(path, sizeof path, "/v1/pipelines/%s/weights", name);
    struct answer a = get(&s, path);
    EQ(200, a.status);
    return a;
}

/* The last whole event of a stream that was left. */
struct heard {
    uint64_t id;
    int epoch;
};

/* Waits for an epoch's row of the curve; the caller frees. */
static char *first_row(const char *job, struct heard *heard)
{
    char text[256], *from = NULL, *row = NULL;
    static char got[65536];
    size_t n = 0;
    int fd = raw_connect(&s);
    int m = snprintf(text, sizeof text, "GET %s/events HTTP/1.1\r\nHost: x\r\n\r\n", job);
    OK(raw_send(fd, text, (size_t)m));
    for (ssize_t more;
         !row && n < sizeof got - 1 && (more = read(fd, got + n, sizeof got - 1 - n)) > 0;) {
        n += (size_t)more;
        got[n] = 0;
        from = strstr(got, "{\"epoch\":1,");
        if (from && strchr(from, '}') && strstr(from, "{\"epoch\":3,"))
            row = strndup(from, (size_t)(strchr(from, '}') - from + 1));
    }
    close(fd);
    OK(row != NULL);
    *heard = (struct heard){0};
    for (char *at = got; (at = strstr(at, "\nid: "));) {
        char *end = strstr(at, "\n\n"), *epoch = strstr(at, "{\"epoch\":");
        if (!end) break;
        heard->id = strtoull(at + 5, NULL, 10);
        if (epoch && epoch < end) heard->epoch = atoi(epoch + 9);
        at = end;
    }
    return row;
}

/* Who comes back with the last id it has heard hears the rest, and each once. */
static void hears_the_rest(const char *job, struct heard heard, int epochs)
{
    char line[64];
    uint64_t before = heard.id;
    snprintf(line, sizeof line, "Last-Event-ID: %llu", (unsigned long long)heard.id);
    struct answer a = fetch(&s, &(struct fetch){.path = job_at(job, "events"), .headers = {line}});
    EQ(200, a.status);
    for (const char *at = a.body; (at = strstr(at, "id: ")); at++) {
        uint64_t id = strtoull(at + 4, NULL, 10);
        if (id <= before)
            T_FAIL("%llu after %llu", (unsigned long long)id, (unsigned long long)before);
        before = id;
    }
    int epoch = heard.epoch;
    for (const char *at = a.body; (at = strstr(at, "{\"epoch\":")); at++) EQ(++epoch, atoi(at + 9));
    EQ(epochs, epoch);
    OK(answer_has(&a, "\"state\":\"succeeded\""));
    answer_release(&a);
}

TEST(a_killed_job_goes_on_from_its_last_epoch_to_the_same_weights)
{
#define LONG ",\"epochs\":250,\"shuffle\":true,\"augment\":{\"noise\":2}"
    const char *whole = start(JOB(LONG ",\"save_as\":\"whole\""), ARCHIVE_ZIP);
    job_wait(&s, whole, "succeeded");
    const char *job = start(JOB(LONG ",\"save_as\":\"resumed\""), ARCHIVE_ZIP);
    struct heard heard, more;
    char *row = first_row(job, &heard);
    kill(s.pid, SIGKILL);
    server_wait(&s, 10);
    s = SERVER("--data", data);
    free(first_row(job, &more)); /* listeners hear of the epochs before */
    EQ(0, server_stop(&s));      /* in good order */
    s = SERVER("--data", data);
    hears_the_rest(job, heard, 250);
    job_wait(&s, job, "succeeded");
    struct answer result = get(&s, job_at(job, "result"));
    if (!answer_has(&result, row)) T_FAIL("learned anew: no %s in %.400s", row, result.body);
    EQ(250, count(result.body, "{\"epoch\":"));
    struct answer a = weights_of("whole"), b = weights_of("resumed");
    EQ(a.body_n, b.body_n);
    OK(memcmp(a.body, b.body, a.body_n) == 0);
    answer_release(&result);
    answer_release(&a);
    answer_release(&b);
    free(row);
}

TEST(weights_of_all_saved_pipelines_have_a_limit)
{
    EQ(0, server_stop(&s));
    s = SERVER("--data", data, "--pipeline-memory", "1Ki");
    answers("/stripes", true); /* what was saved stays */
    const char *job = start(JOB(",\"epochs\":1,\"save_as\":\"more\""), ARCHIVE_ZIP);
    job_wait(&s, job, "failed");
    expect(get(&s, job_at(job, "result")), 507, "--pipeline-memory");
    expect(get(&s, "/v1/pipelines/more"), 404, NULL);
}

int main(void)
{
    snprintf(data, sizeof data, "/tmp/convd-learn-XXXXXX");
    if (!mkdtemp(data)) return 1;
    s = SERVER("--data", data);
    int failed = _cmocka_run_group_tests("http/learn", t_tests, t_count, NULL, NULL);
    int code = server_stop(&s);
    char command[128];
    snprintf(command, sizeof command, "rm -rf %s", data);
    return failed || code != 0 || system(command) != 0;
}
