/* SPDX-License-Identifier: MIT */
#include "bulkmail/conf.h"

#include "base/span.h"
#include "scratch.h"
#include "store/conf_text.h"

#include <fcntl.h>
#include <sys/stat.h>

#define EUID 1000
#define IN_SERVER "define package Mail::Bulkmail::Server\n"
#define IN_CAMPAIGN "define package Mail::Bulkmail\n"

struct warnings {
	char text[8][BM_ERROR_TEXT_MAX];
	size_t count;
};

static void remember(void *user, const char *text)
{
	struct warnings *warnings = user;
	if (warnings->count < 8)
		snprintf(warnings->text[warnings->count], BM_ERROR_TEXT_MAX, "%s", text);
	warnings->count++;
}

static struct bm_conf *new_conf(struct warnings *warnings)
{
	struct bm_conf *conf = NULL;
	struct bm_conf_options options = BM_CONF_OPTIONS_INIT;
	options.euid = EUID;
	if (warnings != NULL) {
		*warnings = (struct warnings){.count = 0};
		options.warn = remember;
		options.warn_user = warnings;
	}
	assert_int_equal(bm_conf_new(&conf, &options, NULL), BM_OK);
	return conf;
}

static void feed(struct bm_conf *conf, const char *file, const char *text)
{
	struct bm_error err = BM_ERROR_INIT;
	if (bm_conf_read_text(conf, bm_span_of(text), file, &err) != BM_OK)
		fail_msg("%s", err.text);
}

static struct bm_conf *conf_of(const char *text)
{
	struct bm_conf *conf = new_conf(NULL);
	feed(conf, "a.conf", text);
	return conf;
}

static void expect_text(const struct bm_conf *conf, const char *package, const char *name, const char *text)
{
	const char *found = bm_conf_text(conf, package, name);
	if (text == NULL) {
		assert_null(found);
		return;
	}
	assert_non_null(found);
	assert_string_equal(found, text);
}

/* values: joined by blanks, undef for NULL */
static void expect_values(const struct bm_conf *conf, const char *package, const char *name, const char *values)
{
	char found[256] = "";
	for (size_t i = 0; i < bm_conf_count(conf, package, name); i++) {
		const char *text = bm_conf_get(conf, package, name, i)->text;
		size_t used = strlen(found);
		snprintf(found + used, sizeof found - used, "%s%s", i == 0 ? "" : " ", text == NULL ? "undef" : text);
	}
	assert_string_equal(found, values);
	assert_null(bm_conf_get(conf, package, name, bm_conf_count(conf, package, name)));
}

static void expect_error_id(const char *text, const char *id, const char *expected)
{
	struct bm_conf *conf = new_conf(NULL);
	struct bm_error err = BM_ERROR_INIT;
	assert_int_equal(bm_conf_read_text(conf, bm_span_of(text), "a.conf", &err), BM_E_CONF);
	assert_string_equal(err.id, id);
	assert_string_equal(err.text, expected);
	bm_conf_free(conf);
}

static void expect_error(const char *text, const char *expected)
{
	expect_error_id(text, "MBO002", expected);
}

static void an_empty_conf_knows_nothing(void **state)
{
	(void)state;
	struct bm_conf *conf = conf_of("");
	expect_text(conf, BM_PACKAGE_SERVER, "Port", NULL);
	assert_int_equal(bm_conf_count(conf, BM_PACKAGE_SERVER, "Port"), 0);
	assert_null(bm_conf_get(conf, BM_PACKAGE_SERVER, "Port", 0));
	assert_int_equal(bm_conf_count(conf, "No::Package", "Port"), 0);
	assert_int_equal(bm_conf_count(conf, BM_PACKAGE_SERVER, "no_name"), 0);
	bm_conf_free(conf);
	bm_conf_free(NULL);
}

static void options_may_be_left_out(void **state)
{
	(void)state;
	struct bm_conf *conf = NULL;
	struct bm_conf_options options = {0};
	struct bm_error err;
	assert_int_equal(bm_conf_new(&conf, NULL, &err), BM_OK);
	feed(conf, "x", "define package Foreign\n");
	bm_conf_free(conf);
	assert_int_equal(bm_conf_new(&conf, &options, &err), BM_E_USAGE);
	assert_null(conf);
}

/* manual: conf-equals, conf-last-wins, conf-blank */
static void the_last_plain_value_wins(void **state)
{
	(void)state;
	struct bm_conf *conf = conf_of(IN_SERVER "Port = 25\n\n# Port = 1\nPort=2525");
	expect_values(conf, BM_PACKAGE_SERVER, "Port", "2525");
	const struct bm_conf_value *value = bm_conf_get(conf, BM_PACKAGE_SERVER, "Port", 0);
	assert_string_equal(value->file, "a.conf");
	assert_int_equal(value->line, 5);
	assert_false(value->appended);
	bm_conf_free(conf);
}

/* manual: conf-at-equals */
static void lists_grow_and_plain_values_replace_them(void **state)
{
	(void)state;
	struct bm_conf *conf = conf_of(IN_SERVER "Smtp @= a\nSmtp @= b\nSmtp @= undef\nPort @= 1\nPort = 2\n"
											 "Tries = 1\nTries @= 2\n" IN_CAMPAIGN "Trusting = 0\n"
											 "Trusting @= email\nTrusting @= banned\n");
	expect_values(conf, BM_PACKAGE_SERVER, "Smtp", "a b undef");
	assert_true(bm_conf_get(conf, BM_PACKAGE_SERVER, "Smtp", 1)->appended);
	assert_int_equal(bm_conf_get(conf, BM_PACKAGE_SERVER, "Smtp", 1)->line, 3);
	expect_values(conf, BM_PACKAGE_SERVER, "Port", "2");
	expect_values(conf, BM_PACKAGE_SERVER, "Tries", "1 2");
	expect_values(conf, BM_PACKAGE_CAMPAIGN, "Trusting", "email banned");
	bm_conf_free(conf);
}

/* manual: conf-undef */
static void undef_unsets_and_gives_way_to_a_list(void **state)
{
	(void)state;
	struct bm_conf *conf = conf_of("Domain = example.org\n" IN_SERVER "Domain = undef\nSmtp = undef\nSmtp @= a\n");
	expect_text(conf, BM_PACKAGE_SERVER, "Domain", NULL);
	expect_values(conf, BM_PACKAGE_SERVER, "Domain", "undef");
	expect_values(conf, BM_PACKAGE_SERVER, "Smtp", "a");
	expect_text(conf, BM_PACKAGE_OBJECT, "Domain", "example.org");
	bm_conf_free(conf);
}

/* manual: conf-define-package, conf-default-package, conf-inherit */
static void the_nearest_package_decides(void **state)
{
	(void)state;
	struct bm_conf *conf = conf_of("Port = 1\nERRFILE = /e\nTries = 3\n" IN_SERVER "Port = 2\nDomain = s\n"
								   "define package Mail::Bulkmail::DummyServer\nPort = 3\ndummy_file = /d\n");
	expect_text(conf, BM_PACKAGE_OBJECT, "Port", "1");
	expect_text(conf, BM_PACKAGE_SERVER, "Port", "2");
	expect_text(conf, BM_PACKAGE_DUMMY, "Port", "3");
	expect_text(conf, BM_PACKAGE_DUMMY, "Domain", "s");
	expect_text(conf, BM_PACKAGE_DUMMY, "Tries", "3");
	expect_text(conf, BM_PACKAGE_CAMPAIGN, "ERRFILE", "/e");
	expect_text(conf, BM_PACKAGE_OBJECT, "ERRFILE", "/e");
	expect_text(conf, BM_PACKAGE_OBJECT, "Domain", NULL);
	expect_text(conf, BM_PACKAGE_DUMMY, "dummy_file", "/d");
	bm_conf_free(conf);
}

/* manual: conf-inherit */
static void a_package_sees_its_own_attributes_only(void **state)
{
	(void)state;
	struct bm_conf *conf = conf_of("Port = 1\nFrom = a@example.org\ndummy_file = /d\n");
	expect_text(conf, BM_PACKAGE_CAMPAIGN, "Port", NULL);
	expect_text(conf, BM_PACKAGE_SERVER, "From", NULL);
	/* A dummy_file that leaked into the class Server would turn mail into a file. */
	expect_text(conf, BM_PACKAGE_SERVER, "dummy_file", NULL);
	expect_text(conf, BM_PACKAGE_DUMMY, "dummy_file", "/d");
	bm_conf_free(conf);
}

/* manual: conf-several-files, Trusting */
static void of_several_files_the_first_is_the_most_significant(void **state)
{
	(void)state;
	struct bm_conf *conf = new_conf(NULL);
	feed(conf, "1.conf", IN_CAMPAIGN "From = one\nTrusting @= wrapping\n");
	feed(conf, "2.conf", IN_CAMPAIGN "From = two\nSubject = two\nTrusting @= email\nTrusting @= banned\nHTML = 1\n");
	feed(conf, "3.conf", IN_CAMPAIGN "Subject = three\nTrusting @= precedence\nTo = three\n");
	expect_text(conf, BM_PACKAGE_CAMPAIGN, "From", "one");
	expect_text(conf, BM_PACKAGE_CAMPAIGN, "Subject", "two");
	expect_text(conf, BM_PACKAGE_CAMPAIGN, "To", "three");
	expect_values(conf, BM_PACKAGE_CAMPAIGN, "Trusting", "precedence email banned wrapping");
	assert_string_equal(bm_conf_get(conf, BM_PACKAGE_CAMPAIGN, "Trusting", 0)->file, "3.conf");
	bm_conf_free(conf);
}

static void a_plain_value_in_a_more_significant_file_replaces_a_list(void **state)
{
	(void)state;
	struct bm_conf *conf = new_conf(NULL);
	feed(conf, "1.conf", IN_SERVER "Smtp = one\n");
	feed(conf, "2.conf", IN_SERVER "Smtp @= two\nSmtp @= three\n");
	expect_values(conf, BM_PACKAGE_SERVER, "Smtp", "one");
	bm_conf_free(conf);
}

static void nearness_of_the_package_counts_before_the_file(void **state)
{
	(void)state;
	struct bm_conf *conf = new_conf(NULL);
	feed(conf, "1.conf", "Port = 1\n");
	feed(conf, "2.conf", IN_SERVER "Port = 2\n");
	expect_text(conf, BM_PACKAGE_SERVER, "Port", "2");
	bm_conf_free(conf);
}

/* manual: conf-uid */
static void lines_for_a_user(void **state)
{
	(void)state;
	struct bm_conf *conf =
		conf_of(IN_SERVER "Port = 11\n1000:Port = 10\n93 : Port = 9\n1000:Smtp @= a\n93:Smtp @= b\n");
	expect_values(conf, BM_PACKAGE_SERVER, "Port", "10");
	expect_values(conf, BM_PACKAGE_SERVER, "Smtp", "a");
	bm_conf_free(conf);
	expect_error(IN_SERVER "93:Port = x\n", "a.conf:2: found \"93:Port = x\", expected a number from 1 to 65535");
}

/* manual: conf-not-evaluated, conf-backslash */
/* conformance: A38 */
static void nothing_is_evaluated(void **state)
{
	(void)state;
	struct bm_conf *conf = conf_of(IN_CAMPAIGN "Subject = \\t$ENV{HOME} @{[ `id` ]} \" . die . \"\n"
											   "Message = \\x48ello\\n\\\\o/\nFrom = \"a\" <a@example.org>\n"
											   "To = a\\tb\n");
	expect_text(conf, BM_PACKAGE_CAMPAIGN, "Subject", "\t$ENV{HOME} @{[ `id` ]} \" . die . \"");
	expect_text(conf, BM_PACKAGE_CAMPAIGN, "Message", "Hello\n\\o/");
	expect_text(conf, BM_PACKAGE_CAMPAIGN, "From", "\"a\" <a@example.org>");
	expect_text(conf, BM_PACKAGE_CAMPAIGN, "To", "a\\tb");
	bm_conf_free(conf);
}

static void line_ends_and_the_mark_of_windows(void **state)
{
	(void)state;
	struct bm_conf *conf = conf_of("\xef\xbb\xbf" IN_SERVER "Port = 25\r\n\r\nDomain = example.org\r");
	expect_text(conf, BM_PACKAGE_SERVER, "Port", "25");
	expect_text(conf, BM_PACKAGE_SERVER, "Domain", "example.org");
	bm_conf_free(conf);
	expect_error("\n\xef\xbb\xbfPort = 25\n",
		"a.conf:2: found \"\xef\xbb\xbfPort = 25\", expected \"name = value\", \"name @= value\" or \"define package "
		"NAME\"");
}

/* manual: MBO002, conf-bad-line, conf-unknown-attribute, conf-types */
static void errors_name_file_line_text_and_the_nearest(void **state)
{
	(void)state;
	expect_error("\n\nPort 25\n",
		"a.conf:3: found \"Port 25\", expected \"name = value\", \"name @= value\" or \"define package NAME\"");
	expect_error(
		IN_SERVER " Port = twentyfive \n", "a.conf:2: found \"Port = twentyfive\", expected a number from 1 to 65535");
	expect_error(IN_SERVER "Prot = 25\n",
		"a.conf:2: found \"Prot = 25\", expected an attribute of package Mail::Bulkmail::Server; did you mean Port?");
	expect_error(IN_CAMPAIGN "subject = x\n",
		"a.conf:2: found \"subject = x\", expected an attribute of package Mail::Bulkmail; did you mean Subject?");
	expect_error("Fron = x\n",
		"a.conf:1: found \"Fron = x\", expected an attribute of package Mail::Bulkmail::Object; did you mean From?");
	expect_error("colour_of_the_sky = x\n",
		"a.conf:1: found \"colour_of_the_sky = x\", expected an attribute of package Mail::Bulkmail::Object");
	expect_error("Port =\n", "a.conf:1: found \"Port =\", expected a value (undef unsets)");
	expect_error("x = \x1b[0m\n", "a.conf:1: found \"x = \\x1B[0m\", expected no control octets but TAB");
	expect_error("From = \\q\n", "a.conf:1: found \"From = \\\\q\", expected one of the escapes \\t \\n \\r \\\\ \\xHH "
								 "\\ooo (01 to FF) behind a "
								 "backslash");
	expect_error("define package\n",
		"a.conf:1: found \"define package\", expected \"define package NAME\" and nothing behind it");
}

/* manual: MBO002 */
static void errors_about_places_and_forms(void **state)
{
	(void)state;
	expect_error(IN_CAMPAIGN "Port = 25\n",
		"a.conf:2: found \"Port = 25\", expected Port behind \"define package Mail::Bulkmail::Server\"");
	expect_error(IN_SERVER "ERRFILE = /e\n",
		"a.conf:2: found \"ERRFILE = /e\", expected ERRFILE behind \"define package Mail::Bulkmail\"");
	expect_error(IN_SERVER "dummy_file = /d\n",
		"a.conf:2: found \"dummy_file = /d\", expected dummy_file behind \"define package "
		"Mail::Bulkmail::DummyServer\"");
	expect_error(IN_CAMPAIGN "From @= a@example.org\n",
		"a.conf:2: found \"From @= a@example.org\", expected one value, set with =");
	expect_error(
		IN_SERVER "server_file @= /s\n", "a.conf:2: found \"server_file @= /s\", expected one value, set with =");
	expect_error(IN_SERVER "connected = 1\n", "a.conf:2: found \"connected = 1\", expected no value, it is read-only");
	expect_error(
		IN_SERVER "socket = undef\n", "a.conf:2: found \"socket = undef\", expected no value, it is read-only");
	expect_error(IN_SERVER "tls = yes\n", "a.conf:2: found \"tls = yes\", expected none, may, encrypt or verify");
}

/* manual: tls, tls_wrapper, tls_ca_file, tls_pin, user, password_file, password_command, auth, protocol, conf-types */
static void tls_and_login_are_checked_at_their_line(void **state)
{
	(void)state;
	static const char *const rows[][2] = {
		{"tls = yes", "expected none, may, encrypt or verify"},
		{"tls_wrapper = 2", "expected 0 or 1"},
		{"protocol = http", "expected smtp or lmtp"},
	};
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		char text[128];
		char expected[256];
		snprintf(text, sizeof text, IN_SERVER "\n%s\n", rows[i][0]);
		snprintf(expected, sizeof expected, "a.conf:3: found \"%s\", %s", rows[i][0], rows[i][1]);
		expect_error(text, expected);
	}
	struct bm_conf *conf = conf_of(IN_SERVER "tls_pin @= one\ntls_pin @= two\npassword_command = pass show relay\n");
	assert_int_equal(bm_conf_count(conf, BM_PACKAGE_SERVER, "tls_pin"), 2);
	assert_string_equal(bm_conf_text(conf, BM_PACKAGE_SERVER, "password_command"), "pass show relay");
	bm_conf_free(conf);
}

/* manual: source_address, retry_delay, retry_delay_max, max_errors_per_connection */
static void ours_are_known_and_checked(void **state)
{
	(void)state;
	struct bm_conf *conf = conf_of(IN_SERVER "source_address @= 192.0.2.1\nsource_address @= 2001:db8::1\n"
											 "max_errors_per_connection = 3\n" IN_CAMPAIGN "retry_delay = 5\n"
											 "retry_delay_max = 86400\n");
	expect_values(conf, BM_PACKAGE_SERVER, "source_address", "192.0.2.1 2001:db8::1");
	expect_text(conf, BM_PACKAGE_SERVER, "max_errors_per_connection", "3");
	expect_text(conf, BM_PACKAGE_CAMPAIGN, "retry_delay", "5");
	expect_text(conf, BM_PACKAGE_CAMPAIGN, "retry_delay_max", "86400");
	bm_conf_free(conf);
	expect_error(IN_CAMPAIGN "retry_delay = soon\n",
		"a.conf:2: found \"retry_delay = soon\", expected a number from 0 to 86400");
	expect_error(IN_CAMPAIGN "retry_delay_max = 86401\n",
		"a.conf:2: found \"retry_delay_max = 86401\", expected a number from 0 to 86400");
	expect_error(IN_SERVER "source_address = a b\n",
		"a.conf:2: found \"source_address = a b\", expected text without blanks, 1 to 255 octets");
	expect_error(IN_SERVER "retry_delay = 5\n",
		"a.conf:2: found \"retry_delay = 5\", expected retry_delay behind \"define package Mail::Bulkmail\"");
}

/* manual: MB003, server_class */
static void an_unknown_server_class_has_its_own_id(void **state)
{
	(void)state;
	expect_error_id(IN_CAMPAIGN "server_class = My::Server\n", "MB003",
		"a.conf:2: found \"server_class = My::Server\", expected Mail::Bulkmail::Server, Mail::Bulkmail::DummyServer, "
		"Server or DummyServer");
	struct bm_conf *conf = conf_of(IN_CAMPAIGN "server_class = DummyServer\n");
	expect_text(conf, BM_PACKAGE_CAMPAIGN, "server_class", "DummyServer");
	bm_conf_free(conf);
}

/* conformance: A34 */
static void errors_show_no_passwords(void **state)
{
	(void)state;
	expect_error(IN_SERVER "password = hunter2\n",
		"a.conf:2: found \"password ... (hidden)\", expected an attribute of package Mail::Bulkmail::Server");
	expect_error(IN_SERVER "Passwort: hunter2\n",
		"a.conf:2: found \"Passwort: ... (hidden)\", expected a user id (a number) before the colon");
}

/* conformance: A38 */
static void a_nul_is_an_error(void **state)
{
	(void)state;
	static const char text[] = "From = a\0b\n";
	struct bm_conf *conf = new_conf(NULL);
	struct bm_error err;
	assert_int_equal(bm_conf_read_text(conf, bm_span_make(text, sizeof text - 1), "a", &err), BM_E_CONF);
	assert_string_equal(err.text, "a:1: found \"From = a\\x00b\", expected no control octets but TAB");
	bm_conf_free(conf);
}

static void a_file_counts_as_a_whole_or_not_at_all(void **state)
{
	(void)state;
	struct bm_conf *conf = conf_of("Port = 1\n");
	struct bm_error err;
	assert_int_equal(bm_conf_read_text(conf, bm_span_of("Tries = 2\nPort = x\n"), "b", &err), BM_E_CONF);
	expect_text(conf, BM_PACKAGE_SERVER, "Tries", NULL);
	expect_text(conf, BM_PACKAGE_SERVER, "Port", "1");
	bm_conf_free(conf);
}

static void a_long_line_and_a_long_path_leave_room_for_the_reason(void **state)
{
	(void)state;
	struct bm_conf *conf = new_conf(NULL);
	struct bm_error err;
	char path[1000];
	char *text = malloc(70000);
	assert_non_null(text);
	memset(path, '/', sizeof path);
	memcpy(path + sizeof path - 8, "/x.conf", 8);
	memset(text, 'x', 70000);
	text[69999] = '\0';
	assert_int_equal(bm_conf_read_text(conf, bm_span_of(text), path, &err), BM_E_CONF);
	assert_non_null(strstr(err.text, "/x.conf:1: found \"xxx"));
	assert_non_null(strstr(err.text, "expected a line of at most 65536 octets"));
	text[60000] = '\0';
	assert_int_equal(bm_conf_read_text(conf, bm_span_of(text), path, &err), BM_E_CONF);
	assert_non_null(strstr(err.text, "expected \"name = value\", \"name @= value\" or \"define package NAME\""));
	free(text);
	bm_conf_free(conf);
}

/* manual: conf-unknown-package */
static void unknown_packages_are_left_alone_with_one_warning(void **state)
{
	(void)state;
	struct warnings warnings;
	struct bm_conf *conf = new_conf(&warnings);
	feed(conf, "a",
		"define package Mail::Bulkmail::Dynamic\nquotemeta = 1\nPort = x\nodd = \\q\n" IN_SERVER
		"Port = 2\ndefine package Mail::Bulkmail::Dynamic\nquotemeta = 2\n");
	feed(conf, "b", "define package Mail::Bulkmail::Dynamic\ndefine package Mail::Bulkmail::Servr\n");
	assert_int_equal(warnings.count, 2);
	assert_string_equal(
		warnings.text[0], "a:1: package Mail::Bulkmail::Dynamic is not known here, its values are left alone");
	assert_string_equal(warnings.text[1],
		"b:2: package Mail::Bulkmail::Servr is not known here, its values are left alone; did you mean "
		"Mail::Bulkmail::Server?");
	expect_text(conf, BM_PACKAGE_SERVER, "Port", "2");
	bm_conf_free(conf);
	expect_error("define package My::Own\nrubbish\n",
		"a.conf:2: found \"rubbish\", expected \"name = value\", \"name @= value\" or \"define package NAME\"");
}

static void warnings_about_packages_have_an_end(void **state)
{
	(void)state;
	struct warnings warnings;
	struct bm_conf *conf = new_conf(&warnings);
	char line[64];
	for (int i = 0; i < 500; i++) {
		snprintf(line, sizeof line, "define package Other::Package%d\n", i);
		feed(conf, "a", line);
	}
	assert_int_equal(warnings.count, 64);
	bm_conf_free(conf);
}

/* manual: conf-robin-spelling, Precedence */
static void the_spelling_of_the_manuals_sample(void **state)
{
	(void)state;
	struct warnings warnings;
	struct bm_conf *conf = new_conf(&warnings);
	feed(conf, "a", "max_message_per_robin = 1000\n" IN_CAMPAIGN "precedence = bulk\n");
	expect_text(conf, BM_PACKAGE_SERVER, "max_messages_per_robin", "1000");
	expect_text(conf, BM_PACKAGE_SERVER, "max_message_per_robin", "1000");
	expect_text(conf, BM_PACKAGE_CAMPAIGN, "Precedence", "bulk");
	assert_int_equal(warnings.count, 1);
	assert_string_equal(warnings.text[0], "a:1: max_message_per_robin is taken as max_messages_per_robin");
	bm_conf_free(conf);
}

/* Files of the same shape as the manual's two samples, with values for each server and with defaults and bare names. */
static void the_manuals_samples(void **state)
{
	(void)state;
	struct bm_conf *conf = conf_of(IN_SERVER "#one\n Smtp @= r1.example.org\n Port @= 25\n Tries @= 5\n"
											 " max_messages_per_robin @= 1000\n envelope_limit @= 100\n\n"
											 "#two\n Smtp @= r2.example.org\n Port @= 26\n Tries @= 5\n"
											 " max_messages_per_robin @= 1000\n envelope_limit @= 100\n");
	expect_values(conf, BM_PACKAGE_SERVER, "Smtp", "r1.example.org r2.example.org");
	expect_values(conf, BM_PACKAGE_SERVER, "Port", "25 26");
	bm_conf_free(conf);
	conf = conf_of(" #mine\n server_file = /tmp/servers.txt\n\n Port = 25\n Tries = 5\n max_message_per_robin = 9\n"
				   " envelope_limit = 100\n");
	expect_text(conf, BM_PACKAGE_SERVER, "server_file", "/tmp/servers.txt");
	expect_text(conf, BM_PACKAGE_DUMMY, "envelope_limit", "100");
	bm_conf_free(conf);
}

static void the_installed_samples(void **state)
{
	(void)state;
	static const char directory[] = "/usr/share/doc/libmail-bulkmail-perl/examples";
	struct warnings warnings;
	struct bm_error err = BM_ERROR_INIT;
	char path[128];

	snprintf(path, sizeof path, "%s/sample.cfg.file", directory);
	if (access(path, R_OK) != 0)
		fail_msg("%s is missing: scripts/setup test installs it", path);
	struct bm_conf *conf = new_conf(&warnings);
	if (bm_conf_read(conf, path, true, &err) != BM_OK)
		fail_msg("%s", err.text);
	assert_int_equal(warnings.count, 1);
	assert_non_null(strstr(warnings.text[0], "Mail::Bulkmail::Dynamic"));
	expect_text(conf, BM_PACKAGE_SERVER, "time_out", "3000");
	expect_values(conf, BM_PACKAGE_CAMPAIGN, "Trusting", "duplicates");
	expect_text(conf, BM_PACKAGE_CAMPAIGN, "Precedence", "list");
	bm_conf_free(conf);
	conf = new_conf(&warnings);
	snprintf(path, sizeof path, "%s/sample.server.file", directory);
	if (bm_conf_read(conf, path, true, &err) != BM_OK)
		fail_msg("%s", err.text);
	assert_int_equal(bm_conf_count(conf, BM_PACKAGE_SERVER, "Smtp"), 3);
	assert_int_equal(warnings.count, 0);
	bm_conf_free(conf);
}

/* manual: conf-missing-default, conf-missing-named */
static void reads_files(void **state)
{
	(void)state;
	static const char *const names[] = {"a.conf", NULL};
	struct scratch scratch;
	struct bm_error err;
	struct bm_conf *conf = new_conf(NULL);

	scratch_init(&scratch);
	const char *path = scratch_path(&scratch, "a.conf");
	assert_int_equal(bm_conf_read(conf, path, false, &err), BM_OK);
	assert_int_equal(bm_conf_read(conf, path, true, &err), BM_E_MISSING);
	assert_string_equal(err.id, "MBO007");
	scratch_write(&scratch, "a.conf", "Port = 26\n", 10);
	assert_int_equal(bm_conf_read(conf, path, true, &err), BM_OK);
	expect_text(conf, BM_PACKAGE_SERVER, "Port", "26");
	assert_string_equal(bm_conf_get(conf, BM_PACKAGE_SERVER, "Port", 0)->file, path);
	assert_int_equal(bm_conf_read(conf, scratch.directory, false, &err), BM_E_IO);
	assert_string_equal(err.id, "MBO007");
	bm_conf_free(conf);
	scratch_deinit(&scratch, names);
}

/* conformance: A38 */
static void a_file_without_end_is_given_up(void **state)
{
	(void)state;
	struct bm_conf *conf = new_conf(NULL);
	struct bm_error err;
	assert_int_equal(bm_conf_read(conf, "/dev/zero", true, &err), BM_E_CONF);
	assert_string_equal(err.id, "MBO007");
	bm_conf_free(conf);
}

static void set(struct bm_conf *conf, const char *package, const char *name, const char *value)
{
	struct bm_error err = BM_ERROR_INIT;
	if (bm_conf_set(conf, package, name, value, "--set", &err) != BM_OK)
		fail_msg("%s", err.text);
}

static void a_caller_sets_over_every_file(void **state)
{
	(void)state;
	struct bm_conf *conf = conf_of(IN_SERVER "Port = 1\nSmtp @= a\nSmtp @= b\n"
											 "define package Mail::Bulkmail::DummyServer\nPort = 2\n");
	set(conf, NULL, "Port", "3");
	expect_values(conf, BM_PACKAGE_SERVER, "Port", "3");
	expect_values(conf, BM_PACKAGE_DUMMY, "Port", "3");
	set(conf, NULL, "Port", "4");
	expect_values(conf, BM_PACKAGE_SERVER, "Port", "4");
	assert_string_equal(bm_conf_get(conf, BM_PACKAGE_SERVER, "Port", 0)->file, "--set");
	assert_int_equal(bm_conf_get(conf, BM_PACKAGE_SERVER, "Port", 0)->line, 0);
	set(conf, BM_PACKAGE_DUMMY, "Port", "5");
	expect_values(conf, BM_PACKAGE_SERVER, "Port", "4");
	expect_values(conf, BM_PACKAGE_DUMMY, "Port", "5");
	feed(conf, "late.conf", IN_SERVER "Port = 9\n");
	expect_values(conf, BM_PACKAGE_SERVER, "Port", "4");
	bm_conf_free(conf);
}

static void a_caller_unsets_adds_and_is_taken_literally(void **state)
{
	(void)state;
	struct bm_conf *conf = conf_of(IN_CAMPAIGN "From = a\nTo = b\nTrusting @= email\n");
	set(conf, NULL, "From", NULL);
	set(conf, NULL, "To", "undef");
	set(conf, NULL, "Trusting", "banned");
	set(conf, NULL, "Trusting", "wrapping");
	set(conf, NULL, "Subject", "\\o/ ");
	set(conf, NULL, "precedence", "junk");
	set(conf, NULL, "dummy_file", "/d");
	expect_text(conf, BM_PACKAGE_CAMPAIGN, "From", NULL);
	expect_values(conf, BM_PACKAGE_CAMPAIGN, "To", "undef");
	expect_values(conf, BM_PACKAGE_CAMPAIGN, "Trusting", "banned wrapping");
	expect_text(conf, BM_PACKAGE_CAMPAIGN, "Subject", "\\o/ ");
	expect_text(conf, BM_PACKAGE_CAMPAIGN, "Precedence", "junk");
	expect_text(conf, BM_PACKAGE_DUMMY, "dummy_file", "/d");
	expect_text(conf, BM_PACKAGE_SERVER, "dummy_file", NULL);
	bm_conf_free(conf);
}

static void expect_set_error(
	const char *package, const char *name, const char *value, const char *id, const char *expected)
{
	struct bm_conf *conf = new_conf(NULL);
	struct bm_error err = BM_ERROR_INIT;
	assert_int_equal(bm_conf_set(conf, package, name, value, "--set", &err), BM_E_CONF);
	assert_string_equal(err.id, id);
	assert_string_equal(err.text, expected);
	assert_int_equal(bm_conf_count(conf, BM_PACKAGE_SERVER, name), 0);
	bm_conf_free(conf);
}

/* manual: MBO004, MB003 */
static void a_callers_values_are_checked(void **state)
{
	(void)state;
	expect_set_error(NULL, "Port", "x", "MBO004", "--set: Port: found \"x\", expected a number from 1 to 65535");
	expect_set_error(
		NULL, "Prot", "25", "MBO004", "--set: found \"Prot\", expected the name of an attribute; did you mean Port?");
	expect_set_error(
		NULL, "socket", NULL, "MBO004", "--set: socket: found \"undef\", expected no value, it is read-only");
	expect_set_error(BM_PACKAGE_CAMPAIGN, "Port", "25", "MBO004",
		"--set: found Port in package \"Mail::Bulkmail\", expected package Mail::Bulkmail::Server");
	expect_set_error("My::Own", "Port", "25", "MBO004",
		"--set: found Port in package \"My::Own\", expected package Mail::Bulkmail::Server");
	expect_set_error(NULL, "server_class", "x", "MB003",
		"--set: server_class: found \"x\", expected Mail::Bulkmail::Server, Mail::Bulkmail::DummyServer, Server or "
		"DummyServer");
}

static void many_servers_are_looked_up_quickly(void **state)
{
	(void)state;
	const size_t count = 20000;
	size_t size = 0;
	char *text = NULL;
	FILE *stream = open_memstream(&text, &size);
	assert_non_null(stream);
	fputs(IN_SERVER, stream);
	for (size_t i = 0; i < count; i++)
		fprintf(stream, "Smtp @= r%zu.example.org\nPort @= %zu\n", i, i + 1);
	fclose(stream);
	struct bm_conf *conf = conf_of(text);
	assert_int_equal(bm_conf_count(conf, BM_PACKAGE_SERVER, "Smtp"), count);
	for (size_t i = 0; i < count; i++)
		assert_int_equal(bm_conf_get(conf, BM_PACKAGE_SERVER, "Port", i)->line, 2 * i + 3);
	bm_conf_free(conf);
	free(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_empty_conf_knows_nothing),
		cmocka_unit_test(options_may_be_left_out),
		cmocka_unit_test(the_last_plain_value_wins),
		cmocka_unit_test(lists_grow_and_plain_values_replace_them),
		cmocka_unit_test(undef_unsets_and_gives_way_to_a_list),
		cmocka_unit_test(the_nearest_package_decides),
		cmocka_unit_test(a_package_sees_its_own_attributes_only),
		cmocka_unit_test(of_several_files_the_first_is_the_most_significant),
		cmocka_unit_test(a_plain_value_in_a_more_significant_file_replaces_a_list),
		cmocka_unit_test(nearness_of_the_package_counts_before_the_file),
		cmocka_unit_test(lines_for_a_user),
		cmocka_unit_test(nothing_is_evaluated),
		cmocka_unit_test(line_ends_and_the_mark_of_windows),
		cmocka_unit_test(errors_name_file_line_text_and_the_nearest),
		cmocka_unit_test(errors_about_places_and_forms),
		cmocka_unit_test(tls_and_login_are_checked_at_their_line),
		cmocka_unit_test(ours_are_known_and_checked),
		cmocka_unit_test(an_unknown_server_class_has_its_own_id),
		cmocka_unit_test(errors_show_no_passwords),
		cmocka_unit_test(a_nul_is_an_error),
		cmocka_unit_test(a_file_counts_as_a_whole_or_not_at_all),
		cmocka_unit_test(a_long_line_and_a_long_path_leave_room_for_the_reason),
		cmocka_unit_test(unknown_packages_are_left_alone_with_one_warning),
		cmocka_unit_test(warnings_about_packages_have_an_end),
		cmocka_unit_test(the_spelling_of_the_manuals_sample),
		cmocka_unit_test(the_manuals_samples),
		cmocka_unit_test(the_installed_samples),
		cmocka_unit_test(reads_files),
		cmocka_unit_test(a_file_without_end_is_given_up),
		cmocka_unit_test(a_caller_sets_over_every_file),
		cmocka_unit_test(a_caller_unsets_adds_and_is_taken_literally),
		cmocka_unit_test(a_callers_values_are_checked),
		cmocka_unit_test(many_servers_are_looked_up_quickly),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
