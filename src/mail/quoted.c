/* SPDX-License-Identifier: MIT */
#include "mail/quoted.h"

/* One less than 76: the "=" of a line that goes on. */
#define COLUMN_MAX 75

static const char digits[] = "0123456789ABCDEF";

const unsigned char bm_octet_kinds[256] = {
	[0 ... 8] = BM_OCTET_CODED,
	['\n'] = BM_OCTET_END,
	[11 ... 12] = BM_OCTET_CODED,
	['\r'] = BM_OCTET_END,
	[14 ... 31] = BM_OCTET_CODED,
	['"'] = BM_OCTET_MARKUP,
	['&'] = BM_OCTET_MARKUP,
	['\''] = BM_OCTET_MARKUP,
	['<'] = BM_OCTET_MARKUP,
	['='] = BM_OCTET_CODED,
	['>'] = BM_OCTET_MARKUP,
	[127 ... 255] = BM_OCTET_CODED,
};

struct bm_span bm_html_entity(unsigned char c)
{
	switch (c) {
	case '<':
		return bm_span_of("&lt;");
	case '>':
		return bm_span_of("&gt;");
	case '&':
		return bm_span_of("&amp;");
	case '"':
		return bm_span_of("&quot;");
	default:
		return bm_span_of("&#39;");
	}
}

static void break_line(struct bm_quoted *quoted)
{
	memcpy(quoted->at, "=\r\n", 3);
	quoted->at += 3;
	quoted->column = 0;
}

/* No line begins with a dot; nor with a hyphen, so that none can be a boundary. */
static bool may_begin(unsigned char c)
{
	return c != '.' && c != '-';
}

/* One character of encoded text, which is kept whole. */
static void put_token(struct bm_quoted *quoted, const unsigned char *token, size_t size)
{
	if (quoted->column + size > COLUMN_MAX)
		break_line(quoted);
	if (quoted->column == 0 && !may_begin(token[0])) {
		token = (const unsigned char *)(token[0] == '.' ? "=2E" : "=2D");
		size = 3;
	}
	memcpy(quoted->at, token, size);
	quoted->at += size;
	quoted->column += size;
}

static void put_coded(struct bm_quoted *quoted, unsigned char c)
{
	unsigned char token[3] = {'=', (unsigned char)digits[c >> 4], (unsigned char)digits[c & 15]};

	put_token(quoted, token, sizeof token);
}

void bm_quoted_put_encoded(struct bm_quoted *quoted, struct bm_span text)
{
	bool fits = quoted->column > 0 && quoted->column + text.size <= COLUMN_MAX;

	if (fits || (text.size > 0 && text.size <= COLUMN_MAX && quoted->column == 0 && may_begin(text.data[0]))) {
		memcpy(quoted->at, text.data, text.size);
		quoted->at += text.size;
		quoted->column += text.size;
		return;
	}
	for (size_t i = 0; i < text.size;) {
		size_t size = text.data[i] == '=' ? 3 : 1;
		put_token(quoted, text.data + i, size);
		i += size;
	}
}

void bm_quoted_put(struct bm_quoted *quoted, struct bm_span octets, bool html)
{
	for (size_t i = 0; i < octets.size;) {
		size_t start = i;
		while (i < octets.size && bm_octet_is_plain(octets.data[i], html))
			i++;
		if (i > start)
			bm_quoted_put_encoded(quoted, bm_span_make(octets.data + start, i - start));
		if (i == octets.size)
			return;
		unsigned char c = octets.data[i++];
		switch (bm_octet_kind(c)) {
		case BM_OCTET_PLAIN:
		case BM_OCTET_MARKUP:
			bm_quoted_put_encoded(quoted, bm_html_entity(c));
			break;
		case BM_OCTET_CODED:
			put_coded(quoted, c);
			break;
		case BM_OCTET_END:
			if (c == '\r' && i < octets.size && octets.data[i] == '\n')
				i++;
			bm_quoted_end_line(quoted);
			break;
		}
	}
}

void bm_quoted_end_line(struct bm_quoted *quoted)
{
	unsigned char last = quoted->column > 0 ? quoted->at[-1] : 'x';

	if (last == ' ' || last == '\t') {
		quoted->at--;
		quoted->column--;
		put_coded(quoted, last);
	}
	memcpy(quoted->at, "\r\n", 2);
	quoted->at += 2;
	quoted->column = 0;
}

enum bm_code bm_quoted_append(struct bm_buf *out, struct bm_span octets)
{
	enum bm_code code = bm_buf_reserve(out, 3 * octets.size);

	for (size_t i = 0; code == BM_OK && i < octets.size; i++) {
		unsigned char c = octets.data[i];
		if (bm_octet_is_plain(c, false)) {
			code = bm_buf_append_char(out, c);
		} else {
			unsigned char token[3] = {'=', (unsigned char)digits[c >> 4], (unsigned char)digits[c & 15]};
			code = bm_buf_append(out, token, sizeof token);
		}
	}
	return code;
}
