/* SPDX-License-Identifier: MIT */
/* What a slot is, which column it takes, and what is told when there is none. */
#include "slots.h"

#include <stdio.h>

static void check_subject(const char *subject, struct slot_values values, const char *want)
{
	struct bm_message_options options = options_for(BM_MESSAGE_BODY, "b");
	char line[512];

	options.subject = subject;
	struct bm_message *message = slots_make(options);
	char *text = slots_render(message, values, NULL);
	snprintf(line, sizeof line, "\r\nSubject: %s\r\n", want);
	if (strstr(text, line) == NULL)
		fail_msg("wanted %s in %s", line, text);
	free(text);
	bm_message_free(message);
}

static void takes_values_and_defaults(void **state)
{
	(void)state;
	const struct slot_values all = {"j@y.org", "Jim", "Lecce"};
	const struct slot_values none = {"j@y.org", NULL, ""};
	check_subject("Hi {{name}}!", all, "Hi Jim!");
	check_subject("{{ name\t}}{{email}}", all, "Jimj@y.org");
	check_subject("Hi {{name|you}}, {{name| you |x}}", none, "Hi you,  you |x");
	check_subject("Hi {{name|you}}", all, "Hi Jim");
	check_subject("in <{{citt\xc3\xa0|no town}}>", none, "in <no town>");
	check_subject("in <{{Citt\xc3\xa0}}>{{name|}}.", none, "in <>.");
	check_subject("{{{name}}} {{{name|x}}}", all, "Jim Jim");
	check_subject("\\{{name}} \\{{{name}} {name} }}", all, "{{name}} {{{name}} {name} }}");
	check_subject("{{name}}}", all, "Jim}");
	check_subject("Hi {{nick|you}} {{name}}", all, "Hi you Jim");
	check_subject("Hi {{nick|you}}{{other|}}", none, "Hi you");
}

static void wants_an_exact_name_or_the_only_one(void **state)
{
	(void)state;
	static const char *const names[] = {"Name", "NAME", "City"};
	struct bm_message *message = NULL;
	struct bm_error err = BM_ERROR_INIT;
	struct bm_message_options options = options_for(BM_MESSAGE_BODY, "{{NAME}} {{city}}");
	size_t count = 0;
	options.merge = true;
	options.columns = names;
	options.column_count = 3;
	assert_int_equal(bm_message_new(&message, &options, &err), BM_OK);
	const size_t *columns = bm_message_columns(message, &count);
	assert_int_equal(count, 2);
	assert_int_equal(columns[0], 1);
	assert_int_equal(columns[1], 2);
	bm_message_free(message);
	options.content = "x {{name}}";
	options.content_size = strlen(options.content);
	copy_check_refused(&options, "MB024", "the list has no column \"name\" (it has: Name, NAME, City)");
}

static void names_what_is_wrong(void **state)
{
	(void)state;
	struct bm_message_options options = options_for(BM_MESSAGE_BODY, "one\ntwo {{nmae}}\n");
	slots_check_refused(&options, "MB024",
		"line 2 of the message: the list has no column \"nmae\" (it has: email, name, Citt\xc3\xa0); did you mean "
		"\"name\"?; --set merge=0 sends braces as they are");
	options = options_for(BM_MESSAGE_BODY, "one\n{{name\n}}");
	slots_check_refused(&options, "MB025", "line 2 of the message: a slot begins with {{");
	options = options_for(BM_MESSAGE_BODY, "{{{name}}");
	slots_check_refused(&options, "MB025", "not closed with }}}");
	options = options_for(BM_MESSAGE_BODY, "x");
	options.subject = "{{}}";
	slots_check_refused(&options, "MB024", "header Subject: the list has no column \"\"");
	options.sender = "s@x.org";
	options.from = "\"{{name\" <a@x.org>";
	slots_check_refused(&options, "MB025", "header From");
	options.column_count = 1;
	copy_check_refused(&options, "", "a size without content");
}

static void leaves_braces_alone_without_merge(void **state)
{
	(void)state;
	struct bm_message_options options = options_for(BM_MESSAGE_FILE, "Subject: {{a\nFrom: a@x.org\n\n{{b}} \\{{\n");
	options.to = "l@x.org";
	copy_check(&options, "Subject: {{a\r\nFrom: a@x.org\r\n" DATE "To: l@x.org\r\n" ID "\r\n{{b}} \\{{\r\n");
}

/* merge changes nothing in a message without slots. */
static void leaves_a_message_without_slots_alone(void **state)
{
	(void)state;
	static const char content[] =
		"Subject: =?utf-8?q?x?= { {\nFrom: a@x.org\nContent-Type: multipart/mixed; boundary=b\n\n"
		"--b\n\n.x\n--b--\n";
	struct bm_message_options options = options_for(BM_MESSAGE_FILE, content);
	struct bm_message *message = NULL;
	size_t count = 1;
	options.to = "l@x.org";
	assert_int_equal(bm_message_new(&message, &options, NULL), BM_OK);
	char *want = copy_render(message, NULL, 0);
	bm_message_free(message);
	message = slots_make(options);
	char *text = copy_render(message, NULL, 0);
	assert_string_equal(text, want);
	(void)bm_message_columns(message, &count);
	assert_int_equal(count, 0);
	free(text);
	free(want);
	bm_message_free(message);
}

/* conformance: 72 */
static void tells_copies_apart_by_their_values(void **state)
{
	(void)state;
	struct bm_message *message = slots_file("From: a@x.org\n\n{{name}} {{email}} {{citt\xc3\xa0|x}}\n");
	static const struct slot_values rows[] = {
		{"a", "b", "x"}, {"ab", "", "x"}, {"", "ab", "x"}, {"a", "b", "y"}, {"a", "b\n", "x"}};
	uint64_t keys[5][2];
	for (size_t i = 0; i < 5; i++) {
		struct bm_span given[SLOT_COLUMNS];
		size_t count = slots_pick(message, rows[i], given);
		bm_message_key(message, given, count, keys[i]);
		for (size_t j = 0; j < i; j++)
			assert_false(keys[i][0] == keys[j][0] || keys[i][1] == keys[j][1]);
	}
	char id[100];
	char *text = slots_render(message, rows[0], NULL);
	char *again = slots_render(message, rows[0], NULL);
	assert_string_equal(text, again);
	snprintf(id, sizeof id, "\r\nMessage-ID: <%016llx%016llx.0000000000@x.org>\r\n", (unsigned long long)keys[0][0],
		(unsigned long long)keys[0][1]);
	assert_non_null(strstr(text, id));
	free(text);
	free(again);
	bm_message_free(message);
}

/* Values of any size have a key of their own, absent ones that of empty ones. */
static void hashes_long_values(void **state)
{
	(void)state;
	static char large[3000];
	struct bm_message *message = slots_file("From: a@x.org\n\n{{name}} {{email}}\n");
	struct bm_span values[2] = {{NULL, 0}, {NULL, 0}};
	uint64_t first[2];
	uint64_t key[2];
	memset(large, 'x', sizeof large);
	bm_message_key(message, values, 2, first);
	values[1] = bm_span_make(large, 0);
	bm_message_key(message, values, 2, key);
	assert_true(key[0] == first[0] && key[1] == first[1]);
	for (size_t size = 490; size < 530; size++) {
		uint64_t before[2] = {key[0], key[1]};
		values[0] = bm_span_make(large, size);
		values[1] = bm_span_make(large, 3000 - size);
		bm_message_key(message, values, 2, key);
		assert_true(key[0] != before[0] && key[1] != before[1]);
	}
	bm_message_free(message);
	message = slots_file("From: a@x.org\n\nx\n");
	bm_message_key(message, NULL, 0, key);
	assert_true(key[0] == 0 && key[1] == 0);
	bm_message_free(message);
}

/* conformance: F59 */
static void says_what_values_lack(void **state)
{
	(void)state;
	struct bm_message *message = slots_file("From: a@x.org\nSubject: {{name}}\n\n{{email}} {{citt\xc3\xa0|x}}\n");
	const char *reason = "";
	slots_check_reason(message, (struct slot_values){"a", NULL, NULL}, "no value for column name");
	slots_check_reason(message, (struct slot_values){NULL, "b", NULL}, "no value for column email");
	slots_check_reason(message, (struct slot_values){"\xff", "b", ""}, "column email: not valid UTF-8");
	assert_int_equal(bm_message_check_values(message, NULL, 0, &reason), BM_E_MESSAGE);
	assert_string_equal(reason, "values of columns are missing");
	struct bm_render render;
	struct bm_error err = BM_ERROR_INIT;
	struct bm_copy copy = {.seq = 0};
	bm_render_init(&render);
	assert_int_equal(bm_message_render(message, &render, &copy, &err), BM_E_USAGE);
	bm_render_deinit(&render);
	bm_message_free(message);
}

/* What a value or a default holds is text, whatever it looks like. */
/* conformance: A32 */
static void a_value_is_no_template(void **state)
{
	(void)state;
	const struct slot_values values = {"j@y.org", "{{email}}", "{{{name}}}"};
	check_subject("Hi {{name}} of {{citt\xc3\xa0}}", values, "Hi {{email}} of {{{name}}}");
	check_subject("Hi {{nick|\\{{name}} {{email}}", values, "Hi \\{{name j@y.org");
	check_subject("{{name}} `id` $(id) file:///etc/passwd", values, "{{email}} `id` $(id) file:///etc/passwd");
}

/* conformance: A32 */
static void limits_how_many_there_are(void **state)
{
	(void)state;
	static char content[100000];
	for (size_t i = 0; i < 10001; i++)
		memcpy(content + 9 * i, "{{name}}\n", 9);
	struct bm_message_options options = options_for(BM_MESSAGE_BODY, content);
	slots_check_refused(&options, "MB022", "more than 10000 slots");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(takes_values_and_defaults),
		cmocka_unit_test(wants_an_exact_name_or_the_only_one),
		cmocka_unit_test(names_what_is_wrong),
		cmocka_unit_test(leaves_braces_alone_without_merge),
		cmocka_unit_test(leaves_a_message_without_slots_alone),
		cmocka_unit_test(tells_copies_apart_by_their_values),
		cmocka_unit_test(hashes_long_values),
		cmocka_unit_test(says_what_values_lack),
		cmocka_unit_test(a_value_is_no_template),
		cmocka_unit_test(limits_how_many_there_are),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
