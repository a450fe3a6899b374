/* SPDX-License-Identifier: MIT */
/* The campaign as an object: it lends the engine the list, the servers, the clock and the logs. */
#include "bulkmail/campaign.h"

#include "api/server.h"
#include "base/error.h"
#include "engine/run.h"
#include "net/clock.h"
#include "net/wait.h"
#include "store/recipients.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#define RATE_SAMPLES 8
#define HELD_BACK_MAX 400

struct sample {
	uint64_t at_ms;
	uint64_t done;
};

struct bm_campaign {
	struct bm_campaign_options options;
	struct bm_recipients *recipients;
	const struct bm_message *message;
	struct bm_servers *servers;
	struct bm_waker *waker;
	struct bm_port port;
	struct bm_run run;
	struct bm_error failure; /* a log or outcome that could not be written */
	uint64_t started_ms;
	uint64_t ended_ms;
	uint64_t pulse_ms;      /* of the last progress */
	uint64_t list_until_ms; /* how long the list is waited for */
	bool ran;
	struct sample samples[RATE_SAMPLES];
	size_t sample_count;
	char held_back[HELD_BACK_MAX];
	bool *rehearsed; /* by server: it would be connected; NULL outside of a rehearsal */
};

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

static struct bm_server *server_at(struct bm_campaign *campaign, size_t index)
{
	return bm_servers_at(campaign->servers, index);
}

static void take_sample(struct bm_campaign *campaign, uint64_t now_ms)
{
	if (campaign->sample_count == RATE_SAMPLES) {
		memmove(campaign->samples, campaign->samples + 1, (RATE_SAMPLES - 1) * sizeof campaign->samples[0]);
		campaign->sample_count--;
	}
	campaign->samples[campaign->sample_count++] = (struct sample){now_ms, campaign->run.done};
}

static void pulse(void *user)
{
	struct bm_campaign *campaign = user;
	uint64_t now_ms = bm_clock_monotonic_ms();

	if (campaign->options.progress == NULL || now_ms - campaign->pulse_ms < campaign->options.progress_ms)
		return;
	campaign->pulse_ms = now_ms;
	take_sample(campaign, now_ms);
	struct bm_progress progress = bm_campaign_progress(campaign);
	campaign->options.progress(campaign->options.progress_user, &progress);
}

static void held_back(struct bm_campaign *campaign, const char *why, size_t index)
{
	const struct bm_server *server = server_at(campaign, index);
	snprintf(campaign->held_back, sizeof campaign->held_back, "%s%s%s", why, server == NULL ? "" : " ",
		server == NULL ? "" : server->name);
}

static uint64_t port_now(void *user)
{
	(void)user;
	return bm_clock_monotonic_ms();
}

static uint64_t port_wall(void *user)
{
	(void)user;
	return bm_clock_wall_ms();
}

static unsigned port_stops(void *user)
{
	struct bm_campaign *campaign = user;
	unsigned asked = bm_waker_count(campaign->waker);
	/* Whoever cannot write down what it does must not go on doing it. */
	return asked == 0 && campaign->failure.code != BM_OK ? 1 : asked;
}

static uint64_t earlier(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

/* In slices, so that the progress line goes on. */
static void port_sleep(void *user, uint64_t until_ms, const char *why, size_t index)
{
	struct bm_campaign *campaign = user;
	uint64_t now_ms = bm_clock_monotonic_ms();

	held_back(campaign, why, index);
	while (now_ms < until_ms && port_stops(user) == 0) {
		bm_waker_sleep(campaign->waker, earlier(now_ms + BM_DRIVER_PULSE_MS, until_ms));
		pulse(campaign);
		now_ms = bm_clock_monotonic_ms();
	}
}

/* A list from a pipe may be silent for long: the progress line goes on, and a stop ends the wait. */
static bool await_list(void *user, int fd)
{
	struct bm_campaign *campaign = user;
	enum bm_wait ended = BM_WAIT_EXPIRED;

	held_back(campaign, "the list", SIZE_MAX);
	while (ended == BM_WAIT_EXPIRED && port_stops(campaign) == 0) {
		uint64_t now_ms = bm_clock_monotonic_ms();
		uint64_t slice_end = now_ms + BM_DRIVER_PULSE_MS;
		pulse(campaign);
		ended = bm_wait(fd, POLLIN, earlier(slice_end, campaign->list_until_ms), campaign->waker);
		if (ended == BM_WAIT_EXPIRED && now_ms >= campaign->list_until_ms)
			return false;
	}
	return port_stops(campaign) == 0;
}

static enum bm_code port_next(void *user, struct bm_record *record, uint64_t until_ms, struct bm_error *err)
{
	struct bm_campaign *campaign = user;

	campaign->list_until_ms = until_ms;
	enum bm_code code = bm_recipients_next(campaign->recipients, record, err);
	return code == BM_E_STOPPED && port_stops(campaign) == 0 ? BM_E_TIMEOUT : code;
}

static bool port_finite(void *user)
{
	struct bm_campaign *campaign = user;
	return bm_recipients_finite(campaign->recipients);
}

static struct bm_policy *port_policy(void *user, size_t index)
{
	return &server_at(user, index)->policy;
}

static const struct bm_server_options *port_options(void *user, size_t index)
{
	return &server_at(user, index)->options;
}

/* Fetches what an idle server may have said; true while the session lives. */
static bool port_connected(void *user, size_t index)
{
	struct bm_server *server = server_at(user, index);
	struct bm_smtp_event event;

	if (!bm_server_connected(server))
		return false;
	if (!bm_server_has_ended(server, &event))
		return true;
	bm_server_drop(server);
	return false;
}

static void port_log(void *user, const struct bm_error *err)
{
	struct bm_campaign *campaign = user;
	/* ERRFILE itself cannot be complained about anywhere. */
	enum bm_code code = bm_log_error(campaign->options.errfile, err);
	(void)code;
}

static enum bm_code port_connect(void *user, size_t index, struct bm_error *err)
{
	struct bm_campaign *campaign = user;
	struct bm_server *server = server_at(campaign, index);

	held_back(campaign, "connecting to", index);
	enum bm_code code = bm_server_connect(server, err);
	if (code != BM_OK)
		return code;
	if (bm_message_eight_bit(campaign->message) && !bm_smtp_capabilities(server->smtp)->eight_bit_mime) {
		bm_server_disconnect(server, false);
		return bm_error_set(err, BM_E_UNSUPPORTED, "",
			"%s does not offer 8BITMIME, and the message holds octets above 127: it is not used", server->name);
	}
	return BM_OK;
}

static void port_disconnect(void *user, size_t index)
{
	bm_server_disconnect(server_at(user, index), false);
}

static uint64_t port_errors(void *user, size_t index)
{
	return server_at(user, index)->errors;
}

/* Fetches events until the transaction or the session is over. */
static enum bm_code finish(struct bm_server *server, bm_port_result_fn *result, void *result_user, struct bm_error *err)
{
	struct bm_driver driver = bm_server_driver(server);
	struct bm_smtp_event event = {.kind = BM_SMTP_READY};
	bool stopped = false;
	bool complete = false;

	for (;;) {
		bool fetched = bm_smtp_next_event(server->smtp, &event);
		if (!fetched && complete)
			return BM_OK;
		if (!fetched && bm_driver_next(&driver, &event) != BM_OK) {
			/* Asked to stop at once: the machine says what that leaves in doubt. */
			bm_smtp_lost(server->smtp, "stopped", bm_clock_monotonic_ms());
			stopped = true;
			continue;
		}
		bm_server_note(server, &event);
		if (event.kind == BM_SMTP_RECIPIENT)
			result(result_user, &event);
		complete = complete || event.kind == BM_SMTP_TRANSACTION;
		if (event.kind != BM_SMTP_CLOSED)
			continue;
		/* Every result was given, whatever ended it. */
		bm_server_end_error(server, &event, err);
		bm_server_drop(server);
		return stopped ? BM_E_STOPPED : BM_E_CLOSED;
	}
}

/* A log that cannot be written ends the campaign. */
static void note_failure(struct bm_campaign *campaign, const struct bm_error *err)
{
	campaign->failure = *err;
	port_log(campaign, err);
}

static void flush_logs(struct bm_campaign *campaign)
{
	struct bm_log *logs[] = {campaign->options.good, campaign->options.bad};

	for (size_t i = 0; i < sizeof logs / sizeof logs[0]; i++) {
		struct bm_error err = BM_ERROR_INIT;
		if (logs[i] != NULL && bm_log_flush(logs[i], &err) != BM_OK)
			note_failure(campaign, &err);
	}
}

static enum bm_code port_transact(void *user, size_t index, const struct bm_smtp_transaction *transaction,
	bm_port_result_fn *result, void *result_user, struct bm_error *err)
{
	struct bm_campaign *campaign = user;
	struct bm_server *server = server_at(campaign, index);

	if (!bm_server_connected(server))
		return bm_error_set(err, BM_E_CONNECT, "", "%s: the connection is gone", server->name);
	enum bm_code code = bm_smtp_submit(server->smtp, transaction, bm_clock_monotonic_ms(), err);
	if (code != BM_OK)
		return code;
	held_back(campaign, "the replies of", index);
	code = finish(server, result, result_user, err);
	flush_logs(campaign);
	if (campaign->options.settled != NULL)
		campaign->options.settled(campaign->options.outcome_user);
	return code;
}

static void log_record(struct bm_campaign *campaign, struct bm_log *log, const struct bm_outcome *outcome)
{
	if (log == NULL)
		return;
	struct bm_error err = BM_ERROR_INIT;
	if (bm_log_write(log, outcome->record, outcome->record_size, &err) != BM_OK)
		note_failure(campaign, &err);
}

/* What a server did not take is an error as well. */
static void log_failure(struct bm_campaign *campaign, const struct bm_outcome *outcome, const char *id)
{
	char address[128];
	char code[16] = "";
	struct bm_error err;

	bm_escape(address, sizeof address, outcome->address, outcome->address_size);
	if (outcome->code != 0)
		snprintf(code, sizeof code, "%d ", outcome->code);
	bm_error_set(&err, BM_E_REFUSED, id, "record %llu, %s: %s%s%s: %s%s", (unsigned long long)outcome->seq, address,
		bm_outcome_name(outcome->kind), outcome->server[0] == '\0' ? "" : ", ", outcome->server, code, outcome->text);
	port_log(campaign, &err);
}

static void port_outcome(void *user, const struct bm_outcome *outcome)
{
	struct bm_campaign *campaign = user;

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

static const char *port_server_name(void *user, size_t index)
{
	return server_at(user, index)->name;
}

static void rehearse_sleep(void *user, uint64_t until_ms, const char *why, size_t index)
{
	(void)user;
	(void)until_ms;
	(void)why;
	(void)index;
}

static bool rehearse_connected(void *user, size_t index)
{
	struct bm_campaign *campaign = user;
	return campaign->rehearsed[index];
}

static enum bm_code rehearse_connect(void *user, size_t index, struct bm_error *err)
{
	struct bm_campaign *campaign = user;
	struct bm_server *server = server_at(campaign, index);

	enum bm_code code = bm_server_check_worth(server, err);
	if (code != BM_OK)
		return code;
	campaign->rehearsed[index] = true;
	bm_policy_connected(&server->policy);
	server->connections++;
	return BM_OK;
}

static void rehearse_disconnect(void *user, size_t index)
{
	struct bm_campaign *campaign = user;
	campaign->rehearsed[index] = false;
}

static enum bm_code rehearse_transact(void *user, size_t index, const struct bm_smtp_transaction *transaction,
	bm_port_result_fn *result, void *result_user, struct bm_error *err)
{
	struct bm_smtp_event event = {.kind = BM_SMTP_RECIPIENT, .disposition = BM_SMTP_ACCEPTED};

	(void)user;
	(void)index;
	(void)err;
	for (event.recipient = 0; event.recipient < transaction->recipient_count; event.recipient++)
		result(result_user, &event);
	return BM_OK;
}

static void rehearse_outcome(void *user, const struct bm_outcome *outcome)
{
	(void)user;
	(void)outcome;
}

static void rehearse(struct bm_port *port)
{
	port->sleep = rehearse_sleep;
	port->connected = rehearse_connected;
	port->connect = rehearse_connect;
	port->disconnect = rehearse_disconnect;
	port->transact = rehearse_transact;
	port->outcome = rehearse_outcome;
}

static struct bm_port make_port(struct bm_campaign *campaign)
{
	struct bm_port port = {
		.user = campaign,
		.now_ms = port_now,
		.wall_ms = port_wall,
		.sleep = port_sleep,
		.stops = port_stops,
		.next_record = port_next,
		.finite = port_finite,
		.policy = port_policy,
		.options = port_options,
		.connected = port_connected,
		.connect = port_connect,
		.disconnect = port_disconnect,
		.errors = port_errors,
		.transact = port_transact,
		.outcome = port_outcome,
		.log = port_log,
		.server_name = port_server_name,
		.pulse = pulse,
	};
	return port;
}

static void lend_waker(struct bm_campaign *campaign, bool lend)
{
	for (size_t i = 0; i < bm_servers_count(campaign->servers); i++) {
		struct bm_server *server = server_at(campaign, i);
		server->waker = lend ? campaign->waker : NULL;
		server->patience = 1; /* the first stop lets the running envelope finish */
		server->pulse = lend ? pulse : NULL;
		server->pulse_user = campaign;
		server->lent_errfile = lend ? campaign->options.errfile : NULL;
	}
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

static enum bm_code start_run(struct bm_campaign *campaign, struct bm_error *err)
{
	const struct bm_campaign_options *options = &campaign->options;
	struct bm_run_options run = {
		.use_envelope = options->use_envelope,
		.trust_email = options->trust_email,
		.trust_duplicates = options->trust_duplicates,
		.trust_banned = options->trust_banned,
		.retry_delay_ms = options->retry_delay * 1000,
		.retry_delay_max_ms = options->retry_delay_max * 1000,
	};

	if (getrandom(run.hash_key, sizeof run.hash_key, 0) != (ssize_t)sizeof run.hash_key)
		return bm_error_set_errno(err, BM_E_IO, "", errno, "no random numbers");
	return bm_run_init(
		&campaign->run, &run, &campaign->port, campaign->message, bm_servers_count(campaign->servers), err);
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
	campaign->port = make_port(campaign);
	snprintf(campaign->held_back, sizeof campaign->held_back, "reading the list");
	enum bm_code code = bm_waker_new(&campaign->waker, err);
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
		struct bm_server *server = server_at(campaign, i);
		server->connections = 0;
		memset(server->replies, 0, sizeof server->replies);
	}
}

enum bm_code bm_campaign_run(struct bm_campaign *campaign, struct bm_error *err)
{
	struct bm_error inner = BM_ERROR_INIT;

	if (err == NULL)
		err = &inner;
	if (campaign->ran)
		return bm_error_set(err, BM_E_USAGE, "", "a campaign runs once");
	campaign->ran = true;
	campaign->started_ms = bm_clock_monotonic_ms();
	campaign->pulse_ms = campaign->started_ms;
	take_sample(campaign, campaign->started_ms);
	count_anew(campaign);
	lend_waker(campaign, true);
	bm_recipients_set_wait(campaign->recipients, await_list, campaign);
	enum bm_code code = bm_run_go(&campaign->run, err);
	flush_logs(campaign);
	bm_recipients_set_wait(campaign->recipients, NULL, NULL);
	lend_waker(campaign, false);
	campaign->ended_ms = bm_clock_monotonic_ms();
	if (code != BM_OK)
		port_log(campaign, err);
	if (campaign->failure.code == BM_OK || bm_waker_count(campaign->waker) > 0)
		return code;
	*err = campaign->failure;
	return campaign->failure.code;
}

enum bm_code bm_campaign_rehearse(struct bm_campaign *campaign, struct bm_error *err)
{
	size_t count = bm_servers_count(campaign->servers);

	free(campaign->rehearsed);
	campaign->rehearsed = calloc(count, sizeof *campaign->rehearsed);
	struct bm_policy *policies = calloc(count, sizeof *policies);
	if (campaign->rehearsed == NULL || policies == NULL) {
		free(policies);
		return bm_error_nomem(err);
	}
	for (size_t i = 0; i < count; i++)
		policies[i] = server_at(campaign, i)->policy;
	count_anew(campaign);
	rehearse(&campaign->port);
	enum bm_code code = bm_run_go(&campaign->run, err);
	/* Nothing was sent: no limit was spent and nobody failed. */
	for (size_t i = 0; i < count; i++)
		server_at(campaign, i)->policy = policies[i];
	free(policies);
	return code;
}

void bm_campaign_stop(struct bm_campaign *campaign)
{
	bm_waker_wake(campaign->waker);
}

static double recent_rate(const struct bm_campaign *campaign, uint64_t now_ms)
{
	if (campaign->sample_count == 0)
		return 0.0;
	struct sample first = campaign->samples[0];
	uint64_t elapsed_ms = now_ms - first.at_ms;
	return elapsed_ms == 0 ? 0.0 : (double)(campaign->run.done - first.done) * 1000.0 / (double)elapsed_ms;
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
	};
	memcpy(progress.outcomes, run->outcomes, sizeof progress.outcomes);
	return progress;
}

size_t bm_campaign_server_count(const struct bm_campaign *campaign)
{
	return bm_servers_count(campaign->servers);
}

struct bm_server_report bm_campaign_server_report(const struct bm_campaign *campaign, size_t index)
{
	const struct bm_server *server = bm_servers_at(campaign->servers, index);
	const struct bm_run_server *counted = &campaign->run.servers[index];
	struct bm_server_report report = {
		.server = server->name,
		.connections = server->connections,
		.transactions = counted->transactions,
		.messages = counted->messages,
	};
	return report;
}

uint64_t bm_campaign_server_replies(const struct bm_campaign *campaign, size_t index, int code)
{
	const struct bm_server *server = bm_servers_at(campaign->servers, index);
	return server == NULL || code < 0 || code >= BM_REPLY_CODES ? 0 : server->replies[code];
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
	free(campaign->rehearsed);
	bm_waker_free(campaign->waker);
	free(campaign);
}
