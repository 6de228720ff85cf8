/* output.c: which nodes, in which format, as which pictures, for how many bytes; see output.h. */
#include "output.h"
#include "work.h"
#include "../core/pixels.h"
#include <math.h>
#include <stdio.h>
#include <string.h>

/* ---- nodes ---- */

static bool no_memory(struct convd_faults *f)
{
    convd_fault(f, CONVD_NO_MEMORY, NULL, "no memory for the outputs");
    return false;
}

/* Every written step; a pipeline's name stands for its steps. Counts only when list is NULL. */
static size_t collect(const struct convd_written *w, const struct convd_graph *g,
                      struct api_target *list)
{
    size_t n = 0;
    for (; w; w = w->next) {
        if (!w->op)
            n += collect(w->first_child, g, list ? list + n : NULL);
        else if (w->node >= 0) {
            if (list) list[n] = (struct api_target){.node = w->node, .id = g->nodes[w->node].id};
            n++;
        }
    }
    return n;
}

struct ids {
    const struct convd_graph *g;
    size_t skip;
};

static const char *id_at(const void *arg, size_t i)
{
    const struct ids *ids = arg;
    const char *id = ids->g->nodes[i].id;
    return strlen(id) >= ids->skip ? id + ids->skip : id;
}

static int find_node(const struct api_options *o, size_t i, const struct convd_graph *g,
                     struct convd_arena *mem, struct convd_faults *f)
{
    const char *id = *o->from_prefix && strcmp(o->from[i], "image") != 0
                         ? convd_arena_printf(mem, "%s%s", o->from_prefix, o->from[i])
                         : o->from[i];
    int node = id ? convd_graph_node(g, id) : -1;
    if (node >= 0 && g->nodes[node].kind != CONVD_NODE_TENSOR) return node;
    if (g->full) return -1; /* the step may be among those that were not added */
    size_t mark = convd_mark(f);
    if (!o->from_query) {
        convd_enter(f, "output");
        convd_enter(f, "from");
        if (o->from_listed) convd_enter_item(f, i);
    }
    const struct ids ids = {.g = g, .skip = strlen(o->from_prefix)};
    convd_fault_expected(
        f, CONVD_UNKNOWN_NAME, NULL, "the id of a step, or \"*\" for all", "no step %s",
        convd_value_show(f->mem, &(struct convd_value){.kind = CONVD_STRING, .string = o->from[i]}))
        ->suggestion = convd_nearest(o->from[i], id_at, &ids, g->n_nodes);
    convd_leave(f, mark);
    return -1;
}

bool api_output_nodes(struct api_output *out, const struct convd_graph *g, struct convd_arena *mem,
                      struct convd_faults *f)
{
    const struct api_options *o = &out->o;
    bool listed = o->given & API_GIVEN(FROM);
    size_t n = !listed ? 1 : o->from_all ? collect(g->written, g, NULL) : o->n_from;
    if (n > API_MOST_OUTPUTS) {
        size_t mark = o->from_query ? convd_mark(f) : convd_enter(f, "output");
        convd_fault_limit(f, CONVD_OUT_OF_RANGE, o->from_query ? NULL : "from", API_MOST_OUTPUTS,
                          (double)n, "%zu outputs", n);
        convd_leave(f, mark);
        return false;
    }
    out->targets = convd_arena_array(mem, n ? n : 1, sizeof *out->targets);
    if (!out->targets) return no_memory(f);
    bool fine = true;
    if (!listed) {
        for (const struct convd_written *w = g->written; w; w = w->next)
            out->targets[0].node = w->node;
        fine = g->written && out->targets[0].node >= 0;
        out->n = fine;
        out->targets[0].id = fine ? g->nodes[out->targets[0].node].id : "";
    } else if (o->from_all) {
        out->n = collect(g->written, g, out->targets);
    } else {
        for (size_t i = 0; i < n; i++) {
            int node = find_node(o, i, g, mem, f);
            fine &= node >= 0;
            if (node >= 0)
                out->targets[out->n++] = (struct api_target){.node = node, .id = o->from[i]};
        }
    }
    return fine && out->n > 0;
}

/* ---- format ---- */

static enum convd_pixels direct_pixels(int depth)
{
    return depth == 16 ? CONVD_U16_HWC : depth == 8 ? CONVD_U8_HWC : CONVD_F32_NCHW;
}

/* Depth of pictures in a codec: what was asked for where it can be written. */
static int depth_of(const struct convd_codec *codec, int asked)
{
    return codec->writes_float ? 32 : asked == 16 && codec->writes_16 ? 16 : 8;
}

void api_output_guess(struct api_output *out)
{
    const struct api_options *o = &out->o;
    bool named = o->given & API_GIVEN(FORMAT);
    bool numbers =
        out->n > 1 || (named && o->format.kind != API_PICTURE) || o->normalize != CONVD_NORM_NONE;
    bool other = named && o->format.kind == API_PICTURE && o->format.codec->writes_float;
    for (size_t i = 0; i < out->n; i++)
        out->targets[i].pixels = numbers || other ? CONVD_F32_NCHW : direct_pixels(o->depth);
}

static bool is_picture(struct convd_shape s)
{
    return s.h > 1 || s.w > 1;
}

/* Format: asked for by the query or the spec, else by Accept, else by what there is. */
static bool choose_format(struct api_output *out, const struct api_work *w)
{
    const struct api_options *o = &out->o;
    struct api_format all[32];
    size_t n = 0;
    bool several = out->n > 1, picture = is_picture(out->targets[0].shape);
    if (o->given & API_GIVEN(FORMAT)) {
        out->format = o->format;
        if (o->format.kind == API_NPY && several) {
            size_t mark = convd_enter(w->faults, "output");
            convd_fault_expected(w->faults, CONVD_OUT_OF_RANGE, "format",
                                 "safetensors or json, or one id in output.from",
                                 "npy holds one output, and %zu are wanted", out->n);
            convd_leave(w->faults, mark);
            return false;
        }
        if (o->format.kind == API_PICTURE && several)
            api_format_named("json",
                             &out->format); /* pictures of several outputs travel inside JSON */
        return true;
    }
    api_format_named(several || !picture ? "json" : "png", &all[n++]);
    struct api_format x;
    for (size_t i = 0; n < 32 && api_format_at(i, &x); i++)
        if (strcmp(x.name, all[0].name) != 0 &&
            !(several && (x.kind == API_PICTURE || x.kind == API_NPY)))
            all[n++] = x;
    const struct api_format *best = api_accept_choose(w->accept, all, n);
    if (!best) {
        const char *list = "one of";
        for (size_t i = 0; list && i < n; i++)
            list = convd_arena_printf(w->faults->mem, "%s%s %s", list, i ? "," : "", all[i].media);
        convd_fault_expected(w->faults, API_NOT_ACCEPTABLE, NULL, list ? list : "",
                             "nothing that Accept names can be made: %.200s", w->accept);
        return false;
    }
    out->format = *best;
    return true;
}

/* ---- pictures ---- */

static size_t pixels_size(ptrdiff_t w, ptrdiff_t h, ptrdiff_t c, int depth, bool *fine)
{
    size_t n = (size_t)depth / 8;
    if (!convd_mul(n, (size_t)w, &n) || !convd_mul(n, (size_t)h, &n) ||
        !convd_mul(n, (size_t)c, &n))
        *fine = false;
    return n;
}

static bool bad_view(struct convd_faults *f, const struct api_output *out,
                     const struct api_target *t)
{
    size_t mark = convd_enter(f, "output");
    if (out->view.kind == CONVD_VIEW_CHANNEL && out->view.channel >= t->shape.c)
        convd_fault_expected(f, CONVD_OUT_OF_RANGE, "view",
                             convd_arena_printf(f->mem, "channel:0 to channel:%td", t->shape.c - 1),
                             "channel %td of %s, which has %td", out->view.channel, t->id,
                             t->shape.c);
    else
        convd_fault(f, CONVD_TOO_MUCH_MEMORY, "view",
                    "a picture of %s (%td maps of %td x %td) has too many pixels", t->id,
                    t->shape.n * t->shape.c, t->shape.h, t->shape.w);
    convd_leave(f, mark);
    return false;
}

/* "alpha":"keep" puts alpha back where it fits. */
static bool alpha_fits(const struct api_target *t, const struct convd_input *in,
                       struct convd_faults *f)
{
    if (t->shape.n == 1 && t->shape.h == in->height && t->shape.w == in->width &&
        (t->shape.c == 1 || t->shape.c == 3) && (t->view.channels == 1 || t->view.channels == 3))
        return true;
    size_t mark = convd_enter(f, "input");
    convd_fault_expected(
        f, CONVD_BAD_SHAPE, "alpha",
        "a result of the input's size with 1 or 3 channels, or \"composite\"",
        "alpha cannot be put back on %s, %td x %td x %td, of an input of %td x %td", t->id,
        t->shape.c, t->shape.h, t->shape.w, in->height, in->width);
    convd_leave(f, mark);
    return false;
}

static bool settle_picture(struct api_output *out, const struct api_work *w, struct api_target *t)
{
    bool fine = true, alpha = w->info.alpha_bytes > 0;
    t->depth = depth_of(out->codec, out->o.depth);
    struct convd_view_options view = out->view;
    view.depth = t->depth == 16 ? 16 : 8;
    if (!convd_view_size(t->shape, &view, &t->view)) return bad_view(w->faults, out, t);
    if (alpha && !alpha_fits(t, &w->info.input, w->faults)) return false;
    ptrdiff_t width = t->view.width, height = t->view.height, channels = t->view.channels;
    bool writes_alpha = out->codec->writes_alpha;
    ptrdiff_t final = alpha && writes_alpha            ? channels + 1
                      : channels == 4 && !writes_alpha ? 3
                                                       : channels;
    bool drawn = out->n > 1 || !t->view.direct || t->depth == 32 || out->shaped;
    t->picture_bytes = drawn ? pixels_size(width, height, channels, view.depth, &fine) : 0;
    if (final != channels || t->depth == 32)
        t->picture_bytes +=
            pixels_size(width, height, final > channels ? final : channels, t->depth, &fine);
    t->bound = fine ? convd_image_encode_bound(out->codec, width, height, final, t->depth) : 0;
    return fine || bad_view(w->faults, out, t);
}

/* Most bytes of the JSON about a map. */
static size_t json_bound(const struct api_output *out, const struct api_target *t)
{
    size_t stats = 256 * 12 + 800, values = 0;
    bool all = out->o.values == API_VALUES_ALL ||
               (out->o.values == API_VALUES_AUTO && t->count <= API_FEW_VALUES);
    if (all && !convd_mul(t->count, 17, &values)) return SIZE_MAX / 4;
    size_t labels = 0;
    for (size_t i = 0; i < out->o.n_labels; i++) labels += 6 * strlen(out->o.labels[i]) + 4;
    return (size_t)(t->shape.n * t->shape.c + 1) * stats + values + 2 * labels + 1024 +
           (t->picture ? t->bound / 3 * 4 + 8 : 0);
}

/* Labels that the spec itself gives belong to the numbers of what it puts out. */
static bool labels_fit(const struct api_output *out, struct convd_faults *f)
{
    const struct api_options *o = &out->o;
    if (!(out->said.given & API_GIVEN(LABELS)) || o->n_labels == 0 || o->from_query) return true;
    for (size_t i = 0; i < out->n; i++)
        if (out->targets[i].count == o->n_labels) return true;
    const struct api_target *t = &out->targets[0];
    size_t mark = convd_enter(f, "output");
    convd_fault_expected(f, CONVD_BAD_SHAPE, "labels",
                         convd_arena_printf(f->mem, "%zu label%s, one for each number", t->count,
                                            t->count == 1 ? "" : "s"),
                         "%zu labels for the %zu numbers of %s", o->n_labels, t->count, t->id);
    convd_leave(f, mark);
    return false;
}

bool api_output_settle(struct api_output *out, const struct api_work *w, const struct convd_plan *p,
                       bool *again)
{
    *again = false;
    for (size_t i = 0; i < out->n; i++) {
        struct api_target *t = &out->targets[i];
        if (!out->shaped) t->shape = convd_plan_shape(p, t->node);
        t->count = (size_t)t->shape.n * (size_t)t->shape.c * (size_t)t->shape.h *
                   (size_t)t->shape.w; /* the plan checked it */
    }
    if (!choose_format(out, w)) return false;
    struct api_format png;
    if (out->o.given & API_GIVEN(FORMAT) && out->o.format.kind == API_PICTURE)
        out->codec = out->o.format.codec;
    else if (out->format.kind == API_PICTURE)
        out->codec = out->format.codec;
    else if (api_format_named("png", &png))
        out->codec = png.codec;
    out->view = (struct convd_view_options){.kind = out->o.view,
                                            .channel = out->o.channel,
                                            .normalize = out->o.normalize,
                                            .depth = out->o.depth,
                                            .rgba = out->o.channels == CONVD_RGBA};
    bool fine = labels_fit(out, w->faults);
    out->text = 4096;
    for (size_t i = 0; i < out->n; i++) {
        struct api_target *t = &out->targets[i];
        t->picture = out->format.kind == API_PICTURE ||
                     (out->format.kind == API_JSON && out->n > 1 && is_picture(t->shape));
        if (t->picture && !settle_picture(out, w, t)) {
            fine = false;
            continue;
        }
        enum convd_pixels pixels = out->format.kind == API_PICTURE && t->view.direct && !out->shaped
                                       ? direct_pixels(t->depth)
                                       : CONVD_F32_NCHW;
        *again |= pixels != t->pixels;
        t->pixels = pixels;
        if (!convd_pixels_bytes(pixels, t->shape.n, t->shape.c, t->shape.h, t->shape.w, &t->bytes))
            fine = false;
        size_t text = out->format.kind == API_JSON      ? json_bound(out, t)
                      : out->format.kind == API_PICTURE ? 0
                                                        : t->bytes + 1024;
        if (!convd_add(out->text, text, &out->text)) out->text = SIZE_MAX / 4;
    }
    return fine;
}

bool api_output_ready(struct api_output *out, struct convd_arena *mem, struct convd_faults *f)
{
    out->maps = convd_arena_array(mem, out->n, sizeof *out->maps);
    out->saturated = convd_arena_array(mem, out->n, sizeof *out->saturated);
    out->tensors = convd_arena_array(mem, out->n, sizeof *out->tensors);
    out->tensor_list = convd_arena_array(mem, out->n, sizeof *out->tensor_list);
    return (out->maps && out->saturated && out->tensors && out->tensor_list) || no_memory(f);
}

size_t api_output_bytes(const struct api_output *out, const struct api_work *w)
{
    size_t maps = 0, picture = 0, alpha = w->info.alpha_bytes, pixels = w->info.bytes;
    for (size_t i = 0; i < out->n; i++) {
        const struct api_target *t = &out->targets[i];
        size_t one = t->picture ? t->picture_bytes + t->bound : 0;
        maps += t->bytes;
        picture = one > picture ? one : picture;
    }
    size_t decode = pixels + alpha + w->info.work_bytes;
    size_t run = pixels + alpha + api_work_workspace(w) + maps;
    size_t sorting = out->format.kind == API_SAFETENSORS ? (out->n + 1) * sizeof(void *) : 0;
    size_t write =
        alpha + maps + picture + sorting + (out->format.kind == API_PICTURE ? 0 : out->text);
    size_t most = decode > run ? decode : run;
    return most > write ? most : write;
}
