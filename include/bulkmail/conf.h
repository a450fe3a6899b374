/* SPDX-License-Identifier: MIT */
/*
 * Conf files, by the grammar of Mail::Bulkmail::Object: `define package NAME`,
 * `name = value`, `name @= value`, `uid:name = value`, comments, undef, and
 * backslash escapes that are never evaluated. The names, types and bounds of all
 * attributes are in bulkmail.conf(5).
 */
#ifndef BULKMAIL_CONF_H
#define BULKMAIL_CONF_H

#include "bulkmail/errors.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* The packages' names. Object is the parent of Mail::Bulkmail and of Server, Server that of DummyServer. */
#define BM_PACKAGE_OBJECT "Mail::Bulkmail::Object"
#define BM_PACKAGE_CAMPAIGN "Mail::Bulkmail"
#define BM_PACKAGE_SERVER "Mail::Bulkmail::Server"
#define BM_PACKAGE_DUMMY "Mail::Bulkmail::DummyServer"

struct bm_conf;

/* Gets one line of text: a spelling that is still taken, a package that is left alone. */
typedef void bm_warn_fn(void *user, const char *text);

struct bm_conf_options {
	size_t size;      /* sizeof this struct */
	uint32_t euid;    /* the effective user id that `uid:name` lines are compared with */
	bm_warn_fn *warn; /* NULL: warnings are dropped */
	void *warn_user;
};

#define BM_CONF_OPTIONS_INIT                                                                                           \
	{                                                                                                                  \
		sizeof(struct bm_conf_options), 0, NULL, NULL                                                                  \
	}

/* One value as it stands in a file; text is NULL for undef. Owned by the conf. */
struct bm_conf_value {
	const char *text;
	const char *file; /* "--set" and the like for values set by a caller */
	size_t line;      /* 1-based; 0 when there is no file */
	bool appended;    /* by @= */
};

/* The caller frees *out. */
BM_API enum bm_code bm_conf_new(
	struct bm_conf **out, const struct bm_conf_options *options, struct bm_error *err) BM_MUST_CHECK;

/*
 * Reads one more file; of several files the first read is the most significant. A
 * missing file is BM_E_MISSING when required, else nothing. A line that does not
 * parse, an unknown attribute, a value of the wrong type or out of bounds: BM_E_CONF,
 * MBO002, with file, line, what was found and what was expected.
 */
BM_API enum bm_code bm_conf_read(
	struct bm_conf *conf, const char *path, bool required, struct bm_error *err) BM_MUST_CHECK;

/*
 * Sets an attribute over every file, as `--set NAME=VALUE` does; package NULL means
 * the one that knows the name. where is what errors call the place ("--set"). The
 * same checks as for a file; a value that is given again replaces, but for the
 * attributes that take several values, where it adds.
 */
BM_API enum bm_code bm_conf_set(struct bm_conf *conf, const char *package, const char *name, const char *value,
	const char *where, struct bm_error *err) BM_MUST_CHECK;

/* How many values the attribute has in package or its nearest ancestor that sets it; 0 when none does. */
BM_API size_t bm_conf_count(const struct bm_conf *conf, const char *package, const char *name);

/* The value at index of those; NULL beyond the last. */
BM_API const struct bm_conf_value *bm_conf_get(
	const struct bm_conf *conf, const char *package, const char *name, size_t index);

/* The text of the last of those values; NULL when unset or undef. */
BM_API const char *bm_conf_text(const struct bm_conf *conf, const char *package, const char *name);

/* The options it was made with. */
BM_API struct bm_conf_options bm_conf_options_of(const struct bm_conf *conf);

BM_API void bm_conf_free(struct bm_conf *conf);

#ifdef __cplusplus
}
#endif

#endif
