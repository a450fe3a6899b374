/* SPDX-License-Identifier: MIT */
/* Replies without end. They do end: after so many octets or so much time the connection is closed. */
#include "sink/session_private.h"

#include <stdio.h>
#include <string.h>

#define FLOOD_MAX (64U << 20)
#define FLOOD_MS 60000
#define FLOOD_BLOCK (64U << 10)
#define PIECE_MAX 512

void bm_sink_flood_start(struct bm_sink_session *session, const struct bm_sink_rule *rule)
{
	int code = bm_sink_reply_code(bm_buf_view(&session->reply));

	session->flood = rule->flood;
	session->flood_code = code == 0 ? 250 : code;
	session->flood_left = FLOOD_MAX;
	session->flood_ms = rule->drip_ms;
	session->flood_at = session->shared->now_ms;
	session->flood_until = session->shared->now_ms + FLOOD_MS;
	if (rule->flood == BM_SINK_FLOOD_REPLIES)
		return;
	bm_buf_clear(&session->reply);
	if (rule->flood == BM_SINK_FLOOD_LINE && bm_buf_append_fmt(&session->reply, "%d ", session->flood_code) != BM_OK)
		session->broken = true;
}

/* Lines, or part of one that has no end. */
static size_t piece_fill(const struct bm_sink_session *session, char piece[PIECE_MAX])
{
	size_t size = session->flood_ms > 0 ? 1 : PIECE_MAX - 1;

	if (session->flood == BM_SINK_FLOOD_LINE) {
		memset(piece, 'x', size);
		return size;
	}
	char mark = session->flood == BM_SINK_FLOOD_LINES ? '-' : ' ';
	return (size_t)snprintf(piece, PIECE_MAX, "%d%cx\r\n", session->flood_code, mark);
}

void bm_sink_flood(struct bm_sink_session *session)
{
	char piece[PIECE_MAX];
	size_t size = piece_fill(session, piece);
	uint64_t now_ms = session->shared->now_ms;
	size_t ceiling = session->flood_ms > 0 ? session->out.size + 1 : FLOOD_BLOCK;

	if (session->flood_left < FLOOD_BLOCK || now_ms >= session->flood_until) {
		session->flood = BM_SINK_NO_FLOOD;
		session->tail = NULL;
		session->action = BM_SINK_CLOSE;
		return;
	}
	if (session->flood_ms > 0 && session->flood_at > now_ms)
		return;
	session->flood_at = now_ms + session->flood_ms;
	while (session->out.size < ceiling && !session->broken) {
		bm_sink_put(session, &session->out, bm_span_make((unsigned char *)piece, size));
		session->flood_left -= size;
	}
}
