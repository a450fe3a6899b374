/* SPDX-License-Identifier: MIT */
/* What the attributes of TLS and of logging in come to, and what is known of one connection while it is being made. */
#ifndef BM_API_SECURITY_H
#define BM_API_SECURITY_H

#include "api/credentials.h"
#include "bulkmail/server.h"
#include "net/stream.h"
#include "net/tls.h"
#include "smtp/smtp.h"

#include <stdbool.h>
#include <stdint.h>

#define BM_MECHANISM_MAX 32
#define BM_CIPHER_MAX 96

enum bm_security_level {
	BM_SECURITY_NONE,
	BM_SECURITY_MAY,
	BM_SECURITY_ENCRYPT,
	BM_SECURITY_VERIFY,
};

struct bm_security {
	enum bm_security_level level;
	bool wrapped; /* TLS from the first octet */
	bool lmtp;
};

struct bm_security bm_security_of(const struct bm_server_options *options);

/* The port that is meant where none is set. */
uint16_t bm_security_port(const struct bm_server_options *options);

/* "unix:/path" */
bool bm_security_is_local(const struct bm_server_options *options);

/*
 * Whether the attributes fit together, and auth names what there is. BM_E_CONF (MBO003) names in *attribute the one
 * that does not; the text begins with it.
 */
enum bm_code bm_security_check(
	const struct bm_server_options *options, const char **attribute, struct bm_error *err) BM_MUST_CHECK;

/* Whether auth names mechanisms that there are: as bm_attribute_check. */
enum bm_code bm_security_check_auth(const char *mechanisms, struct bm_error *err) BM_MUST_CHECK;

/* One connection, from its first octet on. */
struct bm_attempt {
	struct bm_login *login;           /* held; NULL: no AUTH */
	bool securing;                    /* the handshake is under way */
	bool suspect;                     /* the session ended before the handshake began */
	bool secured;                     /* TLS is there, as the next three say */
	bool verified;                    /* the peer is who it should be */
	bool resumed;                     /* it took no certificate */
	char cipher[BM_CIPHER_MAX];       /* "TLSv1.3 TLS_AES_256_GCM_SHA384" */
	char mechanism[BM_MECHANISM_MAX]; /* that we log in by; "": none yet */
};

struct bm_server;

/* Lets go of what it holds. */
void bm_attempt_end(struct bm_attempt *attempt);

/*
 * Hears an event of its session: notes what it says of TLS and AUTH, and writes to CONVERSATION and the error log what
 * belongs there. connection 0: it is the only one.
 */
void bm_attempt_hear(struct bm_attempt *attempt, struct bm_server *server, size_t connection,
	const struct bm_stream *stream, const struct bm_smtp_event *event);

/*
 * After a session that ended before it was READY: whether the server is to be tried in clear from now on, which is
 * logged. Only tls = may allows it, not with a user, and not once TLS has worked.
 */
bool bm_attempt_goes_clear(
	const struct bm_attempt *attempt, struct bm_server *server, const struct bm_smtp_event *event);

/* Whether a token was refused that its command may have a successor for. */
bool bm_attempt_lacks_token(const struct bm_attempt *attempt, const struct bm_smtp_event *event);

#endif
