/* SPDX-License-Identifier: MIT */
/* Who may read what leads to a password. Runs as root where there is root: then owners are tried too. */
#include "../unit.h"
#include "bulkmail/conf.h"
#include "scratch.h"
#include "store/credentials.h"

#include <fcntl.h>
#include <sys/stat.h>

#define OTHER_UID 12345

static int make_directory(void **state)
{
	static struct scratch scratch;
	scratch_init(&scratch);
	*state = &scratch;
	return 0;
}

static int drop_directory(void **state)
{
	static const char *const names[] = {"password", "link", "pipe", "a.conf", "in/password", NULL};
	struct scratch *scratch = *state;
	for (const char *const *name = names; *name != NULL; name++)
		unlink(scratch_path(scratch, *name));
	rmdir(scratch_path(scratch, "in"));
	rmdir(scratch_path(scratch, "sub"));
	rmdir(scratch->directory);
	return 0;
}

static const char *write_mode(struct scratch *scratch, const char *name, const char *text, size_t size, mode_t mode)
{
	unlink(scratch_path(scratch, name));
	const char *path = scratch_write(scratch, name, text, size);
	assert_int_equal(chmod(path, mode), 0);
	return path;
}

static void assert_refused(const char *path, enum bm_code code, const char *id, const char *part)
{
	struct bm_secret *secret = NULL;
	struct bm_error err = BM_ERROR_INIT;
	assert_int_equal(bm_credentials_read(&secret, path, &err), code);
	assert_null(secret);
	assert_int_equal(err.code, code);
	assert_string_equal(err.id, id);
	if (strstr(err.text, part) == NULL)
		fail_msg("\"%s\" does not say \"%s\"", err.text, part);
	assert_null(strstr(err.text, "hunter2"));
	if (strstr(err.text, path) == NULL)
		fail_msg("\"%s\" does not name %s", err.text, path);
}

static void assert_read(const char *path, const char *line)
{
	struct bm_secret *secret = NULL;
	struct bm_error err = BM_ERROR_INIT;
	if (bm_credentials_read(&secret, path, &err) != BM_OK)
		fail_msg("%s", err.text);
	struct bm_span text = bm_secret_reveal(secret);
	assert_int_equal(text.size, strlen(line));
	assert_memory_equal(text.data, line, text.size);
	bm_secret_free(secret);
}

/* conformance: A35 */
static void every_mode(void **state)
{
	for (mode_t mode = 0; mode < 01000; mode++) {
		char expected[32];
		const char *path = write_mode(*state, "password", "hunter2\n", 8, mode);
		snprintf(expected, sizeof expected, "found mode %04o,", (unsigned)mode);
		if ((mode & 077) != 0) {
			if ((mode & 0400) != 0 || geteuid() == 0)
				assert_refused(path, BM_E_CONF, "MBO008", expected);
		} else if ((mode & 0400) != 0 || geteuid() == 0) {
			assert_read(path, "hunter2");
		}
	}
}

/* conformance: A35 */
static void the_error_says_what_to_do(void **state)
{
	struct scratch *scratch = *state;
	struct bm_secret *secret = NULL;
	struct bm_error err = BM_ERROR_INIT;
	char expected[600];
	const char *path = write_mode(scratch, "password", "hunter2\n", 8, 0644);
	assert_int_equal(bm_credentials_read(&secret, path, &err), BM_E_CONF);
	snprintf(expected, sizeof expected,
		"%s: found mode 0644, expected no rights for others, as the file leads to a password: chmod 600 %s", path,
		path);
	assert_string_equal(err.text, expected);
}

/* conformance: A35 */
static void other_owners(void **state)
{
	if (geteuid() != 0) {
		skip();
		return;
	}
	const char *path = write_mode(*state, "password", "hunter2\n", 8, 0600);
	assert_int_equal(chown(path, OTHER_UID, 0), 0);
	assert_refused(path, BM_E_CONF, "MBO008", "found owner uid 12345, expected uid 0 or root");
	assert_int_equal(chmod(scratch_path(*state, ""), 0711), 0);
	/* he reads it himself; a third may not */
	path = scratch_path(*state, "password");
	assert_int_equal(seteuid(OTHER_UID), 0);
	assert_read(path, "hunter2");
	assert_int_equal(seteuid(0), 0);
	assert_int_equal(seteuid(OTHER_UID + 1), 0);
	assert_refused(path, BM_E_IO, "MBO009", "Permission denied");
	assert_int_equal(seteuid(0), 0);
	assert_int_equal(chown(path, 0, 0), 0);
	assert_read(path, "hunter2");
}

/* conformance: A35 */
static void links_are_not_followed_at_the_end(void **state)
{
	struct scratch *scratch = *state;
	char target[SCRATCH_PATH_SIZE];
	snprintf(target, sizeof target, "%s", write_mode(scratch, "password", "hunter2\n", 8, 0600));
	assert_int_equal(symlink(target, scratch_path(scratch, "link")), 0);
	assert_refused(scratch->path, BM_E_CONF, "MBO008", "found a symbolic link");
	unlink(scratch->path);
	assert_int_equal(symlink(scratch->directory, scratch_path(scratch, "link")), 0);
	assert_read(scratch_path(scratch, "link/password"), "hunter2");
	unlink(scratch_path(scratch, "link"));
}

/* conformance: A35 */
static void what_is_no_file(void **state)
{
	struct scratch *scratch = *state;
	assert_int_equal(mkfifo(scratch_path(scratch, "pipe"), 0600), 0);
	assert_refused(scratch->path, BM_E_CONF, "MBO008", "found no regular file");
	assert_int_equal(mkdir(scratch_path(scratch, "sub"), 0700), 0);
	assert_refused(scratch->path, BM_E_CONF, "MBO008", "found no regular file");
	assert_refused("/dev/null", BM_E_CONF, "MBO008", "found no regular file");
	assert_refused(scratch_path(scratch, "none"), BM_E_MISSING, "MBO009", "No such file");
	assert_refused(scratch_path(scratch, "none/none"), BM_E_MISSING, "MBO009", "No such file");
	assert_refused(scratch_path(scratch, "pipe/none"), BM_E_MISSING, "MBO009", "Not a directory");
	assert_refused("/", BM_E_MISSING, "MBO009", "No such file");
	assert_refused("", BM_E_MISSING, "MBO009", "No such file");
}

/* conformance: A35 */
static void directories_that_others_may_write_to(void **state)
{
	static const struct {
		mode_t mode;
		bool good;
	} modes[] = {{0700, true}, {0755, true}, {0775, false}, {0757, false}, {0777, false}, {01777, true}, {01775, true},
		{02770, false}};
	struct scratch *scratch = *state;
	assert_int_equal(mkdir(scratch_path(scratch, "in"), 0700), 0);
	write_mode(scratch, "in/password", "hunter2\n", 8, 0600);
	for (size_t i = 0; i < sizeof modes / sizeof modes[0]; i++) {
		assert_int_equal(chmod(scratch_path(scratch, "in"), modes[i].mode), 0);
		const char *path = scratch_path(scratch, "in/password");
		if (modes[i].good)
			assert_read(path, "hunter2");
		else
			assert_refused(path, BM_E_CONF, "MBO008", "expected one that others may not write to");
	}
}

/* A name without a slash is in the directory that we are in. */
static void a_name_alone(void **state)
{
	struct scratch *scratch = *state;
	int here = open(".", O_PATH | O_DIRECTORY | O_CLOEXEC);
	write_mode(scratch, "password", "hunter2\n", 8, 0600);
	assert_int_equal(chdir(scratch->directory), 0);
	assert_read("password", "hunter2");
	assert_read("./password", "hunter2");
	assert_int_equal(chmod(".", 0777), 0);
	assert_refused("password", BM_E_CONF, "MBO008", "found its directory of mode 0777");
	assert_int_equal(chmod(".", 0700), 0);
	assert_int_equal(fchdir(here), 0);
	close(here);
}

static void the_first_line_counts(void **state)
{
	static const char *const good[][2] = {
		{"hunter2", "hunter2"},
		{"hunter2\n", "hunter2"},
		{"hunter2\r\n", "hunter2"},
		{"hunter2\nmore\n", "hunter2"},
		{" hunter2 \n", " hunter2 "},
		{"hun\rter2\n", "hun\rter2"},
		{"p\xc3\xa4ss\n", "p\xc3\xa4ss"},
	};
	for (size_t i = 0; i < sizeof good / sizeof good[0]; i++)
		assert_read(write_mode(*state, "password", good[i][0], strlen(good[i][0]), 0600), good[i][1]);
	assert_refused(write_mode(*state, "password", "", 0, 0600), BM_E_CONF, "MBO009", "found nothing");
	assert_refused(write_mode(*state, "password", "\nhunter2\n", 9, 0600), BM_E_CONF, "MBO009", "found nothing");
	assert_refused(write_mode(*state, "password", "\r\nhunter2", 9, 0600), BM_E_CONF, "MBO009", "found nothing");
	assert_refused(write_mode(*state, "password", "hunter2\0x\n", 10, 0600), BM_E_CONF, "MBO009", "found a NUL");
	assert_read(write_mode(*state, "password", "hunter2\n\0", 9, 0600), "hunter2");
}

static void a_password_has_a_size(void **state)
{
	char *text = calloc(1, BM_CREDENTIALS_SIZE_MAX + 100);
	memset(text, 'x', BM_CREDENTIALS_SIZE_MAX);
	assert_read(write_mode(*state, "password", text, BM_CREDENTIALS_SIZE_MAX, 0600), text);
	memcpy(text + BM_CREDENTIALS_SIZE_MAX, "\r\nmore", 6);
	const char *path = write_mode(*state, "password", text, BM_CREDENTIALS_SIZE_MAX + 6, 0600);
	text[BM_CREDENTIALS_SIZE_MAX] = '\0';
	assert_read(path, text);
	memset(text, 'x', BM_CREDENTIALS_SIZE_MAX + 99);
	for (size_t more = 1; more < 100; more += 49) {
		path = write_mode(*state, "password", text, BM_CREDENTIALS_SIZE_MAX + more, 0600);
		assert_refused(path, BM_E_CONF, "MBO009", "found more than 16384 octets");
	}
	free(text);
}

static enum bm_code read_conf(const char *path, struct bm_error *err)
{
	struct bm_conf *conf = NULL;
	assert_int_equal(bm_conf_new(&conf, NULL, err), BM_OK);
	enum bm_code code = bm_conf_read(conf, path, true, err);
	if (code != BM_OK) /* it counts as a whole or not at all */
		assert_int_equal(bm_conf_count(conf, BM_PACKAGE_SERVER, "Smtp"), 0);
	bm_conf_free(conf);
	return code;
}

/* conformance: A35 */
static void conf_files_that_lead_to_a_password_are_private(void **state)
{
	static const char *const leading[] = {
		"user = me\n", "password_file = /etc/secret\n", "password_command = cat x\n", "user @= me\n"};
	static const mode_t bad[] = {0644, 0640, 0604, 0620, 0666, 0610, 0777};
	for (size_t i = 0; i < sizeof leading / sizeof leading[0]; i++) {
		char text[200];
		struct bm_error err = BM_ERROR_INIT;
		int size = snprintf(text, sizeof text, "define package %s\nSmtp = mx\n%s", BM_PACKAGE_SERVER, leading[i]);
		const char *path = write_mode(*state, "a.conf", text, (size_t)size, 0600);
		assert_int_equal(read_conf(path, &err), BM_OK);
		for (size_t mode = 0; mode < sizeof bad / sizeof bad[0]; mode++) {
			char expected[400];
			assert_int_equal(chmod(path, bad[mode]), 0);
			assert_int_equal(read_conf(path, &err), BM_E_CONF);
			assert_string_equal(err.id, "MBO008");
			snprintf(expected, sizeof expected, "%s: found mode %04o, expected no rights", path, (unsigned)bad[mode]);
			assert_non_null(strstr(err.text, expected));
		}
	}
}

/* conformance: A35 */
static void other_conf_files_may_have_any_mode(void **state)
{
	struct scratch *scratch = *state;
	struct bm_error err = BM_ERROR_INIT;
	char text[200];
	char target[SCRATCH_PATH_SIZE];
	int size = snprintf(text, sizeof text, "define package %s\nSmtp = mx\nuser = undef\n", BM_PACKAGE_SERVER);
	snprintf(target, sizeof target, "%s", write_mode(scratch, "a.conf", text, (size_t)size, 0666));
	assert_int_equal(read_conf(target, &err), BM_OK);
	assert_int_equal(symlink(target, scratch_path(scratch, "link")), 0);
	assert_int_equal(read_conf(scratch->path, &err), BM_OK);
	unlink(scratch->path);
}

/* conformance: A35 */
static void conf_files_of_others(void **state)
{
	if (geteuid() != 0) {
		skip();
		return;
	}
	struct bm_error err = BM_ERROR_INIT;
	char text[200];
	int size = snprintf(text, sizeof text, "define package %s\nSmtp = mx\nuser = me\n", BM_PACKAGE_SERVER);
	const char *path = write_mode(*state, "a.conf", text, (size_t)size, 0600);
	assert_int_equal(chown(path, OTHER_UID, 0), 0);
	assert_int_equal(read_conf(path, &err), BM_E_CONF);
	assert_non_null(strstr(err.text, "found owner uid 12345, expected uid 0 or root"));
	size = snprintf(text, sizeof text, "define package %s\nSmtp = mx\n", BM_PACKAGE_SERVER);
	path = write_mode(*state, "a.conf", text, (size_t)size, 0600);
	assert_int_equal(chown(path, OTHER_UID, 0), 0);
	assert_int_equal(read_conf(path, &err), BM_OK);
}

#define IN_DIRECTORY(test) cmocka_unit_test_setup_teardown(test, make_directory, drop_directory)

int main(void)
{
	static const struct CMUnitTest tests[] = {
		IN_DIRECTORY(every_mode),
		IN_DIRECTORY(the_error_says_what_to_do),
		IN_DIRECTORY(other_owners),
		IN_DIRECTORY(links_are_not_followed_at_the_end),
		IN_DIRECTORY(what_is_no_file),
		IN_DIRECTORY(directories_that_others_may_write_to),
		IN_DIRECTORY(a_name_alone),
		IN_DIRECTORY(the_first_line_counts),
		IN_DIRECTORY(a_password_has_a_size),
		IN_DIRECTORY(conf_files_that_lead_to_a_password_are_private),
		IN_DIRECTORY(other_conf_files_may_have_any_mode),
		IN_DIRECTORY(conf_files_of_others),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
