/* SPDX-License-Identifier: MIT */
/* Which files a campaign reads and writes. */
#ifndef BM_CLI_FILES_H
#define BM_CLI_FILES_H

#include "bulkmail/bulkmail.h"
#include "cli/options.h"

/*
 * 0, or the exit status after having said what is wrong: nothing is read twice from standard input, and no output is a
 * file that is read or, for --outcomes and --report, which are made anew, another output.
 */
int files_check(const struct bm_conf *conf, const struct send_options *options);

#endif
