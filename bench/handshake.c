/* SPDX-License-Identifier: MIT */
/*
 * Handshakes one after another, each up to the server's greeting: by what bulkmail has (src/net/tls.h), or by OpenSSL
 * alone on a socket that waits, which is as fast as it gets.
 *
 *   handshake --server ADDRESS:PORT --ca FILE --count N [--mode ours|openssl] [--resumed]
 *
 * With --resumed all but the first are to be resumed, else none: which it is the server decides.
 */
#include "net.h"
#include "net/stream_ops.h"
#include "net/tls.h"

#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <openssl/ssl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define READ_SIZE 4096
#define HOST "127.0.0.1"

struct task {
	const char *server;
	const char *ca;
	const char *mode;
	uint64_t count;
	bool resume;
	uint64_t resumed;
};

static struct bm_tls *make_policy(const struct task *task)
{
	struct bm_tls_options options = {.verify = true, .host = HOST, .ca_file = task->ca};
	struct bm_error err = BM_ERROR_INIT;
	struct bm_tls *tls = NULL;

	if (bm_tls_new(&tls, &options, &err) != BM_OK)
		bench_die(err.text);
	return tls;
}

static void wait_for(struct bm_stream *stream, bool want_write)
{
	bm_stream_wait(stream, want_write, UINT64_MAX, NULL);
}

static void shake(struct bm_stream *stream)
{
	enum bm_stream_status status = BM_STREAM_AGAIN;
	bool want_write = false;

	while ((status = bm_stream_handshake(stream, &want_write)) == BM_STREAM_AGAIN)
		wait_for(stream, want_write);
	if (status != BM_STREAM_OK)
		bench_die(bm_stream_reason(stream));
}

static void greet(struct bm_stream *stream)
{
	enum bm_stream_status status = BM_STREAM_AGAIN;
	unsigned char data[READ_SIZE];
	size_t done = 0;

	while ((status = bm_stream_read(stream, data, sizeof data, &done)) == BM_STREAM_AGAIN)
		wait_for(stream, false);
	if (status != BM_STREAM_OK)
		bench_die("no greeting");
}

static void run_ours(struct task *task)
{
	struct bm_tls *tls = make_policy(task);

	for (uint64_t i = 0; i < task->count; i++) {
		struct bm_stream *under = NULL;
		struct bm_stream *stream = NULL;
		int fd = bench_connect(task->server);
		struct pollfd polled = {.fd = fd, .events = POLLOUT};
		bool resumed = false;
		(void)poll(&polled, 1, -1);
		if (bm_stream_new_socket(&under, fd, NULL) != BM_OK || bm_tls_wrap(&stream, tls, under, NULL) != BM_OK)
			bench_die("no stream");
		shake(stream);
		greet(stream);
		(void)bm_tls_version(stream, &resumed);
		task->resumed += resumed;
		bm_stream_free(stream);
	}
	bm_tls_free(tls);
}

/* The newest ticket. */
static int on_session(SSL *ssl, SSL_SESSION *session)
{
	SSL_SESSION **kept = SSL_get_app_data(ssl);

	SSL_SESSION_free(*kept);
	*kept = session;
	return 1;
}

static SSL_CTX *make_context(const struct task *task)
{
	SSL_CTX *context = SSL_CTX_new(TLS_client_method());
	X509_VERIFY_PARAM *param = context != NULL ? SSL_CTX_get0_param(context) : NULL;

	if (context == NULL || SSL_CTX_load_verify_file(context, task->ca) != 1 ||
		X509_VERIFY_PARAM_set1_ip_asc(param, HOST) != 1)
		bench_die(task->ca);
	SSL_CTX_set_verify(context, SSL_VERIFY_PEER, NULL);
	SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
	SSL_CTX_sess_set_new_cb(context, on_session);
	return context;
}

static void run_openssl(struct task *task)
{
	SSL_CTX *context = make_context(task);
	SSL_SESSION *session = NULL;

	for (uint64_t i = 0; i < task->count; i++) {
		char data[READ_SIZE];
		int fd = bench_connect(task->server);
		SSL *ssl = SSL_new(context);
		if (ssl == NULL || SSL_set_fd(ssl, fd) != 1 || fcntl(fd, F_SETFL, 0) != 0)
			bench_die("no TLS");
		SSL_set_app_data(ssl, &session);
		if (session != NULL)
			SSL_set_session(ssl, session);
		struct pollfd polled = {.fd = fd, .events = POLLOUT};
		(void)poll(&polled, 1, -1);
		if (SSL_connect(ssl) != 1 || SSL_read(ssl, data, sizeof data) <= 0)
			bench_die("no handshake");
		task->resumed += SSL_session_reused(ssl) == 1;
		(void)SSL_shutdown(ssl);
		SSL_free(ssl);
		close(fd);
	}
	SSL_SESSION_free(session);
	SSL_CTX_free(context);
}

int main(int argc, char **argv)
{
	static const struct option options[] = {
		{"server", required_argument, NULL, 's'},
		{"ca", required_argument, NULL, 'a'},
		{"count", required_argument, NULL, 'n'},
		{"mode", required_argument, NULL, 'm'},
		{"resumed", no_argument, NULL, 'r'},
		{0},
	};
	struct task task = {.mode = "ours", .count = 1};

	for (int c; (c = getopt_long(argc, argv, "", options, NULL)) != -1;) {
		if (c == 's')
			task.server = optarg;
		else if (c == 'a')
			task.ca = optarg;
		else if (c == 'n')
			task.count = bench_number(optarg, UINT32_MAX);
		else if (c == 'm')
			task.mode = optarg;
		else if (c == 'r')
			task.resume = true;
		else
			return 64;
	}
	if (task.server == NULL || task.ca == NULL)
		return 64;
	if (strcmp(task.mode, "ours") == 0)
		run_ours(&task);
	else
		run_openssl(&task);
	errno = 0;
	if (task.resumed != (task.resume ? task.count - 1 : 0))
		bench_die("a session was not resumed, or one was");
	return 0;
}
