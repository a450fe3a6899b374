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
#include "mail/place.h"

#include <stdlib.h>

#define OWN_MAX (SIZE_MAX / 4)

/* A personal copy up to this is laid out in one piece. */
#define FLAT_MAX 16384
/* What bm_message_size takes a value for. */
#define VALUE_ESTIMATE 100
#define KEY_GATHERED 512

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
	for (int i = digits; i > 0; number >>= 4)
		at[--i] = (unsigned char)"0123456789abcdef"[number & 15];
	return at + digits;
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

/* Shared copies are told apart by their values. */
static enum bm_code append_own_id(struct bm_buf *out, const struct bm_message *message, const struct bm_copy *copy)
{
	uint64_t key[2];

	if (!message->use_envelope || message->column_count == 0)
		return append_id(out, message, message->id_seed, copy->seq);
	bm_message_key(message, copy->values, copy->value_count, key);
	return append_id(out, message, key, 0);
}

static enum bm_code append_place(struct bm_writing *writing, const struct bm_place *place, const struct bm_copy *copy)
{
	switch (place->kind) {
	case BM_PLACE_TO:
		writing->utf8 = writing->utf8 || copy->to->utf8;
		writing->eight_bit = writing->eight_bit || copy->to->utf8;
		return append_to(writing->out, writing->scratch, copy->to);
	case BM_PLACE_ID:
		return append_own_id(writing->out, writing->message, copy);
	case BM_PLACE_TEXT:
	case BM_PLACE_LIST:
	case BM_PLACE_QUOTED:
	case BM_PLACE_RAW:
		break;
	}
	return bm_place_write(writing, place);
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

static enum bm_code write_own(struct bm_writing *writing, struct bm_render_side *side, const struct bm_copy *copy)
{
	const struct bm_message *message = writing->message;
	enum bm_code code = make_room(side, message->place_count);

	bm_buf_clear(&side->own);
	writing->out = &side->own;
	for (size_t i = 0; code == BM_OK && i < message->place_count; i++) {
		code = append_place(writing, &message->places[i], copy);
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

/* A small personal copy is one run of octets: that is cheaper to write than many short ones. */
static enum bm_code flatten(struct bm_render_side *side, const struct bm_message *message, size_t *count)
{
	if (message->column_count == 0 || message->wire.size + side->own.size > FLAT_MAX)
		return BM_OK;
	enum bm_code code = bm_buf_reserve(&side->flat, FLAT_MAX);
	if (code != BM_OK)
		return code;
	unsigned char *at = side->flat.data;
	for (size_t i = 0; i < *count; i++) {
		memcpy(at, side->spans[i].data, side->spans[i].size);
		at += side->spans[i].size;
	}
	side->spans[0] = bm_span_make(side->flat.data, (size_t)(at - side->flat.data));
	*count = 1;
	return BM_OK;
}

static enum bm_code render_side(
	struct bm_writing *writing, struct bm_render_side *side, const struct bm_copy *copy, size_t *count)
{
	enum bm_code code = write_own(writing, side, copy);
	if (code != BM_OK)
		return code;
	*count = lay_out(side, writing->message, !writing->stuff);
	return flatten(side, writing->message, count);
}

static enum bm_code render_copy(const struct bm_message *message, struct bm_render *render, const struct bm_copy *copy)
{
	struct bm_writing writing = {
		.message = message, .values = copy->values, .scratch = &render->scratch, .stuff = true};

	enum bm_code code = render_side(&writing, &render->stuffed, copy, &render->count);
	size_t dots = message->stuffed + writing.dots;
	render->spans = render->stuffed.spans;
	render->size_bytes = (uint64_t)message->wire.size + render->stuffed.own.size - dots;
	render->eight_bit = message->eight_bit || writing.eight_bit;
	render->utf8 = message->utf8 || writing.utf8;
	if (code != BM_OK || dots == 0)
		return code;
	writing.stuff = false;
	code = render_side(&writing, &render->bare, copy, &render->plain_count);
	render->plain = render->bare.spans;
	return code;
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
	code = render_copy(copy->seven_bit && message->seven != NULL ? message->seven : message, render, copy);
	if (code == BM_OK)
		return BM_OK;
	render->count = 0;
	render->plain = NULL;
	return bm_error_set(err, code, "", "the lines of a copy cannot be written");
}

/* What the texts and values of a place come to, roughly. */
static uint64_t estimate(const struct bm_pieces *pieces)
{
	uint64_t size = 0;

	for (size_t i = 0; i < pieces->count; i++)
		size += pieces->at[i].column == BM_NO_COLUMN ? pieces->at[i].text.size : VALUE_ESTIMATE;
	return size;
}

uint64_t bm_message_size(const struct bm_message *message, size_t to_size)
{
	uint64_t size = (uint64_t)message->wire.size - message->stuffed;

	if (message->own_to)
		size += sizeof "To: \r\n" - 1 + (uint64_t)to_size;
	if (message->own_id)
		size += ID_FIXED + message->id_host_size;
	for (size_t i = 0; i < message->place_count; i++) {
		const struct bm_place *place = &message->places[i];
		size += place->name.size + estimate(&place->pieces);
		for (size_t part = 0; part < place->part_count; part++)
			size += estimate(&place->parts[part].pieces);
	}
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
	*reason = NULL;
	if (count < message->column_count)
		*reason = "values of columns are missing";
	for (size_t i = 0; *reason == NULL && i < message->place_count; i++)
		*reason = bm_place_check(message, &message->places[i], values);
	return *reason == NULL ? BM_OK : BM_E_MESSAGE;
}

/* Each value with its size before it, gathered while there is room; what does not fit is hashed in turns. */
void bm_message_key(const struct bm_message *message, const struct bm_span *values, size_t count, uint64_t key[2])
{
	unsigned char gathered[KEY_GATHERED];
	uint64_t chain[2] = {message->id_seed[0], message->id_seed[1]};
	size_t used = 0;

	key[0] = 0;
	key[1] = 0;
	if (message->column_count == 0)
		return;
	for (size_t i = 0; i < count && i < message->column_count; i++) {
		uint64_t size = values[i].size;
		bool large = size > sizeof gathered - sizeof size;
		if (large || used + sizeof size + size > sizeof gathered) {
			bm_siphash128(chain, chain, gathered, used);
			used = 0;
		}
		memcpy(gathered + used, &size, sizeof size);
		used += sizeof size;
		if (large) {
			bm_siphash128(chain, chain, gathered, used);
			bm_siphash128(chain, chain, values[i].data, size);
			used = 0;
		} else if (size > 0) {
			memcpy(gathered + used, values[i].data, size);
			used += size;
		}
	}
	bm_siphash128(key, chain, gathered, used);
}
