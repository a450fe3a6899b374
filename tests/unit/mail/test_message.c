/* SPDX-License-Identifier: MIT */
/* Messages that are composed from attributes: BM_MESSAGE_BODY and BM_MESSAGE_HEADERS. */
#include "copy.h"

#include "mail/encode.h"

#define COUNT(table) (sizeof(table) / sizeof(table)[0])

/* 72: the original's headers in its order, then ours. manual: header-order, header-ours, envelope-header-to, From, To,
 * Subject, Message */
/* conformance: 72 */
static void composes_the_least(void **state)
{
	(void)state;
	struct bm_message_options options = options_for(BM_MESSAGE_BODY, "Hello\n.\nbye");
	copy_check(&options, DATE "From: a@x.org\r\nSubject: Hi\r\nTo: list@x.org\r\nSender: a@x.org\r\n"
							  "Reply-To: a@x.org\r\nPrecedence: list\r\nContent-type: text/plain\r\n" ID MIME
							  "\r\nHello\r\n..\r\nbye\r\n");
}

/* manual: header-order, header-ours, From, Sender, ReplyTo, Precedence */
static void composes_all_attributes(void **state)
{
	(void)state;
	static const struct bm_header headers[] = {
		{"X-B", "1"}, {"X-A", " two"}, {"X-Empty", "  "}, {"X-B", "3"}, {"Content-type", "text/x-y"}, {".dot", "v"}};
	struct bm_message_options options = options_for(BM_MESSAGE_BODY, "b");
	options.from = "Jim T <jim@x.org> (c)";
	options.sender = "\"S\"<s@s.org>";
	options.reply_to = "r@r.org";
	options.precedence = "Bulk";
	options.html = true;
	options.headers = headers;
	options.header_count = COUNT(headers);
	copy_check(&options, DATE
		"From: Jim T <jim@x.org> (c)\r\nSubject: Hi\r\nTo: list@x.org\r\nSender: \"S\"<s@s.org>\r\n"
		"Reply-To: r@r.org\r\nPrecedence: Bulk\r\nContent-type: text/x-y\r\nX-B: 3\r\nX-A:  two\r\n..dot: v\r\n" ID MIME
		"\r\nb\r\n");
	copy_check_sender(&options, "s@s.org");
}

/* manual: HTML, Subject */
static void skips_a_blank_subject(void **state)
{
	(void)state;
	struct bm_message_options options = options_for(BM_MESSAGE_BODY, "b");
	options.subject = " \t";
	options.html = true;
	copy_check(&options, DATE "From: a@x.org\r\nTo: list@x.org\r\nSender: a@x.org\r\nReply-To: a@x.org\r\n"
							  "Precedence: list\r\nContent-type: text/html\r\n" ID MIME "\r\nb\r\n");
}

/* manual: envelope-each */
static void leaves_the_record_in_to(void **state)
{
	(void)state;
	struct bm_message_options options = options_for(BM_MESSAGE_BODY, "b");
	options.use_envelope = false;
	options.to = NULL;
	copy_check(&options,
		DATE "From: a@x.org\r\nSubject: Hi\r\nTo: Jim <jim@y.org>\r\nSender: a@x.org\r\n"
			 "Reply-To: a@x.org\r\nPrecedence: list\r\nContent-type: text/plain\r\n" ID MIME "\r\nb\r\n");
}

struct refusal {
	const char *id;
	const char *part;
	struct bm_message_options change; /* what is not NULL or 0 replaces the default */
};

static void check_refusal(const struct refusal *refusal)
{
	struct bm_message_options options = options_for(BM_MESSAGE_BODY, "b");
	const struct bm_message_options *change = &refusal->change;
	options.from = change->from != NULL ? change->from : options.from;
	options.to = change->to != NULL ? change->to : options.to;
	options.sender = change->sender;
	options.reply_to = change->reply_to;
	options.subject = change->subject;
	options.precedence = change->precedence;
	options.headers = change->headers;
	options.header_count = change->header_count;
	options.trust_email = change->trust_email;
	options.trust_precedence = change->trust_precedence;
	options.message_id_host = change->message_id_host;
	options.utc_offset = change->utc_offset;
	copy_check_refused(&options, refusal->id, refusal->part);
}

/* manual: MB001, MB002, MB014, MB015, MB019, MB022 */
/* conformance: 71, A21, A23 */
static void refuses_bad_attributes(void **state)
{
	(void)state;
	static const struct refusal table[] = {
		{"MB001", "Precedence", {.precedence = "first-class"}},
		{"MB022", "Precedence", {.precedence = "list\r\nBcc: v@x.org"}},
		{"MB022", "Precedence", {.precedence = "list\nx", .trust_precedence = true}},
		{"MB002", "From", {.from = "a@x"}},
		{"MB002", "From", {.from = "a@x.org, b@x.org"}},
		{"MB002", "From", {.from = "g: a@x.org;"}},
		{"MB002", "From", {.from = "a@x.org\r\nBcc: v@x.org"}},
		{"MB002", "From", {.from = "   "}},
		{"MB002", "To", {.to = "a@x.org, b@x.org"}},
		{"MB002", "To", {.to = "g: a@x.org"}},
		{"MB002", "Sender", {.sender = "@x.org"}},
		{"MB002", "Reply-To", {.reply_to = "a b@x.org"}},
		{"MB022", "From", {.from = "a\r\nb", .trust_email = true}},
		{"MB022", "Sender", {.sender = "a\nb", .trust_email = true}},
		{"MB022", "Subject", {.subject = "a\r\nBcc: v@x.org"}},
		{"MB022", "Subject", {.subject = "a\nb"}},
		{"MB022", "Subject", {.subject = "a\rb"}},
		{"MB022", "Subject", {.subject = "a\vb"}},
		{"MB022", "Subject", {.subject = "a\fb"}},
		{"MB022", "Subject", {.subject = "a\x7f"}},
		{"MB022", "UTF-8", {.subject = "a\xff"}},
		{"MB022", "UTF-8", {.subject = "a\xed\xa0\x80"}},
		{"MB014", "From", {.from = ""}},
		{"MB015", "To", {.to = ""}},
		{"MB019", "sender", {.from = "Jim", .sender = "a <\xc2\x85@x>", .trust_email = true}},
		{"", "Message-ID", {.message_id_host = "x y"}},
		{"", "Message-ID", {.message_id_host = "x>\r\nBcc: a@b.org"}},
		{"", "date", {.utc_offset = 1440}},
	};
	for (size_t i = 0; i < COUNT(table); i++)
		check_refusal(&table[i]);
}

/* manual: MB004, MB005, MB022 */
/* conformance: 71, 72, 73, A23 */
static void refuses_bad_headers(void **state)
{
	(void)state;
	static const struct bm_header headers[] = {
		{"Cc", "v@x.org"},
		{"BCC", "v@x.org"},
		{"cc-list", "v@x.org"},
		{"", "v"},
		{"X A", "v"},
		{"X:A", "v"},
		{"X-A ", "v"},
		{"X\r\nBcc", "v"},
		{"X\xc3\xbc", "v"},
		{"X\tA", "v"},
		{"X23456789012345678901234567890123456789012345678901234567890123456789012345", "v"},
		{"X-A", "v\r\nBcc: v@x.org"},
		{"X-A", "v\r\n folded"},
		{"X-A", "v\n"},
		{"X-A", "\rv"},
		{"X-A", "v\x1b"},
		{"X-A", "v\xc3"},
		{"from", "b@x.org"},
		{"REPLY-TO", "b@x.org"},
		{"subject", "x"},
		{"Content-Type", "text/\xc3\xbc"},
	};
	static const char *const ids[] = {
		"MB004",
		"MB004",
		"MB004",
		"MB005",
		"MB005",
		"MB005",
		"MB005",
		"MB005",
		"MB005",
		"MB005",
		"MB005",
		"MB022",
		"MB022",
		"MB022",
		"MB022",
		"MB022",
		"MB022",
		"MB022",
		"MB022",
		"MB022",
		"MB022",
	};
	assert_int_equal(COUNT(headers), COUNT(ids));
	for (size_t i = 0; i < COUNT(headers); i++) {
		struct bm_message_options options = options_for(BM_MESSAGE_BODY, "b");
		options.headers = &headers[i];
		options.header_count = 1;
		copy_check_refused(&options, ids[i], "");
	}
}

/* conformance: 72 */
static void takes_each_single_header_once(void **state)
{
	(void)state;
	static const struct bm_header headers[] = {{"Date", "Sat, 31 Jan 2026 00:00:00 +0000"}, {"Message-Id", "<i@x.org>"},
		{"MIME-version", "1.0"}, {"content-type", "text/x"}};
	static const struct bm_header twice[] = {{"Message-ID", "<i@x.org>"}, {"Message-Id", "<j@x.org>"}};
	struct bm_message_options options = options_for(BM_MESSAGE_BODY, "b");
	options.headers = headers;
	options.header_count = COUNT(headers);
	copy_check(&options,
		"From: a@x.org\r\nSubject: Hi\r\nTo: list@x.org\r\nSender: a@x.org\r\nReply-To: a@x.org\r\n"
		"Precedence: list\r\ncontent-type: text/x\r\nDate: Sat, 31 Jan 2026 00:00:00 +0000\r\nMessage-Id: <i@x.org>\r\n"
		"MIME-version: 1.0\r\n\r\nb\r\n");
	options.headers = twice;
	options.header_count = COUNT(twice);
	copy_check_refused(&options, "MB022", "twice");
}

static void lets_headers_set_attributes(void **state)
{
	(void)state;
	static const struct bm_header headers[] = {{"ReplyTo", "r@x.org"}, {"Reply-To", "q@x.org"}, {"Subject", "New"}};
	struct bm_message_options options = options_for(BM_MESSAGE_BODY, "b");
	options.headers = headers;
	options.header_count = COUNT(headers);
	copy_check(&options,
		DATE "From: a@x.org\r\nSubject: New\r\nTo: list@x.org\r\nSender: a@x.org\r\nReply-To: q@x.org\r\n"
			 "Precedence: list\r\nContent-type: text/plain\r\n" ID MIME "\r\nb\r\n");
}

static void refuses_wrong_calls(void **state)
{
	(void)state;
	struct bm_message *message = NULL;
	struct bm_message_options options = options_for(BM_MESSAGE_BODY, "b");
	static const struct bm_header nameless[] = {{NULL, "v"}};
	options.headers = nameless;
	options.header_count = 1;
	copy_check_refused(&options, "", "without a name");
	options.headers = NULL;
	copy_check_refused(&options, "", "without content");
	options = options_for(BM_MESSAGE_BODY, "b");
	options.size = 0;
	copy_check_refused(&options, "", "BM_MESSAGE_OPTIONS_INIT");
	assert_int_equal(bm_message_new(&message, NULL, NULL), BM_E_USAGE);
	assert_int_equal(bm_message_new(NULL, &options, NULL), BM_E_USAGE);
	bm_message_free(NULL);
}

/* A caller that was compiled against a shorter struct gets the defaults for the rest. */
/* conformance: A45 */
static void takes_the_options_of_another_version(void **state)
{
	(void)state;
	struct bm_message *message = NULL;
	struct bm_error err = BM_ERROR_INIT;
	struct bm_message_options options = options_for(BM_MESSAGE_BODY, "b");
	options.message_id_host = "never.read.example";
	options.size = offsetof(struct bm_message_options, message_id_host);
	assert_int_equal(bm_message_new(&message, &options, &err), BM_OK);
	bm_message_free(message);
}

/* manual: MB016 */
/* conformance: 39, A29 */
static void refuses_no_content_and_a_nul(void **state)
{
	(void)state;
	struct bm_message_options options = options_for(BM_MESSAGE_BODY, "");
	copy_check_refused(&options, "MB016", "no message");
	options.content = NULL;
	copy_check_refused(&options, "MB016", "no message");
	options.content = "a\nb\0c\n";
	options.content_size = 6;
	copy_check_refused(&options, "MB016", "line 2");
}

/* conformance: 74 */
static void encodes_what_is_not_ascii(void **state)
{
	(void)state;
	static const struct bm_header headers[] = {{"X-A", "\xc3\xbc"}};
	struct bm_message_options options = options_for(BM_MESSAGE_BODY, "b");
	options.from = "J\xc3\xbcrgen <j@b\xc3\xbc"
				   "cher.example>";
	options.to = "Fr\xc3\xb6sche: a@x.org, b@x.org;";
	options.subject = "Gr\xc3\xbc\xc3\x9f"
					  "e";
	options.headers = headers;
	options.header_count = 1;
	options.force80 = true;
	copy_check(&options, DATE "From: =?UTF-8?B?SsO8cmdlbg==?= <j@xn--bcher-kva.example>\r\n"
							  "Subject: =?UTF-8?B?R3LDvMOfZQ==?=\r\nTo: =?UTF-8?B?RnLDtnNjaGU=?=: a@x.org, b@x.org;\r\n"
							  "Sender: =?UTF-8?B?SsO8cmdlbg==?= <j@xn--bcher-kva.example>\r\n"
							  "Reply-To: =?UTF-8?B?SsO8cmdlbg==?= <j@xn--bcher-kva.example>\r\n"
							  "Precedence: list\r\nContent-type: text/plain\r\nX-A: =?UTF-8?B?w7w=?=\r\n" ID_OF(
								  "0000000000", "xn--bcher-kva.example") MIME "\r\nb\r\n");
	copy_check_sender(&options, "j@xn--bcher-kva.example");
	options = options_for(BM_MESSAGE_BODY, "b");
	options.to = "g: J\xc3\xbcrgen <a@x.org>;";
	copy_check(&options, DATE "From: a@x.org\r\nSubject: Hi\r\nTo: g: =?UTF-8?B?SsO8cmdlbg==?= <a@x.org>;\r\n"
							  "Sender: a@x.org\r\nReply-To: a@x.org\r\nPrecedence: list\r\n"
							  "Content-type: text/plain\r\n" ID MIME "\r\nb\r\n");
}

/* conformance: 55, 56 */
static void addresses_in_utf8_need_smtputf8(void **state)
{
	(void)state;
	static const struct {
		const char *from;
		const char *to;
		const char *sender;
		bool utf8;
	} table[] = {
		{"\xc3\xbc@x.org", "t@x.org", NULL, true},
		{"a@x.org", "\xc3\xbc <\xc3\xbc@x.org>", NULL, true},
		{"a@x.org", "g: \xc3\xbc@x.org;", NULL, true},
		{"a@x.org", "t@x.org", "\xc3\xbc@x.org", true},
		{"\xc3\xbc <a@b\xc3\xbc"
		 "cher.example>",
			"t@x.org", NULL, false},
	};
	for (size_t i = 0; i < COUNT(table); i++) {
		struct bm_message *message = NULL;
		struct bm_message_options options = options_for(BM_MESSAGE_BODY, "b");
		options.from = table[i].from;
		options.to = table[i].to;
		options.sender = table[i].sender;
		assert_int_equal(bm_message_new(&message, &options, NULL), BM_OK);
		assert_int_equal(bm_message_utf8(message), table[i].utf8);
		char *text = copy_render(message, NULL, 0);
		assert_int_equal(bm_is_ascii(bm_span_of(text)), !table[i].utf8);
		free(text);
		bm_message_free(message);
	}
}

/* What the body is, is said. */
/* conformance: 59, 60 */
static void declares_an_eight_bit_body(void **state)
{
	(void)state;
	struct bm_message *message = NULL;
	struct bm_message_options options = options_for(BM_MESSAGE_BODY, "Gr\xc3\xbc\xc3\x9f"
																	 "e\n");
	assert_int_equal(bm_message_new(&message, &options, NULL), BM_OK);
	char *text = copy_render(message, NULL, 0);
	assert_false(bm_message_eight_bit(message));
	assert_non_null(strstr(text, "\r\nContent-type: text/plain; charset=utf-8\r\n"));
	assert_non_null(strstr(text, MIME "Content-Transfer-Encoding: 8bit\r\n\r\nGr\xc3\xbc\xc3\x9f"
									  "e\r\n"));
	free(text);
	bm_message_free(message);

	options = options_for(BM_MESSAGE_BODY, "Gr\xfc\xdf"
										   "e\n");
	options.html = true;
	assert_int_equal(bm_message_new(&message, &options, NULL), BM_OK);
	text = copy_render(message, NULL, 0);
	assert_non_null(strstr(text, "\r\nContent-type: text/html\r\n"));
	assert_non_null(strstr(text, "Content-Transfer-Encoding: 8bit\r\n"));
	free(text);
	bm_message_free(message);

	options = options_for(BM_MESSAGE_BODY, "ascii");
	assert_int_equal(bm_message_new(&message, &options, NULL), BM_OK);
	assert_false(bm_message_eight_bit(message));
	bm_message_free(message);
}

/* manual: envelope-sender, Sender */
static void finds_the_envelope_sender(void **state)
{
	(void)state;
	struct bm_message_options options = options_for(BM_MESSAGE_BODY, "b");
	copy_check_sender(&options, "a@x.org");
	options.from = "Jim <Jim@x.org>";
	copy_check_sender(&options, "Jim@x.org");
	options.sender = "\"S\"<s@[192.0.2.1]>";
	copy_check_sender(&options, "s@[192.0.2.1]");
	options.sender = "Jim <jim@localhost>";
	options.trust_email = true;
	copy_check_sender(&options, "jim@localhost");
}

/* The null reverse-path; the header Sender is From then. */
/* conformance: 22 */
static void takes_the_null_sender(void **state)
{
	(void)state;
	struct bm_message_options options = options_for(BM_MESSAGE_BODY, "b");
	options.sender = "<>";
	copy_check_sender(&options, "");
	copy_check(&options,
		DATE "From: a@x.org\r\nSubject: Hi\r\nTo: list@x.org\r\nSender: a@x.org\r\n"
			 "Reply-To: a@x.org\r\nPrecedence: list\r\nContent-type: text/plain\r\n" ID MIME "\r\nb\r\n");
}

/* manual: Trusting-email, Trusting-precedence */
static void trusts_addresses_and_precedence(void **state)
{
	(void)state;
	struct bm_message_options options = options_for(BM_MESSAGE_BODY, "b");
	options.from = "Jim";
	options.to = "everybody";
	options.precedence = "urgent";
	options.trust_email = true;
	options.trust_precedence = true;
	copy_check(&options,
		DATE "From: Jim\r\nSubject: Hi\r\nTo: everybody\r\nSender: Jim\r\nReply-To: Jim\r\n"
			 "Precedence: urgent\r\nContent-type: text/plain\r\n" ID_OF("0000000000", "localhost") MIME "\r\nb\r\n");
}

/* manual: headers_from_message */
static void takes_headers_from_the_message(void **state)
{
	(void)state;
	struct bm_message_options options = options_for(BM_MESSAGE_HEADERS,
		"From: J <j@x.org>\nTo:t@x.org\r\nSubject: a\n b: c\n\td\nX-A: 1\nX-A: 2\nPrecedence: JUNK\nReplyTo: r@x.org\n"
		"\nbody: 1\n\nend");
	options.from = "other@x.org";
	copy_check(&options,
		DATE "From:  J <j@x.org>\r\nSubject:  a\r\n b: c\r\n\td\r\nTo: t@x.org\r\n"
			 "Sender:  J <j@x.org>\r\nReply-To:  r@x.org\r\nPrecedence:  JUNK\r\nContent-type: text/plain\r\n"
			 "X-A:  2\r\n" ID MIME "\r\nbody: 1\r\n\r\nend\r\n");
	copy_check_sender(&options, "j@x.org");
}

static void takes_a_folded_address(void **state)
{
	(void)state;
	struct bm_message_options options = options_for(
		BM_MESSAGE_HEADERS, "From: J\n\t<j@x.org>\nTo: g: a@x.org,\n b@x.org;\nSender: S\xc3\xbc\n <s@x.org>\n\nb");
	copy_check(&options,
		DATE "From:  J\r\n\t<j@x.org>\r\nTo:  g: a@x.org,\r\n b@x.org;\r\n"
			 "Sender: =?UTF-8?B?U8O8?= <s@x.org>\r\nReply-To:  J\r\n\t<j@x.org>\r\nPrecedence: list\r\n"
			 "Content-type: text/plain\r\n" ID MIME "\r\nb\r\n");
	copy_check_sender(&options, "s@x.org");
}

struct block {
	const char *text;
	const char *id;
	const char *part;
};

/* manual: headers_from_message, MB001, MB002, MB004, MB005, MB014, MB015, MB016, MB022 */
static void refuses_bad_blocks(void **state)
{
	(void)state;
	static const struct block table[] = {
		{"From: a@x.org\nno header\n\nb", "MB022", "line 2 of the message is no header: no header"},
		{" X: folds nothing\n\nb", "MB022", "line 1"},
		{"From: a@x.org\nX A: b\n\nb", "MB005", "X A"},
		{": b\n\nb", "MB005", ""},
		{"From: a@x.org\nBcc: b\n\nb", "MB004", "Bcc"},
		{"From: a@x.org\ncc: b\n\nb", "MB004", "cc"},
		{"From: a@x.org\nX: a\x1b\n\nb", "MB022", "control"},
		{"From: a@x\n\nb", "MB002", "From"},
		{"From: a@x.org\nPrecedence: high\n\nb", "MB001", "high"},
		{"To: a@x.org\n\nb", "MB014", "From"},
		{"From: a@x.org\n\nb", "MB015", "To"},
		{"From: a@x.org\nTo: a@x.org\n\n", "MB016", "no message"},
		{"From: a@x.org\nTo: a@x.org\n", "MB016", "no message"},
		{"\nbody", "MB014", ""},
	};
	for (size_t i = 0; i < COUNT(table); i++) {
		struct bm_message_options options = options_for(BM_MESSAGE_HEADERS, table[i].text);
		copy_check_refused(&options, table[i].id, table[i].part);
	}
}

static void bounds_the_number_of_headers(void **state)
{
	(void)state;
	struct bm_buf text;
	bm_buf_init(&text, 1 << 20);
	for (int i = 0; i < 2001; i++)
		assert_int_equal(bm_buf_append_fmt(&text, "X-%d: y\n", i), BM_OK);
	assert_int_equal(bm_buf_terminate(&text), BM_OK);
	struct bm_message_options options = options_for(BM_MESSAGE_HEADERS, (const char *)text.data);
	copy_check_refused(&options, "MB022", "more than 2000");
	bm_buf_deinit(&text);
}

/* manual: Trusting-wrapping */
/* conformance: A29 */
static void folds_unless_wrapping_is_trusted(void **state)
{
	(void)state;
	char body[1201];
	memset(body, '-', 1200);
	body[1200] = '\0';
	struct bm_message *message = NULL;
	struct bm_message_options options = options_for(BM_MESSAGE_BODY, body);
	assert_int_equal(bm_message_new(&message, &options, NULL), BM_OK);
	char *text = copy_render(message, NULL, 0);
	const char *at = strstr(text, "\r\n\r\n") + 4;
	assert_int_equal(strcspn(at, "\r"), 998);
	free(text);
	bm_message_free(message);
	options.trust_wrapping = true;
	assert_int_equal(bm_message_new(&message, &options, NULL), BM_OK);
	text = copy_render(message, NULL, 0);
	assert_int_equal(strcspn(strstr(text, "\r\n\r\n") + 4, "\r"), 1200);
	free(text);
	bm_message_free(message);
}

/* The size without CR LF of the longest line, and how many lines the headers have. */
static size_t longest_header_line(const struct bm_message_options *options, size_t *lines)
{
	struct bm_message *message = NULL;
	size_t longest = 0;

	assert_int_equal(bm_message_new(&message, options, NULL), BM_OK);
	char *text = copy_render(message, NULL, 0);
	*lines = 0;
	for (const char *at = text; at[0] != '\r'; (*lines)++) {
		size_t size = strcspn(at, "\r");
		longest = size > longest ? size : longest;
		at += size + 2;
	}
	free(text);
	bm_message_free(message);
	return longest;
}

/* manual: header-fold, force80 */
static void folds_headers_at_78_or_998(void **state)
{
	(void)state;
	char subject[1501];
	size_t lines = 0;
	size_t least = 0;
	struct bm_message_options options = options_for(BM_MESSAGE_BODY, "b");
	longest_header_line(&options, &least);
	for (size_t i = 0; i < sizeof subject - 1; i++)
		subject[i] = i % 10 == 9 ? ' ' : 'x';
	subject[sizeof subject - 1] = '\0';
	options.subject = subject;
	assert_in_range(longest_header_line(&options, &lines), 980, 998);
	assert_int_equal(lines, least + 1);
	options.force80 = true;
	assert_in_range(longest_header_line(&options, &lines), 70, 78);
	assert_in_range(lines, least + 19, least + 22);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(composes_the_least),
		cmocka_unit_test(composes_all_attributes),
		cmocka_unit_test(skips_a_blank_subject),
		cmocka_unit_test(leaves_the_record_in_to),
		cmocka_unit_test(refuses_bad_attributes),
		cmocka_unit_test(refuses_bad_headers),
		cmocka_unit_test(takes_each_single_header_once),
		cmocka_unit_test(lets_headers_set_attributes),
		cmocka_unit_test(refuses_wrong_calls),
		cmocka_unit_test(takes_the_options_of_another_version),
		cmocka_unit_test(refuses_no_content_and_a_nul),
		cmocka_unit_test(encodes_what_is_not_ascii),
		cmocka_unit_test(addresses_in_utf8_need_smtputf8),
		cmocka_unit_test(declares_an_eight_bit_body),
		cmocka_unit_test(finds_the_envelope_sender),
		cmocka_unit_test(takes_the_null_sender),
		cmocka_unit_test(trusts_addresses_and_precedence),
		cmocka_unit_test(takes_headers_from_the_message),
		cmocka_unit_test(takes_a_folded_address),
		cmocka_unit_test(refuses_bad_blocks),
		cmocka_unit_test(bounds_the_number_of_headers),
		cmocka_unit_test(folds_unless_wrapping_is_trusted),
		cmocka_unit_test(folds_headers_at_78_or_998),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
