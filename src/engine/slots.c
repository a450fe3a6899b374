/* SPDX-License-Identifier: MIT */
/* Connections: opened when there is work, given envelopes, retired in good order. */
#include "base/error.h"
#include "engine/parts.h"

#include <assert.h>
#include <string.h>

static uint64_t errors_left(const struct bm_run *run, const struct bm_run_slot *slot)
{
	uint64_t most = bm_run_server_options(run, slot->server)->max_errors_per_connection;
	return most > slot->errors ? most - slot->errors : 0;
}

bool bm_slot_takes(const struct bm_run *run, size_t index)
{
	const struct bm_run_slot *slot = &run->slots[index];
	const struct bm_run_server *server = &run->servers[slot->server];

	if (slot->state != BM_SLOT_OPEN || slot->retired)
		return false;
	size_t held = slot->flight.envelopes;
	if (held > 0 && held >= bm_window_size(&slot->window))
		return false;
	if (held > 1 && slot->flight.recipients >= BM_RUN_FLIGHT_MAX)
		return false;
	bool counts = held > 0 && bm_run_server_options(run, slot->server)->max_errors_per_connection != 0;
	if (counts && held >= bm_odds_in_flight(&server->odds, errors_left(run, slot)))
		return false;
	return run->port->room(run->port->user, index) > 0;
}

/* The next of the server's connections that takes an envelope; SIZE_MAX: none. */
static size_t pick(const struct bm_run *run, size_t server)
{
	const struct bm_run_server *at = &run->servers[server];

	for (size_t i = 0; i < at->slot_count; i++) {
		size_t slot = at->first_slot + (at->next_slot + i) % at->slot_count;
		if (bm_slot_takes(run, slot))
			return slot;
	}
	return SIZE_MAX;
}

bool bm_run_server_takes(const struct bm_run *run, size_t server)
{
	return pick(run, server) != SIZE_MAX;
}

void bm_slot_retire(struct bm_run *run, size_t index)
{
	struct bm_run_slot *slot = &run->slots[index];

	if (slot->state != BM_SLOT_OPEN || slot->retired)
		return;
	slot->retired = true;
	run->servers[slot->server].open--;
}

/* The copy for this envelope; personal only where the header To is the recipient or the message has slots. */
static enum bm_code render(struct bm_run *run, struct bm_run_envelope *envelope, bool seven_bit, struct bm_error *err)
{
	const struct bm_item *item = envelope->items[0];
	struct bm_address to;
	struct bm_copy copy = {.values = item->values, .value_count = item->value_count, .seven_bit = seven_bit};

	if (run->shares)
		return BM_OK;
	if (!run->options.use_envelope) {
		bm_item_address(item, &to);
		copy.to = &to;
		copy.seq = item->seq;
	}
	return bm_message_render(run->message, &envelope->render, &copy, err);
}

static const struct bm_render *copy_of(const struct bm_run *run, const struct bm_run_envelope *envelope, bool seven_bit)
{
	if (!run->shares)
		return &envelope->render;
	return seven_bit ? &run->shared_seven : &run->shared;
}

static struct bm_span envid_of(const struct bm_run *run, const struct bm_run_envelope *envelope)
{
	if (run->envid.varies)
		return envelope->items[0]->values[run->column_count];
	return run->options.envid == NULL ? bm_span_make(NULL, 0) : bm_span_of(run->options.envid);
}

static struct bm_smtp_transaction transaction_of(const struct bm_run *run, const struct bm_run_slot *slot,
	const struct bm_run_envelope *envelope, const struct bm_render *copy, unsigned needs)
{
	struct bm_smtp_transaction transaction = {
		.id = envelope->id,
		.sender = bm_span_of(bm_message_sender(run->message)),
		.recipients = envelope->mailboxes,
		.recipient_count = envelope->count,
		.content = copy->spans,
		.content_count = copy->count,
		.plain = copy->plain,
		.plain_count = copy->plain_count,
		.size_bytes = copy->size_bytes,
		.eight_bit = copy->eight_bit,
		.utf8 = ((needs | run->needs) & BM_NEED_UTF8) != 0,
		.require_tls = run->options.require_tls,
		.ret = run->options.ret,
		.notify = run->options.notify,
		.envid = envid_of(run, envelope),
	};

	if (bm_run_server_options(run, slot->server)->max_errors_per_connection != 0) {
		uint64_t left = errors_left(run, slot);
		transaction.refusals_max = left == 0 ? 1 : (size_t)left;
		transaction.window =
			bm_odds_recipients(&run->servers[slot->server].odds, transaction.refusals_max, envelope->count);
	}
	return transaction;
}

/* Nothing of it was taken. */
static void retract(struct bm_run *run, const struct bm_run_envelope *envelope)
{
	struct bm_error err = BM_ERROR_INIT;

	for (size_t i = 0; i < envelope->count; i++) {
		if (bm_journal_retract(run->journal, envelope->seqs[i], &err) != BM_OK)
			bm_run_fail(run, &err);
	}
}

/* The copy, and what is known of it by now, are not for this connection. */
static unsigned find_missing(const struct bm_run *run, size_t index, const struct bm_run_envelope *envelope,
	const struct bm_render *copy, unsigned *needs)
{
	const struct bm_smtp_capabilities *offers = run->port->capabilities(run->port->user, index);
	bool large = offers->size && offers->size_max != 0 && copy->size_bytes > offers->size_max;

	*needs = envelope->items[0]->needs & ~(unsigned)BM_NEED_ROOM;
	*needs |= copy->eight_bit ? BM_NEED_EIGHT_BIT : 0;
	*needs |= copy->utf8 ? BM_NEED_UTF8 : 0;
	*needs |= large ? BM_NEED_ROOM : 0;
	return (*needs & bm_needs_lacked(offers)) | (large ? BM_NEED_ROOM : 0);
}

/* They are for another server. */
static void set_aside(
	struct bm_run *run, size_t server, struct bm_run_envelope *envelope, unsigned needs, uint64_t size_bytes)
{
	for (size_t i = 0; i < envelope->count; i++) {
		envelope->items[i]->needs = needs;
		envelope->items[i]->size_bytes = size_bytes;
	}
	bm_run_unpack(run, server, envelope);
}

static void take_in(struct bm_run *run, struct bm_run_slot *slot, struct bm_run_envelope *envelope)
{
	struct bm_run_server *server = &run->servers[slot->server];

	if (slot->flight.envelopes == 0)
		bm_window_begin(&slot->window, bm_run_now(run));
	bm_queue_append(&slot->flight, envelope);
	bm_rate_take(&server->rate, envelope->count);
	slot->messages += envelope->count;
	slot->used = true;
	server->in_flight++;
	run->in_flight++;
}

/* Not taken: a connection that is gone is another's business, the rest ends the campaign. */
static void hand_back(struct bm_run *run, size_t index, struct bm_run_envelope *envelope, const struct bm_error *err)
{
	size_t server = run->slots[index].server;

	bm_run_unpack(run, server, envelope);
	/* Larger than this connection takes: it was assembled before that was known. */
	if (err->code == BM_E_LIMIT)
		return;
	bm_slot_retire(run, index);
	if (err->code != BM_E_CLOSED && err->code != BM_E_CONNECT)
		bm_run_fail(run, err);
}

/* False: the envelope is for another server. What only this one finds too large it refuses itself. */
static bool suits(
	struct bm_run *run, size_t index, struct bm_run_envelope *envelope, const struct bm_render *copy, unsigned *needs)
{
	size_t server = run->slots[index].server;
	unsigned missing = find_missing(run, index, envelope, copy, needs);

	if (missing == 0)
		return true;
	struct bm_item like = {.needs = *needs, .size_bytes = copy->size_bytes};
	if (missing == BM_NEED_ROOM && !bm_run_has_other_for(run, server, &like))
		return true;
	run->servers[server].lacks |= missing & ~(unsigned)BM_NEED_ROOM;
	set_aside(run, server, envelope, *needs, copy->size_bytes);
	return false;
}

/* Its intent is in the journal. */
static void hand_over(
	struct bm_run *run, size_t index, struct bm_run_envelope *envelope, const struct bm_smtp_transaction *transaction)
{
	const struct bm_port *port = run->port;
	struct bm_error *err = &run->scratch;
	enum bm_code code = port->submit(port->user, index, transaction, err);

	if (code == BM_OK) {
		take_in(run, &run->slots[index], envelope);
		return;
	}
	err->code = code;
	retract(run, envelope);
	hand_back(run, index, envelope, err);
}

static void submit(struct bm_run *run, size_t index, struct bm_run_envelope *envelope)
{
	const struct bm_port *port = run->port;
	struct bm_run_slot *slot = &run->slots[index];
	struct bm_error *err = &run->scratch;
	bool seven_bit = !port->capabilities(port->user, index)->eight_bit_mime;
	unsigned needs = 0;

	enum bm_code code = render(run, envelope, seven_bit, err);
	if (code != BM_OK) {
		bm_error_set(err, BM_E_NOMEM, "", "no memory for a copy of the message");
		hand_back(run, index, envelope, err);
		return;
	}
	const struct bm_render *copy = copy_of(run, envelope, seven_bit);
	if (!suits(run, index, envelope, copy, &needs))
		return;
	struct bm_smtp_transaction transaction = transaction_of(run, slot, envelope, copy, needs);
	envelope->refusals_max = transaction.refusals_max;
	if (bm_journal_intend(run->journal, envelope->seqs, envelope->count, err) != BM_OK) {
		bm_run_fail(run, err);
		bm_run_unpack(run, slot->server, envelope);
		return;
	}
	hand_over(run, index, envelope, &transaction);
}

/* The connection has handed over so much that the envelope is for the next one. */
static bool is_spent(const struct bm_run *run, const struct bm_run_slot *slot, size_t count)
{
	uint64_t most = bm_run_server_options(run, slot->server)->max_messages_per_connection;
	return most != 0 && slot->messages > 0 && slot->messages + count > most;
}

void bm_run_dispatch(struct bm_run *run, size_t server)
{
	struct bm_run_server *at = &run->servers[server];

	while (at->queue.first != NULL && !run->stopping && run->failure.code == BM_OK) {
		size_t slot = pick(run, server);
		size_t count = at->queue.first->count;
		if (slot == SIZE_MAX || bm_rate_tokens(&at->rate, bm_run_now(run) * 1000) < count)
			return;
		if (is_spent(run, &run->slots[slot], count)) {
			/* Refusals that are on their way may make room again. */
			if (run->slots[slot].flight.envelopes > 0 && at->slot_count == 1)
				return;
			bm_slot_retire(run, slot);
			continue;
		}
		at->next_slot = slot - at->first_slot + 1;
		submit(run, slot, bm_queue_take(&at->queue));
	}
}

static size_t find_closed(const struct bm_run *run, size_t server)
{
	const struct bm_run_server *at = &run->servers[server];

	for (size_t i = at->first_slot; i < at->first_slot + at->slot_count; i++) {
		if (run->slots[i].state == BM_SLOT_CLOSED)
			return i;
	}
	return SIZE_MAX;
}

bool bm_run_may_open(struct bm_run *run, size_t server)
{
	struct bm_run_server *at = &run->servers[server];

	if (run->stopping || run->failure.code != BM_OK || at->opening >= (at->open > 1 ? at->open : 1))
		return false;
	if (at->open > 0 && at->no_more_ms > bm_run_now(run))
		return false;
	if (!bm_run_is_awake(run, server) || find_closed(run, server) == SIZE_MAX)
		return false;
	bool assembled = at->queue.first != NULL || (run->open != NULL && run->open_server == server);
	if (bm_policy_spent(bm_run_policy(run, server), bm_run_server_options(run, server)) && !assembled)
		return false;
	return bm_rate_tokens(&at->rate, bm_run_now(run) * 1000) > 0;
}

bool bm_run_open(struct bm_run *run, size_t server)
{
	const struct bm_port *port = run->port;
	struct bm_run_server *at = &run->servers[server];
	struct bm_error err = BM_ERROR_INIT;
	size_t index = find_closed(run, server);

	assert(index != SIZE_MAX);
	if (port->open(port->user, index, server, at->level, &err) != BM_OK) {
		bm_run_open_failed(run, server, &err);
		run->again_ms = bm_run_now(run) + 1;
		return false;
	}
	run->slots[index] = (struct bm_run_slot){
		.state = BM_SLOT_OPENING,
		.server = server,
		.mode = at->level,
		.opened_ms = bm_run_now(run),
	};
	at->opening++;
	return true;
}

static enum bm_smtp_pipelining mode_of(enum bm_smtp_pipelining level, const struct bm_smtp_capabilities *offers)
{
	if (!offers->pipelining)
		return BM_SMTP_PIPELINING_OFF;
	if (!offers->chunking && level == BM_SMTP_PIPELINING_STREAM)
		return BM_SMTP_PIPELINING_MESSAGE;
	return level;
}

/* Where a server has one connection, the policy counts what goes over it: what is assembled for the next one already
 * counts for that. */
static void count_anew(struct bm_run *run, size_t server)
{
	const struct bm_run_server *at = &run->servers[server];
	uint64_t *count = &bm_run_policy(run, server)->sent.messages_connection;

	*count = 0;
	if (at->slot_count > 1)
		return;
	*count = at->queue.recipients;
	if (run->open != NULL && run->open_server == server)
		*count += run->open->count;
}

static void count_connection(struct bm_run *run, size_t server)
{
	struct bm_policy *policy = bm_run_policy(run, server);
	uint64_t count = policy->sent.messages_connection;

	bm_policy_connected(policy);
	/* The robin began to count anew when it reached the limit of the last one. */
	if (run->robin && run->servers[server].used_up)
		policy->sent.messages_connection = count;
	else
		count_anew(run, server);
}

static bool asks_for_success(const struct bm_run *run)
{
	return run->options.notify != NULL && strstr(run->options.notify, "SUCCESS") != NULL;
}

void bm_run_opened(struct bm_run *run, size_t index)
{
	const struct bm_port *port = run->port;
	struct bm_run_slot *slot = &run->slots[index];
	struct bm_run_server *server = &run->servers[slot->server];

	if (slot->state != BM_SLOT_OPENING)
		return;
	const struct bm_smtp_capabilities *offers = port->capabilities(port->user, index);
	slot->state = BM_SLOT_OPEN;
	slot->mode = mode_of(slot->mode, offers);
	slot->opened_ms = bm_run_now(run);
	slot->idle_ms = slot->opened_ms;
	slot->relays = asks_for_success(run) && !offers->dsn;
	bm_window_init(&slot->window, server->gap_us);
	server->opening--;
	server->open++;
	server->failures = 0;
	if (offers->rcpt_max != 0 && (server->rcpt_max == 0 || offers->rcpt_max < server->rcpt_max))
		server->rcpt_max = offers->rcpt_max;
	count_connection(run, slot->server);
	bm_run_learn_offers(run, slot->server, offers);
}

static void close_slot(struct bm_run *run, size_t index)
{
	struct bm_run_slot *slot = &run->slots[index];

	if (slot->state == BM_SLOT_OPENING)
		run->servers[slot->server].opening--;
	bm_slot_retire(run, index);
	slot->state = BM_SLOT_LEAVING;
	run->port->close(run->port->user, index);
}

/* It died while nothing was in flight: that says something of the server only when it had just been greeted. */
static bool died_idle(const struct bm_run *run, const struct bm_run_slot *slot)
{
	return !slot->blamed && (slot->used || bm_run_now(run) >= slot->opened_ms + BM_RUN_OPEN_PATIENCE_MS);
}

void bm_run_closed(struct bm_run *run, size_t index, const struct bm_error *why, bool stumbled)
{
	struct bm_run_slot *slot = &run->slots[index];
	size_t server = slot->server;
	enum bm_slot_state state = slot->state;

	if (state == BM_SLOT_CLOSED)
		return;
	assert(slot->flight.first == NULL);
	if (state == BM_SLOT_OPENING)
		run->servers[server].opening--;
	bm_slot_retire(run, index);
	slot->state = BM_SLOT_CLOSED;
	uint64_t most = bm_run_server_options(run, server)->max_messages_per_connection;
	run->servers[server].used_up = most != 0 && slot->messages >= most;
	/* What it cannot bear it is not asked for again: that is no fault of the server's. */
	bool stepping = stumbled && run->servers[server].steps_down && slot->mode != BM_SMTP_PIPELINING_OFF;
	if (stumbled)
		bm_run_step_down(run, server, slot->mode);
	if (why != NULL && why->code == BM_E_AUTH)
		bm_run_turned_away(run, server, why);
	else if (state == BM_SLOT_OPENING)
		bm_run_open_failed(run, server, why);
	else if (state == BM_SLOT_OPEN && !died_idle(run, slot))
		bm_run_session_ended(run, server, slot->fruitful || stepping, why);
}

/* Nothing can come any more for a connection to this server. */
static bool is_useless(const struct bm_run *run, size_t server)
{
	if (run->stopping || run->failure.code != BM_OK || !bm_run_is_usable(run, server))
		return true;
	return run->in_flight == 0 && bm_run_is_exhausted(run);
}

static bool is_done(const struct bm_run *run, const struct bm_run_slot *slot, bool useless)
{
	const struct bm_server_options *options = bm_run_server_options(run, slot->server);
	uint64_t most = options->max_messages_per_connection;

	if (slot->retired || useless || (most != 0 && slot->messages >= most))
		return true;
	if (options->max_errors_per_connection != 0 && slot->errors >= options->max_errors_per_connection)
		return true;
	uint64_t now_ms = bm_run_now(run);
	bool rests = run->servers[slot->server].rests_until_ms > now_ms;
	return !rests && now_ms >= slot->idle_ms + BM_RUN_IDLE_MS;
}

void bm_run_tend(struct bm_run *run)
{
	const struct bm_port *port = run->port;

	for (size_t i = 0; i < run->slot_count; i++) {
		struct bm_run_slot *slot = &run->slots[i];
		if (slot->state != BM_SLOT_OPEN && slot->state != BM_SLOT_OPENING)
			continue;
		if (slot->flight.envelopes > 0)
			continue;
		bool useless = is_useless(run, slot->server);
		if (slot->state == BM_SLOT_OPENING ? useless : is_done(run, slot, useless))
			close_slot(run, i);
		else if (slot->state == BM_SLOT_OPEN && port->room(port->user, i) == 0)
			close_slot(run, i);
	}
}
