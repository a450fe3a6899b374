/* SPDX-License-Identifier: MIT */
#include "../unit.h"
#include "engine/item.h"

#include <string.h>

static struct bm_item *item_of(struct bm_item_pool *pool, uint64_t seq, uint64_t due_ms)
{
	struct bm_record record = {.seq = seq, .text = "A <a@x.example>", .size = 15};
	struct bm_span values[] = {bm_span_of("Ann"), {NULL, 0}, bm_span_of("")};
	struct bm_address address;
	struct bm_item *item = NULL;
	assert_int_equal(bm_address_parse(&address, bm_span_make(record.text, record.size), NULL), BM_OK);
	assert_int_equal(bm_item_new(pool, &item, &record, &address, values, 3), BM_OK);
	item->due_ms = due_ms;
	return item;
}

static void keeps_record_and_mailbox(void **state)
{
	(void)state;
	struct bm_item_pool pool = {0};
	struct bm_item *item = item_of(&pool, 7, 0);
	struct bm_address address;
	assert_int_equal(item->seq, 7);
	assert_true(bm_span_equal(bm_item_record(item), bm_span_of("A <a@x.example>")));
	assert_true(bm_span_equal(bm_item_mailbox(item), bm_span_of("a@x.example")));
	assert_true(bm_span_equal(bm_item_domain(item), bm_span_of("x.example")));
	assert_true(bm_span_equal(item->values[0], bm_span_of("Ann")));
	assert_null(item->values[1].data);
	assert_non_null(item->values[2].data);
	assert_int_equal(item->values[2].size, 0);
	bm_item_address(item, &address);
	assert_string_equal(address.mailbox, "a@x.example");
	assert_true(bm_span_equal(bm_address_domain(&address), bm_span_of("x.example")));
	assert_true(bm_span_equal(address.original, bm_span_of("A <a@x.example>")));
	assert_true(bm_span_equal(address.display, bm_span_of("A")));
	bm_item_free(&pool, item);
	bm_item_pool_deinit(&pool);
}

static void a_pool_gives_back_what_it_was_given(void **state)
{
	(void)state;
	static char text[40000];
	struct bm_item_pool pool = {0};
	struct bm_address address;
	struct bm_item *item = item_of(&pool, 1, 0);
	struct bm_item *first = item;
	item->attempts = 3;
	item->answer.code = 250;
	bm_item_free(&pool, item);
	item = item_of(&pool, 2, 0);
	assert_ptr_equal(item, first);
	assert_int_equal(item->attempts, 0);
	assert_int_equal(item->answer.code, 0);
	bm_item_free(&pool, item);
	assert_int_equal(bm_address_parse(&address, bm_span_of("a@x.example"), NULL), BM_OK);
	memset(text, 'x', sizeof text);
	for (size_t size = 11; size < sizeof text; size = size * 3 / 2) {
		struct bm_record record = {.seq = size, .text = text, .size = size};
		memcpy(text, "a@x.example", 11);
		address.original = bm_span_make(text, 11);
		assert_int_equal(bm_item_new(&pool, &item, &record, &address, NULL, 0), BM_OK);
		assert_true(bm_span_equal(bm_item_record(item), bm_span_make(text, size)));
		bm_item_free(&pool, item);
	}
	bm_item_pool_deinit(&pool);
}

static void lists_keep_their_order(void **state)
{
	(void)state;
	struct bm_item_pool pool = {0};
	struct bm_item_list list = {0};
	struct bm_item_list other = {0};
	bm_item_list_append(&list, item_of(&pool, 3, 0));
	bm_item_list_append(&list, item_of(&pool, 6, 0));
	bm_item_list_prepend(&list, item_of(&pool, 1, 0));
	bm_item_list_insert(&list, item_of(&pool, 5, 0));
	bm_item_list_insert(&list, item_of(&pool, 8, 0));
	bm_item_list_append(&other, item_of(&pool, 2, 0));
	bm_item_list_append(&other, item_of(&pool, 4, 0));
	bm_item_list_append(&other, item_of(&pool, 7, 0));
	bm_item_list_append(&other, item_of(&pool, 9, 0));
	bm_item_list_merge(&list, &other);
	assert_int_equal(list.count, 9);
	assert_int_equal(list.last->seq, 9);
	assert_int_equal(other.count, 0);
	bm_item_list_merge(&list, &other);
	bm_item_list_merge(&other, &list);
	assert_null(list.first);
	for (uint64_t seq = 1; seq <= 9; seq++) {
		struct bm_item *item = bm_item_list_take(&other);
		assert_int_equal(item->seq, seq);
		bm_item_free(&pool, item);
	}
	assert_null(bm_item_list_take(&other));
	bm_item_list_prepend(&other, item_of(&pool, 1, 0));
	assert_ptr_equal(other.last, other.first);
	bm_item_free(&pool, bm_item_list_take(&other));
	bm_item_pool_deinit(&pool);
}

static void the_heap_gives_the_soonest_first(void **state)
{
	(void)state;
	struct bm_item_pool pool = {0};
	struct bm_item_heap heap = {0};
	assert_null(bm_item_heap_take(&heap));
	for (uint64_t i = 0; i < 100; i++)
		bm_item_heap_add(&heap, item_of(&pool, i, i * 37 % 10));
	uint64_t due = 0;
	uint64_t seq = 0;
	for (int i = 0; i < 100; i++) {
		struct bm_item *item = bm_item_heap_take(&heap);
		assert_true(item->due_ms > due || (item->due_ms == due && (i == 0 || item->seq > seq)));
		due = item->due_ms;
		seq = item->seq;
		bm_item_free(&pool, item);
	}
	assert_null(heap.first);
	assert_int_equal(heap.count, 0);
	bm_item_pool_deinit(&pool);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(keeps_record_and_mailbox),
		cmocka_unit_test(a_pool_gives_back_what_it_was_given),
		cmocka_unit_test(lists_keep_their_order),
		cmocka_unit_test(the_heap_gives_the_soonest_first),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
