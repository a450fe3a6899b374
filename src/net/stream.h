/* SPDX-License-Identifier: MIT */
/*
 * A connection as octets in both directions. Nothing above knows what is underneath: TCP, or the
 * file of a DummyServer.
 */
#ifndef BM_NET_STREAM_H
#define BM_NET_STREAM_H

#include "base/span.h"
#include "bulkmail/errors.h"
#include "net/waker.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct bm_stream;

/* What a read or write came to. */
enum bm_stream_status {
	BM_STREAM_OK,
	BM_STREAM_AGAIN,  /* nothing now */
	BM_STREAM_END,    /* the peer closed */
	BM_STREAM_BROKEN, /* reset, unreachable …; bm_stream_reason says what */
};

/* Neither call waits. *done is the octets moved. */
enum bm_stream_status bm_stream_read(struct bm_stream *stream, void *data, size_t size, size_t *done);
enum bm_stream_status bm_stream_write(
	struct bm_stream *stream, const struct bm_span *spans, size_t count, size_t *done);

/*
 * Waits until the stream can be read (or, with want_write, written), the deadline (monotonic ms) passes or
 * waker wakes. waker may be NULL.
 */
void bm_stream_wait(struct bm_stream *stream, bool want_write, uint64_t deadline_ms, struct bm_waker *waker);

/* A static string for the last BM_STREAM_BROKEN. */
const char *bm_stream_reason(const struct bm_stream *stream);

/* The descriptor, -1 without one. */
int bm_stream_fd(const struct bm_stream *stream);

/* Closes and frees. NULL is fine. */
void bm_stream_free(struct bm_stream *stream);

struct bm_tcp_options {
	const char *host; /* name or address literal, IPv4 or IPv6 ("::1", "[::1]") */
	uint16_t port;
	const char *source_address; /* NULL: the system's choice */
	unsigned tries;             /* rounds over all addresses, at least 1 */
	uint64_t timeout_ms;        /* for one address, at least 1 */
	struct bm_waker *waker;     /* a wake, also one not cleared before, ends it with BM_E_STOPPED; NULL: none */
};

/*
 * Resolves (every time anew) and connects, all addresses in the system's order, tries rounds. MBS002 no socket (or
 * source address), MBS003 no such host, no connection; the text names the address and the reason. TCP_NODELAY,
 * close-on-exec.
 */
enum bm_code bm_stream_open_tcp(
	struct bm_stream **out, const struct bm_tcp_options *options, struct bm_error *err) BM_MUST_CHECK;

/*
 * Appends all that is written to path (mode 0600 when made), each transaction introduced by a line that says that a new
 * message begins, and answers as a server does that accepts all (EHLO, 250, 354 to DATA, 250 to the end of data).
 */
enum bm_code bm_stream_open_dummy(struct bm_stream **out, const char *path, struct bm_error *err) BM_MUST_CHECK;

#endif
