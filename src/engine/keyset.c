/* SPDX-License-Identifier: MIT */
#include "engine/keyset.h"

#include "base/siphash.h"

#include <stdlib.h>

#define SHARD_BITS 12
#define SHARDS ((size_t)1 << SHARD_BITS)
#define CAPACITY_FIRST 4
#define BLOCK_OVERHEAD 16 /* what malloc keeps with each block */

void bm_keyset_init(struct bm_keyset *set, const uint64_t key[2])
{
	*set = (struct bm_keyset){.key = {key[0], key[1]}};
}

void bm_keyset_deinit(struct bm_keyset *set)
{
	for (size_t i = 0; set->shards != NULL && i < SHARDS; i++)
		free(set->shards[i].entries);
	free(set->shards);
	set->shards = NULL;
	set->count = 0;
}

static struct bm_keyset_entry keyed(const uint64_t key[2], const void *data, size_t size)
{
	uint64_t hash[2];

	bm_siphash128(hash, key, data, size);
	return (struct bm_keyset_entry){.low = hash[0], .high = hash[1]};
}

static struct bm_keyset_shard *shard_of(const struct bm_keyset *set, struct bm_keyset_entry entry)
{
	return &set->shards[entry.high >> (64 - SHARD_BITS)];
}

static bool is_free(struct bm_keyset_entry entry)
{
	return entry.low == 0 && entry.high == 0;
}

/* The hash is scaled to the capacity, which is no power of 2. */
static size_t first_place(uint32_t capacity, struct bm_keyset_entry entry)
{
	return (size_t)(((entry.low >> 32) * capacity) >> 32);
}

/* The entry's own place, or the free one where it belongs. */
static size_t place(const struct bm_keyset_entry *entries, uint32_t capacity, struct bm_keyset_entry entry)
{
	size_t index = first_place(capacity, entry);
	while (!is_free(entries[index]) && (entries[index].low != entry.low || entries[index].high != entry.high))
		index = index + 1 == capacity ? 0 : index + 1;
	return index;
}

/* By a quarter. */
static enum bm_code grow(struct bm_keyset_shard *shard)
{
	uint32_t capacity = shard->capacity == 0 ? CAPACITY_FIRST : shard->capacity + (shard->capacity + 3) / 4;
	struct bm_keyset_entry *entries = calloc(capacity, sizeof *entries);

	if (entries == NULL)
		return BM_E_NOMEM;
	for (uint32_t i = 0; i < shard->capacity; i++) {
		if (!is_free(shard->entries[i]))
			entries[place(entries, capacity, shard->entries[i])] = shard->entries[i];
	}
	free(shard->entries);
	shard->entries = entries;
	shard->capacity = capacity;
	return BM_OK;
}

/* At most 85 in a hundred. */
static bool is_full(const struct bm_keyset_shard *shard)
{
	return (uint64_t)(shard->count + 1) * 20 > (uint64_t)shard->capacity * 17;
}

struct bm_keyset_entry bm_keyset_hash(const struct bm_keyset *set, const void *data, size_t size)
{
	struct bm_keyset_entry hash = keyed(set->key, data, size);

	if (set->count == 0)
		return hash;
	const struct bm_keyset_shard *shard = shard_of(set, hash);
	if (shard->capacity > 0)
		__builtin_prefetch(&shard->entries[first_place(shard->capacity, hash)]);
	return hash;
}

enum bm_code bm_keyset_add_hash(struct bm_keyset *set, struct bm_keyset_entry hash, bool *added)
{
	if (set->shards == NULL)
		set->shards = calloc(SHARDS, sizeof *set->shards);
	if (set->shards == NULL)
		return BM_E_NOMEM;
	struct bm_keyset_shard *shard = shard_of(set, hash);
	if (is_full(shard) && grow(shard) != BM_OK)
		return BM_E_NOMEM;
	size_t index = place(shard->entries, shard->capacity, hash);
	*added = is_free(shard->entries[index]);
	if (*added) {
		shard->entries[index] = hash;
		shard->count++;
		set->count++;
	}
	return BM_OK;
}

bool bm_keyset_has_hash(const struct bm_keyset *set, struct bm_keyset_entry hash)
{
	if (set->count == 0)
		return false;
	const struct bm_keyset_shard *shard = shard_of(set, hash);
	return shard->count > 0 && !is_free(shard->entries[place(shard->entries, shard->capacity, hash)]);
}

enum bm_code bm_keyset_add(struct bm_keyset *set, const void *data, size_t size, bool *added)
{
	return bm_keyset_add_hash(set, keyed(set->key, data, size), added);
}

bool bm_keyset_has(const struct bm_keyset *set, const void *data, size_t size)
{
	return set->count > 0 && bm_keyset_has_hash(set, keyed(set->key, data, size));
}

size_t bm_keyset_bytes(const struct bm_keyset *set)
{
	size_t bytes = 0;

	if (set->shards == NULL)
		return 0;
	for (size_t i = 0; i < SHARDS; i++) {
		const struct bm_keyset_shard *shard = &set->shards[i];
		bytes += sizeof *shard + shard->capacity * sizeof *shard->entries;
		bytes += shard->capacity > 0 ? BLOCK_OVERHEAD : 0;
	}
	return bytes;
}
