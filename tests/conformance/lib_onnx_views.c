/* lib_onnx_views.c: nodes of ONNX that move numbers about: what they are in convd's steps. */
#include "lib_onnx.h"
#include <math.h>

static bool whole(const float *v, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (v[i] != rintf(v[i])) return false;
    return true;
}

static const char *resize(struct translation *t, const struct convd_value *node)
{
    bool old = strcmp(text(node, "op"), "Upsample") == 0;
    const struct named *x = input(t, node, 0), *scales = input(t, node, old ? 1 : 2),
                       *sizes = input(t, node, 3);
    const char *mode = word(t, "mode", "nearest"),
               *place =
                   word(t, "coordinate_transformation_mode", old ? "asymmetric" : "half_pixel");
    bool corners = strcmp(place, "align_corners") == 0,
         half = strcmp(place, "half_pixel") == 0 || strcmp(place, "pytorch_half_pixel") == 0;
    bool nearest = strcmp(mode, "nearest") == 0, cubic = strcmp(mode, "cubic") == 0;
    if (scales && tensor_count(&scales->tensor) != 4) scales = NULL;
    if (x->rank != 4 || (!scales && !sizes)) return "no sizes";
    if (nearest &&
        !(strcmp(place, "asymmetric") == 0 &&
          strcmp(word(t, "nearest_mode", old ? "floor" : "round_prefer_floor"), "floor") == 0) &&
        !(half && scales && whole(scales->tensor.data, 4) &&
          strcmp(word(t, "nearest_mode", "round_prefer_floor"), "round_prefer_floor") == 0))
        return "nearest of another kind than floor(i * in / out)";
    if (!nearest && !corners && !half) return "coordinates of another kind";
    if (strcmp(place, "pytorch_half_pixel") == 0 && sizes &&
        (sizes->tensor.data[2] == 1 || sizes->tensor.data[3] == 1))
        return "pytorch_half_pixel takes the first pixel for one, torch the middle";
    if (cubic &&
        (real(t, "exclude_outside", 0) > 0 || fabs(real(t, "cubic_coeff_a", -0.75) + 0.75) > 1e-6))
        return "another cubic";
    begin(t, "resize", x->map);
    put(t, ",\"mode\":\"%s\",\"align_corners\":%s",
        nearest ? "nearest"
        : cubic ? "bicubic"
                : "bilinear",
        corners ? "true" : "false");
    if (sizes)
        put(t, ",\"size\":[%.0f,%.0f]", (double)sizes->tensor.data[2],
            (double)sizes->tensor.data[3]);
    else
        put(t, ",\"scale_factor\":[%.9g,%.9g]", (double)scales->tensor.data[2],
            (double)scales->tensor.data[3]);
    end(t);
    return NULL;
}

/* ---- one axis ---- */

/* Where an axis of an array lies in its map: 0 samples, 1 channels, 2 rows, 3 columns. */
static int place(const struct translation *t, double axis, int rank)
{
    int at = (int)axis + (axis < 0 ? rank : 0);
    return t->rows_are_samples && rank == 2 ? at : at + 4 - rank;
}

static bool followed(const struct named *x)
{
    return x->tensor.data || x->tensor.rank > 0;
}

static void put_select(struct translation *t, const char *from, const ptrdiff_t *channels, size_t n)
{
    begin(t, "select", from);
    put(t, ",\"channels\":[");
    for (size_t i = 0; i < n; i++) put(t, "%s%td", i ? "," : "", channels[i]);
    put(t, "]}");
}

/* n numbers along `at`, every step-th from start on (backwards where step < 0), of a map of dim[]: steps after `from`.
 * Changes dim[at]. NULL, or why not. */
static const char *cut(struct translation *t, const char *from, ptrdiff_t dim[4], int at,
                       ptrdiff_t start, ptrdiff_t n, ptrdiff_t step)
{
    const ptrdiff_t stride = step < 0 ? -step : step, reach = (n - 1) * stride + 1,
                    low = step < 0 ? start - reach + 1 : start;
    if (n < 1) return "an empty result";
    if (at == 0) return n == dim[0] && step == 1 ? NULL : "cuts the samples";
    if (at == 1) {
        ptrdiff_t *channels = convd_arena_array(&t->s->case_mem, (size_t)n, sizeof *channels);
        for (ptrdiff_t i = 0; i < n; i++) channels[i] = start + i * step;
        put_select(t, from, channels, (size_t)n);
    } else {
        const bool rows = at == 2;
        begin(t, "crop", from);
        put(t, ",\"top\":%td,\"left\":%td,\"height\":%td,\"width\":%td}", rows ? low : (ptrdiff_t)0,
            rows ? (ptrdiff_t)0 : low, rows ? reach : dim[2], rows ? dim[3] : reach);
        if (step < 0) {
            begin(t, "flip", NULL);
            put(t, ",\"axis\":\"%s\"}", rows ? "y" : "x");
        }
        if (stride > 1) {
            begin(t, "max_pool", NULL);
            put(t, ",\"kernel_size\":1,\"stride\":[%td,%td]}", rows ? stride : (ptrdiff_t)1,
                rows ? (ptrdiff_t)1 : stride);
        }
    }
    dim[at] = n;
    return NULL;
}

/* The last step is a result of x's rank and of that map. */
static void result_of(struct translation *t, const struct named *x, const ptrdiff_t dim[4])
{
    result(t, x->rank);
    struct named *y = &t->results[t->n_results - 1];
    y->tensor = x->tensor;
    y->tensor.data = NULL;
    const bool pairs = t->rows_are_samples && x->rank == 2;
    for (int d = 0; d < x->rank; d++) y->tensor.dim[d] = dim[pairs ? d : d + 4 - x->rank];
}

static const char *slice(struct translation *t, const struct convd_value *node)
{
    const struct named *x = input(t, node, 0);
    double start[4], stop[4], axis[4] = {0, 1, 2, 3}, step[4] = {1, 1, 1, 1};
    size_t n, m;
    if (!followed(x)) return "the shape of a result";
    const struct convd_tensor map = as_map(t, &x->tensor);
    ptrdiff_t dim[4] = {map.dim[0], map.dim[1], map.dim[2], map.dim[3]};
    if (!numbers(t, node, 1, "starts", start, 4, &n) || !numbers(t, node, 2, "ends", stop, 4, &m))
        return "no starts and ends";
    numbers(t, node, 3, "axes", axis, 4, &m);
    numbers(t, node, 4, "steps", step, 4, &m);
    const char *from = x->map, *why = NULL;
    for (size_t k = 0; k < n && !why; k++) {
        const int at = place(t, axis[k], x->rank);
        const double d = (double)dim[at], least = step[k] < 0 ? -1 : 0,
                     most = step[k] < 0 ? d - 1 : d;
        const double a = fmin(fmax(start[k] < 0 ? start[k] + d : start[k], 0), most),
                     b = fmin(fmax(stop[k] < 0 ? stop[k] + d : stop[k], least), most);
        const ptrdiff_t count = (ptrdiff_t)ceil((b - a) / step[k]);
        if (step[k] == 1 && a == 0 && count == dim[at]) continue;
        why = cut(t, from, dim, at, (ptrdiff_t)a, count, (ptrdiff_t)step[k]);
        from = NULL;
    }
    if (why) return why;
    if (from) plain(t, "dropout", from); /* all of it */
    result_of(t, x, dim);
    return NULL;
}

static const char *split(struct translation *t, const struct convd_value *node)
{
    const struct named *x = input(t, node, 0);
    const size_t outputs = need(node, "outputs")->n;
    double part[RESULTS];
    size_t n;
    if (!followed(x)) return "the shape of a result";
    const struct convd_tensor map = as_map(t, &x->tensor);
    const int at = place(t, real(t, "axis", 0), x->rank);
    if (!numbers(t, node, 1, "split", part, RESULTS, &n))
        for (n = 0; n < outputs; n++) part[n] = (double)map.dim[at] / (double)outputs;
    ptrdiff_t start = 0;
    for (size_t k = 0; k < n; k++) {
        ptrdiff_t dim[4] = {map.dim[0], map.dim[1], map.dim[2], map.dim[3]};
        const char *why = cut(t, x->map, dim, at, start, (ptrdiff_t)part[k], 1);
        if (why) return why;
        result_of(t, x, dim);
        start += (ptrdiff_t)part[k];
    }
    return NULL;
}

/* Along channels by concat; along rows and columns each is padded to the whole and all are added. */
static const char *concat(struct translation *t, const struct convd_value *node)
{
    const int at = place(t, real(t, "axis", 1), input(t, node, 0)->rank);
    char maps[RESULTS][24];
    double before = 0, all = 0;
    if (at == 0) return "joins the samples";
    if (inputs(node) > RESULTS) return "too many inputs";
    for (uint32_t k = 0; k < inputs(node); k++) {
        const struct named *x = input(t, node, k);
        snprintf(maps[k], sizeof maps[k], "%s", x->map);
        if (at > 1 && !followed(x)) return "the shape of a result";
        if (at > 1) all += (double)as_map(t, &x->tensor).dim[at];
    }
    for (uint32_t k = 0; at > 1 && k < inputs(node); k++) {
        const double n = (double)as_map(t, &input(t, node, k)->tensor).dim[at],
                     after = all - before - n;
        begin(t, "pad", maps[k]);
        put(t, ",\"padding\":[%.0f,%.0f,%.0f,%.0f],\"padding_mode\":\"constant\"}",
            at == 2 ? before : 0, at == 3 ? before : 0, at == 2 ? after : 0, at == 3 ? after : 0);
        snprintf(maps[k], sizeof maps[k], "%s", last_step(t));
        before += n;
    }
    begin(t, at == 1 ? "concat" : "add", NULL);
    put(t, ",\"inputs\":[");
    for (uint32_t k = 0; k < inputs(node); k++) put(t, "%s\"%s\"", k ? "," : "", maps[k]);
    put(t, "]}");
    return NULL;
}

/* ---- other orders ---- */

/* Pixel shuffles of torch, with the channels in ONNX's default order: the place in the block before the channel. */
static const char *depth(struct translation *t, const struct convd_value *node)
{
    const struct named *x = input(t, node, 0);
    const bool to_space = strcmp(text(node, "op"), "DepthToSpace") == 0,
               blocks_first = !to_space || strcmp(word(t, "mode", "DCR"), "DCR") == 0;
    const ptrdiff_t b = (ptrdiff_t)real(t, "blocksize", 1), area = b * b,
                    n = to_space ? x->tensor.dim[1] : x->tensor.dim[1] * area, c = n / area;
    const char *from = x->map;
    if (!followed(x)) return "the shape of a result";
    ptrdiff_t *order = convd_arena_array(&t->s->case_mem, (size_t)n, sizeof *order);
    for (ptrdiff_t at = 0; at < area; at++)
        for (ptrdiff_t k = 0; k < c; k++)
            *(to_space ? &order[k * area + at] : &order[at * c + k]) =
                to_space ? at * c + k : k * area + at;
    if (to_space && blocks_first) {
        put_select(t, from, order, (size_t)n);
        from = NULL;
    }
    begin(t, to_space ? "pixel_shuffle" : "pixel_unshuffle", from);
    put(t, ",\"factor\":%td}", b);
    if (!to_space) put_select(t, NULL, order, (size_t)n);
    return NULL;
}

/* A constant with its dimensions in another order. */
static struct convd_tensor turned(struct translation *t, const struct convd_tensor *x,
                                  const double *perm)
{
    struct convd_tensor y = *x;
    ptrdiff_t stride[4] = {0}, at[4] = {0};
    const size_t n = tensor_count(x);
    float *data = convd_arena_array(&t->s->case_mem, n, sizeof *data);
    for (int d = 0; d < x->rank; d++) {
        y.dim[d] = x->dim[(int)perm[d]];
        stride[d] = 1;
        for (int e = (int)perm[d] + 1; e < x->rank; e++) stride[d] *= x->dim[e];
    }
    for (size_t i = 0; i < n; i++) {
        ptrdiff_t from = 0;
        for (int d = 0; d < x->rank; d++) from += at[d] * stride[d];
        data[i] = x->data[from];
        for (int d = x->rank - 1; d >= 0 && ++at[d] == y.dim[d]; d--) at[d] = 0;
    }
    y.data = data;
    return y;
}

static const char *transpose(struct translation *t, const struct convd_value *node)
{
    static const double shuffled[] = {0, 1, 4, 2, 5, 3};
    const struct named *x = input(t, node, 0);
    double perm[6] = {0};
    size_t n;
    if (!numbers(t, node, RESULTS, "perm", perm, 6, &n)) return "no perm";
    if (x->factor && memcmp(perm, shuffled, sizeof perm) == 0) {
        begin(t, "pixel_shuffle", x->map);
        put(t, ",\"factor\":%d}", x->factor);
        result(t, 6);
        return NULL;
    }
    if (x->constant && x->tensor.rank == (int)n && n <= 4) {
        struct named *y = &t->results[t->n_results++];
        *y =
            (struct named){.rank = (int)n, .constant = true, .tensor = turned(t, &x->tensor, perm)};
        snprintf(y->weight, sizeof y->weight, "%s", bind_tensor(t, y->tensor));
        snprintf(y->map, sizeof y->map, "%s", bind_tensor(t, as_map(t, &y->tensor)));
        return NULL;
    }
    for (size_t d = 0; d + 2 < n; d++)
        if (perm[d] != (double)d) return "only rows and columns change places";
    if (n < 2 || perm[n - 1] == (double)n - 1) {
        plain(t, "dropout", x->map);
        return NULL;
    }
    begin(t, "rotate", x->map);
    put(t, ",\"turns\":1}");
    begin(t, "flip", NULL);
    put(t, ",\"axis\":\"x\"}");
    return NULL;
}

/* ---- other shapes ---- */

/* The same map with another number of dimensions. */
static const char *seen_as(struct translation *t, const struct named *x, int rank,
                           const ptrdiff_t *dim)
{
    struct convd_tensor y = {.rank = rank, .data = NULL};
    if (!followed(x)) return "the shape of a result";
    for (int d = 0; d < rank; d++) y.dim[d] = dim[d];
    const struct convd_tensor a = as_map(t, &x->tensor), b = as_map(t, &y);
    if (memcmp(a.dim, b.dim, 4 * sizeof *a.dim) != 0) return "a map keeps its shape";
    plain(t, "dropout", x->map);
    result(t, rank);
    t->results[t->n_results - 1].tensor = y;
    return NULL;
}

static bool among(double axis, const double *axes, size_t n, int rank)
{
    for (size_t k = 0; k < n; k++)
        if ((axes[k] < 0 ? axes[k] + rank : axes[k]) == axis) return true;
    return false;
}

static const char *squeeze(struct translation *t, const struct convd_value *node)
{
    const struct named *x = input(t, node, 0);
    double axes[4];
    ptrdiff_t dim[4];
    size_t n = 0;
    int rank = 0;
    bool given = numbers(t, node, 1, "axes", axes, 4, &n);
    for (int d = 0; d < x->rank; d++)
        if (given ? !among(d, axes, n, x->rank) : x->tensor.dim[d] != 1)
            dim[rank++] = x->tensor.dim[d];
    return seen_as(t, x, rank, dim);
}

static const char *unsqueeze(struct translation *t, const struct convd_value *node)
{
    const struct named *x = input(t, node, 0);
    double axes[4];
    ptrdiff_t dim[4];
    size_t n, from = 0;
    if (!numbers(t, node, 1, "axes", axes, 4, &n)) return "no axes";
    const int rank = x->rank + (int)n;
    if (rank > 4) return "more than four dimensions";
    for (int d = 0; d < rank; d++) dim[d] = among(d, axes, n, rank) ? 1 : x->tensor.dim[from++];
    return seen_as(t, x, rank, dim);
}

static const char *reshape(struct translation *t, const struct convd_value *node)
{
    const struct named *x = input(t, node, 0);
    double to[6];
    ptrdiff_t dim[4], rest = 1;
    size_t n;
    if (!numbers(t, node, 1, "shape", to, 6, &n)) return "no shape";
    if (x->rank == 4 && n == 6 && followed(x) && to[2] == to[3] &&
        to[0] == (double)x->tensor.dim[0] && to[4] == (double)x->tensor.dim[2] &&
        to[5] == (double)x->tensor.dim[3]) {
        struct named *y = &t->results[t->n_results++];
        *y = (struct named){.rank = 6, .factor = (int)to[2]};
        snprintf(y->map, sizeof y->map, "%s", x->map);
        return NULL;
    }
    if (x->rank == 6 && n == 4) { /* after the shuffle: as the map is */
        plain(t, "dropout", x->map);
        result(t, 4);
        return NULL;
    }
    if (n > 4 || x->rank > 4 || !followed(x)) return "the contract has no Reshape";
    for (size_t d = 0; d < n; d++) {
        dim[d] = to[d] == 0 ? x->tensor.dim[d] : (ptrdiff_t)to[d];
        if (dim[d] > 0) rest *= dim[d];
    }
    ptrdiff_t count = 1;
    for (int d = 0; d < x->rank; d++) count *= x->tensor.dim[d];
    for (size_t d = 0; d < n; d++)
        if (dim[d] < 0) dim[d] = count / rest;
    return seen_as(t, x, (int)n, dim);
}

static const char *flatten(struct translation *t, const struct convd_value *node)
{
    const struct named *x = input(t, node, 0);
    const int axis = (int)real(t, "axis", 1);
    if (x->rank == 4 && axis == 1) {
        plain(t, "flatten", x->map);
        return NULL;
    }
    ptrdiff_t dim[2] = {1, 1};
    for (int d = 0; d < x->rank; d++)
        dim[d >= (axis < 0 ? axis + x->rank : axis)] *= x->tensor.dim[d];
    return seen_as(t, x, 2, dim) ? "flatten keeps the samples" : NULL;
}

static const char *pad(struct translation *t, const struct convd_value *node)
{
    const struct named *x = input(t, node, 0), *pads = input(t, node, 1),
                       *value = input(t, node, 2);
    const struct convd_value *old = attribute(t, "pads");
    const char *mode = word(t, "mode", "constant");
    double p[8];
    if (x->rank != 4 || (!old && (!pads || tensor_count(&pads->tensor) != 8)))
        return "pads of another rank";
    for (int k = 0; k < 8; k++) p[k] = old ? old->items[k].number : (double)pads->tensor.data[k];
    for (int k = 0; k < 8; k++)
        if (p[k] < 0 || (k % 4 < 2 && p[k] != 0)) return "pads channels or takes rows off";
    begin(t, "pad", x->map);
    put(t, ",\"padding\":[%.0f,%.0f,%.0f,%.0f],\"padding_mode\":\"%s\",\"padding_value\":%.9g}",
        p[2], p[3], p[6], p[7], strcmp(mode, "edge") == 0 ? "replicate" : mode,
        value ? (double)value->tensor.data[0] : real(t, "value", 0));
    return NULL;
}

const struct translator onnx_views[] = {
    {"Resize Upsample", resize},
    {"DepthToSpace SpaceToDepth", depth},
    {"Concat", concat},
    {"Slice", slice},
    {"Split", split},
    {"Transpose", transpose},
    {"Squeeze", squeeze},
    {"Unsqueeze", unsqueeze},
    {"Reshape", reshape},
    {"Flatten", flatten},
    {"Pad", pad},
    {NULL, NULL},
};
