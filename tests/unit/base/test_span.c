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

/* Whatever stands around it. */
static void finds_each_octet_in_each_place(void **state)
{
	(void)state;
	unsigned char text[20];
	for (size_t size = 1; size <= sizeof text; size++) {
		for (size_t at = 0; at < size; at++) {
			for (unsigned c = 0; c < 256; c++) {
				memset(text, c % 2 == 0 ? 0x20 : 0x7e, size);
				text[at] = (unsigned char)c;
				assert_int_equal(bm_span_has_control(bm_span_make(text, size)), c < 0x20 || c == 0x7f);
				assert_int_equal(bm_span_is_ascii(bm_span_make(text, size)), c < 0x80);
			}
		}
	}
	memset(text, 0xff, sizeof text);
	assert_false(bm_span_has_control(bm_span_make(text, sizeof text)));
	assert_true(bm_span_is_ascii(bm_span_make(NULL, 0)));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(compares_with_and_without_case),
		cmocka_unit_test(trims_both_ends),
		cmocka_unit_test(finds_control_octets),
		cmocka_unit_test(finds_each_octet_in_each_place),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
