/* SPDX-License-Identifier: MIT */
#include "net/driver.h"

#include "net/clock.h"
#include "net/tls.h"

#define SPAN_COUNT 16
#define READ_SIZE 16384

static const char closed_by_peer[] = "the server closed the connection";
static const char spoke_too_soon[] = "the server went on talking where the TLS handshake was to begin";

/* Reads once; false when there was nothing. */
static bool read_some(struct bm_driver *driver)
{
	unsigned char data[READ_SIZE];
	size_t room = bm_smtp_reply_room(driver->smtp);
	size_t done = 0;
	enum bm_stream_status status = bm_stream_read(driver->stream, data, room < sizeof data ? room : sizeof data, &done);
	uint64_t now = bm_clock_monotonic_ms();

	switch (status) {
	case BM_STREAM_OK:
		bm_smtp_feed(driver->smtp, data, done, now);
		return true;
	case BM_STREAM_AGAIN:
		return false;
	case BM_STREAM_END:
		bm_smtp_lost(driver->smtp, closed_by_peer, now);
		return false;
	case BM_STREAM_BROKEN:
		bm_smtp_lost(driver->smtp, bm_stream_reason(driver->stream), now);
		return false;
	}
	return false;
}

/* What the peer said before it went still counts. */
static void lose(struct bm_driver *driver, const char *reason)
{
	while (bm_smtp_deadline(driver->smtp) != BM_SMTP_NEVER && read_some(driver))
		continue;
	bm_smtp_lost(driver->smtp, reason, bm_clock_monotonic_ms());
}

/* Writes once; true when octets moved. */
static bool write_some(struct bm_driver *driver)
{
	struct bm_span spans[SPAN_COUNT];
	size_t count = bm_smtp_output(driver->smtp, spans, SPAN_COUNT);
	if (count == 0)
		return false;
	size_t done = 0;
	switch (bm_stream_write(driver->stream, spans, count, &done)) {
	case BM_STREAM_OK:
		bm_smtp_sent(driver->smtp, done, bm_clock_monotonic_ms());
		return done > 0;
	case BM_STREAM_AGAIN:
		return false;
	case BM_STREAM_END:
		lose(driver, closed_by_peer);
		return false;
	case BM_STREAM_BROKEN:
		lose(driver, bm_stream_reason(driver->stream));
		return false;
	}
	return false;
}

static bool has_output(struct bm_driver *driver)
{
	struct bm_span span;
	return bm_smtp_output(driver->smtp, &span, 1) > 0;
}

/* Cleared first and counted then, so that no wake is missed. */
static bool is_stopped(struct bm_driver *driver)
{
	if (driver->waker == NULL || bm_waker_count(driver->waker) == 0)
		return false;
	bm_waker_clear(driver->waker);
	return bm_waker_count(driver->waker) > driver->patience;
}

static bool is_overdue(const struct bm_driver *driver)
{
	return driver->deadline_ms != 0 && bm_clock_monotonic_ms() >= driver->deadline_ms;
}

static uint64_t earlier(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

static void wait_for_peer(struct bm_driver *driver, bool want_write, uint64_t deadline)
{
	uint64_t until = driver->deadline_ms == 0 ? deadline : earlier(deadline, driver->deadline_ms);
	bm_stream_wait(driver->stream, want_write, until, driver->waker);
}

void bm_driver_secure(struct bm_driver *driver, struct bm_tls *tls)
{
	struct bm_stream *secured = NULL;

	enum bm_code code = bm_tls_wrap(&secured, tls, driver->stream, NULL);
	if (code == BM_OK)
		driver->stream = secured;
	else
		bm_smtp_lost(
			driver->smtp, code == BM_E_PROTOCOL ? spoke_too_soon : "no memory for TLS", bm_clock_monotonic_ms());
}

static void shake(struct bm_driver *driver)
{
	bool want_write = false;
	enum bm_stream_status status = bm_stream_handshake(driver->stream, &want_write);

	if (status == BM_STREAM_OK)
		bm_smtp_secured(driver->smtp, bm_tls_channel(driver->stream), bm_clock_monotonic_ms());
	else if (status == BM_STREAM_AGAIN)
		wait_for_peer(driver, want_write, bm_smtp_deadline(driver->smtp));
	else
		bm_smtp_lost(driver->smtp, bm_stream_reason(driver->stream), bm_clock_monotonic_ms());
	bm_smtp_tick(driver->smtp, bm_clock_monotonic_ms());
}

/* Reading goes on while writing (RFC 2920, 3.1): neither side may wait for the other for ever. */
static void step(struct bm_driver *driver)
{
	bool wrote = write_some(driver);
	bool pending = has_output(driver);
	uint64_t deadline = bm_smtp_deadline(driver->smtp);

	if (deadline == BM_SMTP_NEVER)
		return;
	if (!wrote)
		wait_for_peer(driver, pending, deadline);
	if (!wrote || pending)
		read_some(driver);
	bm_smtp_tick(driver->smtp, bm_clock_monotonic_ms());
}

enum bm_code bm_driver_next(struct bm_driver *driver, struct bm_smtp_event *event)
{
	while (!bm_smtp_next_event(driver->smtp, event)) {
		if (bm_smtp_deadline(driver->smtp) == BM_SMTP_NEVER)
			return BM_E_USAGE;
		if (is_stopped(driver))
			return BM_E_STOPPED;
		if (is_overdue(driver))
			return BM_E_TIMEOUT;
		if (driver->stream->handshaking)
			shake(driver);
		else
			step(driver);
	}
	return BM_OK;
}

void bm_driver_poll(struct bm_driver *driver)
{
	while (bm_smtp_idle(driver->smtp) && read_some(driver))
		continue;
}
