/* SPDX-License-Identifier: MIT */
/*
 * Charsets of one octet a character above ASCII (ISO 8859, windows-125x, KOI8): a body in one of them takes values that
 * are UTF-8. The table is made once, by iconv; copies are converted without it.
 */
#ifndef BM_MAIL_CHARSET_H
#define BM_MAIL_CHARSET_H

#include "base/buf.h"
#include "base/span.h"
#include "mail/compiled.h"

struct bm_charset {
	struct bm_charset *next;
	struct bm_span name;
	uint32_t points[128]; /* of the octets from 0x80 on; 0: none */
	struct bm_encoding {
		uint32_t point;
		unsigned char octet;
	} sorted[128]; /* by point */
	size_t count;
	const char **reasons; /* for each column of the list: that a value cannot be said in it */
};

bool bm_charset_is_utf8(struct bm_span name);
bool bm_charset_is_ascii(struct bm_span name);

/* The charset of that name, made and kept in the message; NULL and BM_OK when it is none of the kind. */
enum bm_code bm_charset_get(
	struct bm_charset **out, struct bm_message *message, struct bm_span name, size_t columns) BM_MUST_CHECK;

/* The octet of a character; false when there is none. */
bool bm_charset_octet(const struct bm_charset *charset, uint32_t point, unsigned char *octet);

/* Appends text, in charset (NULL: UTF-8, taken as it is), as UTF-8. BM_E_MESSAGE for an octet that stands for nothing.
 */
enum bm_code bm_charset_to_utf8(
	struct bm_buf *out, const struct bm_charset *charset, struct bm_span text) BM_MUST_CHECK;

/* Takes the first character of UTF-8 text off; false at its end or when it is not well-formed. */
bool bm_utf8_take(struct bm_span *text, uint32_t *point);

/* Appends text in any charset that iconv knows as UTF-8; BM_E_MESSAGE when it cannot. */
enum bm_code bm_charset_convert(struct bm_buf *out, struct bm_span charset, struct bm_span text) BM_MUST_CHECK;

#endif
