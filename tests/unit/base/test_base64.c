/* SPDX-License-Identifier: MIT */
#include "../unit.h"
#include "base/base64.h"

#include <string.h>

/* RFC 4648, 10, and octets that text does not have. */
static const struct {
	const char *octets;
	size_t size;
	const char *form;
} pairs[] = {
	{"", 0, ""},
	{"f", 1, "Zg=="},
	{"fo", 2, "Zm8="},
	{"foo", 3, "Zm9v"},
	{"foob", 4, "Zm9vYg=="},
	{"fooba", 5, "Zm9vYmE="},
	{"foobar", 6, "Zm9vYmFy"},
	{"\0", 1, "AA=="},
	{"\0a\0b", 4, "AGEAYg=="},
	{"\xff\xff\xff", 3, "////"},
	{"\xfb\xef\xbe", 3, "++++"},
};

static void writes(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof pairs / sizeof pairs[0]; i++) {
		struct bm_buf out;
		bm_buf_init(&out, 100);
		assert_int_equal(bm_buf_append_str(&out, ">"), BM_OK);
		assert_int_equal(bm_base64_write(&out, bm_span_make(pairs[i].octets, pairs[i].size)), BM_OK);
		assert_int_equal(out.size, 1 + strlen(pairs[i].form));
		assert_memory_equal(out.data + 1, pairs[i].form, strlen(pairs[i].form));
		assert_int_equal(BM_BASE64_SIZE(pairs[i].size), strlen(pairs[i].form));
		bm_buf_deinit(&out);
	}
}

static void reads(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof pairs / sizeof pairs[0]; i++) {
		struct bm_buf out;
		bm_buf_init(&out, 100);
		assert_int_equal(bm_buf_append_str(&out, ">"), BM_OK);
		assert_int_equal(bm_base64_read(&out, bm_span_of(pairs[i].form)), BM_OK);
		assert_int_equal(out.size, 1 + pairs[i].size);
		assert_memory_equal(out.data + 1, pairs[i].octets, pairs[i].size);
		bm_buf_deinit(&out);
	}
}

static void refuses_what_is_no_base64(void **state)
{
	(void)state;
	static const char *const bad[] = {"=", "A", "AA", "AAA",
		"AA=", "A===", "====", "Zg==Zg==", "Zm8=Zm8=", "Zm9v=", "Zh==", "Zm9=", "Zm9v ", " Zm9", "Zm\n9", "Zm9_",
		"Zm9-", "Zg=a", "Zm9vYmFyZ", "User:abc"};
	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
		struct bm_buf out;
		bm_buf_init(&out, 100);
		assert_int_equal(bm_buf_append_str(&out, ">"), BM_OK);
		assert_int_equal(bm_base64_read(&out, bm_span_of(bad[i])), BM_E_USAGE);
		assert_int_equal(out.size, 1);
		bm_buf_deinit(&out);
	}
}

static void every_octet_in_the_middle(void **state)
{
	(void)state;
	size_t taken = 0;
	for (unsigned c = 0; c < 256; c++) {
		unsigned char form[4] = {'A', (unsigned char)c, 'A', 'A'};
		struct bm_buf out;
		bm_buf_init(&out, 100);
		if (bm_base64_read(&out, bm_span_make(form, 4)) == BM_OK)
			taken++;
		bm_buf_deinit(&out);
	}
	assert_int_equal(taken, 64);
}

static void heeds_the_ceiling(void **state)
{
	(void)state;
	struct bm_buf out;
	bm_buf_init(&out, 7);
	assert_int_equal(bm_base64_write(&out, bm_span_of("foob")), BM_E_LIMIT);
	assert_int_equal(bm_base64_write(&out, bm_span_of("foo")), BM_OK);
	assert_int_equal(bm_base64_read(&out, bm_span_of("Zm9vYmFy")), BM_E_LIMIT);
	assert_int_equal(out.size, 4);
	bm_buf_deinit(&out);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(writes),
		cmocka_unit_test(reads),
		cmocka_unit_test(refuses_what_is_no_base64),
		cmocka_unit_test(every_octet_in_the_middle),
		cmocka_unit_test(heeds_the_ceiling),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
