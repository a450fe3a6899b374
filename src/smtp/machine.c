/* SPDX-License-Identifier: MIT */
/* Saying commands, matching replies to them, closing. */
#include "smtp/machine.h"

#include "base/error.h"

#include <assert.h>

#define SAID_CONTENT_MAX 64

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

void bm_machine_queue(struct bm_smtp *smtp, const struct bm_smtp_event *event)
{
	if (smtp->starved || bm_queue_push(&smtp->queue, event) != BM_OK)
		smtp->starved = true;
}

bool bm_machine_has_room(const struct bm_smtp *smtp)
{
	bool grouped = smtp->pipelining == BM_SMTP_PIPELINING_ENVELOPE && smtp->capabilities.pipelining;
	if (!grouped)
		return smtp->pipeline.count == 0;
	size_t unsent = smtp->out.size - smtp->out_sent;
	return smtp->pipeline.count < BM_PIPELINE_MAX && unsent + BM_MACHINE_COMMAND_MAX <= BM_MACHINE_OUT_MAX;
}

static enum bm_code append_parts(struct bm_buf *out, const struct bm_span *parts, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		/* submit and talk refused these; no command leaves with one whatever happened in between */
		assert(!bm_span_has_control(parts[i]));
		enum bm_code code = bm_buf_append_span(out, parts[i]);
		if (code != BM_OK)
			return code;
	}
	return bm_buf_append_str(out, "\r\n");
}

void bm_machine_say(struct bm_smtp *smtp, enum bm_smtp_command command, size_t recipient, const struct bm_span *parts,
	size_t count, uint64_t now_ms)
{
	size_t start = smtp->out.size;
	if (append_parts(&smtp->out, parts, count) != BM_OK) {
		smtp->out.size = start;
		smtp->starved = true;
		return;
	}
	size_t size = smtp->out.size - start;
	struct bm_smtp_event event = {.kind = BM_SMTP_SAID, .command = command, .said_size = size - 2};
	event.said = bm_span_make(smtp->out.data + start, size - 2);
	bm_machine_queue(smtp, &event);
	smtp->said_total += size;
	struct bm_expected expected = {command, recipient, smtp->said_total};
	bool pushed = bm_pipeline_push(&smtp->pipeline, expected, now_ms);
	assert(pushed);
	(void)pushed;
}

static void queue_said_content(struct bm_smtp *smtp)
{
	unsigned char first[SAID_CONTENT_MAX];
	struct bm_span spans[SAID_CONTENT_MAX];
	size_t count = bm_content_view(&smtp->content, spans, SAID_CONTENT_MAX);
	size_t filled = 0;

	for (size_t i = 0; i < count && filled < sizeof first; i++) {
		size_t room = sizeof first - filled;
		size_t step = spans[i].size < room ? spans[i].size : room;
		memcpy(first + filled, spans[i].data, step);
		filled += step;
	}
	struct bm_smtp_event event = {.kind = BM_SMTP_SAID, .command = BM_SMTP_BODY};
	event.said = bm_span_make(first, filled);
	event.said_size = (size_t)bm_content_size(&smtp->content);
	bm_machine_queue(smtp, &event);
}

void bm_machine_write(struct bm_smtp *smtp, enum bm_smtp_command command, const struct bm_span *spans, size_t count,
	struct bm_span tail, uint64_t now_ms)
{
	bm_content_start(&smtp->content, spans, count, tail);
	smtp->writing = true;
	smtp->block_since_ms = now_ms;
	queue_said_content(smtp);
	struct bm_expected expected = {command, 0, smtp->said_total};
	bool pushed = bm_pipeline_push(&smtp->pipeline, expected, now_ms);
	assert(pushed);
	(void)pushed;
}

void bm_machine_ready(struct bm_smtp *smtp)
{
	struct bm_smtp_event event = {.kind = BM_SMTP_READY};
	smtp->ready = true;
	bm_machine_queue(smtp, &event);
}

void bm_machine_keep(struct bm_smtp *smtp, struct bm_buf *raw)
{
	struct bm_buf spare = *raw;
	*raw = smtp->parser.raw;
	smtp->parser.raw = spare;
}

enum bm_smtp_command bm_machine_awaited(const struct bm_smtp *smtp)
{
	if (smtp->writing)
		return BM_SMTP_BODY;
	const struct bm_expected *head = bm_pipeline_head(&smtp->pipeline);
	return head != NULL ? head->command : BM_SMTP_TALK;
}

void bm_machine_close(struct bm_smtp *smtp, enum bm_smtp_end end, enum bm_smtp_command command,
	const struct bm_reply *reply, const char *reason)
{
	smtp->closed = true;
	smtp->closing = (struct bm_smtp_event){
		.kind = BM_SMTP_CLOSED,
		.command = command,
		.end = smtp->quitting ? BM_SMTP_END_QUIT : end,
		.reason = reason,
		.unsent = smtp->writing || smtp->out.size > smtp->out_sent,
	};
	if (reply != NULL)
		smtp->closing.reply = *reply;
	bm_transaction_abandon(smtp, reason);
	smtp->writing = false;
	smtp->pipeline.count = 0;
	smtp->capabilities = (struct bm_smtp_capabilities){.esmtp = false};
	smtp->hello = (struct bm_reply){.code = 0};
}

static void queue_reply(struct bm_smtp *smtp, const struct bm_answer *answer)
{
	struct bm_smtp_event event = {.kind = BM_SMTP_REPLY, .command = answer->expected.command, .reply = answer->reply};
	bm_machine_queue(smtp, &event);
}

/* A verdict on content before all of it was sent: there is no way to stop but to close (F23). */
static void answer_content_early(struct bm_smtp *smtp, struct bm_answer *answer)
{
	answer->expected = bm_pipeline_pop(&smtp->pipeline, answer->now_ms);
	queue_reply(smtp, answer);
	if (answer->expected.command == BM_SMTP_END_OF_DATA)
		bm_transaction_fail(smtp, answer);
	enum bm_smtp_end end = answer->reply.code == 421 ? BM_SMTP_END_421 : BM_SMTP_END_OUT_OF_STEP;
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

void bm_machine_answer(struct bm_smtp *smtp, uint64_t now_ms)
{
	struct bm_answer answer = {.now_ms = now_ms};
	bool whole = bm_reply_parser_view(&smtp->parser, &answer.reply);
	assert(whole);
	(void)whole;
	if (smtp->early) {
		answer_early(smtp, &answer);
		return;
	}
	answer.expected = bm_pipeline_pop(&smtp->pipeline, now_ms);
	queue_reply(smtp, &answer);
	bm_action_take(smtp, &answer);
}
