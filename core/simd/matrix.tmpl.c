/* matrix.tmpl.c: products of matrices, and turning one: sums of Winograd's weight gradients over tiles.
 *
 * A tile of rows x vecs accumulators stays in registers while the depth runs. Sums begin with what is there, so nothing may
 * be done twice: rows that are left over get tiles of their own, and whole vectors are asked for. */
#include "isa.h"

enum { MOST_ROWS = 6, MOST_VECS = 4 };
#define VECS (VL == 64 ? 4 : 2) /* with 6 rows: 24 or 12 sums in 32 or 16 registers */

INLINE void tile(const struct convd_matrices *q, const size_t rows, const size_t vecs, size_t r,
                 size_t j)
{
    vec sum[MOST_ROWS][MOST_VECS];
    const float *a = q->a + r * q->a_row, *b = q->b + j;
    float *y = q->y + r * q->y_row + j;
    UNROLL
    for (size_t i = 0; i < rows; i++) {
        UNROLL
        for (size_t v = 0; v < vecs; v++) sum[i][v] = vec_load(y + i * q->y_row + v * LANES);
    }
    for (size_t t = 0; t < q->depth; t++, b += q->b_row) {
        vec x[MOST_VECS];
        UNROLL
        for (size_t v = 0; v < vecs; v++) x[v] = vec_load(b + v * LANES);
        UNROLL
        for (size_t i = 0; i < rows; i++) {
            UNROLL
            for (size_t v = 0; v < vecs; v++) sum[i][v] += a[i * q->a_row + t] * x[v];
        }
    }
    UNROLL
    for (size_t i = 0; i < rows; i++) {
        UNROLL
        for (size_t v = 0; v < vecs; v++) vec_store(y + i * q->y_row + v * LANES, sum[i][v]);
    }
}

INLINE void columns(const struct convd_matrices *q, const size_t vecs, size_t j)
{
    size_t r = 0;
    for (; q->rows - r >= 6; r += 6) tile(q, 6, vecs, r, j);
    for (; q->rows - r >= 4; r += 4) tile(q, 4, vecs, r, j);
    for (; q->rows - r >= 2; r += 2) tile(q, 2, vecs, r, j);
    if (r < q->rows) tile(q, 1, vecs, r, j);
}

void FN(multiply)(const struct convd_matrices *q)
{
    size_t j = 0;
    for (; q->n - j >= VECS * LANES; j += VECS * LANES) columns(q, VECS, j);
    for (; j < q->n; j += LANES) columns(q, 1, j);
}

/* LANES x LANES numbers. */
INLINE void square(const float *x, size_t x_row, float *y, size_t y_row)
{
    vec v[LANES], w[LANES];
    UNROLL_ALL
    for (size_t i = 0; i < LANES; i++) v[i] = vec_load(x + i * x_row);
    UNROLL_ALL
    for (size_t half = 1; half < LANES; half *= 2) { /* each turn sorts by one more bit */
        UNROLL_ALL
        for (size_t i = 0; i < LANES / 2; i++) {
            w[2 * i] = __builtin_shufflevector(v[i], v[i + LANES / 2], LOW);
            w[2 * i + 1] = __builtin_shufflevector(v[i], v[i + LANES / 2], HIGH);
        }
        UNROLL_ALL
        for (size_t i = 0; i < LANES; i++) v[i] = w[i];
    }
    UNROLL_ALL
    for (size_t i = 0; i < LANES; i++) vec_store(y + i * y_row, v[i]);
}

void FN(turn)(const float *x, size_t x_row, size_t rows, size_t n, float *y, size_t y_row)
{
    const size_t most = rows < LANES || n < LANES ? 0 : n;
    for (size_t i = 0; most && i < rows; i += LANES)
        for (size_t j = 0; j < n; j += LANES) { /* what is left over: squares laid back */
            const size_t r = rows - i < LANES ? rows - LANES : i, c = n - j < LANES ? n - LANES : j;
            square(x + r * x_row + c, x_row, y + c * y_row + r, y_row);
        }
    for (size_t i = 0; !most && i < rows; i++)
        for (size_t j = 0; j < n; j++) y[j * y_row + i] = x[i * x_row + j];
}
