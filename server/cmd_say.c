/* cmd_say.c: what the command line says, and the files it reads and writes. */
#include <errno.h>
#include <math.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cmd.h"

/* On a terminal a line of ours goes over the progress bar, which comes back below it. */
static void begin(void)
{
    flockfile(stderr);
    if (isatty(STDERR_FILENO)) fputs("\r\033[K", stderr);
    fputs("convd: ", stderr);
}

void cmd_say(const char *near, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    begin();
    vfprintf(stderr, format, args);
    if (near && *near) fprintf(stderr, "; did you mean %s?", near);
    fputc('\n', stderr);
    funlockfile(stderr);
    va_end(args);
}

void cmd_say_faults(const struct convd_faults *f, const char *file)
{
    for (const struct convd_fault *x = convd_faults_first(f); x; x = x->next) {
        begin();
        if (file) fprintf(stderr, "%s: ", file);
        if (x->pointer && *x->pointer) fprintf(stderr, "%s: ", x->pointer);
        if (x->segment && *x->segment) fprintf(stderr, "in %s: ", x->segment);
        fputs(x->detail ? x->detail : "failed", stderr);
        if (x->expected) fprintf(stderr, "; expected %s", x->expected);
        if (x->suggestion) fprintf(stderr, "; did you mean %s?", x->suggestion);
        fputc('\n', stderr);
        funlockfile(stderr);
    }
}

void *cmd_read(const char *path, size_t *n, size_t most)
{
    bool standard = strcmp(path, "-") == 0;
    const char *name = standard ? "standard input" : path;
    FILE *f = standard ? stdin : fopen(path, "rb");
    if (!f) {
        cmd_say(NULL, "cannot open %s: %s", path, strerror(errno));
        return NULL;
    }
    size_t room = 65536, got = 0;
    struct stat st;
    if (fstat(fileno(f), &st) == 0 && S_ISREG(st.st_mode) && st.st_size > 0 &&
        (size_t)st.st_size < most)
        room = (size_t)st.st_size + 1;
    char *data = malloc(room + 1);
    while (data && got <= most) {
        size_t more = fread(data + got, 1, room - got, f);
        got += more;
        if (more == 0) break;
        if (got < room) continue;
        char *grown = room < SIZE_MAX / 2 ? realloc(data, (room *= 2) + 1) : NULL;
        if (!grown) free(data);
        data = grown;
    }
    bool failed = ferror(f) != 0;
    int why = errno;
    if (!standard) fclose(f);
    if (data && !failed && got <= most) {
        data[got] = 0;
        *n = got;
        return data;
    }
    if (!data)
        cmd_say(NULL, "%s: no memory to read it", name);
    else if (failed)
        cmd_say(NULL, "cannot read %s: %s", name, strerror(why));
    else
        cmd_say(NULL, "%s is larger than %zu bytes", name, most);
    free(data);
    return NULL;
}

bool cmd_write(const char *path, const void *data, size_t n)
{
    bool standard = strcmp(path, "-") == 0;
    FILE *f = standard ? stdout : fopen(path, "wb");
    if (!f) {
        cmd_say(NULL, "cannot write %s: %s", path, strerror(errno));
        return false;
    }
    struct stat st;
    bool regular = fstat(fileno(f), &st) == 0 && S_ISREG(st.st_mode);
    bool ok = fwrite(data, 1, n, f) == n;
    ok = fflush(f) == 0 && ok;
    int why = errno;
    if (!standard) ok = fclose(f) == 0 && ok;
    if (ok) return true;
    cmd_say(NULL, "cannot write %s: %s", standard ? "to standard output" : path, strerror(why));
    if (!standard && regular) unlink(path);
    return false;
}

char *cmd_pipeline(const char *word, size_t *n)
{
    if (word[0] == '@') return cmd_read(word + 1, n, 1u << 20);
    *n = strlen(word);
    char *text = strdup(word);
    if (!text) cmd_say(NULL, "no memory");
    return text;
}
