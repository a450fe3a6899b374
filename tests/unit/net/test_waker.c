/* SPDX-License-Identifier: MIT */
#include "../unit.h"
#include "base/error.h"
#include "net/clock.h"
#include "net/wait.h"
#include "net/waker.h"

#include <pthread.h>
#include <signal.h>
#include <unistd.h>

static struct bm_waker *woken_by_signal; /* a handler has no other way to know */

static void on_signal(int number)
{
	(void)number;
	bm_waker_wake(woken_by_signal);
}

static struct bm_waker *new_waker(void)
{
	struct bm_waker *waker = NULL;
	assert_int_equal(bm_waker_new(&waker, NULL), BM_OK);
	return waker;
}

static void counts_and_clears(void **state)
{
	(void)state;
	struct bm_waker *waker = new_waker();
	assert_int_equal(bm_wait(-1, 0, 0, waker), BM_WAIT_EXPIRED);
	bm_waker_wake(waker);
	bm_waker_wake(waker);
	assert_int_equal(bm_waker_count(waker), 2);
	assert_int_equal(bm_wait(-1, 0, 0, waker), BM_WAIT_WOKEN);
	bm_waker_clear(waker);
	bm_waker_clear(waker);
	assert_int_equal(bm_wait(-1, 0, 0, waker), BM_WAIT_EXPIRED);
	assert_int_equal(bm_waker_count(waker), 2);
	bm_waker_free(waker);
	bm_waker_free(NULL);
}

static void *wake_it(void *waker)
{
	bm_waker_wake(waker);
	return NULL;
}

/* Would hang without the wake, whether it comes before or in the sleep. */
static void ends_a_sleep(void **state)
{
	(void)state;
	struct bm_waker *waker = new_waker();
	pthread_t thread;
	assert_int_equal(pthread_create(&thread, NULL, wake_it, waker), 0);
	bm_waker_sleep(waker, UINT64_MAX);
	assert_int_equal(bm_waker_count(waker), 1);
	assert_int_equal(pthread_join(thread, NULL), 0);
	bm_waker_free(waker);
}

/* F46 by parts: a signal that interrupts a wait without a wake does not end it, one that wakes does. */
static void is_woken_by_a_signal(void **state)
{
	(void)state;
	struct sigaction action = {.sa_handler = on_signal};
	struct sigaction old;
	woken_by_signal = new_waker();
	assert_int_equal(sigaction(SIGUSR1, &action, &old), 0);
	assert_int_equal(raise(SIGUSR1), 0);
	bm_waker_sleep(woken_by_signal, UINT64_MAX);
	assert_int_equal(bm_waker_count(woken_by_signal), 1);
	assert_int_equal(sigaction(SIGUSR1, &old, NULL), 0);
	bm_waker_free(woken_by_signal);
}

static void sleeps_until_the_deadline(void **state)
{
	(void)state;
	uint64_t deadline = bm_clock_monotonic_ms() + 20;
	bm_waker_sleep(NULL, deadline);
	assert_true(bm_clock_monotonic_ms() >= deadline);
	bm_waker_sleep(NULL, 0);
}

static void tells_the_time(void **state)
{
	(void)state;
	assert_true(bm_clock_wall_ms() > 1700000000000u);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(counts_and_clears),
		cmocka_unit_test(ends_a_sleep),
		cmocka_unit_test(is_woken_by_a_signal),
		cmocka_unit_test(sleeps_until_the_deadline),
		cmocka_unit_test(tells_the_time),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
