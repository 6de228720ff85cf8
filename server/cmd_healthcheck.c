/* cmd_healthcheck.c: convd healthcheck, for containers without curl: GET /readyz over a plain socket. */
#include <errno.h>
#include <netdb.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include "cmd.h"

/* Splits "HOST:PORT" or "[HOST]:PORT"; an address that means "all" becomes the loopback. */
static bool split(const char *listen, char *host, size_t room, const char **port)
{
    const char *colon = strrchr(listen, ':');
    if (!colon || !colon[1]) return false;
    const char *begin = listen;
    size_t n = (size_t)(colon - listen);
    if (n >= 2 && begin[0] == '[' && begin[n - 1] == ']') begin++, n -= 2;
    if (n >= room) return false;
    memcpy(host, begin, n);
    host[n] = 0;
    if (n == 0 || strcmp(host, "0.0.0.0") == 0 || strcmp(host, "*") == 0)
        snprintf(host, room, "127.0.0.1");
    if (strcmp(host, "::") == 0) snprintf(host, room, "::1");
    *port = colon + 1;
    return true;
}

static int connect_to(const char *host, const char *port)
{
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICSERV}, *list = NULL;
    int rc = getaddrinfo(host, port, &hints, &list);
    if (rc != 0) {
        cmd_say(NULL, "%s: %s", host, gai_strerror(rc));
        return -1;
    }
    int fd = -1, why = 0;
    for (const struct addrinfo *a = list; a && fd < 0; a = a->ai_next) {
        fd = socket(a->ai_family, a->ai_socktype | SOCK_CLOEXEC, a->ai_protocol);
        struct timeval wait = {.tv_sec = 3};
        if (fd >= 0) {
            setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof wait);
            setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &wait, sizeof wait);
        }
        if (fd >= 0 && connect(fd, a->ai_addr, a->ai_addrlen) == 0) break;
        why = errno;
        if (fd >= 0) close(fd);
        fd = -1;
    }
    freeaddrinfo(list);
    if (fd < 0) cmd_say(NULL, "nothing answers at %s:%s: %s", host, port, strerror(why));
    return fd;
}

static int run(struct cmd_line *line)
{
    char host[256], text[512];
    const char *port;
    const char *listen = cmd_value(line, "--listen");
    if (!listen) listen = line->settings.listen;
    if (!split(listen, host, sizeof host, &port)) {
        cmd_say(NULL, "--listen: \"%.80s\" is not HOST:PORT", listen);
        return CMD_USAGE;
    }
    int fd = connect_to(host, port);
    if (fd < 0) return CMD_FAILED;
    int n = snprintf(text, sizeof text,
                     "GET /readyz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
    size_t got = 0;
    if (send(fd, text, (size_t)n, MSG_NOSIGNAL) == n) {
        ssize_t more;
        while (got < sizeof text - 1 && (more = recv(fd, text + got, sizeof text - 1 - got, 0)) > 0)
            got += (size_t)more;
    }
    close(fd);
    text[got] = 0;
    text[strcspn(text, "\r\n")] = 0;
    if (strncmp(text, "HTTP/1.1 200", 12) == 0) return CMD_OK;
    cmd_say(NULL, "%s:%s is not ready: %s", host, port, *text ? text : "no answer");
    return CMD_FAILED;
}

static const struct cmd_option options[] = {
    {.flag = "--listen",
     .unit = "HOST:PORT",
     .help = "address the server listens on (CONVD_LISTEN, 127.0.0.1:8080)"},
    {.flag = NULL},
};

const struct cmd cmd_healthcheck = {
    .name = "healthcheck",
    .usage = "[--listen HOST:PORT]",
    .summary = "0 when the server there is ready, else 1",
    .help = "Asks GET /readyz of the address in --listen or CONVD_LISTEN; made for containers and "
            "unit files.\n",
    .options = options,
    .run = run,
};
