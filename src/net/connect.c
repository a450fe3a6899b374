/* SPDX-License-Identifier: MIT */
#include "net/connect.h"

#include "base/error.h"
#include "net/loop_uv.h"
#include "net/stream_ops.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>
#include <unistd.h>

#define UNIX_PREFIX "unix:"
/*
 * A peer that is gone without a word is noticed: by these probes when nothing is said, and after this time without an
 * answer. It is no shorter than any phase: who is only slow is given up by the machine.
 */
#define KEEPALIVE_IDLE_S 60
#define KEEPALIVE_INTERVAL_S 30
#define USER_TIMEOUT_MS 600000
#define HOST_MAX 256
#define PORT_MAX 8

/* One address that is being connected to. */
struct attempt {
	uv_poll_t poll;
	struct bm_connect *connect;
	const struct bm_endpoint *address;
	int fd;
	uint64_t deadline_ms;
	struct attempt *next;
};

struct bm_connect {
	uv_timer_t timer; /* the next address, or a deadline */
	struct bm_loop *loop;
	bm_connect_fn *fn;
	void *user;
	struct bm_lookup *lookup; /* NULL: over */
	struct bm_endpoint source;
	bool has_source;
	uint64_t timeout_ms;
	unsigned rounds;  /* left, the present one included */
	uint64_t turn_ms; /* when the next address's turn is */
	struct attempt *attempts;
	size_t next;
	size_t count;
	struct bm_error err;
	char place[HOST_MAX + PORT_MAX + 4]; /* for messages */
	struct bm_endpoint addresses[BM_ENDPOINTS_MAX];
};

static void go_on(struct bm_connect *connect);

/* MBS003 is not overwritten by MBS002: a family that this machine has not says less than a refusal. */
static void note(
	struct bm_connect *connect, const char *id, const struct bm_endpoint *address, int system_errno, const char *what)
{
	char numeric[HOST_MAX];

	if (strcmp(connect->err.id, "MBS003") == 0 && strcmp(id, "MBS002") == 0)
		return;
	if (address->place.ss_family == AF_UNIX) {
		bm_error_set_errno(&connect->err, BM_E_CONNECT, id, system_errno, "%s: %s", connect->place, what);
		return;
	}
	if (getnameinfo((const struct sockaddr *)&address->place, address->size, numeric, sizeof numeric, NULL, 0,
			NI_NUMERICHOST) != 0)
		snprintf(numeric, sizeof numeric, "unknown address");
	bm_error_set_errno(&connect->err, BM_E_CONNECT, id, system_errno, "%s: %s (%s)", connect->place, what, numeric);
}

/* The handle goes before its descriptor; fd is closed unless it was taken out. */
static void drop_attempt(struct attempt **at)
{
	struct attempt *attempt = *at;

	*at = attempt->next;
	bm_loop_release((uv_handle_t *)&attempt->poll);
	if (attempt->fd >= 0)
		close(attempt->fd);
}

static void clear(struct bm_connect *connect)
{
	while (connect->attempts != NULL)
		drop_attempt(&connect->attempts);
	bm_lookup_cancel(connect->lookup);
	connect->lookup = NULL;
	bm_loop_release((uv_handle_t *)&connect->timer);
}

static void finish(struct bm_connect *connect, struct bm_stream *stream)
{
	connect->fn(connect->user, stream, &connect->err);
	clear(connect);
}

static int socket_error(int fd)
{
	int error = 0;
	socklen_t size = sizeof error;
	return getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &size) == 0 ? error : errno;
}

static struct attempt **find_attempt(struct bm_connect *connect, const struct attempt *attempt)
{
	struct attempt **at = &connect->attempts;

	while (*at != attempt)
		at = &(*at)->next;
	return at;
}

static void win(struct bm_connect *connect, struct attempt *attempt)
{
	struct bm_stream *stream = NULL;
	int fd = attempt->fd;

	/* what other addresses said is no error any more */
	connect->err = (struct bm_error)BM_ERROR_INIT;
	enum bm_code code = bm_stream_new_socket(&stream, fd, &connect->err);
	if (code == BM_OK)
		attempt->fd = -1;
	drop_attempt(find_attempt(connect, attempt));
	finish(connect, stream);
}

static void on_connected(uv_poll_t *poll, int status, int events)
{
	struct attempt *attempt = poll->data;
	struct bm_connect *connect = attempt->connect;
	int error = socket_error(attempt->fd);

	(void)status;
	(void)events;
	if (error == 0) {
		win(connect, attempt);
		return;
	}
	note(connect, "MBS003", attempt->address, error, "no connection");
	drop_attempt(find_attempt(connect, attempt));
	connect->turn_ms = 0;
	go_on(connect);
}

/* Commands are small and waited for; without these the connection is only slower, so failing is fine. */
static void set_up_socket(int fd)
{
	static const struct {
		int level;
		int name;
		int value;
	} options[] = {
		{IPPROTO_TCP, TCP_NODELAY, 1},
		{SOL_SOCKET, SO_KEEPALIVE, 1},
		{IPPROTO_TCP, TCP_KEEPIDLE, KEEPALIVE_IDLE_S},
		{IPPROTO_TCP, TCP_KEEPINTVL, KEEPALIVE_INTERVAL_S},
		{IPPROTO_TCP, TCP_USER_TIMEOUT, USER_TIMEOUT_MS},
	};

	for (size_t i = 0; i < sizeof options / sizeof options[0]; i++)
		(void)setsockopt(fd, options[i].level, options[i].name, &options[i].value, sizeof options[i].value);
}

/* -1 and an errno. */
static int open_socket(const struct bm_connect *connect, const struct bm_endpoint *address, const char **what)
{
	const struct bm_endpoint *source = &connect->source;

	*what = "no socket";
	int fd = socket(address->place.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -1;
	if (connect->has_source && bind(fd, (const struct sockaddr *)&source->place, source->size) != 0) {
		int saved = errno;
		*what = "the source address cannot be used";
		close(fd);
		errno = saved;
		return -1;
	}
	if (address->place.ss_family != AF_UNIX)
		set_up_socket(fd);
	return fd;
}

/* Polls the socket, which it takes; false without memory. */
static bool poll_socket(struct bm_connect *connect, const struct bm_endpoint *address, int fd)
{
	uint64_t now_ms = uv_now(bm_loop_uv(connect->loop));
	struct attempt *attempt = calloc(1, sizeof *attempt);

	if (attempt == NULL || uv_poll_init(bm_loop_uv(connect->loop), &attempt->poll, fd) != 0) {
		free(attempt);
		close(fd);
		return false;
	}
	attempt->poll.data = attempt;
	attempt->connect = connect;
	attempt->address = address;
	attempt->fd = fd;
	attempt->deadline_ms = connect->timeout_ms > UINT64_MAX - now_ms ? UINT64_MAX : now_ms + connect->timeout_ms;
	attempt->next = connect->attempts;
	connect->attempts = attempt;
	(void)uv_poll_start(&attempt->poll, UV_WRITABLE, on_connected); /* without memory it times out */
	return true;
}

/* 0, or an errno. Interrupted, it goes on by itself. */
static int connect_socket(int fd, const struct bm_endpoint *address)
{
	if (connect(fd, (const struct sockaddr *)&address->place, address->size) == 0)
		return 0;
	return errno == EINPROGRESS || errno == EINTR ? 0 : errno;
}

/* Begins with the next address; false when that failed at once. */
static bool begin(struct bm_connect *connect)
{
	const struct bm_endpoint *address = &connect->addresses[connect->next++];
	const char *what = NULL;

	if (connect->has_source && connect->source.place.ss_family != address->place.ss_family) {
		note(connect, "MBS002", address, EAFNOSUPPORT, "the source address cannot be used");
		return false;
	}
	int fd = open_socket(connect, address, &what);
	if (fd < 0) {
		note(connect, "MBS002", address, errno, what);
		return false;
	}
	int failed = connect_socket(fd, address);
	if (failed != 0) {
		note(connect, "MBS003", address, failed, "no connection");
		close(fd);
		return false;
	}
	if (poll_socket(connect, address, fd))
		return true;
	note(connect, "MBS002", address, ENOMEM, "no socket");
	return false;
}

static void expire(struct bm_connect *connect, uint64_t now_ms)
{
	struct attempt **at = &connect->attempts;

	while (*at != NULL) {
		if ((*at)->deadline_ms > now_ms) {
			at = &(*at)->next;
			continue;
		}
		note(connect, "MBS003", (*at)->address, ETIMEDOUT, "no connection");
		drop_attempt(at);
	}
}

static void on_time(uv_timer_t *timer)
{
	go_on(timer->data);
}

static void arm(struct bm_connect *connect, uint64_t now_ms)
{
	uint64_t until = connect->next < connect->count ? connect->turn_ms : UINT64_MAX;

	for (const struct attempt *attempt = connect->attempts; attempt != NULL; attempt = attempt->next)
		until = attempt->deadline_ms < until ? attempt->deadline_ms : until;
	if (until != UINT64_MAX)
		uv_timer_start(&connect->timer, on_time, until > now_ms ? until - now_ms : 0, 0);
}

/* All addresses failed: another round, from the loop, so that nobody is held up by many, or the end. */
static void end_round(struct bm_connect *connect)
{
	if (--connect->rounds == 0) {
		finish(connect, NULL);
		return;
	}
	connect->next = 0;
	uv_timer_start(&connect->timer, on_time, 0, 0);
}

/* Does what is due: drops what took too long, and begins with whoever's turn it is. */
static void go_on(struct bm_connect *connect)
{
	uint64_t now_ms = uv_now(bm_loop_uv(connect->loop));

	expire(connect, now_ms);
	while (connect->next < connect->count && (connect->attempts == NULL || now_ms >= connect->turn_ms)) {
		if (begin(connect))
			connect->turn_ms = now_ms + BM_CONNECT_STAGGER_MS;
	}
	if (connect->attempts == NULL)
		end_round(connect);
	else
		arm(connect, now_ms);
}

static void on_addresses(void *user, const struct bm_endpoint *addresses, size_t count, const char *why)
{
	struct bm_connect *connect = user;

	connect->lookup = NULL;
	if (count == 0) {
		bm_error_set(&connect->err, BM_E_CONNECT, "MBS003", "%s: the name cannot be resolved: %s", connect->place, why);
		finish(connect, NULL);
		return;
	}
	memcpy(connect->addresses, addresses, count * sizeof *addresses);
	connect->count = count;
	go_on(connect);
}

/* What was wrong before there was an address. */
static void on_failure(uv_timer_t *timer)
{
	finish(timer->data, NULL);
}

/* A name without the brackets of an IPv6 literal. */
static bool bare_host(char *out, size_t size, const char *host)
{
	size_t length = strlen(host);
	bool bracketed = length >= 2 && host[0] == '[' && host[length - 1] == ']';
	const char *start = bracketed ? host + 1 : host;
	length -= bracketed ? 2 : 0;
	if (length == 0 || length >= size)
		return false;
	memcpy(out, start, length);
	out[length] = '\0';
	return true;
}

static enum bm_code take_source(struct bm_connect *connect, const char *source)
{
	struct addrinfo hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICHOST};
	struct addrinfo *found = NULL;
	char host[HOST_MAX];

	if (source == NULL)
		return BM_OK;
	if (!bare_host(host, sizeof host, source) || getaddrinfo(host, NULL, &hints, &found) != 0)
		return bm_error_set(
			&connect->err, BM_E_CONNECT, "MBS002", "%s: source address %s is no IP address", connect->place, source);
	memcpy(&connect->source.place, found->ai_addr, found->ai_addrlen);
	connect->source.size = found->ai_addrlen;
	connect->has_source = true;
	freeaddrinfo(found);
	return BM_OK;
}

static enum bm_code look_up(
	struct bm_connect *connect, const struct bm_tcp_options *options, const struct bm_resolver *resolver)
{
	char host[HOST_MAX];

	if (!bare_host(host, sizeof host, options->host))
		return bm_error_set(&connect->err, BM_E_CONNECT, "MBS003", "%s: no host name", connect->place);
	return bm_lookup_start(
		&connect->lookup, connect->loop, host, options->port, resolver, on_addresses, connect, &connect->err);
}

/* The path of a Unix socket; NULL: the host is none. */
static const char *unix_path(const char *host)
{
	size_t size = sizeof UNIX_PREFIX - 1;
	return strncmp(host, UNIX_PREFIX, size) == 0 ? host + size : NULL;
}

/* Its one address is begun with from the loop, as a name's are. */
static enum bm_code take_path(struct bm_connect *connect, const char *path)
{
	struct sockaddr_un place = {.sun_family = AF_UNIX};
	size_t size = strlen(path);

	if (size == 0 || size >= sizeof place.sun_path)
		return bm_error_set(&connect->err, BM_E_CONNECT, "MBS003", "%s: a path has 1 to %zu octets", connect->place,
			sizeof place.sun_path - 1);
	memcpy(place.sun_path, path, size + 1);
	memcpy(&connect->addresses[0].place, &place, sizeof place);
	connect->addresses[0].size = sizeof place;
	connect->count = 1;
	uv_timer_start(&connect->timer, on_time, 0, 0);
	return BM_OK;
}

static enum bm_code take_host(
	struct bm_connect *connect, const struct bm_tcp_options *options, const struct bm_resolver *resolver)
{
	const char *path = unix_path(options->host);

	if (path != NULL)
		return take_path(connect, path);
	enum bm_code code = take_source(connect, options->source_address);
	return code == BM_OK ? look_up(connect, options, resolver) : code;
}

/* "host:port", "[literal]:port" or "unix:/path" */
static void name_place(struct bm_connect *connect, const char *host, unsigned port)
{
	bool literal = strchr(host, ':') != NULL && host[0] != '[';

	if (unix_path(host) != NULL)
		snprintf(connect->place, sizeof connect->place, "%s", host);
	else
		snprintf(connect->place, sizeof connect->place, literal ? "[%.*s]:%u" : "%.*s:%u", HOST_MAX - 2, host, port);
}

enum bm_code bm_connect_start(struct bm_connect **out, struct bm_loop *loop, const struct bm_tcp_options *options,
	const struct bm_resolver *resolver, bm_connect_fn *fn, void *user, struct bm_error *err)
{
	*out = NULL;
	struct bm_connect *connect = calloc(1, sizeof *connect);
	if (connect == NULL)
		return bm_error_nomem(err);
	connect->loop = loop;
	connect->fn = fn;
	connect->user = user;
	connect->timeout_ms = options->timeout_ms;
	connect->rounds = options->tries > 0 ? options->tries : 1;
	name_place(connect, options->host, options->port);
	uv_timer_init(bm_loop_uv(loop), &connect->timer);
	connect->timer.data = connect;
	if (take_host(connect, options, resolver) != BM_OK)
		uv_timer_start(&connect->timer, on_failure, 0, 0);
	*out = connect;
	return BM_OK;
}

void bm_connect_cancel(struct bm_connect *connect)
{
	if (connect != NULL)
		clear(connect);
}
