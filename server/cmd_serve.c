/* cmd_serve.c: convd serve. */
#include "cmd.h"
#include "serve.h"

static int run(struct cmd_line *line)
{
    if (!settings_keys(&line->settings, stderr)) return CMD_USAGE;
    return serve(&line->settings);
}

const struct cmd cmd_serve = {
    .name = "serve",
    .usage = "[--listen HOST:PORT] [--workers N] [limits...]",
    .summary = "answer over HTTP",
    .help =
        "Every flag is also an environment variable (--max-body is CONVD_MAX_BODY); flags win.\n"
        "Sizes take k M G (1000) and Ki Mi Gi (1024), durations ms, s, m and h.\n"
        "SIGTERM drains: what runs is finished, what comes is refused; a second one stops at "
        "once.\n"
        "\n"
        "  convd serve\n"
        "  curl -F img=@photo.png localhost:8080/edges -o edges.png\n"
        "\n"
        "  convd serve --listen 0.0.0.0:8080 --workers 4 --max-body 8Mi --log-format json\n",
    .settings = SETTINGS_SERVE | SETTINGS_LIMIT | SETTINGS_LIMIT_SERVE | SETTINGS_DATA,
    .run = run,
};
