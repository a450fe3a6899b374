/* SPDX-License-Identifier: MIT */
#include "net/wait.h"

#include "net/clock.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <stddef.h>

/* Milliseconds for poll: a deadline farther away than it can tell is waited for in pieces. */
static int poll_ms(uint64_t deadline_ms)
{
	uint64_t now = bm_clock_monotonic_ms();
	if (deadline_ms <= now)
		return 0;
	return deadline_ms - now > INT_MAX ? INT_MAX : (int)(deadline_ms - now);
}

enum bm_wait bm_wait(int fd, short events, uint64_t deadline_ms, const struct bm_waker *waker)
{
	struct pollfd polled[] = {
		{.fd = waker != NULL ? bm_waker_fd(waker) : -1, .events = POLLIN}, {.fd = fd, .events = events}};
	for (;;) {
		int timeout = poll_ms(deadline_ms);
		int ready = poll(polled, 2, timeout);
		if (ready < 0 && errno != EINTR)
			return BM_WAIT_FAILED;
		if (ready > 0)
			return polled[0].revents != 0 ? BM_WAIT_WOKEN : BM_WAIT_READY;
		if (timeout == 0)
			return BM_WAIT_EXPIRED;
	}
}
