/* SPDX-License-Identifier: MIT */
/* The loop below its face, for resolving and connecting. */
#ifndef BM_NET_LOOP_UV_H
#define BM_NET_LOOP_UV_H

#include "net/loop.h"

#include <uv.h>

uv_loop_t *bm_loop_uv(struct bm_loop *loop);

/* Closes a handle whose data is allocated memory that holds it, and frees that. */
void bm_loop_release(uv_handle_t *handle);

#endif
