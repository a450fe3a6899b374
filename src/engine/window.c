/* SPDX-License-Identifier: MIT */
#include "engine/window.h"

#define SPAN_US 1000000 /* what is in flight should be answered within so long */
#define SMOOTHING 8
#define FIRST 2 /* transactions before anything is known */
#define COUNTS_MAX 1024

void bm_window_init(struct bm_window *window, uint64_t gap_us)
{
	*window = (struct bm_window){.gap_us = gap_us};
}

void bm_window_begin(struct bm_window *window, uint64_t now_ms)
{
	window->since_ms = now_ms;
}

void bm_window_completed(struct bm_window *window, uint64_t now_ms)
{
	uint64_t elapsed_us = (now_ms - window->since_ms) * 1000;

	if (window->gap_us == 0 && window->completed == 0)
		window->gap_us = elapsed_us;
	else
		window->gap_us = (window->gap_us * (SMOOTHING - 1) + elapsed_us) / SMOOTHING;
	window->since_ms = now_ms;
	window->completed++;
}

size_t bm_window_size(const struct bm_window *window)
{
	uint64_t learned = FIRST + 2 * window->completed;
	uint64_t most = window->gap_us == 0 ? learned : 1 + SPAN_US / window->gap_us;

	return (size_t)(most < learned ? most : learned);
}

static void fade(uint64_t *a, uint64_t *b)
{
	*a /= 2;
	*b /= 2;
}

void bm_odds_add(struct bm_odds *odds, uint64_t errors, uint64_t recipients, uint64_t refused)
{
	odds->transactions++;
	odds->errors += errors;
	odds->recipients += recipients;
	odds->refused += refused;
	if (odds->transactions > COUNTS_MAX)
		fade(&odds->transactions, &odds->errors);
	if (odds->recipients > COUNTS_MAX)
		fade(&odds->recipients, &odds->refused);
}

/* One transaction is expected to bring (errors + 2) / (transactions + 3). */
size_t bm_odds_in_flight(const struct bm_odds *odds, uint64_t left)
{
	uint64_t most = left * (odds->transactions + 3) / (odds->errors + 2);
	return most == 0 ? 1 : (size_t)most;
}

/* One RCPT is refused with a probability of (refused + 1) / (recipients + 2). */
size_t bm_odds_recipients(const struct bm_odds *odds, uint64_t left, size_t count)
{
	uint64_t seen = odds->recipients + 2;
	uint64_t refused = odds->refused + 1;

	if (count * refused * 4 <= left * seen)
		return 0;
	uint64_t most = left * seen / refused;
	if (most >= count)
		return 0;
	return most == 0 ? 1 : (size_t)most;
}
