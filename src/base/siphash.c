/* SPDX-License-Identifier: MIT */
#include "base/siphash.h"

#include <endian.h>
#include <string.h>

static inline uint64_t rotate(uint64_t x, unsigned bits)
{
	return (x << bits) | (x >> (64 - bits));
}

static inline void sip_round(uint64_t v[4])
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

static inline void four_rounds(uint64_t v[4])
{
	sip_round(v);
	sip_round(v);
	sip_round(v);
	sip_round(v);
}

static uint64_t load_le(const unsigned char *data)
{
	uint64_t word = 0;

	memcpy(&word, data, sizeof word);
	return le64toh(word);
}

/* Fewer than 8. */
static uint64_t load_rest(const unsigned char *data, size_t size)
{
	uint64_t word = 0;

	for (size_t i = 0; i < size; i++)
		word |= (uint64_t)data[i] << (8 * i);
	return word;
}

static inline void sip_word(uint64_t v[4], uint64_t word)
{
	v[3] ^= word;
	sip_round(v);
	sip_round(v);
	v[0] ^= word;
}

void bm_siphash128(uint64_t hash[2], const uint64_t key[2], const void *data, size_t size)
{
	const unsigned char *in = data;
	uint64_t v[4] = {key[0] ^ 0x736f6d6570736575u, key[1] ^ 0x646f72616e646f6du ^ 0xee, key[0] ^ 0x6c7967656e657261u,
		key[1] ^ 0x7465646279746573u};
	size_t whole = size / 8 * 8;

	for (size_t pos = 0; pos < whole; pos += 8)
		sip_word(v, load_le(in + pos));
	sip_word(v, load_rest(in + whole, size - whole) | ((uint64_t)size << 56));
	v[2] ^= 0xee;
	four_rounds(v);
	hash[0] = v[0] ^ v[1] ^ v[2] ^ v[3];
	v[1] ^= 0xdd;
	four_rounds(v);
	hash[1] = v[0] ^ v[1] ^ v[2] ^ v[3];
}
