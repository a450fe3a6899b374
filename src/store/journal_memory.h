/* SPDX-License-Identifier: MIT */
/*
 * A journal in memory: two bits a recipient, in a window that slides over the list with the first that is not settled.
 * Nothing of it outlives the process.
 */
#ifndef BM_STORE_JOURNAL_MEMORY_H
#define BM_STORE_JOURNAL_MEMORY_H

#include "store/journal.h"

/* What the journal knows of one recipient. */
enum bm_journal_state {
	BM_JOURNAL_UNCLAIMED,
	BM_JOURNAL_CLAIMED,
	BM_JOURNAL_INTENDED,
	BM_JOURNAL_SETTLED,
};

/* The caller frees *out with bm_journal_free. */
enum bm_code bm_journal_memory_new(struct bm_journal **out, struct bm_error *err) BM_MUST_CHECK;

/* Of a journal that bm_journal_memory_new made; for tests. */
enum bm_journal_state bm_journal_memory_state(const struct bm_journal *journal, uint64_t seq);
size_t bm_journal_memory_bytes(const struct bm_journal *journal);

#endif
