/* SPDX-License-Identifier: MIT */
/*
 * One line of a conf file, taken apart: pure, nothing allocated, every span borrowed from the line. The grammar is
 * that of Mail::Bulkmail::Object 3.12; bulkmail.conf(5) describes it.
 */
#ifndef BM_STORE_CONF_LINE_H
#define BM_STORE_CONF_LINE_H

#include "base/span.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum bm_conf_line_kind {
	BM_CONF_LINE_BLANK, /* or a comment */
	BM_CONF_LINE_PACKAGE,
	BM_CONF_LINE_VALUE,
	BM_CONF_LINE_BAD,
};

struct bm_conf_line {
	enum bm_conf_line_kind kind;
	struct bm_span name; /* the package's or the attribute's */
	bool for_user;
	uint32_t user;
	bool appended;        /* @= */
	bool undefined;       /* undef */
	struct bm_span value; /* trimmed, escapes not yet resolved */
	const char *expected; /* BAD: what should be here */
};

/* line is without its line end (a CR before it may be left). */
struct bm_conf_line bm_conf_line_parse(struct bm_span text);

/*
 * Resolves the escapes of a value that begins with a backslash: \t \n \r \\ \xHH \ooo (one or two
 * hexadecimal, one to three octal digits). out has room for value.size octets; *out_size is what was
 * written. Returns NULL, or what was expected.
 */
const char *bm_conf_value_unescape(struct bm_span value, char *out, size_t *out_size);

#endif
