/* SPDX-License-Identifier: MIT */
#include "smtp/queue.h"

#include <stdlib.h>

#define CAPACITY_MIN 16

/* Where in the text its octets are: the text may move while it grows. */
struct bm_queue_record {
	struct bm_smtp_event event;
	const unsigned char *source; /* where the reply was copied from, only compared */
	size_t said_at;
	size_t reply_at;
	uint64_t number;
};

void bm_queue_init(struct bm_queue *queue)
{
	*queue = (struct bm_queue){.records = NULL};
	bm_buf_init(&queue->text, SIZE_MAX / 2);
}

void bm_queue_deinit(struct bm_queue *queue)
{
	free(queue->records);
	bm_buf_deinit(&queue->text);
	bm_queue_init(queue);
}

static void tidy(struct bm_queue *queue)
{
	if (queue->first < queue->count)
		return;
	queue->first = 0;
	queue->count = 0;
	bm_buf_clear(&queue->text);
}

static enum bm_code reserve(struct bm_queue *queue)
{
	if (queue->count < queue->capacity)
		return BM_OK;
	size_t capacity = queue->capacity == 0 ? CAPACITY_MIN : queue->capacity * 2;
	struct bm_queue_record *records = reallocarray(queue->records, capacity, sizeof *records);
	if (records == NULL)
		return BM_E_NOMEM;
	queue->records = records;
	queue->capacity = capacity;
	return BM_OK;
}

/* The record before it when it holds the very same reply. */
static const struct bm_queue_record *twin(const struct bm_queue *queue, const struct bm_smtp_event *event)
{
	if (queue->count == 0 || event->reply.code == 0)
		return NULL;
	const struct bm_queue_record *last = &queue->records[queue->count - 1];
	bool same = last->event.kind == BM_SMTP_REPLY && last->event.reply.code != 0 &&
				last->source == event->reply.raw.data && last->event.reply.raw.size == event->reply.raw.size;
	return same && event->kind == BM_SMTP_RECIPIENT ? last : NULL;
}

enum bm_code bm_queue_push(struct bm_queue *queue, const struct bm_smtp_event *event, uint64_t number)
{
	tidy(queue);
	enum bm_code code = reserve(queue);
	if (code != BM_OK)
		return code;
	const struct bm_queue_record *shared = twin(queue, event);
	size_t reply_size = shared != NULL ? 0 : event->reply.raw.size;
	if (bm_buf_reserve(&queue->text, event->said.size + reply_size) != BM_OK)
		return BM_E_NOMEM;
	struct bm_queue_record record = {.event = *event, .source = event->reply.raw.data, .said_at = queue->text.size};
	record.number = number;
	record.reply_at = shared != NULL ? shared->reply_at : queue->text.size + event->said.size;
	code = bm_buf_append_span(&queue->text, event->said);
	if (code == BM_OK && reply_size > 0)
		code = bm_buf_append_span(&queue->text, event->reply.raw);
	if (code != BM_OK)
		return code;
	queue->records[queue->count++] = record;
	return BM_OK;
}

uint64_t bm_queue_front(const struct bm_queue *queue)
{
	return queue->first < queue->count ? queue->records[queue->first].number : 0;
}

bool bm_queue_pop(struct bm_queue *queue, struct bm_smtp_event *event)
{
	tidy(queue);
	if (queue->first == queue->count)
		return false;
	const struct bm_queue_record *record = &queue->records[queue->first++];
	*event = record->event;
	if (event->said.size > 0)
		event->said.data = queue->text.data + record->said_at;
	if (event->reply.raw.size > 0)
		event->reply.raw.data = queue->text.data + record->reply_at;
	return true;
}
