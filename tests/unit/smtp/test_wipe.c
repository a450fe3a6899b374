/* SPDX-License-Identifier: MIT */
/* No memory is given back that still holds what AUTH said. Linked with --wrap to look at it. */
#include "peer.h"

#include "base/secret.h"
#include "smtp/sasl.h"

#include <malloc.h>
#include <stdlib.h>

/* The password, and what PLAIN and LOGIN make of it. */
static const char *const secrets[] = {"passwd42", "AHVzZXIAcGFzc3dkNDI", "cGFzc3dkNDI"};

static size_t found;
static size_t freed;

void *__real_realloc(void *old, size_t size);
void __real_free(void *memory);
void *__wrap_realloc(void *old, size_t size);
void __wrap_free(void *memory);

static void look_at(const void *memory)
{
	size_t size = memory == NULL ? 0 : malloc_usable_size((void *)memory);
	freed++;
	for (size_t i = 0; i < sizeof secrets / sizeof secrets[0]; i++)
		found += size > 0 && memmem(memory, size, secrets[i], strlen(secrets[i])) != NULL;
}

/* Always moves, so that what stays behind is looked at. */
void *__wrap_realloc(void *old, size_t size)
{
	size_t before = old == NULL ? 0 : malloc_usable_size(old);
	void *memory = malloc(size);
	if (memory == NULL)
		return NULL;
	if (old != NULL)
		memcpy(memory, old, before < size ? before : size);
	look_at(old);
	__real_free(old);
	return memory;
}

void __wrap_free(void *memory)
{
	look_at(memory);
	__real_free(memory);
}

static void play(const char *mechanisms, const char *const *pieces, size_t sent)
{
	struct bm_sasl_options sasl = {.mechanisms = mechanisms, .user = "user"};
	struct bm_smtp_options options = BM_SMTP_OPTIONS_INIT;
	struct bm_secret *secret = NULL;
	struct peer peer;
	assert_int_equal(bm_secret_new(&secret, "passwd42", 8, NULL), BM_OK);
	sasl.secret = secret;
	options.wrapped = true;
	options.sasl = &sasl;
	peer_init_with(&peer, WHOLE, &options);
	peer_secured(&peer, true);
	peer.hold = true;
	for (size_t i = 0; pieces[i] != NULL; i++) {
		bm_smtp_sent(peer.smtp, pieces[i + 1] == NULL ? sent : SIZE_MAX, 0);
		peer_say(&peer, pieces[i]);
	}
	bm_smtp_lost(peer.smtp, "gone", 0);
	peer_deinit(&peer);
	bm_secret_free(secret);
}

#define GO "220 hi\r\n"
#define OFFER "250-x\r\n250 AUTH PLAIN LOGIN\r\n"
#define ASK "334 VXNl\r\n"

/* conformance: A34 */
static void nothing_is_given_back_unwiped(void **state)
{
	(void)state;
	static const struct {
		const char *mechanisms;
		const char *pieces[8];
	} cases[] = {
		{"PLAIN", {GO, OFFER, "235 in\r\n"}},
		{"PLAIN", {GO, OFFER, "535 no\r\n"}},
		{"PLAIN", {GO, OFFER, "535 passwd42 is wrong\r\n"}},
		{"PLAIN", {GO, OFFER, "500 AHVzZXIAcGFzc3dkNDI=?\r\n"}},
		{"PLAIN", {GO, OFFER, "334 \r\n", "501 no\r\n"}},
		{"PLAIN", {GO, OFFER}},
		{"LOGIN", {GO, OFFER, ASK, ASK, "235 in\r\n"}},
		{"LOGIN", {GO, OFFER, ASK, ASK, "421 bye\r\n"}},
		{"LOGIN", {GO, OFFER, ASK, ASK}},
		{"LOGIN", {GO, OFFER, ASK, ASK, ASK, "501 no\r\n"}},
	};
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		found = 0;
		freed = 0;
		play(cases[i].mechanisms, cases[i].pieces, SIZE_MAX);
		play(cases[i].mechanisms, cases[i].pieces, 5);
		assert_in_range(freed, 10, 10000);
		/* what the server itself repeats is in the memory of its reply */
		bool repeated = i == 2 || i == 3;
		assert_true(repeated || found == 0);
	}
}

/* The one that looks does find. */
static void finds_what_is_there(void **state)
{
	(void)state;
	struct bm_buf buf;
	bm_buf_init(&buf, 1000);
	assert_int_equal(bm_buf_append_str(&buf, "xcGFzc3dkNDI="), BM_OK);
	found = 0;
	bm_buf_deinit(&buf);
	assert_int_equal(found, 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(nothing_is_given_back_unwiped),
		cmocka_unit_test(finds_what_is_there),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
