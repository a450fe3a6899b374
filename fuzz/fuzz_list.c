/* SPDX-License-Identifier: MIT */
/*
 * Lists in each format: the same octets by a path, in large blocks, and by a stream, line by line, give the same
 * records; so do rows of CSV that are split where they lie and those that libcsv takes apart.
 */
#include "bulkmail/recipients.h"
#include "store/list.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool fact)
{
	if (!fact)
		abort();
}

static bool is_blank(char c)
{
	return c == ' ' || (c >= '\t' && c <= '\r');
}

/* What every record of every format is. */
static void check_record(const struct bm_record *record, uint64_t seq, bool plain)
{
	require(record->seq == seq && record->size <= BM_RECORD_SIZE_MAX);
	require(record->size == 0 || !is_blank(record->text[0]));
	if (record->fault != NULL) {
		require(!plain && record->value_count == 0 && record->fault[0] != '\0');
		return;
	}
	require(record->size > 0 && record->value_count > 0);
	require(record->too_long || !is_blank(record->text[record->size - 1]));
	require(!record->too_long || (plain && record->size == BM_RECORD_SIZE_MAX));
	require(!plain || memchr(record->text, '\n', record->size) == NULL);
	for (size_t i = 0; !plain && i < record->value_count; i++) {
		const struct bm_text *value = &record->values[i];
		require(value->size <= BM_RECORD_SIZE_MAX && (value->data != NULL || value->size == 0));
		require(value->size == 0 || memchr(value->data, 0, value->size) == NULL);
	}
}

static struct bm_record next(struct bm_recipients *list, uint64_t seq, bool plain)
{
	struct bm_record record;
	struct bm_error err = BM_ERROR_INIT;

	require(bm_recipients_next(list, &record, &err) == BM_OK);
	if (record.text != NULL)
		check_record(&record, seq, plain);
	return record;
}

static bool same_text(const char *a, size_t a_size, const char *b, size_t b_size)
{
	return a_size == b_size && (a == NULL) == (b == NULL) && (a_size == 0 || memcmp(a, b, a_size) == 0);
}

static void compare_records(const struct bm_record *one, const struct bm_record *two)
{
	require(same_text(one->text, one->size, two->text, two->size) && one->too_long == two->too_long);
	require((one->fault == NULL) == (two->fault == NULL) && one->value_count == two->value_count);
	require(one->fault == NULL || strcmp(one->fault, two->fault) == 0);
	for (size_t i = 0; i < one->value_count; i++)
		require(same_text(one->values[i].data, one->values[i].size, two->values[i].data, two->values[i].size));
}

static void compare(struct bm_recipients *a, struct bm_recipients *b, bool plain)
{
	const char *const *names = NULL;
	size_t count = 0;
	struct bm_error err = BM_ERROR_INIT;
	enum bm_code code = bm_recipients_columns(a, &names, &count, &err);

	require(code == BM_OK || (code == BM_E_LIST && strcmp(err.id, "MB705") == 0));
	require(bm_recipients_columns(b, &names, &count, &err) == code);
	for (uint64_t seq = 1; code == BM_OK; seq++) {
		struct bm_record one = next(a, seq, plain);
		struct bm_record two = next(b, seq, plain);
		require((one.text == NULL) == (two.text == NULL));
		if (one.text == NULL)
			return;
		compare_records(&one, &two);
	}
}

static void try_format(const char *path, enum bm_list_format format)
{
	const struct bm_recipients_options options = {.size = sizeof options, .format = format};
	struct bm_recipients *by_path = NULL;
	struct bm_recipients *by_stream = NULL;
	FILE *stream = fopen(path, "rb");

	require(stream != NULL);
	require(bm_recipients_open_as(&by_path, path, &options, NULL) == BM_OK);
	require(bm_recipients_new_stream_as(&by_stream, stream, &options, NULL) == BM_OK);
	if (format == BM_LIST_CSV || format == BM_LIST_TSV)
		bm_csv_only_slow(by_stream);
	compare(by_path, by_stream, format == BM_LIST_PLAIN);
	bm_recipients_free(by_path);
	bm_recipients_free(by_stream);
	fclose(stream);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char path[64];
	int fd = memfd_create("list", MFD_CLOEXEC);

	require(fd >= 0 && write(fd, data, size) == (ssize_t)size);
	snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
	for (int format = BM_LIST_PLAIN; format <= BM_LIST_JSON_LINES; format++)
		try_format(path, (enum bm_list_format)format);
	close(fd);
	return 0;
}
