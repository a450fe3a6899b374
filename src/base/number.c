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

static uint64_t period_of(unsigned char unit)
{
	switch (unit) {
	case 's':
		return 1000000;
	case 'm':
		return 60000000;
	case 'h':
		return 3600000000;
	default:
		return 0;
	}
}

bool bm_rate_parse(struct bm_span text, uint64_t *count, uint64_t *period_us)
{
	uint64_t found = 0;
	uint64_t period = period_of('s');

	if (text.size >= 2 && text.data[text.size - 2] == '/') {
		period = period_of(text.data[text.size - 1]);
		text.size -= 2;
	}
	if (period == 0 || !bm_number_parse(text, &found) || found == 0 || found > BM_RATE_MAX)
		return false;
	*count = found;
	*period_us = period;
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
