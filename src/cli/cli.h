/* SPDX-License-Identifier: MIT */
/* The subcommands of bulkmail. Each gets its own argv (argv[0] is its name) and returns an exit status of sysexits.h.
 */
#ifndef BM_CLI_CLI_H
#define BM_CLI_CLI_H

#include "bulkmail/bulkmail.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#define CLI_NOT_ALL_ACCEPTED 1

int cli_send(int argc, char **argv);
int cli_check(int argc, char **argv);
int cli_talk(int argc, char **argv);
int cli_sink(int argc, char **argv);

/* "bulkmail: text" on standard error. */
void cli_complain(const char *fmt, ...) BM_PRINTF(1, 2);

/* An error with its id. */
void cli_complain_error(const struct bm_error *err);

/* Says that memory ran out; returns the exit status for it. */
int cli_no_memory(void);

/* The exit status for an error. */
int cli_status(enum bm_code code);

/* Writes the text of --help to standard output; returns 0. */
int cli_help(const char *text);

/* Writes name and version to standard output; returns 0. */
int cli_version(void);

/* What others wrote, for a terminal: CR LF becomes LF, all else that cannot be printed \xHH. */
void cli_show(FILE *file, const char *text, size_t size);

/* "see 'bulkmail NAME --help'" on standard error; returns 64. */
int cli_usage(const char *name);

#define CLI_UNIX "unix:"
#define CLI_UNIX_SIZE (sizeof CLI_UNIX - 1)

/* What --server takes, for errors. */
#define CLI_SERVER_FORMS "HOST, HOST:PORT, [IPV6]:PORT or unix:/PATH"

/*
 * HOST, HOST:PORT, [V6]:PORT into host (without brackets) and port ("" without one); unix:/PATH into host as it is.
 * False when it is none of these or does not fit.
 */
bool cli_split_server(const char *text, char *host, size_t host_size, char port[8]);

/* Whether a server can have that host and port ("": none). */
bool cli_check_server(const char *host, const char *port, struct bm_error *err);

/* No core is dumped once a server has a user to log in as, or a certificate of ours and its key. */
void cli_protect_secrets(const struct bm_server *server);

/* This machine's full name, or the address literal [127.0.0.1] where it has none. */
void cli_full_name(char *out, size_t size);

#endif
