/* SPDX-License-Identifier: MIT */
#include "net/stream_ops.h"

#include <string.h>

enum bm_stream_status bm_stream_read(struct bm_stream *stream, void *data, size_t size, size_t *done)
{
	return stream->ops->read(stream, data, size, done);
}

enum bm_stream_status bm_stream_write(struct bm_stream *stream, const struct bm_span *spans, size_t count, size_t *done)
{
	return stream->ops->write(stream, spans, count, done);
}

void bm_stream_wait(struct bm_stream *stream, bool want_write, uint64_t deadline_ms, struct bm_waker *waker)
{
	stream->ops->wait(stream, want_write, deadline_ms, waker);
}

const char *bm_stream_reason(const struct bm_stream *stream)
{
	return stream->reason != NULL ? stream->reason : "the connection broke";
}

int bm_stream_fd(const struct bm_stream *stream)
{
	return stream->ops->fd(stream);
}

void bm_stream_free(struct bm_stream *stream)
{
	if (stream != NULL)
		stream->ops->free(stream);
}

const char *bm_stream_errno_text(int system_errno)
{
	const char *text = strerrordesc_np(system_errno);
	return text != NULL ? text : "unknown error";
}
