/* SPDX-License-Identifier: MIT */
#include "engine/keyset.h"

#include "base/siphash.h"

#include <stdlib.h>

#define CAPACITY_FIRST 1024

void bm_keyset_init(struct bm_keyset *set, const uint64_t key[2])
{
	*set = (struct bm_keyset){.key = {key[0], key[1]}};
}

void bm_keyset_deinit(struct bm_keyset *set)
{
	free(set->entries);
	set->entries = NULL;
	set->capacity = 0;
	set->count = 0;
}

static struct bm_keyset_entry keyed(const uint64_t key[2], const void *data, size_t size)
{
	uint64_t hash[2];

	bm_siphash128(hash, key, data, size);
	return (struct bm_keyset_entry){.low = hash[0], .high = hash[1]};
}

static bool is_free(struct bm_keyset_entry entry)
{
	return entry.low == 0 && entry.high == 0;
}

/* The entry's own place, or the free one where it belongs. */
static size_t place(const struct bm_keyset_entry *entries, size_t capacity, struct bm_keyset_entry entry)
{
	size_t index = (size_t)entry.low & (capacity - 1);
	while (!is_free(entries[index]) && (entries[index].low != entry.low || entries[index].high != entry.high))
		index = (index + 1) & (capacity - 1);
	return index;
}

static enum bm_code grow(struct bm_keyset *set)
{
	size_t capacity = set->capacity == 0 ? CAPACITY_FIRST : set->capacity * 2;
	struct bm_keyset_entry *entries = calloc(capacity, sizeof *entries);

	if (entries == NULL)
		return BM_E_NOMEM;
	for (size_t i = 0; i < set->capacity; i++) {
		if (!is_free(set->entries[i]))
			entries[place(entries, capacity, set->entries[i])] = set->entries[i];
	}
	free(set->entries);
	set->entries = entries;
	set->capacity = capacity;
	return BM_OK;
}

enum bm_code bm_keyset_add(struct bm_keyset *set, const void *data, size_t size, bool *added)
{
	/* At most four fifths full. */
	if (set->count >= set->capacity / 5 * 4 && grow(set) != BM_OK)
		return BM_E_NOMEM;
	struct bm_keyset_entry entry = keyed(set->key, data, size);
	size_t index = place(set->entries, set->capacity, entry);
	*added = is_free(set->entries[index]);
	if (*added) {
		set->entries[index] = entry;
		set->count++;
	}
	return BM_OK;
}

bool bm_keyset_has(const struct bm_keyset *set, const void *data, size_t size)
{
	if (set->capacity == 0)
		return false;
	struct bm_keyset_entry entry = keyed(set->key, data, size);
	return !is_free(set->entries[place(set->entries, set->capacity, entry)]);
}
