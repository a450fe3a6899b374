/* SPDX-License-Identifier: MIT */
/*
 * What a campaign needs from the outside world, as an interface: list, servers, clock, and where outcomes go.
 * The engine calls it and nothing else, so that every policy can be tried with a fake clock and fake servers.
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

/* Gets the BM_SMTP_RECIPIENT events of one transaction, each recipient once. */
typedef void bm_port_result_fn(void *user, const struct bm_smtp_event *event);

struct bm_port {
	void *user;                      /* first argument of every call */
	uint64_t (*now_ms)(void *user);  /* monotonic */
	uint64_t (*wall_ms)(void *user); /* since 1970 */
	/* Waits until the time or until asked to stop. why is for the progress line, index the server or SIZE_MAX. */
	void (*sleep)(void *user, uint64_t until_ms, const char *why, size_t index);
	unsigned (*stops)(void *user); /* how often asked to stop */
	/* BM_E_TIMEOUT: the list had nothing to give until then, UINT64_MAX: waits for ever. */
	enum bm_code (*next_record)(void *user, struct bm_record *record, uint64_t until_ms, struct bm_error *err);
	bool (*finite)(void *user); /* the list can be read to its end without waiting */
	/* Servers, by index. */
	struct bm_policy *(*policy)(void *user, size_t index); /* connect keeps its connect counters */
	const struct bm_server_options *(*options)(void *user, size_t index);
	bool (*connected)(void *user, size_t index); /* looks for a 421 or a close that came meanwhile */
	/* BM_E_UNSUPPORTED: the server cannot take this message. */
	enum bm_code (*connect)(void *user, size_t index, struct bm_error *err);
	void (*disconnect)(void *user, size_t index);
	/* Refusals (4yz and 5yz) over this connection so far. */
	uint64_t (*errors)(void *user, size_t index);
	/*
	 * Runs one transaction. BM_OK: all results were given and the session lives. BM_E_CLOSED: all were given and it
	 * ended, err says why. BM_E_STOPPED likewise. Any other code: nothing was taken, no result given.
	 */
	enum bm_code (*transact)(void *user, size_t index, const struct bm_smtp_transaction *transaction,
		bm_port_result_fn *result, void *result_user, struct bm_error *err);
	void (*outcome)(void *user, const struct bm_outcome *outcome);
	void (*log)(void *user, const struct bm_error *err); /* what is logged and not returned */
	const char *(*server_name)(void *user, size_t index);
	void (*pulse)(void *user); /* now and then: time for a progress line */
};

#endif
