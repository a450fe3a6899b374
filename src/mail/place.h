/* SPDX-License-Identifier: MIT */
/* The lines of one copy at one place of the message: values checked, and written in the way of where they stand. */
#ifndef BM_MAIL_PLACE_H
#define BM_MAIL_PLACE_H

#include "mail/compiled.h"

/* A copy under way. */
struct bm_writing {
	const struct bm_message *message;
	const struct bm_span *values;
	struct bm_buf *out;
	struct bm_buf *scratch;
	bool stuff;     /* dots at the beginning of lines are doubled */
	size_t dots;    /* that were added */
	bool eight_bit; /* an octet above 0x7f was written */
	bool utf8;      /* and that in a header */
};

/* The line or lines of a header or a body; not for BM_PLACE_TO and BM_PLACE_ID. The values are checked. */
enum bm_code bm_place_write(struct bm_writing *writing, const struct bm_place *place) BM_MUST_CHECK;

/* Why a copy with these values cannot be written, NULL when it can. */
const char *bm_place_check(
	const struct bm_message *message, const struct bm_place *place, const struct bm_span *values);

/* True when the pieces of a BM_PART_MAILBOX or BM_PART_BARE make exactly one valid mailbox. */
bool bm_place_makes_mailbox(const struct bm_message *message, const struct bm_part *part, const struct bm_span *values);

/* Between its files. */
enum bm_code bm_place_write_text(struct bm_writing *writing, const struct bm_place *place) BM_MUST_CHECK;
enum bm_code bm_place_write_list(struct bm_writing *writing, const struct bm_place *place) BM_MUST_CHECK;
const char *bm_place_check_text(
	const struct bm_message *message, const struct bm_place *place, const struct bm_span *values);
const char *bm_place_check_list(
	const struct bm_message *message, const struct bm_place *place, const struct bm_span *values);

#endif
