/* SPDX-License-Identifier: MIT */
#include "sink/discard.h"

#include <string.h>

#define PART_MAX (64U << 10)
#define OUTPUT_MAX (64U << 20)

static void say(struct bm_sink_discard *discard, const char *text, size_t size)
{
	if (bm_buf_append(&discard->out, text, size) != BM_OK)
		discard->broken = true;
}

#define SAY(discard, text) say(discard, text, sizeof(text) - 1)

void bm_sink_discard_init(struct bm_sink_discard *discard)
{
	*discard = (struct bm_sink_discard){.state = BM_SINK_D_COMMAND};
	bm_buf_init(&discard->part, PART_MAX);
	bm_buf_init(&discard->out, OUTPUT_MAX);
	SAY(discard, "220 sink.bulkmail.invalid ESMTP bulkmail sink\r\n");
}

void bm_sink_discard_deinit(struct bm_sink_discard *discard)
{
	bm_buf_deinit(&discard->part);
	bm_buf_deinit(&discard->out);
}

static void finish(struct bm_sink_discard *discard, struct bm_sink_shared *shared)
{
	shared->counters.transactions++;
	shared->counters.recipients += discard->recipients;
	discard->recipients = 0;
	discard->state = BM_SINK_D_COMMAND;
	SAY(discard, "250 2.0.0 Ok: queued\r\n");
}

static void start_chunk(struct bm_sink_discard *discard, const unsigned char *p, const unsigned char *end)
{
	uint64_t size = 0;

	while (p < end && *p == ' ')
		p++;
	for (; p < end && *p >= '0' && *p <= '9'; p++)
		size = size * 10 + (uint64_t)(*p - '0');
	discard->chunk_left = size;
	discard->last = p < end && *p == ' ';
	discard->state = BM_SINK_D_CHUNK;
}

#define WORD(a, b, c, d) ((uint32_t)(a) << 24 | (uint32_t)(b) << 16 | (uint32_t)(c) << 8 | (uint32_t)(d))

static uint32_t word_of(const unsigned char *p)
{
	return WORD(p[0], p[1], p[2], p[3]) | 0x20202020U;
}

/* The line has its LF. */
static void command(struct bm_sink_discard *discard, struct bm_sink_shared *shared, struct bm_span line)
{
	switch (line.size < 6 ? 0 : word_of(line.data)) {
	case WORD('m', 'a', 'i', 'l'):
		discard->recipients = 0;
		SAY(discard, "250 2.1.0 Ok\r\n");
		break;
	case WORD('r', 'c', 'p', 't'):
		discard->recipients++;
		SAY(discard, "250 2.1.5 Ok\r\n");
		break;
	case WORD('d', 'a', 't', 'a'):
		discard->state = BM_SINK_D_CONTENT;
		discard->matched = 2;
		SAY(discard, "354 End data with <CR><LF>.<CR><LF>\r\n");
		break;
	case WORD('b', 'd', 'a', 't'):
		start_chunk(discard, line.data + 4, line.data + line.size);
		break;
	case WORD('r', 's', 'e', 't'):
	case WORD('n', 'o', 'o', 'p'):
		SAY(discard, "250 2.0.0 Ok\r\n");
		break;
	case WORD('e', 'h', 'l', 'o'):
		say(discard, (const char *)shared->ehlo.data, shared->ehlo.size);
		break;
	case WORD('h', 'e', 'l', 'o'):
		SAY(discard, "250 sink.bulkmail.invalid\r\n");
		break;
	case WORD('q', 'u', 'i', 't'):
		discard->quit = true;
		SAY(discard, "221 2.0.0 Bye\r\n");
		break;
	default:
		SAY(discard, "500 5.5.2 Command not known\r\n");
	}
}

/* Each of these returns how many octets it used. */
static size_t take_command(
	struct bm_sink_discard *discard, struct bm_sink_shared *shared, const unsigned char *p, size_t size)
{
	const unsigned char *lf = memchr(p, '\n', size);
	size_t used = lf == NULL ? size : (size_t)(lf - p) + 1;

	if (lf != NULL && discard->part.size == 0) {
		command(discard, shared, bm_span_make(p, used));
		return used;
	}
	if (bm_buf_append(&discard->part, p, used) != BM_OK)
		discard->broken = true;
	if (lf != NULL) {
		command(discard, shared, bm_buf_view(&discard->part));
		bm_buf_clear(&discard->part);
	}
	return used;
}

static unsigned match(unsigned matched, unsigned char c)
{
	static const unsigned char end[] = {'\r', '\n', '.', '\r', '\n'};

	if (c == end[matched])
		return matched + 1;
	return c == '\r' ? 1 : 0;
}

/* Goes octet by octet while a match is under way. */
static size_t take_match(struct bm_sink_discard *discard, const unsigned char *p, size_t size)
{
	size_t used = 0;

	while (used < size && discard->matched > 0 && discard->matched < 5)
		discard->matched = match(discard->matched, p[used++]);
	return used;
}

/* No match is under way: the next dot that begins a line, or all but the last octets, which may begin a match. */
static size_t skip_text(struct bm_sink_discard *discard, const unsigned char *p, size_t size)
{
	const unsigned char *end = p + size;
	const unsigned char *dot = size > 2 ? p + 2 : end;

	while (dot < end) {
		dot = memchr(dot, '.', (size_t)(end - dot));
		if (dot == NULL)
			break;
		if (dot[-1] == '\n' && dot[-2] == '\r') {
			discard->matched = 3;
			return (size_t)(dot - p) + 1;
		}
		dot++;
	}
	for (const unsigned char *tail = size > 4 ? end - 4 : p; tail < end; tail++)
		discard->matched = match(discard->matched, *tail);
	return size;
}

/* The lone dot and its CR LF, which are no content. */
#define TERMINATOR_SIZE 3

static size_t take_content(
	struct bm_sink_discard *discard, struct bm_sink_shared *shared, const unsigned char *p, size_t size)
{
	size_t used = take_match(discard, p, size);

	if (used < size && discard->matched == 0)
		used += skip_text(discard, p + used, size - used);
	shared->counters.bytes += used;
	if (discard->matched == 5) {
		shared->counters.bytes -= TERMINATOR_SIZE;
		finish(discard, shared);
	}
	return used;
}

static size_t take_chunk(struct bm_sink_discard *discard, struct bm_sink_shared *shared, size_t size)
{
	size_t used = size < discard->chunk_left ? size : (size_t)discard->chunk_left;

	discard->chunk_left -= used;
	shared->counters.bytes += used;
	if (discard->chunk_left > 0)
		return used;
	if (discard->last) {
		finish(discard, shared);
		return used;
	}
	discard->state = BM_SINK_D_COMMAND;
	SAY(discard, "250 2.0.0 Ok\r\n");
	return used;
}

static size_t take(struct bm_sink_discard *discard, struct bm_sink_shared *shared, const unsigned char *p, size_t size)
{
	switch (discard->state) {
	case BM_SINK_D_COMMAND:
		return take_command(discard, shared, p, size);
	case BM_SINK_D_CONTENT:
		return take_content(discard, shared, p, size);
	case BM_SINK_D_CHUNK:
		break;
	}
	return take_chunk(discard, shared, size);
}

void bm_sink_discard_feed(struct bm_sink_discard *discard, struct bm_sink_shared *shared, struct bm_span data)
{
	const unsigned char *p = data.data;
	const unsigned char *end = data.data + data.size;
	bool empty_chunk = false;

	/* "BDAT 0 LAST" is complete without another octet. */
	while ((p < end || empty_chunk) && !discard->quit && !discard->broken) {
		p += take(discard, shared, p, (size_t)(end - p));
		empty_chunk = discard->state == BM_SINK_D_CHUNK && discard->chunk_left == 0;
	}
}
