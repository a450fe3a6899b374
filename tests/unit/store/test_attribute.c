/* SPDX-License-Identifier: MIT */
#include "../unit.h"
#include "base/error.h"
#include "base/nearest.h"
#include "bulkmail/server.h"
#include "store/attribute.h"
#include "store/notify.h"

#include <stdio.h>
#include <string.h>

static const struct bm_attribute_info *find(const char *name)
{
	const struct bm_attribute_info *info = bm_attribute_find(BM_OWNER_SERVER, name);
	if (info == NULL)
		info = bm_attribute_find(BM_OWNER_CAMPAIGN, name);
	if (info == NULL)
		fail_msg("%s is not in the table", name);
	return info;
}

static void expect_fine(const char *name, const char *value)
{
	struct bm_error err = BM_ERROR_INIT;
	if (bm_attribute_check(find(name), value, &err) != BM_OK)
		fail_msg("%s = %s: %s", name, value == NULL ? "undef" : value, err.text);
}

static void expect_error(const char *name, const char *value, const char *text)
{
	struct bm_error err = BM_ERROR_INIT;
	assert_int_equal(bm_attribute_check(find(name), value, &err), BM_E_CONF);
	assert_string_equal(err.text, text);
	assert_string_equal(err.id, "");
}

static void holds_every_attribute_of_the_contract(void **state)
{
	(void)state;
	static const char *const server[] = {"Smtp", "Port", "Domain", "Tries", "max_connection_attempts", "envelope_limit",
		"max_messages", "max_messages_per_robin", "max_messages_per_connection", "max_messages_while_awake",
		"sleep_length", "talk_attempts", "time_out", "time_of_last_message", "connected", "CONVERSATION", "socket",
		"connections", "pipelining", "pipeline_depth", "max_errors_per_connection", "protocol", "tls", "tls_wrapper",
		"tls_ca_file", "tls_pin", "tls_cert_file", "tls_key_file", "user", "password_file", "password_command", "auth",
		"rate", "source_address", "server_file", "dummy_file"};
	static const char *const campaign[] = {"server_class", "LIST", "list_format", "From", "To", "Sender", "ReplyTo",
		"Subject", "Message", "message_from_file", "headers_from_message", "HTML", "merge", "use_envelope", "force80",
		"Precedence", "Trusting", "banned", "BAD", "GOOD", "ERRFILE", "notify", "ret", "envid", "require_tls",
		"retry_delay", "retry_delay_max", "in_doubt"};
	size_t servers = sizeof server / sizeof server[0];
	size_t campaigns = sizeof campaign / sizeof campaign[0];

	for (size_t i = 0; i < servers; i++)
		assert_non_null(bm_attribute_find(BM_OWNER_SERVER, server[i]));
	for (size_t i = 0; i < campaigns; i++)
		assert_non_null(bm_attribute_find(BM_OWNER_CAMPAIGN, campaign[i]));
	assert_int_equal(bm_attribute_count(), servers + campaigns);
	assert_null(bm_attribute_at(bm_attribute_count()));
}

static void every_row_makes_sense(void **state)
{
	(void)state;
	const struct bm_attribute_info *info;
	for (size_t i = 0; (info = bm_attribute_at(i)) != NULL; i++) {
		assert_int_equal(bm_attribute_index(info), i);
		assert_ptr_equal(bm_attribute_find(info->owner, info->name), info);
		assert_non_null(info->unit);
		assert_non_null(info->initial);
		assert_true(info->min <= info->max);
		assert_int_equal(info->type == BM_ATTRIBUTE_CHOICE, info->choices != NULL);
		if (info->owner == BM_OWNER_CAMPAIGN)
			assert_true(info->offset == BM_ATTRIBUTE_NO_FIELD);
		else if (info->offset != BM_ATTRIBUTE_NO_FIELD)
			assert_true(info->offset < sizeof(struct bm_server_options));
		if (info->initial[0] != '\0' && info->type != BM_ATTRIBUTE_READ_ONLY)
			expect_fine(info->name, info->initial);
	}
}

/* manual: Precedence, conf-robin-spelling */
static void owners_are_apart_and_two_spellings_are_taken(void **state)
{
	(void)state;
	assert_null(bm_attribute_find(BM_OWNER_CAMPAIGN, "Port"));
	assert_null(bm_attribute_find(BM_OWNER_SERVER, "LIST"));
	assert_null(bm_attribute_find(BM_OWNER_SERVER, "port"));
	assert_null(bm_attribute_find(BM_OWNER_SERVER, ""));
	assert_string_equal(bm_attribute_find(BM_OWNER_CAMPAIGN, "precedence")->name, "Precedence");
	assert_string_equal(bm_attribute_find(BM_OWNER_CAMPAIGN, "PRECEDENCE")->name, "Precedence");
	assert_string_equal(bm_attribute_find(BM_OWNER_SERVER, "max_message_per_robin")->name, "max_messages_per_robin");
}

/* manual: conf-types */
/* conformance: 16, 20 */
static void numbers_keep_their_bounds(void **state)
{
	(void)state;
	const struct bm_attribute_info *info;
	for (size_t i = 0; (info = bm_attribute_at(i)) != NULL; i++) {
		char text[32];
		struct bm_error err;
		if (info->type != BM_ATTRIBUTE_NUMBER || info->later != NULL)
			continue;
		snprintf(text, sizeof text, "%llu", (unsigned long long)info->min);
		expect_fine(info->name, text);
		snprintf(text, sizeof text, "%llu", (unsigned long long)info->max);
		expect_fine(info->name, text);
		snprintf(text, sizeof text, "%llu", (unsigned long long)info->max + 1);
		assert_int_equal(bm_attribute_check(info, text, &err), BM_E_CONF);
		snprintf(text, sizeof text, "%lld", (long long)info->min - 1);
		assert_int_equal(bm_attribute_check(info, text, &err), BM_E_CONF);
	}
}

/* manual: conf-types */
static void errors_say_what_was_found_and_expected(void **state)
{
	(void)state;
	expect_error("Port", "twentyfive", "Port: found \"twentyfive\", expected a number from 1 to 65535");
	expect_error("Port", "0", "Port: found \"0\", expected a number from 1 to 65535");
	expect_error("Port", "", "Port: found \"\", expected a number from 1 to 65535");
	expect_error("HTML", "yes", "HTML: found \"yes\", expected 0 or 1");
	expect_error("server_class", "My::Server",
		"server_class: found \"My::Server\", expected Mail::Bulkmail::Server, Mail::Bulkmail::DummyServer, Server or "
		"DummyServer");
	expect_error("Domain", "a\nb", "Domain: found \"a\\x0Ab\", expected text without blanks, 1 to 255 octets");
	expect_error(
		"Domain", "x.org # mine", "Domain: found \"x.org # mine\", expected text without blanks, 1 to 255 octets");
	expect_error("Subject", "a\rb", "Subject: found \"a\\x0Db\", expected a line of text, 0 to 65535 octets");
	expect_error(
		"Trusting", "all", "Trusting: found \"all\", expected 0, 1, email, wrapping, duplicates, banned or precedence");
	expect_error("connected", "1", "connected: found \"1\", expected no value, it is read-only");
	expect_error("socket", NULL, "socket: found \"undef\", expected no value, it is read-only");
}

static void a_long_value_is_cut_in_the_error(void **state)
{
	(void)state;
	char value[5000];
	struct bm_error err;
	memset(value, 'x', sizeof value);
	value[sizeof value - 1] = '\0';
	assert_int_equal(bm_attribute_check(find("Port"), value, &err), BM_E_CONF);
	assert_non_null(strstr(err.text, "expected a number from 1 to 65535"));
	assert_int_equal(bm_attribute_check(find("LIST"), value, &err), BM_E_CONF);
}

/* manual: connections, pipelining, pipeline_depth, rate */
static void how_fast_it_may_go(void **state)
{
	(void)state;
	static const char *const rates[] = {"1", "100", "100/s", "6000/m", "3600/h", "1000000000/s"};
	static const char *const no_rates[] = {
		"", "0", "0/s", "x", "10/d", "/s", "10/", "10 /s", "-1/s", "1000000001", "1.5/s"};
	expect_fine("connections", "1");
	expect_fine("connections", "1000");
	expect_error("connections", "0", "connections: found \"0\", expected a number from 1 to 1000");
	expect_fine("pipelining", "stream");
	expect_error("pipelining", "fast", "pipelining: found \"fast\", expected off, envelope, message, stream or auto");
	expect_fine("pipeline_depth", "1000");
	expect_error("pipeline_depth", "1001", "pipeline_depth: found \"1001\", expected a number from 1 to 1000");
	for (size_t i = 0; i < sizeof rates / sizeof rates[0]; i++)
		expect_fine("rate", rates[i]);
	for (size_t i = 0; i < sizeof no_rates / sizeof no_rates[0]; i++) {
		char text[160];
		snprintf(text, sizeof text,
			"rate: found \"%s\", expected a number, N/s, N/m or N/h with N from 1 to 1000000000", no_rates[i]);
		expect_error("rate", no_rates[i], text);
	}
}

/* An unset max_messages_per_robin is another thing than 0. */
static void no_turns_unless_they_are_asked_for(void **state)
{
	(void)state;
	struct bm_server_options options = BM_SERVER_OPTIONS_INIT;
	assert_true(options.max_messages_per_robin == BM_ROBIN_UNSET);
	assert_int_equal(bm_attribute_store(find("max_messages_per_robin"), "0", &options, NULL), BM_OK);
	assert_int_equal(options.max_messages_per_robin, 0);
	assert_int_equal(bm_attribute_store(find("max_messages_per_robin"), NULL, &options, NULL), BM_OK);
	assert_true(options.max_messages_per_robin == BM_ROBIN_UNSET);
}

static void what_comes_later_is_refused_in_plain_words(void **state)
{
	(void)state;
	expect_fine("in_doubt", "hold");
	expect_error("in_doubt", "resend",
		"in_doubt: found \"resend\", this version cannot resolve what is in doubt without a journal yet, expected "
		"hold");
}

/* manual: tls, tls_wrapper, protocol */
static void how_a_server_is_spoken_to(void **state)
{
	(void)state;
	static const char *const levels[] = {"none", "may", "encrypt", "verify"};
	for (size_t i = 0; i < sizeof levels / sizeof levels[0]; i++)
		expect_fine("tls", levels[i]);
	expect_error("tls", "yes", "tls: found \"yes\", expected none, may, encrypt or verify");
	expect_error("tls", "VERIFY", "tls: found \"VERIFY\", expected none, may, encrypt or verify");
	expect_fine("tls_wrapper", "0");
	expect_fine("tls_wrapper", "1");
	expect_error("tls_wrapper", "2", "tls_wrapper: found \"2\", expected 0 or 1");
	expect_fine("protocol", "smtp");
	expect_fine("protocol", "lmtp");
	expect_error("protocol", "http", "protocol: found \"http\", expected smtp or lmtp");
}

/* manual: tls_ca_file, tls_pin, tls_cert_file, tls_key_file, user, password_file, password_command, auth */
static void texts_of_tls_and_login_are_lines(void **state)
{
	(void)state;
	static const char *const names[] = {
		"tls_ca_file", "tls_pin", "tls_cert_file", "tls_key_file", "user", "password_file", "password_command", "auth"};
	for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
		char text[128];
		expect_fine(names[i], "/some/where or \"else\"");
		expect_fine(names[i], NULL);
		snprintf(text, sizeof text, "%s: found \"\", expected a line of text, 1 to 4095 octets", names[i]);
		expect_error(names[i], "", text);
		snprintf(text, sizeof text, "%s: found \"a\\x0Ab\", expected a line of text, 1 to 4095 octets", names[i]);
		expect_error(names[i], "a\nb", text);
	}
}

/* An unset tls_wrapper is another thing than 0. */
/* manual: tls_wrapper */
static void tls_wrapper_may_be_unset(void **state)
{
	(void)state;
	struct bm_server_options options = BM_SERVER_OPTIONS_INIT;
	assert_true(options.tls_wrapper == BM_TLS_WRAPPER_UNSET);
	assert_int_equal(bm_attribute_store(find("tls_wrapper"), "0", &options, NULL), BM_OK);
	assert_int_equal(options.tls_wrapper, 0);
	assert_int_equal(bm_attribute_store(find("tls_wrapper"), NULL, &options, NULL), BM_OK);
	assert_true(options.tls_wrapper == BM_TLS_WRAPPER_UNSET);
}

/* manual: notify, ret, envid, require_tls */
/* conformance: 63 */
static void what_the_sender_wants_to_be_told(void **state)
{
	(void)state;
	static const char *const fine[][2] = {{"never", "NEVER"}, {"Success", "SUCCESS"},
		{"failure,delay", "FAILURE,DELAY"}, {" delay , success\tFAILURE", "SUCCESS,FAILURE,DELAY"}};
	static const char *const wrong[] = {"", ",", "always", "never,delay", "delay,delay", "success;delay", "succes"};
	char out[BM_NOTIFY_SIZE];
	for (size_t i = 0; i < sizeof fine / sizeof fine[0]; i++) {
		expect_fine("notify", fine[i][0]);
		assert_true(bm_notify_parse(fine[i][0], out));
		assert_string_equal(out, fine[i][1]);
	}
	for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
		char text[160];
		snprintf(text, sizeof text,
			"notify: found \"%s\", expected never, or success, failure and delay joined by commas or blanks", wrong[i]);
		expect_error("notify", wrong[i], text);
		assert_false(bm_notify_parse(wrong[i], out));
		assert_string_equal(out, "");
	}
	expect_fine("ret", "full");
	expect_fine("ret", "hdrs");
	expect_error("ret", "body", "ret: found \"body\", expected full or hdrs");
	expect_fine("envid", "news-{{seq}}");
	expect_fine("require_tls", "1");
	expect_error("require_tls", "yes", "require_tls: found \"yes\", expected 0 or 1");
}

/* manual: source_address, retry_delay, retry_delay_max */
static void what_ours_may_hold(void **state)
{
	(void)state;
	expect_fine("source_address", "192.0.2.1");
	expect_fine("source_address", "2001:db8::1");
	expect_error(
		"source_address", "a b", "source_address: found \"a b\", expected text without blanks, 1 to 255 octets");
	expect_fine("retry_delay", "0");
	expect_fine("retry_delay", "86400");
	expect_error("retry_delay", "-1", "retry_delay: found \"-1\", expected a number from 0 to 86400");
	expect_error("retry_delay_max", "1h", "retry_delay_max: found \"1h\", expected a number from 0 to 86400");
	expect_error("retry_delay_max", "86401", "retry_delay_max: found \"86401\", expected a number from 0 to 86400");
}

static void texts_take_what_they_may(void **state)
{
	(void)state;
	expect_fine("Message", "a\n\tb\r\n");
	expect_fine("Subject", "");
	expect_fine("Subject", "a\tb \xc3\xa9");
	expect_fine("Sender", "");
	expect_fine("Precedence", "bulk");
	expect_fine("Precedence", "whatever is trusted");
	expect_fine("Smtp", "2001:db8::1");
	expect_fine("Trusting", "precedence");
	struct bm_error err;
	assert_int_equal(bm_attribute_check(find("From"), "", &err), BM_E_CONF);
	assert_int_equal(bm_attribute_check(find("Smtp"), "a b", &err), BM_E_CONF);
}

static void names_the_nearest(void **state)
{
	(void)state;
	assert_string_equal(bm_attribute_nearest(BM_OWNER_SERVER, "port"), "Port");
	assert_string_equal(bm_attribute_nearest(BM_OWNER_SERVER, "timeout"), "time_out");
	assert_string_equal(bm_attribute_nearest(BM_OWNER_SERVER, "envelop_limit"), "envelope_limit");
	assert_string_equal(bm_attribute_nearest(BM_OWNER_SERVER, "max_message"), "max_messages");
	assert_string_equal(bm_attribute_nearest(BM_OWNER_CAMPAIGN, "Subejct"), "Subject");
	assert_null(bm_attribute_nearest(BM_OWNER_SERVER, "colour_of_the_sky"));
	assert_null(bm_attribute_nearest(
		BM_OWNER_SERVER, "a_name_that_is_far_longer_than_every_name_that_anybody_would_ever_want_to_write"));
}

static void distance_counts_slips(void **state)
{
	(void)state;
	assert_int_equal(bm_nearest_distance("", ""), 0);
	assert_int_equal(bm_nearest_distance("abc", ""), 3);
	assert_int_equal(bm_nearest_distance("", "abc"), 3);
	assert_int_equal(bm_nearest_distance("Port", "pORT"), 0);
	assert_int_equal(bm_nearest_distance("Prot", "Port"), 1);
	assert_int_equal(bm_nearest_distance("Por", "Port"), 1);
	assert_int_equal(bm_nearest_distance("kitten", "sitting"), 3);
}

static void store(struct bm_server_options *options, const char *name, const char *value)
{
	struct bm_error err = BM_ERROR_INIT;
	if (bm_attribute_store(find(name), value, options, &err) != BM_OK)
		fail_msg("%s", err.text);
}

static void stores_values_and_defaults(void **state)
{
	(void)state;
	struct bm_server_options options = BM_SERVER_OPTIONS_INIT;
	struct bm_error err;
	store(&options, "Smtp", "mx1.example.org");
	store(&options, "Smtp", "mx2.example.org");
	store(&options, "Port", "2525");
	store(&options, "envelope_limit", "7");
	store(&options, "tls_wrapper", "0");
	store(&options, "pipelining", "off");
	assert_string_equal(options.smtp, "mx2.example.org");
	assert_string_equal(options.pipelining, "off");
	assert_int_equal(options.port, 2525);
	assert_int_equal(options.envelope_limit, 7);
	assert_int_equal(bm_attribute_store(find("Port"), "65536", &options, &err), BM_E_CONF);
	assert_int_equal(options.port, 2525);
	store(&options, "Port", NULL);
	store(&options, "envelope_limit", NULL);
	store(&options, "Smtp", NULL);
	assert_int_equal(options.port, 0);
	assert_int_equal(options.envelope_limit, 100);
	assert_null(options.smtp);
	bm_server_options_deinit(&options);
	assert_null(options.pipelining);
}

static void refuses_to_store_what_has_no_field(void **state)
{
	(void)state;
	struct bm_server_options options = BM_SERVER_OPTIONS_INIT;
	struct bm_error err;
	assert_int_equal(bm_attribute_store(find("server_file"), "x", &options, &err), BM_E_CONF);
	assert_int_equal(bm_attribute_store(find("From"), "x@example.org", &options, &err), BM_E_CONF);
	assert_int_equal(bm_attribute_store(find("socket"), "1", &options, &err), BM_E_CONF);
}

static void copies_are_of_their_own(void **state)
{
	(void)state;
	char smtp[] = "mx.example.org";
	struct bm_server_options from = BM_SERVER_OPTIONS_INIT;
	struct bm_server_options out;
	from.smtp = smtp;
	from.port = 26;
	assert_int_equal(bm_server_options_copy(&out, &from, NULL), BM_OK);
	smtp[0] = 'X';
	assert_string_equal(out.smtp, "mx.example.org");
	assert_int_equal(out.port, 26);
	bm_server_options_deinit(&out);
}

static void a_shorter_struct_gets_defaults(void **state)
{
	(void)state;
	struct bm_server_options from = BM_SERVER_OPTIONS_INIT;
	struct bm_server_options out;
	struct bm_error err;
	from.port = 26;
	from.max_errors_per_connection = 3;
	from.size = offsetof(struct bm_server_options, domain);
	assert_int_equal(bm_server_options_copy(&out, &from, &err), BM_OK);
	assert_int_equal(out.size, sizeof out);
	assert_int_equal(out.port, 26);
	assert_int_equal(out.max_errors_per_connection, 8);
	bm_server_options_deinit(&out);
	from.size = 0;
	assert_int_equal(bm_server_options_copy(&out, &from, &err), BM_E_USAGE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(holds_every_attribute_of_the_contract),
		cmocka_unit_test(every_row_makes_sense),
		cmocka_unit_test(owners_are_apart_and_two_spellings_are_taken),
		cmocka_unit_test(numbers_keep_their_bounds),
		cmocka_unit_test(errors_say_what_was_found_and_expected),
		cmocka_unit_test(a_long_value_is_cut_in_the_error),
		cmocka_unit_test(how_fast_it_may_go),
		cmocka_unit_test(no_turns_unless_they_are_asked_for),
		cmocka_unit_test(what_comes_later_is_refused_in_plain_words),
		cmocka_unit_test(how_a_server_is_spoken_to),
		cmocka_unit_test(texts_of_tls_and_login_are_lines),
		cmocka_unit_test(tls_wrapper_may_be_unset),
		cmocka_unit_test(what_the_sender_wants_to_be_told),
		cmocka_unit_test(what_ours_may_hold),
		cmocka_unit_test(texts_take_what_they_may),
		cmocka_unit_test(names_the_nearest),
		cmocka_unit_test(distance_counts_slips),
		cmocka_unit_test(stores_values_and_defaults),
		cmocka_unit_test(refuses_to_store_what_has_no_field),
		cmocka_unit_test(copies_are_of_their_own),
		cmocka_unit_test(a_shorter_struct_gets_defaults),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
