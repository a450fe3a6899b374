/* SPDX-License-Identifier: MIT */
/*
 * A server to try the client against: reads what the client sends, works in order, refuses by dice and writes down whom
 * it gave which message. Its transactions and recipients are told apart by what they say: recipient 3 of transaction 7
 * is <t7.3@x>, its content is what model_content makes of 7.
 */
#ifndef BM_TESTS_MODEL_H
#define BM_TESTS_MODEL_H

#include "../unit.h"
#include "base/buf.h"

#include <stdio.h>
#include <stdlib.h>

#define MODEL_TRANSACTIONS 24
#define MODEL_RECIPIENTS 8
#define MODEL_CONTENT_MAX 512

struct model_recipient {
	unsigned tx;
	unsigned index;
};

struct model {
	struct bm_buf in;
	size_t at; /* octets of in that were worked on */
	struct bm_buf out;
	struct bm_buf body;
	bool mail;
	bool data;
	bool chunk; /* the octets of a chunk are being read … */
	bool chunk_refused;
	size_t chunk_left;
	bool gone; /* 421 or a refused RSET was said: nothing more is done */
	struct model_recipient envelope[2 * MODEL_TRANSACTIONS * MODEL_RECIPIENTS];
	size_t envelope_count;
	unsigned delivered[MODEL_TRANSACTIONS][MODEL_RECIPIENTS];
	size_t said_by[MODEL_TRANSACTIONS]; /* how much of out tells that it was delivered */

	uint64_t dice;
	unsigned refusals; /* of 100 commands, how many are refused */
	bool pipelining;
	bool chunking;
	bool keeps_envelope; /* a refused chunk leaves it standing, until RSET */
	bool goes_on;        /* 354 to DATA though nobody was taken */
	bool refuses_unread; /* a chunk, before it was read */
	bool leaves;         /* it may say 421 or refuse RSET */
	bool lmtp;           /* LHLO, and at the end of data a reply for each recipient taken */
};

static inline uint64_t model_roll(uint64_t *dice, uint64_t sides)
{
	*dice ^= *dice << 13;
	*dice ^= *dice >> 7;
	*dice ^= *dice << 17;
	return *dice % sides;
}

/* The wire form, or the plain one; its size. */
static inline size_t model_content(unsigned tx, bool stuffed, char *out)
{
	const char *dot = stuffed ? ".." : ".";
	int size = snprintf(out, MODEL_CONTENT_MAX, "Subject: %u\r\n\r\n%s\r\n%sx RSET\r\n%*s\r\n%s%u\r\n", tx, dot, dot,
		(int)(tx * 7 % 60), "y", dot, tx);
	return (size_t)size;
}

static inline void model_say(struct model *model, const char *text)
{
	assert_int_equal(bm_buf_append_str(&model->out, text), BM_OK);
}

static inline void model_init(struct model *model, uint64_t seed)
{
	*model = (struct model){.dice = seed * 2654435761u + 88172645463325252u};
	bm_buf_init(&model->in, SIZE_MAX / 2);
	bm_buf_init(&model->out, SIZE_MAX / 2);
	bm_buf_init(&model->body, SIZE_MAX / 2);
	model_say(model, "220 model\r\n");
}

static inline void model_deinit(struct model *model)
{
	bm_buf_deinit(&model->in);
	bm_buf_deinit(&model->out);
	bm_buf_deinit(&model->body);
}

static inline void model_reset(struct model *model)
{
	model->mail = false;
	model->envelope_count = 0;
}

/* Says yes or, by the dice, no; true when it was yes. */
static inline bool model_decide(struct model *model, const char *yes)
{
	static const char *const no[] = {"450 4.2.0 later\r\n", "550-5.1.1 no\r\n550 5.1.1 never\r\n", "452 4.5.3 many\r\n",
		"552 5.5.3 many\r\n", "554 no\r\n", "451 4.3.0 later\r\n", "503 5.5.1 sequence\r\n"};
	if (model->leaves && model_roll(&model->dice, 200) == 0) {
		model->gone = true;
		model_say(model, "421 4.3.2 leaving\r\n");
		return false;
	}
	bool good = model_roll(&model->dice, 100) >= model->refusals;
	model_say(model, good ? yes : no[model_roll(&model->dice, sizeof no / sizeof no[0])]);
	return good;
}

/* Nobody may get what was written for another. */
static inline void model_deliver_to(struct model *model, const struct model_recipient *to)
{
	char expected[MODEL_CONTENT_MAX];
	size_t size = model_content(to->tx, false, expected);
	assert_true(bm_span_equal(bm_buf_view(&model->body), bm_span_make(expected, size)));
	model->delivered[to->tx][to->index]++;
	model->said_by[to->tx] = model->out.size;
}

/* Everybody in the envelope gets what was read. */
static inline void model_deliver(struct model *model)
{
	for (size_t i = 0; i < model->envelope_count; i++)
		model_deliver_to(model, &model->envelope[i]);
}

static inline void model_deliver_each(struct model *model)
{
	for (size_t i = 0; i < model->envelope_count && !model->gone; i++) {
		if (model_decide(model, "250 2.0.0 queued\r\n"))
			model_deliver_to(model, &model->envelope[i]);
	}
}

static inline void model_end_content(struct model *model)
{
	if (model->lmtp)
		model_deliver_each(model);
	else if (model_decide(model, "250 2.0.0 queued\r\n"))
		model_deliver(model);
	model_reset(model);
}

/* Also what is thrown away is one whole content. */
static inline void model_check_body(struct model *model)
{
	char expected[MODEL_CONTENT_MAX];
	unsigned tx = 0;
	assert_int_equal(bm_buf_terminate(&model->body), BM_OK);
	assert_int_equal(sscanf((const char *)model->body.data, "Subject: %u", &tx), 1);
	size_t size = model_content(tx, false, expected);
	assert_true(bm_span_equal(bm_buf_view(&model->body), bm_span_make(expected, size)));
}

static inline void model_end_chunk(struct model *model)
{
	model->chunk = false;
	model_check_body(model);
	bool good = !model->chunk_refused && model_decide(model, "250 2.0.0 queued\r\n");
	if (good)
		model_deliver(model);
	if (good || !model->keeps_envelope)
		model_reset(model);
}

static inline void model_chunk(struct model *model, const char *line)
{
	char *rest = NULL;
	model->chunk_left = strtoul(line + 5, &rest, 10);
	assert_string_equal(rest, " LAST");
	model->chunk = true;
	model->chunk_refused = false;
	bm_buf_clear(&model->body);
	if (!model->mail || model->envelope_count == 0) {
		model->chunk_refused = true;
		model_say(model, model->mail ? "554 5.5.1 nobody\r\n" : "503 5.5.1 no MAIL\r\n");
	} else if (model->refuses_unread) {
		size_t start = model->out.size;
		model->chunk_refused = !model_decide(model, "");
		if (!model->chunk_refused)
			model->out.size = start;
	}
}

static inline void model_data(struct model *model)
{
	if (!model->mail || (model->envelope_count == 0 && !model->goes_on)) {
		model_say(model, "503 5.5.1 nobody\r\n");
		return;
	}
	model->data = model_decide(model, "354 go\r\n");
	bm_buf_clear(&model->body);
}

static inline void model_rcpt(struct model *model, const char *line)
{
	struct model_recipient *to = &model->envelope[model->envelope_count];
	assert_int_equal(sscanf(line, "RCPT TO:<t%u.%u@x>", &to->tx, &to->index), 2);
	assert_true(to->tx < MODEL_TRANSACTIONS && to->index < MODEL_RECIPIENTS);
	if (!model->mail)
		model_say(model, "503 5.5.1 no MAIL\r\n");
	else if (model_decide(model, "250 2.1.5 ok\r\n"))
		model->envelope_count++;
}

static inline void model_mail(struct model *model)
{
	if (model->mail)
		model_say(model, "503 5.5.1 nested\r\n");
	else
		model->mail = model_decide(model, "250-2.1.0 sender\r\n250 2.1.0 ok\r\n");
}

static inline void model_rset(struct model *model)
{
	if (model->leaves && model_roll(&model->dice, 100) == 0) {
		model->gone = true;
		model_say(model, "554 5.7.0 too many\r\n");
		return;
	}
	model_reset(model);
	model_say(model, "250 2.0.0 reset\r\n");
}

static inline void model_hello(struct model *model)
{
	model_say(model, "250-model\r\n250-SIZE 100000\r\n");
	if (model->pipelining)
		model_say(model, "250-PIPELINING\r\n");
	if (model->chunking)
		model_say(model, "250-CHUNKING\r\n");
	model_say(model, "250 8BITMIME\r\n");
}

static inline bool model_is(const char *line, const char *verb)
{
	return strncmp(line, verb, strlen(verb)) == 0;
}

static inline void model_command(struct model *model, const char *line)
{
	if (model_is(line, model->lmtp ? "LHLO " : "EHLO "))
		model_hello(model);
	else if (model_is(line, "RSET"))
		model_rset(model);
	else if (model_is(line, "MAIL FROM:<me@here>"))
		model_mail(model);
	else if (model_is(line, "RCPT "))
		model_rcpt(model, line);
	else if (strcmp(line, "DATA") == 0)
		model_data(model);
	else if (model->chunking && model_is(line, "BDAT "))
		model_chunk(model, line);
	else
		fail_msg("not a command: %s", line);
}

static inline void model_data_line(struct model *model, const char *line, size_t size)
{
	if (strcmp(line, ".") == 0) {
		model->data = false;
		model_end_content(model);
		return;
	}
	size_t stuffed = line[0] == '.' ? 1 : 0;
	assert_int_equal(bm_buf_append(&model->body, line + stuffed, size - stuffed), BM_OK);
	assert_int_equal(bm_buf_append_str(&model->body, "\r\n"), BM_OK);
}

static inline bool model_read_chunk(struct model *model)
{
	size_t left = model->in.size - model->at;
	size_t size = left < model->chunk_left ? left : model->chunk_left;
	assert_int_equal(bm_buf_append(&model->body, model->in.data + model->at, size), BM_OK);
	model->at += size;
	model->chunk_left -= size;
	if (model->chunk_left > 0)
		return false;
	model_end_chunk(model);
	return true;
}

static inline bool model_read_line(struct model *model)
{
	char line[1100];
	const unsigned char *start = model->in.data + model->at;
	const unsigned char *end = memchr(start, '\n', model->in.size - model->at);
	if (end == NULL)
		return false;
	size_t size = (size_t)(end - start);
	assert_in_range(size, 1, sizeof line - 1);
	assert_int_equal(start[size - 1], '\r');
	memcpy(line, start, size - 1);
	line[size - 1] = '\0';
	model->at += size + 1;
	if (model->data)
		model_data_line(model, line, size - 1);
	else
		model_command(model, line);
	return true;
}

/* Octets of the client; what it answers is in out. */
static inline void model_take(struct model *model, const void *data, size_t size)
{
	assert_int_equal(bm_buf_append(&model->in, data, size), BM_OK);
	while (!model->gone) {
		if (!(model->chunk ? model_read_chunk(model) : model_read_line(model)))
			break;
	}
}

#endif
