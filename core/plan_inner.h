/* plan_inner.h: how plan.c (shapes, cost, limits), layout.c (stages, bands), buffers.c and exec.c see a plan.
 *
 * A stage is a set of nodes that run together, band by band. A node ends a stage when somebody needs its whole map, when a
 * later stage reads it, or when it is wanted; then it has a full buffer. Every other node lives in band buffers only, one
 * set for each worker, in cache. Bands overlap where windows reach over their edge: those rows are computed twice, so that
 * bands never wait for each other; where that would cost too much, layout.c ends the stage. */
#ifndef CONVD_PLAN_INNER_H
#define CONVD_PLAN_INNER_H
#include "fixed.h"
#include "pixels.h"
#include "plan.h"
#include "simd/simd.h"

struct convd_plan_node {
    bool needed;
    bool given;                /* its whole map is in memory already: tensors, an f32 image     */
    bool bad;                  /* shape not known                                               */
    struct convd_site site;
    struct convd_cost cost;    /* of one sample                                                 */
    struct convd_step_info info;
    int stage;                 /* -1: given, or the image while it has no full buffer           */
    size_t at;                 /* position among the stage's nodes                              */
    bool forced;               /* ends a stage though nobody needs it whole                     */
    bool full;                 /* has a full buffer                                             */
    bool banded;               /* has a band buffer: read inside its stage, or not full         */
    int output;                /* the output whose memory is the full buffer, or -1             */
    int last_stage;            /* that reads the full buffer                                    */
    size_t full_offset, full_bytes;
    int in_place_of;           /* node whose band buffer it writes over, or -1                  */
    int behind; /* the node that picks from it, over whose result it runs instead, or -1 */
    size_t band_offset;
    size_t digest_offset, digest_bytes; /* of one sample; 0: the op has none                        */
};
/* A node of a stage that runs on integers (lane.c). */
struct convd_lane {
    struct convd_fixed format;
    const void *made;
    bool lent;                 /* the image where it lies, or the output's own memory           */
    ptrdiff_t margin;          /* pixels beside each row                                        */
    ptrdiff_t held;            /* rows in its buffer: a power of two; row y stands in place y mod held */
    size_t row, plane;         /* bytes                                                         */
    size_t offset;             /* of column 0 of row 0; lane.c: in a slot                       */
    size_t state, state_bytes;
    ptrdiff_t rows, lost;      /* of a step, as its op asks; whose work is lost where a band begins */
    struct convd_fixed_fused *fused; /* how it runs where it is filters of one map, or NULL                */
    bool absorbed;             /* by who reads it: never run                        */
    size_t root;               /* whose buffer it is written over, or itself                    */
};
struct convd_stage {
    const int *nodes;          /* in order; the image first where it is unpacked here           */
    size_t n;
    ptrdiff_t samples;
    size_t bands;
    ptrdiff_t grain; /* bands are cut at multiples of it                              */
    const struct convd_rows *need; /* [band * n + k]: the rows of nodes[k] that the band computes; empty: none */
    size_t parts;              /* of the channels, where rows are too few for every worker      */
    size_t slots;              /* workers that may be inside at once, each with its own buffers */
    size_t slot_bytes;         /* band buffers and scratch of one worker                        */
    size_t scratch_offset;
    size_t image_offset;       /* of the image's band buffer, where it has no full one          */
    struct convd_lane *lane;   /* one for each node where the stage runs on integers, else NULL */
    size_t steps;              /* of a band, where it does: `need` has bands * steps entries    */
    size_t done_offset;        /* rows computed so far of each node                             */
};
struct convd_plan {
    struct convd_arena mem;
    struct convd_graph *graph;
    struct convd_input input;
    size_t input_bytes;
    const struct convd_output *outputs;
    size_t n_outputs;
    struct convd_limits limits;
    size_t threads;
    const struct convd_simd *simd;
    struct convd_plan_node *nodes;
    struct convd_stage *stages;
    size_t n_stages;
    size_t forced_bands;
    bool float_only;           /* no stage runs on integers                                         */
    size_t full_bytes;         /* of all full buffers, those of a later stage in the place of dead ones */
    size_t slots_offset;       /* band buffers behind the full ones                             */
    size_t row_offset;         /* one row of the image, where it is wanted as it is                 */
    size_t workspace;
    size_t state_bytes;
};

/* Rows of input i that rows y of node v need; never outside the input. False: the op needs the whole map (then x is all). */
bool convd_edge_rows(const struct convd_plan *p, int v, size_t i, struct convd_rows y, struct convd_rows *x);
/* Rows of a map of height h that band b of n owns, cut at multiples of grain; there may be none. */
static inline struct convd_rows convd_band_rows(ptrdiff_t h, size_t b, size_t n, ptrdiff_t grain)
{
    const size_t units = (size_t)((h + grain - 1) / grain);
    const ptrdiff_t y0 = (ptrdiff_t)(units * b / n) * grain,
                    y1 = (ptrdiff_t)(units * (b + 1) / n) * grain;
    return (struct convd_rows){y0 < h ? y0 : h, y1 < h ? y1 : h};
}
/* True when v is computed inside stage number s (so that its consumers there read a band). */
bool convd_in_stage(const struct convd_plan *p, int v, int s);
static inline int convd_stage_number(const struct convd_plan *p, const struct convd_stage *s)
{
    return (int)(s - p->stages);
}
/* Position of v, which is computed in this stage, among the stage's nodes. */
static inline size_t convd_stage_at(const struct convd_plan *p, int v)
{
    return v == CONVD_IMAGE ? 0 : p->nodes[v].at;
}
/* Node k of a stage, and the shape of its map. */
static inline const struct convd_node *convd_stage_node(const struct convd_plan *p, const struct convd_stage *s, size_t k)
{
    return &p->graph->nodes[s->nodes[k]];
}
static inline struct convd_shape convd_stage_shape(const struct convd_plan *p, const struct convd_stage *s, size_t k)
{
    return p->nodes[s->nodes[k]].site.y;
}
/* True when v's own rows must come out of every band: a later stage reads it, or it is wanted. */
bool convd_is_sink(const struct convd_plan *p, int v);
/* The rows of each node that each of s->bands bands needs; see layout.c. */
double convd_stage_table(struct convd_plan *p, struct convd_stage *s, struct convd_rows *need, bool force, bool *forced);
/* Decides whether a stage runs on integers; then its bands, steps and buffers are settled too. False without memory. */
bool convd_lane_choose(struct convd_plan *p, struct convd_stage *s);
/* The lane of a node, or NULL. */
const struct convd_lane *convd_lane_of(const struct convd_plan *p, int v);
/* The node in whose loops v is computed: its reader's, where that takes v's input in its place; v itself otherwise. */
int convd_lane_runner(const struct convd_plan *p, int v);
/* estimate.c: milliseconds that step v takes one thread with that algorithm, about. */
double convd_estimate_ms(const struct convd_plan *p, int v, const char *algorithm);
/* lane_run.c: runs one band of such a stage for sample n; slot is the worker's memory. saturated: per output, or NULL.
 * Stops between steps once *cancel is set. */
void convd_lane_run(const struct convd_plan *p, const struct convd_stage *s, const struct convd_run *run, char *slot,
                    size_t b, ptrdiff_t n, _Atomic uint64_t *saturated);
/* Stages, bands, buffers: fills everything from `stage` on. False without memory. */
bool convd_plan_layout(struct convd_plan *p);
/* buffers.c: their places, once stages and bands are settled. False without memory. */
bool convd_buffers_place(struct convd_plan *p);
#endif
