/* SPDX-License-Identifier: MIT */
/* Saying commands, matching replies to them, closing. */
#include "smtp/machine.h"

#include "base/error.h"
#include "base/number.h"

#include <assert.h>

#define SAID_CONTENT_MAX 64
#define BLOCK_SIZE 65536
#define SPARE_MAX (2 * BM_MACHINE_KEPT_MAX)

static const struct {
	uint64_t timeout_ms;
	const char *name;
	const char *time_out_reason;
} commands[] = {
#define COMMAND_ROW(name, timeout_ms, text) [BM_SMTP_##name] = {timeout_ms, text, "timed out: " text},
	BM_SMTP_COMMANDS(COMMAND_ROW)
#undef COMMAND_ROW
};

const char *bm_smtp_command_name(enum bm_smtp_command command)
{
	size_t index = (size_t)command;
	return index < sizeof commands / sizeof commands[0] ? commands[index].name : "unknown";
}

const char *bm_machine_time_out_reason(enum bm_smtp_command command)
{
	return commands[command].time_out_reason;
}

uint64_t bm_machine_time_out(const struct bm_smtp *smtp, enum bm_smtp_command command)
{
	uint64_t own = commands[command].timeout_ms;
	if (smtp->timeout_ms == 0)
		return own;
	/* nobody shall wait longer for a goodbye */
	if (command == BM_SMTP_QUIT && own < smtp->timeout_ms)
		return own;
	return smtp->timeout_ms;
}

void bm_machine_queue(struct bm_smtp *smtp, const struct bm_smtp_event *event, uint64_t number)
{
	if (smtp->starved || bm_queue_push(&smtp->queue, event, number) != BM_OK)
		smtp->starved = true;
}

bool bm_machine_has_room(const struct bm_smtp *smtp)
{
	if (smtp->mode == BM_SMTP_PIPELINING_OFF)
		return smtp->pipeline.count == 0;
	size_t unsent = bm_output_commands_left(&smtp->output);
	return smtp->pipeline.count < BM_PIPELINE_MAX && unsent + BM_MACHINE_COMMAND_MAX <= BM_OUTPUT_COMMANDS_MAX;
}

static void tell_said(struct bm_smtp *smtp, enum bm_smtp_command command, struct bm_span text, uint64_t size)
{
	struct bm_smtp_event event = {.kind = BM_SMTP_SAID, .command = command, .said = text, .said_size = (size_t)size};
	bm_machine_queue(smtp, &event, 0);
}

/* Puts a command into the output; false without memory. */
static bool put(struct bm_smtp *smtp, enum bm_smtp_command command, const struct bm_span *parts, size_t count)
{
	struct bm_span text;
	if (bm_output_command(&smtp->output, parts, count, &text) != BM_OK) {
		smtp->starved = true;
		return false;
	}
	if (smtp->tell)
		tell_said(smtp, command, text, text.size);
	return true;
}

/* The reply may come once the output was sent up to end, a positive one once it was up to now. */
static void expect(
	struct bm_smtp *smtp, enum bm_smtp_command command, struct bm_transaction *tx, uint64_t end, uint64_t now_ms)
{
	struct bm_expected expected = {end, smtp->output.said, tx, command};
	bm_pipeline_push(&smtp->pipeline, &expected, now_ms);
	if (tx != NULL)
		tx->due++;
}

void bm_machine_say(struct bm_smtp *smtp, enum bm_smtp_command command, struct bm_transaction *tx,
	const struct bm_span *parts, size_t count, uint64_t now_ms)
{
	if (put(smtp, command, parts, count))
		expect(smtp, command, tx, smtp->output.said, now_ms);
}

void bm_machine_say_secret(
	struct bm_smtp *smtp, const struct bm_span *parts, size_t count, struct bm_span shown, uint64_t now_ms)
{
	struct bm_span text;
	if (bm_output_command(&smtp->output, parts, count, &text) != BM_OK) {
		smtp->starved = true;
		return;
	}
	bm_output_mark_secret(&smtp->output);
	if (smtp->tell)
		tell_said(smtp, BM_SMTP_AUTH, shown, shown.size);
	expect(smtp, BM_SMTP_AUTH, NULL, smtp->output.said, now_ms);
}

static void tell_content(struct bm_smtp *smtp, const struct bm_content *content)
{
	unsigned char first[SAID_CONTENT_MAX];
	struct bm_span spans[SAID_CONTENT_MAX];
	size_t count = bm_content_view(content, spans, SAID_CONTENT_MAX);
	size_t filled = 0;

	for (size_t i = 0; i < count && filled < sizeof first; i++) {
		size_t room = sizeof first - filled;
		size_t size = spans[i].size < room ? spans[i].size : room;
		memcpy(first + filled, spans[i].data, size);
		filled += size;
	}
	tell_said(smtp, BM_SMTP_BODY, bm_span_make(first, filled), content->size);
}

/* Puts content into the output; its first block's time begins if it is written next. */
static bool put_content(
	struct bm_smtp *smtp, struct bm_transaction *tx, const struct bm_content *content, uint64_t now_ms)
{
	bool writing = bm_machine_is_writing(smtp);
	if (bm_output_content(&smtp->output, content) != BM_OK) {
		smtp->starved = true;
		return false;
	}
	if (!writing)
		smtp->block_since_ms = now_ms;
	if (tx != NULL)
		tx->end = smtp->output.said;
	if (smtp->tell)
		tell_content(smtp, content);
	return true;
}

void bm_machine_write(struct bm_smtp *smtp, enum bm_smtp_command command, struct bm_transaction *tx,
	const struct bm_content *content, uint64_t now_ms)
{
	if (put_content(smtp, tx, content, now_ms))
		expect(smtp, command, tx, smtp->output.said, now_ms);
}

void bm_machine_chunk(
	struct bm_smtp *smtp, struct bm_transaction *tx, const struct bm_content *content, uint64_t now_ms)
{
	char text[BM_NUMBER_SIZE];
	size_t length = bm_number_format(text, content->size);
	struct bm_span parts[] = {bm_span_of("BDAT "), bm_span_make(text, length), bm_span_of(" LAST")};
	if (!put(smtp, BM_SMTP_BDAT, parts, 3))
		return;
	uint64_t end = smtp->output.said;
	if (put_content(smtp, tx, content, now_ms))
		expect(smtp, BM_SMTP_BDAT, tx, end, now_ms);
}

/*
 * No chunks in LMTP: how many replies a refused one has, before LAST or behind it, RFC 2033 does not say, and replies
 * are told apart by count alone.
 */
static enum bm_smtp_pipelining highest_mode(const struct bm_smtp *smtp)
{
	if (!smtp->capabilities.pipelining)
		return BM_SMTP_PIPELINING_OFF;
	bool chunks = smtp->capabilities.chunking && !smtp->lmtp;
	return chunks ? BM_SMTP_PIPELINING_STREAM : BM_SMTP_PIPELINING_MESSAGE;
}

void bm_machine_ready(struct bm_smtp *smtp)
{
	struct bm_smtp_event event = {.kind = BM_SMTP_READY};
	smtp->capabilities = smtp->listed;
	smtp->capabilities.secured = smtp->secured;
	smtp->capabilities.verified = smtp->secured && smtp->channel.verified;
	smtp->capabilities.require_tls = smtp->capabilities.require_tls && smtp->capabilities.verified;
	enum bm_smtp_pipelining most = highest_mode(smtp);
	smtp->mode = smtp->pipelining < most ? smtp->pipelining : most;
	smtp->ready = true;
	bm_machine_queue(smtp, &event, 0);
}

/* The parser's memory is taken, not copied, unless a server made it large: there may be many to keep. */
void bm_machine_keep(struct bm_smtp *smtp, struct bm_reply *reply, struct bm_buf *raw)
{
	if (!smtp->borrowed && smtp->parser.raw.capacity <= SPARE_MAX) {
		struct bm_buf spare = *raw;
		*raw = smtp->parser.raw;
		smtp->parser.raw = spare;
		return;
	}
	bm_reply_find_enhanced(reply);
	bm_buf_clear(raw);
	if (bm_buf_append_span(raw, reply->raw) == BM_OK) {
		reply->raw = bm_buf_view(raw);
		return;
	}
	reply->raw = bm_span_make(NULL, 0);
	reply->lines = 0;
}

uint64_t bm_machine_block(const struct bm_smtp *smtp)
{
	return bm_output_block(&smtp->output, BLOCK_SIZE);
}

bool bm_machine_is_writing(const struct bm_smtp *smtp)
{
	return bm_machine_block(smtp) != BM_OUTPUT_NOWHERE;
}

enum bm_smtp_command bm_machine_awaited(const struct bm_smtp *smtp)
{
	if (bm_machine_is_writing(smtp))
		return BM_SMTP_BODY;
	const struct bm_expected *head = bm_pipeline_head(&smtp->pipeline);
	return head != NULL ? head->command : BM_SMTP_TALK;
}

/* A group is unanswered as long as one of its commands is. */
static bool is_grouped(enum bm_smtp_command command)
{
	return command == BM_SMTP_RSET || command == BM_SMTP_MAIL || command == BM_SMTP_RCPT || command == BM_SMTP_DATA;
}

/* Whether a lower mode might have fared better. */
static bool has_stumbled(
	const struct bm_smtp *smtp, enum bm_smtp_end end, enum bm_smtp_command command, const struct bm_reply *reply)
{
	/* Only a stream says RSET where there is nothing to reset. */
	if (end == BM_SMTP_END_RSET)
		return smtp->mode == BM_SMTP_PIPELINING_STREAM && reply->code == 503;
	if (smtp->mode == BM_SMTP_PIPELINING_OFF || (end != BM_SMTP_END_OUT_OF_STEP && end != BM_SMTP_END_TIMEOUT))
		return false;
	if (bm_envelope_open_count(smtp) > 1)
		return true;
	if (smtp->mode == BM_SMTP_PIPELINING_STREAM && (command == BM_SMTP_BDAT || command == BM_SMTP_BODY))
		return true;
	return end == BM_SMTP_END_OUT_OF_STEP && is_grouped(command);
}

static void note_close(struct bm_smtp *smtp, enum bm_smtp_end end, enum bm_smtp_command command,
	const struct bm_reply *reply, const char *reason)
{
	smtp->closing = (struct bm_smtp_event){
		.kind = BM_SMTP_CLOSED,
		.command = command,
		.end = smtp->quitting ? BM_SMTP_END_QUIT : end,
		.reason = reason,
		.unsent = smtp->output.sent < smtp->output.said,
		.stumbled = !smtp->quitting && has_stumbled(smtp, end, command, reply),
	};
	if (reply != NULL)
		smtp->closing.reply = *reply;
	/* however a server goes that lied to us, it lied */
	if (smtp->cancelled) {
		smtp->closing.end = BM_SMTP_END_AUTH;
		smtp->closing.final = true;
		smtp->closing.reason = smtp->trouble.text;
	}
}

static void finish(struct bm_smtp *smtp, bool undone)
{
	smtp->closed = true;
	bm_transactions_abandon(smtp, undone, smtp->closing.reason);
	smtp->pipeline.count = 0;
	smtp->shaking = false;
	bm_login_wipe(smtp);
	bm_output_wipe(&smtp->output);
	smtp->capabilities = (struct bm_smtp_capabilities){.esmtp = false};
	smtp->hello = (struct bm_reply){.code = 0};
}

void bm_machine_close(struct bm_smtp *smtp, enum bm_smtp_end end, enum bm_smtp_command command,
	const struct bm_reply *reply, const char *reason)
{
	note_close(smtp, end, command, reply, reason);
	if (reply != NULL && smtp->borrowed)
		bm_machine_keep(smtp, &smtp->closing.reply, &smtp->parser.raw);
	finish(smtp, end == BM_SMTP_END_421 || end == BM_SMTP_END_RSET);
}

void bm_machine_leave(struct bm_smtp *smtp, enum bm_smtp_end end, const struct bm_answer *answer, const char *reason)
{
	if (smtp->lingers)
		return;
	if (!bm_transactions_are_out(smtp)) {
		bm_machine_close(smtp, end, answer->expected.command, &answer->reply, reason);
		return;
	}
	note_close(smtp, end, answer->expected.command, &answer->reply, reason);
	bm_machine_keep(smtp, &smtp->closing.reply, &smtp->closing_raw);
	smtp->lingers = true;
	smtp->linger_since_ms = answer->now_ms;
}

void bm_machine_part(struct bm_smtp *smtp, bool undone)
{
	finish(smtp, undone);
}

static void count_reply(struct bm_smtp *smtp, int code)
{
	smtp->errors += code >= 400;
	if (smtp->tally != NULL)
		smtp->tally[code]++;
}

/* What a challenge says may tell of the answer to it. */
static void tell_reply(struct bm_smtp *smtp, const struct bm_answer *answer)
{
	static const char challenge[] = "334 (challenge)\r\n";
	struct bm_smtp_event event = {.kind = BM_SMTP_REPLY, .command = answer->expected.command, .reply = answer->reply};
	if (event.command == BM_SMTP_AUTH && event.reply.code == 334) {
		event.reply.raw = bm_span_of(challenge);
		event.reply.lines = 1;
	}
	bm_machine_queue(smtp, &event, 0);
}

/*
 * In LMTP the end of data is until all that were taken had their reply, and each has the whole time for it: it is
 * delivered to one after the other.
 */
static bool stays(struct bm_smtp *smtp, struct bm_answer *answer)
{
	const struct bm_expected *head = bm_pipeline_head(&smtp->pipeline);
	if (!smtp->lmtp || head->command != BM_SMTP_END_OF_DATA || --head->tx->ends == 0)
		return false;
	smtp->pipeline.head_since_ms = answer->now_ms;
	answer->expected = *head;
	answer->tx = head->tx;
	return true;
}

static void pop(struct bm_smtp *smtp, struct bm_answer *answer)
{
	if (stays(smtp, answer))
		return;
	answer->expected = bm_pipeline_pop(&smtp->pipeline, answer->now_ms);
	answer->tx = answer->expected.tx;
	if (answer->tx != NULL)
		answer->tx->due--;
}

/* What such a command asks for may be long. */
static bool is_for_text(enum bm_smtp_command command)
{
	return command == BM_SMTP_EHLO || command == BM_SMTP_LHLO || command == BM_SMTP_AUTH || command == BM_SMTP_TALK;
}

static void match(struct bm_smtp *smtp, struct bm_answer *answer)
{
	pop(smtp, answer);
	if (answer->reply.raw.size > BM_MACHINE_KEPT_MAX && !is_for_text(answer->expected.command))
		bm_reply_cut(&answer->reply, BM_MACHINE_KEPT_MAX);
	if (answer->expected.command == BM_SMTP_AUTH)
		bm_login_hide(smtp, &answer->reply);
	if (!smtp->tell)
		return;
	bm_reply_find_enhanced(&answer->reply);
	tell_reply(smtp, answer);
}

/* A verdict on content before all of it was sent: there is no way to stop but to close (F23). */
static void answer_content_early(struct bm_smtp *smtp, struct bm_answer *answer)
{
	match(smtp, answer);
	enum bm_smtp_end end = answer->reply.code == 421 ? BM_SMTP_END_421 : BM_SMTP_END_OUT_OF_STEP;
	if (answer->tx != NULL && smtp->lmtp)
		bm_transaction_end_one(smtp, answer);
	else if (answer->tx != NULL && end == BM_SMTP_END_421)
		bm_transaction_put_back(smtp, answer);
	else if (answer->tx != NULL)
		bm_transaction_fail(smtp, answer);
	bm_machine_close(smtp, end, answer->expected.command, &answer->reply,
		"the server refused the content before all of it was sent");
}

/* The reply began before what it could answer was sent. */
static void answer_early(struct bm_smtp *smtp, struct bm_answer *answer)
{
	const struct bm_expected *head = bm_pipeline_head(&smtp->pipeline);
	bool content = head != NULL && (head->command == BM_SMTP_END_OF_DATA || smtp->talk_ending);
	enum bm_smtp_command awaited = bm_machine_awaited(smtp);

	if (content && answer->reply.code >= 400)
		answer_content_early(smtp, answer);
	else if (answer->reply.code == 421)
		bm_machine_close(smtp, BM_SMTP_END_421, awaited, &answer->reply, "the server ended the session");
	else
		bm_machine_close(
			smtp, BM_SMTP_END_OUT_OF_STEP, awaited, &answer->reply, "out of step: a reply to nothing that was said");
}

/* A chunk may be refused before it was read: Postfix and Exim do, and read it all the same. */
static bool is_early(const struct bm_smtp *smtp, const struct bm_reply *reply)
{
	const struct bm_expected *head = bm_pipeline_head(&smtp->pipeline);
	if (head == NULL)
		return true;
	return smtp->reply_since < (reply->code >= 400 ? head->end : head->whole);
}

void bm_machine_answer(struct bm_smtp *smtp, struct bm_answer *answer)
{
	count_reply(smtp, answer->reply.code);
	if (is_early(smtp, &answer->reply)) {
		answer_early(smtp, answer);
		return;
	}
	match(smtp, answer);
	bm_action_take(smtp, answer);
}
