/* SPDX-License-Identifier: MIT */
/*
 * From the first octet to READY: TLS at once or the greeting, hello, STARTTLS and hello again (RFC 3207), then AUTH
 * (login.c). None of it is pipelined. Whether the session is secured no reply decides, only the caller's word that the
 * handshake is done.
 */
#include "smtp/machine.h"

#include "base/error.h"
#include "smtp/capabilities.h"

/* The peer's turn, though nothing was said that it answers. */
static void await(struct bm_smtp *smtp, enum bm_smtp_command command, uint64_t now_ms)
{
	struct bm_expected expected = {.end = smtp->output.said, .whole = smtp->output.said, .command = command};
	bm_pipeline_push(&smtp->pipeline, &expected, now_ms);
}

static void shake_hands(struct bm_smtp *smtp, uint64_t now_ms)
{
	struct bm_smtp_event event = {.kind = BM_SMTP_SECURE};
	smtp->shaking = true;
	await(smtp, BM_SMTP_TLS, now_ms);
	bm_machine_queue(smtp, &event, 0);
}

void bm_opening_start(struct bm_smtp *smtp, uint64_t now_ms)
{
	if (smtp->wrapped)
		shake_hands(smtp, now_ms);
	else
		await(smtp, BM_SMTP_GREETING, now_ms);
}

static void say_hello(struct bm_smtp *smtp, enum bm_smtp_command command, uint64_t now_ms)
{
	struct bm_span parts[] = {bm_span_of(bm_smtp_command_name(command)), bm_span_of(" "), bm_span_of(smtp->domain)};
	bm_machine_say(smtp, command, NULL, parts, 3, now_ms);
}

static void introduce(struct bm_smtp *smtp, uint64_t now_ms)
{
	say_hello(smtp, smtp->lmtp ? BM_SMTP_LHLO : BM_SMTP_EHLO, now_ms);
}

/* Only 220 opens a session (RFC 5321, 4.3.2). */
void bm_opening_greeted(struct bm_smtp *smtp, struct bm_answer *answer)
{
	if (answer->reply.code != 220) {
		bm_action_stray(smtp, answer);
		return;
	}
	smtp->greeted = true;
	introduce(smtp, answer->now_ms);
}

void bm_opening_fall_back(struct bm_smtp *smtp, struct bm_answer *answer)
{
	say_hello(smtp, BM_SMTP_HELO, answer->now_ms);
}

/* As far secured as it will be. */
static void log_in(struct bm_smtp *smtp, struct bm_answer *answer)
{
	if (smtp->login != NULL)
		bm_login_begin(smtp, answer->now_ms);
	else
		bm_machine_ready(smtp);
}

/* Nothing of MAIL or AUTH is said in clear where TLS is demanded (RFC 3207, 4.1 and 6). */
static void go_on_in_clear(struct bm_smtp *smtp, struct bm_answer *answer, const char *reason)
{
	const struct bm_reply *refusal = answer->reply.code >= 400 ? &answer->reply : NULL;

	if (smtp->tls == BM_SMTP_TLS_DEMAND)
		bm_machine_close(smtp, BM_SMTP_END_TLS, answer->expected.command, refusal, reason);
	else
		log_in(smtp, answer);
}

/* STARTTLS is never said inside TLS (RFC 3207, 4.2). */
void bm_opening_known(struct bm_smtp *smtp, struct bm_answer *answer)
{
	struct bm_span parts[] = {bm_span_of("STARTTLS")};

	if (smtp->secured || smtp->tls == BM_SMTP_TLS_NONE)
		log_in(smtp, answer);
	else if (smtp->listed.starttls)
		bm_machine_say(smtp, BM_SMTP_STARTTLS, NULL, parts, 1, answer->now_ms);
	else
		go_on_in_clear(smtp, answer, "TLS is demanded and the server does not offer STARTTLS");
}

void bm_opening_learn(struct bm_smtp *smtp, struct bm_answer *answer)
{
	smtp->hello = answer->reply;
	bm_capabilities_parse(&smtp->listed, &smtp->hello);
	bm_machine_keep(smtp, &smtp->hello, &smtp->hello_raw);
	smtp->starved = smtp->starved || smtp->hello.lines == 0;
	if (!smtp->starved)
		bm_opening_known(smtp, answer);
}

/* Only 220 asks for the handshake (RFC 3207, 4). */
void bm_opening_shake(struct bm_smtp *smtp, struct bm_answer *answer)
{
	if (answer->reply.code != 220)
		bm_action_stray(smtp, answer);
	else
		shake_hands(smtp, answer->now_ms);
}

void bm_opening_unshaken(struct bm_smtp *smtp, struct bm_answer *answer)
{
	smtp->put_off = answer->reply.code < 500;
	go_on_in_clear(smtp, answer, "TLS is demanded and the server refused STARTTLS");
}

/* RFC 3207, 4.2: what was said before may be anybody's word. */
static void forget(struct bm_smtp *smtp)
{
	smtp->hello = (struct bm_reply){.code = 0};
	smtp->listed = (struct bm_smtp_capabilities){.esmtp = false};
}

void bm_opening_secured(struct bm_smtp *smtp, const struct bm_smtp_channel *channel, uint64_t now_ms)
{
	bm_pipeline_pop(&smtp->pipeline, now_ms);
	smtp->shaking = false;
	smtp->secured = true;
	smtp->channel = *channel;
	forget(smtp);
	if (smtp->greeted)
		introduce(smtp, now_ms);
	else
		await(smtp, BM_SMTP_GREETING, now_ms);
}

/* The reason may be the stream's, which need not live as long as we. */
void bm_opening_not_secured(struct bm_smtp *smtp, const char *reason)
{
	bm_error_set(&smtp->trouble, BM_E_TLS, "", "%s", reason);
	bm_machine_close(smtp, BM_SMTP_END_TLS, BM_SMTP_TLS, NULL, smtp->trouble.text);
}
