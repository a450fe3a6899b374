/* SPDX-License-Identifier: MIT */
/* Sessions inside TLS, and what SASL binds to, without a socket: the client is OpenSSL over memory. */
#include "fixture.h"

#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

struct files {
	char path[64]; /* certificate and key */
};

static int set_up(void **state)
{
	struct files *files = calloc(1, sizeof *files);
	EVP_PKEY *key = EVP_PKEY_Q_keygen(NULL, NULL, "EC", "P-256");
	X509 *cert = X509_new();
	X509_NAME *name = X509_NAME_new();

	assert_non_null(files);
	assert_int_equal(X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, (const unsigned char *)"c", -1, -1, 0), 1);
	X509_set_version(cert, 2);
	X509_set_pubkey(cert, key);
	X509_set_subject_name(cert, name);
	X509_set_issuer_name(cert, name);
	X509_gmtime_adj(X509_getm_notBefore(cert), -60);
	X509_gmtime_adj(X509_getm_notAfter(cert), 3600);
	assert_true(X509_sign(cert, key, EVP_sha256()) > 0);
	snprintf(files->path, sizeof files->path, "/tmp/test_sink_tls.XXXXXX");
	FILE *file = fdopen(mkstemp(files->path), "w");
	assert_non_null(file);
	assert_int_equal(PEM_write_X509(file, cert), 1);
	assert_int_equal(PEM_write_PrivateKey(file, key, NULL, NULL, 0, NULL, NULL), 1);
	fclose(file);
	X509_NAME_free(name);
	X509_free(cert);
	EVP_PKEY_free(key);
	*state = files;
	return 0;
}

static int tear_down(void **state)
{
	struct files *files = *state;
	unlink(files->path);
	free(files);
	return 0;
}

static struct bm_sink_tls_context *context_of(void **state, const char *versions)
{
	const struct files *files = *state;
	struct bm_sink_tls_options options = {.cert = files->path, .versions = versions, .tickets = -1};
	struct bm_sink_tls_context *context = NULL;
	struct bm_error err = BM_ERROR_INIT;

	if (bm_sink_tls_context_new(&context, &options, &err) != BM_OK)
		fail_msg("%s", err.text);
	return context;
}

struct client {
	SSL_CTX *ctx;
	SSL *ssl;
	BIO *in;
	BIO *out;
};

static void client_begin(struct client *client, SSL_SESSION *session)
{
	client->ctx = SSL_CTX_new(TLS_client_method());
	client->ssl = SSL_new(client->ctx);
	client->in = BIO_new(BIO_s_mem());
	client->out = BIO_new(BIO_s_mem());
	BIO_set_mem_eof_return(client->in, -1);
	SSL_set_bio(client->ssl, client->in, client->out);
	SSL_set_connect_state(client->ssl);
	SSL_set_tlsext_host_name(client->ssl, "relay.test");
	if (session != NULL)
		assert_int_equal(SSL_set_session(client->ssl, session), 1);
}

static void client_end(struct client *client)
{
	SSL_shutdown(client->ssl);
	SSL_free(client->ssl);
	SSL_CTX_free(client->ctx);
}

/* Both sides in turn until neither has more to say. */
static void shake(struct client *client, struct bm_sink_tls *tls)
{
	struct bm_buf wire;
	bm_buf_init(&wire, 1U << 20);
	for (int round = 0; round < 6; round++) {
		char *data = NULL;
		SSL_do_handshake(client->ssl);
		long size = BIO_get_mem_data(client->out, &data);
		bm_sink_tls_feed(tls, data, (size_t)size);
		(void)BIO_reset(client->out);
		(void)bm_sink_tls_shake(tls);
		assert_true(bm_sink_tls_drain(tls, &wire));
		if (wire.size > 0)
			BIO_write(client->in, wire.data, (int)wire.size);
		bm_buf_clear(&wire);
	}
	bm_buf_deinit(&wire);
	assert_int_equal(bm_sink_tls_shake(tls), BM_SINK_TLS_OPEN);
	assert_true(SSL_is_init_finished(client->ssl));
}

#define LABEL "EXPORTER-Channel-Binding"

static void expect_bindings(struct client *client, const struct bm_sink_tls *tls, bool newer, bool resumed)
{
	unsigned char ours[BM_SINK_BINDING_MAX];
	unsigned char theirs[BM_SINK_BINDING_MAX];

	assert_int_equal(bm_sink_tls_binding(tls, true, ours), 32);
	assert_int_equal(
		SSL_export_keying_material(client->ssl, theirs, 32, LABEL, strlen(LABEL), (const unsigned char *)"", 0, 1), 1);
	assert_memory_equal(ours, theirs, 32);
	size_t size = bm_sink_tls_binding(tls, false, ours);
	if (newer) {
		assert_int_equal(size, 0);
		return;
	}
	assert_int_equal(size, resumed ? SSL_get_peer_finished(client->ssl, theirs, sizeof theirs)
								   : SSL_get_finished(client->ssl, theirs, sizeof theirs));
	assert_memory_equal(ours, theirs, size);
}

static void binds_to_what_the_client_binds_to(void **state)
{
	for (int newer = 0; newer < 2; newer++) {
		struct bm_sink_tls_context *context = context_of(state, newer ? "1.3" : "1.2");
		SSL_SESSION *session = NULL;
		for (int resumed = 0; resumed < 2; resumed++) {
			struct client client;
			struct bm_sink_tls *tls = bm_sink_tls_new(context);
			struct bm_sink_tls_facts facts;
			char octet;
			client_begin(&client, session);
			shake(&client, tls);
			(void)SSL_read(client.ssl, &octet, 1);
			bm_sink_tls_facts(tls, &facts);
			assert_string_equal(facts.version, newer ? "TLSv1.3" : "TLSv1.2");
			assert_string_equal(facts.name, "relay.test");
			assert_int_equal(facts.resumed, resumed);
			expect_bindings(&client, tls, newer, resumed);
			SSL_SESSION_free(session);
			session = SSL_get1_session(client.ssl);
			client_end(&client);
			bm_sink_tls_free(tls);
		}
		SSL_SESSION_free(session);
		bm_sink_tls_context_free(context);
	}
}

/* What the session says on the wire, octet by octet into the client; what the client says back. */
static void pass(struct fixture *f, struct client *client)
{
	char *data = NULL;
	struct bm_buf *out = bm_sink_session_output(f->session);
	if (out->size > 0)
		BIO_write(client->in, out->data, (int)out->size);
	bm_buf_clear(out);
	SSL_do_handshake(client->ssl);
	long size = BIO_get_mem_data(client->out, &data);
	for (long i = 0; i < size; i++)
		assert_int_equal(bm_sink_session_feed(f->session, data + i, 1), BM_OK);
	(void)BIO_reset(client->out);
}

static const char *talk_inside(struct fixture *f, struct client *client, const char *text)
{
	assert_int_equal(SSL_write(client->ssl, text, (int)strlen(text)), (int)strlen(text));
	pass(f, client);
	pass(f, client);
	int got = SSL_read(client->ssl, f->said, sizeof f->said - 1);
	f->said[got < 0 ? 0 : got] = '\0';
	return f->said;
}

static void a_session_forgets_what_was_before_tls(void **state)
{
	struct fixture f;
	struct bm_error err = BM_ERROR_INIT;
	struct client client;
	begin(&f, "");
	f.shared.tls = context_of(state, NULL);
	assert_int_equal(bm_sink_shared_offer(&f.shared, NULL, &err), BM_OK);
	greet(&f);
	assert_string_equal(codes(&f, "MAIL FROM:<a@x>\r\n"), "250");
	assert_string_equal(codes(&f, "STARTTLS\r\n"), "220");
	client_begin(&client, NULL);
	for (int i = 0; i < 4; i++)
		pass(&f, &client);
	assert_true(SSL_is_init_finished(client.ssl));
	assert_string_equal(talk_inside(&f, &client, "MAIL FROM:<a@x>\r\n"), "503 EHLO first\r\n");
	assert_null(strstr(talk_inside(&f, &client, HELLO), "STARTTLS"));
	assert_string_equal(talk_inside(&f, &client, "MAIL FROM:<a@x>\r\n"), "250 2.1.0 Ok\r\n");
	assert_string_equal(talk_inside(&f, &client, "STARTTLS\r\n"), "503 5.5.1 TLS is on\r\n");
	assert_string_equal(talk_inside(&f, &client, "QUIT\r\n"), "221 2.0.0 Bye\r\n");
	assert_int_equal(bm_sink_session_action(f.session), BM_SINK_CLOSE);
	assert_int_equal(SSL_read(client.ssl, f.said, 1), 0);
	assert_int_equal(SSL_get_shutdown(client.ssl), SSL_RECEIVED_SHUTDOWN);
	json_t *line = record(&f, 0);
	expect_text(line, "tls", "TLSv1.3");
	expect_text(line, "name", "relay.test");
	json_decref(line);
	client_end(&client);
	finish(&f);
}

static void octets_that_are_no_handshake_end_it(void **state)
{
	struct fixture f;
	begin(&f, "");
	f.shared.tls = context_of(state, NULL);
	f.shared.tls_wrapper = true;
	bm_sink_session_tick(f.session);
	assert_int_equal(bm_sink_session_feed(f.session, "EHLO c\r\n", 8), BM_OK);
	assert_int_equal(bm_sink_session_action(f.session), BM_SINK_CLOSE);
	json_t *line = record(&f, 0);
	assert_true(json_is_null(json_object_get(line, "tls")));
	assert_true(json_string_length(json_object_get(line, "error")) > 0);
	json_decref(line);
	finish(&f);
}

static void wrong_options(void **state)
{
	const struct files *files = *state;
	const struct {
		struct bm_sink_tls_options options;
		enum bm_code code;
	} wrong[] = {
		{{.cert = "/nonexistent/x"}, BM_E_MISSING},
		{{.cert = files->path, .key = "/nonexistent/x"}, BM_E_MISSING},
		{{.cert = "/dev/null"}, BM_E_CONF},
		{{.cert = files->path, .key = "/dev/null"}, BM_E_CONF},
		{{.cert = files->path, .versions = "1.4"}, BM_E_USAGE},
		{{.cert = files->path, .versions = "1.3-1.2"}, BM_E_USAGE},
		{{.cert = files->path, .ciphers = "nonsense"}, BM_E_CONF},
		{{.cert = files->path, .client_ca = "/nonexistent/x"}, BM_E_MISSING},
		{{.cert = files->path, .client_ca = "/dev/null"}, BM_E_CONF},
	};
	for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
		struct bm_sink_tls_context *context = NULL;
		struct bm_error err = BM_ERROR_INIT;
		assert_int_equal(bm_sink_tls_context_new(&context, &wrong[i].options, &err), wrong[i].code);
		assert_null(context);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(binds_to_what_the_client_binds_to, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_session_forgets_what_was_before_tls, set_up, tear_down),
		cmocka_unit_test_setup_teardown(octets_that_are_no_handshake_end_it, set_up, tear_down),
		cmocka_unit_test_setup_teardown(wrong_options, set_up, tear_down),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
