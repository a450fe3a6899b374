/* SPDX-License-Identifier: MIT */
/* Every error of connect and talk, each caused by a real socket. */
#include "peer.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/resource.h>

/* What the error has to say: code, id, status, and whom it is about. */
static void check_error(
	const struct bm_error *err, enum bm_code code, const char *id, int status, const struct bm_server *server)
{
	char place[64];
	const struct bm_server_options *options = bm_server_options(server);

	snprintf(place, sizeof place, "%s:%llu", options->smtp, (unsigned long long)options->port);
	assert_string_equal(err->id, id);
	assert_string_equal(bm_code_name(err->code), bm_code_name(code));
	assert_int_equal(err->smtp_status, status);
	if (strstr(err->text, place) == NULL)
		fail_msg("\"%s\" does not name %s", err->text, place);
}

static void fail_connect(struct bm_server *server, enum bm_code code, const char *id, int status)
{
	struct bm_error err = BM_ERROR_INIT;

	assert_int_equal(bm_server_connect(server, &err), code);
	check_error(&err, code, id, status, server);
	assert_false(bm_server_connected(server));
	assert_int_equal(bm_server_socket(server), -1);
	assert_null(bm_server_capability(server, 0));
}

static void fail_talk(struct bm_server *server, const char *text, enum bm_code code, const char *id, int status)
{
	struct bm_error err = BM_ERROR_INIT;
	const char *reply = "untouched";

	assert_int_equal(bm_server_talk_and_respond(server, text, &reply, &err), code);
	assert_null(reply);
	check_error(&err, code, id, status, server);
}

/* One connect against a script, failing. */
static void connect_fails(
	const char *const *script, const char *time_out, enum bm_code code, const char *id, int status)
{
	struct peer peer;
	peer_start(&peer, script);
	struct bm_server *server = server_at_port(peer.port);
	set_attribute(server, "max_connection_attempts", "1");
	set_attribute(server, "time_out", time_out);
	fail_connect(server, code, id, status);
	assert_true(bm_server_worthless(server));
	bm_server_free(server);
	peer_finish(&peer);
}

/* One talk after a connect; connected tells what is left of the connection. */
static void talk_fails(
	const char *const *script, const char *text, enum bm_code code, const char *id, int status, bool connected)
{
	struct peer peer;
	peer_start(&peer, script);
	struct bm_server *server = server_at_port(peer.port);
	connect_server(server);
	fail_talk(server, text, code, id, status);
	assert_int_equal(bm_server_connected(server), connected);
	assert_int_equal(bm_server_socket(server) >= 0, connected);
	bm_server_free(server);
	peer_finish(&peer);
}

/* manual: MBS001, connect-attempts, max_connection_attempts, MBS003 */
static void worthless_after_its_attempts(void **state)
{
	(void)state;
	uint16_t port;
	int fd = peer_bind(&port);
	struct bm_server *server = server_at_port(port);
	set_attribute(server, "max_connection_attempts", "2");
	fail_connect(server, BM_E_CONNECT, "MBS003", 0);
	assert_false(bm_server_worthless(server));
	fail_connect(server, BM_E_CONNECT, "MBS003", 0);
	assert_true(bm_server_worthless(server));
	fail_connect(server, BM_E_WORTHLESS, "MBS001", 0);
	fail_talk(server, "NOOP", BM_E_WORTHLESS, "MBS001", 0);
	bm_server_free(server);
	close(fd);
}

/* manual: connect-attempts, row-attempts-in-a-row */
static void success_gives_attempts_back(void **state)
{
	(void)state;
	static const char *const script[] = {"> 554 no", "end", PEER_HELLO, PEER_BYE, "> 554 no", "end", PEER_HELLO,
		PEER_BYE, "> 554 no", "end", "> 554 no", "end", NULL};
	struct peer peer;
	peer_start(&peer, script);
	struct bm_server *server = server_at_port(peer.port);
	set_attribute(server, "max_connection_attempts", "2");
	for (int i = 0; i < 2; i++) {
		fail_connect(server, BM_E_CLOSED, "MBS004", 554);
		connect_server(server);
		bm_server_disconnect(server, false);
		assert_false(bm_server_worthless(server));
	}
	fail_connect(server, BM_E_CLOSED, "MBS004", 554);
	assert_false(bm_server_worthless(server));
	fail_connect(server, BM_E_CLOSED, "MBS004", 554);
	fail_connect(server, BM_E_WORTHLESS, "MBS001", 0);
	bm_server_free(server);
	peer_finish(&peer);
}

/* manual: MBS002 */
/* conformance: F62 */
static void no_socket_without_descriptors(void **state)
{
	(void)state;
	uint16_t port;
	int fd = peer_bind(&port);
	struct rlimit before;
	struct bm_server *server = server_at_port(port);
	set_attribute(server, "max_connection_attempts", "1");
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
	struct rlimit none = {.rlim_cur = 0, .rlim_max = before.rlim_max};
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
	struct bm_error err = BM_ERROR_INIT;
	enum bm_code code = bm_server_connect(server, &err);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
	assert_int_equal(code, BM_E_CONNECT);
	check_error(&err, BM_E_CONNECT, "MBS002", 0, server);
	assert_int_equal(err.system_errno, EMFILE);
	assert_true(bm_server_worthless(server));
	bm_server_free(server);
	close(fd);
}

/* manual: MBS002, source_address */
static void no_socket_at_a_foreign_source_address(void **state)
{
	(void)state;
	uint16_t port;
	int fd = peer_bind(&port);
	struct bm_server *server = server_at_port(port);
	set_attribute(server, "source_address", "192.0.2.1");
	fail_connect(server, BM_E_CONNECT, "MBS002", 0);
	set_attribute(server, "source_address", "nowhere");
	fail_connect(server, BM_E_CONNECT, "MBS002", 0);
	bm_server_free(server);
	close(fd);
}

/* manual: MBS003, Smtp, Tries */
/* conformance: F01 */
static void no_connection_when_refused(void **state)
{
	(void)state;
	uint16_t port;
	int fd = peer_bind(&port);
	struct bm_server *server = server_at_port(port);
	struct bm_error err = BM_ERROR_INIT;
	set_attribute(server, "Tries", "3");
	assert_int_equal(bm_server_connect(server, &err), BM_E_CONNECT);
	check_error(&err, BM_E_CONNECT, "MBS003", 0, server);
	assert_int_equal(err.system_errno, ECONNREFUSED);
	bm_server_free(server);
	close(fd);
}

/* manual: MBS003, Smtp */
/* conformance: F39 */
static void no_connection_without_an_address(void **state)
{
	(void)state;
	struct bm_server *server = server_at_port(2525);
	struct bm_error err = BM_ERROR_INIT;
	set_attribute(server, "Smtp", "no-such-host.invalid");
	fail_connect(server, BM_E_CONNECT, "MBS003", 0);
	set_attribute(server, "Smtp", NULL);
	assert_int_equal(bm_server_connect(server, &err), BM_E_CONNECT);
	assert_string_equal(err.id, "MBS003");
	assert_non_null(strstr(err.text, "Smtp"));
	bm_server_free(server);
}

/* manual: MBS004, connect-attempts */
/* conformance: 1, F04 */
static void greeting_is_missing_or_turns_away(void **state)
{
	(void)state;
	static const char *const closed[] = {"close", NULL};
	static const char *const refused[] = {"> 554-go\r\n554 away", "end", NULL};
	static const char *const busy[] = {"> 421 4.3.2 busy", "end", NULL};
	static const char *const later[] = {"> 450 later", "end", NULL};
	static const char *const wrong[] = {"> 250 hello", "end", NULL};
	static const char *const noise[] = {"> SSH-2.0-OpenSSH_9", "end", NULL};
	/* the client says nothing before the greeting, so that close is an orderly one */
	connect_fails(closed, "5", BM_E_CLOSED, "MBS004", 0);
	connect_fails(refused, "5", BM_E_CLOSED, "MBS004", 554);
	connect_fails(busy, "5", BM_E_CLOSED, "MBS004", 421);
	connect_fails(later, "5", BM_E_CLOSED, "MBS004", 450);
	connect_fails(wrong, "5", BM_E_PROTOCOL, "MBS004", 250);
	connect_fails(noise, "5", BM_E_PROTOCOL, "MBS004", 0);
}

/* manual: MBS005 */
/* conformance: 2 */
static void helo_is_refused_too(void **state)
{
	(void)state;
	static const char *const refused[] = {
		PEER_GREETING, "< EHLO", "> 502 what?", "< HELO me.example", "> 550 no", "end", NULL};
	static const char *const closed[] = {PEER_GREETING, "< EHLO", "> 502 what?", "< HELO", "close", NULL};
	connect_fails(refused, "5", BM_E_CLOSED, "MBS005", 550);
	connect_fails(closed, "5", BM_E_CLOSED, "MBS005", 0);
}

/* manual: MBS006 */
/* conformance: A45 */
static void nothing_to_say(void **state)
{
	(void)state;
	static const char *const script[] = {PEER_HELLO, PEER_BYE, NULL};
	struct peer peer;
	peer_start(&peer, script);
	struct bm_server *server = server_at_port(peer.port);
	fail_talk(server, NULL, BM_E_USAGE, "MBS006", 0);
	fail_talk(server, "", BM_E_USAGE, "MBS006", 0);
	/* nothing to say needs no connection */
	assert_false(bm_server_connected(server));
	connect_server(server);
	fail_talk(server, "RSET\r\nQUIT", BM_E_USAGE, "MBS006", 0);
	fail_talk(server, "RSET\r\n", BM_E_USAGE, "MBS006", 0);
	fail_talk(server, "RSET\n", BM_E_USAGE, "MBS006", 0);
	assert_true(bm_server_connected(server));
	bm_server_disconnect(server, false);
	bm_server_free(server);
	peer_finish(&peer);
}

/* manual: MBS007 */
static void cannot_write_to_a_broken_connection(void **state)
{
	(void)state;
	static const char *const script[] = {PEER_HELLO, "reset", NULL};
	struct peer peer;
	peer_start(&peer, script);
	struct bm_server *server = server_at_port(peer.port);
	connect_server(server);
	wait_for_peer(server);
	fail_talk(server, "NOOP", BM_E_CLOSED, "MBS007", 0);
	assert_false(bm_server_connected(server));
	bm_server_free(server);
	peer_finish(&peer);
}

/* manual: MBS008 */
static void command_is_refused(void **state)
{
	(void)state;
	static const char *const script[] = {
		PEER_HELLO, "< VRFY", "> 550-5.1.1 nobody\r\n550 5.1.1 here", "< NOOP", "> 250 ok", PEER_BYE, NULL};
	struct peer peer;
	peer_start(&peer, script);
	struct bm_server *server = server_at_port(peer.port);
	fail_talk(server, "VRFY x", BM_E_REFUSED, "MBS008", 550);
	/* both lines of the refusal were one reply */
	assert_string_equal(talk(server, "NOOP"), "250 ok\r\n");
	bm_server_free(server);
	peer_finish(&peer);
}

/* manual: MBS009, row-421 */
static void server_hangs_up(void **state)
{
	(void)state;
	static const char *const with_421[] = {PEER_HELLO, "< NOOP", "> 421 4.3.2 going down", "end", NULL};
	static const char *const with_221[] = {PEER_HELLO, "< NOOP", "> 221 bye", "end", NULL};
	static const char *const silently[] = {PEER_HELLO, "< NOOP", "close", NULL};
	talk_fails(with_421, "NOOP", BM_E_CLOSED, "MBS009", 421, false);
	talk_fails(with_221, "NOOP", BM_E_CLOSED, "MBS009", 221, false);
	talk_fails(silently, "NOOP", BM_E_CLOSED, "MBS009", 0, false);
}

/* manual: MBS009 */
/* conformance: F30 */
static void server_hung_up_while_idle(void **state)
{
	(void)state;
	static const char *const script[] = {PEER_HELLO, "> 421 4.4.2 idle for too long", "close", NULL};
	struct peer peer;
	peer_start(&peer, script);
	struct bm_server *server = server_at_port(peer.port);
	connect_server(server);
	wait_for_peer(server);
	fail_talk(server, "NOOP", BM_E_CLOSED, "MBS009", 421);
	assert_false(bm_server_connected(server));
	bm_server_free(server);
	peer_finish(&peer);
}

/* A reply to nothing is never taken for the answer to what is said next. */
/* conformance: 29, F15 */
static void surplus_reply_ends_the_session(void **state)
{
	(void)state;
	static const char *const at_once[] = {PEER_HELLO, "< NOOP", "> 250 one\r\n250 two", "end", NULL};
	static const char *const before[] = {PEER_HELLO, "> 250 surplus", "end", NULL};
	struct peer peer;
	peer_start(&peer, at_once);
	struct bm_server *server = server_at_port(peer.port);
	assert_string_equal(talk(server, "NOOP"), "250 one\r\n");
	fail_talk(server, "RSET", BM_E_PROTOCOL, "MBS009", 250);
	assert_false(bm_server_connected(server));
	peer_finish(&peer);

	peer_start(&peer, before);
	char port[8];
	snprintf(port, sizeof port, "%u", (unsigned)peer.port);
	set_attribute(server, "Port", port);
	connect_server(server);
	wait_for_peer(server);
	fail_talk(server, "RSET", BM_E_PROTOCOL, "MBS009", 250);
	assert_false(bm_server_connected(server));
	bm_server_free(server);
	peer_finish(&peer);
}

/* manual: MBS010, connect-order, Domain */
static void no_domain_makes_worthless(void **state)
{
	(void)state;
	struct bm_server *server = server_at_port(2525);
	set_attribute(server, "Domain", NULL);
	fail_connect(server, BM_E_WORTHLESS, "MBS010", 0);
	assert_true(bm_server_worthless(server));
	set_attribute(server, "Domain", "me.example");
	fail_connect(server, BM_E_WORTHLESS, "MBS001", 0);
	bm_server_free(server);
}

/* manual: MBS011 */
static void ehlo_fails(void **state)
{
	(void)state;
	static const char *const busy[] = {PEER_GREETING, "< EHLO", "> 421 busy", "end", NULL};
	static const char *const later[] = {PEER_GREETING, "< EHLO", "> 450 later", "end", NULL};
	static const char *const mixed[] = {PEER_GREETING, "< EHLO", "> 250-peer\r\n550 SIZE", "end", NULL};
	static const char *const odd[] = {PEER_GREETING, "< EHLO", "> 354 go on", "end", NULL};
	static const char *const closed[] = {PEER_GREETING, "< EHLO", "close", NULL};
	connect_fails(busy, "5", BM_E_CLOSED, "MBS011", 421);
	connect_fails(later, "5", BM_E_CLOSED, "MBS011", 450);
	connect_fails(mixed, "5", BM_E_PROTOCOL, "MBS011", 0);
	connect_fails(odd, "5", BM_E_PROTOCOL, "MBS011", 354);
	connect_fails(closed, "5", BM_E_CLOSED, "MBS011", 0);
}

/* manual: MBS012, talk_attempts */
static void says_it_again_and_logs_it(void **state)
{
	(void)state;
	static const char *const script[] = {PEER_HELLO, "< VRFY", "> 451 4.3.0 not now", "< VRFY", "> 450-not\r\n450 yet",
		"< VRFY", "> 250 yes", PEER_BYE, NULL};
	struct peer peer;
	struct bm_log *errfile = NULL;
	struct bm_error err = BM_ERROR_INIT;
	const char *reply = NULL;
	peer_start(&peer, script);
	struct bm_server *server = server_at_port(peer.port);
	assert_int_equal(bm_log_new_array(&errfile, &err), BM_OK);
	bm_server_set_errfile(server, errfile);
	set_attribute(server, "talk_attempts", "2");
	assert_int_equal(bm_server_talk_and_respond(server, "VRFY x", &reply, &err), BM_OK);
	assert_string_equal(reply, "250 yes\r\n");
	/* logged and not returned */
	assert_string_equal(err.id, "");
	assert_int_equal(bm_log_count(errfile), 2);
	assert_non_null(strstr(bm_log_line(errfile, 0), "MBS012"));
	assert_non_null(strstr(bm_log_line(errfile, 0), peer.place));
	assert_non_null(strstr(bm_log_line(errfile, 0), "451"));
	assert_non_null(strstr(bm_log_line(errfile, 1), "450"));
	bm_server_free(server);
	bm_log_free(errfile);
	peer_finish(&peer);
}

/* manual: MBS013, talk_attempts */
static void gives_up_after_talk_attempts(void **state)
{
	(void)state;
	static const char *const script[] = {PEER_HELLO, "< VRFY", "> 451 not now", "< VRFY", "> 450 nor now", "< EXPN",
		"> 452 no", "< NOOP", "> 250 ok", PEER_BYE, NULL};
	struct peer peer;
	peer_start(&peer, script);
	struct bm_server *server = server_at_port(peer.port);
	fail_talk(server, "VRFY x", BM_E_TEMPORARY, "MBS013", 450);
	assert_true(bm_server_connected(server));
	set_attribute(server, "talk_attempts", "0");
	fail_talk(server, "EXPN x", BM_E_TEMPORARY, "MBS013", 452);
	assert_string_equal(talk(server, "NOOP"), "250 ok\r\n");
	bm_server_free(server);
	peer_finish(&peer);
}

/* manual: MBS014, time_out, row-timeout, row-seconds */
/* conformance: 16 */
static void reply_never_comes(void **state)
{
	(void)state;
	static const char *const script[] = {PEER_HELLO, "< NOOP", "end", NULL};
	struct peer peer;
	peer_start(&peer, script);
	struct bm_server *server = server_at_port(peer.port);
	set_attribute(server, "time_out", "1");
	fail_talk(server, "NOOP", BM_E_TIMEOUT, "MBS014", 0);
	assert_false(bm_server_connected(server));
	bm_server_free(server);
	peer_finish(&peer);
}

/* manual: MBS015, time_out, connect-attempts, row-timeout */
/* conformance: 16, F03 */
static void greeting_never_comes(void **state)
{
	(void)state;
	static const char *const script[] = {"end", NULL};
	connect_fails(script, "1", BM_E_TIMEOUT, "MBS015", 0);
}

/* manual: MBS016, connect */
/* conformance: 2 */
static void falls_back_to_helo_and_logs_it(void **state)
{
	(void)state;
	static const char *const script[] = {
		PEER_GREETING, "< EHLO me.example", "> 502 unknown", "< HELO me.example", "> 250 hello", PEER_BYE, NULL};
	struct peer peer;
	struct bm_log *errfile = NULL;
	struct bm_error err = BM_ERROR_INIT;
	peer_start(&peer, script);
	struct bm_server *server = server_at_port(peer.port);
	assert_int_equal(bm_log_new_array(&errfile, &err), BM_OK);
	bm_server_set_errfile(server, errfile);
	assert_int_equal(bm_server_connect(server, &err), BM_OK);
	assert_string_equal(err.id, "");
	assert_true(bm_server_connected(server));
	assert_null(bm_server_capability(server, 0));
	assert_int_equal(bm_log_count(errfile), 1);
	assert_non_null(strstr(bm_log_line(errfile, 0), "MBS016"));
	assert_non_null(strstr(bm_log_line(errfile, 0), peer.place));
	assert_non_null(strstr(bm_log_line(errfile, 0), "502"));
	bm_server_free(server);
	bm_log_free(errfile);
	peer_finish(&peer);
}

/* manual: MBS017, connect-order, Tries */
static void no_tries_makes_worthless(void **state)
{
	(void)state;
	struct bm_server *server = server_at_port(2525);
	set_attribute(server, "Tries", NULL);
	set_attribute(server, "Domain", NULL);
	/* Tries is asked before Domain, and both before worthless */
	fail_connect(server, BM_E_WORTHLESS, "MBS017", 0);
	assert_true(bm_server_worthless(server));
	fail_connect(server, BM_E_WORTHLESS, "MBS017", 0);
	set_attribute(server, "Tries", "1");
	fail_connect(server, BM_E_WORTHLESS, "MBS010", 0);
	set_attribute(server, "Domain", "me.example");
	fail_connect(server, BM_E_WORTHLESS, "MBS001", 0);
	bm_server_free(server);
}

/* manual: MBS018, socket */
static void descriptor_was_closed(void **state)
{
	(void)state;
	static const char *const script[] = {PEER_HELLO, "end", NULL};
	struct peer peer;
	peer_start(&peer, script);
	struct bm_server *server = server_at_port(peer.port);
	connect_server(server);
	assert_true(bm_server_socket(server) >= 0);
	assert_int_equal(close(bm_server_socket(server)), 0);
	fail_talk(server, "NOOP", BM_E_CLOSED, "MBS018", 0);
	assert_false(bm_server_connected(server));
	bm_server_free(server);
	peer_finish(&peer);
}

/* manual: connect-connected, connect-order */
/* conformance: A45 */
static void connected_already_does_nothing(void **state)
{
	(void)state;
	static const char *const script[] = {PEER_HELLO, PEER_BYE, NULL};
	struct peer peer;
	struct bm_error err = BM_ERROR_INIT;
	peer_start(&peer, script);
	struct bm_server *server = server_at_port(peer.port);
	connect_server(server);
	/* not even what a connect needs is asked for */
	set_attribute(server, "Tries", NULL);
	set_attribute(server, "Domain", NULL);
	assert_int_equal(bm_server_connect(server, &err), BM_OK);
	assert_false(bm_server_worthless(server));
	bm_server_free(server);
	peer_finish(&peer);
	assert_string_equal(peer.heard, "EHLO me.example\nRSET\nQUIT\n");
}

/* No error struct has to be given. */
/* conformance: A45 */
static void errors_may_be_null(void **state)
{
	(void)state;
	const char *reply;
	struct bm_server *server = server_at_port(2525);
	assert_int_equal(bm_server_talk_and_respond(server, NULL, &reply, NULL), BM_E_USAGE);
	set_attribute(server, "Tries", NULL);
	assert_int_equal(bm_server_connect(server, NULL), BM_E_WORTHLESS);
	assert_int_equal(bm_server_talk_and_respond(server, "NOOP", &reply, NULL), BM_E_WORTHLESS);
	bm_server_free(server);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(worthless_after_its_attempts),
		cmocka_unit_test(success_gives_attempts_back),
		cmocka_unit_test(no_socket_without_descriptors),
		cmocka_unit_test(no_socket_at_a_foreign_source_address),
		cmocka_unit_test(no_connection_when_refused),
		cmocka_unit_test(no_connection_without_an_address),
		cmocka_unit_test(greeting_is_missing_or_turns_away),
		cmocka_unit_test(helo_is_refused_too),
		cmocka_unit_test(nothing_to_say),
		cmocka_unit_test(cannot_write_to_a_broken_connection),
		cmocka_unit_test(command_is_refused),
		cmocka_unit_test(server_hangs_up),
		cmocka_unit_test(server_hung_up_while_idle),
		cmocka_unit_test(surplus_reply_ends_the_session),
		cmocka_unit_test(no_domain_makes_worthless),
		cmocka_unit_test(ehlo_fails),
		cmocka_unit_test(says_it_again_and_logs_it),
		cmocka_unit_test(gives_up_after_talk_attempts),
		cmocka_unit_test(reply_never_comes),
		cmocka_unit_test(greeting_never_comes),
		cmocka_unit_test(falls_back_to_helo_and_logs_it),
		cmocka_unit_test(no_tries_makes_worthless),
		cmocka_unit_test(descriptor_was_closed),
		cmocka_unit_test(connected_already_does_nothing),
		cmocka_unit_test(errors_may_be_null),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
