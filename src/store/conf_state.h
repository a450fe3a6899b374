/* SPDX-License-Identifier: MIT */
/*
 * What a conf holds. Each file keeps its entries as they stand; the slots, one for each package and attribute, are
 * resolved from them whenever a file is added: from the least significant file to the most significant, so that a
 * plain value replaces and @= appends as in the original. What a caller sets lies in slots of its own, over all files.
 */
#ifndef BM_STORE_CONF_STATE_H
#define BM_STORE_CONF_STATE_H

#include "bulkmail/conf.h"
#include "store/attribute.h"

enum bm_conf_package {
	BM_CONF_OBJECT,
	BM_CONF_CAMPAIGN,
	BM_CONF_SERVER,
	BM_CONF_DUMMY,
	BM_CONF_UNKNOWN, /* another program's; behind the known ones */
};

#define BM_CONF_PACKAGES BM_CONF_UNKNOWN

/* One value; its text is owned. */
struct bm_conf_entry {
	enum bm_conf_package package;
	const struct bm_attribute_info *info;
	struct bm_conf_value value;
};

/* One file, or one value of a caller. The entries stay where they are once the file is added. */
struct bm_conf_source {
	char *name;
	struct bm_conf_entry *entries;
	size_t count;
	size_t capacity;
};

struct bm_conf_sources {
	struct bm_conf_source *items;
	size_t count;
	size_t capacity;
};

/* The values of one attribute in one package. */
struct bm_conf_slot {
	const struct bm_conf_value **values;
	size_t count;
	size_t capacity;
};

struct bm_conf {
	struct bm_conf_options options;
	struct bm_conf_sources files;    /* the most significant first */
	struct bm_conf_sources settings; /* in the order of their calls */
	struct bm_conf_slot *of_files;   /* BM_CONF_PACKAGES rows of bm_attribute_count() slots */
	struct bm_conf_slot *of_settings;
	char **foreign; /* names of unknown packages that were warned of */
	size_t foreign_count;
	size_t foreign_capacity;
};

/* Full name, never NULL; "" for BM_CONF_UNKNOWN. */
const char *bm_conf_package_name(enum bm_conf_package package);

/* By full name. */
enum bm_conf_package bm_conf_package_find(const char *name);

/* The nearest known package's name, NULL when none is near. */
const char *bm_conf_package_nearest(const char *name);

/* True when the package takes that attribute. */
bool bm_conf_package_takes(enum bm_conf_package package, const struct bm_attribute_info *info);

/* The attribute of that name, whichever package it belongs to; NULL when there is none. */
const struct bm_attribute_info *bm_conf_attribute_find(const char *name);

/* The name of an attribute that the package takes and that is nearest; NULL when none is near. */
const char *bm_conf_attribute_nearest(enum bm_conf_package package, const char *name);

/* The id of the error about this attribute's value in a file or, by_caller, in a call. */
const char *bm_conf_error_id(const struct bm_attribute_info *info, bool by_caller);

/* Gives the caller of the conf one line. */
void bm_conf_warn(const struct bm_conf *conf, const char *fmt, ...) BM_PRINTF(2, 3);

/* *items with room for one more of item_size octets; false without memory. */
bool bm_conf_grow(void *items, size_t *capacity, size_t count, size_t item_size);

/* A copy of text; NULL without memory. */
char *bm_conf_copy(const void *text, size_t size);

/* Takes entry's text, also when it fails. */
enum bm_code bm_conf_source_add(
	struct bm_conf_source *source, struct bm_conf_entry entry, struct bm_error *err) BM_MUST_CHECK;
void bm_conf_source_deinit(struct bm_conf_source *source);

/* Both take the source, also when they fail. */
enum bm_code bm_conf_take_file(struct bm_conf *conf, struct bm_conf_source *source, struct bm_error *err) BM_MUST_CHECK;
enum bm_code bm_conf_take_setting(
	struct bm_conf *conf, struct bm_conf_source *source, struct bm_error *err) BM_MUST_CHECK;

/* The values in package or its nearest ancestor that sets name; NULL when none does. */
const struct bm_conf_slot *bm_conf_slot_find(const struct bm_conf *conf, const char *package, const char *name);

#endif
