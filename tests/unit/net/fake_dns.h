/* SPDX-License-Identifier: MIT */
/* A name server on 127.0.0.1 (UDP, and TCP for what is too large) that a test fills with names. */
#ifndef BM_TESTS_NET_FAKE_DNS_H
#define BM_TESTS_NET_FAKE_DNS_H

#include <pthread.h>
#include <stddef.h>
#include <stdint.h>

enum dns_kind { DNS_ANSWER, DNS_SERVFAIL, DNS_NXDOMAIN, DNS_SILENT };

struct dns_name {
	const char *name;
	enum dns_kind kind;
	const char *alias;   /* a CNAME before the addresses; NULL: none */
	const char *a[8];    /* IPv4 literals */
	const char *aaaa[8]; /* IPv6 literals */
	size_t many;         /* so many of 127.1.0.0/16 instead of a */
};

struct fake_dns {
	int udp;
	int tcp;
	int stop[2]; /* a pipe */
	pthread_t thread;
	const struct dns_name *names;
	size_t count;
	char place[32]; /* "127.0.0.1:port" */
};

void fake_dns_start(struct fake_dns *dns, const struct dns_name *names, size_t count);
void fake_dns_finish(struct fake_dns *dns);

#endif
