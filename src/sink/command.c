/* SPDX-License-Identifier: MIT */
#include "sink/command.h"

#include "base/number.h"

static struct bm_span cut(struct bm_span span, size_t count)
{
	return bm_span_make(span.data + count, span.size - count);
}

static size_t word_length(struct bm_span span)
{
	size_t length = 0;
	while (length < span.size && span.data[length] != ' ')
		length++;
	return length;
}

static enum bm_sink_event verb_find(struct bm_span word)
{
	for (int i = BM_SINK_ON_HELO; i < BM_SINK_ON_OTHER; i++)
		if (bm_span_equal_nocase(word, bm_span_of(bm_sink_event_name((enum bm_sink_event)i))))
			return (enum bm_sink_event)i;
	return BM_SINK_ON_OTHER;
}

struct bm_sink_command bm_sink_command_split(struct bm_span line)
{
	size_t length = word_length(line);
	struct bm_sink_command command = {
		.verb = verb_find(bm_span_make(line.data, length)),
		.line = line,
		.args = bm_span_trim(cut(line, length)),
	};
	return command;
}

/* Length of "<…>" at the start, 0 when it does not end; a quoted local part may hold any bracket. */
static size_t path_length(struct bm_span text)
{
	bool quoted = false;

	if (text.size == 0 || text.data[0] != '<')
		return 0;
	for (size_t i = 1; i < text.size; i++) {
		unsigned char c = text.data[i];
		if (quoted && c == '\\')
			i++;
		else if (c == '"')
			quoted = !quoted;
		else if (!quoted && c == '>')
			return i + 1;
		else if (!quoted && (c == ' ' || c == '<'))
			return 0;
	}
	return 0;
}

bool bm_sink_command_path(struct bm_span args, const char *keyword, struct bm_span *path, struct bm_span *params)
{
	size_t length = strlen(keyword);

	if (args.size <= length || args.data[length] != ':')
		return false;
	if (!bm_span_equal_nocase(bm_span_make(args.data, length), bm_span_of(keyword)))
		return false;
	struct bm_span rest = cut(args, length + 1);
	size_t size = path_length(rest);
	if (size == 0)
		return false;
	*path = bm_span_make(rest.data + 1, size - 2);
	rest = cut(rest, size);
	if (rest.size > 0 && rest.data[0] != ' ')
		return false;
	*params = bm_span_trim(rest);
	return true;
}

bool bm_sink_command_param(struct bm_span *params, struct bm_span *name, struct bm_span *value)
{
	*params = bm_span_trim(*params);
	size_t length = word_length(*params);
	if (length == 0)
		return false;
	struct bm_span word = bm_span_make(params->data, length);
	const unsigned char *equals = memchr(word.data, '=', word.size);
	size_t name_size = equals == NULL ? length : (size_t)(equals - word.data);
	*name = bm_span_make(word.data, name_size);
	*value = equals == NULL ? bm_span_make(word.data + length, 0) : cut(word, name_size + 1);
	*params = cut(*params, length);
	return true;
}

struct bm_span bm_sink_command_word(struct bm_span *args)
{
	size_t length = word_length(*args);
	struct bm_span word = bm_span_make(args->data, length);

	*args = bm_span_trim(cut(*args, length));
	return word;
}

bool bm_sink_command_chunk(struct bm_span args, uint64_t *size, bool *last)
{
	size_t length = word_length(args);
	struct bm_span rest = bm_span_trim(cut(args, length));

	*last = bm_span_equal_nocase(rest, bm_span_of("LAST"));
	if (rest.size > 0 && !*last)
		return false;
	return bm_number_parse(bm_span_make(args.data, length), size);
}
