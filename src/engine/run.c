/* SPDX-License-Identifier: MIT */
/* The campaign as a whole: its beginning, its rounds and its end. */
#include "engine/run.h"

#include "base/error.h"
#include "base/number.h"
#include "engine/parts.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

static size_t connections_of(const struct bm_server_options *options)
{
	/* A DummyServer is one file. */
	return options->dummy_file == NULL && options->connections > 1 ? (size_t)options->connections : 1;
}

static void set_level(struct bm_run_server *server, const char *pipelining)
{
	static const struct {
		const char *name;
		enum bm_smtp_pipelining level;
	} levels[] = {
		{"off", BM_SMTP_PIPELINING_OFF},
		{"envelope", BM_SMTP_PIPELINING_ENVELOPE},
		{"message", BM_SMTP_PIPELINING_MESSAGE},
		{"stream", BM_SMTP_PIPELINING_STREAM},
	};

	server->level = BM_SMTP_PIPELINING_STREAM;
	server->steps_down = true;
	for (size_t i = 0; pipelining != NULL && i < sizeof levels / sizeof levels[0]; i++) {
		if (strcmp(levels[i].name, pipelining) != 0)
			continue;
		server->level = levels[i].level;
		server->steps_down = false;
	}
}

static void set_up_server(struct bm_run *run, size_t index)
{
	struct bm_run_server *server = &run->servers[index];
	const struct bm_server_options *options = bm_run_server_options(run, index);
	uint64_t count = 0;
	uint64_t period_us = 1;

	server->first_slot = run->slot_count;
	server->slot_count = connections_of(options);
	run->slot_count += server->slot_count;
	run->robin = run->robin || options->max_messages_per_robin != BM_ROBIN_UNSET;
	set_level(server, options->pipelining);
	/* What is no rate was refused where the attribute was set. */
	if (options->rate != NULL && bm_rate_parse(bm_span_of(options->rate), &count, &period_us))
		bm_rate_init(&server->rate, count, period_us, bm_run_now(run) * 1000);
}

static enum bm_code make_slots(struct bm_run *run)
{
	run->slots = calloc(run->slot_count, sizeof *run->slots);
	if (run->slots == NULL)
		return BM_E_NOMEM;
	for (size_t i = 0; i < run->server_count; i++) {
		const struct bm_run_server *server = &run->servers[i];
		for (size_t j = 0; j < server->slot_count; j++)
			run->slots[server->first_slot + j].server = i;
	}
	return BM_OK;
}

static void find_needs(struct bm_run *run)
{
	run->needs |= bm_message_eight_bit(run->message) ? BM_NEED_EIGHT_BIT : 0;
	run->needs |= bm_message_utf8(run->message) ? BM_NEED_UTF8 : 0;
	run->needs |= run->options.require_tls ? BM_NEED_TLS : 0;
	run->needs |= run->shares ? BM_NEED_ROOM : 0;
}

/* The copy that all recipients share, if they do. */
static enum bm_code prepare_copies(struct bm_run *run, struct bm_error *err)
{
	struct bm_copy copy = {.to = NULL};

	run->columns = bm_message_columns(run->message, &run->column_count);
	run->shares = run->options.use_envelope && run->column_count == 0;
	run->values = calloc(run->column_count + 1, sizeof *run->values);
	if (run->values == NULL)
		return bm_error_nomem(err);
	find_needs(run);
	if (!run->shares)
		return BM_OK;
	enum bm_code code = bm_message_render(run->message, &run->shared, &copy, err);
	copy.seven_bit = true;
	return code == BM_OK ? bm_message_render(run->message, &run->shared_seven, &copy, err) : code;
}

enum bm_code bm_run_init(struct bm_run *run, const struct bm_run_options *options, const struct bm_port *port,
	const struct bm_message *message, struct bm_journal *journal, size_t server_count, struct bm_error *err)
{
	*run = (struct bm_run){
		.options = *options,
		.port = port,
		.message = message,
		.journal = journal,
		.server_count = server_count,
		.current = SIZE_MAX,
		.turn_after = SIZE_MAX,
		.next_id = 1,
	};
	bm_keyset_init(&run->seen, options->hash_key);
	bm_keyset_init(&run->banned, options->hash_key);
	bm_render_init(&run->shared);
	bm_render_init(&run->shared_seven);
	run->servers = calloc(server_count, sizeof *run->servers);
	if (run->servers == NULL)
		return bm_error_nomem(err);
	for (size_t i = 0; i < server_count; i++)
		set_up_server(run, i);
	if (make_slots(run) != BM_OK)
		return bm_error_nomem(err);
	enum bm_code code = bm_envid_init(&run->envid, options->envid, options->columns, options->column_count, err);
	return code == BM_OK ? prepare_copies(run, err) : code;
}

static void free_list(struct bm_run *run, struct bm_item_list *list)
{
	struct bm_item *item = bm_item_list_take(list);
	for (; item != NULL; item = bm_item_list_take(list))
		bm_item_free(&run->items, item);
}

static void free_envelope(struct bm_run *run, struct bm_run_envelope *envelope)
{
	for (size_t i = 0; i < envelope->count; i++)
		bm_item_free(&run->items, envelope->items[i]);
	bm_envelope_return(run, envelope);
}

static void free_queue(struct bm_run *run, struct bm_run_queue *queue)
{
	struct bm_run_envelope *envelope = bm_queue_take(queue);
	for (; envelope != NULL; envelope = bm_queue_take(queue))
		free_envelope(run, envelope);
}

void bm_run_deinit(struct bm_run *run)
{
	free_list(run, &run->ready);
	for (size_t i = 1; i < BM_NEED_SETS; i++)
		free_list(run, &run->special[i]);
	for (size_t i = 0; i < run->ahead_count; i++)
		bm_item_free(&run->items, run->ahead[(run->ahead_first + i) % BM_RUN_AHEAD].item);
	for (size_t i = 0; run->servers != NULL && i < run->server_count; i++) {
		struct bm_item_heap *waiting = &run->servers[i].waiting;
		for (struct bm_item *item = bm_item_heap_take(waiting); item != NULL; item = bm_item_heap_take(waiting))
			bm_item_free(&run->items, item);
		free_queue(run, &run->servers[i].queue);
	}
	for (size_t i = 0; run->slots != NULL && i < run->slot_count; i++)
		free_queue(run, &run->slots[i].flight);
	if (run->open != NULL)
		free_envelope(run, run->open);
	bm_envelope_pool_deinit(run);
	bm_item_pool_deinit(&run->items);
	bm_keyset_deinit(&run->seen);
	bm_keyset_deinit(&run->banned);
	bm_render_deinit(&run->shared);
	bm_render_deinit(&run->shared_seven);
	free(run->values);
	free(run->slots);
	free(run->servers);
}

size_t bm_run_slots(const struct bm_run *run)
{
	return run->slot_count;
}

void bm_run_stop(struct bm_run *run)
{
	run->stopping = true;
}

static void settle_unsent(struct bm_run *run, struct bm_item *item)
{
	if (item->answer.code != 0)
		bm_run_settle(run, item, BM_OUTCOME_DEFERRED, NULL);
	else
		bm_run_settle(run, item, BM_OUTCOME_UNSENT, "the campaign ended before it was its turn");
	bm_item_free(&run->items, item);
}

static void settle_list(struct bm_run *run, struct bm_item_list *list)
{
	struct bm_item *item = bm_item_list_take(list);
	for (; item != NULL; item = bm_item_list_take(list))
		settle_unsent(run, item);
}

static void settle_waiting(struct bm_run *run, struct bm_item_heap *heap)
{
	struct bm_item *item = bm_item_heap_take(heap);
	for (; item != NULL; item = bm_item_heap_take(heap))
		settle_unsent(run, item);
}

/* What is still under way when the campaign ends early, and what can be read of the list, is accounted for. */
void bm_run_finish(struct bm_run *run)
{
	const struct bm_port *port = run->port;
	struct bm_error err = BM_ERROR_INIT;
	struct bm_item *item = NULL;

	assert(run->in_flight == 0);
	run->stopping = true;
	for (size_t i = 0; i < run->server_count; i++)
		bm_run_forsake(run, i);
	settle_list(run, &run->ready);
	for (size_t i = 1; i < BM_NEED_SETS; i++)
		settle_list(run, &run->special[i]);
	run->special_count = 0;
	for (size_t i = 0; i < run->server_count; i++)
		settle_waiting(run, &run->servers[i].waiting);
	run->waiting = 0;
	run->list_silent = false;
	while (port->finite(port->user) && !run->list_ended && !run->list_silent) {
		enum bm_code code = bm_run_classify(run, &item, &err);
		if (item != NULL)
			settle_unsent(run, item);
		/* what was read ahead has an outcome, whatever failed */
		if (code != BM_OK && run->ahead_count == 0)
			break;
	}
	run->list_complete = run->list_ended;
}

/* Servers that have handed over max_messages, now that nothing can be refused any more. */
static void give_up_spent(struct bm_run *run)
{
	for (size_t i = 0; i < run->server_count; i++) {
		const struct bm_run_server *server = &run->servers[i];
		struct bm_policy *policy = bm_run_policy(run, i);
		const struct bm_server_options *options = bm_run_server_options(run, i);
		bool busy = server->in_flight > 0 || server->queue.envelopes > 0;
		busy = busy || (run->open != NULL && run->open_server == i);
		if (busy || !bm_policy_spent(policy, options) || !bm_run_is_usable(run, i) || !bm_run_has_pending(run))
			continue;
		(void)bm_policy_reached(policy, options);
		bm_run_give_up(run, i);
	}
}

/* Somebody is left to be sent, and no server for it. */
static bool is_without_server(struct bm_run *run)
{
	bool nobody_comes = run->list_ended || run->special_count >= BM_RUN_WAITING_MAX;
	bool only_special = run->special_count > 0 && run->ready.count == 0 && run->waiting == 0 && nobody_comes;
	bool suits = false;

	if (run->in_flight > 0)
		return false;
	for (size_t i = 0; i < run->server_count; i++)
		suits = suits || (bm_run_is_usable(run, i) && (!only_special || bm_run_ready_count(run, i) > 0));
	return !suits && bm_run_has_pending(run);
}

static bool is_closed(const struct bm_run *run)
{
	for (size_t i = 0; i < run->slot_count; i++) {
		if (run->slots[i].state != BM_SLOT_CLOSED)
			return false;
	}
	return true;
}

static void sooner(uint64_t *next_ms, uint64_t now_ms, uint64_t at_ms)
{
	if (at_ms > now_ms && at_ms < *next_ms)
		*next_ms = at_ms;
}

static void next_of_server(const struct bm_run *run, size_t index, uint64_t now_ms, uint64_t *next_ms)
{
	const struct bm_run_server *server = &run->servers[index];
	uint64_t wanted = server->queue.first != NULL ? server->queue.first->count : 1;

	if (bm_run_is_usable(run, index)) {
		sooner(next_ms, now_ms, server->not_before_ms);
		sooner(next_ms, now_ms, server->no_more_ms);
		sooner(next_ms, now_ms, server->rests_until_ms);
	}
	if (server->waiting.first != NULL)
		sooner(next_ms, now_ms, server->waiting.first->due_ms);
	if (server->rate.count != 0)
		sooner(next_ms, now_ms, (bm_rate_when(&server->rate, wanted) + 999) / 1000);
}

static void next_of_slot(const struct bm_run *run, size_t index, uint64_t now_ms, uint64_t *next_ms)
{
	const struct bm_run_slot *slot = &run->slots[index];

	if (slot->state == BM_SLOT_OPENING && run->robin)
		sooner(next_ms, now_ms, slot->opened_ms + BM_RUN_OPEN_PATIENCE_MS);
	bool rests = run->servers[slot->server].rests_until_ms > now_ms;
	if (slot->state == BM_SLOT_OPEN && slot->flight.envelopes == 0 && !rests)
		sooner(next_ms, now_ms, slot->idle_ms + BM_RUN_IDLE_MS);
}

static uint64_t find_next(const struct bm_run *run)
{
	uint64_t now_ms = bm_run_now(run);
	uint64_t next_ms = UINT64_MAX;

	if (run->stopping)
		return UINT64_MAX;
	for (size_t i = 0; i < run->slot_count; i++)
		next_of_slot(run, i, now_ms, &next_ms);
	if (bm_run_is_exhausted(run))
		return next_ms;
	sooner(&next_ms, now_ms, run->again_ms);
	for (size_t i = 0; i < run->server_count; i++)
		next_of_server(run, i, now_ms, &next_ms);
	if (run->open != NULL && run->servers[run->open_server].rests_until_ms <= now_ms)
		sooner(&next_ms, now_ms, run->open->since_ms + BM_RUN_ENVELOPE_PATIENCE_MS);
	return next_ms;
}

enum bm_code bm_run_advance(struct bm_run *run, uint64_t *next_ms, bool *finished, struct bm_error *err)
{
	*next_ms = UINT64_MAX;
	*finished = false;
	run->list_silent = false;
	if (!run->stopping && run->failure.code == BM_OK) {
		give_up_spent(run);
		if (run->robin)
			bm_run_robin(run);
		else
			bm_run_pull(run);
	}
	/* The end of the list is found even by servers that may not go on yet. */
	if (!run->stopping && run->in_flight == 0)
		(void)bm_run_has_present(run);
	if (!run->stopping)
		bm_run_refuse_hopeless(run);
	if (run->failure.code != BM_OK) {
		*err = run->failure;
		return run->failure.code;
	}
	if (!run->stopping && is_without_server(run))
		return bm_run_no_server(run, err);
	bm_run_tend(run);
	if (run->in_flight > 0 || !is_closed(run) || !(run->stopping || bm_run_is_exhausted(run))) {
		*next_ms = find_next(run);
		return BM_OK;
	}
	bm_run_finish(run);
	*finished = true;
	return BM_OK;
}
