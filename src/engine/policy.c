/* SPDX-License-Identifier: MIT */
#include "engine/policy.h"

#define BACKOFF_FIRST_MS 1000
#define BACKOFF_DOUBLINGS 20

void bm_policy_add(struct bm_policy *policy, uint64_t n, uint64_t wall_s)
{
	policy->sent.messages += n;
	policy->sent.messages_robin += n;
	policy->sent.messages_connection += n;
	policy->sent.messages_awake += n;
	policy->sent.messages_envelope += n;
	policy->last_message_s = wall_s;
}

static void take_back(uint64_t *counter, uint64_t n)
{
	*counter = *counter > n ? *counter - n : 0;
}

void bm_policy_refund(struct bm_policy *policy, uint64_t n)
{
	take_back(&policy->sent.messages, n);
	take_back(&policy->sent.messages_robin, n);
	take_back(&policy->sent.messages_connection, n);
	take_back(&policy->sent.messages_awake, n);
	take_back(&policy->sent.messages_envelope, n);
}

void bm_policy_reset_messages(struct bm_policy *policy)
{
	policy->sent.messages_robin = 0;
	policy->sent.messages_awake = 0;
	policy->sent.messages_envelope = 0;
}

void bm_policy_reset_envelope(struct bm_policy *policy)
{
	policy->sent.messages_envelope = 0;
}

static bool reached(uint64_t counter, uint64_t limit)
{
	return limit != 0 && counter >= limit;
}

bool bm_policy_envelope_full(const struct bm_policy *policy, const struct bm_server_options *options)
{
	return reached(policy->sent.messages_envelope, options->envelope_limit);
}

uint64_t bm_policy_nap(struct bm_policy *policy, const struct bm_server_options *options)
{
	if (!reached(policy->sent.messages_awake, options->max_messages_while_awake))
		return 0;
	policy->sent.messages_awake = 0;
	return options->sleep_length;
}

bool bm_policy_spent(const struct bm_policy *policy, const struct bm_server_options *options)
{
	return reached(policy->sent.messages, options->max_messages);
}

bool bm_policy_at_limit(const struct bm_policy *policy, const struct bm_server_options *options)
{
	return reached(policy->sent.messages, options->max_messages) ||
		   reached(policy->sent.messages_connection, options->max_messages_per_connection) ||
		   reached(policy->sent.messages_robin, options->max_messages_per_robin);
}

enum bm_limit bm_policy_reached(struct bm_policy *policy, const struct bm_server_options *options)
{
	if (reached(policy->sent.messages, options->max_messages)) {
		policy->sent.messages_connection = 0;
		policy->sent.messages_robin = 0;
		policy->worthless = true;
		return BM_LIMIT_MESSAGES;
	}
	if (reached(policy->sent.messages_connection, options->max_messages_per_connection)) {
		policy->sent.messages_connection = 0;
		policy->sent.messages_robin = 0;
		return BM_LIMIT_CONNECTION;
	}
	if (reached(policy->sent.messages_robin, options->max_messages_per_robin)) {
		policy->sent.messages_robin = 0;
		return BM_LIMIT_ROBIN;
	}
	return BM_LIMIT_NONE;
}

void bm_policy_connected(struct bm_policy *policy)
{
	policy->failures = 0;
	policy->sent.messages_connection = 0;
}

void bm_policy_connect_failed(struct bm_policy *policy, const struct bm_server_options *options)
{
	policy->failures++;
	if (policy->failures >= options->max_connection_attempts)
		policy->worthless = true;
}

void bm_policy_session_ended(struct bm_policy *policy, const struct bm_server_options *options, bool fruitful)
{
	policy->fruitless = fruitful ? 0 : policy->fruitless + 1;
	if (policy->fruitless >= options->max_connection_attempts)
		policy->worthless = true;
}

uint64_t bm_policy_backoff_ms(const struct bm_policy *policy, uint64_t ceiling_ms)
{
	uint64_t failures = policy->failures > policy->fruitless ? policy->failures : policy->fruitless;

	if (failures == 0)
		return 0;
	uint64_t doublings = failures - 1 < BACKOFF_DOUBLINGS ? failures - 1 : BACKOFF_DOUBLINGS;
	uint64_t backoff = (uint64_t)BACKOFF_FIRST_MS << doublings;
	return backoff < ceiling_ms ? backoff : ceiling_ms;
}
