/* SPDX-License-Identifier: MIT */
/* The inside of struct bm_server, for the files of this folder. */
#ifndef BM_API_SERVER_H
#define BM_API_SERVER_H

#include "api/security.h"
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
	struct bm_smtp_capabilities offers; /* what the last session of a talk was offered; asked: there was one */
	bool asked;
	bool challenged;               /* the last talk was answered with 334: the next is a secret */
	struct bm_tls *tls;            /* what its connections share; NULL: not needed yet */
	struct bm_login *login;        /* what new connections log in with; NULL: not had yet */
	bool stale;                    /* an attribute that the two depend on was set */
	bool requires_tls;             /* by the campaign: tls = may is verify then */
	bool tls_worked;               /* a handshake succeeded */
	bool in_clear;                 /* tls = may, and the handshake failed: without, from now on */
	struct bm_attempt attempt;     /* of stream */
	char name[BM_SERVER_NAME_MAX]; /* "host:port" */
	char number[32];               /* for bm_server_get */
	uint64_t connections;
	uint64_t replies[BM_REPLY_CODES]; /* by code */
};

/* Renews name after Smtp or Port changed. */
void bm_server_rename(struct bm_server *server);

/* MBS017, MBS010, MBS001: what is wrong before a socket is even opened. */
enum bm_code bm_server_check_worth(struct bm_server *server, struct bm_error *err);

/* prepare.c */

/* bm_security_of with what its campaign asks for. */
struct bm_security bm_server_security(const struct bm_server *server);

/* What the campaign sends may go over verified TLS alone (REQUIRETLS), or over what the attributes say. */
void bm_server_require_tls(struct bm_server *server, bool required);

/* An attribute was set. */
void bm_server_note_change(struct bm_server *server, const char *name);

/* Frees what connections share; there is none. */
void bm_server_forget_security(struct bm_server *server);

/*
 * Once all attributes are set, before anything is sent: whether they fit together, and the files of TLS and
 * the password are read. What was read is kept until an attribute of it is set. Nothing is connected.
 */
enum bm_code bm_server_prepare(struct bm_server *server, struct bm_error *err) BM_MUST_CHECK;

/* server->tls is there. */
enum bm_code bm_server_need_tls(struct bm_server *server, struct bm_error *err) BM_MUST_CHECK;

/* Whether password_command is to be run before a connection begins. */
bool bm_server_lacks_secret(const struct bm_server *server, uint64_t now_ms);

/* Takes secret, also when it fails: new connections log in with it. */
enum bm_code bm_server_take_secret(
	struct bm_server *server, struct bm_secret *secret, uint64_t now_ms, struct bm_error *err) BM_MUST_CHECK;

/* Why password_command failed, as an error about the server. */
enum bm_code bm_server_no_password(const struct bm_server *server, struct bm_error *err);

/* Runs password_command and takes what it prints, waiting for it; *another: it is not what we had. */
enum bm_code bm_server_run_password_command(
	struct bm_server *server, uint64_t now_ms, bool *another, struct bm_error *err) BM_MUST_CHECK;

/* session.c */

/* The options of a machine that talks to this server; attempt holds the login from now on. */
struct bm_smtp_options bm_server_smtp_options(struct bm_server *server, struct bm_attempt *attempt);

/* Where to connect to. BM_E_CONNECT (MBS003) without an Smtp. */
enum bm_code bm_server_tcp_options(
	const struct bm_server *server, struct bm_tcp_options *out, struct bm_error *err) BM_MUST_CHECK;

/*
 * Logs what was said and answered to CONVERSATION, if there is one; connection 0: it is the only one. A reply that
 * shows what we log in with is not shown; login may be NULL.
 */
void bm_server_converse(
	struct bm_server *server, size_t connection, const struct bm_login *login, const struct bm_smtp_event *event);

/* A line about the connection, in the same place. */
void bm_server_remark(struct bm_server *server, size_t connection, const char *text);

/* An EHLO that was refused is logged (MBS016). */
void bm_server_complain_about_ehlo(struct bm_server *server, const struct bm_smtp_event *event);

/* Closes and forgets the connection, saying nothing. */
void bm_server_drop(struct bm_server *server);

/* What ended a session before it was READY, as an error with the manual's id for a connect. */
enum bm_code bm_server_connect_error(const struct bm_server *server, const struct bm_attempt *attempt,
	const struct bm_smtp_event *event, struct bm_error *err);

/* Logs what is not returned to errfile. */
void bm_server_complain(struct bm_server *server, const struct bm_error *err);

/* What ended a session, as an error with the manual's id for a talk. */
enum bm_code bm_server_end_error(
	const struct bm_server *server, const struct bm_smtp_event *event, struct bm_error *err);

/* One line "MBS012 text" for a log. */
enum bm_code bm_log_error(struct bm_log *log, const struct bm_error *err);

#endif
