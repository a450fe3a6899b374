/* SPDX-License-Identifier: MIT */
/* Decimal numbers out of text, checked: no sign, no blanks, no overflow. */
#ifndef BM_BASE_NUMBER_H
#define BM_BASE_NUMBER_H

#include "base/span.h"

#include <stdbool.h>
#include <stdint.h>

/* True and *out set when all of text is digits and the number fits. */
bool bm_number_parse(struct bm_span text, uint64_t *out);

#endif
