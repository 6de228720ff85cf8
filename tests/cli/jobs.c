/* convd jobs against a running server, from outside. */
#include "../t.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib_child.h"

static char where[128], url[160];
static pid_t daemon_pid;
static int daemon_err = -1;

static void serve(const char *listen, const char *const extra[2])
{
    const char *argv[] = {"convd",
                          "serve",
                          "--listen",
                          listen,
                          "--data",
                          child_path("store"),
                          "--drain-delay",
                          "0",
                          extra ? extra[0] : NULL,
                          extra ? extra[1] : NULL,
                          NULL};
    daemon_pid = child_start(argv, &daemon_err);
    OK(child_ready(daemon_err, where, sizeof where));
    fcntl(daemon_err, F_SETFL, O_NONBLOCK);
    snprintf(url, sizeof url, "http://%s", where);
}

static void stop(int signal)
{
    kill(daemon_pid, signal);
    waitpid(daemon_pid, NULL, 0);
    close(daemon_err);
}

static unsigned char shade(int x, int y, int c)
{
    return (unsigned char)(x * 3 + y * 5 + c * 40);
}

/* Posts a run of a chain on a picture; the job's id, static storage of 4 turns. */
static const char *post(const char *chain, int size)
{
    static char ids[4][33];
    static unsigned turn;
    char job[200], at[200], image[600], *id = ids[turn++ % 4];
    size_t n;
    void *ppm = child_ppm(size, size, shade, &n);
    child_file(child_path("a.ppm"), ppm, n);
    free(ppm);
    snprintf(job, sizeof job, "job={\"type\":\"run\",\"pipeline\":\"%s\"}", chain);
    snprintf(image, sizeof image, "img=@%s", child_path("a.ppm"));
    snprintf(at, sizeof at, "%s/v1/jobs", url);
    struct child c = child_run(
        (const char *const[]){"curl", "-sS", "-F", job, "-F", image, at, NULL}, NULL, 0, NULL);
    const char *from = strstr(c.out, "\"id\":\"");
    if (!from) T_FAIL("%s%s", c.out, c.err);
    snprintf(id, 33, "%s", from + 6);
    child_release(&c);
    return id;
}

#define LONG_RUN "gabor:129,40/gabor:127,40/gabor:125,40/gabor:123,40"

#define JOBS(...) CONVD("jobs", "--url", url, __VA_ARGS__)

static void expect(struct child c, int code, const char *out, const char *err)
{
    if (c.code != code || !strstr(c.out, out) || !strstr(c.err, err))
        T_FAIL("%d: %s--- %s", c.code, c.out, c.err);
    child_release(&c);
}

TEST(it_lists_shows_and_waits)
{
    serve("127.0.0.1:0", NULL);
    expect(JOBS("list"), 0, "no jobs\n", "");
    const char *first = post("edges", 30), *second = post("invert", 20);
    expect(JOBS("wait", first), 0, "succeeded\n", "");
    expect(JOBS("wait", second), 0, "succeeded\n", "");
    struct child c = CONVD("jobs", "--url", url);
    char *a = strstr(c.out, first), *b = strstr(c.out, second);
    OK(a && b && b < a); /* the newest first */
    OK(strncmp(a + 32, "  succeeded  run ", 17) == 0);
    OK(strncmp(c.out, "ID ", 3) == 0);
    child_release(&c);
    expect(JOBS("--limit", "1"), 0, "--limit N shows more", "");
    expect(JOBS("show", first), 0, "progress  1/1\n", "");
    expect(JOBS("show", first, "--json"), 0, "\"state\":\"succeeded\"", "");
    expect(JOBS("--json"), 0, "{\"jobs\":[", "");
    char listen[160];
    snprintf(listen, sizeof listen, "CONVD_LISTEN=%s", where);
    c = child_run((const char *const[]){"convd", "jobs", "show", first, NULL}, NULL, 0,
                  (const char *const[]){listen, NULL});
    expect(c, 0, first, "");
}

TEST(wait_brings_the_result)
{
    char path[600];
    const char *id = post("edges", 30), *out = child_path("out.png");
    expect(JOBS("wait", id, "-o", out), 0, "", "out.png\n");
    struct child ran = CONVD("run", "edges", child_path("a.ppm"), "--format", "png");
    size_t n;
    char *got = t_file(out, &n);
    EQ(ran.out_n, n);
    EQ(0, memcmp(ran.out, got, n));
    free(got);
    struct child c = JOBS("wait", id, "-o", "-");
    EQ(n, c.out_n);
    EQ(0, memcmp(ran.out, c.out, n));
    child_release(&c);
    expect(JOBS("wait", id, "-o", child_dir()), 0, "", ".png\n");
    snprintf(path, sizeof path, "%s/%s.png", child_dir(), id);
    EQ(0, access(path, R_OK));
    expect(JOBS("wait", id, "-o", "/proc/nothing/x"), 1, "", "convd: cannot write /proc/nothing/x");
    child_release(&ran);
}

TEST(cancel_stops_what_runs_and_leaves_what_is_finished)
{
    const char *id = post(LONG_RUN, 1200), *done = post("invert", 10);
    expect(JOBS("cancel", id), 0, "cancelled\n", "");
    expect(JOBS("wait", id), 1, "", "the job is cancelled: it has no result");
    expect(JOBS("wait", done), 0, "succeeded", "");
    expect(JOBS("cancel", done), 1, "", "the job is succeeded already");
    expect(JOBS("show", done), 0, "succeeded", "");
}

/* A batch of n pictures as a tar. */
static const char *post_batch(int n, const char *chain)
{
    static char id[33];
    char command[1200];
    size_t size;
    void *ppm = child_ppm(300, 300, shade, &size);
    child_file(child_path("p.ppm"), ppm, size);
    free(ppm);
    snprintf(
        command, sizeof command,
        "cd %s && for i in $(seq %d); do cp p.ppm p$i.ppm; done && tar cf batch.tar p[0-9]*.ppm "
        "&& curl -sS -F 'job={\"type\":\"batch\",\"pipeline\":\"%s\"}' -F data=@batch.tar "
        "%s/v1/jobs",
        child_dir(), n, chain, url);
    struct child c = child_run((const char *const[]){"sh", "-c", command, NULL}, NULL, 0, NULL);
    const char *from = strstr(c.out, "\"id\":\"");
    if (!from) T_FAIL("%s%s", c.out, c.err);
    snprintf(id, sizeof id, "%s", from + 6);
    child_release(&c);
    return id;
}

TEST(a_terminal_gets_a_bar)
{
    char text[4000];
    if (!child_has_terminal()) skip();
    const char *id = post_batch(30, "gabor:31,9");
    EQ(0, child_on_terminal((const char *const[]){"convd", "jobs", "--url", url, "wait", id, NULL},
                            text, sizeof text));
    OK(strstr(text, "\r\033[K[####"));
    OK(strstr(text, "] 30/30  0 s left"));
    OK(strstr(text, "succeeded"));
}

TEST(it_goes_on_waiting_while_the_server_is_started_anew)
{
    int err;
    char text[8192], again[128];
    const char *id = post_batch(30, "gabor:31,9");
    pid_t pid =
        child_start((const char *const[]){"convd", "jobs", "--url", url, "wait", id, NULL}, &err);
    OK(read(err, text, sizeof text) > 0); /* it listens */
    stop(SIGKILL);
    snprintf(again, sizeof again, "%s", where);
    serve(again, NULL);
    int status = 0;
    waitpid(pid, &status, 0);
    OK(WIFEXITED(status));
    EQ(0, WEXITSTATUS(status));
    close(err);
    expect(JOBS("show", id), 0, "progress  30/30", "");
}

TEST(a_key_is_sent_and_its_lack_is_explained)
{
    stop(SIGTERM);
    const char *keys = child_path("keys"), *argv[2] = {"--api-keys", keys};
    child_file(keys, "open-sesame\n", 12);
    serve("127.0.0.1:0", argv);
    expect(JOBS("list"), 1, "", "convd: no key came; expected Authorization: Bearer KEY");
    expect(JOBS("--key", "open-sesame"), 0, "succeeded", "");
    struct child c = child_run((const char *const[]){"convd", "jobs", "--url", url, NULL}, NULL, 0,
                               (const char *const[]){"CONVD_KEY=open-sesame", NULL});
    expect(c, 0, "succeeded", "");
    stop(SIGTERM);
}

TEST(what_cannot_be_is_said_in_words)
{
    static const char id[] = "0123456789abcdef0123456789abcdef";
    serve("127.0.0.1:0", NULL);
    expect(JOBS("show", id), 1, "", "convd: there is no such job");
    expect(JOBS("wait", id), 1, "", "convd: there is no such job");
    expect(JOBS("cancel", id), 1, "", "convd: there is no such job");
    expect(JOBS("show"), 2, "", "wants the id of a job");
    expect(JOBS("show", "12"), 2, "", "\"12\" is no id");
    expect(JOBS("wiat", id), 2, "", "did you mean wait?");
    expect(JOBS("list", id), 2, "", "what is");
    expect(JOBS("--limit", "x"), 2, "", "no number");
    expect(JOBS("--limit", "0"), 1, "", "1 to 1000");
    stop(SIGTERM);
    expect(JOBS("list"), 1, "", "convd: nothing answers at 127.0.0.1:");
    expect(CONVD("jobs", "--url", "https://x"), 2, "", "is not http://HOST:PORT");
    expect(CONVD("jobs", "--url", "ftp"), 2, "", "is not http://HOST:PORT");
}

T_MAIN("cli/jobs")
