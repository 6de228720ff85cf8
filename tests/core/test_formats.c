/* Small files by hand of the formats that have many kinds: PNM, TGA, PSD, BMP, GIF. */
#include "picture.h"

/* What the values of a file are, row by row, channel by channel (as many as are stored), in 0..255. */
static void reads(const void *file, size_t n, ptrdiff_t w, ptrdiff_t h, ptrdiff_t stored, const double *right)
{
    uint8_t *exact = malloc(n);
    memcpy(exact, file, n);
    struct decoded d = decode_picture(exact, n);
    if (!d.good)
        T_FAIL("%.*s: %s", (int)(n < 20 ? n : 20), (const char *)file, d.words);
    EQ(w, d.info.input.width);
    EQ(h, d.info.input.height);
    EQ(stored, d.info.input.stored);
    for (ptrdiff_t k = 0; k < w * h * stored; k++)
        NEAR(right[k], pixel_at(&d, 0, k % stored, k / stored / w, k / stored % w), 1e-9);
    decoded_free(&d);
    free(exact);
}
#define READS(FILE, W, H, STORED, ...) reads(FILE, sizeof(FILE) - 1, W, H, STORED, (const double[]){__VA_ARGS__})
static void refused(const void *file, size_t n, int code)
{
    uint8_t *exact = malloc(n + !n);
    memcpy(exact, file, n);
    struct decoded d = decode_picture(exact, n);
    if (d.good || d.code != code)
        T_FAIL("%.*s: code %d", (int)(n < 20 ? n : 20), (const char *)file, d.code);
    decoded_free(&d);
    free(exact);
}
#define REFUSED(FILE, CODE) refused(FILE, sizeof(FILE) - 1, CODE)

TEST(pnm_of_every_kind)
{
    READS("P1\n# a comment\n3 2\n0 1 0\n111", 3, 2, 1, 255, 0, 255, 0, 0, 0);
    READS("P1 3 1 0#c\n10", 3, 1, 1, 255, 0, 255);
    READS("P2#x\n2 2 # y\n10\n0 10\n5 1", 2, 2, 1, 0, 255, 128, 26);
    READS("P2 3 1 1000 0 1000 333", 3, 1, 1, 0, 255, 21823 / 257.0);
    READS("P3 1 2 255 1 2 3\n\n4 5 6 \n", 1, 2, 3, 1, 2, 3, 4, 5, 6);
    READS("P4\n9 2\n\xaa\x80\x55\x00", 9, 2, 1, 0, 255, 0, 255, 0, 255, 0, 255, 0, 255, 0, 255, 0, 255, 0, 255, 0, 255);
    READS("P5 2 1 255\nA ", 2, 1, 1, 65, 32);
    READS("P5 3 1 3\n\0\3\2", 3, 1, 1, 0, 255, 170);
    READS("P5 2 1 65535\n\1\1\xff\xff", 2, 1, 1, 1, 255);
    READS("P6 1 1 255\n123", 1, 1, 3, 49, 50, 51);
    READS("P6 1 1 256\n\1\0\0\x80\0\1", 1, 1, 3, 255, 32768 / 257.0, 256 / 257.0);
    READS("P5 1 1 255\nAand more", 1, 1, 1, 65);
}
TEST(pnm_that_is_refused)
{
    static const char *const bad[] = {"P2 2 2 10 0 10 5",    "P2 1 1 10 11",     "P2 1 1 10 x",      "P2 1 1 0 0",
                                      "P2 1 1 65536 0",      "P2 0 1 1 0",       "P2 -1 1 1 0",      "P2 99999999999 1 1 0",
                                      "P1 2 1 2 0",          "P1 2 1 0",         "P5 2 2 255\nabc",  "P5 1 1 3\n\7",
                                      "P6 1 1 255",          "P5 1 1 65535\na", "P5 #never ends"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) refused(bad[i], strlen(bad[i]), CONVD_BAD_IMAGE);
    REFUSED("P7\nWIDTH 1\n", CONVD_UNSUPPORTED);
    REFUSED("P5x", CONVD_UNSUPPORTED);
}

/* Type, bits, descriptor; width 2, height 1. */
#define TGA(TYPE, BITS, DESCRIPTOR, BODY) "\0\0" TYPE "\0\0\0\0\0\0\0\0\0\2\0\1\0" BITS DESCRIPTOR BODY

TEST(tga_of_every_kind)
{
    READS(TGA("\2", "\x18", "\0", "\1\2\3\4\5\6"), 2, 1, 3, 3, 2, 1, 6, 5, 4);
    READS(TGA("\2", "\x18", "\x10", "\1\2\3\4\5\6"), 2, 1, 3, 6, 5, 4, 3, 2, 1); /* from right to left */
    READS(TGA("\2", "\x20", "\x08", "\1\2\3\xff\1\2\3\0"), 2, 1, 3, 3, 2, 1, 255, 255, 255);
    READS(TGA("\3", "\x08", "\0", "\1\2"), 2, 1, 1, 1, 2);
    READS(TGA("\x0a", "\x18", "\0", "\x81\1\2\3"), 2, 1, 3, 3, 2, 1, 3, 2, 1);
    READS(TGA("\x0a", "\x18", "\0", "\1\1\2\3\4\5\6"), 2, 1, 3, 3, 2, 1, 6, 5, 4);
    READS("\0\1\1\0\0\2\0\x18\0\0\0\0\2\0\1\0\x08\0\1\2\3\4\5\6\1\0", 2, 1, 3, 6, 5, 4, 3, 2, 1);
}
TEST(tga_that_is_refused)
{
    REFUSED(TGA("\2", "\x18", "\0", "\1\2\3\4\5"), CONVD_BAD_IMAGE);
    REFUSED(TGA("\x0a", "\x18", "\0", "\x81\1\2"), CONVD_BAD_IMAGE);
    REFUSED(TGA("\x0a", "\x18", "\0", "\1\1\2\3\4\5"), CONVD_BAD_IMAGE);
    REFUSED(TGA("\4", "\x18", "\0", "\1\2\3\4\5\6"), CONVD_UNSUPPORTED);
    REFUSED(TGA("\2", "\x11", "\0", "\1\2\3\4\5\6"), CONVD_UNSUPPORTED);
    REFUSED(TGA("\2", "\x18", "\xc0", "\1\2\3\4\5\6"), CONVD_UNSUPPORTED);
    /* An icon and a cursor. */
    REFUSED("\0\0\1\0\1\0\x10\x10\0\0\1\0\x20\0\x68\4\0\0\x16\0\0\0", CONVD_UNSUPPORTED);
    REFUSED("\0\0\2\0\1\0\x10\x10\0\0\1\0\1\0\x68\4\0\0\x16\0\0\0", CONVD_UNSUPPORTED);
}

#define PSD(CHANNELS, DEPTH, COMPRESSION, BODY)                                                                    \
    "8BPS\0\1\0\0\0\0\0\0\0" CHANNELS "\0\0\0\1\0\0\0\2\0" DEPTH "\0\3\0\0\0\0\0\0\0\0\0\0\0\0\0" COMPRESSION BODY

TEST(psd_of_every_kind)
{
    READS(PSD("\3", "\x08", "\0", "\1\2\3\4\5\6"), 2, 1, 3, 1, 3, 5, 2, 4, 6);
    READS(PSD("\3", "\x08", "\1", "\0\2\0\3\0\2" "\xff\7" "\1\1\2" "\xff\5"), 2, 1, 3, 7, 1, 5, 7, 2, 5);
    READS(PSD("\3", "\x10", "\0", "\1\1\0\1\1\1\0\1\1\1\xff\xff"), 2, 1, 3, 1, 1, 1, 1 / 257.0, 1 / 257.0, 255);
}
TEST(psd_that_is_refused)
{
    REFUSED(PSD("\3", "\x08", "\0", "\1\2\3\4\5"), CONVD_BAD_IMAGE);
    REFUSED(PSD("\3", "\x08", "\1", "\0\2\0\3\0\2" "\xff\7" "\1\1\2" "\xff"), CONVD_BAD_IMAGE);
    REFUSED(PSD("\3", "\x10", "\1", "\0\2\0\3\0\2" "\xff\7" "\1\1\2" "\xff\5"), CONVD_BAD_IMAGE);
    REFUSED(PSD("\3", "\x08", "\2", "\1\2\3\4\5\6"), CONVD_BAD_IMAGE);
    REFUSED(PSD("\1", "\x08", "\0", "\1\2\3\4\5\6"), CONVD_BAD_IMAGE);
    REFUSED(PSD("\3", "\x20", "\0", "\1\2\3\4\5\6"), CONVD_BAD_IMAGE);
}

/* Header of 40 bytes; width 2, height 1 or -1. */
#define BMP(OFFSET, HEIGHT, BITS, COMPRESSION, COLOURS, BODY)                                                      \
    "BM\0\0\0\0\0\0\0\0" OFFSET "\0\0\0\x28\0\0\0\2\0\0\0" HEIGHT "\1\0" BITS "\0" COMPRESSION                       \
    "\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0" COLOURS "\0\0\0\0" BODY
#define UP   "\1\0\0\0"
#define DOWN "\xff\xff\xff\xff"

TEST(bmp_of_every_kind)
{
    READS(BMP("\x36", UP, "\x18", "\0", "\0\0\0\0", "\1\2\3\4\5\6\0\0"), 2, 1, 3, 3, 2, 1, 6, 5, 4);
    READS(BMP("\x36", DOWN, "\x18", "\0", "\0\0\0\0", "\1\2\3\4\5\6\0\0"), 2, 1, 3, 3, 2, 1, 6, 5, 4);
    READS(BMP("\x36", UP, "\x10", "\0", "\0\0\0\0", "\x1f\0\0\x7c"), 2, 1, 3, 0, 0, 255, 255, 0, 0);
    READS(BMP("\x3e", UP, "\1", "\0", "\2\0\0\0", "\1\2\3\0\4\5\6\0" "\x40\0\0\0"), 2, 1, 3, 3, 2, 1, 6, 5, 4);
    READS(BMP("\x3e", UP, "\4", "\0", "\2\0\0\0", "\1\2\3\0\4\5\6\0" "\x10\0\0\0"), 2, 1, 3, 6, 5, 4, 3, 2, 1);
    READS(BMP("\x3e", UP, "\x08", "\0", "\2\0\0\0", "\1\2\3\0\4\5\6\0" "\1\0\0\0"), 2, 1, 3, 6, 5, 4, 3, 2, 1);
}
TEST(bmp_that_is_refused)
{
    REFUSED(BMP("\x36", UP, "\x18", "\0", "\0\0\0\0", "\1\2\3\4\5\6\0"), CONVD_BAD_IMAGE);
    REFUSED(BMP("\x36", "\0\0\0\x80", "\x18", "\0", "\0\0\0\0", "\1\2\3\4\5\6\0\0"), CONVD_BAD_IMAGE);
    REFUSED(BMP("\x36", UP, "\x18", "\0", "\0\0\0\x7f", "\1\2\3\4\5\6\0\0"), CONVD_BAD_IMAGE);
    REFUSED(BMP("\x3e", UP, "\x08", "\1", "\2\0\0\0", "\1\2\3\0\4\5\6\0" "\2\1\0\1"), CONVD_BAD_IMAGE);
    REFUSED(BMP("\x35", UP, "\x18", "\0", "\0\0\0\0", "\1\2\3\4\5\6\0\0\0"), CONVD_BAD_IMAGE);
    REFUSED("BMW is a car and this is a text", CONVD_UNSUPPORTED);
}

/* 2 x 1 on a screen of that width; two colours; codes clear 0 1 end of 3 bits. */
#define GIF(SCREEN, CONTROL, LEFT)                                                                                 \
    "GIF89a" SCREEN "\0\1\0\x80\0\0" "\1\2\3" "\xc8\xc9\xca" CONTROL "," LEFT "\0\0\0\2\0\1\0\0" "\2\2" "\x44\x0a" "\0;"

TEST(gif_of_every_kind)
{
    READS(GIF("\2", "", "\0"), 2, 1, 3, 1, 2, 3, 200, 201, 202);
    READS(GIF("\2", "!\xf9\4\1\0\0\1\0", "\0"), 2, 1, 3, 1, 2, 3, 255, 255, 255); /* colour 1 is transparent */
    READS(GIF("\3", "", "\1"), 3, 1, 3, 255, 255, 255, 1, 2, 3, 200, 201, 202);
    READS(GIF("\2", "!\xfe\2hi\0!\xff\3abc\1d\0", "\0"), 2, 1, 3, 1, 2, 3, 200, 201, 202);
}
TEST(gif_that_is_refused)
{
    REFUSED(GIF("\2", "", "\1"), CONVD_BAD_IMAGE);
    REFUSED("GIF89a\2\0\1\0\x80\0\0\1\2\3\4\5\6;", CONVD_BAD_IMAGE);
    /* A screen of 8000 x 8000, a frame of one pixel. */
    REFUSED("GIF89a\x40\x1f\x40\x1f\x80\0\0\1\2\3\4\5\6,\0\0\0\0\1\0\1\0\0\2\2\x44\1\0;", CONVD_BAD_IMAGE);
}
T_MAIN("core/formats")
