/* SPDX-License-Identifier: MIT */
/*
 * The server for benchmarks: finds the ends of commands and contents, answers all of
 * them positively, checks and keeps nothing. It works on the caller's octets; only a
 * command that is cut in two is copied.
 */
#ifndef BM_SINK_DISCARD_H
#define BM_SINK_DISCARD_H

#include "sink/session.h"

enum bm_sink_discard_state {
	BM_SINK_D_COMMAND,
	BM_SINK_D_CONTENT,
	BM_SINK_D_CHUNK,
};

struct bm_sink_discard {
	enum bm_sink_discard_state state;
	unsigned matched; /* octets of CRLF "." CRLF seen */
	bool last;        /* the chunk is the last one */
	bool quit;
	bool broken; /* no memory */
	uint64_t chunk_left;
	uint64_t recipients; /* of the transaction */
	struct bm_buf part;  /* of a command */
	struct bm_buf out;
};

/* The greeting is the first output. */
void bm_sink_discard_init(struct bm_sink_discard *discard);
void bm_sink_discard_deinit(struct bm_sink_discard *discard);

void bm_sink_discard_feed(struct bm_sink_discard *discard, struct bm_sink_shared *shared, struct bm_span data);

#endif
