/* lib_work.c: see lib_work.h. */
#include "lib_work.h"
#include "../../api/json.h"
#include "../t.h"

/* ---- memory ---- */

static void *count_take(void *self, size_t bytes)
{
    struct counting *c = self;
    if (++c->takes == c->fail_at) return NULL;
    c->now += bytes;
    if (c->now > c->most) c->most = c->now;
    for (size_t i = 0; i < c->n_kept; i++)
        if (c->kept[i].bytes == bytes) {
            void *p = c->kept[i].p;
            c->kept[i] = c->kept[--c->n_kept];
            return p;
        }
    c->fresh++;
    return aligned_alloc(64, (bytes + 127) / 64 * 64);
}

static void count_give(void *self, void *p, size_t bytes)
{
    struct counting *c = self;
    c->now -= bytes;
    if (c->n_kept < sizeof c->kept / sizeof *c->kept)
        c->kept[c->n_kept++] = (struct block){p, bytes};
    else
        free(p);
}

struct counting *counting_new(void)
{
    struct counting *c = calloc(1, sizeof *c);
    OK(c);
    c->memory = (struct convd_memory){.take = count_take, .give = count_give, .self = c};
    return c;
}

void counting_free(struct counting *c)
{
    EQ(0, c->now);
    for (size_t i = 0; i < c->n_kept; i++) free(c->kept[i].p);
    free(c);
}

/* ---- pictures ---- */

static uint8_t sample(ptrdiff_t x, ptrdiff_t y, ptrdiff_t k)
{
    double v = 100 + 60 * sin((double)x * 0.31 + (double)k) + 50 * cos((double)y * 0.23) +
               (double)((x / 5 + y / 7) % 2 * 40);
    return (uint8_t)(v < 0 ? 0 : v > 255 ? 255 : v);
}

uint8_t *test_picture(ptrdiff_t w, ptrdiff_t h, ptrdiff_t channels, size_t *n)
{
    char head[64];
    int len = snprintf(head, sizeof head, "P%d\n%td %td\n255\n", channels == 1 ? 5 : 6, w, h);
    size_t pixels = (size_t)(w * h * channels), skip = channels == 4 ? 0 : (size_t)len;
    uint8_t *out = malloc(skip + pixels);
    OK(out);
    memcpy(out, head, skip);
    for (ptrdiff_t y = 0; y < h; y++)
        for (ptrdiff_t x = 0; x < w; x++)
            for (ptrdiff_t k = 0; k < channels; k++)
                out[skip + (size_t)((y * w + x) * channels + k)] =
                    k == 3 ? (uint8_t)(x * 255 / w) : sample(x, y, k);
    *n = skip + pixels;
    if (channels != 4) return out;
    struct convd_bytes png = {0};
    struct convd_faults *f = convd_faults_new();
    const struct convd_picture p = {
        .data = out, .width = w, .height = h, .channels = 4, .depth = 8};
    OK(convd_image_encode(convd_codec_named("png"), &p, NULL, &png, f));
    convd_faults_free(f);
    free(out);
    out = malloc(png.n);
    OK(out);
    memcpy(out, png.data, png.n);
    *n = png.n;
    convd_bytes_release(&png);
    return out;
}

/* ---- works ---- */

const struct api_library *test_library(void)
{
    static struct api_library *lib;
    if (lib) return lib;
    struct convd_faults *f = convd_faults_new();
    lib = api_library_new(f);
    if (!lib) T_FAIL("the library does not load: %s", test_faults(f));
    convd_faults_free(f);
    return lib;
}

struct api_work test_work(struct counting *c, const void *image, size_t n, const char *pipeline)
{
    return (struct api_work){.library = test_library(),
                             .memory = c ? &c->memory : NULL,
                             .threads = 1,
                             .form = API_PIPELINE,
                             .pipeline = pipeline,
                             .pipeline_n = pipeline ? strlen(pipeline) : 0,
                             .image = image,
                             .image_n = n};
}

void test_run(struct api_work *w)
{
    if (!api_work_prepare(w))
        T_FAIL("%s is refused: %s", w->pipeline ? w->pipeline : "(value)", test_faults(w->faults));
    if (!api_work_run(w, NULL, NULL))
        T_FAIL("%s does not run: %s", w->pipeline ? w->pipeline : "(value)",
               test_faults(w->faults));
}

const char *test_faults(const struct convd_faults *f)
{
    static char text[8192];
    size_t n = 0;
    text[0] = 0;
    for (const struct convd_fault *x = f ? f->first : NULL; x && n < sizeof text - 600; x = x->next)
        n += (size_t)snprintf(text + n, 600, "%s%s %s: %.200s [%.120s] <%.40s>", n ? " | " : "",
                              api_code_word(x->code), x->pointer, x->detail,
                              x->expected ? x->expected : "", x->suggestion ? x->suggestion : "");
    return text;
}

const char *test_body(const struct api_work *w)
{
    static char *text;
    free(text);
    text = malloc(w->body.n + 1);
    OK(text);
    if (w->body.n) memcpy(text, w->body.data, w->body.n);
    text[w->body.n] = 0;
    return text;
}

const struct convd_value *test_json(const char *text, size_t n)
{
    static struct convd_arena mem;
    struct convd_faults *f = convd_faults_new();
    struct convd_value *v = convd_arena_zero(&mem, sizeof *v);
    if (!api_json_parse(text, n, SIZE_MAX, &mem, f, v))
        T_FAIL("not JSON: %s in %.300s", test_faults(f), text);
    convd_faults_free(f);
    return v;
}

const struct convd_value *test_at(const struct convd_value *v, const char *path)
{
    char part[128];
    for (const char *s = path; v && *s; s += *s == '/') {
        size_t n = strcspn(s, "/");
        snprintf(part, sizeof part, "%.*s", (int)n, s);
        if (v->kind == CONVD_ARRAY)
            v = strtoul(part, NULL, 10) < v->n ? &v->items[strtoul(part, NULL, 10)] : NULL;
        else
            v = convd_value_get(v, part);
        s += n;
    }
    if (!v) T_FAIL("nothing at %s", path);
    return v;
}
