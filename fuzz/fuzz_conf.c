/* SPDX-License-Identifier: MIT */
/*
 * Conf files: octets up to a 0x1e are the most significant file, those behind it the next. Whatever was read keeps the
 * bounds of the table, and every value can be set by a caller too.
 */
#include "base/span.h"
#include "bulkmail/conf.h"
#include "store/attribute.h"
#include "store/conf_text.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool fact)
{
	if (!fact)
		abort();
}

static void ignore(void *user, const char *text)
{
	size_t *sum = user;
	*sum += strlen(text);
}

static void set_again(struct bm_conf *conf, const char *package, const char *name, const char *text)
{
	struct bm_error err = BM_ERROR_INIT;
	require(bm_conf_set(conf, package, name, text, "--set", &err) == BM_OK);
}

static void walk(struct bm_conf *conf, const char *package, const struct bm_attribute_info *info)
{
	struct bm_error err = BM_ERROR_INIT;
	size_t count = bm_conf_count(conf, package, info->name);

	require(bm_conf_get(conf, package, info->name, count) == NULL);
	for (size_t i = 0; i < count; i++) {
		const struct bm_conf_value *value = bm_conf_get(conf, package, info->name, i);
		require(value != NULL && value->line > 0 && value->file != NULL);
		require(bm_attribute_check(info, value->text, &err) == BM_OK);
	}
	if (count > 0)
		set_again(conf, package, info->name, bm_conf_text(conf, package, info->name));
}

static void walk_all(struct bm_conf *conf)
{
	static const char *const packages[] = {BM_PACKAGE_CAMPAIGN, BM_PACKAGE_DUMMY, BM_PACKAGE_SERVER, BM_PACKAGE_OBJECT};
	const struct bm_attribute_info *info;

	for (size_t i = 0; (info = bm_attribute_at(i)) != NULL; i++) {
		for (size_t p = 0; p < sizeof packages / sizeof packages[0]; p++)
			walk(conf, packages[p], info);
	}
}

static void read_one(struct bm_conf *conf, struct bm_span text)
{
	struct bm_error err = BM_ERROR_INIT;
	if (bm_conf_read_text(conf, text, "a file", &err) == BM_OK)
		return;
	require(err.code == BM_E_CONF && err.id[0] == 'M');
	for (const char *p = err.text; *p != '\0'; p++)
		require((unsigned char)*p >= 0x20 && *p != 0x7f);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	size_t warned = 0;
	struct bm_conf *conf = NULL;
	struct bm_conf_options options = BM_CONF_OPTIONS_INIT;
	const uint8_t *split = size == 0 ? NULL : memchr(data, 0x1e, size);
	size_t first = split == NULL ? size : (size_t)(split - data);

	options.euid = 7;
	options.warn = ignore;
	options.warn_user = &warned;
	require(bm_conf_new(&conf, &options, NULL) == BM_OK);
	read_one(conf, bm_span_make(data, first));
	if (split != NULL)
		read_one(conf, bm_span_make(split + 1, size - first - 1));
	walk_all(conf);
	bm_conf_free(conf);
	return 0;
}
