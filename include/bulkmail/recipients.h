/* SPDX-License-Identifier: MIT */
/*
 * The list: one record a line, an address with or without a display name; or a table (CSV, TSV, JSON lines) whose
 * columns fill the slots of a message. A source takes one of four forms: a path ("-" is standard input), an open
 * stream, a callback, or an array. Records are pulled one at a time.
 */
#ifndef BULKMAIL_RECIPIENTS_H
#define BULKMAIL_RECIPIENTS_H

#include "bulkmail/errors.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#ifdef __cplusplus
extern "C" {
#endif

/* A line longer than this is one record that is `invalid`, whatever is in it. */
#define BM_RECORD_SIZE_MAX 4096

/* A row of a table that is longer than this is `invalid`, too. */
#define BM_ROW_SIZE_MAX 1048576

struct bm_recipients;

enum bm_list_format {
	BM_LIST_BY_NAME,    /* of the file: .csv, .tsv, .jsonl, .ndjson (any case), else plain; plain without a name */
	BM_LIST_PLAIN,      /* one record a line */
	BM_LIST_CSV,        /* RFC 4180, the first row names the columns */
	BM_LIST_TSV,        /* the same with TAB between the fields */
	BM_LIST_JSON_LINES, /* one object a line, the keys of the first are the columns */
};

struct bm_recipients_options {
	size_t size; /* sizeof this struct */
	enum bm_list_format format;
};

#define BM_RECIPIENTS_OPTIONS_INIT                                                                                     \
	{                                                                                                                  \
		.size = sizeof(struct bm_recipients_options), .format = BM_LIST_BY_NAME                                        \
	}

/*
 * Puts the next record in *line (any octets, without the line end, valid until the next
 * call) and returns true; false at the end of the list.
 */
typedef bool bm_recipients_fn(void *user, const char **line, size_t *size);

struct bm_text {
	const char *data; /* any octets; NULL: absent */
	size_t size;
};

/* One record. text and values are valid until the next call. */
struct bm_record {
	uint64_t seq; /* 1-based count of the list's records; the header row is none */
	const char
		*text; /* the line, or a table's address (its line, when it is a fault), trimmed; any octets, size counts */
	size_t size;
	bool too_long; /* text holds the first BM_RECORD_SIZE_MAX octets only */
	/* Why a row of a table is no record that could be sent (a quote that is not closed, too many fields): it is
	 * `invalid`. NULL: nothing. */
	const char *fault;
	/* Of a table: one for each column. Of a plain list: one, the line, so that it can serve as the column `email`. */
	const struct bm_text *values;
	size_t value_count;
};

/* MB702 (BM_E_MISSING, BM_E_IO) when it cannot be opened. The caller frees *out. */
BM_API enum bm_code bm_recipients_open(
	struct bm_recipients **out, const char *path, struct bm_error *err) BM_MUST_CHECK;

/*
 * The same as options say; bm_recipients_open has BM_RECIPIENTS_OPTIONS_INIT. BM_E_USAGE for a format that does not
 * exist.
 */
BM_API enum bm_code bm_recipients_open_as(struct bm_recipients **out, const char *path,
	const struct bm_recipients_options *options, struct bm_error *err) BM_MUST_CHECK;

/* The stream stays the caller's and must outlive the source. MB701 for NULL. */
BM_API enum bm_code bm_recipients_new_stream_as(struct bm_recipients **out, FILE *stream,
	const struct bm_recipients_options *options, struct bm_error *err) BM_MUST_CHECK;
BM_API enum bm_code bm_recipients_new_stream(
	struct bm_recipients **out, FILE *stream, struct bm_error *err) BM_MUST_CHECK;
BM_API enum bm_code bm_recipients_new_callback(
	struct bm_recipients **out, bm_recipients_fn *fn, void *user, struct bm_error *err) BM_MUST_CHECK;

/* The lines stay the caller's and must outlive the source. */
BM_API enum bm_code bm_recipients_new_array(
	struct bm_recipients **out, const char *const *lines, size_t count, struct bm_error *err) BM_MUST_CHECK;

/*
 * The list's columns in order; reads the header row or the first object if it was not read yet. A plain list has none:
 * *names NULL, *count 0. Owned by the list. BM_E_LIST (MB705) for a header that cannot be used, BM_E_IO (MB704).
 */
BM_API enum bm_code bm_recipients_columns(
	struct bm_recipients *recipients, const char *const **names, size_t *count, struct bm_error *err) BM_MUST_CHECK;

/*
 * The next record. BM_OK with record->text NULL at the end. Blank lines are no records.
 * A UTF-8 byte order mark before the first record is dropped; LF, CR LF and a lone CR before LF end a
 * line. BM_E_IO (MB704) when the list cannot be read further, or a file became shorter while it was read.
 */
BM_API enum bm_code bm_recipients_next(
	struct bm_recipients *recipients, struct bm_record *record, struct bm_error *err) BM_MUST_CHECK;

/* True for a regular file or an array: reading to its end cannot wait for anybody. */
BM_API bool bm_recipients_finite(const struct bm_recipients *recipients);

/*
 * An estimate of the records still to come, by the size of what is left and the records so far; 0 when it
 * cannot be known.
 */
BM_API uint64_t bm_recipients_left(const struct bm_recipients *recipients);

BM_API void bm_recipients_free(struct bm_recipients *recipients);

#ifdef __cplusplus
}
#endif

#endif
