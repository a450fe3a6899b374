/* SPDX-License-Identifier: MIT */
/*
 * The outcomes file: one JSON object a line for every record of the list; and the report: one JSON object
 * for the whole campaign. bulkmail(1) describes both.
 */
#ifndef BULKMAIL_OUTCOMES_H
#define BULKMAIL_OUTCOMES_H

#include "bulkmail/campaign.h"
#include "bulkmail/errors.h"

#include <stdbool.h>

#ifdef __cplusplus
extern "C" {
#endif

struct bm_outcomes;

/* Makes the file anew, mode 0600; "-" is standard output. MB702. The caller frees *out. */
BM_API enum bm_code bm_outcomes_open(struct bm_outcomes **out, const char *path, struct bm_error *err) BM_MUST_CHECK;

/* Adds one line, buffered. BM_E_IO (MBO005) when it cannot be written. */
BM_API enum bm_code bm_outcomes_write(
	struct bm_outcomes *outcomes, const struct bm_outcome *outcome, struct bm_error *err) BM_MUST_CHECK;

/* Hands what is buffered to the system. */
BM_API enum bm_code bm_outcomes_flush(struct bm_outcomes *outcomes, struct bm_error *err) BM_MUST_CHECK;

/* Flushes, closes, frees; what a flush cannot write any more is lost, so flush first. NULL is fine. */
BM_API void bm_outcomes_free(struct bm_outcomes *outcomes);

/*
 * Writes the campaign's report to path ("-" is standard output), as a whole or not at all. state is "finished" or
 * why it ended early. MB702, MBO005.
 */
BM_API enum bm_code bm_report_write(
	const struct bm_campaign *campaign, const char *state, const char *path, struct bm_error *err) BM_MUST_CHECK;

#ifdef __cplusplus
}
#endif

#endif
