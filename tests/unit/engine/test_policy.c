/* SPDX-License-Identifier: MIT */
#include "../unit.h"
#include "engine/policy.h"

static struct bm_server_options options_of(void)
{
	struct bm_server_options options = BM_SERVER_OPTIONS_INIT;
	return options;
}

/* manual: increment_messages_sent, time_of_last_message */
static void counts_all_five(void **state)
{
	(void)state;
	struct bm_policy policy = {0};
	bm_policy_add(&policy, 1, 1700000000);
	bm_policy_add(&policy, 2, 1700000009);
	assert_int_equal(policy.sent.messages, 3);
	assert_int_equal(policy.sent.messages_robin, 3);
	assert_int_equal(policy.sent.messages_connection, 3);
	assert_int_equal(policy.sent.messages_awake, 3);
	assert_int_equal(policy.sent.messages_envelope, 3);
	assert_int_equal(policy.last_message_s, 1700000009);
}

static void refunds_but_never_below_zero(void **state)
{
	(void)state;
	struct bm_policy policy = {0};
	bm_policy_add(&policy, 3, 1);
	policy.sent.messages_awake = 1;
	bm_policy_refund(&policy, 2);
	assert_int_equal(policy.sent.messages, 1);
	assert_int_equal(policy.sent.messages_awake, 0);
}

/* manual: reset_message_counters */
static void resets_robin_awake_and_envelope_only(void **state)
{
	(void)state;
	struct bm_policy policy = {0};
	bm_policy_add(&policy, 4, 1);
	bm_policy_reset_messages(&policy);
	assert_int_equal(policy.sent.messages, 4);
	assert_int_equal(policy.sent.messages_connection, 4);
	assert_int_equal(policy.sent.messages_robin, 0);
	assert_int_equal(policy.sent.messages_awake, 0);
	assert_int_equal(policy.sent.messages_envelope, 0);
}

/* manual: reached_envelope_limit, reset_envelope_counter, envelope_limit */
static void fills_envelopes(void **state)
{
	(void)state;
	struct bm_policy policy = {0};
	struct bm_server_options options = options_of();
	options.envelope_limit = 2;
	bm_policy_add(&policy, 1, 1);
	assert_false(bm_policy_envelope_full(&policy, &options));
	bm_policy_add(&policy, 1, 1);
	assert_true(bm_policy_envelope_full(&policy, &options));
	bm_policy_reset_envelope(&policy);
	assert_false(bm_policy_envelope_full(&policy, &options));
	options.envelope_limit = 0;
	bm_policy_add(&policy, 1000000, 1);
	assert_false(bm_policy_envelope_full(&policy, &options));
}

/* manual: reached_limit, max_messages, max_messages_per_connection, max_messages_per_robin, reached_limit-max_messages,
 * reached_limit-connection, reached_limit-robin */
static void reports_limits_in_the_manuals_order(void **state)
{
	(void)state;
	struct bm_policy policy = {0};
	struct bm_server_options options = options_of();
	options.max_messages = 2;
	options.max_messages_per_connection = 2;
	options.max_messages_per_robin = 2;
	assert_int_equal(bm_policy_reached(&policy, &options), BM_LIMIT_NONE);
	bm_policy_add(&policy, 2, 1);
	assert_int_equal(bm_policy_reached(&policy, &options), BM_LIMIT_MESSAGES);
	assert_true(policy.worthless);
	assert_int_equal(policy.sent.messages_connection, 0);
	assert_int_equal(policy.sent.messages_robin, 0);

	options.max_messages = 0;
	bm_policy_add(&policy, 2, 1);
	assert_int_equal(bm_policy_reached(&policy, &options), BM_LIMIT_CONNECTION);
	assert_int_equal(policy.sent.messages_connection, 0);
	assert_int_equal(policy.sent.messages_robin, 0);

	options.max_messages_per_connection = 0;
	bm_policy_add(&policy, 2, 1);
	assert_int_equal(bm_policy_reached(&policy, &options), BM_LIMIT_ROBIN);
	assert_int_equal(policy.sent.messages_robin, 0);
	assert_int_equal(policy.sent.messages_connection, 2);
	assert_int_equal(bm_policy_reached(&policy, &options), BM_LIMIT_NONE);
}

/* manual: max_messages_while_awake, sleep_length, reached_limit-sleep */
static void naps_once_when_awake_for_long(void **state)
{
	(void)state;
	struct bm_policy policy = {0};
	struct bm_server_options options = options_of();
	options.max_messages_while_awake = 3;
	options.sleep_length = 7;
	bm_policy_add(&policy, 2, 1);
	assert_int_equal(bm_policy_nap(&policy, &options), 0);
	bm_policy_add(&policy, 1, 1);
	assert_int_equal(bm_policy_nap(&policy, &options), 7);
	assert_int_equal(bm_policy_nap(&policy, &options), 0);
	assert_int_equal(bm_policy_reached(&policy, &options), BM_LIMIT_NONE);
	assert_int_equal(policy.sent.messages, 3);
}

/* manual: max_connection_attempts, row-attempts-in-a-row */
static void only_failures_in_a_row_make_worthless(void **state)
{
	(void)state;
	struct bm_policy policy = {0};
	struct bm_server_options options = options_of();
	options.max_connection_attempts = 3;
	for (int i = 0; i < 10; i++) {
		bm_policy_connect_failed(&policy, &options);
		bm_policy_connect_failed(&policy, &options);
		bm_policy_connected(&policy);
		assert_false(policy.worthless);
	}
	for (int i = 0; i < 3; i++)
		bm_policy_connect_failed(&policy, &options);
	assert_true(policy.worthless);
}

static void fruitless_sessions_count_over_connects(void **state)
{
	(void)state;
	struct bm_policy policy = {0};
	struct bm_server_options options = options_of();
	options.max_connection_attempts = 2;
	bm_policy_connected(&policy);
	bm_policy_session_ended(&policy, &options, false);
	bm_policy_connected(&policy);
	bm_policy_session_ended(&policy, &options, true);
	bm_policy_session_ended(&policy, &options, false);
	assert_false(policy.worthless);
	bm_policy_connected(&policy);
	bm_policy_session_ended(&policy, &options, false);
	assert_true(policy.worthless);
}

static void backs_off_doubling_to_a_ceiling(void **state)
{
	(void)state;
	struct bm_policy policy = {0};
	assert_int_equal(bm_policy_backoff_ms(&policy, 30000), 0);
	policy.failures = 1;
	assert_int_equal(bm_policy_backoff_ms(&policy, 30000), 1000);
	policy.fruitless = 4;
	assert_int_equal(bm_policy_backoff_ms(&policy, 30000), 8000);
	policy.failures = UINT64_MAX;
	assert_int_equal(bm_policy_backoff_ms(&policy, 30000), 30000);
	assert_int_equal(bm_policy_backoff_ms(&policy, 0), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(counts_all_five),
		cmocka_unit_test(refunds_but_never_below_zero),
		cmocka_unit_test(resets_robin_awake_and_envelope_only),
		cmocka_unit_test(fills_envelopes),
		cmocka_unit_test(reports_limits_in_the_manuals_order),
		cmocka_unit_test(naps_once_when_awake_for_long),
		cmocka_unit_test(only_failures_in_a_row_make_worthless),
		cmocka_unit_test(fruitless_sessions_count_over_connects),
		cmocka_unit_test(backs_off_doubling_to_a_ceiling),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
