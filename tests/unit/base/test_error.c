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
	char out[64];
	const char in[] = "a\r\n\x1b[0m\\\xff\xc3\xa9\xc2\x85\0z";
	bm_escape(out, sizeof out, in, sizeof in - 1);
	assert_string_equal(out, "a\\x0D\\x0A\\x1B[0m\\\\\\xFF\xc3\xa9\\xC2\\x85\\x00z");
	bm_escape(out, 6, "abc\n", 4);
	assert_string_equal(out, "abc");
}

static void every_code_has_a_name(void **state)
{
	(void)state;
	for (int code = BM_OK; code <= BM_E_STOPPED; code++)
		assert_memory_equal(bm_code_name((enum bm_code)code), "BM_", 3);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(sets_code_id_and_one_line),
		cmocka_unit_test(adds_the_systems_text),
		cmocka_unit_test(cuts_a_long_text),
		cmocka_unit_test(escapes_what_is_not_printable),
		cmocka_unit_test(every_code_has_a_name),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
