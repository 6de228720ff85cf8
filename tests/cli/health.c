/* convd serve and convd healthcheck, as a container runs them. */
#include "../t.h"

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib_child.h"

TEST(a_server_is_healthy_until_it_is_told_to_stop)
{
    int err;
    pid_t pid = child_start((const char *const[]){"convd", "serve", "--listen", "127.0.0.1:0",
                                                  "--drain-delay", "10ms", NULL},
                            &err);
    char where[128];
    OK(child_ready(err, where, sizeof where));
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
