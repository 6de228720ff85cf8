/* param.h: parameters as data. One row says name, type, default, range and summary; checking, error words, printing,
 * schema, help and forms are made from it. Ops and kernels share it.
 *
 * A row's value lives in the op's own struct at `offset`, as the C type beside its enum below. */
#ifndef CONVD_PARAM_H
#define CONVD_PARAM_H
#include "err.h"
#include "value.h"

enum convd_param_type {
    CONVD_P_INT,      /* ptrdiff_t               an integer                                                   */
    CONVD_P_NUMBER,   /* double                  a finite number; NAN: left out (only where default is "")     */
    CONVD_P_BOOL,     /* bool                    true or false                                                */
    CONVD_P_WORD,     /* int                     index into words                                             */
    CONVD_P_PAIR,     /* struct convd_pair       an integer for both, or [h,w]; {0,0}: left out               */
    CONVD_P_NUMPAIR,  /* struct convd_numpair    a number for both, or [h,w]; {0,0}: left out                 */
    CONVD_P_PADDING,  /* struct convd_padding    integer, [h,w], [top,left,bottom,right], "same", "valid"     */
    CONVD_P_INTS,     /* struct convd_ints       an integer or a list of them                                 */
    CONVD_P_NUMBERS,  /* struct convd_numbers    a number or a list of them; n == 0: left out                 */
    CONVD_P_ACROSS,   /* struct convd_across     one of words, or one number a channel                        */
    CONVD_P_KERNEL,   /* struct convd_kernel     name, {"name":…}, matrix, "@tensor"                          */
    CONVD_P_WEIGHT,   /* struct convd_weight     array, list of kernels, "@tensor", {"init":…}; kind NONE: left out */
    CONVD_P_STEPS,    /* struct convd_steps      a list of steps (blocks)                                     */
};

struct convd_pair { ptrdiff_t h, w; };
struct convd_numpair { double h, w; };
enum convd_pad_kind { CONVD_PAD_EXPLICIT, CONVD_PAD_SAME, CONVD_PAD_VALID };
struct convd_padding { enum convd_pad_kind kind; ptrdiff_t top, left, bottom, right; };
struct convd_ints { size_t n; const ptrdiff_t *v; };
struct convd_numbers { size_t n; const double *v; };
struct convd_across { int word; struct convd_numbers numbers; /* word is -1 when numbers count */ };
struct convd_steps { const struct convd_value *list; };

struct convd_kernel_row;
/* A 2-D kernel. tensor is set instead of v when it is "@name": h, w and v come when the graph knows the tensor. */
struct convd_kernel {
    ptrdiff_t h, w;
    const float *v;                      /* h*w, row by row                                    */
    ptrdiff_t anchor_y, anchor_x;        /* from the named kernel (roberts: 0,0), else the middle */
    const struct convd_kernel_row *row;  /* the named kernel it came from, or NULL              */
    const char *tensor;                  /* "name" of "@name", or NULL                          */
    ptrdiff_t max_side;                  /* the limit in force: a tensor's size is seen later   */
    const struct convd_value *source;    /* what was written, canonical                         */
};
enum convd_weight_kind { CONVD_W_NONE, CONVD_W_ARRAY, CONVD_W_KERNELS, CONVD_W_TENSOR, CONVD_W_INIT };
enum convd_init { CONVD_HE_NORMAL, CONVD_HE_UNIFORM, CONVD_XAVIER_NORMAL, CONVD_XAVIER_UNIFORM, CONVD_NORMAL,
                  CONVD_UNIFORM, CONVD_ZEROS, CONVD_IDENTITY };
struct convd_weight {
    enum convd_weight_kind kind;
    struct convd_tensor array;           /* ARRAY: as written; TENSOR: filled when the graph knows it  */
    const char *tensor;                  /* TENSOR: "name" of "@name"                                  */
    ptrdiff_t max_side;                  /* the limit for sides of dense kernels: conv looks at shapes later */
    size_t n_kernels;                    /* KERNELS */
    const struct convd_kernel *kernels;
    enum convd_init init;                /* INIT */
    ptrdiff_t out;                       /* out_channels or out_features; 0: from elsewhere (bias)      */
    struct convd_pair size;              /* kernel_size                                                */
    double gain;
    uint64_t seed;
    bool has_seed;                       /* left out: 1 + the step's position                          */
    const struct convd_value *source;
};

/* What a row asks beyond type and range. Everything that looks at one parameter alone belongs here, so that checking,
 * words and schema agree; what needs a second one is the op's check (and its rules, op.h). */
enum {
    CONVD_LEARNABLE = 1,     /* WEIGHT: learning may change it                                                  */
    CONVD_ODD = 2,           /* INT, PAIR: odd numbers only                                                     */
    CONVD_NONZERO = 4,       /* NUMBER, NUMBERS: none that is 0 in single precision                             */
    CONVD_NO_SAME = 8,       /* PADDING: not "same"                                                             */
    CONVD_NO_VALID = 16,     /* PADDING: not "valid"                                                            */
    CONVD_EITHER = 32,       /* exactly one of the rows that have this flag is given                            */
    CONVD_NO_KERNELS = 64,   /* WEIGHT: no list of kernels                                                      */
    CONVD_INIT_OUT = 128,    /* WEIGHT: an init says how many outputs there are                                 */
    CONVD_INIT_SIZE = 256,   /* WEIGHT: an init says kernel_size                                                */
    CONVD_INIT_ZEROS = 512,  /* WEIGHT: the only init is "zeros"                                                */
};

struct convd_param {
    const char *name;
    enum convd_param_type type;
    size_t offset;
    const char *def;          /* default as argument text; NULL: required; "": may be left out; "=name": like another row */
    double lo, hi;            /* of each number; both 0: any finite                                                */
    const char *const *words; /* WORD and ACROSS: NULL-terminated                                                  */
    const char *summary;      /* one line, with the unit                                                           */
    const char *aliases;      /* other names that are understood, blank-separated, or NULL                         */
    unsigned flags;
    size_t most;              /* INTS: how many at most; 0: any number of them                                     */
};
#define CONVD_PARAM_END {.name = NULL}

extern const char *const convd_padding_modes[]; /* zeros reflect symmetric replicate circular constant: enum convd_mode */

/* One argument on its way into a struct: exactly one of text and value is set. */
struct convd_arg {
    const char *name;                /* NULL: positional (text only)   */
    const char *text;
    const struct convd_value *value;
};

/* Where values go and what they may refer to. */
struct convd_bind {
    struct convd_faults *faults;     /* at the step's place            */
    struct convd_arena *mem;         /* what the struct points to      */
    const struct convd_param *rows;
    void *into;                      /* the struct, zeroed             */
    const char *what;                /* "max_pool": for words          */
    ptrdiff_t max_kernel;            /* side limit of kernels          */
    uint64_t given;                  /* out: bit i: row i was given    */
};

/* Splits "3,stride=2" into args (names and texts copied to mem). A positional after a named one, an empty argument and
 * an argument given twice are faults. Returns false after a fault. */
bool convd_args_split(struct convd_faults *f, struct convd_arena *mem, const char *text, struct convd_arg **args, size_t *n);
/* Checks args against the rows, fills the struct, defaults included. Every fault is added; false if there was any. */
bool convd_params_bind(struct convd_bind *b, const struct convd_arg *args, size_t n);
/* One text, read as the row's type: "3x5" -> [3,5], "1x0;0x1;" -> a matrix, "same", "true", "@name". Unreadable texts
 * come back as strings, for the type check to refuse. */
struct convd_value convd_param_read(const struct convd_param *row, const char *text, struct convd_arena *mem);
/* The inverses: the value in the struct as a value tree (canonical names), and a value as argument text, or NULL when
 * no chain can say it. */
struct convd_value convd_param_value(const struct convd_param *row, const void *from, struct convd_arena *mem);
const char *convd_param_text(const struct convd_param *row, const struct convd_value *v, struct convd_arena *mem);
/* The words of what the row takes: "an integer from 1 to 4096, or [h,w]". */
const char *convd_param_expects(const struct convd_param *row, struct convd_arena *mem);
/* The row of that name or alias, or NULL. */
const struct convd_param *convd_param_find(const struct convd_param *rows, const char *name);
/* True when blank-separated list has word. */
bool convd_word_in(const char *list, const char *word);
#endif
