/* Deflate without matches: what it packs is unpacked by libdeflate and by zlib's reader in stb_image, whatever the bytes;
 * the guess of what repeats would save. */
#include "../t.h"
#include <libdeflate.h>
#include "../../core/image/literals.h"
#include "stb_png.h"

/* Packed in pieces of at most each bytes, one after another. */
static size_t in_pieces(const uint8_t *x, size_t n, size_t each, uint8_t *y)
{
    size_t made = 0, k = 0;
    do {
        size_t some = n - k < each ? n - k : each, now = convd_literals_pack(x + k, some, k + some == n, y + made);
        OK(now <= convd_literals_bound(some));
        made += now;
        k += some;
    } while (k < n);
    return made;
}
static size_t in_pieces_comes_back(const uint8_t *x, size_t n, size_t each)
{
    uint8_t *y = calloc(n / each + 2, convd_literals_bound(each)), *z = malloc(n + !n);
    size_t made = in_pieces(x, n, each, y), got = 0;
    struct libdeflate_decompressor *d = libdeflate_alloc_decompressor();
    EQ(LIBDEFLATE_SUCCESS, libdeflate_deflate_decompress(d, y, made, z, n, &got));
    libdeflate_free_decompressor(d);
    EQ(n, got);
    OK(n == 0 || memcmp(x, z, n) == 0);
    if (n) {
        memset(z, 0, n);
        EQ(n, stbi_zlib_decode_noheader_buffer((char *)z, (int)n, (const char *)y, (int)made + 4)); /* it looks for a checksum */
        EQ(0, memcmp(x, z, n));
    }
    free(y);
    free(z);
    return made;
}
static size_t comes_back(const uint8_t *x, size_t n)
{
    return in_pieces_comes_back(x, n, 128 << 10);
}
TEST(nothing_and_one_byte)
{
    comes_back((const uint8_t *)"", 0);
    for (int v = 0; v < 256; v += 51) comes_back(&(uint8_t){(uint8_t)v}, 1);
    comes_back((const uint8_t *)"ab", 2);
}
TEST(every_length_around_a_block)
{
    enum { MOST = 400000 };
    uint8_t *x = malloc(MOST);
    struct t_rng r = t_rng(2);
    for (int i = 0; i < MOST; i++) x[i] = (uint8_t)(t_random(&r) & t_random(&r));
    static const size_t sizes[] = {3, 4, 5, 255, 65535, 65536, 131071, 131072, 131073, 131074, 262143, 262144, 262145, MOST};
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        comes_back(x, sizes[i]);
        in_pieces_comes_back(x, sizes[i], (size_t)t_between(&r, 1000, 200000));
        in_pieces_comes_back(x, sizes[i], MOST);
    }
    for (size_t each = 1; each < 20; each++) in_pieces_comes_back(x, 60, each);
    free(x);
}
static double loss(const uint8_t *x, size_t n)
{
    struct convd_repeats r = {0};
    convd_literals_look(x, n < 60000 ? n : 60000, &r);
    return r.bits > 0 ? r.saved / r.bits : 0;
}
TEST(noise_is_stored_and_grows_by_little)
{
    enum { N = 300000 };
    uint8_t *x = malloc(N);
    struct t_rng r = t_rng(4);
    for (int i = 0; i < N; i++) x[i] = (uint8_t)t_random(&r);
    OK(comes_back(x, N) < N + 100);
    NEAR(0, loss(x, N), 0.001);
    NEAR(8 * 60000, convd_literals_bits(x, 60000), 2500);
    free(x);
}
/* Weights that grow as Fibonacci's numbers make the deepest tree: 14 bits must do. */
TEST(codes_that_would_be_too_long_are_cut)
{
    enum { N = 130000 };
    uint8_t *x = malloc(N);
    size_t n = 0, a = 1, b = 1;
    for (int v = 0; n + b < N; v++) {
        memset(x + n, v, b);
        n += b;
        size_t c = a + b;
        a = b;
        b = c;
    }
    size_t made = comes_back(x, n);
    double bits = 0;
    size_t freq[256] = {0};
    for (size_t i = 0; i < n; i++) freq[x[i]]++;
    for (int v = 0; v < 256; v++)
        if (freq[v])
            bits -= (double)freq[v] * log2((double)freq[v] / (double)n);
    OK((double)made < 1.06 * bits / 8 + 200); /* Huffman itself is 4 % off here */
    free(x);
}
TEST(near_the_entropy_of_every_skew)
{
    enum { N = 100000 };
    uint8_t *x = malloc(N);
    struct t_rng r = t_rng(6);
    for (double spread = 0.5; spread < 100; spread *= 1.5) {
        for (int i = 0; i < N; i++) x[i] = (uint8_t)(int)(spread * log(t_uniform(&r, 1e-9, 1)));
        size_t freq[256] = {0};
        double bits = 0;
        for (int i = 0; i < N; i++) freq[x[i]]++;
        for (int v = 0; v < 256; v++)
            if (freq[v])
                bits -= (double)freq[v] * log2((double)freq[v] / N);
        double made = (double)comes_back(x, N);
        OK(made <= 1.03 * bits / 8 + 300 || bits < N * 1.6);
        OK(made >= bits / 8);
    }
    free(x);
}
TEST(repeats_are_seen)
{
    enum { N = 200000 };
    uint8_t *x = calloc(1, N);
    OK(loss(x, N) > 0.9);
    struct t_rng r = t_rng(7);
    for (int i = 0; i < N; i++) x[i] = i < 1000 ? (uint8_t)t_random(&r) : x[i - 1000];
    OK(loss(x, N) > 0.8);
    for (size_t n = 0; n < 40; n++) OK(loss(x, n) <= 1);
    free(x);
}
T_MAIN("core/literals")
