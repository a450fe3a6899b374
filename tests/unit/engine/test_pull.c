/* SPDX-License-Identifier: MIT */
/* Without turns: free connections pull, to as many servers as there are, at the pace of each. */
#include "world.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bool to_1000(struct world *world, uint64_t seq, char *text, size_t size)
{
	(void)world;
	snprintf(text, size, "u%d@d%d.example", (int)seq, (int)(seq % 3));
	return seq <= 1000;
}

static bool to_100_of_one_domain(struct world *world, uint64_t seq, char *text, size_t size)
{
	(void)world;
	snprintf(text, size, "u%d@x.example", (int)seq);
	return seq <= 100;
}

/* Servers without turns, each with so many connections and transactions unanswered. */
static struct world *pulling_world(size_t connections, size_t room)
{
	struct world *world = make_world(NULL, 0);
	world->quiet = true;
	world->make_record = to_1000;
	for (size_t i = 0; i < SERVERS; i++) {
		world->options[i].max_messages_per_robin = BM_ROBIN_UNSET;
		world->options[i].connections = connections;
		world->room[i] = room;
	}
	return world;
}

/* conformance: F35 */
static void the_faster_server_gets_more(void **state)
{
	(void)state;
	struct world *world = pulling_world(1, 1);
	world->answer_ms[0] = 10;
	world->answer_ms[1] = 40;
	assert_int_equal(run_world(world, false, 2), BM_OK);
	assert_int_equal(world->served[0] + world->served[1], 1000);
	assert_in_range(world->served[0], 790, 810);
	free_world(world);
}

/* manual: connections */
static void connections_work_side_by_side(void **state)
{
	(void)state;
	struct world *world = pulling_world(4, 1);
	world->answer_ms[0] = 10;
	assert_int_equal(run_world(world, false, 1), BM_OK);
	assert_int_equal(world->opened[0], 4);
	assert_in_range(world->now_ms, 1000000 + 2500, 1000000 + 2600);
	free_world(world);
}

static void one_recipient_opens_one_connection(void **state)
{
	(void)state;
	static const char *const list[] = {"a@x.org"};
	struct world *world = make_world(list, 1);
	for (size_t i = 0; i < SERVERS; i++) {
		world->options[i].max_messages_per_robin = BM_ROBIN_UNSET;
		world->options[i].connections = 4;
	}
	assert_int_equal(run_world(world, true, 4), BM_OK);
	assert_string_equal(world->story, "connect0 send0(a@x.org) quit0 ");
	free_world(world);
}

static void an_empty_list_opens_none(void **state)
{
	(void)state;
	struct world *world = make_world(NULL, 0);
	world->options[0].max_messages_per_robin = BM_ROBIN_UNSET;
	assert_int_equal(run_world(world, true, 1), BM_OK);
	assert_string_equal(world->story, "");
	free_world(world);
}

/* conformance: 21, F01 */
static void a_dead_server_costs_the_others_nothing(void **state)
{
	(void)state;
	uint64_t took_ms[2];
	for (size_t dead = 0; dead < 2; dead++) {
		struct world *world = pulling_world(2, 4);
		world->answer_ms[0] = 10;
		world->answer_ms[1] = 10;
		world->refuses_connects[2] = true;
		world->open_ms[2] = 5000;
		assert_int_equal(run_world(world, false, 2 + dead), BM_OK);
		assert_int_equal(world->served[0] + world->served[1], 1000);
		took_ms[dead] = world->now_ms - 1000000;
		free_world(world);
	}
	assert_int_equal(took_ms[0], took_ms[1]);
}

/* It is handed what it works off in about a second, and holds up nobody at the end. */
static void a_slow_server_is_not_handed_what_others_could_have_sent(void **state)
{
	(void)state;
	struct world *world = pulling_world(1, 32);
	world->answer_ms[0] = 10;
	world->answer_ms[1] = 2000;
	assert_int_equal(run_world(world, false, 2), BM_OK);
	assert_in_range(world->served[1], 2, 8);
	assert_in_range(world->most_held[1], 1, 2);
	assert_in_range(world->now_ms, 1000000 + 9900, 1000000 + 14000);
	free_world(world);
}

static void the_window_grows_with_what_was_completed(void **state)
{
	(void)state;
	struct world *world = pulling_world(1, 32);
	world->answer_ms[0] = 1;
	assert_int_equal(run_world(world, false, 1), BM_OK);
	assert_int_equal(world->most_held[0], 32);
	free_world(world);
}

static enum bm_smtp_disposition every_third_refused(
	struct world *world, size_t server, const char *mailbox, unsigned nth, int *code, bool *end)
{
	(void)world;
	(void)server;
	(void)nth;
	(void)end;
	if (strtoul(mailbox + 1, NULL, 10) % 3 != 0)
		return BM_SMTP_ACCEPTED;
	*code = 550;
	return BM_SMTP_REFUSED;
}

/* manual: max_errors_per_connection */
static void refusals_do_not_make_a_server_hang_up(void **state)
{
	(void)state;
	for (int envelopes = 0; envelopes < 2; envelopes++) {
		struct world *world = pulling_world(2, 32);
		world->decided_by = BM_SMTP_RCPT;
		world->answer_ms[0] = 5;
		world->fate = every_third_refused;
		assert_int_equal(run_world(world, envelopes == 1, 1), BM_OK);
		assert_in_range(world->most_errors, 8, 12);
		assert_true(world->opened[0] > 20);
		free_world(world);
	}
}

static void an_envelope_says_how_many_refusals_are_enough(void **state)
{
	(void)state;
	struct world *world = pulling_world(1, 1);
	world->make_record = to_100_of_one_domain;
	assert_int_equal(run_world(world, true, 1), BM_OK);
	assert_int_equal(world->last_refusals_max, 8);
	assert_int_equal(world->last_window, 16);
	free_world(world);
	world = pulling_world(1, 1);
	world->make_record = to_100_of_one_domain;
	world->options[0].max_errors_per_connection = 0;
	assert_int_equal(run_world(world, true, 1), BM_OK);
	assert_int_equal(world->last_refusals_max, 0);
	assert_int_equal(world->last_window, 0);
	free_world(world);
}

static void a_server_that_stumbles_is_pipelined_to_less(void **state)
{
	(void)state;
	struct world *world = pulling_world(1, 8);
	world->stumbles[0] = true;
	world->options[0].max_connection_attempts = 10;
	assert_int_equal(run_world(world, false, 1), BM_OK);
	assert_int_equal(world->served[0], 1000);
	assert_int_equal(world->opened[0], 4);
	assert_int_equal(world->levels[0], BM_SMTP_PIPELINING_OFF);
	assert_string_equal(world->said, "s0 does not bear pipelining=stream: message from now on\nout of step\n"
									 "s0 does not bear pipelining=message: envelope from now on\nout of step\n"
									 "s0 does not bear pipelining=envelope: off from now on\nout of step\n");
	free_world(world);
}

static void a_mode_that_was_asked_for_stands(void **state)
{
	(void)state;
	struct world *world = pulling_world(1, 8);
	world->stumbles[0] = true;
	world->options[0].pipelining = "stream";
	world->options[0].max_connection_attempts = 2;
	assert_int_equal(run_world(world, false, 1), BM_E_NO_SERVER);
	assert_int_equal(world->levels[0], BM_SMTP_PIPELINING_STREAM);
	free_world(world);
}

static enum bm_smtp_disposition server_0_defers(
	struct world *world, size_t server, const char *mailbox, unsigned nth, int *code, bool *end)
{
	(void)world;
	(void)mailbox;
	(void)nth;
	(void)end;
	if (server != 0)
		return BM_SMTP_ACCEPTED;
	*code = 451;
	return BM_SMTP_DEFERRED;
}

/* manual: talk_attempts */
static void a_deferred_recipient_is_tried_on_another_server(void **state)
{
	(void)state;
	static const char *const list[] = {"a@x.org"};
	for (int robin = 0; robin < 2; robin++) {
		struct world *world = make_world(list, 1);
		world->fate = server_0_defers;
		for (size_t i = 0; i < 2; i++)
			world->options[i].max_messages_per_robin = robin ? 5 : BM_ROBIN_UNSET;
		assert_int_equal(run_world(world, true, 2), BM_OK);
		assert_string_equal(
			world->story, "connect0 send0(a@x.org) sleep:10000 quit0 sleep:20000 connect1 send1(a@x.org) quit1 ");
		assert_int_equal(world->attempts[1], 2);
		free_world(world);
	}
}

/* Two that do not fit into one envelope: what it leaves over is still for another server. */
static void those_of_several_domains_are_tried_on_another_server(void **state)
{
	(void)state;
	static const char *const list[] = {"a@u.org", "b@v.org", "c@w.org", "d@x.org", "e@y.org", "f@z.org"};
	struct world *world = make_world(list, 6);
	world->fate = server_0_defers;
	for (size_t i = 0; i < 2; i++) {
		world->options[i].max_messages_per_robin = BM_ROBIN_UNSET;
		world->options[i].talk_attempts = 9;
	}
	world->run_options.retry_delay_ms = 1000;
	assert_int_equal(run_world(world, true, 2), BM_OK);
	assert_int_equal(world->served[1], 6);
	for (size_t i = 1; i <= 6; i++)
		assert_in_range(world->attempts[i], 1, 2);
	free_world(world);
}

static enum bm_smtp_disposition closes_with_421(
	struct world *world, size_t server, const char *mailbox, unsigned nth, int *code, bool *end)
{
	(void)world;
	(void)server;
	(void)mailbox;
	if (nth > 1)
		return BM_SMTP_ACCEPTED;
	*code = 421;
	*end = true;
	return BM_SMTP_PUT_BACK;
}

/* manual: row-421 */
static void a_421_costs_no_attempt(void **state)
{
	(void)state;
	static const char *const list[] = {"a@x.org"};
	struct world *world = make_world(list, 1);
	world->options[0].max_messages_per_robin = BM_ROBIN_UNSET;
	world->options[0].talk_attempts = 0;
	world->fate = closes_with_421;
	assert_int_equal(run_world(world, true, 1), BM_OK);
	assert_string_equal(world->story, "connect0 send0(a@x.org) lost0 sleep:1000 connect0 send0(a@x.org) quit0 ");
	assert_int_equal(world->outcomes[1], BM_OUTCOME_ACCEPTED);
	assert_int_equal(world->attempts[1], 1);
	free_world(world);
}

/* What it answered is told of whoever is left in the end. */
static enum bm_smtp_disposition always_421(
	struct world *world, size_t server, const char *mailbox, unsigned nth, int *code, bool *end)
{
	return closes_with_421(world, server, mailbox, nth > 0 ? 1 : nth, code, end);
}

static void the_text_of_a_421_is_remembered(void **state)
{
	(void)state;
	static const char *const list[] = {"a@x.org"};
	struct world *world = make_world(list, 1);
	world->options[0].max_connection_attempts = 2;
	world->fate = always_421;
	assert_int_equal(run_world(world, true, 1), BM_E_NO_SERVER);
	assert_int_equal(world->codes[1], 421);
	assert_int_equal(world->attempts[1], 0);
	assert_string_equal(world->texts[1], "told");
	free_world(world);
}

/* manual: rate */
static void a_rate_is_kept_over_all_connections(void **state)
{
	(void)state;
	struct world *world = pulling_world(4, 8);
	world->options[0].rate = "100/s";
	assert_int_equal(run_world(world, false, 1), BM_OK);
	/* Ten at once, then one each 10 ms. */
	assert_in_range(world->now_ms, 1000000 + 9900, 1000000 + 9910);
	for (size_t i = 0; i < 60; i++)
		assert_int_equal(world->sent_ms[i], 1000000 + (i < 10 ? 0 : (i - 9) * 10));
	assert_in_range(world->times[BM_WHY_RATE], 9800000, 9910000);
	free_world(world);
}

static void envelopes_are_cut_to_the_rate(void **state)
{
	(void)state;
	struct world *world = pulling_world(1, 8);
	world->make_record = to_100_of_one_domain;
	world->options[0].rate = "50/s";
	assert_int_equal(run_world(world, true, 1), BM_OK);
	assert_int_equal(world->sizes[0], 5);
	assert_int_equal(world->sizes[1], 1);
	assert_in_range(world->now_ms, 1000000 + 1900, 1000000 + 1910);
	free_world(world);
}

/* manual: max_messages_while_awake, sleep_length */
static void a_server_that_sleeps_costs_the_others_nothing(void **state)
{
	(void)state;
	struct world *world = pulling_world(1, 1);
	world->answer_ms[0] = 10;
	world->answer_ms[1] = 10;
	world->options[0].max_messages_while_awake = 5;
	world->options[0].sleep_length = 1000;
	assert_int_equal(run_world(world, false, 2), BM_OK);
	assert_int_equal(world->served[0], 5);
	assert_in_range(world->now_ms, 1000000 + 9900, 1000000 + 10000);
	free_world(world);
}

static void an_idle_connection_is_closed_and_opened_again(void **state)
{
	(void)state;
	static const char *const list[] = {"a@x.org", NULL, "b@x.org"};
	struct world *world = make_world(list, 3);
	world->options[0].max_messages_per_robin = BM_ROBIN_UNSET;
	world->silence_ms = 60000;
	assert_int_equal(run_world(world, false, 1), BM_OK);
	assert_string_equal(
		world->story, "connect0 send0(a@x.org) sleep:10000 quit0 sleep:50000 connect0 send0(b@x.org) quit0 ");
	assert_int_equal(world->times[BM_WHY_LIST], 60000000);
	free_world(world);
}

/* RFC 9422 */
static void what_ehlo_limits_is_heeded(void **state)
{
	(void)state;
	static const char *const list[] = {"a@x.org", "b@x.org", "c@x.org", "d@x.org", "e@x.org"};
	struct world *world = make_world(list, 5);
	world->options[0].max_messages_per_robin = BM_ROBIN_UNSET;
	world->offers[0].rcpt_max = 2;
	world->mail_max[0] = 2;
	assert_int_equal(run_world(world, true, 1), BM_OK);
	assert_string_equal(
		world->story, "connect0 send0(a@x.org,b@x.org) send0(c@x.org,d@x.org) quit0 connect0 send0(e@x.org) quit0 ");
	free_world(world);
}

/* manual: max_messages_per_connection */
static void no_connection_carries_more_than_its_limit(void **state)
{
	(void)state;
	struct world *world = pulling_world(3, 8);
	world->options[0].max_messages_per_connection = 7;
	world->options[0].envelope_limit = 4;
	world->answer_ms[0] = 3;
	assert_int_equal(run_world(world, false, 1), BM_OK);
	assert_in_range(world->opened[0], 143, 146);
	free_world(world);
}

/* manual: max_messages_per_connection */
/* The envelope is filled again and again while the list falls silent. */
static void a_slow_list_fills_no_envelope_beyond_the_limit(void **state)
{
	(void)state;
	static const char *const list[] = {"a@x.org", NULL, "b@x.org", NULL, "c@x.org", NULL, "d@x.org", "e@x.org"};
	struct world *world = make_world(list, 8);
	world->options[0].max_messages_per_robin = BM_ROBIN_UNSET;
	world->options[0].connections = 2;
	world->options[0].max_messages_per_connection = 2;
	world->silence_ms = 10;
	assert_int_equal(run_world(world, true, 1), BM_OK);
	assert_string_equal(world->story, "connect0 sleep:10 send0(a@x.org,b@x.org) quit0 sleep:10 connect0 sleep:10 "
									  "send0(c@x.org,d@x.org) connect0 send0(e@x.org) quit0 quit0 ");
	free_world(world);
}

/* A server that takes one connection and no more is no bad server. */
static bool one_at_a_time(struct world *world)
{
	size_t open = 0;
	for (size_t i = 0; i < world->slots; i++)
		open += world->wires[i].state == GREETED ? 1 : 0;
	return open > 0;
}

static enum bm_smtp_disposition keeps_others_out(
	struct world *world, size_t server, const char *mailbox, unsigned nth, int *code, bool *end)
{
	(void)mailbox;
	(void)nth;
	(void)code;
	(void)end;
	world->refuses_connects[server] = one_at_a_time(world);
	return BM_SMTP_ACCEPTED;
}

static void a_server_that_bears_one_connection_is_used_with_one(void **state)
{
	(void)state;
	struct world *world = pulling_world(4, 1);
	world->answer_ms[0] = 100;
	world->open_ms[0] = 150;
	world->fate = keeps_others_out;
	world->options[0].max_connection_attempts = 2;
	assert_int_equal(run_world(world, false, 1), BM_OK);
	assert_int_equal(world->served[0], 1000);
	assert_false(world->policies[0].worthless);
	free_world(world);
}

static enum bm_smtp_disposition dies_once_with_many(
	struct world *world, size_t server, const char *mailbox, unsigned nth, int *code, bool *end)
{
	(void)world;
	(void)server;
	(void)mailbox;
	*end = nth % 20 == 0;
	*code = *end ? 0 : 250;
	return *end ? BM_SMTP_PUT_BACK : BM_SMTP_ACCEPTED;
}

/* Those behind the one that a connection died with are innocent. */
static void whoever_waits_behind_is_not_to_blame(void **state)
{
	(void)state;
	struct world *world = pulling_world(1, 32);
	world->answer_ms[0] = 1;
	world->fate = dies_once_with_many;
	assert_int_equal(run_world(world, false, 1), BM_OK);
	assert_int_equal(world->served[0], 1000);
	free_world(world);
}

/* BM_WHY_*: all the time has one reason. */
static void the_wait_for_replies_is_told_from_the_round_trip(void **state)
{
	(void)state;
	static const char *const list[] = {"a@x.org", "b@x.org"};
	struct world *world = make_world(list, 2);
	world->options[0].max_messages_per_robin = BM_ROBIN_UNSET;
	world->answer_ms[0] = 10;
	assert_int_equal(run_world(world, false, 1), BM_OK);
	assert_int_equal(world->times[BM_WHY_ROUND_TRIP], 4000);
	assert_int_equal(world->times[BM_WHY_REPLY], 16000);
	assert_int_equal(world->times[BM_WHY_LIST], 0);
	free_world(world);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_faster_server_gets_more),
		cmocka_unit_test(connections_work_side_by_side),
		cmocka_unit_test(one_recipient_opens_one_connection),
		cmocka_unit_test(an_empty_list_opens_none),
		cmocka_unit_test(a_dead_server_costs_the_others_nothing),
		cmocka_unit_test(a_slow_server_is_not_handed_what_others_could_have_sent),
		cmocka_unit_test(the_window_grows_with_what_was_completed),
		cmocka_unit_test(refusals_do_not_make_a_server_hang_up),
		cmocka_unit_test(an_envelope_says_how_many_refusals_are_enough),
		cmocka_unit_test(a_server_that_stumbles_is_pipelined_to_less),
		cmocka_unit_test(a_mode_that_was_asked_for_stands),
		cmocka_unit_test(a_deferred_recipient_is_tried_on_another_server),
		cmocka_unit_test(those_of_several_domains_are_tried_on_another_server),
		cmocka_unit_test(a_421_costs_no_attempt),
		cmocka_unit_test(the_text_of_a_421_is_remembered),
		cmocka_unit_test(a_rate_is_kept_over_all_connections),
		cmocka_unit_test(envelopes_are_cut_to_the_rate),
		cmocka_unit_test(a_server_that_sleeps_costs_the_others_nothing),
		cmocka_unit_test(an_idle_connection_is_closed_and_opened_again),
		cmocka_unit_test(what_ehlo_limits_is_heeded),
		cmocka_unit_test(no_connection_carries_more_than_its_limit),
		cmocka_unit_test(a_slow_list_fills_no_envelope_beyond_the_limit),
		cmocka_unit_test(a_server_that_bears_one_connection_is_used_with_one),
		cmocka_unit_test(whoever_waits_behind_is_not_to_blame),
		cmocka_unit_test(the_wait_for_replies_is_told_from_the_round_trip),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
