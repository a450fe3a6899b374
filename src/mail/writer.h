/* SPDX-License-Identifier: MIT */
/* A message that is being compiled: between message.c and what knows of slots. */
#ifndef BM_MAIL_WRITER_H
#define BM_MAIL_WRITER_H

#include "mail/compiled.h"
#include "mail/draft.h"
#include "mail/slot.h"

#define BM_WIRE_MAX (SIZE_MAX / 4)

/* How the headers of a body change because it takes values. */
struct bm_body_plan {
	bool merged;         /* it has slots, or escaped braces */
	bool text;           /* it is one text, not a multipart: type and quoted hold for it */
	struct bm_span type; /* the new Content-Type; empty: it stays */
	bool quoted;         /* its Content-Transfer-Encoding becomes quoted-printable */
	bool type_written;
	bool quoted_written;
};

struct bm_writer {
	struct bm_message *message;
	const struct bm_draft *draft;
	size_t limit;      /* of a header line; 0: not folded */
	size_t body_limit; /* the same for a body */
	struct bm_buf field;
	struct bm_buf scratch;
	struct bm_slots slots;
	struct bm_body_plan plan;
	struct bm_error *err;
};

/* Lines of each copy's own come here. */
enum bm_code bm_writer_put_place(struct bm_writer *writer, const struct bm_place *place) BM_MUST_CHECK;

/* A place whose pieces do not vary is written at once. */
enum bm_code bm_writer_put_merged(struct bm_writer *writer, const struct bm_place *place, bool varies) BM_MUST_CHECK;

enum bm_code bm_writer_no_room(struct bm_writer *writer, enum bm_code code);

/* True when a header's value has slots or escaped braces, in encoded-words too, and the message is to be merged. */
bool bm_merge_wants(const struct bm_draft *draft, struct bm_span value);

/* A header with slots: MB002 (of an attribute), MB022, MB024, MB025. value is as in the draft. */
enum bm_code bm_merge_header(
	struct bm_writer *writer, struct bm_span name, struct bm_span value, bool attribute) BM_MUST_CHECK;

/* What may be encoded in a header of that name: all of it; display names. */
bool bm_header_is_text(struct bm_span name);
bool bm_header_has_phrases(struct bm_span name);

/* A field of a file that holds UTF-8 (utf8_header.c). */
enum bm_code bm_utf8_header(struct bm_writer *writer, const struct bm_field *field) BM_MUST_CHECK;

/* Text as encoded-words; a file's field as it stands. */
enum bm_code bm_writer_put_encoded_text(
	struct bm_writer *writer, struct bm_span name, struct bm_span value) BM_MUST_CHECK;
enum bm_code bm_writer_put_raw(struct bm_writer *writer, const struct bm_field *field) BM_MUST_CHECK;

/* The first mailbox of a header with slots, when no slot is in it but in its display name; else empty. */
struct bm_span bm_merge_fixed_mailbox(struct bm_span value);

/* Before the headers are written: what the body does to them. */
enum bm_code bm_merge_plan(struct bm_writer *writer) BM_MUST_CHECK;

/* The body, if the plan says that it is merged. */
enum bm_code bm_merge_body(struct bm_writer *writer) BM_MUST_CHECK;

#endif
