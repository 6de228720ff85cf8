/* PNG in, bit for bit as libspng reads it: every file of the collection, and random ones of every kind that there is. */
/* link: -lspng */
#include "picture.h"
#include <dirent.h>
#include "spng_reads.h"

/* Both read it and see the same, or both refuse; returns whether it was read. */
static bool same_as_libspng(const uint8_t *png, size_t n, const char *what)
{
    struct convd_decode_options o = {.channels = CONVD_RGBA, .raw_orientation = true};
    struct convd_faults *f = convd_faults_new();
    struct convd_image_info info;
    size_t bytes = 0;
    uint8_t *right = spng_reads(png, n, &bytes), *pixels = NULL;
    bool good = convd_image_info(png, n, &o, &info, f);
    if (good && info.file_channels == 2) { /* gray and alpha are never stored side by side */
        o.channels = CONVD_GRAY;
        o.keep_alpha = true;
        good = convd_image_info(png, n, &o, &info, f);
    }
    if (good) {
        struct counting mem;
        counting_init(&mem);
        pixels = malloc(info.bytes);
        uint8_t *alpha = info.alpha_bytes ? malloc(info.alpha_bytes) : NULL;
        good = convd_image_decode(&info, png, n, &o, &mem.base, pixels, alpha, f);
        EQ(0, mem.now);
        OK(mem.peak <= info.work_bytes);
        if (good && right && alpha) { /* put back together */
            size_t count = info.alpha_bytes, sample = info.depth == 16 ? 2 : 1;
            for (size_t k = 0; k < count; k++) {
                if (memcmp(pixels + k * sample, right + 2 * k * sample, sample) != 0)
                    T_FAIL("%s: gray %zu differs", what, k);
                uint16_t a = right[2 * k + 1];
                if (sample == 2) {
                    memcpy(&a, right + 4 * k + 2, 2);
                    a = (uint16_t)((a * 255u + 32767) / 65535);
                }
                EQ(a, alpha[k]);
            }
        } else if (good && right) {
            EQ(bytes, info.bytes);
            if (memcmp(pixels, right, bytes) != 0)
                T_FAIL("%s: pixels differ", what);
        }
        free(alpha);
    }
    if (good != (right != NULL))
        T_FAIL("%s: %s here, %s by libspng", what, good ? "read" : convd_faults_first(f)->detail,
               right ? "read" : "refused");
    free(pixels);
    free(right);
    convd_faults_free(f);
    return good;
}

TEST(files_of_the_collection_are_what_libspng_reads)
{
    static const char *const folders[] = {"images/edge", "images/photos"};
    int seen = 0;
    for (int i = 0; i < 2; i++) {
        char path[600];
        snprintf(path, sizeof path, "%s/%s", getenv("TESTDATA") ? getenv("TESTDATA") : "tests/data", folders[i]);
        DIR *d = opendir(path);
        OK(d);
        for (struct dirent *e; (e = readdir(d));) {
            size_t k = strlen(e->d_name), n;
            if (k < 4 || strcmp(e->d_name + k - 4, ".png") != 0)
                continue;
            snprintf(path, sizeof path, "%s/%s", folders[i], e->d_name);
            uint8_t *png = exact_file(path, &n);
            OK(same_as_libspng(png, n, e->d_name));
            free(png);
            seen++;
        }
        closedir(d);
    }
    OK(seen > 80);
}

/* ---- random ones -------------------------------------------------------------------------------------------- */

static void put32(struct convd_bytes *b, uint32_t v)
{
    convd_bytes_put(b, (uint8_t[]){(uint8_t)(v >> 24), (uint8_t)(v >> 16), (uint8_t)(v >> 8), (uint8_t)v}, 4);
}
static void chunk(struct convd_bytes *b, const char *type, const void *body, size_t n)
{
    put32(b, (uint32_t)n);
    size_t at = b->n;
    convd_bytes_put(b, type, 4);
    if (n)
        convd_bytes_put(b, body, n);
    put32(b, libdeflate_crc32(0, b->data + at, 4 + n));
}
struct kind {
    uint32_t w, h;
    int depth, colour;
    bool adam7;
};
static size_t row_bytes(const struct kind *k, uint32_t w)
{
    static const int samples[7] = {1, 0, 3, 1, 2, 0, 4};
    return ((size_t)w * (size_t)samples[k->colour] * (size_t)k->depth + 7) / 8;
}
/* Rows of random bytes, each with a filter; small ones more often, so that palettes have them. */
static size_t random_rows(const struct kind *k, uint32_t w, uint32_t h, uint8_t *x, struct t_rng *r)
{
    size_t n = w ? row_bytes(k, w) : 0;
    int one = (int)t_between(r, -3, 4);
    for (uint32_t i = 0; w && i < h; i++) {
        *x++ = (uint8_t)(one < 0 ? t_between(r, 0, 4) : one);
        for (size_t j = 0; j < n; j++) *x++ = (uint8_t)(t_random(r) & t_random(r));
    }
    return w ? (n + 1) * h : 0;
}
static size_t random_passes(const struct kind *k, uint8_t *x, struct t_rng *r)
{
    static const unsigned pass[7][4] = {{0, 0, 8, 8}, {4, 0, 8, 8}, {0, 4, 4, 8}, {2, 0, 4, 4},
                                        {0, 2, 2, 4}, {1, 0, 2, 2}, {0, 1, 1, 2}};
    if (!k->adam7)
        return random_rows(k, k->w, k->h, x, r);
    size_t n = 0;
    for (int i = 0; i < 7; i++)
        n += random_rows(k, (k->w + pass[i][2] - 1 - pass[i][0]) / pass[i][2],
                         (k->h + pass[i][3] - 1 - pass[i][1]) / pass[i][3], x + n, r);
    return n;
}
static void random_colours(const struct kind *k, struct convd_bytes *b, struct t_rng *r)
{
    uint8_t x[768];
    size_t entries = k->depth == 8 ? (size_t)t_between(r, 1, 256) : (size_t)t_between(r, 1, 1 << (k->depth & 7));
    for (size_t i = 0; i < sizeof x; i++) x[i] = (uint8_t)t_random(r);
    if (k->colour == 3)
        chunk(b, "PLTE", x, 3 * entries);
    if (!t_between(r, 0, 1) || k->colour == 4 || k->colour == 6)
        return;
    for (int i = 0; i < 6; i += 2 - (k->depth == 16)) x[i] = 0; /* keys that occur */
    chunk(b, "tRNS", x, k->colour == 3 ? (size_t)t_between(r, 1, (ptrdiff_t)entries) : k->colour == 2 ? 6 : 2);
}
static struct convd_bytes random_png(const struct kind *k, struct t_rng *r)
{
    size_t most = (row_bytes(k, k->w) + 9) * (k->h + 8) * 2 + 64, room = most + 1000;
    uint8_t *x = malloc(most), *z = malloc(room);
    struct convd_bytes b = {0};
    convd_bytes_put(&b, "\x89PNG\r\n\x1a\n", 8);
    uint8_t head[13] = {0, 0, 0, (uint8_t)k->w, 0, 0, 0, (uint8_t)k->h, (uint8_t)k->depth, (uint8_t)k->colour, 0, 0,
                        k->adam7};
    chunk(&b, "IHDR", head, sizeof head);
    random_colours(k, &b, r);
    size_t n = random_passes(k, x, r);
    OK(n <= most);
    struct libdeflate_compressor *c = libdeflate_alloc_compressor((int)t_between(r, 0, 6));
    size_t made = libdeflate_zlib_compress(c, x, n, z, room);
    OK(made > 0);
    libdeflate_free_compressor(c);
    for (size_t at = 0; at < made;) {
        size_t some = t_between(r, 0, 2) ? made - at : (size_t)t_between(r, 0, (ptrdiff_t)(made - at));
        chunk(&b, "IDAT", z + at, some);
        at += some;
    }
    chunk(&b, "IEND", "", 0);
    free(x);
    free(z);
    return b;
}
TEST(random_files_of_every_kind_are_what_libspng_reads)
{
    static const int kinds[][2] = {{0, 1}, {0, 2}, {0, 4}, {0, 8}, {0, 16}, {2, 8}, {2, 16}, {3, 1},
                                   {3, 2}, {3, 4}, {3, 8}, {4, 8}, {4, 16}, {6, 8}, {6, 16}};
    struct t_rng r = t_rng(11);
    for (int round = 0; round < 40; round++)
        for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
            struct kind k = {(uint32_t)t_between(&r, 1, 40), (uint32_t)t_between(&r, 1, 30), kinds[i][1], kinds[i][0],
                             round & 1};
            char what[80];
            snprintf(what, sizeof what, "%u x %u, colour %d, depth %d, adam7 %d", k.w, k.h, k.colour, k.depth, k.adam7);
            struct convd_bytes png = random_png(&k, &r);
            OK(same_as_libspng(png.data, png.n, what));
            convd_bytes_release(&png);
        }
}
T_MAIN("core/png_read")
