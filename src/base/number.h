/* SPDX-License-Identifier: MIT */
/* Decimal numbers out of text, checked: no sign, no blanks, no overflow; and into text. */
#ifndef BM_BASE_NUMBER_H
#define BM_BASE_NUMBER_H

#include "base/span.h"

#include <stdbool.h>
#include <stdint.h>

/* True and *out set when all of text is digits and the number fits. */
bool bm_number_parse(struct bm_span text, uint64_t *out);

/* What bm_number_format needs at most. */
#define BM_NUMBER_SIZE 20

/* Puts value in decimal at the front of text, without a NUL; its length. */
size_t bm_number_format(char *text, uint64_t value);

#endif
