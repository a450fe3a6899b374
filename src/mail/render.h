/* SPDX-License-Identifier: MIT */
/* One copy of a compiled message in wire form: borrowed spans of the message and octets of its own. */
#ifndef BM_MAIL_RENDER_H
#define BM_MAIL_RENDER_H

#include "base/buf.h"
#include "base/span.h"
#include "bulkmail/errors.h"
#include "bulkmail/message.h"
#include "mail/address.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Whose copy it is. */
struct bm_copy {
	const struct bm_address *to;  /* needed where the header To is the recipient (use_envelope 0), else NULL */
	uint64_t seq;                 /* 0 for a copy that several share */
	const struct bm_span *values; /* of the columns that bm_message_columns names, in its order; data NULL: absent */
	size_t value_count;
	bool seven_bit; /* the message's 7-bit form, where it has one */
};

/* One form of a copy. */
struct bm_render_side {
	struct bm_buf own;  /* the lines that are this copy's own, one after the other */
	struct bm_buf flat; /* a small copy as a whole */
	size_t *ends;       /* of each place in own */
	size_t end_capacity;
	struct bm_span *spans;
	size_t span_capacity;
};

struct bm_render {
	struct bm_span *spans; /* for DATA: CR LF, dots stuffed, ends in CR LF, no terminator */
	size_t count;
	struct bm_span *plain; /* for BDAT: the same without stuffing; NULL when nothing is stuffed */
	size_t plain_count;
	uint64_t size_bytes; /* without stuffing (RFC 1870) */
	bool eight_bit;      /* this copy holds octets above 0x7f */
	bool utf8;           /* its header holds UTF-8: it needs SMTPUTF8 */

	/* Its memory, kept from copy to copy. */
	struct bm_render_side stuffed;
	struct bm_render_side bare;
	struct bm_buf scratch;
};

void bm_render_init(struct bm_render *render);
void bm_render_deinit(struct bm_render *render);

/*
 * Indexes of the list's columns that the message uses, ascending; *count 0: the message has no slots. Owned by the
 * message.
 */
const size_t *bm_message_columns(const struct bm_message *message, size_t *count);

/*
 * All that can be wrong with the values of one copy, before it is rendered: BM_E_MESSAGE and *reason, which the message
 * owns. Afterwards bm_message_render with these values fails for want of memory only.
 */
enum bm_code bm_message_check_values(
	const struct bm_message *message, const struct bm_span *values, size_t count, const char **reason) BM_MUST_CHECK;

/*
 * Two copies of one message with one key are equal to the octet (with use_envelope); Message-ID is made from it. Absent
 * and empty are one. 0, 0 for a message without slots.
 */
void bm_message_key(const struct bm_message *message, const struct bm_span *values, size_t count, uint64_t key[2]);

/*
 * Fills render; its spans are valid until it is used again or the message is freed. BM_E_USAGE when the message needs
 * a recipient or values that copy lacks. Message-ID is the same in every attempt.
 */
enum bm_code bm_message_render(const struct bm_message *message, struct bm_render *render, const struct bm_copy *copy,
	struct bm_error *err) BM_MUST_CHECK;

#endif
