/* SPDX-License-Identifier: MIT */
/* Connecting without waiting: the name's addresses, staggered, and the first that answers; or a Unix socket. */
#ifndef BM_NET_CONNECT_H
#define BM_NET_CONNECT_H

#include "bulkmail/errors.h"
#include "net/loop.h"
#include "net/resolve.h"

/* RFC 8305, 5: so long the next address waits for the one before it. */
#define BM_CONNECT_STAGGER_MS 250

struct bm_connect;

/*
 * Called once, from bm_loop_wait; the connect is gone then. stream is the receiver's (TCP_NODELAY, keep-alive,
 * close-on-exec); NULL: err says why, MBS002 no socket (or source address), MBS003 no such host, no connection; the
 * text names the address and the reason of the last that failed.
 */
typedef void bm_connect_fn(void *user, struct bm_stream *stream, const struct bm_error *err);

/*
 * Begins: all addresses of the host, the next when the one before failed or after BM_CONNECT_STAGGER_MS; when all
 * failed, the next of options->tries rounds. options->waker is not looked at. resolver may be NULL, and is
 * borrowed for the call, as options are.
 */
enum bm_code bm_connect_start(struct bm_connect **out, struct bm_loop *loop, const struct bm_tcp_options *options,
	const struct bm_resolver *resolver, bm_connect_fn *fn, void *user, struct bm_error *err) BM_MUST_CHECK;

/* Ends it, fn is not called. NULL is fine. */
void bm_connect_cancel(struct bm_connect *connect);

#endif
