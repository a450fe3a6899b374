/* SPDX-License-Identifier: MIT */
#include "mail/render.h"

#include "base/error.h"
#include "mail/compiled.h"
#include "mail/encode.h"
#include "mail/fold.h"

#include <inttypes.h>

/* A record of a list is a line; what is longer than this is no address. */
#define OWN_MAX 1048576

/* "Message-ID: <" 32 "." 10 "@" host ">" CR LF */
#define ID_FIXED (13 + 32 + 1 + 10 + 1 + 1 + 2)

void bm_render_init(struct bm_render *render)
{
	*render = (struct bm_render){.count = 0};
	bm_buf_init(&render->own, OWN_MAX);
}

void bm_render_deinit(struct bm_render *render)
{
	bm_buf_deinit(&render->own);
	bm_render_init(render);
}

static enum bm_code append_folded(struct bm_buf *out, const struct bm_address *to)
{
	struct bm_buf field;

	bm_buf_init(&field, OWN_MAX);
	enum bm_code code = bm_buf_append_str(&field, "To: ");
	if (code == BM_OK)
		code = bm_address_append_header(&field, to);
	if (code == BM_OK)
		code = bm_field_append_verbatim(out, bm_buf_view(&field), true);
	bm_buf_deinit(&field);
	return code;
}

static enum bm_code append_line(struct bm_buf *out, struct bm_span value)
{
	enum bm_code code = bm_buf_append_str(out, "To: ");
	if (code == BM_OK)
		code = bm_buf_append_span(out, value);
	return code == BM_OK ? bm_buf_append_str(out, "\r\n") : code;
}

/* The record; its mailbox alone when the record is too long and has no blank to fold it at. */
static enum bm_code append_to(struct bm_buf *out, const struct bm_address *to)
{
	if (to->original.size + 4 <= BM_LINE_MAX && bm_is_ascii(to->original))
		return append_line(out, to->original);
	enum bm_code code = append_folded(out, to);
	if (code != BM_E_LIMIT && code != BM_E_ADDRESS)
		return code;
	bm_buf_clear(out);
	return append_line(out, bm_address_mailbox(to));
}

/* seq has ten digits up to 2^40, so that every copy of a message is of one size. */
static enum bm_code append_id(struct bm_buf *out, const struct bm_message *message, uint64_t seq)
{
	return bm_buf_append_fmt(out, "Message-ID: <%016" PRIx64 "%016" PRIx64 ".%010" PRIx64 "@%s>\r\n",
		message->id_seed[0], message->id_seed[1], seq, message->id_host);
}

static void add_span(struct bm_render *render, const struct bm_buf *buf, size_t start, size_t end)
{
	if (end > start)
		render->spans[render->count++] = bm_span_make(buf->data + start, end - start);
}

static void lay_out(const struct bm_message *message, struct bm_render *render, size_t to_size)
{
	size_t to_at = message->own_to ? message->to_at : 0;
	size_t id_at = message->own_id ? message->id_at : to_at;

	render->count = 0;
	add_span(render, &message->wire, 0, to_at);
	add_span(render, &render->own, 0, to_size);
	add_span(render, &message->wire, to_at, id_at);
	add_span(render, &render->own, to_size, render->own.size);
	add_span(render, &message->wire, id_at, message->wire.size);
	render->size_bytes = (uint64_t)message->wire.size - message->stuffed + render->own.size;
}

const size_t *bm_message_columns(const struct bm_message *message, size_t *count)
{
	(void)message;
	*count = 0;
	return NULL;
}

enum bm_code bm_message_check_values(
	const struct bm_message *message, const struct bm_span *values, size_t count, const char **reason)
{
	(void)message;
	(void)values;
	(void)count;
	(void)reason;
	return BM_OK;
}

void bm_message_key(const struct bm_message *message, const struct bm_span *values, size_t count, uint64_t key[2])
{
	(void)message;
	(void)values;
	(void)count;
	key[0] = key[1] = 0;
}

enum bm_code bm_message_render(
	const struct bm_message *message, struct bm_render *render, const struct bm_copy *copy, struct bm_error *err)
{
	const struct bm_address *to = copy->to;
	uint64_t seq = copy->seq;
	enum bm_code code = BM_OK;

	bm_buf_clear(&render->own);
	render->count = 0;
	if (message->own_to && to == NULL)
		return bm_error_set(err, BM_E_USAGE, "", "this message has no To without a recipient");
	if (message->own_to)
		code = append_to(&render->own, to);
	size_t to_size = render->own.size;
	if (code == BM_OK && message->own_id)
		code = append_id(&render->own, message, seq);
	if (code != BM_OK)
		return bm_error_set(err, code, "", "no room for the headers of a copy");
	lay_out(message, render, to_size);
	render->eight_bit = message->eight_bit;
	return BM_OK;
}

uint64_t bm_message_size(const struct bm_message *message, size_t to_size)
{
	uint64_t size = (uint64_t)message->wire.size - message->stuffed;

	if (message->own_to)
		size += sizeof "To: \r\n" - 1 + (uint64_t)to_size;
	if (message->own_id)
		size += ID_FIXED + strlen(message->id_host);
	return size;
}
