/* SPDX-License-Identifier: MIT */
/* Each allocation of OpenSSL fails in turn: what comes of it is an error, never a connection that is less than it says.
 */
#include "tls_peer.h"

#include "../unit.h"

#include <openssl/crypto.h>
#include <stdlib.h>
#include <unistd.h>

/* global: the allocator's; so many more succeed, then one fails */
static size_t left = SIZE_MAX;

static bool fails(void)
{
	return left != SIZE_MAX && left-- == 0;
}

static void *take(size_t size, const char *file, int line)
{
	(void)file;
	(void)line;
	return fails() ? NULL : malloc(size);
}

static void *take_again(void *memory, size_t size, const char *file, int line)
{
	(void)file;
	(void)line;
	return fails() ? NULL : realloc(memory, size);
}

static void give_back(void *memory, const char *file, int line)
{
	(void)file;
	(void)line;
	free(memory);
}

struct fixture {
	struct tls_identity authority;
	struct tls_identity identity;
	char trust[TLS_PATH_SIZE];
};

static int set_up(void **state)
{
	static struct fixture fixture;
	static const struct tls_cert_spec ca = {.name = "Test CA", .ca = true, .to_days = 10};
	static const struct tls_cert_spec leaf = {.san = "DNS:relay.test"};
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

/* The client's part of a handshake, the failures being its alone. */
static enum bm_stream_status shake(struct bm_stream *client, struct tls_peer *peer, size_t *budget)
{
	enum bm_stream_status status = BM_STREAM_AGAIN;
	for (int turn = 0; turn < 10 && status == BM_STREAM_AGAIN; turn++) {
		bool want_write = false;
		left = *budget;
		status = bm_stream_handshake(client, &want_write);
		*budget = left;
		left = SIZE_MAX;
		tls_peer_step(peer);
	}
	return status;
}

/* False once budget allocations were enough for all. */
static bool falls_short(const struct fixture *fixture, SSL_CTX *server, size_t budget)
{
	struct bm_tls_options options = {.verify = true, .host = "relay.test", .ca_file = fixture->trust};
	struct bm_tls *tls = NULL;
	struct bm_stream *under = NULL;
	struct bm_stream *client = NULL;
	struct tls_peer peer;
	enum bm_stream_status status = BM_STREAM_BROKEN;
	tls_peer_open(&peer, server, &under);
	left = budget;
	enum bm_code code = bm_tls_new(&tls, &options, NULL);
	if (code == BM_OK)
		code = bm_tls_wrap(&client, tls, under, NULL);
	budget = left;
	left = SIZE_MAX;
	assert_true(code == BM_OK || code == BM_E_NOMEM || code == BM_E_CONF);
	if (code == BM_OK) {
		status = shake(client, &peer, &budget);
		assert_true(status == BM_STREAM_OK ? bm_tls_channel(client)->verified : bm_stream_reason(client)[0] != '\0');
	}
	bm_stream_free(client != NULL ? client : under);
	bm_tls_free(tls);
	tls_peer_close(&peer);
	return budget == SIZE_MAX;
}

static void each_allocation_fails_in_turn(void **state)
{
	const struct fixture *fixture = *state;
	SSL_CTX *server = tls_server_context(&fixture->identity);
	/* what OpenSSL sets up once is no part of it */
	assert_false(falls_short(fixture, server, 1000000));
	size_t budget = 0;
	while (falls_short(fixture, server, budget))
		budget += budget < 300 ? 1 : 7;
	assert_true(budget > 300);
	SSL_CTX_free(server);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_allocation_fails_in_turn),
	};
	if (CRYPTO_set_mem_functions(take, take_again, give_back) != 1)
		return 1;
	return cmocka_run_group_tests(tests, set_up, tear_down);
}
