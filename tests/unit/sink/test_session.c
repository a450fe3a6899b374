/* SPDX-License-Identifier: MIT */
#include "fixture.h"

#include <stdlib.h>

static void records_a_transaction(void **state)
{
	(void)state;
	struct fixture f;
	begin(&f, "");
	greet(&f);
	f.shared.wall_ms = 77;
	assert_string_equal(codes(&f, "MAIL FROM:<a@x> SIZE=9\r\nRCPT TO:<b@y>\r\nRCPT TO:<c@y> NOTIFY=NEVER\r\nDATA\r\n"),
		"250 250 250 354");
	assert_string_equal(talk(&f, "hi\r\n..\r\n.\r\n"), "250 2.0.0 Ok: queued as 1\r\n");
	json_t *line = record(&f, 0);
	char *text = json_dumps(line, JSON_COMPACT);
	assert_string_equal(text,
		"{\"transaction\":1,\"connection\":1,\"helo\":\"c.example\",\"sender\":\"a@x\",\"mail_params\":\"SIZE=9\","
		"\"recipients\":[\"b@y\",\"c@y\"],\"recipient_params\":[\"\",\"NOTIFY=NEVER\"],\"refused\":[],\"size\":7,"
		"\"sha256\":\"04361101c3c8b2a8c195e36c35caa74d490df0dc160b7f1e5b644c37ff309c4e\",\"accepted\":true,"
		"\"reply\":\"250 2.0.0 Ok: queued as 1\",\"bdat\":false,\"violations\":[],\"content_base64\":\"aGkNCi4NCg==\","
		"\"at\":77}");
	free(text);
	json_decref(line);
	assert_int_equal(f.shared.counters.recipients, 2);
	assert_int_equal(f.shared.counters.violations, 0);
	assert_string_equal(codes(&f, "QUIT\r\n"), "221");
	assert_int_equal(bm_sink_session_action(f.session), BM_SINK_CLOSE);
	finish(&f);
}

static void says_the_same_octet_by_octet(void **state)
{
	(void)state;
	struct fixture f;
	const char *input = "MAIL FROM:<a@x>\r\nRCPT TO:<b@y>\r\nBDAT 3\r\na\r\nBDAT 4 LAST\r\n.\r\n.RSET\r\nQUIT\r\n";
	char all[1024] = "";
	begin(&f, "");
	greet(&f);
	for (const char *p = input; *p != '\0'; p++) {
		assert_int_equal(bm_sink_session_feed(f.session, p, 1), BM_OK);
		const char *now = said(&f);
		memcpy(all + strlen(all), now, strlen(now) + 1);
	}
	assert_string_equal(all, "250 2.1.0 Ok\r\n250 2.1.5 Ok\r\n250 2.0.0 Chunk received\r\n"
							 "250 2.0.0 Ok: queued as 1\r\n250 2.0.0 Ok\r\n221 2.0.0 Bye\r\n");
	json_t *line = record(&f, 0);
	assert_int_equal(json_integer_value(json_object_get(line, "size")), 7);
	assert_true(json_is_true(json_object_get(line, "bdat")));
	json_decref(line);
	assert_int_equal(f.shared.counters.violations, 0);
	finish(&f);
}

struct offence {
	const char *input;
	const char *codes;
	const char *name;
};

static void reports_what_is_out_of_order(void **state)
{
	(void)state;
	const struct offence offences[] = {
		{"RCPT TO:<b@y>\r\n", "503", "rcpt-before-mail"},
		{"DATA\r\n", "503", "data-before-rcpt"},
		{"BDAT 0 LAST\r\n", "503", "data-before-rcpt"},
		{"MAIL FROM: <a@x>\r\n", "501", "syntax"},
		{"RSET\n", "500", "bare-lf"},
		{"RS\rET\r\n", "500", "bare-cr"},
		{"RS\x01"
		 "ET\r\n",
			"500", "control-in-command"},
		{"EHLO\r\n", "501", "syntax"},
		{"BDAT x\r\n", "501", "syntax"},
		{"MAIL FROM:<a@x> SIZE=x\r\n", "501", "syntax"},
		{"MAIL FROM:<a@x> BODY=BINARYMIME\r\n", "555", "extension-not-offered"},
		{"MAIL FROM:<a@x> MT-PRIORITY=1\r\n", "555", "extension-not-offered"},
		{"MAIL FROM:<\xc3\xa4@x>\r\n", "553", "8bit-in-command"},
		{"NOOP\r\nRSET\r\n", "250 250", "not-last-in-group"},
		{"EHLO c\r\nRSET\r\n", "250 250", "not-last-in-group"},
	};
	for (size_t i = 0; i < sizeof offences / sizeof offences[0]; i++) {
		struct fixture f;
		begin(&f, "");
		greet(&f);
		assert_string_equal(codes(&f, offences[i].input), offences[i].codes);
		expect_violation(&f, offences[i].name);
		finish(&f);
	}
}

static void wants_ehlo_before_mail(void **state)
{
	(void)state;
	struct fixture f;
	begin(&f, "");
	bm_sink_session_tick(f.session);
	said(&f);
	assert_string_equal(codes(&f, "MAIL FROM:<a@x>\r\n"), "503");
	expect_violation(&f, "mail-before-helo");
	assert_string_equal(talk(&f, "HELO c\r\n"), "250 sink.bulkmail.invalid\r\n");
	assert_string_equal(talk(&f, "MAIL FROM:<a@x>\r\n"), "250 Ok\r\n");
	finish(&f);
}

/* Those of a transaction are in its line; without one they come when it ends. */
static void reports_offences_with_their_transaction(void **state)
{
	(void)state;
	struct fixture f;
	begin_with(&f, "", "SIZE");
	greet(&f);
	assert_string_equal(codes(&f, "MAIL FROM:<a@x> SIZE=1\r\n"), "250");
	assert_string_equal(codes(&f, "MAIL FROM:<a@x>\r\n"), "503");
	assert_string_equal(codes(&f, "RCPT TO:<b@y>\r\nDATA\r\n"), "250 354");
	assert_string_equal(codes(&f, "\r\n\xff\n.\r\r\n.\r\n"), "250");
	json_t *line = record(&f, 0);
	char *text = json_dumps(json_object_get(line, "violations"), JSON_COMPACT);
	assert_string_equal(text, "[\"bare-cr\",\"bare-lf\",\"nested-mail\",\"pipelining-not-offered\","
							  "\"8bit-without-8bitmime\",\"size-declared-too-small\"]");
	free(text);
	json_decref(line);
	assert_int_equal(f.shared.counters.violations, 6);

	bm_buf_clear(&f.shared.log);
	assert_string_equal(codes(&f, "MAIL FROM:<a@x>\r\n"), "250");
	assert_string_equal(codes(&f, "MAIL FROM:<a@x>\r\n"), "503");
	assert_int_equal(f.shared.log.size, 0);
	assert_string_equal(codes(&f, "RSET\r\n"), "250");
	line = record(&f, 0);
	expect_text(line, "violation", "nested-mail");
	json_decref(line);
	finish(&f);
}

static void what_rides_behind_a_refused_mail_is_no_offence(void **state)
{
	(void)state;
	struct fixture f;
	begin(
		&f, "{\"on\":\"MAIL\",\"nth\":1,\"reply\":\"451 later\"}\n{\"on\":\"RCPT\",\"nth\":2,\"reply\":\"550 no\"}\n");
	greet(&f);
	assert_string_equal(codes(&f, ENVELOPE), "451 503 503");
	assert_string_equal(codes(&f, ENVELOPE), "250 550 554");
	assert_string_equal(codes(&f, "RSET\r\n" ENVELOPE), "250 250 250 354");
	assert_int_equal(f.shared.counters.violations, 0);
	finish(&f);
}

/* F12: the lone dot behind a scripted 354. */
static void plays_354_without_recipients(void **state)
{
	(void)state;
	struct fixture f;
	begin(&f, "{\"on\":\"RCPT\",\"reply\":\"550 no\"}\n{\"on\":\"DATA\",\"reply\":\"354 go\"}\n");
	greet(&f);
	assert_string_equal(codes(&f, ENVELOPE), "250 550 354");
	assert_string_equal(codes(&f, ".\r\n"), "554");
	json_t *line = record(&f, 0);
	assert_true(json_is_false(json_object_get(line, "accepted")));
	assert_string_equal(json_string_value(json_array_get(json_object_get(line, "refused"), 0)), "b@y");
	assert_int_equal(json_array_size(json_object_get(line, "recipients")), 0);
	json_decref(line);
	finish(&f);
}

static void delays_keep_the_pipeline_in_order(void **state)
{
	(void)state;
	struct fixture f;
	begin(&f, "{\"on\":\"RCPT\",\"nth\":1,\"delay_ms\":100,\"presend\":\"!\"}\n"
			  "{\"on\":\"end\",\"delay_ms\":10,\"reply\":\"450 later\"}\n");
	greet(&f);
	assert_string_equal(talk(&f, ENVELOPE), "250 2.1.0 Ok\r\n!");
	assert_true(bm_sink_session_deadline(f.session) == f.shared.now_ms + 100);
	assert_string_equal(wait_ms(&f, 99), "");
	assert_string_equal(wait_ms(&f, 1), "250 2.1.5 Ok\r\n354 End data with <CR><LF>.<CR><LF>\r\n");
	assert_true(bm_sink_session_deadline(f.session) == BM_SINK_NO_DEADLINE);
	assert_string_equal(talk(&f, "a\r\n.\r\nRSET\r\n"), "");
	assert_int_equal(f.shared.log.size, 0);
	assert_string_equal(wait_ms(&f, 10), "450 later\r\n250 2.0.0 Ok\r\n");
	assert_int_not_equal(f.shared.log.size, 0);
	assert_int_equal(f.shared.counters.transactions, 0);
	finish(&f);
}

static void drips_and_then_goes_on(void **state)
{
	(void)state;
	struct fixture f;
	begin(&f, "{\"on\":\"RSET\",\"raw\":\"abc\",\"drip_ms\":5,\"postsend\":\"d\",\"linger_ms\":20}\n");
	greet(&f);
	assert_string_equal(talk(&f, "RSET\r\nVRFY x\r\n"), "a");
	assert_string_equal(wait_ms(&f, 5), "b");
	assert_string_equal(wait_ms(&f, 5), "c");
	assert_string_equal(wait_ms(&f, 9), "");
	assert_memory_equal(wait_ms(&f, 1), "d252 ", 5);
	finish(&f);
}

struct ending {
	const char *script;
	enum bm_sink_action action;
	const char *said;
};

static void ends_as_the_script_says(void **state)
{
	(void)state;
	const struct ending endings[] = {
		{"{\"on\":\"connect\",\"close\":true}", BM_SINK_CLOSE, ""},
		{"{\"on\":\"connect\",\"reset\":true}", BM_SINK_RESET, ""},
		{"{\"on\":\"connect\",\"reply\":\"421 busy\",\"close\":true}", BM_SINK_CLOSE, "421 busy\r\n"},
		{"{\"on\":\"greeting\",\"exit\":true}", BM_SINK_EXIT, ""},
		{"{\"on\":\"greeting\",\"hex\":\"ff0a\"}", BM_SINK_GO_ON, "\xff\n"},
		{"{\"on\":\"greeting\",\"stall\":true}", BM_SINK_GO_ON, ""},
		{"{\"on\":\"connect\",\"no_reply\":true}", BM_SINK_GO_ON, ""},
		{"{\"on\":\"greeting\",\"reply\":\"220 x\",\"stop_reading\":true}", BM_SINK_GO_ON, "220 x\r\n"},
	};
	for (size_t i = 0; i < sizeof endings / sizeof endings[0]; i++) {
		struct fixture f;
		begin(&f, endings[i].script);
		bm_sink_session_tick(f.session);
		assert_string_equal(said(&f), endings[i].said);
		assert_int_equal(bm_sink_session_action(f.session), endings[i].action);
		finish(&f);
	}
}

static void a_stalled_session_reads_and_never_answers(void **state)
{
	(void)state;
	struct fixture f;
	begin(&f, "{\"on\":\"RCPT\",\"stall\":true}");
	greet(&f);
	assert_string_equal(codes(&f, ENVELOPE), "250");
	assert_string_equal(talk(&f, "RSET\r\n"), "");
	assert_true(bm_sink_session_wants_input(f.session));
	finish(&f);
}

static void a_rule_can_wait_in_mid_content(void **state)
{
	(void)state;
	struct fixture f;
	begin(&f,
		"{\"on\":\"content\",\"after\":5,\"match\":\"<a@x>\",\"reply\":\"554 enough\",\"linger_ms\":5,\"close\":true}");
	greet(&f);
	assert_string_equal(codes(&f, ENVELOPE), "250 250 354");
	assert_string_equal(talk(&f, "1234"), "");
	assert_string_equal(talk(&f, "56789"), "554 enough\r\n");
	assert_int_equal(bm_sink_session_action(f.session), BM_SINK_GO_ON);
	assert_string_equal(wait_ms(&f, 5), "");
	assert_int_equal(bm_sink_session_action(f.session), BM_SINK_CLOSE);
	assert_int_equal(f.shared.log.size, 0);
	finish(&f);
}

static void a_refused_chunk_wants_rset(void **state)
{
	(void)state;
	struct fixture f;
	begin(&f, "{\"on\":\"BDAT\",\"nth\":2,\"reply\":\"452 full\"}");
	greet(&f);
	assert_string_equal(
		codes(&f, "MAIL FROM:<a@x>\r\nRCPT TO:<b@y>\r\nBDAT 1\r\naBDAT 1\r\nbBDAT 1 LAST\r\nc"), "250 250 250 452 503");
	assert_int_equal(f.shared.counters.violations, 0);
	assert_string_equal(codes(&f, "MAIL FROM:<a@x>\r\n"), "503");
	assert_int_equal(f.shared.counters.violations, 1);
	assert_string_equal(codes(&f, "RSET\r\nMAIL FROM:<a@x>\r\nRCPT TO:<b@y>\r\nBDAT 0 LAST\r\n"), "250 250 250 250");
	assert_int_equal(f.shared.counters.transactions, 1);
	finish(&f);
}

/* As Exim 4.96 does: who sends no RSET has the second content delivered to the first one's recipient too. */
static void a_refused_chunk_may_keep_the_envelope(void **state)
{
	(void)state;
	struct fixture f;
	begin(&f, "{\"on\":\"end\",\"nth\":1,\"keep\":true,\"reply\":\"452 full\"}");
	greet(&f);
	assert_string_equal(codes(&f, "MAIL FROM:<a@x>\r\nRCPT TO:<b@y>\r\nBDAT 1 LAST\r\na"), "250 250 452");
	assert_string_equal(codes(&f, "MAIL FROM:<new@x>\r\nRCPT TO:<c@y>\r\nBDAT 3 LAST\r\nbcd"), "503 250 250");
	json_t *line = record(&f, 1);
	char *text = json_dumps(json_object_get(line, "recipients"), JSON_COMPACT);
	assert_string_equal(text, "[\"b@y\",\"c@y\"]");
	expect_text(line, "sender", "a@x");
	expect_text(line, "content_base64", "YmNk");
	free(text);
	json_decref(line);
	assert_string_equal(codes(&f, "RSET\r\nMAIL FROM:<a@x>\r\nRCPT TO:<d@y>\r\nBDAT 1 LAST\r\ne"), "250 250 250 250");
	finish(&f);
}

static void counts_on_each_connection_anew(void **state)
{
	(void)state;
	struct fixture f;
	begin(&f, "{\"on\":\"RSET\",\"nth\":2,\"per_connection\":true,\"reply\":\"421 enough\",\"close\":true}");
	greet(&f);
	assert_string_equal(codes(&f, "RSET\r\n"), "250");
	struct bm_sink_session *first = f.session;
	f.session = bm_sink_session_new(&f.shared, 2);
	assert_non_null(f.session);
	greet(&f);
	assert_string_equal(codes(&f, "RSET\r\nRSET\r\n"), "250 421");
	assert_int_equal(bm_sink_session_action(f.session), BM_SINK_CLOSE);
	bm_sink_session_free(f.session);
	f.session = first;
	assert_string_equal(codes(&f, "RSET\r\n"), "421");
	finish(&f);
}

static void tells_what_was_sent_before_a_reply(void **state)
{
	(void)state;
	struct fixture f;
	begin(&f, "{\"pipelined\":true,\"reply\":\"503 one at a time\"}");
	greet(&f);
	assert_string_equal(codes(&f, "RSET\r\n"), "250");
	assert_string_equal(codes(&f, ENVELOPE), "250 503 503");
	assert_string_equal(codes(&f, "RCPT TO:<b@y>\r\n"), "250");
	assert_string_equal(codes(&f, "DATA\r\n"), "354");
	assert_string_equal(codes(&f, "a\r\n.\r\nRSET\r\n"), "250 503");
	/* The octets of a chunk belong to its command. */
	assert_string_equal(codes(&f, "MAIL FROM:<a@x>\r\n"), "250");
	assert_string_equal(codes(&f, "RCPT TO:<b@y>\r\n"), "250");
	assert_string_equal(codes(&f, "BDAT 1 LAST\r\naMAIL FROM:<a@x>\r\n"), "250 503");
	finish(&f);
}

static void an_end_without_a_reply_is_accepted_only_when_told(void **state)
{
	(void)state;
	for (int accept = 0; accept < 2; accept++) {
		struct fixture f;
		begin(&f, accept ? "{\"on\":\"end\",\"reset\":true,\"accept\":true}" : "{\"on\":\"end\",\"reset\":true}");
		greet(&f);
		codes(&f, ENVELOPE);
		assert_string_equal(talk(&f, "a\r\n.\r\n"), "");
		assert_int_equal(bm_sink_session_action(f.session), BM_SINK_RESET);
		json_t *line = record(&f, 0);
		expect_text(line, "reply", "");
		assert_int_equal(json_is_true(json_object_get(line, "accepted")), accept);
		json_decref(line);
		finish(&f);
	}
}

static void keeps_its_limits(void **state)
{
	(void)state;
	struct fixture f;
	char line[1100];
	begin_with(&f, "", "SIZE 10,PIPELINING,CHUNKING");
	greet(&f);
	assert_string_equal(codes(&f, "MAIL FROM:<a@x> SIZE=11\r\n"), "552");
	assert_string_equal(codes(&f, ENVELOPE), "250 250 354");
	assert_string_equal(codes(&f, "123456789\r\n.\r\n"), "552");
	assert_int_equal(f.shared.counters.violations, 0);
	memset(line, 'x', sizeof line);
	memcpy(line, "RSET ", 5);
	memcpy(line + sizeof line - 3, "\r\n", 3);
	assert_string_equal(codes(&f, line), "500");
	assert_int_equal(f.shared.counters.violations, 1);
	for (int i = 0; i < 20; i++) {
		memset(line, 'x', sizeof line);
		line[sizeof line - 1] = '\0';
		assert_string_equal(talk(&f, line), "");
	}
	assert_string_equal(talk(&f, "\r\n"), "500 Malformed command line\r\n");
	assert_int_equal(f.shared.counters.violations, 2);
	finish(&f);
}

static void stops_reading_while_it_waits(void **state)
{
	(void)state;
	struct fixture f;
	char noops[700];
	begin(&f, "{\"on\":\"RSET\",\"delay_ms\":50}");
	greet(&f);
	assert_string_equal(talk(&f, "RSET\r\n"), "");
	for (size_t i = 0; i + 6 < sizeof noops; i += 6)
		memcpy(noops + i, "RSET\r\n", 7);
	assert_true(bm_sink_session_wants_input(f.session));
	for (int i = 0; i < 100; i++)
		talk(&f, noops);
	assert_false(bm_sink_session_wants_input(f.session));
	finish(&f);
}

static void a_refused_greeting_serves_nobody(void **state)
{
	(void)state;
	struct fixture f;
	begin(&f, "{\"on\":\"greeting\",\"delay_ms\":5,\"reply\":\"554-no\\r\\n554 service\"}");
	bm_sink_session_tick(f.session);
	assert_string_equal(talk(&f, HELLO), "");
	assert_string_equal(wait_ms(&f, 5), "554-no\r\n554 service\r\n503 No service here\r\n");
	expect_violation(&f, "before-greeting");
	assert_string_equal(codes(&f, "QUIT\r\n"), "221");
	finish(&f);
}

static void answers_the_small_commands(void **state)
{
	(void)state;
	struct fixture f;
	begin_with(&f,
		"{\"on\":\"AUTH\",\"reply\":\"334 \"}\n{\"on\":\"other\",\"match\":\"^dGVzdA==$\",\"reply\":\"235 ok\"}",
		"STARTTLS,AUTH LOGIN");
	greet(&f);
	assert_string_equal(codes(&f, "HELP\r\n"), "214");
	assert_string_equal(codes(&f, "VRFY x\r\n"), "252");
	assert_string_equal(codes(&f, "STARTTLS\r\n"), "502");
	assert_string_equal(codes(&f, "XYZ\r\n"), "500");
	assert_string_equal(codes(&f, "AUTH LOGIN\r\n"), "334");
	assert_string_equal(codes(&f, "dGVzdA==\r\n"), "235");
	assert_int_equal(f.shared.counters.violations, 0);
	finish(&f);
}

static void refuses_wrong_extensions(void **state)
{
	(void)state;
	const char *const wrong[] = {"SIZE x", "SIZE 99999999999", "A\nB"};
	for (size_t i = 0; i < 3; i++) {
		struct bm_sink_shared shared;
		struct bm_error err = BM_ERROR_INIT;
		assert_int_equal(bm_sink_shared_init(&shared, wrong[i], false, &err), BM_E_USAGE);
		bm_sink_shared_deinit(&shared);
	}
	struct fixture f;
	begin_with(&f, "", "");
	bm_sink_session_tick(f.session);
	said(&f);
	assert_string_equal(talk(&f, HELLO), "250 sink.bulkmail.invalid\r\n");
	assert_string_equal(talk(&f, "BDAT 3\r\nabc"), "502 CHUNKING was not offered\r\n");
	finish(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(records_a_transaction),
		cmocka_unit_test(says_the_same_octet_by_octet),
		cmocka_unit_test(reports_what_is_out_of_order),
		cmocka_unit_test(wants_ehlo_before_mail),
		cmocka_unit_test(reports_offences_with_their_transaction),
		cmocka_unit_test(what_rides_behind_a_refused_mail_is_no_offence),
		cmocka_unit_test(plays_354_without_recipients),
		cmocka_unit_test(delays_keep_the_pipeline_in_order),
		cmocka_unit_test(drips_and_then_goes_on),
		cmocka_unit_test(ends_as_the_script_says),
		cmocka_unit_test(a_stalled_session_reads_and_never_answers),
		cmocka_unit_test(a_rule_can_wait_in_mid_content),
		cmocka_unit_test(a_refused_chunk_wants_rset),
		cmocka_unit_test(a_refused_chunk_may_keep_the_envelope),
		cmocka_unit_test(counts_on_each_connection_anew),
		cmocka_unit_test(tells_what_was_sent_before_a_reply),
		cmocka_unit_test(an_end_without_a_reply_is_accepted_only_when_told),
		cmocka_unit_test(keeps_its_limits),
		cmocka_unit_test(stops_reading_while_it_waits),
		cmocka_unit_test(a_refused_greeting_serves_nobody),
		cmocka_unit_test(answers_the_small_commands),
		cmocka_unit_test(refuses_wrong_extensions),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
