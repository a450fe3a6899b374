/* SPDX-License-Identifier: MIT */
#include "smtp/capabilities.h"

#include "base/number.h"

#define LIMIT_DIGITS_MAX 6

static struct bm_span cut_word(struct bm_span *rest)
{
	struct bm_span word = *rest;
	if (rest->size == 0)
		return word;
	const unsigned char *blank = memchr(rest->data, ' ', rest->size);
	if (blank != NULL)
		word.size = (size_t)(blank - rest->data);
	rest->data += word.size;
	rest->size -= word.size;
	*rest = bm_span_trim(*rest);
	return word;
}

static bool is_digits(struct bm_span text)
{
	for (size_t i = 0; i < text.size; i++) {
		if (text.data[i] < '0' || text.data[i] > '9')
			return false;
	}
	return text.size > 0;
}

/* A limit too large for the type is the largest; one that is no number is none (RFC 1870, 4). */
static void note_size(struct bm_smtp_capabilities *capabilities, struct bm_span limit)
{
	uint64_t value = 0;
	capabilities->size = true;
	if (bm_number_parse(limit, &value))
		capabilities->size_max = value;
	else if (is_digits(limit))
		capabilities->size_max = UINT64_MAX;
}

/* One to six digits, the first not 0 (RFC 9422, 4). */
static void note_limit(struct bm_smtp_capabilities *capabilities, struct bm_span limit)
{
	const struct {
		const char *name;
		uint64_t *value;
	} known[] = {
		{"MAILMAX=", &capabilities->mail_max},
		{"RCPTMAX=", &capabilities->rcpt_max},
		{"RCPTDOMAINMAX=", &capabilities->rcpt_domain_max},
	};

	for (size_t i = 0; i < sizeof known / sizeof known[0]; i++) {
		struct bm_span name = bm_span_of(known[i].name);
		if (limit.size <= name.size || !bm_span_equal_nocase(bm_span_make(limit.data, name.size), name))
			continue;
		struct bm_span digits = bm_span_make(limit.data + name.size, limit.size - name.size);
		if (digits.size <= LIMIT_DIGITS_MAX && digits.data[0] != '0' && is_digits(digits))
			bm_number_parse(digits, known[i].value);
	}
}

static void note_limits(struct bm_smtp_capabilities *capabilities, struct bm_span limits)
{
	while (limits.size > 0)
		note_limit(capabilities, cut_word(&limits));
}

bool bm_capabilities_is_auth(struct bm_span line)
{
	bool begins = bm_span_begins_nocase(line, "AUTH");
	return begins && (line.size == 4 || line.data[4] == ' ' || line.data[4] == '=');
}

static void note_keyword(struct bm_smtp_capabilities *capabilities, struct bm_span line)
{
	const struct {
		const char *word;
		bool *flag;
	} known[] = {
		{"PIPELINING", &capabilities->pipelining},
		{"8BITMIME", &capabilities->eight_bit_mime},
		{"ENHANCEDSTATUSCODES", &capabilities->enhanced_status_codes},
		{"CHUNKING", &capabilities->chunking},
		{"STARTTLS", &capabilities->starttls},
		{"SMTPUTF8", &capabilities->smtputf8},
		{"DSN", &capabilities->dsn},
		{"REQUIRETLS", &capabilities->require_tls},
	};
	capabilities->auth = capabilities->auth || bm_capabilities_is_auth(line);
	struct bm_span word = cut_word(&line);

	for (size_t i = 0; i < sizeof known / sizeof known[0]; i++) {
		if (bm_span_equal_nocase(word, bm_span_of(known[i].word)))
			*known[i].flag = true;
	}
	if (bm_span_equal_nocase(word, bm_span_of("SIZE")))
		note_size(capabilities, line);
	if (bm_span_equal_nocase(word, bm_span_of("LIMITS")))
		note_limits(capabilities, line);
}

void bm_capabilities_parse(struct bm_smtp_capabilities *capabilities, const struct bm_reply *reply)
{
	*capabilities = (struct bm_smtp_capabilities){.esmtp = true};
	/* the first line is the server's name and greeting */
	for (size_t i = 1; i < reply->lines; i++)
		note_keyword(capabilities, bm_reply_line(reply, i));
}
