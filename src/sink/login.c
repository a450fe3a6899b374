/* SPDX-License-Identifier: MIT */
/* AUTH (RFC 4954): the command, the lines behind a 334, and what is told of them in the record. */
#include "sink/session_private.h"

#include "base/base64.h"

#define CHALLENGE_MAX (64U << 10)

struct answer {
	int code;
	const char *enhanced;
	const char *text;
};

static const struct answer bad_base64 = {501, "5.5.2", "Cannot decode that"};

void bm_sink_login_init(struct bm_sink_login *login)
{
	*login = (struct bm_sink_login){0};
	bm_buf_init(&login->mechanism, CHALLENGE_MAX);
	bm_buf_init(&login->user, CHALLENGE_MAX);
	bm_buf_init(&login->text, CHALLENGE_MAX);
}

void bm_sink_login_deinit(struct bm_sink_login *login)
{
	bm_sink_exchange_free(login->exchange);
	bm_buf_deinit(&login->mechanism);
	bm_buf_deinit(&login->user);
	bm_buf_deinit(&login->text);
}

static struct answer refuse(
	struct bm_sink_session *session, enum bm_sink_violation violation, struct bm_span line, struct answer answer)
{
	bm_sink_report(session, violation, line);
	return answer;
}

static struct answer judge_order(struct bm_sink_session *session, struct bm_span line)
{
	struct answer again = {503, "5.5.1", "Already authenticated"};
	struct answer inside = {503, "5.5.1", "Not in a transaction"};
	struct answer clear = {530, "5.7.0", "Must issue a STARTTLS command first"};

	if (session->bad)
		return (struct answer){500, "5.5.2", "Malformed command line"};
	if (session->shared->tls_required && !session->secure)
		return refuse(session, BM_SINK_V_BEFORE_TLS, line, clear);
	if (!bm_sink_offers(session, BM_SINK_EXT_AUTH))
		bm_sink_report(session, BM_SINK_V_NOT_OFFERED, line);
	if (session->shared->auth == NULL)
		return (struct answer){502, "5.5.1", "Not implemented"};
	if (session->transaction.open)
		return refuse(session, BM_SINK_V_AUTH_ORDER, line, inside);
	if (session->login.done)
		return refuse(session, BM_SINK_V_AUTH_ORDER, line, again);
	return (struct answer){0, "", ""};
}

static struct answer step(struct bm_sink_session *session, struct bm_span said)
{
	struct bm_sink_login *login = &session->login;
	struct bm_buf challenge;
	struct answer more = {334, "", NULL};

	bm_buf_init(&challenge, CHALLENGE_MAX);
	enum bm_sink_verdict verdict = bm_sink_exchange_step(login->exchange, said, &challenge);
	bm_buf_clear(&login->text);
	if (bm_base64_write(&login->text, bm_buf_view(&challenge)) != BM_OK || bm_buf_terminate(&login->text) != BM_OK)
		session->broken = true;
	bm_buf_deinit(&challenge);
	more.text = session->broken ? "" : (const char *)login->text.data;
	switch (verdict) {
	case BM_SINK_AUTH_MORE:
		return more;
	case BM_SINK_AUTH_DONE:
		return (struct answer){235, "2.7.0", "Authenticated"};
	case BM_SINK_AUTH_MALFORMED:
		return (struct answer){501, "5.5.2", "Not what the mechanism wants"};
	case BM_SINK_AUTH_FAILED:
		break;
	}
	return (struct answer){535, "5.7.8", "Authentication failed"};
}

/* Decodes a line of the client's and lets the mechanism have it. */
static struct answer respond(struct bm_sink_session *session, struct bm_span line)
{
	struct bm_buf said;
	struct answer answer = bad_base64;

	bm_buf_init(&said, CHALLENGE_MAX);
	/* Nothing said is not the same as no response: data may not be NULL. */
	if (bm_buf_reserve(&said, 1) == BM_OK && bm_base64_read(&said, line) == BM_OK)
		answer = step(session, bm_buf_view(&said));
	else
		bm_sink_report(session, BM_SINK_V_SYNTAX, bm_span_of("(a response)"));
	bm_buf_deinit(&said);
	return answer;
}

/* What was begun ends: by a code that is not 334. */
static void conclude(struct bm_sink_session *session, int code)
{
	struct bm_sink_login *login = &session->login;

	if (login->exchange != NULL) {
		bm_buf_clear(&login->user);
		bm_sink_put(session, &login->user, bm_sink_exchange_user(login->exchange));
	}
	login->active = code / 100 == 3;
	if (login->active)
		return;
	login->done = code / 100 == 2;
	bm_sink_record_auth(session, login->done);
	bm_sink_exchange_free(login->exchange);
	login->exchange = NULL;
}

static struct answer judge_auth(struct bm_sink_session *session, const struct bm_sink_command *command)
{
	struct bm_sink_login *login = &session->login;
	struct answer answer = judge_order(session, command->line);
	struct bm_span initial = command->args;
	struct bm_span name = bm_sink_command_word(&initial);

	bm_buf_clear(&login->mechanism);
	bm_sink_put(session, &login->mechanism, name);
	bm_buf_clear(&login->user);
	login->initial = initial.size > 0;
	if (answer.code != 0)
		return answer;
	if (name.size == 0)
		return refuse(session, BM_SINK_V_SYNTAX, command->line, (struct answer){501, "5.5.4", "AUTH what?"});
	login->exchange = bm_sink_exchange_new(session->shared->auth, name, session->tls, session->rule);
	if (login->exchange == NULL)
		return refuse(session, BM_SINK_V_NOT_OFFERED, name, (struct answer){504, "5.5.4", "Mechanism not offered"});
	if (!login->initial)
		return step(session, bm_span_make(NULL, 0));
	return respond(session, bm_span_equal(initial, bm_span_of("=")) ? bm_span_make(initial.data, 0) : initial);
}

void bm_sink_do_auth(struct bm_sink_session *session, const struct bm_sink_command *command)
{
	struct answer answer = judge_auth(session, command);
	bool tried = answer.code != 503 && answer.code != 530;
	int code = bm_sink_answer(session, answer.code, answer.enhanced, answer.text);

	/* Out of order it changes nothing. */
	if (tried || code / 100 == 3)
		conclude(session, code);
}

void bm_sink_do_response(struct bm_sink_session *session, const struct bm_sink_command *command)
{
	struct bm_span line = command->line;
	struct answer answer = {535, "5.7.8", "Authentication failed"};

	if (session->bad)
		answer = (struct answer){500, "5.5.2", "Malformed line"};
	else if (bm_span_equal(line, bm_span_of("*")))
		answer = (struct answer){501, "5.7.0", "Cancelled"};
	else if (session->login.exchange != NULL)
		answer = respond(session, line);
	conclude(session, bm_sink_answer(session, answer.code, answer.enhanced, answer.text));
}
