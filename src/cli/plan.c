/* SPDX-License-Identifier: MIT */
#include "cli/plan.h"

#include "cli/cli.h"

#include <inttypes.h>
#include <stdio.h>
#include <sysexits.h>

static void show_message(const struct setup *setup)
{
	printf("message: from <%s>, %" PRIu64 " octets a copy%s\n", bm_message_sender(setup->message),
		bm_message_size(setup->message, 0), bm_message_eight_bit(setup->message) ? ", needs 8BITMIME" : "");
}

static void show_counts(const struct bm_progress *end)
{
	printf("list: %" PRIu64 " records, %" PRIu64 " to be sent in %" PRIu64 " envelopes\n", end->records,
		end->outcomes[BM_OUTCOME_ACCEPTED], end->transactions);
	for (int kind = 0; kind < BM_OUTCOME_KINDS; kind++) {
		if (kind != BM_OUTCOME_ACCEPTED && end->outcomes[kind] > 0)
			printf("  %s: %" PRIu64 "\n", bm_outcome_name((enum bm_outcome_kind)kind), end->outcomes[kind]);
	}
}

static void show_servers(const struct bm_campaign *campaign)
{
	for (size_t i = 0; i < bm_campaign_server_count(campaign); i++) {
		struct bm_server_report report = bm_campaign_server_report(campaign, i);
		printf("server %s: %" PRIu64 " recipients in %" PRIu64 " envelopes\n", report.server, report.messages,
			report.transactions);
	}
}

static int show(struct setup *setup, struct bm_campaign *campaign)
{
	struct bm_error err = BM_ERROR_INIT;

	enum bm_code code = bm_campaign_rehearse(campaign, &err);
	struct bm_progress end = bm_campaign_progress(campaign);
	show_message(setup);
	show_counts(&end);
	show_servers(campaign);
	if (code != BM_OK) {
		cli_complain_error(&err);
		return cli_status(code);
	}
	return end.outcomes[BM_OUTCOME_ACCEPTED] == end.records ? EX_OK : CLI_NOT_ALL_ACCEPTED;
}

int plan_show(struct setup *setup)
{
	struct bm_campaign *campaign = NULL;
	struct bm_error err = BM_ERROR_INIT;

	if (bm_campaign_new(&campaign, &setup->campaign, setup->list, setup->message, setup->servers, &err) != BM_OK) {
		cli_complain_error(&err);
		return cli_status(err.code);
	}
	int status = show(setup, campaign);
	bm_campaign_free(campaign);
	return status;
}
