/* SPDX-License-Identifier: MIT */
/* Where a campaign stands, and why it is not faster. */
#include "api/campaign.h"
#include "net/clock.h"

#include <stdio.h>
#include <string.h>

void bm_campaign_take_sample(struct bm_campaign *campaign, uint64_t now_ms)
{
	if (campaign->sample_count == BM_RATE_SAMPLES) {
		memmove(campaign->samples, campaign->samples + 1, (BM_RATE_SAMPLES - 1) * sizeof campaign->samples[0]);
		campaign->sample_count--;
	}
	campaign->samples[campaign->sample_count++] = (struct bm_sample){now_ms, campaign->run.done};
}

/* The reason with the greatest growth since before; what it grew by in *growth. */
static enum bm_why main_reason(const uint64_t *times, const uint64_t *before, uint64_t *growth)
{
	enum bm_why best = BM_WHY_REST;

	*growth = 0;
	for (enum bm_why why = 0; why < BM_WHY_KINDS; why++) {
		if (times[why] - before[why] <= *growth)
			continue;
		best = why;
		*growth = times[why] - before[why];
	}
	return best;
}

/* The server that this reason held back the longest. */
static size_t server_held_back(const struct bm_campaign *campaign, enum bm_why why)
{
	const struct bm_run *run = &campaign->run;
	size_t best = 0;
	uint64_t most = 0;

	for (size_t i = 0; i < run->server_count; i++) {
		uint64_t growth = bm_run_times(run, i)[why] - campaign->server_times[i * BM_WHY_KINDS + why];
		if (growth <= most)
			continue;
		best = i;
		most = growth;
	}
	return best;
}

static const char *reason_text(const struct bm_campaign *campaign, enum bm_why why, size_t index)
{
	const struct bm_run_server *server = &campaign->run.servers[index];

	switch (why) {
	case BM_WHY_ROUND_TRIP:
		return "round trips to";
	case BM_WHY_REPLY:
		return server->open == 0 && server->opening > 0 ? "connecting to" : "the replies of";
	case BM_WHY_RATE:
		return "rate of";
	case BM_WHY_LIST:
		return "the list";
	case BM_WHY_CPU:
		return "CPU";
	case BM_WHY_REST:
		return server->rests_until_ms > server->not_before_ms ? "sleep_length of" : "another try at";
	case BM_WHY_KINDS:
		break;
	}
	return "";
}

/* Names what held the campaign back the most since the last time. */
static void find_held_back(struct bm_campaign *campaign)
{
	const struct bm_run *run = &campaign->run;
	const uint64_t *times = bm_run_times(run, SIZE_MAX);
	uint64_t growth = 0;
	enum bm_why why = main_reason(times, campaign->times, &growth);

	if (growth > 0) {
		size_t index = server_held_back(campaign, why);
		bool of_server = why != BM_WHY_LIST && why != BM_WHY_CPU;
		snprintf(campaign->held_back, sizeof campaign->held_back, "%s%s%s", reason_text(campaign, why, index),
			of_server ? " " : "", of_server ? bm_campaign_server(campaign, index)->name : "");
	}
	memcpy(campaign->times, times, sizeof campaign->times);
	for (size_t i = 0; i < run->server_count; i++)
		memcpy(campaign->server_times + i * BM_WHY_KINDS, bm_run_times(run, i), sizeof campaign->times);
}

uint64_t bm_campaign_next_pulse(const struct bm_campaign *campaign)
{
	return campaign->options.progress == NULL ? UINT64_MAX : campaign->pulse_ms + campaign->options.progress_ms;
}

void bm_campaign_pulse(struct bm_campaign *campaign, uint64_t now_ms)
{
	if (now_ms < bm_campaign_next_pulse(campaign))
		return;
	campaign->pulse_ms = now_ms;
	bm_campaign_take_sample(campaign, now_ms);
	find_held_back(campaign);
	struct bm_progress progress = bm_campaign_progress(campaign);
	campaign->options.progress(campaign->options.progress_user, &progress);
}

static double recent_rate(const struct bm_campaign *campaign, uint64_t now_ms)
{
	if (campaign->sample_count == 0)
		return 0.0;
	struct bm_sample first = campaign->samples[0];
	uint64_t elapsed_ms = now_ms - first.at_ms;
	return elapsed_ms == 0 ? 0.0 : (double)(campaign->run.done - first.done) * 1000.0 / (double)elapsed_ms;
}

static struct bm_times times_of(const struct bm_campaign *campaign, size_t server)
{
	const uint64_t *times = bm_run_times(&campaign->run, server);
	struct bm_times out = {
		.round_trips_us = times[BM_WHY_ROUND_TRIP],
		.replies_us = times[BM_WHY_REPLY],
		.rate_us = times[BM_WHY_RATE],
		.list_us = times[BM_WHY_LIST],
		.cpu_us = times[BM_WHY_CPU],
		.rest_us = times[BM_WHY_REST],
	};
	return out;
}

struct bm_progress bm_campaign_progress(const struct bm_campaign *campaign)
{
	const struct bm_run *run = &campaign->run;
	uint64_t now_ms = campaign->ended_ms != 0 ? campaign->ended_ms : bm_clock_monotonic_ms();
	uint64_t left = run->list_ended ? 0 : bm_recipients_left(campaign->recipients);
	bool known = run->list_ended || bm_recipients_finite(campaign->recipients);
	struct bm_progress progress = {
		.records = run->records,
		.done = run->done,
		.total = known ? run->records + left : 0,
		.transactions = run->transactions,
		.elapsed_ms = campaign->started_ms == 0 ? 0 : now_ms - campaign->started_ms,
		.rate = recent_rate(campaign, now_ms),
		.held_back_by = campaign->held_back,
		.time = times_of(campaign, SIZE_MAX),
	};
	memcpy(progress.outcomes, run->outcomes, sizeof progress.outcomes);
	return progress;
}

struct bm_server_report bm_campaign_server_report(const struct bm_campaign *campaign, size_t index)
{
	const struct bm_server *server = bm_campaign_server(campaign, index);
	const struct bm_run_server *counted = &campaign->run.servers[index];
	struct bm_server_report report = {
		.server = server->name,
		.connections = server->connections,
		.transactions = counted->transactions,
		.messages = counted->messages,
		.time = times_of(campaign, index),
	};
	return report;
}

uint64_t bm_campaign_server_replies(const struct bm_campaign *campaign, size_t index, int code)
{
	const struct bm_server *server = bm_servers_at(campaign->servers, index);
	return server == NULL || code < 0 || code >= BM_REPLY_CODES ? 0 : server->replies[code];
}
