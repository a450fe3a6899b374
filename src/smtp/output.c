/* SPDX-License-Identifier: MIT */
#include "smtp/output.h"

#include "base/secret.h"

#include <assert.h>
#include <stdlib.h>

#define CAPACITY_MIN 2

void bm_output_init(struct bm_output *output)
{
	*output = (struct bm_output){.said = 0};
	bm_buf_init(&output->commands, 2 * BM_OUTPUT_COMMANDS_MAX);
}

void bm_output_deinit(struct bm_output *output)
{
	bm_output_wipe(output);
	bm_buf_deinit(&output->commands);
	free(output->contents);
	bm_output_init(output);
}

void bm_output_mark_secret(struct bm_output *output)
{
	output->secret = true;
}

void bm_output_wipe(struct bm_output *output)
{
	if (output->secret)
		bm_secret_wipe(output->commands.data, output->commands.capacity);
	output->secret = false;
}

size_t bm_output_commands_left(const struct bm_output *output)
{
	return output->commands.size - output->commands_sent;
}

static size_t size_of(const struct bm_span *parts, size_t count)
{
	size_t size = 2;
	for (size_t i = 0; i < count; i++)
		size += parts[i].size;
	return size;
}

enum bm_code bm_output_command(
	struct bm_output *output, const struct bm_span *parts, size_t count, struct bm_span *text)
{
	size_t size = size_of(parts, count);
	assert(!output->secret);
	enum bm_code code = bm_buf_reserve(&output->commands, size);
	if (code != BM_OK)
		return code;
	unsigned char *start = output->commands.data + output->commands.size;
	unsigned char *at = start;
	for (size_t i = 0; i < count; i++) {
		if (parts[i].size > 0)
			memcpy(at, parts[i].data, parts[i].size);
		at += parts[i].size;
	}
	/* submit and talk refused these; no command leaves with one whatever happened in between */
	assert(!bm_span_has_control(bm_span_make(start, size - 2)));
	memcpy(at, "\r\n", 2);
	output->commands.size += size;
	output->said += size;
	*text = bm_span_make(start, size - 2);
	return BM_OK;
}

static struct bm_output_content *content_at(const struct bm_output *output, size_t index)
{
	return &output->contents[(output->first + index) & (output->capacity - 1)];
}

static enum bm_code grow(struct bm_output *output)
{
	size_t capacity = output->capacity == 0 ? CAPACITY_MIN : output->capacity * 2;
	struct bm_output_content *contents = reallocarray(NULL, capacity, sizeof *contents);
	if (contents == NULL)
		return BM_E_NOMEM;
	for (size_t i = 0; i < output->count; i++)
		contents[i] = *content_at(output, i);
	free(output->contents);
	output->contents = contents;
	output->capacity = capacity;
	output->first = 0;
	return BM_OK;
}

enum bm_code bm_output_content(struct bm_output *output, const struct bm_content *content)
{
	enum bm_code code = BM_OK;
	if (content->size == 0)
		return code;
	if (output->count == output->capacity)
		code = grow(output);
	if (code != BM_OK)
		return code;
	*content_at(output, output->count) = (struct bm_output_content){output->said, *content};
	output->count++;
	output->said += content->size;
	return BM_OK;
}

/* Where the commands before content index end: where it begins, or, beyond the last, where all ends. */
static uint64_t commands_until(const struct bm_output *output, size_t index)
{
	return index < output->count ? content_at(output, index)->start : output->said;
}

size_t bm_output_view(const struct bm_output *output, struct bm_span *spans, size_t max)
{
	uint64_t at = output->sent;
	size_t offset = output->commands_sent;
	size_t filled = 0;

	for (size_t i = 0; i <= output->count && filled < max; i++) {
		uint64_t until = commands_until(output, i);
		if (at < until) {
			size_t size = (size_t)(until - at);
			spans[filled++] = bm_span_make(output->commands.data + offset, size);
			offset += size;
		}
		if (i == output->count)
			break;
		const struct bm_output_content *next = content_at(output, i);
		filled += bm_content_view(&next->content, spans + filled, max - filled);
		at = next->start + next->content.size;
	}
	return filled;
}

/* What was sent makes room: for nothing when all is, else by moving what is left, once in 64 KiB. */
static void tidy(struct bm_output *output)
{
	if (output->commands_sent == output->commands.size) {
		bm_output_wipe(output);
		bm_buf_clear(&output->commands);
		output->commands_sent = 0;
	} else if (output->commands_sent >= BM_OUTPUT_COMMANDS_MAX) {
		bm_buf_consume(&output->commands, output->commands_sent);
		output->commands_sent = 0;
	}
}

static uint64_t lesser(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

/* Of the command octets at the front, or of the content there. */
static uint64_t consume_some(struct bm_output *output, uint64_t size)
{
	uint64_t until = commands_until(output, 0);
	if (output->sent < until) {
		uint64_t step = lesser(size, until - output->sent);
		output->commands_sent += (size_t)step;
		return step;
	}
	struct bm_output_content *next = content_at(output, 0);
	uint64_t step = lesser(size, next->content.size - next->content.sent);
	if (bm_content_consume(&next->content, step)) {
		output->first = (output->first + 1) & (output->capacity - 1);
		output->count--;
	}
	return step;
}

void bm_output_consume(struct bm_output *output, size_t size)
{
	uint64_t left = lesser(size, output->said - output->sent);
	while (left > 0) {
		uint64_t step = consume_some(output, left);
		output->sent += step;
		left -= step;
	}
	tidy(output);
}

uint64_t bm_output_block(const struct bm_output *output, uint64_t block_size)
{
	if (output->count == 0)
		return BM_OUTPUT_NOWHERE;
	const struct bm_output_content *next = content_at(output, 0);
	if (output->sent < next->start)
		return BM_OUTPUT_NOWHERE;
	return output->sent - next->content.sent % block_size;
}
