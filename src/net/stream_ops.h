/* SPDX-License-Identifier: MIT */
/* What the kinds of streams share. */
#ifndef BM_NET_STREAM_OPS_H
#define BM_NET_STREAM_OPS_H

#include "net/stream.h"

/* The system's static text for errno. */
const char *bm_stream_errno_text(int system_errno);

/* A stream over a connected, non-blocking socket, which it takes when it succeeds. */
enum bm_code bm_stream_new_socket(struct bm_stream **out, int fd, struct bm_error *err) BM_MUST_CHECK;

#endif
