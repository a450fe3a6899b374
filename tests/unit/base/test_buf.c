/* SPDX-License-Identifier: MIT */
#include "../unit.h"
#include "base/buf.h"

static void grows_to_its_ceiling_and_no_further(void **state)
{
	(void)state;
	struct bm_buf buf;
	bm_buf_init(&buf, 100);
	for (int i = 0; i < 100; i++)
		assert_int_equal(bm_buf_append_char(&buf, (unsigned char)i), BM_OK);
	assert_int_equal(bm_buf_append_char(&buf, 1), BM_E_LIMIT);
	assert_int_equal(buf.size, 100);
	assert_int_equal(buf.data[99], 99);
	bm_buf_deinit(&buf);
}

static void refuses_a_whole_append_that_does_not_fit(void **state)
{
	(void)state;
	struct bm_buf buf;
	bm_buf_init(&buf, 5);
	assert_int_equal(bm_buf_append_str(&buf, "abc"), BM_OK);
	assert_int_equal(bm_buf_append_str(&buf, "def"), BM_E_LIMIT);
	assert_int_equal(bm_buf_append(&buf, "", SIZE_MAX), BM_E_LIMIT);
	assert_memory_equal(buf.data, "abc", 3);
	assert_int_equal(buf.size, 3);
	bm_buf_deinit(&buf);
}

static void formats_short_and_long(void **state)
{
	(void)state;
	struct bm_buf buf;
	bm_buf_init(&buf, 10000);
	assert_int_equal(bm_buf_append_fmt(&buf, "%d-%s", 7, "x"), BM_OK);
	assert_memory_equal(buf.data, "7-x", 3);
	bm_buf_clear(&buf);
	assert_int_equal(bm_buf_append_fmt(&buf, "%0999d", 1), BM_OK);
	assert_int_equal(buf.size, 999);
	assert_int_equal(buf.data[998], '1');
	bm_buf_deinit(&buf);
}

static void consumes_from_the_front(void **state)
{
	(void)state;
	struct bm_buf buf;
	bm_buf_init(&buf, 100);
	assert_int_equal(bm_buf_append_str(&buf, "abcdef"), BM_OK);
	bm_buf_consume(&buf, 2);
	assert_true(bm_span_equal(bm_buf_view(&buf), bm_span_of("cdef")));
	assert_int_equal(bm_buf_terminate(&buf), BM_OK);
	assert_string_equal((char *)buf.data, "cdef");
	bm_buf_consume(&buf, 99);
	assert_int_equal(buf.size, 0);
	bm_buf_deinit(&buf);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(grows_to_its_ceiling_and_no_further),
		cmocka_unit_test(refuses_a_whole_append_that_does_not_fit),
		cmocka_unit_test(formats_short_and_long),
		cmocka_unit_test(consumes_from_the_front),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
