/* SPDX-License-Identifier: MIT */
/*
 * The other side of a session for tests: says what a server says, cut as one likes, and writes down what happened as
 * text, so that a test compares one string. What the machine sends is in wire.
 */
#ifndef BM_TESTS_PEER_H
#define BM_TESTS_PEER_H

#include "../unit.h"
#include "base/buf.h"
#include "smtp/smtp.h"

/* How what the peer says is cut. */
#define WHOLE 0
#define BYTES SIZE_MAX

struct peer {
	struct bm_smtp *smtp;
	struct bm_buf wire;
	struct bm_buf log;
	size_t cut; /* WHOLE, BYTES, or where each piece is cut in two */
	uint64_t now_ms;
	bool log_talk; /* SAID and REPLY are logged too */
	bool hold;     /* nothing is sent */
	bool lazy;     /* events are fetched only when all that the peer says is in */
};

static inline void peer_append(struct bm_buf *buf, const char *text)
{
	assert_int_equal(bm_buf_append_str(buf, text), BM_OK);
}

static const char *const disposition_names[] = {"ACCEPTED", "REFUSED", "DEFERRED", "CROWDED", "PUT_BACK", "IN_DOUBT"};
static const char *const end_names[] = {
	"QUIT", "GREETING", "HELO", "421", "OUT_OF_STEP", "TIMEOUT", "LOST", "RSET", "NOMEM", "TLS", "AUTH"};

static inline void peer_log_code(struct peer *peer, const struct bm_reply *reply)
{
	if (reply->code != 0)
		assert_int_equal(bm_buf_append_fmt(&peer->log, " %d", reply->code), BM_OK);
}

static inline void peer_log_event(struct peer *peer, const struct bm_smtp_event *event)
{
	enum bm_code code = BM_OK;
	switch (event->kind) {
	case BM_SMTP_SAID:
		if (!peer->log_talk)
			return;
		code = bm_buf_append_fmt(&peer->log, "said %s %zu", bm_smtp_command_name(event->command), event->said_size);
		break;
	case BM_SMTP_REPLY:
		if (!peer->log_talk)
			return;
		code = bm_buf_append_fmt(&peer->log, "reply %s", bm_smtp_command_name(event->command));
		break;
	case BM_SMTP_SECURE:
		code = bm_buf_append_fmt(&peer->log, "secure");
		break;
	case BM_SMTP_READY:
		code = bm_buf_append_fmt(&peer->log, "ready");
		break;
	case BM_SMTP_RECIPIENT:
		/* a reason or a reply, never both, never neither */
		assert_true((event->reason == NULL) == (event->reply.code != 0));
		code = bm_buf_append_fmt(&peer->log, "%zu %s%s", event->recipient, disposition_names[event->disposition],
			event->answered ? "" : " unanswered");
		break;
	case BM_SMTP_TRANSACTION:
		code = bm_buf_append_fmt(&peer->log, "end %llu", (unsigned long long)event->id);
		break;
	case BM_SMTP_CLOSED:
		assert_non_null(event->reason);
		code = bm_buf_append_fmt(&peer->log, "closed %s%s at %s", end_names[event->end], event->final ? " final" : "",
			bm_smtp_command_name(event->command));
		break;
	}
	assert_int_equal(code, BM_OK);
	peer_log_code(peer, &event->reply);
	peer_append(&peer->log, event->stumbled ? " stumbled\n" : "\n");
}

static inline void peer_events(struct peer *peer)
{
	struct bm_smtp_event event;
	while (bm_smtp_next_event(peer->smtp, &event))
		peer_log_event(peer, &event);
}

/* Sends up to max octets. */
static inline void peer_send(struct peer *peer, size_t max)
{
	struct bm_span span;
	while (max > 0 && bm_smtp_output(peer->smtp, &span, 1) == 1) {
		size_t size = span.size < max ? span.size : max;
		assert_int_equal(bm_buf_append(&peer->wire, span.data, size), BM_OK);
		bm_smtp_sent(peer->smtp, size, peer->now_ms);
		max -= size;
	}
}

static inline void peer_pump(struct peer *peer)
{
	if (!peer->hold)
		peer_send(peer, SIZE_MAX);
	peer_events(peer);
}

static inline void peer_feed(struct peer *peer, const void *data, size_t size)
{
	bm_smtp_feed(peer->smtp, data, size, peer->now_ms);
	if (!peer->lazy)
		peer_events(peer);
}

/* The peer says data; what the machine then has to say goes out only when all of it is in. */
static inline void peer_say_octets(struct peer *peer, const void *data, size_t size)
{
	const char *in = data;
	if (peer->cut == BYTES) {
		for (size_t i = 0; i < size; i++)
			peer_feed(peer, in + i, 1);
	} else {
		size_t first = peer->cut < size ? peer->cut : size;
		peer_feed(peer, in, first);
		peer_feed(peer, in + first, size - first);
	}
	peer_pump(peer);
}

static inline void peer_say(struct peer *peer, const char *text)
{
	peer_say_octets(peer, text, strlen(text));
}

static inline void peer_lost(struct peer *peer)
{
	bm_smtp_lost(peer->smtp, "gone", peer->now_ms);
	peer_events(peer);
}

static inline void peer_cut(struct peer *peer)
{
	bm_smtp_cut(peer->smtp, "stopped", peer->now_ms);
	peer_events(peer);
}

static inline void peer_tick(struct peer *peer, uint64_t now_ms)
{
	peer->now_ms = now_ms;
	bm_smtp_tick(peer->smtp, now_ms);
	peer_pump(peer);
}

static inline void peer_init_with(struct peer *peer, size_t cut, struct bm_smtp_options *options)
{
	*peer = (struct peer){.cut = cut};
	bm_buf_init(&peer->wire, SIZE_MAX / 2);
	bm_buf_init(&peer->log, SIZE_MAX / 2);
	options->domain = "me.example";
	assert_int_equal(bm_smtp_new(&peer->smtp, options, 0, NULL), BM_OK);
	peer_pump(peer);
}

static inline void peer_init(struct peer *peer, size_t cut, enum bm_smtp_pipelining pipelining)
{
	struct bm_smtp_options options = BM_SMTP_OPTIONS_INIT;
	options.pipelining = pipelining;
	peer_init_with(peer, cut, &options);
}

/* The handshake is done. */
static inline void peer_secured(struct peer *peer, bool verified)
{
	struct bm_smtp_channel channel = {.verified = verified};
	bm_smtp_secured(peer->smtp, &channel, peer->now_ms);
	peer_pump(peer);
}

static inline void peer_deinit(struct peer *peer)
{
	bm_smtp_free(peer->smtp);
	bm_buf_deinit(&peer->wire);
	bm_buf_deinit(&peer->log);
}

/* Greets and answers EHLO with these keywords, then forgets what was logged and sent. */
static inline void peer_greet(struct peer *peer, const char *ehlo_reply)
{
	peer_say(peer, "220 hi\r\n");
	peer_say(peer, ehlo_reply);
	assert_true(bm_smtp_idle(peer->smtp));
	bm_buf_clear(&peer->wire);
	bm_buf_clear(&peer->log);
}

#define EHLO_PLAIN "250 peer\r\n"
#define EHLO_PIPELINING "250-peer\r\n250 PIPELINING\r\n"
#define EHLO_CHUNKING "250-peer\r\n250-PIPELINING\r\n250 CHUNKING\r\n"

static inline void peer_expect(struct bm_buf *got, const char *expected)
{
	assert_int_equal(bm_buf_terminate(got), BM_OK);
	assert_string_equal((const char *)got->data, expected);
	bm_buf_clear(got);
}

static const struct bm_span peer_recipients[] = {
	{(const unsigned char *)"a@x", 3},
	{(const unsigned char *)"b@x", 3},
	{(const unsigned char *)"c@x", 3},
	{(const unsigned char *)"d@x", 3},
};
static const struct bm_span peer_content[] = {
	{(const unsigned char *)"Subject: s\r\n", 12}, {(const unsigned char *)"\r\n..x\r\n", 7}};

static inline struct bm_smtp_transaction peer_transaction(uint64_t id, size_t recipients)
{
	struct bm_smtp_transaction tx = {
		.id = id,
		.sender = bm_span_of("me@here"),
		.recipients = peer_recipients,
		.recipient_count = recipients,
		.content = peer_content,
		.content_count = 2,
		.size_bytes = 18,
	};
	return tx;
}

static inline void peer_submit(struct peer *peer, uint64_t id, size_t recipients)
{
	struct bm_smtp_transaction tx = peer_transaction(id, recipients);
	assert_int_equal(bm_smtp_submit(peer->smtp, &tx, peer->now_ms, NULL), BM_OK);
	peer_pump(peer);
}

#endif
