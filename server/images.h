/* images.h: kept pictures. A picture's id is a hash of its bytes (SHA-256), so that the same picture is kept once, an id says
 * for ever the same thing, and nobody can make two pictures that share one. Kept in memory under a budget of their own; who
 * was not asked for longest goes first. Thread-safe. */
#ifndef IMAGES_H
#define IMAGES_H
#include "../api/api.h"

#define IMAGE_ID 64 /* hexadecimal digits of an id */

struct images;
struct images *images_new(size_t budget); /* NULL without memory */
void images_free(struct images *s);       /* nothing may be held any more */

/* One picture, as it came. Nothing of it changes; it lives while somebody holds it. */
struct image {
    char id[IMAGE_ID + 1];
    char etag[IMAGE_ID + 3];
    const uint8_t *data;
    size_t n;
    const char *media, *format;      /* of its codec */
    ptrdiff_t width, height, channels; /* as a pipeline sees it that says nothing */
};

/* Keeps a copy and returns it held; *fresh: it was not there. NULL: the budget, less what is in use, has no room. */
struct image *images_put(struct images *s, const void *data, size_t n, const struct convd_image_info *info, bool *fresh);
struct image *images_get(struct images *s, const char *id); /* held, or NULL */
void images_drop(struct images *s, struct image *image);    /* NULL is fine  */
bool images_forget(struct images *s, const char *id);       /* false: it was not there */

struct images_counts {
    size_t images, bytes, budget;
    uint64_t hits; /* found by images_get, so far */
};
struct images_counts images_counts(struct images *s);
#endif
