/* SPDX-License-Identifier: MIT */
/* The outcomes file and the report: what another program reads of a campaign. */
#include "../store/scratch.h"
#include "bulkmail/outcomes.h"
#include "peer.h"

#include <jansson.h>
#include <sys/stat.h>

static struct bm_outcome outcome_of(const char *address, size_t size)
{
	struct bm_outcome outcome = {
		.kind = BM_OUTCOME_ACCEPTED,
		.seq = 7,
		.record = address,
		.record_size = size,
		.address = address,
		.address_size = size,
		.code = 250,
		.enhanced = "2.0.0",
		.text = "Ok: queued",
		.server = "127.0.0.1:2525",
		.attempts = 1,
		.at_ms = 1769861045123,
	};
	return outcome;
}

/* Writes one outcome to a file of its own and reads the line back; the text of it is in line. */
static json_t *write_and_read(const struct bm_outcome *outcome, char *line, int size)
{
	struct scratch scratch;
	struct bm_outcomes *outcomes = NULL;
	struct bm_error err = BM_ERROR_INIT;
	struct stat status;

	scratch_init(&scratch);
	assert_int_equal(bm_outcomes_open(&outcomes, scratch_path(&scratch, "outcomes"), &err), BM_OK);
	assert_int_equal(bm_outcomes_write(outcomes, outcome, &err), BM_OK);
	assert_int_equal(bm_outcomes_flush(outcomes, &err), BM_OK);
	assert_int_equal(stat(scratch.path, &status), 0);
	assert_int_equal(status.st_mode & 0777, 0600);
	FILE *file = fopen(scratch.path, "r");
	assert_non_null(file);
	assert_non_null(fgets(line, size, file));
	assert_int_equal(fgetc(file), EOF);
	fclose(file);
	bm_outcomes_free(outcomes);
	scratch_deinit(&scratch, (const char *const[]){"outcomes", NULL});
	assert_int_equal(line[strlen(line) - 1], '\n');
	json_t *json = json_loads(line, 0, NULL);
	assert_non_null(json);
	return json;
}

static void assert_text(json_t *json, const char *name, const char *expected)
{
	const char *value = json_string_value(json_object_get(json, name));
	if (value == NULL)
		fail_msg("%s is no string", name);
	assert_string_equal(value, expected);
}

static void assert_count(json_t *json, const char *name, json_int_t expected)
{
	json_t *value = json_object_get(json, name);
	if (!json_is_integer(value) || json_integer_value(value) != expected)
		fail_msg("%s is not %lld", name, (long long)expected);
}

static void a_line_is_one_object(void **state)
{
	(void)state;
	char line[1024];
	struct bm_outcome outcome = outcome_of("u@x.org", 7);
	json_t *json = write_and_read(&outcome, line, sizeof line);
	/* the design's own example, but for its text */
	assert_string_equal(line, "{\"seq\":7,\"address\":\"u@x.org\",\"outcome\":\"accepted\",\"code\":250,"
							  "\"enhanced\":\"2.0.0\",\"text\":\"Ok: queued\",\"server\":\"127.0.0.1:2525\","
							  "\"attempts\":1,\"at\":\"2026-01-31T12:04:05.123Z\"}\n");
	assert_int_equal(json_object_size(json), 9);
	json_decref(json);
}

static void every_kind_has_its_name(void **state)
{
	(void)state;
	char line[1024];
	for (int kind = 0; kind < BM_OUTCOME_KINDS; kind++) {
		struct bm_outcome outcome = outcome_of("u@x.org", 7);
		outcome.kind = (enum bm_outcome_kind)kind;
		outcome.server = "";
		outcome.enhanced = "";
		outcome.code = 0;
		json_t *json = write_and_read(&outcome, line, sizeof line);
		assert_text(json, "outcome", bm_outcome_name(outcome.kind));
		assert_text(json, "server", "");
		assert_text(json, "enhanced", "");
		assert_count(json, "code", 0);
		json_decref(json);
	}
}

/* conformance: A19 */
static void any_octets_make_valid_json(void **state)
{
	(void)state;
	static const char latin[] = "j\xfcrgen\\@x.org";
	static const char controls[] = "a\x01\x1b\x7f\"\n@x.org";
	static const char utf8[] = "j\xc3\xbcrgen@x.org";
	char line[1024];

	struct bm_outcome outcome = outcome_of(latin, sizeof latin - 1);
	json_t *json = write_and_read(&outcome, line, sizeof line);
	assert_text(json, "address", "j\\xFCrgen\\\\@x.org");
	json_decref(json);

	outcome = outcome_of(controls, sizeof controls - 1);
	json = write_and_read(&outcome, line, sizeof line);
	assert_text(json, "address", controls);
	json_decref(json);

	outcome = outcome_of(utf8, sizeof utf8 - 1);
	json = write_and_read(&outcome, line, sizeof line);
	assert_text(json, "address", utf8);
	json_decref(json);
}

/* conformance: A19 */
static void a_nul_makes_valid_json(void **state)
{
	(void)state;
	static const char with_nul[] = "a\0b@x.org";
	struct bm_outcome outcome = outcome_of(with_nul, sizeof with_nul - 1);
	struct scratch scratch;
	struct bm_outcomes *outcomes = NULL;
	struct bm_error err = BM_ERROR_INIT;
	scratch_init(&scratch);
	assert_int_equal(bm_outcomes_open(&outcomes, scratch_path(&scratch, "o"), &err), BM_OK);
	assert_int_equal(bm_outcomes_write(outcomes, &outcome, &err), BM_OK);
	bm_outcomes_free(outcomes);
	json_t *json = json_load_file(scratch.path, JSON_ALLOW_NUL, NULL);
	assert_non_null(json);
	assert_int_equal(json_string_length(json_object_get(json, "address")), sizeof with_nul - 1);
	json_decref(json);
	scratch_deinit(&scratch, (const char *const[]){"o", NULL});
}

/* An invalid record of the greatest size is shown whole, however its octets are escaped. */
static void the_longest_record_is_whole(void **state)
{
	(void)state;
	char record[BM_RECORD_SIZE_MAX];
	char line[5 * BM_RECORD_SIZE_MAX + 512];
	memset(record, 0xff, sizeof record);
	struct bm_outcome outcome = outcome_of(record, sizeof record);
	outcome.kind = BM_OUTCOME_INVALID;
	json_t *json = write_and_read(&outcome, line, sizeof line);
	assert_int_equal(json_string_length(json_object_get(json, "address")), 4 * sizeof record);
	json_decref(json);
}

/* manual: MB702 */
static void outcomes_need_a_file(void **state)
{
	(void)state;
	struct bm_outcomes *outcomes = NULL;
	struct bm_error err = BM_ERROR_INIT;
	assert_int_equal(bm_outcomes_open(&outcomes, "/nowhere/at/all", &err), BM_E_IO);
	assert_string_equal(err.id, "MB702");
	assert_non_null(strstr(err.text, "/nowhere/at/all"));
	assert_null(outcomes);
	bm_outcomes_free(NULL);
}

/* manual: MBO005 */
static void a_full_disk_is_told(void **state)
{
	(void)state;
	struct bm_outcomes *outcomes = NULL;
	struct bm_error err = BM_ERROR_INIT;
	struct bm_outcome outcome = outcome_of("u@x.org", 7);
	assert_int_equal(bm_outcomes_open(&outcomes, "/dev/full", &err), BM_OK);
	/* it may be buffered or not: the flush tells at the latest */
	enum bm_code code = bm_outcomes_write(outcomes, &outcome, &err);
	if (code == BM_OK)
		code = bm_outcomes_flush(outcomes, &err);
	assert_int_equal(code, BM_E_IO);
	assert_string_equal(err.id, "MBO005");
	bm_outcomes_free(outcomes);
}

/* A campaign that has run: two accepted, one refused, one invalid. */
struct finished {
	struct bm_servers *servers;
	struct bm_message *message;
	struct bm_recipients *list;
	struct bm_campaign *campaign;
	char place[32];
};

static void make(struct finished *finished, uint16_t port)
{
	static const char *const list[] = {"a@x.example", "b@x.example", "nobody", "c@x.example"};
	char text[8];
	const struct bm_attribute attributes[] = {
		{"Smtp", "127.0.0.1"}, {"Port", text}, {"Domain", "me.example"}, {"Tries", "1"}, {"time_out", "5"}};
	const struct bm_attribute_set set = {attributes, 5};
	struct bm_message_options message = BM_MESSAGE_OPTIONS_INIT;
	struct bm_error err = BM_ERROR_INIT;
	snprintf(text, sizeof text, "%u", (unsigned)port);
	message.content = "Hello\n";
	message.content_size = 6;
	message.from = "from@me.example";
	message.to = "list@me.example";
	assert_int_equal(bm_message_new(&finished->message, &message, &err), BM_OK);
	assert_int_equal(bm_recipients_new_array(&finished->list, list, 4, &err), BM_OK);
	assert_int_equal(bm_servers_create(&finished->servers, NULL, NULL, NULL, &set, 1, &err), BM_OK);
	assert_int_equal(
		bm_campaign_new(&finished->campaign, NULL, finished->list, finished->message, finished->servers, &err), BM_OK);
}

static void run(struct finished *finished)
{
	static const char *const script[] = {PEER_HELLO, "< MAIL", "> 250 ok", "< RCPT", "> 250 ok", "< RCPT",
		"> 550 5.1.1 no", "< RCPT", "> 250 ok", "< DATA", "> 354 go", "content", "> 250 2.0.0 taken", PEER_BYE, NULL};
	struct peer peer;
	struct bm_error err = BM_ERROR_INIT;
	peer_start(&peer, script);
	make(finished, peer.port);
	assert_int_equal(bm_campaign_run(finished->campaign, &err), BM_OK);
	peer_finish(&peer);
	snprintf(finished->place, sizeof finished->place, "%s", peer.place);
}

static void finished_deinit(struct finished *finished)
{
	bm_campaign_free(finished->campaign);
	bm_servers_free(finished->servers);
	bm_recipients_free(finished->list);
	bm_message_free(finished->message);
}

/* Shares of one whole. */
static void check_time(json_t *time)
{
	static const char *const names[] = {"round_trips", "replies", "rate", "list", "cpu", "rest"};
	double sum = 0.0;
	assert_int_equal(json_object_size(time), sizeof names / sizeof names[0]);
	for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
		assert_true(json_number_value(json_object_get(time, names[i])) >= 0.0);
		sum += json_number_value(json_object_get(time, names[i]));
	}
	assert_true(sum > 0.999 && sum < 1.001);
}

static void check_server(json_t *server, const char *place)
{
	assert_int_equal(json_object_size(server), 6);
	check_time(json_object_get(server, "time"));
	assert_text(server, "server", place);
	assert_count(server, "connections", 1);
	assert_count(server, "transactions", 1);
	assert_count(server, "messages", 2);
	json_t *replies = json_object_get(server, "replies");
	/* greeting, EHLO, MAIL, two RCPT, the end of data, RSET and QUIT by their codes */
	assert_count(replies, "220", 1);
	assert_count(replies, "221", 1);
	assert_count(replies, "250", 6);
	assert_count(replies, "354", 1);
	assert_count(replies, "550", 1);
	assert_int_equal(json_object_size(replies), 5);
}

static void the_report_counts_all(void **state)
{
	(void)state;
	struct finished finished;
	struct scratch scratch;
	struct bm_error err = BM_ERROR_INIT;
	run(&finished);
	scratch_init(&scratch);
	/* what was there before is replaced */
	scratch_write(&scratch, "report", "old", 3);
	assert_int_equal(bm_report_write(finished.campaign, "finished", scratch.path, &err), BM_OK);
	json_t *report = json_load_file(scratch.path, 0, NULL);
	assert_non_null(report);
	assert_text(report, "state", "finished");
	assert_true(json_is_true(json_object_get(report, "list_complete")));
	assert_count(report, "recipients", 4);
	assert_count(report, "accepted", 2);
	assert_count(report, "refused", 1);
	assert_count(report, "invalid", 1);
	const char *const none[] = {"deferred", "duplicate", "banned", "in_doubt", "unsent"};
	for (size_t i = 0; i < sizeof none / sizeof none[0]; i++)
		assert_count(report, none[i], 0);
	assert_count(report, "transactions", 1);
	assert_true(json_is_number(json_object_get(report, "seconds")));
	assert_true(json_number_value(json_object_get(report, "seconds")) < PEER_PATIENCE_S);
	check_time(json_object_get(report, "time"));
	assert_int_equal(json_array_size(json_object_get(report, "servers")), 1);
	check_server(json_array_get(json_object_get(report, "servers"), 0), finished.place);
	json_decref(report);
	finished_deinit(&finished);
	/* nothing is left beside it */
	assert_int_equal(access(scratch_path(&scratch, "report.new"), F_OK), -1);
	scratch_deinit(&scratch, (const char *const[]){"report", NULL});
}

/* manual: MBO005 */
static void a_report_is_whole_or_not_there(void **state)
{
	(void)state;
	struct finished finished;
	struct scratch scratch;
	struct bm_error err = BM_ERROR_INIT;
	make(&finished, 2525);
	assert_int_equal(bm_report_write(finished.campaign, "x", "/nowhere/at/all", &err), BM_E_IO);
	assert_string_equal(err.id, "MB702");
	assert_int_equal(bm_report_write(finished.campaign, "x", "/dev/full", &err), BM_E_IO);
	assert_string_equal(err.id, "MBO005");
	assert_int_equal(bm_report_write(finished.campaign, "x", "/dev/null", &err), BM_OK);
	/* the half of one that could not be finished goes away */
	scratch_init(&scratch);
	char beside[SCRATCH_PATH_SIZE];
	snprintf(beside, sizeof beside, "%s", scratch_path(&scratch, "report.new"));
	assert_int_equal(symlink("/dev/full", beside), 0);
	assert_int_equal(bm_report_write(finished.campaign, "x", scratch_path(&scratch, "report"), &err), BM_E_IO);
	assert_int_equal(access(scratch.path, F_OK), -1);
	struct stat status;
	assert_int_equal(lstat(beside, &status), -1);
	rmdir(scratch.directory);
	finished_deinit(&finished);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_line_is_one_object),
		cmocka_unit_test(every_kind_has_its_name),
		cmocka_unit_test(any_octets_make_valid_json),
		cmocka_unit_test(a_nul_makes_valid_json),
		cmocka_unit_test(the_longest_record_is_whole),
		cmocka_unit_test(outcomes_need_a_file),
		cmocka_unit_test(a_full_disk_is_told),
		cmocka_unit_test(the_report_counts_all),
		cmocka_unit_test(a_report_is_whole_or_not_there),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
