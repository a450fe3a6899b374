/* SPDX-License-Identifier: MIT */
#include "mail/entity.h"

/* The end of a parameter's value at the beginning of text: a quoted string or what stands before the next ";". */
static size_t value_size(struct bm_span text)
{
	size_t at = 0;

	if (text.size > 0 && text.data[0] == '"') {
		for (at = 1; at < text.size && text.data[at] != '"'; at++)
			at += text.data[at] == '\\' ? 1 : 0;
		return at < text.size ? at + 1 : text.size;
	}
	while (at < text.size && text.data[at] != ';' && text.data[at] != ' ' && text.data[at] != '\t')
		at++;
	return at;
}

struct bm_span bm_type_parameter(struct bm_span type, const char *name)
{
	const unsigned char *semicolon = NULL;
	const unsigned char *equals = type.data;

	while (type.size > 0 && (semicolon = memchr(type.data, ';', type.size)) != NULL) {
		type = bm_span_skip(type, (size_t)(semicolon + 1 - type.data));
		if (equals < type.data)
			equals = type.size == 0 ? NULL : memchr(type.data, '=', type.size);
		if (equals == NULL)
			break;
		struct bm_span key = bm_span_trim(bm_span_make(type.data, (size_t)(equals - type.data)));
		if (memchr(type.data, ';', (size_t)(equals - type.data)) != NULL)
			continue;
		type = bm_span_skip(type, (size_t)(equals + 1 - type.data));
		while (type.size > 0 && (type.data[0] == ' ' || type.data[0] == '\t'))
			type = bm_span_skip(type, 1);
		struct bm_span value = bm_span_make(type.data, value_size(type));
		if (bm_span_equal_nocase(key, bm_span_of(name)))
			return value;
		type = bm_span_skip(type, value.size);
	}
	return bm_span_make(NULL, 0);
}

static struct bm_span unquoted(struct bm_span value)
{
	bool quoted = value.size >= 2 && value.data[0] == '"' && value.data[value.size - 1] == '"';

	return quoted ? bm_span_make(value.data + 1, value.size - 2) : value;
}

static struct bm_span media_type(struct bm_span type)
{
	const unsigned char *end = type.size == 0 ? NULL : memchr(type.data, ';', type.size);

	return bm_span_trim(bm_span_make(type.data, end == NULL ? type.size : (size_t)(end - type.data)));
}

void bm_entity_read_type(struct bm_entity *entity, struct bm_span type)
{
	struct bm_span media = media_type(type);

	entity->type = type;
	entity->charset = unquoted(bm_type_parameter(type, "charset"));
	entity->boundary = unquoted(bm_type_parameter(type, "boundary"));
	entity->html = bm_span_equal_nocase(media, bm_span_of("text/html"));
	entity->digest = bm_span_equal_nocase(media, bm_span_of("multipart/digest"));
	bool is_signed = bm_span_equal_nocase(media, bm_span_of("multipart/signed"));
	entity->sealed = is_signed || bm_span_equal_nocase(media, bm_span_of("multipart/encrypted"));
	entity->message = bm_span_equal_nocase(media, bm_span_of("message/rfc822"));
	if (entity->html || bm_span_equal_nocase(media, bm_span_of("text/plain")))
		entity->kind = BM_ENTITY_TEXT;
	else if (bm_span_begins_nocase(media, "multipart/") && !is_signed && entity->boundary.size > 0)
		entity->kind = BM_ENTITY_MULTIPART;
	else
		entity->kind = BM_ENTITY_OTHER;
}

enum bm_transfer_encoding bm_encoding_of(struct bm_span value)
{
	static const struct {
		const char *name;
		enum bm_transfer_encoding encoding;
	} known[] = {{"", BM_ENCODING_NONE}, {"7bit", BM_ENCODING_NONE}, {"8bit", BM_ENCODING_8BIT},
		{"binary", BM_ENCODING_8BIT}, {"quoted-printable", BM_ENCODING_QUOTED}, {"base64", BM_ENCODING_BASE64}};

	value = bm_span_trim(value);
	for (size_t i = 0; i < sizeof known / sizeof known[0]; i++) {
		if (bm_span_equal_nocase(value, bm_span_of(known[i].name)))
			return known[i].encoding;
	}
	return BM_ENCODING_OTHER;
}

void bm_entity_settle(struct bm_entity *entity)
{
	bool coded = entity->encoding == BM_ENCODING_QUOTED || entity->encoding == BM_ENCODING_BASE64;

	if (entity->encoding == BM_ENCODING_OTHER || (entity->kind == BM_ENTITY_MULTIPART && coded))
		entity->kind = BM_ENTITY_OTHER;
}

struct bm_span bm_without_blanks_at_end(struct bm_span line)
{
	while (line.size > 0 && (line.data[line.size - 1] == ' ' || line.data[line.size - 1] == '\t'))
		line.size--;
	return line;
}

bool bm_boundary_find(const struct bm_level *levels, size_t depth, struct bm_span line, size_t *level, bool *last)
{
	if (line.size < 3 || line.data[0] != '-' || line.data[1] != '-')
		return false;
	line = bm_without_blanks_at_end(bm_span_skip(line, 2));
	for (size_t i = depth; i > 0; i--) {
		struct bm_span boundary = levels[i - 1].boundary;
		if (line.size < boundary.size || memcmp(line.data, boundary.data, boundary.size) != 0)
			continue;
		struct bm_span rest = bm_span_skip(line, boundary.size);
		*level = i - 1;
		*last = bm_span_equal(rest, bm_span_of("--"));
		if (*last || rest.size == 0)
			return true;
	}
	return false;
}

bool bm_part_field_is(struct bm_span line, const char *name)
{
	const unsigned char *colon = line.size == 0 ? NULL : memchr(line.data, ':', line.size);

	return colon != NULL &&
		   bm_span_equal_nocase(bm_span_trim(bm_span_make(line.data, (size_t)(colon - line.data))), bm_span_of(name));
}

bool bm_part_field_next(struct bm_part_field *field)
{
	const unsigned char *start = field->lines.rest.data;

	if (!bm_lines_next(&field->lines))
		return false;
	const unsigned char *colon =
		field->lines.line.size == 0 ? NULL : memchr(field->lines.line.data, ':', field->lines.line.size);
	while (field->lines.rest.size > 0 && (field->lines.rest.data[0] == ' ' || field->lines.rest.data[0] == '\t')) {
		if (!bm_lines_next(&field->lines))
			break;
	}
	const unsigned char *end = field->lines.rest.data;
	field->raw = bm_span_make(start, (size_t)(end - start));
	const unsigned char *value = colon == NULL ? end : colon + 1;
	field->value = bm_span_make(value, (size_t)(end - value));
	return true;
}
