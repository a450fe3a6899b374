/* SPDX-License-Identifier: MIT */
#include "../unit.h"
#include "base/error.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

static void sets_code_id_and_one_line(void **state)
{
	(void)state;
	struct bm_error err;
	enum bm_code code = bm_error_set(&err, BM_E_TIMEOUT, "MBS014", "waited %d s\r\nfor it", 3);
	assert_int_equal(code, BM_E_TIMEOUT);
	assert_string_equal(err.id, "MBS014");
	assert_string_equal(err.text, "waited 3 s??for it");
	assert_int_equal(bm_error_set(NULL, BM_E_IO, "", "x"), BM_E_IO);
}

static void adds_the_systems_text(void **state)
{
	(void)state;
	struct bm_error err;
	assert_int_equal(bm_error_set_errno(&err, BM_E_IO, "MB702", ENOENT, "cannot open %s", "x"), BM_E_IO);
	assert_string_equal(err.text, "cannot open x: No such file or directory");
	assert_int_equal(err.system_errno, ENOENT);
}

static void cuts_a_long_text(void **state)
{
	(void)state;
	struct bm_error err;
	assert_int_equal(bm_error_set(&err, BM_E_IO, "", "%02000d", 1), BM_E_IO);
	assert_int_equal(strlen(err.text), BM_ERROR_TEXT_MAX - 1);
}

/* conformance: A18, A19 */
static void escapes_what_is_not_printable(void **state)
{
	(void)state;
	char out[80];
	const char in[] = "a\r\n\x1b[0m\\\xff\xc3\xa9\xc2\x85\0z";
	bm_escape(out, sizeof out, in, sizeof in - 1);
	assert_string_equal(out, "a\\x0D\\x0A\\x1B[0m\\\\\\xFF\xc3\xa9\\xC2\\x85\\x00z");
	/* lines that only some programs end there, and text that runs the other way */
	const char unseen[] = "a\xe2\x80\xa8\xe2\x80\xa9\xe2\x80\xae\xe2\x81\xa6\xc2\x9bz";
	bm_escape(out, sizeof out, unseen, sizeof unseen - 1);
	assert_string_equal(out, "a\\xE2\\x80\\xA8\\xE2\\x80\\xA9\\xE2\\x80\\xAE\\xE2\\x81\\xA6\\xC2\\x9Bz");
	bm_escape(out, 6, "abc\n", 4);
	assert_string_equal(out, "abc");
}

static void tells_what_can_be_shown(void **state)
{
	(void)state;
	static const char *const fine[] = {"", "a b\\", "\xc3\xa9\xe2\x82\xac", "\xf0\x9f\x98\x80"};
	static const char *const not [] = {
		"a\nb", "\x1b[0m", "\x7f", "\xff", "\xc3", "\xc2\x85", "\xe2\x80\xa8", "\xd8\x9c"};
	for (size_t i = 0; i < sizeof fine / sizeof fine[0]; i++)
		assert_true(bm_is_printable(fine[i], strlen(fine[i])));
	for (size_t i = 0; i < sizeof not / sizeof not [0]; i++)
		assert_false(bm_is_printable(not [i], strlen(not [i])));
}

/* conformance: A19 */
static void a_text_is_one_line_that_can_be_shown(void **state)
{
	(void)state;
	struct bm_error err;
	bm_error_set(&err, BM_E_IO, "", "a\n\x1b]0;x\x07\xc2\x9b \xff \xe2\x80\xa8 \xc3\xa9");
	assert_string_equal(err.text, "a??]0;x??? ? ??? \xc3\xa9");
}

static void every_code_has_a_name(void **state)
{
	(void)state;
	for (int code = BM_OK; code <= BM_E_AUTH; code++)
		assert_memory_equal(bm_code_name((enum bm_code)code), "BM_", 3);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(sets_code_id_and_one_line),
		cmocka_unit_test(adds_the_systems_text),
		cmocka_unit_test(cuts_a_long_text),
		cmocka_unit_test(escapes_what_is_not_printable),
		cmocka_unit_test(tells_what_can_be_shown),
		cmocka_unit_test(a_text_is_one_line_that_can_be_shown),
		cmocka_unit_test(every_code_has_a_name),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
