/* SPDX-License-Identifier: MIT */
#include "base/base64.h"

#include <stdint.h>

static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/* The form of the 1 to 3 octets at data. */
static void write_group(unsigned char form[4], const unsigned char *data, size_t size)
{
	uint32_t bits = (uint32_t)data[0] << 16;

	if (size > 1)
		bits |= (uint32_t)data[1] << 8;
	if (size > 2)
		bits |= data[2];
	form[0] = (unsigned char)alphabet[bits >> 18];
	form[1] = (unsigned char)alphabet[bits >> 12 & 63];
	form[2] = size > 1 ? (unsigned char)alphabet[bits >> 6 & 63] : '=';
	form[3] = size > 2 ? (unsigned char)alphabet[bits & 63] : '=';
}

enum bm_code bm_base64_write(struct bm_buf *out, struct bm_span data)
{
	if (data.size > SIZE_MAX / 2)
		return BM_E_LIMIT;
	enum bm_code code = bm_buf_reserve(out, BM_BASE64_SIZE(data.size));
	if (code != BM_OK)
		return code;
	for (size_t at = 0; at < data.size; at += 3) {
		size_t left = data.size - at;
		write_group(out->data + out->size, data.data + at, left < 3 ? left : 3);
		out->size += 4;
	}
	return BM_OK;
}

static int digit_of(unsigned char c)
{
	if (c >= 'A' && c <= 'Z')
		return c - 'A';
	if (c >= 'a' && c <= 'z')
		return c - 'a' + 26;
	if (c >= '0' && c <= '9')
		return c - '0' + 52;
	if (c == '+')
		return 62;
	return c == '/' ? 63 : -1;
}

/* The octets that a group of 4 stands for, 1 to 3; 0: it is none. Only the last may be padded. */
static size_t read_group(unsigned char octets[3], const unsigned char *form, bool last)
{
	size_t digits = 4;
	uint32_t bits = 0;

	while (last && digits > 2 && form[digits - 1] == '=')
		digits--;
	for (size_t i = 0; i < digits; i++) {
		int digit = digit_of(form[i]);
		if (digit < 0)
			return 0;
		bits |= (uint32_t)digit << (18 - 6 * i);
	}
	octets[0] = (unsigned char)(bits >> 16);
	octets[1] = (unsigned char)(bits >> 8);
	octets[2] = (unsigned char)bits;
	size_t size = digits - 1;
	bool left_over = (size < 3 && octets[2] != 0) || (size < 2 && octets[1] != 0);
	return left_over ? 0 : size;
}

enum bm_code bm_base64_read(struct bm_buf *out, struct bm_span text)
{
	if (text.size % 4 != 0)
		return BM_E_USAGE;
	size_t begin = out->size;
	enum bm_code code = bm_buf_reserve(out, text.size / 4 * 3);
	for (size_t at = 0; code == BM_OK && at < text.size; at += 4) {
		size_t size = read_group(out->data + out->size, text.data + at, at + 4 == text.size);
		out->size += size;
		if (size == 0)
			code = BM_E_USAGE;
	}
	if (code != BM_OK)
		out->size = begin;
	return code;
}
