/* machine.h: what this machine allows. */
#ifndef MACHINE_H
#define MACHINE_H
#include <stddef.h>

/* Bytes of memory this process may use: the smallest limit of its cgroups (v2 or v1), else what is built in. */
size_t machine_memory(void);
#endif
