/* SPDX-License-Identifier: MIT */
/*
 * From the draft to the wire: checks in the original's order, then headers and body are written once. RFC 5322, 3.6;
 * RFC 2045; RFC 2047; RFC 6152.
 */
#include "bulkmail/message.h"

#include "base/error.h"
#include "base/utf8.h"
#include "mail/date.h"
#include "mail/encode.h"
#include "mail/fold.h"
#include "mail/place.h"
#include "mail/writer.h"

#include <stdlib.h>

static struct bm_span attribute(const struct bm_draft *draft, enum bm_attribute which)
{
	return draft->attributes[which];
}

static bool is_file(const struct bm_draft *draft)
{
	return draft->options->form == BM_MESSAGE_FILE;
}

static enum bm_code check_precedence(const struct bm_draft *draft, struct bm_error *err)
{
	static const char *const known[] = {"list", "bulk", "junk"};
	struct bm_span value = attribute(draft, BM_ATTRIBUTE_PRECEDENCE);
	const size_t size = 4;

	if (value.size == 0 || draft->options->trust_precedence)
		return BM_OK;
	/* Anywhere in the value, as in the original: " list" is what a header of the message gives. */
	for (size_t at = 0; at + size <= value.size; at++) {
		for (size_t i = 0; i < sizeof known / sizeof known[0]; i++) {
			if (bm_span_equal_nocase(bm_span_make(value.data + at, size), bm_span_of(known[i])))
				return BM_OK;
		}
	}
	return bm_error_set(err, BM_E_MESSAGE, "MB001", "Precedence \"%.*s\" is none of list, bulk, junk",
		value.size > 100 ? 100 : (int)value.size, (const char *)value.data);
}

/* Parses one mailbox of a header's value, folded or not. storage holds the unfolded text that address borrows. */
static enum bm_code parse_value(
	struct bm_address *address, struct bm_buf *storage, struct bm_span value, bool trust, const char **reason)
{
	bm_buf_clear(storage);
	enum bm_code code = bm_unfold(storage, value);
	if (code != BM_OK)
		return code;
	if (trust)
		return bm_address_trust(address, bm_buf_view(storage), reason);
	return bm_address_parse(address, bm_buf_view(storage), reason);
}

static bool is_null_path(struct bm_span value)
{
	return bm_span_equal(bm_span_trim(value), bm_span_of("<>"));
}

static enum bm_code check_address(
	const struct bm_draft *draft, enum bm_attribute which, struct bm_buf *storage, struct bm_error *err)
{
	struct bm_span value = attribute(draft, which);
	struct bm_address address;
	const char *reason = "";
	enum bm_code code = BM_OK;

	if (value.size == 0 || (which == BM_ATTRIBUTE_SENDER && is_null_path(value)))
		return BM_OK;
	if (which == BM_ATTRIBUTE_TO) {
		bm_buf_clear(storage);
		code = bm_unfold(storage, value);
		if (code == BM_OK)
			code = bm_address_check_header(bm_buf_view(storage), &reason);
	} else {
		code = parse_value(&address, storage, value, false, &reason);
	}
	if (code == BM_E_ADDRESS)
		return bm_error_set(err, BM_E_MESSAGE, "MB002", "%s is no valid address: %s", bm_attribute_name(which), reason);
	return code == BM_OK ? BM_OK : bm_error_nomem(err);
}

static enum bm_code check_addresses(const struct bm_draft *draft, struct bm_error *err)
{
	struct bm_buf storage;
	enum bm_code code = BM_OK;

	if (draft->options->trust_email)
		return BM_OK;
	bm_buf_init(&storage, BM_WIRE_MAX);
	for (int i = 0; code == BM_OK && i <= BM_ATTRIBUTE_REPLY_TO; i++) {
		/* With slots it is checked where it is taken apart. */
		if (!bm_merge_wants(draft, draft->attributes[i]))
			code = check_address(draft, (enum bm_attribute)i, &storage, err);
	}
	bm_buf_deinit(&storage);
	return code;
}

static bool file_has(const struct bm_draft *draft, const char *name)
{
	const struct bm_field *field = bm_draft_find(draft, name);

	return field != NULL && field->raw.size > 0;
}

static enum bm_code check_required(const struct bm_draft *draft, struct bm_error *err)
{
	bool from = file_has(draft, "From") || attribute(draft, BM_ATTRIBUTE_FROM).size > 0;
	bool to = file_has(draft, "To") || !draft->options->use_envelope || attribute(draft, BM_ATTRIBUTE_TO).size > 0;

	if (!from)
		return bm_error_set(err, BM_E_MESSAGE, "MB014", "there is no From");
	if (!to)
		return bm_error_set(err, BM_E_MESSAGE, "MB015", "there is no To, which use_envelope needs");
	return BM_OK;
}

/* The fields that there is one of (RFC 5322, 3.6), and that we write or that would make ours the second. */
static bool clashes(const struct bm_draft *draft, const struct bm_field *field)
{
	static const char *const single[] = {
		"Date", "Message-ID", "MIME-Version", "Content-Type", "Content-Transfer-Encoding"};

	for (size_t i = 0; i < BM_ATTRIBUTE_COUNT; i++) {
		bool written = i != BM_ATTRIBUTE_SUBJECT || !bm_is_blank(draft->attributes[i]);
		if (written && bm_span_equal_nocase(field->name, bm_span_of(bm_attribute_name((enum bm_attribute)i))))
			return true;
	}
	for (size_t i = 0; i < sizeof single / sizeof single[0]; i++) {
		if (bm_span_equal_nocase(field->name, bm_span_of(single[i])))
			return bm_draft_find(draft, single[i]) != field;
	}
	return false;
}

/* A further header in another case ("subject", "FROM") is not the attribute, but it would be read as a second one. */
static enum bm_code check_clashes(const struct bm_draft *draft, struct bm_error *err)
{
	for (size_t i = 0; i < draft->field_count && !is_file(draft); i++) {
		const struct bm_field *field = &draft->fields[i];
		if (!bm_is_blank(field->value) && clashes(draft, field))
			return bm_error_set(err, BM_E_MESSAGE, "MB022", "header %.*s would be there twice", (int)field->name.size,
				(const char *)field->name.data);
	}
	return BM_OK;
}

static enum bm_code check_body(const struct bm_draft *draft, struct bm_error *err)
{
	bool whole_lines = is_file(draft) && !draft->options->trust_wrapping;
	struct bm_lines lines;

	if (!is_file(draft) && draft->body.size == 0)
		return bm_error_set(err, BM_E_MESSAGE, "MB016", "there is no message");
	bm_lines_init(&lines, draft->body);
	while (bm_lines_next(&lines)) {
		size_t number = draft->body_line + lines.number - 1;
		if (lines.line.size > 0 && memchr(lines.line.data, 0, lines.line.size) != NULL)
			return bm_error_set(
				err, BM_E_MESSAGE, "MB016", "line %zu of the message holds a NUL: it cannot be sent as text", number);
		if (whole_lines && lines.line.size > BM_LINE_MAX)
			return bm_error_set(
				err, BM_E_MESSAGE, "MB023", "line %zu of the message is longer than %d octets", number, BM_LINE_MAX);
	}
	return BM_OK;
}

static enum bm_code check(const struct bm_draft *draft, struct bm_error *err)
{
	/* The original misses the body last; of an empty file it would be odd to say that it lacks a From. */
	if (is_file(draft) && draft->options->content_size == 0)
		return bm_error_set(err, BM_E_MESSAGE, "MB016", "there is no message");
	enum bm_code code = check_precedence(draft, err);
	if (code == BM_OK)
		code = check_addresses(draft, err);
	if (code == BM_OK)
		code = check_clashes(draft, err);
	if (code == BM_OK)
		code = check_required(draft, err);
	return code == BM_OK ? check_body(draft, err) : code;
}

/* The value that the envelope sender, or the header From, is taken from. */
static struct bm_span field_value(const struct bm_draft *draft, const char *name)
{
	return file_has(draft, name) ? bm_draft_find(draft, name)->value : bm_span_make(NULL, 0);
}

static struct bm_span sender_value(const struct bm_draft *draft)
{
	struct bm_span value = attribute(draft, BM_ATTRIBUTE_SENDER);
	if (value.size == 0)
		value = attribute(draft, BM_ATTRIBUTE_FROM);
	if (value.size == 0)
		value = field_value(draft, "Sender");
	return value.size == 0 ? field_value(draft, "From") : value;
}

static enum bm_code find_sender(struct bm_message *message, const struct bm_draft *draft, struct bm_error *err)
{
	struct bm_span value = sender_value(draft);
	struct bm_address address;
	struct bm_buf storage;
	const char *reason = "";

	if (is_null_path(attribute(draft, BM_ATTRIBUTE_SENDER)))
		return BM_OK;
	if (bm_merge_wants(draft, value)) {
		value = bm_merge_fixed_mailbox(value);
		if (value.size == 0)
			return bm_error_set(
				err, BM_E_MESSAGE, "MB019", "the envelope sender cannot come from a slot: set Sender to one address");
	}
	bm_buf_init(&storage, BM_WIRE_MAX);
	value = is_file(draft) ? bm_address_first(value) : value;
	enum bm_code code = parse_value(&address, &storage, value, draft->options->trust_email, &reason);
	bm_buf_deinit(&storage);
	if (code == BM_E_ADDRESS)
		return bm_error_set(err, BM_E_MESSAGE, "MB019", "there is no usable sender: %s", reason);
	if (code != BM_OK)
		return bm_error_nomem(err);
	memcpy(message->sender, address.mailbox, address.size + 1);
	message->utf8 = address.utf8;
	return BM_OK;
}

static void set_id_host(struct bm_message *message, struct bm_span host)
{
	memcpy(message->id_host, host.data, host.size);
	message->id_host[host.size] = '\0';
	message->id_host_size = host.size;
}

/* The host that was given, else the domain of From, else that of the sender. */
static enum bm_code find_id_host(struct bm_message *message, const struct bm_draft *draft, struct bm_error *err)
{
	const char *given = draft->options->message_id_host;
	struct bm_span from = field_value(draft, "From");
	struct bm_address address;
	struct bm_buf storage;

	if (given != NULL && given[0] != '\0') {
		if (!bm_domain_is_id_right(bm_span_of(given)))
			return bm_error_set(err, BM_E_USAGE, "", "the host for Message-ID is no host name");
		set_id_host(message, bm_span_of(given));
		return BM_OK;
	}
	if (from.size == 0)
		from = attribute(draft, BM_ATTRIBUTE_FROM);
	if (bm_merge_wants(draft, from))
		from = bm_merge_fixed_mailbox(from);
	if (from.size == 0)
		from = bm_span_of(message->sender);
	bm_buf_init(&storage, BM_WIRE_MAX);
	set_id_host(message, bm_span_of("localhost"));
	enum bm_code code = parse_value(&address, &storage, bm_address_first(from), true, NULL);
	if (code == BM_OK && bm_domain_is_id_right(bm_address_domain(&address)))
		set_id_host(message, bm_address_domain(&address));
	bm_buf_deinit(&storage);
	return code == BM_OK || code == BM_E_ADDRESS ? BM_OK : bm_error_nomem(err);
}

enum bm_code bm_writer_no_room(struct bm_writer *writer, enum bm_code code)
{
	if (code == BM_E_NOMEM)
		return bm_error_nomem(writer->err);
	return bm_error_set(writer->err, code, "", "the message is too large");
}

/* A header name may begin with a dot. */
static enum bm_code stuff_field(struct bm_writer *writer, struct bm_span field)
{
	if (field.size == 0 || field.data[0] != '.')
		return BM_OK;
	writer->message->stuffed++;
	return bm_buf_append_char(&writer->message->wire, '.');
}

static enum bm_code put_line(struct bm_writer *writer, size_t limit)
{
	struct bm_span field = bm_buf_view(&writer->field);

	enum bm_code code = stuff_field(writer, field);
	if (code == BM_OK)
		code = bm_field_append(&writer->message->wire, field, limit);
	return code == BM_OK ? BM_OK : bm_writer_no_room(writer, code);
}

static enum bm_code start_field(struct bm_writer *writer, struct bm_span name)
{
	bm_buf_clear(&writer->field);
	enum bm_code code = bm_buf_append_span(&writer->field, name);
	if (code == BM_OK)
		code = bm_buf_append_str(&writer->field, ": ");
	return code;
}

static enum bm_code put_plain(struct bm_writer *writer, struct bm_span name, struct bm_span value)
{
	enum bm_code code = start_field(writer, name);
	if (code == BM_OK)
		code = bm_buf_append_span(&writer->field, value);
	return code == BM_OK ? put_line(writer, writer->limit) : bm_writer_no_room(writer, code);
}

/* What is encoded is folded already, at 76: the original's folding would break it up. */
static size_t encoded_limit(const struct bm_writer *writer)
{
	return writer->limit == 0 ? 0 : BM_LINE_MAX;
}

enum bm_code bm_writer_put_encoded_text(struct bm_writer *writer, struct bm_span name, struct bm_span value)
{
	struct bm_buf plain;

	bm_buf_init(&plain, BM_WIRE_MAX);
	enum bm_code code = bm_unfold(&plain, value);
	if (code == BM_OK)
		code = start_field(writer, name);
	size_t column = writer->field.size;
	if (code == BM_OK)
		code = bm_encode_words(&writer->field, bm_span_trim(bm_buf_view(&plain)), &column);
	bm_buf_deinit(&plain);
	return code == BM_OK ? put_line(writer, encoded_limit(writer)) : bm_writer_no_room(writer, code);
}

static enum bm_code put_text(struct bm_writer *writer, struct bm_span name, struct bm_span value)
{
	if (bm_merge_wants(writer->draft, value))
		return bm_merge_header(writer, name, value, false);
	return bm_is_ascii(value) ? put_plain(writer, name, value) : bm_writer_put_encoded_text(writer, name, value);
}

static enum bm_code put_encoded_address(struct bm_writer *writer, struct bm_span name, struct bm_span value)
{
	struct bm_address address;
	struct bm_buf storage;

	bm_buf_init(&storage, BM_WIRE_MAX);
	enum bm_code code = start_field(writer, name);
	size_t column = writer->field.size;
	if (code == BM_OK)
		code = parse_value(&address, &storage, value, false, NULL);
	if (code == BM_OK) {
		writer->message->utf8 = writer->message->utf8 || address.utf8;
		code = bm_address_append_field(&writer->field, &address, column);
	} else if (code == BM_E_ADDRESS)
		code = bm_address_append_group(&writer->field, bm_buf_view(&storage), column);
	bm_buf_deinit(&storage);
	if (code == BM_E_ADDRESS)
		return bm_merge_header(writer, name, value, true);
	return code == BM_OK ? put_line(writer, encoded_limit(writer)) : bm_writer_no_room(writer, code);
}

static enum bm_code put_address(struct bm_writer *writer, const char *name, struct bm_span value)
{
	if (bm_merge_wants(writer->draft, value))
		return bm_merge_header(writer, bm_span_of(name), value, true);
	if (bm_is_ascii(value))
		return put_plain(writer, bm_span_of(name), value);
	return put_encoded_address(writer, bm_span_of(name), value);
}

static enum bm_code put_date(struct bm_writer *writer)
{
	char date[BM_DATE_SIZE];

	if (bm_draft_find(writer->draft, "Date") != NULL)
		return BM_OK;
	if (bm_date_format(date, writer->draft->options->date, writer->draft->options->utc_offset) != BM_OK)
		return bm_error_set(writer->err, BM_E_USAGE, "", "the date or its offset is out of range");
	return put_plain(writer, bm_span_of("Date"), bm_span_of(date));
}

static enum bm_code put_subject(struct bm_writer *writer)
{
	struct bm_span subject = attribute(writer->draft, BM_ATTRIBUTE_SUBJECT);

	return bm_is_blank(subject) ? BM_OK : put_text(writer, bm_span_of("Subject"), subject);
}

enum bm_code bm_writer_put_place(struct bm_writer *writer, const struct bm_place *place)
{
	struct bm_message *message = writer->message;

	if (message->place_count == message->place_capacity) {
		size_t capacity = message->place_capacity == 0 ? 8 : 2 * message->place_capacity;
		struct bm_place *places = realloc(message->places, capacity * sizeof *places);
		if (places == NULL)
			return bm_error_nomem(writer->err);
		message->places = places;
		message->place_capacity = capacity;
	}
	struct bm_place *added = &message->places[message->place_count++];
	*added = *place;
	added->at = message->wire.size;
	added->bare_at = message->wire.size - message->stuffed;
	return BM_OK;
}

enum bm_code bm_writer_put_merged(struct bm_writer *writer, const struct bm_place *place, bool varies)
{
	struct bm_message *message = writer->message;
	struct bm_buf scratch;

	if (varies)
		return bm_writer_put_place(writer, place);
	bm_buf_init(&scratch, BM_WIRE_MAX);
	struct bm_writing writing = {.message = message, .out = &message->wire, .scratch = &scratch, .stuff = true};
	enum bm_code code = bm_place_write(&writing, place);
	message->stuffed += writing.dots;
	message->utf8 = message->utf8 || writing.utf8;
	bm_buf_deinit(&scratch);
	if (code == BM_E_MESSAGE)
		return bm_error_set(writer->err, code, "MB022", "header %.*s cannot be encoded", (int)place->name.size,
			(const char *)place->name.data);
	return code == BM_OK ? BM_OK : bm_writer_no_room(writer, code);
}

/* Either the attribute, or the place for the recipient's record. */
static enum bm_code put_to(struct bm_writer *writer)
{
	if (writer->draft->options->use_envelope)
		return put_address(writer, "To", attribute(writer->draft, BM_ATTRIBUTE_TO));
	writer->message->own_to = true;
	return bm_writer_put_place(writer, &(struct bm_place){.kind = BM_PLACE_TO});
}

static struct bm_span sender_header(const struct bm_draft *draft)
{
	struct bm_span sender = attribute(draft, BM_ATTRIBUTE_SENDER);

	return is_null_path(sender) ? bm_span_make(NULL, 0) : sender;
}

static enum bm_code put_address_or_from(struct bm_writer *writer, const char *name, struct bm_span value)
{
	return put_address(writer, name, value.size > 0 ? value : attribute(writer->draft, BM_ATTRIBUTE_FROM));
}

static enum bm_code put_precedence(struct bm_writer *writer)
{
	struct bm_span value = attribute(writer->draft, BM_ATTRIBUTE_PRECEDENCE);

	return put_text(writer, bm_span_of("Precedence"), value.size > 0 ? value : bm_span_of("list"));
}

static bool is_utf8_body(const struct bm_writer *writer)
{
	struct bm_span body = writer->draft->body;

	return writer->message->eight_bit && bm_utf8_valid(body.data, body.size);
}

static enum bm_code refuse_slots(struct bm_writer *writer, const struct bm_field *field)
{
	return bm_merge_header(writer, field->name, field->value, false);
}

static bool is_name(struct bm_span name, const char *wanted)
{
	return bm_span_equal_nocase(name, bm_span_of(wanted));
}

/* A header that the plan for the body changes; *done: it was one. */
static enum bm_code put_planned(struct bm_writer *writer, struct bm_span name, bool *done)
{
	struct bm_body_plan *plan = &writer->plan;

	*done = true;
	if (plan->type.size > 0 && is_name(name, "Content-Type")) {
		plan->type_written = true;
		return put_plain(writer, name, plan->type);
	}
	if (plan->quoted && is_name(name, "Content-Transfer-Encoding")) {
		plan->quoted_written = true;
		return put_plain(writer, name, bm_span_of("quoted-printable"));
	}
	*done = false;
	return BM_OK;
}

static enum bm_code put_rest_of_plan(struct bm_writer *writer)
{
	const struct bm_body_plan *plan = &writer->plan;
	bool done = false;
	enum bm_code code = BM_OK;

	if (!plan->type_written)
		code = put_planned(writer, bm_span_of("Content-Type"), &done);
	if (code == BM_OK && !plan->quoted_written)
		code = put_planned(writer, bm_span_of("Content-Transfer-Encoding"), &done);
	return code;
}

static enum bm_code put_content_type(struct bm_writer *writer)
{
	const struct bm_field *field = bm_draft_find(writer->draft, "Content-type");
	bool html = writer->draft->options->html;

	if (field != NULL && !bm_is_ascii(field->value))
		return bm_error_set(writer->err, BM_E_MESSAGE, "MB022", "the header Content-type is not ASCII");
	if (field != NULL && bm_merge_wants(writer->draft, field->value))
		return refuse_slots(writer, field);
	if (writer->plan.type.size > 0) {
		writer->plan.type_written = true;
		return put_plain(writer, field != NULL ? field->name : bm_span_of("Content-type"), writer->plan.type);
	}
	if (field != NULL)
		return put_plain(writer, field->name, field->value);
	const char *type = html ? "text/html" : "text/plain";
	if (is_utf8_body(writer))
		type = html ? "text/html; charset=utf-8" : "text/plain; charset=utf-8";
	return put_plain(writer, bm_span_of("Content-type"), bm_span_of(type));
}

static enum bm_code put_further(struct bm_writer *writer)
{
	enum bm_code code = BM_OK;

	for (size_t i = 0; code == BM_OK && i < writer->draft->field_count; i++) {
		const struct bm_field *field = &writer->draft->fields[i];
		if (field->raw.size > 0 || bm_is_blank(field->value))
			continue;
		bool type = bm_span_equal_nocase(field->name, bm_span_of("Content-type"));
		char name[128] = "";
		memcpy(name, field->name.data, field->name.size);
		bool done = is_file(writer->draft) ? file_has(writer->draft, name) : type;
		if (!done)
			code = put_planned(writer, field->name, &done);
		if (code == BM_OK && !done)
			code = put_text(writer, field->name, field->value);
	}
	return code;
}

static enum bm_code put_id(struct bm_writer *writer)
{
	if (bm_draft_find(writer->draft, "Message-ID") != NULL)
		return BM_OK;
	writer->message->own_id = true;
	return bm_writer_put_place(writer, &(struct bm_place){.kind = BM_PLACE_ID});
}

static enum bm_code put_mime(struct bm_writer *writer)
{
	enum bm_code code = BM_OK;

	if (bm_draft_find(writer->draft, "MIME-Version") == NULL)
		code = put_plain(writer, bm_span_of("MIME-Version"), bm_span_of("1.0"));
	bool encoding = bm_draft_find(writer->draft, "Content-Transfer-Encoding") == NULL && !writer->plan.quoted;
	if (code == BM_OK)
		code = put_rest_of_plan(writer);
	if (code == BM_OK && writer->message->eight_bit && encoding)
		code = put_plain(writer, bm_span_of("Content-Transfer-Encoding"), bm_span_of("8bit"));
	return code;
}

/* The original's headers in the original's order, then ours. */
static enum bm_code put_composed_headers(struct bm_writer *writer)
{
	const struct bm_draft *draft = writer->draft;
	enum bm_code code = put_date(writer);

	if (code == BM_OK)
		code = put_address(writer, "From", attribute(draft, BM_ATTRIBUTE_FROM));
	if (code == BM_OK)
		code = put_subject(writer);
	if (code == BM_OK)
		code = put_to(writer);
	if (code == BM_OK)
		code = put_address_or_from(writer, "Sender", sender_header(draft));
	if (code == BM_OK)
		code = put_address_or_from(writer, "Reply-To", attribute(draft, BM_ATTRIBUTE_REPLY_TO));
	if (code == BM_OK)
		code = put_precedence(writer);
	if (code == BM_OK)
		code = put_content_type(writer);
	if (code == BM_OK)
		code = put_further(writer);
	if (code == BM_OK)
		code = put_id(writer);
	return code == BM_OK ? put_mime(writer) : code;
}

enum bm_code bm_writer_put_raw(struct bm_writer *writer, const struct bm_field *field)
{
	bool fold = !writer->draft->options->trust_wrapping;

	enum bm_code code = stuff_field(writer, field->raw);
	if (code == BM_OK)
		code = bm_field_append_verbatim(&writer->message->wire, field->raw, fold);
	if (code == BM_E_LIMIT)
		return bm_error_set(writer->err, BM_E_MESSAGE, "MB022",
			"line %zu of the message: the header has a line over %d octets and no blank to fold it at", field->line,
			BM_LINE_MAX);
	return code == BM_OK ? BM_OK : bm_writer_no_room(writer, code);
}

static enum bm_code put_raw_fields(struct bm_writer *writer)
{
	enum bm_code code = BM_OK;

	for (size_t i = 0; code == BM_OK && i < writer->draft->field_count; i++) {
		const struct bm_field *field = &writer->draft->fields[i];
		bool done = field->raw.size == 0 || bm_field_is_dropped(field);
		if (!done && bm_merge_wants(writer->draft, field->value))
			code = bm_merge_header(writer, field->name, field->value, false);
		else if (!done)
			code = put_planned(writer, field->name, &done);
		if (code == BM_OK && !done && !bm_merge_wants(writer->draft, field->value))
			code = bm_is_ascii(field->raw) ? bm_writer_put_raw(writer, field) : bm_utf8_header(writer, field);
	}
	return code;
}

/* An attribute that fills a header which the file lacks. */
static enum bm_code fill(struct bm_writer *writer, enum bm_attribute which)
{
	const char *name = bm_attribute_name(which);
	struct bm_span value = attribute(writer->draft, which);

	if (file_has(writer->draft, name))
		return BM_OK;
	switch (which) {
	case BM_ATTRIBUTE_TO:
		return put_to(writer);
	case BM_ATTRIBUTE_SUBJECT:
		return put_subject(writer);
	case BM_ATTRIBUTE_SENDER:
		value = sender_header(writer->draft);
		break;
	case BM_ATTRIBUTE_PRECEDENCE:
		return value.size == 0 ? BM_OK : put_precedence(writer);
	case BM_ATTRIBUTE_FROM:
	case BM_ATTRIBUTE_REPLY_TO:
	case BM_ATTRIBUTE_COUNT:
		break;
	}
	return value.size == 0 ? BM_OK : put_address(writer, name, value);
}

static enum bm_code put_file_headers(struct bm_writer *writer)
{
	static const enum bm_attribute order[] = {BM_ATTRIBUTE_FROM, BM_ATTRIBUTE_SUBJECT, BM_ATTRIBUTE_TO,
		BM_ATTRIBUTE_SENDER, BM_ATTRIBUTE_REPLY_TO, BM_ATTRIBUTE_PRECEDENCE};

	enum bm_code code = put_raw_fields(writer);
	if (code == BM_OK)
		code = put_date(writer);
	for (size_t i = 0; code == BM_OK && i < sizeof order / sizeof order[0]; i++)
		code = fill(writer, order[i]);
	if (code == BM_OK)
		code = put_further(writer);
	if (code == BM_OK)
		code = put_id(writer);
	bool lacks_version = bm_draft_find(writer->draft, "MIME-Version") == NULL;
	bool typed = bm_draft_find(writer->draft, "Content-Type") != NULL || writer->plan.type.size > 0;
	if (code == BM_OK && lacks_version && typed)
		code = put_plain(writer, bm_span_of("MIME-Version"), bm_span_of("1.0"));
	return code == BM_OK ? put_rest_of_plan(writer) : code;
}

static size_t body_limit(const struct bm_message_options *options)
{
	if (options->trust_wrapping || options->form == BM_MESSAGE_FILE)
		return 0;
	return options->force80 ? 78 : BM_LINE_MAX;
}

static size_t header_limit(const struct bm_message_options *options)
{
	if (options->trust_wrapping)
		return 0;
	return options->force80 && options->form != BM_MESSAGE_FILE ? 78 : BM_LINE_MAX;
}

/* What was above ASCII may have become quoted-printable. */
static enum bm_code put_merged_body(struct bm_writer *writer)
{
	struct bm_message *message = writer->message;

	message->eight_bit = false;
	enum bm_code code = bm_merge_body(writer);
	message->eight_bit = message->eight_bit || !bm_is_ascii(bm_buf_view(&message->wire));
	return code;
}

static enum bm_code put_all(struct bm_writer *writer)
{
	const struct bm_draft *draft = writer->draft;
	struct bm_message *message = writer->message;

	enum bm_code code = is_file(draft) ? put_file_headers(writer) : put_composed_headers(writer);
	if (code != BM_OK)
		return code;
	code = bm_buf_append_str(&message->wire, "\r\n");
	if (code == BM_OK && writer->plan.merged)
		return put_merged_body(writer);
	if (code == BM_OK)
		code = bm_body_append(&message->wire, draft->body, writer->body_limit, &message->stuffed);
	return code == BM_OK ? BM_OK : bm_writer_no_room(writer, code);
}

/* The wire without its stuffed dots. */
static enum bm_code make_bare(struct bm_message *message, struct bm_error *err)
{
	struct bm_span rest = bm_buf_view(&message->wire);

	if (message->stuffed == 0)
		return BM_OK;
	bm_buf_init(&message->bare, BM_WIRE_MAX);
	enum bm_code code = bm_buf_reserve(&message->bare, rest.size);
	while (code == BM_OK && rest.size > 0) {
		const unsigned char *end = memchr(rest.data, '\n', rest.size);
		size_t size = end == NULL ? rest.size : (size_t)(end + 1 - rest.data);
		size_t dot = rest.data[0] == '.' ? 1 : 0;
		code = bm_buf_append(&message->bare, rest.data + dot, size - dot);
		rest = bm_span_make(rest.data + size, rest.size - size);
	}
	return code == BM_OK ? BM_OK : bm_error_nomem(err);
}

/* A server with SMTPUTF8 has 8BITMIME, too. */
static bool needs_seven(const struct bm_message *message)
{
	bool raw = false;

	for (size_t i = 0; i < message->place_count; i++)
		raw = raw || message->places[i].kind == BM_PLACE_RAW;
	return !message->utf8 && (raw || message->eight_bit);
}

static enum bm_code compile(struct bm_message *message, const struct bm_draft *draft, struct bm_error *err)
{
	struct bm_writer writer = {.message = message, .draft = draft, .limit = header_limit(draft->options), .err = err};

	writer.body_limit = body_limit(draft->options);
	message->eight_bit = !bm_is_ascii(draft->body);
	message->use_envelope = draft->options->use_envelope;
	memcpy(message->id_seed, draft->options->message_id_seed, sizeof message->id_seed);
	enum bm_code code = find_sender(message, draft, err);
	if (code == BM_OK)
		code = find_id_host(message, draft, err);
	if (code != BM_OK)
		return code;
	bm_buf_init(&writer.field, BM_WIRE_MAX);
	bm_buf_init(&writer.scratch, BM_WIRE_MAX);
	code = bm_slots_init(&writer.slots, message, draft->options, err);
	if (code == BM_OK)
		code = bm_merge_plan(&writer);
	if (code == BM_OK)
		code = put_all(&writer);
	if (code == BM_OK)
		code = bm_slots_finish(&writer.slots);
	bm_slots_deinit(&writer.slots);
	bm_buf_deinit(&writer.field);
	bm_buf_deinit(&writer.scratch);
	message->eight_bit = message->eight_bit || !bm_is_ascii(bm_buf_view(&message->wire));
	if (code == BM_OK)
		code = make_bare(message, err);
	return code == BM_OK && needs_seven(message) ? bm_seven_new(&message->seven, message, err) : code;
}

/* A caller of another version has a struct of another size: what it does not know keeps its default. */
static struct bm_message_options known_options(const struct bm_message_options *options)
{
	struct bm_message_options known = BM_MESSAGE_OPTIONS_INIT;

	memcpy(&known, options, options->size < sizeof known ? options->size : sizeof known);
	known.size = sizeof known;
	return known;
}

static enum bm_code check_options(const struct bm_message_options *options, struct bm_error *err)
{
	if ((options->content == NULL && options->content_size > 0) ||
		(options->headers == NULL && options->header_count > 0) ||
		(options->columns == NULL && options->column_count > 0))
		return bm_error_set(err, BM_E_USAGE, "", "a size without content");
	return options->content_size > BM_WIRE_MAX / 2 ? bm_error_set(err, BM_E_LIMIT, "", "the message is too large")
												   : BM_OK;
}

static enum bm_code build(
	struct bm_message *message, struct bm_draft *draft, const struct bm_message_options *options, struct bm_error *err)
{
	enum bm_code code = bm_draft_init(draft, options, err);
	if (code == BM_OK)
		code = check(draft, err);
	if (code == BM_OK)
		code = compile(message, draft, err);
	bm_draft_deinit(draft);
	return code;
}

enum bm_code bm_message_new(struct bm_message **out, const struct bm_message_options *options, struct bm_error *err)
{
	if (out != NULL)
		*out = NULL;
	if (out == NULL || options == NULL || options->size == 0)
		return bm_error_set(err, BM_E_USAGE, "", "struct bm_message_options was not set up by BM_MESSAGE_OPTIONS_INIT");
	struct bm_message_options known = known_options(options);
	enum bm_code code = check_options(&known, err);
	if (code != BM_OK)
		return code;
	struct bm_message *message = calloc(1, sizeof *message);
	struct bm_draft *draft = malloc(sizeof *draft);
	if (message == NULL || draft == NULL) {
		code = bm_error_nomem(err);
		goto done;
	}
	bm_buf_init(&message->wire, BM_WIRE_MAX);
	code = build(message, draft, &known, err);
	if (code == BM_OK) {
		*out = message;
		message = NULL;
	}
done:
	bm_message_free(message);
	free(draft);
	return code;
}

void bm_message_free(struct bm_message *message)
{
	if (message == NULL)
		return;
	bm_message_free(message->seven);
	bm_buf_deinit(&message->wire);
	bm_buf_deinit(&message->bare);
	bm_arena_deinit(&message->arena);
	free(message->places);
	free(message);
}

const char *bm_message_sender(const struct bm_message *message)
{
	return message->sender;
}

bool bm_message_eight_bit(const struct bm_message *message)
{
	return message->eight_bit && message->seven == NULL;
}

bool bm_message_utf8(const struct bm_message *message)
{
	return message->utf8;
}
