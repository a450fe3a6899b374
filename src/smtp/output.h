/* SPDX-License-Identifier: MIT */
/*
 * What is said and not yet sent, in one order: commands, copied, and between them contents, by reference. Every place
 * in it is a count of octets since the session began, so that anybody can ask whether something has left.
 */
#ifndef BM_SMTP_OUTPUT_H
#define BM_SMTP_OUTPUT_H

#include "base/buf.h"
#include "smtp/content.h"

#define BM_OUTPUT_COMMANDS_MAX 65536 /* octets of commands said and not yet sent */
#define BM_OUTPUT_NOWHERE UINT64_MAX

struct bm_output_content {
	uint64_t start; /* its first octet */
	struct bm_content content;
};

struct bm_output {
	struct bm_buf commands;
	size_t commands_sent;               /* octets at the front of commands that were sent */
	bool secret;                        /* among the commands is one that is to be wiped */
	uint64_t said;                      /* octets ever said */
	uint64_t sent;                      /* and sent */
	struct bm_output_content *contents; /* a ring of those that are not entirely sent */
	size_t capacity;                    /* a power of two, or 0 */
	size_t first;
	size_t count;
};

void bm_output_init(struct bm_output *output);
void bm_output_deinit(struct bm_output *output);

/* Octets of commands that are not sent. */
size_t bm_output_commands_left(const struct bm_output *output);

/* Appends one command made of parts, with its CR LF; *text is what was said without it, valid until the next call. */
enum bm_code bm_output_command(
	struct bm_output *output, const struct bm_span *parts, size_t count, struct bm_span *text) BM_MUST_CHECK;

/*
 * What was said last is a secret: it is wiped when all commands were sent. None is said behind it before that, for the
 * buffer would move and leave it where it was.
 */
void bm_output_mark_secret(struct bm_output *output);

/* Nothing will be sent any more: wipes a secret that was not. */
void bm_output_wipe(struct bm_output *output);

/* Appends content; it must stay as it is until it was sent. BM_E_NOMEM leaves the output as it was. */
enum bm_code bm_output_content(struct bm_output *output, const struct bm_content *content) BM_MUST_CHECK;

size_t bm_output_view(const struct bm_output *output, struct bm_span *spans, size_t max);
void bm_output_consume(struct bm_output *output, size_t size);

/* The place where the block begins of which the next octet is, BM_OUTPUT_NOWHERE when that octet is no content's. */
uint64_t bm_output_block(const struct bm_output *output, uint64_t block_size);

#endif
