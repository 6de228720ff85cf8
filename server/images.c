/* images.c: see images.h. A table of chains by the first digits of the hash, and a list from the newest to the oldest. */
#include "images.h"
#include <nettle/sha2.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#define BUCKETS 4096u /* a power of two */

struct entry {
    struct image image;
    struct entry *next;          /* in its bucket                       */
    struct entry *newer, *older; /* in the list                         */
    size_t held;                 /* by requests                         */
    bool kept;                   /* is in the table                     */
};

struct images {
    pthread_mutex_t lock;
    struct entry *bucket[BUCKETS];
    struct entry *newest, *oldest;
    struct images_counts counts;
};

struct images *images_new(size_t budget)
{
    struct images *s = calloc(1, sizeof *s);
    if (!s) return NULL;
    s->counts.budget = budget;
    pthread_mutex_init(&s->lock, NULL);
    return s;
}

/* ---- with the lock held ---- */

static struct entry **place(struct images *s, const char *id)
{
    const char head[9] = {id[0], id[1], id[2], id[3], id[4], id[5], id[6], id[7], 0};
    struct entry **at = &s->bucket[strtoul(head, NULL, 16) & (BUCKETS - 1)];
    while (*at && strcmp((*at)->image.id, id) != 0) at = &(*at)->next;
    return at;
}

static void unlist(struct images *s, struct entry *e)
{
    *(e->newer ? &e->newer->older : &s->newest) = e->older;
    *(e->older ? &e->older->newer : &s->oldest) = e->newer;
    e->newer = e->older = NULL;
}

static void list_first(struct images *s, struct entry *e)
{
    e->older = s->newest;
    *(s->newest ? &s->newest->newer : &s->oldest) = e;
    s->newest = e;
}

static size_t weight(size_t n)
{
    return n + sizeof(struct entry);
}

static void release(struct images *s, struct entry *e)
{
    if (e->held || e->kept) return;
    s->counts.bytes -= weight(e->image.n);
    free(e);
}

/* Takes e out of the table; whoever holds it still has it. */
static void forget(struct images *s, struct entry *e)
{
    struct entry **at = place(s, e->image.id);
    *at = e->next;
    unlist(s, e);
    e->kept = false;
    s->counts.images--;
    release(s, e);
}

/* Lets the oldest go that nobody holds, until bytes more fit. */
static bool make_room(struct images *s, size_t bytes)
{
    struct entry *e = s->oldest;
    if (bytes > s->counts.budget) return false;
    while (e && s->counts.bytes > s->counts.budget - bytes) {
        struct entry *newer = e->newer;
        if (!e->held) forget(s, e);
        e = newer;
    }
    return s->counts.bytes <= s->counts.budget - bytes;
}

static struct image *hold(struct images *s, struct entry *e)
{
    e->held++;
    unlist(s, e);
    list_first(s, e);
    return &e->image;
}

/* ---- for everybody ---- */

static void hash(const void *data, size_t n, char id[IMAGE_ID + 1])
{
    struct sha256_ctx sha;
    uint8_t digest[SHA256_DIGEST_SIZE];
    sha256_init(&sha);
    sha256_update(&sha, n, data);
    sha256_digest(&sha, sizeof digest, digest);
    for (size_t i = 0; i < IMAGE_ID; i++)
        id[i] = "0123456789abcdef"[digest[i / 2] >> (i % 2 ? 0 : 4) & 15];
    id[IMAGE_ID] = 0;
}

static struct entry *make(const void *data, size_t n, const char *id,
                          const struct convd_image_info *info)
{
    struct entry *e = malloc(sizeof *e + n);
    if (!e) return NULL;
    memset(e, 0, sizeof *e);
    memcpy(e + 1, data, n);
    e->image = (struct image){.data = (const uint8_t *)(e + 1),
                              .n = n,
                              .media = info->codec->media,
                              .format = info->codec->name,
                              .width = info->input.width,
                              .height = info->input.height,
                              .channels = info->input.channels};
    memcpy(e->image.id, id, IMAGE_ID + 1);
    e->image.etag[0] = e->image.etag[IMAGE_ID + 1] = '"';
    memcpy(e->image.etag + 1, id, IMAGE_ID);
    return e;
}

struct image *images_put(struct images *s, const void *data, size_t n,
                         const struct convd_image_info *info, bool *fresh)
{
    char id[IMAGE_ID + 1];
    hash(data, n, id); /* without the lock: it takes a while */
    *fresh = false;
    pthread_mutex_lock(&s->lock);
    struct entry **at = place(s, id), *e = *at;
    if (!e && make_room(s, weight(n)) && (e = make(data, n, id, info))) {
        *place(s, id) = e; /* at the end of its chain, which may have lost some */
        e->kept = *fresh = true;
        list_first(s, e);
        s->counts.images++;
        s->counts.bytes += weight(n);
    }
    struct image *image = e ? hold(s, e) : NULL;
    pthread_mutex_unlock(&s->lock);
    return image;
}

static bool is_id(const char *id)
{
    return strlen(id) == IMAGE_ID && strspn(id, "0123456789abcdef") == IMAGE_ID;
}

struct image *images_get(struct images *s, const char *id)
{
    if (!is_id(id)) return NULL;
    pthread_mutex_lock(&s->lock);
    struct entry *e = *place(s, id);
    struct image *image = e ? hold(s, e) : NULL;
    s->counts.hits += image != NULL;
    pthread_mutex_unlock(&s->lock);
    return image;
}

void images_drop(struct images *s, struct image *image)
{
    if (!image) return;
    struct entry *e = (struct entry *)(void *)image; /* its first member */
    pthread_mutex_lock(&s->lock);
    e->held--;
    release(s, e);
    pthread_mutex_unlock(&s->lock);
}

bool images_forget(struct images *s, const char *id)
{
    if (!is_id(id)) return false;
    pthread_mutex_lock(&s->lock);
    struct entry *e = *place(s, id);
    if (e) forget(s, e);
    pthread_mutex_unlock(&s->lock);
    return e != NULL;
}

struct images_counts images_counts(struct images *s)
{
    pthread_mutex_lock(&s->lock);
    struct images_counts c = s->counts;
    pthread_mutex_unlock(&s->lock);
    return c;
}

void images_free(struct images *s)
{
    if (!s) return;
    while (s->oldest) forget(s, s->oldest);
    pthread_mutex_destroy(&s->lock);
    free(s);
}
