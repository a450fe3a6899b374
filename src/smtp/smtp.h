/* SPDX-License-Identifier: MIT */
/*
 * The SMTP client as a machine without I/O and without a clock: octets and time go in,
 * octets and events come out. It owns one session over one connection (RFC 5321), with
 * PIPELINING (RFC 2920), CHUNKING (RFC 3030), SIZE (RFC 1870), 8BITMIME (RFC 6152), enhanced codes (RFC 2034),
 * LIMITS (RFC 9422), STARTTLS (RFC 3207), AUTH (RFC 4954), SMTPUTF8 (RFC 6531), DSN (RFC 3461) and REQUIRETLS (RFC
 * 8689); or LMTP (RFC 2033). Several transactions may be under way at once; how far they overlap is the pipelining
 * mode.
 *
 * Times are milliseconds of any monotonic clock, passed by the caller. The machine never
 * calls back: it queues events, to be fetched by bm_smtp_next_event until there are none.
 *
 * Invariants: replies are matched to commands by count alone, in a FIFO of expected
 * replies. Every recipient submitted gets exactly one BM_SMTP_RECIPIENT event and then every
 * transaction one BM_SMTP_TRANSACTION event, also when the session ends. `accepted` is
 * said only after the positive reply to the end of data (to its BDAT); once the last octet of the end of data was
 * sent (bm_smtp_sent) and no reply came, its recipients are in doubt, never anything else, unless a 421 or a refused
 * RSET before it says that the server did not get that far. Nothing follows BM_SMTP_CLOSED.
 */
#ifndef BM_SMTP_SMTP_H
#define BM_SMTP_SMTP_H

#include "base/span.h"
#include "bulkmail/errors.h"
#include "smtp/reply.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define BM_SMTP_NEVER UINT64_MAX

struct bm_smtp;

enum bm_smtp_pipelining {
	BM_SMTP_PIPELINING_OFF,      /* one command at a time */
	BM_SMTP_PIPELINING_ENVELOPE, /* RSET?, MAIL, RCPT…, DATA as one group, when the server offers PIPELINING */
	BM_SMTP_PIPELINING_MESSAGE,  /* the next envelope also rides behind the end of data: one round trip a message */
	BM_SMTP_PIPELINING_STREAM,   /* with CHUNKING: RSET, MAIL, RCPT…, BDAT n LAST back to back over many messages */
};

/*
 * What a reply is expected for: X(name, time-out in ms (RFC 5321, 4.5.3.2; TLS, RSET and QUIT are ours), what to call
 * it). BODY and TLS are no commands: they are the phases of writing content, per block, and of the handshake.
 */
#define BM_SMTP_COMMANDS(X)                                                                                            \
	X(GREETING, 300000, "greeting")                                                                                    \
	X(EHLO, 300000, "EHLO")                                                                                            \
	X(HELO, 300000, "HELO")                                                                                            \
	X(LHLO, 300000, "LHLO")                                                                                            \
	X(STARTTLS, 300000, "STARTTLS")                                                                                    \
	X(TLS, 60000, "TLS handshake")                                                                                     \
	X(AUTH, 300000, "AUTH")                                                                                            \
	X(MAIL, 300000, "MAIL")                                                                                            \
	X(RCPT, 300000, "RCPT")                                                                                            \
	X(DATA, 120000, "DATA")                                                                                            \
	X(BODY, 180000, "content")                                                                                         \
	X(END_OF_DATA, 600000, "end of data")                                                                              \
	X(BDAT, 600000, "BDAT")                                                                                            \
	X(RSET, 20000, "RSET")                                                                                             \
	X(TALK, 300000, "command")                                                                                         \
	X(QUIT, 2000, "QUIT")

enum bm_smtp_command {
#define BM_SMTP_COMMAND_ENUM(name, timeout_ms, text) BM_SMTP_##name,
	BM_SMTP_COMMANDS(BM_SMTP_COMMAND_ENUM)
#undef BM_SMTP_COMMAND_ENUM
};

/* "RCPT", "end of data" … Never NULL. */
const char *bm_smtp_command_name(enum bm_smtp_command command);

/* How much TLS a session must have (Postfix's words). Who the peer is the stream underneath decides. */
enum bm_smtp_tls {
	BM_SMTP_TLS_NONE,   /* STARTTLS is never said */
	BM_SMTP_TLS_MAY,    /* said when it is offered; without it, or when it is refused, the session goes on as it is */
	BM_SMTP_TLS_DEMAND, /* without it the session ends, nothing else being said */
};

struct bm_sasl_options;

/* What bm_smtp_secured is told of the handshake. */
struct bm_smtp_channel {
	bool verified;       /* the peer is who it should be, by certificate or pin */
	const char *binding; /* "tls-exporter" (RFC 9266), "tls-unique" (RFC 5929); NULL: none; static */
	struct bm_span binding_data;
};

struct bm_smtp_options {
	size_t size;
	const char *domain;                 /* argument of EHLO and HELO; copied; no control octets */
	uint64_t timeout_ms;                /* over every phase; 0: the table's, QUIT keeps its own */
	enum bm_smtp_pipelining pipelining; /* the highest that may be used; EHLO may allow less */
	size_t depth;                       /* STREAM: transactions unanswered at most; 1 to 1,024 */
	bool tell;                          /* SAID and REPLY events too */
	uint64_t *tally;                    /* 600 counters, one for each reply code, borrowed; NULL: none */
	bool lmtp;                          /* RFC 2033: LHLO, and at the end of data one reply for each recipient taken */
	bool wrapped;                       /* implicit TLS: the handshake comes before the greeting */
	enum bm_smtp_tls tls;
	const struct bm_sasl_options *sasl; /* whom to log in as; borrowed until CLOSED; NULL: no AUTH */
};

#define BM_SMTP_OPTIONS_INIT                                                                                           \
	{                                                                                                                  \
		.size = sizeof(struct bm_smtp_options), .pipelining = BM_SMTP_PIPELINING_ENVELOPE, .depth = 32, .tell = true   \
	}

/*
 * One transaction. Everything in it is borrowed and must stay as it is until its BM_SMTP_TRANSACTION
 * event was fetched.
 */
struct bm_smtp_transaction {
	uint64_t id;                      /* the caller's, handed back in events */
	struct bm_span sender;            /* empty: the null reverse-path */
	const struct bm_span *recipients; /* addr-specs */
	size_t recipient_count;           /* at least 1 */
	const struct bm_span *content;    /* wire form: CR LF only, dot-stuffed, ends in CR LF or is empty */
	size_t content_count;
	const struct bm_span *plain; /* the same without stuffing, for BDAT; NULL: nothing in content is stuffed */
	size_t plain_count;
	uint64_t size_bytes; /* for SIZE: without stuffing and terminator */
	bool eight_bit;      /* BODY=8BITMIME */
	size_t window;       /* RCPTs unanswered at most; 0: as many as fit */
	/* After so many refused RCPTs no more are said: those not reached are put back unanswered. 0: never. */
	size_t refusals_max;
	bool utf8;        /* SMTPUTF8 (RFC 6531, 3.4): addresses may be UTF-8 */
	bool require_tls; /* REQUIRETLS (RFC 8689) */
	/* RFC 3461, said where the server offers DSN and left away where it does not. */
	const char *ret;      /* "FULL", "HDRS"; NULL: not said */
	struct bm_span envid; /* as it is, said as xtext; empty: not said */
	const char *notify;   /* "NEVER", "SUCCESS,FAILURE" …: NOTIFY and ORCPT with every RCPT; NULL: neither */
};

/* What became of one recipient within one transaction. */
enum bm_smtp_disposition {
	BM_SMTP_ACCEPTED, /* the message is the server's */
	BM_SMTP_REFUSED,  /* 5yz to MAIL, its RCPT, DATA, BDAT or the end of data */
	BM_SMTP_DEFERRED, /* 4yz to one of these */
	BM_SMTP_CROWDED,  /* 452 or 552 to its RCPT behind others that were taken: send at once in another transaction */
	BM_SMTP_PUT_BACK, /* untried: the session ended before it (421 too), its RCPT was not reached, or see stumbled */
	BM_SMTP_IN_DOUBT, /* end of data was sent and no reply was read */
};

/* Why a session is over. */
enum bm_smtp_end {
	BM_SMTP_END_QUIT,        /* we said QUIT */
	BM_SMTP_END_GREETING,    /* the greeting was 4yz or 5yz */
	BM_SMTP_END_HELO,        /* EHLO got 4yz, or HELO 4yz or 5yz */
	BM_SMTP_END_421,         /* 421, to whatever or to nothing */
	BM_SMTP_END_OUT_OF_STEP, /* a reply that does not parse, too many, or of the wrong class (design, 3) */
	BM_SMTP_END_TIMEOUT,     /* a phase deadline passed */
	BM_SMTP_END_LOST,        /* the peer closed or the connection broke */
	BM_SMTP_END_RSET,        /* RSET was refused */
	BM_SMTP_END_NOMEM,       /* no memory to go on */
	BM_SMTP_END_TLS,         /* no TLS where it is demanded, or the handshake failed */
	BM_SMTP_END_AUTH,        /* we are not logged in; see final */
};

enum bm_smtp_event_kind {
	BM_SMTP_SAID,   /* a command, or content, was put into the output */
	BM_SMTP_REPLY,  /* a reply was matched to a command */
	BM_SMTP_SECURE, /* the handshake is next: nothing else is read or written until bm_smtp_secured */
	BM_SMTP_READY,  /* greeted, secured and logged in as far as asked for; capabilities are known; idle */
	BM_SMTP_RECIPIENT,
	BM_SMTP_TRANSACTION, /* every recipient of it has had its event, none of the next: in the order of submit */
	BM_SMTP_CLOSED,      /* last event; close the connection */
};

/*
 * Spans and reply are valid until the next call of bm_smtp_next_event or any other verb. Of a reply of more than 4 KiB
 * only the first lines are told, but for EHLO and talk. What AUTH says is told as "AUTH PLAIN (secret)" and "(secret)",
 * a challenge as "(challenge)", and a reply that repeats a secret is not told as it is.
 */
struct bm_smtp_event {
	enum bm_smtp_event_kind kind;
	enum bm_smtp_command
		command; /* SAID, REPLY; RECIPIENT: whose reply decided; CLOSED: what was being waited for, TALK when idle */
	struct bm_span said;                  /* SAID: the command without CR LF; of content the first 64 octets */
	size_t said_size;                     /* SAID: size of all that is said; of content with its end */
	struct bm_reply reply;                /* REPLY; RECIPIENT and CLOSED when a reply decided, else code is 0 */
	uint64_t id;                          /* RECIPIENT, TRANSACTION */
	size_t recipient;                     /* RECIPIENT: index */
	enum bm_smtp_disposition disposition; /* RECIPIENT */
	bool answered;                        /* RECIPIENT: a reply about it (or its transaction) was read */
	enum bm_smtp_end end;                 /* CLOSED */
	bool unsent;                          /* CLOSED: part of what was said last had not left yet */
	bool final;                           /* CLOSED, END_AUTH: another try would fare no better */
	/*
	 * TRANSACTION, CLOSED: the server does not bear how far we pipeline: a 503 to a pipelined command that no other
	 * refusal explains (who it hits is put back with it), a reply out of step, a stall behind pipelined commands.
	 * RECIPIENT: put back for that.
	 */
	bool stumbled;
	const char *reason; /* CLOSED: one line for people; RECIPIENT: why, when no reply decided, else NULL */
};

/* A machine that waits for the greeting from now on. BM_E_USAGE for a domain that is empty or has controls. */
enum bm_code bm_smtp_new(
	struct bm_smtp **out, const struct bm_smtp_options *options, uint64_t now_ms, struct bm_error *err) BM_MUST_CHECK;
void bm_smtp_free(struct bm_smtp *smtp);

/*
 * The handshake that SECURE asked for is done. All that was learned before is forgotten and EHLO is said (RFC 3207,
 * 4.2), or the greeting is awaited. When it failed: bm_smtp_lost.
 */
void bm_smtp_secured(struct bm_smtp *smtp, const struct bm_smtp_channel *channel, uint64_t now_ms);

/* How many octets the reply at hand may still have: nobody needs to read more at once. Never 0 before CLOSED. */
size_t bm_smtp_reply_room(const struct bm_smtp *smtp);

/* Octets from the peer. Never fails: what is wrong becomes events. */
void bm_smtp_feed(struct bm_smtp *smtp, const void *data, size_t size, uint64_t now_ms);

/*
 * The peer closed its side, or reading or writing failed, or the handshake. reason is a static string; during the
 * handshake any, which is copied.
 */
void bm_smtp_lost(struct bm_smtp *smtp, const char *reason, uint64_t now_ms);

/* We leave without a word: that the server closed says nothing then. */
void bm_smtp_cut(struct bm_smtp *smtp, const char *reason, uint64_t now_ms);

/*
 * Puts up to max spans of what is to be written next into spans and returns how many; 0: nothing
 * now. They may reach over many transactions. Valid until the next call of another verb. Bounded: at most 64 KiB of
 * commands, content as borrowed.
 */
size_t bm_smtp_output(struct bm_smtp *smtp, struct bm_span *spans, size_t max);

/* The first size octets of the output were handed to the system. */
void bm_smtp_sent(struct bm_smtp *smtp, size_t size, uint64_t now_ms);

/* True and *event filled; false when there is none. */
bool bm_smtp_next_event(struct bm_smtp *smtp, struct bm_smtp_event *event);

/* When bm_smtp_tick must be called at the latest; BM_SMTP_NEVER without a deadline. */
uint64_t bm_smtp_deadline(const struct bm_smtp *smtp);
void bm_smtp_tick(struct bm_smtp *smtp, uint64_t now_ms);

/* Ready for talk and quit: greeted, nothing under way, not closed. */
bool bm_smtp_idle(const struct bm_smtp *smtp);

/*
 * Transactions that submit takes now: 0 when not greeted, closed, quitting, talking, or when MAILMAX (RFC 9422) is
 * used up. OFF, ENVELOPE: 1 when idle. MESSAGE: 1 while at most one is under way. STREAM: depth less those under way.
 * One is under way until its BM_SMTP_TRANSACTION event was fetched.
 */
size_t bm_smtp_room(const struct bm_smtp *smtp);

/* SAID and REPLY events from now on, or no more; see options. */
void bm_smtp_set_tell(struct bm_smtp *smtp, bool tell);

/* See options; before the first submit, when the round trip has become known. */
void bm_smtp_set_depth(struct bm_smtp *smtp, size_t depth);

/* How far it pipelines over this session, by options and EHLO. OFF before READY. */
enum bm_smtp_pipelining bm_smtp_mode(const struct bm_smtp *smtp);

/* 4yz and 5yz replies so far. */
uint64_t bm_smtp_errors(const struct bm_smtp *smtp);

/*
 * Takes a transaction. BM_E_USAGE when bm_smtp_room is 0; BM_E_LIMIT for more recipients than RCPTMAX (RFC 9422);
 * BM_E_ADDRESS when sender or a recipient holds a control octet, one above 0x7f (with utf8: what is no UTF-8) or is too
 * long for a command, or a recipient is empty; BM_E_MESSAGE when the content does not end in CR LF; BM_E_USAGE for an
 * envid above 100 octets or not printable ASCII, and for a ret or notify that RFC 3461 does not know. BM_E_UNSUPPORTED:
 * 8-bit content without 8BITMIME, utf8 without SMTPUTF8, require_tls without REQUIRETLS over a verified channel. On an
 * error nothing was taken. A message above the server's SIZE is taken and its recipients are refused at once with code
 * 552 and 5.3.4 (RFC 1870, 6.1), no command being said.
 */
enum bm_code bm_smtp_submit(struct bm_smtp *smtp, const struct bm_smtp_transaction *transaction, uint64_t now_ms,
	struct bm_error *err) BM_MUST_CHECK;

/*
 * Says one command as it is given, without CR LF (copied). After a REPLY of 354 to a talk, the next talk is
 * content (then submit and quit are BM_E_USAGE): CR LF line ends, its last line a lone dot. BM_E_USAGE when not idle,
 * empty, with control octets, or content without its end. One reply is read, also of LMTP's to content: a second one
 * ends the session.
 */
enum bm_code bm_smtp_talk(
	struct bm_smtp *smtp, struct bm_span text, uint64_t now_ms, struct bm_error *err) BM_MUST_CHECK;

/* Says QUIT when idle (nothing otherwise, BM_E_USAGE); CLOSED follows within the time-out whatever comes. */
enum bm_code bm_smtp_quit(struct bm_smtp *smtp, uint64_t now_ms, struct bm_error *err) BM_MUST_CHECK;

/* What EHLO listed. */
struct bm_smtp_capabilities {
	bool esmtp; /* EHLO was accepted */
	bool pipelining;
	bool eight_bit_mime;
	bool enhanced_status_codes;
	bool chunking;
	bool size;         /* SIZE was listed */
	uint64_t size_max; /* octets, 0 = not stated */
	bool starttls;
	bool smtputf8;
	bool dsn;
	bool require_tls;  /* REQUIRETLS was listed, and the channel is verified (RFC 8689, 4.2.1) */
	bool auth;         /* AUTH was listed */
	bool secured;      /* by TLS */
	bool verified;     /* the peer is who it should be */
	uint64_t mail_max; /* LIMITS (RFC 9422); 0: none stated */
	uint64_t rcpt_max;
	uint64_t rcpt_domain_max;
};

/* Owned by the machine; all false before READY and after CLOSED. */
const struct bm_smtp_capabilities *bm_smtp_capabilities(const struct bm_smtp *smtp);

/* Line index of the EHLO reply after the first, as received without code ("SIZE 1000"); empty beyond the last. */
struct bm_span bm_smtp_keyword(const struct bm_smtp *smtp, size_t index);

#endif
