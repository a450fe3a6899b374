/* SPDX-License-Identifier: MIT */
/* Campaigns by dice: whatever the servers do, every record gets exactly one outcome and the journal's order holds. */
#include "world.h"

#include <stdio.h>
#include <stdlib.h>

#define RUNS 2000

static bool dice_record(struct world *world, uint64_t seq, char *text, size_t size)
{
	if (seq > 300)
		return false;
	switch (roll(world, 40)) {
	case 0:
		snprintf(text, size, "no mailbox");
		break;
	case 1:
		snprintf(text, size, "u1@d0.example");
		break;
	case 2:
	case 3:
		snprintf(text, size, "\xc3\xbc%d@d%d.example", (int)seq, (int)(seq / 7 % 5));
		break;
	default:
		snprintf(text, size, "u%d@d%d.example", (int)seq, (int)(seq / 7 % 5));
	}
	return true;
}

static enum bm_smtp_disposition lose(struct world *world, int *code, bool *end)
{
	*end = true;
	*code = 0;
	return roll(world, 2) == 0 ? BM_SMTP_PUT_BACK : BM_SMTP_IN_DOUBT;
}

static enum bm_smtp_disposition dice_fate(
	struct world *world, size_t server, const char *mailbox, unsigned nth, int *code, bool *end)
{
	(void)mailbox;
	(void)nth;
	switch (roll(world, 30)) {
	case 0:
		*code = 550;
		return BM_SMTP_REFUSED;
	case 1:
		*code = 451;
		return BM_SMTP_DEFERRED;
	case 2:
		*code = world->index > 0 ? 452 : 250;
		return world->index > 0 ? BM_SMTP_CROWDED : BM_SMTP_ACCEPTED;
	case 3:
		return lose(world, code, end);
	case 4:
		*code = 421;
		*end = true;
		return BM_SMTP_PUT_BACK;
	case 5:
		world->refuses_connects[server] = roll(world, 2) == 0;
		return BM_SMTP_ACCEPTED;
	case 6:
		*code = 503;
		return BM_SMTP_PUT_BACK;
	default:
		return BM_SMTP_ACCEPTED;
	}
}

static void roll_server(struct world *world, size_t i, bool robin)
{
	struct bm_server_options *options = &world->options[i];
	options->connections = 1 + roll(world, 4);
	options->max_messages_per_robin = robin ? roll(world, 12) : BM_ROBIN_UNSET;
	options->envelope_limit = roll(world, 6);
	options->max_messages = roll(world, 4) == 0 ? 20 + roll(world, 100) : 0;
	options->max_messages_per_connection = roll(world, 3) == 0 ? 1 + roll(world, 30) : 0;
	options->max_messages_while_awake = roll(world, 4) == 0 ? 1 + roll(world, 40) : 0;
	options->sleep_length = roll(world, 20);
	options->rate = roll(world, 4) == 0 ? "20/s" : NULL;
	options->max_errors_per_connection = roll(world, 9);
	world->room[i] = 1 + roll(world, 32);
	world->open_ms[i] = roll(world, 3) == 0 ? roll(world, 3000) : 0;
	world->answer_ms[i] = roll(world, 3) == 0 ? roll(world, 500) : 0;
	world->mail_max[i] = roll(world, 4) == 0 ? 1 + roll(world, 20) : 0;
	world->refuses_connects[i] = roll(world, 6) == 0;
	world->stumbles[i] = roll(world, 6) == 0;
	world->fails_at_once[i] = roll(world, 10) == 0;
	world->turns_away[i] = roll(world, 12) == 0 ? BM_E_AUTH : BM_OK;
	world->offers[i].eight_bit_mime = roll(world, 3) != 0;
	world->offers[i].smtputf8 = roll(world, 2) == 0;
	world->offers[i].require_tls = roll(world, 2) == 0;
	world->offers[i].size = roll(world, 3) == 0;
	world->offers[i].size_max = 200 + roll(world, 300);
	world->offers[i].rcpt_max = roll(world, 4) == 0 ? 1 + roll(world, 5) : 0;
}

static void roll_message(struct world *world)
{
	static const struct bm_header headers[] = {
		{"DKIM-Signature", "v=1"}, {"Content-Transfer-Encoding", "8bit"}, {NULL, NULL}};
	static const char *const bodies[] = {"plain\r\n", "gr\xc3\xbcn\r\n", "Dear {{email}}\r\n"};
	static const char *const columns[] = {"email", "name"};
	size_t which = roll(world, 3);
	world->body = bodies[which];
	world->merge = which == 2;
	world->headers = roll(world, 3) == 0 ? headers : NULL;
	world->from = roll(world, 8) == 0 ? "\xc3\xbc@x.example" : "sender@x.example";
	world->run_options.require_tls = roll(world, 8) == 0;
	world->run_options.envid = roll(world, 4) == 0 ? "{{seq}}" : NULL;
	world->run_options.columns = columns;
	world->run_options.column_count = 2;
}

static void run_by_dice(uint64_t seed)
{
	struct world *world = make_world(NULL, 0);
	world->dice = seed * 77 + 1;
	for (int i = 0; i < 10; i++)
		(void)roll(world, 2);
	world->make_record = dice_record;
	world->fate = dice_fate;
	world->quiet = true;
	world->stop_after = roll(world, 3) == 0 ? 1 + (unsigned)roll(world, 60) : 0;
	world->run_options.retry_delay_ms = roll(world, 5) * 1000;
	world->silence_sides = roll(world, 3) == 0 ? 20 : 0;
	world->endless = roll(world, 8) == 0;
	world->moods = roll(world, 3) == 0 ? 2 + roll(world, 10) : 0;
	bool robin = roll(world, 2) == 0;
	bool use_envelope = roll(world, 4) != 0;
	roll_message(world);
	size_t servers = 1 + roll(world, SERVERS);
	for (size_t i = 0; i < servers; i++)
		roll_server(world, i, robin);
	enum bm_code code = run_world(world, use_envelope, servers);
	assert_true(code == BM_OK || code == BM_E_NO_SERVER || code == BM_E_STOPPED);
	if (!world->endless && (code == BM_OK || world->silence_sides == 0))
		assert_int_equal(world->next, 300);
	free_world(world);
}

static uint64_t number_of(const char *name, uint64_t initial)
{
	const char *text = getenv(name);
	return text == NULL ? initial : strtoull(text, NULL, 10);
}

/* conformance: 12, 24, F11, F35 */
/* CHAOS_FROM=N: other dice, CHAOS_RUNS=N: more of them; each is named, so that the last one is known. */
static void every_record_has_one_outcome_whatever_happens(void **state)
{
	(void)state;
	uint64_t from = number_of("CHAOS_FROM", 1);
	uint64_t runs = number_of("CHAOS_RUNS", RUNS);
	for (uint64_t seed = from; seed < from + runs; seed++) {
		if (from != 1)
			fprintf(stderr, "%llu\n", (unsigned long long)seed);
		run_by_dice(seed);
	}
}

/* A server that never loses anybody is enough, whatever the others do: all who can be sent are. */
static enum bm_smtp_disposition all_but_the_last_lose(
	struct world *world, size_t server, const char *mailbox, unsigned nth, int *code, bool *end)
{
	(void)mailbox;
	(void)nth;
	if (server == 2 || roll(world, 3) != 0)
		return BM_SMTP_ACCEPTED;
	*end = true;
	*code = roll(world, 2) == 0 ? 421 : 0;
	return BM_SMTP_PUT_BACK;
}

static bool plain_record(struct world *world, uint64_t seq, char *text, size_t size)
{
	(void)world;
	snprintf(text, size, "u%d@d%d.example", (int)seq, (int)(seq / 10 % 3));
	return seq <= 500;
}

/* conformance: F35 */
static void one_good_server_among_bad_ones_is_enough(void **state)
{
	(void)state;
	for (uint64_t seed = 1; seed <= 40; seed++) {
		struct world *world = make_world(NULL, 0);
		world->dice = seed;
		world->quiet = true;
		world->make_record = plain_record;
		world->fate = all_but_the_last_lose;
		for (size_t i = 0; i < 3; i++) {
			world->options[i].connections = 2;
			world->options[i].max_messages_per_robin = seed % 2 == 0 ? 7 : BM_ROBIN_UNSET;
			world->room[i] = 8;
		}
		assert_int_equal(run_world(world, seed % 3 != 0, 3), BM_OK);
		size_t accepted = 0;
		for (size_t seq = 1; seq <= 500; seq++)
			accepted += world->outcomes[seq] == BM_OUTCOME_ACCEPTED ? 1 : 0;
		assert_int_equal(accepted, 500);
		free_world(world);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_record_has_one_outcome_whatever_happens),
		cmocka_unit_test(one_good_server_among_bad_ones_is_enough),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
