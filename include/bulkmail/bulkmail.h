/* SPDX-License-Identifier: MIT */
/* Everything of libbulkmail's public interface. */
#ifndef BULKMAIL_BULKMAIL_H
#define BULKMAIL_BULKMAIL_H

#include "bulkmail/campaign.h"
#include "bulkmail/conf.h"
#include "bulkmail/errors.h"
#include "bulkmail/log.h"
#include "bulkmail/message.h"
#include "bulkmail/outcomes.h"
#include "bulkmail/recipients.h"
#include "bulkmail/server.h"
#include "bulkmail/sink.h"

#ifdef __cplusplus
extern "C" {
#endif

/* "1.2.3". Never NULL. */
BM_API const char *bm_version(void);

#ifdef __cplusplus
}
#endif

#endif
