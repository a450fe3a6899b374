/* SPDX-License-Identifier: MIT */
/* Decimal numbers out of text, checked: no sign, no blanks, no overflow; and into text. */
#ifndef BM_BASE_NUMBER_H
#define BM_BASE_NUMBER_H

#include "base/span.h"

#include <stdbool.h>
#include <stdint.h>

/* True and *out set when all of text is digits and the number fits. */
bool bm_number_parse(struct bm_span text, uint64_t *out);

/*
 * A rate: "100/s", "6000/m", "3600/h"; a number alone is a second's. True and *count in each *period_us set; count is
 * 1 to BM_RATE_MAX.
 */
bool bm_rate_parse(struct bm_span text, uint64_t *count, uint64_t *period_us);

#define BM_RATE_MAX 1000000000

/* What bm_number_format needs at most. */
#define BM_NUMBER_SIZE 20

/* Puts value in decimal at the front of text, without a NUL; its length. */
size_t bm_number_format(char *text, uint64_t value);

#endif
