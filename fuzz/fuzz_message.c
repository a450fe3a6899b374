/* SPDX-License-Identifier: MIT */
/*
 * Any octets as options and content: the first two choose form and flags, then NUL-ended attributes, the rest is
 * content. A copy has CR LF alone as line ends and ends in one, every line that begins with a dot is stuffed, no line
 * is too long unless wrapping is trusted, headers are ASCII unless they need SMTPUTF8, and its size is what was
 * foretold. With slots: values that are taken can be rendered, whatever they are they make no header and no address
 * more, and a copy is the same each time. The 7-bit form holds no octet above 0x7f.
 */
#include "mail/encode.h"
#include "mail/fold.h"
#include "mail/render.h"

#include <stdint.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define REQUIRE(what)                                                                                                  \
	do {                                                                                                               \
		if (!(what))                                                                                                   \
			abort();                                                                                                   \
	} while (0)

struct input {
	const uint8_t *at;
	const uint8_t *end;
};

/* A string up to the next NUL; NULL when it is empty or there is none. */
static const char *take_text(struct input *in)
{
	const uint8_t *start = in->at;
	const uint8_t *nul = start < in->end ? memchr(start, 0, (size_t)(in->end - start)) : NULL;

	if (nul == NULL)
		return NULL;
	in->at = nul + 1;
	return nul == start ? NULL : (const char *)start;
}

/* CR LF alone, and no line too long. */
static void check_lines(struct bm_span text, bool any_length, const struct bm_render *render)
{
	uint64_t expected = render->size_bytes;
	bool header = true;
	uint64_t dots = 0;

	REQUIRE(text.size >= 2 && text.data[text.size - 2] == '\r' && text.data[text.size - 1] == '\n');
	for (size_t start = 0; start < text.size;) {
		size_t end = start;
		while (text.data[end] != '\r') {
			REQUIRE(text.data[end] != '\n' && text.data[end] != 0);
			REQUIRE(!header || render->utf8 || text.data[end] < 0x80);
			end++;
		}
		REQUIRE(text.data[end + 1] == '\n');
		size_t length = end - start;
		header = header && length > 0;
		bool dot = length > 0 && text.data[start] == '.';
		REQUIRE(!dot || (length > 1 && text.data[start + 1] == '.'));
		dots += dot;
		REQUIRE(any_length || length - (dot ? 1 : 0) <= BM_LINE_MAX);
		start = end + 2;
	}
	REQUIRE(!header);
	REQUIRE(bm_is_ascii(text) == !render->eight_bit);
	REQUIRE(text.size - dots == expected);
}

/* Headers are named lines and their continuations, and no Bcc is among them. */
static void check_headers(struct bm_span text)
{
	struct bm_lines lines;

	bm_lines_init(&lines, text);
	while (bm_lines_next(&lines) && lines.line.size > 0) {
		const unsigned char *colon = memchr(lines.line.data, ':', lines.line.size);
		bool folded = lines.line.data[0] == ' ' || lines.line.data[0] == '\t';
		REQUIRE(folded ? lines.number > 1 : colon != NULL && colon > lines.line.data);
		REQUIRE(lines.line.size < 4 || !bm_span_equal_nocase(bm_span_make(lines.line.data, 4), bm_span_of("bcc:")));
	}
}

static size_t count_fields(struct bm_span text)
{
	struct bm_lines lines;
	size_t count = 0;

	bm_lines_init(&lines, text);
	while (bm_lines_next(&lines) && lines.line.size > 0)
		count += lines.line.data[0] != ' ' && lines.line.data[0] != '\t';
	return count;
}

static void gather(struct bm_buf *all, const struct bm_span *spans, size_t count)
{
	bm_buf_clear(all);
	for (size_t i = 0; i < count; i++)
		REQUIRE(bm_buf_append_span(all, spans[i]) == BM_OK);
}

/* The plain form is the stuffed one without its dots. */
static void check_plain(const struct bm_render *render, const struct bm_buf *all)
{
	struct bm_buf plain;
	struct bm_buf want;

	if (render->plain == NULL)
		return;
	bm_buf_init(&plain, SIZE_MAX / 2);
	bm_buf_init(&want, SIZE_MAX / 2);
	gather(&plain, render->plain, render->plain_count);
	for (size_t i = 0; i < all->size; i++) {
		bool dot = all->data[i] == '.' && (i == 0 || all->data[i - 1] == '\n');
		if (!dot)
			REQUIRE(bm_buf_append_char(&want, all->data[i]) == BM_OK);
	}
	/* A stuffed line keeps the second of its dots. */
	REQUIRE(bm_span_equal(bm_buf_view(&plain), bm_buf_view(&want)));
	bm_buf_deinit(&plain);
	bm_buf_deinit(&want);
}

#define VALUES 3

/* For a server without 8BITMIME: as right as the other, and of no more than 7 bits where there is such a form. */
static void check_seven(const struct bm_message *message, struct bm_copy copy, bool any_length)
{
	struct bm_render render;
	struct bm_error err = BM_ERROR_INIT;
	struct bm_buf all;

	bm_render_init(&render);
	bm_buf_init(&all, SIZE_MAX / 2);
	copy.seven_bit = true;
	REQUIRE(bm_message_render(message, &render, &copy, &err) == BM_OK);
	gather(&all, render.spans, render.count);
	check_lines(bm_buf_view(&all), any_length, &render);
	check_headers(bm_buf_view(&all));
	check_plain(&render, &all);
	bm_buf_deinit(&all);
	bm_render_deinit(&render);
}

/* A copy with these values, if they are taken, is right; returns how many fields it has, 0: they are not taken. */
static size_t check_values(
	const struct bm_message *message, const struct bm_address *to, const struct bm_span *given, bool any_length)
{
	struct bm_span values[VALUES];
	struct bm_render render;
	struct bm_error err = BM_ERROR_INIT;
	struct bm_buf all;
	struct bm_buf again;
	size_t count = 0;
	const char *reason = NULL;
	const size_t *columns = bm_message_columns(message, &count);

	for (size_t i = 0; i < count; i++)
		values[i] = given[columns[i]];
	if (bm_message_check_values(message, values, count, &reason) != BM_OK) {
		REQUIRE(reason != NULL && reason[0] != '\0');
		return 0;
	}
	struct bm_copy copy = {.to = to, .seq = 7, .values = values, .value_count = count};
	bm_render_init(&render);
	bm_buf_init(&all, SIZE_MAX / 2);
	bm_buf_init(&again, SIZE_MAX / 2);
	REQUIRE(bm_message_render(message, &render, &copy, &err) == BM_OK);
	gather(&all, render.spans, render.count);
	check_lines(bm_buf_view(&all), any_length, &render);
	check_headers(bm_buf_view(&all));
	check_plain(&render, &all);
	check_seven(message, copy, any_length);
	REQUIRE(bm_message_render(message, &render, &copy, &err) == BM_OK);
	gather(&again, render.spans, render.count);
	REQUIRE(bm_span_equal(bm_buf_view(&all), bm_buf_view(&again)));
	size_t fields = count_fields(bm_buf_view(&all));
	bm_buf_deinit(&all);
	bm_buf_deinit(&again);
	bm_render_deinit(&render);
	return fields;
}

static void check_merged(
	const struct bm_message *message, const struct bm_address *to, const struct bm_span *given, bool any_length)
{
	const struct bm_span harmless[VALUES] = {bm_span_of("a@x.org"), bm_span_of("b@x.org"), bm_span_of("c@x.org")};
	size_t fields = check_values(message, to, given, any_length);
	size_t others = check_values(message, to, harmless, any_length);

	REQUIRE(fields == 0 || others == 0 || fields == others);
}

static void check_copy(const struct bm_message *message, const struct bm_address *to, bool any_length)
{
	struct bm_render render;
	struct bm_error err = BM_ERROR_INIT;
	struct bm_buf all;

	bm_render_init(&render);
	bm_buf_init(&all, SIZE_MAX / 2);
	struct bm_copy copy = {.to = to, .seq = 7};
	REQUIRE(bm_message_render(message, &render, &copy, &err) == BM_OK);
	gather(&all, render.spans, render.count);
	check_plain(&render, &all);
	check_lines(bm_buf_view(&all), any_length, &render);
	check_headers(bm_buf_view(&all));
	check_seven(message, copy, any_length);
	/* A record that has to be encoded or folded is longer than it was. */
	if (bm_is_ascii(to->original) && to->original.size + 4 <= BM_LINE_MAX)
		REQUIRE(render.size_bytes == bm_message_size(message, to->original.size));
	bm_buf_deinit(&all);
	bm_render_deinit(&render);
}

/* A record of the list as the campaign would read it, or a plain one. */
static void take_recipient(struct bm_address *to, struct input *in, bool trust)
{
	const char *text = take_text(in);
	struct bm_span record = bm_span_of(text == NULL ? "" : text);

	if ((trust ? bm_address_trust(to, record, NULL) : bm_address_parse(to, record, NULL)) != BM_OK)
		REQUIRE(bm_address_parse(to, bm_span_of("Jim T <jim@x.org>"), NULL) == BM_OK);
}

static void set_flags(struct bm_message_options *options, unsigned bits)
{
	static const enum bm_message_form forms[] = {BM_MESSAGE_BODY, BM_MESSAGE_FILE, BM_MESSAGE_HEADERS, BM_MESSAGE_FILE};

	options->form = forms[bits & 3];
	options->html = bits & 4;
	options->use_envelope = bits & 8;
	options->force80 = bits & 16;
	options->trust_wrapping = (bits & 0x60) == 0x60;
	options->trust_email = bits & 0x80;
	options->trust_precedence = bits & 0x100;
	options->date = (uint64_t)bits * 4000000;
	options->utc_offset = (int)(bits >> 8) * 10 - 1300;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct bm_message_options options = BM_MESSAGE_OPTIONS_INIT;
	struct bm_message *message = NULL;
	struct bm_error err = BM_ERROR_INIT;
	struct bm_address to;

	if (size < 2)
		return 0;
	struct input in = {data + 2, data + size};
	set_flags(&options, (unsigned)data[0] | (unsigned)data[1] << 8);
	options.from = take_text(&in);
	options.to = take_text(&in);
	options.sender = take_text(&in);
	options.reply_to = take_text(&in);
	options.subject = take_text(&in);
	options.precedence = take_text(&in);
	options.message_id_host = take_text(&in);
	struct bm_header header = {take_text(&in), take_text(&in)};
	options.headers = &header;
	options.header_count = header.name != NULL && header.value != NULL;
	take_recipient(&to, &in, options.trust_email);
	static const char *const columns[VALUES] = {"name", "email", "x"};
	struct bm_span values[VALUES] = {{NULL, 0}};
	options.merge = data[1] & 0x80;
	options.columns = columns;
	options.column_count = VALUES;
	for (size_t i = 0; options.merge && i < VALUES; i++) {
		const char *text = take_text(&in);
		values[i] = text == NULL ? bm_span_make(i == 0 ? "" : NULL, 0) : bm_span_of(text);
	}
	options.content = in.at;
	options.content_size = (size_t)(in.end - in.at);
	enum bm_code code = bm_message_new(&message, &options, &err);
	REQUIRE((code == BM_OK) == (message != NULL));
	REQUIRE(code == BM_OK || (err.code == code && err.text[0] != '\0'));
	if (code == BM_OK && options.merge)
		check_merged(message, &to, values, options.trust_wrapping);
	else if (code == BM_OK)
		check_copy(message, &to, options.trust_wrapping);
	bm_message_free(message);
	return 0;
}
