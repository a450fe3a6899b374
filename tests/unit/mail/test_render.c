/* SPDX-License-Identifier: MIT */
#include "copy.h"

static struct bm_message *make(bool envelope)
{
	struct bm_message *message = NULL;
	struct bm_message_options options = options_for(BM_MESSAGE_BODY, "body\n.\n");
	options.use_envelope = envelope;
	assert_int_equal(bm_message_new(&message, &options, NULL), BM_OK);
	return message;
}

/* Its own for each copy, and the same in each attempt. */
/* conformance: 72 */
static void gives_each_copy_one_message_id(void **state)
{
	(void)state;
	struct bm_message *message = make(false);
	char *first = copy_render(message, "a@y.org", 1);
	char *again = copy_render(message, "a@y.org", 1);
	char *second = copy_render(message, "a@y.org", 2);
	assert_string_equal(first, again);
	assert_non_null(strstr(first, ID_OF("0000000001", "x.org")));
	assert_non_null(strstr(second, ID_OF("0000000002", "x.org")));
	free(first);
	free(again);
	free(second);
	bm_message_free(message);
}

static void takes_the_host_that_is_given(void **state)
{
	(void)state;
	struct bm_message *message = NULL;
	struct bm_message_options options = options_for(BM_MESSAGE_BODY, "b");
	options.message_id_host = "mail.y.org";
	assert_int_equal(bm_message_new(&message, &options, NULL), BM_OK);
	char *text = copy_render(message, NULL, 0xffffffffff);
	assert_non_null(strstr(text, ID_OF("ffffffffff", "mail.y.org")));
	free(text);
	bm_message_free(message);
}

/* conformance: 61 */
static void foretells_the_size(void **state)
{
	(void)state;
	static const char *const records[] = {"a@y.org", "\"Jim T\"<jim@x.org> (c)"};
	struct bm_message *message = make(false);
	for (size_t i = 0; i < 2; i++) {
		struct bm_render render;
		struct bm_address to;
		bm_render_init(&render);
		assert_int_equal(bm_address_parse(&to, bm_span_of(records[i]), NULL), BM_OK);
		assert_int_equal(bm_message_render(message, &render, &(struct bm_copy){.to = &to, .seq = 77}, NULL), BM_OK);
		assert_int_equal(render.size_bytes, bm_message_size(message, strlen(records[i])));
		bm_render_deinit(&render);
	}
	bm_message_free(message);
	message = make(true);
	char *text = copy_render(message, NULL, 0);
	assert_int_equal(bm_message_size(message, 99), strlen(text) - 1);
	free(text);
	bm_message_free(message);
}

static void borrows_the_message(void **state)
{
	(void)state;
	struct bm_message *message = make(false);
	struct bm_render one;
	struct bm_render two;
	struct bm_address to;
	assert_int_equal(bm_address_parse(&to, bm_span_of("a@y.org"), NULL), BM_OK);
	bm_render_init(&one);
	bm_render_init(&two);
	assert_int_equal(bm_message_render(message, &one, &(struct bm_copy){.to = &to, .seq = 1}, NULL), BM_OK);
	assert_int_equal(bm_message_render(message, &two, &(struct bm_copy){.to = &to, .seq = 2}, NULL), BM_OK);
	assert_int_equal(one.count, 5);
	assert_ptr_equal(one.spans[4].data, two.spans[4].data);
	assert_ptr_not_equal(one.spans[1].data, two.spans[1].data);
	assert_int_equal(bm_message_render(message, &one, &(struct bm_copy){.to = &to, .seq = 3}, NULL), BM_OK);
	bm_render_deinit(&one);
	bm_render_deinit(&two);
	bm_message_free(message);
}

/* A copy that cannot be made is an error and leaves nothing behind. */
static void wants_a_recipient(void **state)
{
	(void)state;
	struct bm_message *message = make(false);
	struct bm_render render;
	struct bm_error err = BM_ERROR_INIT;
	bm_render_init(&render);
	assert_int_equal(bm_message_render(message, &render, &(struct bm_copy){.to = NULL, .seq = 1}, &err), BM_E_USAGE);
	assert_int_equal(render.count, 0);
	bm_render_deinit(&render);
	bm_message_free(message);
}

static void encodes_the_recipients_name(void **state)
{
	(void)state;
	struct bm_message *message = make(false);
	char *text = copy_render(message, "J\xc3\xbcrgen <j@y.org>", 1);
	assert_non_null(strstr(text, "\r\nTo: =?UTF-8?B?SsO8cmdlbg==?= <j@y.org>\r\n"));
	free(text);
	bm_message_free(message);
}

static char *record(char fill, size_t size, const char *tail)
{
	char *text = malloc(size + strlen(tail) + 1);
	assert_non_null(text);
	memset(text, fill, size);
	memcpy(text + size, tail, strlen(tail) + 1);
	return text;
}

/* conformance: 8 */
static void folds_a_record_only_beyond_998(void **state)
{
	(void)state;
	struct bm_message *message = make(false);
	char *to = record('x', 900, " <j@y.org>");
	char *text = copy_render(message, to, 1);
	assert_non_null(strstr(text, to));
	free(to);
	free(text);
	to = record('x', 990, " <j@y.org>");
	text = copy_render(message, to, 1);
	assert_non_null(strstr(text, "x\r\n <j@y.org>\r\n"));
	free(to);
	free(text);
	to = record('x', 1200, "<j@y.org>");
	text = copy_render(message, to, 1);
	assert_non_null(strstr(text, "\r\nTo: j@y.org\r\n"));
	free(to);
	free(text);
	bm_message_free(message);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(gives_each_copy_one_message_id),
		cmocka_unit_test(takes_the_host_that_is_given),
		cmocka_unit_test(foretells_the_size),
		cmocka_unit_test(borrows_the_message),
		cmocka_unit_test(wants_a_recipient),
		cmocka_unit_test(encodes_the_recipients_name),
		cmocka_unit_test(folds_a_record_only_beyond_998),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
