/* SPDX-License-Identifier: MIT */
#include "store/notify.h"

#include "base/span.h"

#include <stdio.h>
#include <string.h>

#define JOINTS " \t,"
#define NEVER 0

static const char *const words[] = {"NEVER", "SUCCESS", "FAILURE", "DELAY"};

#define WORDS (sizeof words / sizeof words[0])

/* The word at text, as a bit; 0 when it is none. */
static unsigned word_bit(const char *text, size_t size)
{
	for (size_t i = 0; i < WORDS; i++) {
		if (bm_span_equal_nocase(bm_span_make(text, size), bm_span_of(words[i])))
			return 1u << i;
	}
	return 0;
}

static unsigned word_bits(const char *text)
{
	unsigned bits = 0;

	for (text += strspn(text, JOINTS); *text != '\0'; text += strspn(text, JOINTS)) {
		size_t size = strcspn(text, JOINTS);
		unsigned bit = word_bit(text, size);
		if (bit == 0 || (bits & bit) != 0)
			return 0;
		bits |= bit;
		text += size;
	}
	return bits;
}

bool bm_notify_parse(const char *text, char out[BM_NOTIFY_SIZE])
{
	unsigned bits = word_bits(text);
	unsigned never = 1u << NEVER;
	size_t used = 0;

	out[0] = '\0';
	if (bits == 0 || ((bits & never) != 0 && bits != never))
		return false;
	for (size_t i = 0; i < WORDS; i++) {
		if ((bits & (1u << i)) != 0)
			used += (size_t)snprintf(out + used, BM_NOTIFY_SIZE - used, "%s%s", used == 0 ? "" : ",", words[i]);
	}
	return true;
}
