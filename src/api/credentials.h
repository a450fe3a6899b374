/* SPDX-License-Identifier: MIT */
/*
 * What connections log in with. It is counted: a token that is fetched anew does not end the connections that began
 * with the one before.
 */
#ifndef BM_API_CREDENTIALS_H
#define BM_API_CREDENTIALS_H

#include "base/secret.h"
#include "base/span.h"
#include "bulkmail/server.h"
#include "smtp/sasl.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What a command printed is not used for connections that begin later than this. */
#define BM_LOGIN_LIFE_MS 3600000

struct bm_login {
	struct bm_sasl_options sasl; /* its strings are ours */
	struct bm_secret *secret;
	bool from_command;
	uint64_t until_ms; /* monotonic */
	size_t holders;
};

/* Takes secret, also when it fails. The caller is the first holder of *out. */
enum bm_code bm_login_new(struct bm_login **out, const struct bm_server_options *options, struct bm_secret *secret,
	uint64_t now_ms, struct bm_error *err) BM_MUST_CHECK;

/* login may be NULL in both. */
struct bm_login *bm_login_hold(struct bm_login *login);
void bm_login_release(struct bm_login *login);

bool bm_login_equals(const struct bm_login *login, const struct bm_secret *secret);

/* Whether a server's words show the secret: as it is, in hexadecimal digits, or within base64 of whatever. */
bool bm_login_is_shown(const struct bm_login *login, struct bm_span text);

#endif
