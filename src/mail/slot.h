/* SPDX-License-Identifier: MIT */
/*
 * Slots: {{name}}, {{name|default}}, {{{name}}}; \{{ stands for two braces. A text is taken apart once, when the
 * message is compiled.
 */
#ifndef BM_MAIL_SLOT_H
#define BM_MAIL_SLOT_H

#include "mail/compiled.h"

/* So that no message makes its copies grow without end. */
#define BM_SLOTS_MAX 10000

/* What takes texts apart. */
struct bm_slots {
	struct bm_message *message;
	const char *const *names; /* of the list's columns */
	size_t name_count;
	struct bm_piece *pieces; /* of the text under way */
	size_t count;
	size_t capacity;
	size_t total;
	bool merge; /* else a brace is a brace */
	struct bm_error *err;
};

/* err is borrowed too. After it slots can be parsed into message. */
enum bm_code bm_slots_init(struct bm_slots *slots, struct bm_message *message, const struct bm_message_options *options,
	struct bm_error *err) BM_MUST_CHECK;
void bm_slots_deinit(struct bm_slots *slots);

/* True when text has two opening braces, escaped or not. */
bool bm_slots_in(struct bm_span text);

/* The octets of the slot that text begins with, or of an escaped pair of braces; 1 for anything else, 0 for a slot that
 * is not closed. */
size_t bm_slot_skip(struct bm_span text);

/*
 * Takes text, UTF-8, apart; out lives in the message. where names the place for errors ("line 3 of the message").
 * MB022 too many slots, MB024 no such column, MB025 a slot that is not closed.
 */
enum bm_code bm_slots_parse(
	struct bm_slots *slots, struct bm_pieces *out, struct bm_span text, const char *where) BM_MUST_CHECK;

/* The column's name as a reason shows it; the last stands for all that the list lacks. */
const char *bm_slots_name(const struct bm_slots *slots, size_t column);

/* True when one of them is a slot, not a text. */
bool bm_pieces_vary(struct bm_pieces pieces);

/* When all texts are parsed: numbers the columns that are used. */
enum bm_code bm_slots_finish(struct bm_slots *slots) BM_MUST_CHECK;

#endif
