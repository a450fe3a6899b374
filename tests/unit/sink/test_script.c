/* SPDX-License-Identifier: MIT */
#include "../unit.h"
#include "sink/script.h"

static enum bm_code parse(struct bm_sink_script *script, const char *text, struct bm_error *err)
{
	return bm_sink_script_parse(script, "s", bm_span_of(text), err);
}

static const struct bm_sink_rule *happen(
	struct bm_sink_script *script, enum bm_sink_event event, uint64_t connection, const char *line)
{
	struct bm_sink_happening happening = {
		.events = bm_sink_event_bit(event), .connection = connection, .line = bm_span_of(line)};
	return bm_sink_script_match(script, &happening);
}

static void reads_lines_and_arrays(void **state)
{
	(void)state;
	struct bm_sink_script script;
	struct bm_error err = BM_ERROR_INIT;
	assert_int_equal(parse(&script, "# hi\n\n{\"on\":\"MAIL\",\"close\":true}\n{\"reply\":\"250 x\"}", &err), BM_OK);
	assert_int_equal(script.count, 2);
	assert_true(script.rules[0].close);
	assert_memory_equal(script.rules[1].reply.data, "250 x\r\n", 7);
	bm_sink_script_deinit(&script);
	assert_int_equal(parse(&script, " # a [\n[\n# b\n{\"on\":[\"mail\",\"RCPT\"],\n\"hex\":\"00fF\"}]", &err), BM_OK);
	assert_int_equal(script.count, 1);
	assert_int_equal(script.rules[0].on, bm_sink_event_bit(BM_SINK_ON_MAIL) | bm_sink_event_bit(BM_SINK_ON_RCPT));
	assert_memory_equal(script.rules[0].reply.data, "\0\xff", 2);
	bm_sink_script_deinit(&script);
	assert_int_equal(parse(&script, "", &err), BM_OK);
	assert_int_equal(script.count, 0);
}

static void says_where_and_what_is_wrong(void **state)
{
	(void)state;
	const char *const wrong[][2] = {
		{"{\"close\":true}\n{\"on\":\"MAIL\"", "s:2: expected one JSON object"},
		{"3", "s:1: expected one JSON object"},
		{"{\"on\":\"MALE\",\"close\":true}", "s:1: \"on\": expected an event"},
		{"{\"on\":[],\"close\":true}", "s:1: \"on\": expected an event"},
		{"{\"on\":\"MAIL\"}", "s:1: expected an action"},
		{"{\"clause\":true}", "s:1: \"clause\": expected a field"},
		{"{\"close\":1}", "s:1: \"close\": expected true or false"},
		{"{\"nth\":0,\"close\":true}", "s:1: \"nth\": expected a number from 1"},
		{"{\"nth\":[1,0],\"close\":true}", "s:1: \"nth\": expected a list"},
		{"{\"nth\":{\"every\":0},\"close\":true}", "s:1: \"nth\": expected {\"every\""},
		{"{\"match\":\"(\",\"close\":true}", "s:1: \"match\": expected a POSIX"},
		{"{\"hex\":\"0\"}", "s:1: \"hex\": expected a string of pairs"},
		{"{\"hex\":\"0g\"}", "s:1: \"hex\": expected a string of pairs"},
		{"{\"reply\":\"a\",\"raw\":\"b\"}", "s:1: \"raw\": expected only one of"},
		{"{\"delay_ms\":-1}", "s:1: \"delay_ms\": expected a whole number"},
		{"[\n{\"close\":true},\n{\"close\":2}]", "s: rule 2: \"close\": expected true"},
		{"[\n{\"close\":true},\n{", "s:3: expected an array"},
	};
	for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
		struct bm_sink_script script;
		struct bm_error err = BM_ERROR_INIT;
		assert_int_equal(parse(&script, wrong[i][0], &err), BM_E_CONF);
		err.text[strlen(wrong[i][1])] = '\0';
		assert_string_equal(err.text, wrong[i][1]);
	}
}

static void counts_over_the_run_and_takes_the_first(void **state)
{
	(void)state;
	struct bm_sink_script script;
	struct bm_error err = BM_ERROR_INIT;
	assert_int_equal(parse(&script,
						 "{\"on\":\"RCPT\",\"nth\":[2,5],\"reply\":\"a\"}\n"
						 "{\"on\":\"RCPT\",\"nth\":{\"every\":2},\"reply\":\"b\"}\n"
						 "{\"on\":\"*\",\"nth\":{\"from\":4},\"times\":1,\"reply\":\"c\"}\n",
						 &err),
		BM_OK);
	const char *expected = "-a-bac";
	for (size_t i = 0; expected[i] != '\0'; i++) {
		const struct bm_sink_rule *rule = happen(&script, BM_SINK_ON_RCPT, 1, "RCPT");
		/* The sixth is even too. */
		char got = (char)(rule == NULL ? '-' : rule->reply.data[0]);
		assert_int_equal(got, i == 5 ? 'b' : expected[i]);
	}
	assert_int_equal(happen(&script, BM_SINK_ON_MAIL, 1, "")->reply.data[0], 'c');
	assert_null(happen(&script, BM_SINK_ON_MAIL, 1, ""));
	bm_sink_script_deinit(&script);
}

static void selects_by_text_and_connection(void **state)
{
	(void)state;
	struct bm_sink_script script;
	struct bm_error err = BM_ERROR_INIT;
	assert_int_equal(parse(&script,
						 "{\"on\":\"RCPT\",\"match\":\"<b.*@Y>$\",\"connection\":{\"from\":2},\"reply\":\"a\"}\n"
						 "{\"connection\":[1,3],\"reply\":\"b\"}\n",
						 &err),
		BM_OK);
	assert_int_equal(happen(&script, BM_SINK_ON_RCPT, 1, "RCPT TO:<bob@y>")->reply.data[0], 'b');
	assert_int_equal(happen(&script, BM_SINK_ON_RCPT, 2, "RCPT TO:<bob@y>")->reply.data[0], 'a');
	assert_null(happen(&script, BM_SINK_ON_RCPT, 2, "RCPT TO:<bob@yy>"));
	assert_int_equal(happen(&script, BM_SINK_ON_GREETING, 3, "")->reply.data[0], 'b');
	assert_null(happen(&script, BM_SINK_ON_CONNECT, 3, ""));
	bm_sink_script_deinit(&script);
}

static void finds_the_next_octet_to_wait_at(void **state)
{
	(void)state;
	struct bm_sink_script script;
	struct bm_error err = BM_ERROR_INIT;
	assert_int_equal(
		parse(&script, "{\"on\":\"content\",\"after\":50,\"close\":true}\n{\"on\":\"content\",\"stop_reading\":true}\n",
			&err),
		BM_OK);
	assert_int_equal(bm_sink_script_trip(&script, 0), 0);
	assert_int_equal(bm_sink_script_trip(&script, 1), 50);
	assert_true(bm_sink_script_trip(&script, 51) == UINT64_MAX);
	assert_true(bm_sink_script_stops_reading(&script));
	bm_sink_script_deinit(&script);
}

static void tells_a_missing_file(void **state)
{
	(void)state;
	struct bm_sink_script script;
	struct bm_error err = BM_ERROR_INIT;
	assert_int_equal(bm_sink_script_load(&script, "/nonexistent/script", &err), BM_E_MISSING);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(reads_lines_and_arrays),
		cmocka_unit_test(says_where_and_what_is_wrong),
		cmocka_unit_test(counts_over_the_run_and_takes_the_first),
		cmocka_unit_test(selects_by_text_and_connection),
		cmocka_unit_test(finds_the_next_octet_to_wait_at),
		cmocka_unit_test(tells_a_missing_file),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
