/* SPDX-License-Identifier: MIT */
/* Lists with columns: lines out of blocks in constant memory, the columns' names, and why a row is no record. */
#include "base/error.h"
#include "store/list.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#define COLUMNS_MAX 1000
/* Rows that are read again, one more behind them, and its line. */
#define BACK_MAX (3 * (size_t)BM_ROW_SIZE_MAX)

enum bm_code bm_table_new(struct bm_table **out, enum bm_list_format format, const char *name)
{
	struct bm_table *table = calloc(1, sizeof *table);

	*out = table;
	if (table == NULL)
		return BM_E_NOMEM;
	table->format = format;
	bm_buf_init(&table->fields, 2 * (size_t)BM_ROW_SIZE_MAX);
	bm_buf_init(&table->back, BACK_MAX);
	bm_buf_init(&table->line, BM_ROW_SIZE_MAX);
	table->name = strdup(name);
	enum bm_code code = table->name == NULL ? BM_E_NOMEM : BM_OK;
	if (code == BM_OK && format != BM_LIST_JSON_LINES)
		code = bm_csv_new(&table->csv, format == BM_LIST_TSV ? '\t' : ',');
	return code;
}

void bm_table_free(struct bm_table *table)
{
	if (table == NULL)
		return;
	for (size_t i = 0; i < table->column_count; i++)
		free(table->names[i]);
	free(table->names);
	free(table->values);
	free(table->name);
	bm_buf_deinit(&table->fields);
	bm_buf_deinit(&table->back);
	bm_buf_deinit(&table->line);
	bm_csv_free(table->csv);
	bm_jsonl_forget(table);
	free(table);
}

/* A line that was read before. */
static bool take_back(struct bm_table *table, struct bm_span *line)
{
	size_t left = table->back.size - table->back_at;

	if (left == 0)
		return false;
	const unsigned char *start = table->back.data + table->back_at;
	const unsigned char *end = memchr(start, '\n', left);
	size_t size = end == NULL ? left : (size_t)(end + 1 - start);
	table->back_at += size;
	*line = bm_span_make(start, size);
	return true;
}

static enum bm_step end_of_lines(struct bm_recipients *list, struct bm_span *line)
{
	struct bm_table *table = list->table;
	bool begun = table->line.size > 0 || table->skipping;

	if (list->interrupted)
		return BM_STEP_WAIT;
	bm_list_check_end(list);
	enum bm_step given = table->skipping ? BM_STEP_TOO_LONG : BM_STEP_GIVEN;
	*line = bm_buf_view(&table->line);
	table->skipping = false;
	return begun && list->failed == BM_OK ? given : BM_STEP_END;
}

/* Adds a piece to the line under way; of one that is too long nothing is kept. */
static enum bm_code add_piece(struct bm_table *table, struct bm_span piece)
{
	enum bm_code code = table->skipping ? BM_OK : bm_buf_append_span(&table->line, piece);

	if (code != BM_E_LIMIT)
		return code;
	table->skipping = true;
	bm_buf_clear(&table->line);
	return BM_OK;
}

/* The line that is under way stays in table->line from call to call. */
static enum bm_step read_line(struct bm_recipients *list, struct bm_span *line, struct bm_error *err)
{
	struct bm_table *table = list->table;
	struct bm_span piece;
	bool complete = false;

	while (bm_list_take_piece(list, &piece, &complete)) {
		/* Its end stands behind it in the block. */
		piece.size += complete ? 1 : 0;
		if (complete && table->line.size == 0 && !table->skipping) {
			*line = piece;
			return BM_STEP_GIVEN;
		}
		if (add_piece(table, piece) != BM_OK) {
			(void)bm_error_nomem(err);
			return BM_STEP_ERROR;
		}
		if (!complete)
			continue;
		*line = bm_buf_view(&table->line);
		enum bm_step step = table->skipping ? BM_STEP_TOO_LONG : BM_STEP_GIVEN;
		table->skipping = false;
		return step;
	}
	return end_of_lines(list, line);
}

enum bm_step bm_table_line(struct bm_recipients *list, struct bm_span *line, struct bm_error *err)
{
	struct bm_table *table = list->table;
	enum bm_step step = BM_STEP_GIVEN;

	if (!take_back(table, line)) {
		step = table->long_behind ? BM_STEP_TOO_LONG : read_line(list, line, err);
		table->long_behind = false;
		/* Its octets stay where they are until the next piece is added. */
		if (step != BM_STEP_WAIT)
			table->line.size = 0;
	}
	if (step == BM_STEP_GIVEN || step == BM_STEP_TOO_LONG)
		table->line_number++;
	return step;
}

void bm_table_fault(struct bm_table *table, struct bm_record *record, uint64_t number, const char *fmt, ...)
{
	va_list args;

	int used = snprintf(table->fault, sizeof table->fault, "line %llu: ", (unsigned long long)number);
	va_start(args, fmt);
	vsnprintf(table->fault + used, sizeof table->fault - (size_t)used, fmt, args);
	va_end(args);
	record->fault = table->fault;
	record->values = NULL;
	record->value_count = 0;
}

enum bm_code bm_table_bad_header(struct bm_table *table, struct bm_error *err, const char *fmt, ...)
{
	char text[300];
	va_list args;

	va_start(args, fmt);
	vsnprintf(text, sizeof text, fmt, args);
	va_end(args);
	return bm_error_set(
		err, BM_E_LIST, "MB705", "%s, line %llu: %s", table->name, (unsigned long long)table->line_number, text);
}

static enum bm_code check_name(struct bm_table *table, const struct bm_text *names, size_t index, struct bm_error *err)
{
	char shown[100];

	bm_escape(shown, sizeof shown, names[index].data, names[index].size);
	if (names[index].size == 0)
		return bm_table_bad_header(table, err, "column %zu has no name; give every column a name", index + 1);
	if (memchr(names[index].data, 0, names[index].size) != NULL)
		return bm_table_bad_header(table, err, "the name of column %zu holds a NUL", index + 1);
	for (size_t i = 0; i < index; i++) {
		bool same = names[i].size == names[index].size && memcmp(names[i].data, names[index].data, names[i].size) == 0;
		if (same)
			return bm_table_bad_header(table, err, "columns %zu and %zu are both named \"%s\"; give each its own name",
				i + 1, index + 1, shown);
	}
	return BM_OK;
}

/* What other programs write in place of commas. */
static enum bm_code check_separator(struct bm_table *table, const struct bm_text *name, struct bm_error *err)
{
	if (table->format != BM_LIST_CSV)
		return BM_OK;
	if (memchr(name->data, ';', name->size) != NULL)
		return bm_table_bad_header(
			table, err, "its only column has a \";\" in its name; separate columns by commas, not semicolons");
	if (memchr(name->data, '\t', name->size) != NULL)
		return bm_table_bad_header(table, err,
			"its only column has a TAB in its name; separate columns by commas, or say that the format is tsv");
	return BM_OK;
}

static enum bm_code check_names(struct bm_table *table, const struct bm_text *names, size_t count, struct bm_error *err)
{
	enum bm_code code = BM_OK;

	if (count == 0)
		return bm_table_bad_header(table, err, "there is no column; name them in the first row");
	if (count > COLUMNS_MAX)
		return bm_table_bad_header(table, err, "%zu columns, %d at most", count, COLUMNS_MAX);
	for (size_t i = 0; code == BM_OK && i < count; i++)
		code = check_name(table, names, i, err);
	return code == BM_OK && count == 1 ? check_separator(table, &names[0], err) : code;
}

enum bm_code bm_table_set_columns(
	struct bm_table *table, const struct bm_text *names, size_t count, struct bm_error *err)
{
	enum bm_code code = check_names(table, names, count, err);

	if (code != BM_OK)
		return code;
	table->names = calloc(count, sizeof *table->names);
	table->values = calloc(count, sizeof *table->values);
	if (table->names == NULL || table->values == NULL)
		return bm_error_nomem(err);
	for (size_t i = 0; i < count; i++) {
		table->names[i] = calloc(1, names[i].size + 1);
		if (table->names[i] == NULL)
			return bm_error_nomem(err);
		memcpy(table->names[i], names[i].data, names[i].size);
		table->column_count++;
	}
	for (size_t i = count; i > 0; i--) {
		if (bm_span_equal_nocase(bm_span_of(table->names[i - 1]), bm_span_of("email")))
			table->address = i - 1;
	}
	table->has_header = true;
	return BM_OK;
}

void bm_table_set_address(struct bm_table *table, struct bm_record *record, uint64_t number)
{
	const struct bm_text *value = &table->values[table->address];
	struct bm_span address = bm_span_make("", 0);

	if (value->size > 0)
		address = bm_span_trim(bm_span_make(value->data, value->size));
	if (address.size == 0) {
		bm_table_fault(table, record, number, "no address in column %s", table->names[table->address]);
		return;
	}
	record->text = (const char *)address.data;
	record->size = address.size;
	record->values = table->values;
	record->value_count = table->column_count;
}

enum bm_step bm_table_header(struct bm_recipients *list, struct bm_error *err)
{
	struct bm_table *table = list->table;

	if (table->has_header)
		return BM_STEP_GIVEN;
	if (table->header_error.code != BM_OK) {
		*err = table->header_error;
		return BM_STEP_ERROR;
	}
	if (list->ended)
		return BM_STEP_END;
	enum bm_step step = table->csv != NULL ? bm_csv_header(list, err) : bm_jsonl_header(list, err);
	if (step == BM_STEP_ERROR)
		table->header_error = *err;
	list->ended = step == BM_STEP_END;
	return step;
}

enum bm_step bm_table_next(struct bm_recipients *list, struct bm_record *record, struct bm_error *err)
{
	enum bm_step step = bm_table_header(list, err);

	if (step != BM_STEP_GIVEN)
		return step;
	return list->table->csv != NULL ? bm_csv_row(list, record, err) : bm_jsonl_row(list, record, err);
}
