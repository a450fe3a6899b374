/* SPDX-License-Identifier: MIT */
/*
 * A session of three transactions ends at every octet sent and at every octet read, in every mode and every way: in
 * doubt is exactly whose whole end of data had left without an answer. So do TLS, AUTH and LMTP, at every octet read.
 */
#include "model.h"

#include "base/secret.h"
#include "smtp/sasl.h"
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

/*
 * What opens a session, and LMTP: the peer's octets, of which each may be the last. SHAKE stands where the handshake
 * is done, SUBMIT where a transaction to three is submitted.
 */

#define SHAKE "shake"
#define SUBMIT "submit"
#define PIECES_MAX 16

struct dialogue {
	bool lmtp;
	bool wrapped;
	const char *mechanism;
	const char *pieces[PIECES_MAX];
};

static const struct dialogue dialogues[] = {
	{false, false, "PLAIN",
		{"220-hi\r\n220 there\r\n", "250-x\r\n250 STARTTLS\r\n", "220 go\r\n", SHAKE, "250-x\r\n250 AUTH PLAIN\r\n",
			"235-in\r\n235 you are\r\n"}},
	{false, true, "LOGIN",
		{SHAKE, "220 hi\r\n", "250-x\r\n250 AUTH LOGIN\r\n", "334 VXNlcm5hbWU6\r\n", "334 UGFzc3dvcmQ6\r\n",
			"235 in\r\n"}},
	{true, false, NULL,
		{"220 hi\r\n", "250-x\r\n250 PIPELINING\r\n", SUBMIT, "250\r\n250\r\n250-b\r\n250 b\r\n250\r\n354 go\r\n",
			"250 a\r\n250-b\r\n250 b\r\n250 c\r\n"}},
};

struct talk {
	struct bm_smtp *smtp;
	size_t left; /* octets that the peer says still */
	bool shaking;
	bool ready;
	bool closed;
	bool final;
	enum bm_smtp_end end;
	size_t submitted;
	size_t verdicts; /* replies at the end of data that were said whole */
	bool content;    /* was sent */
	size_t told[3];
	enum bm_smtp_disposition disposition[3];
};

static void see_talk(struct talk *talk)
{
	struct bm_smtp_event event;
	bm_smtp_sent(talk->smtp, SIZE_MAX, 0);
	while (bm_smtp_next_event(talk->smtp, &event)) {
		assert_false(talk->closed);
		talk->shaking |= event.kind == BM_SMTP_SECURE;
		talk->ready |= event.kind == BM_SMTP_READY;
		if (event.kind == BM_SMTP_RECIPIENT) {
			talk->told[event.recipient]++;
			talk->disposition[event.recipient] = event.disposition;
		} else if (event.kind == BM_SMTP_CLOSED) {
			talk->closed = true;
			talk->end = event.end;
			talk->final = event.final;
		}
	}
	bm_smtp_sent(talk->smtp, SIZE_MAX, 0);
}

static void hear_some(struct talk *talk, const char *text)
{
	size_t size = strlen(text) < talk->left ? strlen(text) : talk->left;
	bm_smtp_feed(talk->smtp, text, size, 0);
	talk->left -= size;
	if (talk->content) {
		for (size_t i = 0; i < size; i++)
			talk->verdicts += text[i] == '\n' && !(i > 6 && memcmp(text + i - 6, "250-b", 5) == 0);
	}
	if (size == strlen(text) && strstr(text, "354") != NULL)
		talk->content = true;
	see_talk(talk);
}

static void take_piece(struct talk *talk, const char *piece)
{
	static const struct bm_span recipients[] = {
		{(const unsigned char *)"a@x", 3}, {(const unsigned char *)"b@x", 3}, {(const unsigned char *)"c@x", 3}};
	struct bm_smtp_channel channel = {.verified = true};
	if (strcmp(piece, SHAKE) == 0) {
		talk->shaking = false;
		bm_smtp_secured(talk->smtp, &channel, 0);
	} else if (strcmp(piece, SUBMIT) == 0) {
		struct bm_smtp_transaction tx = {.recipients = recipients, .recipient_count = 3};
		assert_int_equal(bm_smtp_submit(talk->smtp, &tx, 0, NULL), BM_OK);
		talk->submitted++;
	} else {
		hear_some(talk, piece);
	}
	see_talk(talk);
}

/* True when it came to the end of the dialogue. */
static bool converse(struct talk *talk, const struct dialogue *dialogue, const struct bm_sasl_options *sasl)
{
	struct bm_smtp_options options = BM_SMTP_OPTIONS_INIT;
	options.domain = "me.example";
	options.lmtp = dialogue->lmtp;
	options.wrapped = dialogue->wrapped;
	options.tls = dialogue->lmtp ? BM_SMTP_TLS_NONE : BM_SMTP_TLS_DEMAND;
	options.sasl = dialogue->mechanism != NULL ? sasl : NULL;
	assert_int_equal(bm_smtp_new(&talk->smtp, &options, 0, NULL), BM_OK);
	see_talk(talk);
	for (size_t i = 0; i < PIECES_MAX && dialogue->pieces[i] != NULL; i++) {
		const char *piece = dialogue->pieces[i];
		bool said = strcmp(piece, SHAKE) != 0 && strcmp(piece, SUBMIT) != 0;
		if (talk->left == 0 || (said && talk->left < strlen(piece))) {
			if (said)
				take_piece(talk, piece);
			return false;
		}
		take_piece(talk, piece);
	}
	return true;
}

static void end_of(struct talk *talk, enum death death)
{
	switch (death) {
	case LOST:
	case DEATHS:
		break;
	case TIMED_OUT:
		bm_smtp_tick(talk->smtp, bm_smtp_deadline(talk->smtp));
		break;
	case LEFT:
		bm_smtp_feed(talk->smtp, "\r\n421 bye\r\n", 11, 0);
		break;
	case GARBAGE:
		bm_smtp_feed(talk->smtp, "\r\n\r\n\r\n", 6, 0);
		break;
	}
	bm_smtp_lost(talk->smtp, "gone", 0);
	see_talk(talk);
	assert_true(talk->closed);
	/* a challenge that was cut may be no base64 */
	assert_true(!talk->final || (talk->end == BM_SMTP_END_AUTH && death > TIMED_OUT));
}

static void check_talk(const struct talk *talk, bool shaking, enum death death)
{
	if (shaking && death != TIMED_OUT)
		assert_int_equal(talk->end, BM_SMTP_END_TLS);
	else if (death == LOST)
		assert_int_equal(talk->end, BM_SMTP_END_LOST);
	for (size_t i = 0; i < 3 && talk->submitted > 0; i++) {
		assert_int_equal(talk->told[i], 1);
		bool heard = i < talk->verdicts;
		/* what follows a line end that was missing completes a reply */
		if (death == LOST || death == TIMED_OUT)
			assert_int_equal(talk->disposition[i], heard           ? BM_SMTP_ACCEPTED
												   : talk->content ? BM_SMTP_IN_DOUBT
																   : BM_SMTP_PUT_BACK);
		else
			assert_true(heard ? talk->disposition[i] == BM_SMTP_ACCEPTED : true);
	}
}

/* conformance: F05, F08, F16, F41 */
static void every_octet_may_be_the_last(void **state)
{
	(void)state;
	struct bm_secret *secret = NULL;
	assert_int_equal(bm_secret_new(&secret, "pass", 4, NULL), BM_OK);
	for (size_t i = 0; i < sizeof dialogues / sizeof dialogues[0]; i++) {
		struct bm_sasl_options sasl = {.mechanisms = dialogues[i].mechanism, .user = "user", .secret = secret};
		for (size_t death = 0; death < DEATHS; death++) {
			bool whole = false;
			for (size_t octets = 0; !whole; octets++) {
				struct talk talk = {.left = octets};
				whole = converse(&talk, &dialogues[i], &sasl);
				assert_true(!whole || talk.ready);
				bool shaking = talk.shaking;
				end_of(&talk, (enum death)death);
				check_talk(&talk, shaking, (enum death)death);
				bm_smtp_free(talk.smtp);
			}
		}
	}
	bm_secret_free(secret);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(in_doubt_is_exactly_what_had_its_end_out),
		cmocka_unit_test(every_octet_may_be_the_last),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
