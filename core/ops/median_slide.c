/* median_slide.c: medians of large windows. The numbers of the block are replaced by their ranks among the block's
 * different numbers, and a histogram over ranks slides along each row: kh numbers come in, kh go out. Three levels of
 * counts (1, 32, 1024 ranks) and the place of the last median keep the search short. Exact for any floats.
 * Source: Huang, Yang, Tang 1979, "A fast two-dimensional median filtering algorithm"; ranks after Weiss 2006. */
#include "median.h"
#include "winner.h"
#include <string.h>

enum { FINE = 5, COARSE = 10, DIGIT = 11, BUCKETS = 1 << DIGIT };

struct entry {
    uint32_t key, place;
};

struct histogram {
    uint16_t *fine, *mid, *coarse; /* numbers of each rank, of 32 ranks, of 1024 */
    ptrdiff_t at, below;           /* a coarse bin, and how many numbers lie in those before it */
};

/* What the scratch holds, one after another. */
struct parts {
    struct entry *entries, *spare;
    uint32_t *ranks; /* of each place of the block  */
    float *values;   /* of each rank                */
    uint16_t *counts;
};

static size_t count_room(size_t places)
{
    return places + (places >> FINE) + (places >> COARSE) + 3;
}

size_t convd_median_slide_scratch(const struct convd_rank_block *b)
{
    size_t places = (size_t)b->rows * (size_t)b->row;
    return places * (2 * sizeof(struct entry) + sizeof(uint32_t) + sizeof(float)) +
           count_room(places) * sizeof(uint16_t) + 64;
}

static struct parts part(void *scratch, size_t places)
{
    struct parts p;
    p.entries = scratch;
    p.spare = p.entries + places;
    p.ranks = (uint32_t *)(p.spare + places);
    p.values = (float *)(p.ranks + places);
    p.counts = (uint16_t *)(p.values + places);
    return p;
}

/* Bits of a float in an order that is the order of the numbers; -0 and 0 are one. */
static uint32_t key_of(float x)
{
    uint32_t u;
    x += 0.0F;
    memcpy(&u, &x, sizeof u);
    return u >> 31 ? ~u : u | 0x80000000U;
}

/* Sorts n entries by key: three passes of 11 bits. Returns where the sorted ones lie. */
static struct entry *sort(struct entry *from, struct entry *to, size_t n)
{
    for (int shift = 0; shift < 32; shift += DIGIT) {
        uint32_t first[BUCKETS] = {0}, sum = 0;
        for (size_t i = 0; i < n; i++) first[from[i].key >> shift & (BUCKETS - 1)]++;
        for (int d = 0; d < BUCKETS; d++) {
            uint32_t count = first[d];
            first[d] = sum;
            sum += count;
        }
        for (size_t i = 0; i < n; i++) to[first[from[i].key >> shift & (BUCKETS - 1)]++] = from[i];
        struct entry *t = from;
        from = to;
        to = t;
    }
    return from;
}

/* All numbers of the block by key, equal ones row by row; *n is how many there are. */
static const struct entry *sort_block(const struct convd_rank_block *b, struct parts *p, size_t *n)
{
    *n = 0;
    for (ptrdiff_t r = 0; r < b->rows; r++)
        for (ptrdiff_t j = 0; j < b->w; j++)
            p->entries[(*n)++] =
                (struct entry){key_of(b->data[r * b->row + j]), (uint32_t)(r * b->row + j)};
    return sort(p->entries, p->spare, *n);
}

/* Fills ranks and values; returns how many different numbers there are. */
static size_t rank_block(const struct convd_rank_block *b, struct parts *p)
{
    size_t n, ranks = 0;
    const struct entry *e = sort_block(b, p, &n);
    for (size_t i = 0; i < n; i++) {
        if (i == 0 || e[i].key != e[i - 1].key) p->values[ranks++] = b->data[e[i].place];
        p->ranks[e[i].place] = (uint32_t)(ranks - 1);
    }
    return ranks;
}

static inline void move(struct histogram *h, const uint32_t *ranks, ptrdiff_t row, ptrdiff_t kh,
                        int by)
{
    for (ptrdiff_t r = 0; r < kh; r++) {
        uint32_t k = ranks[r * row];
        h->fine[k] = (uint16_t)(h->fine[k] + by);
        h->mid[k >> FINE] = (uint16_t)(h->mid[k >> FINE] + by);
        h->coarse[k >> COARSE] = (uint16_t)(h->coarse[k >> COARSE] + by);
        h->below += (ptrdiff_t)(k >> COARSE) < h->at ? by : 0;
    }
}

/* The rank with `half` numbers before it. */
static size_t find(struct histogram *h, ptrdiff_t half)
{
    while (h->below > half) h->below -= h->coarse[--h->at];
    while (h->below + h->coarse[h->at] <= half) h->below += h->coarse[h->at++];
    ptrdiff_t below = h->below;
    size_t m = (size_t)h->at << (COARSE - FINE);
    while (below + h->mid[m] <= half) below += h->mid[m++];
    size_t k = m << FINE;
    while (below + h->fine[k] <= half) below += h->fine[k++];
    return k;
}

void convd_median_slide(const struct convd_view *y, ptrdiff_t c, const struct convd_rank_block *b,
                        ptrdiff_t kh, ptrdiff_t kw, void *scratch)
{
    struct parts p = part(scratch, (size_t)b->rows * (size_t)b->row);
    size_t ranks = rank_block(b, &p), room = count_room(ranks);
    struct histogram h = {.fine = p.counts};
    h.mid = h.fine + ranks;
    h.coarse = h.mid + (ranks >> FINE) + 1;
    for (ptrdiff_t i = 0; i < y->y1 - y->y0; i++) {
        const uint32_t *x = p.ranks + i * b->row;
        float *out = convd_row(y, c, y->y0 + i);
        memset(p.counts, 0, room * sizeof *p.counts);
        h.at = h.below = 0;
        for (ptrdiff_t j = 0; j < kw; j++) move(&h, x + j, b->row, kh, 1);
        out[0] = p.values[find(&h, kh * kw / 2)];
        for (ptrdiff_t j = 1; j < y->w; j++) {
            move(&h, x + j - 1, b->row, kh, -1);
            move(&h, x + j + kw - 1, b->row, kh, 1);
            out[j] = p.values[find(&h, kh * kw / 2)];
        }
    }
}

/* ---- the way back ---- */

struct sorted {
    const struct entry *e;
    size_t n;
    ptrdiff_t row;
};

/* The first entry of that key at or behind a place; n where there is none. */
static size_t seek(const struct sorted *s, uint32_t key, ptrdiff_t place)
{
    size_t lo = 0, hi = s->n;
    while (lo < hi) {
        const size_t middle = lo + (hi - lo) / 2;
        const struct entry *e = &s->e[middle];
        if (e->key < key || (e->key == key && (ptrdiff_t)e->place < place))
            lo = middle + 1;
        else
            hi = middle;
    }
    return lo < s->n && s->e[lo].key == key ? lo : s->n;
}

/* The place of the first y in rows [i, i + kh) and columns [j, j + kw); -1 where there is none. */
static ptrdiff_t look_up(const struct sorted *s, float y, ptrdiff_t i, ptrdiff_t j, ptrdiff_t kh,
                         ptrdiff_t kw)
{
    const uint32_t key = key_of(y);
    for (ptrdiff_t r = i; r < i + kh;) {
        const size_t at = seek(s, key, r * s->row + j);
        if (at == s->n) return -1;
        const ptrdiff_t row = s->e[at].place / s->row, column = s->e[at].place % s->row;
        if (row < i + kh && column >= j && column < j + kw) return s->e[at].place;
        r = column < j ? row : row + 1; /* left of the window: on in the same row */
    }
    return -1;
}

void convd_median_find(const struct convd_award *w)
{
    const struct convd_view *x = w->x;
    const struct convd_rank_block b = {x->data, x->h, x->row, x->w};
    struct parts p = part(w->scratch, (size_t)b.rows * (size_t)b.row);
    struct sorted s = {.row = b.row};
    s.e = sort_block(&b, &p, &s.n);
    const ptrdiff_t kh = w->axes.y.k, kw = w->axes.x.k;
    for (ptrdiff_t i = 0; i < w->axes.y.out; i++) {
        const float *y = convd_row(w->y, 0, i), *dy = convd_row(w->dy, 0, i);
        for (ptrdiff_t j = 0; j < w->axes.x.out; j++) {
            ptrdiff_t at = -1;
            if (y[j] == y[j]) {
                at = look_up(&s, y[j], i, j, kh, kw);
            } else {
                const struct winner v = find_winner(x, 0, (struct convd_rows){i, i + kh},
                                                    (struct convd_rows){j, j + kw}, y[j]);
                at = v.i * b.row + v.j;
            }
            if (at >= 0) w->dx->data[at] += dy[j];
        }
    }
}
