/* SPDX-License-Identifier: MIT */
#include "engine/keyset.h"

#include <stdlib.h>
#include <string.h>

#define CAPACITY_FIRST 1024

static uint64_t rotate(uint64_t x, unsigned bits)
{
	return (x << bits) | (x >> (64 - bits));
}

static void sip_round(uint64_t v[4])
{
	v[0] += v[1];
	v[1] = rotate(v[1], 13) ^ v[0];
	v[0] = rotate(v[0], 32);
	v[2] += v[3];
	v[3] = rotate(v[3], 16) ^ v[2];
	v[0] += v[3];
	v[3] = rotate(v[3], 21) ^ v[0];
	v[2] += v[1];
	v[1] = rotate(v[1], 17) ^ v[2];
	v[2] = rotate(v[2], 32);
}

static void sip_rounds(uint64_t v[4], int count)
{
	for (int i = 0; i < count; i++)
		sip_round(v);
}

static uint64_t load_le(const unsigned char *data, size_t size)
{
	uint64_t word = 0;
	for (size_t i = 0; i < size; i++)
		word |= (uint64_t)data[i] << (8 * i);
	return word;
}

static void sip_word(uint64_t v[4], uint64_t word)
{
	v[3] ^= word;
	sip_rounds(v, 2);
	v[0] ^= word;
}

struct bm_keyset_entry bm_siphash128(const uint64_t key[2], const void *data, size_t size)
{
	const unsigned char *in = data;
	uint64_t v[4] = {key[0] ^ 0x736f6d6570736575u, key[1] ^ 0x646f72616e646f6du ^ 0xee, key[0] ^ 0x6c7967656e657261u,
		key[1] ^ 0x7465646279746573u};
	size_t whole = size / 8 * 8;

	for (size_t pos = 0; pos < whole; pos += 8)
		sip_word(v, load_le(in + pos, 8));
	sip_word(v, load_le(in + whole, size - whole) | ((uint64_t)size << 56));
	struct bm_keyset_entry hash;
	v[2] ^= 0xee;
	sip_rounds(v, 4);
	hash.low = v[0] ^ v[1] ^ v[2] ^ v[3];
	v[1] ^= 0xdd;
	sip_rounds(v, 4);
	hash.high = v[0] ^ v[1] ^ v[2] ^ v[3];
	return hash;
}

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
	struct bm_keyset_entry entry = bm_siphash128(set->key, data, size);
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
	struct bm_keyset_entry entry = bm_siphash128(set->key, data, size);
	return !is_free(set->entries[place(set->entries, set->capacity, entry)]);
}
