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
