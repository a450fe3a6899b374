/* SPDX-License-Identifier: MIT */
/*
 * Fields of a file that hold raw UTF-8. What may be an encoded-word becomes one (RFC 2047, 5): text, comments, display
 * names. What may not (addresses, other tokens of structured fields) stays, and the message needs SMTPUTF8 (RFC 6532).
 */
#include "mail/encode.h"
#include "mail/writer.h"

/* Of these no part but comments is text. */
static bool is_structured(struct bm_span name)
{
	static const char *const names[] = {"References", "In-Reply-To", "DKIM-Signature", "Authentication-Results",
		"ARC-Seal", "ARC-Message-Signature", "ARC-Authentication-Results", "Received-SPF", "Return-Path",
		"Auto-Submitted", NULL};

	return bm_span_is_one_of(name, names);
}

/* The end of the string or of the text within a comment that rest begins with. */
static size_t run_size(struct bm_span rest, bool comment)
{
	size_t at = comment ? 0 : 1;

	while (at < rest.size) {
		unsigned char c = rest.data[at];
		if (comment ? c == '(' || c == ')' : c == '"')
			return comment ? at : at + 1;
		at += c == '\\' && at + 1 < rest.size ? 2 : 1;
	}
	return rest.size;
}

/* Blanks at its ends, which fold, stay outside of the words. */
static enum bm_code append_words(struct bm_buf *out, struct bm_span text)
{
	struct bm_span inner = bm_span_trim(text);
	size_t before = (size_t)(inner.data - text.data);
	/* The line is folded in front of the first word if it has a blank there; the words fold themselves. */
	size_t column = BM_ENCODED_LINE_MAX / 2;
	struct bm_buf plain;

	bm_buf_init(&plain, BM_WIRE_MAX);
	enum bm_code code = bm_buf_append(out, text.data, before);
	if (code == BM_OK)
		code = bm_unfold(&plain, inner);
	if (code == BM_OK)
		code = bm_encode_words(out, bm_buf_view(&plain), &column);
	if (code == BM_OK)
		code = bm_buf_append(out, text.data + before + inner.size, text.size - before - inner.size);
	bm_buf_deinit(&plain);
	return code;
}

/* text with its comments encoded. */
static enum bm_code encode_comments(struct bm_buf *out, struct bm_span text)
{
	size_t depth = 0;
	enum bm_code code = BM_OK;

	while (code == BM_OK && text.size > 0) {
		unsigned char c = text.data[0];
		bool enclosed = depth > 0 ? c != '(' && c != ')' : c == '"';
		size_t size = enclosed ? run_size(text, depth > 0) : 1;
		struct bm_span run = bm_span_make(text.data, size);
		if (depth > 0 && !bm_is_ascii(run))
			code = append_words(out, run);
		else
			code = bm_buf_append_span(out, run);
		if (c == '(')
			depth++;
		else if (c == ')' && depth > 0)
			depth--;
		text = bm_span_make(text.data + size, text.size - size);
	}
	return code;
}

/* As it stands. */
static enum bm_code put_as_it_is(struct bm_writer *writer, const struct bm_field *field, struct bm_span raw)
{
	struct bm_field as_it_is = *field;

	as_it_is.raw = raw;
	writer->message->utf8 = writer->message->utf8 || !bm_is_ascii(raw);
	return bm_writer_put_raw(writer, &as_it_is);
}

static enum bm_code put_structured(struct bm_writer *writer, const struct bm_field *field, struct bm_span raw)
{
	struct bm_span value = bm_span_make(raw.data + field->name.size + 1, raw.size - field->name.size - 1);
	struct bm_error *err = writer->err;
	struct bm_error ignored = BM_ERROR_INIT;

	if (bm_is_ascii(value) || is_structured(field->name) || !bm_header_has_phrases(field->name))
		return put_as_it_is(writer, field, raw);
	/* What cannot be taken apart stays. */
	writer->err = &ignored;
	enum bm_code code = bm_merge_header(writer, field->name, value, false);
	writer->err = err;
	if (code == BM_E_MESSAGE)
		return put_as_it_is(writer, field, raw);
	return code == BM_OK ? BM_OK : bm_writer_no_room(writer, code);
}

enum bm_code bm_utf8_header(struct bm_writer *writer, const struct bm_field *field)
{
	struct bm_buf raw;

	if (!is_structured(field->name) && bm_header_is_text(field->name))
		return bm_writer_put_encoded_text(writer, field->name, field->value);
	bm_buf_init(&raw, BM_WIRE_MAX);
	/* A name may hold parentheses and quotes. */
	enum bm_code code = bm_buf_append(&raw, field->raw.data, field->name.size + 1);
	if (code == BM_OK)
		code = encode_comments(&raw, bm_span_skip(field->raw, field->name.size + 1));
	if (code == BM_OK)
		code = put_structured(writer, field, bm_buf_view(&raw));
	else
		code = bm_writer_no_room(writer, code);
	bm_buf_deinit(&raw);
	return code;
}
