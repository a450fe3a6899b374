/* SPDX-License-Identifier: MIT */
/* The inside of a session, for the files of the session only. */
#ifndef BM_SINK_SESSION_PRIVATE_H
#define BM_SINK_SESSION_PRIVATE_H

#include "sink/command.h"
#include "sink/content.h"
#include "sink/session.h"
#include "sink/violation.h"

enum bm_sink_state {
	BM_SINK_S_CONNECT,
	BM_SINK_S_HANDSHAKE, /* TLS is due */
	BM_SINK_S_SHAKING,   /* and under way */
	BM_SINK_S_GREETING,
	BM_SINK_S_COMMAND,
	BM_SINK_S_SKIP,    /* the rest of a line that is too long */
	BM_SINK_S_CONTENT, /* behind 354 */
	BM_SINK_S_CHUNK,   /* octets of a BDAT */
	BM_SINK_S_END,     /* all of a content or chunk is there, not answered yet */
};

struct bm_sink_transaction {
	bool open;       /* MAIL was accepted */
	bool mail_tried; /* MAIL came; what rides behind a refused one is no violation */
	bool rcpt_tried;
	bool chunked; /* a BDAT came */
	bool failed;  /* a chunk was refused: only RSET helps (RFC 3030, 2) */
	bool utf8;
	bool eight;
	bool binary;
	bool has_size;
	uint64_t size; /* declared */
	uint64_t recipient_count;
	uint32_t seen;      /* violations, as bits */
	struct bm_buf mail; /* the command line */
	struct bm_buf sender;
	struct bm_buf mail_params;
	struct bm_buf recipients; /* each address and its parameters end in NUL */
	struct bm_buf refused;    /* each address ends in NUL */
};

struct bm_sink_login {
	bool active;                       /* the next line is a response */
	bool done;                         /* who it is was proven */
	bool initial;                      /* AUTH came with a response */
	struct bm_sink_exchange *exchange; /* NULL: none, or it is all the script's */
	struct bm_buf mechanism;
	struct bm_buf user;
	struct bm_buf text; /* of a 334 */
};

struct bm_sink_session {
	struct bm_sink_shared *shared;
	uint64_t number;
	enum bm_sink_state state;
	enum bm_sink_action action;
	struct bm_buf in;   /* input that had to wait */
	struct bm_span cur; /* input at hand, during feed and tick only */
	struct bm_buf out;
	struct bm_buf drip; /* goes out one octet at a time */
	bool drip_wire;     /* it is TLS's own */
	uint64_t drip_ms;
	uint64_t drip_at;
	uint64_t segment;

	struct bm_sink_tls *tls; /* NULL: in clear */
	struct bm_buf wire;      /* with TLS: what goes out */
	bool secure;             /* the handshake is done */
	bool truncated;          /* the end goes without close_notify */
	bool torn;               /* and without the last octet of what is before it */
	const struct bm_sink_rule *shake_rule;
	uint64_t shake_left; /* octets that the server still says in the handshake */

	enum bm_sink_flood flood;
	int flood_code;
	uint64_t flood_left;
	uint64_t flood_ms; /* 0: as fast as it can */
	uint64_t flood_at;
	uint64_t flood_until;

	uint64_t *seen; /* of the rules that count on each connection anew */
	bool pipelined; /* what comes next was there before the last reply */
	bool chosen;    /* the event at hand has had its rule looked up */
	const struct bm_sink_rule *rule;
	uint64_t wake; /* the event at hand waits until then */

	const struct bm_sink_rule *tail; /* its postsend and its end are still to come */
	uint64_t tail_at;

	bool stalled; /* never answers again */
	bool deaf;    /* does not even read */
	bool broken;  /* no memory: to be reset */
	bool quit;    /* to be closed once all is said */
	bool shut;    /* the greeting was a refusal */
	bool greeted;
	bool esmtp;       /* EHLO was accepted */
	uint32_t offered; /* extensions, by the reply to EHLO */
	bool bad;         /* the command line at hand is malformed */
	struct bm_buf helo;
	struct bm_buf reply; /* to the event at hand */
	struct bm_buf chunk; /* the BDAT line */
	uint64_t chunk_left;
	bool chunk_last;
	uint64_t number_given; /* the content's in the record; 0: it has none yet */
	struct bm_span due;    /* LMTP: recipients that have no reply to the content yet */
	bool taken;            /* by one of the others */
	char hash[BM_SINK_HASH_HEX];
	uint64_t trip; /* octets of content at which a rule waits */
	struct bm_sink_login login;
	struct bm_sink_transaction transaction;
	struct bm_sink_content content;
};

/* session.c */

/* Finds the rule for an event and waits for its delay: false while it lasts. */
bool bm_sink_gate(struct bm_sink_session *session, uint32_t events, struct bm_span line);

/* Makes the reply by the rule at hand or else the usual one (text NULL: that to EHLO); returns its code, 0 for none or
   garbage. */
int bm_sink_decide(struct bm_sink_session *session, int code, const char *enhanced, const char *text);

/* Sends what was decided and does what else the rule wants. */
void bm_sink_deliver(struct bm_sink_session *session);

/* Both; returns the code that counts: the usual one when the rule sends nothing. */
int bm_sink_answer(struct bm_sink_session *session, int code, const char *enhanced, const char *text);

/* What a rule does beside its reply. */
void bm_sink_apply(struct bm_sink_session *session, const struct bm_sink_rule *rule);

/* A rule that ends or silences the session sends no usual reply. */
bool bm_sink_rule_is_mute(const struct bm_sink_rule *rule);

/* Works off the input that waits. */
void bm_sink_run_waiting(struct bm_sink_session *session);

/* Greeting name, extensions and transaction are as if they had never been. */
void bm_sink_forget(struct bm_sink_session *session);

/* Counts it, for the transaction at hand or as a line of the record. */
void bm_sink_report(struct bm_sink_session *session, enum bm_sink_violation violation, struct bm_span line);

/* Drops a prefix of the input at hand. */
void bm_sink_take(struct bm_sink_session *session, size_t size);

/* Ends the transaction; what it did wrong is reported now. */
void bm_sink_transaction_clear(struct bm_sink_session *session);

bool bm_sink_offers(const struct bm_sink_session *session, enum bm_sink_extension extension);

/* Appends or marks the session as broken. */
void bm_sink_put(struct bm_sink_session *session, struct bm_buf *to, struct bm_span span);

/* handshake.c */

bool bm_sink_step_handshake(struct bm_sink_session *session);
bool bm_sink_step_shaking(struct bm_sink_session *session);
void bm_sink_unseal(struct bm_sink_session *session);
void bm_sink_seal(struct bm_sink_session *session);
void bm_sink_rekey(struct bm_sink_session *session, uint64_t times);

/* flood.c */

/* Changes the reply at hand into the beginning of the flood. */
void bm_sink_flood_start(struct bm_sink_session *session, const struct bm_sink_rule *rule);

/* The next part of it. */
void bm_sink_flood(struct bm_sink_session *session);

/* commands.c */

/* Each returns true when the session can go on. */
bool bm_sink_step_command(struct bm_sink_session *session);
bool bm_sink_step_skip(struct bm_sink_session *session);

/* params.c */

enum bm_sink_params {
	BM_SINK_PARAMS_RIGHT,
	BM_SINK_PARAMS_UNKNOWN,
	BM_SINK_PARAMS_WRONG,
};

/* Takes what MAIL's say into the transaction. */
enum bm_sink_params bm_sink_params_check(
	struct bm_sink_session *session, enum bm_sink_event verb, struct bm_span params);

/* login.c */

void bm_sink_login_init(struct bm_sink_login *login);
void bm_sink_login_deinit(struct bm_sink_login *login);
void bm_sink_do_auth(struct bm_sink_session *session, const struct bm_sink_command *command);
void bm_sink_do_response(struct bm_sink_session *session, const struct bm_sink_command *command);

/* transfer.c */

void bm_sink_content_start(struct bm_sink_session *session);
bool bm_sink_step_content(struct bm_sink_session *session);
bool bm_sink_step_chunk(struct bm_sink_session *session);
bool bm_sink_step_end(struct bm_sink_session *session);

/* record.c */

/* recipients: as those of the transaction. */
struct bm_sink_result {
	bool accepted;
	uint64_t number;
	struct bm_span recipients;
};

/* Takes the next text up to its NUL off a list. */
struct bm_span bm_sink_next_entry(struct bm_span *list);

/* Adds the transaction's line to the log. */
void bm_sink_record_transaction(struct bm_sink_session *session, const struct bm_sink_result *result);

/* How the handshake went. */
void bm_sink_record_tls(struct bm_sink_session *session);

/* Who tried to log in, how, and whether it worked. Never with what. */
void bm_sink_record_auth(struct bm_sink_session *session, bool success);
void bm_sink_record_violation(struct bm_sink_session *session, enum bm_sink_violation violation, struct bm_span line);

#endif
