/* SPDX-License-Identifier: MIT */
/* What a server may say in SCRAM (RFC 5802, 5 and 7): looked at before anything is computed from it. */
#include "base/base64.h"
#include "base/error.h"
#include "base/number.h"
#include "smtp/sasl_private.h"

/* RFC 7677, 4 asks for the lower; what is above the upper costs more time than a login may. */
#define ITERATIONS_MIN 4096
#define ITERATIONS_MAX 1000000
#define SALT_MAX 1024

/* Takes "name=value" and the comma behind it off the front of rest. */
static bool cut_field(struct bm_span *rest, unsigned char name, struct bm_span *value)
{
	if (rest->size < 2 || rest->data[0] != name || rest->data[1] != '=')
		return false;
	size_t left = rest->size - 2;
	const unsigned char *begin = rest->data + 2;
	const unsigned char *comma = memchr(begin, ',', left);
	value->data = begin;
	value->size = comma == NULL ? left : (size_t)(comma - begin);
	size_t used = value->size + (comma == NULL ? 0 : 1);
	*rest = bm_span_make(begin + used, left - used);
	return true;
}

/* Ours is the last field of the first message; a comma in a name is escaped. */
static struct bm_span nonce_of(struct bm_span first)
{
	size_t at = first.size;

	while (at > 0 && first.data[at - 1] != ',')
		at--;
	struct bm_span rest = bm_span_make(first.data + at, first.size - at);
	struct bm_span nonce = {NULL, 0};
	return cut_field(&rest, 'r', &nonce) ? nonce : bm_span_make(NULL, 0);
}

static bool continues(struct bm_span nonce, struct bm_span ours)
{
	return ours.size > 0 && nonce.size > ours.size && memcmp(nonce.data, ours.data, ours.size) == 0;
}

static enum bm_code check_salt(struct bm_span form, struct bm_error *err)
{
	struct bm_buf salt;

	bm_buf_init(&salt, BM_SASL_LINE_MAX);
	enum bm_code code = bm_base64_read(&salt, form);
	size_t size = salt.size;
	bm_buf_deinit(&salt);
	if (code == BM_E_NOMEM)
		return bm_error_nomem(err);
	if (code != BM_OK || size == 0)
		return bm_error_set(err, BM_E_PROTOCOL, "", "SCRAM: the server's salt is none");
	if (size > SALT_MAX)
		return bm_error_set(
			err, BM_E_PROTOCOL, "", "SCRAM: a salt of %zu octets, %d at most are taken", size, SALT_MAX);
	return BM_OK;
}

static enum bm_code check_iterations(struct bm_span text, struct bm_error *err)
{
	uint64_t count = 0;
	char shown[32];

	if (bm_number_parse(text, &count) && count >= ITERATIONS_MIN && count <= ITERATIONS_MAX)
		return BM_OK;
	bm_escape(shown, sizeof shown, text.data, text.size);
	return bm_error_set(err, BM_E_PROTOCOL, "", "SCRAM: the server asks for %s iterations, %d to %d are done", shown,
		ITERATIONS_MIN, ITERATIONS_MAX);
}

enum bm_code bm_scram_check_first(struct bm_span first, struct bm_span challenge, struct bm_error *err)
{
	struct bm_span rest = challenge;
	struct bm_span nonce;
	struct bm_span salt;
	struct bm_span iterations;

	if (rest.size >= 2 && rest.data[0] == 'm' && rest.data[1] == '=')
		return bm_error_set(err, BM_E_PROTOCOL, "", "SCRAM: the server demands an extension that is not known here");
	if (bm_span_has_control(challenge) || !cut_field(&rest, 'r', &nonce) || !cut_field(&rest, 's', &salt) ||
		!cut_field(&rest, 'i', &iterations))
		return bm_error_set(err, BM_E_PROTOCOL, "", "SCRAM: the server's first message is none");
	if (!continues(nonce, nonce_of(first)))
		return bm_error_set(err, BM_E_PROTOCOL, "", "SCRAM: the server's nonce does not continue ours");
	enum bm_code code = check_salt(salt, err);
	return code == BM_OK ? check_iterations(iterations, err) : code;
}

enum bm_code bm_scram_check_final(struct bm_span challenge, bool *refused, struct bm_error *err)
{
	struct bm_span rest = challenge;
	struct bm_span value;

	*refused = cut_field(&rest, 'e', &value);
	if (*refused)
		return BM_OK;
	if (bm_span_has_control(challenge) || !cut_field(&rest, 'v', &value) || value.size == 0)
		return bm_error_set(err, BM_E_PROTOCOL, "", "SCRAM: the server does not prove that it knows the password");
	return BM_OK;
}
