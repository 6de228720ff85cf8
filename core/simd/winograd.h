/* winograd.h: the numbers of Winograd's F(4x4, 3x3): polynomials through 0, A, -A, B, -B and infinity. With A = 3/4 and
 * B = 3/2 every factor is exact in float and f32 comes out about twice as exact as with 1 and 2 (measured: 64 channels of
 * normal numbers, error 1.3e-6 of the largest output against 6e-6; 256 channels 3e-6).
 *
 *     V = B^T x B    6x6 numbers of x          M = sum over channels of U * V, number by number
 *     U = G k G^T    3x3 weights               y = A^T M A    4x4 outputs
 *
 * Source: Lavin and Gray 2015, "Fast algorithms for convolutional neural networks"; Cook and Toom for other points. */
#ifndef CONVD_WINOGRAD_H
#define CONVD_WINOGRAD_H
#define WINO_A       0.75f
#define WINO_B       1.5f
#define WINO_A2      0.5625f
#define WINO_A3      0.421875f
#define WINO_B2      2.25f
#define WINO_SUM     2.8125f   /* A2 + B2 */
#define WINO_PRODUCT 1.265625f /* A2 * B2 */
#endif
