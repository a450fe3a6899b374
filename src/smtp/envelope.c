/* SPDX-License-Identifier: MIT */
/*
 * What is said of which transaction, and when (RFC 5321, 3.3; RFC 2920, 3.1; RFC 3030, 2). Commands are made as there
 * is room for them. One transaction after the other is said; how far one must have come before the next begins is the
 * mode.
 */
#include "smtp/machine.h"

#include "base/number.h"
#include "smtp/dsn.h"

/* In a stream each one opens with RSET: a refused chunk may leave the old envelope standing (RFC 3030, 2). */
static void open_transaction(struct bm_smtp *smtp, struct bm_transaction *tx)
{
	bool reset = smtp->dirty || (smtp->begun && smtp->mode == BM_SMTP_PIPELINING_STREAM);
	tx->state = reset ? BM_TRANSACTION_RSET : BM_TRANSACTION_MAIL;
	smtp->begun = true;
}

static void say_rset(struct bm_smtp *smtp, struct bm_transaction *tx, uint64_t now_ms)
{
	struct bm_span parts[] = {bm_span_of("RSET")};
	bm_machine_say(smtp, BM_SMTP_RSET, tx, parts, 1, now_ms);
	tx->state = BM_TRANSACTION_MAIL;
}

#define MORE_MAX (sizeof " SMTPUTF8 REQUIRETLS" - 1 + BM_DSN_MAIL_MAX)

static size_t append(char *out, size_t size, const char *text)
{
	size_t length = strlen(text);
	memcpy(out + size, text, length);
	return size + length;
}

/* What few messages ask for. */
static size_t write_more(const struct bm_smtp *smtp, const struct bm_smtp_transaction *given, char *out)
{
	size_t size = 0;
	if (given->utf8)
		size = append(out, size, " SMTPUTF8");
	if (given->require_tls)
		size = append(out, size, " REQUIRETLS");
	if (smtp->capabilities.dsn)
		size += bm_dsn_mail(given, out + size);
	return size;
}

static bool asks_for_more(const struct bm_smtp_transaction *given)
{
	return given->utf8 || given->require_tls || given->ret != NULL || given->envid.size > 0;
}

static void say_mail(struct bm_smtp *smtp, struct bm_transaction *tx, uint64_t now_ms)
{
	char digits[BM_NUMBER_SIZE];
	char more[MORE_MAX];
	bool size = smtp->capabilities.size;
	size_t length = size ? bm_number_format(digits, tx->given.size_bytes) : 0;
	size_t more_size = asks_for_more(&tx->given) ? write_more(smtp, &tx->given, more) : 0;
	bool eight_bit = tx->given.eight_bit && smtp->capabilities.eight_bit_mime;
	struct bm_span parts[] = {bm_span_of("MAIL FROM:<"), tx->given.sender, bm_span_of(size ? "> SIZE=" : ">"),
		bm_span_make(digits, length), bm_span_of(eight_bit ? " BODY=8BITMIME" : ""), bm_span_make(more, more_size)};
	bm_machine_say(smtp, BM_SMTP_MAIL, tx, parts, more_size > 0 ? 6 : 5, now_ms);
	tx->state = BM_TRANSACTION_RCPT;
}

/* The fewer refusals are left until the rest is given up, the fewer answers may be under way. */
static size_t window_of(const struct bm_transaction *tx)
{
	size_t refused = tx->answered - tx->taken;
	size_t most = tx->given.refusals_max;
	size_t window = most == 0 ? tx->given.window : tx->given.window * (most - (refused < most ? refused : most)) / most;

	return window > 0 ? window : 1;
}

static void say_recipient(struct bm_smtp *smtp, struct bm_transaction *tx, struct bm_span address, uint64_t now_ms)
{
	char reports[BM_DSN_RCPT_MAX];
	bool asked = tx->given.notify != NULL && smtp->capabilities.dsn;
	struct bm_span parts[] = {bm_span_of("RCPT TO:<"), address, bm_span_of(">"),
		bm_span_make(reports, asked ? bm_dsn_rcpt(&tx->given, address, reports) : 0)};
	bm_machine_say(smtp, BM_SMTP_RCPT, tx, parts, asked ? 4 : 3, now_ms);
}

static bool say_rcpt(struct bm_smtp *smtp, struct bm_transaction *tx, uint64_t now_ms)
{
	if (tx->given.window > 0 && tx->next - tx->answered >= window_of(tx))
		return false;
	say_recipient(smtp, tx, tx->given.recipients[tx->next], now_ms);
	tx->next++;
	if (tx->next == tx->reach)
		tx->state = BM_TRANSACTION_END;
	return true;
}

static void say_chunk(struct bm_smtp *smtp, struct bm_transaction *tx, uint64_t now_ms)
{
	const struct bm_smtp_transaction *given = &tx->given;
	bool plain = given->plain != NULL;
	struct bm_content content;
	bm_content_start(&content, plain ? given->plain : given->content, plain ? given->plain_count : given->content_count,
		bm_span_make(NULL, 0));
	bm_machine_chunk(smtp, tx, &content, now_ms);
	tx->state = BM_TRANSACTION_SAID;
}

static void say_data(struct bm_smtp *smtp, struct bm_transaction *tx, uint64_t now_ms)
{
	struct bm_span parts[] = {bm_span_of("DATA")};
	bm_machine_say(smtp, BM_SMTP_DATA, tx, parts, 1, now_ms);
	tx->state = BM_TRANSACTION_SAID;
}

/* A chunk cannot be taken back: with a window it waits for every answer. Where nobody was taken there is no end. */
static bool say_end(struct bm_smtp *smtp, struct bm_transaction *tx, uint64_t now_ms)
{
	bool stream = smtp->mode == BM_SMTP_PIPELINING_STREAM;
	if (tx->due == 0 && tx->taken == 0)
		tx->state = BM_TRANSACTION_DRAIN;
	else if (stream && tx->given.window > 0 && tx->answered < tx->next)
		return false;
	else if (stream)
		say_chunk(smtp, tx, now_ms);
	else
		say_data(smtp, tx, now_ms);
	return true;
}

/* One step, if there is one. */
static bool say_next(struct bm_smtp *smtp, struct bm_transaction *tx, uint64_t now_ms)
{
	switch (tx->state) {
	case BM_TRANSACTION_WAITING:
		open_transaction(smtp, tx);
		return true;
	case BM_TRANSACTION_RSET:
		say_rset(smtp, tx, now_ms);
		return true;
	case BM_TRANSACTION_MAIL:
		say_mail(smtp, tx, now_ms);
		return true;
	case BM_TRANSACTION_RCPT:
		return say_rcpt(smtp, tx, now_ms);
	case BM_TRANSACTION_END:
		return say_end(smtp, tx, now_ms);
	case BM_TRANSACTION_SAID:
	case BM_TRANSACTION_CONTENT:
	case BM_TRANSACTION_DRAIN:
	case BM_TRANSACTION_SETTLED:
		break;
	}
	return false;
}

/* Its events may be made once nothing of it is unanswered and nothing that it lent us unsent. */
static bool is_done(const struct bm_smtp *smtp, const struct bm_transaction *tx)
{
	if (tx->state == BM_TRANSACTION_SETTLED)
		return true;
	bool sent = tx->end == BM_OUTPUT_NOWHERE || tx->end <= smtp->output.sent;
	return tx->state == BM_TRANSACTION_DRAIN && tx->due == 0 && sent;
}

static void settle_done(struct bm_smtp *smtp)
{
	struct bm_transactions *txs = &smtp->transactions;
	while (txs->settled < txs->next) {
		struct bm_transaction *tx = bm_transactions_get(txs, txs->settled);
		if (!is_done(smtp, tx))
			break;
		bm_transaction_settle(tx);
		txs->settled++;
	}
}

/*
 * All of it is said, and the next may be said behind it: content ends its transaction whatever the answer is (RFC 5321,
 * 4.1.1.4), and so does the RSET that opens the next one of a stream.
 */
static bool may_be_followed(const struct bm_smtp *smtp, const struct bm_transaction *tx)
{
	switch (tx->state) {
	case BM_TRANSACTION_SAID:
	case BM_TRANSACTION_DRAIN:
		return smtp->mode == BM_SMTP_PIPELINING_STREAM;
	case BM_TRANSACTION_CONTENT:
	case BM_TRANSACTION_SETTLED:
		return true;
	case BM_TRANSACTION_WAITING:
	case BM_TRANSACTION_RSET:
	case BM_TRANSACTION_MAIL:
	case BM_TRANSACTION_RCPT:
	case BM_TRANSACTION_END:
		break;
	}
	return false;
}

/* One step of the transaction that is being said, or on to the next; false when there is nothing to do now. */
static bool step(struct bm_smtp *smtp, uint64_t now_ms)
{
	struct bm_transactions *txs = &smtp->transactions;
	settle_done(smtp);
	if (txs->saying == txs->next || smtp->lingers)
		return false;
	struct bm_transaction *tx = bm_transactions_get(txs, txs->saying);
	if (may_be_followed(smtp, tx)) {
		txs->saying++;
		return true;
	}
	return bm_machine_has_room(smtp) && say_next(smtp, tx, now_ms);
}

void bm_envelope_advance(struct bm_smtp *smtp, uint64_t now_ms)
{
	while (!smtp->starved && step(smtp, now_ms))
		continue;
}

void bm_envelope_content(struct bm_smtp *smtp, const struct bm_answer *answer)
{
	struct bm_transaction *tx = answer->tx;
	struct bm_content content;
	/* A RCPT taken behind a refused MAIL closed the session: who was taken is sent to. */
	tx->lone_dot = tx->taken == 0;
	smtp->dirty = tx->lone_dot;
	tx->state = BM_TRANSACTION_CONTENT;
	tx->ends = tx->taken;
	bm_content_start(&content, tx->given.content, tx->lone_dot ? 0 : tx->given.content_count, bm_span_make(".\r\n", 3));
	bm_machine_write(smtp, BM_SMTP_END_OF_DATA, tx, &content, answer->now_ms);
}

size_t bm_envelope_open_count(const struct bm_smtp *smtp)
{
	const struct bm_transactions *txs = &smtp->transactions;
	size_t count = 0;
	for (uint64_t i = txs->settled; i < txs->next; i++) {
		enum bm_transaction_state state = bm_transactions_get(txs, i)->state;
		count += state != BM_TRANSACTION_WAITING && state != BM_TRANSACTION_SETTLED;
	}
	return count;
}
