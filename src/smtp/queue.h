/* SPDX-License-Identifier: MIT */
/*
 * Events that wait to be fetched, with copies of what they say. The machine's closing events are not
 * in it: they need no memory, so that they can always be told.
 */
#ifndef BM_SMTP_QUEUE_H
#define BM_SMTP_QUEUE_H

#include "base/buf.h"
#include "smtp/smtp.h"

struct bm_queue_record;

struct bm_queue {
	struct bm_queue_record *records;
	size_t first;
	size_t count;
	size_t capacity;
	struct bm_buf text;
};

void bm_queue_init(struct bm_queue *queue);
void bm_queue_deinit(struct bm_queue *queue);

/*
 * number: of the transaction it is about, for bm_queue_front; 0 when it is about none. Copies the event and the octets
 * of its said and reply. BM_E_NOMEM leaves the queue as it was. Events made of one reply share its copy when they are
 * pushed one after the other.
 */
enum bm_code bm_queue_push(struct bm_queue *queue, const struct bm_smtp_event *event, uint64_t number) BM_MUST_CHECK;

/* The number of the oldest event, 0 when there is none. */
uint64_t bm_queue_front(const struct bm_queue *queue);

/* False when it is empty. Spans are valid until the next call. */
bool bm_queue_pop(struct bm_queue *queue, struct bm_smtp_event *event);

#endif
