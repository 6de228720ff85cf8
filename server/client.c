/* client.c: see client.h. */
#include "client.h"
#include <errno.h>
#include <netdb.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#define HEAD_MOST 16384

bool client_read(struct client *c, const char *url)
{
    static const char scheme[] = "http://";
    bool named = strncasecmp(url, scheme, sizeof scheme - 1) == 0;
    if (named) url += sizeof scheme - 1;
    size_t n = strcspn(url, "/"), path = strlen(url + n);
    while (path > 0 && url[n + path - 1] == '/') path--;
    const char *bracket = memchr(url, ']', n), *colon = memrchr(url, ':', n);
    if (colon && bracket && colon < bracket) colon = NULL;
    size_t host = colon ? (size_t)(colon - url) : n, port = colon ? n - host - 1 : 2;
    if ((!colon && !named) || port == 0 || port >= sizeof c->port || path >= sizeof c->path)
        return false;
    snprintf(c->port, sizeof c->port, "%.*s", (int)port, colon ? colon + 1 : "80");
    snprintf(c->path, sizeof c->path, "%.*s", (int)path, url + n);
    if (strspn(c->port, "0123456789") != port) return false;
    bool bracketed = host >= 2 && url[0] == '[' && url[host - 1] == ']';
    if (bracketed) url++, host -= 2;
    if (host >= sizeof c->host || (host == 0 && !colon)) return false;
    snprintf(c->host, sizeof c->host, "%.*s", (int)host, url);
    if (host == 0 || strcmp(c->host, "0.0.0.0") == 0 || strcmp(c->host, "*") == 0)
        snprintf(c->host, sizeof c->host, "127.0.0.1");
    if (strcmp(c->host, "::") == 0) snprintf(c->host, sizeof c->host, "::1");
    return true;
}

static int connect_to(const struct client *c, char why[256])
{
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICSERV}, *list = NULL;
    int rc = getaddrinfo(c->host, c->port, &hints, &list), fd = -1, error = 0;
    if (rc != 0) {
        snprintf(why, 256, "%.150s: %s", c->host, gai_strerror(rc));
        return -1;
    }
    for (const struct addrinfo *a = list; a && fd < 0; a = a->ai_next) {
        struct timeval wait = {.tv_sec = c->timeout};
        fd = socket(a->ai_family, a->ai_socktype | SOCK_CLOEXEC, a->ai_protocol);
        if (fd >= 0) {
            setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof wait);
            setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &wait, sizeof wait);
            if (connect(fd, a->ai_addr, a->ai_addrlen) == 0) break;
        }
        error = errno;
        if (fd >= 0) close(fd);
        fd = -1;
    }
    freeaddrinfo(list);
    if (fd < 0)
        snprintf(why, 256, "nothing answers at %.150s:%s: %s", c->host, c->port, strerror(error));
    return fd;
}

static bool send_request(const struct client *c, int fd, const char *method, const char *address,
                         const char *fields)
{
    char *text = NULL;
    const bool key = c->key && *c->key, six = strchr(c->host, ':') != NULL;
    int n = asprintf(&text,
                     "%s %s%s HTTP/1.0\r\nHost: %s%s%s:%s\r\nUser-Agent: convd\r\n"
                     "%s%s%s%s\r\n",
                     method, c->path, address, six ? "[" : "", c->host, six ? "]" : "", c->port,
                     key ? "Authorization: Bearer " : "", key ? c->key : "", key ? "\r\n" : "",
                     fields ? fields : "");
    bool sent = n > 0;
    for (int at = 0; sent && at < n;) {
        ssize_t more = send(fd, text + at, (size_t)(n - at), MSG_NOSIGNAL);
        sent = more > 0;
        at += (int)more;
    }
    if (n >= 0) free(text);
    return sent;
}

/* The value of a header, cut to room; "" when there is none. */
static void field_of(const char *head, const char *name, char *out, size_t room)
{
    size_t n = strlen(name);
    out[0] = 0;
    for (const char *line = strstr(head, "\r\n"); line; line = strstr(line, "\r\n")) {
        line += 2;
        if (strncasecmp(line, name, n) != 0 || line[n] != ':') continue;
        line += n + 1;
        line += strspn(line, " ");
        snprintf(out, room, "%.*s", (int)strcspn(line, "\r\n"), line);
        return;
    }
}

static bool read_head(const char *head, struct client_answer *a, uint64_t *length)
{
    char text[200];
    *a = (struct client_answer){0};
    if (sscanf(head, "HTTP/%*d.%*d %d", &a->status) != 1) return false;
    field_of(head, "Content-Type", a->media, sizeof a->media);
    field_of(head, "Location", a->location, sizeof a->location);
    field_of(head, "Content-Disposition", text, sizeof text);
    const char *name = strstr(text, "filename=\"");
    if (name)
        snprintf(a->file_name, sizeof a->file_name, "%.*s", (int)strcspn(name + 10, "\""),
                 name + 10);
    field_of(head, "Content-Length", text, sizeof text);
    *length = text[0] ? strtoull(text, NULL, 10) : UINT64_MAX;
    return true;
}

/* Reads the head into buffer; *body is where the body begins in it, *got how much is there. */
static bool receive_head(int fd, char *buffer, size_t *got, size_t *body)
{
    ssize_t more;
    const char *end = NULL;
    *got = 0;
    while (!end && *got < HEAD_MOST && (more = recv(fd, buffer + *got, HEAD_MOST - *got, 0)) > 0) {
        *got += (size_t)more;
        buffer[*got] = 0;
        end = strstr(buffer, "\r\n\r\n");
    }
    *body = end ? (size_t)(end - buffer) + 4 : 0;
    return end != NULL;
}

bool client_ask(const struct client *c, const char *method, const char *address, const char *fields,
                struct client_answer *a, bool (*put)(void *arg, const void *data, size_t n),
                void *arg, char why[256])
{
    char buffer[HEAD_MOST + 1];
    size_t got, body;
    uint64_t length, seen;
    ssize_t more = 1;
    int fd = connect_to(c, why);
    if (fd < 0) return false;
    errno = 0;
    bool fine = send_request(c, fd, method, address, fields) &&
                receive_head(fd, buffer, &got, &body) && read_head(buffer, a, &length);
    if (!fine) {
        snprintf(why, 256, "%.150s:%s gives no answer%s%s", c->host, c->port, errno ? ": " : "",
                 errno ? strerror(errno) : "");
        close(fd);
        return false;
    }
    seen = got - body;
    bool going = seen == 0 || put(arg, buffer + body, (size_t)seen);
    while (going && seen < length && (more = recv(fd, buffer, HEAD_MOST, 0)) > 0) {
        seen += (uint64_t)more;
        going = put(arg, buffer, (size_t)more);
    }
    fine = !going || (length == UINT64_MAX ? more == 0 : seen >= length);
    if (!fine)
        snprintf(why, 256, "the answer of %.150s:%s was cut off%s%s", c->host, c->port,
                 more < 0 ? ": " : "", more < 0 ? strerror(errno) : "");
    close(fd);
    return fine;
}
