/* SPDX-License-Identifier: MIT */
/* The options that send and check share. */
#ifndef BM_CLI_OPTIONS_H
#define BM_CLI_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>

/* An attribute that an option or --set gave. */
struct setting {
	const char *name;
	const char *value;
	const char *where; /* the option, for errors */
};

/* All strings are argv's, but for the names of --set, which are ours. */
struct send_options {
	const char **conf_files;
	size_t conf_count;
	const char **servers;
	size_t server_count;
	struct setting *settings;
	size_t setting_count;
	const char *list;
	const char *message;
	const char *body;
	const char *outcomes;
	const char *report;
	bool dry_run;
	bool quiet;
	bool help;
	bool version;
};

/* 0, or the exit status after having said what is wrong. name is the subcommand's. Always followed by
 * send_options_deinit. */
int send_options_parse(struct send_options *options, const char *name, int argc, char **argv);
void send_options_deinit(struct send_options *options);

#endif
