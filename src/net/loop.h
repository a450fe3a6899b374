/* SPDX-License-Identifier: MIT */
/*
 * The event-loop driver: runs many machines, each over its stream, in rounds. It holds no protocol knowledge. A round:
 *
 *     bm_loop_wait          waits for octets, reads what is there and feeds it
 *     bm_loop_next_touched  the caller fetches the events of each link that may have some, and acts on them
 *     bm_loop_write         writes what the machines have to say, while the peers take it
 *
 * Between rounds nothing is read and nothing leaves. A stream without a descriptor can always be read and written.
 */
#ifndef BM_NET_LOOP_H
#define BM_NET_LOOP_H

#include "bulkmail/errors.h"
#include "net/stream.h"
#include "net/waker.h"
#include "smtp/smtp.h"

#include <stdbool.h>
#include <stdint.h>

struct bm_loop;
struct bm_tls;

/* One connection. smtp is for its verbs; after one that may have octets to say or events: bm_link_stir. */
struct bm_link {
	struct bm_smtp *smtp;
	void *user; /* the caller's */
};

/* waker is borrowed and may be NULL: its wakes end waits. The caller frees *out. */
enum bm_code bm_loop_new(struct bm_loop **out, struct bm_waker *waker, struct bm_error *err) BM_MUST_CHECK;

/* Frees the links that are left. Connects that are under way must be cancelled before. NULL is fine. */
void bm_loop_free(struct bm_loop *loop);

/* The time at the end of the last wait (monotonic), and what it was at its beginning. */
uint64_t bm_loop_now_us(const struct bm_loop *loop);
uint64_t bm_loop_now_ms(const struct bm_loop *loop);
uint64_t bm_loop_slept_us(const struct bm_loop *loop);

/*
 * Waits until something can be done, the waker woke or until_ms (monotonic; UINT64_MAX: no end), then reads once from
 * each stream that has octets and tells machines whose time is up, up to a tenth of a second late. Links that are
 * still touched keep it from waiting.
 */
void bm_loop_wait(struct bm_loop *loop, uint64_t until_ms);

/* The waker woke in the last wait. It is cleared when the next begins. */
bool bm_loop_woken(const struct bm_loop *loop);

/* The next link that may have events, which is then touched no more; NULL: none. */
struct bm_link *bm_loop_next_touched(struct bm_loop *loop);

/* Writes what links have to say until they are blocked or done; a link that broke is touched. */
void bm_loop_write(struct bm_loop *loop);

/*
 * Ends one wait when fd can be read (once; it may be watched again). One descriptor at a time. False: it cannot
 * be waited for, as it never makes anybody wait. fd stays as it is and the caller's.
 */
bool bm_loop_watch(struct bm_loop *loop, int fd);

/* Takes smtp and stream, also when it fails. The machine may have events already: the next round touches the link. */
enum bm_code bm_link_new(struct bm_link **out, struct bm_loop *loop, struct bm_smtp *smtp, struct bm_stream *stream,
	void *user, struct bm_error *err) BM_MUST_CHECK;

/* Closes and frees, saying nothing. NULL is fine. */
void bm_link_free(struct bm_link *link);

/*
 * The machine asked for the handshake (BM_SMTP_SECURE): TLS is put over the stream, and bm_smtp_secured or bm_smtp_lost
 * follow by themselves, with the reason that the stream gives. tls is borrowed as long as the link.
 */
void bm_link_secure(struct bm_link *link, struct bm_tls *tls);

/* What the link reads and writes, which bm_link_secure replaces. */
const struct bm_stream *bm_link_stream(const struct bm_link *link);

/* A verb of the machine was called: the next bm_loop_write looks whether there is something to say. */
void bm_link_stir(struct bm_link *link);

/*
 * True while a reply is awaited: since when (µs, the clock of bm_loop_now_us), and the shortest time that a reply took
 * over this link so far (0: none yet), which is about one round trip.
 */
bool bm_link_awaiting(const struct bm_link *link, uint64_t *since_us, uint64_t *round_trip_us);

#endif
