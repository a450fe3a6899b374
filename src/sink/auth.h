/* SPDX-License-Identifier: MIT */
/*
 * The server's side of SASL for one user: what was decoded from base64 in, what is to be encoded out. PLAIN (RFC 4616),
 * LOGIN, XOAUTH2 and OAUTHBEARER (RFC 7628) by hand, CRAM-MD5 and SCRAM (RFC 5802, 7677, 9266) by libgsasl.
 */
#ifndef BM_SINK_AUTH_H
#define BM_SINK_AUTH_H

#include "base/buf.h"
#include "bulkmail/errors.h"
#include "sink/script.h"
#include "sink/tls.h"

struct bm_sink_auth;

/* names: of mechanisms, joined by blanks. password_file: its first line; for the bearers it is the token. */
enum bm_code bm_sink_auth_new(struct bm_sink_auth **out, const char *names, const char *user, const char *password_file,
	struct bm_error *err) BM_MUST_CHECK;
void bm_sink_auth_free(struct bm_sink_auth *auth);

/* Adds the names that may be listed, each behind a blank; what binds to TLS only when inside. */
enum bm_code bm_sink_auth_list(const struct bm_sink_auth *auth, bool inside, struct bm_buf *out) BM_MUST_CHECK;

struct bm_sink_exchange;

/* NULL when the mechanism is not one of those listed, or without memory. tls NULL: in clear. The rule may lie. */
struct bm_sink_exchange *bm_sink_exchange_new(
	struct bm_sink_auth *auth, struct bm_span name, const struct bm_sink_tls *tls, const struct bm_sink_rule *rule);
void bm_sink_exchange_free(struct bm_sink_exchange *exchange);

enum bm_sink_verdict {
	BM_SINK_AUTH_MORE,
	BM_SINK_AUTH_DONE,
	BM_SINK_AUTH_FAILED,
	BM_SINK_AUTH_MALFORMED,
};

/* said.data NULL: the client gave no initial response. challenge is empty before. */
enum bm_sink_verdict bm_sink_exchange_step(
	struct bm_sink_exchange *exchange, struct bm_span said, struct bm_buf *challenge);

/* Who wants in, as far as it was told; valid as long as the exchange. */
struct bm_span bm_sink_exchange_user(const struct bm_sink_exchange *exchange);

#endif
