/* SPDX-License-Identifier: MIT */
#include "../unit.h"
#include "base/number.h"

static void takes_digits_that_fit(void **state)
{
	(void)state;
	uint64_t value = 0;
	assert_true(bm_number_parse(bm_span_of("0"), &value));
	assert_int_equal(value, 0);
	assert_true(bm_number_parse(bm_span_of("18446744073709551615"), &value));
	assert_true(value == UINT64_MAX);
}

static void refuses_everything_else(void **state)
{
	(void)state;
	static const char *const bad[] = {"", "-1", "+1", " 1", "1 ", "1.0", "0x1", "twentyfive", "18446744073709551616"};
	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
		uint64_t value = 42;
		assert_false(bm_number_parse(bm_span_of(bad[i]), &value));
		assert_int_equal(value, 42);
	}
}

static void formats(void **state)
{
	(void)state;
	static const char *const texts[] = {"0", "7", "10", "4294967296", "18446744073709551615"};
	for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
		char text[BM_NUMBER_SIZE];
		uint64_t value = 0;
		assert_true(bm_number_parse(bm_span_of(texts[i]), &value));
		size_t size = bm_number_format(text, value);
		assert_true(bm_span_equal(bm_span_make(text, size), bm_span_of(texts[i])));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(formats),
		cmocka_unit_test(takes_digits_that_fit),
		cmocka_unit_test(refuses_everything_else),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
