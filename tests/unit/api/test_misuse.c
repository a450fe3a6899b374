/* SPDX-License-Identifier: MIT */
/* The public functions in an order, with values or at moments that nobody meant: every answer is an error with an id.
 */
#include "bulkmail/campaign.h"
#include "peer.h"

#include <stdlib.h>
#include <sys/wait.h>

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

/* A campaign over a server where nobody listens. */
struct campaign {
	struct bm_recipients *recipients;
	struct bm_message *message;
	struct bm_servers *servers;
	struct bm_campaign *campaign;
	unsigned outcomes;
};

static void make(struct campaign *made, bm_outcome_fn *outcome)
{
	static const char *const list[] = {"a@x.example", "nobody", "b@y.example", "c@z.example"};
	const struct bm_attribute attributes[] = {
		{"Smtp", "127.0.0.1"}, {"Port", "1"}, {"Domain", "me.example"}, {"max_connection_attempts", "1"}};
	const struct bm_attribute_set set = {attributes, 4};
	struct bm_message_options message = BM_MESSAGE_OPTIONS_INIT;
	struct bm_campaign_options options = BM_CAMPAIGN_OPTIONS_INIT;

	*made = (struct campaign){.campaign = NULL};
	message.content = "Hi\r\n";
	message.content_size = 4;
	message.from = message.to = "me@me.example";
	assert_int_equal(bm_message_new(&made->message, &message, NULL), BM_OK);
	assert_int_equal(bm_recipients_new_array(&made->recipients, list, 4, NULL), BM_OK);
	assert_int_equal(bm_servers_create(&made->servers, NULL, NULL, NULL, &set, 1, NULL), BM_OK);
	options.outcome = outcome;
	options.outcome_user = made;
	assert_int_equal(
		bm_campaign_new(&made->campaign, &options, made->recipients, made->message, made->servers, NULL), BM_OK);
}

static void end(struct campaign *made)
{
	bm_campaign_free(made->campaign);
	bm_servers_free(made->servers);
	bm_recipients_free(made->recipients);
	bm_message_free(made->message);
}

/* What a callback may call at the wrong time. */
static void call_back(void *user, const struct bm_outcome *outcome)
{
	struct campaign *made = user;
	struct bm_error err = BM_ERROR_INIT;

	(void)outcome;
	made->outcomes++;
	assert_int_equal(bm_campaign_run(made->campaign, &err), BM_E_USAGE);
	assert_int_equal(bm_campaign_rehearse(made->campaign, NULL), BM_E_USAGE);
	assert_true(bm_campaign_progress(made->campaign).records > 0);
	(void)bm_campaign_server_report(made->campaign, 0);
	bm_campaign_stop(made->campaign);
}

/* conformance: A45 */
static void a_campaign_bears_calls_at_the_wrong_time(void **unused)
{
	(void)unused;
	struct bm_error err = BM_ERROR_INIT;
	struct campaign made;

	make(&made, call_back);
	assert_int_equal(bm_campaign_progress(made.campaign).records, 0);
	enum bm_code code = bm_campaign_run(made.campaign, &err);
	assert_true(code == BM_E_STOPPED || code == BM_E_NO_SERVER);
	assert_int_equal(made.outcomes, 4);
	assert_int_equal(bm_campaign_run(made.campaign, &err), BM_E_USAGE);
	bm_campaign_stop(made.campaign);
	end(&made);
	bm_campaign_free(NULL);
}

static void count(void *user, const struct bm_outcome *outcome)
{
	(void)outcome;
	((struct campaign *)user)->outcomes++;
}

/* Says by its result whether all went as it should: asserts belong to the main thread. */
static void *run_one(void *user)
{
	struct campaign *made = user;
	return bm_campaign_run(made->campaign, NULL) == BM_E_NO_SERVER && made->outcomes == 4 ? user : NULL;
}

/* conformance: F63 */
static void campaigns_share_nothing(void **unused)
{
	(void)unused;
	struct campaign made[4];
	pthread_t threads[4];
	void *result;

	for (int i = 0; i < 4; i++) {
		make(&made[i], count);
		assert_int_equal(pthread_create(&threads[i], NULL, run_one, &made[i]), 0);
	}
	for (int i = 0; i < 4; i++) {
		assert_int_equal(pthread_join(threads[i], &result), 0);
		assert_ptr_equal(result, &made[i]);
		end(&made[i]);
	}
}

/* conformance: F63 */
static void a_fork_makes_campaigns_of_its_own(void **unused)
{
	(void)unused;
	struct campaign made;
	int status = 0;

	pid_t child = fork();
	if (child == 0) {
		make(&made, count);
		_exit(run_one(&made) == NULL);
	}
	assert_true(child > 0);
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_server_bears_any_order_of_calls),
		cmocka_unit_test(structs_of_other_versions_are_read_as_far_as_they_go),
		cmocka_unit_test(a_campaign_bears_calls_at_the_wrong_time),
		cmocka_unit_test(campaigns_share_nothing),
		cmocka_unit_test(a_fork_makes_campaigns_of_its_own),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
