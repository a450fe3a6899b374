/* SPDX-License-Identifier: MIT */
/*
 * AUTH (RFC 4954): the words around what smtp/sasl.h has to say. One mechanism is tried, once. What is said goes
 * through two buffers, this one's and the output's, and both are wiped; no event shows it.
 */
#include "smtp/machine.h"

#include "base/error.h"
#include "smtp/capabilities.h"
#include "smtp/sasl.h"

#include <stdio.h>

static void end(struct bm_smtp *smtp, const struct bm_reply *reply, bool final, const char *reason)
{
	bm_machine_close(smtp, BM_SMTP_END_AUTH, BM_SMTP_AUTH, reply, reason);
	smtp->closing.final = final;
}

static void forget(struct bm_smtp *smtp)
{
	bm_secret_wipe(smtp->response.data, smtp->response.capacity);
	bm_buf_clear(&smtp->response);
}

/* As much as may be needed, at once: what realloc leaves behind nobody wipes. */
static bool reserve(struct bm_smtp *smtp)
{
	forget(smtp);
	bool there = bm_buf_reserve(&smtp->response, BM_SASL_LINE_MAX) == BM_OK;
	smtp->starved = smtp->starved || !there;
	return there;
}

void bm_login_wipe(struct bm_smtp *smtp)
{
	forget(smtp);
	bm_sasl_free(smtp->sasl);
	smtp->sasl = NULL;
}

/* A shorter one stands in any text. */
static bool holds(struct bm_span text, struct bm_span part)
{
	return part.size >= 4 && memmem(text.data, text.size, part.data, part.size) != NULL;
}

/* "500 what is AHVzZXIAcGFzcw==?": some servers repeat what they do not understand. A challenge is not shown anyway. */
void bm_login_hide(struct bm_smtp *smtp, struct bm_reply *reply)
{
	bool repeats =
		holds(reply->raw, bm_buf_view(&smtp->response)) || holds(reply->raw, bm_secret_reveal(smtp->login->secret));
	if (reply->code == 334 || !repeats)
		return;
	int size = snprintf(smtp->hidden, sizeof smtp->hidden, "%d (it repeats a secret)\r\n", reply->code);
	reply->raw = bm_span_make(smtp->hidden, (size_t)size);
	reply->lines = 1;
}

static void say_auth(struct bm_smtp *smtp, bool has, uint64_t now_ms)
{
	const char *name = bm_sasl_mechanism(smtp->sasl);
	struct bm_span parts[] = {
		bm_span_of("AUTH "), bm_span_of(name), bm_span_of(has ? " " : ""), bm_buf_view(&smtp->response)};
	char shown[64];

	snprintf(shown, sizeof shown, "AUTH %s%s", name, has ? " (secret)" : "");
	bm_machine_say_secret(smtp, parts, 4, bm_span_of(shown), now_ms);
}

/* What stands behind the keyword, of all lines that begin with it, AUTH= too: older servers say both. */
static enum bm_code list_mechanisms(const struct bm_smtp *smtp, struct bm_buf *out)
{
	enum bm_code code = BM_OK;
	for (size_t i = 1; i < smtp->hello.lines && code == BM_OK; i++) {
		struct bm_span line = bm_reply_line(&smtp->hello, i);
		if (!bm_capabilities_is_auth(line))
			continue;
		code = bm_buf_append_str(out, " ");
		if (code == BM_OK)
			code = bm_buf_append(out, line.data + 4, line.size - 4);
	}
	for (size_t i = 0; i < out->size; i++)
		out->data[i] = out->data[i] == '=' ? ' ' : out->data[i];
	return code;
}

static enum bm_code choose(struct bm_smtp *smtp)
{
	struct bm_buf listed;
	bm_buf_init(&listed, 2 * BM_REPLY_SIZE_MAX);
	enum bm_code code = list_mechanisms(smtp, &listed);
	if (code == BM_OK)
		code = bm_sasl_new(&smtp->sasl, smtp->login, bm_span_trim(bm_buf_view(&listed)),
			smtp->secured ? &smtp->channel : NULL, &smtp->trouble);
	bm_buf_deinit(&listed);
	return code;
}

/* Nothing of AUTH was said, or what was said is no use. */
static void give_up(struct bm_smtp *smtp, enum bm_code code, bool final)
{
	if (code == BM_E_NOMEM)
		smtp->starved = true;
	else
		end(smtp, NULL, final, smtp->trouble.text);
}

/* Many a server lists AUTH, or all of it, in TLS alone. */
void bm_login_begin(struct bm_smtp *smtp, uint64_t now_ms)
{
	bool has = false;
	if (!smtp->listed.auth) {
		end(smtp, NULL, !smtp->put_off,
			smtp->put_off ? "the server puts TLS off, and does not offer AUTH without"
						  : "the server does not offer AUTH");
		return;
	}
	if (!reserve(smtp))
		return;
	enum bm_code code = choose(smtp);
	if (code == BM_OK)
		code = bm_sasl_begin(smtp->sasl, &smtp->response, &has, &smtp->trouble);
	if (code != BM_OK)
		give_up(smtp, code, !smtp->put_off);
	else
		say_auth(smtp, has, now_ms);
}

/* RFC 4954, 4: what comes then is read, and changes nothing. */
static void cancel(struct bm_smtp *smtp, uint64_t now_ms)
{
	struct bm_span parts[] = {bm_span_of("*")};
	smtp->cancelled = true;
	bm_machine_say(smtp, BM_SMTP_AUTH, NULL, parts, 1, now_ms);
}

static enum bm_code respond(struct bm_smtp *smtp, const struct bm_reply *reply)
{
	if (reply->lines > 1)
		return bm_error_set(&smtp->trouble, BM_E_PROTOCOL, "", "a challenge of several lines");
	return bm_sasl_answer(smtp->sasl, bm_reply_line(reply, 0), &smtp->response, &smtp->trouble);
}

void bm_login_challenged(struct bm_smtp *smtp, struct bm_answer *answer)
{
	if (smtp->cancelled) {
		end(smtp, NULL, true, smtp->trouble.text);
		return;
	}
	if (answer->reply.code != 334) {
		bm_action_stray(smtp, answer);
		return;
	}
	if (!reserve(smtp))
		return;
	enum bm_code code = respond(smtp, &answer->reply);
	struct bm_span response = bm_buf_view(&smtp->response);
	if (code == BM_OK)
		bm_machine_say_secret(smtp, &response, 1, bm_span_of("(secret)"), answer->now_ms);
	else if (code == BM_E_NOMEM)
		smtp->starved = true;
	else
		cancel(smtp, answer->now_ms);
}

/* No security layer is ever negotiated, so what EHLO listed still holds (RFC 4954, 4). */
void bm_login_taken(struct bm_smtp *smtp, struct bm_answer *answer)
{
	if (smtp->cancelled) {
		end(smtp, NULL, true, smtp->trouble.text);
		return;
	}
	if (answer->reply.code != 235) {
		bm_action_stray(smtp, answer);
		return;
	}
	enum bm_code code = bm_sasl_done(smtp->sasl, &smtp->trouble);
	if (code != BM_OK) {
		give_up(smtp, code, true);
		return;
	}
	bm_login_wipe(smtp);
	bm_machine_ready(smtp);
}

/* RFC 4954, 6. */
static const char *reason_of(int code)
{
	switch (code) {
	case 535:
		return "the server does not take our user and password";
	case 534:
		return "the server wants a stronger mechanism to log in by";
	case 538:
		return "the server wants us to log in over TLS alone";
	case 432:
		return "the server wants the password to be changed";
	default:
		return code < 500 ? "the server cannot log us in now" : "the server refused AUTH";
	}
}

void bm_login_refused(struct bm_smtp *smtp, struct bm_answer *answer)
{
	int code = answer->reply.code;
	if (smtp->cancelled)
		end(smtp, &answer->reply, true, smtp->trouble.text);
	else
		end(smtp, &answer->reply, code >= 500, reason_of(code));
}

void bm_login_left(struct bm_smtp *smtp, struct bm_answer *answer)
{
	if (smtp->cancelled)
		end(smtp, &answer->reply, true, smtp->trouble.text);
	else
		bm_machine_leave(smtp, BM_SMTP_END_421, answer, "the server ended the session");
}
