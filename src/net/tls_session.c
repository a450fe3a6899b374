/* SPDX-License-Identifier: MIT */
/*
 * Sessions that can be resumed. They live in the bm_tls whose options they were made under; OpenSSL holds a digest of
 * these options against them besides. Only those of verified peers are kept, so that one who is resumed is one who was
 * verified. A ticket of TLS 1.3 is used once (RFC 8446, C.4).
 */
#include "net/tls_own.h"

#include "base/error.h"
#include "net/clock.h"

#include <openssl/evp.h>
#include <string.h>

/* Whoever was verified is so again after that time, however often resumed in between. */
#define KEPT_MS (2U * 60 * 60 * 1000)

static void drop_session(struct bm_tls *tls, size_t index)
{
	SSL_SESSION_free(tls->sessions[index].session);
	tls->session_count--;
	memmove(&tls->sessions[index], &tls->sessions[index + 1], (tls->session_count - index) * sizeof *tls->sessions);
}

/* Takes the session when it returns 1. */
static int on_session(SSL *ssl, SSL_SESSION *session)
{
	const struct bm_tls_peer *peer = SSL_get_app_data(ssl);
	struct bm_tls *tls = peer->tls;

	if (!bm_tls_is_verified(ssl))
		return 0;
	if (tls->session_count == BM_TLS_SESSIONS_MAX)
		drop_session(tls, 0);
	tls->sessions[tls->session_count++] = (struct bm_tls_session){.session = session, .verified_ms = peer->verified_ms};
	return 1;
}

static bool is_usable(const struct bm_tls_session *kept)
{
	return SSL_SESSION_is_resumable(kept->session) == 1 && bm_clock_monotonic_ms() - kept->verified_ms < KEPT_MS;
}

void bm_tls_session_offer(struct bm_tls *tls, SSL *ssl)
{
	while (tls->session_count > 0 && !is_usable(&tls->sessions[tls->session_count - 1]))
		drop_session(tls, tls->session_count - 1);
	if (tls->session_count == 0)
		return;
	struct bm_tls_peer *peer = SSL_get_app_data(ssl);
	SSL_SESSION *session = tls->sessions[tls->session_count - 1].session;
	peer->verified_ms = tls->sessions[tls->session_count - 1].verified_ms;
	/* refused, the handshake is a full one */
	(void)SSL_set_session(ssl, session);
	if (SSL_SESSION_get_protocol_version(session) >= TLS1_3_VERSION)
		drop_session(tls, tls->session_count - 1);
}

static bool digest_text(EVP_MD_CTX *digest, const char *text)
{
	/* with its NUL, so that what is next to it cannot be taken for a part of it */
	return EVP_DigestUpdate(digest, text != NULL ? text : "", text != NULL ? strlen(text) + 1 : 1) == 1;
}

static bool digest_options(unsigned char out[EVP_MAX_MD_SIZE], const struct bm_tls_options *options)
{
	EVP_MD_CTX *digest = EVP_MD_CTX_new();
	bool done = digest != NULL && EVP_DigestInit_ex(digest, EVP_sha256(), NULL) == 1 &&
				digest_text(digest, options->verify ? "verify" : "") && digest_text(digest, options->host) &&
				digest_text(digest, options->ca_file) && digest_text(digest, options->pins) &&
				digest_text(digest, options->cert_file) && digest_text(digest, options->key_file) &&
				EVP_DigestFinal_ex(digest, out, NULL) == 1;

	EVP_MD_CTX_free(digest);
	return done;
}

enum bm_code bm_tls_sessions_init(struct bm_tls *tls, const struct bm_tls_options *options, struct bm_error *err)
{
	unsigned char policy[EVP_MAX_MD_SIZE];

	if (!digest_options(policy, options) ||
		SSL_CTX_set_session_id_context(tls->context, policy, SSL_MAX_SID_CTX_LENGTH) != 1)
		return bm_error_nomem(err);
	SSL_CTX_set_session_cache_mode(tls->context, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
	SSL_CTX_sess_set_new_cb(tls->context, on_session);
	return BM_OK;
}

void bm_tls_sessions_deinit(struct bm_tls *tls)
{
	while (tls->session_count > 0)
		drop_session(tls, tls->session_count - 1);
}
