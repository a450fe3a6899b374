/* SPDX-License-Identifier: MIT */
/* One copy of a compiled message in wire form: borrowed spans of the message and a few octets of its own. */
#ifndef BM_MAIL_RENDER_H
#define BM_MAIL_RENDER_H

#include "base/buf.h"
#include "base/span.h"
#include "bulkmail/errors.h"
#include "bulkmail/message.h"
#include "mail/address.h"

#include <stdint.h>

#define BM_RENDER_SPANS 6

/* Whose copy it is. */
struct bm_copy {
	const struct bm_address *to; /* needed where the header To is the recipient (use_envelope 0), else NULL */
	uint64_t seq;                /* 0 for a copy that several share */
	const struct bm_span *values;
	size_t value_count;
};

struct bm_render {
	struct bm_buf own;                     /* this copy's own header lines */
	struct bm_span spans[BM_RENDER_SPANS]; /* CR LF, dot-stuffed, ends in CR LF, no terminator */
	size_t count;
	uint64_t size_bytes; /* without stuffing (RFC 1870) */
	struct bm_span *plain;
	size_t plain_count;
	bool eight_bit; /* this copy needs 8BITMIME */
};

void bm_render_init(struct bm_render *render);
void bm_render_deinit(struct bm_render *render);

/* Indexes of the list's columns that the message uses, ascending; *count 0: the message has no slots. */
const size_t *bm_message_columns(const struct bm_message *message, size_t *count);

/* All that can be wrong with the values of one copy: BM_E_MESSAGE and *reason. */
enum bm_code bm_message_check_values(
	const struct bm_message *message, const struct bm_span *values, size_t count, const char **reason) BM_MUST_CHECK;

/* Two copies with one key are equal to the octet (with use_envelope). 0,0: no slots. */
void bm_message_key(const struct bm_message *message, const struct bm_span *values, size_t count, uint64_t key[2]);

/* Fills render; its spans are valid until it is used again or the message is freed. */
enum bm_code bm_message_render(const struct bm_message *message, struct bm_render *render, const struct bm_copy *copy,
	struct bm_error *err) BM_MUST_CHECK;

#endif
