/* SPDX-License-Identifier: MIT */
/*
 * A copy is the message's octets with the lines of its places in between. These are written into own one after the
 * other; then the copy is laid out: a small personal one in one piece, any other as spans. Where dots are stuffed the
 * same is done a second time without.
 */
#include "mail/render.h"

#include "base/error.h"
#include "base/siphash.h"
#include "mail/compiled.h"
#include "mail/encode.h"
#include "mail/fold.h"

#include <stdlib.h>

#define OWN_MAX (SIZE_MAX / 4)

/* "Message-ID: <" 32 "." 10 "@" host ">" CR LF */
#define ID_FIXED (13 + 32 + 1 + 10 + 1 + 1 + 2)

static void init_side(struct bm_render_side *side)
{
	*side = (struct bm_render_side){.end_capacity = 0};
	bm_buf_init(&side->own, OWN_MAX);
	bm_buf_init(&side->flat, OWN_MAX);
}

static void deinit_side(struct bm_render_side *side)
{
	bm_buf_deinit(&side->own);
	bm_buf_deinit(&side->flat);
	free(side->ends);
	free(side->spans);
}

void bm_render_init(struct bm_render *render)
{
	*render = (struct bm_render){.count = 0};
	init_side(&render->stuffed);
	init_side(&render->bare);
	bm_buf_init(&render->scratch, OWN_MAX);
}

void bm_render_deinit(struct bm_render *render)
{
	deinit_side(&render->stuffed);
	deinit_side(&render->bare);
	bm_buf_deinit(&render->scratch);
	bm_render_init(render);
}

static enum bm_code append_folded(struct bm_buf *out, struct bm_buf *scratch, const struct bm_address *to)
{
	bm_buf_clear(scratch);
	enum bm_code code = bm_buf_append_str(scratch, "To: ");
	if (code == BM_OK)
		code = bm_address_append_header(scratch, to);
	if (code == BM_OK)
		code = bm_field_append_verbatim(out, bm_buf_view(scratch), true);
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
static enum bm_code append_to(struct bm_buf *out, struct bm_buf *scratch, const struct bm_address *to)
{
	size_t start = out->size;

	if (to->original.size + 4 <= BM_LINE_MAX && bm_is_ascii(to->original))
		return append_line(out, to->original);
	enum bm_code code = append_folded(out, scratch, to);
	if (code != BM_E_LIMIT && code != BM_E_ADDRESS)
		return code;
	out->size = start;
	return append_line(out, bm_address_mailbox(to));
}

static unsigned char *put_hex(unsigned char *at, uint64_t number, int digits)
{
	for (int i = digits - 1; i >= 0; i--)
		*at++ = (unsigned char)"0123456789abcdef"[(number >> (4 * i)) & 15];
	return at;
}

static unsigned char *put_text(unsigned char *at, const char *text, size_t size)
{
	memcpy(at, text, size);
	return at + size;
}

/* seq has ten digits up to 2^40, so that every copy of a message is of one size. */
static enum bm_code append_id(
	struct bm_buf *out, const struct bm_message *message, const uint64_t unique[2], uint64_t seq)
{
	static const char name[] = "Message-ID: <";
	enum bm_code code = bm_buf_reserve(out, ID_FIXED + 6 + message->id_host_size);
	int digits = 10;

	if (code != BM_OK)
		return code;
	while (digits < 16 && seq >> (4 * digits) != 0)
		digits++;
	unsigned char *at = put_text(out->data + out->size, name, sizeof name - 1);
	at = put_hex(at, unique[0], 16);
	at = put_hex(at, unique[1], 16);
	*at++ = '.';
	at = put_hex(at, seq, digits);
	*at++ = '@';
	at = put_text(at, message->id_host, message->id_host_size);
	at = put_text(at, ">\r\n", 3);
	out->size = (size_t)(at - out->data);
	return BM_OK;
}

static enum bm_code append_place(struct bm_render *render, struct bm_buf *out, const struct bm_message *message,
	const struct bm_place *place, const struct bm_copy *copy)
{
	switch (place->kind) {
	case BM_PLACE_TO:
		return append_to(out, &render->scratch, copy->to);
	case BM_PLACE_ID:
		break;
	}
	return append_id(out, message, message->id_seed, copy->seq);
}

static enum bm_code make_room(struct bm_render_side *side, size_t places)
{
	if (side->end_capacity < places) {
		size_t *ends = realloc(side->ends, places * sizeof *ends);
		if (ends == NULL)
			return BM_E_NOMEM;
		side->ends = ends;
		side->end_capacity = places;
	}
	size_t spans = 2 * places + 1;
	if (side->span_capacity < spans) {
		struct bm_span *more = realloc(side->spans, spans * sizeof *more);
		if (more == NULL)
			return BM_E_NOMEM;
		side->spans = more;
		side->span_capacity = spans;
	}
	return BM_OK;
}

static enum bm_code write_own(
	struct bm_render *render, struct bm_render_side *side, const struct bm_message *message, const struct bm_copy *copy)
{
	enum bm_code code = make_room(side, message->place_count);

	bm_buf_clear(&side->own);
	for (size_t i = 0; code == BM_OK && i < message->place_count; i++) {
		code = append_place(render, &side->own, message, &message->places[i], copy);
		side->ends[i] = side->own.size;
	}
	return code;
}

static size_t add_span(struct bm_render_side *side, size_t count, const struct bm_buf *buf, size_t start, size_t end)
{
	if (end > start)
		side->spans[count++] = bm_span_make(buf->data + start, end - start);
	return count;
}

/* The shared octets, cut at the places, with own between them. Returns how many spans. */
static size_t lay_out(struct bm_render_side *side, const struct bm_message *message, bool bare)
{
	const struct bm_buf *shared = bare && message->bare.size > 0 ? &message->bare : &message->wire;
	size_t count = 0;
	size_t from = 0;
	size_t own = 0;

	for (size_t i = 0; i < message->place_count; i++) {
		const struct bm_place *place = &message->places[i];
		size_t at = shared == &message->bare ? place->bare_at : place->at;
		count = add_span(side, count, shared, from, at);
		count = add_span(side, count, &side->own, own, side->ends[i]);
		from = at;
		own = side->ends[i];
	}
	return add_span(side, count, shared, from, shared->size);
}

static enum bm_code check_copy(const struct bm_message *message, const struct bm_copy *copy, struct bm_error *err)
{
	if (message->own_to && copy->to == NULL)
		return bm_error_set(err, BM_E_USAGE, "", "this message has no To without a recipient");
	if (copy->value_count < message->column_count)
		return bm_error_set(err, BM_E_USAGE, "", "this message has %zu columns, the copy %zu", message->column_count,
			copy->value_count);
	return BM_OK;
}

enum bm_code bm_message_render(
	const struct bm_message *message, struct bm_render *render, const struct bm_copy *copy, struct bm_error *err)
{
	render->count = 0;
	render->plain = NULL;
	render->plain_count = 0;
	enum bm_code code = check_copy(message, copy, err);
	if (code != BM_OK)
		return code;
	code = write_own(render, &render->stuffed, message, copy);
	if (code == BM_OK && message->stuffed > 0)
		code = write_own(render, &render->bare, message, copy);
	if (code != BM_OK)
		return bm_error_set(err, code, "", "no room for the lines of a copy");
	render->spans = render->stuffed.spans;
	render->count = lay_out(&render->stuffed, message, false);
	render->size_bytes = (uint64_t)message->wire.size - message->stuffed + render->stuffed.own.size;
	render->eight_bit = message->eight_bit;
	if (message->stuffed > 0) {
		render->plain = render->bare.spans;
		render->plain_count = lay_out(&render->bare, message, true);
	}
	return BM_OK;
}

uint64_t bm_message_size(const struct bm_message *message, size_t to_size)
{
	uint64_t size = (uint64_t)message->wire.size - message->stuffed;

	if (message->own_to)
		size += sizeof "To: \r\n" - 1 + (uint64_t)to_size;
	if (message->own_id)
		size += ID_FIXED + message->id_host_size;
	return size;
}

const size_t *bm_message_columns(const struct bm_message *message, size_t *count)
{
	*count = message->column_count;
	return message->columns;
}

enum bm_code bm_message_check_values(
	const struct bm_message *message, const struct bm_span *values, size_t count, const char **reason)
{
	(void)values;
	if (count >= message->column_count)
		return BM_OK;
	*reason = "values are missing";
	return BM_E_MESSAGE;
}

void bm_message_key(const struct bm_message *message, const struct bm_span *values, size_t count, uint64_t key[2])
{
	(void)values;
	(void)count;
	(void)message;
	key[0] = 0;
	key[1] = 0;
}
