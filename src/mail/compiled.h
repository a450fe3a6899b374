/* SPDX-License-Identifier: MIT */
/*
 * What bm_message_new makes: all that the copies have in common, in wire form, and the places where whole lines of a
 * copy's own go.
 */
#ifndef BM_MAIL_COMPILED_H
#define BM_MAIL_COMPILED_H

#include "base/arena.h"
#include "base/buf.h"
#include "bulkmail/message.h"
#include "mail/address.h"
#include "mail/domain.h"

#define BM_NO_COLUMN SIZE_MAX

/* A text, or a slot. */
struct bm_piece {
	struct bm_span text; /* as it is written; of a slot its default, UTF-8 */
	size_t column;       /* of the list; BM_NO_COLUMN: a text */
	bool has_default;
	bool as_is; /* {{{name}}}: HTML is not escaped */
};

struct bm_pieces {
	const struct bm_piece *at;
	size_t count;
};

/* A column of the list; the one behind the last, without a value, stands for those that it lacks. The reasons are those
 * for which a value cannot be sent; NULL while it is not used. */
struct bm_column {
	size_t value; /* its index in a copy's values; BM_NO_COLUMN: always absent */
	bool used;
	const char *absent;
	const char *control;
	const char *not_utf8;
	const char *nul;
	const char *no_mailbox;
	const char *too_long;
};

/* What one part of a header that holds addresses or URIs is. */
enum bm_part_kind {
	BM_PART_LITERAL,
	BM_PART_PHRASE,  /* pieces are a display name, UTF-8 */
	BM_PART_MAILBOX, /* pieces make what stands between angle brackets */
	BM_PART_BARE,    /* pieces make one mailbox, with a display name or without */
	BM_PART_URI,     /* pieces make what stands between angle brackets; values are percent-encoded */
};

struct bm_part {
	enum bm_part_kind kind;
	struct bm_pieces pieces;
	struct bm_span tail; /* "", or the separator behind it */
};

enum bm_place_kind {
	BM_PLACE_TO,     /* the header To: the recipient */
	BM_PLACE_ID,     /* the header Message-ID */
	BM_PLACE_TEXT,   /* a header whose value is text: name, pieces */
	BM_PLACE_LIST,   /* a header of addresses or URIs: name, parts */
	BM_PLACE_QUOTED, /* a line of a body in quoted-printable: pieces, their texts encoded without line breaks */
	BM_PLACE_RAW,    /* a line of a body as it is: pieces */
};

struct bm_charset;

struct bm_place {
	enum bm_place_kind kind;
	size_t at;      /* in wire, at the beginning of a line; never before the place before it */
	size_t bare_at; /* in bare */
	struct bm_span name;
	struct bm_pieces pieces;
	const struct bm_part *parts;
	size_t part_count;
	size_t limit;                     /* a line of a header is not longer if that can be helped */
	const struct bm_charset *charset; /* of a body; NULL: UTF-8 */
	bool html;
};

struct bm_message {
	struct bm_buf wire; /* headers, empty line, body: CR LF, dots stuffed */
	struct bm_buf bare; /* the same without stuffing; empty when nothing is stuffed */
	size_t stuffed;     /* dots in wire that RFC 1870 does not count */
	struct bm_place *places;
	size_t place_count;
	size_t place_capacity;
	struct bm_column *list_columns; /* all of the list's */
	size_t *columns;                /* of the list, that slots use, ascending */
	size_t column_count;
	bool own_to;
	bool own_id;
	bool use_envelope;
	bool eight_bit;
	bool utf8;                /* it needs SMTPUTF8 */
	struct bm_message *seven; /* the 7-bit form, with columns and charsets of this one; NULL: none, or no need */
	char sender[BM_ADDRESS_MAX + 1];
	char id_host[BM_DOMAIN_MAX + 1];
	size_t id_host_size;
	uint64_t id_seed[2];
	struct bm_arena arena;       /* what places point to */
	struct bm_charset *charsets; /* in the arena */
};

/*
 * The same message without octets above 0x7f: text in quoted-printable or base64, all else in base64 (seven.c). *out
 * stays NULL where that would break a signature, or the message cannot be understood.
 */
enum bm_code bm_seven_new(
	struct bm_message **out, const struct bm_message *message, struct bm_error *err) BM_MUST_CHECK;

/* What a piece stands for in a copy; data NULL: it is absent and has no default. */
static inline struct bm_span bm_piece_value(
	const struct bm_message *message, const struct bm_piece *piece, const struct bm_span *values)
{
	if (piece->column == BM_NO_COLUMN)
		return piece->text;
	size_t index = message->list_columns[piece->column].value;
	if (index == BM_NO_COLUMN)
		return piece->text;
	struct bm_span value = values[index];
	return value.size == 0 && piece->has_default ? piece->text : value;
}

#endif
