/* SPDX-License-Identifier: MIT */
#include "sink/content.h"

#include "sink/violation.h"

#include <stdio.h>
#include <string.h>

#define LINE_MAX_OCTETS 998

void bm_sink_content_init(struct bm_sink_content *content, const EVP_MD *digest, size_t keep_max)
{
	*content = (struct bm_sink_content){.digest = digest, .keep = keep_max > 0};
	bm_buf_init(&content->kept, keep_max);
}

void bm_sink_content_deinit(struct bm_sink_content *content)
{
	EVP_MD_CTX_free(content->hash);
	bm_buf_deinit(&content->kept);
}

static void hash_begin(struct bm_sink_content *content)
{
	if (content->digest == NULL)
		return;
	if (content->hash == NULL)
		content->hash = EVP_MD_CTX_new();
	content->broken = content->hash == NULL || EVP_DigestInit_ex2(content->hash, content->digest, NULL) != 1;
}

void bm_sink_content_begin(struct bm_sink_content *content, struct bm_sink_content_kind kind)
{
	content->wire = 0;
	content->size = 0;
	content->place = BM_SINK_AT_LINE_START;
	content->cr = false;
	content->line = 0;
	content->binary = kind.binary;
	content->eight = kind.eight || kind.binary;
	content->utf8 = kind.utf8;
	content->head = true;
	content->seen = 0;
	content->broken = false;
	bm_buf_deinit(&content->kept);
	hash_begin(content);
}

static void note(struct bm_sink_content *content, enum bm_sink_violation violation)
{
	content->seen |= bm_sink_violation_bit(violation);
}

static void emit(struct bm_sink_content *content, const unsigned char *from, const unsigned char *to)
{
	size_t size = (size_t)(to - from);

	content->size += size;
	if (content->broken || size == 0)
		return;
	if (content->hash != NULL && EVP_DigestUpdate(content->hash, from, size) != 1)
		content->broken = true;
	if (!content->keep)
		return;
	/* Above the ceiling the message is refused anyhow. */
	enum bm_code code = bm_buf_append(&content->kept, from, size);
	content->broken = content->broken || code == BM_E_NOMEM;
}

static bool has_high_bit(const unsigned char *p, size_t size)
{
	unsigned char all = 0;
	for (size_t i = 0; i < size; i++)
		all |= p[i];
	return (all & 0x80) != 0;
}

/* Octets of one line without its LF. */
static void check_piece(struct bm_sink_content *content, const unsigned char *p, size_t size)
{
	if (size == 0)
		return;
	if (content->cr || memchr(p, '\r', size - 1) != NULL)
		note(content, BM_SINK_V_BARE_CR);
	content->cr = p[size - 1] == '\r';
	content->line += size;
	if (content->line - (content->cr ? 1 : 0) > LINE_MAX_OCTETS)
		note(content, BM_SINK_V_LONG_LINE);
	if (!content->eight && has_high_bit(p, size))
		note(content, BM_SINK_V_EIGHT_BIT);
	if (content->head && !content->utf8 && has_high_bit(p, size))
		note(content, BM_SINK_V_EIGHT_BIT_HEADER);
}

/* At an LF: true when it ends a line. */
static bool end_line(struct bm_sink_content *content)
{
	bool crlf = content->cr;

	content->head = content->head && content->line > 1;
	content->cr = false;
	content->line = 0;
	if (!crlf)
		note(content, BM_SINK_V_BARE_LF);
	return crlf;
}

/* Lines up to a dot at a line's start (when dots count) or the end of the input. */
static const unsigned char *scan_text(
	struct bm_sink_content *content, const unsigned char *p, const unsigned char *end, bool dots)
{
	const unsigned char *from = p;

	content->place = BM_SINK_AT_TEXT;
	while (p < end) {
		const unsigned char *lf = memchr(p, '\n', (size_t)(end - p));
		check_piece(content, p, (size_t)((lf == NULL ? end : lf) - p));
		p = lf == NULL ? end : lf + 1;
		if (lf == NULL || !end_line(content) || !dots)
			continue;
		if (p < end && *p != '.')
			continue;
		content->place = BM_SINK_AT_LINE_START;
		break;
	}
	emit(content, from, p);
	return p;
}

static const unsigned char *after_dot(struct bm_sink_content *content, const unsigned char *p)
{
	if (*p == '\r') {
		content->place = BM_SINK_AT_DOT_CR;
		return p + 1;
	}
	if (*p != '.')
		note(content, BM_SINK_V_UNSTUFFED_DOT);
	content->place = BM_SINK_AT_TEXT;
	return p;
}

static void after_dot_cr(struct bm_sink_content *content)
{
	static const unsigned char cr = '\r';

	note(content, BM_SINK_V_UNSTUFFED_DOT);
	emit(content, &cr, &cr + 1);
	content->cr = true;
	content->line = 1;
	content->place = BM_SINK_AT_TEXT;
}

static const unsigned char *feed_step(
	struct bm_sink_content *content, const unsigned char *p, const unsigned char *end, bool *done)
{
	switch (content->place) {
	case BM_SINK_AT_LINE_START:
		content->place = *p == '.' ? BM_SINK_AT_DOT : BM_SINK_AT_TEXT;
		return *p == '.' ? p + 1 : p;
	case BM_SINK_AT_DOT:
		return after_dot(content, p);
	case BM_SINK_AT_DOT_CR:
		*done = *p == '\n';
		if (*done)
			return p + 1;
		after_dot_cr(content);
		return p;
	case BM_SINK_AT_TEXT:
		break;
	}
	return scan_text(content, p, end, true);
}

size_t bm_sink_content_feed(struct bm_sink_content *content, struct bm_span data, bool *end)
{
	const unsigned char *p = data.data;
	const unsigned char *stop = data.data + data.size;

	*end = false;
	while (p < stop && !*end)
		p = feed_step(content, p, stop, end);
	size_t used = (size_t)(p - data.data);
	content->wire += used;
	return used;
}

void bm_sink_content_feed_chunk(struct bm_sink_content *content, struct bm_span data)
{
	content->wire += data.size;
	if (content->binary)
		emit(content, data.data, data.data + data.size);
	else
		scan_text(content, data.data, data.data + data.size, false);
}

void bm_sink_content_finish(struct bm_sink_content *content, char hex[BM_SINK_HASH_HEX])
{
	unsigned char hash[EVP_MAX_MD_SIZE];
	unsigned int size = 0;

	if (content->cr && !content->binary)
		note(content, BM_SINK_V_BARE_CR);
	hex[0] = '\0';
	if (content->hash == NULL || content->broken)
		return;
	if (EVP_DigestFinal_ex(content->hash, hash, &size) != 1) {
		content->broken = true;
		return;
	}
	for (unsigned int i = 0; i < size && 2 * i + 2 < BM_SINK_HASH_HEX; i++)
		snprintf(hex + 2 * i, 3, "%02x", hash[i]);
}
