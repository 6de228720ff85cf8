/* .npy in and out: files that NumPy wrote, headers by hand, truncation. */
#include "picture.h"

/* A file of version 1 with this header and n bytes of numbers, in memory of exactly its size. */
static uint8_t *made(const char *header, const void *numbers, size_t n, size_t *size)
{
    size_t length = strlen(header);
    uint8_t *d = malloc(10 + length + n);
    memcpy(d, "\x93NUMPY\1\0", 8);
    d[8] = (uint8_t)length;
    d[9] = (uint8_t)(length >> 8);
    memcpy(d + 10, header, length);
    if (n)
        memcpy(d + 10 + length, numbers, n);
    *size = 10 + length + n;
    return d;
}
/* The code of the first fault, 0 when it is read. */
static int opens(const char *header, size_t bytes, struct convd_stored *t)
{
    static const uint8_t zeros[256];
    size_t n;
    uint8_t *d = made(header, zeros, bytes, &n);
    struct convd_faults *f = convd_faults_new();
    bool good = convd_npy_open(d, n, t, NULL, f);
    int code = good ? 0 : convd_faults_first(f)->code;
    EQ(good, convd_faults_count(f) == 0);
    convd_faults_free(f);
    free(d);
    return code;
}
TEST(headers_that_numpy_writes)
{
    struct convd_stored t;
    EQ(0, opens("{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), }   \n", 24, &t));
    EQ(2, t.rank);
    EQ(3, t.dim[1]);
    EQ(6, t.count);
    EQ(0, opens("{'descr': '|u1', 'fortran_order': False, 'shape': (), }\n", 1, &t));
    EQ(0, t.rank);
    EQ(1, t.count);
    EQ(0, opens("{'descr': '>i8', 'fortran_order': True, 'shape': (3,), }\n", 24, &t));
    EQ(1, t.rank);
    OK(t.big_endian && t.fortran && t.kind == 'i' && t.size == 8);
    EQ(0, opens("{\"shape\":(1,2,3,4),\"descr\":\"<f2\",\"fortran_order\":False}", 48, &t));
    EQ(4, t.dim[3]);
    EQ(0, opens("{'descr': '|b1', 'fortran_order': False, 'shape': (4,)}", 4, &t));
}
TEST(headers_that_are_refused)
{
    struct convd_stored t;
    static const char *const bad[] = {
        "",
        "{",
        "{}",
        "{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3)",
        "{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), } x",
        "{'descr': '<f4', 'fortran_order': False, 'shape': (3)}",
        "{'descr': '<f4', 'fortran_order': False, 'shape': [3]}",
        "{'descr': '<f4', 'fortran_order': False, 'shape': (-3,)}",
        "{'descr': '<f4', 'fortran_order': False, 'shape': (03,)}",
        "{'descr': '<f4', 'fortran_order': False, 'shape': (3L,)}",
        "{'descr': '<f4', 'fortran_order': False, 'shape': (3.0,)}",
        "{'descr': '<f4', 'fortran_order': False, 'shape': (99999999999999999999,)}",
        "{'descr': '<f4', 'fortran_order': False, 'shape': (4294967296, 4294967296)}",
        "{'descr': '<f4', 'fortran_order': False, 'shape': (65,)}",
        "{'descr': '<f4', 'fortran_order': 0, 'shape': (3,)}",
        "{'descr': '<f4', 'fortran_order': False, 'shape': (3,), 'x': 1}",
        "{'descr': '<f4', 'descr': '<f4', 'fortran_order': False, 'shape': (3,)}",
        "{'descr': '<f4', 'shape': (3,)}",
        "{'descr': '<c8', 'fortran_order': False, 'shape': (3,)}",
        "{'descr': '<U4', 'fortran_order': False, 'shape': (3,)}",
        "{'descr': '|S4', 'fortran_order': False, 'shape': (3,)}",
        "{'descr': '|O', 'fortran_order': False, 'shape': (3,)}",
        "{'descr': '<f3', 'fortran_order': False, 'shape': (3,)}",
        "{'descr': '|f4', 'fortran_order': False, 'shape': (3,)}",
        "{'descr': [('a', '<f4')], 'fortran_order': False, 'shape': (3,)}",
        "{'descr': __import__('os'), 'fortran_order': False, 'shape': (3,)}",
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        if (opens(bad[i], 256, &t) != CONVD_BAD_IMAGE)
            T_FAIL("not refused: %s", bad[i]);
    EQ(CONVD_BAD_SHAPE, opens("{'descr': '|u1', 'fortran_order': False, 'shape': (1, 1, 1, 1, 1)}", 8, &t));
    EQ(CONVD_BAD_SHAPE, opens("{'descr': '|u1', 'fortran_order': False, 'shape': (0, 3)}", 8, &t));
}
static void reads(const char *descr, const void *numbers, size_t n, const float *right, size_t count)
{
    char header[128];
    snprintf(header, sizeof header, "{'descr': '%s', 'fortran_order': False, 'shape': (%zu,), }\n", descr, count);
    size_t size;
    uint8_t *d = made(header, numbers, n, &size);
    struct convd_stored t;
    struct convd_faults *f = convd_faults_new();
    OK(convd_npy_open(d, size, &t, NULL, f));
    float y[16];
    convd_stored_read(&t, y);
    for (size_t k = 0; k < count; k++)
        if (memcmp(&right[k], &y[k], 4) != 0 && !(isnan(right[k]) && isnan(y[k])))
            T_FAIL("%s[%zu]: expected %g, got %g", descr, k, (double)right[k], (double)y[k]);
    convd_faults_free(f);
    free(d);
}
TEST(every_number_type_at_its_ends)
{
    reads("|i1", (int8_t[]){-128, -1, 127}, 3, (float[]){-128, -1, 127}, 3);
    reads("|u1", (uint8_t[]){0, 255}, 2, (float[]){0, 255}, 2);
    reads("<i2", (int16_t[]){-32768, 32767}, 4, (float[]){-32768, 32767}, 2);
    reads("<u2", (uint16_t[]){0, 65535}, 4, (float[]){0, 65535}, 2);
    reads("<i4", (int32_t[]){INT32_MIN, -1, INT32_MAX}, 12, (float[]){-0x1p31f, -1, 0x1p31f}, 3);
    reads("<u4", (uint32_t[]){UINT32_MAX}, 4, (float[]){0x1p32f}, 1);
    reads("<i8", (int64_t[]){INT64_MIN, -1}, 16, (float[]){-0x1p63f, -1}, 2);
    reads("<u8", (uint64_t[]){UINT64_MAX, 1}, 16, (float[]){0x1p64f, 1}, 2);
    reads("<f8", (double[]){0.1, -1e300, 1e-300, (double)NAN}, 32, (float[]){0.1f, -INFINITY, 0, NAN}, 4);
    reads("<f4", (float[]){0.1f, NAN, INFINITY}, 12, (float[]){0.1f, NAN, INFINITY}, 3);
    reads(">f4", "\x3f\x80\0\0", 4, (float[]){1}, 1);
    reads(">u2", "\1\2", 2, (float[]){258}, 1);
    /* binary16: smallest subnormal, largest subnormal, one, largest, -0, inf, NaN */
    reads("<f2", (uint16_t[]){1, 0x3ff, 0x3c00, 0x7bff, 0x8000, 0xfc00, 0x7e00}, 14,
          (float[]){0x1p-24f, 1023 * 0x1p-24f, 1, 65504, -0.0f, -INFINITY, NAN}, 7);
}
TEST(fortran_order_is_turned)
{
    size_t n;
    uint8_t *d = made("{'descr': '|u1', 'fortran_order': True, 'shape': (2, 3, 4), }", NULL, 0, &n);
    uint8_t *whole = malloc(n + 24);
    memcpy(whole, d, n);
    for (int c = 0; c < 24; c++) whole[n + (size_t)c] = (uint8_t)c; /* index i + 2 j + 6 k */
    struct convd_stored t;
    struct convd_faults *f = convd_faults_new();
    OK(convd_npy_open(whole, n + 24, &t, NULL, f));
    float y[24];
    convd_stored_read(&t, y);
    for (int i = 0; i < 2; i++)
        for (int j = 0; j < 3; j++)
            for (int k = 0; k < 4; k++) NEAR(i + 2 * j + 6 * k, y[(i * 3 + j) * 4 + k], 0);
    convd_faults_free(f);
    free(whole);
    free(d);
}
TEST(what_is_written_is_read_back_and_padded_as_numpy_does)
{
    float x[24];
    for (int i = 0; i < 24; i++) x[i] = (float)i / 7;
    for (int rank = 0; rank <= 4; rank++) {
        struct convd_tensor t = {.name = "", .rank = rank, .dim = {1, 2, 3, 4}, .data = x};
        if (rank)
            t.dim[0] = rank == 4 ? 1 : 4;
        size_t count = 1;
        for (int i = 0; i < rank; i++) count *= (size_t)t.dim[i];
        struct convd_bytes out = {0};
        OK(convd_npy_write(&t, &out));
        size_t head = 10u + out.data[8] + 256u * out.data[9];
        EQ(0, head % 64);
        EQ('\n', out.data[head - 1]);
        EQ(head + 4 * count, out.n);
        struct convd_stored s;
        struct convd_faults *f = convd_faults_new();
        OK(convd_npy_open(out.data, out.n, &s, NULL, f));
        EQ(rank, s.rank);
        for (int i = 0; i < rank; i++) EQ(t.dim[i], s.dim[i]);
        float y[24];
        convd_stored_read(&s, y);
        EQ(0, memcmp(x, y, 4 * count));
        convd_faults_free(f);
        convd_bytes_release(&out);
    }
}
TEST(a_file_cut_anywhere_is_refused)
{
    size_t n;
    uint8_t *d = exact_file("tensors/f32_v2.npy", &n);
    for (size_t k = 0; k < n; k++) {
        uint8_t *cut = malloc(k + !k);
        memcpy(cut, d, k);
        struct decoded x = decode_picture(cut, k);
        OK(!x.good);
        decoded_free(&x);
        free(cut);
    }
    free(d);
}
TEST(the_limits_hold_for_tensors)
{
    size_t n;
    uint8_t *d = exact_file("tensors/nchw_f32.npy", &n); /* 2 x 3 x 5 x 6 */
    struct decoded x = decode_with(d, n, &(struct convd_decode_options){.max_side = 5}, 0);
    EQ(CONVD_IMAGE_TOO_LARGE, x.code);
    x = decode_with(d, n, &(struct convd_decode_options){.max_pixels = 59}, 0);
    EQ(CONVD_IMAGE_TOO_LARGE, x.code);
    x = decode_with(d, n, &(struct convd_decode_options){.max_pixels = 60, .max_side = 6}, 0);
    OK(x.good);
    EQ(2, x.info.input.n);
    EQ(3, x.info.input.stored);
    decoded_free(&x);
    free(d);
}
T_MAIN("core/npy")
