/* SPDX-License-Identifier: MIT */
/* A borrowed run of octets: never NUL-terminated, never owned. */
#ifndef BM_BASE_SPAN_H
#define BM_BASE_SPAN_H

#include <stdbool.h>
#include <stddef.h>
#include <string.h>

struct bm_span {
	const unsigned char *data;
	size_t size;
};

/* The octets of a C string, without its NUL. */
static inline struct bm_span bm_span_of(const char *text)
{
	struct bm_span span = {(const unsigned char *)text, strlen(text)};
	return span;
}

static inline struct bm_span bm_span_make(const void *data, size_t size)
{
	struct bm_span span = {(const unsigned char *)data, size};
	return span;
}

/* Without its first octets. */
static inline struct bm_span bm_span_skip(struct bm_span span, size_t size)
{
	return bm_span_make(span.data + size, span.size - size);
}

static inline bool bm_span_equal(struct bm_span a, struct bm_span b)
{
	return a.size == b.size && (a.size == 0 || memcmp(a.data, b.data, a.size) == 0);
}

/* ASCII case is ignored; octets above 0x7f compare as they are. */
bool bm_span_equal_nocase(struct bm_span a, struct bm_span b);

bool bm_span_begins_nocase(struct bm_span text, const char *prefix);

/* Of a list that ends with NULL, without regard to ASCII case. */
bool bm_span_is_one_of(struct bm_span name, const char *const *names);

/* Without blanks (space, TAB, CR, LF, VT, FF) at both ends. */
struct bm_span bm_span_trim(struct bm_span span);

/* True when an octet below 0x20 or 0x7f is in it. */
bool bm_span_has_control(struct bm_span span);

/* The same, TAB aside. */
bool bm_span_has_control_but_tab(struct bm_span span);

/* True when no octet above 0x7f is in it. */
bool bm_span_is_ascii(struct bm_span span);

/* ASCII only, whatever the locale. */
static inline unsigned char bm_lower(unsigned char c)
{
	return c >= 'A' && c <= 'Z' ? (unsigned char)(c + 32) : c;
}

#endif
