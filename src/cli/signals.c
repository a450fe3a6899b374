/* SPDX-License-Identifier: MIT */
#include "cli/signals.h"

/* Ends the thread itself. */
#define SIGNAL_END SIGUSR1

static void *wait_for_signals(void *argument)
{
	struct signals *signals = argument;
	int number = 0;

	while (sigwait(&signals->set, &number) == 0 && number != SIGNAL_END)
		signals->fn(signals->user);
	return NULL;
}

bool signals_start(struct signals *signals, signals_fn *fn, void *user)
{
	signals->fn = fn;
	signals->user = user;
	sigemptyset(&signals->set);
	sigaddset(&signals->set, SIGINT);
	sigaddset(&signals->set, SIGTERM);
	sigaddset(&signals->set, SIGHUP);
	sigaddset(&signals->set, SIGNAL_END);
	signals->running = pthread_sigmask(SIG_BLOCK, &signals->set, NULL) == 0 &&
					   pthread_create(&signals->thread, NULL, wait_for_signals, signals) == 0;
	return signals->running;
}

void signals_stop(struct signals *signals)
{
	if (!signals->running)
		return;
	pthread_kill(signals->thread, SIGNAL_END);
	pthread_join(signals->thread, NULL);
	signals->running = false;
}
