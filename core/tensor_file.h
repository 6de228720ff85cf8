/* tensor_file.h: .npy (v1-v3 read, v1 written) and .safetensors, the files tensors travel in. */
#ifndef CONVD_TENSOR_FILE_H
#define CONVD_TENSOR_FILE_H
#include "err.h"
#include "image/image.h"

bool convd_npy_is(const void *data, size_t n);
bool convd_safetensors_is(const void *data, size_t n); /* plausible header length and '{' */

/* A tensor as the file describes it; data points into the file. */
struct convd_stored {
    const char *name;          /* safetensors; "" for npy       */
    int rank;                  /* 0..4                          */
    ptrdiff_t dim[4];
    size_t count;              /* product of dim                */
    char kind;                 /* 'f' 'i' 'u', 'b' for bfloat16 */
    int size;                  /* bytes a number: 1 2 4 8       */
    bool big_endian, fortran;  /* npy only                      */
    const uint8_t *data;
};
/* Reads the header; every length is checked against n. Faults: BAD_IMAGE (with words), BAD_SHAPE. */
bool convd_npy_open(const void *data, size_t n, struct convd_stored *t, struct convd_arena *mem, struct convd_faults *f);
/* All tensors of a safetensors file, in the order of their names in the header. Overlaps, gaps that lie, unknown dtypes,
 * offsets outside and duplicate names are faults. */
bool convd_safetensors_open(const void *data, size_t n, struct convd_stored **list, size_t *count, struct convd_arena *mem,
                            struct convd_faults *f);
/* Converts to f32 in C order; out has count floats. */
void convd_stored_read(const struct convd_stored *t, float *out);
/* Appends a v1 npy of f32 with that shape (header padded to 64 bytes). */
bool convd_npy_write(const struct convd_tensor *t, struct convd_bytes *out);
/* Appends a safetensors file: f32, sorted by name, nothing that varies. */
bool convd_safetensors_write(const struct convd_tensor *const *list, size_t n, struct convd_bytes *out);
#endif
