/* SPDX-License-Identifier: MIT */
#include "cli/options.h"

#include "cli/cli.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

enum option_id {
	OPTION_CONF = 256,
	OPTION_SERVER,
	OPTION_LIST,
	OPTION_MESSAGE,
	OPTION_BODY,
	OPTION_FROM,
	OPTION_TO,
	OPTION_SUBJECT,
	OPTION_SENDER,
	OPTION_REPLY_TO,
	OPTION_USE_ENVELOPE,
	OPTION_SET,
	OPTION_JOURNAL,
	OPTION_NO_JOURNAL,
	OPTION_OUTCOMES,
	OPTION_REPORT,
	OPTION_DRY_RUN,
	OPTION_QUIET,
	OPTION_HELP,
	OPTION_VERSION,
};

static const struct option long_options[] = {
	{"conf", required_argument, NULL, OPTION_CONF},
	{"server", required_argument, NULL, OPTION_SERVER},
	{"list", required_argument, NULL, OPTION_LIST},
	{"message", required_argument, NULL, OPTION_MESSAGE},
	{"body", required_argument, NULL, OPTION_BODY},
	{"from", required_argument, NULL, OPTION_FROM},
	{"to", required_argument, NULL, OPTION_TO},
	{"subject", required_argument, NULL, OPTION_SUBJECT},
	{"sender", required_argument, NULL, OPTION_SENDER},
	{"reply-to", required_argument, NULL, OPTION_REPLY_TO},
	{"use-envelope", required_argument, NULL, OPTION_USE_ENVELOPE},
	{"set", required_argument, NULL, OPTION_SET},
	{"journal", required_argument, NULL, OPTION_JOURNAL},
	{"no-journal", no_argument, NULL, OPTION_NO_JOURNAL},
	{"outcomes", required_argument, NULL, OPTION_OUTCOMES},
	{"report", required_argument, NULL, OPTION_REPORT},
	{"dry-run", no_argument, NULL, OPTION_DRY_RUN},
	{"quiet", no_argument, NULL, OPTION_QUIET},
	{"help", no_argument, NULL, OPTION_HELP},
	{"version", no_argument, NULL, OPTION_VERSION},
	{NULL, 0, NULL, 0},
};

static void *grown(void *items, size_t count, size_t size)
{
	void *more = realloc(items, (count + 1) * size);
	if (more == NULL)
		cli_complain("out of memory");
	return more;
}

static int add_name(const char ***names, size_t *count, const char *name)
{
	const char **more = grown(*names, *count, sizeof *more);
	if (more == NULL)
		return cli_no_memory();
	*names = more;
	(*names)[(*count)++] = name;
	return 0;
}

static int add_setting(
	struct send_options *options, const char *name, size_t name_size, const char *value, const char *where)
{
	struct setting *settings = grown(options->settings, options->setting_count, sizeof *settings);
	if (settings == NULL)
		return cli_no_memory();
	options->settings = settings;
	char *copy = strndup(name, name_size);
	if (copy == NULL)
		return cli_no_memory();
	settings[options->setting_count++] = (struct setting){copy, value, where};
	return 0;
}

static int add_set(struct send_options *options, const char *argument)
{
	const char *equals = strchr(argument, '=');

	if (equals == NULL || equals == argument) {
		cli_complain("--set: found \"%s\", expected NAME=VALUE", argument);
		return EX_USAGE;
	}
	return add_setting(options, argument, (size_t)(equals - argument), equals + 1, "--set");
}

static int add_use_envelope(struct send_options *options, const char *argument)
{
	if (strcmp(argument, "0") != 0 && strcmp(argument, "1") != 0) {
		cli_complain("--use-envelope: found \"%s\", expected 0 or 1", argument);
		return EX_USAGE;
	}
	return add_setting(options, "use_envelope", strlen("use_envelope"), argument, "--use-envelope");
}

static int refuse_journal(void)
{
	cli_complain("--journal: this version keeps no journal yet; leave the option out, or say --no-journal");
	return EX_USAGE;
}

static int set_attribute(struct send_options *options, const char *name, const char *value, const char *where)
{
	return add_setting(options, name, strlen(name), value, where);
}

static int take(struct send_options *options, enum option_id id, const char *argument)
{
	switch (id) {
	case OPTION_CONF:
		return add_name(&options->conf_files, &options->conf_count, argument);
	case OPTION_SERVER:
		return add_name(&options->servers, &options->server_count, argument);
	case OPTION_LIST:
		options->list = argument;
		return 0;
	case OPTION_MESSAGE:
		options->message = argument;
		return 0;
	case OPTION_BODY:
		options->body = argument;
		return 0;
	case OPTION_FROM:
		return set_attribute(options, "From", argument, "--from");
	case OPTION_TO:
		return set_attribute(options, "To", argument, "--to");
	case OPTION_SUBJECT:
		return set_attribute(options, "Subject", argument, "--subject");
	case OPTION_SENDER:
		return set_attribute(options, "Sender", argument, "--sender");
	case OPTION_REPLY_TO:
		return set_attribute(options, "ReplyTo", argument, "--reply-to");
	case OPTION_USE_ENVELOPE:
		return add_use_envelope(options, argument);
	case OPTION_SET:
		return add_set(options, argument);
	case OPTION_JOURNAL:
		return refuse_journal();
	case OPTION_NO_JOURNAL:
		return 0;
	case OPTION_OUTCOMES:
		options->outcomes = argument;
		return 0;
	case OPTION_REPORT:
		options->report = argument;
		return 0;
	case OPTION_DRY_RUN:
		options->dry_run = true;
		return 0;
	case OPTION_QUIET:
		options->quiet = true;
		return 0;
	case OPTION_HELP:
		options->help = true;
		return 0;
	case OPTION_VERSION:
		options->version = true;
		return 0;
	}
	return EX_USAGE;
}

static int check_whole(const struct send_options *options, const char *name, int argc, char **argv, int next)
{
	if (options->help || options->version)
		return 0;
	if (next < argc) {
		cli_complain("found \"%s\", expected an option", argv[next]);
		return cli_usage(name);
	}
	if (options->message != NULL && options->body != NULL) {
		cli_complain("--message and --body: give one of them, a whole message or a bare body");
		return cli_usage(name);
	}
	return 0;
}

int send_options_parse(struct send_options *options, const char *name, int argc, char **argv)
{
	*options = (struct send_options){0};
	optind = 0;
	for (;;) {
		int id = getopt_long(argc, argv, "h", long_options, NULL);
		if (id == -1)
			return check_whole(options, name, argc, argv, optind);
		if (id == '?')
			return cli_usage(name);
		int status = take(options, id == 'h' ? OPTION_HELP : (enum option_id)id, optarg);
		if (status != 0)
			return status;
	}
}

void send_options_deinit(struct send_options *options)
{
	for (size_t i = 0; i < options->setting_count; i++)
		free((char *)options->settings[i].name);
	free(options->settings);
	free(options->conf_files);
	free(options->servers);
}
