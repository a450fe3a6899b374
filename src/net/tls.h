/* SPDX-License-Identifier: MIT */
/*
 * TLS over a stream (OpenSSL): the second kind of connection. A bm_tls is what the connections to one server share: how
 * much is asked of the peer, whom to trust, and the sessions that can be resumed, which are kept under that policy and
 * no other. Used by one thread.
 */
#ifndef BM_NET_TLS_H
#define BM_NET_TLS_H

#include "bulkmail/errors.h"
#include "net/stream.h"
#include "smtp/smtp.h"

#include <stdbool.h>
#include <stddef.h>

struct bm_tls;

struct bm_tls_options {
	bool verify;           /* the handshake fails unless the peer is who it should be; else that is only found out */
	const char *host;      /* SNI, and the name that the certificate must hold as a SAN, IDN or not; or an address
							  literal, which it must hold as such; NULL or "unix:/path": no name */
	const char *ca_file;   /* PEM: what is in it is trusted, and its CRLs are heeded; NULL: the system's store */
	const char *pins;      /* SHA-256 of the public key (SPKI), hex (colons or not) or base64, joined by blanks; NULL:
							  none. With pins, that of the server's own certificate must be one of them; a CA and the
							  name are then asked for only if ca_file is set */
	const char *cert_file; /* ours, PEM with its chain; NULL: none */
	const char *key_file;  /* its key, without a passphrase; NULL: in cert_file */
};

/*
 * Reads the files. Strings are copied. BM_E_CONF: a bad pin, a certificate that its key does not fit, a key file of
 * ours that others can read, no name where one must be verified; BM_E_MISSING, BM_E_IO; the text names the file. The
 * caller frees *out.
 */
enum bm_code bm_tls_new(struct bm_tls **out, const struct bm_tls_options *options, struct bm_error *err) BM_MUST_CHECK;

/* Streams made with it may go on. NULL is fine. */
void bm_tls_free(struct bm_tls *tls);

/*
 * Puts TLS over under, which it takes when it succeeds; bm_stream_handshake is next, and its failure is never
 * BM_STREAM_END. A session that is kept is offered: those of verified peers are, a ticket of TLS 1.3 for one use.
 * BM_E_PROTOCOL: octets wait in under already, which nobody can have meant for us (CVE-2021-22947).
 */
enum bm_code bm_tls_wrap(
	struct bm_stream **out, struct bm_tls *tls, struct bm_stream *under, struct bm_error *err) BM_MUST_CHECK;

/* Of a stream whose handshake is done: valid as long as it. */
const struct bm_smtp_channel *bm_tls_channel(const struct bm_stream *stream);

/* "TLSv1.3 TLS_AES_256_GCM_SHA384", for the log; resumed: it took no certificate. */
const char *bm_tls_version(const struct bm_stream *stream, bool *resumed);

#endif
