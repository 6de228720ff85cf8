/* work.h: the first halves of api_work_prepare, for answers that need no picture decoded. */
#ifndef API_WORK_H
#define API_WORK_H
#include "api.h"

bool api_work_read(struct api_work *w);                                /* graph and options; no picture needed */
bool api_work_plan(struct api_work *w, const struct api_size *size);   /* and a plan; size in place of a picture */
size_t api_work_workspace(const struct api_work *w);                   /* bytes that running takes beside maps   */
/* Enters where the pipeline's text stands in what came; returns the mark for convd_leave. */
size_t api_work_enter(struct api_work *w);

/* The ways in which what is asked differ; everything else about a piece of work is the same. */
struct api_asking {
    const char *members;                             /* of the JSON form, beside pipeline, image and tensors       */
    bool (*nodes)(struct api_work *w);               /* fills output->targets: what the plan has to compute        */
    bool (*settle)(struct api_work *w, bool *again); /* shapes are known: format, bytes. *again: plan once more    */
    bool (*write)(struct api_work *w, const uint8_t *alpha);
};
extern const struct api_asking api_probe_asking, api_gradient_asking;
#endif
