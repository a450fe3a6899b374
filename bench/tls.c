/* SPDX-License-Identifier: MIT */
#include "tls.h"

#include "net.h"

#include <errno.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <signal.h>
#include <stdlib.h>

/* Several records a system call. */
#define READ_SIZE (128U << 10)

struct bench_tls {
	SSL_CTX *context;
};

struct bench_tls_conn {
	SSL *ssl;
};

struct bench_tls *bench_tls_new(const char *file, bool resumes)
{
	struct bench_tls *tls = calloc(1, sizeof *tls);
	SSL_CTX *context = SSL_CTX_new(TLS_server_method());

	if (tls == NULL || context == NULL || SSL_CTX_use_certificate_chain_file(context, file) != 1 ||
		SSL_CTX_use_PrivateKey_file(context, file, SSL_FILETYPE_PEM) != 1)
		bench_die(file);
	SSL_CTX_set_session_id_context(context, (const unsigned char *)"sink", 4);
	SSL_CTX_set_mode(context, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
	SSL_CTX_set_read_ahead(context, 1);
	SSL_CTX_set_default_read_buffer_len(context, READ_SIZE);
	/* OpenSSL writes to a client that is gone, too */
	signal(SIGPIPE, SIG_IGN);
	if (!resumes) {
		SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
		SSL_CTX_set_num_tickets(context, 0);
	}
	tls->context = context;
	return tls;
}

void bench_tls_free(struct bench_tls *tls)
{
	if (tls != NULL)
		SSL_CTX_free(tls->context);
	free(tls);
}

struct bench_tls_conn *bench_tls_accept(struct bench_tls *tls, int fd)
{
	struct bench_tls_conn *conn = calloc(1, sizeof *conn);

	if (conn == NULL || (conn->ssl = SSL_new(tls->context)) == NULL || SSL_set_fd(conn->ssl, fd) != 1)
		bench_die("no TLS");
	SSL_set_accept_state(conn->ssl);
	return conn;
}

void bench_tls_close(struct bench_tls_conn *conn)
{
	if (conn == NULL)
		return;
	ERR_clear_error();
	if (SSL_is_init_finished(conn->ssl))
		(void)SSL_shutdown(conn->ssl);
	SSL_free(conn->ssl);
	free(conn);
}

bool bench_tls_is_shaking(const struct bench_tls_conn *conn)
{
	return !SSL_is_init_finished(conn->ssl);
}

static ssize_t failed(struct bench_tls_conn *conn, int result)
{
	int why = SSL_get_error(conn->ssl, result);

	if (why == SSL_ERROR_ZERO_RETURN)
		return 0;
	errno = why == SSL_ERROR_WANT_READ || why == SSL_ERROR_WANT_WRITE ? EAGAIN : EPROTO;
	return -1;
}

ssize_t bench_tls_recv(struct bench_tls_conn *conn, void *data, size_t size)
{
	ssize_t done = 0;

	ERR_clear_error();
	while ((size_t)done < size) {
		size_t got = 0;
		int result = SSL_read_ex(conn->ssl, (char *)data + done, size - (size_t)done, &got);
		if (result != 1)
			return done > 0 ? done : failed(conn, result);
		done += (ssize_t)got;
	}
	return done;
}

ssize_t bench_tls_send(struct bench_tls_conn *conn, const void *data, size_t size)
{
	size_t put = 0;

	ERR_clear_error();
	int result = SSL_write_ex(conn->ssl, data, size, &put);
	return result == 1 ? (ssize_t)put : failed(conn, result);
}
