/* SPDX-License-Identifier: MIT */
/* A server's connection: connect, talk, disconnect, and the log of it. The protocol itself is smtp/'s. */
#include "api/server.h"
#include "base/error.h"
#include "net/clock.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define CONVERSATION_SAID_MAX 50
#define CONNECT_TIMEOUT_MS 30000
/* RSET and QUIT together, whatever time_out says: nothing depends on their replies. */
#define GOODBYE_MS 5000

/* Every octet of a reply's line may be shown as four. */
#define CONVERSATION_LINE_MAX (4 * BM_REPLY_LINE_MAX + 64)

static struct bm_driver driver_of(struct bm_server *server)
{
	struct bm_driver driver = {.smtp = server->smtp, .stream = server->stream};
	return driver;
}

enum bm_code bm_log_error(struct bm_log *log, const struct bm_error *err)
{
	char line[BM_ERROR_TEXT_MAX + BM_ERROR_ID_MAX + 1];

	if (log == NULL)
		return BM_OK;
	int size = snprintf(line, sizeof line, "%s%s%s", err->id, err->id[0] == '\0' ? "" : " ", err->text);
	enum bm_code code = bm_log_write(log, line, (size_t)size, NULL);
	return code == BM_OK ? bm_log_flush(log, NULL) : code;
}

void bm_server_complain(struct bm_server *server, const struct bm_error *err)
{
	/* A log that cannot be written must not stop the talk. */
	struct bm_log *log = server->lent_errfile != NULL ? server->lent_errfile : server->errfile;
	enum bm_code code = bm_log_error(log, err);
	(void)code;
}

/* The connection's number before the mark, where there are several. */
static void converse(struct bm_server *server, size_t connection, const char *mark, struct bm_span text, bool cut)
{
	char line[CONVERSATION_LINE_MAX];
	char shown[CONVERSATION_LINE_MAX - 64];
	char number[24] = "";

	if (connection != 0)
		snprintf(number, sizeof number, "%zu", connection);
	bm_escape(shown, sizeof shown, text.data, text.size);
	int size = snprintf(line, sizeof line, "%s%s %s%s", number, mark, shown, cut ? " ... (cut)" : "");
	enum bm_code code = bm_log_write(server->conversation, line, (size_t)size, NULL);
	if (code == BM_OK)
		code = bm_log_flush(server->conversation, NULL);
	(void)code;
}

/* Where the secret begins in a login by hand: behind the mechanism, and in all that answers a challenge. */
static size_t secret_at(const struct bm_server *server, const struct bm_smtp_event *event)
{
	static const char verb[] = "AUTH ";
	struct bm_span said = event->said;
	size_t name = sizeof verb - 1;

	if (event->command == BM_SMTP_TALK && server->challenged)
		return 0;
	if (event->command != BM_SMTP_TALK || !bm_span_begins_nocase(said, verb))
		return said.size;
	const unsigned char *blank = memchr(said.data + name, ' ', said.size - name);
	return blank == NULL ? said.size : (size_t)(blank - said.data) + 1;
}

static void converse_said(struct bm_server *server, size_t connection, const struct bm_smtp_event *event)
{
	struct bm_span said = event->said;
	char hidden[CONVERSATION_SAID_MAX + 16];
	size_t shown = secret_at(server, event);

	if (shown < said.size) {
		int most = shown < CONVERSATION_SAID_MAX ? (int)shown : CONVERSATION_SAID_MAX;
		int size = snprintf(hidden, sizeof hidden, "%.*s(secret)", most, (const char *)said.data);
		converse(server, connection, ">", bm_span_make(hidden, (size_t)size), false);
		return;
	}
	if (said.size > CONVERSATION_SAID_MAX)
		said.size = CONVERSATION_SAID_MAX;
	converse(server, connection, ">", said, event->said_size > said.size);
}

/* The one reply that may repeat what we said there. */
static bool shows_secret(const struct bm_login *login, const struct bm_smtp_event *event)
{
	return event->command == BM_SMTP_AUTH && bm_login_is_shown(login, event->reply.raw);
}

static void converse_hidden(struct bm_server *server, size_t connection, int code)
{
	char text[32];
	snprintf(text, sizeof text, "%d (hidden)", code);
	converse(server, connection, "<", bm_span_of(text), false);
}

static void converse_reply(struct bm_server *server, size_t connection, const struct bm_reply *reply)
{
	struct bm_span rest = reply->raw;

	while (rest.size > 0) {
		const unsigned char *end = memchr(rest.data, '\n', rest.size);
		size_t size = end == NULL ? rest.size : (size_t)(end - rest.data) + 1;
		converse(server, connection, "<", bm_span_trim(bm_span_make(rest.data, size)), false);
		rest = bm_span_make(rest.data + size, rest.size - size);
	}
}

void bm_server_converse(
	struct bm_server *server, size_t connection, const struct bm_login *login, const struct bm_smtp_event *event)
{
	if (event->kind == BM_SMTP_REPLY)
		server->challenged = event->command == BM_SMTP_TALK && event->reply.code == 334;
	if (server->conversation == NULL)
		return;
	if (event->kind == BM_SMTP_SAID)
		converse_said(server, connection, event);
	else if (event->kind == BM_SMTP_REPLY && shows_secret(login, event))
		converse_hidden(server, connection, event->reply.code);
	else if (event->kind == BM_SMTP_REPLY)
		converse_reply(server, connection, &event->reply);
}

void bm_server_remark(struct bm_server *server, size_t connection, const char *text)
{
	if (server->conversation != NULL)
		converse(server, connection, "=", bm_span_of(text), false);
}

void bm_server_drop(struct bm_server *server)
{
	bm_smtp_free(server->smtp);
	bm_stream_free(server->stream);
	bm_attempt_end(&server->attempt);
	server->smtp = NULL;
	server->stream = NULL;
	server->keyword_count = 0;
	server->challenged = false;
	bm_buf_clear(&server->keywords);
}

/* The reply's text behind what is said about it, "" without a reply, and nothing of one that shows the login. */
static void reply_suffix(const struct bm_smtp_event *event, const struct bm_login *login, char *out, size_t size)
{
	char text[256] = "(hidden)";

	out[0] = '\0';
	if (event->reply.code == 0)
		return;
	if (!bm_login_is_shown(login, event->reply.raw))
		bm_reply_text(&event->reply, text, sizeof text);
	snprintf(out, size, ": %d %s", event->reply.code, text);
}

static enum bm_code end_code(enum bm_smtp_end end)
{
	switch (end) {
	case BM_SMTP_END_TIMEOUT:
		return BM_E_TIMEOUT;
	case BM_SMTP_END_OUT_OF_STEP:
		return BM_E_PROTOCOL;
	case BM_SMTP_END_NOMEM:
		return BM_E_NOMEM;
	case BM_SMTP_END_TLS:
		return BM_E_TLS;
	case BM_SMTP_END_AUTH:
		return BM_E_AUTH;
	case BM_SMTP_END_QUIT:
	case BM_SMTP_END_GREETING:
	case BM_SMTP_END_HELO:
	case BM_SMTP_END_421:
	case BM_SMTP_END_LOST:
	case BM_SMTP_END_RSET:
		break;
	}
	return BM_E_CLOSED;
}

static enum bm_code set_end_error(const struct bm_server *server, const struct bm_login *login,
	const struct bm_smtp_event *event, const char *id, struct bm_error *err)
{
	char suffix[300];

	reply_suffix(event, login, suffix, sizeof suffix);
	enum bm_code code = bm_error_set(err, end_code(event->end), id, "%s: %s (at %s)%s", server->name,
		event->reason == NULL ? "the connection ended" : event->reason, bm_smtp_command_name(event->command), suffix);
	if (err != NULL)
		err->smtp_status = event->reply.code;
	return code;
}

enum bm_code bm_server_end_error(
	const struct bm_server *server, const struct bm_smtp_event *event, struct bm_error *err)
{
	const char *id = "MBS009";

	if (event->end == BM_SMTP_END_TIMEOUT)
		id = "MBS014";
	else if (event->end == BM_SMTP_END_LOST && event->unsent)
		id = "MBS007";
	return set_end_error(server, NULL, event, id, err);
}

static const char *connect_id(const struct bm_smtp_event *event)
{
	if (event->end == BM_SMTP_END_TLS)
		return "MBS019";
	if (event->end == BM_SMTP_END_TIMEOUT)
		return "MBS015";
	if (event->command == BM_SMTP_GREETING)
		return "MBS004";
	return event->command == BM_SMTP_HELO ? "MBS005" : "MBS011";
}

/* Whose fault it is is said too. */
static enum bm_code set_login_error(const struct bm_server *server, const struct bm_attempt *attempt,
	const struct bm_smtp_event *event, struct bm_error *err)
{
	char suffix[300];
	bool refused = event->reply.code == 535;

	reply_suffix(event, attempt->login, suffix, sizeof suffix);
	enum bm_code code = bm_error_set(err, event->final ? BM_E_AUTH : BM_E_TEMPORARY, "MBS020",
		"%s: cannot log in%s%s: %s%s%s", server->name, attempt->mechanism[0] == '\0' ? "" : " by ", attempt->mechanism,
		event->reason == NULL ? "the server refused it" : event->reason, suffix,
		refused ? "; check user and password" : "");
	if (err != NULL)
		err->smtp_status = event->reply.code;
	return code;
}

enum bm_code bm_server_connect_error(const struct bm_server *server, const struct bm_attempt *attempt,
	const struct bm_smtp_event *event, struct bm_error *err)
{
	if (event->end == BM_SMTP_END_AUTH)
		return set_login_error(server, attempt, event, err);
	const struct bm_login *login = event->command == BM_SMTP_AUTH ? attempt->login : NULL;
	return set_end_error(server, login, event, connect_id(event), err);
}

static enum bm_code keep_keywords(struct bm_server *server, struct bm_error *err)
{
	struct bm_span keyword = bm_smtp_keyword(server->smtp, 0);

	server->offers = *bm_smtp_capabilities(server->smtp);
	server->asked = true;
	while (keyword.size > 0) {
		const unsigned char *nul = memchr(keyword.data, '\0', keyword.size);
		if (nul != NULL)
			keyword.size = (size_t)(nul - keyword.data);
		enum bm_code code = bm_buf_append_span(&server->keywords, keyword);
		if (code == BM_OK)
			code = bm_buf_append_char(&server->keywords, '\0');
		if (code != BM_OK)
			return bm_error_set(err, code, "", "%s: no memory for the keywords of EHLO", server->name);
		keyword = bm_smtp_keyword(server->smtp, ++server->keyword_count);
	}
	return BM_OK;
}

const char *bm_server_capability(const struct bm_server *server, size_t index)
{
	const char *keyword = (const char *)server->keywords.data;

	if (index >= server->keyword_count)
		return NULL;
	for (size_t i = 0; i < index; i++)
		keyword += strlen(keyword) + 1;
	return keyword;
}

void bm_server_complain_about_ehlo(struct bm_server *server, const struct bm_smtp_event *event)
{
	char text[256];
	struct bm_error err;

	if (event->kind != BM_SMTP_REPLY || event->command != BM_SMTP_EHLO || event->reply.code < 500)
		return;
	bm_reply_text(&event->reply, text, sizeof text);
	bm_error_set(
		&err, BM_E_REFUSED, "MBS016", "%s refused EHLO, trying HELO: %d %s", server->name, event->reply.code, text);
	bm_server_complain(server, &err);
}

/* Puts TLS over the stream, unless the session has ended already. */
static void secure(struct bm_server *server, struct bm_driver *driver)
{
	struct bm_error err = BM_ERROR_INIT;
	bool live = bm_smtp_deadline(server->smtp) != BM_SMTP_NEVER;

	if (live && bm_server_need_tls(server, &err) != BM_OK)
		bm_smtp_lost(server->smtp, err.text, bm_clock_monotonic_ms());
	else if (live)
		bm_driver_secure(driver, server->tls);
	server->stream = driver->stream;
	server->attempt.suspect = bm_smtp_deadline(server->smtp) == BM_SMTP_NEVER;
}

/* Drives the machine until it is ready; BM_E_CLOSED and *event: or at its end. */
static enum bm_code greet(struct bm_server *server, struct bm_smtp_event *event, struct bm_error *err)
{
	struct bm_driver driver = driver_of(server);

	for (;;) {
		if (bm_driver_next(&driver, event) != BM_OK)
			return bm_error_set(err, BM_E_STOPPED, "", "%s: stopped while greeting", server->name);
		bm_attempt_hear(&server->attempt, server, 0, server->stream, event);
		if (event->kind == BM_SMTP_SECURE)
			secure(server, &driver);
		if (event->kind == BM_SMTP_READY)
			return keep_keywords(server, err);
		if (event->kind == BM_SMTP_CLOSED)
			return bm_server_connect_error(server, &server->attempt, event, err);
	}
}

enum bm_code bm_server_tcp_options(const struct bm_server *server, struct bm_tcp_options *out, struct bm_error *err)
{
	const struct bm_server_options *options = &server->options;

	if (options->smtp == NULL)
		return bm_error_set(err, BM_E_CONNECT, "MBS003", "no Smtp: the server has no address to connect to");
	*out = (struct bm_tcp_options){
		.host = options->smtp,
		.port = bm_security_port(options),
		.source_address = options->source_address,
		.tries = (unsigned)options->tries,
		.timeout_ms = options->time_out == 0 ? CONNECT_TIMEOUT_MS : options->time_out * 1000,
	};
	return BM_OK;
}

static enum bm_smtp_tls wanted_tls(const struct bm_server *server, const struct bm_security *security)
{
	if (security->level > BM_SECURITY_MAY)
		return BM_SMTP_TLS_DEMAND;
	return security->level == BM_SECURITY_MAY && !server->in_clear ? BM_SMTP_TLS_MAY : BM_SMTP_TLS_NONE;
}

struct bm_smtp_options bm_server_smtp_options(struct bm_server *server, struct bm_attempt *attempt)
{
	const struct bm_server_options *options = &server->options;
	struct bm_security security = bm_server_security(server);
	struct bm_smtp_options smtp = BM_SMTP_OPTIONS_INIT;

	bm_attempt_end(attempt);
	attempt->login = bm_login_hold(server->login);
	smtp.domain = options->domain == NULL ? "localhost" : options->domain;
	smtp.timeout_ms = options->time_out * 1000;
	smtp.depth = options->pipeline_depth == 0 ? BM_DEPTH_MIN : options->pipeline_depth;
	smtp.tally = server->replies;
	smtp.lmtp = security.lmtp && options->dummy_file == NULL;
	smtp.wrapped = security.wrapped;
	smtp.tls = wanted_tls(server, &security);
	smtp.sasl = attempt->login == NULL ? NULL : &attempt->login->sasl;
	return smtp;
}

static enum bm_code open_stream(struct bm_server *server, struct bm_error *err)
{
	struct bm_tcp_options tcp;

	if (server->options.dummy_file != NULL)
		return bm_stream_open_dummy(&server->stream, server->options.dummy_file, err);
	enum bm_code code = bm_server_tcp_options(server, &tcp, err);
	return code == BM_OK ? bm_stream_open_tcp(&server->stream, &tcp, err) : code;
}

/* Whether the token that was refused has a successor, which is then had; its command is asked once. */
static bool renew(struct bm_server *server, const struct bm_smtp_event *event, bool *renewed)
{
	bool another = false;

	if (*renewed || !bm_attempt_lacks_token(&server->attempt, event))
		return false;
	*renewed = true;
	return bm_server_run_password_command(server, bm_clock_monotonic_ms(), &another, NULL) == BM_OK && another;
}

/* One connection. *again: it failed, and the next may fare better at once. */
static enum bm_code start(struct bm_server *server, bool *renewed, bool *again, struct bm_error *err)
{
	struct bm_smtp_event event = {.kind = BM_SMTP_READY};
	bool another = false;
	uint64_t now_ms = bm_clock_monotonic_ms();

	*again = false;
	enum bm_code code = BM_OK;
	if (bm_server_lacks_secret(server, now_ms))
		code = bm_server_run_password_command(server, now_ms, &another, err);
	if (code == BM_OK)
		code = open_stream(server, err);
	if (code != BM_OK)
		return code;
	struct bm_smtp_options smtp = bm_server_smtp_options(server, &server->attempt);
	code = bm_smtp_new(&server->smtp, &smtp, bm_clock_monotonic_ms(), err);
	if (code == BM_OK)
		code = greet(server, &event, err);
	if (event.kind == BM_SMTP_CLOSED)
		*again = bm_attempt_goes_clear(&server->attempt, server, &event) || renew(server, &event, renewed);
	return code;
}

static enum bm_code start_anew(struct bm_server *server, struct bm_error *err)
{
	bool renewed = false;
	bool again = true;
	enum bm_code code = BM_OK;

	while (again) {
		code = start(server, &renewed, &again, err);
		if (code != BM_OK)
			bm_server_drop(server);
	}
	return code;
}

/* What the manual asks for before a socket is opened; a DummyServer needs none of it. */
enum bm_code bm_server_check_worth(struct bm_server *server, struct bm_error *err)
{
	bool real = server->options.dummy_file == NULL;

	if (real && server->options.tries == 0) {
		server->policy.worthless = true;
		return bm_error_set(err, BM_E_WORTHLESS, "MBS017", "%s: cannot connect: Tries is not set", server->name);
	}
	if (real && server->options.domain == NULL) {
		server->policy.worthless = true;
		return bm_error_set(err, BM_E_WORTHLESS, "MBS010", "%s: cannot say EHLO: Domain is not set", server->name);
	}
	if (server->policy.worthless)
		return bm_error_set(err, BM_E_WORTHLESS, "MBS001", "%s: cannot connect: the server is worthless", server->name);
	return BM_OK;
}

/* An address or a try that failed before one succeeded is no error of the whole. */
static void forget(struct bm_error *err)
{
	const struct bm_error none = BM_ERROR_INIT;

	if (err != NULL)
		*err = none;
}

enum bm_code bm_server_connect(struct bm_server *server, struct bm_error *err)
{
	struct bm_error inner = BM_ERROR_INIT;

	if (err == NULL)
		err = &inner;
	if (bm_server_connected(server))
		return BM_OK;
	enum bm_code code = bm_server_check_worth(server, err);
	if (code == BM_OK)
		code = bm_server_prepare(server, err);
	if (code != BM_OK)
		return code;
	code = start_anew(server, err);
	if (code == BM_OK) {
		bm_policy_connected(&server->policy);
		server->connections++;
		forget(err);
		return BM_OK;
	}
	if (code != BM_E_STOPPED)
		bm_policy_connect_failed(&server->policy, &server->options);
	return code;
}

/* Says QUIT and waits, bounded by its own short time-out, for the end. */
static void say_quit(struct bm_server *server, struct bm_driver *driver)
{
	struct bm_smtp_event event = {.kind = BM_SMTP_READY};

	if (bm_smtp_quit(server->smtp, bm_clock_monotonic_ms(), NULL) != BM_OK)
		return;
	while (event.kind != BM_SMTP_CLOSED && bm_driver_next(driver, &event) == BM_OK)
		bm_server_converse(server, 0, NULL, &event);
}

/* One talk, to its reply or its end; true with a reply. */
static enum bm_code say(struct bm_server *server, struct bm_driver *driver, struct bm_span talk,
	struct bm_smtp_event *event, struct bm_error *err)
{
	struct bm_error why = BM_ERROR_INIT;

	enum bm_code code = bm_smtp_talk(server->smtp, talk, bm_clock_monotonic_ms(), &why);
	if (code != BM_OK)
		return bm_error_set(err, code, "MBS006", "%s: this cannot be said: %s", server->name, why.text);
	for (;;) {
		if (bm_driver_next(driver, event) != BM_OK)
			return bm_error_set(err, BM_E_STOPPED, "", "%s: stopped", server->name);
		bm_server_converse(server, 0, NULL, event);
		if (event->kind == BM_SMTP_REPLY || event->kind == BM_SMTP_CLOSED)
			return BM_OK;
	}
}

void bm_server_disconnect(struct bm_server *server, bool quietly)
{
	struct bm_smtp_event event = {.kind = BM_SMTP_READY};

	if (!bm_server_connected(server))
		return;
	struct bm_driver driver = driver_of(server);
	driver.deadline_ms = bm_clock_monotonic_ms() + GOODBYE_MS;
	if (!quietly && bm_smtp_idle(server->smtp) && say(server, &driver, bm_span_of("RSET"), &event, NULL) == BM_OK &&
		event.kind == BM_SMTP_REPLY)
		say_quit(server, &driver);
	bm_server_drop(server);
}

static bool is_quit(struct bm_span talk)
{
	return bm_span_equal_nocase(talk, bm_span_of("QUIT"));
}

static enum bm_code keep_reply(struct bm_server *server, const struct bm_reply *reply, struct bm_error *err)
{
	bm_buf_clear(&server->reply);
	enum bm_code code = bm_buf_append_span(&server->reply, reply->raw);
	if (code == BM_OK)
		code = bm_buf_terminate(&server->reply);
	if (code != BM_OK)
		return bm_error_nomem(err);
	/* what is behind it is not to be hidden from who reads a string */
	for (size_t i = 0; i < server->reply.size; i++) {
		if (server->reply.data[i] == '\0')
			server->reply.data[i] = '?';
	}
	return BM_OK;
}

static enum bm_code set_reply_error(const struct bm_server *server, const struct bm_smtp_event *event,
	enum bm_code code, const char *id, const char *what, struct bm_error *err)
{
	char text[256];

	bm_reply_text(&event->reply, text, sizeof text);
	bm_error_set(err, code, id, "%s %s: %d %s", server->name, what, event->reply.code, text);
	if (err != NULL)
		err->smtp_status = event->reply.code;
	return code;
}

/* What a reply to a talk comes to; BM_E_TEMPORARY: say it again. */
static enum bm_code judge(
	struct bm_server *server, struct bm_span talk, const struct bm_smtp_event *event, struct bm_error *err)
{
	int code = event->reply.code;

	if (is_quit(talk)) {
		enum bm_code kept = code >= 500 ? set_reply_error(server, event, BM_E_REFUSED, "MBS008", "refused", err)
										: keep_reply(server, &event->reply, err);
		bm_server_drop(server);
		return kept;
	}
	if (code == 221 || code == 421) {
		set_reply_error(server, event, BM_E_CLOSED, "MBS009", "hung up", err);
		bm_server_drop(server);
		return BM_E_CLOSED;
	}
	if (code >= 500)
		return set_reply_error(server, event, BM_E_REFUSED, "MBS008", "refused", err);
	if (code >= 400)
		return set_reply_error(server, event, BM_E_TEMPORARY, "MBS012", "refused for now, saying it again", err);
	return keep_reply(server, &event->reply, err);
}

/* The descriptor may have been closed behind our back: the manual hands it out. A DummyServer never had one. */
static bool has_descriptor(const struct bm_server *server)
{
	int fd = bm_server_socket(server);
	return fd < 0 || fcntl(fd, F_GETFD) != -1;
}

/*
 * Hears what an idle server said unasked: a 421, a close, a reply to nothing. True when that ended the session, with
 * BM_SMTP_CLOSED in *event.
 */
static bool has_ended(struct bm_server *server, struct bm_smtp_event *event)
{
	struct bm_driver driver = driver_of(server);

	bm_driver_poll(&driver);
	while (bm_smtp_next_event(server->smtp, event)) {
		bm_server_converse(server, 0, NULL, event);
		if (event->kind == BM_SMTP_CLOSED)
			return true;
	}
	return false;
}

/* What ended the session before the talk could be said. */
static enum bm_code end_before_talk(struct bm_server *server, const struct bm_smtp_event *event, struct bm_error *err)
{
	enum bm_code code = event->end == BM_SMTP_END_LOST ? set_end_error(server, NULL, event, "MBS007", err)
													   : bm_server_end_error(server, event, err);
	bm_server_drop(server);
	return code;
}

static enum bm_code talk_once(struct bm_server *server, struct bm_span talk, struct bm_error *err)
{
	struct bm_smtp_event event;

	enum bm_code code = bm_server_connect(server, err);
	if (code != BM_OK)
		return code;
	struct bm_driver driver = driver_of(server);
	if (!has_descriptor(server)) {
		bm_server_drop(server);
		return bm_error_set(err, BM_E_CLOSED, "MBS018", "%s: no descriptor: the socket was closed", server->name);
	}
	if (has_ended(server, &event))
		return end_before_talk(server, &event, err);
	code = say(server, &driver, talk, &event, err);
	if (code != BM_OK)
		return code;
	if (event.kind == BM_SMTP_REPLY)
		return judge(server, talk, &event, err);
	code = bm_server_end_error(server, &event, err);
	bm_server_drop(server);
	return code;
}

enum bm_code bm_server_talk_and_respond(
	struct bm_server *server, const char *talk, const char **reply, struct bm_error *err)
{
	struct bm_error inner = BM_ERROR_INIT;

	*reply = NULL;
	if (err == NULL)
		err = &inner;
	if (talk == NULL || talk[0] == '\0')
		return bm_error_set(err, BM_E_USAGE, "MBS006", "%s: nothing to say", server->name);
	enum bm_code code = talk_once(server, bm_span_of(talk), err);
	for (uint64_t again = 0; code == BM_E_TEMPORARY && again < server->options.talk_attempts; again++) {
		bm_server_complain(server, err);
		code = talk_once(server, bm_span_of(talk), err);
	}
	if (code == BM_E_TEMPORARY) {
		struct bm_error last = *err;
		bm_error_set(err, code, "MBS013", "still after talk_attempts: %s", last.text);
		err->smtp_status = last.smtp_status;
	}
	if (code == BM_OK) {
		forget(err);
		*reply = (const char *)server->reply.data;
	}
	return code;
}
