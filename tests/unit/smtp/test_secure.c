/* SPDX-License-Identifier: MIT */
/* TLS, at once and by STARTTLS: what is said before it and behind it, and that only the caller's word makes it so. */
#include "peer.h"

#define SECURED "secured"
#define VERIFIED "verified"
#define LOST "lost"
#define CUT "cut"
#define TICK "tick"
#define PIECES_MAX 12

#define NONE BM_SMTP_TLS_NONE, false
#define MAY BM_SMTP_TLS_MAY, false
#define DEMAND BM_SMTP_TLS_DEMAND, false
#define WRAPPED BM_SMTP_TLS_DEMAND, true

#define EHLO "EHLO me.example\r\n"
#define HELO "HELO me.example\r\n"
#define STARTTLS "STARTTLS\r\n"
#define OFFER "250-peer\r\n250-8BITMIME\r\n250 STARTTLS\r\n"
#define GO "220 go\r\n"

struct scenario {
	const char *name;
	enum bm_smtp_tls tls;
	bool wrapped;
	const char *pieces[PIECES_MAX]; /* what the peer says, or one of the words above */
	const char *log;
	const char *wire;
};

static void start(struct peer *peer, size_t cut, enum bm_smtp_tls tls, bool wrapped)
{
	struct bm_smtp_options options = BM_SMTP_OPTIONS_INIT;
	options.tls = tls;
	options.wrapped = wrapped;
	peer_init_with(peer, cut, &options);
}

static void play(struct peer *peer, const struct scenario *scenario, size_t cut)
{
	start(peer, cut, scenario->tls, scenario->wrapped);
	for (size_t i = 0; i < PIECES_MAX && scenario->pieces[i] != NULL; i++) {
		const char *piece = scenario->pieces[i];
		if (strcmp(piece, SECURED) == 0 || strcmp(piece, VERIFIED) == 0)
			peer_secured(peer, strcmp(piece, VERIFIED) == 0);
		else if (strcmp(piece, LOST) == 0)
			peer_lost(peer);
		else if (strcmp(piece, CUT) == 0)
			peer_cut(peer);
		else if (strcmp(piece, TICK) == 0)
			peer_tick(peer, bm_smtp_deadline(peer->smtp));
		else
			peer_say(peer, piece);
	}
}

static void run(const struct scenario *scenarios, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		print_message("# %s\n", scenarios[i].name);
		for (size_t cut = 0; cut <= 60; cut++) {
			struct peer peer;
			play(&peer, &scenarios[i], cut < 60 ? cut : BYTES);
			peer_expect(&peer.log, scenarios[i].log);
			peer_expect(&peer.wire, scenarios[i].wire);
			peer_deinit(&peer);
		}
	}
}

#define RUN(scenarios) run(scenarios, sizeof(scenarios) / sizeof((scenarios)[0]))

/* conformance: 28, 40, 42, 43 */
static void starts_tls_where_it_is_offered(void **state)
{
	(void)state;
	static const struct scenario scenarios[] = {
		{"never", NONE, {GO, OFFER}, "ready\n", EHLO},
		{"may, offered", MAY, {GO, OFFER, GO, SECURED, OFFER}, "secure\nready\n", EHLO STARTTLS EHLO},
		{"may, not offered", MAY, {GO, "250 peer\r\n"}, "ready\n", EHLO},
		{"may, behind HELO", MAY, {GO, "502 what\r\n", "250 peer\r\n"}, "ready\n", EHLO HELO},
		{"may, deferred", MAY, {GO, OFFER, "454 later\r\n"}, "ready\n", EHLO STARTTLS},
		{"may, refused", MAY, {GO, OFFER, "502-no\r\n502 such\r\n"}, "ready\n", EHLO STARTTLS},
		{"may, 421", MAY, {GO, OFFER, "421 bye\r\n"}, "closed 421 at STARTTLS 421\n", EHLO STARTTLS},
		{"demanded", DEMAND, {GO, OFFER, "220-go\r\n220 on\r\n", VERIFIED, "250 peer\r\n"}, "secure\nready\n",
			EHLO STARTTLS EHLO},
		{"EHLO is not known inside", DEMAND, {GO, OFFER, GO, SECURED, "500 what\r\n", "250 peer\r\n"},
			"secure\nready\n", EHLO STARTTLS EHLO HELO},
		{"wrapped", WRAPPED, {SECURED, "220 hi\r\n", OFFER}, "secure\nready\n", EHLO},
		{"wrapped, turned away", WRAPPED, {SECURED, "554 no\r\n"}, "secure\nclosed GREETING at greeting 554\n", ""},
		{"wrapped, HELO", WRAPPED, {SECURED, GO, "500 what\r\n", "250 peer\r\n"}, "secure\nready\n", EHLO HELO},
	};
	RUN(scenarios);
}

/* Not one octet of MAIL or AUTH in clear. */
/* conformance: 40, 43, 44, A03, A04 */
static void ends_without_the_tls_that_is_demanded(void **state)
{
	(void)state;
	static const struct scenario scenarios[] = {
		{"not offered", DEMAND, {GO, "250-peer\r\n250 AUTH PLAIN\r\n"}, "closed TLS at EHLO\n", EHLO},
		{"EHLO is not known", DEMAND, {GO, "502 what\r\n", "250 peer\r\n"}, "closed TLS at HELO\n", EHLO HELO},
		{"454", DEMAND, {GO, OFFER, "454 later\r\n"}, "closed TLS at STARTTLS 454\n", EHLO STARTTLS},
		{"502", DEMAND, {GO, OFFER, "502 no\r\n"}, "closed TLS at STARTTLS 502\n", EHLO STARTTLS},
		{"503 already in TLS", DEMAND, {GO, OFFER, "503 5.5.1 already in TLS\r\n250 go on\r\n"},
			"closed TLS at STARTTLS 503\n", EHLO STARTTLS},
		{"421", DEMAND, {GO, OFFER, "421 bye\r\n"}, "closed 421 at STARTTLS 421\n", EHLO STARTTLS},
		{"250 is no 220", DEMAND, {GO, OFFER, "250 go\r\n"}, "closed OUT_OF_STEP at STARTTLS 250\n", EHLO STARTTLS},
		{"235 is no 220", DEMAND, {GO, OFFER, "235 you are in\r\n"}, "closed OUT_OF_STEP at STARTTLS 235\n",
			EHLO STARTTLS},
		{"354", DEMAND, {GO, OFFER, "354 go\r\n"}, "closed OUT_OF_STEP at STARTTLS 354\n", EHLO STARTTLS},
		{"220 before it was said", DEMAND, {GO, OFFER GO}, "closed OUT_OF_STEP at STARTTLS 220\n", EHLO},
	};
	RUN(scenarios);
}

/* What came before the handshake was said in clear, whoever said it. */
/* conformance: 41, A01 */
static void octets_before_the_handshake_end_it(void **state)
{
	(void)state;
	static const struct scenario scenarios[] = {
		{"in one segment", DEMAND, {GO, OFFER, "220 go\r\n250-peer\r\n250 AUTH PLAIN\r\n"},
			"secure\nclosed TLS at TLS handshake\n", EHLO STARTTLS},
		{"half a line", MAY, {GO, OFFER, "220 go\r\n2"}, "secure\nclosed TLS at TLS handshake\n", EHLO STARTTLS},
		{"a line end", MAY, {GO, OFFER, "220 go\r\n\r\n"}, "secure\nclosed TLS at TLS handshake\n", EHLO STARTTLS},
		{"in the next", DEMAND, {GO, OFFER, GO, "x"}, "secure\nclosed TLS at TLS handshake\n", EHLO STARTTLS},
		{"421", DEMAND, {GO, OFFER, GO, "421 bye\r\n"}, "secure\nclosed TLS at TLS handshake\n", EHLO STARTTLS},
		{"then secured: too late", DEMAND, {GO, OFFER, GO, "x", SECURED}, "secure\nclosed TLS at TLS handshake\n",
			EHLO STARTTLS},
		{"wrapped", WRAPPED, {GO}, "secure\nclosed TLS at TLS handshake\n", ""},
	};
	RUN(scenarios);
}

/* conformance: 16, F05, F41 */
static void the_handshake_fails(void **state)
{
	(void)state;
	static const struct scenario scenarios[] = {
		{"lost", DEMAND, {GO, OFFER, GO, LOST}, "secure\nclosed TLS at TLS handshake\n", EHLO STARTTLS},
		{"lost, wrapped", WRAPPED, {LOST, SECURED}, "secure\nclosed TLS at TLS handshake\n", ""},
		{"lost before it", DEMAND, {GO, OFFER, LOST}, "closed LOST at STARTTLS\n", EHLO STARTTLS},
		{"lost behind it", DEMAND, {GO, OFFER, GO, SECURED, LOST}, "secure\nclosed LOST at EHLO\n", EHLO STARTTLS EHLO},
		{"we leave", MAY, {GO, OFFER, GO, CUT}, "secure\nclosed LOST at TLS handshake\n", EHLO STARTTLS},
		{"stalls", DEMAND, {GO, OFFER, GO, TICK, SECURED}, "secure\nclosed TIMEOUT at TLS handshake\n", EHLO STARTTLS},
		{"stalls, wrapped", WRAPPED, {TICK}, "secure\nclosed TIMEOUT at TLS handshake\n", ""},
	};
	RUN(scenarios);
}

/* The reason is kept though the stream that gave it may be gone. */
static void keeps_the_reason(void **state)
{
	(void)state;
	char reason[] = "the certificate is not theirs";
	struct bm_smtp_event event;
	struct peer peer;
	start(&peer, WHOLE, BM_SMTP_TLS_DEMAND, true);
	bm_smtp_lost(peer.smtp, reason, 0);
	memset(reason, '?', sizeof reason - 1);
	assert_true(bm_smtp_next_event(peer.smtp, &event));
	assert_int_equal(event.kind, BM_SMTP_CLOSED);
	assert_string_equal(event.reason, "the certificate is not theirs");
	peer_deinit(&peer);
}

/* Only bm_smtp_secured says that a session is, and only when it was asked for. */
/* conformance: A04 */
static void nothing_else_secures(void **state)
{
	(void)state;
	struct peer peer;
	start(&peer, WHOLE, BM_SMTP_TLS_MAY, false);
	peer_secured(&peer, true);
	peer_say(&peer, GO);
	peer_secured(&peer, true);
	peer_say(&peer, "250 peer\r\n");
	peer_secured(&peer, true);
	assert_true(bm_smtp_idle(peer.smtp));
	assert_false(bm_smtp_capabilities(peer.smtp)->secured || bm_smtp_capabilities(peer.smtp)->verified);
	peer_expect(&peer.log, "ready\n");
	peer_expect(&peer.wire, EHLO);
	peer_deinit(&peer);
}

/* RFC 3207, 4.2 */
/* conformance: 27, 42 */
static void forgets_what_was_said_in_clear(void **state)
{
	(void)state;
	struct peer peer;
	start(&peer, BYTES, BM_SMTP_TLS_DEMAND, false);
	const struct bm_smtp_capabilities *known = bm_smtp_capabilities(peer.smtp);
	peer_say(&peer, GO);
	peer_say(&peer, "250-x\r\n250-PIPELINING\r\n250-CHUNKING\r\n250-SIZE 10\r\n250-REQUIRETLS\r\n250 STARTTLS\r\n");
	assert_false(known->esmtp || known->pipelining || known->size || known->starttls);
	peer_say(&peer, GO);
	peer_secured(&peer, true);
	assert_int_equal(bm_smtp_keyword(peer.smtp, 0).size, 0);
	assert_false(bm_smtp_idle(peer.smtp));
	assert_int_equal(bm_smtp_room(peer.smtp), 0);
	peer_say(&peer, "250-x\r\n250 8BITMIME\r\n");
	assert_true(known->esmtp && known->eight_bit_mime && known->secured && known->verified);
	assert_false(known->pipelining || known->chunking || known->size || known->starttls || known->require_tls);
	assert_int_equal(bm_smtp_mode(peer.smtp), BM_SMTP_PIPELINING_OFF);
	assert_true(bm_span_equal(bm_smtp_keyword(peer.smtp, 0), bm_span_of("8BITMIME")));
	assert_int_equal(bm_smtp_keyword(peer.smtp, 1).size, 0);
	peer_deinit(&peer);
}

/* conformance: 69 */
static void requires_tls_of_the_verified_alone(void **state)
{
	(void)state;
	for (size_t verified = 0; verified <= 1; verified++) {
		struct peer peer;
		start(&peer, WHOLE, BM_SMTP_TLS_DEMAND, true);
		peer_secured(&peer, verified == 1);
		peer_say(&peer, GO);
		peer_say(&peer, "250-x\r\n250 REQUIRETLS\r\n");
		assert_int_equal(bm_smtp_capabilities(peer.smtp)->require_tls, verified == 1);
		assert_int_equal(bm_smtp_capabilities(peer.smtp)->verified, verified == 1);
		assert_true(bm_smtp_capabilities(peer.smtp)->secured);
		peer_deinit(&peer);
	}
}

/* conformance: 16, A16 */
static void the_handshake_has_its_deadline(void **state)
{
	(void)state;
	struct peer peer;
	start(&peer, WHOLE, BM_SMTP_TLS_DEMAND, true);
	assert_true(bm_smtp_deadline(peer.smtp) == 60000);
	peer.now_ms = 1000;
	peer_secured(&peer, false);
	assert_true(bm_smtp_deadline(peer.smtp) == 301000);
	peer_deinit(&peer);

	start(&peer, WHOLE, BM_SMTP_TLS_DEMAND, false);
	peer_say(&peer, GO);
	peer.now_ms = 2000;
	peer_say(&peer, OFFER);
	assert_true(bm_smtp_deadline(peer.smtp) == 302000);
	peer.now_ms = 3000;
	peer_say(&peer, GO);
	assert_true(bm_smtp_deadline(peer.smtp) == 63000);
	peer.now_ms = 4000;
	peer_secured(&peer, false);
	assert_true(bm_smtp_deadline(peer.smtp) == 304000);
	peer_deinit(&peer);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(starts_tls_where_it_is_offered),
		cmocka_unit_test(ends_without_the_tls_that_is_demanded),
		cmocka_unit_test(octets_before_the_handshake_end_it),
		cmocka_unit_test(the_handshake_fails),
		cmocka_unit_test(keeps_the_reason),
		cmocka_unit_test(nothing_else_secures),
		cmocka_unit_test(forgets_what_was_said_in_clear),
		cmocka_unit_test(requires_tls_of_the_verified_alone),
		cmocka_unit_test(the_handshake_has_its_deadline),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
