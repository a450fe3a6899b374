/* SPDX-License-Identifier: MIT */
/* Outcomes and report as JSON. Octets that are no UTF-8 are shown escaped (\xHH): a line is always valid JSON. */
#include "bulkmail/outcomes.h"

#include "base/error.h"
#include "base/utf8.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

/* An invalid record stands for its address; every octet of it may be shown as four. */
#define SHOWN_MAX (4 * BM_RECORD_SIZE_MAX + 1)

struct bm_outcomes {
	FILE *file;
	bool ours; /* not standard output */
};

static FILE *create(const char *path)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	if (fd < 0)
		return NULL;
	FILE *file = fdopen(fd, "w");
	if (file == NULL)
		close(fd);
	return file;
}

enum bm_code bm_outcomes_open(struct bm_outcomes **out, const char *path, struct bm_error *err)
{
	*out = NULL;
	struct bm_outcomes *outcomes = calloc(1, sizeof *outcomes);
	if (outcomes == NULL)
		return bm_error_nomem(err);
	outcomes->ours = strcmp(path, "-") != 0;
	outcomes->file = outcomes->ours ? create(path) : stdout;
	if (outcomes->file == NULL) {
		int error = errno;
		free(outcomes);
		return bm_error_set_errno(err, BM_E_IO, "MB702", error, "cannot write %s", path);
	}
	*out = outcomes;
	return BM_OK;
}

/* Milliseconds since 1970 as RFC 3339 has them. */
static void format_time(char out[40], uint64_t at_ms)
{
	time_t seconds = (time_t)(at_ms / 1000);
	struct tm tm;

	gmtime_r(&seconds, &tm);
	size_t length = strftime(out, 40, "%Y-%m-%dT%H:%M:%S", &tm);
	snprintf(out + length, 40 - length, ".%03uZ", (unsigned)(at_ms % 1000));
}

/* What a line of JSON may hold and nobody should see is left to \uHHHH; DEL, which JSON has no need to escape, is not.
 */
static json_t *octets(const char *data, size_t size)
{
	char shown[SHOWN_MAX];

	if (bm_utf8_valid((const unsigned char *)data, size))
		return json_stringn(data, size);
	bm_escape(shown, sizeof shown, data, size);
	return json_string(shown);
}

/* Takes value. A member that is not there for want of memory makes the whole incomplete. */
static void put(json_t *json, const char *name, json_t *value, bool *whole)
{
	if (json_object_set_new(json, name, value) != 0)
		*whole = false;
}

static void put_count(json_t *json, const char *name, uint64_t count, bool *whole)
{
	put(json, name, json_integer((json_int_t)count), whole);
}

static json_t *outcome_json(const struct bm_outcome *outcome, bool *whole)
{
	char at[40];
	json_t *json = json_object();

	format_time(at, outcome->at_ms);
	put_count(json, "seq", outcome->seq, whole);
	put(json, "address", octets(outcome->address, outcome->address_size), whole);
	put(json, "outcome", json_string(bm_outcome_name(outcome->kind)), whole);
	put(json, "code", json_integer(outcome->code), whole);
	put(json, "enhanced", json_string(outcome->enhanced), whole);
	put(json, "text", octets(outcome->text, strlen(outcome->text)), whole);
	put(json, "server", octets(outcome->server, strlen(outcome->server)), whole);
	put_count(json, "attempts", outcome->attempts, whole);
	put(json, "at", json_string(at), whole);
	if (outcome->relayed)
		put(json, "relayed", json_true(), whole);
	return json;
}

static bool is_plain(const struct bm_outcome *outcome)
{
	return bm_is_printable(outcome->address, outcome->address_size) &&
		   bm_is_printable(outcome->text, strlen(outcome->text)) &&
		   bm_is_printable(outcome->server, strlen(outcome->server));
}

/* Everything but printable ASCII as \uHHHH, also DEL, which JSON need not escape. */
static bool dump_escaped(json_t *json, FILE *file)
{
	char *text = json_dumps(json, JSON_COMPACT | JSON_ENSURE_ASCII);
	bool written = text != NULL;

	for (const char *p = text; written && *p != '\0'; p++)
		written = (*p == 0x7f ? fputs("\\u007f", file) : fputc(*p, file)) != EOF;
	free(text);
	return written;
}

enum bm_code bm_outcomes_write(struct bm_outcomes *outcomes, const struct bm_outcome *outcome, struct bm_error *err)
{
	bool whole = true;
	json_t *json = outcome_json(outcome, &whole);

	bool written = whole && (is_plain(outcome) ? json_dumpf(json, outcomes->file, JSON_COMPACT) == 0
											   : dump_escaped(json, outcomes->file));
	written = written && fputc('\n', outcomes->file) != EOF;
	int error = errno;
	json_decref(json);
	if (!whole)
		return bm_error_nomem(err);
	return written ? BM_OK : bm_error_set_errno(err, BM_E_IO, "MBO005", error, "cannot write the outcomes");
}

enum bm_code bm_outcomes_flush(struct bm_outcomes *outcomes, struct bm_error *err)
{
	if (fflush(outcomes->file) == 0)
		return BM_OK;
	return bm_error_set_errno(err, BM_E_IO, "MBO005", errno, "cannot write the outcomes");
}

void bm_outcomes_free(struct bm_outcomes *outcomes)
{
	if (outcomes == NULL)
		return;
	if (outcomes->ours)
		fclose(outcomes->file);
	free(outcomes);
}

static json_t *replies_json(const struct bm_campaign *campaign, size_t index, bool *whole)
{
	json_t *replies = json_object();

	for (int code = 200; code < 600; code++) {
		char name[16];
		uint64_t count = bm_campaign_server_replies(campaign, index, code);
		snprintf(name, sizeof name, "%d", code);
		if (count > 0)
			put_count(replies, name, count, whole);
	}
	return replies;
}

/* Shares of the whole by reason, which sum to 1; 0 when nothing ran. */
static json_t *time_json(const struct bm_times *times, bool *whole)
{
	uint64_t sum =
		times->round_trips_us + times->replies_us + times->rate_us + times->list_us + times->cpu_us + times->rest_us;
	const struct {
		const char *name;
		uint64_t us;
	} rows[] = {{"round_trips", times->round_trips_us}, {"replies", times->replies_us}, {"rate", times->rate_us},
		{"list", times->list_us}, {"cpu", times->cpu_us}, {"rest", times->rest_us}};
	json_t *json = json_object();

	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
		put(json, rows[i].name, json_real(sum == 0 ? 0.0 : (double)rows[i].us / (double)sum), whole);
	return json;
}

static json_t *server_json(const struct bm_campaign *campaign, size_t index, bool *whole)
{
	struct bm_server_report report = bm_campaign_server_report(campaign, index);
	json_t *json = json_object();

	put(json, "server", octets(report.server, strlen(report.server)), whole);
	put_count(json, "connections", report.connections, whole);
	put_count(json, "transactions", report.transactions, whole);
	put_count(json, "messages", report.messages, whole);
	put(json, "time", time_json(&report.time, whole), whole);
	put(json, "replies", replies_json(campaign, index, whole), whole);
	return json;
}

static json_t *servers_json(const struct bm_campaign *campaign, bool *whole)
{
	json_t *servers = json_array();

	for (size_t i = 0; i < bm_campaign_server_count(campaign); i++) {
		if (json_array_append_new(servers, server_json(campaign, i, whole)) != 0)
			*whole = false;
	}
	return servers;
}

static json_t *report_json(const struct bm_campaign *campaign, const char *state, bool *whole)
{
	struct bm_progress progress = bm_campaign_progress(campaign);
	json_t *json = json_object();

	put(json, "state", octets(state, strlen(state)), whole);
	put(json, "list_complete", json_boolean(bm_campaign_list_complete(campaign)), whole);
	put_count(json, "recipients", progress.records, whole);
	for (int kind = 0; kind < BM_OUTCOME_KINDS; kind++)
		put_count(json, bm_outcome_name((enum bm_outcome_kind)kind), progress.outcomes[kind], whole);
	put_count(json, "transactions", progress.transactions, whole);
	put(json, "seconds", json_real((double)progress.elapsed_ms / 1000.0), whole);
	put(json, "time", time_json(&progress.time, whole), whole);
	put(json, "servers", servers_json(campaign, whole), whole);
	return json;
}

static enum bm_code dump(json_t *json, FILE *file, const char *path, struct bm_error *err)
{
	bool written = json_dumpf(json, file, JSON_INDENT(2) | JSON_REAL_PRECISION(6) | JSON_ENSURE_ASCII) == 0 &&
				   fputc('\n', file) != EOF && fflush(file) == 0;
	return written ? BM_OK : bm_error_set_errno(err, BM_E_IO, "MBO005", errno, "cannot write %s", path);
}

/* Beside the file first, then in its place: a report is whole or not there. */
static enum bm_code replace(json_t *json, const char *path, struct bm_error *err)
{
	char beside[4096];

	int length = snprintf(beside, sizeof beside, "%s.new", path);
	if (length < 0 || (size_t)length >= sizeof beside)
		return bm_error_set(err, BM_E_IO, "MB702", "the path %s is too long", path);
	FILE *file = create(beside);
	if (file == NULL)
		return bm_error_set_errno(err, BM_E_IO, "MB702", errno, "cannot write %s", beside);
	enum bm_code code = dump(json, file, beside, err);
	if (fclose(file) != 0 && code == BM_OK)
		code = bm_error_set_errno(err, BM_E_IO, "MBO005", errno, "cannot write %s", beside);
	if (code == BM_OK && rename(beside, path) != 0)
		code = bm_error_set_errno(err, BM_E_IO, "MBO005", errno, "cannot write %s", path);
	if (code != BM_OK)
		unlink(beside);
	return code;
}

/* A device or pipe cannot be replaced by a file. */
static bool is_special(const char *path)
{
	struct stat status;
	return stat(path, &status) == 0 && !S_ISREG(status.st_mode);
}

static enum bm_code write_special(json_t *json, const char *path, struct bm_error *err)
{
	FILE *file = create(path);
	if (file == NULL)
		return bm_error_set_errno(err, BM_E_IO, "MB702", errno, "cannot write %s", path);
	enum bm_code code = dump(json, file, path, err);
	fclose(file);
	return code;
}

enum bm_code bm_report_write(
	const struct bm_campaign *campaign, const char *state, const char *path, struct bm_error *err)
{
	enum bm_code code;
	bool whole = true;

	json_t *json = report_json(campaign, state, &whole);
	if (!whole) {
		json_decref(json);
		return bm_error_nomem(err);
	}
	if (strcmp(path, "-") == 0)
		code = dump(json, stdout, "standard output", err);
	else
		code = is_special(path) ? write_special(json, path, err) : replace(json, path, err);
	json_decref(json);
	return code;
}
