/* SPDX-License-Identifier: MIT */
#include "base/utf8.h"

static bool is_tail(unsigned char c)
{
	return (c & 0xc0) == 0x80;
}

static size_t length3(const unsigned char *d, size_t size)
{
	if (size < 3 || !is_tail(d[1]) || !is_tail(d[2]))
		return 0;
	bool overlong = d[0] == 0xe0 && d[1] < 0xa0;
	bool surrogate = d[0] == 0xed && d[1] >= 0xa0;
	return overlong || surrogate ? 0 : 3;
}

static size_t length4(const unsigned char *d, size_t size)
{
	if (size < 4 || !is_tail(d[1]) || !is_tail(d[2]) || !is_tail(d[3]))
		return 0;
	bool overlong = d[0] == 0xf0 && d[1] < 0x90;
	bool beyond = d[0] == 0xf4 && d[1] >= 0x90;
	return overlong || beyond ? 0 : 4;
}

size_t bm_utf8_length(const unsigned char *data, size_t size)
{
	if (size == 0)
		return 0;
	unsigned char c = data[0];
	if (c < 0x80)
		return 1;
	if (c >= 0xc2 && c <= 0xdf)
		return size >= 2 && is_tail(data[1]) ? 2 : 0;
	if (c >= 0xe0 && c <= 0xef)
		return length3(data, size);
	if (c >= 0xf0 && c <= 0xf4)
		return length4(data, size);
	return 0;
}

bool bm_utf8_valid(const unsigned char *data, size_t size)
{
	for (size_t pos = 0; pos < size;) {
		size_t length = bm_utf8_length(data + pos, size - pos);
		if (length == 0)
			return false;
		pos += length;
	}
	return true;
}

bool bm_utf8_hidden(const unsigned char *data, size_t length)
{
	if (length == 1)
		return data[0] < 0x20 || data[0] == 0x7f;
	if (length == 2)
		return (data[0] == 0xc2 && data[1] < 0xa0) || (data[0] == 0xd8 && data[1] == 0x9c);
	if (length != 3 || data[0] != 0xe2)
		return false;
	if (data[1] == 0x80)
		return data[2] == 0x8e || data[2] == 0x8f || (data[2] >= 0xa8 && data[2] <= 0xae);
	return data[1] == 0x81 && data[2] >= 0xa6 && data[2] <= 0xa9;
}
