/* data.h: examples as numbers, which of them are learned from, and in which order. */
#ifndef CONVD_LEARN_DATA_H
#define CONVD_LEARN_DATA_H
#include "net.h"

struct convd_data {
    struct convd_arena mem;
    struct convd_item *items;
    const char **names;
    size_t n, room;
    ptrdiff_t classes;         /* 1 + the largest; 0: targets        */
    uint64_t hash;             /* of all numbers, in order           */
    uint32_t *learn, *held, *order;
    size_t n_learn, n_held;
};
void convd_data_init(struct convd_data *d, const struct convd_memory *memory);
void convd_data_release(struct convd_data *d);
/* Room for one more example of that many numbers; NULL without memory. It counts with convd_data_keep. */
struct convd_item *convd_data_add(struct convd_data *d, const char *name, size_t maps, size_t target);
void convd_data_keep(struct convd_data *d, size_t maps, size_t target);
/* Says which examples are learned from and which are held back: of every class a share, chosen by the seed. */
bool convd_data_split(struct convd_data *d, double share, uint64_t seed);
/* The order of an epoch. */
void convd_data_order(struct convd_data *d, bool shuffle, uint64_t seed, uint32_t epoch);
#endif
