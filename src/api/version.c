/* SPDX-License-Identifier: MIT */
#include "bulkmail/bulkmail.h"

const char *bm_version(void)
{
	return BM_VERSION;
}
