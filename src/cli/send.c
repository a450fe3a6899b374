/* SPDX-License-Identifier: MIT */
/* bulkmail send */
#include "cli/cli.h"
#include "cli/plan.h"
#include "cli/progress.h"
#include "cli/setup.h"
#include "cli/signals.h"

#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sysexits.h>
#include <unistd.h>

static const char help[] =
	"bulkmail send: hands a message to every recipient of a list.\n"
	"\n"
	"  --server HOST[:PORT]   a relay, or unix:/PATH; may be repeated\n"
	"  --conf FILE            conf file; may be repeated, the first is the most significant\n"
	"  --list FILE            one recipient a line, or a table (.csv, .tsv, .jsonl); - is standard input\n"
	"  --message FILE         a whole message (RFC 5322); its own headers stand\n"
	"  --body FILE            a bare body; the headers come from the options below\n"
	"  --from A --to A --sender A --reply-to A --subject S\n"
	"  --use-envelope 0|1     1: recipients of one domain share a transaction (default), 0: one each\n"
	"  --set NAME=VALUE       any attribute of bulkmail.conf(5); may be repeated\n"
	"  --no-journal           keep no journal (this version keeps none)\n"
	"  --outcomes FILE        what became of each recipient, one JSON object a line\n"
	"  --report FILE          counts, one JSON object\n"
	"  --dry-run              read everything, say what would go where, connect to nothing\n"
	"  --quiet                no progress, no summary\n"
	"\n"
	"Exit status: 0 every recipient accepted, 1 finished but some were not, 64 usage, 65 bad list or message,\n"
	"66 a file is missing, 69 no usable server, 74 a file cannot be written, 75 stopped or temporary failures left,\n"
	"78 conf error.\n"
	"\n"
	"TLS and login are attributes: tls, tls_wrapper, tls_ca_file, tls_pin, user, password_file, password_command,\n"
	"auth (see TLS and LOGGING IN in bulkmail.conf(5)). Ports 587 and 465 and a user ask for a verified server.\n"
	"\n"
	"Example: bulkmail send --server relay.example --list people.txt --message news.eml --outcomes news.jsonl\n"
	"         bulkmail send --server mail.example:587 --set user=me --set password_file=/home/me/.password \\\n"
	"                       --list people.txt --message news.eml\n";

/* What the outcome callback needs. */
struct recorder {
	struct bm_outcomes *outcomes; /* NULL: no file */
	struct bm_campaign *campaign;
	struct progress *progress;
	struct bm_error failure;
};

/* Without an outcomes file a recipient in doubt is at least named here. */
static void name_in_doubt(const struct recorder *recorder, const struct bm_outcome *outcome)
{
	if (outcome->kind != BM_OUTCOME_IN_DOUBT || recorder->outcomes != NULL)
		return;
	progress_clear(recorder->progress);
	fprintf(stderr, "bulkmail: in doubt: record %" PRIu64 ", ", outcome->seq);
	cli_show(stderr, outcome->address, outcome->address_size);
	fprintf(stderr, ", at %s\n", outcome->server);
}

static void record(void *user, const struct bm_outcome *outcome)
{
	struct recorder *recorder = user;

	name_in_doubt(recorder, outcome);
	if (recorder->outcomes == NULL || recorder->failure.code != BM_OK)
		return;
	/* Whoever cannot write down what it does must not go on doing it. */
	if (bm_outcomes_write(recorder->outcomes, outcome, &recorder->failure) != BM_OK)
		bm_campaign_stop(recorder->campaign);
}

/* So that a kill -9 costs the file one transaction at the most. */
static void settled(void *user)
{
	struct recorder *recorder = user;

	if (recorder->outcomes == NULL || recorder->failure.code != BM_OK)
		return;
	if (bm_outcomes_flush(recorder->outcomes, &recorder->failure) != BM_OK)
		bm_campaign_stop(recorder->campaign);
}

static void stop(void *user)
{
	bm_campaign_stop(user);
}

static void summarize(const struct bm_campaign *campaign)
{
	struct bm_progress end = bm_campaign_progress(campaign);

	fprintf(stderr, "bulkmail: %" PRIu64 " recipients:", end.records);
	for (int kind = 0; kind < BM_OUTCOME_KINDS; kind++) {
		if (end.outcomes[kind] > 0 || kind == BM_OUTCOME_ACCEPTED)
			fprintf(stderr, "%s %" PRIu64 " %s", kind == 0 ? "" : ",", end.outcomes[kind],
				bm_outcome_name((enum bm_outcome_kind)kind));
	}
	fprintf(stderr, "; %" PRIu64 " transactions, %.1f s\n", end.transactions, (double)end.elapsed_ms / 1000.0);
	if (!bm_campaign_list_complete(campaign))
		cli_complain("the list was not read to its end: what follows record %" PRIu64 " was not sent", end.records);
}

/* The exit status of a campaign that ran. */
static int status_of(const struct bm_campaign *campaign, enum bm_code code)
{
	struct bm_progress end = bm_campaign_progress(campaign);

	if (code != BM_OK)
		return cli_status(code);
	if (end.outcomes[BM_OUTCOME_DEFERRED] > 0)
		return EX_TEMPFAIL;
	return end.outcomes[BM_OUTCOME_ACCEPTED] == end.records ? EX_OK : CLI_NOT_ALL_ACCEPTED;
}

static const char *state_of(enum bm_code code, const struct bm_error *err)
{
	return code == BM_OK ? "finished" : err->text;
}

static int finish(
	struct recorder *recorder, const struct send_options *options, enum bm_code code, const struct bm_error *err)
{
	struct bm_error failure = BM_ERROR_INIT;
	int status = status_of(recorder->campaign, code);

	progress_clear(recorder->progress);
	if (code != BM_OK)
		cli_complain_error(err);
	if (recorder->failure.code == BM_OK && recorder->outcomes != NULL) {
		enum bm_code flushed = bm_outcomes_flush(recorder->outcomes, &recorder->failure);
		(void)flushed;
	}
	if (recorder->failure.code != BM_OK) {
		cli_complain_error(&recorder->failure);
		status = cli_status(recorder->failure.code);
	}
	if (options->report != NULL &&
		bm_report_write(recorder->campaign, state_of(code, err), options->report, &failure) != BM_OK) {
		cli_complain_error(&failure);
		status = cli_status(failure.code);
	}
	if (!options->quiet)
		summarize(recorder->campaign);
	return status;
}

static int run(const struct setup *setup, const struct bm_campaign_options *campaign,
	const struct send_options *options, struct recorder *recorder)
{
	struct signals signals = {0};
	struct bm_error err = BM_ERROR_INIT;

	if (bm_campaign_new(&recorder->campaign, campaign, setup->list, setup->message, setup->servers, &err) != BM_OK) {
		cli_complain_error(&err);
		return cli_status(err.code);
	}
	if (!signals_start(&signals, stop, recorder->campaign)) {
		cli_complain("no thread to wait for signals");
		return EX_OSERR;
	}
	enum bm_code code = bm_campaign_run(recorder->campaign, &err);
	signals_stop(&signals);
	return finish(recorder, options, code, &err);
}

/* Found out before anything is sent: the report itself is written at the end. */
static int check_report_path(const char *path)
{
	char folder[PATH_MAX];
	struct stat status;

	if (path == NULL || strcmp(path, "-") == 0)
		return 0;
	const char *slash = strrchr(path, '/');
	int size = slash == NULL ? 1 : slash == path ? 1 : (int)(slash - path);
	snprintf(folder, sizeof folder, "%.*s", size, slash == NULL ? "." : path);
	bool is_folder = stat(path, &status) == 0 && S_ISDIR(status.st_mode);
	if (!is_folder && access(folder, W_OK | X_OK) == 0)
		return 0;
	cli_complain("MB702: cannot write %s: %s", path, strerror(is_folder ? EISDIR : errno));
	return EX_IOERR;
}

static int send_campaign(const struct setup *setup, const struct send_options *options)
{
	struct progress progress;
	struct recorder recorder = {.progress = &progress};
	struct bm_campaign_options campaign = setup->campaign;
	struct bm_error err = BM_ERROR_INIT;

	int status = check_report_path(options->report);
	if (status != 0)
		return status;
	progress_init(&progress);
	campaign.outcome = record;
	campaign.settled = settled;
	campaign.outcome_user = &recorder;
	campaign.progress = options->quiet ? NULL : progress_show;
	campaign.progress_user = &progress;
	campaign.progress_ms = progress_interval_ms(&progress);
	if (options->outcomes != NULL && bm_outcomes_open(&recorder.outcomes, options->outcomes, &err) != BM_OK) {
		cli_complain_error(&err);
		return cli_status(err.code);
	}
	status = run(setup, &campaign, options, &recorder);
	bm_campaign_free(recorder.campaign);
	bm_outcomes_free(recorder.outcomes);
	return status;
}

int cli_send(int argc, char **argv)
{
	struct send_options options;
	struct setup setup = {0};

	int status = send_options_parse(&options, "send", argc, argv);
	if (status == 0 && (options.help || options.version)) {
		send_options_deinit(&options);
		return options.help ? cli_help(help) : cli_version();
	}
	if (status == 0)
		status = setup_init(&setup, &options);
	if (status == 0)
		status = options.dry_run ? plan_show(&setup) : send_campaign(&setup, &options);
	setup_deinit(&setup);
	send_options_deinit(&options);
	return status;
}
