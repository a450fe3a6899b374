/* SPDX-License-Identifier: MIT */
#include "bulkmail/conf.h"

#include "base/buf.h"
#include "base/error.h"
#include "store/conf_state.h"
#include "store/conf_text.h"
#include "store/credentials.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define READ_SIZE (64u * 1024)

static enum bm_code copy_options(
	struct bm_conf_options *out, const struct bm_conf_options *options, struct bm_error *err)
{
	struct bm_conf_options defaults = BM_CONF_OPTIONS_INIT;

	*out = defaults;
	if (options == NULL)
		return BM_OK;
	if (options->size == 0)
		return bm_error_set(err, BM_E_USAGE, "", "bm_conf_options: size is not set");
	memcpy(out, options, options->size < sizeof *out ? options->size : sizeof *out);
	return BM_OK;
}

enum bm_code bm_conf_new(struct bm_conf **out, const struct bm_conf_options *options, struct bm_error *err)
{
	size_t slots = BM_CONF_PACKAGES * bm_attribute_count();
	struct bm_conf *conf = calloc(1, sizeof *conf);

	*out = NULL;
	if (conf == NULL)
		return bm_error_nomem(err);
	enum bm_code code = copy_options(&conf->options, options, err);
	conf->of_files = calloc(slots, sizeof *conf->of_files);
	conf->of_settings = calloc(slots, sizeof *conf->of_settings);
	if (code == BM_OK && (conf->of_files == NULL || conf->of_settings == NULL))
		code = bm_error_nomem(err);
	if (code == BM_OK)
		*out = conf;
	else
		bm_conf_free(conf);
	return code;
}

static enum bm_code fail_file(struct bm_error *err, int system_errno, const char *path)
{
	bool missing = system_errno == ENOENT || system_errno == ENOTDIR;
	return bm_error_set_errno(
		err, missing ? BM_E_MISSING : BM_E_IO, "MBO007", system_errno, "cannot read the conf file %s", path);
}

/* Everything up to the file's end into content. */
static enum bm_code slurp(int fd, struct bm_buf *content, const char *path, struct bm_error *err)
{
	for (;;) {
		enum bm_code code = bm_buf_reserve(content, READ_SIZE);
		if (code == BM_E_NOMEM)
			return bm_error_nomem(err);
		if (code != BM_OK)
			return bm_error_set(err, BM_E_CONF, "MBO007", "%s is longer than a conf file can be (16 MiB)", path);
		ssize_t got = read(fd, content->data + content->size, READ_SIZE);
		if (got == 0)
			return BM_OK;
		if (got < 0 && errno != EINTR)
			return fail_file(err, errno, path);
		if (got > 0)
			content->size += (size_t)got;
	}
}

static enum bm_code read_file(struct bm_conf *conf, int fd, const char *path, struct bm_error *err)
{
	struct bm_buf content;
	struct bm_error exposed = BM_ERROR_INIT;
	bool private = bm_credentials_check(fd, path, &exposed) == BM_OK;

	bm_buf_init(&content, BM_CONF_FILE_SIZE_MAX + READ_SIZE);
	enum bm_code code = slurp(fd, &content, path, err);
	if (code == BM_OK)
		code = bm_conf_read_exposed(conf, bm_buf_view(&content), path, private ? NULL : &exposed, err);
	bm_buf_deinit(&content);
	return code;
}

enum bm_code bm_conf_read(struct bm_conf *conf, const char *path, bool required, struct bm_error *err)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
	if (fd < 0 && (errno == ENOENT || errno == ENOTDIR) && !required)
		return BM_OK;
	if (fd < 0)
		return fail_file(err, errno, path);
	enum bm_code code = read_file(conf, fd, path, err);
	close(fd);
	return code;
}

/* Where a value without a package goes: to the class that first takes it. */
static enum bm_conf_package package_for(const struct bm_attribute_info *info)
{
	if (info->owner == BM_OWNER_CAMPAIGN)
		return BM_CONF_CAMPAIGN;
	return bm_conf_package_takes(BM_CONF_SERVER, info) ? BM_CONF_SERVER : BM_CONF_DUMMY;
}

static enum bm_code fail_name(enum bm_conf_package package, const char *name, const char *where, struct bm_error *err)
{
	char shown[128];
	const char *hint = bm_conf_attribute_nearest(package, name);

	bm_escape(shown, sizeof shown, name, strlen(name));
	return bm_error_set(err, BM_E_CONF, "MBO004", "%s: found \"%s\", expected the name of an attribute%s%s%s", where,
		shown, hint == NULL ? "" : "; did you mean ", hint == NULL ? "" : hint, hint == NULL ? "" : "?");
}

static enum bm_code fail_package(
	const char *package, const struct bm_attribute_info *info, const char *where, struct bm_error *err)
{
	char shown[128];
	bm_escape(shown, sizeof shown, package, strlen(package));
	return bm_error_set(err, BM_E_CONF, "MBO004", "%s: found %s in package \"%s\", expected package %s", where,
		info->name, shown, bm_conf_package_name(package_for(info)));
}

static enum bm_code check_setting(
	const struct bm_attribute_info *info, const char *value, const char *where, struct bm_error *err)
{
	struct bm_error inner = BM_ERROR_INIT;
	enum bm_code code = bm_attribute_check(info, value, &inner);
	if (code == BM_OK)
		return BM_OK;
	return bm_error_set(err, code, bm_conf_error_id(info, true), "%s: %s", where, inner.text);
}

static enum bm_code add_setting(struct bm_conf *conf, enum bm_conf_package package,
	const struct bm_attribute_info *info, const char *value, const char *where, struct bm_error *err)
{
	struct bm_conf_source source = {.name = strdup(where)};
	char *text = value == NULL ? NULL : strdup(value);

	if (source.name == NULL || (value != NULL && text == NULL)) {
		free(source.name);
		free(text);
		return bm_error_nomem(err);
	}
	struct bm_conf_entry entry = {package, info, {text, source.name, 0, info->several}};
	enum bm_code code = bm_conf_source_add(&source, entry, err);
	if (code == BM_OK)
		return bm_conf_take_setting(conf, &source, err);
	bm_conf_source_deinit(&source);
	return code;
}

enum bm_code bm_conf_set(struct bm_conf *conf, const char *package, const char *name, const char *value,
	const char *where, struct bm_error *err)
{
	enum bm_conf_package known = package == NULL ? BM_CONF_OBJECT : bm_conf_package_find(package);
	const struct bm_attribute_info *info = bm_conf_attribute_find(name);

	if (where == NULL)
		where = "bm_conf_set";
	if (info == NULL)
		return fail_name(known, name, where, err);
	if (package == NULL)
		known = package_for(info);
	if (!bm_conf_package_takes(known, info))
		return fail_package(package == NULL ? "" : package, info, where, err);
	if (strcmp(name, "max_message_per_robin") == 0)
		bm_conf_warn(conf, "%s: %s is taken as %s", where, name, info->name);
	if (value != NULL && strcmp(value, "undef") == 0)
		value = NULL;
	enum bm_code code = check_setting(info, value, where, err);
	return code != BM_OK ? code : add_setting(conf, known, info, value, where, err);
}

size_t bm_conf_count(const struct bm_conf *conf, const char *package, const char *name)
{
	const struct bm_conf_slot *slot = bm_conf_slot_find(conf, package, name);
	return slot == NULL ? 0 : slot->count;
}

const struct bm_conf_value *bm_conf_get(const struct bm_conf *conf, const char *package, const char *name, size_t index)
{
	const struct bm_conf_slot *slot = bm_conf_slot_find(conf, package, name);
	return slot == NULL || index >= slot->count ? NULL : slot->values[index];
}

const char *bm_conf_text(const struct bm_conf *conf, const char *package, const char *name)
{
	const struct bm_conf_slot *slot = bm_conf_slot_find(conf, package, name);
	return slot == NULL ? NULL : slot->values[slot->count - 1]->text;
}

static void free_sources(struct bm_conf_sources *sources)
{
	for (size_t i = 0; i < sources->count; i++)
		bm_conf_source_deinit(&sources->items[i]);
	free(sources->items);
}

static void free_slots(struct bm_conf_slot *slots)
{
	if (slots == NULL)
		return;
	for (size_t i = 0; i < BM_CONF_PACKAGES * bm_attribute_count(); i++)
		free(slots[i].values);
	free(slots);
}

void bm_conf_free(struct bm_conf *conf)
{
	if (conf == NULL)
		return;
	free_sources(&conf->files);
	free_sources(&conf->settings);
	free_slots(conf->of_files);
	free_slots(conf->of_settings);
	for (size_t i = 0; i < conf->foreign_count; i++)
		free(conf->foreign[i]);
	free(conf->foreign);
	free(conf);
}

struct bm_conf_options bm_conf_options_of(const struct bm_conf *conf)
{
	return conf->options;
}
