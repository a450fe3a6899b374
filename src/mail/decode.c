/* SPDX-License-Identifier: MIT */
#include "mail/decode.h"

#include "mail/charset.h"

/* An encoded-word: =?charset?encoding?text?= */
struct word {
	struct bm_span charset;
	struct bm_span text;
	unsigned char encoding; /* b or q */
	size_t size;            /* of it all */
};

static int base64_digit(unsigned char c)
{
	if (c >= 'A' && c <= 'Z')
		return c - 'A';
	if (c >= 'a' && c <= 'z')
		return c - 'a' + 26;
	if (c >= '0' && c <= '9')
		return c - '0' + 52;
	return c == '+' ? 62 : c == '/' ? 63 : -1;
}

enum bm_code bm_base64_decode(struct bm_buf *out, struct bm_span text)
{
	enum bm_code code = bm_buf_reserve(out, text.size / 4 * 3 + 3);
	uint32_t bits = 0;
	unsigned have = 0;

	for (size_t i = 0; code == BM_OK && i < text.size; i++) {
		int digit = base64_digit(text.data[i]);
		if (text.data[i] == '=')
			have = 0;
		if (digit < 0)
			continue;
		bits = (bits << 6 | (uint32_t)digit) & 0xffffff;
		have += 6;
		if (have >= 8) {
			have -= 8;
			code = bm_buf_append_char(out, (unsigned char)(bits >> have));
		}
	}
	return code;
}

static int hex_digit(unsigned char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c = bm_lower(c);
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static enum bm_code decode_quoted(struct bm_buf *out, struct bm_span text, bool underscores)
{
	enum bm_code code = bm_buf_reserve(out, text.size);

	for (size_t i = 0; code == BM_OK && i < text.size; i++) {
		unsigned char c = text.data[i];
		bool room = text.size - i > 2;
		int high = c == '=' && room ? hex_digit(text.data[i + 1]) : -1;
		int low = high >= 0 ? hex_digit(text.data[i + 2]) : -1;
		if (low >= 0) {
			c = (unsigned char)(high << 4 | low);
			i += 2;
		} else if (c == '_' && underscores) {
			c = ' ';
		}
		code = bm_buf_append_char(out, c);
	}
	return code;
}

enum bm_code bm_quoted_decode(struct bm_buf *out, struct bm_span text)
{
	return decode_quoted(out, text, false);
}

/* What stands before the next "?", which is taken too. No blank is in it. */
static bool take_field(struct bm_span *rest, struct bm_span *field)
{
	for (size_t i = 0; i < rest->size; i++) {
		if (rest->data[i] == ' ' || rest->data[i] == '\t')
			return false;
		if (rest->data[i] != '?')
			continue;
		*field = bm_span_make(rest->data, i);
		*rest = bm_span_make(rest->data + i + 1, rest->size - i - 1);
		return true;
	}
	return false;
}

/* The encoded-word at the beginning of text. */
static bool find_word(struct word *word, struct bm_span text)
{
	struct bm_span rest = text;
	struct bm_span encoding;

	if (text.size < 2 || memcmp(text.data, "=?", 2) != 0)
		return false;
	rest = bm_span_make(text.data + 2, text.size - 2);
	bool whole = take_field(&rest, &word->charset) && take_field(&rest, &encoding) && take_field(&rest, &word->text);
	if (!whole || encoding.size != 1 || rest.size == 0 || rest.data[0] != '=')
		return false;
	word->encoding = bm_lower(encoding.data[0]);
	word->size = (size_t)(rest.data + 1 - text.data);
	/* RFC 2231, 5: a language behind the charset. */
	const unsigned char *star = word->charset.size == 0 ? NULL : memchr(word->charset.data, '*', word->charset.size);
	if (star != NULL)
		word->charset.size = (size_t)(star - word->charset.data);
	return word->encoding == 'b' || word->encoding == 'q';
}

static enum bm_code decode_word(struct bm_buf *out, const struct word *word)
{
	struct bm_buf raw;

	bm_buf_init(&raw, out->limit);
	enum bm_code code =
		word->encoding == 'b' ? bm_base64_decode(&raw, word->text) : decode_quoted(&raw, word->text, true);
	if (code == BM_OK)
		code = bm_charset_convert(out, word->charset, bm_buf_view(&raw));
	bm_buf_deinit(&raw);
	return code;
}

static size_t blanks(struct bm_span text)
{
	size_t count = 0;

	while (count < text.size && (text.data[count] == ' ' || text.data[count] == '\t'))
		count++;
	return count;
}

static struct bm_span behind(struct bm_span text, size_t size)
{
	return bm_span_make(text.data + size, text.size - size);
}

enum bm_code bm_words_decode(struct bm_buf *out, struct bm_span text)
{
	struct word word;
	bool after_word = false;
	enum bm_code code = BM_OK;

	while (code == BM_OK && text.size > 0) {
		size_t gap = after_word ? blanks(text) : 0;
		after_word = find_word(&word, behind(text, gap)) && decode_word(out, &word) == BM_OK;
		size_t size = after_word ? gap + word.size : 1;
		if (!after_word)
			code = bm_buf_append_char(out, text.data[0]);
		text = behind(text, size);
	}
	return code;
}
