/* SPDX-License-Identifier: MIT */
/*
 * The rules of a script, see bulkmail-sink(5). Each rule counts the events that it
 * fits over the whole run, whichever rule wins in the end; the first one that fits wins.
 */
#ifndef BM_SINK_SCRIPT_H
#define BM_SINK_SCRIPT_H

#include "base/span.h"
#include "bulkmail/errors.h"

#include <regex.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The names are those of "on". */
#define BM_SINK_EVENTS(X)                                                                                              \
	X(CONNECT, "connect")                                                                                              \
	X(HANDSHAKE, "handshake")                                                                                          \
	X(GREETING, "greeting")                                                                                            \
	X(CONTENT, "content")                                                                                              \
	X(END, "end")                                                                                                      \
	X(HELO, "HELO")                                                                                                    \
	X(EHLO, "EHLO")                                                                                                    \
	X(LHLO, "LHLO")                                                                                                    \
	X(MAIL, "MAIL")                                                                                                    \
	X(RCPT, "RCPT")                                                                                                    \
	X(DATA, "DATA")                                                                                                    \
	X(BDAT, "BDAT")                                                                                                    \
	X(RSET, "RSET")                                                                                                    \
	X(NOOP, "NOOP")                                                                                                    \
	X(VRFY, "VRFY")                                                                                                    \
	X(HELP, "HELP")                                                                                                    \
	X(AUTH, "AUTH")                                                                                                    \
	X(STARTTLS, "STARTTLS")                                                                                            \
	X(QUIT, "QUIT")                                                                                                    \
	X(OTHER, "other")

enum bm_sink_event {
#define BM_SINK_EVENT_MEMBER(name, text) BM_SINK_ON_##name,
	BM_SINK_EVENTS(BM_SINK_EVENT_MEMBER)
#undef BM_SINK_EVENT_MEMBER
		BM_SINK_ON_COUNT
};

const char *bm_sink_event_name(enum bm_sink_event event);

static inline uint32_t bm_sink_event_bit(enum bm_sink_event event)
{
	return UINT32_C(1) << event;
}

enum bm_sink_set_kind {
	BM_SINK_SET_ALL,
	BM_SINK_SET_LIST,
	BM_SINK_SET_EVERY,
	BM_SINK_SET_FROM,
};

/* Which of 1, 2, 3… are meant. */
struct bm_sink_set {
	enum bm_sink_set_kind kind;
	uint64_t value; /* of every and from */
	uint64_t *list;
	size_t count;
};

enum bm_sink_where {
	BM_SINK_ANYWHERE,
	BM_SINK_IN_CLEAR,
	BM_SINK_INSIDE_TLS,
};

enum bm_sink_flood {
	BM_SINK_NO_FLOOD,
	BM_SINK_FLOOD_LINE,
	BM_SINK_FLOOD_LINES,
	BM_SINK_FLOOD_REPLIES,
};

/* What is wrong with a SCRAM exchange. */
enum bm_sink_lie {
	BM_SINK_NO_LIE,
	BM_SINK_LIE_SIGNATURE,
	BM_SINK_LIE_ITERATIONS,
	BM_SINK_LIE_NONCE,
	BM_SINK_LIE_SALT,
	BM_SINK_LIE_NO_FINAL,
};

struct bm_sink_bytes {
	unsigned char *data; /* NULL: not given */
	size_t size;
};

struct bm_sink_rule {
	uint32_t on; /* bits of events */
	bool has_match;
	regex_t match;
	struct bm_sink_set nth;
	struct bm_sink_set connection;
	bool per_connection; /* nth counts anew on each */
	bool pipelined;      /* only what was sent before the reply to what is before it */
	enum bm_sink_where where;
	uint64_t times; /* 0: without limit */
	uint64_t after; /* octets of content on the wire; else of the reply or the handshake */
	bool has_after;
	struct bm_sink_bytes reply;
	struct bm_sink_bytes presend;
	struct bm_sink_bytes postsend;
	uint64_t delay_ms;
	uint64_t drip_ms;
	uint64_t linger_ms;
	bool no_reply;
	bool accept;
	bool keep;         /* a refused chunk leaves the envelope as it is */
	bool truncate;     /* no close_notify before the FIN */
	bool torn;         /* and the last record lacks its last octet */
	uint64_t pad;      /* octets put before the reply's line end */
	uint64_t keywords; /* more of them in the reply to EHLO */
	uint64_t reply_times;
	uint64_t segment; /* octets the loop reads and writes at a time from now on */
	uint64_t rekey;   /* so many KeyUpdates before the reply */
	enum bm_sink_flood flood;
	enum bm_sink_lie lie;
	uint64_t iterations; /* of the lie */
	bool stall;
	bool stop_reading;
	bool close;
	bool reset;
	bool exit;
	uint64_t seen;
	uint64_t fired;
};

struct bm_sink_script {
	struct bm_sink_rule *rules;
	size_t count;
};

/*
 * What happened; line is the command, mail the MAIL command of the transaction for content and end. With each the end
 * is that of one recipient, whose address is line.
 */
struct bm_sink_happening {
	uint32_t events;
	uint64_t connection;
	uint64_t *seen; /* of the connection: one counter for each rule; NULL without rules */
	bool pipelined;
	bool secure; /* inside TLS */
	bool each;
	uint64_t after;
	struct bm_span line;
	struct bm_span mail;
};

/* BM_E_MISSING without the file, BM_E_CONF with file and line. */
enum bm_code bm_sink_script_load(struct bm_sink_script *script, const char *path, struct bm_error *err) BM_MUST_CHECK;

/* The same from memory; name stands for the file in errors. */
enum bm_code bm_sink_script_parse(
	struct bm_sink_script *script, const char *name, struct bm_span text, struct bm_error *err) BM_MUST_CHECK;

void bm_sink_script_deinit(struct bm_sink_script *script);

/* Counts the event and returns the rule that it sets off, NULL for none. */
const struct bm_sink_rule *bm_sink_script_match(
	struct bm_sink_script *script, const struct bm_sink_happening *happening);

/* The smallest "after" of the rules on content that is not below from; UINT64_MAX for none. */
uint64_t bm_sink_script_trip(const struct bm_sink_script *script, uint64_t from);

/* True when a rule stops reading: then small socket buffers are wanted. */
bool bm_sink_script_stops_reading(const struct bm_sink_script *script);

/* The first three octets as a reply code, 0 when they are no digits. */
int bm_sink_reply_code(struct bm_span reply);

#endif
