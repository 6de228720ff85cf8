/* data.c: examples in memory; see data.h. */
#include "data.h"
#include "augment.h"
#include <stdlib.h>
#include <string.h>

void convd_data_init(struct convd_data *d, const struct convd_memory *memory)
{
    *d = (struct convd_data){.hash = UINT64_C(0xcbf29ce484222325)};
    convd_arena_init(&d->mem, memory, 0);
}

void convd_data_release(struct convd_data *d)
{
    convd_arena_release(&d->mem);
}

static bool grow(struct convd_data *d)
{
    size_t room = d->room ? 2 * d->room : 64;
    struct convd_item *items = convd_arena_array(&d->mem, room, sizeof *items);
    const char **names = convd_arena_array(&d->mem, room, sizeof *names);
    if (!items || !names) return false;
    if (d->n) {
        memcpy(items, d->items, d->n * sizeof *items);
        memcpy(names, d->names, d->n * sizeof *names);
    }
    d->items = items;
    d->names = names;
    d->room = room;
    return true;
}

struct convd_item *convd_data_add(struct convd_data *d, const char *name, size_t maps,
                                  size_t target)
{
    if (d->n == d->room && !grow(d)) return NULL;
    struct convd_item *x = &d->items[d->n];
    d->names[d->n] = convd_arena_text(&d->mem, name, strlen(name));
    *x = (struct convd_item){.number = (uint32_t)d->n, .class = -1};
    x->maps = convd_arena_array(&d->mem, maps ? maps : 1, sizeof(float));
    x->target = target ? convd_arena_array(&d->mem, target, sizeof(float)) : NULL;
    return d->names[d->n] && x->maps && (x->target || !target) ? x : NULL;
}

/* FNV-1a over 64-bit words made of two numbers. */
static void mix(struct convd_data *d, const void *data, size_t bytes)
{
    const char *p = data;
    for (size_t i = 0; i < bytes; i += 8) {
        uint64_t word = 0;
        memcpy(&word, p + i, bytes - i < 8 ? bytes - i : 8);
        d->hash = (d->hash ^ word) * UINT64_C(0x100000001b3);
    }
}

void convd_data_keep(struct convd_data *d, size_t maps, size_t target)
{
    struct convd_item *x = &d->items[d->n++];
    const int64_t class = x->class * 2 + x->bounded;
    mix(d, &class, sizeof class);
    mix(d, x->maps, maps * sizeof(float));
    if (x->target) mix(d, x->target, target * sizeof(float));
    if (x->class >= d->classes) d->classes = x->class + 1;
}

static void shuffle(uint32_t *list, size_t n, uint64_t seed, enum convd_chance_use use,
                    uint32_t epoch)
{
    for (size_t i = n; i > 1; i--) {
        uint32_t w[4];
        convd_chance_block(seed, use, (uint32_t)i, epoch, 0, w);
        size_t k = (size_t)(w[0] * (uint64_t)i >> 32);
        uint32_t x = list[i - 1];
        list[i - 1] = list[k];
        list[k] = x;
    }
}

static int by_number(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return (x > y) - (x < y);
}

/* Of one class (-1: of all) a share goes to held, the rest to learn. */
static void split_class(struct convd_data *d, ptrdiff_t class, double share, uint64_t seed)
{
    size_t n = 0;
    for (size_t i = 0; i < d->n; i++)
        if (d->items[i].class == class) d->order[n++] = (uint32_t)i;
    size_t held = (size_t)(share * (double)n + 0.5);
    if (share > 0 && held == 0) held = 1;
    if (n > 0 && held >= n) held = n - 1;
    shuffle(d->order, n, seed, CONVD_CHANCE_HOLD, (uint32_t)(class + 1));
    for (size_t i = 0; i < n; i++) {
        if (i < held)
            d->held[d->n_held++] = d->order[i];
        else
            d->learn[d->n_learn++] = d->order[i];
    }
}

bool convd_data_split(struct convd_data *d, double share, uint64_t seed)
{
    d->learn = convd_arena_array(&d->mem, d->n, sizeof *d->learn);
    d->held = convd_arena_array(&d->mem, d->n, sizeof *d->held);
    d->order = convd_arena_array(&d->mem, d->n, sizeof *d->order);
    if (!d->learn || !d->held || !d->order) return false;
    d->n_learn = d->n_held = 0;
    if (d->classes == 0) split_class(d, -1, share, seed);
    for (ptrdiff_t c = 0; c < d->classes; c++) split_class(d, c, share, seed);
    qsort(d->learn, d->n_learn, sizeof *d->learn, by_number);
    qsort(d->held, d->n_held, sizeof *d->held, by_number);
    return true;
}

void convd_data_order(struct convd_data *d, bool mixed, uint64_t seed, uint32_t epoch)
{
    memcpy(d->order, d->learn, d->n_learn * sizeof *d->order);
    if (mixed) shuffle(d->order, d->n_learn, seed, CONVD_CHANCE_ORDER, epoch);
}
