/* SPDX-License-Identifier: MIT */
#include "base/buf.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#define CAPACITY_MIN 64

void bm_buf_init(struct bm_buf *buf, size_t limit)
{
	*buf = (struct bm_buf){.limit = limit};
}

void bm_buf_deinit(struct bm_buf *buf)
{
	free(buf->data);
	bm_buf_init(buf, buf->limit);
}

enum bm_code bm_buf_reserve(struct bm_buf *buf, size_t size)
{
	if (size > buf->limit || buf->size > buf->limit - size)
		return BM_E_LIMIT;
	size_t need = buf->size + size;
	if (need <= buf->capacity)
		return BM_OK;
	size_t capacity = buf->capacity < CAPACITY_MIN ? CAPACITY_MIN : buf->capacity;
	while (capacity < need)
		capacity = capacity > SIZE_MAX / 2 ? need : capacity * 2;
	unsigned char *data = realloc(buf->data, capacity);
	if (data == NULL)
		return BM_E_NOMEM;
	buf->data = data;
	buf->capacity = capacity;
	return BM_OK;
}

enum bm_code bm_buf_append(struct bm_buf *buf, const void *data, size_t size)
{
	enum bm_code code = bm_buf_reserve(buf, size);
	if (code != BM_OK)
		return code;
	if (size > 0)
		memcpy(buf->data + buf->size, data, size);
	buf->size += size;
	return BM_OK;
}

enum bm_code bm_buf_append_span(struct bm_buf *buf, struct bm_span span)
{
	return bm_buf_append(buf, span.data, span.size);
}

enum bm_code bm_buf_append_str(struct bm_buf *buf, const char *text)
{
	return bm_buf_append(buf, text, strlen(text));
}

enum bm_code bm_buf_append_char(struct bm_buf *buf, unsigned char c)
{
	return bm_buf_append(buf, &c, 1);
}

enum bm_code bm_buf_append_fmt(struct bm_buf *buf, const char *fmt, ...)
{
	va_list args;
	char small[256];

	va_start(args, fmt);
	int length = vsnprintf(small, sizeof small, fmt, args);
	va_end(args);
	if (length < 0)
		return BM_E_USAGE;
	size_t size = (size_t)length;
	if (size < sizeof small)
		return bm_buf_append(buf, small, size);
	char *large = malloc(size + 1);
	if (large == NULL)
		return BM_E_NOMEM;
	va_start(args, fmt);
	vsnprintf(large, size + 1, fmt, args);
	va_end(args);
	enum bm_code code = bm_buf_append(buf, large, size);
	free(large);
	return code;
}

void bm_buf_consume(struct bm_buf *buf, size_t size)
{
	if (size >= buf->size) {
		buf->size = 0;
		return;
	}
	memmove(buf->data, buf->data + size, buf->size - size);
	buf->size -= size;
}

void bm_buf_clear(struct bm_buf *buf)
{
	buf->size = 0;
}

struct bm_span bm_buf_view(const struct bm_buf *buf)
{
	return bm_span_make(buf->data, buf->size);
}

enum bm_code bm_buf_terminate(struct bm_buf *buf)
{
	enum bm_code code = bm_buf_append_char(buf, '\0');
	if (code == BM_OK)
		buf->size--;
	return code;
}
