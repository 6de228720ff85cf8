/* images.h: kept pictures. A picture's id is a hash of its bytes (SHA-256), so that the same picture is kept once, an id says
 * for ever the same thing, and nobody can make two pictures that share one. The store keeps them; in front of it those in
 * use stand in memory, under a budget of their own: who was not asked for longest goes first. Where the store is away,
 * memory is all there is. Thread-safe; all calls but images_drop and images_counts may wait for the disk. */
#ifndef IMAGES_H
#define IMAGES_H
#include "../api/api.h"
#include "store.h"

#define IMAGE_ID 64 /* hexadecimal digits of an id */

struct images;
/* ttl: ms that a picture is kept which nobody asks for. NULL without memory. */
struct images *images_new(size_t budget, int64_t ttl);
void images_free(struct images *s); /* nothing may be held any more */
/* From now on pictures are kept there, too; it outlives every other call. */
void images_keep_in(struct images *s, struct store *store);

/* One picture, as it came. Nothing of it changes; it lives while somebody holds it. */
struct image {
    char id[IMAGE_ID + 1];
    char etag[IMAGE_ID + 3];
    const uint8_t *data;
    size_t n;
    const char *media, *format;        /* of its codec */
    ptrdiff_t width, height, channels; /* as a pipeline sees it that says nothing */
};

/* Whether an id looks like one: IMAGE_ID lower-case hexadecimal digits. */
bool images_is_id(const char *id);

/* Keeps it; *out is held, *fresh: it was not there. Not OK: *out is NULL; FULL: of the disk, or without a store of the
 * budget less what is in use. */
enum store_status images_put(struct images *s, const void *data, size_t n,
                             const struct convd_image_info *info, struct image **out, bool *fresh);
/* *out is held, or NULL: NONE, DAMAGED on disk, or the store is AWAY. */
enum store_status images_get(struct images *s, const char *id, struct image **out);
void images_drop(struct images *s, struct image *image); /* NULL is fine */
/* OK, NONE, or why it could not be deleted. */
enum store_status images_forget(struct images *s, const char *id);
/* Lets those go that nobody asked for within the ttl. */
void images_expire(struct images *s);

struct images_counts {
    size_t images, bytes, budget; /* in memory                                      */
    uint64_t hits;                /* found by images_get without the store, so far */
};
struct images_counts images_counts(struct images *s);
#endif
