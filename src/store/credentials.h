/* SPDX-License-Identifier: MIT */
/* Files that hold a secret, or name who holds it: read when nobody else could read or write them (decision 26). */
#ifndef BM_STORE_CREDENTIALS_H
#define BM_STORE_CREDENTIALS_H

#include "base/secret.h"
#include "bulkmail/errors.h"

/* A password, or a token, is no longer. */
#define BM_CREDENTIALS_SIZE_MAX 16384

/*
 * The first line of the file, without its line end. BM_E_MISSING; BM_E_IO; BM_E_CONF when the file is not private (a
 * symbolic link, no regular file, and see below; or others may write to its directory), or its first line is empty, too
 * long or holds a NUL. The text names the file, what was found and what was expected; never what the file holds.
 */
enum bm_code bm_credentials_read(struct bm_secret **out, const char *path, struct bm_error *err) BM_MUST_CHECK;

/* BM_E_CONF unless the open file is ours or root's, and others may neither read nor write it. path is for the text. */
enum bm_code bm_credentials_check(int fd, const char *path, struct bm_error *err) BM_MUST_CHECK;

#endif
