/* SPDX-License-Identifier: MIT */
#include "sasl.h"

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

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(plain_says_all_at_once),
		cmocka_unit_test(login_answers_by_order),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
