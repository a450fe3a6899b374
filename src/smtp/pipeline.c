/* SPDX-License-Identifier: MIT */
#include "smtp/pipeline.h"

#include <assert.h>

const struct bm_expected *bm_pipeline_head(const struct bm_pipeline *pipeline)
{
	return pipeline->count > 0 ? &pipeline->ring[pipeline->head] : NULL;
}

void bm_pipeline_push(struct bm_pipeline *pipeline, const struct bm_expected *expected, uint64_t now_ms)
{
	assert(pipeline->count < BM_PIPELINE_MAX);
	if (pipeline->count == 0)
		pipeline->head_since_ms = now_ms;
	pipeline->ring[(pipeline->head + pipeline->count) % BM_PIPELINE_MAX] = *expected;
	pipeline->count++;
}

struct bm_expected bm_pipeline_pop(struct bm_pipeline *pipeline, uint64_t now_ms)
{
	assert(pipeline->count > 0);
	struct bm_expected expected = pipeline->ring[pipeline->head];
	pipeline->head = (pipeline->head + 1) % BM_PIPELINE_MAX;
	pipeline->count--;
	pipeline->head_since_ms = now_ms;
	return expected;
}
