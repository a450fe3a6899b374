/* SPDX-License-Identifier: MIT */
/* When the sender wants to be told of a message (RFC 3461, 4.1), as people write it. */
#ifndef BM_STORE_NOTIFY_H
#define BM_STORE_NOTIFY_H

#include <stdbool.h>

#define BM_NOTIFY_SIZE 32

/*
 * "never", or "success", "failure" and "delay" in any case and order, each once, joined by commas or blanks: *out is
 * what NOTIFY says ("SUCCESS,DELAY").
 */
bool bm_notify_parse(const char *text, char out[BM_NOTIFY_SIZE]);

#endif
