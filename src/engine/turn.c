/* SPDX-License-Identifier: MIT */
/* The robin: whose turn it is. Servers that rest, fail or are worthless are passed over. */
#include "base/error.h"
#include "engine/run.h"

static bool is_usable(const struct bm_run *run, size_t index)
{
	return !run->port->policy(run->port->user, index)->worthless && !run->servers[index].unsuited;
}

/* When the server may be tried again after its failures. */
static void back_off(struct bm_run *run, size_t index)
{
	const struct bm_port *port = run->port;
	uint64_t backoff = bm_policy_backoff_ms(port->policy(port->user, index), run->options.retry_delay_ms);
	run->servers[index].not_before_ms = port->now_ms(port->user) + backoff;
}

void bm_run_note(struct bm_run *run, const struct bm_error *err)
{
	run->last = *err;
	run->port->log(run->port->user, err);
}

/* MB012, and why. */
static enum bm_code no_server_left(const struct bm_run *run, struct bm_error *err)
{
	const struct bm_error *last = &run->last;

	if (last->text[0] == '\0')
		return bm_error_set(
			err, BM_E_NO_SERVER, "MB012", "no available servers: all %zu are worthless", run->server_count);
	return bm_error_set(err, BM_E_NO_SERVER, "MB012", "no available servers: all %zu are worthless; the last: %s%s%s",
		run->server_count, last->id, last->id[0] == '\0' ? "" : ": ", last->text);
}

bool bm_run_connect(struct bm_run *run, size_t index)
{
	const struct bm_port *port = run->port;
	struct bm_run_server *server = &run->servers[index];
	struct bm_error err = BM_ERROR_INIT;

	if (port->connected(port->user, index))
		return true;
	enum bm_code code = port->connect(port->user, index, &err);
	if (code == BM_OK) {
		server->fruitful = false;
		return true;
	}
	server->unsuited = server->unsuited || code == BM_E_UNSUPPORTED;
	if (code != BM_E_STOPPED)
		bm_run_note(run, &err);
	back_off(run, index);
	return false;
}

static void begin_turn(struct bm_run *run, size_t index)
{
	/* The first server of the run keeps what its counters had. */
	if (run->turn_after != SIZE_MAX)
		bm_policy_reset_messages(run->port->policy(run->port->user, index));
	run->current = index;
	run->turn_after = index;
}

/* One round over all servers that may be tried now; true when one is connected. */
static bool try_round(struct bm_run *run)
{
	const struct bm_port *port = run->port;
	size_t first = run->turn_after == SIZE_MAX ? 0 : run->turn_after + 1;

	for (size_t i = 0; i < run->server_count; i++) {
		size_t index = (first + i) % run->server_count;
		bool resting = run->servers[index].not_before_ms > port->now_ms(port->user);
		if (!is_usable(run, index) || resting || port->stops(port->user) > 0)
			continue;
		if (bm_run_connect(run, index)) {
			begin_turn(run, index);
			return true;
		}
	}
	return false;
}

/* The usable server that may be tried soonest; SIZE_MAX when all are worthless. */
static size_t soonest(const struct bm_run *run)
{
	size_t best = SIZE_MAX;

	for (size_t i = 0; i < run->server_count; i++) {
		if (is_usable(run, i) && (best == SIZE_MAX || run->servers[i].not_before_ms < run->servers[best].not_before_ms))
			best = i;
	}
	return best;
}

enum bm_code bm_run_next_server(struct bm_run *run, struct bm_error *err)
{
	const struct bm_port *port = run->port;

	run->current = SIZE_MAX;
	while (port->stops(port->user) == 0) {
		if (try_round(run))
			return BM_OK;
		size_t index = soonest(run);
		if (index == SIZE_MAX)
			return no_server_left(run, err);
		port->sleep(port->user, run->servers[index].not_before_ms, "another try at", index);
	}
	return bm_error_set(err, BM_E_STOPPED, "", "stopped");
}
