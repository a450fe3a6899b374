/* SPDX-License-Identifier: MIT */
/*
 * Replies of an SMTP server (RFC 5321, 4.2; RFC 2034), parsed from octets however they
 * are cut. A multi-line reply is one reply; all its lines carry the same code. A line may
 * end in a lone LF (it is only tolerated when read). Limits: BM_REPLY_LINE_MAX octets a line,
 * BM_REPLY_LINES_MAX lines, BM_REPLY_SIZE_MAX octets.
 */
#ifndef BM_SMTP_REPLY_H
#define BM_SMTP_REPLY_H

#include "base/buf.h"
#include "base/span.h"
#include "bulkmail/errors.h"

#include <stdbool.h>
#include <stddef.h>

#define BM_REPLY_LINE_MAX 2048
#define BM_REPLY_LINES_MAX 100
#define BM_REPLY_SIZE_MAX 65536

/* One whole reply. Spans are valid until the parser is fed or reset. */
struct bm_reply {
	int code;           /* 200 to 599 */
	char enhanced[12];  /* "2.1.5", "" without one or when its class is not the code's */
	struct bm_span raw; /* as received, line ends included */
	size_t lines;
};

struct bm_reply_parser {
	struct bm_buf raw;
	size_t line_start;
	size_t lines;
	size_t line_max; /* 0: BM_REPLY_LINE_MAX; to be set anew for each reply */
	int code;
	bool complete;
	const char *fault; /* why it does not parse, NULL so far */
};

void bm_reply_parser_init(struct bm_reply_parser *parser);
void bm_reply_parser_deinit(struct bm_reply_parser *parser);

/*
 * Takes octets up to the end of one reply and puts in *used how many. BM_OK: look at
 * complete. BM_E_PROTOCOL: what came is no reply (fault says why) and stays so until a reset.
 */
enum bm_code bm_reply_parser_feed(
	struct bm_reply_parser *parser, const void *data, size_t size, size_t *used) BM_MUST_CHECK;

/* True and *reply filled when a whole reply is there. */
bool bm_reply_parser_view(const struct bm_reply_parser *parser, struct bm_reply *reply);

/* Forgets the reply and makes ready for the next. */
void bm_reply_parser_reset(struct bm_reply_parser *parser);

/* True when part of a reply is there. */
bool bm_reply_parser_busy(const struct bm_reply_parser *parser);

/* How many octets more a reply may have that is not complete; never 0 without a fault. */
static inline size_t bm_reply_parser_room(const struct bm_reply_parser *parser)
{
	return BM_REPLY_SIZE_MAX - parser->raw.size;
}

/*
 * A whole single-line reply at the front of data, by reference: its size, and *reply filled but for the enhanced code.
 * 0: there is none, or it takes the parser to say what is there. For a parser that is not busy.
 */
size_t bm_reply_scan(const void *data, size_t size, struct bm_reply *reply);

/* Fills in the enhanced code. */
void bm_reply_find_enhanced(struct bm_reply *reply);

/* Drops whole lines at its end until it has at most max octets. */
void bm_reply_cut(struct bm_reply *reply, size_t max);

/* The text of line index (0-based) without code, separator and line end; empty beyond the last. */
struct bm_span bm_reply_line(const struct bm_reply *reply, size_t index);

/*
 * The whole text as one printable line without codes and without the enhanced code, lines joined by a
 * blank, controls escaped (bm_escape), cut to fit, NUL-terminated.
 */
void bm_reply_text(const struct bm_reply *reply, char *out, size_t out_size);

#endif
