/* SPDX-License-Identifier: MIT */
/*
 * What bm_message_new makes: all that the copies have in common, in wire form, with the places where a copy's own lines
 * go.
 */
#ifndef BM_MAIL_COMPILED_H
#define BM_MAIL_COMPILED_H

#include "base/buf.h"
#include "bulkmail/message.h"
#include "mail/address.h"
#include "mail/domain.h"

struct bm_message {
	struct bm_buf wire; /* headers, empty line, body: CR LF, dots stuffed */
	size_t stuffed;     /* dots in it that RFC 1870 does not count */
	size_t to_at;       /* where the line To goes, when own_to; never behind id_at */
	size_t id_at;       /* where the line Message-ID goes, when own_id */
	bool own_to;
	bool own_id;
	bool eight_bit;
	char sender[BM_ADDRESS_MAX + 1];
	char id_host[BM_DOMAIN_MAX + 1];
	uint64_t id_seed[2];
};

#endif
