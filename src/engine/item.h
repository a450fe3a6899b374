/* SPDX-License-Identifier: MIT */
/* One recipient on its way: its record, its address and what was last said about it. One allocation each. */
#ifndef BM_ENGINE_ITEM_H
#define BM_ENGINE_ITEM_H

#include "base/span.h"
#include "bulkmail/errors.h"
#include "bulkmail/recipients.h"
#include "mail/address.h"

#include <stdint.h>

#define BM_ITEM_TEXT_MAX 200

/* The last answer about a recipient. */
struct bm_answer {
	int code; /* 0: none */
	char enhanced[12];
	char text[BM_ITEM_TEXT_MAX];
	size_t server; /* 1-based; 0: it reached none */
};

struct bm_item {
	struct bm_item *next;
	uint64_t seq;
	uint64_t due_ms;   /* not before, when it waits for another try */
	uint64_t delay_ms; /* the last wait, 0 = none yet */
	unsigned attempts; /* transactions that named it and got an answer */
	unsigned put_backs;
	struct bm_answer answer;
	struct bm_span *values; /* for the message's slots, what they point to behind them; NULL: none */
	size_t value_count;
	size_t record_size;
	size_t mailbox_size;
	size_t domain;        /* offset in the mailbox */
	unsigned char data[]; /* record, then mailbox */
};

enum bm_code bm_item_new(
	struct bm_item **out, const struct bm_record *record, const struct bm_address *address) BM_MUST_CHECK;
void bm_item_free(struct bm_item *item);

/* Copies values. */
enum bm_code bm_item_set_values(struct bm_item *item, const struct bm_span *values, size_t count) BM_MUST_CHECK;

struct bm_span bm_item_record(const struct bm_item *item);
struct bm_span bm_item_mailbox(const struct bm_item *item);
struct bm_span bm_item_domain(const struct bm_item *item);

/* First in, first out; not owning. */
struct bm_item_list {
	struct bm_item *first;
	struct bm_item *last;
	size_t count;
};

void bm_item_list_append(struct bm_item_list *list, struct bm_item *item);
struct bm_item *bm_item_list_take(struct bm_item_list *list); /* NULL when empty */

/* Puts all of other before the first of list; other is empty then. */
void bm_item_list_prepend(struct bm_item_list *list, struct bm_item_list *other);

/* Items by due_ms, then seq: a binary heap; not owning. */
struct bm_item_heap {
	struct bm_item **items;
	size_t count;
	size_t capacity;
};

/* All its memory is taken here, so that adding cannot fail for want of it. */
enum bm_code bm_item_heap_init(struct bm_item_heap *heap, size_t capacity) BM_MUST_CHECK;
void bm_item_heap_deinit(struct bm_item_heap *heap);
void bm_item_heap_add(struct bm_item_heap *heap, struct bm_item *item); /* not when full */
struct bm_item *bm_item_heap_first(const struct bm_item_heap *heap);    /* NULL when empty */
struct bm_item *bm_item_heap_take(struct bm_item_heap *heap);           /* NULL when empty */

#endif
