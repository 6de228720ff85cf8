/* soak.c: 16 connections for a while, good and bad requests mixed, and /healthz beside them. Prints what was
 * answered, how long it took, and the daemon's memory early and late. Exit code 1 when an answer was not the
 * one deserved.
 *
 *   make
 *   gcc -std=gnu11 -D_GNU_SOURCE -O2 -I. -o build/soak tests/bench/soak.c tests/http/lib_server.c \
 *       -lcmocka -lcurl -pthread
 *   build/soak [SECONDS [CONNECTIONS [--flags of serve]]] */
#include "tests/t.h"
#include "tests/http/lib_server.h"
#include <pthread.h>
#include <stdatomic.h>
#include <unistd.h>

#define MOST 2000000

static const struct kind {
    const char *method_path, *type, *file;
    size_t cut; /* bytes of the file that are sent; 0: all */
    int status;
} kinds[] = {
    {"POST /edges", "image/png", "images/photos/astronaut.png", 0, 200},
    {"POST /edges?format=jpeg", "image/jpeg", "images/photos/astronaut_444.jpg", 0, 200},
    {"POST /grayscale/sobel_x/abs/max_pool:2", "image/webp", "images/photos/astronaut.webp", 0,
     200},
    {"POST /orientation", "image/jpeg", "images/photos/astronaut_422.jpg", 0, 200},
    {"POST /gaussian:9,2?format=webp", "image/png", "images/photos/astronaut.png", 0, 200},
    {"POST /edges?format=npy", "image/png", "images/photos/astronaut.png", 0, 200},
    {"POST /edges", "image/png", "hostile/good.png", 0, 200},
    {"POST /edgez", "image/png", "hostile/good.png", 0, 404},
    {"POST /max_pool:0", "image/png", "hostile/good.png", 0, 422},
    {"POST /edges", "image/png", "images/photos/astronaut.png", 5000, 400},
    {"POST /edges", "text/plain", "hostile/requests.tsv", 0, 415},
    {"POST /v1/run", "application/json", "hostile/json_trailing.json", 0, 400},
    {"GET /v1/ops", NULL, NULL, 0, 200},
    {"GET /nothing", NULL, NULL, 0, 404},
};
#define KINDS (sizeof kinds / sizeof *kinds)

static struct {
    char *data;
    size_t n;
} messages[KINDS];
static float *took[KINDS];
static atomic_size_t counts[KINDS], wrong, lost;
static atomic_bool stop;
static struct server s;
static double worst_health;

static void prepare(size_t k)
{
    size_t n = 0;
    char *file = kinds[k].file ? t_file(kinds[k].file, &n) : NULL, head[512];
    if (kinds[k].cut && kinds[k].cut < n) n = kinds[k].cut;
    int head_n =
        file ? snprintf(head, sizeof head,
                        "%s HTTP/1.1\r\nHost: x\r\nContent-Type: %s\r\nContent-Length: %zu\r\n\r\n",
                        kinds[k].method_path, kinds[k].type, n)
             : snprintf(head, sizeof head, "%s HTTP/1.1\r\nHost: x\r\n\r\n", kinds[k].method_path);
    messages[k].n = (size_t)head_n + n;
    messages[k].data = malloc(messages[k].n);
    memcpy(messages[k].data, head, (size_t)head_n);
    if (n) memcpy(messages[k].data + head_n, file, n);
    free(file);
    took[k] = malloc(MOST / KINDS * sizeof(float));
}

static void *client(void *arg)
{
    size_t turn = (size_t)(uintptr_t)arg;
    int fd = -1;
    while (!atomic_load(&stop)) {
        size_t k = turn++ % KINDS;
        if (fd < 0) fd = raw_connect(&s);
        double began = now();
        bool sent = raw_send(fd, messages[k].data, messages[k].n);
        struct answer a = raw_read(fd, 30);
        float ms = (float)((now() - began) * 1e3);
        if (a.status <= 0 || !sent) {
            atomic_fetch_add(&lost, 1);
        } else if (a.status != kinds[k].status) {
            if (atomic_fetch_add(&wrong, 1) < 5)
                fprintf(stderr, "%s: %d %.200s\n", kinds[k].method_path, a.status, a.body);
        }
        size_t i = atomic_fetch_add(&counts[k], 1);
        if (i < MOST / KINDS) took[k][i] = ms;
        const char *connection = answer_header(&a, "Connection");
        if (a.status <= 0 || !sent || (connection && strcmp(connection, "close") == 0)) {
            close(fd);
            fd = -1;
        }
        answer_release(&a);
    }
    if (fd >= 0) close(fd);
    return NULL;
}

static void *health(void *arg)
{
    while (!atomic_load(&stop)) {
        struct answer a =
            raw_text(&s, "GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
        if (a.status != 200) atomic_fetch_add(&wrong, 1);
        if (a.seconds > worst_health) worst_health = a.seconds;
        answer_release(&a);
        usleep(20000);
    }
    return arg;
}

static int ascending(const void *a, const void *b)
{
    float x = *(const float *)a, y = *(const float *)b;
    return (x > y) - (x < y);
}

static void report(size_t k)
{
    size_t n = atomic_load(&counts[k]);
    if (n > MOST / KINDS) n = MOST / KINDS;
    if (!n) return;
    qsort(took[k], n, sizeof(float), ascending);
    printf("%-42s %4d %7zu   p50 %7.2f ms   p99 %7.2f ms   worst %7.2f ms\n", kinds[k].method_path,
           kinds[k].status, n, (double)took[k][n / 2], (double)took[k][n * 99 / 100],
           (double)took[k][n - 1]);
}

int main(int argc, char **argv)
{
    double seconds = argc > 1 ? atof(argv[1]) : 60;
    size_t connections = argc > 2 ? (size_t)atoi(argv[2]) : 16, early = 0, late = 0, all = 0;
    const char *flags[16] = {NULL};
    for (int i = 3; i < argc && i < 18; i++) flags[i - 3] = argv[i];
    pthread_t threads[1024], beside;
    for (size_t k = 0; k < KINDS; k++) prepare(k);
    s = server_start(flags);
    double began = now();
    pthread_create(&beside, NULL, health, NULL);
    for (size_t i = 0; i < connections; i++)
        pthread_create(&threads[i], NULL, client, (void *)(uintptr_t)(i * 5));
    while (now() - began < seconds) {
        usleep(100000);
        if (!early && now() - began >= seconds / 6) early = server_resident(&s);
    }
    late = server_resident(&s);
    atomic_store(&stop, true);
    for (size_t i = 0; i < connections; i++) pthread_join(threads[i], NULL);
    pthread_join(beside, NULL);
    for (size_t k = 0; k < KINDS; k++) {
        report(k);
        all += counts[k];
    }
    int code = server_stop(&s);
    printf("%zu requests, %.0f a second; %zu wrong, %zu lost; memory %.1f MB after %.0f s, %.1f MB "
           "after %.0f s; /healthz at worst %.1f ms; exit %d\n",
           all, (double)all / seconds, (size_t)wrong, (size_t)lost, (double)early / 1e6,
           seconds / 6, (double)late / 1e6, seconds, worst_health * 1e3, code);
    return wrong || lost || code;
}
