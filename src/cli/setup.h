/* SPDX-License-Identifier: MIT */
/* From options and conf files to a campaign that can be run. */
#ifndef BM_CLI_SETUP_H
#define BM_CLI_SETUP_H

#include "bulkmail/bulkmail.h"
#include "cli/options.h"

struct setup {
	struct bm_conf *conf;
	struct bm_servers *servers;
	struct bm_recipients *list;
	const char *const *columns; /* the list's */
	size_t column_count;
	struct bm_message *message;
	struct bm_log *good;
	struct bm_log *bad;
	struct bm_log *errfile;
	struct bm_campaign_options campaign; /* filled but for the callbacks */
};

/* 0, or the exit status after having said what is wrong. Nothing is connected. Always followed by setup_deinit. */
int setup_init(struct setup *setup, const struct send_options *options);
void setup_deinit(struct setup *setup);

#endif
