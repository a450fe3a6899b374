/* SPDX-License-Identifier: MIT */
#include "sink/session.h"

#include "base/error.h"
#include "base/number.h"

#define SIZE_MAX_DEFAULT (UINT64_C(100) << 20)
#define EHLO_MAX (64U << 10)
#define LOG_MAX (SIZE_MAX / 2)

#define USUAL "PIPELINING,SIZE,8BITMIME,ENHANCEDSTATUSCODES,CHUNKING,SMTPUTF8,DSN"

struct keyword {
	const char *name;
	enum bm_sink_extension bit;
};

static const struct keyword keywords[] = {
	{"PIPELINING", BM_SINK_EXT_PIPELINING},
	{"SIZE", BM_SINK_EXT_SIZE},
	{"8BITMIME", BM_SINK_EXT_8BITMIME},
	{"ENHANCEDSTATUSCODES", BM_SINK_EXT_ENHANCEDSTATUSCODES},
	{"CHUNKING", BM_SINK_EXT_CHUNKING},
	{"SMTPUTF8", BM_SINK_EXT_SMTPUTF8},
	{"DSN", BM_SINK_EXT_DSN},
	{"BINARYMIME", BM_SINK_EXT_BINARYMIME},
	{"STARTTLS", BM_SINK_EXT_STARTTLS},
	{"AUTH", BM_SINK_EXT_AUTH},
	{"REQUIRETLS", BM_SINK_EXT_REQUIRETLS},
};

static uint32_t keyword_bit(struct bm_span name)
{
	for (size_t i = 0; i < sizeof keywords / sizeof keywords[0]; i++)
		if (bm_span_equal_nocase(name, bm_span_of(keywords[i].name)))
			return (uint32_t)keywords[i].bit;
	return 0;
}

/* Takes the text up to the next mark off the list. */
static struct bm_span next_word(struct bm_span *list, unsigned char mark)
{
	const unsigned char *end = list->size == 0 ? NULL : memchr(list->data, mark, list->size);
	size_t size = end == NULL ? list->size : (size_t)(end - list->data);
	struct bm_span word = bm_span_make(list->data, size);
	size_t skip = end == NULL ? size : size + 1;
	*list = bm_span_make(list->data + skip, list->size - skip);
	return bm_span_trim(word);
}

static enum bm_code add_line(struct bm_sink_shared *shared, struct bm_buf *ehlo, struct bm_span item)
{
	struct bm_span args = item;
	struct bm_span name = next_word(&args, ' ');
	uint32_t bit = keyword_bit(name);

	shared->extensions |= bit;
	args = bm_span_trim(args);
	if (bit != BM_SINK_EXT_SIZE)
		return bm_buf_append_fmt(ehlo, "\r\n250-%.*s", (int)item.size, (const char *)item.data);
	/* "SIZE 0" states no limit. */
	if (args.size > 0 && (!bm_number_parse(args, &shared->size_max) || shared->size_max > SIZE_MAX_DEFAULT))
		return BM_E_USAGE;
	enum bm_code code = bm_buf_append_fmt(ehlo, "\r\n250-SIZE %llu", (unsigned long long)shared->size_max);
	shared->size_max = shared->size_max == 0 ? SIZE_MAX_DEFAULT : shared->size_max;
	return code;
}

/* Offered in clear only, or inside TLS only. */
static bool is_elsewhere(struct bm_span item, bool inside)
{
	uint32_t bit = keyword_bit(next_word(&item, ' '));
	return bit == (uint32_t)(inside ? BM_SINK_EXT_STARTTLS : BM_SINK_EXT_REQUIRETLS);
}

/* Unless the list of extensions has it already. */
static bool auth_is_due(const struct bm_sink_shared *shared, bool inside)
{
	bool here = inside || !shared->tls_required;
	return shared->auth != NULL && here && (shared->extensions & BM_SINK_EXT_AUTH) == 0;
}

static enum bm_code add_auth(const struct bm_sink_shared *shared, struct bm_buf *ehlo, bool inside)
{
	enum bm_code code = bm_buf_append_str(ehlo, "\r\n250-AUTH");
	return code == BM_OK ? bm_sink_auth_list(shared->auth, inside, ehlo) : code;
}

static enum bm_code make_ehlo(struct bm_sink_shared *shared, struct bm_buf *ehlo, struct bm_span list, bool inside)
{
	bm_buf_clear(ehlo);
	enum bm_code code = bm_buf_append_str(ehlo, "250-sink.bulkmail.invalid");
	size_t last = 0;

	while (list.size > 0 && code == BM_OK) {
		struct bm_span item = next_word(&list, ',');
		if (bm_span_has_control(item))
			return BM_E_USAGE;
		if (item.size == 0 || is_elsewhere(item, inside))
			continue;
		last = ehlo->size + 2;
		code = add_line(shared, ehlo, item);
	}
	if (code == BM_OK && auth_is_due(shared, inside)) {
		last = ehlo->size + 2;
		code = add_auth(shared, ehlo, inside);
	}
	if (code == BM_OK)
		code = bm_buf_append_str(ehlo, "\r\n");
	if (code == BM_OK)
		ehlo->data[last + 3] = ' ';
	return code;
}

uint32_t bm_sink_shared_named(struct bm_span ehlo)
{
	uint32_t bits = 0;

	(void)next_word(&ehlo, '\n');
	while (ehlo.size > 0) {
		struct bm_span line = next_word(&ehlo, '\n');
		if (line.size <= 4)
			continue;
		line = bm_span_make(line.data + 4, line.size - 4);
		if (line.data[line.size - 1] == '\r')
			line.size--;
		bits |= keyword_bit(next_word(&line, ' '));
	}
	return bits;
}

enum bm_code bm_sink_shared_offer(struct bm_sink_shared *shared, const char *extensions, struct bm_error *err)
{
	bool starttls = shared->tls != NULL && !shared->tls_wrapper;
	const char *usual = starttls ? USUAL ",STARTTLS" : USUAL;
	struct bm_span list = bm_span_of(extensions == NULL ? usual : extensions);

	shared->size_max = SIZE_MAX_DEFAULT;
	shared->extensions = 0;
	enum bm_code code = make_ehlo(shared, &shared->ehlo, list, false);
	if (code == BM_OK)
		code = make_ehlo(shared, &shared->ehlo_tls, list, true);
	shared->extensions |= shared->auth == NULL ? 0 : BM_SINK_EXT_AUTH;
	if (code == BM_E_NOMEM)
		return bm_error_nomem(err);
	if (code != BM_OK)
		return bm_error_set(err, code, "", "the extensions are no list of EHLO keywords: %s", extensions);
	return BM_OK;
}

enum bm_code bm_sink_shared_init(
	struct bm_sink_shared *shared, const char *extensions, bool recorded, struct bm_error *err)
{
	*shared = (struct bm_sink_shared){.size_max = SIZE_MAX_DEFAULT};
	bm_buf_init(&shared->ehlo, EHLO_MAX);
	bm_buf_init(&shared->ehlo_tls, EHLO_MAX);
	bm_buf_init(&shared->log, LOG_MAX);
	enum bm_code code = bm_sink_shared_offer(shared, extensions, err);
	if (code != BM_OK || !recorded)
		return code;
	shared->digest = EVP_MD_fetch(NULL, "SHA256", NULL);
	return shared->digest == NULL ? bm_error_nomem(err) : BM_OK;
}

void bm_sink_shared_deinit(struct bm_sink_shared *shared)
{
	EVP_MD_free(shared->digest);
	bm_buf_deinit(&shared->ehlo);
	bm_buf_deinit(&shared->ehlo_tls);
	bm_sink_tls_context_free(shared->tls);
	bm_sink_auth_free(shared->auth);
	bm_buf_deinit(&shared->log);
	bm_sink_script_deinit(&shared->script);
}
