/* SPDX-License-Identifier: MIT */
/*
 * Mailboxes (RFC 5321, 4.1.2 and 4.5.3.1; RFC 5322, 3.4): the addr-spec that goes into
 * the envelope is always what this parser made, never text from outside. Iterative, linear in time.
 */
#ifndef BM_MAIL_ADDRESS_H
#define BM_MAIL_ADDRESS_H

#include "base/buf.h"
#include "base/span.h"
#include "bulkmail/errors.h"

#include <stdbool.h>
#include <stddef.h>

/* Local part 64, "@", domain 255 (RFC 5321, 4.5.3.1.1 and 2); quoting may double a local part's text. */
#define BM_ADDRESS_MAX 400

struct bm_address {
	char mailbox[BM_ADDRESS_MAX + 1]; /* local@domain as for the wire: quoted only where needed, IDN domain as A-labels,
										 else the case as given */
	size_t size;
	size_t domain;           /* offset of the domain in mailbox */
	bool utf8;               /* the local part is not ASCII: it needs SMTPUTF8 */
	struct bm_span original; /* the whole text without spaces at its ends, comments and all; borrowed from the input */
	struct bm_span display;  /* the display name as it stands, empty without one; borrowed */
};

/*
 * One mailbox: `local@domain`, `<local@domain>`, `name <local@domain>`; comments in parentheses are dropped. reason,
 * when not NULL, gets a static string that says what is wrong. Control octets, octets that are not UTF-8, a domain that
 * is no host name, IDN or address literal: BM_E_ADDRESS. A line end or TAB at either end is a control octet too: who
 * reads lines trims them.
 */
enum bm_code bm_address_parse(struct bm_address *out, struct bm_span text, const char **reason) BM_MUST_CHECK;

/* Trusting email: takes what is between the last "<" and ">", or all; refuses only what cannot be sent (controls,
 * empty, too long, not UTF-8). */
enum bm_code bm_address_trust(struct bm_address *out, struct bm_span text, const char **reason) BM_MUST_CHECK;

/* True when reason, as these two gave it, says that there is no address at all, not that one is wrong. */
bool bm_address_is_missing(const char *reason);

/* A mailbox, or a group (`name: a@x, b@y;`), as the header To may hold. */
enum bm_code bm_address_check_header(struct bm_span text, const char **reason) BM_MUST_CHECK;

struct bm_span bm_address_mailbox(const struct bm_address *address);
struct bm_span bm_address_domain(const struct bm_address *address);

/*
 * The key under which two spellings are one address: domain in lower case, local part too unless with_case or it is not
 * ASCII. out has room for BM_ADDRESS_MAX octets; returns its size.
 */
size_t bm_address_key(const struct bm_address *address, bool with_case, unsigned char *out);

/* The mailbox as a header shows it: the original when it is ASCII, else with its display name encoded (RFC 2047). */
enum bm_code bm_address_append_header(struct bm_buf *out, const struct bm_address *address) BM_MUST_CHECK;

/* The same in a header field of which column octets are written already; folded when it has to be. */
enum bm_code bm_address_append_field(struct bm_buf *out, const struct bm_address *address, size_t column) BM_MUST_CHECK;

/* A group with its name encoded; BM_E_ADDRESS when it is none, or when its members are not ASCII. */
enum bm_code bm_address_append_group(struct bm_buf *out, struct bm_span text, size_t column) BM_MUST_CHECK;

/* The display name without quotes and comments, as people read it; nothing when there is none. */
enum bm_code bm_address_append_name(struct bm_buf *out, const struct bm_address *address) BM_MUST_CHECK;

/* The first of a list of mailboxes: what stands before the first comma outside of strings and comments. */
struct bm_span bm_address_first(struct bm_span list);

#endif
