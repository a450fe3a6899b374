/* SPDX-License-Identifier: MIT */
/* What sessions do with parameters, LMTP, floods and the rules that came with them. */
#include "fixture.h"

#include <stdio.h>

struct envelope {
	const char *input;
	const char *codes;
};

static void checks_each_parameter(void **state)
{
	(void)state;
	const struct envelope envelopes[] = {
		{"MAIL FROM:<a@x> SIZE=1 BODY=8BITMIME SMTPUTF8 RET=HDRS ENVID=a+2Bb\r\n", "250"},
		{"MAIL FROM:<a@x> ret=full envid=x auth=<>\r\n", "250"},
		{"MAIL FROM:<a@x> RET=ALL\r\n", "501"},
		{"MAIL FROM:<a@x> ENVID=\r\n", "501"},
		{"MAIL FROM:<a@x> ENVID=a+2b\r\n", "501"},
		{"MAIL FROM:<a@x> ENVID=a=b\r\n", "501"},
		{"MAIL FROM:<a@x> SMTPUTF8=1\r\n", "501"},
		{"MAIL FROM:<a@x> SIZE=1 SIZE=1\r\n", "501"},
		{"MAIL FROM:<a@x> REQUIRETLS\r\n", "555"},
		{"MAIL FROM:<a@x> NOTIFY=NEVER\r\n", "555"},
		{"MAIL FROM:<\xc3\xa4@x> SMTPUTF8\r\n", "250"},
		{"MAIL FROM:<\xe4@x> SMTPUTF8\r\n", "553"},
		{"MAIL FROM:<a@x>\r\nRCPT TO:<b@y> NOTIFY=SUCCESS,DELAY,FAILURE ORCPT=rfc822;b@y\r\n", "250 250"},
		{"MAIL FROM:<a@x>\r\nRCPT TO:<b@y> NOTIFY=NEVER\r\n", "250 250"},
		{"MAIL FROM:<a@x>\r\nRCPT TO:<b@y> NOTIFY=NEVER,DELAY\r\n", "250 501"},
		{"MAIL FROM:<a@x>\r\nRCPT TO:<b@y> NOTIFY=DELAY,DELAY\r\n", "250 501"},
		{"MAIL FROM:<a@x>\r\nRCPT TO:<b@y> NOTIFY=\r\n", "250 501"},
		{"MAIL FROM:<a@x>\r\nRCPT TO:<b@y> NOTIFY=DELAY,\r\n", "250 501"},
		{"MAIL FROM:<a@x>\r\nRCPT TO:<b@y> ORCPT=b@y\r\n", "250 501"},
		{"MAIL FROM:<a@x>\r\nRCPT TO:<b@y> ORCPT=rfc822;\r\n", "250 501"},
		{"MAIL FROM:<a@x> SMTPUTF8\r\nRCPT TO:<\xc3\xa4@y> ORCPT=utf-8;\xc3\xa4@y\r\n", "250 250"},
		{"MAIL FROM:<a@x>\r\nRCPT TO:<b@y> ORCPT=utf-8;\xc3\xa4@y\r\n", "250 501"},
	};
	for (size_t i = 0; i < sizeof envelopes / sizeof envelopes[0]; i++) {
		struct fixture f;
		begin_with(&f, "", "SIZE,8BITMIME,SMTPUTF8,DSN,PIPELINING,REQUIRETLS,AUTH PLAIN");
		greet(&f);
		assert_string_equal(codes(&f, envelopes[i].input), envelopes[i].codes);
		bm_sink_session_free(f.session);
		f.session = NULL;
		assert_int_equal(f.shared.counters.violations, strpbrk(envelopes[i].codes, "5") != NULL &&
														   strcmp(envelopes[i].codes, "250") != 0 &&
														   strcmp(envelopes[i].codes, "250 250") != 0);
		finish(&f);
	}
}

static void a_reply_of_the_script_offers_what_it_names(void **state)
{
	(void)state;
	struct fixture f;
	begin(&f, "{\"on\":\"EHLO\",\"reply\":\"250-x\\r\\n250-size 5\\r\\n250 DSN\"}");
	greet(&f);
	assert_string_equal(codes(&f, "MAIL FROM:<a@x> SIZE=1 RET=FULL\r\n"), "250");
	assert_string_equal(codes(&f, "RSET\r\n"), "250");
	assert_string_equal(codes(&f, "MAIL FROM:<a@x> BODY=8BITMIME\r\n"), "555");
	finish(&f);
}

static void begin_lmtp(struct fixture *f, const char *script)
{
	begin(f, script);
	f->shared.lmtp = true;
	bm_sink_session_tick(f->session);
	said(f);
	assert_string_equal(codes(f, "LHLO c\r\n"), "250");
}

#define THREE "MAIL FROM:<a@x>\r\nRCPT TO:<b@y>\r\nRCPT TO:<c@y>\r\nRCPT TO:<d@y>\r\nDATA\r\n"

static void lmtp_answers_each_recipient(void **state)
{
	(void)state;
	struct fixture f;
	begin_lmtp(&f, "{\"on\":\"end\",\"match\":\"^c@\",\"delay_ms\":10,\"reply\":\"452 full\"}");
	assert_string_equal(codes(&f, THREE), "250 250 250 250 354");
	assert_string_equal(talk(&f, "x\r\n.\r\n"), "250 2.0.0 Ok: queued as 1\r\n");
	assert_string_equal(wait_ms(&f, 10), "452 full\r\n250 2.0.0 Ok: queued as 1\r\n");
	for (size_t i = 0; i < 3; i++) {
		json_t *line = record(&f, i);
		assert_int_equal(json_integer_value(json_object_get(line, "transaction")), 1);
		assert_int_equal(json_array_size(json_object_get(line, "recipients")), 1);
		assert_int_equal(json_is_true(json_object_get(line, "accepted")), i != 1);
		json_decref(line);
	}
	assert_int_equal(f.shared.counters.transactions, 1);
	assert_int_equal(f.shared.counters.recipients, 2);
	assert_string_equal(codes(&f, "MAIL FROM:<a@x>\r\n"), "250");
	finish(&f);
}

static void lmtp_has_a_greeting_of_its_own(void **state)
{
	(void)state;
	struct fixture f;
	begin_lmtp(&f, "");
	assert_string_equal(codes(&f, "EHLO c\r\n"), "500");
	expect_violation(&f, "wrong-protocol");
	finish(&f);
	begin(&f, "");
	greet(&f);
	assert_string_equal(codes(&f, "LHLO c\r\n"), "500");
	expect_violation(&f, "wrong-protocol");
	finish(&f);
}

static void starttls_without_a_certificate(void **state)
{
	(void)state;
	struct fixture f;
	begin_with(&f,
		"{\"on\":\"STARTTLS\",\"times\":1,\"reply\":\"220 go\"}\n{\"on\":\"handshake\",\"presend\":\"early\"}",
		"STARTTLS");
	greet(&f);
	assert_string_equal(talk(&f, "STARTTLS\r\nNOOP\r\n"), "220 go\r\nearly");
	assert_string_equal(codes(&f, "NOOP\r\n"), "250");
	assert_string_equal(codes(&f, "STARTTLS\r\n"), "502");
	finish(&f);
	begin(&f, "");
	f.shared.tls_required = true;
	greet(&f);
	assert_string_equal(codes(&f, "MAIL FROM:<a@x>\r\n"), "530");
	expect_violation(&f, "before-tls");
	finish(&f);
}

static void a_flood_has_its_bounds(void **state)
{
	(void)state;
	const char *const kinds[][2] = {{"line", "250 xxxx"}, {"lines", "250-x\r\n2"}, {"replies", "250 2.0."}};
	for (size_t i = 0; i < 3; i++) {
		struct fixture f;
		char script[128];
		uint64_t sum = 0;
		snprintf(script, sizeof script, "{\"on\":\"NOOP\",\"flood\":\"%s\"}", kinds[i][0]);
		begin(&f, script);
		greet(&f);
		struct bm_buf *out = bm_sink_session_output(f.session);
		assert_int_equal(bm_sink_session_feed(f.session, "NOOP\r\n", 6), BM_OK);
		assert_memory_equal(out->data, kinds[i][1], 8);
		while (bm_sink_session_action(f.session) == BM_SINK_GO_ON) {
			assert_in_range(out->size, 1, 1U << 17);
			sum += out->size;
			bm_buf_clear(out);
			bm_sink_session_tick(f.session);
		}
		assert_int_equal(bm_sink_session_action(f.session), BM_SINK_CLOSE);
		assert_in_range(sum, 60U << 20, 65U << 20);
		finish(&f);
	}
}

static void a_slow_flood_ends_by_the_clock(void **state)
{
	(void)state;
	struct fixture f;
	begin(&f, "{\"on\":\"NOOP\",\"flood\":\"lines\",\"drip_ms\":100}");
	greet(&f);
	assert_string_equal(talk(&f, "NOOP\r\n"), "250-x\r\n");
	assert_int_equal(bm_sink_session_deadline(f.session), f.shared.now_ms + 100);
	assert_string_equal(wait_ms(&f, 99), "");
	assert_string_equal(wait_ms(&f, 1), "250-x\r\n");
	wait_ms(&f, 60000);
	assert_int_equal(bm_sink_session_action(f.session), BM_SINK_CLOSE);
	finish(&f);
}

static void pads_repeats_and_cuts_replies(void **state)
{
	(void)state;
	struct fixture f;
	begin(&f,
		"{\"on\":\"NOOP\",\"reply\":\"250 a\",\"pad\":3}\n{\"on\":\"HELP\",\"reply\":\"214 b\",\"reply_times\":2}\n"
		"{\"on\":\"VRFY\",\"after\":4,\"stall\":true}");
	greet(&f);
	assert_string_equal(talk(&f, "NOOP\r\n"), "250 aAAA\r\n");
	assert_string_equal(talk(&f, "HELP\r\n"), "214 b\r\n214 b\r\n");
	assert_string_equal(talk(&f, "VRFY a\r\n"), "252 ");
	assert_string_equal(talk(&f, "NOOP\r\n"), "");
	finish(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(checks_each_parameter),
		cmocka_unit_test(a_reply_of_the_script_offers_what_it_names),
		cmocka_unit_test(lmtp_answers_each_recipient),
		cmocka_unit_test(lmtp_has_a_greeting_of_its_own),
		cmocka_unit_test(starttls_without_a_certificate),
		cmocka_unit_test(a_flood_has_its_bounds),
		cmocka_unit_test(a_slow_flood_ends_by_the_clock),
		cmocka_unit_test(pads_repeats_and_cuts_replies),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
