/* literals.c: blocks of deflate (RFC 1951) with Huffman codes and no matches. The edges of a photo, and most
 * photos after a filter, are noise to a matcher: it looks for repeats at each byte and finds hardly any. Counting
 * the bytes of a block and writing a code for each is several times as fast and within a few percent of the size.
 * README.md has the figures; png_write.c decides when. */
#include <string.h>
#include "literals.h"

enum {
    END = 256,            /* end of block                                                        */
    LITERALS = 257,
    LITERAL_BITS = 14,    /* longest code: four of them and 7 waiting bits fit into 64           */
    LENGTHS = 19,         /* codes of code lengths                                               */
    LENGTH_BITS = 7,
    STORED = 65535,       /* most bytes of a stored block                                        */
};

/* ---- bits --------------------------------------------------------------------------------------------------- */

/* Bits go in from the lowest; whole bytes leave at once. At most 7 wait between calls. */
struct bits {
    uint8_t *y;
    uint64_t waiting;
    unsigned n;
};
static inline void flush(struct bits *b)
{
    memcpy(b->y, &b->waiting, 8); /* bytes beyond the whole ones are written again */
    b->y += b->n >> 3;
    b->waiting >>= b->n & ~7u;
    b->n &= 7;
}
static void put(struct bits *b, uint32_t v, unsigned n)
{
    b->waiting |= (uint64_t)v << b->n;
    b->n += n;
    flush(b);
}

/* ---- codes -------------------------------------------------------------------------------------------------- */

struct code {
    uint16_t bits;
    uint8_t length;
};
struct leaf {
    uint32_t weight;
    uint16_t symbol;
};
/* By weight, then as they stand: by one byte of the weight after the other, the lowest first. */
static void sort(struct leaf *leaf, int n)
{
    struct leaf other[LITERALS];
    uint32_t all = 0;
    for (int i = 0; i < n; i++) all |= leaf[i].weight;
    for (int shift = 0; shift < 32 && all >> shift; shift += 8) {
        int place[257] = {0};
        for (int i = 0; i < n; i++) place[(leaf[i].weight >> shift & 255) + 1]++;
        for (int k = 0; k < 256; k++) place[k + 1] += place[k];
        for (int i = 0; i < n; i++) other[place[leaf[i].weight >> shift & 255]++] = leaf[i];
        memcpy(leaf, other, (size_t)n * sizeof *leaf);
    }
}
/* Depths of Huffman's tree over leaves sorted by weight: the two lightest nodes become one, again and again; new nodes
 * come out by weight too, so that the lightest is always first of one of two queues. */
static void depths(const struct leaf *leaf, int n, int *depth)
{
    uint32_t weight[2 * LITERALS];
    int parent[2 * LITERALS] = {0}, at[2 * LITERALS], next_leaf = 0, next_node = n;
    for (int i = 0; i < n; i++) weight[i] = leaf[i].weight;
    for (int node = n; node < 2 * n - 1; node++) {
        weight[node] = 0;
        for (int k = 0; k < 2; k++) {
            bool is_leaf = next_leaf < n && (next_node >= node || weight[next_leaf] <= weight[next_node]);
            int child = is_leaf ? next_leaf++ : next_node++;
            weight[node] += weight[child];
            parent[child] = node;
        }
    }
    at[2 * n - 2] = 0;
    for (int i = 2 * n - 3; i >= 0; i--) at[i] = at[parent[i]] + 1;
    memcpy(depth, at, (size_t)n * sizeof *depth);
}
/* How many codes of each length up to most, when the tree's are cut there: for what is too much, a code one shorter than
 * most (or the next shorter one that there is) gets a sibling of the cut ones, until the code is one again. */
static void count_lengths(const int *depth, int n, int most, int *count)
{
    uint32_t sum = 0, whole = 1u << most;
    memset(count, 0, (size_t)(most + 1) * sizeof *count);
    for (int i = 0; i < n; i++) count[depth[i] < most ? depth[i] : most]++;
    for (int l = 1; l <= most; l++) sum += (uint32_t)count[l] << (most - l);
    for (; sum > whole; sum--) {
        int l = most - 1;
        while (!count[l]) l--;
        count[l]--;
        count[l + 1] += 2;
        count[most]--;
    }
}
static uint16_t reversed(uint32_t v, int n)
{
    uint32_t r = 0;
    for (int i = 0; i < n; i++) r |= (v >> i & 1) << (n - 1 - i);
    return (uint16_t)r;
}
/* Canonical codes of at most most bits for the symbols that occur; two at least, as some readers want. */
static void make_codes(const uint32_t *freq, int symbols, int most, struct code *code)
{
    struct leaf leaf[LITERALS];
    int depth[LITERALS], count[16], n = 0;
    for (int i = 0; i < symbols; i++)
        if (freq[i])
            leaf[n++] = (struct leaf){freq[i], (uint16_t)i};
    for (int i = 0; n < 2; i++)
        if (!freq[i])
            leaf[n++] = (struct leaf){0, (uint16_t)i};
    sort(leaf, n);
    depths(leaf, n, depth);
    count_lengths(depth, n, most, count);
    memset(code, 0, (size_t)symbols * sizeof *code);
    for (int i = 0, l = most; i < n; i++) { /* the lightest get the longest */
        while (!count[l]) l--;
        count[l]--;
        code[leaf[i].symbol].length = (uint8_t)l;
    }
    uint32_t next = 0;
    for (int l = 1; l <= most; l++, next <<= 1)
        for (int i = 0; i < symbols; i++)
            if (code[i].length == l)
                code[i].bits = reversed(next++, l);
}

/* ---- blocks ------------------------------------------------------------------------------------------------- */

static void count_bytes(const uint8_t *x, size_t n, uint32_t *freq)
{
    uint32_t lane[4][256] = {{0}}; /* four, so that equal bytes do not wait for each other */
    size_t k = 0;
    for (; k + 4 <= n; k += 4)
        for (size_t i = 0; i < 4; i++) lane[i][x[k + i]]++;
    for (; k < n; k++) lane[0][x[k]]++;
    for (int i = 0; i < 256; i++) freq[i] = lane[0][i] + lane[1][i] + lane[2][i] + lane[3][i];
    freq[END] = 1;
}
/* The lengths of a block's codes as RFC 1951 3.2.7 writes them, without the repeats of the same length (few occur in
 * noise) but with those of 0. */
struct header {
    struct code code[LENGTHS];
    uint8_t symbol[LITERALS + 2], extra[LITERALS + 2];
    int n;
    size_t bits;
};
static const uint8_t order[LENGTHS] = {16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15};

static void make_header(const struct code *code, struct header *h)
{
    uint32_t freq[LENGTHS] = {0};
    h->n = 0;
    for (int i = 0; i < LITERALS + 2;) {
        int length = i < LITERALS ? code[i].length : 1, run = 1; /* two codes of distances, never used */
        while (!length && i + run < LITERALS && !code[i + run].length && run < 138) run++;
        int symbol = length || run < 3 ? length : run < 11 ? 17 : 18;
        h->symbol[h->n] = (uint8_t)symbol;
        h->extra[h->n++] = (uint8_t)(symbol == 17 ? run - 3 : symbol == 18 ? run - 11 : 0);
        freq[symbol]++;
        i += symbol > 16 ? run : 1;
    }
    make_codes(freq, LENGTHS, LENGTH_BITS, h->code);
    h->bits = 3 + 5 + 5 + 4 + 3 * LENGTHS;
    for (int i = 0; i < LENGTHS; i++) h->bits += freq[i] * h->code[i].length;
    h->bits += freq[17] * 3 + freq[18] * 7;
}
static void put_header(struct bits *b, const struct header *h, bool last)
{
    put(b, last | 2u << 1, 3);
    put(b, LITERALS - 257, 5);
    put(b, 2 - 1, 5);
    put(b, LENGTHS - 4, 4);
    for (int i = 0; i < LENGTHS; i++) put(b, h->code[order[i]].length, 3);
    for (int i = 0; i < h->n; i++) {
        put(b, h->code[h->symbol[i]].bits, h->code[h->symbol[i]].length);
        if (h->symbol[i] > 16)
            put(b, h->extra[i], h->symbol[i] == 17 ? 3 : 7);
    }
}
static void put_literals(struct bits *b, const uint8_t *x, size_t n, const struct code *code)
{
    uint32_t table[256];
    for (int i = 0; i < 256; i++) table[i] = code[i].bits | (uint32_t)code[i].length << 16;
    struct bits at = *b;
    size_t k = 0;
    for (; k + 4 <= n; k += 4) {
        for (size_t i = 0; i < 4; i++) {
            uint32_t e = table[x[k + i]];
            at.waiting |= (uint64_t)(e & 0xffff) << at.n;
            at.n += e >> 16;
        }
        flush(&at);
    }
    for (; k < n; k++) put(&at, table[x[k]] & 0xffff, table[x[k]] >> 16);
    put(&at, code[END].bits, code[END].length);
    *b = at;
}
static void put_stored(struct bits *b, const uint8_t *x, size_t n, bool last)
{
    while (n) {
        size_t k = n < STORED ? n : STORED;
        put(b, last && k == n, 3);
        put(b, 0, (8 - b->n) & 7);
        put(b, (uint32_t)k, 16);
        put(b, (uint32_t)k ^ 0xffff, 16);
        memcpy(b->y, x, k);
        b->y += k;
        x += k;
        n -= k;
    }
}
static void put_block(struct bits *b, const uint8_t *x, size_t n, bool last)
{
    uint32_t freq[LITERALS];
    struct code code[LITERALS];
    struct header h;
    count_bytes(x, n, freq);
    make_codes(freq, LITERALS, LITERAL_BITS, code);
    make_header(code, &h);
    size_t bits = h.bits;
    for (int i = 0; i < LITERALS; i++) bits += (size_t)freq[i] * code[i].length;
    if (bits >= 8 * n) {
        put_stored(b, x, n, last);
        return;
    }
    put_header(b, &h, last);
    put_literals(b, x, n, code);
}

/* ---- the fragment ------------------------------------------------------------------------------------------- */

size_t convd_literals_bound(size_t n)
{
    enum { SPARE = 24 }; /* the block's head where it is not stored, the empty block behind, what flush writes ahead */
    return n + 5 * (n / STORED + 1) + SPARE;
}
size_t convd_literals_pack(const uint8_t *x, size_t n, bool last, uint8_t *y)
{
    struct bits b = {.y = y};
    if (n)
        put_block(&b, x, n, last);
    if (!last || !n) { /* an empty stored block, which ends with a byte */
        put(&b, last, 3);
        put(&b, 0, (8 - b.n) & 7);
        put(&b, 0, 16);
        put(&b, 0xffff, 16);
    }
    put(&b, 0, (8 - b.n) & 7);
    return (size_t)(b.y - y);
}

/* ---- would a matcher pay? ----------------------------------------------------------------------------------- */

static uint32_t get32(const uint8_t *x)
{
    uint32_t v;
    memcpy(&v, x, 4);
    return v;
}
/* Base 2, a hundredth off at most; 0 of 0. A straight line from power to power, and a parabola on it. */
static float log_of(uint32_t v)
{
    const float x = (float)v;
    uint32_t bits;
    memcpy(&bits, &x, sizeof bits);
    const float over = (float)(bits & 0x7fffff) * 0x1p-23f;
    return (float)((int)(bits >> 23) - 127) + over + 0.344f * over * (1 - over);
}
/* Bits that greedy matching of 4 bytes and more saves in x, where a literal costs literal bits, and a match its length's
 * code, its distance's, and the bits that say how far. n is at most 65535. */
static double saved_bits(const uint8_t *x, size_t n, double literal)
{
    enum { HASH = 12, LONGEST = 258, MATCH = 8 };
    uint16_t seen[1 << HASH] = {0}; /* place + 1 of the last 4 bytes of that hash */
    double saved = 0;
    for (size_t k = 0; k + 4 <= n;) {
        uint32_t v = get32(x + k), hash = v * 0x9e3779b1u >> (32 - HASH);
        size_t before = seen[hash], length = 0;
        seen[hash] = (uint16_t)(k + 1);
        const double match = MATCH + (double)log_of((uint32_t)(k + 1 - before));
        if (before && get32(x + before - 1) == v)
            for (length = 4; k + length < n && length < LONGEST && x[before - 1 + length] == x[k + length];) length++;
        if ((double)length * literal > match) {
            saved += (double)length * literal - match;
            k += length;
        } else {
            k++;
        }
    }
    return saved;
}
double convd_literals_bits(const uint8_t *x, size_t n)
{
    uint32_t freq[LITERALS];
    float sum = 0;
    count_bytes(x, n, freq);
    for (int c = 0; c < 256; c++) sum += (float)freq[c] * log_of(freq[c]);
    double bits = (double)n * (double)log_of((uint32_t)n) - (double)sum;
    return bits > (double)n ? bits : (double)n; /* no code is shorter than a bit */
}
void convd_literals_look(const uint8_t *x, size_t n, struct convd_repeats *r)
{
    double bits = convd_literals_bits(x, n);
    r->bits += bits;
    r->saved += n ? saved_bits(x, n, bits / (double)n) : 0;
}
