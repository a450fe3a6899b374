/* SPDX-License-Identifier: MIT */
/* Every allocation of a session fails once: nobody's fate is lost, told twice or too good. Linked with --wrap. */
#include "../unit.h"
#include "smtp/smtp.h"

#include <stdlib.h>

static size_t allocations;
static size_t failing = SIZE_MAX;

void *__real_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
void *__real_realloc(void *old, size_t size);
void *__real_reallocarray(void *old, size_t count, size_t size);
char *__real_strdup(const char *text);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t count, size_t size);
void *__wrap_realloc(void *old, size_t size);
void *__wrap_reallocarray(void *old, size_t count, size_t size);
char *__wrap_strdup(const char *text);

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

void *__wrap_reallocarray(void *old, size_t count, size_t size)
{
	return fails() ? NULL : __real_reallocarray(old, count, size);
}

char *__wrap_strdup(const char *text)
{
	return fails() ? NULL : __real_strdup(text);
}

#define RECIPIENTS 40

struct tally {
	size_t told[RECIPIENTS];
	size_t accepted;
	size_t transactions;
	bool nomem;
	bool closed;
};

static void count(struct bm_smtp *smtp, struct tally *tally)
{
	struct bm_smtp_event event;
	while (bm_smtp_next_event(smtp, &event)) {
		assert_false(tally->closed);
		tally->closed = event.kind == BM_SMTP_CLOSED;
		tally->nomem |= tally->closed && event.end == BM_SMTP_END_NOMEM;
		tally->transactions += event.kind == BM_SMTP_TRANSACTION;
		if (event.kind != BM_SMTP_RECIPIENT)
			continue;
		tally->told[event.recipient]++;
		tally->accepted += event.disposition == BM_SMTP_ACCEPTED;
	}
}

/* Sends and says; true while the session lives. */
static bool go(struct bm_smtp *smtp, const char *text, struct tally *tally)
{
	struct bm_span span;
	bm_smtp_feed(smtp, text, strlen(text), 0);
	while (bm_smtp_output(smtp, &span, 1) > 0)
		bm_smtp_sent(smtp, span.size, 0);
	count(smtp, tally);
	return !tally->closed;
}

static void converse(struct bm_smtp *smtp, struct tally *tally)
{
	static const struct bm_span content = {(const unsigned char *)"x\r\n", 3};
	struct bm_span recipients[RECIPIENTS];
	for (size_t i = 0; i < RECIPIENTS; i++)
		recipients[i] = bm_span_of("someone@example.org");
	struct bm_smtp_transaction tx = {.recipients = recipients, .recipient_count = RECIPIENTS, .content = &content};
	tx.content_count = 1;
	if (!go(smtp, "220 hi\r\n", tally) || !go(smtp, "250-peer\r\n250 PIPELINING\r\n", tally))
		return;
	if (bm_smtp_submit(smtp, &tx, 0, NULL) != BM_OK)
		return;
	bool alive = go(smtp, "", tally) && go(smtp, "250 ok\r\n", tally);
	for (size_t i = 0; i < RECIPIENTS && alive; i++)
		alive = go(smtp, i < 20 ? "452 4.5.3 many\r\n" : i < 25 ? "550 5.1.1 no\r\n" : "250 ok\r\n", tally);
	alive = alive && go(smtp, "354 go\r\n", tally) && go(smtp, "250 queued\r\n", tally);
	bm_smtp_lost(smtp, "gone", 0);
	count(smtp, tally);
	assert_int_equal(tally->transactions, 1);
	for (size_t i = 0; i < RECIPIENTS; i++)
		assert_int_equal(tally->told[i], 1);
	assert_true(tally->accepted == 0 || tally->accepted == 15);
}

static bool run_once(size_t which, struct tally *tally)
{
	struct bm_smtp_options options = BM_SMTP_OPTIONS_INIT;
	struct bm_smtp *smtp = NULL;
	options.domain = "me.example";
	*tally = (struct tally){.accepted = 0};
	allocations = 0;
	failing = which;
	if (bm_smtp_new(&smtp, &options, 0, NULL) == BM_OK)
		converse(smtp, tally);
	bm_smtp_free(smtp);
	failing = SIZE_MAX;
	return allocations > which;
}

static void every_allocation_may_fail(void **state)
{
	(void)state;
	struct tally tally;
	size_t which = 0;
	size_t starved = 0;
	while (run_once(which, &tally)) {
		starved += tally.nomem;
		which++;
	}
	assert_int_equal(tally.accepted, 15);
	assert_in_range(starved, 1, which);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(every_allocation_may_fail)};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
