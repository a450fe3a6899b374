/* SPDX-License-Identifier: MIT */
/*
 * Several transactions over one session, one behind the other: what is said and what becomes of each recipient,
 * whatever is refused before or behind, whatever the cuts between the peer's octets.
 */
#include "peer.h"

#include <stdio.h>

#define PIECES_MAX 16
#define LOST "lost"
#define TICK "tick"
#define CUT "cut"

/* Transaction n has the recipients an@x, bn@x and cn@x; its content is n and a line that begins with a dot. */
#define MAIL "MAIL FROM:<me@here>\r\n"
#define RSET "RSET\r\n"
#define RCPT(who) "RCPT TO:<" who "@x>\r\n"
#define DATA "DATA\r\n"
#define CONTENT(n) n "\r\n..x\r\n.\r\n"
#define BDAT(n) "BDAT 7 LAST\r\n" n "\r\n.x\r\n"
#define ONE_BY_DATA(n) MAIL RCPT("a" n) DATA
#define ONE_BY_BDAT(n) MAIL RCPT("a" n) BDAT(n)
#define THREE(n) MAIL RCPT("a" n) RCPT("b" n) RCPT("c" n)

#define OK "250 ok\r\n"
#define OK3 OK OK OK
#define GO "354 go\r\n"
#define NO "550 no\r\n"
#define LATER "451 later\r\n"
#define SEQUENCE "503 sequence\r\n"
#define BYE "421 bye\r\n"

struct scenario {
	const char *name;
	enum bm_smtp_pipelining pipelining;
	/* "+2": a transaction to two is submitted ("+2w1r3": with window 1 and refusals_max 3); else what the peer says
	 * when all before it was answered */
	const char *pieces[PIECES_MAX];
	const char *log;
	const char *wire;
};

struct copy {
	char addresses[3][8];
	struct bm_span recipients[3];
	char stuffed[16];
	char plain[16];
	struct bm_span content;
	struct bm_span unstuffed;
};

struct play {
	struct peer peer;
	struct copy copies[8];
	size_t count;
};

/* The number behind letter in piece, 0 without. */
static size_t number_behind(const char *piece, char letter)
{
	const char *at = strchr(piece, letter);
	return at == NULL ? 0 : (size_t)(at[1] - '0');
}

static void submit(struct play *play, const char *piece)
{
	size_t n = ++play->count;
	struct copy *copy = &play->copies[n];
	for (size_t i = 0; i < 3; i++) {
		snprintf(copy->addresses[i], sizeof copy->addresses[i], "%c%zu@x", (int)('a' + i), n % 10);
		copy->recipients[i] = bm_span_of(copy->addresses[i]);
	}
	snprintf(copy->stuffed, sizeof copy->stuffed, "%zu\r\n..x\r\n", n % 10);
	snprintf(copy->plain, sizeof copy->plain, "%zu\r\n.x\r\n", n % 10);
	copy->content = bm_span_of(copy->stuffed);
	copy->unstuffed = bm_span_of(copy->plain);
	struct bm_smtp_transaction tx = {
		.id = n,
		.sender = bm_span_of("me@here"),
		.recipients = copy->recipients,
		.recipient_count = number_behind(piece, '+'),
		.content = &copy->content,
		.content_count = 1,
		.plain = &copy->unstuffed,
		.plain_count = 1,
		.window = number_behind(piece, 'w'),
		.refusals_max = number_behind(piece, 'r'),
	};
	assert_int_equal(bm_smtp_submit(play->peer.smtp, &tx, play->peer.now_ms, NULL), BM_OK);
	peer_pump(&play->peer);
}

static void play_piece(struct play *play, const char *piece)
{
	if (piece[0] == '+')
		submit(play, piece);
	else if (strcmp(piece, LOST) == 0)
		peer_lost(&play->peer);
	else if (strcmp(piece, CUT) == 0)
		peer_cut(&play->peer);
	else if (strcmp(piece, TICK) == 0)
		peer_tick(&play->peer, bm_smtp_deadline(play->peer.smtp));
	else
		peer_say(&play->peer, piece);
}

static void perform(struct play *play, const struct scenario *scenario, size_t cut, bool log_talk)
{
	play->count = 0;
	peer_init(&play->peer, cut, scenario->pipelining);
	peer_greet(&play->peer, EHLO_CHUNKING);
	play->peer.log_talk = log_talk;
	play->peer.lazy = log_talk;
	for (size_t i = 0; i < PIECES_MAX && scenario->pieces[i] != NULL; i++)
		play_piece(play, scenario->pieces[i]);
}

/* Every event, also what is said and replied, in the same order as without a cut. */
static void compare_with_whole(const struct scenario *scenario, size_t cut)
{
	struct play whole;
	struct play play;
	perform(&whole, scenario, WHOLE, true);
	perform(&play, scenario, cut, true);
	assert_true(bm_span_equal(bm_buf_view(&whole.peer.log), bm_buf_view(&play.peer.log)));
	peer_deinit(&whole.peer);
	peer_deinit(&play.peer);
}

static void run_cut(const struct scenario *scenario, size_t cut)
{
	struct play play;
	perform(&play, scenario, cut, false);
	peer_expect(&play.peer.log, scenario->log);
	peer_expect(&play.peer.wire, scenario->wire);
	peer_deinit(&play.peer);
	compare_with_whole(scenario, cut);
}

static void run(const struct scenario *scenarios, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		print_message("# %s\n", scenarios[i].name);
		for (size_t cut = 0; cut < 100; cut++)
			run_cut(&scenarios[i], cut);
		run_cut(&scenarios[i], BYTES);
	}
}

#define RUN(scenarios) run(scenarios, sizeof(scenarios) / sizeof((scenarios)[0]))

#define MESSAGE BM_SMTP_PIPELINING_MESSAGE
#define STREAM BM_SMTP_PIPELINING_STREAM

#define ACCEPTED(n) "0 ACCEPTED 250\nend " n "\n"
#define BACK(n) "0 PUT_BACK unanswered\nend " n "\n"
#define STUMBLED(n) "0 PUT_BACK unanswered stumbled\nend " n "\n"
#define DOUBT(n) "0 IN_DOUBT unanswered\nend " n "\n"

/* conformance: 33, F12 */
static void the_next_envelope_rides_behind_the_end_of_data(void **state)
{
	(void)state;
	static const struct scenario scenarios[] = {
		{"both accepted", MESSAGE, {"+1", "+1", OK OK GO, OK OK OK GO, OK}, ACCEPTED("1") ACCEPTED("2"),
			ONE_BY_DATA("1") CONTENT("1") ONE_BY_DATA("2") CONTENT("2")},
		{"submitted while the end is unanswered", MESSAGE, {"+1", OK OK GO, "+1", OK OK OK GO, "+1", OK OK OK GO, OK},
			ACCEPTED("1") ACCEPTED("2") ACCEPTED("3"),
			ONE_BY_DATA("1") CONTENT("1") ONE_BY_DATA("2") CONTENT("2") ONE_BY_DATA("3") CONTENT("3")},
		{"not before its 354", MESSAGE, {"+1", "+1", OK OK}, "", ONE_BY_DATA("1")},
		{"its content not before the answer to the end", MESSAGE, {"+1", "+1", OK OK GO, OK OK OK}, ACCEPTED("1"),
			ONE_BY_DATA("1") CONTENT("1") ONE_BY_DATA("2")},
		{"the end refused", MESSAGE, {"+1", "+1", OK OK GO, NO OK OK GO, OK}, "0 REFUSED 550\nend 1\n" ACCEPTED("2"),
			ONE_BY_DATA("1") CONTENT("1") ONE_BY_DATA("2") CONTENT("2")},
		{"the end deferred", MESSAGE, {"+1", "+1", OK OK GO, LATER OK OK GO, OK},
			"0 DEFERRED 451\nend 1\n" ACCEPTED("2"), ONE_BY_DATA("1") CONTENT("1") ONE_BY_DATA("2") CONTENT("2")},
		{"MAIL refused", MESSAGE, {"+1", "+1", NO SEQUENCE SEQUENCE, OK OK GO, OK},
			"0 REFUSED 550\nend 1\n" ACCEPTED("2"), ONE_BY_DATA("1") ONE_BY_DATA("2") CONTENT("2")},
		{"DATA refused", MESSAGE, {"+1", "+1", OK OK NO, OK OK OK GO, OK}, "0 REFUSED 550\nend 1\n" ACCEPTED("2"),
			ONE_BY_DATA("1") RSET ONE_BY_DATA("2") CONTENT("2")},
		{"MAIL of the riding one refused", MESSAGE, {"+1", "+1", OK OK GO, OK LATER SEQUENCE SEQUENCE, "+1", OK},
			ACCEPTED("1") "0 DEFERRED 451\nend 2\n", ONE_BY_DATA("1") CONTENT("1") ONE_BY_DATA("2") ONE_BY_DATA("3")},
		{"DATA of the riding one refused", MESSAGE, {"+1", "+1", OK OK GO, OK OK OK NO, "+1", OK3 GO, OK},
			ACCEPTED("1") "0 REFUSED 550\nend 2\n" ACCEPTED("3"),
			ONE_BY_DATA("1") CONTENT("1") ONE_BY_DATA("2") RSET ONE_BY_DATA("3") CONTENT("3")},
		{"F12: nobody, lone dot, and the next behind it", MESSAGE, {"+1", "+1", OK NO GO, OK OK OK OK GO, OK},
			"0 REFUSED 550\nend 1\n" ACCEPTED("2"), ONE_BY_DATA("1") ".\r\n" RSET ONE_BY_DATA("2") CONTENT("2")},
		{"nobody, DATA refused", MESSAGE, {"+1", "+1", OK NO SEQUENCE, OK OK OK GO, OK},
			"0 REFUSED 550\nend 1\n" ACCEPTED("2"), ONE_BY_DATA("1") RSET ONE_BY_DATA("2") CONTENT("2")},
	};
	RUN(scenarios);
}

#define M3(n) THREE(n) DATA

/* conformance: 12, 29, 30 */
static void some_are_refused_and_the_next_rides(void **state)
{
	(void)state;
	static const struct scenario scenarios[] = {
		{"the first", MESSAGE, {"+3", "+1", OK NO OK OK GO, OK OK OK GO, OK},
			"0 REFUSED 550\n1 ACCEPTED 250\n2 ACCEPTED 250\nend 1\n" ACCEPTED("2"),
			M3("1") CONTENT("1") ONE_BY_DATA("2") CONTENT("2")},
		{"the middle", MESSAGE, {"+3", "+1", OK OK LATER OK GO, OK OK OK GO, OK},
			"1 DEFERRED 451\n0 ACCEPTED 250\n2 ACCEPTED 250\nend 1\n" ACCEPTED("2"),
			M3("1") CONTENT("1") ONE_BY_DATA("2") CONTENT("2")},
		{"the last", MESSAGE, {"+3", "+1", OK OK OK NO GO, OK OK OK GO, OK},
			"2 REFUSED 550\n0 ACCEPTED 250\n1 ACCEPTED 250\nend 1\n" ACCEPTED("2"),
			M3("1") CONTENT("1") ONE_BY_DATA("2") CONTENT("2")},
		{"all of the riding one", MESSAGE, {"+1", "+3", OK OK GO, OK OK NO NO NO GO, OK, "+1", OK OK OK GO, OK},
			ACCEPTED("1") "0 REFUSED 550\n1 REFUSED 550\n2 REFUSED 550\nend 2\n" ACCEPTED("3"),
			ONE_BY_DATA("1") CONTENT("1") M3("2") ".\r\n" RSET ONE_BY_DATA("3") CONTENT("3")},
		{"one of the riding one", MESSAGE, {"+1", "+3", OK OK GO, OK OK NO OK OK GO, OK},
			ACCEPTED("1") "0 REFUSED 550\n1 ACCEPTED 250\n2 ACCEPTED 250\nend 2\n",
			ONE_BY_DATA("1") CONTENT("1") M3("2") CONTENT("2")},
	};
	RUN(scenarios);
}

/* conformance: F05, F08, F14, F15, F18, F19, F28 */
static void the_session_ends_while_one_rides(void **state)
{
	(void)state;
	static const struct scenario scenarios[] = {
		{"lost", MESSAGE, {"+1", "+1", OK OK GO, LOST}, DOUBT("1") BACK("2") "closed LOST at end of data\n",
			ONE_BY_DATA("1") CONTENT("1") ONE_BY_DATA("2")},
		{"timed out", MESSAGE, {"+1", "+1", OK OK GO, TICK},
			DOUBT("1") STUMBLED("2") "closed TIMEOUT at end of data stumbled\n",
			ONE_BY_DATA("1") CONTENT("1") ONE_BY_DATA("2")},
		{"421 to the end", MESSAGE, {"+1", "+1", OK OK GO, BYE},
			"0 PUT_BACK 421\nend 1\n" BACK("2") "closed 421 at end of data 421\n",
			ONE_BY_DATA("1") CONTENT("1") ONE_BY_DATA("2")},
		{"421 to the MAIL behind it", MESSAGE, {"+1", "+1", OK OK GO, OK BYE},
			ACCEPTED("1") "0 PUT_BACK 421\nend 2\nclosed 421 at MAIL 421\n",
			ONE_BY_DATA("1") CONTENT("1") ONE_BY_DATA("2")},
		{"354 to the end", MESSAGE, {"+1", "+1", OK OK GO, GO},
			DOUBT("1") STUMBLED("2") "closed OUT_OF_STEP at end of data 354 stumbled\n",
			ONE_BY_DATA("1") CONTENT("1") ONE_BY_DATA("2")},
		{"garbage to the end", MESSAGE, {"+1", "+1", OK OK GO, "what\r\n"},
			DOUBT("1") STUMBLED("2") "closed OUT_OF_STEP at end of data stumbled\n",
			ONE_BY_DATA("1") CONTENT("1") ONE_BY_DATA("2")},
		{"out of step alone", MESSAGE, {"+1", OK OK GO, GO}, DOUBT("1") "closed OUT_OF_STEP at end of data 354\n",
			ONE_BY_DATA("1") CONTENT("1")},
		{"503 to the MAIL behind it", MESSAGE, {"+1", "+1", OK OK GO, OK SEQUENCE SEQUENCE SEQUENCE},
			ACCEPTED("1") "0 PUT_BACK 503 stumbled\nend 2 stumbled\n", ONE_BY_DATA("1") CONTENT("1") ONE_BY_DATA("2")},
		{"it kept the old envelope: message 2 stays here", MESSAGE, {"+1", "+1", OK OK GO, NO SEQUENCE OK GO},
			"0 REFUSED 550\nend 1\n0 PUT_BACK 503 stumbled\nend 2 stumbled\nclosed OUT_OF_STEP at RCPT 250 stumbled\n",
			ONE_BY_DATA("1") CONTENT("1") ONE_BY_DATA("2")},
		{"503 to one RCPT", MESSAGE, {"+3", OK OK SEQUENCE OK GO, OK},
			"1 PUT_BACK 503 stumbled\n0 ACCEPTED 250\n2 ACCEPTED 250\nend 1 stumbled\n", M3("1") CONTENT("1")},
		{"503 to DATA with somebody taken", MESSAGE, {"+3", OK OK NO OK SEQUENCE},
			"1 REFUSED 550\n0 PUT_BACK 503 stumbled\n2 PUT_BACK 503 stumbled\nend 1 stumbled\n", M3("1")},
		{"503 to the end is a refusal", MESSAGE, {"+1", OK OK GO, SEQUENCE}, "0 REFUSED 503\nend 1\n",
			ONE_BY_DATA("1") CONTENT("1")},
		{"RSET refused", MESSAGE, {"+1", "+1", OK OK NO, NO OK OK GO},
			"0 REFUSED 550\nend 1\n" BACK("2") "closed RSET at RSET 550\n", ONE_BY_DATA("1") RSET ONE_BY_DATA("2")},
		{"one at a time 503 is what it is", BM_SMTP_PIPELINING_OFF, {"+1", OK, SEQUENCE}, "0 REFUSED 503\nend 1\n",
			MAIL RCPT("a1")},
	};
	RUN(scenarios);
}

#define SECOND(what) "0 " what "\nend 2\n"

/* The second of three, which rode behind the first one's end. */
/* conformance: 6, 29, F18, F19 */
static void every_cell_of_a_riding_one(void **state)
{
	(void)state;
	static const char *const replies[] = {"220 x\r\n", "354 x\r\n", "451 x\r\n", "551 x\r\n", "503 x\r\n", "421 x\r\n"};
	static const struct {
		const char *before[2]; /* what the peer says up to its own reply */
		struct {
			const char *behind[2]; /* and from then to the end of the transaction */
			const char *log;
			const char *third; /* what is said of the next, NULL: the session is over */
		} cells[6];
	} table[] = {
		{{OK, ""}, {{{OK GO, OK}, ACCEPTED("2"), ONE_BY_DATA("3")},
					   {{"", ""}, STUMBLED("2") "closed OUT_OF_STEP at MAIL 354 stumbled\n", NULL},
					   {{SEQUENCE SEQUENCE, ""}, SECOND("DEFERRED 451"), ONE_BY_DATA("3")},
					   {{SEQUENCE NO, ""}, SECOND("REFUSED 551"), ONE_BY_DATA("3")},
					   {{SEQUENCE SEQUENCE, ""}, "0 PUT_BACK 503 stumbled\nend 2 stumbled\n", ONE_BY_DATA("3")},
					   {{"", ""}, SECOND("PUT_BACK 421") "closed 421 at MAIL 421\n", NULL}}},
		{{OK OK, ""}, {{{GO, OK}, ACCEPTED("2"), ONE_BY_DATA("3")},
						  {{"", ""}, STUMBLED("2") "closed OUT_OF_STEP at RCPT 354 stumbled\n", NULL},
						  {{SEQUENCE, ""}, SECOND("DEFERRED 451"), RSET ONE_BY_DATA("3")},
						  {{GO, OK}, SECOND("REFUSED 551"), RSET ONE_BY_DATA("3")},
						  {{SEQUENCE, ""}, "0 PUT_BACK 503 stumbled\nend 2 stumbled\n", RSET ONE_BY_DATA("3")},
						  {{"", ""}, SECOND("PUT_BACK 421") "closed 421 at RCPT 421\n", NULL}}},
		{{OK OK OK, ""},
			{{{"", ""}, STUMBLED("2") "closed OUT_OF_STEP at DATA 220 stumbled\n", NULL},
				{{OK, ""}, ACCEPTED("2"), ONE_BY_DATA("3")}, {{"", ""}, SECOND("DEFERRED 451"), RSET ONE_BY_DATA("3")},
				{{"", ""}, SECOND("REFUSED 551"), RSET ONE_BY_DATA("3")},
				{{"", ""}, "0 PUT_BACK 503 stumbled\nend 2 stumbled\n", RSET ONE_BY_DATA("3")},
				{{"", ""}, SECOND("PUT_BACK 421") "closed 421 at DATA 421\n", NULL}}},
		{{OK OK OK, GO}, {{{"", ""}, SECOND("ACCEPTED 220"), ONE_BY_DATA("3")},
							 {{"", ""}, DOUBT("2") "closed OUT_OF_STEP at end of data 354\n", NULL},
							 {{"", ""}, SECOND("DEFERRED 451"), ONE_BY_DATA("3")},
							 {{"", ""}, SECOND("REFUSED 551"), ONE_BY_DATA("3")},
							 {{"", ""}, SECOND("REFUSED 503"), ONE_BY_DATA("3")},
							 {{"", ""}, SECOND("PUT_BACK 421") "closed 421 at end of data 421\n", NULL}}},
	};
	for (size_t command = 0; command < sizeof table / sizeof table[0]; command++) {
		for (size_t class = 0; class < sizeof replies / sizeof replies[0]; class ++) {
			const char *third = table[command].cells[class].third;
			struct scenario scenario = {
				.pipelining = MESSAGE,
				.pieces = {"+1", "+1", OK OK GO, table[command].before[0], table[command].before[1], replies[class],
					table[command].cells[class].behind[0], table[command].cells[class].behind[1]},
			};
			struct play play;
			perform(&play, &scenario, WHOLE, false);
			char log[200];
			snprintf(log, sizeof log, "%s%s", ACCEPTED("1"), table[command].cells[class].log);
			peer_expect(&play.peer.log, log);
			assert_int_equal(bm_smtp_room(play.peer.smtp), third != NULL);
			bm_buf_clear(&play.peer.wire);
			if (third != NULL)
				submit(&play, "+1");
			peer_expect(&play.peer.wire, third != NULL ? third : "");
			peer_deinit(&play.peer);
		}
	}
}

#define OFF BM_SMTP_PIPELINING_OFF
#define ENVELOPE BM_SMTP_PIPELINING_ENVELOPE
#define TAKE_ONE OK, OK, GO, OK

/* conformance: 12, 19, 30 */
static void one_transaction_after_the_other(void **state)
{
	(void)state;
	static const struct scenario scenarios[] = {
		{"one at a time, the first refused", OFF, {"+3", OK, NO, OK, OK, GO, OK, "+1", TAKE_ONE},
			"0 REFUSED 550\n1 ACCEPTED 250\n2 ACCEPTED 250\nend 1\n" ACCEPTED("2"),
			M3("1") CONTENT("1") ONE_BY_DATA("2") CONTENT("2")},
		{"one at a time, the last refused", OFF, {"+3", OK, OK, OK, LATER, GO, OK, "+1", TAKE_ONE},
			"2 DEFERRED 451\n0 ACCEPTED 250\n1 ACCEPTED 250\nend 1\n" ACCEPTED("2"),
			M3("1") CONTENT("1") ONE_BY_DATA("2") CONTENT("2")},
		{"one at a time, all refused", OFF, {"+3", OK, NO, NO, NO, "+1", OK, TAKE_ONE},
			"0 REFUSED 550\n1 REFUSED 550\n2 REFUSED 550\nend 1\n" ACCEPTED("2"),
			THREE("1") RSET ONE_BY_DATA("2") CONTENT("2")},
		{"one at a time, DATA refused", OFF, {"+1", OK, OK, LATER, "+1", OK, TAKE_ONE},
			"0 DEFERRED 451\nend 1\n" ACCEPTED("2"), ONE_BY_DATA("1") RSET ONE_BY_DATA("2") CONTENT("2")},
		{"one at a time, MAIL refused", OFF, {"+1", NO, "+1", TAKE_ONE}, "0 REFUSED 550\nend 1\n" ACCEPTED("2"),
			MAIL ONE_BY_DATA("2") CONTENT("2")},
		{"one at a time, the end refused", OFF, {"+1", OK, OK, GO, NO, "+1", TAKE_ONE},
			"0 REFUSED 550\nend 1\n" ACCEPTED("2"), ONE_BY_DATA("1") CONTENT("1") ONE_BY_DATA("2") CONTENT("2")},
		{"in groups, the middle refused", ENVELOPE, {"+3", OK OK NO OK GO, OK, "+1", OK OK GO, OK},
			"1 REFUSED 550\n0 ACCEPTED 250\n2 ACCEPTED 250\nend 1\n" ACCEPTED("2"),
			M3("1") CONTENT("1") ONE_BY_DATA("2") CONTENT("2")},
		{"in groups, all refused", ENVELOPE, {"+3", OK NO NO NO SEQUENCE, "+1", OK OK OK GO, OK},
			"0 REFUSED 550\n1 REFUSED 550\n2 REFUSED 550\nend 1\n" ACCEPTED("2"),
			M3("1") RSET ONE_BY_DATA("2") CONTENT("2")},
		{"in groups, 503 to MAIL", ENVELOPE, {"+1", SEQUENCE SEQUENCE SEQUENCE, "+1", OK OK GO, OK},
			"0 PUT_BACK 503 stumbled\nend 1 stumbled\n" ACCEPTED("2"), ONE_BY_DATA("1") ONE_BY_DATA("2") CONTENT("2")},
		{"in groups, 503 to DATA", ENVELOPE, {"+1", OK OK SEQUENCE, "+1", OK OK OK GO, OK},
			"0 PUT_BACK 503 stumbled\nend 1 stumbled\n" ACCEPTED("2"),
			ONE_BY_DATA("1") RSET ONE_BY_DATA("2") CONTENT("2")},
		{"in groups, a stall is no stumble", ENVELOPE, {"+1", OK, TICK}, BACK("1") "closed TIMEOUT at RCPT\n",
			ONE_BY_DATA("1")},
	};
	RUN(scenarios);
}

#define B3(n) THREE(n) BDAT(n)
#define S1 ONE_BY_BDAT("1")
#define S2 RSET ONE_BY_BDAT("2")
#define S3 RSET ONE_BY_BDAT("3")

/* conformance: 34, 35, 36, 37, 38, F26 */
static void a_stream_goes_on_whatever_is_refused(void **state)
{
	(void)state;
	static const struct scenario scenarios[] = {
		{"all accepted", STREAM, {"+1", "+1", "+1", OK3, OK OK3, OK OK3}, ACCEPTED("1") ACCEPTED("2") ACCEPTED("3"),
			S1 S2 S3},
		{"MAIL refused", STREAM, {"+1", "+1", "+1", OK3, OK NO SEQUENCE SEQUENCE, OK OK3},
			ACCEPTED("1") "0 REFUSED 550\nend 2\n" ACCEPTED("3"), S1 S2 S3},
		{"chunk refused", STREAM, {"+1", "+1", "+1", OK3, OK OK OK NO, OK OK3},
			ACCEPTED("1") "0 REFUSED 550\nend 2\n" ACCEPTED("3"), S1 S2 S3},
		{"chunk deferred, the very first", STREAM, {"+1", "+1", "+1", OK OK LATER, OK OK3, OK OK3},
			"0 DEFERRED 451\nend 1\n" ACCEPTED("2") ACCEPTED("3"), S1 S2 S3},
		{"the first refused", STREAM, {"+1", "+3", "+1", OK3, OK OK NO OK OK OK, OK OK3},
			ACCEPTED("1") "0 REFUSED 550\n1 ACCEPTED 250\n2 ACCEPTED 250\nend 2\n" ACCEPTED("3"), S1 RSET B3("2") S3},
		{"the middle refused", STREAM, {"+1", "+3", "+1", OK3, OK OK OK LATER OK OK, OK OK3},
			ACCEPTED("1") "1 DEFERRED 451\n0 ACCEPTED 250\n2 ACCEPTED 250\nend 2\n" ACCEPTED("3"), S1 RSET B3("2") S3},
		{"the last refused", STREAM, {"+1", "+3", "+1", OK3, OK OK OK OK NO OK, OK OK3},
			ACCEPTED("1") "2 REFUSED 550\n0 ACCEPTED 250\n1 ACCEPTED 250\nend 2\n" ACCEPTED("3"), S1 RSET B3("2") S3},
		{"all refused", STREAM, {"+1", "+3", "+1", OK3, OK OK NO LATER NO SEQUENCE, OK OK3},
			ACCEPTED("1") "0 REFUSED 550\n1 DEFERRED 451\n2 REFUSED 550\nend 2\n" ACCEPTED("3"), S1 RSET B3("2") S3},
		{"all refused, the chunk taken: nobody's", STREAM, {"+3", "+1", OK NO NO NO OK, OK OK3},
			"0 REFUSED 550\n1 REFUSED 550\n2 REFUSED 550\nend 1\n" ACCEPTED("2"), B3("1") S2},
		{"503 to MAIL", STREAM, {"+1", "+1", "+1", OK3, OK SEQUENCE SEQUENCE SEQUENCE, OK OK3},
			ACCEPTED("1") "0 PUT_BACK 503 stumbled\nend 2 stumbled\n" ACCEPTED("3"), S1 S2 S3},
		{"503 to the chunk", STREAM, {"+3", "+1", OK OK NO OK SEQUENCE, OK OK3},
			"1 REFUSED 550\n0 PUT_BACK 503 stumbled\n2 PUT_BACK 503 stumbled\nend 1 stumbled\n" ACCEPTED("2"),
			B3("1") S2},
		{"503 to a RCPT", STREAM, {"+3", "+1", OK OK SEQUENCE OK OK, OK OK3},
			"1 PUT_BACK 503 stumbled\n0 ACCEPTED 250\n2 ACCEPTED 250\nend 1 stumbled\n" ACCEPTED("2"), B3("1") S2},
	};
	RUN(scenarios);
}

static void a_stream_ends(void **state)
{
	(void)state;
	static const struct scenario scenarios[] = {
		{"lost", STREAM, {"+1", "+1", "+1", OK3, OK OK, LOST},
			ACCEPTED("1") DOUBT("2") DOUBT("3") "closed LOST at RCPT\n", S1 S2 S3},
		{"lost, a refusal stays", STREAM, {"+3", "+1", OK OK NO, LOST},
			"1 REFUSED 550\n0 IN_DOUBT unanswered\n2 IN_DOUBT unanswered\nend 1\n" DOUBT("2") "closed LOST at RCPT\n",
			B3("1") S2},
		{"MAIL refused, a RCPT taken: whose envelope is it?", STREAM, {"+1", "+1", "+1", OK3, OK NO OK OK},
			ACCEPTED("1") DOUBT("2") DOUBT("3") "closed OUT_OF_STEP at RCPT 250 stumbled\n", S1 S2 S3},
		{"RSET refused and lost: nothing behind it was done", STREAM, {"+1", "+1", "+1", OK3, NO, LOST},
			ACCEPTED("1") BACK("2") BACK("3") "closed RSET at RSET 550\n", S1 S2 S3},
		{"RSET refused, and it goes on", STREAM, {"+1", "+1", "+1", OK3, NO OK3, NO OK OK, OK},
			ACCEPTED("1") ACCEPTED("2") ACCEPTED("3") "closed RSET at RSET 550\n", S1 S2 S3},
		{"RSET refused, it goes on and is lost", STREAM, {"+1", "+1", "+1", OK3, NO OK3, LOST},
			ACCEPTED("1") ACCEPTED("2") BACK("3") "closed RSET at RSET 550\n", S1 S2 S3},
		{"RSET refused, then silence", STREAM, {"+1", "+1", "+1", OK3, NO, TICK},
			ACCEPTED("1") DOUBT("2") DOUBT("3") "closed RSET at RSET 550\n", S1 S2 S3},
		{"RSET refused, then we leave", STREAM, {"+1", "+1", "+1", OK3, NO, CUT},
			ACCEPTED("1") DOUBT("2") DOUBT("3") "closed RSET at RSET 550\n", S1 S2 S3},
		{"we leave", STREAM, {"+1", "+1", OK3, CUT}, ACCEPTED("1") DOUBT("2") "closed LOST at RSET\n", S1 S2},
		{"421 to MAIL, and it goes on", STREAM, {"+1", "+1", "+1", OK3, OK BYE SEQUENCE SEQUENCE, OK OK3},
			ACCEPTED("1") "0 PUT_BACK 421\nend 2\n" ACCEPTED("3") "closed 421 at MAIL 421\n", S1 S2 S3},
		{"421 to RSET", STREAM, {"+1", "+1", "+1", OK3, BYE, LOST},
			ACCEPTED("1") BACK("2") BACK("3") "closed 421 at RSET 421\n", S1 S2 S3},
		{"421 to the chunk", STREAM, {"+1", "+1", "+1", OK3, OK OK OK BYE, LOST},
			ACCEPTED("1") "0 PUT_BACK 421\nend 2\n" BACK("3") "closed 421 at BDAT 421\n", S1 S2 S3},
		{"421 to the chunk, and a RCPT behind it is refused", STREAM,
			{"+1", "+1", "+1", OK3, OK OK OK BYE, OK OK NO SEQUENCE},
			ACCEPTED("1") "0 PUT_BACK 421\nend 2\n0 REFUSED 550\nend 3\nclosed 421 at BDAT 421\n", S1 S2 S3},
		{"421 to a RCPT", STREAM, {"+3", "+1", OK OK NO BYE, LOST},
			"1 REFUSED 550\n0 PUT_BACK 421\n2 PUT_BACK 421\nend 1\n" BACK("2") "closed 421 at RCPT 421\n", B3("1") S2},
		{"354 to the chunk", STREAM, {"+1", "+1", OK OK GO},
			DOUBT("1") DOUBT("2") "closed OUT_OF_STEP at BDAT 354 stumbled\n", S1 S2},
		{"354 to MAIL", STREAM, {"+1", GO}, DOUBT("1") "closed OUT_OF_STEP at MAIL 354 stumbled\n", S1},
		{"garbage", STREAM, {"+1", "+1", OK OK, "what\r\n"},
			DOUBT("1") DOUBT("2") "closed OUT_OF_STEP at BDAT stumbled\n", S1 S2},
		{"one too many", STREAM, {"+1", OK3 OK}, ACCEPTED("1") "closed OUT_OF_STEP at command 250\n", S1},
		{"a stall in the chunk", STREAM, {"+1", OK OK, TICK}, DOUBT("1") "closed TIMEOUT at BDAT stumbled\n", S1},
		{"a stall with one behind", STREAM, {"+1", "+1", TICK},
			DOUBT("1") DOUBT("2") "closed TIMEOUT at MAIL stumbled\n", S1 S2},
	};
	RUN(scenarios);
}

/* conformance: 31 */
static void a_window_bounds_what_is_unanswered(void **state)
{
	(void)state;
	static const struct scenario scenarios[] = {
		{"two at a time", STREAM, {"+3w2", "+1", OK OK, OK, OK, OK, OK OK3},
			"0 ACCEPTED 250\n1 ACCEPTED 250\n2 ACCEPTED 250\nend 1\n" ACCEPTED("2"), B3("1") S2},
		{"the chunk waits for all", STREAM, {"+3w3", "+1", OK OK OK}, "", THREE("1")},
		{"one at a time, part of the way", STREAM, {"+3w1", OK OK}, "", MAIL RCPT("a1") RCPT("b1")},
		{"narrower with each refusal", MESSAGE, {"+3w2r2", OK NO}, "0 REFUSED 550\n", MAIL RCPT("a1") RCPT("b1")},
		{"nobody: no chunk", STREAM, {"+3w3", "+1", OK NO NO NO, OK OK OK, OK},
			"0 REFUSED 550\n1 REFUSED 550\n2 REFUSED 550\nend 1\n" ACCEPTED("2"),
			THREE("1") RSET MAIL RCPT("a2") BDAT("2")},
		{"enough are refused", STREAM, {"+3w1r1", "+1", OK OK, NO, OK, OK OK OK, OK},
			"1 REFUSED 550\n0 ACCEPTED 250\n2 PUT_BACK unanswered\nend 1\n" ACCEPTED("2"),
			MAIL RCPT("a1") RCPT("b1") BDAT("1") RSET MAIL RCPT("a2") BDAT("2")},
		{"enough are refused, nobody taken", STREAM, {"+3w1r1", "+1", OK NO, OK OK OK, OK},
			"0 REFUSED 550\n1 PUT_BACK unanswered\n2 PUT_BACK unanswered\nend 1\n" ACCEPTED("2"),
			MAIL RCPT("a1") RSET MAIL RCPT("a2") BDAT("2")},
		{"enough are refused, by DATA", MESSAGE, {"+3w1r1", OK OK, NO, GO, OK},
			"1 REFUSED 550\n0 ACCEPTED 250\n2 PUT_BACK unanswered\nend 1\n",
			MAIL RCPT("a1") RCPT("b1") DATA CONTENT("1")},
		{"enough are refused, and the end", MESSAGE, {"+3w1r1", OK OK, NO, GO, NO},
			"1 REFUSED 550\n0 REFUSED 550\n2 PUT_BACK unanswered\nend 1\n",
			MAIL RCPT("a1") RCPT("b1") DATA CONTENT("1")},
		{"enough are refused, then lost", MESSAGE, {"+3w1r1", OK OK, NO, GO, LOST},
			"1 REFUSED 550\n0 IN_DOUBT unanswered\n2 PUT_BACK unanswered\nend 1\nclosed LOST at end of data\n",
			MAIL RCPT("a1") RCPT("b1") DATA CONTENT("1")},
		{"all were said: more refusals change nothing", MESSAGE, {"+3r1", OK NO OK NO GO, OK},
			"0 REFUSED 550\n2 REFUSED 550\n1 ACCEPTED 250\nend 1\n", M3("1") CONTENT("1")},
		{"one at a time", BM_SMTP_PIPELINING_OFF, {"+3r1", OK, OK, NO, GO, OK},
			"1 REFUSED 550\n0 ACCEPTED 250\n2 PUT_BACK unanswered\nend 1\n",
			MAIL RCPT("a1") RCPT("b1") DATA CONTENT("1")},
	};
	RUN(scenarios);
}

/* How far it goes is the least of what is wished and what is offered. */
/* conformance: 27, 34 */
static void the_mode_is_the_least(void **state)
{
	(void)state;
	static const struct {
		const char *ehlo;
		enum bm_smtp_pipelining wished;
		enum bm_smtp_pipelining mode;
		size_t rooms[3]; /* with none, one and two under way */
	} cases[] = {
		{EHLO_CHUNKING, STREAM, STREAM, {32, 31, 30}},
		{EHLO_CHUNKING, MESSAGE, MESSAGE, {1, 1, 0}},
		{EHLO_CHUNKING, BM_SMTP_PIPELINING_ENVELOPE, BM_SMTP_PIPELINING_ENVELOPE, {1, 0, 0}},
		{EHLO_CHUNKING, BM_SMTP_PIPELINING_OFF, BM_SMTP_PIPELINING_OFF, {1, 0, 0}},
		{EHLO_PIPELINING, STREAM, MESSAGE, {1, 1, 0}},
		{EHLO_PIPELINING, BM_SMTP_PIPELINING_OFF, BM_SMTP_PIPELINING_OFF, {1, 0, 0}},
		{"250-peer\r\n250 CHUNKING\r\n", STREAM, BM_SMTP_PIPELINING_OFF, {1, 0, 0}},
		{EHLO_PLAIN, STREAM, BM_SMTP_PIPELINING_OFF, {1, 0, 0}},
	};
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		struct play play = {.count = 0};
		peer_init(&play.peer, WHOLE, cases[i].wished);
		assert_int_equal(bm_smtp_mode(play.peer.smtp), BM_SMTP_PIPELINING_OFF);
		assert_int_equal(bm_smtp_room(play.peer.smtp), 0);
		peer_greet(&play.peer, cases[i].ehlo);
		assert_int_equal(bm_smtp_mode(play.peer.smtp), cases[i].mode);
		for (size_t k = 0; k < 3 && bm_smtp_room(play.peer.smtp) > 0; k++) {
			assert_int_equal(bm_smtp_room(play.peer.smtp), cases[i].rooms[k]);
			submit(&play, "+1");
		}
		assert_int_equal(bm_smtp_quit(play.peer.smtp, 0, NULL), BM_E_USAGE);
		peer_lost(&play.peer);
		assert_int_equal(bm_smtp_room(play.peer.smtp), 0);
		peer_deinit(&play.peer);
	}
}

/* RFC 9422 */
static void limits_are_kept(void **state)
{
	(void)state;
	struct play play = {.count = 0};
	struct bm_smtp_transaction tx = peer_transaction(9, 3);
	peer_init(&play.peer, WHOLE, STREAM);
	peer_greet(&play.peer, "250-x\r\n250-PIPELINING\r\n250-CHUNKING\r\n250 LIMITS MAILMAX=3 RCPTMAX=2\r\n");
	assert_int_equal(bm_smtp_submit(play.peer.smtp, &tx, 0, NULL), BM_E_LIMIT);
	assert_int_equal(bm_smtp_room(play.peer.smtp), 3);
	submit(&play, "+2");
	submit(&play, "+1");
	assert_int_equal(bm_smtp_room(play.peer.smtp), 1);
	submit(&play, "+1");
	assert_int_equal(bm_smtp_room(play.peer.smtp), 0);
	peer_say(&play.peer, OK3 OK OK OK3 OK OK3);
	assert_true(bm_smtp_idle(play.peer.smtp));
	assert_int_equal(bm_smtp_room(play.peer.smtp), 0);
	tx.recipient_count = 1;
	assert_int_equal(bm_smtp_submit(play.peer.smtp, &tx, 0, NULL), BM_E_USAGE);
	assert_int_equal(bm_smtp_quit(play.peer.smtp, 0, NULL), BM_OK);
	peer_deinit(&play.peer);
}

static void reads_limits(void **state)
{
	(void)state;
	static const struct {
		const char *line;
		uint64_t values[3];
	} cases[] = {
		{"LIMITS", {0, 0, 0}},
		{"limits mailmax=1 RcptMax=20  RCPTDOMAINMAX=999999", {1, 20, 999999}},
		{"LIMITS RCPTMAX=7 OTHER=3 MAILMAX", {0, 7, 0}},
		{"LIMITS MAILMAX= RCPTMAX=0 RCPTDOMAINMAX=1000000", {0, 0, 0}},
		{"LIMITS MAILMAX=-1 RCPTMAX=1x RCPTDOMAINMAX=01", {0, 0, 0}},
		{"LIMITS MAILMAX=5 MAILMAX=oops xRCPTMAX=3", {5, 0, 0}},
		{"LIMITSMAILMAX=5", {0, 0, 0}},
	};
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		char ehlo[100];
		struct peer peer;
		snprintf(ehlo, sizeof ehlo, "250-x\r\n250 %s\r\n", cases[i].line);
		peer_init(&peer, WHOLE, STREAM);
		peer_greet(&peer, ehlo);
		const struct bm_smtp_capabilities *known = bm_smtp_capabilities(peer.smtp);
		assert_true(known->mail_max == cases[i].values[0]);
		assert_true(known->rcpt_max == cases[i].values[1]);
		assert_true(known->rcpt_domain_max == cases[i].values[2]);
		peer_deinit(&peer);
	}
}

/* A talk counts as well, and while the server waits for its content there is no room. */
static void a_talk_takes_room(void **state)
{
	(void)state;
	struct peer peer;
	peer_init(&peer, WHOLE, STREAM);
	peer_greet(&peer, "250-x\r\n250-PIPELINING\r\n250-CHUNKING\r\n250 LIMITS MAILMAX=2\r\n");
	assert_int_equal(bm_smtp_talk(peer.smtp, bm_span_of("MAIL FROM:<>"), 0, NULL), BM_OK);
	assert_int_equal(bm_smtp_room(peer.smtp), 0);
	peer_pump(&peer);
	peer_say(&peer, OK);
	assert_int_equal(bm_smtp_room(peer.smtp), 1);
	assert_int_equal(bm_smtp_talk(peer.smtp, bm_span_of("DATA"), 0, NULL), BM_OK);
	peer_pump(&peer);
	peer_say(&peer, GO);
	assert_int_equal(bm_smtp_room(peer.smtp), 0);
	assert_int_equal(bm_smtp_talk(peer.smtp, bm_span_of("x\r\n."), 0, NULL), BM_OK);
	peer_pump(&peer);
	peer_say(&peer, OK);
	assert_int_equal(bm_smtp_room(peer.smtp), 1);
	bm_buf_clear(&peer.wire);
	/* what the talk began is reset, also by the first of a stream */
	peer_submit(&peer, 1, 1);
	assert_int_equal(bm_smtp_room(peer.smtp), 0);
	assert_int_equal(strncmp((const char *)peer.wire.data, RSET MAIL, strlen(RSET MAIL)), 0);
	peer_deinit(&peer);
}

static void counts_replies(void **state)
{
	(void)state;
	static uint64_t tally[600];
	struct bm_smtp_options options = BM_SMTP_OPTIONS_INIT;
	struct peer peer = {.cut = WHOLE, .log_talk = true};
	bm_buf_init(&peer.wire, 10000);
	bm_buf_init(&peer.log, 10000);
	memset(tally, 0, sizeof tally);
	options.domain = "me.example";
	options.pipelining = STREAM;
	options.tell = false;
	options.tally = tally;
	assert_int_equal(bm_smtp_new(&peer.smtp, &options, 0, NULL), BM_OK);
	peer_greet(&peer, EHLO_CHUNKING);
	peer_submit(&peer, 1, 2);
	peer_say(&peer, OK "550-no\r\n550 no\r\n" OK "451 4.7.1 later\r\n421 bye\r\n");
	/* nothing of what was said and replied */
	peer_expect(&peer.log, "0 REFUSED 550\n1 DEFERRED 451\nend 1\nclosed 421 at command 421\n");
	assert_true(tally[220] == 1 && tally[250] == 3 && tally[550] == 1 && tally[451] == 1 && tally[421] == 1);
	assert_true(bm_smtp_errors(peer.smtp) == 3);
	peer_deinit(&peer);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_next_envelope_rides_behind_the_end_of_data),
		cmocka_unit_test(some_are_refused_and_the_next_rides),
		cmocka_unit_test(the_session_ends_while_one_rides),
		cmocka_unit_test(every_cell_of_a_riding_one),
		cmocka_unit_test(one_transaction_after_the_other),
		cmocka_unit_test(a_stream_goes_on_whatever_is_refused),
		cmocka_unit_test(a_stream_ends),
		cmocka_unit_test(a_window_bounds_what_is_unanswered),
		cmocka_unit_test(the_mode_is_the_least),
		cmocka_unit_test(limits_are_kept),
		cmocka_unit_test(reads_limits),
		cmocka_unit_test(a_talk_takes_room),
		cmocka_unit_test(counts_replies),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
