/* SPDX-License-Identifier: MIT */
#include "store/journal_memory.h"

#include "base/error.h"

#include <stdlib.h>
#include <string.h>

#define PER_WORD 32
#define WORDS_FIRST 64

/* States of the recipients base … base + 32 × count - 1, two bits each. */
struct memory {
	struct bm_journal journal;
	uint64_t *words;
	size_t capacity;
	size_t first;     /* words before it are done with */
	size_t end;       /* words behind the last */
	uint64_t base;    /* recipient of the word at first; a multiple of 32 */
	uint64_t claimed; /* the first that is beyond all windows */
};

static struct memory *memory_of(struct bm_journal *journal)
{
	return (struct memory *)journal;
}

static unsigned shift_of(uint64_t seq)
{
	return (unsigned)(seq % PER_WORD) * 2;
}

/* What is before the window is done with. */
static enum bm_journal_state state_of(const struct memory *memory, uint64_t seq)
{
	if (seq < memory->base)
		return BM_JOURNAL_SETTLED;
	uint64_t word = (seq - memory->base) / PER_WORD;
	if (word >= memory->end - memory->first)
		return BM_JOURNAL_UNCLAIMED;
	return (enum bm_journal_state)((memory->words[memory->first + word] >> shift_of(seq)) & 3);
}

static void set_state(struct memory *memory, uint64_t seq, enum bm_journal_state state)
{
	uint64_t *word = &memory->words[memory->first + (seq - memory->base) / PER_WORD];
	*word = (*word & ~((uint64_t)3 << shift_of(seq))) | ((uint64_t)state << shift_of(seq));
}

static enum bm_code out_of_order(struct bm_error *err, const char *what, uint64_t seq)
{
	return bm_error_set(err, BM_E_USAGE, "", "journal: %s of record %llu", what, (unsigned long long)seq);
}

/* Room for words more; what is done with goes first. */
static enum bm_code reserve(struct memory *memory, size_t more)
{
	if (memory->end + more <= memory->capacity)
		return BM_OK;
	size_t used = memory->end - memory->first;
	if (memory->first >= memory->capacity / 2 && used + more <= memory->capacity) {
		memmove(memory->words, memory->words + memory->first, used * sizeof *memory->words);
		memory->first = 0;
		memory->end = used;
		return BM_OK;
	}
	size_t capacity = memory->capacity == 0 ? WORDS_FIRST : memory->capacity * 2;
	while (capacity < used + more)
		capacity *= 2;
	uint64_t *words = malloc(capacity * sizeof *words);
	if (words == NULL)
		return BM_E_NOMEM;
	if (used > 0)
		memcpy(words, memory->words + memory->first, used * sizeof *words);
	free(memory->words);
	memory->words = words;
	memory->capacity = capacity;
	memory->first = 0;
	memory->end = used;
	return BM_OK;
}

/* Words up to the one that seq is in. */
static enum bm_code extend(struct memory *memory, uint64_t seq)
{
	size_t used = memory->end - memory->first;
	if (used == 0)
		memory->base = memory->claimed - memory->claimed % PER_WORD;
	size_t wanted = (size_t)((seq - memory->base) / PER_WORD) + 1;

	if (wanted <= used)
		return BM_OK;
	if (reserve(memory, wanted - used) != BM_OK)
		return BM_E_NOMEM;
	memset(memory->words + memory->end, 0, (wanted - used) * sizeof *memory->words);
	memory->end += wanted - used;
	return BM_OK;
}

/* Every recipient of the word is settled, or was never claimed and lies before one that was. */
static bool is_done_with(const struct memory *memory, uint64_t word)
{
	uint64_t claimed_or_intended = ((word >> 1) ^ word) & 0x5555555555555555u;
	return claimed_or_intended == 0 && memory->base + PER_WORD <= memory->claimed;
}

static void slide(struct memory *memory)
{
	while (memory->first < memory->end && is_done_with(memory, memory->words[memory->first])) {
		memory->first++;
		memory->base += PER_WORD;
	}
}

static enum bm_code claim(struct bm_journal *journal, uint64_t first_seq, uint64_t count, struct bm_error *err)
{
	struct memory *memory = memory_of(journal);

	if (count == 0 || first_seq < memory->claimed)
		return out_of_order(err, "a second claim", first_seq);
	/* A gap before it belongs to nobody. */
	memory->claimed = first_seq;
	slide(memory);
	if (extend(memory, first_seq + count - 1) != BM_OK)
		return bm_error_nomem(err);
	for (uint64_t seq = first_seq; seq < first_seq + count; seq++)
		set_state(memory, seq, BM_JOURNAL_CLAIMED);
	memory->claimed = first_seq + count;
	return BM_OK;
}

static enum bm_code intend(struct bm_journal *journal, const uint64_t *seqs, size_t count, struct bm_error *err)
{
	struct memory *memory = memory_of(journal);

	for (size_t i = 0; i < count; i++) {
		if (state_of(memory, seqs[i]) != BM_JOURNAL_CLAIMED)
			return out_of_order(err, "an intent out of order", seqs[i]);
		set_state(memory, seqs[i], BM_JOURNAL_INTENDED);
	}
	return BM_OK;
}

static enum bm_code retract(struct bm_journal *journal, uint64_t seq, struct bm_error *err)
{
	struct memory *memory = memory_of(journal);

	if (state_of(memory, seq) != BM_JOURNAL_INTENDED)
		return out_of_order(err, "a retraction without an intent", seq);
	set_state(memory, seq, BM_JOURNAL_CLAIMED);
	return BM_OK;
}

static enum bm_code settle(struct bm_journal *journal, uint64_t seq, enum bm_outcome_kind kind, struct bm_error *err)
{
	struct memory *memory = memory_of(journal);
	enum bm_journal_state state = state_of(memory, seq);
	bool sent = kind == BM_OUTCOME_ACCEPTED || kind == BM_OUTCOME_IN_DOUBT;

	if (state == BM_JOURNAL_UNCLAIMED || state == BM_JOURNAL_SETTLED)
		return out_of_order(err, "an outcome out of order", seq);
	if (sent && state != BM_JOURNAL_INTENDED)
		return out_of_order(err, "an outcome without an intent", seq);
	set_state(memory, seq, BM_JOURNAL_SETTLED);
	slide(memory);
	return BM_OK;
}

static enum bm_code commit(struct bm_journal *journal, struct bm_error *err)
{
	(void)journal;
	(void)err;
	return BM_OK;
}

static void free_memory(struct bm_journal *journal)
{
	struct memory *memory = memory_of(journal);
	free(memory->words);
	free(memory);
}

static const struct bm_journal_ops memory_ops = {claim, intend, retract, settle, commit, free_memory};

enum bm_code bm_journal_memory_new(struct bm_journal **out, struct bm_error *err)
{
	struct memory *memory = calloc(1, sizeof *memory);

	*out = NULL;
	if (memory == NULL)
		return bm_error_nomem(err);
	memory->journal.ops = &memory_ops;
	*out = &memory->journal;
	return BM_OK;
}

enum bm_journal_state bm_journal_memory_state(const struct bm_journal *journal, uint64_t seq)
{
	return state_of((const struct memory *)journal, seq);
}

size_t bm_journal_memory_bytes(const struct bm_journal *journal)
{
	const struct memory *memory = (const struct memory *)journal;
	return sizeof *memory + memory->capacity * sizeof *memory->words;
}
