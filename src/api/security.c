/* SPDX-License-Identifier: MIT */
#include "api/security.h"

#include "api/server.h"
#include "base/error.h"
#include "smtp/sasl.h"

#include <stdio.h>
#include <string.h>

#define PORT_SMTP 25
#define PORT_SUBMISSIONS 465
#define PORT_SUBMISSION 587

static const char unix_prefix[] = "unix:";

bool bm_security_is_local(const struct bm_server_options *options)
{
	return options->smtp != NULL && strncmp(options->smtp, unix_prefix, sizeof unix_prefix - 1) == 0;
}

uint16_t bm_security_port(const struct bm_server_options *options)
{
	if (options->port != 0)
		return (uint16_t)options->port;
	return options->tls_wrapper == 1 ? PORT_SUBMISSIONS : PORT_SMTP;
}

static bool is_submission(const struct bm_server_options *options)
{
	uint16_t port = bm_security_port(options);
	return !bm_security_is_local(options) && (port == PORT_SUBMISSIONS || port == PORT_SUBMISSION);
}

static enum bm_security_level level_of(const struct bm_server_options *options)
{
	static const char *const names[] = {"none", "may", "encrypt", "verify"};

	if (options->dummy_file != NULL)
		return BM_SECURITY_NONE;
	for (size_t i = 0; options->tls != NULL && i < sizeof names / sizeof names[0]; i++) {
		if (strcmp(options->tls, names[i]) == 0)
			return (enum bm_security_level)i;
	}
	if (options->user != NULL || options->tls_pin != NULL || is_submission(options))
		return BM_SECURITY_VERIFY;
	return bm_security_is_local(options) ? BM_SECURITY_NONE : BM_SECURITY_MAY;
}

struct bm_security bm_security_of(const struct bm_server_options *options)
{
	struct bm_security security = {.level = level_of(options)};
	bool by_port = !bm_security_is_local(options) && bm_security_port(options) == PORT_SUBMISSIONS;

	if (options->tls_wrapper == BM_TLS_WRAPPER_UNSET)
		security.wrapped = by_port && security.level != BM_SECURITY_NONE;
	else
		security.wrapped = options->tls_wrapper == 1 && options->dummy_file == NULL;
	security.lmtp = options->protocol != NULL && strcmp(options->protocol, "lmtp") == 0;
	return security;
}

enum bm_code bm_security_check_auth(const char *mechanisms, struct bm_error *err)
{
	struct bm_span wrong;
	char shown[64];

	if (mechanisms == NULL || bm_sasl_knows(mechanisms, &wrong))
		return BM_OK;
	bm_escape(shown, sizeof shown, wrong.data, wrong.size);
	return bm_error_set(err, BM_E_CONF, "",
		"auth: found \"%s\", expected SCRAM-SHA-256-PLUS, SCRAM-SHA-256, SCRAM-SHA-1, CRAM-MD5, PLAIN, LOGIN, XOAUTH2 "
		"or "
		"OAUTHBEARER, joined by blanks or commas",
		shown);
}

/* What is wrong with the attributes together; NULL: nothing. */
static const char *find_clash(const struct bm_server_options *options, const char **attribute)
{
	bool file = options->password_file != NULL;
	bool command = options->password_command != NULL;

	*attribute = file ? "password_file" : "password_command";
	if (file && command)
		return "password_file and password_command exclude each other";
	if ((file || command) && options->user == NULL)
		return file ? "password_file: needs user, the name to log in with"
					: "password_command: needs user, the name to log in with";
	*attribute = "user";
	if (options->user != NULL && !file && !command)
		return "user: needs password_file or password_command";
	*attribute = "tls_key_file";
	if (options->tls_key_file != NULL && options->tls_cert_file == NULL)
		return "tls_key_file: needs tls_cert_file, the certificate of that key";
	*attribute = "tls_wrapper";
	if (options->tls_wrapper == 1 && options->tls != NULL && strcmp(options->tls, "none") == 0)
		return "tls_wrapper = 1 and tls = none exclude each other";
	return NULL;
}

enum bm_code bm_security_check(const struct bm_server_options *options, const char **attribute, struct bm_error *err)
{
	struct bm_error inner = BM_ERROR_INIT;
	const char *clash = find_clash(options, attribute);

	if (clash != NULL)
		return bm_error_set(err, BM_E_CONF, "MBO003", "%s", clash);
	*attribute = "auth";
	if (bm_security_check_auth(options->auth, &inner) != BM_OK)
		return bm_error_set(err, BM_E_CONF, "MBO003", "%s", inner.text);
	return BM_OK;
}

void bm_attempt_end(struct bm_attempt *attempt)
{
	bm_login_release(attempt->login);
	*attempt = (struct bm_attempt){.login = NULL};
}

/* "AUTH PLAIN …": which mechanism it is. */
static void note_mechanism(struct bm_attempt *attempt, struct bm_span said)
{
	struct bm_span verb = bm_span_of("AUTH ");
	size_t size = 0;

	if (said.size < verb.size || memcmp(said.data, verb.data, verb.size) != 0)
		return;
	const unsigned char *name = said.data + verb.size;
	while (verb.size + size < said.size && name[size] > ' ')
		size++;
	snprintf(attempt->mechanism, sizeof attempt->mechanism, "%.*s", (int)size, (const char *)name);
}

/* The first event behind the handshake, if it is not the session's end. */
static void note_channel(struct bm_attempt *attempt, struct bm_server *server, size_t connection,
	const struct bm_stream *stream, const struct bm_smtp_event *event)
{
	char text[BM_CIPHER_MAX + 32];

	attempt->securing = false;
	if (event->kind == BM_SMTP_CLOSED)
		return;
	attempt->secured = true;
	server->tls_worked = true;
	attempt->verified = bm_tls_channel(stream)->verified;
	snprintf(attempt->cipher, sizeof attempt->cipher, "%s", bm_tls_version(stream, &attempt->resumed));
	snprintf(text, sizeof text, "%s, %sverified%s", attempt->cipher, attempt->verified ? "" : "not ",
		attempt->resumed ? ", resumed" : "");
	bm_server_remark(server, connection, text);
}

void bm_attempt_hear(struct bm_attempt *attempt, struct bm_server *server, size_t connection,
	const struct bm_stream *stream, const struct bm_smtp_event *event)
{
	if (event->kind == BM_SMTP_SECURE)
		attempt->securing = true;
	else if (attempt->securing)
		note_channel(attempt, server, connection, stream, event);
	if (event->kind == BM_SMTP_SAID && event->command == BM_SMTP_AUTH)
		note_mechanism(attempt, event->said);
	bm_server_converse(server, connection, attempt->login, event);
	bm_server_complain_about_ehlo(server, event);
}

bool bm_attempt_goes_clear(
	const struct bm_attempt *attempt, struct bm_server *server, const struct bm_smtp_event *event)
{
	struct bm_security security = bm_server_security(server);
	struct bm_error err;
	bool failed = event->end == BM_SMTP_END_TLS || event->end == BM_SMTP_END_TIMEOUT;

	if (security.level != BM_SECURITY_MAY || security.wrapped || server->options.user != NULL)
		return false;
	if (event->command != BM_SMTP_TLS || !failed || attempt->suspect || server->tls_worked || server->in_clear)
		return false;
	server->in_clear = true;
	bm_error_set(&err, BM_E_TLS, "MBS019", "%s: the TLS handshake failed, going on without TLS (tls = may): %s",
		server->name, event->reason == NULL ? "no reason known" : event->reason);
	bm_server_complain(server, &err);
	bm_server_remark(server, 0, "going on without TLS");
	return true;
}

bool bm_attempt_lacks_token(const struct bm_attempt *attempt, const struct bm_smtp_event *event)
{
	bool bearer = strcmp(attempt->mechanism, "XOAUTH2") == 0 || strcmp(attempt->mechanism, "OAUTHBEARER") == 0;

	return bearer && attempt->login != NULL && attempt->login->from_command && event->end == BM_SMTP_END_AUTH &&
		   event->reply.code == 535;
}
