/* probe.h: what one number of one step is made of (POST /v1/probe); see struct api_asking in work.h. */
#ifndef API_PROBE_H
#define API_PROBE_H
#include "work.h"

enum { API_PROBE_TAPS = 65536 }; /* numbers of a window that are listed; of larger ones nothing is */

/* What the answer depends on beside pipeline, picture and tensors. */
const void *api_probe_key(const struct api_work *w, size_t *n);
#endif
