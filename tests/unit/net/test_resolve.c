/* SPDX-License-Identifier: MIT */
#include "../unit.h"
#include "fake_dns.h"
#include "net/clock.h"
#include "net/resolve.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <string.h>

static const struct dns_name names[] = {
	{.name = "one.test", .a = {"127.0.0.5"}},
	{.name = "six.test", .aaaa = {"::1"}},
	{.name = "both.test", .a = {"127.0.0.1", "127.0.0.2", "127.0.0.3"}, .aaaa = {"::1"}},
	{.name = "alias.test", .alias = "one.test", .a = {"127.0.0.5"}},
	{.name = "empty.test"},
	{.name = "broken.test", .kind = DNS_SERVFAIL},
	{.name = "none.test", .kind = DNS_NXDOMAIN},
	{.name = "silent.test", .kind = DNS_SILENT},
	{.name = "many.test", .many = 500},
};

struct answer {
	bool told;
	size_t count;
	char why[128];
	char addresses[BM_ENDPOINTS_MAX][INET6_ADDRSTRLEN];
	unsigned port;
};

static void on_answer(void *user, const struct bm_endpoint *addresses, size_t count, const char *why)
{
	struct answer *answer = user;
	assert_false(answer->told);
	answer->told = true;
	answer->count = count;
	if (count == 0)
		strncpy(answer->why, why, sizeof answer->why - 1);
	for (size_t i = 0; i < count; i++) {
		const struct sockaddr_in *four = (const struct sockaddr_in *)&addresses[i].place;
		const struct sockaddr_in6 *six = (const struct sockaddr_in6 *)&addresses[i].place;
		bool is_four = addresses[i].place.ss_family == AF_INET;
		const void *octets = is_four ? (const void *)&four->sin_addr : (const void *)&six->sin6_addr;
		assert_non_null(
			inet_ntop(addresses[i].place.ss_family, octets, answer->addresses[i], sizeof answer->addresses[i]));
		answer->port = ntohs(is_four ? four->sin_port : six->sin6_port);
	}
}

static struct answer look_up(const char *host, const struct bm_resolver *resolver)
{
	struct answer answer = {.told = false};
	struct bm_loop *loop = NULL;
	struct bm_lookup *lookup = NULL;
	uint64_t until = bm_clock_monotonic_ms() + 20000;

	assert_int_equal(bm_loop_new(&loop, NULL, NULL), BM_OK);
	assert_int_equal(bm_lookup_start(&lookup, loop, host, 2525, resolver, on_answer, &answer, NULL), BM_OK);
	/* never from within the call */
	assert_false(answer.told);
	while (!answer.told && bm_clock_monotonic_ms() < until)
		bm_loop_wait(loop, until);
	assert_true(answer.told);
	bm_loop_free(loop);
	return answer;
}

static struct answer ask(const char *host)
{
	struct fake_dns dns;
	fake_dns_start(&dns, names, sizeof names / sizeof names[0]);
	struct bm_resolver resolver = {.servers = dns.place, .timeout_ms = 100, .tries = 1};
	struct answer answer = look_up(host, &resolver);
	fake_dns_finish(&dns);
	return answer;
}

static void literals_need_no_name_server(void **state)
{
	(void)state;
	static const char *const literals[] = {"127.0.0.1", "::1", "192.0.2.7", "2001:db8::1"};
	/* nobody answers there */
	struct bm_resolver nobody = {.servers = "192.0.2.1:53", .timeout_ms = 60000, .tries = 1};
	for (size_t i = 0; i < sizeof literals / sizeof literals[0]; i++) {
		struct answer answer = look_up(literals[i], &nobody);
		assert_int_equal(answer.count, 1);
		assert_string_equal(answer.addresses[0], literals[i]);
		assert_int_equal(answer.port, 2525);
	}
}

static bool has(const struct answer *answer, const char *address)
{
	for (size_t i = 0; i < answer->count; i++) {
		if (strcmp(answer->addresses[i], address) == 0)
			return true;
	}
	return false;
}

static void localhost_has_both_families(void **state)
{
	(void)state;
	struct answer answer = look_up("localhost", NULL);
	assert_true(has(&answer, "127.0.0.1"));
	assert_true(has(&answer, "::1"));
}

static void what_is_no_name_is_not_asked_for(void **state)
{
	(void)state;
	static const char *const hosts[] = {"a..b", "[127.0.0.1", ".", "a b", "a\xc3\xa9", "a/b", ""};
	for (size_t i = 0; i < sizeof hosts / sizeof hosts[0]; i++) {
		struct answer answer = look_up(hosts[i], NULL);
		assert_int_equal(answer.count, 0);
		assert_string_equal(answer.why, "it is no name of a host");
	}
}

/* conformance: F39 */
static void names_of_one_family_and_aliases(void **state)
{
	(void)state;
	static const char *const pairs[][2] = {
		{"one.test", "127.0.0.5"}, {"six.test", "::1"}, {"alias.test", "127.0.0.5"}, {"ONE.test", "127.0.0.5"}};
	for (size_t i = 0; i < sizeof pairs / sizeof pairs[0]; i++) {
		struct answer answer = ask(pairs[i][0]);
		assert_int_equal(answer.count, 1);
		assert_string_equal(answer.addresses[0], pairs[i][1]);
		assert_int_equal(answer.port, 2525);
	}
}

/* RFC 6724: the same loopback first; RFC 8305, 4: then the families in turn. */
/* conformance: F39 */
static void families_take_turns(void **state)
{
	(void)state;
	struct answer answer = ask("both.test");
	assert_int_equal(answer.count, 4);
	assert_string_equal(answer.addresses[0], "::1");
	assert_string_equal(answer.addresses[1], "127.0.0.1");
	assert_string_equal(answer.addresses[2], "127.0.0.2");
	assert_string_equal(answer.addresses[3], "127.0.0.3");
}

/* conformance: F39 */
static void failures_are_told(void **state)
{
	(void)state;
	static const char *const hosts[] = {"empty.test", "broken.test", "none.test", "silent.test"};
	for (size_t i = 0; i < sizeof hosts / sizeof hosts[0]; i++) {
		struct answer answer = ask(hosts[i]);
		assert_int_equal(answer.count, 0);
		assert_true(answer.why[0] != '\0');
	}
	/* nobody listens */
	struct bm_resolver nobody = {.servers = "127.0.0.1:1", .timeout_ms = 100, .tries = 1};
	struct answer answer = look_up("one.test", &nobody);
	assert_int_equal(answer.count, 0);
	struct bm_resolver nonsense = {.servers = "nonsense", .timeout_ms = 100, .tries = 1};
	answer = look_up("one.test", &nonsense);
	assert_int_equal(answer.count, 0);
}

/* conformance: F39 */
static void many_addresses_are_cut(void **state)
{
	(void)state;
	struct answer answer = ask("many.test");
	assert_int_equal(answer.count, BM_ENDPOINTS_MAX);
	assert_string_equal(answer.addresses[0], "127.1.0.0");
	assert_string_equal(answer.addresses[99], "127.1.0.99");
}

static void a_lookup_can_be_given_up(void **state)
{
	(void)state;
	struct fake_dns dns;
	struct answer answer = {.told = false};
	struct bm_loop *loop = NULL;
	struct bm_lookup *lookup = NULL;
	fake_dns_start(&dns, names, sizeof names / sizeof names[0]);
	struct bm_resolver resolver = {.servers = dns.place, .timeout_ms = 100, .tries = 1};
	assert_int_equal(bm_loop_new(&loop, NULL, NULL), BM_OK);
	assert_int_equal(bm_lookup_start(&lookup, loop, "silent.test", 25, &resolver, on_answer, &answer, NULL), BM_OK);
	bm_loop_wait(loop, 0);
	bm_lookup_cancel(lookup);
	assert_int_equal(bm_lookup_start(&lookup, loop, "127.0.0.1", 25, &resolver, on_answer, &answer, NULL), BM_OK);
	bm_lookup_cancel(lookup);
	bm_lookup_cancel(NULL);
	bm_loop_wait(loop, 0);
	assert_false(answer.told);
	bm_loop_free(loop);
	fake_dns_finish(&dns);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(literals_need_no_name_server),
		cmocka_unit_test(localhost_has_both_families),
		cmocka_unit_test(what_is_no_name_is_not_asked_for),
		cmocka_unit_test(names_of_one_family_and_aliases),
		cmocka_unit_test(families_take_turns),
		cmocka_unit_test(failures_are_told),
		cmocka_unit_test(many_addresses_are_cut),
		cmocka_unit_test(a_lookup_can_be_given_up),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
