/* SPDX-License-Identifier: MIT */
/* What a sender of the benchmarks is asked to do, and the content of its messages: the same for all that are in C. */
#ifndef BENCH_TASK_H
#define BENCH_TASK_H

#include <stddef.h>

#define BENCH_SENDER "bounce@list.example.com"
/* "user12345678@example.net" and room to spare. */
#define BENCH_ADDRESS_SIZE 64

struct bench_task {
	const char *server; /* ADDRESS:PORT */
	const char *mode;   /* "" when none was given */
	size_t messages;
	size_t connections;
	size_t recipients; /* of each message */
	size_t size;       /* octets of a body, about */
	char *body;        /* CR LF, no line begins with a dot */
};

/*
 * From --server, --messages, --connections, --recipients, --size and --mode; the program ends when they are wrong.
 * The body is freed with bench_task_deinit.
 */
void bench_task_init(struct bench_task *task, int argc, char **argv);
void bench_task_deinit(struct bench_task *task);

/* These write without a NUL and return where they ended. */
char *bench_put(char *at, const char *text);
char *bench_put_number(char *at, size_t number); /* eight digits */
char *bench_put_recipient(char *at, size_t number);

/* The NUL is written. */
void bench_recipient(char address[BENCH_ADDRESS_SIZE], size_t number);

/* No content takes more. */
size_t bench_content_max(const struct bench_task *task);

/* The headers and the body of a message, personalised; without the lone dot. */
char *bench_put_content(char *at, const struct bench_task *task, size_t number);

#endif
