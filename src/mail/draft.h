/* SPDX-License-Identifier: MIT */
/*
 * A message on its way to be compiled: the attributes as they stand after the headers of the message had their say, the
 * further headers, and the body. Everything is borrowed from the options but for the block of headers_from_message.
 * Values hold no NUL, and CR LF only where a blank follows (a folded header of the message).
 */
#ifndef BM_MAIL_DRAFT_H
#define BM_MAIL_DRAFT_H

#include "base/buf.h"
#include "base/span.h"
#include "bulkmail/message.h"

#include <stdbool.h>

#define BM_FIELDS_MAX 2000

enum bm_attribute {
	BM_ATTRIBUTE_FROM,
	BM_ATTRIBUTE_TO,
	BM_ATTRIBUTE_SENDER,
	BM_ATTRIBUTE_REPLY_TO,
	BM_ATTRIBUTE_SUBJECT,
	BM_ATTRIBUTE_PRECEDENCE,
	BM_ATTRIBUTE_COUNT,
};

struct bm_field {
	struct bm_span name;
	struct bm_span value; /* as it stands behind the colon for a file's, else the value alone */
	struct bm_span raw;   /* a file's: the whole field with any line ends, without its last; else empty */
	size_t line;          /* a file's: its line */
};

struct bm_draft {
	const struct bm_message_options *options;
	struct bm_span attributes[BM_ATTRIBUTE_COUNT]; /* empty: unset */
	struct bm_field fields[BM_FIELDS_MAX];
	size_t field_count;
	struct bm_buf block; /* the headers of the message, line ends CR LF */
	struct bm_span body;
	size_t body_line; /* the line of the content on which the body begins */
};

/* Takes the attributes and further headers of the options, and takes the content apart. deinit in any case. */
enum bm_code bm_draft_init(
	struct bm_draft *draft, const struct bm_message_options *options, struct bm_error *err) BM_MUST_CHECK;
void bm_draft_deinit(struct bm_draft *draft);

/* The header's name that an attribute fills. */
const char *bm_attribute_name(enum bm_attribute attribute);

/* The field of that name, ASCII case ignored: the file's, else a further header whose value is not blank, else NULL. */
const struct bm_field *bm_draft_find(const struct bm_draft *draft, const char *name);

/* A file (file.c): its headers and its body. */
enum bm_code bm_draft_parse_file(struct bm_draft *draft, struct bm_error *err) BM_MUST_CHECK;
/* True for fields of a file that are not passed on (RFC 5322, 3.6.3: Bcc). */
bool bm_field_is_dropped(const struct bm_field *field);
enum bm_code bm_draft_add(struct bm_draft *draft, const struct bm_field *field, struct bm_error *err) BM_MUST_CHECK;

/* value without line ends, TAB behind one as a blank, trimmed; appended to out. */
enum bm_code bm_unfold(struct bm_buf *out, struct bm_span value) BM_MUST_CHECK;

bool bm_is_blank(struct bm_span text);

#endif
