/* SPDX-License-Identifier: MIT */
#include "mail/encode.h"

#include "base/utf8.h"

#include <openssl/evp.h>

#define PREFIX "=?UTF-8?B?"
#define SUFFIX "?="
#define WRAPPING (sizeof PREFIX - 1 + sizeof SUFFIX - 1)
#define WORD_MAX 75

bool bm_is_ascii(struct bm_span text)
{
	for (size_t i = 0; i < text.size; i++) {
		if (text.data[i] >= 0x80)
			return false;
	}
	return true;
}

/* How many octets of text make one word on a line with room octets left: whole characters only. */
static size_t word_take(struct bm_span text, size_t room)
{
	if (room > WORD_MAX)
		room = WORD_MAX;
	if (room <= WRAPPING)
		return 0;
	size_t most = (room - WRAPPING) / 4 * 3;
	size_t taken = 0;
	while (taken < text.size) {
		size_t length = bm_utf8_length(text.data + taken, text.size - taken);
		if (length == 0 || taken + length > most)
			break;
		taken += length;
	}
	return taken;
}

static enum bm_code append_word(struct bm_buf *out, struct bm_span raw)
{
	unsigned char word[WORD_MAX + 1] = PREFIX;
	const size_t prefix = sizeof PREFIX - 1;

	int length = EVP_EncodeBlock(word + prefix, raw.data, (int)raw.size);
	if (length < 0)
		return BM_E_MESSAGE;
	enum bm_code code = bm_buf_append(out, word, prefix + (size_t)length);
	return code == BM_OK ? bm_buf_append_str(out, SUFFIX) : code;
}

enum bm_code bm_encode_words(struct bm_buf *out, struct bm_span text, size_t *column)
{
	bool first = true;

	while (text.size > 0) {
		size_t room = *column < BM_ENCODED_LINE_MAX ? BM_ENCODED_LINE_MAX - *column : 0;
		size_t take = first ? word_take(text, room) : 0;
		if (take == 0) {
			enum bm_code code = bm_buf_append_str(out, "\r\n ");
			if (code != BM_OK)
				return code;
			*column = 1;
			take = word_take(text, BM_ENCODED_LINE_MAX - 1);
		}
		if (take == 0)
			return BM_E_MESSAGE;
		enum bm_code code = append_word(out, bm_span_make(text.data, take));
		if (code != BM_OK)
			return code;
		*column += WRAPPING + (take + 2) / 3 * 4;
		text = bm_span_make(text.data + take, text.size - take);
		first = false;
	}
	return BM_OK;
}
