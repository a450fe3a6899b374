/* SPDX-License-Identifier: MIT */
/* What the files of SASL share. Here responses and challenges are octets: base64 is put on and taken off in sasl.c. */
#ifndef BM_SMTP_SASL_PRIVATE_H
#define BM_SMTP_SASL_PRIVATE_H

#include "smtp/sasl.h"

struct bm_sasl_session;

/* Appends the answer to challenge to out, which is empty. The first call of one that speaks first has no challenge. */
typedef enum bm_code bm_sasl_respond_fn(
	struct bm_sasl *sasl, struct bm_span challenge, struct bm_buf *out, struct bm_error *err);

struct bm_sasl_mechanism {
	const char *name;
	bm_sasl_respond_fn *respond;
	bool shows_secret; /* to whoever listens: over a verified channel only */
	bool binds;        /* to the TLS channel */
	bool speaks_first;
};

struct bm_sasl {
	const struct bm_sasl_mechanism *mechanism;
	const struct bm_sasl_options *options;
	const struct bm_smtp_channel *channel;
	bool bindable;                   /* gsasl is told of the channel's binding */
	bool held_back;                  /* the initial response is the answer to the first challenge */
	bool complete;                   /* all was said, and proved, that the mechanism asks for */
	size_t challenges;               /* answered */
	size_t responses;                /* made */
	struct bm_buf challenge;         /* the last, decoded */
	struct bm_buf response;          /* the last, not encoded */
	struct bm_buf first;             /* SCRAM: the client's first message */
	struct bm_sasl_session *session; /* gsasl's; NULL before the first response */
};

/* sasl_own.c */
bm_sasl_respond_fn bm_sasl_plain;
bm_sasl_respond_fn bm_sasl_login;
bm_sasl_respond_fn bm_sasl_xoauth2;
bm_sasl_respond_fn bm_sasl_oauthbearer;

/* Appends text without leaving a copy behind when the buffer grows. */
enum bm_code bm_sasl_append(struct bm_buf *out, struct bm_span text, struct bm_error *err) BM_MUST_CHECK;

/* Overwrites all that the buffer ever held, and empties it. */
void bm_sasl_wipe(struct bm_buf *buf);

/* "the server asks for more than NAME has to say". */
enum bm_code bm_sasl_surplus(const struct bm_sasl *sasl, struct bm_error *err) BM_MUST_CHECK;

#endif
