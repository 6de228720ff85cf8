/* bytes.c: growing bytes. */
#include <string.h>
#include "image.h"

bool convd_bytes_reserve(struct convd_bytes *b, size_t more)
{
    size_t want;
    if (!convd_add(b->n, more, &want))
        return false;
    if (want <= b->room)
        return true;
    if (want < b->room + b->room / 2)
        want = b->room + b->room / 2;
    uint8_t *data = convd_take(b->memory, want);
    if (!data)
        return false;
    if (b->n)
        memcpy(data, b->data, b->n);
    convd_give(b->memory, b->data, b->room);
    b->data = data;
    b->room = want;
    return true;
}
bool convd_bytes_put(struct convd_bytes *b, const void *data, size_t n)
{
    if (!convd_bytes_reserve(b, n))
        return false;
    if (n)
        memcpy(b->data + b->n, data, n);
    b->n += n;
    return true;
}
void convd_bytes_release(struct convd_bytes *b)
{
    convd_give(b->memory, b->data, b->room);
    b->data = NULL;
    b->n = b->room = 0;
}
