/* SPDX-License-Identifier: MIT */
/* A script's text: one JSON object a line or one JSON array, lines that start with # do not count. */
#include "sink/script.h"

#include "base/buf.h"
#include "base/error.h"
#include "base/number.h"

#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

#define FILE_MAX_BYTES (16U << 20)

/* Every field's parser: NULL when the value is right, else what was expected. */
typedef const char *(*field_parser)(const json_t *value, void *to, struct bm_sink_rule *rule);

struct field {
	const char *name;
	field_parser parse;
	size_t offset;
};

static const char *parse_bool(const json_t *value, void *to, struct bm_sink_rule *rule)
{
	(void)rule;
	if (!json_is_boolean(value))
		return "true or false";
	*(bool *)to = json_is_true(value);
	return NULL;
}

static const char *parse_number(const json_t *value, void *to, struct bm_sink_rule *rule)
{
	(void)rule;
	if (!json_is_integer(value) || json_integer_value(value) < 0)
		return "a whole number from 0 up";
	*(uint64_t *)to = (uint64_t)json_integer_value(value);
	return NULL;
}

static const char *parse_after(const json_t *value, void *to, struct bm_sink_rule *rule)
{
	rule->has_after = true;
	return parse_number(value, to, rule);
}

/* What may be asked for in memory. */
#define PAD_MAX (32 << 20)

static const char *parse_pad(const json_t *value, void *to, struct bm_sink_rule *rule)
{
	if (json_integer_value(value) > PAD_MAX)
		return "at most 33554432";
	return parse_number(value, to, rule);
}

static const char *parse_keywords(const json_t *value, void *to, struct bm_sink_rule *rule)
{
	if (json_integer_value(value) > 1000000)
		return "at most 1000000";
	return parse_number(value, to, rule);
}

static const char *parse_where(const json_t *value, void *to, struct bm_sink_rule *rule)
{
	(void)rule;
	if (!json_is_boolean(value))
		return "true or false";
	*(enum bm_sink_where *)to = json_is_true(value) ? BM_SINK_INSIDE_TLS : BM_SINK_IN_CLEAR;
	return NULL;
}

static const char *parse_truncate(const json_t *value, void *to, struct bm_sink_rule *rule)
{
	rule->torn = json_is_string(value) && strcmp(json_string_value(value), "record") == 0;
	if (!rule->torn && !json_is_boolean(value))
		return "true, false or \"record\"";
	*(bool *)to = rule->torn || json_is_true(value);
	return NULL;
}

static const char *parse_flood(const json_t *value, void *to, struct bm_sink_rule *rule)
{
	static const char *const names[] = {"", "line", "lines", "replies"};
	const char *text = json_string_value(value);
	(void)rule;
	for (int i = BM_SINK_FLOOD_LINE; text != NULL && i <= BM_SINK_FLOOD_REPLIES; i++) {
		if (strcmp(text, names[i]) == 0) {
			*(enum bm_sink_flood *)to = (enum bm_sink_flood)i;
			return NULL;
		}
	}
	return "line, lines or replies";
}

static const char *parse_times(const json_t *value, void *to, struct bm_sink_rule *rule)
{
	if (json_is_string(value) && strcmp(json_string_value(value), "forever") == 0) {
		rule->flood = BM_SINK_FLOOD_REPLIES;
		return NULL;
	}
	if (json_integer_value(value) < 1 || json_integer_value(value) > 100000)
		return "a number from 1 to 100000, or \"forever\"";
	return parse_number(value, to, rule);
}

static const char *parse_lie(const json_t *value, void *to, struct bm_sink_rule *rule)
{
	static const char *const names[] = {"", "bad-signature", "iterations=", "foreign-nonce", "huge-salt", "no-final"};
	struct bm_span text = json_is_string(value) ? bm_span_of(json_string_value(value)) : bm_span_of("");

	for (int i = BM_SINK_LIE_SIGNATURE; i <= BM_SINK_LIE_NO_FINAL; i++) {
		struct bm_span name = bm_span_of(names[i]);
		bool counted = i == BM_SINK_LIE_ITERATIONS;
		if (text.size < name.size || memcmp(text.data, name.data, name.size) != 0)
			continue;
		struct bm_span rest = bm_span_make(text.data + name.size, text.size - name.size);
		if (counted ? !bm_number_parse(rest, &rule->iterations) : rest.size > 0)
			continue;
		*(enum bm_sink_lie *)to = (enum bm_sink_lie)i;
		return NULL;
	}
	return "bad-signature, iterations=N, foreign-nonce, huge-salt or no-final";
}

static const char *take_bytes(struct bm_sink_bytes *to, const void *data, size_t size, const char *tail)
{
	if (to->data != NULL)
		return "only one of reply, raw and hex";
	/* One octet more, so that an empty string is not NULL. */
	to->data = malloc(size + strlen(tail) + 1);
	if (to->data == NULL)
		return "more memory";
	if (size > 0)
		memcpy(to->data, data, size);
	memcpy(to->data + size, tail, strlen(tail));
	to->size = size + strlen(tail);
	return NULL;
}

static const char *parse_raw(const json_t *value, void *to, struct bm_sink_rule *rule)
{
	(void)rule;
	if (!json_is_string(value))
		return "a string";
	return take_bytes(to, json_string_value(value), json_string_length(value), "");
}

static const char *parse_reply(const json_t *value, void *to, struct bm_sink_rule *rule)
{
	(void)rule;
	if (!json_is_string(value))
		return "a string";
	const char *text = json_string_value(value);
	size_t size = json_string_length(value);
	const char *tail = size > 0 && text[size - 1] == '\n' ? "" : "\r\n";
	return take_bytes(to, text, size, tail);
}

static int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	unsigned char low = bm_lower((unsigned char)c);
	return low >= 'a' && low <= 'f' ? low - 'a' + 10 : -1;
}

static const char *parse_hex(const json_t *value, void *to, struct bm_sink_rule *rule)
{
	const char *expected = "a string of pairs of hexadecimal digits";
	struct bm_sink_bytes *bytes = to;
	(void)rule;
	if (!json_is_string(value) || json_string_length(value) % 2 != 0)
		return expected;
	const char *text = json_string_value(value);
	size_t size = json_string_length(value) / 2;
	const char *wrong = take_bytes(bytes, text, size, "");
	if (wrong != NULL)
		return wrong;
	for (size_t i = 0; i < size; i++) {
		int high = hex_digit(text[2 * i]);
		int low = hex_digit(text[2 * i + 1]);
		if (high < 0 || low < 0)
			return expected;
		bytes->data[i] = (unsigned char)(high * 16 + low);
	}
	return NULL;
}

static const char *parse_list(const json_t *value, struct bm_sink_set *set)
{
	const char *expected = "a list of whole numbers from 1 up";
	size_t count = json_array_size(value);

	set->kind = BM_SINK_SET_LIST;
	set->list = calloc(count + 1, sizeof *set->list);
	if (set->list == NULL)
		return "more memory";
	for (size_t i = 0; i < count; i++) {
		const json_t *item = json_array_get(value, i);
		if (!json_is_integer(item) || json_integer_value(item) < 1)
			return expected;
		set->list[set->count++] = (uint64_t)json_integer_value(item);
	}
	return count == 0 ? expected : NULL;
}

static const char *parse_range(const json_t *value, struct bm_sink_set *set)
{
	const json_t *every = json_object_get(value, "every");
	const json_t *from = json_object_get(value, "from");
	const json_t *number = every != NULL ? every : from;

	if (json_object_size(value) != 1 || !json_is_integer(number) || json_integer_value(number) < 1)
		return "{\"every\": N} or {\"from\": N}, N from 1 up";
	set->kind = every != NULL ? BM_SINK_SET_EVERY : BM_SINK_SET_FROM;
	set->value = (uint64_t)json_integer_value(number);
	return NULL;
}

static const char *parse_set(const json_t *value, void *to, struct bm_sink_rule *rule)
{
	(void)rule;
	if (json_is_object(value))
		return parse_range(value, to);
	if (json_is_array(value))
		return parse_list(value, to);
	if (!json_is_integer(value) || json_integer_value(value) < 1)
		return "a number from 1 up, a list, {\"every\": N} or {\"from\": N}";
	json_t *list = json_pack("[I]", json_integer_value(value));
	if (list == NULL)
		return "more memory";
	const char *wrong = parse_list(list, to);
	json_decref(list);
	return wrong;
}

/* Everything that a client waits for an answer to. */
static uint32_t any_event(void)
{
	uint32_t all = (UINT32_C(1) << BM_SINK_ON_COUNT) - 1;
	return all & ~(bm_sink_event_bit(BM_SINK_ON_CONNECT) | bm_sink_event_bit(BM_SINK_ON_CONTENT) |
					 bm_sink_event_bit(BM_SINK_ON_HANDSHAKE));
}

static uint32_t event_bits(const char *name)
{
	if (strcmp(name, "*") == 0)
		return any_event();
	for (int i = 0; i < BM_SINK_ON_COUNT; i++)
		if (strcasecmp(name, bm_sink_event_name((enum bm_sink_event)i)) == 0)
			return bm_sink_event_bit((enum bm_sink_event)i);
	return 0;
}

#define ON_EXPECTED                                                                                                    \
	"an event or a list of them: connect, handshake, greeting, HELO, EHLO, LHLO, MAIL, RCPT, DATA, BDAT, content, "    \
	"end, RSET, NOOP, "                                                                                                \
	"VRFY, HELP, AUTH, STARTTLS, QUIT, other or *"

static const char *parse_on(const json_t *value, void *to, struct bm_sink_rule *rule)
{
	uint32_t *on = to;
	size_t index = 0;
	json_t *item = NULL;

	if (json_is_string(value)) {
		uint32_t bits = event_bits(json_string_value(value));
		*on |= bits;
		return bits == 0 ? ON_EXPECTED : NULL;
	}
	if (!json_is_array(value) || json_array_size(value) == 0)
		return ON_EXPECTED;
	json_array_foreach(value, index, item)
	{
		if (!json_is_string(item) || parse_on(item, to, rule) != NULL)
			return ON_EXPECTED;
	}
	return NULL;
}

static const char *parse_match(const json_t *value, void *to, struct bm_sink_rule *rule)
{
	const char *expected = "a POSIX extended regular expression";
	if (!json_is_string(value) || json_string_length(value) != strlen(json_string_value(value)))
		return expected;
	if (regcomp(to, json_string_value(value), REG_EXTENDED | REG_ICASE | REG_NOSUB) != 0)
		return expected;
	rule->has_match = true;
	return NULL;
}

static const char *parse_comment(const json_t *value, void *to, struct bm_sink_rule *rule)
{
	(void)to;
	(void)rule;
	return json_is_string(value) ? NULL : "a string";
}

#define FIELD(name, parser, member)                                                                                    \
	{                                                                                                                  \
		name, parser, offsetof(struct bm_sink_rule, member)                                                            \
	}

static const struct field fields[] = {
	FIELD("on", parse_on, on),
	FIELD("match", parse_match, match),
	FIELD("nth", parse_set, nth),
	FIELD("connection", parse_set, connection),
	FIELD("per_connection", parse_bool, per_connection),
	FIELD("pipelined", parse_bool, pipelined),
	FIELD("times", parse_number, times),
	FIELD("after", parse_after, after),
	FIELD("tls", parse_where, where),
	FIELD("reply", parse_reply, reply),
	FIELD("raw", parse_raw, reply),
	FIELD("hex", parse_hex, reply),
	FIELD("presend", parse_raw, presend),
	FIELD("postsend", parse_raw, postsend),
	FIELD("delay_ms", parse_number, delay_ms),
	FIELD("drip_ms", parse_number, drip_ms),
	FIELD("linger_ms", parse_number, linger_ms),
	FIELD("no_reply", parse_bool, no_reply),
	FIELD("accept", parse_bool, accept),
	FIELD("keep", parse_bool, keep),
	FIELD("truncate", parse_truncate, truncate),
	FIELD("pad", parse_pad, pad),
	FIELD("keywords", parse_keywords, keywords),
	FIELD("reply_times", parse_times, reply_times),
	FIELD("segment", parse_keywords, segment),
	FIELD("key_update", parse_keywords, rekey),
	FIELD("flood", parse_flood, flood),
	FIELD("scram", parse_lie, lie),
	FIELD("stall", parse_bool, stall),
	FIELD("stop_reading", parse_bool, stop_reading),
	FIELD("close", parse_bool, close),
	FIELD("reset", parse_bool, reset),
	FIELD("exit", parse_bool, exit),
	FIELD("comment", parse_comment, on),
};

static const struct field *field_find(const char *name)
{
	for (size_t i = 0; i < sizeof fields / sizeof fields[0]; i++)
		if (strcmp(fields[i].name, name) == 0)
			return &fields[i];
	return NULL;
}

static bool rule_acts(const struct bm_sink_rule *rule)
{
	bool sends = rule->reply.data != NULL || rule->presend.data != NULL || rule->postsend.data != NULL;
	bool waits = rule->delay_ms > 0 || rule->drip_ms > 0 || rule->linger_ms > 0 || rule->stall || rule->stop_reading;
	bool ends = rule->close || rule->reset || rule->exit || rule->no_reply || rule->accept || rule->keep;
	bool grows = rule->pad > 0 || rule->keywords > 0 || rule->reply_times > 0 || rule->flood != BM_SINK_NO_FLOOD;
	bool others = rule->segment > 0 || rule->rekey > 0 || rule->lie != BM_SINK_NO_LIE;
	return sends || waits || ends || grows || others;
}

/* "FILE:LINE: …" for rules on lines of their own, "FILE: rule N: …" in an array. */
struct place {
	const char *name;
	const char *unit;
	size_t number;
};

static enum bm_code complain(struct bm_error *err, const struct place *at, const char *field, const char *expected)
{
	const char *quote = field[0] == '\0' ? "" : "\"";
	return bm_error_set(err, BM_E_CONF, "", "%s:%s%zu: %s%s%s%sexpected %s", at->name, at->unit, at->number, quote,
		field, quote, field[0] == '\0' ? "" : ": ", expected);
}

static enum bm_code rule_fill(
	struct bm_sink_rule *rule, const json_t *object, const struct place *at, struct bm_error *err)
{
	const char *key = NULL;
	json_t *value = NULL;

	if (!json_is_object(object))
		return complain(err, at, "", "one JSON object");
	json_object_foreach((json_t *)(uintptr_t)object, key, value)
	{
		const struct field *field = field_find(key);
		if (field == NULL)
			return complain(err, at, key, "a field that bulkmail-sink(5) names");
		const char *expected = field->parse(value, (unsigned char *)rule + field->offset, rule);
		if (expected != NULL)
			return complain(err, at, key, expected);
	}
	if (!rule_acts(rule))
		return complain(err, at, "",
			"an action: reply, raw, hex, presend, postsend, delay_ms, drip_ms, linger_ms, "
			"no_reply, accept, keep, stall, stop_reading, close, reset, exit, pad, keywords, reply_times, flood, "
			"segment, key_update or scram");
	if (rule->on == 0)
		rule->on = any_event();
	return BM_OK;
}

static enum bm_code rule_add(
	struct bm_sink_script *script, const json_t *object, const struct place *at, struct bm_error *err)
{
	size_t size = (script->count + 1) * sizeof *script->rules;
	struct bm_sink_rule *rules = realloc(script->rules, size);

	if (rules == NULL)
		return bm_error_nomem(err);
	script->rules = rules;
	struct bm_sink_rule *rule = &rules[script->count++];
	*rule = (struct bm_sink_rule){0};
	return rule_fill(rule, object, at, err);
}

static enum bm_code parse_lines(
	struct bm_sink_script *script, const char *name, struct bm_span text, struct bm_error *err)
{
	struct place at = {name, "", 0};
	enum bm_code code = BM_OK;

	while (text.size > 0 && code == BM_OK) {
		const unsigned char *end = memchr(text.data, '\n', text.size);
		size_t size = end == NULL ? text.size : (size_t)(end - text.data);
		struct bm_span line = bm_span_trim(bm_span_make(text.data, size));
		text = bm_span_make(text.data + size, text.size - size);
		if (end != NULL)
			text = bm_span_make(text.data + 1, text.size - 1);
		at.number++;
		if (line.size == 0 || line.data[0] == '#')
			continue;
		json_t *object = json_loadb((const char *)line.data, line.size, JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL, NULL);
		code = rule_add(script, object, &at, err);
		json_decref(object);
	}
	return code;
}

/* Blanks, so that the numbers of the lines stay right. */
static void blank_comments(struct bm_buf *text)
{
	bool start = true;
	bool comment = false;

	for (size_t i = 0; i < text->size; i++) {
		unsigned char c = text->data[i];
		if (c == '\n')
			comment = false;
		else if (start && c == '#')
			comment = true;
		start = c == '\n' || (start && (c == ' ' || c == '\t'));
		if (comment)
			text->data[i] = ' ';
	}
}

static enum bm_code parse_array(
	struct bm_sink_script *script, const char *name, struct bm_span text, struct bm_error *err)
{
	struct place at = {name, " rule ", 0};
	enum bm_code code = BM_OK;
	json_error_t wrong;
	size_t index = 0;
	json_t *object = NULL;
	json_t *array = json_loadb((const char *)text.data, text.size, JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL, &wrong);

	if (array == NULL)
		return bm_error_set(
			err, BM_E_CONF, "", "%s:%d: expected an array of JSON objects: %s", name, wrong.line, wrong.text);
	json_array_foreach(array, index, object)
	{
		at.number = index + 1;
		code = rule_add(script, object, &at, err);
		if (code != BM_OK)
			break;
	}
	json_decref(array);
	return code;
}

enum bm_code bm_sink_script_parse(
	struct bm_sink_script *script, const char *name, struct bm_span text, struct bm_error *err)
{
	struct bm_buf copy;

	*script = (struct bm_sink_script){0};
	bm_buf_init(&copy, FILE_MAX_BYTES);
	enum bm_code code = bm_buf_append_span(&copy, text);
	if (code != BM_OK) {
		bm_error_set(err, code, "", "%s: the script is too large", name);
		goto done;
	}
	blank_comments(&copy);
	struct bm_span trimmed = bm_span_trim(bm_buf_view(&copy));
	if (trimmed.size > 0 && trimmed.data[0] == '[')
		code = parse_array(script, name, bm_buf_view(&copy), err);
	else
		code = parse_lines(script, name, bm_buf_view(&copy), err);
done:
	bm_buf_deinit(&copy);
	if (code != BM_OK)
		bm_sink_script_deinit(script);
	return code;
}

static enum bm_code read_file(struct bm_buf *out, const char *path, struct bm_error *err)
{
	enum bm_code code = BM_OK;
	size_t got = 1;
	FILE *file = fopen(path, "rb");

	if (file == NULL)
		return bm_error_set_errno(err, BM_E_MISSING, "", errno, "%s", path);
	while (got > 0 && code == BM_OK) {
		unsigned char block[4096];
		got = fread(block, 1, sizeof block, file);
		code = bm_buf_append(out, block, got);
	}
	if (code != BM_OK)
		bm_error_set(err, code, "", "%s: the script is too large", path);
	else if (ferror(file))
		code = bm_error_set(err, BM_E_IO, "", "%s: cannot be read", path);
	fclose(file);
	return code;
}

enum bm_code bm_sink_script_load(struct bm_sink_script *script, const char *path, struct bm_error *err)
{
	struct bm_buf text;

	*script = (struct bm_sink_script){0};
	bm_buf_init(&text, FILE_MAX_BYTES);
	enum bm_code code = read_file(&text, path, err);
	if (code == BM_OK)
		code = bm_sink_script_parse(script, path, bm_buf_view(&text), err);
	bm_buf_deinit(&text);
	return code;
}
