/* SPDX-License-Identifier: MIT */
/*
 * No text can end the message early, or begin another: all strings over CR, LF, dot and "a" up to a length, as bodies,
 * through the compiler and the cursor that hands them out, read back by a receiver that knows CR LF only.
 */
#include "copy.h"

#include "smtp/content.h"

#include <stdlib.h>

#define LENGTH_MAX 9
/* Every way to cut the output in two, for all strings up to this length and every SAMPLE-th of the longer ones; octet
 * by octet for all. */
#define SPLIT_LENGTH_MAX 6
#define SAMPLE 16

#define WIRE_MAX 512

struct text {
	unsigned char data[WIRE_MAX];
	size_t size;
};

static void append(struct text *text, struct bm_span span)
{
	assert_in_range(span.size, 0, WIRE_MAX - text->size);
	memcpy(text->data + text->size, span.data, span.size);
	text->size += span.size;
}

/* What the receiver must find: each line end is CR LF, also that of the last line. */
static void normalise(struct text *out, const char *text)
{
	out->size = 0;
	while (*text != '\0') {
		size_t line = strcspn(text, "\r\n");
		append(out, bm_span_make(text, line));
		append(out, bm_span_of("\r\n"));
		text += line;
		if (text[0] == '\r' && text[1] == '\n')
			text++;
		text += *text != '\0' ? 1 : 0;
	}
}

static bool has_bare_end(const struct text *wire)
{
	for (size_t i = 0; i < wire->size; i++) {
		bool cr = i > 0 && wire->data[i - 1] == '\r';
		bool lf = i + 1 < wire->size && wire->data[i + 1] == '\n';
		if ((wire->data[i] == '\n' && !cr) || (wire->data[i] == '\r' && !lf))
			return true;
	}
	return false;
}

/* As RFC 5321, 4.5.2 has it: up to the first line with a dot alone. *used: with that line. */
static void receive(struct text *out, const struct text *wire, size_t *used)
{
	struct bm_span rest = bm_span_make(wire->data, wire->size);

	out->size = 0;
	while (rest.size > 0) {
		const unsigned char *end = memchr(rest.data, '\n', rest.size);
		assert_non_null(end);
		struct bm_span line = bm_span_make(rest.data, (size_t)(end + 1 - rest.data));
		rest = bm_span_skip(rest, line.size);
		if (bm_span_equal(line, bm_span_of(".\r\n")))
			break;
		append(out, line.data[0] == '.' ? bm_span_skip(line, 1) : line);
	}
	*used = wire->size - rest.size;
}

/* What is sent when the system takes first octets, then step at a time. */
static void send_out(struct text *wire, const struct bm_span *spans, size_t count, bool data, size_t first, size_t step)
{
	struct bm_content content;
	struct bm_span view[2];
	size_t take = first;

	wire->size = 0;
	bm_content_start(&content, spans, count, bm_span_of(data ? ".\r\n" : ""));
	for (bool done = content.size == 0; !done; take = step) {
		size_t filled = bm_content_view(&content, view, 2);
		size_t left = take;
		for (size_t i = 0; i < filled && left > 0; i++) {
			struct bm_span part = bm_span_make(view[i].data, view[i].size < left ? view[i].size : left);
			append(wire, part);
			left -= part.size;
		}
		done = bm_content_consume(&content, take - left);
	}
}

static struct bm_span body_of(const struct text *text)
{
	const unsigned char *at = memmem(text->data, text->size, "\r\n\r\n", 4);
	assert_non_null(at);
	at += 4;
	return bm_span_make(at, text->size - (size_t)(at - text->data));
}

static void check_data(const struct text *wire, const struct text *want)
{
	static struct text got;
	size_t used = 0;

	assert_false(has_bare_end(wire));
	receive(&got, wire, &used);
	assert_int_equal(used, wire->size);
	assert_true(bm_span_equal(body_of(&got), bm_span_make(want->data, want->size)));
}

static void check_bdat(const struct text *wire, const struct text *want)
{
	assert_false(has_bare_end(wire));
	assert_true(bm_span_equal(body_of(wire), bm_span_make(want->data, want->size)));
}

/* One form of a copy, cut in all ways that are asked for. */
static void check_form(const struct bm_span *spans, size_t count, const struct text *want, bool data, bool all)
{
	static struct text whole;
	static struct text cut;

	send_out(&whole, spans, count, data, WIRE_MAX, WIRE_MAX);
	if (data)
		check_data(&whole, want);
	else
		check_bdat(&whole, want);
	send_out(&cut, spans, count, data, 1, 1);
	assert_true(bm_span_equal(bm_span_make(cut.data, cut.size), bm_span_make(whole.data, whole.size)));
	/* The header is the same for all: the empty line before the body, and what follows. */
	size_t body = whole.size - body_of(&whole).size - 2;
	for (size_t at = body; all && at < whole.size; at++) {
		send_out(&cut, spans, count, data, at, WIRE_MAX);
		assert_true(bm_span_equal(bm_span_make(cut.data, cut.size), bm_span_make(whole.data, whole.size)));
	}
}

struct both {
	struct bm_message_options options;
	struct bm_render render;
	char content[64 + LENGTH_MAX];
	size_t head; /* where the string goes */
};

static void check_string(struct both *both, const char *string, const struct text *want, bool all)
{
	struct bm_message *message = NULL;
	struct bm_copy copy = {.seq = 0};

	size_t size = strlen(string);
	memcpy(both->content + both->head, string, size);
	both->options.content_size = both->head + size;
	assert_int_equal(bm_message_new(&message, &both->options, NULL), BM_OK);
	assert_int_equal(bm_message_render(message, &both->render, &copy, NULL), BM_OK);
	const struct bm_render *render = &both->render;
	check_form(render->spans, render->count, want, true, all);
	bool same = render->plain == NULL;
	check_form(same ? render->spans : render->plain, same ? render->count : render->plain_count, want, false, all);
	bm_message_free(message);
}

static void set_up(struct both *both, enum bm_message_form form, const char *head)
{
	both->options = (struct bm_message_options)BM_MESSAGE_OPTIONS_INIT;
	both->options.form = form;
	both->options.from = "a@x.org";
	both->options.to = "a@x.org";
	both->options.content = both->content;
	both->head = strlen(head);
	memcpy(both->content, head, both->head);
	bm_render_init(&both->render);
}

/* conformance: 4, 5, 36, A27 */
static void no_body_ends_early_or_holds_a_bare_line_end(void **state)
{
	(void)state;
	static const char alphabet[] = "\r\n.a";
	static struct both body;
	static struct both file;
	struct text want;
	size_t strings = 0;

	set_up(&body, BM_MESSAGE_BODY, "");
	set_up(&file, BM_MESSAGE_FILE, "From: a@x.org\nTo: a@x.org\nDate: x\nMessage-ID: <i@x>\n\n");
	for (size_t length = 1; length <= LENGTH_MAX; length++) {
		for (size_t number = 0; number >> (2 * length) == 0; number++) {
			char string[LENGTH_MAX + 1] = "";
			for (size_t i = 0; i < length; i++)
				string[i] = alphabet[number >> (2 * i) & 3];
			bool all = length <= SPLIT_LENGTH_MAX || strings % SAMPLE == 0;
			normalise(&want, string);
			check_string(&body, string, &want, all);
			check_string(&file, string, &want, all);
			strings++;
		}
	}
	assert_int_equal(strings, 349524);
	bm_render_deinit(&body.render);
	bm_render_deinit(&file.render);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(no_body_ends_early_or_holds_a_bare_line_end),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
