/* SPDX-License-Identifier: MIT */
/*
 * One SMTP relay: its attributes, its counters and limits, and a blocking
 * connection to it. Names and meaning are those of the manual of
 * Mail::Bulkmail::Server; bulkmail.conf(5) has units, bounds and defaults.
 */
#ifndef BULKMAIL_SERVER_H
#define BULKMAIL_SERVER_H

#include "bulkmail/conf.h"
#include "bulkmail/errors.h"
#include "bulkmail/log.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

struct bm_server;

#define BM_ROBIN_UNSET UINT64_MAX       /* free connections pull */
#define BM_TLS_WRAPPER_UNSET UINT64_MAX /* on port 465 only */

/*
 * The attributes, one field each, under the conf-file names in lower case. A NULL
 * string is an unset attribute. Strings are copied by bm_server_new.
 */
struct bm_server_options {
	size_t size; /* sizeof this struct */
	const char *smtp;
	uint64_t port;                        /* 0: 25, with tls_wrapper = 1 465 */
	const char *domain;                   /* unset: MBS010 at connect */
	uint64_t tries;                       /* 0 = unset: MBS017 at connect */
	uint64_t max_connection_attempts;     /* failed connects in a row */
	uint64_t envelope_limit;              /* recipients, 0 = no limit */
	uint64_t max_messages;                /* recipients, 0 = no limit */
	uint64_t max_messages_per_robin;      /* recipients, 0 = no limit, BM_ROBIN_UNSET */
	uint64_t max_messages_per_connection; /* recipients, 0 = no limit */
	uint64_t max_messages_while_awake;    /* recipients, 0 = never sleeps */
	uint64_t sleep_length;                /* seconds */
	uint64_t talk_attempts;               /* how often a command is said again after a 4yz */
	uint64_t time_out;                    /* seconds, 0 = the phase time-outs of RFC 5321 */
	const char *conversation;             /* path of the log of the talk */
	const char *dummy_file;               /* set: a DummyServer, which writes there instead of connecting */
	uint64_t connections;
	const char *pipelining;             /* "off", "envelope", "message", "stream", "auto" */
	uint64_t pipeline_depth;            /* transactions, 0 = unset: as many as the round trip asks for, 32 to 256 */
	uint64_t max_errors_per_connection; /* 4yz and 5yz replies, 0 = no limit */
	const char *tls; /* "none", "may", "encrypt", "verify"; NULL: by Port, user and tls_pin, see bulkmail.conf(5) */
	uint64_t tls_wrapper; /* 0, 1, BM_TLS_WRAPPER_UNSET */
	const char *tls_ca_file;
	const char *tls_pin; /* several are joined by blanks */
	const char *user;    /* set: log in, with what one of the next two gives */
	const char *password_file;
	const char *password_command;
	const char *auth; /* mechanisms, the best first */
	const char *rate;
	const char *source_address;
	const char *protocol; /* "smtp", "lmtp" */
	const char *tls_cert_file;
	const char *tls_key_file;
};

#define BM_SERVER_OPTIONS_INIT                                                                                         \
	{                                                                                                                  \
		.size = sizeof(struct bm_server_options), .max_connection_attempts = 5, .envelope_limit = 100,                 \
		.max_messages_per_robin = BM_ROBIN_UNSET, .talk_attempts = 1, .connections = 4,                                \
		.max_errors_per_connection = 8, .tls_wrapper = BM_TLS_WRAPPER_UNSET                                            \
	}

/* One attribute by name and value, as in a conf file. */
struct bm_attribute {
	const char *name;
	const char *value;
};

/* Attributes of one server, for bm_servers_create. */
struct bm_attribute_set {
	const struct bm_attribute *attributes;
	size_t count;
};

/* What bm_server_reached_limit found. */
enum bm_limit {
	BM_LIMIT_NONE = 0,
	BM_LIMIT_MESSAGES = 1,
	BM_LIMIT_CONNECTION = 2,
	BM_LIMIT_ROBIN = 3,
};

/* The manual's counters. */
struct bm_server_counters {
	uint64_t messages;            /* ever */
	uint64_t messages_robin;      /* in this turn */
	uint64_t messages_connection; /* over this connection */
	uint64_t messages_awake;      /* since the last sleep */
	uint64_t messages_envelope;   /* in this envelope */
};

/*
 * A server that is not connected. options may be NULL: all defaults. MBO004 for a value
 * out of bounds or one that this version cannot honour. The caller frees *out.
 */
BM_API enum bm_code bm_server_new(
	struct bm_server **out, const struct bm_server_options *options, struct bm_error *err) BM_MUST_CHECK;

/* The same with attributes by name and value over the defaults; MBO004 names the nearest known name. */
BM_API enum bm_code bm_server_new_named(
	struct bm_server **out, const struct bm_attribute *attributes, size_t count, struct bm_error *err) BM_MUST_CHECK;

/* Disconnects (RSET, QUIT) if connected and frees. NULL is fine. */
BM_API void bm_server_free(struct bm_server *server);

/*
 * Sets one attribute by its conf-file name; value NULL unsets it. Smtp, Port, Domain and
 * source_address take effect at the next connect. A read-only attribute is refused. MBO004; MB702 for a
 * CONVERSATION that cannot be opened.
 */
BM_API enum bm_code bm_server_set(
	struct bm_server *server, const char *name, const char *value, struct bm_error *err) BM_MUST_CHECK;

/*
 * The value of one attribute, read-only ones included, as a string owned by the server
 * until the next call; *out is the default when unset, NULL without one. An unknown name is MBO004.
 */
BM_API enum bm_code bm_server_get(
	struct bm_server *server, const char *name, const char **out, struct bm_error *err) BM_MUST_CHECK;

/* All attributes, typed. Owned by the server; valid until the next set. */
BM_API const struct bm_server_options *bm_server_options(const struct bm_server *server);

/*
 * Gives the server a log of its talk in any of the four forms of bm_log; NULL takes it
 * away. The log passes into the server's hands and is freed with it or replaced.
 */
BM_API void bm_server_take_conversation(struct bm_server *server, struct bm_log *log);

/* The log of the talk, NULL when there is none; still the server's. */
BM_API struct bm_log *bm_server_conversation(const struct bm_server *server);

/* Where what is logged and not returned goes (MBS012, MBS016). NULL takes it away; the log stays the caller's. */
BM_API void bm_server_set_errfile(struct bm_server *server, struct bm_log *log);

/* How logs and reports name it: "host:port", "unix:/path". Its; valid until Smtp or Port is set. */
BM_API const char *bm_server_name(const struct bm_server *server);

BM_API bool bm_server_connected(const struct bm_server *server);

/* The descriptor of the connection, -1 without one. It stays the server's. */
BM_API int bm_server_socket(const struct bm_server *server);

/* Seconds since 1970 of the last increment_messages_sent; 0 = never. */
BM_API uint64_t bm_server_time_of_last_message(const struct bm_server *server);

BM_API struct bm_server_counters bm_server_counters(const struct bm_server *server);

/* True when no further connect will be tried (limit 1, attempts used up, no Domain, no Tries). */
BM_API bool bm_server_worthless(const struct bm_server *server);

/*
 * The keywords of the server's EHLO, each with its parameters ("SIZE 1000"), in its order;
 * NULL beyond the last. Kept until disconnect. Owned by the server.
 */
BM_API const char *bm_server_capability(const struct bm_server *server, size_t index);

/* How the connection is secured; all of it false or NULL without one. Strings are the server's until disconnect. */
struct bm_server_channel {
	const char *tls;       /* "TLSv1.3 TLS_AES_256_GCM_SHA384"; NULL: no TLS */
	bool verified;         /* the server is who it should be */
	bool resumed;          /* an earlier session was resumed */
	const char *mechanism; /* that we logged in by; NULL: we did not */
};

BM_API struct bm_server_channel bm_server_channel(const struct bm_server *server);

/*
 * Connects, says EHLO (HELO when EHLO is refused), STARTTLS and AUTH as the attributes ask for it. Connected already:
 * success, nothing done. MBS017 no Tries, MBS010 no Domain (both make it worthless), MBS001 worthless, MBO003
 * attributes that do not fit together, MBS002 no socket, MBS003 no connection, MBS004 no greeting or 4yz/5yz, MBS005
 * HELO refused, MBS011 error in EHLO, MBS015 timed out, MBS019 no TLS as tls asks for it (BM_E_TLS), MBS020 not logged
 * in (BM_E_AUTH; BM_E_TEMPORARY: for now). Each failure but MBO003 takes one of max_connection_attempts, a success
 * gives them all back.
 */
BM_API enum bm_code bm_server_connect(struct bm_server *server, struct bm_error *err) BM_MUST_CHECK;

/* RSET, QUIT, close; quietly: close only. Not connected: nothing. */
BM_API void bm_server_disconnect(struct bm_server *server, bool quietly);

/*
 * Says one command, connecting first when need be, and reads its whole reply: *reply is
 * NUL-terminated, with the CR LF of each line, owned by the server until the next call. It is as the server said it,
 * any octet, but for NUL, which is "?". After a 354 the talk is content, lines with CR LF, and has to end in a line
 * with a lone dot, with or without its CR LF. MBS006 nothing to say (or an octet that no command may hold), MBS007
 * cannot write, MBS008 5yz, MBS009 221 or 421 to something other than QUIT (which ends the connection whatever the
 * answer), MBS013 still 4yz after talk_attempts (each repetition is logged as MBS012), MBS014 timed out, MBS018 no
 * descriptor; or what connect returned.
 */
BM_API enum bm_code bm_server_talk_and_respond(
	struct bm_server *server, const char *talk, const char **reply, struct bm_error *err) BM_MUST_CHECK;

/* One more message: all five counters and time_of_last_message. */
BM_API void bm_server_increment_messages_sent(struct bm_server *server);

/* This robin, while awake and this envelope to 0 (the manual also calls it reset_all_counters). */
BM_API void bm_server_reset_message_counters(struct bm_server *server);

BM_API void bm_server_reset_envelope_counter(struct bm_server *server);

/* 1 when envelope_limit is reached, else 0. */
BM_API int bm_server_reached_envelope_limit(const struct bm_server *server);

/*
 * In this order: sleeps sleep_length when the awake limit is reached (and goes on) ·
 * max_messages: disconnects, worthless for good · max_messages_per_connection:
 * disconnects · max_messages_per_robin · none.
 */
BM_API enum bm_limit bm_server_reached_limit(struct bm_server *server);

/* Several servers, in their order. */
struct bm_servers;

/*
 * One server for each Smtp of the server file (file, or the server_file that the conf names
 * when file is NULL), with the conf's values of package class_name as defaults, then one for each of the
 * sets. conf may be NULL. MBO002 with file and line when an attribute has more values than there
 * are servers; MBO004 for a set. The caller frees *out.
 */
BM_API enum bm_code bm_servers_create(struct bm_servers **out, const struct bm_conf *conf, const char *class_name,
	const char *file, const struct bm_attribute_set *sets, size_t set_count, struct bm_error *err) BM_MUST_CHECK;

BM_API size_t bm_servers_count(const struct bm_servers *servers);

/* Borrowed; NULL beyond the last. */
BM_API struct bm_server *bm_servers_at(const struct bm_servers *servers, size_t index);

/* Frees the servers too. NULL is fine. */
BM_API void bm_servers_free(struct bm_servers *servers);

#ifdef __cplusplus
}
#endif

#endif
