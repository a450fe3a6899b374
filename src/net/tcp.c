/* SPDX-License-Identifier: MIT */
/* Connecting for those who wait: the same connect, on a loop of its own. */
#include "net/connect.h"

#include "base/error.h"

struct wait {
	struct bm_stream *stream;
	struct bm_error err;
	bool over;
};

static void on_end(void *user, struct bm_stream *stream, const struct bm_error *err)
{
	struct wait *wait = user;

	wait->stream = stream;
	wait->err = *err;
	wait->over = true;
}

/* A wake comes before whatever came with it. */
static enum bm_code wait_for(
	struct wait *wait, struct bm_loop *loop, const struct bm_tcp_options *options, struct bm_error *err)
{
	struct bm_connect *connect = NULL;

	enum bm_code code = bm_connect_start(&connect, loop, options, NULL, on_end, wait, err);
	if (code != BM_OK)
		return code;
	while (!wait->over && !bm_loop_woken(loop))
		bm_loop_wait(loop, UINT64_MAX);
	if (bm_loop_woken(loop)) {
		bm_connect_cancel(wait->over ? NULL : connect);
		bm_stream_free(wait->stream);
		wait->stream = NULL;
		return bm_error_set(err, BM_E_STOPPED, "", "%s: stopped while connecting", options->host);
	}
	if (err != NULL)
		*err = wait->err;
	return wait->stream != NULL ? BM_OK : wait->err.code;
}

enum bm_code bm_stream_open_tcp(struct bm_stream **out, const struct bm_tcp_options *options, struct bm_error *err)
{
	struct wait wait = {.err = BM_ERROR_INIT};
	struct bm_error why = BM_ERROR_INIT;
	struct bm_loop *loop = NULL;

	*out = NULL;
	if (bm_loop_new(&loop, options->waker, &why) != BM_OK)
		return bm_error_set_errno(
			err, BM_E_CONNECT, "MBS002", why.system_errno, "%s:%u: no socket", options->host, (unsigned)options->port);
	enum bm_code code = wait_for(&wait, loop, options, err);
	bm_loop_free(loop);
	*out = wait.stream;
	return code;
}
