/* SPDX-License-Identifier: MIT */
#include "sink/tls.h"

#include "base/error.h"
#include "base/number.h"

#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <stdlib.h>
#include <unistd.h>

#define RECORD_MAX (16U << 10)

struct bm_sink_tls_context {
	SSL_CTX *ctx;
};

struct bm_sink_tls {
	SSL *ssl;
	BIO *in;
	BIO *out;
	char *name;
	char error[256];
};

/* The oldest of OpenSSL's complaints, which names the cause. */
static void take_reason(char *to, size_t size)
{
	const char *reason = ERR_reason_error_string(ERR_peek_error());
	(void)snprintf(to, size, "%s", reason == NULL ? "unknown reason" : reason);
	ERR_clear_error();
}

static enum bm_code complain(struct bm_error *err, const char *what)
{
	char reason[128];
	take_reason(reason, sizeof reason);
	return bm_error_set(err, BM_E_CONF, "", "%s: %s", what, reason);
}

static enum bm_code load_certificate(SSL_CTX *ctx, const struct bm_sink_tls_options *options, struct bm_error *err)
{
	const char *key = options->key == NULL ? options->cert : options->key;

	if (access(options->cert, R_OK) != 0)
		return bm_error_set_errno(err, BM_E_MISSING, "", errno, "%s", options->cert);
	if (access(key, R_OK) != 0)
		return bm_error_set_errno(err, BM_E_MISSING, "", errno, "%s", key);
	if (SSL_CTX_use_certificate_chain_file(ctx, options->cert) != 1)
		return complain(err, options->cert);
	if (SSL_CTX_use_PrivateKey_file(ctx, key, SSL_FILETYPE_PEM) != 1)
		return complain(err, key);
	return BM_OK;
}

static int version_number(struct bm_span text)
{
	static const struct {
		const char *text;
		int number;
	} versions[] = {{"1.0", TLS1_VERSION}, {"1.1", TLS1_1_VERSION}, {"1.2", TLS1_2_VERSION}, {"1.3", TLS1_3_VERSION}};

	for (size_t i = 0; i < sizeof versions / sizeof versions[0]; i++)
		if (bm_span_equal(text, bm_span_of(versions[i].text)))
			return versions[i].number;
	return 0;
}

/* Without a range every version, also those that clients should refuse. */
static enum bm_code set_versions(SSL_CTX *ctx, const char *range, struct bm_error *err)
{
	struct bm_span low = bm_span_of(range == NULL ? "1.0-1.3" : range);
	const unsigned char *dash = memchr(low.data, '-', low.size);
	struct bm_span high = low;

	if (dash != NULL) {
		low.size = (size_t)(dash - low.data);
		high = bm_span_make(dash + 1, high.size - low.size - 1);
	}
	int min = version_number(low);
	int max = version_number(high);
	if (min == 0 || max == 0 || min > max)
		return bm_error_set(err, BM_E_USAGE, "", "no range of TLS versions (1.0 to 1.3): %s", range);
	if (SSL_CTX_set_min_proto_version(ctx, min) != 1 || SSL_CTX_set_max_proto_version(ctx, max) != 1)
		return complain(err, "the TLS versions");
	return BM_OK;
}

/* TLS 1.3 has a list of its own, and OpenSSL another function for it. */
static enum bm_code set_ciphers(SSL_CTX *ctx, const char *list, struct bm_error *err)
{
	if (list == NULL)
		return BM_OK;
	bool newer = strncmp(list, "TLS_", 4) == 0;
	int done = newer ? SSL_CTX_set_ciphersuites(ctx, list) : SSL_CTX_set_cipher_list(ctx, list);
	if (done != 1)
		return complain(err, list);
	return BM_OK;
}

static enum bm_code set_tickets(SSL_CTX *ctx, int count, struct bm_error *err)
{
	static const unsigned char id[] = "bulkmail sink";

	if (SSL_CTX_set_session_id_context(ctx, id, sizeof id - 1) != 1)
		return complain(err, "the sessions' id");
	if (count == 0) {
		SSL_CTX_set_options(ctx, SSL_OP_NO_TICKET);
		SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
	}
	if (count >= 0 && SSL_CTX_set_num_tickets(ctx, (size_t)count) != 1)
		return complain(err, "the tickets");
	return BM_OK;
}

static enum bm_code set_client_ca(SSL_CTX *ctx, const char *path, struct bm_error *err)
{
	if (path == NULL)
		return BM_OK;
	if (access(path, R_OK) != 0)
		return bm_error_set_errno(err, BM_E_MISSING, "", errno, "%s", path);
	STACK_OF(X509_NAME) *names = SSL_load_client_CA_file(path);
	if (names == NULL || SSL_CTX_load_verify_file(ctx, path) != 1) {
		sk_X509_NAME_pop_free(names, X509_NAME_free);
		return complain(err, path);
	}
	SSL_CTX_set_client_CA_list(ctx, names);
	SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER, NULL);
	return BM_OK;
}

/* The name is kept, and known to all as right. */
static int on_name(SSL *ssl, int *alert, void *unused)
{
	const char *name = SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name);
	struct bm_sink_tls *tls = SSL_get_app_data(ssl);
	(void)alert;
	(void)unused;
	if (name == NULL || tls->name != NULL)
		return SSL_TLSEXT_ERR_NOACK;
	tls->name = strdup(name);
	return SSL_TLSEXT_ERR_OK;
}

static enum bm_code context_fill(SSL_CTX *ctx, const struct bm_sink_tls_options *options, struct bm_error *err)
{
	/* Weak keys, SHA-1 and old versions are what clients are tried with. */
	SSL_CTX_set_security_level(ctx, 0);
	SSL_CTX_set_dh_auto(ctx, 1);
	SSL_CTX_set_mode(ctx, SSL_MODE_RELEASE_BUFFERS);
	SSL_CTX_set_tlsext_servername_callback(ctx, on_name);
	enum bm_code code = set_versions(ctx, options->versions, err);
	if (code == BM_OK)
		code = set_ciphers(ctx, options->ciphers, err);
	if (code == BM_OK)
		code = load_certificate(ctx, options, err);
	if (code == BM_OK)
		code = set_tickets(ctx, options->tickets, err);
	if (code == BM_OK)
		code = set_client_ca(ctx, options->client_ca, err);
	return code;
}

enum bm_code bm_sink_tls_context_new(
	struct bm_sink_tls_context **out, const struct bm_sink_tls_options *options, struct bm_error *err)
{
	struct bm_sink_tls_context *context = calloc(1, sizeof *context);

	*out = NULL;
	if (context == NULL)
		return bm_error_nomem(err);
	context->ctx = SSL_CTX_new(TLS_server_method());
	enum bm_code code = context->ctx == NULL ? bm_error_nomem(err) : context_fill(context->ctx, options, err);
	if (code != BM_OK) {
		bm_sink_tls_context_free(context);
		return code;
	}
	*out = context;
	return BM_OK;
}

void bm_sink_tls_context_free(struct bm_sink_tls_context *context)
{
	if (context == NULL)
		return;
	SSL_CTX_free(context->ctx);
	free(context);
}

struct bm_sink_tls *bm_sink_tls_new(struct bm_sink_tls_context *context)
{
	struct bm_sink_tls *tls = calloc(1, sizeof *tls);

	if (tls == NULL)
		return NULL;
	tls->ssl = SSL_new(context->ctx);
	tls->in = BIO_new(BIO_s_mem());
	tls->out = BIO_new(BIO_s_mem());
	if (tls->ssl == NULL || tls->in == NULL || tls->out == NULL) {
		BIO_free(tls->in);
		BIO_free(tls->out);
		SSL_free(tls->ssl);
		free(tls);
		return NULL;
	}
	/* An empty input is "not yet", not the end. */
	(void)BIO_set_mem_eof_return(tls->in, -1);
	SSL_set_bio(tls->ssl, tls->in, tls->out);
	SSL_set_app_data(tls->ssl, tls);
	SSL_set_accept_state(tls->ssl);
	return tls;
}

void bm_sink_tls_free(struct bm_sink_tls *tls)
{
	if (tls == NULL)
		return;
	SSL_free(tls->ssl);
	free(tls->name);
	free(tls);
}

static void fail(struct bm_sink_tls *tls)
{
	if (tls->error[0] == '\0')
		take_reason(tls->error, sizeof tls->error);
	ERR_clear_error();
}

void bm_sink_tls_feed(struct bm_sink_tls *tls, const void *data, size_t size)
{
	size_t written = 0;

	if (size > 0 && BIO_write_ex(tls->in, data, size, &written) != 1)
		fail(tls);
}

enum bm_sink_tls_state bm_sink_tls_shake(struct bm_sink_tls *tls)
{
	if (tls->error[0] != '\0')
		return BM_SINK_TLS_FAILED;
	ERR_clear_error();
	int done = SSL_do_handshake(tls->ssl);
	if (done == 1)
		return BM_SINK_TLS_OPEN;
	if (SSL_get_error(tls->ssl, done) == SSL_ERROR_WANT_READ)
		return BM_SINK_TLS_SHAKING;
	fail(tls);
	return BM_SINK_TLS_FAILED;
}

bool bm_sink_tls_read(struct bm_sink_tls *tls, struct bm_buf *in)
{
	size_t got = 0;

	if (bm_buf_reserve(in, RECORD_MAX) != BM_OK)
		return false;
	ERR_clear_error();
	if (SSL_read_ex(tls->ssl, in->data + in->size, RECORD_MAX, &got) != 1)
		return false;
	in->size += got;
	return true;
}

bool bm_sink_tls_write(struct bm_sink_tls *tls, struct bm_span plain)
{
	size_t written = 0;

	ERR_clear_error();
	return plain.size == 0 || SSL_write_ex(tls->ssl, plain.data, plain.size, &written) == 1;
}

bool bm_sink_tls_rekey(struct bm_sink_tls *tls)
{
	ERR_clear_error();
	if (SSL_version(tls->ssl) != TLS1_3_VERSION)
		return SSL_renegotiate(tls->ssl) == 1 && SSL_do_handshake(tls->ssl) == 1;
	return SSL_key_update(tls->ssl, SSL_KEY_UPDATE_REQUESTED) == 1 && SSL_do_handshake(tls->ssl) == 1;
}

void bm_sink_tls_close(struct bm_sink_tls *tls)
{
	ERR_clear_error();
	if (SSL_is_init_finished(tls->ssl))
		(void)SSL_shutdown(tls->ssl);
}

bool bm_sink_tls_drain(struct bm_sink_tls *tls, struct bm_buf *wire)
{
	char *data = NULL;
	long size = BIO_get_mem_data(tls->out, &data);

	if (size <= 0)
		return true;
	if (bm_buf_append(wire, data, (size_t)size) != BM_OK)
		return false;
	(void)BIO_reset(tls->out);
	return true;
}

void bm_sink_tls_facts(const struct bm_sink_tls *tls, struct bm_sink_tls_facts *facts)
{
	X509 *peer = SSL_get0_peer_certificate(tls->ssl);

	*facts = (struct bm_sink_tls_facts){
		.version = SSL_get_version(tls->ssl),
		.cipher = SSL_get_cipher_name(tls->ssl),
		.name = tls->name,
		.resumed = SSL_session_reused(tls->ssl) == 1,
	};
	memcpy(facts->error, tls->error, sizeof facts->error);
	if (peer != NULL)
		(void)X509_NAME_oneline(X509_get_subject_name(peer), facts->subject, (int)sizeof facts->subject);
}

#define EXPORTER_LABEL "EXPORTER-Channel-Binding"
#define EXPORTER_SIZE 32

size_t bm_sink_tls_binding(const struct bm_sink_tls *tls, bool exporter, unsigned char out[BM_SINK_BINDING_MAX])
{
	bool newer = SSL_version(tls->ssl) == TLS1_3_VERSION;

	if (exporter) {
		int done = SSL_export_keying_material(
			tls->ssl, out, EXPORTER_SIZE, EXPORTER_LABEL, sizeof EXPORTER_LABEL - 1, (const unsigned char *)"", 0, 1);
		return done == 1 ? EXPORTER_SIZE : 0;
	}
	if (newer)
		return 0;
	/* The first Finished: the client's, or the server's when a session is resumed. */
	if (SSL_session_reused(tls->ssl))
		return SSL_get_finished(tls->ssl, out, BM_SINK_BINDING_MAX);
	return SSL_get_peer_finished(tls->ssl, out, BM_SINK_BINDING_MAX);
}
