/* SPDX-License-Identifier: MIT */
/* What a campaign would do, found out without connecting. */
#ifndef BM_CLI_PLAN_H
#define BM_CLI_PLAN_H

#include "cli/setup.h"

/* Prints it on standard output; returns 0, 1 when some records would not be sent, or the status of an error. */
int plan_show(struct setup *setup);

#endif
