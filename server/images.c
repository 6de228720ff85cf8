/* images.c: see images.h. In memory: a table of chains by the first digits of the hash, and a list from the newest to the
 * oldest. What comes out of the store stands there as the mapping or the bytes that the store gave. */
#include "images.h"
#include <nettle/sha2.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#define BUCKETS     4096u /* a power of two */
#define STALE_MOST  ((int64_t)600 * 1000) /* ms until the store is told of a use */
#define STALE_SHARE 8                     /* or this share of the ttl            */

struct entry {
    struct image image;
    struct entry *next;          /* in its bucket                             */
    struct entry *newer, *older; /* in the list                               */
    size_t held;                 /* by requests                               */
    size_t weight;               /* bytes of the budget; 0: there was no room */
    int64_t used, told;          /* ms since 1970; told: to the store, 0: it has it not */
    bool kept;                   /* is in the table                           */
    struct store_blob blob;      /* its bytes, when the store gave them       */
};

struct images {
    _Atomic(struct store *) store;
    int64_t ttl, stale;
    pthread_mutex_t lock;
    uint64_t forgotten; /* how many, so far */
    struct entry *bucket[BUCKETS];
    struct entry *newest, *oldest;
    struct images_counts counts;
};

struct images *images_new(size_t budget, int64_t ttl)
{
    struct images *s = calloc(1, sizeof *s);
    if (!s) return NULL;
    s->counts.budget = budget;
    s->ttl = ttl;
    s->stale = ttl / STALE_SHARE < STALE_MOST ? ttl / STALE_SHARE : STALE_MOST;
    pthread_mutex_init(&s->lock, NULL);
    return s;
}

void images_keep_in(struct images *s, struct store *store)
{
    atomic_store(&s->store, store);
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

static void release(struct images *s, struct entry *e)
{
    if (e->held || e->kept) return;
    s->counts.bytes -= e->weight;
    store_blob_release(&e->blob);
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

static void hold(struct images *s, struct entry *e)
{
    e->held++;
    e->used = store_now();
    if (!e->kept) return;
    unlist(s, e);
    list_first(s, e);
}

static struct entry *find(struct images *s, const char *id)
{
    struct entry *e = *place(s, id);
    if (e) hold(s, e);
    return e;
}

/* Gives a new one, which is held, its place, if there is room for it. Returns the one that has it: another may have been
 * quicker. */
static struct entry *enter(struct images *s, struct entry *e)
{
    struct entry *there = find(s, e->image.id);
    const size_t weight = e->image.n + sizeof *e;
    if (there) {
        e->held = 0;
        release(s, e);
        return there;
    }
    if (!make_room(s, weight)) return e;
    *place(s, e->image.id) = e;
    e->kept = true;
    e->weight = weight;
    list_first(s, e);
    s->counts.images++;
    s->counts.bytes += weight;
    return e;
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

/* Held, and without a place. The bytes: the blob's, which is taken over, or a copy. */
static struct entry *make(const void *data, size_t n, struct store_blob *blob, const char *id,
                          const struct convd_image_info *info)
{
    struct entry *e = malloc(sizeof *e + (blob ? 0 : n));
    if (!e) return NULL;
    memset(e, 0, sizeof *e);
    if (blob) {
        e->blob = *blob;
        *blob = (struct store_blob){0};
    } else {
        memcpy(e + 1, data, n);
    }
    e->image = (struct image){.data = blob ? data : (const uint8_t *)(e + 1),
                              .n = n,
                              .media = info->codec->media,
                              .format = info->codec->name,
                              .width = info->input.width,
                              .height = info->input.height,
                              .channels = info->input.channels};
    memcpy(e->image.id, id, IMAGE_ID + 1);
    e->image.etag[0] = e->image.etag[IMAGE_ID + 1] = '"';
    memcpy(e->image.etag + 1, id, IMAGE_ID);
    e->held = 1;
    e->used = store_now();
    return e;
}

static struct entry *find_locked(struct images *s, const char *id)
{
    pthread_mutex_lock(&s->lock);
    struct entry *e = find(s, id);
    pthread_mutex_unlock(&s->lock);
    return e;
}

static uint64_t forgotten(struct images *s)
{
    pthread_mutex_lock(&s->lock);
    uint64_t n = s->forgotten;
    pthread_mutex_unlock(&s->lock);
    return n;
}

/* Enters a new one; told: when the store heard of it, 0: it did not. Since then, when so many had been forgotten, it may
 * have been one of those: it stays out of the table. *kept: it has a place there. */
static struct entry *enter_locked(struct images *s, struct entry *e, int64_t told, uint64_t since, bool *kept)
{
    pthread_mutex_lock(&s->lock);
    if (!told || since == s->forgotten) e = enter(s, e);
    e->told = told;
    *kept = e->kept;
    pthread_mutex_unlock(&s->lock);
    return e;
}

/* When the store last heard that it is used; 0: never. */
static int64_t told_at(struct images *s, const struct entry *e)
{
    pthread_mutex_lock(&s->lock);
    int64_t told = e->told;
    pthread_mutex_unlock(&s->lock);
    return told;
}

static void tell(struct images *s, struct entry *e, int64_t now)
{
    pthread_mutex_lock(&s->lock);
    e->told = now;
    pthread_mutex_unlock(&s->lock);
}

enum store_status images_put(struct images *s, const void *data, size_t n,
                             const struct convd_image_info *info, struct image **out, bool *fresh)
{
    char id[IMAGE_ID + 1];
    struct store *store = atomic_load(&s->store);
    int64_t now = store_now();
    uint64_t since = forgotten(s);
    enum store_status status = STORE_OK;
    bool there = false, kept = false;
    hash(data, n, id); /* without the lock: it takes a while */
    *out = NULL;
    struct entry *e = find_locked(s, id);
    int64_t told = e ? told_at(s, e) : 0;
    if (e) there = !store || (told && now - told <= s->stale);
    if (store && !there) status = store->calls->image_put(store, id, now, data, n, &there);
    if (status == STORE_OK && e) tell(s, e, store ? now : 0);
    if (status == STORE_OK && !e) {
        e = make(data, n, NULL, id, info);
        if (e) e = enter_locked(s, e, store ? now : 0, since, &kept);
        status = !e ? STORE_AWAY : store || kept ? STORE_OK : STORE_FULL;
    }
    if (status == STORE_OK)
        *out = &e->image;
    else if (e)
        images_drop(s, &e->image);
    *fresh = !there;
    return status;
}

/* Reads it out of the store. Its name must be what its bytes say, and its header one that is known. */
static enum store_status fetch(struct images *s, struct store *store, const char *id,
                               struct entry **out)
{
    const struct convd_decode_options any = {.max_pixels = SIZE_MAX, .max_side = PTRDIFF_MAX};
    struct convd_image_info info;
    struct store_blob blob;
    char sum[IMAGE_ID + 1];
    int64_t now = store_now();
    uint64_t since = forgotten(s);
    bool kept;
    struct convd_faults *f = convd_faults_new();
    enum store_status status = store->calls->image_get(store, id, now, s->stale, &blob);
    if (status == STORE_OK) {
        hash(blob.data, blob.n, sum);
        if (strcmp(sum, id) != 0 || !f || !convd_image_info(blob.data, blob.n, &any, &info, f))
            status = STORE_DAMAGED;
    }
    if (status == STORE_OK) {
        *out = make(blob.data, blob.n, &blob, id, &info);
        if (*out)
            *out = enter_locked(s, *out, now, since, &kept);
        else
            status = STORE_AWAY;
    }
    store_blob_release(&blob);
    convd_faults_free(f);
    return status;
}

/* One that is in memory is asked for in the store, too, so that it is known there as used. False: it was deleted. */
static bool use(struct images *s, struct store *store, struct entry *e)
{
    struct store_blob blob;
    int64_t now = store_now();
    enum store_status status = store->calls->image_get(store, e->image.id, now, s->stale, &blob);
    store_blob_release(&blob);
    if (status == STORE_OK) tell(s, e, now);
    return status != STORE_NONE;
}

bool images_is_id(const char *id)
{
    return strlen(id) == IMAGE_ID && strspn(id, "0123456789abcdef") == IMAGE_ID;
}

enum store_status images_get(struct images *s, const char *id, struct image **out)
{
    struct store *store = atomic_load(&s->store);
    *out = NULL;
    if (!images_is_id(id)) return STORE_NONE;
    struct entry *e = find_locked(s, id);
    enum store_status status = e ? STORE_OK : STORE_NONE;
    int64_t told = e && store ? told_at(s, e) : 0;
    if (told && store_now() - told > s->stale && !use(s, store, e)) {
        images_drop(s, &e->image);
        pthread_mutex_lock(&s->lock);
        if ((e = *place(s, id))) forget(s, e);
        pthread_mutex_unlock(&s->lock);
        return STORE_NONE;
    }
    if (!e && store) {
        status = fetch(s, store, id, &e);
    } else if (e) {
        pthread_mutex_lock(&s->lock);
        s->counts.hits++;
        pthread_mutex_unlock(&s->lock);
    }
    if (status == STORE_OK) *out = &e->image;
    return status;
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

enum store_status images_forget(struct images *s, const char *id)
{
    struct store *store = atomic_load(&s->store);
    if (!images_is_id(id)) return STORE_NONE;
    enum store_status status = store ? store->calls->image_delete(store, id) : STORE_NONE;
    if (status >= STORE_FULL) return status;
    pthread_mutex_lock(&s->lock);
    struct entry *e = *place(s, id);
    s->forgotten++;
    if (e) forget(s, e);
    pthread_mutex_unlock(&s->lock);
    return e ? STORE_OK : status;
}

/* A use may be told to the store as late as stale. */
void images_expire(struct images *s)
{
    struct store *store = atomic_load(&s->store);
    int64_t before = store_now() - s->ttl - s->stale;
    size_t n = 1;
    pthread_mutex_lock(&s->lock);
    while (s->oldest && s->oldest->used < before) forget(s, s->oldest);
    pthread_mutex_unlock(&s->lock);
    while (store && n > 0 && store->calls->images_expire(store, before, &n) == STORE_OK)
        ;
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
