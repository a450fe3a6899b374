/* SPDX-License-Identifier: MIT */
/*
 * A server on 127.0.0.1 that plays a script in a thread of its own. A script is a list of steps, NULL ends it:
 *
 *	"> TEXT"   says TEXT and CR LF
 *	"< WORD"   reads a line and notes it; it has to begin with WORD
 *	"content"  reads lines up to the lone dot and notes none of them
 *	"hook"     calls hook
 *	"end"      waits until the client closes, which has to say nothing more
 *	"close"    closes
 *	"reset"    breaks the connection (RST)
 *
 * The first step, and one after an end of a connection, begins with the next client. What does not go by
 * the script is in fault, and ends it. No step waits longer than PEER_PATIENCE_S.
 */
#ifndef BM_TESTS_API_PEER_H
#define BM_TESTS_API_PEER_H

#include "../unit.h"
#include "bulkmail/server.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#define PEER_PATIENCE_S 5
#define PEER_LINE_MAX 4096

/* The usual beginning and end of a session. */
#define PEER_GREETING "> 220 peer.example"
#define PEER_HELLO PEER_GREETING, "< EHLO me.example", "> 250-peer.example\r\n250-8BITMIME\r\n250 SIZE 1000000"
#define PEER_BYE "< RSET", "> 250 2.0.0 reset", "< QUIT", "> 221 2.0.0 bye", "end"

struct peer {
	const char *const *script;
	void (*hook)(void *user);
	void *hook_user;
	pthread_t thread;
	int listener;
	int fd; /* of the client, -1 without one */
	uint16_t port;
	char place[32];    /* "127.0.0.1:port" */
	char heard[16384]; /* the lines read, each with LF */
	char fault[256];
};

static inline bool peer_fail(struct peer *peer, const char *step, const char *what)
{
	snprintf(peer->fault, sizeof peer->fault, "at \"%s\": %.200s", step, what);
	return false;
}

static inline bool peer_accept(struct peer *peer, const char *step)
{
	struct pollfd polled = {.fd = peer->listener, .events = POLLIN};
	struct timeval patience = {.tv_sec = PEER_PATIENCE_S};

	if (poll(&polled, 1, PEER_PATIENCE_S * 1000) != 1)
		return peer_fail(peer, step, "nobody connects");
	peer->fd = accept(peer->listener, NULL, NULL);
	if (peer->fd < 0 || setsockopt(peer->fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience) != 0)
		return peer_fail(peer, step, "accept failed");
	return true;
}

/* Reads a line without its CR LF; -1 when the client said nothing more. */
static inline int peer_read_line(struct peer *peer, char line[PEER_LINE_MAX])
{
	int size = 0;

	while (size < PEER_LINE_MAX - 1) {
		if (recv(peer->fd, line + size, 1, 0) != 1)
			return -1;
		if (line[size] == '\n')
			break;
		size++;
	}
	if (size > 0 && line[size - 1] == '\r')
		size--;
	line[size] = '\0';
	return size;
}

static inline bool peer_hear(struct peer *peer, const char *step, const char *word)
{
	char line[PEER_LINE_MAX];
	size_t used = strlen(peer->heard);

	if (peer_read_line(peer, line) < 0)
		return peer_fail(peer, step, "the client says nothing");
	snprintf(peer->heard + used, sizeof peer->heard - used, "%s\n", line);
	if (strncmp(line, word, strlen(word)) != 0)
		return peer_fail(peer, step, line);
	return true;
}

static inline bool peer_hear_content(struct peer *peer, const char *step)
{
	char line[PEER_LINE_MAX] = "";

	while (strcmp(line, ".") != 0) {
		if (peer_read_line(peer, line) < 0)
			return peer_fail(peer, step, "the content has no end");
	}
	return true;
}

static inline bool peer_say(struct peer *peer, const char *step, const char *text)
{
	struct iovec parts[] = {{(void *)(uintptr_t)text, strlen(text)}, {(void *)(uintptr_t) "\r\n", 2}};
	struct msghdr message = {.msg_iov = parts, .msg_iovlen = 2};

	if (sendmsg(peer->fd, &message, MSG_NOSIGNAL) != (ssize_t)(parts[0].iov_len + 2))
		return peer_fail(peer, step, "the client is gone");
	return true;
}

static inline void peer_close(struct peer *peer)
{
	if (peer->fd >= 0)
		close(peer->fd);
	peer->fd = -1;
}

static inline bool peer_end(struct peer *peer, const char *step)
{
	char line[PEER_LINE_MAX];
	ssize_t got = recv(peer->fd, line, sizeof line, 0);

	peer_close(peer);
	return got == 0 || peer_fail(peer, step, "the client does not close");
}

static inline bool peer_reset(struct peer *peer)
{
	struct linger now = {.l_onoff = 1};

	/* what the client said is read, the rest is lost with the connection */
	(void)setsockopt(peer->fd, SOL_SOCKET, SO_LINGER, &now, sizeof now);
	peer_close(peer);
	return true;
}

static inline bool peer_step(struct peer *peer, const char *step)
{
	if (peer->fd < 0 && !peer_accept(peer, step))
		return false;
	if (step[0] == '>')
		return peer_say(peer, step, step + 2);
	if (step[0] == '<')
		return peer_hear(peer, step, step + 2);
	if (strcmp(step, "content") == 0)
		return peer_hear_content(peer, step);
	if (strcmp(step, "end") == 0)
		return peer_end(peer, step);
	if (strcmp(step, "reset") == 0)
		return peer_reset(peer);
	if (strcmp(step, "hook") == 0)
		peer->hook(peer->hook_user);
	else
		peer_close(peer);
	return true;
}

static inline void *peer_main(void *user)
{
	struct peer *peer = user;

	for (size_t i = 0; peer->script[i] != NULL; i++) {
		if (!peer_step(peer, peer->script[i]))
			break;
	}
	peer_close(peer);
	return NULL;
}

/* A socket that is bound to a free port and does not listen: nobody else gets the port, and connects are refused. */
static inline int peer_bind(uint16_t *port)
{
	struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t size = sizeof address;

	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_true(fd >= 0);
	assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof address), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&address, &size), 0);
	*port = ntohs(address.sin_port);
	return fd;
}

static inline void peer_start_hooked(
	struct peer *peer, const char *const *script, void (*hook)(void *user), void *hook_user)
{
	*peer = (struct peer){.script = script, .hook = hook, .hook_user = hook_user, .fd = -1};
	peer->listener = peer_bind(&peer->port);
	assert_int_equal(listen(peer->listener, 8), 0);
	snprintf(peer->place, sizeof peer->place, "127.0.0.1:%u", (unsigned)peer->port);
	assert_int_equal(pthread_create(&peer->thread, NULL, peer_main, peer), 0);
}

static inline void peer_start(struct peer *peer, const char *const *script)
{
	peer_start_hooked(peer, script, NULL, NULL);
}

/* Waits for the script's end; all of it has to have been played. */
static inline void peer_finish(struct peer *peer)
{
	assert_int_equal(pthread_join(peer->thread, NULL), 0);
	close(peer->listener);
	assert_string_equal(peer->fault, "");
}

/* A server with all that it needs, not connected; time_out is only there to end a test that went wrong. */
static inline struct bm_server *server_at_port(uint16_t port)
{
	struct bm_server_options options = BM_SERVER_OPTIONS_INIT;
	struct bm_server *server = NULL;
	struct bm_error err = BM_ERROR_INIT;

	options.smtp = "127.0.0.1";
	options.port = port;
	options.domain = "me.example";
	options.tries = 1;
	options.time_out = PEER_PATIENCE_S;
	assert_int_equal(bm_server_new(&server, &options, &err), BM_OK);
	return server;
}

static inline void set_attribute(struct bm_server *server, const char *name, const char *value)
{
	struct bm_error err = BM_ERROR_INIT;
	assert_int_equal(bm_server_set(server, name, value, &err), BM_OK);
}

/* NULL when unset. */
static inline const char *get_attribute(struct bm_server *server, const char *name)
{
	const char *value = NULL;
	struct bm_error err = BM_ERROR_INIT;
	assert_int_equal(bm_server_get(server, name, &value, &err), BM_OK);
	return value;
}

static inline void connect_server(struct bm_server *server)
{
	struct bm_error err = BM_ERROR_INIT;
	assert_int_equal(bm_server_connect(server, &err), BM_OK);
	assert_true(bm_server_connected(server));
}

/* Says talk, which has to succeed; the reply is valid until the next talk. */
static inline const char *talk(struct bm_server *server, const char *text)
{
	const char *reply = NULL;
	struct bm_error err = BM_ERROR_INIT;

	if (bm_server_talk_and_respond(server, text, &reply, &err) != BM_OK)
		fail_msg("%s: %s %s", text, err.id, err.text);
	return reply;
}

/* Waits until the other side said something, closed or broke the connection. */
static inline void wait_for_peer(const struct bm_server *server)
{
	struct pollfd polled = {.fd = bm_server_socket(server), .events = POLLIN};
	assert_int_equal(poll(&polled, 1, PEER_PATIENCE_S * 1000), 1);
}

#endif
