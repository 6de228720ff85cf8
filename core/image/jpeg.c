/* jpeg.c: JPEG by libjpeg-turbo, scan line by scan line. Baseline, extended and progressive Huffman and arithmetic coding,
 * gray, YCbCr, RGB, CMYK and YCCK, 8 bits. Slow integer DCT and smooth upsampling: the library's defaults.
 *
 * Strict where data is missing: a file that ends early, or whose code is broken, is a fault, while warnings that cost no
 * pixel (bytes between markers, odd Adobe markers) pass. Progressive pictures may have SCANS_MOST scans, which bounds the
 * time that a small file can take. CMYK becomes RGB by (255-C)(255-K)/255; files with an Adobe marker hold all four
 * inverted (Adobe Technical Note 5116), so that it is C*K/255 there. */
#include <stdio.h>
#include <jpeglib.h>
#include <jerror.h>
#include <setjmp.h>
#include <string.h>
#include "exif.h"
#include "row_sink.h"

#define SCANS_MOST 100
#define SIDE_MOST  65500 /* JPEG_MAX_DIMENSION */
#define ROWS       16    /* that the library is asked for, and given, at once */

struct guard {
    struct jpeg_error_mgr base; /* first: the library hands it back */
    struct jpeg_progress_mgr progress;
    jmp_buf back;
    char words[JMSG_LENGTH_MAX];
    bool no_memory;
};
static void leave(j_common_ptr c)
{
    struct guard *g = (struct guard *)(void *)c->err;
    c->err->format_message(c, g->words);
    g->no_memory = c->err->msg_code == JERR_OUT_OF_MEMORY;
    longjmp(g->back, 1);
}
static void message(j_common_ptr c, int level)
{
    if (level >= 0)
        return;
    switch (c->err->msg_code) {
    case JWRN_HIT_MARKER:
    case JWRN_JPEG_EOF:
    case JWRN_HUFF_BAD_CODE:
    case JWRN_MUST_RESYNC:
    case JWRN_ARITH_BAD_CODE: leave(c);
    }
}
static void count_scans(j_common_ptr c)
{
    if (((j_decompress_ptr)c)->input_scan_number <= SCANS_MOST)
        return;
    struct guard *g = (struct guard *)(void *)c->err;
    snprintf(g->words, sizeof g->words, "more than %d scans", SCANS_MOST);
    longjmp(g->back, 1);
}
static void guard_init(struct guard *g)
{
    jpeg_std_error(&g->base);
    g->base.error_exit = leave;
    g->base.emit_message = message;
    g->progress.progress_monitor = count_scans;
    g->no_memory = false;
    g->words[0] = 0;
}
static bool fail(const struct guard *g, struct convd_faults *f)
{
    if (g->no_memory)
        convd_fault(f, CONVD_NO_MEMORY, NULL, "no memory for a JPEG");
    else
        convd_fault(f, CONVD_BAD_IMAGE, NULL, "JPEG: %s", g->words);
    return false;
}

static bool sniff(const uint8_t *data, size_t n)
{
    return n >= 3 && data[0] == 0xff && data[1] == 0xd8 && data[2] == 0xff;
}

/* ---- the header --------------------------------------------------------------------------------------------- */

static int orientation_of(const struct jpeg_decompress_struct *c)
{
    for (jpeg_saved_marker_ptr m = c->marker_list; m; m = m->next)
        if (m->marker == JPEG_APP0 + 1 && m->data_length >= 6 && memcmp(m->data, "Exif\0\0", 6) == 0)
            return convd_exif_orientation(m->data, m->data_length);
    return 1;
}
/* 8x8 blocks of all components: each takes a bit at least where Huffman codes it. */
static size_t blocks_of(const struct jpeg_decompress_struct *c)
{
    size_t blocks = 0, mcu_w = 8 * (size_t)c->max_h_samp_factor, mcu_h = 8 * (size_t)c->max_v_samp_factor;
    for (int i = 0; i < c->num_components; i++)
        blocks += (c->image_width + mcu_w - 1) / mcu_w * (size_t)c->comp_info[i].h_samp_factor *
                  ((c->image_height + mcu_h - 1) / mcu_h) * (size_t)c->comp_info[i].v_samp_factor;
    return blocks;
}
static void fill(struct jpeg_decompress_struct *c, struct convd_image_info *i)
{
    size_t w = c->image_width;
    i->input.width = (ptrdiff_t)w;
    i->input.height = (ptrdiff_t)c->image_height;
    i->input.pixels = CONVD_U8_HWC;
    i->depth = 8;
    i->file_channels = c->num_components == 1 ? 1 : 3;
    i->orientation = orientation_of(c);
    /* The library's state and Huffman tables; rows of blocks, upsampled and converted, by their largest factors; all
     * coefficients where they come in several scans. CMYK has a row of its own. */
    size_t rows = 40 * (w + 64) * (size_t)c->num_components;
    i->work_bytes = (256u << 10) + rows + 4 * w;
    if (jpeg_has_multiple_scans(c))
        i->work_bytes += blocks_of(c) * sizeof(JBLOCK) + (64u << 10);
}
static bool header(const uint8_t *data, size_t n, struct convd_image_info *i, bool check, struct convd_faults *f)
{
    struct jpeg_decompress_struct c;
    struct guard g;
    guard_init(&g);
    c.err = &g.base;
    bool good = false;
    if (setjmp(g.back)) {
        jpeg_destroy_decompress(&c);
        return fail(&g, f);
    }
    jpeg_create_decompress(&c);
    jpeg_save_markers(&c, JPEG_APP0 + 1, 0xffff);
    jpeg_mem_src(&c, data, n);
    jpeg_read_header(&c, TRUE);
    size_t blocks = blocks_of(&c);
    if (c.num_components == 2 || c.num_components > 4)
        convd_fault(f, CONVD_BAD_IMAGE, NULL, "JPEG: %d colour components; 1, 3 and 4 are read", c.num_components);
    else if (check && !c.arith_code && n < blocks / 8)
        convd_fault(f, CONVD_BAD_IMAGE, NULL, "JPEG: %zu bytes cannot hold %u x %u pixels", n, c.image_width,
                    c.image_height);
    else
        good = true;
    fill(&c, i);
    jpeg_destroy_decompress(&c);
    return good;
}
static bool info(const uint8_t *data, size_t n, struct convd_image_info *i, struct convd_faults *f)
{
    return header(data, n, i, false, f);
}
static bool details(const uint8_t *data, size_t n, struct convd_image_info *i, struct convd_faults *f)
{
    return header(data, n, i, true, f);
}

/* ---- in ----------------------------------------------------------------------------------------------------- */

static void cmyk_row(const uint8_t *x, uint8_t *y, ptrdiff_t w, bool inverted)
{
    for (ptrdiff_t j = 0; j < w; j++, x += 4, y += 3) {
        unsigned k = inverted ? x[3] : 255u - x[3];
        for (int c = 0; c < 3; c++) y[c] = (uint8_t)(((inverted ? x[c] : 255u - x[c]) * k + 127) / 255);
    }
}
/* All rows into the caller's picture, as many at a time as the library makes together. */
static void read_whole(j_decompress_ptr c, uint8_t *whole, size_t row)
{
    JSAMPROW rows[ROWS];
    while (c->output_scanline < c->output_height) {
        JDIMENSION left = c->output_height - c->output_scanline, n = left < ROWS ? left : ROWS;
        for (JDIMENSION k = 0; k < n; k++) rows[k] = whole + (c->output_scanline + k) * row;
        jpeg_read_scanlines(c, rows, n);
    }
}
static bool decode(const uint8_t *data, size_t n, const struct convd_image_info *i, struct convd_row_sink *sink,
                   const struct convd_memory *mem, struct convd_faults *f)
{
    struct jpeg_decompress_struct c;
    struct guard g;
    guard_init(&g);
    c.err = &g.base;
    size_t row_bytes = 4 * (size_t)sink->width;
    uint8_t *volatile cmyk = NULL;
    if (setjmp(g.back)) {
        jpeg_destroy_decompress(&c);
        convd_give(mem, cmyk, row_bytes);
        return fail(&g, f);
    }
    jpeg_create_decompress(&c);
    c.progress = &g.progress;
    c.mem->max_memory_to_use = (long)i->work_bytes;
    jpeg_mem_src(&c, data, n);
    jpeg_read_header(&c, TRUE);
    bool four = c.num_components == 4;
    c.out_color_space = four ? JCS_CMYK : c.num_components == 1 ? JCS_GRAYSCALE : JCS_RGB;
    if (four && !(cmyk = convd_take(mem, row_bytes))) {
        g.no_memory = true;
        longjmp(g.back, 1);
    }
    jpeg_start_decompress(&c);
    uint8_t *whole = four ? NULL : convd_sink_whole(sink);
    if (whole && c.output_height == (JDIMENSION)sink->height) {
        read_whole(&c, whole, (size_t)sink->width * (size_t)sink->channels);
        convd_sink_whole_put(sink);
    }
    while (c.output_scanline < c.output_height && sink->done < sink->height) {
        JSAMPROW row = convd_sink_row(sink), read = four ? cmyk : row;
        jpeg_read_scanlines(&c, &read, 1);
        if (four)
            cmyk_row(read, row, sink->width, c.saw_Adobe_marker);
        convd_sink_put(sink);
    }
    jpeg_finish_decompress(&c);
    jpeg_destroy_decompress(&c);
    convd_give(mem, cmyk, row_bytes);
    return true;
}

/* ---- out ---------------------------------------------------------------------------------------------------- */

/* Writes straight into growing bytes: bound() says how many can come, and so many are reserved beforehand. */
struct target {
    struct jpeg_destination_mgr base;
    struct convd_bytes *out;
};
static void target_aim(struct target *t)
{
    t->base.next_output_byte = t->out->data + t->out->n;
    t->base.free_in_buffer = t->out->room - t->out->n;
}
static void target_init(j_compress_ptr c)
{
    target_aim((struct target *)(void *)c->dest);
}
static boolean target_full(j_compress_ptr c)
{
    struct target *t = (struct target *)(void *)c->dest;
    t->out->n = t->out->room; /* the library leaves free_in_buffer untouched here: all of it is written */
    if (!convd_bytes_reserve(t->out, 64u << 10))
        ERREXIT1(c, JERR_OUT_OF_MEMORY, 0);
    target_aim(t);
    return TRUE;
}
static void target_done(j_compress_ptr c)
{
    struct target *t = (struct target *)(void *)c->dest;
    t->out->n = t->out->room - t->base.free_in_buffer;
}
/* Worst case of 4:2:0 or gray, all blocks of noise at quality 100. Source: libjpeg-turbo's tjBufSize. */
static size_t bound(ptrdiff_t w, ptrdiff_t h, ptrdiff_t channels, int depth)
{
    (void)depth;
    size_t W = ((size_t)w + 15) & ~(size_t)15, H = ((size_t)h + 15) & ~(size_t)15;
    return W * H * (channels == 1 ? 2 : 3) + 2048 + (512u << 10) + 64 * W;
}
static void write_whole(j_compress_ptr c, const uint8_t *x, size_t row)
{
    /* The library takes rows it does not write to as pointers to what it could. */
    union {
        const uint8_t *read;
        JSAMPROW row;
    } at[ROWS];
    JSAMPROW rows[ROWS];
    while (c->next_scanline < c->image_height) {
        JDIMENSION left = c->image_height - c->next_scanline, n = left < ROWS ? left : ROWS;
        for (JDIMENSION k = 0; k < n; k++) {
            at[k].read = x + (c->next_scanline + k) * row;
            rows[k] = at[k].row;
        }
        jpeg_write_scanlines(c, rows, n);
    }
}
static bool encode(const struct convd_picture *p, const struct convd_encode_options *o, struct convd_bytes *out,
                   struct convd_faults *f)
{
    if (p->width > SIDE_MOST || p->height > SIDE_MOST) {
        convd_fault(f, CONVD_OUT_OF_RANGE, NULL, "%td x %td pixels; a side of a JPEG has at most %d", p->width, p->height,
                    SIDE_MOST);
        return false;
    }
    struct jpeg_compress_struct c;
    struct guard g;
    guard_init(&g);
    c.err = &g.base;
    size_t start = out->n;
    if (setjmp(g.back)) {
        jpeg_destroy_compress(&c);
        out->n = start;
        return fail(&g, f);
    }
    jpeg_create_compress(&c);
    if (!convd_bytes_reserve(out, bound(p->width, p->height, p->channels, 8) - (512u << 10))) {
        g.no_memory = true;
        longjmp(g.back, 1);
    }
    struct target target = {.out = out};
    target.base.init_destination = target_init;
    target.base.empty_output_buffer = target_full;
    target.base.term_destination = target_done;
    c.dest = &target.base;
    c.image_width = (JDIMENSION)p->width;
    c.image_height = (JDIMENSION)p->height;
    c.input_components = (int)p->channels;
    c.in_color_space = p->channels == 1 ? JCS_GRAYSCALE : JCS_RGB;
    jpeg_set_defaults(&c);
    jpeg_set_quality(&c, o->quality, TRUE);
    jpeg_start_compress(&c, TRUE);
    write_whole(&c, p->data, (size_t)p->width * (size_t)p->channels);
    jpeg_finish_compress(&c);
    jpeg_destroy_compress(&c);
    return true;
}

const struct convd_codec convd_codec_jpeg = {.name = "jpeg",
                                             .title = "JPEG",
                                             .media = "image/jpeg",
                                             .media_more = "image/jpg image/pjpeg",
                                             .extensions = "jpg jpeg jpe jfif",
                                             .sniff = sniff,
                                             .info = info,
                                             .details = details,
                                             .decode = decode,
                                             .encode = encode,
                                             .bound = bound,
                                             .lossy = true};
