/* SPDX-License-Identifier: MIT */
/* The verbs: what callers may do and when. */
#include "smtp/machine.h"

#include "base/error.h"
#include "smtp/sasl.h"

#include <assert.h>
#include <stdlib.h>

#define TEXT_MAX 1008 /* octets of a command that the caller words, and of the Domain */
/* "334 " and CR LF */
#define CHALLENGE_EXTRA 6

/* A server that ends the session closes it soon, or answers soon if it goes on. */
#define LINGER_MS 5000

static bool is_text(struct bm_span text)
{
	return text.size > 0 && text.size <= TEXT_MAX && !bm_span_has_control(text);
}

static bool is_domain(struct bm_span text)
{
	for (size_t i = 0; i < text.size; i++) {
		if (text.data[i] <= ' ' || text.data[i] > '~')
			return false;
	}
	return is_text(text);
}

static void init(struct bm_smtp *smtp, const struct bm_smtp_options *options, uint64_t now_ms)
{
	smtp->timeout_ms = options->timeout_ms;
	smtp->pipelining = options->pipelining;
	bm_smtp_set_depth(smtp, options->depth);
	smtp->tell = options->tell;
	smtp->tally = options->tally;
	smtp->lmtp = options->lmtp;
	smtp->wrapped = options->wrapped;
	smtp->tls = options->tls;
	smtp->login = options->sasl;
	bm_reply_parser_init(&smtp->parser);
	bm_queue_init(&smtp->queue);
	bm_output_init(&smtp->output);
	bm_buf_init(&smtp->hello_raw, BM_REPLY_SIZE_MAX);
	bm_buf_init(&smtp->response, BM_SASL_LINE_MAX);
	bm_buf_init(&smtp->closing_raw, BM_REPLY_SIZE_MAX);
	bm_buf_init(&smtp->talk_body, SIZE_MAX / 2);
	bm_opening_start(smtp, now_ms);
}

enum bm_code bm_smtp_new(
	struct bm_smtp **out, const struct bm_smtp_options *options, uint64_t now_ms, struct bm_error *err)
{
	*out = NULL;
	if (options->domain == NULL || !is_domain(bm_span_of(options->domain)))
		return bm_error_set(err, BM_E_USAGE, "", "the Domain cannot be said in EHLO: it must be a name in ASCII");
	struct bm_smtp *smtp = calloc(1, sizeof *smtp);
	if (smtp == NULL)
		return bm_error_nomem(err);
	init(smtp, options, now_ms);
	smtp->domain = strdup(options->domain);
	if (smtp->domain == NULL || smtp->starved) {
		bm_smtp_free(smtp);
		return bm_error_nomem(err);
	}
	*out = smtp;
	return BM_OK;
}

void bm_smtp_free(struct bm_smtp *smtp)
{
	if (smtp == NULL)
		return;
	bm_login_wipe(smtp);
	bm_buf_deinit(&smtp->response);
	bm_reply_parser_deinit(&smtp->parser);
	bm_queue_deinit(&smtp->queue);
	bm_output_deinit(&smtp->output);
	bm_buf_deinit(&smtp->hello_raw);
	bm_buf_deinit(&smtp->closing_raw);
	bm_buf_deinit(&smtp->talk_body);
	bm_transactions_deinit(&smtp->transactions);
	free(smtp->domain);
	free(smtp);
}

/* Every verb ends here: says what may be said, and gives up when memory was short. */
static void conclude(struct bm_smtp *smtp, uint64_t now_ms)
{
	if (smtp->closed)
		return;
	bm_envelope_advance(smtp, now_ms);
	if (smtp->starved)
		bm_machine_close(smtp, BM_SMTP_END_NOMEM, bm_machine_awaited(smtp), NULL, "out of memory");
	else if (smtp->lingers && !smtp->closed && !bm_transactions_are_out(smtp))
		bm_machine_part(smtp, true);
}

/* RFC 4954, 4: challenges may be longer than replies. */
static void bound_line(struct bm_smtp *smtp)
{
	const struct bm_expected *head = bm_pipeline_head(&smtp->pipeline);
	bool challenge = head != NULL && head->command == BM_SMTP_AUTH;
	smtp->parser.line_max = challenge ? BM_SASL_LINE_MAX + CHALLENGE_EXTRA : 0;
}

/* What does not end in the chunk, has many lines or is no reply. */
static size_t parse_some(struct bm_smtp *smtp, const unsigned char *data, size_t size, struct bm_answer *answer)
{
	size_t used = 0;
	bound_line(smtp);
	enum bm_code code = bm_reply_parser_feed(&smtp->parser, data, size, &used);
	if (code == BM_E_PROTOCOL) {
		bm_machine_close(smtp, BM_SMTP_END_OUT_OF_STEP, bm_machine_awaited(smtp), NULL, smtp->parser.fault);
	} else if (code != BM_OK) {
		smtp->starved = true;
	} else if (bm_reply_parser_view(&smtp->parser, &answer->reply)) {
		bm_machine_answer(smtp, answer);
		/* what closed the session stays in the parser */
		if (!smtp->closed)
			bm_reply_parser_reset(&smtp->parser);
	}
	return used;
}

/* One reply or what there is of it; the octets used. */
static size_t feed_some(struct bm_smtp *smtp, const unsigned char *data, size_t size, uint64_t now_ms)
{
	struct bm_answer answer;
	size_t used = 0;
	answer.now_ms = now_ms;
	if (!bm_reply_parser_busy(&smtp->parser)) {
		smtp->reply_since = smtp->output.sent;
		used = bm_reply_scan(data, size, &answer.reply);
	}
	if (used > 0) {
		smtp->borrowed = true;
		bm_machine_answer(smtp, &answer);
		smtp->borrowed = false;
	} else {
		used = parse_some(smtp, data, size, &answer);
	}
	conclude(smtp, now_ms);
	return used;
}

size_t bm_smtp_reply_room(const struct bm_smtp *smtp)
{
	return bm_reply_parser_room(&smtp->parser);
}

void bm_smtp_feed(struct bm_smtp *smtp, const void *data, size_t size, uint64_t now_ms)
{
	const unsigned char *in = data;
	size_t at = 0;
	while (at < size && !smtp->closed && !smtp->shaking)
		at += feed_some(smtp, in + at, size - at, now_ms);
	/* said in clear, to be taken for what is said in TLS (CVE-2021-22947) */
	if (at < size && smtp->shaking)
		bm_opening_not_secured(smtp, "octets of the server waited where the TLS handshake begins");
}

void bm_smtp_secured(struct bm_smtp *smtp, const struct bm_smtp_channel *channel, uint64_t now_ms)
{
	if (!smtp->shaking)
		return;
	bm_opening_secured(smtp, channel, now_ms);
	conclude(smtp, now_ms);
}

static void lose(struct bm_smtp *smtp, const char *reason)
{
	bm_machine_close(smtp, BM_SMTP_END_LOST, bm_machine_awaited(smtp), NULL, reason);
}

void bm_smtp_lost(struct bm_smtp *smtp, const char *reason, uint64_t now_ms)
{
	(void)now_ms;
	if (smtp->closed)
		return;
	if (smtp->lingers)
		bm_machine_part(smtp, true);
	else if (smtp->shaking)
		bm_opening_not_secured(smtp, reason);
	else
		lose(smtp, reason);
}

void bm_smtp_cut(struct bm_smtp *smtp, const char *reason, uint64_t now_ms)
{
	(void)now_ms;
	if (smtp->closed)
		return;
	if (smtp->lingers)
		bm_machine_part(smtp, false);
	else
		lose(smtp, reason);
}

size_t bm_smtp_output(struct bm_smtp *smtp, struct bm_span *spans, size_t max)
{
	return smtp->closed || smtp->lingers ? 0 : bm_output_view(&smtp->output, spans, max);
}

static bool is_passed(uint64_t place, uint64_t before, uint64_t after)
{
	return place > before && place <= after;
}

void bm_smtp_sent(struct bm_smtp *smtp, size_t size, uint64_t now_ms)
{
	if (smtp->closed)
		return;
	uint64_t before = smtp->output.sent;
	uint64_t block = bm_machine_block(smtp);
	bm_output_consume(&smtp->output, size);
	uint64_t after = smtp->output.sent;
	if (bm_machine_block(smtp) != block)
		smtp->block_since_ms = now_ms;
	/* The head's time begins when the last octet of its command went, and of a chunk's content once more. */
	const struct bm_expected *head = bm_pipeline_head(&smtp->pipeline);
	if (head != NULL && (is_passed(head->end, before, after) || is_passed(head->whole, before, after)))
		smtp->pipeline.head_since_ms = now_ms;
	conclude(smtp, now_ms);
}

bool bm_smtp_next_event(struct bm_smtp *smtp, struct bm_smtp_event *event)
{
	const struct bm_transactions *txs = &smtp->transactions;
	/* Whom the next transaction lost already waits until all of the one before is told. */
	bool waits = bm_queue_front(&smtp->queue) > txs->first;
	if (!waits && bm_queue_pop(&smtp->queue, event))
		return true;
	if (bm_transaction_next_event(smtp, event))
		return true;
	if (!smtp->closed || smtp->closed_told)
		return false;
	smtp->closed_told = true;
	*event = smtp->closing;
	return true;
}

/* However far away, a deadline is not never: never says that nothing is awaited. */
static uint64_t saturated_sum(uint64_t a, uint64_t b)
{
	return a >= BM_SMTP_NEVER - b ? BM_SMTP_NEVER - 1 : a + b;
}

uint64_t bm_smtp_deadline(const struct bm_smtp *smtp)
{
	const struct bm_expected *head = bm_pipeline_head(&smtp->pipeline);
	if (smtp->closed)
		return BM_SMTP_NEVER;
	if (smtp->lingers)
		return saturated_sum(smtp->linger_since_ms, LINGER_MS);
	if (bm_machine_is_writing(smtp))
		return saturated_sum(smtp->block_since_ms, bm_machine_time_out(smtp, BM_SMTP_BODY));
	if (head == NULL)
		return BM_SMTP_NEVER;
	enum bm_smtp_command command = smtp->talk_ending ? BM_SMTP_END_OF_DATA : head->command;
	return saturated_sum(smtp->pipeline.head_since_ms, bm_machine_time_out(smtp, command));
}

void bm_smtp_tick(struct bm_smtp *smtp, uint64_t now_ms)
{
	uint64_t deadline = bm_smtp_deadline(smtp);
	if (deadline == BM_SMTP_NEVER || now_ms < deadline)
		return;
	if (smtp->lingers) {
		bm_machine_part(smtp, false);
		return;
	}
	enum bm_smtp_command command = bm_machine_awaited(smtp);
	bm_machine_close(smtp, BM_SMTP_END_TIMEOUT, command, NULL, bm_machine_time_out_reason(command));
}

void bm_smtp_set_tell(struct bm_smtp *smtp, bool tell)
{
	smtp->tell = tell;
}

void bm_smtp_set_depth(struct bm_smtp *smtp, size_t depth)
{
	assert(smtp->transactions.capacity == 0);
	smtp->depth = depth == 0 ? 1 : depth < BM_PIPELINE_MAX ? depth : BM_PIPELINE_MAX;
}

bool bm_smtp_idle(const struct bm_smtp *smtp)
{
	bool held = bm_transactions_held(&smtp->transactions) > 0;
	return smtp->ready && !smtp->closed && !held && smtp->pipeline.count == 0;
}

static size_t mode_room(const struct bm_smtp *smtp, size_t held)
{
	switch (smtp->mode) {
	case BM_SMTP_PIPELINING_OFF:
	case BM_SMTP_PIPELINING_ENVELOPE:
		return held == 0 ? 1 : 0;
	case BM_SMTP_PIPELINING_MESSAGE:
		return held <= 1 ? 1 : 0;
	case BM_SMTP_PIPELINING_STREAM:
		break;
	}
	return smtp->depth - held;
}

size_t bm_smtp_room(const struct bm_smtp *smtp)
{
	size_t held = bm_transactions_held(&smtp->transactions);
	bool talking = smtp->talk_content || (held == 0 && smtp->pipeline.count > 0);
	if (!smtp->ready || smtp->closed || smtp->lingers || talking)
		return 0;
	size_t room = mode_room(smtp, held);
	uint64_t mail_max = smtp->capabilities.mail_max;
	if (mail_max == 0)
		return room;
	uint64_t left = mail_max > smtp->mails ? mail_max - smtp->mails : 0;
	return left < room ? (size_t)left : room;
}

enum bm_smtp_pipelining bm_smtp_mode(const struct bm_smtp *smtp)
{
	return smtp->mode;
}

uint64_t bm_smtp_errors(const struct bm_smtp *smtp)
{
	return smtp->errors;
}

static enum bm_code need_idle(const struct bm_smtp *smtp, struct bm_error *err)
{
	if (bm_smtp_idle(smtp))
		return BM_OK;
	return bm_error_set(err, BM_E_USAGE, "", "the session is not idle");
}

enum bm_code bm_smtp_submit(
	struct bm_smtp *smtp, const struct bm_smtp_transaction *transaction, uint64_t now_ms, struct bm_error *err)
{
	if (bm_smtp_room(smtp) == 0)
		return bm_error_set(err, BM_E_USAGE, "", "the session takes no transaction now");
	enum bm_code code = bm_transaction_check(smtp, transaction, err);
	if (code == BM_OK)
		code = bm_transaction_begin(smtp, transaction, err);
	if (code == BM_OK)
		conclude(smtp, now_ms);
	return code;
}

static bool begins_with(struct bm_span text, const char *word)
{
	size_t size = strlen(word);
	return text.size >= size && bm_span_equal_nocase(bm_span_make(text.data, size), bm_span_of(word));
}

/* A talk may leave a transaction open that a submit must not fall into. */
static void note_talk(struct bm_smtp *smtp, struct bm_span text)
{
	bool mail = begins_with(text, "MAIL");
	smtp->mails += mail;
	if (mail || begins_with(text, "RCPT"))
		smtp->dirty = true;
}

static void say_text(struct bm_smtp *smtp, enum bm_smtp_command command, struct bm_span text, uint64_t now_ms)
{
	bm_machine_say(smtp, command, NULL, &text, 1, now_ms);
	conclude(smtp, now_ms);
}

static enum bm_code say_quit(struct bm_smtp *smtp, struct bm_span text, uint64_t now_ms)
{
	smtp->quitting = true;
	say_text(smtp, BM_SMTP_QUIT, text, now_ms);
	return BM_OK;
}

static bool ends_line(struct bm_span text)
{
	return text.size >= 2 && memcmp(text.data + text.size - 2, "\r\n", 2) == 0;
}

/* CR and LF only as pairs, and a lone dot nowhere but in the last line. */
static bool is_content(struct bm_span text)
{
	bool line_start = true;
	for (size_t i = 0; i < text.size; i++) {
		size_t left = text.size - i;
		if (line_start && left >= 3 && memcmp(text.data + i, ".\r\n", 3) == 0)
			return left == 3;
		line_start = left >= 2 && text.data[i] == '\r' && text.data[i + 1] == '\n';
		if (!line_start && (text.data[i] == '\r' || text.data[i] == '\n'))
			return false;
		i += line_start;
	}
	return false;
}

static enum bm_code talk_content(struct bm_smtp *smtp, struct bm_span text, uint64_t now_ms, struct bm_error *err)
{
	bm_buf_clear(&smtp->talk_body);
	if (bm_buf_append_span(&smtp->talk_body, text) != BM_OK ||
		(!ends_line(text) && bm_buf_append(&smtp->talk_body, "\r\n", 2) != BM_OK))
		return bm_error_nomem(err);
	if (!is_content(bm_buf_view(&smtp->talk_body)))
		return bm_error_set(err, BM_E_USAGE, "", "content with a lone CR or LF, or without a last line of a lone dot");
	smtp->talk_content = false;
	smtp->talk_ending = true;
	smtp->talk_span = bm_buf_view(&smtp->talk_body);
	struct bm_content content;
	bm_content_start(&content, &smtp->talk_span, 1, bm_span_make(NULL, 0));
	bm_machine_write(smtp, BM_SMTP_TALK, NULL, &content, now_ms);
	conclude(smtp, now_ms);
	return BM_OK;
}

enum bm_code bm_smtp_talk(struct bm_smtp *smtp, struct bm_span text, uint64_t now_ms, struct bm_error *err)
{
	enum bm_code code = need_idle(smtp, err);
	if (code != BM_OK)
		return code;
	if (smtp->talk_content)
		return talk_content(smtp, text, now_ms, err);
	if (!is_text(text))
		return bm_error_set(err, BM_E_USAGE, "", "a command that is empty, too long or has control octets");
	if (bm_span_equal_nocase(text, bm_span_of("QUIT")))
		return say_quit(smtp, text, now_ms);
	note_talk(smtp, text);
	say_text(smtp, BM_SMTP_TALK, text, now_ms);
	return BM_OK;
}

enum bm_code bm_smtp_quit(struct bm_smtp *smtp, uint64_t now_ms, struct bm_error *err)
{
	if (smtp->talk_content)
		return bm_error_set(err, BM_E_USAGE, "", "the server waits for content");
	enum bm_code code = need_idle(smtp, err);
	return code == BM_OK ? say_quit(smtp, bm_span_of("QUIT"), now_ms) : code;
}

const struct bm_smtp_capabilities *bm_smtp_capabilities(const struct bm_smtp *smtp)
{
	return &smtp->capabilities;
}

struct bm_span bm_smtp_keyword(const struct bm_smtp *smtp, size_t index)
{
	/* A line that says nothing does not end the list. */
	for (size_t at = 1; at < smtp->hello.lines; at++) {
		struct bm_span line = bm_reply_line(&smtp->hello, at);
		if (line.size > 0 && index-- == 0)
			return line;
	}
	return bm_span_make(NULL, 0);
}
