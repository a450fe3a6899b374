/* SPDX-License-Identifier: MIT */
#include "mail/fold.h"

#include "base/utf8.h"

/* One line that is taken apart. */
struct pieces {
	struct bm_span rest;
	size_t limit;
	size_t floor; /* no break at or before this: the name of a header field and its colon stay together */
	bool hard;    /* no boundary was found: cut to the end, look for none again */
	bool done;
};

void bm_lines_init(struct bm_lines *lines, struct bm_span text)
{
	*lines = (struct bm_lines){.rest = text};
}

bool bm_lines_next(struct bm_lines *lines)
{
	struct bm_span rest = lines->rest;
	size_t end = 0;

	if (rest.size == 0)
		return false;
	while (end < rest.size && rest.data[end] != '\r' && rest.data[end] != '\n')
		end++;
	size_t next = end;
	if (next < rest.size)
		next += rest.data[next] == '\r' && next + 1 < rest.size && rest.data[next + 1] == '\n' ? 2 : 1;
	lines->line = bm_span_make(rest.data, end);
	lines->terminated = next > end;
	lines->rest = bm_span_make(rest.data + next, rest.size - next);
	lines->number++;
	return true;
}

static bool is_word(unsigned char c)
{
	return (c >= '0' && c <= '9') || (bm_lower(c) >= 'a' && bm_lower(c) <= 'z') || c == '_';
}

/* The last place, at most limit, where a word begins or ends with something on both sides; 0 for none. */
static size_t last_boundary(struct bm_span text, size_t limit)
{
	size_t at = text.size <= limit ? text.size - 1 : limit;
	while (at > 0 && is_word(text.data[at - 1]) == is_word(text.data[at]))
		at--;
	return at;
}

/* The original cuts after limit octets wherever that is; we do not cut a character of UTF-8 in two. */
static size_t hard_cut(struct bm_span text, size_t limit)
{
	size_t back = 0;

	if (text.size <= limit)
		return limit;
	while (back < 3 && back + 1 < limit && (text.data[limit - back] & 0xc0) == 0x80)
		back++;
	size_t start = limit - back;
	return bm_utf8_length(text.data + start, text.size - start) > back ? start : limit;
}

static bool pieces_next(struct pieces *pieces, struct bm_span *piece)
{
	struct bm_span rest = pieces->rest;
	size_t cut = 0;

	if (pieces->done)
		return false;
	if (!pieces->hard) {
		cut = last_boundary(rest, pieces->limit);
		pieces->hard = cut <= pieces->floor;
		pieces->floor = 0;
	}
	if (pieces->hard)
		cut = hard_cut(rest, pieces->limit);
	/* A hard cut that comes out even leaves an empty piece behind: the original has that line too. */
	pieces->done = rest.size < cut;
	*piece = bm_span_make(rest.data, pieces->done ? rest.size : cut);
	pieces->rest = bm_span_make(rest.data + piece->size, rest.size - piece->size);
	return true;
}

/* One line of a body without its end. */
static enum bm_code append_stuffed(struct bm_buf *out, struct bm_span line, size_t *stuffed)
{
	if (line.size > 0 && line.data[0] == '.') {
		enum bm_code code = bm_buf_append_char(out, '.');
		if (code != BM_OK)
			return code;
		*stuffed += 1;
	}
	return bm_buf_append_span(out, line);
}

static enum bm_code append_folded(struct bm_buf *out, struct bm_span line, size_t limit, size_t *stuffed)
{
	struct pieces pieces = {.rest = line, .limit = limit};
	struct bm_span piece;
	enum bm_code code = BM_OK;

	for (bool first = true; code == BM_OK && pieces_next(&pieces, &piece); first = false) {
		if (!first)
			code = bm_buf_append_str(out, "\r\n");
		if (code == BM_OK)
			code = append_stuffed(out, piece, stuffed);
	}
	return code;
}

/* Counts the line ends of text, and measures from where the original's last field reaches: its last line that has an
 * end, that end (2) and what follows it. */
static size_t count_ends(struct bm_span text, size_t *last_field)
{
	struct bm_lines lines;
	size_t ends = 0;
	size_t tail = 0;

	*last_field = 0;
	bm_lines_init(&lines, text);
	while (bm_lines_next(&lines)) {
		if (lines.terminated) {
			ends++;
			*last_field = lines.line.size + 2;
		} else {
			tail = lines.line.size;
		}
	}
	*last_field += tail;
	return ends;
}

static bool ends_line(const struct bm_buf *out)
{
	return out->size >= 2 && out->data[out->size - 2] == '\r' && out->data[out->size - 1] == '\n';
}

enum bm_code bm_body_append(struct bm_buf *out, struct bm_span content, size_t limit, size_t *stuffed)
{
	struct bm_lines lines;
	size_t last_field = 0;
	size_t ends = limit > 0 ? count_ends(content, &last_field) : 0;
	enum bm_code code = bm_buf_reserve(out, content.size + content.size / 32 + 2);

	bm_lines_init(&lines, content);
	while (code == BM_OK && bm_lines_next(&lines)) {
		/* The last line with an end, and what follows it, count as one field. */
		size_t size = lines.number >= ends ? last_field : lines.line.size;
		bool fold = limit > 0 && size > limit && lines.line.size > 0;
		code = fold ? append_folded(out, lines.line, limit, stuffed) : append_stuffed(out, lines.line, stuffed);
		if (code == BM_OK && (lines.terminated || !ends_line(out)))
			code = bm_buf_append_str(out, "\r\n");
	}
	return code;
}

static size_t leading_blanks(struct bm_span line)
{
	size_t count = 0;

	while (count < line.size && (line.data[count] == ' ' || line.data[count] == '\t'))
		count++;
	return count;
}

static bool is_blank(struct bm_span line)
{
	return leading_blanks(line) == line.size;
}

static enum bm_code append_field_line(struct bm_buf *out, struct bm_span line, bool blank)
{
	enum bm_code code = BM_OK;

	if (is_blank(line))
		return BM_OK;
	if (blank)
		code = bm_buf_append_char(out, ' ');
	if (code == BM_OK)
		code = bm_buf_append_span(out, line);
	return code == BM_OK ? bm_buf_append_str(out, "\r\n") : code;
}

static enum bm_code append_field_pieces(struct bm_buf *out, struct bm_span line, size_t limit, size_t floor)
{
	struct pieces pieces = {.rest = line, .limit = limit - 1, .floor = floor};
	struct bm_span piece;
	enum bm_code code = BM_OK;

	for (bool first = true; code == BM_OK && pieces_next(&pieces, &piece); first = false)
		code = append_field_line(out, piece, !first);
	return code;
}

enum bm_code bm_field_append(struct bm_buf *out, struct bm_span field, size_t limit)
{
	struct bm_lines lines;
	enum bm_code code = BM_OK;

	if (limit == 0)
		return bm_field_append_verbatim(out, field, false);
	const unsigned char *colon = memchr(field.data, ':', field.size);
	size_t name = colon == NULL ? 0 : (size_t)(colon - field.data);
	bm_lines_init(&lines, field);
	while (code == BM_OK && bm_lines_next(&lines)) {
		if (lines.line.size > limit - 1)
			code = append_field_pieces(out, lines.line, limit, lines.number == 1 ? name : 0);
		else
			code = append_field_line(out, lines.line, false);
	}
	return code;
}

/* Where to fold a line: before a blank that has something else on both sides; 0 for nowhere. */
static size_t blank_before(struct bm_span line)
{
	size_t lead = leading_blanks(line);
	size_t at = BM_LINE_MAX;

	while (at > lead && line.data[at] != ' ' && line.data[at] != '\t')
		at--;
	if (at <= lead || is_blank(bm_span_make(line.data + at, line.size - at)))
		return 0;
	return at;
}

static enum bm_code append_verbatim_line(struct bm_buf *out, struct bm_span line, bool fold)
{
	while (fold && line.size > BM_LINE_MAX) {
		size_t at = blank_before(line);
		if (at == 0)
			return BM_E_LIMIT;
		enum bm_code code = bm_buf_append(out, line.data, at);
		if (code == BM_OK)
			code = bm_buf_append_str(out, "\r\n");
		if (code != BM_OK)
			return code;
		line = bm_span_make(line.data + at, line.size - at);
	}
	enum bm_code code = bm_buf_append_span(out, line);
	return code == BM_OK ? bm_buf_append_str(out, "\r\n") : code;
}

enum bm_code bm_field_append_verbatim(struct bm_buf *out, struct bm_span field, bool fold)
{
	struct bm_lines lines;
	enum bm_code code = BM_OK;

	bm_lines_init(&lines, field);
	while (code == BM_OK && bm_lines_next(&lines))
		code = append_verbatim_line(out, lines.line, fold);
	return code;
}
