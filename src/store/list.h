/* SPDX-License-Identifier: MIT */
/* Between the files that read lists: octets and plain lines (recipients.c), tables (table.c, csv.c, jsonl.c). */
#ifndef BM_STORE_LIST_H
#define BM_STORE_LIST_H

#include "base/buf.h"
#include "base/span.h"
#include "bulkmail/recipients.h"
#include "store/recipients.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#define BM_BLOCK_SIZE (64u * 1024)
#define BM_FAULT_SIZE 200

struct bm_csv;

enum bm_list_form {
	LIST_FD,
	LIST_STREAM,
	LIST_CALLBACK,
	LIST_ARRAY,
};

/* A line that crosses blocks, without the blanks before it. */
struct bm_gathered {
	size_t size;         /* octets in data */
	size_t seen;         /* octets so far, blanks at the end included */
	size_t text_size;    /* octets up to the last that is no blank */
	unsigned char *data; /* BM_RECORD_SIZE_MAX octets */
};

struct bm_recipients {
	enum bm_list_form form;
	int fd;
	bool owns_fd;
	FILE *stream;
	bm_recipients_fn *fn;
	void *user;
	const char *const *lines;
	size_t line_count;
	size_t next_line;

	unsigned char *block;
	struct bm_span rest; /* of the block */
	struct bm_gathered line;

	bool gathering;   /* part of a line is in line */
	bool interrupted; /* wait said no */
	bool started;     /* the place of a byte order mark lies behind */
	bool ended;
	enum bm_code failed;
	int failed_errno; /* 0: the file became shorter while it was read */

	bool regular;
	uint64_t size;     /* octets from where we began to the file's end */
	uint64_t consumed; /* octets of the lines so far */
	uint64_t records;
	struct bm_text value; /* of the record */

	bm_recipients_wait_fn *wait; /* NULL: none */
	void *wait_user;

	struct bm_table *table; /* NULL: a plain list */
};

/* Takes the rest of the block, or its first line if it has an end; reads on first. False at the end. */
bool bm_list_take_piece(struct bm_recipients *list, struct bm_span *piece, bool *complete);

/* The end was reached in the middle of a line: a file that became shorter is a failure. */
void bm_list_check_end(struct bm_recipients *list);

/* What came of looking for a line or a row. */
enum bm_step {
	BM_STEP_GIVEN,
	BM_STEP_END,
	BM_STEP_WAIT,     /* the wait was ended: the same call goes on */
	BM_STEP_TOO_LONG, /* a line over BM_ROW_SIZE_MAX, which was passed over */
	BM_STEP_ERROR,
};

/* A list with columns. */
struct bm_table {
	enum bm_list_format format;
	char *name; /* of the file, for errors */
	char **names;
	size_t column_count;
	size_t address; /* the column */
	bool has_header;
	struct bm_error header_error; /* code BM_OK: none */

	struct bm_text *values; /* one for each column */
	char fault[BM_FAULT_SIZE];
	struct bm_buf fields; /* what values point to, when not into the line */

	/* Lines. Those of a row that spans several are kept in back, so that they can be read again. */
	struct bm_buf back;
	size_t back_at;
	bool long_behind; /* a line that is too long stood behind back */
	struct bm_buf line;
	bool skipping;        /* the line under way is too long */
	uint64_t line_number; /* of the line that was read last */

	struct bm_csv *csv; /* NULL: JSON lines */
	void *json;         /* the object that values point to; jsonl.c */
};

/* After an error *out is to be freed, too. */
enum bm_code bm_table_new(struct bm_table **out, enum bm_list_format format, const char *name) BM_MUST_CHECK;
void bm_table_free(struct bm_table *table);

/* Reads the header unless that is done. */
enum bm_step bm_table_header(struct bm_recipients *list, struct bm_error *err) BM_MUST_CHECK;
enum bm_step bm_table_next(struct bm_recipients *list, struct bm_record *record, struct bm_error *err) BM_MUST_CHECK;

/* The next line with its end, if it has one; valid until the next call. */
enum bm_step bm_table_line(struct bm_recipients *list, struct bm_span *line, struct bm_error *err) BM_MUST_CHECK;

/* Says why the row that began on line number is none. */
void bm_table_fault(struct bm_table *table, struct bm_record *record, uint64_t number, const char *fmt, ...)
	BM_PRINTF(4, 5);

/* Sets the columns. MB705 for names that are empty or there twice. */
enum bm_code bm_table_set_columns(
	struct bm_table *table, const struct bm_text *names, size_t count, struct bm_error *err) BM_MUST_CHECK;
enum bm_code bm_table_bad_header(struct bm_table *table, struct bm_error *err, const char *fmt, ...) BM_PRINTF(3, 4);

/* The address of a record whose values are set; a fault when there is none. */
void bm_table_set_address(struct bm_table *table, struct bm_record *record, uint64_t number);

/* csv.c */
enum bm_code bm_csv_new(struct bm_csv **out, unsigned char delimiter) BM_MUST_CHECK;
void bm_csv_free(struct bm_csv *csv);
enum bm_step bm_csv_header(struct bm_recipients *list, struct bm_error *err) BM_MUST_CHECK;
enum bm_step bm_csv_row(struct bm_recipients *list, struct bm_record *record, struct bm_error *err) BM_MUST_CHECK;
/* Leaves rows without quotes to libcsv, too: tests compare both ways. */
void bm_csv_only_slow(struct bm_recipients *list);

/* jsonl.c */
enum bm_step bm_jsonl_header(struct bm_recipients *list, struct bm_error *err) BM_MUST_CHECK;
enum bm_step bm_jsonl_row(struct bm_recipients *list, struct bm_record *record, struct bm_error *err) BM_MUST_CHECK;
void bm_jsonl_forget(struct bm_table *table);

#endif
