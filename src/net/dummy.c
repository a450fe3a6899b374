/* SPDX-License-Identifier: MIT */
/*
 * The stream of a DummyServer: what is said goes into a file, and what a server would answer that takes everything is
 * there to be read. It reads the commands only as far as it must: where a line ends, DATA, the lone dot, QUIT.
 */
#include "net/stream_ops.h"

#include "base/buf.h"
#include "base/error.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#define WORD_MAX 16
#define FLUSH_SIZE 65536

static const char new_message[] = "======== a new message begins ========\r\n";

struct dummy_stream {
	struct bm_stream base;
	int fd;
	bool in_content;
	bool quit;
	unsigned char word[WORD_MAX]; /* the first octets of the line, which may come in pieces */
	size_t line_size;
	struct bm_buf file;    /* to be written */
	struct bm_buf replies; /* to be read */
};

static struct dummy_stream *dummy_of(struct bm_stream *stream)
{
	return (struct dummy_stream *)stream;
}

static bool line_begins(const struct dummy_stream *dummy, const char *word)
{
	size_t size = strlen(word);
	return dummy->line_size >= size && bm_span_equal_nocase(bm_span_make(dummy->word, size), bm_span_of(word));
}

static const char *command_reply(struct dummy_stream *dummy)
{
	if (line_begins(dummy, "EHLO"))
		return "250-dummy\r\n250 8BITMIME\r\n";
	if (line_begins(dummy, "DATA")) {
		dummy->in_content = true;
		return "354 go on\r\n";
	}
	if (line_begins(dummy, "QUIT")) {
		dummy->quit = true;
		return "221 goodbye\r\n";
	}
	return "250 taken\r\n";
}

static enum bm_code end_line(struct dummy_stream *dummy)
{
	bool dot = dummy->line_size == 3 && memcmp(dummy->word, ".\r\n", 3) == 0;
	const char *reply = NULL;
	if (!dummy->in_content) {
		reply = command_reply(dummy);
	} else if (dot) {
		dummy->in_content = false;
		reply = "250 taken\r\n";
	}
	dummy->line_size = 0;
	return reply != NULL ? bm_buf_append_str(&dummy->replies, reply) : BM_OK;
}

/* Keeps the front of the line, and says so in the file when it turns out to be a MAIL. */
static enum bm_code take_octets(struct dummy_stream *dummy, const unsigned char *data, size_t size)
{
	for (size_t i = 0; i < size && dummy->line_size + i < WORD_MAX; i++)
		dummy->word[dummy->line_size + i] = data[i];
	dummy->line_size += size;
	return bm_buf_append(&dummy->file, data, size);
}

/* A command line is held back until it is whole: what introduces it must come before it. */
static enum bm_code introduce(struct dummy_stream *dummy)
{
	if (dummy->in_content || !line_begins(dummy, "MAIL FROM:"))
		return BM_OK;
	enum bm_code code = bm_buf_reserve(&dummy->file, sizeof new_message - 1);
	if (code != BM_OK)
		return code;
	unsigned char *line = dummy->file.data + (dummy->file.size - dummy->line_size);
	memmove(line + sizeof new_message - 1, line, dummy->line_size);
	memcpy(line, new_message, sizeof new_message - 1);
	dummy->file.size += sizeof new_message - 1;
	return BM_OK;
}

/* Octets up to the end of one line; *used of them. */
static enum bm_code take_line(struct dummy_stream *dummy, struct bm_span rest, size_t *used)
{
	const unsigned char *end = memchr(rest.data, '\n', rest.size);
	*used = end == NULL ? rest.size : (size_t)(end - rest.data) + 1;
	enum bm_code code = take_octets(dummy, rest.data, *used);
	if (code != BM_OK || end == NULL)
		return code;
	code = introduce(dummy);
	return code == BM_OK ? end_line(dummy) : code;
}

static enum bm_stream_status broken(struct dummy_stream *dummy, const char *reason)
{
	dummy->base.reason = reason;
	return BM_STREAM_BROKEN;
}

/* Writes what is whole: all content, and commands up to the last line end. */
static enum bm_stream_status flush(struct dummy_stream *dummy)
{
	size_t whole = dummy->in_content ? dummy->file.size : dummy->file.size - dummy->line_size;
	size_t at = 0;
	while (at < whole) {
		ssize_t put = write(dummy->fd, dummy->file.data + at, whole - at);
		if (put < 0 && errno != EINTR)
			return broken(dummy, bm_stream_errno_text(errno));
		at += put > 0 ? (size_t)put : 0;
	}
	bm_buf_consume(&dummy->file, whole);
	return BM_STREAM_OK;
}

static enum bm_stream_status write_span(struct dummy_stream *dummy, struct bm_span span, size_t *done)
{
	while (span.size > 0) {
		size_t used = 0;
		if (take_line(dummy, span, &used) != BM_OK)
			return broken(dummy, "out of memory");
		*done += used;
		span.data += used;
		span.size -= used;
		if (dummy->file.size >= FLUSH_SIZE && flush(dummy) != BM_STREAM_OK)
			return BM_STREAM_BROKEN;
	}
	return BM_STREAM_OK;
}

static enum bm_stream_status dummy_write(
	struct bm_stream *stream, const struct bm_span *spans, size_t count, size_t *done)
{
	struct dummy_stream *dummy = dummy_of(stream);
	*done = 0;
	for (size_t i = 0; i < count; i++) {
		if (write_span(dummy, spans[i], done) != BM_STREAM_OK)
			return BM_STREAM_BROKEN;
	}
	return flush(dummy);
}

static enum bm_stream_status dummy_read(struct bm_stream *stream, void *data, size_t size, size_t *done)
{
	struct dummy_stream *dummy = dummy_of(stream);
	size_t step = size < dummy->replies.size ? size : dummy->replies.size;

	*done = step;
	if (step == 0)
		return dummy->quit ? BM_STREAM_END : BM_STREAM_AGAIN;
	memcpy(data, dummy->replies.data, step);
	bm_buf_consume(&dummy->replies, step);
	return BM_STREAM_OK;
}

static void dummy_wait(struct bm_stream *stream, bool want_write, uint64_t deadline_ms, struct bm_waker *waker)
{
	const struct dummy_stream *dummy = dummy_of(stream);
	if (!want_write && dummy->replies.size == 0 && !dummy->quit)
		bm_waker_sleep(waker, deadline_ms);
}

static int dummy_fd(const struct bm_stream *stream)
{
	(void)stream;
	return -1;
}

static void dummy_free(struct bm_stream *stream)
{
	struct dummy_stream *dummy = dummy_of(stream);
	bm_buf_deinit(&dummy->file);
	bm_buf_deinit(&dummy->replies);
	if (dummy->fd >= 0)
		close(dummy->fd);
	free(dummy);
}

static const struct bm_stream_ops dummy_ops = {dummy_read, dummy_write, dummy_wait, dummy_fd, dummy_free, NULL};

enum bm_code bm_stream_open_dummy(struct bm_stream **out, const char *path, struct bm_error *err)
{
	*out = NULL;
	struct dummy_stream *dummy = calloc(1, sizeof *dummy);
	if (dummy == NULL)
		return bm_error_nomem(err);
	dummy->base.ops = &dummy_ops;
	bm_buf_init(&dummy->file, SIZE_MAX / 2);
	bm_buf_init(&dummy->replies, SIZE_MAX / 2);
	dummy->fd = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600);
	if (dummy->fd < 0) {
		int saved = errno;
		dummy_free(&dummy->base);
		return bm_error_set_errno(err, BM_E_IO, "MBS002", saved, "%s cannot be opened", path);
	}
	if (bm_buf_append_str(&dummy->replies, "220 dummy\r\n") != BM_OK) {
		dummy_free(&dummy->base);
		return bm_error_nomem(err);
	}
	*out = &dummy->base;
	return BM_OK;
}
