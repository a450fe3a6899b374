/* SPDX-License-Identifier: MIT */
/* SCRAM with a nonce that is known, against scripts and against libgsasl's own server. */
#include "sasl.h"

#include <gsasl.h>

/* libgsasl's draws go through here: as long as a test wants it they are those of RFC 5802, 5. */
static bool fixed;

__attribute__((visibility("default"))) int gsasl_nonce(char *data, size_t size)
{
	static const unsigned char of_rfc[] = {
		0x7f, 0x29, 0x28, 0xf9, 0xdd, 0xa5, 0x6d, 0xb1, 0x60, 0x38, 0xd4, 0x6f, 0xf6, 0xa9, 0x31, 0x75, 0xac, 0x0b};
	if (!fixed)
		return gsasl_random(data, size);
	for (size_t i = 0; i < size; i++)
		data[i] = (char)of_rfc[i % sizeof of_rfc];
	return GSASL_OK;
}

static int fix_nonce(void **state)
{
	(void)state;
	fixed = true;
	return 0;
}

static int free_nonce(void **state)
{
	(void)state;
	fixed = false;
	return 0;
}

static struct bm_buf encoded(const char *text)
{
	struct bm_buf form;
	bm_buf_init(&form, 4 * BM_SASL_LINE_MAX);
	assert_int_equal(bm_base64_write(&form, bm_span_of(text)), BM_OK);
	return form;
}

static enum bm_code answer_plain(struct login *login, const char *challenge)
{
	struct bm_buf form = encoded(challenge);
	enum bm_code code = bm_sasl_answer(login->sasl, bm_buf_view(&form), &login->out, &login->err);
	bm_buf_deinit(&form);
	return code;
}

/* What was said, decoded. */
static void assert_said_plain(const struct login *login, const char *text)
{
	struct bm_buf said;
	bm_buf_init(&said, BM_SASL_LINE_MAX);
	assert_int_equal(bm_base64_read(&said, bm_buf_view(&login->out)), BM_OK);
	assert_int_equal(bm_buf_terminate(&said), BM_OK);
	assert_string_equal((const char *)said.data, text);
	bm_buf_deinit(&said);
}

static void begin(struct login *login, const char *mechanism, const char *user, const char *secret)
{
	bool has = false;
	login_init(login, user, secret);
	login->options.mechanisms = mechanism;
	login->channel.binding = "tls-exporter";
	login->channel.binding_data = bm_span_make("\0\1\2\3\4\5\6\7\10\11\12\13\14\15\16\17"
											   "\20\21\22\23\24\25\26\27\30\31\32\33\34\35\36\37",
		32);
	assert_int_equal(login_new(login, mechanism), BM_OK);
	assert_int_equal(bm_sasl_begin(login->sasl, &login->out, &has, &login->err), BM_OK);
	assert_true(has);
}

/*
 * SCRAM-SHA-1 is RFC 5802, 5. The others are made by a script that finds RFC 7677, 3 by the same functions; the nonce
 * of that page is none that libgsasl could draw.
 */
#define OURS "fyko+d2lbbFgONRv9qkxdawL"
#define NONCE OURS "%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0"
#define SERVER_FIRST "r=" NONCE ",s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096"

static const struct vector {
	const char *mechanism, *first, *server_first, *final, *server_final;
} vectors[] = {
	{"SCRAM-SHA-1", "n,,n=user,r=" OURS, "r=" OURS "3rfcNHYJY1ZVvWVs7j,s=QSXCR+Q6sek8bf92,i=4096",
		"c=biws,r=" OURS "3rfcNHYJY1ZVvWVs7j,p=v0X8v3Bz2T0CJGbJQyF0X+HI4Ts=", "v=rmF9pqV8S7suAoZWja4dJRkFsKQ="},
	{"SCRAM-SHA-256", "n,,n=user,r=" OURS, SERVER_FIRST,
		"c=biws,r=" NONCE ",p=2FUSN0pPcS7P8hBhsxBJOiUDbRoW4KVNGZT0LxVnSek=",
		"v=zJZjsVp2g+W9jd01vgbsshippfH1sM0tLdBvs+e3DF4="},
	{"SCRAM-SHA-256-PLUS", "p=tls-exporter,,n=user,r=" OURS, SERVER_FIRST,
		"c=cD10bHMtZXhwb3J0ZXIsLAABAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhscHR4f,r=" NONCE
		",p=SmmG1yuBZlVCk2EJhIfhLzRXsoOjWihO8SG6z+wDEfM=",
		"v=SvfizvAzVzyK6DyZ4xGECzkVJAkYCszMtw8TNLohaIU="},
};

static void answers_as_the_rfc_does(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof vectors / sizeof vectors[0]; i++) {
		const struct vector *vector = &vectors[i];
		struct login login;
		begin(&login, vector->mechanism, "user", "pencil");
		assert_said_plain(&login, vector->first);
		assert_int_equal(bm_sasl_done(login.sasl, &login.err), BM_E_PROTOCOL);
		assert_int_equal(answer_plain(&login, vector->server_first), BM_OK);
		assert_said_plain(&login, vector->final);
		assert_int_equal(bm_sasl_done(login.sasl, &login.err), BM_E_PROTOCOL);
		assert_int_equal(answer_plain(&login, vector->server_final), BM_OK);
		assert_int_equal(login.out.size, 0);
		assert_int_equal(bm_sasl_done(login.sasl, &login.err), BM_OK);
		assert_int_equal(answer_plain(&login, ""), BM_E_PROTOCOL);
		login_deinit(&login);
	}
}

static void binds_by_tls_unique(void **state)
{
	(void)state;
	struct login login;
	bool has = false;
	begin(&login, "SCRAM-SHA-256-PLUS", "user", "pencil");
	login.channel.binding = "tls-unique";
	login.channel.binding_data.size = 12;
	assert_int_equal(login_new(&login, "SCRAM-SHA-256-PLUS"), BM_OK);
	assert_int_equal(bm_sasl_begin(login.sasl, &login.out, &has, &login.err), BM_OK);
	assert_said_plain(&login, "p=tls-unique,,n=user,r=" OURS);
	assert_int_equal(answer_plain(&login, SERVER_FIRST), BM_OK);
	assert_said_plain(
		&login, "c=cD10bHMtdW5pcXVlLCwAAQIDBAUGBwgJCgs=,r=" NONCE ",p=jXF6r3h6hkAGpA5JWNIQ+bRPDVZPZX0b/HtaQj5vgJA=");
	assert_int_equal(answer_plain(&login, "v=si3S5mt/anjjR0uhZ90dPwd+ycBXAornCSQJmCf133E="), BM_OK);
	assert_int_equal(bm_sasl_done(login.sasl, &login.err), BM_OK);
	login_deinit(&login);
}

static const struct {
	const char *first;
	const char *text;
} lies[] = {
	{"r=" NONCE ",s=W22ZaJ0SNY7soEsUEjb6gQ==,i=1", "asks for 1 iterations, 4096 to 1000000 are done"},
	{"r=" NONCE ",s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4095", "asks for 4095 iterations"},
	{"r=" NONCE ",s=W22ZaJ0SNY7soEsUEjb6gQ==,i=1000001", "asks for 1000001 iterations"},
	{"r=" NONCE ",s=W22ZaJ0SNY7soEsUEjb6gQ==,i=2147483648", "asks for 2147483648 iterations"},
	{"r=" NONCE ",s=W22ZaJ0SNY7soEsUEjb6gQ==,i=18446744073709555712", "asks for 18446744073709555712 iterations"},
	{"r=" NONCE ",s=W22ZaJ0SNY7soEsUEjb6gQ==,i=", "asks for  iterations"},
	{"r=" NONCE ",s=W22ZaJ0SNY7soEsUEjb6gQ==,i=-4096", "asks for -4096 iterations"},
	{"r=" NONCE ",s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096x", "asks for 4096x iterations"},
	{"r=" OURS ",s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096", "nonce does not continue ours"},
	{"r=fyko+d2lbbFgONRv9qkxdawl%hvYDp,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096", "nonce does not continue ours"},
	{"r=hvYDp" OURS ",s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096", "nonce does not continue ours"},
	{"r=fyko,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096", "nonce does not continue ours"},
	{"r=,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096", "nonce does not continue ours"},
	{"r=" NONCE ",s=,i=4096", "salt is none"},
	{"r=" NONCE ",s=W22Za,i=4096", "salt is none"},
	{"m=x,r=" NONCE ",s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096", "extension that is not known"},
	{"s=W22ZaJ0SNY7soEsUEjb6gQ==,r=" NONCE ",i=4096", "first message is none"},
	{"r=" NONCE ",i=4096", "first message is none"},
	{"r=" NONCE ",s=W22ZaJ0SNY7soEsUEjb6gQ==", "first message is none"},
	{"r=" NONCE "\n,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096", "first message is none"},
	{"e=other-error", "first message is none"},
	{"v=zJZjsVp2g+W9jd01vgbsshippfH1sM0tLdBvs+e3DF4=", "first message is none"},
	{"", "first message is none"},
	{"r", "first message is none"},
};

/* conformance: A12 */
static void lies_of_the_first_message(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof lies / sizeof lies[0]; i++) {
		struct login login;
		begin(&login, "SCRAM-SHA-256", "user", "pencil");
		assert_int_equal(answer_plain(&login, lies[i].first), BM_E_PROTOCOL);
		assert_text_has(&login, lies[i].text);
		assert_int_equal(login.out.size, 0);
		assert_int_equal(bm_sasl_done(login.sasl, &login.err), BM_E_PROTOCOL);
		login_deinit(&login);
	}
}

/* conformance: A12, A13 */
static void octets_0_in_the_first_message(void **state)
{
	(void)state;
	static const char text[] = SERVER_FIRST;
	for (size_t at = 0; at < sizeof text; at++) {
		struct login login;
		struct bm_buf form;
		char challenge[sizeof text];
		memcpy(challenge, text, sizeof text); /* the NUL at its end is one of them */
		challenge[at] = '\0';
		bm_buf_init(&form, 1000);
		assert_int_equal(bm_base64_write(&form, bm_span_make(challenge, sizeof text)), BM_OK);
		begin(&login, "SCRAM-SHA-256", "user", "pencil");
		enum bm_code code = bm_sasl_answer(login.sasl, bm_buf_view(&form), &login.out, &login.err);
		assert_int_equal(code, BM_E_PROTOCOL);
		bm_buf_deinit(&form);
		login_deinit(&login);
	}
}

/* conformance: A12 */
static void a_salt_has_a_size(void **state)
{
	(void)state;
	for (size_t size = 1023; size <= 1026; size++) {
		struct login login;
		struct bm_buf salt;
		char challenge[2000];
		char octets[1026];
		memset(octets, 's', sizeof octets);
		bm_buf_init(&salt, sizeof challenge);
		assert_int_equal(bm_base64_write(&salt, bm_span_make(octets, size)), BM_OK);
		snprintf(challenge, sizeof challenge, "r=%s,s=%.*s,i=4096", NONCE, (int)salt.size, (const char *)salt.data);
		begin(&login, "SCRAM-SHA-256", "user", "pencil");
		assert_int_equal(answer_plain(&login, challenge), size <= 1024 ? BM_OK : BM_E_PROTOCOL);
		if (size > 1024)
			assert_text_has(&login, "1024 at most are taken");
		bm_buf_deinit(&salt);
		login_deinit(&login);
	}
}

static const struct {
	const char *final;
	const char *text;
} signatures[] = {
	{"v=yJZjsVp2g+W9jd01vgbsshippfH1sM0tLdBvs+e3DF4=", "signature is wrong"},
	{"v=rmF9pqV8S7suAoZWja4dJRkFsKQ=", "SCRAM-SHA-256"},
	{"v=zJZjsVp2g+W9jd01vgbsshippfH1sM0tLdBvs+e3DF4", "SCRAM-SHA-256"},
	{"v=", "does not prove"},
	{"", "does not prove"},
	{"x=1", "does not prove"},
	{"zJZjsVp2g+W9jd01vgbsshippfH1sM0tLdBvs+e3DF4=", "does not prove"},
	{"x=1,v=zJZjsVp2g+W9jd01vgbsshippfH1sM0tLdBvs+e3DF4=", "does not prove"},
	{SERVER_FIRST, "does not prove"},
};

/* conformance: A12 */
static void lies_of_the_last_message(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof signatures / sizeof signatures[0]; i++) {
		struct login login;
		begin(&login, "SCRAM-SHA-256", "user", "pencil");
		assert_int_equal(answer_plain(&login, SERVER_FIRST), BM_OK);
		assert_int_equal(answer_plain(&login, signatures[i].final), BM_E_PROTOCOL);
		assert_text_has(&login, signatures[i].text);
		assert_int_equal(bm_sasl_done(login.sasl, &login.err), BM_E_PROTOCOL);
		login_deinit(&login);
	}
}

/* A refusal is answered with an empty line: the reply that follows has the code. */
/* conformance: 53, A12 */
static void a_refusal_is_no_proof(void **state)
{
	(void)state;
	struct login login;
	begin(&login, "SCRAM-SHA-256", "user", "pencil");
	assert_int_equal(answer_plain(&login, SERVER_FIRST), BM_OK);
	assert_int_equal(answer_plain(&login, "e=invalid-proof"), BM_OK);
	assert_int_equal(login.out.size, 0);
	assert_int_equal(bm_sasl_done(login.sasl, &login.err), BM_E_PROTOCOL);
	assert_int_equal(answer_plain(&login, "v=zJZjsVp2g+W9jd01vgbsshippfH1sM0tLdBvs+e3DF4="), BM_E_PROTOCOL);
	assert_int_equal(bm_sasl_done(login.sasl, &login.err), BM_E_PROTOCOL);
	login_deinit(&login);
}

/* The greatest number that is done: a login costs so much at most. */
/* conformance: A12 */
static void many_iterations_are_done(void **state)
{
	(void)state;
	struct login login;
	begin(&login, "SCRAM-SHA-1", "user", "pencil");
	assert_int_equal(answer_plain(&login, "r=" NONCE ",s=QSXCR+Q6sek8bf92,i=1000000"), BM_OK);
	login_deinit(&login);
}

/* SASLprep: what it forbids cannot be said. */
static void names_are_prepared(void **state)
{
	(void)state;
	struct login login;
	bool has = false;
	begin(&login, "SCRAM-SHA-256", "I\xc2\xadX", "pencil");
	assert_said_plain(&login, "n,,n=IX,r=" OURS);
	login_deinit(&login);
	login_init(&login, "us\aer", "pencil");
	assert_int_equal(login_new(&login, "SCRAM-SHA-256"), BM_OK);
	assert_int_equal(bm_sasl_begin(login.sasl, &login.out, &has, &login.err), BM_E_AUTH);
	assert_text_has(&login, "user or the password");
	login_deinit(&login);
	login_init(&login, "user", "pen\acil");
	assert_int_equal(login_new(&login, "SCRAM-SHA-256"), BM_OK);
	assert_int_equal(bm_sasl_begin(login.sasl, &login.out, &has, &login.err), BM_E_AUTH);
	assert_int_equal(login_new(&login, "CRAM-MD5"), BM_OK);
	assert_int_equal(login_answer(&login, "PDFAaG9zdD4="), BM_E_AUTH);
	login_deinit(&login);
}

struct server {
	Gsasl *library;
	Gsasl_session *session;
	const char *user, *secret;
};

static int tell_server(Gsasl *library, Gsasl_session *session, Gsasl_property property)
{
	const struct server *server = gsasl_session_hook_get(session);
	(void)library;
	if (property != GSASL_PASSWORD)
		return GSASL_NO_CALLBACK;
	assert_string_equal(gsasl_property_fast(session, GSASL_AUTHID), server->user);
	return gsasl_property_set(session, GSASL_PASSWORD, server->secret);
}

static void server_init(struct server *server, const char *mechanism, const char *user, const char *secret)
{
	*server = (struct server){.user = user, .secret = secret};
	assert_int_equal(gsasl_init(&server->library), GSASL_OK);
	assert_int_equal(gsasl_server_start(server->library, mechanism, &server->session), GSASL_OK);
	gsasl_callback_set(server->library, tell_server);
	gsasl_session_hook_set(server->session, server);
	gsasl_property_set(server->session, GSASL_SCRAM_ITER, "4096");
	if (strstr(mechanism, "-PLUS") != NULL)
		gsasl_property_set(server->session, GSASL_CB_TLS_EXPORTER, "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=");
}

static void server_deinit(struct server *server)
{
	gsasl_finish(server->session);
	gsasl_done(server->library);
}

/* True when both ends are content. */
static bool play(struct login *login, struct server *server, bool has)
{
	int result = GSASL_NEEDS_MORE;
	enum bm_code code = BM_OK;

	for (size_t round = 0; round < 5 && code == BM_OK; round++) {
		char *text = NULL;
		if (round > 0 || has)
			assert_int_equal(bm_buf_terminate(&login->out), BM_OK);
		result = gsasl_step64(server->session, round > 0 || has ? (const char *)login->out.data : NULL, &text);
		if (result == GSASL_NEEDS_MORE || (result == GSASL_OK && text != NULL && text[0] != '\0'))
			code = login_answer(login, text);
		gsasl_free(text);
		if (result != GSASL_NEEDS_MORE)
			break;
	}
	return result == GSASL_OK && code == BM_OK && bm_sasl_done(login->sasl, &login->err) == BM_OK;
}

static bool meet(const char *mechanism, const char *user, const char *ours, const char *theirs)
{
	struct login login;
	struct server server;
	bool has = false;

	login_init(&login, user, ours);
	login.options.mechanisms = mechanism;
	login.channel.binding = "tls-exporter";
	login.channel.binding_data = bm_span_make("\0\1\2\3\4\5\6\7\10\11\12\13\14\15\16\17"
											  "\20\21\22\23\24\25\26\27\30\31\32\33\34\35\36\37",
		32);
	assert_int_equal(login_new(&login, mechanism), BM_OK);
	assert_int_equal(bm_sasl_begin(login.sasl, &login.out, &has, &login.err), BM_OK);
	server_init(&server, mechanism, user, theirs);
	bool content = play(&login, &server, has);
	server_deinit(&server);
	login_deinit(&login);
	return content;
}

/* conformance: 54 */
static void an_honest_server_takes_us(void **state)
{
	(void)state;
	static const char *const names[] = {"SCRAM-SHA-256-PLUS", "SCRAM-SHA-256", "SCRAM-SHA-1", "CRAM-MD5"};
	for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
		assert_true(meet(names[i], "user", "pencil", "pencil"));
		assert_true(meet(names[i], "a,b=c,,=2C", "p=x,n=y", "p=x,n=y"));
		assert_true(meet(names[i], "j\xc3\xbcrg", "pa\xc3\x9fwort \xe2\x82\xac", "pa\xc3\x9fwort \xe2\x82\xac"));
		assert_false(meet(names[i], "user", "pencil", "pencils"));
	}
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(answers_as_the_rfc_does, fix_nonce, free_nonce),
		cmocka_unit_test_setup_teardown(binds_by_tls_unique, fix_nonce, free_nonce),
		cmocka_unit_test_setup_teardown(lies_of_the_first_message, fix_nonce, free_nonce),
		cmocka_unit_test_setup_teardown(octets_0_in_the_first_message, fix_nonce, free_nonce),
		cmocka_unit_test_setup_teardown(a_salt_has_a_size, fix_nonce, free_nonce),
		cmocka_unit_test_setup_teardown(lies_of_the_last_message, fix_nonce, free_nonce),
		cmocka_unit_test_setup_teardown(a_refusal_is_no_proof, fix_nonce, free_nonce),
		cmocka_unit_test_setup_teardown(many_iterations_are_done, fix_nonce, free_nonce),
		cmocka_unit_test_setup_teardown(names_are_prepared, fix_nonce, free_nonce),
		cmocka_unit_test(an_honest_server_takes_us),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
