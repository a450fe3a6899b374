/* SPDX-License-Identifier: MIT */
#include "../unit.h"
#include "store/conf_line.h"

#include <string.h>

static struct bm_conf_line parse(const char *text)
{
	return bm_conf_line_parse(bm_span_of(text));
}

static void expect_span(struct bm_span span, const char *text)
{
	assert_int_equal(span.size, strlen(text));
	assert_memory_equal(span.data, text, span.size);
}

static void expect_pair(const char *text, const char *name, const char *value)
{
	struct bm_conf_line line = parse(text);
	assert_int_equal(line.kind, BM_CONF_LINE_VALUE);
	expect_span(line.name, name);
	expect_span(line.value, value);
	assert_false(line.appended);
	assert_false(line.for_user);
}

static void expect_kind(const char *text, enum bm_conf_line_kind kind)
{
	struct bm_conf_line line = parse(text);
	if (line.kind != kind)
		fail_msg("\"%s\" is of kind %d", text, (int)line.kind);
	assert_int_equal(line.kind == BM_CONF_LINE_BAD, line.expected != NULL);
}

/* manual: conf-blank, conf-comment */
static void blank_lines_and_comments(void **state)
{
	(void)state;
	expect_kind("", BM_CONF_LINE_BLANK);
	expect_kind(" \t ", BM_CONF_LINE_BLANK);
	expect_kind("\r", BM_CONF_LINE_BLANK);
	expect_kind("# define package X", BM_CONF_LINE_BLANK);
	expect_kind("\t #= nothing \r", BM_CONF_LINE_BLANK);
}

/* manual: conf-define-package */
static void packages(void **state)
{
	(void)state;
	struct bm_conf_line line = parse(" \tdefine  package\tMail::Bulkmail::Server \r");
	assert_int_equal(line.kind, BM_CONF_LINE_PACKAGE);
	expect_span(line.name, "Mail::Bulkmail::Server");
	expect_kind("define package", BM_CONF_LINE_BAD);
	expect_kind("define package ", BM_CONF_LINE_BAD);
	expect_kind("define packageX", BM_CONF_LINE_BAD);
	expect_kind("define packge X", BM_CONF_LINE_BAD);
	expect_kind("define package X Y", BM_CONF_LINE_BAD);
	expect_kind("define package X # mine", BM_CONF_LINE_BAD);
	expect_kind("define package $x", BM_CONF_LINE_BAD);
	expect_kind("define", BM_CONF_LINE_BAD);
	expect_kind("Define package X", BM_CONF_LINE_BAD);
}

/* manual: conf-equals, conf-white-space, conf-quotes, conf-comment */
static void values_lose_their_blanks_and_keep_their_quotes(void **state)
{
	(void)state;
	expect_pair("Port=25", "Port", "25");
	expect_pair("   Port\t=  25 \t\r", "Port", "25");
	expect_pair("ERRFILE = \"/a b\" ", "ERRFILE", "\"/a b\"");
	expect_pair("ERRFILE = /a # no comment", "ERRFILE", "/a # no comment");
	expect_pair("delimiter = =", "delimiter", "=");
	expect_pair("a == b", "a", "= b");
	expect_pair("a = define package X", "a", "define package X");
	expect_pair("a = $x @{[ `id` ]}", "a", "$x @{[ `id` ]}");
	expect_pair("define = 1", "define", "1");
	expect_pair("7 = x", "7", "x");
	expect_pair("Subject = Gr\xc3\xbc\xc3\x9f"
				"e",
		"Subject",
		"Gr\xc3\xbc\xc3\x9f"
		"e");
}

/* manual: conf-at-equals */
static void lists(void **state)
{
	(void)state;
	struct bm_conf_line line = parse("Smtp @= mx.example.org");
	assert_int_equal(line.kind, BM_CONF_LINE_VALUE);
	assert_true(line.appended);
	expect_span(line.value, "mx.example.org");
	line = parse("define@=x");
	assert_true(line.appended);
	expect_span(line.name, "define");
	expect_kind("Smtp @ = x", BM_CONF_LINE_BAD);
	expect_kind("Smtp @", BM_CONF_LINE_BAD);
}

/* manual: conf-uid */
static void users(void **state)
{
	(void)state;
	struct bm_conf_line line = parse("93:foo = 10");
	assert_int_equal(line.kind, BM_CONF_LINE_VALUE);
	assert_true(line.for_user);
	assert_int_equal(line.user, 93);
	expect_span(line.name, "foo");
	line = parse(" 4294967295 : foo @= 10");
	assert_int_equal(line.kind, BM_CONF_LINE_VALUE);
	assert_true(line.user == UINT32_MAX);
	assert_true(line.appended);
	expect_kind("4294967296:foo = 1", BM_CONF_LINE_BAD);
	expect_kind("root:foo = 1", BM_CONF_LINE_BAD);
	expect_kind(":foo = 1", BM_CONF_LINE_BAD);
	expect_kind("9:8:foo = 1", BM_CONF_LINE_BAD);
	expect_kind("9: = 1", BM_CONF_LINE_BAD);
	expect_kind("9:define package X", BM_CONF_LINE_BAD);
}

/* manual: conf-undef */
static void undef(void **state)
{
	(void)state;
	assert_true(parse("a = undef").undefined);
	assert_true(parse("a @= undef").undefined);
	assert_false(parse("a = \"undef\"").undefined);
	assert_false(parse("a = Undef").undefined);
}

static void bad_lines(void **state)
{
	(void)state;
	expect_kind("Port", BM_CONF_LINE_BAD);
	expect_kind("Port 25", BM_CONF_LINE_BAD);
	expect_kind("Port =", BM_CONF_LINE_BAD);
	expect_kind("Port = \t", BM_CONF_LINE_BAD);
	expect_kind("Port @=", BM_CONF_LINE_BAD);
	expect_kind("= 25", BM_CONF_LINE_BAD);
	expect_kind("a-b = 25", BM_CONF_LINE_BAD);
	expect_kind("a b = 25", BM_CONF_LINE_BAD);
	expect_kind("; comment", BM_CONF_LINE_BAD);
}

/* conformance: A38 */
static void control_octets(void **state)
{
	(void)state;
	for (int c = 0; c < 0x21; c++) {
		char text[] = "a = b?c";
		text[5] = (char)c;
		struct bm_conf_line line = bm_conf_line_parse(bm_span_make(text, 7));
		bool fine = c == '\t' || c == ' ';
		assert_int_equal(line.kind, fine ? BM_CONF_LINE_VALUE : BM_CONF_LINE_BAD);
	}
	expect_kind("a = \x7f", BM_CONF_LINE_BAD);
	expect_kind("# \x1b[2J", BM_CONF_LINE_BAD);
	expect_kind("a = b\r\r", BM_CONF_LINE_BAD);
}

static void expect_unescaped(const char *text, const char *wanted)
{
	char out[64];
	size_t size = 0;
	const char *expected = bm_conf_value_unescape(bm_span_of(text), out, &size);
	if (wanted == NULL) {
		assert_non_null(expected);
		return;
	}
	assert_null(expected);
	assert_int_equal(size, strlen(wanted));
	assert_memory_equal(out, wanted, size);
}

/* manual: conf-backslash, conf-not-evaluated */
static void escapes_as_the_original_has_them(void **state)
{
	(void)state;
	expect_unescaped("\\tabc", "\tabc");
	expect_unescaped("\\\\server", "\\server");
	expect_unescaped("\\\\server\\new", "\\server\new");
	expect_unescaped("\\x41b\\x4", "Ab\x04");
	expect_unescaped("\\101\\7\\0123", "A\x07\n3");
	expect_unescaped("\\r\\n", "\r\n");
	expect_unescaped("\\t$x @{[ 1 ]} \"q\"", "\t$x @{[ 1 ]} \"q\"");
}

/* manual: conf-backslash */
static void only_behind_a_leading_backslash(void **state)
{
	(void)state;
	expect_unescaped("a\\tb", "a\\tb");
	expect_unescaped("\"\\t\"", "\"\\t\"");
	expect_unescaped("", "");
}

/* manual: conf-backslash */
static void other_escapes_are_errors(void **state)
{
	(void)state;
	static const char *const bad[] = {
		"\\", "\\q", "\\ ", "\\t\\", "\\x", "\\xg", "\\x{41}", "\\0", "\\000", "\\x00", "\\400", "\\8", "\\T", "\\$x"};
	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
		expect_unescaped(bad[i], NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(blank_lines_and_comments),
		cmocka_unit_test(packages),
		cmocka_unit_test(values_lose_their_blanks_and_keep_their_quotes),
		cmocka_unit_test(lists),
		cmocka_unit_test(users),
		cmocka_unit_test(undef),
		cmocka_unit_test(bad_lines),
		cmocka_unit_test(control_octets),
		cmocka_unit_test(escapes_as_the_original_has_them),
		cmocka_unit_test(only_behind_a_leading_backslash),
		cmocka_unit_test(other_escapes_are_errors),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
