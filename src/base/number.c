/* SPDX-License-Identifier: MIT */
#include "base/number.h"

bool bm_number_parse(struct bm_span text, uint64_t *out)
{
	uint64_t value = 0;

	if (text.size == 0)
		return false;
	for (size_t i = 0; i < text.size; i++) {
		unsigned char c = text.data[i];
		if (c < '0' || c > '9')
			return false;
		unsigned digit = (unsigned)(c - '0');
		if (value > (UINT64_MAX - digit) / 10)
			return false;
		value = value * 10 + digit;
	}
	*out = value;
	return true;
}

size_t bm_number_format(char *text, uint64_t value)
{
	char reversed[BM_NUMBER_SIZE];
	size_t count = 0;

	do {
		reversed[count++] = (char)('0' + value % 10);
		value /= 10;
	} while (value > 0);
	for (size_t i = 0; i < count; i++)
		text[i] = reversed[count - 1 - i];
	return count;
}
