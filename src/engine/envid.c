/* SPDX-License-Identifier: MIT */
#include "engine/envid.h"

#include "base/error.h"

#include <stdint.h>
#include <stdio.h>
#include <string.h>

#define TEXT SIZE_MAX
#define SEQ (SIZE_MAX - 1)
#define COLUMN_NONE (SIZE_MAX - 2)

static size_t find_column(struct bm_span name, const char *const *columns, size_t count)
{
	if (bm_span_equal(name, bm_span_of("seq")))
		return SEQ;
	for (size_t i = 0; i < count; i++) {
		if (bm_span_equal(name, bm_span_of(columns[i])))
			return i;
	}
	return COLUMN_NONE;
}

static enum bm_code add(struct bm_envid *envid, struct bm_span text, size_t column, struct bm_error *err)
{
	char shown[60];

	if (column == TEXT && text.size == 0)
		return BM_OK;
	bm_escape(shown, sizeof shown, text.data, text.size);
	if (column == COLUMN_NONE)
		return bm_error_set(err, BM_E_CONF, "MBO003", "envid: the list has no column \"%s\"", shown);
	if (envid->count == BM_ENVID_PIECES)
		return bm_error_set(err, BM_E_CONF, "MBO003", "envid: more than %d texts and columns", BM_ENVID_PIECES);
	envid->pieces[envid->count++] = (struct bm_envid_piece){text, column};
	envid->varies = envid->varies || column != TEXT;
	return BM_OK;
}

/* Takes what stands before the next placeholder off rest, and the placeholder. */
static enum bm_code take(
	struct bm_envid *envid, struct bm_span *rest, const char *const *columns, size_t count, struct bm_error *err)
{
	const unsigned char *open = memmem(rest->data, rest->size, "{{", 2);
	size_t before = open == NULL ? rest->size : (size_t)(open - rest->data);

	enum bm_code code = add(envid, bm_span_make(rest->data, before), TEXT, err);
	*rest = bm_span_make(rest->data + before, rest->size - before);
	if (code != BM_OK || open == NULL)
		return code;
	const unsigned char *close = memmem(rest->data, rest->size, "}}", 2);
	if (close == NULL)
		return bm_error_set(err, BM_E_CONF, "MBO003", "envid: {{ without }}");
	struct bm_span name = bm_span_trim(bm_span_make(rest->data + 2, (size_t)(close - rest->data) - 2));
	*rest = bm_span_make(close + 2, rest->size - (size_t)(close + 2 - rest->data));
	return add(envid, name, find_column(name, columns, count), err);
}

enum bm_code bm_envid_init(
	struct bm_envid *envid, const char *text, const char *const *columns, size_t column_count, struct bm_error *err)
{
	unsigned char fixed[BM_ENVID_MAX];
	size_t size = 0;
	enum bm_code code = BM_OK;

	*envid = (struct bm_envid){.count = 0};
	if (text == NULL)
		return BM_OK;
	for (struct bm_span rest = bm_span_of(text); code == BM_OK && rest.size > 0;)
		code = take(envid, &rest, columns, column_count, err);
	if (code != BM_OK || envid->varies || bm_envid_write(envid, NULL, fixed, &size))
		return code;
	return bm_error_set(err, BM_E_CONF, "MBO003", "envid: more than %d octets, or not printable ASCII", BM_ENVID_MAX);
}

static struct bm_span value_of(const struct bm_envid_piece *piece, const struct bm_record *record, char number[24])
{
	if (piece->column == TEXT)
		return piece->text;
	if (piece->column == SEQ && record != NULL)
		return bm_span_make(number, (size_t)snprintf(number, 24, "%llu", (unsigned long long)record->seq));
	if (record == NULL || piece->column >= record->value_count)
		return bm_span_make(NULL, 0);
	return bm_span_make(record->values[piece->column].data, record->values[piece->column].size);
}

static bool is_printable(struct bm_span text)
{
	for (size_t i = 0; i < text.size; i++) {
		if (text.data[i] < 0x20 || text.data[i] > 0x7e)
			return false;
	}
	return true;
}

bool bm_envid_write(
	const struct bm_envid *envid, const struct bm_record *record, unsigned char out[BM_ENVID_MAX], size_t *size)
{
	char number[24];

	*size = 0;
	for (size_t i = 0; i < envid->count; i++) {
		struct bm_span value = value_of(&envid->pieces[i], record, number);
		if (value.size > BM_ENVID_MAX - *size || !is_printable(value))
			return false;
		if (value.size > 0)
			memcpy(out + *size, value.data, value.size);
		*size += value.size;
	}
	return true;
}
