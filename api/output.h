/* output.h: what is wanted of a pipeline and in which form: nodes, format, views, bytes. */
#ifndef API_OUTPUT_H
#define API_OUTPUT_H
#include "options.h"

enum {
    API_MOST_OUTPUTS = 1024, /* maps in one answer                             */
    API_FEW_VALUES = 4096,   /* numbers of a map that JSON lists without asking */
};

/* One node that is wanted. */
struct api_target {
    int node;
    const char *id;
    struct convd_shape shape;
    size_t count;                  /* numbers of the map                                          */
    enum convd_pixels pixels;      /* the plan writes it as                                       */
    size_t bytes;                  /* of what the plan writes                                     */
    bool dims;                     /* its dimensions are not the shape's four but these           */
    int rank;
    ptrdiff_t dim[4];
    bool picture;                  /* a picture of it is made                                     */
    struct convd_view_size view;   /* of the picture                                              */
    int depth;                     /* of the picture: 8, 16, 32                                   */
    size_t picture_bytes;          /* beside what the plan writes: drawn, with alpha, as float    */
    size_t bound;                  /* of encoding                                                 */
};
struct api_output {
    struct api_options said;       /* by the spec                                                 */
    struct api_options o;          /* by name, spec and query together                            */
    struct api_options asked;      /* by the query                                                */
    struct api_format format;      /* of the answer                                               */
    bool shaped;                   /* shapes stand in the targets already, and the maps are floats */
    const struct convd_codec *codec; /* of pictures: the format's own, or PNG inside JSON         */
    struct convd_view_options view;
    struct api_target *targets;
    size_t n;
    size_t text;                   /* most bytes of a JSON, npy or safetensors body               */
    void **maps;                   /* what a run writes, one for each target; NULL between runs   */
    uint64_t *saturated;           /* counted by the plan, one for each target                    */
    struct convd_tensor *tensors;  /* for safetensors: the targets, and pointers to them          */
    const struct convd_tensor **tensor_list;
};

/* The nodes that are wanted. False after a fault. */
bool api_output_nodes(struct api_output *out, const struct convd_graph *g, struct convd_arena *mem, struct convd_faults *f);
/* How the plan should write them, guessed before shapes are known. */
void api_output_guess(struct api_output *out);
/* Format and views, from shapes. False after a fault. *again: the guess was wrong, pixels are right now: plan again. */
bool api_output_settle(struct api_output *out, const struct api_work *w, const struct convd_plan *p, bool *again);
/* What an Accept header makes of these formats; the first is what is given when nothing decides. NULL: none will do. */
const struct api_format *api_accept_choose(const char *accept, const struct api_format *list, size_t n);
/* Most bytes that the whole run takes beside what is taken already. */
size_t api_output_bytes(const struct api_output *out, const struct api_work *w);

/* Small things that a run needs, taken beforehand. False after a fault. */
bool api_output_ready(struct api_output *out, struct convd_arena *mem, struct convd_faults *f);

/* Makes the body from what the plan wrote. */
bool api_output_write(struct api_work *w, const uint8_t *alpha);
/* Appends the encoded picture of one map; adds what had to be saturated. */
bool api_picture_write(struct api_work *w, const struct api_target *t, const void *map, const uint8_t *alpha,
                       struct convd_bytes *out, uint64_t *saturated);
double api_now_ms(void);
#endif
