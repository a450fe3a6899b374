/* SPDX-License-Identifier: MIT */
/* The commands: what is checked, what is answered, what it does to the transaction. */
#include "sink/session_private.h"

#include "base/utf8.h"

#define LINE_MAX_OCTETS 1000 /* with its CRLF */
#define LINE_HARD_MAX (16U << 10)
#define RECIPIENTS_MAX 100000

struct verdict {
	int code;
	const char *enhanced;
	const char *text;
};

static const struct verdict malformed = {500, "5.5.2", "Malformed command line"};
static const struct verdict no_mail = {503, "5.5.1", "MAIL first"};
static const struct verdict no_recipients = {554, "5.5.1", "No valid recipients"};

static int answer(struct bm_sink_session *session, struct verdict verdict)
{
	return bm_sink_answer(session, verdict.code, verdict.enhanced, verdict.text);
}

static const struct verdict tls_first = {530, "5.7.0", "Must issue a STARTTLS command first"};

static const struct verdict other_protocol = {500, "5.5.1", "Of SMTP and LMTP that is the other one's"};

/* The usual answer to a fault of the client. */
static struct verdict fault(
	struct bm_sink_session *session, enum bm_sink_violation violation, struct bm_span line, struct verdict verdict)
{
	bm_sink_report(session, violation, line);
	return verdict;
}

static struct verdict syntax(struct bm_sink_session *session, struct bm_span line)
{
	return fault(session, BM_SINK_V_SYNTAX, line, (struct verdict){501, "5.5.4", "Syntax error in the arguments"});
}

static bool is_positive(int code)
{
	return code / 100 == 2;
}

/* A reply of the script offers what it names, no matter what the sink could do. */
static uint32_t offered(const struct bm_sink_session *session, bool ruled)
{
	uint32_t bits = session->shared->extensions;

	if (ruled)
		return bm_sink_shared_named(bm_buf_view(&session->reply));
	return bits & ~(uint32_t)(session->secure ? BM_SINK_EXT_STARTTLS : BM_SINK_EXT_REQUIRETLS);
}

static void do_helo(struct bm_sink_session *session, const struct bm_sink_command *command)
{
	bool esmtp = command->verb != BM_SINK_ON_HELO;
	bool lmtp = command->verb == BM_SINK_ON_LHLO;
	bool ruled = session->rule != NULL && session->rule->reply.data != NULL;
	struct verdict verdict = {250, "", esmtp ? NULL : "sink.bulkmail.invalid"};

	if (session->bad)
		verdict = malformed;
	else if (lmtp != session->shared->lmtp)
		verdict = fault(session, BM_SINK_V_PROTOCOL, command->line, other_protocol);
	else if (command->args.size == 0)
		verdict = syntax(session, command->line);
	if (!is_positive(answer(session, verdict)))
		return;
	bm_sink_transaction_clear(session);
	session->esmtp = esmtp;
	session->offered = esmtp ? offered(session, ruled) : 0;
	bm_buf_clear(&session->helo);
	bm_sink_put(session, &session->helo, command->args);
}

/* Code 250 when all of them are fine. */
static struct verdict check_params(
	struct bm_sink_session *session, const struct bm_sink_command *command, struct bm_span params)
{
	const struct verdict unknown = {555, "5.5.4", "Parameter not offered"};

	switch (bm_sink_params_check(session, command->verb, params)) {
	case BM_SINK_PARAMS_UNKNOWN:
		return fault(session, BM_SINK_V_NOT_OFFERED, command->line, unknown);
	case BM_SINK_PARAMS_WRONG:
		return syntax(session, command->line);
	case BM_SINK_PARAMS_RIGHT:
		break;
	}
	return (struct verdict){250, "2.1.0", "Ok"};
}

static bool is_eight_bit(struct bm_span line)
{
	for (size_t i = 0; i < line.size; i++)
		if (line.data[i] > 0x7f)
			return true;
	return false;
}

static struct verdict check_eight_bit(
	struct bm_sink_session *session, const struct bm_sink_command *command, struct verdict verdict)
{
	bool right = session->transaction.utf8 && bm_utf8_valid(command->line.data, command->line.size);
	if (right || !is_eight_bit(command->line))
		return verdict;
	return fault(session, BM_SINK_V_EIGHT_BIT_COMMAND, command->line,
		(struct verdict){553, "5.6.7", "Neither ASCII nor UTF-8 with SMTPUTF8"});
}

static struct verdict judge_mail(
	struct bm_sink_session *session, const struct bm_sink_command *command, struct bm_span *sender)
{
	struct bm_sink_transaction *transaction = &session->transaction;
	struct bm_span params;

	if (session->bad)
		return malformed;
	if (session->shared->tls_required && !session->secure)
		return fault(session, BM_SINK_V_BEFORE_TLS, command->line, tls_first);
	if (session->shared->auth_required && !session->login.done)
		return (struct verdict){530, "5.7.0", "Authentication required"};
	if (session->helo.size == 0)
		return fault(session, BM_SINK_V_NO_HELO, command->line, (struct verdict){503, "5.5.1", "EHLO first"});
	if (transaction->open)
		return fault(session, BM_SINK_V_NESTED_MAIL, command->line, (struct verdict){503, "5.5.1", "MAIL was given"});
	bm_sink_transaction_clear(session);
	if (!bm_sink_command_path(command->args, "FROM", sender, &params))
		return syntax(session, command->line);
	bm_sink_put(session, &transaction->mail, command->line);
	bm_sink_put(session, &transaction->sender, *sender);
	bm_sink_put(session, &transaction->mail_params, params);
	struct verdict verdict = check_params(session, command, params);
	if (is_positive(verdict.code))
		verdict = check_eight_bit(session, command, verdict);
	if (is_positive(verdict.code) && transaction->has_size && transaction->size > session->shared->size_max)
		return (struct verdict){552, "5.3.4", "Message too large"};
	return verdict;
}

static void do_mail(struct bm_sink_session *session, const struct bm_sink_command *command)
{
	struct bm_span sender = {NULL, 0};
	bool was_open = session->transaction.open;
	int code = answer(session, judge_mail(session, command, &sender));

	if (was_open)
		return;
	session->transaction.mail_tried = true;
	session->transaction.open = is_positive(code);
}

/* The order that RCPT and DATA depend on; code 0 when it is right. */
static struct verdict judge_order(
	struct bm_sink_session *session, const struct bm_sink_command *command, enum bm_sink_violation violation)
{
	const struct bm_sink_transaction *transaction = &session->transaction;

	if (session->bad)
		return malformed;
	/* Behind a refused MAIL or chunk they may have been under way. */
	if (!transaction->open && transaction->mail_tried)
		return no_mail;
	if (!transaction->open)
		return fault(session, violation, command->line, no_mail);
	if (transaction->failed)
		return (struct verdict){503, "5.5.1", "RSET first"};
	if (transaction->chunked)
		return fault(session, BM_SINK_V_MIXED, command->line, (struct verdict){503, "5.5.1", "BDAT has begun"});
	return (struct verdict){0, "", ""};
}

static struct verdict judge_rcpt(
	struct bm_sink_session *session, const struct bm_sink_command *command, bool well_formed, struct bm_span params)
{
	struct verdict verdict = judge_order(session, command, BM_SINK_V_NO_MAIL);

	if (verdict.code != 0)
		return verdict;
	if (!well_formed)
		return syntax(session, command->line);
	verdict = check_params(session, command, params);
	if (!is_positive(verdict.code))
		return verdict;
	if (session->transaction.recipient_count >= RECIPIENTS_MAX)
		return (struct verdict){452, "4.5.3", "Too many recipients"};
	return check_eight_bit(session, command, (struct verdict){250, "2.1.5", "Ok"});
}

static void add_entry(struct bm_sink_session *session, struct bm_buf *list, struct bm_span text)
{
	bm_sink_put(session, list, text);
	bm_sink_put(session, list, bm_span_make("", 1));
}

static void do_rcpt(struct bm_sink_session *session, const struct bm_sink_command *command)
{
	struct bm_sink_transaction *transaction = &session->transaction;
	struct bm_span address = {NULL, 0};
	struct bm_span params = {NULL, 0};
	bool well_formed = bm_sink_command_path(command->args, "TO", &address, &params) && address.size > 0;
	int code = answer(session, judge_rcpt(session, command, well_formed && !session->bad, params));

	transaction->rcpt_tried = true;
	if (!well_formed || session->bad)
		return;
	if (!is_positive(code)) {
		add_entry(session, &transaction->refused, address);
		return;
	}
	add_entry(session, &transaction->recipients, address);
	add_entry(session, &transaction->recipients, params);
	transaction->recipient_count++;
}

static struct verdict judge_data(struct bm_sink_session *session, const struct bm_sink_command *command)
{
	const struct bm_sink_transaction *transaction = &session->transaction;
	struct verdict verdict = judge_order(session, command, BM_SINK_V_NO_RCPT);

	if (verdict.code != 0)
		return verdict;
	if (command->args.size > 0)
		return syntax(session, command->line);
	if (transaction->recipient_count == 0 && transaction->rcpt_tried)
		return no_recipients;
	if (transaction->recipient_count == 0)
		return fault(session, BM_SINK_V_NO_RCPT, command->line, (struct verdict){503, "5.5.1", "RCPT first"});
	if (transaction->binary)
		return fault(
			session, BM_SINK_V_MIXED, command->line, (struct verdict){503, "5.5.1", "BODY=BINARYMIME needs BDAT"});
	return (struct verdict){354, "", "End data with <CR><LF>.<CR><LF>"};
}

static void do_data(struct bm_sink_session *session, const struct bm_sink_command *command)
{
	int code = answer(session, judge_data(session, command));

	if (code / 100 != 3)
		return;
	session->transaction.chunked = false;
	session->state = BM_SINK_S_CONTENT;
	bm_sink_content_start(session);
}

static void do_rset(struct bm_sink_session *session, const struct bm_sink_command *command)
{
	(void)command;
	struct verdict verdict = {250, "2.0.0", "Ok"};
	if (is_positive(answer(session, session->bad ? malformed : verdict)))
		bm_sink_transaction_clear(session);
}

static void do_quit(struct bm_sink_session *session, const struct bm_sink_command *command)
{
	(void)command;
	answer(session, (struct verdict){221, "2.0.0", "Bye"});
	session->quit = true;
}

static struct verdict judge_starttls(struct bm_sink_session *session, const struct bm_sink_command *command)
{
	bool able = session->shared->tls != NULL && !session->secure;

	if (session->bad)
		return malformed;
	if (!bm_sink_offers(session, BM_SINK_EXT_STARTTLS))
		bm_sink_report(session, BM_SINK_V_NOT_OFFERED, command->line);
	if (session->secure)
		return (struct verdict){503, "5.5.1", "TLS is on"};
	if (command->args.size > 0)
		return syntax(session, command->line);
	if (!able)
		return (struct verdict){502, "5.5.1", "Not implemented"};
	return (struct verdict){220, "2.0.0", "Go ahead"};
}

/* What came behind it in clear is dropped: it is nobody's (RFC 3207, 4.2). */
static void do_starttls(struct bm_sink_session *session, const struct bm_sink_command *command)
{
	int code = answer(session, judge_starttls(session, command));

	if (!is_positive(code) || session->secure)
		return;
	bm_sink_take(session, session->cur.size);
	session->state = BM_SINK_S_HANDSHAKE;
}

static void do_simple(struct bm_sink_session *session, const struct bm_sink_command *command)
{
	struct verdict verdict = {500, "5.5.2", "Command not known"};

	if (session->bad)
		verdict = malformed;
	else if (command->verb == BM_SINK_ON_NOOP)
		verdict = (struct verdict){250, "2.0.0", "Ok"};
	else if (command->verb == BM_SINK_ON_VRFY)
		verdict = (struct verdict){252, "2.5.2", "Send some mail, I will take it"};
	else if (command->verb == BM_SINK_ON_HELP)
		verdict = (struct verdict){214, "2.0.0", "See bulkmail-sink(5)"};
	else if (command->verb != BM_SINK_ON_OTHER)
		verdict = (struct verdict){502, "5.5.1", "Not implemented"};
	answer(session, verdict);
}

/* Its octets follow at once and are answered behind them, so nothing is answered here. */
static void do_bdat(struct bm_sink_session *session, const struct bm_sink_command *command)
{
	if (session->bad || !bm_sink_command_chunk(command->args, &session->chunk_left, &session->chunk_last)) {
		answer(session, session->bad ? malformed : syntax(session, command->line));
		session->transaction.failed = true;
		return;
	}
	bm_buf_clear(&session->chunk);
	bm_sink_put(session, &session->chunk, command->line);
	if (!session->transaction.chunked)
		bm_sink_content_start(session);
	session->transaction.chunked = true;
	session->state = BM_SINK_S_CHUNK;
}

typedef void (*handler)(struct bm_sink_session *session, const struct bm_sink_command *command);

static handler handler_of(enum bm_sink_event verb)
{
	switch (verb) {
	case BM_SINK_ON_HELO:
	case BM_SINK_ON_EHLO:
	case BM_SINK_ON_LHLO:
		return do_helo;
	case BM_SINK_ON_MAIL:
		return do_mail;
	case BM_SINK_ON_RCPT:
		return do_rcpt;
	case BM_SINK_ON_DATA:
		return do_data;
	case BM_SINK_ON_BDAT:
		return do_bdat;
	case BM_SINK_ON_RSET:
		return do_rset;
	case BM_SINK_ON_QUIT:
		return do_quit;
	case BM_SINK_ON_AUTH:
		return bm_sink_do_auth;
	case BM_SINK_ON_STARTTLS:
		return do_starttls;
	case BM_SINK_ON_NOOP:
	case BM_SINK_ON_VRFY:
	case BM_SINK_ON_HELP:
	case BM_SINK_ON_OTHER:
	case BM_SINK_ON_CONNECT:
	case BM_SINK_ON_HANDSHAKE:
	case BM_SINK_ON_GREETING:
	case BM_SINK_ON_CONTENT:
	case BM_SINK_ON_END:
	case BM_SINK_ON_COUNT:
		break;
	}
	return do_simple;
}

static bool must_be_last(enum bm_sink_event verb)
{
	uint32_t last = bm_sink_event_bit(BM_SINK_ON_HELO) | bm_sink_event_bit(BM_SINK_ON_EHLO) |
					bm_sink_event_bit(BM_SINK_ON_LHLO) | bm_sink_event_bit(BM_SINK_ON_DATA) |
					bm_sink_event_bit(BM_SINK_ON_NOOP) | bm_sink_event_bit(BM_SINK_ON_VRFY) |
					bm_sink_event_bit(BM_SINK_ON_AUTH) | bm_sink_event_bit(BM_SINK_ON_STARTTLS) |
					bm_sink_event_bit(BM_SINK_ON_QUIT);
	return (last & bm_sink_event_bit(verb)) != 0;
}

/* Octets that wait behind a command were sent before its reply (RFC 2920, 3.1). */
static void check_group(struct bm_sink_session *session, const struct bm_sink_command *command)
{
	if (session->cur.size == 0 || command->verb == BM_SINK_ON_BDAT)
		return;
	if (must_be_last(command->verb) || session->login.active)
		bm_sink_report(session, BM_SINK_V_NOT_LAST, command->line);
	else if (!bm_sink_offers(session, BM_SINK_EXT_PIPELINING))
		bm_sink_report(session, BM_SINK_V_PIPELINING, command->line);
}

/* raw has its line end. */
static void check_line(struct bm_sink_session *session, const struct bm_sink_command *command, struct bm_span raw)
{
	struct bm_span line = command->line;
	/* AUTH and what follows a 334 may be longer (RFC 4954, 4). */
	bool sasl = command->verb == BM_SINK_ON_AUTH || command->verb == BM_SINK_ON_OTHER;

	session->bad = true;
	if (raw.size - line.size != 2)
		bm_sink_report(session, BM_SINK_V_BARE_LF, line);
	else if (line.size > 0 && memchr(line.data, '\r', line.size) != NULL)
		bm_sink_report(session, BM_SINK_V_BARE_CR, line);
	else if (bm_span_has_control(line))
		bm_sink_report(session, BM_SINK_V_CONTROL, line);
	else if (raw.size > LINE_MAX_OCTETS && !sasl)
		bm_sink_report(session, BM_SINK_V_LONG_COMMAND, line);
	else
		session->bad = false;
}

static struct bm_span without_end(struct bm_span raw)
{
	bool crlf = raw.size >= 2 && raw.data[raw.size - 2] == '\r';
	return bm_span_make(raw.data, raw.size - (crlf ? 2 : 1));
}

bool bm_sink_step_command(struct bm_sink_session *session)
{
	struct bm_span cur = session->cur;
	const unsigned char *lf = cur.size == 0 ? NULL : memchr(cur.data, '\n', cur.size);

	if (lf == NULL) {
		if (cur.size > LINE_HARD_MAX)
			session->state = BM_SINK_S_SKIP;
		return cur.size > LINE_HARD_MAX;
	}
	struct bm_span raw = bm_span_make(cur.data, (size_t)(lf - cur.data) + 1);
	struct bm_sink_command command = bm_sink_command_split(without_end(raw));
	if (session->login.active)
		command.verb = BM_SINK_ON_OTHER;
	bool chunk = command.verb == BM_SINK_ON_BDAT;
	if (!chunk && !bm_sink_gate(session, bm_sink_event_bit(command.verb), command.line))
		return false;
	bm_sink_take(session, raw.size);
	check_line(session, &command, raw);
	check_group(session, &command);
	if (session->shut && command.verb != BM_SINK_ON_QUIT)
		answer(session, (struct verdict){503, "5.5.1", "No service here"});
	else if (session->login.active)
		bm_sink_do_response(session, &command);
	else
		handler_of(command.verb)(session, &command);
	return true;
}

bool bm_sink_step_skip(struct bm_sink_session *session)
{
	struct bm_span cur = session->cur;
	const unsigned char *lf = cur.size == 0 ? NULL : memchr(cur.data, '\n', cur.size);

	bm_sink_take(session, lf == NULL ? cur.size : (size_t)(lf - cur.data) + 1);
	if (lf == NULL)
		return false;
	bm_sink_report(session, BM_SINK_V_LONG_COMMAND, bm_span_make(cur.data, 0));
	session->state = BM_SINK_S_COMMAND;
	answer(session, malformed);
	return true;
}
