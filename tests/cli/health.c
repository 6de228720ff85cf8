/* convd serve and convd healthcheck, as a container runs them. */
#include "../t.h"

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib_child.h"

/* Reads err until the line that says where the server listens; "HOST:PORT" to where. */
static bool wait_ready(int fd, char *where, size_t room)
{
    char text[4096];
    size_t n = 0;
    static const char mark[] = "listening on http://";
    for (ssize_t got; n + 1 < sizeof text && (got = read(fd, text + n, sizeof text - 1 - n)) > 0;) {
        text[n += (size_t)got] = 0;
        const char *at = strstr(text, mark);
        if (!at || !strchr(at, '\n')) continue;
        at += sizeof mark - 1;
        snprintf(where, room, "%.*s", (int)strcspn(at, "/\r\n "), at);
        return true;
    }
    return false;
}

TEST(a_server_is_healthy_until_it_is_told_to_stop)
{
    int err;
    pid_t pid = child_start((const char *const[]){"convd", "serve", "--listen", "127.0.0.1:0",
                                                  "--drain-delay", "10ms", NULL},
                            &err);
    char where[128];
    OK(wait_ready(err, where, sizeof where));
    struct child c = CONVD("healthcheck", "--listen", where);
    STR("", c.err);
    EQ(0, c.code);
    child_release(&c);
    char env[160];
    snprintf(env, sizeof env, "CONVD_LISTEN=%s", where);
    c = child_run((const char *const[]){"convd", "healthcheck", NULL}, NULL, 0,
                  (const char *const[]){env, NULL});
    EQ(0, c.code);
    child_release(&c);
    char all[160];
    snprintf(all, sizeof all, "0.0.0.0%s", strchr(where, ':'));
    c = CONVD("healthcheck", "--listen", all);
    EQ(0, c.code);
    child_release(&c);

    kill(pid, SIGTERM);
    int status = 0;
    waitpid(pid, &status, 0);
    close(err);
    OK(WIFEXITED(status));
    EQ(0, WEXITSTATUS(status));
    c = CONVD("healthcheck", "--listen", where);
    EQ(1, c.code);
    OK(strstr(c.err, "convd: nothing answers at 127.0.0.1:"));
    child_release(&c);
}

TEST(an_address_that_is_none_is_a_usage_error)
{
    struct child c = CONVD("healthcheck", "--listen", "8080");
    EQ(2, c.code);
    STR("convd: --listen: \"8080\" is not HOST:PORT\n", c.err);
    child_release(&c);
}

T_MAIN("cli/health")
