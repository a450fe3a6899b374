/* SPDX-License-Identifier: MIT */
/*
 * Logs: what the manual calls CONVERSATION, GOOD, BAD and ERRFILE. A log takes
 * one of four forms: a path (opened to append, mode 0600 when it is made), an
 * open stream, a callback, or an array that grows.
 */
#ifndef BULKMAIL_LOG_H
#define BULKMAIL_LOG_H

#include "bulkmail/errors.h"

#include <stddef.h>
#include <stdio.h>

#ifdef __cplusplus
extern "C" {
#endif

struct bm_log;

/* Gets one line without its line end; line is NUL-terminated and only valid during the call. */
typedef void bm_log_fn(void *user, const char *line, size_t size);

/* Opens path to append. MB702 when the system refuses. The caller frees *out. */
BM_API enum bm_code bm_log_open(struct bm_log **out, const char *path, struct bm_error *err) BM_MUST_CHECK;

/* Writes to a stream that stays the caller's and must outlive the log. MB701 for NULL. */
BM_API enum bm_code bm_log_new_stream(struct bm_log **out, FILE *stream, struct bm_error *err) BM_MUST_CHECK;

/* Calls fn for every line. MB701 for NULL. */
BM_API enum bm_code bm_log_new_callback(
	struct bm_log **out, bm_log_fn *fn, void *user, struct bm_error *err) BM_MUST_CHECK;

/* Keeps every line in memory, to be read by bm_log_count and bm_log_line. */
BM_API enum bm_code bm_log_new_array(struct bm_log **out, struct bm_error *err) BM_MUST_CHECK;

/* Lines that an array log holds; 0 for the other forms. */
BM_API size_t bm_log_count(const struct bm_log *log);

/* The line at index, NUL-terminated, owned by the log until it is freed; NULL beyond the last. */
BM_API const char *bm_log_line(const struct bm_log *log, size_t index);

/* Adds one line; CR and LF in it are dropped, LF ends it. MBO005 when it cannot be written. */
BM_API enum bm_code bm_log_write(struct bm_log *log, const char *line, size_t size, struct bm_error *err) BM_MUST_CHECK;

/* Hands what is buffered to the system. MBO005 when that fails. */
BM_API enum bm_code bm_log_flush(struct bm_log *log, struct bm_error *err) BM_MUST_CHECK;

/* Flushes, closes what it opened, frees. NULL is fine. */
BM_API void bm_log_free(struct bm_log *log);

#ifdef __cplusplus
}
#endif

#endif
