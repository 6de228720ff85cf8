/* gradient.h: dL/d picture, tensors and weights (POST /v1/gradient); see struct api_asking in work.h. */
#ifndef API_GRADIENT_H
#define API_GRADIENT_H
#include "../core/plan.h"
#include "work.h"

/* Runs forward and back; the gradients go to the run's outputs. */
bool api_gradient_run(struct api_work *w, const struct convd_run *run);
/* What the answer depends on beside pipeline, picture and tensors; NULL: nothing. */
const void *api_gradient_key(const struct api_work *w, size_t *n);
#endif
