/* SPDX-License-Identifier: MIT */
/* Where the time of the run went: each microsecond has one reason for each server and one for the whole. */
#include "engine/parts.h"

/* A shorter sleep is no wait worth asking about. */
#define WAIT_MIN_US 50

/*
 * The oldest reply that is awaited from the server, and the shortest round trip over any connection of it: what one of
 * them measured may have been a busy moment. False: none is awaited.
 */
static bool find_awaited(const struct bm_run *run, size_t server, uint64_t *since_us, uint64_t *round_trip_us)
{
	const struct bm_port *port = run->port;
	const struct bm_run_server *at = &run->servers[server];
	uint64_t oldest = UINT64_MAX;
	uint64_t least = UINT64_MAX;

	for (size_t i = at->first_slot; i < at->first_slot + at->slot_count; i++) {
		uint64_t since = 0;
		uint64_t round_trip = 0;
		if (run->slots[i].state == BM_SLOT_CLOSED)
			continue;
		if (port->awaiting(port->user, i, &since, &round_trip) && since < oldest)
			oldest = since;
		if (round_trip != 0 && round_trip < least)
			least = round_trip;
	}
	*since_us = oldest;
	*round_trip_us = least == UINT64_MAX ? 0 : least;
	return oldest != UINT64_MAX;
}

/* Nothing is left for the server to do but what is in flight. */
static bool lacks_work(const struct bm_run *run, size_t server)
{
	bool list = !run->list_ended && !run->list_silent;
	return !list && run->ready.count == 0 && run->servers[server].queue.envelopes == 0;
}

/* As it was when the wait began. */
static enum bm_why find_reason(const struct bm_run *run, size_t server, uint64_t from_ms)
{
	const struct bm_run_server *at = &run->servers[server];
	bool backs_off = at->not_before_ms > from_ms && at->open == 0;

	if (at->rests_until_ms > from_ms || backs_off || !bm_run_is_usable(run, server))
		return BM_WHY_REST;
	bool lacks = lacks_work(run, server);
	if (!lacks && at->rate.level < at->rate.period_us)
		return BM_WHY_RATE;
	if (at->in_flight > 0 || at->opening > 0)
		return BM_WHY_REPLY;
	return lacks && run->waiting > 0 && run->list_ended ? BM_WHY_REST : BM_WHY_LIST;
}

/* Splits a wait for a reply: up to the round trip it is the wire's, the rest the server's. */
static uint64_t share_of_wire(struct bm_run *run, size_t server, uint64_t from_us, uint64_t until_us)
{
	uint64_t since_us = 0;
	uint64_t round_trip_us = 0;

	if (!find_awaited(run, server, &since_us, &round_trip_us))
		return 0;
	uint64_t end_us = since_us + round_trip_us;
	if (end_us <= from_us)
		return 0;
	return (end_us < until_us ? end_us : until_us) - from_us;
}

static size_t busiest(const struct bm_run *run)
{
	size_t best = 0;

	for (size_t i = 1; i < run->server_count; i++) {
		if (run->servers[i].messages > run->servers[best].messages)
			best = i;
	}
	return best;
}

void bm_run_waited(struct bm_run *run, uint64_t from_us, uint64_t until_us)
{
	size_t best = busiest(run);

	if (until_us - from_us < WAIT_MIN_US) {
		bm_run_worked(run, from_us, until_us);
		return;
	}
	for (size_t i = 0; i < run->server_count; i++) {
		enum bm_why why = find_reason(run, i, from_us / 1000);
		uint64_t wire_us = why == BM_WHY_REPLY ? share_of_wire(run, i, from_us, until_us) : 0;
		uint64_t rest_us = until_us - from_us - wire_us;
		run->servers[i].times[BM_WHY_ROUND_TRIP] += wire_us;
		run->servers[i].times[why] += rest_us;
		if (i != best)
			continue;
		run->times[BM_WHY_ROUND_TRIP] += wire_us;
		run->times[why] += rest_us;
	}
}

void bm_run_worked(struct bm_run *run, uint64_t from_us, uint64_t until_us)
{
	run->times[BM_WHY_CPU] += until_us - from_us;
	for (size_t i = 0; i < run->server_count; i++)
		run->servers[i].times[BM_WHY_CPU] += until_us - from_us;
}

const uint64_t *bm_run_times(const struct bm_run *run, size_t server)
{
	return server < run->server_count ? run->servers[server].times : run->times;
}
