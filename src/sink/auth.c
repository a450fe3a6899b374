/* SPDX-License-Identifier: MIT */
#include "sink/auth.h"

#include "base/base64.h"
#include "base/error.h"

#include <errno.h>
#include <gsasl.h>
#include <openssl/crypto.h>
#include <stdio.h>
#include <stdlib.h>

#define PASSWORD_MAX (64U << 10)
#define CHALLENGE_MAX (64U << 10)
#define ITERATIONS 4096
/* More of them would keep the sink busy: beyond that the lie is in the text alone. */
#define ITERATIONS_MAX 1000000
#define HUGE_SALT 6000

struct bm_sink_auth {
	char *mechanisms;
	char *user;
	struct bm_buf password;
	Gsasl *library;
};

typedef enum bm_sink_verdict (*stepper)(
	struct bm_sink_exchange *exchange, struct bm_span said, struct bm_buf *challenge);

struct mechanism {
	const char *name;
	stepper step;
	bool gsasl;
	bool binds;
};

struct bm_sink_exchange {
	struct bm_sink_auth *auth;
	const struct mechanism *mechanism;
	const struct bm_sink_tls *tls;
	enum bm_sink_lie lie;
	uint64_t iterations;
	unsigned steps;
	struct bm_buf user;
	bool right; /* proven: what is still due is a formality */
	bool over;  /* refused, and the client has to say that it understood */
	Gsasl_session *session;
};

static bool equal(struct bm_span said, struct bm_span wanted)
{
	return said.size == wanted.size && CRYPTO_memcmp(said.data, wanted.data, wanted.size) == 0;
}

static bool put(struct bm_buf *to, struct bm_span span)
{
	return bm_buf_append_span(to, span) == BM_OK;
}

static bool put_str(struct bm_buf *to, const char *text)
{
	return put(to, bm_span_of(text));
}

/* Keeps the name and tells whether both are right. */
static enum bm_sink_verdict judge(struct bm_sink_exchange *exchange, struct bm_span user, struct bm_span password)
{
	const struct bm_sink_auth *auth = exchange->auth;

	bm_buf_clear(&exchange->user);
	(void)put(&exchange->user, user);
	bool right = bm_span_equal(user, bm_span_of(auth->user)) && equal(password, bm_buf_view(&auth->password));
	return right ? BM_SINK_AUTH_DONE : BM_SINK_AUTH_FAILED;
}

/* Takes the text up to the mark, and the mark, off said; false without one. */
static bool take(struct bm_span *said, unsigned char mark, struct bm_span *text)
{
	const unsigned char *end = said->size == 0 ? NULL : memchr(said->data, mark, said->size);

	if (end == NULL)
		return false;
	size_t size = (size_t)(end - said->data);
	*text = bm_span_make(said->data, size);
	*said = bm_span_make(end + 1, said->size - size - 1);
	return true;
}

static enum bm_sink_verdict step_plain(struct bm_sink_exchange *exchange, struct bm_span said, struct bm_buf *challenge)
{
	struct bm_span other;
	struct bm_span user;
	(void)challenge;
	if (said.data == NULL)
		return BM_SINK_AUTH_MORE;
	if (!take(&said, '\0', &other) || !take(&said, '\0', &user) || user.size == 0)
		return BM_SINK_AUTH_MALFORMED;
	if (other.size > 0 && !bm_span_equal(other, user))
		return BM_SINK_AUTH_FAILED;
	return judge(exchange, user, said);
}

static enum bm_sink_verdict step_login(struct bm_sink_exchange *exchange, struct bm_span said, struct bm_buf *challenge)
{
	if (said.data == NULL)
		return put_str(challenge, "Username:") ? BM_SINK_AUTH_MORE : BM_SINK_AUTH_FAILED;
	if (exchange->over) {
		struct bm_span user = bm_buf_view(&exchange->user);
		struct bm_sink_auth *auth = exchange->auth;
		bool right = bm_span_equal(user, bm_span_of(auth->user)) && equal(said, bm_buf_view(&auth->password));
		return right ? BM_SINK_AUTH_DONE : BM_SINK_AUTH_FAILED;
	}
	exchange->over = put(&exchange->user, said);
	return exchange->over && put_str(challenge, "Password:") ? BM_SINK_AUTH_MORE : BM_SINK_AUTH_FAILED;
}

/* The value of "auth=Bearer …" among fields that end in ^A. */
static bool find_token(struct bm_span fields, struct bm_span *token)
{
	static const char key[] = "auth=Bearer ";
	struct bm_span field;

	while (take(&fields, 1, &field)) {
		struct bm_span head = bm_span_make(field.data, field.size < sizeof key - 1 ? field.size : sizeof key - 1);
		if (!bm_span_equal_nocase(head, bm_span_of(key)))
			continue;
		*token = bm_span_make(field.data + head.size, field.size - head.size);
		return true;
	}
	return false;
}

static bool starts_with(struct bm_span text, const char *head)
{
	size_t size = strlen(head);
	return text.size >= size && memcmp(text.data, head, size) == 0;
}

/* The user out of "user=NAME^A…" or "n,a=NAME,^A…"; said is then what comes behind. */
static bool take_bearer(struct bm_span *said, bool newer, struct bm_span *user)
{
	const char *head = newer ? "n,a=" : "user=";

	if (newer && starts_with(*said, "n,,")) {
		*user = bm_span_of("");
		return take(said, 1, &(struct bm_span){0});
	}
	if (!starts_with(*said, head))
		return false;
	*said = bm_span_make(said->data + strlen(head), said->size - strlen(head));
	if (!newer)
		return take(said, 1, user);
	return take(said, ',', user) && starts_with(*said, "\x01");
}

/* A refusal has its reasons first, and its code when the client has answered them. */
static enum bm_sink_verdict step_bearer(
	struct bm_sink_exchange *exchange, struct bm_span said, struct bm_buf *challenge)
{
	bool newer = exchange->mechanism->name[0] == 'O';
	struct bm_span user;
	struct bm_span token;

	if (exchange->over)
		return BM_SINK_AUTH_FAILED;
	if (said.data == NULL)
		return BM_SINK_AUTH_MORE;
	if (!take_bearer(&said, newer, &user) || !find_token(said, &token))
		return BM_SINK_AUTH_MALFORMED;
	bool named = user.size > 0;
	if (judge(exchange, named ? user : bm_span_of(exchange->auth->user), token) == BM_SINK_AUTH_DONE)
		return BM_SINK_AUTH_DONE;
	exchange->over = true;
	const char *why = newer ? "{\"status\":\"invalid_token\",\"scope\":\"smtp\"}"
							: "{\"status\":\"401\",\"schemes\":\"bearer\",\"scope\":\"smtp\"}";
	return put_str(challenge, why) ? BM_SINK_AUTH_MORE : BM_SINK_AUTH_FAILED;
}

/* The field "x=…" of a SCRAM message, its name left out. */
static bool scram_field(struct bm_span message, char name, struct bm_span *value)
{
	while (message.size > 2) {
		const unsigned char *comma = memchr(message.data, ',', message.size);
		size_t size = comma == NULL ? message.size : (size_t)(comma - message.data);
		if (message.data[0] == (unsigned char)name && message.data[1] == '=') {
			*value = bm_span_make(message.data + 2, size - 2);
			return true;
		}
		size_t used = comma == NULL ? size : size + 1;
		message = bm_span_make(message.data + used, message.size - used);
	}
	return false;
}

static bool put_salt(struct bm_buf *out, struct bm_span salt, bool huge)
{
	struct bm_buf octets;

	if (!huge)
		return put(out, salt);
	bm_buf_init(&octets, HUGE_SALT);
	bool done = bm_buf_reserve(&octets, HUGE_SALT) == BM_OK;
	if (done) {
		memset(octets.data, 's', HUGE_SALT);
		octets.size = HUGE_SALT;
		done = bm_base64_write(out, bm_buf_view(&octets)) == BM_OK;
	}
	bm_buf_deinit(&octets);
	return done;
}

/* The server's first message with what the lie wants in place of the truth. */
static bool lie_first(const struct bm_sink_exchange *exchange, struct bm_span truth, struct bm_buf *out)
{
	struct bm_span nonce;
	struct bm_span salt;
	struct bm_span count;
	char number[32];

	if (!scram_field(truth, 'r', &nonce) || !scram_field(truth, 's', &salt) || !scram_field(truth, 'i', &count))
		return put(out, truth);
	if (exchange->lie == BM_SINK_LIE_NONCE)
		nonce = bm_span_of("anonceofitsown0123456789");
	if (exchange->lie == BM_SINK_LIE_ITERATIONS) {
		snprintf(number, sizeof number, "%llu", (unsigned long long)exchange->iterations);
		count = bm_span_of(number);
	}
	return put_str(out, "r=") && put(out, nonce) && put_str(out, ",s=") &&
		   put_salt(out, salt, exchange->lie == BM_SINK_LIE_SALT) && put_str(out, ",i=") && put(out, count);
}

/* The last message, with one bit of the signature turned round. */
static bool lie_final(const struct bm_sink_exchange *exchange, struct bm_span truth, struct bm_buf *out)
{
	if (!put(out, truth))
		return false;
	if (exchange->lie == BM_SINK_LIE_SIGNATURE && out->size > 2)
		out->data[2] = out->data[2] == 'A' ? 'B' : 'A';
	return true;
}

static enum bm_sink_verdict scram_said(
	struct bm_sink_exchange *exchange, bool final, struct bm_span text, struct bm_buf *challenge)
{
	if (!final)
		return lie_first(exchange, text, challenge) ? BM_SINK_AUTH_MORE : BM_SINK_AUTH_FAILED;
	exchange->right = true;
	if (exchange->lie == BM_SINK_LIE_NO_FINAL)
		return BM_SINK_AUTH_DONE;
	return lie_final(exchange, text, challenge) ? BM_SINK_AUTH_MORE : BM_SINK_AUTH_FAILED;
}

static void note_user(struct bm_sink_exchange *exchange)
{
	const char *user = gsasl_property_fast(exchange->session, GSASL_AUTHID);

	bm_buf_clear(&exchange->user);
	if (user != NULL)
		(void)put_str(&exchange->user, user);
}

static enum bm_sink_verdict step_gsasl(struct bm_sink_exchange *exchange, struct bm_span said, struct bm_buf *challenge)
{
	bool scram = exchange->mechanism->name[0] == 'S';
	char *text = NULL;
	size_t size = 0;

	if (exchange->right)
		return said.size == 0 ? BM_SINK_AUTH_DONE : BM_SINK_AUTH_MALFORMED;
	if (scram && said.data == NULL)
		return BM_SINK_AUTH_MORE;
	if (!scram && exchange->steps == 0 && said.data != NULL)
		return BM_SINK_AUTH_MALFORMED;
	exchange->steps++;
	int result = gsasl_step(exchange->session, (const char *)said.data, said.size, &text, &size);
	enum bm_sink_verdict verdict = BM_SINK_AUTH_FAILED;
	struct bm_span answer = bm_span_make((const unsigned char *)text, size);
	if (result == GSASL_MECHANISM_PARSE_ERROR)
		verdict = BM_SINK_AUTH_MALFORMED;
	else if (scram && (result == GSASL_OK || result == GSASL_NEEDS_MORE))
		verdict = scram_said(exchange, result == GSASL_OK, answer, challenge);
	else if (result == GSASL_NEEDS_MORE)
		verdict = put(challenge, answer) ? BM_SINK_AUTH_MORE : BM_SINK_AUTH_FAILED;
	else if (result == GSASL_OK)
		verdict = BM_SINK_AUTH_DONE;
	gsasl_free(text);
	note_user(exchange);
	return verdict;
}

static const struct mechanism mechanisms[] = {
	{"PLAIN", step_plain, false, false},
	{"LOGIN", step_login, false, false},
	{"XOAUTH2", step_bearer, false, false},
	{"OAUTHBEARER", step_bearer, false, false},
	{"CRAM-MD5", step_gsasl, true, false},
	{"SCRAM-SHA-1", step_gsasl, true, false},
	{"SCRAM-SHA-1-PLUS", step_gsasl, true, true},
	{"SCRAM-SHA-256", step_gsasl, true, false},
	{"SCRAM-SHA-256-PLUS", step_gsasl, true, true},
};

static const struct mechanism *mechanism_find(struct bm_span name)
{
	for (size_t i = 0; i < sizeof mechanisms / sizeof mechanisms[0]; i++)
		if (bm_span_equal_nocase(name, bm_span_of(mechanisms[i].name)))
			return &mechanisms[i];
	return NULL;
}

/* Takes the next of names joined by blanks; false when there is none. */
static bool next_name(struct bm_span *names, struct bm_span *name)
{
	*names = bm_span_trim(*names);
	const unsigned char *end = names->size == 0 ? NULL : memchr(names->data, ' ', names->size);
	size_t size = end == NULL ? names->size : (size_t)(end - names->data);

	*name = bm_span_make(names->data, size);
	*names = bm_span_make(names->data + size, names->size - size);
	return size > 0;
}

static bool is_listed(const struct bm_sink_auth *auth, const struct mechanism *mechanism)
{
	struct bm_span names = bm_span_of(auth->mechanisms);
	struct bm_span name;

	while (next_name(&names, &name))
		if (bm_span_equal_nocase(name, bm_span_of(mechanism->name)))
			return true;
	return false;
}

enum bm_code bm_sink_auth_list(const struct bm_sink_auth *auth, bool inside, struct bm_buf *out)
{
	struct bm_span names = bm_span_of(auth->mechanisms);
	struct bm_span name;

	while (next_name(&names, &name)) {
		const struct mechanism *mechanism = mechanism_find(name);
		if (!inside && mechanism != NULL && mechanism->binds)
			continue;
		enum bm_code code = bm_buf_append_fmt(out, " %.*s", (int)name.size, (const char *)name.data);
		if (code != BM_OK)
			return code;
	}
	return BM_OK;
}

static int give_number(Gsasl_session *session, const struct bm_sink_exchange *exchange)
{
	uint64_t count = exchange->lie == BM_SINK_LIE_ITERATIONS ? exchange->iterations : ITERATIONS;
	char text[32];

	count = count == 0 || count > ITERATIONS_MAX ? ITERATIONS : count;
	snprintf(text, sizeof text, "%llu", (unsigned long long)count);
	return gsasl_property_set(session, GSASL_SCRAM_ITER, text);
}

static int give_binding(Gsasl_session *session, const struct bm_sink_exchange *exchange, Gsasl_property property)
{
	unsigned char data[BM_SINK_BINDING_MAX];
	char *form = NULL;

	if (!exchange->mechanism->binds || exchange->tls == NULL)
		return GSASL_NO_CALLBACK;
	size_t size = bm_sink_tls_binding(exchange->tls, property == GSASL_CB_TLS_EXPORTER, data);
	if (size == 0)
		return GSASL_NO_CALLBACK;
	int result = gsasl_base64_to((const char *)data, size, &form, NULL);
	if (result == GSASL_OK)
		result = gsasl_property_set(session, property, form);
	gsasl_free(form);
	return result;
}

static int give_password(Gsasl_session *session, const struct bm_sink_exchange *exchange)
{
	const struct bm_sink_auth *auth = exchange->auth;
	const char *user = gsasl_property_fast(session, GSASL_AUTHID);

	if (user == NULL || strcmp(user, auth->user) != 0)
		return GSASL_NO_PASSWORD;
	return gsasl_property_set_raw(session, GSASL_PASSWORD, (const char *)auth->password.data, auth->password.size);
}

static int on_wish(Gsasl *library, Gsasl_session *session, Gsasl_property property)
{
	const struct bm_sink_exchange *exchange = gsasl_session_hook_get(session);

	(void)library;
	if (property == GSASL_SCRAM_ITER)
		return give_number(session, exchange);
	if (property == GSASL_CB_TLS_EXPORTER || property == GSASL_CB_TLS_UNIQUE)
		return give_binding(session, exchange, property);
	if (property == GSASL_PASSWORD)
		return give_password(session, exchange);
	return GSASL_NO_CALLBACK;
}

/* Its first line, which may be empty. */
static enum bm_code read_password(struct bm_sink_auth *auth, const char *path, struct bm_error *err)
{
	FILE *file = fopen(path, "rb");
	int c = 0;
	enum bm_code code = BM_OK;

	if (file == NULL)
		return bm_error_set_errno(err, BM_E_MISSING, "", errno, "%s", path);
	while (code == BM_OK && (c = getc(file)) != EOF && c != '\n')
		code = bm_buf_append_char(&auth->password, (unsigned char)c);
	fclose(file);
	if (auth->password.size > 0 && auth->password.data[auth->password.size - 1] == '\r')
		auth->password.size--;
	return code == BM_OK ? BM_OK : bm_error_set(err, code, "", "%s: the password is too long", path);
}

static enum bm_code auth_fill(struct bm_sink_auth *auth, const char *password_file, struct bm_error *err)
{
	if (auth->mechanisms == NULL || auth->user == NULL || gsasl_init(&auth->library) != GSASL_OK)
		return bm_error_nomem(err);
	gsasl_callback_set(auth->library, on_wish);
	return password_file == NULL ? BM_OK : read_password(auth, password_file, err);
}

enum bm_code bm_sink_auth_new(
	struct bm_sink_auth **out, const char *names, const char *user, const char *password_file, struct bm_error *err)
{
	struct bm_sink_auth *auth = calloc(1, sizeof *auth);

	*out = NULL;
	if (auth == NULL)
		return bm_error_nomem(err);
	bm_buf_init(&auth->password, PASSWORD_MAX);
	auth->mechanisms = strdup(names);
	auth->user = strdup(user == NULL ? "" : user);
	enum bm_code code = auth_fill(auth, password_file, err);
	if (code != BM_OK) {
		bm_sink_auth_free(auth);
		return code;
	}
	*out = auth;
	return BM_OK;
}

void bm_sink_auth_free(struct bm_sink_auth *auth)
{
	if (auth == NULL)
		return;
	if (auth->library != NULL)
		gsasl_done(auth->library);
	free(auth->mechanisms);
	free(auth->user);
	bm_buf_deinit(&auth->password);
	free(auth);
}

struct bm_sink_exchange *bm_sink_exchange_new(
	struct bm_sink_auth *auth, struct bm_span name, const struct bm_sink_tls *tls, const struct bm_sink_rule *rule)
{
	const struct mechanism *mechanism = mechanism_find(name);

	if (mechanism == NULL || !is_listed(auth, mechanism) || (mechanism->binds && tls == NULL))
		return NULL;
	struct bm_sink_exchange *exchange = calloc(1, sizeof *exchange);
	if (exchange == NULL)
		return NULL;
	*exchange = (struct bm_sink_exchange){.auth = auth, .mechanism = mechanism, .tls = tls};
	if (rule != NULL) {
		exchange->lie = rule->lie;
		exchange->iterations = rule->iterations;
	}
	bm_buf_init(&exchange->user, CHALLENGE_MAX);
	if (mechanism->gsasl && gsasl_server_start(auth->library, mechanism->name, &exchange->session) != GSASL_OK) {
		bm_sink_exchange_free(exchange);
		return NULL;
	}
	if (mechanism->gsasl)
		gsasl_session_hook_set(exchange->session, exchange);
	return exchange;
}

void bm_sink_exchange_free(struct bm_sink_exchange *exchange)
{
	if (exchange == NULL)
		return;
	if (exchange->session != NULL)
		gsasl_finish(exchange->session);
	bm_buf_deinit(&exchange->user);
	free(exchange);
}

enum bm_sink_verdict bm_sink_exchange_step(
	struct bm_sink_exchange *exchange, struct bm_span said, struct bm_buf *challenge)
{
	return exchange->mechanism->step(exchange, said, challenge);
}

struct bm_span bm_sink_exchange_user(const struct bm_sink_exchange *exchange)
{
	return bm_buf_view(&exchange->user);
}
