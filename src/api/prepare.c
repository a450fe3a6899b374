/* SPDX-License-Identifier: MIT */
/* What a server's connections share and need before they begin: a TLS context, and what to log in with. */
#include "api/server.h"
#include "base/error.h"
#include "net/command.h"
#include "store/credentials.h"

#include <string.h>

static bool depends(const char *name)
{
	static const char *const names[] = {"Smtp", "Port", "user", "password_file", "password_command", "auth"};

	for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
		if (strcmp(names[i], name) == 0)
			return true;
	}
	return strncmp(name, "tls", 3) == 0;
}

void bm_server_note_change(struct bm_server *server, const char *name)
{
	if (!depends(name))
		return;
	server->stale = true;
	/* connections that begin from now on are made by what is set now, in the midst of a campaign too */
	bm_tls_free(server->tls);
	server->tls = NULL;
}

struct bm_security bm_server_security(const struct bm_server *server)
{
	struct bm_security security = bm_security_of(&server->options);

	/* in clear and to strangers it could not go: who is in the way is not to have recipients refused for that */
	if (server->requires_tls && security.level == BM_SECURITY_MAY)
		security.level = BM_SECURITY_VERIFY;
	return security;
}

void bm_server_require_tls(struct bm_server *server, bool required)
{
	if (server->requires_tls == required)
		return;
	server->requires_tls = required;
	bm_server_note_change(server, "tls");
}

void bm_server_forget_security(struct bm_server *server)
{
	bm_tls_free(server->tls);
	bm_login_release(server->login);
	server->tls = NULL;
	server->login = NULL;
	server->stale = false;
	server->tls_worked = false;
	server->in_clear = false;
}

enum bm_code bm_server_need_tls(struct bm_server *server, struct bm_error *err)
{
	const struct bm_server_options *options = &server->options;
	struct bm_error inner = BM_ERROR_INIT;
	const struct bm_tls_options tls = {
		.verify = bm_server_security(server).level == BM_SECURITY_VERIFY,
		.host = bm_security_is_local(options) ? "localhost" : options->smtp,
		.ca_file = options->tls_ca_file,
		.pins = options->tls_pin,
		.cert_file = options->tls_cert_file,
		.key_file = options->tls_key_file,
	};

	if (server->tls != NULL)
		return BM_OK;
	enum bm_code code = bm_tls_new(&server->tls, &tls, &inner);
	if (code == BM_OK)
		return BM_OK;
	if (inner.id[0] == '\0' && code != BM_E_NOMEM)
		return bm_error_set(err, code, "MBO003", "%s: %s", server->name, inner.text);
	if (err != NULL)
		*err = inner;
	return code;
}

static bool logs_in(const struct bm_server *server)
{
	return server->options.user != NULL && server->options.dummy_file == NULL;
}

bool bm_server_lacks_secret(const struct bm_server *server, uint64_t now_ms)
{
	return logs_in(server) && (server->login == NULL || now_ms >= server->login->until_ms);
}

enum bm_code bm_server_take_secret(
	struct bm_server *server, struct bm_secret *secret, uint64_t now_ms, struct bm_error *err)
{
	struct bm_login *login;

	enum bm_code code = bm_login_new(&login, &server->options, secret, now_ms, err);
	if (code != BM_OK)
		return code;
	bm_login_release(server->login);
	server->login = login;
	return BM_OK;
}

static enum bm_code read_password(struct bm_server *server, struct bm_error *err)
{
	struct bm_error inner = BM_ERROR_INIT;
	struct bm_secret *secret = NULL;

	if (!logs_in(server) || server->login != NULL || server->options.password_file == NULL)
		return BM_OK;
	enum bm_code code = bm_credentials_read(&secret, server->options.password_file, &inner);
	if (code == BM_OK)
		return bm_server_take_secret(server, secret, 0, err);
	/* whatever is wrong with it, it is the attribute that has to be looked at */
	return bm_error_set(err, code == BM_E_NOMEM ? code : BM_E_CONF, inner.id, "%s", inner.text);
}

/* or pins: what is wrong with them is found before anybody is connected to. */
static bool names_files(const struct bm_server_options *options)
{
	return options->tls_cert_file != NULL || options->tls_ca_file != NULL || options->tls_pin != NULL;
}

enum bm_code bm_server_prepare(struct bm_server *server, struct bm_error *err)
{
	const char *attribute;

	if (server->stale && server->stream == NULL)
		bm_server_forget_security(server);
	enum bm_code code = bm_security_check(&server->options, &attribute, err);
	/* of no use to most connections that may do without, so that these wait until a server offers it */
	bool sure = bm_server_security(server).level > BM_SECURITY_MAY || names_files(&server->options);
	if (code == BM_OK && sure)
		code = bm_server_need_tls(server, err);
	return code == BM_OK ? read_password(server, err) : code;
}

enum bm_code bm_server_no_password(const struct bm_server *server, struct bm_error *err)
{
	struct bm_error inner = *err;
	bool had_one = server->login != NULL && inner.code == BM_E_AUTH;

	/* what has worked before may work again */
	return bm_error_set(err, had_one ? BM_E_TEMPORARY : inner.code, "MBS020", "%s: no password to log in with: %s",
		server->name, inner.text);
}

enum bm_code bm_server_run_password_command(
	struct bm_server *server, uint64_t now_ms, bool *another, struct bm_error *err)
{
	struct bm_secret *secret = NULL;

	enum bm_code code = bm_command_run(&secret, server->options.password_command, err);
	if (code != BM_OK)
		return bm_server_no_password(server, err);
	*another = server->login == NULL || !bm_login_equals(server->login, secret);
	return bm_server_take_secret(server, secret, now_ms, err);
}
