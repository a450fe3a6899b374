/* SPDX-License-Identifier: MIT */
/*
 * Attributes in a struct bm_server_options whose strings are owned. The table says where each field is and what
 * it holds: strings and choices are char pointers, numbers and booleans uint64_t.
 */
#include "base/error.h"
#include "base/number.h"
#include "base/span.h"
#include "bulkmail/server.h"
#include "store/attribute.h"

#include <stdlib.h>
#include <string.h>

static bool has_field(const struct bm_attribute_info *info)
{
	return info->offset != BM_ATTRIBUTE_NO_FIELD;
}

static bool holds_string(const struct bm_attribute_info *info)
{
	return info->type == BM_ATTRIBUTE_STRING || info->type == BM_ATTRIBUTE_CHOICE;
}

static char **string_field(const struct bm_attribute_info *info, struct bm_server_options *options)
{
	return (char **)(void *)((char *)options + info->offset);
}

static uint64_t *number_field(const struct bm_attribute_info *info, struct bm_server_options *options)
{
	return (uint64_t *)(void *)((char *)options + info->offset);
}

static enum bm_code store_string(char **field, const char *value, struct bm_error *err)
{
	char *copy = NULL;
	if (value != NULL) {
		copy = strdup(value);
		if (copy == NULL)
			return bm_error_nomem(err);
	}
	free(*field);
	*field = copy;
	return BM_OK;
}

enum bm_code bm_attribute_store(
	const struct bm_attribute_info *info, const char *value, struct bm_server_options *options, struct bm_error *err)
{
	struct bm_server_options defaults = BM_SERVER_OPTIONS_INIT;

	enum bm_code code = bm_attribute_check(info, value, err);
	if (code != BM_OK)
		return code;
	if (!has_field(info))
		return bm_error_set(err, BM_E_CONF, "", "%s: is no attribute of a single server", info->name);
	if (holds_string(info))
		return store_string(string_field(info, options), value, err);
	uint64_t number = *number_field(info, &defaults);
	if (value != NULL && !bm_number_parse(bm_span_of(value), &number))
		return bm_error_set(err, BM_E_CONF, "", "%s: expected a number", info->name);
	*number_field(info, options) = number;
	return BM_OK;
}

/* Replaces every borrowed string by a copy; what could not be copied is NULL. */
static bool own_strings(struct bm_server_options *options)
{
	bool complete = true;
	const struct bm_attribute_info *info;

	for (size_t i = 0; (info = bm_attribute_at(i)) != NULL; i++) {
		if (!has_field(info) || !holds_string(info))
			continue;
		char **field = string_field(info, options);
		if (*field == NULL)
			continue;
		*field = strdup(*field);
		complete = complete && *field != NULL;
	}
	return complete;
}

enum bm_code bm_server_options_copy(
	struct bm_server_options *out, const struct bm_server_options *from, struct bm_error *err)
{
	struct bm_server_options defaults = BM_SERVER_OPTIONS_INIT;

	*out = defaults;
	if (from->size == 0)
		return bm_error_set(err, BM_E_USAGE, "", "bm_server_options: size is not set");
	memcpy(out, from, from->size < sizeof *out ? from->size : sizeof *out);
	out->size = sizeof *out;
	if (own_strings(out))
		return BM_OK;
	bm_server_options_deinit(out);
	return bm_error_nomem(err);
}

void bm_server_options_deinit(struct bm_server_options *options)
{
	const struct bm_attribute_info *info;

	for (size_t i = 0; (info = bm_attribute_at(i)) != NULL; i++) {
		if (!has_field(info) || !holds_string(info))
			continue;
		char **field = string_field(info, options);
		free(*field);
		*field = NULL;
	}
}
