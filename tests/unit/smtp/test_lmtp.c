/* SPDX-License-Identifier: MIT */
/* LMTP (RFC 2033): LHLO, and at the end of data a verdict for each recipient that was taken. */
#include "peer.h"

#define PIECES_MAX 12
#define LOST "lost"
#define TICK "tick"
#define SUBMIT "submit"

#define MAIL "MAIL FROM:<me@here>\r\n"
#define RCPT_A "RCPT TO:<a@x>\r\n"
#define RCPT_B "RCPT TO:<b@x>\r\n"
#define RCPT_C "RCPT TO:<c@x>\r\n"
#define THREE MAIL RCPT_A RCPT_B RCPT_C "DATA\r\n"
#define CONTENT "Subject: s\r\n\r\n..x\r\n.\r\n"
#define OK "250 ok\r\n"
#define TAKEN OK OK OK OK "354 go\r\n"
#define OFF BM_SMTP_PIPELINING_OFF
#define GROUP BM_SMTP_PIPELINING_ENVELOPE
#define MESSAGE BM_SMTP_PIPELINING_MESSAGE

struct scenario {
	const char *name;
	enum bm_smtp_pipelining pipelining;
	const char *pieces[PIECES_MAX]; /* behind a submit to three */
	const char *log;
	const char *wire;
};

static void start(struct peer *peer, size_t cut, enum bm_smtp_pipelining pipelining)
{
	struct bm_smtp_options options = BM_SMTP_OPTIONS_INIT;
	options.lmtp = true;
	options.pipelining = pipelining;
	peer_init_with(peer, cut, &options);
}

static void play(struct peer *peer, const struct scenario *scenario, size_t cut, bool log_talk)
{
	uint64_t id = 1;
	start(peer, cut, scenario->pipelining);
	peer_greet(peer, EHLO_CHUNKING);
	peer->log_talk = log_talk;
	peer->lazy = log_talk;
	peer_submit(peer, id++, 3);
	for (size_t i = 0; i < PIECES_MAX && scenario->pieces[i] != NULL; i++) {
		if (strcmp(scenario->pieces[i], LOST) == 0)
			peer_lost(peer);
		else if (strcmp(scenario->pieces[i], TICK) == 0)
			peer_tick(peer, bm_smtp_deadline(peer->smtp));
		else if (strcmp(scenario->pieces[i], SUBMIT) == 0)
			peer_submit(peer, id++, 1);
		else
			peer_say(peer, scenario->pieces[i]);
	}
}

static void compare_with_whole(const struct scenario *scenario, size_t cut)
{
	struct peer whole;
	struct peer peer;
	play(&whole, scenario, WHOLE, true);
	play(&peer, scenario, cut, true);
	assert_true(bm_span_equal(bm_buf_view(&whole.log), bm_buf_view(&peer.log)));
	peer_deinit(&whole);
	peer_deinit(&peer);
}

static void run_cut(const struct scenario *scenario, size_t cut)
{
	struct peer peer;
	play(&peer, scenario, cut, false);
	peer_expect(&peer.log, scenario->log);
	peer_expect(&peer.wire, scenario->wire);
	peer_deinit(&peer);
	compare_with_whole(scenario, cut);
}

static void run(const struct scenario *scenarios, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		print_message("# %s\n", scenarios[i].name);
		for (size_t cut = 0; cut < 80; cut++)
			run_cut(&scenarios[i], cut);
		run_cut(&scenarios[i], BYTES);
	}
}

#define RUN(scenarios) run(scenarios, sizeof(scenarios) / sizeof((scenarios)[0]))

static void says_lhlo(void **state)
{
	(void)state;
	static const struct {
		const char *pieces[3];
		const char *log;
		const char *wire;
	} cases[] = {
		{{"220 hi\r\n", "250 peer\r\n"}, "ready\n", "LHLO me.example\r\n"},
		{{"220 hi\r\n", "500 what\r\n"}, "closed HELO at LHLO 500\n", "LHLO me.example\r\n"},
		{{"220 hi\r\n", "451 later\r\n"}, "closed HELO at LHLO 451\n", "LHLO me.example\r\n"},
		{{"220 hi\r\n", "421 bye\r\n"}, "closed 421 at LHLO 421\n", "LHLO me.example\r\n"},
		{{"220 hi\r\n", "354 go\r\n"}, "closed OUT_OF_STEP at LHLO 354\n", "LHLO me.example\r\n"},
	};
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		struct peer peer;
		start(&peer, WHOLE, GROUP);
		for (size_t k = 0; k < 3 && cases[i].pieces[k] != NULL; k++)
			peer_say(&peer, cases[i].pieces[k]);
		peer_expect(&peer.log, cases[i].log);
		peer_expect(&peer.wire, cases[i].wire);
		peer_deinit(&peer);
	}
}

/* TLS and its rules are the same, and LHLO is said again inside. */
/* conformance: 42 */
static void says_lhlo_inside(void **state)
{
	(void)state;
	struct bm_smtp_options options = BM_SMTP_OPTIONS_INIT;
	struct peer peer;
	options.lmtp = true;
	options.tls = BM_SMTP_TLS_DEMAND;
	peer_init_with(&peer, BYTES, &options);
	peer_say(&peer, "220 hi\r\n");
	peer_say(&peer, "250-peer\r\n250 STARTTLS\r\n");
	peer_say(&peer, "220 go\r\n");
	peer_secured(&peer, false);
	peer_say(&peer, "250 peer\r\n");
	peer_expect(&peer.wire, "LHLO me.example\r\nSTARTTLS\r\nLHLO me.example\r\n");
	peer_expect(&peer.log, "secure\nready\n");
	peer_deinit(&peer);
}

/* conformance: 12, 29, 32 */
static void each_has_a_verdict(void **state)
{
	(void)state;
	static const struct scenario scenarios[] = {
		{"all", GROUP, {TAKEN, "250 a\r\n251 b\r\n250-c\r\n250 c\r\n"},
			"0 ACCEPTED 250\n1 ACCEPTED 251\n2 ACCEPTED 250\nend 1\n", THREE CONTENT},
		{"one after the other", GROUP, {TAKEN, "250 a\r\n", "250 b\r\n", "250 c\r\n"},
			"0 ACCEPTED 250\n1 ACCEPTED 250\n2 ACCEPTED 250\nend 1\n", THREE CONTENT},
		{"each its own", GROUP, {TAKEN, "550-5.1.1 a\r\n550 5.1.1 a\r\n250 b\r\n452 full\r\n"},
			"0 REFUSED 550\n1 ACCEPTED 250\n2 DEFERRED 452\nend 1\n", THREE CONTENT},
		{"552 is permanent there", GROUP, {TAKEN, OK "552 large\r\n" OK},
			"0 ACCEPTED 250\n1 REFUSED 552\n2 ACCEPTED 250\nend 1\n", THREE CONTENT},
		{"only of those taken", GROUP, {OK OK "550 no\r\n" OK "354 go\r\n", "451 a\r\n250 c\r\n"},
			"1 REFUSED 550\n0 DEFERRED 451\n2 ACCEPTED 250\nend 1\n", THREE CONTENT},
		{"one taken", GROUP, {OK "550 no\r\n450 no\r\n" OK "354 go\r\n", OK},
			"0 REFUSED 550\n1 DEFERRED 450\n2 ACCEPTED 250\nend 1\n", THREE CONTENT},
		{"one command at a time", OFF, {OK, OK, "550 no\r\n", OK, "354 go\r\n", OK, "554 no\r\n"},
			"1 REFUSED 550\n0 ACCEPTED 250\n2 REFUSED 554\nend 1\n", THREE CONTENT},
		{"one too many", GROUP, {TAKEN, OK OK OK OK},
			"0 ACCEPTED 250\n1 ACCEPTED 250\n2 ACCEPTED 250\nend 1\nclosed OUT_OF_STEP at command 250\n",
			THREE CONTENT},
		{"the next rides behind", MESSAGE, {SUBMIT, TAKEN, OK "550 no\r\n", OK OK OK "354 go\r\n", OK},
			"0 ACCEPTED 250\n1 REFUSED 550\n2 ACCEPTED 250\nend 1\n0 ACCEPTED 250\nend 2\n",
			THREE CONTENT MAIL RCPT_A "DATA\r\n" CONTENT},
	};
	RUN(scenarios);
}

/* conformance: 15, 17, F05, F08, F21 */
static void some_have_none(void **state)
{
	(void)state;
	static const struct scenario scenarios[] = {
		{"lost before any", GROUP, {TAKEN, LOST},
			"0 IN_DOUBT unanswered\n1 IN_DOUBT unanswered\n2 IN_DOUBT unanswered\nend 1\nclosed LOST at end of data\n",
			THREE CONTENT},
		{"lost in the midst", GROUP, {TAKEN, OK "550 no\r\n25", LOST},
			"0 ACCEPTED 250\n1 REFUSED 550\n2 IN_DOUBT unanswered\nend 1\nclosed LOST at end of data\n", THREE CONTENT},
		{"lost behind the last", GROUP, {TAKEN, OK OK OK, LOST},
			"0 ACCEPTED 250\n1 ACCEPTED 250\n2 ACCEPTED 250\nend 1\nclosed LOST at command\n", THREE CONTENT},
		{"silence", GROUP, {TAKEN, OK, TICK},
			"0 ACCEPTED 250\n1 IN_DOUBT unanswered\n2 IN_DOUBT unanswered\nend 1\nclosed TIMEOUT at end of data\n",
			THREE CONTENT},
		{"garbage", GROUP, {TAKEN, OK "what\r\n"},
			"0 ACCEPTED 250\n1 IN_DOUBT unanswered\n2 IN_DOUBT unanswered\nend 1\nclosed OUT_OF_STEP at end of data\n",
			THREE CONTENT},
		{"354", GROUP, {TAKEN, OK "354 go\r\n"},
			"0 ACCEPTED 250\n1 IN_DOUBT unanswered\n2 IN_DOUBT unanswered\nend 1\n"
			"closed OUT_OF_STEP at end of data 354\n",
			THREE CONTENT},
		{"421, then the close", GROUP, {TAKEN, OK "421 bye\r\n", LOST},
			"0 ACCEPTED 250\n1 PUT_BACK 421\n2 IN_DOUBT unanswered\nend 1\nclosed 421 at end of data 421\n",
			THREE CONTENT},
		{"421 and it goes on all the same", GROUP, {TAKEN, "421 bye\r\n" OK "550 no\r\n"},
			"0 PUT_BACK 421\n1 ACCEPTED 250\n2 REFUSED 550\nend 1\nclosed 421 at end of data 421\n", THREE CONTENT},
		{"421 to the last", GROUP, {TAKEN, OK OK "421 bye\r\n"},
			"0 ACCEPTED 250\n1 ACCEPTED 250\n2 PUT_BACK 421\nend 1\nclosed 421 at end of data 421\n", THREE CONTENT},
		{"421, and the next one behind it", MESSAGE, {SUBMIT, TAKEN, OK "421 bye\r\n", LOST},
			"0 ACCEPTED 250\n1 PUT_BACK 421\n2 IN_DOUBT unanswered\nend 1\n0 PUT_BACK unanswered\nend 2\n"
			"closed 421 at end of data 421\n",
			THREE CONTENT MAIL RCPT_A "DATA\r\n"},
	};
	RUN(scenarios);
}

/* conformance: 14, 30, F12 */
static void nobody_is_left(void **state)
{
	(void)state;
	static const struct scenario scenarios[] = {
		{"503, as it must be", GROUP, {OK "550 no\r\n450 no\r\n550 no\r\n503 nobody\r\n"},
			"0 REFUSED 550\n1 DEFERRED 450\n2 REFUSED 550\nend 1\n", THREE},
		{"354 all the same: no content for nobody", GROUP, {OK "550 no\r\n450 no\r\n550 no\r\n354 go\r\n"},
			"0 REFUSED 550\n1 DEFERRED 450\n2 REFUSED 550\nend 1\nclosed OUT_OF_STEP at DATA 354 stumbled\n", THREE},
		{"MAIL refused, 354", GROUP, {"550 no\r\n503 no\r\n503 no\r\n503 no\r\n354 go\r\n"},
			"0 REFUSED 550\n1 REFUSED 550\n2 REFUSED 550\nend 1\nclosed OUT_OF_STEP at DATA 354 stumbled\n", THREE},
		{"DATA refused", GROUP, {OK OK OK OK "451 later\r\n"},
			"0 DEFERRED 451\n1 DEFERRED 451\n2 DEFERRED 451\nend 1\n", THREE},
		{"one at a time: no DATA", OFF, {OK, "550 no\r\n", "550 no\r\n", "550 no\r\n"},
			"0 REFUSED 550\n1 REFUSED 550\n2 REFUSED 550\nend 1\n", MAIL RCPT_A RCPT_B RCPT_C},
	};
	RUN(scenarios);
}

/* Who was answered keeps the answer, the others' content was not all sent. */
/* conformance: F23 */
static void content_is_cut(void **state)
{
	(void)state;
	static const struct {
		const char *said;
		const char *log;
	} cases[] = {
		{"554 spam\r\n", "0 REFUSED 554\n1 PUT_BACK unanswered\nend 1\nclosed OUT_OF_STEP at end of data 554\n"},
		{"421 bye\r\n", "0 PUT_BACK 421\n1 PUT_BACK unanswered\nend 1\nclosed 421 at end of data 421\n"},
		{"250 ok\r\n", "0 PUT_BACK unanswered\n1 PUT_BACK unanswered\nend 1\nclosed OUT_OF_STEP at content 250\n"},
	};
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		struct peer peer;
		start(&peer, WHOLE, GROUP);
		peer_greet(&peer, EHLO_PIPELINING);
		peer_submit(&peer, 1, 2);
		peer.hold = true;
		peer_say(&peer, OK OK OK "354 go\r\n");
		peer_send(&peer, 10);
		peer_say(&peer, cases[i].said);
		peer_expect(&peer.log, cases[i].log);
		peer_deinit(&peer);
	}
}

/* Chunks are not for LMTP. */
static void streams_no_chunks(void **state)
{
	(void)state;
	struct peer peer;
	start(&peer, WHOLE, BM_SMTP_PIPELINING_STREAM);
	peer_greet(&peer, EHLO_CHUNKING);
	assert_int_equal(bm_smtp_mode(peer.smtp), MESSAGE);
	peer_submit(&peer, 1, 1);
	peer_expect(&peer.wire, MAIL RCPT_A "DATA\r\n");
	peer_deinit(&peer);
}

/* Each reply at the end has its own time, dripped or not. */
/* conformance: 16, A16 */
static void each_reply_has_its_deadline(void **state)
{
	(void)state;
	struct peer peer;
	start(&peer, WHOLE, GROUP);
	peer_greet(&peer, EHLO_PIPELINING);
	peer_submit(&peer, 1, 2);
	peer_say(&peer, OK OK OK "354 go\r\n");
	assert_true(bm_smtp_deadline(peer.smtp) == 600000);
	peer.now_ms = 1000;
	peer_say(&peer, OK);
	assert_true(bm_smtp_deadline(peer.smtp) == 601000);
	for (uint64_t i = 1; i < 601; i++) {
		peer_tick(&peer, i * 1000);
		peer_feed(&peer, i <= 4 ? &"250 "[i - 1] : "x", 1);
		assert_true(bm_smtp_deadline(peer.smtp) == 601000);
	}
	peer_tick(&peer, 601000);
	peer_expect(&peer.log, "0 ACCEPTED 250\n1 IN_DOUBT unanswered\nend 1\nclosed TIMEOUT at end of data\n");
	peer_deinit(&peer);
}

#define CROWD 3000

/* More replies than commands may be unanswered. */
static void a_crowd_has_its_verdicts(void **state)
{
	(void)state;
	static struct bm_span crowd[CROWD];
	struct peer peer;
	size_t accepted = 0;
	size_t refused = 0;
	struct bm_smtp_event event;
	for (size_t i = 0; i < CROWD; i++)
		crowd[i] = bm_span_of("a@x");
	start(&peer, WHOLE, MESSAGE);
	peer_greet(&peer, EHLO_PIPELINING);
	struct bm_smtp_transaction tx = peer_transaction(1, CROWD);
	tx.recipients = crowd;
	assert_int_equal(bm_smtp_submit(peer.smtp, &tx, 0, NULL), BM_OK);
	for (size_t i = 0; i < CROWD + 1; i++) {
		bm_smtp_sent(peer.smtp, SIZE_MAX, 0);
		bm_smtp_feed(peer.smtp, OK, 8, 0);
	}
	bm_smtp_sent(peer.smtp, SIZE_MAX, 0);
	bm_smtp_feed(peer.smtp, "354 go\r\n", 8, 0);
	bm_smtp_sent(peer.smtp, SIZE_MAX, 0);
	for (size_t i = 0; i < CROWD; i++)
		bm_smtp_feed(peer.smtp, i % 3 == 0 ? "550 no\r\n" : OK, 8, 0);
	while (bm_smtp_next_event(peer.smtp, &event)) {
		accepted += event.kind == BM_SMTP_RECIPIENT && event.disposition == BM_SMTP_ACCEPTED;
		refused += event.kind == BM_SMTP_RECIPIENT && event.disposition == BM_SMTP_REFUSED;
	}
	assert_int_equal(accepted, CROWD / 3 * 2);
	assert_int_equal(refused, CROWD / 3);
	assert_true(bm_smtp_idle(peer.smtp));
	peer_deinit(&peer);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(says_lhlo),
		cmocka_unit_test(says_lhlo_inside),
		cmocka_unit_test(each_has_a_verdict),
		cmocka_unit_test(some_have_none),
		cmocka_unit_test(nobody_is_left),
		cmocka_unit_test(content_is_cut),
		cmocka_unit_test(streams_no_chunks),
		cmocka_unit_test(each_reply_has_its_deadline),
		cmocka_unit_test(a_crowd_has_its_verdicts),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
