/* SPDX-License-Identifier: MIT */
/*
 * Bodies with slots (RFC 2045, RFC 2046): text/plain and text/html parts, wherever they are in a multipart. A part
 * without slots stays to the octet. One with slots becomes quoted-printable, which takes any value, unless it is
 * declared as 8bit and is no part of a multipart; a charset of ASCII becomes UTF-8. Signed parts are never touched.
 * Linear in time.
 */
#include "mail/writer.h"

#include "base/error.h"
#include "base/utf8.h"
#include "mail/charset.h"
#include "mail/decode.h"
#include "mail/encode.h"
#include "mail/entity.h"
#include "mail/fold.h"
#include "mail/quoted.h"

#include <stdio.h>

#define WHERE_SIZE 48

/* A text with slots. */
struct leaf {
	const struct bm_entity *entity;
	struct bm_span body;
	size_t line;                      /* on which it begins */
	bool inner;                       /* of a multipart */
	bool raw;                         /* it stays 8bit */
	const struct bm_charset *charset; /* NULL: UTF-8 */
};

/* value on one line, kept with the message. */
static enum bm_code keep_unfolded(struct bm_writer *writer, struct bm_span *out, struct bm_span value)
{
	bm_buf_clear(&writer->scratch);
	enum bm_code code = bm_unfold(&writer->scratch, value);
	if (code != BM_OK)
		return bm_writer_no_room(writer, code);
	struct bm_span plain = bm_span_trim(bm_buf_view(&writer->scratch));
	const char *copy = bm_arena_copy(&writer->message->arena, plain.data, plain.size);
	if (copy == NULL)
		return bm_error_nomem(writer->err);
	*out = bm_span_make(copy, plain.size);
	return BM_OK;
}

/* The entity that the message itself is. */
static enum bm_code read_top(struct bm_writer *writer, struct bm_entity *entity)
{
	const struct bm_draft *draft = writer->draft;
	const struct bm_field *type = bm_draft_find(draft, "Content-Type");
	const struct bm_field *encoding = bm_draft_find(draft, "Content-Transfer-Encoding");
	bool html = draft->options->form != BM_MESSAGE_FILE && draft->options->html;
	struct bm_span value = bm_span_of(html ? "text/html" : "text/plain");
	enum bm_code code = BM_OK;

	*entity = (struct bm_entity){.kind = BM_ENTITY_OTHER};
	if (type != NULL)
		code = keep_unfolded(writer, &value, type->value);
	bm_entity_read_type(entity, value);
	if (encoding != NULL)
		entity->encoding = bm_encoding_of(encoding->value);
	bm_entity_settle(entity);
	return code;
}

/* One line of a text, its transfer encoding taken off. */
struct text_lines {
	struct bm_lines lines;
	bool quoted;
	struct bm_buf *decoded;
	struct bm_span text;
	struct bm_span raw; /* with its line end */
	size_t number;
};

static bool next_text_line(struct text_lines *lines, enum bm_code *code)
{
	const unsigned char *start = lines->lines.rest.data;
	bool goes_on = true;

	*code = BM_OK;
	if (!bm_lines_next(&lines->lines))
		return false;
	lines->number = lines->lines.number;
	lines->text = lines->lines.line;
	bm_buf_clear(lines->decoded);
	while (lines->quoted && goes_on && *code == BM_OK) {
		struct bm_span line = bm_without_blanks_at_end(lines->lines.line);
		goes_on = line.size > 0 && line.data[line.size - 1] == '=';
		line.size -= goes_on ? 1 : 0;
		*code = bm_quoted_decode(lines->decoded, line);
		goes_on = goes_on && bm_lines_next(&lines->lines);
	}
	if (lines->quoted)
		lines->text = bm_buf_view(lines->decoded);
	lines->raw = bm_span_make(start, (size_t)(lines->lines.rest.data - start));
	return *code == BM_OK;
}

static struct text_lines lines_of(struct bm_buf *decoded, enum bm_transfer_encoding encoding, struct bm_span body)
{
	struct text_lines lines = {.quoted = encoding == BM_ENCODING_QUOTED, .decoded = decoded};

	bm_lines_init(&lines.lines, body);
	return lines;
}

static enum bm_code text_has_slots(
	struct bm_buf *decoded, enum bm_transfer_encoding encoding, struct bm_span body, bool *found)
{
	enum bm_code code = BM_OK;

	*found = false;
	if (encoding == BM_ENCODING_BASE64) {
		bm_buf_clear(decoded);
		code = bm_base64_decode(decoded, body);
		*found = code == BM_OK && bm_slots_in(bm_buf_view(decoded));
		return code;
	}
	if (encoding != BM_ENCODING_QUOTED) {
		*found = bm_slots_in(body);
		return BM_OK;
	}
	struct text_lines lines = lines_of(decoded, encoding, body);
	while (!*found && next_text_line(&lines, &code))
		*found = bm_slots_in(lines.text);
	return code;
}

/* The type with another charset. */
static enum bm_code with_utf8(struct bm_writer *writer, struct bm_span type, struct bm_span *out)
{
	static const char utf8[] = "utf-8";
	struct bm_span old = bm_type_parameter(type, "charset");
	struct bm_span before = type;
	struct bm_span after = bm_span_make("", 0);

	if (type.size == 0)
		before = bm_span_of("text/plain");
	if (old.data != NULL) {
		before = bm_span_make(type.data, (size_t)(old.data - type.data));
		after = bm_span_skip(type, before.size + old.size);
	}
	bm_buf_clear(&writer->scratch);
	enum bm_code code = bm_buf_append_span(&writer->scratch, before);
	if (code == BM_OK && old.data == NULL)
		code = bm_buf_append_str(&writer->scratch, "; charset=");
	if (code == BM_OK)
		code = bm_buf_append_str(&writer->scratch, utf8);
	if (code == BM_OK)
		code = bm_buf_append_span(&writer->scratch, after);
	if (code != BM_OK)
		return bm_writer_no_room(writer, code);
	const char *copy = bm_arena_copy(&writer->message->arena, writer->scratch.data, writer->scratch.size);
	if (copy == NULL)
		return bm_error_nomem(writer->err);
	*out = bm_span_make(copy, writer->scratch.size);
	return BM_OK;
}

static enum bm_code bad_charset(struct bm_writer *writer, const struct leaf *leaf, const char *why)
{
	char name[60];

	bm_escape(name, sizeof name, leaf->entity->charset.data, leaf->entity->charset.size);
	return bm_error_set(writer->err, BM_E_MESSAGE, "MB022",
		"line %zu of the message: the part with slots that begins here %s (charset \"%s\"); make it UTF-8", leaf->line,
		why, name);
}

/* Which charset its values take; *relabel: its type must say so. */
static enum bm_code choose_charset(struct bm_writer *writer, struct leaf *leaf, bool *relabel)
{
	struct bm_span name = leaf->entity->charset;
	struct bm_charset *charset = NULL;

	leaf->charset = NULL;
	*relabel = bm_charset_is_ascii(name);
	if (*relabel || bm_charset_is_utf8(name))
		return BM_OK;
	size_t columns = writer->slots.name_count;
	if (bm_charset_get(&charset, writer->message, name, columns) != BM_OK)
		return bm_error_nomem(writer->err);
	leaf->charset = charset;
	return charset == NULL ? bad_charset(writer, leaf, "is in a charset that takes no values") : BM_OK;
}

/* As it is nothing would keep the line of a value from being a boundary. */
static void begin_leaf(struct leaf *leaf)
{
	leaf->raw = leaf->entity->encoding == BM_ENCODING_8BIT && !leaf->inner;
}

/* That a value cannot be said in the charset: for each column of the line. */
static enum bm_code make_charset_reasons(
	struct bm_writer *writer, const struct bm_charset *charset, const struct bm_pieces *pieces)
{
	for (size_t i = 0; charset != NULL && i < pieces->count; i++) {
		size_t column = pieces->at[i].column;
		char name[80];
		char text[160];
		if (column == BM_NO_COLUMN || charset->reasons[column] != NULL)
			continue;
		const char *shown = bm_slots_name(&writer->slots, column);
		bm_escape(name, sizeof name, shown, strlen(shown));
		int size = snprintf(text, sizeof text, "column %s: not to be written in the charset %.*s", name,
			(int)charset->name.size, (const char *)charset->name.data);
		charset->reasons[column] = bm_arena_copy(&writer->message->arena, text, (size_t)size);
		if (charset->reasons[column] == NULL)
			return bm_error_nomem(writer->err);
	}
	return BM_OK;
}

/* A text between slots as the wire has it: in the charset, encoded unless the part stays 8bit. */
static enum bm_code encode_text(struct bm_writer *writer, const struct leaf *leaf, struct bm_piece *piece)
{
	struct bm_buf *out = &writer->scratch;
	struct bm_span rest = piece->text;
	enum bm_code code = BM_OK;

	bm_buf_clear(&writer->field);
	bm_buf_clear(out);
	while (leaf->charset != NULL && code == BM_OK && rest.size > 0) {
		uint32_t point = 0;
		unsigned char octet = '?';
		if (!bm_utf8_take(&rest, &point) || !bm_charset_octet(leaf->charset, point, &octet))
			break;
		code = bm_buf_append_char(&writer->field, octet);
	}
	struct bm_span text = leaf->charset == NULL ? piece->text : bm_buf_view(&writer->field);
	writer->message->eight_bit = writer->message->eight_bit || (leaf->raw && !bm_is_ascii(text));
	if (code == BM_OK)
		code = leaf->raw ? bm_buf_append_span(out, text) : bm_quoted_append(out, text);
	if (code != BM_OK)
		return bm_writer_no_room(writer, code);
	const char *copy = bm_arena_copy(&writer->message->arena, out->data, out->size);
	if (copy == NULL)
		return bm_error_nomem(writer->err);
	piece->text = bm_span_make(copy, out->size);
	return BM_OK;
}

static enum bm_code put_slot_line(struct bm_writer *writer, const struct leaf *leaf, struct bm_span text, size_t number)
{
	struct bm_place place = {.kind = leaf->raw ? BM_PLACE_RAW : BM_PLACE_QUOTED};
	char where[WHERE_SIZE];

	bm_buf_clear(&writer->field);
	enum bm_code code = bm_charset_to_utf8(&writer->field, leaf->charset, text);
	bool valid = code == BM_OK && bm_utf8_valid(writer->field.data, writer->field.size);
	if (code == BM_E_MESSAGE || (code == BM_OK && !valid))
		return bad_charset(writer, leaf, "holds octets that are not of its charset");
	if (code != BM_OK)
		return bm_writer_no_room(writer, code);
	snprintf(where, sizeof where, "line %zu of the message", number);
	code = bm_slots_parse(&writer->slots, &place.pieces, bm_buf_view(&writer->field), where);
	/* The parser's pieces are its own copy in the message. */
	struct bm_piece *pieces = (struct bm_piece *)(uintptr_t)place.pieces.at;
	for (size_t i = 0; code == BM_OK && i < place.pieces.count; i++) {
		if (pieces[i].column == BM_NO_COLUMN)
			code = encode_text(writer, leaf, &pieces[i]);
	}
	if (code == BM_OK)
		code = make_charset_reasons(writer, leaf->charset, &place.pieces);
	place.charset = leaf->charset;
	place.html = leaf->entity->html;
	return code == BM_OK ? bm_writer_put_merged(writer, &place, bm_pieces_vary(place.pieces)) : code;
}

static enum bm_code put_quoted_line(struct bm_writer *writer, struct bm_span text)
{
	struct bm_buf *wire = &writer->message->wire;
	enum bm_code code = bm_buf_reserve(wire, bm_quoted_room(0, text.size));

	if (code != BM_OK)
		return bm_writer_no_room(writer, code);
	struct bm_quoted quoted = {.at = wire->data + wire->size};
	bm_quoted_put(&quoted, text, false);
	bm_quoted_end_line(&quoted);
	wire->size = (size_t)(quoted.at - wire->data);
	return BM_OK;
}

/* Octets of the body as they are, but for line ends and dots. */
static enum bm_code put_verbatim(struct bm_writer *writer, struct bm_span text)
{
	struct bm_message *message = writer->message;
	enum bm_code code = bm_body_append(&message->wire, text, writer->body_limit, &message->stuffed);

	return code == BM_OK ? BM_OK : bm_writer_no_room(writer, code);
}

static enum bm_code put_leaf_line(struct bm_writer *writer, const struct leaf *leaf, const struct text_lines *lines)
{
	enum bm_transfer_encoding encoding = leaf->entity->encoding;
	/* A line of base64 is no line of the text. */
	size_t number = leaf->line + (encoding == BM_ENCODING_BASE64 ? 0 : lines->number - 1);

	if (bm_slots_in(lines->text))
		return put_slot_line(writer, leaf, lines->text, number);
	if (encoding == BM_ENCODING_QUOTED || leaf->raw)
		return put_verbatim(writer, lines->raw);
	return put_quoted_line(writer, lines->text);
}

static enum bm_code put_leaf_lines(struct bm_writer *writer, const struct leaf *leaf)
{
	struct bm_span body = leaf->body;
	struct bm_buf decoded;
	struct bm_buf line;
	enum bm_code code = BM_OK;
	bool coded = leaf->entity->encoding == BM_ENCODING_BASE64;

	bm_buf_init(&decoded, BM_WIRE_MAX);
	bm_buf_init(&line, BM_WIRE_MAX);
	if (coded) {
		code = bm_base64_decode(&decoded, body);
		body = bm_buf_view(&decoded);
	}
	struct text_lines lines = lines_of(&line, leaf->entity->encoding, body);
	while (code == BM_OK && next_text_line(&lines, &code))
		code = put_leaf_line(writer, leaf, &lines);
	/* The last line end of an inner part belongs to the boundary behind it. */
	if (code == BM_OK && coded && leaf->inner && lines.lines.terminated)
		code = put_quoted_line(writer, bm_span_make("", 0));
	bm_buf_deinit(&decoded);
	bm_buf_deinit(&line);
	return code == BM_E_NOMEM ? bm_error_nomem(writer->err) : code;
}

enum bm_code bm_merge_plan(struct bm_writer *writer)
{
	const struct bm_draft *draft = writer->draft;
	struct bm_body_plan *plan = &writer->plan;
	struct bm_entity entity;
	bool relabel = false;

	if (!draft->options->merge || draft->body.size == 0)
		return BM_OK;
	enum bm_code code = read_top(writer, &entity);
	if (code != BM_OK)
		return code;
	plan->text = entity.kind == BM_ENTITY_TEXT;
	plan->merged = entity.kind == BM_ENTITY_MULTIPART;
	if (!plan->text)
		return BM_OK;
	code = text_has_slots(&writer->scratch, entity.encoding, draft->body, &plan->merged);
	if (code != BM_OK || !plan->merged)
		return code == BM_OK ? BM_OK : bm_writer_no_room(writer, code);
	struct leaf leaf = {.entity = &entity, .line = draft->body_line};
	begin_leaf(&leaf);
	plan->quoted = !leaf.raw && entity.encoding != BM_ENCODING_QUOTED;
	code = choose_charset(writer, &leaf, &relabel);
	return code == BM_OK && relabel ? with_utf8(writer, entity.type, &plan->type) : code;
}

/* The walk over a multipart. */
struct walk {
	struct bm_writer *writer;
	struct bm_lines lines;
	struct bm_level levels[BM_PART_DEPTH_MAX];
	size_t depth;
	const unsigned char *written; /* up to here the body is written */
	bool in_part;                 /* not in what stands before, between or behind the parts */
	bool in_headers;
	bool slots_over;           /* none is in what is left */
	struct bm_entity entity;   /* of the part */
	struct bm_span head;       /* its headers, without the empty line */
	const unsigned char *body; /* NULL: its headers are not over */
	size_t line;
};

static enum bm_code read_part_field(struct walk *walk, const struct bm_part_field *field)
{
	struct bm_writer *writer = walk->writer;
	enum bm_code code = BM_OK;

	if (bm_span_begins_nocase(field->raw, "Content-") && bm_slots_in(field->raw))
		return bm_error_set(writer->err, BM_E_MESSAGE, "MB022",
			"line %zu of the message: no slot can stand in a header of a part (--set merge=0 sends braces as they are)",
			walk->line + field->lines.number - 1);
	if (bm_part_field_is(field->raw, "Content-Type")) {
		struct bm_span type = {NULL, 0};
		code = keep_unfolded(writer, &type, field->value);
		if (code == BM_OK)
			bm_entity_read_type(&walk->entity, type);
	} else if (bm_part_field_is(field->raw, "Content-Transfer-Encoding")) {
		walk->entity.encoding = bm_encoding_of(field->value);
	}
	return code;
}

/* The headers of a part are over: what is in it? */
static enum bm_code begin_body(struct walk *walk)
{
	struct bm_part_field field = {.raw = {NULL, 0}};
	struct bm_writer *writer = walk->writer;
	bool digest = walk->levels[walk->depth - 1].digest;
	enum bm_code code = BM_OK;

	walk->entity = (struct bm_entity){.kind = digest ? BM_ENTITY_OTHER : BM_ENTITY_TEXT};
	bm_lines_init(&field.lines, walk->head);
	while (code == BM_OK && bm_part_field_next(&field))
		code = read_part_field(walk, &field);
	bm_entity_settle(&walk->entity);
	walk->in_headers = false;
	walk->body = walk->lines.rest.data;
	walk->line = writer->draft->body_line + walk->lines.number;
	if (code != BM_OK || walk->entity.kind != BM_ENTITY_MULTIPART)
		return code;
	walk->in_part = false;
	walk->slots_over = walk->slots_over || (walk->depth == BM_PART_DEPTH_MAX && !bm_slots_in(walk->lines.rest));
	if (walk->depth == BM_PART_DEPTH_MAX && !walk->slots_over)
		return bm_error_set(writer->err, BM_E_MESSAGE, "MB022",
			"line %zu of the message: parts with slots that are nested deeper than %d", walk->lines.number,
			BM_PART_DEPTH_MAX);
	if (walk->depth < BM_PART_DEPTH_MAX)
		walk->levels[walk->depth++] = (struct bm_level){walk->entity.boundary, walk->entity.digest};
	return BM_OK;
}

static enum bm_code put_part_line(struct bm_writer *writer, const char *name, struct bm_span value)
{
	bm_buf_clear(&writer->field);
	enum bm_code code = bm_buf_append_str(&writer->field, name);
	if (code == BM_OK)
		code = bm_buf_append_span(&writer->field, value);
	if (code == BM_OK)
		code = bm_field_append(&writer->message->wire, bm_buf_view(&writer->field), BM_LINE_MAX);
	return code == BM_OK ? BM_OK : bm_writer_no_room(writer, code);
}

/* Its headers again, with the type and encoding that it has now. */
static enum bm_code put_part_head(struct walk *walk, const struct leaf *leaf, bool relabel)
{
	struct bm_part_field field = {.raw = {NULL, 0}};
	struct bm_writer *writer = walk->writer;
	struct bm_span type = {NULL, 0};
	bool recode = !leaf->raw && walk->entity.encoding != BM_ENCODING_QUOTED;
	enum bm_code code = relabel ? with_utf8(writer, walk->entity.type, &type) : BM_OK;

	bm_lines_init(&field.lines, walk->head);
	while (code == BM_OK && bm_part_field_next(&field)) {
		bool dropped = (relabel && bm_part_field_is(field.raw, "Content-Type")) ||
					   (recode && bm_part_field_is(field.raw, "Content-Transfer-Encoding"));
		if (!dropped)
			code = put_verbatim(writer, field.raw);
	}
	if (code == BM_OK && relabel)
		code = put_part_line(writer, "Content-Type: ", type);
	if (code == BM_OK && recode)
		code = put_part_line(writer, "Content-Transfer-Encoding: ", bm_span_of("quoted-printable"));
	if (code == BM_OK)
		code = bm_buf_append_str(&writer->message->wire, "\r\n");
	return code;
}

/* The part ends before end. */
static enum bm_code end_part(struct walk *walk, const unsigned char *end)
{
	struct bm_writer *writer = walk->writer;
	struct leaf leaf = {.entity = &walk->entity, .inner = true, .line = walk->line};
	bool found = false;
	bool relabel = false;

	if (!walk->in_part || walk->body == NULL || walk->entity.kind != BM_ENTITY_TEXT)
		return BM_OK;
	leaf.body = bm_span_make(walk->body, (size_t)(end - walk->body));
	begin_leaf(&leaf);
	enum bm_code code = text_has_slots(&writer->scratch, walk->entity.encoding, leaf.body, &found);
	if (code != BM_OK)
		return bm_writer_no_room(writer, code);
	if (!found)
		return BM_OK;
	code = choose_charset(writer, &leaf, &relabel);
	if (code == BM_OK)
		code = put_verbatim(writer, bm_span_make(walk->written, (size_t)(walk->head.data - walk->written)));
	if (code == BM_OK)
		code = put_part_head(walk, &leaf, relabel);
	if (code == BM_OK)
		code = put_leaf_lines(writer, &leaf);
	walk->written = end;
	return code;
}

static enum bm_code step(struct walk *walk)
{
	struct bm_span line = walk->lines.line;
	const unsigned char *next = walk->lines.rest.data;
	size_t level = 0;
	bool last = false;
	enum bm_code code = BM_OK;

	if (bm_boundary_find(walk->levels, walk->depth, line, &level, &last)) {
		code = end_part(walk, line.data);
		walk->depth = level + (last ? 0 : 1);
		walk->in_part = !last;
		walk->in_headers = !last;
		walk->body = NULL;
		walk->head = bm_span_make(next, 0);
		walk->line = walk->writer->draft->body_line + walk->lines.number;
		return code;
	}
	if (!walk->in_headers)
		return BM_OK;
	if (line.size > 0) {
		walk->head.size = (size_t)(next - walk->head.data);
		return BM_OK;
	}
	return begin_body(walk);
}

static enum bm_code walk_multipart(struct bm_writer *writer, const struct bm_entity *top)
{
	struct bm_span body = writer->draft->body;
	struct walk walk = {.writer = writer, .written = body.data, .depth = 1};
	enum bm_code code = BM_OK;

	walk.levels[0] = (struct bm_level){top->boundary, top->digest};
	bm_lines_init(&walk.lines, body);
	while (code == BM_OK && bm_lines_next(&walk.lines))
		code = step(&walk);
	const unsigned char *end = body.data + body.size;
	if (code == BM_OK)
		code = end_part(&walk, end);
	return code == BM_OK ? put_verbatim(writer, bm_span_make(walk.written, (size_t)(end - walk.written))) : code;
}

enum bm_code bm_merge_body(struct bm_writer *writer)
{
	struct bm_entity entity;
	bool relabel = false;
	enum bm_code code = read_top(writer, &entity);

	if (code != BM_OK)
		return code;
	if (entity.kind == BM_ENTITY_MULTIPART)
		return walk_multipart(writer, &entity);
	struct leaf leaf = {.entity = &entity, .body = writer->draft->body, .line = writer->draft->body_line};
	begin_leaf(&leaf);
	code = choose_charset(writer, &leaf, &relabel);
	return code == BM_OK ? put_leaf_lines(writer, &leaf) : code;
}
