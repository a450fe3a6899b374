/* SPDX-License-Identifier: MIT */
/* Chunks: RFC items 34 to 38. What is said in one order, how it is handed out, early answers, time; every cell. */
#include "peer.h"

#define MAIL "MAIL FROM:<me@here>\r\n"
#define RCPT_A "RCPT TO:<a@x>\r\n"
#define RSET "RSET\r\n"
#define CHUNK "BDAT 19 LAST\r\nSubject: s\r\n\r\n..x\r\n"
#define ONE MAIL RCPT_A CHUNK
#define ENVELOPE_SIZE (sizeof(MAIL RCPT_A) - 1)
#define LINE_SIZE (sizeof "BDAT 19 LAST\r\n" - 1)
#define ONE_SIZE (sizeof ONE - 1)

static void start(struct peer *peer)
{
	peer_init(peer, WHOLE, BM_SMTP_PIPELINING_STREAM);
	peer_greet(peer, EHLO_CHUNKING);
	peer->hold = true;
}

static void submit(struct peer *peer, uint64_t first, uint64_t last)
{
	for (uint64_t id = first; id <= last; id++)
		peer_submit(peer, id, 1);
}

/* One writev carries many messages; content stays where it is. */
static void output_reaches_over_many_messages(void **state)
{
	(void)state;
	struct peer peer;
	struct bm_span spans[64];
	start(&peer);
	submit(&peer, 1, 3);
	/* commands, two spans of content, and so on */
	assert_int_equal(bm_smtp_output(peer.smtp, spans, 64), 9);
	for (size_t i = 0; i < 9; i += 3) {
		assert_ptr_equal(spans[i + 1].data, peer_content[0].data);
		assert_ptr_equal(spans[i + 2].data, peer_content[1].data);
	}
	assert_true(bm_span_equal(spans[0], bm_span_of(MAIL RCPT_A "BDAT 19 LAST\r\n")));
	assert_true(bm_span_equal(spans[3], bm_span_of(RSET MAIL RCPT_A "BDAT 19 LAST\r\n")));
	for (size_t max = 0; max < 9; max++)
		assert_int_equal(bm_smtp_output(peer.smtp, spans, max), max);
	/* from the midst of the first content on */
	bm_smtp_sent(peer.smtp, ENVELOPE_SIZE + LINE_SIZE + 13, 0);
	assert_int_equal(bm_smtp_output(peer.smtp, spans, 64), 7);
	assert_ptr_equal(spans[0].data, peer_content[1].data + 1);
	bm_smtp_sent(peer.smtp, SIZE_MAX, 0);
	assert_int_equal(bm_smtp_output(peer.smtp, spans, 64), 0);
	peer_deinit(&peer);
}

/* conformance: A43 */
static void partial_writes_change_nothing(void **state)
{
	(void)state;
	for (size_t step = 1; step < 150; step++) {
		struct peer peer;
		struct bm_span span;
		start(&peer);
		submit(&peer, 1, 3);
		while (bm_smtp_output(peer.smtp, &span, 1) > 0)
			peer_send(&peer, step);
		peer_expect(&peer.wire, ONE RSET ONE RSET ONE);
		peer_say(&peer, "250\r\n250\r\n250\r\n250\r\n250\r\n250\r\n250\r\n250\r\n250\r\n250\r\n250\r\n");
		peer_expect(&peer.log, "0 ACCEPTED 250\nend 1\n0 ACCEPTED 250\nend 2\n0 ACCEPTED 250\nend 3\n");
		assert_true(bm_smtp_idle(peer.smtp));
		peer_deinit(&peer);
	}
}

/* The ring of slots and of contents goes round and round, and the output moves along. */
static void a_stream_goes_on_and_on(void **state)
{
	(void)state;
	struct peer peer;
	uint64_t next = 1;
	start(&peer);
	submit(&peer, next, next + 20);
	next += 21;
	for (size_t i = 0; i < 5000; i++) {
		peer_send(&peer, ONE_SIZE + 6);
		peer_feed(&peer, "250\r\n250\r\n250\r\n250\r\n", i == 0 ? 15 : 20);
		/* the octets that are sent run ahead of the replies, by the first one's RSET */
		assert_int_equal(bm_smtp_room(peer.smtp), 12);
		submit(&peer, next, next);
		next++;
		bm_buf_clear(&peer.wire);
		bm_buf_clear(&peer.log);
	}
	peer_deinit(&peer);
}

/* The sizes of chunks are those of what is sent without stuffing. */
/* conformance: 36 */
static void a_chunk_is_not_stuffed(void **state)
{
	(void)state;
	struct bm_span plain[] = {bm_span_of(".a\r\n"), bm_span_of(""), bm_span_of(".\r\n.\r\n")};
	struct bm_span none = bm_span_of("");
	struct peer peer;
	start(&peer);
	struct bm_smtp_transaction tx = peer_transaction(1, 1);
	tx.plain = plain;
	tx.plain_count = 3;
	assert_int_equal(bm_smtp_submit(peer.smtp, &tx, 0, NULL), BM_OK);
	tx.plain = &none;
	tx.plain_count = 1;
	assert_int_equal(bm_smtp_submit(peer.smtp, &tx, 0, NULL), BM_OK);
	tx.plain = plain;
	tx.plain_count = 1;
	plain[0] = bm_span_of(".a\n");
	assert_int_equal(bm_smtp_submit(peer.smtp, &tx, 0, NULL), BM_E_MESSAGE);
	plain[0] = bm_span_of(".a\r\n");
	peer_send(&peer, SIZE_MAX);
	peer_expect(&peer.wire, MAIL RCPT_A "BDAT 10 LAST\r\n.a\r\n.\r\n.\r\n" RSET MAIL RCPT_A "BDAT 0 LAST\r\n");
	peer_say(&peer, "250\r\n250\r\n250\r\n250\r\n250\r\n250\r\n250\r\n");
	peer_expect(&peer.log, "0 ACCEPTED 250\nend 1\n0 ACCEPTED 250\nend 1\n");
	peer_deinit(&peer);
}

/* No more than depth are under way, and a recipient list that does not fit at once is said in parts. */
static void depth_bounds_a_stream(void **state)
{
	(void)state;
	static const size_t depths[] = {0, 1, 2, 5, 100, 5000};
	for (size_t i = 0; i < sizeof depths / sizeof depths[0]; i++) {
		struct bm_smtp_options options = BM_SMTP_OPTIONS_INIT;
		struct peer peer = {.cut = WHOLE};
		options.domain = "me.example";
		options.pipelining = BM_SMTP_PIPELINING_STREAM;
		options.depth = depths[i];
		assert_int_equal(bm_smtp_new(&peer.smtp, &options, 0, NULL), BM_OK);
		bm_buf_init(&peer.wire, SIZE_MAX / 2);
		bm_buf_init(&peer.log, SIZE_MAX / 2);
		peer_greet(&peer, EHLO_CHUNKING);
		size_t depth = depths[i] == 0 ? 1 : depths[i] > 1024 ? 1024 : depths[i];
		for (size_t k = 0; k < depth; k++) {
			assert_int_equal(bm_smtp_room(peer.smtp), depth - k);
			peer_submit(&peer, k, 1);
		}
		struct bm_smtp_transaction tx = peer_transaction(9, 1);
		assert_int_equal(bm_smtp_submit(peer.smtp, &tx, 0, NULL), BM_E_USAGE);
		peer_lost(&peer);
		peer_deinit(&peer);
	}
}

/* Postfix and Exim refuse a chunk before they read it, and then swallow it. */
/* conformance: F23, F26 */
static void a_chunk_may_be_refused_before_it_is_sent(void **state)
{
	(void)state;
	struct peer peer;
	start(&peer);
	submit(&peer, 1, 2);
	peer_send(&peer, ENVELOPE_SIZE + LINE_SIZE + 3);
	peer_say(&peer, "250\r\n250\r\n554 no\r\n");
	/* what it lent us is still being sent: nothing is told */
	peer_expect(&peer.log, "");
	assert_false(bm_smtp_idle(peer.smtp));
	assert_true(bm_smtp_deadline(peer.smtp) == 180000);
	peer_send(&peer, SIZE_MAX);
	peer_events(&peer);
	peer_expect(&peer.log, "0 REFUSED 554\nend 1\n");
	peer_expect(&peer.wire, ONE RSET ONE);
	peer_say(&peer, "250\r\n250\r\n250\r\n250\r\n");
	peer_expect(&peer.log, "0 ACCEPTED 250\nend 2\n");
	peer_deinit(&peer);
}

static void what_comes_too_early_is_no_answer(void **state)
{
	(void)state;
	static const struct {
		size_t sent;
		const char *said;
		const char *log;
	} cases[] = {
		{ENVELOPE_SIZE + LINE_SIZE - 1, "250\r\n250\r\n554 no\r\n",
			"0 PUT_BACK unanswered stumbled\nend 1\nclosed OUT_OF_STEP at BDAT 554 stumbled\n"},
		{ENVELOPE_SIZE + LINE_SIZE - 1, "250\r\n250\r\n421 no\r\n",
			"0 PUT_BACK unanswered\nend 1\nclosed 421 at BDAT 421\n"},
		{ENVELOPE_SIZE + LINE_SIZE, "250\r\n250\r\n421 no\r\n", "0 PUT_BACK 421\nend 1\nclosed 421 at BDAT 421\n"},
		{ENVELOPE_SIZE + LINE_SIZE, "250\r\n250\r\n250 ok\r\n",
			"0 PUT_BACK unanswered stumbled\nend 1\nclosed OUT_OF_STEP at content 250 stumbled\n"},
		{ONE_SIZE - 1, "250\r\n250\r\n250 ok\r\n",
			"0 PUT_BACK unanswered stumbled\nend 1\nclosed OUT_OF_STEP at content 250 stumbled\n"},
		{ONE_SIZE - 1, "250\r\n250\r\n354 go\r\n",
			"0 PUT_BACK unanswered stumbled\nend 1\nclosed OUT_OF_STEP at content 354 stumbled\n"},
		{ONE_SIZE, "250\r\n250\r\n250 ok\r\n", "0 ACCEPTED 250\nend 1\n"},
		{ENVELOPE_SIZE - 1, "250\r\n250\r\n",
			"0 PUT_BACK unanswered stumbled\nend 1\nclosed OUT_OF_STEP at RCPT 250 stumbled\n"},
	};
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		struct peer peer;
		start(&peer);
		submit(&peer, 1, 1);
		peer_send(&peer, cases[i].sent);
		peer_say(&peer, cases[i].said);
		peer_expect(&peer.log, cases[i].log);
		peer_deinit(&peer);
	}
}

/* A positive reply that began before the last octet left is none, also when it ends behind it. */
static void an_acceptance_that_began_too_early(void **state)
{
	(void)state;
	struct peer peer;
	start(&peer);
	submit(&peer, 1, 1);
	peer_send(&peer, ONE_SIZE - 1);
	peer_say(&peer, "250\r\n250\r\n2");
	peer_send(&peer, SIZE_MAX);
	peer_say(&peer, "50 ok\r\n");
	peer_expect(&peer.log, "0 IN_DOUBT unanswered\nend 1\nclosed OUT_OF_STEP at BDAT 250 stumbled\n");
	peer_deinit(&peer);
}

/* The server that keeps the old envelope when a chunk was refused; RSET opens each one: message 2 never reaches a@x. */
static void an_old_envelope_gets_no_new_message(void **state)
{
	(void)state;
	struct peer peer;
	start(&peer);
	submit(&peer, 1, 2);
	peer_send(&peer, SIZE_MAX);
	peer_expect(&peer.wire, ONE RSET ONE);
	/* it does not bear RSET: nothing more is said, and what it did with the rest nobody knows */
	peer_say(&peer, "250\r\n250\r\n554 no\r\n502 what\r\n503 nested\r\n250\r\n250 queued\r\n");
	peer_expect(&peer.log, "0 REFUSED 554\nend 1\n0 IN_DOUBT unanswered\nend 2 stumbled\n"
						   "closed OUT_OF_STEP at RCPT 250 stumbled\n");
	peer_deinit(&peer);

	start(&peer);
	submit(&peer, 1, 2);
	peer_send(&peer, SIZE_MAX);
	/* it says yes to RSET and keeps it nevertheless: out of step as soon as that shows */
	peer_say(&peer, "250\r\n250\r\n554 no\r\n250\r\n503 nested\r\n250\r\n250 queued\r\n");
	peer_expect(&peer.log, "0 REFUSED 554\nend 1\n0 IN_DOUBT unanswered\nend 2 stumbled\n"
						   "closed OUT_OF_STEP at RCPT 250 stumbled\n");
	peer_deinit(&peer);
}

static void expect_deadline(const struct peer *peer, uint64_t expected)
{
	assert_int_equal(bm_smtp_deadline(peer->smtp), expected);
}

/* conformance: 16 */
static void every_phase_of_a_stream_has_its_deadline(void **state)
{
	(void)state;
	struct peer peer;
	start(&peer);
	peer.now_ms = 1000;
	submit(&peer, 1, 2);
	expect_deadline(&peer, 301000); /* MAIL, unsent */
	peer.now_ms = 2000;
	peer_send(&peer, ENVELOPE_SIZE);
	expect_deadline(&peer, 302000);
	peer.now_ms = 3000;
	peer_send(&peer, LINE_SIZE);
	expect_deadline(&peer, 183000); /* content is next */
	peer.now_ms = 4000;
	peer_send(&peer, 18);
	expect_deadline(&peer, 183000);
	peer_send(&peer, 1);
	expect_deadline(&peer, 302000); /* MAIL, unanswered since then */
	peer.now_ms = 5000;
	peer_say(&peer, "250\r\n250\r\n");
	expect_deadline(&peer, 605000); /* the chunk */
	peer.now_ms = 6000;
	peer_say(&peer, "250\r\n");
	expect_deadline(&peer, 26000); /* RSET */
	peer.now_ms = 7000;
	peer_send(&peer, 6);
	expect_deadline(&peer, 27000);
	peer_say(&peer, "250\r\n250\r\n"); /* the latter too early */
	peer_expect(&peer.log, "0 ACCEPTED 250\nend 1\n0 PUT_BACK unanswered stumbled\nend 2\n"
						   "closed OUT_OF_STEP at MAIL 250 stumbled\n");
	peer_deinit(&peer);
}

static void a_chunk_has_ten_minutes_from_its_end(void **state)
{
	(void)state;
	struct peer peer;
	start(&peer);
	submit(&peer, 1, 1);
	peer_send(&peer, ONE_SIZE - 1);
	peer.now_ms = 1000;
	peer_say(&peer, "250\r\n250\r\n");
	peer.now_ms = 2000;
	peer_send(&peer, 1);
	expect_deadline(&peer, 602000);
	peer_tick(&peer, 602000);
	peer_expect(&peer.log, "0 IN_DOUBT unanswered\nend 1\nclosed TIMEOUT at BDAT stumbled\n");
	peer_deinit(&peer);
}

/* Every cell: command by reply class, one accepted before and one behind. */

#define OK "250\r\n"
#define FIRST "0 ACCEPTED 250\nend 1\n"
#define LAST(what) "0 " what "\nend 3\n"
#define SECOND(what) FIRST "0 " what "\nend 2\n"
#define DOUBT SECOND("IN_DOUBT unanswered") LAST("IN_DOUBT unanswered")
#define BACK SECOND("PUT_BACK unanswered") LAST("PUT_BACK unanswered")
#define STUMBLED SECOND("PUT_BACK unanswered stumbled") LAST("PUT_BACK unanswered stumbled")
#define LEFT SECOND("PUT_BACK 421") LAST("PUT_BACK unanswered")

/* conformance: 6, 29, F18, F19 */
static void every_cell_of_the_table(void **state)
{
	(void)state;
	static const char *const replies[] = {"220 x\r\n", "354 x\r\n", "451 x\r\n", "551 x\r\n", "503 x\r\n", "421 x\r\n"};
	static const struct {
		const char *before;    /* replies up to its own */
		const char *behind[6]; /* the peer's replies to the rest of it */
		const char *cells[6];
	} table[] = {
		{"", {OK OK OK, "", "", "", "", ""},
			{SECOND("ACCEPTED 250") LAST("ACCEPTED 250"), DOUBT "closed OUT_OF_STEP at RSET 354 stumbled\n",
				BACK "closed RSET at RSET 451\n", BACK "closed RSET at RSET 551\n",
				STUMBLED "closed RSET at RSET 503 stumbled\n", BACK "closed 421 at RSET 421\n"}},
		{OK, {OK OK, "", "503\r\n503\r\n", "503\r\n554\r\n", "503\r\n503\r\n", ""},
			{SECOND("ACCEPTED 250") LAST("ACCEPTED 250"), DOUBT "closed OUT_OF_STEP at MAIL 354 stumbled\n",
				SECOND("DEFERRED 451") LAST("ACCEPTED 250"), SECOND("REFUSED 551") LAST("ACCEPTED 250"),
				FIRST "0 PUT_BACK 503 stumbled\nend 2 stumbled\n" LAST("ACCEPTED 250"),
				LEFT "closed 421 at MAIL 421\n"}},
		{OK OK, {OK, "", "503\r\n", "554\r\n", "503\r\n", ""},
			{SECOND("ACCEPTED 250") LAST("ACCEPTED 250"), DOUBT "closed OUT_OF_STEP at RCPT 354 stumbled\n",
				SECOND("DEFERRED 451") LAST("ACCEPTED 250"), SECOND("REFUSED 551") LAST("ACCEPTED 250"),
				FIRST "0 PUT_BACK 503 stumbled\nend 2 stumbled\n" LAST("ACCEPTED 250"),
				LEFT "closed 421 at RCPT 421\n"}},
		{OK OK OK, {"", "", "", "", "", ""},
			{SECOND("ACCEPTED 220") LAST("ACCEPTED 250"), DOUBT "closed OUT_OF_STEP at BDAT 354 stumbled\n",
				SECOND("DEFERRED 451") LAST("ACCEPTED 250"), SECOND("REFUSED 551") LAST("ACCEPTED 250"),
				FIRST "0 PUT_BACK 503 stumbled\nend 2 stumbled\n" LAST("ACCEPTED 250"),
				LEFT "closed 421 at BDAT 421\n"}},
	};
	for (size_t command = 0; command < sizeof table / sizeof table[0]; command++) {
		for (size_t class = 0; class < sizeof replies / sizeof replies[0]; class ++) {
			struct peer peer;
			start(&peer);
			submit(&peer, 1, 3);
			peer_send(&peer, SIZE_MAX);
			peer_say(&peer, OK OK OK);
			peer_say(&peer, table[command].before);
			peer_say(&peer, replies[class]);
			peer_say(&peer, table[command].behind[class]);
			if (strstr(table[command].cells[class], "closed RSET") || strstr(table[command].cells[class], "closed 421"))
				peer_lost(&peer);
			else if (bm_smtp_deadline(peer.smtp) != BM_SMTP_NEVER)
				peer_say(&peer, OK OK OK OK);
			peer_expect(&peer.log, table[command].cells[class]);
			peer_deinit(&peer);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(output_reaches_over_many_messages),
		cmocka_unit_test(partial_writes_change_nothing),
		cmocka_unit_test(a_stream_goes_on_and_on),
		cmocka_unit_test(a_chunk_is_not_stuffed),
		cmocka_unit_test(depth_bounds_a_stream),
		cmocka_unit_test(a_chunk_may_be_refused_before_it_is_sent),
		cmocka_unit_test(what_comes_too_early_is_no_answer),
		cmocka_unit_test(an_acceptance_that_began_too_early),
		cmocka_unit_test(an_old_envelope_gets_no_new_message),
		cmocka_unit_test(every_phase_of_a_stream_has_its_deadline),
		cmocka_unit_test(a_chunk_has_ten_minutes_from_its_end),
		cmocka_unit_test(every_cell_of_the_table),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
