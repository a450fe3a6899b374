/* SPDX-License-Identifier: MIT */
#include "base/error.h"

#include "base/utf8.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static const char *const code_names[] = {
	[BM_OK] = "BM_OK",
	[BM_E_NOMEM] = "BM_E_NOMEM",
	[BM_E_USAGE] = "BM_E_USAGE",
	[BM_E_MISSING] = "BM_E_MISSING",
	[BM_E_IO] = "BM_E_IO",
	[BM_E_CONF] = "BM_E_CONF",
	[BM_E_LIST] = "BM_E_LIST",
	[BM_E_MESSAGE] = "BM_E_MESSAGE",
	[BM_E_ADDRESS] = "BM_E_ADDRESS",
	[BM_E_UNSUPPORTED] = "BM_E_UNSUPPORTED",
	[BM_E_CONNECT] = "BM_E_CONNECT",
	[BM_E_TIMEOUT] = "BM_E_TIMEOUT",
	[BM_E_CLOSED] = "BM_E_CLOSED",
	[BM_E_PROTOCOL] = "BM_E_PROTOCOL",
	[BM_E_TEMPORARY] = "BM_E_TEMPORARY",
	[BM_E_REFUSED] = "BM_E_REFUSED",
	[BM_E_WORTHLESS] = "BM_E_WORTHLESS",
	[BM_E_NO_SERVER] = "BM_E_NO_SERVER",
	[BM_E_LIMIT] = "BM_E_LIMIT",
	[BM_E_STOPPED] = "BM_E_STOPPED",
	[BM_E_TLS] = "BM_E_TLS",
	[BM_E_AUTH] = "BM_E_AUTH",
};

const char *bm_code_name(enum bm_code code)
{
	size_t index = (size_t)code;
	return index < sizeof code_names / sizeof code_names[0] ? code_names[index] : "unknown";
}

/* Length of the escaped form of the character at data, written to form (at most 4 octets and a NUL). */
static size_t escape_one(char form[8], const unsigned char *data, size_t size, size_t *used)
{
	size_t length = bm_utf8_length(data, size);
	*used = 1;
	if (data[0] == '\\')
		return (size_t)snprintf(form, 8, "\\\\");
	if (length == 0 || bm_utf8_hidden(data, length))
		return (size_t)snprintf(form, 8, "\\x%02X", (unsigned)data[0]);
	memcpy(form, data, length);
	form[length] = '\0';
	*used = length;
	return length;
}

static size_t smaller(size_t a, size_t b)
{
	return a < b ? a : b;
}

/* Octets at the front that stand for themselves. */
static size_t plain_run(const unsigned char *in, size_t size)
{
	size_t run = 0;
	while (run < size && in[run] >= 0x20 && in[run] < 0x7f && in[run] != '\\')
		run++;
	return run;
}

void bm_escape(char *out, size_t out_size, const void *data, size_t size)
{
	const unsigned char *in = data;
	size_t filled = 0;
	size_t pos = 0;

	if (out_size == 0)
		return;
	while (pos < size) {
		size_t run = plain_run(in + pos, smaller(size - pos, out_size - 1 - filled));
		memcpy(out + filled, in + pos, run);
		filled += run;
		pos += run;
		if (pos == size)
			break;
		char form[8];
		size_t used = 1;
		size_t length = escape_one(form, in + pos, size - pos, &used);
		if (length >= out_size - filled)
			break;
		memcpy(out + filled, form, length);
		filled += length;
		pos += used;
	}
	out[filled] = '\0';
}

bool bm_is_printable(const void *data, size_t size)
{
	const unsigned char *in = data;

	for (size_t pos = 0; pos < size;) {
		bool ascii = in[pos] >= 0x20 && in[pos] < 0x7f;
		size_t length = ascii ? 1 : bm_utf8_length(in + pos, size - pos);
		if (length == 0 || bm_utf8_hidden(in + pos, length))
			return false;
		pos += length;
	}
	return true;
}

#undef bm_error_set
#undef bm_error_set_errno
#undef bm_error_nomem

/* Texts hold names and replies from outside: whatever is not printable is replaced here at the latest. */
static void tidy(char *text)
{
	unsigned char *p = (unsigned char *)text;
	size_t left = strlen(text);

	while (left > 0) {
		size_t length = bm_utf8_length(p, left);
		size_t step = length == 0 ? 1 : length;
		if (length == 0 || bm_utf8_hidden(p, length))
			memset(p, '?', step);
		p += step;
		left -= step;
	}
}

/* The arguments may point into err itself: the text is made aside. */
static void fill(struct bm_error *err, enum bm_code code, const char *id, const char *fmt, va_list args)
{
	char text[BM_ERROR_TEXT_MAX];

	vsnprintf(text, sizeof text, fmt, args);
	*err = (struct bm_error){.code = code};
	snprintf(err->id, sizeof err->id, "%s", id);
	memcpy(err->text, text, sizeof text);
	tidy(err->text);
}

enum bm_code bm_error_set(struct bm_error *err, enum bm_code code, const char *id, const char *fmt, ...)
{
	va_list args;

	if (err == NULL)
		return code;
	va_start(args, fmt);
	fill(err, code, id, fmt, args);
	va_end(args);
	return code;
}

enum bm_code bm_error_set_errno(
	struct bm_error *err, enum bm_code code, const char *id, int system_errno, const char *fmt, ...)
{
	char reason[128];
	va_list args;

	if (err == NULL)
		return code;
	va_start(args, fmt);
	fill(err, code, id, fmt, args);
	va_end(args);
	err->system_errno = system_errno;
	size_t length = strlen(err->text);
	snprintf(err->text + length, sizeof err->text - length, ": %s", strerror_r(system_errno, reason, sizeof reason));
	return code;
}

enum bm_code bm_error_nomem(struct bm_error *err)
{
	return bm_error_set(err, BM_E_NOMEM, "", "out of memory");
}
