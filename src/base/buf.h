/* SPDX-License-Identifier: MIT */
/*
 * A growing octet buffer with a ceiling. Appending either does all of it or
 * leaves the buffer as it was.
 */
#ifndef BM_BASE_BUF_H
#define BM_BASE_BUF_H

#include "base/span.h"
#include "bulkmail/errors.h"

#include <stdarg.h>
#include <stddef.h>

struct bm_buf {
	unsigned char *data; /* NULL while capacity is 0 */
	size_t size;         /* octets in use */
	size_t capacity;
	size_t limit; /* size never exceeds this */
};

/* An empty buffer that holds at most limit octets; allocates nothing. */
void bm_buf_init(struct bm_buf *buf, size_t limit);
void bm_buf_deinit(struct bm_buf *buf);

/* BM_E_LIMIT above the ceiling, BM_E_NOMEM without memory. */
enum bm_code bm_buf_append(struct bm_buf *buf, const void *data, size_t size) BM_MUST_CHECK;
enum bm_code bm_buf_append_span(struct bm_buf *buf, struct bm_span span) BM_MUST_CHECK;
enum bm_code bm_buf_append_str(struct bm_buf *buf, const char *text) BM_MUST_CHECK;
enum bm_code bm_buf_append_char(struct bm_buf *buf, unsigned char c) BM_MUST_CHECK;
enum bm_code bm_buf_append_fmt(struct bm_buf *buf, const char *fmt, ...) BM_MUST_CHECK BM_PRINTF(2, 3);

/* Makes room for size more octets, so that data[size..] may be written. */
enum bm_code bm_buf_reserve(struct bm_buf *buf, size_t size) BM_MUST_CHECK;

/* Drops the first size octets (at most all of them). */
void bm_buf_consume(struct bm_buf *buf, size_t size);
void bm_buf_clear(struct bm_buf *buf);

/* The contents; valid until the next call that changes the buffer. */
struct bm_span bm_buf_view(const struct bm_buf *buf);

/* Ends the contents with a NUL that does not count in size. */
enum bm_code bm_buf_terminate(struct bm_buf *buf) BM_MUST_CHECK;

#endif
