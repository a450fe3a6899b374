/* SPDX-License-Identifier: MIT */
#include "store/conf_line.h"

#include "base/number.h"

static bool is_name_char(unsigned char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
}

static bool is_package_char(unsigned char c)
{
	return is_name_char(c) || c == ':';
}

/* Takes the longest run of such octets off the front of *rest. */
static struct bm_span take_run(struct bm_span *rest, bool (*belongs)(unsigned char c))
{
	size_t size = 0;
	while (size < rest->size && belongs(rest->data[size]))
		size++;
	struct bm_span run = bm_span_make(rest->data, size);
	rest->data += size;
	rest->size -= size;
	return run;
}

static bool is_blank(unsigned char c)
{
	return c == ' ' || c == '\t';
}

static bool take_char(struct bm_span *rest, unsigned char c)
{
	if (rest->size == 0 || rest->data[0] != c)
		return false;
	rest->data++;
	rest->size--;
	return true;
}

static struct bm_conf_line bad(const char *expected)
{
	struct bm_conf_line line = {.kind = BM_CONF_LINE_BAD, .expected = expected};
	return line;
}

static bool has_control(struct bm_span line)
{
	for (size_t i = 0; i < line.size; i++) {
		if ((line.data[i] < 0x20 && line.data[i] != '\t') || line.data[i] == 0x7f)
			return true;
	}
	return false;
}

/* rest stands behind the word define. */
static struct bm_conf_line parse_package(struct bm_span rest)
{
	static const char expected[] = "expected \"define package NAME\" and nothing behind it";

	take_run(&rest, is_blank);
	struct bm_span word = take_run(&rest, is_name_char);
	struct bm_span gap = take_run(&rest, is_blank);
	if (!bm_span_equal(word, bm_span_of("package")) || gap.size == 0)
		return bad(expected);
	struct bm_conf_line line = {.kind = BM_CONF_LINE_PACKAGE, .name = take_run(&rest, is_package_char)};
	return line.name.size == 0 || rest.size > 0 ? bad(expected) : line;
}

/* rest stands behind the name. */
static struct bm_conf_line parse_value(struct bm_conf_line line, struct bm_span rest)
{
	take_run(&rest, is_blank);
	line.appended = take_char(&rest, '@');
	if (line.name.size == 0 || !take_char(&rest, '='))
		return bad("expected \"name = value\", \"name @= value\" or \"define package NAME\"");
	line.kind = BM_CONF_LINE_VALUE;
	line.value = bm_span_trim(rest);
	line.undefined = bm_span_equal(line.value, bm_span_of("undef"));
	return line.value.size == 0 ? bad("expected a value (undef unsets)") : line;
}

/* rest stands behind the colon of uid:name. */
static struct bm_conf_line parse_user_value(struct bm_span user, struct bm_span rest)
{
	struct bm_conf_line line = {.for_user = true};
	uint64_t number = 0;

	if (!bm_number_parse(user, &number) || number > UINT32_MAX)
		return bad("expected a user id (a number) before the colon");
	line.user = (uint32_t)number;
	take_run(&rest, is_blank);
	line.name = take_run(&rest, is_name_char);
	return parse_value(line, rest);
}

struct bm_conf_line bm_conf_line_parse(struct bm_span text)
{
	struct bm_conf_line line = {.kind = BM_CONF_LINE_BLANK};

	if (text.size > 0 && text.data[text.size - 1] == '\r')
		text.size--;
	if (has_control(text))
		return bad("expected no control octets but TAB");
	struct bm_span rest = bm_span_trim(text);
	if (rest.size == 0 || rest.data[0] == '#')
		return line;
	line.name = take_run(&rest, is_name_char);
	struct bm_span behind = rest;
	size_t gap = take_run(&behind, is_blank).size;
	if (take_char(&behind, ':'))
		return parse_user_value(line.name, behind);
	bool defines = gap > 0 && behind.size > 0 && behind.data[0] != '=' && behind.data[0] != '@';
	if (defines && bm_span_equal(line.name, bm_span_of("define")))
		return parse_package(rest);
	return parse_value(line, rest);
}

/* The value of a digit in bases up to 16, or 16. */
static unsigned digit_value(unsigned char c)
{
	if (c >= '0' && c <= '9')
		return (unsigned)(c - '0');
	c = bm_lower(c);
	return c >= 'a' && c <= 'f' ? (unsigned)(c - 'a') + 10 : 16;
}

/* Up to most digits off the front of *rest; 0 when there is none: a NUL can be no part of a value either. */
static unsigned take_digits(struct bm_span *rest, unsigned base, size_t most)
{
	unsigned value = 0;
	for (size_t i = 0; i < most && rest->size > 0 && digit_value(rest->data[0]) < base; i++) {
		value = value * base + digit_value(rest->data[0]);
		rest->data++;
		rest->size--;
	}
	return value;
}

/* One escape off the front of *rest, which stands behind the backslash; 0 when it is none, or stands for NUL. */
static unsigned take_escape(struct bm_span *rest)
{
	static const char letters[][2] = {{'t', '\t'}, {'n', '\n'}, {'r', '\r'}, {'\\', '\\'}};

	for (size_t i = 0; i < sizeof letters / sizeof letters[0]; i++) {
		if (take_char(rest, (unsigned char)letters[i][0]))
			return (unsigned char)letters[i][1];
	}
	if (take_char(rest, 'x'))
		return take_digits(rest, 16, 2);
	return take_digits(rest, 8, 3);
}

const char *bm_conf_value_unescape(struct bm_span value, char *out, size_t *out_size)
{
	size_t filled = 0;
	bool escaped = value.size > 0 && value.data[0] == '\\';

	while (value.size > 0) {
		unsigned c = value.data[0];
		value.data++;
		value.size--;
		if (escaped && c == '\\')
			c = take_escape(&value);
		if (c == 0 || c > 0xff)
			return "expected one of the escapes \\t \\n \\r \\\\ \\xHH \\ooo (01 to FF) behind a backslash";
		out[filled++] = (char)c;
	}
	*out_size = filled;
	return NULL;
}
