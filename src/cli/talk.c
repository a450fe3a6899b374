/* SPDX-License-Identifier: MIT */
/* bulkmail talk: the manual's talk_and_respond. */
#include "cli/cli.h"

#include <getopt.h>
#include <stdio.h>
#include <string.h>
#include <sysexits.h>

#define HOST_SIZE 300

static const char help[] =
	"bulkmail talk: says SMTP commands to a server, one after the other, and shows each whole reply.\n"
	"\n"
	"  bulkmail talk --server HOST[:PORT] COMMAND...\n"
	"\n"
	"  --server HOST[:PORT]   the server, or unix:/PATH\n"
	"  --set NAME=VALUE       an attribute of bulkmail.conf(5), as time_out=5; may be repeated\n"
	"\n"
	"Greeting, EHLO, STARTTLS and AUTH come first, as the attributes ask for it. A command that is refused ends the\n"
	"talk. What cannot be printed is shown as \\xHH.\n"
	"Exit status: 0 all accepted, 69 no connection or a command refused for good, 75 refused for now, 64 usage,\n"
	"78 an attribute of --set.\n"
	"\n"
	"Example: bulkmail talk --server localhost NOOP 'VRFY postmaster'\n"
	"         bulkmail talk --server mail.example:587 --set user=me --set password_file=/home/me/.password NOOP\n";

static const struct option long_options[] = {
	{"server", required_argument, NULL, 's'},
	{"set", required_argument, NULL, 'a'},
	{"help", no_argument, NULL, 'h'},
	{"version", no_argument, NULL, 'V'},
	{NULL, 0, NULL, 0},
};

static int set(struct bm_server *server, const char *name, const char *value)
{
	struct bm_error err = BM_ERROR_INIT;

	if (bm_server_set(server, name, value, &err) == BM_OK)
		return 0;
	cli_complain_error(&err);
	/* as send has it: what is said of an attribute is conf, wherever it is said */
	return err.code == BM_E_USAGE ? EX_CONFIG : cli_status(err.code);
}

static int set_pair(struct bm_server *server, const char *argument)
{
	char name[64];
	const char *equals = strchr(argument, '=');

	if (equals == NULL || (size_t)(equals - argument) >= sizeof name) {
		cli_complain("--set: found \"%s\", expected NAME=VALUE", argument);
		return EX_USAGE;
	}
	memcpy(name, argument, (size_t)(equals - argument));
	name[equals - argument] = '\0';
	return set(server, name, equals + 1);
}

static int set_server(struct bm_server *server, const char *argument)
{
	struct bm_error err = BM_ERROR_INIT;
	char host[HOST_SIZE];
	char port[8];

	if (!cli_split_server(argument, host, sizeof host, port)) {
		cli_complain("--server: found \"%s\", expected " CLI_SERVER_FORMS, argument);
		return EX_USAGE;
	}
	if (!cli_check_server(host, port, &err)) {
		cli_complain_error(&err);
		return err.code == BM_E_NOMEM ? EX_OSERR : EX_USAGE;
	}
	int status = set(server, "Smtp", host);
	return status == 0 && port[0] != '\0' ? set(server, "Port", port) : status;
}

static int take_option(struct bm_server *server, int option)
{
	switch (option) {
	case 's':
		return set_server(server, optarg);
	case 'a':
		return set_pair(server, optarg);
	default:
		return cli_usage("talk");
	}
}

static int say_all(struct bm_server *server, int count, char **commands)
{
	struct bm_error err = BM_ERROR_INIT;

	for (int i = 0; i < count; i++) {
		const char *reply = NULL;
		enum bm_code code = bm_server_talk_and_respond(server, commands[i], &reply, &err);
		if (code != BM_OK) {
			cli_complain_error(&err);
			return cli_status(code);
		}
		cli_show(stdout, reply, strlen(reply));
		fflush(stdout);
	}
	return EX_OK;
}

static int fill_in(struct bm_server *server)
{
	char domain[HOST_SIZE];

	cli_full_name(domain, sizeof domain);
	int status = set(server, "Domain", domain);
	return status == 0 ? set(server, "Tries", "3") : status;
}

static int talk(struct bm_server *server, int argc, char **argv)
{
	int option = 0;
	int status = fill_in(server);

	optind = 0;
	while (status == 0 && (option = getopt_long(argc, argv, "h", long_options, NULL)) != -1) {
		if (option == 'h')
			return cli_help(help);
		if (option == 'V')
			return cli_version();
		status = take_option(server, option);
	}
	if (status != 0)
		return status;
	if (bm_server_options(server)->smtp == NULL || optind == argc) {
		cli_complain("talk needs --server and at least one command");
		return cli_usage("talk");
	}
	cli_protect_secrets(server);
	return say_all(server, argc - optind, argv + optind);
}

int cli_talk(int argc, char **argv)
{
	struct bm_server *server = NULL;
	struct bm_error err = BM_ERROR_INIT;

	if (bm_server_new(&server, NULL, &err) != BM_OK) {
		cli_complain_error(&err);
		return cli_status(err.code);
	}
	int status = talk(server, argc, argv);
	bm_server_free(server);
	return status;
}
