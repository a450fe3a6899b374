/* SPDX-License-Identifier: MIT */
/* What a campaign writes down: outcomes by their kinds, errors with their ids. */
#include "api/campaign.h"
#include "base/error.h"

#include <stdio.h>
#include <string.h>

void bm_campaign_log(struct bm_campaign *campaign, const struct bm_error *err)
{
	/* ERRFILE itself cannot be complained about anywhere. */
	enum bm_code code = bm_log_error(campaign->options.errfile, err);
	(void)code;
}

/* A log that cannot be written ends the campaign. */
static void note_failure(struct bm_campaign *campaign, const struct bm_error *err)
{
	campaign->failure = *err;
	bm_campaign_log(campaign, err);
}

void bm_campaign_settle(struct bm_campaign *campaign)
{
	struct bm_log *logs[] = {campaign->options.good, campaign->options.bad};

	if (!campaign->unsettled)
		return;
	campaign->unsettled = false;
	for (size_t i = 0; i < sizeof logs / sizeof logs[0]; i++) {
		struct bm_error err = BM_ERROR_INIT;
		if (logs[i] != NULL && bm_log_flush(logs[i], &err) != BM_OK)
			note_failure(campaign, &err);
	}
	if (campaign->options.settled != NULL)
		campaign->options.settled(campaign->options.outcome_user);
}

/* A record goes back as it came, to be a list again; but no log takes a control octet, which no address can hold. */
static bool has_control(const char *record, size_t size)
{
	for (size_t i = 0; i < size; i++) {
		unsigned char c = (unsigned char)record[i];
		if ((c < 0x20 && c != '\t' && c != '\r' && c != '\n') || c == 0x7f)
			return true;
	}
	return false;
}

static void log_record(struct bm_campaign *campaign, struct bm_log *log, const struct bm_outcome *outcome)
{
	struct bm_error err = BM_ERROR_INIT;
	char shown[4 * BM_RECORD_SIZE_MAX + 1];
	const char *line = outcome->record;
	size_t size = outcome->record_size;

	if (log == NULL)
		return;
	if (has_control(line, size)) {
		bm_escape(shown, sizeof shown, line, size);
		line = shown;
		size = strlen(shown);
	}
	if (bm_log_write(log, line, size, &err) != BM_OK)
		note_failure(campaign, &err);
}

/* What a server did not take is an error as well. */
static void log_failure(struct bm_campaign *campaign, const struct bm_outcome *outcome, const char *id)
{
	char address[128];
	char code[16] = "";
	struct bm_error err;

	if (campaign->options.errfile == NULL)
		return;
	bm_escape(address, sizeof address, outcome->address, outcome->address_size);
	if (outcome->code != 0)
		snprintf(code, sizeof code, "%d ", outcome->code);
	bm_error_set(&err, BM_E_REFUSED, id, "record %llu, %s: %s%s%s: %s%s", (unsigned long long)outcome->seq, address,
		bm_outcome_name(outcome->kind), outcome->server[0] == '\0' ? "" : ", ", outcome->server, code, outcome->text);
	bm_campaign_log(campaign, &err);
}

void bm_campaign_record(struct bm_campaign *campaign, const struct bm_outcome *outcome)
{
	campaign->unsettled = true;
	switch (outcome->kind) {
	case BM_OUTCOME_ACCEPTED:
		log_record(campaign, campaign->options.good, outcome);
		break;
	case BM_OUTCOME_INVALID:
	case BM_OUTCOME_DUPLICATE:
	case BM_OUTCOME_BANNED:
		log_record(campaign, campaign->options.bad, outcome);
		break;
	case BM_OUTCOME_REFUSED:
		log_failure(campaign, outcome, "MB051");
		break;
	case BM_OUTCOME_DEFERRED:
		log_failure(campaign, outcome, "MB052");
		break;
	case BM_OUTCOME_IN_DOUBT:
		log_failure(campaign, outcome, "MB053");
		break;
	case BM_OUTCOME_UNSENT:
		break;
	}
	if (campaign->options.outcome != NULL)
		campaign->options.outcome(campaign->options.outcome_user, outcome);
}
