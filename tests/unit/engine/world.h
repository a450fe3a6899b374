/* SPDX-License-Identifier: MIT */
/*
 * Servers, list and journal that are only imagined, by a clock that only moves when nothing else can happen. What
 * happens is told as a story, word by word; the order of the journal's calls is watched.
 */
#ifndef BM_TESTS_ENGINE_WORLD_H
#define BM_TESTS_ENGINE_WORLD_H

#include "../unit.h"
#include "engine/run.h"

#define SERVERS 4
#define SLOTS 64
#define HELD_MAX 64

/* One transaction that a server has. */
struct held {
	uint64_t id;
	const struct bm_span *recipients;
	size_t count;
	unsigned nth; /* of all, 1-based */
	bool too_large;
	uint64_t ready_ms; /* when it is answered */
};

enum connection { NOTHING, BEGUN, GREETED, SAYS_BYE };

struct wire {
	enum connection state;
	size_t server;
	uint64_t ready_ms; /* of its opening, or its end */
	uint64_t errors;
	uint64_t taken; /* transactions */
	uint64_t submitted_ms;
	struct held held[HELD_MAX];
	size_t held_count;
	struct bm_smtp_capabilities offers; /* once it was greeted */
};

struct world;

/*
 * What becomes of one recipient of the nth transaction (1-based); *end: how the session ends. *code 0: no reply
 * decided.
 */
typedef enum bm_smtp_disposition fate_fn(
	struct world *world, size_t server, const char *mailbox, unsigned nth, int *code, bool *end);

struct world {
	struct bm_port port;
	struct bm_run *run;
	/* The list: a NULL is a silence. */
	const char *const *records;
	size_t record_count;
	size_t next;         /* records given */
	size_t silences;     /* NULLs passed */
	uint64_t silence_ms; /* how long each lasts */
	uint64_t silent_until_ms;
	bool silent;
	uint64_t silence_sides; /* of the dice that say whether a made list falls silent; 0: never */
	bool endless;           /* it cannot be read to its end without waiting */
	bool (*make_record)(struct world *world, uint64_t seq, char *text, size_t size); /* instead of records */
	char made[128];
	struct bm_text values[4];
	/* Servers. */
	size_t servers;
	struct bm_policy policies[SERVERS];
	struct bm_server_options options[SERVERS];
	struct bm_smtp_capabilities offers[SERVERS];
	uint64_t moods; /* sides of the dice that say what a connection lacks of that; 0: nothing */
	bool refuses_connects[SERVERS];
	enum bm_code turns_away[SERVERS]; /* with this, when it was connected */
	bool fails_at_once[SERVERS];      /* open itself is an error */
	uint64_t open_ms[SERVERS];
	uint64_t answer_ms[SERVERS]; /* each transaction, one after the other over each connection */
	size_t room[SERVERS];        /* transactions unanswered at most */
	uint64_t mail_max[SERVERS];  /* transactions over a connection; 0: any */
	bool stumbles[SERVERS];      /* at more than one command at a time */
	unsigned refused_submits;    /* so many transactions are not taken: the connection is gone */
	enum bm_smtp_pipelining levels[SLOTS];
	bool hangs_up_asleep;
	bool dies_asleep; /* server 0 */
	struct wire wires[SLOTS];
	size_t slots;
	uint64_t now_ms;
	unsigned stop_after; /* transactions; 0: never */
	bool stopped;
	unsigned transactions;
	unsigned answered;
	enum bm_smtp_command decided_by; /* whose reply refuses */
	fate_fn *fate;
	uint64_t dice; /* for whoever rolls them */
	/* What came of it. */
	bool quiet; /* no story */
	char story[8192];
	char log[512];    /* the ids of what was logged */
	char said[4096];  /* their texts */
	const char *body; /* of the message */
	const char *from;
	const struct bm_header *headers; /* ends with a NULL */
	bool merge;                      /* {{name}} is a slot, for the record's first letter */
	struct bm_run_options run_options;
	const char *const *bans; /* ends with NULL */
	size_t outcome_capacity;
	unsigned char *outcomes; /* by seq */
	unsigned char *told;     /* how often each record got an outcome */
	unsigned char *attempts;
	int *codes;
	bool *relayed;
	char texts[64][64];
	uint64_t served[SERVERS];  /* recipients accepted */
	unsigned opened[SERVERS];  /* connections */
	size_t most_open[SERVERS]; /* at once */
	size_t most_held[SERVERS]; /* transactions over one connection at once */
	uint64_t most_errors;      /* over one connection */
	size_t last_refusals_max;
	size_t last_window;
	struct bm_smtp_transaction last_transaction; /* what it points to is gone */
	char last_envid[128];
	/* The journal. */
	struct bm_journal journal;
	struct bm_journal *memory;
	uint64_t intended[BM_RUN_ENVELOPE_MAX]; /* by the last intend */
	size_t intended_count;
	bool telling; /* an event is being told */
	/* Where each was assigned first, by seq: server + 1. */
	unsigned char *assigned;
	bool told_events;
	unsigned *sent_with;  /* by seq: the transaction that it went with last */
	size_t index;         /* of the recipient whose fate is asked for */
	uint64_t sent_ms[64]; /* when the first transactions were handed over, by nth */
	size_t sizes[64];     /* and how large they were */
	uint64_t times[BM_WHY_KINDS];
};

/* Every server has connections = 1 and stays as long as it can (max_messages_per_robin 0). */
struct world *make_world(const char *const *records, size_t count);
void free_world(struct world *world);
struct bm_message *message_of(const struct world *world, bool use_envelope);

/* Runs the world's campaign and checks that every record that was read has exactly one outcome. */
enum bm_code run_world(struct world *world, bool use_envelope, size_t servers);

/* The next of a row of dice, below sides. */
uint64_t roll(struct world *world, uint64_t sides);

#endif
