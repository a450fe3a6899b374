/* SPDX-License-Identifier: MIT */
/*
 * The limit senders: how fast this machine can hand messages over when a program does nothing else. They render each
 * message for its recipients but read no list, keep no outcomes and give up at the first refusal.
 *
 *   limit --server ADDRESS:PORT --mode lockstep|group|stream --messages N --connections C --recipients R --size S
 *
 * lockstep: a command, its reply, the next command, as a client without PIPELINING.
 * group: the content, its end and the next envelope in one write: one round trip a message (RFC 2920).
 * stream: whole transactions with BDAT behind one another, up to a window (RFC 3030).
 */
#include "net.h"
#include "task.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#define IN_SIZE (64U << 10)
#define BATCH_SIZE (64U << 10)
#define WINDOW_OCTETS (4U << 20)
#define EVENTS_MAX 256
#define STALL_MS 30000
#define COMMAND_MAX 128
#define CHUNK_LINE_SIZE (sizeof "BDAT 00000000 LAST\r\n" - 1)

enum mode { LOCKSTEP, GROUP, STREAM };

enum state { GREETING, HELLO, RUNNING, QUITTING };

enum step { STEP_MAIL, STEP_RCPT, STEP_DATA, STEP_CONTENT };

struct conn {
	int fd;
	enum state state;
	enum step step; /* of LOCKSTEP: the last that was sent */
	size_t rcpt;    /* of LOCKSTEP: recipients sent */
	size_t awaited; /* replies that are still to come */
	size_t message; /* the one under way */
	bool blocked;   /* the socket takes no more just now */
	size_t in_size;
	char *in;
	char *out;
	size_t out_size;
	size_t out_sent;
};

struct sender {
	struct bench_task task;
	enum mode mode;
	int epoll_fd;
	size_t next;   /* message */
	size_t alive;  /* connections */
	size_t window; /* replies that may be awaited */
	struct conn *conns;
};

static void conn_watch(struct sender *sender, struct conn *conn, bool blocked)
{
	struct epoll_event event = {.events = EPOLLIN | (blocked ? EPOLLOUT : 0U), .data.ptr = conn};

	if (blocked != conn->blocked && epoll_ctl(sender->epoll_fd, EPOLL_CTL_MOD, conn->fd, &event) != 0)
		bench_die("epoll_ctl");
	conn->blocked = blocked;
}

static void conn_send(struct sender *sender, struct conn *conn)
{
	while (conn->out_sent < conn->out_size) {
		ssize_t sent = send(conn->fd, conn->out + conn->out_sent, conn->out_size - conn->out_sent, MSG_NOSIGNAL);
		if (sent < 0 && errno == EAGAIN)
			break;
		if (sent < 0)
			bench_die("send");
		conn->out_sent += (size_t)sent;
	}
	conn_watch(sender, conn, conn->out_sent < conn->out_size);
}

/* Sends what was written from the start of the buffer up to end. */
static void conn_put(struct sender *sender, struct conn *conn, const char *end, size_t replies)
{
	conn->out_size = (size_t)(end - conn->out);
	conn->out_sent = 0;
	conn->awaited += replies;
	conn_send(sender, conn);
}

static void conn_say(struct sender *sender, struct conn *conn, const char *text)
{
	conn_put(sender, conn, bench_put(conn->out, text), 1);
}

static char *put_rcpt(char *at, size_t number)
{
	at = bench_put(at, "RCPT TO:<");
	at = bench_put_recipient(at, number);
	return bench_put(at, ">\r\n");
}

static char *put_envelope(const struct sender *sender, char *at, size_t message)
{
	size_t recipients = sender->task.recipients;

	at = bench_put(at, "MAIL FROM:<" BENCH_SENDER ">\r\n");
	for (size_t i = 0; i < recipients; i++)
		at = put_rcpt(at, message * recipients + i);
	return at;
}

static bool conn_take(struct sender *sender, struct conn *conn)
{
	if (sender->next == sender->task.messages)
		return false;
	conn->message = sender->next++;
	return true;
}

static void conn_quit(struct sender *sender, struct conn *conn)
{
	conn->state = QUITTING;
	conn_say(sender, conn, "QUIT\r\n");
}

static void lockstep_mail(struct sender *sender, struct conn *conn)
{
	if (!conn_take(sender, conn)) {
		conn_quit(sender, conn);
		return;
	}
	conn->step = STEP_MAIL;
	conn->rcpt = 0;
	conn_say(sender, conn, "MAIL FROM:<" BENCH_SENDER ">\r\n");
}

static void lockstep_rcpt(struct sender *sender, struct conn *conn)
{
	size_t recipients = sender->task.recipients;

	if (conn->rcpt == recipients) {
		conn->step = STEP_DATA;
		conn_say(sender, conn, "DATA\r\n");
		return;
	}
	conn->step = STEP_RCPT;
	conn_put(sender, conn, put_rcpt(conn->out, conn->message * recipients + conn->rcpt++), 1);
}

static void lockstep_next(struct sender *sender, struct conn *conn)
{
	char *at = conn->out;

	switch (conn->step) {
	case STEP_MAIL:
	case STEP_RCPT:
		lockstep_rcpt(sender, conn);
		break;
	case STEP_DATA:
		conn->step = STEP_CONTENT;
		at = bench_put_content(at, &sender->task, conn->message);
		conn_put(sender, conn, bench_put(at, ".\r\n"), 1);
		break;
	case STEP_CONTENT:
		lockstep_mail(sender, conn);
		break;
	}
}

static void group_first(struct sender *sender, struct conn *conn)
{
	if (!conn_take(sender, conn)) {
		conn_quit(sender, conn);
		return;
	}
	char *at = put_envelope(sender, conn->out, conn->message);
	conn_put(sender, conn, bench_put(at, "DATA\r\n"), sender->task.recipients + 2);
}

static void group_next(struct sender *sender, struct conn *conn)
{
	char *at = bench_put_content(conn->out, &sender->task, conn->message);

	at = bench_put(at, ".\r\n");
	if (!conn_take(sender, conn)) {
		conn->state = QUITTING;
		conn_put(sender, conn, bench_put(at, "QUIT\r\n"), 2);
		return;
	}
	at = put_envelope(sender, at, conn->message);
	conn_put(sender, conn, bench_put(at, "DATA\r\n"), sender->task.recipients + 3);
}

static char *put_transaction(const struct sender *sender, char *at, size_t message)
{
	char *line = put_envelope(sender, at, message);
	char *content = line + CHUNK_LINE_SIZE;
	char *end = bench_put_content(content, &sender->task, message);

	line = bench_put(line, "BDAT ");
	line = bench_put_number(line, (size_t)(end - content));
	bench_put(line, " LAST\r\n");
	return end;
}

static void stream_fill(struct sender *sender, struct conn *conn)
{
	size_t replies = sender->task.recipients + 2;

	while (!conn->blocked && conn->awaited < sender->window && sender->next < sender->task.messages) {
		char *at = conn->out;
		size_t batch = 0;
		while ((size_t)(at - conn->out) < BATCH_SIZE && conn->awaited + batch < sender->window &&
			   conn_take(sender, conn)) {
			at = put_transaction(sender, at, conn->message);
			batch += replies;
		}
		conn_put(sender, conn, at, batch);
	}
	if (conn->awaited == 0 && sender->next == sender->task.messages)
		conn_quit(sender, conn);
}

static void begin(struct sender *sender, struct conn *conn)
{
	conn->state = RUNNING;
	if (sender->mode == LOCKSTEP)
		lockstep_mail(sender, conn);
	else if (sender->mode == GROUP)
		group_first(sender, conn);
	/* A stream is filled behind each read. */
}

static void conn_close(struct sender *sender, struct conn *conn)
{
	close(conn->fd);
	free(conn->in);
	free(conn->out);
	conn->fd = -1;
	sender->alive--;
}

/* All awaited replies are there. */
static void advance(struct sender *sender, struct conn *conn)
{
	switch (conn->state) {
	case GREETING:
		conn->state = HELLO;
		conn_say(sender, conn, "EHLO client.example.com\r\n");
		break;
	case HELLO:
		begin(sender, conn);
		break;
	case RUNNING:
		if (sender->mode == LOCKSTEP)
			lockstep_next(sender, conn);
		else if (sender->mode == GROUP)
			group_next(sender, conn);
		break;
	case QUITTING:
		conn_close(sender, conn);
		break;
	}
}

static void on_line(struct conn *conn, const char *line, size_t size)
{
	if (size < 4 || (line[0] != '2' && line[0] != '3') || conn->awaited == 0)
		bench_die("the server refused, or said too much");
	if (line[3] == ' ')
		conn->awaited--;
}

static void take_lines(struct conn *conn)
{
	char *at = conn->in;
	const char *end = conn->in + conn->in_size;

	for (char *lf; (lf = memchr(at, '\n', (size_t)(end - at))) != NULL; at = lf + 1)
		on_line(conn, at, (size_t)(lf - at));
	conn->in_size = (size_t)(end - at);
	memmove(conn->in, at, conn->in_size);
}

static void conn_read(struct sender *sender, struct conn *conn)
{
	ssize_t got = recv(conn->fd, conn->in + conn->in_size, IN_SIZE - conn->in_size, 0);

	if (got < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (got <= 0)
		bench_die("the server hung up");
	conn->in_size += (size_t)got;
	take_lines(conn);
	if (conn->awaited == 0)
		advance(sender, conn);
	if (conn->fd >= 0 && conn->state == RUNNING && sender->mode == STREAM)
		stream_fill(sender, conn);
}

static void on_event(struct sender *sender, struct conn *conn, uint32_t events)
{
	if ((events & EPOLLOUT) != 0) {
		conn_send(sender, conn);
		if (!conn->blocked && conn->state == RUNNING && sender->mode == STREAM)
			stream_fill(sender, conn);
	}
	if ((events & ~(uint32_t)EPOLLOUT) != 0)
		conn_read(sender, conn);
}

static size_t message_max(const struct sender *sender)
{
	return bench_content_max(&sender->task) + (sender->task.recipients + 4) * COMMAND_MAX;
}

static void conn_open(struct sender *sender, struct conn *conn)
{
	struct epoll_event event = {.events = EPOLLIN, .data.ptr = conn};

	*conn = (struct conn){.fd = bench_connect(sender->task.server), .state = GREETING, .awaited = 1};
	conn->in = malloc(IN_SIZE);
	conn->out = malloc(BATCH_SIZE + message_max(sender));
	if (conn->in == NULL || conn->out == NULL || epoll_ctl(sender->epoll_fd, EPOLL_CTL_ADD, conn->fd, &event) != 0)
		bench_die("cannot open a connection");
	sender->alive++;
}

static void run(struct sender *sender)
{
	struct epoll_event events[EVENTS_MAX];

	while (sender->alive > 0) {
		int count = epoll_wait(sender->epoll_fd, events, EVENTS_MAX, STALL_MS);
		if (count == 0)
			bench_die("the server stalled");
		for (int i = 0; i < count; i++)
			on_event(sender, events[i].data.ptr, events[i].events);
	}
}

static enum mode mode_of(const char *name)
{
	static const char *const names[] = {"lockstep", "group", "stream"};

	for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
		if (strcmp(name, names[i]) == 0)
			return (enum mode)i;
	bench_die("want --mode lockstep, group or stream");
}

int main(int argc, char **argv)
{
	struct sender sender = {0};

	bench_task_init(&sender.task, argc, argv);
	sender.mode = mode_of(sender.task.mode);
	sender.window = (WINDOW_OCTETS / message_max(&sender) + 1) * (sender.task.recipients + 2);
	sender.epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	sender.conns = calloc(sender.task.connections, sizeof *sender.conns);
	if (sender.epoll_fd < 0 || sender.conns == NULL)
		bench_die("cannot start");
	for (size_t i = 0; i < sender.task.connections; i++)
		conn_open(&sender, &sender.conns[i]);
	run(&sender);
	free(sender.conns);
	bench_task_deinit(&sender.task);
	return 0;
}
