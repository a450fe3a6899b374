/* SPDX-License-Identifier: MIT */
#include "base/span.h"

#include <stdint.h>

bool bm_span_equal_nocase(struct bm_span a, struct bm_span b)
{
	if (a.size != b.size)
		return false;
	if (a.size == 0 || memcmp(a.data, b.data, a.size) == 0)
		return true;
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

/* The same octet in all eight places. */
#define EIGHT_OF(octet) (UINT64_C(0x0101010101010101) * (octet))

static uint64_t eight_at(const unsigned char *data)
{
	uint64_t word;
	memcpy(&word, data, sizeof word);
	return word;
}

/* Not 0 when one of the eight octets is below 0x20 or is 0x7f: a subtraction borrows into its top bit. */
static uint64_t controls_in(uint64_t word)
{
	uint64_t low = (word - EIGHT_OF(0x20)) & ~word;
	uint64_t other = word ^ EIGHT_OF(0x7f);
	uint64_t del = (other - EIGHT_OF(1)) & ~other;
	return (low | del) & EIGHT_OF(0x80);
}

bool bm_span_has_control(struct bm_span span)
{
	size_t i = 0;

	for (; span.size - i >= sizeof(uint64_t); i += sizeof(uint64_t)) {
		if (controls_in(eight_at(span.data + i)) != 0)
			return true;
	}
	for (; i < span.size; i++) {
		if (span.data[i] < 0x20 || span.data[i] == 0x7f)
			return true;
	}
	return false;
}

bool bm_span_is_ascii(struct bm_span span)
{
	uint64_t seen = 0;
	size_t i = 0;

	for (; span.size - i >= sizeof seen; i += sizeof seen)
		seen |= eight_at(span.data + i);
	for (; i < span.size; i++)
		seen |= span.data[i];
	return (seen & EIGHT_OF(0x80)) == 0;
}

bool bm_span_begins_nocase(struct bm_span text, const char *prefix)
{
	size_t size = strlen(prefix);

	return text.size >= size && bm_span_equal_nocase(bm_span_make(text.data, size), bm_span_of(prefix));
}

bool bm_span_is_one_of(struct bm_span name, const char *const *names)
{
	for (; *names != NULL; names++) {
		if (bm_span_equal_nocase(name, bm_span_of(*names)))
			return true;
	}
	return false;
}

bool bm_span_has_control_but_tab(struct bm_span text)
{
	for (size_t i = 0; i < text.size; i++) {
		if ((text.data[i] < 0x20 && text.data[i] != '\t') || text.data[i] == 0x7f)
			return true;
	}
	return false;
}
