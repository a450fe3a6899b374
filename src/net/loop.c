/* SPDX-License-Identifier: MIT */
/*
 * libuv tells when descriptors are ready; reading and writing are the streams' own, so that a message costs no
 * system call but these. Only what is blocked asks for writability. Reading is level-triggered: a read that does
 * not fill the buffer has drained the socket.
 */
#include "net/loop_uv.h"

#include "base/error.h"
#include "net/clock.h"
#include "net/tls.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <unistd.h>

#define READ_SIZE 16384
#define SPAN_COUNT 64
/* Deadlines are looked at no more often. */
#define SCAN_MS 100

static const char closed_by_peer[] = "the server closed the connection";
static const char broken[] = "the connection broke";
static const char spoke_too_soon[] = "the server went on talking where the TLS handshake was to begin";

/* Links that have something to be done; a link is in each once. */
enum chain { CHAIN_READY, CHAIN_TOUCHED, CHAIN_DIRTY, CHAINS };

struct link {
	struct bm_link base;
	struct bm_loop *loop;
	struct bm_stream *stream;
	uv_poll_t poll;
	int asked; /* what poll waits for; 0: nothing */
	bool pollable;
	bool failed;      /* the descriptor reported an error: what is left to read is read now */
	bool stirred;     /* by the caller, who may have caused events without a word to say */
	struct link **at; /* what points to it in the list of all */
	struct link *after;
	struct link *next[CHAINS];
	bool in[CHAINS];
	unsigned reads;
	uint64_t since_us; /* a reply is awaited since then; 0: none */
	bool sample;       /* nothing was awaited when it was asked for */
	uint64_t round_trip_us;
};

struct bm_loop {
	uv_loop_t uv;
	uv_timer_t timer;
	struct bm_waker *waker;
	uv_poll_t waker_poll;
	bool woken;
	int watch_fd; /* an epoll instance that holds what is watched, whose flags libuv would change; -1: not made */
	int watched;  /* -1: nothing */
	uv_poll_t watch_poll;
	struct link *links;
	struct link *first[CHAINS];
	struct link *last[CHAINS];
	uint64_t now_us;
	uint64_t slept_us;
	uint64_t scan_ms; /* when deadlines are looked at */
	unsigned char data[READ_SIZE];
};

static struct link *link_of(struct bm_link *link)
{
	return (struct link *)link;
}

static void chain_add(struct link *link, enum chain chain)
{
	struct bm_loop *loop = link->loop;

	if (link->in[chain])
		return;
	link->in[chain] = true;
	link->next[chain] = NULL;
	if (loop->first[chain] == NULL)
		loop->first[chain] = link;
	else
		loop->last[chain]->next[chain] = link;
	loop->last[chain] = link;
}

static struct link *chain_take(struct bm_loop *loop, enum chain chain)
{
	struct link *link = loop->first[chain];

	if (link == NULL)
		return NULL;
	loop->first[chain] = link->next[chain];
	link->in[chain] = false;
	return link;
}

static void chain_drop(struct link *link, enum chain chain)
{
	struct bm_loop *loop = link->loop;
	struct link *before = NULL;

	if (!link->in[chain])
		return;
	for (struct link *l = loop->first[chain]; l != link; l = l->next[chain])
		before = l;
	if (before == NULL)
		loop->first[chain] = link->next[chain];
	else
		before->next[chain] = link->next[chain];
	if (loop->last[chain] == link)
		loop->last[chain] = before;
	link->in[chain] = false;
}

static void free_holder(uv_handle_t *handle)
{
	free(handle->data);
}

void bm_loop_release(uv_handle_t *handle)
{
	uv_close(handle, free_holder);
}

uv_loop_t *bm_loop_uv(struct bm_loop *loop)
{
	return &loop->uv;
}

static void on_time(uv_timer_t *timer)
{
	(void)timer; /* that the wait ends is all */
}

static void on_wake(uv_poll_t *poll, int status, int events)
{
	struct bm_loop *loop = poll->data;

	(void)status;
	(void)events;
	/* readable until it is cleared, which is for the next wait */
	loop->woken = true;
	uv_poll_stop(poll);
}

static void on_watched(uv_poll_t *poll, int status, int events)
{
	struct bm_loop *loop = poll->data;

	(void)status;
	(void)events;
	(void)epoll_ctl(loop->watch_fd, EPOLL_CTL_DEL, loop->watched, NULL);
	loop->watched = -1;
	uv_poll_stop(poll);
}

static void take_time(struct bm_loop *loop)
{
	loop->now_us = bm_clock_monotonic_us();
}

static enum bm_code init_waker(struct bm_loop *loop, struct bm_error *err)
{
	if (loop->waker == NULL)
		return BM_OK;
	int failed = uv_poll_init(&loop->uv, &loop->waker_poll, bm_waker_fd(loop->waker));
	if (failed == 0) {
		loop->waker_poll.data = loop;
		failed = uv_poll_start(&loop->waker_poll, UV_READABLE, on_wake);
	}
	return failed == 0 ? BM_OK : bm_error_set_errno(err, BM_E_IO, "", -failed, "no loop to wait in");
}

/* libuv's first loop of a process aborts it when there is no pipe to be had. */
static int probe_pipe(void)
{
	int fds[2];

	if (pipe2(fds, O_CLOEXEC) != 0)
		return -errno;
	close(fds[0]);
	close(fds[1]);
	return 0;
}

enum bm_code bm_loop_new(struct bm_loop **out, struct bm_waker *waker, struct bm_error *err)
{
	*out = NULL;
	struct bm_loop *loop = calloc(1, sizeof *loop);
	if (loop == NULL)
		return bm_error_nomem(err);
	loop->waker = waker;
	loop->watch_fd = -1;
	loop->watched = -1;
	loop->scan_ms = UINT64_MAX;
	int failed = probe_pipe();
	if (failed == 0)
		failed = uv_loop_init(&loop->uv);
	if (failed != 0) {
		free(loop);
		return bm_error_set_errno(err, BM_E_IO, "", -failed, "no loop to wait in");
	}
	uv_timer_init(&loop->uv, &loop->timer);
	take_time(loop);
	loop->slept_us = loop->now_us;
	enum bm_code code = init_waker(loop, err);
	if (code != BM_OK) {
		bm_loop_free(loop);
		return code;
	}
	*out = loop;
	return BM_OK;
}

static void close_rest(uv_handle_t *handle, void *user)
{
	(void)user;
	if (!uv_is_closing(handle))
		uv_close(handle, NULL);
}

void bm_loop_free(struct bm_loop *loop)
{
	if (loop == NULL)
		return;
	for (struct link *link = loop->links, *after = NULL; link != NULL; link = after) {
		after = link->after;
		bm_link_free(&link->base);
	}
	uv_walk(&loop->uv, close_rest, NULL);
	uv_run(&loop->uv, UV_RUN_DEFAULT);
	uv_loop_close(&loop->uv);
	if (loop->watch_fd >= 0)
		close(loop->watch_fd);
	free(loop);
}

uint64_t bm_loop_now_us(const struct bm_loop *loop)
{
	return loop->now_us;
}

uint64_t bm_loop_now_ms(const struct bm_loop *loop)
{
	return loop->now_us / 1000;
}

uint64_t bm_loop_slept_us(const struct bm_loop *loop)
{
	return loop->slept_us;
}

bool bm_loop_woken(const struct bm_loop *loop)
{
	return loop->woken;
}

static bool init_watch(struct bm_loop *loop)
{
	if (loop->watch_fd >= 0)
		return true;
	int fd = epoll_create1(EPOLL_CLOEXEC);
	if (fd < 0)
		return false;
	if (uv_poll_init(&loop->uv, &loop->watch_poll, fd) != 0) {
		close(fd);
		return false;
	}
	loop->watch_poll.data = loop;
	loop->watch_fd = fd;
	return true;
}

bool bm_loop_watch(struct bm_loop *loop, int fd)
{
	struct epoll_event event = {.events = EPOLLIN};

	if (loop->watched == fd)
		return true;
	if (loop->watched >= 0 || !init_watch(loop) || epoll_ctl(loop->watch_fd, EPOLL_CTL_ADD, fd, &event) != 0)
		return false;
	if (uv_poll_start(&loop->watch_poll, UV_READABLE, on_watched) != 0) {
		(void)epoll_ctl(loop->watch_fd, EPOLL_CTL_DEL, fd, NULL);
		return false;
	}
	loop->watched = fd;
	return true;
}

static void on_ready(uv_poll_t *poll, int status, int events)
{
	struct link *link = poll->data;

	if (status < 0) {
		/* libuv has stopped it: a reset, or the like */
		link->failed = true;
		link->asked = 0;
	}
	if (status < 0 || (events & UV_READABLE) != 0)
		chain_add(link, CHAIN_READY);
	if ((events & UV_WRITABLE) != 0)
		chain_add(link, CHAIN_DIRTY);
}

/* False when the system has no memory for it. */
static bool ask(struct link *link, int events)
{
	if (!link->pollable || link->failed || link->asked == events)
		return true;
	link->asked = events;
	return uv_poll_start(&link->poll, events, on_ready) == 0;
}

static void ask_nothing(struct link *link)
{
	if (link->asked != 0)
		uv_poll_stop(&link->poll);
	link->asked = 0;
}

/* Its deadline may be another now. */
static void look_at_deadline_soon(struct bm_loop *loop)
{
	uint64_t soon = bm_loop_now_ms(loop) + SCAN_MS;

	if (loop->scan_ms > soon)
		loop->scan_ms = soon;
}

static void stir(struct link *link)
{
	chain_add(link, CHAIN_DIRTY);
	look_at_deadline_soon(link->loop);
}

const struct bm_stream *bm_link_stream(const struct bm_link *link)
{
	return ((const struct link *)link)->stream;
}

void bm_link_stir(struct bm_link *link)
{
	link_of(link)->stirred = true;
	stir(link_of(link));
}

enum bm_code bm_link_new(struct bm_link **out, struct bm_loop *loop, struct bm_smtp *smtp, struct bm_stream *stream,
	void *user, struct bm_error *err)
{
	int fd = bm_stream_fd(stream);

	*out = NULL;
	struct link *link = calloc(1, sizeof *link);
	if (link == NULL || (fd >= 0 && uv_poll_init(&loop->uv, &link->poll, fd) != 0)) {
		free(link);
		bm_smtp_free(smtp);
		bm_stream_free(stream);
		return bm_error_nomem(err);
	}
	link->base = (struct bm_link){smtp, user};
	link->loop = loop;
	link->stream = stream;
	link->pollable = fd >= 0;
	link->poll.data = link;
	link->since_us = loop->now_us;
	link->after = loop->links;
	link->at = &loop->links;
	if (loop->links != NULL)
		loop->links->at = &link->after;
	loop->links = link;
	if (!link->pollable || !ask(link, UV_READABLE))
		chain_add(link, CHAIN_READY);
	bm_link_stir(&link->base);
	*out = &link->base;
	return BM_OK;
}

void bm_link_free(struct bm_link *link)
{
	if (link == NULL)
		return;
	struct link *own = link_of(link);
	for (enum chain chain = 0; chain < CHAINS; chain++)
		chain_drop(own, chain);
	*own->at = own->after;
	if (own->after != NULL)
		own->after->at = own->at;
	bm_smtp_free(link->smtp);
	/* the handle goes before its descriptor */
	if (own->pollable)
		bm_loop_release((uv_handle_t *)&own->poll);
	bm_stream_free(own->stream);
	if (!own->pollable)
		free(own);
}

bool bm_link_awaiting(const struct bm_link *link, uint64_t *since_us, uint64_t *round_trip_us)
{
	const struct link *own = (const struct link *)link;

	*since_us = own->since_us;
	*round_trip_us = own->round_trip_us;
	return own->since_us != 0;
}

/* Octets came: what a reply took is known when nothing else had been awaited. */
static void note_read(struct link *link)
{
	uint64_t now_us = link->loop->now_us;
	uint64_t took_us = now_us > link->since_us ? now_us - link->since_us : 0;

	link->reads++;
	if (link->since_us != 0 && link->sample && (link->round_trip_us == 0 || took_us < link->round_trip_us))
		link->round_trip_us = took_us > 0 ? took_us : 1;
	link->since_us = bm_smtp_idle(link->base.smtp) ? 0 : now_us;
	link->sample = false;
}

/* All that was to be said has left. The first two replies, to nothing and to EHLO, are awaited alone. */
static void note_flushed(struct link *link, uint64_t now_us)
{
	if (link->since_us != 0 && link->reads != 1)
		return;
	link->since_us = now_us;
	link->sample = true;
}

static void lose(struct link *link, const char *reason)
{
	bm_smtp_lost(link->base.smtp, reason, bm_loop_now_ms(link->loop));
	ask_nothing(link);
	chain_add(link, CHAIN_TOUCHED);
}

/* The round trip is measured anew, as behind the greeting or before it. */
static void end_handshake(struct link *link)
{
	link->reads = link->reads > 0;
	link->since_us = link->loop->now_us;
	link->sample = false;
	bm_smtp_secured(link->base.smtp, bm_tls_channel(link->stream), bm_loop_now_ms(link->loop));
	/* the peer may have gone on talking behind it */
	chain_add(link, CHAIN_READY);
	chain_add(link, CHAIN_TOUCHED);
	stir(link);
}

static void shake(struct link *link)
{
	bool want_write = false;

	switch (bm_stream_handshake(link->stream, &want_write)) {
	case BM_STREAM_OK:
		end_handshake(link);
		return;
	case BM_STREAM_AGAIN:
		if (link->failed)
			lose(link, broken);
		else if (!link->pollable || !ask(link, want_write ? UV_READABLE | UV_WRITABLE : UV_READABLE))
			chain_add(link, CHAIN_READY);
		return;
	case BM_STREAM_END:
	case BM_STREAM_BROKEN:
		lose(link, bm_stream_reason(link->stream));
		return;
	}
}

void bm_link_secure(struct bm_link *link, struct bm_tls *tls)
{
	struct link *own = link_of(link);
	struct bm_stream *secured = NULL;

	enum bm_code code = bm_tls_wrap(&secured, tls, own->stream, NULL);
	if (code != BM_OK) {
		lose(own, code == BM_E_PROTOCOL ? spoke_too_soon : "no memory for TLS");
		return;
	}
	own->stream = secured;
	stir(own);
}

/* Reads once; true when there may be more. */
static bool read_some(struct link *link)
{
	struct bm_loop *loop = link->loop;
	size_t done = 0;

	if (link->stream->handshaking) {
		shake(link);
		return false;
	}
	size_t room = bm_smtp_reply_room(link->base.smtp);
	size_t size = room < READ_SIZE ? room : READ_SIZE;
	switch (bm_stream_read(link->stream, loop->data, size, &done)) {
	case BM_STREAM_OK:
		bm_smtp_feed(link->base.smtp, loop->data, done, bm_loop_now_ms(loop));
		note_read(link);
		chain_add(link, CHAIN_TOUCHED);
		stir(link);
		return done == size || link->failed;
	case BM_STREAM_AGAIN:
		if (link->failed)
			lose(link, broken);
		return false;
	case BM_STREAM_END:
		lose(link, closed_by_peer);
		return false;
	case BM_STREAM_BROKEN:
		lose(link, bm_stream_reason(link->stream));
		return false;
	}
	return false;
}

static void read_ready(struct bm_loop *loop)
{
	struct link *end = loop->last[CHAIN_READY];
	struct link *link = NULL;

	while (link != end && (link = chain_take(loop, CHAIN_READY)) != NULL) {
		bool more = read_some(link);
		/* a descriptor that works tells of the rest by itself, but not of what the stream holds */
		if (link->stream->pending || (more && (!link->pollable || link->failed)))
			chain_add(link, CHAIN_READY);
	}
}

/* Tells machines whose time is up, and when to look next. */
static void heed_deadlines(struct bm_loop *loop)
{
	uint64_t now_ms = bm_loop_now_ms(loop);

	if (now_ms < loop->scan_ms)
		return;
	loop->scan_ms = UINT64_MAX;
	for (struct link *link = loop->links; link != NULL; link = link->after) {
		uint64_t deadline = bm_smtp_deadline(link->base.smtp);
		if (deadline <= now_ms) {
			bm_smtp_tick(link->base.smtp, now_ms);
			chain_add(link, CHAIN_TOUCHED);
			chain_add(link, CHAIN_DIRTY);
			deadline = now_ms + SCAN_MS;
		}
		if (deadline < loop->scan_ms)
			loop->scan_ms = deadline;
	}
}

static void start_waker(struct bm_loop *loop)
{
	if (!loop->woken)
		return;
	loop->woken = false;
	bm_waker_clear(loop->waker);
	(void)uv_poll_start(&loop->waker_poll, UV_READABLE, on_wake); /* it was started before: it cannot fail */
}

static bool must_not_wait(const struct bm_loop *loop, uint64_t until_ms)
{
	return loop->first[CHAIN_READY] != NULL || loop->first[CHAIN_TOUCHED] != NULL || until_ms <= bm_loop_now_ms(loop);
}

void bm_loop_wait(struct bm_loop *loop, uint64_t until_ms)
{
	start_waker(loop);
	take_time(loop);
	loop->slept_us = loop->now_us;
	if (until_ms > loop->scan_ms)
		until_ms = loop->scan_ms;
	if (must_not_wait(loop, until_ms)) {
		uv_run(&loop->uv, UV_RUN_NOWAIT);
	} else {
		/* libuv's clock is this one, read a little earlier: the end of the wait is the same */
		if (until_ms != UINT64_MAX)
			uv_timer_start(&loop->timer, on_time, until_ms - uv_now(&loop->uv), 0);
		uv_run(&loop->uv, UV_RUN_ONCE);
		uv_timer_stop(&loop->timer);
	}
	take_time(loop);
	read_ready(loop);
	heed_deadlines(loop);
}

struct bm_link *bm_loop_next_touched(struct bm_loop *loop)
{
	struct link *link = chain_take(loop, CHAIN_TOUCHED);
	return link == NULL ? NULL : &link->base;
}

/* What the peer said before it went still counts. */
static void lose_writing(struct link *link, const char *reason)
{
	ask_nothing(link);
	link->failed = true;
	while (bm_smtp_deadline(link->base.smtp) != BM_SMTP_NEVER && read_some(link))
		continue;
	lose(link, reason);
}

enum written { WRITTEN_NOTHING, WRITTEN_ALL, WRITTEN_PART, WRITTEN_BROKEN };

/* One write of what there is. */
static enum written write_some(struct link *link)
{
	struct bm_span spans[SPAN_COUNT];
	size_t count = bm_smtp_output(link->base.smtp, spans, SPAN_COUNT);
	size_t size = 0;
	size_t done = 0;

	if (count == 0)
		return WRITTEN_NOTHING;
	for (size_t i = 0; i < count; i++)
		size += spans[i].size;
	switch (bm_stream_write(link->stream, spans, count, &done)) {
	case BM_STREAM_OK:
		bm_smtp_sent(link->base.smtp, done, bm_loop_now_ms(link->loop));
		return done < size ? WRITTEN_PART : WRITTEN_ALL;
	case BM_STREAM_AGAIN:
		return WRITTEN_PART;
	case BM_STREAM_END:
		lose_writing(link, closed_by_peer);
		return WRITTEN_BROKEN;
	case BM_STREAM_BROKEN:
		lose_writing(link, bm_stream_reason(link->stream));
		return WRITTEN_BROKEN;
	}
	return WRITTEN_BROKEN;
}

static void write_link(struct link *link, uint64_t now_us)
{
	if (link->stream->handshaking) {
		shake(link);
		return;
	}
	enum written written = write_some(link);
	bool any = written != WRITTEN_NOTHING;
	bool stirred = link->stirred;

	link->stirred = false;
	while (written == WRITTEN_ALL)
		written = write_some(link);
	if (any && !link->pollable)
		chain_add(link, CHAIN_READY);
	if (written == WRITTEN_BROKEN)
		return;
	if (written == WRITTEN_PART) {
		if (link->pollable && ask(link, UV_READABLE | UV_WRITABLE))
			return;
		chain_add(link, CHAIN_DIRTY); /* it is tried again in the next round */
		return;
	}
	if (any)
		note_flushed(link, now_us);
	else if (stirred)
		chain_add(link, CHAIN_TOUCHED);
	if (link->asked != 0)
		ask(link, UV_READABLE);
}

void bm_loop_write(struct bm_loop *loop)
{
	struct link *end = loop->last[CHAIN_DIRTY];
	struct link *link = NULL;

	if (loop->first[CHAIN_DIRTY] == NULL)
		return;
	uint64_t now_us = bm_clock_monotonic_us();
	while (link != end && (link = chain_take(loop, CHAIN_DIRTY)) != NULL)
		write_link(link, now_us);
}
