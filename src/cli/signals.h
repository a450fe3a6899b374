/* SPDX-License-Identifier: MIT */
/*
 * SIGINT, SIGTERM and SIGHUP as calls of a function. The signals are blocked and a thread of its own waits for
 * them, so that no state has to be shared with a handler.
 */
#ifndef BM_CLI_SIGNALS_H
#define BM_CLI_SIGNALS_H

#include <pthread.h>
#include <signal.h>
#include <stdbool.h>

typedef void signals_fn(void *user);

struct signals {
	pthread_t thread;
	sigset_t set;
	signals_fn *fn;
	void *user;
	bool running;
};

/* Calls fn, in another thread, at each of them from now on. False when that cannot be had. */
bool signals_start(struct signals *signals, signals_fn *fn, void *user);
void signals_stop(struct signals *signals);

#endif
