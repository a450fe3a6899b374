/* SPDX-License-Identifier: MIT */
/* Resolving and connecting. Only the resolver's own time-outs bound the look-up; all else has a deadline. */
#include "net/stream_ops.h"

#include "base/error.h"
#include "net/clock.h"
#include "net/wait.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define HOST_MAX 256
#define PORT_MAX 8

struct attempt {
	const struct bm_tcp_options *options;
	struct addrinfo *addresses;
	struct addrinfo *source; /* NULL: the system's choice */
	struct bm_error *err;
	char place[HOST_MAX + PORT_MAX]; /* "host:port" for messages */
};

static void describe(char *out, size_t size, const struct addrinfo *address)
{
	if (getnameinfo(address->ai_addr, address->ai_addrlen, out, (socklen_t)size, NULL, 0, NI_NUMERICHOST) != 0)
		snprintf(out, size, "unknown address");
}

/* MBS003 is not overwritten by MBS002: a family that this machine has not says less than a refusal. */
static enum bm_code fail(
	struct attempt *attempt, const char *id, const struct addrinfo *address, int system_errno, const char *what)
{
	char numeric[HOST_MAX] = "";
	struct bm_error *err = attempt->err;
	if (err == NULL || (strcmp(err->id, "MBS003") == 0 && strcmp(id, "MBS002") == 0))
		return BM_E_CONNECT;
	describe(numeric, sizeof numeric, address);
	return bm_error_set_errno(err, BM_E_CONNECT, id, system_errno, "%s: %s (%s)", attempt->place, what, numeric);
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

static enum bm_code resolve(struct attempt *attempt)
{
	const struct bm_tcp_options *options = attempt->options;
	struct addrinfo hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICSERV};
	char host[HOST_MAX];
	char port[PORT_MAX];

	if (!bare_host(host, sizeof host, options->host))
		return bm_error_set(attempt->err, BM_E_CONNECT, "MBS003", "%s: no host name", attempt->place);
	snprintf(port, sizeof port, "%u", (unsigned)options->port);
	int status = getaddrinfo(host, port, &hints, &attempt->addresses);
	if (status == EAI_SYSTEM)
		return bm_error_set_errno(
			attempt->err, BM_E_CONNECT, "MBS003", errno, "%s: the name cannot be resolved", attempt->place);
	if (status != 0)
		return bm_error_set(attempt->err, BM_E_CONNECT, "MBS003", "%s: the name cannot be resolved: %s", attempt->place,
			gai_strerror(status));
	return BM_OK;
}

static enum bm_code resolve_source(struct attempt *attempt)
{
	const char *source = attempt->options->source_address;
	struct addrinfo hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICHOST};
	char host[HOST_MAX];

	if (source == NULL)
		return BM_OK;
	if (bare_host(host, sizeof host, source) && getaddrinfo(host, NULL, &hints, &attempt->source) == 0)
		return BM_OK;
	return bm_error_set(
		attempt->err, BM_E_CONNECT, "MBS002", "%s: source address %s is no IP address", attempt->place, source);
}

static enum bm_code open_socket(struct attempt *attempt, const struct addrinfo *address, int *out)
{
	int one = 1;
	int fd = socket(address->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, address->ai_protocol);
	if (fd < 0)
		return fail(attempt, "MBS002", address, errno, "no socket");
	const struct addrinfo *source = attempt->source;
	if (source != NULL && bind(fd, source->ai_addr, source->ai_addrlen) != 0) {
		int saved = errno;
		close(fd);
		return fail(attempt, "MBS002", address, saved, "the source address cannot be used");
	}
	/* commands are small and waited for; without these the connection is only slower, so failing is fine */
	(void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
	(void)setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &one, sizeof one);
	*out = fd;
	return BM_OK;
}

static int socket_error(int fd)
{
	int error = 0;
	socklen_t size = sizeof error;
	return getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &size) == 0 ? error : errno;
}

/* 0, an errno, or ECANCELED when the waker woke. */
static int finish_connect(int fd, uint64_t deadline_ms, const struct bm_waker *waker)
{
	switch (bm_wait(fd, POLLOUT, deadline_ms, waker)) {
	case BM_WAIT_READY:
		return socket_error(fd);
	case BM_WAIT_WOKEN:
		return ECANCELED;
	case BM_WAIT_EXPIRED:
		return ETIMEDOUT;
	case BM_WAIT_FAILED:
		break;
	}
	return errno;
}

static int connect_socket(struct attempt *attempt, const struct addrinfo *address, int fd)
{
	uint64_t timeout_ms = attempt->options->timeout_ms;
	uint64_t now = bm_clock_monotonic_ms();
	uint64_t deadline = timeout_ms > UINT64_MAX - now ? UINT64_MAX : now + timeout_ms;

	if (connect(fd, address->ai_addr, address->ai_addrlen) == 0)
		return 0;
	/* interrupted, it goes on by itself */
	if (errno != EINPROGRESS && errno != EINTR)
		return errno;
	return finish_connect(fd, deadline, attempt->options->waker);
}

static enum bm_code try_address(struct attempt *attempt, const struct addrinfo *address, struct bm_stream **out)
{
	int fd = -1;
	if (attempt->source != NULL && attempt->source->ai_family != address->ai_family)
		return fail(attempt, "MBS002", address, EAFNOSUPPORT, "the source address cannot be used");
	enum bm_code code = open_socket(attempt, address, &fd);
	if (code != BM_OK)
		return code;
	int error = connect_socket(attempt, address, fd);
	if (error == 0) {
		/* what an address before this one said is no error any more */
		*attempt->err = (struct bm_error)BM_ERROR_INIT;
		code = bm_stream_new_socket(out, fd, attempt->err);
		if (code == BM_OK)
			return BM_OK;
	} else if (error == ECANCELED) {
		code = bm_error_set(attempt->err, BM_E_STOPPED, "", "%s: stopped while connecting", attempt->place);
	} else {
		code = fail(attempt, "MBS003", address, error, "no connection");
	}
	close(fd);
	return code;
}

static enum bm_code try_all(struct attempt *attempt, struct bm_stream **out)
{
	unsigned tries = attempt->options->tries > 0 ? attempt->options->tries : 1;
	enum bm_code code = BM_E_CONNECT;
	for (unsigned round = 0; round < tries; round++) {
		for (const struct addrinfo *a = attempt->addresses; a != NULL; a = a->ai_next) {
			code = try_address(attempt, a, out);
			if (code != BM_E_CONNECT)
				return code;
		}
	}
	return code;
}

enum bm_code bm_stream_open_tcp(struct bm_stream **out, const struct bm_tcp_options *options, struct bm_error *err)
{
	struct bm_error ignored = BM_ERROR_INIT;
	struct attempt attempt = {.options = options, .err = err != NULL ? err : &ignored};
	bool literal = strchr(options->host, ':') != NULL && options->host[0] != '[';

	*out = NULL;
	*attempt.err = ignored;
	snprintf(attempt.place, sizeof attempt.place, literal ? "[%.*s]:%u" : "%.*s:%u", HOST_MAX - 2, options->host,
		(unsigned)options->port);
	enum bm_code code = resolve_source(&attempt);
	if (code == BM_OK)
		code = resolve(&attempt);
	if (code == BM_OK)
		code = try_all(&attempt, out);
	if (attempt.addresses != NULL)
		freeaddrinfo(attempt.addresses);
	if (attempt.source != NULL)
		freeaddrinfo(attempt.source);
	return code;
}
