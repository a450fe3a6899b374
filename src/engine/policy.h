/* SPDX-License-Identifier: MIT */
/*
 * One server's counters, limits and worth, by the manual of Mail::Bulkmail::Server. Pure: time
 * is passed in, sleeping and disconnecting are the caller's.
 */
#ifndef BM_ENGINE_POLICY_H
#define BM_ENGINE_POLICY_H

#include "bulkmail/server.h"

#include <stdbool.h>
#include <stdint.h>

struct bm_policy {
	struct bm_server_counters sent;
	uint64_t last_message_s; /* seconds since 1970, 0 = never */
	uint64_t failures;       /* failed connects in a row */
	uint64_t fruitless;      /* connections in a row that ended before a transaction was complete */
	bool worthless;
};

/* n more messages, all five counters. */
void bm_policy_add(struct bm_policy *policy, uint64_t n, uint64_t wall_s);

/* n of them were not taken after all: the counters get them back, none falls below 0. */
void bm_policy_refund(struct bm_policy *policy, uint64_t n);

/* This robin, while awake, this envelope. */
void bm_policy_reset_messages(struct bm_policy *policy);
void bm_policy_reset_envelope(struct bm_policy *policy);
bool bm_policy_envelope_full(const struct bm_policy *policy, const struct bm_server_options *options);

/*
 * Seconds to sleep because the awake limit is reached (its counter is 0 then); 0: none. To
 * be asked before bm_policy_reached.
 */
uint64_t bm_policy_nap(struct bm_policy *policy, const struct bm_server_options *options);

/* max_messages are handed over. */
bool bm_policy_spent(const struct bm_policy *policy, const struct bm_server_options *options);

/* Whether bm_policy_reached would tell a limit; changes nothing. */
bool bm_policy_at_limit(const struct bm_policy *policy, const struct bm_server_options *options);

/*
 * The limit that is reached, and its consequences for the counters and the server's worth. The
 * caller disconnects for BM_LIMIT_MESSAGES and BM_LIMIT_CONNECTION.
 */
enum bm_limit bm_policy_reached(struct bm_policy *policy, const struct bm_server_options *options);

/* A connect came about: all attempts are given back, this connection's counter is 0. */
void bm_policy_connected(struct bm_policy *policy);

/* A connect failed; max_connection_attempts in a row make the server worthless. */
void bm_policy_connect_failed(struct bm_policy *policy, const struct bm_server_options *options);

/* A connection ended by itself; fruitful when a transaction had been completed over it. The same limit holds. */
void bm_policy_session_ended(struct bm_policy *policy, const struct bm_server_options *options, bool fruitful);

/* Milliseconds to leave the server alone after its failures: 1 s, doubling, never above ceiling_ms. */
uint64_t bm_policy_backoff_ms(const struct bm_policy *policy, uint64_t ceiling_ms);

#endif
