/* SPDX-License-Identifier: MIT */
/*
 * Records out of a list in constant memory. A line that lies in one block is given out where it lies; one that
 * crosses blocks is gathered, no more of it than BM_RECORD_SIZE_MAX octets.
 */
#include "store/recipients.h"

#include "base/error.h"
#include "base/span.h"
#include "store/list.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static enum bm_code new_list(struct bm_recipients **out, enum bm_list_form form, struct bm_error *err)
{
	struct bm_recipients *list = calloc(1, sizeof *list);

	*out = NULL;
	if (list == NULL)
		return bm_error_nomem(err);
	list->form = form;
	list->fd = -1;
	list->block = malloc(BM_BLOCK_SIZE);
	list->line.data = malloc(BM_RECORD_SIZE_MAX);
	if (list->block == NULL || list->line.data == NULL) {
		bm_recipients_free(list);
		return bm_error_nomem(err);
	}
	*out = list;
	return BM_OK;
}

/* How much there is to read from offset on, if anybody can know. */
static void measure(struct bm_recipients *list, const struct stat *status, off_t offset)
{
	if (!S_ISREG(status->st_mode) || offset < 0)
		return;
	list->regular = true;
	list->size = status->st_size > offset ? (uint64_t)(status->st_size - offset) : 0;
}

static enum bm_code fail_open(struct bm_error *err, int system_errno, const char *path)
{
	bool missing = system_errno == ENOENT || system_errno == ENOTDIR;
	return bm_error_set_errno(
		err, missing ? BM_E_MISSING : BM_E_IO, "MB702", system_errno, "cannot open the list %s", path);
}

static enum bm_code open_list(int *fd, const char *path, struct stat *status, struct bm_error *err)
{
	bool standard_input = strcmp(path, "-") == 0;

	*fd = standard_input ? STDIN_FILENO : open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
	if (*fd < 0)
		return fail_open(err, errno, path);
	int failed = fstat(*fd, status) != 0 ? errno : S_ISDIR(status->st_mode) ? EISDIR : 0;
	if (failed == 0)
		return BM_OK;
	if (!standard_input)
		close(*fd);
	return fail_open(err, failed, path);
}

static bool ends_nocase(const char *name, const char *end)
{
	size_t size = strlen(end);
	struct bm_span text = bm_span_of(name);

	return text.size >= size && bm_span_equal_nocase(bm_span_make(text.data + text.size - size, size), bm_span_of(end));
}

static enum bm_list_format format_of(const char *name)
{
	if (ends_nocase(name, ".csv"))
		return BM_LIST_CSV;
	if (ends_nocase(name, ".tsv"))
		return BM_LIST_TSV;
	return ends_nocase(name, ".jsonl") || ends_nocase(name, ".ndjson") ? BM_LIST_JSON_LINES : BM_LIST_PLAIN;
}

/* A caller of another version has a struct of another size: what it does not know keeps its default. */
static enum bm_code read_options(
	struct bm_recipients_options *known, const struct bm_recipients_options *options, struct bm_error *err)
{
	*known = (struct bm_recipients_options)BM_RECIPIENTS_OPTIONS_INIT;
	if (options == NULL || options->size == 0)
		return bm_error_set(
			err, BM_E_USAGE, "", "struct bm_recipients_options was not set up by BM_RECIPIENTS_OPTIONS_INIT");
	memcpy(known, options, options->size < sizeof *known ? options->size : sizeof *known);
	if (known->format > BM_LIST_JSON_LINES)
		return bm_error_set(err, BM_E_USAGE, "", "there is no list format %d", (int)known->format);
	return BM_OK;
}

/* Makes a table of the list if that is its format; after an error the list is gone. */
static enum bm_code set_format(
	struct bm_recipients **list, enum bm_list_format format, const char *name, struct bm_error *err)
{
	if (format == BM_LIST_BY_NAME)
		format = format_of(name);
	if (format == BM_LIST_PLAIN || bm_table_new(&(*list)->table, format, name) == BM_OK)
		return BM_OK;
	bm_recipients_free(*list);
	*list = NULL;
	return bm_error_nomem(err);
}

enum bm_code bm_recipients_open_as(
	struct bm_recipients **out, const char *path, const struct bm_recipients_options *options, struct bm_error *err)
{
	struct bm_recipients_options known;
	struct stat status;
	int fd = -1;

	*out = NULL;
	if (path == NULL || path[0] == '\0')
		return bm_error_set(err, BM_E_USAGE, "MB701", "a list needs a path");
	enum bm_code code = read_options(&known, options, err);
	if (code == BM_OK)
		code = open_list(&fd, path, &status, err);
	if (code != BM_OK)
		return code;
	code = new_list(out, LIST_FD, err);
	if (code != BM_OK) {
		if (strcmp(path, "-") != 0)
			close(fd);
		return code;
	}
	(*out)->fd = fd;
	(*out)->owns_fd = strcmp(path, "-") != 0;
	measure(*out, &status, lseek(fd, 0, SEEK_CUR));
	return set_format(out, known.format, path, err);
}

enum bm_code bm_recipients_open(struct bm_recipients **out, const char *path, struct bm_error *err)
{
	const struct bm_recipients_options options = BM_RECIPIENTS_OPTIONS_INIT;

	return bm_recipients_open_as(out, path, &options, err);
}

enum bm_code bm_recipients_new_stream(struct bm_recipients **out, FILE *stream, struct bm_error *err)
{
	const struct bm_recipients_options options = BM_RECIPIENTS_OPTIONS_INIT;

	return bm_recipients_new_stream_as(out, stream, &options, err);
}

enum bm_code bm_recipients_new_stream_as(
	struct bm_recipients **out, FILE *stream, const struct bm_recipients_options *options, struct bm_error *err)
{
	struct bm_recipients_options known;
	struct stat status;

	*out = NULL;
	if (stream == NULL)
		return bm_error_set(err, BM_E_USAGE, "MB701", "a list needs an open stream, got NULL");
	enum bm_code code = read_options(&known, options, err);
	if (code == BM_OK)
		code = new_list(out, LIST_STREAM, err);
	if (code != BM_OK)
		return code;
	(*out)->stream = stream;
	int fd = fileno(stream);
	if (fd >= 0 && fstat(fd, &status) == 0)
		measure(*out, &status, ftello(stream));
	return set_format(out, known.format, "the list", err);
}

enum bm_code bm_recipients_new_callback(
	struct bm_recipients **out, bm_recipients_fn *fn, void *user, struct bm_error *err)
{
	*out = NULL;
	if (fn == NULL)
		return bm_error_set(err, BM_E_USAGE, "MB701", "a list needs a function, got NULL");
	enum bm_code code = new_list(out, LIST_CALLBACK, err);
	if (code != BM_OK)
		return code;
	(*out)->fn = fn;
	(*out)->user = user;
	return BM_OK;
}

enum bm_code bm_recipients_new_array(
	struct bm_recipients **out, const char *const *lines, size_t count, struct bm_error *err)
{
	*out = NULL;
	if (lines == NULL && count > 0)
		return bm_error_set(err, BM_E_USAGE, "MB701", "a list needs lines, got NULL");
	for (size_t i = 0; i < count; i++) {
		if (lines[i] == NULL)
			return bm_error_set(err, BM_E_USAGE, "MB701", "a list needs lines, got NULL at index %zu", i);
	}
	enum bm_code code = new_list(out, LIST_ARRAY, err);
	if (code != BM_OK)
		return code;
	(*out)->lines = lines;
	(*out)->line_count = count;
	return BM_OK;
}

static void note_failure(struct bm_recipients *list, int system_errno)
{
	list->failed = BM_E_IO;
	list->failed_errno = system_errno;
}

void bm_recipients_set_wait(struct bm_recipients *list, bm_recipients_wait_fn *fn, void *user)
{
	list->wait = fn;
	list->wait_user = user;
}

static size_t read_fd(struct bm_recipients *list, unsigned char *to, size_t size)
{
	if (!list->regular && list->wait != NULL && !list->wait(list->wait_user, list->fd)) {
		list->interrupted = true;
		return 0;
	}
	for (;;) {
		ssize_t got = read(list->fd, to, size);
		if (got >= 0)
			return (size_t)got;
		if (errno != EINTR) {
			note_failure(list, errno);
			return 0;
		}
	}
}

/*
 * Octets up to the end of a line: a whole block would wait for more lines than somebody who types, or a slow pipe,
 * has given so far.
 */
static size_t read_stream(struct bm_recipients *list, unsigned char *to, size_t size)
{
	size_t filled = 0;
	int c = 0;

	flockfile(list->stream);
	while (filled < size && c != '\n' && (c = getc_unlocked(list->stream)) != EOF)
		to[filled++] = (unsigned char)c;
	int failed = filled < size && c == EOF && ferror(list->stream) ? errno : 0;
	funlockfile(list->stream);
	if (failed != 0)
		note_failure(list, failed);
	return filled;
}

static size_t read_some(struct bm_recipients *list, unsigned char *to, size_t size)
{
	return list->form == LIST_FD ? read_fd(list, to, size) : read_stream(list, to, size);
}

static struct bm_span without_mark(struct bm_span text)
{
	if (text.size < 3 || memcmp(text.data, "\xef\xbb\xbf", 3) != 0)
		return text;
	return bm_span_make(text.data + 3, text.size - 3);
}

/* False at the end. The first block has room to tell a byte order mark, if the list is that long. */
static bool fill(struct bm_recipients *list)
{
	size_t size = read_some(list, list->block, BM_BLOCK_SIZE);
	while (!list->started && size > 0 && size < 3) {
		size_t more = read_some(list, list->block + size, BM_BLOCK_SIZE - size);
		size += more;
		if (more == 0)
			break;
	}
	list->rest = bm_span_make(list->block, size);
	if (!list->started) {
		list->rest = without_mark(list->rest);
		list->consumed += size - list->rest.size;
	}
	list->started = true;
	return size > 0;
}

static bool is_blank(unsigned char c)
{
	return c == ' ' || (c >= '\t' && c <= '\r');
}

static void gather(struct bm_gathered *line, struct bm_span piece)
{
	while (line->seen == 0 && piece.size > 0 && is_blank(piece.data[0])) {
		piece.data++;
		piece.size--;
	}
	size_t room = BM_RECORD_SIZE_MAX - line->size;
	size_t kept = piece.size < room ? piece.size : room;
	if (kept > 0)
		memcpy(line->data + line->size, piece.data, kept);
	line->size += kept;
	for (size_t i = piece.size; i > 0; i--) {
		if (!is_blank(piece.data[i - 1])) {
			line->text_size = line->seen + i;
			break;
		}
	}
	line->seen += piece.size;
}

static void give(struct bm_record *record, const unsigned char *text, size_t size)
{
	record->too_long = size > BM_RECORD_SIZE_MAX;
	record->text = (const char *)text;
	record->size = record->too_long ? BM_RECORD_SIZE_MAX : size;
}

bool bm_list_take_piece(struct bm_recipients *list, struct bm_span *piece, bool *complete)
{
	*complete = false;
	if (list->rest.size == 0 && !fill(list))
		return false;
	const unsigned char *end = list->rest.size == 0 ? NULL : memchr(list->rest.data, '\n', list->rest.size);
	size_t size = end == NULL ? list->rest.size : (size_t)(end - list->rest.data);
	size_t used = end == NULL ? size : size + 1;
	*piece = bm_span_make(list->rest.data, size);
	list->rest.data += used;
	list->rest.size -= used;
	list->consumed += used;
	*complete = end != NULL;
	return true;
}

void bm_list_check_end(struct bm_recipients *list)
{
	/* What is cut off may be somebody else's address. */
	if (list->failed == BM_OK && list->regular && list->consumed < list->size)
		note_failure(list, 0);
}

/* One line, which may be blank (size 0); false at the end. */
static bool next_octet_line(struct bm_recipients *list, struct bm_record *record)
{
	bool complete = false;

	if (!list->gathering)
		list->line = (struct bm_gathered){.data = list->line.data};
	while (!complete) {
		struct bm_span piece;
		if (!bm_list_take_piece(list, &piece, &complete))
			break;
		if (complete && !list->gathering) {
			piece = bm_span_trim(piece);
			give(record, piece.data, piece.size);
			return true;
		}
		gather(&list->line, piece);
		list->gathering = true;
	}
	if (list->interrupted)
		return false;
	bool gathering = list->gathering;
	list->gathering = false;
	if (!complete)
		bm_list_check_end(list);
	give(record, list->line.data, list->line.text_size);
	return gathering && list->failed == BM_OK;
}

static bool give_line(struct bm_recipients *list, struct bm_record *record, struct bm_span line)
{
	if (!list->started)
		line = without_mark(line);
	list->started = true;
	line = bm_span_trim(line);
	give(record, line.data, line.size);
	return true;
}

static bool next_given_line(struct bm_recipients *list, struct bm_record *record)
{
	const char *text = NULL;
	size_t size = 0;

	if (list->form == LIST_ARRAY) {
		if (list->next_line == list->line_count)
			return false;
		return give_line(list, record, bm_span_of(list->lines[list->next_line++]));
	}
	if (!list->fn(list->user, &text, &size))
		return false;
	return give_line(list, record, bm_span_make(text == NULL ? "" : text, text == NULL ? 0 : size));
}

static bool next_line(struct bm_recipients *list, struct bm_record *record)
{
	bool by_octets = list->form == LIST_FD || list->form == LIST_STREAM;
	return by_octets ? next_octet_line(list, record) : next_given_line(list, record);
}

static enum bm_code interrupt(struct bm_recipients *list, struct bm_record *record, struct bm_error *err)
{
	list->interrupted = false;
	*record = (struct bm_record){.seq = list->records};
	return bm_error_set(err, BM_E_STOPPED, "", "the wait for the list was ended");
}

static enum bm_code end_of_list(const struct bm_recipients *list, struct bm_error *err)
{
	if (list->failed == BM_OK)
		return BM_OK;
	if (list->failed_errno == 0)
		return bm_error_set(err, list->failed, "MB704", "the list became shorter while it was read, behind record %llu",
			(unsigned long long)list->records);
	return bm_error_set_errno(err, list->failed, "MB704", list->failed_errno, "cannot read the list behind record %llu",
		(unsigned long long)list->records);
}

static enum bm_code next_of_table(struct bm_recipients *list, struct bm_record *record, struct bm_error *err)
{
	enum bm_step step = list->ended ? BM_STEP_END : bm_table_next(list, record, err);

	switch (step) {
	case BM_STEP_GIVEN:
		record->seq = ++list->records;
		return BM_OK;
	case BM_STEP_WAIT:
		return interrupt(list, record, err);
	case BM_STEP_ERROR:
		*record = (struct bm_record){.seq = list->records};
		return err->code;
	case BM_STEP_END:
	case BM_STEP_TOO_LONG:
		break;
	}
	list->ended = true;
	*record = (struct bm_record){.seq = list->records};
	return end_of_list(list, err);
}

enum bm_code bm_recipients_next(struct bm_recipients *list, struct bm_record *record, struct bm_error *err)
{
	struct bm_error own;

	*record = (struct bm_record){.seq = list->records};
	if (list->table != NULL)
		return next_of_table(list, record, err == NULL ? &own : err);
	while (!list->ended) {
		bool given = next_line(list, record);
		if (list->interrupted)
			return interrupt(list, record, err);
		list->ended = !given;
		if (list->ended || record->size == 0)
			continue;
		record->seq = ++list->records;
		list->value = (struct bm_text){record->text, record->size};
		record->values = &list->value;
		record->value_count = 1;
		return BM_OK;
	}
	*record = (struct bm_record){.seq = list->records};
	return end_of_list(list, err);
}

enum bm_code bm_recipients_columns(
	struct bm_recipients *list, const char *const **names, size_t *count, struct bm_error *err)
{
	struct bm_error own;
	struct bm_record record;

	*names = NULL;
	*count = 0;
	if (list->table == NULL)
		return BM_OK;
	err = err == NULL ? &own : err;
	enum bm_step step = bm_table_header(list, err);
	if (step == BM_STEP_ERROR)
		return err->code;
	if (step == BM_STEP_WAIT)
		return interrupt(list, &record, err);
	if (!list->table->has_header)
		return end_of_list(list, err);
	*names = (const char *const *)list->table->names;
	*count = list->table->column_count;
	return BM_OK;
}

bool bm_recipients_finite(const struct bm_recipients *list)
{
	return list->form == LIST_ARRAY || list->regular;
}

uint64_t bm_recipients_left(const struct bm_recipients *list)
{
	if (list->ended)
		return 0;
	if (list->form == LIST_ARRAY)
		return list->line_count - list->next_line;
	if (!list->regular || list->consumed == 0 || list->consumed >= list->size)
		return 0;
	double records_an_octet = (double)list->records / (double)list->consumed;
	return (uint64_t)((double)(list->size - list->consumed) * records_an_octet + 0.5);
}

void bm_recipients_free(struct bm_recipients *list)
{
	if (list == NULL)
		return;
	if (list->owns_fd)
		close(list->fd);
	bm_table_free(list->table);
	free(list->block);
	free(list->line.data);
	free(list);
}
