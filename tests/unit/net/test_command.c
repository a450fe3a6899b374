/* SPDX-License-Identifier: MIT */
#include "../unit.h"
#include "net/clock.h"
#include "net/command.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

/* What this program was given by who started it is not what the library opened. */
static int close_what_is_inherited(void **state)
{
	(void)state;
	for (int fd = 3; fd < 256; fd++)
		(void)fcntl(fd, F_SETFD, FD_CLOEXEC);
	return 0;
}

static void assert_prints(const char *command, const char *line)
{
	struct bm_secret *secret = NULL;
	struct bm_error err = BM_ERROR_INIT;
	if (bm_command_run(&secret, command, &err) != BM_OK)
		fail_msg("%s: %s", command, err.text);
	struct bm_span text = bm_secret_reveal(secret);
	assert_string_equal((const char *)text.data, line);
	assert_int_equal(text.size, strlen(line));
	bm_secret_free(secret);
}

static void assert_fails(const char *command, const char *part)
{
	struct bm_secret *secret = NULL;
	struct bm_error err = BM_ERROR_INIT;
	assert_int_equal(bm_command_run(&secret, command, &err), BM_E_AUTH);
	assert_null(secret);
	assert_int_equal(err.code, BM_E_AUTH);
	if (strstr(err.text, part) == NULL)
		fail_msg("\"%s\" does not say \"%s\"", err.text, part);
	assert_null(strstr(err.text, "hunter2"));
	assert_int_equal(bm_command_run(&secret, command, NULL), BM_E_AUTH);
}

static void gives_the_first_line(void **state)
{
	(void)state;
	assert_prints("echo secret", "secret");
	assert_prints("printf secret", "secret");
	assert_prints("printf 'secret\\r\\nmore\\n'", "secret");
	assert_prints("printf 'sec\\rret\\n\\nmore'", "sec\rret");
	assert_prints("echo ' two  words '", " two  words ");
	assert_prints("printf sec; printf 'ret\\n'; printf more", "secret");
	assert_prints("a=$(printf 'p\\303\\244ss'); echo \"$a\"", "p\303\244ss");
	assert_prints("echo secret; exec >&-; exec sleep 0.02", "secret");
}

/* conformance: A34 */
static void failures_say_no_output(void **state)
{
	(void)state;
	assert_fails("echo hunter2; exit 3", "failed with status 3");
	assert_fails("echo hunter2; kill -9 $$", "ended by signal 9");
	assert_fails("no-such-program hunter2 2>/dev/null", "failed with status 127");
	assert_fails("true hunter2", "printed nothing");
	assert_fails("printf '\\nhunter2\\n'", "printed nothing");
	assert_fails("printf '\\r\\nhunter2\\n'", "printed nothing");
	assert_fails("printf 'hunter2\\000\\n'", "printed a NUL");
	assert_fails("while echo hunter2; do :; done", "prints more than 65536 octets");
}

static void output_has_a_size(void **state)
{
	(void)state;
	struct bm_secret *secret = NULL;
	assert_int_equal(bm_command_run(&secret, "head -c 65536 /dev/zero | tr '\\0' x", NULL), BM_OK);
	assert_int_equal(bm_secret_reveal(secret).size, BM_COMMAND_OUTPUT_MAX);
	bm_secret_free(secret);
	assert_fails("head -c 65537 /dev/zero | tr '\\0' x", "more than 65536");
}

static void reads_nothing(void **state)
{
	(void)state;
	assert_prints("cat; echo end", "end");
}

/* Our ends of pipes, polls and timers are not the command's. */
/* conformance: A34 */
static void has_three_descriptors(void **state)
{
	(void)state;
	static const char list[] = "i=3; while [ $i -lt 64 ]; do if [ -e /proc/$$/fd/$i ]; then printf '%s ' $i; fi; "
							   "i=$((i+1)); done; echo end";
	struct bm_loop *loop = NULL;
	struct bm_waker *waker = NULL;
	assert_int_equal(bm_waker_new(&waker, NULL), BM_OK);
	assert_int_equal(bm_loop_new(&loop, waker, NULL), BM_OK);
	assert_prints(list, "end");
	int leaked = dup(0); /* the list does show what is there */
	char expected[32];
	snprintf(expected, sizeof expected, "%d end", leaked);
	assert_prints(list, expected);
	close(leaked);
	bm_loop_free(loop);
	bm_waker_free(waker);
}

static void signals_are_as_for_a_new_program(void **state)
{
	(void)state;
	sigset_t blocked;
	sigset_t before;
	sigemptyset(&blocked);
	sigaddset(&blocked, SIGUSR1);
	sigaddset(&blocked, SIGINT);
	sigprocmask(SIG_BLOCK, &blocked, &before);
	void (*old)(int) = signal(SIGPIPE, SIG_IGN);
	/* the C library leaves two of its own, 32 and 33, ignored */
	assert_prints(
		"grep -c -e '^SigBlk:[[:space:]]*0*$' -e '^SigIgn:[[:space:]]*0*[01][08]0000000$' /proc/self/status", "2");
	signal(SIGPIPE, old);
	sigprocmask(SIG_SETMASK, &before, NULL);
}

static void leads_a_session(void **state)
{
	(void)state;
	assert_prints(
		"read -r pid name state parent group session rest </proc/$$/stat; [ $session = $$ ] && echo yes", "yes");
}

static volatile sig_atomic_t children_seen;

static void on_child(int number)
{
	(void)number;
	children_seen++;
}

/* The program's own children, and what it does about SIGCHLD, are its own business. */
static void other_children_are_left_alone(void **state)
{
	(void)state;
	int status = 0;
	struct sigaction own = {.sa_handler = on_child};
	struct sigaction old;
	struct sigaction after;
	sigaction(SIGCHLD, &own, &old);
	pid_t child = fork();
	if (child == 0)
		_exit(7);
	assert_prints("echo secret", "secret");
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(WEXITSTATUS(status), 7);
	sigaction(SIGCHLD, &old, &after);
	assert_true(after.sa_handler == on_child);
	assert_true(children_seen > 0);
}

static void ignored_children_have_no_status(void **state)
{
	(void)state;
	void (*old)(int) = signal(SIGCHLD, SIG_IGN);
	assert_fails("echo hunter2", "SIGCHLD is ignored");
	signal(SIGCHLD, old);
}

struct told {
	size_t times;
	struct bm_secret *secret;
	struct bm_error err;
};

static void on_told(void *user, struct bm_secret *secret, const struct bm_error *err)
{
	struct told *told = user;
	told->times++;
	told->secret = secret;
	assert_true((secret == NULL) == (err != NULL));
	if (err != NULL)
		told->err = *err;
}

/* Everybody who writes to it has ended when it ends: fds[0]. */
static void make_witness(int fds[2], char *command, size_t size, const char *format)
{
	assert_int_equal(pipe(fds), 0);
	(void)fcntl(fds[0], F_SETFD, FD_CLOEXEC);
	snprintf(command, size, "sleep 100 & sleep 100 & %s", format);
}

static void await_witness(int fds[2])
{
	char c = 0;
	close(fds[1]);
	assert_int_equal(read(fds[0], &c, 1), 0);
	close(fds[0]);
}

static void time_out(const char *rest)
{
	struct bm_loop *loop = NULL;
	struct bm_command *command = NULL;
	struct told told = {0};
	char text[200];
	int fds[2];

	make_witness(fds, text, sizeof text, rest);
	assert_int_equal(bm_loop_new(&loop, NULL, NULL), BM_OK);
	uint64_t begin_ms = bm_clock_monotonic_ms();
	assert_int_equal(bm_command_start_within(&command, loop, text, 60, on_told, &told, NULL), BM_OK);
	while (told.times == 0)
		bm_loop_wait(loop, UINT64_MAX);
	assert_true(bm_clock_monotonic_ms() - begin_ms >= 60);
	assert_null(told.secret);
	assert_int_equal(told.err.code, BM_E_AUTH);
	assert_string_equal(told.err.text, "the password command takes too long");
	await_witness(fds);
	bm_loop_free(loop);
	assert_int_equal(told.times, 1);
}

static void the_time_out_ends_all_of_it(void **state)
{
	(void)state;
	time_out("sleep 100");
	time_out("echo secret; sleep 100");
	time_out("exec >&-; sleep 100");
	time_out("trap '' TERM INT HUP; while :; do sleep 1; done");
}

static void cancelling_ends_all_of_it(void **state)
{
	(void)state;
	struct bm_loop *loop = NULL;
	struct bm_command *command = NULL;
	struct told told = {0};
	char text[200];
	int fds[2];
	make_witness(fds, text, sizeof text, "sleep 100");
	assert_int_equal(bm_loop_new(&loop, NULL, NULL), BM_OK);
	assert_int_equal(bm_command_start(&command, loop, text, on_told, &told, NULL), BM_OK);
	bm_command_cancel(command);
	await_witness(fds);
	bm_loop_wait(loop, bm_clock_monotonic_ms());
	bm_loop_free(loop);
	assert_int_equal(told.times, 0);
	bm_command_cancel(NULL);
}

struct chain {
	struct bm_loop *loop;
	size_t left;
	size_t told;
};

static void on_link(void *user, struct bm_secret *secret, const struct bm_error *err)
{
	struct chain *chain = user;
	struct bm_command *next = NULL;
	assert_null(err);
	bm_secret_free(secret);
	chain->told++;
	if (--chain->left > 0)
		assert_int_equal(bm_command_start(&next, chain->loop, "echo next", on_link, chain, NULL), BM_OK);
}

static void one_may_start_the_next(void **state)
{
	(void)state;
	struct chain chain = {.left = 3};
	struct bm_command *first = NULL;
	assert_int_equal(bm_loop_new(&chain.loop, NULL, NULL), BM_OK);
	assert_int_equal(bm_command_start(&first, chain.loop, "echo first", on_link, &chain, NULL), BM_OK);
	while (chain.left > 0)
		bm_loop_wait(chain.loop, UINT64_MAX);
	bm_loop_free(chain.loop);
	assert_int_equal(chain.told, 3);
}

/* A loop has what it needs; the pipe has no descriptor. */
static void without_descriptors_it_is_an_error(void **state)
{
	(void)state;
	struct rlimit before;
	struct rlimit none;
	struct bm_loop *loop = NULL;
	struct bm_command *command = NULL;
	struct told told = {0};
	struct bm_error err = BM_ERROR_INIT;
	assert_int_equal(bm_loop_new(&loop, NULL, NULL), BM_OK);
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
	none = before;
	none.rlim_cur = 0;
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
	enum bm_code code = bm_command_start(&command, loop, "echo secret", on_told, &told, &err);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
	assert_int_equal(code, BM_E_IO);
	assert_null(command);
	assert_true(err.system_errno == EMFILE);
	bm_loop_free(loop);
	assert_int_equal(told.times, 0);
}

/* A program may have closed them: the next descriptors that are opened are these. */
static void works_without_standard_streams(void **state)
{
	(void)state;
	int status = 0;
	pid_t child = fork();
	if (child == 0) {
		struct bm_loop *loop = NULL;
		struct bm_command *command = NULL;
		struct told told = {0};
		if (bm_loop_new(&loop, NULL, NULL) != BM_OK)
			_exit(2);
		close(0);
		close(1);
		if (bm_command_start(&command, loop, "cat && echo secret", on_told, &told, NULL) != BM_OK)
			_exit(3);
		while (told.times == 0)
			bm_loop_wait(loop, UINT64_MAX);
		_exit(told.secret != NULL && bm_span_equal(bm_secret_reveal(told.secret), bm_span_of("secret")) ? 0 : 1);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(status, 0);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(gives_the_first_line),
		cmocka_unit_test(failures_say_no_output),
		cmocka_unit_test(output_has_a_size),
		cmocka_unit_test(reads_nothing),
		cmocka_unit_test(has_three_descriptors),
		cmocka_unit_test(signals_are_as_for_a_new_program),
		cmocka_unit_test(leads_a_session),
		cmocka_unit_test(other_children_are_left_alone),
		cmocka_unit_test(ignored_children_have_no_status),
		cmocka_unit_test(the_time_out_ends_all_of_it),
		cmocka_unit_test(cancelling_ends_all_of_it),
		cmocka_unit_test(one_may_start_the_next),
		cmocka_unit_test(without_descriptors_it_is_an_error),
		cmocka_unit_test(works_without_standard_streams),
	};
	return cmocka_run_group_tests(tests, close_what_is_inherited, NULL);
}
