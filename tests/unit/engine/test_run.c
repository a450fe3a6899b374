/* SPDX-License-Identifier: MIT */
/* Whole campaigns against servers that are only imagined: what is sent, where, and what becomes of everybody. */
#include "world.h"

#include "base/error.h"

#include <string.h>

/* Signed messages are never encoded anew. */
static const struct bm_header signature[] = {{"DKIM-Signature", "v=1"}, {NULL, NULL}};

/* manual: envelope-each, use_envelope */
static void one_transaction_each_without_envelopes(void **state)
{
	(void)state;
	static const char *const list[] = {"a@x.org", "b@x.org"};
	struct world *world = make_world(list, 2);
	assert_int_equal(run_world(world, false, 1), BM_OK);
	assert_string_equal(world->story, "connect0 send0(a@x.org) send0(b@x.org) quit0 ");
	free_world(world);
}

/* manual: use_envelope, envelope_limit, envelope-shared, list-domain-case */
/* conformance: 10 */
static void neighbours_of_a_domain_share_an_envelope(void **state)
{
	(void)state;
	static const char *const list[] = {"a@x.org", "b@X.ORG", "c@x.org", "d@y.org", "e@x.org"};
	struct world *world = make_world(list, 5);
	world->options[0].envelope_limit = 2;
	assert_int_equal(run_world(world, true, 1), BM_OK);
	assert_string_equal(
		world->story, "connect0 send0(a@x.org,b@X.ORG) send0(c@x.org) send0(d@y.org) send0(e@x.org) quit0 ");
	free_world(world);
}

/* manual: max_messages_per_robin, turn-ends, turn-finishes-envelope */
static void the_robin_goes_round(void **state)
{
	(void)state;
	static const char *const list[] = {"a@x.org", "b@x.org", "c@x.org", "d@x.org", "e@x.org"};
	struct world *world = make_world(list, 5);
	world->options[0].max_messages_per_robin = 2;
	world->options[1].max_messages_per_robin = 1;
	assert_int_equal(run_world(world, true, 2), BM_OK);
	assert_string_equal(
		world->story, "connect0 send0(a@x.org,b@x.org) connect1 send1(c@x.org) send0(d@x.org,e@x.org) quit0 quit1 ");
	free_world(world);
}

/* manual: max_messages, row-limit-open-envelope, turn-finishes-envelope, reached_limit-max_messages */
static void an_open_envelope_is_finished_before_the_limit(void **state)
{
	(void)state;
	static const char *const list[] = {"a@x.org", "b@x.org", "c@x.org"};
	struct world *world = make_world(list, 3);
	world->options[0].max_messages = 2;
	assert_int_equal(run_world(world, true, 2), BM_OK);
	assert_string_equal(world->story, "connect0 send0(a@x.org,b@x.org) quit0 connect1 send1(c@x.org) quit1 ");
	assert_true(world->policies[0].worthless);
	free_world(world);
}

/* manual: max_messages_per_connection, reached_limit-connection */
static void a_new_connection_after_its_limit(void **state)
{
	(void)state;
	static const char *const list[] = {"a@x.org", "b@x.org", "c@x.org"};
	struct world *world = make_world(list, 3);
	world->options[0].max_messages_per_connection = 2;
	assert_int_equal(run_world(world, false, 1), BM_OK);
	assert_string_equal(world->story, "connect0 send0(a@x.org) send0(b@x.org) quit0 connect0 send0(c@x.org) quit0 ");
	free_world(world);
}

/* manual: max_messages_while_awake, sleep_length */
static void sleeps_and_goes_on_with_the_same_envelope(void **state)
{
	(void)state;
	static const char *const list[] = {"a@x.org", "b@x.org", "c@x.org"};
	struct world *world = make_world(list, 3);
	world->options[0].max_messages_while_awake = 2;
	world->options[0].sleep_length = 7;
	assert_int_equal(run_world(world, true, 1), BM_OK);
	assert_string_equal(world->story, "connect0 sleep:7000 send0(a@x.org,b@x.org,c@x.org) quit0 ");
	free_world(world);
}

/* Nothing was said yet, so nobody is put back. */
/* conformance: F30 */
static void a_server_that_hung_up_in_a_sleep_is_called_again(void **state)
{
	(void)state;
	static const char *const list[] = {"a@x.org", "b@x.org", "c@x.org"};
	struct world *world = make_world(list, 3);
	world->hangs_up_asleep = true;
	world->options[0].max_messages_while_awake = 2;
	world->options[0].sleep_length = 7;
	assert_int_equal(run_world(world, true, 1), BM_OK);
	assert_string_equal(world->story, "connect0 sleep:7000 connect0 send0(a@x.org,b@x.org,c@x.org) quit0 ");
	assert_int_equal(world->policies[0].sent.messages_connection, 3);
	free_world(world);
}

/* The open envelope does not wait for the end of a sleep while others are awake. */
static void a_server_that_sleeps_leaves_the_rest_to_the_next(void **state)
{
	(void)state;
	static const char *const list[] = {"a@x.org", "b@x.org", "c@x.org"};
	struct world *world = make_world(list, 3);
	world->options[0].max_messages_while_awake = 2;
	world->options[0].sleep_length = 7;
	assert_int_equal(run_world(world, true, 2), BM_OK);
	assert_string_equal(world->story, "connect0 send0(a@x.org,b@x.org) connect1 send1(c@x.org) quit0 quit1 ");
	free_world(world);
}

static void a_server_that_died_in_a_sleep_gives_its_envelope_back(void **state)
{
	(void)state;
	static const char *const list[] = {"a@x.org", "b@x.org", "c@x.org"};
	struct world *world = make_world(list, 3);
	world->hangs_up_asleep = true;
	world->dies_asleep = true;
	world->options[0].max_messages_while_awake = 2;
	world->options[0].sleep_length = 7;
	world->options[0].max_connection_attempts = 1;
	assert_int_equal(run_world(world, true, 1), BM_E_NO_SERVER);
	assert_string_equal(world->story, "connect0 sleep:7000 fail0 ");
	assert_string_equal(world->log, "MBS003 ");
	assert_int_equal(world->policies[0].sent.messages, 0);
	free_world(world);
}

static void no_messages_left_on_any_server(void **state)
{
	(void)state;
	static const char *const list[] = {"a@x.org", "b@x.org", "c@x.org"};
	struct world *world = make_world(list, 3);
	world->options[0].max_messages = 1;
	world->options[1].max_messages = 1;
	assert_int_equal(run_world(world, false, 2), BM_E_NO_SERVER);
	assert_int_equal(world->outcomes[2], BM_OUTCOME_ACCEPTED);
	assert_int_equal(world->outcomes[3], BM_OUTCOME_UNSENT);
	free_world(world);
}

/* manual: MB012, row-all-unreachable */
/* conformance: F01, F36 */
static void all_servers_unreachable_is_the_end(void **state)
{
	(void)state;
	static const char *const list[] = {"a@x.org", "bad", "b@x.org"};
	struct world *world = make_world(list, 3);
	world->refuses_connects[0] = true;
	world->options[0].max_connection_attempts = 3;
	assert_int_equal(run_world(world, true, 1), BM_E_NO_SERVER);
	assert_string_equal(world->story, "fail0 sleep:1000 fail0 sleep:2000 fail0 ");
	assert_int_equal(world->outcomes[1], BM_OUTCOME_UNSENT);
	assert_int_equal(world->outcomes[2], BM_OUTCOME_INVALID);
	assert_int_equal(world->outcomes[3], BM_OUTCOME_UNSENT);
	free_world(world);
}

/* manual: turn-skips-unreachable */
/* conformance: 21, F01 */
static void a_dead_server_costs_the_others_nothing(void **state)
{
	(void)state;
	static const char *const list[] = {"a@x.org", "b@x.org"};
	struct world *world = make_world(list, 2);
	world->refuses_connects[0] = true;
	assert_int_equal(run_world(world, false, 2), BM_OK);
	assert_string_equal(world->story, "fail0 connect1 send1(a@x.org) send1(b@x.org) quit1 ");
	free_world(world);
}

static enum bm_smtp_disposition temporary_at_first(
	struct world *world, size_t server, const char *mailbox, unsigned nth, int *code, bool *end)
{
	(void)world;
	(void)server;
	(void)end;
	if (mailbox[0] != 'a' || nth > 1)
		return BM_SMTP_ACCEPTED;
	*code = 451;
	return BM_SMTP_DEFERRED;
}

/* manual: retry_delay, talk_attempts, row-451-end-of-data */
/* conformance: 20, F33 */
static void a_deferred_recipient_is_tried_again_after_a_while(void **state)
{
	(void)state;
	static const char *const list[] = {"a@x.org", "b@x.org"};
	struct world *world = make_world(list, 2);
	world->fate = temporary_at_first;
	assert_int_equal(run_world(world, false, 1), BM_OK);
	assert_string_equal(world->story,
		"connect0 send0(a@x.org) send0(b@x.org) sleep:10000 quit0 sleep:20000 connect0 send0(a@x.org) quit0 ");
	assert_int_equal(world->outcomes[1], BM_OUTCOME_ACCEPTED);
	assert_int_equal(world->attempts[1], 2);
	free_world(world);
}

static void a_silent_list_holds_nobody_back(void **state)
{
	(void)state;
	static const char *const list[] = {"a@x.org", "b@x.org", NULL, "c@x.org"};
	struct world *world = make_world(list, 4);
	world->silence_ms = 32000;
	world->fate = temporary_at_first;
	assert_int_equal(run_world(world, true, 1), BM_OK);
	assert_string_equal(world->story, "connect0 sleep:1000 send0(a@x.org,b@x.org) sleep:10000 quit0 sleep:20000 "
									  "connect0 sleep:1000 send0(a@x.org,c@x.org) quit0 ");
	free_world(world);
}

static enum bm_smtp_disposition temporary_for_ever(
	struct world *world, size_t server, const char *mailbox, unsigned nth, int *code, bool *end)
{
	(void)world;
	(void)server;
	(void)mailbox;
	(void)nth;
	(void)end;
	*code = 451;
	return BM_SMTP_DEFERRED;
}

/* manual: retry_delay, retry_delay_max */
/* conformance: 20 */
static void tries_are_used_up_with_doubling_waits(void **state)
{
	(void)state;
	static const char *const list[] = {"a@x.org"};
	struct world *world = make_world(list, 1);
	world->fate = temporary_for_ever;
	world->options[0].talk_attempts = 3;
	world->options[0].max_errors_per_connection = 0;
	assert_int_equal(run_world(world, false, 1), BM_OK);
	assert_string_equal(world->story,
		"connect0 send0(a@x.org) sleep:10000 quit0 sleep:20000 connect0 send0(a@x.org) sleep:10000 quit0 sleep:50000 "
		"connect0 send0(a@x.org) sleep:10000 quit0 sleep:110000 connect0 send0(a@x.org) quit0 ");
	assert_int_equal(world->outcomes[1], BM_OUTCOME_DEFERRED);
	assert_int_equal(world->attempts[1], 4);
	free_world(world);
}

static enum bm_smtp_disposition crowded_after_two(
	struct world *world, size_t server, const char *mailbox, unsigned nth, int *code, bool *end)
{
	(void)world;
	(void)server;
	(void)nth;
	(void)end;
	if (mailbox[0] < 'c' || nth > 1)
		return BM_SMTP_ACCEPTED;
	*code = 452;
	return BM_SMTP_CROWDED;
}

/* conformance: 11, F11 */
static void the_rest_of_a_crowded_envelope_follows_at_once(void **state)
{
	(void)state;
	static const char *const list[] = {"a@x.org", "b@x.org", "c@x.org", "d@x.org"};
	struct world *world = make_world(list, 4);
	world->fate = crowded_after_two;
	assert_int_equal(run_world(world, true, 1), BM_OK);
	assert_string_equal(world->story, "connect0 send0(a@x.org,b@x.org,c@x.org,d@x.org) send0(c@x.org,d@x.org) quit0 ");
	free_world(world);
}

static enum bm_smtp_disposition first_server_dies(
	struct world *world, size_t server, const char *mailbox, unsigned nth, int *code, bool *end)
{
	(void)mailbox;
	if (server != 0 || nth < 2)
		return BM_SMTP_ACCEPTED;
	world->refuses_connects[0] = true;
	*end = true;
	*code = 0;
	return BM_SMTP_PUT_BACK;
}

/* manual: row-421 */
/* conformance: 17, F08 */
static void what_a_dying_server_did_not_take_goes_to_the_next(void **state)
{
	(void)state;
	static const char *const list[] = {"a@x.org", "b@y.org", "c@y.org", "d@z.org"};
	struct world *world = make_world(list, 4);
	world->fate = first_server_dies;
	assert_int_equal(run_world(world, true, 2), BM_OK);
	assert_string_equal(world->story, "connect0 send0(a@x.org) send0(b@y.org,c@y.org) lost0 connect1 "
									  "send1(b@y.org,c@y.org) send1(d@z.org) quit1 ");
	free_world(world);
}

static enum bm_smtp_disposition lost_at_the_end(
	struct world *world, size_t server, const char *mailbox, unsigned nth, int *code, bool *end)
{
	(void)world;
	(void)server;
	(void)mailbox;
	if (nth > 1)
		return BM_SMTP_ACCEPTED;
	*end = true;
	*code = 0;
	return BM_SMTP_IN_DOUBT;
}

/* manual: row-lost-end-of-data */
/* conformance: 15, 17, F05 */
static void in_doubt_is_never_sent_again(void **state)
{
	(void)state;
	static const char *const list[] = {"a@x.org", "b@y.org"};
	struct world *world = make_world(list, 2);
	world->fate = lost_at_the_end;
	assert_int_equal(run_world(world, true, 1), BM_OK);
	assert_string_equal(world->story, "connect0 send0(a@x.org) lost0 sleep:1000 connect0 send0(b@y.org) quit0 ");
	assert_int_equal(world->outcomes[1], BM_OUTCOME_IN_DOUBT);
	assert_int_equal(world->outcomes[2], BM_OUTCOME_ACCEPTED);
	free_world(world);
}

static enum bm_smtp_disposition temporary_then_lost(
	struct world *world, size_t server, const char *mailbox, unsigned nth, int *code, bool *end)
{
	(void)world;
	(void)server;
	(void)mailbox;
	*end = nth > 1;
	*code = nth > 1 ? 0 : 451;
	return nth > 1 ? BM_SMTP_IN_DOUBT : BM_SMTP_DEFERRED;
}

static void an_old_answer_is_not_told_of_what_is_in_doubt(void **state)
{
	(void)state;
	static const char *const list[] = {"a@x.org"};
	struct world *world = make_world(list, 1);
	world->fate = temporary_then_lost;
	assert_int_equal(run_world(world, true, 1), BM_OK);
	assert_int_equal(world->outcomes[1], BM_OUTCOME_IN_DOUBT);
	assert_int_equal(world->codes[1], 0);
	free_world(world);
}

/* The connection dies on every envelope that b is in. */
static enum bm_smtp_disposition lost_with_b(
	struct world *world, size_t server, const char *mailbox, unsigned nth, int *code, bool *end)
{
	(void)server;
	(void)mailbox;
	(void)nth;
	if (strstr(strrchr(world->story, '('), "b@") == NULL)
		return BM_SMTP_ACCEPTED;
	*end = true;
	*code = 0;
	return BM_SMTP_PUT_BACK;
}

/* conformance: 17 */
static void a_recipient_who_kills_connections_kills_no_campaign(void **state)
{
	(void)state;
	static const char *const list[] = {"a@x.org", "b@x.org", "c@x.org", "d@y.org"};
	for (size_t servers = 1; servers <= SERVERS; servers++) {
		struct world *world = make_world(list, 4);
		world->fate = lost_with_b;
		assert_int_equal(run_world(world, true, servers), BM_OK);
		assert_int_equal(world->outcomes[2], BM_OUTCOME_DEFERRED);
		for (size_t seq = 1; seq <= 4; seq++)
			assert_true(seq == 2 || world->outcomes[seq] == BM_OUTCOME_ACCEPTED);
		free_world(world);
	}
}

static enum bm_smtp_disposition hangs_up_on_a_crowd(
	struct world *world, size_t server, const char *mailbox, unsigned nth, int *code, bool *end)
{
	(void)world;
	(void)server;
	if (nth > 1)
		return BM_SMTP_ACCEPTED;
	*end = true;
	*code = mailbox[0] < 'c' ? 0 : 452;
	return mailbox[0] < 'c' ? BM_SMTP_PUT_BACK : BM_SMTP_CROWDED;
}

/* conformance: 10, 11 */
static void envelopes_shrink_for_a_server_that_hangs_up_on_a_crowd(void **state)
{
	(void)state;
	static const char *const list[] = {"a@x.org", "b@x.org", "c@x.org", "d@x.org"};
	struct world *world = make_world(list, 4);
	world->fate = hangs_up_on_a_crowd;
	assert_int_equal(run_world(world, true, 1), BM_OK);
	assert_string_equal(world->story, "connect0 send0(a@x.org,b@x.org,c@x.org,d@x.org) lost0 sleep:1000 connect0 "
									  "send0(a@x.org,b@x.org) send0(c@x.org,d@x.org) quit0 ");
	free_world(world);
}

static enum bm_smtp_disposition always_lost(
	struct world *world, size_t server, const char *mailbox, unsigned nth, int *code, bool *end)
{
	(void)world;
	(void)server;
	(void)mailbox;
	(void)nth;
	*end = true;
	*code = 0;
	return BM_SMTP_PUT_BACK;
}

/* conformance: F35 */
static void a_server_that_greets_and_hangs_up_becomes_worthless(void **state)
{
	(void)state;
	static const char *const list[] = {"a@x.org"};
	struct world *world = make_world(list, 1);
	world->fate = always_lost;
	world->options[0].max_connection_attempts = 2;
	assert_int_equal(run_world(world, true, 1), BM_E_NO_SERVER);
	assert_string_equal(world->story, "connect0 send0(a@x.org) lost0 sleep:1000 connect0 send0(a@x.org) lost0 ");
	assert_int_equal(world->outcomes[1], BM_OUTCOME_UNSENT);
	free_world(world);
}

static enum bm_smtp_disposition refused(
	struct world *world, size_t server, const char *mailbox, unsigned nth, int *code, bool *end)
{
	(void)world;
	(void)server;
	(void)nth;
	(void)end;
	if (mailbox[0] != 'b')
		return BM_SMTP_ACCEPTED;
	*code = 550;
	return BM_SMTP_REFUSED;
}

/* As the original counts: one recipient handed over is one message. */
static void a_refused_recipient_does_not_count(void **state)
{
	(void)state;
	static const char *const list[] = {"a@x.org", "b@x.org", "c@x.org", "d@x.org"};
	struct world *world = make_world(list, 4);
	world->fate = refused;
	world->options[0].max_messages = 2;
	assert_int_equal(run_world(world, false, 2), BM_OK);
	assert_string_equal(world->story, "connect0 send0(a@x.org) send0(b@x.org) send0(c@x.org) quit0 connect1 "
									  "send1(d@x.org) quit1 ");
	assert_int_equal(world->outcomes[2], BM_OUTCOME_REFUSED);
	free_world(world);
}

static void a_refusal_in_the_last_envelope_does_not_count_either(void **state)
{
	(void)state;
	static const char *const list[] = {"a@x.org", "b@x.org", "c@x.org", "d@x.org"};
	struct world *world = make_world(list, 4);
	world->fate = refused;
	world->options[0].max_messages = 2;
	assert_int_equal(run_world(world, true, 2), BM_OK);
	assert_string_equal(world->story, "connect0 send0(a@x.org,b@x.org) send0(c@x.org) quit0 connect1 "
									  "send1(d@x.org) quit1 ");
	free_world(world);
}

static enum bm_smtp_disposition wants_authentication(
	struct world *world, size_t server, const char *mailbox, unsigned nth, int *code, bool *end)
{
	(void)world;
	(void)mailbox;
	(void)nth;
	(void)end;
	if (server != 0)
		return BM_SMTP_ACCEPTED;
	*code = 530;
	return BM_SMTP_REFUSED;
}

/* conformance: 53 */
static void a_relay_fault_burns_nobody(void **state)
{
	(void)state;
	static const char *const list[] = {"a@x.org", "b@x.org"};
	struct world *world = make_world(list, 2);
	world->fate = wants_authentication;
	world->decided_by = BM_SMTP_MAIL;
	assert_int_equal(run_world(world, true, 2), BM_OK);
	assert_string_equal(world->story, "connect0 send0(a@x.org,b@x.org) quit0 connect1 send1(a@x.org,b@x.org) quit1 ");
	assert_true(world->policies[0].worthless);
	free_world(world);
}

/* conformance: 53 */
static void the_same_code_to_a_recipient_is_about_the_recipient(void **state)
{
	(void)state;
	static const char *const list[] = {"a@x.org"};
	struct world *world = make_world(list, 1);
	world->fate = wants_authentication;
	world->decided_by = BM_SMTP_RCPT;
	assert_int_equal(run_world(world, true, 1), BM_OK);
	assert_int_equal(world->outcomes[1], BM_OUTCOME_REFUSED);
	assert_false(world->policies[0].worthless);
	free_world(world);
}

/* manual: max_errors_per_connection */
static void a_connection_with_many_errors_is_retired(void **state)
{
	(void)state;
	static const char *const list[] = {"b@x.org", "b1@x.org", "b2@x.org"};
	struct world *world = make_world(list, 3);
	world->fate = refused;
	world->options[0].max_errors_per_connection = 2;
	assert_int_equal(run_world(world, false, 1), BM_OK);
	assert_string_equal(world->story, "connect0 send0(b@x.org) send0(b1@x.org) quit0 connect0 send0(b2@x.org) quit0 ");
	free_world(world);
}

/* conformance: F46 */
static void stopped_campaigns_account_for_the_rest(void **state)
{
	(void)state;
	static const char *const list[] = {"a@x.org", "b@y.org", "a@x.org", "c@z.org"};
	struct world *world = make_world(list, 4);
	world->stop_after = 1;
	assert_int_equal(run_world(world, true, 1), BM_E_STOPPED);
	assert_int_equal(world->outcomes[1], BM_OUTCOME_ACCEPTED);
	assert_int_equal(world->outcomes[2], BM_OUTCOME_UNSENT);
	assert_int_equal(world->outcomes[3], BM_OUTCOME_DUPLICATE);
	assert_int_equal(world->outcomes[4], BM_OUTCOME_UNSENT);
	assert_int_equal(world->transactions, 1);
	free_world(world);
}

static void an_endless_list_is_not_read_on_after_a_stop(void **state)
{
	(void)state;
	static const char *const list[] = {"a@x.org", "b@y.org", "c@z.org"};
	struct world *world = make_world(list, 3);
	world->endless = true;
	world->stop_after = 1;
	assert_int_equal(run_world(world, false, 1), BM_E_STOPPED);
	/* One is read ahead. */
	assert_int_equal(world->next, 2);
	free_world(world);
}

/* manual: MB017, MB007, list-domain-case, list-display-name */
/* conformance: 9 */
static void duplicates_and_invalid_lines_are_not_sent(void **state)
{
	(void)state;
	static const char *const list[] = {"a@x.org", "A@X.org", "no mailbox", "\"A\" <a@x.org>"};
	struct world *world = make_world(list, 4);
	assert_int_equal(run_world(world, true, 1), BM_OK);
	assert_string_equal(world->story, "connect0 send0(a@x.org) quit0 ");
	assert_string_equal(world->log, "MB017 MB007 MB017 ");
	assert_int_equal(world->outcomes[2], BM_OUTCOME_DUPLICATE);
	assert_int_equal(world->outcomes[3], BM_OUTCOME_INVALID);
	assert_int_equal(world->outcomes[4], BM_OUTCOME_DUPLICATE);
	free_world(world);
}

/* manual: MB006 */
static void a_record_without_an_address_is_not_sent(void **state)
{
	(void)state;
	static const char *const list[] = {"(Jim)", "<>", "Jim T <>", "a@x.org"};
	for (int trusted = 0; trusted < 2; trusted++) {
		struct world *world = make_world(list + trusted, 4 - (size_t)trusted);
		world->run_options.trust_email = trusted == 1;
		assert_int_equal(run_world(world, true, 1), BM_OK);
		assert_string_equal(world->story, "connect0 send0(a@x.org) quit0 ");
		assert_string_equal(world->log, trusted == 1 ? "MB006 MB006 " : "MB006 MB006 MB006 ");
		assert_int_equal(world->outcomes[1], BM_OUTCOME_INVALID);
		assert_int_equal(world->outcomes[2], BM_OUTCOME_INVALID);
		free_world(world);
	}
}

/* manual: Trusting-email */
static void trusted_addresses_are_not_checked(void **state)
{
	(void)state;
	static const char *const list[] = {"no mailbox", "Jim <jim@localhost>"};
	struct world *world = make_world(list, 2);
	world->run_options.trust_email = true;
	assert_int_equal(run_world(world, false, 1), BM_OK);
	assert_string_equal(world->story, "connect0 send0(no mailbox) send0(jim@localhost) quit0 ");
	free_world(world);
}

/* manual: Trusting-duplicates */
static void trusted_duplicates_are_sent(void **state)
{
	(void)state;
	static const char *const list[] = {"a@x.org", "a@x.org", "A@x.org"};
	struct world *world = make_world(list, 3);
	world->run_options.trust_duplicates = true;
	assert_int_equal(run_world(world, true, 1), BM_OK);
	assert_string_equal(world->story, "connect0 send0(a@x.org,a@x.org,A@x.org) quit0 ");
	assert_string_equal(world->log, "");
	free_world(world);
}

/* manual: MB018, list-domain-case */
static void banned_addresses_and_domains(void **state)
{
	(void)state;
	static const char *const list[] = {"a@x.org", "B@x.org", "c@Y.org"};
	static const char *const bans[] = {"b@X.org", "y.ORG", NULL};
	struct world *world = make_world(list, 3);
	world->bans = bans;
	assert_int_equal(run_world(world, true, 1), BM_OK);
	assert_string_equal(world->story, "connect0 send0(a@x.org) quit0 ");
	assert_string_equal(world->log, "MB018 MB018 ");
	assert_int_equal(world->outcomes[2], BM_OUTCOME_BANNED);
	assert_int_equal(world->outcomes[3], BM_OUTCOME_BANNED);
	free_world(world);
}

static void only_addresses_and_domains_can_be_banned(void **state)
{
	(void)state;
	struct bm_run_options options = {.use_envelope = true};
	struct bm_run run;
	struct world *world = make_world(NULL, 0);
	struct bm_message *message = message_of(world, true);
	assert_int_equal(bm_run_init(&run, &options, &world->port, message, &world->journal, 1, NULL), BM_OK);
	assert_int_equal(bm_run_ban(&run, bm_span_of("neither one")), BM_E_ADDRESS);
	bm_run_deinit(&run);
	bm_message_free(message);
	free_world(world);
}

/* manual: Trusting-banned */
static void trusted_bans_compare_local_parts_with_case(void **state)
{
	(void)state;
	static const char *const list[] = {"B@x.org", "b@X.ORG", "c@y.ORG"};
	static const char *const bans[] = {"b@x.org", "Y.org", NULL};
	struct world *world = make_world(list, 3);
	world->bans = bans;
	world->run_options.trust_banned = true;
	assert_int_equal(run_world(world, true, 1), BM_OK);
	assert_string_equal(world->story, "connect0 send0(B@x.org) quit0 ");
	assert_int_equal(world->outcomes[1], BM_OUTCOME_ACCEPTED);
	assert_int_equal(world->outcomes[2], BM_OUTCOME_BANNED);
	assert_int_equal(world->outcomes[3], BM_OUTCOME_BANNED);
	free_world(world);
}

/* manual: turn-ends, reached_limit */
static void each_limit_ends_a_turn_and_is_asked_for_each_recipient(void **state)
{
	(void)state;
	static const char *const list[] = {"a@x.org", "b@x.org", "c@x.org"};
	static const char *const stories[] = {
		"connect0 send0(a@x.org,b@x.org) quit0 connect1 send1(c@x.org) quit1 ",
		"connect0 send0(a@x.org,b@x.org) quit0 connect1 send1(c@x.org) quit1 ",
		"connect0 send0(a@x.org,b@x.org) connect1 send1(c@x.org) quit0 quit1 ",
	};
	for (size_t i = 0; i < 3; i++) {
		struct world *world = make_world(list, 3);
		struct bm_server_options *first = &world->options[0];
		uint64_t *limits[] = {
			&first->max_messages, &first->max_messages_per_connection, &first->max_messages_per_robin};
		*limits[i] = 2;
		assert_int_equal(run_world(world, true, 2), BM_OK);
		assert_string_equal(world->story, stories[i]);
		free_world(world);
	}
}

/* manual: turn-resets-counters */
static void the_next_server_begins_its_turn_with_fresh_counters(void **state)
{
	(void)state;
	static const char *const list[] = {"a@x.org", "b@x.org", "c@x.org", "d@x.org"};
	struct world *world = make_world(list, 4);
	for (size_t i = 0; i < 2; i++) {
		world->options[i].max_messages_per_robin = 2;
		world->options[i].max_messages_while_awake = 2;
		world->options[i].sleep_length = 5;
		world->policies[i].sent.messages = 1;
		world->policies[i].sent.messages_robin = 1;
		world->policies[i].sent.messages_awake = 1;
	}
	/* Server 0 is where it was; server 1 neither sleeps before its second recipient nor ends its turn there. */
	assert_int_equal(run_world(world, false, 2), BM_OK);
	assert_string_equal(world->story, "connect0 send0(a@x.org) connect1 send1(b@x.org) send1(c@x.org) "
									  "sleep:5000 send0(d@x.org) quit0 quit1 ");
	assert_int_equal(world->policies[1].sent.messages, 3);
	free_world(world);
}

/* manual: turn-skips-unreachable, max_connection_attempts */
static void an_unreachable_server_is_asked_again_until_it_is_worthless(void **state)
{
	(void)state;
	static const char *const list[] = {"a@x.org", "b@x.org", "c@x.org", "d@x.org"};
	struct world *world = make_world(list, 4);
	world->refuses_connects[0] = true;
	world->options[0].max_connection_attempts = 2;
	world->options[1].max_messages_per_robin = 1;
	world->options[1].max_messages_while_awake = 1;
	world->options[1].sleep_length = 60;
	assert_int_equal(run_world(world, false, 2), BM_OK);
	assert_string_equal(world->story, "fail0 connect1 send1(a@x.org) sleep:1000 fail0 sleep:59000 send1(b@x.org) "
									  "sleep:60000 send1(c@x.org) sleep:60000 send1(d@x.org) quit1 ");
	assert_true(world->policies[0].worthless);
	assert_string_equal(world->log, "MBS003 MBS003 ");
	free_world(world);
}

/* conformance: 59 */
static void eight_bit_bodies_go_to_servers_that_take_them(void **state)
{
	(void)state;
	static const char *const list[] = {"a@x.org", "b@x.org"};
	struct world *world = make_world(list, 2);
	world->body = "gr\xc3\xbc\xc3\x9f dich\r\n";
	world->headers = signature;
	world->offers[0].eight_bit_mime = false;
	assert_int_equal(run_world(world, true, 2), BM_OK);
	assert_string_equal(world->story, "connect0 quit0 connect1 send1(a@x.org,b@x.org) quit1 ");
	assert_string_equal(
		world->said, "s0 does not offer 8BITMIME, and the message holds octets above 127: it is not used\n");
	free_world(world);
}

/* conformance: 59 */
static void no_server_takes_eight_bit_bodies(void **state)
{
	(void)state;
	static const char *const list[] = {"a@x.org", "b@x.org"};
	struct world *world = make_world(list, 2);
	world->body = "gr\xc3\xbc\xc3\x9f dich\r\n";
	world->headers = signature;
	world->offers[0].eight_bit_mime = false;
	assert_int_equal(run_world(world, true, 1), BM_E_NO_SERVER);
	assert_int_equal(world->outcomes[1], BM_OUTCOME_UNSENT);
	assert_int_equal(world->outcomes[2], BM_OUTCOME_UNSENT);
	free_world(world);
}

/* The world sees that only what is said to be 8-bit is. */
/* conformance: 59, 60 */
static void what_is_not_signed_is_encoded_for_a_server_without_8bitmime(void **state)
{
	(void)state;
	static const char *const list[] = {"a1@x.org", "a2@y.org", "b@x.org", "c@y.org"};
	for (int how = 0; how < 4; how++) {
		struct world *world = make_world(list, 4);
		world->body = "gr\xc3\xbc\xc3\x9f dich, {{name}}\r\n";
		world->merge = (how & 1) != 0;
		for (size_t i = 0; i < 2; i++)
			world->options[i].max_messages_per_robin = 1;
		world->offers[0].eight_bit_mime = false;
		assert_int_equal(run_world(world, (how & 2) != 0, 2), BM_OK);
		assert_int_equal(world->served[0], 2);
		assert_int_equal(world->served[1], 2);
		free_world(world);
	}
}

/* A copy that turns out to be 8-bit when its values are in it. */
/* conformance: 59 */
static void values_can_make_a_copy_one_for_other_servers(void **state)
{
	(void)state;
	static const char *const list[] = {"a@x.org", "\xc3\xbc <b@x.org>", "c@x.org"};
	static const struct bm_header eight[] = {
		{"DKIM-Signature", "v=1"}, {"Content-Transfer-Encoding", "8bit"}, {NULL, NULL}};
	for (size_t servers = 1; servers <= 2; servers++) {
		struct world *world = make_world(list, 3);
		world->body = "Dear {{email}}\r\n";
		world->merge = true;
		world->headers = eight;
		world->offers[0].eight_bit_mime = false;
		assert_int_equal(run_world(world, true, servers), servers == 1 ? BM_E_NO_SERVER : BM_OK);
		assert_int_equal(world->outcomes[1], BM_OUTCOME_ACCEPTED);
		assert_int_equal(world->outcomes[2], servers == 1 ? BM_OUTCOME_UNSENT : BM_OUTCOME_ACCEPTED);
		assert_int_equal(world->outcomes[3], BM_OUTCOME_ACCEPTED);
		assert_int_equal(world->served[1], servers == 1 ? 0 : 1);
		free_world(world);
	}
}

static bool eight_bit_record(struct world *world, uint64_t seq, char *text, size_t size)
{
	(void)world;
	snprintf(text, size, "\xc3\xbc <u%d@x.org>", (int)seq);
	return seq <= BM_RUN_WAITING_MAX + 10;
}

/* More than are kept back: the list is not read on, and the campaign ends. */
static void too_many_copies_for_other_servers_are_no_reason_to_wait(void **state)
{
	(void)state;
	static const struct bm_header eight[] = {
		{"DKIM-Signature", "v=1"}, {"Content-Transfer-Encoding", "8bit"}, {NULL, NULL}};
	for (int turns = 0; turns < 2; turns++) {
		struct world *world = make_world(NULL, 0);
		world->make_record = eight_bit_record;
		world->body = "Dear {{email}}\r\n";
		world->merge = true;
		world->headers = eight;
		world->offers[0].eight_bit_mime = false;
		world->options[0].max_messages_per_robin = turns == 1 ? 5 : BM_ROBIN_UNSET;
		assert_int_equal(run_world(world, true, 1), BM_E_NO_SERVER);
		assert_int_equal(world->outcomes[1], BM_OUTCOME_UNSENT);
		assert_int_equal(world->outcomes[BM_RUN_WAITING_MAX + 10], BM_OUTCOME_UNSENT);
		free_world(world);
	}
}

/* Who gets the same copy shares an envelope. */
static void equal_copies_share_an_envelope(void **state)
{
	(void)state;
	static const char *const list[] = {"a1@x.org", "a2@x.org", "b1@x.org", "b2@x.org", "a3@x.org"};
	struct world *world = make_world(list, 5);
	world->body = "Dear {{name}}\r\n";
	world->merge = true;
	assert_int_equal(run_world(world, true, 1), BM_OK);
	assert_string_equal(
		world->story, "connect0 send0(a1@x.org,a2@x.org) send0(b1@x.org,b2@x.org) send0(a3@x.org) quit0 ");
	free_world(world);
}

/* conformance: F59 */
static void a_value_that_cannot_be_sent_is_told(void **state)
{
	(void)state;
	static const char *const list[] = {"a@x.org", "\xc3\xbc <b@x.org>"};
	struct world *world = make_world(list, 2);
	world->body = "Dear {{name}}\r\n";
	world->merge = true;
	assert_int_equal(run_world(world, true, 1), BM_OK);
	assert_string_equal(world->story, "connect0 send0(a@x.org) quit0 ");
	assert_int_equal(world->outcomes[2], BM_OUTCOME_INVALID);
	assert_string_equal(world->log, "MB026 ");
	free_world(world);
}

/* By their first letters, at the end of data. */
static enum bm_smtp_disposition each_its_own(
	struct world *world, size_t server, const char *mailbox, unsigned nth, int *code, bool *end)
{
	(void)world;
	(void)server;
	switch (mailbox[0]) {
	case 'b':
		*code = 550;
		return BM_SMTP_REFUSED;
	case 'c':
		*code = nth == 1 ? 451 : 250;
		return nth == 1 ? BM_SMTP_DEFERRED : BM_SMTP_ACCEPTED;
	case 'd':
		*code = 0;
		*end = true;
		return BM_SMTP_IN_DOUBT;
	default:
		return BM_SMTP_ACCEPTED;
	}
}

/* LMTP answers for each recipient at the end of data (RFC 2033, 4.2). */
/* conformance: 15, F11, F20 */
static void one_transaction_with_all_kinds_of_outcomes(void **state)
{
	(void)state;
	static const char *const list[] = {"a@x.org", "b@x.org", "c@x.org", "d@x.org", "e@x.org"};
	struct world *world = make_world(list, 5);
	world->fate = each_its_own;
	world->decided_by = BM_SMTP_END_OF_DATA;
	world->options[0].max_messages = 4;
	assert_int_equal(run_world(world, true, 1), BM_OK);
	static const enum bm_outcome_kind want[] = {
		0, BM_OUTCOME_ACCEPTED, BM_OUTCOME_REFUSED, BM_OUTCOME_ACCEPTED, BM_OUTCOME_IN_DOUBT, BM_OUTCOME_ACCEPTED};
	for (size_t seq = 1; seq <= 5; seq++)
		assert_int_equal(world->outcomes[seq], want[seq]);
	assert_int_equal(world->attempts[3], 2);
	assert_int_equal(world->served[0], 3);
	/* Whoever was not taken does not count; whoever may have been does. */
	assert_int_equal(world->policies[0].sent.messages, 4);
	assert_int_equal(world->policies[0].fruitless, 0);
	free_world(world);
}

/* conformance: F11, F20 */
static void all_refused_at_the_end_of_data_are_no_servers_fault(void **state)
{
	(void)state;
	static const char *const list[] = {"b1@x.org", "b2@x.org", "b3@y.org"};
	struct world *world = make_world(list, 3);
	world->fate = each_its_own;
	world->decided_by = BM_SMTP_END_OF_DATA;
	world->options[0].max_connection_attempts = 1;
	assert_int_equal(run_world(world, true, 1), BM_OK);
	for (size_t seq = 1; seq <= 3; seq++)
		assert_int_equal(world->outcomes[seq], BM_OUTCOME_REFUSED);
	assert_int_equal(world->policies[0].sent.messages, 0);
	assert_false(world->policies[0].worthless);
	free_world(world);
}

static enum bm_smtp_disposition deferred_then_lost(
	struct world *world, size_t server, const char *mailbox, unsigned nth, int *code, bool *end)
{
	(void)world;
	(void)server;
	(void)mailbox;
	*end = nth > 1;
	*code = nth > 1 ? 0 : 451;
	return nth > 1 ? BM_SMTP_PUT_BACK : BM_SMTP_DEFERRED;
}

static void an_old_code_is_told_with_its_own_text(void **state)
{
	(void)state;
	static const char *const list[] = {"a@x.org"};
	struct world *world = make_world(list, 1);
	world->fate = deferred_then_lost;
	assert_int_equal(run_world(world, true, 1), BM_OK);
	assert_int_equal(world->outcomes[1], BM_OUTCOME_DEFERRED);
	assert_int_equal(world->codes[1], 451);
	assert_string_equal(world->texts[1], "told");
	free_world(world);
	world = make_world(list, 1);
	world->fate = always_lost;
	assert_int_equal(run_world(world, true, 1), BM_OK);
	assert_int_equal(world->codes[1], 0);
	assert_string_equal(world->texts[1], "every connection ended before it was its turn");
	free_world(world);
}

static void sessions_that_stumble_under_auto_are_not_fruitless(void **state)
{
	(void)state;
	static const char *const list[] = {"a@x.org", "b@y.org"};
	struct world *world = make_world(list, 2);
	world->stumbles[0] = true;
	world->options[0].max_connection_attempts = 2;
	assert_int_equal(run_world(world, true, 1), BM_OK);
	/* Three steps down, none of which is waited for. */
	assert_string_equal(world->story,
		"connect0 send0(a@x.org) connect0 send0(a@x.org) connect0 send0(a@x.org) connect0 send0(a@x.org) "
		"send0(b@y.org) quit0 ");
	assert_int_equal(world->policies[0].fruitless, 0);
	free_world(world);
	/* Whoever wants it so is told. */
	world = make_world(list, 2);
	world->stumbles[0] = true;
	world->options[0].pipelining = "stream";
	world->options[0].max_connection_attempts = 2;
	assert_int_equal(run_world(world, true, 1), BM_E_NO_SERVER);
	free_world(world);
}

static void a_transaction_that_was_not_taken_costs_no_rate(void **state)
{
	(void)state;
	static const char *const list[] = {"a@x.org"};
	struct world *world = make_world(list, 1);
	world->refused_submits = 1;
	world->options[0].rate = "1/h";
	assert_int_equal(run_world(world, true, 1), BM_OK);
	assert_string_equal(world->story, "connect0 quit0 connect0 send0(a@x.org) quit0 ");
	assert_int_equal(world->now_ms, 1000000);
	free_world(world);
}

/* The first recipient waits, three connections end, each with another transaction behind the one that was answered. */
static enum bm_smtp_disposition first_waits_second_is_lost(
	struct world *world, size_t server, const char *mailbox, unsigned nth, int *code, bool *end)
{
	(void)world;
	(void)server;
	(void)mailbox;
	if (nth == 1) {
		*code = 451;
		return BM_SMTP_DEFERRED;
	}
	if (nth > 6 || nth % 2 == 1)
		return BM_SMTP_ACCEPTED;
	*end = true;
	*code = 0;
	return BM_SMTP_PUT_BACK;
}

/* An envelope of a late recipient and an early one that was due again comes back behind another's. */
static void who_was_due_again_comes_back_in_order(void **state)
{
	(void)state;
	static const char *const list[] = {"a@x.org", "b@y.org", "c@x.org"};
	struct world *world = make_world(list, 3);
	world->fate = first_waits_second_is_lost;
	world->room[0] = 2;
	world->run_options.retry_delay_ms = 1;
	assert_int_equal(run_world(world, true, 1), BM_OK);
	for (size_t seq = 1; seq <= 3; seq++)
		assert_int_equal(world->outcomes[seq], BM_OUTCOME_ACCEPTED);
	assert_non_null(strstr(world->story, "(c@x.org,a@x.org) lost0"));
	free_world(world);
}

/* The last recipient that max_messages allows waits for company when the connection ends. */
static void an_open_envelope_is_sent_though_max_messages_is_reached(void **state)
{
	(void)state;
	static const char *const list[] = {"a@y.org", "b@x.org", NULL};
	struct world *world = make_world(list, 3);
	world->options[0].max_messages = 2;
	world->hangs_up_asleep = true;
	assert_int_equal(run_world(world, true, 1), BM_OK);
	assert_int_equal(world->outcomes[1], BM_OUTCOME_ACCEPTED);
	assert_int_equal(world->outcomes[2], BM_OUTCOME_ACCEPTED);
	assert_int_equal(world->opened[0], 2);
	free_world(world);
}

static enum bm_smtp_disposition last_there_is(
	struct world *world, size_t server, const char *mailbox, unsigned nth, int *code, bool *end)
{
	(void)server;
	(void)mailbox;
	(void)nth;
	(void)code;
	(void)end;
	world->fails_at_once[0] = true;
	return BM_SMTP_ACCEPTED;
}

/* An envelope that waits for its server's rate is another's when that server cannot be reached any more. */
static void a_server_that_fails_at_once_leaves_nobody_asleep(void **state)
{
	(void)state;
	static const char *const list[] = {"a@x.org", "b@y.org", "c@x.org", "d@y.org"};
	struct world *world = make_world(list, 4);
	for (size_t i = 0; i < 2; i++)
		world->options[i].max_messages_per_robin = 2;
	world->options[0].rate = "1/m";
	world->options[0].max_connection_attempts = 1;
	world->fate = last_there_is;
	world->hangs_up_asleep = true;
	assert_int_equal(run_world(world, true, 2), BM_OK);
	for (size_t seq = 1; seq <= 4; seq++)
		assert_int_equal(world->outcomes[seq], BM_OUTCOME_ACCEPTED);
	free_world(world);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(one_transaction_each_without_envelopes),
		cmocka_unit_test(neighbours_of_a_domain_share_an_envelope),
		cmocka_unit_test(the_robin_goes_round),
		cmocka_unit_test(an_open_envelope_is_finished_before_the_limit),
		cmocka_unit_test(a_new_connection_after_its_limit),
		cmocka_unit_test(sleeps_and_goes_on_with_the_same_envelope),
		cmocka_unit_test(a_server_that_hung_up_in_a_sleep_is_called_again),
		cmocka_unit_test(a_server_that_sleeps_leaves_the_rest_to_the_next),
		cmocka_unit_test(a_server_that_died_in_a_sleep_gives_its_envelope_back),
		cmocka_unit_test(no_messages_left_on_any_server),
		cmocka_unit_test(all_servers_unreachable_is_the_end),
		cmocka_unit_test(a_dead_server_costs_the_others_nothing),
		cmocka_unit_test(a_deferred_recipient_is_tried_again_after_a_while),
		cmocka_unit_test(a_silent_list_holds_nobody_back),
		cmocka_unit_test(tries_are_used_up_with_doubling_waits),
		cmocka_unit_test(the_rest_of_a_crowded_envelope_follows_at_once),
		cmocka_unit_test(what_a_dying_server_did_not_take_goes_to_the_next),
		cmocka_unit_test(in_doubt_is_never_sent_again),
		cmocka_unit_test(a_server_that_greets_and_hangs_up_becomes_worthless),
		cmocka_unit_test(an_old_answer_is_not_told_of_what_is_in_doubt),
		cmocka_unit_test(a_recipient_who_kills_connections_kills_no_campaign),
		cmocka_unit_test(envelopes_shrink_for_a_server_that_hangs_up_on_a_crowd),
		cmocka_unit_test(a_refused_recipient_does_not_count),
		cmocka_unit_test(a_refusal_in_the_last_envelope_does_not_count_either),
		cmocka_unit_test(a_relay_fault_burns_nobody),
		cmocka_unit_test(the_same_code_to_a_recipient_is_about_the_recipient),
		cmocka_unit_test(a_connection_with_many_errors_is_retired),
		cmocka_unit_test(stopped_campaigns_account_for_the_rest),
		cmocka_unit_test(an_endless_list_is_not_read_on_after_a_stop),
		cmocka_unit_test(duplicates_and_invalid_lines_are_not_sent),
		cmocka_unit_test(a_record_without_an_address_is_not_sent),
		cmocka_unit_test(trusted_addresses_are_not_checked),
		cmocka_unit_test(trusted_duplicates_are_sent),
		cmocka_unit_test(banned_addresses_and_domains),
		cmocka_unit_test(only_addresses_and_domains_can_be_banned),
		cmocka_unit_test(trusted_bans_compare_local_parts_with_case),
		cmocka_unit_test(each_limit_ends_a_turn_and_is_asked_for_each_recipient),
		cmocka_unit_test(the_next_server_begins_its_turn_with_fresh_counters),
		cmocka_unit_test(eight_bit_bodies_go_to_servers_that_take_them),
		cmocka_unit_test(no_server_takes_eight_bit_bodies),
		cmocka_unit_test(what_is_not_signed_is_encoded_for_a_server_without_8bitmime),
		cmocka_unit_test(values_can_make_a_copy_one_for_other_servers),
		cmocka_unit_test(too_many_copies_for_other_servers_are_no_reason_to_wait),
		cmocka_unit_test(equal_copies_share_an_envelope),
		cmocka_unit_test(one_transaction_with_all_kinds_of_outcomes),
		cmocka_unit_test(all_refused_at_the_end_of_data_are_no_servers_fault),
		cmocka_unit_test(an_old_code_is_told_with_its_own_text),
		cmocka_unit_test(sessions_that_stumble_under_auto_are_not_fruitless),
		cmocka_unit_test(a_transaction_that_was_not_taken_costs_no_rate),
		cmocka_unit_test(a_value_that_cannot_be_sent_is_told),
		cmocka_unit_test(an_unreachable_server_is_asked_again_until_it_is_worthless),
		cmocka_unit_test(who_was_due_again_comes_back_in_order),
		cmocka_unit_test(an_open_envelope_is_sent_though_max_messages_is_reached),
		cmocka_unit_test(a_server_that_fails_at_once_leaves_nobody_asleep),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
