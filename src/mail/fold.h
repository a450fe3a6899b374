/* SPDX-License-Identifier: MIT */
/*
 * Lines of a message: line ends made CR LF (RFC 5321, 2.3.8), long lines folded, dots stuffed (4.5.2). The folding is
 * the original's to the octet, oddities included, so that both send the same: a line that is too long is
 * broken at the last word boundary within the limit, and what remains again, even where it would fit; where there is no
 * boundary it is cut hard, down to its end. Linear in time, no recursion.
 */
#ifndef BM_MAIL_FOLD_H
#define BM_MAIL_FOLD_H

#include "base/buf.h"
#include "base/span.h"
#include "bulkmail/errors.h"

#include <stdbool.h>
#include <stddef.h>

/* RFC 5321, 4.5.3.1.6 without its CR LF. */
#define BM_LINE_MAX 998

/* Walks over the lines of a text with any line ends: CR LF, LF or CR. */
struct bm_lines {
	struct bm_span rest;
	struct bm_span line; /* without its end */
	size_t number;       /* of the line, from 1 */
	bool terminated;     /* the line had an end */
};

void bm_lines_init(struct bm_lines *lines, struct bm_span text);
bool bm_lines_next(struct bm_lines *lines);

/*
 * Appends content as a body: CR LF at each line's end and at the end of it all, folded at limit (0: not at all), dots
 * stuffed. *stuffed grows by the dots that were added.
 */
enum bm_code bm_body_append(struct bm_buf *out, struct bm_span content, size_t limit, size_t *stuffed) BM_MUST_CHECK;

/*
 * Appends a header field ("Name: value", without the last CR LF; may hold CR LF and a blank) folded so that no line is
 * longer than limit, blank lines dropped (limit 0: as it is), and a CR LF.
 */
enum bm_code bm_field_append(struct bm_buf *out, struct bm_span field, size_t limit) BM_MUST_CHECK;

/*
 * The same for a field that stands as it is, line ends apart: only a line over BM_LINE_MAX is folded, before a blank.
 * BM_E_LIMIT where there is none.
 */
enum bm_code bm_field_append_verbatim(struct bm_buf *out, struct bm_span field, bool fold) BM_MUST_CHECK;

#endif
