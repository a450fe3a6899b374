/* SPDX-License-Identifier: MIT */
/*
 * What a reply does: one table, command by class of reply (RFC 5321, 4.2.1 and 4.3.2). 421 is a class of its
 * own, for it ends the session whatever it answers (3.8). A class that cannot answer the command means that we and the
 * server do not count alike: out of step.
 */
#include "smtp/machine.h"

enum reply_class { CLASS_2YZ, CLASS_3YZ, CLASS_4YZ, CLASS_5YZ, CLASS_421, CLASS_COUNT };

typedef void action_function(struct bm_smtp *smtp, struct bm_answer *answer);

static void stray(struct bm_smtp *smtp, struct bm_answer *answer)
{
	bm_machine_close(smtp, BM_SMTP_END_OUT_OF_STEP, answer->expected.command, &answer->reply,
		"out of step: a reply that cannot answer its command");
}

void bm_action_stray(struct bm_smtp *smtp, struct bm_answer *answer)
{
	stray(smtp, answer);
}

/* The server works in order: nothing behind what it answers was done. */
static void leave(struct bm_smtp *smtp, struct bm_answer *answer)
{
	if (smtp->lmtp && answer->expected.command == BM_SMTP_END_OF_DATA)
		bm_transaction_end_one(smtp, answer);
	else if (answer->tx != NULL && answer->expected.command != BM_SMTP_RSET)
		bm_transaction_put_back(smtp, answer);
	bm_machine_leave(smtp, BM_SMTP_END_421, answer, "the server ended the session");
}

static void turned_away(struct bm_smtp *smtp, struct bm_answer *answer)
{
	bm_machine_close(
		smtp, BM_SMTP_END_GREETING, answer->expected.command, &answer->reply, "the server does not take us");
}

static void not_known(struct bm_smtp *smtp, struct bm_answer *answer)
{
	bm_machine_close(smtp, BM_SMTP_END_HELO, answer->expected.command, &answer->reply, "the server refused our hello");
}

static void sender_taken(struct bm_smtp *smtp, struct bm_answer *answer)
{
	(void)answer;
	smtp->dirty = true;
}

/* What is said already is answered still: nothing more is said but what a 354 demands. */
static void sender_refused(struct bm_smtp *smtp, struct bm_answer *answer)
{
	bm_transaction_fail(smtp, answer);
	if (answer->tx->state < BM_TRANSACTION_SAID)
		answer->tx->state = BM_TRANSACTION_DRAIN;
}

/* Behind a refused MAIL it is another envelope that takes recipients, and would take the content. */
static void recipient_taken(struct bm_smtp *smtp, struct bm_answer *answer)
{
	struct bm_transaction *tx = answer->tx;

	if (!tx->verdict.set) {
		bm_transaction_recipient_taken(smtp, answer);
		return;
	}
	if (tx->end <= smtp->output.sent)
		bm_transaction_doubt(tx);
	stray(smtp, answer);
}

static void recipient_refused(struct bm_smtp *smtp, struct bm_answer *answer)
{
	bm_transaction_recipient_refused(smtp, answer);
}

static void data_refused(struct bm_smtp *smtp, struct bm_answer *answer)
{
	bm_transaction_fail(smtp, answer);
	answer->tx->state = BM_TRANSACTION_DRAIN;
}

/*
 * Only 354 asks for content (RFC 5321, 3.3): 334 is a challenge. LMTP has no lone dot for an envelope that nobody is
 * in, for it would have no reply: the server must say 503 (RFC 2033, 4.2).
 */
static void go_on(struct bm_smtp *smtp, struct bm_answer *answer)
{
	if (answer->reply.code != 354 || (smtp->lmtp && answer->tx->taken == 0))
		stray(smtp, answer);
	else
		bm_envelope_content(smtp, answer);
}

static void taken(struct bm_smtp *smtp, struct bm_answer *answer)
{
	bm_transaction_accept(smtp, answer);
	answer->tx->state = BM_TRANSACTION_DRAIN;
}

static void end_answered(struct bm_smtp *smtp, struct bm_answer *answer)
{
	if (smtp->lmtp)
		bm_transaction_end_one(smtp, answer);
	else if (answer->reply.code < 300)
		bm_transaction_accept(smtp, answer);
	else
		bm_transaction_fail(smtp, answer);
	if (answer->tx->due == 0)
		answer->tx->state = BM_TRANSACTION_DRAIN;
}

static void was_reset(struct bm_smtp *smtp, struct bm_answer *answer)
{
	(void)answer;
	smtp->dirty = false;
}

/* What state it is in nobody knows: never go on (RFC 5321, 4.1.1.5). */
static void not_reset(struct bm_smtp *smtp, struct bm_answer *answer)
{
	bm_machine_leave(smtp, BM_SMTP_END_RSET, answer, "the server refused RSET");
}

static void talk_answered(struct bm_smtp *smtp, struct bm_answer *answer)
{
	smtp->talk_ending = false;
	smtp->talk_content = answer->reply.code == 354;
	if (answer->reply.code == 221)
		leave(smtp, answer);
}

static void goodbye(struct bm_smtp *smtp, struct bm_answer *answer)
{
	bm_machine_close(smtp, BM_SMTP_END_QUIT, answer->expected.command, &answer->reply, "we said QUIT");
}

static action_function *const table[][CLASS_COUNT] = {
	[BM_SMTP_GREETING] = {bm_opening_greeted, stray, turned_away, turned_away, turned_away},
	[BM_SMTP_EHLO] = {bm_opening_learn, stray, not_known, bm_opening_fall_back, leave},
	[BM_SMTP_HELO] = {bm_opening_known, stray, not_known, not_known, leave},
	[BM_SMTP_LHLO] = {bm_opening_learn, stray, not_known, not_known, leave},
	[BM_SMTP_STARTTLS] = {bm_opening_shake, stray, bm_opening_unshaken, bm_opening_unshaken, leave},
	[BM_SMTP_TLS] = {stray, stray, stray, stray, stray}, /* no command, never answered */
	[BM_SMTP_AUTH] = {bm_login_taken, bm_login_challenged, bm_login_refused, bm_login_refused, bm_login_left},
	[BM_SMTP_MAIL] = {sender_taken, stray, sender_refused, sender_refused, leave},
	[BM_SMTP_RCPT] = {recipient_taken, stray, recipient_refused, recipient_refused, leave},
	[BM_SMTP_DATA] = {stray, go_on, data_refused, data_refused, leave},
	[BM_SMTP_BODY] = {stray, stray, stray, stray, stray}, /* no command, never answered */
	[BM_SMTP_END_OF_DATA] = {end_answered, stray, end_answered, end_answered, leave},
	[BM_SMTP_BDAT] = {taken, stray, data_refused, data_refused, leave},
	[BM_SMTP_RSET] = {was_reset, stray, not_reset, not_reset, leave},
	[BM_SMTP_TALK] = {talk_answered, talk_answered, talk_answered, talk_answered, leave},
	[BM_SMTP_QUIT] = {goodbye, goodbye, goodbye, goodbye, goodbye},
};

static enum reply_class class_of(int code)
{
	if (code == 421)
		return CLASS_421;
	return (enum reply_class)(code / 100 - 2); /* the parser lets 200 to 599 pass */
}

void bm_action_take(struct bm_smtp *smtp, struct bm_answer *answer)
{
	table[answer->expected.command][class_of(answer->reply.code)](smtp, answer);
}
