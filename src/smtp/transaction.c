/* SPDX-License-Identifier: MIT */
/*
 * One envelope and its content (RFC 5321, 3.3; RFC 2920, 3.1). Commands are made as there is room for them, so that
 * the length of the envelope costs one octet a recipient. A refused recipient's event is queued with its reply at once;
 * all others share one verdict, told when the transaction is settled.
 */
#include "smtp/machine.h"

#include "base/error.h"

#include <stdio.h>
#include <stdlib.h>

#define NUMBER_MAX 24
/* The longest that MAIL says beside the address. */
#define MAIL_EXTRA 64

void bm_transaction_init(struct bm_transaction *tx)
{
	*tx = (struct bm_transaction){.state = BM_TRANSACTION_NONE};
	bm_buf_init(&tx->verdict.raw, BM_REPLY_SIZE_MAX);
}

void bm_transaction_deinit(struct bm_transaction *tx)
{
	free(tx->fates);
	bm_buf_deinit(&tx->verdict.raw);
}

/* Without SMTPUTF8 an octet above 0x7f has no business in an envelope (RFC 6531, 3.1). */
static bool is_sayable(struct bm_span address)
{
	for (size_t i = 0; i < address.size; i++) {
		if (address.data[i] >= 0x80)
			return false;
	}
	return address.size + MAIL_EXTRA <= BM_MACHINE_COMMAND_MAX && !bm_span_has_control(address);
}

static enum bm_code check_addresses(const struct bm_smtp_transaction *given, struct bm_error *err)
{
	if (!is_sayable(given->sender))
		return bm_error_set(err, BM_E_ADDRESS, "", "the sender's address cannot be said in a command");
	for (size_t i = 0; i < given->recipient_count; i++) {
		if (given->recipients[i].size == 0 || !is_sayable(given->recipients[i]))
			return bm_error_set(err, BM_E_ADDRESS, "", "the address of recipient %zu cannot be said in a command", i);
	}
	return BM_OK;
}

/* True when the octets of all spans together are none or end in CR LF. */
static bool ends_in_crlf(const struct bm_span *spans, size_t count)
{
	static const unsigned char end[] = {'\n', '\r'};
	size_t found = 0;
	bool any = false;

	for (size_t i = count; i > 0 && found < 2; i--) {
		struct bm_span span = spans[i - 1];
		for (size_t k = span.size; k > 0 && found < 2; k--, found++) {
			any = true;
			if (span.data[k - 1] != end[found])
				return false;
		}
	}
	return !any || found == 2;
}

enum bm_code bm_transaction_check(
	const struct bm_smtp *smtp, const struct bm_smtp_transaction *given, struct bm_error *err)
{
	if (given->recipient_count == 0)
		return bm_error_set(err, BM_E_USAGE, "", "a transaction without recipients");
	enum bm_code code = check_addresses(given, err);
	if (code != BM_OK)
		return code;
	if (!ends_in_crlf(given->content, given->content_count))
		return bm_error_set(err, BM_E_MESSAGE, "", "the content does not end in CR LF");
	if (given->eight_bit && !smtp->capabilities.eight_bit_mime)
		return bm_error_set(err, BM_E_UNSUPPORTED, "", "the server does not take 8-bit content");
	return BM_OK;
}

static void settle(struct bm_transaction *tx)
{
	tx->state = BM_TRANSACTION_SETTLED;
	tx->next = 0;
}

/* RFC 1870, 6.1: what the server said it would refuse is not tried. */
static void refuse_for_size(struct bm_transaction *tx)
{
	static const char text[] = "552 5.3.4 the message is larger than the SIZE that the server takes\r\n";
	tx->verdict.set = true;
	tx->verdict.disposition = BM_SMTP_REFUSED;
	tx->verdict.reason = NULL;
	tx->verdict.reply = (struct bm_reply){.code = 552, .enhanced = "5.3.4", .raw = bm_span_of(text), .lines = 1};
	settle(tx);
}

static enum bm_code reserve_fates(struct bm_transaction *tx, size_t count)
{
	if (count > tx->fates_capacity) {
		unsigned char *fates = realloc(tx->fates, count);
		if (fates == NULL)
			return BM_E_NOMEM;
		tx->fates = fates;
		tx->fates_capacity = count;
	}
	memset(tx->fates, BM_FATE_OPEN, count);
	return BM_OK;
}

enum bm_code bm_transaction_begin(struct bm_smtp *smtp, const struct bm_smtp_transaction *given, struct bm_error *err)
{
	struct bm_transaction *tx = &smtp->tx;
	if (reserve_fates(tx, given->recipient_count) != BM_OK)
		return bm_error_nomem(err);
	tx->given = *given;
	tx->next = 0;
	tx->taken = 0;
	tx->lone_dot = false;
	struct bm_buf raw = tx->verdict.raw;
	tx->verdict = (struct bm_verdict){.disposition = BM_SMTP_PUT_BACK, .reason = "not reached", .raw = raw};
	tx->state = smtp->dirty ? BM_TRANSACTION_RSET : BM_TRANSACTION_MAIL;
	if (smtp->capabilities.size_max > 0 && given->size_bytes > smtp->capabilities.size_max)
		refuse_for_size(tx);
	return BM_OK;
}

static void say_rset(struct bm_smtp *smtp, uint64_t now_ms)
{
	struct bm_span parts[] = {bm_span_of("RSET")};
	bm_machine_say(smtp, BM_SMTP_RSET, 0, parts, 1, now_ms);
	smtp->tx.state = BM_TRANSACTION_MAIL;
}

static void say_mail(struct bm_smtp *smtp, uint64_t now_ms)
{
	const struct bm_smtp_transaction *given = &smtp->tx.given;
	char size[NUMBER_MAX] = "";
	if (smtp->capabilities.size)
		snprintf(size, sizeof size, " SIZE=%llu", (unsigned long long)given->size_bytes);
	bool eight_bit = given->eight_bit && smtp->capabilities.eight_bit_mime;
	struct bm_span parts[] = {bm_span_of("MAIL FROM:<"), given->sender, bm_span_of(">"), bm_span_of(size),
		bm_span_of(eight_bit ? " BODY=8BITMIME" : "")};
	bm_machine_say(smtp, BM_SMTP_MAIL, 0, parts, sizeof parts / sizeof parts[0], now_ms);
	smtp->tx.state = BM_TRANSACTION_RCPT;
}

static void say_rcpt(struct bm_smtp *smtp, uint64_t now_ms)
{
	struct bm_transaction *tx = &smtp->tx;
	struct bm_span parts[] = {bm_span_of("RCPT TO:<"), tx->given.recipients[tx->next], bm_span_of(">")};
	bm_machine_say(smtp, BM_SMTP_RCPT, tx->next, parts, 3, now_ms);
	tx->next++;
	if (tx->next == tx->given.recipient_count)
		tx->state = BM_TRANSACTION_DATA;
}

static void say_data(struct bm_smtp *smtp, uint64_t now_ms)
{
	struct bm_transaction *tx = &smtp->tx;
	if (smtp->pipeline.count == 0 && tx->taken == 0) {
		tx->state = BM_TRANSACTION_DRAIN;
		return;
	}
	struct bm_span parts[] = {bm_span_of("DATA")};
	bm_machine_say(smtp, BM_SMTP_DATA, 0, parts, 1, now_ms);
	tx->state = BM_TRANSACTION_SAID;
}

/* One command, if there is one to say. */
static bool say_next(struct bm_smtp *smtp, uint64_t now_ms)
{
	switch (smtp->tx.state) {
	case BM_TRANSACTION_RSET:
		say_rset(smtp, now_ms);
		return true;
	case BM_TRANSACTION_MAIL:
		say_mail(smtp, now_ms);
		return true;
	case BM_TRANSACTION_RCPT:
		say_rcpt(smtp, now_ms);
		return true;
	case BM_TRANSACTION_DATA:
		say_data(smtp, now_ms);
		return true;
	case BM_TRANSACTION_NONE:
	case BM_TRANSACTION_SAID:
	case BM_TRANSACTION_CONTENT:
	case BM_TRANSACTION_DRAIN:
	case BM_TRANSACTION_SETTLED:
		break;
	}
	return false;
}

void bm_transaction_advance(struct bm_smtp *smtp, uint64_t now_ms)
{
	while (!smtp->starved && bm_machine_has_room(smtp)) {
		if (!say_next(smtp, now_ms))
			break;
	}
	if (smtp->tx.state == BM_TRANSACTION_DRAIN && smtp->pipeline.count == 0)
		settle(&smtp->tx);
}

static void decide(struct bm_smtp *smtp, enum bm_smtp_disposition disposition, const struct bm_answer *answer)
{
	struct bm_verdict *verdict = &smtp->tx.verdict;
	if (verdict->set)
		return;
	verdict->set = true;
	verdict->disposition = disposition;
	verdict->answered = true;
	verdict->reason = NULL;
	verdict->command = answer->expected.command;
	verdict->reply = answer->reply;
	bm_machine_keep(smtp, &verdict->raw);
}

void bm_transaction_fail(struct bm_smtp *smtp, const struct bm_answer *answer)
{
	decide(smtp, answer->reply.code >= 500 ? BM_SMTP_REFUSED : BM_SMTP_DEFERRED, answer);
}

void bm_transaction_accept(struct bm_smtp *smtp, const struct bm_answer *answer)
{
	/* whatever a server says to a lone dot, it has no message of ours */
	if (!smtp->tx.lone_dot)
		decide(smtp, BM_SMTP_ACCEPTED, answer);
}

void bm_transaction_recipient_taken(struct bm_smtp *smtp, const struct bm_answer *answer)
{
	smtp->dirty = true;
	smtp->tx.taken++;
	smtp->tx.fates[answer->expected.recipient] = BM_FATE_TAKEN;
}

/*
 * 552 to RCPT is an old 452 (RFC 5321, 4.5.3.1.10). Who is refused by it before anybody was taken is not one too many:
 * a full mailbox that was sent again at once would be refused with every envelope to come.
 */
static enum bm_smtp_disposition own_disposition(int code, bool others_taken)
{
	if (code == 452 || code == 552)
		return others_taken ? BM_SMTP_CROWDED : BM_SMTP_DEFERRED;
	return code >= 500 ? BM_SMTP_REFUSED : BM_SMTP_DEFERRED;
}

void bm_transaction_recipient_refused(struct bm_smtp *smtp, const struct bm_answer *answer)
{
	struct bm_transaction *tx = &smtp->tx;
	struct bm_smtp_event event = {
		.kind = BM_SMTP_RECIPIENT,
		.command = BM_SMTP_RCPT,
		.id = tx->given.id,
		.recipient = answer->expected.recipient,
		.disposition = own_disposition(answer->reply.code, tx->taken > 0),
		.answered = true,
		.reply = answer->reply,
	};
	if (tx->verdict.set)
		return;
	bm_machine_queue(smtp, &event);
	if (!smtp->starved)
		tx->fates[event.recipient] = BM_FATE_DECIDED;
}

void bm_transaction_content(struct bm_smtp *smtp, uint64_t now_ms)
{
	struct bm_transaction *tx = &smtp->tx;
	tx->lone_dot = tx->verdict.set || tx->taken == 0;
	tx->state = BM_TRANSACTION_CONTENT;
	bm_machine_write(smtp, BM_SMTP_END_OF_DATA, tx->given.content, tx->lone_dot ? 0 : tx->given.content_count,
		bm_span_of(".\r\n"), now_ms);
}

void bm_transaction_abandon(struct bm_smtp *smtp, const char *reason)
{
	struct bm_transaction *tx = &smtp->tx;
	if (tx->state == BM_TRANSACTION_NONE || tx->state == BM_TRANSACTION_SETTLED)
		return;
	bool past_end = tx->state == BM_TRANSACTION_CONTENT && !smtp->writing && !tx->lone_dot;
	if (!tx->verdict.set) {
		tx->verdict.disposition = past_end ? BM_SMTP_IN_DOUBT : BM_SMTP_PUT_BACK;
		tx->verdict.reason = reason;
	}
	settle(tx);
}

static void tell_verdict(const struct bm_verdict *verdict, struct bm_smtp_event *event)
{
	event->disposition = verdict->disposition;
	event->answered = verdict->answered;
	event->command = verdict->command;
	event->reason = verdict->reason;
	event->reply = verdict->reply;
}

bool bm_transaction_next_event(struct bm_smtp *smtp, struct bm_smtp_event *event)
{
	struct bm_transaction *tx = &smtp->tx;
	if (tx->state != BM_TRANSACTION_SETTLED)
		return false;
	while (tx->next < tx->given.recipient_count && tx->fates[tx->next] == BM_FATE_DECIDED)
		tx->next++;
	*event = (struct bm_smtp_event){.kind = BM_SMTP_TRANSACTION, .id = tx->given.id};
	if (tx->next == tx->given.recipient_count) {
		tx->state = BM_TRANSACTION_NONE;
		return true;
	}
	event->kind = BM_SMTP_RECIPIENT;
	event->recipient = tx->next;
	tell_verdict(&tx->verdict, event);
	tx->next++;
	return true;
}
