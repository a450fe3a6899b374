/* SPDX-License-Identifier: MIT */
/* Every allocation of a session fails once: nobody's fate is lost, told twice or too good. Linked with --wrap. */
#include "../unit.h"
#include "base/secret.h"
#include "smtp/sasl.h"
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
#define TRANSACTIONS 3

struct tally {
	size_t told[TRANSACTIONS][RECIPIENTS];
	size_t accepted[TRANSACTIONS];
	size_t submitted;
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
		if (event.kind == BM_SMTP_TRANSACTION)
			assert_int_equal(event.id, tally->transactions++);
		if (event.kind != BM_SMTP_RECIPIENT)
			continue;
		tally->told[event.id][event.recipient]++;
		tally->accepted[event.id] += event.disposition == BM_SMTP_ACCEPTED;
	}
}

/* Says; true while the session lives. */
static bool hear(struct bm_smtp *smtp, const char *text, struct tally *tally)
{
	struct bm_span span;
	bm_smtp_feed(smtp, text, strlen(text), 0);
	while (bm_smtp_output(smtp, &span, 1) > 0)
		bm_smtp_sent(smtp, span.size, 0);
	count(smtp, tally);
	return !tally->closed;
}

static const struct bm_span content = {(const unsigned char *)"x\r\n", 3};

static size_t recipients_of(size_t id)
{
	return id == 0 ? RECIPIENTS : 1;
}

/* As many as there is room for; false without memory. */
static bool submit(struct bm_smtp *smtp, const struct bm_span *recipients, struct tally *tally)
{
	while (tally->submitted < TRANSACTIONS && bm_smtp_room(smtp) > 0) {
		struct bm_smtp_transaction tx = {.id = tally->submitted, .recipients = recipients, .content = &content};
		tx.recipient_count = recipients_of(tally->submitted);
		tx.content_count = 1;
		if (bm_smtp_submit(smtp, &tx, 0, NULL) != BM_OK)
			return false;
		tally->submitted++;
	}
	return true;
}

/* The 40 of the first: too many, unknown, taken. */
static const char *rcpt_reply(size_t index)
{
	return index < 20 ? "452 4.5.3 many\r\n" : index < 25 ? "550-5.1.1 no\r\n550 5.1.1 no\r\n" : "250 ok\r\n";
}

/* The replies of a session whose second transaction is refused, in the order of its commands. */
static size_t script(enum bm_smtp_pipelining mode, const char **replies)
{
	static const char *const stream[] = {"250 queued\r\n", "250\r\n", "250\r\n", "550 no\r\n", "554 none\r\n",
		"250\r\n", "250\r\n", "250\r\n", "250 queued\r\n"};
	static const char *const data[] = {"354 go\r\n", "250 queued\r\n", "250\r\n", "550 no\r\n", "554 none\r\n",
		"250\r\n", "250\r\n", "250\r\n", "354 go\r\n", "250 queued\r\n"};
	const char *const *rest = mode == BM_SMTP_PIPELINING_STREAM ? stream : data;
	size_t rest_count = mode == BM_SMTP_PIPELINING_STREAM ? 9 : 10;
	size_t filled = 0;
	replies[filled++] = "250 ok\r\n";
	for (size_t i = 0; i < RECIPIENTS; i++)
		replies[filled++] = rcpt_reply(i);
	for (size_t i = 0; i < rest_count; i++)
		replies[filled++] = rest[i];
	return filled;
}

static void converse(struct bm_smtp *smtp, enum bm_smtp_pipelining mode, struct tally *tally)
{
	struct bm_span recipients[RECIPIENTS];
	const char *replies[RECIPIENTS + 20];
	size_t reply_count = script(mode, replies);
	for (size_t i = 0; i < RECIPIENTS; i++)
		recipients[i] = bm_span_of("someone@example.org");
	bool alive = hear(smtp, "220 hi\r\n", tally) && hear(smtp, "250-peer\r\n250-PIPELINING\r\n250 CHUNKING\r\n", tally);
	for (size_t i = 0; i < reply_count && alive; i++)
		alive = submit(smtp, recipients, tally) && hear(smtp, "", tally) && hear(smtp, replies[i], tally);
	bm_smtp_lost(smtp, "gone", 0);
	count(smtp, tally);
	assert_int_equal(tally->transactions, tally->submitted);
	for (size_t id = 0; id < tally->submitted; id++) {
		for (size_t i = 0; i < recipients_of(id); i++)
			assert_int_equal(tally->told[id][i], 1);
	}
	assert_true(tally->accepted[0] == 0 || tally->accepted[0] == 15);
	assert_int_equal(tally->accepted[1], 0);
}

static bool run_once(size_t which, enum bm_smtp_pipelining mode, struct tally *tally)
{
	struct bm_smtp_options options = BM_SMTP_OPTIONS_INIT;
	struct bm_smtp *smtp = NULL;
	options.domain = "me.example";
	options.pipelining = mode;
	*tally = (struct tally){.submitted = 0};
	allocations = 0;
	failing = which;
	if (bm_smtp_new(&smtp, &options, 0, NULL) == BM_OK)
		converse(smtp, mode, tally);
	bm_smtp_free(smtp);
	failing = SIZE_MAX;
	return allocations > which;
}

/* conformance: F51 */
static void every_allocation_may_fail(void **state)
{
	(void)state;
	for (size_t mode = BM_SMTP_PIPELINING_OFF; mode <= BM_SMTP_PIPELINING_STREAM; mode++) {
		struct tally tally;
		size_t which = 0;
		size_t starved = 0;
		while (run_once(which, (enum bm_smtp_pipelining)mode, &tally)) {
			starved += tally.nomem;
			which++;
		}
		assert_int_equal(tally.accepted[0], 15);
		assert_int_equal(tally.transactions, 3);
		assert_in_range(starved, 1, which);
	}
}

/* TLS, AUTH and LMTP: what is said by then, the handshake, the two verdicts. */

struct opening {
	struct bm_smtp *smtp;
	size_t told[3];
	size_t accepted;
	size_t submitted;
	bool ready;
	bool closed;
	enum bm_smtp_end end;
};

static void see_opening(struct opening *opening)
{
	struct bm_smtp_event event;
	while (bm_smtp_next_event(opening->smtp, &event)) {
		struct bm_smtp_channel channel = {.verified = true};
		if (event.kind == BM_SMTP_SECURE)
			bm_smtp_secured(opening->smtp, &channel, 0);
		if (event.kind == BM_SMTP_READY)
			opening->ready = true;
		if (event.kind == BM_SMTP_CLOSED) {
			opening->closed = true;
			opening->end = event.end;
		}
		if (event.kind != BM_SMTP_RECIPIENT)
			continue;
		opening->told[event.recipient]++;
		opening->accepted += event.disposition == BM_SMTP_ACCEPTED;
	}
}

static void submit_reported(struct opening *opening, const struct bm_span *recipients)
{
	struct bm_smtp_transaction tx = {.recipients = recipients, .recipient_count = 3, .content = &content};
	if (!opening->ready || opening->submitted > 0 || bm_smtp_room(opening->smtp) == 0)
		return;
	tx.content_count = 1;
	tx.notify = "NEVER";
	tx.utf8 = true;
	if (bm_smtp_submit(opening->smtp, &tx, 0, NULL) == BM_OK)
		opening->submitted++;
}

/* So much that what is kept of EHLO must be copied. */
static void greet_at_length(struct opening *opening)
{
	char line[1000];
	memset(line, 'x', sizeof line);
	memcpy(line, "220-", 4);
	memcpy(line + sizeof line - 2, "\r\n", 2);
	for (size_t i = 0; i < 20; i++)
		bm_smtp_feed(opening->smtp, line, sizeof line, 0);
	bm_smtp_feed(opening->smtp, "220 hi\r\n", 8, 0);
	bm_smtp_sent(opening->smtp, SIZE_MAX, 0);
	see_opening(opening);
}

static void open_and_send(struct opening *opening)
{
	static const char *const said[] = {"250-x\r\n250 STARTTLS\r\n", "220 go\r\n",
		"250-a name of some length\r\n250-AUTH LOGIN\r\n250-PIPELINING\r\n250-SMTPUTF8\r\n250 DSN\r\n",
		"334 VXNlcm5hbWU6\r\n", "334 UGFzc3dvcmQ6\r\n", "235-in\r\n235 in\r\n",
		"250\r\n250\r\n550-no\r\n550 no\r\n250\r\n354\r\n", "250-first\r\n250 first\r\n", "451 last\r\n"};
	struct bm_span recipients[3];
	for (size_t i = 0; i < 3; i++)
		recipients[i] = bm_span_of("\xc3\xa4@x");
	greet_at_length(opening);
	for (size_t i = 0; i < sizeof said / sizeof said[0] && !opening->closed; i++) {
		bm_smtp_feed(opening->smtp, said[i], strlen(said[i]), 0);
		see_opening(opening);
		submit_reported(opening, recipients);
		bm_smtp_sent(opening->smtp, SIZE_MAX, 0);
		see_opening(opening);
		if (opening->ready && opening->submitted == 0)
			break;
	}
	bm_smtp_lost(opening->smtp, "gone", 0);
	see_opening(opening);
}

static bool open_once(size_t which, const struct bm_sasl_options *sasl, struct opening *opening)
{
	struct bm_smtp_options options = BM_SMTP_OPTIONS_INIT;
	*opening = (struct opening){.smtp = NULL};
	options.domain = "me.example";
	options.pipelining = BM_SMTP_PIPELINING_MESSAGE;
	options.lmtp = true;
	options.tls = BM_SMTP_TLS_DEMAND;
	options.sasl = sasl;
	allocations = 0;
	failing = which;
	if (bm_smtp_new(&opening->smtp, &options, 0, NULL) == BM_OK) {
		open_and_send(opening);
		assert_true(opening->closed);
		assert_true(opening->end == BM_SMTP_END_NOMEM || opening->end == BM_SMTP_END_LOST);
	}
	bm_smtp_free(opening->smtp);
	failing = SIZE_MAX;
	return allocations > which;
}

/* conformance: F51 */
static void every_allocation_of_a_login_may_fail(void **state)
{
	(void)state;
	struct bm_sasl_options sasl = {.mechanisms = "LOGIN", .user = "user"};
	struct bm_secret *secret = NULL;
	struct opening opening;
	size_t starved = 0;
	size_t which = 0;
	assert_int_equal(bm_secret_new(&secret, "pass", 4, NULL), BM_OK);
	sasl.secret = secret;
	while (open_once(which++, &sasl, &opening)) {
		starved += opening.end == BM_SMTP_END_NOMEM;
		for (size_t i = 0; i < 3; i++)
			assert_int_equal(opening.told[i], opening.submitted);
		assert_in_range(opening.accepted, 0, 1);
	}
	assert_in_range(starved, 5, which);
	assert_true(opening.ready);
	assert_int_equal(opening.accepted, 1);
	bm_secret_free(secret);
}

/* Wrapped, the first event already needs memory. */
static void a_wrapped_session_needs_memory_too(void **state)
{
	(void)state;
	size_t failed = 0;
	for (size_t which = 0; which < 3; which++) {
		struct bm_smtp_options options = BM_SMTP_OPTIONS_INIT;
		struct bm_smtp *smtp = NULL;
		options.domain = "me.example";
		options.wrapped = true;
		allocations = 0;
		failing = which;
		enum bm_code code = bm_smtp_new(&smtp, &options, 0, NULL);
		failing = SIZE_MAX;
		assert_true(code == BM_E_NOMEM ? smtp == NULL : smtp != NULL);
		failed += code == BM_E_NOMEM;
		bm_smtp_free(smtp);
	}
	assert_int_equal(failed, 3);
}

static void feed(struct bm_smtp *smtp, const char *text)
{
	bm_smtp_feed(smtp, text, strlen(text), 0);
}

/* A streamed message in good order: nothing is allocated once the slots were used. */
static void a_stream_allocates_nothing(void **state)
{
	(void)state;
	static const struct bm_span recipient = {(const unsigned char *)"a@x", 3};
	static const char replies[] = "250 ok\r\n250 ok\r\n250 ok\r\n250 2.0.0 queued\r\n";
	struct bm_smtp_transaction tx = {.recipients = &recipient, .recipient_count = 1, .content = &content};
	struct bm_smtp_options options = BM_SMTP_OPTIONS_INIT;
	struct bm_smtp_event event;
	struct bm_smtp *smtp = NULL;
	struct bm_span spans[64];
	size_t accepted = 0;
	tx.content_count = 1;
	options.domain = "me.example";
	options.pipelining = BM_SMTP_PIPELINING_STREAM;
	options.tell = false;
	assert_int_equal(bm_smtp_new(&smtp, &options, 0, NULL), BM_OK);
	feed(smtp, "220 hi\r\n");
	bm_smtp_sent(smtp, 100, 0);
	feed(smtp, "250-x\r\n250-PIPELINING\r\n250 CHUNKING\r\n");
	assert_true(bm_smtp_next_event(smtp, &event));
	for (size_t i = 0; i < 1000; i++) {
		if (i == 100)
			allocations = 0;
		while (bm_smtp_room(smtp) > 0)
			assert_int_equal(bm_smtp_submit(smtp, &tx, 0, NULL), BM_OK);
		assert_true(bm_smtp_output(smtp, spans, 64) > 0);
		bm_smtp_sent(smtp, SIZE_MAX, 0);
		for (size_t k = 0; k < 32; k++)
			feed(smtp, i + k == 0 ? replies + 8 : replies);
		while (bm_smtp_next_event(smtp, &event))
			accepted += event.kind == BM_SMTP_RECIPIENT && event.disposition == BM_SMTP_ACCEPTED;
	}
	assert_int_equal(allocations, 0);
	assert_int_equal(accepted, 32000);
	bm_smtp_free(smtp);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_allocation_may_fail),
		cmocka_unit_test(every_allocation_of_a_login_may_fail),
		cmocka_unit_test(a_wrapped_session_needs_memory_too),
		cmocka_unit_test(a_stream_allocates_nothing),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
