/* SPDX-License-Identifier: MIT */
/* There is no memory to remember an address: whoever was read has an outcome all the same. Linked with --wrap. */
#include "world.h"

#include "engine/keyset.h"

#include <stdlib.h>

static size_t tables;
static size_t failing = SIZE_MAX;

void *__real_calloc(size_t count, size_t size);
void *__wrap_calloc(size_t count, size_t size);

void *__wrap_calloc(size_t count, size_t size)
{
	if (count > 1 && size == sizeof(struct bm_keyset_entry) && tables++ == failing)
		return NULL;
	return __real_calloc(count, size);
}

/* How many tables of addresses were asked for. */
static size_t campaign(size_t fails_at, bool refuses)
{
	static const char *const records[] = {"a@x.example", "b@x.example", "nobody", "c@y.example", "d@y.example",
		"a@x.example", "e@z.example", "f@z.example"};
	struct world *world = make_world(records, sizeof records / sizeof *records);
	world->refuses_connects[0] = refuses;
	tables = 0;
	failing = fails_at;
	enum bm_code code = run_world(world, true, 1);
	failing = SIZE_MAX;
	assert_int_equal(world->next, sizeof records / sizeof *records);
	if (fails_at == SIZE_MAX)
		assert_int_equal(code, refuses ? BM_E_NO_SERVER : BM_OK);
	else
		assert_true(code == BM_E_NOMEM || code == BM_E_NO_SERVER);
	free_world(world);
	return tables;
}

static void each_has_an_outcome(void **state)
{
	(void)state;
	for (int refuses = 0; refuses <= 1; refuses++) {
		size_t count = campaign(SIZE_MAX, refuses);
		assert_in_range(count, 6, 7);
		for (size_t i = 0; i < count; i++)
			campaign(i, refuses);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_has_an_outcome),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
