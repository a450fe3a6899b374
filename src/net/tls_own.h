/* SPDX-License-Identifier: MIT */
/* What the parts of TLS share: who is trusted (tls_verify.c), what can be resumed (tls_session.c), the stream. */
#ifndef BM_NET_TLS_OWN_H
#define BM_NET_TLS_OWN_H

#include "net/tls.h"

#include <openssl/ssl.h>
#include <openssl/x509_vfy.h>

#define BM_TLS_PIN_SIZE 32
#define BM_TLS_REASON_MAX 256
#define BM_TLS_SESSIONS_MAX 64
/* Plain octets of one record. */
#define BM_TLS_RECORD_SIZE 16384

struct bm_tls_pin {
	unsigned char digest[BM_TLS_PIN_SIZE];
};

struct bm_tls_session {
	SSL_SESSION *session;
	uint64_t verified_ms; /* when the peer showed its certificate, monotonic */
};

struct bm_tls {
	size_t holders; /* whoever made it, and each of its streams */
	SSL_CTX *context;
	BIO_METHOD *carrier; /* how OpenSSL reaches the stream underneath */
	char *name;          /* for SNI and the certificate; NULL: none */
	bool literal;        /* name is an address */
	bool verify;
	bool chain; /* a CA and the name are asked for */
	struct bm_tls_pin *pins;
	size_t pin_count;
	struct bm_tls_session sessions[BM_TLS_SESSIONS_MAX]; /* oldest first */
	size_t session_count;
	unsigned char record[BM_TLS_RECORD_SIZE]; /* where small spans come together */
};

/* The peer of one connection, as far as it is known; the application data of its SSL. */
struct bm_tls_peer {
	struct bm_tls *tls;
	bool verified;        /* by its certificate */
	uint64_t verified_ms; /* when; or when the one was whose session is offered */
	char reason[BM_TLS_REASON_MAX];
};

/* BM_E_CONF: one of them is no pin. */
enum bm_code bm_tls_take_pins(struct bm_tls *tls, const char *pins, struct bm_error *err) BM_MUST_CHECK;

/* For SSL_CTX_set_cert_verify_callback: looks at the certificate and sets verified, or the reason. */
int bm_tls_verify(X509_STORE_CTX *chain, void *user);

/* Sets the context up for sessions of this policy alone. */
enum bm_code bm_tls_sessions_init(
	struct bm_tls *tls, const struct bm_tls_options *options, struct bm_error *err) BM_MUST_CHECK;

/* Offers a kept session to the server; without one nothing is done. */
void bm_tls_session_offer(struct bm_tls *tls, SSL *ssl);
void bm_tls_sessions_deinit(struct bm_tls *tls);

/* The peer is who it should be, by its certificate or as the one whose session this resumes. */
bool bm_tls_is_verified(const SSL *ssl);

BIO_METHOD *bm_tls_carrier_new(void);

#endif
