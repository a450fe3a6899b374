/* SPDX-License-Identifier: MIT */
/*
 * The server of the benchmarks: accepts every message (sink/discard.h) and counts. It says its port in a line; at
 * SIGTERM it says in one JSON object what it got, the time from the first accepted connection to the last acknowledged
 * message, and its own CPU time.
 *
 *   sink --listen ADDRESS:PORT [--extensions LIST] [--pace-us N] [--tls FILE | --tls-afresh FILE]
 *
 * With --tls, a PEM file with certificate and key, it speaks TLS from the first octet on; with --tls-afresh no session
 * is resumed. With --pace-us it is a slow
 * server: N µs a message, whatever the number of connections.
 */
#include "net.h"
#include "sink/discard.h"
#include "tls.h"

#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define BLOCK_SIZE ((ssize_t)256 << 10)
#define EVENTS_MAX 256
#define NS_A_SECOND UINT64_C(1000000000)

struct conn {
	int fd;
	struct bench_tls_conn *tls; /* NULL: none */
	uint32_t interest;
	bool held; /* a slow server's reply waits */
	bool dead; /* ended while it was held */
	uint64_t due;
	struct conn *next_held;
	struct bm_sink_discard discard;
	struct conn **at; /* what points to it in the list of all */
	struct conn *after;
};

struct sink {
	int epoll_fd;
	int listen_fd;
	int signal_fd;
	bool stopped;
	uint64_t pace_ns;
	uint64_t free_at; /* a slow server is busy until then */
	uint64_t first_ns;
	uint64_t last_ns;
	struct conn *held; /* by due */
	struct conn **held_end;
	struct bm_sink_shared shared;
	unsigned char *block;
	struct bench_tls *tls;
	struct conn *all;
};

static void watch(struct sink *sink, struct conn *conn, uint32_t events)
{
	struct epoll_event event = {.events = events, .data.ptr = conn};

	if (conn->interest != events && epoll_ctl(sink->epoll_fd, EPOLL_CTL_MOD, conn->fd, &event) != 0)
		bench_die("epoll_ctl");
	conn->interest = events;
}

static void conn_free(struct conn *conn)
{
	*conn->at = conn->after;
	if (conn->after != NULL)
		conn->after->at = conn->at;
	bench_tls_close(conn->tls);
	close(conn->fd);
	bm_sink_discard_deinit(&conn->discard);
	free(conn);
}

static ssize_t conn_send(struct conn *conn, struct bm_span out)
{
	if (conn->tls != NULL)
		return bench_tls_send(conn->tls, out.data, out.size);
	return send(conn->fd, out.data, out.size, MSG_NOSIGNAL);
}

/* Sends what it can; what is left waits, and so does the input. False: the connection is gone. */
static bool answer(struct sink *sink, struct conn *conn)
{
	struct bm_buf *out = &conn->discard.out;

	while (out->size > 0) {
		ssize_t sent = conn_send(conn, bm_buf_view(out));
		if (sent < 0 && errno == EAGAIN)
			break;
		if (sent < 0) {
			conn_free(conn);
			return false;
		}
		bm_buf_consume(out, (size_t)sent);
	}
	if (out->size == 0 && (conn->discard.quit || conn->discard.broken)) {
		conn_free(conn);
		return false;
	}
	bool shaking = conn->tls != NULL && bench_tls_is_shaking(conn->tls);
	watch(sink, conn, out->size > 0 && !shaking ? EPOLLOUT : EPOLLIN);
	return true;
}

static void hold(struct sink *sink, struct conn *conn, uint64_t messages, uint64_t now)
{
	sink->free_at = (sink->free_at > now ? sink->free_at : now) + messages * sink->pace_ns;
	conn->due = sink->free_at;
	conn->held = true;
	conn->next_held = NULL;
	*sink->held_end = conn;
	sink->held_end = &conn->next_held;
	watch(sink, conn, 0);
}

static void release(struct sink *sink, uint64_t now)
{
	while (sink->held != NULL && sink->held->due <= now) {
		struct conn *conn = sink->held;
		sink->held = conn->next_held;
		if (sink->held == NULL)
			sink->held_end = &sink->held;
		conn->held = false;
		sink->last_ns = now;
		if (conn->dead)
			conn_free(conn);
		else
			(void)answer(sink, conn);
	}
}

/* One read. False: there is no reading on now. */
static bool take_some(struct sink *sink, struct conn *conn, size_t size)
{
	uint64_t before = sink->shared.counters.transactions;

	bm_sink_discard_feed(&conn->discard, &sink->shared, bm_span_make(sink->block, size));
	uint64_t messages = sink->shared.counters.transactions - before;
	if (messages == 0)
		return answer(sink, conn);
	if (sink->pace_ns > 0) {
		hold(sink, conn, messages, bench_now_ns());
		return false;
	}
	bool alive = answer(sink, conn);
	sink->last_ns = bench_now_ns();
	return alive;
}

static void take(struct sink *sink, struct conn *conn)
{
	ssize_t got = 0;

	do {
		got = conn->tls != NULL ? bench_tls_recv(conn->tls, sink->block, (size_t)BLOCK_SIZE)
								: recv(conn->fd, sink->block, (size_t)BLOCK_SIZE, 0);
		/* what OpenSSL holds no descriptor tells of */
	} while (got > 0 && take_some(sink, conn, (size_t)got) && conn->tls != NULL && got == BLOCK_SIZE);
	if (got > 0)
		return;
	if (got == 0 || errno != EAGAIN)
		conn_free(conn);
	else if (conn->tls != NULL && conn->discard.out.size > 0)
		(void)answer(sink, conn);
}

static void add_conn(struct sink *sink, int fd)
{
	struct conn *conn = calloc(1, sizeof *conn);
	struct epoll_event event = {.events = EPOLLIN, .data.ptr = conn};

	if (conn == NULL || epoll_ctl(sink->epoll_fd, EPOLL_CTL_ADD, fd, &event) != 0)
		bench_die("cannot add a connection");
	conn->fd = fd;
	conn->at = &sink->all;
	conn->after = sink->all;
	if (sink->all != NULL)
		sink->all->at = &conn->after;
	sink->all = conn;
	conn->interest = EPOLLIN;
	bench_set_nodelay(fd);
	if (sink->tls != NULL)
		conn->tls = bench_tls_accept(sink->tls, fd);
	bm_sink_discard_init(&conn->discard);
	sink->shared.counters.connections++;
	if (sink->first_ns == 0)
		sink->first_ns = bench_now_ns();
	(void)answer(sink, conn);
}

static void accept_all(struct sink *sink)
{
	for (;;) {
		int fd = accept4(sink->listen_fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
		if (fd < 0)
			return;
		add_conn(sink, fd);
	}
}

static void conn_event(struct sink *sink, struct conn *conn, uint32_t events)
{
	if (conn->held) {
		(void)epoll_ctl(sink->epoll_fd, EPOLL_CTL_DEL, conn->fd, NULL);
		conn->dead = true;
	} else if ((events & EPOLLOUT) != 0) {
		(void)answer(sink, conn);
	} else {
		take(sink, conn);
	}
}

static void on_event(struct sink *sink, const struct epoll_event *event)
{
	if (event->data.ptr == &sink->listen_fd)
		accept_all(sink);
	else if (event->data.ptr == &sink->signal_fd)
		sink->stopped = true;
	else
		conn_event(sink, event->data.ptr, event->events);
}

static int wait_events(struct sink *sink, struct epoll_event *events)
{
	if (sink->held == NULL)
		return epoll_wait(sink->epoll_fd, events, EVENTS_MAX, -1);
	uint64_t now = bench_now_ns();
	uint64_t left = sink->held->due > now ? sink->held->due - now : 0;
	struct timespec timeout = {.tv_sec = (time_t)(left / NS_A_SECOND), .tv_nsec = (long)(left % NS_A_SECOND)};
	return epoll_pwait2(sink->epoll_fd, events, EVENTS_MAX, &timeout, NULL);
}

static void run(struct sink *sink)
{
	struct epoll_event events[EVENTS_MAX];

	while (!sink->stopped) {
		int count = wait_events(sink, events);
		for (int i = 0; i < count; i++)
			on_event(sink, &events[i]);
		if (sink->held != NULL)
			release(sink, bench_now_ns());
	}
}

static double seconds_of(struct timeval time)
{
	return (double)time.tv_sec + (double)time.tv_usec / 1e6;
}

static void report(const struct sink *sink)
{
	struct rusage usage;
	const struct bm_sink_counters *counters = &sink->shared.counters;
	uint64_t span = sink->last_ns > sink->first_ns ? sink->last_ns - sink->first_ns : 0;

	getrusage(RUSAGE_SELF, &usage);
	printf("{\"connections\": %llu, \"messages\": %llu, \"recipients\": %llu, \"octets\": %llu, "
		   "\"seconds\": %.9f, \"cpu_seconds\": %.6f}\n",
		(unsigned long long)counters->connections, (unsigned long long)counters->transactions,
		(unsigned long long)counters->recipients, (unsigned long long)counters->bytes, (double)span / 1e9,
		seconds_of(usage.ru_utime) + seconds_of(usage.ru_stime));
}

static void watch_own(struct sink *sink, int *fd)
{
	struct epoll_event event = {.events = EPOLLIN, .data.ptr = fd};

	if (epoll_ctl(sink->epoll_fd, EPOLL_CTL_ADD, *fd, &event) != 0)
		bench_die("epoll_ctl");
}

static void start(struct sink *sink, const char *where, const char *extensions)
{
	struct bm_error err = BM_ERROR_INIT;
	uint16_t port = 0;

	if (bm_sink_shared_init(&sink->shared, extensions, false, &err) != BM_OK)
		bench_die(err.text);
	sink->block = malloc((size_t)BLOCK_SIZE);
	sink->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	if (sink->block == NULL || sink->epoll_fd < 0)
		bench_die("cannot start");
	sink->held_end = &sink->held;
	sink->signal_fd = bench_signal_fd();
	bench_end_with_parent(SIGTERM);
	/* The kernel would wake us up to 50 µs late. */
	(void)prctl(PR_SET_TIMERSLACK, 1UL);
	sink->listen_fd = bench_listen(where, &port);
	watch_own(sink, &sink->signal_fd);
	watch_own(sink, &sink->listen_fd);
	printf("%u\n", port);
	fflush(stdout);
}

int main(int argc, char **argv)
{
	static const struct option options[] = {
		{"listen", required_argument, NULL, 'l'},
		{"extensions", required_argument, NULL, 'e'},
		{"pace-us", required_argument, NULL, 'p'},
		{"tls", required_argument, NULL, 't'},
		{"tls-afresh", required_argument, NULL, 'f'},
		{0},
	};
	struct sink sink = {0};
	const char *where = "127.0.0.1:0";
	const char *extensions = NULL;

	for (int c; (c = getopt_long(argc, argv, "", options, NULL)) != -1;) {
		if (c == 'l')
			where = optarg;
		else if (c == 'e')
			extensions = optarg;
		else if (c == 'p')
			sink.pace_ns = bench_number(optarg, UINT32_MAX) * 1000;
		else if (c == 't' || c == 'f')
			sink.tls = bench_tls_new(optarg, c == 't');
		else
			return 64;
	}
	start(&sink, where, extensions);
	run(&sink);
	report(&sink);
	while (sink.all != NULL)
		conn_free(sink.all);
	bench_tls_free(sink.tls);
	bm_sink_shared_deinit(&sink.shared);
	free(sink.block);
	return 0;
}
