/* SPDX-License-Identifier: MIT */
/*
 * A message that comes as a file (RFC 5322): its fields are found, checked and kept as they stand. What cannot be sent
 * as it is, is an error that names the line; nothing is changed silently.
 */
#include "mail/draft.h"

#include "base/error.h"
#include "base/utf8.h"
#include "mail/fold.h"

static bool is_name_char(unsigned char c)
{
	return c > 0x20 && c < 0x7f && c != ':';
}

/* The separator line that mail programs put before a message in an mbox file. */
static bool is_mbox_line(struct bm_span line)
{
	static const char from[] = "From ";
	size_t at = sizeof from - 1;

	if (line.size < at || memcmp(line.data, from, at) != 0)
		return false;
	while (at < line.size && line.data[at] == ' ')
		at++;
	return at == line.size || line.data[at] != ':';
}

static enum bm_code check_line(struct bm_span line, size_t number, struct bm_error *err)
{
	bool nul = line.size > 0 && memchr(line.data, 0, line.size) != NULL;

	if (!nul && bm_utf8_valid(line.data, line.size))
		return BM_OK;
	return bm_error_set(
		err, BM_E_MESSAGE, "MB022", "line %zu of the message: a header holds a NUL or is not valid UTF-8", number);
}

static bool is_single(struct bm_span name)
{
	static const char *const single[] = {"From", "Subject", "Date", "To", "Message-ID", "Sender", "Reply-To"};

	for (size_t i = 0; i < sizeof single / sizeof single[0]; i++) {
		if (bm_span_equal_nocase(name, bm_span_of(single[i])))
			return true;
	}
	return false;
}

static enum bm_code check_single(const struct bm_draft *draft, const struct bm_field *field, struct bm_error *err)
{
	if (!is_single(field->name))
		return BM_OK;
	for (size_t i = 0; i < draft->field_count; i++) {
		const struct bm_field *other = &draft->fields[i];
		if (other->raw.size > 0 && bm_span_equal_nocase(other->name, field->name))
			return bm_error_set(err, BM_E_MESSAGE, "MB022",
				"line %zu of the message: a second %.*s (the first: line %zu)", field->line, (int)field->name.size,
				(const char *)field->name.data, other->line);
	}
	return BM_OK;
}

static enum bm_code add_line(struct bm_draft *draft, struct bm_span line, size_t number, struct bm_error *err)
{
	size_t name = 0;

	while (name < line.size && is_name_char(line.data[name]))
		name++;
	if (name == 0 || name == line.size || line.data[name] != ':') {
		char text[200];
		bm_escape(text, sizeof text, line.data, line.size);
		return bm_error_set(err, BM_E_MESSAGE, "MB022", "line %zu of the message is no header: %s", number, text);
	}
	struct bm_field field = {
		.name = bm_span_make(line.data, name),
		.value = bm_span_make(line.data + name + 1, line.size - name - 1),
		.raw = line,
		.line = number,
	};
	enum bm_code code = check_single(draft, &field, err);
	return code == BM_OK ? bm_draft_add(draft, &field, err) : code;
}

static void continue_field(struct bm_field *field, struct bm_span line)
{
	const unsigned char *end = line.data + line.size;

	field->raw.size = (size_t)(end - field->raw.data);
	field->value.size = (size_t)(end - field->value.data);
}

static enum bm_code take_line(
	struct bm_draft *draft, size_t own_fields, const struct bm_lines *lines, struct bm_error *err)
{
	struct bm_span line = lines->line;
	bool folded = line.data[0] == ' ' || line.data[0] == '\t';

	enum bm_code code = check_line(line, lines->number, err);
	if (code != BM_OK)
		return code;
	if (!folded || draft->field_count == own_fields)
		return add_line(draft, line, lines->number, err);
	continue_field(&draft->fields[draft->field_count - 1], line);
	return BM_OK;
}

enum bm_code bm_draft_parse_file(struct bm_draft *draft, struct bm_error *err)
{
	size_t further = draft->field_count;
	struct bm_lines lines;
	enum bm_code code = BM_OK;

	bm_lines_init(&lines, draft->body);
	draft->body = bm_span_make(NULL, 0);
	while (code == BM_OK && bm_lines_next(&lines)) {
		if (lines.line.size == 0) {
			draft->body = lines.rest;
			draft->body_line = lines.number + 1;
			break;
		}
		if (lines.number > 1 || !is_mbox_line(lines.line))
			code = take_line(draft, further, &lines, err);
	}
	return code;
}

bool bm_field_is_dropped(const struct bm_field *field)
{
	static const char *const dropped[] = {"Bcc", "Resent-Bcc", "Return-Path"};

	for (size_t i = 0; i < sizeof dropped / sizeof dropped[0]; i++) {
		if (bm_span_equal_nocase(field->name, bm_span_of(dropped[i])))
			return true;
	}
	return false;
}
