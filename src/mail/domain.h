/* SPDX-License-Identifier: MIT */
/* The right-hand side of a mailbox: host name, IDN or address literal (RFC 5321, 4.1.2 and 4.1.3; RFC 5891). */
#ifndef BM_MAIL_DOMAIN_H
#define BM_MAIL_DOMAIN_H

#include "base/span.h"

#include <stdbool.h>

#define BM_DOMAIN_MAX 255

/* Each returns NULL when all is well, else a static string that says what is wrong. */

/* ASCII: labels of letters, digits and hyphens, two at least, the last not all digits. */
const char *bm_domain_check_host(struct bm_span text);

/* `[1.2.3.4]` or `[IPv6:...]`, with its brackets. */
const char *bm_domain_check_literal(struct bm_span text);

/*
 * A host name, an IDN or a literal as the wire has it: an IDN in A-labels, anything else as it is given. out has room
 * for BM_DOMAIN_MAX octets; *size is set on success.
 */
const char *bm_domain_to_wire(char *out, size_t *size, struct bm_span text);

/* What may stand behind the "@" of a Message-ID: a dot-atom or a literal. */
bool bm_domain_is_id_right(struct bm_span text);

#endif
