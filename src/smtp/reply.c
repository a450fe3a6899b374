/* SPDX-License-Identifier: MIT */
/*
 * Replies, by length alone: NUL and 8-bit octets are text like any other. Each octet is looked at a fixed
 * number of times, so that a reply that arrives one octet at a time costs no more than a whole one, and
 * what is reported does not depend on how it was cut.
 */
#include "smtp/reply.h"

#include "base/error.h"

#define CODE_SIZE 3

void bm_reply_parser_init(struct bm_reply_parser *parser)
{
	*parser = (struct bm_reply_parser){.code = 0};
	bm_buf_init(&parser->raw, BM_REPLY_SIZE_MAX);
}

void bm_reply_parser_deinit(struct bm_reply_parser *parser)
{
	bm_buf_deinit(&parser->raw);
	bm_reply_parser_reset(parser);
}

void bm_reply_parser_reset(struct bm_reply_parser *parser)
{
	struct bm_buf raw = parser->raw;
	bm_buf_clear(&raw);
	*parser = (struct bm_reply_parser){.raw = raw};
}

bool bm_reply_parser_busy(const struct bm_reply_parser *parser)
{
	return parser->raw.size > 0 && !parser->complete;
}

static bool is_digit(unsigned char c)
{
	return c >= '0' && c <= '9';
}

static const char *first_octet_fault(unsigned char c)
{
	if (c == '\r' || c == '\n')
		return "a blank line instead of a reply";
	if (!is_digit(c))
		return "a line that does not begin with a reply code";
	if (c < '2' || c > '5')
		return "a reply code that is not 2yz, 3yz, 4yz or 5yz";
	return NULL;
}

static int code_of(const unsigned char *line)
{
	return (line[0] - '0') * 100 + (line[1] - '0') * 10 + (line[2] - '0');
}

/* What is wrong with the first octets of a line, as far as they are there. NULL: nothing. */
static const char *head_fault(const struct bm_reply_parser *parser, const unsigned char *line, size_t size)
{
	const char *fault = size > 0 ? first_octet_fault(line[0]) : NULL;
	if (fault != NULL)
		return fault;
	for (size_t i = 1; i < CODE_SIZE && i < size; i++) {
		if (!is_digit(line[i]))
			return "a reply code of fewer than three digits";
	}
	if (size >= CODE_SIZE && parser->lines > 0 && code_of(line) != parser->code)
		return "lines of one reply with different codes";
	if (size > CODE_SIZE && memchr(" -\r\n", line[CODE_SIZE], 4) == NULL)
		return "neither blank nor hyphen behind the reply code";
	if (size > CODE_SIZE + 1 && line[CODE_SIZE] == '\r' && line[CODE_SIZE + 1] != '\n')
		return "a lone CR behind the reply code";
	return NULL;
}

static void end_line(struct bm_reply_parser *parser)
{
	const unsigned char *line = parser->raw.data + parser->line_start;
	bool last = line[CODE_SIZE] != '-';

	parser->code = code_of(line);
	parser->lines++;
	parser->line_start = parser->raw.size;
	parser->complete = last;
	if (!last && parser->lines == BM_REPLY_LINES_MAX)
		parser->fault = "a reply of more than 100 lines";
}

static const char *size_fault(const struct bm_reply_parser *parser, bool line)
{
	if (!line)
		return "a reply of more than 64 KiB";
	return parser->line_max == 0 ? "a reply line of more than 2,048 octets" : "a challenge of more than 12,288 octets";
}

/* Octets of one line, its end included when it is there; never more than the limits leave room for. */
static enum bm_code take_piece(struct bm_reply_parser *parser, const unsigned char *piece, size_t size)
{
	size_t line_max = parser->line_max == 0 ? BM_REPLY_LINE_MAX : parser->line_max;
	size_t line_room = line_max - (parser->raw.size - parser->line_start);
	size_t size_room = BM_REPLY_SIZE_MAX - parser->raw.size;
	size_t room = line_room <= size_room ? line_room : size_room;
	bool cut = size > room;
	size_t fits = cut ? room : size;
	enum bm_code code = bm_buf_append(&parser->raw, piece, fits);
	if (code != BM_OK)
		return code;
	parser->fault = head_fault(parser, parser->raw.data + parser->line_start, parser->raw.size - parser->line_start);
	if (parser->fault == NULL && cut)
		parser->fault = size_fault(parser, line_room <= size_room);
	if (parser->fault == NULL && piece[fits - 1] == '\n')
		end_line(parser);
	/* nothing has room that could end it */
	if (parser->fault == NULL && !parser->complete && fits == size_room)
		parser->fault = size_fault(parser, line_room <= size_room);
	return parser->fault == NULL ? BM_OK : BM_E_PROTOCOL;
}

enum bm_code bm_reply_parser_feed(struct bm_reply_parser *parser, const void *data, size_t size, size_t *used)
{
	const unsigned char *in = data;

	*used = 0;
	if (parser->fault != NULL)
		return BM_E_PROTOCOL;
	while (*used < size && !parser->complete) {
		const unsigned char *start = in + *used;
		const unsigned char *end = memchr(start, '\n', size - *used);
		size_t length = end == NULL ? size - *used : (size_t)(end - start) + 1;
		enum bm_code code = take_piece(parser, start, length);
		if (code != BM_OK)
			return code;
		*used += length;
	}
	return BM_OK;
}

/* Length of one to three digits at text[at..], 0 when there are none or more. */
static size_t digits(struct bm_span text, size_t at)
{
	size_t length = 0;
	while (at + length < text.size && is_digit(text.data[at + length]))
		length++;
	return length <= 3 ? length : 0;
}

/* Length of an enhanced code at the front of text, 0 without one (RFC 2034, 4). */
static size_t enhanced_length(struct bm_span text, int class)
{
	if (text.size < 5 || text.data[0] != '0' + class || text.data[1] != '.')
		return 0;
	size_t subject = digits(text, 2);
	size_t dot = 2 + subject;
	if (subject == 0 || dot >= text.size || text.data[dot] != '.')
		return 0;
	size_t detail = digits(text, dot + 1);
	size_t end = dot + 1 + detail;
	if (detail == 0 || (end < text.size && text.data[end] != ' '))
		return 0;
	return end;
}

bool bm_reply_parser_view(const struct bm_reply_parser *parser, struct bm_reply *reply)
{
	if (!parser->complete)
		return false;
	*reply = (struct bm_reply){.code = parser->code, .raw = bm_buf_view(&parser->raw), .lines = parser->lines};
	bm_reply_find_enhanced(reply);
	return true;
}

void bm_reply_find_enhanced(struct bm_reply *reply)
{
	struct bm_span text = bm_reply_line(reply, 0);
	size_t length = enhanced_length(text, reply->code / 100);
	memset(reply->enhanced, 0, sizeof reply->enhanced);
	if (length > 0 && length < sizeof reply->enhanced)
		memcpy(reply->enhanced, text.data, length);
}

/* A code and what may stand behind that of a last line. */
static bool is_last_line(const unsigned char *line, size_t size)
{
	if (size <= CODE_SIZE || line[0] < '2' || line[0] > '5' || !is_digit(line[1]) || !is_digit(line[2]))
		return false;
	if (line[CODE_SIZE] == '\r')
		return line[CODE_SIZE + 1] == '\n';
	return line[CODE_SIZE] == ' ' || line[CODE_SIZE] == '\n';
}

size_t bm_reply_scan(const void *data, size_t size, struct bm_reply *reply)
{
	const unsigned char *end = memchr(data, '\n', size < BM_REPLY_LINE_MAX ? size : BM_REPLY_LINE_MAX);
	if (end == NULL)
		return 0;
	size_t length = (size_t)(end - (const unsigned char *)data) + 1;
	if (!is_last_line(data, length))
		return 0;
	*reply = (struct bm_reply){.code = code_of(data), .raw = bm_span_make(data, length), .lines = 1};
	return length;
}

/* The line at the front of rest, which is moved behind it. */
static struct bm_span cut_line(struct bm_span *rest)
{
	const unsigned char *end = memchr(rest->data, '\n', rest->size);
	size_t length = end == NULL ? rest->size : (size_t)(end - rest->data) + 1;
	struct bm_span line = bm_span_make(rest->data, length);
	rest->data += length;
	rest->size -= length;
	return line;
}

void bm_reply_cut(struct bm_reply *reply, size_t max)
{
	struct bm_span rest = reply->raw;
	size_t size = 0;

	reply->lines = 0;
	while (rest.size > 0) {
		size_t length = cut_line(&rest).size;
		if (size + length > max)
			break;
		size += length;
		reply->lines++;
	}
	reply->raw.size = size;
}

static struct bm_span line_text(struct bm_span line)
{
	if (line.size > 0 && line.data[line.size - 1] == '\n')
		line.size--;
	if (line.size > 0 && line.data[line.size - 1] == '\r')
		line.size--;
	if (line.size <= CODE_SIZE)
		return bm_span_make(NULL, 0);
	return bm_span_make(line.data + CODE_SIZE + 1, line.size - CODE_SIZE - 1);
}

struct bm_span bm_reply_line(const struct bm_reply *reply, size_t index)
{
	struct bm_span rest = reply->raw;
	for (size_t i = 0; rest.size > 0; i++) {
		struct bm_span line = cut_line(&rest);
		if (i == index)
			return line_text(line);
	}
	return bm_span_make(NULL, 0);
}

static struct bm_span without_enhanced(struct bm_span text, const char *enhanced)
{
	size_t length = strlen(enhanced);
	if (length == 0 || text.size < length || memcmp(text.data, enhanced, length) != 0)
		return text;
	if (text.size > length && text.data[length] != ' ')
		return text;
	return bm_span_make(text.data + length, text.size - length);
}

void bm_reply_text(const struct bm_reply *reply, char *out, size_t out_size)
{
	struct bm_span rest = reply->raw;
	size_t filled = 0;

	if (out_size == 0)
		return;
	out[0] = '\0';
	while (rest.size > 0) {
		struct bm_span text = bm_span_trim(without_enhanced(line_text(cut_line(&rest)), reply->enhanced));
		if (text.size == 0)
			continue;
		if (filled > 0 && filled + 1 < out_size)
			out[filled++] = ' ';
		bm_escape(out + filled, out_size - filled, text.data, text.size);
		filled += strlen(out + filled);
	}
}
