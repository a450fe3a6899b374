/* SPDX-License-Identifier: MIT */
/* Envelopes: a pool of them, and queues. */
#include "engine/parts.h"

#include <stdlib.h>

#define CAPACITY_FIRST 4

struct bm_run_envelope *bm_envelope_fetch(struct bm_run *run)
{
	struct bm_run_envelope *envelope = run->pool;

	if (envelope != NULL) {
		run->pool = envelope->next;
	} else {
		envelope = calloc(1, sizeof *envelope);
		if (envelope == NULL)
			return NULL;
		bm_render_init(&envelope->render);
	}
	envelope->next = NULL;
	envelope->id = run->next_id++;
	envelope->count = 0;
	envelope->refunds = 0;
	envelope->answered = 0;
	envelope->refused = 0;
	envelope->refusals_max = 0;
	envelope->first_crowded = SIZE_MAX;
	envelope->accepted = false;
	envelope->broken = false;
	envelope->stumbled = false;
	envelope->relay_fault = false;
	return envelope;
}

/* The array stays where it was when there is no memory. */
static bool grow(void **array, size_t capacity, size_t size)
{
	void *grown = realloc(*array, capacity * size);
	if (grown != NULL)
		*array = grown;
	return grown != NULL;
}

enum bm_code bm_envelope_reserve(struct bm_run_envelope *envelope)
{
	if (envelope->count < envelope->capacity)
		return BM_OK;
	size_t capacity = envelope->capacity == 0 ? CAPACITY_FIRST : envelope->capacity * 2;
	void *items = envelope->items;
	void *mailboxes = envelope->mailboxes;
	void *seqs = envelope->seqs;
	bool grown = grow(&items, capacity, sizeof(struct bm_item *)) &&
				 grow(&mailboxes, capacity, sizeof *envelope->mailboxes) &&
				 grow(&seqs, capacity, sizeof *envelope->seqs);
	envelope->items = items;
	envelope->mailboxes = mailboxes;
	envelope->seqs = seqs;
	if (!grown)
		return BM_E_NOMEM;
	envelope->capacity = capacity;
	return BM_OK;
}

void bm_envelope_return(struct bm_run *run, struct bm_run_envelope *envelope)
{
	envelope->next = run->pool;
	run->pool = envelope;
}

void bm_envelope_pool_deinit(struct bm_run *run)
{
	while (run->pool != NULL) {
		struct bm_run_envelope *envelope = run->pool;
		run->pool = envelope->next;
		bm_render_deinit(&envelope->render);
		free(envelope->items);
		free(envelope->mailboxes);
		free(envelope->seqs);
		free(envelope);
	}
}

void bm_queue_append(struct bm_run_queue *queue, struct bm_run_envelope *envelope)
{
	envelope->next = NULL;
	if (queue->last == NULL)
		queue->first = envelope;
	else
		queue->last->next = envelope;
	queue->last = envelope;
	queue->envelopes++;
	queue->recipients += envelope->count;
}

struct bm_run_envelope *bm_queue_take(struct bm_run_queue *queue)
{
	struct bm_run_envelope *envelope = queue->first;

	if (envelope != NULL)
		bm_queue_remove(queue, envelope);
	return envelope;
}

struct bm_run_envelope *bm_queue_find(const struct bm_run_queue *queue, uint64_t id)
{
	struct bm_run_envelope *envelope = queue->first;
	while (envelope != NULL && envelope->id != id)
		envelope = envelope->next;
	return envelope;
}

void bm_queue_remove(struct bm_run_queue *queue, struct bm_run_envelope *envelope)
{
	struct bm_run_envelope *previous = NULL;

	for (struct bm_run_envelope *at = queue->first; at != envelope; at = at->next)
		previous = at;
	if (previous == NULL)
		queue->first = envelope->next;
	else
		previous->next = envelope->next;
	if (queue->last == envelope)
		queue->last = previous;
	queue->envelopes--;
	queue->recipients -= envelope->count;
}

void bm_run_unpack(struct bm_run *run, size_t server, struct bm_run_envelope *envelope)
{
	for (size_t i = 0; i < envelope->count; i++)
		bm_run_ready_insert(run, envelope->items[i]);
	bm_policy_refund(bm_run_policy(run, server), envelope->count);
	bm_envelope_return(run, envelope);
}
