/* SPDX-License-Identifier: MIT */
#include "../unit.h"
#include "base/span.h"

static void compares_with_and_without_case(void **state)
{
	(void)state;
	assert_true(bm_span_equal(bm_span_of("ab"), bm_span_of("ab")));
	assert_false(bm_span_equal(bm_span_of("ab"), bm_span_of("aB")));
	assert_true(bm_span_equal_nocase(bm_span_of("aB[\xc3"), bm_span_of("Ab[\xc3")));
	assert_false(bm_span_equal_nocase(bm_span_of("a["), bm_span_of("a{")));
	assert_false(bm_span_equal_nocase(bm_span_of("a"), bm_span_of("ab")));
	assert_true(bm_span_equal(bm_span_make(NULL, 0), bm_span_of("")));
}

static void trims_both_ends(void **state)
{
	(void)state;
	assert_true(bm_span_equal(bm_span_trim(bm_span_of(" \ta b\r\n")), bm_span_of("a b")));
	assert_int_equal(bm_span_trim(bm_span_of(" \t ")).size, 0);
}

static void finds_control_octets(void **state)
{
	(void)state;
	assert_false(bm_span_has_control(bm_span_of("abc \x80\xff")));
	assert_true(bm_span_has_control(bm_span_of("a\rb")));
	assert_true(bm_span_has_control(bm_span_of("a\x7f")));
	assert_true(bm_span_has_control(bm_span_make("a\0b", 3)));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(compares_with_and_without_case),
		cmocka_unit_test(trims_both_ends),
		cmocka_unit_test(finds_control_octets),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
