/* SPDX-License-Identifier: MIT */
#include "world.h"

#include "base/error.h"
#include "mail/encode.h"
#include "store/journal_memory.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define OUTCOMES_MAX 200000

static void tell(struct world *world, const char *fmt, ...) BM_PRINTF(2, 3);
static void tell(struct world *world, const char *fmt, ...)
{
	size_t used = strlen(world->story);
	va_list args;
	if (world->quiet)
		return;
	va_start(args, fmt);
	vsnprintf(world->story + used, sizeof world->story - used, fmt, args);
	va_end(args);
}

uint64_t roll(struct world *world, uint64_t sides)
{
	world->dice = world->dice * 6364136223846793005u + 1442695040888963407u;
	return (world->dice >> 33) % sides;
}

static uint64_t now(void *user)
{
	return ((struct world *)user)->now_ms;
}

static bool give_made(struct world *world, struct bm_record *record)
{
	if (!world->make_record(world, world->next + 1, world->made, sizeof world->made))
		return false;
	record->text = world->made;
	record->size = strlen(world->made);
	return true;
}

static bool at_silence(const struct world *world)
{
	size_t at = world->next + world->silences;
	return world->records != NULL && at < world->record_count && world->records[at] == NULL;
}

/* A silence by dice, not two in a row. */
static bool falls_silent(struct world *world)
{
	bool spoke = !world->silent;

	world->silent = world->silent && world->now_ms < world->silent_until_ms;
	if (world->silent || !spoke || roll(world, world->silence_sides) != 0)
		return world->silent;
	world->silent = true;
	world->silent_until_ms = world->now_ms + 1 + roll(world, 4000);
	return true;
}

/* A NULL in the list is a silence: nothing comes for a while. */
static bool is_silent(struct world *world)
{
	if (world->silence_sides != 0)
		return falls_silent(world);
	while (at_silence(world)) {
		if (!world->silent)
			world->silent_until_ms = world->now_ms + world->silence_ms;
		world->silent = world->now_ms < world->silent_until_ms;
		if (world->silent)
			return true;
		world->silences++;
	}
	return false;
}

static enum bm_code next_record(void *user, struct bm_record *record, struct bm_error *err)
{
	struct world *world = user;
	(void)err;
	*record = (struct bm_record){0};
	if (is_silent(world))
		return BM_E_TIMEOUT;
	size_t at = world->next + world->silences;
	if (world->make_record != NULL) {
		if (!give_made(world, record))
			return BM_OK;
	} else if (at >= world->record_count) {
		return BM_OK;
	} else {
		record->text = world->records[at];
		record->size = strlen(record->text);
	}
	record->seq = ++world->next;
	/* The column `name` is the first letter. */
	world->values[0] = (struct bm_text){record->text, record->size};
	world->values[1] = (struct bm_text){record->text, 1};
	record->values = world->values;
	record->value_count = 2;
	return BM_OK;
}

static bool finite(void *user)
{
	return !((struct world *)user)->endless;
}

static struct bm_policy *policy(void *user, size_t index)
{
	return &((struct world *)user)->policies[index];
}

static const struct bm_server_options *options(void *user, size_t index)
{
	return &((struct world *)user)->options[index];
}

static const char *server_name(void *user, size_t index)
{
	static const char *const names[SERVERS] = {"s0", "s1", "s2", "s3"};
	(void)user;
	return names[index];
}

static enum bm_code open_wire(
	void *user, size_t slot, size_t server, enum bm_smtp_pipelining level, struct bm_error *err)
{
	struct world *world = user;
	assert_in_range(slot, 0, world->slots - 1);
	assert_int_equal(world->wires[slot].state, NOTHING);
	if (world->fails_at_once[server]) {
		tell(world, "fail%zu ", server);
		return bm_error_set(err, BM_E_CONNECT, "MBS002", "no socket");
	}
	world->levels[slot] = level;
	world->wires[slot] =
		(struct wire){.state = BEGUN, .server = server, .ready_ms = world->now_ms + world->open_ms[server]};
	return BM_OK;
}

static void close_wire(void *user, size_t slot)
{
	struct world *world = user;
	struct wire *wire = &world->wires[slot];
	assert_int_not_equal(wire->state, NOTHING);
	assert_int_not_equal(wire->state, SAYS_BYE);
	assert_int_equal(wire->held_count, 0);
	if (wire->state == GREETED)
		tell(world, "quit%zu ", wire->server);
	wire->state = SAYS_BYE;
	wire->ready_ms = world->now_ms;
}

static size_t room(void *user, size_t slot)
{
	struct world *world = user;
	const struct wire *wire = &world->wires[slot];
	size_t most = world->room[wire->server];
	if (wire->state != GREETED || wire->held_count >= most)
		return 0;
	uint64_t limit = world->mail_max[wire->server];
	if (limit != 0 && wire->taken >= limit)
		return 0;
	return most - wire->held_count;
}

static uint64_t errors(void *user, size_t slot)
{
	return ((struct world *)user)->wires[slot].errors;
}

static const struct bm_smtp_capabilities *capabilities(void *user, size_t slot)
{
	struct world *world = user;
	return &world->wires[slot].offers;
}

/* Each recipient's intent was told right before, and it is the one of the record. */
static void check_intents(struct world *world, const struct bm_smtp_transaction *transaction)
{
	assert_int_equal(world->intended_count, transaction->recipient_count);
	for (size_t i = 0; i < world->intended_count; i++)
		assert_int_equal(bm_journal_memory_state(world->memory, world->intended[i]), BM_JOURNAL_INTENDED);
	world->intended_count = 0;
}

static void tell_transaction(struct world *world, size_t server, const struct bm_smtp_transaction *transaction)
{
	tell(world, "send%zu(", server);
	for (size_t i = 0; i < transaction->recipient_count; i++) {
		struct bm_span mailbox = transaction->recipients[i];
		tell(world, "%s%.*s", i == 0 ? "" : ",", (int)mailbox.size, (const char *)mailbox.data);
	}
	tell(world, ") ");
}

/* As the machine sees it; nothing is said that the server does not understand. */
static int check_needs(const struct bm_smtp_capabilities *offers, const struct bm_smtp_transaction *transaction)
{
	bool eight_bit = false;
	bool utf8 = false;
	for (size_t i = 0; i < transaction->content_count; i++)
		eight_bit = eight_bit || !bm_is_ascii(transaction->content[i]);
	for (size_t i = 0; i < transaction->recipient_count; i++)
		utf8 = utf8 || !bm_is_ascii(transaction->recipients[i]);
	utf8 = utf8 || !bm_is_ascii(transaction->sender);
	assert_int_equal(eight_bit, transaction->eight_bit);
	assert_true(transaction->utf8 || !utf8);
	return (eight_bit && !offers->eight_bit_mime) || (transaction->utf8 && !offers->smtputf8) ||
		   (transaction->require_tls && !offers->require_tls);
}

/* What the machine refuses by itself. */
static bool is_too_large(const struct bm_smtp_capabilities *offers, uint64_t size_bytes)
{
	return offers->size && offers->size_max != 0 && size_bytes > offers->size_max;
}

static enum bm_code submit(void *user, size_t slot, const struct bm_smtp_transaction *transaction, struct bm_error *err)
{
	struct world *world = user;
	struct wire *wire = &world->wires[slot];
	(void)err;
	assert_int_equal(wire->state, GREETED);
	assert_true(room(user, slot) > 0);
	assert_false(world->told_events);
	assert_int_equal(check_needs(&wire->offers, transaction), 0);
	world->last_transaction = *transaction;
	snprintf(world->last_envid, sizeof world->last_envid, "%.*s", (int)transaction->envid.size,
		transaction->envid.size == 0 ? "" : (const char *)transaction->envid.data);
	if (world->refused_submits > 0) {
		world->refused_submits--;
		world->intended_count = 0;
		return BM_E_CLOSED;
	}
	for (size_t i = 0; i < world->intended_count; i++) {
		world->assigned[world->intended[i]] = (unsigned char)(wire->server + 1);
		world->sent_with[world->intended[i]] = world->transactions + 1;
	}
	check_intents(world, transaction);
	tell_transaction(world, wire->server, transaction);
	uint64_t begins = wire->held_count > 0 ? wire->held[wire->held_count - 1].ready_ms : world->now_ms;
	wire->held[wire->held_count++] = (struct held){.id = transaction->id,
		.recipients = transaction->recipients,
		.count = transaction->recipient_count,
		.too_large = is_too_large(&wire->offers, transaction->size_bytes),
		.nth = ++world->transactions,
		.ready_ms = begins + world->answer_ms[wire->server]};
	if (world->transactions <= 64) {
		world->sent_ms[world->transactions - 1] = world->now_ms;
		world->sizes[world->transactions - 1] = transaction->recipient_count;
	}
	wire->taken++;
	wire->submitted_ms = world->now_ms;
	if (wire->held_count > world->most_held[wire->server])
		world->most_held[wire->server] = wire->held_count;
	world->last_refusals_max = transaction->refusals_max;
	world->last_window = transaction->window;
	return BM_OK;
}

static bool awaiting(void *user, size_t slot, uint64_t *since_us, uint64_t *round_trip_us)
{
	struct world *world = user;
	const struct wire *wire = &world->wires[slot];
	*since_us = wire->submitted_ms * 1000;
	*round_trip_us = 2000;
	return wire->held_count > 0;
}

static void outcome(void *user, const struct bm_outcome *outcome)
{
	struct world *world = user;
	bool by_answer = outcome->kind == BM_OUTCOME_ACCEPTED || outcome->kind == BM_OUTCOME_REFUSED ||
					 outcome->kind == BM_OUTCOME_IN_DOUBT;
	assert_in_range(outcome->seq, 1, OUTCOMES_MAX - 1);
	assert_int_equal(bm_journal_memory_state(world->memory, outcome->seq), BM_JOURNAL_SETTLED);
	/* Whom no server can take the engine itself refuses. */
	bool by_us = outcome->kind == BM_OUTCOME_REFUSED && outcome->server[0] == '\0';
	assert_true(world->telling || !by_answer || by_us);
	world->outcomes[outcome->seq] = (unsigned char)outcome->kind;
	world->told[outcome->seq]++;
	world->attempts[outcome->seq] = (unsigned char)outcome->attempts;
	world->codes[outcome->seq] = outcome->code;
	world->relayed[outcome->seq] = outcome->relayed;
	if (outcome->seq < 64)
		snprintf(world->texts[outcome->seq], sizeof world->texts[0], "%.63s", outcome->text);
}

static void log_id(void *user, const struct bm_error *err)
{
	struct world *world = user;
	size_t used = strlen(world->log);
	snprintf(world->log + used, sizeof world->log - used, "%s ", err->id);
	used = strlen(world->said);
	snprintf(world->said + used, sizeof world->said - used, "%s\n", err->text);
}

static struct world *world_of(struct bm_journal *journal)
{
	return (struct world *)((char *)journal - offsetof(struct world, journal));
}

static enum bm_code journal_claim(struct bm_journal *journal, uint64_t seq, uint64_t count, struct bm_error *err)
{
	struct world *world = world_of(journal);
	/* Before it was given an outcome, or anything behind it was read. */
	assert_int_equal(seq, world->next);
	assert_int_equal(bm_journal_claim(world->memory, seq, count, err), BM_OK);
	return BM_OK;
}

static enum bm_code journal_intend(struct bm_journal *journal, const uint64_t *seqs, size_t count, struct bm_error *err)
{
	struct world *world = world_of(journal);
	assert_int_equal(bm_journal_intend(world->memory, seqs, count, err), BM_OK);
	memcpy(world->intended, seqs, count * sizeof *seqs);
	world->intended_count = count;
	return BM_OK;
}

static enum bm_code journal_retract(struct bm_journal *journal, uint64_t seq, struct bm_error *err)
{
	assert_int_equal(bm_journal_retract(world_of(journal)->memory, seq, err), BM_OK);
	return BM_OK;
}

static enum bm_code journal_settle(
	struct bm_journal *journal, uint64_t seq, enum bm_outcome_kind kind, struct bm_error *err)
{
	assert_int_equal(bm_journal_settle(world_of(journal)->memory, seq, kind, err), BM_OK);
	return BM_OK;
}

/* The world does that, never the engine. */
static enum bm_code journal_commit(struct bm_journal *journal, struct bm_error *err)
{
	(void)journal;
	(void)err;
	fail();
	return BM_OK;
}

static void journal_free(struct bm_journal *journal)
{
	(void)journal;
}

static const struct bm_journal_ops watching = {
	journal_claim, journal_intend, journal_retract, journal_settle, journal_commit, journal_free};

static const struct bm_port port_of_world = {
	.now_ms = now,
	.wall_ms = now,
	.next_record = next_record,
	.finite = finite,
	.policy = policy,
	.options = options,
	.server_name = server_name,
	.open = open_wire,
	.close = close_wire,
	.room = room,
	.errors = errors,
	.capabilities = capabilities,
	.submit = submit,
	.awaiting = awaiting,
	.outcome = outcome,
	.log = log_id,
};

struct world *make_world(const char *const *records, size_t count)
{
	static const struct bm_server_options initial = BM_SERVER_OPTIONS_INIT;
	struct world *world = calloc(1, sizeof *world);
	assert_non_null(world);
	world->records = records;
	world->record_count = count;
	world->silence_ms = 1500;
	world->body = "hello\r\n";
	world->from = "sender@x.example";
	world->now_ms = 1000000;
	world->port = port_of_world;
	world->port.user = world;
	world->journal.ops = &watching;
	world->run_options = (struct bm_run_options){.retry_delay_ms = 30000, .retry_delay_max_ms = 900000};
	for (size_t i = 0; i < SERVERS; i++) {
		world->options[i] = initial;
		world->options[i].connections = 1;
		world->options[i].max_messages_per_robin = 0;
		world->offers[i] =
			(struct bm_smtp_capabilities){.esmtp = true, .pipelining = true, .chunking = true, .eight_bit_mime = true};
		world->room[i] = 1;
	}
	world->outcomes = calloc(OUTCOMES_MAX, 1);
	world->told = calloc(OUTCOMES_MAX, 1);
	world->attempts = calloc(OUTCOMES_MAX, 1);
	world->assigned = calloc(OUTCOMES_MAX, 1);
	world->relayed = calloc(OUTCOMES_MAX, sizeof *world->relayed);
	world->codes = calloc(OUTCOMES_MAX, sizeof *world->codes);
	world->sent_with = calloc(OUTCOMES_MAX, sizeof *world->sent_with);
	assert_int_equal(bm_journal_memory_new(&world->memory, NULL), BM_OK);
	return world;
}

void free_world(struct world *world)
{
	bm_journal_free(world->memory);
	free(world->outcomes);
	free(world->told);
	free(world->attempts);
	free(world->assigned);
	free(world->codes);
	free(world->relayed);
	free(world->sent_with);
	free(world);
}

struct bm_message *message_of(const struct world *world, bool use_envelope)
{
	static const char *const columns[] = {"email", "name"};
	struct bm_message_options options_ = BM_MESSAGE_OPTIONS_INIT;
	struct bm_message *message = NULL;
	struct bm_error err = BM_ERROR_INIT;
	options_.content = world->body;
	options_.content_size = strlen(world->body);
	options_.merge = world->merge;
	options_.columns = columns;
	options_.column_count = world->merge ? 2 : 0;
	for (const struct bm_header *one = world->headers; one != NULL && one->name != NULL; one++)
		options_.header_count++;
	options_.headers = world->headers;
	options_.from = world->from;
	options_.to = "list@x.example";
	options_.use_envelope = use_envelope;
	assert_int_equal(bm_message_new(&message, &options_, &err), BM_OK);
	return message;
}

static void event(struct world *world, size_t slot, const struct bm_smtp_event *what)
{
	world->telling = true;
	world->told_events = true;
	bm_run_event(world->run, slot, what);
	world->told_events = false;
	world->telling = false;
}

/* Answers one recipient; true when the session ends with it. */
static bool answer_recipient(struct world *world, size_t slot, const struct held *held, size_t index)
{
	struct wire *wire = &world->wires[slot];
	struct bm_smtp_event what = {.kind = BM_SMTP_RECIPIENT, .id = held->id, .recipient = index};
	char name[64];
	int code = 250;
	bool end = false;
	snprintf(name, sizeof name, "%.*s", (int)held->recipients[index].size, (const char *)held->recipients[index].data);
	what.disposition = BM_SMTP_ACCEPTED;
	world->index = index;
	if (held->too_large) {
		what.disposition = BM_SMTP_REFUSED;
		code = 552;
	} else if (world->fate != NULL) {
		what.disposition = world->fate(world, wire->server, name, held->nth, &code, &end);
	}
	what.reply.code = code;
	what.answered = code != 0;
	what.command = world->decided_by;
	what.reply.raw = bm_span_of("250 told\r\n");
	what.reply.lines = 1;
	wire->errors += code >= 400 ? 1 : 0;
	if (wire->errors > world->most_errors)
		world->most_errors = wire->errors;
	world->served[wire->server] += what.disposition == BM_SMTP_ACCEPTED ? 1 : 0;
	event(world, slot, &what);
	return end;
}

static void end_transaction(struct world *world, size_t slot, const struct held *held, bool stumbled)
{
	struct bm_smtp_event what = {.kind = BM_SMTP_TRANSACTION, .id = held->id, .stumbled = stumbled};
	event(world, slot, &what);
}

/* What the server had not worked off when the connection ended. */
static void put_back(struct world *world, size_t slot, const struct held *held)
{
	for (size_t i = 0; i < held->count; i++) {
		struct bm_smtp_event what = {.kind = BM_SMTP_RECIPIENT,
			.id = held->id,
			.recipient = i,
			.disposition = BM_SMTP_PUT_BACK,
			.reason = "the connection ended"};
		event(world, slot, &what);
	}
	end_transaction(world, slot, held, false);
}

static void drop(struct world *world, size_t slot, const char *why, bool stumbled)
{
	struct wire *wire = &world->wires[slot];
	struct bm_error err;
	for (size_t i = 0; i < wire->held_count; i++)
		put_back(world, slot, &wire->held[i]);
	wire->held_count = 0;
	wire->state = NOTHING;
	bm_error_set(&err, BM_E_CLOSED, "", "%s", why);
	bm_run_closed(world->run, slot, why[0] == '\0' ? NULL : &err, stumbled);
}

static struct held take_first(struct wire *wire)
{
	struct held held = wire->held[0];
	wire->held_count--;
	memmove(wire->held, wire->held + 1, wire->held_count * sizeof wire->held[0]);
	return held;
}

static void answer(struct world *world, size_t slot)
{
	struct wire *wire = &world->wires[slot];
	if (world->stumbles[wire->server] && world->levels[slot] > BM_SMTP_PIPELINING_OFF) {
		drop(world, slot, "out of step", true);
		return;
	}
	struct held held = take_first(wire);
	bool end = false;
	for (size_t i = 0; i < held.count; i++)
		end = answer_recipient(world, slot, &held, i) || end;
	end_transaction(world, slot, &held, false);
	world->answered++;
	if (world->stop_after != 0 && world->answered >= world->stop_after && !world->stopped) {
		world->stopped = true;
		bm_run_stop(world->run);
	}
	if (!end)
		return;
	tell(world, "lost%zu ", wire->server);
	drop(world, slot, "lost", false);
}

/* What the server offers over this connection. */
static struct bm_smtp_capabilities make_offers(struct world *world, size_t server)
{
	struct bm_smtp_capabilities offers = world->offers[server];

	if (world->moods == 0)
		return offers;
	offers.eight_bit_mime = offers.eight_bit_mime && roll(world, world->moods) != 0;
	offers.smtputf8 = offers.smtputf8 && roll(world, world->moods) != 0;
	offers.require_tls = offers.require_tls && roll(world, world->moods) != 0;
	offers.pipelining = offers.pipelining && roll(world, world->moods) != 0;
	offers.size = offers.size || roll(world, world->moods) == 0;
	offers.rcpt_max = roll(world, world->moods) == 0 ? 1 + roll(world, 4) : offers.rcpt_max;
	return offers;
}

static void finish_opening(struct world *world, size_t slot)
{
	struct wire *wire = &world->wires[slot];
	struct bm_error err;
	if (world->turns_away[wire->server] != BM_OK) {
		tell(world, "away%zu ", wire->server);
		wire->state = NOTHING;
		bm_error_set(&err, world->turns_away[wire->server], "", "turned away");
		bm_run_closed(world->run, slot, &err, false);
		return;
	}
	if (world->refuses_connects[wire->server]) {
		tell(world, "fail%zu ", wire->server);
		wire->state = NOTHING;
		bm_error_set(&err, BM_E_CONNECT, "MBS003", "refused");
		bm_run_closed(world->run, slot, &err, false);
		return;
	}
	tell(world, "connect%zu ", wire->server);
	wire->state = GREETED;
	wire->offers = make_offers(world, wire->server);
	world->opened[wire->server]++;
	size_t count = 0;
	for (size_t i = 0; i < world->slots; i++)
		count += world->wires[i].state == GREETED && world->wires[i].server == wire->server ? 1 : 0;
	if (count > world->most_open[wire->server])
		world->most_open[wire->server] = count;
	bm_run_opened(world->run, slot);
}

/* When something happens on the wire by itself; UINT64_MAX: never. */
static uint64_t due(const struct wire *wire)
{
	switch (wire->state) {
	case NOTHING:
		return UINT64_MAX;
	case BEGUN:
	case SAYS_BYE:
		return wire->ready_ms;
	case GREETED:
		return wire->held_count == 0 ? UINT64_MAX : wire->held[0].ready_ms;
	}
	return UINT64_MAX;
}

static void happen(struct world *world, size_t slot)
{
	struct wire *wire = &world->wires[slot];
	if (wire->state == BEGUN) {
		finish_opening(world, slot);
	} else if (wire->state == GREETED) {
		answer(world, slot);
	} else {
		wire->state = NOTHING;
		bm_run_closed(world->run, slot, NULL, false);
	}
}

/* All that happens now; false: nothing. */
static bool let_happen(struct world *world)
{
	bool happened = false;
	for (size_t i = 0; i < world->slots; i++) {
		if (due(&world->wires[i]) > world->now_ms)
			continue;
		happen(world, i);
		happened = true;
	}
	return happened;
}

static void wake_up(struct world *world, uint64_t slept_ms)
{
	if (slept_ms == 0)
		return;
	tell(world, "sleep:%llu ", (unsigned long long)slept_ms);
	world->refuses_connects[0] = world->refuses_connects[0] || world->dies_asleep;
	for (size_t i = 0; world->hangs_up_asleep && i < world->slots; i++) {
		if (world->wires[i].state == GREETED)
			drop(world, i, "it hung up", false);
	}
}

static void move_clock(struct world *world, uint64_t next_ms)
{
	uint64_t from_ms = world->now_ms;
	uint64_t until_ms = next_ms;
	bool busy = false;
	for (size_t i = 0; i < world->slots; i++) {
		uint64_t at_ms = due(&world->wires[i]);
		busy = busy || at_ms != UINT64_MAX;
		until_ms = at_ms < until_ms ? at_ms : until_ms;
	}
	if (world->silent && world->silent_until_ms > from_ms && world->silent_until_ms < until_ms)
		until_ms = world->silent_until_ms;
	/* Nothing could ever happen again: the engine has lost somebody. */
	assert_true(until_ms != UINT64_MAX);
	world->now_ms = until_ms;
	if (!busy)
		wake_up(world, until_ms - from_ms);
	bm_run_waited(world->run, from_ms * 1000, until_ms * 1000);
}

/* The campaign ended early: every connection is cut. */
static void cut_all(struct world *world)
{
	for (size_t i = 0; i < world->slots; i++) {
		if (world->wires[i].state != NOTHING)
			drop(world, i, "", false);
	}
	bm_run_finish(world->run);
}

static enum bm_code go(struct world *world)
{
	struct bm_error err = BM_ERROR_INIT;
	bool finished = false;
	for (unsigned rounds = 0; rounds < 2000000; rounds++) {
		uint64_t next_ms = 0;
		enum bm_code code = bm_run_advance(world->run, &next_ms, &finished, &err);
		if (code != BM_OK) {
			cut_all(world);
			return code;
		}
		if (finished)
			return world->stopped ? BM_E_STOPPED : BM_OK;
		assert_true(next_ms > world->now_ms);
		if (!let_happen(world))
			move_clock(world, next_ms);
	}
	fail_msg("it goes round and round");
	return BM_OK;
}

static void check_outcomes(const struct world *world, const struct bm_run *run)
{
	uint64_t sum = 0;
	for (size_t i = 0; i < BM_OUTCOME_KINDS; i++)
		sum += run->outcomes[i];
	assert_int_equal(sum, run->done);
	assert_int_equal(run->records, world->next);
	assert_int_equal(run->done, world->next);
	for (size_t seq = 1; seq <= world->next; seq++)
		assert_int_equal(world->told[seq], 1);
}

enum bm_code run_world(struct world *world, bool use_envelope, size_t servers)
{
	struct bm_message *message = message_of(world, use_envelope);
	struct bm_error err = BM_ERROR_INIT;
	struct bm_run run;
	world->run_options.use_envelope = use_envelope;
	world->servers = servers;
	world->run = &run;
	assert_int_equal(
		bm_run_init(&run, &world->run_options, &world->port, message, &world->journal, servers, &err), BM_OK);
	world->slots = bm_run_slots(&run);
	assert_in_range(world->slots, 1, SLOTS);
	for (const char *const *ban = world->bans; ban != NULL && *ban != NULL; ban++)
		assert_int_equal(bm_run_ban(&run, bm_span_of(*ban)), BM_OK);
	enum bm_code code = go(world);
	check_outcomes(world, &run);
	memcpy(world->times, bm_run_times(&run, SIZE_MAX), sizeof world->times);
	bm_run_deinit(&run);
	bm_message_free(message);
	return code;
}
