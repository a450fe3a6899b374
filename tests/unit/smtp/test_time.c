/* SPDX-License-Identifier: MIT */
/* Deadlines: of whole phases, on the caller's clock. RFC item 16. */
#include "peer.h"

static void at(struct peer *peer, uint64_t now_ms)
{
	peer->now_ms = now_ms;
}

static void expect_deadline(const struct peer *peer, uint64_t expected)
{
	assert_true(bm_smtp_deadline(peer->smtp) == expected);
}

/* manual: time_out */
/* conformance: 16, F03 */
static void every_phase_has_its_own(void **state)
{
	(void)state;
	struct peer peer;
	peer_init(&peer, WHOLE, BM_SMTP_PIPELINING_OFF);
	expect_deadline(&peer, 300000);
	at(&peer, 1000);
	peer_say(&peer, "220\r\n");
	expect_deadline(&peer, 301000);
	at(&peer, 2000);
	peer_say(&peer, "250\r\n");
	expect_deadline(&peer, BM_SMTP_NEVER);
	at(&peer, 3000);
	peer_submit(&peer, 1, 1);
	expect_deadline(&peer, 303000);
	at(&peer, 4000);
	peer_say(&peer, "250\r\n");
	expect_deadline(&peer, 304000);
	at(&peer, 5000);
	peer_say(&peer, "250\r\n");
	expect_deadline(&peer, 125000);
	at(&peer, 6000);
	peer_say(&peer, "354\r\n");
	expect_deadline(&peer, 606000);
	at(&peer, 7000);
	peer_say(&peer, "250\r\n");
	expect_deadline(&peer, BM_SMTP_NEVER);
	at(&peer, 8000);
	assert_int_equal(bm_smtp_quit(peer.smtp, 8000, NULL), BM_OK);
	peer_pump(&peer);
	expect_deadline(&peer, 10000);
	peer_tick(&peer, 9999);
	assert_true(bm_smtp_deadline(peer.smtp) == 10000);
	bm_buf_clear(&peer.log);
	peer_tick(&peer, 10000);
	peer_expect(&peer.log, "closed QUIT at QUIT\n");
	expect_deadline(&peer, BM_SMTP_NEVER);
	peer_deinit(&peer);
}

/* Drops do not extend it. */
/* conformance: 16, A16 */
static void a_dripping_reply_gains_nothing(void **state)
{
	(void)state;
	struct peer peer;
	peer_init(&peer, WHOLE, BM_SMTP_PIPELINING_OFF);
	for (uint64_t i = 0; i < 299; i++) {
		peer_tick(&peer, i * 1000);
		peer_feed(&peer, i < 4 ? &"220-"[i] : "x", 1);
		expect_deadline(&peer, 300000);
	}
	peer_tick(&peer, 300000);
	peer_expect(&peer.log, "closed TIMEOUT at greeting\n");
	peer_deinit(&peer);
}

static void runs_from_the_end_of_the_command(void **state)
{
	(void)state;
	struct peer peer;
	peer_init(&peer, WHOLE, BM_SMTP_PIPELINING_ENVELOPE);
	peer_greet(&peer, EHLO_PIPELINING);
	peer.hold = true;
	peer_submit(&peer, 1, 2);
	expect_deadline(&peer, 300000);
	at(&peer, 1000);
	peer_send(&peer, 5);
	expect_deadline(&peer, 300000); /* part of it is nothing */
	at(&peer, 2000);
	peer_send(&peer, 16);
	expect_deadline(&peer, 302000); /* MAIL is out */
	at(&peer, 3000);
	peer_send(&peer, 3);
	expect_deadline(&peer, 302000);
	at(&peer, 4000);
	peer_say(&peer, "250\r\n");
	expect_deadline(&peer, 304000); /* RCPT is the head and not out */
	at(&peer, 5000);
	peer_send(&peer, SIZE_MAX);
	expect_deadline(&peer, 305000);
	bm_buf_clear(&peer.log);
	peer_tick(&peer, 305000);
	peer_expect(&peer.log, "0 PUT_BACK unanswered\n1 PUT_BACK unanswered\nend 1\nclosed TIMEOUT at RCPT\n");
	peer_deinit(&peer);
}

/* Each block of content anew. */
/* conformance: 16, F24 */
static void content_has_a_deadline_a_block(void **state)
{
	(void)state;
	static unsigned char block[200000];
	struct peer peer;
	struct bm_span content;
	memset(block, 'x', sizeof block);
	block[sizeof block - 2] = '\r';
	block[sizeof block - 1] = '\n';
	content = bm_span_make(block, sizeof block);
	peer_init(&peer, WHOLE, BM_SMTP_PIPELINING_ENVELOPE);
	peer_greet(&peer, EHLO_PIPELINING);
	struct bm_smtp_transaction tx = peer_transaction(1, 1);
	tx.content = &content;
	tx.content_count = 1;
	assert_int_equal(bm_smtp_submit(peer.smtp, &tx, 0, NULL), BM_OK);
	peer_pump(&peer);
	peer.hold = true;
	at(&peer, 1000);
	peer_say(&peer, "250\r\n250\r\n354\r\n");
	expect_deadline(&peer, 181000);
	at(&peer, 2000);
	peer_send(&peer, 65535);
	expect_deadline(&peer, 181000);
	peer_send(&peer, 1);
	expect_deadline(&peer, 182000);
	at(&peer, 3000);
	peer_send(&peer, 65537);
	expect_deadline(&peer, 183000);
	bm_buf_clear(&peer.log);
	peer_tick(&peer, 183000);
	peer_expect(&peer.log, "0 PUT_BACK unanswered\nend 1\nclosed TIMEOUT at content\n");
	peer_deinit(&peer);
}

static void wait_at_the_dot(struct peer *peer)
{
	peer_init(peer, WHOLE, BM_SMTP_PIPELINING_ENVELOPE);
	peer_greet(peer, EHLO_PIPELINING);
	peer_submit(peer, 1, 1);
	peer_say(peer, "250\r\n250\r\n354\r\n");
}

/* conformance: 16, F21 */
static void the_dot_has_ten_minutes(void **state)
{
	(void)state;
	static const struct {
		uint64_t after_ms;
		const char *log;
	} cases[] = {
		{1000, "0 ACCEPTED 250\nend 1\n"},
		{599000, "0 ACCEPTED 250\nend 1\n"},
		{601000, "0 IN_DOUBT unanswered\nend 1\nclosed TIMEOUT at end of data\n"},
	};
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		struct peer peer;
		wait_at_the_dot(&peer);
		peer_tick(&peer, cases[i].after_ms);
		peer_say(&peer, "250\r\n");
		peer_expect(&peer.log, cases[i].log);
		peer_deinit(&peer);
	}
}

static void start_with(struct peer *peer, uint64_t timeout_ms, uint64_t now_ms)
{
	struct bm_smtp_options options = BM_SMTP_OPTIONS_INIT;
	*peer = (struct peer){.now_ms = now_ms};
	bm_buf_init(&peer->wire, 10000);
	bm_buf_init(&peer->log, 10000);
	options.domain = "me.example";
	options.timeout_ms = timeout_ms;
	assert_int_equal(bm_smtp_new(&peer->smtp, &options, now_ms, NULL), BM_OK);
}

/* manual: time_out */
static void one_time_out_for_all(void **state)
{
	(void)state;
	static const uint64_t quit_after[][2] = {{5000, 2000}, {700, 700}};
	for (size_t i = 0; i < 2; i++) {
		struct peer peer;
		start_with(&peer, quit_after[i][0], 0);
		expect_deadline(&peer, quit_after[i][0]);
		peer_greet(&peer, EHLO_PIPELINING);
		assert_int_equal(bm_smtp_quit(peer.smtp, 0, NULL), BM_OK);
		expect_deadline(&peer, quit_after[i][1]);
		peer_deinit(&peer);
	}
	struct peer peer;
	/* far away, but not never */
	start_with(&peer, UINT64_MAX - 5, 100);
	expect_deadline(&peer, BM_SMTP_NEVER - 1);
	peer_deinit(&peer);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_phase_has_its_own),
		cmocka_unit_test(a_dripping_reply_gains_nothing),
		cmocka_unit_test(runs_from_the_end_of_the_command),
		cmocka_unit_test(content_has_a_deadline_a_block),
		cmocka_unit_test(the_dot_has_ten_minutes),
		cmocka_unit_test(one_time_out_for_all),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
