/* SPDX-License-Identifier: MIT */
/*
 * One connection's SMTP server (RFC 5321, 2920, 3030, 1870, 6152, 3207, 4954; LMTP: 2033) without a socket:
 * octets and time in; octets, an action and a deadline out. What it records goes
 * into the shared log and must be written before the output is sent.
 */
#ifndef BM_SINK_SESSION_H
#define BM_SINK_SESSION_H

#include "base/buf.h"
#include "bulkmail/sink.h"
#include "sink/auth.h"
#include "sink/script.h"
#include "sink/tls.h"

#include <openssl/evp.h>
#include <stdbool.h>
#include <stdint.h>

#define BM_SINK_NO_DEADLINE UINT64_MAX

/* The loop reads no more while this much waits to be worked off. */
#define BM_SINK_INPUT_ENOUGH (64U << 10)

enum bm_sink_extension {
	BM_SINK_EXT_PIPELINING = 1 << 0,
	BM_SINK_EXT_SIZE = 1 << 1,
	BM_SINK_EXT_8BITMIME = 1 << 2,
	BM_SINK_EXT_ENHANCEDSTATUSCODES = 1 << 3,
	BM_SINK_EXT_CHUNKING = 1 << 4,
	BM_SINK_EXT_SMTPUTF8 = 1 << 5,
	BM_SINK_EXT_DSN = 1 << 6,
	BM_SINK_EXT_BINARYMIME = 1 << 7,
	BM_SINK_EXT_STARTTLS = 1 << 8,
	BM_SINK_EXT_AUTH = 1 << 9,
	BM_SINK_EXT_REQUIRETLS = 1 << 10,
};

/* What all sessions of a sink have in common. The owner sets the two clocks before each call. */
struct bm_sink_shared {
	struct bm_sink_script script;
	uint32_t extensions;             /* bits of enum bm_sink_extension */
	struct bm_buf ehlo;              /* the whole reply to EHLO */
	struct bm_buf ehlo_tls;          /* the one inside TLS */
	struct bm_sink_tls_context *tls; /* NULL: none; owned */
	bool tls_wrapper;                /* it comes before the greeting */
	bool tls_required;               /* nothing is done in clear */
	struct bm_sink_auth *auth;       /* NULL: none; owned */
	bool auth_required;              /* before MAIL */
	bool lmtp;                       /* RFC 2033 in place of SMTP */
	uint64_t size_max;               /* of a content */
	EVP_MD *digest;                  /* NULL: no record is kept */
	bool content;                    /* the record holds the content */
	struct bm_buf log;               /* lines of the record, not yet written */
	uint64_t log_number;             /* of the last transaction in the record */
	uint64_t now_ms;                 /* monotonic */
	uint64_t wall_ms;                /* since 1970 */
	struct bm_sink_counters counters;
};

/* extensions: keywords joined by commas, NULL for the usual ones. recorded: a log is kept. */
enum bm_code bm_sink_shared_init(
	struct bm_sink_shared *shared, const char *extensions, bool recorded, struct bm_error *err) BM_MUST_CHECK;

/* Makes the replies to EHLO anew: what it offers hangs on tls and auth. */
enum bm_code bm_sink_shared_offer(
	struct bm_sink_shared *shared, const char *extensions, struct bm_error *err) BM_MUST_CHECK;

/* The extensions that a reply to EHLO names. */
uint32_t bm_sink_shared_named(struct bm_span ehlo);

void bm_sink_shared_deinit(struct bm_sink_shared *shared);

/* What becomes of the connection once the output is sent. */
enum bm_sink_action {
	BM_SINK_GO_ON,
	BM_SINK_CLOSE,
	BM_SINK_RESET,
	BM_SINK_EXIT,
};

struct bm_sink_session;

/* The connection's number counts from 1. NULL without memory. The greeting comes out of the first tick. */
struct bm_sink_session *bm_sink_session_new(struct bm_sink_shared *shared, uint64_t number);

/* Reports what an unfinished transaction did wrong, then frees. */
void bm_sink_session_free(struct bm_sink_session *session);

/* Octets from the client, in any portions. BM_E_LIMIT when too much waits: see wants_input. */
enum bm_code bm_sink_session_feed(struct bm_sink_session *session, const void *data, size_t size) BM_MUST_CHECK;

/* Goes on where a deadline or the lack of room for output had stopped it. */
void bm_sink_session_tick(struct bm_sink_session *session);

/* False while the script stops reading or enough input waits. */
bool bm_sink_session_wants_input(const struct bm_sink_session *session);

/* So many octets are to be read and written at a time; 0: any number. */
uint64_t bm_sink_session_segment(const struct bm_sink_session *session);

/* The octets to send; the caller consumes what it sent. It is another buffer once TLS has begun. */
struct bm_buf *bm_sink_session_output(struct bm_sink_session *session);

enum bm_sink_action bm_sink_session_action(const struct bm_sink_session *session);

/* When tick is due, on the clock of now_ms. */
uint64_t bm_sink_session_deadline(const struct bm_sink_session *session);

#endif
