/* SPDX-License-Identifier: MIT */
/* Values in bodies: by the part's type, charset and encoding; what has no slots stays to the octet. */
#include "slots.h"

#include <stdio.h>

#define QP "Content-Transfer-Encoding: quoted-printable\r\n"

static struct slot_values name_is(const char *name)
{
	return (struct slot_values){"j@y.org", name, "t"};
}

static void becomes_quoted_printable(void **state)
{
	(void)state;
	slots_check_body("", "Dear {{name}},\na = b \n\t\n.\n{{name}}", name_is("J\xc3\xbc = \x01"),
		"MIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\n" QP,
		"Dear J=C3=BC =3D =01,\r\na =3D b=20\r\n=09\r\n=2E\r\nJ=C3=BC =3D =01\r\n");
	slots_check_body("content-type: TEXT/Plain ; charset=US-ASCII; format=flowed\nContent-transfer-encoding: 7bit",
		"{{name}}\n", name_is("x"),
		"content-type: TEXT/Plain ; charset=utf-8; format=flowed\r\nContent-transfer-encoding: quoted-printable\r\n",
		"x\r\n");
}

/* No line over 76, no blank at an end, no dot at a beginning, soft breaks between characters. */
/* conformance: 8 */
static void breaks_long_lines(void **state)
{
	(void)state;
	char value[81];
	memset(value, 'v', sizeof value - 1);
	value[80] = '\0';
	slots_check_body("", "{{name}}.{{name}} \n", name_is(value), "",
		"vvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvv=\r\n"
		"vvvvv.vvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvv=\r\n"
		"vvvvvvvvvvv=20\r\n");
	value[75] = '.';
	value[74] = ' ';
	value[76] = '\0';
	slots_check_body("", "{{name}}\n", name_is(value), "",
		"vvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvv =\r\n=2E\r\n");
	value[75] = '\0';
	slots_check_body("", "{{name}}\n", name_is(value), "",
		"vvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvv=\r\n=20\r\n");
}

/* Line ends in values. */
/* conformance: 4 */
static void makes_line_ends_crlf(void **state)
{
	(void)state;
	slots_check_body("", "<{{name}}>\n", name_is("a \r\nb\rc\n\n.d"), "", "<a=20\r\nb\r\nc\r\n\r\n=2Ed>\r\n");
	slots_check_body("Content-Type: text/plain; charset=utf-8\nContent-Transfer-Encoding: 8bit", "<{{name}}>\n",
		name_is("a \r\nb\rc\n\n.d"), "Content-Transfer-Encoding: 8bit\r\n", "<a \r\nb\r\nc\r\n\r\n..d>\r\n");
}

/* Dots in both forms. */
/* conformance: 5 */
static void stuffs_dots_of_values(void **state)
{
	(void)state;
	struct bm_message *message =
		slots_file("From: a@x.org\nContent-Transfer-Encoding: 8bit\n\n{{name}}\n.{{name}}\n.static\n");
	char *plain = NULL;
	char *text = slots_render(message, name_is(".a\n..b\n."), &plain);
	assert_non_null(strstr(text, "\r\n\r\n..a\r\n...b\r\n..\r\n...a\r\n...b\r\n..\r\n..static\r\n"));
	assert_non_null(strstr(plain, "\r\n\r\n.a\r\n..b\r\n.\r\n..a\r\n..b\r\n.\r\n.static\r\n"));
	free(text);
	free(plain);
	text = slots_render(message, name_is("a"), &plain);
	assert_non_null(strstr(text, "\r\n\r\na\r\n..a\r\n..static\r\n"));
	assert_non_null(strstr(plain, "\r\n\r\na\r\n.a\r\n.static\r\n"));
	free(text);
	free(plain);
	bm_message_free(message);
}

static void escapes_html(void **state)
{
	(void)state;
	slots_check_body("Content-Type: text/html", "<p>{{name}} {{{name}}} {{email|<}}\n",
		(struct slot_values){"", "<&\">'", ""}, "Content-Type: text/html; charset=utf-8\r\n",
		"<p>&lt;&amp;&quot;&gt;&#39; <&\">' &lt;\r\n");
	slots_check_body("Content-Type: text/html; charset=utf-8\nContent-Transfer-Encoding: 8bit",
		"<p>{{name}} {{{name}}}\n", name_is("<\xc3\xbc>"), "", "<p>&lt;\xc3\xbc&gt; <\xc3\xbc>\r\n");
	slots_check_body("Content-Type: text/plain", "{{name}}\n", name_is("<&>"), "", "<&>\r\n");
}

static void reads_quoted_printable(void **state)
{
	(void)state;
	slots_check_body("Content-Type: text/plain; charset=utf-8\nContent-Transfer-Encoding: quoted-printable",
		"static=20li=\nne=\n  \nD=C3=A4r =7B=7Bna=\nme=7D=7D =3D\n.dot\n", name_is("J"), QP,
		"static=20li=\r\nne=\r\n  \r\nD=C3=A4r J =3D\r\n..dot\r\n");
}

static void reads_base64(void **state)
{
	(void)state;
	slots_check_body("Content-Type: text/plain; charset=utf-8\nContent-Transfer-Encoding: base64",
		"SGFsbG8ge3tuYW1l\nfX0KTGluZSAyCg==\n", name_is("J"), QP, "Hallo J\r\nLine 2\r\n");
	slots_check_body("Content-Type: text/plain; charset=utf-8\nContent-Transfer-Encoding: base64\nX-A: {{name}}",
		"SGFsbG8=\n", name_is("J"), "Content-Transfer-Encoding: base64\r\n", "SGFsbG8=\r\n");
}

static void converts_to_the_charset(void **state)
{
	(void)state;
	static const char head[] = "Content-Type: text/plain; charset=\"ISO-8859-1\"\nContent-Transfer-Encoding: 8bit";
	char content[300];
	slots_check_body(head, "\xfc {{name|\xe4}} {{Citt\xe0}}\n", name_is("\xc3\xb6"), "charset=\"ISO-8859-1\"\r\n",
		"\xfc \xf6 t\r\n");
	slots_check_body(head, "\xfc {{name|\xe4}}\n", name_is(""), "", "\xfc \xe4\r\n");
	slots_check_body("Content-Type: text/plain; charset=koi8-r", "{{name}}\n", name_is("\xd0\x94"), QP, "=E4\r\n");
	snprintf(content, sizeof content, "From: a@x.org\n%s\n\n{{name}}\n", head);
	struct bm_message *message = slots_file(content);
	slots_check_reason(message, name_is("\xe2\x82\xac"), "column name: not to be written in the charset ISO-8859-1");
	bm_message_free(message);
}

static void check_body_refused(const char *headers, const char *body, const char *part)
{
	char content[2000];

	snprintf(content, sizeof content, "From: a@x.org\n%s\n%s", headers, body);
	struct bm_message_options options = options_for(BM_MESSAGE_FILE, content);
	options.to = "l@x.org";
	slots_check_refused(&options, "MB022", part);
}

static void refuses_charsets_that_take_no_values(void **state)
{
	(void)state;
	check_body_refused("Content-Type: text/plain; charset=shift_jis\n", "{{name}}\n",
		"line 4 of the message: the part with slots that begins here is in a charset that takes no values (charset "
		"\"shift_jis\"); make it UTF-8");
	check_body_refused("Content-Type: text/plain; charset=iso-2022-jp\n", "{{name}}\n", "takes no values");
	check_body_refused("Content-Type: text/plain; charset=utf-16//IGNORE\n", "{{name}}\n", "takes no values");
	check_body_refused("X-A: 1\n", "\xfc {{name}}\n", "holds octets that are not of its charset");
}

static void checks_body_values(void **state)
{
	(void)state;
	struct bm_message *message = slots_file("From: a@x.org\n\n{{name}}\n");
	struct bm_span nul = bm_span_make("a\0b", 3);
	const char *reason = "";
	slots_check_reason(message, name_is("\xc3"), "column name: not valid UTF-8");
	assert_int_equal(bm_message_check_values(message, &nul, 1, &reason), BM_E_MESSAGE);
	assert_string_equal(reason, "column name: a NUL");
	bm_message_free(message);
}

/* conformance: 8 */
static void keeps_8bit_lines_below_998(void **state)
{
	(void)state;
	static char value[1200];
	struct bm_message *message =
		slots_file("From: a@x.org\nContent-Type: text/html\nContent-Transfer-Encoding: 8bit\n\n<p>{{name}}</p>\n");
	memset(value, 'x', 991);
	free(slots_render(message, name_is(value), NULL));
	value[991] = 'x';
	slots_check_reason(message, name_is(value), "column name: too long for its line");
	value[500] = '\n';
	free(slots_render(message, name_is(value), NULL));
	value[100] = '<';
	memset(value + 500, 'x', 500);
	slots_check_reason(message, name_is(value), "column name: too long for its line");
	bm_message_free(message);
}

/* conformance: 59, 60 */
static void says_when_a_copy_is_8bit(void **state)
{
	(void)state;
	struct bm_message *message = slots_file("From: a@x.org\nContent-Transfer-Encoding: 8bit\n\n{{name}}\n");
	struct bm_span value = bm_span_of("x");
	struct bm_copy copy = {.values = &value, .value_count = 1};
	struct bm_render render;
	bm_render_init(&render);
	assert_false(bm_message_eight_bit(message));
	assert_int_equal(bm_message_render(message, &render, &copy, NULL), BM_OK);
	assert_false(render.eight_bit);
	value = bm_span_of("\xc3\xbc");
	assert_int_equal(bm_message_render(message, &render, &copy, NULL), BM_OK);
	assert_true(render.eight_bit);
	bm_message_free(message);
	message = slots_file("From: a@x.org\nContent-Transfer-Encoding: 8bit\n\n\xc3\xbc {{name}}\n");
	assert_int_equal(bm_message_render(message, &render, &copy, NULL), BM_OK);
	assert_true(render.eight_bit);
	bm_message_free(message);
	message = slots_file("From: a@x.org\nContent-Type: text/plain; charset=utf-8\n\n\xc3\xbc {{name}}\n\xc3\xbc\n");
	assert_false(bm_message_eight_bit(message));
	assert_int_equal(bm_message_render(message, &render, &copy, NULL), BM_OK);
	assert_false(render.eight_bit);
	bm_message_free(message);
	bm_render_deinit(&render);
}

static void walks_multiparts(void **state)
{
	(void)state;
	slots_check_body("Content-Type: multipart/mixed; boundary=\"o\"",
		"pre {{x\n--o\nX-Y: z\nContent-Type: multipart/alternative;\n boundary=in\n\n--in\n\n{{name}} \n--in\n"
		"Content-Type: text/html; charset=us-ascii\nContent-Disposition: inline\n\n<p>{{name}}\n--in-- \nbetween "
		"{{x\n--o\n"
		"Content-Type: application/x-y\n\n{{x}}\n--o\nContent-Type: message/rfc822\n\nSubject: {{x\n\n{{x\n--o\n"
		"Content-Type: text/plain\n\nstatic = \n--o\n\nlast {{email}}\n--o--\nepi {{x",
		name_is("<J\xc3\xbc>"), "Content-Type: multipart/mixed; boundary=\"o\"\r\n",
		"pre {{x\r\n--o\r\nX-Y: z\r\nContent-Type: multipart/alternative;\r\n boundary=in\r\n\r\n"
		"--in\r\nContent-Type: text/plain; charset=utf-8\r\n" QP "\r\n<J=C3=BC>=20\r\n--in\r\n"
		"Content-Disposition: inline\r\nContent-Type: text/html; charset=utf-8\r\n" QP
		"\r\n<p>&lt;J=C3=BC&gt;\r\n--in-- \r\nbetween {{x\r\n--o\r\n"
		"Content-Type: application/x-y\r\n\r\n{{x}}\r\n--o\r\nContent-Type: message/rfc822\r\n\r\nSubject: "
		"{{x\r\n\r\n{{x\r\n"
		"--o\r\nContent-Type: text/plain\r\n\r\nstatic = \r\n--o\r\nContent-Type: text/plain; charset=utf-8\r\n" QP
		"\r\nlast j@y.org\r\n--o--\r\nepi {{x\r\n");
}

/* A value cannot end a part, nor begin another, whatever its part's encoding was. */
static void keeps_values_in_their_part(void **state)
{
	(void)state;
	static const char *const encodings[] = {"7bit", "8bit", "quoted-printable"};
	for (size_t i = 0; i < sizeof encodings / sizeof encodings[0]; i++) {
		char body[300];
		snprintf(body, sizeof body,
			"--o\nContent-Type: text/plain; charset=utf-8\nContent-Transfer-Encoding: "
			"%s\n\n{{name}}\n-{{name}}\n--o--\n",
			encodings[i]);
		slots_check_body("Content-Type: multipart/mixed; boundary=o", body, name_is("-o--\n--o\n-- \nx"), "",
			"--o\r\nContent-Type: text/plain; charset=utf-8\r\n" QP
			"\r\n=2Do--\r\n=2D-o\r\n=2D-=20\r\nx\r\n=2D-o--\r\n=2D-o\r\n=2D-=20\r\nx\r\n--o--\r\n");
	}
}

/* conformance: 60 */
static void leaves_signed_and_unknown_parts(void **state)
{
	(void)state;
	static const char signed_part[] = "--s\n\n{{x}}\n--s--\n";
	slots_check_body("Content-Type: multipart/signed; boundary=s\nX-A: {{name}}", signed_part, name_is("x"),
		"X-A: x\r\n", "--s\r\n\r\n{{x}}\r\n--s--\r\n");
	slots_check_body("Content-Type: multipart/digest; boundary=s\nX-A: {{name}}", signed_part, name_is("x"),
		"X-A: x\r\n", "--s\r\n\r\n{{x}}\r\n--s--\r\n");
	slots_check_body(
		"Content-Transfer-Encoding: x-uuencode\nX-A: {{name}}", "{{x}}\n", name_is("x"), "X-A: x\r\n", "{{x}}\r\n");
	slots_check_body("Content-Type: image/png\nX-A: {{name}}", "{{x}}\n", name_is("x"), "X-A: x\r\n", "{{x}}\r\n");
}

static void names_lines_of_parts(void **state)
{
	(void)state;
	struct bm_message_options options = options_for(BM_MESSAGE_FILE,
		"From: a@x.org\nContent-Type: multipart/mixed; boundary=o\n\n--o\nX: y\n\nline 7\nline 8 {{x}}\n--o--\n");
	options.to = "l@x.org";
	slots_check_refused(&options, "MB024", "line 8 of the message: ");
	check_body_refused("Content-Type: multipart/mixed; boundary=o\n",
		"--o\nX: y\nContent-Type: text/{{name}}\n\nx\n--o--\n",
		"line 6 of the message: no slot can stand in a header of a part");
}

static void bounds_the_depth(void **state)
{
	(void)state;
	char body[1500];
	size_t used = 0;
	for (int i = 0; i < 9; i++)
		used += (size_t)snprintf(
			body + used, sizeof body - used, "--b%d\nContent-Type: multipart/mixed; boundary=b%d\n\n", i, i + 1);
	snprintf(body + used, sizeof body - used, "--b9\n\n{{name}}\n--b9--\n");
	check_body_refused("Content-Type: multipart/mixed; boundary=b0\n", body, "nested deeper than 8");
}

/* What is nested too deep is not searched for slots again and again. */
/* conformance: A25 */
static void is_linear_in_nested_parts(void **state)
{
	(void)state;
	static const char part[] = "--o\nContent-Type: multipart/mixed; boundary=o\n\n";
	static char content[3000000] = "From: a@x.org\nX-A: {{name}}\nContent-Type: multipart/mixed; boundary=o\n\n";
	for (size_t at = strlen(content); at + sizeof part < sizeof content; at += sizeof part - 1)
		memcpy(content + at, part, sizeof part);
	bm_message_free(slots_file(content));
}

/* Found by fuzzing: there is nothing to walk over. */
static void needs_no_body(void **state)
{
	(void)state;
	slots_check_body("Content-Type: multipart/mixed; boundary=o\nX-A: {{name}}", "", name_is("x"), "X-A: x\r\n", "");
	struct bm_message *message = slots_file("From: a@x.org\nContent-Type: multipart/mixed; boundary=o\nX-A: {{name}}");
	char *text = slots_render(message, name_is("x"), NULL);
	assert_non_null(strstr(text, "\r\nX-A: x\r\n"));
	free(text);
	bm_message_free(message);
}

/* The composed form. */
static void composes(void **state)
{
	(void)state;
	struct bm_message_options options = options_for(BM_MESSAGE_BODY, "J\xc3\xbc {{name}}\n.x\n");
	options.html = true;
	struct bm_message *message = slots_make(options);
	char *text = slots_render(message, name_is("<\xc3\xbc>"), NULL);
	assert_non_null(strstr(text, "\r\nContent-type: text/html; charset=utf-8\r\n"));
	assert_non_null(strstr(text, "\r\nMIME-Version: 1.0\r\n" QP "\r\nJ=C3=BC &lt;=C3=BC&gt;\r\n=2Ex\r\n"));
	free(text);
	bm_message_free(message);
	const struct bm_header headers[] = {{"Content-Transfer-Encoding", "8bit"}, {"X-A", "{{name}}"}};
	options.headers = headers;
	options.header_count = 2;
	message = slots_make(options);
	text = slots_render(message, name_is("<\xc3\xbc>"), NULL);
	assert_non_null(strstr(text, "\r\nContent-Transfer-Encoding: 8bit\r\nX-A: =?UTF-8?B?PMO8Pg==?=\r\n"));
	assert_non_null(strstr(text, "\r\n\r\nJ\xc3\xbc &lt;\xc3\xbc&gt;\r\n..x\r\n"));
	free(text);
	bm_message_free(message);
}

/* A large copy borrows the message, a small one is one run. */
static void lays_out_by_size(void **state)
{
	(void)state;
	static char content[40000] = "From: a@x.org\n\n{{name}}\n";
	struct bm_render render;
	struct bm_span value = bm_span_of("x");
	struct bm_copy copy = {.values = &value, .value_count = 1};
	struct bm_message *message = slots_file(content);
	bm_render_init(&render);
	assert_int_equal(bm_message_render(message, &render, &copy, NULL), BM_OK);
	assert_int_equal(render.count, 1);
	bm_message_free(message);
	for (size_t i = 24; i + 3 < sizeof content; i += 2)
		memcpy(content + i, "y\n", 2);
	message = slots_file(content);
	assert_int_equal(bm_message_render(message, &render, &copy, NULL), BM_OK);
	assert_true(render.count > 1);
	char *text = slots_join(render.spans, render.count);
	assert_int_equal(strlen(text), render.size_bytes);
	assert_non_null(strstr(text, "\r\n\r\nx\r\ny\r\ny\r\n"));
	free(text);
	bm_render_deinit(&render);
	bm_message_free(message);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(becomes_quoted_printable),
		cmocka_unit_test(breaks_long_lines),
		cmocka_unit_test(makes_line_ends_crlf),
		cmocka_unit_test(stuffs_dots_of_values),
		cmocka_unit_test(escapes_html),
		cmocka_unit_test(reads_quoted_printable),
		cmocka_unit_test(reads_base64),
		cmocka_unit_test(converts_to_the_charset),
		cmocka_unit_test(refuses_charsets_that_take_no_values),
		cmocka_unit_test(checks_body_values),
		cmocka_unit_test(keeps_8bit_lines_below_998),
		cmocka_unit_test(says_when_a_copy_is_8bit),
		cmocka_unit_test(walks_multiparts),
		cmocka_unit_test(keeps_values_in_their_part),
		cmocka_unit_test(leaves_signed_and_unknown_parts),
		cmocka_unit_test(names_lines_of_parts),
		cmocka_unit_test(bounds_the_depth),
		cmocka_unit_test(is_linear_in_nested_parts),
		cmocka_unit_test(needs_no_body),
		cmocka_unit_test(composes),
		cmocka_unit_test(lays_out_by_size),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
