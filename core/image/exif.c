/* exif.c: tag 0x0112 of IFD 0. Source: Exif 2.32 (CIPA DC-008) 4.6.4; TIFF 6.0, section 2. The walk is bounded by the
 * entries that the block can hold; nothing is followed but the offset of IFD 0. A block that breaks the rules says
 * nothing, as every viewer takes it: the pixels are still good. */
#include <string.h>
#include "exif.h"

static uint32_t get(const uint8_t *p, int bytes, int little)
{
    uint32_t v = 0;
    for (int i = 0; i < bytes; i++) v |= (uint32_t)p[i] << 8 * (little ? i : bytes - 1 - i);
    return v;
}
int convd_exif_orientation(const uint8_t *data, size_t n)
{
    enum { ORIENTATION = 0x0112, SHORT = 3, ENTRY = 12 };
    if (n >= 6 && memcmp(data, "Exif\0\0", 6) == 0) {
        data += 6;
        n -= 6;
    }
    if (n < 8 || (memcmp(data, "II*\0", 4) != 0 && memcmp(data, "MM\0*", 4) != 0))
        return 1;
    int little = data[0] == 'I';
    size_t at = get(data + 4, 4, little);
    if (at < 8 || at > n - 2)
        return 1;
    size_t entries = get(data + at, 2, little), room = (n - at - 2) / ENTRY;
    if (entries > room)
        entries = room;
    for (size_t i = 0; i < entries; i++) {
        const uint8_t *e = data + at + 2 + i * ENTRY;
        if (get(e, 2, little) != ORIENTATION)
            continue;
        uint32_t v = get(e + 8, 2, little);
        bool good = get(e + 2, 2, little) == SHORT && get(e + 4, 4, little) == 1 && v >= 1 && v <= 8;
        return good ? (int)v : 1;
    }
    return 1;
}
