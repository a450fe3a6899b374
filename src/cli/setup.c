/* SPDX-License-Identifier: MIT */
#include "cli/setup.h"

#include "cli/cli.h"
#include "cli/files.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sysexits.h>
#include <time.h>
#include <unistd.h>

#define CONTENT_SIZE_MAX ((size_t)256 * 1024 * 1024)
#define HOST_SIZE 300
#define PATH_SIZE 4096
#define HEADER_MAX 64

static const char defaults_path[] = "/etc/bulkmail.conf";

static void warn(void *user, const char *text)
{
	(void)user;
	cli_complain("warning: %s", text);
}

static int fail(const struct bm_error *err)
{
	cli_complain_error(err);
	return cli_status(err->code);
}

static const char *text_of(const struct setup *setup, const char *name)
{
	return bm_conf_text(setup->conf, BM_PACKAGE_CAMPAIGN, name);
}

static bool flag_of(const struct setup *setup, const char *name, bool initial)
{
	const char *text = text_of(setup, name);
	return text == NULL ? initial : strcmp(text, "1") == 0;
}

/* The conf reader has checked that it is a number within its bounds. */
static uint64_t number_of(const struct setup *setup, const char *name, uint64_t initial)
{
	const char *text = text_of(setup, name);
	return text == NULL ? initial : strtoull(text, NULL, 10);
}

/* Trusting is 0, 1, or names: the last number is the default for all that is not named. */
static bool is_trusted(const struct setup *setup, const char *what)
{
	size_t count = bm_conf_count(setup->conf, BM_PACKAGE_CAMPAIGN, "Trusting");
	bool trusted = false;

	for (size_t i = 0; i < count; i++) {
		const char *text = bm_conf_get(setup->conf, BM_PACKAGE_CAMPAIGN, "Trusting", i)->text;
		if (text == NULL)
			continue;
		if (strcmp(text, what) == 0 || strcmp(text, "1") == 0)
			trusted = true;
		else if (strcmp(text, "0") == 0)
			trusted = false;
	}
	return trusted;
}

/* Without --conf and --server the user's own file and the machine's are read, where they are. */
static enum bm_code read_default_files(struct bm_conf *conf, struct bm_error *err)
{
	char path[PATH_SIZE];
	const char *base = getenv("XDG_CONFIG_HOME");
	const char *home = getenv("HOME");
	enum bm_code code = BM_OK;

	if (base != NULL && base[0] == '/')
		snprintf(path, sizeof path, "%s/bulkmail/bulkmail.conf", base);
	else
		snprintf(path, sizeof path, "%s/.config/bulkmail/bulkmail.conf", home == NULL ? "" : home);
	code = bm_conf_read(conf, path, false, err);
	return code == BM_OK ? bm_conf_read(conf, defaults_path, false, err) : code;
}

static enum bm_code read_conf(struct setup *setup, const struct send_options *options, struct bm_error *err)
{
	struct bm_conf_options conf = BM_CONF_OPTIONS_INIT;

	conf.euid = (uint32_t)geteuid();
	conf.warn = warn;
	enum bm_code code = bm_conf_new(&setup->conf, &conf, err);
	for (size_t i = 0; code == BM_OK && i < options->conf_count; i++)
		code = bm_conf_read(setup->conf, options->conf_files[i], true, err);
	if (code == BM_OK && options->conf_count == 0 && options->server_count == 0)
		code = read_default_files(setup->conf, err);
	for (size_t i = 0; code == BM_OK && i < options->setting_count; i++) {
		const struct setting *setting = &options->settings[i];
		code = bm_conf_set(setup->conf, NULL, setting->name, setting->value, setting->where, err);
	}
	return code;
}

/* A server that is given on the command line alone: what the conf leaves open is filled in. */
struct given_server {
	char host[HOST_SIZE];
	char port[8];
	struct bm_attribute attributes[4];
	struct bm_attribute_set set;
};

static int fill_server(struct given_server *server, const struct setup *setup, const char *text, const char *domain)
{
	struct bm_error err = BM_ERROR_INIT;
	size_t count = 0;

	if (!cli_split_server(text, server->host, sizeof server->host, server->port)) {
		cli_complain("--server: found \"%s\", expected " CLI_SERVER_FORMS, text);
		return EX_USAGE;
	}
	if (!cli_check_server(server->host, server->port, &err)) {
		cli_complain_error(&err);
		return err.code == BM_E_NOMEM ? EX_OSERR : EX_USAGE;
	}
	server->attributes[count++] = (struct bm_attribute){"Smtp", server->host};
	if (server->port[0] != '\0')
		server->attributes[count++] = (struct bm_attribute){"Port", server->port};
	if (bm_conf_text(setup->conf, BM_PACKAGE_SERVER, "Domain") == NULL)
		server->attributes[count++] = (struct bm_attribute){"Domain", domain};
	if (bm_conf_text(setup->conf, BM_PACKAGE_SERVER, "Tries") == NULL)
		server->attributes[count++] = (struct bm_attribute){"Tries", "3"};
	server->set = (struct bm_attribute_set){server->attributes, count};
	return 0;
}

static const char *class_of(const struct setup *setup)
{
	const char *name = text_of(setup, "server_class");
	return name != NULL && strstr(name, "DummyServer") != NULL ? BM_PACKAGE_DUMMY : BM_PACKAGE_SERVER;
}

/* A dummy connects to nothing: a relay named beside it would get nothing, without a word. */
static int check_class(const struct setup *setup, const struct send_options *options)
{
	if (options->server_count == 0 || strcmp(class_of(setup), BM_PACKAGE_DUMMY) != 0)
		return 0;
	cli_complain("--server and server_class = DummyServer exclude each other: a DummyServer connects to nothing");
	return EX_USAGE;
}

static int create_servers(struct setup *setup, const struct bm_attribute_set *sets, size_t count)
{
	struct bm_error err = BM_ERROR_INIT;

	if (bm_servers_create(&setup->servers, setup->conf, class_of(setup), NULL, sets, count, &err) != BM_OK)
		return fail(&err);
	for (size_t i = 0; i < bm_servers_count(setup->servers); i++)
		cli_protect_secrets(bm_servers_at(setup->servers, i));
	return 0;
}

static int fill_servers(
	struct setup *setup, const struct send_options *options, struct given_server *given, struct bm_attribute_set *sets)
{
	char domain[HOST_SIZE] = "";
	int status = 0;

	if (options->server_count > 0)
		cli_full_name(domain, sizeof domain);
	for (size_t i = 0; status == 0 && i < options->server_count; i++) {
		status = fill_server(&given[i], setup, options->servers[i], domain);
		sets[i] = given[i].set;
	}
	return status == 0 ? create_servers(setup, sets, options->server_count) : status;
}

static int make_servers(struct setup *setup, const struct send_options *options)
{
	struct given_server *given = calloc(options->server_count + 1, sizeof *given);
	struct bm_attribute_set *sets = calloc(options->server_count + 1, sizeof *sets);
	bool whole = given != NULL && sets != NULL;
	int status = whole ? fill_servers(setup, options, given, sets) : cli_no_memory();

	free(given);
	free(sets);
	return status;
}

static enum bm_list_format list_format(const struct setup *setup)
{
	static const char *const names[] = {"auto", "plain", "csv", "tsv", "jsonl"};
	const char *text = text_of(setup, "list_format");

	for (int i = BM_LIST_BY_NAME; text != NULL && i <= BM_LIST_JSON_LINES; i++) {
		if (strcmp(text, names[i]) == 0)
			return (enum bm_list_format)i;
	}
	return BM_LIST_BY_NAME;
}

/* The line of a plain list serves as a column. */
static void name_only_column(struct setup *setup)
{
	static const char *const plain[] = {"email"};

	if (setup->columns != NULL)
		return;
	setup->columns = plain;
	setup->column_count = 1;
}

static int open_list(struct setup *setup, const struct send_options *options)
{
	struct bm_recipients_options list = BM_RECIPIENTS_OPTIONS_INIT;
	struct bm_error err = BM_ERROR_INIT;
	const char *path = options->list != NULL ? options->list : text_of(setup, "LIST");

	if (path == NULL) {
		cli_complain("no list: give one by --list FILE (- is standard input) or LIST in a conf file");
		return EX_USAGE;
	}
	list.format = list_format(setup);
	enum bm_code code = bm_recipients_open_as(&setup->list, path, &list, &err);
	if (code == BM_OK)
		code = bm_recipients_columns(setup->list, &setup->columns, &setup->column_count, &err);
	if (code == BM_OK) {
		name_only_column(setup);
		return 0;
	}
	cli_complain_error(&err);
	/* sysexits.h: missing or not readable */
	return err.code == BM_E_IO ? EX_NOINPUT : cli_status(err.code);
}

static int read_all(FILE *file, const char *path, char **out, size_t *size)
{
	size_t capacity = 65536;
	char *content = malloc(capacity);

	*size = 0;
	while (content != NULL) {
		*size += fread(content + *size, 1, capacity - *size, file);
		if (*size < capacity)
			break;
		if (capacity >= CONTENT_SIZE_MAX) {
			cli_complain("%s: larger than %zu octets", path, CONTENT_SIZE_MAX);
			free(content);
			return EX_DATAERR;
		}
		capacity *= 2;
		char *more = realloc(content, capacity);
		if (more == NULL)
			free(content);
		content = more;
	}
	if (content == NULL)
		return cli_no_memory();
	if (ferror(file)) {
		cli_complain("MB021: cannot read the message %s: %s", path, strerror(errno));
		free(content);
		return EX_NOINPUT;
	}
	*out = content;
	return 0;
}

static int read_file(const char *path, char **out, size_t *size)
{
	FILE *file = strcmp(path, "-") == 0 ? stdin : fopen(path, "re");
	if (file == NULL) {
		cli_complain("MB020: cannot open the message %s: %s", path, strerror(errno));
		return EX_NOINPUT;
	}
	int status = read_all(file, path, out, size);
	if (file != stdin && fclose(file) != 0 && status == 0) {
		cli_complain("MB021: cannot close the message %s: %s", path, strerror(errno));
		free(*out);
		*out = NULL;
		status = EX_IOERR;
	}
	return status;
}

/* The text of the conf attribute Message, or of the file that it names. */
static int read_conf_message(const struct setup *setup, char **out, size_t *size)
{
	const char *text = text_of(setup, "Message");

	if (text == NULL) {
		cli_complain("MB016: no message: give one by --message FILE.eml, --body FILE or Message in a conf file");
		return EX_USAGE;
	}
	if (flag_of(setup, "message_from_file", false))
		return read_file(text, out, size);
	*out = strdup(text);
	*size = strlen(text);
	return *out == NULL ? cli_no_memory() : 0;
}

static int read_content(
	const struct setup *setup, const struct send_options *options, struct bm_message_options *message, char **content)
{
	size_t size = 0;
	int status = 0;

	message->form = flag_of(setup, "headers_from_message", false) ? BM_MESSAGE_HEADERS : BM_MESSAGE_BODY;
	if (options->message != NULL)
		message->form = BM_MESSAGE_FILE;
	const char *path = options->message != NULL ? options->message : options->body;
	status = path != NULL ? read_file(path, content, &size) : read_conf_message(setup, content, &size);
	message->content = *content;
	message->content_size = size;
	return status;
}

static void fill_message(const struct setup *setup, struct bm_message_options *message)
{
	time_t now = time(NULL);
	struct tm local;

	message->from = text_of(setup, "From");
	message->to = text_of(setup, "To");
	message->sender = text_of(setup, "Sender");
	message->reply_to = text_of(setup, "ReplyTo");
	message->subject = text_of(setup, "Subject");
	message->precedence = text_of(setup, "Precedence");
	message->html = flag_of(setup, "HTML", false);
	message->use_envelope = flag_of(setup, "use_envelope", true);
	message->force80 = flag_of(setup, "force80", false);
	message->trust_wrapping = is_trusted(setup, "wrapping");
	message->trust_email = is_trusted(setup, "email");
	message->trust_precedence = is_trusted(setup, "precedence");
	message->merge = flag_of(setup, "merge", true);
	message->columns = setup->columns;
	message->column_count = setup->column_count;
	message->date = (uint64_t)now;
	localtime_r(&now, &local);
	message->utc_offset = (int)(local.tm_gmtoff / 60);
}

static int make_message(struct setup *setup, const struct send_options *options)
{
	struct bm_message_options message = BM_MESSAGE_OPTIONS_INIT;
	struct bm_error err = BM_ERROR_INIT;
	char *content = NULL;

	fill_message(setup, &message);
	if (getrandom(message.message_id_seed, sizeof message.message_id_seed, 0) < 0) {
		cli_complain("no random numbers: %s", strerror(errno));
		return EX_OSERR;
	}
	int status = read_content(setup, options, &message, &content);
	if (status == 0 && bm_message_new(&setup->message, &message, &err) != BM_OK) {
		cli_complain_error(&err);
		status = err.code == BM_E_NOMEM ? EX_OSERR : EX_DATAERR;
	}
	free(content);
	return status;
}

static enum bm_code open_log(const struct setup *setup, struct bm_log **log, const char *name, struct bm_error *err)
{
	const char *path = text_of(setup, name);
	return path == NULL ? BM_OK : bm_log_open(log, path, err);
}

static int open_logs(struct setup *setup)
{
	struct bm_error err = BM_ERROR_INIT;

	enum bm_code code = open_log(setup, &setup->good, "GOOD", &err);
	if (code == BM_OK)
		code = open_log(setup, &setup->bad, "BAD", &err);
	if (code == BM_OK)
		code = open_log(setup, &setup->errfile, "ERRFILE", &err);
	return code == BM_OK ? 0 : fail(&err);
}

static void fill_campaign(struct setup *setup)
{
	struct bm_campaign_options campaign = BM_CAMPAIGN_OPTIONS_INIT;

	campaign.use_envelope = flag_of(setup, "use_envelope", true);
	campaign.trust_email = is_trusted(setup, "email");
	campaign.trust_duplicates = is_trusted(setup, "duplicates");
	campaign.trust_banned = is_trusted(setup, "banned");
	campaign.banned = text_of(setup, "banned");
	campaign.good = setup->good;
	campaign.bad = setup->bad;
	campaign.errfile = setup->errfile;
	campaign.retry_delay = number_of(setup, "retry_delay", campaign.retry_delay);
	campaign.retry_delay_max = number_of(setup, "retry_delay_max", campaign.retry_delay_max);
	campaign.notify = text_of(setup, "notify");
	campaign.ret = text_of(setup, "ret");
	campaign.envid = text_of(setup, "envid");
	campaign.require_tls = flag_of(setup, "require_tls", false);
	setup->campaign = campaign;
}

int setup_init(struct setup *setup, const struct send_options *options)
{
	struct bm_error err = BM_ERROR_INIT;

	*setup = (struct setup){0};
	if (read_conf(setup, options, &err) != BM_OK) {
		cli_complain_error(&err);
		return err.code == BM_E_IO ? EX_NOINPUT : cli_status(err.code);
	}
	int status = files_check(setup->conf, options);
	if (status == 0)
		status = open_list(setup, options);
	if (status == 0)
		status = make_message(setup, options);
	if (status == 0)
		status = check_class(setup, options);
	if (status == 0)
		status = make_servers(setup, options);
	if (status == 0 && !options->dry_run)
		status = open_logs(setup);
	fill_campaign(setup);
	return status;
}

void setup_deinit(struct setup *setup)
{
	bm_servers_free(setup->servers);
	bm_recipients_free(setup->list);
	bm_message_free(setup->message);
	bm_log_free(setup->good);
	bm_log_free(setup->bad);
	bm_log_free(setup->errfile);
	bm_conf_free(setup->conf);
}
