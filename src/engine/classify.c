/* SPDX-License-Identifier: MIT */
/* From a record of the list to a recipient to be sent, or to its outcome: invalid, duplicate, banned. */
#include "base/error.h"
#include "engine/parts.h"

#include <stdio.h>
#include <string.h>

/* An outcome for a record that never became an item. */
static void report(struct bm_run *run, const struct bm_record *record, struct bm_span address,
	enum bm_outcome_kind kind, const char *reason)
{
	const struct bm_port *port = run->port;
	struct bm_outcome outcome = {
		.kind = kind,
		.seq = record->seq,
		.record = record->text,
		.record_size = record->size,
		.address = (const char *)address.data,
		.address_size = address.size,
		.enhanced = "",
		.text = reason,
		.server = "",
		.at_ms = port->wall_ms(port->user),
	};
	run->done++;
	run->outcomes[kind]++;
	if (bm_journal_settle(run->journal, record->seq, kind, &run->scratch) != BM_OK)
		bm_run_fail(run, &run->scratch);
	port->outcome(port->user, &outcome);
}

static void complain(
	struct bm_run *run, const struct bm_record *record, enum bm_code code, const char *id, const char *reason)
{
	char shown[128];
	struct bm_error err;

	bm_escape(shown, sizeof shown, record->text, record->size);
	bm_error_set(&err, code, id, "record %llu, %s: %s", (unsigned long long)record->seq, shown, reason);
	run->port->log(run->port->user, &err);
}

static void reject(struct bm_run *run, const struct bm_record *record, struct bm_span address,
	enum bm_outcome_kind kind, const char *id, const char *reason)
{
	complain(run, record, BM_E_ADDRESS, id, reason);
	report(run, record, address, kind, reason);
}

static bool parse(struct bm_run *run, const struct bm_record *record, struct bm_address *address, const char **reason)
{
	struct bm_span text = bm_span_make(record->text, record->size);

	if (record->too_long || record->fault != NULL) {
		*reason = record->fault != NULL ? record->fault : "the line is too long";
		return false;
	}
	enum bm_code code =
		run->options.trust_email ? bm_address_trust(address, text, reason) : bm_address_parse(address, text, reason);
	return code == BM_OK;
}

static const char *ban_reason(const struct bm_run *run, const struct bm_address *address, struct bm_span key)
{
	struct bm_span domain = bm_span_make(key.data + address->domain, key.size - address->domain);

	if (bm_keyset_has(&run->banned, domain.data, domain.size))
		return "banned domain";
	if (bm_keyset_has(&run->banned, key.data, key.size))
		return "banned address";
	return NULL;
}

/* What the message's slots are filled with; false when that cannot be sent. */
static bool take_values(struct bm_run *run, const struct bm_record *record, const char **reason)
{
	if (run->column_count == 0)
		return true;
	for (size_t i = 0; i < run->column_count; i++) {
		size_t column = run->columns[i];
		bool there = column < record->value_count && record->values[column].data != NULL;
		run->values[i] =
			there ? bm_span_make(record->values[column].data, record->values[column].size) : bm_span_make(NULL, 0);
	}
	return bm_message_check_values(run->message, run->values, run->column_count, reason) == BM_OK;
}

/* Behind the values of the columns; false when there is none that can be said. */
static bool take_envid(struct bm_run *run, const struct bm_record *record, const char **reason)
{
	size_t size = 0;

	if (!run->envid.varies)
		return true;
	if (!bm_envid_write(&run->envid, record, run->envid_text, &size)) {
		*reason = "the envelope identifier has more than 100 octets, or is not printable ASCII";
		return false;
	}
	run->values[run->column_count] = bm_span_make(run->envid_text, size);
	return true;
}

/* With its values, unless it is not to be sent anyway. */
static enum bm_code make_item(struct bm_run *run, const struct bm_record *record, const struct bm_address *address,
	bool filled, struct bm_item **out)
{
	size_t count = filled ? run->column_count + (run->envid.varies ? 1 : 0) : 0;

	enum bm_code code = bm_item_new(&run->items, out, record, address, run->values, count);
	if (code == BM_OK && filled && run->column_count > 0)
		bm_message_key(run->message, run->values, run->column_count, (*out)->key);
	return code;
}

/* Hashes the key that says who it is; the look-up is for later, when its place has come from memory. */
static void prepare(const struct bm_run *run, struct bm_run_ahead *ahead, const struct bm_address *address)
{
	bool bans = run->banned.count > 0;
	unsigned char text[BM_ADDRESS_MAX];

	ahead->banned = NULL;
	if (!bans && run->options.trust_duplicates)
		return;
	struct bm_span key = bm_span_make(text, bm_address_key(address, run->options.trust_banned, text));
	if (bans)
		ahead->banned = ban_reason(run, address, key);
	if (!run->options.trust_duplicates)
		ahead->hash = bm_keyset_hash(&run->seen, key.data, key.size);
}

static const char *invalid_id(const struct bm_record *record, const char *reason)
{
	if (record->fault != NULL)
		return "MB706";
	return bm_address_is_missing(reason) ? "MB006" : "MB007";
}

static void forget(struct bm_address *address)
{
	address->size = 0;
	address->domain = 0;
	address->utf8 = false;
	address->original = bm_span_make(NULL, 0);
	address->display = bm_span_make(NULL, 0);
}

/* The record joins those that are looked up later. */
static enum bm_code take(struct bm_run *run, const struct bm_record *record)
{
	struct bm_run_ahead *ahead = &run->ahead[(run->ahead_first + run->ahead_count) % BM_RUN_AHEAD];
	struct bm_address address;
	const char *reason = NULL;

	*ahead = (struct bm_run_ahead){.item = NULL};
	if (!parse(run, record, &address, &reason)) {
		forget(&address);
		ahead->invalid = invalid_id(record, reason);
	} else if (!take_values(run, record, &reason) || !take_envid(run, record, &reason)) {
		ahead->invalid = "MB026";
	}
	enum bm_code code = make_item(run, record, &address, ahead->invalid == NULL, &ahead->item);
	if (code != BM_OK) {
		report(run, record, bm_span_make(record->text, record->size), BM_OUTCOME_UNSENT, "out of memory");
		return code;
	}
	if (ahead->invalid == NULL)
		prepare(run, ahead, &address);
	else
		snprintf(ahead->item->answer.text, sizeof ahead->item->answer.text, "%s", reason);
	run->ahead_count++;
	return BM_OK;
}

static enum bm_code claim(struct bm_run *run, uint64_t seq, struct bm_error *err)
{
	if (seq < run->claimed)
		return BM_OK;
	run->claimed = seq + BM_RUN_CLAIM;
	return bm_journal_claim(run->journal, seq, BM_RUN_CLAIM, err);
}

/* One record more; false when the list has none now, or never again. */
static enum bm_code read_on(struct bm_run *run, bool *read, struct bm_error *err)
{
	const struct bm_port *port = run->port;
	struct bm_record record;

	*read = false;
	enum bm_code code = port->next_record(port->user, &record, err);
	if (code != BM_OK)
		return code;
	run->list_read = record.text == NULL;
	if (run->list_read)
		return BM_OK;
	*read = true;
	run->records++;
	/* What is read has an outcome, whatever else fails. */
	if (claim(run, record.seq, err) != BM_OK)
		bm_run_fail(run, err);
	if (take(run, &record) != BM_OK) {
		bm_error_nomem(err);
		bm_run_fail(run, err);
	}
	return BM_OK;
}

/* So many are read before the first is looked up: only of a list that gives them without a wait. */
static size_t reach(const struct bm_run *run)
{
	return !run->options.trust_duplicates && run->port->finite(run->port->user) ? BM_RUN_AHEAD : 1;
}

/* An error of the list is told when all that came before it has been given out. */
static enum bm_code read_ahead(struct bm_run *run, struct bm_error *err)
{
	size_t most = reach(run);
	bool read = true;

	while (read && !run->list_read && run->ahead_count < most) {
		enum bm_code code = read_on(run, &read, err);
		if (code == BM_OK)
			continue;
		if (run->ahead_count > 0)
			return BM_OK;
		run->list_silent = code == BM_E_TIMEOUT;
		return run->list_silent ? BM_OK : code;
	}
	return BM_OK;
}

/* Whoever is banned is not remembered, but told of as a duplicate when he was there before the ban was asked. */
static enum bm_code look_up(struct bm_run *run, const struct bm_run_ahead *ahead, bool *twice)
{
	bool added = true;
	enum bm_code code = BM_OK;

	if (!run->options.trust_duplicates && ahead->banned != NULL)
		added = !bm_keyset_has_hash(&run->seen, ahead->hash);
	else if (!run->options.trust_duplicates)
		code = bm_keyset_add_hash(&run->seen, ahead->hash, &added);
	*twice = !added;
	return code;
}

static void turn_away(
	struct bm_run *run, struct bm_item *item, enum bm_outcome_kind kind, const char *id, const char *reason)
{
	struct bm_span text = bm_item_record(item);
	struct bm_span mailbox = bm_item_mailbox(item);
	struct bm_record record = {.seq = item->seq, .text = (const char *)text.data, .size = text.size};

	reject(run, &record, mailbox.size > 0 ? mailbox : text, kind, id, reason);
	bm_item_free(&run->items, item);
}

/* The oldest that was read; *out is NULL when it is not to be sent. */
static enum bm_code admit(struct bm_run *run, struct bm_item **out, struct bm_error *err)
{
	struct bm_run_ahead ahead = run->ahead[run->ahead_first];
	bool twice = false;

	*out = NULL;
	run->ahead_first = (run->ahead_first + 1) % BM_RUN_AHEAD;
	run->ahead_count--;
	if (ahead.invalid == NULL && look_up(run, &ahead, &twice) != BM_OK) {
		bm_run_settle(run, ahead.item, BM_OUTCOME_UNSENT, "out of memory");
		bm_item_free(&run->items, ahead.item);
		return bm_error_nomem(err);
	}
	if (ahead.invalid != NULL)
		turn_away(run, ahead.item, BM_OUTCOME_INVALID, ahead.invalid, ahead.item->answer.text);
	else if (twice)
		turn_away(run, ahead.item, BM_OUTCOME_DUPLICATE, "MB017", "duplicate");
	else if (ahead.banned != NULL)
		turn_away(run, ahead.item, BM_OUTCOME_BANNED, "MB018", ahead.banned);
	else
		*out = ahead.item;
	return BM_OK;
}

enum bm_code bm_run_classify(struct bm_run *run, struct bm_item **out, struct bm_error *err)
{
	*out = NULL;
	run->list_silent = false;
	while (*out == NULL && !run->list_ended && !run->list_silent) {
		enum bm_code code = read_ahead(run, err);
		if (code == BM_OK && run->ahead_count > 0)
			code = admit(run, out, err);
		run->list_ended = run->list_read && run->ahead_count == 0;
		if (code != BM_OK)
			return code;
	}
	return BM_OK;
}

/* The domain of line as an address under it would have it; false when line is no domain. */
static bool parse_domain(struct bm_address *address, struct bm_span line)
{
	unsigned char text[BM_ADDRESS_MAX] = "a@";

	if (line.size > sizeof text - 2)
		return false;
	memcpy(text + 2, line.data, line.size);
	return bm_address_parse(address, bm_span_make(text, line.size + 2), NULL) == BM_OK;
}

enum bm_code bm_run_ban(struct bm_run *run, struct bm_span line)
{
	struct bm_address address;
	unsigned char key[BM_ADDRESS_MAX];
	size_t from = 0;
	bool added;

	if (memchr(line.data, '@', line.size) == NULL) {
		if (!parse_domain(&address, line))
			return BM_E_ADDRESS;
		from = address.domain;
	} else if (bm_address_parse(&address, line, NULL) != BM_OK) {
		return BM_E_ADDRESS;
	}
	size_t size = bm_address_key(&address, run->options.trust_banned, key);
	return bm_keyset_add(&run->banned, key + from, size - from, &added);
}
