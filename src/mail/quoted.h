/* SPDX-License-Identifier: MIT */
/*
 * Quoted-printable written (RFC 2045, 6.7): no line over 76 octets, no blank at a line's end, no line that begins with
 * a dot or a hyphen. The room is reserved first (bm_quoted_room), then it is filled without further checks.
 */
#ifndef BM_MAIL_QUOTED_H
#define BM_MAIL_QUOTED_H

#include "base/buf.h"
#include "base/span.h"

#include <stdbool.h>
#include <stddef.h>

struct bm_quoted {
	unsigned char *at;
	size_t column;
};

/* Octets that encoded octets of text and value octets of values take at most, the last line end included. */
static inline size_t bm_quoted_room(size_t encoded, size_t values)
{
	return (encoded + 8 * values) / 8 * 9 + 48;
}

/* How an octet of a value is written. */
enum bm_octet_kind {
	BM_OCTET_PLAIN,
	BM_OCTET_CODED,  /* =XX */
	BM_OCTET_MARKUP, /* < > & " ', which HTML writes otherwise */
	BM_OCTET_END,    /* CR, LF */
};
extern const unsigned char bm_octet_kinds[256];

static inline enum bm_octet_kind bm_octet_kind(unsigned char c)
{
	return (enum bm_octet_kind)bm_octet_kinds[c];
}

/* True when it is written as it is. */
static inline bool bm_octet_is_plain(unsigned char c, bool html)
{
	enum bm_octet_kind kind = bm_octet_kind(c);

	return kind == BM_OCTET_PLAIN || (kind == BM_OCTET_MARKUP && !html);
}

/* "&lt;" and so on. */
struct bm_span bm_html_entity(unsigned char c);

/* Encoded text without line ends: cut only between its characters. */
void bm_quoted_put_encoded(struct bm_quoted *quoted, struct bm_span text);

/* Octets as they are; line ends in them begin new lines. */
void bm_quoted_put(struct bm_quoted *quoted, struct bm_span octets, bool html);

void bm_quoted_end_line(struct bm_quoted *quoted);

/* Appends octets encoded, without line breaks. */
enum bm_code bm_quoted_append(struct bm_buf *out, struct bm_span octets) BM_MUST_CHECK;

#endif
