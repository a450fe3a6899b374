/* SPDX-License-Identifier: MIT */
#include "../unit.h"
#include "smtp/reply.h"

#include <stdio.h>

/* Feeds data in two pieces, or octet by octet; the code of the end, used as a whole in *used. */
static enum bm_code feed(struct bm_reply_parser *parser, struct bm_span data, size_t cut, size_t *used)
{
	enum bm_code code = BM_OK;
	size_t at = 0;
	while (at < data.size && code == BM_OK && !parser->complete) {
		size_t left = data.size - at;
		size_t size = cut == SIZE_MAX ? 1 : at < cut ? cut - at : left;
		size_t step = 0;
		code = bm_reply_parser_feed(parser, data.data + at, size < left ? size : left, &step);
		at += step;
	}
	*used = at;
	return code;
}

/* The short way comes to the same, or leaves it to the parser: what has more lines, is cut or is no reply. */
static void check_scan(struct bm_span data, const struct bm_reply *expected)
{
	struct bm_reply reply;
	for (size_t size = 0; size < data.size; size++)
		assert_int_equal(bm_reply_scan(data.data, size, &reply), 0);
	size_t length = bm_reply_scan(data.data, data.size, &reply);
	assert_int_equal(length, expected != NULL && expected->lines == 1 ? data.size : 0);
	if (length == 0)
		return;
	bm_reply_find_enhanced(&reply);
	assert_int_equal(reply.code, expected->code);
	assert_int_equal(reply.lines, 1);
	assert_ptr_equal(reply.raw.data, data.data);
	assert_int_equal(reply.raw.size, data.size);
	assert_string_equal(reply.enhanced, expected->enhanced);
}

static void check_good(struct bm_span data, size_t cut, int code, const char *enhanced, const char *text)
{
	struct bm_reply_parser parser;
	struct bm_reply reply;
	size_t used = 0;
	char got[200];
	bm_reply_parser_init(&parser);
	assert_int_equal(feed(&parser, data, cut, &used), BM_OK);
	assert_int_equal(used, data.size);
	assert_true(bm_reply_parser_view(&parser, &reply));
	assert_false(bm_reply_parser_busy(&parser));
	assert_int_equal(reply.code, code);
	assert_string_equal(reply.enhanced, enhanced);
	assert_true(bm_span_equal(reply.raw, data));
	bm_reply_text(&reply, got, sizeof got);
	assert_string_equal(got, text);
	check_scan(data, &reply);
	bm_reply_parser_deinit(&parser);
}

static void good_at_every_cut(struct bm_span data, int code, const char *enhanced, const char *text)
{
	for (size_t cut = 0; cut <= data.size; cut++)
		check_good(data, cut, code, enhanced, text);
	check_good(data, SIZE_MAX, code, enhanced, text);
}

static void check_bad(struct bm_span data, size_t cut, const char *fault)
{
	struct bm_reply_parser parser;
	size_t used = 0;
	bm_reply_parser_init(&parser);
	assert_int_equal(feed(&parser, data, cut, &used), BM_E_PROTOCOL);
	assert_string_equal(parser.fault, fault);
	/* and stays so */
	assert_int_equal(bm_reply_parser_feed(&parser, "250 ok\r\n", 8, &used), BM_E_PROTOCOL);
	assert_int_equal(used, 0);
	bm_reply_parser_reset(&parser);
	assert_int_equal(bm_reply_parser_feed(&parser, "250 ok\r\n", 8, &used), BM_OK);
	assert_true(parser.complete);
	bm_reply_parser_deinit(&parser);
}

static void bad_at_every_cut(struct bm_span data, const char *fault)
{
	check_scan(data, NULL);
	for (size_t cut = 0; cut <= data.size; cut++)
		check_bad(data, cut, fault);
	check_bad(data, SIZE_MAX, fault);
}

/* conformance: 7, 32, F04, F18, A17, A18, A43 */
static void takes_what_servers_say(void **state)
{
	(void)state;
	static const struct {
		const char *data;
		int code;
		const char *enhanced;
		const char *text;
	} cases[] = {
		{"250 ok\r\n", 250, "", "ok"},
		{"250\r\n", 250, "", ""},
		{"250\n", 250, "", ""},
		{"250 \r\n", 250, "", ""},
		{"220 bare lf\n", 220, "", "bare lf"},
		{"250-a\r\n250-b\r\n250 c\r\n", 250, "", "a b c"},
		{"250-a\n250\r\n", 250, "", "a"},
		{"250-\r\n250-x\r\n250\r\n", 250, "", "x"},
		{"299 odd\r\n", 299, "", "odd"},
		{"599 odd\r\n", 599, "", "odd"},
		{"334 VXNlcg==\r\n", 334, "", "VXNlcg=="},
		{"550 lone\rcr\r\n", 550, "", "lone\\x0Dcr"},
		{"550 8bit \xc3\xa4 \xff \x1b[m\r\n", 550, "", "8bit \xc3\xa4 \\xFF \\x1B[m"},
		{"250 2.1.5 fine\r\n", 250, "2.1.5", "fine"},
		{"250-2.1.5 a\r\n250 2.1.5 b\r\n", 250, "2.1.5", "a b"},
		{"250 2.123.123\r\n", 250, "2.123.123", ""},
	};
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
		good_at_every_cut(bm_span_of(cases[i].data), cases[i].code, cases[i].enhanced, cases[i].text);
	/* NUL is an octet like any other */
	good_at_every_cut(bm_span_make("250 a\0b\r\n", 9), 250, "", "a\\x00b");
}

/* conformance: 62, A39 */
static void believes_no_enhanced_code_of_another_class(void **state)
{
	(void)state;
	static const char *const texts[] = {"5.1.1 x", "2.1 x", "2.1.1234 x", "2..1 x", "2.1.1x", "2.1.", "2.1.1.1 x"};
	for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
		char line[64];
		snprintf(line, sizeof line, "250 %s\r\n", texts[i]);
		good_at_every_cut(bm_span_of(line), 250, "", texts[i]);
	}
	good_at_every_cut(bm_span_of("550 2.0.0 lies\r\n"), 550, "", "2.0.0 lies");
}

/* conformance: F16, F17, F18, A18 */
static void refuses_what_is_no_reply(void **state)
{
	(void)state;
	static const char no_code[] = "a line that does not begin with a reply code";
	static const char out_of_range[] = "a reply code that is not 2yz, 3yz, 4yz or 5yz";
	static const char short_code[] = "a reply code of fewer than three digits";
	static const char separator[] = "neither blank nor hyphen behind the reply code";
	static const char differ[] = "lines of one reply with different codes";
	static const struct {
		const char *data;
		const char *fault;
	} cases[] = {
		{"\r\n", "a blank line instead of a reply"},
		{"\n250 ok\r\n", "a blank line instead of a reply"},
		{"hello\r\n", no_code},
		{"-\r\n", no_code},
		{" 250 ok\r\n", no_code},
		{"000 x\r\n", out_of_range},
		{"099 x\r\n", out_of_range},
		{"199 x\r\n", out_of_range},
		{"600 x\r\n", out_of_range},
		{"999 x\r\n", out_of_range},
		{"25\r\n", short_code},
		{"2\r\n", short_code},
		{"2x0 ok\r\n", short_code},
		{"2500 ok\r\n", separator},
		{"250_ok\r\n", separator},
		{"250\tok\r\n", separator},
		{"250\rx\n", "a lone CR behind the reply code"},
		{"250-a\r\n550 b\r\n", differ},
		{"250-a\r\n251 b\r\n", differ},
		{"250-a\r\n25\r\n", short_code},
		{"250-a\r\n2\r\n", short_code},
		{"250-a\r\n\r\n", "a blank line instead of a reply"},
	};
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
		bad_at_every_cut(bm_span_of(cases[i].data), cases[i].fault);
	bad_at_every_cut(bm_span_make("\0", 1), no_code);
}

/* count octets: text up to there, then CR LF. */
static void fill_line(struct bm_buf *buf, const char *head, size_t count)
{
	size_t start = buf->size;
	assert_int_equal(bm_buf_append_str(buf, head), BM_OK);
	while (buf->size - start < count - 2)
		assert_int_equal(bm_buf_append_char(buf, 'x'), BM_OK);
	assert_int_equal(bm_buf_append_str(buf, "\r\n"), BM_OK);
}

/* conformance: 8, A14, A17 */
static void bounds_a_line(void **state)
{
	(void)state;
	struct bm_buf buf;
	struct bm_reply_parser parser;
	size_t used = 0;
	for (size_t size = BM_REPLY_LINE_MAX - 1; size <= BM_REPLY_LINE_MAX + 1; size++) {
		bm_buf_init(&buf, 100000);
		fill_line(&buf, "250 ", size);
		bm_reply_parser_init(&parser);
		enum bm_code expected = size <= BM_REPLY_LINE_MAX ? BM_OK : BM_E_PROTOCOL;
		for (size_t cut = size - 4; cut <= size; cut++) {
			assert_int_equal(feed(&parser, bm_buf_view(&buf), cut, &used), expected);
			assert_int_equal(parser.complete, expected == BM_OK);
			bm_reply_parser_reset(&parser);
		}
		assert_int_equal(feed(&parser, bm_buf_view(&buf), SIZE_MAX, &used), expected);
		bm_reply_parser_deinit(&parser);
		bm_buf_deinit(&buf);
	}
}

static void gives_up_a_long_line_at_once(void **state)
{
	(void)state;
	unsigned char block[4096];
	struct bm_reply_parser parser;
	size_t used = 0;
	memset(block, 'x', sizeof block);
	memcpy(block, "250 ", 4);
	bm_reply_parser_init(&parser);
	assert_int_equal(bm_reply_parser_feed(&parser, block, sizeof block, &used), BM_E_PROTOCOL);
	assert_string_equal(parser.fault, "a reply line of more than 2,048 octets");
	assert_in_range(parser.raw.size, 0, BM_REPLY_LINE_MAX);
	bm_reply_parser_deinit(&parser);
}

/* conformance: A15 */
static void bounds_the_lines(void **state)
{
	(void)state;
	for (size_t lines = BM_REPLY_LINES_MAX - 1; lines <= BM_REPLY_LINES_MAX + 1; lines++) {
		struct bm_buf buf;
		bm_buf_init(&buf, 100000);
		for (size_t i = 1; i < lines; i++)
			assert_int_equal(bm_buf_append_str(&buf, "250-x\r\n"), BM_OK);
		assert_int_equal(bm_buf_append_str(&buf, "250 x\r\n"), BM_OK);
		if (lines > BM_REPLY_LINES_MAX) {
			check_bad(bm_buf_view(&buf), 0, "a reply of more than 100 lines");
			check_bad(bm_buf_view(&buf), SIZE_MAX, "a reply of more than 100 lines");
		} else {
			struct bm_reply_parser parser;
			struct bm_reply reply;
			size_t used = 0;
			bm_reply_parser_init(&parser);
			assert_int_equal(feed(&parser, bm_buf_view(&buf), SIZE_MAX, &used), BM_OK);
			assert_true(bm_reply_parser_view(&parser, &reply));
			assert_int_equal(reply.lines, lines);
			assert_true(bm_span_equal(bm_reply_line(&reply, lines - 1), bm_span_of("x")));
			assert_int_equal(bm_reply_line(&reply, lines).size, 0);
			bm_reply_parser_deinit(&parser);
		}
		bm_buf_deinit(&buf);
	}
}

/* 64 KiB exactly, and one more. */
/* conformance: A15, A17 */
static void bounds_the_size(void **state)
{
	(void)state;
	for (size_t extra = 0; extra <= 1; extra++) {
		struct bm_buf buf;
		bm_buf_init(&buf, 100000);
		for (size_t i = 0; i < 63; i++)
			fill_line(&buf, "250-", 1024);
		fill_line(&buf, "250 ", 1024 + extra);
		assert_int_equal(buf.size, BM_REPLY_SIZE_MAX + extra);
		struct bm_reply_parser parser;
		struct bm_reply reply;
		size_t used = 0;
		bm_reply_parser_init(&parser);
		enum bm_code code = feed(&parser, bm_buf_view(&buf), 0, &used);
		assert_int_equal(code, extra == 0 ? BM_OK : BM_E_PROTOCOL);
		assert_int_equal(bm_reply_parser_view(&parser, &reply), extra == 0);
		bm_reply_parser_deinit(&parser);
		if (extra > 0)
			check_bad(bm_buf_view(&buf), SIZE_MAX, "a reply of more than 64 KiB");
		bm_buf_deinit(&buf);
	}
}

/* It is refused with the octet behind which nothing can end it any more, however it was cut. */
static void sees_that_a_reply_cannot_end(void **state)
{
	(void)state;
	struct bm_buf buf;
	bm_buf_init(&buf, 100000);
	for (size_t i = 0; i < 64; i++)
		fill_line(&buf, "250-", 1024);
	assert_int_equal(buf.size, BM_REPLY_SIZE_MAX);
	check_bad(bm_buf_view(&buf), 1, "a reply of more than 64 KiB");
	check_bad(bm_buf_view(&buf), SIZE_MAX, "a reply of more than 64 KiB");
	check_bad(bm_buf_view(&buf), BM_REPLY_SIZE_MAX - 1, "a reply of more than 64 KiB");
	struct bm_reply_parser parser;
	size_t used = 0;
	bm_reply_parser_init(&parser);
	struct bm_span but_one = bm_span_make(buf.data, buf.size - 1);
	assert_int_equal(feed(&parser, but_one, 0, &used), BM_OK);
	assert_int_equal(bm_reply_parser_room(&parser), 1);
	bm_reply_parser_deinit(&parser);
	bm_buf_deinit(&buf);
}

/* manual: row-multiline-550 */
/* conformance: 32 */
static void stops_at_the_end_of_one_reply(void **state)
{
	(void)state;
	struct bm_reply_parser parser;
	size_t used = 0;
	bm_reply_parser_init(&parser);
	assert_int_equal(bm_reply_parser_feed(&parser, "250-a\r\n250 b\r\n550 next\r\n", 24, &used), BM_OK);
	assert_int_equal(used, 14);
	assert_true(parser.complete);
	/* complete, it takes no more */
	assert_int_equal(bm_reply_parser_feed(&parser, "550 next\r\n", 10, &used), BM_OK);
	assert_int_equal(used, 0);
	bm_reply_parser_deinit(&parser);
}

static void cuts_its_text_to_fit(void **state)
{
	(void)state;
	struct bm_reply reply = {.code = 250, .raw = bm_span_of("250-abc\r\n250 def\r\n"), .lines = 2};
	char out[8];
	bm_reply_text(&reply, out, 0);
	for (size_t size = 1; size <= sizeof out; size++) {
		bm_reply_text(&reply, out, size);
		assert_true(strlen(out) < size);
		assert_memory_equal(out, "abc def", strlen(out));
	}
	assert_string_equal(out, "abc def");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(takes_what_servers_say),
		cmocka_unit_test(believes_no_enhanced_code_of_another_class),
		cmocka_unit_test(refuses_what_is_no_reply),
		cmocka_unit_test(bounds_a_line),
		cmocka_unit_test(gives_up_a_long_line_at_once),
		cmocka_unit_test(bounds_the_lines),
		cmocka_unit_test(bounds_the_size),
		cmocka_unit_test(sees_that_a_reply_cannot_end),
		cmocka_unit_test(stops_at_the_end_of_one_reply),
		cmocka_unit_test(cuts_its_text_to_fit),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
