/* SPDX-License-Identifier: MIT */
/*
 * Octets that nobody may see: a password, a token. The type holds no text that a format could print; its memory is left
 * out of core dumps and wiped when it goes.
 */
#ifndef BM_BASE_SECRET_H
#define BM_BASE_SECRET_H

#include "base/span.h"
#include "bulkmail/errors.h"

struct bm_secret;

/* Copies size octets; NUL is one of them. The caller frees *out, and wipes what it copied from. */
enum bm_code bm_secret_new(struct bm_secret **out, const void *data, size_t size, struct bm_error *err) BM_MUST_CHECK;

/* Wipes and frees. NULL is fine. */
void bm_secret_free(struct bm_secret *secret);

/* The octets, as long as the secret lives: for those alone who must say them to a server. Behind them stands a NUL. */
struct bm_span bm_secret_reveal(const struct bm_secret *secret);

/* Overwrites memory that held one, whatever the compiler thinks of it. */
void bm_secret_wipe(void *data, size_t size);

#endif
