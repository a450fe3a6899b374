/* SPDX-License-Identifier: MIT */
#include "../unit.h"
#include "base/span.h"
#include "sink/content.h"
#include "sink/violation.h"

#include <stdlib.h>

#define HELLO_HASH "cd2eca3535741f27a8ae40c31b0c41d4057a7a7b912b33b9aed86485d1c84676" /* "hello\r\n" */

static const EVP_MD *digest(void **state)
{
	return *state;
}

static int set_up(void **state)
{
	*state = EVP_MD_fetch(NULL, "SHA256", NULL);
	return *state == NULL ? -1 : 0;
}

static int tear_down(void **state)
{
	EVP_MD_free(*state);
	return 0;
}

/* Feeds wire in portions of step octets: how many were used until the end. */
static size_t feed(struct bm_sink_content *content, struct bm_span wire, size_t step)
{
	size_t pos = 0;
	bool end = false;
	while (pos < wire.size && !end) {
		size_t size = wire.size - pos < step ? wire.size - pos : step;
		/* A copy, so that a sanitizer sees a read beyond the portion. */
		unsigned char *copy = malloc(size);
		assert_non_null(copy);
		memcpy(copy, wire.data + pos, size);
		size_t used = bm_sink_content_feed(content, bm_span_make(copy, size), &end);
		free(copy);
		assert_true(used == size || end);
		pos += used;
	}
	return end ? pos : 0;
}

struct example {
	const char *wire;
	const char *content;
	uint32_t violations;
};

#define BIT(name) (UINT32_C(1) << BM_SINK_V_##name)

static void unstuffs_and_finds_the_end_however_it_is_cut(void **state)
{
	const struct example examples[] = {
		{".\r\n", "", 0},
		{"a\r\n.\r\n", "a\r\n", 0},
		{"..\r\n.\r\n", ".\r\n", 0},
		{"a\r\n..b\r\n...\r\n.\r\n", "a\r\n.b\r\n..\r\n", 0},
		{"a\n.\r\nb\r\n.\r\n", "a\n.\r\nb\r\n", BIT(BARE_LF)},
		{"a\r\n.\nb\r\n.\r\n", "a\r\n\nb\r\n", BIT(BARE_LF) | BIT(UNSTUFFED_DOT)},
		{"a\r.\rb\r\n.\r\n", "a\r.\rb\r\n", BIT(BARE_CR)},
		{"\r\r\n.\r\n", "\r\r\n", BIT(BARE_CR)},
		{"a\r\n.b\r\n.\r\n", "a\r\nb\r\n", BIT(UNSTUFFED_DOT)},
		{"a\r\n.\rb\r\n.\r\n", "a\r\n\rb\r\n", BIT(UNSTUFFED_DOT) | BIT(BARE_CR)},
		{"a\r\n.\r\r\n.\r\n", "a\r\n\r\r\n", BIT(UNSTUFFED_DOT) | BIT(BARE_CR)},
		{"\xc3\xa4\r\n.\r\n", "\xc3\xa4\r\n", BIT(EIGHT_BIT)},
	};
	struct bm_sink_content content;
	char hex[BM_SINK_HASH_HEX];
	bm_sink_content_init(&content, digest(state), 1000);
	for (size_t i = 0; i < sizeof examples / sizeof examples[0]; i++) {
		struct bm_span wire = bm_span_of(examples[i].wire);
		for (size_t step = 1; step <= wire.size; step++) {
			bm_sink_content_begin(&content, (struct bm_sink_content_kind){false, false, true});
			assert_int_equal(feed(&content, wire, step), wire.size);
			bm_sink_content_finish(&content, hex);
			assert_true(bm_span_equal(bm_buf_view(&content.kept), bm_span_of(examples[i].content)));
			assert_int_equal(content.size, strlen(examples[i].content));
			assert_int_equal(content.wire, wire.size);
			assert_int_equal(content.seen, examples[i].violations);
		}
	}
	bm_sink_content_deinit(&content);
}

static void leaves_what_is_behind_the_end(void **state)
{
	struct bm_sink_content content;
	char hex[BM_SINK_HASH_HEX];
	bm_sink_content_init(&content, digest(state), 0);
	bm_sink_content_begin(&content, (struct bm_sink_content_kind){false, false, true});
	assert_int_equal(feed(&content, bm_span_of("hello\r\n.\r\nMAIL"), 100), 10);
	bm_sink_content_finish(&content, hex);
	assert_string_equal(hex, HELLO_HASH);
	assert_int_equal(content.kept.size, 0);
	bm_sink_content_deinit(&content);
}

static void counts_octets_of_long_lines(void **state)
{
	(void)state;
	struct bm_sink_content content;
	bm_sink_content_init(&content, NULL, 0);
	char line[1024];
	for (size_t length = 998; length <= 999; length++) {
		bool end = false;
		memset(line, 'x', length);
		memcpy(line + length, "\r\n.\r\n", 5);
		bm_sink_content_begin(&content, (struct bm_sink_content_kind){false, false, true});
		/* Cut between CR and LF: the CR must not count. */
		bm_sink_content_feed(&content, bm_span_make(line, length + 1), &end);
		bm_sink_content_feed(&content, bm_span_make(line + length + 1, 4), &end);
		assert_true(end);
		assert_int_equal(content.seen, length == 998 ? 0 : BIT(LONG_LINE));
	}
	bm_sink_content_deinit(&content);
}

static void checks_chunks_but_not_binary_ones(void **state)
{
	struct bm_sink_content content;
	char hex[BM_SINK_HASH_HEX];
	bm_sink_content_init(&content, digest(state), 0);
	bm_sink_content_begin(&content, (struct bm_sink_content_kind){true, false, true});
	bm_sink_content_feed_chunk(&content, bm_span_of("hel"));
	bm_sink_content_feed_chunk(&content, bm_span_of("lo\r"));
	bm_sink_content_feed_chunk(&content, bm_span_of("\n"));
	bm_sink_content_finish(&content, hex);
	assert_string_equal(hex, HELLO_HASH);
	assert_int_equal(content.seen, 0);

	bm_sink_content_begin(&content, (struct bm_sink_content_kind){true, false, true});
	bm_sink_content_feed_chunk(&content, bm_span_of(".x\r\n.\r\n\xff\ny\r"));
	bm_sink_content_finish(&content, hex);
	assert_int_equal(content.seen, BIT(BARE_LF) | BIT(BARE_CR));
	assert_int_equal(content.size, 11);

	bm_sink_content_begin(&content, (struct bm_sink_content_kind){false, true, true});
	bm_sink_content_feed_chunk(&content, bm_span_of("\n\xff\r"));
	bm_sink_content_finish(&content, hex);
	assert_int_equal(content.seen, 0);
	bm_sink_content_deinit(&content);
}

static uint32_t seen_in(const char *text, bool utf8, size_t step)
{
	struct bm_sink_content content;
	bm_sink_content_init(&content, NULL, 0);
	bm_sink_content_begin(&content, (struct bm_sink_content_kind){true, false, utf8});
	for (size_t i = 0; i < strlen(text); i += step) {
		size_t left = strlen(text) - i;
		bm_sink_content_feed_chunk(&content, bm_span_make((const unsigned char *)text + i, left < step ? left : step));
	}
	bm_sink_content_deinit(&content);
	return content.seen;
}

static void minds_a_header_that_is_not_ascii(void **state)
{
	(void)state;
	for (size_t step = 1; step < 40; step++) {
		assert_int_equal(seen_in("A: b\r\nS: \xc3\xa4\r\n\r\nx\r\n", false, step), BIT(EIGHT_BIT_HEADER));
		assert_int_equal(seen_in("A: b\r\nS: \xc3\xa4\r\n\r\nx\r\n", true, step), 0);
		assert_int_equal(seen_in("A: b\r\nS: c\r\n\r\n\xc3\xa4\r\n", false, step), 0);
		assert_int_equal(seen_in("\r\n\xc3\xa4\r\n", false, step), 0);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(unstuffs_and_finds_the_end_however_it_is_cut, set_up, tear_down),
		cmocka_unit_test_setup_teardown(leaves_what_is_behind_the_end, set_up, tear_down),
		cmocka_unit_test(counts_octets_of_long_lines),
		cmocka_unit_test(minds_a_header_that_is_not_ascii),
		cmocka_unit_test_setup_teardown(checks_chunks_but_not_binary_ones, set_up, tear_down),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
