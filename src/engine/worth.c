/* SPDX-License-Identifier: MIT */
/* What the fates of its connections say about a server. */
#include "base/error.h"
#include "engine/parts.h"

#define FURTHER_MS 30000

bool bm_run_is_usable(const struct bm_run *run, size_t server)
{
	return !bm_run_policy(run, server)->worthless && bm_run_suits(run, server);
}

bool bm_run_rests(const struct bm_run *run, size_t server)
{
	return run->servers[server].rests_until_ms > bm_run_now(run);
}

bool bm_run_is_awake(const struct bm_run *run, size_t server)
{
	const struct bm_run_server *at = &run->servers[server];
	uint64_t now_ms = bm_run_now(run);

	return at->not_before_ms <= now_ms && at->rests_until_ms <= now_ms && bm_run_is_usable(run, server);
}

bool bm_run_has_other(const struct bm_run *run, size_t server)
{
	for (size_t i = 0; i < run->server_count; i++) {
		if (i != server && bm_run_is_usable(run, i))
			return true;
	}
	return false;
}

bool bm_run_has_other_awake(const struct bm_run *run, size_t server)
{
	for (size_t i = 0; i < run->server_count; i++) {
		if (i != server && bm_run_is_awake(run, i))
			return true;
	}
	return false;
}

void bm_run_note(struct bm_run *run, const struct bm_error *err)
{
	run->last = *err;
	run->port->log(run->port->user, err);
}

enum bm_code bm_run_no_server(const struct bm_run *run, struct bm_error *err)
{
	const struct bm_error *last = &run->last;

	if (last->text[0] == '\0')
		return bm_error_set(
			err, BM_E_NO_SERVER, "MB012", "no available servers: all %zu are worthless", run->server_count);
	return bm_error_set(err, BM_E_NO_SERVER, "MB012", "no available servers: all %zu are worthless; the last: %s%s%s",
		run->server_count, last->id, last->id[0] == '\0' ? "" : ": ", last->text);
}

void bm_run_forsake(struct bm_run *run, size_t server)
{
	struct bm_run_queue *queue = &run->servers[server].queue;

	if (run->current == server)
		run->current = SIZE_MAX;
	for (struct bm_run_envelope *one = bm_queue_take(queue); one != NULL; one = bm_queue_take(queue))
		bm_run_unpack(run, server, one);
	if (run->open == NULL || run->open_server != server)
		return;
	bm_run_unpack(run, server, run->open);
	run->open = NULL;
}

/* When the server may be tried again after its failures. */
static void back_off(struct bm_run *run, size_t server)
{
	struct bm_run_server *at = &run->servers[server];
	struct bm_policy further = {.failures = at->failures};
	uint64_t ceiling_ms = run->options.retry_delay_ms;

	if (at->open == 0) {
		uint64_t wait_ms = bm_policy_backoff_ms(bm_run_policy(run, server), ceiling_ms);
		at->not_before_ms = bm_run_now(run) + (wait_ms == 0 ? 1 : wait_ms);
		return;
	}
	/* Nothing else bounds these. */
	if (ceiling_ms < FURTHER_MS)
		ceiling_ms = FURTHER_MS;
	at->no_more_ms = bm_run_now(run) + bm_policy_backoff_ms(&further, ceiling_ms);
}

void bm_run_turned_away(struct bm_run *run, size_t server, const struct bm_error *why)
{
	struct bm_policy *policy = bm_run_policy(run, server);

	/* Connections that were being opened side by side meet with one answer. */
	if (policy->worthless)
		return;
	bm_run_note(run, why);
	policy->worthless = true;
	bm_run_give_up(run, server);
}

void bm_run_open_failed(struct bm_run *run, size_t server, const struct bm_error *why)
{
	struct bm_run_server *at = &run->servers[server];

	if (why != NULL)
		bm_run_note(run, why);
	at->failures++;
	/* A server that has no room for one more connection is not a bad one. */
	if (at->open == 0)
		bm_policy_connect_failed(bm_run_policy(run, server), bm_run_server_options(run, server));
	back_off(run, server);
	if (at->open == 0)
		bm_run_forsake(run, server);
}

void bm_run_session_ended(struct bm_run *run, size_t server, bool fruitful, const struct bm_error *why)
{
	struct bm_run_server *at = &run->servers[server];
	uint64_t now_ms = bm_run_now(run);

	if (why != NULL)
		bm_run_note(run, why);
	/* Several connections that die of one cause count once. */
	if (fruitful || (at->not_before_ms <= now_ms && at->no_more_ms <= now_ms)) {
		bm_policy_session_ended(bm_run_policy(run, server), bm_run_server_options(run, server), fruitful);
		at->failures += fruitful ? 0 : 1;
		if (!fruitful)
			back_off(run, server);
	}
	if (at->open == 0)
		bm_run_forsake(run, server);
}

void bm_run_give_up(struct bm_run *run, size_t server)
{
	const struct bm_run_server *at = &run->servers[server];

	for (size_t i = 0; i < at->slot_count; i++)
		bm_slot_retire(run, at->first_slot + i);
	bm_run_forsake(run, server);
}

static const char *mode_name(enum bm_smtp_pipelining mode)
{
	switch (mode) {
	case BM_SMTP_PIPELINING_OFF:
		return "off";
	case BM_SMTP_PIPELINING_ENVELOPE:
		return "envelope";
	case BM_SMTP_PIPELINING_MESSAGE:
		return "message";
	case BM_SMTP_PIPELINING_STREAM:
		return "stream";
	}
	return "";
}

void bm_run_step_down(struct bm_run *run, size_t server, enum bm_smtp_pipelining mode)
{
	struct bm_run_server *at = &run->servers[server];
	struct bm_error err;

	/* Connections that were opened before may stumble over what is known already. */
	if (!at->steps_down || mode == BM_SMTP_PIPELINING_OFF || mode > at->level)
		return;
	at->level = mode - 1;
	bm_error_set(&err, BM_E_PROTOCOL, "", "%s does not bear pipelining=%s: %s from now on",
		run->port->server_name(run->port->user, server), mode_name(mode), mode_name(at->level));
	run->port->log(run->port->user, &err);
}
