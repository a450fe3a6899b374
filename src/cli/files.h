/* SPDX-License-Identifier: MIT */
/* What is read and what is written are different files: an input would be gone before it was read. */
#ifndef BM_CLI_FILES_H
#define BM_CLI_FILES_H

#include "cli/setup.h"

/* 0, or EX_USAGE after having named the file. The conf has been read, no other file was opened. */
int files_check(const struct setup *setup, const struct send_options *options);

#endif
