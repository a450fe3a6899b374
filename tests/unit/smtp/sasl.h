/* SPDX-License-Identifier: MIT */
/* A login to be played through: what is said and answered, as text. */
#ifndef BM_TESTS_SMTP_SASL_H
#define BM_TESTS_SMTP_SASL_H

#include "../unit.h"
#include "base/base64.h"
#include "smtp/sasl.h"

#include <stdlib.h>
#include <string.h>

struct login {
	struct bm_sasl_options options;
	struct bm_smtp_channel channel;
	struct bm_secret *secret;
	struct bm_sasl *sasl;
	struct bm_buf out;
	struct bm_error err;
};

static inline void login_init(struct login *login, const char *user, const char *secret)
{
	*login = (struct login){.channel = {.verified = true}};
	assert_int_equal(bm_secret_new(&login->secret, secret, strlen(secret), &login->err), BM_OK);
	login->options = (struct bm_sasl_options){.user = user, .secret = login->secret, .host = "mx.example", .port = 587};
	bm_buf_init(&login->out, BM_SASL_LINE_MAX + 2);
}

static inline void login_deinit(struct login *login)
{
	bm_sasl_free(login->sasl);
	bm_secret_free(login->secret);
	bm_buf_deinit(&login->out);
}

/* Over TLS with a verified certificate. */
static inline enum bm_code login_new(struct login *login, const char *offered)
{
	bm_sasl_free(login->sasl);
	return bm_sasl_new(&login->sasl, &login->options, bm_span_of(offered), &login->channel, &login->err);
}

static inline void assert_said(struct login *login, const char *text)
{
	assert_int_equal(login->out.size, strlen(text));
	assert_memory_equal(login->out.data == NULL ? (const void *)"" : login->out.data, text, strlen(text));
}

static inline void assert_begins(struct login *login, const char *text)
{
	bool has = false;
	assert_int_equal(bm_sasl_begin(login->sasl, &login->out, &has, &login->err), BM_OK);
	assert_true(has == (text != NULL));
	assert_said(login, text == NULL ? "" : text);
}

static inline enum bm_code login_answer(struct login *login, const char *challenge)
{
	return bm_sasl_answer(login->sasl, bm_span_of(challenge), &login->out, &login->err);
}

static inline void assert_answers(struct login *login, const char *challenge, const char *text)
{
	assert_int_equal(login_answer(login, challenge), BM_OK);
	assert_said(login, text);
}

static inline void assert_text_has(const struct login *login, const char *part)
{
	if (strstr(login->err.text, part) == NULL)
		fail_msg("\"%s\" does not say \"%s\"", login->err.text, part);
}

#endif
