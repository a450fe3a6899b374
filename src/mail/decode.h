/* SPDX-License-Identifier: MIT */
/* Transfer encodings read (RFC 2045, 6.7 and 6.8; RFC 2047): only what a message with slots needs. */
#ifndef BM_MAIL_DECODE_H
#define BM_MAIL_DECODE_H

#include "base/buf.h"
#include "base/span.h"
#include "bulkmail/errors.h"

/* Appends what text stands for; what is not of the alphabet is passed over. */
enum bm_code bm_base64_decode(struct bm_buf *out, struct bm_span text) BM_MUST_CHECK;

/* Appends what text, without line ends, stands for; "=" without two hexadecimal digits stays. */
enum bm_code bm_quoted_decode(struct bm_buf *out, struct bm_span text) BM_MUST_CHECK;

/*
 * Appends text as UTF-8 with its encoded-words decoded; blanks between two of them are dropped. One of an unknown
 * charset stays as it is.
 */
enum bm_code bm_words_decode(struct bm_buf *out, struct bm_span text) BM_MUST_CHECK;

#endif
