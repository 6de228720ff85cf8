/* serve.c: start, the main thread's round of chores, and an orderly end. */
#include "serve.h"
#include "clock.h"
#include "cmd.h"
#include "http.h"
#include <arpa/inet.h>
#include <errno.h>
#include <grp.h>
#include <netdb.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#define ROUND_MS   250  /* how often the main thread looks around               */
#define IDLE_MS    1000 /* memory that nobody used for this long goes back      */
#define BACKLOG    1024
#define LAST_WORDS 5000 /* ms that answers under way may take after the drain   */

/* Splits HOST:PORT, [V6]:PORT or :PORT. */
static bool split_address(const char *listen, char host[256], const char **port)
{
    const char *colon = strrchr(listen, ':');
    if (!colon || !colon[1] || colon - listen >= 256) return false;
    size_t n = (size_t)(colon - listen);
    bool bracketed = n >= 2 && listen[0] == '[' && listen[n - 1] == ']';
    memcpy(host, listen + bracketed, n - 2 * bracketed);
    host[n - 2 * bracketed] = 0;
    *port = colon + 1;
    return true;
}

static int open_listener(struct server *s)
{
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE | AI_NUMERICSERV},
                    *list = NULL;
    char host[256];
    const char *port, *listen_to = s->settings->listen, *why = "not HOST:PORT";
    int fd = -1, on = 1;
    if (split_address(listen_to, host, &port)) {
        int rc = getaddrinfo(host[0] ? host : NULL, port, &hints, &list);
        why = rc ? gai_strerror(rc) : NULL;
    }
    for (struct addrinfo *a = list; a && fd < 0; a = a->ai_next) {
        fd = socket(a->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        if (fd < 0) continue;
        setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
        if (bind(fd, a->ai_addr, a->ai_addrlen) == 0 && listen(fd, BACKLOG) == 0) break;
        why = strerror(errno);
        close(fd);
        fd = -1;
    }
    if (list) freeaddrinfo(list);
    if (fd < 0) cmd_say(NULL, "cannot listen on %s: %s", listen_to, why ? why : strerror(errno));
    return fd;
}

/* Writes the address that is really listened on, as one would type it. */
static void name_address(struct server *s, int fd)
{
    struct sockaddr_storage at;
    socklen_t n = sizeof at;
    char host[INET6_ADDRSTRLEN] = "localhost";
    unsigned port = 0;
    if (getsockname(fd, (struct sockaddr *)&at, &n) != 0) return;
    if (at.ss_family == AF_INET6) {
        const struct sockaddr_in6 *in = (const void *)&at;
        inet_ntop(AF_INET6, &in->sin6_addr, host, sizeof host);
        port = ntohs(in->sin6_port);
    } else {
        const struct sockaddr_in *in = (const void *)&at;
        inet_ntop(AF_INET, &in->sin_addr, host, sizeof host);
        port = ntohs(in->sin_port);
    }
    snprintf(s->address, sizeof s->address, strchr(host, ':') ? "[%s]:%u" : "%s:%u", host, port);
}

/* Root is given up once the port is open. */
static bool drop_root(struct server *s)
{
    const char *user = s->settings->user;
    if (geteuid() != 0) return true;
    if (!user[0]) {
        log_say(&s->log, LOG_WARN,
                "running as root; --user NAME gives that up once the port is open");
        return true;
    }
    const struct passwd *p = getpwnam(user);
    if (!p) {
        cmd_say(NULL, "no user is called %s", user);
        return false;
    }
    if (setgroups(0, NULL) == 0 && setgid(p->pw_gid) == 0 && setuid(p->pw_uid) == 0 &&
        setuid(0) != 0)
        return true;
    cmd_say(NULL, "cannot become %s: %s", user, strerror(errno));
    return false;
}

/* Descriptors for every connection, and a few. */
static void raise_limits(struct server *s)
{
    struct rlimit r;
    rlim_t want = s->settings->max_connections + 256;
    if (getrlimit(RLIMIT_NOFILE, &r) != 0) return;
    if (r.rlim_cur < want) {
        r.rlim_cur = r.rlim_max < want ? r.rlim_max : want;
        setrlimit(RLIMIT_NOFILE, &r);
        if (r.rlim_cur < want)
            log_say(&s->log, LOG_WARN,
                    "only %llu descriptors may be open, --max-connections is %zu",
                    (unsigned long long)r.rlim_cur, s->settings->max_connections);
    }
    setrlimit(RLIMIT_CORE, &(struct rlimit){0, 0}); /* pictures of strangers do not go to disk */
}

static void say_listening(const struct server *s)
{
    fprintf(stderr,
            "convd: listening on http://%s\n"
            "convd: try  curl -F img=@photo.png http://%s/edges -o edges.png\n"
            "convd: or open http://%s/ in a browser\n",
            s->address, s->address, s->address);
}

/* One look around: deadlines, and memory that nobody needs. */
static void chores(struct server *s)
{
    deadlines_tick(&s->deadlines);
    jobs_tick(&s->jobs);
    if (workers_busy(&s->workers) == 0) memory_trim(s->memory, clock_ms() - IDLE_MS);
}

/* Waits one round; returns the signal that came, or 0. */
static int wait_round(const sigset_t *set)
{
    int got = sigtimedwait(set, NULL, &(struct timespec){.tv_nsec = ROUND_MS * 1000000L});
    return got > 0 ? got : 0;
}

/* Whether work, or a connection in one of these states, waits for an answer. */
static bool owed(struct server *s, unsigned states)
{
    return workers_busy(&s->workers) > 0 || jobs_running(&s->jobs) > 0 || deadlines_in(&s->deadlines, states) > 0;
}

/* Goes on answering until running work is done and the delay has passed; then lets answers under way go out.
 * False when a second signal says at once. */
static bool drain(struct server *s, const sigset_t *set)
{
    const unsigned accepted = 1u << CONNECTION_BODY | 1u << CONNECTION_WAITING;
    const unsigned under_way = accepted | 1u << CONNECTION_HEADERS | 1u << CONNECTION_SWALLOW |
                               1u << CONNECTION_SENDING | 1u << CONNECTION_STREAM |
                               1u << CONNECTION_LINGER;
    int64_t began = clock_ms();
    atomic_store(&s->draining, true);
    jobs_stop(&s->jobs);
    log_say(&s->log, LOG_INFO, "draining: new work is refused, %zu requests go on",
            workers_busy(&s->workers));
    while (owed(s, accepted) || clock_ms() - began < s->settings->drain_delay) {
        if (wait_round(set)) return false;
        chores(s);
    }
    http_quiesce(s->http);
    began = clock_ms();
    while (owed(s, under_way) && clock_ms() - began < LAST_WORDS + s->settings->timeout) {
        if (wait_round(set)) return false;
        chores(s);
    }
    return workers_busy(&s->workers) == 0; /* the library must not be stopped above a request */
}

static int serve_until_told(struct server *s, const sigset_t *set)
{
    say_listening(s);
    while (!wait_round(set)) chores(s);
    if (!drain(s, set)) {
        log_say(&s->log, LOG_WARN, "stopping at once: %zu requests are lost",
                workers_busy(&s->workers));
        _exit(1);
    }
    http_stop(s->http);
    log_say(&s->log, LOG_INFO, "stopped");
    return 0;
}

/* What the parts share. False after a line in the log. */
static bool prepare(struct server *s, const struct settings *settings)
{
    s->own = *settings;
    s->settings = &s->own;
    s->log.format = settings->log_format;
    s->started = clock_ms();
    if (getrandom(&s->seed, sizeof s->seed, 0) != sizeof s->seed) s->seed = (uint64_t)clock_ns();
    struct convd_faults *f = convd_faults_new();
    struct api_library *library = f ? api_library_new(f) : NULL;
    saved_init(&s->saved, library);
    s->saved.most = settings->pipeline_memory;
    if (!library) {
        const struct convd_fault *first = f ? convd_faults_first(f) : NULL;
        cmd_say(NULL, "the built-in pipelines: %s", first ? first->detail : "no memory");
    }
    convd_faults_free(f);
    s->memory = memory_new(settings->memory_budget);
    if (s->memory && s->own.max_memory > memory_promise_most(s->memory))
        s->own.max_memory = memory_promise_most(s->memory);
    s->limits = settings_limits(s->settings);
    s->images = images_new(settings->image_memory, settings->image_ttl);
    s->pool = convd_pool_new(settings->workers);
    workers_init(&s->workers, s, settings->queue_depth);
    jobs_init(&s->jobs, s);
    deadlines_init(&s->deadlines, s);
    return library && s->memory && s->images && s->pool;
}

int serve(const struct settings *settings)
{
    struct server *s = calloc(1, sizeof *s);
    sigset_t set;
    int code = 1, listener = -1;
    if (!s) return code;
    /* every thread inherits this: signals are the main thread's */
    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    pthread_sigmask(SIG_BLOCK, &set, NULL);
    signal(SIGPIPE, SIG_IGN);

    if (prepare(s, settings)) {
        raise_limits(s);
        listener = open_listener(s);
    }
    if (listener >= 0) {
        name_address(s, listener);
        if (drop_root(s) && jobs_start(&s->jobs)) s->http = http_start(s, listener);
        if (s->http)
            code = serve_until_told(s, &set);
        else
            close(listener);
    }
    jobs_release(&s->jobs);
    convd_pool_free(s->pool);
    saved_release(&s->saved);
    deadlines_release(&s->deadlines);
    workers_release(&s->workers);
    images_free(s->images);
    memory_free(s->memory);
    free(s);
    return code;
}
