/* SPDX-License-Identifier: MIT */
/*
 * A world without sockets, in which every server takes everything, if it offers what that needs: what would go where.
 * Its clock jumps to whatever the engine waits for.
 */
#include "api/campaign.h"
#include "base/error.h"
#include "net/clock.h"

#include <stdlib.h>

/* One imagined connection, by slot. */
struct imagined {
	size_t server;
	bool opening;
	bool open;
	bool closing;
	bool taken; /* a transaction waits for its answer */
	uint64_t id;
	size_t recipients;
};

struct rehearsal {
	struct bm_campaign *campaign;
	struct imagined *lines;
	size_t count;
	uint64_t now_ms;
	bool busy; /* somebody waits for an answer */
};

static struct imagined *line_at(void *user, size_t slot)
{
	struct rehearsal *rehearsal = user;
	return &rehearsal->lines[slot];
}

static enum bm_code rehearse_open(
	void *user, size_t slot, size_t server, enum bm_smtp_pipelining pipelining, struct bm_error *err)
{
	struct rehearsal *rehearsal = user;

	(void)pipelining;
	enum bm_code code = bm_server_check_worth(bm_campaign_server(rehearsal->campaign, server), err);
	if (code != BM_OK)
		return code;
	*line_at(user, slot) = (struct imagined){.server = server, .opening = true};
	rehearsal->busy = true;
	return BM_OK;
}

static void rehearse_close(void *user, size_t slot)
{
	struct rehearsal *rehearsal = user;

	line_at(user, slot)->closing = true;
	rehearsal->busy = true;
}

static size_t rehearse_room(void *user, size_t slot)
{
	const struct imagined *line = line_at(user, slot);
	return line->open && !line->taken ? 1 : 0;
}

static uint64_t rehearse_errors(void *user, size_t slot)
{
	(void)user;
	(void)slot;
	return 0;
}

static const struct bm_smtp_capabilities *rehearse_capabilities(void *user, size_t slot)
{
	/* what a recipient may need; of a server that nobody has asked we know nothing */
	static const struct bm_smtp_capabilities all = {
		.esmtp = true, .pipelining = true, .eight_bit_mime = true, .smtputf8 = true, .dsn = true, .require_tls = true};

	const struct rehearsal *rehearsal = user;
	const struct bm_server *server = bm_campaign_server(rehearsal->campaign, line_at(user, slot)->server);
	return server->asked ? &server->offers : &all;
}

static enum bm_code rehearse_submit(
	void *user, size_t slot, const struct bm_smtp_transaction *transaction, struct bm_error *err)
{
	struct rehearsal *rehearsal = user;
	struct imagined *line = line_at(user, slot);

	(void)err;
	line->taken = true;
	line->id = transaction->id;
	line->recipients = transaction->recipient_count;
	rehearsal->busy = true;
	return BM_OK;
}

static bool rehearse_awaiting(void *user, size_t slot, uint64_t *since_us, uint64_t *round_trip_us)
{
	(void)user;
	(void)slot;
	*since_us = 0;
	*round_trip_us = 0;
	return false;
}

static uint64_t rehearse_now(void *user)
{
	const struct rehearsal *rehearsal = user;
	return rehearsal->now_ms;
}

static uint64_t rehearse_wall(void *user)
{
	(void)user;
	return bm_clock_wall_ms();
}

static enum bm_code rehearse_next(void *user, struct bm_record *record, struct bm_error *err)
{
	struct rehearsal *rehearsal = user;
	return bm_recipients_next(rehearsal->campaign->recipients, record, err);
}

static bool rehearse_finite(void *user)
{
	const struct rehearsal *rehearsal = user;
	return bm_recipients_finite(rehearsal->campaign->recipients);
}

static struct bm_policy *rehearse_policy(void *user, size_t server)
{
	const struct rehearsal *rehearsal = user;
	return &bm_campaign_server(rehearsal->campaign, server)->policy;
}

static const struct bm_server_options *rehearse_options(void *user, size_t server)
{
	const struct rehearsal *rehearsal = user;
	return &bm_campaign_server(rehearsal->campaign, server)->options;
}

static const char *rehearse_server_name(void *user, size_t server)
{
	const struct rehearsal *rehearsal = user;
	return bm_campaign_server(rehearsal->campaign, server)->name;
}

static void rehearse_outcome(void *user, const struct bm_outcome *outcome)
{
	(void)user;
	(void)outcome;
}

static void rehearse_log(void *user, const struct bm_error *err)
{
	const struct rehearsal *rehearsal = user;
	bm_campaign_log(rehearsal->campaign, err);
}

static const struct bm_port port_of_rehearsal = {
	.now_ms = rehearse_now,
	.wall_ms = rehearse_wall,
	.next_record = rehearse_next,
	.finite = rehearse_finite,
	.policy = rehearse_policy,
	.options = rehearse_options,
	.server_name = rehearse_server_name,
	.open = rehearse_open,
	.close = rehearse_close,
	.room = rehearse_room,
	.errors = rehearse_errors,
	.capabilities = rehearse_capabilities,
	.submit = rehearse_submit,
	.awaiting = rehearse_awaiting,
	.outcome = rehearse_outcome,
	.log = rehearse_log,
};

static void accept_all(struct rehearsal *rehearsal, size_t slot)
{
	struct imagined *line = &rehearsal->lines[slot];
	struct bm_smtp_event event = {.kind = BM_SMTP_RECIPIENT, .disposition = BM_SMTP_ACCEPTED, .id = line->id};

	line->taken = false;
	for (event.recipient = 0; event.recipient < line->recipients; event.recipient++)
		bm_run_event(&rehearsal->campaign->run, slot, &event);
	event.kind = BM_SMTP_TRANSACTION;
	bm_run_event(&rehearsal->campaign->run, slot, &event);
}

static void answer(struct rehearsal *rehearsal, size_t slot)
{
	struct imagined *line = &rehearsal->lines[slot];

	if (line->closing) {
		*line = (struct imagined){.server = line->server};
		bm_run_closed(&rehearsal->campaign->run, slot, NULL, false);
	} else if (line->opening) {
		line->opening = false;
		line->open = true;
		bm_campaign_server(rehearsal->campaign, line->server)->connections++;
		bm_run_opened(&rehearsal->campaign->run, slot);
	} else if (line->taken) {
		accept_all(rehearsal, slot);
	}
}

static void answer_all(struct rehearsal *rehearsal)
{
	rehearsal->busy = false;
	for (size_t i = 0; i < rehearsal->count; i++)
		answer(rehearsal, i);
}

static enum bm_code go_rounds(struct rehearsal *rehearsal, struct bm_error *err)
{
	uint64_t next_ms = 0;
	bool finished = false;

	for (;;) {
		enum bm_code code = bm_run_advance(&rehearsal->campaign->run, &next_ms, &finished, err);
		if (code == BM_OK)
			code = bm_journal_commit(rehearsal->campaign->journal, err);
		if (code != BM_OK || finished)
			return code;
		if (!rehearsal->busy && next_ms != UINT64_MAX)
			rehearsal->now_ms = next_ms;
		answer_all(rehearsal);
	}
}

/* The campaign has failed: nothing is under way any more. */
static void wind_up(struct rehearsal *rehearsal)
{
	for (size_t i = 0; i < rehearsal->count; i++) {
		struct imagined *line = &rehearsal->lines[i];
		if (line->taken)
			accept_all(rehearsal, i);
		if (!line->open && !line->opening && !line->closing)
			continue;
		*line = (struct imagined){.server = line->server};
		bm_run_closed(&rehearsal->campaign->run, i, NULL, false);
	}
	bm_run_finish(&rehearsal->campaign->run);
}

enum bm_code bm_rehearsal_run(struct bm_campaign *campaign, struct bm_error *err)
{
	struct rehearsal rehearsal = {
		.campaign = campaign, .count = bm_run_slots(&campaign->run), .now_ms = bm_clock_monotonic_ms()};

	rehearsal.lines = calloc(rehearsal.count, sizeof *rehearsal.lines);
	if (rehearsal.lines == NULL)
		return bm_error_nomem(err);
	campaign->port = port_of_rehearsal;
	campaign->port.user = &rehearsal;
	enum bm_code code = go_rounds(&rehearsal, err);
	if (code != BM_OK)
		wind_up(&rehearsal);
	free(rehearsal.lines);
	return code;
}
