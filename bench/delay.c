/* SPDX-License-Identifier: MIT */
/*
 * A TCP proxy that makes the wire long: every octet arrives half the round trip later, in each direction, however much
 * is under way. It delays octets, not replies: what was sent together arrives together.
 *
 *   delay --to ADDRESS:PORT --delay-ms ROUND-TRIP [--listen ADDRESS:PORT]
 *
 * It says its port in a line and ends by SIGTERM. The kernel accepts a client at once, so the handshake is made up for:
 * the server sees the connection after three half round trips, as it would on such a wire, and the client hears of the
 * server two round trips after it connected.
 *
 * All octets wait equally long, so one queue in the order of arrival serves all connections.
 */
#include "net.h"

#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define BLOCK_SIZE (256U << 10)
#define EVENTS_MAX 256
#define NS_A_SECOND UINT64_C(1000000000)
/* What one direction of a connection may have under way; above it is not read. */
#define WAITING_MAX (64U << 20)

struct link;

/* One end of a connection: what came in at the other end goes out here. */
struct end {
	struct link *link;
	struct end *other;
	int fd;          /* -1: not yet, or no more */
	bool eof;        /* it sends nothing more */
	bool shut;       /* all that was for it is out, the end too */
	uint32_t events; /* that epoll watches */
	size_t waiting;  /* octets for it, due or not */
	struct chunk *ready;
	struct chunk **ready_end;
};

struct link {
	struct end client;
	struct end server;
	size_t queued; /* chunks of it in the queues */
	bool dead;
	struct link *next_dead;
};

enum kind { OCTETS, END_OF_FILE, CONNECT };

struct chunk {
	struct chunk *next;
	struct end *to;
	uint64_t due;
	enum kind kind;
	size_t size;
	size_t sent;
	unsigned char data[];
};

struct queue {
	struct chunk *first;
	struct chunk **end;
};

struct proxy {
	int epoll_fd;
	int listen_fd;
	int signal_fd;
	bool stopped;
	const char *to;
	uint64_t half_ns;
	struct queue connects; /* wait three times as long as the others */
	struct queue chunks;
	struct link *dead; /* to be freed when neither the queues nor this round's events know them */
	unsigned char *block;
};

static void queue_init(struct queue *queue)
{
	queue->first = NULL;
	queue->end = &queue->first;
}

static void queue_add(struct queue *queue, struct end *to, uint64_t due, enum kind kind, struct chunk *chunk)
{
	chunk->next = NULL;
	chunk->to = to;
	chunk->due = due;
	chunk->kind = kind;
	*queue->end = chunk;
	queue->end = &chunk->next;
	to->link->queued++;
}

static struct chunk *queue_take(struct queue *queue)
{
	struct chunk *chunk = queue->first;

	queue->first = chunk->next;
	if (queue->first == NULL)
		queue->end = &queue->first;
	chunk->to->link->queued--;
	return chunk;
}

static struct chunk *chunk_new(const void *data, size_t size)
{
	struct chunk *chunk = malloc(sizeof *chunk + size);

	if (chunk == NULL)
		bench_die("no memory");
	chunk->size = size;
	chunk->sent = 0;
	if (size > 0)
		memcpy(chunk->data, data, size);
	return chunk;
}

static void end_watch(struct proxy *proxy, struct end *end)
{
	bool reads = !end->eof && end->other->waiting < WAITING_MAX;
	uint32_t events = (reads ? EPOLLIN : 0U) | (end->ready != NULL ? EPOLLOUT : 0U);
	struct epoll_event event = {.events = events, .data.ptr = end};

	if (end->fd >= 0 && end->events != events)
		(void)epoll_ctl(proxy->epoll_fd, EPOLL_CTL_MOD, end->fd, &event);
	end->events = events;
}

static void end_open(struct proxy *proxy, struct end *end, int fd)
{
	struct epoll_event event = {.events = EPOLLIN, .data.ptr = end};

	end->fd = fd;
	end->events = EPOLLIN;
	if (epoll_ctl(proxy->epoll_fd, EPOLL_CTL_ADD, fd, &event) != 0)
		bench_die("epoll_ctl");
	end_watch(proxy, end);
}

static void end_close(struct end *end)
{
	while (end->ready != NULL) {
		struct chunk *chunk = end->ready;
		end->ready = chunk->next;
		free(chunk);
	}
	end->ready_end = &end->ready;
	if (end->fd >= 0)
		close(end->fd);
	end->fd = -1;
}

static void link_kill(struct proxy *proxy, struct link *link)
{
	link->dead = true;
	end_close(&link->client);
	end_close(&link->server);
	link->next_dead = proxy->dead;
	proxy->dead = link;
}

static void bury(struct proxy *proxy)
{
	struct link **at = &proxy->dead;

	while (*at != NULL) {
		struct link *link = *at;
		if (link->queued > 0) {
			at = &link->next_dead;
			continue;
		}
		*at = link->next_dead;
		free(link);
	}
}

static void link_settle(struct proxy *proxy, struct link *link)
{
	if (!link->dead && link->client.shut && link->server.shut)
		link_kill(proxy, link);
	if (link->dead)
		return;
	end_watch(proxy, &link->client);
	end_watch(proxy, &link->server);
}

static void drop_first(struct end *end)
{
	struct chunk *chunk = end->ready;

	end->ready = chunk->next;
	if (end->ready == NULL)
		end->ready_end = &end->ready;
	free(chunk);
}

/* False when the socket takes no more just now. */
static bool send_first(struct proxy *proxy, struct end *end)
{
	struct chunk *chunk = end->ready;

	if (chunk->kind == END_OF_FILE) {
		(void)shutdown(end->fd, SHUT_WR);
		end->shut = true;
		drop_first(end);
		return true;
	}
	ssize_t sent = send(end->fd, chunk->data + chunk->sent, chunk->size - chunk->sent, MSG_NOSIGNAL);
	if (sent < 0 && errno != EAGAIN && errno != ENOTCONN)
		link_kill(proxy, end->link);
	if (sent < 0)
		return false;
	chunk->sent += (size_t)sent;
	end->waiting -= (size_t)sent;
	if (chunk->sent == chunk->size)
		drop_first(end);
	return true;
}

static void end_send(struct proxy *proxy, struct end *end)
{
	while (end->ready != NULL && end->fd >= 0 && send_first(proxy, end))
		continue;
	link_settle(proxy, end->link);
}

static void end_read(struct proxy *proxy, struct end *end)
{
	ssize_t got = recv(end->fd, proxy->block, BLOCK_SIZE, 0);
	uint64_t due = bench_now_ns() + proxy->half_ns;

	if (got < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	/* A reset is passed on as an end. */
	if (got <= 0) {
		end->eof = true;
		queue_add(&proxy->chunks, end->other, due, END_OF_FILE, chunk_new(NULL, 0));
	} else {
		queue_add(&proxy->chunks, end->other, due, OCTETS, chunk_new(proxy->block, (size_t)got));
		end->other->waiting += (size_t)got;
	}
	link_settle(proxy, end->link);
}

static void end_event(struct proxy *proxy, struct end *end, uint32_t events)
{
	if (end->fd < 0)
		return;
	if ((events & EPOLLOUT) != 0)
		end_send(proxy, end);
	if (end->fd >= 0 && (events & ~(uint32_t)EPOLLOUT) != 0 && !end->eof)
		end_read(proxy, end);
	else if (end->fd >= 0 && (events & (EPOLLERR | EPOLLHUP)) != 0 && end->eof)
		(void)epoll_ctl(proxy->epoll_fd, EPOLL_CTL_DEL, end->fd, NULL);
}

static void end_init(struct end *end, struct link *link, struct end *other)
{
	*end = (struct end){.link = link, .other = other, .fd = -1};
	end->ready_end = &end->ready;
}

static void accept_all(struct proxy *proxy)
{
	for (int fd; (fd = accept4(proxy->listen_fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0;) {
		struct link *link = calloc(1, sizeof *link);
		if (link == NULL)
			bench_die("no memory");
		bench_set_nodelay(fd);
		end_init(&link->client, link, &link->server);
		end_init(&link->server, link, &link->client);
		end_open(proxy, &link->client, fd);
		queue_add(&proxy->connects, &link->server, bench_now_ns() + 3 * proxy->half_ns, CONNECT, chunk_new(NULL, 0));
	}
}

static void chunk_is_due(struct proxy *proxy, struct chunk *chunk)
{
	struct end *to = chunk->to;

	if (to->link->dead) {
		free(chunk);
		return;
	}
	if (chunk->kind == CONNECT) {
		end_open(proxy, to, bench_connect(proxy->to));
		free(chunk);
	} else {
		chunk->next = NULL;
		*to->ready_end = chunk;
		to->ready_end = &chunk->next;
	}
	end_send(proxy, to);
}

static void queue_run(struct proxy *proxy, struct queue *queue)
{
	while (queue->first != NULL && queue->first->due <= bench_now_ns())
		chunk_is_due(proxy, queue_take(queue));
}

static uint64_t due_of(const struct queue *queue)
{
	return queue->first == NULL ? UINT64_MAX : queue->first->due;
}

static int wait_events(struct proxy *proxy, struct epoll_event *events)
{
	uint64_t connect = due_of(&proxy->connects);
	uint64_t chunk = due_of(&proxy->chunks);
	uint64_t due = connect < chunk ? connect : chunk;
	uint64_t now = bench_now_ns();

	if (due == UINT64_MAX)
		return epoll_wait(proxy->epoll_fd, events, EVENTS_MAX, -1);
	uint64_t left = due > now ? due - now : 0;
	struct timespec timeout = {.tv_sec = (time_t)(left / NS_A_SECOND), .tv_nsec = (long)(left % NS_A_SECOND)};
	return epoll_pwait2(proxy->epoll_fd, events, EVENTS_MAX, &timeout, NULL);
}

static void run(struct proxy *proxy)
{
	struct epoll_event events[EVENTS_MAX];

	while (!proxy->stopped) {
		int count = wait_events(proxy, events);
		for (int i = 0; i < count; i++) {
			if (events[i].data.ptr == &proxy->signal_fd)
				proxy->stopped = true;
			else if (events[i].data.ptr == &proxy->listen_fd)
				accept_all(proxy);
			else
				end_event(proxy, events[i].data.ptr, events[i].events);
		}
		queue_run(proxy, &proxy->connects);
		queue_run(proxy, &proxy->chunks);
		bury(proxy);
	}
}

static void watch_own(struct proxy *proxy, int *fd)
{
	struct epoll_event event = {.events = EPOLLIN, .data.ptr = fd};

	if (epoll_ctl(proxy->epoll_fd, EPOLL_CTL_ADD, *fd, &event) != 0)
		bench_die("epoll_ctl");
}

static void start(struct proxy *proxy, const char *where)
{
	uint16_t port = 0;

	/* The kernel would wake us up to 50 µs late. */
	(void)prctl(PR_SET_TIMERSLACK, 1UL);
	queue_init(&proxy->connects);
	queue_init(&proxy->chunks);
	proxy->block = malloc(BLOCK_SIZE);
	proxy->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	if (proxy->block == NULL || proxy->epoll_fd < 0)
		bench_die("cannot start");
	proxy->signal_fd = bench_signal_fd();
	bench_end_with_parent(SIGTERM);
	proxy->listen_fd = bench_listen(where, &port);
	watch_own(proxy, &proxy->signal_fd);
	watch_own(proxy, &proxy->listen_fd);
	printf("%u\n", port);
	fflush(stdout);
}

int main(int argc, char **argv)
{
	static const struct option options[] = {
		{"listen", required_argument, NULL, 'l'},
		{"to", required_argument, NULL, 't'},
		{"delay-ms", required_argument, NULL, 'd'},
		{0},
	};
	struct proxy proxy = {0};
	const char *where = "127.0.0.1:0";

	for (int c; (c = getopt_long(argc, argv, "", options, NULL)) != -1;) {
		if (c == 'l')
			where = optarg;
		else if (c == 't')
			proxy.to = optarg;
		else if (c == 'd')
			proxy.half_ns = bench_number(optarg, UINT32_MAX) * 1000000 / 2;
		else
			return 64;
	}
	if (proxy.to == NULL)
		bench_die("want --to ADDRESS:PORT");
	start(&proxy, where);
	run(&proxy);
	/* What is left under way is the kernel's to free, with the process. */
	return 0;
}
