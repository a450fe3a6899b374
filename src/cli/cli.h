/* SPDX-License-Identifier: MIT */
/* The subcommands, one file each. */
#ifndef BM_CLI_CLI_H
#define BM_CLI_CLI_H

/* argv[0] is the subcommand's name; returns the exit status. */
int cli_sink(int argc, char **argv);

#endif
