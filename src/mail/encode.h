/* SPDX-License-Identifier: MIT */
/*
 * Encoded-words (RFC 2047): UTF-8 in base64, no word over 75 octets, no line over 76, no character cut. What comes out
 * is folded already.
 */
#ifndef BM_MAIL_ENCODE_H
#define BM_MAIL_ENCODE_H

#include "base/buf.h"
#include "base/span.h"
#include "bulkmail/errors.h"

#include <stdbool.h>
#include <stddef.h>

#define BM_ENCODED_LINE_MAX 76

bool bm_is_ascii(struct bm_span text);

/*
 * Appends text, which is valid UTF-8, as encoded-words. *column is how much of the line is written already, and is kept
 * up to date.
 */
enum bm_code bm_encode_words(struct bm_buf *out, struct bm_span text, size_t *column) BM_MUST_CHECK;

#endif
