/* lib_site.h: one op without a graph: parameters bound, shape settled, prepared, and run over any cut of its
 * rows. Inputs are handed over in memory of exactly the rows the op asked for, scratch in exactly the bytes
 * it asked for. */
#ifndef LIB_SITE_H
#define LIB_SITE_H
#include "../../core/op.h"
#include "../../core/simd/simd.h"
#include "../t.h"

struct op_site {
    struct convd_arena mem;
    struct convd_faults faults;
    const struct convd_op *op;
    struct convd_site site;
    struct convd_shape x; /* of one sample: n is 1 */
};
/* Binds args (an object) and takes all hooks up to prepare. "@t" is tensor (may be NULL). False after faults. */
bool site_open(struct op_site *s, const char *op, struct convd_value args,
               const struct convd_tensor *tensor, struct convd_shape x,
               const struct convd_simd *simd);
void site_close(struct op_site *s);
/* Output of x (c x h x w, C order), computed in bands of `band` rows (0: all at once; negative: of random
 * sizes); free it. dense: rows lie without gaps, in and out. */
float *site_run(struct op_site *s, const float *x, ptrdiff_t band, bool dense);
/* Numbers of the output. */
size_t site_count(const struct op_site *s);
/* An array of that shape as a value (dim[rank], C order). */
struct convd_value array(const float *v, int rank, const ptrdiff_t *dim);
#endif
