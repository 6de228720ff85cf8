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
        bool large = d.info.bytes > 50e6;
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
T_MAIN("core/image")
