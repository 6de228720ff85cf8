/* known.h: formats that are not read here, by their bytes. */
#ifndef CONVD_KNOWN_H
#define CONVD_KNOWN_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* "TIFF", "HTML", …; NULL when the bytes say nothing. */
const char *convd_bytes_known(const uint8_t *data, size_t n);
#endif
