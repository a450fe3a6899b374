/* SPDX-License-Identifier: MIT */
/*
 * A token bucket in whole numbers: never more than rate × time + depth recipients in any stretch of time. The depth is
 * a tenth of a second's worth, at least 1.
 */
#ifndef BM_ENGINE_RATE_H
#define BM_ENGINE_RATE_H

#include <stdint.h>

struct bm_rate {
	uint64_t count; /* recipients each period; 0: no limit */
	uint64_t period_us;
	uint64_t depth;
	uint64_t level; /* tokens × period_us */
	uint64_t at_us; /* when level was true */
};

/* A full bucket. count and period_us as bm_rate_parse gave them. */
void bm_rate_init(struct bm_rate *rate, uint64_t count, uint64_t period_us, uint64_t now_us);

/* Whole tokens that are there; UINT64_MAX without a limit. */
uint64_t bm_rate_tokens(struct bm_rate *rate, uint64_t now_us);

/* Takes tokens that are there. */
void bm_rate_take(struct bm_rate *rate, uint64_t tokens);

/* When there will be so many, at most the depth; at_us when there are. */
uint64_t bm_rate_when(const struct bm_rate *rate, uint64_t tokens);

#endif
