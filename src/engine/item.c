/* SPDX-License-Identifier: MIT */
#include "engine/item.h"

#include "mail/encode.h"

#include <stdlib.h>
#include <string.h>

#define CLASS_FIRST 128

static size_t class_size(unsigned size_class)
{
	return (size_t)CLASS_FIRST << size_class;
}

/* BM_ITEM_CLASSES: larger than all that are kept. */
static unsigned class_of(size_t size)
{
	unsigned size_class = 0;
	while (size_class < BM_ITEM_CLASSES && class_size(size_class) < size)
		size_class++;
	return size_class;
}

static struct bm_item *fetch(struct bm_item_pool *pool, size_t size)
{
	unsigned size_class = class_of(size);
	struct bm_item *item = size_class < BM_ITEM_CLASSES ? pool->free[size_class] : NULL;

	if (item != NULL) {
		pool->free[size_class] = item->next;
		return item;
	}
	item = malloc(sizeof *item + (size_class < BM_ITEM_CLASSES ? class_size(size_class) : size));
	if (item != NULL)
		item->size_class = size_class;
	return item;
}

void bm_item_pool_deinit(struct bm_item_pool *pool)
{
	for (size_t i = 0; i < BM_ITEM_CLASSES; i++) {
		while (pool->free[i] != NULL) {
			struct bm_item *item = pool->free[i];
			pool->free[i] = item->next;
			free(item);
		}
	}
}

static unsigned char *text_of(const struct bm_item *item)
{
	return (unsigned char *)(item->values + item->value_count);
}

static unsigned char *copy_values(struct bm_item *item, unsigned char *at, const struct bm_span *values)
{
	for (size_t i = 0; i < item->value_count; i++) {
		item->values[i] = bm_span_make(values[i].data == NULL ? NULL : at, values[i].size);
		if (values[i].data != NULL)
			memcpy(at, values[i].data, values[i].size);
		at += values[i].size;
	}
	return at;
}

/* The part of the record that part is, in the item's copy of it. */
static struct bm_span inner(const struct bm_item *item, const struct bm_record *record, struct bm_span part)
{
	if (part.size == 0)
		return bm_span_make(text_of(item), 0);
	return bm_span_make(text_of(item) + ((const char *)part.data - record->text), part.size);
}

static void reset(struct bm_item *item)
{
	item->next = NULL;
	item->child = NULL;
	item->due_ms = 0;
	item->delay_ms = 0;
	item->key[0] = 0;
	item->key[1] = 0;
	item->attempts = 0;
	item->put_backs = 0;
	item->fate = BM_FATE_OPEN;
	item->needs = 0;
	item->size_bytes = 0;
	item->relayed = false;
	item->answer.code = 0;
	item->answer.enhanced[0] = '\0';
	item->answer.text[0] = '\0';
	item->answer.server = 0;
}

enum bm_code bm_item_new(struct bm_item_pool *pool, struct bm_item **out, const struct bm_record *record,
	const struct bm_address *address, const struct bm_span *values, size_t value_count)
{
	size_t size = value_count * sizeof *values + record->size + address->size;

	for (size_t i = 0; i < value_count; i++)
		size += values[i].size;
	struct bm_item *item = fetch(pool, size);
	if (item == NULL)
		return BM_E_NOMEM;
	reset(item);
	item->seq = record->seq;
	item->record_size = record->size;
	item->mailbox_size = address->size;
	item->domain = address->domain;
	item->needs = address->utf8 ? BM_NEED_UTF8 : 0;
	item->value_count = value_count;
	unsigned char *text = text_of(item);
	memcpy(text, record->text, record->size);
	memcpy(text + record->size, address->mailbox, address->size);
	copy_values(item, text + record->size + address->size, values);
	item->original = inner(item, record, address->original);
	item->display = inner(item, record, address->display);
	*out = item;
	return BM_OK;
}

void bm_item_free(struct bm_item_pool *pool, struct bm_item *item)
{
	if (item->size_class == BM_ITEM_CLASSES) {
		free(item);
		return;
	}
	item->next = pool->free[item->size_class];
	pool->free[item->size_class] = item;
}

struct bm_span bm_item_record(const struct bm_item *item)
{
	return bm_span_make(text_of(item), item->record_size);
}

struct bm_span bm_item_mailbox(const struct bm_item *item)
{
	return bm_span_make(text_of(item) + item->record_size, item->mailbox_size);
}

struct bm_span bm_item_domain(const struct bm_item *item)
{
	struct bm_span mailbox = bm_item_mailbox(item);
	return bm_span_make(mailbox.data + item->domain, mailbox.size - item->domain);
}

void bm_item_address(const struct bm_item *item, struct bm_address *address)
{
	struct bm_span mailbox = bm_item_mailbox(item);

	memcpy(address->mailbox, mailbox.data, mailbox.size);
	address->mailbox[mailbox.size] = '\0';
	address->size = mailbox.size;
	address->domain = item->domain;
	address->utf8 = !bm_is_ascii(mailbox);
	address->original = item->original;
	address->display = item->display;
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

void bm_item_list_prepend(struct bm_item_list *list, struct bm_item *item)
{
	item->next = list->first;
	list->first = item;
	if (list->last == NULL)
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

void bm_item_list_insert(struct bm_item_list *list, struct bm_item *item)
{
	if (list->last == NULL || list->last->seq < item->seq) {
		bm_item_list_append(list, item);
		return;
	}
	struct bm_item **at = &list->first;
	while ((*at)->seq < item->seq)
		at = &(*at)->next;
	item->next = *at;
	*at = item;
	list->count++;
}

void bm_item_list_merge(struct bm_item_list *list, struct bm_item_list *other)
{
	struct bm_item **at = &list->first;

	if (other->first == NULL)
		return;
	if (list->last == NULL || list->last->seq < other->last->seq)
		list->last = other->last;
	for (struct bm_item *item = other->first; item != NULL;) {
		while (*at != NULL && (*at)->seq < item->seq)
			at = &(*at)->next;
		struct bm_item *rest = *at;
		*at = item;
		item = rest;
	}
	list->count += other->count;
	*other = (struct bm_item_list){0};
}

static bool before(const struct bm_item *a, const struct bm_item *b)
{
	return a->due_ms != b->due_ms ? a->due_ms < b->due_ms : a->seq < b->seq;
}

/* Two heaps to one; either may be NULL. */
static struct bm_item *join(struct bm_item *a, struct bm_item *b)
{
	if (a == NULL)
		return b;
	if (b == NULL)
		return a;
	if (before(b, a)) {
		struct bm_item *other = a;
		a = b;
		b = other;
	}
	b->next = a->child;
	a->child = b;
	return a;
}

void bm_item_heap_add(struct bm_item_heap *heap, struct bm_item *item)
{
	item->next = NULL;
	item->child = NULL;
	heap->first = join(heap->first, item);
	heap->count++;
}

/* Joins siblings by pairs from the left, the pairs from the right. */
static struct bm_item *join_all(struct bm_item *siblings)
{
	struct bm_item *pairs = NULL;
	struct bm_item *root = NULL;

	while (siblings != NULL) {
		struct bm_item *a = siblings;
		struct bm_item *b = a->next;
		siblings = b == NULL ? NULL : b->next;
		a->next = NULL;
		if (b != NULL)
			b->next = NULL;
		struct bm_item *pair = join(a, b);
		pair->next = pairs;
		pairs = pair;
	}
	while (pairs != NULL) {
		struct bm_item *pair = pairs;
		pairs = pair->next;
		pair->next = NULL;
		root = join(root, pair);
	}
	return root;
}

struct bm_item *bm_item_heap_take(struct bm_item_heap *heap)
{
	struct bm_item *item = heap->first;

	if (item == NULL)
		return NULL;
	heap->first = join_all(item->child);
	heap->count--;
	item->child = NULL;
	item->next = NULL;
	return item;
}
