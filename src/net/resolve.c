/* SPDX-License-Identifier: MIT */
/*
 * c-ares on the loop: one channel a look-up, so that /etc/resolv.conf and /etc/hosts are read each time and a look-up
 * can be given up alone. Its sockets are polled, its time-outs are a timer's. The answer is told from that timer, never
 * from within a call of c-ares.
 */
#include "net/resolve.h"

#include "base/error.h"
#include "net/loop_uv.h"

#include <ares.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/time.h>

#define TRIES 2

/* One of the channel's sockets. */
struct query {
	uv_poll_t poll;
	struct bm_lookup *lookup;
	ares_socket_t fd;
	struct query *next;
};

struct bm_lookup {
	uv_timer_t timer;
	struct bm_loop *loop;
	bm_lookup_fn *fn;
	void *user;
	ares_channel channel; /* NULL: none */
	struct query *queries;
	bool done;
	const char *why;
	size_t count;
	struct bm_endpoint addresses[BM_ENDPOINTS_MAX];
};

static void on_time(uv_timer_t *timer);

/* The channel goes first: it closes its sockets, and so tells that they are not polled any more. */
static void end(struct bm_lookup *lookup)
{
	if (lookup->channel != NULL)
		ares_destroy(lookup->channel);
	bm_loop_release((uv_handle_t *)&lookup->timer);
}

static void arm(struct bm_lookup *lookup)
{
	struct timeval buffer;

	if (lookup->done) {
		uv_timer_start(&lookup->timer, on_time, 0, 0);
		return;
	}
	const struct timeval *left = ares_timeout(lookup->channel, NULL, &buffer);
	if (left != NULL)
		uv_timer_start(&lookup->timer, on_time, (uint64_t)left->tv_sec * 1000 + (uint64_t)left->tv_usec / 1000 + 1, 0);
}

static void on_time(uv_timer_t *timer)
{
	struct bm_lookup *lookup = timer->data;

	if (!lookup->done) {
		ares_process_fd(lookup->channel, ARES_SOCKET_BAD, ARES_SOCKET_BAD);
		arm(lookup);
		return;
	}
	lookup->fn(lookup->user, lookup->addresses, lookup->count, lookup->why);
	end(lookup);
}

static void on_query(uv_poll_t *poll, int status, int events)
{
	struct query *query = poll->data;
	struct bm_lookup *lookup = query->lookup;
	bool readable = status < 0 || (events & UV_READABLE) != 0;
	bool writable = status < 0 || (events & UV_WRITABLE) != 0;

	ares_process_fd(lookup->channel, readable ? query->fd : ARES_SOCKET_BAD, writable ? query->fd : ARES_SOCKET_BAD);
	arm(lookup);
}

/* Where fd hangs in the list, or the list's end. */
static struct query **find_query(struct bm_lookup *lookup, ares_socket_t fd)
{
	struct query **at = &lookup->queries;

	while (*at != NULL && (*at)->fd != fd)
		at = &(*at)->next;
	return at;
}

static void drop_query(struct query **at)
{
	struct query *query = *at;

	*at = query->next;
	bm_loop_release((uv_handle_t *)&query->poll);
}

/* Without memory it is not polled: the question times out. */
static struct query *add_query(struct bm_lookup *lookup, ares_socket_t fd)
{
	struct query *query = calloc(1, sizeof *query);

	if (query == NULL || uv_poll_init(bm_loop_uv(lookup->loop), &query->poll, fd) != 0) {
		free(query);
		return NULL;
	}
	query->poll.data = query;
	query->lookup = lookup;
	query->fd = fd;
	query->next = lookup->queries;
	lookup->queries = query;
	return query;
}

static void on_socket_state(void *user, ares_socket_t fd, int readable, int writable)
{
	struct bm_lookup *lookup = user;
	struct query **at = find_query(lookup, fd);
	int events = (readable != 0 ? UV_READABLE : 0) | (writable != 0 ? UV_WRITABLE : 0);

	if (events == 0 && *at != NULL)
		drop_query(at);
	if (events == 0)
		return;
	struct query *query = *at != NULL ? *at : add_query(lookup, fd);
	if (query != NULL)
		(void)uv_poll_start(&query->poll, events, on_query);
}

/* The first of the family from node on. */
static const struct ares_addrinfo_node *of_family(const struct ares_addrinfo_node *node, int family)
{
	while (node != NULL && node->ai_family != family)
		node = node->ai_next;
	return node;
}

static void keep(struct bm_lookup *lookup, const struct ares_addrinfo_node *node)
{
	struct bm_endpoint *address = &lookup->addresses[lookup->count];

	if (node->ai_addrlen > sizeof address->place)
		return;
	memcpy(&address->place, node->ai_addr, node->ai_addrlen);
	address->size = node->ai_addrlen;
	lookup->count++;
}

/* RFC 8305, 4: the families in turn, beginning with that of the best address; each in its own order. */
static void keep_in_turn(struct bm_lookup *lookup, const struct ares_addrinfo_node *nodes)
{
	const struct ares_addrinfo_node *best = nodes;
	const struct ares_addrinfo_node *other = of_family(nodes, nodes->ai_family == AF_INET6 ? AF_INET : AF_INET6);

	for (bool first = true; lookup->count < BM_ENDPOINTS_MAX && (best != NULL || other != NULL); first = !first) {
		const struct ares_addrinfo_node **turn = (first && best != NULL) || other == NULL ? &best : &other;
		keep(lookup, *turn);
		*turn = of_family((*turn)->ai_next, (*turn)->ai_family);
	}
}

static void on_answer(void *user, int status, int timeouts, struct ares_addrinfo *info)
{
	struct bm_lookup *lookup = user;

	(void)timeouts;
	if (status == ARES_EDESTRUCTION)
		return;
	lookup->done = true;
	lookup->why = status == ARES_SUCCESS ? "it has no address" : ares_strerror(status);
	if (status == ARES_SUCCESS && info != NULL && info->nodes != NULL)
		keep_in_turn(lookup, info->nodes);
	if (info != NULL)
		ares_freeaddrinfo(info);
	arm(lookup);
}

static bool take_literal(struct bm_lookup *lookup, const char *host, const char *port)
{
	struct addrinfo hints = {
		.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICHOST | AI_NUMERICSERV};
	struct addrinfo *found = NULL;
	struct bm_endpoint *address = &lookup->addresses[lookup->count];

	if (getaddrinfo(host, port, &hints, &found) != 0)
		return false;
	memcpy(&address->place, found->ai_addr, found->ai_addrlen);
	address->size = found->ai_addrlen;
	lookup->count++;
	freeaddrinfo(found);
	return true;
}

/* Both loopback addresses, whatever /etc/hosts says (RFC 6761, 6.3). */
static bool take_localhost(struct bm_lookup *lookup, const char *host, const char *port)
{
	if (strcasecmp(host, "localhost") != 0 && strcasecmp(host, "localhost.") != 0)
		return false;
	bool six = take_literal(lookup, "::1", port);
	return take_literal(lookup, "127.0.0.1", port) || six;
}

/* What cannot be a host's name is not asked for. */
static bool is_name(const char *host)
{
	for (const char *p = host; *p != '\0'; p++) {
		bool letter = (*p >= 'a' && *p <= 'z') || (*p >= 'A' && *p <= 'Z');
		if (!letter && !(*p >= '0' && *p <= '9') && strchr("-_.", *p) == NULL)
			return false;
	}
	return host[0] != '\0' && host[0] != '.' && strstr(host, "..") == NULL;
}

static int make_channel(struct bm_lookup *lookup, const struct bm_resolver *resolver)
{
	struct ares_options options = {.tries = TRIES, .sock_state_cb = on_socket_state, .sock_state_cb_data = lookup};
	int mask = ARES_OPT_TRIES | ARES_OPT_SOCK_STATE_CB;
	if (resolver != NULL) {
		options.tries = resolver->tries;
		options.timeout = resolver->timeout_ms;
		mask |= ARES_OPT_TIMEOUTMS;
	}
	int status = ares_init_options(&lookup->channel, &options, mask);
	if (status != ARES_SUCCESS) {
		lookup->channel = NULL;
		return status;
	}
	return resolver == NULL ? ARES_SUCCESS : ares_set_servers_ports_csv(lookup->channel, resolver->servers);
}

static void ask(struct bm_lookup *lookup, const char *host, const char *port, const struct bm_resolver *resolver)
{
	struct ares_addrinfo_hints hints = {
		.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM, .ai_flags = ARES_AI_NUMERICSERV};

	int status = make_channel(lookup, resolver);
	if (status == ARES_SUCCESS) {
		ares_getaddrinfo(lookup->channel, host, port, &hints, on_answer, lookup);
	} else {
		lookup->done = true;
		lookup->why = ares_strerror(status);
	}
	arm(lookup);
}

enum bm_code bm_lookup_start(struct bm_lookup **out, struct bm_loop *loop, const char *host, uint16_t port,
	const struct bm_resolver *resolver, bm_lookup_fn *fn, void *user, struct bm_error *err)
{
	char service[8];

	*out = NULL;
	struct bm_lookup *lookup = calloc(1, sizeof *lookup);
	if (lookup == NULL)
		return bm_error_nomem(err);
	lookup->loop = loop;
	lookup->fn = fn;
	lookup->user = user;
	uv_timer_init(bm_loop_uv(loop), &lookup->timer);
	lookup->timer.data = lookup;
	snprintf(service, sizeof service, "%u", (unsigned)port);
	lookup->done = take_literal(lookup, host, service) || take_localhost(lookup, host, service);
	if (!lookup->done && !is_name(host)) {
		lookup->done = true;
		lookup->why = "it is no name of a host";
	}
	*out = lookup;
	if (lookup->done)
		arm(lookup);
	else
		ask(lookup, host, service, resolver);
	return BM_OK;
}

void bm_lookup_cancel(struct bm_lookup *lookup)
{
	if (lookup != NULL)
		end(lookup);
}
