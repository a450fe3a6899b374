/* SPDX-License-Identifier: MIT */
/* What the answers mean for each recipient of an envelope, and for the connection that it went over. */
#include "base/error.h"
#include "engine/parts.h"

#include <stdio.h>
#include <string.h>

void bm_run_fail(struct bm_run *run, const struct bm_error *err)
{
	if (run->failure.code == BM_OK)
		run->failure = *err;
}

void bm_run_settle(struct bm_run *run, struct bm_item *item, enum bm_outcome_kind kind, const char *reason)
{
	const struct bm_port *port = run->port;
	const struct bm_answer *answer = &item->answer;
	struct bm_span record = bm_item_record(item);
	struct bm_span mailbox = bm_item_mailbox(item);
	struct bm_outcome outcome = {
		.kind = kind,
		.seq = item->seq,
		.record = (const char *)record.data,
		.record_size = record.size,
		.address = (const char *)mailbox.data,
		.address_size = mailbox.size,
		.code = answer->code,
		.enhanced = answer->enhanced,
		.text = reason != NULL ? reason : answer->text,
		.server = answer->server == 0 ? "" : port->server_name(port->user, answer->server - 1),
		.attempts = item->attempts,
		.at_ms = port->wall_ms(port->user),
		.relayed = item->relayed,
	};
	item->fate = BM_FATE_SETTLED;
	run->done++;
	run->outcomes[kind]++;
	if (bm_journal_settle(run->journal, item->seq, kind, &run->scratch) != BM_OK)
		bm_run_fail(run, &run->scratch);
	port->outcome(port->user, &outcome);
}

static void remember(struct bm_item *item, size_t server, const struct bm_smtp_event *event)
{
	struct bm_answer *answer = &item->answer;
	bool doubted = event->disposition == BM_SMTP_IN_DOUBT;

	/* An earlier answer outlives the end of a connection, but says nothing of what is in doubt. */
	if (event->reply.code == 0 && answer->code != 0 && !doubted)
		return;
	answer->server = server + 1;
	answer->code = event->reply.code;
	answer->enhanced[0] = '\0';
	if (event->reply.code != 0) {
		memcpy(answer->enhanced, event->reply.enhanced, sizeof answer->enhanced);
		bm_reply_text(&event->reply, answer->text, sizeof answer->text);
		if (event->answered && event->disposition != BM_SMTP_PUT_BACK)
			item->attempts++;
	} else if (event->reason != NULL) {
		snprintf(answer->text, sizeof answer->text, "%s", event->reason);
	}
}

static uint64_t next_delay(const struct bm_run *run, const struct bm_item *item)
{
	uint64_t delay = item->delay_ms == 0 ? run->options.retry_delay_ms : item->delay_ms * 2;
	return delay < run->options.retry_delay_max_ms ? delay : run->options.retry_delay_max_ms;
}

static void defer(struct bm_run *run, size_t server, struct bm_item *item)
{
	if (item->attempts > bm_run_server_options(run, server)->talk_attempts) {
		bm_run_settle(run, item, BM_OUTCOME_DEFERRED, NULL);
		return;
	}
	item->delay_ms = next_delay(run, item);
	item->due_ms = bm_run_now(run) + item->delay_ms;
	item->fate = BM_FATE_WAITS;
}

/* Said to MAIL it is about us and the server, not about any recipient (RFC 4954, 6): nobody is burnt by it. */
static bool is_relay_fault(const struct bm_smtp_event *event)
{
	int code = event->reply.code;
	return event->command == BM_SMTP_MAIL && (code == 530 || code == 534 || code == 535 || code == 538);
}

static void refuse(
	struct bm_run *run, struct bm_run_envelope *envelope, struct bm_item *item, const struct bm_smtp_event *event)
{
	if (is_relay_fault(event)) {
		envelope->relay_fault = true;
		item->fate = BM_FATE_PUT_BACK;
		return;
	}
	bm_run_settle(run, item, BM_OUTCOME_REFUSED, NULL);
}

/* A 421 to one RCPT is told of all in the envelope, and is no refusal of any. */
static bool is_refused_recipient(const struct bm_smtp_event *event)
{
	return event->command == BM_SMTP_RCPT && event->reply.code >= 400 && event->reply.code != 421;
}

static void take_result(
	struct bm_run *run, struct bm_run_slot *slot, struct bm_run_envelope *envelope, const struct bm_smtp_event *event)
{
	struct bm_item *item = envelope->items[event->recipient];

	remember(item, slot->server, event);
	envelope->refunds += event->disposition == BM_SMTP_ACCEPTED || event->disposition == BM_SMTP_IN_DOUBT ? 0 : 1;
	envelope->answered += event->answered ? 1 : 0;
	envelope->refused += is_refused_recipient(event) ? 1 : 0;
	switch (event->disposition) {
	case BM_SMTP_ACCEPTED:
		run->servers[slot->server].messages++;
		envelope->accepted = true;
		item->relayed = slot->relays;
		bm_run_settle(run, item, BM_OUTCOME_ACCEPTED, NULL);
		break;
	case BM_SMTP_REFUSED:
		refuse(run, envelope, item, event);
		break;
	case BM_SMTP_DEFERRED:
		defer(run, slot->server, item);
		break;
	case BM_SMTP_CROWDED:
		if (event->recipient < envelope->first_crowded)
			envelope->first_crowded = event->recipient;
		item->fate = BM_FATE_READY;
		break;
	case BM_SMTP_PUT_BACK:
		envelope->broken = true;
		envelope->stumbled = envelope->stumbled || event->stumbled;
		item->fate = BM_FATE_PUT_BACK;
		if (event->reply.code == 503) {
			bm_slot_retire(run, (size_t)(slot - run->slots));
			bm_run_step_down(run, slot->server, slot->mode);
		}
		break;
	case BM_SMTP_IN_DOUBT:
		envelope->broken = true;
		bm_run_settle(run, item, BM_OUTCOME_IN_DOUBT, NULL);
		break;
	}
}

/* A recipient on whom the connections die is given up before the servers are: by default each bears five. */
static size_t put_backs_max(const struct bm_run *run)
{
	size_t most = 3 * run->server_count;
	return most < BM_RUN_PUT_BACKS_MAX ? most : BM_RUN_PUT_BACKS_MAX;
}

/* True when it is given up. */
static bool blame(struct bm_run *run, struct bm_item *item)
{
	if (++item->put_backs <= put_backs_max(run))
		return false;
	/* What was said of it is told as it was said. */
	const char *reason = item->answer.code != 0 ? NULL : "every connection ended before it was its turn";
	bm_run_settle(run, item, BM_OUTCOME_DEFERRED, reason);
	return true;
}

static void move_on(struct bm_run *run, size_t server, struct bm_item *item, struct bm_item_list *back)
{
	if (item->fate == BM_FATE_SETTLED) {
		bm_item_free(&run->items, item);
		return;
	}
	if (bm_journal_retract(run->journal, item->seq, &run->scratch) != BM_OK)
		bm_run_fail(run, &run->scratch);
	if (item->fate == BM_FATE_WAITS) {
		bm_item_heap_add(&run->servers[server].waiting, item);
		run->waiting++;
	} else {
		/* Who was due again may have joined behind later ones. */
		bm_item_list_insert(back, item);
	}
}

/* Each recipient goes where its answer sends it. Only those of the transaction that a connection died with are to
 * blame for it. */
static void clear_envelope(struct bm_run *run, size_t server, struct bm_run_envelope *envelope, bool blamed)
{
	struct bm_item_list back = {0};

	for (size_t i = 0; i < envelope->count; i++) {
		struct bm_item *item = envelope->items[i];
		if (blamed && item->fate == BM_FATE_PUT_BACK)
			(void)blame(run, item);
		move_on(run, server, item, &back);
	}
	bm_run_ready_merge(run, &back);
}

/* What went over the connection counts for what may come. */
static void learn(struct bm_run *run, size_t index, const struct bm_run_envelope *envelope)
{
	const struct bm_port *port = run->port;
	struct bm_run_slot *slot = &run->slots[index];
	struct bm_run_server *server = &run->servers[slot->server];
	uint64_t errors = port->errors(port->user, index);
	uint64_t most = bm_run_server_options(run, slot->server)->max_errors_per_connection;

	/* Those who were not reached say nothing of the odds. */
	bm_odds_add(
		&server->odds, errors > slot->errors ? errors - slot->errors : 0, envelope->answered, envelope->refused);
	slot->errors = errors;
	if (most != 0 && errors >= most)
		bm_slot_retire(run, index);
	bm_window_completed(&slot->window, bm_run_now(run));
	server->gap_us = slot->window.gap_us;
}

static void account(struct bm_run *run, struct bm_run_slot *slot, const struct bm_run_envelope *envelope)
{
	struct bm_run_server *server = &run->servers[slot->server];
	struct bm_policy *policy = bm_run_policy(run, slot->server);

	bm_policy_refund(policy, envelope->refunds);
	slot->messages -= envelope->refunds < slot->messages ? envelope->refunds : slot->messages;
	if (envelope->accepted) {
		server->transactions++;
		run->transactions++;
	}
	/* When every command was answered the server is alive, whoever the refusals are about. */
	if (envelope->accepted || !envelope->broken) {
		slot->fruitful = true;
		policy->fruitless = 0;
	}
}

static void give_up_relay(struct bm_run *run, size_t server)
{
	struct bm_error err;

	bm_error_set(&err, BM_E_REFUSED, "", "%s wants authentication that it was not given: it is not used any more",
		run->port->server_name(run->port->user, server));
	bm_run_turned_away(run, server, &err);
}

static void end_transaction(
	struct bm_run *run, size_t index, struct bm_run_envelope *envelope, const struct bm_smtp_event *event)
{
	struct bm_run_slot *slot = &run->slots[index];
	size_t server = slot->server;

	bm_queue_remove(&slot->flight, envelope);
	run->servers[server].in_flight--;
	run->in_flight--;
	if (slot->flight.envelopes == 0)
		slot->idle_ms = bm_run_now(run);
	/* So many refusals and no more were to be heard: the others were not reached. */
	if (envelope->refusals_max != 0 && envelope->refused >= envelope->refusals_max)
		envelope->broken = false;
	/* Where the next try pipelines less, nobody is to blame. */
	bool stepping = envelope->stumbled && run->servers[server].steps_down;
	bool blamed = (envelope->broken && !slot->blamed && !stepping) || envelope->relay_fault;
	/* It hung up on an envelope that was too large for it: the next is as large as what it took. */
	if (envelope->broken && !slot->blamed && envelope->first_crowded != SIZE_MAX)
		run->servers[server].envelope_max = envelope->first_crowded;
	slot->blamed = slot->blamed || envelope->broken;
	learn(run, index, envelope);
	account(run, slot, envelope);
	clear_envelope(run, server, envelope, blamed);
	if (event->stumbled) {
		bm_slot_retire(run, index);
		bm_run_step_down(run, server, slot->mode);
	}
	if (envelope->relay_fault)
		give_up_relay(run, server);
	bm_envelope_return(run, envelope);
}

void bm_run_event(struct bm_run *run, size_t index, const struct bm_smtp_event *event)
{
	struct bm_run_slot *slot = &run->slots[index];

	if (event->kind != BM_SMTP_RECIPIENT && event->kind != BM_SMTP_TRANSACTION)
		return;
	struct bm_run_envelope *envelope = bm_queue_find(&slot->flight, event->id);
	if (envelope == NULL)
		return;
	if (event->kind == BM_SMTP_RECIPIENT)
		take_result(run, slot, envelope, event);
	else
		end_transaction(run, index, envelope, event);
}
