/* SPDX-License-Identifier: MIT */
/* One session of the sink, what it says and what it records. */
#ifndef BM_TESTS_SINK_FIXTURE_H
#define BM_TESTS_SINK_FIXTURE_H

#include "../unit.h"
#include "sink/session.h"

#include <jansson.h>
#include <string.h>

struct fixture {
	struct bm_sink_shared shared;
	struct bm_sink_session *session;
	char said[8192];
};

static inline void begin_with(struct fixture *f, const char *script, const char *extensions)
{
	struct bm_error err = BM_ERROR_INIT;
	memset(f, 0, sizeof *f);
	assert_int_equal(bm_sink_shared_init(&f->shared, extensions, true, &err), BM_OK);
	f->shared.content = true;
	f->shared.now_ms = 1000;
	if (bm_sink_script_parse(&f->shared.script, "s", bm_span_of(script), &err) != BM_OK)
		fail_msg("%s", err.text);
	f->session = bm_sink_session_new(&f->shared, 1);
	assert_non_null(f->session);
}

static inline void begin(struct fixture *f, const char *script)
{
	begin_with(f, script, NULL);
}

static inline void finish(struct fixture *f)
{
	bm_sink_session_free(f->session);
	bm_sink_shared_deinit(&f->shared);
}

/* What it says now. */
static inline const char *said(struct fixture *f)
{
	struct bm_buf *out = bm_sink_session_output(f->session);
	assert_true(out->size < sizeof f->said);
	if (out->size > 0)
		memcpy(f->said, out->data, out->size);
	f->said[out->size] = '\0';
	bm_buf_clear(out);
	return f->said;
}

static inline const char *talk(struct fixture *f, const char *text)
{
	assert_int_equal(bm_sink_session_feed(f->session, text, strlen(text)), BM_OK);
	return said(f);
}

static inline const char *wait_ms(struct fixture *f, uint64_t ms)
{
	f->shared.now_ms += ms;
	bm_sink_session_tick(f->session);
	return said(f);
}

/* The codes of the replies: "250 250 354". */
static inline const char *codes(struct fixture *f, const char *text)
{
	char *to = f->said;
	const char *line = talk(f, text);
	while (*line != '\0') {
		bool last = line[3] != '-';
		if (last) {
			memmove(to, line, 3);
			to += 3;
		}
		line = strchr(line, '\n') + 1;
		if (last && *line != '\0')
			*to++ = ' ';
	}
	*to = '\0';
	return f->said;
}

/* The record's line at index, which the caller frees. */
static inline json_t *record(struct fixture *f, size_t index)
{
	const struct bm_buf *log = &f->shared.log;
	const char *line = (const char *)log->data;
	const char *end = line + log->size;
	for (;;) {
		const char *lf = line == NULL ? NULL : memchr(line, '\n', (size_t)(end - line));
		assert_non_null(lf);
		if (index-- == 0) {
			json_t *object = json_loadb(line, (size_t)(lf - line), 0, NULL);
			assert_non_null(object);
			return object;
		}
		line = lf + 1;
	}
}

static inline void expect_text(json_t *object, const char *key, const char *expected)
{
	assert_string_equal(json_string_value(json_object_get(object, key)), expected);
}

static inline void expect_violation(struct fixture *f, const char *name)
{
	json_t *line = record(f, 0);
	expect_text(line, "violation", name);
	json_decref(line);
	assert_int_equal(f->shared.counters.violations, 1);
}

#define HELLO "EHLO c.example\r\n"
#define ENVELOPE "MAIL FROM:<a@x>\r\nRCPT TO:<b@y>\r\nDATA\r\n"

static inline void greet(struct fixture *f)
{
	bm_sink_session_tick(f->session);
	assert_memory_equal(said(f), "220 ", 4);
	assert_string_equal(codes(f, HELLO), "250");
}

#endif
