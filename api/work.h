/* work.h: the first halves of api_work_prepare, for answers that need no picture decoded. */
#ifndef API_WORK_H
#define API_WORK_H
#include "api.h"

bool api_work_read(struct api_work *w);                                /* graph and options; no picture needed */
bool api_work_plan(struct api_work *w, const struct api_size *size);   /* and a plan; size in place of a picture */
#endif
