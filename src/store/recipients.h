/* SPDX-License-Identifier: MIT */
/* What the campaign knows of a list beyond its public face. */
#ifndef BM_STORE_RECIPIENTS_H
#define BM_STORE_RECIPIENTS_H

#include "bulkmail/recipients.h"

#include <stdbool.h>

/* Waits until fd can be read; false: it shall not be read now. */
typedef bool bm_recipients_wait_fn(void *user, int fd);

/*
 * fn is called before each read of a descriptor that is no regular file, such as a pipe that nobody writes
 * to just now. When it says false, bm_recipients_next returns BM_E_STOPPED and may be called again: nothing of a line
 * that was read in part is lost. NULL: reads wait for ever.
 */
void bm_recipients_set_wait(struct bm_recipients *list, bm_recipients_wait_fn *fn, void *user);

#endif
