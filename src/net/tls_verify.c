/* SPDX-License-Identifier: MIT */
/*
 * Who the server is (RFC 9525, RFC 5280). OpenSSL builds the chain and holds the name against the certificate; what is
 * ours are the pins and saying in a line what is wrong.
 */
#include "net/tls_own.h"

#include "base/error.h"
#include "base/span.h"
#include "net/clock.h"

#include <arpa/inet.h>
#include <openssl/evp.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NAMES_TOLD 3
#define NAME_SIZE 100
#define NAMES_SIZE (NAMES_TOLD * NAME_SIZE)
#define HEX_SIZE (2 * BM_TLS_PIN_SIZE)
/* 32 octets, padded or not; decoded they are padded to a multiple of 3. */
#define BASE64_SIZE 44
#define BASE64_OCTETS 33

static int hex_value(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	int lower = bm_lower((unsigned char)c);
	return lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : -1;
}

/* Two digits an octet, colons between octets or not. */
static bool take_hex(struct bm_tls_pin *pin, const char *text, size_t size)
{
	size_t at = 0;

	for (size_t i = 0; i < BM_TLS_PIN_SIZE; i++) {
		if (i > 0 && at < size && text[at] == ':')
			at++;
		int high = at < size ? hex_value(text[at]) : -1;
		int low = at + 1 < size ? hex_value(text[at + 1]) : -1;
		if (high < 0 || low < 0)
			return false;
		pin->digest[i] = (unsigned char)(high * 16 + low);
		at += 2;
	}
	return at == size;
}

static bool take_base64(struct bm_tls_pin *pin, const char *text, size_t size)
{
	unsigned char padded[BASE64_SIZE];
	unsigned char octets[BASE64_OCTETS];

	if ((size != BASE64_SIZE && size != BASE64_SIZE - 1) || memchr(text, '=', BASE64_SIZE - 1) != NULL)
		return false;
	memcpy(padded, text, BASE64_SIZE - 1);
	padded[BASE64_SIZE - 1] = '=';
	if ((size == BASE64_SIZE && text[size - 1] != '=') || EVP_DecodeBlock(octets, padded, BASE64_SIZE) != BASE64_OCTETS)
		return false;
	memcpy(pin->digest, octets, BM_TLS_PIN_SIZE);
	return true;
}

static enum bm_code take_pin(struct bm_tls *tls, const char *text, size_t size, struct bm_error *err)
{
	struct bm_tls_pin *pins = realloc(tls->pins, (tls->pin_count + 1) * sizeof *pins);

	if (pins == NULL)
		return bm_error_nomem(err);
	tls->pins = pins;
	if (!take_hex(&pins[tls->pin_count], text, size) && !take_base64(&pins[tls->pin_count], text, size))
		return bm_error_set(err, BM_E_CONF, "",
			"%.*s is no pin: want SHA-256 of a public key, as %d hex digits or base64",
			size > HEX_SIZE ? HEX_SIZE : (int)size, text, HEX_SIZE);
	tls->pin_count++;
	return BM_OK;
}

enum bm_code bm_tls_take_pins(struct bm_tls *tls, const char *pins, struct bm_error *err)
{
	static const char blanks[] = " \t\r\n";
	enum bm_code code = BM_OK;

	for (const char *at = pins == NULL ? "" : pins + strspn(pins, blanks); *at != '\0' && code == BM_OK;) {
		size_t size = strcspn(at, blanks);
		code = take_pin(tls, at, size, err);
		at += size;
		at += strspn(at, blanks);
	}
	return code;
}

/* True as well when the certificate's key cannot be had: nothing fits then. */
static bool is_pinned(const struct bm_tls *tls, X509 *certificate)
{
	unsigned char digest[EVP_MAX_MD_SIZE];
	unsigned char *key = NULL;
	int size = i2d_X509_PUBKEY(X509_get_X509_PUBKEY(certificate), &key);
	bool fits = false;

	if (size > 0 && EVP_Digest(key, (size_t)size, digest, NULL, EVP_sha256(), NULL) == 1) {
		for (size_t i = 0; i < tls->pin_count; i++)
			fits = fits || memcmp(tls->pins[i].digest, digest, BM_TLS_PIN_SIZE) == 0;
	}
	OPENSSL_free(key);
	return fits;
}

static bool name_text(char out[NAME_SIZE], const GENERAL_NAME *name)
{
	char address[INET6_ADDRSTRLEN];
	int type = 0;
	const ASN1_STRING *value = GENERAL_NAME_get0_value(name, &type);

	if (type != GEN_DNS && type != GEN_IPADD)
		return false;
	int size = ASN1_STRING_length(value);
	if (type == GEN_DNS)
		bm_escape(out, NAME_SIZE, ASN1_STRING_get0_data(value), (size_t)size);
	else if ((size == 4 || size == 16) &&
			 inet_ntop(size == 4 ? AF_INET : AF_INET6, ASN1_STRING_get0_data(value), address, sizeof address) != NULL)
		snprintf(out, NAME_SIZE, "address %s", address);
	else
		snprintf(out, NAME_SIZE, "a broken address");
	return true;
}

/* The first of those that the certificate is for, and how many there are. */
static size_t list_names(char out[NAMES_SIZE], X509 *certificate)
{
	GENERAL_NAMES *names = X509_get_ext_d2i(certificate, NID_subject_alt_name, NULL, NULL);
	size_t count = 0;
	char name[NAME_SIZE];

	out[0] = '\0';
	for (int i = 0; i < sk_GENERAL_NAME_num(names); i++) {
		if (!name_text(name, sk_GENERAL_NAME_value(names, i)))
			continue;
		size_t size = strlen(out);
		if (count < NAMES_TOLD)
			snprintf(out + size, NAMES_SIZE - size, "%s%s", count > 0 ? ", " : "", name);
		count++;
	}
	GENERAL_NAMES_free(names);
	return count;
}

static void tell_other_name(struct bm_tls_peer *peer, X509 *certificate)
{
	char names[NAMES_SIZE];
	size_t count = list_names(names, certificate);
	const char *kind = peer->tls->literal ? "address " : "";

	if (count == 0)
		snprintf(peer->reason, sizeof peer->reason, "the certificate is for no host (subjectAltName), not for %s%.100s",
			kind, peer->tls->name);
	else
		snprintf(peer->reason, sizeof peer->reason, "the certificate is for %.120s%s, not for %s%.80s", names,
			count > NAMES_TOLD ? " …" : "", kind, peer->tls->name);
}

static bool is_for_other(int error)
{
	return error == X509_V_ERR_HOSTNAME_MISMATCH || error == X509_V_ERR_IP_ADDRESS_MISMATCH;
}

static bool has_good_chain(struct bm_tls_peer *peer, X509_STORE_CTX *chain)
{
	int error = X509_V_OK;

	if (peer->tls->name == NULL) {
		snprintf(peer->reason, sizeof peer->reason, "there is no name to hold the certificate against");
		return false;
	}
	if (X509_verify_cert(chain) > 0)
		return true;
	error = X509_STORE_CTX_get_error(chain);
	if (is_for_other(error))
		tell_other_name(peer, X509_STORE_CTX_get0_cert(chain));
	else
		snprintf(
			peer->reason, sizeof peer->reason, "certificate verify failed: %s", X509_verify_cert_error_string(error));
	return false;
}

static bool has_pinned_key(struct bm_tls_peer *peer, X509_STORE_CTX *chain)
{
	if (peer->tls->pin_count == 0 || is_pinned(peer->tls, X509_STORE_CTX_get0_cert(chain)))
		return true;
	X509_STORE_CTX_set_error(chain, X509_V_ERR_APPLICATION_VERIFICATION);
	snprintf(peer->reason, sizeof peer->reason, "the certificate's key fits no tls_pin");
	return false;
}

int bm_tls_verify(X509_STORE_CTX *chain, void *user)
{
	const SSL *ssl = X509_STORE_CTX_get_ex_data(chain, SSL_get_ex_data_X509_STORE_CTX_idx());
	struct bm_tls_peer *peer = SSL_get_app_data(ssl);

	(void)user;
	peer->verified = has_pinned_key(peer, chain) && (!peer->tls->chain || has_good_chain(peer, chain));
	peer->verified_ms = bm_clock_monotonic_ms();
	if (!peer->verified && peer->tls->verify)
		return 0;
	peer->reason[0] = '\0';
	return 1;
}

bool bm_tls_is_verified(const SSL *ssl)
{
	const struct bm_tls_peer *peer = SSL_get_app_data(ssl);

	/* only the sessions of verified peers are kept */
	return peer->verified || SSL_session_reused(ssl) == 1;
}
