/* load.c: many at once: room, refusals, memory, and an orderly end. */
#include "../t.h"
#include "lib_server.h"
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/socket.h>
#include <unistd.h>

#define HOST "Host: x\r\n"
/* A request that takes many seconds on any machine: 8e11 multiply-adds that no trick separates. */
#define LONG_WORK                                                                                  \
    "/resize:2000x2000/gabor:129,20,30/gabor:129,20,50/gabor:129,20,70/"                           \
    "gabor:129,20,110?format=json"

static void *picture;
static size_t picture_n;

static int start_work(const struct server *to, const char *path)
{
    char head[512];
    int fd = raw_connect(to),
        n = snprintf(head, sizeof head, "POST %s HTTP/1.1\r\n" HOST "Content-Length: %zu\r\n\r\n",
                     path, picture_n);
    raw_send(fd, head, (size_t)n);
    raw_send(fd, picture, picture_n);
    return fd;
}

/* ---- many clients ---- */

struct client {
    const struct server *s;
    pthread_t thread;
    int rounds;
    atomic_bool *stop;
    int counts[600], lost;
    double worst;
};

static void *send_pictures(void *arg)
{
    struct client *c = arg;
    static const char *const paths[] = {
        "/edges", "/grayscale/sobel_x/abs", "/max_pool:2?format=jpeg",
        "/nope",  "/orientation",           "/median"};
    for (int i = 0; i < c->rounds && !atomic_load(c->stop); i++) {
        struct answer a = fetch(
            c->s, &(struct fetch){.path = paths[i % 6], .body = picture, .body_n = picture_n});
        if (a.status > 0 && a.status < 600)
            c->counts[a.status]++;
        else
            c->lost++;
        if (a.seconds > c->worst) c->worst = a.seconds;
        answer_release(&a);
    }
    return NULL;
}

static void start(struct client *c, size_t n, const struct server *s, int rounds, atomic_bool *stop)
{
    for (size_t i = 0; i < n; i++) {
        c[i] = (struct client){.s = s, .rounds = rounds, .stop = stop};
        if (pthread_create(&c[i].thread, NULL, send_pictures, &c[i]) != 0) T_FAIL("no thread");
    }
}

static int sum(const struct client *c, size_t n, int status)
{
    int all = 0;
    for (size_t i = 0; i < n; i++) all += status ? c[i].counts[status] : c[i].lost;
    return all;
}

TEST(sixteen_clients_get_what_each_asked_for)
{
    struct server s = SERVER(NULL);
    struct client c[16];
    atomic_bool stop = false;
    start(c, 16, &s, 60, &stop);
    double worst = 0;
    for (int i = 0; i < 20; i++) { /* alive throughout */
        struct answer a = get(&s, "/healthz");
        EQ(200, a.status);
        if (a.seconds > worst) worst = a.seconds;
        answer_release(&a);
        usleep(20000);
    }
    for (int i = 0; i < 16; i++) pthread_join(c[i].thread, NULL);
    EQ(16 * 50, sum(c, 16, 200));
    EQ(16 * 10, sum(c, 16, 404));
    EQ(0, sum(c, 16, 0));
    print_message("/healthz beside them: %.1f ms at worst\n", worst * 1e3);
    OK(becomes(&s, "convd_workers_busy", 0, 5));
    EQ(0, server_stop(&s));
}

TEST(a_full_queue_is_said_at_once)
{
    struct server s = SERVER("--workers", "1", "--queue-depth", "2", "--timeout", "60s");
    int held[3];
    held[0] = start_work(&s, LONG_WORK);
    OK(becomes(&s, "convd_workers_busy", 1, 5));
    held[1] = start_work(&s, "/grayscale");
    held[2] = start_work(&s, "/grayscale");
    OK(becomes(&s, "convd_queue_depth", 2, 5));
    for (int i = 0; i < 5; i++) {
        struct answer a =
            fetch(&s, &(struct fetch){.path = "/edges", .body = picture, .body_n = picture_n});
        EQ(503, a.status);
        OK(answer_has(&a, "\"code\":\"queue-full\""));
        STR("1", answer_header(&a, "Retry-After"));
        answer_release(&a);
        a = get(&s, "/healthz"); /* all workers are busy */
        EQ(200, a.status);
        answer_release(&a);
        a = get(&s, "/v1/ops");
        EQ(200, a.status);
        answer_release(&a);
    }
    close(held[0]); /* its work stops, the others get their turn */
    for (int i = 1; i < 3; i++) {
        struct answer a = raw_read(held[i], 30);
        EQ(200, a.status);
        answer_release(&a);
        close(held[i]);
    }
    EQ(0, server_stop(&s));
}

TEST(bodies_under_way_share_a_budget)
{
    struct server s =
        SERVER("--memory-budget", "16Mi", "--max-body", "8Mi", "--body-timeout", "30s");
    /* 4 MiB are for uploads: three bodies of 1 MiB that are nearly there leave no room for one of 2 MiB */
    static char block[1 << 20];
    int held[3];
    for (int i = 0; i < 3; i++) {
        static const char head[] =
            "POST /grayscale HTTP/1.1\r\n" HOST "Content-Length: 1048576\r\n\r\n";
        held[i] = raw_connect(&s);
        raw_send(held[i], head, sizeof head - 1);
        raw_send(held[i], block, sizeof block - 10);
    }
    OK(becomes(&s, "convd_memory_bytes{kind=\"uploads\"}", 3 << 20, 10));
    struct answer a =
        raw_text(&s, "POST /grayscale HTTP/1.1\r\n" HOST "Content-Length: 2097152\r\n\r\n");
    EQ(503, a.status);
    OK(answer_has(&a, "\"code\":\"queue-full\""));
    OK(answer_header(&a, "Retry-After") != NULL);
    answer_release(&a);
    /* one that does not say how much is cut when the budget is used up */
    int fd = raw_connect(&s);
    static const char start_[] =
        "POST /grayscale HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n200000\r\n";
    raw_send(fd, start_, sizeof start_ - 1);
    raw_send(fd, block, sizeof block);
    raw_send(fd, block, sizeof block);
    a = raw_read(fd, 10);
    EQ(503, a.status);
    answer_release(&a);
    close(fd);
    for (int i = 0; i < 3; i++) { /* those that were let in are served */
        raw_send(held[i], block, 10);
        a = raw_read(held[i], 10);
        EQ(415, a.status);
        answer_release(&a);
        close(held[i]);
    }
    OK(becomes(&s, "convd_memory_bytes{kind=\"uploads\"}", 0, 5));
    EQ(0, server_stop(&s));
}

TEST(runs_wait_for_memory_and_none_starves)
{
    /* each run is promised some tens of MiB of 48: they take turns */
    struct server s = SERVER("--memory-budget", "64Mi", "--workers", "4");
    int held[12];
    for (int i = 0; i < 12; i++)
        held[i] =
            start_work(&s, i % 3 == 2 ? "/grayscale" : "/resize:1400x1400/median:3?format=json");
    for (int i = 0; i < 12; i++) {
        struct answer a = raw_read(held[i], 60);
        if (a.status != 200) T_FAIL("request %d: %d %s", i, a.status, a.body);
        answer_release(&a);
        close(held[i]);
    }
    OK(becomes(&s, "convd_memory_bytes{kind=\"promised\"}", 0, 5));
    OK(becomes(&s, "convd_queue_depth", 0, 5));
    struct answer a = fetch(&s, &(struct fetch){.path = "/resize:4000x4000?format=npy",
                                                .body = picture,
                                                .body_n = picture_n});
    EQ(422, a.status); /* would never fit */
    OK(answer_has(&a, "\"code\":\"too-much-memory\""));
    answer_release(&a);
    EQ(0, server_stop(&s));
}

TEST(memory_goes_back_when_nothing_happens)
{
    struct server s = SERVER(NULL);
    size_t before = server_resident(&s);
    int held[4];
    for (int i = 0; i < 4; i++) held[i] = start_work(&s, "/resize:2500x2500?format=npy");
    for (int i = 0; i < 4; i++) {
        struct answer a = raw_read(held[i], 60);
        EQ(200, a.status);
        EQ(128 + 4 * 3 * 2500 * 2500, a.body_n);
        answer_release(&a);
        close(held[i]);
    }
    size_t after = 0;
    for (double end = now() + 10; now() < end; usleep(100000))
        if ((after = server_resident(&s)) <= before + (32u << 20)) break;
    if (after > before + (32u << 20)) T_FAIL("%zu bytes before, %zu after", before, after);
    OK(falls_to(&s, "convd_memory_bytes{kind=\"cached\"}", 1 << 20,
                5)); /* what this very question needs is kept for the next one */
    EQ(0, server_stop(&s));
}

TEST(too_many_connections_are_told)
{
    struct server s = SERVER("--max-connections", "20", "--header-timeout", "10s");
    int held[24];
    for (int i = 0; i < 24; i++) held[i] = raw_connect(&s);
    struct answer a = {0};
    for (int i = 0; i < 50; i++) { /* until all are accepted */
        answer_release(&a);
        a = fetch(&s, &(struct fetch){.path = "/grayscale", .body = picture, .body_n = picture_n});
        if (a.status == 503) break;
        usleep(20000);
    }
    EQ(503, a.status);
    answer_release(&a);
    a = get(&s, "/healthz");
    EQ(200, a.status);
    answer_release(&a);
    for (int i = 0; i < 24; i++) close(held[i]);
    for (int i = 0; i < 50; i++) {
        a = fetch(&s, &(struct fetch){.path = "/grayscale", .body = picture, .body_n = picture_n});
        int status = a.status;
        answer_release(&a);
        if (status == 200) break;
        if (i == 49) T_FAIL("still %d", status);
        usleep(20000);
    }
    EQ(0, server_stop(&s));
}

/* ---- the end ---- */

TEST(a_drain_loses_nothing_that_was_accepted)
{
    struct server s = SERVER("--drain-delay", "1s");
    struct client c[8];
    atomic_bool stop = false;
    /* a body that is half there, and work that takes a while */
    char head[256];
    int n = snprintf(head, sizeof head,
                     "POST /grayscale HTTP/1.1\r\n" HOST "Content-Length: %zu\r\n\r\n", picture_n),
        half = raw_connect(&s);
    raw_send(half, head, (size_t)n);
    raw_send(half, picture, picture_n / 2);
    int work = start_work(&s, "/resize:1500x1500/gaussian:65,9/median:9?format=json");
    start(c, 8, &s, 100000, &stop);
    usleep(400000);
    kill(s.pid, SIGTERM);
    usleep(300000);
    struct answer a = get(&s, "/readyz"); /* still listening */
    EQ(503, a.status);
    OK(answer_has(&a, "\"code\":\"draining\""));
    STR("close", answer_header(&a, "Connection"));
    answer_release(&a);
    a = get(&s, "/healthz");
    EQ(200, a.status);
    answer_release(&a);
    a = fetch(&s, &(struct fetch){.path = "/edges", .body = picture, .body_n = picture_n});
    EQ(503, a.status);
    OK(answer_has(&a, "\"code\":\"draining\""));
    STR("close", answer_header(&a, "Connection"));
    OK(answer_header(&a, "Retry-After") != NULL);
    answer_release(&a);
    atomic_store(&stop, true);
    for (int i = 0; i < 8; i++) pthread_join(c[i].thread, NULL);
    EQ(0, sum(c, 8, 0)); /* every request had its answer */
    OK(sum(c, 8, 200) > 0);
    usleep(1200000); /* longer than the delay: it is still waited for */
    raw_send(half, (char *)picture + picture_n / 2, picture_n - picture_n / 2);
    a = raw_read(half, 20);
    EQ(200, a.status);
    answer_release(&a);
    a = raw_read(work, 60);
    EQ(200, a.status);
    answer_release(&a);
    EQ(0, server_wait(&s, 60));
    close(half);
    close(work);
}

TEST(an_idle_server_stops_after_the_delay)
{
    struct server s = SERVER("--drain-delay", "0");
    int idle = raw_connect(&s);
    usleep(100000);
    double began = now();
    EQ(0, server_stop(&s));
    OK(now() - began < 5);
    close(idle);
}

TEST(a_second_signal_stops_at_once)
{
    struct server s = SERVER("--workers", "1", "--timeout", "60s");
    int fd = start_work(&s, LONG_WORK);
    OK(becomes(&s, "convd_workers_busy", 1, 5));
    kill(s.pid, SIGTERM);
    EQ(-1, server_wait(&s, 1.5));
    double began = now();
    kill(s.pid, SIGTERM);
    EQ(1, server_wait(&s, 10));
    OK(now() - began < 5);
    close(fd);
}

int main(void)
{
    picture = ppm(64, 48, &picture_n);
    int rc = _cmocka_run_group_tests("http/load", t_tests, t_count, NULL, NULL) ? 1 : 0;
    free(picture);
    return rc;
}
