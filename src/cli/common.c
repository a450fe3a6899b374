/* SPDX-License-Identifier: MIT */
/* What the subcommands share. */
#include "cli/cli.h"

#include <arpa/inet.h>
#include <netdb.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sysexits.h>
#include <unistd.h>

#define HOST_NAME_SIZE 256

void cli_complain(const char *fmt, ...)
{
	va_list args;

	fputs("bulkmail: ", stderr);
	va_start(args, fmt);
	vfprintf(stderr, fmt, args);
	va_end(args);
	fputc('\n', stderr);
}

void cli_complain_error(const struct bm_error *err)
{
	cli_complain("%s%s%s", err->id, err->id[0] == '\0' ? "" : ": ", err->text);
}

int cli_no_memory(void)
{
	cli_complain("out of memory");
	return EX_OSERR;
}

int cli_status(enum bm_code code)
{
	switch (code) {
	case BM_OK:
		return EX_OK;
	case BM_E_USAGE:
	case BM_E_UNSUPPORTED:
		return EX_USAGE;
	case BM_E_MISSING:
		return EX_NOINPUT;
	case BM_E_LIST:
	case BM_E_MESSAGE:
	case BM_E_ADDRESS:
		return EX_DATAERR;
	case BM_E_CONF:
		return EX_CONFIG;
	case BM_E_CONNECT:
	case BM_E_REFUSED:
	case BM_E_WORTHLESS:
	case BM_E_NO_SERVER:
	case BM_E_TLS:
	case BM_E_AUTH:
		return EX_UNAVAILABLE;
	case BM_E_TIMEOUT:
	case BM_E_CLOSED:
	case BM_E_PROTOCOL:
	case BM_E_TEMPORARY:
	case BM_E_LIMIT:
	case BM_E_STOPPED:
		return EX_TEMPFAIL;
	case BM_E_NOMEM:
		return EX_OSERR;
	case BM_E_IO:
		return EX_IOERR;
	}
	return EX_SOFTWARE;
}

int cli_help(const char *text)
{
	fputs(text, stdout);
	return fflush(stdout) == 0 ? EX_OK : EX_IOERR;
}

int cli_version(void)
{
	printf("bulkmail %s\n", bm_version());
	return fflush(stdout) == 0 ? EX_OK : EX_IOERR;
}

void cli_show(FILE *file, const char *text, size_t size)
{
	for (size_t i = 0; i < size; i++) {
		unsigned char c = (unsigned char)text[i];
		if (c == '\r' && i + 1 < size && text[i + 1] == '\n')
			continue;
		if (c == '\n' || (c >= 0x20 && c < 0x7f))
			putc(c, file);
		else
			fprintf(file, "\\x%02X", (unsigned)c);
	}
}

void cli_protect_secrets(const struct bm_server *server)
{
	/* neither a core dump nor another process of this user sees our memory */
	const struct bm_server_options *options = bm_server_options(server);
	if (options->user != NULL || options->tls_cert_file != NULL)
		prctl(PR_SET_DUMPABLE, 0);
}

int cli_usage(const char *name)
{
	cli_complain("see 'bulkmail %s --help'", name);
	return EX_USAGE;
}

bool cli_check_server(const char *host, const char *port, struct bm_error *err)
{
	struct bm_server *server = NULL;
	const struct bm_attribute attributes[] = {{"Smtp", host}, {"Port", port}};

	enum bm_code code = bm_server_new_named(&server, attributes, port[0] == '\0' ? 1 : 2, err);
	bm_server_free(server);
	return code == BM_OK;
}

/* The port behind the last colon of what is not an IPv6 address; NULL without one. */
static const char *find_port(const char *text)
{
	const char *bracket = strrchr(text, ']');
	const char *colon = strrchr(text, ':');

	if (bracket != NULL)
		return bracket[1] == ':' ? bracket + 2 : NULL;
	return colon != NULL && strchr(text, ':') == colon ? colon + 1 : NULL;
}

/* A host with colons in it is an IPv6 address, with or without a zone behind "%". */
static bool is_host(const char *host)
{
	char address[64];
	unsigned char octets[16];

	if (strchr(host, ':') == NULL)
		return true;
	snprintf(address, sizeof address, "%.*s", (int)strcspn(host, "%"), host);
	return inet_pton(AF_INET6, address, octets) == 1;
}

/* A Unix socket has a path in place of host and port. */
static bool take_path(const char *text, char *host, size_t host_size)
{
	size_t size = strlen(text);
	bool fits = text[CLI_UNIX_SIZE] == '/' && size < host_size;

	if (fits)
		memcpy(host, text, size + 1);
	return fits;
}

bool cli_split_server(const char *text, char *host, size_t host_size, char port[8])
{
	const char *digits = find_port(text);
	size_t size = digits == NULL ? strlen(text) : (size_t)(digits - text) - 1;

	port[0] = '\0';
	if (strncmp(text, CLI_UNIX, CLI_UNIX_SIZE) == 0)
		return take_path(text, host, host_size);
	if (size >= 2 && text[0] == '[' && text[size - 1] == ']') {
		text++;
		size -= 2;
	}
	if (size == 0 || size >= host_size)
		return false;
	memcpy(host, text, size);
	host[size] = '\0';
	if (!is_host(host))
		return false;
	if (digits == NULL)
		return true;
	if (digits[0] == '\0' || strlen(digits) > 5)
		return false;
	snprintf(port, 8, "%s", digits);
	return true;
}

/* The name that the resolver gives for name, when it is a full one. */
static bool canonical_name(const char *name, char *out, size_t size)
{
	struct addrinfo hints = {.ai_flags = AI_CANONNAME, .ai_socktype = SOCK_STREAM};
	struct addrinfo *found = NULL;

	if (getaddrinfo(name, NULL, &hints, &found) != 0)
		return false;
	bool full = found->ai_canonname != NULL && strchr(found->ai_canonname, '.') != NULL;
	if (full)
		snprintf(out, size, "%s", found->ai_canonname);
	freeaddrinfo(found);
	return full;
}

void cli_full_name(char *out, size_t size)
{
	char name[HOST_NAME_SIZE] = "";

	if (gethostname(name, sizeof name - 1) == 0 && name[0] != '\0') {
		if (strchr(name, '.') != NULL) {
			snprintf(out, size, "%s", name);
			return;
		}
		if (canonical_name(name, out, size))
			return;
	}
	snprintf(out, size, "[127.0.0.1]");
}
