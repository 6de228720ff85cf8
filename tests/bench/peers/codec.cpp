// Decoders and encoders, memory to memory, one thread. The note is the size of what an encoder made.
#include <libdeflate.h>
#include <png.h>
#include <spng.h>
#include <turbojpeg.h>
#include <webp/decode.h>
#include <webp/encode.h>
#define STB_IMAGE_IMPLEMENTATION
#include <stb/stb_image.h>
#define STB_IMAGE_WRITE_IMPLEMENTATION
#include <stb/stb_image_write.h>
#include "peer.hpp"
using Bytes = std::vector<unsigned char>;
using Enc = std::function<size_t(const Bytes &px, int w, int h, int ch)>;
using Dec = std::function<void(const Bytes &file, int w, int h, Bytes &out)>;
static void must(bool ok, const char *what)
{
    if (!ok) throw std::runtime_error(what);
}

static Case enc_case(const Spec &s, const Enc &e)
{
    bool gray = s.kind == "pngencgray";
    int w = s["w"], h = s["h"];
    auto px = std::make_shared<Bytes>(slurp(photo(s, gray ? ".edges" : ".rgb")));
    size_t n = e(*px, w, h, gray ? 1 : 3);
    return {[=] { e(*px, w, h, gray ? 1 : 3); }, "bytes=" + std::to_string(n)};
}
static Case dec_case(const Spec &s, const char *ext, const Dec &d)
{
    int w = s["w"], h = s["h"];
    auto f = std::make_shared<Bytes>(slurp(photo(s, ext)));
    auto out = std::make_shared<Bytes>((size_t)w * h * 3);
    d(*f, w, h, *out);
    if (!strcmp(ext, ".png")) must(*out == slurp(photo(s, ".rgb")), "decoded pixels differ");
    return {[=] { d(*f, w, h, *out); }, "bytes=" + std::to_string(f->size())};
}
static size_t spng(const Bytes &px, int w, int h, int ch, int level, int filter)
{
    spng_ctx *c = spng_ctx_new(SPNG_CTX_ENCODER);
    spng_set_option(c, SPNG_ENCODE_TO_BUFFER, 1);
    spng_ihdr i = {};
    i.width = w;
    i.height = h;
    i.bit_depth = 8;
    i.color_type = ch == 1 ? SPNG_COLOR_TYPE_GRAYSCALE : SPNG_COLOR_TYPE_TRUECOLOR;
    spng_set_ihdr(c, &i);
    spng_set_option(c, SPNG_IMG_COMPRESSION_LEVEL, level);
    if (filter) spng_set_option(c, SPNG_FILTER_CHOICE, filter);
    must(!spng_encode_image(c, px.data(), px.size(), SPNG_FMT_PNG, SPNG_ENCODE_FINALIZE), "spng");
    size_t n;
    int e;
    free(spng_get_png_buffer(c, &n, &e));
    spng_ctx_free(c);
    return n;
}
static size_t pngw(const Bytes &px, int w, int h, int ch, int level, int filters)
{
    png_structp p = png_create_write_struct(PNG_LIBPNG_VER_STRING, nullptr, nullptr, nullptr);
    png_infop i = png_create_info_struct(p);
    Bytes out;
    png_set_write_fn(
        p, &out,
        [](png_structp q, png_bytep d, size_t n) {
            auto o = (Bytes *)png_get_io_ptr(q);
            o->insert(o->end(), d, d + n);
        },
        nullptr);
    png_set_IHDR(p, i, w, h, 8, ch == 1 ? PNG_COLOR_TYPE_GRAY : PNG_COLOR_TYPE_RGB, 0, 0, 0);
    png_set_compression_level(p, level);
    if (filters) png_set_filter(p, 0, filters);
    png_write_info(p, i);
    for (int y = 0; y < h; y++) png_write_row(p, px.data() + (size_t)y * w * ch);
    png_write_end(p, i);
    png_destroy_write_struct(&p, &i);
    return out.size();
}
// A PNG writer of one filter and one libdeflate call: how fast a purpose-made encoder can be.
static size_t deflate(const Bytes &px, int w, int h, int ch, int level, int filter)
{
    static Bytes raw, out;
    size_t row = (size_t)w * ch, at = 0;
    raw.resize((row + 1) * h);
    out.resize(raw.size() + raw.size() / 8 + 4096);
    for (int y = 0; y < h; y++) {
        const unsigned char *a = &px[y * row], *b = y ? a - row : nullptr;
        unsigned char *o = &raw[y * (row + 1)];
        *o++ = (unsigned char)filter;
        if (filter == 0 || (filter == 2 && !b))
            memcpy(o, a, row);
        else if (filter == 2)
            for (size_t x = 0; x < row; x++) o[x] = (unsigned char)(a[x] - b[x]);
        else {
            memcpy(o, a, ch);
            for (size_t x = ch; x < row; x++) o[x] = (unsigned char)(a[x] - a[x - ch]);
        }
    }
    auto u32 = [&](unsigned v) {
        for (int s = 24; s >= 0; s -= 8) out[at++] = (unsigned char)(v >> s);
    };
    auto chunk = [&](const char *t, const void *d, size_t n) {
        u32((unsigned)n);
        size_t c = at;
        memcpy(&out[at], t, 4);
        at += 4;
        if (d) memcpy(&out[at], d, n);
        at += n;
        u32(libdeflate_crc32(0, &out[c], n + 4));
    };
    memcpy(out.data(), "\x89PNG\r\n\x1a\n", 8);
    at = 8;
    unsigned char ih[13] = {0,
                            0,
                            (unsigned char)(w >> 8),
                            (unsigned char)w,
                            0,
                            0,
                            (unsigned char)(h >> 8),
                            (unsigned char)h,
                            8,
                            (unsigned char)(ch == 1 ? 0 : 2)};
    chunk("IHDR", ih, 13);
    static libdeflate_compressor *z[13];
    if (!z[level]) z[level] = libdeflate_alloc_compressor(level);
    size_t n = libdeflate_zlib_compress(z[level], raw.data(), raw.size(), &out[at + 8],
                                        out.size() - at - 64);
    must(n, "libdeflate");
    chunk("IDAT", nullptr, n);
    chunk("IEND", nullptr, 0);
    return at;
}
// And a reader: one libdeflate call, plain C unfiltering; 8-bit RGB without interlace only.
static void inflate(const Bytes &f, int w, int h, Bytes &out)
{
    static Bytes z, raw;
    z.clear();
    size_t row = (size_t)w * 3;
    raw.resize((row + 1) * h);
    for (size_t i = 8; i + 12 <= f.size();) {
        size_t n = (size_t)f[i] << 24 | f[i + 1] << 16 | f[i + 2] << 8 | f[i + 3];
        if (!memcmp(&f[i + 4], "IDAT", 4)) z.insert(z.end(), &f[i + 8], &f[i + 8 + n]);
        i += 12 + n;
    }
    static auto d = libdeflate_alloc_decompressor();
    must(libdeflate_zlib_decompress(d, z.data(), z.size(), raw.data(), raw.size(), nullptr) ==
             LIBDEFLATE_SUCCESS,
         "inflate");
    static Bytes zero;
    zero.assign(row, 0);
    for (int y = 0; y < h; y++) {
        const unsigned char *r = &raw[y * (row + 1)], *up = y ? &out[(y - 1) * row] : zero.data();
        unsigned char *o = &out[y * row];
        int t = *r++;
        size_t x = 0;
        if (t == 0)
            memcpy(o, r, row);
        else if (t == 2)
            for (; x < row; x++) o[x] = (unsigned char)(r[x] + up[x]);
        else
            for (; x < row; x++) {
                int a = x < 3 ? 0 : o[x - 3], b = up[x], c = x < 3 ? 0 : up[x - 3], pa = abs(b - c),
                    pb = abs(a - c), pc = abs(a + b - 2 * c);
                o[x] = (unsigned char)(r[x] + (t == 1                 ? a
                                               : t == 3               ? (a + b) / 2
                                               : pa <= pb && pa <= pc ? a
                                               : pb <= pc             ? b
                                                                      : c));
            }
    }
}
static size_t webp(const Bytes &px, int w, int h, int lossless, int method)
{
    WebPConfig c;
    WebPPicture p;
    WebPMemoryWriter m;
    WebPConfigInit(&c);
    c.quality = 80;
    c.method = method;
    if (lossless) WebPConfigLosslessPreset(&c, method);
    WebPPictureInit(&p);
    WebPMemoryWriterInit(&m);
    p.width = w;
    p.height = h;
    p.use_argb = lossless;
    p.writer = WebPMemoryWrite;
    p.custom_ptr = &m;
    WebPPictureImportRGB(&p, px.data(), w * 3);
    must(WebPEncode(&c, &p), "webp");
    size_t n = m.size;
    WebPMemoryWriterClear(&m);
    WebPPictureFree(&p);
    return n;
}
static void tj(const Bytes &f, int w, int h, Bytes &o, int flags)
{
    static tjhandle t = tjInitDecompress();
    must(!tjDecompress2(t, f.data(), f.size(), o.data(), w, w * 3, h, TJPF_RGB, flags),
         "turbojpeg");
}
static void stb(const Bytes &f, int w, int h, Bytes &o)
{
    int x, y, n;
    unsigned char *p = stbi_load_from_memory(f.data(), (int)f.size(), &x, &y, &n, 3);
    must(p && x == w && y == h, "stb");
    memcpy(o.data(), p, o.size());
    stbi_image_free(p);
}
static void count(void *c, void *, int n)
{
    *(size_t *)c += (size_t)n;
}
int main(int argc, char **argv)
{
    std::vector<Peer> p;
    auto enc = [&](const std::string &n, const char *kinds, Enc e) {
        p.push_back({n, kinds, 1, [=](const Spec &s, int) {
                         auto l = n.find("-L");
                         must(l == n.npos ||
                                  s.str("levels").find(n.substr(l + 2)) != std::string::npos,
                              "level not asked for");
                         return enc_case(s, e);
                     }});
    };
    auto dec = [&](const std::string &n, const char *kind, const char *ext, Dec d) {
        p.push_back({n, kind, 1, [=](const Spec &s, int) { return dec_case(s, ext, d); }});
    };
    dec("stb_image", "pngdec", ".png", stb);
    dec("libspng", "pngdec", ".png", [](const Bytes &f, int, int, Bytes &o) {
        spng_ctx *c = spng_ctx_new(0);
        spng_set_png_buffer(c, f.data(), f.size());
        must(!spng_decode_image(c, o.data(), o.size(), SPNG_FMT_RGB8, 0), "spng");
        spng_ctx_free(c);
    });
    dec("libpng", "pngdec", ".png", [](const Bytes &f, int, int, Bytes &o) {
        png_image i = {};
        i.version = PNG_IMAGE_VERSION;
        must(png_image_begin_read_from_memory(&i, f.data(), f.size()), "png");
        i.format = PNG_FORMAT_RGB;
        must(png_image_finish_read(&i, nullptr, o.data(), 0, nullptr), "png");
    });
    dec("libdeflate+unfilter", "pngdec", ".png", inflate);
    for (int l : {1, 3, 6, 9}) {
        std::string L = "-L" + std::to_string(l);
        enc("libspng" + L, "pngenc pngencgray",
            [=](const Bytes &b, int w, int h, int c) { return spng(b, w, h, c, l, 0); });
        if (l < 9)
            enc("libspng-up" + L, "pngenc pngencgray", [=](const Bytes &b, int w, int h, int c) {
                return spng(b, w, h, c, l, SPNG_FILTER_CHOICE_UP);
            });
        enc("libpng" + L, "pngenc pngencgray",
            [=](const Bytes &b, int w, int h, int c) { return pngw(b, w, h, c, l, 0); });
        for (int fl : {0, 1, 2})
            enc(std::string("libdeflate-") +
                    (fl == 2 ? "up"
                     : fl    ? "sub"
                             : "none") +
                    L,
                "pngenc pngencgray",
                [=](const Bytes &b, int w, int h, int c) { return deflate(b, w, h, c, l, fl); });
    }
    enc("stb_image_write-L8", "pngenc pngencgray", [](const Bytes &b, int w, int h, int c) {
        size_t n = 0;
        stbi_write_png_to_func(count, &n, w, h, c, b.data(), w * c);
        return n;
    });
    dec("stb_image", "jpgdec", ".jpg", stb);
    dec("turbojpeg", "jpgdec", ".jpg",
        [](const Bytes &f, int w, int h, Bytes &o) { tj(f, w, h, o, 0); });
    dec("turbojpeg-fast", "jpgdec", ".jpg", [](const Bytes &f, int w, int h, Bytes &o) {
        tj(f, w, h, o, TJFLAG_FASTDCT | TJFLAG_FASTUPSAMPLE);
    });
    enc("turbojpeg", "jpgenc", [](const Bytes &b, int w, int h, int) {
        static tjhandle t = tjInitCompress();
        unsigned char *o = nullptr;
        unsigned long n = 0;
        must(!tjCompress2(t, b.data(), w, w * 3, h, TJPF_RGB, &o, &n, TJSAMP_420, 90, 0), "tj");
        tjFree(o);
        return (size_t)n;
    });
    enc("stb_image_write", "jpgenc", [](const Bytes &b, int w, int h, int c) {
        size_t n = 0;
        stbi_write_jpg_to_func(count, &n, w, h, c, b.data(), 90);
        return n;
    });
    dec("libwebp", "webpdec", ".webp", [](const Bytes &f, int w, int, Bytes &o) {
        must(WebPDecodeRGBInto(f.data(), f.size(), o.data(), o.size(), w * 3), "webp");
    });
    for (int m : {0, 4})
        enc("libwebp-lossy-m" + std::to_string(m), "webpenc",
            [=](const Bytes &b, int w, int h, int) { return webp(b, w, h, 0, m); });
    for (int m : {0, 1, 6})
        enc("libwebp-lossless-" + std::to_string(m), "webpenc",
            [=](const Bytes &b, int w, int h, int) { return webp(b, w, h, 1, m); });
    return peer_main(argc, argv, p);
}
