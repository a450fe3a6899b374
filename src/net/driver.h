/* SPDX-License-Identifier: MIT */
/* The blocking driver: runs one machine over one stream until its next event. It holds no protocol knowledge. */
#ifndef BM_NET_DRIVER_H
#define BM_NET_DRIVER_H

#include "bulkmail/errors.h"
#include "net/stream.h"
#include "net/waker.h"
#include "smtp/smtp.h"

struct bm_tls;

struct bm_driver {
	struct bm_smtp *smtp;     /* borrowed */
	struct bm_stream *stream; /* borrowed */
	struct bm_waker *waker;   /* borrowed; NULL: none */
	unsigned patience;        /* bm_driver_next gives up once bm_waker_count exceeds this */
	uint64_t deadline_ms;     /* monotonic; bm_driver_next gives up then; 0: never */
};

/*
 * Moves octets until there is an event. BM_OK: *event filled. BM_E_STOPPED: waker woke beyond patience (wakes that it
 * bears it clears); BM_E_TIMEOUT: deadline_ms passed; the session is as it was and may be driven on or dropped.
 * BM_E_USAGE when the machine is idle and has no event to come.
 */
enum bm_code bm_driver_next(struct bm_driver *driver, struct bm_smtp_event *event) BM_MUST_CHECK;

/*
 * The same as bm_link_secure, for bm_driver_next: puts TLS over driver->stream, which is replaced: whoever owned it
 * owns the new one instead.
 */
void bm_driver_secure(struct bm_driver *driver, struct bm_tls *tls);

/* Reads, without waiting, what an idle server may have said (421, close) and lets the machine see it. */
void bm_driver_poll(struct bm_driver *driver);

#endif
