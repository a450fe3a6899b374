/* SPDX-License-Identifier: MIT */
#include "../unit.h"
#include "store/journal_memory.h"

#include "bulkmail/errors.h"

static struct bm_journal *new_journal(void)
{
	struct bm_journal *journal = NULL;
	assert_int_equal(bm_journal_memory_new(&journal, NULL), BM_OK);
	return journal;
}

static void intend(struct bm_journal *journal, uint64_t seq)
{
	assert_int_equal(bm_journal_intend(journal, &seq, 1, NULL), BM_OK);
}

static void a_recipient_goes_through_its_states(void **state)
{
	(void)state;
	struct bm_journal *journal = new_journal();
	assert_int_equal(bm_journal_memory_state(journal, 5), BM_JOURNAL_UNCLAIMED);
	assert_int_equal(bm_journal_claim(journal, 1, 10, NULL), BM_OK);
	assert_int_equal(bm_journal_memory_state(journal, 5), BM_JOURNAL_CLAIMED);
	assert_int_equal(bm_journal_memory_state(journal, 11), BM_JOURNAL_UNCLAIMED);
	intend(journal, 5);
	assert_int_equal(bm_journal_memory_state(journal, 5), BM_JOURNAL_INTENDED);
	assert_int_equal(bm_journal_retract(journal, 5, NULL), BM_OK);
	assert_int_equal(bm_journal_memory_state(journal, 5), BM_JOURNAL_CLAIMED);
	intend(journal, 5);
	assert_int_equal(bm_journal_settle(journal, 5, BM_OUTCOME_ACCEPTED, NULL), BM_OK);
	assert_int_equal(bm_journal_memory_state(journal, 5), BM_JOURNAL_SETTLED);
	assert_int_equal(bm_journal_commit(journal, NULL), BM_OK);
	bm_journal_free(journal);
	bm_journal_free(NULL);
}

/* conformance: A45 */
static void calls_out_of_order_are_refused(void **state)
{
	(void)state;
	struct bm_error err = BM_ERROR_INIT;
	struct bm_journal *journal = new_journal();
	uint64_t seq = 3;
	assert_int_equal(bm_journal_intend(journal, &seq, 1, &err), BM_E_USAGE);
	assert_string_equal(err.text, "journal: an intent out of order of record 3");
	assert_int_equal(bm_journal_settle(journal, 3, BM_OUTCOME_INVALID, &err), BM_E_USAGE);
	assert_int_equal(bm_journal_retract(journal, 3, &err), BM_E_USAGE);
	assert_int_equal(bm_journal_claim(journal, 1, 0, &err), BM_E_USAGE);
	assert_int_equal(bm_journal_claim(journal, 1, 4, &err), BM_OK);
	assert_int_equal(bm_journal_claim(journal, 4, 4, &err), BM_E_USAGE);
	assert_int_equal(bm_journal_settle(journal, 3, BM_OUTCOME_ACCEPTED, &err), BM_E_USAGE);
	assert_int_equal(bm_journal_settle(journal, 3, BM_OUTCOME_IN_DOUBT, &err), BM_E_USAGE);
	assert_int_equal(bm_journal_retract(journal, 3, &err), BM_E_USAGE);
	intend(journal, 3);
	assert_int_equal(bm_journal_intend(journal, &seq, 1, &err), BM_E_USAGE);
	assert_int_equal(bm_journal_settle(journal, 3, BM_OUTCOME_REFUSED, &err), BM_OK);
	assert_int_equal(bm_journal_settle(journal, 3, BM_OUTCOME_REFUSED, &err), BM_E_USAGE);
	assert_int_equal(bm_journal_intend(journal, &seq, 1, &err), BM_E_USAGE);
	assert_int_equal(bm_journal_settle(journal, 4, BM_OUTCOME_DUPLICATE, &err), BM_OK);
	bm_journal_free(journal);
}

/* The first that is not settled holds the window; what is behind it is dropped. */
static void memory_is_that_of_the_window(void **state)
{
	(void)state;
	struct bm_journal *journal = new_journal();
	for (uint64_t first = 1; first < 2000000; first += 1000) {
		assert_int_equal(bm_journal_claim(journal, first, 1000, NULL), BM_OK);
		for (uint64_t seq = first; seq < first + 1000; seq++)
			assert_int_equal(bm_journal_settle(journal, seq, BM_OUTCOME_UNSENT, NULL), BM_OK);
	}
	assert_true(bm_journal_memory_bytes(journal) < 2000);
	assert_int_equal(bm_journal_memory_state(journal, 1), BM_JOURNAL_SETTLED);
	bm_journal_free(journal);
	journal = new_journal();
	assert_int_equal(bm_journal_claim(journal, 1, 1000000, NULL), BM_OK);
	for (uint64_t seq = 1000000; seq > 1; seq--)
		assert_int_equal(bm_journal_settle(journal, seq, BM_OUTCOME_UNSENT, NULL), BM_OK);
	assert_in_range(bm_journal_memory_bytes(journal), 250000, 600000);
	intend(journal, 1);
	assert_int_equal(bm_journal_settle(journal, 1, BM_OUTCOME_ACCEPTED, NULL), BM_OK);
	bm_journal_free(journal);
}

static void windows_may_leave_gaps(void **state)
{
	(void)state;
	struct bm_journal *journal = new_journal();
	assert_int_equal(bm_journal_claim(journal, 10, 5, NULL), BM_OK);
	assert_int_equal(bm_journal_claim(journal, 1000, 5, NULL), BM_OK);
	assert_int_equal(bm_journal_memory_state(journal, 500), BM_JOURNAL_UNCLAIMED);
	for (uint64_t seq = 10; seq < 15; seq++)
		assert_int_equal(bm_journal_settle(journal, seq, BM_OUTCOME_INVALID, NULL), BM_OK);
	assert_int_equal(bm_journal_memory_state(journal, 1002), BM_JOURNAL_CLAIMED);
	for (uint64_t seq = 1000; seq < 1005; seq++)
		assert_int_equal(bm_journal_settle(journal, seq, BM_OUTCOME_INVALID, NULL), BM_OK);
	assert_int_equal(bm_journal_claim(journal, 1000000000, 5, NULL), BM_OK);
	assert_int_equal(bm_journal_memory_state(journal, 1000000004), BM_JOURNAL_CLAIMED);
	assert_true(bm_journal_memory_bytes(journal) < 2000);
	bm_journal_free(journal);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_recipient_goes_through_its_states),
		cmocka_unit_test(calls_out_of_order_are_refused),
		cmocka_unit_test(memory_is_that_of_the_window),
		cmocka_unit_test(windows_may_leave_gaps),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
