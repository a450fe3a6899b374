/* SPDX-License-Identifier: MIT */
/* The record's lines, see bulkmail-sink(5). */
#include "sink/session_private.h"

#include "base/error.h"
#include "base/utf8.h"

#include <jansson.h>
#include <stdlib.h>

#define TEXT_MAX 4096

/* Octets as text: as they are when they are UTF-8, else escaped. */
static json_t *text_value(struct bm_span span)
{
	char escaped[TEXT_MAX];

	if (span.size == 0)
		return json_string("");
	if (bm_utf8_valid(span.data, span.size))
		return json_stringn((const char *)span.data, span.size);
	bm_escape(escaped, sizeof escaped, span.data, span.size);
	return json_string(escaped);
}

static void set(json_t *object, const char *key, json_t *value)
{
	/* Only without memory: then the member is missing. */
	(void)json_object_set_new(object, key, value);
}

static int append(const char *data, size_t size, void *to)
{
	return bm_buf_append(to, data, size) == BM_OK ? 0 : -1;
}

static void add_line(struct bm_sink_session *session, json_t *object)
{
	struct bm_buf *log = &session->shared->log;
	size_t before = log->size;
	bool failed = object == NULL || json_dump_callback(object, append, log, JSON_COMPACT) != 0 ||
				  bm_buf_append_str(log, "\n") != BM_OK;

	if (failed) {
		log->size = before;
		session->broken = true;
	}
	json_decref(object);
}

struct bm_span bm_sink_next_entry(struct bm_span *list)
{
	const unsigned char *end = memchr(list->data, '\0', list->size);
	size_t size = end == NULL ? list->size : (size_t)(end - list->data);
	struct bm_span entry = bm_span_make(list->data, size);
	size_t skip = end == NULL ? size : size + 1;
	*list = bm_span_make(list->data + skip, list->size - skip);
	return entry;
}

static json_t *refused_value(struct bm_span list)
{
	json_t *array = json_array();
	while (list.size > 0)
		(void)json_array_append_new(array, text_value(bm_sink_next_entry(&list)));
	return array;
}

/* The addresses, and their parameters when any has some. */
static void set_recipients(json_t *object, struct bm_span list)
{
	json_t *addresses = json_array();
	json_t *params = json_array();
	bool has_params = false;

	while (list.size > 0) {
		(void)json_array_append_new(addresses, text_value(bm_sink_next_entry(&list)));
		struct bm_span text = bm_sink_next_entry(&list);
		has_params = has_params || text.size > 0;
		(void)json_array_append_new(params, text_value(text));
	}
	set(object, "recipients", addresses);
	if (has_params)
		set(object, "recipient_params", params);
	else
		json_decref(params);
}

static json_t *violations_value(uint32_t seen)
{
	json_t *array = json_array();
	for (int i = 0; i < BM_SINK_V_COUNT; i++)
		if ((seen & bm_sink_violation_bit((enum bm_sink_violation)i)) != 0)
			(void)json_array_append_new(array, json_string(bm_sink_violation_name((enum bm_sink_violation)i)));
	return array;
}

static json_t *content_value(const struct bm_buf *kept)
{
	size_t room = (kept->size + 2) / 3 * 4 + 1;
	unsigned char *text = malloc(room);
	if (text == NULL || kept->size > INT32_MAX) {
		free(text);
		return NULL;
	}
	text[0] = '\0';
	int size = EVP_EncodeBlock(text, kept->data, (int)kept->size);
	json_t *value = json_stringn((const char *)text, (size_t)size);
	free(text);
	return value;
}

void bm_sink_record_transaction(struct bm_sink_session *session, const struct bm_sink_result *result)
{
	struct bm_sink_shared *shared = session->shared;
	struct bm_sink_transaction *transaction = &session->transaction;
	uint32_t seen = transaction->seen;

	/* Whatever is in the line is not told again. */
	transaction->seen = 0;
	if (shared->digest == NULL)
		return;
	json_t *object = json_object();
	set(object, "transaction", json_integer((json_int_t)result->number));
	set(object, "connection", json_integer((json_int_t)session->number));
	set(object, "helo", text_value(bm_buf_view(&session->helo)));
	set(object, "sender", text_value(bm_buf_view(&transaction->sender)));
	set(object, "mail_params", text_value(bm_buf_view(&transaction->mail_params)));
	set_recipients(object, result->recipients);
	set(object, "refused", refused_value(bm_buf_view(&transaction->refused)));
	set(object, "size", json_integer((json_int_t)session->content.size));
	set(object, "sha256", json_string(session->hash));
	set(object, "accepted", json_boolean(result->accepted));
	set(object, "reply", text_value(bm_span_trim(bm_buf_view(&session->reply))));
	set(object, "bdat", json_boolean(transaction->chunked));
	set(object, "violations", violations_value(seen));
	if (session->secure)
		set(object, "tls", json_true());
	if (session->login.done)
		set(object, "user", text_value(bm_buf_view(&session->login.user)));
	if (shared->content)
		set(object, "content_base64", content_value(&session->content.kept));
	set(object, "at", json_integer((json_int_t)shared->wall_ms));
	add_line(session, object);
}

static json_t *name_value(const char *text)
{
	return text == NULL ? json_null() : text_value(bm_span_of(text));
}

void bm_sink_record_tls(struct bm_sink_session *session)
{
	struct bm_sink_tls_facts facts;

	if (session->shared->digest == NULL)
		return;
	bm_sink_tls_facts(session->tls, &facts);
	bool failed = facts.error[0] != '\0';
	json_t *object = json_object();
	set(object, "tls", failed ? json_null() : json_string(facts.version));
	set(object, "connection", json_integer((json_int_t)session->number));
	if (failed)
		set(object, "error", json_string(facts.error));
	else
		set(object, "cipher", json_string(facts.cipher));
	set(object, "name", name_value(facts.name));
	if (!failed) {
		set(object, "resumed", json_boolean(facts.resumed));
		set(object, "client", name_value(facts.subject[0] == '\0' ? NULL : facts.subject));
	}
	set(object, "at", json_integer((json_int_t)session->shared->wall_ms));
	add_line(session, object);
}

void bm_sink_record_auth(struct bm_sink_session *session, bool success)
{
	const struct bm_sink_login *login = &session->login;

	if (session->shared->digest == NULL)
		return;
	json_t *object = json_object();
	set(object, "auth", text_value(bm_buf_view(&login->mechanism)));
	set(object, "connection", json_integer((json_int_t)session->number));
	set(object, "user", text_value(bm_buf_view(&login->user)));
	set(object, "success", json_boolean(success));
	set(object, "secure", json_boolean(session->secure));
	set(object, "initial", json_boolean(login->initial));
	set(object, "reply", text_value(bm_span_trim(bm_buf_view(&session->reply))));
	set(object, "at", json_integer((json_int_t)session->shared->wall_ms));
	add_line(session, object);
}

void bm_sink_record_violation(struct bm_sink_session *session, enum bm_sink_violation violation, struct bm_span line)
{
	char escaped[TEXT_MAX];

	if (session->shared->digest == NULL)
		return;
	bm_escape(escaped, sizeof escaped, line.data, line.size);
	json_t *object = json_object();
	set(object, "violation", json_string(bm_sink_violation_name(violation)));
	set(object, "connection", json_integer((json_int_t)session->number));
	set(object, "line", json_string(escaped));
	set(object, "at", json_integer((json_int_t)session->shared->wall_ms));
	add_line(session, object);
}
