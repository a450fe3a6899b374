/* SPDX-License-Identifier: MIT */
/*
 * Headers with values (RFC 5322, 2.2.3 and 3.4; RFC 2047, 5; RFC 2369). No value can begin a line, add an address or be
 * taken for an encoded-word: where it could be read as anything but text it is encoded, where it must be an address it
 * is parsed and written anew.
 */
#include "mail/place.h"

#include "base/utf8.h"
#include "mail/chars.h"
#include "mail/encode.h"
#include "mail/fold.h"
#include "mail/slot.h"

/* A display name longer than this is encoded, so that it can be folded anywhere. */
#define PHRASE_MAX 200
/* What stands in angle brackets has no blank to fold it at. */
#define URI_MAX 900
#define MAILBOX_TEXT_MAX 1024

/* What the octets of a text are, in one pass. */
struct nature {
	bool control;
	bool high;
};

static struct nature nature_of(struct bm_span text)
{
	unsigned controls = 0;
	unsigned all = 0;

	for (size_t i = 0; i < text.size; i++) {
		controls |= text.data[i] < 0x20 || text.data[i] == 0x7f;
		all |= text.data[i];
	}
	return (struct nature){.control = controls != 0, .high = all >= 0x80};
}

static const char *check_value(
	const struct bm_message *message, const struct bm_piece *piece, const struct bm_span *values)
{
	const struct bm_column *column = &message->list_columns[piece->column];
	struct bm_span value = bm_piece_value(message, piece, values);

	if (value.size == 0)
		return value.data == NULL && !piece->has_default ? column->absent : NULL;
	struct nature nature = nature_of(value);
	if (nature.control)
		return column->control;
	if (!nature.high)
		return NULL;
	if (!bm_utf8_valid(value.data, value.size))
		return column->not_utf8;
	return bm_has_line_end_of_utf8(value) ? column->control : NULL;
}

static const char *check_pieces(
	const struct bm_message *message, const struct bm_pieces *pieces, const struct bm_span *values)
{
	for (size_t i = 0; i < pieces->count; i++) {
		if (pieces->at[i].column == BM_NO_COLUMN)
			continue;
		const char *reason = check_value(message, &pieces->at[i], values);
		if (reason != NULL)
			return reason;
	}
	return NULL;
}

const char *bm_place_check_text(
	const struct bm_message *message, const struct bm_place *place, const struct bm_span *values)
{
	return check_pieces(message, &place->pieces, values);
}

static enum bm_code append_pieces(struct bm_writing *writing, struct bm_buf *out, const struct bm_pieces *pieces)
{
	enum bm_code code = BM_OK;

	for (size_t i = 0; code == BM_OK && i < pieces->count; i++)
		code = bm_buf_append_span(out, bm_piece_value(writing->message, &pieces->at[i], writing->values));
	return code;
}

/* A name may begin with a dot. */
static enum bm_code append_name(struct bm_writing *writing, const struct bm_place *place)
{
	enum bm_code code = bm_buf_reserve(writing->out, place->name.size + 3);

	if (code == BM_OK && writing->stuff && place->name.data[0] == '.') {
		writing->dots++;
		code = bm_buf_append_char(writing->out, '.');
	}
	if (code == BM_OK)
		code = bm_buf_append_span(writing->out, place->name);
	return code == BM_OK ? bm_buf_append_str(writing->out, ": ") : code;
}

/* Plain text that no reader could take for an encoded-word. */
static bool is_literal(struct bm_span text)
{
	return !nature_of(text).high && (text.size < 2 || memmem(text.data, text.size, "=?", 2) == NULL);
}

static bool is_blank(unsigned char c)
{
	return c == ' ' || c == '\t';
}

/*
 * Where to fold: before the last run of blanks that begins within limit, else before the first within BM_LINE_MAX; 0
 * for nowhere. Before floor nothing is folded, so that every line has something to see.
 */
static size_t fold_at(struct bm_span text, size_t floor, size_t limit)
{
	size_t most = text.size < BM_LINE_MAX ? text.size - 1 : BM_LINE_MAX;
	size_t best = 0;

	for (size_t at = floor; at <= most; at++) {
		bool begins = is_blank(text.data[at]) && !is_blank(text.data[at - 1]);
		if (begins && (at <= limit || best == 0))
			best = at;
		if (at >= limit && best != 0)
			break;
	}
	return best;
}

static size_t leading_blanks(struct bm_span text)
{
	size_t count = 0;

	while (count < text.size && is_blank(text.data[count]))
		count++;
	return count;
}

/* name is how much of text may not be folded. False when there is no blank where one is needed. */
static bool append_folded(struct bm_buf *out, struct bm_span text, size_t name, size_t limit, enum bm_code *code)
{
	size_t floor = name + 1;

	*code = BM_OK;
	while (*code == BM_OK && text.size > limit) {
		size_t at = floor < text.size ? fold_at(text, floor, limit) : 0;
		if (at == 0)
			break;
		*code = bm_buf_append(out, text.data, at);
		if (*code == BM_OK)
			*code = bm_buf_append_str(out, "\r\n");
		text = bm_span_make(text.data + at, text.size - at);
		floor = leading_blanks(text) + 1;
	}
	if (*code == BM_OK && text.size > BM_LINE_MAX)
		return false;
	if (*code == BM_OK)
		*code = bm_buf_append_span(out, text);
	return true;
}

enum bm_code bm_place_write_text(struct bm_writing *writing, const struct bm_place *place)
{
	struct bm_buf *out = writing->out;
	enum bm_code code = append_name(writing, place);
	size_t name = place->name.size + 2;
	size_t start = out->size;

	if (code == BM_OK)
		code = append_pieces(writing, out, &place->pieces);
	if (code != BM_OK)
		return code;
	struct bm_span value = bm_span_trim(bm_span_make(out->data + start, out->size - start));
	bool literal = is_literal(value);
	if (literal && name + value.size <= place->limit) {
		/* Blanks at its ends are not the value's. */
		memmove(out->data + start, value.data, value.size);
		out->size = start + value.size;
		return bm_buf_append_str(out, "\r\n");
	}
	bm_buf_clear(writing->scratch);
	code = bm_buf_append_span(writing->scratch, place->name);
	if (code == BM_OK)
		code = bm_buf_append_str(writing->scratch, ": ");
	if (code == BM_OK)
		code = bm_buf_append_span(writing->scratch, value);
	out->size = start - name;
	struct bm_span field = bm_buf_view(writing->scratch);
	if (code == BM_OK && literal && append_folded(out, field, name, place->limit, &code))
		return code == BM_OK ? bm_buf_append_str(out, "\r\n") : code;
	out->size = start;
	size_t column = name;
	if (code == BM_OK)
		code = bm_encode_words(out, bm_span_make(field.data + name, field.size - name), &column);
	return code == BM_OK ? bm_buf_append_str(out, "\r\n") : code;
}

/* A header of parts under way. */
struct line {
	struct bm_writing *writing;
	size_t column;
	bool first;
};

/* A blank before what is not the first, or a fold when size octets do not fit behind it. */
static enum bm_code put_gap(struct line *line, size_t size)
{
	bool fold = line->column + 1 + size > (line->first ? BM_LINE_MAX : BM_ENCODED_LINE_MAX);
	bool first = line->first;

	line->first = false;
	if (fold) {
		line->column = 1;
		return bm_buf_append_str(line->writing->out, "\r\n ");
	}
	if (first)
		return BM_OK;
	line->column++;
	return bm_buf_append_char(line->writing->out, ' ');
}

static enum bm_code put_token(struct line *line, struct bm_span open, struct bm_span text, struct bm_span tail)
{
	struct bm_buf *out = line->writing->out;
	bool angle = open.size > 0;
	size_t size = text.size + tail.size + (angle ? 2 : 0);
	enum bm_code code = put_gap(line, size);

	if (code == BM_OK && angle)
		code = bm_buf_append_char(out, '<');
	if (code == BM_OK)
		code = bm_buf_append_span(out, text);
	if (code == BM_OK && angle)
		code = bm_buf_append_char(out, '>');
	line->column += size;
	return code == BM_OK ? bm_buf_append_span(out, tail) : code;
}

static struct bm_span nothing(void)
{
	return bm_span_make("", 0);
}

static struct bm_span angle(void)
{
	return bm_span_of("<");
}

/* Words of atext with single blanks between them. */
static bool is_atoms(struct bm_span text)
{
	bool after_blank = true;

	for (size_t i = 0; i < text.size; i++) {
		bool blank = text.data[i] == ' ';
		if (blank ? after_blank : !bm_is_atext(text.data[i]))
			return false;
		after_blank = blank;
	}
	return !after_blank;
}

static enum bm_code put_quoted(struct line *line, struct bm_span text, struct bm_span tail)
{
	struct bm_buf *out = line->writing->out;
	size_t size = text.size + 2 + tail.size;

	for (size_t i = 0; i < text.size; i++)
		size += text.data[i] == '"' || text.data[i] == '\\';
	enum bm_code code = put_gap(line, size);
	if (code == BM_OK)
		code = bm_buf_append_char(out, '"');
	for (size_t i = 0; code == BM_OK && i < text.size; i++) {
		if (text.data[i] == '"' || text.data[i] == '\\')
			code = bm_buf_append_char(out, '\\');
		if (code == BM_OK)
			code = bm_buf_append_char(out, text.data[i]);
	}
	if (code == BM_OK)
		code = bm_buf_append_char(out, '"');
	line->column += size;
	return code == BM_OK ? bm_buf_append_span(out, tail) : code;
}

static enum bm_code put_phrase(struct line *line, struct bm_span text, struct bm_span tail)
{
	text = bm_span_trim(text);
	if (text.size == 0)
		return tail.size == 0 ? BM_OK : put_token(line, nothing(), tail, nothing());
	bool literal = text.size <= PHRASE_MAX && is_literal(text);
	if (literal && is_atoms(text))
		return put_token(line, nothing(), text, tail);
	if (literal)
		return put_quoted(line, text, tail);
	/* Room for the shortest word. */
	enum bm_code code = put_gap(line, 20);
	if (code == BM_OK)
		code = bm_encode_words(line->writing->out, text, &line->column);
	line->column += tail.size;
	return code == BM_OK ? bm_buf_append_span(line->writing->out, tail) : code;
}

static bool collect(const struct bm_message *message, const struct bm_pieces *pieces, const struct bm_span *values,
	char out[MAILBOX_TEXT_MAX], struct bm_span *text)
{
	size_t size = 0;

	for (size_t i = 0; i < pieces->count; i++) {
		struct bm_span value = bm_piece_value(message, &pieces->at[i], values);
		if (value.size > MAILBOX_TEXT_MAX - size)
			return false;
		if (value.size > 0)
			memcpy(out + size, value.data, value.size);
		size += value.size;
	}
	*text = bm_span_make(out, size);
	return true;
}

/* text has MAILBOX_TEXT_MAX octets, which address borrows. */
static bool parse_mailbox(struct bm_address *address, const struct bm_message *message, const struct bm_part *part,
	const struct bm_span *values, char *storage)
{
	struct bm_span text;

	if (!collect(message, &part->pieces, values, storage, &text))
		return false;
	bool alone = part->kind == BM_PART_MAILBOX;
	if (alone && text.size > 0 && memchr(text.data, '<', text.size) != NULL)
		return false;
	return bm_address_parse(address, text, NULL) == BM_OK;
}

bool bm_place_makes_mailbox(const struct bm_message *message, const struct bm_part *part, const struct bm_span *values)
{
	struct bm_address address;
	char storage[MAILBOX_TEXT_MAX];

	return parse_mailbox(&address, message, part, values, storage);
}

static enum bm_code put_mailbox(struct line *line, const struct bm_part *part)
{
	struct bm_writing *writing = line->writing;
	struct bm_address address;
	char storage[MAILBOX_TEXT_MAX];

	if (!parse_mailbox(&address, writing->message, part, writing->values, storage))
		return BM_E_MESSAGE;
	struct bm_span mailbox = bm_address_mailbox(&address);
	writing->utf8 = writing->utf8 || address.utf8;
	writing->eight_bit = writing->eight_bit || address.utf8;
	if (part->kind == BM_PART_MAILBOX)
		return put_token(line, angle(), mailbox, part->tail);
	bm_buf_clear(writing->scratch);
	enum bm_code code = bm_address_append_name(writing->scratch, &address);
	if (code != BM_OK)
		return code;
	if (writing->scratch->size == 0)
		return put_token(line, nothing(), mailbox, part->tail);
	code = put_phrase(line, bm_buf_view(writing->scratch), nothing());
	return code == BM_OK ? put_token(line, angle(), mailbox, part->tail) : code;
}

static bool is_unreserved(unsigned char c)
{
	return (c >= '0' && c <= '9') || (bm_lower(c) >= 'a' && bm_lower(c) <= 'z') || c == '-' || c == '.' || c == '_' ||
		   c == '~';
}

static enum bm_code append_percent(struct bm_buf *out, struct bm_span value)
{
	static const char digits[] = "0123456789ABCDEF";
	enum bm_code code = bm_buf_reserve(out, 3 * value.size);

	for (size_t i = 0; code == BM_OK && i < value.size; i++) {
		unsigned char c = value.data[i];
		unsigned char token[3] = {'%', (unsigned char)digits[c >> 4], (unsigned char)digits[c & 15]};
		code = is_unreserved(c) ? bm_buf_append_char(out, c) : bm_buf_append(out, token, sizeof token);
	}
	return code;
}

static enum bm_code put_uri(struct line *line, const struct bm_part *part)
{
	struct bm_writing *writing = line->writing;
	enum bm_code code = BM_OK;

	bm_buf_clear(writing->scratch);
	for (size_t i = 0; code == BM_OK && i < part->pieces.count; i++) {
		const struct bm_piece *piece = &part->pieces.at[i];
		struct bm_span value = bm_piece_value(writing->message, piece, writing->values);
		if (piece->column == BM_NO_COLUMN)
			code = bm_buf_append_span(writing->scratch, value);
		else
			code = append_percent(writing->scratch, value);
	}
	if (!bm_is_ascii(bm_buf_view(writing->scratch))) {
		writing->utf8 = true;
		writing->eight_bit = true;
	}
	return code == BM_OK ? put_token(line, angle(), bm_buf_view(writing->scratch), part->tail) : code;
}

static enum bm_code put_part(struct line *line, const struct bm_part *part)
{
	struct bm_writing *writing = line->writing;
	enum bm_code code = BM_OK;

	switch (part->kind) {
	case BM_PART_LITERAL:
		return put_token(line, nothing(), part->pieces.count == 0 ? nothing() : part->pieces.at[0].text, part->tail);
	case BM_PART_PHRASE:
		bm_buf_clear(writing->scratch);
		code = append_pieces(writing, writing->scratch, &part->pieces);
		return code == BM_OK ? put_phrase(line, bm_buf_view(writing->scratch), part->tail) : code;
	case BM_PART_MAILBOX:
	case BM_PART_BARE:
		return put_mailbox(line, part);
	case BM_PART_URI:
		break;
	}
	return put_uri(line, part);
}

enum bm_code bm_place_write_list(struct bm_writing *writing, const struct bm_place *place)
{
	struct line line = {.writing = writing, .column = place->name.size + 2, .first = true};
	enum bm_code code = append_name(writing, place);

	for (size_t i = 0; code == BM_OK && i < place->part_count; i++)
		code = put_part(&line, &place->parts[i]);
	return code == BM_OK ? bm_buf_append_str(writing->out, "\r\n") : code;
}

static const struct bm_column *first_column(const struct bm_message *message, const struct bm_pieces *pieces)
{
	size_t i = 0;

	while (pieces->at[i].column == BM_NO_COLUMN)
		i++;
	return &message->list_columns[pieces->at[i].column];
}

static const char *check_uri(
	const struct bm_message *message, const struct bm_pieces *pieces, const struct bm_span *values)
{
	size_t size = 0;

	for (size_t i = 0; i < pieces->count; i++) {
		struct bm_span value = bm_piece_value(message, &pieces->at[i], values);
		size += (pieces->at[i].column == BM_NO_COLUMN ? 1 : 3) * value.size;
	}
	return size > URI_MAX ? first_column(message, pieces)->too_long : NULL;
}

static const char *check_part(
	const struct bm_message *message, const struct bm_part *part, const struct bm_span *values)
{
	if (!bm_pieces_vary(part->pieces))
		return NULL;
	const char *reason = check_pieces(message, &part->pieces, values);
	if (reason != NULL)
		return reason;
	bool mailbox = part->kind == BM_PART_MAILBOX || part->kind == BM_PART_BARE;
	if (mailbox && !bm_place_makes_mailbox(message, part, values))
		return first_column(message, &part->pieces)->no_mailbox;
	return part->kind == BM_PART_URI ? check_uri(message, &part->pieces, values) : NULL;
}

const char *bm_place_check_list(
	const struct bm_message *message, const struct bm_place *place, const struct bm_span *values)
{
	for (size_t i = 0; i < place->part_count; i++) {
		const char *reason = check_part(message, &place->parts[i], values);
		if (reason != NULL)
			return reason;
	}
	return NULL;
}
