/* SPDX-License-Identifier: MIT */
#include "../unit.h"
#include "engine/keyset.h"

#include <stdio.h>

static const uint64_t key[2] = {0x0706050403020100u, 0x0f0e0d0c0b0a0908u};

static void knows_what_was_added_and_nothing_else(void **state)
{
	(void)state;
	struct bm_keyset set;
	bool added = false;
	char text[32];

	bm_keyset_init(&set, key);
	assert_false(bm_keyset_has(&set, "x", 1));
	for (int i = 0; i < 20000; i++) {
		int size = snprintf(text, sizeof text, "u%d@x.example", i);
		assert_int_equal(bm_keyset_add(&set, text, (size_t)size, &added), BM_OK);
		assert_true(added);
	}
	assert_int_equal(set.count, 20000);
	for (int i = 0; i < 40000; i++) {
		int size = snprintf(text, sizeof text, "u%d@x.example", i);
		assert_int_equal(bm_keyset_has(&set, text, (size_t)size), i < 20000);
	}
	assert_int_equal(bm_keyset_add(&set, "u7@x.example", 12, &added), BM_OK);
	assert_false(added);
	bm_keyset_deinit(&set);
}

/* Growing included: at no size does a key cost more. */
static void a_key_costs_at_most_24_octets(void **state)
{
	(void)state;
	struct bm_keyset set;
	bool added = false;
	char text[32];

	bm_keyset_init(&set, key);
	assert_int_equal(bm_keyset_bytes(&set), 0);
	for (int i = 0; i < 300000; i++) {
		int size = snprintf(text, sizeof text, "u%d@x.example", i);
		assert_int_equal(bm_keyset_add(&set, text, (size_t)size, &added), BM_OK);
		if (i % 997 == 0)
			assert_true(bm_keyset_bytes(&set) <= 524288 + 24 * set.count);
	}
	assert_true(bm_keyset_bytes(&set) <= 24 * set.count);
	bm_keyset_deinit(&set);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_key_costs_at_most_24_octets),
		cmocka_unit_test(knows_what_was_added_and_nothing_else),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
