/* SPDX-License-Identifier: MIT */
/* A sender on libESMTP: a session knows its messages before it starts, so each thread runs one session for its share.
 */
#include "net.h"
#include "task.h"

#include <libesmtp.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

struct worker;

struct letter {
	struct worker *worker;
	size_t number;
	int given;
};

struct worker {
	const struct bench_task *task;
	size_t first; /* and then each message that is a number of connections further */
	struct letter *letters;
	char *content;
	pthread_t thread;
};

/* Called with size NULL to begin anew, then until *size is 0. */
static const char *give_content(void **buffer, int *size, void *user)
{
	struct letter *letter = user;
	struct worker *worker = letter->worker;

	(void)buffer;
	if (size == NULL) {
		letter->given = 0;
		return NULL;
	}
	*size = 0;
	if (letter->given++ == 0)
		*size = (int)(bench_put_content(worker->content, worker->task, letter->number) - worker->content);
	return worker->content;
}

static void add_letter(smtp_session_t session, struct worker *worker, struct letter *letter)
{
	size_t recipients = worker->task->recipients;
	smtp_message_t message = smtp_add_message(session);
	char address[BENCH_ADDRESS_SIZE];

	if (message == NULL)
		bench_die("smtp_add_message");
	smtp_set_reverse_path(message, BENCH_SENDER);
	smtp_set_messagecb(message, give_content, letter);
	for (size_t i = 0; i < recipients; i++) {
		bench_recipient(address, letter->number * recipients + i);
		smtp_add_recipient(message, address);
	}
}

static void *work(void *user)
{
	struct worker *worker = user;
	const struct bench_task *task = worker->task;
	smtp_session_t session = smtp_create_session();
	char why[128];

	smtp_set_server(session, task->server);
	smtp_set_hostname(session, "client.example.com");
	struct letter *letter = worker->letters;
	for (size_t i = worker->first; i < task->messages; i += task->connections, letter++) {
		*letter = (struct letter){.worker = worker, .number = i};
		add_letter(session, worker, letter);
	}
	if (!smtp_start_session(session))
		bench_die(smtp_strerror(smtp_errno(), why, sizeof why));
	smtp_destroy_session(session);
	return NULL;
}

static void worker_init(struct worker *worker, const struct bench_task *task, size_t first)
{
	worker->task = task;
	worker->first = first;
	worker->letters = calloc(task->messages / task->connections + 1, sizeof *worker->letters);
	worker->content = malloc(bench_content_max(task));
	if (worker->letters == NULL || worker->content == NULL)
		bench_die("no memory");
}

int main(int argc, char **argv)
{
	struct bench_task task;

	bench_task_init(&task, argc, argv);
	struct worker *workers = calloc(task.connections, sizeof *workers);
	if (workers == NULL)
		bench_die("no memory");
	signal(SIGPIPE, SIG_IGN);
	for (size_t i = 0; i < task.connections; i++) {
		worker_init(&workers[i], &task, i);
		if (pthread_create(&workers[i].thread, NULL, work, &workers[i]) != 0)
			bench_die("pthread_create");
	}
	for (size_t i = 0; i < task.connections; i++) {
		pthread_join(workers[i].thread, NULL);
		free(workers[i].letters);
		free(workers[i].content);
	}
	free(workers);
	bench_task_deinit(&task);
	return 0;
}
