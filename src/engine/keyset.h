/* SPDX-License-Identifier: MIT */
/*
 * A set of address keys that keeps 16 octets of each: a keyed 128-bit hash (SipHash-2-4-128 by
 * Aumasson and Bernstein). With a random key two different addresses of a billion are taken for one
 * with a probability below 10^-20, and nobody can make up a list that collides.
 */
#ifndef BM_ENGINE_KEYSET_H
#define BM_ENGINE_KEYSET_H

#include "bulkmail/errors.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct bm_keyset_entry {
	uint64_t low;
	uint64_t high;
};

/* One of many small tables, by the first bits of the hash, so that growing never holds two copies of much. */
struct bm_keyset_shard {
	struct bm_keyset_entry *entries; /* both words 0: free */
	uint32_t capacity;
	uint32_t count;
};

struct bm_keyset {
	struct bm_keyset_shard *shards; /* NULL: empty */
	size_t count;
	uint64_t key[2];
};

void bm_keyset_init(struct bm_keyset *set, const uint64_t key[2]);
void bm_keyset_deinit(struct bm_keyset *set);

/* *added is false when it was there already. */
enum bm_code bm_keyset_add(struct bm_keyset *set, const void *data, size_t size, bool *added) BM_MUST_CHECK;

/*
 * The same in two steps: where a key goes is fetched from memory while other work is done. The hash is of this set and
 * holds for ever.
 */
struct bm_keyset_entry bm_keyset_hash(const struct bm_keyset *set, const void *data, size_t size);
enum bm_code bm_keyset_add_hash(struct bm_keyset *set, struct bm_keyset_entry hash, bool *added) BM_MUST_CHECK;
bool bm_keyset_has_hash(const struct bm_keyset *set, struct bm_keyset_entry hash);

/* Octets that the set holds: at most 24 a key, and half a MiB. */
size_t bm_keyset_bytes(const struct bm_keyset *set);
bool bm_keyset_has(const struct bm_keyset *set, const void *data, size_t size);

#endif
