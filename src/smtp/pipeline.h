/* SPDX-License-Identifier: MIT */
/*
 * The FIFO of expected replies (RFC 2920, 3.1): a reply belongs to the oldest command that has none, whatever
 * its code or text. Bounded, so that a long envelope is said in a sliding window.
 */
#ifndef BM_SMTP_PIPELINE_H
#define BM_SMTP_PIPELINE_H

#include "smtp/smtp.h"

#include <assert.h>

#define BM_PIPELINE_MAX 1024

struct bm_transaction;

struct bm_expected {
	uint64_t end;              /* the reply may begin once that many octets were sent … */
	uint64_t whole;            /* … and, when it is positive, that many: of BDAT, its content too (RFC 3030, 2) */
	struct bm_transaction *tx; /* whose command it is, NULL: nobody's */
	enum bm_smtp_command command;
};

struct bm_pipeline {
	size_t head;
	size_t count;
	uint64_t head_since_ms; /* when its time-out began to run */
	struct bm_expected ring[BM_PIPELINE_MAX];
};

/* The oldest, NULL when nothing is expected. */
static inline const struct bm_expected *bm_pipeline_head(const struct bm_pipeline *pipeline)
{
	return pipeline->count > 0 ? &pipeline->ring[pipeline->head] : NULL;
}

/* There must be room: count is less than BM_PIPELINE_MAX. */
static inline void bm_pipeline_push(struct bm_pipeline *pipeline, const struct bm_expected *expected, uint64_t now_ms)
{
	assert(pipeline->count < BM_PIPELINE_MAX);
	if (pipeline->count == 0) {
		pipeline->head = 0; /* the same few lines of cache where little is under way */
		pipeline->head_since_ms = now_ms;
	}
	pipeline->ring[(pipeline->head + pipeline->count) % BM_PIPELINE_MAX] = *expected;
	pipeline->count++;
}

/* Drops the oldest; the next one's time-out begins. */
static inline struct bm_expected bm_pipeline_pop(struct bm_pipeline *pipeline, uint64_t now_ms)
{
	assert(pipeline->count > 0);
	struct bm_expected expected = pipeline->ring[pipeline->head];
	pipeline->head = (pipeline->head + 1) % BM_PIPELINE_MAX;
	pipeline->count--;
	pipeline->head_since_ms = now_ms;
	return expected;
}

#endif
