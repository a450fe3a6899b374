/* SPDX-License-Identifier: MIT */
/* No turns: every connection with room takes the next envelope, so that the faster server gets more. */
#include "engine/parts.h"

/* What the next envelope over the connection may hold. */
static uint64_t room_of(struct bm_run *run, size_t index)
{
	const struct bm_run_slot *slot = &run->slots[index];
	struct bm_run_server *server = &run->servers[slot->server];
	uint64_t limit = bm_run_server_options(run, slot->server)->max_messages_per_connection;
	uint64_t most = bm_rate_tokens(&server->rate, bm_run_now(run) * 1000);

	/* Of a server's only connection the policy keeps count. */
	if (limit == 0 || server->slot_count == 1)
		return most;
	uint64_t left = limit > slot->messages ? limit - slot->messages : 0;
	return left < most ? left : most;
}

/* The next connection that takes an envelope, by turns; SIZE_MAX: none. */
static size_t next_slot(struct bm_run *run)
{
	for (size_t i = 0; i < run->slot_count; i++) {
		size_t index = run->next_slot;
		size_t server = run->slots[index].server;
		run->next_slot = index + 1 == run->slot_count ? 0 : index + 1;
		bool takes = bm_slot_takes(run, index) && run->servers[server].queue.first == NULL;
		if (takes && !bm_run_rests(run, server) && bm_run_is_usable(run, server) && room_of(run, index) > 0)
			return index;
	}
	return SIZE_MAX;
}

/* The open envelope when its server cannot go on with it: others are not to wait. True when it can. */
static bool mend_open(struct bm_run *run)
{
	size_t server = run->open_server;

	if (!bm_run_rests(run, server) && bm_run_server_takes(run, server))
		return true;
	if (!bm_run_has_other(run, server))
		return false;
	if (run->servers[server].open > 0)
		bm_run_enqueue(run);
	else
		bm_run_forsake(run, server);
	return true;
}

/* True when an envelope went out. */
static bool serve(struct bm_run *run, size_t server, uint64_t most)
{
	enum bm_fill fill = bm_run_fill(run, server, most);

	if (fill == BM_FILL_DRY && run->open != NULL && bm_run_open_is_over(run))
		fill = BM_FILL_SEND;
	if (fill != BM_FILL_SEND)
		return false;
	bm_run_enqueue(run);
	bm_run_dispatch(run, server);
	return true;
}

/* What the open envelope may hold, whichever connection takes it. */
static uint64_t room_of_open(struct bm_run *run)
{
	uint64_t limit = bm_run_server_options(run, run->open_server)->max_messages_per_connection;
	uint64_t most = bm_rate_tokens(&run->servers[run->open_server].rate, bm_run_now(run) * 1000);

	return limit != 0 && limit < most ? limit : most;
}

/* Goes on with the open envelope; true when it is no longer in the way. */
static bool close_open(struct bm_run *run)
{
	if (!mend_open(run))
		return false;
	if (run->open == NULL)
		return true;
	return serve(run, run->open_server, room_of_open(run));
}

static void assign(struct bm_run *run)
{
	size_t misses = 0;

	while (misses < run->slot_count && run->failure.code == BM_OK) {
		if (run->open != NULL && !close_open(run))
			return;
		size_t slot = next_slot(run);
		if (slot == SIZE_MAX)
			return;
		if (serve(run, run->slots[slot].server, room_of(run, slot)))
			misses = 0;
		else if (run->open != NULL || bm_run_is_exhausted(run))
			return;
		else
			misses++;
	}
}

/* More connections where there is work that no open one takes; first to servers that have none. */
static void open_more(struct bm_run *run)
{
	size_t opening = 0;

	for (size_t i = 0; i < run->server_count; i++)
		opening += run->servers[i].opening;
	for (int round = 0; round < 2; round++) {
		for (size_t i = 0; i < run->server_count; i++) {
			const struct bm_run_server *server = &run->servers[i];
			bool first = server->open + server->opening == 0;
			if (first != (round == 0) || bm_run_server_takes(run, i))
				continue;
			while (bm_run_may_open(run, i) && bm_run_has_work(run, i, opening + 1) && bm_run_open(run, i))
				opening++;
		}
	}
}

void bm_run_pull(struct bm_run *run)
{
	for (size_t i = 0; i < run->server_count; i++)
		bm_run_dispatch(run, i);
	assign(run);
	open_more(run);
}
