/* Random graphs through the front door: as JSON text, a picture file and tensor files they give core's own numbers, in the
 * memory that was promised; and printed as a spec or as a chain they are the same pipeline. GRAPHS=20000 draws that many. */
#include "../../core/tensor_file.h"
#include "../api/lib_work.h"
#include "lib_graph.h"

struct sent {
    struct graph g;
    const char *text;
    struct convd_bytes image, files[GRAPH_TENSORS];
    struct api_part parts[GRAPH_TENSORS];
};

/* The picture as a file: bytes as PNM, floats as npy. */
static void write_image(struct sent *s)
{
    const struct convd_input *in = &s->g.in;
    if (in->pixels == CONVD_F32_NCHW) {
        const struct convd_tensor t = {
            .name = "", .rank = 4, .dim = {in->n, in->channels, in->height, in->width}, .data = s->g.image};
        OK(convd_npy_write(&t, &s->image));
        return;
    }
    char head[64];
    const int n = snprintf(head, sizeof head, "P%d %td %td 255\n", in->stored == 1 ? 5 : 6, in->width, in->height);
    OK(convd_bytes_put(&s->image, head, (size_t)n) && convd_bytes_put(&s->image, s->g.image, s->g.image_bytes));
}

/* False where no file can say the picture. */
static bool draw(struct sent *s, struct t_rng *r)
{
    static const struct graph_wish wish = {.steps = 0};
    memset(s, 0, sizeof *s);
    graph_draw(&s->g, &wish, r);
    const struct convd_input *in = &s->g.in;
    if (in->pixels != CONVD_F32_NCHW && (in->pixels != CONVD_U8_HWC || in->n > 1 || in->stored == 4)) {
        graph_release(&s->g);
        return false;
    }
    s->text = graph_text(&s->g);
    write_image(s);
    for (size_t i = 0; i < s->g.n_tensors; i++) {
        OK(convd_npy_write(&s->g.tensors[i], &s->files[i]));
        s->parts[i] = (struct api_part){s->g.tensors[i].name, s->files[i].data, s->files[i].n};
    }
    return true;
}

static void release(struct sent *s)
{
    for (size_t i = 0; i < s->g.n_tensors; i++) convd_bytes_release(&s->files[i]);
    convd_bytes_release(&s->image);
    graph_release(&s->g);
}

/* Core's own numbers, as an npy. */
static struct convd_bytes numbers(struct sent *s)
{
    struct convd_faults *f = convd_faults_new();
    struct convd_bytes npy = {0};
    int last;
    struct convd_graph *g = graph_build(&s->g, f, &last);
    const struct convd_output out = {.node = last, .pixels = CONVD_F32_NCHW};
    struct convd_plan *p = convd_plan_new(g, &s->g.in, &out, 1, NULL, 1, f);
    OK(p);
    const struct convd_shape y = convd_plan_shape(p, last);
    const struct convd_tensor t = {.name = "",
                                   .rank = 4,
                                   .dim = {y.n, y.c, y.h, y.w},
                                   .data = malloc((size_t)(y.n * y.c * y.h * y.w) * sizeof(float))};
    OK(convd_plan_run(p, &(struct convd_run){.input = s->g.image, .outputs = (void *[]){t.data}}, f));
    OK(convd_npy_write(&t, &npy));
    free(t.data);
    convd_plan_free(p);
    convd_graph_free(g);
    convd_faults_free(f);
    return npy;
}

struct query {
    struct api_pair pair[3];
    size_t n;
};

static struct api_work work_of(const struct sent *s, struct counting *c, const char *pipeline, struct query *q,
                               const char *format)
{
    struct api_work w = test_work(c, s->image.data, s->image.n, pipeline);
    *q = (struct query){.n = 0};
    if (format) q->pair[q->n++] = (struct api_pair){"format", format};
    if (s->g.in.pixels == CONVD_U8_HWC && s->g.in.channels == 1)
        q->pair[q->n++] = (struct api_pair){"channels", "gray"};
    w.query = q->pair;
    w.n_query = q->n;
    w.tensors = s->parts;
    w.n_tensors = s->g.n_tensors;
    return w;
}

/* Runs within its promise. */
static void run(struct api_work *w, struct counting *c, const char *text)
{
    if (!api_work_prepare(w)) T_FAIL("%s is refused: %s", text, test_faults(w->faults));
    c->most = c->now; /* reading what came is over */
    if (!api_work_run(w, NULL, NULL)) T_FAIL("%s does not run: %s", text, test_faults(w->faults));
    if (c->most > w->bytes) T_FAIL("%s as %s: took %zu, said %zu", text, w->query[0].value, c->most, w->bytes);
}

static bool same_numbers(const struct convd_bytes *a, const struct convd_bytes *b)
{
    const unsigned char *start = a->data;
    const size_t head = 10 + start[8] + 256u * start[9]; /* of an npy */
    if (a->n != b->n || memcmp(a->data, b->data, head) != 0) return false;
    for (size_t i = head; i < a->n; i += sizeof(float)) {
        float u, v;
        memcpy(&u, (const char *)a->data + i, sizeof u);
        memcpy(&v, (const char *)b->data + i, sizeof v);
        if (!(u == v || (u != u && v != v))) return false;
    }
    return true;
}

static void expect_numbers(const struct sent *s, const struct convd_bytes *want, const char *pipeline)
{
    struct counting *c = counting_new();
    struct query q;
    struct api_work w = work_of(s, c, pipeline, &q, "npy");
    run(&w, c, pipeline);
    if (!same_numbers(want, &w.body)) T_FAIL("%s, written as %s: other numbers", s->text, pipeline);
    api_work_release(&w);
    counting_free(c);
}

/* In the words of that form, or NULL where it has none for it. */
static char *printed(const struct sent *s, const char *form)
{
    struct query q;
    struct api_work w = work_of(s, NULL, s->text, &q, NULL);
    char *text = NULL;
    if (api_explain(&w, NULL, form)) {
        text = calloc(1, w.body.n + 1);
        memcpy(text, w.body.data, w.body.n);
        text[strcspn(text, "\n")] = 0;
    } else if (w.faults->first->code != CONVD_NOT_EXPRESSIBLE) {
        T_FAIL("%s as %s: %s", s->text, form, test_faults(w.faults));
    }
    api_work_release(&w);
    return text;
}

TEST(as_text_random_graphs_give_the_same_numbers)
{
    static const char *const formats[] = {"npy", "json", "safetensors", "png", "jpeg", "hdr", "ppm", "webp", "bmp"};
    struct t_rng r = t_rng(21);
    const int rounds = graph_rounds(600);
    int chains = 0;
    for (int round = 0; round < rounds;) {
        struct sent s;
        if (!draw(&s, &r)) continue;
        struct convd_bytes want = numbers(&s);
        struct counting *c = counting_new();
        struct query q;
        struct api_work w = work_of(&s, c, s.text, &q, formats[t_between(&r, 0, 8)]);
        run(&w, c, s.text);
        api_work_release(&w);
        counting_free(c);
        char *spec = printed(&s, "spec"), *chain = printed(&s, "chain");
        OK(spec);
        expect_numbers(&s, &want, s.text);
        expect_numbers(&s, &want, spec);
        if (chain) expect_numbers(&s, &want, chain);
        chains += chain != NULL;
        free(spec);
        free(chain);
        convd_bytes_release(&want);
        release(&s);
        round++;
    }
    print_message("%d graphs, %d of them chains\n", rounds, chains);
    OK(chains * 20 > rounds);
}

T_MAIN("graphs/front")
