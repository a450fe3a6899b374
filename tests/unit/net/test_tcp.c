/* SPDX-License-Identifier: MIT */
#include "../unit.h"
#include "net/clock.h"
#include "net/stream.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* A socket on 127.0.0.1; connecting is refused until it listens. */
static int bound_socket(uint16_t *port)
{
	struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t size = sizeof address;
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_true(fd >= 0);
	assert_int_equal(bind(fd, (struct sockaddr *)&address, size), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&address, &size), 0);
	*port = ntohs(address.sin_port);
	return fd;
}

static struct bm_tcp_options options_for(const char *host, uint16_t port)
{
	struct bm_tcp_options options = {.host = host, .port = port, .tries = 2, .timeout_ms = 5000};
	return options;
}

/* F01; manual: MBS003 */
static void names_a_refused_connection(void **state)
{
	(void)state;
	uint16_t port = 0;
	char place[32];
	struct bm_stream *stream = NULL;
	struct bm_error err = BM_ERROR_INIT;
	int fd = bound_socket(&port);
	struct bm_tcp_options options = options_for("127.0.0.1", port);
	assert_int_equal(bm_stream_open_tcp(&stream, &options, &err), BM_E_CONNECT);
	assert_null(stream);
	assert_string_equal(err.id, "MBS003");
	assert_true(err.system_errno != 0);
	snprintf(place, sizeof place, "127.0.0.1:%u: ", (unsigned)port);
	assert_non_null(strstr(err.text, place));
	assert_non_null(strstr(err.text, "refused"));
	assert_int_equal(bm_stream_open_tcp(&stream, &options, NULL), BM_E_CONNECT);
	close(fd);
}

/* manual: MBS003 */
static void names_a_host_that_is_none(void **state)
{
	(void)state;
	static const char *const hosts[] = {"", "[]", "a..b", "[127.0.0.1"};
	for (size_t i = 0; i < sizeof hosts / sizeof hosts[0]; i++) {
		struct bm_stream *stream = NULL;
		struct bm_error err = BM_ERROR_INIT;
		struct bm_tcp_options options = options_for(hosts[i], 25);
		assert_int_equal(bm_stream_open_tcp(&stream, &options, &err), BM_E_CONNECT);
		assert_string_equal(err.id, "MBS003");
		assert_null(stream);
	}
}

/* manual: source_address, MBS002 */
static void names_a_source_address_that_is_none(void **state)
{
	(void)state;
	static const char *const sources[] = {"nonsense", "::1", "192.0.2.1"};
	uint16_t port = 0;
	int fd = bound_socket(&port);
	assert_int_equal(listen(fd, 5), 0);
	for (size_t i = 0; i < sizeof sources / sizeof sources[0]; i++) {
		struct bm_stream *stream = NULL;
		struct bm_error err = BM_ERROR_INIT;
		struct bm_tcp_options options = options_for("127.0.0.1", port);
		options.source_address = sources[i];
		assert_int_equal(bm_stream_open_tcp(&stream, &options, &err), BM_E_CONNECT);
		assert_string_equal(err.id, "MBS002");
	}
	close(fd);
}

static void check_open(const char *host, uint16_t port, int listening)
{
	struct bm_stream *stream = NULL;
	struct bm_error err = BM_ERROR_INIT;
	struct bm_tcp_options options = options_for(host, port);
	struct sockaddr_in peer;
	socklen_t size = sizeof peer;
	int no_delay = 0;
	socklen_t int_size = sizeof no_delay;
	char octets[8];
	size_t done = 0;

	options.source_address = "127.0.0.2";
	assert_int_equal(bm_stream_open_tcp(&stream, &options, &err), BM_OK);
	int server = accept(listening, (struct sockaddr *)&peer, &size);
	assert_true(server >= 0);
	assert_int_equal(ntohl(peer.sin_addr.s_addr), 0x7f000002);
	int fd = bm_stream_fd(stream);
	assert_true((fcntl(fd, F_GETFD) & FD_CLOEXEC) != 0);
	assert_int_equal(getsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &no_delay, &int_size), 0);
	assert_true(no_delay != 0);

	assert_int_equal(bm_stream_read(stream, octets, sizeof octets, &done), BM_STREAM_AGAIN);
	struct bm_span spans[] = {bm_span_of("ab"), bm_span_of("c")};
	assert_int_equal(bm_stream_write(stream, spans, 2, &done), BM_STREAM_OK);
	assert_int_equal(done, 3);
	assert_int_equal(recv(server, octets, 3, MSG_WAITALL), 3);
	assert_memory_equal(octets, "abc", 3);
	assert_int_equal(send(server, "xyz", 3, MSG_NOSIGNAL), 3);
	bm_stream_wait(stream, false, UINT64_MAX, NULL);
	assert_int_equal(bm_stream_read(stream, octets, sizeof octets, &done), BM_STREAM_OK);
	assert_int_equal(done, 3);
	close(server);
	bm_stream_wait(stream, false, UINT64_MAX, NULL);
	assert_int_equal(bm_stream_read(stream, octets, sizeof octets, &done), BM_STREAM_END);
	bm_stream_free(stream);
	bm_stream_free(NULL);
}

/* manual: source_address */
static void connects_moves_octets_and_sees_the_end(void **state)
{
	(void)state;
	uint16_t port = 0;
	int fd = bound_socket(&port);
	assert_int_equal(listen(fd, 5), 0);
	check_open("127.0.0.1", port, fd);
	check_open("[127.0.0.1]", port, fd);
	close(fd);
}

/* F46 by parts */
static void is_stopped_by_a_wake(void **state)
{
	(void)state;
	uint16_t port = 0;
	struct bm_stream *stream = NULL;
	struct bm_waker *waker = NULL;
	int fd = bound_socket(&port);
	assert_int_equal(listen(fd, 5), 0);
	assert_int_equal(bm_waker_new(&waker, NULL), BM_OK);
	bm_waker_wake(waker);
	struct bm_tcp_options options = options_for("127.0.0.1", port);
	options.waker = waker;
	assert_int_equal(bm_stream_open_tcp(&stream, &options, NULL), BM_E_STOPPED);
	assert_null(stream);
	bm_waker_clear(waker);
	assert_int_equal(bm_stream_open_tcp(&stream, &options, NULL), BM_OK);
	bm_stream_free(stream);
	bm_waker_free(waker);
	close(fd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(names_a_refused_connection),
		cmocka_unit_test(names_a_host_that_is_none),
		cmocka_unit_test(names_a_source_address_that_is_none),
		cmocka_unit_test(connects_moves_octets_and_sees_the_end),
		cmocka_unit_test(is_stopped_by_a_wake),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
