/* SPDX-License-Identifier: MIT */
/* What becomes of each recipient, for every way a transaction can go, whatever the cuts between the peer's octets. */
#include "peer.h"

#define PIECES_MAX 12
#define LOST "lost"

#define MAIL "MAIL FROM:<me@here>\r\n"
#define RCPT_A "RCPT TO:<a@x>\r\n"
#define RCPT_B "RCPT TO:<b@x>\r\n"
#define RCPT_C "RCPT TO:<c@x>\r\n"
#define DATA "DATA\r\n"
#define CONTENT "Subject: s\r\n\r\n..x\r\n.\r\n"

struct scenario {
	const char *name;
	enum bm_smtp_pipelining pipelining;
	const char *ehlo;
	size_t recipients;
	const char *pieces[PIECES_MAX]; /* what the peer says, each when all before it was answered */
	const char *log;
	const char *wire;
};

static void play(struct peer *peer, const struct scenario *scenario, size_t cut, bool log_talk)
{
	peer_init(peer, cut, scenario->pipelining);
	peer_greet(peer, scenario->ehlo);
	peer->log_talk = log_talk;
	peer_submit(peer, 7, scenario->recipients);
	for (size_t i = 0; i < PIECES_MAX && scenario->pieces[i] != NULL; i++) {
		if (strcmp(scenario->pieces[i], LOST) == 0)
			peer_lost(peer);
		else
			peer_say(peer, scenario->pieces[i]);
	}
}

/* Every event, also what is said and replied, in the same order as without a cut. */
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
}

static void run(const struct scenario *scenarios, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		print_message("# %s\n", scenarios[i].name);
		for (size_t cut = 0; cut < 60; cut++)
			run_cut(&scenarios[i], cut);
		run_cut(&scenarios[i], BYTES);
		for (size_t cut = 1; cut < 60; cut++)
			compare_with_whole(&scenarios[i], cut);
		compare_with_whole(&scenarios[i], BYTES);
	}
}

#define RUN(scenarios) run(scenarios, sizeof(scenarios) / sizeof((scenarios)[0]))

#define OFF BM_SMTP_PIPELINING_OFF, EHLO_PIPELINING
#define GROUP BM_SMTP_PIPELINING_ENVELOPE, EHLO_PIPELINING

/* manual: pipelining, row-rcpt-250-data-fails */
/* conformance: 14, 27 */
static void one_command_at_a_time(void **state)
{
	(void)state;
	static const struct scenario scenarios[] = {
		{"accepted", OFF, 2, {"250 ok\r\n", "250 ok\r\n", "251 forwarded\r\n", "354 go\r\n", "250 queued\r\n"},
			"0 ACCEPTED 250\n1 ACCEPTED 250\nend 7\n", MAIL RCPT_A RCPT_B DATA CONTENT},
		{"RFC item 27: no group without PIPELINING", BM_SMTP_PIPELINING_ENVELOPE, EHLO_PLAIN, 1, {"250 ok\r\n"}, "",
			MAIL RCPT_A},
		{"MAIL deferred", OFF, 2, {"451 later\r\n"}, "0 DEFERRED 451\n1 DEFERRED 451\nend 7\n", MAIL},
		{"MAIL refused", OFF, 2, {"550 no\r\n"}, "0 REFUSED 550\n1 REFUSED 550\nend 7\n", MAIL},
		{"all refused: no DATA", OFF, 2, {"250 ok\r\n", "550 no\r\n", "450 later\r\n"},
			"0 REFUSED 550\n1 DEFERRED 450\nend 7\n", MAIL RCPT_A RCPT_B},
		{"RFC item 14: DATA refused", OFF, 1, {"250 ok\r\n", "250 ok\r\n", "554 no\r\n"}, "0 REFUSED 554\nend 7\n",
			MAIL RCPT_A DATA},
	};
	RUN(scenarios);
}

/* manual: pipelining, row-multiline-550, row-451-end-of-data, row-552-end-of-data, row-rcpt-250-data-fails */
/* conformance: 11, 12, 13, 15, 29, 32, F11, F15, F20, A41 */
static void in_a_group(void **state)
{
	(void)state;
	static const struct scenario scenarios[] = {
		{"RFC item 29, F15: by count alone", GROUP, 2,
			{"250 ok\r\n250-two\r\n250 lines\r\n252 maybe\r\n354 go\r\n", "250 queued\r\n"},
			"0 ACCEPTED 250\n1 ACCEPTED 250\nend 7\n", MAIL RCPT_A RCPT_B DATA CONTENT},
		{"RFC items 12, 13, F11, A41: each by its own reply", GROUP, 4,
			{"250 ok\r\n250 ok\r\n550 no\r\n450 later\r\n551 try z@y\r\n354 go\r\n", "250 queued\r\n"},
			"1 REFUSED 550\n2 DEFERRED 450\n3 REFUSED 551\n0 ACCEPTED 250\nend 7\n",
			MAIL RCPT_A RCPT_B RCPT_C "RCPT TO:<d@x>\r\n" DATA CONTENT},
		{"RFC item 32: a multi-line 550 is one reply", GROUP, 2,
			{"250 ok\r\n550-no\r\n550 really\r\n250 ok\r\n354 go\r\n", "250 queued\r\n"},
			"0 REFUSED 550\n1 ACCEPTED 250\nend 7\n", MAIL RCPT_A RCPT_B DATA CONTENT},
		{"RFC item 11: 452 behind a taken one", GROUP, 3,
			{"250 ok\r\n250 ok\r\n452 many\r\n552 many\r\n354 go\r\n", "250 queued\r\n"},
			"1 CROWDED 452\n2 CROWDED 552\n0 ACCEPTED 250\nend 7\n", MAIL RCPT_A RCPT_B RCPT_C DATA CONTENT},
		{"452 before a taken one is no crowd", GROUP, 3,
			{"250 ok\r\n452 many\r\n552 many\r\n250 ok\r\n354 go\r\n", "250 queued\r\n"},
			"0 DEFERRED 452\n1 DEFERRED 552\n2 ACCEPTED 250\nend 7\n", MAIL RCPT_A RCPT_B RCPT_C DATA CONTENT},
		{"452 and 552 to all are no crowd", GROUP, 2, {"250 ok\r\n452 full\r\n552 full\r\n554 none\r\n"},
			"0 DEFERRED 452\n1 DEFERRED 552\nend 7\n", MAIL RCPT_A RCPT_B DATA},
		{"RFC item 15, F20: 4yz at the dot", GROUP, 2, {"250 ok\r\n250 ok\r\n550 no\r\n354 go\r\n", "451 later\r\n"},
			"1 REFUSED 550\n0 DEFERRED 451\nend 7\n", MAIL RCPT_A RCPT_B DATA CONTENT},
		{"RFC item 15, F20: 5yz at the dot, 552 is permanent there", GROUP, 2,
			{"250 ok\r\n250 ok\r\n550 no\r\n354 go\r\n", "552 large\r\n"}, "1 REFUSED 550\n0 REFUSED 552\nend 7\n",
			MAIL RCPT_A RCPT_B DATA CONTENT},
		{"DATA deferred", GROUP, 2, {"250 ok\r\n250 ok\r\n250 ok\r\n451 later\r\n"},
			"0 DEFERRED 451\n1 DEFERRED 451\nend 7\n", MAIL RCPT_A RCPT_B DATA},
	};
	RUN(scenarios);
}

/* conformance: 30, F12, F14 */
static void nobody_is_left(void **state)
{
	(void)state;
	static const struct scenario scenarios[] = {
		{"RFC item 30: all refused, DATA refused", GROUP, 2, {"250 ok\r\n550 no\r\n550 no\r\n554 none\r\n"},
			"0 REFUSED 550\n1 REFUSED 550\nend 7\n", MAIL RCPT_A RCPT_B DATA},
		{"F12, RFC item 30: 354 all the same, 250 to the lone dot", GROUP, 2,
			{"250 ok\r\n550 no\r\n450 no\r\n354 go\r\n", "250 queued\r\n"}, "0 REFUSED 550\n1 DEFERRED 450\nend 7\n",
			MAIL RCPT_A RCPT_B DATA ".\r\n"},
		{"F12: 452 to all, 354", GROUP, 1, {"250 ok\r\n452 no\r\n354 go\r\n", "250 queued\r\n"},
			"0 DEFERRED 452\nend 7\n", MAIL RCPT_A DATA ".\r\n"},
		{"F14: MAIL refused, RCPT taken: whose envelope is it?", GROUP, 2, {"550 no\r\n503 no\r\n250 ok\r\n354 go\r\n"},
			"0 REFUSED 550\n1 REFUSED 550\nend 7\nclosed OUT_OF_STEP at RCPT 250 stumbled\n", MAIL RCPT_A RCPT_B DATA},
		{"F14: MAIL deferred, RCPT refused, 354: lone dot", GROUP, 2,
			{"451 no\r\n503 ok\r\n550 no\r\n354 go\r\n", "250 queued\r\n"}, "0 DEFERRED 451\n1 DEFERRED 451\nend 7\n",
			MAIL RCPT_A RCPT_B DATA ".\r\n"},
		{"lost behind the lone dot: nobody is in doubt", GROUP, 2, {"451 no\r\n503 no\r\n550 no\r\n354 go\r\n", LOST},
			"0 DEFERRED 451\n1 DEFERRED 451\nend 7\nclosed LOST at end of data\n", MAIL RCPT_A RCPT_B DATA ".\r\n"},
		{"421 to the lone dot", GROUP, 1, {"250 ok\r\n550 no\r\n354 go\r\n", "421 bye\r\n"},
			"0 REFUSED 550\nend 7\nclosed 421 at end of data 421\n", MAIL RCPT_A DATA ".\r\n"},
	};
	RUN(scenarios);
}

/* manual: row-lost-end-of-data */
/* conformance: 15, 17, F05, F09, F30 */
static void the_connection_is_lost(void **state)
{
	(void)state;
	static const struct scenario scenarios[] = {
		{"F05, RFC item 17: before any reply", GROUP, 2, {LOST},
			"0 PUT_BACK unanswered\n1 PUT_BACK unanswered\nend 7\nclosed LOST at MAIL\n", MAIL RCPT_A RCPT_B DATA},
		{"F05, F09: 5yz and 4yz stay, others are put back", GROUP, 4,
			{"250 ok\r\n250 ok\r\n550 no\r\n450 later\r\n", LOST},
			"1 REFUSED 550\n2 DEFERRED 450\n0 PUT_BACK unanswered\n3 PUT_BACK unanswered\nend 7\nclosed LOST at RCPT\n",
			MAIL RCPT_A RCPT_B RCPT_C "RCPT TO:<d@x>\r\n" DATA},
		{"F05: 452 before anybody was taken", GROUP, 3, {"250 ok\r\n452 no\r\n250 ok\r\n", LOST},
			"0 DEFERRED 452\n1 PUT_BACK unanswered\n2 PUT_BACK unanswered\nend 7\nclosed LOST at RCPT\n",
			MAIL RCPT_A RCPT_B RCPT_C DATA},
		{"F05: behind MAIL's refusal", GROUP, 2, {"550 no\r\n", LOST},
			"0 REFUSED 550\n1 REFUSED 550\nend 7\nclosed LOST at RCPT\n", MAIL RCPT_A RCPT_B DATA},
		{"F05, RFC item 15: behind the dot, half a reply read", GROUP, 2,
			{"250 ok\r\n550 no\r\n250 ok\r\n354 go\r\n", "250 queue", LOST},
			"0 REFUSED 550\n1 IN_DOUBT unanswered\nend 7\nclosed LOST at end of data\n",
			MAIL RCPT_A RCPT_B DATA CONTENT},
		{"F05, F30: behind the 250", GROUP, 1, {"250 ok\r\n250 ok\r\n354 go\r\n", "250 queued\r\n", LOST},
			"0 ACCEPTED 250\nend 7\nclosed LOST at command\n", MAIL RCPT_A DATA CONTENT},
	};
	RUN(scenarios);
}

/* manual: row-421 */
/* conformance: 17, F08, F09, F30, A40 */
static void the_server_leaves(void **state)
{
	(void)state;
	static const struct scenario scenarios[] = {
		{"F08: 421 to MAIL", GROUP, 1, {"421 bye\r\n"}, "0 PUT_BACK 421\nend 7\nclosed 421 at MAIL 421\n",
			MAIL RCPT_A DATA},
		{"F08, F09: 421 to the third RCPT", GROUP, 4, {"250 ok\r\n250 ok\r\n550 no\r\n421 bye\r\n550 ignored\r\n"},
			"1 REFUSED 550\n0 PUT_BACK 421\n2 PUT_BACK 421\n3 PUT_BACK 421\nend 7\n"
			"closed 421 at RCPT 421\n",
			MAIL RCPT_A RCPT_B RCPT_C "RCPT TO:<d@x>\r\n" DATA},
		{"F08: 421 to DATA", GROUP, 1, {"250 ok\r\n250 ok\r\n421 bye\r\n"},
			"0 PUT_BACK 421\nend 7\nclosed 421 at DATA 421\n", MAIL RCPT_A DATA},
		{"F08, RFC item 17: 421 to the dot", GROUP, 1, {"250 ok\r\n250 ok\r\n354 go\r\n", "421 bye\r\n"},
			"0 PUT_BACK 421\nend 7\nclosed 421 at end of data 421\n", MAIL RCPT_A DATA CONTENT},
		{"A40: 250 to the dot, then 421", GROUP, 1, {"250 ok\r\n250 ok\r\n354 go\r\n", "250 queued\r\n421 bye\r\n"},
			"0 ACCEPTED 250\nend 7\nclosed 421 at command 421\n", MAIL RCPT_A DATA CONTENT},
		{"F08, F30: 421 while idle", GROUP, 1, {"250 ok\r\n250 ok\r\n354 go\r\n", "250 queued\r\n", "421 bye\r\n"},
			"0 ACCEPTED 250\nend 7\nclosed 421 at command 421\n", MAIL RCPT_A DATA CONTENT},
	};
	RUN(scenarios);
}

/* conformance: 14, F09, F15, F16, F17, F18, F19, F23, A40 */
static void out_of_step(void **state)
{
	(void)state;
	static const struct scenario scenarios[] = {
		{"F19, A40: 250 to DATA", GROUP, 1, {"250 ok\r\n250 ok\r\n250 ok\r\n"},
			"0 PUT_BACK unanswered stumbled\nend 7\nclosed OUT_OF_STEP at DATA 250 stumbled\n", MAIL RCPT_A DATA},
		{"F19: 354 to RCPT", GROUP, 1, {"250 ok\r\n354 go\r\n"},
			"0 PUT_BACK unanswered stumbled\nend 7\nclosed OUT_OF_STEP at RCPT 354 stumbled\n", MAIL RCPT_A DATA},
		{"F19: 334 to MAIL", GROUP, 1, {"334 go\r\n"},
			"0 PUT_BACK unanswered stumbled\nend 7\nclosed OUT_OF_STEP at MAIL 334 stumbled\n", MAIL RCPT_A DATA},
		{"RFC item 14: 334 to DATA", GROUP, 1, {"250 ok\r\n250 ok\r\n334 go\r\n"},
			"0 PUT_BACK unanswered stumbled\nend 7\nclosed OUT_OF_STEP at DATA 334 stumbled\n", MAIL RCPT_A DATA},
		{"F16: a blank line before the reply", GROUP, 1, {"250 ok\r\n\r\n250 ok\r\n"},
			"0 PUT_BACK unanswered stumbled\nend 7\nclosed OUT_OF_STEP at RCPT stumbled\n", MAIL RCPT_A DATA},
		{"F17: codes differ", GROUP, 1, {"250-ok\r\n550 no\r\n"},
			"0 PUT_BACK unanswered stumbled\nend 7\nclosed OUT_OF_STEP at MAIL stumbled\n", MAIL RCPT_A DATA},
		{"F18: garbage behind the dot", GROUP, 2, {"250 ok\r\n550 no\r\n250 ok\r\n354 go\r\n", "oops\r\n"},
			"0 REFUSED 550\n1 IN_DOUBT unanswered\nend 7\nclosed OUT_OF_STEP at end of data\n",
			MAIL RCPT_A RCPT_B DATA CONTENT},
		{"354 to the dot", GROUP, 1, {"250 ok\r\n250 ok\r\n354 go\r\n", "354 more\r\n"},
			"0 IN_DOUBT unanswered\nend 7\nclosed OUT_OF_STEP at end of data 354\n", MAIL RCPT_A DATA CONTENT},
		{"F15: one reply too many behind the last", GROUP, 1,
			{"250 ok\r\n250 ok\r\n354 go\r\n", "250 queued\r\n250 more\r\n"},
			"0 ACCEPTED 250\nend 7\nclosed OUT_OF_STEP at command 250\n", MAIL RCPT_A DATA CONTENT},
		{"F15: the reply to the dot came with the 354", GROUP, 1, {"250 ok\r\n250 ok\r\n354 go\r\n250 queued\r\n"},
			"0 PUT_BACK unanswered\nend 7\nclosed OUT_OF_STEP at content 250\n", MAIL RCPT_A DATA},
		{"F23: a refusal came with the 354", GROUP, 1, {"250 ok\r\n250 ok\r\n354 go\r\n554 spam\r\n"},
			"0 REFUSED 554\nend 7\nclosed OUT_OF_STEP at end of data 554\n", MAIL RCPT_A DATA},
		{"a reply to what was not said", OFF, 1, {"250 ok\r\n250 ok\r\n"},
			"0 PUT_BACK unanswered\nend 7\nclosed OUT_OF_STEP at RCPT 250\n", MAIL},
		{"F09: a 421 to what was not said", OFF, 1, {"250 ok\r\n421 bye\r\n"},
			"0 PUT_BACK unanswered\nend 7\nclosed 421 at RCPT 421\n", MAIL},
	};
	RUN(scenarios);
}

/* Submits a second transaction behind what the first one came to; what is said for it. */
static void expect_second(const struct scenario *first, const char *wire)
{
	struct peer peer;
	peer_init(&peer, WHOLE, first->pipelining);
	peer_greet(&peer, first->ehlo);
	peer_submit(&peer, 7, first->recipients);
	for (size_t i = 0; i < PIECES_MAX && first->pieces[i] != NULL; i++)
		peer_say(&peer, first->pieces[i]);
	assert_true(bm_smtp_idle(peer.smtp));
	bm_buf_clear(&peer.wire);
	peer_submit(&peer, 8, 1);
	peer_expect(&peer.wire, wire);
	peer_deinit(&peer);
}

/* conformance: 19, 30, F12 */
static void resets_only_what_was_aborted(void **state)
{
	(void)state;
	static const char plain[] = MAIL RCPT_A DATA;
	static const char reset[] = "RSET\r\n" MAIL RCPT_A DATA;
	static const struct {
		struct scenario first;
		const char *wire;
	} cases[] = {
		{{"accepted", GROUP, 1, {"250\r\n250\r\n354\r\n", "250\r\n"}, "", ""}, plain},
		{{"refused at the dot", GROUP, 1, {"250\r\n250\r\n354\r\n", "550\r\n"}, "", ""}, plain},
		{{"MAIL refused", GROUP, 1, {"550\r\n503\r\n503\r\n"}, "", ""}, plain},
		{{"DATA refused", GROUP, 1, {"250\r\n250\r\n451\r\n"}, "", ""}, reset},
		{{"nobody", GROUP, 1, {"250\r\n550\r\n503\r\n"}, "", ""}, reset},
		{{"lone dot taken", GROUP, 1, {"250\r\n550\r\n354\r\n", "250\r\n"}, "", ""}, reset},
		{{"lone dot refused", GROUP, 1, {"250\r\n550\r\n354\r\n", "554\r\n"}, "", ""}, reset},
		{{"one at a time", OFF, 1, {"250\r\n", "550\r\n"}, "", ""}, "RSET\r\n"},
	};
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		print_message("# %s\n", cases[i].first.name);
		expect_second(&cases[i].first, cases[i].wire);
	}
}

/* conformance: 19, F28 */
static void closes_when_rset_is_refused(void **state)
{
	(void)state;
	struct peer peer;
	peer_init(&peer, WHOLE, BM_SMTP_PIPELINING_ENVELOPE);
	peer_greet(&peer, EHLO_PIPELINING);
	peer_submit(&peer, 7, 1);
	peer_say(&peer, "250\r\n550\r\n503\r\n");
	bm_buf_clear(&peer.log);
	peer_submit(&peer, 8, 2);
	peer_say(&peer, "502 no\r\n250\r\n250\r\n250\r\n354\r\n");
	peer_expect(&peer.log, "0 PUT_BACK unanswered\n1 PUT_BACK unanswered\nend 8\nclosed RSET at RSET 502\n");
	peer_deinit(&peer);
}

/* The RSET's own reply is counted too. */
/* conformance: 30, F12 */
static void goes_on_behind_a_reset(void **state)
{
	(void)state;
	struct peer peer;
	peer_init(&peer, BYTES, BM_SMTP_PIPELINING_ENVELOPE);
	peer_greet(&peer, EHLO_PIPELINING);
	peer_submit(&peer, 7, 1);
	peer_say(&peer, "250\r\n550\r\n503\r\n");
	bm_buf_clear(&peer.log);
	peer_submit(&peer, 8, 1);
	peer_say(&peer, "250\r\n250\r\n250\r\n354\r\n");
	peer_say(&peer, "250 2.0.0 queued\r\n");
	peer_expect(&peer.log, "0 ACCEPTED 250\nend 8\n");
	peer_deinit(&peer);
}

/* How far the content went decides. */
/* conformance: F05, F23, F24 */
static void content_is_cut(void **state)
{
	(void)state;
	static const struct {
		size_t sent;
		const char *said; /* NULL: lost */
		const char *log;
	} cases[] = {
		{0, NULL, "0 PUT_BACK unanswered\nend 7\nclosed LOST at content\n"},
		{15, NULL, "0 PUT_BACK unanswered\nend 7\nclosed LOST at content\n"},
		{21, NULL, "0 PUT_BACK unanswered\nend 7\nclosed LOST at content\n"},
		{22, NULL, "0 IN_DOUBT unanswered\nend 7\nclosed LOST at end of data\n"},
		{21, "554 spam\r\n", "0 REFUSED 554\nend 7\nclosed OUT_OF_STEP at end of data 554\n"},
		{5, "451 later\r\n", "0 DEFERRED 451\nend 7\nclosed OUT_OF_STEP at end of data 451\n"},
		{5, "421 bye\r\n", "0 PUT_BACK 421\nend 7\nclosed 421 at end of data 421\n"},
		{21, "250 ok\r\n", "0 PUT_BACK unanswered\nend 7\nclosed OUT_OF_STEP at content 250\n"},
		{21, "354 ok\r\n", "0 PUT_BACK unanswered\nend 7\nclosed OUT_OF_STEP at content 354\n"},
		{21, "junk\r\n", "0 PUT_BACK unanswered\nend 7\nclosed OUT_OF_STEP at content\n"},
		{22, "554 spam\r\n", "0 REFUSED 554\nend 7\n"},
	};
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		struct peer peer;
		peer_init(&peer, BYTES, BM_SMTP_PIPELINING_ENVELOPE);
		peer_greet(&peer, EHLO_PIPELINING);
		peer_submit(&peer, 7, 1);
		peer.hold = true;
		peer_say(&peer, "250\r\n250\r\n354\r\n");
		peer_send(&peer, cases[i].sent);
		if (cases[i].said != NULL)
			peer_say(&peer, cases[i].said);
		else
			peer_lost(&peer);
		peer_expect(&peer.log, cases[i].log);
		peer_deinit(&peer);
	}
}

/* A reply that began before the terminator was out is too early even when it ends behind it. */
static void a_positive_reply_that_began_too_early_is_no_acceptance(void **state)
{
	(void)state;
	struct peer peer;
	peer_init(&peer, WHOLE, BM_SMTP_PIPELINING_ENVELOPE);
	peer_greet(&peer, EHLO_PIPELINING);
	peer_submit(&peer, 7, 1);
	peer.hold = true;
	peer_say(&peer, "250\r\n250\r\n354\r\n2");
	peer_send(&peer, SIZE_MAX);
	peer_say(&peer, "50 ok\r\n");
	peer_expect(&peer.log, "0 IN_DOUBT unanswered\nend 7\nclosed OUT_OF_STEP at end of data 250\n");
	peer_deinit(&peer);
}

/* The writer's partial writes change nothing. */
/* conformance: 4, 5, 25, A43 */
static void sends_the_same_octets_however_they_are_taken(void **state)
{
	(void)state;
	for (size_t step = 1; step < 40; step++) {
		struct peer peer;
		peer_init(&peer, WHOLE, BM_SMTP_PIPELINING_ENVELOPE);
		peer_greet(&peer, EHLO_PIPELINING);
		peer.hold = true;
		peer_submit(&peer, 7, 2);
		struct bm_span span;
		while (bm_smtp_output(peer.smtp, &span, 1) > 0)
			peer_send(&peer, step);
		peer_say(&peer, "250\r\n250\r\n250\r\n354\r\n");
		while (bm_smtp_output(peer.smtp, &span, 1) > 0)
			peer_send(&peer, step);
		peer_expect(&peer.wire, MAIL RCPT_A RCPT_B DATA CONTENT);
		peer_deinit(&peer);
	}
}

static void writes_content_by_reference(void **state)
{
	(void)state;
	struct peer peer;
	struct bm_span spans[8];
	peer_init(&peer, WHOLE, BM_SMTP_PIPELINING_ENVELOPE);
	peer_greet(&peer, EHLO_PIPELINING);
	peer_submit(&peer, 7, 1);
	peer.hold = true;
	peer_say(&peer, "250\r\n250\r\n354\r\n");
	assert_int_equal(bm_smtp_output(peer.smtp, spans, 0), 0);
	assert_int_equal(bm_smtp_output(peer.smtp, spans, 2), 2);
	assert_int_equal(bm_smtp_output(peer.smtp, spans, 8), 3);
	assert_ptr_equal(spans[0].data, peer_content[0].data);
	assert_ptr_equal(spans[1].data, peer_content[1].data);
	assert_true(bm_span_equal(spans[2], bm_span_of(".\r\n")));
	peer_deinit(&peer);
}

/* A session goes on and on. */
/* conformance: 25 */
static void many_transactions_over_one_session(void **state)
{
	(void)state;
	struct peer peer;
	peer_init(&peer, WHOLE, BM_SMTP_PIPELINING_ENVELOPE);
	peer_greet(&peer, EHLO_PIPELINING);
	for (uint64_t i = 0; i < 1000; i++) {
		peer_submit(&peer, 7, 3);
		peer_say(&peer, "250\r\n250\r\n550 5.1.1 no\r\n250\r\n354\r\n");
		peer_say(&peer, "250 2.0.0 queued\r\n");
		peer_expect(&peer.log, "1 REFUSED 550\n0 ACCEPTED 250\n2 ACCEPTED 250\nend 7\n");
	}
	peer_deinit(&peer);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(one_command_at_a_time),
		cmocka_unit_test(in_a_group),
		cmocka_unit_test(nobody_is_left),
		cmocka_unit_test(the_connection_is_lost),
		cmocka_unit_test(the_server_leaves),
		cmocka_unit_test(out_of_step),
		cmocka_unit_test(resets_only_what_was_aborted),
		cmocka_unit_test(closes_when_rset_is_refused),
		cmocka_unit_test(goes_on_behind_a_reset),
		cmocka_unit_test(content_is_cut),
		cmocka_unit_test(a_positive_reply_that_began_too_early_is_no_acceptance),
		cmocka_unit_test(sends_the_same_octets_however_they_are_taken),
		cmocka_unit_test(writes_content_by_reference),
		cmocka_unit_test(many_transactions_over_one_session),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
