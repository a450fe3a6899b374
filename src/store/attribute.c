/* SPDX-License-Identifier: MIT */
#include "store/attribute.h"

#include "base/error.h"
#include "base/nearest.h"
#include "base/number.h"
#include "base/span.h"
#include "bulkmail/server.h"
#include "store/notify.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Counts are held to this, so that sums of them never overflow. */
#define COUNT_MAX 1000000000
#define TRIES_MAX 1000000
#define DAY 86400
#define WEEK 604800
#define PATH_SIZE_MAX 4095
#define HOST_SIZE_MAX 255
#define TEXT_SIZE_MAX 65535
#define NOTIFY_SIZE_MAX 100
#define ENVID_SIZE_MAX 255
#define LONGEST_VALUE_SHOWN 200

static const char *const pipelining_choices[] = {"off", "envelope", "message", "stream", "auto", NULL};
static const char *const tls_choices[] = {"none", "may", "encrypt", "verify", NULL};
static const char *const protocol_choices[] = {"smtp", "lmtp", NULL};
static const char *const ret_choices[] = {"full", "hdrs", NULL};
static const char *const in_doubt_choices[] = {"hold", "resend", "assume_accepted", NULL};
static const char *const in_doubt_now[] = {"hold", NULL};
static const char *const trusting_choices[] = {
	"0", "1", "email", "wrapping", "duplicates", "banned", "precedence", NULL};
static const char *const format_choices[] = {"auto", "plain", "csv", "tsv", "jsonl", NULL};
static const char *const class_choices[] = {
	"Mail::Bulkmail::Server", "Mail::Bulkmail::DummyServer", "Server", "DummyServer", NULL};

#define FIELD(member) offsetof(struct bm_server_options, member)
#define NONE BM_ATTRIBUTE_NO_FIELD

#define WORD(name_, member, bytes)                                                                                     \
	{                                                                                                                  \
		.name = #name_, .owner = BM_OWNER_SERVER, .type = BM_ATTRIBUTE_STRING, .min = 1, .max = (bytes),               \
		.offset = FIELD(member), .unit = "", .initial = "", .shape = BM_SHAPE_WORD                                     \
	}
#define SERVER_PATH(name_, offset_)                                                                                    \
	{                                                                                                                  \
		.name = #name_, .owner = BM_OWNER_SERVER, .type = BM_ATTRIBUTE_STRING, .min = 1, .max = PATH_SIZE_MAX,         \
		.offset = (offset_), .unit = "", .initial = ""                                                                 \
	}
#define COUNT(name_, low, high, unit_, initial_)                                                                       \
	{                                                                                                                  \
		.name = #name_, .owner = BM_OWNER_SERVER, .type = BM_ATTRIBUTE_NUMBER, .min = (low), .max = (high),            \
		.offset = FIELD(name_), .unit = (unit_), .initial = (initial_)                                                 \
	}
#define READ_ONLY(name_, unit_, initial_)                                                                              \
	{                                                                                                                  \
		.name = #name_, .owner = BM_OWNER_SERVER, .type = BM_ATTRIBUTE_READ_ONLY, .offset = NONE, .unit = (unit_),     \
		.initial = (initial_)                                                                                          \
	}
#define TEXT(name_, low, high, initial_, shape_)                                                                       \
	{                                                                                                                  \
		.name = #name_, .owner = BM_OWNER_CAMPAIGN, .type = BM_ATTRIBUTE_STRING, .min = (low), .max = (high),          \
		.offset = NONE, .unit = "", .initial = (initial_), .shape = (shape_)                                           \
	}
#define BOOLEAN(name_, initial_)                                                                                       \
	{                                                                                                                  \
		.name = #name_, .owner = BM_OWNER_CAMPAIGN, .type = BM_ATTRIBUTE_BOOL, .max = 1, .offset = NONE, .unit = "",   \
		.initial = (initial_)                                                                                          \
	}
#define SECONDS(name_, initial_)                                                                                       \
	{                                                                                                                  \
		.name = #name_, .owner = BM_OWNER_CAMPAIGN, .type = BM_ATTRIBUTE_NUMBER, .max = DAY, .offset = NONE,           \
		.unit = "seconds", .initial = (initial_)                                                                       \
	}
#define CHOICE(name_, owner_, offset_, choices_, initial_)                                                             \
	.name = #name_, .owner = (owner_), .type = BM_ATTRIBUTE_CHOICE, .choices = (choices_), .offset = (offset_),        \
	.unit = "", .initial = (initial_)

static const struct bm_attribute_info table[] = {
	WORD(Smtp, smtp, HOST_SIZE_MAX),
	{.name = "Port",
		.owner = BM_OWNER_SERVER,
		.type = BM_ATTRIBUTE_NUMBER,
		.min = 1,
		.max = 65535,
		.offset = FIELD(port),
		.unit = "",
		.initial = "25"},
	WORD(Domain, domain, HOST_SIZE_MAX),
	{.name = "Tries",
		.owner = BM_OWNER_SERVER,
		.type = BM_ATTRIBUTE_NUMBER,
		.min = 1,
		.max = TRIES_MAX,
		.offset = FIELD(tries),
		.unit = "tries",
		.initial = ""},
	COUNT(max_connection_attempts, 1, TRIES_MAX, "failed connects in a row", "5"),
	COUNT(envelope_limit, 0, COUNT_MAX, "recipients", "100"),
	COUNT(max_messages, 0, COUNT_MAX, "recipients", "0"),
	COUNT(max_messages_per_robin, 0, COUNT_MAX, "recipients", ""),
	COUNT(max_messages_per_connection, 0, COUNT_MAX, "recipients", "0"),
	COUNT(max_messages_while_awake, 0, COUNT_MAX, "recipients", "0"),
	COUNT(sleep_length, 0, WEEK, "seconds", "0"),
	COUNT(talk_attempts, 0, TRIES_MAX, "repetitions", "1"),
	COUNT(time_out, 0, DAY, "seconds", "0"),
	READ_ONLY(time_of_last_message, "seconds since 1970", ""),
	READ_ONLY(connected, "", "0"),
	READ_ONLY(socket, "", "-1"),
	SERVER_PATH(CONVERSATION, FIELD(conversation)),
	SERVER_PATH(server_file, NONE),
	SERVER_PATH(dummy_file, FIELD(dummy_file)),
	{.name = "connections",
		.owner = BM_OWNER_SERVER,
		.type = BM_ATTRIBUTE_NUMBER,
		.min = 1,
		.max = 1000,
		.offset = FIELD(connections),
		.unit = "connections",
		.initial = "4"},
	{CHOICE(pipelining, BM_OWNER_SERVER, FIELD(pipelining), pipelining_choices, "auto")},
	{.name = "pipeline_depth",
		.owner = BM_OWNER_SERVER,
		.type = BM_ATTRIBUTE_NUMBER,
		.min = 1,
		.max = 1000,
		.offset = FIELD(pipeline_depth),
		.unit = "transactions",
		.initial = ""},
	COUNT(max_errors_per_connection, 0, COUNT_MAX, "replies", "8"),
	{CHOICE(protocol, BM_OWNER_SERVER, FIELD(protocol), protocol_choices, "smtp")},
	{CHOICE(tls, BM_OWNER_SERVER, FIELD(tls), tls_choices, "")},
	{.name = "tls_wrapper",
		.owner = BM_OWNER_SERVER,
		.type = BM_ATTRIBUTE_BOOL,
		.max = 1,
		.offset = FIELD(tls_wrapper),
		.unit = "",
		.initial = ""},
	SERVER_PATH(tls_ca_file, FIELD(tls_ca_file)),
	{.name = "tls_pin",
		.owner = BM_OWNER_SERVER,
		.type = BM_ATTRIBUTE_STRING,
		.min = 1,
		.max = PATH_SIZE_MAX,
		.several = true,
		.offset = FIELD(tls_pin),
		.unit = "",
		.initial = ""},
	SERVER_PATH(tls_cert_file, FIELD(tls_cert_file)),
	SERVER_PATH(tls_key_file, FIELD(tls_key_file)),
	SERVER_PATH(user, FIELD(user)),
	SERVER_PATH(password_file, FIELD(password_file)),
	SERVER_PATH(password_command, FIELD(password_command)),
	SERVER_PATH(auth, FIELD(auth)),
	{.name = "rate",
		.owner = BM_OWNER_SERVER,
		.type = BM_ATTRIBUTE_STRING,
		.min = 1,
		.max = BM_RATE_MAX,
		.offset = FIELD(rate),
		.unit = "recipients",
		.initial = "",
		.shape = BM_SHAPE_RATE},
	WORD(source_address, source_address, HOST_SIZE_MAX),
	{CHOICE(server_class, BM_OWNER_CAMPAIGN, NONE, class_choices, "Mail::Bulkmail::Server")},
	TEXT(LIST, 1, PATH_SIZE_MAX, "", BM_SHAPE_LINE),
	{CHOICE(list_format, BM_OWNER_CAMPAIGN, NONE, format_choices, "auto")},
	TEXT(From, 1, TEXT_SIZE_MAX, "", BM_SHAPE_LINE),
	TEXT(To, 1, TEXT_SIZE_MAX, "", BM_SHAPE_LINE),
	TEXT(Sender, 0, TEXT_SIZE_MAX, "", BM_SHAPE_LINE),
	TEXT(ReplyTo, 1, TEXT_SIZE_MAX, "", BM_SHAPE_LINE),
	TEXT(Subject, 0, TEXT_SIZE_MAX, "", BM_SHAPE_LINE),
	TEXT(Message, 1, TEXT_SIZE_MAX, "", BM_SHAPE_TEXT),
	BOOLEAN(message_from_file, "0"),
	BOOLEAN(headers_from_message, "0"),
	BOOLEAN(HTML, "0"),
	BOOLEAN(merge, "1"),
	BOOLEAN(use_envelope, "1"),
	BOOLEAN(force80, "0"),
	TEXT(Precedence, 1, TEXT_SIZE_MAX, "list", BM_SHAPE_LINE),
	{CHOICE(Trusting, BM_OWNER_CAMPAIGN, NONE, trusting_choices, "0"), .several = true},
	TEXT(banned, 1, PATH_SIZE_MAX, "", BM_SHAPE_LINE),
	TEXT(BAD, 1, PATH_SIZE_MAX, "", BM_SHAPE_LINE),
	TEXT(GOOD, 1, PATH_SIZE_MAX, "", BM_SHAPE_LINE),
	TEXT(ERRFILE, 1, PATH_SIZE_MAX, "", BM_SHAPE_LINE),
	TEXT(notify, 1, NOTIFY_SIZE_MAX, "", BM_SHAPE_NOTIFY),
	{CHOICE(ret, BM_OWNER_CAMPAIGN, NONE, ret_choices, "")},
	TEXT(envid, 1, ENVID_SIZE_MAX, "", BM_SHAPE_LINE),
	BOOLEAN(require_tls, "0"),
	SECONDS(retry_delay, "30"),
	SECONDS(retry_delay_max, "900"),
	{CHOICE(in_doubt, BM_OWNER_CAMPAIGN, NONE, in_doubt_choices, "hold"),
		.later = "resolve what is in doubt without a journal", .now = in_doubt_now},
};

#define TABLE_SIZE (sizeof table / sizeof table[0])

const struct bm_attribute_info *bm_attribute_at(size_t index)
{
	return index < TABLE_SIZE ? &table[index] : NULL;
}

size_t bm_attribute_index(const struct bm_attribute_info *info)
{
	return (size_t)(info - table);
}

size_t bm_attribute_count(void)
{
	return TABLE_SIZE;
}

/* The two spellings that are taken for another: the manual's sample has the one, the original any case of the other. */
static const char *true_name(const char *name)
{
	if (strcmp(name, "max_message_per_robin") == 0)
		return "max_messages_per_robin";
	if (bm_span_equal_nocase(bm_span_of(name), bm_span_of("Precedence")))
		return "Precedence";
	return name;
}

const struct bm_attribute_info *bm_attribute_find(enum bm_attribute_owner owner, const char *name)
{
	name = true_name(name);
	for (size_t i = 0; i < TABLE_SIZE; i++) {
		if (table[i].owner == owner && strcmp(table[i].name, name) == 0)
			return &table[i];
	}
	return NULL;
}

const char *bm_attribute_nearest(enum bm_attribute_owner owner, const char *name)
{
	const char *nearest = NULL;
	size_t best = SIZE_MAX;

	for (size_t i = 0; i < TABLE_SIZE; i++) {
		size_t distance = table[i].owner == owner ? bm_nearest_distance(name, table[i].name) : SIZE_MAX;
		if (distance < best) {
			best = distance;
			nearest = table[i].name;
		}
	}
	return nearest != NULL && bm_nearest_is_near(name, best) ? nearest : NULL;
}

static bool is_in(const char *const *list, const char *value)
{
	for (; list != NULL && *list != NULL; list++) {
		if (strcmp(*list, value) == 0)
			return true;
	}
	return false;
}

/* "a, b or c" behind what out already holds. */
static void append_list(char *out, size_t out_size, const char *const *list)
{
	for (size_t i = 0; list[i] != NULL; i++) {
		const char *joint = i == 0 ? "" : list[i + 1] == NULL ? " or " : ", ";
		size_t used = strlen(out);
		snprintf(out + used, out_size - used, "%s%s", joint, list[i]);
	}
}

static const char *shape_words(enum bm_attribute_shape shape)
{
	switch (shape) {
	case BM_SHAPE_LINE:
		return "a line of text";
	case BM_SHAPE_WORD:
		return "text without blanks";
	case BM_SHAPE_TEXT:
		return "text";
	case BM_SHAPE_RATE:
		return "a number, N/s, N/m or N/h with N";
	case BM_SHAPE_NOTIFY:
		return "never, or success, failure and delay joined by commas or blanks";
	}
	return "";
}

static void string_expected(const struct bm_attribute_info *info, char *out, size_t out_size)
{
	const char *words = shape_words(info->shape);

	if (info->shape == BM_SHAPE_NOTIFY)
		snprintf(out, out_size, "%s", words);
	else if (info->shape == BM_SHAPE_RATE)
		snprintf(out, out_size, "%s from %" PRIu64 " to %" PRIu64, words, info->min, info->max);
	else
		snprintf(out, out_size, "%s, %" PRIu64 " to %" PRIu64 " octets", words, info->min, info->max);
}

void bm_attribute_expected(const struct bm_attribute_info *info, char *out, size_t out_size)
{
	switch (info->type) {
	case BM_ATTRIBUTE_STRING:
		string_expected(info, out, out_size);
		break;
	case BM_ATTRIBUTE_NUMBER:
		snprintf(out, out_size, "a number from %" PRIu64 " to %" PRIu64, info->min, info->max);
		break;
	case BM_ATTRIBUTE_BOOL:
		snprintf(out, out_size, "0 or 1");
		break;
	case BM_ATTRIBUTE_CHOICE:
		snprintf(out, out_size, "%s", "");
		append_list(out, out_size, info->choices);
		break;
	case BM_ATTRIBUTE_READ_ONLY:
		snprintf(out, out_size, "no value, it is read-only");
		break;
	}
}

static bool shape_fits(enum bm_attribute_shape shape, const char *value)
{
	if (shape == BM_SHAPE_TEXT)
		return true;
	for (const char *p = value; *p != '\0'; p++) {
		unsigned char c = (unsigned char)*p;
		bool blank = c == ' ' || c == '\t';
		if ((c < 0x20 && c != '\t') || c == 0x7f || (blank && shape == BM_SHAPE_WORD))
			return false;
	}
	return true;
}

static bool number_fits(const struct bm_attribute_info *info, const char *value)
{
	uint64_t number = 0;
	return bm_number_parse(bm_span_of(value), &number) && number >= info->min && number <= info->max;
}

static bool string_fits(const struct bm_attribute_info *info, const char *value)
{
	char notify[BM_NOTIFY_SIZE];
	uint64_t count;
	uint64_t period_us;
	size_t size = strlen(value);

	if (info->shape == BM_SHAPE_RATE)
		return bm_rate_parse(bm_span_make(value, size), &count, &period_us);
	if (info->shape == BM_SHAPE_NOTIFY)
		return bm_notify_parse(value, notify);
	return size >= info->min && size <= info->max && shape_fits(info->shape, value);
}

static bool type_fits(const struct bm_attribute_info *info, const char *value)
{
	switch (info->type) {
	case BM_ATTRIBUTE_STRING:
		return string_fits(info, value);
	case BM_ATTRIBUTE_NUMBER:
		return number_fits(info, value);
	case BM_ATTRIBUTE_BOOL:
		return strcmp(value, "0") == 0 || strcmp(value, "1") == 0;
	case BM_ATTRIBUTE_CHOICE:
		return is_in(info->choices, value);
	case BM_ATTRIBUTE_READ_ONLY:
		return false;
	}
	return false;
}

/* Numbers are compared as numbers: "01" connection is one. */
static bool works_now(const struct bm_attribute_info *info, const char *value)
{
	if (info->later == NULL)
		return true;
	if (info->type == BM_ATTRIBUTE_NUMBER) {
		while (value[0] == '0' && value[1] != '\0')
			value++;
	}
	return is_in(info->now, value);
}

static void explain_later(const struct bm_attribute_info *info, char *out, size_t out_size)
{
	snprintf(out, out_size, "this version cannot %s yet", info->later);
	if (info->now == NULL)
		return;
	size_t used = strlen(out);
	snprintf(out + used, out_size - used, ", expected ");
	append_list(out, out_size, info->now);
}

bool bm_attribute_explain(const struct bm_attribute_info *info, const char *value, char *out, size_t out_size)
{
	if (value == NULL && info->type != BM_ATTRIBUTE_READ_ONLY)
		return true;
	if (value == NULL || !type_fits(info, value)) {
		char expected[256];
		bm_attribute_expected(info, expected, sizeof expected);
		snprintf(out, out_size, "expected %s", expected);
		return false;
	}
	if (works_now(info, value))
		return true;
	explain_later(info, out, out_size);
	return false;
}

enum bm_code bm_attribute_check(const struct bm_attribute_info *info, const char *value, struct bm_error *err)
{
	char reason[256];
	char shown[LONGEST_VALUE_SHOWN];

	if (bm_attribute_explain(info, value, reason, sizeof reason))
		return BM_OK;
	const char *text = value == NULL ? "undef" : value;
	bm_escape(shown, sizeof shown, text, strlen(text));
	return bm_error_set(err, BM_E_CONF, "", "%s: found \"%s\", %s", info->name, shown, reason);
}
