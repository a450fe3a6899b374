/* SPDX-License-Identifier: MIT */
/* The loop with its peer in the same thread: what each sees depends on nobody's speed. */
#include "../unit.h"
#include "net/clock.h"
#include "net/loop.h"
#include "net/stream_ops.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define EHLO_REPLY "250-peer\r\n250 8BITMIME\r\n"

struct session {
	struct bm_loop *loop;
	struct bm_link *link;
	int peer;
	unsigned ready;
	unsigned recipients;
	unsigned dispositions[6];
	unsigned transactions;
	unsigned closed;
	enum bm_smtp_end end;
};

static void take_events(struct session *session)
{
	struct bm_link *link;
	struct bm_smtp_event event;
	while ((link = bm_loop_next_touched(session->loop)) != NULL) {
		assert_ptr_equal(link->user, session);
		while (bm_smtp_next_event(link->smtp, &event)) {
			session->ready += event.kind == BM_SMTP_READY;
			session->transactions += event.kind == BM_SMTP_TRANSACTION;
			session->closed += event.kind == BM_SMTP_CLOSED;
			if (event.kind == BM_SMTP_CLOSED)
				session->end = event.end;
			if (event.kind == BM_SMTP_RECIPIENT)
				session->dispositions[event.disposition]++;
		}
	}
}

/* One round that waits for the most wait_ms. */
static void go_round(struct session *session, uint64_t wait_ms)
{
	bm_loop_wait(session->loop, bm_clock_monotonic_ms() + wait_ms);
	take_events(session);
	bm_loop_write(session->loop);
}

static void say(struct session *session, const char *text)
{
	assert_int_equal(send(session->peer, text, strlen(text), MSG_NOSIGNAL), (ssize_t)strlen(text));
}

static void add_link(struct session *session, struct bm_stream *stream, uint64_t timeout_ms)
{
	struct bm_smtp_options options = BM_SMTP_OPTIONS_INIT;
	struct bm_smtp *smtp = NULL;
	options.domain = "me.example";
	options.timeout_ms = timeout_ms;
	assert_int_equal(bm_smtp_new(&smtp, &options, bm_clock_monotonic_ms(), NULL), BM_OK);
	assert_int_equal(bm_link_new(&session->link, session->loop, smtp, stream, session, NULL), BM_OK);
}

/* A link over a socket pair with small buffers. */
static void open_session(struct session *session, struct bm_waker *waker, uint64_t timeout_ms)
{
	int fds[2];
	int small = 4096;
	struct bm_stream *stream = NULL;
	*session = (struct session){.end = BM_SMTP_END_QUIT};
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
	for (size_t i = 0; i < 2; i++) {
		assert_int_equal(setsockopt(fds[i], SOL_SOCKET, SO_SNDBUF, &small, sizeof small), 0);
		assert_int_equal(fcntl(fds[i], F_SETFL, O_NONBLOCK), 0);
	}
	session->peer = fds[1];
	assert_int_equal(bm_loop_new(&session->loop, waker, NULL), BM_OK);
	assert_int_equal(bm_stream_new_socket(&stream, fds[0], NULL), BM_OK);
	add_link(session, stream, timeout_ms);
}

static void close_session(struct session *session)
{
	bm_link_free(session->link);
	bm_loop_free(session->loop);
	if (session->peer >= 0)
		close(session->peer);
}

/* What the peer has been told since it last looked. */
static size_t hear(struct session *session, char *out, size_t size)
{
	size_t heard = 0;
	ssize_t got = 0;
	while (heard < size && (got = recv(session->peer, out + heard, size - heard, 0)) > 0)
		heard += (size_t)got;
	return heard;
}

static void assert_heard(struct session *session, const char *text)
{
	char heard[4096];
	size_t size = hear(session, heard, sizeof heard);
	assert_int_equal(size, strlen(text));
	assert_memory_equal(heard, text, size);
}

static void greet(struct session *session)
{
	say(session, "220 peer\r\n");
	go_round(session, 5000);
	assert_heard(session, "EHLO me.example\r\n");
	say(session, EHLO_REPLY);
	go_round(session, 5000);
	assert_int_equal(session->ready, 1);
	assert_true(bm_smtp_idle(session->link->smtp));
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

/* Answers the envelope, so that the content is what comes next. */
static void reach_content(struct session *session)
{
	assert_heard(session, "MAIL FROM:<me@x.example>\r\n");
	say(session, "250 ok\r\n");
	go_round(session, 5000);
	assert_heard(session, "RCPT TO:<u@x.example>\r\n");
	say(session, "250 ok\r\n");
	go_round(session, 5000);
	assert_heard(session, "DATA\r\n");
	say(session, "354 go on\r\n");
}

static void one_transaction_in_rounds(void **state)
{
	(void)state;
	static const struct bm_span content = {.data = (const unsigned char *)"S: x\r\n\r\nhello\r\n", .size = 15};
	struct session session;
	open_session(&session, NULL, 0);
	greet(&session);
	submit(&session, &content);
	reach_content(&session);
	go_round(&session, 5000);
	assert_heard(&session, "S: x\r\n\r\nhello\r\n.\r\n");
	say(&session, "250 taken\r\n");
	go_round(&session, 5000);
	assert_int_equal(session.dispositions[BM_SMTP_ACCEPTED], 1);
	assert_int_equal(session.transactions, 1);
	close_session(&session);
}

static void make_content(struct bm_span *content, size_t size)
{
	unsigned char *data = malloc(size);
	assert_non_null(data);
	memset(data, 'x', size);
	for (size_t i = 80; i + 2 <= size; i += 82)
		memcpy(data + i, "\r\n", 2);
	memcpy(data + size - 2, "\r\n", 2);
	*content = bm_span_make(data, size);
}

/* F09 */
static void a_large_content_through_a_small_buffer(void **state)
{
	(void)state;
	struct session session;
	struct bm_span content;
	size_t heard = 0;
	size_t rounds = 0;
	char *got = malloc(4096);
	char *all = malloc(1u << 20);
	make_content(&content, (1u << 20) - 5);
	open_session(&session, NULL, 0);
	greet(&session);
	submit(&session, &content);
	reach_content(&session);
	for (; heard < content.size + 3 && rounds < 100000; rounds++) {
		go_round(&session, 0);
		size_t size = hear(&session, got, 4096);
		memcpy(all + heard, got, size);
		heard += size;
	}
	assert_int_equal(heard, content.size + 3);
	assert_true(rounds > 10);
	assert_memory_equal(all, content.data, content.size);
	say(&session, "250 taken\r\n");
	go_round(&session, 5000);
	assert_int_equal(session.dispositions[BM_SMTP_ACCEPTED], 1);
	close_session(&session);
	free((void *)(uintptr_t)content.data);
	free(got);
	free(all);
}

/* While it is blocked it sleeps, and hears what the peer says meanwhile. */
static void reads_while_a_write_is_blocked(void **state)
{
	(void)state;
	struct session session;
	struct bm_span content;
	make_content(&content, 1u << 20);
	open_session(&session, NULL, 0);
	greet(&session);
	submit(&session, &content);
	reach_content(&session);
	go_round(&session, 5000);
	uint64_t before = bm_clock_monotonic_ms();
	go_round(&session, 30);
	assert_true(bm_clock_monotonic_ms() - before >= 30);
	assert_int_equal(session.closed, 0);
	say(&session, "421 going away\r\n");
	go_round(&session, 5000);
	assert_int_equal(session.closed, 1);
	assert_int_equal(session.end, BM_SMTP_END_421);
	assert_int_equal(session.transactions, 1);
	assert_int_equal(session.dispositions[BM_SMTP_ACCEPTED], 0);
	close_session(&session);
	free((void *)(uintptr_t)content.data);
}

/* F05, F12 */
static void sees_what_an_idle_peer_says(void **state)
{
	(void)state;
	struct session session;
	open_session(&session, NULL, 0);
	greet(&session);
	say(&session, "421 idle for too long\r\n");
	go_round(&session, 5000);
	assert_int_equal(session.closed, 1);
	assert_int_equal(session.end, BM_SMTP_END_421);
	close_session(&session);
}

static void sees_an_idle_peer_close(void **state)
{
	(void)state;
	struct session session;
	open_session(&session, NULL, 0);
	greet(&session);
	close(session.peer);
	session.peer = -1;
	go_round(&session, 5000);
	assert_int_equal(session.closed, 1);
	assert_int_equal(session.end, BM_SMTP_END_LOST);
	/* nothing is told twice, and nobody is woken by it again */
	uint64_t before = bm_clock_monotonic_ms();
	go_round(&session, 30);
	assert_true(bm_clock_monotonic_ms() - before >= 30);
	assert_int_equal(session.closed, 1);
	close_session(&session);
}

/* What the peer said before it broke off still counts. */
static void hears_the_last_words_of_a_broken_connection(void **state)
{
	(void)state;
	static const struct bm_span content = {.data = (const unsigned char *)"S: x\r\n\r\nhello\r\n", .size = 15};
	struct session session;
	open_session(&session, NULL, 0);
	greet(&session);
	submit(&session, &content);
	reach_content(&session);
	go_round(&session, 5000);
	assert_heard(&session, "S: x\r\n\r\nhello\r\n.\r\n");
	say(&session, "250 taken\r\n");
	close(session.peer);
	session.peer = -1;
	go_round(&session, 5000);
	go_round(&session, 1000);
	assert_int_equal(session.dispositions[BM_SMTP_ACCEPTED], 1);
	assert_int_equal(session.closed, 1);
	close_session(&session);
}

/* F03 */
static void a_deadline_ends_the_wait(void **state)
{
	(void)state;
	struct session session;
	open_session(&session, NULL, 50);
	uint64_t begun = bm_clock_monotonic_ms();
	for (unsigned i = 0; i < 100 && session.closed == 0; i++) {
		bm_loop_wait(session.loop, UINT64_MAX);
		take_events(&session);
		bm_loop_write(session.loop);
	}
	uint64_t took = bm_clock_monotonic_ms() - begun;
	assert_int_equal(session.closed, 1);
	assert_int_equal(session.end, BM_SMTP_END_TIMEOUT);
	assert_in_range(took, 50, 5000);
	close_session(&session);
}

/* A machine that is idle has no deadline: nothing wakes anybody. */
static void idle_costs_no_round(void **state)
{
	(void)state;
	struct session session;
	open_session(&session, NULL, 0);
	greet(&session);
	/* the look at the deadlines that the talk asked for */
	go_round(&session, 150);
	uint64_t before = bm_clock_monotonic_ms();
	go_round(&session, 400);
	assert_true(bm_clock_monotonic_ms() - before >= 400);
	assert_true(bm_loop_now_us(session.loop) - bm_loop_slept_us(session.loop) >= 390000);
	close_session(&session);
}

/* F46 by parts */
static void a_wake_ends_the_wait(void **state)
{
	(void)state;
	struct session session;
	struct bm_waker *waker = NULL;
	assert_int_equal(bm_waker_new(&waker, NULL), BM_OK);
	open_session(&session, waker, 0);
	for (unsigned i = 0; i < 3; i++) {
		bm_waker_wake(waker);
		bm_loop_wait(session.loop, UINT64_MAX);
		assert_true(bm_loop_woken(session.loop));
		bm_loop_wait(session.loop, bm_clock_monotonic_ms() + 10);
		assert_false(bm_loop_woken(session.loop));
	}
	close_session(&session);
	bm_waker_free(waker);
}

/* F35: a list that is silent is waited for, once each time it is asked for; its descriptor stays as it was. */
static void a_watched_descriptor_ends_the_wait(void **state)
{
	(void)state;
	struct session session;
	int fds[2];
	char octet = 'x';
	open_session(&session, NULL, 0);
	greet(&session);
	assert_int_equal(pipe(fds), 0);
	int flags = fcntl(fds[0], F_GETFL);
	for (unsigned i = 0; i < 3; i++) {
		assert_true(bm_loop_watch(session.loop, fds[0]));
		assert_true(bm_loop_watch(session.loop, fds[0]));
		uint64_t before = bm_clock_monotonic_ms();
		go_round(&session, 150);
		go_round(&session, 20);
		assert_true(bm_clock_monotonic_ms() - before >= 20);
		assert_int_equal(write(fds[1], &octet, 1), 1);
		before = bm_clock_monotonic_ms();
		go_round(&session, 5000);
		assert_true(bm_clock_monotonic_ms() - before < 4000);
		/* not again, although it can be read */
		before = bm_clock_monotonic_ms();
		go_round(&session, 20);
		assert_true(bm_clock_monotonic_ms() - before >= 20);
		assert_int_equal(read(fds[0], &octet, 1), 1);
	}
	assert_int_equal(fcntl(fds[0], F_GETFL), flags);
	int null = open("/dev/null", O_RDONLY | O_CLOEXEC);
	assert_true(null >= 0);
	assert_false(bm_loop_watch(session.loop, null));
	close(null);
	close(fds[0]);
	close(fds[1]);
	close_session(&session);
}

static void a_reply_is_awaited_and_its_time_known(void **state)
{
	(void)state;
	struct session session;
	uint64_t since = 0;
	uint64_t round_trip = 0;
	uint64_t begun = bm_clock_monotonic_us();
	open_session(&session, NULL, 0);
	assert_true(bm_link_awaiting(session.link, &since, &round_trip));
	assert_int_equal(round_trip, 0);
	greet(&session);
	uint64_t took = bm_clock_monotonic_us() - begun;
	assert_false(bm_link_awaiting(session.link, &since, &round_trip));
	assert_in_range(round_trip, 1, took);
	static const struct bm_span content = {.data = (const unsigned char *)"S: x\r\n\r\nhello\r\n", .size = 15};
	uint64_t submitted = bm_clock_monotonic_us();
	submit(&session, &content);
	assert_true(bm_link_awaiting(session.link, &since, &round_trip));
	assert_in_range(since, submitted, bm_clock_monotonic_us());
	close_session(&session);
}

/* A DummyServer has no descriptor: its links never wait. */
static void a_stream_without_a_descriptor(void **state)
{
	(void)state;
	static const struct bm_span content = {.data = (const unsigned char *)"S: x\r\n\r\nhello\r\n", .size = 15};
	struct session session = {.peer = -1};
	struct bm_stream *stream = NULL;
	char path[] = "/tmp/test_net_loop_XXXXXX";
	int fd = mkstemp(path);
	assert_true(fd >= 0);
	assert_int_equal(bm_loop_new(&session.loop, NULL, NULL), BM_OK);
	assert_int_equal(bm_stream_open_dummy(&stream, path, NULL), BM_OK);
	add_link(&session, stream, 0);
	for (unsigned i = 0; i < 10 && session.ready == 0; i++)
		go_round(&session, 60000);
	assert_int_equal(session.ready, 1);
	submit(&session, &content);
	for (unsigned i = 0; i < 10 && session.transactions == 0; i++)
		go_round(&session, 60000);
	assert_int_equal(session.dispositions[BM_SMTP_ACCEPTED], 1);
	assert_int_equal(bm_smtp_quit(session.link->smtp, bm_loop_now_ms(session.loop), NULL), BM_OK);
	bm_link_stir(session.link);
	bm_loop_write(session.loop);
	for (unsigned i = 0; i < 10 && session.closed == 0; i++)
		go_round(&session, 60000);
	assert_int_equal(session.end, BM_SMTP_END_QUIT);
	close_session(&session);
	close(fd);
	unlink(path);
}

/* Events that come with no octet moved are told all the same: a message above SIZE. */
static void events_without_octets(void **state)
{
	(void)state;
	static const struct bm_span content = {.data = (const unsigned char *)"S: x\r\n\r\nhello\r\n", .size = 15};
	struct session session;
	open_session(&session, NULL, 0);
	say(&session, "220 peer\r\n");
	go_round(&session, 5000);
	assert_heard(&session, "EHLO me.example\r\n");
	say(&session, "250-peer\r\n250 SIZE 10\r\n");
	go_round(&session, 5000);
	submit(&session, &content);
	uint64_t before = bm_clock_monotonic_ms();
	go_round(&session, 60000);
	assert_true(bm_clock_monotonic_ms() - before < 30000);
	assert_int_equal(session.dispositions[BM_SMTP_REFUSED], 1);
	assert_heard(&session, "");
	close_session(&session);
}

/* Many links in one loop, freed in any order and by the loop. */
static void many_links(void **state)
{
	(void)state;
	struct session session = {.peer = -1};
	struct bm_link *links[50];
	int peers[50];
	assert_int_equal(bm_loop_new(&session.loop, NULL, NULL), BM_OK);
	for (size_t i = 0; i < 50; i++) {
		int fds[2];
		struct bm_stream *stream = NULL;
		assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds), 0);
		assert_int_equal(bm_stream_new_socket(&stream, fds[0], NULL), BM_OK);
		add_link(&session, stream, 0);
		links[i] = session.link;
		peers[i] = fds[1];
		assert_int_equal(send(peers[i], "220 peer\r\n", 10, MSG_NOSIGNAL), 10);
	}
	bm_loop_wait(session.loop, bm_clock_monotonic_ms() + 5000);
	/* each is touched, and in the chain of those to be written */
	for (size_t i = 0; i < 50; i += 7)
		bm_link_free(links[i]);
	bm_link_free(links[49 - 49 % 7 - 1]);
	bm_link_free(NULL);
	go_round(&session, 1000);
	go_round(&session, 0);
	char text[64];
	assert_int_equal(recv(peers[1], text, sizeof text, 0), 17);
	assert_int_equal(recv(peers[0], text, sizeof text, 0), 0);
	bm_loop_free(session.loop);
	for (size_t i = 0; i < 50; i++)
		close(peers[i]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(one_transaction_in_rounds),
		cmocka_unit_test(a_large_content_through_a_small_buffer),
		cmocka_unit_test(reads_while_a_write_is_blocked),
		cmocka_unit_test(sees_what_an_idle_peer_says),
		cmocka_unit_test(sees_an_idle_peer_close),
		cmocka_unit_test(hears_the_last_words_of_a_broken_connection),
		cmocka_unit_test(a_deadline_ends_the_wait),
		cmocka_unit_test(idle_costs_no_round),
		cmocka_unit_test(a_wake_ends_the_wait),
		cmocka_unit_test(a_watched_descriptor_ends_the_wait),
		cmocka_unit_test(a_reply_is_awaited_and_its_time_known),
		cmocka_unit_test(a_stream_without_a_descriptor),
		cmocka_unit_test(events_without_octets),
		cmocka_unit_test(many_links),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
