/* SPDX-License-Identifier: MIT */
/*
 * The sink's sessions and its script. The first octet cuts the input: a session and the
 * plain server for benchmarks must say the same in one piece and in portions.
 */
#include "sink/discard.h"
#include "sink/session.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void expect(bool right)
{
	if (!right)
		abort();
}

static void drain(struct bm_sink_session *session, struct bm_buf *said)
{
	struct bm_buf *out = bm_sink_session_output(session);
	expect(bm_buf_append_span(said, bm_buf_view(out)) == BM_OK);
	bm_buf_clear(out);
	bm_sink_session_tick(session);
	expect(bm_buf_append_span(said, bm_buf_view(out)) == BM_OK);
	bm_buf_clear(out);
}

static void talk(struct bm_buf *said, struct bm_span input, size_t step)
{
	struct bm_sink_shared shared;
	expect(bm_sink_shared_init(&shared, NULL, true, NULL) == BM_OK);
	struct bm_sink_session *session = bm_sink_session_new(&shared, 1);
	expect(session != NULL);
	bm_sink_session_tick(session);
	for (size_t pos = 0; pos < input.size; pos += step) {
		size_t left = input.size - pos;
		expect(bm_sink_session_feed(session, input.data + pos, left < step ? left : step) == BM_OK);
		drain(session, said);
	}
	drain(session, said);
	expect(bm_sink_session_action(session) != BM_SINK_RESET);
	bm_sink_session_free(session);
	bm_sink_shared_deinit(&shared);
}

static void discard(struct bm_buf *said, struct bm_span input, size_t step)
{
	struct bm_sink_shared shared;
	struct bm_sink_discard server;
	expect(bm_sink_shared_init(&shared, NULL, false, NULL) == BM_OK);
	bm_sink_discard_init(&server);
	for (size_t pos = 0; pos < input.size; pos += step) {
		size_t left = input.size - pos;
		bm_sink_discard_feed(&server, &shared, bm_span_make(input.data + pos, left < step ? left : step));
	}
	expect(bm_buf_append_span(said, bm_buf_view(&server.out)) == BM_OK);
	bm_sink_discard_deinit(&server);
	bm_sink_shared_deinit(&shared);
}

static void compare(void (*play)(struct bm_buf *, struct bm_span, size_t), struct bm_span input, size_t step)
{
	struct bm_buf whole;
	struct bm_buf pieces;
	bm_buf_init(&whole, SIZE_MAX);
	bm_buf_init(&pieces, SIZE_MAX);
	play(&whole, input, input.size + 1);
	play(&pieces, input, step);
	expect(bm_span_equal(bm_buf_view(&whole), bm_buf_view(&pieces)));
	bm_buf_deinit(&whole);
	bm_buf_deinit(&pieces);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct bm_sink_script script;
	if (size == 0)
		return 0;
	struct bm_span input = bm_span_make(data + 1, size - 1);
	compare(talk, input, (size_t)data[0] + 1);
	compare(discard, input, (size_t)data[0] + 1);
	if (bm_sink_script_parse(&script, "fuzz", input, NULL) == BM_OK)
		bm_sink_script_deinit(&script);
	return 0;
}
