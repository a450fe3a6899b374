/* SPDX-License-Identifier: MIT */
/*
 * The inside of struct bm_smtp, shared by the sources of this folder: smtp.c (the verbs), machine.c (saying, matching
 * and closing), action.c (what each reply does), opening.c (all that comes before the first transaction, but
 * for AUTH: login.c), transaction.c (taking transactions, what becomes of each recipient), envelope.c (what is said of
 * which transaction, and when).
 *
 * Invariants: output and pipeline are in the order said; a transaction's replies all come before those of the next;
 * after the close nothing is said, parsed or expected.
 */
#ifndef BM_SMTP_MACHINE_H
#define BM_SMTP_MACHINE_H

#include "base/buf.h"
#include "smtp/output.h"
#include "smtp/pipeline.h"
#include "smtp/queue.h"
#include "smtp/smtp.h"

#define BM_MACHINE_COMMAND_MAX 1600 /* one command with its CR LF, but for AUTH: an address and what RFC 3461 adds */
#define BM_MACHINE_ADDRESS_MAX 960  /* octets of one */
#define BM_MACHINE_KEPT_MAX 4096    /* octets of a reply that are told, but of one that is asked for its text */
#define BM_TRANSACTION_FEW 16       /* recipients whose fates need no memory of their own */

enum bm_transaction_state {
	BM_TRANSACTION_WAITING, /* nothing of it is said */
	BM_TRANSACTION_RSET,    /* this command is to be said next … */
	BM_TRANSACTION_MAIL,
	BM_TRANSACTION_RCPT,
	BM_TRANSACTION_END,     /* DATA, or BDAT with the content */
	BM_TRANSACTION_SAID,    /* it is said, its reply is due */
	BM_TRANSACTION_CONTENT, /* 354 was read and the content is said, its reply is due */
	BM_TRANSACTION_DRAIN,   /* nothing more to say, replies may be due and octets unsent */
	BM_TRANSACTION_SETTLED, /* its events are to be fetched */
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

/* A slot, used again and again. */
struct bm_transaction {
	struct bm_smtp_transaction given;
	uint64_t number;
	enum bm_transaction_state state;
	bool lone_dot;
	bool stumbled;
	size_t next;     /* recipient whose RCPT is to be said next; of a settled one, whose event is due */
	size_t reach;    /* recipients from here on are not tried */
	size_t answered; /* recipients whose RCPT was answered … */
	size_t taken;    /* … with 2yz */
	size_t due;      /* replies that are expected */
	size_t ends;     /* LMTP: replies to the end of data that are due, one for each that was taken … */
	size_t end_at;   /* … and nobody before this recipient is waiting for one */
	uint64_t end;    /* where its end of data ends in the output, BM_OUTPUT_NOWHERE until it is said */
	unsigned char *fates;
	unsigned char few[BM_TRANSACTION_FEW];
	unsigned char *many;
	size_t many_capacity;
	struct bm_verdict verdict;
};

/* The transactions under way: a ring of slots. They are numbered as they were submitted; a number's slot is its
 * remainder. */
struct bm_transactions {
	struct bm_transaction *slots;
	size_t capacity;  /* a power of two, 0 before the first */
	uint64_t first;   /* the oldest whose events were not all fetched */
	uint64_t settled; /* those before it are settled */
	uint64_t saying;  /* the one of which something is to be said or may have to be */
	uint64_t next;    /* the next to be submitted */
};

struct bm_smtp {
	char *domain;
	bool lmtp;
	bool wrapped;
	enum bm_smtp_tls tls;
	const struct bm_sasl_options *login; /* NULL: no AUTH */
	uint64_t timeout_ms;
	enum bm_smtp_pipelining pipelining; /* as wished */
	enum bm_smtp_pipelining mode;       /* as it is */
	size_t depth;
	bool tell;
	uint64_t *tally;
	uint64_t errors;

	bool greeted;
	bool shaking;   /* SECURE was queued: the handshake is under way, and the peer has nothing to say to us */
	bool cancelled; /* "*" was said to a challenge: whatever comes, it is the server's lie that ended it */
	bool secured;   /* bm_smtp_secured was called, and nothing else sets it */
	bool put_off;   /* 4yz was said to STARTTLS: a later session may be secured */
	bool ready;     /* READY was queued */
	bool quitting;  /* QUIT was said */
	bool dirty;     /* an aborted transaction may be open: RSET before the next */
	bool begun;     /* something of a transaction was said */
	bool starved;   /* memory was short: the session ends with this verb */
	bool lingers;   /* the server ends the session: nothing more is said, but what was may yet be answered */
	bool closed;
	bool closed_told;

	struct bm_reply_parser parser;
	uint64_t reply_since; /* octets sent when the reply being parsed began */
	bool borrowed;        /* the reply being answered is the caller's memory, not the parser's */
	struct bm_pipeline pipeline;
	struct bm_queue queue;

	struct bm_output output;
	uint64_t block_since_ms;
	struct bm_buf talk_body; /* content given to talk */
	struct bm_span talk_span;
	bool talk_content; /* 354 was read to a talk: content is next */
	bool talk_ending;  /* and was given: its reply is due */

	struct bm_smtp_channel channel;           /* of a session that is secured */
	struct bm_smtp_capabilities listed;       /* by the last EHLO */
	struct bm_smtp_capabilities capabilities; /* the same once READY */
	struct bm_buf hello_raw;
	struct bm_reply hello; /* the reply to EHLO, code 0 without one */

	struct bm_sasl *sasl;   /* while it logs in */
	struct bm_buf response; /* what it said last, until that was answered */
	char hidden[48];        /* a reply to it that is not shown as it is */

	uint64_t mails; /* MAIL commands said or sure to be said */
	struct bm_transactions transactions;
	struct bm_smtp_event closing;
	struct bm_buf closing_raw; /* of a session that lingers: its last word */
	uint64_t linger_since_ms;
	struct bm_error trouble; /* its text is the reason of the close where no static one says enough */
};

/* A reply and the command it answers. */
struct bm_answer {
	struct bm_expected expected;
	struct bm_transaction *tx; /* whose command it was, or NULL */
	struct bm_reply reply;
	uint64_t now_ms;
};

/* machine.c */

/* Says one command out of parts (a part without octets is skipped). tx: whose it is, or NULL. */
void bm_machine_say(struct bm_smtp *smtp, enum bm_smtp_command command, struct bm_transaction *tx,
	const struct bm_span *parts, size_t count, uint64_t now_ms);
/* The same for AUTH: the octets are wiped once they are sent, and events show what is given for them. */
void bm_machine_say_secret(
	struct bm_smtp *smtp, const struct bm_span *parts, size_t count, struct bm_span shown, uint64_t now_ms);
/* True when one more command of the group may be said now. */
bool bm_machine_has_room(const struct bm_smtp *smtp);
/* Says content; what answers it is expected as command. */
void bm_machine_write(struct bm_smtp *smtp, enum bm_smtp_command command, struct bm_transaction *tx,
	const struct bm_content *content, uint64_t now_ms);
/* Says "BDAT n LAST" and content. */
void bm_machine_chunk(
	struct bm_smtp *smtp, struct bm_transaction *tx, const struct bm_content *content, uint64_t now_ms);
/* number: of the transaction it is about, 0 when it is about none. */
void bm_machine_queue(struct bm_smtp *smtp, const struct bm_smtp_event *event, uint64_t number);
void bm_machine_ready(struct bm_smtp *smtp);
/* Ends the session and decides what is undecided. reply may be NULL. */
void bm_machine_close(struct bm_smtp *smtp, enum bm_smtp_end end, enum bm_smtp_command command,
	const struct bm_reply *reply, const char *reason);
/* The server ends the session by this answer. What is behind it was not done, unless the server goes on all the same:
 * where an end of data is out its close is awaited, and answers count. */
void bm_machine_leave(struct bm_smtp *smtp, enum bm_smtp_end end, const struct bm_answer *answer, const char *reason);
/* It lingers and nothing is awaited any more, or its connection has gone. */
void bm_machine_part(struct bm_smtp *smtp, bool undone);
/* Keeps the octets of the reply being answered in raw; reply's span follows. Without memory its text is lost. */
void bm_machine_keep(struct bm_smtp *smtp, struct bm_reply *reply, struct bm_buf *raw);
/* True while the next octet to be sent is one of content. */
bool bm_machine_is_writing(const struct bm_smtp *smtp);
/* The place of the block of content that is being written. */
uint64_t bm_machine_block(const struct bm_smtp *smtp);
/* What the session waits for. */
enum bm_smtp_command bm_machine_awaited(const struct bm_smtp *smtp);
uint64_t bm_machine_time_out(const struct bm_smtp *smtp, enum bm_smtp_command command);
const char *bm_machine_time_out_reason(enum bm_smtp_command command);
/* A whole reply: finds its command and acts. */
void bm_machine_answer(struct bm_smtp *smtp, struct bm_answer *answer);

/* action.c */

void bm_action_take(struct bm_smtp *smtp, struct bm_answer *answer);
/* A reply that cannot answer its command: we and the server do not count alike. */
void bm_action_stray(struct bm_smtp *smtp, struct bm_answer *answer);

/* opening.c */

void bm_opening_start(struct bm_smtp *smtp, uint64_t now_ms);
void bm_opening_greeted(struct bm_smtp *smtp, struct bm_answer *answer);
/* 2yz to EHLO or LHLO, 5yz to EHLO, 2yz to HELO. */
void bm_opening_learn(struct bm_smtp *smtp, struct bm_answer *answer);
void bm_opening_fall_back(struct bm_smtp *smtp, struct bm_answer *answer);
void bm_opening_known(struct bm_smtp *smtp, struct bm_answer *answer);
/* What answers STARTTLS, then what ends the phase TLS. */
void bm_opening_shake(struct bm_smtp *smtp, struct bm_answer *answer);
void bm_opening_unshaken(struct bm_smtp *smtp, struct bm_answer *answer);
void bm_opening_secured(struct bm_smtp *smtp, const struct bm_smtp_channel *channel, uint64_t now_ms);
void bm_opening_not_secured(struct bm_smtp *smtp, const char *reason);

/* login.c */

/* Says AUTH, or ends the session when there is no way to. */
void bm_login_begin(struct bm_smtp *smtp, uint64_t now_ms);
/* What answers AUTH: 2yz, 3yz, 4yz or 5yz, 421. */
void bm_login_taken(struct bm_smtp *smtp, struct bm_answer *answer);
void bm_login_challenged(struct bm_smtp *smtp, struct bm_answer *answer);
void bm_login_refused(struct bm_smtp *smtp, struct bm_answer *answer);
void bm_login_left(struct bm_smtp *smtp, struct bm_answer *answer);
/* The reply's text, when it repeats what was said, is another from here on. */
void bm_login_hide(struct bm_smtp *smtp, struct bm_reply *reply);
/* Forgets all that it knows of secrets. */
void bm_login_wipe(struct bm_smtp *smtp);

/* transaction.c */

void bm_transactions_deinit(struct bm_transactions *txs);
/* Those whose events were not all fetched. */
size_t bm_transactions_held(const struct bm_transactions *txs);
/* The oldest one is number txs->first. */
static inline struct bm_transaction *bm_transactions_get(const struct bm_transactions *txs, uint64_t number)
{
	return &txs->slots[number & (txs->capacity - 1)];
}
enum bm_code bm_transaction_check(
	const struct bm_smtp *smtp, const struct bm_smtp_transaction *given, struct bm_error *err) BM_MUST_CHECK;
enum bm_code bm_transaction_begin(
	struct bm_smtp *smtp, const struct bm_smtp_transaction *given, struct bm_error *err) BM_MUST_CHECK;
void bm_transaction_settle(struct bm_transaction *tx);
/* 4yz or 5yz: what it means for all undecided recipients. The first such reply counts. */
void bm_transaction_fail(struct bm_smtp *smtp, const struct bm_answer *answer);
/* It was refused, but may have been done all the same. */
void bm_transaction_doubt(struct bm_transaction *tx);
/* 421: nobody is to blame. */
void bm_transaction_put_back(struct bm_smtp *smtp, const struct bm_answer *answer);
void bm_transaction_accept(struct bm_smtp *smtp, const struct bm_answer *answer);
void bm_transaction_recipient_taken(struct bm_smtp *smtp, const struct bm_answer *answer);
void bm_transaction_recipient_refused(struct bm_smtp *smtp, const struct bm_answer *answer);
/* LMTP: the next of those taken has its reply to the end of data. */
void bm_transaction_end_one(struct bm_smtp *smtp, const struct bm_answer *answer);
/* The session ended with these under way. */
void bm_transactions_abandon(struct bm_smtp *smtp, bool undone, const char *reason);
/* The end of data of one or more is out, and the answers are not all there. */
bool bm_transactions_are_out(const struct bm_smtp *smtp);
/* The next event of the oldest when it is settled; a transaction's last is BM_SMTP_TRANSACTION. */
bool bm_transaction_next_event(struct bm_smtp *smtp, struct bm_smtp_event *event);

/* envelope.c */

/* Transactions of which something is said and that are not settled. */
size_t bm_envelope_open_count(const struct bm_smtp *smtp);
/* Says what may be said now; settles those of which nothing is left to say, to send or to wait for. */
void bm_envelope_advance(struct bm_smtp *smtp, uint64_t now_ms);
/* 354 was read. */
void bm_envelope_content(struct bm_smtp *smtp, const struct bm_answer *answer);

#endif
