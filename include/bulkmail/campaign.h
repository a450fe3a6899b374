/* SPDX-License-Identifier: MIT */
/*
 * A campaign: one list, one message, some servers. It hands every recipient over and says
 * what became of each.
 */
#ifndef BULKMAIL_CAMPAIGN_H
#define BULKMAIL_CAMPAIGN_H

#include "bulkmail/conf.h"
#include "bulkmail/errors.h"
#include "bulkmail/log.h"
#include "bulkmail/message.h"
#include "bulkmail/recipients.h"
#include "bulkmail/server.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

struct bm_campaign;

/* What became of one recipient. */
enum bm_outcome_kind {
	BM_OUTCOME_ACCEPTED, /* the positive reply to the end of data was read */
	BM_OUTCOME_REFUSED,  /* 5yz */
	BM_OUTCOME_DEFERRED, /* 4yz, tries used up */
	BM_OUTCOME_INVALID,  /* no mailbox, or no copy can be made with its values */
	BM_OUTCOME_DUPLICATE,
	BM_OUTCOME_BANNED,
	BM_OUTCOME_IN_DOUBT, /* end of data was sent and no reply was read */
	BM_OUTCOME_UNSENT,   /* the campaign ended before it was its turn */
};

#define BM_OUTCOME_KINDS 8

/* "accepted", "in_doubt" … Never NULL. */
BM_API const char *bm_outcome_name(enum bm_outcome_kind kind);

/* One record's outcome. Strings are valid during the call only. */
struct bm_outcome {
	enum bm_outcome_kind kind;
	uint64_t seq;       /* 1-based record of the list */
	const char *record; /* the list's line, trimmed; may hold any octet */
	size_t record_size;
	const char *address; /* the parsed address, or the record when it has none; any octet */
	size_t address_size;
	int code;             /* of the last reply about it, 0 without one */
	const char *enhanced; /* "2.0.0", "" without one */
	const char *text;     /* the reply's text, or the reason; one line, escaped */
	const char *server;   /* "host:port", "" when it reached none */
	unsigned attempts;    /* transactions that named it and got an answer */
	uint64_t at_ms;       /* milliseconds since 1970 */
	/* Accepted by a server without DSN although news of success were asked for (RFC 3461, 5.2.2). */
	bool relayed;
};

typedef void bm_outcome_fn(void *user, const struct bm_outcome *outcome);

/* The moment to hand to the system what was written down. */
typedef void bm_settled_fn(void *user);

/*
 * Where time went, in microseconds: each of them has one reason. Of the whole run: the reasons of the server that did
 * the most.
 */
struct bm_times {
	uint64_t round_trips_us; /* on the wire, to the server and back */
	uint64_t replies_us;     /* the server took longer than a round trip; connecting too */
	uint64_t rate_us;        /* rate */
	uint64_t list_us;        /* the list had nothing to give, or no more */
	uint64_t cpu_us;         /* at work */
	uint64_t rest_us;        /* sleep_length, another try */
};

/* Where a campaign stands. */
struct bm_progress {
	uint64_t records; /* read from the list */
	uint64_t done;    /* with an outcome */
	uint64_t total;   /* records in the list; an estimate while it is being read; 0 = unknown */
	uint64_t outcomes[BM_OUTCOME_KINDS];
	uint64_t transactions;
	uint64_t elapsed_ms;
	double rate;              /* outcomes a second, over the last seconds */
	const char *held_back_by; /* the main reason of the last interval: "the replies of host:port" … Never NULL */
	struct bm_times time;
};

typedef void bm_progress_fn(void *user, const struct bm_progress *progress);

/*
 * The campaign attributes that are not the message's. Paths are opened by bm_campaign_new; the strings of notifications
 * (RFC 3461) must outlive the campaign.
 */
struct bm_campaign_options {
	size_t size; /* sizeof this struct */
	bool use_envelope;
	bool trust_email;         /* addresses are not checked beyond what cannot be sent */
	bool trust_duplicates;    /* duplicates are not looked for */
	bool trust_banned;        /* local parts are compared with case */
	const char *banned;       /* path of the file of banned addresses and domains */
	struct bm_log *good;      /* accepted records; borrowed, may be NULL, as the next two */
	struct bm_log *bad;       /* invalid, duplicate and banned records */
	struct bm_log *errfile;   /* every error, with its id */
	uint64_t retry_delay;     /* seconds before a deferred recipient is tried again, doubling */
	uint64_t retry_delay_max; /* seconds */
	const char *notify; /* "never", or "success", "failure", "delay" joined by commas or blanks; NULL: not asked for */
	const char *ret;    /* "full", "hdrs"; NULL: not asked for */
	const char *envid;  /* may hold {{column}} and {{seq}}; NULL: none */
	bool require_tls;   /* only over verified TLS, to the end (RFC 8689) */
	bm_outcome_fn *outcome;
	bm_settled_fn *settled; /* when outcomes were told and there is time to write them down; NULL: none */
	void *outcome_user;
	bm_progress_fn *progress; /* called about every progress_ms from bm_campaign_run */
	void *progress_user;
	uint64_t progress_ms;
};

#define BM_CAMPAIGN_OPTIONS_INIT                                                                                       \
	{                                                                                                                  \
		.size = sizeof(struct bm_campaign_options), .use_envelope = true, .retry_delay = 30, .retry_delay_max = 900,   \
		.progress_ms = 1000                                                                                            \
	}

/*
 * All four are borrowed and must outlive the campaign. MB011 without a server; MBO003 for servers whose attributes do
 * not fit together; what reading their files of TLS and passwords returns. The caller frees *out.
 */
BM_API enum bm_code bm_campaign_new(struct bm_campaign **out, const struct bm_campaign_options *options,
	struct bm_recipients *recipients, const struct bm_message *message, struct bm_servers *servers,
	struct bm_error *err) BM_MUST_CHECK;

/*
 * Runs it to its end, once. BM_OK: every record has an outcome. BM_E_NO_SERVER (MB012) and
 * BM_E_STOPPED: the rest of a finite list is read and is `unsent`; BM_E_IO and BM_E_NOMEM
 * likewise where the list can still be read.
 */
BM_API enum bm_code bm_campaign_run(struct bm_campaign *campaign, struct bm_error *err) BM_MUST_CHECK;

/*
 * The same without a connection: the list is read, and every server counts what it would get if it accepted all
 * (bm_campaign_server_report). No outcome is given to the callback or the logs. Instead of
 * bm_campaign_run, once.
 */
BM_API enum bm_code bm_campaign_rehearse(struct bm_campaign *campaign, struct bm_error *err) BM_MUST_CHECK;

/*
 * Asks a running campaign to stop; may be called from a signal handler or another thread.
 * The first call: no new envelope, those under way finish. The second: at once.
 */
BM_API void bm_campaign_stop(struct bm_campaign *campaign);

/* Valid at any time between calls. */
BM_API struct bm_progress bm_campaign_progress(const struct bm_campaign *campaign);

/* What one server did. */
struct bm_server_report {
	const char *server; /* "host:port", owned by the campaign */
	uint64_t connections;
	uint64_t transactions;
	uint64_t messages; /* recipients accepted */
	struct bm_times time;
};

BM_API size_t bm_campaign_server_count(const struct bm_campaign *campaign);
BM_API struct bm_server_report bm_campaign_server_report(const struct bm_campaign *campaign, size_t index);

/* How often the server answered with this code (200 to 599) during the campaign. */
BM_API uint64_t bm_campaign_server_replies(const struct bm_campaign *campaign, size_t index, int code);

/* False when the campaign stopped before the list's end and the rest could not be read. */
BM_API bool bm_campaign_list_complete(const struct bm_campaign *campaign);

BM_API void bm_campaign_free(struct bm_campaign *campaign);

#ifdef __cplusplus
}
#endif

#endif
