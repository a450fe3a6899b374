/* SPDX-License-Identifier: MIT */
/* The driver between a machine and a scripted peer in another thread, over a socket pair. */
#include "../unit.h"
#include "net/clock.h"
#include "net/driver.h"
#include "net/stream_ops.h"

#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define STEPS_MAX 16

/* What the peer does: says a text once that many lines were read. */
struct step {
	size_t lines;
	const char *text;
};

struct peer {
	int fd;
	pthread_t thread;
	struct step steps[STEPS_MAX]; /* ends at text NULL */
	size_t octets;                /* read in all */
};

struct session {
	struct peer peer;
	struct bm_driver driver;
	unsigned dispositions[6];
	enum bm_smtp_end end;
};

static void read_line(struct peer *peer)
{
	char c = 0;
	while (c != '\n' && recv(peer->fd, &c, 1, 0) == 1)
		peer->octets++;
}

static void *run_peer(void *arg)
{
	struct peer *peer = arg;
	for (size_t i = 0; i < STEPS_MAX && peer->steps[i].text != NULL; i++) {
		for (size_t k = 0; k < peer->steps[i].lines; k++)
			read_line(peer);
		const char *text = peer->steps[i].text;
		if (send(peer->fd, text, strlen(text), MSG_NOSIGNAL) < 0)
			break;
	}
	close(peer->fd);
	return NULL;
}

static void open_session(struct session *session, const struct step *steps, size_t count, uint64_t timeout_ms)
{
	struct bm_smtp_options options = BM_SMTP_OPTIONS_INIT;
	int fds[2];
	*session = (struct session){.end = BM_SMTP_END_QUIT};
	memcpy(session->peer.steps, steps, count * sizeof *steps);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
	int small = 4096;
	for (size_t i = 0; i < 2; i++)
		assert_int_equal(setsockopt(fds[i], SOL_SOCKET, SO_SNDBUF, &small, sizeof small), 0);
	session->peer.fd = fds[1];
	/* the driver's side must never wait */
	assert_int_equal(fcntl(fds[0], F_SETFL, O_NONBLOCK), 0);
	assert_int_equal(bm_stream_new_socket(&session->driver.stream, fds[0], NULL), BM_OK);
	options.domain = "me.example";
	options.timeout_ms = timeout_ms;
	assert_int_equal(bm_smtp_new(&session->driver.smtp, &options, bm_clock_monotonic_ms(), NULL), BM_OK);
	assert_int_equal(pthread_create(&session->peer.thread, NULL, run_peer, &session->peer), 0);
}

static void close_session(struct session *session)
{
	bm_stream_free(session->driver.stream);
	bm_smtp_free(session->driver.smtp);
	assert_int_equal(pthread_join(session->peer.thread, NULL), 0);
}

/* Drives until such an event. */
static void drive(struct session *session, enum bm_smtp_event_kind kind)
{
	struct bm_smtp_event event = {.kind = BM_SMTP_SAID};
	do {
		assert_int_equal(bm_driver_next(&session->driver, &event), BM_OK);
		if (event.kind == BM_SMTP_RECIPIENT)
			session->dispositions[event.disposition]++;
		if (event.kind == BM_SMTP_CLOSED)
			session->end = event.end;
	} while (event.kind != kind && event.kind != BM_SMTP_CLOSED);
	assert_int_equal(event.kind, kind);
}

static void submit(struct session *session, const struct bm_span *recipients, size_t count, struct bm_span content)
{
	struct bm_smtp_transaction tx = {.id = 1, .recipients = recipients, .recipient_count = count};
	tx.content = &content;
	tx.content_count = 1;
	assert_int_equal(bm_smtp_submit(session->driver.smtp, &tx, bm_clock_monotonic_ms(), NULL), BM_OK);
	drive(session, BM_SMTP_TRANSACTION);
}

static const struct bm_span two[] = {{(const unsigned char *)"a@x", 3}, {(const unsigned char *)"b@x", 3}};

#define EHLO "250-peer\r\n250 PIPELINING\r\n"
#define SCRIPT(steps) (steps), sizeof(steps) / sizeof((steps)[0])

static void runs_a_whole_session(void **state)
{
	(void)state;
	static const struct step steps[] = {{0, "220 hi\r\n"}, {1, EHLO}, {4, "250 ok\r\n250 ok\r\n550 no\r\n354 go\r\n"},
		{2, "250 queued\r\n"}, {1, "221 bye\r\n"}};
	struct session session;
	struct bm_smtp_event event;
	open_session(&session, SCRIPT(steps), 0);
	drive(&session, BM_SMTP_READY);
	assert_int_equal(bm_driver_next(&session.driver, &event), BM_E_USAGE);
	submit(&session, two, 2, bm_span_of("x\r\n"));
	bm_driver_poll(&session.driver);
	assert_true(bm_smtp_idle(session.driver.smtp));
	assert_int_equal(bm_smtp_quit(session.driver.smtp, bm_clock_monotonic_ms(), NULL), BM_OK);
	drive(&session, BM_SMTP_CLOSED);
	assert_int_equal(session.end, BM_SMTP_END_QUIT);
	assert_int_equal(session.dispositions[BM_SMTP_ACCEPTED], 1);
	assert_int_equal(session.dispositions[BM_SMTP_REFUSED], 1);
	assert_int_equal(bm_driver_next(&session.driver, &event), BM_E_USAGE);
	close_session(&session);
}

/* F05: the peer closes at each point */
static void tells_where_the_peer_left(void **state)
{
	(void)state;
	static const struct step steps[] = {{0, "220 hi\r\n"}, {1, EHLO}, {4, "250\r\n250\r\n250\r\n354 go\r\n"}, {2, ""}};
	struct session session;
	open_session(&session, SCRIPT(steps), 0);
	drive(&session, BM_SMTP_READY);
	submit(&session, two, 2, bm_span_of("x\r\n"));
	assert_int_equal(session.dispositions[BM_SMTP_IN_DOUBT], 2);
	drive(&session, BM_SMTP_CLOSED);
	assert_int_equal(session.end, BM_SMTP_END_LOST);
	close_session(&session);

	open_session(&session, steps, 3, 0);
	drive(&session, BM_SMTP_READY);
	static unsigned char large[1 << 20];
	memset(large, 'x', sizeof large);
	memcpy(large + sizeof large - 2, "\r\n", 2);
	submit(&session, two, 2, bm_span_make(large, sizeof large));
	assert_int_equal(session.dispositions[BM_SMTP_PUT_BACK], 2);
	close_session(&session);

	open_session(&session, steps, 0, 0);
	drive(&session, BM_SMTP_CLOSED);
	assert_int_equal(session.end, BM_SMTP_END_LOST);
	close_session(&session);
}

/* F23: what the peer said before it went is read though writing fails. */
static void reads_a_refusal_that_came_with_the_close(void **state)
{
	(void)state;
	static const struct step steps[] = {
		{0, "220 hi\r\n"}, {1, EHLO}, {4, "250\r\n250\r\n250\r\n354 go\r\n"}, {10, "554 spam\r\n"}};
	struct session session;
	static unsigned char large[1 << 20];
	for (size_t i = 0; i < sizeof large; i += 64) {
		memset(large + i, 'x', 62);
		memcpy(large + i + 62, "\r\n", 2);
	}
	open_session(&session, SCRIPT(steps), 0);
	drive(&session, BM_SMTP_READY);
	submit(&session, two, 2, bm_span_make(large, sizeof large));
	assert_int_equal(session.dispositions[BM_SMTP_REFUSED], 2);
	close_session(&session);
}

#define CROWD 5000

/* A peer that answers each RCPT at length before it reads on. */
static void *run_wordy_peer(void *arg)
{
	struct peer *peer = arg;
	static const char wordy[] =
		"250-This is a long way to say that it is fine, to fill what lies between us\r\n250 ok\r\n";
	const char *first[] = {"220 hi\r\n", EHLO, "250 ok\r\n"};
	for (size_t i = 0; i < 3; i++) {
		if (i > 0)
			read_line(peer);
		(void)send(peer->fd, first[i], strlen(first[i]), MSG_NOSIGNAL);
	}
	for (size_t i = 0; i < CROWD; i++) {
		read_line(peer);
		(void)send(peer->fd, wordy, strlen(wordy), MSG_NOSIGNAL);
	}
	read_line(peer);
	(void)send(peer->fd, "354 go\r\n", 8, MSG_NOSIGNAL);
	read_line(peer);
	read_line(peer);
	(void)send(peer->fd, "250 ok\r\n", 8, MSG_NOSIGNAL);
	close(peer->fd);
	return NULL;
}

/* RFC item 31 */
static void does_not_deadlock_with_a_wordy_peer(void **state)
{
	(void)state;
	static const struct step none[] = {{0, NULL}};
	struct session session;
	struct bm_span *crowd = calloc(CROWD, sizeof *crowd);
	assert_non_null(crowd);
	for (size_t i = 0; i < CROWD; i++)
		crowd[i] = bm_span_of("someone.with.a.long.name@a.long.domain.example.org");
	open_session(&session, SCRIPT(none), 0);
	/* its thread only closes; begin anew with the wordy one */
	assert_int_equal(pthread_join(session.peer.thread, NULL), 0);
	bm_stream_free(session.driver.stream);
	int fds[2];
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
	assert_int_equal(fcntl(fds[0], F_SETFL, O_NONBLOCK), 0);
	int small = 4096;
	for (size_t i = 0; i < 2; i++)
		assert_int_equal(setsockopt(fds[i], SOL_SOCKET, SO_SNDBUF, &small, sizeof small), 0);
	session.peer.fd = fds[1];
	assert_int_equal(bm_stream_new_socket(&session.driver.stream, fds[0], NULL), BM_OK);
	assert_int_equal(pthread_create(&session.peer.thread, NULL, run_wordy_peer, &session.peer), 0);
	drive(&session, BM_SMTP_READY);
	submit(&session, crowd, CROWD, bm_span_of("x\r\n"));
	assert_int_equal(session.dispositions[BM_SMTP_ACCEPTED], CROWD);
	close_session(&session);
	free(crowd);
}

/* F08, F30: found before the next use */
static void poll_finds_what_an_idle_server_said(void **state)
{
	(void)state;
	static const struct step steps[] = {{0, "220 hi\r\n"}, {1, EHLO "421 bye\r\n"}};
	struct session session;
	open_session(&session, SCRIPT(steps), 0);
	struct bm_smtp_event event = {.kind = BM_SMTP_SAID};
	while (event.kind != BM_SMTP_READY)
		assert_int_equal(bm_driver_next(&session.driver, &event), BM_OK);
	/* it came along with the EHLO reply or is there when the peer has gone */
	assert_int_equal(pthread_join(session.peer.thread, NULL), 0);
	bm_driver_poll(&session.driver);
	assert_false(bm_smtp_idle(session.driver.smtp));
	assert_int_equal(bm_driver_next(&session.driver, &event), BM_OK);
	assert_int_equal(event.kind, BM_SMTP_CLOSED);
	assert_int_equal(event.end, BM_SMTP_END_421);
	bm_stream_free(session.driver.stream);
	bm_smtp_free(session.driver.smtp);
}

/* A peer who says lines of one reply for ever, as much at once as is read. */
struct wordy {
	struct bm_stream base;
	size_t said;
};

static enum bm_stream_status say_much(struct bm_stream *stream, void *data, size_t size, size_t *done)
{
	struct wordy *wordy = (struct wordy *)stream;
	static const char head[] = "220-";
	for (size_t i = 0; i < size; i++, wordy->said++) {
		size_t at = wordy->said % 2000;
		((char *)data)[i] = at < 4 ? head[at] : at == 1998 ? '\r' : at == 1999 ? '\n' : 'x';
	}
	*done = size;
	return BM_STREAM_OK;
}

static void wait_not(struct bm_stream *stream, bool want_write, uint64_t deadline_ms, struct bm_waker *waker)
{
	(void)stream;
	(void)want_write;
	(void)deadline_ms;
	(void)waker;
}

/* conformance: A15 */
static void reads_of_a_flood_what_is_borne(void **state)
{
	(void)state;
	static const struct bm_stream_ops ops = {.read = say_much, .wait = wait_not};
	struct wordy wordy = {.base.ops = &ops};
	struct session session = {.driver.stream = &wordy.base};
	struct bm_smtp_options options = BM_SMTP_OPTIONS_INIT;
	options.domain = "me.example";
	assert_int_equal(bm_smtp_new(&session.driver.smtp, &options, bm_clock_monotonic_ms(), NULL), BM_OK);
	drive(&session, BM_SMTP_CLOSED);
	assert_int_equal(session.end, BM_SMTP_END_OUT_OF_STEP);
	assert_int_equal(wordy.said, BM_REPLY_SIZE_MAX);
	bm_smtp_free(session.driver.smtp);
}

/* F46 by parts: patience bears so many wakes */
static void a_wake_beyond_patience_stops_it(void **state)
{
	(void)state;
	static const struct step steps[] = {{0, "220 hi\r\n"}, {1, ""}};
	struct session session;
	struct bm_waker *waker = NULL;
	struct bm_smtp_event event;
	assert_int_equal(bm_waker_new(&waker, NULL), BM_OK);
	open_session(&session, SCRIPT(steps), 0);
	session.driver.waker = waker;
	session.driver.patience = 1;
	bm_waker_wake(waker);
	drive(&session, BM_SMTP_SAID); /* EHLO: one wake is borne */
	bm_waker_wake(waker);
	assert_int_equal(bm_driver_next(&session.driver, &event), BM_E_STOPPED);
	assert_int_equal(bm_driver_next(&session.driver, &event), BM_E_STOPPED);
	session.driver.patience = 2;
	drive(&session, BM_SMTP_CLOSED);
	assert_int_equal(session.end, BM_SMTP_END_LOST);
	close_session(&session);
	bm_waker_free(waker);
}

/* F03; manual: row-timeout */
static void a_silent_server_times_out(void **state)
{
	(void)state;
	static const struct step steps[] = {{1, ""}};
	struct session session;
	open_session(&session, SCRIPT(steps), 10);
	drive(&session, BM_SMTP_CLOSED);
	assert_int_equal(session.end, BM_SMTP_END_TIMEOUT);
	close_session(&session);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(runs_a_whole_session),
		cmocka_unit_test(tells_where_the_peer_left),
		cmocka_unit_test(reads_a_refusal_that_came_with_the_close),
		cmocka_unit_test(does_not_deadlock_with_a_wordy_peer),
		cmocka_unit_test(poll_finds_what_an_idle_server_said),
		cmocka_unit_test(reads_of_a_flood_what_is_borne),
		cmocka_unit_test(a_wake_beyond_patience_stops_it),
		cmocka_unit_test(a_silent_server_times_out),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
