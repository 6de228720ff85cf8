/* stored.c: numbers as tensor files hold them to f32 in C order. */
#include <string.h>
#include "tensor_file.h"

/* IEEE 754 binary16. Every value of it is a float. */
static float from_half(uint16_t h)
{
    uint32_t sign = (uint32_t)(h & 0x8000u) << 16, e = h >> 10 & 31, m = h & 0x3ffu, bits;
    if (e == 0) {
        float v = (float)m * 0x1p-24f;
        return sign ? -v : v;
    }
    bits = sign | (e == 31 ? 0x7f800000u : (e + 112) << 23) | m << 13;
    float v;
    memcpy(&v, &bits, 4);
    return v;
}
static float from_bfloat(uint16_t h)
{
    uint32_t bits = (uint32_t)h << 16;
    float v;
    memcpy(&v, &bits, 4);
    return v;
}
static uint64_t raw(const uint8_t *p, int size, bool big)
{
    uint64_t v = 0;
    for (int i = 0; i < size; i++) v |= (uint64_t)p[i] << 8 * (big ? size - 1 - i : i);
    return v;
}
static float number(const struct convd_stored *t, const uint8_t *p)
{
    uint64_t v = raw(p, t->size, t->big_endian);
    switch (t->kind) {
    case 'u': return (float)v;
    case 'i': {
        uint64_t sign = (uint64_t)1 << (8 * t->size - 1);
        return (float)(int64_t)((v ^ sign) - sign);
    }
    case 'b': return from_bfloat((uint16_t)v);
    default: break;
    }
    if (t->size == 2)
        return from_half((uint16_t)v);
    if (t->size == 4) {
        uint32_t bits = (uint32_t)v;
        float x;
        memcpy(&x, &bits, 4);
        return x;
    }
    double x;
    memcpy(&x, &v, 8);
    return (float)x; /* what is too large becomes an infinity, as numpy.astype does */
}
void convd_stored_read(const struct convd_stored *t, float *out)
{
    if (t->kind == 'f' && t->size == 4 && !t->big_endian && !t->fortran) {
        memcpy(out, t->data, t->count * sizeof(float));
        return;
    }
    if (!t->fortran || t->rank < 2) {
        for (size_t k = 0; k < t->count; k++) out[k] = number(t, t->data + k * (size_t)t->size);
        return;
    }
    /* The first index runs fastest in the file: count up in file order, keep the place in C order. */
    ptrdiff_t at[4] = {0}, step[4];
    step[t->rank - 1] = 1;
    for (int i = t->rank - 1; i > 0; i--) step[i - 1] = step[i] * t->dim[i];
    ptrdiff_t to = 0;
    for (size_t k = 0; k < t->count; k++) {
        out[to] = number(t, t->data + k * (size_t)t->size);
        for (int i = 0; i < t->rank; i++) {
            to += step[i];
            if (++at[i] < t->dim[i])
                break;
            to -= step[i] * t->dim[i];
            at[i] = 0;
        }
    }
}
