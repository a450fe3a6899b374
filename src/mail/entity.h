/* SPDX-License-Identifier: MIT */
/* What the headers of a MIME part say (RFC 2045, RFC 2046), and where parts end. */
#ifndef BM_MAIL_ENTITY_H
#define BM_MAIL_ENTITY_H

#include "base/span.h"
#include "mail/fold.h"

#include <stdbool.h>

/* Parts within parts. */
#define BM_PART_DEPTH_MAX 8

enum bm_transfer_encoding {
	BM_ENCODING_NONE, /* 7bit, or not said */
	BM_ENCODING_8BIT,
	BM_ENCODING_QUOTED,
	BM_ENCODING_BASE64,
	BM_ENCODING_OTHER,
};

enum bm_entity_kind {
	BM_ENTITY_OTHER, /* left as it is */
	BM_ENTITY_TEXT,
	BM_ENTITY_MULTIPART,
};

/* What the headers of a part say. */
struct bm_entity {
	enum bm_entity_kind kind;
	enum bm_transfer_encoding encoding;
	bool html;
	bool digest;
	bool sealed;             /* multipart/signed or /encrypted: nothing in it may change */
	bool message;            /* message/rfc822: headers and a body again */
	struct bm_span type;     /* the value of Content-Type, on one line; empty: there is none */
	struct bm_span charset;  /* of type */
	struct bm_span boundary; /* of type */
};

/* The value of a parameter as it is written, with its quotes; data NULL: there is none (RFC 2045, 5.1). */
struct bm_span bm_type_parameter(struct bm_span type, const char *name);

/* type: a Content-Type on one line; kept. */
void bm_entity_read_type(struct bm_entity *entity, struct bm_span type);
enum bm_transfer_encoding bm_encoding_of(struct bm_span value);

/* When type and encoding are read: a multipart or an unknown encoding that hides what is in it is left alone. */
void bm_entity_settle(struct bm_entity *entity);

struct bm_span bm_without_blanks_at_end(struct bm_span line);

/* A boundary that is open. */
struct bm_level {
	struct bm_span boundary;
	bool digest;
};

/* How a line ends parts: the level of the boundary in it, and whether it is the last one; false when it is none. */
bool bm_boundary_find(const struct bm_level *levels, size_t depth, struct bm_span line, size_t *level, bool *last);

/* A field of a part: from its first line to its last. */
struct bm_part_field {
	struct bm_lines lines;
	struct bm_span raw; /* with its line ends */
	struct bm_span value;
};

bool bm_part_field_next(struct bm_part_field *field);

/* line, a field, has this name. */
bool bm_part_field_is(struct bm_span line, const char *name);

#endif
