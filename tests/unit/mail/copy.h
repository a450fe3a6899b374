/* SPDX-License-Identifier: MIT */
/* A message compiled and rendered into one string, for tests. */
#ifndef BM_TESTS_COPY_H
#define BM_TESTS_COPY_H

#include "../unit.h"

#include "mail/render.h"

#include <stdlib.h>
#include <string.h>

/* From a@x.org to list@x.org, subject "Hi", at 2026-01-31 12:00:00 +0100. */
static inline struct bm_message_options options_for(enum bm_message_form form, const char *content)
{
	struct bm_message_options options = BM_MESSAGE_OPTIONS_INIT;

	options.form = form;
	options.content = content;
	options.content_size = strlen(content);
	options.date = 1769857200;
	options.utc_offset = 60;
	options.message_id_seed[0] = 0x1234;
	options.message_id_seed[1] = 0xabcd;
	if (form == BM_MESSAGE_BODY) {
		options.from = "a@x.org";
		options.to = "list@x.org";
		options.subject = "Hi";
	}
	return options;
}

#define DATE "Date: Sat, 31 Jan 2026 12:00:00 +0100\r\n"
#define ID_OF(seq, host) "Message-ID: <0000000000001234000000000000abcd." seq "@" host ">\r\n"
#define ID ID_OF("0000000000", "x.org")
#define MIME "MIME-Version: 1.0\r\n"

/* The copy as one string that the caller frees; its size is checked against bm_message_size. */
static inline char *copy_render(const struct bm_message *message, const char *to, uint64_t seq)
{
	struct bm_address address;
	struct bm_render render;
	struct bm_error err = BM_ERROR_INIT;
	struct bm_buf all;
	size_t dots = 0;

	bm_render_init(&render);
	bm_buf_init(&all, SIZE_MAX / 2);
	if (to != NULL)
		assert_int_equal(bm_address_parse(&address, bm_span_of(to), NULL), BM_OK);
	struct bm_copy copy = {.to = to == NULL ? NULL : &address, .seq = seq};
	assert_int_equal(bm_message_render(message, &render, &copy, &err), BM_OK);
	for (size_t i = 0; i < render.count; i++)
		assert_int_equal(bm_buf_append_span(&all, render.spans[i]), BM_OK);
	assert_int_equal(bm_buf_terminate(&all), BM_OK);
	for (size_t i = 0; i < all.size; i++)
		dots += all.data[i] == '.' && (i == 0 || all.data[i - 1] == '\n');
	assert_int_equal(render.size_bytes, all.size - dots);
	bm_render_deinit(&render);
	return (char *)all.data;
}

static inline void copy_check(const struct bm_message_options *options, const char *want)
{
	struct bm_message *message = NULL;
	struct bm_error err = BM_ERROR_INIT;

	if (bm_message_new(&message, options, &err) != BM_OK)
		fail_msg("%s %s", err.id, err.text);
	char *text = copy_render(message, options->use_envelope ? NULL : "Jim <jim@y.org>", 0);
	assert_string_equal(text, want);
	free(text);
	bm_message_free(message);
}

static inline void copy_check_refused(const struct bm_message_options *options, const char *id, const char *part)
{
	struct bm_message *message = NULL;
	struct bm_error err = BM_ERROR_INIT;

	enum bm_code code = bm_message_new(&message, options, &err);
	assert_null(message);
	assert_int_equal(code, id[0] == '\0' ? BM_E_USAGE : BM_E_MESSAGE);
	assert_int_equal(err.code, code);
	if (strcmp(err.id, id) != 0 || strstr(err.text, part) == NULL)
		fail_msg("wanted %s %s, got %s %s", id, part, err.id, err.text);
	assert_int_equal(bm_message_new(&message, options, NULL), code);
}

static inline void copy_check_sender(const struct bm_message_options *options, const char *want)
{
	struct bm_message *message = NULL;
	struct bm_error err = BM_ERROR_INIT;

	if (bm_message_new(&message, options, &err) != BM_OK)
		fail_msg("%s %s", err.id, err.text);
	assert_string_equal(bm_message_sender(message), want);
	bm_message_free(message);
}

#endif
