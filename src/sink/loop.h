/* SPDX-License-Identifier: MIT */
/* The only sockets, clocks and epoll of the sink. */
#ifndef BM_SINK_LOOP_H
#define BM_SINK_LOOP_H

#include "bulkmail/errors.h"
#include "sink/session.h"

#include <sys/epoll.h>

struct bm_sink_conn;

struct bm_sink_loop {
	struct bm_sink_shared *shared;
	bool discard; /* the plain server for benchmarks */
	bool small;   /* small receive buffers, so that stop_reading is felt soon */
	int epoll_fd;
	int wake_fd; /* eventfd of stop */
	int listen_fd;
	int log_fd; /* -1: no record */
	uint16_t port;
	char *path;                 /* of the Unix socket, NULL: none */
	unsigned char *block;       /* what is read last */
	struct bm_sink_conn *quiet; /* without a deadline */
	struct bm_sink_conn *timed; /* with one */
	uint64_t accept_at;         /* accepting rests until then: no descriptors left */
	bool stopped;
	bool exited;   /* by the script */
	int log_errno; /* the record could not be written */
};

/* Only so that deinit may follow whatever fails. */
void bm_sink_loop_init(struct bm_sink_loop *loop, struct bm_sink_shared *shared);
enum bm_code bm_sink_loop_listen(
	struct bm_sink_loop *loop, const char *host, uint16_t port, struct bm_error *err) BM_MUST_CHECK;
enum bm_code bm_sink_loop_run(struct bm_sink_loop *loop, struct bm_error *err) BM_MUST_CHECK;
void bm_sink_loop_stop(struct bm_sink_loop *loop);

/* Closes all, and writes what is left of the record. The log's descriptor stays open. */
void bm_sink_loop_deinit(struct bm_sink_loop *loop);

#endif
