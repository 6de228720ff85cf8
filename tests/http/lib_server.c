/* lib_server.c: see lib_server.h. */
#include "lib_server.h"
#include "tests/t.h"
#include <arpa/inet.h>
#include <curl/curl.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <strings.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static void pause_ms(long ms)
{
    nanosleep(&(struct timespec){.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000}, NULL);
}

/* ---- the daemon ---- */

static void become(const struct server *s, const char *const *words)
{
    const char *program = getenv("CONVD"),
               *argv[32] = {"convd", "serve", "--listen", "127.0.0.1:0"};
    for (size_t n = 4; *words && n < 31; words++) argv[n++] = *words;
    char state[80];
    snprintf(state, sizeof state, "%s.state", s->log);
    setenv("XDG_STATE_HOME", state, 1); /* what it keeps is this test's alone */
    prctl(PR_SET_PDEATHSIG, SIGKILL); /* a test that dies leaves no daemon behind */
    int out = open(s->log, O_WRONLY | O_APPEND);
    dup2(open("/dev/null", O_RDONLY), 0);
    dup2(out, 1);
    dup2(out, 2);
    if (!program) program = "build/convd";
    execv(program, (char **)(uintptr_t)argv);
    dprintf(2, "cannot start %s: %s\n", program, strerror(errno));
    _exit(127);
}

char *server_log(const struct server *s)
{
    return t_file(s->log, NULL);
}

bool server_try(struct server *s, const char *const *words)
{
    *s = (struct server){.log = "/tmp/convd-http-XXXXXX"};
    int fd = mkstemp(s->log);
    if (fd < 0) T_FAIL("no temporary file");
    close(fd);
    fflush(NULL);
    s->pid = fork();
    if (s->pid == 0) become(s, words);
    siginfo_t info = {0}; /* looked at, and left for server_wait */
    for (int i = 0; i < 4000 && !s->port && !info.si_pid; i++) { /* a sanitizer's build takes its time */
        pause_ms(5);
        char *log = server_log(s), *line = strstr(log, "listening on http://127.0.0.1:");
        if (line && strchr(line, '\n'))
            s->port = atoi(line + strlen("listening on http://127.0.0.1:"));
        free(log);
        waitid(P_PID, (id_t)s->pid, &info, WEXITED | WNOHANG | WNOWAIT);
    }
    return s->port != 0;
}

struct server server_start(const char *const *words)
{
    struct server s;
    if (!server_try(&s, words)) {
        char *log = server_log(&s);
        print_error("%s", log);
        free(log);
        T_FAIL("the daemon did not start");
    }
    return s;
}

static int remove_one(const char *path, const struct stat *st, int kind, struct FTW *at)
{
    (void)st, (void)kind, (void)at;
    return remove(path);
}

int server_wait(struct server *s, double seconds)
{
    double end = now() + seconds;
    int status;
    while (waitpid(s->pid, &status, WNOHANG) != s->pid) {
        if (now() > end) return -1;
        pause_ms(10);
    }
    s->pid = 0;
    char *log = server_log(s);
    if (strstr(log, "Sanitizer")) print_error("%s", log);
    free(log);
    unlink(s->log);
    char state[80];
    snprintf(state, sizeof state, "%s.state", s->log);
    nftw(state, remove_one, 8, FTW_DEPTH | FTW_PHYS);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

int server_stop(struct server *s)
{
    kill(s->pid, SIGTERM);
    int code = server_wait(s, 60);
    if (code >= 0) return code;
    kill(s->pid, SIGKILL);
    server_wait(s, 5);
    return -1;
}

size_t server_resident(const struct server *s)
{
    char path[64];
    size_t pages = 0;
    snprintf(path, sizeof path, "/proc/%d/statm", (int)s->pid);
    FILE *f = fopen(path, "r");
    if (f && fscanf(f, "%*s %zu", &pages) != 1) pages = 0;
    if (f) fclose(f);
    return pages * 4096;
}

/* ---- answers ---- */

void answer_release(struct answer *a)
{
    free(a->head);
    free(a->body);
    *a = (struct answer){0};
}

const char *answer_header(const struct answer *a, const char *name)
{
    static char turns[8][1024];
    static unsigned turn;
    size_t n = strlen(name);
    for (const char *line = a->head; line; line = strstr(line, "\r\n")) {
        if (line != a->head) line += 2;
        if (strncasecmp(line, name, n) != 0 || line[n] != ':') continue;
        const char *value = line + n + 1 + strspn(line + n + 1, " ");
        char *out = turns[turn++ % 8];
        snprintf(out, sizeof turns[0], "%.*s", (int)strcspn(value, "\r\n"), value);
        return out;
    }
    return NULL;
}

bool answer_has(const struct answer *a, const char *text)
{
    return a->body && strstr(a->body, text) != NULL;
}

/* ---- bare sockets ---- */

int raw_connect(const struct server *s)
{
    struct sockaddr_in to = {.sin_family = AF_INET,
                             .sin_port = htons((uint16_t)s->port),
                             .sin_addr = {htonl(INADDR_LOOPBACK)}};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), on = 1;
    if (fd < 0 || connect(fd, (struct sockaddr *)&to, sizeof to) != 0)
        T_FAIL("cannot connect: %s", strerror(errno));
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    return fd;
}

bool raw_send(int fd, const void *data, size_t n)
{
    for (size_t at = 0; at < n;) {
        ssize_t sent = send(fd, (const char *)data + at, n - at, MSG_NOSIGNAL);
        if (sent <= 0) return false;
        at += (size_t)sent;
    }
    return true;
}

/* Reads more within the time; 0: the end, -1: nothing in time. */
static ssize_t receive(int fd, char *to, size_t room, double end)
{
    double left = end - now();
    struct pollfd p = {.fd = fd, .events = POLLIN};
    if (left <= 0 || poll(&p, 1, (int)(left * 1000) + 1) <= 0) return -1;
    ssize_t n = recv(fd, to, room, 0);
    return n < 0 ? 0 : n;
}

struct answer raw_read(int fd, double seconds)
{
    struct answer a = {.status = -1};
    double began = now();
    size_t n = 0, room = 1 << 16, body_at = 0, want = SIZE_MAX;
    char *data = malloc(room + 1);
    while (data && n - body_at < want) {
        if (n == room) data = realloc(data, (room *= 2) + 1);
        ssize_t got = receive(fd, data + n, room - n, began + seconds);
        a.closed = got == 0;
        if (got <= 0) break;
        n += (size_t)got;
        data[n] = 0;
        char *end = body_at ? NULL : strstr(data, "\r\n\r\n");
        if (end && strncmp(data, "HTTP/1.1 100", 12) == 0) {
            n -= (size_t)(end + 4 - data);
            memmove(data, end + 4, n + 1);
            end = strstr(data, "\r\n\r\n");
        }
        if (!end) continue;
        body_at = (size_t)(end + 4 - data);
        *end = 0;
        const char *length = strcasestr(data, "\r\nContent-Length:");
        *end = '\r';
        if (length) want = strtoul(length + 17, NULL, 10);
        if (strstr(data, " 304 ") || strstr(data, " 204 ")) want = 0;
    }
    if (!data) abort();
    data[n] = 0;
    if (n > 12 && strncmp(data, "HTTP/1.", 7) == 0)
        a.status = atoi(data + 9);
    else if (a.closed)
        a.status = 0;
    a.head = strndup(data, body_at ? body_at - 2 : n);
    a.body_n = body_at ? n - body_at : 0;
    a.body = malloc(a.body_n + 1);
    if (a.body_n) memcpy(a.body, data + body_at, a.body_n);
    a.body[a.body_n] = 0;
    a.seconds = now() - began;
    free(data);
    return a;
}

struct answer raw(const struct server *s, const void *data, size_t n)
{
    int fd = raw_connect(s);
    raw_send(fd, data, n);
    struct answer a = raw_read(fd, 20);
    close(fd);
    return a;
}

struct answer raw_text(const struct server *s, const char *text)
{
    return raw(s, text, strlen(text));
}

bool raw_closed(int fd, double seconds)
{
    char rest[4096];
    double end = now() + seconds;
    for (ssize_t n; (n = receive(fd, rest, sizeof rest, end)) != 0;)
        if (n < 0) return false;
    return true;
}

/* ---- libcurl ---- */

struct sink {
    char *data;
    size_t n;
};

static size_t keep(char *data, size_t size, size_t count, void *to)
{
    struct sink *s = to;
    size_t n = size * count;
    s->data = realloc(s->data, s->n + n + 1);
    if (!s->data) abort();
    memcpy(s->data + s->n, data, n);
    s->n += n;
    s->data[s->n] = 0;
    return n;
}

static size_t keep_header(char *data, size_t size, size_t count, void *to)
{
    struct sink *s = to;
    if (size * count > 5 && strncmp(data, "HTTP/", 5) == 0)
        s->n = 0; /* what came before was 100 Continue */
    return keep(data, size, count, to);
}

static curl_mime *mime(CURL *c, const struct fetch *f)
{
    curl_mime *m = curl_mime_init(c);
    for (size_t i = 0; i < 8 && f->parts[i].name; i++) {
        curl_mimepart *p = curl_mime_addpart(m);
        curl_mime_name(p, f->parts[i].name);
        curl_mime_data(p, f->parts[i].data, f->parts[i].n);
        if (f->parts[i].filename) curl_mime_filename(p, f->parts[i].filename);
        if (f->parts[i].type) curl_mime_type(p, f->parts[i].type);
    }
    return m;
}

struct answer fetch(const struct server *s, const struct fetch *f)
{
    char url[8192];
    struct sink head = {0}, body = {0};
    struct answer a = {.status = -1};
    struct curl_slist *headers = curl_slist_append(NULL, "Expect:");
    CURL *c = curl_easy_init();
    snprintf(url, sizeof url, "http://127.0.0.1:%d%s", s->port, f->path);
    for (size_t i = 0; i < 8 && f->headers[i]; i++)
        headers = curl_slist_append(headers, f->headers[i]);
    curl_mime *m = f->parts[0].name ? mime(c, f) : NULL;
    curl_easy_setopt(c, CURLOPT_URL, url);
    curl_easy_setopt(c, CURLOPT_PATH_AS_IS, 1L);
    curl_easy_setopt(c, CURLOPT_TIMEOUT, 60L);
    curl_easy_setopt(c, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(c, CURLOPT_HTTPHEADER, headers);
    curl_easy_setopt(c, CURLOPT_WRITEFUNCTION, keep);
    curl_easy_setopt(c, CURLOPT_WRITEDATA, &body);
    curl_easy_setopt(c, CURLOPT_HEADERFUNCTION, keep_header);
    curl_easy_setopt(c, CURLOPT_HEADERDATA, &head);
    if (m) curl_easy_setopt(c, CURLOPT_MIMEPOST, m);
    if (f->body) {
        curl_easy_setopt(c, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)f->body_n);
        curl_easy_setopt(c, CURLOPT_POSTFIELDS, f->body);
    }
    if (f->method && strcmp(f->method, "HEAD") == 0)
        curl_easy_setopt(c, CURLOPT_NOBODY, 1L);
    else if (f->method)
        curl_easy_setopt(c, CURLOPT_CUSTOMREQUEST, f->method);
    double began = now();
    CURLcode rc = curl_easy_perform(c);
    long status = 0;
    curl_easy_getinfo(c, CURLINFO_RESPONSE_CODE, &status);
    if (rc == CURLE_OK || status) a.status = (int)status;
    a.seconds = now() - began;
    a.head = head.data ? head.data : strdup("");
    a.body = body.data ? body.data : strdup("");
    a.body_n = body.n;
    curl_mime_free(m);
    curl_slist_free_all(headers);
    curl_easy_cleanup(c);
    return a;
}

struct answer get(const struct server *s, const char *path)
{
    return fetch(s, &(struct fetch){.path = path});
}

double gauge(const struct server *of, const char *name)
{
    struct answer m = get(of, "/metrics");
    char line[128];
    snprintf(line, sizeof line, "\n%s ", name);
    const char *at = m.body ? strstr(m.body, line) : NULL;
    double v = at ? atof(at + strlen(line)) : -1;
    answer_release(&m);
    return v;
}

bool becomes(const struct server *of, const char *name, double value, double seconds)
{
    for (double end = now() + seconds; now() < end; pause_ms(50))
        if (gauge(of, name) == value) return true;
    return false;
}

bool falls_to(const struct server *s, const char *name, double most, double seconds)
{
    for (double end = now() + seconds; now() < end; pause_ms(50)) {
        double v = gauge(s, name);
        if (v >= 0 && v <= most) return true;
    }
    return false;
}

void *ppm(int w, int h, size_t *n)
{
    char head[64];
    int head_n = snprintf(head, sizeof head, "P6\n%d %d\n255\n", w, h);
    unsigned char *data = malloc((size_t)head_n + (size_t)w * (size_t)h * 3);
    if (!data) abort();
    memcpy(data, head, (size_t)head_n);
    unsigned char *p = data + head_n;
    for (int y = 0; y < h; y++)
        for (int x = 0; x < w; x++) {
            *p++ = (unsigned char)(x * 7);
            *p++ = (unsigned char)(y * 5);
            *p++ = (unsigned char)((x ^ y) * 3);
        }
    *n = (size_t)(p - data);
    return data;
}
