/* SPDX-License-Identifier: MIT */
#include "mail/draft.h"

#include "base/error.h"
#include "base/utf8.h"
#include "mail/fold.h"

/* So that "Name: " fits on any first line, however narrow. */
#define NAME_MAX_SIZE 74

static const char *const attribute_names[BM_ATTRIBUTE_COUNT] = {
	[BM_ATTRIBUTE_FROM] = "From",
	[BM_ATTRIBUTE_TO] = "To",
	[BM_ATTRIBUTE_SENDER] = "Sender",
	[BM_ATTRIBUTE_REPLY_TO] = "Reply-To",
	[BM_ATTRIBUTE_SUBJECT] = "Subject",
	[BM_ATTRIBUTE_PRECEDENCE] = "Precedence",
};

const char *bm_attribute_name(enum bm_attribute attribute)
{
	return attribute_names[attribute];
}

bool bm_is_blank(struct bm_span text)
{
	return bm_span_trim(text).size == 0;
}

const struct bm_field *bm_draft_find(const struct bm_draft *draft, const char *name)
{
	struct bm_span wanted = bm_span_of(name);
	const struct bm_field *found = NULL;

	for (size_t i = 0; i < draft->field_count; i++) {
		const struct bm_field *field = &draft->fields[i];
		if (!bm_span_equal_nocase(field->name, wanted))
			continue;
		if (field->raw.size > 0)
			return field;
		if (found == NULL && !bm_is_blank(field->value))
			found = field;
	}
	return found;
}

enum bm_code bm_draft_add(struct bm_draft *draft, const struct bm_field *field, struct bm_error *err)
{
	if (draft->field_count == BM_FIELDS_MAX)
		return bm_error_set(err, BM_E_MESSAGE, "MB022", "more than %d headers", BM_FIELDS_MAX);
	draft->fields[draft->field_count++] = *field;
	return BM_OK;
}

enum bm_code bm_unfold(struct bm_buf *out, struct bm_span value)
{
	enum bm_code code = BM_OK;
	bool after_end = false;

	for (size_t i = 0; code == BM_OK && i < value.size; i++) {
		unsigned char c = value.data[i];
		if (c == '\r' || c == '\n') {
			after_end = true;
			continue;
		}
		code = bm_buf_append_char(out, after_end && c == '\t' ? ' ' : c);
		after_end = false;
	}
	return code;
}

static enum bm_code check_name(struct bm_span name, struct bm_error *err)
{
	int shown = name.size > 100 ? 100 : (int)name.size;
	/* The original matches the beginning only, too: "cc-list" is refused. */
	if (bm_span_begins_nocase(name, "cc") || bm_span_begins_nocase(name, "bcc"))
		return bm_error_set(
			err, BM_E_MESSAGE, "MB004", "header %.*s: Cc and Bcc cannot be set", shown, (const char *)name.data);
	bool bad = name.size == 0 || name.size > NAME_MAX_SIZE;
	for (size_t i = 0; !bad && i < name.size; i++)
		bad = name.data[i] < 0x21 || name.data[i] > 0x7e || name.data[i] == ':';
	if (!bad)
		return BM_OK;
	return bm_error_set(err, BM_E_MESSAGE, "MB005",
		"header \"%.*s\": a name has no blank, colon or unprintable character, and at most %d octets", shown,
		(const char *)name.data, NAME_MAX_SIZE);
}

static enum bm_code check_value(struct bm_span name, struct bm_span value, struct bm_error *err)
{
	int shown = name.size > 100 ? 100 : (int)name.size;

	if (bm_span_has_control_but_tab(value))
		return bm_error_set(err, BM_E_MESSAGE, "MB022", "header %.*s: a control character in its value", shown,
			(const char *)name.data);
	if (!bm_utf8_valid(value.data, value.size))
		return bm_error_set(
			err, BM_E_MESSAGE, "MB022", "header %.*s: its value is not valid UTF-8", shown, (const char *)name.data);
	return BM_OK;
}

/* Which attribute a header stands for; case counts, as in the original. */
static enum bm_attribute attribute_of(struct bm_span name)
{
	if (bm_span_equal(name, bm_span_of("ReplyTo")))
		return BM_ATTRIBUTE_REPLY_TO;
	for (int i = 0; i < BM_ATTRIBUTE_COUNT; i++) {
		if (bm_span_equal(name, bm_span_of(attribute_names[i])))
			return (enum bm_attribute)i;
	}
	return BM_ATTRIBUTE_COUNT;
}

/* A header sets an attribute, or a further header; the last of several of one name counts, at the place of the first.
 */
static enum bm_code set_header(struct bm_draft *draft, struct bm_span name, struct bm_span value, struct bm_error *err)
{
	enum bm_attribute attribute = attribute_of(name);

	if (attribute != BM_ATTRIBUTE_COUNT) {
		draft->attributes[attribute] = value;
		return BM_OK;
	}
	enum bm_code code = check_name(name, err);
	if (code != BM_OK)
		return code;
	for (size_t i = 0; i < draft->field_count; i++) {
		if (bm_span_equal(draft->fields[i].name, name)) {
			draft->fields[i].value = value;
			return BM_OK;
		}
	}
	return bm_draft_add(draft, &(struct bm_field){.name = name, .value = value}, err);
}

static enum bm_code take_attributes(struct bm_draft *draft, struct bm_error *err)
{
	const struct bm_message_options *options = draft->options;
	const char *const texts[BM_ATTRIBUTE_COUNT] = {
		[BM_ATTRIBUTE_FROM] = options->from,
		[BM_ATTRIBUTE_TO] = options->to,
		[BM_ATTRIBUTE_SENDER] = options->sender,
		[BM_ATTRIBUTE_REPLY_TO] = options->reply_to,
		[BM_ATTRIBUTE_SUBJECT] = options->subject,
		[BM_ATTRIBUTE_PRECEDENCE] = options->precedence,
	};

	for (int i = 0; i < BM_ATTRIBUTE_COUNT; i++) {
		if (texts[i] == NULL)
			continue;
		struct bm_span value = bm_span_of(texts[i]);
		bool address = i <= BM_ATTRIBUTE_REPLY_TO && !options->trust_email;
		enum bm_code code = BM_OK;
		if (address && bm_span_has_control_but_tab(value))
			code =
				bm_error_set(err, BM_E_MESSAGE, "MB002", "%s: a control character in the address", attribute_names[i]);
		else
			code = check_value(bm_span_of(attribute_names[i]), value, err);
		if (code != BM_OK)
			return code;
		draft->attributes[i] = value;
	}
	return BM_OK;
}

static enum bm_code take_headers(struct bm_draft *draft, struct bm_error *err)
{
	for (size_t i = 0; i < draft->options->header_count; i++) {
		const struct bm_header *header = &draft->options->headers[i];
		if (header->name == NULL || header->value == NULL)
			return bm_error_set(err, BM_E_USAGE, "", "a header without a name or a value");
		struct bm_span name = bm_span_of(header->name);
		struct bm_span value = bm_span_of(header->value);
		enum bm_code code = set_header(draft, name, value, err);
		if (code == BM_OK)
			code = check_value(name, value, err);
		if (code != BM_OK)
			return code;
	}
	return BM_OK;
}

/* Copies the lines up to the first empty one into the block; what follows is the body. */
static enum bm_code take_block(struct bm_draft *draft, struct bm_span content)
{
	struct bm_lines lines;
	enum bm_code code = BM_OK;

	bm_lines_init(&lines, content);
	draft->body = bm_span_make(NULL, 0);
	while (code == BM_OK && bm_lines_next(&lines)) {
		if (lines.line.size == 0) {
			draft->body = lines.rest;
			draft->body_line = lines.number + 1;
			break;
		}
		code = bm_buf_append_span(&draft->block, lines.line);
		if (code == BM_OK)
			code = bm_buf_append_str(&draft->block, "\r\n");
	}
	return code;
}

static enum bm_code bad_line(struct bm_span line, size_t number, struct bm_error *err)
{
	char text[200];

	bm_escape(text, sizeof text, line.data, line.size);
	return bm_error_set(err, BM_E_MESSAGE, "MB022", "line %zu of the message is no header: %s", number, text);
}

static bool starts_blank(struct bm_span line)
{
	return line.size > 0 && (line.data[0] == ' ' || line.data[0] == '\t');
}

/* From its first line to the end of its last one; the blank behind the colon stays, as in the original. */
static enum bm_code set_block_field(struct bm_draft *draft, struct bm_span field, size_t number, struct bm_error *err)
{
	const unsigned char *colon = memchr(field.data, ':', field.size);

	if (colon == NULL)
		return bad_line(field, number, err);
	size_t name_size = (size_t)(colon - field.data);
	struct bm_span value = bm_span_make(colon + 1, field.size - name_size - 1);
	return set_header(draft, bm_span_make(field.data, name_size), value, err);
}

static enum bm_code parse_block(struct bm_draft *draft, struct bm_error *err)
{
	struct bm_span field = {NULL, 0};
	size_t first = 0;
	struct bm_lines lines;
	enum bm_code code = BM_OK;

	bm_lines_init(&lines, bm_buf_view(&draft->block));
	while (code == BM_OK && bm_lines_next(&lines)) {
		struct bm_span line = lines.line;
		bool folded = starts_blank(line);
		if (folded ? field.size == 0 : memchr(line.data, ':', line.size) == NULL)
			return bad_line(line, lines.number, err);
		code = check_value(bm_span_of("of the message"), line, err);
		if (folded) {
			field.size = (size_t)(line.data + line.size - field.data);
			continue;
		}
		if (code == BM_OK && field.size > 0)
			code = set_block_field(draft, field, first, err);
		field = line;
		first = lines.number;
	}
	if (code == BM_OK && field.size > 0)
		code = set_block_field(draft, field, first, err);
	return code;
}

static enum bm_code take_content(struct bm_draft *draft, struct bm_error *err)
{
	const struct bm_message_options *options = draft->options;

	draft->body = bm_span_make(options->content, options->content_size);
	draft->body_line = 1;
	switch (options->form) {
	case BM_MESSAGE_BODY:
		return BM_OK;
	case BM_MESSAGE_FILE:
		return bm_draft_parse_file(draft, err);
	case BM_MESSAGE_HEADERS:
		break;
	}
	enum bm_code code = take_block(draft, draft->body);
	return code == BM_OK ? parse_block(draft, err) : bm_error_nomem(err);
}

enum bm_code bm_draft_init(struct bm_draft *draft, const struct bm_message_options *options, struct bm_error *err)
{
	draft->options = options;
	draft->field_count = 0;
	memset(draft->attributes, 0, sizeof draft->attributes);
	bm_buf_init(&draft->block, SIZE_MAX / 2);
	enum bm_code code = take_attributes(draft, err);
	if (code == BM_OK)
		code = take_headers(draft, err);
	return code == BM_OK ? take_content(draft, err) : code;
}

void bm_draft_deinit(struct bm_draft *draft)
{
	bm_buf_deinit(&draft->block);
}
