/* SPDX-License-Identifier: MIT */
#include "mail/slot.h"

#include "base/error.h"
#include "base/nearest.h"

#include <stdio.h>
#include <stdlib.h>

#define NAMES_SHOWN 200
#define NAME_SHOWN 80

static const char braces_stay[] = "; --set merge=0 sends braces as they are";

enum bm_code bm_slots_init(
	struct bm_slots *slots, struct bm_message *message, const struct bm_message_options *options, struct bm_error *err)
{
	*slots = (struct bm_slots){.message = message, .merge = options->merge, .err = err};
	slots->names = options->columns;
	slots->name_count = options->column_count;
	size_t size = (slots->name_count + 1) * sizeof *message->list_columns;
	message->list_columns = bm_arena_take(&message->arena, size);
	if (message->list_columns == NULL)
		return bm_error_nomem(err);
	memset(message->list_columns, 0, size);
	message->list_columns[slots->name_count].value = BM_NO_COLUMN;
	return BM_OK;
}

void bm_slots_deinit(struct bm_slots *slots)
{
	free(slots->pieces);
}

bool bm_slots_in(struct bm_span text)
{
	return text.size >= 2 && memmem(text.data, text.size, "{{", 2) != NULL;
}

static bool starts(struct bm_span text, const char *prefix)
{
	size_t size = strlen(prefix);

	return text.size >= size && memcmp(text.data, prefix, size) == 0;
}

/* Where what closes the slot at the beginning of text begins; 0: it is not closed. */
static size_t find_end(struct bm_span text, bool as_is)
{
	size_t open = as_is ? 3 : 2;
	const unsigned char *end = NULL;

	if (text.size > open)
		end = memmem(text.data + open, text.size - open, as_is ? "}}}" : "}}", open);
	return end == NULL ? 0 : (size_t)(end - text.data);
}

size_t bm_slot_skip(struct bm_span text)
{
	if (starts(text, "\\{{"))
		return 3;
	if (!starts(text, "{{"))
		return 1;
	bool as_is = starts(text, "{{{");
	size_t end = find_end(text, as_is);
	return end == 0 ? 0 : end + (as_is ? 3 : 2);
}

static void list_names(const struct bm_slots *slots, char out[NAMES_SHOWN])
{
	size_t used = 0;

	out[0] = '\0';
	for (size_t i = 0; i < slots->name_count; i++) {
		char name[NAME_SHOWN];
		bm_escape(name, sizeof name, slots->names[i], strlen(slots->names[i]));
		size_t need = strlen(name) + 2;
		if (used + need + 5 > NAMES_SHOWN) {
			snprintf(out + used, NAMES_SHOWN - used, ", ...");
			return;
		}
		used += (size_t)snprintf(out + used, NAMES_SHOWN - used, "%s%s", i == 0 ? "" : ", ", name);
	}
}

static const char *nearest(const struct bm_slots *slots, const char *name)
{
	const char *best = NULL;
	size_t least = SIZE_MAX;

	for (size_t i = 0; i < slots->name_count; i++) {
		size_t distance = bm_nearest_distance(name, slots->names[i]);
		if (distance < least) {
			least = distance;
			best = slots->names[i];
		}
	}
	return best != NULL && bm_nearest_is_near(name, least) ? best : NULL;
}

static enum bm_code no_column(const struct bm_slots *slots, struct bm_span name, const char *where)
{
	char shown[NAME_SHOWN];
	char names[NAMES_SHOWN];
	char hint[NAME_SHOWN] = "";

	bm_escape(shown, sizeof shown, name.data, name.size);
	list_names(slots, names);
	const char *near = nearest(slots, shown);
	if (near != NULL)
		snprintf(hint, sizeof hint, "; did you mean \"%s\"?", near);
	return bm_error_set(slots->err, BM_E_MESSAGE, "MB024", "%s: the list has no column \"%s\" (it has: %s)%s%s", where,
		shown, names[0] == '\0' ? "none" : names, hint, braces_stay);
}

/* Exactly, else by its only match when case is ignored. */
static size_t find_column(const struct bm_slots *slots, struct bm_span name)
{
	size_t found = BM_NO_COLUMN;
	size_t matches = 0;

	for (size_t i = 0; i < slots->name_count; i++) {
		struct bm_span column = bm_span_of(slots->names[i]);
		if (bm_span_equal(column, name))
			return i;
		if (bm_span_equal_nocase(column, name)) {
			found = i;
			matches++;
		}
	}
	return matches == 1 ? found : BM_NO_COLUMN;
}

const char *bm_slots_name(const struct bm_slots *slots, size_t column)
{
	return column < slots->name_count ? slots->names[column] : "that the list lacks";
}

static const char *make_reason(struct bm_slots *slots, const char *name, const char *before, const char *after)
{
	char text[2 * NAME_SHOWN];
	char shown[NAME_SHOWN];

	bm_escape(shown, sizeof shown, name, strlen(name));
	int size = snprintf(text, sizeof text, "%s %s%s", before, shown, after);
	return bm_arena_copy(&slots->message->arena, text, (size_t)size);
}

static enum bm_code use_column(struct bm_slots *slots, size_t index)
{
	struct bm_column *column = &slots->message->list_columns[index];
	const char *name = bm_slots_name(slots, index);

	if (column->used)
		return BM_OK;
	column->used = true;
	column->absent = make_reason(slots, name, "no value for column", "");
	column->control = make_reason(slots, name, "column", ": a line end or another control character in a header");
	column->not_utf8 = make_reason(slots, name, "column", ": not valid UTF-8");
	column->nul = make_reason(slots, name, "column", ": a NUL");
	column->no_mailbox = make_reason(slots, name, "column", ": no single valid address where there must be one");
	column->too_long = make_reason(slots, name, "column", ": too long for its line");
	bool whole = column->absent != NULL && column->control != NULL && column->not_utf8 != NULL && column->nul != NULL &&
				 column->no_mailbox != NULL && column->too_long != NULL;
	return whole ? BM_OK : bm_error_nomem(slots->err);
}

static enum bm_code add_piece(struct bm_slots *slots, struct bm_piece piece)
{
	if (slots->count == slots->capacity) {
		size_t capacity = slots->capacity == 0 ? 16 : 2 * slots->capacity;
		struct bm_piece *pieces = realloc(slots->pieces, capacity * sizeof *pieces);
		if (pieces == NULL)
			return bm_error_nomem(slots->err);
		slots->pieces = pieces;
		slots->capacity = capacity;
	}
	const char *copy = bm_arena_copy(&slots->message->arena, piece.text.data, piece.text.size);
	if (copy == NULL)
		return bm_error_nomem(slots->err);
	piece.text.data = (const unsigned char *)copy;
	slots->pieces[slots->count++] = piece;
	return BM_OK;
}

static enum bm_code add_text(struct bm_slots *slots, struct bm_span text)
{
	return text.size == 0 ? BM_OK : add_piece(slots, (struct bm_piece){.text = text, .column = BM_NO_COLUMN});
}

/* inside is what stands between the braces. */
static enum bm_code add_slot(struct bm_slots *slots, struct bm_span inside, bool as_is, const char *where)
{
	const unsigned char *bar = inside.size == 0 ? NULL : memchr(inside.data, '|', inside.size);
	struct bm_piece piece = {.as_is = as_is, .has_default = bar != NULL};
	struct bm_span name = inside;

	if (bar != NULL) {
		name = bm_span_make(inside.data, (size_t)(bar - inside.data));
		piece.text = bm_span_make(bar + 1, inside.size - name.size - 1);
	}
	name = bm_span_trim(name);
	piece.column = find_column(slots, name);
	/* What the list does not have is absent for everybody. */
	if (piece.column == BM_NO_COLUMN && piece.has_default)
		piece.column = slots->name_count;
	if (piece.column == BM_NO_COLUMN)
		return no_column(slots, name, where);
	if (++slots->total > BM_SLOTS_MAX)
		return bm_error_set(slots->err, BM_E_MESSAGE, "MB022", "%s: more than %d slots", where, BM_SLOTS_MAX);
	enum bm_code code = use_column(slots, piece.column);
	return code == BM_OK ? add_piece(slots, piece) : code;
}

/* Takes text up to and with its first pair of braces. */
static enum bm_code take_next(struct bm_slots *slots, struct bm_span *text, const char *where)
{
	const unsigned char *found = text->size < 2 ? NULL : memmem(text->data, text->size, "{{", 2);
	size_t before = found == NULL ? text->size : (size_t)(found - text->data);
	bool escaped = found != NULL && before > 0 && found[-1] == '\\';

	enum bm_code code = add_text(slots, bm_span_make(text->data, before - (escaped ? 1 : 0)));
	*text = bm_span_make(text->data + before, text->size - before);
	if (code != BM_OK || found == NULL)
		return code;
	bool as_is = !escaped && starts(*text, "{{{");
	size_t open = as_is ? 3 : 2;
	size_t end = escaped ? open : find_end(*text, as_is);
	if (end == 0)
		return bm_error_set(slots->err, BM_E_MESSAGE, "MB025",
			"%s: a slot begins with %s and is not closed with %s on its line; \\{{ stands for two braces%s", where,
			as_is ? "{{{" : "{{", as_is ? "}}}" : "}}", braces_stay);
	if (escaped)
		code = add_text(slots, bm_span_make(text->data, open));
	else
		code = add_slot(slots, bm_span_make(text->data + open, end - open), as_is, where);
	size_t used = escaped ? open : end + open;
	*text = bm_span_make(text->data + used, text->size - used);
	return code;
}

enum bm_code bm_slots_parse(struct bm_slots *slots, struct bm_pieces *out, struct bm_span text, const char *where)
{
	enum bm_code code = BM_OK;

	slots->count = 0;
	*out = (struct bm_pieces){.count = 0};
	if (!slots->merge)
		code = add_text(slots, text);
	while (code == BM_OK && slots->merge && text.size > 0)
		code = take_next(slots, &text, where);
	if (code != BM_OK || slots->count == 0)
		return code;
	struct bm_piece *copy = bm_arena_take(&slots->message->arena, slots->count * sizeof *copy);
	if (copy == NULL)
		return bm_error_nomem(slots->err);
	memcpy(copy, slots->pieces, slots->count * sizeof *copy);
	*out = (struct bm_pieces){copy, slots->count};
	return BM_OK;
}

bool bm_pieces_vary(struct bm_pieces pieces)
{
	for (size_t i = 0; i < pieces.count; i++) {
		if (pieces.at[i].column != BM_NO_COLUMN)
			return true;
	}
	return false;
}

enum bm_code bm_slots_finish(struct bm_slots *slots)
{
	struct bm_message *message = slots->message;

	message->columns = bm_arena_take(&message->arena, (slots->name_count + 1) * sizeof *message->columns);
	if (message->columns == NULL)
		return bm_error_nomem(slots->err);
	for (size_t i = 0; i < slots->name_count; i++) {
		struct bm_column *column = &message->list_columns[i];
		if (!column->used)
			continue;
		column->value = message->column_count;
		message->columns[message->column_count++] = i;
	}
	return BM_OK;
}
