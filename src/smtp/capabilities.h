/* SPDX-License-Identifier: MIT */
/* What an EHLO reply lists (RFC 5321, 4.1.1.1). Unknown keywords are passed over, repeated ones do no harm. */
#ifndef BM_SMTP_CAPABILITIES_H
#define BM_SMTP_CAPABILITIES_H

#include "smtp/smtp.h"

void bm_capabilities_parse(struct bm_smtp_capabilities *capabilities, const struct bm_reply *reply);

/* "AUTH PLAIN", and as older servers say it, "AUTH=PLAIN". */
bool bm_capabilities_is_auth(struct bm_span line);

#endif
