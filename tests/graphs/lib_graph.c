/* lib_graph.c: see lib_graph.h. */
#include "lib_graph.h"
#include "../../api/json.h"
#include "../../core/pixels.h"
#include "../api/lib_work.h"

enum { TRIES = 20, DEEPEST = 2 };
static const struct convd_limits limits = {.memory = 4 << 20, .macs = 1e6};

/* A list of steps as it grows: what enters it, and what each step makes. */
struct list {
    struct graph *g;
    struct t_rng *rng;
    const struct graph_wish *wish;
    struct convd_input in;
    struct convd_value *steps;
    struct convd_shape made[GRAPH_STEPS];
    const char *ids[GRAPH_STEPS];
    uint32_t n;
    int depth;
};

static ptrdiff_t one_of(struct list *l, ptrdiff_t n)
{
    return t_between(l->rng, 0, n - 1);
}

static struct convd_graph *empty_graph(const struct graph *g, struct convd_faults *f)
{
    struct convd_graph *c = convd_graph_new(NULL, f);
    OK(c);
    convd_graph_setup(c, api_library_names(test_library()), NULL);
    for (size_t i = 0; i < g->n_tensors; i++) OK(convd_graph_tensor(c, &g->tensors[i]));
    return c;
}

/* ---- trying ---- */

struct trial {
    struct convd_faults *f;
    struct convd_graph *graph;
    struct convd_plan *plan; /* NULL: refused */
    int last;
};

static struct trial try_list(struct list *l, uint32_t n)
{
    struct trial t = {.f = convd_faults_new()};
    const struct convd_value v = {.kind = CONVD_ARRAY, .n = n, .items = l->steps};
    t.graph = empty_graph(l->g, t.f);
    t.last = convd_graph_steps(t.graph, &v);
    const struct convd_output out = {.node = t.last, .pixels = CONVD_F32_NCHW};
    if (t.last >= 0 && convd_faults_count(t.f) == 0)
        t.plan = convd_plan_new(t.graph, &l->in, &out, 1, &limits, 1, t.f);
    OK(t.plan || convd_faults_count(t.f) > 0);
    return t;
}

static void trial_release(struct trial *t)
{
    convd_plan_free(t->plan);
    convd_graph_free(t->graph);
    convd_faults_free(t->f);
}

/* ---- inputs ---- */

static struct convd_shape image_shape(const struct list *l)
{
    return (struct convd_shape){l->in.n, l->in.channels, l->in.height, l->in.width};
}

/* Something that a step may get, and its shape. */
static const char *source(struct list *l, struct convd_shape *shape)
{
    const ptrdiff_t k = one_of(l, (ptrdiff_t)l->n + 1);
    if (one_of(l, 20) == 0 && l->g->n_tensors < GRAPH_TENSORS / 2) {
        const struct graph_site s = {.g = l->g, .rng = l->rng};
        struct convd_tensor t = {.rank = (int)t_between(l->rng, 2, 4)};
        *shape = k ? l->made[k - 1] : image_shape(l);
        const ptrdiff_t dim[] = {shape->n, shape->c, shape->h, shape->w};
        memcpy(t.dim, dim + 4 - t.rank, (size_t)t.rank * sizeof *dim);
        if (t.rank < 4) shape->n = 1;
        if (t.rank < 3) shape->c = 1;
        return graph_array(&s, &t, true).string;
    }
    *shape = k ? l->made[k - 1] : image_shape(l);
    return k ? l->ids[k - 1] : "image";
}

/* Another one for a merge with it: of the same size, or what may be spread, or anything. */
static const char *partner(struct list *l, struct convd_shape x)
{
    for (int k = 0; k < TRIES; k++) {
        struct convd_shape s;
        const char *id = source(l, &s);
        if ((s.h == x.h && s.w == x.w) || (s.h == 1 && s.w == 1) || k + 2 == TRIES) return id;
    }
    return "image";
}

static struct convd_value inputs(struct list *l, const char *first, struct convd_shape x)
{
    const ptrdiff_t n = one_of(l, 4) ? 2 : t_between(l->rng, 2, 5);
    struct convd_value *ids = convd_arena_array(&l->g->mem, (size_t)n, sizeof *ids);
    OK(ids);
    const ptrdiff_t at = one_of(l, n);
    for (ptrdiff_t i = 0; i < n; i++) ids[i] = convd_string(i == at ? first : partner(l, x));
    return (struct convd_value){.kind = CONVD_ARRAY, .n = (uint32_t)n, .items = ids};
}

/* ---- steps ---- */

static void draw_list(struct list *l, ptrdiff_t most);

static struct convd_value inner_steps(struct list *l, struct convd_shape x)
{
    struct list inner = {.g = l->g, .rng = l->rng, .wish = l->wish, .depth = l->depth + 1};
    inner.in = (struct convd_input){.pixels = CONVD_F32_NCHW,
                                    .n = x.n,
                                    .height = x.h,
                                    .width = x.w,
                                    .stored = x.c,
                                    .channels = x.c};
    inner.steps = convd_arena_array(&l->g->mem, GRAPH_STEPS, sizeof *inner.steps);
    OK(inner.steps);
    draw_list(&inner, 3);
    return (struct convd_value){.kind = CONVD_ARRAY, .n = inner.n, .items = inner.steps};
}

static uint32_t draw_params(struct list *l, const struct convd_op *op, struct convd_shape x, struct convd_member *m)
{
    const struct graph_site s = {.g = l->g, .rng = l->rng, .x = x};
    bool either = false;
    uint32_t n = 0;
    for (const struct convd_param *row = op->params; row && row->name; row++) {
        if (row->flags & CONVD_EITHER) {
            if (either) continue;
            either = row[1].name && row[1].flags & CONVD_EITHER ? one_of(l, 2) : true;
            if (!either) continue;
        } else if (row->def && one_of(l, 3)) {
            continue;
        }
        m[n++] = (struct convd_member){row->name, row->type == CONVD_P_STEPS ? inner_steps(l, x)
                                                                             : graph_param(&s, row)};
    }
    return n;
}

/* A step that is a name alone: a pipeline's, a kernel's, an operation's. */
static struct convd_value bare_name(struct list *l)
{
    static const char *const names[] = {"edges", "edges-xy", "orientation", "blur", "maxpool", "csp",
                                        "abs",   "sobel_x",  "gaussian",    "relu", "neg",     "log"};
    const char *name = names[one_of(l, 12)];
    if (one_of(l, 2) || !api_library_find(test_library(), name)) return convd_string(name);
    struct convd_member *m = convd_arena_array(&l->g->mem, 2, sizeof *m);
    OK(m);
    m[0] = (struct convd_member){"op", convd_string("pipeline")};
    m[1] = (struct convd_member){"name", convd_string(name)};
    return (struct convd_value){.kind = CONVD_OBJECT, .n = 2, .members = m};
}

static const struct convd_op *draw_op(struct list *l)
{
    if (l->wish->often && one_of(l, 3) == 0) return convd_op_find(l->wish->often);
    for (;;) {
        const struct convd_op *op = convd_op_at((size_t)one_of(l, (ptrdiff_t)convd_op_count()));
        if (l->wish->may ? l->wish->may(op) : !op->expand || l->depth < DEEPEST) return op;
    }
}

/* One more step behind the others; whether it fits is seen later. NULL: it is no operation. */
static const struct convd_op *draw_step(struct list *l, struct convd_value *step)
{
    struct convd_member *m = convd_arena_array(&l->g->mem, 24, sizeof *m);
    uint32_t n = 0;
    OK(m);
    l->ids[l->n] = convd_arena_printf(&l->g->mem, "s%u", l->n);
    if (!l->wish->may && one_of(l, 16) == 0) {
        *step = bare_name(l);
        return NULL;
    }
    const struct convd_op *op = draw_op(l);
    m[n++] = (struct convd_member){"op", convd_string(op->name)};
    if (one_of(l, 4) == 0) {
        l->ids[l->n] = convd_arena_printf(&l->g->mem, "%c_%u", (int)t_between(l->rng, 'a', 'z'), l->n);
        m[n++] = (struct convd_member){"id", convd_string(l->ids[l->n])};
    }
    struct convd_shape x = l->n ? l->made[l->n - 1] : image_shape(l);
    const char *from = one_of(l, 3) && op->max_inputs < 2 ? NULL : source(l, &x);
    if (op->max_inputs > 1)
        m[n++] = (struct convd_member){"inputs", inputs(l, from, x)};
    else if (from)
        m[n++] = (struct convd_member){"input", convd_string(from)};
    n += draw_params(l, op, x, m + n);
    *step = (struct convd_value){.kind = CONVD_OBJECT, .n = n, .members = m};
    return op;
}

static bool says(const struct convd_value *step, const char *member, const char *word)
{
    const struct convd_value *v = convd_value_get(step, member);
    return v && v->kind == CONVD_STRING && strcmp(v->string, word) == 0;
}

/* Numbers in place of some of the inits of a step that fits: the row says of which shape they are. */
static void write_weights_out(struct list *l, const struct trial *t, const struct convd_op *op,
                              struct convd_value *step)
{
    const struct graph_site s = {.g = l->g, .rng = l->rng};
    struct convd_member *m = convd_arena_array(&l->g->mem, step->n, sizeof *m);
    OK(m);
    memcpy(m, step->members, step->n * sizeof *m);
    for (uint32_t i = 0; op->weight_shape && i < step->n; i++) {
        const struct convd_param *row = convd_param_find(op->params, m[i].name);
        struct convd_tensor shape = {.rank = 0};
        size_t numbers = 1;
        if (!row || row->type != CONVD_P_WEIGHT || m[i].value.kind != CONVD_OBJECT || one_of(l, 2)) continue;
        if (!op->weight_shape(convd_plan_site(t->plan, t->last), (size_t)(row - op->params), &shape)) continue;
        if (shape.rank == 4 && says(step, "layout", "HWIO")) { /* an init has none: it is OIHW */
            const ptrdiff_t dim[] = {shape.dim[2], shape.dim[3], shape.dim[1], shape.dim[0]};
            memcpy(shape.dim, dim, sizeof dim);
        }
        for (int d = 0; d < shape.rank; d++) numbers *= (size_t)shape.dim[d];
        if (numbers < 2000 && l->g->n_tensors < GRAPH_TENSORS)
            m[i].value = graph_array(&s, &shape, numbers > 100 || one_of(l, 2));
    }
    step->members = m;
}

/* True when the step stands; an init that fitted does so as numbers, too. */
static bool add_step(struct list *l)
{
    struct convd_value *step = &l->steps[l->n];
    const size_t tensors = l->g->n_tensors;
    const struct convd_op *op = draw_step(l, step);
    struct trial t = try_list(l, l->n + 1);
    const bool fits = t.plan != NULL;
    if (fits) l->made[l->n] = convd_plan_shape(t.plan, t.last);
    if (fits && op) write_weights_out(l, &t, op, step);
    trial_release(&t);
    if (!fits) {
        l->g->n_tensors = tensors;
        return false;
    }
    t = try_list(l, l->n + 1);
    if (!t.plan) T_FAIL("%s: numbers of the shape of an init are refused: %s", op->name, test_faults(t.f));
    trial_release(&t);
    l->n++;
    return true;
}

static void draw_list(struct list *l, ptrdiff_t most)
{
    const uint32_t n = (uint32_t)t_between(l->rng, 1, most);
    for (int k = 0; l->n < n && (k < TRIES || l->n == 0); k++) add_step(l);
}

/* ---- pictures ---- */

static void draw_input(struct graph *g, const struct graph_wish *w, struct t_rng *r)
{
    static const struct {
        ptrdiff_t stored, channels;
    } bytes[] = {{3, 3}, {3, 3}, {1, 1}, {1, 3}, {3, 1}, {4, 3}, {4, 4}};
    const ptrdiff_t height = w->height ? w->height : 20, width = w->width ? w->width : 20;
    const ptrdiff_t kind = t_between(r, 0, 4), k = t_between(r, 0, 6);
    g->in = (struct convd_input){.pixels = w->bytes || kind < 2 ? CONVD_U8_HWC
                                           : kind == 2          ? CONVD_U16_HWC
                                                                : CONVD_F32_NCHW,
                                 .n = t_between(r, 0, 2) ? 1 : t_between(r, 2, 3),
                                 .height = t_between(r, 0, 9) ? t_between(r, 1, height) : 1,
                                 .width = t_between(r, 0, 9) ? t_between(r, 1, width) : 1};
    g->in.stored = bytes[k].stored;
    g->in.channels = bytes[k].channels;
    if (g->in.pixels == CONVD_F32_NCHW)
        g->in.stored = g->in.channels = t_between(r, 0, 3) ? t_between(r, 1, 8) : t_between(r, 1, 17);
    OK(convd_pixels_bytes(g->in.pixels, g->in.n, g->in.stored, g->in.height, g->in.width, &g->image_bytes));
    g->image = convd_arena_take(&g->mem, g->image_bytes);
    OK(g->image);
}

/* Noise, two levels, or a slope. */
static void draw_image(struct graph *g, struct t_rng *r)
{
    const ptrdiff_t kind = t_between(r, 0, 2);
    if (g->in.pixels == CONVD_F32_NCHW) {
        const double spread = t_between(r, 0, 1) ? 3 : 255;
        float *x = g->image;
        for (size_t i = 0; i < g->image_bytes / sizeof *x; i++)
            x[i] = (float)(kind ? t_uniform(r, -spread, spread) : (double)t_between(r, 0, 3));
        return;
    }
    uint8_t *x = g->image;
    for (size_t i = 0; i < g->image_bytes; i++)
        x[i] = kind == 0   ? (uint8_t)t_random(r)
               : kind == 1 ? (t_random(r) & 1 ? 255 : 0)
                           : (uint8_t)(i * 3 / 7);
}

/* ---- the calls ---- */

void graph_draw(struct graph *g, const struct graph_wish *wish, struct t_rng *rng)
{
    *g = (struct graph){.n = 0};
    convd_arena_init(&g->mem, NULL, 0);
    draw_input(g, wish, rng);
    draw_image(g, rng);
    struct list l = {.g = g, .rng = rng, .wish = wish, .in = g->in, .steps = g->steps};
    draw_list(&l, wish->steps ? wish->steps : GRAPH_STEPS);
    g->n = l.n;
}

void graph_release(struct graph *g)
{
    convd_arena_release(&g->mem);
}

struct convd_value graph_spec(struct graph *g)
{
    struct convd_member *m = convd_arena_zero(&g->mem, sizeof *m);
    OK(m);
    *m = (struct convd_member){"steps", {.kind = CONVD_ARRAY, .n = g->n, .items = g->steps}};
    return (struct convd_value){.kind = CONVD_OBJECT, .n = 1, .members = m};
}

const char *graph_text(struct graph *g)
{
    struct convd_bytes out = {0};
    struct api_json j = api_json_to(&out);
    const struct convd_value v = graph_spec(g);
    api_json_value(&j, &v);
    OK(!j.failed);
    const char *text = convd_arena_text(&g->mem, (const char *)out.data, out.n);
    convd_bytes_release(&out);
    OK(text);
    return text;
}

struct convd_graph *graph_build(const struct graph *g, struct convd_faults *f, int *last)
{
    struct convd_graph *c = empty_graph(g, f);
    const struct convd_value v = {.kind = CONVD_ARRAY, .n = g->n, .items = g->steps};
    *last = convd_graph_steps(c, &v);
    if (*last < 0 || convd_faults_count(f) > 0) T_FAIL("a valid graph is refused: %s", test_faults(f));
    return c;
}

int graph_rounds(int usually)
{
    const char *s = getenv("GRAPHS");
    return s ? atoi(s) : usually;
}
