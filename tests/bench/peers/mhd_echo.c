// The HTTP floor: libmicrohttpd takes a POST body and sends the same bytes back. mhd_echo PORT THREADS
#include <microhttpd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
struct body {
    char *p;
    size_t n, cap;
};
static enum MHD_Result on(void *c, struct MHD_Connection *con, const char *url, const char *method,
                          const char *ver, const char *up, size_t *n, void **ctx)
{
    struct body *b = *ctx;
    (void)c;
    (void)url;
    (void)method;
    (void)ver;
    if (!b) {
        *ctx = calloc(1, sizeof *b);
        return *ctx ? MHD_YES : MHD_NO;
    }
    if (*n) {
        if (b->n + *n > b->cap) {
            b->cap = (b->n + *n) * 2;
            char *q = realloc(b->p, b->cap);
            if (!q) return MHD_NO;
            b->p = q;
        }
        memcpy(b->p + b->n, up, *n);
        b->n += *n;
        *n = 0;
        return MHD_YES;
    }
    struct MHD_Response *r = MHD_create_response_from_buffer(b->n, b->p, MHD_RESPMEM_MUST_FREE);
    b->p = 0;
    enum MHD_Result ok = MHD_queue_response(con, 200, r);
    MHD_destroy_response(r);
    return ok;
}
static void done(void *c, struct MHD_Connection *con, void **ctx, enum MHD_RequestTerminationCode t)
{
    struct body *b = *ctx;
    (void)c;
    (void)con;
    (void)t;
    if (b) {
        free(b->p);
        free(b);
        *ctx = 0;
    }
}
int main(int argc, char **argv)
{
    if (argc < 3) return 2;
    struct MHD_Daemon *d =
        MHD_start_daemon(MHD_USE_EPOLL_INTERNAL_THREAD, (uint16_t)atoi(argv[1]), 0, 0, on, 0,
                         MHD_OPTION_NOTIFY_COMPLETED, done, (void *)0, MHD_OPTION_THREAD_POOL_SIZE,
                         (unsigned)atoi(argv[2]), MHD_OPTION_CONNECTION_MEMORY_LIMIT,
                         (size_t)262144, MHD_OPTION_END);
    if (!d) return 1;
    puts("ready");
    fflush(stdout);
    for (;;) pause();
}
