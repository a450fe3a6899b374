/* SPDX-License-Identifier: MIT */
#include "net/waker.h"

#include "base/error.h"
#include "net/wait.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

struct bm_waker {
	int fd;
	atomic_uint count;
};

enum bm_code bm_waker_new(struct bm_waker **out, struct bm_error *err)
{
	*out = NULL;
	struct bm_waker *waker = calloc(1, sizeof *waker);
	if (waker == NULL)
		return bm_error_nomem(err);
	waker->fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	if (waker->fd < 0) {
		int saved = errno;
		free(waker);
		return bm_error_set_errno(err, BM_E_IO, "", saved, "no descriptor to wake with");
	}
	atomic_init(&waker->count, 0);
	*out = waker;
	return BM_OK;
}

void bm_waker_free(struct bm_waker *waker)
{
	if (waker == NULL)
		return;
	close(waker->fd);
	free(waker);
}

void bm_waker_wake(struct bm_waker *waker)
{
	int saved = errno; /* a signal handler must not change it */
	uint64_t one = 1;
	atomic_fetch_add(&waker->count, 1);
	ssize_t written = write(waker->fd, &one, sizeof one);
	(void)written; /* it only fails when the descriptor is readable already */
	errno = saved;
}

unsigned bm_waker_count(const struct bm_waker *waker)
{
	return atomic_load(&waker->count);
}

int bm_waker_fd(const struct bm_waker *waker)
{
	return waker->fd;
}

void bm_waker_clear(struct bm_waker *waker)
{
	uint64_t wakes = 0;
	ssize_t got = read(waker->fd, &wakes, sizeof wakes);
	(void)got; /* nothing to clear is fine */
}

void bm_waker_sleep(struct bm_waker *waker, uint64_t deadline_ms)
{
	if (bm_wait(-1, 0, deadline_ms, waker) == BM_WAIT_WOKEN)
		bm_waker_clear(waker);
}
