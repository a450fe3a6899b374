/* SPDX-License-Identifier: MIT */
/* Content behind DATA and BDAT, and what is answered at its end. */
#include "sink/session_private.h"

#include <stdio.h>

void bm_sink_content_start(struct bm_sink_session *session)
{
	const struct bm_sink_transaction *transaction = &session->transaction;

	bm_sink_content_begin(
		&session->content, (struct bm_sink_content_kind){transaction->eight, transaction->binary, transaction->utf8});
	session->trip = bm_sink_script_trip(&session->shared->script, 0);
}

/* Plays the rule that waits at this count of octets, if any; false while it delays. */
static bool pass_trip(struct bm_sink_session *session)
{
	if (session->content.wire < session->trip)
		return true;
	if (!bm_sink_gate(session, bm_sink_event_bit(BM_SINK_ON_CONTENT), bm_span_of("")))
		return false;
	session->trip = bm_sink_script_trip(&session->shared->script, session->trip + 1);
	const struct bm_sink_rule *rule = session->rule;
	if (rule == NULL)
		return true;
	bm_buf_clear(&session->reply);
	bm_sink_put(session, &session->reply, bm_span_make(rule->reply.data, rule->reply.size));
	bm_sink_deliver(session);
	return true;
}

/* The input at hand, up to the next octet at which a rule waits. */
static struct bm_span portion(const struct bm_sink_session *session)
{
	uint64_t room = session->trip - session->content.wire;
	struct bm_span cur = session->cur;
	return bm_span_make(cur.data, room < cur.size ? (size_t)room : cur.size);
}

bool bm_sink_step_content(struct bm_sink_session *session)
{
	bool end = false;

	if (session->content.wire >= session->trip)
		return pass_trip(session);
	if (session->cur.size == 0)
		return false;
	bm_sink_take(session, bm_sink_content_feed(&session->content, portion(session), &end));
	if (end)
		session->state = BM_SINK_S_END;
	return true;
}

bool bm_sink_step_chunk(struct bm_sink_session *session)
{
	if (session->content.wire >= session->trip)
		return pass_trip(session);
	if (session->chunk_left == 0) {
		session->state = BM_SINK_S_END;
		return true;
	}
	if (session->cur.size == 0)
		return false;
	struct bm_span data = portion(session);
	if (data.size > session->chunk_left)
		data.size = (size_t)session->chunk_left;
	session->chunk_left -= data.size;
	bm_sink_content_feed_chunk(&session->content, data);
	bm_sink_take(session, data.size);
	return true;
}

struct end {
	int code;
	const char *enhanced;
	const char *text;
};

static struct end judge_content(const struct bm_sink_session *session)
{
	const struct bm_sink_transaction *transaction = &session->transaction;

	if (!transaction->open || transaction->recipient_count == 0)
		return (struct end){554, "5.5.1", "No valid recipients"};
	if (session->content.size > session->shared->size_max)
		return (struct end){552, "5.3.4", "Message too large"};
	if (session->content.broken)
		return (struct end){451, "4.3.0", "Out of memory"};
	return (struct end){250, "2.0.0", "Ok"};
}

static struct end judge_chunk(struct bm_sink_session *session)
{
	const struct bm_sink_transaction *transaction = &session->transaction;
	struct bm_span line = bm_buf_view(&session->chunk);

	if (!bm_sink_offers(session, BM_SINK_EXT_CHUNKING)) {
		bm_sink_report(session, BM_SINK_V_NOT_OFFERED, line);
		return (struct end){502, "5.5.1", "CHUNKING was not offered"};
	}
	bool in_order = transaction->open ? transaction->rcpt_tried : transaction->mail_tried;
	if (!in_order && !transaction->failed)
		bm_sink_report(session, BM_SINK_V_NO_RCPT, line);
	if (!in_order || transaction->failed || !transaction->open)
		return (struct end){503, "5.5.1", transaction->failed ? "RSET first" : "MAIL and RCPT first"};
	return judge_content(session);
}

static void check_content(struct bm_sink_session *session)
{
	const struct bm_sink_transaction *transaction = &session->transaction;

	for (int i = 0; i < BM_SINK_V_COUNT; i++)
		if ((session->content.seen & bm_sink_violation_bit((enum bm_sink_violation)i)) != 0)
			bm_sink_report(session, (enum bm_sink_violation)i, bm_buf_view(&transaction->mail));
	if (transaction->has_size && session->content.size > transaction->size)
		bm_sink_report(session, BM_SINK_V_SIZE, bm_buf_view(&transaction->mail));
	if (session->cur.size > 0 && !bm_sink_offers(session, BM_SINK_EXT_PIPELINING))
		bm_sink_report(session, BM_SINK_V_PIPELINING, bm_span_of(""));
}

static void count(struct bm_sink_session *session, uint64_t recipients)
{
	struct bm_sink_counters *counters = &session->shared->counters;

	counters->recipients += recipients;
	if (session->taken)
		return;
	session->taken = true;
	counters->transactions++;
	counters->bytes += session->content.size;
}

/* Once for each content. */
static void finish(struct bm_sink_session *session)
{
	if (session->number_given != 0)
		return;
	session->number_given = ++session->shared->log_number;
	session->taken = false;
	bm_sink_content_finish(&session->content, session->hash);
	check_content(session);
}

/* Decides on the whole content for these recipients, records it, answers; true when it was accepted. */
static bool conclude(
	struct bm_sink_session *session, struct end end, struct bm_span recipients, uint64_t recipient_count)
{
	char text[64];

	snprintf(text, sizeof text, "Ok: queued as %llu", (unsigned long long)session->number_given);
	const struct bm_sink_rule *rule = session->rule;
	int code = bm_sink_decide(session, end.code, end.enhanced, end.code == 250 ? text : end.text);
	struct bm_sink_result result = {
		.accepted = code / 100 == 2 || (rule != NULL && rule->accept),
		.number = session->number_given,
		.recipients = recipients,
	};
	if (result.accepted)
		count(session, recipient_count);
	bm_sink_record_transaction(session, &result);
	bm_sink_deliver(session);
	return result.accepted;
}

/* One reply for all. */
static bool conclude_all(struct bm_sink_session *session, struct end end)
{
	const struct bm_sink_transaction *transaction = &session->transaction;
	bool accepted = false;

	finish(session);
	accepted = conclude(session, end, bm_buf_view(&transaction->recipients), transaction->recipient_count);
	session->number_given = 0;
	return accepted;
}

/* With keep like a server that forgets the refusal: the envelope takes more recipients and a new content. */
static void chunk_refused(struct bm_sink_transaction *transaction, bool keep)
{
	if (keep)
		transaction->chunked = false;
	else
		transaction->failed = true;
}

/* A refused chunk leaves the envelope standing until RSET (RFC 3030, 2). */
static void end_chunk(struct bm_sink_session *session)
{
	struct bm_sink_transaction *transaction = &session->transaction;
	bool standing = transaction->open && !transaction->failed;
	bool keep = session->rule != NULL && session->rule->keep;
	struct end end = judge_chunk(session);

	if (standing && session->chunk_last) {
		bool accepted = conclude_all(session, end);
		if (accepted)
			bm_sink_transaction_clear(session);
		else
			chunk_refused(transaction, keep);
		return;
	}
	if (end.code == 250)
		end.text = "Chunk received";
	int code = bm_sink_answer(session, end.code, end.enhanced, end.text);
	if (code / 100 != 2)
		chunk_refused(transaction, keep);
}

/* With LMTP each recipient has a reply of its own (RFC 2033, 4.2) and so a rule. */
static bool each_replies(const struct bm_sink_session *session)
{
	const struct bm_sink_transaction *transaction = &session->transaction;
	bool last = !transaction->chunked || session->chunk_last;
	return session->shared->lmtp && last && transaction->open && !transaction->failed &&
		   transaction->recipient_count > 0;
}

/* The next recipient's reply. */
static bool step_due(struct bm_sink_session *session)
{
	struct bm_span rest = session->due;
	struct bm_span address = bm_sink_next_entry(&rest);

	(void)bm_sink_next_entry(&rest);
	if (!bm_sink_gate(session, bm_sink_event_bit(BM_SINK_ON_END), address))
		return false;
	struct bm_span one = bm_span_make(session->due.data, session->due.size - rest.size);
	session->due = rest;
	(void)conclude(session, judge_content(session), one, 1);
	if (rest.size > 0)
		return true;
	session->number_given = 0;
	session->state = BM_SINK_S_COMMAND;
	bm_sink_transaction_clear(session);
	return true;
}

bool bm_sink_step_end(struct bm_sink_session *session)
{
	if (session->due.size == 0 && each_replies(session)) {
		finish(session);
		session->due = bm_buf_view(&session->transaction.recipients);
	}
	if (session->due.size > 0)
		return step_due(session);
	bool chunked = session->transaction.chunked;
	struct bm_span line = bm_span_of("");
	uint32_t events = bm_sink_event_bit(BM_SINK_ON_END);

	if (chunked) {
		line = bm_buf_view(&session->chunk);
		events = bm_sink_event_bit(BM_SINK_ON_BDAT) | (session->chunk_last ? events : 0);
	}
	if (!bm_sink_gate(session, events, line))
		return false;
	session->state = BM_SINK_S_COMMAND;
	if (chunked) {
		end_chunk(session);
		return true;
	}
	conclude_all(session, judge_content(session));
	bm_sink_transaction_clear(session);
	return true;
}
