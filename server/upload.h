/* upload.h: the body of a request, gathered under the byte budget, then read as what its Content-Type says. */
#ifndef UPLOAD_H
#define UPLOAD_H
#include "../api/api.h"
#include "multipart.h"

struct request;

struct upload {
    uint8_t *data;
    size_t n, room;
    size_t counted; /* of the memory budget's part for uploads */
};

/* Appends what arrived. False with the reply made: over --max-body, or no room in the budget. */
bool upload_put(struct request *rq, const void *data, size_t n);
void upload_release(struct request *rq);

/* What a body says, whatever its form. Slices point into the body, the rest is in the request's arena. */
struct form {
    const void *image; /* NULL: none came */
    size_t image_n;
    struct slice filename;
    struct slice pipeline;                   /* text; data NULL: none */
    struct slice json;                       /* in place of all the others: the JSON form, which api reads */
    struct api_part *tensors;
    size_t n_tensors;
    struct slice at[API_AT_MEMBERS]; /* step, channel, x, y, where a number is asked about */
    struct slice upstream;           /* of a gradient */
};
/* Reads rq->upload into rq->form. False with faults in rq->faults. */
bool upload_read(struct request *rq);
#endif
