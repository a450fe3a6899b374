/* SPDX-License-Identifier: MIT */
/* What a kind of stream must do; each embeds struct bm_stream as its first member. */
#ifndef BM_NET_STREAM_OPS_H
#define BM_NET_STREAM_OPS_H

#include "net/stream.h"

struct bm_stream_ops {
	enum bm_stream_status (*read)(struct bm_stream *stream, void *data, size_t size, size_t *done);
	enum bm_stream_status (*write)(struct bm_stream *stream, const struct bm_span *spans, size_t count, size_t *done);
	void (*wait)(struct bm_stream *stream, bool want_write, uint64_t deadline_ms, struct bm_waker *waker);
	int (*fd)(const struct bm_stream *stream);
	void (*free)(struct bm_stream *stream);
};

struct bm_stream {
	const struct bm_stream_ops *ops;
	const char *reason; /* static */
};

/* The system's static text for errno. */
const char *bm_stream_errno_text(int system_errno);

/* A stream over a connected, non-blocking socket, which it takes when it succeeds. */
enum bm_code bm_stream_new_socket(struct bm_stream **out, int fd, struct bm_error *err) BM_MUST_CHECK;

#endif
