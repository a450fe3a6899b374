/* SPDX-License-Identifier: MIT */
/* A stream over a connected socket. No call waits, none raises SIGPIPE. */
#include "net/stream_ops.h"

#include "base/error.h"
#include "net/wait.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

/* What one sendmsg takes; below IOV_MAX. */
#define IOV_COUNT 64

struct socket_stream {
	struct bm_stream base;
	int fd;
};

static struct socket_stream *socket_of(struct bm_stream *stream)
{
	return (struct socket_stream *)stream;
}

static enum bm_stream_status failed(struct bm_stream *stream)
{
	if (errno == EAGAIN || errno == EWOULDBLOCK)
		return BM_STREAM_AGAIN;
	stream->reason = bm_stream_errno_text(errno);
	return BM_STREAM_BROKEN;
}

static enum bm_stream_status socket_read(struct bm_stream *stream, void *data, size_t size, size_t *done)
{
	ssize_t got;

	*done = 0;
	do {
		got = recv(socket_of(stream)->fd, data, size, 0);
	} while (got < 0 && errno == EINTR);
	if (got < 0)
		return failed(stream);
	*done = (size_t)got;
	return got == 0 && size > 0 ? BM_STREAM_END : BM_STREAM_OK;
}

static enum bm_stream_status socket_write(
	struct bm_stream *stream, const struct bm_span *spans, size_t count, size_t *done)
{
	struct iovec iov[IOV_COUNT];
	struct msghdr message = {.msg_iov = iov};
	ssize_t put;

	*done = 0;
	for (size_t i = 0; i < count && i < IOV_COUNT; i++, message.msg_iovlen++) {
		iov[i].iov_base = (void *)(uintptr_t)spans[i].data;
		iov[i].iov_len = spans[i].size;
	}
	do {
		put = sendmsg(socket_of(stream)->fd, &message, MSG_NOSIGNAL);
	} while (put < 0 && errno == EINTR);
	if (put < 0)
		return failed(stream);
	*done = (size_t)put;
	return BM_STREAM_OK;
}

static void socket_wait(struct bm_stream *stream, bool want_write, uint64_t deadline_ms, struct bm_waker *waker)
{
	short events = want_write ? POLLIN | POLLOUT : POLLIN;
	/* whatever ended it shows in the next read or write */
	(void)bm_wait(socket_of(stream)->fd, events, deadline_ms, waker);
}

static int socket_fd(const struct bm_stream *stream)
{
	return ((const struct socket_stream *)stream)->fd;
}

static void socket_free(struct bm_stream *stream)
{
	close(socket_of(stream)->fd);
	free(stream);
}

static const struct bm_stream_ops socket_ops = {socket_read, socket_write, socket_wait, socket_fd, socket_free, NULL};

enum bm_code bm_stream_new_socket(struct bm_stream **out, int fd, struct bm_error *err)
{
	*out = NULL;
	struct socket_stream *stream = calloc(1, sizeof *stream);
	if (stream == NULL)
		return bm_error_nomem(err);
	stream->base.ops = &socket_ops;
	stream->fd = fd;
	*out = &stream->base;
	return BM_OK;
}
