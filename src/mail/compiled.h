/* SPDX-License-Identifier: MIT */
/*
 * What bm_message_new makes: all that the copies have in common, in wire form, and the places where whole lines of a
 * copy's own go.
 */
#ifndef BM_MAIL_COMPILED_H
#define BM_MAIL_COMPILED_H

#include "base/arena.h"
#include "base/buf.h"
#include "bulkmail/message.h"
#include "mail/address.h"
#include "mail/domain.h"

enum bm_place_kind {
	BM_PLACE_TO, /* the header To: the recipient */
	BM_PLACE_ID, /* the header Message-ID */
};

struct bm_place {
	enum bm_place_kind kind;
	size_t at;      /* in wire, at the beginning of a line; never before the place before it */
	size_t bare_at; /* in bare */
};

struct bm_message {
	struct bm_buf wire; /* headers, empty line, body: CR LF, dots stuffed */
	struct bm_buf bare; /* the same without stuffing; empty when nothing is stuffed */
	size_t stuffed;     /* dots in wire that RFC 1870 does not count */
	struct bm_place *places;
	size_t place_count;
	size_t place_capacity;
	size_t *columns; /* of the list, that slots use, ascending */
	size_t column_count;
	bool own_to;
	bool own_id;
	bool use_envelope;
	bool eight_bit;
	char sender[BM_ADDRESS_MAX + 1];
	char id_host[BM_DOMAIN_MAX + 1];
	size_t id_host_size;
	uint64_t id_seed[2];
	struct bm_arena arena; /* what places point to */
};

#endif
