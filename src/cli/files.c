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

/* An output may not be a file that is read, or another output. */
static int check_input(const char *input, const char *const *outputs, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		if (is_same_file(input, outputs[i]))
			return refuse(
				outputs[i], "is wanted for something else in this campaign and would be overwritten or added to");
	}
	return 0;
}

static int check_streams(const struct bm_conf *conf, const struct send_options *options)
{
	const char *list = options->list != NULL ? options->list : text_of(conf, "LIST");

	if (is_stream(list) && (is_stream(options->message) || is_stream(options->body)))
		return refuse("-", "is both the list and the message: standard input can be only one of them");
	return 0;
}

int files_check(const struct bm_conf *conf, const struct send_options *options)
{
	const char *const inputs[] = {options->list, options->message, options->body, text_of(conf, "LIST"),
		text_of(conf, "banned"), bm_conf_text(conf, BM_PACKAGE_SERVER, "server_file"),
		is_from_file(conf) ? text_of(conf, "Message") : NULL};
	/* The first two begin anew, the others are added to. */
	const char *const outputs[] = {
		options->outcomes, options->report, text_of(conf, "GOOD"), text_of(conf, "BAD"), text_of(conf, "ERRFILE")};
	const size_t count = sizeof outputs / sizeof outputs[0];

	int status = check_streams(conf, options);
	if (status == 0)
		status = check_input(outputs[0], outputs + 1, count - 1);
	if (status == 0)
		status = check_input(outputs[1], outputs + 2, count - 2);
	for (size_t i = 0; status == 0 && i < sizeof inputs / sizeof inputs[0]; i++)
		status = check_input(inputs[i], outputs, count);
	for (size_t i = 0; status == 0 && i < options->conf_count; i++)
		status = check_input(options->conf_files[i], outputs, count);
	return status;
}
