/* SPDX-License-Identifier: MIT */
#include "cli.h"

#include <stdio.h>
#include <string.h>

int main(int argc, char **argv)
{
	if (argc >= 2 && strcmp(argv[1], "sink") == 0)
		return cli_sink(argc - 1, argv + 1);
	fprintf(stderr, "usage: bulkmail sink [OPTION]...\n");
	return 64;
}
