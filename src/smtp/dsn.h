/* SPDX-License-Identifier: MIT */
/* The parameters by which delivery reports are asked for (RFC 3461, 4), written into the caller's memory. */
#ifndef BM_SMTP_DSN_H
#define BM_SMTP_DSN_H

#include "smtp/smtp.h"

#define BM_DSN_ENVID_MAX 100 /* octets before they are encoded, each of which may become three */
#define BM_DSN_ORCPT_MAX 500 /* octets of its value (RFC 3461, 5) */
#define BM_DSN_MAIL_MAX (sizeof " RET=FULL ENVID=" - 1 + 3 * BM_DSN_ENVID_MAX)
#define BM_DSN_RCPT_MAX (sizeof " NOTIFY=SUCCESS,FAILURE,DELAY ORCPT=" - 1 + BM_DSN_ORCPT_MAX)

/* BM_E_USAGE for a ret, notify or envid that cannot be said. */
enum bm_code bm_dsn_check(const struct bm_smtp_transaction *given, struct bm_error *err) BM_MUST_CHECK;

/* " RET=… ENVID=…", as far as they are given: the octets of it in out, which has room for BM_DSN_MAIL_MAX. */
size_t bm_dsn_mail(const struct bm_smtp_transaction *given, char *out);

/*
 * " NOTIFY=… ORCPT=…" for one address; given->notify is not NULL, out has room for BM_DSN_RCPT_MAX. ORCPT is left away
 * when it would be too long: what is lost is the address as we know it in a report.
 */
size_t bm_dsn_rcpt(const struct bm_smtp_transaction *given, struct bm_span address, char *out);

#endif
