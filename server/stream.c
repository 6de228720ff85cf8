/* stream.c: listeners of a job: an event stream each (text/event-stream of the HTML standard). A listener whose
 * client takes nothing waits suspended; whoever adds an event wakes it, under the one lock of jobs. */
#include "clock.h"
#include "http.h"
#include "jobs.h"
#include "request.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define HEARTBEAT_MS 15000

struct stream {
    struct stream *next;
    struct jobs *jobs;
    struct job *job; /* NULL: left */
    struct request *rq;
    uint64_t sent;   /* id of the last event given out      */
    int64_t last_ms; /* when something was last given out   */
    char *text;      /* being given out                     */
    size_t n, at;
    bool suspended, ended, told;
};

/* The first event behind what was sent, or NULL. */
static const struct job_event *next_event(const struct stream *s)
{
    const struct job *j = s->job;
    const struct job_event *best = NULL;
    for (size_t i = 0; i < j->n_events && !best; i++)
        if (j->events[i].id > s->sent) best = &j->events[i];
    const struct job_event *p = &j->progress;
    if (p->data && p->id > s->sent && (!best || p->id < best->id)) best = p;
    return best;
}

static bool due(const struct stream *s)
{
    return s->at < s->n || s->ended || s->job->ended || next_event(s) ||
           clock_ms() - s->last_ms >= HEARTBEAT_MS;
}

void streams_wake(struct job *j)
{
    for (struct stream *s = j->streams; s; s = s->next)
        if (s->suspended && due(s)) {
            s->suspended = false;
            http_resume(s->rq);
        }
}

struct stream *stream_open(struct jobs *k, const struct store_job *row, struct request *rq,
                           uint64_t last, bool *gone)
{
    struct stream *s = calloc(1, sizeof *s);
    *gone = false;
    if (!s) return NULL;
    pthread_mutex_lock(&k->lock);
    struct job *j = jobs_hold(k, row);
    if (!j) {
        pthread_mutex_unlock(&k->lock);
        free(s);
        return NULL;
    }
    *s = (struct stream){
        .jobs = k, .job = j, .rq = rq, .sent = last, .last_ms = clock_ms(), .next = j->streams};
    j->streams = s;
    bool fresh = j->n_events == 0;
    if (k->stopping) s->ended = true;
    pthread_mutex_unlock(&k->lock);
    /* the first one hears how things are; a job that ended between the look at the store and now is seen here too */
    if (fresh) jobs_publish(k, row->id);
    pthread_mutex_lock(&k->lock);
    *gone = last && j->ended && !next_event(s);
    pthread_mutex_unlock(&k->lock);
    return s;
}

void stream_leave(struct stream *s)
{
    struct jobs *k = s->jobs;
    pthread_mutex_lock(&k->lock);
    if (s->job) {
        struct stream **at = &s->job->streams;
        while (*at != s) at = &(*at)->next;
        *at = s->next;
        jobs_drop(s->job);
        s->job = NULL;
    }
    pthread_mutex_unlock(&k->lock);
}

void stream_free(struct stream *s)
{
    if (!s) return;
    stream_leave(s);
    free(s->text);
    free(s);
}

void stream_end(struct stream *s)
{
    struct jobs *k = s->jobs;
    pthread_mutex_lock(&k->lock);
    s->ended = true;
    if (s->job) streams_wake(s->job);
    pthread_mutex_unlock(&k->lock);
}

/* Makes the text of what comes next; false: nothing does. */
static bool make_text(struct stream *s)
{
    const struct job_event *e = s->ended ? NULL : next_event(s);
    int n = -1;
    free(s->text);
    s->text = NULL;
    s->n = s->at = 0;
    if (e) {
        n = asprintf(&s->text, "event: %s\nid: %llu\ndata: %s\n\n", e->kind,
                     (unsigned long long)e->id, e->data);
        s->sent = e->id;
    } else if (!s->told) {
        n = asprintf(&s->text, "retry: 1000\n\n");
    } else if (clock_ms() - s->last_ms >= HEARTBEAT_MS) {
        n = asprintf(&s->text, ":\n\n");
    }
    s->told = true;
    if (n < 0) s->text = NULL;
    s->n = n < 0 ? 0 : (size_t)n;
    return n > 0;
}

ptrdiff_t stream_read(struct stream *s, char *out, size_t room)
{
    struct jobs *k = s->jobs;
    ptrdiff_t n = 0;
    pthread_mutex_lock(&k->lock);
    if (s->at < s->n || make_text(s)) {
        size_t left = s->n - s->at;
        n = (ptrdiff_t)(left < room ? left : room);
        memcpy(out, s->text + s->at, (size_t)n);
        s->at += (size_t)n;
        s->last_ms = clock_ms();
    } else if (s->ended || s->job->ended) {
        n = -1;
    } else {
        s->suspended = true;
        http_suspend(s->rq);
    }
    pthread_mutex_unlock(&k->lock);
    return n;
}
