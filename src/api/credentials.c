/* SPDX-License-Identifier: MIT */
#include "api/credentials.h"

#include "api/security.h"
#include "base/base64.h"
#include "base/error.h"

#include <stdlib.h>
#include <string.h>

/* So much of a secret is looked for: enough to tell it from all else. */
#define SOUGHT_MAX 48
/* Fewer digits of base64 stand in any text. */
#define DIGITS_MIN 4

static char *copy(const char *text, bool *whole)
{
	char *out = text == NULL ? NULL : strdup(text);

	if (text != NULL && out == NULL)
		*whole = false;
	return out;
}

enum bm_code bm_login_new(struct bm_login **out, const struct bm_server_options *options, struct bm_secret *secret,
	uint64_t now_ms, struct bm_error *err)
{
	struct bm_login *login = calloc(1, sizeof *login);
	bool whole = login != NULL;

	*out = NULL;
	if (!whole) {
		bm_secret_free(secret);
		return bm_error_nomem(err);
	}
	login->holders = 1;
	login->secret = secret;
	login->from_command = options->password_command != NULL;
	login->until_ms = login->from_command ? now_ms + BM_LOGIN_LIFE_MS : UINT64_MAX;
	login->sasl = (struct bm_sasl_options){
		.mechanisms = copy(options->auth, &whole),
		.user = copy(options->user, &whole),
		.secret = secret,
		.host = copy(options->smtp, &whole),
		.port = bm_security_port(options),
	};
	if (!whole) {
		bm_login_release(login);
		return bm_error_nomem(err);
	}
	*out = login;
	return BM_OK;
}

struct bm_login *bm_login_hold(struct bm_login *login)
{
	if (login != NULL)
		login->holders++;
	return login;
}

void bm_login_release(struct bm_login *login)
{
	if (login == NULL || --login->holders > 0)
		return;
	bm_secret_free(login->secret);
	free((char *)login->sasl.mechanisms);
	free((char *)login->sasl.user);
	free((char *)login->sasl.host);
	free(login);
}

bool bm_login_equals(const struct bm_login *login, const struct bm_secret *secret)
{
	struct bm_span a = bm_secret_reveal(login->secret);
	struct bm_span b = bm_secret_reveal(secret);
	return a.size == b.size && (a.size == 0 || memcmp(a.data, b.data, a.size) == 0);
}

static bool holds(struct bm_span text, const void *sought, size_t size)
{
	return size > 0 && text.size > 0 && memmem(text.data, text.size, sought, size) != NULL;
}

static bool holds_hex(struct bm_span text, struct bm_span secret, const char *digits)
{
	char hex[2 * SOUGHT_MAX];

	for (size_t i = 0; i < secret.size; i++) {
		hex[2 * i] = digits[secret.data[i] >> 4];
		hex[2 * i + 1] = digits[secret.data[i] & 15];
	}
	bool found = holds(text, hex, 2 * secret.size);
	bm_secret_wipe(hex, sizeof hex);
	return found;
}

/*
 * The digits that stand for the secret alone, whatever is around it, when it begins so many octets behind a whole group
 * of base64.
 */
static bool holds_base64(struct bm_span text, struct bm_span secret, size_t shift)
{
	unsigned char plain[SOUGHT_MAX + 2] = {0};
	struct bm_buf form;

	memcpy(plain + shift, secret.data, secret.size);
	bm_buf_init(&form, BM_BASE64_SIZE(sizeof plain));
	/* without memory nothing is known, and nothing is to be shown */
	bool found = true;
	if (bm_base64_write(&form, bm_span_make(plain, shift + secret.size)) == BM_OK) {
		size_t first = (shift * 8 + 5) / 6;
		size_t last = (shift + secret.size) * 8 / 6;
		found = last >= first + DIGITS_MIN && holds(text, form.data + first, last - first);
		bm_secret_wipe(form.data, form.size);
	}
	bm_secret_wipe(plain, sizeof plain);
	bm_buf_deinit(&form);
	return found;
}

bool bm_login_is_shown(const struct bm_login *login, struct bm_span text)
{
	struct bm_span secret = login == NULL ? bm_span_make("", 0) : bm_secret_reveal(login->secret);

	if (secret.size == 0)
		return false;
	if (secret.size > SOUGHT_MAX)
		secret.size = SOUGHT_MAX;
	if (holds(text, secret.data, secret.size) || holds_hex(text, secret, "0123456789abcdef") ||
		holds_hex(text, secret, "0123456789ABCDEF"))
		return true;
	return holds_base64(text, secret, 0) || holds_base64(text, secret, 1) || holds_base64(text, secret, 2);
}
