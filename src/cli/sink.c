/* SPDX-License-Identifier: MIT */
/* bulkmail sink: a scriptable SMTP server, see bulkmail-sink(5). */
#include "cli/cli.h"

#include "bulkmail/sink.h"

#include <getopt.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sysexits.h>
#include <unistd.h>

#define PATH_SIZE 4096

struct sink_arguments {
	struct bm_sink_options options;
	char host[256]; /* what was cut out of --listen */
	const char *port_file;
	int status; /* to exit with at once, -1: go on */
};

static const char help[] = "usage: bulkmail sink [OPTION]...\n"
						   "A scriptable SMTP server for tries and tests. See bulkmail-sink(5).\n"
						   "\n"
						   "  --listen HOST:PORT  where to listen (127.0.0.1:2525; port 0: a free one; [::1]:0),\n"
						   "                      or unix:/PATH\n"
						   "  --lmtp              LMTP in place of SMTP\n"
						   "  --script FILE       rules: what to answer, and which faults to play\n"
						   "  --out FILE          one JSON line a transaction is added to FILE; - is standard output\n"
						   "  --content           the record holds the contents, in base64\n"
						   "  --discard           record and check nothing: for benchmarks\n"
						   "  --extensions LIST   EHLO keywords, joined by commas\n"
						   "  --port-file FILE    write the port's number into FILE once it listens\n"
						   "\n"
						   "  --tls-cert FILE     a certificate, PEM: EHLO offers STARTTLS\n"
						   "  --tls-key FILE      its key, when it is not in there too\n"
						   "  --tls-wrapper       TLS comes before the greeting\n"
						   "  --tls-required      without it MAIL and AUTH are refused\n"
						   "  --tls-versions MIN[-MAX]  1.0, 1.1, 1.2, 1.3\n"
						   "  --tls-ciphers LIST  OpenSSL's words; TLS 1.3's begin with TLS_\n"
						   "  --tls-tickets N     so many after a handshake; 0: no session is resumed\n"
						   "  --tls-client-ca FILE  ask for a client's certificate\n"
						   "\n"
						   "  --auth LIST         SASL mechanisms: PLAIN LOGIN CRAM-MD5 SCRAM-SHA-1 SCRAM-SHA-256\n"
						   "                      SCRAM-SHA-256-PLUS XOAUTH2 OAUTHBEARER\n"
						   "  --user NAME         who may log in\n"
						   "  --password-file FILE  first line: the password, or the token\n"
						   "  --auth-required     without it MAIL is refused\n"
						   "\n"
						   "  --help              this text\n";

static int usage(const char *text, const char *value)
{
	fprintf(stderr, "bulkmail sink: %s%s\nTry \"bulkmail sink --help\".\n", text, value);
	return EX_USAGE;
}

static bool is_path(const char *host)
{
	return strncmp(host, "unix:", 5) == 0;
}

/* HOST:PORT, [HOST]:PORT or unix:/PATH. */
static bool parse_listen(struct sink_arguments *arguments, const char *text)
{
	const char *colon = strrchr(text, ':');
	char *end = NULL;

	if (is_path(text)) {
		arguments->options.host = text;
		arguments->options.port = 0;
		return true;
	}
	if (colon == NULL || colon[1] < '0' || colon[1] > '9')
		return false;
	unsigned long port = strtoul(colon + 1, &end, 10);
	size_t size = (size_t)(colon - text);
	if (*end != '\0' || port > 65535)
		return false;
	if (size >= 2 && text[0] == '[' && text[size - 1] == ']') {
		text++;
		size -= 2;
	} else if (memchr(text, ':', size) != NULL) {
		return false;
	}
	if (size == 0 || size >= sizeof arguments->host)
		return false;
	memcpy(arguments->host, text, size);
	arguments->host[size] = '\0';
	arguments->options.host = arguments->host;
	arguments->options.port = (uint16_t)port;
	return true;
}

static bool parse_count(int *count, const char *text)
{
	char *end = NULL;
	unsigned long value = strtoul(text, &end, 10);

	if (text[0] < '0' || text[0] > '9' || *end != '\0' || value > 1000000)
		return false;
	*count = (int)value;
	return true;
}

static void apply_option(struct sink_arguments *arguments, int option, const char *value)
{
	switch (option) {
	case 'l':
		if (!parse_listen(arguments, value))
			arguments->status = usage("--listen wants HOST:PORT, not ", value);
		break;
	case 's':
		arguments->options.script = value;
		break;
	case 'o':
		arguments->options.out = value;
		break;
	case 'c':
		arguments->options.content = true;
		break;
	case 'd':
		arguments->options.discard = true;
		break;
	case 'e':
		arguments->options.extensions = value;
		break;
	case 'p':
		arguments->port_file = value;
		break;
	case 'C':
		arguments->options.tls_cert = value;
		break;
	case 'K':
		arguments->options.tls_key = value;
		break;
	case 'W':
		arguments->options.tls_wrapper = true;
		break;
	case 'R':
		arguments->options.tls_required = true;
		break;
	case 'V':
		arguments->options.tls_versions = value;
		break;
	case 'X':
		arguments->options.tls_ciphers = value;
		break;
	case 'T':
		if (!parse_count(&arguments->options.tls_tickets, value))
			arguments->status = usage("--tls-tickets wants a number, not ", value);
		break;
	case 'A':
		arguments->options.tls_client_ca = value;
		break;
	case 'L':
		arguments->options.lmtp = true;
		break;
	case 'M':
		arguments->options.auth = value;
		break;
	case 'U':
		arguments->options.user = value;
		break;
	case 'P':
		arguments->options.password_file = value;
		break;
	case 'Q':
		arguments->options.auth_required = true;
		break;
	case 'h':
		fputs(help, stdout);
		arguments->status = EX_OK;
		break;
	case 'v':
		arguments->status = cli_version();
		break;
	default:
		arguments->status = usage("wrong option", "");
	}
}

static void parse_arguments(struct sink_arguments *arguments, int argc, char **argv)
{
	static const struct option options[] = {
		{"listen", required_argument, NULL, 'l'},
		{"script", required_argument, NULL, 's'},
		{"out", required_argument, NULL, 'o'},
		{"content", no_argument, NULL, 'c'},
		{"discard", no_argument, NULL, 'd'},
		{"extensions", required_argument, NULL, 'e'},
		{"port-file", required_argument, NULL, 'p'},
		{"lmtp", no_argument, NULL, 'L'},
		{"tls-cert", required_argument, NULL, 'C'},
		{"auth", required_argument, NULL, 'M'},
		{"user", required_argument, NULL, 'U'},
		{"password-file", required_argument, NULL, 'P'},
		{"auth-required", no_argument, NULL, 'Q'},
		{"tls-key", required_argument, NULL, 'K'},
		{"tls-wrapper", no_argument, NULL, 'W'},
		{"tls-required", no_argument, NULL, 'R'},
		{"tls-versions", required_argument, NULL, 'V'},
		{"tls-ciphers", required_argument, NULL, 'X'},
		{"tls-tickets", required_argument, NULL, 'T'},
		{"tls-client-ca", required_argument, NULL, 'A'},
		{"help", no_argument, NULL, 'h'},
		{"version", no_argument, NULL, 'v'},
		{NULL, 0, NULL, 0},
	};
	struct bm_sink_options defaults = BM_SINK_OPTIONS_INIT;

	arguments->options = defaults;
	arguments->options.port = 2525;
	arguments->port_file = NULL;
	arguments->status = -1;
	while (arguments->status < 0) {
		int option = getopt_long(argc, argv, "", options, NULL);
		if (option < 0)
			break;
		apply_option(arguments, option, optarg);
	}
	if (arguments->status < 0 && optind < argc)
		arguments->status = usage("unexpected argument: ", argv[optind]);
}

static int status_of(enum bm_code code)
{
	switch (code) {
	case BM_OK:
		return EX_OK;
	case BM_E_USAGE:
		return EX_USAGE;
	case BM_E_MISSING:
		return EX_NOINPUT;
	case BM_E_CONNECT:
		return EX_UNAVAILABLE;
	case BM_E_CONF:
		return EX_CONFIG;
	case BM_E_STOPPED:
		return EX_TEMPFAIL;
	case BM_E_IO:
		return EX_IOERR;
	case BM_E_NOMEM:
	case BM_E_LIST:
	case BM_E_MESSAGE:
	case BM_E_ADDRESS:
	case BM_E_UNSUPPORTED:
	case BM_E_TIMEOUT:
	case BM_E_CLOSED:
	case BM_E_PROTOCOL:
	case BM_E_TEMPORARY:
	case BM_E_REFUSED:
	case BM_E_WORTHLESS:
	case BM_E_NO_SERVER:
	case BM_E_LIMIT:
	case BM_E_TLS:
	case BM_E_AUTH:
		break;
	}
	return EX_OSERR;
}

static int complain(enum bm_code code, const struct bm_error *err)
{
	fprintf(stderr, "bulkmail sink: %s\n", err->text);
	return status_of(code);
}

/* Whoever waits for the file finds it complete. */
static bool write_port(const char *path, const char *text)
{
	char draft[PATH_SIZE];
	int length = snprintf(draft, sizeof draft, "%s.%ld", path, (long)getpid());

	if (length < 0 || (size_t)length >= sizeof draft)
		return false;
	FILE *file = fopen(draft, "w");
	if (file == NULL)
		return false;
	bool written = fprintf(file, "%s\n", text) > 0;
	written = fclose(file) == 0 && written;
	return written && rename(draft, path) == 0;
}

static bool announce(const struct sink_arguments *arguments, const struct bm_sink *sink)
{
	const char *host = arguments->options.host;
	bool path = is_path(host);
	bool bracketed = strchr(host, ':') != NULL;
	char port[8];

	snprintf(port, sizeof port, "%u", (unsigned)bm_sink_port(sink));
	if (arguments->port_file != NULL && !write_port(arguments->port_file, path ? strchr(host, ':') + 1 : port)) {
		perror(arguments->port_file);
		return false;
	}
	if (path)
		fprintf(stderr, "listening on %s\n", host);
	else
		fprintf(stderr, "listening on %s%s%s:%s\n", bracketed ? "[" : "", host, bracketed ? "]" : "", port);
	fflush(stderr);
	return true;
}

static void signals_fill(sigset_t *signals)
{
	sigemptyset(signals);
	sigaddset(signals, SIGINT);
	sigaddset(signals, SIGTERM);
}

/* A thread that waits for the signals needs no global variable. */
static void *await_signal(void *sink)
{
	sigset_t signals;
	int number = 0;

	signals_fill(&signals);
	sigwait(&signals, &number);
	bm_sink_stop(sink);
	return NULL;
}

static void raise_descriptor_limit(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
		return;
	limit.rlim_cur = limit.rlim_max;
	(void)setrlimit(RLIMIT_NOFILE, &limit);
}

static void print_counters(const struct bm_sink *sink)
{
	struct bm_sink_counters counters = bm_sink_counters(sink);

	fprintf(stderr, "connections=%llu transactions=%llu recipients=%llu bytes=%llu violations=%llu\n",
		(unsigned long long)counters.connections, (unsigned long long)counters.transactions,
		(unsigned long long)counters.recipients, (unsigned long long)counters.bytes,
		(unsigned long long)counters.violations);
}

static int serve(struct bm_sink *sink)
{
	struct bm_error err = BM_ERROR_INIT;
	pthread_t waiter;

	if (pthread_create(&waiter, NULL, await_signal, sink) != 0)
		return EX_OSERR;
	enum bm_code code = bm_sink_run(sink, &err);
	/* A killed server has no last words. */
	if (code == BM_E_STOPPED)
		_exit(status_of(code));
	/* Where it waits no more this is lost. */
	(void)pthread_kill(waiter, SIGINT);
	pthread_join(waiter, NULL);
	print_counters(sink);
	return code == BM_OK ? EX_OK : complain(code, &err);
}

int cli_sink(int argc, char **argv)
{
	struct sink_arguments arguments;
	struct bm_error err = BM_ERROR_INIT;
	struct bm_sink *sink = NULL;
	sigset_t signals;

	parse_arguments(&arguments, argc, argv);
	if (arguments.status >= 0)
		return arguments.status;
	signals_fill(&signals);
	sigaddset(&signals, SIGPIPE);
	pthread_sigmask(SIG_BLOCK, &signals, NULL);
	raise_descriptor_limit();
	enum bm_code code = bm_sink_new(&sink, &arguments.options, &err);
	if (code != BM_OK)
		return complain(code, &err);
	int status = announce(&arguments, sink) ? serve(sink) : EX_CANTCREAT;
	bm_sink_free(sink);
	return status;
}
