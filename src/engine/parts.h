/* SPDX-License-Identifier: MIT */
/* Between the engine's files. */
#ifndef BM_ENGINE_PARTS_H
#define BM_ENGINE_PARTS_H

#include "engine/run.h"

static inline uint64_t bm_run_now(const struct bm_run *run)
{
	return run->port->now_ms(run->port->user);
}

static inline struct bm_policy *bm_run_policy(const struct bm_run *run, size_t server)
{
	return run->port->policy(run->port->user, server);
}

static inline const struct bm_server_options *bm_run_server_options(const struct bm_run *run, size_t server)
{
	return run->port->options(run->port->user, server);
}

/* classify.c */

/*
 * The next record that is to be sent, NULL at the end and when the list has nothing to give; what is not to be sent is
 * given its outcome on the way.
 */
enum bm_code bm_run_classify(struct bm_run *run, struct bm_item **out, struct bm_error *err) BM_MUST_CHECK;

/* settle.c */

/* The item's outcome, from its last answer. The item stays. */
void bm_run_settle(struct bm_run *run, struct bm_item *item, enum bm_outcome_kind kind, const char *reason);

/* Ends the campaign; the first failure stands. */
void bm_run_fail(struct bm_run *run, const struct bm_error *err);

/* needs.c */

/* Of enum bm_need: what a connection that offers this cannot do. */
unsigned bm_needs_lacked(const struct bm_smtp_capabilities *offers);

/* What EHLO said. A server that cannot take this message is given up. */
void bm_run_learn_offers(struct bm_run *run, size_t server, const struct bm_smtp_capabilities *offers);

/* The server may take this message, as far as is known. */
bool bm_run_suits(const struct bm_run *run, size_t server);

/* The server may take this recipient. */
bool bm_run_suits_item(const struct bm_run *run, size_t server, const struct bm_item *item);

/* Another one may. */
bool bm_run_has_other_for(const struct bm_run *run, size_t server, const struct bm_item *item);

/* Who is to be sent at once: in, of all items of one set of needs; and the first that the server may take, or NULL. */
void bm_run_ready_insert(struct bm_run *run, struct bm_item *item);
void bm_run_ready_merge(struct bm_run *run, struct bm_item_list *items);
struct bm_item *bm_run_ready_take(struct bm_run *run, size_t server);
size_t bm_run_ready_count(struct bm_run *run, size_t server);

/* Refuses those whom no server can take that is left. */
void bm_run_refuse_hopeless(struct bm_run *run);

/* envelope.c */

/* An empty one; NULL for want of memory. */
struct bm_run_envelope *bm_envelope_fetch(struct bm_run *run);

/* Room for one more. */
enum bm_code bm_envelope_reserve(struct bm_run_envelope *envelope) BM_MUST_CHECK;
void bm_envelope_return(struct bm_run *run, struct bm_run_envelope *envelope);
void bm_envelope_pool_deinit(struct bm_run *run);

void bm_queue_append(struct bm_run_queue *queue, struct bm_run_envelope *envelope);
struct bm_run_envelope *bm_queue_take(struct bm_run_queue *queue); /* NULL when empty */
struct bm_run_envelope *bm_queue_find(const struct bm_run_queue *queue, uint64_t id);
void bm_queue_remove(struct bm_run_queue *queue, struct bm_run_envelope *envelope);

/* Nothing of it was said: its recipients are ready again and the server's counters get them back. */
void bm_run_unpack(struct bm_run *run, size_t server, struct bm_run_envelope *envelope);

/* assemble.c */

enum bm_fill {
	BM_FILL_SEND, /* the open envelope is complete */
	BM_FILL_DRY,  /* there is nobody to be added now */
	BM_FILL_STOP, /* the server takes nobody now: a limit, or it rests */
};

/* Puts recipients for server into the open envelope, at most so many of them. */
enum bm_fill bm_run_fill(struct bm_run *run, size_t server, uint64_t most);

/* What a dry list means for the open envelope: true when it is not to wait any longer. */
bool bm_run_open_is_over(const struct bm_run *run);

/* The open envelope, if any, into its server's queue. */
void bm_run_enqueue(struct bm_run *run);

/* The next of all that are left, whoever is to take them; NULL: none now. */
struct bm_item *bm_run_next_of_all(struct bm_run *run);

/* At least so many recipients are known to be there for the server; the list is read ahead for it. */
bool bm_run_has_work(struct bm_run *run, size_t server, size_t pieces);

/* Somebody is there to be assigned now; the list is read ahead for it. */
bool bm_run_has_present(struct bm_run *run);

/* Somebody is there to be sent, now or later. */
bool bm_run_has_pending(struct bm_run *run);

/* Nothing is left of the campaign but what is in flight. */
bool bm_run_is_exhausted(const struct bm_run *run);

/* All who are left now are for another server, which is awake: it had deferred them, or cannot take them. */
bool bm_run_avoids(const struct bm_run *run, size_t server);

/* slots.c */

/* Hands queued envelopes of the server to its connections. */
void bm_run_dispatch(struct bm_run *run, size_t server);
bool bm_slot_takes(const struct bm_run *run, size_t index);

/* One of the server's connections takes an envelope now. */
bool bm_run_server_takes(const struct bm_run *run, size_t server);

/* One more connection may be opened to the server now. */
bool bm_run_may_open(struct bm_run *run, size_t server);

/* Begins to open it; false when that failed at once. */
bool bm_run_open(struct bm_run *run, size_t server);
void bm_slot_retire(struct bm_run *run, size_t index);

/* Closes what is retired, idle or of no use any more. */
void bm_run_tend(struct bm_run *run);

/* worth.c */

bool bm_run_is_usable(const struct bm_run *run, size_t server);

/* It may be used now: neither resting nor backing off. */
bool bm_run_is_awake(const struct bm_run *run, size_t server);

/* It sleeps (sleep_length). */
bool bm_run_rests(const struct bm_run *run, size_t server);

/* Another server is usable; it may rest. */
bool bm_run_has_other(const struct bm_run *run, size_t server);

/* Another server may be used now. */
bool bm_run_has_other_awake(const struct bm_run *run, size_t server);

/* Logs what went wrong with a server and keeps it, to be told when none is left. */
void bm_run_note(struct bm_run *run, const struct bm_error *err);

/* It does not take our credentials: out for this run. */
void bm_run_turned_away(struct bm_run *run, size_t server, const struct bm_error *why);

/* It could not be connected. */
void bm_run_open_failed(struct bm_run *run, size_t server, const struct bm_error *why);

/* A connection ended by itself while it was at work. */
void bm_run_session_ended(struct bm_run *run, size_t server, bool fruitful, const struct bm_error *why);

/* What was assembled for the server is for whoever comes; its turn is over. */
void bm_run_forsake(struct bm_run *run, size_t server);

/* For good, in this run. */
void bm_run_give_up(struct bm_run *run, size_t server);

/* Opens fewer commands ahead from now on when the server is known to stumble over this mode. */
void bm_run_step_down(struct bm_run *run, size_t server, enum bm_smtp_pipelining mode);

/* MB012, and why. */
enum bm_code bm_run_no_server(const struct bm_run *run, struct bm_error *err);

/* robin.c and pull.c: assign what there is to the connections that take it. */
void bm_run_robin(struct bm_run *run);
void bm_run_pull(struct bm_run *run);

#endif
