/* SPDX-License-Identifier: MIT */
/* One command line taken apart (RFC 5321, 4.1.1 and 4.1.2). Pure: spans into the line, nothing is copied. */
#ifndef BM_SINK_COMMAND_H
#define BM_SINK_COMMAND_H

#include "base/span.h"
#include "sink/script.h"

#include <stdbool.h>
#include <stdint.h>

struct bm_sink_command {
	enum bm_sink_event verb;
	struct bm_span line; /* without its end */
	struct bm_span args; /* behind the verb, without blanks around */
};

struct bm_sink_command bm_sink_command_split(struct bm_span line);

/*
 * The arguments of MAIL (keyword "FROM") and RCPT ("TO"): the path without its angle
 * brackets, and the parameters behind it. False when they are not well-formed.
 */
bool bm_sink_command_path(struct bm_span args, const char *keyword, struct bm_span *path, struct bm_span *params);

/* Takes the next NAME or NAME=VALUE off params; false when there is none. */
bool bm_sink_command_param(struct bm_span *params, struct bm_span *name, struct bm_span *value);

/* Takes the first word off args. */
struct bm_span bm_sink_command_word(struct bm_span *args);

/* The arguments of BDAT. */
bool bm_sink_command_chunk(struct bm_span args, uint64_t *size, bool *last);

#endif
