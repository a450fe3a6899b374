/* SPDX-License-Identifier: MIT */
#include "../unit.h"
#include "engine/rate.h"

#define SECOND 1000000u

struct odd_rate {
	uint64_t count;
	uint64_t period_us;
	uint64_t depth;
	uint64_t step_us; /* how the fake clock goes */
};

static const struct odd_rate rates[] = {
	{1, 3600u * SECOND, 1, 7919 * 1000},
	{7, SECOND, 1, 1009},
	{100, SECOND, 10, 997},
	{3600, 3600u * SECOND, 1, 10007},
	{6000, 60 * SECOND, 10, 333},
	{333, 60 * SECOND, 1, 50021},
	{1000000, SECOND, 100000, 1},
	{1000000000, 3600u * SECOND, 27777, 13},
};

/* Takes whatever is there, all the time: never more than rate × time + depth, and nothing is lost. */
static void greedy(const struct odd_rate *odd)
{
	struct bm_rate rate;
	uint64_t now_us = 123456789;
	uint64_t begin_us = now_us;
	uint64_t taken = 0;
	bm_rate_init(&rate, odd->count, odd->period_us, now_us);
	assert_int_equal(rate.depth, odd->depth);
	for (int i = 0; i < 20000; i++) {
		uint64_t tokens = bm_rate_tokens(&rate, now_us);
		assert_true(tokens <= odd->depth);
		bm_rate_take(&rate, tokens);
		taken += tokens;
		uint64_t earned = (now_us - begin_us) * odd->count / odd->period_us;
		assert_true(taken <= earned + odd->depth);
		/* Where no step fills the bucket, all that was earned is given. */
		if (odd->depth > 1 && odd->step_us * odd->count < odd->period_us)
			assert_true(taken + 1 >= earned + odd->depth);
		now_us += odd->step_us;
	}
}

static void never_more_than_the_rate_and_the_depth(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof rates / sizeof rates[0]; i++)
		greedy(&rates[i]);
}

/* In any window, also one that begins with a full bucket. */
static void a_rest_earns_no_more_than_the_depth(void **state)
{
	(void)state;
	struct bm_rate rate;
	bm_rate_init(&rate, 100, SECOND, 0);
	bm_rate_take(&rate, bm_rate_tokens(&rate, 0));
	assert_int_equal(bm_rate_tokens(&rate, UINT64_C(1) << 60), 10);
	bm_rate_take(&rate, 10);
	assert_int_equal(bm_rate_tokens(&rate, (UINT64_C(1) << 60) + 9999), 0);
	assert_int_equal(bm_rate_tokens(&rate, (UINT64_C(1) << 60) + 10000), 1);
}

static void tells_when_there_will_be_enough(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof rates / sizeof rates[0]; i++) {
		struct bm_rate rate;
		bm_rate_init(&rate, rates[i].count, rates[i].period_us, 5);
		assert_int_equal(bm_rate_when(&rate, 1), 5);
		bm_rate_take(&rate, rates[i].depth);
		uint64_t when_us = bm_rate_when(&rate, rates[i].depth);
		assert_true(bm_rate_tokens(&rate, when_us - 1) < rates[i].depth);
		assert_int_equal(bm_rate_tokens(&rate, when_us), rates[i].depth);
	}
}

static void without_a_rate_there_is_no_limit(void **state)
{
	(void)state;
	struct bm_rate rate;
	bm_rate_init(&rate, 0, 1, 0);
	assert_true(bm_rate_tokens(&rate, 7) == UINT64_MAX);
	bm_rate_take(&rate, 1000);
	assert_true(bm_rate_tokens(&rate, 7) == UINT64_MAX);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(never_more_than_the_rate_and_the_depth),
		cmocka_unit_test(a_rest_earns_no_more_than_the_depth),
		cmocka_unit_test(tells_when_there_will_be_enough),
		cmocka_unit_test(without_a_rate_there_is_no_limit),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
