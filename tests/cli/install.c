/* make install: a user's program is built against the installed tree and runs. */
#include "../t.h"

#include <limits.h>
#include <unistd.h>

#include "lib_child.h"

static char root[PATH_MAX]; /* of the source tree */

static struct child sh(const char *command, const char *const *env)
{
    return child_run((const char *const[]){"sh", "-c", command, NULL}, NULL, 0, env);
}

/* Works only beside the plain build of a source tree: sanitized libraries want a sanitized program. */
static bool plain_build(void)
{
    const char *build = getenv("BUILD");
    if (!build) build = "build";
    if (strstr(build, "/asan") || strstr(build, "/tsan") || !realpath(build, root)) return false;
    *strrchr(root, '/') = 0;
    return true;
}

TEST(an_installed_tree_serves_its_users)
{
    if (!plain_build()) skip();
    char prefix[512], command[3 * PATH_MAX];
    snprintf(prefix, sizeof prefix, "%s/usr", child_dir());
    snprintf(command, sizeof command,
             "unset MAKEFLAGS MFLAGS MAKELEVEL; make -s -C '%s' install PREFIX='%s'", root, prefix);
    struct child c = sh(command, NULL);
    if (c.code != 0) T_FAIL("make install: %s%s", c.out, c.err);
    child_release(&c);

    static const char *const files[] = {"bin/convd",
                                        "lib/libconvd.a",
                                        "lib/libconvd.so",
                                        "lib/pkgconfig/convd.pc",
                                        "include/convd/convd.h",
                                        "include/convd/image/image.h",
                                        "share/man/man1/convd.1",
                                        "share/bash-completion/completions/convd",
                                        "share/zsh/site-functions/_convd"};
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        char path[1024];
        snprintf(path, sizeof path, "%s/%s", prefix, files[i]);
        if (access(path, R_OK) != 0) T_FAIL("%s was not installed", files[i]);
    }

    char env_pkg[600], env_lib[600];
    snprintf(env_pkg, sizeof env_pkg, "PKG_CONFIG_PATH=%s/lib/pkgconfig", prefix);
    snprintf(env_lib, sizeof env_lib, "LD_LIBRARY_PATH=%s/lib", prefix);
    const char *const env[] = {env_pkg, env_lib, NULL};
    static const char *const how[] = {"", "--static"};
    for (size_t i = 0; i < 2; i++) {
        snprintf(command, sizeof command,
                 "cd '%s' && cc -std=c11 -Wall -Werror '%s/tests/core/embed.c' -o embed%zu "
                 "$(pkg-config %s --cflags --libs convd) -lm && ./embed%zu >out%zu",
                 child_dir(), root, i, how[i], i, i);
        c = sh(command, env);
        if (c.code != 0) T_FAIL("embed.c against the installed tree: %s%s", c.out, c.err);
        child_release(&c);
    }
    /* Every installed header compiles alone. */
    snprintf(command, sizeof command,
             "cd '%s/include/convd' && for h in *.h image/*.h; do echo \"#include \\\"$h\\\"\" | "
             "cc -std=gnu11 -Wall -Werror -fsyntax-only -I. -x c - || exit 1; done",
             prefix);
    c = sh(command, env);
    if (c.code != 0) T_FAIL("installed headers: %s%s", c.out, c.err);
    child_release(&c);

    snprintf(command, sizeof command,
             "unset MAKEFLAGS MFLAGS MAKELEVEL; make -s -C '%s' uninstall PREFIX='%s' && find '%s' "
             "! -type d",
             root, prefix, prefix);
    c = sh(command, NULL);
    EQ(0, c.code);
    STR("", c.out);
    child_release(&c);
}

TEST(destdir_is_put_in_front)
{
    if (!plain_build()) skip();
    char command[3 * PATH_MAX];
    snprintf(command, sizeof command,
             "unset MAKEFLAGS MFLAGS MAKELEVEL; make -s -C '%s' install DESTDIR='%s/stage' "
             "PREFIX=/opt/x && "
             "grep -q '^prefix=/opt/x$' '%s/stage/opt/x/lib/pkgconfig/convd.pc' && readlink "
             "'%s/stage/opt/x/lib/libconvd.so'",
             root, child_dir(), child_dir(), child_dir());
    struct child c = sh(command, NULL);
    EQ(0, c.code);
    EQ(0, strncmp("libconvd.so.", c.out, 12));
    child_release(&c);
}

/* The same program, linked with the library of the build at hand. */
TEST(a_program_of_the_library_alone_runs)
{
    const char *build = getenv("BUILD");
    char command[PATH_MAX];
    snprintf(command, sizeof command, "cd '%s' && '%s/tests/core/embed'", child_dir(),
             build ? build : "build");
    struct child c = sh(command, NULL);
    if (c.code != 0) T_FAIL("embed: exit %d: %s%s", c.code, c.out, c.err);
    child_release(&c);
}

T_MAIN("cli/install")
