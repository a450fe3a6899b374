/* SPDX-License-Identifier: MIT */
/* What a command prints, without waiting: passwords and tokens come from such. */
#ifndef BM_NET_COMMAND_H
#define BM_NET_COMMAND_H

#include "base/secret.h"
#include "bulkmail/errors.h"
#include "net/loop.h"

/* So much of its output is taken, and so long it may run. */
#define BM_COMMAND_OUTPUT_MAX 65536
#define BM_COMMAND_TIMEOUT_MS 30000

struct bm_command;

/*
 * Called once, from bm_loop_wait; the command is gone then. secret: the first line that it printed, without its line
 * end, the receiver's. NULL: err says why (BM_E_AUTH: it failed, with its status; printed nothing, too much; took too
 * long; the text never holds what it printed).
 */
typedef void bm_command_fn(void *user, struct bm_secret *secret, const struct bm_error *err);

/*
 * Runs "/bin/sh -c command" in a session of its own, with standard input from /dev/null and standard error as it is.
 * BM_E_IO: it cannot be run.
 */
enum bm_code bm_command_start(struct bm_command **out, struct bm_loop *loop, const char *command, bm_command_fn *fn,
	void *user, struct bm_error *err) BM_MUST_CHECK;

/* The same for the command text, with another time-out. */
enum bm_code bm_command_start_within(struct bm_command **out, struct bm_loop *loop, const char *text,
	uint64_t timeout_ms, bm_command_fn *fn, void *user, struct bm_error *err) BM_MUST_CHECK;

/* Ends it and all processes of its group, fn is not called; before bm_loop_free. NULL is fine. */
void bm_command_cancel(struct bm_command *command);

/* The same, waiting for it. */
enum bm_code bm_command_run(struct bm_secret **out, const char *command, struct bm_error *err) BM_MUST_CHECK;

#endif
