/* SPDX-License-Identifier: MIT */
/* The public functions in an order, with values or at moments that nobody meant: every answer is an error with an id.
 */
#include "bulkmail/campaign.h"
#include "peer.h"

#include <stdlib.h>

#define CALLS 4000

static uint32_t next(uint32_t *state)
{
	*state = *state * 1664525u + 1013904223u;
	return *state >> 8;
}

/* An error says what it is; success leaves no id that was not there. */
static void assert_told(enum bm_code code, const struct bm_error *err)
{
	if (code == BM_OK)
		return;
	assert_int_equal(err->code, code);
	assert_true(err->text[0] != '\0');
}

static const char *const names[] = {"Port", "Domain", "Tries", "time_out", "envelope_limit", "max_messages",
	"max_messages_per_connection", "connections", "rate", "pipelining", "tls", "auth", "source_address", "connected",
	"nonsense", ""};
static const char *const values[] = {NULL, "", "0", "1", "2", "-1", "18446744073709551615", "18446744073709551616",
	"127.0.0.1", "a b", "1/s", "off", "verify", "x\r\nQUIT", "\xff"};
static const char *const talks[] = {"NOOP", "", "RSET\r\nQUIT", "QUIT", "MAIL FROM:<>", "x\x01", "\r\n"};

#define PICK(list) (list)[next(state) % (sizeof(list) / sizeof(list)[0])]

static void call_anything(struct bm_server *server, uint32_t *state)
{
	struct bm_error err = BM_ERROR_INIT;
	const char *out = NULL;

	switch (next(state) % 12) {
	case 0:
	case 1:
		assert_told(bm_server_set(server, PICK(names), PICK(values), &err), &err);
		return;
	case 2:
		assert_told(bm_server_get(server, PICK(names), &out, &err), &err);
		return;
	case 3:
		assert_told(bm_server_connect(server, &err), &err);
		return;
	case 4:
		assert_told(bm_server_talk_and_respond(server, PICK(talks), &out, &err), &err);
		return;
	case 5:
		bm_server_disconnect(server, next(state) % 2 == 0);
		assert_false(bm_server_connected(server));
		return;
	case 6:
		bm_server_increment_messages_sent(server);
		return;
	case 7:
		bm_server_reset_message_counters(server);
		return;
	case 8:
		(void)bm_server_reached_limit(server);
		return;
	case 9:
		assert_non_null(bm_server_name(server));
		assert_true(bm_server_connected(server) == (bm_server_socket(server) >= 0));
		return;
	case 10:
		(void)bm_server_capability(server, next(state));
		return;
	default:
		bm_server_take_conversation(server, NULL);
		(void)bm_server_channel(server);
	}
}

/* conformance: A21, A45 */
static void a_server_bears_any_order_of_calls(void **unused)
{
	(void)unused;
	uint32_t seed = 1;
	uint32_t *state = &seed;

	for (int round = 0; round < 20; round++) {
		struct bm_server *server = NULL;
		struct bm_error err = BM_ERROR_INIT;
		/* nobody listens there */
		const struct bm_attribute attributes[] = {{"Smtp", "127.0.0.1"}, {"Port", "1"}, {"Domain", "me.example"},
			{"Tries", "1"}, {"time_out", "1"}, {"max_connection_attempts", "100000"}};
		assert_int_equal(bm_server_new_named(&server, attributes, 6, &err), BM_OK);
		for (int i = 0; i < CALLS / 20; i++)
			call_anything(server, state);
		bm_server_free(server);
	}
}

/* conformance: A45 */
static void structs_of_other_versions_are_read_as_far_as_they_go(void **unused)
{
	(void)unused;
	struct bm_server_options known = BM_SERVER_OPTIONS_INIT;
	size_t most = 2 * sizeof known;
	struct bm_server_options *options = calloc(1, most);

	assert_non_null(options);
	for (size_t size = 0; size <= most; size += sizeof(void *)) {
		struct bm_server *server = NULL;
		memcpy(options, &known, sizeof known);
		memset((char *)options + sizeof known, 0x5a, most - sizeof known);
		options->size = size;
		assert_int_equal(bm_server_new(&server, options, NULL), BM_OK);
		assert_int_equal(bm_server_options(server)->size, sizeof known);
		bm_server_free(server);
	}
	free(options);
}

struct nested {
	struct bm_campaign *campaign;
	unsigned outcomes;
};

/* What a callback may call at the wrong time. */
static void call_back(void *user, const struct bm_outcome *outcome)
{
	struct nested *nested = user;
	struct bm_error err = BM_ERROR_INIT;

	(void)outcome;
	nested->outcomes++;
	assert_int_equal(bm_campaign_run(nested->campaign, &err), BM_E_USAGE);
	assert_int_equal(bm_campaign_rehearse(nested->campaign, NULL), BM_E_USAGE);
	assert_true(bm_campaign_progress(nested->campaign).records > 0);
	(void)bm_campaign_server_report(nested->campaign, 0);
	bm_campaign_stop(nested->campaign);
}

/* conformance: A45 */
static void a_campaign_bears_calls_at_the_wrong_time(void **unused)
{
	(void)unused;
	static const char *const list[] = {"a@x.example", "nobody", "b@y.example", "c@z.example"};
	const struct bm_attribute attributes[] = {{"Smtp", "127.0.0.1"}, {"Port", "1"}, {"Domain", "me.example"}};
	const struct bm_attribute_set set = {attributes, 3};
	struct bm_message_options message = BM_MESSAGE_OPTIONS_INIT;
	struct bm_campaign_options options = BM_CAMPAIGN_OPTIONS_INIT;
	struct bm_error err = BM_ERROR_INIT;
	struct bm_recipients *recipients = NULL;
	struct bm_message *compiled = NULL;
	struct bm_servers *servers = NULL;
	struct nested nested = {.campaign = NULL};

	message.content = "Hi\r\n";
	message.content_size = 4;
	message.from = message.to = "me@me.example";
	assert_int_equal(bm_message_new(&compiled, &message, &err), BM_OK);
	assert_int_equal(bm_recipients_new_array(&recipients, list, 4, &err), BM_OK);
	assert_int_equal(bm_servers_create(&servers, NULL, NULL, NULL, &set, 1, &err), BM_OK);
	options.outcome = call_back;
	options.outcome_user = &nested;
	assert_int_equal(bm_campaign_new(&nested.campaign, &options, recipients, compiled, servers, &err), BM_OK);
	assert_int_equal(bm_campaign_progress(nested.campaign).records, 0);
	enum bm_code code = bm_campaign_run(nested.campaign, &err);
	assert_true(code == BM_E_STOPPED || code == BM_E_NO_SERVER);
	assert_int_equal(nested.outcomes, 4);
	assert_int_equal(bm_campaign_run(nested.campaign, &err), BM_E_USAGE);
	bm_campaign_stop(nested.campaign);
	bm_campaign_free(nested.campaign);
	bm_campaign_free(NULL);
	bm_servers_free(servers);
	bm_recipients_free(recipients);
	bm_message_free(compiled);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_server_bears_any_order_of_calls),
		cmocka_unit_test(structs_of_other_versions_are_read_as_far_as_they_go),
		cmocka_unit_test(a_campaign_bears_calls_at_the_wrong_time),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
