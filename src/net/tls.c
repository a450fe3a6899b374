/* SPDX-License-Identifier: MIT */
/*
 * What the connections to one server share (RFC 8446, RFC 5246, RFC 9325): TLS 1.2 or 1.3, no compression, no
 * renegotiation, no cipher without authentication or encryption. The security level is at least 2, whatever the
 * system's is: it refuses keys below 112 bits of strength (RSA below 2048) and signatures with SHA-1, the peer's
 * certificates included. 3 would refuse RSA 2048, which most servers have.
 */
#include "net/tls_own.h"

#include "base/error.h"
#include "base/span.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <idn2.h>
#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define SECURITY_LEVEL 2

static const char ciphers[] = "DEFAULT:!aNULL:!eNULL:!EXPORT:!LOW:!RC4:!3DES:!MD5:!PSK:!SRP:!DSS";

/* One line of OpenSSL's for what went wrong last. */
static const char *last_error(void)
{
	const char *text = ERR_reason_error_string(ERR_peek_last_error());
	return text != NULL ? text : "nothing to use in it";
}

/* private: nobody else may read it, as with passwords. */
static enum bm_code check_file(const char *path, bool private, struct bm_error *err)
{
	struct stat found;
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);

	if (fd < 0) {
		enum bm_code code = errno == ENOENT || errno == ENOTDIR ? BM_E_MISSING : BM_E_IO;
		return bm_error_set_errno(err, code, "", errno, "%s cannot be read", path);
	}
	int failed = fstat(fd, &found);
	int saved = errno;
	close(fd);
	if (failed != 0)
		return bm_error_set_errno(err, BM_E_IO, "", saved, "%s cannot be read", path);
	if (S_ISDIR(found.st_mode))
		return bm_error_set_errno(err, BM_E_IO, "", EISDIR, "%s cannot be read", path);
	if (private && (found.st_mode & (S_IRWXG | S_IRWXO)) != 0)
		return bm_error_set(err, BM_E_CONF, "", "%s holds a key and others can read it: chmod 600", path);
	if (private && found.st_uid != geteuid() && found.st_uid != 0)
		return bm_error_set(err, BM_E_CONF, "", "%s holds a key and belongs to uid %u, neither us nor root", path,
			(unsigned)found.st_uid);
	return BM_OK;
}

/* A key with a passphrase is refused, nobody being asked. */
static int no_passphrase(char *buffer, int size, int writing, void *user)
{
	(void)buffer;
	(void)size;
	(void)writing;
	(void)user;
	return -1;
}

static enum bm_code take_certificate(struct bm_tls *tls, const struct bm_tls_options *options, struct bm_error *err)
{
	const char *key = options->key_file != NULL ? options->key_file : options->cert_file;

	if (options->cert_file == NULL)
		return options->key_file == NULL ? BM_OK
										 : bm_error_set(err, BM_E_CONF, "", "%s: a key without a certificate", key);
	enum bm_code code = check_file(options->cert_file, false, err);
	if (code == BM_OK)
		code = check_file(key, true, err);
	if (code != BM_OK)
		return code;
	SSL_CTX_set_default_passwd_cb(tls->context, no_passphrase);
	if (SSL_CTX_use_certificate_chain_file(tls->context, options->cert_file) != 1)
		return bm_error_set(err, BM_E_CONF, "", "%s: no certificate: %s", options->cert_file, last_error());
	if (SSL_CTX_use_PrivateKey_file(tls->context, key, SSL_FILETYPE_PEM) != 1)
		return bm_error_set(err, BM_E_CONF, "", "%s: no key that fits %s: %s", key, options->cert_file, last_error());
	return BM_OK;
}

static bool holds_revocations(SSL_CTX *context)
{
	const STACK_OF(X509_OBJECT) *objects = X509_STORE_get0_objects(SSL_CTX_get_cert_store(context));

	for (int i = 0; i < sk_X509_OBJECT_num(objects); i++) {
		if (X509_OBJECT_get_type(sk_X509_OBJECT_value(objects, i)) == X509_LU_CRL)
			return true;
	}
	return false;
}

/* What is in the file is trusted, an intermediate CA or the server's own certificate too; and its CRLs are heeded. */
static enum bm_code take_trust(struct bm_tls *tls, const char *ca_file, struct bm_error *err)
{
	if (ca_file == NULL)
		return SSL_CTX_set_default_verify_paths(tls->context) == 1 ? BM_OK : bm_error_nomem(err);
	enum bm_code code = check_file(ca_file, false, err);
	if (code != BM_OK)
		return code;
	if (SSL_CTX_load_verify_file(tls->context, ca_file) != 1)
		return bm_error_set(err, BM_E_CONF, "", "%s: no CA certificate: %s", ca_file, last_error());
	unsigned long flags = X509_V_FLAG_PARTIAL_CHAIN;
	if (holds_revocations(tls->context))
		flags |= X509_V_FLAG_CRL_CHECK;
	return X509_VERIFY_PARAM_set_flags(SSL_CTX_get0_param(tls->context), flags) == 1 ? BM_OK : bm_error_nomem(err);
}

static bool is_literal(const char *host)
{
	unsigned char octets[sizeof(struct in6_addr)];
	return inet_pton(AF_INET, host, octets) == 1 || inet_pton(AF_INET6, host, octets) == 1;
}

/* A literal without brackets, a name as an A-label without the root's dot. "unix:/path" is no name. */
static enum bm_code take_name(struct bm_tls *tls, const char *host, struct bm_error *err)
{
	uint8_t *ascii = NULL;

	if (host == NULL || host[0] == '\0' || strchr(host, '/') != NULL)
		return BM_OK;
	size_t size = strlen(host);
	bool bracketed = host[0] == '[' && host[size - 1] == ']';
	tls->name = bracketed ? strndup(host + 1, size - 2) : strdup(host);
	if (tls->name == NULL)
		return bm_error_nomem(err);
	tls->literal = is_literal(tls->name);
	if (!tls->literal && !bm_span_is_ascii(bm_span_of(tls->name))) {
		int failed = idn2_lookup_u8((const uint8_t *)tls->name, &ascii, IDN2_NONTRANSITIONAL | IDN2_NFC_INPUT);
		if (failed == IDN2_MALLOC)
			return bm_error_nomem(err);
		if (failed != IDN2_OK)
			return bm_error_set(err, BM_E_CONF, "", "%s: the name has no ASCII form", host);
		free(tls->name);
		tls->name = (char *)ascii;
	}
	size = strlen(tls->name);
	if (!tls->literal && size > 1 && tls->name[size - 1] == '.')
		tls->name[size - 1] = '\0';
	/* to OpenSSL that would be any name below it */
	return tls->name[0] != '.' ? BM_OK : bm_error_set(err, BM_E_CONF, "", "%s is no host name", host);
}

/* RFC 9525: subjectAltName alone, and a wildcard stands for the whole left-most label or not at all. */
static enum bm_code ask_for_name(struct bm_tls *tls, struct bm_error *err)
{
	X509_VERIFY_PARAM *param = SSL_CTX_get0_param(tls->context);
	const char *name = tls->name;

	X509_VERIFY_PARAM_set_hostflags(param, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS | X509_CHECK_FLAG_NEVER_CHECK_SUBJECT);
	if (name == NULL && tls->verify && tls->chain)
		return bm_error_set(err, BM_E_CONF, "", "there is no host name to hold the server's certificate against");
	if (name == NULL)
		return BM_OK;
	int done = tls->literal ? X509_VERIFY_PARAM_set1_ip_asc(param, name) : X509_VERIFY_PARAM_set1_host(param, name, 0);
	return done == 1 ? BM_OK : bm_error_nomem(err);
}

static enum bm_code make_context(struct bm_tls *tls, struct bm_error *err)
{
	tls->context = SSL_CTX_new(TLS_client_method());
	tls->carrier = bm_tls_carrier_new();
	if (tls->context == NULL || tls->carrier == NULL || SSL_CTX_set_cipher_list(tls->context, ciphers) != 1)
		return bm_error_nomem(err);
	/* the system's configuration may ask for more, not for less */
	if (SSL_CTX_get_min_proto_version(tls->context) < TLS1_2_VERSION &&
		SSL_CTX_set_min_proto_version(tls->context, TLS1_2_VERSION) != 1)
		return bm_error_nomem(err);
	if (SSL_CTX_get_security_level(tls->context) < SECURITY_LEVEL)
		SSL_CTX_set_security_level(tls->context, SECURITY_LEVEL);
	SSL_CTX_set_options(tls->context, SSL_OP_NO_COMPRESSION | SSL_OP_NO_RENEGOTIATION);
	SSL_CTX_set_mode(tls->context, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
	/* many records a system call */
	SSL_CTX_set_read_ahead(tls->context, 1);
	SSL_CTX_set_verify(tls->context, SSL_VERIFY_PEER, NULL);
	SSL_CTX_set_cert_verify_callback(tls->context, bm_tls_verify, NULL);
	return BM_OK;
}

static enum bm_code take_options(struct bm_tls *tls, const struct bm_tls_options *options, struct bm_error *err)
{
	enum bm_code code = make_context(tls, err);
	if (code == BM_OK)
		code = bm_tls_sessions_init(tls, options, err);
	if (code == BM_OK)
		code = bm_tls_take_pins(tls, options->pins, err);
	tls->verify = options->verify;
	tls->chain = tls->pin_count == 0 || options->ca_file != NULL;
	if (code == BM_OK)
		code = take_name(tls, options->host, err);
	if (code == BM_OK)
		code = ask_for_name(tls, err);
	if (code == BM_OK)
		code = take_trust(tls, options->ca_file, err);
	return code == BM_OK ? take_certificate(tls, options, err) : code;
}

enum bm_code bm_tls_new(struct bm_tls **out, const struct bm_tls_options *options, struct bm_error *err)
{
	*out = NULL;
	struct bm_tls *tls = calloc(1, sizeof *tls);
	if (tls == NULL)
		return bm_error_nomem(err);
	tls->holders = 1;
	ERR_clear_error();
	enum bm_code code = take_options(tls, options, err);
	ERR_clear_error();
	if (code != BM_OK) {
		bm_tls_free(tls);
		return code;
	}
	*out = tls;
	return BM_OK;
}

void bm_tls_free(struct bm_tls *tls)
{
	if (tls == NULL || --tls->holders > 0)
		return;
	bm_tls_sessions_deinit(tls);
	SSL_CTX_free(tls->context);
	BIO_meth_free(tls->carrier);
	free(tls->pins);
	free(tls->name);
	free(tls);
}
