/* SPDX-License-Identifier: MIT */
/* UTF-8 as RFC 3629 has it: no overlong forms, no surrogates, nothing above U+10FFFF. */
#ifndef BM_BASE_UTF8_H
#define BM_BASE_UTF8_H

#include <stdbool.h>
#include <stddef.h>

/* Octets of the well-formed character at data (1 to 4), 0 when there is none. */
size_t bm_utf8_length(const unsigned char *data, size_t size);

/*
 * True when the well-formed character is not to be shown as it is: a control (also of those above U+007F, which some
 * terminals obey), a separator of lines (U+2028, U+2029), or one that turns the direction of text (U+202E and its
 * like).
 */
bool bm_utf8_hidden(const unsigned char *data, size_t length);

/* True when all of it is well-formed (ASCII included). */
bool bm_utf8_valid(const unsigned char *data, size_t size);

#endif
