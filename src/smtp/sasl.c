/* SPDX-License-Identifier: MIT */
#include "smtp/sasl.h"

#include "base/base64.h"
#include "base/error.h"
#include "smtp/sasl_private.h"

#include <stdlib.h>

/* RFC 4954, 4: the AUTH command is a command line like any other, and no longer. */
#define COMMAND_MAX 512

static const struct bm_sasl_mechanism mechanisms[] = {
	{.name = "SCRAM-SHA-256-PLUS", .respond = bm_sasl_scram, .binds = true, .speaks_first = true},
	{.name = "SCRAM-SHA-256", .respond = bm_sasl_scram, .speaks_first = true},
	{.name = "SCRAM-SHA-1", .respond = bm_sasl_scram, .speaks_first = true},
	{.name = "CRAM-MD5", .respond = bm_sasl_cram_md5},
	{.name = "PLAIN", .respond = bm_sasl_plain, .shows_secret = true, .speaks_first = true},
	{.name = "LOGIN", .respond = bm_sasl_login, .shows_secret = true},
	{.name = "XOAUTH2", .respond = bm_sasl_xoauth2, .shows_secret = true, .speaks_first = true},
	{.name = "OAUTHBEARER", .respond = bm_sasl_oauthbearer, .shows_secret = true, .speaks_first = true},
};

static const struct bm_sasl_mechanism *mechanism_find(struct bm_span name)
{
	for (size_t i = 0; i < sizeof mechanisms / sizeof mechanisms[0]; i++) {
		if (bm_span_equal_nocase(name, bm_span_of(mechanisms[i].name)))
			return &mechanisms[i];
	}
	return NULL;
}

static bool separates(unsigned char c)
{
	return c == ' ' || c == ',' || c == '\t';
}

/* The next name of a list, which is cut from its front; empty at the end. */
static struct bm_span cut_name(struct bm_span *rest)
{
	while (rest->size > 0 && separates(rest->data[0]))
		*rest = bm_span_make(rest->data + 1, rest->size - 1);
	struct bm_span name = bm_span_make(rest->data, 0);
	if (rest->size == 0)
		return name;
	while (name.size < rest->size && !separates(rest->data[name.size]))
		name.size++;
	*rest = bm_span_make(rest->data + name.size, rest->size - name.size);
	return name;
}

bool bm_sasl_knows(const char *names, struct bm_span *wrong)
{
	struct bm_span rest = bm_span_of(names);

	*wrong = cut_name(&rest);
	if (wrong->size == 0)
		return false;
	while (wrong->size > 0 && mechanism_find(*wrong) != NULL)
		*wrong = cut_name(&rest);
	return wrong->size == 0;
}

static bool lists(struct bm_span offered, struct bm_span name)
{
	struct bm_span one = cut_name(&offered);

	while (one.size > 0 && !bm_span_equal_nocase(one, name))
		one = cut_name(&offered);
	return one.size > 0;
}

static bool has_binding(const struct bm_smtp_channel *channel)
{
	if (channel == NULL || channel->binding == NULL || channel->binding_data.size == 0)
		return false;
	return strcmp(channel->binding, "tls-exporter") == 0 || strcmp(channel->binding, "tls-unique") == 0;
}

/* What the mechanism lacks to be used over this channel; NULL: nothing. */
static const char *lacks(const struct bm_sasl_mechanism *mechanism, const struct bm_smtp_channel *channel)
{
	if (mechanism->shows_secret && channel == NULL)
		return "TLS with a verified certificate";
	if (mechanism->shows_secret && !channel->verified)
		return "a verified certificate";
	if (mechanism->binds && !has_binding(channel))
		return "TLS with a channel binding";
	return NULL;
}

static const char *order_of(const struct bm_sasl_options *options)
{
	return options->mechanisms == NULL ? BM_SASL_ORDER : options->mechanisms;
}

/* The first of our order that both can use. NULL: none; then *wanting is the first that is listed and not usable. */
static const struct bm_sasl_mechanism *choose(const struct bm_sasl_options *options, struct bm_span offered,
	const struct bm_smtp_channel *channel, const struct bm_sasl_mechanism **wanting)
{
	struct bm_span rest = bm_span_of(order_of(options));

	*wanting = NULL;
	for (struct bm_span name = cut_name(&rest); name.size > 0; name = cut_name(&rest)) {
		const struct bm_sasl_mechanism *mechanism = mechanism_find(name);
		if (mechanism == NULL || !lists(offered, name))
			continue;
		if (lacks(mechanism, channel) == NULL)
			return mechanism;
		if (*wanting == NULL)
			*wanting = mechanism;
	}
	return NULL;
}

static enum bm_code refuse_all(const struct bm_sasl_options *options, struct bm_span offered,
	const struct bm_smtp_channel *channel, const struct bm_sasl_mechanism *wanting, struct bm_error *err)
{
	char theirs[160];
	const char *ours = order_of(options);

	bm_escape(theirs, sizeof theirs, offered.data, offered.size);
	if (offered.size == 0)
		return bm_error_set(err, BM_E_AUTH, "", "the server offers no way to log in");
	if (wanting == NULL)
		return bm_error_set(err, BM_E_AUTH, "", "the server offers to log in by %s, we would use %s", theirs, ours);
	return bm_error_set(err, BM_E_AUTH, "", "%s needs %s; the server offers to log in by %s, we would use %s",
		wanting->name, lacks(wanting, channel), theirs, ours);
}

/* What no mechanism can carry; the bearers end their fields with an octet 1. */
static enum bm_code check_credentials(
	const struct bm_sasl_options *options, const struct bm_sasl_mechanism *mechanism, struct bm_error *err)
{
	struct bm_span secret = bm_secret_reveal(options->secret);
	bool bearer = mechanism->respond == bm_sasl_xoauth2 || mechanism->respond == bm_sasl_oauthbearer;

	if (options->user == NULL || options->user[0] == '\0')
		return bm_error_set(err, BM_E_AUTH, "", "there is no user to log in as");
	if (secret.size == 0)
		return bm_error_set(err, BM_E_AUTH, "", "the password is empty");
	if (memchr(secret.data, '\0', secret.size) != NULL)
		return bm_error_set(err, BM_E_AUTH, "", "the password holds a NUL");
	if (bearer && (bm_span_has_control(secret) || bm_span_has_control(bm_span_of(options->user))))
		return bm_error_set(err, BM_E_AUTH, "", "user or token holds a control character");
	return BM_OK;
}

enum bm_code bm_sasl_new(struct bm_sasl **out, const struct bm_sasl_options *options, struct bm_span offered,
	const struct bm_smtp_channel *channel, struct bm_error *err)
{
	const struct bm_sasl_mechanism *wanting = NULL;
	const struct bm_sasl_mechanism *mechanism = choose(options, offered, channel, &wanting);

	*out = NULL;
	if (mechanism == NULL)
		return refuse_all(options, offered, channel, wanting, err);
	enum bm_code code = check_credentials(options, mechanism, err);
	if (code != BM_OK)
		return code;
	struct bm_sasl *sasl = calloc(1, sizeof *sasl);
	if (sasl == NULL)
		return bm_error_nomem(err);
	sasl->mechanism = mechanism;
	sasl->options = options;
	sasl->channel = channel;
	bm_buf_init(&sasl->challenge, BM_SASL_LINE_MAX);
	bm_buf_init(&sasl->response, BM_SASL_LINE_MAX);
	bm_buf_init(&sasl->first, BM_SASL_LINE_MAX);
	*out = sasl;
	return BM_OK;
}

void bm_sasl_wipe(struct bm_buf *buf)
{
	bm_secret_wipe(buf->data, buf->capacity);
	bm_buf_clear(buf);
}

static void drop(struct bm_buf *buf)
{
	bm_sasl_wipe(buf);
	bm_buf_deinit(buf);
}

void bm_sasl_free(struct bm_sasl *sasl)
{
	if (sasl == NULL)
		return;
	bm_sasl_session_free(sasl);
	drop(&sasl->challenge);
	drop(&sasl->response);
	drop(&sasl->first);
	free(sasl);
}

const char *bm_sasl_mechanism(const struct bm_sasl *sasl)
{
	return sasl->mechanism->name;
}

/* bm_buf_reserve lets realloc move the octets, and what it leaves behind is not wiped. */
static enum bm_code make_room(struct bm_buf *buf, size_t size, struct bm_error *err)
{
	if (size <= buf->capacity - buf->size)
		return BM_OK;
	struct bm_buf larger;
	bm_buf_init(&larger, buf->limit);
	enum bm_code code = bm_buf_reserve(&larger, size > buf->limit ? size : buf->size + size);
	if (code == BM_OK)
		code = bm_buf_append_span(&larger, bm_buf_view(buf));
	if (code == BM_E_LIMIT)
		return bm_error_set(err, BM_E_AUTH, "", "user and password are too long for a line of SMTP");
	if (code != BM_OK)
		return bm_error_nomem(err);
	drop(buf);
	*buf = larger;
	return BM_OK;
}

enum bm_code bm_sasl_append(struct bm_buf *out, struct bm_span text, struct bm_error *err)
{
	enum bm_code code = make_room(out, text.size, err);
	return code == BM_OK ? bm_buf_append_span(out, text) : code;
}

enum bm_code bm_sasl_surplus(const struct bm_sasl *sasl, struct bm_error *err)
{
	return bm_error_set(err, BM_E_PROTOCOL, "", "the server asks for more than %s has to say", sasl->mechanism->name);
}

static enum bm_code respond(struct bm_sasl *sasl, struct bm_error *err)
{
	enum bm_code code = sasl->mechanism->respond(sasl, bm_buf_view(&sasl->challenge), &sasl->response, err);
	sasl->responses++;
	return code;
}

/* The response goes out, and is no longer here. */
static enum bm_code say_response(struct bm_sasl *sasl, struct bm_buf *out, struct bm_error *err)
{
	size_t size = BM_BASE64_SIZE(sasl->response.size);
	enum bm_code code = make_room(out, size <= BM_SASL_LINE_MAX ? size : SIZE_MAX, err);

	if (code == BM_OK)
		code = bm_base64_write(out, bm_buf_view(&sasl->response));
	bm_sasl_wipe(&sasl->response);
	return code;
}

static bool fits_command(const struct bm_sasl *sasl)
{
	size_t words = strlen("AUTH ") + strlen(sasl->mechanism->name) + strlen(" \r\n");
	return words + BM_BASE64_SIZE(sasl->response.size) <= COMMAND_MAX;
}

enum bm_code bm_sasl_begin(struct bm_sasl *sasl, struct bm_buf *out, bool *has, struct bm_error *err)
{
	*has = false;
	bm_sasl_wipe(out);
	if (!sasl->mechanism->speaks_first)
		return BM_OK;
	enum bm_code code = respond(sasl, err);
	if (code != BM_OK)
		return code;
	sasl->held_back = !fits_command(sasl);
	if (sasl->held_back)
		return BM_OK;
	*has = true;
	code = say_response(sasl, out, err);
	return code == BM_OK && out->size == 0 ? bm_sasl_append(out, bm_span_of("="), err) : code;
}

static enum bm_code take_challenge(struct bm_sasl *sasl, struct bm_span text, struct bm_error *err)
{
	bm_sasl_wipe(&sasl->challenge);
	if (++sasl->challenges > BM_SASL_ROUNDS_MAX)
		return bm_error_set(err, BM_E_PROTOCOL, "", "more than %d challenges", BM_SASL_ROUNDS_MAX);
	if (text.size > BM_SASL_LINE_MAX)
		return bm_error_set(err, BM_E_PROTOCOL, "", "a challenge of more than %d octets", BM_SASL_LINE_MAX);
	switch ((int)bm_base64_read(&sasl->challenge, text)) {
	case BM_OK:
		return BM_OK;
	case BM_E_NOMEM:
		return bm_error_nomem(err);
	default:
		return bm_error_set(err, BM_E_PROTOCOL, "", "a challenge that is no base64");
	}
}

enum bm_code bm_sasl_answer(struct bm_sasl *sasl, struct bm_span challenge, struct bm_buf *out, struct bm_error *err)
{
	bm_sasl_wipe(out);
	enum bm_code code = take_challenge(sasl, challenge, err);
	if (code != BM_OK)
		return code;
	if (sasl->held_back && sasl->challenge.size > 0)
		return bm_error_set(err, BM_E_PROTOCOL, "", "a challenge, where %s speaks first", sasl->mechanism->name);
	if (!sasl->held_back)
		code = respond(sasl, err);
	sasl->held_back = false;
	return code == BM_OK ? say_response(sasl, out, err) : code;
}

enum bm_code bm_sasl_done(struct bm_sasl *sasl, struct bm_error *err)
{
	if (sasl->complete && !sasl->held_back)
		return BM_OK;
	return bm_error_set(err, BM_E_PROTOCOL, "", "the server ends %s before it is complete", sasl->mechanism->name);
}
