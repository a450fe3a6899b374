/* SPDX-License-Identifier: MIT */
/* The inside of struct bm_campaign, for the files of this folder. */
#ifndef BM_API_CAMPAIGN_H
#define BM_API_CAMPAIGN_H

#include "api/server.h"
#include "bulkmail/campaign.h"
#include "engine/run.h"
#include "net/loop.h"
#include "net/waker.h"
#include "store/journal.h"
#include "store/notify.h"

#define BM_RATE_SAMPLES 8
#define BM_HELD_BACK_MAX 400

struct bm_sample {
	uint64_t at_ms;
	uint64_t done;
};

struct bm_campaign {
	struct bm_campaign_options options;
	struct bm_recipients *recipients;
	const struct bm_message *message;
	struct bm_servers *servers;
	struct bm_server **by_index; /* the same, at hand for the engine */
	struct bm_waker *waker;
	struct bm_journal *journal; /* ours */
	struct bm_port port;
	struct bm_run run;
	struct bm_error failure; /* a log or outcome that could not be written */
	bool unsettled;          /* outcomes were told since the logs were flushed */
	bool ran;
	char notify[BM_NOTIFY_SIZE]; /* as NOTIFY says it */
	uint64_t started_ms;
	uint64_t ended_ms;
	uint64_t pulse_ms; /* of the last progress */
	struct bm_sample samples[BM_RATE_SAMPLES];
	size_t sample_count;
	uint64_t times[BM_WHY_KINDS]; /* of the run, at the last pulse */
	uint64_t *server_times;       /* likewise of each server */
	char held_back[BM_HELD_BACK_MAX];
};

static inline struct bm_server *bm_campaign_server(const struct bm_campaign *campaign, size_t index)
{
	return campaign->by_index[index];
}

/* world.c: sends. */
enum bm_code bm_world_run(struct bm_campaign *campaign, struct bm_error *err) BM_MUST_CHECK;

/* rehearse.c: imagines that all is accepted. */
enum bm_code bm_rehearsal_run(struct bm_campaign *campaign, struct bm_error *err) BM_MUST_CHECK;

/* record.c: where outcomes and errors are written. */
void bm_campaign_record(struct bm_campaign *campaign, const struct bm_outcome *outcome);
void bm_campaign_log(struct bm_campaign *campaign, const struct bm_error *err);

/* Hands to the system what was written since the last time. A log that cannot be written is the campaign's failure. */
void bm_campaign_settle(struct bm_campaign *campaign);

/* progress.c */
void bm_campaign_take_sample(struct bm_campaign *campaign, uint64_t now_ms);

/* Tells the progress when it is time. */
void bm_campaign_pulse(struct bm_campaign *campaign, uint64_t now_ms);

/* When that is; UINT64_MAX: never. */
uint64_t bm_campaign_next_pulse(const struct bm_campaign *campaign);

#endif
