/* SPDX-License-Identifier: MIT */
#include "base/arena.h"

#include <stdalign.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define BLOCK_SIZE 4096

struct bm_arena_block {
	struct bm_arena_block *next;
	size_t used;
	size_t size;
	alignas(max_align_t) unsigned char data[];
};

static struct bm_arena_block *add_block(struct bm_arena *arena, size_t least)
{
	size_t size = least > BLOCK_SIZE ? least : BLOCK_SIZE;
	struct bm_arena_block *block = malloc(sizeof *block + size);

	if (block == NULL)
		return NULL;
	block->next = arena->blocks;
	block->used = 0;
	block->size = size;
	arena->blocks = block;
	return block;
}

void *bm_arena_take(struct bm_arena *arena, size_t size)
{
	const size_t unit = alignof(max_align_t);
	struct bm_arena_block *block = arena->blocks;

	if (size > SIZE_MAX / 2)
		return NULL;
	size = (size + unit - 1) / unit * unit;
	if (block == NULL || block->size - block->used < size)
		block = add_block(arena, size);
	if (block == NULL)
		return NULL;
	void *piece = block->data + block->used;
	block->used += size;
	return piece;
}

char *bm_arena_copy(struct bm_arena *arena, const void *data, size_t size)
{
	char *copy = bm_arena_take(arena, size + 1);

	if (copy == NULL)
		return NULL;
	if (size > 0)
		memcpy(copy, data, size);
	copy[size] = '\0';
	return copy;
}

void bm_arena_deinit(struct bm_arena *arena)
{
	while (arena->blocks != NULL) {
		struct bm_arena_block *next = arena->blocks->next;
		free(arena->blocks);
		arena->blocks = next;
	}
}
