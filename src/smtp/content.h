/* SPDX-License-Identifier: MIT */
/*
 * Content on its way out: borrowed spans, then a tail of our own (".\r\n" or none), handed out by reference. Knows how
 * much was sent.
 */
#ifndef BM_SMTP_CONTENT_H
#define BM_SMTP_CONTENT_H

#include "base/span.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct bm_content {
	const struct bm_span *spans;
	size_t count;
	struct bm_span tail; /* spoken as span number count */
	size_t index;        /* of the span where the next octet is */
	size_t offset;       /* in that span */
	uint64_t size;       /* octets of all of it */
	uint64_t sent;
};

void bm_content_start(struct bm_content *content, const struct bm_span *spans, size_t count, struct bm_span tail);

/* Up to max spans of what is left; the number of them. */
size_t bm_content_view(const struct bm_content *content, struct bm_span *spans, size_t max);

/* Drops up to size octets; true when nothing is left. */
bool bm_content_consume(struct bm_content *content, uint64_t size);

#endif
