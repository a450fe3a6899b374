/* SPDX-License-Identifier: MIT */
/*
 * TLS over another stream. OpenSSL writes into memory (wire), of which as much as there is goes out in one write: an
 * octet counts as written when the stream underneath took the whole of its record, for only then can the peer read it.
 * It reads from below as much as one read brings, and no more than READS_MAX times in a row, so that a peer who floods
 * holds nobody up.
 */
#include "net/tls_own.h"

#include "base/buf.h"
#include "base/error.h"

#include <openssl/bio.h>
#include <openssl/err.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define READS_MAX 16
/* Records that are written at once. */
#define RECORDS_MAX 4
/* No handshake says more at once, no RECORDS_MAX records are longer. */
#define WIRE_MAX ((size_t)1 << 17)
#define VERSION_SIZE 64
#define BINDING_SIZE 64
#define EXPORTED_SIZE 32

/* Plain octets, and where their record ends in wire. */
struct record {
	size_t end;
	size_t size;
};

struct tls_stream {
	struct bm_stream base;
	struct bm_tls_peer peer;
	struct bm_stream *under;
	SSL *ssl;
	enum bm_stream_status read_status; /* of the last read from below */
	unsigned reads_left;
	bool drained;                /* the last read from below did not fill the buffer */
	enum bm_stream_status ended; /* what all reads come to from now on; OK: not yet */
	bool shut;                   /* nothing can be written any more */
	bool failed;                 /* TLS itself: there is no bidding farewell */
	struct bm_buf wire;
	size_t wire_sent;
	struct record records[RECORDS_MAX];
	size_t record_count;
	size_t record_sent;
	struct bm_smtp_channel channel;
	unsigned char binding[BINDING_SIZE];
	char version[VERSION_SIZE];
};

/* Where in the caller's spans the next record begins. */
struct cursor {
	const struct bm_span *spans;
	size_t count;
	size_t offset; /* into the first */
};

/* OpenSSL takes an older error for one of the call that follows. There is hardly ever one, and to look is cheap. */
static void forget_errors(void)
{
	if (ERR_peek_error() != 0)
		ERR_clear_error();
}

static struct tls_stream *tls_of(struct bm_stream *stream)
{
	return (struct tls_stream *)stream;
}

static int carry_out(BIO *bio, const char *data, int size)
{
	struct tls_stream *tls = BIO_get_data(bio);
	return bm_buf_append(&tls->wire, data, (size_t)size) == BM_OK ? size : -1;
}

static int carry_in(BIO *bio, char *data, int size)
{
	struct tls_stream *tls = BIO_get_data(bio);
	size_t done = 0;

	BIO_clear_retry_flags(bio);
	tls->read_status = BM_STREAM_AGAIN;
	if (tls->reads_left > 0) {
		tls->reads_left--;
		tls->read_status = bm_stream_read(tls->under, data, (size_t)size, &done);
		tls->drained = done < (size_t)size;
	}
	if (tls->read_status == BM_STREAM_OK)
		return (int)done;
	if (tls->read_status == BM_STREAM_AGAIN)
		BIO_set_retry_read(bio);
	return tls->read_status == BM_STREAM_END ? 0 : -1;
}

static long carry_control(BIO *bio, int command, long number, void *pointer)
{
	(void)bio;
	(void)number;
	(void)pointer;
	/* what is in wire leaves when OpenSSL is done */
	return command == BIO_CTRL_FLUSH ? 1 : 0;
}

BIO_METHOD *bm_tls_carrier_new(void)
{
	BIO_METHOD *method = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "stream");

	if (method != NULL && BIO_meth_set_write(method, carry_out) == 1 && BIO_meth_set_read(method, carry_in) == 1 &&
		BIO_meth_set_ctrl(method, carry_control) == 1)
		return method;
	BIO_meth_free(method);
	return NULL;
}

/* What made OpenSSL fail, as the connection's reason. */
static void note_failure(struct tls_stream *tls, const char *phase)
{
	unsigned long error = ERR_peek_error();
	const char *text = ERR_reason_error_string(error);
	int reason = ERR_GET_LIB(error) == ERR_LIB_SSL ? ERR_GET_REASON(error) : 0;

	tls->failed = true;
	tls->base.reason = tls->peer.reason;
	if (tls->peer.reason[0] != '\0')
		return;
	if (tls->read_status == BM_STREAM_BROKEN)
		tls->base.reason = bm_stream_reason(tls->under);
	else if (tls->read_status == BM_STREAM_END)
		snprintf(tls->peer.reason, sizeof tls->peer.reason, "the server closed the connection within TLS (%s)", phase);
	else if (reason == SSL_R_WRONG_VERSION_NUMBER)
		snprintf(tls->peer.reason, sizeof tls->peer.reason, "what the server says is no TLS");
	else if (reason == SSL_R_UNSUPPORTED_PROTOCOL || reason == SSL_R_TLSV1_ALERT_PROTOCOL_VERSION)
		snprintf(tls->peer.reason, sizeof tls->peer.reason, "the server has neither TLS 1.2 nor 1.3");
	else
		snprintf(tls->peer.reason, sizeof tls->peer.reason, "TLS %s failed: %s", phase,
			text != NULL ? text : "unknown error");
	forget_errors();
}

/* Octets of records that are underneath now, and were not told yet. */
static size_t tell_records(struct tls_stream *tls)
{
	size_t told = 0;

	for (; tls->record_sent < tls->record_count && tls->records[tls->record_sent].end <= tls->wire_sent;
		 tls->record_sent++)
		told += tls->records[tls->record_sent].size;
	return told;
}

/* AGAIN while some is left. */
static enum bm_stream_status flush(struct tls_stream *tls)
{
	size_t done = 0;

	if (tls->shut)
		return BM_STREAM_BROKEN;
	if (tls->wire_sent == tls->wire.size)
		return BM_STREAM_OK;
	struct bm_span span = bm_span_make(tls->wire.data + tls->wire_sent, tls->wire.size - tls->wire_sent);
	enum bm_stream_status status = bm_stream_write(tls->under, &span, 1, &done);
	if (status != BM_STREAM_OK && status != BM_STREAM_AGAIN) {
		tls->shut = true;
		tls->base.reason = bm_stream_reason(tls->under);
		return BM_STREAM_BROKEN;
	}
	tls->wire_sent += done;
	return tls->wire_sent == tls->wire.size ? BM_STREAM_OK : BM_STREAM_AGAIN;
}

static void clear_wire(struct tls_stream *tls)
{
	bm_buf_clear(&tls->wire);
	tls->wire_sent = 0;
	tls->record_count = 0;
	tls->record_sent = 0;
}

static bool skip(struct cursor *cursor, size_t size)
{
	cursor->offset += size;
	while (cursor->count > 0 && cursor->offset >= cursor->spans->size) {
		cursor->offset -= cursor->spans->size;
		cursor->spans++;
		cursor->count--;
	}
	return cursor->count > 0;
}

/* The next record's octets: a large span as it is, small ones in room. */
static struct bm_span next_record(struct cursor *cursor, unsigned char room[BM_TLS_RECORD_SIZE])
{
	size_t size = 0;

	if (cursor->count == 0)
		return bm_span_make(room, 0);
	const unsigned char *whole = cursor->spans->data + cursor->offset;
	size_t left = cursor->spans->size - cursor->offset;
	if (left >= BM_TLS_RECORD_SIZE || cursor->count == 1) {
		size = left < BM_TLS_RECORD_SIZE ? left : BM_TLS_RECORD_SIZE;
		skip(cursor, size);
		return bm_span_make(whole, size);
	}
	while (cursor->count > 0 && size < BM_TLS_RECORD_SIZE) {
		size_t step = cursor->spans->size - cursor->offset;
		if (step > BM_TLS_RECORD_SIZE - size)
			step = BM_TLS_RECORD_SIZE - size;
		memcpy(room + size, cursor->spans->data + cursor->offset, step);
		size += step;
		skip(cursor, step);
	}
	return bm_span_make(room, size);
}

/* Records for what comes next; false when TLS failed. */
static bool fill(struct tls_stream *tls, struct cursor *cursor)
{
	clear_wire(tls);
	while (tls->record_count < RECORDS_MAX && cursor->count > 0) {
		struct bm_span record = next_record(cursor, tls->peer.tls->record);
		if (SSL_write(tls->ssl, record.data, (int)record.size) != (int)record.size) {
			note_failure(tls, "writing");
			tls->shut = true;
			return false;
		}
		tls->records[tls->record_count++] = (struct record){.end = tls->wire.size, .size = record.size};
	}
	return true;
}

static enum bm_stream_status tls_write(
	struct bm_stream *stream, const struct bm_span *spans, size_t count, size_t *done)
{
	struct tls_stream *tls = tls_of(stream);
	struct cursor cursor = {.spans = spans, .count = count};
	enum bm_stream_status status = BM_STREAM_OK;
	bool more = true;

	*done = 0;
	forget_errors();
	/* what an earlier call began comes first: the caller's octets begin with it */
	for (bool first = true; more; first = false) {
		status = flush(tls);
		size_t told = tell_records(tls);
		*done += told;
		if (status != BM_STREAM_OK)
			break;
		more = first ? skip(&cursor, told) : cursor.count > 0;
		if (more && !fill(tls, &cursor))
			status = BM_STREAM_BROKEN;
		if (status != BM_STREAM_OK)
			break;
	}
	return *done > 0 ? BM_STREAM_OK : status;
}

/* What a failed SSL_read means. */
static enum bm_stream_status read_failed(struct tls_stream *tls, int result)
{
	switch (SSL_get_error(tls->ssl, result)) {
	case SSL_ERROR_WANT_READ:
		return BM_STREAM_AGAIN;
	case SSL_ERROR_ZERO_RETURN:
		return BM_STREAM_END;
	default:
		note_failure(tls, "reading");
		return BM_STREAM_BROKEN;
	}
}

/* Until OpenSSL wants more than there is, the buffer is full or the connection ended. */
static enum bm_stream_status read_records(struct tls_stream *tls, unsigned char *data, size_t size, size_t *done)
{
	enum bm_stream_status status = BM_STREAM_OK;

	while (status == BM_STREAM_OK && *done < size) {
		size_t got = 0;
		int result = SSL_read_ex(tls->ssl, data + *done, size - *done, &got);
		*done += got;
		status = result == 1 ? BM_STREAM_OK : read_failed(tls, result);
		/* a system call less than asking for what is not there */
		if (result == 1 && tls->drained && SSL_has_pending(tls->ssl) == 0)
			return BM_STREAM_AGAIN;
	}
	return status;
}

static enum bm_stream_status tls_read(struct bm_stream *stream, void *data, size_t size, size_t *done)
{
	struct tls_stream *tls = tls_of(stream);
	enum bm_stream_status status = tls->ended;

	*done = 0;
	tls->reads_left = READS_MAX;
	forget_errors();
	if (status == BM_STREAM_OK)
		status = read_records(tls, data, size, done);
	if (status == BM_STREAM_END || status == BM_STREAM_BROKEN)
		tls->ended = status;
	/* what TLS said by itself; whatever is the caller's is left to the next write, which tells of it */
	if (tls->record_sent == tls->record_count)
		(void)flush(tls);
	/* an end is told by the next read when there was something before it */
	stream->pending = *done > 0 && (tls->ended != BM_STREAM_OK || (*done == size && SSL_has_pending(tls->ssl) == 1));
	return *done > 0 ? BM_STREAM_OK : status;
}

/* RFC 9266, RFC 5929: what this connection alone has, for SCRAM. */
static void take_binding(struct tls_stream *tls)
{
	static const char label[] = "EXPORTER-Channel-Binding";
	size_t size = EXPORTED_SIZE;

	if (SSL_version(tls->ssl) >= TLS1_3_VERSION) {
		if (SSL_export_keying_material(
				tls->ssl, tls->binding, EXPORTED_SIZE, label, sizeof label - 1, (const unsigned char *)"", 0, 1) == 1)
			tls->channel.binding = "tls-exporter";
	} else if (SSL_get_extms_support(tls->ssl) == 1) {
		/* the first Finished of the two; without the extended master secret it binds nothing (RFC 7627) */
		size = SSL_session_reused(tls->ssl) == 1 ? SSL_get_peer_finished(tls->ssl, tls->binding, BINDING_SIZE)
												 : SSL_get_finished(tls->ssl, tls->binding, BINDING_SIZE);
		if (size > 0 && size <= BINDING_SIZE)
			tls->channel.binding = "tls-unique";
	}
	if (tls->channel.binding != NULL)
		tls->channel.binding_data = bm_span_make(tls->binding, size);
}

static void finish_handshake(struct tls_stream *tls)
{
	tls->base.handshaking = false;
	/* it may have come behind the handshake's last record */
	tls->base.pending = SSL_has_pending(tls->ssl) == 1;
	tls->channel.verified = bm_tls_is_verified(tls->ssl);
	take_binding(tls);
	snprintf(tls->version, sizeof tls->version, "%s %s", SSL_get_version(tls->ssl), SSL_get_cipher_name(tls->ssl));
	clear_wire(tls);
}

static enum bm_stream_status tls_handshake(struct bm_stream *stream, bool *want_write)
{
	struct tls_stream *tls = tls_of(stream);
	enum bm_stream_status flushed = BM_STREAM_OK;

	*want_write = false;
	if (!stream->handshaking)
		return BM_STREAM_OK;
	if (tls->failed)
		return BM_STREAM_BROKEN;
	tls->reads_left = READS_MAX;
	forget_errors();
	int result = SSL_do_handshake(tls->ssl);
	if (result != 1 && SSL_get_error(tls->ssl, result) != SSL_ERROR_WANT_READ) {
		note_failure(tls, "handshake");
		/* the alert, if there is one */
		const char *reason = stream->reason;
		(void)flush(tls);
		stream->reason = reason;
		return BM_STREAM_BROKEN;
	}
	flushed = flush(tls);
	if (flushed == BM_STREAM_BROKEN)
		return flushed;
	*want_write = flushed == BM_STREAM_AGAIN;
	if (result != 1 || *want_write)
		return BM_STREAM_AGAIN;
	finish_handshake(tls);
	return BM_STREAM_OK;
}

static void tls_wait(struct bm_stream *stream, bool want_write, uint64_t deadline_ms, struct bm_waker *waker)
{
	if (!stream->pending)
		bm_stream_wait(tls_of(stream)->under, want_write, deadline_ms, waker);
}

static int tls_fd(const struct bm_stream *stream)
{
	return bm_stream_fd(((const struct tls_stream *)stream)->under);
}

static void free_ssl(struct tls_stream *tls)
{
	SSL_free(tls->ssl);
	bm_tls_free(tls->peer.tls);
	bm_buf_deinit(&tls->wire);
	free(tls);
	forget_errors();
}

/* Says so, as far as it can be said without waiting; nothing more once the caller's octets are cut short. */
static void tls_free(struct bm_stream *stream)
{
	struct tls_stream *tls = tls_of(stream);
	bool whole = tls->record_sent == tls->record_count;

	forget_errors();
	if (!stream->handshaking && !tls->failed && !tls->shut && whole) {
		(void)SSL_shutdown(tls->ssl);
		(void)flush(tls);
	}
	/* a connection that broke says nothing against its session */
	if (!stream->handshaking && !tls->failed)
		SSL_set_shutdown(tls->ssl, SSL_SENT_SHUTDOWN | SSL_RECEIVED_SHUTDOWN);
	bm_stream_free(tls->under);
	free_ssl(tls);
}

static const struct bm_stream_ops tls_ops = {tls_read, tls_write, tls_wait, tls_fd, tls_free, tls_handshake};

static bool make_ssl(struct tls_stream *tls, struct bm_tls *policy)
{
	BIO *carrier = BIO_new(policy->carrier);

	tls->ssl = SSL_new(policy->context);
	if (carrier == NULL || tls->ssl == NULL) {
		BIO_free(carrier);
		return false;
	}
	BIO_set_data(carrier, tls);
	BIO_set_init(carrier, 1);
	SSL_set_bio(tls->ssl, carrier, carrier);
	SSL_set_connect_state(tls->ssl);
	if (SSL_set_app_data(tls->ssl, &tls->peer) != 1)
		return false;
	if (policy->name != NULL && !policy->literal && SSL_set_tlsext_host_name(tls->ssl, policy->name) != 1)
		return false;
	bm_tls_session_offer(policy, tls->ssl);
	return true;
}

/* CVE-2021-22947: nothing may have been said ahead of the handshake. */
static bool says_already(struct bm_stream *under)
{
	unsigned char octet;
	size_t done = 0;
	return bm_stream_read(under, &octet, 1, &done) == BM_STREAM_OK && done > 0;
}

enum bm_code bm_tls_wrap(struct bm_stream **out, struct bm_tls *tls, struct bm_stream *under, struct bm_error *err)
{
	*out = NULL;
	if (says_already(under))
		return bm_error_set(err, BM_E_PROTOCOL, "", "the server went on talking where the TLS handshake was to begin");
	struct tls_stream *stream = calloc(1, sizeof *stream);
	if (stream == NULL)
		return bm_error_nomem(err);
	stream->base.ops = &tls_ops;
	stream->base.handshaking = true;
	stream->peer.tls = tls;
	tls->holders++;
	stream->under = under;
	bm_buf_init(&stream->wire, WIRE_MAX);
	forget_errors();
	if (!make_ssl(stream, tls)) {
		free_ssl(stream);
		return bm_error_nomem(err);
	}
	*out = &stream->base;
	return BM_OK;
}

static const struct tls_stream *const_tls_of(const struct bm_stream *stream)
{
	return (const struct tls_stream *)stream;
}

const struct bm_smtp_channel *bm_tls_channel(const struct bm_stream *stream)
{
	return &const_tls_of(stream)->channel;
}

const char *bm_tls_version(const struct bm_stream *stream, bool *resumed)
{
	*resumed = SSL_session_reused(const_tls_of(stream)->ssl) == 1;
	return const_tls_of(stream)->version;
}
