/* SPDX-License-Identifier: MIT */
#include "net.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <time.h>

#define BACKLOG 4096
#define ADDRESS_SIZE 64

void bench_die(const char *what)
{
	fprintf(stderr, "%s%s%s\n", what, errno != 0 ? ": " : "", errno != 0 ? strerror(errno) : "");
	exit(1);
}

uint64_t bench_now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

uint64_t bench_number(const char *text, uint64_t max)
{
	char *end = NULL;

	errno = 0;
	unsigned long long number = strtoull(text, &end, 10);
	if (errno != 0 || end == text || *end != '\0' || *text == '-' || number > max)
		bench_die(text);
	return number;
}

static struct sockaddr_in parse(const char *where)
{
	struct sockaddr_in address = {.sin_family = AF_INET};
	char host[ADDRESS_SIZE];
	const char *colon = strrchr(where, ':');

	if (colon == NULL || (size_t)(colon - where) >= sizeof host)
		bench_die("want ADDRESS:PORT");
	memcpy(host, where, (size_t)(colon - where));
	host[colon - where] = '\0';
	address.sin_port = htons((uint16_t)bench_number(colon + 1, UINT16_MAX));
	if (inet_pton(AF_INET, host, &address.sin_addr) != 1)
		bench_die("want an IPv4 address");
	return address;
}

int bench_listen(const char *where, uint16_t *port)
{
	struct sockaddr_in address = parse(where);
	socklen_t size = sizeof address;
	int on = 1;
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) != 0 ||
		bind(fd, (struct sockaddr *)&address, sizeof address) != 0 || listen(fd, BACKLOG) != 0 ||
		getsockname(fd, (struct sockaddr *)&address, &size) != 0)
		bench_die("cannot listen");
	*port = ntohs(address.sin_port);
	return fd;
}

void bench_set_nodelay(int fd)
{
	int on = 1;

	(void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
}

int bench_connect(const char *where)
{
	struct sockaddr_in address = parse(where);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	if (fd < 0)
		bench_die("cannot make a socket");
	bench_set_nodelay(fd);
	/* A refusal is met again by the first read. */
	(void)connect(fd, (struct sockaddr *)&address, sizeof address);
	return fd;
}

int bench_signal_fd(void)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigprocmask(SIG_BLOCK, &set, NULL);
	int fd = signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
	if (fd < 0)
		bench_die("cannot wait for signals");
	return fd;
}

void bench_end_with_parent(int signal_number)
{
	(void)prctl(PR_SET_PDEATHSIG, (unsigned long)signal_number);
}
