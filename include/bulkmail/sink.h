/* SPDX-License-Identifier: MIT */
/*
 * A scriptable SMTP server for tries and tests: one process, one thread, epoll. It
 * accepts everything, records what it got and plays the faults of a script.
 */
#ifndef BULKMAIL_SINK_H
#define BULKMAIL_SINK_H

#include "bulkmail/errors.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

struct bm_sink;

/* bulkmail-sink(5) describes the script and the record. Strings are only read during bm_sink_new. */
struct bm_sink_options {
	size_t size;        /* sizeof this struct */
	const char *host;   /* address to listen on, or "unix:/PATH": a socket there, made anew */
	uint16_t port;      /* 0: a free one */
	const char *script; /* path of the rules, NULL: none */
	const char *out;    /* the record, one JSON object a line, is added to this path; NULL: none; "-" standard output */
	bool content;       /* the record holds each message's content */
	bool discard;       /* nothing is recorded, and without a script nothing is checked: for benchmarks */
	const char *extensions; /* EHLO keywords, joined by commas; NULL: the usual ones, see bulkmail-sink(5) */
	/* TLS: PEM files; any certificate will do. NULL: none. */
	const char *tls_cert;
	const char *tls_key;       /* NULL: in tls_cert */
	bool tls_wrapper;          /* TLS comes before the greeting */
	bool tls_required;         /* MAIL and AUTH are refused in clear */
	const char *tls_versions;  /* "1.2" or "1.0-1.1"; NULL: all */
	const char *tls_ciphers;   /* OpenSSL's words; NULL: its default */
	int tls_tickets;           /* after a handshake; 0: no session is resumed; -1: OpenSSL's default */
	const char *tls_client_ca; /* asks for a client's certificate by this CA; NULL: does not ask */
	const char *auth;          /* SASL mechanisms, joined by blanks; NULL: no AUTH */
	const char *user;          /* the only one who gets in */
	const char *password_file; /* first line: password, or token */
	bool auth_required;        /* before MAIL */
	bool lmtp;                 /* RFC 2033 in place of SMTP */
};

#define BM_SINK_OPTIONS_INIT                                                                                           \
	{                                                                                                                  \
		.size = sizeof(struct bm_sink_options), .host = "127.0.0.1", .tls_tickets = -1                                 \
	}

/* What it has seen so far. */
struct bm_sink_counters {
	uint64_t connections;
	uint64_t transactions; /* contents accepted with 250 */
	uint64_t recipients;   /* of those transactions */
	uint64_t bytes;        /* of content; with discard as it came over the wire, stuffing included */
	uint64_t violations;   /* of the protocol by the client */
};

/*
 * Reads the script and listens. The caller frees *out. BM_E_MISSING without the script, BM_E_CONF for a bad rule (with
 * file and line), BM_E_USAGE for bad extensions, BM_E_IO for the record, BM_E_CONNECT when it cannot listen.
 */
BM_API enum bm_code bm_sink_new(
	struct bm_sink **out, const struct bm_sink_options *options, struct bm_error *err) BM_MUST_CHECK;

/* The port it listens on; 0 when that is a path. */
BM_API uint16_t bm_sink_port(const struct bm_sink *sink);

/* Serves until bm_sink_stop. BM_E_STOPPED: a rule of the script said exit. BM_E_IO: the record cannot be written. */
BM_API enum bm_code bm_sink_run(struct bm_sink *sink, struct bm_error *err) BM_MUST_CHECK;

/* May be called from a signal handler or another thread. */
BM_API void bm_sink_stop(struct bm_sink *sink);

/* Not from another thread while it runs. */
BM_API struct bm_sink_counters bm_sink_counters(const struct bm_sink *sink);

BM_API void bm_sink_free(struct bm_sink *sink);

#ifdef __cplusplus
}
#endif

#endif
