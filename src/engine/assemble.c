/* SPDX-License-Identifier: MIT */
/* Who comes next, and what goes together into one envelope. A recipient is counted when it joins. */
#include "base/error.h"
#include "engine/parts.h"

static bool may_read(const struct bm_run *run)
{
	bool room = run->waiting + run->special_count < BM_RUN_WAITING_MAX;
	return !run->list_ended && !run->list_silent && room && run->failure.code == BM_OK;
}

static struct bm_item *read_list(struct bm_run *run)
{
	struct bm_item *item = NULL;

	if (!may_read(run))
		return NULL;
	if (bm_run_classify(run, &item, &run->scratch) != BM_OK)
		bm_run_fail(run, &run->scratch);
	return item;
}

/* The server whose deferred recipient is due first for this one; SIZE_MAX: none is. Its own are for others. */
static size_t find_due(const struct bm_run *run, size_t server)
{
	size_t best = SIZE_MAX;

	if (run->waiting == 0)
		return SIZE_MAX;
	bool spares_own = bm_run_has_other_awake(run, server);
	uint64_t now_ms = bm_run_now(run);
	for (size_t i = 0; i < run->server_count; i++) {
		const struct bm_item *item = run->servers[i].waiting.first;
		if (item == NULL || item->due_ms > now_ms || (i == server && spares_own))
			continue;
		if (best == SIZE_MAX || item->due_ms < run->servers[best].waiting.first->due_ms)
			best = i;
	}
	return best;
}

static struct bm_item *take_due(struct bm_run *run, size_t server)
{
	size_t from = find_due(run, server);

	if (from == SIZE_MAX)
		return NULL;
	run->waiting--;
	return bm_item_heap_take(&run->servers[from].waiting);
}

bool bm_run_avoids(const struct bm_run *run, size_t server)
{
	const struct bm_item *item = run->servers[server].waiting.first;
	bool due = item != NULL && item->due_ms <= bm_run_now(run);
	return (due || run->special_count > 0) && bm_run_has_other_awake(run, server);
}

static struct bm_item *take_waiting(struct bm_run *run)
{
	struct bm_item *item = NULL;

	for (size_t i = 0; item == NULL && run->waiting > 0 && i < run->server_count; i++)
		item = bm_item_heap_take(&run->servers[i].waiting);
	run->waiting -= item != NULL ? 1 : 0;
	return item;
}

struct bm_item *bm_run_next_of_all(struct bm_run *run)
{
	struct bm_item *item = bm_item_list_take(&run->ready);

	for (size_t i = 1; item == NULL && run->special_count > 0 && i < BM_NEED_SETS; i++) {
		item = bm_item_list_take(&run->special[i]);
		run->special_count -= item != NULL ? 1 : 0;
	}
	if (item == NULL)
		item = take_waiting(run);
	return item != NULL ? item : read_list(run);
}

static struct bm_item *take_any(struct bm_run *run, size_t server)
{
	struct bm_item *item = bm_run_ready_take(run, server);

	if (item == NULL)
		item = take_due(run, server);
	return item != NULL ? item : read_list(run);
}

/* The next recipient for the server: put back, due again, or from the list. NULL: none now. */
static struct bm_item *take_item(struct bm_run *run, size_t server)
{
	struct bm_item *item = take_any(run, server);

	while (item != NULL && !bm_run_suits_item(run, server, item)) {
		bm_run_ready_insert(run, item);
		item = take_any(run, server);
	}
	return item;
}

/* Rests when the server has been awake long enough. */
static bool takes_a_nap(struct bm_run *run, size_t server)
{
	uint64_t seconds = bm_policy_nap(bm_run_policy(run, server), bm_run_server_options(run, server));

	if (seconds > 0)
		run->servers[server].rests_until_ms = bm_run_now(run) + seconds * 1000;
	return seconds > 0;
}

static bool fits(const struct bm_run *run, const struct bm_item *item)
{
	const struct bm_run_envelope *envelope = run->open;

	if (envelope == NULL)
		return true;
	const struct bm_item *first = envelope->items[0];
	if (item->put_backs >= BM_RUN_PUT_BACKS_ALONE || first->put_backs >= BM_RUN_PUT_BACKS_ALONE)
		return false;
	if (item->key[0] != first->key[0] || item->key[1] != first->key[1] || item->needs != first->needs)
		return false;
	return bm_span_equal_nocase(bm_item_domain(first), bm_item_domain(item));
}

static bool is_full(const struct bm_run *run, size_t server, uint64_t most)
{
	const struct bm_run_server *at = &run->servers[server];
	size_t count = run->open->count;

	if (!run->options.use_envelope || run->envid.varies || count >= most || count >= BM_RUN_ENVELOPE_MAX)
		return true;
	if ((at->envelope_max != 0 && count >= at->envelope_max) || (at->rcpt_max != 0 && count >= at->rcpt_max))
		return true;
	return bm_policy_envelope_full(bm_run_policy(run, server), bm_run_server_options(run, server));
}

/* Counts the item and puts it into the open envelope, or a new one. */
static enum bm_code enter(struct bm_run *run, size_t server, struct bm_item *item)
{
	const struct bm_port *port = run->port;
	struct bm_policy *policy = bm_run_policy(run, server);
	struct bm_run_envelope *envelope = run->open != NULL ? run->open : bm_envelope_fetch(run);

	if (envelope == NULL)
		return BM_E_NOMEM;
	if (bm_envelope_reserve(envelope) != BM_OK) {
		if (run->open == NULL)
			bm_envelope_return(run, envelope);
		return BM_E_NOMEM;
	}
	if (run->open == NULL)
		bm_policy_reset_envelope(policy);
	run->open = envelope;
	run->open_server = server;
	bm_policy_add(policy, 1, port->wall_ms(port->user) / 1000);
	/* This counter is one connection's. */
	if (run->servers[server].slot_count > 1)
		policy->sent.messages_connection = 0;
	envelope->items[envelope->count] = item;
	envelope->mailboxes[envelope->count] = bm_item_mailbox(item);
	envelope->seqs[envelope->count++] = item->seq;
	envelope->since_ms = bm_run_now(run);
	item->fate = BM_FATE_OPEN;
	return BM_OK;
}

/* It is the next again. Who waited for another server than the one that had deferred it still does. */
static void give_back(struct bm_run *run, struct bm_item *item)
{
	if (item->fate != BM_FATE_WAITS) {
		bm_run_ready_insert(run, item);
		return;
	}
	bm_item_heap_add(&run->servers[item->answer.server - 1].waiting, item);
	run->waiting++;
}

static enum bm_fill add_item(struct bm_run *run, size_t server, struct bm_item *item, uint64_t most)
{
	if (takes_a_nap(run, server)) {
		give_back(run, item);
		return run->open != NULL && bm_run_has_other(run, server) ? BM_FILL_SEND : BM_FILL_STOP;
	}
	if (bm_policy_at_limit(bm_run_policy(run, server), bm_run_server_options(run, server))) {
		give_back(run, item);
		return run->open != NULL ? BM_FILL_SEND : BM_FILL_STOP;
	}
	if (!fits(run, item)) {
		give_back(run, item);
		return BM_FILL_SEND;
	}
	if (enter(run, server, item) != BM_OK) {
		struct bm_error err;
		bm_error_nomem(&err);
		give_back(run, item);
		bm_run_fail(run, &err);
		return BM_FILL_STOP;
	}
	return is_full(run, server, most) ? BM_FILL_SEND : BM_FILL_DRY;
}

enum bm_fill bm_run_fill(struct bm_run *run, size_t server, uint64_t most)
{
	enum bm_fill fill = BM_FILL_DRY;

	while (fill == BM_FILL_DRY) {
		struct bm_item *item = take_item(run, server);
		if (item == NULL)
			return BM_FILL_DRY;
		fill = add_item(run, server, item, most);
	}
	return fill;
}

bool bm_run_open_is_over(const struct bm_run *run)
{
	bool room = run->waiting + run->special_count < BM_RUN_WAITING_MAX;
	bool silent = run->list_silent && !run->list_ended && room;
	return !silent || bm_run_now(run) >= run->open->since_ms + BM_RUN_ENVELOPE_PATIENCE_MS;
}

void bm_run_enqueue(struct bm_run *run)
{
	if (run->open == NULL)
		return;
	bm_queue_append(&run->servers[run->open_server].queue, run->open);
	run->open = NULL;
}

bool bm_run_has_work(struct bm_run *run, size_t server, size_t pieces)
{
	const struct bm_run_server *at = &run->servers[server];
	size_t known = bm_run_ready_count(run, server) + at->queue.envelopes;

	known += run->open != NULL && run->open_server == server ? 1 : 0;
	known += find_due(run, server) != SIZE_MAX ? 1 : 0;
	while (known < pieces) {
		struct bm_item *item = read_list(run);
		if (item == NULL)
			return false;
		bm_run_ready_insert(run, item);
		known += bm_run_suits_item(run, server, item) ? 1 : 0;
	}
	return true;
}

bool bm_run_is_exhausted(const struct bm_run *run)
{
	size_t ready = run->ready.count + run->special_count;
	if (!run->list_ended || ready > 0 || run->waiting > 0 || run->open != NULL)
		return false;
	for (size_t i = 0; i < run->server_count; i++) {
		if (run->servers[i].queue.envelopes > 0)
			return false;
	}
	return true;
}

static bool is_somebody_due(const struct bm_run *run)
{
	uint64_t now_ms = bm_run_now(run);

	for (size_t i = 0; run->waiting > 0 && i < run->server_count; i++) {
		const struct bm_item *item = run->servers[i].waiting.first;
		if (item != NULL && item->due_ms <= now_ms)
			return true;
	}
	return false;
}

bool bm_run_has_present(struct bm_run *run)
{
	if (run->open != NULL || run->ready.count + run->special_count > 0 || is_somebody_due(run))
		return true;
	struct bm_item *item = read_list(run);
	if (item != NULL)
		bm_run_ready_insert(run, item);
	return item != NULL;
}

bool bm_run_has_pending(struct bm_run *run)
{
	for (size_t i = 0; i < run->server_count; i++) {
		if (run->servers[i].queue.envelopes > 0)
			return true;
	}
	return run->waiting > 0 || bm_run_has_present(run);
}
