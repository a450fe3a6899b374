/* SPDX-License-Identifier: MIT */
/*
 * What tests/e2e/test_merge_parse.py talks to. Input: "FORM SIZE\n" and SIZE octets, again and again; FORM is file or
 * body, the octets are values and a message, each with a NUL behind it but the message: name, email, note, From,
 * Subject. Output: "STATUS SIZE\n" and the copy as it is for BDAT, or the reason; STATUS is ok, error or invalid.
 */
#include "mail/render.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define VALUES 3

static const char *take(struct bm_span *text)
{
	const char *start = (const char *)text->data;
	size_t size = strlen(start) + 1;

	*text = bm_span_make(text->data + size, text->size - size);
	return start;
}

static void answer(const char *status, const struct bm_span *spans, size_t count)
{
	size_t size = 0;

	for (size_t i = 0; i < count; i++)
		size += spans[i].size;
	printf("%s %zu\n", status, size);
	for (size_t i = 0; i < count; i++)
		fwrite(spans[i].data, 1, spans[i].size, stdout);
}

static void answer_text(const char *status, const char *text)
{
	struct bm_span span = bm_span_of(text);

	answer(status, &span, 1);
}

static void render(const struct bm_message *message, const struct bm_span all[VALUES])
{
	struct bm_span values[VALUES];
	struct bm_render render;
	struct bm_error err = BM_ERROR_INIT;
	const char *reason = NULL;
	size_t count = 0;
	const size_t *columns = bm_message_columns(message, &count);

	for (size_t i = 0; i < count; i++)
		values[i] = all[columns[i]];
	if (bm_message_check_values(message, values, count, &reason) != BM_OK) {
		answer_text("invalid", reason);
		return;
	}
	struct bm_copy copy = {.values = values, .value_count = count};
	bm_render_init(&render);
	/* The values were checked: it may not fail. */
	if (bm_message_render(message, &render, &copy, &err) != BM_OK)
		abort();
	if (render.plain != NULL)
		answer("ok", render.plain, render.plain_count);
	else
		answer("ok", render.spans, render.count);
	bm_render_deinit(&render);
}

static void work(const char *form, struct bm_span text)
{
	static const char *const columns[VALUES] = {"name", "email", "note"};
	struct bm_message_options options = BM_MESSAGE_OPTIONS_INIT;
	struct bm_message *message = NULL;
	struct bm_error err = BM_ERROR_INIT;
	struct bm_span values[VALUES];

	for (size_t i = 0; i < VALUES; i++)
		values[i] = bm_span_of(take(&text));
	options.from = take(&text);
	options.subject = take(&text);
	options.form = strcmp(form, "file") == 0 ? BM_MESSAGE_FILE : BM_MESSAGE_BODY;
	options.sender = "s@x.org";
	options.to = "list@x.org";
	options.merge = true;
	options.columns = columns;
	options.column_count = VALUES;
	options.content = text.data;
	options.content_size = text.size;
	if (bm_message_new(&message, &options, &err) == BM_OK)
		render(message, values);
	else
		answer_text("error", err.text);
	bm_message_free(message);
}

int main(void)
{
	char form[16];
	size_t size = 0;

	while (scanf("%15s %zu", form, &size) == 2 && getchar() == '\n') {
		unsigned char *text = malloc(size + 1);
		if (text == NULL || fread(text, 1, size, stdin) != size)
			abort();
		text[size] = '\0';
		work(form, bm_span_make(text, size));
		free(text);
	}
	return 0;
}
