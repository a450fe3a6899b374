/* SPDX-License-Identifier: MIT */
/* The inside of struct bm_server, for the files of this folder. */
#ifndef BM_API_SERVER_H
#define BM_API_SERVER_H

#include "base/buf.h"
#include "bulkmail/server.h"
#include "engine/policy.h"
#include "net/driver.h"
#include "net/stream.h"
#include "smtp/smtp.h"

#include <stdbool.h>
#include <stdint.h>

#define BM_SERVER_NAME_MAX 320
#define BM_REPLY_CODES 600
/* Transactions unanswered in a stream where pipeline_depth is unset: so many, more over a long wire. */
#define BM_DEPTH_MIN 32

struct bm_server {
	struct bm_server_options options; /* strings are ours */
	struct bm_policy policy;
	struct bm_stream *stream; /* NULL: not connected */
	struct bm_smtp *smtp;
	struct bm_log *conversation; /* ours */
	struct bm_log *errfile;      /* borrowed */
	struct bm_log *lent_errfile; /* a campaign's, which goes before errfile while it runs */
	struct bm_buf reply;         /* of the last talk */
	struct bm_buf keywords;      /* NUL-terminated strings, one after the other */
	size_t keyword_count;
	char name[BM_SERVER_NAME_MAX]; /* "host:port" */
	char number[32];               /* for bm_server_get */
	uint64_t connections;
	uint64_t replies[BM_REPLY_CODES]; /* by code */
};

/* Renews name after Smtp or Port changed. */
void bm_server_rename(struct bm_server *server);

/* MBS017, MBS010, MBS001: what is wrong before a socket is even opened. */
enum bm_code bm_server_check_worth(struct bm_server *server, struct bm_error *err);

/* Domain, time-out and tally of a machine that talks to this server. */
struct bm_smtp_options bm_server_smtp_options(struct bm_server *server);

/* Where to connect to. BM_E_CONNECT (MBS003) without an Smtp. */
enum bm_code bm_server_tcp_options(
	const struct bm_server *server, struct bm_tcp_options *out, struct bm_error *err) BM_MUST_CHECK;

/* Logs what was said and answered to CONVERSATION, if there is one; connection 0: it is the only one. */
void bm_server_converse(struct bm_server *server, size_t connection, const struct bm_smtp_event *event);

/* An EHLO that was refused is logged (MBS016). */
void bm_server_complain_about_ehlo(struct bm_server *server, const struct bm_smtp_event *event);

/* Closes and forgets the connection, saying nothing. */
void bm_server_drop(struct bm_server *server);

/* What ended a session before it was greeted, as an error with the manual's id for a connect. */
enum bm_code bm_server_connect_error(
	const struct bm_server *server, const struct bm_smtp_event *event, struct bm_error *err);

/* Logs what is not returned to errfile. */
void bm_server_complain(struct bm_server *server, const struct bm_error *err);

/* What ended a session, as an error with the manual's id for a talk. */
enum bm_code bm_server_end_error(
	const struct bm_server *server, const struct bm_smtp_event *event, struct bm_error *err);

/* One line "MBS012 text" for a log. */
enum bm_code bm_log_error(struct bm_log *log, const struct bm_error *err);

#endif
