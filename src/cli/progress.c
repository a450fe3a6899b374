/* SPDX-License-Identifier: MIT */
#include "cli/progress.h"

#include <inttypes.h>
#include <stdio.h>
#include <unistd.h>

#define TERMINAL_INTERVAL_MS 200
#define PLAIN_INTERVAL_MS 5000

void progress_init(struct progress *progress)
{
	*progress = (struct progress){.terminal = isatty(STDERR_FILENO) == 1};
}

uint64_t progress_interval_ms(const struct progress *progress)
{
	return progress->terminal ? TERMINAL_INTERVAL_MS : PLAIN_INTERVAL_MS;
}

static void print_total(const struct bm_progress *now)
{
	if (now->total == 0)
		fprintf(stderr, "%" PRIu64 " done", now->done);
	else
		fprintf(stderr, "%" PRIu64 " of %s%" PRIu64 " done", now->done, now->total > now->records ? "about " : "",
			now->total);
}

static void print_eta(const struct bm_progress *now)
{
	if (now->total <= now->done || now->rate < 0.01)
		return;
	uint64_t seconds = (uint64_t)((double)(now->total - now->done) / now->rate);
	fprintf(stderr, ", %" PRIu64 ":%02u:%02u left", seconds / 3600, (unsigned)(seconds / 60 % 60),
		(unsigned)(seconds % 60));
}

void progress_show(void *user, const struct bm_progress *now)
{
	struct progress *progress = user;

	fputs(progress->terminal ? "\r\x1b[K" : "bulkmail: ", stderr);
	print_total(now);
	fprintf(stderr, ", %.0f/s", now->rate);
	print_eta(now);
	fprintf(stderr, ", waiting for: %s", now->held_back_by);
	if (!progress->terminal)
		fputc('\n', stderr);
	fflush(stderr);
	progress->shown = progress->terminal;
}

void progress_clear(struct progress *progress)
{
	if (!progress->shown)
		return;
	fputs("\r\x1b[K", stderr);
	fflush(stderr);
	progress->shown = false;
}
