/* SPDX-License-Identifier: MIT */
/* Lists with columns: what a row is, what is wrong with one, and where reading goes on. F58 */
#include "bulkmail/recipients.h"
#include "store/list.h"
#include "store/recipients.h"

#include "scratch.h"

#include <fcntl.h>

static struct bm_recipients *open_list(struct scratch *scratch, const char *name, const void *data, size_t size)
{
	struct bm_recipients *list = NULL;
	struct bm_error err = BM_ERROR_INIT;

	if (bm_recipients_open(&list, scratch_write(scratch, name, data, size), &err) != BM_OK)
		fail_msg("%s", err.text);
	return list;
}

static void append(char *out, const char *text, size_t size)
{
	size_t used = strlen(out);

	assert_true(used + size + 1 < 20000);
	memcpy(out + used, text, size);
	out[used + size] = '\0';
}

/* All of a list as text: "[name]…", then a line for each record: its address, its values, or its fault. */
static void show(struct bm_recipients *list, char out[20000])
{
	const char *const *names = NULL;
	size_t count = 0;
	struct bm_record record;
	struct bm_error err = BM_ERROR_INIT;

	out[0] = '\0';
	if (bm_recipients_columns(list, &names, &count, &err) != BM_OK) {
		snprintf(out, 20000, "%s %s", err.id, err.text);
		assert_int_equal(bm_recipients_next(list, &record, &err), BM_E_LIST);
		assert_int_equal(bm_recipients_columns(list, &names, &count, NULL), BM_E_LIST);
		return;
	}
	for (size_t i = 0; i < count; i++) {
		append(out, "[", 1);
		append(out, names[i], strlen(names[i]));
		append(out, "]", 1);
	}
	for (uint64_t seq = 1;; seq++) {
		if (bm_recipients_next(list, &record, &err) != BM_OK)
			fail_msg("%s", err.text);
		if (record.text == NULL)
			return;
		assert_int_equal(record.seq, seq);
		append(out, "\n", 1);
		append(out, record.text, record.size);
		append(out, ":", 1);
		if (record.fault != NULL)
			append(out, record.fault, strlen(record.fault));
		for (size_t i = 0; i < record.value_count; i++) {
			append(out, record.values[i].data == NULL ? "-" : "<", 1);
			append(out, record.values[i].data == NULL ? "" : record.values[i].data, record.values[i].size);
			append(out, ">", record.values[i].data == NULL ? 0 : 1);
		}
	}
}

static void check_octets(const char *name, const void *data, size_t size, const char *want)
{
	const char *const names[] = {name, NULL};
	struct scratch scratch;
	char got[20000];

	scratch_init(&scratch);
	struct bm_recipients *list = open_list(&scratch, name, data, size);
	show(list, got);
	bm_recipients_free(list);
	/* The name of the file stands in errors of the header. */
	const char *text = strncmp(got, "MB705 ", 6) == 0 ? strstr(got, "line ") : got;
	assert_string_equal(text, want);
	scratch_deinit(&scratch, names);
}

static void check(const char *name, const char *data, const char *want)
{
	check_octets(name, data, strlen(data), want);
}

static void reads_csv(void **state)
{
	(void)state;
	check("a.csv",
		"\xef\xbb\xbfName , E-Mail,EMAIL\r\n Jim T ,x, j@y.org \n\"Doe, \"\"J\"\"\",\"\", \"k@y.org\"\t\r\nl,,l@y.org",
		"[Name][E-Mail][EMAIL]\nj@y.org:<Jim T><x><j@y.org>\nk@y.org:<Doe, \"J\"><><k@y.org>\nl@y.org:<l><><l@y.org>");
	check("a.CSV", "who,x\na@x.org\n\"b@x.org\"\n", "[who][x]\na@x.org:<a@x.org>-\nb@x.org:<b@x.org>-");
	check("a.csv", "email,x\na@x.org,\"two\r\nlines\n\n,\"\nb@x.org,y\n",
		"[email][x]\na@x.org:<a@x.org><two\r\nlines\n\n,>\nb@x.org:<b@x.org><y>");
	check("a.csv", "\n \r\nemail\n\n,\n\t\n\"\"\na@x.org\n,\n", "[email]\na@x.org:<a@x.org>");
	check("a.csv", "email\n\"a@x.org", "[email]\n\"a@x.org:line 2: a quote (\") is not closed");
	check("a.csv", "", "");
	check("a.csv", "email", "[email]");
}

static void reads_tsv(void **state)
{
	(void)state;
	check("a.Tsv", "email\tname\na@x.org\t Jim, \"T\" \nb@x.org\t\"a\tb\"\n\t\nc@x.org\n",
		"[email][name]\na@x.org\t Jim, \"T\":line 2: a quote (\") within a "
		"field\nb@x.org:<b@x.org><a\tb>\nc@x.org:<c@x.org>-");
}

static void reads_json_lines(void **state)
{
	(void)state;
	check("a.jsonl",
		"{\"name\":\"J\\u00fc\",\"email\":\" a@x.org \",\"n\":1.10,\"i\":-7,\"t\":true,\"f\":false,\"z\":null}\r\n\n"
		"{\"email\":\"b@x.org\",\"more\":[1],\"name\":\"a\\nb\"}\n[\"c@x.org\"]\n{\"email\":\"d@x.org\",\"n\":{}}\n"
		"{\"email\":\"e@x.org\"\n{\"email\":\"f@x.org\",\"email\":\"g\"}\n{\"name\":\"h\"}\n{\"email\":\"i\\u0000\"}\n"
		"{\"email\":\"j@x.org\"}",
		"[name][email][n][i][t][f][z]\na@x.org:<J\xc3\xbc>< a@x.org "
		"><1.1><-7><true><false>-\nb@x.org:<a\nb><b@x.org>-----\n"
		"[\"c@x.org\"]:line 4: no JSON object: it is no object\n"
		"{\"email\":\"d@x.org\",\"n\":{}}:line 5: the value of n is an object or a list\n"
		"{\"email\":\"e@x.org\":line 6: no JSON object: '}' expected near end of file\n"
		"{\"email\":\"f@x.org\",\"email\":\"g\"}:line 7: no JSON object: duplicate object key near '\"email\"'\n"
		"{\"name\":\"h\"}:line 8: no address in column email\n"
		"{\"email\":\"i\\u0000\"}:line 9: no JSON object: \\\\u0000 is not allowed without JSON_ALLOW_NUL near "
		"'\"i\\\\u0000\"'\n"
		"j@x.org:-<j@x.org>-----");
	check("a.ndjson", "{\"who\":\"a@x.org\"}", "[who]\na@x.org:<a@x.org>");
}

static void refuses_headers(void **state)
{
	(void)state;
	check("a.csv", "email,,x\n", "line 1: column 2 has no name; give every column a name");
	check("a.csv", "\na,b,a\n", "line 2: columns 1 and 3 are both named \"a\"; give each its own name");
	check("a.csv", "email;name\n",
		"line 1: its only column has a \";\" in its name; separate columns by commas, not semicolons");
	check("a.csv", "email\tname\n",
		"line 1: its only column has a TAB in its name; separate columns by commas, or say that the format is tsv");
	check("a.csv", "email,\"x\n", "line 1: a quote (\") is not closed");
	check("a.tsv", "e\"x\n", "line 1: a quote (\") within a field");
	check_octets("a.csv", "email,a\0b\n", 10, "line 1: the name of column 2 holds a NUL");
	check("a.jsonl", "[1]\n", "line 1: found no JSON object (it is no object); give one object a line");
	check("a.jsonl", "{\"\":1}\n", "line 1: column 1 has no name; give every column a name");
	check("a.jsonl", "{}\n", "line 1: there is no column; name them in the first row");
}

/* F58: a bad row is told with its line, and the others go. */
/* conformance: F58, A38 */
static void goes_on_behind_faults(void **state)
{
	(void)state;
	check("a.csv", "email,x\na@x.org,1,2\nb@x.org,\"open\nc@x.org,3\nd@x.org,\"4\"\ne@x.org,\"f\"g\nh@x.org,5\n",
		"[email][x]\na@x.org,1,2:line 2: 3 fields, and 2 columns\n"
		"b@x.org,\"open:line 3: a quote (\") is not closed, or stands within a field\n"
		"c@x.org:<c@x.org><3>\nd@x.org:<d@x.org><4>\ne@x.org,\"f\"g:line 6: a quote (\") within a "
		"field\nh@x.org:<h@x.org><5>");
	check("a.csv", "email,x\n\"a\nb@x.org,\nc@x.org,y",
		"[email][x]\n\"a:line 2: a quote (\") is not closed\n"
		"b@x.org:<b@x.org><>\nc@x.org:<c@x.org><y>");
	check(
		"a.csv", "x,email\n1,\n2,b@x.org\n", "[x][email]\n1,:line 2: no address in column email\nb@x.org:<2><b@x.org>");
	static const char nuls[] = "email,x\na@x.org,\0\nb@x.org,\"\0\"\nc@x.org,z\n";
	check_octets("a.csv", nuls, sizeof nuls - 1,
		"[email][x]\na@x.org,:line 2: a NUL in the value of x\nb@x.org,\":line 3: a NUL in the value of x\n"
		"c@x.org:<c@x.org><z>");
}

static void check_long(const char *name, const char *before, size_t filler, const char *after, const char *want)
{
	size_t size = strlen(before) + filler + strlen(after);
	char *data = malloc(size + 1);

	assert_non_null(data);
	memcpy(data, before, strlen(before));
	memset(data + strlen(before), 'x', filler);
	memcpy(data + strlen(before) + filler, after, strlen(after) + 1);
	const char *const names[] = {name, NULL};
	struct scratch scratch;
	struct bm_record record;
	scratch_init(&scratch);
	struct bm_recipients *list = open_list(&scratch, name, data, size);
	do {
		assert_int_equal(bm_recipients_next(list, &record, NULL), BM_OK);
		assert_non_null(record.text);
	} while (record.fault == NULL || strstr(record.fault, want) == NULL);
	assert_true(record.size <= BM_RECORD_SIZE_MAX);
	do {
		assert_int_equal(bm_recipients_next(list, &record, NULL), BM_OK);
		assert_non_null(record.text);
	} while (record.fault != NULL);
	assert_string_equal(strndupa(record.text, record.size), "last@x.org");
	bm_recipients_free(list);
	scratch_deinit(&scratch, names);
	free(data);
}

/* conformance: F58, A38 */
static void bounds_fields_and_rows(void **state)
{
	(void)state;
	check_long(
		"a.csv", "email,x\na@x.org,", 4097, "\nlast@x.org,\n", "line 2: the value of x is longer than 4096 octets");
	check_long(
		"a.csv", "email,x\na@x.org,\"", 4097, "\"\nlast@x.org,\n", "line 2: the value of x is longer than 4096 octets");
	check_long("a.csv", "email,x\na@x.org,", 2000000, "\nlast@x.org,\n", "line 2: longer than 1048576 octets");
	check_long("a.csv", "email,x\n\"a@x.org,\n", 2000000, "\nlast@x.org,\n", "line 2: a quote (\") is not closed");
	check_long("a.csv", "email,x\n\"a@x.org,\n", 2000000, "\nlast@x.org,\n", "line 3: longer than 1048576 octets");
	check_long("a.jsonl", "{\"email\":\"a@x.org\"}\n{\"email\":\"", 4097, "\"}\n{\"email\":\"last@x.org\"}\n",
		"line 2: the value of email is longer than 4096 octets");
	check_long("a.jsonl", "{\"email\":\"\"}\n{\"email\":\"", 2000000, "\"}\n{\"email\":\"last@x.org\"}\n",
		"line 2: longer than 1048576 octets");
}

/* A quote that is never closed, and very many rows behind it: each is read twice at most. */
/* conformance: F58 */
static void finds_all_rows_behind_an_open_quote(void **state)
{
	(void)state;
	static const char *const names[] = {"a.csv", NULL};
	struct scratch scratch;
	struct bm_record record;
	size_t rows = 200000;
	char *data = malloc(rows * 20 + 100);
	assert_non_null(data);
	size_t size = (size_t)snprintf(data, 100, "email,x\n\"open@x.org,\n");
	for (size_t i = 0; i < rows; i++)
		size += (size_t)snprintf(data + size, 32, "u%07zu@x.org,%s\n", i, i % 1000 == 7 ? "\"\"" : "y");
	scratch_init(&scratch);
	struct bm_recipients *list = open_list(&scratch, "a.csv", data, size);
	assert_int_equal(bm_recipients_next(list, &record, NULL), BM_OK);
	assert_non_null(record.fault);
	for (size_t i = 0; i < rows; i++) {
		char want[32];
		snprintf(want, sizeof want, "u%07zu@x.org", i);
		assert_int_equal(bm_recipients_next(list, &record, NULL), BM_OK);
		assert_int_equal(record.size, strlen(want));
		assert_memory_equal(record.text, want, record.size);
	}
	assert_int_equal(bm_recipients_next(list, &record, NULL), BM_OK);
	assert_null(record.text);
	bm_recipients_free(list);
	scratch_deinit(&scratch, names);
	free(data);
}

/* Both ways through a row give the same, over blocks that end anywhere. */
static void splits_as_libcsv_does(void **state)
{
	(void)state;
	static const char *const names[] = {"a.csv", NULL};
	static const char alphabet[] = "a,b \t\r\n\",\n,@";
	static const char header[] = "one,email,two\n";
	struct scratch scratch;
	char *data = malloc(300000);
	char *fast = malloc(20000);
	char *slow = malloc(20000);
	uint32_t random = 71;
	assert_non_null(data);
	assert_non_null(fast);
	assert_non_null(slow);
	scratch_init(&scratch);
	for (int round = 0; round < 300; round++) {
		size_t size = sizeof header - 1;
		memcpy(data, header, size);
		for (int i = 0; i < 300; i++) {
			random = random * 1664525 + 1013904223;
			data[size++] = alphabet[(random >> 16) % (sizeof alphabet - 1)];
		}
		struct bm_recipients *list = open_list(&scratch, "a.csv", data, size);
		show(list, fast);
		bm_recipients_free(list);
		list = open_list(&scratch, "a.csv", data, size);
		bm_csv_only_slow(list);
		show(list, slow);
		bm_recipients_free(list);
		assert_string_equal(fast, slow);
	}
	scratch_deinit(&scratch, names);
	free(data);
	free(fast);
	free(slow);
}

static void takes_the_format_that_it_is_told(void **state)
{
	(void)state;
	static const char *const names[] = {"a.csv", "b.txt", NULL};
	struct bm_recipients_options options = BM_RECIPIENTS_OPTIONS_INIT;
	struct scratch scratch;
	struct bm_recipients *list = NULL;
	struct bm_error err = BM_ERROR_INIT;
	struct bm_record record;
	char got[20000];
	scratch_init(&scratch);
	const char *path = scratch_write(&scratch, "a.csv", "a@x.org,b\n", 10);
	options.format = BM_LIST_PLAIN;
	assert_int_equal(bm_recipients_open_as(&list, path, &options, &err), BM_OK);
	const char *const *columns = names;
	size_t count = 1;
	assert_int_equal(bm_recipients_columns(list, &columns, &count, &err), BM_OK);
	assert_true(columns == NULL && count == 0);
	assert_int_equal(bm_recipients_next(list, &record, &err), BM_OK);
	assert_int_equal(record.value_count, 1);
	assert_memory_equal(record.values[0].data, "a@x.org,b", 9);
	bm_recipients_free(list);
	path = scratch_write(&scratch, "b.txt", "email,n\na@x.org,b\n", 18);
	options.format = BM_LIST_CSV;
	FILE *stream = fopen(path, "rb");
	assert_non_null(stream);
	assert_int_equal(bm_recipients_new_stream_as(&list, stream, &options, &err), BM_OK);
	show(list, got);
	assert_string_equal(got, "[email][n]\na@x.org:<a@x.org><b>");
	assert_true(bm_recipients_finite(list));
	bm_recipients_free(list);
	fclose(stream);
	options.format = (enum bm_list_format)9;
	assert_int_equal(bm_recipients_open_as(&list, path, &options, &err), BM_E_USAGE);
	/* An older caller's struct ends before the format. */
	options.size = offsetof(struct bm_recipients_options, format);
	assert_int_equal(bm_recipients_open_as(&list, path, &options, &err), BM_OK);
	assert_int_equal(bm_recipients_columns(list, &columns, &count, &err), BM_OK);
	assert_int_equal(count, 0);
	bm_recipients_free(list);
	options.size = 0;
	assert_int_equal(bm_recipients_open_as(&list, path, &options, &err), BM_E_USAGE);
	assert_int_equal(bm_recipients_open_as(&list, path, NULL, &err), BM_E_USAGE);
	scratch_deinit(&scratch, names);
}

/* A pipe, and how often its reading may go on. */
struct pipe_list {
	int ends[2];
	struct bm_recipients *list;
	unsigned waits;
};

static bool wait_once(void *user, int fd)
{
	struct pipe_list *pipe_list = user;

	(void)fd;
	return pipe_list->waits > 0 && pipe_list->waits-- > 0;
}

static void feed(struct pipe_list *pipe_list, const char *text)
{
	assert_int_equal(write(pipe_list->ends[1], text, strlen(text)), strlen(text));
	pipe_list->waits = 1;
}

static void expect_wait(struct pipe_list *pipe_list)
{
	struct bm_record record;

	assert_int_equal(bm_recipients_next(pipe_list->list, &record, NULL), BM_E_STOPPED);
}

/* Nothing is read ahead, and nothing of a row that came in part is lost. */
static void waits_for_a_pipe(void **state)
{
	(void)state;
	struct pipe_list pipe_list = {.waits = 0};
	struct bm_recipients_options options = BM_RECIPIENTS_OPTIONS_INIT;
	const char *const *columns = NULL;
	size_t count = 0;
	char path[64];
	assert_int_equal(pipe(pipe_list.ends), 0);
	snprintf(path, sizeof path, "/proc/self/fd/%d", pipe_list.ends[0]);
	options.format = BM_LIST_CSV;
	assert_int_equal(bm_recipients_open_as(&pipe_list.list, path, &options, NULL), BM_OK);
	assert_false(bm_recipients_finite(pipe_list.list));
	assert_int_equal(bm_recipients_left(pipe_list.list), 0);
	bm_recipients_set_wait(pipe_list.list, wait_once, &pipe_list);
	assert_int_equal(bm_recipients_columns(pipe_list.list, &columns, &count, NULL), BM_E_STOPPED);
	feed(&pipe_list, "ema");
	assert_int_equal(bm_recipients_columns(pipe_list.list, &columns, &count, NULL), BM_E_STOPPED);
	feed(&pipe_list, "il,x\n");
	assert_int_equal(bm_recipients_columns(pipe_list.list, &columns, &count, NULL), BM_OK);
	assert_int_equal(count, 2);
	expect_wait(&pipe_list);
	feed(&pipe_list, "a@x.org,\"one\n");
	expect_wait(&pipe_list);
	feed(&pipe_list, "two\nthr");
	expect_wait(&pipe_list);
	feed(&pipe_list, "ee\"\nb@x.org,\"");
	struct bm_record record;
	assert_int_equal(bm_recipients_next(pipe_list.list, &record, NULL), BM_OK);
	assert_int_equal(record.seq, 1);
	assert_int_equal(record.values[1].size, 13);
	assert_memory_equal(record.values[1].data, "one\ntwo\nthree", 13);
	expect_wait(&pipe_list);
	feed(&pipe_list, "y\"\n");
	close(pipe_list.ends[1]);
	assert_int_equal(bm_recipients_next(pipe_list.list, &record, NULL), BM_OK);
	assert_memory_equal(record.values[1].data, "y", 1);
	pipe_list.waits = 9;
	assert_int_equal(bm_recipients_next(pipe_list.list, &record, NULL), BM_OK);
	assert_null(record.text);
	bm_recipients_free(pipe_list.list);
	close(pipe_list.ends[0]);
}

/* F58: MB704 */
/* conformance: F58 */
static void a_table_that_shrinks_is_an_error(void **state)
{
	(void)state;
	static const char *const names[] = {"a.csv", NULL};
	struct scratch scratch;
	struct bm_record record;
	struct bm_error err = BM_ERROR_INIT;
	scratch_init(&scratch);
	struct bm_recipients *list = open_list(&scratch, "a.csv", "email,x\na@x.org,1\nb@x.org,2\n", 28);
	assert_int_equal(truncate(scratch_path(&scratch, "a.csv"), 23), 0);
	assert_int_equal(bm_recipients_next(list, &record, &err), BM_OK);
	assert_int_equal(bm_recipients_next(list, &record, &err), BM_E_IO);
	assert_string_equal(err.id, "MB704");
	assert_null(record.text);
	bm_recipients_free(list);
	scratch_deinit(&scratch, names);
}

static void estimates_what_is_left(void **state)
{
	(void)state;
	static const char *const names[] = {"a.csv", NULL};
	struct scratch scratch;
	struct bm_record record;
	char data[2000] = "email\n";
	for (int i = 0; i < 100; i++)
		memcpy(data + 6 + 16 * i, "abcdefghi@x.org\n", 17);
	scratch_init(&scratch);
	struct bm_recipients *list = open_list(&scratch, "a.csv", data, strlen(data));
	for (int i = 0; i < 50; i++)
		assert_int_equal(bm_recipients_next(list, &record, NULL), BM_OK);
	assert_in_range(bm_recipients_left(list), 48, 52);
	bm_recipients_free(list);
	scratch_deinit(&scratch, names);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(reads_csv),
		cmocka_unit_test(reads_tsv),
		cmocka_unit_test(reads_json_lines),
		cmocka_unit_test(refuses_headers),
		cmocka_unit_test(goes_on_behind_faults),
		cmocka_unit_test(bounds_fields_and_rows),
		cmocka_unit_test(finds_all_rows_behind_an_open_quote),
		cmocka_unit_test(splits_as_libcsv_does),
		cmocka_unit_test(takes_the_format_that_it_is_told),
		cmocka_unit_test(waits_for_a_pipe),
		cmocka_unit_test(a_table_that_shrinks_is_an_error),
		cmocka_unit_test(estimates_what_is_left),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
