/* SPDX-License-Identifier: MIT */
/* How far a mistyped name is from a known one, for "did you mean". */
#ifndef BM_BASE_NEAREST_H
#define BM_BASE_NEAREST_H

#include <stdbool.h>
#include <stddef.h>

/* Names longer than this are never near. */
#define BM_NEAREST_NAME_MAX 64

/*
 * Insertions, deletions, replacements and swaps of neighbours that turn a into b, ASCII case
 * ignored; SIZE_MAX when one is too long.
 */
size_t bm_nearest_distance(const char *a, const char *b);

/* True when a distance is small enough for name to be a slip of the pen. */
bool bm_nearest_is_near(const char *name, size_t distance);

#endif
