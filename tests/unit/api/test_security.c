/* SPDX-License-Identifier: MIT */
/* What the attributes of TLS and of logging in come to, and what fits together. */
#include "../unit.h"
#include "api/credentials.h"
#include "api/security.h"
#include "api/server.h"

#include <string.h>

struct row {
	const char *smtp;
	uint64_t port;
	const char *tls;
	uint64_t wrapper;
	const char *user;
	const char *pin;
	enum bm_security_level level;
	bool wrapped;
};

#define UNSET BM_TLS_WRAPPER_UNSET

/* manual: tls, tls_wrapper, Port */
/* conformance: 44, 46 */
static void the_effective_policy(void **state)
{
	(void)state;
	static const struct row rows[] = {
		{"relay", 0, NULL, UNSET, NULL, NULL, BM_SECURITY_MAY, false},
		{"relay", 25, NULL, UNSET, NULL, NULL, BM_SECURITY_MAY, false},
		{"relay", 2525, NULL, UNSET, NULL, NULL, BM_SECURITY_MAY, false},
		{"relay", 587, NULL, UNSET, NULL, NULL, BM_SECURITY_VERIFY, false},
		{"relay", 465, NULL, UNSET, NULL, NULL, BM_SECURITY_VERIFY, true},
		{"relay", 25, NULL, UNSET, "me", NULL, BM_SECURITY_VERIFY, false},
		{"relay", 25, NULL, UNSET, NULL, "00", BM_SECURITY_VERIFY, false},
		{"relay", 465, "may", UNSET, NULL, NULL, BM_SECURITY_MAY, true},
		{"relay", 465, "none", UNSET, NULL, NULL, BM_SECURITY_NONE, false},
		{"relay", 465, NULL, 0, NULL, NULL, BM_SECURITY_VERIFY, false},
		{"relay", 587, "none", UNSET, "me", NULL, BM_SECURITY_NONE, false},
		{"relay", 587, "encrypt", UNSET, NULL, NULL, BM_SECURITY_ENCRYPT, false},
		{"relay", 2525, NULL, 1, NULL, NULL, BM_SECURITY_MAY, true},
		{"relay", 0, NULL, 1, NULL, NULL, BM_SECURITY_VERIFY, true},
		{"relay", 25, "verify", 1, NULL, NULL, BM_SECURITY_VERIFY, true},
		{"unix:/run/lmtp", 0, NULL, UNSET, NULL, NULL, BM_SECURITY_NONE, false},
		{"unix:/run/lmtp", 465, NULL, UNSET, NULL, NULL, BM_SECURITY_NONE, false},
		{"unix:/run/lmtp", 0, "encrypt", UNSET, NULL, NULL, BM_SECURITY_ENCRYPT, false},
		{"unix:/run/lmtp", 0, NULL, UNSET, "me", NULL, BM_SECURITY_VERIFY, false},
	};
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		struct bm_server_options options = BM_SERVER_OPTIONS_INIT;
		options.smtp = rows[i].smtp;
		options.port = rows[i].port;
		options.tls = rows[i].tls;
		options.tls_wrapper = rows[i].wrapper;
		options.user = rows[i].user;
		options.tls_pin = rows[i].pin;
		struct bm_security security = bm_security_of(&options);
		if (security.level != rows[i].level || security.wrapped != rows[i].wrapped)
			fail_msg("row %zu: level %d, wrapped %d", i, (int)security.level, (int)security.wrapped);
		assert_false(security.lmtp);
	}
}

/* manual: tls_wrapper, Port */
static void a_port_that_is_not_set(void **state)
{
	(void)state;
	struct bm_server_options options = BM_SERVER_OPTIONS_INIT;
	assert_int_equal(bm_security_port(&options), 25);
	options.tls_wrapper = 1;
	assert_int_equal(bm_security_port(&options), 465);
	options.port = 26;
	assert_int_equal(bm_security_port(&options), 26);
}

static void a_dummy_has_no_tls(void **state)
{
	(void)state;
	struct bm_server_options options = BM_SERVER_OPTIONS_INIT;
	options.dummy_file = "/dev/null";
	options.tls = "verify";
	options.tls_wrapper = 1;
	assert_int_equal(bm_security_of(&options).level, BM_SECURITY_NONE);
	assert_false(bm_security_of(&options).wrapped);
}

static void expect_clash(const struct bm_server_options *options, const char *attribute, const char *said)
{
	const char *named = NULL;
	struct bm_error err = BM_ERROR_INIT;
	assert_int_equal(bm_security_check(options, &named, &err), BM_E_CONF);
	assert_string_equal(err.id, "MBO003");
	assert_string_equal(named, attribute);
	if (strstr(err.text, said) == NULL)
		fail_msg("%s", err.text);
}

/* manual: user, password_file, password_command, auth, tls_key_file, MBO003 */
static void what_does_not_fit_together(void **state)
{
	(void)state;
	const struct bm_server_options none = BM_SERVER_OPTIONS_INIT;
	struct bm_server_options options = none;
	const char *named;
	assert_int_equal(bm_security_check(&options, &named, NULL), BM_OK);
	options.user = "me";
	expect_clash(&options, "user", "needs password_file or password_command");
	options.password_file = "/p";
	assert_int_equal(bm_security_check(&options, &named, NULL), BM_OK);
	options.password_command = "pass";
	expect_clash(&options, "password_file", "exclude each other");
	options.user = NULL;
	options.password_file = NULL;
	expect_clash(&options, "password_command", "needs user");
	options = none;
	options.password_file = "/p";
	expect_clash(&options, "password_file", "needs user");
	options = none;
	options.tls_key_file = "/k";
	expect_clash(&options, "tls_key_file", "tls_cert_file");
	options = none;
	options.tls = "none";
	options.tls_wrapper = 1;
	expect_clash(&options, "tls_wrapper", "exclude each other");
	options = none;
	options.auth = "SCRAM-SHA-256 DIGEST-MD5";
	expect_clash(&options, "auth", "found \"DIGEST-MD5\"");
}

static struct bm_login *login_with(const char *password)
{
	struct bm_server_options options = BM_SERVER_OPTIONS_INIT;
	struct bm_secret *secret = NULL;
	struct bm_login *login = NULL;
	options.user = "me";
	options.smtp = "relay";
	options.password_command = "pass";
	assert_int_equal(bm_secret_new(&secret, password, strlen(password), NULL), BM_OK);
	assert_int_equal(bm_login_new(&login, &options, secret, 1000, NULL), BM_OK);
	return login;
}

static void a_login_is_counted(void **state)
{
	(void)state;
	struct bm_login *login = login_with("geheim");
	struct bm_secret *other = NULL;
	assert_ptr_equal(bm_login_hold(login), login);
	assert_int_equal(login->until_ms, 1000 + BM_LOGIN_LIFE_MS);
	assert_string_equal(login->sasl.user, "me");
	bm_login_release(login);
	assert_int_equal(bm_secret_new(&other, "geheim", 6, NULL), BM_OK);
	assert_true(bm_login_equals(login, other));
	bm_secret_free(other);
	assert_int_equal(bm_secret_new(&other, "geheimer", 8, NULL), BM_OK);
	assert_false(bm_login_equals(login, other));
	bm_secret_free(other);
	bm_login_release(login);
	assert_null(bm_login_hold(NULL));
	bm_login_release(NULL);
}

/* conformance: A34 */
static void a_secret_is_recognized_in_every_form(void **state)
{
	(void)state;
	static const char *const shown[] = {"535 wrong: geheim-47!", "535 676568656970 67656865696d2d343721",
		"535 67656865696D2D343721", "535 Z2VoZWltLTQ3IQ==", "334 AGdlaGVpbS00NyE=", "334 eGdlaGVpbS00NyE=",
		/* \0me\0geheim-47! as PLAIN has it, and with one more octet before */
		"535 AG1lAGdlaGVpbS00NyE=", "535 AG1lZQBnZWhlaW0tNDch", "535 AG1lZWUAZ2VoZWltLTQ3IQ=="};
	static const char *const fine[] = {
		"535 5.7.8 authentication failed", "334 VXNlcm5hbWU6", "535 geheim", "535 Z2VoZWlt", "", "535 AAAA"};
	struct bm_login *login = login_with("geheim-47!");
	for (size_t i = 0; i < sizeof shown / sizeof shown[0]; i++) {
		if (!bm_login_is_shown(login, bm_span_of(shown[i])))
			fail_msg("not seen in %s", shown[i]);
	}
	for (size_t i = 0; i < sizeof fine / sizeof fine[0]; i++) {
		if (bm_login_is_shown(login, bm_span_of(fine[i])))
			fail_msg("seen in %s", fine[i]);
	}
	assert_false(bm_login_is_shown(NULL, bm_span_of("geheim-47!")));
	assert_false(bm_login_is_shown(login, bm_span_make(NULL, 0)));
	bm_login_release(login);
}

/* Those that a campaign opens later too: it prepares its servers but once. */
static void what_is_set_later_counts_for_later_connections(void **state)
{
	(void)state;
	struct bm_server *server = NULL;
	assert_int_equal(bm_server_new(&server, NULL, NULL), BM_OK);
	assert_int_equal(bm_server_set(server, "Smtp", "relay", NULL), BM_OK);
	assert_int_equal(bm_server_set(server, "tls", "encrypt", NULL), BM_OK);
	assert_int_equal(bm_server_prepare(server, NULL), BM_OK);
	assert_non_null(server->tls);
	assert_int_equal(bm_server_set(server, "time_out", "7", NULL), BM_OK);
	assert_non_null(server->tls);
	assert_int_equal(bm_server_set(server, "tls", "verify", NULL), BM_OK);
	assert_null(server->tls);
	assert_int_equal(bm_server_need_tls(server, NULL), BM_OK);
	bm_server_free(server);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_effective_policy),
		cmocka_unit_test(a_port_that_is_not_set),
		cmocka_unit_test(a_dummy_has_no_tls),
		cmocka_unit_test(what_does_not_fit_together),
		cmocka_unit_test(what_is_set_later_counts_for_later_connections),
		cmocka_unit_test(a_login_is_counted),
		cmocka_unit_test(a_secret_is_recognized_in_every_form),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
