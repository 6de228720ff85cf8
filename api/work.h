/* work.h: the first halves of api_work_prepare, for answers that need no picture decoded. */
#ifndef API_WORK_H
#define API_WORK_H
#include "api.h"

bool api_work_read(struct api_work *w);                                /* graph and options; no picture needed */
bool api_work_plan(struct api_work *w, const struct api_size *size);   /* and a plan; size in place of a picture */
size_t api_work_workspace(const struct api_work *w);                   /* bytes that running takes beside maps   */
/* Enters where the pipeline's text stands in what came; returns the mark for convd_leave. */
size_t api_work_enter(struct api_work *w);

/* The names of a library as one graph sees them: looking a pipeline up makes its tensors known to the graph. */
struct api_names {
    struct convd_names face;
    const struct api_library *library;
    struct convd_graph *graph;
};
const struct convd_names *api_names_for(struct api_names *n, const struct api_library *lib, struct convd_graph *graph);
/* After the graph was read: learned weights of saved pipelines go to their steps. Returns a hash of the saved ones in use. */
uint64_t api_names_weights(const struct api_names *n, struct convd_faults *f);
/* Whether a string of a spec is that word. */
bool api_library_mentions(const struct convd_value *v, const char *word);
/* lib with a pipeline that was read already. NULL after a fault. */
struct api_library *api_library_with(const struct api_library *lib, const char *name, const char *json, size_t json_n,
                                     const struct convd_tensor *tensors, size_t n, uint64_t hash, struct convd_faults *f);

/* The ways in which what is asked differ; everything else about a piece of work is the same. */
struct api_asking {
    const char *members;                             /* of the JSON form, beside pipeline, image and tensors       */
    bool (*nodes)(struct api_work *w);               /* fills output->targets: what the plan has to compute        */
    bool (*settle)(struct api_work *w, bool *again); /* shapes are known: format, bytes. *again: plan once more    */
    bool (*write)(struct api_work *w, const uint8_t *alpha);
};
extern const struct api_asking api_probe_asking, api_gradient_asking;
#endif
