/* SPDX-License-Identifier: MIT */
/* What MAIL and RCPT say beside the address: SMTPUTF8 (RFC 6531), REQUIRETLS (RFC 8689), reports (RFC 3461, RFC 6533).
 */
#include "peer.h"

#include <stdio.h>
#include <stdlib.h>

#define ALL "250-x\r\n250-SIZE\r\n250-8BITMIME\r\n250-SMTPUTF8\r\n250-REQUIRETLS\r\n250 DSN\r\n"
#define A_UMLAUT "\xc3\xa4"

struct wish {
	const char *sender;
	const char *recipient;
	bool eight_bit;
	bool utf8;
	bool require_tls;
	const char *ret;
	const char *envid;
	const char *notify;
};

static void start(struct peer *peer, const char *ehlo)
{
	struct bm_smtp_options options = BM_SMTP_OPTIONS_INIT;
	options.wrapped = true;
	peer_init_with(peer, WHOLE, &options);
	peer_secured(peer, true);
	peer_greet(peer, ehlo);
}

static enum bm_code submit(struct peer *peer, const struct wish *wish)
{
	static struct bm_span recipient;
	struct bm_smtp_transaction tx = peer_transaction(1, 1);
	recipient = bm_span_of(wish->recipient == NULL ? "a@x" : wish->recipient);
	if (wish->sender != NULL)
		tx.sender = bm_span_of(wish->sender);
	tx.recipients = &recipient;
	tx.eight_bit = wish->eight_bit;
	tx.utf8 = wish->utf8;
	tx.require_tls = wish->require_tls;
	tx.ret = wish->ret;
	tx.notify = wish->notify;
	if (wish->envid != NULL)
		tx.envid = bm_span_of(wish->envid);
	enum bm_code code = bm_smtp_submit(peer->smtp, &tx, 0, NULL);
	peer_pump(peer);
	return code;
}

static void check(const char *ehlo, const struct wish *wish, const char *wire)
{
	struct peer peer;
	start(&peer, ehlo);
	assert_int_equal(submit(&peer, wish), BM_OK);
	peer_say(&peer, "250 ok\r\n");
	peer_expect(&peer.wire, wire);
	peer_deinit(&peer);
}

/* conformance: 3, 55, 58, 63, 64 */
static void says_what_is_asked_for_and_offered(void **state)
{
	(void)state;
	static const struct {
		const char *ehlo;
		struct wish wish;
		const char *wire;
	} cases[] = {
		{ALL, {.sender = "s@x"}, "MAIL FROM:<s@x> SIZE=18\r\nRCPT TO:<a@x>\r\n"},
		{ALL, {.sender = "s@x", .utf8 = true}, "MAIL FROM:<s@x> SIZE=18 SMTPUTF8\r\nRCPT TO:<a@x>\r\n"},
		{ALL, {.recipient = A_UMLAUT "@" A_UMLAUT, .utf8 = true, .eight_bit = true},
			"MAIL FROM:<me@here> SIZE=18 BODY=8BITMIME SMTPUTF8\r\nRCPT TO:<" A_UMLAUT "@" A_UMLAUT ">\r\n"},
		{ALL, {.require_tls = true}, "MAIL FROM:<me@here> SIZE=18 REQUIRETLS\r\nRCPT TO:<a@x>\r\n"},
		{ALL, {.sender = "", .ret = "HDRS"}, "MAIL FROM:<> SIZE=18 RET=HDRS\r\nRCPT TO:<a@x>\r\n"},
		{ALL, {.ret = "FULL", .envid = "id=1 +2", .notify = "NEVER"},
			"MAIL FROM:<me@here> SIZE=18 RET=FULL ENVID=id+3D1+20+2B2\r\nRCPT TO:<a@x> NOTIFY=NEVER "
			"ORCPT=rfc822;a@x\r\n"},
		{ALL, {.recipient = "a+b=c@x", .notify = "SUCCESS,FAILURE,DELAY"},
			"MAIL FROM:<me@here> SIZE=18\r\nRCPT TO:<a+b=c@x> NOTIFY=SUCCESS,FAILURE,DELAY "
			"ORCPT=rfc822;a+2Bb+3Dc@x\r\n"},
		{ALL, {.recipient = "\"a b\"@x", .notify = "FAILURE"},
			"MAIL FROM:<me@here> SIZE=18\r\nRCPT TO:<\"a b\"@x> NOTIFY=FAILURE ORCPT=rfc822;\"a+20b\"@x\r\n"},
		{ALL, {.recipient = A_UMLAUT "+\\=\xe2\x82\xac\xf0\x9f\x98\x80@x", .utf8 = true, .notify = "NEVER"},
			"MAIL FROM:<me@here> SIZE=18 SMTPUTF8\r\nRCPT TO:<" A_UMLAUT "+\\=\xe2\x82\xac\xf0\x9f\x98\x80@x> "
			"NOTIFY=NEVER ORCPT=utf-8;\\x{E4}\\x{2B}\\x{5C}\\x{3D}\\x{20AC}\\x{1F600}@x\r\n"},
		/* in a transaction with UTF-8 who has none is still of the old type */
		{ALL, {.utf8 = true, .notify = "NEVER"},
			"MAIL FROM:<me@here> SIZE=18 SMTPUTF8\r\nRCPT TO:<a@x> NOTIFY=NEVER ORCPT=rfc822;a@x\r\n"},
		/* without DSN it goes without */
		{"250 x\r\n", {.ret = "FULL", .envid = "1", .notify = "NEVER"}, "MAIL FROM:<me@here>\r\nRCPT TO:<a@x>\r\n"},
		{"250-x\r\n250 DSNX\r\n", {.notify = "NEVER"}, "MAIL FROM:<me@here>\r\nRCPT TO:<a@x>\r\n"},
		{"250-x\r\n250 dsn\r\n", {.notify = "NEVER"},
			"MAIL FROM:<me@here>\r\nRCPT TO:<a@x> NOTIFY=NEVER ORCPT=rfc822;a@x\r\n"},
	};
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
		check(cases[i].ehlo, &cases[i].wish, cases[i].wire);
}

/* conformance: 56, 57, 59, 63, 69, A21, A30 */
static void refuses_what_cannot_be_said(void **state)
{
	(void)state;
	static char long_envid[102];
	memset(long_envid, 'x', 101);
	const struct {
		const char *ehlo;
		struct wish wish;
		enum bm_code code;
	} cases[] = {
		{"250-x\r\n250 8BITMIME\r\n", {.utf8 = true}, BM_E_UNSUPPORTED},
		{"250 x\r\n", {.recipient = A_UMLAUT "@x", .utf8 = true}, BM_E_UNSUPPORTED},
		{"250-x\r\n250 SMTPUTF8\r\n", {.utf8 = true, .eight_bit = true}, BM_E_UNSUPPORTED},
		{"250 x\r\n", {.require_tls = true}, BM_E_UNSUPPORTED},
		{ALL, {.recipient = A_UMLAUT "@x"}, BM_E_ADDRESS},
		{ALL, {.sender = A_UMLAUT "@x"}, BM_E_ADDRESS},
		{ALL, {.recipient = "\xc3@x", .utf8 = true}, BM_E_ADDRESS},
		{ALL, {.recipient = "\xc0\xaf@x", .utf8 = true}, BM_E_ADDRESS},
		{ALL, {.recipient = "\xed\xa0\x80@x", .utf8 = true}, BM_E_ADDRESS},
		{ALL, {.sender = "\xff@x", .utf8 = true}, BM_E_ADDRESS},
		{ALL, {.recipient = A_UMLAUT "\r\nRSET@x", .utf8 = true}, BM_E_ADDRESS},
		{ALL, {.recipient = A_UMLAUT "\x7f@x", .utf8 = true}, BM_E_ADDRESS},
		{ALL, {.ret = "ALL"}, BM_E_USAGE},
		{ALL, {.ret = "FULL NOTIFY=NEVER"}, BM_E_USAGE},
		{ALL, {.notify = ""}, BM_E_USAGE},
		{ALL, {.notify = "NEVER,FAILURE"}, BM_E_USAGE},
		{ALL, {.notify = "FAILURE,NEVER"}, BM_E_USAGE},
		{ALL, {.notify = "FAILURE,"}, BM_E_USAGE},
		{ALL, {.notify = ",FAILURE"}, BM_E_USAGE},
		{ALL, {.notify = "DELAY,DELAY"}, BM_E_USAGE},
		{ALL, {.notify = "FAILURE ORCPT=x"}, BM_E_USAGE},
		{ALL, {.notify = "FAILURE\r\nRSET"}, BM_E_USAGE},
		{ALL, {.envid = long_envid}, BM_E_USAGE},
		{ALL, {.envid = "a\r\nRSET"}, BM_E_USAGE},
		{ALL, {.envid = A_UMLAUT}, BM_E_USAGE},
		/* also where it would not be said */
		{"250 x\r\n", {.envid = "a\tb"}, BM_E_USAGE},
	};
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		struct peer peer;
		start(&peer, cases[i].ehlo);
		assert_int_equal(submit(&peer, &cases[i].wish), cases[i].code);
		peer_expect(&peer.wire, "");
		assert_true(bm_smtp_idle(peer.smtp));
		peer_deinit(&peer);
	}
}

/* conformance: 69 */
static void requires_tls_of_the_verified_alone(void **state)
{
	(void)state;
	static const struct wish wish = {.require_tls = true};
	for (size_t secured = 0; secured <= 1; secured++) {
		struct bm_smtp_options options = BM_SMTP_OPTIONS_INIT;
		struct peer peer;
		options.wrapped = secured == 1;
		peer_init_with(&peer, WHOLE, &options);
		if (secured == 1)
			peer_secured(&peer, false);
		peer_greet(&peer, ALL);
		assert_int_equal(submit(&peer, &wish), BM_E_UNSUPPORTED);
		peer_deinit(&peer);
	}
}

/* The longest of everything. */
/* conformance: 8, 63, 65 */
static void lines_are_bounded(void **state)
{
	(void)state;
	char sender[961];
	char envid[101];
	char orcpt[500];
	struct wish wish = {
		.utf8 = true, .eight_bit = true, .require_tls = true, .ret = "FULL", .notify = "SUCCESS,FAILURE,DELAY"};
	memset(sender, 's', sizeof sender);
	sender[960] = '\0';
	memset(envid, ' ', sizeof envid);
	envid[100] = '\0';
	memset(orcpt, 'r', sizeof orcpt);
	wish.sender = sender;
	wish.envid = envid;
	wish.recipient = orcpt;
	/* "rfc822;" and 493 octets are 500 */
	for (size_t size = 492; size <= 495; size++) {
		struct peer peer;
		start(&peer, ALL);
		orcpt[size] = '\0';
		assert_int_equal(submit(&peer, &wish), BM_OK);
		assert_in_range(peer.wire.size, 960 + 300, 1600);
		bm_buf_clear(&peer.wire);
		peer_say(&peer, "250 ok\r\n");
		assert_int_equal(bm_buf_terminate(&peer.wire), BM_OK);
		assert_true((strstr((char *)peer.wire.data, " ORCPT=") != NULL) == (size <= 493));
		assert_non_null(strstr((char *)peer.wire.data, "> NOTIFY=SUCCESS,FAILURE,DELAY"));
		orcpt[size] = 'r';
		peer_deinit(&peer);
	}
	/* what becomes longer as xtext */
	memset(orcpt, '+', 499);
	for (size_t size = 160; size <= 499; size++) {
		struct peer peer;
		start(&peer, ALL);
		orcpt[size] = '\0';
		assert_int_equal(submit(&peer, &wish), BM_OK);
		bm_buf_clear(&peer.wire);
		peer_say(&peer, "250 ok\r\n");
		assert_int_equal(bm_buf_terminate(&peer.wire), BM_OK);
		assert_true((strstr((char *)peer.wire.data, " ORCPT=") != NULL) == (7 + 3 * size <= 500));
		orcpt[size] = '+';
		peer_deinit(&peer);
	}
	struct peer peer;
	char recipient[962];
	memset(recipient, 'r', 961);
	recipient[961] = '\0';
	wish.recipient = recipient;
	start(&peer, ALL);
	assert_int_equal(submit(&peer, &wish), BM_E_ADDRESS);
	recipient[960] = '\0';
	assert_int_equal(submit(&peer, &wish), BM_OK);
	peer_deinit(&peer);
}

/* Such commands are said in a group like any other. */
/* conformance: 28 */
static void rides_in_a_group(void **state)
{
	(void)state;
	struct peer peer;
	struct bm_smtp_transaction tx = peer_transaction(1, 2);
	peer_init(&peer, WHOLE, BM_SMTP_PIPELINING_STREAM);
	peer_greet(&peer, "250-x\r\n250-PIPELINING\r\n250-CHUNKING\r\n250 DSN\r\n");
	tx.notify = "NEVER";
	tx.envid = bm_span_of("7");
	assert_int_equal(bm_smtp_submit(peer.smtp, &tx, 0, NULL), BM_OK);
	peer_pump(&peer);
	peer_expect(&peer.wire, "MAIL FROM:<me@here> ENVID=7\r\nRCPT TO:<a@x> NOTIFY=NEVER ORCPT=rfc822;a@x\r\n"
							"RCPT TO:<b@x> NOTIFY=NEVER ORCPT=rfc822;b@x\r\nBDAT 19 LAST\r\nSubject: s\r\n\r\n..x\r\n");
	peer_deinit(&peer);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(says_what_is_asked_for_and_offered),
		cmocka_unit_test(refuses_what_cannot_be_said),
		cmocka_unit_test(requires_tls_of_the_verified_alone),
		cmocka_unit_test(lines_are_bounded),
		cmocka_unit_test(rides_in_a_group),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
