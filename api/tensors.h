/* tensors.h: uploaded tensors become known to the graph as "@name". */
#ifndef API_TENSORS_H
#define API_TENSORS_H
#include "api.h"

/* Binds parts, JSON values, and what else an uploaded safetensors image holds. Faults go to w->faults. */
void api_tensors_bind(struct api_work *w);
/* When the pipeline is known: tensors of a safetensors file that are called as its steps' weights, STEP.weight, take the place
 * of what the steps say. A file with one such tensor has nothing else, else it is a fault. */
void api_tensors_weights(struct api_work *w);
/* The upstream of a gradient; *t in w->mem. False after a fault or when none came (*came says which). */
bool api_tensors_upstream(struct api_work *w, struct convd_tensor *t, bool *came);
#endif
