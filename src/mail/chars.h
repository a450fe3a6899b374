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

/* In valid UTF-8: U+0080 to U+009F (NEL among them), U+2028 and U+2029, which some readers take for line ends. */
static inline bool bm_has_line_end_of_utf8(struct bm_span text)
{
	for (size_t i = 0; i + 1 < text.size; i++) {
		const unsigned char *d = text.data + i;
		if (d[0] == 0xc2 && d[1] < 0xa0)
			return true;
		if (d[0] == 0xe2 && d[1] == 0x80 && i + 2 < text.size && (d[2] == 0xa8 || d[2] == 0xa9))
			return true;
	}
	return false;
}

#endif
