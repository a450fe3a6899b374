/* SPDX-License-Identifier: MIT */
/*
 * The four forms of a log. A path's lines are gathered and handed over in blocks that end with a line, so that two
 * programs that append to one file do not tear each other's lines.
 */
#include "bulkmail/log.h"

#include "base/buf.h"
#include "base/error.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define BLOCK_SIZE (64u * 1024)

/* A longer line is a fault of ours or an attack. */
#define LINE_SIZE_MAX (16u * 1024 * 1024)

enum log_form {
	LOG_PATH,
	LOG_STREAM,
	LOG_CALLBACK,
	LOG_ARRAY,
};

struct bm_log {
	enum log_form form;
	int fd;
	struct bm_buf pending; /* LOG_PATH: whole lines that were not handed over yet */
	struct bm_buf line;    /* the line at hand, without CR and LF, NUL-terminated */
	FILE *stream;
	bm_log_fn *fn;
	void *user;
	char **lines;
	size_t count;
	size_t capacity;
};

static enum bm_code new_log(struct bm_log **out, enum log_form form, struct bm_error *err)
{
	struct bm_log *log = calloc(1, sizeof *log);

	*out = log;
	if (log == NULL)
		return bm_error_nomem(err);
	log->form = form;
	log->fd = -1;
	bm_buf_init(&log->pending, LINE_SIZE_MAX + BLOCK_SIZE);
	bm_buf_init(&log->line, LINE_SIZE_MAX);
	return BM_OK;
}

enum bm_code bm_log_open(struct bm_log **out, const char *path, struct bm_error *err)
{
	*out = NULL;
	if (path == NULL || path[0] == '\0')
		return bm_error_set(err, BM_E_USAGE, "MB701", "a log needs a path");
	int fd = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOCTTY, 0600);
	if (fd < 0) {
		enum bm_code code = errno == ENOENT || errno == ENOTDIR ? BM_E_MISSING : BM_E_IO;
		return bm_error_set_errno(err, code, "MB702", errno, "cannot open the log %s", path);
	}
	enum bm_code code = new_log(out, LOG_PATH, err);
	if (code == BM_OK)
		(*out)->fd = fd;
	else
		close(fd);
	return code;
}

enum bm_code bm_log_new_stream(struct bm_log **out, FILE *stream, struct bm_error *err)
{
	*out = NULL;
	if (stream == NULL)
		return bm_error_set(err, BM_E_USAGE, "MB701", "a log needs an open stream, got NULL");
	enum bm_code code = new_log(out, LOG_STREAM, err);
	if (code == BM_OK)
		(*out)->stream = stream;
	return code;
}

enum bm_code bm_log_new_callback(struct bm_log **out, bm_log_fn *fn, void *user, struct bm_error *err)
{
	*out = NULL;
	if (fn == NULL)
		return bm_error_set(err, BM_E_USAGE, "MB701", "a log needs a function, got NULL");
	enum bm_code code = new_log(out, LOG_CALLBACK, err);
	if (code != BM_OK)
		return code;
	(*out)->fn = fn;
	(*out)->user = user;
	return BM_OK;
}

enum bm_code bm_log_new_array(struct bm_log **out, struct bm_error *err)
{
	return new_log(out, LOG_ARRAY, err);
}

size_t bm_log_count(const struct bm_log *log)
{
	return log->count;
}

const char *bm_log_line(const struct bm_log *log, size_t index)
{
	return index < log->count ? log->lines[index] : NULL;
}

/* The octets of line but for CR and LF: nobody outside may end a line of ours and begin another. */
static enum bm_code clean(struct bm_buf *out, const char *line, size_t size)
{
	bm_buf_clear(out);
	while (size > 0) {
		size_t run = 0;
		while (run < size && line[run] != '\r' && line[run] != '\n')
			run++;
		enum bm_code code = bm_buf_append(out, line, run);
		if (code != BM_OK)
			return code;
		run += run < size ? 1 : 0;
		line += run;
		size -= run;
	}
	return bm_buf_terminate(out);
}

/* What the system took is gone from pending, so that a later flush goes on behind it. */
static enum bm_code flush_path(struct bm_log *log, struct bm_error *err)
{
	size_t done = 0;
	int failed = 0;

	while (done < log->pending.size && failed == 0) {
		ssize_t put = write(log->fd, log->pending.data + done, log->pending.size - done);
		if (put >= 0)
			done += (size_t)put;
		else if (errno != EINTR)
			failed = errno;
	}
	bm_buf_consume(&log->pending, done);
	return failed == 0 ? BM_OK : bm_error_set_errno(err, BM_E_IO, "MBO005", failed, "cannot write to a log");
}

static enum bm_code write_path(struct bm_log *log, struct bm_error *err)
{
	enum bm_code code = BM_OK;
	if (log->pending.size > 0 && log->pending.size + log->line.size >= BLOCK_SIZE)
		code = flush_path(log, err);
	if (code != BM_OK)
		return code;
	if (bm_buf_reserve(&log->pending, log->line.size + 1) != BM_OK)
		return bm_error_nomem(err);
	code = bm_buf_append_span(&log->pending, bm_buf_view(&log->line));
	if (code == BM_OK)
		code = bm_buf_append_char(&log->pending, '\n');
	return code == BM_OK ? BM_OK : bm_error_nomem(err);
}

static enum bm_code write_stream(struct bm_log *log, struct bm_error *err)
{
	size_t put = fwrite(log->line.data, 1, log->line.size, log->stream);
	if (put < log->line.size || putc('\n', log->stream) == EOF)
		return bm_error_set_errno(err, BM_E_IO, "MBO005", errno, "cannot write to a log");
	return BM_OK;
}

static bool make_room(struct bm_log *log)
{
	if (log->count < log->capacity)
		return true;
	size_t capacity = log->capacity < 16 ? 16 : log->capacity * 2;
	if (capacity > SIZE_MAX / sizeof *log->lines)
		return false;
	char **lines = realloc(log->lines, capacity * sizeof *lines);
	if (lines == NULL)
		return false;
	log->lines = lines;
	log->capacity = capacity;
	return true;
}

static enum bm_code write_array(struct bm_log *log, struct bm_error *err)
{
	if (!make_room(log))
		return bm_error_nomem(err);
	char *copy = malloc(log->line.size + 1);
	if (copy == NULL)
		return bm_error_nomem(err);
	memcpy(copy, log->line.data, log->line.size + 1);
	log->lines[log->count++] = copy;
	return BM_OK;
}

enum bm_code bm_log_write(struct bm_log *log, const char *line, size_t size, struct bm_error *err)
{
	enum bm_code code = clean(&log->line, line, size);
	if (code == BM_E_LIMIT)
		return bm_error_set(err, code, "MBO005", "a line of %zu octets is too long for a log", size);
	if (code != BM_OK)
		return bm_error_nomem(err);
	switch (log->form) {
	case LOG_PATH:
		return write_path(log, err);
	case LOG_STREAM:
		return write_stream(log, err);
	case LOG_CALLBACK:
		log->fn(log->user, (const char *)log->line.data, log->line.size);
		return BM_OK;
	case LOG_ARRAY:
		return write_array(log, err);
	}
	return BM_OK;
}

enum bm_code bm_log_flush(struct bm_log *log, struct bm_error *err)
{
	if (log->form == LOG_PATH)
		return flush_path(log, err);
	if (log->form == LOG_STREAM && fflush(log->stream) != 0)
		return bm_error_set_errno(err, BM_E_IO, "MBO005", errno, "cannot write to a log");
	return BM_OK;
}

void bm_log_free(struct bm_log *log)
{
	if (log == NULL)
		return;
	/* Nobody is left to hear of a failure; whoever wants to know flushes first. */
	if (bm_log_flush(log, NULL) != BM_OK)
		bm_buf_clear(&log->pending);
	if (log->fd >= 0)
		close(log->fd);
	for (size_t i = 0; i < log->count; i++)
		free(log->lines[i]);
	free(log->lines);
	bm_buf_deinit(&log->pending);
	bm_buf_deinit(&log->line);
	free(log);
}
