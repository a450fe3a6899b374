/* SPDX-License-Identifier: MIT */
/*
 * For tests/e2e/test_wrap_oracle.py. The word says what is done with the octets: bodyN or headN folds them at N (0:
 * trusted); wholeN takes a record, LF, a message with headers and shows the copy with use_envelope, ownN without.
 */
#include "frames.h"

#include "mail/address.h"
#include "mail/fold.h"
#include "mail/render.h"

#include <string.h>

static bool is_continuation(const unsigned char *at)
{
	return *at == ' ' || *at == '\t';
}

/* Field by field, as the composer does it. */
static void fold_headers(struct bm_buf *out, struct bm_span text, size_t limit)
{
	const unsigned char *end = text.data + text.size;
	const unsigned char *start = text.data;

	while (start < end) {
		const unsigned char *next = start;
		do {
			next = memchr(next, '\n', (size_t)(end - next));
			next = next == NULL ? end : next + 1;
		} while (next < end && is_continuation(next));
		if (bm_field_append(out, bm_span_make(start, (size_t)(next - start)), limit) != BM_OK)
			abort();
		start = next;
	}
}

static bool is_ours(struct bm_span line)
{
	static const char *const ours[] = {"Date:", "Message-ID:", "MIME-Version:"};

	for (size_t i = 0; i < sizeof ours / sizeof ours[0]; i++) {
		size_t size = strlen(ours[i]);
		if (line.size >= size && memcmp(line.data, ours[i], size) == 0)
			return true;
	}
	return false;
}

/* Leaves out what the original has otherwise or not at all. */
static void show(struct bm_buf *out, const struct bm_render *render)
{
	struct bm_buf all;
	struct bm_lines lines;
	bool headers = true;

	bm_buf_init(&all, SIZE_MAX / 2);
	for (size_t i = 0; i < render->count; i++) {
		if (bm_buf_append_span(&all, render->spans[i]) != BM_OK)
			abort();
	}
	bm_lines_init(&lines, bm_buf_view(&all));
	while (bm_lines_next(&lines)) {
		headers = headers && lines.line.size > 0;
		if (headers && is_ours(lines.line))
			continue;
		if (bm_buf_append_span(out, lines.line) != BM_OK || bm_buf_append_str(out, "\r\n") != BM_OK)
			abort();
	}
	bm_buf_deinit(&all);
}

static void compose(struct bm_buf *out, struct bm_span text, bool envelope, size_t limit)
{
	const unsigned char *lf = memchr(text.data, '\n', text.size);
	size_t record = lf == NULL ? text.size : (size_t)(lf - text.data);
	struct bm_message_options options = BM_MESSAGE_OPTIONS_INIT;
	struct bm_message *message = NULL;
	struct bm_error err = BM_ERROR_INIT;
	struct bm_render render;
	struct bm_address to;
	struct bm_copy copy = {.to = &to, .seq = 1};

	options.form = BM_MESSAGE_HEADERS;
	options.content = text.data + record + 1;
	options.content_size = text.size - record - 1;
	options.use_envelope = envelope;
	options.force80 = limit == 78;
	options.trust_wrapping = limit == 0;
	bm_render_init(&render);
	if (bm_message_new(&message, &options, &err) == BM_OK &&
		bm_address_parse(&to, bm_span_make(text.data, record), NULL) == BM_OK &&
		bm_message_render(message, &render, &copy, &err) == BM_OK)
		show(out, &render);
	else if (bm_buf_append_fmt(out, "%s %s", err.id, err.text) != BM_OK)
		abort();
	bm_render_deinit(&render);
	bm_message_free(message);
}

static void work(struct bm_buf *out, const char *word, struct bm_span text)
{
	size_t stuffed = 0;

	if (strncmp(word, "body", 4) == 0) {
		if (bm_body_append(out, text, (size_t)atol(word + 4), &stuffed) != BM_OK)
			abort();
	} else if (strncmp(word, "head", 4) == 0) {
		fold_headers(out, text, (size_t)atol(word + 4));
	} else {
		bool envelope = strncmp(word, "whole", 5) == 0;
		compose(out, text, envelope, (size_t)atol(word + (envelope ? 5 : 3)));
	}
}

int main(void)
{
	char word[32];
	size_t size = 0;
	unsigned char *data;

	while ((data = frame_read(word, &size)) != NULL) {
		struct bm_buf out;
		bm_buf_init(&out, SIZE_MAX / 2);
		work(&out, word, bm_span_make(data, size));
		frame_write(word, out.data, out.size);
		bm_buf_deinit(&out);
		free(data);
	}
	return 0;
}
