/* SPDX-License-Identifier: MIT */
#include "../unit.h"
#include "mail/date.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

struct sample {
	uint64_t seconds;
	int offset;
	const char *text;
};

static void writes_dates_of_rfc_5322(void **state)
{
	(void)state;
	static const struct sample table[] = {
		{0, 0, "Thu, 01 Jan 1970 00:00:00 +0000"},
		{0, -720, "Wed, 31 Dec 1969 12:00:00 -1200"},
		{951782400, 0, "Tue, 29 Feb 2000 00:00:00 +0000"},
		{1709164800, 0, "Thu, 29 Feb 2024 00:00:00 +0000"},
		{4107542399, 0, "Sun, 28 Feb 2100 23:59:59 +0000"},
		{4107542400, 0, "Mon, 01 Mar 2100 00:00:00 +0000"},
		{1767225599, 330, "Thu, 01 Jan 2026 05:29:59 +0530"},
		{1767225599, -570, "Wed, 31 Dec 2025 14:29:59 -0930"},
		{253402300799, 0, "Fri, 31 Dec 9999 23:59:59 +0000"},
	};
	for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
		char text[BM_DATE_SIZE];
		assert_int_equal(bm_date_format(text, table[i].seconds, table[i].offset), BM_OK);
		assert_string_equal(text, table[i].text);
	}
}

/* Against the C library, some 40,000 days and odd times of day. */
static void agrees_with_the_c_library(void **state)
{
	(void)state;
	for (uint64_t seconds = 0; seconds < 8000000000; seconds += 86400 * 2 + 1237) {
		char ours[BM_DATE_SIZE];
		char theirs[BM_DATE_SIZE];
		struct tm tm;
		time_t when = (time_t)seconds;
		assert_non_null(gmtime_r(&when, &tm));
		assert_true(strftime(theirs, sizeof theirs, "%a, %d %b %Y %H:%M:%S +0000", &tm) > 0);
		assert_int_equal(bm_date_format(ours, seconds, 0), BM_OK);
		assert_string_equal(ours, theirs);
	}
}

static void refuses_what_is_out_of_range(void **state)
{
	(void)state;
	char text[BM_DATE_SIZE];
	assert_int_equal(bm_date_format(text, 253402300800, 0), BM_E_USAGE);
	assert_int_equal(bm_date_format(text, 253402300799, 1), BM_E_USAGE);
	assert_int_equal(bm_date_format(text, UINT64_MAX, 0), BM_E_USAGE);
	assert_int_equal(bm_date_format(text, 0, 1440), BM_E_USAGE);
	assert_int_equal(bm_date_format(text, 0, -1440), BM_E_USAGE);
	assert_int_equal(bm_date_format(text, 0, 1439), BM_OK);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(writes_dates_of_rfc_5322),
		cmocka_unit_test(agrees_with_the_c_library),
		cmocka_unit_test(refuses_what_is_out_of_range),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
