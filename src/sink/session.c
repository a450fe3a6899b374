/* SPDX-License-Identifier: MIT */
#include "sink/session_private.h"

#include <stdlib.h>

#define INPUT_MAX (16U << 20)
#define OUTPUT_MAX (64U << 20)
#define OUTPUT_ENOUGH (256U << 10)
#define LIST_MAX (64U << 20)

void bm_sink_put(struct bm_sink_session *session, struct bm_buf *to, struct bm_span span)
{
	if (bm_buf_append_span(to, span) != BM_OK)
		session->broken = true;
}

void bm_sink_take(struct bm_sink_session *session, size_t size)
{
	if (size == 0)
		return;
	session->cur = bm_span_make(session->cur.data + size, session->cur.size - size);
}

bool bm_sink_offers(const struct bm_sink_session *session, enum bm_sink_extension extension)
{
	return session->esmtp && (session->offered & (uint32_t)extension) != 0;
}

void bm_sink_report(struct bm_sink_session *session, enum bm_sink_violation violation, struct bm_span line)
{
	struct bm_sink_transaction *transaction = &session->transaction;
	uint32_t bit = bm_sink_violation_bit(violation);

	if (transaction->open && (transaction->seen & bit) != 0)
		return;
	session->shared->counters.violations++;
	if (transaction->open)
		transaction->seen |= bit;
	else
		bm_sink_record_violation(session, violation, line);
}

static void bufs_init(struct bm_sink_transaction *transaction)
{
	bm_buf_init(&transaction->mail, LIST_MAX);
	bm_buf_init(&transaction->sender, LIST_MAX);
	bm_buf_init(&transaction->mail_params, LIST_MAX);
	bm_buf_init(&transaction->recipients, LIST_MAX);
	bm_buf_init(&transaction->refused, LIST_MAX);
}

static void bufs_deinit(struct bm_sink_transaction *transaction)
{
	bm_buf_deinit(&transaction->mail);
	bm_buf_deinit(&transaction->sender);
	bm_buf_deinit(&transaction->mail_params);
	bm_buf_deinit(&transaction->recipients);
	bm_buf_deinit(&transaction->refused);
}

/* Large lists are not kept for the next transaction. */
static void buf_reuse(struct bm_buf *buf)
{
	bm_buf_clear(buf);
	if (buf->capacity > BM_SINK_INPUT_ENOUGH)
		bm_buf_deinit(buf);
}

void bm_sink_forget(struct bm_sink_session *session)
{
	bm_sink_transaction_clear(session);
	bm_buf_clear(&session->helo);
	session->esmtp = false;
	session->offered = 0;
	session->login.done = false;
	session->pipelined = false;
}

void bm_sink_transaction_clear(struct bm_sink_session *session)
{
	struct bm_sink_transaction *transaction = &session->transaction;
	struct bm_sink_transaction empty = {0};

	for (int i = 0; i < BM_SINK_V_COUNT; i++)
		if ((transaction->seen & bm_sink_violation_bit((enum bm_sink_violation)i)) != 0)
			bm_sink_record_violation(session, (enum bm_sink_violation)i, bm_buf_view(&transaction->mail));
	empty.mail = transaction->mail;
	empty.sender = transaction->sender;
	empty.mail_params = transaction->mail_params;
	empty.recipients = transaction->recipients;
	empty.refused = transaction->refused;
	*transaction = empty;
	buf_reuse(&transaction->mail);
	buf_reuse(&transaction->sender);
	buf_reuse(&transaction->mail_params);
	buf_reuse(&transaction->recipients);
	buf_reuse(&transaction->refused);
}

struct bm_sink_session *bm_sink_session_new(struct bm_sink_shared *shared, uint64_t number)
{
	struct bm_sink_session *session = calloc(1, sizeof *session);
	uint64_t *seen = calloc(shared->script.count + 1, sizeof *seen);

	if (session == NULL || seen == NULL) {
		free(session);
		free(seen);
		return NULL;
	}
	session->seen = seen;
	session->shared = shared;
	session->number = number;
	session->trip = UINT64_MAX;
	bm_buf_init(&session->in, INPUT_MAX);
	bm_buf_init(&session->out, OUTPUT_MAX);
	bm_buf_init(&session->drip, OUTPUT_MAX);
	bm_buf_init(&session->wire, OUTPUT_MAX);
	bm_buf_init(&session->helo, LIST_MAX);
	bm_buf_init(&session->reply, OUTPUT_MAX);
	bm_buf_init(&session->chunk, LIST_MAX);
	bm_sink_login_init(&session->login);
	bufs_init(&session->transaction);
	bm_sink_content_init(&session->content, shared->digest, shared->content ? (size_t)shared->size_max : 0);
	return session;
}

void bm_sink_session_free(struct bm_sink_session *session)
{
	if (session == NULL)
		return;
	bm_sink_transaction_clear(session);
	bufs_deinit(&session->transaction);
	bm_sink_login_deinit(&session->login);
	bm_sink_content_deinit(&session->content);
	bm_buf_deinit(&session->in);
	bm_buf_deinit(&session->out);
	bm_buf_deinit(&session->drip);
	bm_buf_deinit(&session->wire);
	bm_sink_tls_free(session->tls);
	bm_buf_deinit(&session->helo);
	bm_buf_deinit(&session->reply);
	bm_buf_deinit(&session->chunk);
	free(session->seen);
	free(session);
}

static struct bm_span bytes_view(const struct bm_sink_bytes *bytes)
{
	return bm_span_make(bytes->data, bytes->size);
}

bool bm_sink_gate(struct bm_sink_session *session, uint32_t events, struct bm_span line)
{
	struct bm_sink_shared *shared = session->shared;

	if (!session->chosen) {
		struct bm_sink_happening happening = {
			.events = events,
			.connection = session->number,
			.seen = session->seen,
			.pipelined = session->pipelined,
			.secure = session->secure,
			.each = session->due.size > 0,
			.after = session->trip,
			.line = line,
			.mail = bm_buf_view(&session->transaction.mail),
		};
		session->rule = bm_sink_script_match(&shared->script, &happening);
		session->chosen = true;
		session->wake = shared->now_ms + (session->rule == NULL ? 0 : session->rule->delay_ms);
		if (session->rule != NULL)
			bm_sink_put(session, &session->out, bytes_view(&session->rule->presend));
	}
	if (session->wake > shared->now_ms)
		return false;
	session->chosen = false;
	return true;
}

bool bm_sink_rule_is_mute(const struct bm_sink_rule *rule)
{
	return rule->no_reply || rule->stall || rule->stop_reading || rule->close || rule->reset || rule->exit;
}

/* In front of the usual ones, as many more keywords as the rule wants. */
static void ehlo_reply(struct bm_sink_session *session)
{
	const struct bm_sink_shared *shared = session->shared;
	struct bm_span usual = bm_buf_view(session->secure ? &shared->ehlo_tls : &shared->ehlo);
	uint64_t keywords = session->rule == NULL ? 0 : session->rule->keywords;
	enum bm_code code = BM_OK;

	for (uint64_t i = 0; i < keywords && code == BM_OK; i++)
		code = bm_buf_append_fmt(
			&session->reply, "250-%s%llu\r\n", i == 0 ? "sink.bulkmail.invalid " : "X-KEYWORD-", (unsigned long long)i);
	if (code != BM_OK)
		session->broken = true;
	bm_sink_put(session, &session->reply, usual);
}

static void usual_reply(struct bm_sink_session *session, int code, const char *enhanced, const char *text)
{
	bool enhances = enhanced[0] != '\0' && bm_sink_offers(session, BM_SINK_EXT_ENHANCEDSTATUSCODES);
	if (text == NULL) {
		ehlo_reply(session);
		return;
	}
	enum bm_code status =
		bm_buf_append_fmt(&session->reply, "%d %s%s%s\r\n", code, enhances ? enhanced : "", enhances ? " " : "", text);
	if (status != BM_OK)
		session->broken = true;
}

/* "after" counts the octets of a reply where it does not count those of a content. */
static bool cuts_reply(const struct bm_sink_rule *rule)
{
	return rule->has_after && (rule->on & bm_sink_event_bit(BM_SINK_ON_CONTENT)) == 0;
}

/* Pads its last line, then says it so many times. */
static void reply_swell(struct bm_sink_session *session, const struct bm_sink_rule *rule)
{
	struct bm_buf *reply = &session->reply;
	size_t pad = (size_t)rule->pad;

	if (pad > 0 && bm_buf_reserve(reply, pad + 2) == BM_OK) {
		size_t end = reply->size >= 2 && reply->data[reply->size - 1] == '\n' ? 2 : 0;
		memset(reply->data + reply->size - end, 'A', pad);
		reply->size += pad - end;
		bm_sink_put(session, reply, bm_span_make((const unsigned char *)"\r\n", end));
	}
	size_t size = reply->size;
	if (rule->reply_times < 2 || bm_buf_reserve(reply, size * (size_t)(rule->reply_times - 1)) != BM_OK)
		return;
	for (uint64_t i = 1; i < rule->reply_times; i++)
		bm_sink_put(session, reply, bm_span_make(reply->data, size));
}

int bm_sink_decide(struct bm_sink_session *session, int code, const char *enhanced, const char *text)
{
	const struct bm_sink_rule *rule = session->rule;

	bm_buf_clear(&session->reply);
	if (rule != NULL && rule->reply.data != NULL)
		bm_sink_put(session, &session->reply, bytes_view(&rule->reply));
	else if (rule == NULL || !bm_sink_rule_is_mute(rule) || cuts_reply(rule))
		usual_reply(session, code, enhanced, text);
	if (rule != NULL)
		reply_swell(session, rule);
	return bm_sink_reply_code(bm_buf_view(&session->reply));
}

static enum bm_sink_action rule_action(const struct bm_sink_rule *rule)
{
	if (rule->exit)
		return BM_SINK_EXIT;
	if (rule->reset)
		return BM_SINK_RESET;
	return rule->close ? BM_SINK_CLOSE : BM_SINK_GO_ON;
}

static void deliver_ruled(struct bm_sink_session *session, const struct bm_sink_rule *rule)
{
	struct bm_buf *reply = &session->reply;

	if (rule->flood != BM_SINK_NO_FLOOD)
		bm_sink_flood_start(session, rule);
	if (cuts_reply(rule) && reply->size > rule->after)
		reply->size = (size_t)rule->after;
	if (rule->segment > 0)
		session->segment = rule->segment;
	if (rule->rekey > 0)
		bm_sink_rekey(session, rule->rekey);
	bm_sink_put(session, rule->drip_ms == 0 ? &session->out : &session->drip, bm_buf_view(reply));
	session->drip_ms = rule->drip_ms;
	session->drip_at = session->shared->now_ms;
	session->drip_wire = false;
	bm_sink_apply(session, rule);
}

void bm_sink_deliver(struct bm_sink_session *session)
{
	const struct bm_sink_rule *rule = session->rule;

	session->rule = NULL;
	session->pipelined = session->cur.size > 0;
	if (rule == NULL)
		bm_sink_put(session, &session->out, bm_buf_view(&session->reply));
	else
		deliver_ruled(session, rule);
}

void bm_sink_apply(struct bm_sink_session *session, const struct bm_sink_rule *rule)
{
	session->truncated = rule->truncate;
	session->torn = rule->torn;
	session->deaf = session->deaf || rule->stop_reading;
	session->stalled = session->stalled || rule->stall || rule->stop_reading;
	session->tail = rule;
	session->tail_at = session->shared->now_ms + rule->linger_ms;
}

int bm_sink_answer(struct bm_sink_session *session, int code, const char *enhanced, const char *text)
{
	int decided = bm_sink_decide(session, code, enhanced, text);
	bool silent = session->reply.size == 0;

	bm_sink_deliver(session);
	return silent ? code : decided;
}

/* A reply on connect stands for the greeting. */
static bool step_connect(struct bm_sink_session *session)
{
	if (!bm_sink_gate(session, bm_sink_event_bit(BM_SINK_ON_CONNECT), bm_span_of("")))
		return false;
	const struct bm_sink_rule *rule = session->rule;
	session->state = session->shared->tls_wrapper ? BM_SINK_S_HANDSHAKE : BM_SINK_S_GREETING;
	if (rule != NULL)
		session->segment = rule->segment;
	if (rule == NULL || (rule->reply.data == NULL && !bm_sink_rule_is_mute(rule)))
		return true;
	session->state = BM_SINK_S_COMMAND;
	session->greeted = true;
	int code = bm_sink_answer(session, 220, "", "");
	session->shut = code / 100 != 2;
	return true;
}

static bool step_greeting(struct bm_sink_session *session)
{
	if (!bm_sink_gate(session, bm_sink_event_bit(BM_SINK_ON_GREETING), bm_span_of("")))
		return false;
	session->state = BM_SINK_S_COMMAND;
	session->greeted = true;
	if (session->cur.size > 0)
		bm_sink_report(session, BM_SINK_V_EARLY, bm_span_of(""));
	int code = bm_sink_answer(session, 220, "", "sink.bulkmail.invalid ESMTP bulkmail sink");
	session->shut = code / 100 != 2;
	return true;
}

/* Lets the drip and what follows a reply run; true when nothing is left of them. */
static bool tail_done(struct bm_sink_session *session)
{
	uint64_t now_ms = session->shared->now_ms;
	const struct bm_sink_rule *rule = session->tail;

	while (session->drip.size > 0 && session->drip_at <= now_ms) {
		bm_sink_put(session, session->drip_wire ? &session->wire : &session->out, bm_span_make(session->drip.data, 1));
		bm_buf_consume(&session->drip, 1);
		session->drip_at += session->drip_ms;
	}
	if (session->drip.size > 0)
		return false;
	if (session->flood != BM_SINK_NO_FLOOD) {
		bm_sink_flood(session);
		return false;
	}
	if (rule == NULL)
		return true;
	if (session->tail_at > now_ms)
		return false;
	session->tail = NULL;
	bm_sink_put(session, &session->out, bytes_view(&rule->postsend));
	session->action = rule_action(rule);
	return session->action == BM_SINK_GO_ON;
}

static bool step(struct bm_sink_session *session)
{
	if (session->broken)
		session->action = BM_SINK_RESET;
	if (session->action != BM_SINK_GO_ON || !tail_done(session) || session->stalled)
		return false;
	if (session->quit) {
		session->action = BM_SINK_CLOSE;
		return false;
	}
	if (session->out.size + session->wire.size > OUTPUT_ENOUGH)
		return false;
	switch (session->state) {
	case BM_SINK_S_CONNECT:
		return step_connect(session);
	case BM_SINK_S_HANDSHAKE:
		return bm_sink_step_handshake(session);
	case BM_SINK_S_SHAKING:
		return bm_sink_step_shaking(session);
	case BM_SINK_S_GREETING:
		return step_greeting(session);
	case BM_SINK_S_COMMAND:
		return bm_sink_step_command(session);
	case BM_SINK_S_SKIP:
		return bm_sink_step_skip(session);
	case BM_SINK_S_CONTENT:
		return bm_sink_step_content(session);
	case BM_SINK_S_CHUNK:
		return bm_sink_step_chunk(session);
	case BM_SINK_S_END:
		return bm_sink_step_end(session);
	}
	return false;
}

static void run(struct bm_sink_session *session)
{
	while (step(session))
		;
	if (session->stalled || session->action != BM_SINK_GO_ON)
		bm_sink_take(session, session->cur.size);
	if (session->secure)
		bm_sink_seal(session);
}

void bm_sink_run_waiting(struct bm_sink_session *session)
{
	session->cur = bm_buf_view(&session->in);
	run(session);
	bm_buf_consume(&session->in, session->in.size - session->cur.size);
	if (session->in.size == 0)
		buf_reuse(&session->in);
	session->cur = bm_span_make(NULL, 0);
}

/* What the last octets of the handshake brought along is plain too. */
static enum bm_code feed_tls(struct bm_sink_session *session, const void *data, size_t size)
{
	bm_sink_tls_feed(session->tls, data, size);
	bm_sink_unseal(session);
	return session->broken ? BM_E_NOMEM : BM_OK;
}

enum bm_code bm_sink_session_feed(struct bm_sink_session *session, const void *data, size_t size)
{
	if (session->stalled && session->tail == NULL && session->drip.size == 0)
		return BM_OK;
	if (session->secure)
		return feed_tls(session, data, size);
	if (session->in.size > 0) {
		enum bm_code code = bm_buf_append(&session->in, data, size);
		if (code == BM_OK)
			bm_sink_run_waiting(session);
		return code;
	}
	/* The usual case works straight on the caller's octets. */
	session->cur = bm_span_make(data, size);
	run(session);
	struct bm_span rest = session->cur;
	session->cur = bm_span_make(NULL, 0);
	if (session->secure)
		bm_sink_unseal(session);
	return bm_buf_append_span(&session->in, rest);
}

void bm_sink_session_tick(struct bm_sink_session *session)
{
	bm_sink_run_waiting(session);
	if (session->secure)
		bm_sink_unseal(session);
}

uint64_t bm_sink_session_segment(const struct bm_sink_session *session)
{
	return session->segment;
}

bool bm_sink_session_wants_input(const struct bm_sink_session *session)
{
	return !session->deaf && session->action == BM_SINK_GO_ON && session->in.size < BM_SINK_INPUT_ENOUGH;
}

struct bm_buf *bm_sink_session_output(struct bm_sink_session *session)
{
	return session->tls == NULL ? &session->out : &session->wire;
}

enum bm_sink_action bm_sink_session_action(const struct bm_sink_session *session)
{
	return session->action;
}

uint64_t bm_sink_session_deadline(const struct bm_sink_session *session)
{
	if (session->action != BM_SINK_GO_ON)
		return BM_SINK_NO_DEADLINE;
	if (session->drip.size > 0)
		return session->drip_at;
	if (session->flood != BM_SINK_NO_FLOOD && session->flood_ms > 0)
		return session->flood_at;
	if (session->tail != NULL)
		return session->tail_at;
	if (session->chosen)
		return session->wake;
	return BM_SINK_NO_DEADLINE;
}
