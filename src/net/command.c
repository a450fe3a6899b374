/* SPDX-License-Identifier: MIT */
/*
 * The shell leads a session of its own, so that it and what it starts can be ended together, and nobody asks for a
 * password on the terminal. Its end is learned from the end of its output and waitpid: SIGCHLD stays the program's.
 */
#include "net/command.h"

#include "base/error.h"
#include "net/clock.h"
#include "net/loop_uv.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

/* How often one that closed its output is asked whether it has ended. */
#define REAP_MS 10

#define ID "MBS020"

struct bm_command {
	uv_poll_t poll;
	uv_timer_t timer;
	bm_command_fn *fn;
	void *user;
	pid_t process; /* 0: it has ended */
	int fd;
	bool closed; /* its output has ended */
	int handles; /* that are closing */
	uint64_t deadline_ms;
	size_t size;
	unsigned char output[BM_COMMAND_OUTPUT_MAX + 1];
};

/* Both handles are closed before their memory goes. */
static void on_gone(uv_handle_t *handle)
{
	struct bm_command *command = handle->data;

	if (--command->handles > 0)
		return;
	close(command->fd);
	bm_secret_wipe(command->output, sizeof command->output);
	free(command);
}

/* With all that it started and that stayed with it. */
static void kill_process(struct bm_command *command)
{
	if (command->process <= 0)
		return;
	(void)kill(-command->process, SIGKILL);
	while (waitpid(command->process, NULL, 0) < 0 && errno == EINTR)
		continue;
	command->process = 0;
}

void bm_command_cancel(struct bm_command *command)
{
	if (command == NULL)
		return;
	kill_process(command);
	command->handles = 2;
	uv_close((uv_handle_t *)&command->poll, on_gone);
	uv_close((uv_handle_t *)&command->timer, on_gone);
}

static enum bm_code take_line(struct bm_secret **out, const struct bm_command *command, struct bm_error *err)
{
	const unsigned char *end = memchr(command->output, '\n', command->size);
	size_t length = end == NULL ? command->size : (size_t)(end - command->output);

	*out = NULL;
	if (end != NULL && length > 0 && command->output[length - 1] == '\r')
		length--;
	if (length == 0)
		return bm_error_set(err, BM_E_AUTH, ID, "the password command printed nothing on its first line");
	if (memchr(command->output, '\0', length) != NULL)
		return bm_error_set(err, BM_E_AUTH, ID, "the password command printed a NUL");
	return bm_secret_new(out, command->output, length, err);
}

static enum bm_code judge(struct bm_secret **out, const struct bm_command *command, int status, struct bm_error *err)
{
	*out = NULL;
	if (WIFSIGNALED(status))
		return bm_error_set(err, BM_E_AUTH, ID, "the password command was ended by signal %d", WTERMSIG(status));
	if (WEXITSTATUS(status) != 0)
		return bm_error_set(err, BM_E_AUTH, ID, "the password command failed with status %d", WEXITSTATUS(status));
	return take_line(out, command, err);
}

/* Gone before it is told of: the caller may start another, or free the loop. */
static void tell(struct bm_command *command, struct bm_secret *secret, const struct bm_error *err)
{
	bm_command_fn *fn = command->fn;
	void *user = command->user;

	bm_command_cancel(command);
	fn(user, secret, secret == NULL ? err : NULL);
}

static void fail(struct bm_command *command, const char *what)
{
	struct bm_error err = BM_ERROR_INIT;

	(void)bm_error_set(&err, BM_E_AUTH, ID, "the password command %s", what);
	tell(command, NULL, &err);
}

static void on_time(uv_timer_t *timer);

/* Until the deadline, or until it is asked again. */
static void arm(struct bm_command *command)
{
	uint64_t now_ms = bm_clock_monotonic_ms();
	uint64_t left_ms = command->deadline_ms > now_ms ? command->deadline_ms - now_ms : 0;

	uv_timer_start(&command->timer, on_time, command->closed && left_ms > REAP_MS ? REAP_MS : left_ms, 0);
}

static void reap(struct bm_command *command)
{
	struct bm_error err = BM_ERROR_INIT;
	struct bm_secret *secret = NULL;
	int status = 0;
	pid_t ended = waitpid(command->process, &status, WNOHANG);

	if (ended == 0 || (ended < 0 && errno == EINTR)) {
		arm(command);
		return;
	}
	command->process = 0;
	if (ended < 0) {
		fail(command, "ended without a status: SIGCHLD is ignored here");
		return;
	}
	(void)!judge(&secret, command, status, &err);
	tell(command, secret, &err);
}

static void on_time(uv_timer_t *timer)
{
	struct bm_command *command = timer->data;

	if (bm_clock_monotonic_ms() >= command->deadline_ms)
		fail(command, "takes too long");
	else if (command->closed)
		reap(command);
	else
		arm(command);
}

static void on_output(uv_poll_t *poll, int poll_status, int events)
{
	struct bm_command *command = poll->data;
	ssize_t got = read(command->fd, command->output + command->size, sizeof command->output - command->size);

	(void)poll_status;
	(void)events;
	if (got < 0) {
		if (errno != EINTR && errno != EAGAIN)
			fail(command, "cannot be read from");
		return;
	}
	command->size += (size_t)got;
	if (command->size > BM_COMMAND_OUTPUT_MAX) {
		fail(command, "prints more than 65536 octets");
		return;
	}
	if (got > 0)
		return;
	command->closed = true;
	uv_poll_stop(poll);
	reap(command);
}

/* Signals as a program finds them that was just started, a session, and three descriptors: all others of ours close. */
static int set_up(posix_spawnattr_t *attributes, posix_spawn_file_actions_t *actions, int output)
{
	sigset_t none;
	sigset_t all;
	short flags = POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSID;

	sigemptyset(&none);
	sigfillset(&all);
	int failed = posix_spawnattr_setflags(attributes, flags);
	if (failed == 0)
		failed = posix_spawnattr_setsigmask(attributes, &none);
	if (failed == 0)
		failed = posix_spawnattr_setsigdefault(attributes, &all);
	/* in this order: output may be 0 where the program has closed its standard input */
	if (failed == 0)
		failed = posix_spawn_file_actions_adddup2(actions, output, STDOUT_FILENO);
	if (failed == 0)
		failed = posix_spawn_file_actions_addopen(actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
	return failed;
}

static int spawn(pid_t *process, const char *text, int output)
{
	char *const arguments[] = {(char[]){"sh"}, (char[]){"-c"}, (char *)text, NULL};
	posix_spawnattr_t attributes;
	posix_spawn_file_actions_t actions;
	int failed = posix_spawnattr_init(&attributes);

	if (failed != 0)
		return failed;
	failed = posix_spawn_file_actions_init(&actions);
	if (failed == 0) {
		failed = set_up(&attributes, &actions, output);
		if (failed == 0)
			failed = posix_spawn(process, "/bin/sh", &actions, &attributes, arguments, environ);
		posix_spawn_file_actions_destroy(&actions);
	}
	posix_spawnattr_destroy(&attributes);
	return failed;
}

static int launch(struct bm_command *command, const char *text)
{
	int fds[2];

	if (pipe2(fds, O_CLOEXEC) != 0)
		return errno;
	int failed = fcntl(fds[0], F_SETFL, O_NONBLOCK) == 0 ? spawn(&command->process, text, fds[1]) : errno;
	close(fds[1]);
	if (failed != 0)
		close(fds[0]);
	command->fd = fds[0];
	return failed;
}

static int watch(struct bm_command *command, struct bm_loop *loop)
{
	int failed = -uv_poll_init(bm_loop_uv(loop), &command->poll, command->fd);

	if (failed == 0)
		uv_timer_init(bm_loop_uv(loop), &command->timer);
	else
		close(command->fd);
	return failed;
}

enum bm_code bm_command_start_within(struct bm_command **out, struct bm_loop *loop, const char *text,
	uint64_t timeout_ms, bm_command_fn *fn, void *user, struct bm_error *err)
{
	struct bm_command *command = calloc(1, sizeof *command);

	*out = NULL;
	if (command == NULL)
		return bm_error_nomem(err);
	int failed = launch(command, text);
	if (failed == 0)
		failed = watch(command, loop);
	if (failed != 0) {
		kill_process(command);
		free(command);
		return bm_error_set_errno(err, BM_E_IO, ID, failed, "cannot run the password command");
	}
	command->poll.data = command;
	command->timer.data = command;
	command->fn = fn;
	command->user = user;
	command->deadline_ms = bm_clock_monotonic_ms() + timeout_ms;
	(void)uv_poll_start(&command->poll, UV_READABLE, on_output); /* fails for a handle that is closing only */
	arm(command);
	*out = command;
	return BM_OK;
}

enum bm_code bm_command_start(struct bm_command **out, struct bm_loop *loop, const char *command, bm_command_fn *fn,
	void *user, struct bm_error *err)
{
	return bm_command_start_within(out, loop, command, BM_COMMAND_TIMEOUT_MS, fn, user, err);
}

struct answer {
	bool told;
	struct bm_secret *secret;
	struct bm_error *err;
};

static void on_answer(void *user, struct bm_secret *secret, const struct bm_error *err)
{
	struct answer *answer = user;

	answer->told = true;
	answer->secret = secret;
	if (secret == NULL && answer->err != NULL)
		*answer->err = *err;
}

enum bm_code bm_command_run(struct bm_secret **out, const char *command, struct bm_error *err)
{
	struct bm_error failure = BM_ERROR_INIT;
	struct answer answer = {.err = &failure};
	struct bm_loop *loop = NULL;
	struct bm_command *running = NULL;

	*out = NULL;
	enum bm_code code = bm_loop_new(&loop, NULL, err);
	if (code != BM_OK)
		return code;
	code = bm_command_start(&running, loop, command, on_answer, &answer, err);
	while (code == BM_OK && !answer.told)
		bm_loop_wait(loop, UINT64_MAX);
	bm_loop_free(loop);
	*out = answer.secret;
	if (code != BM_OK || answer.secret != NULL)
		return code;
	if (err != NULL)
		*err = failure;
	return failure.code;
}
