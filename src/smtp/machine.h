/* SPDX-License-Identifier: MIT */
/*
 * The inside of struct bm_smtp, shared by the sources of this folder: smtp.c (the verbs), machine.c (saying, matching
 * and closing), action.c (what each reply does), transaction.c (one envelope).
 *
 * Invariants: commands in `out` and replies in `pipeline` are in the order said; content is only written
 * while no command is in `out`; after the close nothing is said, parsed or expected.
 */
#ifndef BM_SMTP_MACHINE_H
#define BM_SMTP_MACHINE_H

#include "base/buf.h"
#include "smtp/content.h"
#include "smtp/pipeline.h"
#include "smtp/queue.h"
#include "smtp/smtp.h"

#define BM_MACHINE_OUT_MAX 65536    /* octets of commands said and not yet sent */
#define BM_MACHINE_COMMAND_MAX 1024 /* one command with its CR LF */
#define BM_MACHINE_PARTS_MAX 8

enum bm_transaction_state {
	BM_TRANSACTION_NONE,
	BM_TRANSACTION_RSET, /* this command is to be said next … */
	BM_TRANSACTION_MAIL,
	BM_TRANSACTION_RCPT,
	BM_TRANSACTION_DATA,
	BM_TRANSACTION_SAID,    /* DATA is said */
	BM_TRANSACTION_CONTENT, /* 354 was read: content, then its reply */
	BM_TRANSACTION_DRAIN,   /* nothing more to say, replies are due */
	BM_TRANSACTION_SETTLED, /* its events are being fetched */
};

/* One octet for each recipient. */
enum bm_fate {
	BM_FATE_OPEN,    /* its RCPT has no reply */
	BM_FATE_TAKEN,   /* 2yz */
	BM_FATE_DECIDED, /* its event is queued */
};

/* What becomes of all that are not decided by a reply of their own. */
struct bm_verdict {
	bool set;
	enum bm_smtp_disposition disposition;
	bool answered;
	enum bm_smtp_command command; /* whose reply decided */
	const char *reason;           /* NULL when a reply decided */
	struct bm_reply reply;        /* its octets are in `raw`, or static */
	struct bm_buf raw;
};

struct bm_transaction {
	struct bm_smtp_transaction given;
	enum bm_transaction_state state;
	unsigned char *fates;
	size_t fates_capacity;
	size_t next;  /* recipient whose RCPT is to be said next; of a settled one, whose event is due */
	size_t taken; /* recipients with 2yz to RCPT */
	bool lone_dot;
	struct bm_verdict verdict;
};

struct bm_smtp {
	char *domain;
	uint64_t timeout_ms;
	enum bm_smtp_pipelining pipelining;

	bool ready;    /* greeted */
	bool quitting; /* QUIT was said */
	bool dirty;    /* an aborted transaction may be open: RSET before the next */
	bool starved;  /* memory was short: the session ends with this verb */
	bool closed;
	bool closed_told;

	struct bm_reply_parser parser;
	bool early; /* the reply being parsed began before its command was sent */
	struct bm_pipeline pipeline;
	struct bm_queue queue;

	struct bm_buf out;
	size_t out_sent;     /* octets of out that were sent */
	uint64_t said_total; /* octets of commands ever said */
	uint64_t sent_total; /* and sent */

	bool writing; /* content is not entirely sent */
	struct bm_content content;
	uint64_t block_since_ms;
	struct bm_buf talk_body; /* content given to talk */
	struct bm_span talk_span;
	bool talk_content; /* 354 was read to a talk: content is next */
	bool talk_ending;  /* and was given: its reply is due */

	struct bm_smtp_capabilities capabilities;
	struct bm_buf hello_raw;
	struct bm_reply hello; /* the reply to EHLO, code 0 without one */

	struct bm_transaction tx;
	struct bm_smtp_event closing;
};

/* A reply and the command it answers. */
struct bm_answer {
	struct bm_expected expected;
	struct bm_reply reply;
	uint64_t now_ms;
};

/* machine.c */

/* Says one command out of parts (a part without octets is skipped). */
void bm_machine_say(struct bm_smtp *smtp, enum bm_smtp_command command, size_t recipient, const struct bm_span *parts,
	size_t count, uint64_t now_ms);
/* True when one more command of the group may be said now. */
bool bm_machine_has_room(const struct bm_smtp *smtp);
/* Starts content; what answers it is expected as command. */
void bm_machine_write(struct bm_smtp *smtp, enum bm_smtp_command command, const struct bm_span *spans, size_t count,
	struct bm_span tail, uint64_t now_ms);
void bm_machine_queue(struct bm_smtp *smtp, const struct bm_smtp_event *event);
void bm_machine_ready(struct bm_smtp *smtp);
/* Ends the session and decides what is undecided. reply may be NULL. */
void bm_machine_close(struct bm_smtp *smtp, enum bm_smtp_end end, enum bm_smtp_command command,
	const struct bm_reply *reply, const char *reason);
/* Moves the parser's octets to raw, so that the reply outlives the next one. */
void bm_machine_keep(struct bm_smtp *smtp, struct bm_buf *raw);
/* One whole reply is in the parser. */
void bm_machine_answer(struct bm_smtp *smtp, uint64_t now_ms);
/* What is being waited for. */
enum bm_smtp_command bm_machine_awaited(const struct bm_smtp *smtp);
uint64_t bm_machine_time_out(const struct bm_smtp *smtp, enum bm_smtp_command command);
const char *bm_machine_time_out_reason(enum bm_smtp_command command);

/* action.c */

/* Does what the table says for the answer's command and class. */
void bm_action_take(struct bm_smtp *smtp, const struct bm_answer *answer);

/* transaction.c */

void bm_transaction_init(struct bm_transaction *tx);
void bm_transaction_deinit(struct bm_transaction *tx);
enum bm_code bm_transaction_check(
	const struct bm_smtp *smtp, const struct bm_smtp_transaction *given, struct bm_error *err) BM_MUST_CHECK;
enum bm_code bm_transaction_begin(
	struct bm_smtp *smtp, const struct bm_smtp_transaction *given, struct bm_error *err) BM_MUST_CHECK;
/* Says what may be said now; settles when nothing is left to say or to wait for. */
void bm_transaction_advance(struct bm_smtp *smtp, uint64_t now_ms);
/* 4yz or 5yz: what it means for all undecided recipients. The first such reply counts. */
void bm_transaction_fail(struct bm_smtp *smtp, const struct bm_answer *answer);
void bm_transaction_accept(struct bm_smtp *smtp, const struct bm_answer *answer);
void bm_transaction_recipient_taken(struct bm_smtp *smtp, const struct bm_answer *answer);
void bm_transaction_recipient_refused(struct bm_smtp *smtp, const struct bm_answer *answer);
void bm_transaction_content(struct bm_smtp *smtp, uint64_t now_ms);
/* The session ended with it under way. */
void bm_transaction_abandon(struct bm_smtp *smtp, const char *reason);
/* The next event of a settled transaction; its last is BM_SMTP_TRANSACTION. */
bool bm_transaction_next_event(struct bm_smtp *smtp, struct bm_smtp_event *event);

#endif
