/* The orientation tag in blocks of both byte orders, and in blocks that lie. */
#include "../t.h"
#include "../../core/image/exif.h"

/* A TIFF header with one entry before and the orientation after it. */
static size_t block(uint8_t *p, bool little, int prefix, uint32_t tag, uint32_t type, uint32_t count, uint32_t value)
{
    uint8_t *start = p;
    if (prefix) {
        memcpy(p, "Exif\0\0", 6);
        p += 6;
    }
#define PUT(BYTES, V)                                                                                              \
    do {                                                                                                           \
        for (int i = 0; i < (BYTES); i++) *p++ = (uint8_t)((uint32_t)(V) >> 8 * (little ? i : (BYTES)-1 - i));       \
    } while (0)
    memcpy(p, little ? "II" : "MM", 2);
    p += 2;
    PUT(2, 42);
    PUT(4, 8);
    PUT(2, 2);
    PUT(2, 0x0100);
    PUT(2, 4);
    PUT(4, 1);
    PUT(4, 640);
    PUT(2, tag);
    PUT(2, type);
    PUT(4, count);
    PUT(2, value);
    PUT(2, 0);
    PUT(4, 0);
#undef PUT
    return (size_t)(p - start);
}
TEST(every_orientation_in_both_byte_orders)
{
    uint8_t b[64];
    for (uint32_t v = 1; v <= 8; v++)
        for (int way = 0; way < 4; way++) EQ(v, convd_exif_orientation(b, block(b, way & 1, way & 2, 0x0112, 3, 1, v)));
}
TEST(what_breaks_the_rules_says_nothing)
{
    uint8_t b[64];
    EQ(1, convd_exif_orientation(b, block(b, true, 1, 0x0112, 3, 1, 9)));
    EQ(1, convd_exif_orientation(b, block(b, true, 1, 0x0112, 3, 1, 0)));
    EQ(1, convd_exif_orientation(b, block(b, true, 1, 0x0112, 4, 1, 6)));
    EQ(1, convd_exif_orientation(b, block(b, true, 1, 0x0112, 3, 2, 6)));
    EQ(1, convd_exif_orientation(b, block(b, true, 1, 0x0113, 3, 1, 6)));
    size_t n = block(b, true, 0, 0x0112, 3, 1, 6);
    b[0] = 'X';
    EQ(1, convd_exif_orientation(b, n));
    block(b, true, 0, 0x0112, 3, 1, 6);
    b[4] = 0xff; /* the offset of IFD 0 */
    b[7] = 0xff;
    EQ(1, convd_exif_orientation(b, n));
    EQ(1, convd_exif_orientation(NULL, 0));
}
TEST(a_block_cut_anywhere_stays_inside)
{
    uint8_t b[64];
    size_t n = block(b, false, 1, 0x0112, 3, 1, 6);
    for (size_t k = 0; k <= n; k++) {
        uint8_t *exact = malloc(k + !k);
        memcpy(exact, b, k);
        int o = convd_exif_orientation(exact, k);
        OK(o == 1 || (o == 6 && k >= n - 4));
        free(exact);
    }
}
TEST(an_entry_count_of_65535_is_bounded_by_the_block)
{
    uint8_t b[64];
    size_t n = block(b, true, 0, 0x0112, 3, 1, 6);
    b[8] = b[9] = 0xff;
    uint8_t *exact = malloc(n);
    memcpy(exact, b, n);
    EQ(6, convd_exif_orientation(exact, n));
    free(exact);
}
T_MAIN("core/exif")
