/* SPDX-License-Identifier: MIT */
/* Greeting, hello, talk, QUIT, what is refused before it is said, long envelopes; and every cell of the table. */
#include "peer.h"

#include "base/secret.h"
#include "smtp/sasl.h"

#include <stdlib.h>

static void start(struct peer *peer, size_t cut)
{
	peer_init(peer, cut, BM_SMTP_PIPELINING_ENVELOPE);
}

/* manual: Domain, row-one-line-ehlo */
/* conformance: 1, 2, 7, F03, F04, F15 */
static void greets(void **state)
{
	(void)state;
	static const struct {
		const char *pieces[4];
		const char *log;
		const char *wire;
	} cases[] = {
		{{NULL}, "", ""},
		{{"220 hi\r\n"}, "", "EHLO me.example\r\n"},
		{{"220-hi\r\n220 there\r\n", "250 peer\r\n"}, "ready\n", "EHLO me.example\r\n"},
		{{"220\r\n", "250\r\n"}, "ready\n", "EHLO me.example\r\n"},
		{{"220 hi\r\n", "250-peer\r\n250\r\n"}, "ready\n", "EHLO me.example\r\n"}, /* an empty keyword */
		{{"220\n", "250-peer\n250 SIZE\n"}, "ready\n", "EHLO me.example\r\n"},
		{{"421 busy\r\n"}, "closed GREETING at greeting 421\n", ""},
		{{"450 busy\r\n"}, "closed GREETING at greeting 450\n", ""},
		{{"554 go away\r\n"}, "closed GREETING at greeting 554\n", ""},
		{{"250 hi\r\n"}, "closed OUT_OF_STEP at greeting 250\n", ""},
		{{"354 hi\r\n"}, "closed OUT_OF_STEP at greeting 354\n", ""},
		{{"HTTP/1.1 400 Bad Request\r\n"}, "closed OUT_OF_STEP at greeting\n", ""},
		{{"220 hi\r\n", "500 what\r\n"}, "", "EHLO me.example\r\nHELO me.example\r\n"},
		{{"220 hi\r\n", "502 what\r\n", "250 peer\r\n"}, "ready\n", "EHLO me.example\r\nHELO me.example\r\n"},
		{{"220 hi\r\n", "502 what\r\n", "550 no\r\n"}, "closed HELO at HELO 550\n",
			"EHLO me.example\r\nHELO me.example\r\n"},
		{{"220 hi\r\n", "451 later\r\n"}, "closed HELO at EHLO 451\n", "EHLO me.example\r\n"},
		{{"220 hi\r\n", "421 bye\r\n"}, "closed 421 at EHLO 421\n", "EHLO me.example\r\n"},
		/* F15: what is said behind the greeting was not asked for */
		{{"220 hi\r\n250 peer\r\n"}, "closed OUT_OF_STEP at EHLO 250\n", ""},
		{{"220 hi\r\n", "250 peer\r\n250 more\r\n"}, "ready\nclosed OUT_OF_STEP at command 250\n",
			"EHLO me.example\r\n"},
		{{"220 hi\r\n25", "0 peer\r\n"}, "closed OUT_OF_STEP at EHLO 250\n", "EHLO me.example\r\n"},
	};
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		for (size_t cut = 0; cut <= 40; cut++) {
			struct peer peer;
			start(&peer, cut < 40 ? cut : BYTES);
			for (size_t k = 0; k < 4 && cases[i].pieces[k] != NULL; k++)
				peer_say(&peer, cases[i].pieces[k]);
			peer_expect(&peer.log, cases[i].log);
			peer_expect(&peer.wire, cases[i].wire);
			peer_deinit(&peer);
		}
	}
}

static void check_size(const char *ehlo, bool listed, uint64_t max)
{
	struct peer peer;
	start(&peer, WHOLE);
	peer_greet(&peer, ehlo);
	const struct bm_smtp_capabilities *known = bm_smtp_capabilities(peer.smtp);
	assert_int_equal(known->size, listed);
	assert_true(known->size_max == max);
	peer_deinit(&peer);
}

/* manual: connect-keywords */
/* conformance: 3, 61, A20 */
static void reads_keywords(void **state)
{
	(void)state;
	struct peer peer;
	start(&peer, BYTES);
	assert_false(bm_smtp_capabilities(peer.smtp)->esmtp);
	peer_greet(&peer, "250-PIPELINING is our name\r\n250-8bitmime\r\n250-Size 1000\r\n250-X-ODD a=b\r\n250-DSN\r\n"
					  "250-DSN\r\n250-PIPELININGX\r\n250-STARTTLS\r\n250-SMTPUTF8 \r\n250-\r\n250 CHUNKING\r\n");
	const struct bm_smtp_capabilities *known = bm_smtp_capabilities(peer.smtp);
	assert_true(known->esmtp && known->eight_bit_mime && known->size && known->dsn && known->starttls);
	assert_true(known->smtputf8 && known->chunking);
	assert_false(known->pipelining || known->enhanced_status_codes);
	assert_true(known->size_max == 1000);
	assert_true(bm_span_equal(bm_smtp_keyword(peer.smtp, 0), bm_span_of("8bitmime")));
	assert_true(bm_span_equal(bm_smtp_keyword(peer.smtp, 1), bm_span_of("Size 1000")));
	assert_int_equal(bm_smtp_keyword(peer.smtp, 99).size, 0);
	peer_lost(&peer);
	assert_false(known->esmtp || known->size);
	assert_int_equal(bm_smtp_keyword(peer.smtp, 0).size, 0);
	peer_deinit(&peer);

	check_size("250-x\r\n250 SIZE\r\n", true, 0);
	check_size("250-x\r\n250 SIZE 0\r\n", true, 0);
	check_size("250-x\r\n250 SIZE -1\r\n", true, 0);
	check_size("250-x\r\n250 SIZE many\r\n", true, 0);
	check_size("250-x\r\n250 SIZE 18446744073709551615\r\n", true, UINT64_MAX);
	check_size("250-x\r\n250 SIZE 99999999999999999999\r\n", true, UINT64_MAX);
	check_size("250-x\r\n250-SIZE 10\r\n250 SIZE 10\r\n", true, 10);
	check_size("250 SIZE 10\r\n", false, 0);
}

/* conformance: 3, 9, 22, 26, 60, 61 */
static void says_only_what_was_listed(void **state)
{
	(void)state;
	static const struct {
		const char *ehlo;
		bool eight_bit;
		const char *sender;
		const char *wire;
	} cases[] = {
		{"250 x\r\n", false, "me@here", "MAIL FROM:<me@here>\r\n"},
		{"250 x\r\n", false, "Me.\"A b\"@HERE", "MAIL FROM:<Me.\"A b\"@HERE>\r\n"},
		{"250 x\r\n", false, "", "MAIL FROM:<>\r\n"}, /* the null reverse-path */
		{"250-x\r\n250-SIZE 18\r\n250 8BITMIME\r\n", false, "me@here", "MAIL FROM:<me@here> SIZE=18\r\n"},
		{"250-x\r\n250-SIZE\r\n250 8BITMIME\r\n", true, "", "MAIL FROM:<> SIZE=18 BODY=8BITMIME\r\n"},
	};
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		struct peer peer;
		start(&peer, WHOLE);
		peer_greet(&peer, cases[i].ehlo);
		struct bm_smtp_transaction tx = peer_transaction(1, 1);
		tx.eight_bit = cases[i].eight_bit;
		tx.sender = bm_span_of(cases[i].sender);
		assert_int_equal(bm_smtp_submit(peer.smtp, &tx, 0, NULL), BM_OK);
		peer_pump(&peer);
		peer_expect(&peer.wire, cases[i].wire);
		peer_deinit(&peer);
	}
}

/* RFC 1870, 6.1 */
/* conformance: 61 */
static void does_not_try_what_is_too_large(void **state)
{
	(void)state;
	struct peer peer;
	struct bm_smtp_event event;
	start(&peer, WHOLE);
	peer_greet(&peer, "250-x\r\n250 SIZE 17\r\n");
	struct bm_smtp_transaction tx = peer_transaction(1, 1);
	assert_int_equal(bm_smtp_submit(peer.smtp, &tx, 0, NULL), BM_OK);
	assert_false(bm_smtp_idle(peer.smtp));
	assert_true(bm_smtp_deadline(peer.smtp) == BM_SMTP_NEVER);
	assert_true(bm_smtp_next_event(peer.smtp, &event));
	assert_int_equal(event.disposition, BM_SMTP_REFUSED);
	assert_int_equal(event.reply.code, 552);
	assert_string_equal(event.reply.enhanced, "5.3.4");
	peer_pump(&peer);
	peer_expect(&peer.log, "end 1\n");
	peer_expect(&peer.wire, "");
	assert_true(bm_smtp_idle(peer.smtp));
	peer_submit(&peer, 2, 2);
	peer_expect(&peer.log, "0 REFUSED unanswered 552\n1 REFUSED unanswered 552\nend 2\n");
	peer_deinit(&peer);
}

static enum bm_code submit_one(struct peer *peer, struct bm_span sender, struct bm_span recipient)
{
	struct bm_smtp_transaction tx = peer_transaction(1, 1);
	struct bm_error err = BM_ERROR_INIT;
	tx.sender = sender;
	tx.recipients = &recipient;
	enum bm_code code = bm_smtp_submit(peer->smtp, &tx, 0, &err);
	assert_int_equal(err.code, code);
	return code;
}

/* Nothing that is refused leaves a trace. */
/* conformance: 4 */
static void refuses_what_cannot_be_said(void **state)
{
	(void)state;
	struct peer peer;
	char text[1100];
	struct bm_span ok = bm_span_of("a@x");
	start(&peer, WHOLE);
	assert_int_equal(submit_one(&peer, ok, ok), BM_E_USAGE);
	peer_greet(&peer, EHLO_PIPELINING);
	for (unsigned char c = 0; c < 0x20; c++) {
		unsigned char address[] = {'a', c, '@', 'x'};
		assert_int_equal(submit_one(&peer, ok, bm_span_make(address, 4)), BM_E_ADDRESS);
		assert_int_equal(submit_one(&peer, bm_span_make(address, 4), ok), BM_E_ADDRESS);
		assert_int_equal(bm_smtp_talk(peer.smtp, bm_span_make(address, 4), 0, NULL), BM_E_USAGE);
	}
	assert_int_equal(submit_one(&peer, ok, bm_span_of("a\x7f@x")), BM_E_ADDRESS);
	assert_int_equal(submit_one(&peer, ok, bm_span_of("\xc3\xa4@x")), BM_E_ADDRESS);
	assert_int_equal(submit_one(&peer, ok, bm_span_of("")), BM_E_ADDRESS);
	memset(text, 'a', sizeof text);
	assert_int_equal(submit_one(&peer, ok, bm_span_make(text, sizeof text)), BM_E_ADDRESS);
	assert_int_equal(submit_one(&peer, bm_span_make(text, sizeof text), ok), BM_E_ADDRESS);
	assert_int_equal(bm_smtp_talk(peer.smtp, bm_span_make(text, sizeof text), 0, NULL), BM_E_USAGE);
	assert_int_equal(bm_smtp_talk(peer.smtp, bm_span_of(""), 0, NULL), BM_E_USAGE);
	struct bm_smtp_transaction tx = peer_transaction(1, 0);
	assert_int_equal(bm_smtp_submit(peer.smtp, &tx, 0, NULL), BM_E_USAGE);
	assert_true(bm_smtp_idle(peer.smtp));
	peer_pump(&peer);
	peer_expect(&peer.wire, "");
	peer_expect(&peer.log, "");
	peer_deinit(&peer);
}

static enum bm_code submit_content(struct peer *peer, const char *a, const char *b, bool eight_bit)
{
	struct bm_span spans[] = {bm_span_of(a), bm_span_of(b), bm_span_of("")};
	struct bm_smtp_transaction tx = peer_transaction(1, 1);
	tx.content = spans;
	tx.content_count = 3;
	tx.eight_bit = eight_bit;
	return bm_smtp_submit(peer->smtp, &tx, 0, NULL);
}

/* conformance: 5, 39, 59 */
static void refuses_content_without_its_end(void **state)
{
	(void)state;
	struct peer peer;
	start(&peer, WHOLE);
	peer_greet(&peer, EHLO_PIPELINING);
	assert_int_equal(submit_content(&peer, "a", "b", false), BM_E_MESSAGE);
	assert_int_equal(submit_content(&peer, "a\r\n", "b\n", false), BM_E_MESSAGE);
	assert_int_equal(submit_content(&peer, "a\r\n", "b\r", false), BM_E_MESSAGE);
	assert_int_equal(submit_content(&peer, "", "\n", false), BM_E_MESSAGE);
	assert_int_equal(submit_content(&peer, "a\r\n", "", true), BM_E_UNSUPPORTED);
	assert_true(bm_smtp_idle(peer.smtp));
	assert_int_equal(submit_content(&peer, "a\r", "\n", false), BM_OK);
	peer_deinit(&peer);
	start(&peer, WHOLE);
	peer_greet(&peer, EHLO_PIPELINING);
	assert_int_equal(submit_content(&peer, "", "", false), BM_OK);
	assert_int_equal(submit_content(&peer, "", "", false), BM_E_USAGE);
	assert_int_equal(bm_smtp_quit(peer.smtp, 0, NULL), BM_E_USAGE);
	peer_deinit(&peer);
}

static void refuses_a_domain_that_cannot_be_said(void **state)
{
	(void)state;
	static const char *const domains[] = {NULL, "", "a\r\nRSET", "a\x7f"};
	for (size_t i = 0; i < sizeof domains / sizeof domains[0]; i++) {
		struct bm_smtp_options options = BM_SMTP_OPTIONS_INIT;
		struct bm_smtp *smtp = NULL;
		options.domain = domains[i];
		assert_int_equal(bm_smtp_new(&smtp, &options, 0, NULL), BM_E_USAGE);
		assert_null(smtp);
	}
	bm_smtp_free(NULL);
}

static void talk(struct peer *peer, const char *text)
{
	assert_int_equal(bm_smtp_talk(peer->smtp, bm_span_of(text), peer->now_ms, NULL), BM_OK);
	assert_int_equal(bm_smtp_talk(peer->smtp, bm_span_of("NOOP"), peer->now_ms, NULL), BM_E_USAGE);
	peer_pump(peer);
}

static void talks(void **state)
{
	(void)state;
	struct peer peer;
	start(&peer, BYTES);
	peer_greet(&peer, EHLO_PIPELINING);
	peer.log_talk = true;
	talk(&peer, "VRFY \xc3\xa4");
	peer_say(&peer, "550-no\r\n550 such\r\n");
	talk(&peer, "NOOP");
	peer_say(&peer, "451 later\r\n");
	talk(&peer, "AUTH LOGIN");
	peer_say(&peer, "334 Vx\r\n");
	peer_expect(&peer.log, "said command 7\nreply command 550\nsaid command 4\nreply command 451\n"
						   "said command 10\nreply command 334\n");
	talk(&peer, "NOOP");
	peer_say(&peer, "221 bye\r\n");
	peer_expect(&peer.log, "said command 4\nreply command 221\nclosed 421 at command 221\n");
	peer_expect(&peer.wire, "VRFY \xc3\xa4\r\nNOOP\r\nAUTH LOGIN\r\nNOOP\r\n");
	assert_int_equal(bm_smtp_talk(peer.smtp, bm_span_of("NOOP"), 0, NULL), BM_E_USAGE);
	peer_deinit(&peer);
}

static void talks_content(void **state)
{
	(void)state;
	static const char *const wrong[] = {"", "x", "x\r\n", ".\r\nx\r\n.\r\n", "x\r\n.\r\nRSET\r\n.\r\n", "x\n.\r\n",
		"x\r.\r\n", "x\r\r\n.\r\n", "x\r\n..\r\n", "\n.\r\n", "x.\r\n", "x\r\n.\r", "x\r\n.\n", "x."};
	struct peer peer;
	start(&peer, WHOLE);
	peer_greet(&peer, EHLO_PIPELINING);
	talk(&peer, "DATA");
	peer_say(&peer, "354 go\r\n");
	bm_buf_clear(&peer.wire);
	for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++)
		assert_int_equal(bm_smtp_talk(peer.smtp, bm_span_of(wrong[i]), 0, NULL), BM_E_USAGE);
	assert_int_equal(bm_smtp_quit(peer.smtp, 0, NULL), BM_E_USAGE);
	assert_int_equal(submit_content(&peer, "", "", false), BM_E_USAGE);
	peer.log_talk = true;
	talk(&peer, "x\r\n..\r\n.y\r\n.\r\n");
	assert_true(bm_smtp_deadline(peer.smtp) == 600000);
	peer_say(&peer, "250 queued\r\n");
	peer_expect(&peer.log, "said content 14\nreply command 250\n");
	peer_expect(&peer.wire, "x\r\n..\r\n.y\r\n.\r\n");
	talk(&peer, "RSET");
	peer_say(&peer, "250 ok\r\n");
	assert_true(bm_smtp_idle(peer.smtp));
	peer_deinit(&peer);
}

/* As behind a command, the last line end is ours to say. */
static void ends_the_last_line_of_content(void **state)
{
	(void)state;
	static const char *const contents[] = {".", "x\r\n."};
	static const char *const said[] = {".\r\n", "x\r\n.\r\n"};

	for (size_t i = 0; i < 2; i++) {
		struct peer peer;
		start(&peer, WHOLE);
		peer_greet(&peer, EHLO_PIPELINING);
		talk(&peer, "DATA");
		peer_say(&peer, "354 go\r\n");
		bm_buf_clear(&peer.wire);
		talk(&peer, contents[i]);
		peer_expect(&peer.wire, said[i]);
		peer_deinit(&peer);
	}
}

/* In a talk; the least content is the lone dot. */
/* conformance: F23 */
static void talked_content_may_be_refused_early(void **state)
{
	(void)state;
	struct peer peer;
	start(&peer, BYTES);
	peer_greet(&peer, EHLO_PIPELINING);
	talk(&peer, "DATA");
	peer_say(&peer, "354 go\r\n");
	peer.log_talk = true;
	peer.hold = true;
	talk(&peer, ".\r\n");
	peer_say(&peer, "554 no\r\n");
	peer_expect(&peer.log, "said content 3\nreply command 554\nclosed OUT_OF_STEP at command 554\n");
	peer_deinit(&peer);
}

/* A submit must not fall into what a talk began. */
/* conformance: 19 */
static void resets_behind_a_talk_that_began_a_transaction(void **state)
{
	(void)state;
	struct peer peer;
	start(&peer, WHOLE);
	peer_greet(&peer, EHLO_PIPELINING);
	talk(&peer, "mail from:<x@y>");
	peer_say(&peer, "250 ok\r\n");
	bm_buf_clear(&peer.wire);
	peer_submit(&peer, 1, 1);
	peer_expect(&peer.wire, "RSET\r\nMAIL FROM:<me@here>\r\nRCPT TO:<a@x>\r\nDATA\r\n");
	peer_deinit(&peer);
}

/* conformance: 18, F29 */
static void quits(void **state)
{
	(void)state;
	static const struct {
		const char *said;
		const char *log;
	} cases[] = {
		{"221 bye\r\nmore\r\n", "said QUIT 4\nreply QUIT 221\nclosed QUIT at QUIT 221\n"},
		{"250 ok\r\n", "said QUIT 4\nreply QUIT 250\nclosed QUIT at QUIT 250\n"},
		{"421 bye\r\n", "said QUIT 4\nreply QUIT 421\nclosed QUIT at QUIT 421\n"},
		{"500 what\r\n", "said QUIT 4\nreply QUIT 500\nclosed QUIT at QUIT 500\n"},
		{"354 what\r\n", "said QUIT 4\nreply QUIT 354\nclosed QUIT at QUIT 354\n"},
		{"garbage\r\n", "said QUIT 4\nclosed QUIT at QUIT\n"},
		{"", "said QUIT 4\nclosed QUIT at QUIT\n"},
	};
	for (size_t i = 0; i < 2 * (sizeof cases / sizeof cases[0]); i++) {
		size_t k = i / 2;
		struct peer peer;
		start(&peer, WHOLE);
		peer_greet(&peer, EHLO_PIPELINING);
		peer.log_talk = true;
		if (i % 2 == 0)
			assert_int_equal(bm_smtp_quit(peer.smtp, 0, NULL), BM_OK);
		else
			assert_int_equal(bm_smtp_talk(peer.smtp, bm_span_of("quit"), 0, NULL), BM_OK);
		peer_pump(&peer);
		peer_say(&peer, cases[k].said);
		peer_lost(&peer);
		peer_expect(&peer.log, cases[k].log);
		peer_expect(&peer.wire, i % 2 == 0 ? "QUIT\r\n" : "quit\r\n");
		peer_deinit(&peer);
	}
}

static void tells_what_was_said(void **state)
{
	(void)state;
	struct peer peer;
	struct bm_smtp_event event;
	bool content = false;
	start(&peer, WHOLE);
	peer_greet(&peer, EHLO_PIPELINING);
	struct bm_span big = bm_span_of(
		"0123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890123456789\r\n");
	struct bm_smtp_transaction tx = peer_transaction(1, 1);
	tx.content = &big;
	tx.content_count = 1;
	assert_int_equal(bm_smtp_submit(peer.smtp, &tx, 0, NULL), BM_OK);
	peer_pump(&peer);
	bm_smtp_feed(peer.smtp, "250\r\n250\r\n354 go\r\n", 18, 0);
	while (bm_smtp_next_event(peer.smtp, &event)) {
		if (event.kind != BM_SMTP_SAID)
			continue;
		content = true;
		assert_int_equal(event.command, BM_SMTP_BODY);
		assert_true(bm_span_equal(event.said, bm_span_make(big.data, 64)));
		assert_int_equal(event.said_size, big.size + 3);
	}
	assert_true(content);
	peer_deinit(&peer);
}

#define CROWD 100000

/* Bounded output and bounded replies outstanding, DATA last of all. */
/* conformance: 10, 28, 31 */
static void says_a_long_envelope_in_a_window(void **state)
{
	(void)state;
	struct peer peer;
	struct bm_span *crowd = calloc(CROWD, sizeof *crowd);
	size_t replies = 0;
	assert_non_null(crowd);
	for (size_t i = 0; i < CROWD; i++)
		crowd[i] = bm_span_of("someone@example.org");
	start(&peer, WHOLE);
	peer_greet(&peer, EHLO_PIPELINING);
	struct bm_smtp_transaction tx = peer_transaction(1, CROWD);
	tx.recipients = crowd;
	assert_int_equal(bm_smtp_submit(peer.smtp, &tx, 0, NULL), BM_OK);
	while (replies < CROWD + 1) {
		struct bm_span span;
		struct bm_smtp_event event;
		size_t said = 0;
		assert_int_equal(bm_smtp_output(peer.smtp, &span, 1), 1);
		assert_in_range(span.size, 1, 65536);
		for (size_t i = 0; i < span.size; i++)
			said += span.data[i] == '\n';
		assert_in_range(said, 1, 1024);
		bm_smtp_sent(peer.smtp, span.size, 0);
		for (size_t i = 0; i < said && replies < CROWD + 1; i++, replies++)
			bm_smtp_feed(
				peer.smtp, replies % 2 == 0 ? "250 ok\r\n" : "250-2.1.5\r\n250 ok\r\n", replies % 2 == 0 ? 8 : 19, 0);
		while (bm_smtp_next_event(peer.smtp, &event))
			continue;
	}
	peer_pump(&peer);
	peer_say(&peer, "354 go\r\n");
	peer_say(&peer, "250 queued\r\n");
	size_t lines = 0;
	for (size_t i = 0; i < peer.log.size; i++)
		lines += peer.log.data[i] == '\n';
	assert_int_equal(lines, CROWD + 1);
	peer_deinit(&peer);
	free(crowd);
}

static void names_every_command(void **state)
{
	(void)state;
	assert_string_equal(bm_smtp_command_name(BM_SMTP_RCPT), "RCPT");
	assert_string_equal(bm_smtp_command_name(BM_SMTP_END_OF_DATA), "end of data");
	assert_string_equal(bm_smtp_command_name((enum bm_smtp_command)99), "unknown");
}

/* Every cell: command by reply class. */

static struct bm_sasl_options user = {.mechanisms = "LOGIN", .user = "user"};

static int make_secret(void **state)
{
	(void)state;
	struct bm_secret *secret = NULL;
	enum bm_code code = bm_secret_new(&secret, "pass", 4, NULL);
	user.secret = secret;
	*state = secret;
	return code == BM_OK ? 0 : -1;
}

static int free_secret(void **state)
{
	bm_secret_free(*state);
	return 0;
}

static void start_for(struct peer *peer, enum bm_smtp_command command)
{
	struct bm_smtp_options options = BM_SMTP_OPTIONS_INIT;
	options.lmtp = command == BM_SMTP_LHLO;
	options.tls = command == BM_SMTP_STARTTLS ? BM_SMTP_TLS_MAY : BM_SMTP_TLS_NONE;
	options.wrapped = command == BM_SMTP_AUTH;
	options.sasl = command == BM_SMTP_AUTH ? &user : NULL;
	peer_init_with(peer, WHOLE, &options);
	if (options.wrapped)
		peer_secured(peer, true);
}

/* Brings the session to where the command awaits its reply. */
static void await_command(struct peer *peer, enum bm_smtp_command command)
{
	start_for(peer, command);
	if (command == BM_SMTP_GREETING)
		return;
	if (command == BM_SMTP_LHLO || command == BM_SMTP_STARTTLS || command == BM_SMTP_AUTH) {
		peer_say(peer, "220\r\n");
		if (command != BM_SMTP_LHLO)
			peer_say(peer, "250-x\r\n250-STARTTLS\r\n250 AUTH LOGIN\r\n");
		return;
	}
	if (command == BM_SMTP_EHLO || command == BM_SMTP_HELO) {
		peer_say(peer, "220\r\n");
		if (command == BM_SMTP_HELO)
			peer_say(peer, "500\r\n");
		return;
	}
	peer_greet(peer, EHLO_PLAIN);
	if (command == BM_SMTP_TALK) {
		talk(peer, "NOOP");
		return;
	}
	if (command == BM_SMTP_QUIT) {
		assert_int_equal(bm_smtp_quit(peer->smtp, 0, NULL), BM_OK);
		peer_pump(peer);
		return;
	}
	peer_submit(peer, 1, 2);
	if (command == BM_SMTP_MAIL)
		return;
	peer_say(peer, "250\r\n");
	if (command == BM_SMTP_RCPT)
		return;
	if (command == BM_SMTP_RSET) {
		peer_say(peer, "550\r\n");
		peer_say(peer, "550\r\n");
		peer_submit(peer, 1, 2);
		return;
	}
	peer_say(peer, "550\r\n");
	peer_say(peer, "250\r\n");
	if (command == BM_SMTP_END_OF_DATA)
		peer_say(peer, "354\r\n");
}

#define ALL(what) "0 " what "\n1 " what "\nend 1\n"
#define BACK ALL("PUT_BACK unanswered")
#define SECOND(what) "1 " what "\nend 1\n"

static const struct {
	const char *cells[5]; /* 2yz, 3yz, 4yz, 5yz, 421: what is logged */
} table[] = {
	[BM_SMTP_GREETING] = {{"", "closed OUT_OF_STEP at greeting 354\n", "closed GREETING at greeting 451\n",
		"closed GREETING at greeting 551\n", "closed GREETING at greeting 421\n"}},
	[BM_SMTP_EHLO] = {{"ready\n", "closed OUT_OF_STEP at EHLO 354\n", "closed HELO at EHLO 451\n", "",
		"closed 421 at EHLO 421\n"}},
	[BM_SMTP_HELO] = {{"ready\n", "closed OUT_OF_STEP at HELO 354\n", "closed HELO at HELO 451\n",
		"closed HELO at HELO 551\n", "closed 421 at HELO 421\n"}},
	[BM_SMTP_LHLO] = {{"ready\n", "closed OUT_OF_STEP at LHLO 354\n", "closed HELO at LHLO 451\n",
		"closed HELO at LHLO 551\n", "closed 421 at LHLO 421\n"}},
	[BM_SMTP_STARTTLS] = {{"secure\n", "closed OUT_OF_STEP at STARTTLS 354\n", "ready\n", "ready\n",
		"closed 421 at STARTTLS 421\n"}},
	[BM_SMTP_TLS] = {{NULL}}, /* no command */
	[BM_SMTP_AUTH] = {{"closed OUT_OF_STEP at AUTH 220\n", "closed OUT_OF_STEP at AUTH 354\n",
		"closed AUTH at AUTH 451\n", "closed AUTH final at AUTH 551\n", "closed 421 at AUTH 421\n"}},
	[BM_SMTP_MAIL] = {{"", BACK "closed OUT_OF_STEP at MAIL 354\n", ALL("DEFERRED 451"), ALL("REFUSED 551"),
		ALL("PUT_BACK 421") "closed 421 at MAIL 421\n"}},
	[BM_SMTP_RCPT] = {{"", BACK "closed OUT_OF_STEP at RCPT 354\n", "0 DEFERRED 451\n", "0 REFUSED 551\n",
		ALL("PUT_BACK 421") "closed 421 at RCPT 421\n"}},
	[BM_SMTP_DATA] = {{SECOND("PUT_BACK unanswered") "closed OUT_OF_STEP at DATA 220\n", "", SECOND("DEFERRED 451"),
		SECOND("REFUSED 551"), SECOND("PUT_BACK 421") "closed 421 at DATA 421\n"}},
	[BM_SMTP_BODY] = {{NULL}}, /* no command */
	[BM_SMTP_BDAT] = {{NULL}}, /* only in a stream: test_stream.c */
	[BM_SMTP_END_OF_DATA] = {{SECOND("ACCEPTED 220"),
		SECOND("IN_DOUBT unanswered") "closed OUT_OF_STEP at end of data 354\n", SECOND("DEFERRED 451"),
		SECOND("REFUSED 551"), SECOND("PUT_BACK 421") "closed 421 at end of data 421\n"}},
	[BM_SMTP_RSET] = {{"", BACK "closed OUT_OF_STEP at RSET 354\n", BACK "closed RSET at RSET 451\n",
		BACK "closed RSET at RSET 551\n", BACK "closed 421 at RSET 421\n"}},
	[BM_SMTP_TALK] = {{"", "", "", "", "closed 421 at command 421\n"}},
	[BM_SMTP_QUIT] = {{"closed QUIT at QUIT 220\n", "closed QUIT at QUIT 354\n", "closed QUIT at QUIT 451\n",
		"closed QUIT at QUIT 551\n", "closed QUIT at QUIT 421\n"}},
};

/* The class decides, not the text. */
/* conformance: 6, F18, F19 */
static void every_cell_of_the_table(void **state)
{
	(void)state;
	static const char *const replies[] = {"220 x\r\n", "354 x\r\n", "451 x\r\n", "551 x\r\n", "421 x\r\n"};
	for (size_t command = 0; command < sizeof table / sizeof table[0]; command++) {
		for (size_t class = 0; class < 5 && table[command].cells[0] != NULL; class ++) {
			struct peer peer;
			await_command(&peer, (enum bm_smtp_command)command);
			bm_buf_clear(&peer.log);
			peer_say(&peer, replies[class]);
			peer_expect(&peer.log, table[command].cells[class]);
			peer_deinit(&peer);
		}
	}
}

/* 1yz and what does not parse: out of step in every state, but for QUIT. */
/* conformance: F16, F18, A40 */
static void nothing_makes_sense_of_garbage(void **state)
{
	(void)state;
	static const char *const replies[] = {"150 x\r\n", "x\r\n", "\r\n", "250x\r\n"};
	for (size_t command = 0; command < sizeof table / sizeof table[0]; command++) {
		for (size_t i = 0; i < 4 && table[command].cells[0] != NULL; i++) {
			struct peer peer;
			await_command(&peer, (enum bm_smtp_command)command);
			bm_buf_clear(&peer.log);
			peer_say(&peer, replies[i]);
			assert_int_equal(bm_buf_terminate(&peer.log), BM_OK);
			const char *end = command == BM_SMTP_QUIT ? "closed QUIT at" : "closed OUT_OF_STEP at";
			assert_non_null(strstr((char *)peer.log.data, end));
			peer_deinit(&peer);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(greets),
		cmocka_unit_test(reads_keywords),
		cmocka_unit_test(says_only_what_was_listed),
		cmocka_unit_test(does_not_try_what_is_too_large),
		cmocka_unit_test(refuses_what_cannot_be_said),
		cmocka_unit_test(refuses_content_without_its_end),
		cmocka_unit_test(refuses_a_domain_that_cannot_be_said),
		cmocka_unit_test(talks),
		cmocka_unit_test(talks_content),
		cmocka_unit_test(ends_the_last_line_of_content),
		cmocka_unit_test(talked_content_may_be_refused_early),
		cmocka_unit_test(resets_behind_a_talk_that_began_a_transaction),
		cmocka_unit_test(quits),
		cmocka_unit_test(tells_what_was_said),
		cmocka_unit_test(says_a_long_envelope_in_a_window),
		cmocka_unit_test(names_every_command),
		cmocka_unit_test(every_cell_of_the_table),
		cmocka_unit_test(nothing_makes_sense_of_garbage),
	};
	return cmocka_run_group_tests(tests, make_secret, free_secret);
}
