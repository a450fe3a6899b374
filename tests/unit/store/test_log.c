/* SPDX-License-Identifier: MIT */
#include "bulkmail/log.h"

#include "scratch.h"

#include <sys/stat.h>

static void write_line(struct bm_log *log, const char *line)
{
	struct bm_error err = BM_ERROR_INIT;
	if (bm_log_write(log, line, strlen(line), &err) != BM_OK)
		fail_msg("%s", err.text);
}

/* The file's contents, NUL-terminated, freed by the caller. */
static char *contents(const char *path, size_t *size)
{
	FILE *file = fopen(path, "rb");
	assert_non_null(file);
	char *data = NULL;
	size_t capacity = 0;
	ssize_t got = getdelim(&data, &capacity, EOF, file);
	*size = got < 0 ? 0 : (size_t)got;
	fclose(file);
	return data;
}

static void appends_to_a_path(void **state)
{
	(void)state;
	static const char *const names[] = {"log", NULL};
	struct scratch scratch;
	struct bm_log *log = NULL;
	struct stat status;
	size_t size = 0;

	scratch_init(&scratch);
	const char *path = scratch_path(&scratch, "log");
	for (int i = 0; i < 2; i++) {
		assert_int_equal(bm_log_open(&log, path, NULL), BM_OK);
		write_line(log, "one\r\ninjected\n");
		write_line(log, "");
		bm_log_free(log);
	}
	assert_int_equal(stat(path, &status), 0);
	assert_int_equal(status.st_mode & 0777, 0600);
	char *text = contents(path, &size);
	assert_string_equal(text, "oneinjected\n\noneinjected\n\n");
	free(text);
	scratch_deinit(&scratch, names);
}

static void holds_back_until_flushed(void **state)
{
	(void)state;
	static const char *const names[] = {"log", NULL};
	struct scratch scratch;
	struct bm_log *log = NULL;
	struct stat status;

	scratch_init(&scratch);
	const char *path = scratch_path(&scratch, "log");
	assert_int_equal(bm_log_open(&log, path, NULL), BM_OK);
	write_line(log, "one");
	assert_int_equal(stat(path, &status), 0);
	assert_int_equal(status.st_size, 0);
	assert_int_equal(bm_log_flush(log, NULL), BM_OK);
	assert_int_equal(stat(path, &status), 0);
	assert_int_equal(status.st_size, 4);
	bm_log_free(log);
	scratch_deinit(&scratch, names);
}

static void hands_over_whole_lines_when_full(void **state)
{
	(void)state;
	static const char *const names[] = {"log", NULL};
	struct scratch scratch;
	struct bm_log *log = NULL;
	size_t size = 0;

	scratch_init(&scratch);
	const char *path = scratch_path(&scratch, "log");
	assert_int_equal(bm_log_open(&log, path, NULL), BM_OK);
	for (int i = 0; i < 7000; i++)
		write_line(log, "0123456789");
	char *text = contents(path, &size);
	assert_true(size > 60000 && size < 77000);
	assert_int_equal(size % 11, 0);
	free(text);
	bm_log_free(log);
	text = contents(path, &size);
	assert_int_equal(size, 77000);
	free(text);
	scratch_deinit(&scratch, names);
}

static void takes_a_line_longer_than_a_block(void **state)
{
	(void)state;
	static const char *const names[] = {"log", NULL};
	struct scratch scratch;
	struct bm_log *log = NULL;
	size_t size = 0;
	const size_t length = 200000;
	char *line = malloc(length);

	assert_non_null(line);
	memset(line, 'x', length);
	scratch_init(&scratch);
	const char *path = scratch_path(&scratch, "log");
	assert_int_equal(bm_log_open(&log, path, NULL), BM_OK);
	write_line(log, "a");
	assert_int_equal(bm_log_write(log, line, length, NULL), BM_OK);
	bm_log_free(log);
	char *text = contents(path, &size);
	assert_int_equal(size, length + 3);
	assert_memory_equal(text + 2, line, length);
	free(text);
	free(line);
	scratch_deinit(&scratch, names);
}

/* manual: MBO005 */
static void a_line_beyond_reason_is_refused(void **state)
{
	(void)state;
	struct bm_log *log = NULL;
	struct bm_error err;
	const size_t length = 17 * 1024 * 1024;
	char *line = calloc(1, length);

	assert_non_null(line);
	assert_int_equal(bm_log_new_array(&log, &err), BM_OK);
	assert_int_equal(bm_log_write(log, line, length, &err), BM_E_LIMIT);
	assert_string_equal(err.id, "MBO005");
	assert_int_equal(bm_log_count(log), 0);
	bm_log_free(log);
	free(line);
}

/* manual: MB701, MB702 */
static void says_why_it_cannot_be_opened(void **state)
{
	(void)state;
	struct bm_log *log = (struct bm_log *)&log;
	struct bm_error err;
	assert_int_equal(bm_log_open(&log, "/nowhere/at/all", &err), BM_E_MISSING);
	assert_string_equal(err.id, "MB702");
	assert_string_equal(err.text, "cannot open the log /nowhere/at/all: No such file or directory");
	assert_null(log);
	assert_int_equal(bm_log_open(&log, "/tmp", &err), BM_E_IO);
	assert_string_equal(err.id, "MB702");
	assert_int_equal(bm_log_open(&log, "", &err), BM_E_USAGE);
	assert_int_equal(bm_log_open(&log, NULL, &err), BM_E_USAGE);
	assert_string_equal(err.id, "MB701");
}

/* manual: MBO005 */
static void says_that_a_device_is_full(void **state)
{
	(void)state;
	struct bm_log *log = NULL;
	struct bm_error err;
	assert_int_equal(bm_log_open(&log, "/dev/full", &err), BM_OK);
	write_line(log, "one");
	assert_int_equal(bm_log_flush(log, &err), BM_E_IO);
	assert_string_equal(err.id, "MBO005");
	bm_log_free(log);
	FILE *stream = fopen("/dev/full", "w");
	assert_non_null(stream);
	assert_int_equal(bm_log_new_stream(&log, stream, &err), BM_OK);
	write_line(log, "one");
	assert_int_equal(bm_log_flush(log, &err), BM_E_IO);
	bm_log_free(log);
	fclose(stream);
}

static void a_full_device_does_not_fill_the_memory(void **state)
{
	(void)state;
	struct bm_log *log = NULL;
	struct bm_error err;
	enum bm_code code = BM_OK;
	int lines = 0;

	assert_int_equal(bm_log_open(&log, "/dev/full", &err), BM_OK);
	for (; lines < 100000 && code == BM_OK; lines++)
		code = bm_log_write(log, "0123456789", 10, &err);
	assert_int_equal(code, BM_E_IO);
	assert_true(lines < 6000);
	bm_log_free(log);
}

static void writes_to_a_stream_and_leaves_it_open(void **state)
{
	(void)state;
	char *text = NULL;
	size_t size = 0;
	struct bm_log *log = NULL;
	FILE *stream = open_memstream(&text, &size);

	assert_non_null(stream);
	assert_int_equal(bm_log_new_stream(&log, stream, NULL), BM_OK);
	write_line(log, "one\n");
	assert_int_equal(bm_log_flush(log, NULL), BM_OK);
	assert_string_equal(text, "one\n");
	bm_log_free(log);
	fputs("two\n", stream);
	fclose(stream);
	assert_string_equal(text, "one\ntwo\n");
	free(text);
}

static void remember(void *user, const char *line, size_t size)
{
	char *last = user;
	assert_int_equal(line[size], '\0');
	snprintf(last, 32, "%zu:%s", size, line);
}

static void calls_a_function(void **state)
{
	(void)state;
	char last[32] = "";
	struct bm_log *log = NULL;
	assert_int_equal(bm_log_new_callback(&log, remember, last, NULL), BM_OK);
	write_line(log, "a\rb\nc");
	assert_string_equal(last, "3:abc");
	write_line(log, "");
	assert_string_equal(last, "0:");
	assert_int_equal(bm_log_count(log), 0);
	assert_null(bm_log_line(log, 0));
	assert_int_equal(bm_log_flush(log, NULL), BM_OK);
	bm_log_free(log);
}

static void keeps_lines_in_an_array(void **state)
{
	(void)state;
	struct bm_log *log = NULL;
	assert_int_equal(bm_log_new_array(&log, NULL), BM_OK);
	for (int i = 0; i < 100; i++) {
		char line[16];
		snprintf(line, sizeof line, "line %d\r\n", i);
		write_line(log, line);
	}
	assert_int_equal(bm_log_count(log), 100);
	assert_string_equal(bm_log_line(log, 0), "line 0");
	assert_string_equal(bm_log_line(log, 99), "line 99");
	assert_null(bm_log_line(log, 100));
	bm_log_free(log);
}

/* manual: MB701 */
static void refuses_nothing_to_write_to(void **state)
{
	(void)state;
	struct bm_log *log = NULL;
	struct bm_error err;
	assert_int_equal(bm_log_new_stream(&log, NULL, &err), BM_E_USAGE);
	assert_string_equal(err.id, "MB701");
	assert_int_equal(bm_log_new_callback(&log, NULL, NULL, &err), BM_E_USAGE);
	assert_string_equal(err.id, "MB701");
	bm_log_free(NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(appends_to_a_path),
		cmocka_unit_test(holds_back_until_flushed),
		cmocka_unit_test(hands_over_whole_lines_when_full),
		cmocka_unit_test(takes_a_line_longer_than_a_block),
		cmocka_unit_test(a_line_beyond_reason_is_refused),
		cmocka_unit_test(says_why_it_cannot_be_opened),
		cmocka_unit_test(says_that_a_device_is_full),
		cmocka_unit_test(a_full_device_does_not_fill_the_memory),
		cmocka_unit_test(writes_to_a_stream_and_leaves_it_open),
		cmocka_unit_test(calls_a_function),
		cmocka_unit_test(keeps_lines_in_an_array),
		cmocka_unit_test(refuses_nothing_to_write_to),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
