/* SPDX-License-Identifier: MIT */
#include "../unit.h"
#include "engine/item.h"

#include <string.h>

static struct bm_item *item_of(uint64_t seq, uint64_t due_ms)
{
	struct bm_record record = {.seq = seq, .text = "A <a@x.example>", .size = 15};
	struct bm_address address = {.mailbox = "a@x.example", .size = 11, .domain = 2};
	struct bm_item *item = NULL;
	assert_int_equal(bm_item_new(&item, &record, &address), BM_OK);
	item->due_ms = due_ms;
	return item;
}

static void keeps_record_and_mailbox(void **state)
{
	(void)state;
	struct bm_item *item = item_of(7, 0);
	assert_int_equal(item->seq, 7);
	assert_true(bm_span_equal(bm_item_record(item), bm_span_of("A <a@x.example>")));
	assert_true(bm_span_equal(bm_item_mailbox(item), bm_span_of("a@x.example")));
	assert_true(bm_span_equal(bm_item_domain(item), bm_span_of("x.example")));
	bm_item_free(item);
}

static void lists_keep_their_order(void **state)
{
	(void)state;
	struct bm_item_list list = {0};
	struct bm_item_list front = {0};
	bm_item_list_append(&list, item_of(3, 0));
	bm_item_list_append(&front, item_of(1, 0));
	bm_item_list_append(&front, item_of(2, 0));
	bm_item_list_prepend(&list, &front);
	assert_int_equal(list.count, 3);
	assert_int_equal(front.count, 0);
	bm_item_list_prepend(&list, &front);
	for (uint64_t seq = 1; seq <= 3; seq++) {
		struct bm_item *item = bm_item_list_take(&list);
		assert_int_equal(item->seq, seq);
		bm_item_free(item);
	}
	assert_null(bm_item_list_take(&list));
	bm_item_list_prepend(&front, &list);
	assert_null(front.first);
}

static void the_heap_gives_the_soonest_first(void **state)
{
	(void)state;
	struct bm_item_heap heap;
	assert_int_equal(bm_item_heap_init(&heap, 100), BM_OK);
	assert_null(bm_item_heap_take(&heap));
	for (uint64_t i = 0; i < 100; i++)
		bm_item_heap_add(&heap, item_of(i, i * 37 % 10));
	uint64_t due = 0;
	uint64_t seq = 0;
	for (int i = 0; i < 100; i++) {
		struct bm_item *item = bm_item_heap_take(&heap);
		assert_true(item->due_ms > due || (item->due_ms == due && (i == 0 || item->seq > seq)));
		due = item->due_ms;
		seq = item->seq;
		bm_item_free(item);
	}
	assert_null(bm_item_heap_first(&heap));
	bm_item_heap_deinit(&heap);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(keeps_record_and_mailbox),
		cmocka_unit_test(lists_keep_their_order),
		cmocka_unit_test(the_heap_gives_the_soonest_first),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
