/* SPDX-License-Identifier: MIT */
/* The progress line: rewritten in place on a terminal, one plain line every few seconds elsewhere. */
#ifndef BM_CLI_PROGRESS_H
#define BM_CLI_PROGRESS_H

#include "bulkmail/campaign.h"

#include <stdbool.h>

struct progress {
	bool terminal;
	bool shown; /* a line stands on the terminal */
};

void progress_init(struct progress *progress);

/* How often it wants to be called. */
uint64_t progress_interval_ms(const struct progress *progress);

/* A bm_progress_fn; user is the struct progress. */
void progress_show(void *user, const struct bm_progress *now);

/* Takes the line off the terminal. */
void progress_clear(struct progress *progress);

#endif
