/* SPDX-License-Identifier: MIT */
/* Messages with slots and their copies, for tests. The list's columns are email, name and Città. */
#ifndef BM_TESTS_SLOTS_H
#define BM_TESTS_SLOTS_H

#include "copy.h"

#include <stdio.h>

#define SLOT_COLUMNS 3

/* NULL: absent. */
struct slot_values {
	const char *email;
	const char *name;
	const char *town;
};

static inline void slots_set(struct bm_message_options *options)
{
	static const char *const columns[SLOT_COLUMNS] = {"email", "name", "Citt\xc3\xa0"};

	options->merge = true;
	options->columns = columns;
	options->column_count = SLOT_COLUMNS;
}

static inline struct bm_message *slots_make(struct bm_message_options options)
{
	struct bm_message *message = NULL;
	struct bm_error err = BM_ERROR_INIT;

	slots_set(&options);
	if (bm_message_new(&message, &options, &err) != BM_OK)
		fail_msg("%s %s", err.id, err.text);
	return message;
}

static inline struct bm_message *slots_file(const char *content)
{
	struct bm_message_options options = options_for(BM_MESSAGE_FILE, content);

	options.to = "list@x.org";
	return slots_make(options);
}

static inline size_t slots_pick(
	const struct bm_message *message, struct slot_values values, struct bm_span out[SLOT_COLUMNS])
{
	const char *const all[SLOT_COLUMNS] = {values.email, values.name, values.town};
	size_t count = 0;
	const size_t *columns = bm_message_columns(message, &count);

	for (size_t i = 0; i < count; i++) {
		const char *text = all[columns[i]];
		out[i] = text == NULL ? bm_span_make(NULL, 0) : bm_span_of(text);
	}
	return count;
}

static inline char *slots_join(const struct bm_span *spans, size_t count)
{
	struct bm_buf all;

	bm_buf_init(&all, SIZE_MAX / 2);
	for (size_t i = 0; i < count; i++)
		assert_int_equal(bm_buf_append_span(&all, spans[i]), BM_OK);
	assert_int_equal(bm_buf_terminate(&all), BM_OK);
	return (char *)all.data;
}

/* The copy for DATA, and for BDAT in *plain unless that is NULL; the caller frees both. */
static inline char *slots_render(const struct bm_message *message, struct slot_values values, char **plain)
{
	struct bm_span given[SLOT_COLUMNS];
	struct bm_render render;
	struct bm_error err = BM_ERROR_INIT;
	const char *reason = "";
	size_t count = slots_pick(message, values, given);

	if (bm_message_check_values(message, given, count, &reason) != BM_OK)
		fail_msg("%s", reason);
	struct bm_copy copy = {.values = given, .value_count = count};
	bm_render_init(&render);
	assert_int_equal(bm_message_render(message, &render, &copy, &err), BM_OK);
	char *text = slots_join(render.spans, render.count);
	char *bare = render.plain == NULL ? strdup(text) : slots_join(render.plain, render.plain_count);
	assert_int_equal(render.size_bytes, strlen(bare));
	bm_render_deinit(&render);
	if (plain != NULL)
		*plain = bare;
	else
		free(bare);
	return text;
}

static inline void slots_check_reason(const struct bm_message *message, struct slot_values values, const char *want)
{
	struct bm_span given[SLOT_COLUMNS];
	const char *reason = "";
	size_t count = slots_pick(message, values, given);

	assert_int_equal(bm_message_check_values(message, given, count, &reason), BM_E_MESSAGE);
	assert_string_equal(reason, want);
}

/* The line of a file's header with these values. */
static inline void slots_check_header(const char *header, struct slot_values values, const char *want)
{
	char content[4096];

	snprintf(content, sizeof content, "%s\n\nbody\n", header);
	struct bm_message_options options = options_for(BM_MESSAGE_FILE, content);
	options.from = "a@x.org";
	options.to = "list@x.org";
	options.sender = "s@x.org";
	struct bm_message *message = slots_make(options);
	char *text = slots_render(message, values, NULL);
	if (strncmp(text, want, strlen(want)) != 0)
		fail_msg("wanted\n%sgot\n%s", want, text);
	free(text);
	bm_message_free(message);
}

static inline void slots_check_header_reason(const char *header, struct slot_values values, const char *want)
{
	char content[4096];

	snprintf(content, sizeof content, "%s\n\nbody\n", header);
	struct bm_message_options options = options_for(BM_MESSAGE_FILE, content);
	options.from = "a@x.org";
	options.to = "list@x.org";
	options.sender = "s@x.org";
	struct bm_message *message = slots_make(options);
	slots_check_reason(message, values, want);
	bm_message_free(message);
}

/* The body of a file, from its first line on. */
static inline void slots_check_body(
	const char *headers, const char *body, struct slot_values values, const char *want_headers, const char *want)
{
	char content[8192];

	snprintf(content, sizeof content, "From: a@x.org\n%s%s\n%s", headers, headers[0] == '\0' ? "" : "\n", body);
	struct bm_message *message = slots_file(content);
	char *plain = NULL;
	char *text = slots_render(message, values, &plain);
	assert_non_null(strstr(text, want_headers));
	assert_string_equal(strstr(text, "\r\n\r\n") + 4, want);
	free(text);
	free(plain);
	bm_message_free(message);
}

static inline void slots_check_refused(const struct bm_message_options *options, const char *id, const char *part)
{
	struct bm_message_options with = *options;

	slots_set(&with);
	copy_check_refused(&with, id, part);
}

#endif
