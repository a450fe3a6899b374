/* SPDX-License-Identifier: MIT */
/* Memory that is taken piece by piece and given back all at once. */
#ifndef BM_BASE_ARENA_H
#define BM_BASE_ARENA_H

#include <stddef.h>

struct bm_arena_block;

struct bm_arena {
	struct bm_arena_block *blocks; /* NULL: empty */
};

/* size octets, aligned for anything, not set; NULL without memory. Valid until deinit. */
void *bm_arena_take(struct bm_arena *arena, size_t size);

/* A copy of size octets with a NUL behind them. */
char *bm_arena_copy(struct bm_arena *arena, const void *data, size_t size);

void bm_arena_deinit(struct bm_arena *arena);

#endif
