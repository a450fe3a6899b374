/* SPDX-License-Identifier: MIT */
/* UTF-8 as RFC 3629 has it: no overlong forms, no surrogates, nothing above U+10FFFF. */
#ifndef BM_BASE_UTF8_H
#define BM_BASE_UTF8_H

#include <stdbool.h>
#include <stddef.h>

/* Octets of the well-formed character at data (1 to 4), 0 when there is none. */
size_t bm_utf8_length(const unsigned char *data, size_t size);

/* True when all of it is well-formed (ASCII included). */
bool bm_utf8_valid(const unsigned char *data, size_t size);

#endif
