/* SPDX-License-Identifier: MIT */
/*
 * The manual's robin: turns of max_messages_per_robin recipients, assigned in the order of the list whatever becomes of
 * them, and worked off by all servers at once. Servers that rest, fail or are worthless are passed over.
 */
#include "engine/parts.h"

static bool is_spent(const struct bm_run *run, size_t server)
{
	return bm_policy_spent(bm_run_policy(run, server), bm_run_server_options(run, server));
}

/* Since when the server's only connection is opening; UINT64_MAX: none is. */
static uint64_t opening_since(const struct bm_run *run, size_t server)
{
	const struct bm_run_server *at = &run->servers[server];

	for (size_t i = at->first_slot; i < at->first_slot + at->slot_count; i++) {
		if (run->slots[i].state == BM_SLOT_OPENING)
			return run->slots[i].opened_ms;
	}
	return UINT64_MAX;
}

/* A server without a connection is waited for a while, unless it failed before or nobody else could go on. */
static bool is_waited_for(const struct bm_run *run, size_t server)
{
	uint64_t since_ms = opening_since(run, server);

	if (since_ms == UINT64_MAX || !bm_run_has_other_awake(run, server))
		return true;
	return bm_run_policy(run, server)->failures == 0 && bm_run_now(run) < since_ms + BM_RUN_OPEN_PATIENCE_MS;
}

static void begin_turn(struct bm_run *run, size_t server)
{
	/* The first server of the run keeps what its counters had. */
	if (run->turn_after != SIZE_MAX)
		bm_policy_reset_messages(bm_run_policy(run, server));
	run->current = server;
	run->turn_after = server;
}

/* Makes the next server current that can go on; false when there is none, or one that is to be waited for. */
static bool next_turn(struct bm_run *run)
{
	size_t first = run->turn_after == SIZE_MAX ? 0 : run->turn_after + 1;

	for (size_t i = 0; i < run->server_count; i++) {
		size_t server = (first + i) % run->server_count;
		const struct bm_run_server *at = &run->servers[server];
		if (!bm_run_is_awake(run, server) || is_spent(run, server) || !bm_run_has_work(run, server, 1))
			continue;
		/* It lags by a turn. */
		if (at->queue.envelopes > 0)
			return false;
		if (at->open > 0) {
			begin_turn(run, server);
			return true;
		}
		if (at->opening == 0 && bm_run_may_open(run, server) && !bm_run_open(run, server))
			continue;
		if (is_waited_for(run, server))
			return false;
	}
	return false;
}

/* Recipients may be assigned to the current server now: a turn that ends goes ahead of the connections. */
static bool may_assign(const struct bm_run *run)
{
	const struct bm_run_server *at = &run->servers[run->current];
	uint64_t turn = bm_run_server_options(run, run->current)->max_messages_per_robin;
	bool ends = turn != 0 && turn != BM_ROBIN_UNSET;

	if (at->queue.envelopes == 0 && bm_run_server_takes(run, run->current))
		return true;
	return ends && at->open > 0 && at->queue.recipients < BM_RUN_QUEUE_MAX;
}

/* The current server takes nobody now; true when another may go on. */
static bool end_turn(struct bm_run *run)
{
	size_t server = run->current;
	const struct bm_run_server *at = &run->servers[server];
	struct bm_policy *policy = bm_run_policy(run, server);
	const struct bm_server_options *options = bm_run_server_options(run, server);
	bool alone = !bm_run_has_other(run, server);
	bool busy = at->in_flight > 0 || at->queue.envelopes > 0;

	if (alone && (bm_run_rests(run, server) || (busy && bm_policy_at_limit(policy, options))))
		return false;
	/* Its last messages may yet be refused. */
	if (is_spent(run, server)) {
		run->current = SIZE_MAX;
		return !alone;
	}
	enum bm_limit limit = bm_policy_reached(policy, options);
	if (limit != BM_LIMIT_NONE || bm_run_rests(run, server))
		run->current = SIZE_MAX;
	return run->failure.code == BM_OK;
}

static uint64_t room_of(struct bm_run *run, size_t server)
{
	const struct bm_run_server *at = &run->servers[server];
	uint64_t limit = bm_run_server_options(run, server)->max_messages_per_connection;
	uint64_t most = at->rate.count == 0 ? UINT64_MAX : at->rate.depth;

	return limit != 0 && limit < most ? limit : most;
}

/* The turn is over when all that is left is for others. */
static bool leave_to_others(struct bm_run *run)
{
	if (!bm_run_avoids(run, run->current))
		return false;
	run->current = SIZE_MAX;
	return true;
}

/* A server in the middle of its turn without a connection gets one. True when it is another's turn now. */
static bool reconnect(struct bm_run *run)
{
	size_t server = run->current;
	const struct bm_run_server *at = &run->servers[server];

	if (at->open > 0)
		return false;
	if (!bm_run_has_work(run, server, 1))
		return leave_to_others(run);
	if (at->opening == 0 && bm_run_may_open(run, server))
		(void)bm_run_open(run, server);
	if (run->current == server && !is_waited_for(run, server))
		bm_run_forsake(run, server);
	return run->current != server;
}

/* True when there may be more to do at once. */
static bool step(struct bm_run *run)
{
	if (run->current == SIZE_MAX)
		return next_turn(run);
	size_t server = run->current;
	if (bm_run_rests(run, server))
		return end_turn(run);
	if (reconnect(run))
		return true;
	if (!may_assign(run))
		return false;
	enum bm_fill fill = bm_run_fill(run, server, room_of(run, server));
	if (fill == BM_FILL_DRY && run->open != NULL && bm_run_open_is_over(run))
		fill = BM_FILL_SEND;
	switch (fill) {
	case BM_FILL_SEND:
		bm_run_enqueue(run);
		bm_run_dispatch(run, server);
		return true;
	case BM_FILL_DRY:
		return run->open == NULL && leave_to_others(run);
	case BM_FILL_STOP:
		return end_turn(run);
	}
	return false;
}

/* More connections where envelopes wait for one. */
static void open_more(struct bm_run *run)
{
	for (size_t i = 0; i < run->server_count; i++) {
		const struct bm_run_server *at = &run->servers[i];
		bool works = i == run->current && at->open > 0;
		if ((at->queue.envelopes == 0 && !works) || bm_run_server_takes(run, i))
			continue;
		while (bm_run_may_open(run, i) && bm_run_has_work(run, i, at->opening + 1) && bm_run_open(run, i))
			continue;
	}
}

void bm_run_robin(struct bm_run *run)
{
	uint64_t assigned = run->next_id;
	size_t idle = 0;

	for (size_t i = 0; i < run->server_count; i++)
		bm_run_dispatch(run, i);
	/* A full round of turns in which nobody was assigned is enough. */
	while (idle <= 2 * run->server_count && run->failure.code == BM_OK && bm_run_has_present(run) && step(run)) {
		idle = run->next_id == assigned ? idle + 1 : 0;
		assigned = run->next_id;
	}
	open_more(run);
}
