/* SPDX-License-Identifier: MIT */
/* Every allocation of a login that is ours fails once. Linked with --wrap; libgsasl's own are not reached by that. */
#include "sasl.h"

#include <stdio.h>

static size_t allocations;
static size_t failing = SIZE_MAX;

void *__real_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
void *__real_realloc(void *old, size_t size);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t count, size_t size);
void *__wrap_realloc(void *old, size_t size);

static bool fails(void)
{
	return allocations++ == failing;
}

void *__wrap_malloc(size_t size)
{
	return fails() ? NULL : __real_malloc(size);
}

void *__wrap_calloc(size_t count, size_t size)
{
	return fails() ? NULL : __real_calloc(count, size);
}

void *__wrap_realloc(void *old, size_t size)
{
	return fails() ? NULL : __real_realloc(old, size);
}

/* The nonce of the server's first message: what we said, and more. */
static void continue_nonce(const struct bm_buf *said, struct bm_buf *challenge)
{
	struct bm_buf plain;
	char first[200];

	bm_buf_init(&plain, 1000);
	assert_int_equal(bm_base64_read(&plain, bm_buf_view(said)), BM_OK);
	assert_int_equal(bm_buf_terminate(&plain), BM_OK);
	const char *nonce = strstr((const char *)plain.data, "r=");
	snprintf(first, sizeof first, "%sxyz,s=QSXCR+Q6sek8bf92,i=4096", nonce == NULL ? "" : nonce);
	bm_buf_deinit(&plain);
	assert_int_equal(bm_base64_write(challenge, bm_span_of(first)), BM_OK);
}

/* As far as two challenges take it. */
static enum bm_code log_in(struct login *login, const char *mechanism)
{
	struct bm_buf challenge;
	size_t limit = failing;
	bool has = false;
	enum bm_code code = login_new(login, mechanism);

	if (code == BM_OK)
		code = bm_sasl_begin(login->sasl, &login->out, &has, &login->err);
	if (code != BM_OK)
		return code;
	size_t made = allocations;
	failing = SIZE_MAX;
	bm_buf_init(&challenge, 400);
	if (strncmp(mechanism, "SCRAM", 5) == 0)
		continue_nonce(&login->out, &challenge);
	else if (!has)
		assert_int_equal(bm_base64_write(&challenge, bm_span_of("<1@host>")), BM_OK);
	allocations = made;
	failing = limit;
	if (strcmp(mechanism, "PLAIN") != 0)
		code = bm_sasl_answer(login->sasl, bm_buf_view(&challenge), &login->out, &login->err);
	bm_buf_deinit(&challenge);
	return code;
}

/* How many allocations there were. */
static size_t try_one(const char *mechanism, size_t fail_at, enum bm_code *code)
{
	static char user[300];
	struct login login;

	memset(user, 'u', sizeof user - 1); /* no buffer's first size will do */
	login_init(&login, user, "secret");
	login.options.mechanisms = mechanism;
	allocations = 0;
	failing = fail_at;
	*code = log_in(&login, mechanism);
	failing = SIZE_MAX;
	size_t made = allocations;
	if (*code != BM_OK) {
		assert_int_equal(login.err.code, BM_E_NOMEM);
		assert_string_equal(login.err.text, "out of memory");
	}
	login_deinit(&login);
	return made;
}

static void each_allocation_fails_once(void **state)
{
	(void)state;
	static const char *const names[] = {
		"PLAIN", "LOGIN", "XOAUTH2", "OAUTHBEARER", "CRAM-MD5", "SCRAM-SHA-1", "SCRAM-SHA-256"};
	for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
		enum bm_code code = BM_OK;
		size_t made = try_one(names[i], SIZE_MAX, &code);
		assert_int_equal(code, BM_OK);
		assert_true(made >= 3);
		for (size_t fail_at = 0; fail_at < made; fail_at++) {
			(void)try_one(names[i], fail_at, &code);
			assert_int_equal(code, BM_E_NOMEM);
		}
	}
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_allocation_fails_once),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
