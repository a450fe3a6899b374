/* SPDX-License-Identifier: MIT */
/*
 * SCRAM (RFC 5802, RFC 7677, RFC 9266) and CRAM-MD5 (RFC 2195) by libgsasl. It is shown no challenge that was not
 * looked at before, and holds the password while it answers one, no longer; what it copies and frees meanwhile is
 * beyond us.
 *
 * Its client cannot say "we could bind, had you listed it" (gs2 flag y): 2.2.0 fails when it has a binding that it does
 * not use. So only the mechanism that binds is told of the binding.
 */
#include "base/error.h"
#include "smtp/sasl_private.h"

#include <gsasl.h>

/* What it keeps of the secret, or makes of it. */
static const Gsasl_property secrets[] = {
	GSASL_PASSWORD, GSASL_SCRAM_SALTED_PASSWORD, GSASL_SCRAM_SERVERKEY, GSASL_SCRAM_STOREDKEY};

static void forget_secrets(Gsasl_session *session)
{
	for (size_t i = 0; i < sizeof secrets / sizeof secrets[0]; i++) {
		/* the text is gsasl's own copy */
		char *copy = (char *)gsasl_property_fast(session, secrets[i]);
		if (copy == NULL)
			continue;
		bm_secret_wipe(copy, strlen(copy));
		gsasl_property_free(session, secrets[i]);
	}
}

/* Asked for what is not set. */
static int give_password(Gsasl *library, Gsasl_session *session, Gsasl_property property)
{
	const struct bm_sasl *sasl = gsasl_session_hook_get(session);

	(void)library;
	if (property != GSASL_PASSWORD)
		return GSASL_NO_CALLBACK;
	struct bm_span secret = bm_secret_reveal(sasl->options->secret);
	return gsasl_property_set_raw(session, GSASL_PASSWORD, (const char *)secret.data, secret.size);
}

static enum bm_code fail(const struct bm_sasl *sasl, int result, struct bm_error *err)
{
	const char *name = sasl->mechanism->name;

	switch (result) {
	case GSASL_MALLOC_ERROR:
		return bm_error_nomem(err);
	case GSASL_SASLPREP_ERROR:
		return bm_error_set(
			err, BM_E_AUTH, "", "%s cannot say a character of the user or the password (RFC 4013); PLAIN can", name);
	case GSASL_AUTHENTICATION_ERROR:
		return bm_error_set(err, BM_E_PROTOCOL, "", "%s: the server's signature is wrong", name);
	default:
		return bm_error_set(err, BM_E_PROTOCOL, "", "%s: %s", name, gsasl_strerror(result));
	}
}

static int set_binding(const struct bm_sasl *sasl)
{
	struct bm_span data = sasl->channel->binding_data;
	bool exporter = strcmp(sasl->channel->binding, "tls-exporter") == 0;
	char *form = NULL;
	int result = gsasl_base64_to((const char *)data.data, data.size, &form, NULL);

	if (result == GSASL_OK)
		result = gsasl_property_set(sasl->session, exporter ? GSASL_CB_TLS_EXPORTER : GSASL_CB_TLS_UNIQUE, form);
	gsasl_free(form);
	return result;
}

/* 2.2.0 would learn that it cannot prepare the password in the middle of an answer, and lose memory. */
static int try_password(const struct bm_sasl *sasl)
{
	char *prepared = NULL;
	struct bm_span secret = bm_secret_reveal(sasl->options->secret);
	int result = gsasl_saslprep((const char *)secret.data, GSASL_ALLOW_UNASSIGNED, &prepared, NULL);

	if (prepared != NULL)
		bm_secret_wipe(prepared, strlen(prepared));
	gsasl_free(prepared);
	return result;
}

static enum bm_code start(struct bm_sasl *sasl, struct bm_error *err)
{
	int result = try_password(sasl);

	if (result == GSASL_OK)
		result = gsasl_init(&sasl->library);

	if (result == GSASL_OK)
		result = gsasl_client_start(sasl->library, sasl->mechanism->name, &sasl->session);
	if (result != GSASL_OK)
		return fail(sasl, result, err);
	gsasl_callback_set(sasl->library, give_password);
	gsasl_session_hook_set(sasl->session, sasl);
	result = gsasl_property_set(sasl->session, GSASL_AUTHID, sasl->options->user);
	if (result == GSASL_OK && sasl->mechanism->binds)
		result = set_binding(sasl);
	return result == GSASL_OK ? BM_OK : fail(sasl, result, err);
}

void bm_sasl_session_free(struct bm_sasl *sasl)
{
	if (sasl->session != NULL) {
		forget_secrets(sasl->session);
		gsasl_finish(sasl->session);
	}
	if (sasl->library != NULL)
		gsasl_done(sasl->library);
}

/* *proven: it needs nothing more from the server. */
static enum bm_code step(
	struct bm_sasl *sasl, struct bm_span challenge, struct bm_buf *out, bool *proven, struct bm_error *err)
{
	char *text = NULL;
	size_t size = 0;
	int result = gsasl_step(sasl->session, (const char *)challenge.data, challenge.size, &text, &size);

	forget_secrets(sasl->session);
	*proven = result == GSASL_OK;
	if (result != GSASL_OK && result != GSASL_NEEDS_MORE)
		return fail(sasl, result, err);
	enum bm_code code = bm_sasl_append(out, bm_span_make(text, size), err);
	if (text != NULL)
		bm_secret_wipe(text, size);
	gsasl_free(text);
	return code;
}

static enum bm_code say_first(struct bm_sasl *sasl, struct bm_buf *out, struct bm_error *err)
{
	bool proven = false;
	enum bm_code code = start(sasl, err);

	if (code == BM_OK)
		code = step(sasl, bm_span_make(NULL, 0), out, &proven, err);
	return code == BM_OK ? bm_sasl_append(&sasl->first, bm_buf_view(out), err) : code;
}

/* A refusal is answered with nothing, and the reply then says so with a code. */
static enum bm_code take_final(struct bm_sasl *sasl, struct bm_span challenge, struct bm_buf *out, struct bm_error *err)
{
	bool refused = false;
	enum bm_code code = bm_scram_check_final(challenge, &refused, err);

	if (code != BM_OK || refused)
		return code;
	return step(sasl, challenge, out, &sasl->complete, err);
}

enum bm_code bm_sasl_scram(struct bm_sasl *sasl, struct bm_span challenge, struct bm_buf *out, struct bm_error *err)
{
	bool proven = false;
	enum bm_code code = BM_OK;

	switch (sasl->responses) {
	case 0:
		return say_first(sasl, out, err);
	case 1:
		code = bm_scram_check_first(bm_buf_view(&sasl->first), challenge, err);
		return code == BM_OK ? step(sasl, challenge, out, &proven, err) : code;
	case 2:
		return take_final(sasl, challenge, out, err);
	default:
		return bm_sasl_surplus(sasl, err);
	}
}

enum bm_code bm_sasl_cram_md5(struct bm_sasl *sasl, struct bm_span challenge, struct bm_buf *out, struct bm_error *err)
{
	if (sasl->responses > 0)
		return bm_sasl_surplus(sasl, err);
	if (challenge.size == 0 || memchr(challenge.data, '\0', challenge.size) != NULL)
		return bm_error_set(err, BM_E_PROTOCOL, "", "CRAM-MD5: a challenge that is empty or holds a NUL");
	enum bm_code code = start(sasl, err);
	return code == BM_OK ? step(sasl, challenge, out, &sasl->complete, err) : code;
}
