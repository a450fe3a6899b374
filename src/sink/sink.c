/* SPDX-License-Identifier: MIT */
/* The public face of the sink. */
#include "bulkmail/sink.h"

#include "base/error.h"
#include "sink/loop.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct bm_sink {
	struct bm_sink_shared shared;
	struct bm_sink_loop loop;
};

static enum bm_code open_record(struct bm_sink *sink, const char *path, struct bm_error *err)
{
	if (path == NULL)
		return BM_OK;
	if (strcmp(path, "-") == 0)
		sink->loop.log_fd = fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 3);
	else
		sink->loop.log_fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
	if (sink->loop.log_fd < 0)
		return bm_error_set_errno(err, BM_E_IO, "", errno, "%s", path);
	return BM_OK;
}

static enum bm_code set_up_tls(struct bm_sink *sink, const struct bm_sink_options *options, struct bm_error *err)
{
	struct bm_sink_tls_options tls = {
		.cert = options->tls_cert,
		.key = options->tls_key,
		.versions = options->tls_versions,
		.ciphers = options->tls_ciphers,
		.tickets = options->tls_tickets,
		.client_ca = options->tls_client_ca,
	};

	sink->shared.tls_wrapper = options->tls_wrapper;
	sink->shared.tls_required = options->tls_required;
	if (options->tls_cert != NULL)
		return bm_sink_tls_context_new(&sink->shared.tls, &tls, err);
	if (options->tls_wrapper)
		return bm_error_set(err, BM_E_USAGE, "", "TLS needs a certificate");
	return BM_OK;
}

static enum bm_code set_up(struct bm_sink *sink, const struct bm_sink_options *options, struct bm_error *err)
{
	bool recorded = options->out != NULL && !options->discard;
	enum bm_code code = bm_sink_shared_init(&sink->shared, options->extensions, recorded, err);

	if (code == BM_OK)
		code = set_up_tls(sink, options, err);
	sink->shared.auth_required = options->auth_required;
	sink->shared.lmtp = options->lmtp;
	if (code == BM_OK && options->auth != NULL)
		code = bm_sink_auth_new(&sink->shared.auth, options->auth, options->user, options->password_file, err);
	if (code == BM_OK)
		code = bm_sink_shared_offer(&sink->shared, options->extensions, err);
	if (code == BM_OK && options->script != NULL)
		code = bm_sink_script_load(&sink->shared.script, options->script, err);
	if (code != BM_OK)
		return code;
	sink->shared.content = recorded && options->content;
	sink->loop.discard = options->discard && options->script == NULL && options->tls_cert == NULL &&
						 options->auth == NULL && !options->lmtp;
	sink->loop.small = bm_sink_script_stops_reading(&sink->shared.script);
	if (recorded)
		code = open_record(sink, options->out, err);
	if (code != BM_OK)
		return code;
	return bm_sink_loop_listen(&sink->loop, options->host, options->port, err);
}

enum bm_code bm_sink_new(struct bm_sink **out, const struct bm_sink_options *options, struct bm_error *err)
{
	*out = NULL;
	if (options->size == 0)
		return bm_error_set(err, BM_E_USAGE, "", "struct bm_sink_options was not set up by BM_SINK_OPTIONS_INIT");
	/* A caller of another version has a struct of another size: what it does not know keeps its default. */
	struct bm_sink_options known = BM_SINK_OPTIONS_INIT;
	memcpy(&known, options, options->size < sizeof known ? options->size : sizeof known);
	if (known.host == NULL)
		return bm_error_set(err, BM_E_USAGE, "", "the sink needs a host to listen on");
	struct bm_sink *sink = calloc(1, sizeof *sink);
	if (sink == NULL)
		return bm_error_nomem(err);
	bm_sink_loop_init(&sink->loop, &sink->shared);
	enum bm_code code = set_up(sink, &known, err);
	if (code != BM_OK) {
		bm_sink_free(sink);
		return code;
	}
	*out = sink;
	return BM_OK;
}

uint16_t bm_sink_port(const struct bm_sink *sink)
{
	return sink->loop.port;
}

enum bm_code bm_sink_run(struct bm_sink *sink, struct bm_error *err)
{
	return bm_sink_loop_run(&sink->loop, err);
}

void bm_sink_stop(struct bm_sink *sink)
{
	bm_sink_loop_stop(&sink->loop);
}

struct bm_sink_counters bm_sink_counters(const struct bm_sink *sink)
{
	return sink->shared.counters;
}

void bm_sink_free(struct bm_sink *sink)
{
	if (sink == NULL)
		return;
	bm_sink_loop_deinit(&sink->loop);
	if (sink->loop.log_fd >= 0)
		close(sink->loop.log_fd);
	bm_sink_shared_deinit(&sink->shared);
	free(sink);
}
