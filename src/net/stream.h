/* SPDX-License-Identifier: MIT */
/*
 * A connection as octets in both directions. Nothing above knows what is underneath: TCP, a Unix socket, TLS over
 * either, or the file of a DummyServer.
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

/* What a kind of stream must do; each embeds struct bm_stream as its first member. */
struct bm_stream_ops {
	enum bm_stream_status (*read)(struct bm_stream *stream, void *data, size_t size, size_t *done);
	enum bm_stream_status (*write)(struct bm_stream *stream, const struct bm_span *spans, size_t count, size_t *done);
	void (*wait)(struct bm_stream *stream, bool want_write, uint64_t deadline_ms, struct bm_waker *waker);
	int (*fd)(const struct bm_stream *stream);
	void (*free)(struct bm_stream *stream);
	/* NULL: there is none to do */
	enum bm_stream_status (*handshake)(struct bm_stream *stream, bool *want_write);
};

struct bm_stream {
	const struct bm_stream_ops *ops;
	const char *reason; /* static, or the stream's */
	bool handshaking;   /* bm_stream_handshake comes before any read or write */
	bool pending;       /* the next read has something to tell, whether or not the descriptor can be read */
};

/*
 * Goes on with a handshake, without waiting. BM_STREAM_OK: it is done; BM_STREAM_AGAIN: *want_write says what it waits
 * for; else it failed and bm_stream_reason says why. To be done before the first read or write.
 */
static inline enum bm_stream_status bm_stream_handshake(struct bm_stream *stream, bool *want_write)
{
	return stream->ops->handshake == NULL ? BM_STREAM_OK : stream->ops->handshake(stream, want_write);
}

/*
 * Neither call waits. A read that fills data only in part has drained the stream, but for what pending says. *done is
 * the octets moved; of a write, those that cannot be called back: the others may be under way too, and must be given
 * again by the next write.
 */
static inline enum bm_stream_status bm_stream_read(struct bm_stream *stream, void *data, size_t size, size_t *done)
{
	return stream->ops->read(stream, data, size, done);
}

static inline enum bm_stream_status bm_stream_write(
	struct bm_stream *stream, const struct bm_span *spans, size_t count, size_t *done)
{
	return stream->ops->write(stream, spans, count, done);
}

/*
 * Waits until the stream can be read (or, with want_write, written), the deadline (monotonic ms) passes or
 * waker wakes. waker may be NULL.
 */
static inline void bm_stream_wait(
	struct bm_stream *stream, bool want_write, uint64_t deadline_ms, struct bm_waker *waker)
{
	stream->ops->wait(stream, want_write, deadline_ms, waker);
}

/* One line for the last BM_STREAM_BROKEN; valid as long as the stream. */
static inline const char *bm_stream_reason(const struct bm_stream *stream)
{
	return stream->reason != NULL ? stream->reason : "the connection broke";
}

/* The descriptor, -1 without one. */
static inline int bm_stream_fd(const struct bm_stream *stream)
{
	return stream->ops->fd(stream);
}

/* Closes and frees. NULL is fine. */
static inline void bm_stream_free(struct bm_stream *stream)
{
	if (stream != NULL)
		stream->ops->free(stream);
}

struct bm_tcp_options {
	const char *host;           /* name, address literal, IPv4 or IPv6 ("::1", "[::1]"), or "unix:/path" */
	uint16_t port;              /* of no meaning to a path, nor is source_address */
	const char *source_address; /* NULL: the system's choice */
	unsigned tries;             /* rounds over all addresses, at least 1 */
	uint64_t timeout_ms;        /* for one address, at least 1 */
	struct bm_waker *waker;     /* a wake, also one not cleared before, ends it with BM_E_STOPPED; NULL: none */
};

/*
 * Resolves and connects as net/connect.h does, and waits for it.
 */
enum bm_code bm_stream_open_tcp(
	struct bm_stream **out, const struct bm_tcp_options *options, struct bm_error *err) BM_MUST_CHECK;

/*
 * Appends all that is written to path (mode 0600 when made), each transaction introduced by a line that says that a new
 * message begins, and answers as a server does that accepts all (EHLO, 250, 354 to DATA, 250 to the end of data).
 */
enum bm_code bm_stream_open_dummy(struct bm_stream **out, const char *path, struct bm_error *err) BM_MUST_CHECK;

#endif
