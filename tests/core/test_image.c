/* Pictures in and out: every file of tests/data/images and tests/data/hostile, limits, truncation, round trips. */
#include "picture.h"

/* The numbers of an npy of f32, version 1, by the plainest reading. */
static float *expected_numbers(const char *name, size_t *count)
{
    size_t n;
    uint8_t *d = t_file(name, &n);
    size_t head = 10u + d[8] + 256u * d[9];
    OK(memcmp(d, "\x93NUMPY\1", 7) == 0 && memmem(d, head, "'<f4'", 5) && memmem(d, head, "'fortran_order': False", 22));
    *count = (n - head) / 4;
    float *x = malloc(n - head);
    memcpy(x, d + head, n - head);
    free(d);
    return x;
}
static double compare_pixels(const struct decoded *d, const char *name)
{
    size_t count, k = 0;
    float *x = expected_numbers(name, &count);
    const struct convd_input *in = &d->info.input;
    EQ(count, in->n * in->channels * in->height * in->width);
    double worst = 0;
    for (ptrdiff_t n = 0; n < in->n; n++)
        for (ptrdiff_t c = 0; c < in->channels; c++)
            for (ptrdiff_t y = 0; y < in->height; y++)
                for (ptrdiff_t j = 0; j < in->width; j++)
                    worst = fmax(worst, fabs(pixel_at(d, n, c, y, j) - (double)x[k++]));
    free(x);
    return worst;
}
static double compare_means(const struct decoded *d, const char *text)
{
    const struct convd_input *in = &d->info.input;
    double worst = 0;
    for (int i = 0; i < 8; i++)
        for (int j = 0; j < 8; j++)
            for (int c = 0; c < 3; c++) {
                ptrdiff_t y0 = i * in->height / 8, y1 = (i + 1) * in->height / 8;
                ptrdiff_t x0 = j * in->width / 8, x1 = (j + 1) * in->width / 8;
                double sum = 0;
                for (ptrdiff_t y = y0; y < y1; y++)
                    for (ptrdiff_t x = x0; x < x1; x++) sum += pixel_at(d, 0, c, y, x);
                worst = fmax(worst, fabs(sum / (double)((y1 - y0) * (x1 - x0)) - strtod(text, (char **)&text)));
                text += *text == ',';
            }
    return worst;
}
static bool is_refusal(int code)
{
    return code == CONVD_BAD_IMAGE || code == CONVD_IMAGE_TOO_LARGE || code == CONVD_UNSUPPORTED || code == CONVD_BAD_SHAPE;
}
static int check_picture(const struct row *r)
{
    size_t n;
    void *data = exact_file(r->column[0], &n);
    struct decoded d = decode_picture(data, n);
    int wrong = 0;
    bool want = strcmp(r->column[1], "ok") == 0, either = strcmp(r->column[1], "either") == 0;
    if (!either && d.good != want) {
        print_error("%s: %s\n", r->column[0], d.good ? "read, but should be refused" : d.words);
        wrong = 1;
    } else if (!d.good) {
        OK(is_refusal(d.code));
    } else {
        double tolerance = strtod(r->column[4], NULL), off = 0;
        if (atol(r->column[2]) && (atol(r->column[2]) != d.info.input.width || atol(r->column[3]) != d.info.input.height)) {
            print_error("%s: %td x %td\n", r->column[0], d.info.input.width, d.info.input.height);
            wrong = 1;
        } else {
            if (r->column[5][0] != '-')
                off = compare_pixels(&d, r->column[5]);
            if (r->column[6][0] != '-')
                off = fmax(off, compare_means(&d, r->column[6]));
            /* In float: means were written with one digit, thirds of 16-bit values have no end. */
            if (off > tolerance + 1e-4) {
                print_error("%s: off by %g, %g is allowed\n", r->column[0], off, tolerance);
                wrong = 1;
            }
        }
    }
    decoded_free(&d);
    free(data);
    return wrong;
}
TEST(every_picture_has_its_size_and_pixels)
{
    char *list = t_file("images/expected.tsv", NULL), *at = list;
    struct row r;
    int files = 0, wrong = 0;
    for (; next_row(&at, &r); files++) wrong += check_picture(&r);
    free(list);
    EQ(179, files);
    EQ(0, wrong);
}
/* Decoding twice over different old contents gives the same bytes: nothing shows through. */
static bool shows_memory(const void *data, size_t n)
{
    struct decoded a = decode_with(data, n, &rgb_over_white, 0x11), b = decode_with(data, n, &rgb_over_white, 0xEE);
    bool shows = a.good != b.good || (a.good && memcmp(a.pixels, b.pixels, a.info.bytes) != 0);
    decoded_free(&a);
    decoded_free(&b);
    return shows;
}
TEST(hostile_files_are_refused_and_show_no_memory)
{
    char *list = t_file("hostile/expected.tsv", NULL), *at = list;
    struct row r;
    int files = 0, wrong = 0;
    for (; next_row(&at, &r); files++) {
        size_t n;
        void *data = exact_file(r.column[0], &n);
        struct decoded d = decode_picture(data, n);
        bool right = strcmp(r.column[1], "either") == 0 || d.good == (strcmp(r.column[1], "ok") == 0);
        if (!right || (!d.good && !is_refusal(d.code))) {
            print_error("%s: %s\n", r.column[0], d.good ? "read" : d.words);
            wrong++;
        }
        bool large = d.info.bytes > 50000000;
        decoded_free(&d);
        if (!large && shows_memory(data, n)) {
            print_error("%s: shows memory\n", r.column[0]);
            wrong++;
        }
        free(data);
    }
    free(list);
    EQ(130, files);
    EQ(0, wrong);
}

/* ---- pictures made here ------------------------------------------------------------------------------------- */

static struct convd_bytes encoded(const char *codec, const void *data, ptrdiff_t w, ptrdiff_t h, ptrdiff_t c, int depth,
                                  struct convd_encode_options o)
{
    static struct counting mem;
    counting_init(&mem);
    struct convd_bytes out = {.memory = &mem.base};
    struct convd_faults *f = convd_faults_new();
    struct convd_picture p = {.data = data, .width = w, .height = h, .channels = c, .depth = depth};
    bool good = convd_image_encode(convd_codec_named(codec), &p, &o, &out, f);
    if (!good)
        T_FAIL("%s: %s", codec, convd_faults_first(f)->detail);
    OK(mem.peak <= convd_image_encode_bound(convd_codec_named(codec), w, h, c, depth));
    EQ(mem.now, out.room);
    convd_faults_free(f);
    /* Handed on from the heap, exactly as long as it is. */
    struct convd_bytes exact = {.data = convd_take(NULL, out.n), .n = out.n, .room = out.n};
    memcpy(exact.data, out.data, out.n);
    convd_bytes_release(&out);
    return exact;
}
/* Smooth with an edge, different in every channel, so that lossy codecs stay near. */
static void *scene(ptrdiff_t w, ptrdiff_t h, ptrdiff_t c, int depth)
{
    uint8_t *x = malloc((size_t)(w * h * c * depth / 8));
    for (ptrdiff_t k = 0; k < w * h * c; k++) {
        ptrdiff_t i = k / c / w, j = k / c % w, ch = k % c;
        double v = 128 + 60 * sin((double)(i + 2 * ch) / 9) + 60 * cos((double)j / 7) + (j > w / 2 ? 7 : 0);
        if (depth == 8)
            x[k] = (uint8_t)v;
        else if (depth == 16)
            ((uint16_t *)(void *)x)[k] = (uint16_t)(v * 256.3);
        else
            ((float *)(void *)x)[k] = (float)(v / 50);
    }
    return x;
}
static const struct convd_encode_options usual = {.quality = 0, .compression = -1};

/* A chunk before IDAT of a PNG that was written here. */
static struct convd_bytes with_exif(const struct convd_bytes *png, int orientation)
{
    uint8_t chunk[12 + 26] = {0, 0, 0, 26, 'e', 'X', 'I', 'f', 'M', 'M', 0, 42, 0, 0, 0, 8, 0, 1, 1, 0x12, 0, 3, 0, 0, 0, 1, 0};
    chunk[27] = (uint8_t)orientation;
    uint32_t crc = libdeflate_crc32(0, chunk + 4, 30);
    for (int i = 0; i < 4; i++) chunk[34 + i] = (uint8_t)(crc >> (24 - 8 * i));
    struct convd_bytes out = {0};
    convd_bytes_put(&out, png->data, 33);
    convd_bytes_put(&out, chunk, sizeof chunk);
    convd_bytes_put(&out, png->data + 33, png->n - 33);
    return out;
}
/* Where an upright pixel comes from: EXIF 2.32, 4.6.4, figure of the eight orientations. */
static void source_of(int o, ptrdiff_t H, ptrdiff_t W, ptrdiff_t y, ptrdiff_t x, ptrdiff_t *i, ptrdiff_t *j)
{
    bool turned = o >= 5;
    *i = turned ? x : y;
    *j = turned ? y : x;
    if (o == 3 || o == 4 || o == 6 || o == 7)
        *i = H - 1 - *i;
    if (o == 2 || o == 3 || o == 7 || o == 8)
        *j = W - 1 - *j;
}
static void orientation_is_applied(int o, ptrdiff_t c, int depth, bool keep)
{
    enum { H = 21, W = 37 };
    const uint8_t *x = scene(W, H, c, depth);
    struct convd_bytes png = encoded("png", x, W, H, c, depth, usual), turned = with_exif(&png, o);
    struct convd_decode_options opts = {.channels = c == 4 && !keep ? CONVD_RGBA : CONVD_RGB, .keep_alpha = keep};
    struct decoded d = decode_with(turned.data, turned.n, &opts, 0x5A);
    if (!d.good)
        T_FAIL("%s", d.words);
    EQ(o, d.info.orientation);
    EQ(o >= 5 ? H : W, d.info.input.width);
    size_t size = (size_t)depth / 8, stored = (size_t)d.info.input.stored * size;
    EQ(keep ? c - 1 : c, d.info.input.stored);
    for (ptrdiff_t y = 0; y < d.info.input.height; y++)
        for (ptrdiff_t k = 0; k < d.info.input.width; k++) {
            ptrdiff_t i, j;
            source_of(o, H, W, y, k, &i, &j);
            const uint8_t *from = x + (size_t)((i * W + j) * c) * size;
            if (memcmp(from, d.pixels + (size_t)(y * d.info.input.width + k) * stored, stored) != 0)
                T_FAIL("orientation %d, %td channels of %d bits: (%td,%td) is not (%td,%td)", o, c, depth, y, k, i, j);
            if (keep && depth == 8)
                EQ(from[c - 1], d.alpha[y * d.info.input.width + k]);
        }
    opts.raw_orientation = true;
    struct decoded raw = decode_with(turned.data, turned.n, &opts, 0x5A);
    EQ(W, raw.info.input.width);
    if (!keep)
        EQ(0, memcmp(raw.pixels, x, raw.info.bytes));
    decoded_free(&raw);
    decoded_free(&d);
    convd_bytes_release(&png);
    convd_bytes_release(&turned);
    free((void *)(uintptr_t)x);
}
TEST(every_orientation_of_every_kind_of_pixel)
{
    for (int o = 1; o <= 8; o++)
        for (ptrdiff_t c = 1; c <= 4; c++) {
            if (c != 2) {
                orientation_is_applied(o, c, 8, false);
                orientation_is_applied(o, c, 16, false);
            }
            if (c == 2 || c == 4)
                orientation_is_applied(o, c, 8, true);
        }
}

/* ---- channels and alpha ------------------------------------------------------------------------------------- */

static void stored_as(ptrdiff_t c, struct convd_decode_options o, ptrdiff_t stored, ptrdiff_t channels, bool alpha_plane)
{
    const uint8_t pixel[4] = {10, 200, 30, 128};
    struct convd_bytes png = encoded("png", pixel, 1, 1, c, 8, usual);
    struct decoded d = decode_with(png.data, png.n, &o, 0x5A);
    OK(d.good);
    EQ(stored, d.info.input.stored);
    EQ(channels, d.info.input.channels);
    EQ(alpha_plane, d.alpha != NULL);
    decoded_free(&d);
    convd_bytes_release(&png);
}
TEST(what_is_stored_follows_the_file_and_channels_what_was_asked)
{
    for (int kind = CONVD_RGB; kind <= CONVD_RGBA; kind++) {
        ptrdiff_t channels = kind == CONVD_RGB ? 3 : kind == CONVD_GRAY ? 1 : 4;
        struct convd_decode_options o = {.channels = (enum convd_channels)kind}, keep = o, red = o;
        keep.keep_alpha = true;
        red.background[0] = 255;
        stored_as(1, o, 1, channels, false);
        stored_as(3, o, 3, channels, false);
        stored_as(1, keep, 1, channels, false);
        stored_as(2, o, kind == CONVD_RGBA ? 4 : 1, channels, false);
        stored_as(2, red, kind == CONVD_RGBA ? 4 : 3, channels, false);
        stored_as(4, o, kind == CONVD_RGBA ? 4 : 3, channels, false);
        stored_as(2, keep, kind == CONVD_RGBA ? 4 : 1, channels, true);
        stored_as(4, keep, kind == CONVD_RGBA ? 4 : 3, channels, true);
    }
}
/* All 65,536 pairs of value and alpha over three backgrounds against the exact quotient, rounded. */
TEST(alpha_is_composited_exactly)
{
    uint8_t *x = malloc(65536 * 4);
    for (int k = 0; k < 65536; k++) {
        x[4 * k] = (uint8_t)k;
        x[4 * k + 1] = (uint8_t)(255 - k);
        x[4 * k + 2] = 77;
        x[4 * k + 3] = (uint8_t)(k >> 8);
    }
    struct convd_bytes png = encoded("png", x, 256, 256, 4, 8, usual);
    struct convd_decode_options o = {.background = {255, 0, 128}};
    struct decoded d = decode_with(png.data, png.n, &o, 0);
    OK(d.good);
    for (int k = 0; k < 65536; k++)
        for (int c = 0; c < 3; c++) {
            int a = x[4 * k + 3], sum = x[4 * k + c] * a + o.background[c] * (255 - a);
            EQ((2 * sum + 255) / 510, d.pixels[3 * k + c]);
        }
    decoded_free(&d);
    convd_bytes_release(&png);
    free(x);
}
TEST(sixteen_bit_alpha_is_composited_in_16_bits)
{
    const uint16_t x[] = {1000, 65535, 0, 32768, /**/ 1, 2, 3, 65535, /**/ 9, 9, 9, 0};
    struct convd_bytes png = encoded("png", x, 3, 1, 4, 16, usual);
    struct convd_decode_options o = {.background = {255, 0, 1}, .keep_alpha = false};
    struct decoded d = decode_with(png.data, png.n, &o, 0);
    OK(d.good);
    const uint16_t *y = (const uint16_t *)(const void *)d.pixels;
    for (int c = 0; c < 3; c++)
        NEAR(floor((x[c] * 32768.0 + o.background[c] * 257.0 * 32767.0) / 65535 + 0.5), y[c], 0);
    EQ(2, y[4]);
    EQ(65535, y[6]);
    EQ(257, y[8]);
    decoded_free(&d);
    o.keep_alpha = true;
    d = decode_with(png.data, png.n, &o, 0);
    EQ(128, d.alpha[0]);
    EQ(255, d.alpha[1]);
    EQ(0, d.alpha[2]);
    decoded_free(&d);
    convd_bytes_release(&png);
}
TEST(light_is_planes_and_its_gray_is_luma)
{
    const float x[] = {1, 2, 4, 0.5f, 0.25f, 8};
    struct convd_bytes hdr = encoded("hdr", x, 2, 1, 3, 32, usual);
    struct convd_decode_options o = {.channels = CONVD_RGBA};
    struct decoded d = decode_with(hdr.data, hdr.n, &o, 0x5A);
    OK(d.good);
    EQ(CONVD_F32_NCHW, d.info.input.pixels);
    EQ(4, d.info.input.stored);
    const float right[] = {1, 0.5f, 2, 0.25f, 4, 8, 255, 255};
    for (int k = 0; k < 8; k++) NEAR(right[k], ((float *)(void *)d.pixels)[k], 0.02);
    decoded_free(&d);
    o.channels = CONVD_GRAY;
    d = decode_with(hdr.data, hdr.n, &o, 0x5A);
    EQ(1, d.info.input.stored);
    NEAR(0.299 + 2 * 0.587 + 4 * 0.114, ((float *)(void *)d.pixels)[0], 0.02);
    decoded_free(&d);
    convd_bytes_release(&hdr);
}

/* ---- limits ------------------------------------------------------------------------------------------------- */

/* A PNG of w x h black pixels of one bit. */
static struct convd_bytes black_png(uint32_t w, uint32_t h)
{
    size_t n = ((size_t)w / 8 + 2) * h;
    uint8_t *zero = calloc(1, n), *packed = malloc(n / 500 + 1000);
    struct libdeflate_compressor *c = libdeflate_alloc_compressor(1);
    size_t k = libdeflate_zlib_compress(c, zero, ((w + 7) / 8 + 1) * (size_t)h, packed, n / 500 + 1000);
    OK(k > 0);
    struct convd_bytes out = {0};
    uint8_t head[33] = "\x89PNG\r\n\x1a\n\0\0\0\rIHDR", chunk[8] = {0};
    for (int i = 0; i < 4; i++) {
        head[16 + i] = (uint8_t)(w >> (24 - 8 * i));
        head[20 + i] = (uint8_t)(h >> (24 - 8 * i));
        chunk[i] = (uint8_t)(k >> (24 - 8 * i));
    }
    head[24] = 1;
    uint32_t crc = libdeflate_crc32(0, head + 12, 17);
    for (int i = 0; i < 4; i++) head[29 + i] = (uint8_t)(crc >> (24 - 8 * i));
    memcpy(chunk + 4, "IDAT", 4);
    convd_bytes_put(&out, head, 33);
    convd_bytes_put(&out, chunk, 8);
    convd_bytes_put(&out, packed, k);
    crc = libdeflate_crc32(libdeflate_crc32(0, "IDAT", 4), packed, k);
    for (int i = 0; i < 4; i++) chunk[i] = (uint8_t)(crc >> (24 - 8 * i));
    convd_bytes_put(&out, chunk, 4);
    convd_bytes_put(&out, "\0\0\0\0IEND\xae\x42\x60\x82", 12);
    libdeflate_free_compressor(c);
    free(zero);
    free(packed);
    return out;
}
TEST(sixty_four_million_pixels_pass_and_one_column_more_does_not)
{
    struct convd_bytes good = black_png(8000, 8000), more = black_png(8001, 8000);
    struct convd_faults *f = convd_faults_new();
    struct convd_image_info info;
    OK(convd_image_info(good.data, good.n, &rgb_over_white, &info, f));
    EQ(64000000, info.bytes);
    OK(!convd_image_info(more.data, more.n, &rgb_over_white, &info, f));
    /* The header alone is enough for that. */
    OK(!convd_image_info(more.data, 33, &rgb_over_white, &info, f));
    EQ(2, convd_faults_count(f));
    const struct convd_fault *first = convd_faults_first(f);
    EQ(CONVD_IMAGE_TOO_LARGE, first->code);
    NEAR(64e6, first->limit, 0);
    NEAR(64008000, first->actual, 0);
    EQ(CONVD_IMAGE_TOO_LARGE, first->next->code);
    convd_faults_free(f);
    convd_bytes_release(&good);
    convd_bytes_release(&more);
}
TEST(a_side_may_have_32768_pixels)
{
    struct convd_bytes good = black_png(32768, 1), more = black_png(1, 32769);
    struct decoded a = decode_picture(good.data, good.n), b = decode_picture(more.data, more.n);
    OK(a.good);
    EQ(CONVD_IMAGE_TOO_LARGE, b.code);
    decoded_free(&a);
    decoded_free(&b);
    convd_bytes_release(&good);
    convd_bytes_release(&more);
}

/* ---- what is no picture ------------------------------------------------------------------------------------- */

TEST(other_files_are_named_in_the_fault)
{
    static const struct {
        const char *bytes;
        size_t n;
        const char *word;
    } others[] = {{"II*\0\10\0\0\0", 8, "TIFF"},
                  {"\0\0\0\x1c" "ftypavif....", 16, "AVIF"},
                  {"\x1f\x8b\x08\0\0\0\0\0", 8, "gzip"},
                  {"  <!DOCTYPE HTML><html>", 23, "HTML"},
                  {"<svg xmlns=''/>", 15, "SVG"},
                  {"{\"a\": 1}", 8, "JSON"},
                  {"hello, world", 12, "text"},
                  {"\x7f" "ELF\2\1\1", 7, "ELF"},
                  {"%PDF-1.7", 8, "PDF"},
                  {"\1\2\3\4\5\6\7", 7, "no format"}};
    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++) {
        struct convd_faults *f = convd_faults_new();
        struct convd_image_info info;
        OK(!convd_image_info(others[i].bytes, others[i].n, &rgb_over_white, &info, f));
        const struct convd_fault *first = convd_faults_first(f);
        EQ(CONVD_UNSUPPORTED, first->code);
        if (!strstr(first->detail, others[i].word))
            T_FAIL("no %s in: %s", others[i].word, first->detail);
        STR("one of PNG, JPEG, WebP, GIF, BMP, PSD, HDR, PNM, npy, safetensors or TGA", first->expected);
        convd_faults_free(f);
    }
}
TEST(codecs_are_found_by_name_extension_and_media_type)
{
    STR("jpeg", convd_codec_named("jpg")->name);
    STR("jpeg", convd_codec_named("jpeg")->name);
    STR("ppm", convd_codec_named("pgm")->name);
    STR("png", convd_codec_named("png")->name);
    STR("bmp", convd_codec_of_media("image/x-ms-bmp")->name);
    STR("webp", convd_codec_of_media("image/webp")->name);
    OK(!convd_codec_named("exe") && !convd_codec_named("") && !convd_codec_named("jp") && !convd_codec_of_media("image/"));
    size_t n = 0;
    for (const struct convd_codec *c; (c = convd_codec_at(n)); n++) {
        OK(c->name && c->title && c->media && c->extensions && c->sniff && c->info && c->decode);
        EQ(!c->encode, !c->bound);
    }
    EQ(11, n);
}

/* ---- out and in again --------------------------------------------------------------------------------------- */

static double round_trip(const char *codec, ptrdiff_t w, ptrdiff_t h, ptrdiff_t c, int depth, struct convd_encode_options o)
{
    uint8_t *x = scene(w, h, c, depth);
    struct convd_bytes out = encoded(codec, x, w, h, c, depth, o);
    struct convd_decode_options opts = {.channels = c == 4 || c == 2 ? CONVD_RGBA : CONVD_RGB, .background = {255, 255, 255}};
    struct decoded d = decode_with(out.data, out.n, &opts, 0x5A);
    if (!d.good)
        T_FAIL("%s %tdx%tdx%td: %s", codec, w, h, c, d.words);
    EQ(w, d.info.input.width);
    EQ(h, d.info.input.height);
    double worst = 0;
    for (ptrdiff_t k = 0; k < w * h * c; k++) {
        double v = depth == 8 ? x[k] : depth == 16 ? ((uint16_t *)(void *)x)[k] / 257.0 : (double)((float *)(void *)x)[k];
        ptrdiff_t ch = k % c, at = c == 2 && ch == 1 ? 3 : ch;
        worst = fmax(worst, fabs(v - pixel_at(&d, 0, at, k / c / w, k / c % w)));
    }
    decoded_free(&d);
    convd_bytes_release(&out);
    free(x);
    return worst;
}
TEST(what_is_written_without_loss_comes_back)
{
    static const ptrdiff_t sizes[][2] = {{1, 1}, {7, 1}, {1, 9}, {16, 16}, {33, 17}, {300, 5}};
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        ptrdiff_t w = sizes[i][0], h = sizes[i][1];
        for (int level = -1; level <= 9; level += 2)
            for (ptrdiff_t c = 1; c <= 4; c++) {
                NEAR(0, round_trip("png", w, h, c, 8, (struct convd_encode_options){.compression = level}), 0);
                NEAR(0, round_trip("png", w, h, c, 16, (struct convd_encode_options){.compression = level}), 0);
            }
        for (ptrdiff_t c = 1; c <= 3; c += 2) {
            NEAR(0, round_trip("bmp", w, h, c, 8, usual), 0);
            NEAR(0, round_trip("ppm", w, h, c, 8, usual), 0);
            NEAR(0, round_trip("ppm", w, h, c, 16, usual), 0);
            NEAR(0, round_trip("hdr", w, h, c, 32, usual), 5.0 / 128); /* 8 bits of the largest channel */
        }
    }
}
TEST(what_is_written_with_loss_comes_back_near)
{
    for (ptrdiff_t c = 1; c <= 4; c++) {
        if (c == 1 || c == 3)
            NEAR(0, round_trip("jpeg", 67, 45, c, 8, (struct convd_encode_options){.quality = 98}), 12);
        NEAR(0, round_trip("webp", 67, 45, c, 8, (struct convd_encode_options){.quality = 98}), 16);
    }
    uint8_t *x = scene(64, 64, 3, 8);
    static const char *const lossy[] = {"jpeg", "webp"};
    for (int i = 0; i < 2; i++) {
        struct convd_bytes small = encoded(lossy[i], x, 64, 64, 3, 8, (struct convd_encode_options){.quality = 10});
        struct convd_bytes large = encoded(lossy[i], x, 64, 64, 3, 8, (struct convd_encode_options){.quality = 95});
        OK(small.n < large.n);
        convd_bytes_release(&small);
        convd_bytes_release(&large);
    }
    free(x);
}
TEST(light_that_rgbe_cannot_hold_becomes_what_it_can)
{
    const float x[] = {-1, NAN, 0, INFINITY, 1e-40f, 1};
    struct convd_bytes out = encoded("hdr", x, 2, 1, 3, 32, usual);
    struct decoded d = decode_picture(out.data, out.n);
    OK(d.good);
    const float *y = (const float *)(const void *)d.pixels;
    NEAR(0, y[0], 0);
    NEAR(0, y[2], 0);
    OK(y[1] > 1e38f && isfinite(y[1]));
    decoded_free(&d);
    convd_bytes_release(&out);
}
TEST(noise_and_runs_survive_the_run_lengths_of_hdr)
{
    struct t_rng r = t_rng(9);
    for (int round = 0; round < 50; round++) {
        ptrdiff_t w = t_between(&r, 8, 700);
        float *x = malloc((size_t)w * 4);
        for (ptrdiff_t j = 0; j < w;) {
            float v = (float)t_uniform(&r, 0.5, 1);
            for (ptrdiff_t run = t_between(&r, 1, round % 2 ? 3 : 300); run > 0 && j < w; run--) x[j++] = v;
        }
        struct convd_bytes out = encoded("hdr", x, w, 1, 1, 32, usual);
        struct decoded d = decode_picture(out.data, out.n);
        OK(d.good);
        for (ptrdiff_t j = 0; j < w; j++) NEAR(x[j], ((float *)(void *)d.pixels)[j], 1.0 / 256);
        decoded_free(&d);
        convd_bytes_release(&out);
        free(x);
    }
}
TEST(what_a_format_cannot_hold_is_a_fault)
{
    static const struct {
        const char *codec;
        ptrdiff_t w, h, c;
        int depth;
    } wrong[] = {{"jpeg", 1, 1, 4, 8},   {"jpeg", 1, 1, 3, 16},  {"bmp", 1, 1, 2, 8}, {"hdr", 1, 1, 3, 8},
                 {"png", 1, 1, 5, 8},    {"png", 0, 1, 1, 8},    {"gif", 1, 1, 3, 8}, {"webp", 16384, 1, 1, 8},
                 {"jpeg", 65501, 1, 1, 8}};
    uint8_t *x = calloc(1, 70000);
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        struct convd_faults *f = convd_faults_new();
        struct convd_bytes out = {0};
        struct convd_picture p = {.data = x, .width = wrong[i].w, .height = wrong[i].h};
        p.channels = wrong[i].c;
        p.depth = wrong[i].depth;
        OK(!convd_image_encode(convd_codec_named(wrong[i].codec), &p, NULL, &out, f));
        EQ(1, convd_faults_count(f));
        EQ(0, out.n);
        convd_faults_free(f);
        convd_bytes_release(&out);
    }
    free(x);
}

/* ---- cut off ------------------------------------------------------------------------------------------------ */

/* Every prefix is refused or, where what is missing is no pixel, the whole picture. */
static void every_prefix(const char *name, const uint8_t *data, size_t n, size_t step)
{
    struct decoded whole = decode_picture(data, n);
    if (!whole.good)
        T_FAIL("%s: %s", name, whole.words);
    for (size_t k = 0; k < n; k += k < 300 || k + 40 > n ? 1 : step) {
        uint8_t *cut = malloc(k + !k);
        memcpy(cut, data, k);
        struct decoded d = decode_picture(cut, k);
        if (d.good && (d.info.bytes != whole.info.bytes || memcmp(d.pixels, whole.pixels, whole.info.bytes) != 0))
            T_FAIL("%s: %zu of %zu bytes give another picture", name, k, n);
        if (d.good && k < n / 2)
            T_FAIL("%s: %zu of %zu bytes give a picture", name, k, n);
        decoded_free(&d);
        free(cut);
    }
    decoded_free(&whole);
}
TEST(files_cut_at_any_byte)
{
    static const char *const files[] = {
        "edge/rgb8_9x7.png",        "edge/gray16_adam7_9x7.png", "edge/trns_palette4.png",   "photos/astronaut_odd.jpg",
        "photos/camera_progressive.jpg", "photos/chelsea.psd",   "photos/chelsea_8bit.bmp",  "photos/chelsea_topdown.bmp",
        "photos/chelsea.tga",       "photos/chelsea.hdr",        "photos/camera_ascii.pgm",  "photos/camera.pgm",
        "photos/astronaut_animated.gif", "photos/astronaut.gif", "photos/chelsea_lossless.webp", "photos/astronaut_alpha.webp"};
    for (size_t i = 0; i < sizeof files / sizeof files[0]; i++) {
        char path[128];
        size_t n;
        snprintf(path, sizeof path, "images/%s", files[i]);
        uint8_t *data = exact_file(path, &n);
        every_prefix(files[i], data, n, n / 100 + 1);
        free(data);
    }
    static const char *const written[] = {"png", "jpeg", "webp", "bmp", "ppm"};
    uint8_t *x = scene(16, 11, 3, 8);
    for (size_t i = 0; i < sizeof written / sizeof written[0]; i++) {
        struct convd_bytes out = encoded(written[i], x, 16, 11, 3, 8, usual);
        every_prefix(written[i], out.data, out.n, 1);
        convd_bytes_release(&out);
    }
    free(x);
}
/* No byte of a small file, changed, makes a decoder step out of its memory or show what was there. */
TEST(files_with_a_byte_changed)
{
    static const char *const files[] = {"edge/palette2_9x7.png", "edge/rgba16_adam7_9x7.png", "photos/astronaut_odd.jpg",
                                        "photos/chelsea.psd",    "photos/chelsea_8bit.bmp",   "photos/chelsea.tga",
                                        "photos/chelsea.hdr",    "photos/astronaut_animated.gif", "photos/camera_ascii.pgm",
                                        "photos/astronaut.webp", "photos/chelsea_lossless.webp"};
    struct t_rng r = t_rng(17);
    for (size_t i = 0; i < sizeof files / sizeof files[0]; i++) {
        char path[128];
        size_t n;
        snprintf(path, sizeof path, "images/%s", files[i]);
        uint8_t *data = exact_file(path, &n);
        for (int round = 0; round < 150; round++) {
            size_t k = round < 60 ? (size_t)round % n : (size_t)t_between(&r, 0, (ptrdiff_t)n - 1);
            uint8_t old = data[k];
            data[k] = (uint8_t)t_random(&r);
            if (shows_memory(data, n))
                T_FAIL("%s: byte %zu as %d shows memory", files[i], k, data[k]);
            data[k] = old;
        }
        free(data);
    }
}
T_MAIN("core/image")
