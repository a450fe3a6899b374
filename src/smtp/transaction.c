/* SPDX-License-Identifier: MIT */
/*
 * Transactions in their slots, and what becomes of each recipient. A refused recipient's event is queued with its reply
 * at once; all others of a transaction share one verdict, told when it is settled.
 */
#include "smtp/machine.h"

#include "base/error.h"
#include "base/utf8.h"
#include "smtp/dsn.h"

#include <stdlib.h>

void bm_transactions_deinit(struct bm_transactions *txs)
{
	for (size_t i = 0; i < txs->capacity; i++) {
		free(txs->slots[i].many);
		bm_buf_deinit(&txs->slots[i].verdict.raw);
	}
	free(txs->slots);
	*txs = (struct bm_transactions){.slots = NULL};
}

size_t bm_transactions_held(const struct bm_transactions *txs)
{
	return (size_t)(txs->next - txs->first);
}

/* Without SMTPUTF8 an octet above 0x7f has no business in an envelope (RFC 6531, 3.1), and with it UTF-8 alone. */
static bool is_sayable(struct bm_span address, bool utf8)
{
	if (address.size > BM_MACHINE_ADDRESS_MAX || bm_span_has_control(address))
		return false;
	return bm_span_is_ascii(address) || (utf8 && bm_utf8_valid(address.data, address.size));
}

static enum bm_code check_addresses(const struct bm_smtp_transaction *given, struct bm_error *err)
{
	if (!is_sayable(given->sender, given->utf8))
		return bm_error_set(err, BM_E_ADDRESS, "", "the sender's address cannot be said in a command");
	for (size_t i = 0; i < given->recipient_count; i++) {
		if (given->recipients[i].size == 0 || !is_sayable(given->recipients[i], given->utf8))
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

static enum bm_code check_content(const struct bm_smtp_transaction *given, struct bm_error *err)
{
	bool ends = ends_in_crlf(given->content, given->content_count);
	if (given->plain != NULL)
		ends = ends && ends_in_crlf(given->plain, given->plain_count);
	return ends ? BM_OK : bm_error_set(err, BM_E_MESSAGE, "", "the content does not end in CR LF");
}

static enum bm_code check_support(
	const struct bm_smtp_capabilities *server, const struct bm_smtp_transaction *given, struct bm_error *err)
{
	if (given->eight_bit && !server->eight_bit_mime)
		return bm_error_set(err, BM_E_UNSUPPORTED, "", "the server does not take 8-bit content");
	if (given->utf8 && !server->smtputf8)
		return bm_error_set(err, BM_E_UNSUPPORTED, "", "the server does not take UTF-8 in addresses and headers");
	if (given->require_tls && !server->require_tls)
		return bm_error_set(err, BM_E_UNSUPPORTED, "", "the server does not offer REQUIRETLS over a verified channel");
	return BM_OK;
}

enum bm_code bm_transaction_check(
	const struct bm_smtp *smtp, const struct bm_smtp_transaction *given, struct bm_error *err)
{
	const struct bm_smtp_capabilities *server = &smtp->capabilities;
	if (given->recipient_count == 0)
		return bm_error_set(err, BM_E_USAGE, "", "a transaction without recipients");
	if (server->rcpt_max > 0 && given->recipient_count > server->rcpt_max)
		return bm_error_set(err, BM_E_LIMIT, "", "more recipients than the server takes in a transaction");
	enum bm_code code = check_addresses(given, err);
	if (code == BM_OK)
		code = check_content(given, err);
	if (code == BM_OK && (given->ret != NULL || given->notify != NULL || given->envid.size > 0))
		code = bm_dsn_check(given, err);
	return code == BM_OK ? check_support(server, given, err) : code;
}

void bm_transaction_settle(struct bm_transaction *tx)
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
	bm_transaction_settle(tx);
}

static enum bm_code reserve_fates(struct bm_transaction *tx, size_t count)
{
	bool few = count <= BM_TRANSACTION_FEW;
	if (!few && count > tx->many_capacity) {
		unsigned char *many = realloc(tx->many, count);
		if (many == NULL)
			return BM_E_NOMEM;
		tx->many = many;
		tx->many_capacity = count;
	}
	tx->fates = few ? tx->few : tx->many;
	memset(tx->fates, BM_FATE_OPEN, count);
	return BM_OK;
}

/* As many as the mode may ever need. */
static enum bm_code reserve_slots(struct bm_smtp *smtp)
{
	struct bm_transactions *txs = &smtp->transactions;
	size_t needed = smtp->mode == BM_SMTP_PIPELINING_STREAM ? smtp->depth : 2;
	size_t capacity = 1;

	if (txs->capacity > 0)
		return BM_OK;
	while (capacity < needed)
		capacity *= 2;
	txs->slots = calloc(capacity, sizeof *txs->slots);
	if (txs->slots == NULL)
		return BM_E_NOMEM;
	txs->capacity = capacity;
	for (size_t i = 0; i < capacity; i++)
		bm_buf_init(&txs->slots[i].verdict.raw, BM_REPLY_SIZE_MAX);
	return BM_OK;
}

static void undecide(struct bm_verdict *verdict)
{
	verdict->set = false;
	verdict->disposition = BM_SMTP_PUT_BACK;
	verdict->answered = false;
	verdict->command = BM_SMTP_GREETING;
	verdict->reason = "not reached";
	verdict->reply.code = 0;
	verdict->reply.raw.size = 0;
}

static void begin(struct bm_transaction *tx, const struct bm_smtp_transaction *given)
{
	tx->given = *given;
	tx->state = BM_TRANSACTION_WAITING;
	tx->lone_dot = false;
	tx->stumbled = false;
	tx->next = 0;
	tx->reach = given->recipient_count;
	tx->answered = 0;
	tx->taken = 0;
	tx->due = 0;
	tx->ends = 0;
	tx->end_at = 0;
	tx->end = BM_OUTPUT_NOWHERE;
	undecide(&tx->verdict);
}

enum bm_code bm_transaction_begin(struct bm_smtp *smtp, const struct bm_smtp_transaction *given, struct bm_error *err)
{
	struct bm_transactions *txs = &smtp->transactions;
	if (reserve_slots(smtp) != BM_OK)
		return bm_error_nomem(err);
	struct bm_transaction *tx = bm_transactions_get(txs, txs->next);
	if (reserve_fates(tx, given->recipient_count) != BM_OK)
		return bm_error_nomem(err);
	begin(tx, given);
	tx->number = txs->next++;
	if (smtp->capabilities.size_max > 0 && given->size_bytes > smtp->capabilities.size_max)
		refuse_for_size(tx);
	else
		smtp->mails++;
	return BM_OK;
}

static void decide(struct bm_smtp *smtp, enum bm_smtp_disposition disposition, const struct bm_answer *answer)
{
	struct bm_verdict *verdict = &answer->tx->verdict;
	if (verdict->set)
		return;
	verdict->set = true;
	verdict->disposition = disposition;
	verdict->answered = true;
	verdict->reason = NULL;
	verdict->command = answer->expected.command;
	verdict->reply = answer->reply;
	bm_machine_keep(smtp, &verdict->reply, &verdict->raw);
}

/*
 * 503 where nothing that this transaction was refused before explains it: the server does not bear what we said at
 * once, and it is no fault of the recipients.
 */
static bool is_stumble(const struct bm_smtp *smtp, const struct bm_answer *answer)
{
	const struct bm_transaction *tx = answer->tx;
	if (answer->reply.code != 503 || smtp->mode == BM_SMTP_PIPELINING_OFF || tx->verdict.set)
		return false;
	switch (answer->expected.command) {
	case BM_SMTP_MAIL:
	case BM_SMTP_RCPT:
		return true;
	case BM_SMTP_DATA:
	case BM_SMTP_BDAT:
		return tx->taken > 0;
	case BM_SMTP_GREETING:
	case BM_SMTP_EHLO:
	case BM_SMTP_HELO:
	case BM_SMTP_LHLO:
	case BM_SMTP_STARTTLS:
	case BM_SMTP_TLS:
	case BM_SMTP_AUTH:
	case BM_SMTP_BODY:
	case BM_SMTP_END_OF_DATA:
	case BM_SMTP_RSET:
	case BM_SMTP_TALK:
	case BM_SMTP_QUIT:
		break;
	}
	return false;
}

void bm_transaction_fail(struct bm_smtp *smtp, const struct bm_answer *answer)
{
	enum bm_smtp_disposition disposition = answer->reply.code >= 500 ? BM_SMTP_REFUSED : BM_SMTP_DEFERRED;
	if (is_stumble(smtp, answer)) {
		answer->tx->stumbled = true;
		disposition = BM_SMTP_PUT_BACK;
	}
	decide(smtp, disposition, answer);
}

void bm_transaction_doubt(struct bm_transaction *tx)
{
	undecide(&tx->verdict);
}

void bm_transaction_put_back(struct bm_smtp *smtp, const struct bm_answer *answer)
{
	decide(smtp, BM_SMTP_PUT_BACK, answer);
}

void bm_transaction_accept(struct bm_smtp *smtp, const struct bm_answer *answer)
{
	/* whatever a server says to a lone dot, it has no message of ours */
	if (!answer->tx->lone_dot)
		decide(smtp, BM_SMTP_ACCEPTED, answer);
}

void bm_transaction_recipient_taken(struct bm_smtp *smtp, const struct bm_answer *answer)
{
	struct bm_transaction *tx = answer->tx;
	smtp->dirty = true;
	tx->fates[tx->answered++] = BM_FATE_TAKEN;
	tx->taken++;
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

static void queue_refusal(struct bm_smtp *smtp, const struct bm_answer *answer, size_t recipient)
{
	struct bm_transaction *tx = answer->tx;
	struct bm_smtp_event event = {
		.kind = BM_SMTP_RECIPIENT,
		.command = BM_SMTP_RCPT,
		.id = tx->given.id,
		.recipient = recipient,
		.disposition = own_disposition(answer->reply.code, tx->taken > 0),
		.answered = true,
		.reply = answer->reply,
	};
	bm_reply_find_enhanced(&event.reply);
	if (is_stumble(smtp, answer)) {
		tx->stumbled = true;
		event.stumbled = true;
		event.disposition = BM_SMTP_PUT_BACK;
	}
	bm_machine_queue(smtp, &event, tx->number);
	if (!smtp->starved)
		tx->fates[recipient] = BM_FATE_DECIDED;
}

static enum bm_smtp_disposition end_disposition(int code)
{
	if (code < 300)
		return BM_SMTP_ACCEPTED;
	if (code == 421)
		return BM_SMTP_PUT_BACK;
	return code >= 500 ? BM_SMTP_REFUSED : BM_SMTP_DEFERRED;
}

/* In the order of RCPT, those left out that were refused there (RFC 2033, 4.2). */
void bm_transaction_end_one(struct bm_smtp *smtp, const struct bm_answer *answer)
{
	struct bm_transaction *tx = answer->tx;
	while (tx->fates[tx->end_at] != BM_FATE_TAKEN)
		tx->end_at++;
	struct bm_smtp_event event = {
		.kind = BM_SMTP_RECIPIENT,
		.command = BM_SMTP_END_OF_DATA,
		.id = tx->given.id,
		.recipient = tx->end_at,
		.disposition = end_disposition(answer->reply.code),
		.answered = true,
		.reply = answer->reply,
	};
	bm_reply_find_enhanced(&event.reply);
	bm_machine_queue(smtp, &event, tx->number);
	if (!smtp->starved)
		tx->fates[tx->end_at] = BM_FATE_DECIDED;
	tx->end_at++;
}

/* Those whose RCPT was not said by now are not tried. */
static void give_up_the_rest(struct bm_transaction *tx)
{
	tx->reach = tx->next;
	tx->state = BM_TRANSACTION_END;
}

void bm_transaction_recipient_refused(struct bm_smtp *smtp, const struct bm_answer *answer)
{
	struct bm_transaction *tx = answer->tx;
	size_t recipient = tx->answered++;
	size_t refused = tx->answered - tx->taken;
	if (!tx->verdict.set)
		queue_refusal(smtp, answer, recipient);
	if (tx->given.refusals_max > 0 && refused >= tx->given.refusals_max && tx->state == BM_TRANSACTION_RCPT)
		give_up_the_rest(tx);
}

/*
 * In doubt is who had the whole end of data out, unless the server said that it did not get there. LMTP answers for one
 * recipient at a time: what it says of one tells nothing of those behind, who have the content already.
 */
static void abandon(const struct bm_smtp *smtp, struct bm_transaction *tx, bool undone, const char *reason)
{
	struct bm_verdict *verdict = &tx->verdict;
	bool past_end = tx->end <= smtp->output.sent && !tx->lone_dot;
	if (!verdict->set) {
		verdict->disposition = past_end && (!undone || smtp->lmtp) ? BM_SMTP_IN_DOUBT : BM_SMTP_PUT_BACK;
		verdict->reason = reason;
	}
	bm_transaction_settle(tx);
}

bool bm_transactions_are_out(const struct bm_smtp *smtp)
{
	const struct bm_transactions *txs = &smtp->transactions;
	for (uint64_t i = txs->settled; i < txs->next; i++) {
		const struct bm_transaction *tx = bm_transactions_get(txs, i);
		if (tx->state != BM_TRANSACTION_SETTLED && tx->due > 0 && tx->end <= smtp->output.sent)
			return true;
	}
	return false;
}

void bm_transactions_abandon(struct bm_smtp *smtp, bool undone, const char *reason)
{
	struct bm_transactions *txs = &smtp->transactions;
	for (; txs->settled < txs->next; txs->settled++) {
		struct bm_transaction *tx = bm_transactions_get(txs, txs->settled);
		if (tx->state != BM_TRANSACTION_SETTLED)
			abandon(smtp, tx, undone, reason);
	}
}

static void tell_verdict(const struct bm_verdict *verdict, struct bm_smtp_event *event)
{
	event->disposition = verdict->disposition;
	event->answered = verdict->answered;
	event->command = verdict->command;
	event->reason = verdict->reason;
	event->reply = verdict->reply;
}

static void tell_recipient(const struct bm_transaction *tx, size_t recipient, struct bm_smtp_event *event)
{
	event->kind = BM_SMTP_RECIPIENT;
	event->recipient = recipient;
	if (recipient < tx->reach) {
		tell_verdict(&tx->verdict, event);
		return;
	}
	event->disposition = BM_SMTP_PUT_BACK;
	event->command = BM_SMTP_RCPT;
	event->reason = "not reached";
}

bool bm_transaction_next_event(struct bm_smtp *smtp, struct bm_smtp_event *event)
{
	struct bm_transactions *txs = &smtp->transactions;
	if (txs->first == txs->settled)
		return false;
	struct bm_transaction *tx = bm_transactions_get(txs, txs->first);
	while (tx->next < tx->given.recipient_count && tx->fates[tx->next] == BM_FATE_DECIDED)
		tx->next++;
	*event = (struct bm_smtp_event){.kind = BM_SMTP_TRANSACTION, .id = tx->given.id};
	if (tx->next == tx->given.recipient_count) {
		event->stumbled = tx->stumbled;
		txs->first++;
	} else {
		tell_recipient(tx, tx->next++, event);
		bool stumbled = tx->stumbled || (smtp->closed && smtp->closing.stumbled);
		event->stumbled = stumbled && event->disposition == BM_SMTP_PUT_BACK;
	}
	return true;
}
