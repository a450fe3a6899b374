/* SPDX-License-Identifier: MIT */
/* The robin's order of assignment is the serial one, whatever the servers' speed and number of connections. */
#include "world.h"

#include <stdio.h>
#include <string.h>

#define RECORDS 400

static bool record(struct world *world, uint64_t seq, char *text, size_t size)
{
	(void)world;
	snprintf(text, size, "u%d@d%d.example", (int)seq, (int)(seq * seq / 50 % 7));
	return seq <= RECORDS;
}

/* What the manual says, one recipient after the other: where each goes and with whom. */
struct serial {
	size_t current;
	size_t turn_after;
	uint64_t messages[SERVERS];
	uint64_t robin[SERVERS];
	uint64_t connection[SERVERS];
	bool worthless[SERVERS];
	unsigned envelope; /* the open one */
	uint64_t in_envelope;
};

static bool reached(uint64_t count, uint64_t limit)
{
	return limit != 0 && limit != BM_ROBIN_UNSET && count >= limit;
}

static void heed_limits(struct serial *serial, const struct world *world)
{
	size_t i = serial->current;
	if (i == SIZE_MAX)
		return;
	const struct bm_server_options *options = &world->options[i];
	bool connection = options->connections == 1 && reached(serial->connection[i], options->max_messages_per_connection);
	serial->worthless[i] = reached(serial->messages[i], options->max_messages);
	if (!serial->worthless[i] && !connection && !reached(serial->robin[i], options->max_messages_per_robin))
		return;
	serial->robin[i] = 0;
	if (connection)
		serial->connection[i] = 0;
	serial->current = SIZE_MAX;
	serial->in_envelope = 0;
}

static bool begin_turn(struct serial *serial, size_t servers)
{
	for (size_t i = 1; i <= servers; i++) {
		size_t at = serial->turn_after == SIZE_MAX ? i - 1 : (serial->turn_after + i) % servers;
		if (serial->worthless[at])
			continue;
		serial->robin[at] = 0;
		serial->current = at;
		serial->turn_after = at;
		return true;
	}
	return false;
}

static void check_order(struct world *world, bool use_envelope, size_t servers)
{
	struct serial serial = {.current = SIZE_MAX, .turn_after = SIZE_MAX};
	char before[128] = "";
	for (uint64_t seq = 1; seq <= RECORDS; seq++) {
		char text[128];
		record(world, seq, text, sizeof text);
		heed_limits(&serial, world);
		if (serial.current == SIZE_MAX && !begin_turn(&serial, servers)) {
			assert_int_equal(world->outcomes[seq], BM_OUTCOME_UNSENT);
			continue;
		}
		size_t at = serial.current;
		assert_int_equal(world->assigned[seq], at + 1);
		uint64_t limit = world->options[at].envelope_limit;
		bool joins = use_envelope && serial.in_envelope > 0 && (limit == 0 || serial.in_envelope < limit) &&
					 strcmp(strchr(text, '@'), strchr(before, '@')) == 0;
		if (seq > 1)
			assert_int_equal(world->sent_with[seq] == world->sent_with[seq - 1], joins);
		serial.in_envelope = joins ? serial.in_envelope + 1 : 1;
		serial.messages[at]++;
		serial.robin[at]++;
		serial.connection[at]++;
		memcpy(before, text, sizeof text);
	}
}

static void roll_server(struct world *world, size_t i)
{
	struct bm_server_options *options = &world->options[i];
	options->connections = 1 + roll(world, 3);
	options->max_messages_per_robin = roll(world, 6) == 0 ? 0 : 1 + roll(world, 9);
	options->envelope_limit = roll(world, 5);
	options->max_messages = roll(world, 3) == 0 ? 1 + roll(world, 150) : 0;
	if (options->connections == 1 && roll(world, 3) == 0)
		options->max_messages_per_connection = 1 + roll(world, 12);
	world->room[i] = 1 + roll(world, 32);
	world->answer_ms[i] = roll(world, 3) == 0 ? 0 : roll(world, 20); /* no connection becomes idle */
	world->open_ms[i] = roll(world, 900);
}

static void the_order_of_assignment_is_the_serial_one(void **state)
{
	(void)state;
	for (uint64_t seed = 1; seed <= 200; seed++) {
		struct world *world = make_world(NULL, 0);
		world->dice = seed * 31;
		world->quiet = true;
		world->make_record = record;
		size_t servers = 1 + roll(world, SERVERS);
		bool use_envelope = roll(world, 2) == 0;
		for (size_t i = 0; i < servers; i++)
			roll_server(world, i);
		enum bm_code code = run_world(world, use_envelope, servers);
		assert_true(code == BM_OK || code == BM_E_NO_SERVER);
		check_order(world, use_envelope, servers);
		free_world(world);
	}
}

/* manual: max_messages_per_robin */
static void turns_are_worked_off_at_the_same_time(void **state)
{
	(void)state;
	struct world *world = make_world(NULL, 0);
	world->quiet = true;
	world->make_record = record;
	for (size_t i = 0; i < 4; i++) {
		world->options[i].max_messages_per_robin = 10;
		world->answer_ms[i] = 100;
	}
	assert_int_equal(run_world(world, false, 4), BM_OK);
	/* 100 each, and not 400 one after the other. */
	assert_in_range(world->now_ms, 1000000 + 10000, 1000000 + 12000);
	free_world(world);
}

/* A server that cannot be reached holds the turn up for a moment, once. */
static void a_server_that_does_not_answer_is_passed_over(void **state)
{
	(void)state;
	struct world *world = make_world(NULL, 0);
	world->quiet = true;
	world->make_record = record;
	for (size_t i = 0; i < 2; i++) {
		world->options[i].max_messages_per_robin = 5;
		world->answer_ms[i] = 50;
	}
	world->open_ms[1] = 30000;
	world->refuses_connects[1] = true;
	assert_int_equal(run_world(world, false, 2), BM_OK);
	assert_int_equal(world->served[0], RECORDS);
	assert_in_range(world->now_ms, 1000000 + 20000, 1000000 + 21500);
	free_world(world);
}

/* A queue of a turn that was not handed over goes to the others when its server dies. */
static enum bm_smtp_disposition the_second_dies(
	struct world *world, size_t server, const char *mailbox, unsigned nth, int *code, bool *end)
{
	(void)mailbox;
	if (server != 1 || nth < 8)
		return BM_SMTP_ACCEPTED;
	world->refuses_connects[1] = true;
	*end = true;
	*code = 0;
	return BM_SMTP_PUT_BACK;
}

static void what_was_assigned_to_a_server_that_dies_goes_to_the_others(void **state)
{
	(void)state;
	struct world *world = make_world(NULL, 0);
	world->quiet = true;
	world->make_record = record;
	world->fate = the_second_dies;
	for (size_t i = 0; i < 2; i++) {
		world->options[i].max_messages_per_robin = 50;
		world->answer_ms[i] = 10;
	}
	assert_int_equal(run_world(world, false, 2), BM_OK);
	assert_int_equal(world->served[0] + world->served[1], RECORDS);
	assert_in_range(world->served[1], 1, 49);
	free_world(world);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_order_of_assignment_is_the_serial_one),
		cmocka_unit_test(turns_are_worked_off_at_the_same_time),
		cmocka_unit_test(a_server_that_does_not_answer_is_passed_over),
		cmocka_unit_test(what_was_assigned_to_a_server_that_dies_goes_to_the_others),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
