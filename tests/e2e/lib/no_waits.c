/* SPDX-License-Identifier: MIT */
/* Preloaded into a mail server: what it writes need not survive the machine, and no name server answers. */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

int fsync(int fd)
{
	(void)fd;
	return 0;
}

int fdatasync(int fd)
{
	(void)fd;
	return 0;
}

void sync(void)
{
}

int connect(int fd, const struct sockaddr *address, socklen_t size)
{
	const struct sockaddr_in *internet = (const struct sockaddr_in *)address;

	if (address->sa_family == AF_INET && ntohs(internet->sin_port) == 53) {
		errno = ECONNREFUSED;
		return -1;
	}
	return (int)syscall(SYS_connect, fd, address, size);
}
