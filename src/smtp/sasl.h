/* SPDX-License-Identifier: MIT */
/*
 * Logging in (RFC 4954, RFC 4422): chooses a mechanism and answers challenges, all in base64 as they stand on the wire.
 * No I/O. The choice is ours: the first of our order that the server lists and that may be used over this channel.
 * PLAIN, LOGIN, XOAUTH2 and OAUTHBEARER show the secret, and are used over a verified channel only.
 */
#ifndef BM_SMTP_SASL_H
#define BM_SMTP_SASL_H

#include "base/buf.h"
#include "base/secret.h"
#include "bulkmail/errors.h"
#include "smtp/smtp.h"

/* RFC 4954, 4: no line of it is longer; and what no honest mechanism needs. */
#define BM_SASL_LINE_MAX 12288
#define BM_SASL_ROUNDS_MAX 8

struct bm_sasl_options {
	const char *mechanisms;         /* names joined by blanks or commas, the best first; NULL: BM_SASL_ORDER */
	const char *user;               /* UTF-8 */
	const struct bm_secret *secret; /* the password, or the token */
	const char *host;               /* of the server, for OAUTHBEARER (RFC 7628, 3.1) */
	uint16_t port;
};

/* Without `mechanisms`. The bearer mechanisms are used when they are named. */
#define BM_SASL_ORDER "SCRAM-SHA-256-PLUS SCRAM-SHA-256 SCRAM-SHA-1 CRAM-MD5 PLAIN LOGIN"

/* Whether names are mechanisms known here, one at least; *wrong is the first that is not (empty when there is none). */
bool bm_sasl_knows(const char *mechanisms, struct bm_span *wrong);

struct bm_sasl;

/*
 * offered: what stands behind AUTH in the reply to EHLO. channel NULL: there is no TLS. Options and channel are
 * borrowed until bm_sasl_free. BM_E_AUTH: there is no mechanism to use; the text names what the server offers, what we
 * would use, and why not ("PLAIN needs a verified certificate"). BM_E_NOMEM. SCRAM-SHA-256-PLUS needs a channel with a
 * binding.
 */
enum bm_code bm_sasl_new(struct bm_sasl **out, const struct bm_sasl_options *options, struct bm_span offered,
	const struct bm_smtp_channel *channel, struct bm_error *err) BM_MUST_CHECK;
void bm_sasl_free(struct bm_sasl *sasl);

/* The mechanism's name. */
const char *bm_sasl_mechanism(const struct bm_sasl *sasl);

/*
 * The initial response, in base64 ("=" for an empty one): *out is cleared, then filled. False in *has: the mechanism
 * has none, or the command would be longer with it than a command may be (512 octets: RFC 4954, 4): then it is the
 * answer to the first, empty challenge. Wiping *out is the caller's. BM_E_AUTH: user or secret cannot be said.
 */
enum bm_code bm_sasl_begin(struct bm_sasl *sasl, struct bm_buf *out, bool *has, struct bm_error *err) BM_MUST_CHECK;

/*
 * Answers a challenge (what stands behind 334). BM_E_PROTOCOL: it is bad base64, too long, one too many, or a lie
 * (SCRAM: a nonce that is not ours, iterations below 4,096 or above 1,000,000, a wrong signature): the text says which;
 * the caller says "*" and gives up. BM_E_AUTH: user or secret cannot be said. *out as with bm_sasl_begin; an empty one
 * is an empty line.
 */
enum bm_code bm_sasl_answer(
	struct bm_sasl *sasl, struct bm_span challenge, struct bm_buf *out, struct bm_error *err) BM_MUST_CHECK;

/* The server said 235. BM_E_PROTOCOL when it has not proved what the mechanism asks it to (SCRAM's signature). */
enum bm_code bm_sasl_done(struct bm_sasl *sasl, struct bm_error *err) BM_MUST_CHECK;

#endif
