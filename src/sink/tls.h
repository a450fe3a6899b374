/* SPDX-License-Identifier: MIT */
/*
 * The server's side of TLS without a socket: octets of the wire in and out at one end, plain ones at the other. It
 * takes any certificate and any version that OpenSSL still has: clients are to be tried with bad ones.
 */
#ifndef BM_SINK_TLS_H
#define BM_SINK_TLS_H

#include "base/buf.h"
#include "bulkmail/errors.h"

#include <stdbool.h>
#include <stddef.h>

struct bm_sink_tls_options {
	const char *cert;      /* PEM, with its chain */
	const char *key;       /* NULL: in cert */
	const char *versions;  /* "1.2" or "1.0-1.1"; NULL: all */
	const char *ciphers;   /* OpenSSL's words; NULL: its default */
	int tickets;           /* how many after a handshake; 0: none, and no session is resumed; -1: OpenSSL's default */
	const char *client_ca; /* asks for a client's certificate that this CA signed; NULL: does not ask */
};

/* What the connections share: certificate, policy, sessions to resume. */
struct bm_sink_tls_context;

/* BM_E_MISSING, BM_E_CONF; the text names the file. */
enum bm_code bm_sink_tls_context_new(
	struct bm_sink_tls_context **out, const struct bm_sink_tls_options *options, struct bm_error *err) BM_MUST_CHECK;
void bm_sink_tls_context_free(struct bm_sink_tls_context *context);

struct bm_sink_tls;

enum bm_sink_tls_state {
	BM_SINK_TLS_SHAKING,
	BM_SINK_TLS_OPEN,
	BM_SINK_TLS_FAILED,
};

/* NULL without memory. The context must outlive it. */
struct bm_sink_tls *bm_sink_tls_new(struct bm_sink_tls_context *context);
void bm_sink_tls_free(struct bm_sink_tls *tls);

/* Octets from the wire. */
void bm_sink_tls_feed(struct bm_sink_tls *tls, const void *data, size_t size);

/* Goes on with the handshake as far as what was fed allows. */
enum bm_sink_tls_state bm_sink_tls_shake(struct bm_sink_tls *tls);

/* Adds one record's plain octets to in; false when there are none yet. */
bool bm_sink_tls_read(struct bm_sink_tls *tls, struct bm_buf *in);

/* Plain octets for the client; false without memory or behind the end. */
bool bm_sink_tls_write(struct bm_sink_tls *tls, struct bm_span plain);

/* Asks the client for new keys (1.3), or for another handshake (before). */
bool bm_sink_tls_rekey(struct bm_sink_tls *tls);

/* Says that nothing more comes (close_notify). */
void bm_sink_tls_close(struct bm_sink_tls *tls);

/* Moves what is to go over the wire; false without memory. */
bool bm_sink_tls_drain(struct bm_sink_tls *tls, struct bm_buf *wire);

struct bm_sink_tls_facts {
	const char *version;
	const char *cipher;
	const char *name; /* SNI, NULL: none */
	bool resumed;
	char subject[256]; /* of the client's certificate, "": none */
	char error[256];   /* why the handshake failed, "" */
};

void bm_sink_tls_facts(const struct bm_sink_tls *tls, struct bm_sink_tls_facts *facts);

#define BM_SINK_BINDING_MAX 64

/* What SASL binds to: tls-exporter (RFC 9266) or tls-unique (RFC 5929); its size, 0 when there is none. */
size_t bm_sink_tls_binding(const struct bm_sink_tls *tls, bool exporter, unsigned char out[BM_SINK_BINDING_MAX]);

#endif
