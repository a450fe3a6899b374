/* SPDX-License-Identifier: MIT */
/* The parameters of MAIL and RCPT: RFC 1870, 3030, 3461, 4954, 6152, 6531, 8689. */
#include "sink/session_private.h"

#include "base/number.h"

#define ENVID_MAX 100
#define ORCPT_MAX 500

struct param {
	const char *name;
	enum bm_sink_event verb;
	enum bm_sink_extension extension;
	bool (*apply)(struct bm_sink_transaction *transaction, struct bm_span value);
};

static bool is(struct bm_span value, const char *text)
{
	return bm_span_equal_nocase(value, bm_span_of(text));
}

static bool apply_size(struct bm_sink_transaction *transaction, struct bm_span value)
{
	transaction->has_size = bm_number_parse(value, &transaction->size);
	return transaction->has_size;
}

static bool apply_body(struct bm_sink_transaction *transaction, struct bm_span value)
{
	transaction->binary = is(value, "BINARYMIME");
	transaction->eight = is(value, "8BITMIME");
	return transaction->binary || transaction->eight || is(value, "7BIT");
}

static bool apply_utf8(struct bm_sink_transaction *transaction, struct bm_span value)
{
	transaction->utf8 = value.size == 0;
	return transaction->utf8;
}

static bool apply_flag(struct bm_sink_transaction *transaction, struct bm_span value)
{
	(void)transaction;
	return value.size == 0;
}

static bool is_hex(unsigned char c)
{
	return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'F');
}

/* RFC 3461, 4. */
static bool is_xtext(struct bm_span text)
{
	for (size_t i = 0; i < text.size; i++) {
		unsigned char c = text.data[i];
		if (c < 33 || c > 126 || c == '=')
			return false;
		if (c != '+')
			continue;
		if (text.size - i < 3 || !is_hex(text.data[i + 1]) || !is_hex(text.data[i + 2]))
			return false;
		i += 2;
	}
	return text.size > 0;
}

static bool apply_xtext(struct bm_sink_transaction *transaction, struct bm_span value)
{
	(void)transaction;
	return is_xtext(value);
}

static bool apply_envid(struct bm_sink_transaction *transaction, struct bm_span value)
{
	(void)transaction;
	return is_xtext(value) && value.size <= ENVID_MAX;
}

static bool apply_ret(struct bm_sink_transaction *transaction, struct bm_span value)
{
	(void)transaction;
	return is(value, "FULL") || is(value, "HDRS");
}

/* NEVER stands alone; of the others each at most once. */
static bool apply_notify(struct bm_sink_transaction *transaction, struct bm_span value)
{
	static const char *const words[] = {"SUCCESS", "FAILURE", "DELAY"};
	unsigned seen = 0;

	(void)transaction;
	if (is(value, "NEVER"))
		return true;
	for (bool more = true; more;) {
		const unsigned char *comma = value.size == 0 ? NULL : memchr(value.data, ',', value.size);
		struct bm_span word = bm_span_make(value.data, comma == NULL ? value.size : (size_t)(comma - value.data));
		unsigned bit = 0;
		for (unsigned i = 0; i < 3; i++)
			bit |= is(word, words[i]) ? 1U << i : 0;
		if (bit == 0 || (seen & bit) != 0)
			return false;
		seen |= bit;
		more = comma != NULL;
		if (more)
			value = bm_span_make(comma + 1, value.size - word.size - 1);
	}
	return true;
}

/* "utf-8;" has a form of its own (RFC 6533, 3): no blanks, controls or "=", and UTF-8 only with SMTPUTF8. */
static bool apply_orcpt(struct bm_sink_transaction *transaction, struct bm_span value)
{
	const unsigned char *mark = value.size == 0 ? NULL : memchr(value.data, ';', value.size);

	if (mark == NULL || mark == value.data || value.size > ORCPT_MAX)
		return false;
	size_t size = (size_t)(mark - value.data);
	struct bm_span address = bm_span_make(mark + 1, value.size - size - 1);
	if (!is(bm_span_make(value.data, size), "utf-8"))
		return is_xtext(address);
	for (size_t i = 0; i < address.size; i++) {
		unsigned char c = address.data[i];
		if (c < 33 || c == 127 || c == '=' || (c > 127 && !transaction->utf8))
			return false;
	}
	return address.size > 0;
}

static const struct param params_known[] = {
	{"SIZE", BM_SINK_ON_MAIL, BM_SINK_EXT_SIZE, apply_size},
	{"BODY", BM_SINK_ON_MAIL, BM_SINK_EXT_8BITMIME, apply_body},
	{"SMTPUTF8", BM_SINK_ON_MAIL, BM_SINK_EXT_SMTPUTF8, apply_utf8},
	{"RET", BM_SINK_ON_MAIL, BM_SINK_EXT_DSN, apply_ret},
	{"ENVID", BM_SINK_ON_MAIL, BM_SINK_EXT_DSN, apply_envid},
	{"REQUIRETLS", BM_SINK_ON_MAIL, BM_SINK_EXT_REQUIRETLS, apply_flag},
	{"AUTH", BM_SINK_ON_MAIL, BM_SINK_EXT_AUTH, apply_xtext},
	{"NOTIFY", BM_SINK_ON_RCPT, BM_SINK_EXT_DSN, apply_notify},
	{"ORCPT", BM_SINK_ON_RCPT, BM_SINK_EXT_DSN, apply_orcpt},
};

#define COUNT (sizeof params_known / sizeof params_known[0])

/* COUNT: none. */
static size_t param_find(enum bm_sink_event verb, struct bm_span name)
{
	for (size_t i = 0; i < COUNT; i++)
		if (params_known[i].verb == verb && is(name, params_known[i].name))
			return i;
	return COUNT;
}

enum bm_sink_params bm_sink_params_check(
	struct bm_sink_session *session, enum bm_sink_event verb, struct bm_span params)
{
	struct bm_sink_transaction *transaction = &session->transaction;
	struct bm_span name;
	struct bm_span value;
	unsigned seen = 0;

	while (bm_sink_command_param(&params, &name, &value)) {
		size_t found = param_find(verb, name);
		if (found == COUNT || !bm_sink_offers(session, params_known[found].extension))
			return BM_SINK_PARAMS_UNKNOWN;
		if ((seen & 1U << found) != 0 || !params_known[found].apply(transaction, value))
			return BM_SINK_PARAMS_WRONG;
		seen |= 1U << found;
	}
	if (transaction->binary && !bm_sink_offers(session, BM_SINK_EXT_BINARYMIME))
		return BM_SINK_PARAMS_UNKNOWN;
	return BM_SINK_PARAMS_RIGHT;
}
