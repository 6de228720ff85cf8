/* .safetensors in and out: a file of other hands, headers by hand, what must not be believed, truncation. */
#include "picture.h"

static uint8_t *made(const char *header, size_t bytes, size_t *n)
{
    size_t length = strlen(header);
    uint8_t *d = calloc(1, 8 + length + bytes);
    d[0] = (uint8_t)length;
    d[1] = (uint8_t)(length >> 8);
    memcpy(d + 8, header, length);
    for (size_t i = 0; i < bytes; i++) d[8 + length + i] = (uint8_t)i;
    *n = 8 + length + bytes;
    return d;
}
struct opened {
    struct convd_arena mem;
    struct convd_faults *f;
    struct convd_stored *list;
    size_t count;
    int code; /* 0: read */
    uint8_t *data;
};
static struct opened opens(const char *header, size_t bytes)
{
    struct opened o = {.f = convd_faults_new()};
    size_t n;
    o.data = made(header, bytes, &n);
    convd_arena_init(&o.mem, NULL, 0);
    bool good = convd_safetensors_open(o.data, n, &o.list, &o.count, &o.mem, o.f);
    EQ(good, convd_faults_count(o.f) == 0);
    o.code = good ? 0 : convd_faults_first(o.f)->code;
    return o;
}
static void closes(struct opened *o)
{
    convd_arena_release(&o->mem);
    convd_faults_free(o->f);
    free(o->data);
}
TEST(three_tensors_of_another_program)
{
    static const char *const names[] = {"image", "bank", "bias"};
    size_t n, found = 0;
    uint8_t *d = exact_file("tensors/three.safetensors", &n);
    struct convd_arena mem;
    convd_arena_init(&mem, NULL, 0);
    struct convd_faults *f = convd_faults_new();
    struct convd_stored *list;
    size_t count;
    OK(convd_safetensors_open(d, n, &list, &count, &mem, f));
    EQ(3, count);
    for (size_t i = 0; i < count; i++)
        for (size_t k = 0; k < 3; k++) {
            if (strcmp(list[i].name, names[k]) != 0)
                continue;
            found++;
            char path[64];
            snprintf(path, sizeof path, "tensors/three.safetensors.%s.npy", names[k]);
            size_t size;
            uint8_t *right = t_file(path, &size);
            size_t head = 10u + right[8] + 256u * right[9];
            EQ(size - head, 4 * list[i].count);
            float *y = malloc(4 * list[i].count);
            convd_stored_read(&list[i], y);
            EQ(0, memcmp(y, right + head, size - head));
            free(y);
            free(right);
        }
    EQ(3, found);
    convd_faults_free(f);
    convd_arena_release(&mem);
    free(d);
}
TEST(members_in_any_order_metadata_and_escapes)
{
    struct opened o = opens("{\"__metadata__\":{\"format\":\"pt\",\"a\":\"\\u00e9\"}, \"b\\u0041\\n\\ud83d\\ude00\" : "
                            "{\"shape\":[2],\"data_offsets\":[1,5],\"dtype\":\"F16\"},\"a\":{\"dtype\":\"U8\",\"shape\":[],"
                            "\"data_offsets\":[0,1]}}    ",
                            5);
    EQ(0, o.code);
    EQ(2, o.count);
    STR("bA\n\xf0\x9f\x98\x80", o.list[0].name);
    STR("a", o.list[1].name);
    EQ(0, o.list[1].rank);
    EQ(0, *o.list[1].data);
    EQ(1, *o.list[0].data);
    closes(&o);
}
TEST(every_dtype)
{
    static const struct {
        const char *name;
        int size;
        uint8_t bytes[8];
        float value;
    } types[] = {{"F64", 8, {0, 0, 0, 0, 0, 0, 0xf8, 0x3f}, 1.5f},
                 {"F32", 4, {0, 0, 0xc0, 0x3f}, 1.5f},
                 {"F16", 2, {0, 0x3e}, 1.5f},
                 {"BF16", 2, {0xc0, 0x3f}, 1.5f},
                 {"I64", 8, {0xfe, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff}, -2},
                 {"I32", 4, {0xfe, 0xff, 0xff, 0xff}, -2},
                 {"I16", 2, {0xfe, 0xff}, -2},
                 {"I8", 1, {0xfe}, -2},
                 {"U64", 8, {2}, 2},
                 {"U32", 4, {2}, 2},
                 {"U16", 2, {2}, 2},
                 {"U8", 1, {2}, 2},
                 {"BOOL", 1, {1}, 1}};
    for (size_t i = 0; i < sizeof types / sizeof types[0]; i++) {
        char header[128];
        snprintf(header, sizeof header, "{\"x\":{\"dtype\":\"%s\",\"shape\":[1],\"data_offsets\":[0,%d]}}", types[i].name,
                 types[i].size);
        struct opened o = opens(header, (size_t)types[i].size);
        EQ(0, o.code);
        memcpy(o.data + 8 + strlen(header), types[i].bytes, (size_t)types[i].size);
        float y;
        convd_stored_read(o.list, &y);
        NEAR(types[i].value, y, 0);
        closes(&o);
    }
}
TEST(what_is_refused)
{
#define ONE(SHAPE, OFFSETS) "{\"x\":{\"dtype\":\"U8\",\"shape\":" SHAPE ",\"data_offsets\":" OFFSETS "}}"
#define TWO(NAME, A, B)                                                                                            \
    "{\"x\":{\"dtype\":\"U8\",\"shape\":[2],\"data_offsets\":" A "},\"" NAME                                        \
    "\":{\"dtype\":\"U8\",\"shape\":[2],\"data_offsets\":" B "}}"
    static const struct {
        const char *header;
        size_t bytes;
        int code;
    } bad[] = {
        {"", 4, CONVD_BAD_IMAGE},
        {"{", 4, CONVD_BAD_IMAGE},
        {"[]", 4, CONVD_BAD_IMAGE},
        {"{} x", 0, CONVD_BAD_IMAGE},
        {"{}", 4, CONVD_BAD_IMAGE}, /* a rest */
        {"{\"x\":1}", 4, CONVD_BAD_IMAGE},
        {"{\"x\":{}}", 4, CONVD_BAD_IMAGE},
        {"{\"x\":{\"dtype\":\"U8\",\"shape\":[4]}}", 4, CONVD_BAD_IMAGE},
        {"{\"x\":{\"dtype\":\"U8\",\"dtype\":\"U8\",\"shape\":[4],\"data_offsets\":[0,4]}}", 4, CONVD_BAD_IMAGE},
        {"{\"x\":{\"dtype\":\"C64\",\"shape\":[4],\"data_offsets\":[0,4]}}", 4, CONVD_BAD_IMAGE},
        {"{\"x\":{\"dtype\":\"U8\",\"shape\":[4],\"data_offsets\":[0,4],\"more\":1}}", 4, CONVD_BAD_IMAGE},
        {"{\"x\\u0000\":{\"dtype\":\"U8\",\"shape\":[4],\"data_offsets\":[0,4]}}", 4, CONVD_BAD_IMAGE},
        {"{\"x\\q\":{\"dtype\":\"U8\",\"shape\":[4],\"data_offsets\":[0,4]}}", 4, CONVD_BAD_IMAGE},
        {"{\"x\\ud800\":{\"dtype\":\"U8\",\"shape\":[4],\"data_offsets\":[0,4]}}", 4, CONVD_BAD_IMAGE},
        {"{\"x\":{\"dtype\":\"U8\",\"shape\":[4],\"data_offsets\":[0,4]},}", 4, CONVD_BAD_IMAGE},
        {"{\"__metadata__\":{\"a\":1}}", 0, CONVD_BAD_IMAGE},
        {"{\"__metadata__\":{},\"__metadata__\":{}}", 0, CONVD_BAD_IMAGE},
        {ONE("[4]", "[0,5]"), 5, CONVD_BAD_IMAGE},
        {ONE("[4]", "[0,4]"), 3, CONVD_BAD_IMAGE},
        {ONE("[4]", "[4,0]"), 4, CONVD_BAD_IMAGE},
        {ONE("[4]", "[1,5]"), 5, CONVD_BAD_IMAGE},
        {ONE("[4]", "[0,4,4]"), 4, CONVD_BAD_IMAGE},
        {ONE("[-4]", "[0,4]"), 4, CONVD_BAD_IMAGE},
        {ONE("[4.0]", "[0,4]"), 4, CONVD_BAD_IMAGE},
        {ONE("[04]", "[0,4]"), 4, CONVD_BAD_IMAGE},
        {ONE("[4294967296,4294967296,4294967296]", "[0,4]"), 4, CONVD_BAD_IMAGE},
        {ONE("[99999999999999999999]", "[0,4]"), 4, CONVD_BAD_IMAGE},
        {ONE("[0]", "[0,0]"), 0, CONVD_BAD_SHAPE},
        {ONE("[1,1,1,1,4]", "[0,4]"), 4, CONVD_BAD_SHAPE},
        {TWO("y", "[0,2]", "[1,3]"), 3, CONVD_BAD_IMAGE},
        {TWO("y", "[0,2]", "[0,2]"), 2, CONVD_BAD_IMAGE},
        {TWO("y", "[0,2]", "[3,5]"), 5, CONVD_BAD_IMAGE},
        {TWO("y", "[0,2]", "[2,4]"), 5, CONVD_BAD_IMAGE},
        {TWO("x", "[0,2]", "[2,4]"), 4, CONVD_BAD_IMAGE},
        {TWO("\\u0078", "[0,2]", "[2,4]"), 4, CONVD_BAD_IMAGE},
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct opened o = opens(bad[i].header, bad[i].bytes);
        if (o.code != bad[i].code)
            T_FAIL("code %d, expected %d: %s", o.code, bad[i].code, bad[i].header);
        closes(&o);
    }
    struct opened o = opens(TWO("y", "[2,4]", "[0,2]"), 4); /* the other way round is fine */
    EQ(0, o.code);
    closes(&o);
}
static bool writes(const struct convd_tensor *const *list, size_t n, struct convd_bytes *out)
{
    *out = (struct convd_bytes){0};
    return convd_safetensors_write(list, n, out);
}
TEST(what_is_written_is_sorted_aligned_and_read_back)
{
    float x[] = {1, 2, 3, 4, 5, 6}, y[] = {-1};
    struct convd_tensor b = {.name = "b\"\\\n\xc3\xa9", .rank = 2, .dim = {2, 3}, .data = x}, a = {.name = "a", .data = y};
    struct convd_bytes out, again;
    OK(writes((const struct convd_tensor *const[]){&b, &a}, 2, &out));
    OK(writes((const struct convd_tensor *const[]){&a, &b}, 2, &again));
    EQ(out.n, again.n);
    EQ(0, memcmp(out.data, again.data, out.n));
    EQ(0, out.data[0] % 8);
    struct convd_arena mem;
    convd_arena_init(&mem, NULL, 0);
    struct convd_faults *f = convd_faults_new();
    struct convd_stored *list;
    size_t count;
    OK(convd_safetensors_open(out.data, out.n, &list, &count, &mem, f));
    EQ(2, count);
    STR("a", list[0].name);
    STR(b.name, list[1].name);
    EQ(0, memcmp(list[0].data, y, sizeof y));
    EQ(0, memcmp(list[1].data, x, sizeof x));
    EQ(3, list[1].dim[1]);
    convd_bytes_release(&again);
    OK(writes(NULL, 0, &again));
    OK(convd_safetensors_open(again.data, again.n, &list, &count, &mem, f));
    EQ(0, count);
    convd_faults_free(f);
    convd_arena_release(&mem);
    convd_bytes_release(&out);
    convd_bytes_release(&again);
}
TEST(a_file_cut_anywhere_is_refused)
{
    size_t n;
    uint8_t *d = exact_file("tensors/three.safetensors", &n);
    for (size_t k = 0; k < n; k += k < 600 ? 1 : 97) {
        uint8_t *cut = malloc(k + !k);
        memcpy(cut, d, k);
        struct decoded x = decode_picture(cut, k);
        OK(!x.good);
        decoded_free(&x);
        free(cut);
    }
    free(d);
}
TEST(as_a_picture_it_is_the_tensor_image_or_the_only_one)
{
    size_t n;
    uint8_t *d = exact_file("tensors/three.safetensors", &n);
    struct decoded x = decode_picture(d, n);
    OK(x.good);
    EQ(x.info.input.stored, x.info.input.channels);
    decoded_free(&x);
    free(d);
    d = made("{\"only\":{\"dtype\":\"U8\",\"shape\":[2,3],\"data_offsets\":[0,6]}}", 6, &n);
    x = decode_picture(d, n);
    OK(x.good);
    EQ(2, x.info.input.height);
    NEAR(5, ((float *)(void *)x.pixels)[5], 0);
    decoded_free(&x);
    free(d);
    d = made("{\"a\":{\"dtype\":\"U8\",\"shape\":[2],\"data_offsets\":[0,2]},\"b\":{\"dtype\":\"U8\",\"shape\":[2,2],"
             "\"data_offsets\":[2,6]}}",
             6, &n);
    x = decode_picture(d, n);
    EQ(CONVD_BAD_IMAGE, x.code);
    free(d);
    d = made("{\"image\":{\"dtype\":\"U8\",\"shape\":[2],\"data_offsets\":[0,2]}}", 2, &n);
    x = decode_picture(d, n);
    EQ(CONVD_BAD_SHAPE, x.code);
    free(d);
}
T_MAIN("core/safetensors")
