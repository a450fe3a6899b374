/* SPDX-License-Identifier: MIT */
/* A conf file that is in memory already: what bm_conf_read does behind its reading. */
#ifndef BM_STORE_CONF_TEXT_H
#define BM_STORE_CONF_TEXT_H

#include "base/span.h"
#include "bulkmail/conf.h"

/* Ceilings against a file that is none of ours. */
#define BM_CONF_FILE_SIZE_MAX (16u * 1024 * 1024)
#define BM_CONF_LINE_SIZE_MAX (64u * 1024)

/*
 * Reads one more file out of text, less significant than those before; file is what errors call it. After an error
 * conf is as it was, except after BM_E_NOMEM, when it may only be freed.
 */
enum bm_code bm_conf_read_text(
	struct bm_conf *conf, struct bm_span text, const char *file, struct bm_error *err) BM_MUST_CHECK;

/*
 * The same for a file that is not private: exposed says why, and is the error when the file names a user, or where a
 * password is. NULL: it is private.
 */
enum bm_code bm_conf_read_exposed(struct bm_conf *conf, struct bm_span text, const char *file,
	const struct bm_error *exposed, struct bm_error *err) BM_MUST_CHECK;

#endif
