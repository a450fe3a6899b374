/* SPDX-License-Identifier: MIT */
#include "bulkmail/recipients.h"

#include "scratch.h"

#include <fcntl.h>

#define EXPECT_END NULL

static void expect_next(struct bm_recipients *list, const char *text)
{
	struct bm_record record;
	struct bm_error err = BM_ERROR_INIT;
	if (bm_recipients_next(list, &record, &err) != BM_OK)
		fail_msg("%s", err.text);
	if (text == EXPECT_END) {
		assert_null(record.text);
		return;
	}
	assert_non_null(record.text);
	assert_int_equal(record.size, strlen(text));
	assert_memory_equal(record.text, text, record.size);
	assert_false(record.too_long);
}

static struct bm_recipients *over_stream(FILE **stream, const void *data, size_t size)
{
	struct bm_recipients *list = NULL;
	*stream = fmemopen(NULL, size + 1, "w+");
	assert_non_null(*stream);
	fwrite(data, 1, size, *stream);
	fflush(*stream);
	rewind(*stream);
	/* The NUL that fmemopen adds must not count. */
	assert_int_equal(bm_recipients_new_stream(&list, *stream, NULL), BM_OK);
	return list;
}

/* Calls check for the same list from a path and from a stream over it. */
static void over_both(const void *data, size_t size, void (*check)(struct bm_recipients *list))
{
	static const char *const names[] = {"list", NULL};
	struct scratch scratch;
	struct bm_recipients *list = NULL;

	scratch_init(&scratch);
	const char *path = scratch_write(&scratch, "list", data, size);
	assert_int_equal(bm_recipients_open(&list, path, NULL), BM_OK);
	assert_true(bm_recipients_finite(list));
	check(list);
	bm_recipients_free(list);
	FILE *stream = fopen(path, "rb");
	assert_non_null(stream);
	assert_int_equal(bm_recipients_new_stream(&list, stream, NULL), BM_OK);
	assert_true(bm_recipients_finite(list));
	check(list);
	bm_recipients_free(list);
	fclose(stream);
	scratch_deinit(&scratch, names);
}

static void check_line_ends(struct bm_recipients *list)
{
	expect_next(list, "a@example.org");
	expect_next(list, "b@example.org");
	expect_next(list, "\"Jim T\"<c@example.org>");
	expect_next(list, "d\re");
	expect_next(list, "last@example.org");
	expect_next(list, EXPECT_END);
	expect_next(list, EXPECT_END);
	assert_int_equal(bm_recipients_left(list), 0);
}

/* manual: LIST */
/* conformance: F58 */
static void line_ends_blanks_and_mark(void **state)
{
	(void)state;
	static const char text[] = "\xef\xbb\xbf"
							   "a@example.org\r\n\n \t \r\n  b@example.org \r\r\n\"Jim T\"<c@example.org>\n\v\f\n"
							   "d\re\nlast@example.org";
	over_both(text, sizeof text - 1, check_line_ends);
}

static void check_nul(struct bm_recipients *list)
{
	struct bm_record record;
	assert_int_equal(bm_recipients_next(list, &record, NULL), BM_OK);
	assert_int_equal(record.size, 5);
	assert_memory_equal(record.text, "a\0b\0c", 5);
	assert_int_equal(record.seq, 1);
	expect_next(list, "x");
	expect_next(list, EXPECT_END);
}

/* conformance: F58 */
static void nul_is_an_octet_of_the_record(void **state)
{
	(void)state;
	over_both("a\0b\0c\nx\n", 8, check_nul);
}

static void check_empty(struct bm_recipients *list)
{
	assert_int_equal(bm_recipients_left(list), 0);
	expect_next(list, EXPECT_END);
}

static void empty_lists(void **state)
{
	(void)state;
	over_both("", 0, check_empty);
	over_both("\n\r\n  \n", 6, check_empty);
	over_both("\xef\xbb\xbf", 3, check_empty);
	over_both("\xef\xbb\xbf\r\n", 5, check_empty);
}

static void check_marks(struct bm_recipients *list)
{
	expect_next(list, "\xef\xbb\xbfsecond");
	expect_next(list, EXPECT_END);
}

static void only_the_first_mark_is_dropped(void **state)
{
	(void)state;
	over_both("\xef\xbb\xbf\xef\xbb\xbfsecond", 12, check_marks);
	over_both("\n\xef\xbb\xbfsecond", 10, check_marks);
}

static void check_tiny(struct bm_recipients *list)
{
	expect_next(list, "\xef\xbb");
	expect_next(list, EXPECT_END);
}

/* conformance: F58 */
static void half_a_mark_is_text(void **state)
{
	(void)state;
	over_both("\xef\xbb", 2, check_tiny);
}

static void check_long(struct bm_recipients *list)
{
	struct bm_record record;
	expect_next(list, "before");
	assert_int_equal(bm_recipients_next(list, &record, NULL), BM_OK);
	assert_true(record.too_long);
	assert_int_equal(record.size, BM_RECORD_SIZE_MAX);
	assert_int_equal(record.text[0], 'x');
	assert_int_equal(record.text[BM_RECORD_SIZE_MAX - 1], 'x');
	assert_int_equal(record.seq, 2);
	expect_next(list, "behind");
	expect_next(list, EXPECT_END);
}

/* before, blanks, size times x, blanks, behind */
static void with_long_line(size_t blanks, size_t size, void (*check)(struct bm_recipients *list))
{
	char *text = malloc(blanks * 2 + size + 16);
	assert_non_null(text);
	size_t filled = 0;
	memcpy(text, "before\n", 7);
	filled += 7;
	memset(text + filled, ' ', blanks);
	filled += blanks;
	memset(text + filled, 'x', size);
	filled += size;
	memset(text + filled, ' ', blanks);
	filled += blanks;
	memcpy(text + filled, "\nbehind\n", 8);
	filled += 8;
	over_both(text, filled, check);
	free(text);
}

/* conformance: F58 */
static void a_line_too_long_is_one_record(void **state)
{
	(void)state;
	with_long_line(0, BM_RECORD_SIZE_MAX + 1, check_long);
	with_long_line(0, 1024 * 1024, check_long);
	with_long_line(70000, 1024 * 1024, check_long);
}

static void check_full(struct bm_recipients *list)
{
	struct bm_record record;
	expect_next(list, "before");
	assert_int_equal(bm_recipients_next(list, &record, NULL), BM_OK);
	assert_false(record.too_long);
	assert_int_equal(record.size, BM_RECORD_SIZE_MAX);
	expect_next(list, "behind");
	expect_next(list, EXPECT_END);
}

static void blanks_do_not_make_it_too_long(void **state)
{
	(void)state;
	with_long_line(0, BM_RECORD_SIZE_MAX, check_full);
	with_long_line(5000, BM_RECORD_SIZE_MAX, check_full);
	with_long_line(70000, BM_RECORD_SIZE_MAX, check_full);
}

static void check_blank(struct bm_recipients *list)
{
	expect_next(list, "before");
	expect_next(list, "behind");
	expect_next(list, EXPECT_END);
}

/* conformance: F58 */
static void a_megabyte_of_blanks_is_no_record(void **state)
{
	(void)state;
	with_long_line(500000, 0, check_blank);
}

static void check_many(struct bm_recipients *list)
{
	char expected[64];
	uint64_t left = 0;
	for (int i = 0; i < 50000; i++) {
		snprintf(expected, sizeof expected, "user%05d@example.org", i);
		expect_next(list, expected);
		left = bm_recipients_left(list);
		assert_in_range(left + (uint64_t)i + 1, 48000, 52000);
	}
	assert_int_equal(left, 0);
	expect_next(list, EXPECT_END);
}

static void many_records_cross_the_blocks(void **state)
{
	(void)state;
	size_t size = 0;
	char *text = NULL;
	FILE *stream = open_memstream(&text, &size);
	assert_non_null(stream);
	for (int i = 0; i < 50000; i++)
		fprintf(stream, "user%05d@example.org%s\n", i, i % 3 == 0 ? "\r" : "");
	fclose(stream);
	over_both(text, size, check_many);
	free(text);
}

/* What is left of a line that was cut off may be somebody else's address: it is no record. */
/* conformance: F58 */
static void a_file_that_gets_shorter_is_an_error(void **state)
{
	(void)state;
	static char text[200000];
	struct scratch scratch;
	struct bm_recipients *list = NULL;
	struct bm_record record = {.text = ""};
	struct bm_error err = BM_ERROR_INIT;
	enum bm_code code = BM_OK;
	memset(text, 'a', sizeof text);
	for (size_t i = 9; i < sizeof text; i += 10)
		text[i] = '\n';
	scratch_init(&scratch);
	const char *path = scratch_write(&scratch, "list", text, sizeof text);
	assert_int_equal(bm_recipients_open(&list, path, &err), BM_OK);
	assert_int_equal(bm_recipients_next(list, &record, &err), BM_OK);
	assert_int_equal(truncate(path, 100005), 0);
	while (code == BM_OK && record.text != NULL) {
		assert_int_equal(record.size, 9);
		code = bm_recipients_next(list, &record, &err);
	}
	assert_int_equal(code, BM_E_IO);
	assert_string_equal(err.id, "MB704");
	assert_non_null(strstr(err.text, "shorter"));
	bm_recipients_free(list);
	scratch_deinit(&scratch, (const char *const[]){"list", NULL});
}

static void a_stream_goes_on_where_it_stands(void **state)
{
	(void)state;
	static const char *const names[] = {"list", NULL};
	struct scratch scratch;
	struct bm_recipients *list = NULL;
	char line[16];

	scratch_init(&scratch);
	FILE *stream = fopen(scratch_write(&scratch, "list", "title\na\nb\n", 10), "rb");
	assert_non_null(stream);
	assert_non_null(fgets(line, sizeof line, stream));
	assert_int_equal(bm_recipients_new_stream(&list, stream, NULL), BM_OK);
	expect_next(list, "a");
	assert_int_equal(bm_recipients_left(list), 1);
	expect_next(list, "b");
	expect_next(list, EXPECT_END);
	bm_recipients_free(list);
	fclose(stream);
	scratch_deinit(&scratch, names);
}

static void a_memory_stream_is_no_file(void **state)
{
	(void)state;
	FILE *stream = NULL;
	struct bm_recipients *list = over_stream(&stream, "a\nb", 3);
	assert_false(bm_recipients_finite(list));
	expect_next(list, "a");
	assert_int_equal(bm_recipients_left(list), 0);
	bm_recipients_free(list);
	fclose(stream);
}

static void put(int fd, const char *text)
{
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
}

static void a_pipe_gives_each_line_at_once(void **state)
{
	(void)state;
	int ends[2];
	char path[64];
	struct bm_recipients *list = NULL;

	assert_int_equal(pipe(ends), 0);
	snprintf(path, sizeof path, "/dev/fd/%d", ends[0]);
	assert_int_equal(bm_recipients_open(&list, path, NULL), BM_OK);
	assert_false(bm_recipients_finite(list));
	put(ends[1], "a@example.org\nb@exam");
	expect_next(list, "a@example.org");
	put(ends[1], "ple.org\n");
	expect_next(list, "b@example.org");
	close(ends[1]);
	expect_next(list, EXPECT_END);
	bm_recipients_free(list);
	close(ends[0]);
}

static void a_pipe_stream_gives_each_line_at_once(void **state)
{
	(void)state;
	int ends[2];
	struct bm_recipients *list = NULL;

	assert_int_equal(pipe(ends), 0);
	FILE *stream = fdopen(ends[0], "r");
	assert_non_null(stream);
	assert_int_equal(bm_recipients_new_stream(&list, stream, NULL), BM_OK);
	put(ends[1], "a@example.org\n");
	expect_next(list, "a@example.org");
	close(ends[1]);
	expect_next(list, EXPECT_END);
	bm_recipients_free(list);
	fclose(stream);
}

static void a_dash_is_standard_input(void **state)
{
	(void)state;
	static const char *const names[] = {"list", NULL};
	struct scratch scratch;
	struct bm_recipients *list = NULL;

	scratch_init(&scratch);
	int fd = open(scratch_write(&scratch, "list", "a\n", 2), O_RDONLY);
	int saved = dup(0);
	assert_true(fd >= 0 && saved >= 0);
	assert_int_equal(dup2(fd, 0), 0);
	assert_int_equal(bm_recipients_open(&list, "-", NULL), BM_OK);
	assert_true(bm_recipients_finite(list));
	expect_next(list, "a");
	expect_next(list, EXPECT_END);
	bm_recipients_free(list);
	assert_true(fcntl(0, F_GETFD) >= 0);
	assert_int_equal(dup2(saved, 0), 0);
	close(saved);
	close(fd);
	scratch_deinit(&scratch, names);
}

struct feed {
	const char *const *lines;
	size_t next;
};

static bool feed_line(void *user, const char **line, size_t *size)
{
	struct feed *feed = user;
	const char *text = feed->lines[feed->next];
	if (text == NULL)
		return false;
	feed->next++;
	*line = text[0] == '!' ? NULL : text;
	*size = text[0] == '!' ? 7 : strlen(text);
	return true;
}

/* manual: LIST */
static void takes_a_callback(void **state)
{
	(void)state;
	static const char *const lines[] = {"\xef\xbb\xbf a \r\n", "", "!", "b", NULL};
	struct feed feed = {lines, 0};
	struct bm_recipients *list = NULL;
	assert_int_equal(bm_recipients_new_callback(&list, feed_line, &feed, NULL), BM_OK);
	assert_false(bm_recipients_finite(list));
	expect_next(list, "a");
	expect_next(list, "b");
	expect_next(list, EXPECT_END);
	bm_recipients_free(list);
}

/* manual: LIST */
static void takes_an_array(void **state)
{
	(void)state;
	static const char *const lines[] = {"a\n", "  ", "b"};
	struct bm_recipients *list = NULL;
	assert_int_equal(bm_recipients_new_array(&list, lines, 3, NULL), BM_OK);
	assert_true(bm_recipients_finite(list));
	assert_int_equal(bm_recipients_left(list), 3);
	expect_next(list, "a");
	assert_int_equal(bm_recipients_left(list), 2);
	expect_next(list, "b");
	expect_next(list, EXPECT_END);
	assert_int_equal(bm_recipients_left(list), 0);
	bm_recipients_free(list);
	assert_int_equal(bm_recipients_new_array(&list, NULL, 0, NULL), BM_OK);
	expect_next(list, EXPECT_END);
	bm_recipients_free(list);
}

static void counts_records(void **state)
{
	(void)state;
	static const char *const lines[] = {"a", "", "b"};
	struct bm_recipients *list = NULL;
	struct bm_record record;
	assert_int_equal(bm_recipients_new_array(&list, lines, 3, NULL), BM_OK);
	assert_int_equal(bm_recipients_next(list, &record, NULL), BM_OK);
	assert_int_equal(record.seq, 1);
	assert_int_equal(bm_recipients_next(list, &record, NULL), BM_OK);
	assert_int_equal(record.seq, 2);
	bm_recipients_free(list);
}

static void expect_refused(const char *path, enum bm_code code, const char *text)
{
	struct bm_recipients *list = (struct bm_recipients *)&list;
	struct bm_error err;
	assert_int_equal(bm_recipients_open(&list, path, &err), code);
	assert_null(list);
	assert_string_equal(err.id, code == BM_E_USAGE ? "MB701" : "MB702");
	assert_string_equal(err.text, text);
}

/* manual: MB701, MB702 */
static void says_why_it_cannot_be_opened(void **state)
{
	(void)state;
	expect_refused("/nowhere/at/all", BM_E_MISSING, "cannot open the list /nowhere/at/all: No such file or directory");
	expect_refused("/tmp", BM_E_IO, "cannot open the list /tmp: Is a directory");
	expect_refused("", BM_E_USAGE, "a list needs a path");
	expect_refused(NULL, BM_E_USAGE, "a list needs a path");
}

/* manual: MB701 */
static void refuses_nothing_to_read_from(void **state)
{
	(void)state;
	static const char *const lines[] = {"a", NULL};
	struct bm_recipients *list = NULL;
	struct bm_error err;
	assert_int_equal(bm_recipients_new_stream(&list, NULL, &err), BM_E_USAGE);
	assert_int_equal(bm_recipients_new_callback(&list, NULL, NULL, &err), BM_E_USAGE);
	assert_int_equal(bm_recipients_new_array(&list, NULL, 1, &err), BM_E_USAGE);
	assert_int_equal(bm_recipients_new_array(&list, lines, 2, &err), BM_E_USAGE);
	assert_string_equal(err.id, "MB701");
	bm_recipients_free(NULL);
}

/* A descriptor that cannot be read stands for a disk that fails. */
static void a_failing_read_is_an_error_that_stays(void **state)
{
	(void)state;
	struct bm_recipients *list = NULL;
	struct bm_record record;
	struct bm_error err;
	FILE *stream = fopen("/dev/null", "w");

	assert_non_null(stream);
	assert_int_equal(bm_recipients_new_stream(&list, stream, NULL), BM_OK);
	for (int i = 0; i < 2; i++) {
		assert_int_equal(bm_recipients_next(list, &record, &err), BM_E_IO);
		assert_string_equal(err.id, "MB704");
		assert_null(record.text);
	}
	bm_recipients_free(list);
	fclose(stream);
	assert_int_equal(bm_recipients_open(&list, "/proc/self/mem", &err), BM_OK);
	assert_int_equal(bm_recipients_next(list, &record, &err), BM_E_IO);
	bm_recipients_free(list);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(line_ends_blanks_and_mark),
		cmocka_unit_test(nul_is_an_octet_of_the_record),
		cmocka_unit_test(empty_lists),
		cmocka_unit_test(only_the_first_mark_is_dropped),
		cmocka_unit_test(half_a_mark_is_text),
		cmocka_unit_test(a_line_too_long_is_one_record),
		cmocka_unit_test(blanks_do_not_make_it_too_long),
		cmocka_unit_test(a_megabyte_of_blanks_is_no_record),
		cmocka_unit_test(many_records_cross_the_blocks),
		cmocka_unit_test(a_stream_goes_on_where_it_stands),
		cmocka_unit_test(a_memory_stream_is_no_file),
		cmocka_unit_test(a_pipe_gives_each_line_at_once),
		cmocka_unit_test(a_pipe_stream_gives_each_line_at_once),
		cmocka_unit_test(a_dash_is_standard_input),
		cmocka_unit_test(takes_a_callback),
		cmocka_unit_test(takes_an_array),
		cmocka_unit_test(counts_records),
		cmocka_unit_test(says_why_it_cannot_be_opened),
		cmocka_unit_test(refuses_nothing_to_read_from),
		cmocka_unit_test(a_file_that_gets_shorter_is_an_error),
		cmocka_unit_test(a_failing_read_is_an_error_that_stays),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
