/* onnx.c: cases of ONNX's own backend tests: CATEGORY/NAME/case.json with its arrays. Each node is said in convd's steps
 * where the contract can say it; what it cannot say is skipped by name, with the reason. Pass when
 * |got - expected| <= atol + rtol * |expected|. Arrays of less than four dimensions are seen as 1 x … x H x W. */
#include "lib_case.h"
#include <dirent.h>
#include <unistd.h>

enum { VALUES = 64, ROOM = 16384 };

/* A named value of the model: an array (bound as "@tK" as it is, and as "@mK" as a map), or a step's result. */
struct named {
    const char *name;
    char map[24], weight[24]; /* how steps refer to it: "image", "@m3", "n2" */
    int rank;
    struct convd_tensor tensor; /* data NULL: a step's result */
};

struct translation {
    struct suite *s;
    const struct convd_value *attributes, *defaults; /* of the node at hand */
    struct named values[VALUES];
    size_t n_values;
    struct convd_tensor bound[2 * VALUES];
    size_t n_bound;
    size_t n_steps;
    bool last;             /* node */
    bool rows_are_samples; /* rank 2 is N x C, as for Gemm */
    char steps[ROOM];
    size_t length;
};

/* ---- writing steps ---- */

static void put(struct translation *t, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
static void put(struct translation *t, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    int n = vsnprintf(t->steps + t->length, ROOM - t->length, format, args);
    va_end(args);
    if (n < 0 || (size_t)n >= ROOM - t->length) T_FAIL("steps are too long");
    t->length += (size_t)n;
}

/* Begins a step that reads `input` (NULL: what stands before it); its id is n0, n1, … */
static void begin(struct translation *t, const char *op, const char *input)
{
    put(t, "%s{\"id\":\"n%zu\",\"op\":\"%s\"", t->n_steps ? "," : "", t->n_steps, op);
    if (input) put(t, ",\"input\":\"%s\"", input);
    t->n_steps++;
}
static void end(struct translation *t)
{
    put(t, "}");
}

static void plain(struct translation *t, const char *op, const char *input)
{
    begin(t, op, input);
    end(t);
}

/* ---- reading nodes ---- */

static const struct convd_value *attribute(const struct translation *t, const char *name)
{
    const struct convd_value *v = convd_value_get(t->attributes, name);
    return v ? v : convd_value_get(t->defaults, name);
}
static double real(const struct translation *t, const char *name, double otherwise)
{
    const struct convd_value *v = attribute(t, name);
    return v && v->kind == CONVD_NUMBER ? v->number : otherwise;
}
static const char *word(const struct translation *t, const char *name, const char *otherwise)
{
    const struct convd_value *v = attribute(t, name);
    return v && v->kind == CONVD_STRING ? v->string : otherwise;
}

static struct named *find(struct translation *t, const char *name)
{
    for (size_t i = 0; name && *name && i < t->n_values; i++)
        if (strcmp(t->values[i].name, name) == 0) return &t->values[i];
    return NULL;
}
/* Input k of a node, or NULL. */
static struct named *input(struct translation *t, const struct convd_value *node, uint32_t k)
{
    const struct convd_value *names = need(node, "inputs");
    return k < names->n ? find(t, names->items[k].string) : NULL;
}
static uint32_t inputs(const struct convd_value *node)
{
    return need(node, "inputs")->n;
}

/* "axis" of an array of that rank in our words; NULL for the samples. */
static const char *dim_of(double axis, int rank)
{
    static const char *const words[] = {NULL, "channel", "height", "width"};
    int at = (int)axis + (axis < 0 ? rank : 0) + 4 - rank;
    return at >= 0 && at < 4 ? words[at] : NULL;
}

static void put_list(struct translation *t, const char *name, const struct convd_value *v)
{
    put(t, ",\"%s\":[", name);
    for (uint32_t i = 0; i < v->n; i++) put(t, "%s%.9g", i ? "," : "", v->items[i].number);
    put(t, "]");
}

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

static const char *conv(struct translation *t, const struct convd_value *node)
{
    const struct named *x = input(t, node, 0), *w = input(t, node, 1), *b = input(t, node, 2);
    bool transposed = strcmp(text(node, "op"), "ConvTranspose") == 0;
    if (transposed && attribute(t, "output_shape")) return "output_shape is not the contract's";
    if (!w || !w->tensor.data || w->rank != 4) return "no 4-D weight";
    begin(t, transposed ? "conv_transpose" : "conv", x->map);
    put(t, ",\"weight\":\"%s\",\"groups\":%.0f", w->weight, real(t, "group", 1));
    if (b) put(t, ",\"bias\":\"%s\"", b->weight);
    if (attribute(t, "strides")) put_list(t, "stride", attribute(t, "strides"));
    if (attribute(t, "dilations")) put_list(t, "dilation", attribute(t, "dilations"));
    if (transposed && attribute(t, "output_padding"))
        put_list(t, "output_padding", attribute(t, "output_padding"));
    const char *why =
        put_padding(t, x, (double[]){(double)w->tensor.dim[2], (double)w->tensor.dim[3]});
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

static const char *depth(struct translation *t, const struct convd_value *node)
{
    bool to_space = strcmp(text(node, "op"), "DepthToSpace") == 0;
    if (to_space ? strcmp(word(t, "mode", "DCR"), "CRD") != 0
                 : input(t, node, 0)->tensor.dim[1] != 1)
        return "the other order of channels";
    begin(t, to_space ? "pixel_shuffle" : "pixel_unshuffle", input(t, node, 0)->map);
    put(t, ",\"factor\":%.0f", real(t, "blocksize", 1));
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
    if (inputs(node) < 2) return "merging ops take two inputs and more";
    begin(t, names[i][1], NULL);
    put(t, ",\"inputs\":[");
    for (uint32_t k = 0; k < inputs(node); k++)
        put(t, "%s\"%s\"", k ? "," : "", input(t, node, k)->map);
    put(t, "]");
    end(t);
    return NULL;
}

static const char *concat(struct translation *t, const struct convd_value *node)
{
    const char *dim = dim_of(real(t, "axis", 1), input(t, node, 0)->rank);
    if (!dim || strcmp(dim, "channel") != 0) return "concat joins channels only";
    begin(t, "concat", NULL);
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

static const char *flatten(struct translation *t, const struct convd_value *node)
{
    const struct named *x = input(t, node, 0);
    if (x->rank != 4 || real(t, "axis", 1) != 1) return "flatten keeps the samples";
    plain(t, "flatten", x->map);
    return NULL;
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

/* B of a Gemm as out x in: turned round unless transB. */
static const char *gemm(struct translation *t, const struct convd_value *node)
{
    const struct named *x = input(t, node, 0), *c = input(t, node, 2);
    struct named *b = input(t, node, 1);
    if (real(t, "alpha", 1) != 1 || real(t, "beta", 1) != 1 || real(t, "transA", 0) != 0)
        return "alpha, beta or transA";
    if (!t->rows_are_samples || !b->tensor.data ||
        (c && (!c->tensor.data || (c->rank == 2 && c->tensor.dim[0] != 1))))
        return "no weight";
    if (c && tensor_count(&c->tensor) != (size_t)b->tensor.dim[real(t, "transB", 0) == 0 ? 1 : 0])
        return "a bias has one number for each output";
    struct convd_tensor w = b->tensor;
    if (real(t, "transB", 0) == 0) {
        ptrdiff_t in = w.dim[0], out = w.dim[1];
        float *turned = convd_arena_array(&t->s->case_mem, (size_t)(in * out), sizeof *turned);
        for (ptrdiff_t i = 0; i < in; i++)
            for (ptrdiff_t o = 0; o < out; o++) turned[o * in + i] = w.data[i * out + o];
        w = (struct convd_tensor){.rank = 2, .dim = {out, in}, .data = turned};
    }
    w.name = convd_arena_printf(&t->s->case_mem, "turned%zu", t->n_steps);
    t->bound[t->n_bound++] = w;
    begin(t, "linear", x->map);
    put(t, ",\"weight\":\"@%s\"", w.name);
    if (c) put(t, ",\"bias\":\"%s\"", c->weight);
    end(t);
    return NULL;
}

static const char *dropout(struct translation *t, const struct convd_value *node)
{
    if (need(node, "outputs")->n > 1) return "the mask is not an answer of dropout";
    plain(t, "dropout", input(t, node, 0)->map);
    return NULL;
}

/* Ops of the same meaning and no parameters. */
static const char *const same[][2] = {
    {"Abs", "abs"},
    {"Neg", "neg"},
    {"Exp", "exp"},
    {"Log", "log"},
    {"Sqrt", "sqrt"},
    {"Sign", "sign"},
    {"Relu", "relu"},
    {"Tanh", "tanh"},
    {"Sigmoid", "sigmoid"},
    {"Round", "round"},
    {"Softplus", "softplus"},
    {"Identity", "dropout"},
    {"HardSwish", "hard_swish"},
    {"GlobalAveragePool", "global_avg_pool"},
    {"GlobalMaxPool", "global_max_pool"},
};
static const struct {
    const char *names; /* blank-separated */
    const char *(*translate)(struct translation *t, const struct convd_value *node);
} others[] = {
    {"Conv ConvTranspose", conv},
    {"AveragePool MaxPool", pool},
    {"BatchNormalization InstanceNormalization", batch_norm},
    {"LRN", lrn},
    {"Resize Upsample", resize},
    {"DepthToSpace SpaceToDepth", depth},
    {"Add Sub Mul Div Max Min Mean Sum", merge},
    {"Concat", concat},
    {"Clip", clip},
    {"Pow", power},
    {"LeakyRelu Elu Selu Celu HardSigmoid Reciprocal Softsign", shaped},
    {"Softmax", softmax},
    {"ReduceSum ReduceMean ReduceMax ReduceMin ReduceL1 ReduceL2 ReduceSumSquare", reduce},
    {"Flatten", flatten},
    {"Pad", pad},
    {"Gemm", gemm},
    {"Dropout", dropout},
};

static const char *translate(struct translation *t, const struct convd_value *node)
{
    const char *op = text(node, "op");
    if (strcmp(op, "Dropout") != 0 && !input(t, node, 0)) return "a node without input";
    for (size_t i = 0; i < sizeof same / sizeof *same; i++)
        if (strcmp(same[i][0], op) == 0) {
            plain(t, same[i][1], input(t, node, 0)->map);
            return NULL;
        }
    for (size_t i = 0; i < sizeof others / sizeof *others; i++)
        if (convd_word_in(others[i].names, op)) return others[i].translate(t, node);
    return convd_arena_printf(&t->s->case_mem, "the contract has no %s", op);
}

/* ---- cases ---- */

static struct convd_tensor as_map(const struct translation *t, const struct convd_tensor *x)
{
    struct convd_shape s = case_shape(x);
    if (t->rows_are_samples && x->rank == 2) s = (struct convd_shape){x->dim[0], x->dim[1], 1, 1};
    return (struct convd_tensor){.rank = 4, .dim = {s.n, s.c, s.h, s.w}, .data = x->data};
}

/* Binds one array of the case. The first that is data is the image. */
static const char *bind(struct translation *t, const char *folder, const struct convd_value *entry,
                        bool *image, struct convd_tensor *picture)
{
    char path[1024];
    if (t->n_values == VALUES) return "too many arrays";
    snprintf(path, sizeof path, "%s/%s", folder, text(entry, "file"));
    struct named *v = &t->values[t->n_values];
    *v = (struct named){.name = text(entry, "name"), .rank = (int)need(entry, "shape")->n};
    if (v->rank > 4) return "more than four dimensions";
    for (int d = 0; d < v->rank; d++)
        if (need(entry, "shape")->items[d].number == 0)
            return NULL; /* an empty list of axes: as if left out */
    v->tensor = case_tensor(t->s, path, "");
    snprintf(v->weight, sizeof v->weight, "@t%zu", t->n_values);
    snprintf(v->map, sizeof v->map, "@m%zu", t->n_values);
    struct convd_tensor map = as_map(t, &v->tensor);
    if (!*image) {
        *picture = map;
        *image = true;
        snprintf(v->map, sizeof v->map, "image");
    }
    map.name = convd_arena_printf(&t->s->case_mem, "m%zu", t->n_values);
    t->bound[t->n_bound++] = map;
    t->bound[t->n_bound] = v->tensor;
    t->bound[t->n_bound++].name = convd_arena_printf(&t->s->case_mem, "t%zu", t->n_values);
    t->n_values++;
    return NULL;
}

/* Gives the node's result its name, so that later nodes can read it. */
static void name_result(struct translation *t, const struct convd_value *node)
{
    const struct named *x = input(t, node, 0);
    struct named *y = &t->values[t->n_values++];
    *y = (struct named){.name = need(node, "outputs")->items[0].string, .rank = x ? x->rank : 4};
    for (uint32_t k = 1; k < inputs(node); k++) {
        const struct named *other = input(t, node, k);
        y->rank = other && other->rank > y->rank && strcmp(text(node, "op"), "Conv") != 0
                      ? other->rank
                      : y->rank;
    }
    snprintf(y->map, sizeof y->map, "n%zu", t->n_steps - 1);
}

/* NULL when the case ran (and was counted), else why it cannot be said. */
static const char *run_case(struct suite *s, const char *folder, const char *name)
{
    static struct translation translation;
    struct translation *t = &translation;
    struct convd_tensor picture, got;
    char path[1024], why[256];
    bool image = false;
    snprintf(path, sizeof path, "%s/case.json", folder);
    const struct convd_value c = suite_json(s, path), *nodes = need(&c, "nodes"),
                             *output = &need(&c, "outputs")->items[0];
    *t = (struct translation){
        .s = s, .rows_are_samples = strcmp(text(&nodes->items[0], "op"), "Gemm") == 0};
    const struct convd_value *lists[] = {need(&c, "inputs"), need(&c, "params")};
    for (int l = 0; l < 2; l++)
        for (uint32_t i = 0; i < lists[l]->n; i++) {
            const char *not = bind(t, folder, &lists[l]->items[i], &image, &picture);
            if (not ) return not ;
        }
    put(t, "[");
    for (uint32_t i = 0; i < nodes->n; i++) {
        t->last = i + 1 == nodes->n;
        t->attributes = need(&nodes->items[i], "attributes");
        const struct convd_value *defaults = need(&c, "defaults");
        t->defaults = i < defaults->n ? &defaults->items[i] : NULL;
        const char *not = t->n_values < VALUES ? translate(t, &nodes->items[i]) : "too many values";
        if (not ) return not ;
        name_result(t, &nodes->items[i]);
    }
    const struct named *answer = find(t, text(output, "name"));
    if (answer) /* it need not be the last node's */
        plain(t, "dropout", answer->map);
    put(t, "]");
    struct convd_value steps;
    if (!api_json_parse(t->steps, t->length, ROOM, &s->case_mem, s->faults, &steps))
        T_FAIL("%s: %s", name, t->steps);
    snprintf(path, sizeof path, "%s/%s", folder, text(output, "file"));
    const struct convd_tensor expected = case_tensor(s, path, "");
    bool fine =
        case_run(s, &steps, &picture, t->bound, t->n_bound, &got, why) &&
        tensors_agree(&expected, &got, number(&c, "atol", 0), number(&c, "rtol", 0), -1, why);
    case_result(s, name, fine, why);
    return NULL;
}

static int visible(const struct dirent *d)
{
    return d->d_name[0] != '.';
}

static void run_category(struct suite *s, const char *category)
{
    char path[1024];
    struct dirent **list;
    const char *root = getenv("TESTDATA");
    snprintf(path, sizeof path, "%s%s%s/%s",
             s->folder[0] == '/' ? ""
             : root              ? root
                                 : "tests/data",
             s->folder[0] == '/' ? "" : "/", s->folder, category);
    int n = scandir(path, &list, visible, alphasort);
    for (int i = 0; i < n; i++) {
        char folder[768];
        snprintf(folder, sizeof folder, "%s/%s", category, list[i]->d_name);
        const char *not = run_case(s, folder, list[i]->d_name);
        if (not ) case_skipped(s, list[i]->d_name, not );
        suite_next(s);
        free(list[i]);
    }
    if (n >= 0) free(list);
}

static void run_folder(const char *name)
{
    struct suite s;
    suite_begin(&s, name);
    run_category(&s, "spatial2d");
    run_category(&s, "pointwise");
    size_t failed = s.counts.failed, passed = s.counts.passed;
    suite_end(&s);
    EQ(0, failed);
    OK(passed > 0);
}

TEST(onnx_cases_come_out_the_same)
{
    run_folder("onnx");
}

TEST(onnx_model_cases_come_out_the_same)
{
    char path[1024];
    snprintf(path, sizeof path, "%s/onnx_models", getenv("FIXTURES") ? getenv("FIXTURES") : "");
    if (getenv("FIXTURES") && access(path, R_OK) == 0) run_folder("onnx_models");
}

T_MAIN("conformance/onnx")
