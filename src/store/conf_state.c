/* SPDX-License-Identifier: MIT */
#include "store/conf_state.h"

#include "base/error.h"
#include "base/nearest.h"

#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct {
	const char *name;
	enum bm_conf_package parent; /* BM_CONF_UNKNOWN: none */
} packages[BM_CONF_PACKAGES] = {
	[BM_CONF_OBJECT] = {BM_PACKAGE_OBJECT, BM_CONF_UNKNOWN},
	[BM_CONF_CAMPAIGN] = {BM_PACKAGE_CAMPAIGN, BM_CONF_OBJECT},
	[BM_CONF_SERVER] = {BM_PACKAGE_SERVER, BM_CONF_OBJECT},
	[BM_CONF_DUMMY] = {BM_PACKAGE_DUMMY, BM_CONF_SERVER},
};

const char *bm_conf_package_name(enum bm_conf_package package)
{
	return package < BM_CONF_UNKNOWN ? packages[package].name : "";
}

enum bm_conf_package bm_conf_package_find(const char *name)
{
	for (int i = 0; i < BM_CONF_PACKAGES; i++) {
		if (strcmp(packages[i].name, name) == 0)
			return (enum bm_conf_package)i;
	}
	return BM_CONF_UNKNOWN;
}

const char *bm_conf_package_nearest(const char *name)
{
	/* Two slips at most: the original's Mail::Bulkmail::Dynamic is near to nothing of ours. */
	size_t best = 3;
	const char *nearest = NULL;

	for (int i = 0; i < BM_CONF_PACKAGES; i++) {
		size_t distance = bm_nearest_distance(name, packages[i].name);
		if (distance < best) {
			best = distance;
			nearest = packages[i].name;
		}
	}
	return nearest;
}

bool bm_conf_package_takes(enum bm_conf_package package, const struct bm_attribute_info *info)
{
	switch (package) {
	case BM_CONF_OBJECT:
	case BM_CONF_DUMMY:
		return package == BM_CONF_OBJECT || info->owner == BM_OWNER_SERVER;
	case BM_CONF_CAMPAIGN:
		return info->owner == BM_OWNER_CAMPAIGN;
	case BM_CONF_SERVER:
		/* A dummy_file makes a server a dummy: only its own package may say so. */
		return info->owner == BM_OWNER_SERVER && strcmp(info->name, "dummy_file") != 0;
	case BM_CONF_UNKNOWN:
		return false;
	}
	return false;
}

const struct bm_attribute_info *bm_conf_attribute_find(const char *name)
{
	const struct bm_attribute_info *info = bm_attribute_find(BM_OWNER_SERVER, name);
	return info != NULL ? info : bm_attribute_find(BM_OWNER_CAMPAIGN, name);
}

const char *bm_conf_attribute_nearest(enum bm_conf_package package, const char *name)
{
	if (package == BM_CONF_CAMPAIGN)
		return bm_attribute_nearest(BM_OWNER_CAMPAIGN, name);
	const char *server = bm_attribute_nearest(BM_OWNER_SERVER, name);
	if (package != BM_CONF_OBJECT)
		return server;
	const char *campaign = bm_attribute_nearest(BM_OWNER_CAMPAIGN, name);
	if (server == NULL || campaign == NULL)
		return server != NULL ? server : campaign;
	return bm_nearest_distance(name, server) <= bm_nearest_distance(name, campaign) ? server : campaign;
}

const char *bm_conf_error_id(const struct bm_attribute_info *info, bool by_caller)
{
	if (info != NULL && strcmp(info->name, "server_class") == 0)
		return "MB003";
	return by_caller ? "MBO004" : "MBO002";
}

void bm_conf_warn(const struct bm_conf *conf, const char *fmt, ...)
{
	char text[BM_ERROR_TEXT_MAX];
	va_list args;

	if (conf->options.warn == NULL)
		return;
	va_start(args, fmt);
	vsnprintf(text, sizeof text, fmt, args);
	va_end(args);
	conf->options.warn(conf->options.warn_user, text);
}

bool bm_conf_grow(void *items, size_t *capacity, size_t count, size_t item_size)
{
	void *old = NULL;

	if (count < *capacity)
		return true;
	size_t wanted = *capacity < 4 ? 4 : *capacity * 2;
	if (wanted > SIZE_MAX / item_size / 2)
		return false;
	memcpy(&old, items, sizeof old);
	void *grown = realloc(old, wanted * item_size);
	if (grown == NULL)
		return false;
	memcpy(items, &grown, sizeof grown);
	*capacity = wanted;
	return true;
}

char *bm_conf_copy(const void *text, size_t size)
{
	char *copy = malloc(size + 1);
	if (copy == NULL)
		return NULL;
	if (size > 0)
		memcpy(copy, text, size);
	copy[size] = '\0';
	return copy;
}

enum bm_code bm_conf_source_add(struct bm_conf_source *source, struct bm_conf_entry entry, struct bm_error *err)
{
	if (!bm_conf_grow(&source->entries, &source->capacity, source->count, sizeof *source->entries)) {
		free((char *)entry.value.text);
		return bm_error_nomem(err);
	}
	source->entries[source->count++] = entry;
	return BM_OK;
}

void bm_conf_source_deinit(struct bm_conf_source *source)
{
	for (size_t i = 0; i < source->count; i++)
		free((char *)source->entries[i].value.text);
	free(source->entries);
	free(source->name);
	*source = (struct bm_conf_source){0};
}

static size_t slot_index(enum bm_conf_package package, const struct bm_attribute_info *info)
{
	return (size_t)package * bm_attribute_count() + bm_attribute_index(info);
}

/* The original appends to what is false too, by beginning a new list: a plain 0 or undef gives way. */
static bool gives_way(const struct bm_conf_slot *slot)
{
	const struct bm_conf_value *only = slot->count == 1 ? slot->values[0] : NULL;
	return only != NULL && !only->appended && (only->text == NULL || strcmp(only->text, "0") == 0);
}

static bool apply(struct bm_conf_slot *slots, const struct bm_conf_entry *entry)
{
	struct bm_conf_slot *slot = &slots[slot_index(entry->package, entry->info)];
	if (!entry->value.appended || gives_way(slot))
		slot->count = 0;
	if (!bm_conf_grow(&slot->values, &slot->capacity, slot->count, sizeof *slot->values))
		return false;
	slot->values[slot->count++] = &entry->value;
	return true;
}

static bool apply_all(struct bm_conf_slot *slots, const struct bm_conf_source *source)
{
	for (size_t i = 0; i < source->count; i++) {
		if (!apply(slots, &source->entries[i]))
			return false;
	}
	return true;
}

static bool resolve_files(struct bm_conf *conf)
{
	for (size_t i = 0; i < BM_CONF_PACKAGES * bm_attribute_count(); i++)
		conf->of_files[i].count = 0;
	for (size_t i = conf->files.count; i > 0; i--) {
		if (!apply_all(conf->of_files, &conf->files.items[i - 1]))
			return false;
	}
	return true;
}

static bool take(struct bm_conf_sources *sources, struct bm_conf_source *source)
{
	if (!bm_conf_grow(&sources->items, &sources->capacity, sources->count, sizeof *sources->items)) {
		bm_conf_source_deinit(source);
		return false;
	}
	sources->items[sources->count++] = *source;
	*source = (struct bm_conf_source){0};
	return true;
}

enum bm_code bm_conf_take_file(struct bm_conf *conf, struct bm_conf_source *source, struct bm_error *err)
{
	return take(&conf->files, source) && resolve_files(conf) ? BM_OK : bm_error_nomem(err);
}

enum bm_code bm_conf_take_setting(struct bm_conf *conf, struct bm_conf_source *source, struct bm_error *err)
{
	if (!take(&conf->settings, source))
		return bm_error_nomem(err);
	const struct bm_conf_source *taken = &conf->settings.items[conf->settings.count - 1];
	return apply_all(conf->of_settings, taken) ? BM_OK : bm_error_nomem(err);
}

static const struct bm_conf_slot *nearest_slot(
	const struct bm_conf_slot *slots, enum bm_conf_package package, const struct bm_attribute_info *info)
{
	for (; package < BM_CONF_UNKNOWN; package = packages[package].parent) {
		const struct bm_conf_slot *slot = &slots[slot_index(package, info)];
		if (slot->count > 0)
			return slot;
	}
	return NULL;
}

const struct bm_conf_slot *bm_conf_slot_find(const struct bm_conf *conf, const char *package, const char *name)
{
	enum bm_conf_package known = bm_conf_package_find(package);
	const struct bm_attribute_info *info = bm_conf_attribute_find(name);

	if (info == NULL || !bm_conf_package_takes(known, info))
		return NULL;
	const struct bm_conf_slot *slot = nearest_slot(conf->of_settings, known, info);
	return slot != NULL ? slot : nearest_slot(conf->of_files, known, info);
}
