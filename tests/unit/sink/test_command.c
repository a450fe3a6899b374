/* SPDX-License-Identifier: MIT */
#include "../unit.h"
#include "sink/command.h"

static bool path(const char *args, const char *keyword, const char *expected, const char *expected_params)
{
	struct bm_span found = {NULL, 0};
	struct bm_span params = {NULL, 0};
	if (!bm_sink_command_path(bm_span_of(args), keyword, &found, &params))
		return false;
	assert_true(bm_span_equal(found, bm_span_of(expected)));
	assert_true(bm_span_equal(params, bm_span_of(expected_params)));
	return true;
}

static void splits_verb_and_arguments(void **state)
{
	(void)state;
	struct bm_sink_command command = bm_sink_command_split(bm_span_of("mAiL  FROM:<> "));
	assert_int_equal(command.verb, BM_SINK_ON_MAIL);
	assert_true(bm_span_equal(command.args, bm_span_of("FROM:<>")));
	assert_int_equal(bm_sink_command_split(bm_span_of("QUIT")).verb, BM_SINK_ON_QUIT);
	assert_int_equal(bm_sink_command_split(bm_span_of("")).verb, BM_SINK_ON_OTHER);
	assert_int_equal(bm_sink_command_split(bm_span_of("DATAX")).verb, BM_SINK_ON_OTHER);
	assert_int_equal(bm_sink_command_split(bm_span_of("end")).verb, BM_SINK_ON_OTHER);
}

static void takes_paths_apart(void **state)
{
	(void)state;
	assert_true(path("FROM:<>", "FROM", "", ""));
	assert_true(path("from:<a@x>  SIZE=3 BODY=7BIT", "FROM", "a@x", "SIZE=3 BODY=7BIT"));
	assert_true(path("TO:<\"a> \\\"<b\"@x>", "TO", "\"a> \\\"<b\"@x", ""));
}

static void refuses_malformed_paths(void **state)
{
	(void)state;
	const char *wrong[] = {"", "TO", "TO:", "TO:a@x", "TO: <a@x>", "TO:<a@x", "TO:<a@x>X", "TO:<a b@x>", "FROM:<a@x>",
		"TO:<\"a>", "TO <a@x>", "TO:<<a@x>>"};
	for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++)
		assert_false(path(wrong[i], "TO", "", ""));
}

static void takes_parameters_one_by_one(void **state)
{
	(void)state;
	struct bm_span params = bm_span_of("SIZE=12  SMTPUTF8 X==");
	struct bm_span name;
	struct bm_span value;
	assert_true(bm_sink_command_param(&params, &name, &value));
	assert_true(bm_span_equal(name, bm_span_of("SIZE")));
	assert_true(bm_span_equal(value, bm_span_of("12")));
	assert_true(bm_sink_command_param(&params, &name, &value));
	assert_true(bm_span_equal(name, bm_span_of("SMTPUTF8")));
	assert_int_equal(value.size, 0);
	assert_true(bm_sink_command_param(&params, &name, &value));
	assert_true(bm_span_equal(value, bm_span_of("=")));
	assert_false(bm_sink_command_param(&params, &name, &value));
}

static void reads_chunk_sizes(void **state)
{
	(void)state;
	uint64_t size = 0;
	bool last = false;
	assert_true(bm_sink_command_chunk(bm_span_of("12"), &size, &last));
	assert_int_equal(size, 12);
	assert_false(last);
	assert_true(bm_sink_command_chunk(bm_span_of("0 last"), &size, &last));
	assert_true(last);
	assert_false(bm_sink_command_chunk(bm_span_of(""), &size, &last));
	assert_false(bm_sink_command_chunk(bm_span_of("-1"), &size, &last));
	assert_false(bm_sink_command_chunk(bm_span_of("1 LATE"), &size, &last));
	assert_false(bm_sink_command_chunk(bm_span_of("99999999999999999999"), &size, &last));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(splits_verb_and_arguments),
		cmocka_unit_test(takes_paths_apart),
		cmocka_unit_test(refuses_malformed_paths),
		cmocka_unit_test(takes_parameters_one_by_one),
		cmocka_unit_test(reads_chunk_sizes),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
