/* SPDX-License-Identifier: MIT */
/*
 * Sends a short text to a list and says what became of each recipient.
 *
 *	campaign HOST PORT LIST
 *
 * LIST is a file with an address on each line, or "-".
 */
#include <bulkmail/bulkmail.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

struct campaign {
	struct bm_message *message;
	struct bm_recipients *list;
	struct bm_servers *servers;
	struct bm_campaign *campaign;
};

static void print_outcome(void *user, const struct bm_outcome *outcome)
{
	(void)user;
	printf("%.*s: %s (%d %s)\n", (int)outcome->address_size, outcome->address, bm_outcome_name(outcome->kind),
		outcome->code, outcome->text);
}

static enum bm_code make_message(struct campaign *campaign, struct bm_error *err)
{
	static const char body[] = "Hello,\n\nthere is news.\n";
	struct bm_message_options options = BM_MESSAGE_OPTIONS_INIT;

	options.content = body;
	options.content_size = strlen(body);
	options.from = "News <news@example.org>";
	options.to = "readers@example.org";
	options.subject = "News";
	options.date = (uint64_t)time(NULL);
	options.message_id_seed[0] = (uint64_t)time(NULL); /* random numbers are better */
	return bm_message_new(&campaign->message, &options, err);
}

/* Several sets are several servers; the faster one gets more. */
static enum bm_code make_servers(struct campaign *campaign, const char *host, const char *port, struct bm_error *err)
{
	const struct bm_attribute attributes[] = {
		{"Smtp", host},
		{"Port", port},
		{"Domain", "example.org"},
		{"Tries", "3"},
		{"envelope_limit", "100"},
	};
	const struct bm_attribute_set set = {attributes, sizeof attributes / sizeof attributes[0]};

	return bm_servers_create(&campaign->servers, NULL, NULL, NULL, &set, 1, err);
}

static enum bm_code run(struct campaign *campaign, struct bm_error *err)
{
	struct bm_campaign_options options = BM_CAMPAIGN_OPTIONS_INIT;

	options.outcome = print_outcome;
	enum bm_code code =
		bm_campaign_new(&campaign->campaign, &options, campaign->list, campaign->message, campaign->servers, err);
	return code == BM_OK ? bm_campaign_run(campaign->campaign, err) : code;
}

int main(int argc, char **argv)
{
	struct campaign campaign = {NULL, NULL, NULL, NULL};
	struct bm_error err = BM_ERROR_INIT;

	if (argc != 4) {
		fprintf(stderr, "usage: %s HOST PORT LIST\n", argv[0]);
		return EXIT_FAILURE;
	}
	enum bm_code code = make_message(&campaign, &err);
	if (code == BM_OK)
		code = make_servers(&campaign, argv[1], argv[2], &err);
	if (code == BM_OK)
		code = bm_recipients_open(&campaign.list, argv[3], &err);
	if (code == BM_OK)
		code = run(&campaign, &err);
	if (code != BM_OK)
		fprintf(stderr, "%s: %s\n", err.id, err.text);

	/* what the campaign borrowed outlives it */
	bm_campaign_free(campaign.campaign);
	bm_servers_free(campaign.servers);
	bm_recipients_free(campaign.list);
	bm_message_free(campaign.message);
	return code == BM_OK ? EXIT_SUCCESS : EXIT_FAILURE;
}
