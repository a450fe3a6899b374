/* SPDX-License-Identifier: MIT */
/*
 * The FIFO of expected replies (RFC 2920, 3.1): a reply belongs to the oldest command that has none, whatever
 * its code or text. Bounded, so that a long envelope is said in a sliding window.
 */
#ifndef BM_SMTP_PIPELINE_H
#define BM_SMTP_PIPELINE_H

#include "smtp/smtp.h"

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
const struct bm_expected *bm_pipeline_head(const struct bm_pipeline *pipeline);

/* There must be room: count is less than BM_PIPELINE_MAX. */
void bm_pipeline_push(struct bm_pipeline *pipeline, const struct bm_expected *expected, uint64_t now_ms);

/* Drops the oldest; the next one's time-out begins. */
struct bm_expected bm_pipeline_pop(struct bm_pipeline *pipeline, uint64_t now_ms);

#endif
