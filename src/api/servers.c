/* SPDX-License-Identifier: MIT */
/* create_all_servers: one server for each Smtp of a server file, and one for each attribute set. */
#include "api/server.h"
#include "base/error.h"
#include "store/attribute.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* More than any attribute may hold. */
#define JOINED_MAX 65536

struct bm_servers {
	struct bm_server **items;
	size_t count;
};

/* Where the values of the servers come from. */
struct sources {
	const struct bm_conf *master; /* may be NULL */
	const struct bm_conf *file;   /* the server file; NULL: the master names the servers itself */
	const char *class_name;
};

static size_t count_in(const struct bm_conf *conf, const struct sources *sources, const char *name)
{
	return conf == NULL ? 0 : bm_conf_count(conf, sources->class_name, name);
}

/* The n-th value of a list, or a plain value, which is for every server. */
static const struct bm_conf_value *master_value(const struct sources *sources, const char *name, size_t index)
{
	size_t count = count_in(sources->master, sources, name);

	if (count == 0)
		return NULL;
	const struct bm_conf_value *first = bm_conf_get(sources->master, sources->class_name, name, 0);
	if (!first->appended)
		return bm_conf_get(sources->master, sources->class_name, name, count - 1);
	return bm_conf_get(sources->master, sources->class_name, name, index);
}

static const struct bm_conf_value *value_for(const struct sources *sources, const char *name, size_t index)
{
	const struct bm_conf_value *master = master_value(sources, name, index);

	/* What a caller set stands over every file. */
	if (master != NULL && master->line == 0)
		return master;
	if (index < count_in(sources->file, sources, name))
		return bm_conf_get(sources->file, sources->class_name, name, index);
	return master;
}

/* dummy_file is a DummyServer's alone. */
static bool is_server_attribute(const struct bm_attribute_info *info, const struct sources *sources)
{
	if (info->owner != BM_OWNER_SERVER || info->offset == BM_ATTRIBUTE_NO_FIELD)
		return false;
	return strcmp(info->name, "dummy_file") != 0 || strcmp(sources->class_name, BM_PACKAGE_DUMMY) == 0;
}

/* An attribute error as one about the place where the value stands. */
static enum bm_code misplaced(const struct bm_conf_value *value, const char *id, struct bm_error *err)
{
	struct bm_error inner = *err;

	if (inner.code != BM_E_CONF || value == NULL)
		return inner.code;
	if (value->line == 0)
		return bm_error_set(err, BM_E_CONF, id, "%s: %s", value->file, inner.text);
	return bm_error_set(err, BM_E_CONF, "MBO002", "%s:%zu: %s", value->file, value->line, inner.text);
}

/* Several values of a conf file are one list for every server. */
static enum bm_code set_joined(struct bm_server *server, const struct sources *sources, const char *name,
	const struct bm_conf_value **first, struct bm_error *err)
{
	struct bm_buf text;
	enum bm_code code = BM_OK;
	size_t count = count_in(sources->master, sources, name);

	bm_buf_init(&text, JOINED_MAX);
	for (size_t i = 0; code == BM_OK && i < count; i++) {
		const struct bm_conf_value *value = bm_conf_get(sources->master, sources->class_name, name, i);
		if (value->text == NULL)
			continue;
		*first = *first == NULL ? value : *first;
		code = bm_buf_append_fmt(&text, "%s%s", text.size == 0 ? "" : " ", value->text);
	}
	if (code == BM_OK)
		code = bm_buf_terminate(&text);
	if (code != BM_OK)
		bm_error_set(err, code == BM_E_NOMEM ? code : BM_E_CONF, "MBO003", "%s: its values are too long", name);
	else if (text.size > 0)
		code = bm_server_set(server, name, (const char *)text.data, err);
	bm_buf_deinit(&text);
	return code;
}

static enum bm_code set_one(struct bm_server *server, const struct sources *sources,
	const struct bm_attribute_info *info, size_t index, struct bm_error *err)
{
	const struct bm_conf_value *value = value_for(sources, info->name, index);
	bool of_file = index < count_in(sources->file, sources, info->name);
	enum bm_code code = BM_OK;

	if (info->several && (!of_file || (value != NULL && value->line == 0))) {
		value = NULL;
		code = set_joined(server, sources, info->name, &value, err);
	} else if (value != NULL && value->text != NULL) {
		code = bm_server_set(server, info->name, value->text, err);
	}
	return code == BM_OK ? BM_OK : misplaced(value, "MBO004", err);
}

static enum bm_code set_from_conf(
	struct bm_server *server, const struct sources *sources, size_t index, struct bm_error *err)
{
	const struct bm_attribute_info *info = bm_attribute_at(0);
	enum bm_code code = BM_OK;

	for (size_t i = 0; code == BM_OK && info != NULL; info = bm_attribute_at(++i)) {
		if (is_server_attribute(info, sources))
			code = set_one(server, sources, info, index, err);
	}
	return code;
}

/* What does not fit together is said of the place of one of them. */
static enum bm_code check_together(
	const struct bm_server *server, const struct sources *sources, size_t index, struct bm_error *err)
{
	const char *attribute = NULL;

	enum bm_code code = bm_security_check(&server->options, &attribute, err);
	return code == BM_OK ? BM_OK : misplaced(value_for(sources, attribute, index), "MBO003", err);
}

static enum bm_code check_counts(
	const struct bm_conf *conf, const struct sources *sources, size_t servers, struct bm_error *err)
{
	const struct bm_attribute_info *info = bm_attribute_at(0);

	for (size_t i = 0; conf != NULL && info != NULL; info = bm_attribute_at(++i)) {
		/* Where a server file names the servers, the master's own are none. */
		bool idle_names = conf == sources->master && sources->file != NULL && strcmp(info->name, "Smtp") == 0;
		if (!is_server_attribute(info, sources) || info->several || idle_names)
			continue;
		const struct bm_conf_value *extra = bm_conf_get(conf, sources->class_name, info->name, servers);
		if (extra != NULL && extra->appended)
			return bm_error_set(err, BM_E_CONF, "MBO002",
				"%s:%zu: %s has a value for server %zu, but there are only %zu (one for each Smtp)", extra->file,
				extra->line, info->name, servers + 1, servers);
	}
	return BM_OK;
}

static enum bm_code add(struct bm_servers *servers, const struct sources *sources, size_t index,
	const struct bm_attribute_set *set, struct bm_error *err)
{
	struct bm_server **items = realloc(servers->items, (servers->count + 1) * sizeof(struct bm_server *));
	if (items == NULL)
		return bm_error_nomem(err);
	servers->items = items;
	enum bm_code code = bm_server_new(&items[servers->count], NULL, err);
	if (code != BM_OK)
		return code;
	struct bm_server *server = items[servers->count++];
	code = set_from_conf(server, sources, index, err);
	for (size_t i = 0; code == BM_OK && set != NULL && i < set->count; i++)
		code = bm_server_set(server, set->attributes[i].name, set->attributes[i].value, err);
	return code == BM_OK ? check_together(server, sources, index, err) : code;
}

/* Legal, and rarely meant: the manual warns of it. */
static void warn_of_few_values(const struct sources *sources, size_t servers)
{
	struct bm_conf_options options = bm_conf_options_of(sources->file);
	const struct bm_attribute_info *info = bm_attribute_at(0);

	for (size_t i = 0; info != NULL; info = bm_attribute_at(++i)) {
		size_t count = count_in(sources->file, sources, info->name);
		char text[BM_ERROR_TEXT_MAX];
		if (!is_server_attribute(info, sources) || count == 0 || count >= servers)
			continue;
		const struct bm_conf_value *value = bm_conf_get(sources->file, sources->class_name, info->name, count - 1);
		snprintf(text, sizeof text, "%s:%zu: %s has %zu value%s for %zu servers; the others take the default",
			value->file, value->line, info->name, count, count == 1 ? "" : "s", servers);
		options.warn(options.warn_user, text);
	}
}

static enum bm_code add_from_conf(struct bm_servers *servers, const struct sources *sources, struct bm_error *err)
{
	const struct bm_conf *conf = sources->file != NULL ? sources->file : sources->master;
	size_t count = count_in(conf, sources, "Smtp");

	enum bm_code code = check_counts(sources->file, sources, count, err);
	if (code == BM_OK)
		code = check_counts(sources->master, sources, count, err);
	if (code == BM_OK && sources->file != NULL && bm_conf_options_of(sources->file).warn != NULL)
		warn_of_few_values(sources, count);
	for (size_t i = 0; code == BM_OK && i < count; i++)
		code = add(servers, sources, i, NULL, err);
	return code;
}

/* A given set gets the plain values of the master conf as defaults, never the n-th of a list. */
static enum bm_code add_sets(struct bm_servers *servers, const struct sources *sources,
	const struct bm_attribute_set *sets, size_t count, struct bm_error *err)
{
	enum bm_code code = BM_OK;
	struct sources defaults = {.master = sources->master, .class_name = sources->class_name};

	for (size_t i = 0; code == BM_OK && i < count; i++)
		code = add(servers, &defaults, SIZE_MAX, &sets[i], err);
	return code;
}

static enum bm_code add_dummy(struct bm_servers *servers, const struct sources *sources, struct bm_error *err)
{
	if (servers->count > 0 || strcmp(sources->class_name, BM_PACKAGE_DUMMY) != 0)
		return BM_OK;
	return add(servers, sources, SIZE_MAX, NULL, err);
}

static enum bm_code check_dummies(const struct bm_servers *servers, const struct sources *sources, struct bm_error *err)
{
	if (strcmp(sources->class_name, BM_PACKAGE_DUMMY) != 0)
		return BM_OK;
	for (size_t i = 0; i < servers->count; i++) {
		if (servers->items[i]->options.dummy_file == NULL)
			return bm_error_set(err, BM_E_CONF, "MBO003", "a DummyServer needs dummy_file, the file it writes to");
	}
	return BM_OK;
}

static enum bm_code read_server_file(
	struct bm_conf **out, const struct bm_conf *master, const char *class_name, const char *file, struct bm_error *err)
{
	struct bm_conf_options options = BM_CONF_OPTIONS_INIT;

	*out = NULL;
	if (file == NULL && master != NULL)
		file = bm_conf_text(master, class_name, "server_file");
	if (file == NULL)
		return BM_OK;
	if (master != NULL)
		options = bm_conf_options_of(master);
	enum bm_code code = bm_conf_new(out, &options, err);
	return code == BM_OK ? bm_conf_read(*out, file, true, err) : code;
}

static enum bm_code fill(struct bm_servers *servers, const struct sources *sources, const struct bm_attribute_set *sets,
	size_t set_count, struct bm_error *err)
{
	enum bm_code code = add_from_conf(servers, sources, err);
	if (code == BM_OK)
		code = add_sets(servers, sources, sets, set_count, err);
	if (code == BM_OK)
		code = add_dummy(servers, sources, err);
	return code == BM_OK ? check_dummies(servers, sources, err) : code;
}

enum bm_code bm_servers_create(struct bm_servers **out, const struct bm_conf *conf, const char *class_name,
	const char *file, const struct bm_attribute_set *sets, size_t set_count, struct bm_error *err)
{
	struct bm_conf *server_conf = NULL;

	*out = NULL;
	if (class_name == NULL)
		class_name = BM_PACKAGE_SERVER;
	struct bm_servers *servers = calloc(1, sizeof *servers);
	if (servers == NULL)
		return bm_error_nomem(err);
	enum bm_code code = read_server_file(&server_conf, conf, class_name, file, err);
	struct sources sources = {.master = conf, .file = server_conf, .class_name = class_name};
	if (code == BM_OK)
		code = fill(servers, &sources, sets, set_count, err);
	bm_conf_free(server_conf);
	if (code != BM_OK) {
		bm_servers_free(servers);
		return code;
	}
	*out = servers;
	return BM_OK;
}

size_t bm_servers_count(const struct bm_servers *servers)
{
	return servers == NULL ? 0 : servers->count;
}

struct bm_server *bm_servers_at(const struct bm_servers *servers, size_t index)
{
	return index < bm_servers_count(servers) ? servers->items[index] : NULL;
}

void bm_servers_free(struct bm_servers *servers)
{
	if (servers == NULL)
		return;
	for (size_t i = 0; i < servers->count; i++)
		bm_server_free(servers->items[i]);
	free(servers->items);
	free(servers);
}
