/* SPDX-License-Identifier: MIT */
/* The envelope identifier of DSN (RFC 3461, 4.4), which may be another for each record. */
#ifndef BM_ENGINE_ENVID_H
#define BM_ENGINE_ENVID_H

#include "base/span.h"
#include "bulkmail/errors.h"
#include "bulkmail/recipients.h"

#include <stdbool.h>
#include <stddef.h>

#define BM_ENVID_MAX 100
#define BM_ENVID_PIECES 32

/* All octets 0: none. */
struct bm_envid {
	struct bm_envid_piece {
		struct bm_span text; /* borrowed from the template */
		size_t column;       /* of the list; or one of envid.c's */
	} pieces[BM_ENVID_PIECES];
	size_t count;
	bool varies; /* it is not the same for all */
};

/*
 * text: NULL, or with {{column}} and {{seq}}, the number of the record; borrowed. BM_E_CONF: no such column, braces
 * that are not closed, too many of them; one that does not vary and cannot be sent.
 */
enum bm_code bm_envid_init(struct bm_envid *envid, const char *text, const char *const *columns, size_t column_count,
	struct bm_error *err) BM_MUST_CHECK;

/* False: it is longer than BM_ENVID_MAX, or holds what is not printable ASCII. record may be NULL when nothing varies.
 */
bool bm_envid_write(
	const struct bm_envid *envid, const struct bm_record *record, unsigned char out[BM_ENVID_MAX], size_t *size);

#endif
