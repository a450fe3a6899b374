/* SPDX-License-Identifier: MIT */
/*
 * One recipient on its way: its record, its address, its values and what was last said about it. One piece of memory
 * each, which a pool keeps for the next.
 */
#ifndef BM_ENGINE_ITEM_H
#define BM_ENGINE_ITEM_H

#include "base/span.h"
#include "bulkmail/errors.h"
#include "bulkmail/recipients.h"
#include "mail/address.h"

#include <stdint.h>

#define BM_ITEM_TEXT_MAX 200

/* Sizes of items that a pool keeps, in octets beyond the struct: 128, 256 … 16,384. */
#define BM_ITEM_CLASSES 8

/* The last answer about a recipient. */
struct bm_answer {
	int code; /* 0: none */
	char enhanced[12];
	char text[BM_ITEM_TEXT_MAX];
	size_t server; /* 1-based; 0: it reached none */
};

/* What a recipient or its copy asks of a server, as bits. */
enum bm_need {
	BM_NEED_EIGHT_BIT = 1, /* 8BITMIME, for a copy that has no 7-bit form */
	BM_NEED_UTF8 = 2,      /* SMTPUTF8 */
	BM_NEED_ROOM = 4,      /* SIZE: larger than a server took */
	BM_NEED_TLS = 8,       /* REQUIRETLS; of the whole run only */
};

/* Sets of those that one recipient may have. */
#define BM_NEED_SETS 8

/* What becomes of an item when its transaction is over. */
enum bm_fate {
	BM_FATE_OPEN,     /* not known yet */
	BM_FATE_SETTLED,  /* has its outcome */
	BM_FATE_READY,    /* goes at once */
	BM_FATE_PUT_BACK, /* likewise, and may be to blame */
	BM_FATE_WAITS,
};

struct bm_item {
	struct bm_item *next;
	struct bm_item *child; /* in a heap */
	uint64_t seq;
	uint64_t due_ms;   /* not before, when it waits for another try */
	uint64_t delay_ms; /* the last wait, 0 = none yet */
	uint64_t key[2];   /* of its copy of the message */
	unsigned attempts; /* transactions that named it and got an answer */
	unsigned put_backs;
	enum bm_fate fate;
	unsigned size_class;
	unsigned needs;      /* enum bm_need */
	uint64_t size_bytes; /* of its copy, with BM_NEED_ROOM */
	bool relayed;        /* as struct bm_outcome has it */
	struct bm_answer answer;
	size_t record_size;
	size_t mailbox_size;
	size_t domain;           /* offset in the mailbox */
	struct bm_span original; /* as struct bm_address has them, in this item's record */
	struct bm_span display;
	size_t value_count;
	struct bm_span values[]; /* and behind them: record, mailbox, octets of the values */
};

/* Items that are in use nowhere, by size. All octets 0: empty. */
struct bm_item_pool {
	struct bm_item *free[BM_ITEM_CLASSES];
};

void bm_item_pool_deinit(struct bm_item_pool *pool);

/* The texts are copied. */
enum bm_code bm_item_new(struct bm_item_pool *pool, struct bm_item **out, const struct bm_record *record,
	const struct bm_address *address, const struct bm_span *values, size_t value_count) BM_MUST_CHECK;
void bm_item_free(struct bm_item_pool *pool, struct bm_item *item);

struct bm_span bm_item_record(const struct bm_item *item);
struct bm_span bm_item_mailbox(const struct bm_item *item);
struct bm_span bm_item_domain(const struct bm_item *item);

/* The address that it was made of; its spans lie in the item. */
void bm_item_address(const struct bm_item *item, struct bm_address *address);

/* First in, first out; not owning. */
struct bm_item_list {
	struct bm_item *first;
	struct bm_item *last;
	size_t count;
};

void bm_item_list_append(struct bm_item_list *list, struct bm_item *item);
void bm_item_list_prepend(struct bm_item_list *list, struct bm_item *item);
struct bm_item *bm_item_list_take(struct bm_item_list *list); /* NULL when empty */

/* Puts one into a list that ascends by seq, where it belongs. Quick when that is near the front. */
void bm_item_list_insert(struct bm_item_list *list, struct bm_item *item);

/* Both ascend by seq: all of other goes where it belongs; other is empty then. */
void bm_item_list_merge(struct bm_item_list *list, struct bm_item_list *other);

/* Items by due_ms, then seq: a pairing heap over the items themselves, so that adding cannot fail; not owning. */
struct bm_item_heap {
	struct bm_item *first; /* NULL when empty */
	size_t count;
};

void bm_item_heap_add(struct bm_item_heap *heap, struct bm_item *item);
struct bm_item *bm_item_heap_take(struct bm_item_heap *heap); /* NULL when empty */

#endif
