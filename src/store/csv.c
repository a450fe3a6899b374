/* SPDX-License-Identifier: MIT */
/*
 * CSV and TSV (RFC 4180). libcsv gets one line after the other, so that nothing is read ahead; a row without a quote
 * needs no parser. A row whose quotes are wrong is one record that is a fault; reading goes on with the line behind its
 * first, for the quote that is not closed has swallowed what follows.
 */
#include "base/error.h"
#include "store/list.h"

#include <csv.h>
#include <stdlib.h>
#include <string.h>

#define FIELDS_FIRST 64
#define ENTRY_STEP 4096

struct bm_csv {
	struct csv_parser parser;
	unsigned char delimiter;
	bool only_slow;
	struct bm_text *found; /* the fields of the row; data of those that libcsv gave is set when the row is whole */
	size_t *offsets;       /* of the latter in table->fields */
	size_t capacity;
	size_t count;
	bool ended; /* the row is whole */
	enum bm_code failed;
	struct bm_buf *fields;
};

static int is_blank(unsigned char c)
{
	return c == ' ' || c == '\t' || c == '\r';
}

static int is_blank_but_tab(unsigned char c)
{
	return c == ' ' || c == '\r';
}

static int ends_row(unsigned char c)
{
	return c == '\n';
}

enum bm_code bm_csv_new(struct bm_csv **out, unsigned char delimiter)
{
	struct bm_csv *csv = calloc(1, sizeof *csv);

	*out = csv;
	if (csv == NULL)
		return BM_E_NOMEM;
	if (csv_init(&csv->parser, CSV_STRICT) != 0)
		return BM_E_NOMEM;
	csv->delimiter = delimiter;
	csv_set_delim(&csv->parser, delimiter);
	csv_set_space_func(&csv->parser, delimiter == '\t' ? is_blank_but_tab : is_blank);
	csv_set_term_func(&csv->parser, ends_row);
	csv_set_blk_size(&csv->parser, ENTRY_STEP);
	return BM_OK;
}

void bm_csv_free(struct bm_csv *csv)
{
	if (csv == NULL)
		return;
	csv_free(&csv->parser);
	free(csv->found);
	free(csv->offsets);
	free(csv);
}

void bm_csv_only_slow(struct bm_recipients *list)
{
	list->table->csv->only_slow = true;
}

static bool add_field(struct bm_csv *csv, struct bm_text field, size_t offset)
{
	if (csv->count == csv->capacity) {
		size_t capacity = csv->capacity == 0 ? FIELDS_FIRST : 2 * csv->capacity;
		struct bm_text *found = realloc(csv->found, capacity * sizeof *found);
		if (found == NULL)
			return false;
		csv->found = found;
		size_t *offsets = realloc(csv->offsets, capacity * sizeof *offsets);
		if (offsets == NULL)
			return false;
		csv->offsets = offsets;
		csv->capacity = capacity;
	}
	csv->offsets[csv->count] = offset;
	csv->found[csv->count++] = field;
	return true;
}

static void take_field(void *data, size_t size, void *user)
{
	struct bm_csv *csv = user;
	size_t offset = csv->fields->size;

	if (bm_buf_append(csv->fields, data, size) != BM_OK || !add_field(csv, (struct bm_text){NULL, size}, offset))
		csv->failed = BM_E_NOMEM;
}

static void take_end(int end, void *user)
{
	struct bm_csv *csv = user;

	(void)end;
	csv->ended = true;
}

static void begin_row(struct bm_table *table)
{
	struct bm_csv *csv = table->csv;

	csv->count = 0;
	csv->ended = false;
	csv->failed = BM_OK;
	csv->fields = &table->fields;
	bm_buf_clear(&table->fields);
	/* Whatever state a broken row left behind. */
	(void)csv_fini(&csv->parser, NULL, NULL, NULL);
}

/* One more line of the row. False when a quote stands where none can be. */
static bool feed(struct bm_csv *csv, struct bm_span line)
{
	size_t taken = csv_parse(&csv->parser, line.data, line.size, take_field, take_end, csv);

	if (taken == line.size && (line.size == 0 || line.data[line.size - 1] != '\n'))
		taken += csv_parse(&csv->parser, "\n", 1, take_field, take_end, csv) - 1;
	if (csv_error(&csv->parser) == CSV_ENOMEM)
		csv->failed = BM_E_NOMEM;
	return taken == line.size;
}

static struct bm_text trimmed(const struct bm_csv *csv, const unsigned char *start, const unsigned char *end)
{
	bool tabs = csv->delimiter != '\t';

	while (start < end && (*start == ' ' || *start == '\r' || (tabs && *start == '\t')))
		start++;
	while (end > start && (end[-1] == ' ' || end[-1] == '\r' || (tabs && end[-1] == '\t')))
		end--;
	return (struct bm_text){(const char *)start, (size_t)(end - start)};
}

/* A row without quotes lies in its line. */
static bool split(struct bm_csv *csv, struct bm_span line)
{
	const unsigned char *at = line.data;
	const unsigned char *end = line.data + line.size;

	if (end > at && end[-1] == '\n')
		end--;
	for (;;) {
		const unsigned char *stop = at == end ? NULL : memchr(at, csv->delimiter, (size_t)(end - at));
		if (!add_field(csv, trimmed(csv, at, stop == NULL ? end : stop), SIZE_MAX))
			return false;
		if (stop == NULL)
			return true;
		at = stop + 1;
	}
}

/* What libcsv gave lies in fields, which does not move any more. */
static void settle_fields(struct bm_csv *csv)
{
	for (size_t i = 0; i < csv->count; i++) {
		if (csv->offsets[i] != SIZE_MAX)
			csv->found[i].data = csv->found[i].size == 0 ? "" : (const char *)csv->fields->data + csv->offsets[i];
	}
}

static bool is_empty(const struct bm_csv *csv)
{
	for (size_t i = 0; i < csv->count; i++) {
		if (csv->found[i].size > 0)
			return false;
	}
	return true;
}

/* A row under way. */
struct row {
	struct bm_span first; /* its first line; in back when there are more */
	uint64_t number;      /* of that line */
	size_t start;         /* of it in back */
	bool kept;            /* it is in back */
	const char *fault;    /* NULL: none */
};

/* The first line is kept: the row goes on, and may have to be read again from its second line. */
static enum bm_code keep_first(struct bm_table *table, struct row *row)
{
	if (row->kept)
		return BM_OK;
	bm_buf_clear(&table->back);
	enum bm_code code = bm_buf_append_span(&table->back, row->first);
	row->kept = true;
	row->start = 0;
	table->back_at = table->back.size;
	return code;
}

static size_t behind_first(const struct row *row)
{
	return row->start + row->first.size;
}

/* What stands before the row in back is not needed any more; moved rarely, so that it costs little. */
static void drop_old(struct bm_table *table, struct row *row)
{
	if (row->start < BM_ROW_SIZE_MAX)
		return;
	bm_buf_consume(&table->back, row->start);
	table->back_at -= row->start;
	row->start = 0;
}

/* Another line of the row. */
static enum bm_step read_more(struct bm_recipients *list, struct row *row, struct bm_span *line, struct bm_error *err)
{
	struct bm_table *table = list->table;
	bool again = table->back_at < table->back.size;
	enum bm_step step = bm_table_line(list, line, err);

	if (step == BM_STEP_TOO_LONG)
		table->long_behind = true;
	if (step != BM_STEP_GIVEN || again)
		return step;
	drop_old(table, row);
	if (bm_buf_append_span(&table->back, *line) != BM_OK) {
		(void)bm_error_nomem(err);
		return BM_STEP_ERROR;
	}
	*line = bm_span_make(table->back.data + table->back_at, table->back.size - table->back_at);
	table->back_at = table->back.size;
	return BM_STEP_GIVEN;
}

/* Back to before the row, or to the line behind its first. */
static void read_again(struct bm_table *table, const struct row *row, bool all)
{
	if (!row->kept)
		return;
	table->back_at = all ? row->start : behind_first(row);
	table->line_number = all ? row->number - 1 : row->number;
}

static const char *unclosed(void)
{
	return "a quote (\") is not closed";
}

/* Feeds line after line until the row is whole or wrong. */
static enum bm_step parse_quoted(struct bm_recipients *list, struct row *row, struct bm_error *err)
{
	struct bm_table *table = list->table;
	struct bm_csv *csv = table->csv;
	struct bm_span line = row->first;
	enum bm_step step = BM_STEP_GIVEN;

	while (feed(csv, line) && !csv->ended && csv->failed == BM_OK) {
		if (keep_first(table, row) != BM_OK) {
			(void)bm_error_nomem(err);
			return BM_STEP_ERROR;
		}
		step = read_more(list, row, &line, err);
		if (step == BM_STEP_WAIT) {
			read_again(table, row, true);
			return step;
		}
		if (step == BM_STEP_ERROR || (step == BM_STEP_END && list->failed != BM_OK))
			return step;
		if (step != BM_STEP_GIVEN || table->back_at - row->start > BM_ROW_SIZE_MAX) {
			row->fault = unclosed();
			break;
		}
	}
	if (csv->failed != BM_OK) {
		(void)bm_error_nomem(err);
		return BM_STEP_ERROR;
	}
	if (row->fault == NULL && !csv->ended)
		row->fault = row->kept ? "a quote (\") is not closed, or stands within a field" : "a quote (\") within a field";
	if (row->fault != NULL)
		read_again(table, row, false);
	return BM_STEP_GIVEN;
}

static bool is_blank_line(struct bm_span line)
{
	for (size_t i = 0; i < line.size; i++) {
		if (line.data[i] != '\n' && !is_blank(line.data[i]))
			return false;
	}
	return true;
}

/* The fields of the next row that is not blank, or what is wrong with it. */
static enum bm_step next_fields(struct bm_recipients *list, struct row *row, struct bm_error *err)
{
	struct bm_table *table = list->table;
	struct bm_csv *csv = table->csv;
	enum bm_step step = BM_STEP_GIVEN;

	do {
		*row = (struct row){.kept = table->back_at < table->back.size, .start = table->back_at};
		step = bm_table_line(list, &row->first, err);
		row->number = table->line_number;
		if (step == BM_STEP_TOO_LONG) {
			row->first = bm_span_make("", 0);
			row->fault = "longer than 1048576 octets";
			return BM_STEP_GIVEN;
		}
		if (step != BM_STEP_GIVEN)
			return step;
		csv->count = 0;
		bool quotes = csv->only_slow || memchr(row->first.data, '"', row->first.size) != NULL;
		if (quotes && is_blank_line(row->first))
			continue;
		if (quotes) {
			begin_row(table);
			step = parse_quoted(list, row, err);
			settle_fields(csv);
		} else if (!split(csv, row->first)) {
			(void)bm_error_nomem(err);
			return BM_STEP_ERROR;
		}
	} while (step == BM_STEP_GIVEN && row->fault == NULL && is_empty(csv));
	return step;
}

enum bm_step bm_csv_header(struct bm_recipients *list, struct bm_error *err)
{
	struct bm_table *table = list->table;
	struct bm_csv *csv = table->csv;
	struct row row;
	enum bm_step step = next_fields(list, &row, err);

	if (step != BM_STEP_GIVEN)
		return step;
	if (row.fault != NULL) {
		(void)bm_table_bad_header(table, err, "%s", row.fault);
		return BM_STEP_ERROR;
	}
	for (size_t i = 0; i < csv->count; i++) {
		struct bm_span name = bm_span_trim(bm_span_make(csv->found[i].data, csv->found[i].size));
		csv->found[i] = (struct bm_text){(const char *)name.data, name.size};
	}
	return bm_table_set_columns(table, csv->found, csv->count, err) == BM_OK ? BM_STEP_GIVEN : BM_STEP_ERROR;
}

/* The row's first line stands for it where there is no address. */
static void set_line(struct bm_record *record, const struct row *row, const struct bm_table *table)
{
	const unsigned char *data = row->kept ? table->back.data + row->start : row->first.data;
	struct bm_span text = bm_span_trim(bm_span_make(data, row->first.size));

	record->text = (const char *)text.data;
	record->size = text.size < BM_RECORD_SIZE_MAX ? text.size : BM_RECORD_SIZE_MAX;
}

static void set_values(struct bm_table *table, struct bm_record *record, const struct row *row)
{
	const struct bm_csv *csv = table->csv;

	if (csv->count > table->column_count) {
		bm_table_fault(table, record, row->number, "%zu fields, and %zu columns", csv->count, table->column_count);
		return;
	}
	for (size_t i = 0; i < csv->count; i++) {
		const struct bm_text *field = &csv->found[i];
		table->values[i] = *field;
		if (field->size > BM_RECORD_SIZE_MAX) {
			bm_table_fault(table, record, row->number, "the value of %s is longer than %d octets", table->names[i],
				BM_RECORD_SIZE_MAX);
			return;
		}
		if (field->size > 0 && memchr(field->data, 0, field->size) != NULL) {
			bm_table_fault(table, record, row->number, "a NUL in the value of %s", table->names[i]);
			return;
		}
	}
	for (size_t i = csv->count; i < table->column_count; i++)
		table->values[i] = (struct bm_text){NULL, 0};
	bm_table_set_address(table, record, row->number);
}

enum bm_step bm_csv_row(struct bm_recipients *list, struct bm_record *record, struct bm_error *err)
{
	struct bm_table *table = list->table;
	struct row row;
	enum bm_step step = next_fields(list, &row, err);

	if (step != BM_STEP_GIVEN)
		return step;
	set_line(record, &row, table);
	if (row.fault != NULL)
		bm_table_fault(table, record, row.number, "%s", row.fault);
	else
		set_values(table, record, &row);
	return BM_STEP_GIVEN;
}
