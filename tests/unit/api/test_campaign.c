/* SPDX-License-Identifier: MIT */
/* Whole campaigns through the public functions, against a scripted peer, the sink, or nobody. */
#include "../store/scratch.h"
#include "bulkmail/campaign.h"
#include "bulkmail/sink.h"
#include "peer.h"

#include <stdlib.h>
#include <sys/stat.h>

#define FROM "from@me.example"

/* One recipient up to the end of data, and the same answered. */
#define HAND_OVER(address)                                                                                             \
	"< MAIL FROM:<" FROM ">", "> 250 ok", "< RCPT TO:<" address ">", "> 250 ok", "< DATA", "> 354 go on", "content"
#define TAKE(address) HAND_OVER(address), "> 250 2.0.0 taken"

struct run {
	struct bm_servers *servers;
	struct bm_message *message;
	struct bm_recipients *list;
	struct bm_log *good;
	struct bm_log *bad;
	struct bm_log *errfile;
	struct bm_campaign_options options;
	struct bm_campaign *campaign;
	struct bm_error err;
	char outcomes[4096]; /* a line each: "seq kind code enhanced attempts address" */
};

static void note_outcome(void *user, const struct bm_outcome *outcome)
{
	struct run *run = user;
	size_t used = strlen(run->outcomes);

	assert_true(outcome->at_ms > 0);
	assert_non_null(outcome->text);
	snprintf(run->outcomes + used, sizeof run->outcomes - used, "%llu %s %d %s%s%u %.*s\n",
		(unsigned long long)outcome->seq, bm_outcome_name(outcome->kind), outcome->code, outcome->enhanced,
		outcome->enhanced[0] == '\0' ? "" : " ", outcome->attempts, (int)outcome->address_size, outcome->address);
}

static void make_message(struct run *run, bool use_envelope, const char *body)
{
	struct bm_message_options message = BM_MESSAGE_OPTIONS_INIT;
	message.content = body;
	message.content_size = strlen(body);
	message.from = FROM;
	message.to = "list@me.example";
	message.use_envelope = use_envelope;
	message.date = 1700000000;
	/* Whoever signs says so: such a message is never encoded anew. */
	static const struct bm_header signature = {"DKIM-Signature", "v=1"};
	message.headers = &signature;
	message.header_count = strchr(body, 0xc3) == NULL ? 0 : 1;
	assert_int_equal(bm_message_new(&run->message, &message, &run->err), BM_OK);
}

/* Deferred recipients and lost servers are tried again at once. */
static void prepare(struct run *run, bool use_envelope, const char *const *list, size_t count)
{
	const struct bm_campaign_options options = BM_CAMPAIGN_OPTIONS_INIT;

	*run = (struct run){.options = options};
	make_message(run, use_envelope, "Hello\r\n.\r\n..\r\n");
	assert_int_equal(bm_recipients_new_array(&run->list, list, count, &run->err), BM_OK);
	assert_int_equal(bm_log_new_array(&run->good, &run->err), BM_OK);
	assert_int_equal(bm_log_new_array(&run->bad, &run->err), BM_OK);
	assert_int_equal(bm_log_new_array(&run->errfile, &run->err), BM_OK);
	run->options.use_envelope = use_envelope;
	run->options.good = run->good;
	run->options.bad = run->bad;
	run->options.errfile = run->errfile;
	run->options.retry_delay = 0;
	run->options.outcome = note_outcome;
	run->options.outcome_user = run;
}

/* A server with one connection for each port; every one has attribute name set to value, too, unless it is NULL. */
static void make_servers(struct run *run, const uint16_t *ports, size_t count, const char *name, const char *value)
{
	struct bm_attribute attributes[3][7];
	struct bm_attribute_set sets[3];
	char texts[3][8];

	assert_true(count <= 3);
	for (size_t i = 0; i < count; i++) {
		const struct bm_attribute own[] = {{"Smtp", "127.0.0.1"}, {"Port", texts[i]}, {"Domain", "me.example"},
			{"Tries", "1"}, {"time_out", "5"}, {"connections", "1"}, {name, value}};
		snprintf(texts[i], sizeof texts[i], "%u", (unsigned)ports[i]);
		memcpy(attributes[i], own, sizeof own);
		sets[i] = (struct bm_attribute_set){attributes[i], name == NULL ? 6 : 7};
	}
	assert_int_equal(bm_servers_create(&run->servers, NULL, NULL, NULL, sets, count, &run->err), BM_OK);
}

static void make_campaign(struct run *run)
{
	enum bm_code code =
		bm_campaign_new(&run->campaign, &run->options, run->list, run->message, run->servers, &run->err);
	if (code != BM_OK)
		fail_msg("%s %s", run->err.id, run->err.text);
}

static void run_campaign(struct run *run, enum bm_code expected)
{
	if (run->campaign == NULL)
		make_campaign(run);
	enum bm_code code = bm_campaign_run(run->campaign, &run->err);
	if (code != expected)
		fail_msg("%s instead of %s: %s", bm_code_name(code), bm_code_name(expected), run->err.text);
}

/* Against one peer, to the end. */
static void play(struct run *run, const char *const *script, struct peer *peer, const char *name, const char *value)
{
	peer_start(peer, script);
	make_servers(run, &peer->port, 1, name, value);
	run_campaign(run, BM_OK);
	peer_finish(peer);
}

static void end(struct run *run)
{
	bm_campaign_free(run->campaign);
	bm_servers_free(run->servers);
	bm_recipients_free(run->list);
	bm_message_free(run->message);
	bm_log_free(run->good);
	bm_log_free(run->bad);
	bm_log_free(run->errfile);
}

/* The lines of an array log, each with LF, compared to text. */
static void assert_lines(const struct bm_log *log, const char *text)
{
	char lines[4096] = "";
	for (size_t i = 0; i < bm_log_count(log); i++) {
		size_t used = strlen(lines);
		snprintf(lines + used, sizeof lines - used, "%s\n", bm_log_line(log, i));
	}
	assert_string_equal(lines, text);
}

/* Line index of the errors holds both texts. */
static void assert_complaint(const struct run *run, size_t index, const char *id, const char *part)
{
	const char *line = bm_log_line(run->errfile, index);
	assert_non_null(line);
	if (strncmp(line, id, strlen(id)) != 0 || strstr(line, part) == NULL)
		fail_msg("\"%s\" is not %s with \"%s\"", line, id, part);
}

static void *run_sink(void *user)
{
	struct bm_error err = BM_ERROR_INIT;
	enum bm_code code = bm_sink_run(user, &err);
	return code == BM_OK ? NULL : user;
}

/* manual: campaign-good, envelope-shared, list-display-name, list-comments, list-domain-case, row-good-bad-lines, GOOD
 */
static void all_are_accepted_by_the_sink(void **state)
{
	(void)state;
	static const char *const list[] = {
		"a@x.example", "\"B\" <b@X.example>", "  c@x.example (comment)  ", "d@y.example", "e@x.example"};
	struct bm_sink_options options = BM_SINK_OPTIONS_INIT;
	struct bm_sink *sink = NULL;
	struct run run;
	pthread_t thread;
	void *failed = NULL;
	prepare(&run, true, list, 5);
	assert_int_equal(bm_sink_new(&sink, &options, &run.err), BM_OK);
	assert_int_equal(pthread_create(&thread, NULL, run_sink, sink), 0);
	uint16_t port = bm_sink_port(sink);
	make_servers(&run, &port, 1, NULL, NULL);
	run_campaign(&run, BM_OK);
	bm_sink_stop(sink);
	assert_int_equal(pthread_join(thread, &failed), 0);
	assert_null(failed);
	struct bm_sink_counters seen = bm_sink_counters(sink);
	assert_int_equal(seen.connections, 1);
	assert_int_equal(seen.transactions, 3);
	assert_int_equal(seen.recipients, 5);
	assert_int_equal(seen.violations, 0);
	bm_sink_free(sink);
	assert_lines(run.good, "a@x.example\n\"B\" <b@X.example>\nc@x.example (comment)\nd@y.example\ne@x.example\n");
	assert_lines(run.bad, "");
	assert_lines(run.errfile, "");
	struct bm_progress progress = bm_campaign_progress(run.campaign);
	assert_int_equal(progress.records, 5);
	assert_int_equal(progress.done, 5);
	assert_int_equal(progress.total, 5);
	assert_int_equal(progress.transactions, 3);
	assert_int_equal(progress.outcomes[BM_OUTCOME_ACCEPTED], 5);
	assert_true(bm_campaign_list_complete(run.campaign));
	end(&run);
}

/* manual: campaign-duplicates, campaign-banned, campaign-good, banned, BAD, GOOD, ERRFILE, MB007, MB017, MB018 */
/* manual: row-multiline-550, row-good-bad-lines, envelope-shared */
static void every_record_goes_to_its_log(void **state)
{
	(void)state;
	static const char *const list[] = {"a@x.example", " no address ", "A@x.example", "b@x.example", "A@X.EXAMPLE",
		"ban@x.example", "c@banned.example", "d@x.example"};
	static const char bans[] = "ban@x.example\nbanned.example\n";
	static const char *const script[] = {PEER_HELLO, "< MAIL FROM:<" FROM ">", "> 250 ok", "< RCPT TO:<a@x.example>",
		"> 250 ok", "< RCPT TO:<b@x.example>", "> 550-5.1.1 no such\r\n550 5.1.1 user", "< RCPT TO:<d@x.example>",
		"> 250 ok", "< DATA", "> 354 go on", "content", "> 250 2.0.0 taken", PEER_BYE, NULL};
	struct scratch scratch;
	struct peer peer;
	struct run run;
	scratch_init(&scratch);
	prepare(&run, true, list, 8);
	run.options.banned = scratch_write(&scratch, "banned", bans, sizeof bans - 1);
	play(&run, script, &peer, NULL, NULL);
	assert_lines(run.good, "a@x.example\nd@x.example\n");
	assert_lines(run.bad, "no address\nA@x.example\nA@X.EXAMPLE\nban@x.example\nc@banned.example\n");
	assert_string_equal(run.outcomes, "2 invalid 0 0 no address\n"
									  "3 duplicate 0 0 A@x.example\n"
									  "5 duplicate 0 0 A@X.EXAMPLE\n"
									  "6 banned 0 0 ban@x.example\n"
									  "7 banned 0 0 c@banned.example\n"
									  "4 refused 550 5.1.1 1 b@x.example\n"
									  "1 accepted 250 2.0.0 1 a@x.example\n"
									  "8 accepted 250 2.0.0 1 d@x.example\n");
	assert_int_equal(bm_log_count(run.errfile), 6);
	assert_complaint(&run, 0, "MB007", "no address");
	assert_complaint(&run, 1, "MB017", "A@x.example");
	assert_complaint(&run, 3, "MB018", "ban@x.example");
	assert_complaint(&run, 5, "MB051", "550 no such user");
	end(&run);
	scratch_deinit(&scratch, (const char *const[]){"banned", NULL});
}

/* manual: row-552-end-of-data, row-rcpt-250-data-fails, campaign-good, envelope-each */
/* conformance: 15 */
static void what_is_refused_at_the_end_is_not_in_good(void **state)
{
	(void)state;
	static const char *const list[] = {"a@x.example", "b@x.example", "c@x.example"};
	static const char *const script[] = {PEER_HELLO, HAND_OVER("a@x.example"), "> 552 5.2.3 too big",
		"< MAIL FROM:<" FROM ">", "> 250 ok", "< RCPT TO:<b@x.example>", "> 250 ok", "< DATA", "> 554 no",
		/* the envelope that the refused DATA left behind is dropped first */
		"< RSET", "> 250 ok", TAKE("c@x.example"), PEER_BYE, NULL};
	struct peer peer;
	struct run run;
	prepare(&run, false, list, 3);
	play(&run, script, &peer, NULL, NULL);
	assert_lines(run.good, "c@x.example\n");
	assert_string_equal(run.outcomes, "1 refused 552 5.2.3 1 a@x.example\n"
									  "2 refused 554 1 b@x.example\n"
									  "3 accepted 250 2.0.0 1 c@x.example\n");
	end(&run);
}

/* manual: row-lost-end-of-data */
/* conformance: 17 */
static void a_lost_end_of_data_is_in_doubt(void **state)
{
	(void)state;
	static const char *const list[] = {"a@x.example", "b@x.example"};
	static const char *const script[] = {
		PEER_HELLO, HAND_OVER("a@x.example"), "close", PEER_HELLO, TAKE("b@x.example"), PEER_BYE, NULL};
	struct peer peer;
	struct run run;
	prepare(&run, false, list, 2);
	play(&run, script, &peer, NULL, NULL);
	assert_lines(run.good, "b@x.example\n");
	assert_string_equal(run.outcomes, "1 in_doubt 0 0 a@x.example\n2 accepted 250 2.0.0 1 b@x.example\n");
	struct bm_server_report report = bm_campaign_server_report(run.campaign, 0);
	assert_string_equal(report.server, peer.place);
	assert_int_equal(report.connections, 2);
	assert_int_equal(report.messages, 1);
	end(&run);
}

/* manual: row-451-end-of-data, retry_delay, talk_attempts */
/* conformance: 15 */
static void a_451_defers_the_transaction(void **state)
{
	(void)state;
	static const char *const list[] = {"a@x.example", "b@x.example"};
	static const char *const script[] = {PEER_HELLO, HAND_OVER("a@x.example"), "> 451 4.3.0 later", TAKE("a@x.example"),
		HAND_OVER("b@x.example"), "> 451 4.3.0 later", HAND_OVER("b@x.example"), "> 452 4.3.1 full", PEER_BYE, NULL};
	struct peer peer;
	struct run run;
	prepare(&run, false, list, 2);
	play(&run, script, &peer, "talk_attempts", "1");
	assert_lines(run.good, "a@x.example\n");
	assert_string_equal(run.outcomes, "1 accepted 250 2.0.0 2 a@x.example\n2 deferred 452 4.3.1 2 b@x.example\n");
	end(&run);
}

/* manual: row-421 */
/* conformance: 17, F08 */
static void after_a_421_the_work_goes_on_elsewhere(void **state)
{
	(void)state;
	static const char *const list[] = {"a@x.example"};
	static const char *const first[] = {PEER_HELLO, "< MAIL FROM:", "> 421 4.3.2 going down", "end", NULL};
	static const char *const second[] = {PEER_HELLO, TAKE("a@x.example"), PEER_BYE, NULL};
	struct peer peers[2];
	struct run run;
	prepare(&run, true, list, 1);
	peer_start(&peers[0], first);
	peer_start(&peers[1], second);
	make_servers(&run, (const uint16_t[]){peers[0].port, peers[1].port}, 2, NULL, NULL);
	run_campaign(&run, BM_OK);
	peer_finish(&peers[0]);
	peer_finish(&peers[1]);
	assert_lines(run.good, "a@x.example\n");
	assert_complaint(&run, 0, "MBS009", "421");
	end(&run);
}

/* manual: turn-ends, turn-finishes-envelope, row-limit-open-envelope, max_messages_per_connection */
static void a_limit_finishes_the_open_envelope(void **state)
{
	(void)state;
	static const char *const list[] = {"a@x.example", "b@x.example", "c@x.example"};
	static const char *const script[] = {PEER_HELLO, "< MAIL FROM:", "> 250 ok", "< RCPT TO:<a@x.example>", "> 250 ok",
		"< RCPT TO:<b@x.example>", "> 250 ok", "< DATA", "> 354 go on", "content", "> 250 taken", PEER_BYE, PEER_HELLO,
		TAKE("c@x.example"), PEER_BYE, NULL};
	struct peer peer;
	struct run run;
	prepare(&run, true, list, 3);
	play(&run, script, &peer, "max_messages_per_connection", "2");
	assert_lines(run.good, "a@x.example\nb@x.example\nc@x.example\n");
	end(&run);
}

/* manual: turn-ends, turn-resets-counters, max_messages_per_robin, max_messages */
static void servers_are_used_in_turn(void **state)
{
	(void)state;
	static const char *const list[] = {"a@x.example", "b@x.example", "c@x.example"};
	static const char *const first[] = {PEER_HELLO, TAKE("a@x.example"), TAKE("c@x.example"), PEER_BYE, NULL};
	static const char *const second[] = {PEER_HELLO, TAKE("b@x.example"), PEER_BYE, NULL};
	struct peer peers[2];
	struct run run;
	prepare(&run, true, list, 3);
	peer_start(&peers[0], first);
	peer_start(&peers[1], second);
	make_servers(&run, (const uint16_t[]){peers[0].port, peers[1].port}, 2, "max_messages_per_robin", "1");
	run_campaign(&run, BM_OK);
	peer_finish(&peers[0]);
	peer_finish(&peers[1]);
	assert_int_equal(bm_campaign_server_count(run.campaign), 2);
	assert_int_equal(bm_campaign_server_report(run.campaign, 0).messages, 2);
	assert_int_equal(bm_campaign_server_report(run.campaign, 1).messages, 1);
	end(&run);
}

/* manual: MB011 */
static void no_server_no_campaign(void **state)
{
	(void)state;
	struct run run;
	prepare(&run, true, NULL, 0);
	assert_int_equal(
		bm_campaign_new(&run.campaign, &run.options, run.list, run.message, NULL, &run.err), BM_E_NO_SERVER);
	assert_string_equal(run.err.id, "MB011");
	assert_null(run.campaign);
	bm_campaign_free(NULL);
	end(&run);
}

/* manual: MB012, row-all-unreachable, turn-skips-unreachable, MBS003 */
/* conformance: 21, F01 */
static void no_server_left(void **state)
{
	(void)state;
	static const char *const list[] = {"a@x.example", "nobody", "b@x.example"};
	struct run run;
	uint16_t ports[2];
	int fds[] = {peer_bind(&ports[0]), peer_bind(&ports[1])};
	prepare(&run, true, list, 3);
	make_servers(&run, ports, 2, "max_connection_attempts", "1");
	run_campaign(&run, BM_E_NO_SERVER);
	assert_string_equal(run.err.id, "MB012");
	assert_string_equal(run.outcomes, "2 invalid 0 0 nobody\n1 unsent 0 0 a@x.example\n3 unsent 0 0 b@x.example\n");
	assert_true(bm_campaign_list_complete(run.campaign));
	assert_complaint(&run, 0, "MB007", "nobody");
	assert_complaint(&run, 1, "MBS003", "127.0.0.1");
	assert_complaint(&run, 2, "MBS003", "127.0.0.1");
	assert_complaint(&run, bm_log_count(run.errfile) - 1, "MB0", "");
	end(&run);
	close(fds[0]);
	close(fds[1]);
}

/* A signed 8-bit message is no business of a server that does not take 8 bits. */
/* conformance: 59, 60 */
static void a_server_without_8bitmime_is_passed_over(void **state)
{
	(void)state;
	static const char *const list[] = {"a@x.example"};
	static const char *const script[] = {PEER_GREETING, "< EHLO", "> 250 peer.example", PEER_BYE, NULL};
	struct peer peer;
	struct run run;
	prepare(&run, true, list, 1);
	bm_message_free(run.message);
	make_message(&run, true,
		"Gr\xc3\xbc\xc3\x9f"
		"e\r\n");
	assert_true(bm_message_eight_bit(run.message));
	peer_start(&peer, script);
	make_servers(&run, &peer.port, 1, NULL, NULL);
	run_campaign(&run, BM_E_NO_SERVER);
	peer_finish(&peer);
	assert_string_equal(run.outcomes, "1 unsent 0 0 a@x.example\n");
	assert_complaint(&run, 0, "", "8BITMIME");
	end(&run);
}

/* An 8-bit message that nobody signed is sent in a form that such a server takes. */
/* conformance: 59 */
static void a_server_without_8bitmime_gets_seven_bits(void **state)
{
	(void)state;
	static const char *const list[] = {"a@x.example"};
	static const char *const script[] = {
		PEER_GREETING, "< EHLO", "> 250 peer.example", TAKE("a@x.example"), PEER_BYE, NULL};
	struct peer peer;
	struct run run;
	prepare(&run, true, list, 1);
	bm_message_free(run.message);
	make_message(&run, true, "5 \xe2\x82\xac\r\n");
	assert_false(bm_message_eight_bit(run.message));
	peer_start(&peer, script);
	make_servers(&run, &peer.port, 1, NULL, NULL);
	run_campaign(&run, BM_OK);
	peer_finish(&peer);
	assert_null(strstr(peer.heard, "8BITMIME"));
	assert_string_equal(run.outcomes, "1 accepted 250 2.0.0 1 a@x.example\n");
	end(&run);
}

static void stop_once(void *user)
{
	const struct run *run = user;
	bm_campaign_stop(run->campaign);
}

/* The first stop lets the running envelope finish; it comes from the peer's thread. */
static void a_stop_leaves_the_rest_unsent(void **state)
{
	(void)state;
	static const char *const list[] = {"a@x.example", "b@x.example", "b@x.example", "c@x.example"};
	static const char *const script[] = {
		PEER_HELLO, HAND_OVER("a@x.example"), "hook", "> 250 2.0.0 taken", PEER_BYE, NULL};
	struct peer peer;
	struct run run;
	prepare(&run, false, list, 4);
	peer_start_hooked(&peer, script, stop_once, &run);
	make_servers(&run, &peer.port, 1, NULL, NULL);
	make_campaign(&run);
	run_campaign(&run, BM_E_STOPPED);
	peer_finish(&peer);
	assert_string_equal(run.outcomes, "1 accepted 250 2.0.0 1 a@x.example\n"
									  "2 unsent 0 0 b@x.example\n"
									  "3 duplicate 0 0 b@x.example\n"
									  "4 unsent 0 0 c@x.example\n");
	assert_lines(run.good, "a@x.example\n");
	assert_true(bm_campaign_list_complete(run.campaign));
	end(&run);
}

static void stop_twice(void *user)
{
	stop_once(user);
	stop_once(user);
}

static void a_second_stop_waits_for_nothing(void **state)
{
	(void)state;
	static const char *const list[] = {"a@x.example", "b@x.example"};
	static const char *const script[] = {PEER_HELLO, HAND_OVER("a@x.example"), "hook", "end", NULL};
	struct peer peer;
	struct run run;
	prepare(&run, false, list, 2);
	peer_start_hooked(&peer, script, stop_twice, &run);
	make_servers(&run, &peer.port, 1, NULL, NULL);
	make_campaign(&run);
	run_campaign(&run, BM_E_STOPPED);
	peer_finish(&peer);
	assert_string_equal(run.outcomes, "1 in_doubt 0 0 a@x.example\n2 unsent 0 0 b@x.example\n");
	end(&run);
}

static size_t read_file(const char *path, char *out, size_t size)
{
	FILE *file = fopen(path, "r");
	assert_non_null(file);
	size_t got = fread(out, 1, size - 1, file);
	fclose(file);
	out[got] = '\0';
	return got;
}

static size_t occurrences(const char *text, const char *part)
{
	size_t count = 0;
	for (const char *at = strstr(text, part); at != NULL; at = strstr(at + 1, part))
		count++;
	return count;
}

/* manual: dummy-server, dummy_file, envelope-header-to, envelope-shared */
static void a_dummy_writes_all_that_would_be_said(void **state)
{
	(void)state;
	static const char *const list[] = {"a@x.example", "b@x.example", "c@y.example"};
	struct scratch scratch;
	struct run run;
	char text[8192];
	scratch_init(&scratch);
	prepare(&run, true, list, 3);
	const struct bm_attribute attributes[] = {{"dummy_file", scratch_path(&scratch, "dummy")}};
	const struct bm_attribute_set set = {attributes, 1};
	assert_int_equal(bm_servers_create(&run.servers, NULL, BM_PACKAGE_DUMMY, NULL, &set, 1, &run.err), BM_OK);
	run_campaign(&run, BM_OK);
	read_file(scratch.path, text, sizeof text);
	assert_int_equal(occurrences(text, "a new message begins"), 2);
	assert_int_equal(occurrences(text, "MAIL FROM:<" FROM ">"), 2);
	assert_int_equal(occurrences(text, "RCPT TO:<"), 3);
	assert_int_equal(occurrences(text, "To: list@me.example\r\n"), 2);
	/* the body's lone dots were stuffed */
	assert_int_equal(occurrences(text, "Hello\r\n..\r\n...\r\n.\r\n"), 2);
	assert_int_equal(occurrences(text, "RSET\r\nQUIT\r\n"), 1);
	assert_lines(run.good, "a@x.example\nb@x.example\nc@y.example\n");
	end(&run);
	scratch_deinit(&scratch, (const char *const[]){"dummy", NULL});
}

static void a_rehearsal_connects_to_nobody(void **state)
{
	(void)state;
	static const char *const list[] = {"a@x.example", "b@x.example", "nobody", "c@y.example", "a@x.example"};
	struct run run;
	uint16_t port;
	int fd = peer_bind(&port);
	struct pollfd polled = {.fd = fd, .events = POLLIN};
	assert_int_equal(listen(fd, 1), 0);
	prepare(&run, true, list, 5);
	make_servers(&run, &port, 1, NULL, NULL);
	make_campaign(&run);
	assert_int_equal(bm_campaign_rehearse(run.campaign, &run.err), BM_OK);
	assert_int_equal(poll(&polled, 1, 0), 0);
	struct bm_server_report report = bm_campaign_server_report(run.campaign, 0);
	assert_int_equal(report.connections, 1);
	assert_int_equal(report.transactions, 2);
	assert_int_equal(report.messages, 3);
	assert_string_equal(run.outcomes, "");
	assert_lines(run.good, "");
	assert_lines(run.bad, "");
	end(&run);
	close(fd);
}

/* What is told of a server is this campaign's alone, not what the server did for the one before. */
static void a_second_campaign_counts_anew(void **state)
{
	(void)state;
	static const char *const list[] = {"a@x.example"};
	static const char *const script[] = {
		PEER_HELLO, TAKE("a@x.example"), PEER_BYE, PEER_HELLO, TAKE("a@x.example"), PEER_BYE, NULL};
	struct peer peer;
	struct run run;
	prepare(&run, true, list, 1);
	peer_start(&peer, script);
	make_servers(&run, &peer.port, 1, NULL, NULL);
	run_campaign(&run, BM_OK);
	bm_campaign_free(run.campaign);
	bm_recipients_free(run.list);
	assert_int_equal(bm_recipients_new_array(&run.list, list, 1, &run.err), BM_OK);
	make_campaign(&run);
	run_campaign(&run, BM_OK);
	peer_finish(&peer);
	assert_int_equal(bm_campaign_server_report(run.campaign, 0).connections, 1);
	assert_int_equal(bm_campaign_server_replies(run.campaign, 0, 220), 1);
	end(&run);
}

static void a_rehearsal_spends_no_limit(void **state)
{
	(void)state;
	static const char *const list[] = {"a@x.example", "b@x.example", "c@x.example"};
	struct run run;
	prepare(&run, true, list, 3);
	make_servers(&run, (const uint16_t[]){2525}, 1, "max_messages", "2");
	make_campaign(&run);
	assert_int_equal(bm_campaign_rehearse(run.campaign, &run.err), BM_E_NO_SERVER);
	const struct bm_server *server = bm_servers_at(run.servers, 0);
	assert_int_equal(bm_server_counters(server).messages, 0);
	assert_false(bm_server_worthless(server));
	end(&run);
}

/* conformance: A45 */
static void a_campaign_needs_list_and_message(void **state)
{
	(void)state;
	struct run run;
	prepare(&run, true, NULL, 0);
	make_servers(&run, (const uint16_t[]){2525}, 1, NULL, NULL);
	assert_int_equal(bm_campaign_new(&run.campaign, NULL, NULL, run.message, run.servers, &run.err), BM_E_USAGE);
	assert_string_equal(run.err.id, "MB701");
	assert_int_equal(bm_campaign_new(&run.campaign, NULL, run.list, NULL, run.servers, &run.err), BM_E_USAGE);
	assert_string_equal(run.err.id, "MB016");
	assert_null(run.campaign);
	end(&run);
}

static void refuse_bans(const char *path, enum bm_code code, const char *id, const char *part)
{
	struct run run;
	prepare(&run, true, NULL, 0);
	make_servers(&run, (const uint16_t[]){2525}, 1, NULL, NULL);
	run.options.banned = path;
	assert_int_equal(bm_campaign_new(&run.campaign, &run.options, run.list, run.message, run.servers, &run.err), code);
	assert_string_equal(run.err.id, id);
	assert_non_null(strstr(run.err.text, part));
	assert_null(run.campaign);
	end(&run);
}

/* manual: banned, MB007, MB702 */
static void a_file_of_bans_has_to_be_there_and_right(void **state)
{
	(void)state;
	static const char bans[] = "good.example\n\nnot@an@address\n";
	struct scratch scratch;
	scratch_init(&scratch);
	refuse_bans("/nowhere/banned", BM_E_MISSING, "MB702", "/nowhere/banned");
	refuse_bans(scratch_write(&scratch, "banned", bans, sizeof bans - 1), BM_E_LIST, "MB007", "not@an@address");
	scratch_deinit(&scratch, (const char *const[]){"banned", NULL});
}

/* A campaign's ERRFILE goes before a server's own only while it runs. */
static void a_servers_own_errfile_comes_back(void **state)
{
	(void)state;
	static const char *const script[] = {
		PEER_HELLO, PEER_BYE, PEER_HELLO, "< NOOP", "> 451 not now", "< NOOP", "> 250 ok", PEER_BYE, NULL};
	static const char *const list[] = {"a@x.example"};
	struct peer peer;
	struct run run;
	struct bm_log *own = NULL;
	prepare(&run, true, list, 1);
	assert_int_equal(bm_log_new_array(&own, &run.err), BM_OK);
	peer_start(&peer, script);
	make_servers(&run, &peer.port, 1, NULL, NULL);
	struct bm_server *server = bm_servers_at(run.servers, 0);
	bm_server_set_errfile(server, own);
	connect_server(server);
	bm_server_disconnect(server, false);
	make_campaign(&run);
	bm_campaign_stop(run.campaign);
	run_campaign(&run, BM_E_STOPPED);
	bm_campaign_free(run.campaign);
	run.campaign = NULL;
	talk(server, "NOOP");
	assert_int_equal(bm_log_count(own), 1);
	assert_non_null(strstr(bm_log_line(own, 0), "MBS012"));
	end(&run);
	bm_log_free(own);
	peer_finish(&peer);
}

struct watched {
	const struct run *run;
	size_t calls;
	uint64_t done;
};

static void watch(void *user, const struct bm_progress *progress)
{
	struct watched *watched = user;
	assert_true(progress->done >= watched->done);
	assert_true(progress->done <= progress->records);
	assert_int_equal(progress->total, 3);
	assert_non_null(progress->held_back_by);
	watched->done = progress->done;
	watched->calls++;
}

static void progress_is_told(void **state)
{
	(void)state;
	static const char *const list[] = {"a@x.example", "b@x.example", "c@x.example"};
	static const char *const script[] = {
		PEER_HELLO, TAKE("a@x.example"), TAKE("b@x.example"), TAKE("c@x.example"), PEER_BYE, NULL};
	struct watched watched = {.calls = 0};
	struct peer peer;
	struct run run;
	prepare(&run, false, list, 3);
	run.options.progress = watch;
	run.options.progress_user = &watched;
	run.options.progress_ms = 0;
	play(&run, script, &peer, NULL, NULL);
	assert_true(watched.calls >= 3);
	assert_true(watched.done >= 2);
	end(&run);
}

static void outcomes_have_names(void **state)
{
	(void)state;
	static const char *const names[BM_OUTCOME_KINDS] = {
		"accepted", "refused", "deferred", "invalid", "duplicate", "banned", "in_doubt", "unsent"};
	for (int kind = 0; kind < BM_OUTCOME_KINDS; kind++)
		assert_string_equal(bm_outcome_name((enum bm_outcome_kind)kind), names[kind]);
	assert_string_equal(bm_outcome_name((enum bm_outcome_kind)BM_OUTCOME_KINDS), "unknown");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(all_are_accepted_by_the_sink),
		cmocka_unit_test(every_record_goes_to_its_log),
		cmocka_unit_test(what_is_refused_at_the_end_is_not_in_good),
		cmocka_unit_test(a_lost_end_of_data_is_in_doubt),
		cmocka_unit_test(a_451_defers_the_transaction),
		cmocka_unit_test(after_a_421_the_work_goes_on_elsewhere),
		cmocka_unit_test(a_limit_finishes_the_open_envelope),
		cmocka_unit_test(servers_are_used_in_turn),
		cmocka_unit_test(no_server_no_campaign),
		cmocka_unit_test(no_server_left),
		cmocka_unit_test(a_server_without_8bitmime_is_passed_over),
		cmocka_unit_test(a_server_without_8bitmime_gets_seven_bits),
		cmocka_unit_test(a_stop_leaves_the_rest_unsent),
		cmocka_unit_test(a_second_stop_waits_for_nothing),
		cmocka_unit_test(a_dummy_writes_all_that_would_be_said),
		cmocka_unit_test(a_rehearsal_connects_to_nobody),
		cmocka_unit_test(a_second_campaign_counts_anew),
		cmocka_unit_test(a_rehearsal_spends_no_limit),
		cmocka_unit_test(a_campaign_needs_list_and_message),
		cmocka_unit_test(a_file_of_bans_has_to_be_there_and_right),
		cmocka_unit_test(a_servers_own_errfile_comes_back),
		cmocka_unit_test(progress_is_told),
		cmocka_unit_test(outcomes_have_names),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
