/* SPDX-License-Identifier: MIT */
/*
 * One campaign as policy: who is next, on which server, in which envelope, and what became of it; many connections to
 * many servers, transactions in flight. No call waits, and none but bm_run_advance and bm_run_finish calls open,
 * submit, close or next_record. Every record read gets exactly one outcome. Memory: what is in flight, the recipients
 * put back from it, and at most BM_RUN_WAITING_MAX that wait for another try.
 */
#ifndef BM_ENGINE_RUN_H
#define BM_ENGINE_RUN_H

#include "bulkmail/campaign.h"
#include "engine/envid.h"
#include "engine/item.h"
#include "engine/keyset.h"
#include "engine/port.h"
#include "engine/rate.h"
#include "engine/window.h"
#include "mail/render.h"
#include "store/journal.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Recipients that wait for another try: the list rests while there are so many. */
#define BM_RUN_WAITING_MAX 10000

/* How long an open envelope waits for a list that gives nothing just now. */
#define BM_RUN_ENVELOPE_PATIENCE_MS 1000

/* Ceiling of an envelope where envelope_limit is 0: what one transaction may hold in memory. */
#define BM_RUN_ENVELOPE_MAX 50000

/* Recipients that may wait in the queue of one server, assigned by the robin and not yet handed over. */
#define BM_RUN_QUEUE_MAX 1000

/* Recipients in flight over one connection, where more than two envelopes hold them. */
#define BM_RUN_FLIGHT_MAX 2000

/* A connection without work is closed after so long. */
#define BM_RUN_IDLE_MS 10000

/* So long the robin waits for a connection before it passes the server over. */
#define BM_RUN_OPEN_PATIENCE_MS 1000

/* How often one recipient is put back at the most before it is deferred: a recipient that kills connections must not go
 * round for ever. */
#define BM_RUN_PUT_BACKS_MAX 10

/* From so many on it goes alone: the others of its envelope may be innocent. */
#define BM_RUN_PUT_BACKS_ALONE 2

/* Recipients claimed from the journal at once. */
#define BM_RUN_CLAIM 1024

/* Records that are read before the first of them is looked up among those seen: as long as memory takes to answer. */
#define BM_RUN_AHEAD 16

struct bm_run_options {
	bool use_envelope;
	bool trust_email;
	bool trust_duplicates;
	bool trust_banned;
	uint64_t retry_delay_ms;
	uint64_t retry_delay_max_ms;
	uint64_t hash_key[2]; /* random */
	/* RFC 3461; borrowed */
	const char *notify;         /* "NEVER", or "SUCCESS", "FAILURE", "DELAY" joined by commas; NULL: not asked for */
	const char *ret;            /* "FULL", "HDRS"; NULL: not asked for */
	const char *envid;          /* may hold {{column}} and {{seq}}; NULL: none */
	const char *const *columns; /* the list's, for envid */
	size_t column_count;
	bool require_tls; /* RFC 8689 */
};

/* Why the run was not faster. */
enum bm_why {
	BM_WHY_ROUND_TRIP,
	BM_WHY_REPLY,
	BM_WHY_RATE,
	BM_WHY_LIST,
	BM_WHY_CPU,
	BM_WHY_REST, /* sleep_length, back-off, retry */
	BM_WHY_KINDS,
};

/* Recipients that go in one transaction. Pooled: its memory is kept from use to use. */
struct bm_run_envelope {
	struct bm_run_envelope *next; /* in the pool, a queue or in flight */
	uint64_t id;
	size_t count;
	size_t capacity;
	struct bm_item **items;
	struct bm_span *mailboxes;
	uint64_t *seqs;
	struct bm_render render; /* this copy; unused where all share one */
	uint64_t since_ms;       /* when the last recipient joined */
	uint64_t refunds;        /* recipients that the counters get back */
	size_t answered;         /* recipients, by whatever reply */
	size_t refused;          /* RCPTs */
	size_t refusals_max;     /* as it was handed over */
	size_t first_crowded;    /* index of the first for whom there was no room; SIZE_MAX: none */
	bool accepted;           /* for one recipient or more */
	bool broken;             /* it ended with its connection, or was not reached */
	bool stumbled;           /* broken, since the server does not bear how far we pipeline */
	bool relay_fault;        /* the server, not a recipient, was refused */
};

/* First in, first out. */
struct bm_run_queue {
	struct bm_run_envelope *first;
	struct bm_run_envelope *last;
	size_t envelopes;
	uint64_t recipients;
};

enum bm_slot_state { BM_SLOT_CLOSED, BM_SLOT_OPENING, BM_SLOT_OPEN, BM_SLOT_LEAVING };

struct bm_run_slot {
	enum bm_slot_state state;
	size_t server;
	struct bm_run_queue flight;
	struct bm_window window;
	enum bm_smtp_pipelining mode; /* how far it may pipeline: what was asked for and what EHLO offers */
	uint64_t messages;            /* counted over this connection */
	uint64_t errors;              /* of the port, when last asked */
	uint64_t opened_ms;           /* since when it is opening, or open */
	uint64_t idle_ms;             /* since when nothing is in flight */
	bool relays;                  /* news of success are asked for, and it does not offer DSN */
	bool used;                    /* something was submitted */
	bool fruitful;                /* a transaction was completed over it */
	bool retired;                 /* takes nothing more and is closed when nothing is in flight */
	bool blamed;                  /* the transaction that it died with was found */
};

struct bm_run_server {
	uint64_t transactions;   /* accepted for one recipient or more */
	uint64_t messages;       /* recipients accepted */
	uint64_t not_before_ms;  /* after failures */
	uint64_t no_more_ms;     /* likewise, for further connections while one is open */
	uint64_t rests_until_ms; /* sleep_length */
	size_t envelope_max;     /* what it took before it hung up on a larger envelope; 0: not known */
	uint64_t rcpt_max;       /* the least that an EHLO said: connections may differ; 0: not known */
	uint64_t size_max;       /* likewise */
	unsigned lacks;          /* enum bm_need: what an EHLO did not list */
	size_t first_slot;
	size_t slot_count;
	size_t opening;
	size_t open;      /* that are not retired */
	size_t in_flight; /* transactions, over all its connections */
	size_t next_slot; /* whose turn it is, from first_slot on */
	struct bm_run_queue queue;
	struct bm_item_heap waiting; /* deferred by it */
	struct bm_rate rate;
	struct bm_odds odds;
	uint64_t gap_us;               /* between completions, of the connection that was heard last */
	uint64_t failures;             /* to connect, in a row, while one was open or not */
	enum bm_smtp_pipelining level; /* the highest that it is known to bear */
	bool steps_down;               /* pipelining is auto */
	bool used_up;                  /* the connection that ended last, by max_messages_per_connection */
	uint64_t times[BM_WHY_KINDS];  /* µs */
};

/* A record that was read; its outcome, or that it is to be sent, is told in its turn. */
struct bm_run_ahead {
	struct bm_item *item;
	struct bm_keyset_entry hash; /* unless duplicates are trusted */
	const char *banned;          /* the reason, or NULL */
	const char *invalid;         /* the id of the error, or NULL; the reason is in the item's answer */
};

struct bm_run {
	struct bm_run_options options;
	const struct bm_port *port;
	const struct bm_message *message;
	struct bm_journal *journal;
	struct bm_run_server *servers;
	size_t server_count;
	struct bm_run_slot *slots;
	size_t slot_count;
	size_t next_slot;  /* pull: whose turn it is */
	bool robin;        /* max_messages_per_robin is set somewhere */
	size_t current;    /* robin: index of the server whose turn it is; SIZE_MAX: none */
	size_t turn_after; /* index from which the next turn counts on; SIZE_MAX: begin with the first */
	struct bm_keyset seen;
	struct bm_keyset banned;                   /* addresses, and domains */
	struct bm_item_pool items;                 /* that are in use nowhere */
	struct bm_item_list ready;                 /* to be sent before the list is read on; by seq */
	struct bm_item_list special[BM_NEED_SETS]; /* ready too; by what they need of a server */
	size_t special_count;
	unsigned needs;               /* of every recipient */
	struct bm_run_envelope *open; /* the one that is being filled; counted, not yet sent */
	size_t open_server;           /* for whom it is filled */
	struct bm_run_envelope *pool;
	struct bm_render shared;       /* the copy that all recipients share */
	struct bm_render shared_seven; /* its 7-bit form */
	bool shares;
	const size_t *columns; /* that the message uses */
	size_t column_count;
	struct bm_span *values; /* of the record being read; one more than columns, for envid */
	struct bm_envid envid;
	unsigned char envid_text[BM_ENVID_MAX]; /* of the record being read */
	size_t waiting;                         /* over all servers */
	size_t in_flight;                       /* transactions */
	uint64_t claimed;                       /* the first seq that is not claimed */
	uint64_t again_ms; /* a server or recipients went behind a round's back: who is left may be sent in the next */
	uint64_t next_id;
	struct bm_run_ahead ahead[BM_RUN_AHEAD]; /* a ring: read, and still to be looked up */
	size_t ahead_first;
	size_t ahead_count;
	bool list_read;   /* to its end */
	bool list_ended;  /* and nobody of it is still to be looked up */
	bool list_silent; /* it had nothing to give in this round */
	bool list_complete;
	bool stopping;
	struct bm_error failure; /* what ends the campaign */
	struct bm_error scratch; /* of calls whose failure is passed on by bm_run_fail */
	struct bm_error last;    /* what last went wrong with a server */
	uint64_t records;
	uint64_t done;
	uint64_t transactions;
	uint64_t outcomes[BM_OUTCOME_KINDS];
	uint64_t times[BM_WHY_KINDS]; /* µs */
};

/*
 * port, message and journal are borrowed. The servers' options are read now. BM_E_CONF: envid is none, or names a
 * column that the list lacks.
 */
enum bm_code bm_run_init(struct bm_run *run, const struct bm_run_options *options, const struct bm_port *port,
	const struct bm_message *message, struct bm_journal *journal, size_t server_count,
	struct bm_error *err) BM_MUST_CHECK;
void bm_run_deinit(struct bm_run *run);

/* One line, trimmed and not empty, of the file of banned addresses and domains, before the run. BM_E_ADDRESS when it is
 * neither. */
enum bm_code bm_run_ban(struct bm_run *run, struct bm_span line) BM_MUST_CHECK;

/* Sum over the servers of `connections`, each at least 1. */
size_t bm_run_slots(const struct bm_run *run);

/* What happened on slot index: greeted, capabilities are known. */
void bm_run_opened(struct bm_run *run, size_t index);

/* RECIPIENT and TRANSACTION events; others are ignored. */
void bm_run_event(struct bm_run *run, size_t index, const struct bm_smtp_event *event);

/*
 * The connection is gone: it failed to open, died, or our goodbye is over (why NULL). Every transaction of it had its
 * events before. why: what to log, with the manual's id; BM_E_AUTH: the server does not take our credentials and is out
 * for this run, nobody being charged.
 */
void bm_run_closed(struct bm_run *run, size_t index, const struct bm_error *why, bool stumbled);

/*
 * Does all that can be done now: reads the list, assigns, submits, opens, closes. *next_ms: when to call it again at
 * the latest (UINT64_MAX: when something happened). *finished: every record that was read has its outcome and every
 * slot is closed; after bm_run_stop the rest of a finite list was read. An error ends the campaign: call
 * bm_run_finish.
 */
enum bm_code bm_run_advance(struct bm_run *run, uint64_t *next_ms, bool *finished, struct bm_error *err) BM_MUST_CHECK;

/* No new envelope from now on; what runs is finished (bm_run_advance says when). */
void bm_run_stop(struct bm_run *run);

/*
 * The world has ended every connection (their events and bm_run_closed were told): what is left becomes unsent (or
 * deferred), the rest of a finite list is read.
 */
void bm_run_finish(struct bm_run *run);

/* Where time went: the loop slept between the two (µs, monotonic); or it worked. */
void bm_run_waited(struct bm_run *run, uint64_t from_us, uint64_t until_us);
void bm_run_worked(struct bm_run *run, uint64_t from_us, uint64_t until_us);

/* µs by reason (BM_WHY_KINDS of them), of one server or (SIZE_MAX) of the whole run. */
const uint64_t *bm_run_times(const struct bm_run *run, size_t server);

#endif
