/* SPDX-License-Identifier: MIT */
/*
 * A server that does not stop talking, or hardly talks, in every phase: the session ends within the limits of a reply
 * or at the phase's deadline, and its memory stays small. Linked with --wrap to count it.
 */
#include "peer.h"

#include "base/secret.h"
#include "smtp/sasl.h"

#include <malloc.h>
#include <stdlib.h>

static size_t held;
static size_t most;

void *__real_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
void *__real_realloc(void *old, size_t size);
void *__real_reallocarray(void *old, size_t count, size_t size);
char *__real_strdup(const char *text);
void __real_free(void *memory);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t count, size_t size);
void *__wrap_realloc(void *old, size_t size);
void *__wrap_reallocarray(void *old, size_t count, size_t size);
char *__wrap_strdup(const char *text);
void __wrap_free(void *memory);

static void *count(void *memory)
{
	held += malloc_usable_size(memory);
	most = held > most ? held : most;
	return memory;
}

static void discount(void *memory)
{
	held -= malloc_usable_size(memory);
}

void *__wrap_malloc(size_t size)
{
	return count(__real_malloc(size));
}

void *__wrap_calloc(size_t number, size_t size)
{
	return count(__real_calloc(number, size));
}

void *__wrap_realloc(void *old, size_t size)
{
	discount(old);
	return count(__real_realloc(old, size));
}

void *__wrap_reallocarray(void *old, size_t number, size_t size)
{
	discount(old);
	return count(__real_reallocarray(old, number, size));
}

char *__wrap_strdup(const char *text)
{
	return count(__real_strdup(text));
}

void __wrap_free(void *memory)
{
	discount(memory);
	__real_free(memory);
}

struct flood {
	struct bm_smtp *smtp;
	struct bm_smtp_options options;
	struct bm_sasl_options sasl;
	struct bm_secret *secret;
	bool closed;
	enum bm_smtp_end end;
	size_t fed;
};

/* Sends all and fetches events, as drivers do. */
static void pump(struct flood *flood)
{
	struct bm_smtp_event event;
	bm_smtp_sent(flood->smtp, SIZE_MAX, 0);
	while (bm_smtp_next_event(flood->smtp, &event)) {
		struct bm_smtp_channel channel = {.verified = true};
		if (event.kind == BM_SMTP_SECURE)
			bm_smtp_secured(flood->smtp, &channel, 0);
		if (event.kind != BM_SMTP_CLOSED)
			continue;
		flood->closed = true;
		flood->end = event.end;
	}
	bm_smtp_sent(flood->smtp, SIZE_MAX, 0);
}

static void hear(struct flood *flood, const void *data, size_t size)
{
	flood->fed += size;
	bm_smtp_feed(flood->smtp, data, size, 0);
	pump(flood);
}

static void say(struct flood *flood, const char *text)
{
	hear(flood, text, strlen(text));
}

static void submit(struct flood *flood, size_t recipients)
{
	struct bm_smtp_transaction tx = peer_transaction(1, recipients);
	assert_int_equal(bm_smtp_submit(flood->smtp, &tx, 0, NULL), BM_OK);
	pump(flood);
}

/* What leads to where the command's reply is awaited. */
static const struct {
	enum bm_smtp_command command;
	const char *said[8];
} phases[] = {
	{BM_SMTP_GREETING, {NULL}},
	{BM_SMTP_EHLO, {"220\r\n"}},
	{BM_SMTP_HELO, {"220\r\n", "500\r\n"}},
	{BM_SMTP_LHLO, {"220\r\n"}},
	{BM_SMTP_STARTTLS, {"220\r\n", "250-x\r\n250 STARTTLS\r\n"}},
	{BM_SMTP_AUTH, {"220\r\n", "250-x\r\n250 AUTH LOGIN\r\n"}},
	{BM_SMTP_MAIL, {"220\r\n", EHLO_PIPELINING, "submit"}},
	{BM_SMTP_RCPT, {"220\r\n", EHLO_PIPELINING, "submit", "250\r\n"}},
	{BM_SMTP_DATA, {"220\r\n", EHLO_PIPELINING, "submit", "250\r\n", "250\r\n"}},
	{BM_SMTP_END_OF_DATA, {"220\r\n", EHLO_PIPELINING, "submit", "250\r\n", "250\r\n", "354\r\n"}},
	{BM_SMTP_BDAT, {"220\r\n", EHLO_CHUNKING, "submit", "250\r\n", "250\r\n"}},
	{BM_SMTP_RSET, {"220\r\n", EHLO_PIPELINING, "submit", "250\r\n", "550\r\n", "503\r\n", "submit"}},
	{BM_SMTP_TALK, {"220\r\n", EHLO_PIPELINING, "talk"}},
	{BM_SMTP_QUIT, {"220\r\n", EHLO_PIPELINING, "quit"}},
};

#define PHASES (sizeof phases / sizeof phases[0])

static void lead_to(struct flood *flood, size_t phase)
{
	for (size_t i = 0; i < 8 && phases[phase].said[i] != NULL; i++) {
		const char *said = phases[phase].said[i];
		if (strcmp(said, "submit") == 0)
			submit(flood, 1);
		else if (strcmp(said, "talk") == 0)
			assert_int_equal(bm_smtp_talk(flood->smtp, bm_span_of("HELP"), 0, NULL), BM_OK);
		else if (strcmp(said, "quit") == 0)
			assert_int_equal(bm_smtp_quit(flood->smtp, 0, NULL), BM_OK);
		else
			say(flood, said);
		pump(flood);
	}
	assert_false(flood->closed);
	flood->fed = 0;
	most = held;
}

static void init(struct flood *flood, enum bm_smtp_pipelining pipelining)
{
	*flood = (struct flood){.options = BM_SMTP_OPTIONS_INIT};
	flood->options.domain = "me.example";
	flood->options.pipelining = pipelining;
	assert_int_equal(bm_secret_new(&flood->secret, "pass", 4, NULL), BM_OK);
	flood->sasl = (struct bm_sasl_options){.mechanisms = "LOGIN", .user = "user", .secret = flood->secret};
}

static void start(struct flood *flood, size_t phase)
{
	init(flood, BM_SMTP_PIPELINING_STREAM);
	enum bm_smtp_command command = phases[phase].command;
	flood->options.lmtp = command == BM_SMTP_LHLO;
	flood->options.tls = command == BM_SMTP_STARTTLS ? BM_SMTP_TLS_DEMAND : BM_SMTP_TLS_NONE;
	flood->options.wrapped = command == BM_SMTP_AUTH;
	flood->options.sasl = command == BM_SMTP_AUTH ? &flood->sasl : NULL;
	assert_int_equal(bm_smtp_new(&flood->smtp, &flood->options, 0, NULL), BM_OK);
	pump(flood);
	lead_to(flood, phase);
}

static void stop(struct flood *flood)
{
	bm_smtp_free(flood->smtp);
	bm_secret_free(flood->secret);
	assert_int_equal(held, 0);
}

/* Says text and then the same block over and over, until the session ends; never more than it may take. */
static void flood_with(const char *text, const char *block, size_t block_size, size_t octets_max)
{
	for (size_t phase = 0; phase < PHASES; phase++) {
		struct flood flood;
		start(&flood, phase);
		size_t before = held;
		say(&flood, text);
		while (!flood.closed && flood.fed < 10 * octets_max) {
			size_t room = bm_smtp_reply_room(flood.smtp);
			assert_in_range(room, 1, BM_REPLY_SIZE_MAX);
			hear(&flood, block, block_size < room ? block_size : room);
		}
		enum bm_smtp_end end = phases[phase].command == BM_SMTP_QUIT ? BM_SMTP_END_QUIT : BM_SMTP_END_OUT_OF_STEP;
		assert_true(flood.closed);
		assert_int_equal(flood.end, end);
		assert_in_range(flood.fed, 1, octets_max);
		assert_in_range(most - before, 0, 256 * 1024);
		stop(&flood);
	}
}

/* conformance: A14 */
static void a_line_without_an_end(void **state)
{
	(void)state;
	char block[4096];
	memset(block, 'x', sizeof block);
	flood_with("250 ", block, sizeof block, 4 + 4 * sizeof block);
	flood_with("334 ", block, sizeof block, 4 + 4 * sizeof block);
	flood_with("250 ", block, 1, BM_SASL_LINE_MAX + 10);
}

/* conformance: A15 */
static void lines_without_an_end(void **state)
{
	(void)state;
	static const char line[] = "250-x\r\n";
	char large[1500];
	flood_with("", line, sizeof line - 1, 102 * (sizeof line - 1));
	memset(large, 'x', sizeof large);
	memcpy(large, "250-", 4);
	memcpy(large + sizeof large - 2, "\r\n", 2);
	flood_with("", large, sizeof large, BM_REPLY_SIZE_MAX);
}

/* Replies that nothing was said for. */
/* conformance: F15, A15 */
static void replies_without_an_end(void **state)
{
	(void)state;
	char block[16000];
	for (size_t i = 0; i < sizeof block; i += 8)
		memcpy(block + i, "250 ok\r\n", 8);
	struct flood flood;
	init(&flood, BM_SMTP_PIPELINING_STREAM);
	assert_int_equal(bm_smtp_new(&flood.smtp, &flood.options, 0, NULL), BM_OK);
	say(&flood, "220\r\n");
	say(&flood, EHLO_CHUNKING);
	submit(&flood, 4);
	most = held;
	size_t before = held;
	bm_smtp_feed(flood.smtp, block, sizeof block, 0);
	pump(&flood);
	assert_true(flood.closed);
	assert_int_equal(flood.end, BM_SMTP_END_OUT_OF_STEP);
	assert_in_range(most - before, 0, 64 * 1024);
	stop(&flood);
}

static char *large_reply(size_t size, const char *code)
{
	char *text = malloc(size + 1);
	assert_non_null(text);
	memset(text, 'x', size);
	for (size_t at = 0; at < size; at += 1000) {
		size_t left = size - at < 1000 ? size - at : 1000;
		memcpy(text + at, code, 3);
		text[at + 3] = left < 1000 ? ' ' : '-';
		memcpy(text + at + left - 2, "\r\n", 2);
	}
	text[size] = '\0';
	return text;
}

/* Each of many commands has the largest reply there may be: what is kept of it is bounded. */
/* conformance: A15 */
static void large_replies_to_all(void **state)
{
	(void)state;
	static const char *const codes[] = {"250", "450", "550"};
	for (size_t i = 0; i < 3; i++) {
		struct flood flood;
		char *reply = large_reply(65500, codes[i]);
		init(&flood, BM_SMTP_PIPELINING_STREAM);
		assert_int_equal(bm_smtp_new(&flood.smtp, &flood.options, 0, NULL), BM_OK);
		say(&flood, "220\r\n");
		say(&flood, EHLO_CHUNKING);
		while (bm_smtp_room(flood.smtp) > 0)
			submit(&flood, 2);
		most = held;
		size_t before = held;
		/* one of RSET would end it */
		for (size_t k = 0; k < 32 && !flood.closed; k++) {
			if (k > 0)
				say(&flood, "250 reset\r\n");
			for (size_t n = 0; n < 4; n++)
				say(&flood, n == 3 && i > 0 ? "554 no\r\n" : reply);
		}
		assert_false(flood.closed);
		assert_true(bm_smtp_idle(flood.smtp));
		assert_in_range(most - before, 1, 256 * 1024);
		free(reply);
		stop(&flood);
	}
}

/* What is told of a large reply is its first lines. */
static void tells_the_first_lines(void **state)
{
	(void)state;
	struct flood flood;
	struct bm_smtp_event event;
	char *reply = large_reply(20500, "550");
	size_t told = 0;
	init(&flood, BM_SMTP_PIPELINING_ENVELOPE);
	assert_int_equal(bm_smtp_new(&flood.smtp, &flood.options, 0, NULL), BM_OK);
	say(&flood, "220\r\n");
	say(&flood, EHLO_PIPELINING);
	submit(&flood, 2);
	bm_smtp_feed(flood.smtp, reply, 20500, 0);
	bm_smtp_feed(flood.smtp, "503\r\n503\r\n503\r\n", 15, 0);
	while (bm_smtp_next_event(flood.smtp, &event)) {
		if (event.kind != BM_SMTP_RECIPIENT)
			continue;
		told++;
		assert_int_equal(event.reply.code, 550);
		assert_int_equal(event.reply.lines, 4);
		assert_int_equal(event.reply.raw.size, 4000);
		assert_memory_equal(event.reply.raw.data, reply, 4000);
	}
	assert_int_equal(told, 2);
	free(reply);
	stop(&flood);
}

static void bomb(struct bm_buf *buf, const char *line, size_t lines)
{
	assert_int_equal(bm_buf_append_str(buf, "250-x\r\n"), BM_OK);
	for (size_t i = 2; i < lines; i++)
		assert_int_equal(bm_buf_append_fmt(buf, "250-%s\r\n", line), BM_OK);
	assert_int_equal(bm_buf_append_fmt(buf, "250 %s\r\n", line), BM_OK);
}

/* conformance: A20 */
static void keyword_bombs(void **state)
{
	(void)state;
	static const char *const lines[] = {"SIZE 99999999999999999999", "SIZE -1", "AUTH PLAIN LOGIN CRAM-MD5 X-A X-B X-C",
		"AUTH=", "PIPELINING", "LIMITS MAILMAX=999999 RCPTMAX=99999999999", "X",
		"AUTH A A A A A A A A A A A A A A A A A A A A A A A A A A A A A A A A A A A A A"};
	for (size_t i = 0; i < sizeof lines / sizeof lines[0]; i++) {
		for (size_t count_of = 100; count_of <= 101; count_of++) {
			struct flood flood;
			struct bm_buf text;
			bm_buf_init(&text, 1000000);
			bomb(&text, lines[i], count_of);
			init(&flood, BM_SMTP_PIPELINING_STREAM);
			flood.options.wrapped = true;
			flood.options.sasl = strncmp(lines[i], "AUTH", 4) == 0 ? &flood.sasl : NULL;
			assert_int_equal(bm_smtp_new(&flood.smtp, &flood.options, 0, NULL), BM_OK);
			pump(&flood);
			say(&flood, "220\r\n");
			size_t before = held;
			most = held;
			hear(&flood, text.data, text.size);
			if (count_of == 101)
				assert_true(flood.closed && flood.end == BM_SMTP_END_OUT_OF_STEP);
			else
				assert_true(!flood.closed || flood.end == BM_SMTP_END_AUTH);
			assert_in_range(most - before, 1, 256 * 1024);
			bm_buf_deinit(&text);
			stop(&flood);
		}
	}
}

/* One octet a second, of one line or of many. */
static void drip(size_t phase, const char *text)
{
	struct flood flood;
	start(&flood, phase);
	uint64_t deadline = bm_smtp_deadline(flood.smtp);
	size_t length = strlen(text);
	assert_in_range(deadline, 2000, 600000);
	for (uint64_t now = 0; now < deadline; now += 1000) {
		size_t at = now / 1000 % length;
		/* a long line is not begun again */
		at = length > 8 || now < 1000 * length ? at : length - 1;
		bm_smtp_feed(flood.smtp, text + at, 1, now);
		bm_smtp_tick(flood.smtp, now);
		assert_true(bm_smtp_deadline(flood.smtp) == deadline);
	}
	bm_smtp_tick(flood.smtp, deadline);
	pump(&flood);
	assert_true(flood.closed);
	bool quits = phases[phase].command == BM_SMTP_QUIT;
	assert_int_equal(flood.end, quits ? BM_SMTP_END_QUIT : BM_SMTP_END_TIMEOUT);
	stop(&flood);
}

/* conformance: 16, F03, F29, A16 */
static void a_drip_gains_nothing(void **state)
{
	(void)state;
	for (size_t phase = 0; phase < PHASES; phase++) {
		drip(phase, "250 x");
		drip(phase, "250-several\r\n");
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_line_without_an_end),
		cmocka_unit_test(lines_without_an_end),
		cmocka_unit_test(replies_without_an_end),
		cmocka_unit_test(large_replies_to_all),
		cmocka_unit_test(tells_the_first_lines),
		cmocka_unit_test(keyword_bombs),
		cmocka_unit_test(a_drip_gains_nothing),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
