/* hostile.c: plays the requests of tests/data/hostile/requests.tsv. After each, /healthz answers. */
#include "../t.h"
#include "lib_server.h"
#include <libdeflate.h>

static struct server s;

struct bytes {
    char *data;
    size_t n;
};

static struct bytes concat(struct bytes a, const void *b, size_t n)
{
    a.data = realloc(a.data, a.n + n + 1);
    if (!a.data) abort();
    memcpy(a.data + a.n, b, n);
    a.n += n;
    return a;
}

/* A file of the folder, unpacked where its name ends in .z. */
static struct bytes file(const char *name)
{
    char path[512];
    struct bytes b;
    snprintf(path, sizeof path, "hostile/%s", name);
    b.data = t_file(path, &b.n);
    size_t n = strlen(name), room = 1 << 23;
    if (n < 2 || strcmp(name + n - 2, ".z") != 0) return b;
    struct bytes out = {malloc(room), 0};
    struct libdeflate_decompressor *d = libdeflate_alloc_decompressor();
    if (libdeflate_zlib_decompress(d, b.data, b.n, out.data, room, &out.n) != LIBDEFLATE_SUCCESS)
        T_FAIL("%s does not unpack", name);
    libdeflate_free_decompressor(d);
    free(b.data);
    return out;
}

static struct bytes post(const char *path, const char *type, struct bytes body)
{
    char *head = malloc(strlen(path) + strlen(type) + 256);
    int n =
        sprintf(head,
                "POST %s HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n%s%s%sContent-Length: "
                "%zu\r\n\r\n",
                path, strcmp(type, "-") != 0 ? "Content-Type: " : "",
                strcmp(type, "-") != 0 ? type : "", strcmp(type, "-") != 0 ? "\r\n" : "", body.n);
    struct bytes all = concat((struct bytes){head, (size_t)n}, body.data, body.n);
    free(body.data);
    return all;
}

/* The text as part pipeline beside a good picture. */
static struct bytes spec(struct bytes text)
{
    static const char
        first[] =
            "--bOuNd\r\nContent-Disposition: form-data; name=\"img\"; filename=\"x.png\"\r\n\r\n",
        second[] = "\r\n--bOuNd\r\nContent-Disposition: form-data; name=\"pipeline\"\r\n\r\n",
        last[] = "\r\n--bOuNd--\r\n";
    struct bytes good = file("good.png"),
                 body = concat((struct bytes){NULL, 0}, first, sizeof first - 1);
    body = concat(body, good.data, good.n);
    body = concat(body, second, sizeof second - 1);
    body = concat(body, text.data, text.n);
    body = concat(body, last, sizeof last - 1);
    free(good.data);
    free(text.data);
    return post("/v1/run", "multipart/form-data; boundary=bOuNd", body);
}

static bool among(const char *list, int status)
{
    for (const char *at = list; *at; at += strcspn(at, ","), at += *at == ',')
        if (atoi(at) == status) return true;
    return false;
}

/* One line; false with words printed when the answer is not one of the right ones. */
static bool play(char *line)
{
    char *field[6];
    for (int i = 0; i < 6; i++) field[i] = strsep(&line, "\t");
    const char *name = field[0], *kind = field[1], *right = field[2];
    struct bytes data = file(field[3]);
    if (strcmp(kind, "body") == 0) data = post(field[4], field[5], data);
    if (strcmp(kind, "spec") == 0) data = spec(data);
    struct answer a = raw(&s, data.data, data.n), alive = get(&s, "/healthz");
    if (a.seconds > 2) print_message("%s took %.1f s\n", name, a.seconds);
    bool library = among(right, 0); /* the library's own words may come */
    bool fine = among(right, a.status) && alive.status == 200 && !answer_header(&a, "X-Injected");
    if (a.status >= 400 && !library &&
        !(answer_header(&a, "Content-Type") &&
          strcmp(answer_header(&a, "Content-Type"), "application/problem+json") == 0))
        fine = false;
    if (!fine)
        print_error("%s: expected %s, got %d %.300s\n", name, right, a.status,
                    a.status >= 400 ? a.body : "");
    answer_release(&a);
    answer_release(&alive);
    free(data.data);
    return fine;
}

TEST(every_hostile_request_gets_a_right_answer)
{
    char *all = t_file("hostile/requests.tsv", NULL), *at = all, *line;
    int played = 0, wrong = 0;
    while ((line = strsep(&at, "\n")) != NULL) {
        if (line[0] == '#' || line[0] == 0) continue;
        wrong += !play(line);
        played++;
    }
    free(all);
    print_message("%d of %d right\n", played - wrong, played);
    OK(played > 300);
    EQ(0, wrong);
}

TEST(no_memory_stays)
{
    OK(falls_to(&s, "convd_memory_bytes{kind=\"used\"}", 1 << 20, 10));
    OK(falls_to(&s, "convd_memory_bytes{kind=\"cached\"}", 1 << 20, 10));
    EQ(0, gauge(&s, "convd_memory_bytes{kind=\"promised\"}"));
    EQ(0, gauge(&s, "convd_memory_bytes{kind=\"uploads\"}"));
}

int main(void)
{
    s = SERVER(NULL);
    int rc = _cmocka_run_group_tests("http/hostile", t_tests, t_count, NULL, NULL) ? 1 : 0;
    if (server_stop(&s) != 0) rc = 1;
    return rc;
}
