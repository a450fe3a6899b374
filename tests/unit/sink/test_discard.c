/* SPDX-License-Identifier: MIT */
#include "../unit.h"
#include "sink/discard.h"

#include <stdlib.h>

static const char session[] =
	"EHLO c\r\nMAIL FROM:<a@x>\r\nRCPT TO:<b@y>\r\nRCPT TO:<c@y>\r\nDATA\r\n"
	"Subject: x\r\n\r\n..\r\n.a\r\nx.\r\nb\n.\r\nc\r\n\r\n.\r\nMAIL FROM:<a@x>\r\nRCPT TO:<b@y>\r\n"
	"BDAT 3\r\nabcBDAT 0\r\nBDAT 5 LAST\r\n.\r\n.\nBDAT 0 LAST\r\nRSET\r\nDATA\r\n.\r\nQUIT\r\n";

static void answers_the_same_however_it_is_cut(void **state)
{
	(void)state;
	struct bm_sink_shared shared;
	struct bm_error err = BM_ERROR_INIT;
	size_t all = sizeof session - 1;
	assert_int_equal(bm_sink_shared_init(&shared, "PIPELINING", false, &err), BM_OK);
	for (size_t step = 1; step <= all; step++) {
		struct bm_sink_discard discard;
		bm_sink_discard_init(&discard);
		shared.counters = (struct bm_sink_counters){0};
		bm_buf_clear(&discard.out);
		for (size_t pos = 0; pos < all; pos += step) {
			size_t size = all - pos < step ? all - pos : step;
			unsigned char *copy = malloc(size);
			assert_non_null(copy);
			memcpy(copy, session + pos, size);
			bm_sink_discard_feed(&discard, &shared, bm_span_make(copy, size));
			free(copy);
		}
		assert_int_equal(bm_buf_append_char(&discard.out, '\0'), BM_OK);
		assert_string_equal((char *)discard.out.data,
			"250-sink.bulkmail.invalid\r\n250 PIPELINING\r\n250 2.1.0 Ok\r\n250 2.1.5 Ok\r\n250 2.1.5 Ok\r\n"
			"354 End data with <CR><LF>.<CR><LF>\r\n250 2.0.0 Ok: queued\r\n250 2.1.0 Ok\r\n250 2.1.5 Ok\r\n"
			"250 2.0.0 Ok\r\n250 2.0.0 Ok\r\n250 2.0.0 Ok: queued\r\n250 2.0.0 Ok: queued\r\n250 2.0.0 Ok\r\n"
			"354 End data with <CR><LF>.<CR><LF>\r\n250 2.0.0 Ok: queued\r\n221 2.0.0 Bye\r\n");
		assert_true(discard.quit);
		assert_int_equal(shared.counters.transactions, 4);
		assert_int_equal(shared.counters.recipients, 3);
		bm_sink_discard_deinit(&discard);
	}
	bm_sink_shared_deinit(&shared);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(answers_the_same_however_it_is_cut),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
