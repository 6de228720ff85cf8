/* explain.c: POST /v1/explain: what a pipeline would do to a picture of a size, or to the one that came. On a
 * worker. */
#include "work.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* A whole number of a query parameter; -1 after a fault, 0 when it did not come. */
static ptrdiff_t number(struct request *rq, const char *name)
{
    const char *text = target_query(&rq->target, name);
    char *end;
    if (!text) return 0;
    errno = 0;
    long long n = strtoll(text, &end, 10);
    if (*text < '0' || *text > '9' || *end || errno || n < 1 || n > PTRDIFF_MAX) {
        convd_fault_expected(&rq->faults, CONVD_BAD_REQUEST, NULL, "a whole number from 1",
                             "%s is \"%.32s\"", name, text);
        return -1;
    }
    return (ptrdiff_t)n;
}

static bool is_number(const char *s)
{
    return s && *s >= '0' && *s <= '9';
}

/* Takes the parameters that only explain has out of the query; `channels` as a word stays: it is the
 * decoder's. */
static void drop_own(struct request *rq)
{
    struct api_work *w = &rq->work;
    struct api_pair *kept = convd_arena_array(&rq->mem, w->n_query + 1, sizeof *kept);
    size_t n = 0;
    for (size_t i = 0; kept && i < w->n_query; i++) {
        const struct api_pair *q = &w->query[i];
        bool own = strcmp(q->name, "width") == 0 || strcmp(q->name, "height") == 0 ||
                   strcmp(q->name, "format") == 0 ||
                   (strcmp(q->name, "channels") == 0 && is_number(q->value));
        if (!own) kept[n++] = *q;
    }
    w->query = kept;
    w->n_query = n;
}

bool explain_work(struct request *rq)
{
    if (!work_begin(rq)) return true;
    const char *format = target_query(&rq->target, "format"),
               *channels = target_query(&rq->target, "channels");
    struct api_size size = {.width = number(rq, "width"), .height = number(rq, "height")};
    size.channels = is_number(channels) ? number(rq, "channels") : 3;
    drop_own(rq);
    bool sized = size.width > 0 && size.height > 0;
    if (convd_faults_count(&rq->faults) > 0)
        reply_faults(rq, &rq->faults);
    else if (!api_explain(&rq->work, sized ? &size : NULL, format ? format : "json"))
        reply_faults(rq, rq->work.faults);
    else
        reply_bytes(rq, 200, rq->work.media, rq->work.body.data, rq->work.body.n, NULL);
    work_settle(rq);
    return true;
}
