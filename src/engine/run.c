/* SPDX-License-Identifier: MIT */
/* The campaign's loop: one recipient after another into the open envelope, by the manual's rules. */
#include "engine/run.h"

#include "base/error.h"

#include <stdlib.h>

enum bm_code bm_run_init(struct bm_run *run, const struct bm_run_options *options, const struct bm_port *port,
	const struct bm_message *message, size_t server_count, struct bm_error *err)
{
	*run = (struct bm_run){
		.options = *options,
		.port = port,
		.message = message,
		.server_count = server_count,
		.current = SIZE_MAX,
		.turn_after = SIZE_MAX,
	};
	size_t columns = 0;
	if (message != NULL)
		(void)bm_message_columns(message, &columns);
	run->personal = !options->use_envelope || columns > 0;
	run->values = calloc(columns + 1, sizeof *run->values);
	bm_keyset_init(&run->seen, options->hash_key);
	bm_keyset_init(&run->banned, options->hash_key);
	bm_render_init(&run->render);
	run->servers = calloc(server_count, sizeof *run->servers);
	if (run->servers == NULL || run->values == NULL ||
		bm_item_heap_init(&run->waiting, BM_RUN_WAITING_MAX + BM_RUN_ENVELOPE_MAX) != BM_OK)
		return bm_error_nomem(err);
	return BM_OK;
}

static void free_list(struct bm_item_list *list)
{
	struct bm_item *item = bm_item_list_take(list);
	for (; item != NULL; item = bm_item_list_take(list))
		bm_item_free(item);
}

void bm_run_deinit(struct bm_run *run)
{
	free_list(&run->ready);
	free_list(&run->back);
	for (struct bm_item *item = bm_item_heap_take(&run->waiting); item != NULL; item = bm_item_heap_take(&run->waiting))
		bm_item_free(item);
	for (size_t i = 0; i < run->envelope_count; i++)
		bm_item_free(run->envelope[i]);
	bm_item_heap_deinit(&run->waiting);
	bm_keyset_deinit(&run->seen);
	bm_keyset_deinit(&run->banned);
	bm_render_deinit(&run->render);
	free(run->values);
	free(run->envelope);
	free(run->mailboxes);
	free(run->servers);
}

static enum bm_code make_room(struct bm_run *run)
{
	if (run->envelope_count < run->envelope_capacity)
		return BM_OK;
	size_t capacity = run->envelope_capacity == 0 ? 128 : run->envelope_capacity * 2;
	struct bm_item **envelope = realloc(run->envelope, capacity * sizeof(struct bm_item *));
	if (envelope == NULL)
		return BM_E_NOMEM;
	run->envelope = envelope;
	struct bm_span *mailboxes = realloc(run->mailboxes, capacity * sizeof *mailboxes);
	if (mailboxes == NULL)
		return BM_E_NOMEM;
	run->mailboxes = mailboxes;
	run->envelope_capacity = capacity;
	return BM_OK;
}

/* Rests when the current server has been awake long enough. */
static void nap(struct bm_run *run)
{
	const struct bm_port *port = run->port;
	const struct bm_server_options *options = port->options(port->user, run->current);
	uint64_t seconds = bm_policy_nap(port->policy(port->user, run->current), options);

	if (seconds > 0)
		port->sleep(port->user, port->now_ms(port->user) + seconds * 1000, "sleep_length of", run->current);
}

/* Ends the current server's turn where a limit says so; the open envelope is finished first. */
static enum bm_code heed_limits(struct bm_run *run, struct bm_error *err)
{
	const struct bm_port *port = run->port;

	if (run->current == SIZE_MAX)
		return BM_OK;
	nap(run);
	size_t index = run->current;
	struct bm_policy *policy = port->policy(port->user, index);
	const struct bm_server_options *options = port->options(port->user, index);
	if (!bm_policy_at_limit(policy, options))
		return BM_OK;
	enum bm_code code = bm_run_flush(run, err);
	/* What was not taken of the envelope is counted no more: the limit may not be reached after all. */
	enum bm_limit limit = bm_policy_reached(policy, options);
	if (limit == BM_LIMIT_NONE)
		return code;
	if (limit != BM_LIMIT_ROBIN)
		port->disconnect(port->user, index);
	run->current = SIZE_MAX;
	return code;
}

/* Makes sure that there is a current server and that it is connected; what was in an open envelope stays in it. */
static enum bm_code ensure_server(struct bm_run *run, struct bm_error *err)
{
	const struct bm_port *port = run->port;

	enum bm_code code = heed_limits(run, err);
	if (code == BM_OK && port->stops(port->user) > 0)
		code = bm_error_set(err, BM_E_STOPPED, "", "stopped");
	if (code != BM_OK)
		return code;
	if (run->current != SIZE_MAX && (run->envelope_count > 0 || port->connected(port->user, run->current)))
		return BM_OK;
	/* A connection that was given up in good order is opened again: the turn goes on. */
	if (run->current != SIZE_MAX && bm_run_connect(run, run->current))
		return BM_OK;
	return bm_run_next_server(run, err);
}

static bool fits_envelope(const struct bm_run *run, const struct bm_item *item)
{
	const struct bm_port *port = run->port;
	size_t index = run->current;

	if (run->envelope_count == 0)
		return true;
	if (run->personal || run->envelope_count >= BM_RUN_ENVELOPE_MAX)
		return false;
	if (item->put_backs >= BM_RUN_PUT_BACKS_ALONE || run->envelope[0]->put_backs >= BM_RUN_PUT_BACKS_ALONE)
		return false;
	size_t most = run->servers[index].envelope_max;
	if (most != 0 && run->envelope_count >= most)
		return false;
	if (bm_policy_envelope_full(port->policy(port->user, index), port->options(port->user, index)))
		return false;
	return bm_span_equal_nocase(bm_item_domain(run->envelope[0]), bm_item_domain(item));
}

/* Counts the item and puts it into the open envelope, for which there is room. */
static void enter(struct bm_run *run, struct bm_item *item)
{
	const struct bm_port *port = run->port;
	struct bm_policy *policy = port->policy(port->user, run->current);

	if (run->envelope_count == 0)
		bm_policy_reset_envelope(policy);
	bm_policy_add(policy, 1, port->wall_ms(port->user) / 1000);
	run->envelope[run->envelope_count++] = item;
}

/* The item goes into the open envelope, or a new one; on an error it is ready for later. */
static enum bm_code send_item(struct bm_run *run, struct bm_item *item, struct bm_error *err)
{
	struct bm_item_list keep = {0};

	bm_item_list_append(&keep, item);
	bm_item_list_prepend(&run->ready, &keep);
	enum bm_code code = ensure_server(run, err);
	if (code == BM_OK && !fits_envelope(run, item))
		return bm_run_flush(run, err);
	if (code == BM_OK && make_room(run) != BM_OK)
		code = bm_error_nomem(err);
	if (code != BM_OK)
		return code;
	/* A flush may have put others before it: whoever is first now goes first, as the list has it. */
	if (run->ready.first != item)
		return BM_OK;
	enter(run, bm_item_list_take(&run->ready));
	return run->personal ? bm_run_flush(run, err) : BM_OK;
}

static bool may_read(const struct bm_run *run)
{
	return !run->list_ended && run->waiting.count < BM_RUN_WAITING_MAX;
}

/* Until when a silent list is waited for: somebody may be due, or sit in the open envelope. */
static uint64_t list_patience(const struct bm_run *run)
{
	const struct bm_port *port = run->port;
	const struct bm_item *due = bm_item_heap_first(&run->waiting);
	uint64_t until = due == NULL ? UINT64_MAX : due->due_ms;
	uint64_t envelope = port->now_ms(port->user) + BM_RUN_ENVELOPE_PATIENCE_MS;

	return run->envelope_count > 0 && envelope < until ? envelope : until;
}

/* The next recipient: put back, due again, or from the list. NULL: none now. */
static enum bm_code next_item(struct bm_run *run, struct bm_item **out, struct bm_error *err)
{
	const struct bm_port *port = run->port;
	struct bm_item *due = bm_item_heap_first(&run->waiting);

	*out = bm_item_list_take(&run->ready);
	if (*out != NULL)
		return BM_OK;
	if (due != NULL && due->due_ms <= port->now_ms(port->user)) {
		*out = bm_item_heap_take(&run->waiting);
		return BM_OK;
	}
	return may_read(run) ? bm_run_classify(run, out, list_patience(run), err) : BM_OK;
}

/* Nothing can be sent now: the open envelope goes out, then it waits for whoever is due first. */
static enum bm_code rest(struct bm_run *run, bool *finished, struct bm_error *err)
{
	const struct bm_port *port = run->port;

	enum bm_code code = bm_run_flush(run, err);
	if (code != BM_OK || run->ready.count > 0)
		return code;
	struct bm_item *due = bm_item_heap_first(&run->waiting);
	*finished = due == NULL && !may_read(run);
	if (due != NULL && !may_read(run))
		port->sleep(port->user, due->due_ms, "deferred recipients wait for another try", SIZE_MAX);
	return BM_OK;
}

static enum bm_code step(struct bm_run *run, bool *finished, struct bm_error *err)
{
	struct bm_item *item = NULL;

	enum bm_code code = next_item(run, &item, err);
	if (code != BM_OK)
		return code;
	run->port->pulse(run->port->user);
	return item == NULL ? rest(run, finished, err) : send_item(run, item, err);
}

static void settle_unsent(struct bm_run *run, struct bm_item *item)
{
	if (item->answer.code != 0)
		bm_run_settle(run, item, BM_OUTCOME_DEFERRED, NULL);
	else
		bm_run_settle(run, item, BM_OUTCOME_UNSENT, "the campaign ended before it was its turn");
}

/* What is still under way when the campaign ends early, and what can be read of the list, is accounted for. */
static void settle_rest(struct bm_run *run)
{
	const struct bm_port *port = run->port;
	struct bm_error err = BM_ERROR_INIT;
	struct bm_item *item;

	for (size_t i = 0; i < run->envelope_count; i++)
		settle_unsent(run, run->envelope[i]);
	run->envelope_count = 0;
	while ((item = bm_item_list_take(&run->ready)) != NULL)
		settle_unsent(run, item);
	while ((item = bm_item_heap_take(&run->waiting)) != NULL)
		settle_unsent(run, item);
	if (!port->finite(port->user))
		return;
	while (!run->list_ended && bm_run_classify(run, &item, UINT64_MAX, &err) == BM_OK) {
		if (item != NULL)
			settle_unsent(run, item);
	}
}

static void disconnect_all(struct bm_run *run)
{
	const struct bm_port *port = run->port;

	for (size_t i = 0; i < run->server_count; i++)
		port->disconnect(port->user, i);
}

enum bm_code bm_run_go(struct bm_run *run, struct bm_error *err)
{
	const struct bm_port *port = run->port;
	enum bm_code code = BM_OK;
	bool finished = false;

	while (code == BM_OK && !finished) {
		code = step(run, &finished, err);
		if (code == BM_OK && !finished && port->stops(port->user) > 0)
			code = bm_error_set(err, BM_E_STOPPED, "", "stopped");
	}
	settle_rest(run);
	disconnect_all(run);
	run->list_complete = run->list_ended;
	return code;
}
