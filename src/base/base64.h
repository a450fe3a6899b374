/* SPDX-License-Identifier: MIT */
/* Base64 (RFC 4648, 4) as protocols use it: one line, padded, and nothing else is taken. */
#ifndef BM_BASE_BASE64_H
#define BM_BASE_BASE64_H

#include "base/buf.h"
#include "base/span.h"

/* Octets of the form of size octets. */
#define BM_BASE64_SIZE(size) (((size) + 2) / 3 * 4)

/* Appends the form of data. Nothing is copied to other memory when the buffer has the room. */
enum bm_code bm_base64_write(struct bm_buf *out, struct bm_span data) BM_MUST_CHECK;

/*
 * Appends what text stands for. BM_E_USAGE, nothing being appended, when it is no base64: another octet, padding that
 * lacks or is not at the end, bits left over that are not 0.
 */
enum bm_code bm_base64_read(struct bm_buf *out, struct bm_span text) BM_MUST_CHECK;

#endif
