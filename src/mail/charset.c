/* SPDX-License-Identifier: MIT */
#include "mail/charset.h"

#include "base/utf8.h"

#include <errno.h>
#include <iconv.h>
#include <stdlib.h>

#define CHARSET_NAME_MAX 40

bool bm_charset_is_utf8(struct bm_span name)
{
	static const char *const names[] = {"utf-8", "utf8", NULL};

	return bm_span_is_one_of(name, names);
}

bool bm_charset_is_ascii(struct bm_span name)
{
	static const char *const names[] = {"", "us-ascii", "ascii", "ansi_x3.4-1968", NULL};

	return bm_span_is_one_of(name, names);
}

bool bm_utf8_take(struct bm_span *text, uint32_t *point)
{
	static const unsigned char masks[] = {0, 0x7f, 0x1f, 0x0f, 0x07};
	size_t length = bm_utf8_length(text->data, text->size);

	if (length == 0)
		return false;
	*point = text->data[0] & masks[length];
	for (size_t i = 1; i < length; i++)
		*point = *point << 6 | (text->data[i] & 0x3f);
	*text = bm_span_make(text->data + length, text->size - length);
	return true;
}

/* iconv's name may not carry its suffixes ("//TRANSLIT"). */
static bool open_converter(iconv_t *out, struct bm_span name)
{
	char text[CHARSET_NAME_MAX + 1];

	if (name.size == 0 || name.size > CHARSET_NAME_MAX || memchr(name.data, '/', name.size) != NULL)
		return false;
	memcpy(text, name.data, name.size);
	text[name.size] = '\0';
	*out = iconv_open("UTF-8", text);
	/* The value that iconv_open fails with is all ones. */
	return (intptr_t)*out != -1;
}

static bool convert_all(iconv_t converter, struct bm_buf *out, struct bm_span text)
{
	char *in = (char *)(uintptr_t)text.data;
	size_t left = text.size;
	bool converted = true;

	iconv(converter, NULL, NULL, NULL, NULL);
	while (converted && left > 0) {
		if (bm_buf_reserve(out, 4 * left + 16) != BM_OK)
			return false;
		char *to = (char *)out->data + out->size;
		size_t room = out->capacity - out->size;
		size_t got = iconv(converter, &in, &left, &to, &room);
		converted = got != (size_t)-1 || errno == E2BIG;
		out->size = (size_t)((unsigned char *)to - out->data);
	}
	return converted;
}

enum bm_code bm_charset_convert(struct bm_buf *out, struct bm_span charset, struct bm_span text)
{
	iconv_t converter;
	size_t start = out->size;

	if (bm_charset_is_utf8(charset) || bm_charset_is_ascii(charset))
		return bm_buf_append_span(out, text);
	if (!open_converter(&converter, charset))
		return BM_E_MESSAGE;
	bool converted = convert_all(converter, out, text);
	iconv_close(converter);
	if (!converted)
		out->size = start;
	return converted ? BM_OK : BM_E_MESSAGE;
}

/* The character that one octet stands for; 0 for none, UINT32_MAX when it is not by itself. */
static uint32_t point_of(iconv_t converter, unsigned char octet)
{
	char in[1] = {(char)octet};
	unsigned char out[16];
	char *from = in;
	char *to = (char *)out;
	size_t left = 1;
	size_t room = sizeof out;
	uint32_t point = 0;

	iconv(converter, NULL, NULL, NULL, NULL);
	if (iconv(converter, &from, &left, &to, &room) == (size_t)-1)
		return errno == EILSEQ ? 0 : UINT32_MAX;
	struct bm_span text = bm_span_make(out, sizeof out - room);
	return bm_utf8_take(&text, &point) && text.size == 0 ? point : UINT32_MAX;
}

static int compare_points(const void *a, const void *b)
{
	uint32_t one = ((const struct bm_encoding *)a)->point;
	uint32_t two = ((const struct bm_encoding *)b)->point;

	return (one > two) - (one < two);
}

/* False when it is no charset of one octet a character that agrees with ASCII. */
static bool fill(struct bm_charset *charset, iconv_t converter)
{
	charset->count = 0;
	for (unsigned octet = 1; octet < 256; octet++) {
		uint32_t point = point_of(converter, (unsigned char)octet);
		if (point == UINT32_MAX || (octet < 0x80 && point != octet))
			return false;
		if (octet < 0x80)
			continue;
		charset->points[octet - 0x80] = point;
		if (point != 0)
			charset->sorted[charset->count++] = (struct bm_encoding){point, (unsigned char)octet};
	}
	qsort(charset->sorted, charset->count, sizeof charset->sorted[0], compare_points);
	return charset->count > 0;
}

static struct bm_charset *find(struct bm_charset *list, struct bm_span name)
{
	while (list != NULL && !bm_span_equal_nocase(list->name, name))
		list = list->next;
	return list;
}

enum bm_code bm_charset_get(struct bm_charset **out, struct bm_message *message, struct bm_span name, size_t columns)
{
	iconv_t converter;

	*out = find(message->charsets, name);
	if (*out != NULL || !open_converter(&converter, name))
		return BM_OK;
	struct bm_charset *charset = bm_arena_take(&message->arena, sizeof *charset);
	bool fits = charset != NULL && fill(charset, converter);
	iconv_close(converter);
	if (charset == NULL)
		return BM_E_NOMEM;
	if (!fits)
		return BM_OK;
	const char *copy = bm_arena_copy(&message->arena, name.data, name.size);
	charset->reasons = bm_arena_take(&message->arena, (columns + 1) * sizeof *charset->reasons);
	if (copy == NULL || charset->reasons == NULL)
		return BM_E_NOMEM;
	memset(charset->reasons, 0, (columns + 1) * sizeof *charset->reasons);
	charset->name = bm_span_make(copy, name.size);
	charset->next = message->charsets;
	message->charsets = charset;
	*out = charset;
	return BM_OK;
}

bool bm_charset_octet(const struct bm_charset *charset, uint32_t point, unsigned char *octet)
{
	if (point < 0x80) {
		*octet = (unsigned char)point;
		return true;
	}
	const struct bm_encoding wanted = {.point = point};
	const struct bm_encoding *found =
		bsearch(&wanted, charset->sorted, charset->count, sizeof charset->sorted[0], compare_points);
	if (found == NULL)
		return false;
	*octet = found->octet;
	return true;
}

static size_t put_utf8(unsigned char out[4], uint32_t point)
{
	if (point < 0x80) {
		out[0] = (unsigned char)point;
		return 1;
	}
	size_t length = point < 0x800 ? 2 : point < 0x10000 ? 3 : 4;
	static const unsigned char marks[] = {0, 0, 0xc0, 0xe0, 0xf0};
	for (size_t i = length; i > 1; i--) {
		out[i - 1] = (unsigned char)(0x80 | (point & 0x3f));
		point >>= 6;
	}
	out[0] = (unsigned char)(marks[length] | point);
	return length;
}

enum bm_code bm_charset_to_utf8(struct bm_buf *out, const struct bm_charset *charset, struct bm_span text)
{
	enum bm_code code = BM_OK;

	if (charset == NULL)
		return bm_buf_append_span(out, text);
	for (size_t i = 0; code == BM_OK && i < text.size; i++) {
		unsigned char octets[4];
		uint32_t point = text.data[i] < 0x80 ? text.data[i] : charset->points[text.data[i] - 0x80];
		if (point == 0 && text.data[i] != 0)
			return BM_E_MESSAGE;
		code = bm_buf_append(out, octets, put_utf8(octets, point));
	}
	return code;
}
