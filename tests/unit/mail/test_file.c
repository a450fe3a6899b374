/* SPDX-License-Identifier: MIT */
/* Messages that come as a file: BM_MESSAGE_FILE. */
#include "copy.h"

#include "mail/encode.h"

#include <stdio.h>

#define COUNT(table) (sizeof(table) / sizeof(table)[0])
#define FULL "From: J <j@x.org>\r\nTo: t@x.org\r\nSubject:  a\r\n\tb\r\nDate: x\r\nMessage-ID: <i@x.org>\r\n"

static void lets_its_headers_stand(void **state)
{
	(void)state;
	struct bm_message_options options = options_for(BM_MESSAGE_FILE, FULL "MIME-Version: 1.0\r\n\r\n.body\r\n");
	options.from = "other@x.org";
	options.to = "other@x.org";
	options.subject = "other";
	options.force80 = true;
	copy_check(&options, FULL "MIME-Version: 1.0\r\n\r\n..body\r\n");
	copy_check_sender(&options, "other@x.org");
}

/* conformance: 4, 73 */
static void makes_line_ends_cr_lf_and_drops_what_must_not_leave(void **state)
{
	(void)state;
	struct bm_message_options options = options_for(BM_MESSAGE_FILE,
		"From me@x Thu Jan  1 00:00:00 1970\nReturn-Path: <r@x.org>\nFrom: J <j@x.org>\nbcc: a@x.org,\n b@x.org\n"
		"To: t@x.org\nResent-BCC: c@x.org\nCc: d@x.org\nSubject: a\n b\nDate: x\nMessage-ID: <i@x.org>\n\nline\n\nend");
	/* 73 */
	copy_check(&options, "From: J <j@x.org>\r\nTo: t@x.org\r\nCc: d@x.org\r\nSubject: a\r\n b\r\nDate: x\r\n"
						 "Message-ID: <i@x.org>\r\n\r\nline\r\n\r\nend\r\n");
}

/* conformance: 72 */
static void fills_in_what_it_lacks(void **state)
{
	(void)state;
	static const struct bm_header headers[] = {{"X-A", "file's"}, {"X-B", "ours"}};
	struct bm_message_options options = options_for(BM_MESSAGE_FILE, "X-A: file\nContent-Type: text/html\n\nb\n");
	options.from = "j@x.org";
	options.to = "t@x.org";
	options.subject = "Hi";
	options.sender = "s@x.org";
	options.reply_to = "r@x.org";
	options.precedence = "bulk";
	options.headers = headers;
	options.header_count = COUNT(headers);
	copy_check(&options,
		"X-A: file\r\nContent-Type: text/html\r\n" DATE "From: j@x.org\r\nSubject: Hi\r\nTo: t@x.org\r\n"
		"Sender: s@x.org\r\nReply-To: r@x.org\r\nPrecedence: bulk\r\nX-B: ours\r\n" ID MIME "\r\nb\r\n");
	copy_check_sender(&options, "s@x.org");
}

static void fills_in_no_more_than_is_set(void **state)
{
	(void)state;
	struct bm_message_options options = options_for(BM_MESSAGE_FILE, "From: j@x.org\n\nb");
	options.use_envelope = false;
	copy_check(&options, "From: j@x.org\r\n" DATE "To: Jim <jim@y.org>\r\n" ID "\r\nb\r\n");
	options = options_for(BM_MESSAGE_FILE, "From: j@x.org\nTo: t@x.org");
	copy_check(&options, "From: j@x.org\r\nTo: t@x.org\r\n" DATE ID "\r\n");
}

static void finds_the_envelope_sender(void **state)
{
	(void)state;
	struct bm_message_options options =
		options_for(BM_MESSAGE_FILE, "From: \"A, B\" <a@x.org>,\n b@x.org\nTo: t@x.org\nSender: S\n <s@x.org>\n\nb");
	copy_check_sender(&options, "s@x.org");
	options.from = "f@x.org";
	copy_check_sender(&options, "f@x.org");
	options.sender = "<>";
	copy_check_sender(&options, "");
	options = options_for(BM_MESSAGE_FILE, "From: \"A, B\"\n\t<a@x.org>,\n b@x.org\nTo: t@x.org\n\nb");
	copy_check_sender(&options, "a@x.org");
}

/* conformance: 59, 60 */
static void flags_an_eight_bit_body_and_leaves_it(void **state)
{
	(void)state;
	struct bm_message *message = NULL;
	struct bm_message_options options = options_for(BM_MESSAGE_FILE, FULL "\r\n\xff\xc3\xbc\r\n");
	copy_check(&options, FULL "\r\n\xff\xc3\xbc\r\n");
	options.content = FULL "DKIM-Signature: v=1\r\n\r\n\xff\r\n";
	options.content_size = strlen(options.content);
	assert_int_equal(bm_message_new(&message, &options, NULL), BM_OK);
	assert_true(bm_message_eight_bit(message));
	bm_message_free(message);
}

struct refusal {
	const char *text;
	const char *id;
	const char *part;
};

/* manual: MB014, MB015, MB016, MB019, MB022 */
/* conformance: 71, 72 */
static void refuses_with_the_line(void **state)
{
	(void)state;
	static const struct refusal table[] = {
		{"", "MB016", "no message"},
		{"From: a@x.org\nno header\n\nb", "MB022", "line 2 of the message is no header: no header"},
		{"From: a@x.org\nX : b\n\nb", "MB022", "line 2"},
		{" b\n\nb", "MB022", "line 1"},
		{": b\n\nb", "MB022", "line 1"},
		{"From a@x.org Thu\n b\n\nb", "MB022", "line 2"},
		{"From : a@x.org\n\nb", "MB022", "line 1"},
		{"From: \xfc <a@x.org>\n\nb", "MB022", "line 1"},
		{"From: a@x.org\nSubject: \xc0\xaf\n\nb", "MB022", "line 2"},
		{"From: a@x.org\nSubject: \xc3\n \xbc\n\nb", "MB022", "line 2"},
		{"From: a@x.org\nX: a\n \xff\n\nb", "MB022", "line 3"},
		{"From: a@x.org\nTo: a@x.org\nfrom: b@x.org\n\nb", "MB022",
			"line 3 of the message: a second from (the first: line 1)"},
		{"Subject: a\nSUBJECT: b\n\nb", "MB022", "line 2"},
		{"To: a@x.org\nTo: b@x.org\n\nb", "MB022", "line 2"},
		{"Date: a\nDate: b\n\nb", "MB022", "line 2"},
		{"Message-ID: a\nMessage-Id: b\n\nb", "MB022", "line 2"},
		{"Sender: a\nSender: b\n\nb", "MB022", "line 2"},
		{"Reply-To: a\nReply-To: b\n\nb", "MB022", "line 2"},
		{"To: a@x.org\n\nb", "MB014", "From"},
		{"From: a@x.org\n\nb", "MB015", "To"},
		{"From: nobody\nTo: a@x.org\n\nb", "MB019", "no @"},
		{"From: a@x.org\nSender: \nTo: a@x.org\n\nb", "MB019", "no address"},
	};
	for (size_t i = 0; i < COUNT(table); i++) {
		struct bm_message_options options = options_for(BM_MESSAGE_FILE, table[i].text);
		copy_check_refused(&options, table[i].id, table[i].part);
	}
}

static void refuses_a_nul(void **state)
{
	(void)state;
	struct bm_message_options options = options_for(BM_MESSAGE_FILE, "");
	options.content = "From: a@x.org\0\n\nb";
	options.content_size = 17;
	copy_check_refused(&options, "MB022", "line 1");
	options.content = "From: a@x.org\nTo: a@x.org\n\nb\n\0";
	options.content_size = 30;
	copy_check_refused(&options, "MB016", "line 5");
}

static char *long_file(const char *head, char fill, size_t size, const char *tail)
{
	size_t at = strlen(head);
	char *text = malloc(at + size + strlen(tail) + 1);
	assert_non_null(text);
	memcpy(text, head, at);
	memset(text + at, fill, size);
	memcpy(text + at + size, tail, strlen(tail) + 1);
	return text;
}

/* No silent change. manual: Trusting-wrapping */
/* conformance: 8, A29 */
static void refuses_long_lines_that_it_cannot_fold(void **state)
{
	(void)state;
	char *text = long_file("From: a@x.org\nTo: a@x.org\n\nfirst\n", 'x', 999, "\nlast");
	struct bm_message_options options = options_for(BM_MESSAGE_FILE, text);
	copy_check_refused(&options, "MB023", "line 5");
	options.trust_wrapping = true;
	copy_check_sender(&options, "a@x.org");
	free(text);
	text = long_file("From: a@x.org\nTo: a@x.org\n\n.", 'x', 997, "");
	options = options_for(BM_MESSAGE_FILE, text);
	copy_check_sender(&options, "a@x.org");
	free(text);
	text = long_file("From: a@x.org\nTo: a@x.org\nX:", 'x', 999, "\n\nb");
	options = options_for(BM_MESSAGE_FILE, text);
	copy_check_refused(&options, "MB022", "line 3");
	free(text);
}

static void folds_long_headers_at_a_blank(void **state)
{
	(void)state;
	char *text = long_file("From: a@x.org\nTo: a@x.org\nX: one ", 'x', 990, " two\n\nb");
	struct bm_message *message = NULL;
	struct bm_message_options options = options_for(BM_MESSAGE_FILE, text);
	assert_int_equal(bm_message_new(&message, &options, NULL), BM_OK);
	char *copy = copy_render(message, NULL, 0);
	const char *at = strstr(copy, "X: one ");
	assert_non_null(at);
	assert_int_equal(strcspn(at, "\r"), 997);
	assert_memory_equal(at + 997, "\r\n two\r\n", 8);
	free(copy);
	bm_message_free(message);
	free(text);
}

#define UE "\xc3\xbc"
#define UE_WORD "=?UTF-8?B?w7w=?="

/* One field of a file, and what becomes of it. */
struct high {
	const char *field;
	const char *want;
	bool utf8; /* the message needs SMTPUTF8 */
};

static void check_high(const struct high *high, bool merge)
{
	char text[500];
	struct bm_message *message = NULL;
	struct bm_error err = BM_ERROR_INIT;
	snprintf(text, sizeof text, "From: a@x.org\nTo: t@x.org\nDate: x\nMessage-ID: <i@x.org>\n%s\n\nb\n", high->field);
	struct bm_message_options options = options_for(BM_MESSAGE_FILE, text);
	options.merge = merge;
	if (bm_message_new(&message, &options, &err) != BM_OK)
		fail_msg("%s: %s %s", high->field, err.id, err.text);
	char *copy = copy_render(message, NULL, 0);
	char *at = strstr(copy, "<i@x.org>\r\n") + 11;
	*strstr(at, "\r\n\r\n") = '\0';
	assert_string_equal(at, high->want);
	assert_int_equal(bm_message_utf8(message), high->utf8);
	assert_int_equal(bm_is_ascii(bm_span_of(at)), !high->utf8);
	free(copy);
	bm_message_free(message);
}

/* conformance: 55, 74, A23 */
static void encodes_what_may_be_encoded(void **state)
{
	(void)state;
	static const struct high table[] = {
		{"Subject: " UE, "Subject: " UE_WORD, false},
		{"Subject: a\n " UE " b", "Subject: =?UTF-8?B?YSDDvCBi?=", false},
		{"X-Any: " UE, "X-Any: " UE_WORD, false},
		{"Cc: " UE " <b@x.org>", "Cc: " UE_WORD " <b@x.org>", false},
		{"Cc: \"" UE "\" <b@x.org>, c@x.org", "Cc: " UE_WORD " <b@x.org>, c@x.org", false},
		{"Cc: b@x.org (" UE ")", "Cc: b@x.org (" UE_WORD ")", false},
		{"Cc: B <b@x.org> (a (" UE ") b)", "Cc: B <b@x.org> (a (" UE_WORD ") b)", false},
		{"Cc: \"(" UE "\" <b@x.org>", "Cc: =?UTF-8?B?KMO8?= <b@x.org>", false},
		{"Cc: b@x.org ( " UE "\n c )", "Cc: b@x.org ( =?UTF-8?B?w7wgYw==?= )", false},
		{"Cc: b@b" UE "cher.example", "Cc: b@xn--bcher-kva.example", false},
		{"Cc: " UE ": b@x.org;", "Cc: " UE_WORD ": b@x.org;", false},
		{"List-Id: " UE " <l.x.org>", "List-Id: " UE_WORD " <l.x.org>", false},
		{"Received: from a (" UE ") by b; date", "Received: from a (" UE_WORD ") by b; date", false},
	};
	for (size_t i = 0; i < COUNT(table); i++) {
		check_high(&table[i], false);
		check_high(&table[i], true);
	}
}

/* conformance: 55, 56 */
static void needs_smtputf8_for_what_may_not(void **state)
{
	(void)state;
	static const struct high table[] = {
		{"Cc: " UE "@x.org", "Cc: " UE "@x.org", true},
		{"Cc: " UE " <" UE "@x.org>", "Cc: " UE_WORD " <" UE "@x.org>", true},
		{"Cc: g: " UE "@x.org;", "Cc: g: " UE "@x.org;", true},
		{"Cc: " UE " <no mailbox>", "Cc: " UE_WORD " <no mailbox>", false},
		{"Cc: " UE " <b@x.org", "Cc: " UE " <b@x.org", true},
		{"References: <" UE "@x.org>", "References: <" UE "@x.org>", true},
		{"List-(x\": <https://x.org/" UE "> (" UE ")", "List-(x\": <https://x.org/" UE "> (" UE_WORD ")", true},
		{"List-Unsubscribe: <https://x.org/" UE ">", "List-Unsubscribe: <https://x.org/" UE ">", true},
		{"Content-Type: text/plain; name=" UE, "Content-Type: text/plain; name=" UE "\r\n" MIME, true},
		{"Cc: " UE " {{a}} <b@x.org>", "Cc: =?UTF-8?B?w7wge3thfX0=?= <b@x.org>", false},
		{"Cc: " UE " {{ <b@x.org>", "Cc: " UE " {{ <b@x.org>", true},
	};
	for (size_t i = 0; i < COUNT(table); i++) {
		struct high high = table[i];
		char want[300];
		snprintf(want, sizeof want, "%s", high.want);
		if (strstr(want, MIME) != NULL)
			want[strlen(want) - 2] = '\0';
		high.want = want;
		check_high(&high, false);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(lets_its_headers_stand),
		cmocka_unit_test(makes_line_ends_cr_lf_and_drops_what_must_not_leave),
		cmocka_unit_test(fills_in_what_it_lacks),
		cmocka_unit_test(fills_in_no_more_than_is_set),
		cmocka_unit_test(finds_the_envelope_sender),
		cmocka_unit_test(flags_an_eight_bit_body_and_leaves_it),
		cmocka_unit_test(refuses_with_the_line),
		cmocka_unit_test(refuses_a_nul),
		cmocka_unit_test(encodes_what_may_be_encoded),
		cmocka_unit_test(needs_smtputf8_for_what_may_not),
		cmocka_unit_test(refuses_long_lines_that_it_cannot_fold),
		cmocka_unit_test(folds_long_headers_at_a_blank),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
