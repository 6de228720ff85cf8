/* lib_onnx_numbers.c: nodes of ONNX that compute: what they are in convd's steps. */
#include "lib_onnx.h"
#include <math.h>

/* auto_pad and pads. NULL, or why not. */
static const char *put_padding(struct translation *t, const struct named *x, const double kernel[2])
{
    const char *automatic = word(t, "auto_pad", "NOTSET");
    const struct convd_value *pads = attribute(t, "pads"), *strides = attribute(t, "strides"),
                             *dilations = attribute(t, "dilations");
    if (strcmp(automatic, "SAME_UPPER") == 0) {
        put(t, ",\"padding\":\"same\"");
    } else if (strcmp(automatic, "SAME_LOWER") == 0) {
        long before[2], after[2];
        for (int d = 0; d < 2; d++) {
            double n = (double)x->tensor.dim[x->rank - 2 + d],
                   s = strides ? strides->items[d].number : 1;
            double reach = (kernel[d] - 1) * (dilations ? dilations->items[d].number : 1) + 1;
            long total = (long)fmax((ceil(n / s) - 1) * s + reach - n, 0);
            after[d] = total / 2;
            before[d] = total - after[d];
        }
        put(t, ",\"padding\":[%ld,%ld,%ld,%ld]", before[0], before[1], after[0], after[1]);
    } else if (pads) {
        put_list(t, "padding", pads);
    }
    return NULL;
}

/* ---- nodes ---- */

/* Padding and output_padding that make output_shape. */
static void put_output(struct translation *t, const struct named *x, const struct named *w)
{
    const struct convd_value *shape = attribute(t, "output_shape"),
                             *strides = attribute(t, "strides"),
                             *dilations = attribute(t, "dilations");
    const bool lower = strcmp(word(t, "auto_pad", "NOTSET"), "SAME_UPPER") != 0;
    double before[2], after[2], more[2];
    for (int d = 0; d < 2; d++) {
        const double s = strides ? strides->items[d].number : 1,
                     l = dilations ? dilations->items[d].number : 1,
                     full = ((double)x->tensor.dim[2 + d] - 1) * s +
                            ((double)w->tensor.dim[2 + d] - 1) * l + 1,
                     off = full - shape->items[shape->n - 2 + (uint32_t)d].number;
        more[d] = fmax(-off, 0);
        before[d] = lower ? ceil(fmax(off, 0) / 2) : floor(fmax(off, 0) / 2);
        after[d] = fmax(off, 0) - before[d];
    }
    put(t, ",\"padding\":[%.0f,%.0f,%.0f,%.0f],\"output_padding\":[%.0f,%.0f]", before[0],
        before[1], after[0], after[1], more[0], more[1]);
}

static const char *conv(struct translation *t, const struct convd_value *node)
{
    const struct named *x = input(t, node, 0), *w = input(t, node, 1), *b = input(t, node, 2);
    bool transposed = strcmp(text(node, "op"), "ConvTranspose") == 0;
    if (!w || !w->tensor.data || w->rank != 4) return "no 4-D weight";
    begin(t, transposed ? "conv_transpose" : "conv", x->map);
    put(t, ",\"weight\":\"%s\",\"groups\":%.0f", w->weight, real(t, "group", 1));
    if (b) put(t, ",\"bias\":\"%s\"", b->weight);
    if (attribute(t, "strides")) put_list(t, "stride", attribute(t, "strides"));
    if (attribute(t, "dilations")) put_list(t, "dilation", attribute(t, "dilations"));
    if (transposed && attribute(t, "output_padding"))
        put_list(t, "output_padding", attribute(t, "output_padding"));
    const char *why = NULL;
    if (transposed && attribute(t, "output_shape"))
        put_output(t, x, w);
    else
        why = put_padding(t, x, (double[]){(double)w->tensor.dim[2], (double)w->tensor.dim[3]});
    end(t);
    return why;
}

static const char *pool(struct translation *t, const struct convd_value *node)
{
    const struct named *x = input(t, node, 0);
    const struct convd_value *kernel = attribute(t, "kernel_shape");
    bool average = strcmp(text(node, "op"), "AveragePool") == 0;
    if (!kernel || kernel->n != 2) return "not 2-D";
    begin(t, average ? "avg_pool" : "max_pool", x->map);
    put_list(t, "kernel_size", kernel);
    if (attribute(t, "strides"))
        put_list(t, "stride", attribute(t, "strides"));
    else
        put(t, ",\"stride\":1");
    if (attribute(t, "dilations")) put_list(t, "dilation", attribute(t, "dilations"));
    put(t, ",\"ceil_mode\":%s", real(t, "ceil_mode", 0) > 0 ? "true" : "false");
    if (average)
        put(t, ",\"count_include_pad\":%s", real(t, "count_include_pad", 0) > 0 ? "true" : "false");
    const char *why =
        put_padding(t, x, (double[]){kernel->items[0].number, kernel->items[1].number});
    end(t);
    return why;
}

static const char *batch_norm(struct translation *t, const struct convd_value *node)
{
    static const char *const names[] = {"weight", "bias", "mean", "var"};
    if (real(t, "training_mode", 0) > 0) return "statistics of the batch belong to learning";
    begin(t, inputs(node) == 3 ? "instance_norm" : "batch_norm", input(t, node, 0)->map);
    for (uint32_t k = 1; k < inputs(node); k++)
        put(t, ",\"%s\":\"%s\"", names[k - 1], input(t, node, k)->weight);
    put(t, ",\"eps\":%.17g", real(t, "epsilon", 1e-5));
    end(t);
    return NULL;
}

static const char *lrn(struct translation *t, const struct convd_value *node)
{
    if (fmod(real(t, "size", 1), 2) == 0) return "an even size leans to the other side in torch";
    begin(t, "lrn", input(t, node, 0)->map);
    put(t, ",\"size\":%.0f,\"alpha\":%.9g,\"beta\":%.9g,\"k\":%.9g", real(t, "size", 1),
        real(t, "alpha", 1e-4), real(t, "beta", 0.75), real(t, "bias", 1));
    end(t);
    return NULL;
}

static const char *merge(struct translation *t, const struct convd_value *node)
{
    static const char *const names[][2] = {
        {"Add", "add"},     {"Sub", "sub"},     {"Mul", "multiply"}, {"Div", "divide"},
        {"Max", "maximum"}, {"Min", "minimum"}, {"Mean", "mean"},    {"Sum", "add"}};
    size_t i = 0;
    while (strcmp(names[i][0], text(node, "op")) != 0) i++;
    if (inputs(node) < 2) { /* of one, it is that one */
        plain(t, "dropout", input(t, node, 0)->map);
        return NULL;
    }
    begin(t, names[i][1], NULL);
    put(t, ",\"inputs\":[");
    for (uint32_t k = 0; k < inputs(node); k++)
        put(t, "%s\"%s\"", k ? "," : "", input(t, node, k)->map);
    put(t, "]");
    end(t);
    return NULL;
}

static const char *clip(struct translation *t, const struct convd_value *node)
{
    const struct named *lo = input(t, node, 1), *hi = input(t, node, 2);
    begin(t, "clamp", input(t, node, 0)->map);
    if (lo || attribute(t, "min"))
        put(t, ",\"min\":%.9g", fmax(lo ? (double)lo->tensor.data[0] : real(t, "min", 0), -1e9));
    if (hi || attribute(t, "max"))
        put(t, ",\"max\":%.9g", fmin(hi ? (double)hi->tensor.data[0] : real(t, "max", 0), 1e9));
    end(t);
    return NULL;
}

static const char *power(struct translation *t, const struct convd_value *node)
{
    const struct named *e = input(t, node, 1);
    if (!e || !e->tensor.data || tensor_count(&e->tensor) != 1) return "pow has one exponent";
    begin(t, "pow", input(t, node, 0)->map);
    put(t, ",\"exponent\":%.9g", (double)e->tensor.data[0]);
    end(t);
    return NULL;
}

/* y = f(x) with numbers from attributes. */
static const char *shaped(struct translation *t, const struct convd_value *node)
{
    const char *op = text(node, "op"), *x = input(t, node, 0)->map;
    if (strcmp(op, "LeakyRelu") == 0) {
        begin(t, "leaky_relu", x);
        put(t, ",\"negative_slope\":%.9g}", real(t, "alpha", 0.01));
    } else if (strcmp(op, "Elu") == 0) {
        begin(t, "elu", x);
        put(t, ",\"alpha\":%.9g}", real(t, "alpha", 1));
    } else if (strcmp(op, "Selu") == 0) {
        begin(t, "elu", x);
        put(t, ",\"alpha\":%.9g}", real(t, "alpha", 1.67326319217681884765625));
        begin(t, "scale", NULL);
        put(t, ",\"mul\":%.9g}", real(t, "gamma", 1.05070102214813232421875));
    } else if (strcmp(op, "Celu") == 0) {
        begin(t, "scale", x);
        put(t, ",\"mul\":%.9g}", 1 / real(t, "alpha", 1));
        plain(t, "elu", NULL);
        begin(t, "scale", NULL);
        put(t, ",\"mul\":%.9g}", real(t, "alpha", 1));
    } else if (strcmp(op, "HardSigmoid") == 0) {
        begin(t, "scale", x);
        put(t, ",\"mul\":%.9g,\"add\":%.9g}", real(t, "alpha", 0.2), real(t, "beta", 0.5));
        begin(t, "clamp", NULL);
        put(t, ",\"min\":0,\"max\":1}");
    } else if (strcmp(op, "Reciprocal") == 0) {
        begin(t, "pow", x);
        put(t, ",\"exponent\":-1}");
    } else { /* Softsign: x / (1 + |x|) */
        plain(t, "abs", x);
        begin(t, "scale", NULL);
        put(t, ",\"add\":1}");
        begin(t, "divide", NULL);
        put(t, ",\"inputs\":[\"%s\",\"n%zu\"]}", x, t->n_steps - 2);
    }
    return NULL;
}

static const char *softmax(struct translation *t, const struct convd_value *node)
{
    const char *dim = dim_of(real(t, "axis", -1), input(t, node, 0)->rank);
    if (!dim) return "along the samples";
    begin(t, "softmax", input(t, node, 0)->map);
    put(t, ",\"dim\":\"%s\"}", dim);
    if (strcmp(text(node, "op"), "LogSoftmax") == 0) plain(t, "log", NULL);
    return NULL;
}

/* One number for each of the second dimension of x: channels of a map, or the rows of one that was an array of three. */
static struct convd_tensor slopes(struct translation *t, const struct named *x,
                                  const struct convd_tensor *v)
{
    const ptrdiff_t n = v->dim[0], w = x->rank == 3 ? x->tensor.dim[2] : 1;
    float *data = convd_arena_array(&t->s->case_mem, (size_t)(n * w), sizeof *data);
    for (ptrdiff_t i = 0; i < n * w; i++) data[i] = v->data[i / w];
    struct convd_tensor map = {.rank = 4, .dim = {1, n, 1, 1}, .data = data};
    if (x->rank == 3) map.dim[1] = 1, map.dim[2] = n, map.dim[3] = w;
    return map;
}

/* relu(x) - slope * relu(-x). Before opset 7 a list of slopes is one for each channel. */
static const char *prelu(struct translation *t, const struct convd_value *node)
{
    const char *x = input(t, node, 0)->map;
    const struct named *slope = input(t, node, 1);
    if (!slope || !slope->tensor.data) return "no slope";
    if (tensor_count(&slope->tensor) == 1) {
        begin(t, "leaky_relu", x);
        put(t, ",\"negative_slope\":%.9g}", (double)slope->tensor.data[0]);
        return NULL;
    }
    struct convd_tensor map = as_map(t, &slope->tensor);
    if (t->opset < 7 && slope->rank == 1) map = slopes(t, input(t, node, 0), &slope->tensor);
    plain(t, "relu", x);
    const char *above = last_step(t);
    plain(t, "neg", x);
    plain(t, "relu", NULL);
    pair(t, "multiply", last_step(t), bind_tensor(t, map));
    pair(t, "sub", above, last_step(t));
    return NULL;
}

/* What is above alpha, else nothing. */
static const char *thresholded(struct translation *t, const struct convd_value *node)
{
    const char *x = input(t, node, 0)->map;
    begin(t, "threshold", x);
    put(t, ",\"value\":%.9g,\"above\":1,\"below\":0}", real(t, "alpha", 1));
    pair(t, "multiply", x, last_step(t));
    return NULL;
}

/* The nearest whole number, and one less (more) where that lies above (below) x. */
static const char *floor_or_ceil(struct translation *t, const struct convd_value *node)
{
    const bool down = strcmp(text(node, "op"), "Floor") == 0;
    const char *x = input(t, node, 0)->map;
    plain(t, "round", x);
    const char *near = last_step(t);
    pair(t, "sub", down ? near : x, down ? x : near);
    begin(t, "threshold", NULL);
    put(t, ",\"value\":0,\"above\":1,\"below\":0}");
    pair(t, down ? "sub" : "add", near, last_step(t));
    return NULL;
}

static const char *put_reduce(struct translation *t, const char *fn, const char *dim, const char *x)
{
    if (!dim) return "along the samples";
    begin(t, "reduce", x);
    put(t, ",\"fn\":\"%s\",\"dim\":\"%s\"}", fn, dim);
    return NULL;
}

static const char *reduce(struct translation *t, const struct convd_value *node)
{
    static const char *const names[][3] = {{"ReduceSum", NULL, "sum"},
                                           {"ReduceMean", NULL, "mean"},
                                           {"ReduceMax", NULL, "max"},
                                           {"ReduceMin", NULL, "min"},
                                           {"ReduceL2", NULL, "l2"},
                                           {"ReduceL1", "abs", "sum"},
                                           {"ReduceSumSquare", "square", "sum"}};
    const struct named *x = input(t, node, 0), *given = input(t, node, 1);
    const struct convd_value *axes = attribute(t, "axes");
    const char *from = x->map, *why = NULL;
    size_t i = 0;
    while (strcmp(names[i][0], text(node, "op")) != 0) i++;
    if (!t->last && real(t, "keepdims", 1) == 0) return "an axis that goes away in the middle";
    if (names[i][1]) {
        plain(t, names[i][1], from);
        from = NULL;
    }
    size_t n = given ? tensor_count(&given->tensor) : axes ? axes->n : (size_t)x->rank;
    for (size_t k = 0; k < n && !why; k++, from = NULL) {
        double axis = given  ? (double)given->tensor.data[k]
                      : axes ? axes->items[k].number
                             : (double)k;
        why = put_reduce(t, names[i][2], dim_of(axis, x->rank), from);
    }
    return n ? why : "nothing to reduce";
}

/* B of a product as linear's weight: out x in, times alpha. */
static struct convd_tensor weight_of(struct translation *t, const struct convd_tensor *b,
                                     bool turned, double alpha)
{
    const ptrdiff_t out = b->dim[turned ? 0 : 1], in = b->dim[turned ? 1 : 0];
    float *data = convd_arena_array(&t->s->case_mem, (size_t)(in * out), sizeof *data);
    for (ptrdiff_t o = 0; o < out; o++)
        for (ptrdiff_t i = 0; i < in; i++)
            data[o * in + i] = (float)(alpha * (double)b->data[turned ? o * in + i : i * out + o]);
    return (struct convd_tensor){.rank = 2, .dim = {out, in}, .data = data};
}

/* C of a Gemm, times beta, as it spreads over rows x columns. */
static struct convd_tensor spread(struct translation *t, const struct convd_tensor *c,
                                  ptrdiff_t rows, ptrdiff_t columns, double beta)
{
    const ptrdiff_t w = c->rank ? c->dim[c->rank - 1] : 1, h = c->rank == 2 ? c->dim[0] : 1;
    float *data = convd_arena_array(&t->s->case_mem, (size_t)(rows * columns), sizeof *data);
    for (ptrdiff_t i = 0; i < rows; i++)
        for (ptrdiff_t j = 0; j < columns; j++)
            data[i * columns + j] =
                (float)(beta * (double)c->data[(h == 1 ? 0 : i) * w + (w == 1 ? 0 : j)]);
    return (struct convd_tensor){.rank = 4, .dim = {rows, columns, 1, 1}, .data = data};
}

/* alpha A B + beta C, with B a weight; rows of A are samples. C is the bias where it is one row, else it is added. */
static const char *product(struct translation *t, const struct convd_value *node)
{
    const struct named *x = input(t, node, 0), *b = input(t, node, 1), *c = input(t, node, 2);
    const double beta = real(t, "beta", 1);
    if (!b || !b->tensor.data || b->tensor.rank != 2 || x->rank != 2)
        return "not a row times a weight";
    if (real(t, "transA", 0) != 0) return "turns what it works on";
    if (beta == 0) c = NULL;
    const struct convd_tensor w =
        weight_of(t, &b->tensor, real(t, "transB", 0) != 0, real(t, "alpha", 1));
    const bool rows = c && (!c->tensor.data || (c->rank == 2 && c->tensor.dim[0] != 1));
    const char *weight = bind_tensor(t, w);
    begin(t, "linear", x->map);
    put(t, ",\"weight\":\"%s\"", weight);
    if (c && !rows) {
        struct convd_tensor bias = spread(t, &c->tensor, 1, w.dim[0], beta);
        bias = (struct convd_tensor){.rank = 1, .dim = {w.dim[0]}, .data = bias.data};
        put(t, ",\"bias\":\"%s\"", bind_tensor(t, bias));
    }
    end(t);
    if (!rows) return NULL;
    const char *sum = last_step(t), *map = c->map;
    if (c->tensor.data) {
        map = bind_tensor(t, spread(t, &c->tensor, c->tensor.dim[0], w.dim[0], beta));
    } else if (beta != 1) {
        begin(t, "scale", c->map);
        put(t, ",\"mul\":%.9g}", beta);
        map = last_step(t);
    }
    pair(t, "add", sum, map);
    return NULL;
}

static const char *dropout(struct translation *t, const struct convd_value *node)
{
    if (need(node, "outputs")->n > 1) return "the mask is not an answer of dropout";
    plain(t, "dropout", input(t, node, 0)->map);
    return NULL;
}

const struct translator onnx_numbers[] = {
    {"Conv ConvTranspose", conv},
    {"AveragePool MaxPool", pool},
    {"BatchNormalization InstanceNormalization", batch_norm},
    {"LRN", lrn},
    {"Add Sub Mul Div Max Min Mean Sum", merge},
    {"Clip", clip},
    {"Pow", power},
    {"LeakyRelu Elu Selu Celu HardSigmoid Reciprocal Softsign", shaped},
    {"PRelu", prelu},
    {"ThresholdedRelu", thresholded},
    {"Floor Ceil", floor_or_ceil},
    {"Softmax LogSoftmax", softmax},
    {"ReduceSum ReduceMean ReduceMax ReduceMin ReduceL1 ReduceL2 ReduceSumSquare", reduce},
    {"Gemm MatMul", product},
    {"Dropout", dropout},
    {NULL, NULL},
};
