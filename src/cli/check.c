/* SPDX-License-Identifier: MIT */
/* bulkmail check: the plan, and a greeting of each server. */
#include "cli/cli.h"
#include "cli/plan.h"
#include "cli/setup.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <sysexits.h>

static const char help[] =
	"bulkmail check: reads conf, list and message as send does (the same options: bulkmail send --help), says what\n"
	"would go where, connects to each server with TLS and login as its attributes ask for, and shows what it found:\n"
	"TLS and whether the server is verified (if not, why), the login, and what the server offers. Nothing is sent.\n"
	"\n"
	"Exit status: 0 all well, 1 some records would not be sent, 69 a server cannot be used, else as send.\n";

/* What the campaign asks of every server. */
struct need {
	const char *keyword;
	const char *why;
	bool needed;
};

#define NEEDS 3

static void show_word(const char *word)
{
	fputs("  ", stdout);
	cli_show(stdout, word, strlen(word));
	putchar('\n');
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

/* Why the server would not be trusted, by another connection that asks for it. */
static void show_distrust(const struct bm_server *server)
{
	struct bm_server_options options = *bm_server_options(server);
	struct bm_server *probe = NULL;
	struct bm_error err = BM_ERROR_INIT;

	options.tls = "verify";
	options.user = NULL;
	options.password_file = NULL;
	options.password_command = NULL;
	options.conversation = NULL;
	if (bm_server_new(&probe, &options, &err) == BM_OK && bm_server_connect(probe, &err) == BM_OK)
		snprintf(err.text, sizeof err.text, "%s", "another connection was");
	fputs("  not verified: ", stdout);
	cli_show(stdout, err.text, strlen(err.text));
	putchar('\n');
	bm_server_free(probe);
}

static void show_security(const struct bm_server *server)
{
	struct bm_server_channel channel = bm_server_channel(server);

	if (channel.tls == NULL)
		show_word(offers(server, "STARTTLS") ? "no TLS, though it is offered" : "no TLS");
	else
		printf("  %s%s\n", channel.tls, channel.verified ? ", verified" : "");
	if (channel.tls != NULL && !channel.verified)
		show_distrust(server);
	if (channel.mechanism != NULL)
		printf("  logged in by %s\n", channel.mechanism);
}

static void show_offers(const struct bm_server *server)
{
	const char *keyword = bm_server_capability(server, 0);

	printf("%s: greeted%s\n", bm_server_name(server), keyword == NULL ? ", no extensions" : ", offers");
	for (size_t i = 0; keyword != NULL; keyword = bm_server_capability(server, ++i))
		show_word(keyword);
}

static int check_needs(const struct bm_server *server, const struct need *needs)
{
	int status = EX_OK;

	for (size_t i = 0; i < NEEDS; i++) {
		if (!needs[i].needed || offers(server, needs[i].keyword))
			continue;
		cli_complain("%s does not offer %s, and %s: it would not be used", bm_server_name(server), needs[i].keyword,
			needs[i].why);
		status = EX_UNAVAILABLE;
	}
	return status;
}

static int greet(struct bm_server *server, const struct need *needs)
{
	struct bm_error err = BM_ERROR_INIT;

	if (bm_server_connect(server, &err) != BM_OK) {
		cli_complain_error(&err);
		bool ours = err.code == BM_E_CONF || err.code == BM_E_MISSING || err.code == BM_E_IO;
		return ours ? cli_status(err.code) : EX_UNAVAILABLE;
	}
	show_offers(server);
	show_security(server);
	int status = check_needs(server, needs);
	bm_server_disconnect(server, false);
	return status;
}

static int greet_all(const struct bm_servers *servers, const struct need *needs)
{
	int status = EX_OK;

	for (size_t i = 0; i < bm_servers_count(servers); i++) {
		struct bm_server *server = bm_servers_at(servers, i);
		/* A DummyServer's greeting would be written into its file. */
		if (bm_server_options(server)->dummy_file != NULL)
			continue;
		int one = greet(server, needs);
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
		const struct need needs[NEEDS] = {
			{"8BITMIME", "the message holds octets above 127 that may not be encoded",
				bm_message_eight_bit(setup.message)},
			{"SMTPUTF8", "an address of the message is not ASCII", bm_message_utf8(setup.message)},
			{"REQUIRETLS", "require_tls is set", setup.campaign.require_tls},
		};
		status = greet_all(setup.servers, needs);
		/* any other is an error of ours, which the plan would find once more */
		if (status == EX_OK || status == EX_UNAVAILABLE) {
			int planned = plan_show(&setup);
			status = status != EX_OK ? status : planned;
		}
	}
	setup_deinit(&setup);
	send_options_deinit(&options);
	return status;
}
