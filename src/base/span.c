/* SPDX-License-Identifier: MIT */
#include "base/span.h"

bool bm_span_equal_nocase(struct bm_span a, struct bm_span b)
{
	if (a.size != b.size)
		return false;
	for (size_t i = 0; i < a.size; i++) {
		if (bm_lower(a.data[i]) != bm_lower(b.data[i]))
			return false;
	}
	return true;
}

static bool is_blank(unsigned char c)
{
	return c == ' ' || (c >= '\t' && c <= '\r');
}

struct bm_span bm_span_trim(struct bm_span span)
{
	while (span.size > 0 && is_blank(span.data[0])) {
		span.data++;
		span.size--;
	}
	while (span.size > 0 && is_blank(span.data[span.size - 1]))
		span.size--;
	return span;
}

bool bm_span_has_control(struct bm_span span)
{
	for (size_t i = 0; i < span.size; i++) {
		if (span.data[i] < 0x20 || span.data[i] == 0x7f)
			return true;
	}
	return false;
}
