/* SPDX-License-Identifier: MIT */
#include "mail/domain.h"

#include "mail/chars.h"

#include <arpa/inet.h>
#include <idn2.h>
#include <string.h>

#define LABEL_MAX 63
/* Four octets of UTF-8 for each of the 255: what is longer cannot become a host name. */
#define UNICODE_MAX 1024

static bool is_alnum(unsigned char c)
{
	return (bm_lower(c) >= 'a' && bm_lower(c) <= 'z') || (c >= '0' && c <= '9');
}

static bool all_digits(struct bm_span text)
{
	for (size_t i = 0; i < text.size; i++) {
		if (text.data[i] < '0' || text.data[i] > '9')
			return false;
	}
	return true;
}

static const char *check_label(struct bm_span label)
{
	if (label.size == 0)
		return "the domain has an empty label";
	if (label.size > LABEL_MAX)
		return "a label of the domain is longer than 63 octets";
	if (label.data[0] == '-' || label.data[label.size - 1] == '-')
		return "a label of the domain starts or ends with a hyphen";
	for (size_t i = 0; i < label.size; i++) {
		if (!is_alnum(label.data[i]) && label.data[i] != '-')
			return "the domain holds a character that no host name has";
	}
	return NULL;
}

const char *bm_domain_check_host(struct bm_span text)
{
	if (text.size == 0)
		return "there is no domain";
	if (text.size > BM_DOMAIN_MAX)
		return "the domain is longer than 255 octets";
	if (text.data[text.size - 1] == '.')
		return "the domain ends with a dot";
	struct bm_span label = bm_span_make(text.data, 0);
	size_t labels = 1;
	for (size_t i = 0; i < text.size; i++) {
		if (text.data[i] != '.') {
			label.size++;
			continue;
		}
		const char *reason = check_label(label);
		if (reason != NULL)
			return reason;
		label = bm_span_make(text.data + i + 1, 0);
		labels++;
	}
	const char *reason = check_label(label);
	if (reason != NULL)
		return reason;
	if (labels < 2)
		return "the domain has no dot";
	return all_digits(label) ? "the top-level domain is a number" : NULL;
}

const char *bm_domain_check_literal(struct bm_span text)
{
	static const char wrong[] = "the address literal is not [1.2.3.4] or [IPv6:...]";
	static const char tag[] = "IPv6:";
	const size_t tag_size = sizeof tag - 1;
	unsigned char address[sizeof(struct in6_addr)];
	char copy[64];

	if (text.size < 2 || text.size - 2 >= sizeof copy || text.data[0] != '[' || text.data[text.size - 1] != ']')
		return wrong;
	struct bm_span inner = bm_span_make(text.data + 1, text.size - 2);
	if (memchr(inner.data, 0, inner.size) != NULL)
		return wrong;
	memcpy(copy, inner.data, inner.size);
	copy[inner.size] = '\0';
	bool six = inner.size > tag_size && bm_span_equal_nocase(bm_span_make(inner.data, tag_size), bm_span_of(tag));
	int valid = six ? inet_pton(AF_INET6, copy + tag_size, address) : inet_pton(AF_INET, copy, address);
	return valid == 1 ? NULL : wrong;
}

static bool is_ascii(struct bm_span text)
{
	for (size_t i = 0; i < text.size; i++) {
		if (text.data[i] >= 0x80)
			return false;
	}
	return true;
}

static const char *idn_to_wire(char *out, size_t *size, struct bm_span text)
{
	unsigned char copy[UNICODE_MAX + 1];
	unsigned char *ascii = NULL;

	if (text.size > UNICODE_MAX)
		return "the domain is longer than 255 octets";
	memcpy(copy, text.data, text.size);
	copy[text.size] = '\0';
	if (idn2_lookup_u8(copy, &ascii, IDN2_NONTRANSITIONAL | IDN2_NFC_INPUT) != IDN2_OK)
		return "the international domain has no ASCII form";
	struct bm_span wire = bm_span_of((const char *)ascii);
	/* The mapping may bring forth any ASCII character ("@" out of its full-width form): look at what came out. */
	const char *reason = bm_domain_check_host(wire);
	if (reason == NULL) {
		memcpy(out, wire.data, wire.size);
		*size = wire.size;
	}
	idn2_free(ascii);
	return reason;
}

const char *bm_domain_to_wire(char *out, size_t *size, struct bm_span text)
{
	if (!is_ascii(text))
		return idn_to_wire(out, size, text);
	bool literal = text.size > 0 && text.data[0] == '[';
	const char *reason = literal ? bm_domain_check_literal(text) : bm_domain_check_host(text);
	if (reason != NULL)
		return reason;
	memcpy(out, text.data, text.size);
	*size = text.size;
	return NULL;
}

bool bm_domain_is_id_right(struct bm_span text)
{
	if (text.size == 0 || text.size > BM_DOMAIN_MAX)
		return false;
	return text.data[0] == '[' ? bm_domain_check_literal(text) == NULL : bm_is_dot_atom(text);
}
