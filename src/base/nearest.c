/* SPDX-License-Identifier: MIT */
#include "base/nearest.h"

#include "base/span.h"

#include <stdint.h>
#include <string.h>

struct rows {
	size_t before[BM_NEAREST_NAME_MAX + 1]; /* two rows up, for swaps */
	size_t above[BM_NEAREST_NAME_MAX + 1];
	size_t row[BM_NEAREST_NAME_MAX + 1];
};

static size_t smaller(size_t a, size_t b)
{
	return a < b ? a : b;
}

static bool same(char a, char b)
{
	return bm_lower((unsigned char)a) == bm_lower((unsigned char)b);
}

static size_t cell(const struct rows *rows, const char *a, const char *b, size_t i, size_t j)
{
	size_t best = rows->above[j - 1] + (same(a[i - 1], b[j - 1]) ? 0 : 1);
	best = smaller(best, rows->above[j] + 1);
	best = smaller(best, rows->row[j - 1] + 1);
	if (i > 1 && j > 1 && same(a[i - 1], b[j - 2]) && same(a[i - 2], b[j - 1]))
		best = smaller(best, rows->before[j - 2] + 1);
	return best;
}

size_t bm_nearest_distance(const char *a, const char *b)
{
	size_t a_size = strnlen(a, BM_NEAREST_NAME_MAX + 1);
	size_t b_size = strnlen(b, BM_NEAREST_NAME_MAX + 1);
	struct rows rows = {{0}, {0}, {0}};

	if (a_size > BM_NEAREST_NAME_MAX || b_size > BM_NEAREST_NAME_MAX)
		return SIZE_MAX;
	for (size_t j = 0; j <= b_size; j++)
		rows.row[j] = j;
	for (size_t i = 1; i <= a_size; i++) {
		memcpy(rows.before, rows.above, sizeof rows.before);
		memcpy(rows.above, rows.row, sizeof rows.above);
		rows.row[0] = i;
		for (size_t j = 1; j <= b_size; j++)
			rows.row[j] = cell(&rows, a, b, i, j);
	}
	return rows.row[b_size];
}

bool bm_nearest_is_near(const char *name, size_t distance)
{
	return distance <= 1 + strnlen(name, BM_NEAREST_NAME_MAX) / 4;
}
