/* SPDX-License-Identifier: MIT */
#include "sasl.h"

#include <stdio.h>

static const char *const everything = "LOGIN PLAIN CRAM-MD5 XOAUTH2 OAUTHBEARER SCRAM-SHA-1 SCRAM-SHA-256 "
									  "SCRAM-SHA-1-PLUS SCRAM-SHA-256-PLUS GSSAPI DIGEST-MD5 NTLM";

/* RFC 4616, 4, without the name to act as */
static void plain_says_all_at_once(void **state)
{
	(void)state;
	struct login login;
	login_init(&login, "tim", "tanstaaftanstaaf");
	assert_int_equal(login_new(&login, "PLAIN"), BM_OK);
	assert_string_equal(bm_sasl_mechanism(login.sasl), "PLAIN");
	assert_begins(&login, "AHRpbQB0YW5zdGFhZnRhbnN0YWFm");
	assert_int_equal(bm_sasl_done(login.sasl, &login.err), BM_OK);
	assert_int_equal(login_answer(&login, ""), BM_E_PROTOCOL);
	assert_text_has(&login, "more than PLAIN has to say");
	login_deinit(&login);
}

static void plain_says_utf_8_as_it_is(void **state)
{
	(void)state;
	struct login login;
	login_init(&login, "j\xc3\xbcrg", "pa\xc3\x9fwort");
	assert_int_equal(login_new(&login, "PLAIN"), BM_OK);
	assert_begins(&login, "AGrDvHJnAHBhw593b3J0");
	login_deinit(&login);
}

static void login_answers_by_order(void **state)
{
	(void)state;
	static const char *const asked[][2] = {
		{"VXNlcm5hbWU6", "UGFzc3dvcmQ6"},                                                 /* Username: Password: */
		{"VXNlciBOYW1lAA==", "UGFzc3dvcmQA"}, {"", ""}, {"UGFzc3dvcmQ6", "VXNlcm5hbWU6"}, /* the wrong way round */
	};
	for (size_t i = 0; i < sizeof asked / sizeof asked[0]; i++) {
		struct login login;
		login_init(&login, "tim", "secret");
		assert_int_equal(login_new(&login, "LOGIN"), BM_OK);
		assert_begins(&login, NULL);
		assert_answers(&login, asked[i][0], "dGlt");
		assert_int_equal(bm_sasl_done(login.sasl, &login.err), BM_E_PROTOCOL);
		assert_answers(&login, asked[i][1], "c2VjcmV0");
		assert_int_equal(bm_sasl_done(login.sasl, &login.err), BM_OK);
		assert_int_equal(login_answer(&login, ""), BM_E_PROTOCOL);
		login_deinit(&login);
	}
}

/* "user=someuser@example.com^Aauth=Bearer ya29.vF9dft4qmTc2Nvb3RlckBhdHRhdmlzdGEuY29tCg^A^A" */
static void xoauth2_says_the_token(void **state)
{
	(void)state;
	struct login login;
	login_init(&login, "someuser@example.com", "ya29.vF9dft4qmTc2Nvb3RlckBhdHRhdmlzdGEuY29tCg");
	login.options.mechanisms = "XOAUTH2";
	assert_int_equal(login_new(&login, "XOAUTH2 PLAIN"), BM_OK);
	assert_begins(&login, "dXNlcj1zb21ldXNlckBleGFtcGxlLmNvbQFhdXRoPUJlYXJlciB5YTI5LnZGOWRmdDRxbVRj"
						  "Mk52YjNSbGNrQmhkSFJoZG1semRHRXVZMjl0Q2cBAQ==");
	assert_int_equal(bm_sasl_done(login.sasl, &login.err), BM_OK);
	login_deinit(&login);
}

/* "n,a=user@example.com,^Ahost=server.example.com^Aport=143^Aauth=Bearer vF9…^A^A": RFC 7628, 4.1 */
static void oauthbearer_says_the_token(void **state)
{
	(void)state;
	struct login login;
	login_init(&login, "user@example.com", "vF9dft4qmTc2Nvb3RlckBhbHRhdmlzdGEuY29tCg==");
	login.options.mechanisms = "OAUTHBEARER";
	login.options.host = "server.example.com";
	login.options.port = 143;
	assert_int_equal(login_new(&login, "OAUTHBEARER"), BM_OK);
	assert_begins(&login, "bixhPXVzZXJAZXhhbXBsZS5jb20sAWhvc3Q9c2VydmVyLmV4YW1wbGUuY29tAXBvcnQ9MTQzAWF1dGg9QmVhcmVy"
						  "IHZGOWRmdDRxbVRjMk52YjNSbGNrQmhiSFJoZG1semRHRXVZMjl0Q2c9PQEB");
	login_deinit(&login);
}

/* "n,a=a=2Cb=3Dc,^Aauth=Bearer t^A^A" */
static void oauthbearer_escapes_the_name(void **state)
{
	(void)state;
	struct login login;
	login_init(&login, "a,b=c", "t");
	login.options.mechanisms = "OAUTHBEARER";
	login.options.host = NULL;
	assert_int_equal(login_new(&login, "OAUTHBEARER"), BM_OK);
	assert_begins(&login, "bixhPWE9MkNiPTNEYywBYXV0aD1CZWFyZXIgdAEB");
	login_deinit(&login);
}

/* {"status":"invalid_token"} */
static void a_refused_token_is_answered_once(void **state)
{
	(void)state;
	static const char *const answers[][2] = {{"XOAUTH2", ""}, {"OAUTHBEARER", "AQ=="}};
	for (size_t i = 0; i < sizeof answers / sizeof answers[0]; i++) {
		struct login login;
		bool has = false;
		login_init(&login, "user", "token");
		login.options.mechanisms = answers[i][0];
		assert_int_equal(login_new(&login, everything), BM_OK);
		assert_int_equal(bm_sasl_begin(login.sasl, &login.out, &has, &login.err), BM_OK);
		assert_true(has);
		assert_answers(&login, "eyJzdGF0dXMiOiJpbnZhbGlkX3Rva2VuIn0=", answers[i][1]);
		assert_int_equal(bm_sasl_done(login.sasl, &login.err), BM_E_PROTOCOL);
		assert_int_equal(login_answer(&login, ""), BM_E_PROTOCOL);
		login_deinit(&login);
	}
}

/* RFC 2195, 2 */
static void cram_md5_answers_as_the_rfc_does(void **state)
{
	(void)state;
	struct login login;
	login_init(&login, "tim", "tanstaaftanstaaf");
	assert_int_equal(login_new(&login, "CRAM-MD5 PLAIN"), BM_OK);
	assert_begins(&login, NULL);
	assert_int_equal(bm_sasl_done(login.sasl, &login.err), BM_E_PROTOCOL);
	assert_answers(&login, "PDE4OTYuNjk3MTcwOTUyQHBvc3RvZmZpY2UucmVzdG9uLm1jaS5uZXQ+",
		"dGltIGI5MTNhNjAyYzdlZGE3YTQ5NWI0ZTZlNzMzNGQzODkw");
	assert_int_equal(bm_sasl_done(login.sasl, &login.err), BM_OK);
	assert_int_equal(login_answer(&login, "PDE4OTY+"), BM_E_PROTOCOL);
	login_deinit(&login);
}

static void cram_md5_wants_a_challenge(void **state)
{
	(void)state;
	static const char *const bad[] = {"", "AA==", "PDE4AGU+"};
	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
		struct login login;
		login_init(&login, "tim", "tanstaaftanstaaf");
		assert_int_equal(login_new(&login, "CRAM-MD5"), BM_OK);
		assert_int_equal(login_answer(&login, bad[i]), BM_E_PROTOCOL);
		login_deinit(&login);
	}
}

/* What the server lists, in its order; what we would use; what is used over a verified channel with a binding. */
static const struct {
	const char *offered;
	const char *mechanisms;
	const char *chosen;
} orders[] = {
	{"PLAIN LOGIN CRAM-MD5 SCRAM-SHA-1 SCRAM-SHA-256 SCRAM-SHA-256-PLUS", NULL, "SCRAM-SHA-256-PLUS"},
	{"PLAIN LOGIN CRAM-MD5 SCRAM-SHA-1 SCRAM-SHA-256", NULL, "SCRAM-SHA-256"},
	{"PLAIN LOGIN CRAM-MD5 SCRAM-SHA-1", NULL, "SCRAM-SHA-1"},
	{"PLAIN LOGIN CRAM-MD5", NULL, "CRAM-MD5"},
	{"LOGIN PLAIN", NULL, "PLAIN"},
	{"plain", NULL, "PLAIN"},
	{"LOGIN", NULL, "LOGIN"},
	{"XOAUTH2 LOGIN OAUTHBEARER", NULL, "LOGIN"}, /* the bearers only by name */
	{"XOAUTH2 LOGIN OAUTHBEARER", "oauthbearer,xoauth2", "OAUTHBEARER"},
	{"XOAUTH2 LOGIN", "OAUTHBEARER XOAUTH2", "XOAUTH2"},
	{"SCRAM-SHA-256 PLAIN", "PLAIN SCRAM-SHA-256", "PLAIN"},
	{"SCRAM-SHA-256 PLAIN", "PLAIN", "PLAIN"},
	{"  PLAIN   SCRAM-SHA-1  ", " , SCRAM-SHA-1 ,", "SCRAM-SHA-1"},
};

/* conformance: 54, A11 */
static void the_order_is_ours(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof orders / sizeof orders[0]; i++) {
		struct login login;
		login_init(&login, "user", "secret");
		login.channel.binding = "tls-exporter";
		login.channel.binding_data = bm_span_of("01234567890123456789012345678901");
		login.options.mechanisms = orders[i].mechanisms;
		assert_int_equal(login_new(&login, orders[i].offered), BM_OK);
		assert_string_equal(bm_sasl_mechanism(login.sasl), orders[i].chosen);
		login_deinit(&login);
	}
}

/* A name is known as a whole: what begins or ends with one, or joins two, is another. */
/* conformance: 47, A11 */
static void what_is_not_listed_or_not_allowed_is_not_used(void **state)
{
	(void)state;
	static const char *const none[][3] = {
		{"", NULL, "offers no way to log in"},
		{"GSSAPI NTLM", NULL, "the server offers to log in by GSSAPI NTLM, we would use SCRAM-SHA-256-PLUS"},
		{"PLAIN LOGIN", "SCRAM-SHA-256", "the server offers to log in by PLAIN LOGIN, we would use SCRAM-SHA-256"},
		{"PLAINX XPLAIN PLAI PLAIN-PLUS", "PLAIN", "we would use PLAIN"},
		{"=PLAIN", "PLAIN", "we would use PLAIN"},
		{"\x1b[2JPLAIN\xff", "PLAIN", "\\x1B[2JPLAIN\\xFF"},
		{"SCRAM-SHA-256-PLUS", NULL, "SCRAM-SHA-256-PLUS needs TLS with a channel binding"},
	};
	for (size_t i = 0; i < sizeof none / sizeof none[0]; i++) {
		struct login login;
		login_init(&login, "user", "secret");
		login.options.mechanisms = none[i][1];
		assert_int_equal(login_new(&login, none[i][0]), BM_E_AUTH);
		assert_null(login.sasl);
		assert_text_has(&login, none[i][2]);
		login_deinit(&login);
	}
}

/* After one of these the connection would be another: there is none, so there is nothing to say EHLO over again. */
/* conformance: 52 */
static void no_mechanism_has_a_security_layer(void **state)
{
	(void)state;
	static const char *const layered[] = {"GSSAPI", "DIGEST-MD5", "KERBEROS_V4", "GS2-KRB5", "SECURID"};
	struct bm_span wrong;
	for (size_t i = 0; i < sizeof layered / sizeof layered[0]; i++) {
		struct login login;
		login_init(&login, "user", "secret");
		login.options.mechanisms = layered[i];
		assert_false(bm_sasl_knows(layered[i], &wrong));
		assert_int_equal(login_new(&login, layered[i]), BM_E_AUTH);
		login_deinit(&login);
	}
}

static void nothing_at_all_may_be_offered(void **state)
{
	(void)state;
	struct login login;
	login_init(&login, "user", "secret");
	enum bm_code code = bm_sasl_new(&login.sasl, &login.options, bm_span_make(NULL, 0), &login.channel, &login.err);
	assert_int_equal(code, BM_E_AUTH);
	assert_int_equal(login_new(&login, "LOGIN"), BM_OK);
	code = bm_sasl_answer(login.sasl, bm_span_make(NULL, 0), &login.out, &login.err);
	assert_int_equal(code, BM_OK);
	login_deinit(&login);
}

/* conformance: 51, A11 */
static void the_secret_is_shown_over_a_verified_channel_only(void **state)
{
	(void)state;
	static const char *const showing[] = {"PLAIN", "LOGIN", "XOAUTH2", "OAUTHBEARER"};
	for (size_t i = 0; i < sizeof showing / sizeof showing[0]; i++) {
		struct login login;
		login_init(&login, "user", "secret");
		login.options.mechanisms = showing[i];
		login.channel.verified = false;
		assert_int_equal(login_new(&login, everything), BM_E_AUTH);
		assert_text_has(&login, showing[i]);
		assert_text_has(&login, "needs a verified certificate");
		struct bm_sasl *sasl = NULL;
		enum bm_code code = bm_sasl_new(&sasl, &login.options, bm_span_of(everything), NULL, &login.err);
		assert_int_equal(code, BM_E_AUTH);
		assert_null(sasl);
		assert_text_has(&login, "needs TLS with a verified certificate");
		login_deinit(&login);
	}
}

/* Without TLS, and over TLS with whoever; a binding that is not known is none. */
/* conformance: 51, A11 */
static void other_channels_get_what_shows_nothing(void **state)
{
	(void)state;
	struct login login;
	struct bm_sasl *sasl = NULL;
	login_init(&login, "user", "secret");
	assert_int_equal(bm_sasl_new(&sasl, &login.options, bm_span_of(everything), NULL, &login.err), BM_OK);
	assert_string_equal(bm_sasl_mechanism(sasl), "SCRAM-SHA-256");
	bm_sasl_free(sasl);
	login.channel.verified = false;
	assert_int_equal(login_new(&login, "PLAIN CRAM-MD5"), BM_OK);
	assert_string_equal(bm_sasl_mechanism(login.sasl), "CRAM-MD5");
	login.channel.binding = "tls-server-end-point";
	login.channel.binding_data = bm_span_of("digest");
	assert_int_equal(login_new(&login, everything), BM_OK);
	assert_string_equal(bm_sasl_mechanism(login.sasl), "SCRAM-SHA-256");
	login.channel.binding = "tls-unique";
	assert_int_equal(login_new(&login, everything), BM_OK);
	assert_string_equal(bm_sasl_mechanism(login.sasl), "SCRAM-SHA-256-PLUS");
	login_deinit(&login);
}

static void knows_its_mechanisms(void **state)
{
	(void)state;
	struct bm_span wrong;
	assert_true(bm_sasl_knows(BM_SASL_ORDER, &wrong));
	assert_true(bm_sasl_knows("xoauth2, OAUTHBEARER,,login", &wrong));
	assert_false(bm_sasl_knows("", &wrong));
	assert_int_equal(wrong.size, 0);
	assert_false(bm_sasl_knows(" , ", &wrong));
	assert_false(bm_sasl_knows("PLAIN DIGEST-MD5 LOGIN", &wrong));
	assert_true(bm_span_equal(wrong, bm_span_of("DIGEST-MD5")));
	assert_false(bm_sasl_knows("PLAIN;LOGIN", &wrong));
	assert_true(bm_span_equal(wrong, bm_span_of("PLAIN;LOGIN")));
}

static void credentials_that_cannot_be_said(void **state)
{
	(void)state;
	static const struct {
		const char *user, *secret;
		size_t size;
		const char *mechanisms, *text;
	} bad[] = {
		{"", "secret", 6, NULL, "no user"},
		{NULL, "secret", 6, NULL, "no user"},
		{"user", "", 0, NULL, "password is empty"},
		{"user", "sec\0ret", 7, NULL, "holds a NUL"},
		{"user", "sec\1ret", 7, "XOAUTH2", "control character"},
		{"us\1er", "secret", 6, "OAUTHBEARER", "control character"},
	};
	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
		struct login login;
		login_init(&login, bad[i].user, "");
		bm_secret_free(login.secret);
		assert_int_equal(bm_secret_new(&login.secret, bad[i].secret, bad[i].size, &login.err), BM_OK);
		login.options.secret = login.secret;
		login.options.mechanisms = bad[i].mechanisms;
		assert_int_equal(login_new(&login, everything), BM_E_AUTH);
		assert_text_has(&login, bad[i].text);
		login_deinit(&login);
	}
}

/* conformance: 50, A13 */
static void bad_base64_is_a_fault(void **state)
{
	(void)state;
	static const char *const bad[] = {
		"*", "=", "Username:", "VXNlcm5hbWU", "VXNl cm5h", "VXNlcm5h\n", "VXNl\xff\xff\xff\xff"};
	static const char *const names[] = {"LOGIN", "CRAM-MD5", "SCRAM-SHA-256", "XOAUTH2"};
	for (size_t i = 0; i < sizeof bad / sizeof bad[0] * 4; i++) {
		struct login login;
		bool has = false;
		login_init(&login, "user", "secret");
		login.options.mechanisms = names[i % 4];
		assert_int_equal(login_new(&login, everything), BM_OK);
		assert_int_equal(bm_sasl_begin(login.sasl, &login.out, &has, &login.err), BM_OK);
		assert_int_equal(login_answer(&login, bad[i / 4]), BM_E_PROTOCOL);
		assert_text_has(&login, "no base64");
		assert_int_equal(login.out.size, 0);
		login_deinit(&login);
	}
}

/* conformance: 50, A13 */
static void octets_0_in_challenges_are_no_fault_by_themselves(void **state)
{
	(void)state;
	struct login login;
	login_init(&login, "user", "secret");
	assert_int_equal(login_new(&login, "LOGIN"), BM_OK);
	assert_answers(&login, "AAAAAAAA", "dXNlcg==");
	assert_int_equal(bm_sasl_answer(login.sasl, bm_span_make("AA\0A", 4), &login.out, &login.err), BM_E_PROTOCOL);
	login_deinit(&login);
}

/* conformance: 49, A13 */
static void a_challenge_has_a_size(void **state)
{
	(void)state;
	static char large[1024 * 1024];
	struct login login;
	memset(large, 'A', sizeof large);
	login_init(&login, "user", "secret");
	assert_int_equal(login_new(&login, "LOGIN"), BM_OK);
	struct bm_span most = bm_span_make(large, BM_SASL_LINE_MAX);
	assert_int_equal(bm_sasl_answer(login.sasl, most, &login.out, &login.err), BM_OK);
	struct bm_span more = bm_span_make(large, BM_SASL_LINE_MAX + 4);
	assert_int_equal(bm_sasl_answer(login.sasl, more, &login.out, &login.err), BM_E_PROTOCOL);
	assert_text_has(&login, "more than 12288 octets");
	assert_int_equal(
		bm_sasl_answer(login.sasl, bm_span_make(large, sizeof large), &login.out, &login.err), BM_E_PROTOCOL);
	login_deinit(&login);
}

/* Whatever the mechanism takes, the ninth ends it. */
/* conformance: A13 */
static void challenges_have_a_number(void **state)
{
	(void)state;
	struct login login;
	login_init(&login, "user", "secret");
	assert_int_equal(login_new(&login, "LOGIN"), BM_OK);
	for (size_t i = 0; i < 8; i++) {
		assert_int_equal(login_answer(&login, ""), i < 2 ? BM_OK : BM_E_PROTOCOL);
		assert_int_equal(login.out.size > 0, i < 2);
	}
	assert_int_equal(login_answer(&login, ""), BM_E_PROTOCOL);
	assert_text_has(&login, "more than 8 challenges");
	login_deinit(&login);
}

/* "AUTH PLAIN " and CR LF are 13 octets: 499 are left, and 496 are the longest form. */
/* conformance: 49 */
static void an_initial_response_too_long_for_a_command_waits(void **state)
{
	(void)state;
	char secret[400];
	memset(secret, 'x', sizeof secret);
	for (size_t size = 364; size <= 372; size++) {
		struct login login;
		bool has = false;
		secret[size] = '\0';
		login_init(&login, "user", secret);
		assert_int_equal(login_new(&login, "PLAIN"), BM_OK);
		assert_int_equal(bm_sasl_begin(login.sasl, &login.out, &has, &login.err), BM_OK);
		assert_int_equal(has, size + 6 <= 372);
		assert_int_equal(login.out.size, has ? (size + 6 + 2) / 3 * 4 : 0);
		if (!has) {
			assert_int_equal(bm_sasl_done(login.sasl, &login.err), BM_E_PROTOCOL);
			assert_int_equal(login_answer(&login, ""), BM_OK);
			assert_int_equal(login.out.size, (size + 6 + 2) / 3 * 4);
			assert_memory_equal(login.out.data, "AHVzZXIAeHh4", 12);
			assert_int_equal(bm_sasl_done(login.sasl, &login.err), BM_OK);
		}
		assert_int_equal(login_answer(&login, ""), BM_E_PROTOCOL);
		secret[size] = 'x';
		login_deinit(&login);
	}
}

/* conformance: 49 */
static void what_waits_is_not_said_to_a_question(void **state)
{
	(void)state;
	char secret[600];
	struct login login;
	bool has = true;
	memset(secret, 'x', sizeof secret);
	secret[sizeof secret - 1] = '\0';
	login_init(&login, "user", secret);
	assert_int_equal(login_new(&login, "PLAIN"), BM_OK);
	assert_int_equal(bm_sasl_begin(login.sasl, &login.out, &has, &login.err), BM_OK);
	assert_false(has);
	assert_int_equal(login_answer(&login, "VXNlcm5hbWU6"), BM_E_PROTOCOL);
	assert_int_equal(login.out.size, 0);
	login_deinit(&login);
}

/* 9,216 octets are 12,288 of base64 */
/* conformance: 49 */
static void a_response_has_a_size(void **state)
{
	(void)state;
	static const struct {
		size_t size;
		enum bm_code code;
	} sizes[] = {{9210, BM_OK}, {9211, BM_E_AUTH}, {12282, BM_E_AUTH}, {60000, BM_E_AUTH}};
	char *secret = calloc(1, 60001);
	for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
		struct login login;
		bool has = false;
		memset(secret, 'x', sizes[i].size);
		login_init(&login, "user", secret);
		assert_int_equal(login_new(&login, "PLAIN"), BM_OK);
		enum bm_code code = bm_sasl_begin(login.sasl, &login.out, &has, &login.err);
		assert_false(has);
		if (code == BM_OK)
			code = login_answer(&login, "");
		assert_int_equal(code, sizes[i].code);
		if (code == BM_OK)
			assert_int_equal(login.out.size, BM_SASL_LINE_MAX);
		else
			assert_text_has(&login, "too long");
		login_deinit(&login);
	}
	free(secret);
}

/* conformance: A34 */
static void errors_hold_no_secret(void **state)
{
	(void)state;
	static const char *const names[] = {"PLAIN", "LOGIN", "CRAM-MD5", "XOAUTH2", "OAUTHBEARER", "SCRAM-SHA-256"};
	for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
		struct login login;
		bool has = false;
		login_init(&login, "user", "hunter2hunter2");
		login.options.mechanisms = names[i];
		assert_int_equal(login_new(&login, everything), BM_OK);
		assert_int_equal(bm_sasl_begin(login.sasl, &login.out, &has, &login.err), BM_OK);
		for (size_t round = 0; round < 10; round++) {
			(void)!login_answer(&login, "aHVudGVyMmh1bnRlcjI=");
			assert_null(strstr(login.err.text, "hunter2"));
			assert_null(strstr(login.err.text, "aHVudGVyMm"));
		}
		login_deinit(&login);
	}
}

/* What was said is no more in the buffer when the next is asked for. */
/* conformance: A34 */
static void the_buffer_is_wiped_before_it_is_filled(void **state)
{
	(void)state;
	struct login login;
	login_init(&login, "user", "a secret that is longer than the rest");
	assert_int_equal(login_new(&login, "LOGIN"), BM_OK);
	assert_int_equal(login_answer(&login, ""), BM_OK);
	assert_int_equal(login_answer(&login, ""), BM_OK);
	size_t size = login.out.size;
	assert_true(size > 40);
	assert_int_equal(login_answer(&login, ""), BM_E_PROTOCOL);
	assert_int_equal(login.out.size, 0);
	for (size_t i = 0; i < size; i++)
		assert_int_equal(login.out.data[i], 0);
	login_deinit(&login);
}

/* How often octets stand in the heap. */
static size_t heap_has(const unsigned char *octets, size_t size)
{
	FILE *maps = fopen("/proc/self/maps", "re");
	char line[512];
	size_t found = 0;
	unsigned long begin = 0;
	unsigned long end = 0;

	assert_non_null(maps);
	while (fgets(line, sizeof line, maps) != NULL && strstr(line, "[heap]") == NULL)
		continue;
	fclose(maps);
	if (strstr(line, "[heap]") == NULL || sscanf(line, "%lx-%lx ", &begin, &end) != 2)
		return 0;
	const unsigned char *at = (const unsigned char *)begin; /* NOLINT(performance-no-int-to-ptr) */
	while ((at = memmem(at, end - (unsigned long)at, octets, size)) != NULL) {
		at++;
		found++;
	}
	return found;
}

/* A sanitizer has an allocator of its own. */
static bool sees_the_heap(void)
{
	static const char text[] = "what only this copy on the heap holds";
	char *control = strdup(text);
	assert_non_null(control);
	bool seen = heap_has((const unsigned char *)text + 8, 16) > 0;
	free(control);
	return seen;
}

/* The first octets of freed memory are the allocator's, so the end of the secret is looked for, and of what was said.
 */
/* conformance: A34 */
static void nothing_of_the_secret_is_left_in_memory(void **state)
{
	(void)state;
	static const char secret[] = "0123456789abcdefghijklmnopqrstuvwxyzABCDEF";
	static const char *const names[] = {"PLAIN", "LOGIN", "XOAUTH2", "OAUTHBEARER"};
	static unsigned char said[24];
	for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
		struct login login;
		bool has = false;
		login_init(&login, "user", secret);
		login.options.mechanisms = names[i];
		assert_int_equal(login_new(&login, everything), BM_OK);
		assert_int_equal(bm_sasl_begin(login.sasl, &login.out, &has, &login.err), BM_OK);
		for (size_t round = 0; round < 2 && !has; round++)
			assert_int_equal(login_answer(&login, ""), BM_OK);
		assert_true(login.out.size >= sizeof said);
		memcpy(said, login.out.data + login.out.size - sizeof said, sizeof said);
		assert_true(heap_has(said, sizeof said) > 0);
		bm_secret_wipe(login.out.data, login.out.capacity);
		login_deinit(&login);
		assert_int_equal(heap_has((const unsigned char *)secret + 24, 16), 0);
		assert_int_equal(heap_has(said, sizeof said), 0);
	}
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(plain_says_all_at_once),
		cmocka_unit_test(plain_says_utf_8_as_it_is),
		cmocka_unit_test(login_answers_by_order),
		cmocka_unit_test(xoauth2_says_the_token),
		cmocka_unit_test(oauthbearer_says_the_token),
		cmocka_unit_test(oauthbearer_escapes_the_name),
		cmocka_unit_test(a_refused_token_is_answered_once),
		cmocka_unit_test(cram_md5_answers_as_the_rfc_does),
		cmocka_unit_test(cram_md5_wants_a_challenge),
		cmocka_unit_test(the_order_is_ours),
		cmocka_unit_test(what_is_not_listed_or_not_allowed_is_not_used),
		cmocka_unit_test(no_mechanism_has_a_security_layer),
		cmocka_unit_test(nothing_at_all_may_be_offered),
		cmocka_unit_test(the_secret_is_shown_over_a_verified_channel_only),
		cmocka_unit_test(other_channels_get_what_shows_nothing),
		cmocka_unit_test(knows_its_mechanisms),
		cmocka_unit_test(credentials_that_cannot_be_said),
		cmocka_unit_test(bad_base64_is_a_fault),
		cmocka_unit_test(octets_0_in_challenges_are_no_fault_by_themselves),
		cmocka_unit_test(a_challenge_has_a_size),
		cmocka_unit_test(challenges_have_a_number),
		cmocka_unit_test(an_initial_response_too_long_for_a_command_waits),
		cmocka_unit_test(what_waits_is_not_said_to_a_question),
		cmocka_unit_test(a_response_has_a_size),
		cmocka_unit_test(errors_hold_no_secret),
		cmocka_unit_test(the_buffer_is_wiped_before_it_is_filled),
		cmocka_unit_test(nothing_of_the_secret_is_left_in_memory),
	};
	/* the last looks into the C library's heap */
	size_t count = sizeof tests / sizeof tests[0] - (sees_the_heap() ? 0 : 1);
	return _cmocka_run_group_tests("sasl", tests, count, NULL, NULL);
}
