/* SPDX-License-Identifier: MIT */
#include "mail/place.h"

#include "base/utf8.h"
#include "mail/charset.h"
#include "mail/encode.h"
#include "mail/fold.h"
#include "mail/quoted.h"

/* The value as the body's charset has it. */
static enum bm_code in_charset(struct bm_buf *scratch, const struct bm_charset *charset, struct bm_span *value)
{
	struct bm_span rest = *value;
	uint32_t point = 0;

	if (charset == NULL)
		return BM_OK;
	bm_buf_clear(scratch);
	enum bm_code code = bm_buf_reserve(scratch, rest.size);
	while (code == BM_OK && rest.size > 0) {
		unsigned char octet = '?';
		if (!bm_utf8_take(&rest, &point) || !bm_charset_octet(charset, point, &octet))
			return BM_E_MESSAGE;
		code = bm_buf_append_char(scratch, octet);
	}
	*value = bm_buf_view(scratch);
	return code;
}

static size_t sum_sizes(const struct bm_writing *writing, const struct bm_pieces *pieces, size_t *texts)
{
	size_t values = 0;

	*texts = 0;
	for (size_t i = 0; i < pieces->count; i++) {
		size_t size = bm_piece_value(writing->message, &pieces->at[i], writing->values).size;
		if (pieces->at[i].column == BM_NO_COLUMN)
			*texts += size;
		else
			values += size;
	}
	return values;
}

static enum bm_code write_quoted(struct bm_writing *writing, const struct bm_place *place)
{
	struct bm_buf *out = writing->out;
	size_t texts = 0;
	size_t values = sum_sizes(writing, &place->pieces, &texts);
	enum bm_code code = bm_buf_reserve(out, bm_quoted_room(texts, values));

	if (code != BM_OK)
		return code;
	struct bm_quoted quoted = {.at = out->data + out->size};
	for (size_t i = 0; code == BM_OK && i < place->pieces.count; i++) {
		const struct bm_piece *piece = &place->pieces.at[i];
		struct bm_span value = bm_piece_value(writing->message, piece, writing->values);
		if (piece->column == BM_NO_COLUMN) {
			bm_quoted_put_encoded(&quoted, value);
			continue;
		}
		code = in_charset(writing->scratch, place->charset, &value);
		if (code == BM_OK)
			bm_quoted_put(&quoted, value, place->html && !piece->as_is);
	}
	bm_quoted_end_line(&quoted);
	out->size = (size_t)(quoted.at - out->data);
	return code;
}

/* A line of a body as it is, under way. */
struct raw {
	unsigned char *at;
	bool begins; /* at the beginning of a line */
	bool stuff;
	size_t dots;
};

static void put_run(struct raw *raw, struct bm_span run)
{
	if (run.size == 0)
		return;
	if (raw->begins && raw->stuff && run.data[0] == '.') {
		*raw->at++ = '.';
		raw->dots++;
	}
	memcpy(raw->at, run.data, run.size);
	raw->at += run.size;
	raw->begins = false;
}

static void end_raw_line(struct raw *raw)
{
	memcpy(raw->at, "\r\n", 2);
	raw->at += 2;
	raw->begins = true;
}

static bool is_raw(unsigned char c, bool html)
{
	enum bm_octet_kind kind = bm_octet_kind(c);

	return kind != BM_OCTET_END && (kind != BM_OCTET_MARKUP || !html);
}

static void put_raw(struct raw *raw, struct bm_span octets, bool html)
{
	for (size_t i = 0; i < octets.size;) {
		size_t start = i;
		while (i < octets.size && is_raw(octets.data[i], html))
			i++;
		put_run(raw, bm_span_make(octets.data + start, i - start));
		if (i == octets.size)
			return;
		unsigned char c = octets.data[i++];
		if (bm_octet_kind(c) == BM_OCTET_MARKUP) {
			put_run(raw, bm_html_entity(c));
			continue;
		}
		if (c == '\r' && i < octets.size && octets.data[i] == '\n')
			i++;
		end_raw_line(raw);
	}
}

static enum bm_code write_raw(struct bm_writing *writing, const struct bm_place *place)
{
	struct bm_buf *out = writing->out;
	size_t texts = 0;
	size_t values = sum_sizes(writing, &place->pieces, &texts);
	enum bm_code code = bm_buf_reserve(out, 2 * texts + 8 * values + 4);

	if (code != BM_OK)
		return code;
	struct raw raw = {.at = out->data + out->size, .begins = true, .stuff = writing->stuff};
	for (size_t i = 0; code == BM_OK && i < place->pieces.count; i++) {
		const struct bm_piece *piece = &place->pieces.at[i];
		struct bm_span value = bm_piece_value(writing->message, piece, writing->values);
		if (piece->column == BM_NO_COLUMN) {
			put_run(&raw, value);
			continue;
		}
		code = in_charset(writing->scratch, place->charset, &value);
		writing->eight_bit = writing->eight_bit || !bm_is_ascii(value);
		if (code == BM_OK)
			put_raw(&raw, value, place->html && !piece->as_is);
	}
	end_raw_line(&raw);
	writing->dots += raw.dots;
	out->size = (size_t)(raw.at - out->data);
	return code;
}

static bool fits_charset(const struct bm_charset *charset, struct bm_span value)
{
	uint32_t point = 0;
	unsigned char octet = 0;

	while (value.size > 0) {
		if (!bm_utf8_take(&value, &point) || !bm_charset_octet(charset, point, &octet))
			return false;
	}
	return true;
}

/* Octets, of UTF-8 characters. */
static size_t count_characters(struct bm_span text)
{
	size_t count = 0;

	for (size_t i = 0; i < text.size; i++)
		count += (text.data[i] & 0xc0) != 0x80;
	return count;
}

/* Adds a value to the length of the line under way; false when a line becomes too long. */
static bool add_length(size_t *length, struct bm_span value, bool html, bool single)
{
	while (value.size > 0) {
		size_t size = 0;
		while (size < value.size && bm_octet_kind(value.data[size]) != BM_OCTET_END)
			size++;
		struct bm_span line = bm_span_make(value.data, size);
		*length += single ? count_characters(line) : size;
		for (size_t i = 0; html && i < size; i++) {
			if (bm_octet_kind(line.data[i]) == BM_OCTET_MARKUP)
				*length += bm_html_entity(line.data[i]).size - 1;
		}
		if (*length > BM_LINE_MAX)
			return false;
		size_t end = size < value.size ? 1 : 0;
		*length = end > 0 ? 0 : *length;
		value = bm_span_make(value.data + size + end, value.size - size - end);
	}
	return true;
}

/* Lines that are sent as they are must not become too long. */
static const char *check_lengths(
	const struct bm_message *message, const struct bm_place *place, const struct bm_span *values)
{
	const char *reason = NULL;
	size_t length = 0;

	for (size_t i = 0; i < place->pieces.count; i++) {
		const struct bm_piece *piece = &place->pieces.at[i];
		struct bm_span value = bm_piece_value(message, piece, values);
		if (piece->column == BM_NO_COLUMN) {
			length += value.size;
		} else {
			reason = message->list_columns[piece->column].too_long;
			if (!add_length(&length, value, place->html && !piece->as_is, place->charset != NULL))
				return reason;
		}
		if (length > BM_LINE_MAX && reason != NULL)
			return reason;
	}
	return NULL;
}

static const char *check_body_value(const struct bm_message *message, const struct bm_place *place,
	const struct bm_piece *piece, const struct bm_span *values)
{
	const struct bm_column *column = &message->list_columns[piece->column];
	struct bm_span value = bm_piece_value(message, piece, values);

	if (value.data == NULL && value.size == 0 && !piece->has_default)
		return column->absent;
	if (value.size == 0)
		return NULL;
	if (memchr(value.data, 0, value.size) != NULL)
		return column->nul;
	if (bm_is_ascii(value))
		return NULL;
	if (!bm_utf8_valid(value.data, value.size))
		return column->not_utf8;
	if (place->charset != NULL && !fits_charset(place->charset, value))
		return place->charset->reasons[piece->column];
	return NULL;
}

static const char *check_body(
	const struct bm_message *message, const struct bm_place *place, const struct bm_span *values)
{
	for (size_t i = 0; i < place->pieces.count; i++) {
		const struct bm_piece *piece = &place->pieces.at[i];
		if (piece->column == BM_NO_COLUMN)
			continue;
		const char *reason = check_body_value(message, place, piece, values);
		if (reason != NULL)
			return reason;
	}
	return place->kind == BM_PLACE_RAW ? check_lengths(message, place, values) : NULL;
}

enum bm_code bm_place_write(struct bm_writing *writing, const struct bm_place *place)
{
	switch (place->kind) {
	case BM_PLACE_TEXT:
		return bm_place_write_text(writing, place);
	case BM_PLACE_LIST:
		return bm_place_write_list(writing, place);
	case BM_PLACE_QUOTED:
		return write_quoted(writing, place);
	case BM_PLACE_RAW:
		return write_raw(writing, place);
	case BM_PLACE_TO:
	case BM_PLACE_ID:
		break;
	}
	return BM_E_USAGE;
}

const char *bm_place_check(const struct bm_message *message, const struct bm_place *place, const struct bm_span *values)
{
	switch (place->kind) {
	case BM_PLACE_TEXT:
		return bm_place_check_text(message, place, values);
	case BM_PLACE_LIST:
		return bm_place_check_list(message, place, values);
	case BM_PLACE_QUOTED:
	case BM_PLACE_RAW:
		return check_body(message, place, values);
	case BM_PLACE_TO:
	case BM_PLACE_ID:
		break;
	}
	return NULL;
}
