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

/* manual: rate */
static void reads_rates(void **state)
{
	(void)state;
	static const struct {
		const char *text;
		uint64_t count;
		uint64_t period_us;
	} good[] = {{"100/s", 100, 1000000}, {"6000/m", 6000, 60000000}, {"3600/h", 3600, 3600000000}, {"7", 7, 1000000},
		{"1000000000/h", 1000000000, 3600000000}};
	static const char *const bad[] = {
		"", "0", "0/s", "/s", "10/d", "10/", "10 /s", "-1/s", "1000000001/s", "1/s/s", "1.5/s", "s"};
	uint64_t count = 0;
	uint64_t period_us = 0;
	for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
		assert_true(bm_rate_parse(bm_span_of(good[i].text), &count, &period_us));
		assert_int_equal(count, good[i].count);
		assert_int_equal(period_us, good[i].period_us);
	}
	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
		assert_false(bm_rate_parse(bm_span_of(bad[i]), &count, &period_us));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(formats),
		cmocka_unit_test(reads_rates),
		cmocka_unit_test(takes_digits_that_fit),
		cmocka_unit_test(refuses_everything_else),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
