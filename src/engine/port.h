/* SPDX-License-Identifier: MIT */
/*
 * What a campaign needs from the outside world, as an interface: list, servers, connections, clock, and where
 * outcomes go. The engine calls it and nothing else, so that every policy can be tried with a fake clock and fake
 * servers. No call waits.
 */
#ifndef BM_ENGINE_PORT_H
#define BM_ENGINE_PORT_H

#include "bulkmail/campaign.h"
#include "bulkmail/errors.h"
#include "engine/policy.h"
#include "smtp/smtp.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct bm_port {
	void *user;                      /* first argument of every call */
	uint64_t (*now_ms)(void *user);  /* monotonic; the loop's idea of now, cheap */
	uint64_t (*wall_ms)(void *user); /* since 1970 */
	/* BM_E_TIMEOUT: the list has nothing to give just now; the world calls bm_run_advance when it may have. */
	enum bm_code (*next_record)(void *user, struct bm_record *record, struct bm_error *err);
	bool (*finite)(void *user); /* the list can be read to its end without waiting */
	/* Servers, by index. The engine keeps the policy: connects, failures and messages are counted there by it alone. */
	struct bm_policy *(*policy)(void *user, size_t server);
	const struct bm_server_options *(*options)(void *user, size_t server);
	const char *(*server_name)(void *user, size_t server);
	/*
	 * Connections, by slot: a small number that the engine chooses, below bm_run_slots(run). open begins to connect
	 * and is answered later by exactly one bm_run_opened or bm_run_closed, never from within the call (BM_E_…: it
	 * could not even begin; nothing follows). pipelining is the highest mode that may be used over it.
	 */
	enum bm_code (*open)(
		void *user, size_t slot, size_t server, enum bm_smtp_pipelining pipelining, struct bm_error *err);
	/* Says goodbye (or just goes, when not greeted yet); bm_run_closed follows, bounded in time; nothing else does. */
	void (*close)(void *user, size_t slot);
	size_t (*room)(void *user, size_t slot);     /* transactions that submit takes now (bm_smtp_room) */
	uint64_t (*errors)(void *user, size_t slot); /* 4yz and 5yz replies over this connection so far (bm_smtp_errors) */
	/* What the EHLO of this connection said; valid while it is open. */
	const struct bm_smtp_capabilities *(*capabilities)(void *user, size_t slot);
	/*
	 * Hands over one transaction; all it points to stays as it is until its BM_SMTP_TRANSACTION event. Nothing leaves
	 * before the world's next write phase, which begins with bm_journal_commit. On an error nothing was taken.
	 */
	enum bm_code (*submit)(
		void *user, size_t slot, const struct bm_smtp_transaction *transaction, struct bm_error *err);
	/*
	 * Since when (µs, the clock of bm_run_waited) a reply is awaited over it, and its round trip (µs) as far as
	 * known. False: none is awaited; the round trip is told all the same.
	 */
	bool (*awaiting)(void *user, size_t slot, uint64_t *since_us, uint64_t *round_trip_us);
	void (*outcome)(void *user, const struct bm_outcome *outcome);
	void (*log)(void *user, const struct bm_error *err); /* what is logged and not returned */
};

#endif
