/* SPDX-License-Identifier: MIT */
#include "../unit.h"
#include "base/arena.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

static void keeps_every_piece(void **state)
{
	(void)state;
	struct bm_arena arena = {0};
	char *pieces[300];
	for (size_t i = 0; i < 300; i++) {
		pieces[i] = bm_arena_take(&arena, i * 7);
		assert_non_null(pieces[i]);
		assert_int_equal((uintptr_t)pieces[i] % 16, 0);
		memset(pieces[i], (int)i, i * 7);
	}
	for (size_t i = 0; i < 300; i++) {
		for (size_t at = 0; at < i * 7; at++)
			assert_int_equal((unsigned char)pieces[i][at], (unsigned char)i);
	}
	assert_string_equal(bm_arena_copy(&arena, "text and more", 4), "text");
	assert_string_equal(bm_arena_copy(&arena, NULL, 0), "");
	assert_null(bm_arena_take(&arena, SIZE_MAX - 3));
	bm_arena_deinit(&arena);
	assert_null(arena.blocks);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(keeps_every_piece),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
