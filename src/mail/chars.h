/* SPDX-License-Identifier: MIT */
/* Character classes of RFC 5322, 3.2.3. ASCII only, whatever the locale. */
#ifndef BM_MAIL_CHARS_H
#define BM_MAIL_CHARS_H

#include "base/span.h"

#include <stdbool.h>

static inline bool bm_is_atext(unsigned char c)
{
	if ((c >= '0' && c <= '9') || (bm_lower(c) >= 'a' && bm_lower(c) <= 'z'))
		return true;
	return c != 0 && c < 0x80 && memchr("!#$%&'*+-/=?^_`{|}~", c, 19) != NULL;
}

/* Atoms with single dots between them. */
static inline bool bm_is_dot_atom(struct bm_span text)
{
	bool after_dot = true;
	for (size_t i = 0; i < text.size; i++) {
		bool dot = text.data[i] == '.';
		if (dot ? after_dot : !bm_is_atext(text.data[i]))
			return false;
		after_dot = dot;
	}
	return !after_dot;
}

#endif
