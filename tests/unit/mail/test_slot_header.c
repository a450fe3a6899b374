/* SPDX-License-Identifier: MIT */
/* Values in headers: encoded by where they stand, or refused; none adds a line, a header or an address. */
#include "slots.h"

#include <stdio.h>

static struct slot_values name_is(const char *name)
{
	return (struct slot_values){"j@y.org", name, "t"};
}

static struct slot_values email_is(const char *email)
{
	return (struct slot_values){email, "n", "t"};
}

/* conformance: 71, 74 */
static void encodes_text(void **state)
{
	(void)state;
	slots_check_header("Subject: {{name}}", name_is("J\xc3\xbcrgen"), "Subject: =?UTF-8?B?SsO8cmdlbg==?=\r\n");
	slots_check_header("Subject: {{name}}", name_is("=?utf-8?q?x?="), "Subject: =?UTF-8?B?PT91dGYtOD9xP3g/PQ==?=\r\n");
	slots_check_header("Subject:  a  {{name}} ", name_is(" b "), "Subject: a   b\r\n");
	slots_check_header("Subject: {{name}}", name_is(""), "Subject: \r\n");
	slots_check_header("x-thing: <{{name}}>, \"", name_is("a, <b@c>"), "x-thing: <a, <b@c>>, \"\r\n");
	slots_check_header(".x: {{name}}", name_is("n"), "..x: n\r\n");
}

/* Mail programs encode the braces, too. */
static void decodes_the_templates_words(void **state)
{
	(void)state;
	slots_check_header("Subject: =?utf-8?q?Gr=C3=BC=C3=9Fe_=7B=7Bname=7D=7D?=\n =?iso-8859-1?B?IPw=?= {{email}}",
		name_is("x"), "Subject: =?UTF-8?B?R3LDvMOfZSB4IMO8IGpAeS5vcmc=?=\r\n");
	slots_check_header("Subject: =?utf-8?q?Gr=C3=BC=C3=9Fe?=\nX-A: {{name}}", name_is("x"),
		"Subject: =?utf-8?q?Gr=C3=BC=C3=9Fe?=\r\nX-A: x\r\n");
	slots_check_header(
		"Subject: =?x-none?q?a?= {{name}}", name_is("x"), "Subject: =?UTF-8?B?PT94LW5vbmU/cT9hPz0geA==?=\r\n");
}

static void check_lines(const char *text, size_t most)
{
	for (const char *line = text; line[0] != '\r'; line = strstr(line, "\r\n") + 2) {
		size_t size = (size_t)(strstr(line, "\r\n") - line);
		assert_true(size <= most);
		assert_true(strspn(line, " \t") < size);
	}
}

/* conformance: 8, 71 */
static void folds_long_text(void **state)
{
	(void)state;
	static char value[2500];
	static char want[3000];
	struct bm_message *message = slots_file("Subject: {{name}}\nFrom: a@x.org\n\nb\n");
	for (size_t i = 0; i + 5 < sizeof value; i += 5)
		memcpy(value + i, "abcd ", 5);
	char *text = slots_render(message, name_is(value), NULL);
	check_lines(text, 998);
	/* Blanks at which it was folded are where they were. */
	snprintf(want, sizeof want, "Subject: %.989s\r\n %.994s\r\n ", value, value + 990);
	assert_memory_equal(text, want, strlen(want));
	free(text);
	memset(value, 'x', sizeof value - 1);
	text = slots_render(message, name_is(value), NULL);
	check_lines(text, 998);
	assert_non_null(strstr(text, "=?UTF-8?B?eHh4"));
	free(text);
	bm_message_free(message);
}

static void folds_at_78_when_told_to(void **state)
{
	(void)state;
	struct bm_message_options options = options_for(BM_MESSAGE_BODY, "b");
	options.subject = "A subject that is long enough: {{name}} and {{name}}";
	options.force80 = true;
	struct bm_message *message = slots_make(options);
	char *text = slots_render(message, name_is("some more words here"), NULL);
	assert_non_null(strstr(
		text, "\r\nSubject: A subject that is long enough: some more words here and some more\r\n words here\r\n"));
	free(text);
	bm_message_free(message);
}

/* conformance: A23 */
static void refuses_line_ends_and_controls(void **state)
{
	(void)state;
	static const char *const bad[] = {"a\nBcc: x@y.org", "a\r\nX: y", "a\rb", "\n", "a\tb", "a\vb", "a\fb", "a\x01",
		"a\x7f",
		"a\xe2\x80\xa8"
		"b",
		"a\xe2\x80\xa9",
		"a\xc2\x85"
		"b"};
	static const char *const headers[] = {"Subject: {{name}}", "From: {{name}} <a@x.org>",
		"Reply-To: \"{{name}}\" <a@x.org>", "List-Unsubscribe: <https://x.org/?{{name}}>",
		"List-Id: {{name}} <l.x.org>", "X-Any: {{name}}", "To: {{name}} <j@y.org>, b@x.org"};
	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
		for (size_t j = 0; j < sizeof headers / sizeof headers[0]; j++)
			slots_check_header_reason(
				headers[j], name_is(bad[i]), "column name: a line end or another control character in a header");
	}
	for (size_t j = 0; j < sizeof headers / sizeof headers[0]; j++) {
		/* A lone surrogate is no UTF-8. */
		slots_check_header_reason(headers[j], name_is("a\xed\xa0\x80"), "column name: not valid UTF-8");
		slots_check_header_reason(headers[j], name_is(NULL), "no value for column name");
	}
}

static void writes_display_names(void **state)
{
	(void)state;
	slots_check_header("From: {{name}} <a@x.org>", name_is("Jim T"), "From: Jim T <a@x.org>\r\n");
	slots_check_header("From: \"{{name}}\" <a@x.org>", name_is("Jim T"), "From: Jim T <a@x.org>\r\n");
	slots_check_header("From: {{name}} Shop <a@x.org>", name_is("Dr. J"), "From: \"Dr. J Shop\" <a@x.org>\r\n");
	slots_check_header("From: {{name}} <a@x.org>", name_is("J\xc3\xbc"), "From: =?UTF-8?B?SsO8?= <a@x.org>\r\n");
	slots_check_header(
		"From: {{name}} <a@x.org>", name_is("=?a?b?c?="), "From: =?UTF-8?B?PT9hP2I/Yz89?= <a@x.org>\r\n");
	slots_check_header("From: {{name}} <a@x.org> (home)", name_is(""), "From: <a@x.org> (home)\r\n");
	slots_check_header("From: =?utf-8?q?J=C3=BC_=7B=7Bname=7D=7D?= <a@x.org>", name_is("x"),
		"From: =?UTF-8?B?SsO8IHg=?= <a@x.org>\r\n");
	slots_check_header("Cc: Friends of {{name}}: a@x.org, {{email}};", name_is("J, K"),
		"Cc: \"Friends of J, K\": a@x.org, j@y.org;\r\n");
	slots_check_header(
		"To: {{name|A, \"B\"}} <b@x.org>, c@x.org", name_is(""), "To: \"A, \\\"B\\\"\" <b@x.org>, c@x.org\r\n");
}

/* conformance: A24 */
static void keeps_addresses_apart(void **state)
{
	(void)state;
	static const char *const evil[] = {"a@b.org, c@d.org", "a@b.org>, <c@d.org", "<b@x.org>,c@y.org",
		"a@b.org; c@d.org", "g: a@b.org;", "a", "@b.org:a@b.org", "a@b@c.org", "a@b.org\" x", "\"a@evil.org\"@",
		"(a@b.org", "a b@x.org", ""};
	static const char *const headers[] = {"To: <{{email}}>", "To: x <{{email}}>, b@x.org", "To: {{email}}",
		"Reply-To: {{email}}", "Sender: \"x\" <{{email}}>"};
	for (size_t i = 0; i < sizeof evil / sizeof evil[0]; i++) {
		for (size_t j = 0; j < sizeof headers / sizeof headers[0]; j++)
			slots_check_header_reason(
				headers[j], email_is(evil[i]), "column email: no single valid address where there must be one");
	}
	slots_check_header_reason(
		"To: <{{email}}>", email_is("J <a@b.org>"), "column email: no single valid address where there must be one");
	slots_check_header_reason(
		"To: {{email}}", email_is("J, X <a@b.org>"), "column email: no single valid address where there must be one");
}

static void writes_addresses_anew(void **state)
{
	(void)state;
	slots_check_header("To: x <{{email}}>", email_is("a@b.org (c)"), "To: x <a@b.org>\r\n");
	slots_check_header("To: {{email}}", email_is("Jim \"T\" <a@b.org>"), "To: Jim T <a@b.org>\r\n");
	slots_check_header("To: {{email}}", email_is("\"T, J\" <a@b.org>"), "To: \"T, J\" <a@b.org>\r\n");
	slots_check_header("To: <{{name}}.{{email}}@x.org>", email_is("b"), "To: <n.b@x.org>\r\n");
	slots_check_header("To: <{{email}}>", email_is("a@b\xc3\xbc.org"), "To: <a@xn--b-eha.org>\r\n");
	slots_check_header("To: \"{{name}}\" <{{email}}>", (struct slot_values){"a@b.org", "Doe, John \"x\" <evil@y>", ""},
		"To: \"Doe, John \\\"x\\\" <evil@y>\" <a@b.org>\r\n");
}

static void encodes_uris(void **state)
{
	(void)state;
	slots_check_header("List-Unsubscribe: <https://x.org/u?e={{email}}&n={{name}}>, <mailto:u@x.org>",
		(struct slot_values){"a+b@x.org", ">, <\xc3\xbc ~._-", "t"},
		"List-Unsubscribe: <https://x.org/u?e=a%2Bb%40x.org&n=%3E%2C%20%3C%C3%BC%20~._->,\r\n <mailto:u@x.org>\r\n");
	slots_check_header("List-Id: {{name}} <l.x.org>", name_is("a <b>"), "List-Id: \"a <b>\" <l.x.org>\r\n");
	slots_check_header("List-Help: {{name}}", name_is("<http://evil>"), "List-Help: \"<http://evil>\"\r\n");
	static char large[400];
	memset(large, '%', sizeof large - 1);
	slots_check_header_reason("List-Help: <{{name}}>", name_is(large), "column name: too long for its line");
}

/* conformance: 55 */
/* UTF-8 of the file's own in a URI stays as it is, and the copy says so; of a value it is percent-encoded. */
static void a_uri_that_is_not_ascii_needs_smtputf8(void **state)
{
	(void)state;
	const struct {
		const char *header;
		const char *name;
		bool utf8;
	} cases[] = {
		{"List-Help: <https://x.org/{{name}}>", "\xc3\xbc", false},
		{"List-Help: <https://x.org/\xc3\xbc/{{name}}>", "n", true},
	};

	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		char content[200];
		struct bm_span given[SLOT_COLUMNS];
		struct bm_render render;
		struct bm_error err = BM_ERROR_INIT;
		snprintf(content, sizeof content, "From: a@x.org\n%s\n\nb\n", cases[i].header);
		struct bm_message *message = slots_file(content);
		struct bm_copy copy = {.values = given};
		copy.value_count = slots_pick(message, name_is(cases[i].name), given);
		bm_render_init(&render);
		assert_int_equal(bm_message_render(message, &render, &copy, &err), BM_OK);
		assert_int_equal(render.utf8, cases[i].utf8);
		assert_int_equal(render.eight_bit, cases[i].utf8);
		bm_render_deinit(&render);
		bm_message_free(message);
	}
}

/* The envelope is the same for all. */
static void has_no_slot_in_the_sender(void **state)
{
	(void)state;
	struct bm_message_options options = options_for(BM_MESSAGE_BODY, "b");
	options.from = "{{name}} <{{email}}>";
	slots_check_refused(&options, "MB019", "the envelope sender cannot come from a slot");
	options.from = "{{name}} <a@x.org>";
	slots_set(&options);
	copy_check_sender(&options, "a@x.org");
	options.from = "{{name}} <{{email}}>";
	options.sender = "s@z.org";
	copy_check_sender(&options, "s@z.org");
	struct bm_message *message = slots_make(options);
	char *text = slots_render(message, name_is("J"), NULL);
	assert_non_null(strstr(text, "\r\nFrom: J <j@y.org>\r\n"));
	assert_non_null(strstr(text, "@z.org>\r\n"));
	free(text);
	bm_message_free(message);
}

static void wants_attributes_to_be_one_address(void **state)
{
	(void)state;
	struct bm_message_options options = options_for(BM_MESSAGE_BODY, "b");
	options.sender = "s@x.org";
	options.from = "{{name}} <a@x.org>, b@x.org";
	slots_check_refused(&options, "MB002", "header From: more than one address");
	options.from = "{{name}} <nobody>";
	slots_check_refused(&options, "MB002", "header From");
	options.from = "{{name}} <a@x.org";
	slots_check_refused(&options, "MB022", "not closed");
	options.from = "\"{{name}} <a@x.org>";
	slots_check_refused(&options, "MB022", "not closed");
	options.from = "{{name}} <a@x.org> {{name}}";
	slots_check_refused(&options, "MB022", "something behind an address");
}

/* conformance: A31 */
static void has_no_slots_in_structured_headers(void **state)
{
	(void)state;
	static const char *const headers[] = {"Date: {{name}}", "Message-ID: <{{name}}@x>", "MIME-Version: {{name}}",
		"Content-Type: text/{{name}}", "Content-Transfer-Encoding: {{name}}", "Content-Disposition: {{name}}"};
	for (size_t i = 0; i < sizeof headers / sizeof headers[0]; i++) {
		char content[200];
		snprintf(content, sizeof content, "From: a@x.org\n%s\n\nb\n", headers[i]);
		struct bm_message_options options = options_for(BM_MESSAGE_FILE, content);
		options.to = "l@x.org";
		slots_check_refused(&options, "MB022", "no slot can stand here");
	}
}

/* conformance: 73 */
static void drops_bcc_with_its_slots(void **state)
{
	(void)state;
	slots_check_header("Bcc: {{name}}, {{nosuch}}\nX-A: 1", name_is("x@y.org"), "X-A: 1\r\n");
}

/* conformance: A25 */
static void is_linear_in_time(void **state)
{
	(void)state;
	static char content[400000] = "From: a@x.org\nTo: ";
	static const char *const units[] = {"{{", "(", "\"", "=?", "\\{{", "<", "[", "=?utf-8?q?"};
	for (size_t i = 0; i < sizeof units / sizeof units[0]; i++) {
		size_t at = 18;
		size_t size = strlen(units[i]);
		memcpy(content + at, "{{name}}", 8);
		for (at += 8; at + size + 8 < 200000; at += size)
			memcpy(content + at, units[i], size);
		memcpy(content + at, "\n\nb\n", 5);
		struct bm_message_options options = options_for(BM_MESSAGE_FILE, content);
		struct bm_message *message = NULL;
		struct bm_error err = BM_ERROR_INIT;
		slots_set(&options);
		enum bm_code code = bm_message_new(&message, &options, &err);
		assert_true(code == BM_OK || code == BM_E_MESSAGE);
		bm_message_free(message);
	}
}

/* Parentheses that are not closed where take_element does not look for them. */
/* conformance: A25 */
static void is_linear_in_open_comments(void **state)
{
	(void)state;
	static char content[1000000] = "From: a@x.org\nCc: [";
	size_t head = strlen(content);
	memset(content + head, '(', 900000);
	snprintf(content + head + 900000, 100, "] {{name}} <b@x.org>\n\nb\n");
	bm_message_free(slots_file(content));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(encodes_text),
		cmocka_unit_test(decodes_the_templates_words),
		cmocka_unit_test(folds_long_text),
		cmocka_unit_test(folds_at_78_when_told_to),
		cmocka_unit_test(refuses_line_ends_and_controls),
		cmocka_unit_test(writes_display_names),
		cmocka_unit_test(keeps_addresses_apart),
		cmocka_unit_test(writes_addresses_anew),
		cmocka_unit_test(encodes_uris),
		cmocka_unit_test(a_uri_that_is_not_ascii_needs_smtputf8),
		cmocka_unit_test(has_no_slot_in_the_sender),
		cmocka_unit_test(wants_attributes_to_be_one_address),
		cmocka_unit_test(has_no_slots_in_structured_headers),
		cmocka_unit_test(drops_bcc_with_its_slots),
		cmocka_unit_test(is_linear_in_time),
		cmocka_unit_test(is_linear_in_open_comments),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
