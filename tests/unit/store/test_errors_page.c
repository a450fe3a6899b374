/* SPDX-License-Identifier: MIT */
/* docs/errors.md has a row for every id of the manual's families. */
#include "../unit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int read_page(void **state)
{
	const char *path = getenv("BM_ERRORS_PAGE");
	char *page = NULL;
	size_t capacity = 0;
	FILE *file = path == NULL ? NULL : fopen(path, "rb");
	if (file == NULL)
		return -1;
	ssize_t size = getdelim(&page, &capacity, '\0', file);
	fclose(file);
	*state = page;
	return size > 0 ? 0 : -1;
}

static int free_page(void **state)
{
	free(*state);
	return 0;
}

static void expect_family(const char *page, const char *family, int first, int last)
{
	for (int number = first; number <= last; number++) {
		char id[16];
		snprintf(id, sizeof id, "%s%03d", family, number);
		if (strstr(page, id) == NULL)
			fail_msg("%s is not in docs/errors.md", id);
	}
}

static void every_id_has_a_row(void **state)
{
	expect_family(*state, "| MBS", 1, 20);
	expect_family(*state, "MB", 1, 23);
	expect_family(*state, "| MB", 701, 704);
	expect_family(*state, "| MBO", 1, 9);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_id_has_a_row),
	};
	return cmocka_run_group_tests(tests, read_page, free_page);
}
