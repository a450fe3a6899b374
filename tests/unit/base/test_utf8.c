/* SPDX-License-Identifier: MIT */
#include "../unit.h"
#include "base/utf8.h"

#include <string.h>

static size_t length_of(const char *text)
{
	return bm_utf8_length((const unsigned char *)text, strlen(text));
}

static void measures_well_formed_characters(void **state)
{
	(void)state;
	assert_int_equal(length_of("a"), 1);
	assert_int_equal(length_of("\xc3\xa9"), 2);
	assert_int_equal(length_of("\xe2\x82\xac"), 3);
	assert_int_equal(length_of("\xf0\x9f\x98\x80"), 4);
	assert_int_equal(length_of("\xf4\x8f\xbf\xbf"), 4);
}

/* conformance: 57, A30 */
static void refuses_overlong_surrogate_cut_and_stray(void **state)
{
	(void)state;
	static const char *const bad[] = {"\xc0\xaf", "\xc1\xbf", "\xe0\x80\xaf", "\xed\xa0\x80", "\xf0\x80\x80\x80",
		"\xf4\x90\x80\x80", "\xf5\x80\x80\x80", "\x80", "\xff", "\xc3", "\xe2\x82", "\xf0\x9f\x98", "\xc3\x28"};
	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
		assert_int_equal(length_of(bad[i]), 0);
	assert_int_equal(length_of(""), 0);
}

static void checks_whole_texts(void **state)
{
	(void)state;
	assert_true(bm_utf8_valid((const unsigned char *)"caf\xc3\xa9!", 6));
	assert_false(bm_utf8_valid((const unsigned char *)"caf\xc3", 4));
	assert_true(bm_utf8_valid(NULL, 0));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(measures_well_formed_characters),
		cmocka_unit_test(refuses_overlong_surrogate_cut_and_stray),
		cmocka_unit_test(checks_whole_texts),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
