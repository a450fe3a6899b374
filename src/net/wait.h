/* SPDX-License-Identifier: MIT */
/* poll until a deadline, with signals that interrupt it. */
#ifndef BM_NET_WAIT_H
#define BM_NET_WAIT_H

#include "net/waker.h"

#include <stdbool.h>
#include <stdint.h>

/* What ended a wait. */
enum bm_wait {
	BM_WAIT_READY,   /* the descriptor */
	BM_WAIT_WOKEN,   /* the waker, whether or not the descriptor is ready too */
	BM_WAIT_EXPIRED, /* the deadline */
	BM_WAIT_FAILED,  /* the system; errno says why */
};

/* fd -1: none; events as for poll; waker may be NULL. The waker is not cleared. */
enum bm_wait bm_wait(int fd, short events, uint64_t deadline_ms, const struct bm_waker *waker);

#endif
