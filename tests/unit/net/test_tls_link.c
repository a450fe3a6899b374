/* SPDX-License-Identifier: MIT */
/* TLS below a machine, in the loop and in the driver that waits. */
#include "tls_peer.h"

#include "../unit.h"
#include "net/clock.h"
#include "net/driver.h"
#include "net/loop.h"

#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define OFFER "250-peer\r\n250 STARTTLS\r\n"
#define EHLO_REPLY "250-peer\r\n250 8BITMIME\r\n"
#define TURNS_MAX 200
#define CONTENT_SIZE ((size_t)600000)

struct fixture {
	struct tls_identity authority;
	struct tls_identity identity;
	char trust[TLS_PATH_SIZE];
	SSL_CTX *server;
};

static int set_up(void **state)
{
	static struct fixture fixture;
	static const struct tls_cert_spec ca = {.name = "Test CA", .ca = true, .to_days = 10};
	static const struct tls_cert_spec leaf = {.san = "DNS:relay.test"};
	fixture.authority = tls_identity_new(&ca, NULL);
	fixture.identity = tls_identity_new(&leaf, &fixture.authority);
	fixture.server = tls_server_context(&fixture.identity);
	tls_write_trust(fixture.trust, &fixture.authority, NULL);
	*state = &fixture;
	return 0;
}

static int tear_down(void **state)
{
	struct fixture *fixture = *state;
	unlink(fixture->trust);
	SSL_CTX_free(fixture->server);
	tls_identity_free(&fixture->identity);
	tls_identity_free(&fixture->authority);
	return 0;
}

static struct bm_tls *policy_of(const struct fixture *fixture, const char *host)
{
	struct bm_tls_options options = {.verify = true, .host = host, .ca_file = fixture->trust};
	struct bm_tls *tls = NULL;
	assert_int_equal(bm_tls_new(&tls, &options, NULL), BM_OK);
	return tls;
}

/* A link, its peer, and what the machine told. */
struct session {
	struct bm_loop *loop;
	struct bm_link *link;
	struct bm_tls *tls;
	struct tls_peer peer;
	unsigned secure;
	unsigned ready;
	unsigned transactions;
	unsigned accepted;
	unsigned closed;
	bool hold; /* SECURE is not acted upon */
	enum bm_smtp_end end;
	char reason[256];
};

static struct bm_smtp *machine(bool wrapped, uint64_t timeout_ms)
{
	struct bm_smtp_options options = BM_SMTP_OPTIONS_INIT;
	struct bm_smtp *smtp = NULL;
	options.domain = "me.example";
	options.timeout_ms = timeout_ms;
	options.tls = BM_SMTP_TLS_DEMAND;
	options.wrapped = wrapped;
	assert_int_equal(bm_smtp_new(&smtp, &options, bm_clock_monotonic_ms(), NULL), BM_OK);
	return smtp;
}

static void take_event(struct session *session, const struct bm_smtp_event *event)
{
	session->secure += event->kind == BM_SMTP_SECURE;
	session->ready += event->kind == BM_SMTP_READY;
	session->transactions += event->kind == BM_SMTP_TRANSACTION;
	session->accepted += event->kind == BM_SMTP_RECIPIENT && event->disposition == BM_SMTP_ACCEPTED;
	session->closed += event->kind == BM_SMTP_CLOSED;
	if (event->kind == BM_SMTP_CLOSED) {
		session->end = event->end;
		snprintf(session->reason, sizeof session->reason, "%s", event->reason != NULL ? event->reason : "");
	}
	if (event->kind == BM_SMTP_SECURE && !session->hold)
		bm_link_secure(session->link, session->tls);
}

static void take_events(struct bm_loop *loop)
{
	struct bm_link *link;
	struct bm_smtp_event event;
	while ((link = bm_loop_next_touched(loop)) != NULL) {
		while (bm_smtp_next_event(link->smtp, &event))
			take_event(link->user, &event);
	}
}

static void go_round(struct bm_loop *loop, uint64_t wait_ms)
{
	bm_loop_wait(loop, bm_clock_monotonic_ms() + wait_ms);
	take_events(loop);
	bm_loop_write(loop);
}

static void add_session(struct session *session, struct bm_loop *loop, const struct fixture *fixture, const char *host,
	bool wrapped, uint64_t timeout_ms)
{
	struct bm_stream *stream = NULL;
	*session = (struct session){.loop = loop, .tls = policy_of(fixture, host)};
	tls_peer_open(&session->peer, fixture->server, &stream);
	assert_int_equal(bm_link_new(&session->link, loop, machine(wrapped, timeout_ms), stream, session, NULL), BM_OK);
	struct bm_smtp_event event;
	while (bm_smtp_next_event(session->link->smtp, &event))
		take_event(session, &event);
}

static void drop_session(struct session *session)
{
	bm_link_free(session->link);
	bm_tls_free(session->tls);
	tls_peer_close(&session->peer);
}

static void say_plain(struct session *session, const char *text)
{
	assert_int_equal(send(session->peer.fd, text, strlen(text), MSG_NOSIGNAL), (ssize_t)strlen(text));
}

static void assert_heard_plain(struct session *session, const char *text)
{
	char octets[256];
	assert_int_equal(recv(session->peer.fd, octets, sizeof octets, 0), (ssize_t)strlen(text));
	assert_memory_equal(octets, text, strlen(text));
}

/* In the clear, until the server has told to begin. */
static void reach_starttls(struct session *session, const char *go)
{
	say_plain(session, "220 peer\r\n");
	go_round(session->loop, 1000);
	assert_heard_plain(session, "EHLO me.example\r\n");
	say_plain(session, OFFER);
	go_round(session->loop, 1000);
	assert_heard_plain(session, "STARTTLS\r\n");
	say_plain(session, go);
	go_round(session->loop, 1000);
}

/* Rounds until the server's side of the handshake is done too, or the session is over. */
static void shake_hands(struct session *session)
{
	for (int turn = 0; turn < TURNS_MAX && session->closed == 0; turn++) {
		tls_peer_step(&session->peer);
		if (SSL_is_init_finished(session->peer.ssl) != 0)
			return;
		go_round(session->loop, 10);
	}
}

static void assert_heard(struct session *session, const char *text)
{
	char octets[4096];
	size_t size = tls_peer_hear(&session->peer, octets, sizeof octets);
	assert_int_equal(size, strlen(text));
	assert_memory_equal(octets, text, size);
}

static void answer(struct session *session, const char *text)
{
	tls_peer_say(&session->peer, text);
	tls_peer_step(&session->peer);
	go_round(session->loop, 1000);
}

static void submit(struct session *session, const struct bm_span *content)
{
	static const struct bm_span recipient = {.data = (const unsigned char *)"u@x.example", .size = 11};
	struct bm_smtp_transaction transaction = {.sender = bm_span_of("me@x.example"),
		.recipients = &recipient,
		.recipient_count = 1,
		.content = content,
		.content_count = 1,
		.size_bytes = content->size};
	assert_int_equal(bm_smtp_submit(session->link->smtp, &transaction, bm_loop_now_ms(session->loop), NULL), BM_OK);
	bm_link_stir(session->link);
	bm_loop_write(session->loop);
}

static void reach_content(struct session *session, const struct bm_span *content)
{
	submit(session, content);
	assert_heard(session, "MAIL FROM:<me@x.example>\r\n");
	answer(session, "250 ok\r\n");
	assert_heard(session, "RCPT TO:<u@x.example>\r\n");
	answer(session, "250 ok\r\n");
	assert_heard(session, "DATA\r\n");
	answer(session, "354 go on\r\n");
}

/* conformance: 40, 42, 43 */
static void a_message_behind_starttls(void **state)
{
	static const struct bm_span content = {.data = (const unsigned char *)"S: x\r\n\r\nhello\r\n", .size = 15};
	struct bm_loop *loop = NULL;
	struct session session;
	uint64_t since = 0;
	uint64_t round_trip = 0;
	assert_int_equal(bm_loop_new(&loop, NULL, NULL), BM_OK);
	add_session(&session, loop, *state, "relay.test", false, 0);
	reach_starttls(&session, "220 go\r\n");
	assert_int_equal(session.secure, 1);
	shake_hands(&session);
	go_round(loop, 100);
	assert_true(bm_link_awaiting(session.link, &since, &round_trip));
	assert_heard(&session, "EHLO me.example\r\n");
	answer(&session, EHLO_REPLY);
	assert_int_equal(session.ready, 1);
	assert_true(bm_smtp_capabilities(session.link->smtp)->secured);
	assert_true(bm_smtp_capabilities(session.link->smtp)->verified);
	reach_content(&session, &content);
	assert_heard(&session, "S: x\r\n\r\nhello\r\n.\r\n");
	answer(&session, "250 taken\r\n");
	assert_int_equal(session.accepted, 1);
	assert_int_equal(session.transactions, 1);
	drop_session(&session);
	bm_loop_free(loop);
}

/* The greeting comes with the last octets of the handshake: nothing tells of it but the stream itself. conformance: 46
 */
/* conformance: 46 */
static void a_greeting_right_behind_the_handshake(void **state)
{
	struct bm_loop *loop = NULL;
	struct session session;
	assert_int_equal(bm_loop_new(&loop, NULL, NULL), BM_OK);
	add_session(&session, loop, *state, "relay.test", true, 0);
	assert_int_equal(SSL_set_max_proto_version(session.peer.ssl, TLS1_2_VERSION), 1);
	session.peer.greeting = "220 peer\r\n";
	go_round(loop, 100);
	assert_int_equal(session.secure, 1);
	shake_hands(&session);
	for (int i = 0; i < 3; i++)
		go_round(loop, 10);
	assert_heard(&session, "EHLO me.example\r\n");
	answer(&session, EHLO_REPLY);
	assert_int_equal(session.ready, 1);
	drop_session(&session);
	bm_loop_free(loop);
}

static uint64_t round_trip_of(const struct session *session)
{
	uint64_t since = 0;
	uint64_t round_trip = 0;
	(void)bm_link_awaiting(session->link, &since, &round_trip);
	return round_trip;
}

static void a_handshake_is_no_round_trip(void **state)
{
	struct bm_loop *loop = NULL;
	struct session session;
	assert_int_equal(bm_loop_new(&loop, NULL, NULL), BM_OK);
	add_session(&session, loop, *state, "relay.test", true, 0);
	go_round(loop, 0);
	shake_hands(&session);
	go_round(loop, 10);
	assert_int_equal(round_trip_of(&session), 0);
	uint64_t begun = bm_clock_monotonic_us();
	tls_peer_say(&session.peer, "220 peer\r\n");
	tls_peer_step(&session.peer);
	go_round(loop, 100);
	assert_int_equal(round_trip_of(&session), 0);
	assert_heard(&session, "EHLO me.example\r\n");
	answer(&session, EHLO_REPLY);
	assert_in_range(round_trip_of(&session), 1, bm_clock_monotonic_us() - begun);
	drop_session(&session);
	bm_loop_free(loop);
}

/* conformance: 43, 44 */
static void who_is_not_meant_hears_no_more(void **state)
{
	struct bm_loop *loop = NULL;
	struct session session;
	char octets[64];
	assert_int_equal(bm_loop_new(&loop, NULL, NULL), BM_OK);
	add_session(&session, loop, *state, "other.test", false, 0);
	reach_starttls(&session, "220 go\r\n");
	shake_hands(&session);
	go_round(loop, 10);
	assert_int_equal(session.closed, 1);
	assert_int_equal(session.end, BM_SMTP_END_TLS);
	assert_non_null(strstr(session.reason, "the certificate is for relay.test, not for other.test"));
	assert_int_equal(tls_peer_hear(&session.peer, octets, sizeof octets), 0);
	drop_session(&session);
	bm_loop_free(loop);
}

/* conformance: 41, A01 */
static void what_waits_behind_the_220_ends_it(void **state)
{
	static const char *const ahead[] = {"220 go\r\n250 x\r\n", "220 go\r\n"};
	for (size_t i = 0; i < 2; i++) {
		struct bm_loop *loop = NULL;
		struct session session;
		assert_int_equal(bm_loop_new(&loop, NULL, NULL), BM_OK);
		add_session(&session, loop, *state, "relay.test", false, 0);
		session.hold = true;
		reach_starttls(&session, ahead[i]);
		if (i == 1) {
			assert_int_equal(session.secure, 1);
			say_plain(&session, "2");
			bm_link_secure(session.link, session.tls);
			take_events(loop);
		}
		assert_int_equal(session.closed, 1);
		assert_int_equal(session.end, BM_SMTP_END_TLS);
		drop_session(&session);
		bm_loop_free(loop);
	}
}

/* One octet at a time: what comes moves no deadline. */
/* conformance: F41, A16 */
static void a_dripped_handshake_ends_at_its_deadline(void **state)
{
	struct bm_loop *loop = NULL;
	struct session session;
	assert_int_equal(bm_loop_new(&loop, NULL, NULL), BM_OK);
	add_session(&session, loop, *state, "relay.test", true, 150);
	session.peer.piece = 1;
	uint64_t begun = bm_clock_monotonic_ms();
	while (session.closed == 0 && bm_clock_monotonic_ms() < begun + 5000) {
		tls_peer_step(&session.peer);
		go_round(loop, 5);
	}
	uint64_t took = bm_clock_monotonic_ms() - begun;
	assert_int_equal(session.closed, 1);
	assert_int_equal(session.end, BM_SMTP_END_TIMEOUT);
	assert_true(took >= 140 && took < 1150);
	assert_true(session.peer.said > 5);
	drop_session(&session);
	bm_loop_free(loop);
}

/* conformance: F05, F41 */
static void a_server_that_leaves_within_the_handshake(void **state)
{
	static const size_t most[] = {0, 1, 5, 100, 400, 600};
	for (size_t i = 0; i < sizeof most / sizeof most[0]; i++) {
		struct bm_loop *loop = NULL;
		struct session session;
		assert_int_equal(bm_loop_new(&loop, NULL, NULL), BM_OK);
		add_session(&session, loop, *state, "relay.test", true, 0);
		session.peer.most = most[i];
		go_round(loop, 0);
		tls_peer_step(&session.peer);
		close(session.peer.fd);
		session.peer.fd = -1;
		for (int turn = 0; turn < 5 && session.closed == 0; turn++)
			go_round(loop, 100);
		assert_int_equal(session.closed, 1);
		assert_true(session.end == BM_SMTP_END_TLS || session.end == BM_SMTP_END_LOST);
		drop_session(&session);
		bm_loop_free(loop);
	}
}

/* conformance: F41 */
static void a_content_cut_off_is_not_delivered(void **state)
{
	static const struct bm_span content = {.data = (const unsigned char *)"hello\r\n", .size = 7};
	struct bm_loop *loop = NULL;
	struct session session;
	assert_int_equal(bm_loop_new(&loop, NULL, NULL), BM_OK);
	add_session(&session, loop, *state, "relay.test", true, 0);
	session.peer.greeting = "220 peer\r\n";
	go_round(loop, 0);
	shake_hands(&session);
	go_round(loop, 10);
	go_round(loop, 10);
	assert_heard(&session, "EHLO me.example\r\n");
	answer(&session, EHLO_REPLY);
	reach_content(&session, &content);
	/* the reply is cut within its record, and nobody said goodbye */
	tls_peer_say(&session.peer, "250 taken\r\n");
	session.peer.most = session.peer.said + 20;
	tls_peer_step(&session.peer);
	close(session.peer.fd);
	session.peer.fd = -1;
	go_round(loop, 100);
	assert_int_equal(session.closed, 1);
	assert_int_equal(session.end, BM_SMTP_END_LOST);
	assert_int_equal(session.transactions, 1);
	assert_int_equal(session.accepted, 0);
	drop_session(&session);
	bm_loop_free(loop);
}

/* Many links share a thread, and so OpenSSL's list of errors. */
static void one_that_fails_harms_no_other(void **state)
{
	struct bm_loop *loop = NULL;
	struct session sessions[6];
	assert_int_equal(bm_loop_new(&loop, NULL, NULL), BM_OK);
	for (size_t i = 0; i < 6; i++) {
		add_session(&sessions[i], loop, *state, i % 2 == 0 ? "relay.test" : "other.test", true, 0);
		sessions[i].peer.greeting = "220 peer\r\n";
	}
	for (int turn = 0; turn < 20; turn++) {
		go_round(loop, 5);
		for (size_t i = 0; i < 6; i++)
			tls_peer_step(&sessions[i].peer);
	}
	for (size_t i = 0; i < 6; i++) {
		assert_int_equal(sessions[i].closed, i % 2);
		if (i % 2 == 0)
			assert_heard(&sessions[i], "EHLO me.example\r\n");
		drop_session(&sessions[i]);
	}
	bm_loop_free(loop);
}

/* conformance: 31 */
static void a_large_content_through_a_small_buffer(void **state)
{
	struct bm_loop *loop = NULL;
	struct session session;
	unsigned char *data = malloc(CONTENT_SIZE);
	char *heard = malloc(CONTENT_SIZE + 3);
	size_t size = 0;
	int small = 4096;
	memset(data, 'x', CONTENT_SIZE);
	for (size_t i = 80; i + 2 <= CONTENT_SIZE; i += 82)
		memcpy(data + i, "\r\n", 2);
	memcpy(data + CONTENT_SIZE - 2, "\r\n", 2);
	struct bm_span content = bm_span_make(data, CONTENT_SIZE);
	assert_int_equal(bm_loop_new(&loop, NULL, NULL), BM_OK);
	add_session(&session, loop, *state, "relay.test", true, 0);
	session.peer.greeting = "220 peer\r\n";
	go_round(loop, 0);
	shake_hands(&session);
	go_round(loop, 10);
	go_round(loop, 10);
	assert_heard(&session, "EHLO me.example\r\n");
	answer(&session, EHLO_REPLY);
	reach_content(&session, &content);
	(void)setsockopt(session.peer.fd, SOL_SOCKET, SO_RCVBUF, &small, sizeof small);
	for (int turn = 0; turn < 10000 && size < CONTENT_SIZE + 3; turn++) {
		go_round(loop, 0);
		size += tls_peer_hear(&session.peer, heard + size, CONTENT_SIZE + 3 - size);
	}
	assert_int_equal(size, CONTENT_SIZE + 3);
	assert_memory_equal(heard, data, CONTENT_SIZE);
	answer(&session, "250 taken\r\n");
	assert_int_equal(session.accepted, 1);
	drop_session(&session);
	bm_loop_free(loop);
	free(data);
	free(heard);
}

/* The driver that waits: its peer has a thread. */
static void *run_peer(void *arg)
{
	struct tls_peer *peer = arg;
	char octets[256];
	size_t lines = 0;
	static const char *const replies[] = {EHLO_REPLY, "221 bye\r\n"};
	while (lines < 2) {
		struct pollfd polled = {.fd = peer->fd, .events = POLLIN};
		/* a step may have taken in what is heard only now */
		if (BIO_pending(peer->in) == 0 && (poll(&polled, 1, 5000) <= 0 || (polled.revents & POLLIN) == 0))
			break;
		size_t size = tls_peer_hear(peer, octets, sizeof octets);
		if (size > 0)
			tls_peer_say(peer, replies[lines++]);
		tls_peer_step(peer);
		if (recv(peer->fd, octets, 1, MSG_PEEK | MSG_DONTWAIT) == 0)
			break;
	}
	return NULL;
}

static enum bm_smtp_end drive(struct bm_driver *driver, struct bm_tls *tls, bool *ready)
{
	struct bm_smtp_event event = {.kind = BM_SMTP_SAID};
	while (event.kind != BM_SMTP_CLOSED) {
		assert_int_equal(bm_driver_next(driver, &event), BM_OK);
		if (event.kind == BM_SMTP_SECURE)
			bm_driver_secure(driver, tls);
		*ready |= event.kind == BM_SMTP_READY;
		if (event.kind == BM_SMTP_READY)
			assert_int_equal(bm_smtp_quit(driver->smtp, bm_clock_monotonic_ms(), NULL), BM_OK);
	}
	return event.end;
}

static void the_driver_that_waits(void **state)
{
	static const char *const hosts[] = {"relay.test", "other.test"};
	static const enum bm_smtp_end ends[] = {BM_SMTP_END_QUIT, BM_SMTP_END_TLS};
	const struct fixture *fixture = *state;
	for (size_t i = 0; i < 2; i++) {
		struct tls_peer peer;
		struct bm_driver driver = {.smtp = machine(true, 0)};
		struct bm_tls *tls = policy_of(fixture, hosts[i]);
		pthread_t thread;
		bool ready = false;
		tls_peer_open(&peer, fixture->server, &driver.stream);
		peer.greeting = "220 peer\r\n";
		assert_int_equal(pthread_create(&thread, NULL, run_peer, &peer), 0);
		assert_int_equal(drive(&driver, tls, &ready), ends[i]);
		assert_int_equal(ready, i == 0);
		bm_smtp_free(driver.smtp);
		bm_stream_free(driver.stream);
		assert_int_equal(pthread_join(thread, NULL), 0);
		bm_tls_free(tls);
		tls_peer_close(&peer);
	}
}

/* conformance: F41 */
static void the_driver_waits_no_longer_than_the_phase(void **state)
{
	const struct fixture *fixture = *state;
	struct tls_peer peer;
	uint64_t begun = bm_clock_monotonic_ms();
	struct bm_driver driver = {.smtp = machine(true, 100)};
	struct bm_tls *tls = policy_of(fixture, "relay.test");
	bool ready = false;
	tls_peer_open(&peer, fixture->server, &driver.stream);
	assert_int_equal(drive(&driver, tls, &ready), BM_SMTP_END_TIMEOUT);
	uint64_t took = bm_clock_monotonic_ms() - begun;
	assert_true(took >= 95 && took < 1100);
	bm_smtp_free(driver.smtp);
	bm_stream_free(driver.stream);
	bm_tls_free(tls);
	tls_peer_close(&peer);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_message_behind_starttls),
		cmocka_unit_test(a_greeting_right_behind_the_handshake),
		cmocka_unit_test(a_handshake_is_no_round_trip),
		cmocka_unit_test(who_is_not_meant_hears_no_more),
		cmocka_unit_test(what_waits_behind_the_220_ends_it),
		cmocka_unit_test(a_dripped_handshake_ends_at_its_deadline),
		cmocka_unit_test(a_server_that_leaves_within_the_handshake),
		cmocka_unit_test(a_content_cut_off_is_not_delivered),
		cmocka_unit_test(one_that_fails_harms_no_other),
		cmocka_unit_test(a_large_content_through_a_small_buffer),
		cmocka_unit_test(the_driver_that_waits),
		cmocka_unit_test(the_driver_waits_no_longer_than_the_phase),
	};
	return cmocka_run_group_tests(tests, set_up, tear_down);
}
