/* probe.c: one number explained: the window it was computed from with what the border made, the weights, each product,
 * and the rectangle of the picture it depends on. Which of these there are is said by the op's row (core/op.h: look). */
#include "probe.h"
#include "json.h"
#include "output.h"
#include "../core/probe.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

struct api_probe {
    int node;
    const char *step; /* as asked                                                        */
    struct convd_place at;
    bool look_there, listed; /* the op says more than "the same place"; and it is not too much  */
    struct convd_look look;
    float *window;
    bool *outside;
    struct convd_box source;
};

static const char *const names[API_AT_MEMBERS] = {"step", "channel", "x", "y"};

/* ---- which number ---- */

static bool no_memory(struct api_work *w)
{
    convd_fault(w->faults, CONVD_NO_MEMORY, NULL, "no memory for the probe");
    return false;
}

/* Faults point to the part or member, wherever it came from. */
static struct convd_fault *fault_at(struct api_work *w, int code, enum api_at which,
                                    const char *expected, const char *found)
{
    return convd_fault_expected(w->faults, code, names[which], expected, "%s", found ? found : "");
}

static const char *id_at(const void *graph, size_t i)
{
    return ((const struct convd_graph *)graph)->nodes[i].id;
}

/* The step that is named, or the last one; -1 after a fault. */
static int find_step(struct api_work *w)
{
    const struct convd_graph *g = w->graph;
    const struct convd_value *v = w->at[API_AT_STEP];
    if (!v) {
        int node = -1;
        for (const struct convd_written *x = g->written; x; x = x->next) node = x->node;
        if (node >= 0) w->probe->step = g->nodes[node].id;
        return node;
    }
    if (v->kind != CONVD_STRING) {
        fault_at(
            w, CONVD_WRONG_TYPE, API_AT_STEP, "the id of a step",
            convd_arena_printf(w->faults->mem, "step is %s", convd_value_show(w->faults->mem, v)));
        return -1;
    }
    int node = convd_graph_node(g, v->string);
    w->probe->step = v->string;
    if (node > 0 && g->nodes[node].kind == CONVD_NODE_STEP && g->nodes[node].op) return node;
    if (g->full) return -1; /* the step may be among those that were not added */
    fault_at(w, CONVD_UNKNOWN_NAME, API_AT_STEP, "the id of a step",
             convd_arena_printf(w->faults->mem, "no step %s", convd_value_show(w->faults->mem, v)))
        ->suggestion = convd_nearest(v->string, id_at, g, g->n_nodes);
    return -1;
}

static bool nodes(struct api_work *w)
{
    struct api_output *out = w->output;
    w->probe = convd_arena_zero(&w->mem, sizeof *w->probe);
    if (!w->probe) return no_memory(w);
    int node = w->probe->node = find_step(w);
    if (node < 0) return false;
    const struct convd_node *n = &w->graph->nodes[node];
    out->targets = convd_arena_array(&w->mem, n->n_inputs + 1, sizeof *out->targets);
    if (!out->targets) return no_memory(w);
    out->targets[out->n++] =
        (struct api_target){.node = node, .id = n->id, .pixels = CONVD_F32_NCHW};
    for (size_t i = 0; i < n->n_inputs; i++) { /* tensors are in memory already */
        int u = n->inputs[i];
        bool there = u < 0 || w->graph->nodes[u].kind == CONVD_NODE_TENSOR;
        for (size_t k = 0; k < out->n; k++) there |= out->targets[k].node == u;
        if (!there)
            out->targets[out->n++] = (struct api_target){
                .node = u, .id = w->graph->nodes[u].id, .pixels = CONVD_F32_NCHW};
    }
    return true;
}

/* channel, x or y: a whole number below n, given as a number or as text; may be left out where there is one only. */
static bool read_place(struct api_work *w, enum api_at which, bool optional, ptrdiff_t n,
                       ptrdiff_t *to)
{
    const struct convd_value *v = w->at[which];
    const char *name = names[which];
    struct convd_arena *mem = w->faults->mem;
    const char *expected =
        n == 1 ? "0" : convd_arena_printf(mem, "a whole number from 0 to %td", n - 1);
    double x = 0;
    char *end = NULL;
    *to = 0;
    if (!expected) return no_memory(w);
    if (!v && (optional || n == 1)) return true;
    if (!v) {
        fault_at(w, CONVD_MISSING, which, expected, convd_arena_printf(mem, "no %s came", name));
        return false;
    }
    if (v->kind == CONVD_STRING) x = strtod(v->string, &end);
    if (v->kind == CONVD_NUMBER) x = v->number;
    bool number = v->kind == CONVD_NUMBER || (v->kind == CONVD_STRING && end != v->string &&
                                              *end == 0 && strpbrk(v->string, "xX") == NULL);
    if (!number || rint(x) != x || !(fabs(x) < 1e15)) {
        fault_at(w, CONVD_WRONG_TYPE, which, expected,
                 convd_arena_printf(mem, "%s is %s", name, convd_value_show(mem, v)));
        return false;
    }
    if (x < 0 || x >= (double)n) {
        struct convd_fault *f = fault_at(w, CONVD_OUT_OF_RANGE, which, expected,
                                         convd_arena_printf(mem, "%s is %.0f", name, x));
        f->limit = (double)(n - 1);
        f->actual = x;
        return false;
    }
    *to = (ptrdiff_t)x;
    return true;
}

/* Most bytes of the answer: a number of a window is written as float, weight and product. */
static size_t text_bound(const struct api_probe *p, const struct convd_node *n)
{
    size_t taps = p->look_there && p->listed ? convd_look_taps(&p->look) : n->n_inputs;
    return 4096 + taps * (18 + 8 + 27 + 27);
}

static bool settle_look(struct api_work *w)
{
    struct api_probe *p = w->probe;
    p->look_there = convd_probe_look(w->plan, p->node, p->at, &p->look);
    size_t taps = p->look_there ? convd_look_taps(&p->look) : 0;
    p->listed = taps <= API_PROBE_TAPS;
    if (!p->listed) taps = 0;
    p->window = convd_arena_array(&w->mem, taps + 1, sizeof *p->window);
    p->outside = convd_arena_array(&w->mem, taps + 1, sizeof *p->outside);
    if (!p->window || !p->outside) return no_memory(w);
    return convd_probe_source(w->plan, p->node, p->at, &w->mem, &p->source) || no_memory(w);
}

/* The answer is JSON; who asks for something else is told. */
static bool settle_format(struct api_work *w)
{
    struct api_output *out = w->output;
    const bool named = out->asked.given & API_GIVEN(FORMAT);
    api_format_named("json", &out->format);
    if (named ? out->asked.format.kind == API_JSON
              : api_accept_choose(w->accept, &out->format, 1) != NULL)
        return true;
    convd_fault_expected(w->faults, API_NOT_ACCEPTABLE, NULL, "json",
                         "a probe cannot be made as %.200s",
                         named ? out->asked.format.name : w->accept);
    return false;
}

static bool settle(struct api_work *w, bool *again)
{
    struct api_probe *p = w->probe;
    struct api_output *out = w->output;
    const struct convd_shape y = convd_plan_shape(w->plan, p->node);
    *again = false;
    bool fine = settle_format(w);
    fine &= read_place(w, API_AT_CHANNEL, true, y.c, &p->at.c);
    fine &= read_place(w, API_AT_X, false, y.w, &p->at.j);
    fine &= read_place(w, API_AT_Y, false, y.h, &p->at.i);
    if (!fine || !settle_look(w)) return false;
    for (size_t i = 0; i < out->n; i++) {
        struct api_target *t = &out->targets[i];
        t->shape = convd_plan_shape(w->plan, t->node);
        t->count =
            (size_t)t->shape.n * (size_t)t->shape.c * (size_t)t->shape.h * (size_t)t->shape.w;
        t->bytes = t->count * sizeof(float); /* the plan checked it */
    }
    out->text = text_bound(p, &w->graph->nodes[p->node]);
    return true;
}

const void *api_probe_key(const struct api_work *w, size_t *n)
{
    *n = sizeof w->probe->at;
    return &w->probe->at;
}

/* ---- the answer ---- */

/* The first sample of a node's map. */
static const float *map_of(const struct api_work *w, int node)
{
    const struct convd_node *n = &w->graph->nodes[node];
    if (n->kind == CONVD_NODE_TENSOR) return n->tensor->data;
    for (size_t i = 0; i < w->output->n; i++)
        if (w->output->targets[i].node == node) return w->output->maps[i];
    return NULL;
}

static float number_at(const struct api_work *w, int node, struct convd_place at)
{
    const struct convd_shape s = convd_plan_shape(w->plan, node);
    return map_of(w, node)[(at.c * s.h + at.i) * s.w + at.j];
}

static void integer(struct api_json *j, const char *name, ptrdiff_t x)
{
    api_json_key(j, name);
    api_json_integer(j, x);
}

enum layer { WINDOW, WEIGHTS, PRODUCTS };

/* channels x kh x kw numbers. */
static void write_layer(struct api_json *j, const struct api_work *w, enum layer layer)
{
    const struct api_probe *p = w->probe;
    const struct convd_look *l = &p->look;
    size_t k = 0;
    api_json_array(j);
    for (ptrdiff_t q = 0; q < l->channels; q++) {
        api_json_array(j);
        for (ptrdiff_t a = 0; a < l->kh; a++) {
            api_json_array(j);
            for (ptrdiff_t b = 0; b < l->kw; b++, k++) {
                const double weight =
                    layer == WINDOW ? 1 : convd_probe_weight(w->plan, p->node, p->at, q, a, b);
                if (layer == WINDOW)
                    api_json_float(j, p->window[k]);
                else
                    api_json_float(
                        j, (float)(layer == WEIGHTS ? weight : weight * (double)p->window[k]));
            }
            api_json_end(j);
        }
        api_json_end(j);
    }
    api_json_end(j);
}

static void write_outside(struct api_json *j, const struct api_probe *p)
{
    api_json_key(j, "outside");
    api_json_array(j);
    for (ptrdiff_t a = 0; a < p->look.kh; a++) {
        api_json_array(j);
        for (ptrdiff_t b = 0; b < p->look.kw; b++)
            api_json_boolean(j, p->outside[a * p->look.kw + b]);
        api_json_end(j);
    }
    api_json_end(j);
}

static void write_winner(struct api_json *j, const struct api_probe *p, float value)
{
    const ptrdiff_t k = convd_look_winner(&p->look, p->window, p->outside, value);
    api_json_key(j, "winner");
    if (k < 0) {
        api_json_null(j);
        return;
    }
    api_json_array(j);
    api_json_integer(j, k / p->look.kw);
    api_json_integer(j, k % p->look.kw);
    api_json_end(j);
}

/* Window, weights and products; null in place of what is too long to list. */
static void write_window(struct api_json *j, const struct api_work *w, float value)
{
    const struct api_probe *p = w->probe;
    const bool sum = p->look.kind == CONVD_LOOK_SUM;
    api_json_key(j, "window");
    if (p->listed)
        write_layer(j, w, WINDOW);
    else
        api_json_null(j);
    if (p->listed) write_outside(j, p);
    if (sum && p->listed) {
        api_json_key(j, "weights");
        write_layer(j, w, WEIGHTS);
        api_json_key(j, "products");
        write_layer(j, w, PRODUCTS);
    }
    if (sum) {
        api_json_key(j, "bias");
        api_json_number(j, p->look.bias);
    }
    if (p->look.kind == CONVD_LOOK_WINNER && p->listed) write_winner(j, p, value);
}

static void write_inputs(struct api_json *j, const struct api_work *w)
{
    const struct api_probe *p = w->probe;
    const struct convd_node *n = &w->graph->nodes[p->node];
    api_json_key(j, "inputs");
    if (p->look_there && !p->listed) {
        api_json_null(j);
        return;
    }
    api_json_array(j);
    if (p->look_there)
        for (size_t k = 0; k < convd_look_taps(&p->look); k++) api_json_float(j, p->window[k]);
    else
        for (size_t i = 0; i < n->n_inputs; i++) {
            const struct convd_shape x = convd_plan_shape(w->plan, n->inputs[i]);
            api_json_float(j, number_at(w, n->inputs[i], convd_probe_same(x, p->at)));
        }
    api_json_end(j);
}

static bool answer(struct api_work *w, const uint8_t *alpha)
{
    struct api_probe *p = w->probe;
    const struct convd_node *n = &w->graph->nodes[p->node];
    const float value = number_at(w, p->node, p->at);
    const struct convd_box *s = &p->source;
    struct api_json j = api_json_to(&w->body);
    (void)alpha;
    if (p->look_there && p->listed) {
        int u = n->inputs[p->look.input];
        convd_look_read(&p->look, map_of(w, u), convd_plan_shape(w->plan, u), p->window,
                        p->outside);
    }
    api_json_object(&j);
    api_json_key(&j, "step");
    api_json_string(&j, p->step);
    integer(&j, "channel", p->at.c);
    integer(&j, "x", p->at.j);
    integer(&j, "y", p->at.i);
    if (p->look_there && p->look.kind != CONVD_LOOK_INPUTS)
        write_window(&j, w, value);
    else
        write_inputs(&j, w);
    api_json_key(&j, "value");
    api_json_float(&j, value);
    api_json_key(&j, "source");
    api_json_object(&j);
    integer(&j, "x", s->x0);
    integer(&j, "y", s->y0);
    integer(&j, "width", s->x1 - s->x0);
    integer(&j, "height", s->y1 - s->y0);
    api_json_end(&j);
    api_json_end(&j);
    w->media = w->output->format.media;
    w->extension = w->output->format.extension;
    if (j.failed) no_memory(w);
    return !j.failed;
}

const struct api_asking api_probe_asking = {
    .members = "step channel x y", .nodes = nodes, .settle = settle, .write = answer};
