/* SPDX-License-Identifier: MIT */
#include "cli/files.h"

#include "cli/cli.h"

#include <string.h>
#include <sys/stat.h>
#include <sysexits.h>

static bool is_stream(const char *path)
{
	return path != NULL && strcmp(path, "-") == 0;
}

static bool is_same_file(const char *a, const char *b)
{
	struct stat one;
	struct stat other;

	if (a == NULL || b == NULL || is_stream(a) || is_stream(b))
		return false;
	if (stat(a, &one) != 0 || stat(b, &other) != 0)
		return strcmp(a, b) == 0;
	return S_ISREG(one.st_mode) && one.st_dev == other.st_dev && one.st_ino == other.st_ino;
}

static const char *text_of(const struct bm_conf *conf, const char *name)
{
	return bm_conf_text(conf, BM_PACKAGE_CAMPAIGN, name);
}

static bool is_from_file(const struct bm_conf *conf)
{
	const char *text = text_of(conf, "message_from_file");
	return text != NULL && strcmp(text, "1") == 0;
}

static int refuse(const char *path, const char *reason)
{
	cli_complain("%s %s", path, reason);
	return EX_USAGE;
}

/* path is made anew: what else the campaign needs must not be in it. */
static int check_output(const struct bm_conf *conf, const struct send_options *options, const char *path)
{
	static const char *const names[] = {"LIST", "banned", "BAD", "GOOD", "ERRFILE"};
	const char *server_file = bm_conf_text(conf, BM_PACKAGE_SERVER, "server_file");
	const char *message = is_from_file(conf) ? text_of(conf, "Message") : NULL;
	const char *inputs[] = {options->list, options->message, options->body, server_file, message};
	bool found = false;

	for (size_t i = 0; i < sizeof inputs / sizeof inputs[0]; i++)
		found = found || is_same_file(inputs[i], path);
	for (size_t i = 0; i < options->conf_count; i++)
		found = found || is_same_file(options->conf_files[i], path);
	for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
		found = found || is_same_file(text_of(conf, names[i]), path);
	return found ? refuse(path, "is another file of this campaign and would be overwritten by --outcomes or --report")
				 : 0;
}

int files_check(const struct bm_conf *conf, const struct send_options *options)
{
	const char *list = options->list != NULL ? options->list : text_of(conf, "LIST");

	if (is_stream(list) && (is_stream(options->message) || is_stream(options->body)))
		return refuse("-", "is both the list and the message: standard input can be only one of them");
	if (is_same_file(options->outcomes, options->report))
		return refuse(options->report, "is given to both --outcomes and --report and would be overwritten");
	int status = check_output(conf, options, options->outcomes);
	return status != 0 ? status : check_output(conf, options, options->report);
}
