/* SPDX-License-Identifier: MIT */
/* The stream: octets in both directions, sessions, and whatever the other side may do. */
#include "tls_peer.h"

#include "../unit.h"
#include "net/tls_own.h"

#include <openssl/err.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

struct fixture {
	struct tls_identity authority;
	struct tls_identity identity;
	char trust[TLS_PATH_SIZE];
};

static int set_up(void **state)
{
	static struct fixture fixture;
	static const struct tls_cert_spec ca = {.name = "Test CA", .ca = true, .to_days = 10};
	static const struct tls_cert_spec leaf = {.san = "DNS:relay.test,IP:127.0.0.1"};
	fixture.authority = tls_identity_new(&ca, NULL);
	fixture.identity = tls_identity_new(&leaf, &fixture.authority);
	tls_write_trust(fixture.trust, &fixture.authority, NULL);
	*state = &fixture;
	return 0;
}

static int tear_down(void **state)
{
	struct fixture *fixture = *state;
	unlink(fixture->trust);
	tls_identity_free(&fixture->identity);
	tls_identity_free(&fixture->authority);
	return 0;
}

static const int versions[] = {TLS1_2_VERSION, TLS1_3_VERSION};

static SSL_CTX *server_of(const struct fixture *fixture, int version)
{
	SSL_CTX *server = tls_server_context(&fixture->identity);
	assert_int_equal(SSL_CTX_set_max_proto_version(server, version), 1);
	return server;
}

static struct bm_tls *policy_of(const struct fixture *fixture, bool verify)
{
	struct bm_tls_options options = {.verify = verify, .host = "relay.test", .ca_file = fixture->trust};
	struct bm_tls *tls = NULL;
	assert_int_equal(bm_tls_new(&tls, &options, NULL), BM_OK);
	return tls;
}

/* One connection and all that it needs. */
struct pair {
	SSL_CTX *server;
	struct bm_tls *tls;
	struct bm_stream *client;
	struct tls_peer peer;
};

static void begin(struct pair *pair)
{
	struct bm_stream *under = NULL;
	tls_peer_open(&pair->peer, pair->server, &under);
	assert_int_equal(bm_tls_wrap(&pair->client, pair->tls, under, NULL), BM_OK);
}

static void open_pair(struct pair *pair, const struct fixture *fixture, int version)
{
	*pair = (struct pair){.server = server_of(fixture, version), .tls = policy_of(fixture, true)};
	begin(pair);
	assert_int_equal(tls_shake(pair->client, &pair->peer), BM_STREAM_OK);
	tls_peer_step(&pair->peer);
}

static void end(struct pair *pair)
{
	bm_stream_free(pair->client);
	tls_peer_close(&pair->peer);
}

static void close_pair(struct pair *pair)
{
	end(pair);
	bm_tls_free(pair->tls);
	SSL_CTX_free(pair->server);
}

/* Reads until size octets came or the stream ends. */
static enum bm_stream_status read_all(struct pair *pair, char *out, size_t size, size_t *total)
{
	enum bm_stream_status status = BM_STREAM_OK;
	size_t done = 0;
	*total = 0;
	for (int turn = 0; turn < 100000 && *total < size && status <= BM_STREAM_AGAIN; turn++) {
		tls_peer_step(&pair->peer);
		status = bm_stream_read(pair->client, out + *total, size - *total, &done);
		*total += done;
	}
	return status;
}

static void assert_read(struct pair *pair, const char *text)
{
	char octets[256];
	size_t total = 0;
	(void)read_all(pair, octets, strlen(text), &total);
	assert_int_equal(total, strlen(text));
	assert_memory_equal(octets, text, total);
}

static void assert_written(struct pair *pair, const char *text)
{
	char octets[256];
	size_t done = 0;
	struct bm_span span = bm_span_of(text);
	assert_int_equal(bm_stream_write(pair->client, &span, 1, &done), BM_STREAM_OK);
	assert_int_equal(done, span.size);
	assert_int_equal(tls_peer_hear(&pair->peer, octets, sizeof octets), done);
	assert_memory_equal(octets, text, done);
}

static void moves_octets_both_ways(void **state)
{
	for (size_t i = 0; i < 2; i++) {
		struct pair pair;
		bool resumed = true;
		open_pair(&pair, *state, versions[i]);
		assert_true(bm_tls_channel(pair.client)->verified);
		assert_int_equal(strncmp(bm_tls_version(pair.client, &resumed), i == 0 ? "TLSv1.2 " : "TLSv1.3 ", 8), 0);
		assert_false(resumed);
		assert_written(&pair, "EHLO me\r\n");
		tls_peer_say(&pair.peer, "250 you\r\n");
		assert_read(&pair, "250 you\r\n");
		close_pair(&pair);
	}
}

/* RFC 9266, RFC 5929 */
static void binds_the_channel_as_the_server_does(void **state)
{
	unsigned char octets[64];
	struct pair pair;
	open_pair(&pair, *state, TLS1_3_VERSION);
	const struct bm_smtp_channel *channel = bm_tls_channel(pair.client);
	assert_string_equal(channel->binding, "tls-exporter");
	assert_int_equal(channel->binding_data.size, 32);
	assert_int_equal(
		SSL_export_keying_material(pair.peer.ssl, octets, 32, "EXPORTER-Channel-Binding", 24, NULL, 0, 0), 1);
	assert_memory_equal(channel->binding_data.data, octets, 32);
	close_pair(&pair);
	open_pair(&pair, *state, TLS1_2_VERSION);
	channel = bm_tls_channel(pair.client);
	assert_string_equal(channel->binding, "tls-unique");
	assert_int_equal(SSL_get_peer_finished(pair.peer.ssl, octets, sizeof octets), channel->binding_data.size);
	assert_memory_equal(channel->binding_data.data, octets, channel->binding_data.size);
	close_pair(&pair);
}

static void says_whom_it_wants(void **state)
{
	static const char *const hosts[] = {"relay.test", "relay.test.", "127.0.0.1"};
	static const char *const said[] = {"relay.test", "relay.test", NULL};
	const struct fixture *fixture = *state;
	for (size_t i = 0; i < 3; i++) {
		struct bm_tls_options options = {.verify = true, .host = hosts[i], .ca_file = fixture->trust};
		struct pair pair = {.server = server_of(fixture, TLS1_3_VERSION)};
		assert_int_equal(bm_tls_new(&pair.tls, &options, NULL), BM_OK);
		begin(&pair);
		assert_int_equal(tls_shake(pair.client, &pair.peer), BM_STREAM_OK);
		tls_peer_step(&pair.peer);
		const char *name = SSL_get_servername(pair.peer.ssl, TLSEXT_NAMETYPE_host_name);
		if (said[i] == NULL)
			assert_null(name);
		else
			assert_string_equal(name, said[i]);
		close_pair(&pair);
	}
}

/* conformance: 41, A01 */
static void begins_only_when_nothing_waits(void **state)
{
	struct pair pair = {.server = server_of(*state, TLS1_3_VERSION), .tls = policy_of(*state, true)};
	struct bm_stream *under = NULL;
	struct bm_error err = BM_ERROR_INIT;
	tls_peer_open(&pair.peer, pair.server, &under);
	assert_int_equal(send(pair.peer.fd, "2", 1, 0), 1);
	assert_int_equal(bm_tls_wrap(&pair.client, pair.tls, under, &err), BM_E_PROTOCOL);
	assert_null(pair.client);
	assert_int_equal(err.code, BM_E_PROTOCOL);
	bm_stream_free(under);
	tls_peer_close(&pair.peer);
	bm_tls_free(pair.tls);
	SSL_CTX_free(pair.server);
}

/* conformance: A43, A16 */
static void takes_the_server_octet_by_octet(void **state)
{
	for (size_t i = 0; i < 2; i++) {
		for (size_t piece = 1; piece <= 6; piece++) {
			struct pair pair = {.server = server_of(*state, versions[i]), .tls = policy_of(*state, true)};
			begin(&pair);
			pair.peer.piece = piece;
			assert_int_equal(tls_shake(pair.client, &pair.peer), BM_STREAM_OK);
			while (SSL_is_init_finished(pair.peer.ssl) == 0)
				tls_peer_step(&pair.peer);
			tls_peer_say(&pair.peer, "220 octet by octet\r\n");
			assert_read(&pair, "220 octet by octet\r\n");
			close_pair(&pair);
		}
	}
}

/* The server says so many octets of its handshake and is gone; false once the handshake is done. */
static bool is_cut_at(struct pair *pair, size_t most, bool bad_octet)
{
	bool want_write = false;
	enum bm_stream_status status = BM_STREAM_AGAIN;
	begin(pair);
	pair->peer.most = most;
	for (int turn = 0; turn < 6 && status == BM_STREAM_AGAIN; turn++) {
		status = bm_stream_handshake(pair->client, &want_write);
		tls_peer_step(&pair->peer);
	}
	if (status == BM_STREAM_AGAIN && bad_octet)
		assert_int_equal(send(pair->peer.fd, "\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff", 11, MSG_NOSIGNAL), 11);
	if (status == BM_STREAM_AGAIN) {
		close(pair->peer.fd);
		pair->peer.fd = -1;
		status = bm_stream_handshake(pair->client, &want_write);
		assert_int_equal(status, BM_STREAM_BROKEN);
		assert_true(bm_stream_reason(pair->client)[0] != '\0');
		if (!bad_octet)
			assert_non_null(strstr(bm_stream_reason(pair->client), "closed"));
		assert_int_equal(bm_stream_handshake(pair->client, &want_write), BM_STREAM_BROKEN);
	}
	end(pair);
	return status != BM_STREAM_OK;
}

/* conformance: F05, F41 */
static void ends_wherever_the_server_leaves(void **state)
{
	for (size_t i = 0; i < 2; i++) {
		struct pair pair = {.server = server_of(*state, versions[i]), .tls = policy_of(*state, true)};
		size_t most = 0;
		while (is_cut_at(&pair, most, false))
			most += 5;
		assert_true(most > 500);
		bm_tls_free(pair.tls);
		SSL_CTX_free(pair.server);
	}
}

/* conformance: A09, F41 */
static void ends_wherever_the_server_talks_nonsense(void **state)
{
	struct pair pair = {.server = server_of(*state, TLS1_3_VERSION), .tls = policy_of(*state, true)};
	size_t most = 0;
	while (is_cut_at(&pair, most, true))
		most += 50;
	assert_true(most > 500);
	bm_tls_free(pair.tls);
	SSL_CTX_free(pair.server);
}

/* conformance: A09 */
static void says_that_it_is_no_tls(void **state)
{
	struct pair pair = {.server = server_of(*state, TLS1_3_VERSION), .tls = policy_of(*state, true)};
	bool want_write = false;
	begin(&pair);
	assert_int_equal(bm_stream_handshake(pair.client, &want_write), BM_STREAM_AGAIN);
	assert_int_equal(send(pair.peer.fd, "220 mx ESMTP\r\n", 14, 0), 14);
	assert_int_equal(bm_stream_handshake(pair.client, &want_write), BM_STREAM_BROKEN);
	assert_string_equal(bm_stream_reason(pair.client), "what the server says is no TLS");
	close_pair(&pair);
}

/* conformance: F41 */
static void bears_new_keys_and_many_tickets(void **state)
{
	struct pair pair;
	open_pair(&pair, *state, TLS1_3_VERSION);
	for (int i = 0; i < 20; i++) {
		assert_int_equal(SSL_key_update(pair.peer.ssl, SSL_KEY_UPDATE_REQUESTED), 1);
		tls_peer_say(&pair.peer, "250 ok\r\n");
		assert_read(&pair, "250 ok\r\n");
		assert_written(&pair, "NOOP\r\n");
	}
	for (int i = 0; i < 500; i++) {
		assert_int_equal(SSL_new_session_ticket(pair.peer.ssl), 1);
		tls_peer_say(&pair.peer, "250 ok\r\n");
		assert_read(&pair, "250 ok\r\n");
	}
	assert_int_equal(pair.tls->session_count, BM_TLS_SESSIONS_MAX);
	close_pair(&pair);
}

/* One read takes no more than it must of a server that never stops, and what there is is told. */
static void a_flood_of_tickets_ends_a_read(void **state)
{
	struct pair pair;
	char octets[64];
	size_t done = 0;
	open_pair(&pair, *state, TLS1_3_VERSION);
	pair.peer.piece = 100;
	assert_int_equal(SSL_new_session_ticket(pair.peer.ssl), 1);
	for (int i = 0; i < 40; i++) {
		tls_peer_say(&pair.peer, "x");
		assert_int_equal(SSL_new_session_ticket(pair.peer.ssl), 1);
	}
	size_t total = 0;
	for (int turn = 0; turn < 1000 && total < 40; turn++) {
		tls_peer_step(&pair.peer);
		(void)bm_stream_read(pair.client, octets, sizeof octets, &done);
		total += done;
	}
	assert_int_equal(total, 40);
	close_pair(&pair);
}

/* A server that wants to begin anew gets no other handshake. */
/* conformance: A08 */
static void does_not_renegotiate(void **state)
{
	struct pair pair;
	char octets[8];
	size_t done = 0;
	open_pair(&pair, *state, TLS1_2_VERSION);
	assert_int_equal(SSL_renegotiate(pair.peer.ssl), 1);
	assert_int_equal(SSL_do_handshake(pair.peer.ssl), 1);
	tls_peer_step(&pair.peer);
	assert_int_equal(bm_stream_read(pair.client, octets, sizeof octets, &done), BM_STREAM_AGAIN);
	tls_peer_step(&pair.peer);
	assert_int_equal(SSL_read(pair.peer.ssl, octets, sizeof octets), -1);
	assert_int_equal(ERR_GET_REASON(ERR_peek_error()), SSL_R_NO_RENEGOTIATION);
	close_pair(&pair);
}

/* Connects once more under the same policy; reads something, so that tickets are seen. */
static void connect_again(struct pair *pair, bool *resumed, bool *verified)
{
	begin(pair);
	assert_int_equal(tls_shake(pair->client, &pair->peer), BM_STREAM_OK);
	tls_peer_step(&pair->peer);
	(void)bm_tls_version(pair->client, resumed);
	*verified = bm_tls_channel(pair->client)->verified;
	tls_peer_say(&pair->peer, "220\r\n");
	assert_read(pair, "220\r\n");
	end(pair);
}

static void resumes_who_was_verified(void **state)
{
	for (size_t i = 0; i < 2; i++) {
		struct pair pair = {.server = server_of(*state, versions[i]), .tls = policy_of(*state, true)};
		struct bm_tls *others = policy_of(*state, true);
		bool resumed = true;
		bool verified = false;
		connect_again(&pair, &resumed, &verified);
		assert_false(resumed);
		for (int round = 0; round < 4; round++) {
			connect_again(&pair, &resumed, &verified);
			assert_true(resumed);
			assert_true(verified);
		}
		/* another policy has nothing to resume */
		struct bm_tls *own = pair.tls;
		pair.tls = others;
		connect_again(&pair, &resumed, &verified);
		assert_false(resumed);
		bm_tls_free(own);
		bm_tls_free(others);
		SSL_CTX_free(pair.server);
	}
}

static void make_older(struct bm_tls *tls, uint64_t ms)
{
	for (size_t i = 0; i < tls->session_count; i++)
		tls->sessions[i].verified_ms -= ms;
}

/* Who is resumed again and again shows a certificate all the same when its time has come. */
static void verifies_anew_in_time(void **state)
{
	const uint64_t hour_ms = 3600000;
	for (size_t i = 0; i < 2; i++) {
		struct pair pair = {.server = server_of(*state, versions[i]), .tls = policy_of(*state, true)};
		bool resumed = true;
		bool verified = false;
		connect_again(&pair, &resumed, &verified);
		make_older(pair.tls, hour_ms);
		connect_again(&pair, &resumed, &verified);
		assert_true(resumed);
		make_older(pair.tls, hour_ms);
		connect_again(&pair, &resumed, &verified);
		assert_false(resumed);
		assert_true(verified);
		bm_tls_free(pair.tls);
		SSL_CTX_free(pair.server);
	}
}

/* RFC 8446, C.4 */
static void uses_a_ticket_once(void **state)
{
	struct pair pair = {.server = server_of(*state, TLS1_3_VERSION), .tls = policy_of(*state, true)};
	bool resumed = true;
	bool verified = false;
	connect_again(&pair, &resumed, &verified);
	size_t kept = pair.tls->session_count;
	assert_true(kept > 0);
	for (size_t i = 0; i < kept; i++) {
		begin(&pair);
		assert_int_equal(pair.tls->session_count, kept - i - 1);
		end(&pair);
	}
	connect_again(&pair, &resumed, &verified);
	assert_false(resumed);
	bm_tls_free(pair.tls);
	SSL_CTX_free(pair.server);
}

/* OpenSSL itself refuses it. */
static void a_session_of_another_policy_is_refused(void **state)
{
	for (size_t i = 0; i < 2; i++) {
		struct pair pair = {.server = server_of(*state, versions[i]), .tls = policy_of(*state, true)};
		struct bm_tls *strict = pair.tls;
		bool resumed = true;
		bool verified = false;
		connect_again(&pair, &resumed, &verified);
		pair.tls = policy_of(*state, false);
		pair.tls->sessions[pair.tls->session_count++] = strict->sessions[--strict->session_count];
		begin(&pair);
		assert_int_equal(tls_shake(pair.client, &pair.peer), BM_STREAM_BROKEN);
		close_pair(&pair);
		bm_tls_free(strict);
	}
}

static void keeps_no_session_of_a_stranger(void **state)
{
	const struct fixture *fixture = *state;
	for (size_t i = 0; i < 2; i++) {
		struct bm_tls_options options = {.verify = false, .host = "other.test", .ca_file = fixture->trust};
		struct pair pair = {.server = server_of(fixture, versions[i])};
		bool resumed = true;
		bool verified = true;
		assert_int_equal(bm_tls_new(&pair.tls, &options, NULL), BM_OK);
		connect_again(&pair, &resumed, &verified);
		assert_false(verified);
		assert_int_equal(pair.tls->session_count, 0);
		connect_again(&pair, &resumed, &verified);
		assert_false(resumed);
		bm_tls_free(pair.tls);
		SSL_CTX_free(pair.server);
	}
}

/* Where the pattern's octets are from: any octet tells its place. */
static unsigned char pattern(size_t at)
{
	return (unsigned char)(at * 31 + (at >> 8));
}

/* Up to count spans, of sizes that differ, of what is left. */
static size_t cut_spans(struct bm_span *spans, size_t count, const unsigned char *data, size_t size)
{
	static const size_t sizes[] = {1, 0, 700, 16384, 13, 40000, 5000, 16383, 16385, 2};
	size_t used = 0;
	for (size_t at = 0; used < count && at < size; used++) {
		size_t step = sizes[used % 10] < size - at ? sizes[used % 10] : size - at;
		spans[used] = bm_span_make(data + at, step);
		at += step;
	}
	return used;
}

/* What is told as written is just what the other side can read by then: no octet less, none more. */
static void check_slow_reader(const struct fixture *fixture, int version)
{
	enum { SIZE = 1 << 20 };
	unsigned char *data = malloc(SIZE);
	char *heard = malloc(SIZE);
	struct pair pair;
	struct bm_span spans[64];
	size_t written = 0;
	size_t read = 0;
	size_t blocked = 0;
	int small = 4096;
	for (size_t i = 0; i < SIZE; i++)
		data[i] = pattern(i);
	open_pair(&pair, fixture, version);
	assert_int_equal(setsockopt(bm_stream_fd(pair.client), SOL_SOCKET, SO_SNDBUF, &small, sizeof small), 0);
	while (written < SIZE) {
		size_t done = 0;
		size_t count = cut_spans(spans, 64, data + written, SIZE - written);
		enum bm_stream_status status = bm_stream_write(pair.client, spans, count, &done);
		assert_true(status == BM_STREAM_OK || status == BM_STREAM_AGAIN);
		blocked += status == BM_STREAM_AGAIN;
		written += done;
		read += tls_peer_hear(&pair.peer, heard + read, SIZE - read);
		assert_int_equal(read, written);
	}
	assert_true(blocked > 10);
	assert_memory_equal(heard, data, SIZE);
	close_pair(&pair);
	free(data);
	free(heard);
}

static void tells_what_left_in_whole_records(void **state)
{
	check_slow_reader(*state, TLS1_2_VERSION);
	check_slow_reader(*state, TLS1_3_VERSION);
}

/* What was not told as written never arrives: the mail may be another connection's by then. */
/* conformance: F09, F24 */
static void takes_what_was_not_told_with_it(void **state)
{
	enum { SIZE = 1 << 20 };
	for (size_t i = 0; i < 2; i++) {
		struct pair pair;
		char *data = calloc(1, SIZE);
		struct bm_span span = bm_span_make(data, SIZE);
		size_t written = 0;
		size_t done = 0;
		int small = 4096;
		int large = 200000;
		open_pair(&pair, *state, versions[i]);
		assert_int_equal(setsockopt(bm_stream_fd(pair.client), SOL_SOCKET, SO_SNDBUF, &small, sizeof small), 0);
		while (bm_stream_write(pair.client, &span, 1, &done) == BM_STREAM_OK) {
			written += done;
			span = bm_span_make(span.data + done, span.size - done);
		}
		assert_int_equal(tls_peer_hear(&pair.peer, data, SIZE), written);
		/* now there is room for all that waits */
		assert_int_equal(setsockopt(bm_stream_fd(pair.client), SOL_SOCKET, SO_SNDBUF, &large, sizeof large), 0);
		bm_stream_free(pair.client);
		assert_int_equal(tls_peer_hear(&pair.peer, data, SIZE), 0);
		tls_peer_close(&pair.peer);
		bm_tls_free(pair.tls);
		SSL_CTX_free(pair.server);
		free(data);
	}
}

static void a_broken_connection_stays_broken(void **state)
{
	struct pair pair;
	struct bm_span span = bm_span_of("QUIT\r\n");
	char octets[16];
	size_t done = 0;
	open_pair(&pair, *state, TLS1_3_VERSION);
	tls_peer_say(&pair.peer, "421 bye\r\n");
	tls_peer_step(&pair.peer);
	close(pair.peer.fd);
	pair.peer.fd = -1;
	for (int i = 0; i < 2; i++) {
		assert_int_equal(bm_stream_write(pair.client, &span, 1, &done), BM_STREAM_BROKEN);
		assert_int_equal(done, 0);
		assert_string_equal(bm_stream_reason(pair.client), "Broken pipe");
	}
	/* what it said before is there */
	assert_int_equal(bm_stream_read(pair.client, octets, sizeof octets, &done), BM_STREAM_OK);
	assert_int_equal(done, 9);
	assert_int_equal(bm_stream_read(pair.client, octets, sizeof octets, &done), BM_STREAM_BROKEN);
	close_pair(&pair);
}

/* conformance: F41 */
static void the_end_is_told_even_if_the_socket_stays_open(void **state)
{
	struct pair pair;
	char octets[64];
	size_t done = 0;
	open_pair(&pair, *state, TLS1_3_VERSION);
	tls_peer_say(&pair.peer, "221 bye\r\n");
	(void)SSL_shutdown(pair.peer.ssl);
	tls_peer_step(&pair.peer);
	assert_int_equal(bm_stream_read(pair.client, octets, sizeof octets, &done), BM_STREAM_OK);
	assert_int_equal(done, 9);
	assert_true(pair.client->pending);
	bm_stream_wait(pair.client, false, UINT64_MAX, NULL);
	assert_int_equal(bm_stream_read(pair.client, octets, sizeof octets, &done), BM_STREAM_END);
	assert_false(pair.client->pending);
	assert_int_equal(bm_stream_read(pair.client, octets, sizeof octets, &done), BM_STREAM_END);
	close_pair(&pair);
}

/* conformance: F41 */
static void a_cut_record_is_nothing(void **state)
{
	struct pair pair;
	char octets[64];
	size_t done = 0;
	open_pair(&pair, *state, TLS1_3_VERSION);
	while (bm_stream_read(pair.client, octets, sizeof octets, &done) == BM_STREAM_OK)
		continue;
	tls_peer_say(&pair.peer, "250 taken\r\n");
	pair.peer.most = pair.peer.said + 12;
	tls_peer_step(&pair.peer);
	close(pair.peer.fd);
	pair.peer.fd = -1;
	assert_int_equal(bm_stream_read(pair.client, octets, sizeof octets, &done), BM_STREAM_BROKEN);
	assert_int_equal(done, 0);
	assert_non_null(strstr(bm_stream_reason(pair.client), "closed the connection"));
	close_pair(&pair);
}

/* conformance: F41 */
static void a_spoilt_record_is_the_end(void **state)
{
	struct pair pair;
	char octets[64];
	size_t done = 0;
	open_pair(&pair, *state, TLS1_3_VERSION);
	assert_int_equal(send(pair.peer.fd,
						 "\x17\x03\x03\x00\x15"
						 "aaaaaaaaaaaaaaaaaaaaa",
						 26, 0),
		26);
	assert_int_equal(bm_stream_read(pair.client, octets, sizeof octets, &done), BM_STREAM_BROKEN);
	assert_non_null(strstr(bm_stream_reason(pair.client), "TLS reading failed"));
	assert_int_equal(ERR_peek_error(), 0);
	close_pair(&pair);
}

static void bids_farewell(void **state)
{
	struct pair pair;
	char octet;
	open_pair(&pair, *state, TLS1_3_VERSION);
	bm_stream_free(pair.client);
	tls_peer_step(&pair.peer);
	int result = SSL_read(pair.peer.ssl, &octet, 1);
	assert_int_equal(SSL_get_error(pair.peer.ssl, result), SSL_ERROR_ZERO_RETURN);
	tls_peer_close(&pair.peer);
	bm_tls_free(pair.tls);
	SSL_CTX_free(pair.server);
}

/* Connections go on by what they began with. */
static void outlives_its_policy(void **state)
{
	for (size_t i = 0; i < 2; i++) {
		struct pair pair = {.server = server_of(*state, versions[i]), .tls = policy_of(*state, true)};
		begin(&pair);
		bm_tls_free(pair.tls);
		assert_int_equal(tls_shake(pair.client, &pair.peer), BM_STREAM_OK);
		assert_true(bm_tls_channel(pair.client)->verified);
		assert_written(&pair, "EHLO me\r\n");
		tls_peer_say(&pair.peer, "250 ok\r\n");
		assert_read(&pair, "250 ok\r\n");
		end(&pair);
		SSL_CTX_free(pair.server);
	}
}

/* More than the reader's buffer holds: the rest is in OpenSSL, and no descriptor tells of it. */
static void what_is_left_in_the_record_is_pending(void **state)
{
	struct pair pair;
	char octets[4];
	size_t done = 0;
	open_pair(&pair, *state, TLS1_3_VERSION);
	tls_peer_say(&pair.peer, "250 ok\r\n");
	tls_peer_step(&pair.peer);
	assert_int_equal(bm_stream_read(pair.client, octets, sizeof octets, &done), BM_STREAM_OK);
	assert_int_equal(done, 4);
	assert_true(pair.client->pending);
	bm_stream_wait(pair.client, false, UINT64_MAX, NULL);
	assert_int_equal(bm_stream_read(pair.client, octets, sizeof octets, &done), BM_STREAM_OK);
	assert_int_equal(bm_stream_read(pair.client, octets, sizeof octets, &done), BM_STREAM_AGAIN);
	assert_false(pair.client->pending);
	close_pair(&pair);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(moves_octets_both_ways),
		cmocka_unit_test(binds_the_channel_as_the_server_does),
		cmocka_unit_test(says_whom_it_wants),
		cmocka_unit_test(begins_only_when_nothing_waits),
		cmocka_unit_test(takes_the_server_octet_by_octet),
		cmocka_unit_test(ends_wherever_the_server_leaves),
		cmocka_unit_test(ends_wherever_the_server_talks_nonsense),
		cmocka_unit_test(says_that_it_is_no_tls),
		cmocka_unit_test(bears_new_keys_and_many_tickets),
		cmocka_unit_test(a_flood_of_tickets_ends_a_read),
		cmocka_unit_test(does_not_renegotiate),
		cmocka_unit_test(resumes_who_was_verified),
		cmocka_unit_test(verifies_anew_in_time),
		cmocka_unit_test(uses_a_ticket_once),
		cmocka_unit_test(a_session_of_another_policy_is_refused),
		cmocka_unit_test(keeps_no_session_of_a_stranger),
		cmocka_unit_test(tells_what_left_in_whole_records),
		cmocka_unit_test(takes_what_was_not_told_with_it),
		cmocka_unit_test(a_broken_connection_stays_broken),
		cmocka_unit_test(the_end_is_told_even_if_the_socket_stays_open),
		cmocka_unit_test(a_cut_record_is_nothing),
		cmocka_unit_test(a_spoilt_record_is_the_end),
		cmocka_unit_test(bids_farewell),
		cmocka_unit_test(outlives_its_policy),
		cmocka_unit_test(what_is_left_in_the_record_is_pending),
	};
	return cmocka_run_group_tests(tests, set_up, tear_down);
}
