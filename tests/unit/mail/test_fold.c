/* SPDX-License-Identifier: MIT */
/* What the original makes of many more texts is compared in tests/e2e/test_wrap_oracle.py. */
#include "../unit.h"
#include "mail/fold.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

static void check_body(const char *text, size_t size, size_t limit, const char *want, size_t dots)
{
	struct bm_buf out;
	size_t stuffed = 0;
	bm_buf_init(&out, 1 << 20);
	assert_int_equal(bm_body_append(&out, bm_span_make(text, size), limit, &stuffed), BM_OK);
	assert_int_equal(bm_buf_terminate(&out), BM_OK);
	assert_string_equal((const char *)out.data, want);
	assert_int_equal(stuffed, dots);
	bm_buf_deinit(&out);
}

static void check(const char *text, size_t limit, const char *want, size_t dots)
{
	check_body(text, strlen(text), limit, want, dots);
}

/* conformance: 4, A27 */
static void makes_every_line_end_cr_lf(void **state)
{
	(void)state;
	check("a\nb\rc\r\nd", 0, "a\r\nb\r\nc\r\nd\r\n", 0);
	check("a\r\r\n\n\rb\r\n", 0, "a\r\n\r\n\r\n\r\nb\r\n", 0);
	check("\n", 0, "\r\n", 0);
	check("a\r", 0, "a\r\n", 0);
	check_body("", 0, 78, "", 0);
}

/* conformance: 5, A27 */
static void stuffs_dots_at_every_line_start(void **state)
{
	(void)state;
	check(".a\n.\n..\nb.c\n", 0, "..a\r\n..\r\n...\r\nb.c\r\n", 3);
	check("\n.\n", 0, "\r\n..\r\n", 1);
	check("a\r.\rb", 78, "a\r\n..\r\nb\r\n", 1);
	check("a\n.\r\nb", 998, "a\r\n..\r\nb\r\n", 1);
	check("a\r\n\n.\r", 0, "a\r\n\r\n..\r\n", 1);
}

/* Every string over CR, LF, dot and a letter up to seven octets: no bare line end, no unstuffed dot. */
/* conformance: 4, 5, A27 */
static void keeps_smugglers_out(void **state)
{
	(void)state;
	static const char alphabet[] = {'\r', '\n', '.', 'a'};
	for (size_t size = 1; size <= 7; size++) {
		for (size_t code = 0; code < (size_t)1 << (2 * size); code++) {
			char text[8];
			char copy[80];
			for (size_t i = 0; i < size; i++)
				text[i] = alphabet[code >> (2 * i) & 3];
			struct bm_buf out;
			size_t stuffed = 0;
			bm_buf_init(&out, 1000);
			assert_int_equal(bm_body_append(&out, bm_span_make(text, size), 78, &stuffed), BM_OK);
			memcpy(copy, "\r\n", 2);
			memcpy(copy + 2, out.data, out.size);
			copy[out.size + 2] = '\0';
			assert_null(strstr(copy, "\r\n.\r\n"));
			assert_memory_equal(copy + out.size, "\r\n", 2);
			for (char *p = copy; *p != '\0'; p++)
				assert_true(*p == '\r' ? p[1] == '\n' : *p != '\n' || p[-1] == '\r');
			bm_buf_deinit(&out);
		}
	}
}

#define TEN "abcdefghi "
#define SEVENTY TEN TEN TEN TEN TEN TEN TEN

static void folds_at_the_last_boundary_and_the_rest_again(void **state)
{
	(void)state;
	check(SEVENTY "12345678\nx\n", 78, SEVENTY "12345678\r\nx\r\n", 0);
	check(SEVENTY "123456789 foo\nx\n", 78, SEVENTY "\r\n123456789 \r\nfoo\r\nx\r\n", 0);
	check(SEVENTY "1 .23456789\nx\n", 78, SEVENTY "1 .\r\n23456789\r\nx\r\n", 0);
	check(SEVENTY "1234 ........\nx\n", 78, SEVENTY "1234\r\n ........\r\nx\r\n", 0);
	check(SEVENTY "12345678.....\nx\n", 78, SEVENTY "12345678\r\n......\r\nx\r\n", 1);
}

static void cuts_hard_where_there_is_no_boundary(void **state)
{
	(void)state;
	char text[200];
	char want[200];
	memset(text, 'x', 156);
	memcpy(text + 156, "\ny\n", 4);
	memset(want, 'x', 160);
	memcpy(want + 78, "\r\n", 2);
	memcpy(want + 158, "\r\n\r\ny\r\n", 8);
	/* Even cuts leave an empty line behind, as in the original. */
	check(text, 78, want, 0);
}

static void takes_the_last_line_with_its_end(void **state)
{
	(void)state;
	/* 77 octets and CR LF are 79: the original folds the last line though it would fit. */
	check("x\n" SEVENTY "1234 ab\n", 78, "x\r\n" SEVENTY "1234 \r\nab\r\n", 0);
	check("x\n" SEVENTY "1234 ab\ny\n", 78, "x\r\n" SEVENTY "1234 ab\r\ny\r\n", 0);
}

/* conformance: A29 */
static void never_cuts_a_character(void **state)
{
	(void)state;
	struct bm_buf out;
	size_t stuffed = 0;
	char text[1200];
	for (size_t i = 0; i < sizeof text; i += 3)
		memcpy(text + i, "\xe6\x97\xa5", 3);
	bm_buf_init(&out, 10000);
	assert_int_equal(bm_body_append(&out, bm_span_make(text, sizeof text), 998, &stuffed), BM_OK);
	assert_int_equal(out.size, sizeof text + 4);
	assert_memory_equal(out.data + 996, "\r\n\xe6", 3);
	bm_buf_deinit(&out);
}

static void check_field(const char *text, size_t limit, const char *want)
{
	struct bm_buf out;
	bm_buf_init(&out, 1 << 20);
	assert_int_equal(bm_field_append(&out, bm_span_of(text), limit), BM_OK);
	assert_int_equal(bm_buf_terminate(&out), BM_OK);
	assert_string_equal((const char *)out.data, want);
	bm_buf_deinit(&out);
}

/* conformance: 71 */
static void folds_fields_with_a_blank(void **state)
{
	(void)state;
	check_field("A: b", 78, "A: b\r\n");
	check_field("A: b\r\n c\r\n \t \r\n d", 78, "A: b\r\n c\r\n d\r\n");
	check_field("A: b\r\n   \r\n d", 0, "A: b\r\n   \r\n d\r\n");
	check_field("A: " SEVENTY "12345", 78, "A: " SEVENTY "\r\n 12345\r\n");
	check_field("A: " SEVENTY "1234", 78, "A: " SEVENTY "1234\r\n");
}

static void does_not_break_a_name(void **state)
{
	(void)state;
	char text[100] = "X-Info: ";
	char want[100] = "X-Info: ";
	memset(text + 8, '-', 80);
	memset(want + 8, '-', 69);
	memcpy(want + 77, "\r\n -----------\r\n", 17);
	check_field(text, 78, want);
}

static void folds_verbatim_fields_only_when_they_must_be(void **state)
{
	(void)state;
	struct bm_buf out;
	char text[1501];
	memset(text, 'x', 1500);
	memcpy(text, "A: ", 3);
	text[1500] = '\0';
	text[700] = ' ';
	bm_buf_init(&out, 1 << 20);
	assert_int_equal(bm_field_append_verbatim(&out, bm_span_of(text), true), BM_OK);
	assert_int_equal(out.size, 1504);
	assert_memory_equal(out.data + 700, "\r\n x", 4);
	bm_buf_clear(&out);
	text[700] = 'x';
	assert_int_equal(bm_field_append_verbatim(&out, bm_span_of(text), false), BM_OK);
	assert_int_equal(out.size, 1502);
	text[2] = 'x';
	assert_int_equal(bm_field_append_verbatim(&out, bm_span_of(text), true), BM_E_LIMIT);
	bm_buf_deinit(&out);
}

static double seconds_for(char c, size_t size, size_t every)
{
	struct timespec from;
	struct timespec to;
	struct bm_buf out;
	size_t stuffed = 0;
	char *text = malloc(size);

	assert_non_null(text);
	for (size_t i = 0; i < size; i++)
		text[i] = every > 0 && i % every == 0 ? 'a' : c;
	bm_buf_init(&out, SIZE_MAX / 2);
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &from);
	assert_int_equal(bm_body_append(&out, bm_span_make(text, size), 998, &stuffed), BM_OK);
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &to);
	bm_buf_deinit(&out);
	free(text);
	return (double)(to.tv_sec - from.tv_sec) + (double)(to.tv_nsec - from.tv_nsec) / 1e9;
}

/* A megabyte a line takes no stack, and time in proportion. */
/* conformance: A25 */
static void takes_linear_time(void **state)
{
	(void)state;
	static const size_t every[] = {0, 2, 5, 997, 999, 1500};
	for (size_t i = 0; i < sizeof every / sizeof every[0]; i++) {
		assert_true(seconds_for('-', 4 << 20, every[i]) < 2);
		assert_true(seconds_for('\n', 4 << 20, every[i]) < 2);
		assert_true(seconds_for('\r', 4 << 20, every[i]) < 2);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(makes_every_line_end_cr_lf),
		cmocka_unit_test(stuffs_dots_at_every_line_start),
		cmocka_unit_test(keeps_smugglers_out),
		cmocka_unit_test(folds_at_the_last_boundary_and_the_rest_again),
		cmocka_unit_test(cuts_hard_where_there_is_no_boundary),
		cmocka_unit_test(takes_the_last_line_with_its_end),
		cmocka_unit_test(never_cuts_a_character),
		cmocka_unit_test(folds_fields_with_a_blank),
		cmocka_unit_test(does_not_break_a_name),
		cmocka_unit_test(folds_verbatim_fields_only_when_they_must_be),
		cmocka_unit_test(takes_linear_time),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
