/* cmd_healthcheck.c: convd healthcheck, for containers without curl: GET /readyz. */
#include "client.h"
#include "cmd.h"

static bool pass(void *arg, const void *data, size_t n)
{
    (void)arg, (void)data, (void)n;
    return true;
}

static int run(struct cmd_line *line)
{
    struct client c = {.timeout = 3};
    struct client_answer a;
    char why[256];
    const char *listen = cmd_value(line, "--listen");
    if (!listen) listen = line->settings.listen;
    if (!client_read(&c, listen)) {
        cmd_say(NULL, "--listen: \"%.80s\" is not HOST:PORT", listen);
        return CMD_USAGE;
    }
    if (!client_ask(&c, "GET", "/readyz", NULL, &a, pass, NULL, why)) {
        cmd_say(NULL, "%s", why);
        return CMD_FAILED;
    }
    if (a.status == 200) return CMD_OK;
    cmd_say(NULL, "%s:%s is not ready: it answers %d", c.host, c.port, a.status);
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
