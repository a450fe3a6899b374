/* SPDX-License-Identifier: MIT */
/* JSON lines: one object a line; the keys of the first, in their order, are the columns. Other keys are passed over. */
#include "base/error.h"
#include "store/list.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#define DIGITS_MAX 15
#define NUMBER_SIZE 64

void bm_jsonl_forget(struct bm_table *table)
{
	json_decref(table->json);
	table->json = NULL;
}

/* The next line that is not blank. */
static enum bm_step next_line(struct bm_recipients *list, struct bm_span *line, struct bm_error *err)
{
	enum bm_step step = BM_STEP_GIVEN;
	struct bm_span text = {NULL, 0};

	while (step == BM_STEP_GIVEN && text.size == 0) {
		step = bm_table_line(list, line, err);
		if (step == BM_STEP_GIVEN)
			text = bm_span_trim(*line);
	}
	return step;
}

/* NULL and a reason when line holds no object. */
static json_t *load(struct bm_span line, char *reason, size_t reason_size)
{
	json_error_t error;
	json_t *value = json_loadb((const char *)line.data, line.size, JSON_REJECT_DUPLICATES, &error);

	if (json_is_object(value))
		return value;
	if (value == NULL)
		bm_escape(reason, reason_size, error.text, strlen(error.text));
	else
		snprintf(reason, reason_size, "it is no object");
	json_decref(value);
	return NULL;
}

static enum bm_code set_columns(struct bm_table *table, json_t *object, struct bm_error *err)
{
	size_t count = json_object_size(object);
	struct bm_text *names = calloc(count + 1, sizeof *names);
	const char *key = NULL;
	json_t *value = NULL;
	size_t i = 0;

	if (names == NULL)
		return bm_error_nomem(err);
	json_object_foreach(object, key, value) names[i++] = (struct bm_text){key, strlen(key)};
	enum bm_code code = bm_table_set_columns(table, names, count, err);
	free(names);
	return code;
}

/* The first object is a record, too: its line is kept to be read again. */
enum bm_step bm_jsonl_header(struct bm_recipients *list, struct bm_error *err)
{
	struct bm_table *table = list->table;
	struct bm_span line;
	char reason[120];
	enum bm_step step = next_line(list, &line, err);

	if (step == BM_STEP_TOO_LONG) {
		(void)bm_table_bad_header(table, err, "longer than %d octets", BM_ROW_SIZE_MAX);
		return BM_STEP_ERROR;
	}
	if (step != BM_STEP_GIVEN)
		return step;
	json_t *object = load(line, reason, sizeof reason);
	enum bm_code code = BM_OK;
	if (object == NULL)
		code = bm_table_bad_header(table, err, "found no JSON object (%s); give one object a line", reason);
	else
		code = set_columns(table, object, err);
	json_decref(object);
	if (code == BM_OK && bm_buf_append_span(&table->back, line) != BM_OK)
		code = bm_error_nomem(err);
	table->line_number--;
	return code == BM_OK ? BM_STEP_GIVEN : BM_STEP_ERROR;
}

/* A number as text, in fields; offset is where. */
static enum bm_code add_number(struct bm_buf *fields, const json_t *value, size_t *size)
{
	char text[NUMBER_SIZE];

	*size = json_dumpb(value, text, sizeof text, JSON_ENCODE_ANY | JSON_REAL_PRECISION(DIGITS_MAX));
	return bm_buf_append(fields, text, *size);
}

/* False: it is an object or a list. */
static bool set_value(struct bm_table *table, struct bm_text *out, const json_t *value, enum bm_code *code)
{
	size_t size = 0;

	*out = (struct bm_text){NULL, 0};
	switch (json_typeof(value)) {
	case JSON_STRING:
		*out = (struct bm_text){json_string_value(value), json_string_length(value)};
		return true;
	case JSON_TRUE:
		*out = (struct bm_text){"true", 4};
		return true;
	case JSON_FALSE:
		*out = (struct bm_text){"false", 5};
		return true;
	case JSON_NULL:
		return true;
	case JSON_INTEGER:
	case JSON_REAL:
		*code = add_number(&table->fields, value, &size);
		*out = (struct bm_text){(const char *)table->fields.data + table->fields.size - size, size};
		return true;
	case JSON_OBJECT:
	case JSON_ARRAY:
		break;
	}
	return false;
}

static enum bm_code set_values(struct bm_table *table, struct bm_record *record)
{
	enum bm_code code = BM_OK;

	bm_buf_clear(&table->fields);
	/* The texts do not move while it is filled. */
	code = bm_buf_reserve(&table->fields, table->column_count * NUMBER_SIZE);
	for (size_t i = 0; code == BM_OK && i < table->column_count; i++) {
		const json_t *value = json_object_get(table->json, table->names[i]);
		table->values[i] = (struct bm_text){NULL, 0};
		if (value != NULL && !set_value(table, &table->values[i], value, &code)) {
			bm_table_fault(
				table, record, table->line_number, "the value of %s is an object or a list", table->names[i]);
			return code;
		}
		if (table->values[i].size > BM_RECORD_SIZE_MAX) {
			bm_table_fault(table, record, table->line_number, "the value of %s is longer than %d octets",
				table->names[i], BM_RECORD_SIZE_MAX);
			return code;
		}
	}
	if (code == BM_OK)
		bm_table_set_address(table, record, table->line_number);
	return code;
}

enum bm_step bm_jsonl_row(struct bm_recipients *list, struct bm_record *record, struct bm_error *err)
{
	struct bm_table *table = list->table;
	struct bm_span line = {NULL, 0};
	char reason[120];
	enum bm_step step = next_line(list, &line, err);

	bm_jsonl_forget(table);
	if (step != BM_STEP_GIVEN && step != BM_STEP_TOO_LONG)
		return step;
	struct bm_span text = step == BM_STEP_GIVEN ? bm_span_trim(line) : bm_span_make("", 0);
	record->text = (const char *)text.data;
	record->size = text.size < BM_RECORD_SIZE_MAX ? text.size : BM_RECORD_SIZE_MAX;
	if (step == BM_STEP_TOO_LONG) {
		bm_table_fault(table, record, table->line_number, "longer than %d octets", BM_ROW_SIZE_MAX);
		return BM_STEP_GIVEN;
	}
	table->json = load(line, reason, sizeof reason);
	if (table->json == NULL) {
		bm_table_fault(table, record, table->line_number, "no JSON object: %s", reason);
		return BM_STEP_GIVEN;
	}
	if (set_values(table, record) == BM_OK)
		return BM_STEP_GIVEN;
	(void)bm_error_nomem(err);
	return BM_STEP_ERROR;
}
