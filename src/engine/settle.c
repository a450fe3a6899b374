/* SPDX-License-Identifier: MIT */
/* Sending the open envelope, and what the answers mean for each of its recipients. */
#include "base/error.h"
#include "engine/run.h"

#include <stdio.h>
#include <string.h>

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
	};
	run->done++;
	run->outcomes[kind]++;
	port->outcome(port->user, &outcome);
	bm_item_free(item);
}

static void remember(struct bm_run *run, struct bm_item *item, const struct bm_smtp_event *event)
{
	struct bm_answer *answer = &item->answer;
	bool doubted = event->disposition == BM_SMTP_IN_DOUBT;

	/* An earlier answer outlives the end of a connection, but says nothing of what is in doubt. */
	if (event->reply.code == 0 && answer->code != 0 && !doubted)
		return;
	answer->server = run->current + 1;
	answer->code = event->reply.code;
	answer->enhanced[0] = '\0';
	if (event->reply.code != 0) {
		snprintf(answer->enhanced, sizeof answer->enhanced, "%s", event->reply.enhanced);
		bm_reply_text(&event->reply, answer->text, sizeof answer->text);
		item->attempts += event->answered && event->disposition != BM_SMTP_PUT_BACK ? 1 : 0;
	} else if (event->reason != NULL) {
		snprintf(answer->text, sizeof answer->text, "%s", event->reason);
	}
}

static uint64_t next_delay(const struct bm_run *run, const struct bm_item *item)
{
	uint64_t delay = item->delay_ms == 0 ? run->options.retry_delay_ms : item->delay_ms * 2;
	return delay < run->options.retry_delay_max_ms ? delay : run->options.retry_delay_max_ms;
}

static void defer(struct bm_run *run, struct bm_item *item)
{
	const struct bm_port *port = run->port;
	uint64_t tries = port->options(port->user, run->current)->talk_attempts;

	if (item->attempts > tries) {
		bm_run_settle(run, item, BM_OUTCOME_DEFERRED, NULL);
		return;
	}
	item->delay_ms = next_delay(run, item);
	item->due_ms = port->now_ms(port->user) + item->delay_ms;
	bm_item_heap_add(&run->waiting, item);
}

/* A recipient on whom the connections die is given up before the servers are: by default each bears five. */
static size_t put_backs_max(const struct bm_run *run)
{
	size_t most = 3 * run->server_count;
	return most < BM_RUN_PUT_BACKS_MAX ? most : BM_RUN_PUT_BACKS_MAX;
}

static void put_back(struct bm_run *run, struct bm_item *item)
{
	if (++item->put_backs > put_backs_max(run))
		bm_run_settle(run, item, BM_OUTCOME_DEFERRED, "every connection ended before it was its turn");
	else
		bm_item_list_append(&run->back, item);
}

/* Said to MAIL it is about us and the server, not about any recipient (RFC 4954, 6): nobody is burnt by it. */
static bool is_relay_fault(const struct bm_smtp_event *event)
{
	int code = event->reply.code;
	return event->command == BM_SMTP_MAIL && (code == 530 || code == 534 || code == 535 || code == 538);
}

static void refuse(struct bm_run *run, struct bm_item *item, const struct bm_smtp_event *event)
{
	run->refunds++;
	if (is_relay_fault(event)) {
		run->relay_fault = true;
		put_back(run, item);
		return;
	}
	bm_run_settle(run, item, BM_OUTCOME_REFUSED, NULL);
}

static void take_result(void *user, const struct bm_smtp_event *event)
{
	struct bm_run *run = user;
	struct bm_item *item = run->envelope[event->recipient];

	remember(run, item, event);
	switch (event->disposition) {
	case BM_SMTP_ACCEPTED:
		run->servers[run->current].messages++;
		run->completed = true;
		bm_run_settle(run, item, BM_OUTCOME_ACCEPTED, NULL);
		break;
	case BM_SMTP_REFUSED:
		refuse(run, item, event);
		break;
	case BM_SMTP_DEFERRED:
		run->refunds++;
		defer(run, item);
		break;
	case BM_SMTP_CROWDED:
		run->refunds++;
		if (event->recipient < run->first_crowded)
			run->first_crowded = event->recipient;
		bm_item_list_append(&run->back, item);
		break;
	case BM_SMTP_PUT_BACK:
		run->refunds++;
		put_back(run, item);
		break;
	case BM_SMTP_IN_DOUBT:
		bm_run_settle(run, item, BM_OUTCOME_IN_DOUBT, NULL);
		break;
	}
}

/* The copy for this envelope; personal only where the header To is the recipient. */
static enum bm_code render(struct bm_run *run, struct bm_error *err)
{
	struct bm_item *item = run->envelope[0];
	struct bm_address to;

	if (run->options.use_envelope)
		return bm_message_render(run->message, &run->render, NULL, 0, err);
	struct bm_span record = bm_item_record(item);
	enum bm_code code =
		run->options.trust_email ? bm_address_trust(&to, record, NULL) : bm_address_parse(&to, record, NULL);
	if (code != BM_OK)
		return bm_error_set(err, code, "MB007", "the record does not parse a second time");
	return bm_message_render(run->message, &run->render, &to, item->seq, err);
}

static struct bm_smtp_transaction transaction_of(struct bm_run *run)
{
	for (size_t i = 0; i < run->envelope_count; i++)
		run->mailboxes[i] = bm_item_mailbox(run->envelope[i]);
	struct bm_smtp_transaction transaction = {
		.id = run->transactions,
		.sender = bm_span_of(bm_message_sender(run->message)),
		.recipients = run->mailboxes,
		.recipient_count = run->envelope_count,
		.content = run->render.spans,
		.content_count = run->render.count,
		.size_bytes = run->render.size_bytes,
		.eight_bit = bm_message_eight_bit(run->message),
	};
	return transaction;
}

/* Nothing of the envelope was said: all of it goes back. */
static void keep_envelope(struct bm_run *run)
{
	for (size_t i = 0; i < run->envelope_count; i++) {
		run->refunds++;
		put_back(run, run->envelope[i]);
	}
}

/* The session is over, one way or another: what that says about the server. */
static void end_session(struct bm_run *run, const struct bm_error *why)
{
	const struct bm_port *port = run->port;
	struct bm_run_server *server = &run->servers[run->current];
	struct bm_policy *policy = port->policy(port->user, run->current);

	bm_run_note(run, why);
	/* It hung up on an envelope that was too large for it: the next is as large as what it took. */
	if (run->first_crowded != SIZE_MAX)
		server->envelope_max = run->first_crowded;
	bm_policy_session_ended(policy, port->options(port->user, run->current), server->fruitful);
	server->not_before_ms =
		port->now_ms(port->user) + (server->fruitful ? 0 : bm_policy_backoff_ms(policy, run->options.retry_delay_ms));
	server->fruitful = false;
	run->current = SIZE_MAX;
}

static void give_up_server(struct bm_run *run)
{
	const struct bm_port *port = run->port;
	struct bm_error err;

	bm_error_set(&err, BM_E_REFUSED, "", "%s wants authentication that it was not given: it is not used any more",
		port->server_name(port->user, run->current));
	bm_run_note(run, &err);
	port->disconnect(port->user, run->current);
	port->policy(port->user, run->current)->worthless = true;
	run->current = SIZE_MAX;
}

/* A server that counts our errors is left in good order before it hangs up on us. */
static void retire_if_crowded(struct bm_run *run)
{
	const struct bm_port *port = run->port;
	uint64_t most = port->options(port->user, run->current)->max_errors_per_connection;

	if (most != 0 && port->errors(port->user, run->current) >= most)
		port->disconnect(port->user, run->current);
}

/* Nothing of the envelope was said and nobody tried it: all of it is ready again. */
static void reopen_envelope(struct bm_run *run)
{
	for (size_t i = 0; i < run->envelope_count; i++)
		bm_item_list_append(&run->back, run->envelope[i]);
	bm_policy_refund(run->port->policy(run->port->user, run->current), run->envelope_count);
	run->envelope_count = 0;
	bm_item_list_prepend(&run->ready, &run->back);
}

/* The server may have hung up while the envelope was open: in a sleep, or while the list was silent. */
static bool revive(struct bm_run *run)
{
	const struct bm_port *port = run->port;

	if (port->connected(port->user, run->current))
		return true;
	if (bm_run_connect(run, run->current)) {
		port->policy(port->user, run->current)->sent.messages_connection = run->envelope_count;
		return true;
	}
	reopen_envelope(run);
	run->current = SIZE_MAX;
	return false;
}

static enum bm_code send_envelope(struct bm_run *run, struct bm_error *err)
{
	const struct bm_port *port = run->port;

	enum bm_code code = render(run, err);
	if (code != BM_OK) {
		keep_envelope(run);
		return code;
	}
	struct bm_smtp_transaction transaction = transaction_of(run);
	code = port->transact(port->user, run->current, &transaction, take_result, run, err);
	if (code != BM_OK && code != BM_E_CLOSED && code != BM_E_STOPPED)
		keep_envelope(run);
	return code;
}

static void account(struct bm_run *run)
{
	struct bm_run_server *server = &run->servers[run->current];
	struct bm_policy *policy = run->port->policy(run->port->user, run->current);

	bm_policy_refund(policy, run->refunds);
	if (run->completed) {
		server->fruitful = true;
		server->transactions++;
		run->transactions++;
	}
}

/* What the end of the transaction means for the server; only what ends the campaign is returned. */
static enum bm_code follow_up(struct bm_run *run, enum bm_code code, const struct bm_error *why, struct bm_error *err)
{
	switch (code) {
	case BM_OK:
		if (run->relay_fault) {
			give_up_server(run);
		} else {
			/* Every command was answered: whoever the refusals are about, the server is alive. */
			run->servers[run->current].fruitful = true;
			run->port->policy(run->port->user, run->current)->fruitless = 0;
			retire_if_crowded(run);
		}
		return BM_OK;
	case BM_E_STOPPED:
		run->current = SIZE_MAX;
		*err = *why;
		return BM_E_STOPPED;
	case BM_E_UNSUPPORTED:
		run->servers[run->current].unsuited = true;
		bm_run_note(run, why);
		run->current = SIZE_MAX;
		return BM_OK;
	case BM_E_CLOSED:
	case BM_E_CONNECT:
		end_session(run, why);
		return BM_OK;
	case BM_E_NOMEM:
	case BM_E_USAGE:
	case BM_E_MISSING:
	case BM_E_IO:
	case BM_E_CONF:
	case BM_E_LIST:
	case BM_E_MESSAGE:
	case BM_E_ADDRESS:
	case BM_E_TIMEOUT:
	case BM_E_PROTOCOL:
	case BM_E_TEMPORARY:
	case BM_E_REFUSED:
	case BM_E_WORTHLESS:
	case BM_E_NO_SERVER:
	case BM_E_LIMIT:
		break;
	}
	*err = *why;
	return code;
}

enum bm_code bm_run_flush(struct bm_run *run, struct bm_error *err)
{
	struct bm_error why = BM_ERROR_INIT;

	if (run->envelope_count == 0 || !revive(run))
		return BM_OK;
	run->refunds = 0;
	run->completed = false;
	run->relay_fault = false;
	run->first_crowded = SIZE_MAX;
	enum bm_code code = send_envelope(run, &why);
	account(run);
	run->envelope_count = 0;
	bm_item_list_prepend(&run->ready, &run->back);
	return follow_up(run, code, &why, err);
}
