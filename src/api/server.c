/* SPDX-License-Identifier: MIT */
/* A server as an object: its attributes by type and by name, its counters and limits. */
#include "api/server.h"

#include "base/error.h"
#include "net/clock.h"
#include "store/attribute.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define REPLY_SIZE_MAX 65536
#define KEYWORDS_SIZE_MAX 65536

static bool is_string(const struct bm_attribute_info *info)
{
	return info->type == BM_ATTRIBUTE_STRING || info->type == BM_ATTRIBUTE_CHOICE;
}

static const void *field(const struct bm_server_options *options, const struct bm_attribute_info *info)
{
	return (const char *)options + info->offset;
}

/* The value as text, in number when it is one; NULL when unset. */
static const char *field_text(
	const struct bm_server_options *options, const struct bm_attribute_info *info, char *number, size_t size)
{
	const char *text;
	uint64_t value;

	if (is_string(info)) {
		memcpy(&text, field(options, info), sizeof text);
		return text;
	}
	memcpy(&value, field(options, info), sizeof value);
	snprintf(number, size, "%" PRIu64, value);
	return number;
}

static bool is_initial(const struct bm_server_options *options, const struct bm_attribute_info *info)
{
	const struct bm_server_options initial = BM_SERVER_OPTIONS_INIT;
	size_t size = is_string(info) ? sizeof(char *) : sizeof(uint64_t);
	return memcmp(field(options, info), field(&initial, info), size) == 0;
}

static enum bm_code check_options(const struct bm_server_options *options, struct bm_error *err)
{
	const struct bm_attribute_info *info = bm_attribute_at(0);

	for (size_t i = 0; info != NULL; info = bm_attribute_at(++i)) {
		char number[32];
		if (info->owner != BM_OWNER_SERVER || info->offset == BM_ATTRIBUTE_NO_FIELD || is_initial(options, info))
			continue;
		const char *text = field_text(options, info, number, sizeof number);
		if (text != NULL && bm_attribute_check(info, text, err) != BM_OK)
			return BM_E_CONF;
	}
	return bm_security_check_auth(options->auth, err);
}

/* Attribute errors of a caller carry MBO004, those of a file MBO002. */
static enum bm_code refused(struct bm_error *err)
{
	struct bm_error inner = *err;

	if (inner.code == BM_E_NOMEM)
		return BM_E_NOMEM;
	return bm_error_set(err, BM_E_CONF, "MBO004", "%s", inner.text);
}

void bm_server_rename(struct bm_server *server)
{
	const struct bm_server_options *options = &server->options;
	unsigned port = bm_security_port(options);

	if (options->dummy_file != NULL)
		snprintf(server->name, sizeof server->name, "dummy:%s", options->dummy_file);
	else if (bm_security_is_local(options))
		snprintf(server->name, sizeof server->name, "%s", options->smtp);
	else if (options->smtp != NULL && strchr(options->smtp, ':') != NULL && options->smtp[0] != '[')
		snprintf(server->name, sizeof server->name, "[%s]:%u", options->smtp, port);
	else
		snprintf(server->name, sizeof server->name, "%s:%u", options->smtp == NULL ? "" : options->smtp, port);
}

static enum bm_code open_conversation(struct bm_server *server, struct bm_error *err)
{
	struct bm_log *log = NULL;

	if (server->options.conversation != NULL) {
		enum bm_code code = bm_log_open(&log, server->options.conversation, err);
		if (code != BM_OK)
			return code;
	}
	bm_server_take_conversation(server, log);
	return BM_OK;
}

enum bm_code bm_server_new(struct bm_server **out, const struct bm_server_options *options, struct bm_error *err)
{
	struct bm_server_options wanted = BM_SERVER_OPTIONS_INIT;
	struct bm_error inner = BM_ERROR_INIT;

	*out = NULL;
	if (err == NULL)
		err = &inner;
	if (options != NULL)
		memcpy(&wanted, options, options->size < sizeof wanted ? options->size : sizeof wanted);
	wanted.size = sizeof wanted;
	if (check_options(&wanted, err) != BM_OK)
		return refused(err);
	struct bm_server *server = calloc(1, sizeof *server);
	if (server == NULL)
		return bm_error_nomem(err);
	bm_buf_init(&server->reply, REPLY_SIZE_MAX + 1);
	bm_buf_init(&server->keywords, KEYWORDS_SIZE_MAX);
	enum bm_code code = bm_server_options_copy(&server->options, &wanted, err);
	if (code == BM_OK)
		code = open_conversation(server, err);
	if (code != BM_OK) {
		bm_server_free(server);
		return code;
	}
	bm_server_rename(server);
	*out = server;
	return BM_OK;
}

enum bm_code bm_server_new_named(
	struct bm_server **out, const struct bm_attribute *attributes, size_t count, struct bm_error *err)
{
	enum bm_code code = bm_server_new(out, NULL, err);
	if (code != BM_OK)
		return code;
	assert(*out != NULL);
	for (size_t i = 0; code == BM_OK && i < count; i++)
		code = bm_server_set(*out, attributes[i].name, attributes[i].value, err);
	if (code != BM_OK) {
		bm_server_free(*out);
		*out = NULL;
	}
	return code;
}

void bm_server_free(struct bm_server *server)
{
	if (server == NULL)
		return;
	bm_server_disconnect(server, false);
	bm_server_forget_security(server);
	bm_log_free(server->conversation);
	bm_buf_deinit(&server->reply);
	bm_buf_deinit(&server->keywords);
	bm_server_options_deinit(&server->options);
	free(server);
}

static enum bm_code find(const struct bm_attribute_info **info, const char *name, struct bm_error *err)
{
	if (name == NULL)
		return bm_error_set(err, BM_E_USAGE, "MBO004", "the attribute has no name");
	*info = bm_attribute_find(BM_OWNER_SERVER, name);
	if (*info != NULL)
		return BM_OK;
	const char *near = bm_attribute_nearest(BM_OWNER_SERVER, name);
	return bm_error_set(err, BM_E_USAGE, "MBO004", "a server has no attribute \"%s\"%s%s%s", name,
		near == NULL ? "" : "; did you mean \"", near == NULL ? "" : near, near == NULL ? "" : "\"?");
}

/* A log that cannot be opened leaves the one before in its place. */
static enum bm_code set_conversation(
	struct bm_server *server, const struct bm_attribute_info *info, const char *path, struct bm_error *err)
{
	struct bm_log *log = NULL;

	if (bm_attribute_check(info, path, err) != BM_OK)
		return refused(err);
	enum bm_code code = path == NULL ? BM_OK : bm_log_open(&log, path, err);
	if (code == BM_OK)
		code = bm_attribute_store(info, path, &server->options, err);
	if (code == BM_OK)
		bm_server_take_conversation(server, log);
	else
		bm_log_free(log);
	return code;
}

enum bm_code bm_server_set(struct bm_server *server, const char *name, const char *value, struct bm_error *err)
{
	const struct bm_attribute_info *info;
	struct bm_error inner = BM_ERROR_INIT;

	if (err == NULL)
		err = &inner;
	enum bm_code code = find(&info, name, err);
	if (code != BM_OK)
		return code;
	if (info->type == BM_ATTRIBUTE_READ_ONLY || info->offset == BM_ATTRIBUTE_NO_FIELD)
		return bm_error_set(err, BM_E_USAGE, "MBO004", "%s cannot be set, only read", info->name);
	if (strcmp(info->name, "CONVERSATION") == 0)
		return set_conversation(server, info, value, err);
	if (strcmp(info->name, "auth") == 0 && bm_security_check_auth(value, err) != BM_OK)
		return refused(err);
	if (bm_attribute_store(info, value, &server->options, err) != BM_OK)
		return refused(err);
	bm_server_note_change(server, info->name);
	bm_server_rename(server);
	return BM_OK;
}

static const char *read_only_text(struct bm_server *server, const char *name)
{
	if (strcmp(name, "connected") == 0)
		return bm_server_connected(server) ? "1" : "0";
	if (strcmp(name, "socket") == 0)
		snprintf(server->number, sizeof server->number, "%d", bm_server_socket(server));
	else if (server->policy.last_message_s == 0)
		return NULL;
	else
		snprintf(server->number, sizeof server->number, "%" PRIu64, server->policy.last_message_s);
	return server->number;
}

/* A 0 where 0 is out of bounds is unset. */
static const char *writable_text(struct bm_server *server, const struct bm_attribute_info *info)
{
	const char *text = field_text(&server->options, info, server->number, sizeof server->number);

	if (info->offset == offsetof(struct bm_server_options, max_messages_per_robin) &&
		server->options.max_messages_per_robin == BM_ROBIN_UNSET)
		return "0";
	if (info->offset == offsetof(struct bm_server_options, tls_wrapper) &&
		server->options.tls_wrapper == BM_TLS_WRAPPER_UNSET)
		return NULL;
	if (info->type != BM_ATTRIBUTE_NUMBER || info->min == 0 || text == NULL || strcmp(text, "0") != 0)
		return text;
	return info->initial[0] == '\0' ? NULL : info->initial;
}

enum bm_code bm_server_get(struct bm_server *server, const char *name, const char **out, struct bm_error *err)
{
	const struct bm_attribute_info *info;

	*out = NULL;
	enum bm_code code = find(&info, name, err);
	if (code != BM_OK)
		return code;
	if (info->type == BM_ATTRIBUTE_READ_ONLY)
		*out = read_only_text(server, info->name);
	else if (info->offset != BM_ATTRIBUTE_NO_FIELD)
		*out = writable_text(server, info);
	return BM_OK;
}

const struct bm_server_options *bm_server_options(const struct bm_server *server)
{
	return &server->options;
}

void bm_server_take_conversation(struct bm_server *server, struct bm_log *log)
{
	bm_log_free(server->conversation);
	server->conversation = log;
}

struct bm_log *bm_server_conversation(const struct bm_server *server)
{
	return server->conversation;
}

void bm_server_set_errfile(struct bm_server *server, struct bm_log *log)
{
	server->errfile = log;
}

const char *bm_server_name(const struct bm_server *server)
{
	return server->name;
}

bool bm_server_connected(const struct bm_server *server)
{
	return server->stream != NULL;
}

int bm_server_socket(const struct bm_server *server)
{
	return server->stream == NULL ? -1 : bm_stream_fd(server->stream);
}

struct bm_server_channel bm_server_channel(const struct bm_server *server)
{
	const struct bm_attempt *attempt = &server->attempt;
	struct bm_server_channel channel = {.tls = attempt->secured ? attempt->cipher : NULL,
		.verified = attempt->verified,
		.resumed = attempt->resumed,
		.mechanism = attempt->mechanism[0] == '\0' ? NULL : attempt->mechanism};
	return channel;
}

uint64_t bm_server_time_of_last_message(const struct bm_server *server)
{
	return server->policy.last_message_s;
}

struct bm_server_counters bm_server_counters(const struct bm_server *server)
{
	return server->policy.sent;
}

bool bm_server_worthless(const struct bm_server *server)
{
	return server->policy.worthless;
}

void bm_server_increment_messages_sent(struct bm_server *server)
{
	bm_policy_add(&server->policy, 1, bm_clock_wall_ms() / 1000);
}

void bm_server_reset_message_counters(struct bm_server *server)
{
	bm_policy_reset_messages(&server->policy);
}

void bm_server_reset_envelope_counter(struct bm_server *server)
{
	bm_policy_reset_envelope(&server->policy);
}

int bm_server_reached_envelope_limit(const struct bm_server *server)
{
	return bm_policy_envelope_full(&server->policy, &server->options) ? 1 : 0;
}

enum bm_limit bm_server_reached_limit(struct bm_server *server)
{
	uint64_t seconds = bm_policy_nap(&server->policy, &server->options);

	if (seconds > 0)
		bm_waker_sleep(NULL, bm_clock_monotonic_ms() + seconds * 1000);
	enum bm_limit limit = bm_policy_reached(&server->policy, &server->options);
	if (limit == BM_LIMIT_MESSAGES || limit == BM_LIMIT_CONNECTION)
		bm_server_disconnect(server, false);
	return limit;
}
