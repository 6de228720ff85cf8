/* gradient.c: back-propagation from one output to the picture, to every uploaded tensor and to every learned weight:
 * as safetensors, as JSON with statistics, or the picture's gradient drawn with zero in the middle. */
#include "gradient.h"
#include "output.h"
#include "tensors.h"
#include <string.h>

struct api_gradient {
    struct convd_tensor upstream;
    bool given;     /* an upstream came; else ones                     */
    float **wanted; /* one for each convd_wrt; NULL: not in the answer */
    bool summed;    /* drawn as one map: the sum over the channels     */
};

static bool no_memory(struct api_work *w)
{
    convd_fault(w->faults, CONVD_NO_MEMORY, NULL, "no memory for the gradient");
    return false;
}

/* ---- which output ---- */

static bool nodes(struct api_work *w)
{
    struct api_output *out = w->output;
    w->gradient = convd_arena_zero(&w->mem, sizeof *w->gradient);
    if (!w->gradient) return no_memory(w);
    bool came, fine = api_tensors_upstream(w, &w->gradient->upstream, &came) || !came;
    w->gradient->given = came;
    size_t mark = api_work_enter(w);
    fine &= api_output_nodes(out, w->graph, &w->mem, w->faults);
    if (fine && out->n > 1) {
        convd_enter(w->faults, "output");
        convd_fault_expected(w->faults, CONVD_OUT_OF_RANGE, "from", "the id of one step",
                             "a gradient begins at one output, and %zu are wanted", out->n);
        fine = false;
    }
    convd_leave(w->faults, mark);
    return fine;
}

/* ---- in which form ---- */

/* What the pipeline says of its output is about the output; of its gradient only the query and Accept speak. */
static void settle_options(struct api_output *out)
{
    const struct api_options *q = &out->asked, usual = api_options_default();
    out->o.format = q->format;
    out->o.view = q->given & API_GIVEN(VIEW) ? q->view : usual.view;
    out->o.channel = q->given & API_GIVEN(VIEW) ? q->channel : usual.channel;
    out->o.normalize = q->given & API_GIVEN(NORMALIZE) ? q->normalize : CONVD_NORM_SIGNED;
    out->o.n_labels = 0;
}

static bool choose_format(struct api_work *w)
{
    struct api_output *out = w->output;
    struct api_format all[32];
    size_t n = 0;
    if (!(out->asked.given & API_GIVEN(FORMAT))) {
        api_format_named("safetensors", &all[n++]);
        struct api_format x;
        for (size_t i = 0; n < 32 && api_format_at(i, &x); i++)
            if (strcmp(x.name, all[0].name) != 0) all[n++] = x;
        const struct api_format *best = api_accept_choose(w->accept, all, n);
        if (!best) {
            convd_fault_expected(w->faults, API_NOT_ACCEPTABLE, NULL,
                                 "safetensors, json, npy or a picture",
                                 "nothing that Accept names can be made: %.200s", w->accept);
            return false;
        }
        out->o.format = *best;
    }
    out->o.given |= API_GIVEN(FORMAT);
    return true;
}

static bool check_upstream(struct api_work *w)
{
    const struct convd_shape y = convd_grad_shape(w->grad);
    const struct convd_tensor *t = &w->gradient->upstream;
    const ptrdiff_t want[4] = {y.n, y.c, y.h, y.w};
    if (!w->gradient->given) return true;
    bool fits = true;
    for (int d = 0; d < 4; d++) { /* leading ones may be left out */
        int own = d - (4 - t->rank);
        fits &= (own < 0 ? 1 : t->dim[own]) == want[d];
    }
    if (fits) return true;
    const char *dims = "";
    for (int d = 0; dims && d < t->rank; d++)
        dims = convd_arena_printf(w->faults->mem, "%s%s%td", dims, d ? "x" : "", t->dim[d]);
    const char *expected = convd_arena_printf(
        w->faults->mem, "%tdx%tdx%tdx%td, the shape of the output", y.n, y.c, y.h, y.w);
    convd_fault_expected(w->faults, CONVD_BAD_SHAPE, "upstream", expected ? expected : "",
                         "upstream is %s", dims && *dims ? dims : "one number");
    return false;
}

static void fill_target(struct api_target *t, const struct convd_wrt *x)
{
    *t =
        (struct api_target){.id = x->name, .dims = true, .rank = x->rank, .pixels = CONVD_F32_NCHW};
    memcpy(t->dim, x->dim, sizeof t->dim);
    ptrdiff_t d[4] = {1, 1, 1, 1};
    for (int i = 0; i < x->rank; i++) d[4 - x->rank + i] = x->dim[i];
    t->shape = (struct convd_shape){d[0], d[1], d[2], d[3]};
}

/* One target for each gradient that the answer holds: all of them, or the picture's where the form takes one. */
static bool list_targets(struct api_work *w)
{
    struct api_output *out = w->output;
    size_t n = 0;
    bool one = out->o.format.kind == API_PICTURE || out->o.format.kind == API_NPY, fine = true;
    while (convd_grad_wrt(w->grad, n)) n++;
    out->n = one ? 1 : n;
    out->targets = convd_arena_array(&w->mem, n, sizeof *out->targets);
    w->gradient->wanted = convd_arena_array(&w->mem, n, sizeof *w->gradient->wanted);
    if (!out->targets || !w->gradient->wanted) return no_memory(w);
    for (size_t i = 0; i < out->n; i++) {
        const struct convd_wrt *x = convd_grad_wrt(w->grad, i);
        fill_target(&out->targets[i], x);
        if (x->kind == CONVD_WRT_IMAGE || strcmp(x->name, "image") != 0) continue;
        convd_fault_expected(w->faults, CONVD_BAD_REQUEST, NULL, "another name",
                             "a tensor called image would hide the picture's gradient");
        fine = false;
    }
    return fine;
}

/* A picture of it has the picture's size: how much brighter pixels change the output, all channels together. Who wants
 * them apart asks for a view. */
static bool draws_sum(const struct api_output *out)
{
    return out->o.format.kind == API_PICTURE && !(out->asked.given & API_GIVEN(VIEW)) &&
           out->targets[0].shape.c > 1;
}

static bool settle(struct api_work *w, bool *again)
{
    struct api_output *out = w->output;
    settle_options(out);
    bool fine = check_upstream(w);
    fine &= choose_format(w);
    if (!fine || !list_targets(w)) return false;
    out->shaped = true;
    w->gradient->summed = draws_sum(out);
    if (w->gradient->summed) out->targets[0].shape.c = 1;
    fine = api_output_settle(out, w, NULL, again);
    if (w->gradient->summed)
        out->targets[0].bytes = convd_grad_wrt(w->grad, 0)->count * sizeof(float);
    *again = false;
    return fine;
}

const void *api_gradient_key(const struct api_work *w, size_t *n)
{
    const struct convd_tensor *t = &w->gradient->upstream;
    *n = sizeof(float);
    if (!w->gradient->given) return NULL;
    for (int d = 0; d < t->rank; d++) *n *= (size_t)t->dim[d];
    return t->data;
}

/* ---- running ---- */

/* In place: what is written was read before. */
static void sum_channels(float *x, const struct convd_wrt *image)
{
    const size_t n = (size_t)image->dim[0], c = (size_t)image->dim[1],
                 plane = (size_t)image->dim[2] * (size_t)image->dim[3];
    for (size_t s = 0; s < n; s++)
        for (size_t i = 0; i < plane; i++) {
            double sum = 0;
            for (size_t k = 0; k < c; k++) sum += (double)x[(s * c + k) * plane + i];
            x[s * plane + i] = (float)sum;
        }
}

bool api_gradient_run(struct api_work *w, const struct convd_run *run)
{
    for (size_t i = 0; i < w->output->n; i++) w->gradient->wanted[i] = run->outputs[i];
    const struct convd_grad_run r = {
        .input = run->input,
        .upstream = w->gradient->given ? w->gradient->upstream.data : NULL,
        .gradients = w->gradient->wanted,
        .workspace = run->workspace,
        .pool = run->pool,
        .cancel = run->cancel,
    };
    bool fine = convd_grad_run(w->grad, &r, w->faults);
    if (fine && w->gradient->summed) sum_channels(run->outputs[0], convd_grad_wrt(w->grad, 0));
    return fine;
}

const struct api_asking api_gradient_asking = {
    .members = "upstream", .nodes = nodes, .settle = settle, .write = api_output_write};
