/* SPDX-License-Identifier: MIT */
/* The mechanisms, and the AUTH command with them. */
#include "fixture.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

/* A file with this text, which the caller unlinks. */
static void write_file(char path[64], const char *text)
{
	snprintf(path, 64, "/tmp/test_sink_auth.XXXXXX");
	int fd = mkstemp(path);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), (ssize_t)strlen(text));
	close(fd);
}

static struct bm_sink_auth *auth_of(const char *mechanisms, const char *secret)
{
	struct bm_error err = BM_ERROR_INIT;
	struct bm_sink_auth *auth = NULL;
	char path[64];

	write_file(path, secret);
	assert_int_equal(bm_sink_auth_new(&auth, mechanisms, "user", path, &err), BM_OK);
	unlink(path);
	return auth;
}

struct said {
	const char *mechanism;
	const char *text;
	size_t size;
	enum bm_sink_verdict verdict;
};

#define SAID(mechanism, text, verdict)                                                                                 \
	{                                                                                                                  \
		mechanism, text, sizeof(text) - 1, verdict                                                                     \
	}

static void judges_what_is_said_at_once(void **state)
{
	(void)state;
	const struct said all[] = {
		SAID("PLAIN", "\0user\0secret", BM_SINK_AUTH_DONE),
		SAID("plain", "user\0user\0secret", BM_SINK_AUTH_DONE),
		SAID("PLAIN", "other\0user\0secret", BM_SINK_AUTH_FAILED),
		SAID("PLAIN", "\0user\0secre", BM_SINK_AUTH_FAILED),
		SAID("PLAIN", "\0user\0secret\0", BM_SINK_AUTH_FAILED),
		SAID("PLAIN", "\0user2\0secret", BM_SINK_AUTH_FAILED),
		SAID("PLAIN", "\0user\0", BM_SINK_AUTH_FAILED),
		SAID("PLAIN", "\0\0secret", BM_SINK_AUTH_MALFORMED),
		SAID("PLAIN", "user", BM_SINK_AUTH_MALFORMED),
		SAID("PLAIN", "", BM_SINK_AUTH_MALFORMED),
		SAID("XOAUTH2", "user=user\1auth=Bearer secret\1\1", BM_SINK_AUTH_DONE),
		SAID("XOAUTH2", "user=user\1auth=bearer secret\1\1", BM_SINK_AUTH_DONE),
		SAID("XOAUTH2", "user=user\1auth=Bearer x\1\1", BM_SINK_AUTH_MORE),
		SAID("XOAUTH2", "user=user\1auth=Bearer secret", BM_SINK_AUTH_MALFORMED),
		SAID("OAUTHBEARER", "n,a=user,\1host=h\1auth=Bearer secret\1\1", BM_SINK_AUTH_DONE),
		SAID("OAUTHBEARER", "n,,\1auth=Bearer secret\1\1", BM_SINK_AUTH_DONE),
		SAID("OAUTHBEARER", "n,a=other,\1auth=Bearer secret\1\1", BM_SINK_AUTH_MORE),
		SAID("OAUTHBEARER", "y,a=user,\1auth=Bearer secret\1\1", BM_SINK_AUTH_MALFORMED),
		SAID("OAUTHBEARER", "n,a=user,x\1auth=Bearer secret\1\1", BM_SINK_AUTH_MALFORMED),
		SAID("SCRAM-SHA-256", "nonsense", BM_SINK_AUTH_MALFORMED),
		SAID("CRAM-MD5", "early", BM_SINK_AUTH_MALFORMED),
	};
	struct bm_sink_auth *auth = auth_of("PLAIN XOAUTH2 OAUTHBEARER SCRAM-SHA-256 CRAM-MD5", "secret\r\nmore\n");
	for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) {
		struct bm_buf challenge;
		bm_buf_init(&challenge, 1000);
		struct bm_sink_exchange *exchange = bm_sink_exchange_new(auth, bm_span_of(all[i].mechanism), NULL, NULL);
		assert_non_null(exchange);
		struct bm_span said = bm_span_make((const unsigned char *)all[i].text, all[i].size);
		enum bm_sink_verdict verdict = bm_sink_exchange_step(exchange, said, &challenge);
		if (verdict != all[i].verdict)
			fail_msg("%s %zu: %d", all[i].mechanism, i, (int)verdict);
		bm_sink_exchange_free(exchange);
		bm_buf_deinit(&challenge);
	}
	bm_sink_auth_free(auth);
}

static void knows_what_it_lists_alone(void **state)
{
	(void)state;
	struct bm_sink_auth *auth = auth_of(" PLAIN  SCRAM-SHA-256-PLUS X-OWN ", "");
	struct bm_buf list;
	bm_buf_init(&list, 1000);
	assert_int_equal(bm_sink_auth_list(auth, false, &list), BM_OK);
	assert_int_equal(bm_sink_auth_list(auth, true, &list), BM_OK);
	assert_int_equal(bm_buf_terminate(&list), BM_OK);
	assert_string_equal(list.data, " PLAIN X-OWN PLAIN SCRAM-SHA-256-PLUS X-OWN");
	bm_buf_deinit(&list);
	assert_null(bm_sink_exchange_new(auth, bm_span_of("LOGIN"), NULL, NULL));
	assert_null(bm_sink_exchange_new(auth, bm_span_of("X-OWN"), NULL, NULL));
	assert_null(bm_sink_exchange_new(auth, bm_span_of("SCRAM-SHA-256-PLUS"), NULL, NULL));
	bm_sink_auth_free(auth);
	struct bm_error err = BM_ERROR_INIT;
	assert_int_equal(bm_sink_auth_new(&auth, "PLAIN", "u", "/nonexistent/x", &err), BM_E_MISSING);
	assert_null(auth);
}

static void begin_auth(struct fixture *f, const char *script)
{
	struct bm_error err = BM_ERROR_INIT;
	begin(f, script);
	f->shared.auth = auth_of("PLAIN LOGIN", "secret");
	assert_int_equal(bm_sink_shared_offer(&f->shared, NULL, &err), BM_OK);
	greet(f);
}

static void a_login_line_by_line(void **state)
{
	(void)state;
	struct fixture f;
	begin_auth(&f, "");
	assert_string_equal(talk(&f, "AUTH LOGIN\r\n"), "334 VXNlcm5hbWU6\r\n");
	assert_string_equal(talk(&f, "*\r\n"), "501 5.7.0 Cancelled\r\n");
	assert_string_equal(talk(&f, "AUTH LOGIN dXNlcg==\r\n"), "334 UGFzc3dvcmQ6\r\n");
	/* A line is a response, whatever it looks like. */
	assert_string_equal(codes(&f, "QUIT\r\n"), "535");
	assert_string_equal(codes(&f, "AUTH PLAIN =\r\n"), "501");
	assert_string_equal(codes(&f, "AUTH PLAIN AHVzZXIAc2VjcmV0\r\n"), "235");
	assert_string_equal(codes(&f, "AUTH PLAIN AHVzZXIAc2VjcmV0\r\n"), "503");
	json_t *line = record(&f, 3);
	expect_text(line, "auth", "PLAIN");
	expect_text(line, "user", "user");
	assert_true(json_is_true(json_object_get(line, "success")));
	assert_true(json_is_false(json_object_get(line, "secure")));
	json_decref(line);
	assert_string_equal(codes(&f, "MAIL FROM:<a@x> AUTH=a+3Db\r\n"), "250");
	assert_string_equal(codes(&f, "RSET\r\n"), "250");
	finish(&f);
}

static void a_script_may_say_anything(void **state)
{
	(void)state;
	struct fixture f;
	begin_auth(&f, "{\"on\":\"AUTH\",\"nth\":1,\"reply\":\"235 you again\"}\n{\"on\":\"AUTH\",\"reply\":\"334 !\"}");
	f.shared.auth_required = true;
	assert_string_equal(codes(&f, "MAIL FROM:<a@x>\r\n"), "530");
	assert_string_equal(codes(&f, "AUTH PLAIN AHVzZXIAd3Jvbmc=\r\n"), "235");
	assert_string_equal(codes(&f, "MAIL FROM:<a@x>\r\n"), "250");
	finish(&f);
	begin_auth(&f, "{\"on\":\"AUTH\",\"reply\":\"334 !\"}");
	assert_string_equal(codes(&f, "AUTH X\r\n"), "334");
	assert_string_equal(codes(&f, "*\r\n"), "501");
	assert_string_equal(codes(&f, "NOOP\r\n"), "250");
	finish(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(judges_what_is_said_at_once),
		cmocka_unit_test(knows_what_it_lists_alone),
		cmocka_unit_test(a_login_line_by_line),
		cmocka_unit_test(a_script_may_say_anything),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
