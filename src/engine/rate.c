/* SPDX-License-Identifier: MIT */
#include "engine/rate.h"

#include <assert.h>

#define DEPTH_US 100000

void bm_rate_init(struct bm_rate *rate, uint64_t count, uint64_t period_us, uint64_t now_us)
{
	*rate = (struct bm_rate){.count = count, .period_us = period_us, .at_us = now_us};
	if (count == 0)
		return;
	rate->depth = count * DEPTH_US / period_us;
	if (rate->depth == 0)
		rate->depth = 1;
	rate->level = rate->depth * period_us;
}

uint64_t bm_rate_tokens(struct bm_rate *rate, uint64_t now_us)
{
	if (rate->count == 0)
		return UINT64_MAX;
	uint64_t full = rate->depth * rate->period_us;
	uint64_t elapsed_us = now_us - rate->at_us;
	if (elapsed_us > (full - rate->level) / rate->count)
		rate->level = full;
	else
		rate->level += elapsed_us * rate->count;
	rate->at_us = now_us;
	return rate->level / rate->period_us;
}

void bm_rate_take(struct bm_rate *rate, uint64_t tokens)
{
	if (rate->count == 0)
		return;
	assert(tokens * rate->period_us <= rate->level);
	rate->level -= tokens * rate->period_us;
}

uint64_t bm_rate_when(const struct bm_rate *rate, uint64_t tokens)
{
	uint64_t wanted = tokens * rate->period_us;

	if (rate->count == 0 || rate->level >= wanted)
		return rate->at_us;
	return rate->at_us + (wanted - rate->level + rate->count - 1) / rate->count;
}
