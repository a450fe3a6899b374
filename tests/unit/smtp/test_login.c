/* SPDX-License-Identifier: MIT */
/* AUTH: what is said when, what each reply makes of the session, and that no event shows a secret. */
#include "peer.h"

#include "base/secret.h"
#include "smtp/sasl.h"

#include <stdio.h>
#include <stdlib.h>

#define PIECES_MAX 14
#define LOST "lost"
#define TICK "tick"

#define GO "220 hi\r\n"
#define EHLO "EHLO me.example\r\n"
#define OFFER(names) "250-peer\r\n250 AUTH " names "\r\n"
/* \0user\0pass */
#define PLAIN "AUTH PLAIN AHVzZXIAcGFzcw==\r\n"
#define USER "dXNlcg==\r\n"
#define PASS "cGFzcw==\r\n"
#define ASK_USER "334 VXNlcm5hbWU6\r\n"
#define ASK_PASS "334 UGFzc3dvcmQ6\r\n"
#define IN "235 2.7.0 in\r\n"

struct scenario {
	const char *name;
	const char *mechanisms;
	const char *pieces[PIECES_MAX];
	const char *log;
	const char *wire;
};

struct secrets {
	struct bm_sasl_options options;
	struct bm_secret *secret;
};

static void secrets_init(struct secrets *secrets, const char *mechanisms, const char *password)
{
	*secrets = (struct secrets){.options = {.mechanisms = mechanisms, .user = "user", .host = "mx.example"}};
	assert_int_equal(bm_secret_new(&secrets->secret, password, strlen(password), NULL), BM_OK);
	secrets->options.secret = secrets->secret;
}

/* Over TLS at once; where it stops the greeting is next. */
static void start(struct peer *peer, const struct secrets *secrets, size_t cut, bool verified)
{
	struct bm_smtp_options options = BM_SMTP_OPTIONS_INIT;
	options.wrapped = true;
	options.tls = BM_SMTP_TLS_DEMAND;
	options.sasl = &secrets->options;
	peer_init_with(peer, cut, &options);
	peer_secured(peer, verified);
	bm_buf_clear(&peer->log);
}

static void play_pieces(struct peer *peer, const char *const *pieces)
{
	for (size_t i = 0; i < PIECES_MAX && pieces[i] != NULL; i++) {
		if (strcmp(pieces[i], LOST) == 0)
			peer_lost(peer);
		else if (strcmp(pieces[i], TICK) == 0)
			peer_tick(peer, bm_smtp_deadline(peer->smtp));
		else
			peer_say(peer, pieces[i]);
	}
}

static void run_cut(const struct scenario *scenario, size_t cut)
{
	struct secrets secrets;
	struct peer peer;
	secrets_init(&secrets, scenario->mechanisms, "pass");
	start(&peer, &secrets, cut, true);
	play_pieces(&peer, scenario->pieces);
	peer_expect(&peer.log, scenario->log);
	peer_expect(&peer.wire, scenario->wire);
	peer_deinit(&peer);
	bm_secret_free(secrets.secret);
}

static void run(const struct scenario *scenarios, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		print_message("# %s\n", scenarios[i].name);
		for (size_t cut = 0; cut < 60; cut++)
			run_cut(&scenarios[i], cut);
		run_cut(&scenarios[i], BYTES);
	}
}

#define RUN(scenarios) run(scenarios, sizeof(scenarios) / sizeof((scenarios)[0]))
#define CLOSED(how) "closed " how "\n"

/* conformance: 28, 47, 48, 52, 54 */
static void logs_in(void **state)
{
	(void)state;
	static const struct scenario scenarios[] = {
		{"PLAIN", NULL, {GO, OFFER("PLAIN LOGIN"), IN}, "ready\n", EHLO PLAIN},
		{"our order, not theirs", NULL, {GO, OFFER("LOGIN PLAIN"), IN}, "ready\n", EHLO PLAIN},
		{"in any case", NULL, {GO, "250-peer\r\n250 auth plain\r\n", IN}, "ready\n", EHLO PLAIN},
		{"as older servers list it", NULL, {GO, "250-peer\r\n250 AUTH=LOGIN PLAIN\r\n", IN}, "ready\n", EHLO PLAIN},
		{"over two lines", NULL, {GO, "250-peer\r\n250-AUTH LOGIN\r\n250 AUTH=LOGIN PLAIN\r\n", IN}, "ready\n",
			EHLO PLAIN},
		{"LOGIN", "LOGIN", {GO, OFFER("PLAIN LOGIN"), ASK_USER, ASK_PASS, "235-in\r\n235 now\r\n"}, "ready\n",
			EHLO "AUTH LOGIN\r\n" USER PASS},
		{"behind a full EHLO list", "LOGIN PLAIN",
			{GO, "250-peer\r\n250-PIPELINING\r\n250-AUTH PLAIN\r\n250 SIZE\r\n", IN}, "ready\n", EHLO PLAIN},
	};
	RUN(scenarios);
}

/* conformance: 47, 51, 53, A11 */
static void does_not_get_in(void **state)
{
	(void)state;
	static const struct scenario scenarios[] = {
		{"AUTH is not offered", NULL, {GO, "250 peer\r\n"}, CLOSED("AUTH final at AUTH"), EHLO},
		{"a name that begins the same", NULL, {GO, "250-peer\r\n250 AUTHX PLAIN\r\n"}, CLOSED("AUTH final at AUTH"),
			EHLO},
		{"nothing is offered", NULL, {GO, "250-peer\r\n250 AUTH\r\n"}, CLOSED("AUTH final at AUTH"), EHLO},
		{"nothing we would use", "LOGIN", {GO, OFFER("PLAIN GSSAPI")}, CLOSED("AUTH final at AUTH"), EHLO},
		{"behind HELO", NULL, {GO, "502 what\r\n", "250 peer\r\n"}, CLOSED("AUTH final at AUTH"),
			EHLO "HELO me.example\r\n"},
		{"535", NULL, {GO, OFFER("PLAIN LOGIN"), "535 5.7.8 no\r\n"}, CLOSED("AUTH final at AUTH 535"), EHLO PLAIN},
		{"534", NULL, {GO, OFFER("PLAIN LOGIN"), "534 5.7.9 weak\r\n"}, CLOSED("AUTH final at AUTH 534"), EHLO PLAIN},
		{"538", NULL, {GO, OFFER("PLAIN"), "538 5.7.11 TLS\r\n"}, CLOSED("AUTH final at AUTH 538"), EHLO PLAIN},
		{"530", NULL, {GO, OFFER("PLAIN"), "530 no\r\n"}, CLOSED("AUTH final at AUTH 530"), EHLO PLAIN},
		{"500 5.5.6", NULL, {GO, OFFER("PLAIN"), "500 5.5.6 long\r\n"}, CLOSED("AUTH final at AUTH 500"), EHLO PLAIN},
		{"454", NULL, {GO, OFFER("PLAIN LOGIN"), "454 4.7.0 later\r\n"}, CLOSED("AUTH at AUTH 454"), EHLO PLAIN},
		{"432", NULL, {GO, OFFER("PLAIN"), "432 4.7.12 change it\r\n"}, CLOSED("AUTH at AUTH 432"), EHLO PLAIN},
		{"421", NULL, {GO, OFFER("PLAIN"), "421 bye\r\n"}, CLOSED("421 at AUTH 421"), EHLO PLAIN},
		{"250 is no 235", NULL, {GO, OFFER("PLAIN"), "250 in\r\n"}, CLOSED("OUT_OF_STEP at AUTH 250"), EHLO PLAIN},
		{"354 is no 334", NULL, {GO, OFFER("PLAIN"), "354 go\r\n"}, CLOSED("OUT_OF_STEP at AUTH 354"), EHLO PLAIN},
		{"garbage", NULL, {GO, OFFER("PLAIN"), "in\r\n"}, CLOSED("OUT_OF_STEP at AUTH"), EHLO PLAIN},
		{"235 before it was said", NULL, {GO, OFFER("PLAIN") IN}, CLOSED("OUT_OF_STEP at AUTH 235"), EHLO},
		{"235 too early", "LOGIN", {GO, OFFER("LOGIN"), ASK_USER, IN}, CLOSED("AUTH final at AUTH"),
			EHLO "AUTH LOGIN\r\n" USER},
		{"lost", NULL, {GO, OFFER("PLAIN"), LOST}, CLOSED("LOST at AUTH"), EHLO PLAIN},
		{"lost in the midst", "LOGIN", {GO, OFFER("LOGIN"), ASK_USER, LOST}, CLOSED("LOST at AUTH"),
			EHLO "AUTH LOGIN\r\n" USER},
		{"silence", NULL, {GO, OFFER("PLAIN"), TICK}, CLOSED("TIMEOUT at AUTH"), EHLO PLAIN},
		{"535 in the midst", "LOGIN", {GO, OFFER("LOGIN PLAIN"), ASK_USER, "535 no\r\n"},
			CLOSED("AUTH final at AUTH 535"), EHLO "AUTH LOGIN\r\n" USER},
	};
	RUN(scenarios);
}

#define LOGIN EHLO "AUTH LOGIN\r\n"

/* conformance: 50, A13 */
static void cancels_a_lie(void **state)
{
	(void)state;
	static const struct scenario scenarios[] = {
		{"no base64", "LOGIN", {GO, OFFER("LOGIN"), "334 ???\r\n", "501 5.0.0 cancelled\r\n"},
			CLOSED("AUTH final at AUTH 501"), LOGIN "*\r\n"},
		{"several lines", "LOGIN", {GO, OFFER("LOGIN"), "334-VXNl\r\n334 VXNl\r\n", "501 no\r\n"},
			CLOSED("AUTH final at AUTH 501"), LOGIN "*\r\n"},
		{"one too many", NULL, {GO, OFFER("PLAIN"), "334 \r\n", "501 no\r\n"}, CLOSED("AUTH final at AUTH 501"),
			EHLO PLAIN "*\r\n"},
		{"then 235 all the same", "LOGIN", {GO, OFFER("LOGIN"), "334 ???\r\n", IN}, CLOSED("AUTH final at AUTH"),
			LOGIN "*\r\n"},
		{"then another challenge", "LOGIN", {GO, OFFER("LOGIN"), "334 ???\r\n", ASK_USER}, CLOSED("AUTH final at AUTH"),
			LOGIN "*\r\n"},
		{"then a 4yz", "LOGIN", {GO, OFFER("LOGIN"), "334 ???\r\n", "454 later\r\n"}, CLOSED("AUTH final at AUTH 454"),
			LOGIN "*\r\n"},
		{"then 421", "LOGIN", {GO, OFFER("LOGIN"), "334 ???\r\n", "421 bye\r\n"}, CLOSED("AUTH final at AUTH 421"),
			LOGIN "*\r\n"},
		{"then garbage", "LOGIN", {GO, OFFER("LOGIN"), "334 ???\r\n", "???\r\n"}, CLOSED("AUTH final at AUTH"),
			LOGIN "*\r\n"},
		{"then nothing", "LOGIN", {GO, OFFER("LOGIN"), "334 ???\r\n", TICK}, CLOSED("AUTH final at AUTH"),
			LOGIN "*\r\n"},
		{"then the end", "LOGIN", {GO, OFFER("LOGIN"), "334 ???\r\n", LOST}, CLOSED("AUTH final at AUTH"),
			LOGIN "*\r\n"},
	};
	RUN(scenarios);
}

/* What shows the secret is said to a verified peer alone: not in clear, not to a stranger. */
/* conformance: 51, A11 */
static void shows_no_secret_to_strangers(void **state)
{
	(void)state;
	struct bm_smtp_options options = BM_SMTP_OPTIONS_INIT;
	struct secrets secrets;
	struct peer peer;
	secrets_init(&secrets, NULL, "pass");
	start(&peer, &secrets, WHOLE, false);
	peer_say(&peer, GO);
	peer_say(&peer, OFFER("PLAIN LOGIN"));
	peer_expect(&peer.wire, EHLO);
	peer_expect(&peer.log, CLOSED("AUTH final at AUTH"));
	peer_deinit(&peer);

	options.sasl = &secrets.options;
	options.tls = BM_SMTP_TLS_MAY;
	peer_init_with(&peer, WHOLE, &options);
	peer_say(&peer, GO);
	peer_say(&peer, "250-peer\r\n250-STARTTLS\r\n250 AUTH PLAIN\r\n");
	peer_say(&peer, "502 what\r\n");
	peer_expect(&peer.wire, EHLO "STARTTLS\r\n");
	peer_expect(&peer.log, CLOSED("AUTH final at AUTH"));
	peer_deinit(&peer);
	bm_secret_free(secrets.secret);
}

/* What can be said in TLS alone waits where TLS is put off; what is a lie stays one. */
/* conformance: 53 */
static void waits_for_tls_that_is_put_off(void **state)
{
	(void)state;
	static const struct {
		const char *offer;
		const char *lie;
		const char *log;
		const char *wire;
	} cases[] = {
		{"250-peer\r\n250-STARTTLS\r\n250 AUTH PLAIN\r\n", "", CLOSED("AUTH at AUTH"), EHLO "STARTTLS\r\n"},
		{"250-peer\r\n250 STARTTLS\r\n", "", CLOSED("AUTH at AUTH"), EHLO "STARTTLS\r\n"},
		{"250-peer\r\n250-STARTTLS\r\n250 AUTH CRAM-MD5\r\n", IN, CLOSED("AUTH final at AUTH"),
			EHLO "STARTTLS\r\nAUTH CRAM-MD5\r\n"},
	};
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		struct bm_smtp_options options = BM_SMTP_OPTIONS_INIT;
		struct secrets secrets;
		struct peer peer;
		secrets_init(&secrets, NULL, "pass");
		options.sasl = &secrets.options;
		options.tls = BM_SMTP_TLS_MAY;
		peer_init_with(&peer, WHOLE, &options);
		peer_say(&peer, GO);
		peer_say(&peer, cases[i].offer);
		peer_say(&peer, "454 later\r\n");
		peer_say(&peer, cases[i].lie);
		peer_expect(&peer.wire, cases[i].wire);
		peer_expect(&peer.log, cases[i].log);
		peer_deinit(&peer);
		bm_secret_free(secrets.secret);
	}
}

/* A list said in clear counts for nothing inside. */
/* conformance: 42, 47 */
static void forgets_a_list_said_in_clear(void **state)
{
	(void)state;
	struct bm_smtp_options options = BM_SMTP_OPTIONS_INIT;
	struct secrets secrets;
	struct peer peer;
	secrets_init(&secrets, NULL, "pass");
	options.sasl = &secrets.options;
	options.tls = BM_SMTP_TLS_DEMAND;
	peer_init_with(&peer, WHOLE, &options);
	peer_say(&peer, GO);
	peer_say(&peer, "250-peer\r\n250-STARTTLS\r\n250 AUTH PLAIN\r\n");
	peer_say(&peer, GO);
	peer_secured(&peer, true);
	peer_say(&peer, "250 peer\r\n");
	peer_expect(&peer.wire, EHLO "STARTTLS\r\n" EHLO);
	peer_expect(&peer.log, "secure\n" CLOSED("AUTH final at AUTH"));
	peer_deinit(&peer);
	bm_secret_free(secrets.secret);
}

/* The reason says what is offered and what would be used, and lives as long as the machine. */
static void says_why(void **state)
{
	(void)state;
	struct secrets secrets;
	struct peer peer;
	struct bm_smtp_event event = {.reason = ""};
	secrets_init(&secrets, "LOGIN", "pass");
	start(&peer, &secrets, WHOLE, true);
	peer.lazy = true;
	bm_smtp_feed(peer.smtp, GO, strlen(GO), 0);
	bm_smtp_sent(peer.smtp, SIZE_MAX, 0);
	bm_smtp_feed(peer.smtp, OFFER("GSSAPI"), strlen(OFFER("GSSAPI")), 0);
	while (bm_smtp_next_event(peer.smtp, &event))
		continue;
	assert_int_equal(event.kind, BM_SMTP_CLOSED);
	assert_non_null(strstr(event.reason, "GSSAPI"));
	assert_non_null(strstr(event.reason, "LOGIN"));
	peer_deinit(&peer);
	bm_secret_free(secrets.secret);
}

/* Whether any octets of what events say are those of the text. */
static void assert_not_told(const struct bm_smtp_event *event, const char *text)
{
	char all[400];
	snprintf(all, sizeof all, "%.*s|%.*s", (int)event->said.size, event->said.data, (int)event->reply.raw.size,
		event->reply.raw.data);
	assert_null(strstr(all, text));
}

/* conformance: A34 */
static void no_event_shows_what_was_said(void **state)
{
	(void)state;
	static const struct {
		const char *mechanisms;
		const char *pieces[PIECES_MAX];
		const char *told;
	} cases[] = {
		{"PLAIN", {GO, OFFER("PLAIN"), IN}, "AUTH PLAIN (secret)|235 2.7.0 in|"},
		{"LOGIN", {GO, OFFER("LOGIN"), ASK_USER, ASK_PASS, IN},
			"AUTH LOGIN|334 (challenge)|(secret)|334 (challenge)|(secret)|235 2.7.0 in|"},
	};
	for (size_t i = 0; i < 2; i++) {
		struct secrets secrets;
		struct peer peer;
		struct bm_smtp_event event;
		struct bm_buf told;
		bm_buf_init(&told, 1000);
		secrets_init(&secrets, cases[i].mechanisms, "pass");
		start(&peer, &secrets, WHOLE, true);
		peer.lazy = true;
		for (size_t k = 0; cases[i].pieces[k] != NULL; k++) {
			bm_smtp_feed(peer.smtp, cases[i].pieces[k], strlen(cases[i].pieces[k]), 0);
			while (bm_smtp_next_event(peer.smtp, &event)) {
				assert_not_told(&event, "cGFzc");
				assert_not_told(&event, "dXNlcg");
				assert_not_told(&event, "AHVzZXI");
				if (event.kind > BM_SMTP_REPLY || event.command != BM_SMTP_AUTH)
					continue;
				struct bm_span text = event.kind == BM_SMTP_SAID ? event.said : bm_span_trim(event.reply.raw);
				assert_int_equal(bm_buf_append_fmt(&told, "%.*s|", (int)text.size, text.data), BM_OK);
				assert_true(event.kind == BM_SMTP_REPLY || event.said_size == event.said.size);
			}
			bm_smtp_sent(peer.smtp, SIZE_MAX, 0);
		}
		peer_expect(&told, cases[i].told);
		bm_buf_deinit(&told);
		peer_deinit(&peer);
		bm_secret_free(secrets.secret);
	}
}

/* Nor what a server repeats of it. */
/* conformance: A34 */
static void no_event_shows_what_is_repeated(void **state)
{
	(void)state;
	static const struct {
		const char *mechanisms;
		const char *pieces[PIECES_MAX];
		const char *told;
	} cases[] = {
		{"PLAIN", {GO, OFFER("PLAIN"), "500 what is AHVzZXIAcGFzcw== to me?\r\n"}, "500 (it repeats a secret)"},
		{"PLAIN", {GO, OFFER("PLAIN"), "535-no\r\n535 pass is wrong\r\n"}, "535 (it repeats a secret)"},
		{"LOGIN", {GO, OFFER("LOGIN"), ASK_USER, ASK_PASS, "421 cGFzcw==\r\n"}, "421 (it repeats a secret)"},
		{"LOGIN", {GO, OFFER("LOGIN"), ASK_USER, ASK_PASS, "535 no\r\n"}, "535 no"},
	};
	for (size_t i = 0; i < 2 * (sizeof cases / sizeof cases[0]); i++) {
		struct secrets secrets;
		struct peer peer;
		struct bm_smtp_event event;
		size_t told = 0;
		secrets_init(&secrets, cases[i / 2].mechanisms, "pass");
		start(&peer, &secrets, WHOLE, true);
		for (size_t k = 0; cases[i / 2].pieces[k] != NULL; k++) {
			const char *piece = cases[i / 2].pieces[k];
			size_t first = i % 2 == 0 ? strlen(piece) : 5;
			bm_smtp_feed(peer.smtp, piece, first, 0);
			bm_smtp_feed(peer.smtp, piece + first, strlen(piece) - first, 0);
			while (bm_smtp_next_event(peer.smtp, &event)) {
				assert_not_told(&event, "cGFzc");
				assert_not_told(&event, "pass");
				bool ends = event.reply.code >= 400;
				told += ends;
				if (ends)
					assert_true(bm_span_equal(bm_span_trim(event.reply.raw), bm_span_of(cases[i / 2].told)));
			}
			bm_smtp_sent(peer.smtp, SIZE_MAX, 0);
		}
		/* REPLY and CLOSED */
		assert_int_equal(told, 2);
		peer_deinit(&peer);
		bm_secret_free(secrets.secret);
	}
}

/* What was sent is nowhere: the octets that the output lent are wiped. */
/* conformance: A34 */
static void wipes_what_was_sent(void **state)
{
	(void)state;
	struct secrets secrets;
	struct peer peer;
	struct bm_span span;
	secrets_init(&secrets, NULL, "pass");
	start(&peer, &secrets, WHOLE, true);
	peer_say(&peer, GO);
	peer.hold = true;
	peer_say(&peer, OFFER("PLAIN"));
	assert_int_equal(bm_smtp_output(peer.smtp, &span, 1), 1);
	assert_true(bm_span_equal(span, bm_span_of(PLAIN)));
	bm_smtp_sent(peer.smtp, 10, 0);
	assert_memory_equal(span.data, PLAIN, span.size);
	bm_smtp_sent(peer.smtp, span.size - 10, 0);
	for (size_t i = 0; i < span.size; i++)
		assert_int_equal(span.data[i], 0);
	peer_deinit(&peer);

	/* and when the session ends before */
	start(&peer, &secrets, WHOLE, true);
	peer_say(&peer, GO);
	peer.hold = true;
	peer_say(&peer, OFFER("PLAIN"));
	assert_int_equal(bm_smtp_output(peer.smtp, &span, 1), 1);
	peer_lost(&peer);
	for (size_t i = 0; i < span.size; i++)
		assert_int_equal(span.data[i], 0);
	peer_deinit(&peer);
	bm_secret_free(secrets.secret);
}

/* conformance: 49 */
static void a_long_secret_waits_for_its_turn(void **state)
{
	(void)state;
	char password[600];
	struct secrets secrets;
	struct peer peer;
	memset(password, 'x', sizeof password - 1);
	password[sizeof password - 1] = '\0';
	secrets_init(&secrets, "PLAIN", password);
	start(&peer, &secrets, WHOLE, true);
	peer_say(&peer, GO);
	peer_say(&peer, OFFER("PLAIN"));
	peer_expect(&peer.wire, EHLO "AUTH PLAIN\r\n");
	peer_say(&peer, "334 \r\n");
	assert_int_equal(peer.wire.size, 4 * ((599 + 6 + 2) / 3) + 2);
	bm_buf_clear(&peer.wire);
	peer_say(&peer, IN);
	peer_expect(&peer.log, "ready\n");
	peer_deinit(&peer);
	bm_secret_free(secrets.secret);
}

static void feed_challenge(struct peer *peer, size_t size)
{
	char *text = malloc(size + 6);
	assert_non_null(text);
	memset(text, 'A', size + 6);
	memcpy(text, "334 ", 4);
	memcpy(text + 4 + size, "\r\n", 2);
	peer_say_octets(peer, text, size + 6);
	free(text);
}

/* conformance: 49, A13, A14 */
static void a_challenge_has_its_bounds(void **state)
{
	(void)state;
	static const size_t cuts[] = {WHOLE, 2048, BYTES};
	for (size_t i = 0; i < 3; i++) {
		struct secrets secrets;
		struct peer peer;
		secrets_init(&secrets, "LOGIN", "pass");
		start(&peer, &secrets, cuts[i], true);
		peer_say(&peer, GO);
		peer_say(&peer, OFFER("LOGIN"));
		feed_challenge(&peer, BM_SASL_LINE_MAX);
		peer_expect(&peer.wire, LOGIN USER);
		peer.lazy = true;
		feed_challenge(&peer, BM_SASL_LINE_MAX + 1);
		peer_expect(&peer.wire, "");
		peer_expect(&peer.log, CLOSED("OUT_OF_STEP at AUTH"));
		peer_deinit(&peer);
		bm_secret_free(secrets.secret);
	}
}

/* 334 for ever */
/* conformance: A13 */
static void challenges_end(void **state)
{
	(void)state;
	static const char *const mechanisms[] = {"PLAIN", "LOGIN", "XOAUTH2", "OAUTHBEARER"};
	for (size_t i = 0; i < 4; i++) {
		struct secrets secrets;
		struct peer peer;
		size_t rounds = 0;
		secrets_init(&secrets, mechanisms[i], "pass");
		start(&peer, &secrets, WHOLE, true);
		peer_say(&peer, GO);
		peer_say(&peer, OFFER("PLAIN LOGIN XOAUTH2 OAUTHBEARER"));
		for (; rounds < 100 && bm_smtp_deadline(peer.smtp) != BM_SMTP_NEVER; rounds++)
			peer_say(&peer, "334 AAAA\r\n");
		assert_in_range(rounds, 1, BM_SASL_ROUNDS_MAX + 2);
		peer_expect(&peer.log, CLOSED("AUTH final at AUTH"));
		assert_memory_equal(peer.wire.data + peer.wire.size - 3, "*\r\n", 3);
		peer_deinit(&peer);
		bm_secret_free(secrets.secret);
	}
}

/* conformance: 16, A16 */
static void a_dripping_challenge_gains_nothing(void **state)
{
	(void)state;
	struct secrets secrets;
	struct peer peer;
	secrets_init(&secrets, "LOGIN", "pass");
	start(&peer, &secrets, WHOLE, true);
	peer_say(&peer, GO);
	peer_say(&peer, OFFER("LOGIN"));
	for (uint64_t i = 0; i < 300; i++) {
		peer_tick(&peer, i * 1000);
		peer_feed(&peer, i < 4 ? &"334 "[i] : "A", 1);
		assert_true(bm_smtp_deadline(peer.smtp) == 300000);
	}
	peer_tick(&peer, 300000);
	peer_expect(&peer.log, CLOSED("TIMEOUT at AUTH"));
	peer_deinit(&peer);
	bm_secret_free(secrets.secret);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(logs_in),
		cmocka_unit_test(does_not_get_in),
		cmocka_unit_test(cancels_a_lie),
		cmocka_unit_test(shows_no_secret_to_strangers),
		cmocka_unit_test(waits_for_tls_that_is_put_off),
		cmocka_unit_test(forgets_a_list_said_in_clear),
		cmocka_unit_test(says_why),
		cmocka_unit_test(no_event_shows_what_was_said),
		cmocka_unit_test(no_event_shows_what_is_repeated),
		cmocka_unit_test(wipes_what_was_sent),
		cmocka_unit_test(a_long_secret_waits_for_its_turn),
		cmocka_unit_test(a_challenge_has_its_bounds),
		cmocka_unit_test(challenges_end),
		cmocka_unit_test(a_dripping_challenge_gains_nothing),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
