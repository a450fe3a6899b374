/* SPDX-License-Identifier: MIT */
/*
 * One message's content as it streams in: finds the end of data, takes the
 * stuffing off, hashes, checks, keeps (when asked). Only CRLF "." CRLF ends it:
 * a bare LF is content (RFC 5321, 2.3.8, 4.1.1.4, 4.5.2; RFC 3030 for chunks).
 */
#ifndef BM_SINK_CONTENT_H
#define BM_SINK_CONTENT_H

#include "base/buf.h"
#include "bulkmail/errors.h"

#include <openssl/evp.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define BM_SINK_HASH_HEX 65

enum bm_sink_content_place {
	BM_SINK_AT_LINE_START,
	BM_SINK_AT_DOT,
	BM_SINK_AT_DOT_CR,
	BM_SINK_AT_TEXT,
};

struct bm_sink_content {
	const EVP_MD *digest; /* NULL: no hash is wanted */
	EVP_MD_CTX *hash;
	bool keep;
	struct bm_buf kept;
	uint64_t wire; /* octets as they came */
	uint64_t size; /* without stuffing */
	enum bm_sink_content_place place;
	bool cr;       /* the octet before this was a CR */
	size_t line;   /* octets of the line so far, its CR included */
	bool binary;   /* BODY=BINARYMIME: nothing to check */
	bool eight;    /* octets above 0x7f are allowed */
	bool utf8;     /* also in the header */
	bool head;     /* its end has not come yet */
	uint32_t seen; /* violations, as bits */
	bool broken;   /* no memory for it */
};

/* digest NULL: nothing is hashed. keep_max 0: nothing is kept. */
void bm_sink_content_init(struct bm_sink_content *content, const EVP_MD *digest, size_t keep_max);
void bm_sink_content_deinit(struct bm_sink_content *content);

/* As MAIL said: BODY=8BITMIME, BODY=BINARYMIME, SMTPUTF8. */
struct bm_sink_content_kind {
	bool eight;
	bool binary;
	bool utf8;
};

/* Before each message. */
void bm_sink_content_begin(struct bm_sink_content *content, struct bm_sink_content_kind kind);

/* Octets behind DATA: how many were used; *end is set behind the terminator. */
size_t bm_sink_content_feed(struct bm_sink_content *content, struct bm_span data, bool *end);

/* Octets of a chunk: all are used. */
void bm_sink_content_feed_chunk(struct bm_sink_content *content, struct bm_span data);

/* The hash of all of it; "" when none was wanted. */
void bm_sink_content_finish(struct bm_sink_content *content, char hex[BM_SINK_HASH_HEX]);

#endif
