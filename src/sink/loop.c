/* SPDX-License-Identifier: MIT */
#include "sink/loop.h"

#include "base/error.h"
#include "sink/discard.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#define BLOCK_SIZE (256U << 10)
#define EVENTS_MAX 256
#define ACCEPTS_MAX 64
#define BACKLOG 4096
#define LINGER_MS 2000
#define ACCEPT_PAUSE_MS 100
#define SMALL_BUFFER 4096
#define PUMP_ROUNDS 16
#define UNIX "unix:"

struct bm_sink_conn {
	struct bm_sink_conn *prev;
	struct bm_sink_conn *next;
	int fd;
	uint32_t interest;
	bool timed;   /* in the list of those with a deadline */
	bool eof;     /* the client sends nothing more */
	bool gone;    /* and reads nothing more */
	bool closing; /* our FIN is out, we wait for the client's */
	uint64_t closing_until;
	struct bm_sink_session *session; /* NULL when discarding */
	struct bm_sink_discard discard;
};

static uint64_t clock_ms(clockid_t clock)
{
	struct timespec now;
	clock_gettime(clock, &now);
	return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

static void read_clocks(struct bm_sink_loop *loop)
{
	loop->shared->now_ms = clock_ms(CLOCK_MONOTONIC);
	loop->shared->wall_ms = clock_ms(CLOCK_REALTIME);
}

/* The record is written before any reply that speaks of it. */
static void flush_log(struct bm_sink_loop *loop)
{
	struct bm_buf *log = &loop->shared->log;

	while (log->size > 0 && loop->log_errno == 0) {
		ssize_t written = write(loop->log_fd, log->data, log->size);
		if (written >= 0) {
			bm_buf_consume(log, (size_t)written);
			continue;
		}
		struct pollfd wait = {.fd = loop->log_fd, .events = POLLOUT};
		if (errno == EAGAIN)
			(void)poll(&wait, 1, -1);
		else if (errno != EINTR)
			loop->log_errno = errno;
	}
	/* A content of many megabytes is not kept for good. */
	if (log->capacity > BLOCK_SIZE)
		bm_buf_deinit(log);
}

static void list_remove(struct bm_sink_loop *loop, struct bm_sink_conn *conn)
{
	struct bm_sink_conn **head = conn->timed ? &loop->timed : &loop->quiet;

	if (conn->prev != NULL)
		conn->prev->next = conn->next;
	else
		*head = conn->next;
	if (conn->next != NULL)
		conn->next->prev = conn->prev;
}

static void list_add(struct bm_sink_loop *loop, struct bm_sink_conn *conn, bool timed)
{
	struct bm_sink_conn **head = timed ? &loop->timed : &loop->quiet;

	conn->timed = timed;
	conn->prev = NULL;
	conn->next = *head;
	if (*head != NULL)
		(*head)->prev = conn;
	*head = conn;
}

static void listen_interest(struct bm_sink_loop *loop, uint32_t events)
{
	struct epoll_event event = {.events = events, .data.ptr = loop};
	(void)epoll_ctl(loop->epoll_fd, EPOLL_CTL_MOD, loop->listen_fd, &event);
}

static void conn_free(struct bm_sink_loop *loop, struct bm_sink_conn *conn)
{
	list_remove(loop, conn);
	close(conn->fd);
	bm_sink_session_free(conn->session);
	bm_sink_discard_deinit(&conn->discard);
	free(conn);
	flush_log(loop);
}

static void conn_reset(struct bm_sink_loop *loop, struct bm_sink_conn *conn)
{
	struct linger now = {.l_onoff = 1, .l_linger = 0};
	(void)setsockopt(conn->fd, SOL_SOCKET, SO_LINGER, &now, sizeof now);
	conn_free(loop, conn);
}

static struct bm_buf *conn_out(struct bm_sink_conn *conn)
{
	return conn->session == NULL ? &conn->discard.out : bm_sink_session_output(conn->session);
}

static enum bm_sink_action conn_action(const struct bm_sink_conn *conn)
{
	if (conn->session != NULL)
		return bm_sink_session_action(conn->session);
	if (conn->discard.broken)
		return BM_SINK_RESET;
	return conn->discard.quit ? BM_SINK_CLOSE : BM_SINK_GO_ON;
}

/* So many octets go in or out at once. */
static size_t conn_portion(const struct bm_sink_conn *conn, size_t size)
{
	uint64_t segment = conn->session == NULL ? 0 : bm_sink_session_segment(conn->session);
	return segment > 0 && segment < size ? (size_t)segment : size;
}

static void conn_send(struct bm_sink_conn *conn)
{
	struct bm_buf *out = conn_out(conn);

	while (out->size > 0 && !conn->gone) {
		ssize_t sent = send(conn->fd, out->data, conn_portion(conn, out->size), MSG_NOSIGNAL);
		if (sent >= 0)
			bm_buf_consume(out, (size_t)sent);
		else if (errno == EAGAIN)
			return;
		else if (errno != EINTR)
			conn->gone = true;
	}
	if (conn->gone)
		bm_buf_clear(out);
}

/* Sends, and goes on with the input that had waited for room; a flood lets others have their turn. */
static void conn_pump(struct bm_sink_loop *loop, struct bm_sink_conn *conn)
{
	int rounds = 0;

	do {
		flush_log(loop);
		if (loop->log_errno != 0)
			return;
		conn_send(conn);
		if (conn_out(conn)->size == 0 && conn->session != NULL)
			bm_sink_session_tick(conn->session);
	} while (conn_out(conn)->size > 0 && conn->session != NULL && conn_action(conn) == BM_SINK_GO_ON && !conn->gone &&
			 ++rounds < PUMP_ROUNDS);
	flush_log(loop);
}

static uint64_t conn_deadline(struct bm_sink_conn *conn)
{
	if (conn->closing)
		return conn->closing_until;
	if (conn->session == NULL || conn_out(conn)->size > 0)
		return BM_SINK_NO_DEADLINE;
	return bm_sink_session_deadline(conn->session);
}

static uint32_t conn_wishes(struct bm_sink_conn *conn)
{
	uint32_t output = conn_out(conn)->size > 0 ? EPOLLOUT : 0;
	bool input = !conn->eof;

	if (!conn->closing && conn->session != NULL)
		input = input && bm_sink_session_wants_input(conn->session);
	else if (!conn->closing)
		input = input && output == 0;
	return output | (input ? EPOLLIN : 0);
}

static void conn_watch(struct bm_sink_loop *loop, struct bm_sink_conn *conn)
{
	struct epoll_event event = {.events = conn_wishes(conn), .data.ptr = conn};
	bool timed = conn_deadline(conn) != BM_SINK_NO_DEADLINE;

	if (timed != conn->timed) {
		list_remove(loop, conn);
		list_add(loop, conn, timed);
	}
	/* A dead socket would wake us for ever. */
	if (conn->gone)
		(void)epoll_ctl(loop->epoll_fd, EPOLL_CTL_DEL, conn->fd, NULL);
	else if (event.events != conn->interest)
		(void)epoll_ctl(loop->epoll_fd, EPOLL_CTL_MOD, conn->fd, &event);
	conn->interest = event.events;
}

/* A FIN, and then the client's: closing at once would turn unread input into a reset that eats the reply. */
static void conn_shut(struct bm_sink_loop *loop, struct bm_sink_conn *conn)
{
	if (conn->eof || conn->gone || shutdown(conn->fd, SHUT_WR) != 0) {
		conn_free(loop, conn);
		return;
	}
	conn->closing = true;
	conn->closing_until = loop->shared->now_ms + LINGER_MS;
	conn_watch(loop, conn);
}

static void conn_settle(struct bm_sink_loop *loop, struct bm_sink_conn *conn)
{
	conn_pump(loop, conn);
	enum bm_sink_action action = conn_action(conn);
	/* Nobody is left to answer to, and nothing is under way. */
	bool over = (conn->eof || conn->gone) && conn_out(conn)->size == 0 && conn_deadline(conn) == BM_SINK_NO_DEADLINE;

	if (action == BM_SINK_EXIT)
		loop->exited = true;
	else if (conn_out(conn)->size > 0)
		conn_watch(loop, conn);
	else if (action == BM_SINK_RESET)
		conn_reset(loop, conn);
	else if (action == BM_SINK_CLOSE)
		conn_shut(loop, conn);
	else if (over)
		conn_free(loop, conn);
	else
		conn_watch(loop, conn);
}

static void conn_feed(struct bm_sink_loop *loop, struct bm_sink_conn *conn, size_t size)
{
	if (conn->session == NULL)
		bm_sink_discard_feed(&conn->discard, loop->shared, bm_span_make(loop->block, size));
	else if (bm_sink_session_feed(conn->session, loop->block, size) != BM_OK)
		conn->eof = conn->gone = true;
	conn_settle(loop, conn);
}

static void conn_read(struct bm_sink_loop *loop, struct bm_sink_conn *conn)
{
	ssize_t got = recv(conn->fd, loop->block, conn_portion(conn, BLOCK_SIZE), 0);

	if (got < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	conn->eof = conn->eof || got <= 0;
	conn->gone = conn->gone || got < 0;
	if (conn->closing) {
		if (conn->eof)
			conn_free(loop, conn);
		return;
	}
	if (got > 0)
		conn_feed(loop, conn, (size_t)got);
	else
		conn_settle(loop, conn);
}

static void conn_event(struct bm_sink_loop *loop, struct bm_sink_conn *conn, uint32_t events)
{
	bool dead = (events & (EPOLLERR | EPOLLHUP)) != 0;

	/* What came before a reset is still to be read. */
	if ((events & EPOLLIN) != 0 || (dead && (conn->interest & EPOLLIN) != 0)) {
		conn_read(loop, conn);
		return;
	}
	if (dead)
		conn->eof = conn->gone = true;
	if (dead && conn->closing)
		conn_free(loop, conn);
	else
		conn_settle(loop, conn);
}

static struct bm_sink_conn *conn_new(struct bm_sink_loop *loop, int fd)
{
	struct bm_sink_conn *conn = calloc(1, sizeof *conn);

	if (conn == NULL)
		return NULL;
	conn->fd = fd;
	conn->interest = EPOLLIN;
	if (loop->discard) {
		bm_sink_discard_init(&conn->discard);
		return conn;
	}
	conn->session = bm_sink_session_new(loop->shared, loop->shared->counters.connections + 1);
	if (conn->session != NULL)
		return conn;
	free(conn);
	return NULL;
}

static void conn_accept(struct bm_sink_loop *loop, int fd)
{
	int on = 1;
	struct bm_sink_conn *conn = conn_new(loop, fd);
	struct epoll_event event = {.events = EPOLLIN, .data.ptr = conn};

	if (conn == NULL) {
		close(fd);
		return;
	}
	(void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
	list_add(loop, conn, false);
	loop->shared->counters.connections++;
	if (epoll_ctl(loop->epoll_fd, EPOLL_CTL_ADD, fd, &event) != 0)
		conn_free(loop, conn);
	else
		conn_settle(loop, conn);
}

static void accept_some(struct bm_sink_loop *loop)
{
	for (int i = 0; i < ACCEPTS_MAX; i++) {
		int fd = accept4(loop->listen_fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
		if (fd >= 0) {
			conn_accept(loop, fd);
			continue;
		}
		if (errno == ECONNABORTED || errno == EINTR)
			continue;
		if (errno == EAGAIN)
			return;
		/* No descriptors or memory: the clients wait in the backlog. */
		loop->accept_at = loop->shared->now_ms + ACCEPT_PAUSE_MS;
		listen_interest(loop, 0);
		return;
	}
}

static void on_event(struct bm_sink_loop *loop, const struct epoll_event *event)
{
	if (event->data.ptr == &loop->wake_fd)
		loop->stopped = true;
	else if (event->data.ptr == loop)
		accept_some(loop);
	else
		conn_event(loop, event->data.ptr, event->events);
}

static uint64_t next_deadline(const struct bm_sink_loop *loop)
{
	uint64_t next = loop->accept_at == 0 ? BM_SINK_NO_DEADLINE : loop->accept_at;

	for (struct bm_sink_conn *conn = loop->timed; conn != NULL; conn = conn->next) {
		uint64_t deadline = conn_deadline(conn);
		next = deadline < next ? deadline : next;
	}
	return next;
}

static int timeout_ms(const struct bm_sink_loop *loop)
{
	uint64_t next = next_deadline(loop);
	uint64_t now = loop->shared->now_ms;

	if (next == BM_SINK_NO_DEADLINE)
		return -1;
	if (next <= now)
		return 0;
	return next - now > 60000 ? 60000 : (int)(next - now);
}

static void on_deadline(struct bm_sink_loop *loop, struct bm_sink_conn *conn)
{
	if (conn->closing) {
		conn_free(loop, conn);
		return;
	}
	bm_sink_session_tick(conn->session);
	conn_settle(loop, conn);
}

static void run_deadlines(struct bm_sink_loop *loop)
{
	struct bm_sink_conn *next = NULL;
	uint64_t now = loop->shared->now_ms;

	if (loop->accept_at != 0 && loop->accept_at <= now) {
		loop->accept_at = 0;
		listen_interest(loop, EPOLLIN);
	}
	for (struct bm_sink_conn *conn = loop->timed; conn != NULL; conn = next) {
		next = conn->next;
		if (conn_deadline(conn) <= now)
			on_deadline(loop, conn);
	}
}

enum bm_code bm_sink_loop_run(struct bm_sink_loop *loop, struct bm_error *err)
{
	struct epoll_event events[EVENTS_MAX];

	read_clocks(loop);
	while (!loop->stopped && !loop->exited && loop->log_errno == 0) {
		int count = epoll_wait(loop->epoll_fd, events, EVENTS_MAX, timeout_ms(loop));
		if (count < 0 && errno != EINTR)
			return bm_error_set_errno(err, BM_E_IO, "", errno, "the sink cannot wait for events");
		read_clocks(loop);
		for (int i = 0; i < count && !loop->exited; i++)
			on_event(loop, &events[i]);
		run_deadlines(loop);
	}
	if (loop->log_errno != 0)
		return bm_error_set_errno(err, BM_E_IO, "", loop->log_errno, "the record cannot be written");
	if (loop->exited)
		return bm_error_set(err, BM_E_STOPPED, "", "the script ended the sink");
	return BM_OK;
}

void bm_sink_loop_stop(struct bm_sink_loop *loop)
{
	uint64_t one = 1;
	ssize_t ignored = write(loop->wake_fd, &one, sizeof one);
	(void)ignored;
}

void bm_sink_loop_init(struct bm_sink_loop *loop, struct bm_sink_shared *shared)
{
	*loop = (struct bm_sink_loop){.shared = shared, .epoll_fd = -1, .wake_fd = -1, .listen_fd = -1, .log_fd = -1};
}

/* A listening socket, or -1 and errno. */
static int open_listener(const struct addrinfo *info, bool small)
{
	int on = 1;
	int size = SMALL_BUFFER;
	int fd = socket(info->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return -1;
	(void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
	/* Accepted sockets inherit it. */
	if (small)
		(void)setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof size);
	if (bind(fd, info->ai_addr, info->ai_addrlen) == 0 && listen(fd, BACKLOG) == 0)
		return fd;
	int saved = errno;
	close(fd);
	errno = saved;
	return -1;
}

static uint16_t port_of(int fd)
{
	union {
		struct sockaddr any;
		struct sockaddr_in v4;
		struct sockaddr_in6 v6;
	} address = {.v6 = {.sin6_family = AF_UNSPEC}};
	socklen_t size = sizeof address;

	if (getsockname(fd, &address.any, &size) != 0)
		return 0;
	return ntohs(address.any.sa_family == AF_INET6 ? address.v6.sin6_port : address.v4.sin_port);
}

static enum bm_code bind_first(struct bm_sink_loop *loop, const char *host, uint16_t port, struct bm_error *err)
{
	struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE | AI_NUMERICSERV};
	struct addrinfo *list = NULL;
	char service[8];

	snprintf(service, sizeof service, "%u", (unsigned)port);
	int failed = getaddrinfo(host, service, &hints, &list);
	if (failed != 0)
		return bm_error_set(err, BM_E_CONNECT, "", "cannot listen on %s: %s", host, gai_strerror(failed));
	for (const struct addrinfo *info = list; info != NULL && loop->listen_fd < 0; info = info->ai_next)
		loop->listen_fd = open_listener(info, loop->small);
	int saved = errno;
	freeaddrinfo(list);
	if (loop->listen_fd < 0)
		return bm_error_set_errno(err, BM_E_CONNECT, "", saved, "cannot listen on %s port %u", host, (unsigned)port);
	loop->port = port_of(loop->listen_fd);
	return BM_OK;
}

/* A socket that a sink before us left behind is in the way. */
static enum bm_code bind_path(struct bm_sink_loop *loop, const char *path, struct bm_error *err)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	struct stat old;

	if (path[0] == '\0' || strlen(path) >= sizeof address.sun_path)
		return bm_error_set(err, BM_E_USAGE, "", "no path for a socket: \"%s\"", path);
	memcpy(address.sun_path, path, strlen(path) + 1);
	if (lstat(path, &old) == 0 && S_ISSOCK(old.st_mode))
		(void)unlink(path);
	struct addrinfo info = {.ai_family = AF_UNIX, .ai_addr = (struct sockaddr *)&address, .ai_addrlen = sizeof address};
	loop->listen_fd = open_listener(&info, loop->small);
	if (loop->listen_fd < 0)
		return bm_error_set_errno(err, BM_E_CONNECT, "", errno, "cannot listen on %s", path);
	loop->path = strdup(path);
	return loop->path == NULL ? bm_error_nomem(err) : BM_OK;
}

static bool watch(const struct bm_sink_loop *loop, int fd, void *data)
{
	struct epoll_event event = {.events = EPOLLIN, .data.ptr = data};
	return fd >= 0 && epoll_ctl(loop->epoll_fd, EPOLL_CTL_ADD, fd, &event) == 0;
}

enum bm_code bm_sink_loop_listen(struct bm_sink_loop *loop, const char *host, uint16_t port, struct bm_error *err)
{
	loop->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	loop->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (loop->epoll_fd < 0 || !watch(loop, loop->wake_fd, &loop->wake_fd))
		return bm_error_set_errno(err, BM_E_IO, "", errno, "the sink cannot set up its loop");
	loop->block = malloc(BLOCK_SIZE);
	if (loop->block == NULL)
		return bm_error_nomem(err);
	bool path = strncmp(host, UNIX, sizeof UNIX - 1) == 0;
	enum bm_code code = path ? bind_path(loop, host + sizeof UNIX - 1, err) : bind_first(loop, host, port, err);
	if (code == BM_OK && !watch(loop, loop->listen_fd, loop))
		return bm_error_set_errno(err, BM_E_IO, "", errno, "the sink cannot set up its loop");
	return code;
}

static void close_if_open(int fd)
{
	if (fd >= 0)
		close(fd);
}

static void free_all(struct bm_sink_loop *loop, struct bm_sink_conn *conn)
{
	while (conn != NULL) {
		struct bm_sink_conn *next = conn->next;
		conn_free(loop, conn);
		conn = next;
	}
}

void bm_sink_loop_deinit(struct bm_sink_loop *loop)
{
	free_all(loop, loop->quiet);
	free_all(loop, loop->timed);
	flush_log(loop);
	close_if_open(loop->listen_fd);
	close_if_open(loop->wake_fd);
	close_if_open(loop->epoll_fd);
	if (loop->path != NULL)
		(void)unlink(loop->path);
	free(loop->path);
	free(loop->block);
}
