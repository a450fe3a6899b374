/* SPDX-License-Identifier: MIT */
/*
 * A session against a peer that says anything, cut anywhere, while our octets go out in any pieces. The input is
 * a program: one octet says what happens next, the octets behind it are its argument.
 *
 * Checked: every recipient has one RECIPIENT and every transaction one TRANSACTION event; accepted and in doubt only
 * behind a whole end of data, accepted only behind a 2yz; nothing follows CLOSED; no lone CR or LF leaves.
 */
#include "smtp/smtp.h"

#include <stdint.h>
#include <stdlib.h>

#define RECIPIENTS_MAX 6

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct trial {
	struct bm_smtp *smtp;
	uint64_t now_ms;
	const uint8_t *in;
	size_t left;
	struct bm_span recipients[RECIPIENTS_MAX];
	size_t recipient_count; /* of the open transaction, 0: none */
	unsigned told[RECIPIENTS_MAX];
	uint64_t id;
	bool closed;
	bool after_cr; /* the last octet sent was a CR */
	unsigned char last[5];
	bool content;      /* a transaction's content was said */
	bool ended;        /* its end of data was sent */
	bool positive_end; /* and a 2yz read */
};

static const struct bm_span content[] = {
	{(const unsigned char *)"Subject: s\r\n\r\n", 14}, {NULL, 0}, {(const unsigned char *)"..\r\nx\r\n", 7}};

static void check(bool condition)
{
	if (!condition)
		abort();
}

static unsigned next_octet(struct trial *trial)
{
	if (trial->left == 0)
		return 0;
	trial->left--;
	return *trial->in++;
}

static void see_recipient(struct trial *trial, const struct bm_smtp_event *event)
{
	check(trial->recipient_count > 0 && event->id == trial->id && event->recipient < trial->recipient_count);
	trial->told[event->recipient]++;
	check((event->reason == NULL) == (event->reply.code != 0));
	switch (event->disposition) {
	case BM_SMTP_ACCEPTED:
		check(trial->ended && trial->positive_end && event->reply.code / 100 == 2);
		break;
	case BM_SMTP_IN_DOUBT:
		check(trial->ended && !event->answered);
		break;
	case BM_SMTP_REFUSED:
		check(event->reply.code / 100 == 5);
		break;
	case BM_SMTP_DEFERRED:
		check(event->reply.code / 100 == 4 || event->reply.code == 552);
		break;
	case BM_SMTP_CROWDED:
		check(event->reply.code == 452 || event->reply.code == 552);
		break;
	case BM_SMTP_PUT_BACK:
		/* behind an end of data it may have been taken: again would be twice */
		check(!event->answered && !trial->ended);
		break;
	}
}

static void see_transaction(struct trial *trial)
{
	for (size_t i = 0; i < trial->recipient_count; i++)
		check(trial->told[i] == 1);
	trial->recipient_count = 0;
}

static void see_events(struct trial *trial)
{
	struct bm_smtp_event event;
	while (bm_smtp_next_event(trial->smtp, &event)) {
		check(!trial->closed);
		if (event.kind == BM_SMTP_SAID && event.command == BM_SMTP_BODY)
			trial->content = event.said_size > 3;
		if (event.kind == BM_SMTP_REPLY && event.command == BM_SMTP_END_OF_DATA)
			trial->positive_end = event.reply.code / 100 == 2;
		if (event.kind == BM_SMTP_RECIPIENT)
			see_recipient(trial, &event);
		if (event.kind == BM_SMTP_TRANSACTION)
			see_transaction(trial);
		trial->closed = event.kind == BM_SMTP_CLOSED;
	}
	check(!trial->closed || (trial->recipient_count == 0 && !bm_smtp_idle(trial->smtp)));
}

static void see_octet(struct trial *trial, unsigned char c)
{
	check((c == '\n') == trial->after_cr);
	trial->after_cr = c == '\r';
	for (size_t i = 0; i < 4; i++)
		trial->last[i] = trial->last[i + 1];
	trial->last[4] = c;
	if (trial->content && memcmp(trial->last, "\r\n.\r\n", 5) == 0)
		trial->ended = true;
}

static void send_some(struct trial *trial, size_t max)
{
	struct bm_span spans[3];
	size_t count = bm_smtp_output(trial->smtp, spans, 1 + max % 3);
	size_t sent = 0;
	for (size_t i = 0; i < count; i++) {
		for (size_t k = 0; k < spans[i].size && sent < max; k++, sent++)
			see_octet(trial, spans[i].data[k]);
	}
	bm_smtp_sent(trial->smtp, sent, trial->now_ms);
}

static void feed_some(struct trial *trial, size_t max)
{
	size_t size = max < trial->left ? max : trial->left;
	bm_smtp_feed(trial->smtp, trial->in, size, trial->now_ms);
	trial->in += size;
	trial->left -= size;
}

/* A reply that fits somewhere, so that the fuzzer gets far. */
static void feed_known(struct trial *trial, unsigned which)
{
	static const char *const known[] = {"220 x\r\n", "250-x\r\n250-SIZE 100\r\n250 PIPELINING\r\n", "250 ok\r\n",
		"354 go\r\n", "452 4.5.3 many\r\n", "550 5.1.1 no\r\n", "421 bye\r\n", "451 x\r\n",
		"250-x\r\n250 8BITMIME\r\n"};
	const char *text = known[which % (sizeof known / sizeof known[0])];
	bm_smtp_feed(trial->smtp, text, strlen(text), trial->now_ms);
}

static void submit(struct trial *trial, unsigned how)
{
	struct bm_smtp_transaction tx = {.id = trial->id + 1, .sender = bm_span_of(how & 64 ? "" : "s@x")};
	tx.recipients = trial->recipients;
	tx.recipient_count = 1 + how % RECIPIENTS_MAX;
	tx.content = content;
	tx.content_count = 3;
	tx.size_bytes = how & 32 ? 101 : 20;
	tx.eight_bit = (how & 16) != 0;
	if (bm_smtp_submit(trial->smtp, &tx, trial->now_ms, NULL) != BM_OK)
		return;
	trial->id++;
	trial->recipient_count = tx.recipient_count;
	memset(trial->told, 0, sizeof trial->told);
	trial->content = trial->ended = trial->positive_end = false;
}

static void talk(struct trial *trial, unsigned how)
{
	static const char *const texts[] = {"NOOP", "QUIT", "DATA", "x\r\n.\r\n", "MAIL FROM:<a@x>"};
	const char *text = texts[how % (sizeof texts / sizeof texts[0])];
	if (bm_smtp_talk(trial->smtp, bm_span_of(text), trial->now_ms, NULL) != BM_OK)
		check(!trial->closed || !bm_smtp_idle(trial->smtp));
}

static void do_next(struct trial *trial)
{
	unsigned what = next_octet(trial);
	unsigned how = next_octet(trial);
	switch (what % 8) {
	case 0:
		feed_some(trial, how);
		break;
	case 1:
	case 2:
		feed_known(trial, how);
		break;
	case 3:
		send_some(trial, how % 16 == 0 ? SIZE_MAX / 4 : how);
		break;
	case 4:
		submit(trial, how);
		break;
	case 5:
		talk(trial, how);
		break;
	case 6:
		trial->now_ms += how * 3000;
		bm_smtp_tick(trial->smtp, trial->now_ms);
		break;
	case 7:
		if (how == 0)
			bm_smtp_lost(trial->smtp, "gone", trial->now_ms);
		else
			send_some(trial, SIZE_MAX / 4);
		break;
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct trial trial = {.in = data, .left = size};
	struct bm_smtp_options options = BM_SMTP_OPTIONS_INIT;

	for (size_t i = 0; i < RECIPIENTS_MAX; i++)
		trial.recipients[i] = bm_span_of("r@x");
	options.domain = "me.example";
	if (next_octet(&trial) % 4 == 0)
		options.pipelining = BM_SMTP_PIPELINING_OFF;
	if (bm_smtp_new(&trial.smtp, &options, 0, NULL) != BM_OK)
		return 0;
	while (trial.left > 0) {
		do_next(&trial);
		/* events may also pile up */
		if (trial.left % 5 != 0 || trial.recipient_count > 0)
			see_events(&trial);
	}
	see_events(&trial);
	bm_smtp_lost(trial.smtp, "end", trial.now_ms);
	see_events(&trial);
	check(trial.closed);
	bm_smtp_free(trial.smtp);
	return 0;
}
