/* SPDX-License-Identifier: MIT */
/*
 * A session of three transactions ends at every octet sent and at every octet read, in every mode and every way: in
 * doubt is exactly whose whole end of data had left without an answer.
 */
#include "model.h"

#include "smtp/smtp.h"

#define TRANSACTIONS 3
#define RECIPIENTS 2

enum death { LOST, TIMED_OUT, LEFT, GARBAGE, DEATHS };

struct copy {
	char addresses[RECIPIENTS][16];
	struct bm_span recipients[RECIPIENTS];
	char stuffed[MODEL_CONTENT_MAX];
	char plain[MODEL_CONTENT_MAX];
	struct bm_span content;
	struct bm_span unstuffed;
};

struct life {
	struct bm_smtp *smtp;
	struct model model;
	unsigned submitted;
	size_t sent;
	size_t sent_max;
	size_t fed;
	size_t fed_max;
	size_t told[TRANSACTIONS];
	enum bm_smtp_disposition disposition[TRANSACTIONS][RECIPIENTS];
	bool closed;
};

static void fill(struct copy *copies)
{
	for (unsigned id = 0; id < TRANSACTIONS; id++) {
		struct copy *copy = &copies[id];
		for (unsigned i = 0; i < RECIPIENTS; i++) {
			snprintf(copy->addresses[i], sizeof copy->addresses[i], "t%u.%u@x", id, i);
			copy->recipients[i] = bm_span_of(copy->addresses[i]);
		}
		copy->content = bm_span_make(copy->stuffed, model_content(id, true, copy->stuffed));
		copy->unstuffed = bm_span_make(copy->plain, model_content(id, false, copy->plain));
	}
}

static void submit_all(struct life *life, const struct copy *copies)
{
	while (life->submitted < TRANSACTIONS && bm_smtp_room(life->smtp) > 0) {
		const struct copy *copy = &copies[life->submitted];
		struct bm_smtp_transaction tx = {
			.id = life->submitted++,
			.sender = bm_span_of("me@here"),
			.recipients = copy->recipients,
			.recipient_count = RECIPIENTS,
			.content = &copy->content,
			.content_count = 1,
			.plain = &copy->unstuffed,
			.plain_count = 1,
		};
		assert_int_equal(bm_smtp_submit(life->smtp, &tx, 0, NULL), BM_OK);
	}
}

static void see_events(struct life *life)
{
	struct bm_smtp_event event;
	while (bm_smtp_next_event(life->smtp, &event)) {
		life->closed |= event.kind == BM_SMTP_CLOSED;
		if (event.kind != BM_SMTP_RECIPIENT)
			continue;
		life->told[event.id]++;
		life->disposition[event.id][event.recipient] = event.disposition;
	}
}

/* Octets that went one way. */
static size_t send_some(struct life *life)
{
	struct bm_span span;
	size_t left = life->sent_max - life->sent;
	if (left == 0 || bm_smtp_output(life->smtp, &span, 1) == 0)
		return 0;
	size_t size = span.size < left ? span.size : left;
	model_take(&life->model, span.data, size);
	bm_smtp_sent(life->smtp, size, 0);
	life->sent += size;
	return size;
}

static size_t feed_some(struct life *life)
{
	size_t left = life->fed_max - life->fed;
	size_t size = life->model.out.size - life->fed;
	size = size < left ? size : left;
	bm_smtp_feed(life->smtp, life->model.out.data + life->fed, size, 0);
	life->fed += size;
	return size;
}

static void die(struct life *life, enum death death)
{
	switch (death) {
	case LOST:
	case DEATHS:
		break;
	case TIMED_OUT:
		bm_smtp_tick(life->smtp, bm_smtp_deadline(life->smtp));
		break;
	case LEFT:
		bm_smtp_feed(life->smtp, "421 bye\r\n", 9, 0);
		break;
	case GARBAGE:
		bm_smtp_feed(life->smtp, "\r\n", 2, 0);
		break;
	}
	/* what is over is not lost; what idles has no time-out */
	bm_smtp_lost(life->smtp, "gone", 0);
	see_events(life);
	assert_true(life->closed);
}

static enum bm_smtp_disposition expected(const struct life *life, unsigned id, enum death death)
{
	size_t said_by = life->model.said_by[id];
	if (said_by > 0 && life->fed >= said_by)
		return BM_SMTP_ACCEPTED;
	return said_by > 0 && death != LEFT ? BM_SMTP_IN_DOUBT : BM_SMTP_PUT_BACK;
}

static void live(const struct copy *copies, enum bm_smtp_pipelining mode, struct life *life)
{
	struct bm_smtp_options options = BM_SMTP_OPTIONS_INIT;
	model_init(&life->model, 1);
	life->model.pipelining = true;
	life->model.chunking = true;
	options.domain = "me.example";
	options.pipelining = mode;
	assert_int_equal(bm_smtp_new(&life->smtp, &options, 0, NULL), BM_OK);
	do {
		submit_all(life, copies);
		see_events(life);
	} while (send_some(life) + feed_some(life) > 0);
}

static void end_life(struct life *life)
{
	bm_smtp_free(life->smtp);
	model_deinit(&life->model);
}

static void live_and_die(
	const struct copy *copies, enum bm_smtp_pipelining mode, size_t sent_max, size_t fed_max, enum death death)
{
	struct life life = {.sent_max = sent_max, .fed_max = fed_max};
	live(copies, mode, &life);
	die(&life, death);
	for (unsigned id = 0; id < life.submitted; id++) {
		assert_int_equal(life.told[id], RECIPIENTS);
		for (unsigned i = 0; i < RECIPIENTS; i++)
			assert_int_equal(life.disposition[id][i], expected(&life, id, death));
	}
	end_life(&life);
}

/* Where the lines of its replies end. */
static size_t line_ends(const struct life *life, size_t *ends)
{
	size_t count = 0;
	ends[count++] = 0;
	for (size_t i = 0; i < life->model.out.size; i++) {
		if (life->model.out.data[i] == '\n')
			ends[count++] = i + 1;
	}
	return count;
}

static void every_death(const struct copy *copies, enum bm_smtp_pipelining mode)
{
	struct life whole = {.sent_max = SIZE_MAX, .fed_max = SIZE_MAX};
	size_t ends[200];
	live(copies, mode, &whole);
	size_t count = line_ends(&whole, ends);
	for (size_t sent = 0; sent <= whole.sent; sent++) {
		for (size_t i = 0; i < count; i++) {
			live_and_die(copies, mode, sent, ends[i], LOST);
			live_and_die(copies, mode, sent, ends[i], TIMED_OUT);
		}
	}
	for (size_t fed = 0; fed <= whole.fed; fed++) {
		live_and_die(copies, mode, SIZE_MAX, fed, LOST);
		live_and_die(copies, mode, SIZE_MAX, fed, TIMED_OUT);
	}
	for (size_t i = 0; i < count; i++) {
		live_and_die(copies, mode, SIZE_MAX, ends[i], GARBAGE);
		/* not in the midst of a reply of several lines */
		if (i == 0 || whole.model.out.data[ends[i - 1] + 3] == ' ')
			live_and_die(copies, mode, SIZE_MAX, ends[i], LEFT);
	}
	end_life(&whole);
}

/* conformance: 15, 17, F05, F08, F16, F21 */
static void in_doubt_is_exactly_what_had_its_end_out(void **state)
{
	(void)state;
	struct copy copies[TRANSACTIONS];
	fill(copies);
	for (size_t mode = BM_SMTP_PIPELINING_OFF; mode <= BM_SMTP_PIPELINING_STREAM; mode++)
		every_death(copies, (enum bm_smtp_pipelining)mode);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(in_doubt_is_exactly_what_had_its_end_out)};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
