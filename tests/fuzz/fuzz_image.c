/* fuzz_image: any bytes as a picture; their number chooses what is asked for, so that seeds are ordinary files. Every byte
 * that is handed out is read; limits are small so that runs are quick. Build: README.md. */
#include <stdlib.h>
#include <string.h>
#include "../../core/err.h"
#include "../../core/image/image.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static void *take(void *self, size_t bytes)
{
    (void)self;
    return bytes > 64u << 20 ? NULL : aligned_alloc(64, (bytes + 127) / 64 * 64);
}
static void give(void *self, void *p, size_t bytes)
{
    (void)self;
    (void)bytes;
    free(p);
}
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    static const struct convd_memory memory = {.take = take, .give = give};
    uint8_t how = (uint8_t)n;
    struct convd_decode_options o = {.channels = (enum convd_channels)(how % 3),
                                     .background = {255, how, 0},
                                     .keep_alpha = how & 4,
                                     .raw_orientation = how & 8,
                                     .max_pixels = 1 << 20,
                                     .max_side = 4096};
    struct convd_faults *f = convd_faults_new();
    struct convd_image_info info;
    if (f && convd_image_info(data, n, &o, &info, f)) {
        uint8_t *pixels = info.bytes <= 64u << 20 ? malloc(info.bytes) : NULL;
        uint8_t *alpha = info.alpha_bytes ? malloc(info.alpha_bytes) : NULL;
        if (pixels && (alpha || !info.alpha_bytes) &&
            convd_image_decode(&info, data, n, &o, &memory, pixels, alpha, f)) {
            volatile uint8_t last;
            for (size_t k = 0; k < info.bytes; k++) last = pixels[k];
            for (size_t k = 0; k < info.alpha_bytes; k++) last = alpha[k];
            (void)last;
        }
        free(pixels);
        free(alpha);
    }
    convd_faults_free(f);
    return 0;
}
