/* SPDX-License-Identifier: MIT */
#include "../unit.h"
#include "engine/window.h"

/* One transaction after the other, each so long. */
static size_t size_after(uint64_t each_ms, int count)
{
	struct bm_window window;
	uint64_t now_ms = 1000;
	bm_window_init(&window, 0);
	bm_window_begin(&window, now_ms);
	for (int i = 0; i < count; i++)
		bm_window_completed(&window, now_ms += each_ms);
	return bm_window_size(&window);
}

static void begins_with_two_and_grows(void **state)
{
	(void)state;
	assert_int_equal(size_after(0, 0), 2);
	assert_int_equal(size_after(1, 1), 4);
	assert_int_equal(size_after(1, 15), 32);
}

static void holds_what_is_worked_off_in_a_second(void **state)
{
	(void)state;
	assert_int_equal(size_after(100, 100), 11);
	assert_int_equal(size_after(999, 100), 2);
	assert_int_equal(size_after(2000, 100), 1);
	assert_true(size_after(0, 1000) > 1000);
}

static void what_is_known_of_the_server_serves_its_next_connection(void **state)
{
	(void)state;
	struct bm_window window;
	bm_window_init(&window, 5000000);
	assert_int_equal(bm_window_size(&window), 1);
}

static void idle_time_is_not_the_servers(void **state)
{
	(void)state;
	struct bm_window window;
	bm_window_init(&window, 0);
	bm_window_begin(&window, 0);
	bm_window_completed(&window, 10);
	bm_window_begin(&window, 100000);
	bm_window_completed(&window, 100010);
	assert_int_equal(window.gap_us, 10000);
}

/* Replies come in bursts, a round trip apart: that does not look like a slow server. */
static void bursts_leave_the_window_open(void **state)
{
	(void)state;
	struct bm_window window;
	uint64_t now_ms = 0;
	bm_window_init(&window, 0);
	bm_window_begin(&window, now_ms);
	for (int burst = 0; burst < 50; burst++) {
		now_ms += 100;
		for (int i = 0; i < 32; i++) {
			bm_window_completed(&window, now_ms);
			assert_true(burst == 0 || bm_window_size(&window) > 32);
		}
	}
}

static struct bm_odds odds_of(uint64_t errors_each, uint64_t count, uint64_t refused_of_100)
{
	struct bm_odds odds = {0};
	for (uint64_t i = 0; i < count; i++)
		bm_odds_add(&odds, errors_each, 100, refused_of_100);
	return odds;
}

static void few_in_flight_where_each_brings_errors(void **state)
{
	(void)state;
	struct bm_odds none = {0};
	assert_int_equal(bm_odds_in_flight(&none, 8), 12);
	assert_int_equal(bm_odds_in_flight(&none, 0), 1);
	struct bm_odds good = odds_of(0, 100, 0);
	assert_true(bm_odds_in_flight(&good, 8) > 400);
	struct bm_odds bad = odds_of(1, 1000, 0);
	assert_in_range(bm_odds_in_flight(&bad, 8), 7, 8);
	assert_in_range(bm_odds_in_flight(&bad, 1), 1, 1);
	struct bm_odds worse = odds_of(8, 50, 8);
	assert_int_equal(bm_odds_in_flight(&worse, 7), 1);
}

static void few_rcpts_unanswered_where_many_are_refused(void **state)
{
	(void)state;
	struct bm_odds none = {0};
	assert_int_equal(bm_odds_recipients(&none, 8, 100), 16);
	assert_int_equal(bm_odds_recipients(&none, 8, 4), 0);
	struct bm_odds third = odds_of(8, 9, 33);
	assert_in_range(bm_odds_recipients(&third, 8, 100), 22, 26);
	assert_in_range(bm_odds_recipients(&third, 1, 100), 2, 3);
	struct bm_odds good = odds_of(0, 9, 0);
	assert_int_equal(bm_odds_recipients(&good, 8, 100), 0);
}

static void old_errors_are_forgotten(void **state)
{
	(void)state;
	struct bm_odds odds = odds_of(1, 500, 50);
	for (int i = 0; i < 20000; i++)
		bm_odds_add(&odds, 0, 100, 0);
	assert_true(bm_odds_in_flight(&odds, 8) > 1000);
	assert_int_equal(bm_odds_recipients(&odds, 8, 100), 0);
	assert_true(odds.transactions <= 1024);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(begins_with_two_and_grows),
		cmocka_unit_test(holds_what_is_worked_off_in_a_second),
		cmocka_unit_test(what_is_known_of_the_server_serves_its_next_connection),
		cmocka_unit_test(idle_time_is_not_the_servers),
		cmocka_unit_test(bursts_leave_the_window_open),
		cmocka_unit_test(few_in_flight_where_each_brings_errors),
		cmocka_unit_test(few_rcpts_unanswered_where_many_are_refused),
		cmocka_unit_test(old_errors_are_forgotten),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
