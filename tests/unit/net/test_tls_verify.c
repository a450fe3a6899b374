/* SPDX-License-Identifier: MIT */
/* Who is taken for the server, and what is said of who is not. */
#include "tls_peer.h"

#include "../unit.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct fixture {
	struct tls_identity authority;
	struct tls_identity stranger; /* a CA that is not trusted */
	char trust[TLS_PATH_SIZE];
};

static int set_up(void **state)
{
	static struct fixture fixture;
	static const struct tls_cert_spec ca = {.name = "Test CA", .ca = true, .to_days = 10};
	static const struct tls_cert_spec other = {.name = "Other CA", .ca = true, .to_days = 10};
	fixture.authority = tls_identity_new(&ca, NULL);
	fixture.stranger = tls_identity_new(&other, NULL);
	tls_write_trust(fixture.trust, &fixture.authority, NULL);
	*state = &fixture;
	return 0;
}

static int tear_down(void **state)
{
	struct fixture *fixture = *state;
	unlink(fixture->trust);
	tls_identity_free(&fixture->authority);
	tls_identity_free(&fixture->stranger);
	return 0;
}

/* What a handshake came to. */
struct verdict {
	enum bm_stream_status status;
	bool verified;
	char reason[256];
};

static struct verdict meet(const struct bm_tls_options *options, SSL_CTX *server)
{
	struct verdict verdict = {.verified = false};
	struct tls_peer peer;
	struct bm_stream *stream = NULL;
	struct bm_stream *under = NULL;
	struct bm_tls *tls = NULL;
	tls_peer_open(&peer, server, &under);
	assert_int_equal(bm_tls_new(&tls, options, NULL), BM_OK);
	assert_int_equal(bm_tls_wrap(&stream, tls, under, NULL), BM_OK);
	verdict.status = tls_shake(stream, &peer);
	verdict.verified = verdict.status == BM_STREAM_OK && bm_tls_channel(stream)->verified;
	snprintf(
		verdict.reason, sizeof verdict.reason, "%s", verdict.status == BM_STREAM_OK ? "" : bm_stream_reason(stream));
	bm_stream_free(stream);
	bm_tls_free(tls);
	tls_peer_close(&peer);
	return verdict;
}

static struct verdict meet_identity(const struct bm_tls_options *options, const struct tls_identity *identity)
{
	SSL_CTX *server = tls_server_context(identity);
	struct verdict verdict = meet(options, server);
	SSL_CTX_free(server);
	return verdict;
}

struct row {
	const char *what;
	const char *host; /* NULL: relay.test */
	struct tls_cert_spec spec;
	const char *reason; /* NULL: it is good */
	enum { BY_CA, BY_STRANGER, BY_ITSELF } signer;
};

static void check_row(const struct fixture *fixture, const struct row *row)
{
	const struct tls_identity *signers[] = {&fixture->authority, &fixture->stranger, NULL};
	struct tls_identity identity = tls_identity_new(&row->spec, signers[row->signer]);
	struct bm_tls_options options = {
		.verify = true, .host = row->host != NULL ? row->host : "relay.test", .ca_file = fixture->trust};
	struct verdict verdict = meet_identity(&options, &identity);
	if (row->reason == NULL && verdict.status != BM_STREAM_OK)
		fail_msg("%s: %s", row->what, verdict.reason);
	if (row->reason != NULL && (verdict.status != BM_STREAM_BROKEN || strstr(verdict.reason, row->reason) == NULL))
		fail_msg("%s: status %d, %s", row->what, (int)verdict.status, verdict.reason);
	assert_int_equal(verdict.verified, row->reason == NULL);
	options.verify = false;
	verdict = meet_identity(&options, &identity);
	assert_int_equal(verdict.status, BM_STREAM_OK);
	assert_int_equal(verdict.verified, row->reason == NULL);
	tls_identity_free(&identity);
}

/* conformance: 45 */
static void takes_who_is_meant(void **state)
{
	static const struct row rows[] = {
		{.what = "name", .spec = {.san = "DNS:relay.test"}},
		{.what = "one of several", .spec = {.san = "DNS:a.test,DNS:relay.test,IP:10.0.0.1"}},
		{.what = "upper case", .host = "RELAY.test", .spec = {.san = "DNS:relay.TEST"}},
		{.what = "the root's dot", .host = "relay.test.", .spec = {.san = "DNS:relay.test"}},
		{.what = "wildcard", .host = "mx.relay.test", .spec = {.san = "DNS:*.relay.test"}},
		{.what = "IPv4", .host = "127.0.0.1", .spec = {.san = "IP:127.0.0.1"}},
		{.what = "IPv6", .host = "[::1]", .spec = {.san = "IP:::1"}},
		{.what = "IDN",
			.host = "b\xc3\xbc"
					"cher.test",
			.spec = {.san = "DNS:xn--bcher-kva.test"}},
		{.what = "usage", .spec = {.san = "DNS:relay.test", .usage = "serverAuth"}},
	};
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
		check_row(*state, &rows[i]);
}

/* conformance: 45, A06, A07 */
static void refuses_all_others_and_says_why(void **state)
{
	static const struct row rows[] = {
		{.what = "self-signed",
			.spec = {.san = "DNS:relay.test"},
			.signer = BY_ITSELF,
			.reason = "self-signed certificate"},
		{.what = "expired",
			.spec = {.san = "DNS:relay.test", .from_days = -9, .to_days = -2},
			.reason = "certificate has expired"},
		{.what = "too early",
			.spec = {.san = "DNS:relay.test", .from_days = 1, .to_days = 9},
			.reason = "certificate is not yet valid"},
		{.what = "other host",
			.spec = {.san = "DNS:evil.test"},
			.reason = "the certificate is for evil.test, not for relay.test"},
		{.what = "longer in front", .spec = {.san = "DNS:evilrelay.test"}, .reason = "is for evilrelay.test,"},
		{.what = "longer behind", .spec = {.san = "DNS:relay.test.evil"}, .reason = "is for relay.test.evil,"},
		{.what = "a part",
			.host = "mx.relay.test",
			.spec = {.san = "DNS:relay.test"},
			.reason = "is for relay.test, not for mx"},
		{.what = "many names",
			.spec = {.san = "DNS:a.test,DNS:b.test,DNS:c.test,DNS:d.test"},
			.reason = "a.test, b.test, c.test …, not"},
		{.what = "common name only", .spec = {.name = "relay.test"}, .reason = "for no host (subjectAltName)"},
		{.what = "common name beside",
			.spec = {.name = "relay.test", .san = "DNS:other.test"},
			.reason = "is for other.test"},
		{.what = "no names", .spec = {.name = "relay.test", .san = ""}, .reason = "for no host (subjectAltName)"},
		{.what = "mail address", .spec = {.san = "email:a@relay.test"}, .reason = "for no host (subjectAltName)"},
		{.what = "all of a top level", .spec = {.san = "DNS:*.test"}, .reason = "is for *.test, not"},
		{.what = "anything", .spec = {.san = "DNS:*"}, .reason = "is for *, not"},
		{.what = "part of a label",
			.host = "mx1.relay.test",
			.spec = {.san = "DNS:mx*.relay.test"},
			.reason = "is for mx*.relay"},
		{.what = "inner label",
			.host = "a.b.relay.test",
			.spec = {.san = "DNS:a.*.relay.test"},
			.reason = "is for a.*.relay"},
		{.what = "two labels",
			.host = "a.b.relay.test",
			.spec = {.san = "DNS:*.relay.test"},
			.reason = "is for *.relay"},
		{.what = "no label", .spec = {.san = "DNS:*.relay.test"}, .reason = "is for *.relay"},
		{.what = "NUL", .spec = {.nul_name = true}, .reason = "is for relay.test\\x00.evil.test, not"},
		{.what = "address as name",
			.host = "127.0.0.1",
			.spec = {.san = "DNS:127.0.0.1"},
			.reason = "is for 127.0.0.1, not for address 127"},
		{.what = "address for name",
			.spec = {.san = "IP:127.0.0.1"},
			.reason = "is for address 127.0.0.1, not for relay"},
		{.what = "other address",
			.host = "127.0.0.1",
			.spec = {.san = "IP:127.0.0.2"},
			.reason = "is for address 127.0.0.2"},
		{.what = "other IDN",
			.host = "b\xc3\xbc"
					"cher.test",
			.spec = {.san = "DNS:bucher.test"},
			.reason = "not for xn--bcher-kva.test"},
		{.what = "weak key", .spec = {.san = "DNS:relay.test", .rsa_bits = 1024}, .reason = "key too weak"},
		{.what = "SHA-1", .spec = {.san = "DNS:relay.test", .digest = "SHA1"}, .reason = "digest algorithm too weak"},
		{.what = "wrong usage",
			.spec = {.san = "DNS:relay.test", .usage = "clientAuth"},
			.reason = "certificate purpose"},
		{.what = "unknown CA",
			.spec = {.san = "DNS:relay.test"},
			.signer = BY_STRANGER,
			.reason = "unable to get local issuer certificate"},
		{.what = "signature",
			.spec = {.san = "DNS:relay.test", .bad_signature = true},
			.reason = "certificate signature failure"},
	};
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
		check_row(*state, &rows[i]);
}

/* conformance: A06 */
static void refuses_what_no_ca_signed(void **state)
{
	const struct fixture *fixture = *state;
	static const struct tls_cert_spec plain = {.name = "no CA", .san = "DNS:middle.test"};
	static const struct tls_cert_spec leaf = {.san = "DNS:relay.test"};
	struct tls_identity middle = tls_identity_new(&plain, &fixture->authority);
	struct tls_identity identity = tls_identity_new(&leaf, &middle);
	struct bm_tls_options options = {.verify = true, .host = "relay.test", .ca_file = fixture->trust};
	SSL_CTX *server = tls_server_context(&identity);
	assert_int_equal(SSL_CTX_add1_chain_cert(server, middle.certificate), 1);
	struct verdict verdict = meet(&options, server);
	assert_int_equal(verdict.status, BM_STREAM_BROKEN);
	assert_non_null(strstr(verdict.reason, "invalid CA certificate"));
	SSL_CTX_free(server);
	tls_identity_free(&identity);
	tls_identity_free(&middle);
}

/* conformance: A06 */
static void heeds_revocations_that_it_was_given(void **state)
{
	const struct fixture *fixture = *state;
	static const struct tls_cert_spec leaf = {.san = "DNS:relay.test"};
	struct tls_identity identity = tls_identity_new(&leaf, &fixture->authority);
	char trust[TLS_PATH_SIZE];
	tls_write_trust(trust, &fixture->authority, identity.certificate);
	struct bm_tls_options options = {.verify = true, .host = "relay.test", .ca_file = trust};
	struct verdict verdict = meet_identity(&options, &identity);
	assert_int_equal(verdict.status, BM_STREAM_BROKEN);
	assert_string_equal(verdict.reason, "certificate verify failed: certificate revoked");
	unlink(trust);
	tls_identity_free(&identity);
}

/* An authority of the test is in no system's store. */
static void trusts_the_system_by_itself(void **state)
{
	const struct fixture *fixture = *state;
	static const struct tls_cert_spec leaf = {.san = "DNS:relay.test"};
	struct tls_identity identity = tls_identity_new(&leaf, &fixture->authority);
	struct bm_tls_options options = {.verify = true, .host = "relay.test"};
	struct verdict verdict = meet_identity(&options, &identity);
	assert_int_equal(verdict.status, BM_STREAM_BROKEN);
	assert_non_null(strstr(verdict.reason, "unable to get local issuer certificate"));
	tls_identity_free(&identity);
}

/* The server's own certificate may be what is trusted. */
static void trusts_what_is_in_the_file(void **state)
{
	(void)state;
	static const struct tls_cert_spec leaf = {.san = "DNS:relay.test"};
	struct tls_identity identity = tls_identity_new(&leaf, NULL);
	char trust[TLS_PATH_SIZE];
	tls_write_trust(trust, &identity, NULL);
	struct bm_tls_options options = {.verify = true, .host = "relay.test", .ca_file = trust};
	struct verdict verdict = meet_identity(&options, &identity);
	assert_int_equal(verdict.status, BM_STREAM_OK);
	options.host = "other.test";
	assert_int_equal(meet_identity(&options, &identity).status, BM_STREAM_BROKEN);
	unlink(trust);
	tls_identity_free(&identity);
}

static struct verdict meet_pinned(
	const struct tls_identity *identity, const char *pins, const char *ca_file, const char *host, bool verify)
{
	struct bm_tls_options options = {.verify = verify, .host = host, .ca_file = ca_file, .pins = pins};
	return meet_identity(&options, identity);
}

static void colons(char *out, const char *hex)
{
	for (size_t i = 0; i < 32; i++)
		out += sprintf(out, "%s%.2s", i > 0 ? ":" : "", hex + 2 * i);
}

/* conformance: 45 */
static void a_pin_stands_for_a_ca(void **state)
{
	const struct fixture *fixture = *state;
	static const struct tls_cert_spec leaf = {.name = "old", .from_days = -9, .to_days = -2};
	struct tls_identity identity = tls_identity_new(&leaf, NULL);
	char pin[65];
	char other[65];
	char text[256];
	tls_pin_of(pin, &identity);
	tls_pin_of(other, &fixture->authority);
	assert_true(meet_pinned(&identity, pin, NULL, "relay.test", true).verified);
	assert_true(meet_pinned(&identity, pin, NULL, "unix:/run/relay", true).verified);
	assert_true(meet_pinned(&identity, pin, NULL, "relay.test", false).verified);
	colons(text, pin);
	assert_true(meet_pinned(&identity, text, NULL, "relay.test", true).verified);
	snprintf(text, sizeof text, "  %s\t%s ", other, pin);
	assert_true(meet_pinned(&identity, text, NULL, "relay.test", true).verified);
	struct verdict verdict = meet_pinned(&identity, other, NULL, "relay.test", true);
	assert_int_equal(verdict.status, BM_STREAM_BROKEN);
	assert_string_equal(verdict.reason, "the certificate's key fits no tls_pin");
	verdict = meet_pinned(&identity, other, NULL, "relay.test", false);
	assert_int_equal(verdict.status, BM_STREAM_OK);
	assert_false(verdict.verified);
	tls_identity_free(&identity);
}

/* conformance: 45 */
static void a_pin_and_a_ca_must_both_fit(void **state)
{
	const struct fixture *fixture = *state;
	static const struct tls_cert_spec leaf = {.san = "DNS:relay.test"};
	struct tls_identity identity = tls_identity_new(&leaf, &fixture->authority);
	char pin[65];
	char ca_pin[65];
	tls_pin_of(pin, &identity);
	tls_pin_of(ca_pin, &fixture->authority);
	assert_true(meet_pinned(&identity, pin, fixture->trust, "relay.test", true).verified);
	assert_int_equal(meet_pinned(&identity, pin, fixture->trust, "other.test", true).status, BM_STREAM_BROKEN);
	/* the CA's key is not the server's */
	assert_int_equal(meet_pinned(&identity, ca_pin, fixture->trust, "relay.test", true).status, BM_STREAM_BROKEN);
	tls_identity_free(&identity);
}

static enum bm_code try_options(const struct bm_tls_options *options, char text[BM_ERROR_TEXT_MAX])
{
	struct bm_error err = BM_ERROR_INIT;
	struct bm_tls *tls = NULL;
	enum bm_code code = bm_tls_new(&tls, options, &err);
	assert_int_equal(code == BM_OK, tls != NULL);
	assert_int_equal(code, err.code);
	strcpy(text, err.text);
	bm_tls_free(tls);
	return code;
}

static void names_what_is_no_pin(void **state)
{
	(void)state;
	static const char *const bad[] = {"x", "00", "sha256",
		"e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b85",   /* a digit too few */
		"e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b8550", /* too many */
		"e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b85g",
		"e3:b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855:",
		"47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuF==", "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU!",
		"47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSu=U=", "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU= nonsense"};
	static const char *const good[] = {"", " ", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
		"E3:B0:C4:42:98:FC:1C:14:9A:FB:F4:C8:99:6F:B9:24:27:AE:41:E4:64:9B:93:4C:A4:95:99:1B:78:52:B8:55",
		"47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=", "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU"};
	char text[BM_ERROR_TEXT_MAX];
	struct bm_tls_options options = {.verify = true, .host = "relay.test"};
	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
		options.pins = bad[i];
		assert_int_equal(try_options(&options, text), BM_E_CONF);
		assert_non_null(strstr(text, "is no pin"));
	}
	for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
		options.pins = good[i];
		assert_int_equal(try_options(&options, text), BM_OK);
	}
}

static void names_the_file_that_is_wrong(void **state)
{
	const struct fixture *fixture = *state;
	char empty[TLS_PATH_SIZE];
	char text[BM_ERROR_TEXT_MAX];
	struct bm_tls_options options = {.verify = true, .host = "relay.test", .ca_file = "/tmp/bulkmail-nobody-has-this"};
	assert_int_equal(try_options(&options, text), BM_E_MISSING);
	assert_non_null(strstr(text, options.ca_file));
	options.ca_file = "/tmp";
	assert_int_equal(try_options(&options, text), BM_E_IO);
	tls_write_text(empty, "nothing\n");
	options.ca_file = empty;
	assert_int_equal(try_options(&options, text), BM_E_CONF);
	assert_non_null(strstr(text, empty));
	options =
		(struct bm_tls_options){.verify = true, .host = "relay.test", .cert_file = fixture->trust, .key_file = empty};
	assert_int_equal(try_options(&options, text), BM_E_CONF);
	assert_non_null(strstr(text, empty));
	options.cert_file = empty;
	assert_int_equal(try_options(&options, text), BM_E_CONF);
	options.cert_file = NULL;
	assert_int_equal(try_options(&options, text), BM_E_CONF);
	unlink(empty);
}

static void names_a_host_that_cannot_be_held_against_anything(void **state)
{
	(void)state;
	static const char *const hosts[] = {"", "unix:/run/relay", ".relay.test", "\xff.test", "."};
	char text[BM_ERROR_TEXT_MAX];
	struct bm_tls_options options = {.verify = true};
	assert_int_equal(try_options(&options, text), BM_E_CONF);
	for (size_t i = 0; i < sizeof hosts / sizeof hosts[0]; i++) {
		options.host = hosts[i];
		assert_int_equal(try_options(&options, text), BM_E_CONF);
	}
	options = (struct bm_tls_options){.verify = false, .host = "unix:/run/relay"};
	assert_int_equal(try_options(&options, text), BM_OK);
}

/* The server asks for it and gets it; a key that others can read is refused. */
static void shows_its_own_certificate(void **state)
{
	const struct fixture *fixture = *state;
	static const struct tls_cert_spec leaf = {.san = "DNS:relay.test"};
	static const struct tls_cert_spec client = {.name = "us", .usage = "clientAuth"};
	struct tls_identity identity = tls_identity_new(&leaf, &fixture->authority);
	struct tls_identity ours = tls_identity_new(&client, &fixture->authority);
	struct tls_identity other = tls_identity_new(&client, &fixture->authority);
	char own[TLS_PATH_SIZE];
	char wrong[TLS_PATH_SIZE];
	char text[BM_ERROR_TEXT_MAX];
	tls_write_identity(own, &ours);
	tls_write_identity(wrong, &other);
	SSL_CTX *server = tls_server_context(&identity);
	SSL_CTX_set_verify(server, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, NULL);
	assert_int_equal(SSL_CTX_load_verify_file(server, fixture->trust), 1);
	assert_int_equal(SSL_CTX_set_max_proto_version(server, TLS1_2_VERSION), 1);
	struct bm_tls_options options = {.verify = true, .host = "relay.test", .ca_file = fixture->trust};
	struct verdict verdict = meet(&options, server);
	assert_int_equal(verdict.status, BM_STREAM_BROKEN);
	assert_non_null(strstr(verdict.reason, "alert"));
	options.cert_file = own;
	assert_int_equal(meet(&options, server).status, BM_STREAM_OK);
	options.key_file = wrong;
	assert_int_equal(try_options(&options, text), BM_E_CONF);
	assert_non_null(strstr(text, wrong));
	options.key_file = NULL;
	assert_int_equal(chmod(own, 0640), 0);
	assert_int_equal(try_options(&options, text), BM_E_CONF);
	assert_non_null(strstr(text, "others can read it"));
	/* whoever it belongs to; only root can give it away */
	if (chown(own, 12345, (gid_t)-1) == 0) {
		assert_int_equal(try_options(&options, text), BM_E_CONF);
		assert_non_null(strstr(text, "others can read it"));
		assert_int_equal(chmod(own, 0600), 0);
		assert_int_equal(try_options(&options, text), BM_E_CONF);
		assert_non_null(strstr(text, "belongs to uid 12345"));
	}
	unlink(own);
	unlink(wrong);
	SSL_CTX_free(server);
	tls_identity_free(&identity);
	tls_identity_free(&ours);
	tls_identity_free(&other);
}

static struct verdict meet_version(const struct fixture *fixture, int version, const char *ciphers)
{
	static const struct tls_cert_spec leaf = {.san = "DNS:relay.test"};
	struct tls_identity identity = tls_identity_new(&leaf, &fixture->authority);
	SSL_CTX *server = tls_server_context(&identity);
	struct bm_tls_options options = {.verify = false, .host = "relay.test", .ca_file = fixture->trust};
	assert_int_equal(SSL_CTX_set_max_proto_version(server, version), 1);
	assert_int_equal(SSL_CTX_set_cipher_list(server, ciphers), 1);
	if (strstr(ciphers, "NULL") != NULL || strstr(ciphers, "ADH") != NULL)
		assert_int_equal(SSL_CTX_set_dh_auto(server, 1), 1);
	struct verdict verdict = meet(&options, server);
	SSL_CTX_free(server);
	tls_identity_free(&identity);
	return verdict;
}

/* conformance: 45, A08 */
static void refuses_what_is_old_or_weak(void **state)
{
	static const struct {
		int version;
		const char *ciphers;
		const char *reason;
	} rows[] = {
		{TLS1_VERSION, "ALL:@SECLEVEL=0", "the server has neither TLS 1.2 nor 1.3"},
		{TLS1_1_VERSION, "ALL:@SECLEVEL=0", "the server has neither TLS 1.2 nor 1.3"},
		{TLS1_2_VERSION, "aNULL:@SECLEVEL=0", "handshake failure"},
		{TLS1_2_VERSION, "eNULL:@SECLEVEL=0", "handshake failure"},
		{TLS1_2_VERSION, "PSK:@SECLEVEL=0", "handshake failure"},
	};
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		struct verdict verdict = meet_version(*state, rows[i].version, rows[i].ciphers);
		if (verdict.status != BM_STREAM_BROKEN || strstr(verdict.reason, rows[i].reason) == NULL)
			fail_msg("%s: %s", rows[i].ciphers, verdict.reason);
	}
	assert_int_equal(meet_version(*state, TLS1_2_VERSION, "DEFAULT:@SECLEVEL=0").status, BM_STREAM_OK);
	assert_int_equal(meet_version(*state, TLS1_3_VERSION, "DEFAULT:@SECLEVEL=0").status, BM_STREAM_OK);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(takes_who_is_meant),
		cmocka_unit_test(refuses_all_others_and_says_why),
		cmocka_unit_test(refuses_what_no_ca_signed),
		cmocka_unit_test(heeds_revocations_that_it_was_given),
		cmocka_unit_test(trusts_the_system_by_itself),
		cmocka_unit_test(trusts_what_is_in_the_file),
		cmocka_unit_test(a_pin_stands_for_a_ca),
		cmocka_unit_test(a_pin_and_a_ca_must_both_fit),
		cmocka_unit_test(names_what_is_no_pin),
		cmocka_unit_test(names_the_file_that_is_wrong),
		cmocka_unit_test(names_a_host_that_cannot_be_held_against_anything),
		cmocka_unit_test(shows_its_own_certificate),
		cmocka_unit_test(refuses_what_is_old_or_weak),
	};
	return cmocka_run_group_tests(tests, set_up, tear_down);
}
