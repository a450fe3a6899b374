/* SPDX-License-Identifier: MIT */
#include "cli/progress.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#define TERMINAL_INTERVAL_MS 200
#define PLAIN_INTERVAL_MS 5000
#define LINE_SIZE 512

void progress_init(struct progress *progress)
{
	*progress = (struct progress){.terminal = isatty(STDERR_FILENO) == 1};
}

uint64_t progress_interval_ms(const struct progress *progress)
{
	return progress->terminal ? TERMINAL_INTERVAL_MS : PLAIN_INTERVAL_MS;
}

struct line {
	char text[LINE_SIZE];
};

static void add(struct line *line, const char *fmt, ...) BM_PRINTF(2, 3);
static void add(struct line *line, const char *fmt, ...)
{
	size_t used = strlen(line->text);
	va_list args;

	va_start(args, fmt);
	vsnprintf(line->text + used, sizeof line->text - used, fmt, args);
	va_end(args);
}

static void add_total(struct line *line, const struct bm_progress *now)
{
	if (now->total == 0)
		add(line, "%" PRIu64 " done", now->done);
	else
		add(line, "%" PRIu64 " of %s%" PRIu64 " done", now->done, now->total > now->records ? "about " : "",
			now->total);
}

static void add_eta(struct line *line, const struct bm_progress *now)
{
	if (now->total <= now->done || now->rate < 0.01)
		return;
	uint64_t seconds = (uint64_t)((double)(now->total - now->done) / now->rate);
	add(line, ", %" PRIu64 ":%02u:%02u left", seconds / 3600, (unsigned)(seconds / 60 % 60), (unsigned)(seconds % 60));
}

/* A line that the terminal wraps could not be taken back; without a known width it is left whole. */
static int fitting(const struct line *line)
{
	struct winsize window = {0};
	int size = (int)strlen(line->text);

	if (ioctl(STDERR_FILENO, TIOCGWINSZ, &window) != 0 || window.ws_col == 0)
		return size;
	return size < window.ws_col ? size : window.ws_col - 1;
}

void progress_show(void *user, const struct bm_progress *now)
{
	struct progress *progress = user;
	struct line line = {""};

	add_total(&line, now);
	add(&line, ", %.0f/s", now->rate);
	add_eta(&line, now);
	add(&line, ", waiting for: %s", now->held_back_by);
	if (progress->terminal)
		fprintf(stderr, "\r\x1b[K%.*s", fitting(&line), line.text);
	else
		fprintf(stderr, "bulkmail: %s\n", line.text);
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
