/* SPDX-License-Identifier: MIT */
/*
 * A TLS server in the thread of the test, at the other end of a socket pair: it does a step when it is told to, and
 * what it says goes out in pieces as large as the test wants. And the certificates for it.
 */
#ifndef BM_TESTS_TLS_PEER_H
#define BM_TESTS_TLS_PEER_H

#include "net/stream.h"
#include "net/tls.h"

#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <stdbool.h>

#define TLS_PATH_SIZE 64

/* What a certificate is like. */
struct tls_cert_spec {
	const char *name;   /* the common name; NULL: "somebody" */
	const char *san;    /* as OpenSSL writes it: "DNS:a.test,IP:127.0.0.1"; "": an empty list; NULL: none */
	const char *usage;  /* extended key usage; NULL: none */
	int from_days;      /* 0: yesterday */
	int to_days;        /* 0: tomorrow */
	int rsa_bits;       /* 0: P-256 */
	const char *digest; /* NULL: SHA256 */
	bool nul_name;      /* the SAN is "relay.test\0.evil.test" */
	bool ca;
	bool bad_signature;
};

/* A certificate and its key. */
struct tls_identity {
	X509 *certificate;
	EVP_PKEY *key;
};

/* issuer NULL: it signs itself. */
struct tls_identity tls_identity_new(const struct tls_cert_spec *spec, const struct tls_identity *issuer);
void tls_identity_free(struct tls_identity *identity);

/* Files that the test removes: the certificate, with revoked a CRL of it too; the key. */
void tls_write_trust(char path[TLS_PATH_SIZE], const struct tls_identity *authority, X509 *revoked);
void tls_write_identity(char path[TLS_PATH_SIZE], const struct tls_identity *identity);
void tls_write_text(char path[TLS_PATH_SIZE], const char *text);

/* Its SHA-256 in hex, as a pin. */
void tls_pin_of(char out[65], const struct tls_identity *identity);

struct tls_peer {
	SSL_CTX *context;
	SSL *ssl;
	BIO *in;
	BIO *out;
	int fd;
	size_t piece;         /* octets that leave in one step; 0: all that there are */
	size_t most;          /* octets that leave in all; SIZE_MAX: no end */
	size_t said;          /* octets that left */
	const char *greeting; /* said as soon as its side of the handshake is done; NULL: nothing */
};

/* A server context that takes any certificate that there is. */
SSL_CTX *tls_server_context(const struct tls_identity *identity);

/* Borrows context. *client is the other end. */
void tls_peer_open(struct tls_peer *peer, SSL_CTX *context, struct bm_stream **client);
void tls_peer_close(struct tls_peer *peer);

/* Takes in what came, goes on with the handshake, lets out what is to go. */
void tls_peer_step(struct tls_peer *peer);

/* Says octets; they leave with the next steps. */
void tls_peer_say(struct tls_peer *peer, const char *text);

/* What came from the client, decrypted; waits for nothing. */
size_t tls_peer_hear(struct tls_peer *peer, char *out, size_t size);

/* Both sides in turn, until the client's handshake is over: OK or BROKEN; AGAIN: they hang. */
enum bm_stream_status tls_shake(struct bm_stream *client, struct tls_peer *peer);

#endif
