/* bytes.c: growing bytes. */
#include <string.h>
#include "image.h"

/* The bytes in room of that size, at least b->n. False without memory, and nothing has changed. */
static bool move(struct convd_bytes *b, size_t room)
{
    uint8_t *data = convd_take(b->memory, room);
    if (!data)
        return false;
    if (b->n)
        memcpy(data, b->data, b->n);
    convd_give(b->memory, b->data, b->room);
    b->data = data;
    b->room = room;
    return true;
}
bool convd_bytes_reserve(struct convd_bytes *b, size_t more)
{
    size_t want;
    if (!convd_add(b->n, more, &want))
        return false;
    if (want <= b->room)
        return true;
    return move(b, want < b->room + b->room / 2 ? b->room + b->room / 2 : want);
}
void convd_bytes_trim(struct convd_bytes *b)
{
    enum { LITTLE = 1 << 20, GRAIN = 1 << 16 }; /* not worth a copy; so that answers of about one size share their blocks */
    if (b->n && b->room > LITTLE && b->room / 2 > b->n)
        move(b, (b->n + GRAIN - 1) / GRAIN * GRAIN);
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
