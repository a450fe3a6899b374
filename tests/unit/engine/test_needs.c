/* SPDX-License-Identifier: MIT */
/* Who can be sent to by which server: SMTPUTF8, 8BITMIME, SIZE, REQUIRETLS, DSN; and servers that turn us away. */
#include "world.h"

#include <stdio.h>
#include <string.h>

#define UTF8_LOCAL "j\xc3\xbcrg"

static struct world *mixed_world(void)
{
	static const char *const list[] = {"a@x.org", UTF8_LOCAL "@x.org", "b@x.org", "c@x.org"};
	return make_world(list, 4);
}

/* conformance: 55, 56, A30 */
static void utf8_goes_to_servers_that_take_it(void **state)
{
	(void)state;
	struct world *world = mixed_world();
	world->offers[1].smtputf8 = true;
	assert_int_equal(run_world(world, true, 2), BM_OK);
	assert_string_equal(world->story, "connect0 send0(a@x.org,b@x.org,c@x.org) connect1 "
									  "send1(" UTF8_LOCAL "@x.org) quit0 quit1 ");
	assert_true(world->last_transaction.utf8);
	free_world(world);
}

/* conformance: 55, 58 */
static void utf8_shares_no_envelope_and_is_said_only_where_needed(void **state)
{
	(void)state;
	struct world *world = mixed_world();
	world->offers[0].smtputf8 = true;
	assert_int_equal(run_world(world, true, 1), BM_OK);
	assert_string_equal(
		world->story, "connect0 send0(a@x.org) send0(" UTF8_LOCAL "@x.org) send0(b@x.org,c@x.org) quit0 ");
	assert_false(world->last_transaction.utf8);
	assert_false(world->last_transaction.eight_bit);
	free_world(world);
}

/* conformance: 56, A30 */
static void without_smtputf8_the_recipient_alone_is_refused(void **state)
{
	(void)state;
	for (int turns = 0; turns < 2; turns++) {
		struct world *world = mixed_world();
		for (size_t i = 0; i < 2; i++)
			world->options[i].max_messages_per_robin = turns == 1 ? 2 : BM_ROBIN_UNSET;
		assert_int_equal(run_world(world, true, 2), BM_OK);
		assert_int_equal(world->outcomes[2], BM_OUTCOME_REFUSED);
		assert_int_equal(world->codes[2], 553);
		assert_non_null(strstr(world->texts[2], "an address or a header is not ASCII"));
		assert_int_equal(world->attempts[2], 0);
		for (size_t seq = 1; seq <= 4; seq++)
			assert_true(seq == 2 || world->outcomes[seq] == BM_OUTCOME_ACCEPTED);
		free_world(world);
	}
}

/* RFC 6531, 3.1: one is nothing without the other. */
/* conformance: 58 */
static void smtputf8_without_8bitmime_is_none(void **state)
{
	(void)state;
	struct world *world = mixed_world();
	world->offers[0].smtputf8 = true;
	world->offers[0].eight_bit_mime = false;
	assert_int_equal(run_world(world, true, 1), BM_OK);
	assert_int_equal(world->codes[2], 553);
	free_world(world);
}

/* conformance: 55, 56 */
static void a_sender_in_utf8_is_for_such_servers_only(void **state)
{
	(void)state;
	static const char *const list[] = {"a@x.org", "b@x.org"};
	for (int offered = 0; offered < 2; offered++) {
		struct world *world = make_world(list, 2);
		world->from = UTF8_LOCAL "@x.example";
		world->offers[1].smtputf8 = offered == 1;
		assert_int_equal(run_world(world, true, 2), BM_OK);
		assert_string_equal(world->story,
			offered == 1 ? "connect0 quit0 connect1 send1(a@x.org,b@x.org) quit1 " : "connect0 quit0 connect1 quit1 ");
		assert_int_equal(world->outcomes[1], offered == 1 ? BM_OUTCOME_ACCEPTED : BM_OUTCOME_REFUSED);
		assert_int_equal(world->codes[1], offered == 1 ? 250 : 553);
		free_world(world);
	}
}

/* conformance: 56 */
static void with_every_server_dead_nobody_is_refused(void **state)
{
	(void)state;
	struct world *world = mixed_world();
	world->refuses_connects[0] = true;
	world->options[0].max_connection_attempts = 1;
	assert_int_equal(run_world(world, true, 1), BM_E_NO_SERVER);
	for (size_t seq = 1; seq <= 4; seq++)
		assert_int_equal(world->outcomes[seq], BM_OUTCOME_UNSENT);
	free_world(world);
}

/* conformance: 69, 70 */
static void requiretls_is_never_stripped(void **state)
{
	(void)state;
	static const char *const list[] = {"a@x.org", "bad", "b@y.org", "a@x.org"};
	for (int offered = 0; offered < 2; offered++) {
		struct world *world = make_world(list, 4);
		world->run_options.require_tls = true;
		world->offers[1].require_tls = offered == 1;
		assert_int_equal(run_world(world, true, 2), BM_OK);
		assert_int_equal(world->codes[1], offered == 1 ? 250 : 550);
		assert_int_equal(world->outcomes[3], offered == 1 ? BM_OUTCOME_ACCEPTED : BM_OUTCOME_REFUSED);
		assert_int_equal(world->outcomes[2], BM_OUTCOME_INVALID);
		assert_int_equal(world->outcomes[4], BM_OUTCOME_DUPLICATE);
		assert_int_equal(world->transactions, offered == 1 ? 2 : 0);
		assert_int_equal(world->last_transaction.require_tls, offered == 1);
		free_world(world);
	}
}

/* A list that comes slowly is refused as it comes. */
/* conformance: 69 */
static void a_slow_list_is_refused_to_its_end(void **state)
{
	(void)state;
	static const char *const list[] = {"a@x.org", NULL, "b@y.org", NULL, "c@y.org"};
	struct world *world = make_world(list, 5);
	world->run_options.require_tls = true;
	world->endless = true;
	assert_int_equal(run_world(world, true, 1), BM_OK);
	for (size_t seq = 1; seq <= 3; seq++)
		assert_int_equal(world->outcomes[seq], BM_OUTCOME_REFUSED);
	free_world(world);
}

/* conformance: 61 */
static void a_large_message_is_tried_where_it_fits(void **state)
{
	(void)state;
	static const char *const list[] = {"a@x.org", "b@x.org"};
	for (int envelopes = 0; envelopes < 2; envelopes++) {
		struct world *world = make_world(list, 2);
		world->offers[0].size = true;
		world->offers[0].size_max = 10;
		assert_int_equal(run_world(world, envelopes == 1, 2), BM_OK);
		assert_int_equal(world->outcomes[1], BM_OUTCOME_ACCEPTED);
		assert_int_equal(world->outcomes[2], BM_OUTCOME_ACCEPTED);
		assert_int_equal(world->served[1], 2);
		free_world(world);
	}
}

/* conformance: 61 */
static void a_message_too_large_for_all_is_refused(void **state)
{
	(void)state;
	static const char *const list[] = {"a@x.org", "b@x.org"};
	for (int envelopes = 0; envelopes < 2; envelopes++) {
		for (size_t servers = 1; servers <= 2; servers++) {
			struct world *world = make_world(list, 2);
			for (size_t i = 0; i < servers; i++) {
				world->offers[i].size = true;
				world->offers[i].size_max = 10;
			}
			assert_int_equal(run_world(world, envelopes == 1, servers), BM_OK);
			assert_int_equal(world->codes[1], 552);
			assert_int_equal(world->outcomes[2], BM_OUTCOME_REFUSED);
			free_world(world);
		}
	}
}

static bool every_third_in_utf8(struct world *world, uint64_t seq, char *text, size_t size)
{
	(void)world;
	snprintf(text, size, "%s%d@x.org", seq % 3 == 0 ? UTF8_LOCAL : "u", (int)seq);
	return seq <= 200;
}

/* conformance: 61 */
/* The first of two fits only a server that turns out to be none, the second another that is not connected any more. */
static void who_stands_behind_a_hopeless_one_is_not_forgotten(void **state)
{
	(void)state;
	static const char *const list[] = {"a.local.part.that.makes.its.copy.too.large@x.org", "b.of.some.length@x.org"};
	for (int turns = 0; turns < 2; turns++) {
		struct world *world = make_world(list, 2);
		world->body = "Dear {{email}}\r\n";
		world->merge = true;
		for (size_t i = 0; i < 3; i++) {
			world->options[i].max_messages_per_robin = turns == 1 ? 1 : BM_ROBIN_UNSET;
			world->offers[i].size = true;
		}
		world->offers[0].size_max = 340;
		world->offers[1].size_max = 370;
		world->open_ms[2] = 10 * BM_RUN_IDLE_MS;
		world->turns_away[2] = BM_E_AUTH;
		assert_int_equal(run_world(world, true, 3), BM_OK);
		assert_int_equal(world->outcomes[1], BM_OUTCOME_REFUSED);
		assert_int_equal(world->codes[1], 552);
		assert_int_equal(world->outcomes[2], BM_OUTCOME_ACCEPTED);
		free_world(world);
	}
}

/* conformance: 55, 56, A30 */
static void many_with_needs_among_many_without(void **state)
{
	(void)state;
	for (size_t capable = 0; capable <= 2; capable++) {
		for (int turns = 0; turns < 2; turns++) {
			struct world *world = make_world(NULL, 0);
			world->quiet = true;
			world->make_record = every_third_in_utf8;
			for (size_t i = 0; i < 3; i++) {
				world->options[i].max_messages_per_robin = turns == 1 ? 7 : BM_ROBIN_UNSET;
				world->options[i].connections = 2;
				world->room[i] = 4;
				world->answer_ms[i] = 5;
				world->offers[i].smtputf8 = i == capable;
			}
			assert_int_equal(run_world(world, true, capable == 2 ? 2 : 3), BM_OK);
			for (size_t seq = 1; seq <= 200; seq++) {
				bool lost = capable == 2 && seq % 3 == 0;
				assert_int_equal(world->outcomes[seq], lost ? BM_OUTCOME_REFUSED : BM_OUTCOME_ACCEPTED);
			}
			free_world(world);
		}
	}
}

static const char *const four[] = {"a@x.org", "b@y.org", "c@z.org", "d@y.org"};

/* conformance: 53, F37 */
static void bad_credentials_take_a_server_out_at_once(void **state)
{
	(void)state;
	struct world *world = make_world(four, 4);
	world->turns_away[0] = BM_E_AUTH;
	for (size_t i = 0; i < 2; i++)
		world->options[i].max_messages_per_robin = BM_ROBIN_UNSET;
	assert_int_equal(run_world(world, true, 2), BM_OK);
	assert_string_equal(
		world->story, "away0 connect1 send1(a@x.org) send1(b@y.org) send1(c@z.org) send1(d@y.org) quit1 ");
	assert_string_equal(world->said, "turned away\n");
	assert_true(world->policies[0].worthless);
	for (size_t seq = 1; seq <= 4; seq++)
		assert_int_equal(world->outcomes[seq], BM_OUTCOME_ACCEPTED);
	free_world(world);
}

/* conformance: 53, F37 */
static void bad_credentials_burn_nobody(void **state)
{
	(void)state;
	struct world *world = make_world(four, 4);
	world->turns_away[0] = BM_E_AUTH;
	assert_int_equal(run_world(world, true, 1), BM_E_NO_SERVER);
	assert_string_equal(world->story, "away0 ");
	for (size_t seq = 1; seq <= 4; seq++) {
		assert_int_equal(world->outcomes[seq], BM_OUTCOME_UNSENT);
		assert_int_equal(world->attempts[seq], 0);
	}
	free_world(world);
}

static enum bm_smtp_disposition password_changes(
	struct world *world, size_t server, const char *mailbox, unsigned nth, int *code, bool *end)
{
	(void)mailbox;
	if (server != 0 || nth < 2)
		return BM_SMTP_ACCEPTED;
	world->turns_away[0] = BM_E_AUTH;
	*code = 0;
	*end = true;
	return BM_SMTP_PUT_BACK;
}

/* conformance: F37 */
static void a_password_that_changes_in_the_middle(void **state)
{
	(void)state;
	struct world *world = make_world(four, 4);
	world->fate = password_changes;
	world->answer_ms[1] = 1000;
	for (size_t i = 0; i < 2; i++)
		world->options[i].max_messages_per_robin = BM_ROBIN_UNSET;
	assert_int_equal(run_world(world, false, 2), BM_OK);
	assert_int_equal(world->opened[0], 1);
	for (size_t seq = 1; seq <= 4; seq++)
		assert_int_equal(world->outcomes[seq], BM_OUTCOME_ACCEPTED);
	free_world(world);
}

/* conformance: 53 */
static void several_connections_that_are_turned_away_are_told_once(void **state)
{
	(void)state;
	struct world *world = mixed_world();
	struct bm_message *message = message_of(world, true);
	struct bm_error why = BM_ERROR_INIT;
	struct bm_run run;
	world->options[0].connections = 2;
	world->slots = 2;
	world->servers = 1;
	world->run = &run;
	assert_int_equal(bm_run_init(&run, &world->run_options, &world->port, message, &world->journal, 1, &why), BM_OK);
	for (size_t i = 0; i < 2; i++) {
		run.slots[i].state = BM_SLOT_OPENING;
		run.servers[0].opening++;
	}
	why.code = BM_E_AUTH;
	for (size_t i = 0; i < 2; i++)
		bm_run_closed(&run, i, &why, false);
	assert_int_equal(run.servers[0].opening, 0);
	assert_int_equal(run.servers[0].failures, 0);
	assert_string_equal(world->said, "\n");
	bm_run_deinit(&run);
	bm_message_free(message);
	free_world(world);
}

/* conformance: 53, 44 */
static void temporary_failures_and_failures_of_tls_are_failed_connects(void **state)
{
	(void)state;
	static const enum bm_code codes[] = {BM_E_TEMPORARY, BM_E_TLS};
	for (size_t i = 0; i < 2; i++) {
		struct world *world = make_world(four, 4);
		world->turns_away[0] = codes[i];
		world->options[0].max_connection_attempts = 3;
		assert_int_equal(run_world(world, true, 1), BM_E_NO_SERVER);
		assert_string_equal(world->story, "away0 sleep:1000 away0 sleep:2000 away0 ");
		for (size_t seq = 1; seq <= 4; seq++)
			assert_int_equal(world->outcomes[seq], BM_OUTCOME_UNSENT);
		free_world(world);
	}
}

/* conformance: 63, 64 */
static void what_no_dsn_can_tell_is_relayed(void **state)
{
	(void)state;
	static const struct {
		const char *notify;
		bool dsn;
		bool relayed;
	} cases[] = {
		{NULL, false, false}, {"FAILURE", false, false}, {"SUCCESS,FAILURE", false, true}, {"SUCCESS", true, false}};
	for (size_t i = 0; i < 4; i++) {
		struct world *world = make_world(four, 4);
		world->run_options.notify = cases[i].notify;
		world->run_options.ret = "HDRS";
		world->offers[0].dsn = cases[i].dsn;
		assert_int_equal(run_world(world, true, 1), BM_OK);
		assert_int_equal(world->relayed[1], cases[i].relayed);
		assert_ptr_equal(world->last_transaction.notify, cases[i].notify);
		assert_string_equal(world->last_transaction.ret, "HDRS");
		assert_int_equal(world->last_transaction.envid.size, 0);
		free_world(world);
	}
}

/* conformance: 63 */
static void an_envelope_identifier_of_all(void **state)
{
	(void)state;
	struct world *world = make_world(four, 4);
	world->run_options.envid = "campaign 7";
	assert_int_equal(run_world(world, true, 1), BM_OK);
	assert_true(bm_span_equal(world->last_transaction.envid, bm_span_of("campaign 7")));
	free_world(world);
}

static const char *const columns[] = {"email", "letter"};

static struct world *identified_world(const char *const *list, size_t count, const char *envid)
{
	struct world *world = make_world(list, count);
	world->run_options.envid = envid;
	world->run_options.columns = columns;
	world->run_options.column_count = 2;
	return world;
}

/* conformance: 63 */
static void each_recipient_has_its_own_where_it_varies(void **state)
{
	(void)state;
	static const char *const list[] = {"a@x.org", "b@x.org"};
	struct world *world = identified_world(list, 2, "c7/{{ letter }}-{{seq}}/{{email}}");
	assert_int_equal(run_world(world, true, 1), BM_OK);
	assert_string_equal(world->story, "connect0 send0(a@x.org) send0(b@x.org) quit0 ");
	assert_string_equal(world->last_envid, "c7/b-2/b@x.org");
	free_world(world);
	/* Beside the slots of the message. */
	world = identified_world(list, 2, "{{email}}");
	world->merge = true;
	world->body = "Dear {{name}}\r\n";
	assert_int_equal(run_world(world, true, 1), BM_OK);
	assert_string_equal(world->last_envid, "b@x.org");
	assert_int_equal(world->outcomes[1], BM_OUTCOME_ACCEPTED);
	free_world(world);
}

/* conformance: 63, A21 */
static void one_that_cannot_be_said_is_no_recipients_to_send(void **state)
{
	(void)state;
	static char long_one[160];
	static const char *const list[] = {"a@x.org", "\xc3\xbc <b@x.org>", long_one, "c@x.org"};
	snprintf(long_one, sizeof long_one, "%0120d <d@x.org>", 7);
	struct world *world = identified_world(list, 4, "{{email}}");
	assert_int_equal(run_world(world, true, 1), BM_OK);
	assert_string_equal(world->story, "connect0 send0(a@x.org) send0(c@x.org) quit0 ");
	assert_int_equal(world->outcomes[2], BM_OUTCOME_INVALID);
	assert_int_equal(world->outcomes[3], BM_OUTCOME_INVALID);
	free_world(world);
}

/* conformance: 63 */
static void templates_that_are_none(void **state)
{
	(void)state;
	static char long_one[BM_ENVID_MAX + 2];
	static char many[40 * 8];
	memset(long_one, 'x', BM_ENVID_MAX + 1);
	for (size_t i = 0; i < 33; i++)
		memcpy(many + i * 8, "{{seq}} ", 8);
	static const struct {
		const char *envid;
		const char *text;
	} cases[] = {{"{{nobody}}", "no column \"nobody\""}, {"a{{seq", "without }}"}, {"a\tb", "printable"},
		{"\xc3\xbc", "printable"}, {long_one, "more than 100"}, {many, "more than 32"}};
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		struct bm_error err = BM_ERROR_INIT;
		struct bm_envid envid;
		assert_int_equal(bm_envid_init(&envid, cases[i].envid, columns, 2, &err), BM_E_CONF);
		assert_string_equal(err.id, "MBO003");
		assert_non_null(strstr(err.text, cases[i].text));
	}
	struct bm_envid envid;
	unsigned char out[BM_ENVID_MAX];
	struct bm_record record = {.seq = 5};
	size_t size = 9;
	assert_int_equal(bm_envid_init(&envid, NULL, NULL, 0, NULL), BM_OK);
	assert_true(bm_envid_write(&envid, NULL, out, &size));
	assert_int_equal(size, 0);
	/* A row that is too short has no value there. */
	assert_int_equal(bm_envid_init(&envid, "{{letter}}{{seq}}", columns, 2, NULL), BM_OK);
	assert_true(bm_envid_write(&envid, &record, out, &size));
	assert_int_equal(size, 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(utf8_goes_to_servers_that_take_it),
		cmocka_unit_test(utf8_shares_no_envelope_and_is_said_only_where_needed),
		cmocka_unit_test(without_smtputf8_the_recipient_alone_is_refused),
		cmocka_unit_test(smtputf8_without_8bitmime_is_none),
		cmocka_unit_test(a_sender_in_utf8_is_for_such_servers_only),
		cmocka_unit_test(with_every_server_dead_nobody_is_refused),
		cmocka_unit_test(requiretls_is_never_stripped),
		cmocka_unit_test(a_slow_list_is_refused_to_its_end),
		cmocka_unit_test(a_large_message_is_tried_where_it_fits),
		cmocka_unit_test(a_message_too_large_for_all_is_refused),
		cmocka_unit_test(who_stands_behind_a_hopeless_one_is_not_forgotten),
		cmocka_unit_test(many_with_needs_among_many_without),
		cmocka_unit_test(bad_credentials_take_a_server_out_at_once),
		cmocka_unit_test(bad_credentials_burn_nobody),
		cmocka_unit_test(a_password_that_changes_in_the_middle),
		cmocka_unit_test(several_connections_that_are_turned_away_are_told_once),
		cmocka_unit_test(temporary_failures_and_failures_of_tls_are_failed_connects),
		cmocka_unit_test(what_no_dsn_can_tell_is_relayed),
		cmocka_unit_test(an_envelope_identifier_of_all),
		cmocka_unit_test(each_recipient_has_its_own_where_it_varies),
		cmocka_unit_test(one_that_cannot_be_said_is_no_recipients_to_send),
		cmocka_unit_test(templates_that_are_none),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
