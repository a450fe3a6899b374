/* SPDX-License-Identifier: MIT */
/*
 * Ends waits from a signal handler or another thread. A waker counts its wakes: callers
 * compare the count with what they last saw.
 */
#ifndef BM_NET_WAKER_H
#define BM_NET_WAKER_H

#include "bulkmail/errors.h"

#include <stdint.h>

struct bm_waker;

enum bm_code bm_waker_new(struct bm_waker **out, struct bm_error *err) BM_MUST_CHECK;
void bm_waker_free(struct bm_waker *waker);

/* One more wake. Safe in a signal handler. */
void bm_waker_wake(struct bm_waker *waker);

/* Wakes so far. */
unsigned bm_waker_count(const struct bm_waker *waker);

/* The descriptor to poll; it becomes readable with a wake and stays so until bm_waker_clear. */
int bm_waker_fd(const struct bm_waker *waker);
void bm_waker_clear(struct bm_waker *waker);

/* Waits until deadline_ms (monotonic) or the next wake, which it clears; a wake not cleared before counts. waker may be
 * NULL. */
void bm_waker_sleep(struct bm_waker *waker, uint64_t deadline_ms);

#endif
