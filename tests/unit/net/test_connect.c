/* SPDX-License-Identifier: MIT */
#include "../unit.h"
#include "fake_dns.h"
#include "net/clock.h"
#include "net/connect.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

static const struct dns_name names[] = {
	{.name = "dead-live.test", .a = {"127.0.0.2", "127.0.0.3"}},
	{.name = "refused.test", .a = {"127.0.0.6", "127.0.0.7"}},
	{.name = "two.test", .a = {"127.0.0.3", "127.0.0.4"}},
	{.name = "silent.test", .kind = DNS_SILENT},
	{.name = "mixed.test", .a = {"127.0.0.3"}, .aaaa = {"::1"}},
};

struct result {
	bool told;
	struct bm_stream *stream;
	struct bm_error err;
	uint64_t took_ms;
};

static void on_result(void *user, struct bm_stream *stream, const struct bm_error *err)
{
	struct result *result = user;
	assert_false(result->told);
	result->told = true;
	result->stream = stream;
	result->err = *err;
}

/* A listener on an IPv4 literal; *port 0: any, else this one. */
static int listener(const char *literal, uint16_t *port, int backlog)
{
	struct sockaddr_in place = {.sin_family = AF_INET, .sin_port = htons(*port)};
	socklen_t size = sizeof place;
	int one = 1;
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_true(fd >= 0);
	assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one), 0);
	assert_int_equal(inet_pton(AF_INET, literal, &place.sin_addr), 1);
	assert_int_equal(bind(fd, (struct sockaddr *)&place, size), 0);
	assert_int_equal(listen(fd, backlog), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&place, &size), 0);
	*port = ntohs(place.sin_port);
	return fd;
}

static int listener_six(uint16_t *port)
{
	struct sockaddr_in6 place = {
		.sin6_family = AF_INET6, .sin6_addr = IN6ADDR_LOOPBACK_INIT, .sin6_port = htons(*port)};
	socklen_t size = sizeof place;
	int one = 1;
	int fd = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_true(fd >= 0);
	assert_int_equal(setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &one, sizeof one), 0);
	assert_int_equal(bind(fd, (struct sockaddr *)&place, size), 0);
	assert_int_equal(listen(fd, 8), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&place, &size), 0);
	*port = ntohs(place.sin6_port);
	return fd;
}

static struct bm_tcp_options options_for(const char *host, uint16_t port)
{
	struct bm_tcp_options options = {.host = host, .port = port, .tries = 1, .timeout_ms = 5000};
	return options;
}

static struct result connect_to(const struct bm_tcp_options *options)
{
	struct result result = {.told = false};
	struct fake_dns dns;
	struct bm_loop *loop = NULL;
	struct bm_connect *connect = NULL;
	fake_dns_start(&dns, names, sizeof names / sizeof names[0]);
	struct bm_resolver resolver = {.servers = dns.place, .timeout_ms = 100, .tries = 1};
	uint64_t begun = bm_clock_monotonic_ms();
	uint64_t until = begun + 20000;

	assert_int_equal(bm_loop_new(&loop, NULL, NULL), BM_OK);
	assert_int_equal(bm_connect_start(&connect, loop, options, &resolver, on_result, &result, NULL), BM_OK);
	assert_false(result.told);
	while (!result.told && bm_clock_monotonic_ms() < until)
		bm_loop_wait(loop, until);
	assert_true(result.told);
	result.took_ms = bm_clock_monotonic_ms() - begun;
	bm_loop_free(loop);
	fake_dns_finish(&dns);
	return result;
}

/* Who called at the listener, as text; closes both ends. */
static void assert_caller(struct result *result, int listening, const char *literal)
{
	struct sockaddr_storage peer = {0};
	socklen_t size = sizeof peer;
	char text[INET6_ADDRSTRLEN] = "";
	assert_non_null(result->stream);
	assert_int_equal(result->err.code, BM_OK);
	int fd = accept(listening, (struct sockaddr *)&peer, &size);
	assert_true(fd >= 0);
	const void *octets = peer.ss_family == AF_INET ? (const void *)&((struct sockaddr_in *)&peer)->sin_addr
												   : (const void *)&((struct sockaddr_in6 *)&peer)->sin6_addr;
	inet_ntop(peer.ss_family, octets, text, sizeof text);
	assert_string_equal(text, literal);
	bm_stream_free(result->stream);
	close(fd);
}

/* F01 */
/* conformance: F39 */
static void the_next_address_when_one_is_dead(void **state)
{
	(void)state;
	uint16_t port = 0;
	int fd = listener("127.0.0.3", &port, 8);
	struct bm_tcp_options options = options_for("dead-live.test", port);
	struct result result = connect_to(&options);
	assert_true(result.took_ms < BM_CONNECT_STAGGER_MS);
	assert_caller(&result, fd, "127.0.0.1");
	close(fd);
}

/* manual: MBS003 */
static void refused_everywhere_after_all_rounds(void **state)
{
	(void)state;
	uint16_t port = 0;
	int fd = listener("127.0.0.3", &port, 8);
	struct bm_tcp_options options = options_for("refused.test", port);
	options.tries = 3;
	struct result result = connect_to(&options);
	assert_null(result.stream);
	assert_string_equal(result.err.id, "MBS003");
	assert_int_equal(result.err.code, BM_E_CONNECT);
	assert_non_null(strstr(result.err.text, "refused.test:"));
	assert_non_null(strstr(result.err.text, "refused"));
	assert_non_null(strstr(result.err.text, "(127.0.0.7)"));
	close(fd);
}

static void localhost_over_either_family(void **state)
{
	(void)state;
	uint16_t port = 0;
	int fd = listener("127.0.0.1", &port, 8);
	struct bm_tcp_options options = options_for("localhost", port);
	struct result result = connect_to(&options);
	assert_caller(&result, fd, "127.0.0.1");
	close(fd);
	port = 0;
	fd = listener_six(&port);
	options.port = port;
	result = connect_to(&options);
	assert_caller(&result, fd, "::1");
	options.host = "[::1]";
	result = connect_to(&options);
	assert_caller(&result, fd, "::1");
	close(fd);
}

/* Nobody accepts, and its queue is full: nothing is answered any more. */
static int black_hole(const char *literal, uint16_t *port, int fillers[4])
{
	struct sockaddr_in place = {.sin_family = AF_INET};
	int fd = listener(literal, port, 0);
	place.sin_port = htons(*port);
	assert_int_equal(inet_pton(AF_INET, literal, &place.sin_addr), 1);
	for (size_t i = 0; i < 4; i++) {
		fillers[i] = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
		assert_true(fillers[i] >= 0);
		(void)connect(fillers[i], (struct sockaddr *)&place, sizeof place);
	}
	return fd;
}

/* conformance: F02, F39 */
static void an_address_that_is_silent_is_not_waited_for(void **state)
{
	(void)state;
	uint16_t port = 0;
	int fillers[4];
	int hole = black_hole("127.0.0.3", &port, fillers);
	int fd = listener("127.0.0.4", &port, 8);
	struct bm_tcp_options options = options_for("two.test", port);
	struct result result = connect_to(&options);
	assert_in_range(result.took_ms, BM_CONNECT_STAGGER_MS - 1, 4000);
	assert_caller(&result, fd, "127.0.0.1");
	for (size_t i = 0; i < 4; i++)
		close(fillers[i]);
	close(hole);
	close(fd);
}

/* manual: MBS003 */
/* conformance: F02 */
static void a_silent_address_times_out(void **state)
{
	(void)state;
	uint16_t port = 0;
	int fillers[4];
	int hole = black_hole("127.0.0.3", &port, fillers);
	struct bm_tcp_options options = options_for("127.0.0.3", port);
	options.timeout_ms = 50;
	options.tries = 2;
	struct result result = connect_to(&options);
	assert_null(result.stream);
	assert_string_equal(result.err.id, "MBS003");
	assert_non_null(strstr(result.err.text, "timed out"));
	assert_in_range(result.took_ms, 99, 4000);
	for (size_t i = 0; i < 4; i++)
		close(fillers[i]);
	close(hole);
}

/* manual: source_address, MBS002 */
static void the_source_address_is_used(void **state)
{
	(void)state;
	uint16_t port = 0;
	int fd = listener("127.0.0.3", &port, 8);
	struct bm_tcp_options options = options_for("mixed.test", port);
	options.source_address = "127.0.0.9";
	/* ::1 cannot be reached from there, which is no error of the whole */
	struct result result = connect_to(&options);
	assert_caller(&result, fd, "127.0.0.9");
	options.source_address = "nonsense";
	result = connect_to(&options);
	assert_null(result.stream);
	assert_string_equal(result.err.id, "MBS002");
	options.host = "127.0.0.3";
	options.source_address = "::1";
	result = connect_to(&options);
	assert_null(result.stream);
	assert_string_equal(result.err.id, "MBS002");
	close(fd);
}

/* conformance: F31 */
static void the_socket_is_as_it_should_be(void **state)
{
	(void)state;
	uint16_t port = 0;
	int fd = listener("127.0.0.1", &port, 8);
	struct bm_tcp_options options = options_for("127.0.0.1", port);
	struct result result = connect_to(&options);
	int value = 0;
	socklen_t size = sizeof value;
	int made = bm_stream_fd(result.stream);
	assert_true((fcntl(made, F_GETFD) & FD_CLOEXEC) != 0);
	assert_true((fcntl(made, F_GETFL) & O_NONBLOCK) != 0);
	assert_int_equal(getsockopt(made, IPPROTO_TCP, TCP_NODELAY, &value, &size), 0);
	assert_true(value != 0);
	assert_int_equal(getsockopt(made, SOL_SOCKET, SO_KEEPALIVE, &value, &size), 0);
	assert_true(value != 0);
	/* a peer without power is noticed within minutes */
	assert_int_equal(getsockopt(made, IPPROTO_TCP, TCP_KEEPIDLE, &value, &size), 0);
	assert_in_range(value, 1, 120);
	assert_int_equal(getsockopt(made, IPPROTO_TCP, TCP_KEEPINTVL, &value, &size), 0);
	assert_in_range(value, 1, 60);
	assert_int_equal(getsockopt(made, IPPROTO_TCP, TCP_USER_TIMEOUT, &value, &size), 0);
	assert_in_range(value, 1, 600000);
	assert_caller(&result, fd, "127.0.0.1");
	close(fd);
}

/* manual: MBS003 */
/* conformance: F39 */
static void a_name_without_an_answer(void **state)
{
	(void)state;
	static const char *const hosts[] = {"silent.test", "unknown.test", "", "[]"};
	for (size_t i = 0; i < sizeof hosts / sizeof hosts[0]; i++) {
		struct bm_tcp_options options = options_for(hosts[i], 25);
		struct result result = connect_to(&options);
		assert_null(result.stream);
		assert_string_equal(result.err.id, "MBS003");
	}
}

static int unix_listener(char host[64], const char **path)
{
	struct sockaddr_un place = {.sun_family = AF_UNIX};
	snprintf(host, 64, "unix:/tmp/bulkmail-test-%ld", (long)getpid());
	*path = host + 5;
	snprintf(place.sun_path, sizeof place.sun_path, "%s", *path);
	unlink(*path);
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_true(fd >= 0);
	assert_int_equal(bind(fd, (struct sockaddr *)&place, sizeof place), 0);
	assert_int_equal(listen(fd, 8), 0);
	return fd;
}

static void a_unix_socket(void **state)
{
	(void)state;
	char host[64];
	const char *path = NULL;
	char octets[2];
	size_t done = 0;
	int listening = unix_listener(host, &path);
	struct bm_tcp_options options = options_for(host, 0);
	options.source_address = "127.0.0.1";
	struct result result = connect_to(&options);
	assert_non_null(result.stream);
	int fd = accept(listening, NULL, NULL);
	assert_int_equal(send(fd, "hi", 2, MSG_NOSIGNAL), 2);
	assert_int_equal(bm_stream_read(result.stream, octets, sizeof octets, &done), BM_STREAM_OK);
	assert_int_equal(done, 2);
	bm_stream_free(result.stream);
	close(fd);
	close(listening);
	result = connect_to(&options);
	assert_null(result.stream);
	assert_string_equal(result.err.id, "MBS003");
	assert_memory_equal(result.err.text, host, strlen(host));
	assert_non_null(strstr(result.err.text, ": no connection: Connection refused"));
	unlink(path);
	result = connect_to(&options);
	assert_null(result.stream);
	assert_non_null(strstr(result.err.text, "No such file"));
}

/* manual: MBS003 */
static void a_path_that_is_none(void **state)
{
	(void)state;
	char host[300] = "unix:/";
	struct bm_tcp_options options = options_for("unix:", 0);
	struct result result = connect_to(&options);
	assert_string_equal(result.err.id, "MBS003");
	memset(host + 6, 'x', sizeof host - 7);
	options.host = host;
	result = connect_to(&options);
	assert_string_equal(result.err.id, "MBS003");
	assert_non_null(strstr(result.err.text, "a path has 1 to 107 octets"));
}

static void it_can_be_given_up_at_any_time(void **state)
{
	(void)state;
	uint16_t port = 0;
	int fillers[4];
	int hole = black_hole("127.0.0.3", &port, fillers);
	struct result result = {.told = false};
	struct bm_loop *loop = NULL;
	struct bm_connect *connect = NULL;
	struct bm_tcp_options options = options_for("127.0.0.3", port);
	assert_int_equal(bm_loop_new(&loop, NULL, NULL), BM_OK);
	for (unsigned rounds = 0; rounds < 4; rounds++) {
		assert_int_equal(bm_connect_start(&connect, loop, &options, NULL, on_result, &result, NULL), BM_OK);
		for (unsigned i = 0; i < rounds; i++)
			bm_loop_wait(loop, 0);
		bm_connect_cancel(connect);
	}
	bm_connect_cancel(NULL);
	assert_false(result.told);
	bm_loop_free(loop);
	for (size_t i = 0; i < 4; i++)
		close(fillers[i]);
	close(hole);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_next_address_when_one_is_dead),
		cmocka_unit_test(refused_everywhere_after_all_rounds),
		cmocka_unit_test(localhost_over_either_family),
		cmocka_unit_test(an_address_that_is_silent_is_not_waited_for),
		cmocka_unit_test(a_silent_address_times_out),
		cmocka_unit_test(the_source_address_is_used),
		cmocka_unit_test(the_socket_is_as_it_should_be),
		cmocka_unit_test(a_name_without_an_answer),
		cmocka_unit_test(a_unix_socket),
		cmocka_unit_test(a_path_that_is_none),
		cmocka_unit_test(it_can_be_given_up_at_any_time),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
