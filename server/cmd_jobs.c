/* cmd_jobs.c: convd jobs: what the jobs of a running server do, asked over HTTP. */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "../api/json.h"
#include "client.h"
#include "cmd.h"
#include "progress.h"
#include "store.h"

enum {
    TIMEOUT = 40,       /* seconds without a byte: event streams are never silent for so long   */
    PATIENCE = 60,      /* seconds that a server may be away while one of its jobs is waited for */
    TEXT_MOST = 1 << 26 /* bytes of an answer that is held in memory                            */
};

/* One command: whom it asks, and the last answer. */
struct ask {
    const struct cmd_line *line;
    struct client client;
    const char *id; /* of a job; NULL: none was named */
    struct client_answer answer;
    struct convd_bytes body;
    struct convd_arena mem;
    struct convd_faults faults;
    struct convd_value value; /* the answer, when it was JSON */
};

/* ---- asking ---- */

static bool gather(void *arg, const void *data, size_t n)
{
    struct convd_bytes *b = arg;
    return b->n + n <= TEXT_MOST && convd_bytes_put(b, data, n);
}

static const char *text_of(const struct convd_value *v, const char *name)
{
    const struct convd_value *x = v->kind == CONVD_OBJECT ? convd_value_get(v, name) : NULL;
    return x && x->kind == CONVD_STRING ? x->string : NULL;
}

static double number_of(const struct convd_value *v, const char *name)
{
    const struct convd_value *x = v->kind == CONVD_OBJECT ? convd_value_get(v, name) : NULL;
    return x && x->kind == CONVD_NUMBER ? x->number : -1;
}

static bool parse(struct ask *q, const void *data, size_t n, struct convd_value *v)
{
    convd_arena_release(&q->mem);
    convd_arena_init(&q->mem, NULL, 0);
    convd_faults_init(&q->faults, &q->mem);
    return api_json_parse(data, n, TEXT_MOST, &q->mem, &q->faults, v);
}

/* A problem (RFC 9457) as a line. */
static void say_problem(const struct convd_value *v, const char *otherwise)
{
    const char *detail = text_of(v, "detail"), *expected = text_of(v, "expected");
    cmd_say(NULL, "%s%s%s", detail ? detail : otherwise, expected ? "; expected " : "",
            expected ? expected : "");
}

/* The answer as JSON in q->value. False after a line on stderr. */
static bool ask(struct ask *q, const char *method, const char *address)
{
    char why[256];
    q->body.n = 0;
    if (!client_ask(&q->client, method, address, NULL, &q->answer, gather, &q->body, why)) {
        cmd_say(NULL, "%s", why);
        return false;
    }
    bool fine = q->answer.status < 300;
    q->value = (struct convd_value){.kind = CONVD_NULL};
    if (q->body.n > 0 && !parse(q, q->body.data, q->body.n, &q->value)) {
        cmd_say(NULL, "%s:%s answers %d and no JSON: is it convd?", q->client.host, q->client.port,
                q->answer.status);
        return false;
    }
    if (!fine) say_problem(&q->value, "the server refuses");
    return fine;
}

static const char *address_of(const struct ask *q, const char *what)
{
    static char text[STORE_ID + 32];
    snprintf(text, sizeof text, "/v1/jobs/%s%s", q->id, what);
    return text;
}

/* ---- showing ---- */

static bool is_over(const char *state)
{
    return state && *state && strcmp(state, "queued") != 0 && strcmp(state, "running") != 0;
}

/* "2026-05-01T10:00:00.123Z" as a person reads it. */
static void print_time(const char *name, const struct convd_value *job)
{
    const char *t = text_of(job, name);
    if (t) printf("%-9s %.10s %.8sZ\n", name, t, strlen(t) > 19 ? t + 11 : "");
}

static void write_progress(const struct convd_value *job, char *out, size_t room)
{
    static const struct convd_value none;
    const struct convd_value *p = convd_value_get(job, "progress");
    double done = number_of(p ? p : &none, "done"), total = number_of(p ? p : &none, "total");
    snprintf(out, room, total > 0 ? "%.0f/%.0f" : "-", done, total);
}

static void print_row(const struct convd_value *job)
{
    char progress[48];
    const char *id = text_of(job, "id"), *state = text_of(job, "state"),
               *type = text_of(job, "type"), *created = text_of(job, "created");
    write_progress(job, progress, sizeof progress);
    printf("%-32s  %-9s  %-6s  %13s  %.10s %.8s\n", id ? id : "?", state ? state : "?",
           type ? type : "?", progress, created ? created : "",
           created && strlen(created) > 19 ? created + 11 : "");
}

static int print_json(const struct ask *q)
{
    if (!cmd_write("-", q->body.data, q->body.n)) return CMD_FAILED;
    if (q->body.n == 0 || q->body.data[q->body.n - 1] != '\n') putchar('\n');
    return CMD_OK;
}

static int list(struct ask *q)
{
    char address[80] = "/v1/jobs";
    const char *limit = cmd_value(q->line, "--limit");
    if (limit && (!*limit || strspn(limit, "0123456789") != strlen(limit) || strlen(limit) > 9))
        return cmd_say(NULL, "--limit: \"%.80s\" is no number", limit), CMD_USAGE;
    if (limit) snprintf(address, sizeof address, "/v1/jobs?limit=%s", limit);
    if (!ask(q, "GET", address)) return CMD_FAILED;
    if (cmd_value(q->line, "--json")) return print_json(q);
    const struct convd_value *jobs = convd_value_get(&q->value, "jobs");
    if (!jobs || jobs->kind != CONVD_ARRAY || jobs->n == 0) {
        printf("no jobs\n");
        return CMD_OK;
    }
    printf("%-32s  %-9s  %-6s  %13s  %s\n", "ID", "STATE", "TYPE", "DONE", "CREATED (UTC)");
    for (uint32_t i = 0; i < jobs->n; i++) print_row(&jobs->items[i]);
    if (text_of(&q->value, "next"))
        printf("these are the newest; --limit N shows more, up to 1000\n");
    return CMD_OK;
}

static int show(struct ask *q)
{
    char progress[48];
    if (!ask(q, "GET", address_of(q, ""))) return CMD_FAILED;
    if (cmd_value(q->line, "--json")) return print_json(q);
    const struct convd_value *job = &q->value, *error = convd_value_get(job, "error"),
                             *p = convd_value_get(job, "progress");
    static const char *const names[] = {"id", "type", "state"};
    for (size_t i = 0; i < 3; i++)
        if (text_of(job, names[i])) printf("%-9s %s\n", names[i], text_of(job, names[i]));
    print_time("created", job);
    print_time("started", job);
    print_time("finished", job);
    write_progress(job, progress, sizeof progress);
    double eta = p ? number_of(p, "eta_s") : -1;
    printf("progress  %s", progress);
    if (eta > 0) printf(", about %.0f s left", eta);
    putchar('\n');
    if (error && text_of(error, "detail")) {
        const char *expected = text_of(error, "expected");
        printf("error     %s%s%s\n", text_of(error, "detail"), expected ? "; expected " : "",
               expected ? expected : "");
    }
    return CMD_OK;
}

/* ---- waiting ---- */

/* A job's event stream, line by line. */
struct listener {
    struct ask *q;
    struct progress progress;
    bool drawing; /* progress was begun */
    char line[4096], kind[32], last[32];
    size_t n;
    char state[16]; /* the last one heard of */
};

static void on_progress(struct listener *l, const struct convd_value *v)
{
    double done = number_of(v, "done"), total = number_of(v, "total"), eta = number_of(v, "eta_s");
    char left[40] = "";
    if (total < 1 || done < 0) return;
    if (!l->drawing) progress_init(&l->progress, (size_t)total);
    l->drawing = true;
    if (eta >= 0) snprintf(left, sizeof left, "%.0f s left", eta);
    progress_at(&l->progress, (size_t)done, (size_t)total, left);
}

static void on_state(struct listener *l, const struct convd_value *v)
{
    const char *state = text_of(v, "state");
    if (!state || strcmp(state, l->state) == 0) return;
    snprintf(l->state, sizeof l->state, "%s", state);
    if (!is_over(state) && !isatty(STDERR_FILENO)) fprintf(stderr, "%s\n", state);
}

/* Any other kind: its name, and its members that are numbers or words. */
static void on_other(const struct listener *l, const struct convd_value *v)
{
    if (v->kind != CONVD_OBJECT) return;
    if (isatty(STDERR_FILENO)) fputs("\r\033[K", stderr);
    fprintf(stderr, "%s", l->kind);
    for (uint32_t i = 0; i < v->n; i++) {
        const struct convd_value *x = &v->members[i].value;
        if (x->kind == CONVD_NUMBER) fprintf(stderr, "  %s %.4g", v->members[i].name, x->number);
        if (x->kind == CONVD_STRING) fprintf(stderr, "  %s %s", v->members[i].name, x->string);
    }
    fputc('\n', stderr);
}

static void on_line(struct listener *l)
{
    struct convd_value v;
    char *value = strchr(l->line, ':');
    if (!value) return;
    *value++ = 0;
    value += *value == ' ';
    if (strcmp(l->line, "event") == 0) snprintf(l->kind, sizeof l->kind, "%s", value);
    if (strcmp(l->line, "id") == 0) snprintf(l->last, sizeof l->last, "%s", value);
    if (strcmp(l->line, "data") != 0 || !parse(l->q, value, strlen(value), &v)) return;
    if (strcmp(l->kind, "progress") == 0)
        on_progress(l, &v);
    else if (strcmp(l->kind, "state") == 0)
        on_state(l, &v);
    else
        on_other(l, &v);
}

static bool listen_to(void *arg, const void *data, size_t n)
{
    struct listener *l = arg;
    if (l->q->answer.status != 200) return gather(&l->q->body, data, n);
    for (const char *c = data, *end = c + n; c < end && !is_over(l->state); c++) {
        if (*c != '\n' && l->n + 1 < sizeof l->line) {
            l->line[l->n++] = *c;
        } else if (*c == '\n') {
            l->line[l->n] = 0;
            on_line(l);
            l->n = 0;
        }
    }
    return !is_over(l->state);
}

static void nap(void)
{
    nanosleep(&(struct timespec){.tv_sec = 1}, NULL);
}

/* Listens until the job has ended, over connections that break and servers that are started anew. False: it could not. */
static bool follow(struct listener *l)
{
    struct ask *q = l->q;
    char why[256], fields[64] = "";
    time_t away = 0;
    while (!is_over(l->state)) {
        l->n = 0;
        q->body.n = 0;
        if (l->last[0]) snprintf(fields, sizeof fields, "Last-Event-ID: %s\r\n", l->last);
        bool whole = client_ask(&q->client, "GET", address_of(q, "/events"), fields, &q->answer,
                                listen_to, l, why);
        int status = whole ? q->answer.status : 0;
        if (status == 204) break; /* all of it was heard before */
        if (status >= 400 && status != 503) {
            if (parse(q, q->body.data, q->body.n, &q->value)) say_problem(&q->value, "refused");
            return false;
        }
        if (is_over(l->state)) break;
        if (status == 200) {
            away = 0;
        } else if (!away) {
            away = time(NULL);
            cmd_say(NULL, "%s; trying again", whole ? "the server is busy" : why);
        } else if (time(NULL) - away > PATIENCE) {
            cmd_say(NULL, "gave up after %d s; the job goes on where it is", PATIENCE);
            return false;
        }
        nap();
    }
    return true;
}

/* ---- the result ---- */

struct copy {
    struct ask *q;
    FILE *to;
    const char *out;
    char path[4096];
};

static bool is_directory(const char *path)
{
    struct stat st;
    return stat(path, &st) == 0 && S_ISDIR(st.st_mode);
}

static bool open_copy(struct copy *c)
{
    const char *name = strrchr(c->q->answer.file_name, '/');
    name = name ? name + 1 : c->q->answer.file_name;
    const bool inside = is_directory(c->out), slash = c->out[strlen(c->out) - 1] != '/';
    snprintf(c->path, sizeof c->path, "%s%s%s", c->out, inside && slash ? "/" : "",
             !inside ? ""
             : *name ? name
                     : c->q->id);
    c->to = strcmp(c->out, "-") == 0 ? stdout : fopen(c->path, "wb");
    if (!c->to) cmd_say(NULL, "cannot write %s: %s", c->path, strerror(errno));
    return c->to != NULL;
}

static bool copy(void *arg, const void *data, size_t n)
{
    struct copy *c = arg;
    if (c->q->answer.status != 200) return gather(&c->q->body, data, n);
    return (c->to || open_copy(c)) && fwrite(data, 1, n, c->to) == n;
}

static int fetch(struct ask *q, const char *out)
{
    char why[256];
    struct copy c = {.q = q, .out = out};
    q->body.n = 0;
    bool whole =
        client_ask(&q->client, "GET", address_of(q, "/result"), NULL, &q->answer, copy, &c, why);
    bool fine = whole && q->answer.status == 200 && (c.to || open_copy(&c)) && !ferror(c.to);
    if (!whole)
        cmd_say(NULL, "%s", why);
    else if (q->answer.status != 200 && parse(q, q->body.data, q->body.n, &q->value))
        say_problem(&q->value, "there is no result");
    if (c.to && c.to != stdout && fclose(c.to) != 0) fine = false;
    if (c.to && !fine && whole) cmd_say(NULL, "cannot write %s", c.path);
    if (c.to && !fine && c.to != stdout) unlink(c.path);
    if (fine && c.to != stdout) fprintf(stderr, "%s\n", c.path);
    return fine ? CMD_OK : CMD_FAILED;
}

static int wait_for(struct ask *q)
{
    const char *out = cmd_value(q->line, "--output");
    struct listener l = {.q = q};
    bool heard = follow(&l);
    if (l.drawing) progress_end(&l.progress);
    if (!heard || !ask(q, "GET", address_of(q, ""))) return CMD_FAILED;
    const char *state = text_of(&q->value, "state");
    const struct convd_value *error = convd_value_get(&q->value, "error");
    if (cmd_value(q->line, "--json")) print_json(q);
    if (!state || strcmp(state, "succeeded") != 0) {
        if (error && text_of(error, "detail"))
            say_problem(error, "");
        else
            cmd_say(NULL, "the job is %s: it has no result", state ? state : "gone");
        return CMD_FAILED;
    }
    if (out) return fetch(q, out);
    if (!cmd_value(q->line, "--json")) printf("%s\n", state);
    return CMD_OK;
}

static int cancel(struct ask *q)
{
    if (!ask(q, "GET", address_of(q, ""))) return CMD_FAILED;
    const char *state = text_of(&q->value, "state");
    if (is_over(state)) { /* a DELETE would remove it */
        cmd_say(NULL, "the job is %s already", state);
        return CMD_FAILED;
    }
    if (!ask(q, "DELETE", address_of(q, ""))) return CMD_FAILED;
    if (cmd_value(q->line, "--json")) return print_json(q);
    printf("cancelled\n");
    return CMD_OK;
}

/* ---- the command ---- */

static const struct verb {
    const char *name;
    bool job; /* it is about one */
    int (*run)(struct ask *q);
} verbs[] = {{"list", false, list},
             {"show", true, show},
             {"wait", true, wait_for},
             {"cancel", true, cancel}};
enum { VERBS = sizeof verbs / sizeof *verbs };

static const char *verb_at(const void *unused, size_t i)
{
    (void)unused;
    return i < VERBS ? verbs[i].name : NULL;
}

/* The verb and the job that the words name; NULL after a line on stderr. */
static const struct verb *read_words(struct ask *q)
{
    const struct cmd_line *line = q->line;
    const char *word = line->n_words ? line->words[0] : "list";
    const struct verb *v = NULL;
    for (size_t i = 0; i < VERBS; i++)
        if (strcmp(verbs[i].name, word) == 0) v = &verbs[i];
    q->id = line->n_words > 1 ? line->words[1] : NULL;
    if (!v)
        cmd_say(convd_nearest(word, verb_at, NULL, VERBS),
                "jobs: \"%.80s\" is none of list, show, wait, cancel", word);
    else if (v->job && !q->id)
        cmd_say(NULL, "jobs: %s wants the id of a job; convd jobs lists them", v->name);
    else if (!v->job && q->id)
        cmd_say(NULL, "jobs: what is \"%.80s\" for?", q->id);
    else if (q->id &&
             (strlen(q->id) != STORE_ID - 1 || strspn(q->id, "0123456789abcdef") != STORE_ID - 1))
        cmd_say(NULL, "jobs: \"%.80s\" is no id: 32 hexadecimal digits, as convd jobs lists them",
                q->id);
    else
        return v;
    return NULL;
}

static int run(struct cmd_line *line)
{
    struct ask q = {.line = line};
    const char *url = *line->settings.url ? line->settings.url : line->settings.listen;
    const struct verb *v = read_words(&q);
    if (!v) return CMD_USAGE;
    if (!client_read(&q.client, url)) {
        cmd_say(NULL, "--url: \"%.80s\" is not http://HOST:PORT", url);
        return CMD_USAGE;
    }
    q.client.key = line->settings.key;
    q.client.timeout = TIMEOUT;
    api_json_setup();
    convd_arena_init(&q.mem, NULL, 0);
    int code = v->run(&q);
    convd_arena_release(&q.mem);
    convd_bytes_release(&q.body);
    return code;
}

static const struct cmd_option options[] = {
    {.flag = "--output",
     .letter = "-o",
     .unit = "OUT",
     .help = "wait: file or directory for the result; - is standard output"},
    {.flag = "--limit", .unit = "N", .help = "list: at most so many, the newest first (100)"},
    {.flag = "--json", .help = "what the server answers, as it is"},
    {.flag = NULL},
};

const struct cmd cmd_jobs = {
    .name = "jobs",
    .usage = "[list | show ID | wait ID | cancel ID] [options]",
    .summary = "the jobs of a running server: list, show, wait, cancel",
    .help =
        "Asks the server at --url or CONVD_URL; without them the one at CONVD_LISTEN "
        "(127.0.0.1:8080).\n"
        "\n"
        "  convd serve &\n"
        "  curl -F 'job={\"type\":\"batch\",\"pipeline\":\"edges\"}' -F data=@photos.zip "
        "localhost:8080/v1/jobs\n"
        "  convd jobs\n"
        "  convd jobs wait 0123456789abcdef0123456789abcdef -o results.zip\n"
        "  convd jobs cancel 0123456789abcdef0123456789abcdef\n"
        "\n"
        "wait draws a bar at a terminal and says plain lines elsewhere; it goes on waiting while "
        "the server is started anew, for\nthe job goes on there too. It ends with 0 when the job "
        "succeeded and with 1, after its problem, when it did not.\n"
        "cancel stops a job within a second and leaves finished ones alone.\n",
    .options = options,
    .settings = SETTINGS_CLIENT,
    .max_words = 2,
    .words = CMD_JOBS,
    .run = run,
};
