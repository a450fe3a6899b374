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

struct bm_render {
	struct bm_buf own;                     /* this copy's own header lines */
	struct bm_span spans[BM_RENDER_SPANS]; /* CR LF, dot-stuffed, ends in CR LF, no terminator */
	size_t count;
	uint64_t size_bytes; /* without stuffing (RFC 1870) */
};

void bm_render_init(struct bm_render *render);
void bm_render_deinit(struct bm_render *render);

/*
 * Fills render; its spans are valid until it is used again or the message is freed. to is the recipient whose copy
 * it is, NULL for a shared copy (use_envelope; BM_E_USAGE when the message has no To of its own); seq makes Message-ID
 * unique (0 for a shared copy) and the same in every attempt.
 */
enum bm_code bm_message_render(const struct bm_message *message, struct bm_render *render, const struct bm_address *to,
	uint64_t seq, struct bm_error *err) BM_MUST_CHECK;

#endif
