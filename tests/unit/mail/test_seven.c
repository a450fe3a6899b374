/* SPDX-License-Identifier: MIT */
/* The 7-bit form of a message, for servers without 8BITMIME. */
#include "mail/encode.h"
#include "slots.h"

#define COUNT(table) (sizeof(table) / sizeof(table)[0])
#define HEAD "From: a@x.org\r\nTo: t@x.org\r\nDate: x\r\nMessage-ID: <i@x.org>\r\n"
#define UE "\xc3\xbc"

/* One form of a copy for DATA or BDAT; the caller frees it. */
static char *form_of(const struct bm_message *message, const struct bm_span *values, bool seven, bool plain)
{
	struct bm_render render;
	size_t count = 0;
	(void)bm_message_columns(message, &count);
	struct bm_copy copy = {.values = values, .value_count = count, .seven_bit = seven};
	bm_render_init(&render);
	assert_int_equal(bm_message_render(message, &render, &copy, NULL), BM_OK);
	bool bare = plain && render.plain != NULL;
	char *text = slots_join(bare ? render.plain : render.spans, bare ? render.plain_count : render.count);
	/* 60: said as it is. */
	assert_int_equal(render.eight_bit, !bm_is_ascii(bm_span_of(text)));
	if (plain)
		assert_int_equal(render.size_bytes, strlen(text));
	bm_render_deinit(&render);
	return text;
}

static struct bm_message *made(const char *headers, const char *body)
{
	char content[8192];
	struct bm_message *message = NULL;
	struct bm_error err = BM_ERROR_INIT;
	snprintf(content, sizeof content, HEAD "%s\r\n%s", headers, body);
	struct bm_message_options options = options_for(BM_MESSAGE_FILE, content);
	if (bm_message_new(&message, &options, &err) != BM_OK)
		fail_msg("%s %s", err.id, err.text);
	return message;
}

static void check(const char *headers, const char *body, const char *want)
{
	struct bm_message *message = made(headers, body);
	assert_false(bm_message_eight_bit(message));
	char *text = form_of(message, NULL, true, true);
	assert_memory_equal(text, HEAD, strlen(HEAD));
	assert_string_equal(text + strlen(HEAD), want);
	assert_true(bm_is_ascii(bm_span_of(text)));
	free(text);
	text = form_of(message, NULL, false, true);
	assert_string_equal(strstr(text, "\r\n\r\n") + 4, body);
	free(text);
	bm_message_free(message);
}

#define QP "Content-Transfer-Encoding: quoted-printable\r\n"
#define B64 "Content-Transfer-Encoding: base64\r\n"
#define PLAIN_UTF8 "Content-Type: text/plain; charset=utf-8\r\n"

/* conformance: 59, 60, A29 */
static void encodes_one_text(void **state)
{
	(void)state;
	check(MIME PLAIN_UTF8 "Content-Transfer-Encoding: 8bit\r\n", "gr" UE "n = a \r\n.dot\r\n--\r\n",
		MIME PLAIN_UTF8 QP "\r\ngr=C3=BCn =3D a=20\r\n=2Edot\r\n=2D-\r\n");
	check(MIME "Content-Type: text/html\r\n", "<p>gr" UE "n</p>\r\n",
		MIME "Content-Type: text/html\r\n" QP "\r\n<p>gr=C3=BCn</p>\r\n");
	/* Mostly 8-bit. */
	check(MIME PLAIN_UTF8 "Content-Transfer-Encoding: 8bit\r\nX-Last: y\r\n", UE UE UE UE "\r\n",
		MIME PLAIN_UTF8 "X-Last: y\r\n" B64 "\r\nw7zDvMO8w7wNCg==\r\n");
	/* No text. */
	check(MIME "Content-Type: application/octet-stream\r\nContent-Transfer-Encoding: binary\r\n", "a" UE "bcdefgh\r\n",
		MIME "Content-Type: application/octet-stream\r\n" B64 "\r\nYcO8YmNkZWZnaA0K\r\n");
}

/* conformance: 59, 60 */
static void says_what_a_text_is_that_did_not(void **state)
{
	(void)state;
	check("", "gr" UE "n\r\n", MIME PLAIN_UTF8 QP "\r\ngr=C3=BCn\r\n");
	check("", "gr\xfcn\r\n", MIME "Content-Type: text/plain; charset=unknown-8bit\r\n" QP "\r\ngr=FCn\r\n");
}

#define MULTI(value) "Content-Type: multipart/" value "; boundary=b\r\n"

/* conformance: 59, 60 */
static void encodes_parts_that_need_it(void **state)
{
	(void)state;
	check(MIME MULTI("mixed") "Content-Transfer-Encoding: 8bit\r\n",
		"preamble\r\n--b\r\n\r\nascii " UE " text\r\n--b\r\nContent-Type: text/plain\r\n\r\n.plain\r\n"
		"--b\r\nContent-Type: image/x\r\nContent-Transfer-Encoding: 8bit\r\nX: y\r\n\r\n" UE UE
		"\r\n--b--\r\nepilogue\r\n",
		MIME MULTI("mixed") "Content-Transfer-Encoding: 7bit\r\n\r\n"
							"preamble\r\n--b\r\n" QP "\r\nascii =C3=BC text\r\n--b\r\nContent-Type: text/plain\r\n\r\n"
							".plain\r\n--b\r\nContent-Type: image/x\r\nX: y\r\n" B64
							"\r\nw7zDvA==\r\n--b--\r\nepilogue\r\n");
}

/* conformance: 59, 60 */
static void encodes_within_parts_and_messages(void **state)
{
	(void)state;
	check(MIME MULTI("mixed"),
		"--b\r\nContent-Type: multipart/alternative;\r\n boundary=\"c\"\r\nContent-Transfer-Encoding: binary\r\n\r\n"
		"--c\r\n\r\n" UE
		" and more\r\n--c--\r\n--b\r\nContent-Type: message/rfc822\r\nContent-Transfer-Encoding: 8bit\r\n"
		"\r\nSubject: x\r\n\r\n" UE " and more\r\n--b--\r\n",
		MIME MULTI("mixed") "\r\n--b\r\nContent-Type: multipart/alternative;\r\n boundary=\"c\"\r\n"
							"Content-Transfer-Encoding: 7bit\r\n\r\n--c\r\n" QP "\r\n=C3=BC and more\r\n--c--\r\n"
							"--b\r\nContent-Type: message/rfc822\r\nContent-Transfer-Encoding: 7bit\r\n\r\n"
							"Subject: x\r\n" QP "\r\n=C3=BC and more\r\n--b--\r\n");
	/* A digest holds messages. */
	check(MIME MULTI("digest"), "--b\r\n\r\nSubject: x\r\n\r\n" UE " and more\r\n--b--\r\n",
		MIME MULTI("digest") "\r\n--b\r\n\r\nSubject: x\r\n" QP "\r\n=C3=BC and more\r\n--b--\r\n");
}

/* conformance: 60 */
static void leaves_what_is_signed_beside(void **state)
{
	(void)state;
	check(MIME MULTI("mixed"),
		"--b\r\nContent-Type: multipart/signed; boundary=c\r\n\r\n--c\r\n\r\nx\r\n--c--\r\n--b\r\n\r\n" UE
		"1234\r\n--b--\r\n",
		MIME MULTI("mixed") "\r\n--b\r\nContent-Type: multipart/signed; boundary=c\r\n\r\n--c\r\n\r\nx\r\n--c--\r\n"
							"--b\r\n" QP "\r\n=C3=BC1234\r\n--b--\r\n");
}

/* conformance: 60 */
static void never_breaks_a_signature(void **state)
{
	(void)state;
	static const struct {
		const char *headers;
		const char *body;
	} table[] = {
		{"DKIM-Signature: v=1\r\n", UE "\r\n"},
		{"ARC-Message-Signature: i=1\r\n", UE "\r\n"},
		{MULTI("signed"), "--b\r\n\r\n" UE "\r\n--b--\r\n"},
		{MULTI("encrypted"), "--b\r\n\r\n" UE "\r\n--b--\r\n"},
		{MULTI("mixed"),
			"--b\r\nContent-Type: multipart/signed; boundary=c\r\n\r\n--c\r\n\r\n" UE "\r\n--c--\r\n--b--\r\n"},
		{MULTI("mixed"), "--b\r\nContent-Type: message/rfc822\r\n\r\nDKIM-Signature: v=1\r\n\r\n" UE "\r\n--b--\r\n"},
		/* Not signed, but not to be understood. */
		{"Content-Transfer-Encoding: x-uuencode\r\n", UE "\r\n"},
		{"Content-Transfer-Encoding: quoted-printable\r\n", UE "\r\n"},
		{"Content-Type: message/partial\r\n", UE "\r\n"},
		/* Read in one way by some and in another by others. */
		{QP "Content-Transfer-Encoding: 8bit\r\n", UE "\r\n"},
		{PLAIN_UTF8 MULTI("mixed"), "--b\r\n\r\n" UE "\r\n--b--\r\n"},
		{MULTI("mixed"), "--b\r\n" QP B64 "Content-Transfer-Encoding: 8bit\r\n\r\n" UE "\r\n--b--\r\n"},
		{MULTI("mixed"), "--b\r\nno field\r\n\r\n" UE "\r\n--b--\r\n"},
		{MULTI("mixed"), "--b\r\nno field: x\r\n\r\n" UE "\r\n--b--\r\n"},
		{MULTI("mixed"), UE "\r\n--b--\r\n"},
		{MULTI("mixed"), "--b--\r\n" UE "\r\n"},
		{MULTI("mixed"), "--b\r\nX: " UE "\r\n\r\nx\r\n--b--\r\n"},
		{MULTI("mixed"), "--b\r\nX: " UE "\r\n--b--\r\n"},
		{MULTI("mixed"), "--b\r\nContent-Type: multipart/mixed; boundary=c; x=" UE "\r\n\r\n--c--\r\n--b--\r\n"},
	};
	for (size_t i = 0; i < COUNT(table); i++) {
		struct bm_message *message = made(table[i].headers, table[i].body);
		assert_true(bm_message_eight_bit(message));
		char *text = form_of(message, NULL, true, true);
		assert_string_equal(strstr(text, "\r\n\r\n") + 4, table[i].body);
		free(text);
		bm_message_free(message);
	}
}

static void gives_up_where_parts_are_too_deep(void **state)
{
	(void)state;
	for (int depth = 7; depth <= 8; depth++) {
		struct bm_buf body;
		bm_buf_init(&body, SIZE_MAX / 2);
		for (int i = 0; i < depth; i++) {
			const char *name = i == 0 ? "b" : "";
			assert_int_equal(bm_buf_append_fmt(&body, "--%s%.*d\r\nContent-Type: multipart/mixed; boundary=%d\r\n\r\n",
								 name, i == 0 ? 0 : 1, i, i + 1),
				BM_OK);
		}
		assert_int_equal(bm_buf_append_fmt(&body, "--%d\r\n\r\n" UE "\r\n", depth), BM_OK);
		assert_int_equal(bm_buf_terminate(&body), BM_OK);
		struct bm_message *message = made(MULTI("mixed"), (const char *)body.data);
		assert_int_equal(bm_message_eight_bit(message), depth == 8);
		bm_message_free(message);
		bm_buf_deinit(&body);
	}
}

/* conformance: 59, 60, 72 */
static void takes_the_same_values_at_the_same_places(void **state)
{
	(void)state;
	struct bm_message *message =
		slots_file(".X: y\nFrom: " UE " {{name}} <a@x.org>\nContent-Type: text/plain; charset=utf-8\n"
				   "Content-Transfer-Encoding: 8bit\n\n" UE " {{name}}\nplain\n.{{name}} " UE "=\n{{name|nobody}}");
	struct bm_span value = bm_span_of(UE "m");
	assert_false(bm_message_eight_bit(message));
	char *eight = form_of(message, &value, false, true);
	char *seven = form_of(message, &value, true, true);
	char *stuffed = form_of(message, &value, true, false);
	assert_string_equal(strstr(eight, "\r\n\r\n") + 4, UE " " UE "m\r\nplain\r\n." UE "m " UE "=\r\n" UE "m\r\n");
	assert_string_equal(
		strstr(seven, "\r\n\r\n") + 4, "=C3=BC =C3=BCm\r\nplain\r\n=2E=C3=BCm =C3=BC=3D\r\n=C3=BCm\r\n");
	assert_memory_equal(seven, ".X: y\r\nFrom: =?UTF-8?B?", 23);
	assert_memory_equal(stuffed, "..X: y\r\nFrom: =?UTF-8?B?", 24);
	assert_string_equal(strstr(stuffed, "\r\nFrom"), strstr(seven, "\r\nFrom"));
	const char *id = strstr(seven, "Message-ID:");
	assert_non_null(id);
	assert_memory_equal(id, strstr(eight, "Message-ID:"), 80);
	assert_non_null(strstr(seven, "\r\n" QP "\r\n"));
	free(eight);
	free(seven);
	free(stuffed);
	bm_message_free(message);
}

/* A value alone may bring octets above 0x7f. */
/* conformance: 59 */
static void is_there_for_values_too(void **state)
{
	(void)state;
	struct bm_message *message = slots_file("From: a@x.org\nContent-Type: text/plain; charset=iso-8859-1\n"
											"Content-Transfer-Encoding: 8bit\n\n{{name}}");
	struct bm_span value = bm_span_of(UE);
	char *seven = form_of(message, &value, true, true);
	assert_string_equal(strstr(seven, "\r\n\r\n") + 4, "=FC\r\n");
	free(seven);
	char *eight = form_of(message, &value, false, true);
	assert_string_equal(strstr(eight, "\r\n\r\n") + 4, "\xfc\r\n");
	free(eight);
	bm_message_free(message);
}

/* conformance: 59, 60 */
static void composed_messages_have_it_too(void **state)
{
	(void)state;
	struct bm_message *message = NULL;
	struct bm_message_options options = options_for(BM_MESSAGE_BODY, "gr" UE "n\n.x\n");
	assert_int_equal(bm_message_new(&message, &options, NULL), BM_OK);
	char *seven = form_of(message, NULL, true, true);
	assert_non_null(
		strstr(seven, "Content-type: text/plain; charset=utf-8\r\n" ID MIME QP "\r\ngr=C3=BCn\r\n=2Ex\r\n"));
	free(seven);
	bm_message_free(message);
	/* With UTF-8 in its header it goes to servers with 8BITMIME only. */
	options.from = UE "@x.org";
	assert_int_equal(bm_message_new(&message, &options, NULL), BM_OK);
	assert_true(bm_message_eight_bit(message));
	bm_message_free(message);
}

/* Longer than a line, and than one group of base64. */
/* conformance: 8, 59, A29 */
static void keeps_lines_short(void **state)
{
	(void)state;
	for (int text = 0; text < 2; text++) {
		struct bm_buf body;
		bm_buf_init(&body, SIZE_MAX / 2);
		for (int i = 0; i < 300; i++)
			assert_int_equal(bm_buf_append_str(&body, i % 100 == 99 ? "\r\n" : UE "abcdef"), BM_OK);
		assert_int_equal(bm_buf_terminate(&body), BM_OK);
		struct bm_message *message =
			made(text == 1 ? PLAIN_UTF8 : "Content-Type: image/x\r\n", (const char *)body.data);
		char *seven = form_of(message, NULL, true, true);
		for (const char *line = seven; *line != '\0'; line = strchr(line, '\n') + 1)
			assert_in_range(strcspn(line, "\r"), 0, 76);
		free(seven);
		bm_message_free(message);
		bm_buf_deinit(&body);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(encodes_one_text),
		cmocka_unit_test(says_what_a_text_is_that_did_not),
		cmocka_unit_test(encodes_parts_that_need_it),
		cmocka_unit_test(encodes_within_parts_and_messages),
		cmocka_unit_test(leaves_what_is_signed_beside),
		cmocka_unit_test(never_breaks_a_signature),
		cmocka_unit_test(gives_up_where_parts_are_too_deep),
		cmocka_unit_test(takes_the_same_values_at_the_same_places),
		cmocka_unit_test(is_there_for_values_too),
		cmocka_unit_test(composed_messages_have_it_too),
		cmocka_unit_test(keeps_lines_short),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
