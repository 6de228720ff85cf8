/* memory.h: the memory that requests live in. Buffers come in size classes and are kept for the next request,
 * so that a warm request takes nothing from the heap; what has been idle for a second goes back to the
 * system. All of it together stays inside one budget: a quarter of it is for uploads, the rest is promised to
 * runs before they start. */
#ifndef MEMORY_H
#define MEMORY_H
#include "../core/convd.h"

struct memory;
struct memory *memory_new(size_t budget); /* NULL without memory */
void memory_free(struct memory *m);
/* The same as core and api want it; thread-safe, 64-byte aligned, not zeroed. */
const struct convd_memory *memory_face(const struct memory *m);

/* Promises: a run says what it may take at most, before it takes any. False when it does not fit now. */
bool memory_promise(struct memory *m, size_t bytes);
void memory_unpromise(struct memory *m, size_t bytes);
/* What one run may be promised at most. */
size_t memory_promise_most(const struct memory *m);

/* The same for bytes of bodies that are arriving. */
bool memory_upload(struct memory *m, size_t bytes);
void memory_upload_done(struct memory *m, size_t bytes);
bool memory_upload_fits(struct memory *m, size_t bytes);

struct memory_counts {
    size_t budget, used, peak, cached, promised, uploads;
    size_t fresh; /* buffers that had to come from the system so far */
};
struct memory_counts memory_counts(struct memory *m);
/* Gives back buffers that nobody has used since `before` (clock_ms). Returns bytes given back. */
size_t memory_trim(struct memory *m, int64_t before);
#endif
