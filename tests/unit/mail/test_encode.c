/* SPDX-License-Identifier: MIT */
#include "../unit.h"
#include "base/utf8.h"
#include "mail/encode.h"

#include <openssl/evp.h>
#include <string.h>

#define PREFIX "=?UTF-8?B?"

/* Decodes one word at *at and moves behind it; checks its size and that it holds whole characters. */
static void decode(struct bm_buf *out, const char **at)
{
	unsigned char raw[80];
	const char *start = *at + strlen(PREFIX);
	const char *end = strstr(start, "?=");

	assert_memory_equal(*at, PREFIX, strlen(PREFIX));
	assert_non_null(end);
	assert_true(end + 2 - *at <= 75);
	int size = EVP_DecodeBlock(raw, (const unsigned char *)start, (int)(end - start));
	assert_true(size > 0);
	for (const char *p = end; p > start && p[-1] == '='; p--)
		size--;
	assert_true(bm_utf8_valid(raw, (size_t)size));
	assert_int_equal(bm_buf_append(out, raw, (size_t)size), BM_OK);
	*at = end + 2;
}

static void round_trip(const char *text, size_t column)
{
	struct bm_buf out;
	struct bm_buf back;
	size_t at_column = column;

	bm_buf_init(&out, 1 << 20);
	bm_buf_init(&back, 1 << 20);
	assert_int_equal(bm_encode_words(&out, bm_span_of(text), &at_column), BM_OK);
	assert_int_equal(bm_buf_terminate(&out), BM_OK);
	const char *at = (const char *)out.data;
	while (*at != '\0') {
		if (*at == '\r') {
			assert_memory_equal(at, "\r\n ", 3);
			at += 3;
			column = 1;
		}
		const char *start = at;
		decode(&back, &at);
		column += (size_t)(at - start);
		assert_true(column <= BM_ENCODED_LINE_MAX);
	}
	assert_int_equal(column, at_column);
	assert_int_equal(back.size, strlen(text));
	assert_memory_equal(back.data, text, back.size);
	bm_buf_deinit(&out);
	bm_buf_deinit(&back);
}

/* conformance: 74 */
static void makes_words_of_whole_characters(void **state)
{
	(void)state;
	static const char *const units[] = {
		"\xc3\xbc", "\xe6\x97\xa5", "\xf0\x9f\x98\x80", "a\xc3\xbc", "ab\xf0\x9f\x98\x80"};
	for (size_t i = 0; i < sizeof units / sizeof units[0]; i++) {
		for (size_t count = 1; count < 60; count++) {
			char text[400] = "";
			for (size_t k = 0; k < count; k++)
				memcpy(text + k * strlen(units[i]), units[i], strlen(units[i]));
			round_trip(text, 9);
		}
	}
}

static void begins_anywhere_on_the_line(void **state)
{
	(void)state;
	for (size_t column = 0; column < 120; column++) {
		if (column < 60)
			round_trip("Gr\xc3\xbc\xc3\x9f"
					   "e aus K\xc3\xb6ln am Rhein, \xe6\x97\xa5\xe6\x9c\xac",
				column);
	}
	struct bm_buf out;
	size_t column = 100;
	bm_buf_init(&out, 1000);
	assert_int_equal(bm_encode_words(&out, bm_span_of("\xc3\xbc"), &column), BM_OK);
	assert_memory_equal(out.data, "\r\n =?UTF-8?B?w7w=?=", out.size);
	bm_buf_deinit(&out);
}

static void refuses_what_is_no_utf8(void **state)
{
	(void)state;
	struct bm_buf out;
	size_t column = 0;
	bm_buf_init(&out, 1000);
	assert_int_equal(bm_encode_words(&out, bm_span_of("a\xff"), &column), BM_E_MESSAGE);
	bm_buf_deinit(&out);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(makes_words_of_whole_characters),
		cmocka_unit_test(begins_anywhere_on_the_line),
		cmocka_unit_test(refuses_what_is_no_utf8),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
