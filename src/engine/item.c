/* SPDX-License-Identifier: MIT */
#include "engine/item.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

enum bm_code bm_item_new(struct bm_item **out, const struct bm_record *record, const struct bm_address *address)
{
	struct bm_item *item = calloc(1, sizeof *item + record->size + address->size);

	if (item == NULL)
		return BM_E_NOMEM;
	item->seq = record->seq;
	item->record_size = record->size;
	item->mailbox_size = address->size;
	item->domain = address->domain;
	memcpy(item->data, record->text, record->size);
	memcpy(item->data + record->size, address->mailbox, address->size);
	*out = item;
	return BM_OK;
}

void bm_item_free(struct bm_item *item)
{
	if (item != NULL)
		free(item->values);
	free(item);
}

enum bm_code bm_item_set_values(struct bm_item *item, const struct bm_span *values, size_t count)
{
	size_t size = count * sizeof *values;

	for (size_t i = 0; i < count; i++)
		size += values[i].size;
	struct bm_span *copy = malloc(size);
	if (copy == NULL)
		return BM_E_NOMEM;
	unsigned char *at = (unsigned char *)(copy + count);
	for (size_t i = 0; i < count; i++) {
		copy[i] = bm_span_make(values[i].data == NULL ? NULL : at, values[i].size);
		if (values[i].data != NULL && values[i].size > 0)
			memcpy(at, values[i].data, values[i].size);
		at += values[i].size;
	}
	item->values = copy;
	item->value_count = count;
	return BM_OK;
}

struct bm_span bm_item_record(const struct bm_item *item)
{
	return bm_span_make(item->data, item->record_size);
}

struct bm_span bm_item_mailbox(const struct bm_item *item)
{
	return bm_span_make(item->data + item->record_size, item->mailbox_size);
}

struct bm_span bm_item_domain(const struct bm_item *item)
{
	struct bm_span mailbox = bm_item_mailbox(item);
	return bm_span_make(mailbox.data + item->domain, mailbox.size - item->domain);
}

void bm_item_list_append(struct bm_item_list *list, struct bm_item *item)
{
	item->next = NULL;
	if (list->last == NULL)
		list->first = item;
	else
		list->last->next = item;
	list->last = item;
	list->count++;
}

struct bm_item *bm_item_list_take(struct bm_item_list *list)
{
	struct bm_item *item = list->first;

	if (item == NULL)
		return NULL;
	list->first = item->next;
	if (list->first == NULL)
		list->last = NULL;
	list->count--;
	item->next = NULL;
	return item;
}

void bm_item_list_prepend(struct bm_item_list *list, struct bm_item_list *other)
{
	if (other->first == NULL)
		return;
	other->last->next = list->first;
	if (list->last == NULL)
		list->last = other->last;
	list->first = other->first;
	list->count += other->count;
	*other = (struct bm_item_list){0};
}

static bool before(const struct bm_item *a, const struct bm_item *b)
{
	return a->due_ms != b->due_ms ? a->due_ms < b->due_ms : a->seq < b->seq;
}

static void swap(struct bm_item_heap *heap, size_t a, size_t b)
{
	struct bm_item *item = heap->items[a];
	heap->items[a] = heap->items[b];
	heap->items[b] = item;
}

enum bm_code bm_item_heap_init(struct bm_item_heap *heap, size_t capacity)
{
	*heap = (struct bm_item_heap){.items = calloc(capacity, sizeof(struct bm_item *)), .capacity = capacity};
	return heap->items == NULL ? BM_E_NOMEM : BM_OK;
}

void bm_item_heap_add(struct bm_item_heap *heap, struct bm_item *item)
{
	assert(heap->count < heap->capacity);
	size_t index = heap->count++;
	heap->items[index] = item;
	while (index > 0 && before(heap->items[index], heap->items[(index - 1) / 2])) {
		swap(heap, index, (index - 1) / 2);
		index = (index - 1) / 2;
	}
}

struct bm_item *bm_item_heap_first(const struct bm_item_heap *heap)
{
	return heap->count == 0 ? NULL : heap->items[0];
}

/* The smaller of a node's children, or count when it has none. */
static size_t smaller_child(const struct bm_item_heap *heap, size_t index)
{
	size_t child = 2 * index + 1;
	if (child >= heap->count)
		return heap->count;
	if (child + 1 < heap->count && before(heap->items[child + 1], heap->items[child]))
		child++;
	return child;
}

struct bm_item *bm_item_heap_take(struct bm_item_heap *heap)
{
	struct bm_item *item = bm_item_heap_first(heap);

	if (item == NULL)
		return NULL;
	heap->items[0] = heap->items[--heap->count];
	size_t index = 0;
	size_t child = smaller_child(heap, index);
	while (child < heap->count && before(heap->items[child], heap->items[index])) {
		swap(heap, child, index);
		index = child;
		child = smaller_child(heap, index);
	}
	return item;
}

void bm_item_heap_deinit(struct bm_item_heap *heap)
{
	free(heap->items);
	*heap = (struct bm_item_heap){0};
}
