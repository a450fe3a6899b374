/* SPDX-License-Identifier: MIT */
/* From a record of the list to a recipient to be sent, or to its outcome: invalid, duplicate, banned. */
#include "base/error.h"
#include "engine/parts.h"

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

/* Whoever is banned is not remembered, but told of as a duplicate when he was there before the ban was asked. */
static enum bm_code look_up(struct bm_run *run, struct bm_span key, const char *banned, bool *twice)
{
	bool added = true;
	enum bm_code code = BM_OK;

	if (banned != NULL)
		added = !bm_keyset_has(&run->seen, key.data, key.size);
	else
		code = bm_keyset_add(&run->seen, key.data, key.size, &added);
	*twice = !added;
	return code;
}

/* True when it may be sent. */
static enum bm_code admit(
	struct bm_run *run, const struct bm_record *record, const struct bm_address *address, bool *admitted)
{
	bool bans = run->banned.count > 0;
	bool twice = false;

	*admitted = true;
	if (!bans && run->options.trust_duplicates)
		return BM_OK;
	unsigned char text[BM_ADDRESS_MAX];
	struct bm_span key = bm_span_make(text, bm_address_key(address, run->options.trust_banned, text));
	const char *banned = bans ? ban_reason(run, address, key) : NULL;
	if (!run->options.trust_duplicates && look_up(run, key, banned, &twice) != BM_OK)
		return BM_E_NOMEM;
	*admitted = !twice && banned == NULL;
	if (twice)
		reject(run, record, bm_address_mailbox(address), BM_OUTCOME_DUPLICATE, "MB017", "duplicate");
	else if (banned != NULL)
		reject(run, record, bm_address_mailbox(address), BM_OUTCOME_BANNED, "MB018", banned);
	return BM_OK;
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

static enum bm_code make_item(
	struct bm_run *run, const struct bm_record *record, const struct bm_address *address, struct bm_item **out)
{
	enum bm_code code = bm_item_new(&run->items, out, record, address, run->values, run->column_count);
	if (code == BM_OK && run->column_count > 0)
		bm_message_key(run->message, run->values, run->column_count, (*out)->key);
	return code;
}

static enum bm_code take(struct bm_run *run, const struct bm_record *record, struct bm_item **out)
{
	struct bm_address address;
	const char *reason = "";
	bool admitted = false;

	*out = NULL;
	if (!parse(run, record, &address, &reason)) {
		const char *id = record->fault != NULL ? "MB706" : bm_address_is_missing(reason) ? "MB006" : "MB007";
		reject(run, record, bm_span_make(record->text, record->size), BM_OUTCOME_INVALID, id, reason);
		return BM_OK;
	}
	if (!take_values(run, record, &reason)) {
		reject(run, record, bm_address_mailbox(&address), BM_OUTCOME_INVALID, "MB026", reason);
		return BM_OK;
	}
	enum bm_code code = admit(run, record, &address, &admitted);
	if (code == BM_OK && admitted)
		code = make_item(run, record, &address, out);
	if (code != BM_OK)
		report(run, record, bm_address_mailbox(&address), BM_OUTCOME_UNSENT, "out of memory");
	return code;
}

static enum bm_code claim(struct bm_run *run, uint64_t seq, struct bm_error *err)
{
	if (seq < run->claimed)
		return BM_OK;
	run->claimed = seq + BM_RUN_CLAIM;
	return bm_journal_claim(run->journal, seq, BM_RUN_CLAIM, err);
}

enum bm_code bm_run_classify(struct bm_run *run, struct bm_item **out, struct bm_error *err)
{
	const struct bm_port *port = run->port;

	*out = NULL;
	while (*out == NULL && !run->list_ended) {
		struct bm_record record;
		enum bm_code code = port->next_record(port->user, &record, err);
		run->list_silent = code == BM_E_TIMEOUT;
		if (code == BM_E_TIMEOUT)
			break;
		if (code != BM_OK)
			return code;
		if (record.text == NULL) {
			run->list_ended = true;
			break;
		}
		run->records++;
		code = claim(run, record.seq, err);
		if (code != BM_OK)
			bm_run_fail(run, err);
		if (take(run, &record, out) != BM_OK)
			return bm_error_nomem(err);
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
