/* taps_tile.h: `outs` rows x `vecs` vectors of TILE outputs, held in registers while all taps run. No include
 * guard: taps.tmpl.c includes it once for each width it needs, with TILE the number of lanes. */
#define TILE_VEC PASTE_TILE(lanes, TILE)
#define TILE_FN  PASTE_TILE(tile, TILE)

INLINE void TILE_FN(const float *const *t, const float *k, size_t taps, const float *bias,
                    float *const *y, const size_t outs, const size_t vecs, size_t at)
{
    TILE_VEC sum[CONVD_TAPS_OUTS][MOST_VECS];
    UNROLL
    for (size_t o = 0; o < outs; o++) {
        UNROLL
        for (size_t v = 0; v < vecs; v++) sum[o][v] = bias[o] - (TILE_VEC){0};
    }
    if (TILE * 4 == VL) { /* where sums will go: it is there by then */
        UNROLL
        for (size_t o = 0; o < outs; o++) {
            UNROLL
            for (size_t v = 0; v < vecs; v++) __builtin_prefetch(y[o] + at + v * TILE, 1);
        }
    }
    for (size_t i = 0; i < taps; i++) {
        TILE_VEC x[MOST_VECS];
        UNROLL
        for (size_t v = 0; v < vecs; v++)
            __builtin_memcpy(&x[v], t[i] + at + v * TILE, sizeof x[v]);
        UNROLL
        for (size_t o = 0; o < outs; o++) {
            UNROLL
            for (size_t v = 0; v < vecs; v++) sum[o][v] += k[i * outs + o] * x[v];
        }
    }
    UNROLL
    for (size_t o = 0; o < outs; o++) {
        UNROLL
        for (size_t v = 0; v < vecs; v++)
            __builtin_memcpy(y[o] + at + v * TILE, &sum[o][v], sizeof sum[o][v]);
    }
}
#undef TILE_VEC
#undef TILE_FN
#undef TILE
