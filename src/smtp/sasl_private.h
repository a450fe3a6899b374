/* SPDX-License-Identifier: MIT */
/* What the files of SASL share. Here responses and challenges are octets: base64 is put on and taken off in sasl.c. */
#ifndef BM_SMTP_SASL_PRIVATE_H
#define BM_SMTP_SASL_PRIVATE_H

#include "smtp/sasl.h"

/* gsasl's */
struct Gsasl;
struct Gsasl_session;

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
	bool held_back;          /* the initial response is the answer to the first challenge */
	bool complete;           /* all was said, and proved, that the mechanism asks for */
	size_t challenges;       /* answered */
	size_t responses;        /* made */
	struct bm_buf challenge; /* the last, decoded */
	struct bm_buf response;  /* the last, not encoded */
	struct bm_buf first;     /* SCRAM: the client's first message */
	struct Gsasl *library;   /* NULL before the first response */
	struct Gsasl_session *session;
};

/* sasl_own.c */
bm_sasl_respond_fn bm_sasl_plain;
bm_sasl_respond_fn bm_sasl_login;
bm_sasl_respond_fn bm_sasl_xoauth2;
bm_sasl_respond_fn bm_sasl_oauthbearer;

/* sasl_gsasl.c */
bm_sasl_respond_fn bm_sasl_scram;
bm_sasl_respond_fn bm_sasl_cram_md5;

/* What gsasl holds for it. */
void bm_sasl_session_free(struct bm_sasl *sasl);

/* sasl_scram.c. The server's first message, after the client's; its last: a refusal, or a signature to be verified. */
enum bm_code bm_scram_check_first(struct bm_span first, struct bm_span challenge, struct bm_error *err) BM_MUST_CHECK;
enum bm_code bm_scram_check_final(struct bm_span challenge, bool *refused, struct bm_error *err) BM_MUST_CHECK;

/* Appends text without leaving a copy behind when the buffer grows. */
enum bm_code bm_sasl_append(struct bm_buf *out, struct bm_span text, struct bm_error *err) BM_MUST_CHECK;

/* Overwrites all that the buffer ever held, and empties it. */
void bm_sasl_wipe(struct bm_buf *buf);

/* "the server asks for more than NAME has to say". */
enum bm_code bm_sasl_surplus(const struct bm_sasl *sasl, struct bm_error *err) BM_MUST_CHECK;

#endif
