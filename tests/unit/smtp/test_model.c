/* SPDX-License-Identifier: MIT */
/*
 * Whole sessions by dice, always the same ones: what the server stored for each recipient is what the client says
 * became of it, in every mode and in LMTP, whatever is refused, however the octets are cut and wherever the connection
 * ends.
 */
#include "model.h"

#include "smtp/smtp.h"

#define SESSIONS 3000
#define STEPS_MAX 200000
#define RECIPIENT_SIZE 16

struct copy {
	char addresses[MODEL_RECIPIENTS][RECIPIENT_SIZE];
	struct bm_span recipients[MODEL_RECIPIENTS];
	size_t recipient_count;
	char stuffed[MODEL_CONTENT_MAX];
	char plain[MODEL_CONTENT_MAX];
	struct bm_span content[3];
	struct bm_span unstuffed[2];
	unsigned told[MODEL_RECIPIENTS];
	enum bm_smtp_disposition disposition[MODEL_RECIPIENTS];
	bool ended;
};

struct trial {
	struct bm_smtp *smtp;
	struct model model;
	struct copy copies[MODEL_TRANSACTIONS];
	size_t submitted;
	size_t ended;
	size_t fed;
	bool closed;
	bool may_doubt;
	uint64_t dice;
};

static uint64_t roll(struct trial *trial, uint64_t sides)
{
	return model_roll(&trial->dice, sides);
}

static struct bm_span cut_at(const char *text, size_t from, size_t to)
{
	return bm_span_make(text + from, to - from);
}

static void make(struct trial *trial, unsigned id)
{
	struct copy *copy = &trial->copies[id];
	copy->recipient_count = 1 + roll(trial, 3) * roll(trial, 4) % MODEL_RECIPIENTS;
	for (unsigned i = 0; i < copy->recipient_count; i++) {
		snprintf(copy->addresses[i], RECIPIENT_SIZE, "t%u.%u@x", id, i);
		copy->recipients[i] = bm_span_of(copy->addresses[i]);
	}
	size_t size = model_content(id, true, copy->stuffed);
	size_t one = roll(trial, size);
	copy->content[0] = cut_at(copy->stuffed, 0, one);
	copy->content[1] = cut_at(copy->stuffed, one, one);
	copy->content[2] = cut_at(copy->stuffed, one, size);
	size = model_content(id, false, copy->plain);
	one = roll(trial, size);
	copy->unstuffed[0] = cut_at(copy->plain, 0, one);
	copy->unstuffed[1] = cut_at(copy->plain, one, size);
}

static void submit(struct trial *trial)
{
	if (trial->submitted == MODEL_TRANSACTIONS || bm_smtp_room(trial->smtp) == 0)
		return;
	unsigned id = (unsigned)trial->submitted++;
	struct copy *copy = &trial->copies[id];
	make(trial, id);
	struct bm_smtp_transaction tx = {
		.id = id,
		.sender = bm_span_of("me@here"),
		.recipients = copy->recipients,
		.recipient_count = copy->recipient_count,
		.content = copy->content,
		.content_count = 3,
		.plain = copy->unstuffed,
		.plain_count = 2,
		.size_bytes = 100,
		.window = roll(trial, 3) == 0 ? 1 + roll(trial, 4) : 0,
		.refusals_max = roll(trial, 3) == 0 ? 1 + roll(trial, 3) : 0,
	};
	assert_int_equal(bm_smtp_submit(trial->smtp, &tx, 0, NULL), BM_OK);
}

static void see(struct trial *trial, const struct bm_smtp_event *event)
{
	assert_false(trial->closed);
	if (event->kind == BM_SMTP_CLOSED) {
		trial->closed = true;
	} else if (event->kind == BM_SMTP_RECIPIENT) {
		struct copy *copy = &trial->copies[event->id];
		copy->told[event->recipient]++;
		copy->disposition[event->recipient] = event->disposition;
	} else if (event->kind == BM_SMTP_TRANSACTION) {
		struct copy *copy = &trial->copies[event->id];
		assert_int_equal(event->id, trial->ended++);
		/* what was lent is ours again */
		memset(copy->stuffed, '?', sizeof copy->stuffed);
		memset(copy->plain, '?', sizeof copy->plain);
		memset(copy->addresses, '?', sizeof copy->addresses);
	}
}

static void see_events(struct trial *trial)
{
	struct bm_smtp_event event;
	while (bm_smtp_next_event(trial->smtp, &event))
		see(trial, &event);
}

static void send_some(struct trial *trial)
{
	struct bm_span spans[8];
	size_t count = bm_smtp_output(trial->smtp, spans, 1 + roll(trial, 8));
	size_t max = roll(trial, 3) == 0 ? SIZE_MAX : roll(trial, 300);
	size_t sent = 0;
	for (size_t i = 0; i < count && sent < max; i++) {
		size_t size = spans[i].size < max - sent ? spans[i].size : max - sent;
		model_take(&trial->model, spans[i].data, size);
		sent += size;
	}
	bm_smtp_sent(trial->smtp, sent, 0);
}

static void feed_some(struct trial *trial)
{
	char piece[200];
	size_t left = trial->model.out.size - trial->fed;
	size_t size = 1 + roll(trial, sizeof piece);
	if (size > left)
		size = left;
	/* its own memory: nothing may be kept of it */
	if (size > 0)
		memcpy(piece, trial->model.out.data + trial->fed, size);
	trial->fed += size;
	bm_smtp_feed(trial->smtp, piece, size, 0);
	memset(piece, '?', sizeof piece);
}

static bool is_over(const struct trial *trial)
{
	return trial->closed || (trial->submitted == MODEL_TRANSACTIONS && bm_smtp_idle(trial->smtp));
}

static void run(struct trial *trial, uint64_t cut)
{
	for (size_t step = 0; step < STEPS_MAX && !is_over(trial); step++) {
		switch (roll(trial, 4)) {
		case 0:
			submit(trial);
			break;
		case 1:
			send_some(trial);
			break;
		case 2:
			feed_some(trial);
			break;
		default:
			see_events(trial);
			break;
		}
		bool parted = trial->model.gone && trial->fed == trial->model.out.size;
		if (step == cut || parted)
			bm_smtp_lost(trial->smtp, "gone", 0);
	}
	see_events(trial);
	assert_true(is_over(trial));
}

static void check_recipient(const struct trial *trial, unsigned id, unsigned i)
{
	const struct copy *copy = &trial->copies[id];
	unsigned delivered = trial->model.delivered[id][i];
	/* a 421 among the answers of LMTP leaves those behind it unanswered */
	bool may_doubt = trial->may_doubt || (trial->model.lmtp && trial->model.leaves);
	assert_int_equal(copy->told[i], 1);
	if (copy->disposition[i] == BM_SMTP_IN_DOUBT)
		assert_true(may_doubt && delivered <= 1);
	else
		assert_int_equal(delivered, copy->disposition[i] == BM_SMTP_ACCEPTED);
}

static void start(struct trial *trial, uint64_t seed)
{
	struct bm_smtp_options options = BM_SMTP_OPTIONS_INIT;
	struct model *model = &trial->model;
	*trial = (struct trial){.dice = seed * 88172645463325252u + 1};
	model_init(model, seed);
	model->pipelining = seed % 5 != 0;
	model->chunking = seed % 3 != 0;
	model->lmtp = seed % 7 == 0;
	model->keeps_envelope = roll(trial, 2) == 0;
	model->goes_on = roll(trial, 2) == 0;
	model->refuses_unread = roll(trial, 2) == 0;
	model->leaves = roll(trial, 4) == 0;
	model->refusals = (unsigned)(roll(trial, 4) * 12);
	options.domain = "me.example";
	options.pipelining = (enum bm_smtp_pipelining)(seed % 4);
	options.depth = 1 + roll(trial, 12);
	options.lmtp = model->lmtp;
	options.tell = roll(trial, 2) == 0;
	assert_int_equal(bm_smtp_new(&trial->smtp, &options, 0, NULL), BM_OK);
}

static void one_session(uint64_t seed)
{
	struct trial trial;
	start(&trial, seed);
	trial.may_doubt = roll(&trial, 3) == 0;
	run(&trial, trial.may_doubt ? roll(&trial, 1500) : UINT64_MAX);
	for (unsigned id = 0; id < trial.submitted; id++) {
		for (unsigned i = 0; i < trial.copies[id].recipient_count; i++)
			check_recipient(&trial, id, i);
	}
	assert_int_equal(trial.ended, trial.submitted);
	bm_smtp_free(trial.smtp);
	model_deinit(&trial.model);
}

/* conformance: 27, 28, 29, 30, 31, 32, 33, 34, 35, 36, 37, 38, F11, F12, F14, F15, F20, F26, F28 */
static void what_is_told_is_what_was_stored(void **state)
{
	(void)state;
	for (uint64_t seed = 1; seed <= SESSIONS; seed++)
		one_session(seed);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(what_is_told_is_what_was_stored)};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
