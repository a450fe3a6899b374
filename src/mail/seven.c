/* SPDX-License-Identifier: MIT */
/*
 * The 7-bit form of a compiled message (RFC 6152, 3; RFC 2045, 6; RFC 2046): its octets are walked over once more, part
 * by part; what is 8-bit is encoded, and the places keep where they stand. What is signed or encrypted is not touched.
 * Linear in time but for the depth of parts.
 */
#include "base/error.h"
#include "base/utf8.h"
#include "mail/compiled.h"
#include "mail/draft.h"
#include "mail/encode.h"
#include "mail/entity.h"
#include "mail/quoted.h"
#include "mail/writer.h"

#include <openssl/evp.h>
#include <stdlib.h>

#define BASE64_IN 57
#define BASE64_OUT 76

/* Offsets are such of the text, which is the message without stuffing. */
struct seven {
	const struct bm_message *from;
	struct bm_message *to;
	struct bm_span text;
	size_t next_place;
	struct bm_level levels[BM_PART_DEPTH_MAX];
	size_t depth;
	bool hopeless;
};

/* A part: headers, an empty line, a body. */
struct part {
	struct bm_entity entity;
	size_t head;
	size_t head_end; /* where the empty line begins */
	size_t body;
	bool whole;       /* it has an empty line, and its headers can be read in one way only */
	bool has_coding;  /* Content-Transfer-Encoding */
	bool is_signed;   /* by DKIM */
	bool has_version; /* MIME-Version */
	bool is_top;
};

static struct bm_span slice(const struct seven *seven, size_t from, size_t to)
{
	return bm_span_make(seven->text.data + from, to - from);
}

static size_t line_end(const struct seven *seven, size_t at)
{
	const unsigned char *end = memchr(seven->text.data + at, '\n', seven->text.size - at);
	return end == NULL ? seven->text.size : (size_t)(end + 1 - seven->text.data);
}

static struct bm_span line_at(const struct seven *seven, size_t at)
{
	struct bm_span line = slice(seven, at, line_end(seven, at));
	while (line.size > 0 && (line.data[line.size - 1] == '\n' || line.data[line.size - 1] == '\r'))
		line.size--;
	return line;
}

static size_t position(const struct seven *seven, const struct bm_place *place)
{
	return seven->from->bare.size > 0 ? place->bare_at : place->at;
}

static const struct bm_place *find_place(const struct seven *seven, size_t end)
{
	if (seven->next_place == seven->from->place_count)
		return NULL;
	const struct bm_place *place = &seven->from->places[seven->next_place];
	return position(seven, place) < end ? place : NULL;
}

/* A line that was as it is becomes quoted-printable. */
static enum bm_code quote_pieces(struct seven *seven, struct bm_place *place)
{
	struct bm_arena *arena = &seven->to->arena;
	struct bm_piece *pieces = bm_arena_take(arena, (place->pieces.count + 1) * sizeof *pieces);
	struct bm_buf text;
	enum bm_code code = pieces == NULL ? BM_E_NOMEM : BM_OK;

	bm_buf_init(&text, BM_WIRE_MAX);
	for (size_t i = 0; code == BM_OK && i < place->pieces.count; i++) {
		pieces[i] = place->pieces.at[i];
		if (pieces[i].column != BM_NO_COLUMN)
			continue;
		bm_buf_clear(&text);
		code = bm_quoted_append(&text, pieces[i].text);
		const char *copy = code == BM_OK ? bm_arena_copy(arena, text.data, text.size) : NULL;
		code = copy == NULL ? BM_E_NOMEM : BM_OK;
		pieces[i].text = bm_span_make(copy, text.size);
	}
	bm_buf_deinit(&text);
	place->kind = BM_PLACE_QUOTED;
	place->pieces.at = pieces;
	return code;
}

/* The array holds as many as the message has. */
static enum bm_code put_place(struct seven *seven)
{
	struct bm_message *to = seven->to;
	struct bm_place *place = &to->places[to->place_count++];

	*place = seven->from->places[seven->next_place++];
	place->bare_at = to->wire.size;
	return place->kind == BM_PLACE_RAW ? quote_pieces(seven, place) : BM_OK;
}

/* The octets from … to, and the places before or in them. */
static enum bm_code copy_text(struct seven *seven, size_t from, size_t to)
{
	enum bm_code code = BM_OK;

	while (code == BM_OK && find_place(seven, to) != NULL) {
		size_t at = position(seven, find_place(seven, to));
		if (at > from) {
			code = bm_buf_append_span(&seven->to->wire, slice(seven, from, at));
			from = at;
		}
		if (code == BM_OK)
			code = put_place(seven);
	}
	return code == BM_OK ? bm_buf_append_span(&seven->to->wire, slice(seven, from, to)) : code;
}

/* Places that come before this offset are of what ends there; at the end of the text all are. */
static size_t place_end(const struct seven *seven, size_t end)
{
	return end == seven->text.size ? end + 1 : end;
}

/* There is nothing 8-bit in it, and none can come into it. */
static bool is_seven_bit(const struct seven *seven, size_t from, size_t to)
{
	for (size_t i = seven->next_place; i < seven->from->place_count; i++) {
		const struct bm_place *place = &seven->from->places[i];
		if (position(seven, place) >= place_end(seven, to))
			break;
		if (place->kind == BM_PLACE_RAW)
			return false;
	}
	return bm_span_is_ascii(slice(seven, from, to));
}

/* What cannot be helped is found here: 8-bit octets where they may not be encoded. */
static enum bm_code copy_seven(struct seven *seven, size_t from, size_t to)
{
	if (!is_seven_bit(seven, from, to))
		seven->hopeless = true;
	return seven->hopeless ? BM_OK : copy_text(seven, from, to);
}

/* Where the part ends whose octets begin at from: before the next boundary. */
static size_t find_end(const struct seven *seven, size_t from)
{
	size_t level = 0;
	bool last = false;

	while (seven->depth > 0 && from < seven->text.size &&
		   !bm_boundary_find(seven->levels, seven->depth, line_at(seven, from), &level, &last))
		from = line_end(seven, from);
	return seven->depth > 0 ? from : seven->text.size;
}

/* Some readers take what is none for the beginning of the body. */
static bool is_field(struct bm_span line)
{
	size_t name = 0;

	while (name < line.size && line.data[name] > ' ' && line.data[name] < 0x7f && line.data[name] != ':')
		name++;
	return name > 0 && name < line.size && line.data[name] == ':';
}

/* Of two of a kind some readers take the first, some the last. */
static bool is_second(const struct part *part, const struct bm_part_field *field)
{
	return (part->has_coding && bm_part_field_is(field->raw, "Content-Transfer-Encoding")) ||
		   (part->entity.type.size > 0 && bm_part_field_is(field->raw, "Content-Type"));
}

static enum bm_code read_field(struct seven *seven, struct part *part, const struct bm_part_field *field)
{
	struct bm_buf plain;

	part->whole = part->whole && is_field(field->raw) && !is_second(part, field);
	part->has_coding = part->has_coding || bm_part_field_is(field->raw, "Content-Transfer-Encoding");
	part->has_version = part->has_version || bm_part_field_is(field->raw, "MIME-Version");
	part->is_signed = part->is_signed || bm_part_field_is(field->raw, "DKIM-Signature") ||
					  bm_part_field_is(field->raw, "ARC-Message-Signature");
	if (bm_part_field_is(field->raw, "Content-Transfer-Encoding"))
		part->entity.encoding = bm_encoding_of(field->value);
	if (!bm_part_field_is(field->raw, "Content-Type"))
		return BM_OK;
	bm_buf_init(&plain, BM_WIRE_MAX);
	enum bm_code code = bm_unfold(&plain, field->value);
	struct bm_span type = bm_span_trim(bm_buf_view(&plain));
	const char *copy = code == BM_OK ? bm_arena_copy(&seven->to->arena, type.data, type.size) : NULL;
	bm_buf_deinit(&plain);
	if (copy == NULL)
		return BM_E_NOMEM;
	bm_entity_read_type(&part->entity, bm_span_make(copy, type.size));
	return BM_OK;
}

static enum bm_code read_part(struct seven *seven, struct part *part, size_t at, bool digest)
{
	struct bm_part_field field = {.raw = {NULL, 0}};
	size_t end = find_end(seven, at);
	size_t line = at;
	enum bm_code code = BM_OK;

	*part = (struct part){.head = at, .is_top = at == 0};
	part->entity = (struct bm_entity){.kind = digest ? BM_ENTITY_OTHER : BM_ENTITY_TEXT, .message = digest};
	while (line < end && line_at(seven, line).size > 0)
		line = line_end(seven, line);
	part->head_end = line;
	part->whole = line < end;
	part->body = part->whole ? line_end(seven, line) : end;
	bm_lines_init(&field.lines, slice(seven, part->head, part->head_end));
	while (code == BM_OK && bm_part_field_next(&field))
		code = read_field(seven, part, &field);
	return code;
}

/* A text that does not say what it is: what the reader has to know now that it is encoded. */
static enum bm_code put_type(struct seven *seven, const struct part *part)
{
	struct bm_buf *out = &seven->to->wire;
	struct bm_span body = slice(seven, part->body, seven->text.size);
	enum bm_code code = BM_OK;

	if (!part->is_top)
		return BM_OK;
	if (!part->has_version)
		code = bm_buf_append_str(out, "MIME-Version: 1.0\r\n");
	if (code != BM_OK || part->entity.type.size > 0)
		return code;
	/* RFC 1428, 3 */
	bool utf8 = bm_utf8_valid(body.data, body.size);
	return bm_buf_append_str(out,
		utf8 ? "Content-Type: text/plain; charset=utf-8\r\n" : "Content-Type: text/plain; charset=unknown-8bit\r\n");
}

/* The headers and the empty line, with another encoding. */
static enum bm_code put_head(struct seven *seven, const struct part *part, const char *encoding)
{
	struct bm_part_field field = {.raw = {NULL, 0}};
	struct bm_buf *out = &seven->to->wire;
	enum bm_code code = BM_OK;

	bm_lines_init(&field.lines, slice(seven, part->head, part->head_end));
	while (code == BM_OK && bm_part_field_next(&field)) {
		size_t at = (size_t)(field.raw.data - seven->text.data);
		bool drop = bm_part_field_is(field.raw, "Content-Transfer-Encoding");
		code = copy_text(seven, at, drop ? at : at + field.raw.size);
	}
	/* Places before the empty line. */
	while (code == BM_OK && find_place(seven, part->head_end + 1) != NULL)
		code = put_place(seven);
	if (code == BM_OK)
		code = put_type(seven, part);
	if (code == BM_OK)
		code = bm_buf_append_fmt(out, "Content-Transfer-Encoding: %s\r\n\r\n", encoding);
	return code;
}

static enum bm_code put_quoted_line(struct seven *seven, struct bm_span line)
{
	struct bm_buf *out = &seven->to->wire;
	enum bm_code code = bm_buf_reserve(out, bm_quoted_room(0, line.size));

	if (code != BM_OK)
		return code;
	struct bm_quoted quoted = {.at = out->data + out->size};
	bm_quoted_put(&quoted, line, false);
	bm_quoted_end_line(&quoted);
	out->size = (size_t)(quoted.at - out->data);
	return BM_OK;
}

static enum bm_code put_quoted(struct seven *seven, size_t from, size_t to)
{
	enum bm_code code = BM_OK;

	while (code == BM_OK && from < to) {
		while (code == BM_OK && find_place(seven, from + 1) != NULL)
			code = put_place(seven);
		if (code == BM_OK)
			code = put_quoted_line(seven, line_at(seven, from));
		from = line_end(seven, from);
	}
	bool ends = to == seven->text.size;
	while (code == BM_OK && ends && find_place(seven, to + 1) != NULL)
		code = put_place(seven);
	return code;
}

static enum bm_code put_base64(struct bm_buf *out, struct bm_span octets)
{
	enum bm_code code = bm_buf_reserve(out, octets.size / BASE64_IN * (BASE64_OUT + 2) + BASE64_OUT + 3);

	while (code == BM_OK && octets.size > 0) {
		size_t size = octets.size < BASE64_IN ? octets.size : BASE64_IN;
		unsigned char *at = out->data + out->size;
		/* A NUL is written behind it: the room has one octet more. */
		int written = EVP_EncodeBlock(at, octets.data, (int)size);
		memcpy(at + written, "\r\n", 2);
		out->size += (size_t)written + 2;
		octets = bm_span_skip(octets, size);
	}
	return code;
}

static bool is_mostly_eight_bit(struct bm_span text)
{
	size_t high = 0;

	for (size_t i = 0; i < text.size; i++)
		high += text.data[i] >> 7;
	return high > text.size / 3;
}

/* The last line end before a boundary is the boundary's. */
static size_t content_end(const struct seven *seven, size_t body, size_t end)
{
	return seven->depth > 0 && end >= body + 2 ? end - 2 : end;
}

static bool has_raw_place(const struct seven *seven)
{
	const struct bm_message *from = seven->from;
	return from->place_count > 0 && from->places[from->place_count - 1].kind == BM_PLACE_RAW;
}

static enum bm_code put_leaf(struct seven *seven, const struct part *part, size_t end)
{
	bool text = part->entity.type.size == 0 || bm_span_begins_nocase(part->entity.type, "text/");
	bool places = has_raw_place(seven);
	struct bm_span body = slice(seven, part->body, content_end(seven, part->body, end));
	bool plain = part->entity.encoding == BM_ENCODING_NONE || part->entity.encoding == BM_ENCODING_8BIT;

	/* RFC 2046, 5: these are never encoded themselves. */
	bool composite =
		bm_span_begins_nocase(part->entity.type, "message/") || bm_span_begins_nocase(part->entity.type, "multipart/");
	if (!plain || composite) {
		seven->hopeless = true;
		return BM_OK;
	}
	bool quoted = places || (text && !is_mostly_eight_bit(body));
	enum bm_code code = put_head(seven, part, quoted ? "quoted-printable" : "base64");
	if (code != BM_OK)
		return code;
	return quoted ? put_quoted(seven, part->body, end) : put_base64(&seven->to->wire, body);
}

/* Its parts follow; it says that they are 7-bit. */
static enum bm_code put_container_head(struct seven *seven, const struct part *part)
{
	if (!bm_span_is_ascii(slice(seven, part->head, part->head_end)))
		seven->hopeless = true;
	if (seven->hopeless || part->entity.encoding == BM_ENCODING_NONE)
		return seven->hopeless ? BM_OK : copy_text(seven, part->head, part->body);
	return put_head(seven, part, "7bit");
}

/* The part is copied or encoded as a whole. */
static enum bm_code put_single(struct seven *seven, const struct part *part, size_t *at)
{
	size_t end = find_end(seven, part->body);
	bool sealed = part->is_signed || part->entity.sealed || !part->whole;
	bool head = bm_span_is_ascii(slice(seven, part->head, part->head_end));

	*at = end;
	if (sealed || !head || is_seven_bit(seven, part->head, end))
		return copy_seven(seven, part->head, end);
	return put_leaf(seven, part, end);
}

/* *at is where it begins, then where it ends or its parts begin. *message: its body is a part again. */
static enum bm_code put_part(struct seven *seven, size_t *at, bool digest, bool *message)
{
	struct part part;
	enum bm_code code = read_part(seven, &part, *at, digest);

	*message = false;
	if (code != BM_OK)
		return code;
	bool coded = part.entity.encoding == BM_ENCODING_QUOTED || part.entity.encoding == BM_ENCODING_BASE64;
	bm_entity_settle(&part.entity);
	bool many = part.entity.kind == BM_ENTITY_MULTIPART;
	bool inside = (many && seven->depth < BM_PART_DEPTH_MAX) || (part.entity.message && !coded);
	if (part.is_signed || part.entity.sealed || !part.whole || !inside)
		return put_single(seven, &part, at);
	if (many)
		seven->levels[seven->depth++] = (struct bm_level){part.entity.boundary, part.entity.digest};
	*message = !many;
	*at = part.body;
	return put_container_head(seven, &part);
}

/* What stands before, between and behind parts, and the boundary that ends it. *part: another begins. */
static enum bm_code put_between(struct seven *seven, size_t *at, bool *part, bool *digest)
{
	size_t end = find_end(seven, *at);
	size_t level = 0;
	bool last = false;
	enum bm_code code = copy_seven(seven, *at, end);

	*at = end;
	if (code != BM_OK || end == seven->text.size)
		return code;
	(void)bm_boundary_find(seven->levels, seven->depth, line_at(seven, end), &level, &last);
	*at = line_end(seven, end);
	*part = !last;
	*digest = !last && seven->levels[level].digest;
	seven->depth = level + (last ? 0 : 1);
	return copy_seven(seven, end, *at);
}

static enum bm_code walk(struct seven *seven)
{
	bool part = true;
	bool digest = false;
	size_t at = 0;
	enum bm_code code = BM_OK;

	while (code == BM_OK && !seven->hopeless && at < seven->text.size) {
		bool of_digest = digest;
		digest = false;
		if (part)
			code = put_part(seven, &at, of_digest, &part);
		else
			code = put_between(seven, &at, &part, &digest);
	}
	while (code == BM_OK && !seven->hopeless && seven->next_place < seven->from->place_count)
		code = put_place(seven);
	return code;
}

/* What was written without stuffing becomes the bare one of two, when a line of it begins with a dot. */
static enum bm_code stuff(struct bm_message *message)
{
	struct bm_span rest = bm_buf_view(&message->wire);
	struct bm_buf wire;
	size_t place = 0;
	size_t dots = 0;
	enum bm_code code = BM_OK;

	bm_buf_init(&wire, BM_WIRE_MAX);
	while (code == BM_OK && rest.size > 0) {
		size_t at = message->wire.size - rest.size;
		for (; place < message->place_count && message->places[place].bare_at <= at; place++)
			message->places[place].at = message->places[place].bare_at + dots;
		const unsigned char *end = memchr(rest.data, '\n', rest.size);
		size_t size = end == NULL ? rest.size : (size_t)(end + 1 - rest.data);
		if (rest.data[0] == '.') {
			dots++;
			code = bm_buf_append_char(&wire, '.');
		}
		if (code == BM_OK)
			code = bm_buf_append(&wire, rest.data, size);
		rest = bm_span_skip(rest, size);
	}
	for (; place < message->place_count; place++)
		message->places[place].at = message->places[place].bare_at + dots;
	message->stuffed = dots;
	if (dots > 0)
		message->bare = message->wire;
	else
		bm_buf_deinit(&message->wire);
	message->wire = wire;
	return code;
}

/* All but the octets and places. */
static struct bm_message *like(const struct bm_message *from)
{
	struct bm_message *to = malloc(sizeof *to);

	if (to == NULL)
		return NULL;
	*to = *from;
	bm_buf_init(&to->wire, BM_WIRE_MAX);
	bm_buf_init(&to->bare, BM_WIRE_MAX);
	to->places = calloc(from->place_count + 1, sizeof *to->places);
	to->place_count = 0;
	to->place_capacity = from->place_count + 1;
	to->arena = (struct bm_arena){NULL};
	to->seven = NULL;
	to->eight_bit = false;
	if (to->places != NULL)
		return to;
	bm_message_free(to);
	return NULL;
}

enum bm_code bm_seven_new(struct bm_message **out, const struct bm_message *message, struct bm_error *err)
{
	bool stuffed = message->bare.size > 0;
	struct seven seven = {.from = message, .text = bm_buf_view(stuffed ? &message->bare : &message->wire)};

	*out = NULL;
	seven.to = like(message);
	if (seven.to == NULL)
		return bm_error_nomem(err);
	enum bm_code code = walk(&seven);
	if (code == BM_OK && !seven.hopeless)
		code = stuff(seven.to);
	if (code == BM_OK && !seven.hopeless)
		*out = seven.to;
	else
		bm_message_free(seven.to);
	return code == BM_OK ? BM_OK : bm_error_nomem(err);
}
