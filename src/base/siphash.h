/* SPDX-License-Identifier: MIT */
/* SipHash-2-4 with 128 bits of output (Aumasson and Bernstein): a keyed hash that nobody without the key can collide.
 */
#ifndef BM_BASE_SIPHASH_H
#define BM_BASE_SIPHASH_H

#include <stddef.h>
#include <stdint.h>

void bm_siphash128(uint64_t hash[2], const uint64_t key[2], const void *data, size_t size);

#endif
