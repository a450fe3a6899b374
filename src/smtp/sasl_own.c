/* SPDX-License-Identifier: MIT */
/* PLAIN (RFC 4616), LOGIN (draft-murchison-sasl-login), XOAUTH2 (Google's), OAUTHBEARER (RFC 7628). */
#include "base/error.h"
#include "base/number.h"
#include "smtp/sasl_private.h"

static enum bm_code append_str(struct bm_buf *out, const char *text, struct bm_error *err)
{
	return bm_sasl_append(out, bm_span_of(text), err);
}

static enum bm_code append_octet(struct bm_buf *out, unsigned char octet, struct bm_error *err)
{
	return bm_sasl_append(out, bm_span_make(&octet, 1), err);
}

enum bm_code bm_sasl_plain(struct bm_sasl *sasl, struct bm_span challenge, struct bm_buf *out, struct bm_error *err)
{
	(void)challenge;
	if (sasl->responses > 0)
		return bm_sasl_surplus(sasl, err);
	enum bm_code code = append_octet(out, '\0', err);
	if (code == BM_OK)
		code = append_str(out, sasl->options->user, err);
	if (code == BM_OK)
		code = append_octet(out, '\0', err);
	if (code == BM_OK)
		code = bm_sasl_append(out, bm_secret_reveal(sasl->options->secret), err);
	sasl->complete = true;
	return code;
}

/* Servers ask for "Username:", "User Name", "User:" …: the order alone says what is meant. */
enum bm_code bm_sasl_login(struct bm_sasl *sasl, struct bm_span challenge, struct bm_buf *out, struct bm_error *err)
{
	(void)challenge;
	if (sasl->responses > 1)
		return bm_sasl_surplus(sasl, err);
	if (sasl->responses == 0)
		return append_str(out, sasl->options->user, err);
	sasl->complete = true;
	return bm_sasl_append(out, bm_secret_reveal(sasl->options->secret), err);
}

static enum bm_code append_bearer(struct bm_sasl *sasl, struct bm_buf *out, struct bm_error *err)
{
	enum bm_code code = append_str(out, "\1auth=Bearer ", err);
	if (code == BM_OK)
		code = bm_sasl_append(out, bm_secret_reveal(sasl->options->secret), err);
	return code == BM_OK ? append_str(out, "\1\1", err) : code;
}

/*
 * A challenge behind the token says why it was refused, as JSON. The reply that follows its answer says so too, with a
 * code.
 */
static enum bm_code answer_refusal(struct bm_sasl *sasl, const char *answer, struct bm_buf *out, struct bm_error *err)
{
	if (sasl->responses > 1)
		return bm_sasl_surplus(sasl, err);
	sasl->complete = false;
	return append_str(out, answer, err);
}

enum bm_code bm_sasl_xoauth2(struct bm_sasl *sasl, struct bm_span challenge, struct bm_buf *out, struct bm_error *err)
{
	(void)challenge;
	if (sasl->responses > 0)
		return answer_refusal(sasl, "", out, err);
	enum bm_code code = append_str(out, "user=", err);
	if (code == BM_OK)
		code = append_str(out, sasl->options->user, err);
	sasl->complete = true;
	return code == BM_OK ? append_bearer(sasl, out, err) : code;
}

/* RFC 5801, 4: a comma and an equals sign in a name are escaped. */
static enum bm_code append_name(struct bm_buf *out, const char *name, struct bm_error *err)
{
	enum bm_code code = BM_OK;

	while (code == BM_OK && *name != '\0') {
		size_t plain = strcspn(name, ",=");
		code = bm_sasl_append(out, bm_span_make(name, plain), err);
		name += plain;
		if (code == BM_OK && *name != '\0')
			code = append_str(out, *name++ == ',' ? "=2C" : "=3D", err);
	}
	return code;
}

static enum bm_code append_place(struct bm_sasl *sasl, struct bm_buf *out, struct bm_error *err)
{
	char port[BM_NUMBER_SIZE];
	size_t size = bm_number_format(port, sasl->options->port);
	enum bm_code code = BM_OK;

	if (sasl->options->host == NULL)
		return BM_OK;
	code = append_str(out, "\1host=", err);
	if (code == BM_OK)
		code = append_str(out, sasl->options->host, err);
	if (code == BM_OK)
		code = append_str(out, "\1port=", err);
	return code == BM_OK ? bm_sasl_append(out, bm_span_make(port, size), err) : code;
}

enum bm_code bm_sasl_oauthbearer(
	struct bm_sasl *sasl, struct bm_span challenge, struct bm_buf *out, struct bm_error *err)
{
	(void)challenge;
	if (sasl->responses > 0)
		return answer_refusal(sasl, "\1", out, err);
	enum bm_code code = append_str(out, "n,a=", err);
	if (code == BM_OK)
		code = append_name(out, sasl->options->user, err);
	if (code == BM_OK)
		code = append_str(out, ",", err);
	if (code == BM_OK)
		code = append_place(sasl, out, err);
	sasl->complete = true;
	return code == BM_OK ? append_bearer(sasl, out, err) : code;
}
