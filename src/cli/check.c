/* SPDX-License-Identifier: MIT */
/* bulkmail check: the plan, and a greeting of each server. */
#include "cli/cli.h"
#include "cli/plan.h"
#include "cli/setup.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <sysexits.h>

#define DEFAULT_PORT 25

static const char help[] =
	"bulkmail check: reads conf, list and message as send does (the same options: bulkmail send --help), says what\n"
	"would go where, greets each server and shows its capabilities. Nothing is sent.\n"
	"\n"
	"Exit status: 0 all well, 1 some records would not be sent, 69 a server cannot be used, else as send.\n";

static void show_word(const char *word)
{
	fputs("  ", stdout);
	cli_show(stdout, word, strlen(word));
	putchar('\n');
}

/* host:port, as reports name a server. */
static void show_name(const struct bm_server_options *options)
{
	bool bracketed = strchr(options->smtp, ':') != NULL;
	unsigned port = options->port == 0 ? DEFAULT_PORT : (unsigned)options->port;
	printf("%s%s%s:%u", bracketed ? "[" : "", options->smtp, bracketed ? "]" : "", port);
}

/* Keywords are compared without case (RFC 5321, 2.4). */
static bool offers(const struct bm_server *server, const char *name)
{
	const char *keyword = NULL;
	for (size_t i = 0; (keyword = bm_server_capability(server, i)) != NULL; i++) {
		if (strcasecmp(keyword, name) == 0)
			return true;
	}
	return false;
}

static int greet(struct bm_server *server, bool eight_bit)
{
	struct bm_error err = BM_ERROR_INIT;

	if (bm_server_connect(server, &err) != BM_OK) {
		cli_complain_error(&err);
		return EX_UNAVAILABLE;
	}
	const char *keyword = bm_server_capability(server, 0);
	show_name(bm_server_options(server));
	printf(": greeted%s\n", keyword == NULL ? ", no extensions" : ", offers");
	for (size_t i = 0; keyword != NULL; keyword = bm_server_capability(server, ++i))
		show_word(keyword);
	bool fits = !eight_bit || offers(server, "8BITMIME");
	if (!fits) {
		cli_complain("%s does not offer 8BITMIME, and the message holds octets above 127: it would not be used",
			bm_server_options(server)->smtp);
	}
	bm_server_disconnect(server, false);
	return fits ? EX_OK : EX_UNAVAILABLE;
}

static int greet_all(const struct bm_servers *servers, bool eight_bit)
{
	int status = EX_OK;

	for (size_t i = 0; i < bm_servers_count(servers); i++) {
		struct bm_server *server = bm_servers_at(servers, i);
		/* A DummyServer's greeting would be written into its file. */
		if (bm_server_options(server)->dummy_file != NULL)
			continue;
		int one = greet(server, eight_bit);
		status = one != EX_OK ? one : status;
	}
	return status;
}

int cli_check(int argc, char **argv)
{
	struct send_options options;
	struct setup setup = {0};

	int status = send_options_parse(&options, "check", argc, argv);
	if (status == 0 && (options.help || options.version)) {
		send_options_deinit(&options);
		return options.help ? cli_help(help) : cli_version();
	}
	/* The logs of a campaign are left alone. */
	options.dry_run = true;
	if (status == 0)
		status = setup_init(&setup, &options);
	if (status == 0) {
		int greeted = greet_all(setup.servers, bm_message_eight_bit(setup.message));
		status = plan_show(&setup);
		status = greeted != EX_OK ? greeted : status;
	}
	setup_deinit(&setup);
	send_options_deinit(&options);
	return status;
}
