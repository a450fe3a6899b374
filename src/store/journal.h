/* SPDX-License-Identifier: MIT */
/*
 * What a campaign writes down of each recipient, as an interface. The order: claim, then for each attempt intend and
 * either retract or settle; settle once. Whatever breaks it is BM_E_USAGE.
 */
#ifndef BM_STORE_JOURNAL_H
#define BM_STORE_JOURNAL_H

#include "bulkmail/campaign.h"
#include "bulkmail/errors.h"

#include <stddef.h>
#include <stdint.h>

struct bm_journal;

struct bm_journal_ops {
	/*
	 * Recipients first_seq … first_seq+count-1 are ours to send from now on. Called before any of them is assembled;
	 * windows ascend and do not overlap.
	 */
	enum bm_code (*claim)(struct bm_journal *journal, uint64_t first_seq, uint64_t count, struct bm_error *err);
	/* An end of data for these is about to be handed to a connection. Takes effect with the next commit. */
	enum bm_code (*intend)(struct bm_journal *journal, const uint64_t *seqs, size_t count, struct bm_error *err);
	/*
	 * The intent came to nothing: no end of data left (refused, deferred, put back); the recipient may be sent
	 * again.
	 */
	enum bm_code (*retract)(struct bm_journal *journal, uint64_t seq, struct bm_error *err);
	/* The final outcome. Takes effect with the next commit. */
	enum bm_code (*settle)(struct bm_journal *journal, uint64_t seq, enum bm_outcome_kind kind, struct bm_error *err);
	/* All that was told so far is durable when it returns. Once a round, before anything is written to a connection. */
	enum bm_code (*commit)(struct bm_journal *journal, struct bm_error *err);
	void (*free)(struct bm_journal *journal);
};

struct bm_journal {
	const struct bm_journal_ops *ops;
};

BM_MUST_CHECK static inline enum bm_code bm_journal_claim(
	struct bm_journal *journal, uint64_t first_seq, uint64_t count, struct bm_error *err)
{
	return journal->ops->claim(journal, first_seq, count, err);
}

BM_MUST_CHECK static inline enum bm_code bm_journal_intend(
	struct bm_journal *journal, const uint64_t *seqs, size_t count, struct bm_error *err)
{
	return journal->ops->intend(journal, seqs, count, err);
}

BM_MUST_CHECK static inline enum bm_code bm_journal_retract(
	struct bm_journal *journal, uint64_t seq, struct bm_error *err)
{
	return journal->ops->retract(journal, seq, err);
}

BM_MUST_CHECK static inline enum bm_code bm_journal_settle(
	struct bm_journal *journal, uint64_t seq, enum bm_outcome_kind kind, struct bm_error *err)
{
	return journal->ops->settle(journal, seq, kind, err);
}

BM_MUST_CHECK static inline enum bm_code bm_journal_commit(struct bm_journal *journal, struct bm_error *err)
{
	return journal->ops->commit(journal, err);
}

/* NULL is fine. */
static inline void bm_journal_free(struct bm_journal *journal)
{
	if (journal != NULL)
		journal->ops->free(journal);
}

#endif
