/* SPDX-License-Identifier: MIT */
/* Filling a struct bm_error: one line, control octets escaped, cut to fit. */
#ifndef BM_BASE_ERROR_H
#define BM_BASE_ERROR_H

#include "bulkmail/errors.h"

#include <stdbool.h>
#include <stddef.h>

/*
 * Sets code, id ("" for none) and text and zeroes the rest; returns code, so that
 * a function can end with it. err may be NULL.
 */
enum bm_code bm_error_set(struct bm_error *err, enum bm_code code, const char *id, const char *fmt, ...)
	BM_PRINTF(4, 5);

/* The same with the system's errno and its text behind the line. */
enum bm_code bm_error_set_errno(
	struct bm_error *err, enum bm_code code, const char *id, int system_errno, const char *fmt, ...) BM_PRINTF(5, 6);

/* "out of memory"; returns BM_E_NOMEM. */
enum bm_code bm_error_nomem(struct bm_error *err);

#ifdef __clang_analyzer__
/* It does not look into variadic functions; this tells it what they return. */
static inline enum bm_code bm_error_known(enum bm_code returned, enum bm_code code)
{
	(void)returned;
	return code;
}
/* NOLINTBEGIN(readability-identifier-naming) */
#define bm_error_set(err, code, ...) bm_error_known(bm_error_set(err, code, __VA_ARGS__), code)
#define bm_error_set_errno(err, code, ...) bm_error_known(bm_error_set_errno(err, code, __VA_ARGS__), code)
#define bm_error_nomem(err) bm_error_known(bm_error_nomem(err), BM_E_NOMEM)
/* NOLINTEND(readability-identifier-naming) */
#endif

/*
 * Octets from outside (a server, a file) as one printable line in out, which is
 * always NUL-terminated: CR, LF and other controls, DEL and octets that are not
 * valid UTF-8 become \xHH, as does what bm_utf8_hidden has; a backslash becomes \\. Cut when it does not fit.
 */
void bm_escape(char *out, size_t out_size, const void *data, size_t size);

/* True when bm_escape would change nothing of it but backslashes. */
bool bm_is_printable(const void *data, size_t size);

#endif
