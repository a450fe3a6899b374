/* SPDX-License-Identifier: MIT */
#include "fake_dns.h"

#include "../unit.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

#define HEADER_SIZE 12
#define UDP_MAX 512
#define MESSAGE_MAX 65535
#define TYPE_A 1
#define TYPE_CNAME 5
#define TYPE_AAAA 28

struct writer {
	unsigned char *data;
	size_t size;
	unsigned records;
};

static void put(struct writer *out, const void *data, size_t size)
{
	memcpy(out->data + out->size, data, size);
	out->size += size;
}

static void put_u16(struct writer *out, unsigned value)
{
	unsigned char octets[] = {(unsigned char)(value >> 8), (unsigned char)value};
	put(out, octets, 2);
}

/* The question's name, dotted; what is behind it. */
static size_t read_name(const unsigned char *query, size_t size, char *name)
{
	size_t at = HEADER_SIZE;
	size_t length = 0;
	while (at < size && query[at] != 0 && at + 1 + query[at] < size) {
		memcpy(name + length, query + at + 1, query[at]);
		length += query[at];
		name[length++] = '.';
		at += 1u + query[at];
	}
	name[length > 0 ? length - 1 : 0] = '\0';
	return at + 1;
}

/* A record about the name that the question holds, by a pointer to it. */
static void begin_record(struct writer *out, unsigned type, size_t size)
{
	put_u16(out, 0xc000 | HEADER_SIZE);
	put_u16(out, type);
	put_u16(out, 1);
	put_u16(out, 0);
	put_u16(out, 1);
	put_u16(out, (unsigned)size);
	out->records++;
}

static void put_alias(struct writer *out, const char *alias)
{
	begin_record(out, TYPE_CNAME, strlen(alias) + 2);
	for (const char *label = alias; *label != '\0';) {
		size_t size = strcspn(label, ".");
		unsigned char length = (unsigned char)size;
		put(out, &length, 1);
		put(out, label, size);
		label += size + (label[size] == '.' ? 1 : 0);
	}
	put(out, "", 1);
}

static void put_address(struct writer *out, const struct dns_name *name, unsigned type, const void *octets)
{
	size_t size = type == TYPE_A ? 4 : 16;
	if (name->alias == NULL) {
		begin_record(out, type, size);
		put(out, octets, size);
		return;
	}
	/* about the alias: its name again, uncompressed */
	struct writer whole = {out->data, out->size, 0};
	for (const char *label = name->alias; *label != '\0';) {
		size_t part = strcspn(label, ".");
		unsigned char length = (unsigned char)part;
		put(&whole, &length, 1);
		put(&whole, label, part);
		label += part + (label[part] == '.' ? 1 : 0);
	}
	put(&whole, "", 1);
	put_u16(&whole, type);
	put_u16(&whole, 1);
	put_u16(&whole, 0);
	put_u16(&whole, 1);
	put_u16(&whole, (unsigned)size);
	put(&whole, octets, size);
	out->size = whole.size;
	out->records++;
}

static void put_addresses(struct writer *out, const struct dns_name *name, unsigned type)
{
	const char *const *literals = type == TYPE_A ? name->a : name->aaaa;
	for (size_t i = 0; type == TYPE_A && i < name->many; i++) {
		unsigned char octets[] = {127, 1, (unsigned char)(i / 256), (unsigned char)(i % 256)};
		put_address(out, name, type, octets);
	}
	for (size_t i = 0; i < 8 && literals[i] != NULL && name->many == 0; i++) {
		unsigned char octets[16];
		if (inet_pton(type == TYPE_A ? AF_INET : AF_INET6, literals[i], octets) == 1)
			put_address(out, name, type, octets);
	}
}

static const struct dns_name *find(const struct fake_dns *dns, const char *name)
{
	for (size_t i = 0; i < dns->count; i++) {
		if (strcasecmp(dns->names[i].name, name) == 0)
			return &dns->names[i];
	}
	return NULL;
}

/* 0: no answer. */
static size_t answer(const struct fake_dns *dns, const unsigned char *query, size_t size, unsigned char *out)
{
	char text[256] = "";
	struct writer writer = {.data = out};
	if (size < HEADER_SIZE + 5)
		return 0;
	size_t end = read_name(query, size, text);
	unsigned type = (unsigned)query[end] * 256 + query[end + 1];
	const struct dns_name *name = find(dns, text);
	enum dns_kind kind = name == NULL ? DNS_NXDOMAIN : name->kind;
	if (kind == DNS_SILENT)
		return 0;
	put(&writer, query, end + 4);
	if (kind == DNS_ANSWER && name->alias != NULL)
		put_alias(&writer, name->alias);
	if (kind == DNS_ANSWER && (type == TYPE_A || type == TYPE_AAAA))
		put_addresses(&writer, name, type);
	out[2] = 0x85;
	out[3] = (unsigned char)(0x80 | (kind == DNS_SERVFAIL ? 2 : kind == DNS_NXDOMAIN ? 3 : 0));
	memset(out + 4, 0, 8);
	out[5] = 1;
	out[6] = (unsigned char)(writer.records / 256);
	out[7] = (unsigned char)(writer.records % 256);
	return writer.size;
}

static void serve_udp(const struct fake_dns *dns)
{
	static const size_t question_only = 4;
	unsigned char query[UDP_MAX];
	unsigned char out[MESSAGE_MAX];
	struct sockaddr_in from;
	socklen_t from_size = sizeof from;
	ssize_t got = recvfrom(dns->udp, query, sizeof query, 0, (struct sockaddr *)&from, &from_size);
	size_t size = got > 0 ? answer(dns, query, (size_t)got, out) : 0;
	if (size == 0)
		return;
	if (size > UDP_MAX) {
		char text[256];
		out[2] |= 0x02; /* cut: come by TCP */
		out[6] = out[7] = 0;
		size = read_name(query, (size_t)got, text) + question_only;
	}
	(void)sendto(dns->udp, out, size, MSG_NOSIGNAL, (struct sockaddr *)&from, from_size);
}

static void serve_tcp(const struct fake_dns *dns)
{
	unsigned char query[UDP_MAX];
	unsigned char out[MESSAGE_MAX + 2];
	int fd = accept(dns->tcp, NULL, NULL);
	if (fd < 0)
		return;
	if (recv(fd, query, 2, MSG_WAITALL) == 2) {
		size_t size = (size_t)query[0] * 256 + query[1];
		if (size <= sizeof query && recv(fd, query, size, MSG_WAITALL) == (ssize_t)size) {
			size = answer(dns, query, size, out + 2);
			out[0] = (unsigned char)(size / 256);
			out[1] = (unsigned char)(size % 256);
			(void)send(fd, out, size + 2, MSG_NOSIGNAL);
		}
	}
	close(fd);
}

static void *serve(void *arg)
{
	const struct fake_dns *dns = arg;
	for (;;) {
		struct pollfd polled[] = {{.fd = dns->udp, .events = POLLIN}, {.fd = dns->tcp, .events = POLLIN},
			{.fd = dns->stop[0], .events = POLLIN}};
		(void)poll(polled, 3, -1);
		if (polled[2].revents != 0)
			return NULL;
		if (polled[0].revents != 0)
			serve_udp(dns);
		if (polled[1].revents != 0)
			serve_tcp(dns);
	}
}

/* Both on one port: another is tried where TCP has it not. */
static bool bind_both(struct fake_dns *dns)
{
	struct sockaddr_in place = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t size = sizeof place;
	dns->udp = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	dns->tcp = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_true(dns->udp >= 0 && dns->tcp >= 0);
	assert_int_equal(bind(dns->udp, (struct sockaddr *)&place, size), 0);
	assert_int_equal(getsockname(dns->udp, (struct sockaddr *)&place, &size), 0);
	if (bind(dns->tcp, (struct sockaddr *)&place, size) == 0) {
		assert_int_equal(listen(dns->tcp, 8), 0);
		snprintf(dns->place, sizeof dns->place, "127.0.0.1:%u", (unsigned)ntohs(place.sin_port));
		return true;
	}
	close(dns->udp);
	close(dns->tcp);
	return false;
}

void fake_dns_start(struct fake_dns *dns, const struct dns_name *names, size_t count)
{
	*dns = (struct fake_dns){.names = names, .count = count};
	while (!bind_both(dns))
		continue;
	assert_int_equal(pipe(dns->stop), 0);
	assert_int_equal(pthread_create(&dns->thread, NULL, serve, dns), 0);
}

void fake_dns_finish(struct fake_dns *dns)
{
	close(dns->stop[1]);
	assert_int_equal(pthread_join(dns->thread, NULL), 0);
	close(dns->stop[0]);
	close(dns->udp);
	close(dns->tcp);
}
