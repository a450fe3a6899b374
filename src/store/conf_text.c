/* SPDX-License-Identifier: MIT */
/* Conf lines become checked entries. A file counts as a whole or not at all. */
#include "store/conf_text.h"

#include "base/error.h"
#include "store/conf_line.h"
#include "store/conf_state.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* How much of a line or a path an error shows, and after how many unknown packages the warnings cease. */
#define SHOWN_MAX 160
#define FOREIGN_MAX 64
#define REASON_MAX 256

struct reader {
	struct bm_conf *conf;
	struct bm_conf_source source; /* what was read so far */
	enum bm_conf_package package;
	char file[SHOWN_MAX]; /* the name as errors show it */
	size_t line_number;
	struct bm_span line;
	struct bm_error *err;
};

/* Of a long path the end tells more than the beginning. */
static void show_path(char *out, size_t out_size, const char *path)
{
	size_t size = strlen(path);
	size_t most = out_size / 2;
	if (size <= most) {
		bm_escape(out, out_size, path, size);
		return;
	}
	snprintf(out, out_size, "...");
	bm_escape(out + 3, out_size - 3, path + size - most, most);
}

static bool contains_nocase(struct bm_span text, const char *word)
{
	struct bm_span sought = bm_span_of(word);
	for (size_t i = 0; i + sought.size <= text.size; i++) {
		if (bm_span_equal_nocase(bm_span_make(text.data + i, sought.size), sought))
			return true;
	}
	return false;
}

/* Somebody may have written a password here, which no error may show. */
static bool may_hold_secret(struct bm_span line)
{
	return contains_nocase(line, "pass") || contains_nocase(line, "secret") || contains_nocase(line, "token");
}

static void show_line(char *out, size_t out_size, struct bm_span line)
{
	line = bm_span_trim(line);
	size_t size = 0;
	if (!may_hold_secret(line)) {
		bm_escape(out, out_size, line.data, line.size);
		return;
	}
	while (size < line.size && line.data[size] != '=' && line.data[size] != ' ' && line.data[size] != '\t')
		size++;
	bm_escape(out, out_size, line.data, size);
	size_t used = strlen(out);
	snprintf(out + used, out_size - used, " ... (hidden)");
}

/* reason begins with "expected"; hint may be NULL. */
static enum bm_code fail(struct reader *reader, const char *id, const char *reason, const char *hint)
{
	char shown[SHOWN_MAX];
	show_line(shown, sizeof shown, reader->line);
	return bm_error_set(reader->err, BM_E_CONF, id, "%s:%zu: found \"%s\", %s%s%s%s", reader->file, reader->line_number,
		shown, reason, hint == NULL ? "" : "; did you mean ", hint == NULL ? "" : hint, hint == NULL ? "" : "?");
}

static bool is_remembered(const struct bm_conf *conf, const char *name)
{
	for (size_t i = 0; i < conf->foreign_count; i++) {
		if (strcmp(conf->foreign[i], name) == 0)
			return true;
	}
	return false;
}

static void warn_foreign(const struct reader *reader, const char *name)
{
	char shown[SHOWN_MAX];
	const char *nearest = bm_conf_package_nearest(name);

	bm_escape(shown, sizeof shown, name, strlen(name));
	bm_conf_warn(reader->conf, "%s:%zu: package %s is not known here, its values are left alone%s%s%s", reader->file,
		reader->line_number, shown, nearest == NULL ? "" : "; did you mean ", nearest == NULL ? "" : nearest,
		nearest == NULL ? "" : "?");
}

/* Takes name. One warning a package, and an end to them in a file that is none of ours. */
static enum bm_code enter_foreign(struct reader *reader, char *name)
{
	struct bm_conf *conf = reader->conf;

	if (conf->foreign_count == FOREIGN_MAX || is_remembered(conf, name)) {
		free(name);
		return BM_OK;
	}
	if (!bm_conf_grow(&conf->foreign, &conf->foreign_capacity, conf->foreign_count, sizeof *conf->foreign)) {
		free(name);
		return bm_error_nomem(reader->err);
	}
	conf->foreign[conf->foreign_count++] = name;
	warn_foreign(reader, name);
	return BM_OK;
}

static enum bm_code enter_package(struct reader *reader, struct bm_span name)
{
	char *copy = bm_conf_copy(name.data, name.size);
	if (copy == NULL)
		return bm_error_nomem(reader->err);
	reader->package = bm_conf_package_find(copy);
	if (reader->package == BM_CONF_UNKNOWN)
		return enter_foreign(reader, copy);
	free(copy);
	return BM_OK;
}

/* The package that takes an attribute that was found in a wrong one. */
static const char *home_of(const struct bm_attribute_info *info)
{
	if (info->owner == BM_OWNER_CAMPAIGN)
		return BM_PACKAGE_CAMPAIGN;
	return bm_conf_package_takes(BM_CONF_SERVER, info) ? BM_PACKAGE_SERVER : BM_PACKAGE_DUMMY;
}

static enum bm_code fail_unknown(struct reader *reader, const char *name)
{
	char reason[REASON_MAX];
	const char *package = bm_conf_package_name(reader->package);
	snprintf(reason, sizeof reason, "expected an attribute of package %s", package);
	return fail(reader, "MBO002", reason, bm_conf_attribute_nearest(reader->package, name));
}

static enum bm_code fail_misplaced(struct reader *reader, const struct bm_attribute_info *info)
{
	char reason[REASON_MAX];
	snprintf(reason, sizeof reason, "expected %s behind \"define package %s\"", info->name, home_of(info));
	return fail(reader, "MBO002", reason, NULL);
}

/* In a server file the n-th value is the n-th server's. */
static bool takes_list(const struct bm_attribute_info *info)
{
	return info->several || (info->owner == BM_OWNER_SERVER && info->offset != BM_ATTRIBUTE_NO_FIELD);
}

static enum bm_code check(
	struct reader *reader, const struct bm_attribute_info *info, const char *text, const struct bm_conf_line *line)
{
	char reason[REASON_MAX];
	if (!bm_attribute_explain(info, text, reason, sizeof reason))
		return fail(reader, bm_conf_error_id(info, false), reason, NULL);
	if (line->appended && !takes_list(info))
		return fail(reader, "MBO002", "expected one value, set with =", NULL);
	return BM_OK;
}

/* Takes text. */
static enum bm_code add_value(
	struct reader *reader, const struct bm_attribute_info *info, char *text, const struct bm_conf_line *line)
{
	enum bm_code code = check(reader, info, text, line);
	if (code != BM_OK || (line->for_user && line->user != reader->conf->options.euid)) {
		free(text);
		return code;
	}
	struct bm_conf_entry entry = {
		.package = reader->package,
		.info = info,
		.value = {text, reader->source.name, reader->line_number, line->appended},
	};
	return bm_conf_source_add(&reader->source, entry, reader->err);
}

static enum bm_code read_known(struct reader *reader, const char *name, const struct bm_conf_line *line, char *text)
{
	const struct bm_attribute_info *info = bm_conf_attribute_find(name);
	if (info == NULL || !bm_conf_package_takes(reader->package, info)) {
		free(text);
		return info == NULL ? fail_unknown(reader, name) : fail_misplaced(reader, info);
	}
	if (strcmp(name, "max_message_per_robin") == 0)
		bm_conf_warn(reader->conf, "%s:%zu: %s is taken as %s", reader->file, reader->line_number, name, info->name);
	return add_value(reader, info, text, line);
}

/* *text is NULL for undef. */
static enum bm_code value_text(struct reader *reader, const struct bm_conf_line *line, char **text)
{
	size_t size = 0;

	*text = NULL;
	if (line->undefined)
		return BM_OK;
	char *copy = bm_conf_copy(line->value.data, line->value.size);
	if (copy == NULL)
		return bm_error_nomem(reader->err);
	const char *expected = bm_conf_value_unescape(line->value, copy, &size);
	if (expected != NULL) {
		free(copy);
		return fail(reader, "MBO002", expected, NULL);
	}
	copy[size] = '\0';
	*text = copy;
	return BM_OK;
}

static enum bm_code read_value(struct reader *reader, const struct bm_conf_line *line)
{
	char *text = NULL;

	/* Names and escapes of a package that is not ours are its own business. */
	if (reader->package == BM_CONF_UNKNOWN)
		return BM_OK;
	char *name = bm_conf_copy(line->name.data, line->name.size);
	if (name == NULL)
		return bm_error_nomem(reader->err);
	enum bm_code code = value_text(reader, line, &text);
	if (code == BM_OK)
		code = read_known(reader, name, line, text);
	free(name);
	return code;
}

static enum bm_code read_line(struct reader *reader)
{
	if (reader->line.size > BM_CONF_LINE_SIZE_MAX)
		return fail(reader, "MBO002", "expected a line of at most 65536 octets", NULL);
	struct bm_conf_line line = bm_conf_line_parse(reader->line);
	switch (line.kind) {
	case BM_CONF_LINE_BLANK:
		return BM_OK;
	case BM_CONF_LINE_PACKAGE:
		return enter_package(reader, line.name);
	case BM_CONF_LINE_VALUE:
		return read_value(reader, &line);
	case BM_CONF_LINE_BAD:
		break;
	}
	return fail(reader, "MBO002", line.expected, NULL);
}

/* The next line off the front of *rest, without its LF. */
static struct bm_span take_line(struct bm_span *rest)
{
	const unsigned char *end = memchr(rest->data, '\n', rest->size);
	size_t size = end == NULL ? rest->size : (size_t)(end - rest->data);
	size_t used = end == NULL ? size : size + 1;
	struct bm_span line = bm_span_make(rest->data, size);
	rest->data += used;
	rest->size -= used;
	return line;
}

static enum bm_code read_lines(struct reader *reader, struct bm_span rest)
{
	if (rest.size >= 3 && memcmp(rest.data, "\xef\xbb\xbf", 3) == 0)
		rest = bm_span_make(rest.data + 3, rest.size - 3);
	while (rest.size > 0) {
		reader->line = take_line(&rest);
		reader->line_number++;
		enum bm_code code = read_line(reader);
		if (code != BM_OK)
			return code;
	}
	return BM_OK;
}

/* Who may change these says where our passwords go; who may read them knows where to look. */
static bool leads_to_password(const struct bm_conf_source *source)
{
	static const char *const names[] = {"user", "password_file", "password_command", NULL};

	for (size_t i = 0; i < source->count; i++) {
		const struct bm_conf_entry *entry = &source->entries[i];
		if (entry->value.text != NULL && bm_span_is_one_of(bm_span_of(entry->info->name), names))
			return true;
	}
	return false;
}

static enum bm_code refuse_exposed(const struct bm_error *exposed, struct bm_error *err)
{
	if (err != NULL)
		*err = *exposed;
	return exposed->code;
}

enum bm_code bm_conf_read_exposed(
	struct bm_conf *conf, struct bm_span text, const char *file, const struct bm_error *exposed, struct bm_error *err)
{
	struct reader reader = {.conf = conf, .package = BM_CONF_OBJECT, .err = err};

	show_path(reader.file, sizeof reader.file, file);
	reader.source.name = strdup(file);
	if (reader.source.name == NULL)
		return bm_error_nomem(err);
	enum bm_code code = read_lines(&reader, text);
	if (code == BM_OK && exposed != NULL && leads_to_password(&reader.source))
		code = refuse_exposed(exposed, err);
	if (code == BM_OK)
		return bm_conf_take_file(conf, &reader.source, err);
	bm_conf_source_deinit(&reader.source);
	return code;
}

enum bm_code bm_conf_read_text(struct bm_conf *conf, struct bm_span text, const char *file, struct bm_error *err)
{
	return bm_conf_read_exposed(conf, text, file, NULL, err);
}
