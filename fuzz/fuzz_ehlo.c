/* SPDX-License-Identifier: MIT */
/*
 * What a reply to EHLO comes to: the first octet says what we would like to use, the rest is the reply. A second and
 * plainer reading of it says what was listed. Checked: the machine knows just that, whatever stands around it and
 * however it is cut; nothing is submitted or said that was not listed; the limits are kept.
 */
#include "smtp/reply.h"
#include "smtp/smtp.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define SAID_MAX 8192
#define RECIPIENTS 3

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* The reply, by lines without code and line end, a NUL as something else; the first is left away. */
struct listed {
	char lines[BM_REPLY_LINES_MAX][BM_REPLY_LINE_MAX + 1];
	size_t count;
};

struct wishes {
	enum bm_smtp_pipelining mode;
	bool tls;
	bool octets; /* the reply comes one by one */
	struct bm_smtp_transaction transaction;
};

static void check(bool condition)
{
	if (!condition)
		abort();
}

static void list_lines(struct listed *listed, const struct bm_reply *reply)
{
	listed->count = 0;
	for (size_t i = 1; i < reply->lines; i++) {
		struct bm_span line = bm_reply_line(reply, i);
		char *copy = listed->lines[listed->count++];
		for (size_t k = 0; k < line.size; k++)
			copy[k] = line.data[k] == '\0' ? '\1' : (char)line.data[k];
		copy[line.size] = '\0';
	}
}

/* What stands behind the word in the last line that begins with it; NULL: there is none. */
static const char *find(const struct listed *listed, const char *word)
{
	const char *found = NULL;
	size_t size = strlen(word);
	for (size_t i = 0; i < listed->count; i++) {
		const char *line = listed->lines[i];
		if (strncasecmp(line, word, size) == 0 && (line[size] == '\0' || line[size] == ' '))
			found = line + size;
	}
	return found;
}

static bool lists(const struct listed *listed, const char *word)
{
	return find(listed, word) != NULL;
}

static void check_capabilities(
	const struct bm_smtp_capabilities *known, const struct listed *listed, const struct wishes *wishes)
{
	check(known->esmtp);
	check(known->pipelining == lists(listed, "PIPELINING"));
	check(known->eight_bit_mime == lists(listed, "8BITMIME"));
	check(known->enhanced_status_codes == lists(listed, "ENHANCEDSTATUSCODES"));
	check(known->chunking == lists(listed, "CHUNKING"));
	check(known->starttls == lists(listed, "STARTTLS"));
	check(known->smtputf8 == lists(listed, "SMTPUTF8"));
	check(known->dsn == lists(listed, "DSN"));
	check(known->size == lists(listed, "SIZE") && (known->size || known->size_max == 0));
	check(known->require_tls == (wishes->tls && lists(listed, "REQUIRETLS")));
	check(known->secured == wishes->tls && known->verified == wishes->tls);
	check(!lists(listed, "AUTH") || known->auth);
	bool limits = lists(listed, "LIMITS");
	check(limits || (known->mail_max == 0 && known->rcpt_max == 0 && known->rcpt_domain_max == 0));
	check(known->mail_max < 1000000 && known->rcpt_max < 1000000 && known->rcpt_domain_max < 1000000);
}

static void check_mode(const struct bm_smtp *smtp, const struct listed *listed, const struct wishes *wishes)
{
	enum bm_smtp_pipelining mode = bm_smtp_mode(smtp);
	check(mode <= wishes->mode);
	check(mode == BM_SMTP_PIPELINING_OFF || lists(listed, "PIPELINING"));
	check(mode < BM_SMTP_PIPELINING_STREAM || lists(listed, "CHUNKING"));
	check(bm_smtp_room(smtp) >= 1);
}

/* All that leaves at once, as text. */
static void take_output(struct bm_smtp *smtp, char *said)
{
	struct bm_span spans[16];
	size_t at = 0;
	size_t count = 0;
	while ((count = bm_smtp_output(smtp, spans, 16)) > 0) {
		size_t sent = 0;
		for (size_t i = 0; i < count; i++) {
			check(at + spans[i].size < SAID_MAX);
			memcpy(said + at, spans[i].data, spans[i].size);
			at += spans[i].size;
			sent += spans[i].size;
		}
		bm_smtp_sent(smtp, sent, 0);
	}
	said[at] = '\0';
}

static void check_said(const char *said, const struct listed *listed, enum bm_smtp_pipelining mode)
{
	static const struct {
		const char *said;
		const char *keyword;
	} needs[] = {
		{" BODY=8BITMIME", "8BITMIME"},
		{" SIZE=", "SIZE"},
		{" SMTPUTF8", "SMTPUTF8"},
		{" REQUIRETLS", "REQUIRETLS"},
		{" RET=", "DSN"},
		{" ENVID=", "DSN"},
		{" NOTIFY=", "DSN"},
		{" ORCPT=", "DSN"},
		{"BDAT ", "CHUNKING"},
	};

	for (size_t i = 0; i < sizeof needs / sizeof needs[0]; i++)
		check(strstr(said, needs[i].said) == NULL || lists(listed, needs[i].keyword));
	const char *end = strchr(said, '\n');
	check(mode != BM_SMTP_PIPELINING_OFF || end == NULL || end[1] == '\0');
}

/* Whether it may be taken, by what is listed. */
static bool may_submit(
	const struct bm_smtp_transaction *wanted, const struct bm_smtp_capabilities *known, enum bm_code *code)
{
	*code = BM_E_UNSUPPORTED;
	if ((wanted->eight_bit && !known->eight_bit_mime) || (wanted->utf8 && !known->smtputf8) ||
		(wanted->require_tls && !known->require_tls))
		return false;
	*code = BM_E_LIMIT;
	return known->rcpt_max == 0 || wanted->recipient_count <= known->rcpt_max;
}

static bool find_ready(struct bm_smtp *smtp)
{
	struct bm_smtp_event event;
	bool ready = false;
	while (bm_smtp_next_event(smtp, &event)) {
		check(!ready || event.kind != BM_SMTP_READY);
		ready = ready || event.kind == BM_SMTP_READY;
	}
	return ready;
}

static void open_session(struct bm_smtp *smtp, const struct wishes *wishes)
{
	static const struct bm_smtp_channel channel = {.verified = true};
	static const char greeting[] = "220 relay.test\r\n";
	char said[SAID_MAX];
	struct bm_smtp_event event;

	if (wishes->tls) {
		check(bm_smtp_next_event(smtp, &event) && event.kind == BM_SMTP_SECURE);
		bm_smtp_secured(smtp, &channel, 0);
	}
	bm_smtp_feed(smtp, greeting, sizeof greeting - 1, 0);
	check(!find_ready(smtp));
	take_output(smtp, said);
	check(strcmp(said, "EHLO client.test\r\n") == 0);
}

static void feed(struct bm_smtp *smtp, struct bm_span raw, bool octets)
{
	size_t step = octets ? 1 : raw.size;
	for (size_t at = 0; at < raw.size; at += step)
		bm_smtp_feed(smtp, raw.data + at, step, 0);
}

static void use(struct bm_smtp *smtp, const struct listed *listed, const struct wishes *wishes)
{
	const struct bm_smtp_capabilities *known = bm_smtp_capabilities(smtp);
	enum bm_code refusal = BM_OK;
	struct bm_error err = BM_ERROR_INIT;
	char said[SAID_MAX];

	check_capabilities(known, listed, wishes);
	check_mode(smtp, listed, wishes);
	bool too_large = known->size_max > 0 && wishes->transaction.size_bytes > known->size_max;
	bool may = may_submit(&wishes->transaction, known, &refusal);
	enum bm_code code = bm_smtp_submit(smtp, &wishes->transaction, 0, &err);
	check(may ? code == BM_OK : code == refusal || code == BM_E_LIMIT);
	take_output(smtp, said);
	check_said(said, listed, bm_smtp_mode(smtp));
	/* STREAM says RSET first */
	check((strstr(said, "MAIL FROM:<") != NULL) == (code == BM_OK && !too_large) || strncmp(said, "RSET", 4) == 0);
}

static void try_reply(const struct bm_reply *reply, const struct wishes *wishes)
{
	struct listed *listed = malloc(sizeof *listed);
	struct bm_smtp_options options = BM_SMTP_OPTIONS_INIT;
	struct bm_smtp *smtp = NULL;

	options.domain = "client.test";
	options.pipelining = wishes->mode;
	options.tell = false;
	options.wrapped = wishes->tls;
	options.tls = wishes->tls ? BM_SMTP_TLS_DEMAND : BM_SMTP_TLS_NONE;
	check(listed != NULL && bm_smtp_new(&smtp, &options, 0, NULL) == BM_OK);
	list_lines(listed, reply);
	open_session(smtp, wishes);
	feed(smtp, reply->raw, wishes->octets);
	if (find_ready(smtp))
		use(smtp, listed, wishes);
	else
		check(reply->code / 100 != 2);
	bm_smtp_free(smtp);
	free(listed);
}

static void wish(struct wishes *wishes, unsigned bits)
{
	static const struct bm_span content[] = {{(const unsigned char *)"Subject: x\r\n\r\ntext\r\n", 20}};
	static struct bm_span recipients[RECIPIENTS];

	for (size_t i = 0; i < RECIPIENTS; i++)
		recipients[i] = bm_span_of(i % 2 == 0 ? "r@one.test" : "r@two.test");
	*wishes = (struct wishes){
		.mode = (enum bm_smtp_pipelining)(bits & 3),
		.tls = bits & 4,
		.octets = bits & 128,
		.transaction =
			{
				.sender = bm_span_of("s@client.test"),
				.recipients = recipients,
				.recipient_count = RECIPIENTS,
				.content = content,
				.content_count = 1,
				.size_bytes = content[0].size,
				.eight_bit = bits & 8,
				.utf8 = bits & 16,
				.require_tls = bits & 32,
				.ret = bits & 64 ? "HDRS" : NULL,
				.envid = bm_span_of(bits & 64 ? "id" : ""),
				.notify = bits & 64 ? "NEVER" : NULL,
			},
	};
}

/* conformance: 3, 27, 34, 55, 59, 63, 69 */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct bm_reply_parser parser;
	struct bm_reply reply;
	struct wishes wishes;
	size_t used = 0;

	if (size == 0)
		return 0;
	wish(&wishes, data[0]);
	bm_reply_parser_init(&parser);
	if (bm_reply_parser_feed(&parser, data + 1, size - 1, &used) == BM_OK && bm_reply_parser_view(&parser, &reply))
		try_reply(&reply, &wishes);
	bm_reply_parser_deinit(&parser);
	return 0;
}
