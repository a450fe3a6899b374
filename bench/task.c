/* SPDX-License-Identifier: MIT */
#include "task.h"

#include "net.h"

#include <getopt.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define DIGITS 8
#define HEADERS_MAX 1024
#define LINE "the quick brown fox jumps over the lazy dog, and the dog does not mind it\r\n"
#define COUNT_MAX UINT32_MAX

static void make_body(struct bench_task *task)
{
	size_t line = sizeof LINE - 1;
	size_t lines = task->size / line + 1;

	task->size = lines * line;
	task->body = malloc(task->size);
	if (task->body == NULL)
		bench_die("no memory");
	for (size_t i = 0; i < lines; i++)
		memcpy(task->body + i * line, LINE, line);
}

void bench_task_init(struct bench_task *task, int argc, char **argv)
{
	static const struct option options[] = {
		{"server", required_argument, NULL, 'v'},
		{"messages", required_argument, NULL, 'n'},
		{"connections", required_argument, NULL, 'c'},
		{"recipients", required_argument, NULL, 'r'},
		{"size", required_argument, NULL, 's'},
		{"mode", required_argument, NULL, 'm'},
		{0},
	};

	*task = (struct bench_task){.mode = "", .messages = 1, .connections = 1, .recipients = 1, .size = 2048};
	for (int c; (c = getopt_long(argc, argv, "", options, NULL)) != -1;) {
		if (c == 'v')
			task->server = optarg;
		else if (c == 'n')
			task->messages = bench_number(optarg, COUNT_MAX);
		else if (c == 'c')
			task->connections = bench_number(optarg, COUNT_MAX);
		else if (c == 'r')
			task->recipients = bench_number(optarg, COUNT_MAX);
		else if (c == 's')
			task->size = bench_number(optarg, COUNT_MAX);
		else if (c == 'm')
			task->mode = optarg;
		else
			exit(64);
	}
	if (task->server == NULL || task->connections == 0)
		bench_die("want --server ADDRESS:PORT and a connection");
	if (task->connections > task->messages)
		task->connections = task->messages;
	make_body(task);
}

void bench_task_deinit(struct bench_task *task)
{
	free(task->body);
}

char *bench_put(char *at, const char *text)
{
	size_t size = strlen(text);

	memcpy(at, text, size);
	return at + size;
}

char *bench_put_number(char *at, size_t number)
{
	for (size_t i = DIGITS; i-- > 0; number /= 10)
		at[i] = (char)('0' + number % 10);
	return at + DIGITS;
}

char *bench_put_recipient(char *at, size_t number)
{
	at = bench_put(at, "user");
	at = bench_put_number(at, number);
	return bench_put(at, "@example.net");
}

void bench_recipient(char address[BENCH_ADDRESS_SIZE], size_t number)
{
	*bench_put_recipient(address, number) = '\0';
}

size_t bench_content_max(const struct bench_task *task)
{
	return HEADERS_MAX + task->size;
}

char *bench_put_content(char *at, const struct bench_task *task, size_t number)
{
	at = bench_put(at, "From: List <list@example.com>\r\nTo: <");
	at = bench_put_recipient(at, number);
	at = bench_put(at, ">\r\nSubject: News for reader ");
	at = bench_put_number(at, number);
	at = bench_put(at, "\r\nDate: Sun, 01 Mar 2026 00:00:00 +0000\r\nMessage-ID: <");
	at = bench_put_number(at, number);
	at = bench_put(at, ".bench@list.example.com>\r\nMIME-Version: 1.0\r\n"
					   "Content-Type: text/plain; charset=us-ascii\r\n\r\nDear reader ");
	at = bench_put_number(at, number);
	at = bench_put(at, ",\r\n");
	memcpy(at, task->body, task->size);
	return at + task->size;
}
