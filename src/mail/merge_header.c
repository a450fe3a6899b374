/* SPDX-License-Identifier: MIT */
/*
 * Headers with slots are taken apart once: what is a display name, an address, a URI or text (RFC 5322, 3.4 and 3.6.5;
 * RFC 2369). Encoded-words in them are decoded, for mail programs encode the braces too.
 */
#include "mail/writer.h"

#include "base/error.h"
#include "base/utf8.h"
#include "mail/decode.h"
#include "mail/encode.h"
#include "mail/fold.h"
#include "mail/place.h"

#include <stdio.h>
#include <stdlib.h>

#define WHERE_SIZE 120
#define NAME_SIZE_MAX 200
#define LITERAL_MAX 900

enum shape {
	SHAPE_TEXT,
	SHAPE_ADDRESSES,
	SHAPE_URIS,
	SHAPE_FIXED, /* no slots here */
};

/* What stands between two separators. */
struct element {
	struct bm_span text;     /* all of it */
	struct bm_span angle;    /* between angle brackets; data NULL: none */
	struct bm_span rest;     /* behind them */
	unsigned char separator; /* behind it; 0: the end */
};

/* A header that is taken apart. */
struct header {
	struct bm_writer *writer;
	struct bm_span name;
	enum shape shape;
	bool attribute;
	char where[WHERE_SIZE];
	struct bm_part *parts;
	size_t count;
	size_t capacity;
	bool varies;
};

static enum shape shape_of(struct bm_span name)
{
	static const char *const fixed[] = {
		"Date", "Message-ID", "MIME-Version", "Resent-Date", "Resent-Message-ID", "Received", NULL};
	static const char *const addresses[] = {"From", "Sender", "Reply-To", "To", "Cc", "Resent-From", "Resent-Sender",
		"Resent-Reply-To", "Resent-To", "Resent-Cc", "Disposition-Notification-To", "Return-Receipt-To", "Errors-To",
		"Mail-Reply-To", "Mail-Followup-To", "Apparently-To", NULL};

	if (bm_span_begins_nocase(name, "Content-") || bm_span_is_one_of(name, fixed))
		return SHAPE_FIXED;
	if (bm_span_is_one_of(name, addresses))
		return SHAPE_ADDRESSES;
	return bm_span_begins_nocase(name, "List-") ? SHAPE_URIS : SHAPE_TEXT;
}

bool bm_header_is_text(struct bm_span name)
{
	return shape_of(name) == SHAPE_TEXT;
}

bool bm_header_has_phrases(struct bm_span name)
{
	enum shape shape = shape_of(name);
	return shape == SHAPE_ADDRESSES || shape == SHAPE_URIS;
}

bool bm_merge_wants(const struct bm_draft *draft, struct bm_span value)
{
	struct bm_buf plain;
	bool wants = draft->options->merge && bm_slots_in(value);

	if (wants || !draft->options->merge || value.size < 2 || memmem(value.data, value.size, "=?", 2) == NULL)
		return wants;
	bm_buf_init(&plain, BM_WIRE_MAX);
	wants = bm_words_decode(&plain, value) == BM_OK && bm_slots_in(bm_buf_view(&plain));
	bm_buf_deinit(&plain);
	return wants;
}

/* The end of the quoted string or comment that text begins with; 0: it is not closed. */
static size_t skip_enclosed(struct bm_span text)
{
	bool comment = text.data[0] == '(';
	size_t depth = 1;

	for (size_t i = 1; i < text.size; i++) {
		struct bm_span rest = bm_span_make(text.data + i, text.size - i);
		unsigned char c = text.data[i];
		size_t slot = bm_slot_skip(rest);
		if (slot == 0)
			return 0;
		if (slot > 1 || c == '\\') {
			i += slot > 1 ? slot - 1 : 1;
			continue;
		}
		if (comment && c == '(')
			depth++;
		else if (c == (comment ? ')' : '"') && --depth == 0)
			return i + 1;
	}
	return 0;
}

/* The end of what text begins with: a slot, a string, a comment, a domain literal, or one octet; 0: not closed. */
static size_t skip_one(struct bm_span text, bool strings)
{
	unsigned char c = text.data[0];
	size_t slot = bm_slot_skip(text);

	if (slot != 1)
		return slot;
	if (strings && (c == '"' || c == '('))
		return skip_enclosed(text);
	if (strings && c == '[') {
		const unsigned char *end = memchr(text.data, ']', text.size);
		return end == NULL ? 0 : (size_t)(end + 1 - text.data);
	}
	return 1;
}

/* Takes the text up to the next of separators off rest. False when it cannot be understood. */
static bool take_element(struct bm_span *rest, const char *separators, struct element *element)
{
	struct bm_span text = *rest;
	const unsigned char *open = NULL;
	const unsigned char *close = NULL;
	size_t at = 0;

	*element = (struct element){.separator = 0};
	while (at < text.size) {
		unsigned char c = text.data[at];
		bool inside = open != NULL && close == NULL;
		if (!inside && c != '\0' && strchr(separators, c) != NULL)
			break;
		if (c == '<' && open == NULL)
			open = text.data + at;
		else if (c == '>' && inside)
			close = text.data + at;
		size_t size = skip_one(bm_span_make(text.data + at, text.size - at), !inside);
		if (size == 0)
			return false;
		at += size;
	}
	if (open != NULL && close == NULL)
		return false;
	element->text = bm_span_make(text.data, at);
	if (open != NULL) {
		element->angle = bm_span_make(open + 1, (size_t)(close - open - 1));
		element->rest = bm_span_make(close + 1, (size_t)(text.data + at - close - 1));
	}
	element->separator = at < text.size ? text.data[at] : 0;
	size_t used = at < text.size ? at + 1 : at;
	*rest = bm_span_make(text.data + used, text.size - used);
	return true;
}

struct bm_span bm_merge_fixed_mailbox(struct bm_span value)
{
	struct element element;

	if (!take_element(&value, ",;", &element))
		return bm_span_make(NULL, 0);
	struct bm_span mailbox = element.angle.data != NULL ? element.angle : element.text;
	return bm_slots_in(mailbox) ? bm_span_make(NULL, 0) : bm_span_trim(mailbox);
}

static enum bm_code refuse(const struct header *header, const char *id, const char *why)
{
	return bm_error_set(header->writer->err, BM_E_MESSAGE, id, "%s: %s", header->where, why);
}

static enum bm_code add_part(struct header *header, const struct bm_part *part)
{
	if (header->count == header->capacity) {
		size_t capacity = header->capacity == 0 ? 8 : 2 * header->capacity;
		struct bm_part *parts = realloc(header->parts, capacity * sizeof *parts);
		if (parts == NULL)
			return bm_error_nomem(header->writer->err);
		header->parts = parts;
		header->capacity = capacity;
	}
	header->varies = header->varies || bm_pieces_vary(part->pieces);
	header->parts[header->count++] = *part;
	return BM_OK;
}

static struct bm_span tail_of(unsigned char separator)
{
	switch (separator) {
	case ',':
		return bm_span_of(",");
	case ';':
		return bm_span_of(";");
	case ':':
		return bm_span_of(":");
	default:
		return bm_span_of("");
	}
}

/* A text without slots, as it stands. */
static enum bm_code add_literal(struct header *header, struct bm_span text, struct bm_span tail)
{
	struct bm_message *message = header->writer->message;
	struct bm_part part = {.kind = BM_PART_LITERAL, .tail = tail};

	text = bm_span_trim(text);
	if (text.size > LITERAL_MAX)
		return refuse(header, "MB022", "a part of it is too long");
	if (!bm_is_ascii(text))
		return refuse(header, "MB022", "it is not ASCII and cannot be encoded");
	if (text.size == 0 && tail.size == 0)
		return BM_OK;
	struct bm_piece *piece = bm_arena_take(&message->arena, sizeof *piece);
	const char *copy = bm_arena_copy(&message->arena, text.data, text.size);
	if (piece == NULL || copy == NULL)
		return bm_error_nomem(header->writer->err);
	*piece = (struct bm_piece){.text = bm_span_make(copy, text.size), .column = BM_NO_COLUMN};
	part.pieces = (struct bm_pieces){piece, 1};
	return add_part(header, &part);
}

/* One without slots after all (non-ASCII, escaped braces) is checked here, for no values will be. */
static enum bm_code check_mailbox(struct header *header, const struct bm_part *part)
{
	if (bm_pieces_vary(part->pieces) || bm_place_makes_mailbox(header->writer->message, part, NULL))
		return BM_OK;
	return refuse(header, header->attribute ? "MB002" : "MB022", "an address that is none");
}

static enum bm_code add_slots(struct header *header, enum bm_part_kind kind, struct bm_span text, struct bm_span tail)
{
	struct bm_part part = {.kind = kind, .tail = tail};

	if (!bm_utf8_valid(text.data, text.size))
		return refuse(header, "MB022", "it is not valid UTF-8");
	enum bm_code code = bm_slots_parse(&header->writer->slots, &part.pieces, text, header->where);
	if (code == BM_OK && (kind == BM_PART_MAILBOX || kind == BM_PART_BARE))
		code = check_mailbox(header, &part);
	return code == BM_OK ? add_part(header, &part) : code;
}

/* Quotes, comments and needless blanks gone. */
static enum bm_code append_unquoted(struct bm_buf *out, struct bm_span text)
{
	bool quoted = false;
	bool comments = true; /* until one is not closed: none behind it is, either */
	enum bm_code code = BM_OK;

	for (size_t i = 0; code == BM_OK && i < text.size;) {
		struct bm_span rest = bm_span_make(text.data + i, text.size - i);
		unsigned char c = text.data[i];
		size_t size = bm_slot_skip(rest);
		bool blank = !quoted && (c == ' ' || c == '\t');
		bool again = blank && out->size > 0 && out->data[out->size - 1] == ' ';
		if (size > 1) {
			code = bm_buf_append(out, rest.data, size);
		} else if (c == '"') {
			quoted = !quoted;
		} else if (c == '(' && !quoted && comments) {
			size = skip_enclosed(rest);
			comments = size > 0;
		} else if (c == '\\' && quoted && rest.size > 1) {
			code = bm_buf_append_char(out, rest.data[1]);
			size = 2;
		} else if (!again) {
			code = bm_buf_append_char(out, blank ? ' ' : c);
		}
		i += size == 0 ? 1 : size;
	}
	return code;
}

static enum bm_code add_phrase(struct header *header, struct bm_span text, struct bm_span tail)
{
	struct bm_buf plain;
	struct bm_buf decoded;

	bm_buf_init(&plain, BM_WIRE_MAX);
	bm_buf_init(&decoded, BM_WIRE_MAX);
	enum bm_code code = append_unquoted(&plain, text);
	if (code == BM_OK)
		code = bm_words_decode(&decoded, bm_buf_view(&plain));
	if (code != BM_OK)
		code = bm_writer_no_room(header->writer, code);
	else if (bm_span_has_control(bm_buf_view(&decoded)))
		code = refuse(header, "MB022", "a control character in a name");
	else
		code = add_slots(header, BM_PART_PHRASE, bm_buf_view(&decoded), tail);
	bm_buf_deinit(&plain);
	bm_buf_deinit(&decoded);
	return code;
}

/* What varies, or has to be encoded. */
static bool wants_work(const struct header *header, struct bm_span text)
{
	return !bm_is_ascii(text) || bm_merge_wants(header->writer->draft, text);
}

static enum bm_code check_fixed(const struct header *header, struct bm_span text)
{
	struct bm_address address;
	const char *reason = "";

	bool trusted = header->writer->draft->options->trust_email || !header->attribute;
	if (trusted || text.size == 0 || bm_address_parse(&address, text, &reason) == BM_OK)
		return BM_OK;
	return refuse(header, "MB002", reason);
}

static enum bm_code add_angle(struct header *header, const struct element *element, struct bm_span tail)
{
	bool uri = header->shape == SHAPE_URIS;
	enum bm_part_kind kind = uri ? BM_PART_URI : BM_PART_MAILBOX;
	struct bm_span whole = bm_span_make(element->angle.data - 1, element->angle.size + 2 + element->rest.size);

	if (uri ? bm_slots_in(element->angle) : wants_work(header, element->angle))
		return add_slots(header, kind, element->angle, tail);
	enum bm_code code = uri ? BM_OK : check_fixed(header, element->angle);
	return code == BM_OK ? add_literal(header, whole, tail) : code;
}

static bool is_comment_or_blank(struct bm_span text)
{
	text = bm_span_trim(text);
	return text.size == 0 || (text.data[0] == '(' && skip_enclosed(text) == text.size);
}

static enum bm_code add_element(struct header *header, const struct element *element)
{
	struct bm_span tail = tail_of(element->separator);
	struct bm_span text = bm_span_trim(element->text);

	if (element->angle.data == NULL) {
		bool name = header->shape == SHAPE_URIS || element->separator == ':';
		if (!wants_work(header, text)) {
			enum bm_code code = name ? BM_OK : check_fixed(header, text);
			return code == BM_OK ? add_literal(header, text, tail) : code;
		}
		return name ? add_phrase(header, text, tail) : add_slots(header, BM_PART_BARE, text, tail);
	}
	if (!is_comment_or_blank(element->rest) || bm_slots_in(element->rest))
		return refuse(header, "MB022", "there is something behind an address");
	struct bm_span phrase = bm_span_make(text.data, (size_t)(element->angle.data - 1 - text.data));
	enum bm_code code = BM_OK;
	if (bm_span_trim(phrase).size > 0) {
		code = wants_work(header, phrase) ? add_phrase(header, phrase, bm_span_of(""))
										  : add_literal(header, phrase, bm_span_of(""));
	}
	return code == BM_OK ? add_angle(header, element, tail) : code;
}

/* An attribute is one mailbox; To may be a group, too. */
static enum bm_code check_separator(const struct header *header, const struct element *element, bool group)
{
	bool one = header->attribute && header->shape == SHAPE_ADDRESSES && element->separator != 0;

	if (!one || group)
		return BM_OK;
	if (element->separator == ':' && bm_span_equal_nocase(header->name, bm_span_of("To")))
		return BM_OK;
	return refuse(header, "MB002", "more than one address");
}

/* What is wrong with its slots is said first. */
static enum bm_code fail_unclosed(struct header *header, struct bm_span text)
{
	struct bm_pieces pieces;
	enum bm_code code = bm_slots_parse(&header->writer->slots, &pieces, text, header->where);

	return code != BM_OK ? code : refuse(header, "MB022", "a quote, a parenthesis or an angle bracket is not closed");
}

static enum bm_code add_elements(struct header *header, struct bm_span text)
{
	const struct bm_span whole = text;
	struct element element;
	bool group = false;
	enum bm_code code = BM_OK;

	while (code == BM_OK && text.size > 0) {
		if (!take_element(&text, header->shape == SHAPE_URIS ? "," : ",;:", &element))
			return fail_unclosed(header, whole);
		code = check_separator(header, &element, group);
		group = group || element.separator == ':';
		if (code == BM_OK)
			code = add_element(header, &element);
	}
	return code;
}

static enum bm_code put_list(struct header *header, struct bm_span text)
{
	struct bm_writer *writer = header->writer;
	enum bm_code code = add_elements(header, text);

	if (code != BM_OK)
		return code;
	struct bm_part *parts = bm_arena_take(&writer->message->arena, (header->count + 1) * sizeof *parts);
	if (parts == NULL)
		return bm_error_nomem(writer->err);
	if (header->count > 0)
		memcpy(parts, header->parts, header->count * sizeof *parts);
	struct bm_place place = {.kind = BM_PLACE_LIST, .name = header->name, .parts = parts, .part_count = header->count};
	return bm_writer_put_merged(writer, &place, header->varies);
}

static enum bm_code put_text(struct header *header, struct bm_span text)
{
	struct bm_writer *writer = header->writer;
	struct bm_place place = {.kind = BM_PLACE_TEXT, .name = header->name};

	bm_buf_clear(&writer->scratch);
	enum bm_code code = bm_words_decode(&writer->scratch, bm_span_trim(text));
	if (code != BM_OK)
		return bm_writer_no_room(writer, code);
	text = bm_buf_view(&writer->scratch);
	if (!bm_utf8_valid(text.data, text.size) || bm_span_has_control_but_tab(text))
		return refuse(header, "MB022", "it is not valid UTF-8, or holds a control character");
	place.limit = writer->limit == 0 || writer->limit > BM_LINE_MAX ? BM_LINE_MAX : writer->limit;
	code = bm_slots_parse(&writer->slots, &place.pieces, text, header->where);
	return code == BM_OK ? bm_writer_put_merged(writer, &place, bm_pieces_vary(place.pieces)) : code;
}

enum bm_code bm_merge_header(struct bm_writer *writer, struct bm_span name, struct bm_span value, bool attribute)
{
	struct header header = {.writer = writer, .shape = shape_of(name), .attribute = attribute};
	struct bm_buf plain;

	snprintf(header.where, sizeof header.where, "header %.*s", name.size > 80 ? 80 : (int)name.size,
		(const char *)name.data);
	if (header.shape == SHAPE_FIXED)
		return refuse(&header, "MB022", "no slot can stand here (--set merge=0 sends braces as they are)");
	const char *copy = bm_arena_copy(&writer->message->arena, name.data, name.size);
	if (copy == NULL)
		return bm_error_nomem(writer->err);
	if (name.size > NAME_SIZE_MAX)
		return refuse(&header, "MB022", "its name is too long");
	header.name = bm_span_make(copy, name.size);
	bm_buf_init(&plain, BM_WIRE_MAX);
	enum bm_code code = bm_unfold(&plain, value);
	if (code != BM_OK)
		code = bm_writer_no_room(writer, code);
	else if (header.shape == SHAPE_TEXT)
		code = put_text(&header, bm_buf_view(&plain));
	else
		code = put_list(&header, bm_buf_view(&plain));
	bm_buf_deinit(&plain);
	free(header.parts);
	return code;
}
