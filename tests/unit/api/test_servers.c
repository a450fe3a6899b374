/* SPDX-License-Identifier: MIT */
/* create_all_servers: server files, sets of attributes, defaults, and the samples of the manual and of Debian. */
#include "../store/scratch.h"
#include "bulkmail/server.h"

#include <stdbool.h>

#define EXAMPLES "/usr/share/doc/libmail-bulkmail-perl/examples/"

/* Texts of a master conf and a server file, either may be NULL, and what is made of them. */
struct made {
	struct scratch scratch;
	struct bm_conf *conf;
	struct bm_servers *servers;
	struct bm_error err;
	enum bm_code code;
};

static const char *const file_names[] = {"master.conf", "servers.conf", "other.conf", NULL};

static void begin(struct made *made)
{
	*made = (struct made){.code = BM_OK};
	scratch_init(&made->scratch);
	assert_int_equal(bm_conf_new(&made->conf, NULL, &made->err), BM_OK);
}

static const char *put(struct made *made, const char *name, const char *text)
{
	return scratch_write(&made->scratch, name, text, strlen(text));
}

static void read_master(struct made *made, const char *text)
{
	if (bm_conf_read(made->conf, put(made, "master.conf", text), true, &made->err) != BM_OK)
		fail_msg("%s", made->err.text);
}

/* The master conf with a server_file that holds text. */
static void read_master_naming(struct made *made, const char *master, const char *servers)
{
	char text[4096];
	const char *path = put(made, "servers.conf", servers);
	snprintf(text, sizeof text, "define package Mail::Bulkmail::Server\nserver_file = %s\n%s", path, master);
	read_master(made, text);
}

static void create(struct made *made, const char *class_name, const char *file)
{
	made->code = bm_servers_create(&made->servers, made->conf, class_name, file, NULL, 0, &made->err);
}

static void assert_created(const struct made *made, size_t count)
{
	if (made->code != BM_OK)
		fail_msg("%s %s", made->err.id, made->err.text);
	assert_int_equal(bm_servers_count(made->servers), count);
	assert_null(bm_servers_at(made->servers, count));
}

static void assert_value(const struct made *made, size_t index, const char *name, const char *expected)
{
	const char *value = NULL;
	struct bm_server *server = bm_servers_at(made->servers, index);
	assert_non_null(server);
	assert_int_equal(bm_server_get(server, name, &value, NULL), BM_OK);
	if (expected == NULL) {
		assert_null(value);
		return;
	}
	assert_non_null(value);
	assert_string_equal(value, expected);
}

/* name of each server, in their order. */
static void assert_values(const struct made *made, const char *name, const char *const *expected)
{
	for (size_t i = 0; i < bm_servers_count(made->servers); i++)
		assert_value(made, i, name, expected[i]);
}

static void assert_refused(const struct made *made, enum bm_code code, const char *id, const char *part)
{
	assert_int_equal(made->code, code);
	assert_string_equal(made->err.id, id);
	if (strstr(made->err.text, part) == NULL)
		fail_msg("\"%s\" does not hold \"%s\"", made->err.text, part);
	assert_null(made->servers);
}

static void end(struct made *made)
{
	bm_servers_free(made->servers);
	bm_conf_free(made->conf);
	scratch_deinit(&made->scratch, file_names);
}

static const char three_hosts[] = "define package Mail::Bulkmail::Server\n"
								  "Smtp @= a.example\nSmtp @= b.example\nSmtp @= c.example\n";

/* manual: create_all_servers, create-server_file, server_file, Smtp */
static void one_server_for_each_smtp(void **state)
{
	(void)state;
	struct made made;
	begin(&made);
	read_master_naming(&made, "", three_hosts);
	create(&made, BM_PACKAGE_SERVER, NULL);
	assert_created(&made, 3);
	assert_values(&made, "Smtp", (const char *[]){"a.example", "b.example", "c.example"});
	assert_values(&made, "Port", (const char *[]){"25", "25", "25"});
	end(&made);
}

/* manual: create_all_servers, create-server_file */
static void nth_value_goes_to_the_nth_server(void **state)
{
	(void)state;
	struct made made;
	begin(&made);
	read_master_naming(&made, "",
		"define package Mail::Bulkmail::Server\nSmtp @= a\nSmtp @= b\nPort @= 2501\nPort @= 2502\n"
		"Domain @= x.example\nDomain @= y.example\n");
	create(&made, NULL, NULL);
	assert_created(&made, 2);
	assert_values(&made, "Port", (const char *[]){"2501", "2502"});
	assert_values(&made, "Domain", (const char *[]){"x.example", "y.example"});
	end(&made);
}

/* manual: create-file-given */
static void a_file_given_stands_instead(void **state)
{
	(void)state;
	struct made made;
	char path[SCRATCH_PATH_SIZE];
	begin(&made);
	read_master_naming(&made, "Tries = 4\n", three_hosts);
	snprintf(path, sizeof path, "%s",
		put(&made, "other.conf", "define package Mail::Bulkmail::Server\nSmtp = only.example\n"));
	create(&made, BM_PACKAGE_SERVER, path);
	assert_created(&made, 1);
	assert_value(&made, 0, "Smtp", "only.example");
	assert_value(&made, 0, "Tries", "4");
	bm_servers_free(made.servers);
	/* and needs no conf */
	made.code = bm_servers_create(&made.servers, NULL, BM_PACKAGE_SERVER, path, NULL, 0, &made.err);
	assert_created(&made, 1);
	assert_value(&made, 0, "Tries", NULL);
	end(&made);
}

/* manual: create-attribute-sets, create_all_servers */
static void sets_make_servers(void **state)
{
	(void)state;
	static const struct bm_attribute first[] = {{"Smtp", "a.example"}, {"Port", "2501"}};
	static const struct bm_attribute second[] = {{"Smtp", "b.example"}};
	static const struct bm_attribute wrong[] = {{"Smtp", "c.example"}, {"Tires", "4"}};
	static const struct bm_attribute_set sets[] = {{first, 2}, {second, 1}, {wrong, 2}};
	struct made made;
	begin(&made);
	made.code = bm_servers_create(&made.servers, NULL, NULL, NULL, sets, 2, &made.err);
	assert_created(&made, 2);
	assert_values(&made, "Smtp", (const char *[]){"a.example", "b.example"});
	assert_values(&made, "Port", (const char *[]){"2501", "25"});
	bm_servers_free(made.servers);
	made.code = bm_servers_create(&made.servers, NULL, NULL, NULL, sets, 3, &made.err);
	assert_refused(&made, BM_E_USAGE, "MBO004", "\"Tries\"");
	end(&made);
}

/* manual: create-combined, create-default */
static void file_and_sets_combine(void **state)
{
	(void)state;
	static const struct bm_attribute first[] = {{"Smtp", "d.example"}, {"Port", "2504"}};
	static const struct bm_attribute second[] = {{"Smtp", "e.example"}};
	static const struct bm_attribute_set sets[] = {{first, 2}, {second, 1}};
	struct made made;
	begin(&made);
	read_master_naming(&made, "Port = 2525\nTries = 3\nDomain = me.example\n", three_hosts);
	made.code = bm_servers_create(&made.servers, made.conf, BM_PACKAGE_SERVER, NULL, sets, 2, &made.err);
	assert_created(&made, 5);
	assert_values(&made, "Smtp", (const char *[]){"a.example", "b.example", "c.example", "d.example", "e.example"});
	assert_values(&made, "Port", (const char *[]){"2525", "2525", "2525", "2504", "2525"});
	assert_values(&made, "Tries", (const char *[]){"3", "3", "3", "3", "3"});
	assert_values(
		&made, "Domain", (const char *[]){"me.example", "me.example", "me.example", "me.example", "me.example"});
	end(&made);
}

/* manual: create-fewer-values, create-default */
static void servers_left_over_take_the_default(void **state)
{
	(void)state;
	struct made made;
	char servers[512];
	begin(&made);
	snprintf(servers, sizeof servers, "%sPort @= 2501\nenvelope_limit @= 7\n", three_hosts);
	read_master_naming(&made, "Port = 2525\n", servers);
	create(&made, BM_PACKAGE_SERVER, NULL);
	assert_created(&made, 3);
	assert_values(&made, "Port", (const char *[]){"2501", "2525", "2525"});
	assert_values(&made, "envelope_limit", (const char *[]){"7", "100", "100"});
	end(&made);
}

static void count_few_values(void *user, const char *text)
{
	unsigned *warnings = user;
	if (strstr(text, "servers.conf:") != NULL && strstr(text, "Port has 1 value for 3 servers") != NULL)
		(*warnings)++;
}

/* manual: create-fewer-values */
static void fewer_values_than_servers_are_warned_of(void **state)
{
	(void)state;
	struct made made;
	char servers[512];
	unsigned warnings = 0;
	struct bm_conf_options options = BM_CONF_OPTIONS_INIT;
	begin(&made);
	bm_conf_free(made.conf);
	options.warn = count_few_values;
	options.warn_user = &warnings;
	assert_int_equal(bm_conf_new(&made.conf, &options, &made.err), BM_OK);
	snprintf(servers, sizeof servers, "%sPort @= 2501\n", three_hosts);
	read_master_naming(&made, "", servers);
	create(&made, BM_PACKAGE_SERVER, NULL);
	assert_created(&made, 3);
	assert_int_equal(warnings, 1);
	end(&made);
}

/* manual: create-more-values, MBO002 */
static void more_values_than_servers_are_refused(void **state)
{
	(void)state;
	struct made made;
	begin(&made);
	read_master_naming(
		&made, "", "define package Mail::Bulkmail::Server\nSmtp @= a\nSmtp @= b\nPort @= 1\nPort @= 2\n\nPort @= 3\n");
	create(&made, BM_PACKAGE_SERVER, NULL);
	assert_refused(&made, BM_E_CONF, "MBO002", "servers.conf:7: Port");
	end(&made);
}

/* manual: create-more-values, MBO002 */
static void more_values_in_the_master_conf_are_refused_too(void **state)
{
	(void)state;
	struct made made;
	begin(&made);
	read_master_naming(&made, "Tries @= 1\nTries @= 2\n", "define package Mail::Bulkmail::Server\nSmtp @= a\n");
	create(&made, BM_PACKAGE_SERVER, NULL);
	assert_refused(&made, BM_E_CONF, "MBO002", "master.conf:4: Tries");
	end(&made);
}

/* manual: create_all_servers */
static void the_master_conf_may_name_the_servers(void **state)
{
	(void)state;
	struct made made;
	begin(&made);
	read_master(
		&made, "define package Mail::Bulkmail::Server\nSmtp @= a\nSmtp @= b\nPort @= 2501\nPort @= 2502\nTries = 9\n");
	create(&made, BM_PACKAGE_SERVER, NULL);
	assert_created(&made, 2);
	assert_values(&made, "Port", (const char *[]){"2501", "2502"});
	assert_values(&made, "Tries", (const char *[]){"9", "9"});
	end(&made);
}

static void set(struct made *made, const char *name, const char *value)
{
	assert_int_equal(bm_conf_set(made->conf, NULL, name, value, "--set", &made->err), BM_OK);
}

/* manual: create_all_servers, create-default */
static void what_a_caller_sets_stands_over_every_file(void **state)
{
	(void)state;
	struct made made;
	begin(&made);
	read_master_naming(&made, "Tries = 3\n",
		"define package Mail::Bulkmail::Server\nSmtp @= a\nSmtp @= b\nPort @= 2501\nPort @= 2502\nTries @= 4\n");
	set(&made, "Port", "2600");
	set(&made, "Tries", "8");
	set(&made, "time_out", "60");
	create(&made, BM_PACKAGE_SERVER, NULL);
	assert_created(&made, 2);
	assert_values(&made, "Smtp", (const char *[]){"a", "b"});
	assert_values(&made, "Port", (const char *[]){"2600", "2600"});
	assert_values(&made, "Tries", (const char *[]){"8", "8"});
	assert_values(&made, "time_out", (const char *[]){"60", "60"});
	end(&made);
}

/* manual: server_file, conf-missing-named, conf-bad-line, conf-types, MBO002 */
static void a_server_file_has_to_be_there_and_right(void **state)
{
	(void)state;
	struct made made;
	begin(&made);
	read_master(&made, "define package Mail::Bulkmail::Server\nserver_file = /nowhere/servers\n");
	create(&made, BM_PACKAGE_SERVER, NULL);
	assert_int_equal(made.code, BM_E_MISSING);
	assert_non_null(strstr(made.err.text, "/nowhere/servers"));
	assert_null(made.servers);
	create(&made, BM_PACKAGE_SERVER,
		put(&made, "servers.conf", "define package Mail::Bulkmail::Server\nSmtp @= a\nPort @= twentyfive\n"));
	assert_refused(&made, BM_E_CONF, "MBO002", "servers.conf:3");
	end(&made);
}

/* manual: create_all_servers */
static void nothing_named_makes_no_servers(void **state)
{
	(void)state;
	struct made made;
	begin(&made);
	create(&made, BM_PACKAGE_SERVER, NULL);
	assert_created(&made, 0);
	bm_servers_free(NULL);
	assert_int_equal(bm_servers_count(NULL), 0);
	end(&made);
}

/* manual: dummy_file, dummy-server, conf-inherit */
static void a_dummy_needs_its_file_only(void **state)
{
	(void)state;
	struct made made;
	begin(&made);
	read_master(&made, "define package Mail::Bulkmail::Server\nenvelope_limit = 7\n"
					   "define package Mail::Bulkmail::DummyServer\ndummy_file = /tmp/dummy\n");
	create(&made, BM_PACKAGE_DUMMY, NULL);
	assert_created(&made, 1);
	assert_value(&made, 0, "dummy_file", "/tmp/dummy");
	assert_value(&made, 0, "envelope_limit", "7");
	bm_servers_free(made.servers);
	/* for a real server the file means nothing */
	create(&made, BM_PACKAGE_SERVER, NULL);
	assert_created(&made, 0);
	end(&made);
}

/* manual: dummy_file, MBO003 */
static void a_dummy_without_its_file_is_refused(void **state)
{
	(void)state;
	struct made made;
	begin(&made);
	create(&made, BM_PACKAGE_DUMMY, NULL);
	assert_refused(&made, BM_E_CONF, "MBO003", "dummy_file");
	end(&made);
}

/* manual: dummy_file, create-server_file */
static void dummies_stand_for_the_servers_of_the_file(void **state)
{
	(void)state;
	struct made made;
	begin(&made);
	read_master_naming(&made, "define package Mail::Bulkmail::DummyServer\ndummy_file = /tmp/dummy\n", three_hosts);
	create(&made, BM_PACKAGE_DUMMY, NULL);
	assert_created(&made, 3);
	assert_values(&made, "dummy_file", (const char *[]){"/tmp/dummy", "/tmp/dummy", "/tmp/dummy"});
	assert_values(&made, "Smtp", (const char *[]){"a.example", "b.example", "c.example"});
	end(&made);
}

#define SAMPLE_SERVER(number)                                                                                          \
	"# server " #number "\nSmtp @= smtp" #number ".yourdomain.com\nPort @= 25\nTries @= 5\n"                           \
	"max_messages_per_robin @= 1000\nenvelope_limit @= 100\n\n"

static void assert_sample(const struct made *made)
{
	assert_created(made, 3);
	assert_values(
		made, "Smtp", (const char *[]){"smtp1.yourdomain.com", "smtp2.yourdomain.com", "smtp3.yourdomain.com"});
	assert_values(made, "Port", (const char *[]){"25", "25", "25"});
	assert_values(made, "Tries", (const char *[]){"5", "5", "5"});
	assert_values(made, "max_messages_per_robin", (const char *[]){"1000", "1000", "1000"});
	assert_values(made, "envelope_limit", (const char *[]){"100", "100", "100"});
}

/* manual: sample-server-file, create-server_file */
static void sample_with_all_in_the_server_file(void **state)
{
	(void)state;
	struct made made;
	begin(&made);
	read_master_naming(
		&made, "", "define package Mail::Bulkmail::Server\n\n" SAMPLE_SERVER(1) SAMPLE_SERVER(2) SAMPLE_SERVER(3));
	create(&made, BM_PACKAGE_SERVER, NULL);
	assert_sample(&made);
	end(&made);
}

static void count_warning(void *user, const char *text)
{
	size_t *count = user;
	assert_non_null(strstr(text, "max_message_per_robin"));
	*count += 1;
}

/* manual: sample-master-defaults, conf-robin-spelling, create-default */
static void sample_with_defaults_in_the_master_conf(void **state)
{
	(void)state;
	struct bm_conf_options options = BM_CONF_OPTIONS_INIT;
	struct made made;
	size_t warnings = 0;
	begin(&made);
	bm_conf_free(made.conf);
	options.warn = count_warning;
	options.warn_user = &warnings;
	assert_int_equal(bm_conf_new(&made.conf, &options, &made.err), BM_OK);
	read_master_naming(&made,
		"\n# for all servers\nPort = 25\nTries = 5\nmax_message_per_robin = 1000\nenvelope_limit = 100\n",
		"define package Mail::Bulkmail::Server\n\n#one\nSmtp @= smtp1.yourdomain.com\n\n#two\n"
		"Smtp @= smtp2.yourdomain.com\n\n#three\nSmtp @= smtp3.yourdomain.com\n");
	create(&made, BM_PACKAGE_SERVER, NULL);
	assert_sample(&made);
	assert_int_equal(warnings, 1);
	end(&made);
}

static size_t read_example(const char *name, char *out, size_t size)
{
	char path[256];
	snprintf(path, sizeof path, EXAMPLES "%s", name);
	FILE *file = fopen(path, "r");
	if (file == NULL)
		fail_msg("%s is missing: scripts/setup installs libmail-bulkmail-perl", path);
	size_t got = fread(out, 1, size - 1, file);
	assert_true(got < size - 1);
	fclose(file);
	out[got] = '\0';
	return got;
}

/* The master conf with its server_file replaced by path. */
static void write_master(struct made *made, const char *text, const char *path)
{
	static const char named[] = "/etc/mb/servers.txt";
	char changed[16384];
	const char *at = strstr(text, named);
	assert_non_null(at);
	snprintf(changed, sizeof changed, "%.*s%s%s", (int)(at - text), text, path, at + strlen(named));
	read_master(made, changed);
}

/* manual: create-server_file, create-default, server_file, conf-unknown-package */
static void debians_examples_work(void **state)
{
	(void)state;
	struct made made;
	char master[16384];
	char servers[4096];
	char path[SCRATCH_PATH_SIZE];
	read_example("sample.cfg.file", master, sizeof master);
	read_example("sample.server.file", servers, sizeof servers);
	begin(&made);
	snprintf(path, sizeof path, "%s", put(&made, "servers.conf", servers));
	write_master(&made, master, path);
	create(&made, BM_PACKAGE_SERVER, NULL);
	assert_created(&made, 3);
	assert_values(&made, "Smtp", (const char *[]){"smtp1.mydomain.com", "smtp2.mydomain.com", "smtp3.mydomain.com"});
	assert_values(&made, "Domain", (const char *[]){"mydomain.com", "mydomain.com", "mydomain.com"});
	assert_values(&made, "Port", (const char *[]){"25", "25", "25"});
	assert_values(&made, "time_out", (const char *[]){"3000", "3000", "3000"});
	assert_values(&made, "talk_attempts", (const char *[]){"5", "5", "5"});
	assert_values(&made, "dummy_file", (const char *[]){NULL, NULL, NULL});
	bm_servers_free(made.servers);
	create(&made, BM_PACKAGE_DUMMY, NULL);
	assert_created(&made, 3);
	assert_values(
		&made, "dummy_file", (const char *[]){"/etc/mb/dummy.file", "/etc/mb/dummy.file", "/etc/mb/dummy.file"});
	end(&made);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(one_server_for_each_smtp),
		cmocka_unit_test(nth_value_goes_to_the_nth_server),
		cmocka_unit_test(a_file_given_stands_instead),
		cmocka_unit_test(sets_make_servers),
		cmocka_unit_test(file_and_sets_combine),
		cmocka_unit_test(servers_left_over_take_the_default),
		cmocka_unit_test(fewer_values_than_servers_are_warned_of),
		cmocka_unit_test(more_values_than_servers_are_refused),
		cmocka_unit_test(more_values_in_the_master_conf_are_refused_too),
		cmocka_unit_test(the_master_conf_may_name_the_servers),
		cmocka_unit_test(what_a_caller_sets_stands_over_every_file),
		cmocka_unit_test(a_server_file_has_to_be_there_and_right),
		cmocka_unit_test(nothing_named_makes_no_servers),
		cmocka_unit_test(a_dummy_needs_its_file_only),
		cmocka_unit_test(a_dummy_without_its_file_is_refused),
		cmocka_unit_test(dummies_stand_for_the_servers_of_the_file),
		cmocka_unit_test(sample_with_all_in_the_server_file),
		cmocka_unit_test(sample_with_defaults_in_the_master_conf),
		cmocka_unit_test(debians_examples_work),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
