/* SPDX-License-Identifier: MIT */
/* The server's side of TLS for the benchmarks' sink. */
#ifndef BENCH_TLS_H
#define BENCH_TLS_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

struct bench_tls;      /* what connections share */
struct bench_tls_conn; /* one of them */

/* A PEM file with a certificate and its key. resumes: clients get tickets. */
struct bench_tls *bench_tls_new(const char *file, bool resumes);
void bench_tls_free(struct bench_tls *tls);

struct bench_tls_conn *bench_tls_accept(struct bench_tls *tls, int fd);
void bench_tls_close(struct bench_tls_conn *conn);

/* The handshake waits for the client, not for room to write. */
bool bench_tls_is_shaking(const struct bench_tls_conn *conn);

/* As recv and send without waiting, the handshake included: -1 with EAGAIN, or with EPROTO. */
ssize_t bench_tls_recv(struct bench_tls_conn *conn, void *data, size_t size);
ssize_t bench_tls_send(struct bench_tls_conn *conn, const void *data, size_t size);

#endif
