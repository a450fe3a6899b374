/* SPDX-License-Identifier: MIT */
/*
 * A session against a peer that says anything, cut anywhere, while our octets go out in any pieces and several
 * transactions are under way. The input is a program: two octets say what session it is, then one octet says what
 * happens next, the octets behind it are its argument.
 *
 * Checked: every recipient has one RECIPIENT and every transaction one TRANSACTION event, in the order of submit;
 * accepted and in doubt only behind a whole end of data, accepted only with a 2yz, put back behind an end of data only
 * by what says that the server did not take it; nothing follows CLOSED; what was lent is not touched after its
 * TRANSACTION event; no lone CR or LF leaves. Nothing at all leaves during the handshake, no MAIL and no AUTH before it
 * where TLS is demanded; SECURE comes once at most; who is not verified is not told the password, and no event tells
 * it; in LMTP no end of data without content.
 */
#include "base/secret.h"
#include "smtp/sasl.h"
#include "smtp/smtp.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#define RECIPIENTS_MAX 6
#define TRANSACTIONS_MAX 256
#define CONTENT_SIZE 64
#define LINE_MAX 1100
#define NOBODY SIZE_MAX

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct copy {
	size_t recipient_count;
	unsigned told[RECIPIENTS_MAX];
	char *stuffed; /* freed with its TRANSACTION event */
	char *plain;
	struct bm_span content[3];
	struct bm_span unstuffed[1];
	bool gives_up;
	bool ended; /* its end of data was sent */
};

struct trial {
	struct bm_smtp *smtp;
	struct bm_smtp_options options;
	struct bm_sasl_options sasl;
	struct bm_secret *secret;
	bool extras;
	bool shaking;
	bool secured;
	bool verified;
	bool talked;
	uint64_t now_ms;
	const uint8_t *in;
	size_t left;
	struct bm_span recipients[RECIPIENTS_MAX];
	struct copy copies[TRANSACTIONS_MAX];
	size_t submitted;
	size_t oldest;
	bool closed;
	bool untried; /* somebody behind an end of data was put back without an answer */
	/* what left */
	char line[LINE_MAX];
	size_t line_size;
	size_t current; /* whose content is being sent */
	unsigned long chunk_left;
	bool after_cr;
};

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

static void see_put_back(struct trial *trial, const struct copy *copy, const struct bm_smtp_event *event)
{
	if (!copy->ended)
		return;
	if (event->answered)
		check(event->reply.code == 421 || event->reply.code == 503);
	else if (!copy->gives_up || strcmp(event->reason, "not reached") != 0)
		trial->untried = true;
}

static void see_recipient(struct trial *trial, const struct bm_smtp_event *event)
{
	struct copy *copy = &trial->copies[trial->oldest];
	check(trial->oldest < trial->submitted && event->id == trial->oldest);
	check(event->recipient < copy->recipient_count);
	copy->told[event->recipient]++;
	check((event->reason == NULL) == (event->reply.code != 0));
	switch (event->disposition) {
	case BM_SMTP_ACCEPTED:
		check(copy->ended && event->reply.code / 100 == 2);
		break;
	case BM_SMTP_IN_DOUBT:
		check(copy->ended && !event->answered);
		break;
	case BM_SMTP_REFUSED:
		check(event->reply.code / 100 == 5);
		break;
	case BM_SMTP_DEFERRED:
		check(event->reply.code / 100 == 4 || event->reply.code == 552);
		check(event->reply.code != 421);
		break;
	case BM_SMTP_CROWDED:
		check(event->reply.code == 452 || event->reply.code == 552);
		break;
	case BM_SMTP_PUT_BACK:
		see_put_back(trial, copy, event);
		break;
	}
}

static void see_transaction(struct trial *trial, const struct bm_smtp_event *event)
{
	struct copy *copy = &trial->copies[trial->oldest];
	check(trial->oldest < trial->submitted && event->id == trial->oldest);
	for (size_t i = 0; i < copy->recipient_count; i++)
		check(copy->told[i] == 1);
	free(copy->stuffed);
	free(copy->plain);
	trial->oldest++;
}

static void see_closed(struct trial *trial, const struct bm_smtp_event *event)
{
	trial->closed = true;
	check(trial->oldest == trial->submitted && !bm_smtp_idle(trial->smtp) && bm_smtp_room(trial->smtp) == 0);
	/* behind an end of data it may have been taken, but for a server's word */
	check(!trial->untried || event->end == BM_SMTP_END_421 || event->end == BM_SMTP_END_RSET);
	check(!event->final || event->end == BM_SMTP_END_AUTH);
	trial->shaking = false;
}

static bool holds(const char *text, size_t size, const char *part)
{
	size_t length = strlen(part);
	for (size_t i = 0; i + length <= size; i++) {
		if (memcmp(text + i, part, length) == 0)
			return true;
	}
	return false;
}

/* The password, as PLAIN and as LOGIN say it. */
static bool holds_secret(const char *text, size_t size)
{
	return holds(text, size, "AHVzZXIAcGFzcw") || holds(text, size, "cGFzcw");
}

static void see_secure(struct trial *trial)
{
	check(!trial->shaking && !trial->secured);
	trial->shaking = true;
}

static void see_ready(const struct trial *trial)
{
	const struct bm_smtp_capabilities *known = bm_smtp_capabilities(trial->smtp);
	/* CLOSED may be queued already, and then they are forgotten */
	check(known->secured == trial->secured || !bm_smtp_idle(trial->smtp));
	check(!known->verified || trial->verified);
	check(trial->secured || trial->options.tls != BM_SMTP_TLS_DEMAND);
}

static void see_events(struct trial *trial)
{
	struct bm_smtp_event event;
	while (bm_smtp_next_event(trial->smtp, &event)) {
		check(!trial->closed);
		check(event.kind != BM_SMTP_SAID || !holds_secret((const char *)event.said.data, event.said.size));
		if (event.kind == BM_SMTP_SECURE)
			see_secure(trial);
		if (event.kind == BM_SMTP_READY)
			see_ready(trial);
		if (event.kind == BM_SMTP_RECIPIENT)
			see_recipient(trial, &event);
		if (event.kind == BM_SMTP_TRANSACTION)
			see_transaction(trial, &event);
		if (event.kind == BM_SMTP_CLOSED)
			see_closed(trial, &event);
	}
}

static void end_content(struct trial *trial)
{
	check(trial->current != NOBODY || !trial->options.lmtp || trial->talked);
	if (trial->current != NOBODY)
		trial->copies[trial->current].ended = true;
	trial->current = NOBODY;
}

/* What is no content. */
static void see_command(const struct trial *trial)
{
	bool login = strncmp(trial->line, "AUTH", 4) == 0;
	bool mail = strncmp(trial->line, "MAIL", 4) == 0;
	check(trial->secured || trial->options.tls != BM_SMTP_TLS_DEMAND || !(login || mail));
	check(!trial->secured || strncmp(trial->line, "STARTTLS", 8) != 0);
	check(trial->verified || !holds_secret(trial->line, trial->line_size));
}

static void see_line(struct trial *trial)
{
	unsigned long number = 0;
	trial->line[trial->line_size] = '\0';
	if (trial->current == NOBODY)
		see_command(trial);
	if (sscanf(trial->line, "Subject: %lu\r", &number) == 1)
		trial->current = number;
	else if (trial->current == NOBODY && sscanf(trial->line, "BDAT %lu LAST\r", &number) == 1)
		trial->chunk_left = number;
	else if (trial->chunk_left == 0 && strcmp(trial->line, ".\r\n") == 0)
		end_content(trial);
	trial->line_size = 0;
}

static void see_octet(struct trial *trial, unsigned char c)
{
	bool in_chunk = trial->chunk_left > 0;
	check((c == '\n') == trial->after_cr);
	trial->after_cr = c == '\r';
	check(trial->line_size + 1 < LINE_MAX);
	trial->line[trial->line_size++] = (char)c;
	if (c == '\n')
		see_line(trial);
	if (in_chunk && --trial->chunk_left == 0)
		end_content(trial);
}

static void send_some(struct trial *trial, size_t max)
{
	struct bm_span spans[7];
	size_t count = bm_smtp_output(trial->smtp, spans, 1 + max % 7);
	size_t sent = 0;
	check(count == 0 || !trial->shaking);
	for (size_t i = 0; i < count; i++) {
		for (size_t k = 0; k < spans[i].size && sent < max; k++, sent++)
			see_octet(trial, spans[i].data[k]);
	}
	bm_smtp_sent(trial->smtp, sent, trial->now_ms);
}

static void feed_copy(struct trial *trial, const void *data, size_t size)
{
	/* of exactly that size: nothing is read beyond it, and nothing of it later */
	void *copy = malloc(size + 1);
	if (copy == NULL)
		return;
	memcpy(copy, data, size);
	bm_smtp_feed(trial->smtp, copy, size, trial->now_ms);
	free(copy);
}

static void feed_some(struct trial *trial, size_t max)
{
	size_t size = max < trial->left ? max : trial->left;
	feed_copy(trial, trial->in, size);
	trial->in += size;
	trial->left -= size;
}

/* A reply that fits somewhere, so that the fuzzer gets far. */
static void feed_known(struct trial *trial, unsigned which)
{
	static const char *const known[] = {"220 x\r\n", "250-x\r\n250-SIZE 100\r\n250 PIPELINING\r\n", "250 ok\r\n",
		"354 go\r\n", "452 4.5.3 many\r\n", "550 5.1.1 no\r\n", "421 bye\r\n", "451 x\r\n", "250-x\r\n250 8BITMIME\r\n",
		"250-x\r\n250-PIPELINING\r\n250 CHUNKING\r\n", "503 5.5.1 sequence\r\n",
		"250-x\r\n250-PIPELINING\r\n250-CHUNKING\r\n250 LIMITS MAILMAX=3 RCPTMAX=2\r\n", "250 a\r\n250 b\r\n250 c\r\n",
		"250 a\r\n250 b\r\n250 c\r\n250 d\r\n", "250 a\r\n250 b\r\n354 c\r\n", "250-a\r\n250 b\r\n", "334 \r\n",
		"334 VXNlcm5hbWU6\r\n", "235 in\r\n", "535 no\r\n", "454 later\r\n", "220 go\r\n250 injected\r\n",
		"250-x\r\n250-STARTTLS\r\n250-AUTH=LOGIN\r\n250 AUTH PLAIN LOGIN CRAM-MD5 SCRAM-SHA-256\r\n",
		"250-x\r\n250-PIPELINING\r\n250-SMTPUTF8\r\n250-8BITMIME\r\n250-DSN\r\n250-REQUIRETLS\r\n250 AUTH LOGIN\r\n"};
	const char *text = known[which % (sizeof known / sizeof known[0])];
	feed_copy(trial, text, strlen(text));
}

static char *format(const char *form, size_t id)
{
	char *text = malloc(CONTENT_SIZE);
	check(text != NULL);
	snprintf(text, CONTENT_SIZE, form, id);
	return text;
}

static void drop(struct copy *copy)
{
	free(copy->stuffed);
	free(copy->plain);
}

static void ask_for_more(struct bm_smtp_transaction *tx, size_t id)
{
	tx->utf8 = id % 2 == 1;
	tx->require_tls = id % 5 == 4;
	tx->ret = id % 3 == 1 ? "FULL" : NULL;
	tx->envid = bm_span_of(id % 3 == 2 ? "+ id" : "");
	tx->notify = id % 4 == 3 ? "SUCCESS,DELAY" : NULL;
}

static void submit(struct trial *trial, unsigned how)
{
	size_t id = trial->submitted;
	if (id == TRANSACTIONS_MAX)
		return;
	struct copy *copy = &trial->copies[id];
	*copy = (struct copy){.recipient_count = 1 + how % RECIPIENTS_MAX};
	copy->stuffed = format("Subject: %zu\r\n\r\n...\r\n..\r\nx\r\n", id);
	copy->plain = format("Subject: %zu\r\n\r\n..\r\n.\r\nx\r\n", id);
	copy->content[0] = bm_span_make(copy->stuffed, 5);
	copy->content[2] = bm_span_make(copy->stuffed + 5, strlen(copy->stuffed) - 5);
	copy->unstuffed[0] = bm_span_of(copy->plain);
	struct bm_smtp_transaction tx = {.id = id, .sender = bm_span_of(how & 64 ? "" : "s@x")};
	tx.recipients = trial->recipients;
	tx.recipient_count = copy->recipient_count;
	tx.content = copy->content;
	tx.content_count = 3;
	tx.plain = copy->unstuffed;
	tx.plain_count = 1;
	tx.size_bytes = how & 32 ? 101 : 20;
	tx.eight_bit = (how & 16) != 0;
	tx.window = how & 128 ? 1 + how % 3 : 0;
	tx.refusals_max = how & 8 ? 1 + how % 2 : 0;
	copy->gives_up = tx.refusals_max > 0;
	if (trial->extras)
		ask_for_more(&tx, id);
	size_t room = bm_smtp_room(trial->smtp);
	enum bm_code code = bm_smtp_submit(trial->smtp, &tx, trial->now_ms, NULL);
	check(room > 0 || code == BM_E_USAGE);
	if (code == BM_OK)
		trial->submitted++;
	else
		drop(copy);
}

static void talk(struct trial *trial, unsigned how)
{
	static const char *const texts[] = {"NOOP", "QUIT", "DATA", "x\r\n.\r\n", "MAIL FROM:<a@x>"};
	const char *text = texts[how % (sizeof texts / sizeof texts[0])];
	trial->talked = true;
	if (bm_smtp_talk(trial->smtp, bm_span_of(text), trial->now_ms, NULL) != BM_OK)
		check(!trial->closed || !bm_smtp_idle(trial->smtp));
}

/* Also when nobody asked: then it changes nothing. */
static void secure(struct trial *trial, unsigned how)
{
	struct bm_smtp_channel channel = {.verified = how % 2 == 1};
	see_events(trial);
	if (trial->shaking) {
		trial->shaking = false;
		trial->secured = true;
		trial->verified = channel.verified;
	}
	bm_smtp_secured(trial->smtp, &channel, trial->now_ms);
}

static void do_next(struct trial *trial)
{
	unsigned what = next_octet(trial);
	unsigned how = next_octet(trial);
	switch (what % 10) {
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
	case 8:
		secure(trial, how);
		break;
	case 9:
		bm_smtp_cut(trial->smtp, "stopped", trial->now_ms);
		break;
	}
}

static void choose(struct trial *trial, unsigned how, unsigned what)
{
	static const char *const mechanisms[] = {NULL, "LOGIN", "PLAIN", "CRAM-MD5 SCRAM-SHA-256 SCRAM-SHA-1"};
	struct bm_smtp_options *options = &trial->options;
	options->domain = "me.example";
	options->pipelining = (enum bm_smtp_pipelining)(how % 4);
	options->depth = 1 + how / 4 % 8;
	options->tell = how < 128;
	options->tls = (enum bm_smtp_tls)(what % 4 % 3);
	options->wrapped = (what & 4) != 0;
	options->lmtp = (what & 8) != 0;
	trial->extras = (what & 16) != 0;
	if ((what & 32) == 0 || bm_secret_new(&trial->secret, "pass", 4, NULL) != BM_OK)
		return;
	trial->sasl =
		(struct bm_sasl_options){.mechanisms = mechanisms[what / 64], .user = "user", .secret = trial->secret};
	trial->sasl.host = "x.example";
	options->sasl = &trial->sasl;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct trial trial = {.options = BM_SMTP_OPTIONS_INIT, .in = data, .left = size, .current = NOBODY};

	for (size_t i = 0; i < RECIPIENTS_MAX; i++)
		trial.recipients[i] = bm_span_of(i == 5 ? "a+b@x" : "r@x");
	unsigned how = next_octet(&trial);
	choose(&trial, how, next_octet(&trial));
	if (bm_smtp_new(&trial.smtp, &trial.options, 0, NULL) != BM_OK) {
		bm_secret_free(trial.secret);
		return 0;
	}
	while (trial.left > 0) {
		do_next(&trial);
		/* events may also pile up */
		if (trial.left % 5 != 0)
			see_events(&trial);
	}
	see_events(&trial);
	bm_smtp_lost(trial.smtp, "end", trial.now_ms);
	see_events(&trial);
	check(trial.closed);
	bm_smtp_free(trial.smtp);
	bm_secret_free(trial.secret);
	return 0;
}
