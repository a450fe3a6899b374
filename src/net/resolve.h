/* SPDX-License-Identifier: MIT */
/* The addresses of a name, looked up without waiting. A literal needs no look-up. */
#ifndef BM_NET_RESOLVE_H
#define BM_NET_RESOLVE_H

#include "bulkmail/errors.h"
#include "net/loop.h"

#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

/* No more of a name's addresses are told. */
#define BM_ENDPOINTS_MAX 100

struct bm_endpoint {
	struct sockaddr_storage place;
	socklen_t size;
};

/* Who is asked, for tests: NULL is what the system is configured for. */
struct bm_resolver {
	const char *servers; /* "127.0.0.1:5353" */
	int timeout_ms;      /* of the first question */
	int tries;           /* at each server */
};

struct bm_lookup;

/*
 * Called once, from bm_loop_wait; the look-up is gone then. addresses in the order of RFC 6724, the families in turn
 * (RFC 8305, 4), valid during the call. count 0: why says why not.
 */
typedef void bm_lookup_fn(void *user, const struct bm_endpoint *addresses, size_t count, const char *why);

/* Begins to look host up (a name, or a literal without brackets), always anew. resolver may be NULL. */
enum bm_code bm_lookup_start(struct bm_lookup **out, struct bm_loop *loop, const char *host, uint16_t port,
	const struct bm_resolver *resolver, bm_lookup_fn *fn, void *user, struct bm_error *err) BM_MUST_CHECK;

/* Ends it, fn is not called. NULL is fine. */
void bm_lookup_cancel(struct bm_lookup *lookup);

#endif
