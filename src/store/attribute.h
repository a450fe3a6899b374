/* SPDX-License-Identifier: MIT */
/*
 * The one table of all attributes: name, package, type, bounds, unit, default, and where its value
 * lives in the options structs. The conf reader, --set, bm_server_set and the man page all come from it.
 */
#ifndef BM_STORE_ATTRIBUTE_H
#define BM_STORE_ATTRIBUTE_H

#include "bulkmail/errors.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum bm_attribute_type {
	BM_ATTRIBUTE_STRING, /* min to max octets of the given shape */
	BM_ATTRIBUTE_NUMBER, /* uint64_t within min and max */
	BM_ATTRIBUTE_BOOL,   /* 0 or 1; uint64_t or bool by its size */
	BM_ATTRIBUTE_CHOICE, /* one of choices, case counts */
	BM_ATTRIBUTE_READ_ONLY,
};

/* What a string may hold. */
enum bm_attribute_shape {
	BM_SHAPE_LINE,   /* anything but control octets (TAB is fine) */
	BM_SHAPE_WORD,   /* no blanks and no control octets */
	BM_SHAPE_TEXT,   /* anything but NUL: the message's text */
	BM_SHAPE_RATE,   /* a rate as bm_rate_parse has it; min and max are of its number */
	BM_SHAPE_NOTIFY, /* as bm_notify_parse has it */
};

/* Where an attribute belongs. */
enum bm_attribute_owner {
	BM_OWNER_SERVER,   /* Mail::Bulkmail::Server and DummyServer */
	BM_OWNER_CAMPAIGN, /* Mail::Bulkmail */
};

#define BM_ATTRIBUTE_NO_FIELD SIZE_MAX

struct bm_attribute_info {
	const char *name; /* the conf-file spelling */
	enum bm_attribute_owner owner;
	enum bm_attribute_type type;
	uint64_t min;
	uint64_t max;
	const char *const *choices; /* NULL-terminated; CHOICE only */
	bool several;               /* takes several values (Trusting, tls_pin) */
	size_t offset;              /* in struct bm_server_options; BM_ATTRIBUTE_NO_FIELD for campaign attributes */
	const char *unit;           /* "seconds", "recipients", "" */
	const char *initial;        /* the default as people read it, "" for unset */
	const char *later;          /* not NULL: what this version cannot do with it yet, as the error says it */
	const char *const *now;     /* with later: the values that work all the same, NULL-terminated; NULL: none */
	enum bm_attribute_shape shape;
};

/* By exact name within an owner; NULL when there is none. "precedence" (any case) and "max_message_per_robin" are found
 * under their true names. */
const struct bm_attribute_info *bm_attribute_find(enum bm_attribute_owner owner, const char *name);

/* The whole table, for the man page and tests; NULL beyond the last. */
const struct bm_attribute_info *bm_attribute_at(size_t index);

/* Where it stands in the table, and how many there are. */
size_t bm_attribute_index(const struct bm_attribute_info *info);
size_t bm_attribute_count(void);

/* The known name of that owner that is nearest to name (edit distance); NULL when none is near. */
const char *bm_attribute_nearest(enum bm_attribute_owner owner, const char *name);

/*
 * Type, bounds and whether this version can honour it. BM_OK, or code BM_E_CONF with a text that says what was
 * found and what was expected ("Port: found "twentyfive", expected a number from 1 to 65535"); no id.
 */
enum bm_code bm_attribute_check(
	const struct bm_attribute_info *info, const char *value, struct bm_error *err) BM_MUST_CHECK;

/* The same check, only the reason, for texts that name the place themselves: true when value is fine. */
bool bm_attribute_explain(const struct bm_attribute_info *info, const char *value, char *out, size_t out_size);

/* What its values are, in words: "a number from 1 to 65535". The errors and the man page say it alike. */
void bm_attribute_expected(const struct bm_attribute_info *info, char *out, size_t out_size);

struct bm_server_options;

/*
 * Parses value into the field of a struct whose strings are owned (allocated); the old string is freed. value NULL sets
 * the default. Checked first as above; an attribute without a field is BM_E_CONF. After an error the field is as it
 * was.
 */
enum bm_code bm_attribute_store(const struct bm_attribute_info *info, const char *value,
	struct bm_server_options *options, struct bm_error *err) BM_MUST_CHECK;

/*
 * Copies all of from into *out, strings allocated; fields that from->size does not reach get their defaults. After an
 * error *out owns nothing. BM_E_USAGE when from->size is 0.
 */
enum bm_code bm_server_options_copy(
	struct bm_server_options *out, const struct bm_server_options *from, struct bm_error *err) BM_MUST_CHECK;

/* Frees the owned strings. */
void bm_server_options_deinit(struct bm_server_options *options);

#endif
