/* SPDX-License-Identifier: MIT */
/* The header Date (RFC 5322, 3.3). Own calendar arithmetic: no zone files, no locale. */
#ifndef BM_MAIL_DATE_H
#define BM_MAIL_DATE_H

#include "bulkmail/errors.h"

#include <stddef.h>
#include <stdint.h>

#define BM_DATE_SIZE 32 /* "Thu, 01 Jan 1970 00:00:00 +0000" and a NUL */

/* seconds since 1970, offset in minutes east of UTC. BM_E_USAGE beyond the year 9999 or a day's offset. */
enum bm_code bm_date_format(char out[BM_DATE_SIZE], uint64_t seconds, int offset) BM_MUST_CHECK;

#endif
