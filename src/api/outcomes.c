/* SPDX-License-Identifier: MIT */
/* Outcomes and report as JSON. Octets that are no UTF-8 are shown escaped (\xHH): a line is always valid JSON. */
#include "bulkmail/outcomes.h"

#include "base/error.h"
#include "base/utf8.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
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

/* The code point of a well-formed character of one to three octets. */
static unsigned code_point(const unsigned char *data, size_t length)
{
	if (length == 1)
		return data[0];
	if (length == 2)
		return (data[0] & 0x1fu) << 6 | (data[1] & 0x3fu);
	return (data[0] & 0x0fu) << 12 | (data[1] & 0x3fu) << 6 | (data[2] & 0x3fu);
}

/* A character that no JSON string may hold as it is, or that nobody should see as it is. */
static void put_escaped(FILE *file, const unsigned char *data, size_t length)
{
	static const char named[] = {['\b'] = 'b', ['\t'] = 't', ['\n'] = 'n', ['\f'] = 'f', ['\r'] = 'r'};
	unsigned code = code_point(data, length);

	if (code == '"' || code == '\\')
		fprintf(file, "\\%c", (int)code);
	else if (code < sizeof named && named[code] != 0)
		fprintf(file, "\\%c", named[code]);
	else
		fprintf(file, "\\u%04x", code);
}

/* Octets at the front that JSON holds as they are. */
static size_t plain_run(const unsigned char *data, size_t size)
{
	size_t run = 0;

	while (run < size && data[run] != '"' && data[run] != '\\') {
		bool ascii = data[run] >= 0x20 && data[run] < 0x7f;
		size_t length = ascii ? 1 : bm_utf8_length(data + run, size - run);
		if (!ascii && bm_utf8_hidden(data + run, length))
			break;
		run += length;
	}
	return run;
}

static void put_utf8(FILE *file, const char *text, size_t size)
{
	const unsigned char *data = (const unsigned char *)text;

	while (size > 0) {
		size_t run = plain_run(data, size);
		fwrite(data, 1, run, file);
		data += run;
		size -= run;
		if (size == 0)
			break;
		size_t length = bm_utf8_length(data, size);
		put_escaped(file, data, length);
		data += length;
		size -= length;
	}
}

static void put_text(FILE *file, const char *name, const char *data, size_t size)
{
	char shown[SHOWN_MAX];

	fprintf(file, ",\"%s\":\"", name);
	if (bm_utf8_valid((const unsigned char *)data, size)) {
		put_utf8(file, data, size);
	} else {
		bm_escape(shown, sizeof shown, data, size);
		put_utf8(file, shown, strlen(shown));
	}
	fputc('"', file);
}

/* Takes no memory: what became of a recipient can be told when nothing else can be done. */
enum bm_code bm_outcomes_write(struct bm_outcomes *outcomes, const struct bm_outcome *outcome, struct bm_error *err)
{
	FILE *file = outcomes->file;
	char at[40];

	format_time(at, outcome->at_ms);
	fprintf(file, "{\"seq\":%" PRIu64, outcome->seq);
	put_text(file, "address", outcome->address, outcome->address_size);
	fprintf(file, ",\"outcome\":\"%s\",\"code\":%d", bm_outcome_name(outcome->kind), outcome->code);
	put_text(file, "enhanced", outcome->enhanced, strlen(outcome->enhanced));
	put_text(file, "text", outcome->text, strlen(outcome->text));
	put_text(file, "server", outcome->server, strlen(outcome->server));
	fprintf(file, ",\"attempts\":%u,\"at\":\"%s\"%s}\n", outcome->attempts, at,
		outcome->relayed ? ",\"relayed\":true" : "");
	return ferror(file) == 0 ? BM_OK : bm_error_set_errno(err, BM_E_IO, "MBO005", errno, "cannot write the outcomes");
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

/* A device or pipe must not be replaced by a file, nor what cannot be looked at. */
static bool is_special(const char *path)
{
	struct stat status;
	return stat(path, &status) == 0 ? !S_ISREG(status.st_mode) : errno != ENOENT;
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
