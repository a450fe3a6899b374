/* SPDX-License-Identifier: MIT */
/*
 * One campaign as policy: who is next, on which server, in which envelope, and what became of it. One
 * transaction at a time. Every record read gets exactly one outcome. Memory: one envelope, the recipients put
 * back from it, and at most BM_RUN_WAITING_MAX that wait for another try.
 */
#ifndef BM_ENGINE_RUN_H
#define BM_ENGINE_RUN_H

#include "bulkmail/campaign.h"
#include "engine/item.h"
#include "engine/keyset.h"
#include "engine/port.h"
#include "mail/render.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Recipients that wait for another try: the list rests while there are so many. */
#define BM_RUN_WAITING_MAX 10000

/* How long an open envelope waits for a list that gives nothing just now. */
#define BM_RUN_ENVELOPE_PATIENCE_MS 1000

/* Ceiling of an envelope where envelope_limit is 0: what one transaction may hold in memory. */
#define BM_RUN_ENVELOPE_MAX 50000

/* How often one recipient is put back at the most before it is deferred: a recipient that kills connections must not go
 * round for ever. */
#define BM_RUN_PUT_BACKS_MAX 10

/* From so many on it goes alone: the others of its envelope may be innocent. */
#define BM_RUN_PUT_BACKS_ALONE 2

struct bm_run_options {
	bool use_envelope;
	bool trust_email;
	bool trust_duplicates;
	bool trust_banned;
	uint64_t retry_delay_ms;
	uint64_t retry_delay_max_ms;
	uint64_t hash_key[2]; /* random */
};

struct bm_run_server {
	uint64_t transactions; /* accepted for one recipient or more */
	uint64_t messages;     /* recipients accepted */
	uint64_t not_before_ms;
	size_t envelope_max; /* what it took before it hung up on a larger envelope; 0: not known */
	bool fruitful;       /* a transaction was completed over the present connection */
	bool unsuited;       /* cannot take this message */
};

struct bm_run {
	struct bm_run_options options;
	const struct bm_port *port;
	const struct bm_message *message;
	struct bm_run_server *servers;
	size_t server_count;
	size_t current;    /* index of the server whose turn it is; SIZE_MAX: none */
	size_t turn_after; /* index from which the next turn counts on; SIZE_MAX: begin with the first */
	struct bm_keyset seen;
	struct bm_keyset banned;     /* addresses, and domains */
	struct bm_item_list ready;   /* to be sent before the list is read on */
	struct bm_item_heap waiting; /* deferred, for another try */
	struct bm_item **envelope;   /* open: counted, not yet sent */
	size_t envelope_count;
	size_t envelope_capacity;
	struct bm_span *mailboxes; /* of the envelope, while it is sent */
	struct bm_render render;
	struct bm_span *values;   /* of the record that is looked at */
	bool personal;            /* every recipient gets a copy of their own */
	struct bm_item_list back; /* put back by the transaction under way */
	bool list_ended;
	bool list_complete;
	struct bm_error last; /* what last went wrong with a server */
	bool relay_fault;     /* the server, not the recipient, was refused in the transaction under way */
	bool completed;       /* its end of data was answered */
	size_t first_crowded; /* index of the first for whom there was no room in it; SIZE_MAX: none */
	uint64_t refunds;     /* recipients of it that the counters get back */
	uint64_t records;
	uint64_t done;
	uint64_t transactions;
	uint64_t outcomes[BM_OUTCOME_KINDS];
};

/* port and message are borrowed. */
enum bm_code bm_run_init(struct bm_run *run, const struct bm_run_options *options, const struct bm_port *port,
	const struct bm_message *message, size_t server_count, struct bm_error *err) BM_MUST_CHECK;
void bm_run_deinit(struct bm_run *run);

/* One line, trimmed and not empty, of the file of banned addresses and domains, before the run. BM_E_ADDRESS when it is
 * neither. */
enum bm_code bm_run_ban(struct bm_run *run, struct bm_span line) BM_MUST_CHECK;

/* To its end; see bm_campaign_run. */
enum bm_code bm_run_go(struct bm_run *run, struct bm_error *err) BM_MUST_CHECK;

/* Between the engine's files. */

/*
 * The next record that is to be sent, NULL at the end and when the list gave nothing until then; what is not to be
 * sent is given its outcome on the way.
 */
enum bm_code bm_run_classify(
	struct bm_run *run, struct bm_item **out, uint64_t until_ms, struct bm_error *err) BM_MUST_CHECK;

/* The item's outcome, from its last answer; frees it. */
void bm_run_settle(struct bm_run *run, struct bm_item *item, enum bm_outcome_kind kind, const char *reason);

/* Logs what went wrong with a server and keeps it, to be told when none is left. */
void bm_run_note(struct bm_run *run, const struct bm_error *err);

/* Connects a server unless it is connected; false when that failed, which is logged and counted. */
bool bm_run_connect(struct bm_run *run, size_t index);

/* Makes the next usable server current and connects it. BM_E_NO_SERVER: MB012; BM_E_STOPPED. */
enum bm_code bm_run_next_server(struct bm_run *run, struct bm_error *err) BM_MUST_CHECK;

/* Sends the open envelope, if any, over the current server; afterwards it is empty. */
enum bm_code bm_run_flush(struct bm_run *run, struct bm_error *err) BM_MUST_CHECK;

#endif
