/* SPDX-License-Identifier: MIT */
/* The man page says of every attribute what the table says. */
#include "../unit.h"
#include "store/attribute.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int read_page(void **state)
{
	const char *path = getenv("BM_CONF_PAGE");
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

static void describe_later(const struct bm_attribute_info *info, char *out, size_t out_size)
{
	out[0] = '\0';
	if (info->later == NULL)
		return;
	snprintf(out, out_size, " This version cannot %s yet; what works is ", info->later);
	for (size_t i = 0; info->now != NULL && info->now[i] != NULL; i++) {
		size_t used = strlen(out);
		snprintf(out + used, out_size - used, "%s%s", i == 0 ? "" : " or ", info->now[i]);
	}
	size_t used = strlen(out);
	snprintf(out + used, out_size - used, "%s.", info->now == NULL ? "nothing" : "");
}

/* The line of the page that comes from the table. */
static void describe(const struct bm_attribute_info *info, char *out, size_t out_size)
{
	char expected[256];
	char unit[64] = "";
	char later[256];

	bm_attribute_expected(info, expected, sizeof expected);
	if (info->unit[0] != '\0')
		snprintf(unit, sizeof unit, " (%s)", info->unit);
	describe_later(info, later, sizeof later);
	snprintf(out, out_size, "\tTakes %s%s; %s %s.%s\n", expected, unit,
		info->type == BM_ATTRIBUTE_READ_ONLY ? "at first" : "default",
		info->initial[0] == '\0' ? "unset" : info->initial, later);
}

/* The entry of name, up to the blank line behind it, as a string of its own. */
static char *entry_of(const char *page, const char *name)
{
	char head[128];
	snprintf(head, sizeof head, "\n\n*%s*\n\t", name);
	const char *start = strstr(page, head);
	if (start == NULL)
		fail_msg("%s has no entry", name);
	if (strstr(start + 1, head) != NULL)
		fail_msg("%s has two entries", name);
	const char *end = strstr(start + strlen(head), "\n\n");
	assert_non_null(end);
	return strndup(start, (size_t)(end - start) + 1);
}

static void every_attribute_is_described_as_it_is(void **state)
{
	const struct bm_attribute_info *info;
	for (size_t i = 0; (info = bm_attribute_at(i)) != NULL; i++) {
		char line[768];
		describe(info, line, sizeof line);
		char *entry = entry_of(*state, info->name);
		assert_non_null(entry);
		if (strstr(entry, line) == NULL)
			fail_msg("the entry of %s lacks: %s", info->name, line);
		free(entry);
	}
}

/* Under the two sections of attributes nothing else has an entry. */
static void no_other_attribute_is_described(void **state)
{
	const char *page = *state;
	size_t entries = 0;
	const char *from = strstr(page, "# SERVER ATTRIBUTES");
	const char *to = strstr(page, "# DIFFERENCES");
	assert_true(from != NULL && to != NULL && from < to);
	for (const char *p = strstr(from, "\n\n*"); p != NULL && p < to; p = strstr(p + 1, "\n\n*"))
		entries++;
	assert_int_equal(entries, bm_attribute_count());
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_attribute_is_described_as_it_is),
		cmocka_unit_test(no_other_attribute_is_described),
	};
	return cmocka_run_group_tests(tests, read_page, free_page);
}
