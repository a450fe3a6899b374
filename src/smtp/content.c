/* SPDX-License-Identifier: MIT */
#include "smtp/content.h"

static struct bm_span span_at(const struct bm_content *content, size_t index)
{
	return index < content->count ? content->spans[index] : content->tail;
}

void bm_content_start(struct bm_content *content, const struct bm_span *spans, size_t count, struct bm_span tail)
{
	*content = (struct bm_content){.spans = spans, .count = count, .tail = tail};
	for (size_t i = 0; i <= count; i++)
		content->size += span_at(content, i).size;
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

/* size is less than what is left: some span takes it. */
static void move_on(struct bm_content *content, uint64_t size)
{
	uint64_t left = span_at(content, content->index).size - content->offset;
	while (size >= left) {
		size -= left;
		content->index++;
		content->offset = 0;
		left = span_at(content, content->index).size;
	}
	content->offset += (size_t)size;
}

bool bm_content_consume(struct bm_content *content, uint64_t size)
{
	uint64_t left = content->size - content->sent;
	if (size >= left) {
		content->sent = content->size;
		return true;
	}
	content->sent += size;
	move_on(content, size);
	return false;
}
