/* SPDX-License-Identifier: MIT */
/* A server as an object: attributes, counters and limits, the connection and the log of its talk. */
#include "../store/scratch.h"
#include "peer.h"

#include <stdlib.h>
#include <time.h>

struct number {
	const char *name;
	size_t offset;
	const char *initial; /* NULL: unset */
	const char *low;
	const char *below; /* NULL: there is nothing below */
	const char *high;
	const char *above;
};

#define FIELD(member) offsetof(struct bm_server_options, member)
#define COUNT(member, initial)                                                                                         \
	{                                                                                                                  \
#member, FIELD(member), initial, "0", NULL, "1000000000", "1000000001"                                         \
	}

static const struct number numbers[] = {
	{"Port", FIELD(port), "25", "1", "0", "65535", "65536"},
	{"Tries", FIELD(tries), NULL, "1", "0", "1000000", "1000001"},
	{"max_connection_attempts", FIELD(max_connection_attempts), "5", "1", "0", "1000000", "1000001"},
	COUNT(envelope_limit, "100"),
	COUNT(max_messages, "0"),
	COUNT(max_messages_per_robin, "0"),
	COUNT(max_messages_per_connection, "0"),
	COUNT(max_messages_while_awake, "0"),
	COUNT(max_errors_per_connection, "8"),
	{"sleep_length", FIELD(sleep_length), "0", "0", NULL, "604800", "604801"},
	{"talk_attempts", FIELD(talk_attempts), "1", "0", NULL, "1000000", "1000001"},
	{"time_out", FIELD(time_out), "0", "0", NULL, "86400", "86401"},
};

static struct bm_server *new_server(void)
{
	struct bm_server *server = NULL;
	struct bm_error err = BM_ERROR_INIT;
	assert_int_equal(bm_server_new(&server, NULL, &err), BM_OK);
	return server;
}

static void refuse(struct bm_server *server, const char *name, const char *value)
{
	struct bm_error err = BM_ERROR_INIT;
	if (bm_server_set(server, name, value, &err) == BM_OK)
		fail_msg("%s = %s was taken", name, value == NULL ? "undef" : value);
	assert_string_equal(err.id, "MBO004");
	assert_non_null(strstr(err.text, name));
}

static void assert_attribute(struct bm_server *server, const char *name, const char *expected)
{
	const char *value = get_attribute(server, name);
	if (expected == NULL)
		assert_null(value);
	else
		assert_string_equal(value, expected);
}

static uint64_t typed(const struct bm_server *server, size_t offset)
{
	uint64_t value;
	memcpy(&value, (const char *)bm_server_options(server) + offset, sizeof value);
	return value;
}

static void try_number(struct bm_server *server, const struct number *number)
{
	assert_attribute(server, number->name, number->initial);
	set_attribute(server, number->name, number->high);
	assert_attribute(server, number->name, number->high);
	assert_int_equal(typed(server, number->offset), strtoull(number->high, NULL, 10));
	refuse(server, number->name, number->above);
	if (number->below != NULL)
		refuse(server, number->name, number->below);
	refuse(server, number->name, "-1");
	refuse(server, number->name, "twentyfive");
	refuse(server, number->name, "");
	/* what was refused changed nothing */
	assert_attribute(server, number->name, number->high);
	set_attribute(server, number->name, number->low);
	assert_attribute(server, number->name, number->low);
	set_attribute(server, number->name, NULL);
	assert_attribute(server, number->name, number->initial);
}

/* manual: Port, Tries, max_connection_attempts, envelope_limit, max_messages, max_messages_per_robin, MBO004 */
/* manual: max_messages_per_connection, max_messages_while_awake, sleep_length, talk_attempts, time_out, row-seconds */
/* manual: max_errors_per_connection */
static void numbers_have_defaults_and_bounds(void **state)
{
	(void)state;
	struct bm_server *server = new_server();
	for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++)
		try_number(server, &numbers[i]);
	bm_server_free(server);
}

/* manual: Smtp, Domain, CONVERSATION, source_address, dummy_file, pipelining, tls, MBO004 */
static void texts_are_unset_at_first(void **state)
{
	(void)state;
	static const char *const names[] = {"Smtp", "Domain", "CONVERSATION", "source_address", "dummy_file", "server_file",
		"pipelining", "tls", "tls_ca_file", "tls_pin", "user", "password_file", "password_command", "auth", "rate"};
	struct bm_server *server = new_server();
	for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
		assert_attribute(server, names[i], NULL);
	set_attribute(server, "Smtp", "relay.example");
	set_attribute(server, "Domain", "me.example");
	set_attribute(server, "source_address", "127.0.0.1");
	set_attribute(server, "pipelining", "off");
	assert_attribute(server, "Smtp", "relay.example");
	assert_string_equal(bm_server_options(server)->smtp, "relay.example");
	assert_string_equal(bm_server_options(server)->domain, "me.example");
	assert_string_equal(bm_server_options(server)->source_address, "127.0.0.1");
	assert_string_equal(bm_server_options(server)->pipelining, "off");
	refuse(server, "Smtp", "");
	refuse(server, "Smtp", "two words");
	refuse(server, "Domain", "me\r\nRSET");
	refuse(server, "pipelining", "sideways");
	set_attribute(server, "Smtp", NULL);
	assert_attribute(server, "Smtp", NULL);
	bm_server_free(server);
}

/* manual: connections, pipelining, pipeline_depth, tls, tls_wrapper, tls_ca_file, tls_pin, user, password_file */
/* manual: password_command, auth, rate, protocol, tls_cert_file, tls_key_file, MBO004 */
static void what_cannot_be_honoured_is_refused(void **state)
{
	(void)state;
	static const struct bm_attribute wrong[] = {{"connections", "0"}, {"pipelining", "fast"}, {"pipeline_depth", "0"},
		{"tls", "yes"}, {"tls_wrapper", "2"}, {"tls_ca_file", ""}, {"tls_pin", ""}, {"tls_cert_file", ""},
		{"tls_key_file", "a\nb"}, {"user", ""}, {"password_file", ""}, {"password_command", ""},
		{"auth", "PLAIN, NTLM"}, {"auth", " , "}, {"rate", "5/60"}, {"protocol", "http"}};
	static const struct bm_attribute fine[] = {{"connections", "1"}, {"pipelining", "envelope"}, {"tls", "verify"},
		{"tls_wrapper", "0"}, {"tls_ca_file", "/etc/ca"}, {"tls_pin", "00"}, {"tls_cert_file", "/etc/c"},
		{"tls_key_file", "/etc/k"}, {"user", "me"}, {"password_file", "/etc/p"}, {"password_command", "pass"},
		{"auth", "xoauth2,PLAIN"}, {"protocol", "lmtp"}};
	struct bm_server *server = new_server();
	struct bm_server_options options = BM_SERVER_OPTIONS_INIT;
	struct bm_server *other = server;
	struct bm_error err = BM_ERROR_INIT;
	for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++)
		refuse(server, wrong[i].name, wrong[i].value);
	assert_attribute(server, "tls_wrapper", NULL);
	for (size_t i = 0; i < sizeof fine / sizeof fine[0]; i++) {
		set_attribute(server, fine[i].name, fine[i].value);
		assert_attribute(server, fine[i].name, fine[i].value);
	}
	bm_server_free(server);
	options.auth = "GSSAPI";
	assert_int_not_equal(bm_server_new(&other, &options, &err), BM_OK);
	assert_string_equal(err.id, "MBO004");
	assert_null(other);
}

/* manual: new, Port */
static void new_takes_a_struct(void **state)
{
	(void)state;
	struct bm_server_options options = BM_SERVER_OPTIONS_INIT;
	struct bm_server *server = NULL;
	struct bm_error err = BM_ERROR_INIT;
	char name[] = "relay.example";
	options.smtp = name;
	options.max_messages = 7;
	assert_int_equal(bm_server_new(&server, &options, &err), BM_OK);
	/* strings are copied */
	name[0] = 'X';
	assert_string_equal(bm_server_options(server)->smtp, "relay.example");
	assert_attribute(server, "max_messages", "7");
	assert_false(bm_server_worthless(server));
	bm_server_free(server);

	options.port = 65536;
	assert_int_not_equal(bm_server_new(&server, &options, &err), BM_OK);
	assert_string_equal(err.id, "MBO004");
	assert_non_null(strstr(err.text, "Port"));
	assert_null(server);
	options.port = 25;
	options.max_connection_attempts = 0;
	assert_int_not_equal(bm_server_new(&server, &options, &err), BM_OK);
	assert_non_null(strstr(err.text, "max_connection_attempts"));
	bm_server_free(NULL);
}

/* A caller that was built with an older, smaller struct gets the defaults of the rest. */
/* conformance: A45 */
static void new_takes_an_older_struct(void **state)
{
	(void)state;
	struct bm_server_options options = BM_SERVER_OPTIONS_INIT;
	struct bm_server *server = NULL;
	struct bm_error err = BM_ERROR_INIT;
	options.size = FIELD(envelope_limit);
	options.smtp = "relay.example";
	options.envelope_limit = 3;
	assert_int_equal(bm_server_new(&server, &options, &err), BM_OK);
	assert_attribute(server, "Smtp", "relay.example");
	assert_attribute(server, "envelope_limit", "100");
	bm_server_free(server);
}

/* manual: new, new-unknown-name, MBO004 */
static void new_takes_names_and_values(void **state)
{
	(void)state;
	static const struct bm_attribute good[] = {
		{"Smtp", "relay.example"}, {"Port", "2525"}, {"max_message_per_robin", "9"}, {"time_out", NULL}};
	static const struct bm_attribute unknown[] = {{"Smtp", "relay.example"}, {"Prot", "2525"}};
	static const struct bm_attribute wrong[] = {{"Port", "twentyfive"}};
	struct bm_server *server = NULL;
	struct bm_error err = BM_ERROR_INIT;
	assert_int_equal(bm_server_new_named(&server, good, 4, &err), BM_OK);
	assert_attribute(server, "Port", "2525");
	assert_attribute(server, "max_messages_per_robin", "9");
	bm_server_free(server);
	assert_int_equal(bm_server_new_named(&server, unknown, 2, &err), BM_E_USAGE);
	assert_string_equal(err.id, "MBO004");
	assert_non_null(strstr(err.text, "\"Prot\""));
	assert_non_null(strstr(err.text, "\"Port\""));
	assert_null(server);
	assert_int_equal(bm_server_new_named(&server, wrong, 1, &err), BM_E_CONF);
	assert_string_equal(err.id, "MBO004");
	assert_null(server);
}

/* manual: new-unknown-name, MBO004 */
static void unknown_names_are_refused(void **state)
{
	(void)state;
	struct bm_server *server = new_server();
	struct bm_error err = BM_ERROR_INIT;
	const char *value = "untouched";
	assert_int_equal(bm_server_set(server, "envelop_limit", "1", &err), BM_E_USAGE);
	assert_string_equal(err.id, "MBO004");
	assert_non_null(strstr(err.text, "\"envelope_limit\""));
	assert_int_equal(bm_server_get(server, "smpt", &value, &err), BM_E_USAGE);
	assert_null(value);
	assert_non_null(strstr(err.text, "\"Smtp\""));
	/* nothing is near, and nothing is guessed; a campaign's attribute is no server's */
	assert_int_equal(bm_server_set(server, "colour_of_the_cat", "1", &err), BM_E_USAGE);
	assert_null(strstr(err.text, "did you mean"));
	assert_int_equal(bm_server_set(server, "From", "a@b.example", &err), BM_E_USAGE);
	bm_server_free(server);
}

/* manual: connected, socket, time_of_last_message, server_file, MBO004 */
static void some_can_only_be_read(void **state)
{
	(void)state;
	struct bm_server *server = new_server();
	refuse(server, "connected", "1");
	refuse(server, "connected", NULL);
	refuse(server, "socket", "3");
	refuse(server, "time_of_last_message", "1");
	refuse(server, "server_file", "/etc/servers");
	assert_attribute(server, "connected", "0");
	assert_attribute(server, "socket", "-1");
	assert_attribute(server, "time_of_last_message", NULL);
	assert_int_equal(bm_server_time_of_last_message(server), 0);
	assert_int_equal(bm_server_socket(server), -1);
	bm_server_free(server);
}

static void send_messages(struct bm_server *server, int count)
{
	for (int i = 0; i < count; i++)
		bm_server_increment_messages_sent(server);
}

/* total, robin, connection, awake, envelope */
static void assert_counters(const struct bm_server *server, const uint64_t expected[5])
{
	struct bm_server_counters counters = bm_server_counters(server);
	assert_int_equal(counters.messages, expected[0]);
	assert_int_equal(counters.messages_robin, expected[1]);
	assert_int_equal(counters.messages_connection, expected[2]);
	assert_int_equal(counters.messages_awake, expected[3]);
	assert_int_equal(counters.messages_envelope, expected[4]);
}

/* manual: increment_messages_sent, reset_message_counters, reset_envelope_counter, time_of_last_message */
static void counts_messages(void **state)
{
	(void)state;
	struct bm_server *server = new_server();
	uint64_t before = (uint64_t)time(NULL);
	assert_counters(server, (const uint64_t[]){0, 0, 0, 0, 0});
	send_messages(server, 3);
	uint64_t last = bm_server_time_of_last_message(server);
	/* time() may lag behind the clock by a tick */
	assert_true(last >= before && last <= (uint64_t)time(NULL) + 1);
	assert_int_equal(strtoull(get_attribute(server, "time_of_last_message"), NULL, 10), last);
	assert_counters(server, (const uint64_t[]){3, 3, 3, 3, 3});
	bm_server_reset_envelope_counter(server);
	assert_counters(server, (const uint64_t[]){3, 3, 3, 3, 0});
	send_messages(server, 1);
	bm_server_reset_message_counters(server);
	assert_counters(server, (const uint64_t[]){4, 0, 4, 0, 0});
	bm_server_free(server);
}

/* manual: reached_envelope_limit, reset_envelope_counter, envelope_limit */
static void envelope_fills(void **state)
{
	(void)state;
	struct bm_server *server = new_server();
	set_attribute(server, "envelope_limit", "2");
	send_messages(server, 1);
	assert_int_equal(bm_server_reached_envelope_limit(server), 0);
	send_messages(server, 1);
	assert_int_equal(bm_server_reached_envelope_limit(server), 1);
	bm_server_reset_envelope_counter(server);
	assert_int_equal(bm_server_reached_envelope_limit(server), 0);
	set_attribute(server, "envelope_limit", "0");
	send_messages(server, 200);
	assert_int_equal(bm_server_reached_envelope_limit(server), 0);
	bm_server_free(server);
}

/* manual: reached_limit, reached_limit-max_messages, max_messages */
static void total_limit_disconnects_for_good(void **state)
{
	(void)state;
	static const char *const script[] = {PEER_HELLO, PEER_BYE, NULL};
	struct peer peer;
	struct bm_error err = BM_ERROR_INIT;
	peer_start(&peer, script);
	struct bm_server *server = server_at_port(peer.port);
	set_attribute(server, "max_messages", "2");
	set_attribute(server, "max_messages_per_connection", "2");
	set_attribute(server, "max_messages_per_robin", "2");
	connect_server(server);
	send_messages(server, 1);
	assert_int_equal(bm_server_reached_limit(server), BM_LIMIT_NONE);
	assert_true(bm_server_connected(server));
	send_messages(server, 1);
	assert_int_equal(bm_server_reached_limit(server), BM_LIMIT_MESSAGES);
	assert_false(bm_server_connected(server));
	assert_true(bm_server_worthless(server));
	assert_int_equal(bm_server_connect(server, &err), BM_E_WORTHLESS);
	assert_string_equal(err.id, "MBS001");
	/* the total is never reset */
	bm_server_reset_message_counters(server);
	assert_int_equal(bm_server_reached_limit(server), BM_LIMIT_MESSAGES);
	bm_server_free(server);
	peer_finish(&peer);
	assert_string_equal(peer.heard, "EHLO me.example\nRSET\nQUIT\n");
}

/* manual: reached_limit, reached_limit-connection, max_messages_per_connection */
static void connection_limit_disconnects(void **state)
{
	(void)state;
	static const char *const script[] = {PEER_HELLO, PEER_BYE, PEER_HELLO, PEER_BYE, NULL};
	struct peer peer;
	peer_start(&peer, script);
	struct bm_server *server = server_at_port(peer.port);
	set_attribute(server, "max_messages_per_connection", "2");
	set_attribute(server, "max_messages_per_robin", "2");
	connect_server(server);
	send_messages(server, 2);
	assert_int_equal(bm_server_reached_limit(server), BM_LIMIT_CONNECTION);
	assert_false(bm_server_connected(server));
	assert_false(bm_server_worthless(server));
	assert_counters(server, (const uint64_t[]){2, 0, 0, 2, 2});
	connect_server(server);
	send_messages(server, 1);
	assert_int_equal(bm_server_reached_limit(server), BM_LIMIT_NONE);
	/* a connect begins a new count */
	bm_server_disconnect(server, false);
	assert_counters(server, (const uint64_t[]){3, 1, 1, 3, 3});
	bm_server_free(server);
	peer_finish(&peer);
}

/* manual: reached_limit, reached_limit-robin, max_messages_per_robin */
static void robin_limit_stays_connected(void **state)
{
	(void)state;
	static const char *const script[] = {PEER_HELLO, PEER_BYE, NULL};
	struct peer peer;
	peer_start(&peer, script);
	struct bm_server *server = server_at_port(peer.port);
	set_attribute(server, "max_messages_per_robin", "2");
	connect_server(server);
	send_messages(server, 2);
	assert_int_equal(bm_server_reached_limit(server), BM_LIMIT_ROBIN);
	assert_true(bm_server_connected(server));
	assert_counters(server, (const uint64_t[]){2, 0, 2, 2, 2});
	assert_int_equal(bm_server_reached_limit(server), BM_LIMIT_NONE);
	bm_server_free(server);
	peer_finish(&peer);
}

static uint64_t monotonic_ms(void)
{
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

/* manual: reached_limit-sleep, max_messages_while_awake, sleep_length, reached_limit */
static void sleeps_when_awake_for_long(void **state)
{
	(void)state;
	struct bm_server *server = new_server();
	set_attribute(server, "max_messages_while_awake", "2");
	set_attribute(server, "sleep_length", "1");
	send_messages(server, 2);
	uint64_t start = monotonic_ms();
	assert_int_equal(bm_server_reached_limit(server), BM_LIMIT_NONE);
	assert_true(monotonic_ms() - start >= 999);
	assert_counters(server, (const uint64_t[]){2, 2, 2, 0, 2});
	/* it never makes the result true, and hides no other limit */
	set_attribute(server, "sleep_length", "0");
	set_attribute(server, "max_messages_per_robin", "4");
	send_messages(server, 2);
	assert_int_equal(bm_server_reached_limit(server), BM_LIMIT_ROBIN);
	assert_counters(server, (const uint64_t[]){4, 0, 4, 0, 4});
	bm_server_free(server);
}

/* manual: connect, connect-keywords, connected, socket, disconnect */
static void keeps_keywords_until_disconnect(void **state)
{
	(void)state;
	static const char *const script[] = {PEER_GREETING, "< EHLO me.example",
		"> 250-peer.example hello\r\n250-SIZE 1000\r\n250-AUTH PLAIN LOGIN\r\n250 8BITMIME", PEER_BYE, NULL};
	struct peer peer;
	peer_start(&peer, script);
	struct bm_server *server = server_at_port(peer.port);
	assert_null(bm_server_capability(server, 0));
	connect_server(server);
	assert_string_equal(bm_server_capability(server, 0), "SIZE 1000");
	assert_string_equal(bm_server_capability(server, 1), "AUTH PLAIN LOGIN");
	assert_string_equal(bm_server_capability(server, 2), "8BITMIME");
	assert_null(bm_server_capability(server, 3));
	assert_attribute(server, "connected", "1");
	assert_int_equal(atol(get_attribute(server, "socket")), bm_server_socket(server));
	assert_true(bm_server_socket(server) >= 0);
	bm_server_disconnect(server, false);
	assert_null(bm_server_capability(server, 0));
	assert_attribute(server, "connected", "0");
	assert_attribute(server, "socket", "-1");
	/* not connected: nothing */
	bm_server_disconnect(server, false);
	bm_server_disconnect(server, true);
	bm_server_free(server);
	peer_finish(&peer);
	assert_string_equal(peer.heard, "EHLO me.example\nRSET\nQUIT\n");
}

/* manual: row-one-line-ehlo, connect */
/* conformance: 7 */
static void ehlo_may_be_one_line(void **state)
{
	(void)state;
	static const char *const script[] = {PEER_GREETING, "< EHLO me.example", "> 250 hello", PEER_BYE, NULL};
	struct peer peer;
	peer_start(&peer, script);
	struct bm_server *server = server_at_port(peer.port);
	connect_server(server);
	assert_null(bm_server_capability(server, 0));
	bm_server_free(server);
	peer_finish(&peer);
}

/* manual: disconnect-quietly, disconnect-not-connected */
static void quiet_disconnect_says_nothing(void **state)
{
	(void)state;
	static const char *const script[] = {PEER_HELLO, "end", NULL};
	struct peer peer;
	peer_start(&peer, script);
	struct bm_server *server = server_at_port(peer.port);
	bm_server_disconnect(server, true);
	connect_server(server);
	bm_server_disconnect(server, true);
	assert_false(bm_server_connected(server));
	bm_server_free(server);
	peer_finish(&peer);
	assert_string_equal(peer.heard, "EHLO me.example\n");
}

/* manual: disconnect */
/* conformance: 18, F29 */
static void disconnect_outlives_a_rude_server(void **state)
{
	(void)state;
	static const char *const refused[] = {PEER_HELLO, "< RSET", "> 502 what?", "< QUIT", "> 500 what?", "end", NULL};
	static const char *const gone[] = {PEER_HELLO, "< RSET", "> 421 going", "end", NULL};
	const char *const *const scripts[] = {refused, gone};
	for (size_t i = 0; i < 2; i++) {
		struct peer peer;
		peer_start(&peer, scripts[i]);
		struct bm_server *server = server_at_port(peer.port);
		connect_server(server);
		bm_server_disconnect(server, false);
		assert_false(bm_server_connected(server));
		bm_server_free(server);
		peer_finish(&peer);
	}
}

/* manual: talk_and_respond, talk-connects-first, row-multiline-550 */
static void talk_connects_and_returns_the_whole_reply(void **state)
{
	(void)state;
	static const char *const script[] = {PEER_HELLO, "< HELP", "> 214-first\r\n214-\r\n214 last", "< RSET",
		"> 250 2.0.0 ok", "< quit", "> 221 bye", "end", NULL};
	struct peer peer;
	peer_start(&peer, script);
	struct bm_server *server = server_at_port(peer.port);
	assert_string_equal(talk(server, "HELP"), "214-first\r\n214-\r\n214 last\r\n");
	assert_true(bm_server_connected(server));
	assert_string_equal(talk(server, "RSET"), "250 2.0.0 ok\r\n");
	/* 221 to QUIT is no error, and the connection is over */
	assert_string_equal(talk(server, "quit"), "221 bye\r\n");
	assert_false(bm_server_connected(server));
	assert_int_equal(bm_server_socket(server), -1);
	bm_server_free(server);
	peer_finish(&peer);
}

/* Whatever a server answers to QUIT, the session is over; the next talk begins another. */
/* conformance: 18, F29 */
static void quit_ends_the_session_whatever_the_answer(void **state)
{
	(void)state;
	static const char *const script[] = {PEER_HELLO, "< QUIT", "> 500 what?", "end", PEER_HELLO, "< QUIT", "> 421 bye",
		"end", PEER_HELLO, "< QUIT", "> 451 later", "end", PEER_HELLO, "< NOOP", "> 250 ok", PEER_BYE, NULL};
	struct peer peer;
	struct bm_error err = BM_ERROR_INIT;
	const char *reply;
	peer_start(&peer, script);
	struct bm_server *server = server_at_port(peer.port);
	assert_int_equal(bm_server_talk_and_respond(server, "QUIT", &reply, &err), BM_E_REFUSED);
	assert_string_equal(err.id, "MBS008");
	assert_false(bm_server_connected(server));
	assert_string_equal(talk(server, "QUIT"), "421 bye\r\n");
	assert_string_equal(talk(server, "QUIT"), "451 later\r\n");
	assert_false(bm_server_connected(server));
	assert_string_equal(talk(server, "NOOP"), "250 ok\r\n");
	bm_server_free(server);
	peer_finish(&peer);
}

/* manual: talk_and_respond */
static void content_goes_through_talk(void **state)
{
	(void)state;
	static const char *const script[] = {PEER_HELLO, "< MAIL FROM:<a@b.example>", "> 250 ok", "< RCPT TO:<c@d.example>",
		"> 250 ok", "< DATA", "> 354 go on", "< Subject: x", "<  ", "< ..dot", "< .", "> 250 taken", PEER_BYE, NULL};
	struct peer peer;
	struct bm_error err = BM_ERROR_INIT;
	const char *reply;
	peer_start(&peer, script);
	struct bm_server *server = server_at_port(peer.port);
	talk(server, "MAIL FROM:<a@b.example>");
	talk(server, "RCPT TO:<c@d.example>");
	assert_string_equal(talk(server, "DATA"), "354 go on\r\n");
	/* content without its end is not said, and loses nothing */
	assert_int_equal(bm_server_talk_and_respond(server, "RSET", &reply, &err), BM_E_USAGE);
	assert_string_equal(err.id, "MBS006");
	assert_string_equal(talk(server, "Subject: x\r\n \r\n..dot\r\n.\r\n"), "250 taken\r\n");
	bm_server_free(server);
	peer_finish(&peer);
}

/* manual: source_address */
static void connects_from_the_source_address(void **state)
{
	(void)state;
	static const char *const script[] = {PEER_HELLO, PEER_BYE, NULL};
	struct peer peer;
	struct sockaddr_in local;
	socklen_t size = sizeof local;
	peer_start(&peer, script);
	struct bm_server *server = server_at_port(peer.port);
	set_attribute(server, "source_address", "127.0.0.2");
	connect_server(server);
	assert_int_equal(getsockname(bm_server_socket(server), (struct sockaddr *)&local, &size), 0);
	assert_int_equal(ntohl(local.sin_addr.s_addr), 0x7f000002);
	bm_server_free(server);
	peer_finish(&peer);
}

/* manual: Smtp */
static void names_and_brackets_are_addresses_too(void **state)
{
	(void)state;
	static const char *const script[] = {PEER_HELLO, PEER_BYE, PEER_HELLO, PEER_BYE, NULL};
	struct peer peer;
	peer_start(&peer, script);
	struct bm_server *server = server_at_port(peer.port);
	set_attribute(server, "Smtp", "localhost");
	connect_server(server);
	bm_server_disconnect(server, false);
	set_attribute(server, "Smtp", "[127.0.0.1]");
	connect_server(server);
	bm_server_free(server);
	peer_finish(&peer);
}

/* manual: Smtp */
static void names_an_ipv6_server_in_brackets(void **state)
{
	(void)state;
	uint16_t port;
	int fd = peer_bind(&port);
	struct bm_server *server = server_at_port(port);
	struct bm_error err = BM_ERROR_INIT;
	char place[32];
	snprintf(place, sizeof place, "[::1]:%u", (unsigned)port);
	set_attribute(server, "Smtp", "::1");
	/* nobody listens there: with or without IPv6 the error names the server */
	assert_int_equal(bm_server_connect(server, &err), BM_E_CONNECT);
	assert_non_null(strstr(err.text, place));
	bm_server_free(server);
	close(fd);
}

/* With "VRFY " before it these are 50 characters. */
#define LONG_WORD "012345678901234567890123456789012345678901234"

static const char *const conversation[] = {
	PEER_HELLO, "< VRFY", "> 250-one\r\n250 two", "< VRFY", "> 250 three", "< QUIT", "> 221 bye", "end", NULL};

/* What each form of the log has to hold after converse(). */
static const char *const conversation_lines[] = {"< 220 peer.example", "> EHLO me.example", "< 250-peer.example",
	"< 250-8BITMIME", "< 250 SIZE 1000000", ("> VRFY " LONG_WORD " ... (cut)"), "< 250-one", "< 250 two",
	("> VRFY " LONG_WORD), "< 250 three", "> QUIT", "< 221 bye"};

#define CONVERSATION_LINES (sizeof conversation_lines / sizeof conversation_lines[0])

/* log NULL: the attribute is set already. */
static void converse(struct bm_server *server, struct bm_log *log)
{
	if (log != NULL)
		bm_server_take_conversation(server, log);
	talk(server, "VRFY " LONG_WORD "5678");
	talk(server, "VRFY " LONG_WORD);
	talk(server, "QUIT");
}

/* The lines of a file that a conversation was written to, behind what it held before. */
static void check_file(FILE *file, const char *before)
{
	char line[256];

	rewind(file);
	if (before != NULL) {
		assert_non_null(fgets(line, sizeof line, file));
		assert_string_equal(line, before);
	}
	for (size_t i = 0; i < CONVERSATION_LINES; i++) {
		assert_non_null(fgets(line, sizeof line, file));
		line[strcspn(line, "\n")] = '\0';
		assert_string_equal(line, conversation_lines[i]);
	}
	assert_null(fgets(line, sizeof line, file));
}

/* manual: CONVERSATION, CONVERSATION-path, CONVERSATION-cut */
static void conversation_goes_to_a_path(void **state)
{
	(void)state;
	static const char before[] = "what was there before\n";
	struct scratch scratch;
	struct peer peer;
	scratch_init(&scratch);
	scratch_write(&scratch, "talk.log", before, sizeof before - 1);
	peer_start(&peer, conversation);
	struct bm_server *server = server_at_port(peer.port);
	set_attribute(server, "CONVERSATION", scratch.path);
	assert_attribute(server, "CONVERSATION", scratch.path);
	converse(server, NULL);
	FILE *file = fopen(scratch.path, "r");
	assert_non_null(file);
	check_file(file, before);
	fclose(file);
	bm_server_free(server);
	peer_finish(&peer);
	scratch_deinit(&scratch, (const char *const[]){"talk.log", NULL});
}

/* manual: CONVERSATION-path, MB702 */
static void conversation_needs_a_path_that_opens(void **state)
{
	(void)state;
	struct bm_server *server = new_server();
	struct bm_server_options options = BM_SERVER_OPTIONS_INIT;
	struct bm_server *other = NULL;
	struct bm_error err = BM_ERROR_INIT;
	assert_int_not_equal(bm_server_set(server, "CONVERSATION", "/nowhere/at/all", &err), BM_OK);
	assert_string_equal(err.id, "MB702");
	assert_attribute(server, "CONVERSATION", NULL);
	assert_null(bm_server_conversation(server));
	bm_server_free(server);
	options.conversation = "/nowhere/at/all";
	assert_int_not_equal(bm_server_new(&other, &options, &err), BM_OK);
	assert_null(other);
}

/* manual: CONVERSATION-stream, CONVERSATION-cut */
static void conversation_goes_to_a_stream(void **state)
{
	(void)state;
	struct peer peer;
	struct bm_log *log = NULL;
	struct bm_error err = BM_ERROR_INIT;
	FILE *file = tmpfile();
	assert_non_null(file);
	peer_start(&peer, conversation);
	struct bm_server *server = server_at_port(peer.port);
	assert_int_equal(bm_log_new_stream(&log, file, &err), BM_OK);
	converse(server, log);
	assert_ptr_equal(bm_server_conversation(server), log);
	bm_server_free(server);
	check_file(file, NULL);
	fclose(file);
	peer_finish(&peer);
}

static void compare_line(void *user, const char *line, size_t size)
{
	size_t *count = user;
	assert_true(*count < CONVERSATION_LINES);
	assert_string_equal(line, conversation_lines[*count]);
	assert_int_equal(strlen(line), size);
	*count += 1;
}

/* manual: CONVERSATION-callback, CONVERSATION-cut */
static void conversation_goes_to_a_callback(void **state)
{
	(void)state;
	struct peer peer;
	struct bm_log *log = NULL;
	struct bm_error err = BM_ERROR_INIT;
	size_t count = 0;
	peer_start(&peer, conversation);
	struct bm_server *server = server_at_port(peer.port);
	assert_int_equal(bm_log_new_callback(&log, compare_line, &count, &err), BM_OK);
	converse(server, log);
	assert_int_equal(count, CONVERSATION_LINES);
	bm_server_free(server);
	peer_finish(&peer);
}

/* manual: CONVERSATION-array, CONVERSATION-cut */
static void conversation_goes_to_an_array(void **state)
{
	(void)state;
	struct peer peer;
	struct bm_log *log = NULL;
	struct bm_error err = BM_ERROR_INIT;
	peer_start(&peer, conversation);
	struct bm_server *server = server_at_port(peer.port);
	assert_int_equal(bm_log_new_array(&log, &err), BM_OK);
	converse(server, log);
	assert_int_equal(bm_log_count(log), CONVERSATION_LINES);
	for (size_t i = 0; i < CONVERSATION_LINES; i++)
		assert_string_equal(bm_log_line(log, i), conversation_lines[i]);
	bm_server_take_conversation(server, NULL);
	assert_null(bm_server_conversation(server));
	bm_server_free(server);
	peer_finish(&peer);
}

/* manual: CONVERSATION-cut */
/* conformance: A18, A19 */
static void conversation_holds_long_and_binary_replies_whole(void **state)
{
	(void)state;
	char reply[2 + 4 + 2000 + 1] = "> 250 ";
	const char *const script[] = {PEER_HELLO, "< NOOP", reply, PEER_BYE, NULL};
	struct peer peer;
	struct bm_log *log = NULL;
	struct bm_error err = BM_ERROR_INIT;
	memset(reply + 6, 0xff, 2000);
	peer_start(&peer, script);
	struct bm_server *server = server_at_port(peer.port);
	assert_int_equal(bm_log_new_array(&log, &err), BM_OK);
	bm_server_take_conversation(server, log);
	talk(server, "NOOP");
	const char *line = bm_log_line(log, bm_log_count(log) - 1);
	assert_int_equal(strlen(line), strlen("< 250 ") + 4 * 2000);
	assert_memory_equal(line, "< 250 \\xFF\\xFF", 14);
	bm_server_free(server);
	peer_finish(&peer);
}

/* manual: dummy-server, dummy_file, talk_and_respond */
static void talks_to_a_dummy(void **state)
{
	(void)state;
	static const char expected[] = "EHLO localhost\r\nNOOP\r\nRSET\r\nQUIT\r\n";
	struct scratch scratch;
	struct bm_server *server = new_server();
	char text[128];
	scratch_init(&scratch);
	/* it needs neither Smtp nor Domain nor Tries */
	set_attribute(server, "dummy_file", scratch_path(&scratch, "dummy"));
	assert_memory_equal(talk(server, "NOOP"), "250", 3);
	assert_true(bm_server_connected(server));
	assert_int_equal(bm_server_socket(server), -1);
	bm_server_free(server);
	FILE *file = fopen(scratch.path, "r");
	assert_non_null(file);
	text[fread(text, 1, sizeof text - 1, file)] = '\0';
	assert_string_equal(text, expected);
	fclose(file);
	scratch_deinit(&scratch, (const char *const[]){"dummy", NULL});
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(numbers_have_defaults_and_bounds),
		cmocka_unit_test(texts_are_unset_at_first),
		cmocka_unit_test(what_cannot_be_honoured_is_refused),
		cmocka_unit_test(new_takes_a_struct),
		cmocka_unit_test(new_takes_an_older_struct),
		cmocka_unit_test(new_takes_names_and_values),
		cmocka_unit_test(unknown_names_are_refused),
		cmocka_unit_test(some_can_only_be_read),
		cmocka_unit_test(counts_messages),
		cmocka_unit_test(envelope_fills),
		cmocka_unit_test(total_limit_disconnects_for_good),
		cmocka_unit_test(connection_limit_disconnects),
		cmocka_unit_test(robin_limit_stays_connected),
		cmocka_unit_test(sleeps_when_awake_for_long),
		cmocka_unit_test(keeps_keywords_until_disconnect),
		cmocka_unit_test(ehlo_may_be_one_line),
		cmocka_unit_test(quiet_disconnect_says_nothing),
		cmocka_unit_test(disconnect_outlives_a_rude_server),
		cmocka_unit_test(talk_connects_and_returns_the_whole_reply),
		cmocka_unit_test(quit_ends_the_session_whatever_the_answer),
		cmocka_unit_test(content_goes_through_talk),
		cmocka_unit_test(connects_from_the_source_address),
		cmocka_unit_test(names_and_brackets_are_addresses_too),
		cmocka_unit_test(names_an_ipv6_server_in_brackets),
		cmocka_unit_test(conversation_goes_to_a_path),
		cmocka_unit_test(conversation_needs_a_path_that_opens),
		cmocka_unit_test(conversation_goes_to_a_stream),
		cmocka_unit_test(conversation_goes_to_a_callback),
		cmocka_unit_test(conversation_goes_to_an_array),
		cmocka_unit_test(conversation_holds_long_and_binary_replies_whole),
		cmocka_unit_test(talks_to_a_dummy),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
