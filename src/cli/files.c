/* SPDX-License-Identifier: MIT */
#include "cli/files.h"

#include "cli/cli.h"

#include <string.h>
#include <sys/stat.h>
#include <sysexits.h>

static const char *attribute(const struct setup *setup, const char *name)
{
	return bm_conf_text(setup->conf, BM_PACKAGE_CAMPAIGN, name);
}

/* One that is not there yet is known by its path alone; standard input and output are no file. */
static bool is_same_file(const char *a, const char *b)
{
	struct stat one;
	struct stat other;

	if (a == NULL || b == NULL || strcmp(a, "-") == 0 || strcmp(b, "-") == 0)
		return false;
	if (stat(a, &one) != 0 || stat(b, &other) != 0)
		return strcmp(a, b) == 0;
	return S_ISREG(one.st_mode) && one.st_dev == other.st_dev && one.st_ino == other.st_ino;
}

static int check(const char *path, const char *output)
{
	if (!is_same_file(path, output))
		return 0;
	cli_complain("%s is wanted for something else and would be overwritten by an output", output);
	return EX_USAGE;
}

static int check_input(const char *input, const char *const *outputs, size_t count)
{
	int status = 0;

	for (size_t i = 0; status == 0 && i < count; i++)
		status = check(input, outputs[i]);
	return status;
}

int files_check(const struct setup *setup, const struct send_options *options)
{
	const char *message = options->message != NULL ? options->message : options->body;
	const char *const inputs[] = {
		options->list != NULL ? options->list : attribute(setup, "LIST"),
		message != NULL ? message : attribute(setup, "Message"),
		attribute(setup, "banned"),
		bm_conf_text(setup->conf, BM_PACKAGE_SERVER, "server_file"),
	};
	/* The first two begin anew, the others are added to. */
	const char *const outputs[] = {options->outcomes, options->report, attribute(setup, "GOOD"),
		attribute(setup, "BAD"), attribute(setup, "ERRFILE")};
	const size_t count = sizeof outputs / sizeof outputs[0];
	int status = check_input(outputs[0], outputs + 1, count - 1);

	if (status == 0)
		status = check_input(outputs[1], outputs + 2, count - 2);
	for (size_t i = 0; status == 0 && i < sizeof inputs / sizeof inputs[0]; i++)
		status = check_input(inputs[i], outputs, count);
	for (size_t i = 0; status == 0 && i < options->conf_count; i++)
		status = check_input(options->conf_files[i], outputs, count);
	return status;
}
