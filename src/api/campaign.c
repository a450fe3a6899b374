/* SPDX-License-Identifier: MIT */
/* The campaign as an object: made, run or rehearsed, stopped, freed. */
#include "api/campaign.h"

#include "base/error.h"
#include "net/clock.h"
#include "store/journal_memory.h"
#include "store/recipients.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

static const char *const outcome_names[BM_OUTCOME_KINDS] = {
	[BM_OUTCOME_ACCEPTED] = "accepted",
	[BM_OUTCOME_REFUSED] = "refused",
	[BM_OUTCOME_DEFERRED] = "deferred",
	[BM_OUTCOME_INVALID] = "invalid",
	[BM_OUTCOME_DUPLICATE] = "duplicate",
	[BM_OUTCOME_BANNED] = "banned",
	[BM_OUTCOME_IN_DOUBT] = "in_doubt",
	[BM_OUTCOME_UNSENT] = "unsent",
};

const char *bm_outcome_name(enum bm_outcome_kind kind)
{
	size_t index = (size_t)kind;
	return index < BM_OUTCOME_KINDS ? outcome_names[index] : "unknown";
}

static uint64_t port_now(void *user)
{
	(void)user;
	return bm_clock_monotonic_ms();
}

static const struct bm_server_options *port_options(void *user, size_t server)
{
	return &bm_campaign_server(user, server)->options;
}

/* What the engine asks for before the campaign begins. */
static struct bm_port port_before(struct bm_campaign *campaign)
{
	struct bm_port port = {.user = campaign, .now_ms = port_now, .options = port_options};
	return port;
}

static void lend_errfile(struct bm_campaign *campaign, struct bm_log *errfile)
{
	for (size_t i = 0; i < bm_servers_count(campaign->servers); i++)
		bm_campaign_server(campaign, i)->lent_errfile = errfile;
}

static enum bm_code read_banned(struct bm_campaign *campaign, struct bm_error *err)
{
	struct bm_recipients *lines = NULL;
	struct bm_record record = {.text = ""};

	if (campaign->options.banned == NULL)
		return BM_OK;
	enum bm_code code = bm_recipients_open(&lines, campaign->options.banned, err);
	if (code != BM_OK && err != NULL && err->system_errno != 0)
		return bm_error_set_errno(err, code, "MB702", err->system_errno, "cannot open the file of banned addresses %s",
			campaign->options.banned);
	while (code == BM_OK && record.text != NULL) {
		code = bm_recipients_next(lines, &record, err);
		if (code != BM_OK || record.text == NULL)
			break;
		code = bm_run_ban(&campaign->run, bm_span_make(record.text, record.size));
		if (code == BM_E_NOMEM)
			bm_error_nomem(err);
		if (code == BM_E_ADDRESS) {
			char shown[128];
			bm_escape(shown, sizeof shown, record.text, record.size);
			bm_error_set(err, BM_E_LIST, "MB007", "%s, entry %llu: found \"%s\", expected an address or a domain",
				campaign->options.banned, (unsigned long long)record.seq, shown);
			code = BM_E_LIST;
		}
	}
	bm_recipients_free(lines);
	return code;
}

static enum bm_code fill_notification(struct bm_campaign *campaign, struct bm_run_options *run, struct bm_error *err)
{
	static const char *const plain[] = {"email"};
	const struct bm_campaign_options *options = &campaign->options;
	enum bm_code code = BM_OK;

	if (options->notify != NULL && !bm_notify_parse(options->notify, campaign->notify))
		return bm_error_set(err, BM_E_CONF, "MBO003",
			"notify: expected never, or success, failure and delay joined by commas or blanks");
	run->notify = options->notify == NULL ? NULL : campaign->notify;
	if (options->ret != NULL)
		run->ret = strcmp(options->ret, "hdrs") == 0 ? "HDRS" : "FULL";
	run->envid = options->envid;
	if (options->envid != NULL)
		code = bm_recipients_columns(campaign->recipients, &run->columns, &run->column_count, err);
	if (run->columns == NULL) {
		run->columns = plain;
		run->column_count = 1;
	}
	return code;
}

static enum bm_code prepare_servers(struct bm_campaign *campaign, struct bm_error *err)
{
	enum bm_code code = BM_OK;

	for (size_t i = 0; code == BM_OK && i < bm_servers_count(campaign->servers); i++) {
		struct bm_server *server = bm_campaign_server(campaign, i);
		bm_server_require_tls(server, campaign->options.require_tls);
		code = bm_server_prepare(server, err);
	}
	return code;
}

static enum bm_code start_run(struct bm_campaign *campaign, struct bm_error *err)
{
	const struct bm_campaign_options *options = &campaign->options;
	size_t servers = bm_servers_count(campaign->servers);
	struct bm_run_options run = {
		.use_envelope = options->use_envelope,
		.trust_email = options->trust_email,
		.trust_duplicates = options->trust_duplicates,
		.trust_banned = options->trust_banned,
		.retry_delay_ms = options->retry_delay * 1000,
		.retry_delay_max_ms = options->retry_delay_max * 1000,
		.require_tls = options->require_tls,
	};

	if (getrandom(run.hash_key, sizeof run.hash_key, 0) != (ssize_t)sizeof run.hash_key)
		return bm_error_set_errno(err, BM_E_IO, "", errno, "no random numbers");
	campaign->by_index = calloc(servers, sizeof *campaign->by_index);
	campaign->server_times = calloc(servers * BM_WHY_KINDS, sizeof *campaign->server_times);
	if (campaign->by_index == NULL || campaign->server_times == NULL)
		return bm_error_nomem(err);
	for (size_t i = 0; i < servers; i++)
		campaign->by_index[i] = bm_servers_at(campaign->servers, i);
	enum bm_code code = fill_notification(campaign, &run, err);
	if (code == BM_OK)
		code = prepare_servers(campaign, err);
	if (code != BM_OK)
		return code;
	return bm_run_init(&campaign->run, &run, &campaign->port, campaign->message, campaign->journal, servers, err);
}

enum bm_code bm_campaign_new(struct bm_campaign **out, const struct bm_campaign_options *options,
	struct bm_recipients *recipients, const struct bm_message *message, struct bm_servers *servers,
	struct bm_error *err)
{
	struct bm_campaign_options wanted = BM_CAMPAIGN_OPTIONS_INIT;

	*out = NULL;
	if (bm_servers_count(servers) == 0)
		return bm_error_set(err, BM_E_NO_SERVER, "MB011", "no servers: name one by --server or Smtp in a server file");
	if (recipients == NULL)
		return bm_error_set(err, BM_E_USAGE, "MB701", "a campaign needs a list, got NULL");
	if (message == NULL)
		return bm_error_set(err, BM_E_USAGE, "MB016", "a campaign needs a message, got NULL");
	if (options != NULL)
		memcpy(&wanted, options, options->size < sizeof wanted ? options->size : sizeof wanted);
	struct bm_campaign *campaign = calloc(1, sizeof *campaign);
	if (campaign == NULL)
		return bm_error_nomem(err);
	campaign->options = wanted;
	campaign->recipients = recipients;
	campaign->message = message;
	campaign->servers = servers;
	campaign->port = port_before(campaign);
	snprintf(campaign->held_back, sizeof campaign->held_back, "reading the list");
	enum bm_code code = bm_waker_new(&campaign->waker, err);
	if (code == BM_OK)
		code = bm_journal_memory_new(&campaign->journal, err);
	if (code == BM_OK)
		code = start_run(campaign, err);
	if (code == BM_OK)
		code = read_banned(campaign, err);
	if (code != BM_OK) {
		bm_campaign_free(campaign);
		return code;
	}
	*out = campaign;
	return BM_OK;
}

/* What a campaign tells of its servers is what they did for it. */
static void count_anew(struct bm_campaign *campaign)
{
	for (size_t i = 0; i < bm_servers_count(campaign->servers); i++) {
		struct bm_server *server = bm_campaign_server(campaign, i);
		server->connections = 0;
		server->in_clear = false;
		server->tls_worked = false;
		memset(server->replies, 0, sizeof server->replies);
	}
}

static enum bm_code check_unused(struct bm_campaign *campaign, struct bm_error *err)
{
	if (campaign->ran)
		return bm_error_set(err, BM_E_USAGE, "", "a campaign runs once");
	campaign->ran = true;
	return BM_OK;
}

enum bm_code bm_campaign_run(struct bm_campaign *campaign, struct bm_error *err)
{
	struct bm_error inner = BM_ERROR_INIT;

	if (err == NULL)
		err = &inner;
	if (check_unused(campaign, err) != BM_OK)
		return BM_E_USAGE;
	campaign->started_ms = bm_clock_monotonic_ms();
	campaign->pulse_ms = campaign->started_ms;
	bm_campaign_take_sample(campaign, campaign->started_ms);
	count_anew(campaign);
	lend_errfile(campaign, campaign->options.errfile);
	enum bm_code code = bm_world_run(campaign, err);
	lend_errfile(campaign, NULL);
	campaign->ended_ms = bm_clock_monotonic_ms();
	if (code != BM_OK)
		bm_campaign_log(campaign, err);
	if (campaign->failure.code == BM_OK || bm_waker_count(campaign->waker) > 0)
		return code;
	*err = campaign->failure;
	return campaign->failure.code;
}

enum bm_code bm_campaign_rehearse(struct bm_campaign *campaign, struct bm_error *err)
{
	size_t count = bm_servers_count(campaign->servers);
	struct bm_error inner = BM_ERROR_INIT;

	if (err == NULL)
		err = &inner;
	if (check_unused(campaign, err) != BM_OK)
		return BM_E_USAGE;
	struct bm_policy *policies = calloc(count, sizeof *policies);
	if (policies == NULL)
		return bm_error_nomem(err);
	for (size_t i = 0; i < count; i++)
		policies[i] = bm_campaign_server(campaign, i)->policy;
	count_anew(campaign);
	enum bm_code code = bm_rehearsal_run(campaign, err);
	/* Nothing was sent: no limit was spent and nobody failed. */
	for (size_t i = 0; i < count; i++)
		bm_campaign_server(campaign, i)->policy = policies[i];
	free(policies);
	return code;
}

void bm_campaign_stop(struct bm_campaign *campaign)
{
	bm_waker_wake(campaign->waker);
}

size_t bm_campaign_server_count(const struct bm_campaign *campaign)
{
	return bm_servers_count(campaign->servers);
}

bool bm_campaign_list_complete(const struct bm_campaign *campaign)
{
	return campaign->run.list_complete;
}

void bm_campaign_free(struct bm_campaign *campaign)
{
	if (campaign == NULL)
		return;
	bm_run_deinit(&campaign->run);
	bm_journal_free(campaign->journal);
	bm_waker_free(campaign->waker);
	free(campaign->by_index);
	free(campaign->server_times);
	free(campaign);
}
