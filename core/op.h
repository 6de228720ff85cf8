/* op.h: one op is one row of one table. ops.def lists them, ops/NAME.c holds each.
 *
 * An op sees one sample at a time: N is the engine's business. It computes rows [y0,y1) of its output from the rows of
 * its inputs that `rows` asked for, so that whole chains run band by band in cache and bands run on any worker. Every
 * output number must come out the same however the rows are cut. */
#ifndef CONVD_OP_H
#define CONVD_OP_H
#include "param.h"

enum convd_group { CONVD_CONVOLUTION, CONVD_POOLING, CONVD_RANK, CONVD_POINTWISE, CONVD_MERGING, CONVD_CHANNELS,
                   CONVD_NORMALISING, CONVD_GEOMETRY, CONVD_BLOCKS };
const char *convd_group_word(enum convd_group g);

struct convd_simd;
struct convd_graph;
struct convd_fixed;
struct convd_fixed_ask;
struct convd_fixed_call;
struct convd_fixed_fused;

/* Rows [y0,y1) and channels [0,c) of one sample of a map. h is the whole map's height; only [y0,y1) is in memory. */
struct convd_view {
    float *data;           /* channel 0, row y0                                    */
    ptrdiff_t c, h, w;     /* of the whole map                                     */
    ptrdiff_t y0, y1;
    ptrdiff_t row, plane;  /* floats from one row, one channel, to the next        */
};
static inline float *convd_row(const struct convd_view *v, ptrdiff_t c, ptrdiff_t y)
{
    return v->data + c * v->plane + (y - v->y0) * v->row;
}
struct convd_rows { ptrdiff_t y0, y1; };

/* What an op knows about its place in a graph; the same for every hook. */
struct convd_site {
    const void *params;          /* the op's own struct                                                   */
    const struct convd_shape *x; /* input shapes, n of them                                               */
    size_t n;
    struct convd_shape y;        /* output shape, from `shape`                                            */
    size_t position;             /* of the step, from 0: a seed left out is 1 + position                  */
    const void *state;           /* from `prepare`, NULL without it                                       */
    const struct convd_simd *simd;
};
/* What a step costs for one sample. */
struct convd_cost {
    double macs;                 /* multiply-adds of the plain algorithm                                  */
    size_t weights;              /* numbers that are learned or given: weights and biases                 */
    size_t state;                /* bytes `prepare` will take                                             */
};
/* How far a number looks: for receptive fields, borders and the probe. */
struct convd_window {
    ptrdiff_t kh, kw, sh, sw, dh, dw, top, left; /* taps, stride, dilation, padding before                */
    bool whole;                                  /* sees the whole map                                    */
};
/* One call of forward. */
struct convd_call {
    const struct convd_site *site;
    const struct convd_view *x;  /* one for each input                                                    */
    const struct convd_view *y;  /* rows [y->y0,y->y1) are to be written, all channels                    */
    float *scratch;              /* as `scratch` asked, 64-byte aligned, contents undefined               */
    void *digest;                /* what `digest` made of this sample, 64-byte aligned; NULL without it   */
    /* As `kept_bytes` says, from channel 0 of y on: to be written of rows own; NULL: not wanted. */
    uint8_t *kept;
    struct convd_rows own;
};

/* One call of backward: y and everything before it was computed, dL/dy is known. */
struct convd_back {
    const struct convd_site *site;
    const struct convd_view *x, *y, *dy; /* whole maps of one sample                                             */
    const struct convd_view *dx;   /* one for each input, dL/dx is added to it; data NULL: not wanted            */
    float *const *dweight;         /* one for each params row: dL/d what was written there (an array's, a tensor's, an
                                      init's numbers, in their own order) is added to it; NULL: not wanted       */
    bool fresh; /* dx[0] holds nothing yet: it is written, all of it (ops with back_writes)   */
    size_t part, parts;            /* the share of the work that is this call's: no two parts write the same place of
                                      dx; dweight is each part's own and added up later, in order                */
    const void *turned;            /* what `turn` made, where dx is wanted; NULL without it                      */
    void *sums;                    /* this worker's, as `sums_bytes` asked; NULL without it                      */
    const uint8_t *kept;           /* what forward kept; NULL where nobody asked it to                           */
    float *scratch;                /* as `back_scratch` asked, 64-byte aligned, contents undefined               */
};
/* One call of give_back. */
struct convd_given {
    const struct convd_site *site;
    const char *sums;              /* the first worker's; `stride` bytes on, the next one's      */
    size_t stride, workers;
    float *const *dweight;         /* as in convd_back: added to                                 */
    size_t part, parts;            /* no two parts write the same place                          */
    float *scratch;
};
/* The [from,to) of n things that are a part's share. */
static inline struct convd_rows convd_share(ptrdiff_t n, size_t part, size_t parts)
{
    return (struct convd_rows){(ptrdiff_t)((size_t)n * part / parts), (ptrdiff_t)((size_t)n * (part + 1) / parts)};
}

/* One number of y. */
struct convd_place { ptrdiff_t c, i, j; };
/* What a number of y is made from, for the probe and for where in the picture it comes from: tap (a,b) of channel q
 * stands at row y + a * dy, column x + b * dx of channel c + q of one input. Places outside the map hold what mode
 * (enum convd_mode of border.h) and value say. */
enum convd_look_kind {
    CONVD_LOOK_INPUTS,           /* those numbers, as they are or as some function of them: no window     */
    CONVD_LOOK_WINDOW,           /* some function of a window                                             */
    CONVD_LOOK_WINNER,           /* one of the window's numbers                                           */
    CONVD_LOOK_SUM,              /* the sum of the window's numbers, each times its weight, and bias      */
};
struct convd_look {
    enum convd_look_kind kind;
    size_t input;
    ptrdiff_t c, channels;
    ptrdiff_t y, x, kh, kw, dy, dx;
    int mode;
    float value;
    double bias;
    bool mixed;                  /* rows and columns follow from more than a row or a column of y each    */
};
/* Words of another language that only one op uses: in its templates $name stands for it. */
struct convd_helper { const char *name, *text; };

struct convd_expand;
struct convd_learning; /* learn/learning.h */

/* What `check` or `shape` holds a parameter against: other parameters, or what comes in. For the schema and the docs. */
struct convd_rule {
    const char *member; /* where the fault points; NULL ends a list */
    int code;           /* of that fault                            */
    const char *words;  /* "less than kernel_size on each side"     */
};

struct convd_op {
    const char *name;
    enum convd_group group;
    const char *summary;                   /* one line                                                     */
    const char *aliases;                   /* blank-separated names of other libraries, or NULL            */
    const char *example;                   /* a chain that shows it, or a spec where no chain can say it   */
    const char *source;                    /* paper, standard or library function that defines it          */
    const struct convd_param *params;      /* ends with CONVD_PARAM_END; NULL: none                        */
    size_t params_size;
    const struct convd_rule *rules;        /* what check and shape hold params against, but for BAD_SHAPE; NULL: nothing */
    size_t min_inputs, max_inputs;         /* 0,0 means 1,1                                                */
    const char *algorithm;                 /* for explain: "direct", "pointwise", …                        */
    bool in_place;                         /* y may be the memory of x[0] where shapes agree               */
    bool rising;                           /* in place, and a larger x never gives a smaller y, NaN aside: the largest or
                                              smallest of a window may as well be taken before               */
    bool picks;                            /* y is the largest, or the smallest, of what its window holds of x[0] */
    bool by_channel;                       /* forward may be called for some of the channels: y->c of them, of y and of every
                                              input; channel c of y needs channel c of each input alone     */

    /* Rules between parameters ("padding is less than kernel_size"); faults at the step's place. NULL: none. */
    bool (*check)(const void *params, struct convd_faults *f);
    /* Fills site->y from site->x. Faults (BAD_SHAPE, OUT_OF_RANGE) at the step's place; false after one.
     * NULL: the shape of the first input. n is the engine's: y.n is set before the call. */
    bool (*shape)(struct convd_site *s, struct convd_faults *f);
    /* NULL: no macs, no weights, no state. */
    void (*cost)(const struct convd_site *s, struct convd_cost *c);
    void (*window)(const struct convd_site *s, struct convd_window *w); /* NULL: 1x1 */
    /* Which rows of input i output rows `y` need. False: the whole map. NULL: the same rows (whole where the input is
     * one row high and the output is not: broadcast). */
    bool (*rows)(const struct convd_site *s, size_t i, struct convd_rows y, struct convd_rows *x);
    /* Rows of y that are computed together, from a multiple of that many on, even where one of them is wanted: bands are cut
     * between them. NULL: 1. */
    ptrdiff_t (*grain)(const struct convd_site *s);
    /* Once a plan: weights made, packed, kernels reversed. Returned state lives in mem. NULL after a fault. */
    const void *(*prepare)(const struct convd_site *s, struct convd_arena *mem, struct convd_faults *f);
    /* Bytes of scratch that a call for at most `rows` output rows needs. NULL: none. */
    size_t (*scratch)(const struct convd_site *s, ptrdiff_t rows);
    void (*forward)(const struct convd_call *c);
    /* The same on integers, where results leave as bytes: fixed.h. fixed fills y from the formats of the inputs, beginning
     * with x[0]'s, or declines; make_fixed makes what forward_fixed wants (NULL without memory). fixed NULL: float only;
     * make_fixed NULL: nothing to make. */
    bool (*fixed)(const struct convd_site *s, const struct convd_fixed *x, struct convd_fixed_ask *a, struct convd_fixed *y);
    const void *(*make_fixed)(const struct convd_site *s, const struct convd_fixed *x, const struct convd_fixed *y,
                              struct convd_arena *mem);
    void (*forward_fixed)(const struct convd_fixed_call *c);
    /* Where op and formats x, y allow it, the node as filters of one map; in[i]: the same of input i, or NULL. */
    bool (*fused)(const struct convd_site *s, const struct convd_fixed *x, const struct convd_fixed *y,
                 const struct convd_fixed_fused *const *in, struct convd_fixed_fused *out);
    /* For ops each of whose numbers depends on a whole map (so that `rows` is false): what all bands want to know of it,
     * gathered once a sample before they run. digest_bytes says its size, digest writes call->digest from the whole
     * inputs (no y, no scratch). NULL: nothing. */
    size_t (*digest_bytes)(const struct convd_site *s);
    void (*digest)(const struct convd_call *c);
    /* dL/dx and dL/d weights from dL/dy. NULL: no_gradient says why in words ("…: its result jumps"). */
    void (*backward)(const struct convd_back *b);
    const char *no_gradient;
    bool back_writes;   /* an op of one input whose backward knows `fresh`                  */
    bool back_in_place; /* where that is so, dx may be the memory of dy                     */
    bool back_by_channel; /* an op of one input: forward and backward may be called for some of the channels, as by_channel */
    bool back_skips_x, back_skips_y; /* what it does not look at: it may be overwritten by then */
    size_t (*back_scratch)(const struct convd_site *s); /* NULL: none */
    /* What dx is made with and weights alone decide: bytes, and a part of the making, after each change of the weights.
     * NULL: nothing. */
    size_t (*turned_bytes)(const struct convd_site *s);
    void (*turn)(const struct convd_site *s, void *turned, size_t part, size_t parts);
    /* Weight gradients that backward adds up over samples in a form of the op's own: bytes for each worker, zeros at
     * first (0: it has none here); and what all workers' sums say. NULL: nothing. */
    size_t (*sums_bytes)(const struct convd_site *s);
    void (*give_back)(const struct convd_given *g);
    /* Bytes of each channel of y that forward keeps for backward, rows apart from each other; 0: none. NULL: none. */
    size_t (*kept_bytes)(const struct convd_site *s);
    /* The shape of the numbers behind params row `row` (a weight or a kernel); false: none are there (left out). For an
     * init it is where shapes decide it. NULL: no weights. */
    bool (*weight_shape)(const struct convd_site *s, size_t row, struct convd_tensor *t);
    /* The written numbers changed in place: makes `state` new from them. NULL: state refers to them. */
    void (*pack)(const struct convd_site *s, void *state);
    const struct convd_learning *learning; /* what it does otherwise while learning; NULL: nothing */
    /* NULL: the numbers at the same place of every input (at 0 where an input is spread), of the whole map where
     * `window` says so. Called for steps that are prepared. */
    void (*look)(const struct convd_site *s, struct convd_place at, struct convd_look *l);
    /* For CONVD_LOOK_SUM: the weight of tap (a,b) of the look's channel q. */
    double (*weigh)(const struct convd_site *s, struct convd_place at, ptrdiff_t q, ptrdiff_t a, ptrdiff_t b);
    /* Nanoseconds that a number of y takes one thread of a 2023 server core where multiply-adds and bytes do not tell it:
     * exponentials, sorting, sums in double. ns_of where parameters decide. */
    double ns;
    double (*ns_of)(const struct convd_site *s);
    const char *(*algorithm_of)(const struct convd_site *s); /* where one word does not do; NULL: algorithm */
    /* The step as an expression of a program: {x} is the input, {x0} {x1} … one of several, {xs} all of them, {PARAM} a
     * parameter, {WEIGHT:2,3} numbers of that shape, {join: + } all inputs with something between them, $name a
     * helper. api/code.h has all of it. The functions come first, for words that parameters or shapes decide; NULL from
     * both: the step cannot be said. */
    const char *torch, *opencv;
    const char *(*torch_of)(const struct convd_site *s, struct convd_arena *mem);
    const char *(*opencv_of)(const struct convd_site *s, struct convd_arena *mem);
    const struct convd_helper *helpers; /* the op's own; ends with a name that is NULL */
    /* Blocks have this in place of shape … forward: makes the steps it stands for with the calls in graph.h; returns
     * the node of the result or -1 after a fault. */
    int (*expand)(struct convd_expand *e);
};

#define OP(NAME) extern const struct convd_op convd_op_##NAME;
#include "ops.def"
#undef OP
size_t convd_op_count(void);
/* Name of op i, for convd_nearest. */
const char *convd_op_name(const void *unused, size_t i);
/* Row helpers: CONVD_FIELD(struct params, stride) is the offset a row needs. */
#define CONVD_FIELD(TYPE, FIELD) offsetof(TYPE, FIELD)
#endif
