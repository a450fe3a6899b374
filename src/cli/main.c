/* SPDX-License-Identifier: MIT */
/* bulkmail: finds the subcommand. */
#include "cli/cli.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

static const char help[] =
	"bulkmail: hands a mailing to SMTP relays and says what became of every recipient.\n"
	"\n"
	"  bulkmail send   --server HOST[:PORT] --list FILE --message FILE.eml   send a campaign\n"
	"  bulkmail check  (the same options)      try conf, list, message and servers; send nothing\n"
	"  bulkmail talk   --server HOST[:PORT] COMMAND...   say SMTP commands, show the replies\n"
	"  bulkmail sink   --listen HOST:PORT      an SMTP server for tries and tests\n"
	"\n"
	"  bulkmail COMMAND --help    the options of a command\n"
	"  bulkmail --version\n"
	"\n"
	"The manual: bulkmail(1), bulkmail.conf(5), bulkmail-sink(5).\n";

struct command {
	const char *name;
	int (*run)(int argc, char **argv);
};

static const struct command commands[] = {
	{"send", cli_send},
	{"check", cli_check},
	{"talk", cli_talk},
	{"sink", cli_sink},
};

/* A closed standard descriptor would be given to the first file opened, and written into. */
static void hold_standard_descriptors(void)
{
	int fd = open("/dev/null", O_RDWR | O_CLOEXEC);
	while (fd >= 0 && fd <= STDERR_FILENO)
		fd = open("/dev/null", O_RDWR);
	if (fd > STDERR_FILENO)
		close(fd);
}

/* What was shown is the result of check and talk: lost, it is no success. */
static int flush_output(int status)
{
	if (fflush(stdout) == 0 && !ferror(stdout))
		return status;
	cli_complain("cannot write to standard output");
	return status == EX_OK ? EX_IOERR : status;
}

static int run_command(int argc, char **argv)
{
	for (size_t i = 0; i < sizeof commands / sizeof commands[0]; i++) {
		if (strcmp(argv[1], commands[i].name) == 0)
			return flush_output(commands[i].run(argc - 1, argv + 1));
	}
	cli_complain("no command \"%s\"; there are send, check, talk and sink (bulkmail --help)", argv[1]);
	return EX_USAGE;
}

int main(int argc, char **argv)
{
	hold_standard_descriptors();
	signal(SIGPIPE, SIG_IGN);
	if (argc < 2) {
		fputs(help, stderr);
		return EX_USAGE;
	}
	if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0 || strcmp(argv[1], "help") == 0)
		return cli_help(help);
	if (strcmp(argv[1], "--version") == 0 || strcmp(argv[1], "-V") == 0)
		return cli_version();
	int status = run_command(argc, argv);
	if (fflush(stdout) == 0 && !ferror(stdout))
		return status;
	cli_complain("standard output cannot be written");
	return status == EX_OK ? EX_IOERR : status;
}
