/* SPDX-License-Identifier: MIT */
#include "../unit.h"
#include "net/clock.h"
#include "net/driver.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define MARK "======== a new message begins ========\r\n"

struct place {
	char folder[32];
	char file[64];
};

static void make_place(struct place *place)
{
	memcpy(place->folder, "/tmp/bm-dummy-XXXXXX", 21);
	assert_non_null(mkdtemp(place->folder));
	snprintf(place->file, sizeof place->file, "%s/out", place->folder);
}

static void remove_place(const struct place *place)
{
	unlink(place->file);
	assert_int_equal(rmdir(place->folder), 0);
}

static void expect_file(const struct place *place, const char *expected)
{
	char got[4096];
	int fd = open(place->file, O_RDONLY | O_CLOEXEC);
	assert_true(fd >= 0);
	ssize_t size = read(fd, got, sizeof got - 1);
	assert_true(size >= 0);
	got[size] = '\0';
	close(fd);
	assert_string_equal(got, expected);
}

static void drive(struct bm_driver *driver, enum bm_smtp_event_kind kind)
{
	struct bm_smtp_event event = {.kind = BM_SMTP_SAID};
	while (event.kind != kind) {
		assert_int_equal(bm_driver_next(driver, &event), BM_OK);
		if (event.kind == BM_SMTP_RECIPIENT)
			assert_int_equal(event.disposition, BM_SMTP_ACCEPTED);
	}
}

static void say_all(const char *path, size_t transactions)
{
	static const struct bm_span to = {(const unsigned char *)"a@x", 3};
	static const struct bm_span content = {(const unsigned char *)"MAIL FROM:<in@content>\r\n..\r\nDATA\r\n", 34};
	struct bm_smtp_options options = BM_SMTP_OPTIONS_INIT;
	struct bm_driver driver = {.smtp = NULL};
	options.domain = "me.example";
	assert_int_equal(bm_stream_open_dummy(&driver.stream, path, NULL), BM_OK);
	assert_int_equal(bm_stream_fd(driver.stream), -1);
	assert_int_equal(bm_smtp_new(&driver.smtp, &options, bm_clock_monotonic_ms(), NULL), BM_OK);
	drive(&driver, BM_SMTP_READY);
	assert_true(bm_smtp_capabilities(driver.smtp)->eight_bit_mime);
	assert_false(bm_smtp_capabilities(driver.smtp)->pipelining);
	for (size_t i = 0; i < transactions; i++) {
		struct bm_smtp_transaction tx = {.sender = bm_span_of("me@here"), .recipients = &to, .recipient_count = 1};
		tx.content = &content;
		tx.content_count = 1;
		assert_int_equal(bm_smtp_submit(driver.smtp, &tx, bm_clock_monotonic_ms(), NULL), BM_OK);
		drive(&driver, BM_SMTP_TRANSACTION);
	}
	assert_int_equal(bm_smtp_quit(driver.smtp, bm_clock_monotonic_ms(), NULL), BM_OK);
	drive(&driver, BM_SMTP_CLOSED);
	bm_smtp_free(driver.smtp);
	bm_stream_free(driver.stream);
}

#define MESSAGE MARK "MAIL FROM:<me@here>\r\nRCPT TO:<a@x>\r\nDATA\r\nMAIL FROM:<in@content>\r\n..\r\nDATA\r\n.\r\n"

/* manual: dummy-server, dummy_file */
static void writes_down_what_would_be_said(void **state)
{
	(void)state;
	struct place place;
	struct stat about;
	make_place(&place);
	say_all(place.file, 2);
	expect_file(&place, "EHLO me.example\r\n" MESSAGE MESSAGE "QUIT\r\n");
	assert_int_equal(stat(place.file, &about), 0);
	assert_int_equal(about.st_mode & 0777, 0600);
	say_all(place.file, 0);
	expect_file(&place, "EHLO me.example\r\n" MESSAGE MESSAGE "QUIT\r\nEHLO me.example\r\nQUIT\r\n");
	remove_place(&place);
}

static void write_piece(struct bm_stream *stream, const char *data, size_t size)
{
	struct bm_span span = bm_span_make(data, size);
	size_t done = 0;
	assert_int_equal(bm_stream_write(stream, &span, 1, &done), BM_STREAM_OK);
	assert_int_equal(done, size);
}

static void expect_replies(struct bm_stream *stream, const char *expected)
{
	char got[512] = "";
	size_t filled = 0;
	size_t done = 0;
	while (bm_stream_read(stream, got + filled, 7, &done) == BM_STREAM_OK)
		filled += done;
	got[filled] = '\0';
	assert_string_equal(got, expected);
}

/* manual: dummy-server */
static void reads_right_however_it_is_cut(void **state)
{
	(void)state;
	static const char said[] = "HELO x\r\nmail from:<a@b>\r\nDATA\r\n.a\r\nx.\r\n.\r\nNOOP\r\nQUIT\r\n";
	size_t size = sizeof said - 1;
	for (size_t cut = 0; cut <= size; cut++) {
		struct place place;
		struct bm_stream *stream = NULL;
		make_place(&place);
		assert_int_equal(bm_stream_open_dummy(&stream, place.file, NULL), BM_OK);
		write_piece(stream, said, cut);
		for (size_t i = cut; i < size; i++)
			write_piece(stream, said + i, 1);
		expect_replies(
			stream, "220 dummy\r\n250 taken\r\n250 taken\r\n354 go on\r\n250 taken\r\n250 taken\r\n221 goodbye\r\n");
		bm_stream_free(stream);
		expect_file(&place, "HELO x\r\n" MARK "mail from:<a@b>\r\nDATA\r\n.a\r\nx.\r\n.\r\nNOOP\r\nQUIT\r\n");
		remove_place(&place);
	}
}

/* F49 by parts */
static void says_why_it_cannot_write(void **state)
{
	(void)state;
	struct bm_stream *stream = NULL;
	struct bm_error err = BM_ERROR_INIT;
	size_t done = 0;
	assert_int_equal(bm_stream_open_dummy(&stream, "/nonexistent/file", &err), BM_E_IO);
	assert_null(stream);
	assert_true(err.system_errno != 0);
	assert_int_equal(bm_stream_open_dummy(&stream, "/dev/full", &err), BM_OK);
	struct bm_span span = bm_span_of("NOOP\r\n");
	assert_int_equal(bm_stream_write(stream, &span, 1, &done), BM_STREAM_BROKEN);
	assert_string_equal(bm_stream_reason(stream), "No space left on device");
	bm_stream_free(stream);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(writes_down_what_would_be_said),
		cmocka_unit_test(reads_right_however_it_is_cut),
		cmocka_unit_test(says_why_it_cannot_write),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
