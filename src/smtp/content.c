/* SPDX-License-Identifier: MIT */
#include "smtp/content.h"

static struct bm_span span_at(const struct bm_content *content, size_t index)
{
	return index < content->count ? content->spans[index] : content->tail;
}

void bm_content_start(struct bm_content *content, const struct bm_span *spans, size_t count, struct bm_span tail)
{
	*content = (struct bm_content){.spans = spans, .count = count, .tail = tail};
}

size_t bm_content_view(const struct bm_content *content, struct bm_span *spans, size_t max)
{
	size_t offset = content->offset;
	size_t filled = 0;

	for (size_t i = content->index; i <= content->count && filled < max; i++) {
		struct bm_span span = span_at(content, i);
		if (span.size > offset)
			spans[filled++] = bm_span_make(span.data + offset, span.size - offset);
		offset = 0;
	}
	return filled;
}

bool bm_content_consume(struct bm_content *content, size_t size)
{
	while (content->index <= content->count) {
		size_t left = span_at(content, content->index).size - content->offset;
		size_t step = size < left ? size : left;
		content->offset += step;
		content->sent += step;
		size -= step;
		if (step < left)
			return false;
		content->index++;
		content->offset = 0;
	}
	return true;
}

uint64_t bm_content_size(const struct bm_content *content)
{
	uint64_t size = 0;
	for (size_t i = 0; i <= content->count; i++)
		size += span_at(content, i).size;
	return size;
}
