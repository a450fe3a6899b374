/* SPDX-License-Identifier: MIT */
#include "tls_peer.h"

#include "../unit.h"
#include "net/stream_ops.h"

#include <fcntl.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define DAY 86400L
#define TURNS_MAX 100000

static EVP_PKEY *make_key(int rsa_bits)
{
	EVP_PKEY *key = rsa_bits > 0 ? EVP_RSA_gen((unsigned)rsa_bits) : EVP_EC_gen("P-256");
	assert_non_null(key);
	return key;
}

static void add_extension(X509 *certificate, X509 *issuer, int nid, const char *value)
{
	X509V3_CTX context;
	X509V3_set_ctx(&context, issuer, certificate, NULL, NULL, 0);
	X509_EXTENSION *extension = X509V3_EXT_conf_nid(NULL, &context, nid, value);
	assert_non_null(extension);
	assert_int_equal(X509_add_ext(certificate, extension, -1), 1);
	X509_EXTENSION_free(extension);
}

/* What OpenSSL's text form cannot say. */
static void add_raw_names(X509 *certificate, bool nul_name)
{
	static const char text[] = "relay.test\0.evil.test";
	GENERAL_NAMES *names = sk_GENERAL_NAME_new_null();
	if (nul_name) {
		GENERAL_NAME *name = GENERAL_NAME_new();
		ASN1_IA5STRING *value = ASN1_IA5STRING_new();
		assert_int_equal(ASN1_STRING_set(value, text, sizeof text - 1), 1);
		GENERAL_NAME_set0_value(name, GEN_DNS, value);
		sk_GENERAL_NAME_push(names, name);
	}
	assert_int_equal(X509_add1_ext_i2d(certificate, NID_subject_alt_name, names, 0, 0), 1);
	GENERAL_NAMES_free(names);
}

static void add_extensions(X509 *certificate, X509 *issuer, const struct tls_cert_spec *spec)
{
	add_extension(certificate, issuer, NID_basic_constraints, spec->ca ? "critical,CA:TRUE" : "CA:FALSE");
	if (spec->usage != NULL)
		add_extension(certificate, issuer, NID_ext_key_usage, spec->usage);
	if (spec->nul_name || (spec->san != NULL && spec->san[0] == '\0'))
		add_raw_names(certificate, spec->nul_name);
	else if (spec->san != NULL)
		add_extension(certificate, issuer, NID_subject_alt_name, spec->san);
}

static void spoil_signature(X509 *certificate)
{
	const ASN1_BIT_STRING *signature = NULL;
	X509_get0_signature(&signature, NULL, certificate);
	signature->data[signature->length - 1] ^= 1;
}

struct tls_identity tls_identity_new(const struct tls_cert_spec *spec, const struct tls_identity *issuer)
{
	static const char nobody[] = "somebody";
	struct tls_identity made = {.certificate = X509_new(), .key = make_key(spec->rsa_bits)};
	X509_NAME *name = X509_get_subject_name(made.certificate);
	const struct tls_identity *signer = issuer != NULL ? issuer : &made;
	const char *text = spec->name != NULL ? spec->name : nobody;

	assert_int_equal(X509_set_version(made.certificate, X509_VERSION_3), 1);
	assert_int_equal(X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_UTF8, (const unsigned char *)text, -1, -1, 0), 1);
	assert_int_equal(X509_set_issuer_name(made.certificate, X509_get_subject_name(signer->certificate)), 1);
	assert_int_equal(ASN1_INTEGER_set(X509_get_serialNumber(made.certificate), spec->ca ? 1 : 7), 1);
	X509_gmtime_adj(X509_getm_notBefore(made.certificate), (spec->from_days != 0 ? spec->from_days : -1) * DAY);
	X509_gmtime_adj(X509_getm_notAfter(made.certificate), (spec->to_days != 0 ? spec->to_days : 1) * DAY);
	assert_int_equal(X509_set_pubkey(made.certificate, made.key), 1);
	add_extensions(made.certificate, signer->certificate, spec);
	const EVP_MD *digest = EVP_get_digestbyname(spec->digest != NULL ? spec->digest : "SHA256");
	assert_true(X509_sign(made.certificate, signer->key, digest) > 0);
	if (spec->bad_signature)
		spoil_signature(made.certificate);
	return made;
}

void tls_identity_free(struct tls_identity *identity)
{
	X509_free(identity->certificate);
	EVP_PKEY_free(identity->key);
}

static FILE *open_file(char path[TLS_PATH_SIZE])
{
	snprintf(path, TLS_PATH_SIZE, "/tmp/bulkmail-test-tls-XXXXXX");
	int fd = mkstemp(path);
	assert_true(fd >= 0);
	FILE *file = fdopen(fd, "w");
	assert_non_null(file);
	return file;
}

static void write_revocation(FILE *file, const struct tls_identity *authority, X509 *revoked)
{
	X509_CRL *list = X509_CRL_new();
	ASN1_TIME *begun = X509_gmtime_adj(NULL, -DAY);
	ASN1_TIME *next = X509_gmtime_adj(NULL, DAY);
	X509_REVOKED *entry = X509_REVOKED_new();
	assert_int_equal(X509_CRL_set_issuer_name(list, X509_get_subject_name(authority->certificate)), 1);
	assert_int_equal(X509_CRL_set1_lastUpdate(list, begun), 1);
	assert_int_equal(X509_CRL_set1_nextUpdate(list, next), 1);
	assert_int_equal(X509_REVOKED_set_serialNumber(entry, X509_get_serialNumber(revoked)), 1);
	assert_int_equal(X509_REVOKED_set_revocationDate(entry, begun), 1);
	assert_int_equal(X509_CRL_add0_revoked(list, entry), 1);
	assert_true(X509_CRL_sign(list, authority->key, EVP_sha256()) > 0);
	assert_int_equal(PEM_write_X509_CRL(file, list), 1);
	ASN1_TIME_free(begun);
	ASN1_TIME_free(next);
	X509_CRL_free(list);
}

void tls_write_trust(char path[TLS_PATH_SIZE], const struct tls_identity *authority, X509 *revoked)
{
	FILE *file = open_file(path);
	assert_int_equal(PEM_write_X509(file, authority->certificate), 1);
	if (revoked != NULL)
		write_revocation(file, authority, revoked);
	assert_int_equal(fclose(file), 0);
}

void tls_write_identity(char path[TLS_PATH_SIZE], const struct tls_identity *identity)
{
	FILE *file = open_file(path);
	assert_int_equal(PEM_write_X509(file, identity->certificate), 1);
	assert_int_equal(PEM_write_PrivateKey(file, identity->key, NULL, NULL, 0, NULL, NULL), 1);
	assert_int_equal(fclose(file), 0);
}

void tls_write_text(char path[TLS_PATH_SIZE], const char *text)
{
	FILE *file = open_file(path);
	fputs(text, file);
	assert_int_equal(fclose(file), 0);
}

void tls_pin_of(char out[65], const struct tls_identity *identity)
{
	unsigned char digest[EVP_MAX_MD_SIZE];
	unsigned char *key = NULL;
	int size = i2d_PUBKEY(identity->key, &key);
	assert_true(size > 0);
	assert_int_equal(EVP_Digest(key, (size_t)size, digest, NULL, EVP_sha256(), NULL), 1);
	OPENSSL_free(key);
	for (size_t i = 0; i < 32; i++)
		snprintf(out + 2 * i, 3, "%02x", digest[i]);
}

SSL_CTX *tls_server_context(const struct tls_identity *identity)
{
	SSL_CTX *context = SSL_CTX_new(TLS_server_method());
	assert_non_null(context);
	SSL_CTX_set_security_level(context, 0);
	assert_int_equal(SSL_CTX_set_min_proto_version(context, 0), 1);
	assert_int_equal(SSL_CTX_set_session_id_context(context, (const unsigned char *)"peer", 4), 1);
	if (identity != NULL) {
		assert_int_equal(SSL_CTX_use_certificate(context, identity->certificate), 1);
		assert_int_equal(SSL_CTX_use_PrivateKey(context, identity->key), 1);
	}
	return context;
}

void tls_peer_open(struct tls_peer *peer, SSL_CTX *context, struct bm_stream **client)
{
	int fds[2];
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, fds), 0);
	assert_int_equal(bm_stream_new_socket(client, fds[0], NULL), BM_OK);
	*peer = (struct tls_peer){.context = context, .fd = fds[1], .most = SIZE_MAX};
	peer->in = BIO_new(BIO_s_mem());
	peer->out = BIO_new(BIO_s_mem());
	peer->ssl = SSL_new(context);
	assert_non_null(peer->ssl);
	SSL_set_bio(peer->ssl, peer->in, peer->out);
	SSL_set_accept_state(peer->ssl);
}

void tls_peer_close(struct tls_peer *peer)
{
	SSL_free(peer->ssl);
	if (peer->fd >= 0)
		close(peer->fd);
	ERR_clear_error();
}

static void take_in(struct tls_peer *peer)
{
	char octets[8192];
	ssize_t got = 0;
	while ((got = recv(peer->fd, octets, sizeof octets, 0)) > 0)
		assert_int_equal(BIO_write(peer->in, octets, (int)got), got);
}

static void let_out(struct tls_peer *peer)
{
	char *octets = NULL;
	size_t size = (size_t)BIO_get_mem_data(peer->out, &octets);
	if (peer->piece > 0 && size > peer->piece)
		size = peer->piece;
	if (size > peer->most - peer->said)
		size = peer->most - peer->said;
	ssize_t put = size > 0 ? send(peer->fd, octets, size, MSG_NOSIGNAL) : 0;
	if (put <= 0)
		return;
	char *gone = malloc((size_t)put);
	assert_int_equal(BIO_read(peer->out, gone, (int)put), put);
	free(gone);
	peer->said += (size_t)put;
}

void tls_peer_step(struct tls_peer *peer)
{
	if (peer->fd < 0)
		return;
	take_in(peer);
	if (SSL_is_init_finished(peer->ssl) == 0 && SSL_do_handshake(peer->ssl) == 1 && peer->greeting != NULL)
		tls_peer_say(peer, peer->greeting);
	let_out(peer);
	ERR_clear_error();
}

void tls_peer_say(struct tls_peer *peer, const char *text)
{
	assert_int_equal(SSL_write(peer->ssl, text, (int)strlen(text)), (int)strlen(text));
}

size_t tls_peer_hear(struct tls_peer *peer, char *out, size_t size)
{
	size_t heard = 0;
	size_t got = 0;
	tls_peer_step(peer);
	while (heard < size && SSL_read_ex(peer->ssl, out + heard, size - heard, &got) == 1)
		heard += got;
	ERR_clear_error();
	return heard;
}

enum bm_stream_status tls_shake(struct bm_stream *client, struct tls_peer *peer)
{
	bool want_write = false;
	for (int turn = 0; turn < TURNS_MAX; turn++) {
		enum bm_stream_status status = bm_stream_handshake(client, &want_write);
		tls_peer_step(peer);
		if (status != BM_STREAM_AGAIN)
			return status;
	}
	return BM_STREAM_AGAIN;
}
