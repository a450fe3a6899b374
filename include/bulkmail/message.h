/* SPDX-License-Identifier: MIT */
/*
 * The message of a campaign: parsed and brought into wire form once. Either an RFC 5322
 * file, whose own headers stand and whose missing ones the attributes fill in, or a
 * bare body, whose headers all come from the attributes.
 */
#ifndef BULKMAIL_MESSAGE_H
#define BULKMAIL_MESSAGE_H

#include "bulkmail/errors.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

struct bm_message;

struct bm_header {
	const char *name;
	const char *value;
};

enum bm_message_form {
	BM_MESSAGE_BODY,    /* content is a body; every header comes from the attributes */
	BM_MESSAGE_FILE,    /* content is an RFC 5322 message; its headers stand */
	BM_MESSAGE_HEADERS, /* headers_from_message: its headers set attributes and further headers */
};

/* Strings are only read during bm_message_new. */
struct bm_message_options {
	size_t size; /* sizeof this struct */
	enum bm_message_form form;
	const void *content;
	size_t content_size;
	const char *from;       /* needed for a body: MB014 */
	const char *to;         /* the header To with use_envelope: MB015 */
	const char *sender;     /* unset: From; "<>" is the null reverse-path */
	const char *reply_to;   /* unset: From */
	const char *subject;    /* unset: no header */
	const char *precedence; /* unset: list */
	bool html;
	bool use_envelope;   /* false: the header To is the recipient's record */
	bool force80;        /* lines are folded at 78, else at 998 */
	bool trust_wrapping; /* nothing is folded */
	bool trust_email;    /* the addresses of attributes are not checked */
	bool trust_precedence;
	const struct bm_header *headers; /* further headers, in this order */
	size_t header_count;
	uint64_t date;               /* seconds since 1970, for the header Date */
	int utc_offset;              /* minutes east of UTC, for the same */
	const char *message_id_host; /* right-hand side of Message-ID; unset: the domain of From */
	uint64_t message_id_seed[2]; /* random; makes the Message-IDs of this run its own */
	bool merge;                  /* {{name}} is a slot that takes the value of the list's column of that name */
	const char *const *columns;  /* the names that slots may use, as bm_recipients_columns gave them */
	size_t column_count;
};

#define BM_MESSAGE_OPTIONS_INIT                                                                                        \
	{                                                                                                                  \
		.size = sizeof(struct bm_message_options), .use_envelope = true                                                \
	}

/*
 * Compiles a message. MB001 precedence, MB002 an attribute's address, MB004 a Cc or Bcc
 * header is set, MB005 a header's name, MB014 no From, MB015 no To, MB016 no content or
 * a NUL in it, MB019 no sender, MB022 headers that do not parse or cannot be sent, MB023 a file's body has a line over
 * 998 octets, MB024 a slot's column is not among the columns, MB025 a slot is not closed; BM_E_MESSAGE. BM_E_USAGE for
 * options out of range. The caller frees *out.
 */
BM_API enum bm_code bm_message_new(
	struct bm_message **out, const struct bm_message_options *options, struct bm_error *err) BM_MUST_CHECK;
BM_API void bm_message_free(struct bm_message *message);

/* The envelope sender, "" for the null reverse-path. Owned by the message. */
BM_API const char *bm_message_sender(const struct bm_message *message);

/*
 * True when the message holds octets above 0x7f and may not be encoded otherwise (it is signed or encrypted): it needs
 * a server with 8BITMIME. Any other is re-encoded for a server without.
 */
BM_API bool bm_message_eight_bit(const struct bm_message *message);

/* True when the sender or an address in the header is not ASCII before its "@": it needs servers with SMTPUTF8. */
BM_API bool bm_message_utf8(const struct bm_message *message);

/*
 * Octets of one copy with CR LF, without dot-stuffing and terminator (RFC 1870). to_size is that of the recipient's
 * record, which counts only where it is the header To; exact while that record is ASCII and fits on one line. Of a
 * message with slots an estimate: each counts for a hundred octets.
 */
BM_API uint64_t bm_message_size(const struct bm_message *message, size_t to_size);

#ifdef __cplusplus
}
#endif

#endif
