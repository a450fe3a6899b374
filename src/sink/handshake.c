/* SPDX-License-Identifier: MIT */
/* A session's TLS: when it begins, which faults the script plays with it, and what goes through it. */
#include "sink/session_private.h"

/* Behind what is still to be said in clear. */
static bool tls_begin(struct bm_sink_session *session)
{
	session->tls = bm_sink_tls_new(session->shared->tls);
	if (session->tls == NULL) {
		session->broken = true;
		return false;
	}
	bm_sink_put(session, &session->wire, bm_buf_view(&session->out));
	bm_buf_clear(&session->out);
	session->state = BM_SINK_S_SHAKING;
	return true;
}

/* The rule speaks, or falls silent, in place of TLS. */
static bool is_instead(const struct bm_sink_rule *rule)
{
	return rule != NULL && (rule->reply.data != NULL || (bm_sink_rule_is_mute(rule) && !rule->has_after));
}

bool bm_sink_step_handshake(struct bm_sink_session *session)
{
	if (!bm_sink_gate(session, bm_sink_event_bit(BM_SINK_ON_HANDSHAKE), bm_span_of("")))
		return false;
	const struct bm_sink_rule *rule = session->rule;
	if (is_instead(rule)) {
		session->state = BM_SINK_S_COMMAND;
		bm_sink_answer(session, 0, "", "");
		return true;
	}
	session->rule = NULL;
	session->shake_rule = rule;
	session->shake_left = rule != NULL && rule->has_after ? rule->after : UINT64_MAX;
	if (rule != NULL && rule->segment > 0)
		session->segment = rule->segment;
	if (session->shared->tls == NULL) {
		session->state = session->greeted ? BM_SINK_S_COMMAND : BM_SINK_S_GREETING;
		return true;
	}
	return tls_begin(session);
}

/* What the server says in the handshake: dripped, or cut off, when a rule wants it so. */
static void shake_out(struct bm_sink_session *session)
{
	const struct bm_sink_rule *rule = session->shake_rule;
	bool dripped = rule != NULL && rule->drip_ms > 0;
	struct bm_buf *to = dripped ? &session->drip : &session->wire;
	size_t before = to->size;

	if (!bm_sink_tls_drain(session->tls, to))
		session->broken = true;
	if (dripped && before == 0) {
		session->drip_wire = true;
		session->drip_ms = rule->drip_ms;
		session->drip_at = session->shared->now_ms;
	}
	uint64_t said = to->size - before;
	if (said <= session->shake_left) {
		session->shake_left -= session->shake_left == UINT64_MAX ? 0 : said;
		return;
	}
	to->size = before + (size_t)session->shake_left;
	session->shake_left = 0;
	bm_sink_apply(session, rule);
	session->stalled = true;
}

static void shaken(struct bm_sink_session *session, bool failed)
{
	bm_sink_record_tls(session);
	session->shake_rule = NULL;
	if (failed) {
		session->quit = true;
		return;
	}
	bm_sink_forget(session);
	session->secure = true;
	session->state = session->greeted ? BM_SINK_S_COMMAND : BM_SINK_S_GREETING;
}

static void shake(struct bm_sink_session *session)
{
	enum bm_sink_tls_state state = bm_sink_tls_shake(session->tls);

	shake_out(session);
	if (state != BM_SINK_TLS_SHAKING && !session->stalled)
		shaken(session, state == BM_SINK_TLS_FAILED);
}

bool bm_sink_step_shaking(struct bm_sink_session *session)
{
	if (session->cur.size == 0)
		return false;
	bm_sink_tls_feed(session->tls, session->cur.data, session->cur.size);
	bm_sink_take(session, session->cur.size);
	shake(session);
	return session->state != BM_SINK_S_SHAKING || session->quit;
}

/* Plain octets that came through TLS, record by record. */
void bm_sink_unseal(struct bm_sink_session *session)
{
	while (session->secure && bm_sink_tls_read(session->tls, &session->in))
		bm_sink_run_waiting(session);
	/* What TLS itself has to say: alerts, and the answer to a KeyUpdate. */
	if (!bm_sink_tls_drain(session->tls, &session->wire))
		session->broken = true;
}

void bm_sink_seal(struct bm_sink_session *session)
{
	if (session->secure && !bm_sink_tls_write(session->tls, bm_buf_view(&session->out)))
		session->action = BM_SINK_RESET;
	bm_buf_clear(&session->out);
	if (session->secure && session->action == BM_SINK_CLOSE && !session->truncated)
		bm_sink_tls_close(session->tls);
	if (session->secure && !bm_sink_tls_drain(session->tls, &session->wire))
		session->broken = true;
	if (session->action == BM_SINK_CLOSE && session->torn && session->wire.size > 0) {
		session->wire.size--;
		session->torn = false;
	}
}

void bm_sink_rekey(struct bm_sink_session *session, uint64_t times)
{
	bm_sink_seal(session);
	for (uint64_t i = 0; session->secure && i < times; i++)
		if (!bm_sink_tls_rekey(session->tls))
			return;
}
