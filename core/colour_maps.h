/* colour_maps.h: numbers to colours: viridis, magma, turbo, and a diverging map for signed numbers. */
#ifndef CONVD_COLOUR_MAPS_H
#define CONVD_COLOUR_MAPS_H
#include "draw.h"

/* Fills map with the 256 colours of normalize, as RGB; false for those that are no colour map (none, minmax). For signed
 * 0 is the most negative, 255 the most positive, and between 127 and 128 lies white. */
bool convd_colour_map(enum convd_normalize normalize, uint8_t map[256][3]);
#endif
