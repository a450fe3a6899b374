/* SPDX-License-Identifier: MIT */
/* The reply parser: whole and octet by octet must come to the same, within the limits. */
#include "smtp/reply.h"

#include <stdint.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool condition)
{
	if (!condition)
		abort();
}

static size_t feed_octets(struct bm_reply_parser *parser, const uint8_t *data, size_t size, enum bm_code *code)
{
	size_t at = 0;
	*code = BM_OK;
	while (at < size && *code == BM_OK && !parser->complete) {
		size_t used = 0;
		*code = bm_reply_parser_feed(parser, data + at, 1, &used);
		at += used;
	}
	return at;
}

static void look_at(const struct bm_reply *reply)
{
	char text[300];
	check(reply->code >= 200 && reply->code <= 599);
	check(reply->lines >= 1 && reply->lines <= BM_REPLY_LINES_MAX && reply->raw.size <= BM_REPLY_SIZE_MAX);
	check(reply->enhanced[0] == '\0' || reply->enhanced[0] - '0' == reply->code / 100);
	check(bm_reply_line(reply, reply->lines).size == 0);
	for (size_t i = 0; i < reply->lines; i++)
		check(bm_reply_line(reply, i).size <= BM_REPLY_LINE_MAX);
	for (size_t room = 1; room <= sizeof text; room += 37) {
		bm_reply_text(reply, text, room);
		check(strlen(text) < room);
		check(!bm_span_has_control(bm_span_of(text)));
	}
}

/* What the scan takes for a reply is what the parser does; the rest it leaves to the parser. */
static void check_scan(const struct bm_reply *reply, const uint8_t *data, size_t size, size_t used)
{
	struct bm_reply scanned;
	size_t length = bm_reply_scan(data, size, &scanned);
	check((length > 0) == (reply != NULL && reply->lines == 1));
	if (length == 0)
		return;
	bm_reply_find_enhanced(&scanned);
	check(length == used && scanned.code == reply->code && scanned.lines == 1 && scanned.raw.data == data);
	check(bm_span_equal(scanned.raw, reply->raw) && strcmp(scanned.enhanced, reply->enhanced) == 0);
}

/* One reply at data; the octets it took, 0 when there is no more. */
static size_t one_reply(struct bm_reply_parser *whole, struct bm_reply_parser *octets, const uint8_t *data, size_t size)
{
	size_t used = 0;
	enum bm_code code = BM_OK;
	enum bm_code expected = bm_reply_parser_feed(whole, data, size, &used);
	size_t fed = feed_octets(octets, data, size, &code);
	struct bm_reply a;
	struct bm_reply b;

	check(code == expected && whole->fault == octets->fault && whole->complete == octets->complete);
	if (!bm_reply_parser_view(whole, &a)) {
		check_scan(NULL, data, size, used);
		return 0;
	}
	check_scan(&a, data, size, used);
	check(bm_reply_parser_view(octets, &b) && fed == used);
	check(a.code == b.code && a.lines == b.lines && bm_span_equal(a.raw, b.raw) && strcmp(a.enhanced, b.enhanced) == 0);
	look_at(&a);
	bm_reply_parser_reset(whole);
	bm_reply_parser_reset(octets);
	return used;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct bm_reply_parser whole;
	struct bm_reply_parser octets;
	size_t at = 0;

	bm_reply_parser_init(&whole);
	bm_reply_parser_init(&octets);
	while (at < size) {
		size_t used = one_reply(&whole, &octets, data + at, size - at);
		if (used == 0)
			break;
		at += used;
	}
	bm_reply_parser_deinit(&whole);
	bm_reply_parser_deinit(&octets);
	return 0;
}
