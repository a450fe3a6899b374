/* SPDX-License-Identifier: MIT */
#include "mail/address.h"

#include "base/utf8.h"
#include "mail/chars.h"
#include "mail/domain.h"
#include "mail/encode.h"

#define LOCAL_MAX 64

/* The reasons that bm_address_is_missing knows again. */
static const char missing[] = "there is no address";
static const char missing_in_angle[] = "there is no address between < and >";

/* One pass over the text; reason is set once something is wrong. */
struct cursor {
	const unsigned char *at;
	const unsigned char *end;
	const char *reason;
};

/* An empty text may lie nowhere. */
static struct cursor cursor_over(struct bm_span text)
{
	const unsigned char *at = text.size == 0 ? (const unsigned char *)"" : text.data;
	struct cursor cur = {.at = at, .end = at + text.size};
	return cur;
}

/* What stands before an "@", "<" or ":": words of a display name, or one local part. */
struct phrase {
	struct bm_span text;  /* from the first word to the end of the last */
	struct bm_span first; /* the first word */
	size_t words;
};

static bool fail(struct cursor *cur, const char *reason)
{
	if (cur->reason == NULL)
		cur->reason = reason;
	return false;
}

static bool next_is(const struct cursor *cur, unsigned char c)
{
	return cur->at < cur->end && *cur->at == c;
}

/* To the parenthesis that closes the one at the cursor. Counts the depth: nesting costs no stack. */
static bool skip_comment(struct cursor *cur)
{
	size_t depth = 0;

	for (; cur->at < cur->end; cur->at++) {
		if (*cur->at == '(')
			depth++;
		else if (*cur->at == ')')
			depth--;
		else if (*cur->at == '\\' && cur->at + 1 < cur->end)
			cur->at++;
		if (depth == 0) {
			cur->at++;
			return true;
		}
	}
	return fail(cur, "a comment is not closed");
}

static bool skip_cfws(struct cursor *cur)
{
	while (cur->at < cur->end) {
		if (*cur->at == '(') {
			if (!skip_comment(cur))
				return false;
		} else if (*cur->at == ' ') {
			cur->at++;
		} else {
			break;
		}
	}
	return true;
}

static bool skip_quoted(struct cursor *cur)
{
	for (cur->at++; cur->at < cur->end; cur->at++) {
		if (*cur->at == '"') {
			cur->at++;
			return true;
		}
		if (*cur->at == '\\' && cur->at + 1 < cur->end)
			cur->at++;
	}
	return fail(cur, "a quoted string is not closed");
}

static bool is_word_char(unsigned char c)
{
	return c == '.' || c >= 0x80 || bm_is_atext(c);
}

/* A run of atoms and dots, or a quoted string; empty when there is neither at the cursor. */
static bool take_word(struct cursor *cur, struct bm_span *word)
{
	const unsigned char *start = cur->at;

	if (next_is(cur, '"')) {
		if (!skip_quoted(cur))
			return false;
	} else {
		while (cur->at < cur->end && is_word_char(*cur->at))
			cur->at++;
	}
	*word = bm_span_make(start, (size_t)(cur->at - start));
	return true;
}

/* Words with blanks and comments around them. */
static bool take_phrase(struct cursor *cur, struct phrase *phrase)
{
	struct bm_span word;

	*phrase = (struct phrase){.words = 0};
	if (!skip_cfws(cur))
		return false;
	phrase->text = bm_span_make(cur->at, 0);
	while (true) {
		if (!take_word(cur, &word))
			return false;
		if (word.size == 0)
			return true;
		if (phrase->words++ == 0)
			phrase->first = word;
		phrase->text.size = (size_t)(cur->at - phrase->text.data);
		if (!skip_cfws(cur))
			return false;
	}
}

/* The octets that a quoted string or an atom stands for. room is that of out. False when they do not fit. */
static bool unquote(unsigned char *out, size_t room, size_t *size, struct bm_span word)
{
	size_t from = 0;
	size_t to = word.size;
	size_t filled = 0;

	if (word.size >= 2 && word.data[0] == '"') {
		from = 1;
		to = word.size - 1;
	}
	for (size_t i = from; i < to; i++) {
		if (from == 1 && word.data[i] == '\\' && i + 1 < to)
			i++;
		if (filled == room)
			return false;
		out[filled++] = word.data[i];
	}
	*size = filled;
	return true;
}

static void put(struct bm_address *out, unsigned char c)
{
	out->mailbox[out->size++] = (char)c;
}

/* Atoms with single dots between them; UTF-8 is part of an atom (RFC 6531, 3.3). */
static bool is_dot_string(struct bm_span text)
{
	bool after_dot = true;

	for (size_t i = 0; i < text.size; i++) {
		bool dot = text.data[i] == '.';
		if (dot ? after_dot : !is_word_char(text.data[i]))
			return false;
		after_dot = dot;
	}
	return !after_dot;
}

/* As RFC 5321, 4.1.2 wants it: quoted where needed, and no more than that. */
static void put_local(struct bm_address *out, struct bm_span local)
{
	bool quoted = !is_dot_string(local);

	if (quoted)
		put(out, '"');
	for (size_t i = 0; i < local.size; i++) {
		if (local.data[i] == '"' || local.data[i] == '\\')
			put(out, '\\');
		put(out, local.data[i]);
	}
	if (quoted)
		put(out, '"');
}

static bool add_local(struct cursor *cur, struct bm_address *out, struct bm_span word)
{
	unsigned char local[LOCAL_MAX];
	size_t size = 0;

	if (word.data[0] != '"' && !is_dot_string(word))
		return fail(cur, "the local part has a dot at an end or two in a row");
	if (bm_has_line_end_of_utf8(word))
		return fail(cur, "the address holds a control character");
	if (!unquote(local, sizeof local, &size, word))
		return fail(cur, "the local part is longer than 64 octets");
	out->utf8 = !bm_is_ascii(word);
	put_local(out, bm_span_make(local, size));
	return true;
}

static struct bm_span take_domain(struct cursor *cur)
{
	const unsigned char *start = cur->at;
	bool literal = next_is(cur, '[');

	if (literal) {
		while (cur->at < cur->end && *cur->at != ']')
			cur->at++;
		if (cur->at < cur->end)
			cur->at++;
	} else {
		while (cur->at < cur->end && is_word_char(*cur->at))
			cur->at++;
	}
	return bm_span_make(start, (size_t)(cur->at - start));
}

/* From the "@" at the cursor to behind the domain and the comments after it. */
static bool add_domain(struct cursor *cur, struct bm_address *out)
{
	size_t size = 0;

	cur->at++;
	if (!skip_cfws(cur))
		return false;
	struct bm_span domain = take_domain(cur);
	put(out, '@');
	out->domain = out->size;
	const char *reason = bm_domain_to_wire(out->mailbox + out->size, &size, domain);
	if (reason != NULL)
		return fail(cur, reason);
	out->size += size;
	return skip_cfws(cur);
}

static bool parse_angle(struct cursor *cur, struct bm_address *out)
{
	struct phrase local;

	cur->at++;
	if (!take_phrase(cur, &local))
		return false;
	if (local.words == 0 && next_is(cur, '@'))
		return fail(cur, "a route or an empty local part before the address");
	if (local.words == 0)
		return fail(cur, next_is(cur, '>') ? missing_in_angle : "there is no local part between < and >");
	if (local.words != 1)
		return fail(cur, "the local part is several words");
	if (!next_is(cur, '@'))
		return fail(cur, "there is no @ between < and >");
	if (!add_local(cur, out, local.first) || !add_domain(cur, out))
		return false;
	if (!next_is(cur, '>'))
		return fail(cur, next_is(cur, '@') ? "there is more than one @" : "the address is not closed with >");
	cur->at++;
	return skip_cfws(cur);
}

static const char *why_no_address(const struct cursor *cur, const struct phrase *phrase)
{
	if (cur->at == cur->end)
		return phrase->words == 0 ? missing : "there is no @";
	if (*cur->at == ':')
		return "a group is no mailbox";
	if (*cur->at == ',' || *cur->at == ';')
		return "there is more than one address";
	return "a character is out of place";
}

static const char *why_rest(const struct cursor *cur)
{
	if (*cur->at == '@')
		return "there is more than one @";
	if (*cur->at == ',' || *cur->at == ';')
		return "there is more than one address";
	return "there is something behind the address";
}

static bool parse_mailbox(struct cursor *cur, struct bm_address *out)
{
	struct phrase phrase;

	if (!take_phrase(cur, &phrase))
		return false;
	if (next_is(cur, '<')) {
		if (phrase.words > 0 && phrase.first.data[0] == '.')
			return fail(cur, "the display name begins with a dot");
		out->display = phrase.text;
		if (!parse_angle(cur, out))
			return false;
	} else if (next_is(cur, '@')) {
		if (phrase.words != 1)
			return fail(cur, phrase.words == 0 ? "there is no local part" : "the local part is several words");
		if (!add_local(cur, out, phrase.first) || !add_domain(cur, out))
			return false;
	} else {
		return fail(cur, why_no_address(cur, &phrase));
	}
	return cur->at == cur->end ? true : fail(cur, why_rest(cur));
}

/* What no address may hold, whatever its form. */
static const char *check_octets(struct bm_span text)
{
	if (text.size == 0)
		return missing;
	if (bm_span_has_control(text))
		return "the address holds a control character";
	return bm_utf8_valid(text.data, text.size) ? NULL : "the address is not valid UTF-8";
}

/* Blanks only: a CR or LF at an end is not white space to be lost but somebody's mistake, or attack. */
static struct bm_span trim_blanks(struct bm_span text)
{
	while (text.size > 0 && text.data[0] == ' ')
		text = bm_span_make(text.data + 1, text.size - 1);
	while (text.size > 0 && text.data[text.size - 1] == ' ')
		text.size--;
	return text;
}

static enum bm_code refuse(struct bm_address *out, const char **reason, const char *why)
{
	if (out != NULL)
		*out = (struct bm_address){.size = 0};
	if (reason != NULL)
		*reason = why;
	return BM_E_ADDRESS;
}

/* The common form, atoms@host.name, needs no grammar. False says nothing about the address. */
static bool parse_plain(struct bm_address *out, struct bm_span text)
{
	const unsigned char *at = text.size == 0 ? NULL : memchr(text.data, '@', text.size);

	if (at == NULL)
		return false;
	struct bm_span local = bm_span_make(text.data, (size_t)(at - text.data));
	struct bm_span domain = bm_span_make(at + 1, text.size - local.size - 1);
	if (local.size > LOCAL_MAX || !bm_is_dot_atom(local) || bm_domain_check_host(domain) != NULL)
		return false;
	memcpy(out->mailbox, text.data, text.size);
	out->mailbox[text.size] = '\0';
	out->size = text.size;
	out->domain = local.size + 1;
	out->utf8 = false;
	out->original = text;
	out->display = bm_span_make(NULL, 0);
	return true;
}

enum bm_code bm_address_parse(struct bm_address *out, struct bm_span text, const char **reason)
{
	text = trim_blanks(text);
	if (parse_plain(out, text))
		return BM_OK;
	*out = (struct bm_address){.original = text};
	const char *why = check_octets(text);
	if (why != NULL)
		return refuse(out, reason, why);
	struct cursor cur = cursor_over(text);
	if (!parse_mailbox(&cur, out))
		return refuse(out, reason, cur.reason);
	out->mailbox[out->size] = '\0';
	return BM_OK;
}

/* What is between the last "<" and the ">" behind it, or all. */
static struct bm_span trusted_part(struct bm_span text)
{
	size_t start = text.size;

	while (start > 0 && text.data[start - 1] != '<')
		start--;
	if (start == 0)
		return text;
	const unsigned char *close = memchr(text.data + start, '>', text.size - start);
	if (close == NULL)
		return text;
	return trim_blanks(bm_span_make(text.data + start, (size_t)(close - text.data) - start));
}

static const char *check_trusted(struct bm_span part)
{
	if (part.size == 0)
		return missing;
	if (part.size > BM_ADDRESS_MAX)
		return "the address is too long";
	if (bm_span_has_control(part))
		return "the address holds a control character";
	if (!bm_utf8_valid(part.data, part.size))
		return "the address is not valid UTF-8";
	if (bm_has_line_end_of_utf8(part))
		return "the address holds a control character";
	/* Either would end the path of MAIL or RCPT and let parameters follow. */
	if (memchr(part.data, '<', part.size) != NULL || memchr(part.data, '>', part.size) != NULL)
		return "the address holds < or >";
	return NULL;
}

static size_t domain_offset(struct bm_span mailbox)
{
	for (size_t at = mailbox.size; at > 0; at--) {
		if (mailbox.data[at - 1] == '@')
			return at;
	}
	return mailbox.size;
}

enum bm_code bm_address_trust(struct bm_address *out, struct bm_span text, const char **reason)
{
	/* What is a proper mailbox is taken as one, so that comments go and an IDN becomes A-labels. */
	if (bm_address_parse(out, text, NULL) == BM_OK)
		return BM_OK;
	text = trim_blanks(text);
	struct bm_span part = trusted_part(text);
	const char *why = bm_span_has_control(text) ? "the address holds a control character" : check_trusted(part);
	if (why != NULL)
		return refuse(out, reason, why);
	out->original = text;
	memcpy(out->mailbox, part.data, part.size);
	out->mailbox[part.size] = '\0';
	out->size = part.size;
	out->domain = domain_offset(part);
	out->utf8 = !bm_is_ascii(part);
	return BM_OK;
}

/* To the next "," or ";" that stands outside of strings, comments and literals. */
static bool take_member(struct cursor *cur, struct bm_span *member)
{
	const unsigned char *start = cur->at;

	while (cur->at < cur->end && *cur->at != ',' && *cur->at != ';') {
		if (*cur->at == '(') {
			if (!skip_comment(cur))
				return false;
		} else if (*cur->at == '"') {
			if (!skip_quoted(cur))
				return false;
		} else if (*cur->at == '[') {
			(void)take_domain(cur);
		} else {
			cur->at++;
		}
	}
	*member = bm_span_make(start, (size_t)(cur->at - start));
	return true;
}

struct bm_span bm_address_first(struct bm_span list)
{
	struct cursor cur = cursor_over(list);
	struct bm_span member = {NULL, 0};

	return take_member(&cur, &member) ? member : list;
}

static bool parse_members(struct cursor *cur)
{
	struct bm_address address;
	struct bm_span member;

	while (true) {
		if (!take_member(cur, &member))
			return false;
		if (bm_address_parse(&address, member, &cur->reason) != BM_OK)
			return false;
		if (cur->at == cur->end)
			return fail(cur, "the group is not closed with ;");
		if (*cur->at == ';')
			return true;
		cur->at++;
	}
}

/* From the ":" at the cursor to the end. */
static bool parse_group(struct cursor *cur)
{
	cur->at++;
	if (!skip_cfws(cur))
		return false;
	if (!next_is(cur, ';') && !parse_members(cur))
		return false;
	cur->at++;
	if (!skip_cfws(cur))
		return false;
	return cur->at == cur->end ? true : fail(cur, "there is something behind the group");
}

static bool at_group(struct cursor *cur, struct phrase *name)
{
	return take_phrase(cur, name) && name->words > 0 && next_is(cur, ':');
}

bool bm_address_is_missing(const char *reason)
{
	return reason == missing || reason == missing_in_angle;
}

enum bm_code bm_address_check_header(struct bm_span text, const char **reason)
{
	struct bm_address address;
	struct phrase name;

	text = trim_blanks(text);
	const char *why = check_octets(text);
	if (why != NULL)
		return refuse(NULL, reason, why);
	struct cursor cur = cursor_over(text);
	if (!at_group(&cur, &name))
		return bm_address_parse(&address, text, reason);
	return parse_group(&cur) ? BM_OK : refuse(NULL, reason, cur.reason);
}

struct bm_span bm_address_mailbox(const struct bm_address *address)
{
	return bm_span_make(address->mailbox, address->size);
}

struct bm_span bm_address_domain(const struct bm_address *address)
{
	return bm_span_make(address->mailbox + address->domain, address->size - address->domain);
}

size_t bm_address_key(const struct bm_address *address, bool with_case, unsigned char *out)
{
	bool exact = with_case || address->utf8;

	for (size_t i = 0; i < address->size; i++) {
		unsigned char c = (unsigned char)address->mailbox[i];
		out[i] = exact && i < address->domain ? c : bm_lower(c);
	}
	return address->size;
}

/* The words of a display name without quotes and comments, one blank between them. */
static enum bm_code append_plain(struct bm_buf *out, struct bm_span display)
{
	struct cursor cur = cursor_over(display);
	struct bm_span word = {NULL, 0};
	enum bm_code code = BM_OK;

	for (bool first = true; code == BM_OK && cur.at < cur.end; first = false) {
		if (!take_word(&cur, &word) || !skip_cfws(&cur) || word.size == 0)
			return BM_E_ADDRESS;
		if (!first)
			code = bm_buf_append_char(out, ' ');
		if (code == BM_OK)
			code = bm_buf_reserve(out, word.size);
		size_t size = 0;
		if (code == BM_OK && unquote(out->data + out->size, word.size, &size, word))
			out->size += size;
	}
	return code;
}

enum bm_code bm_address_append_name(struct bm_buf *out, const struct bm_address *address)
{
	return append_plain(out, address->display);
}

static enum bm_code append_encoded(struct bm_buf *out, struct bm_span display, size_t *column)
{
	struct bm_buf plain;

	bm_buf_init(&plain, 2 * display.size);
	enum bm_code code = append_plain(&plain, display);
	if (code == BM_OK)
		code = bm_encode_words(out, bm_buf_view(&plain), column);
	bm_buf_deinit(&plain);
	return code;
}

static enum bm_code append_display(struct bm_buf *out, struct bm_span display, size_t *column)
{
	if (!bm_is_ascii(display))
		return append_encoded(out, display, column);
	*column += display.size;
	return bm_buf_append_span(out, display);
}

static enum bm_code append_folded(struct bm_buf *out, const struct bm_address *address, size_t column)
{
	struct bm_span mailbox = bm_address_mailbox(address);

	if (address->display.size == 0)
		return bm_buf_append_span(out, mailbox);
	enum bm_code code = append_display(out, address->display, &column);
	bool fold = column + mailbox.size + 3 > BM_ENCODED_LINE_MAX;
	if (code == BM_OK)
		code = bm_buf_append_str(out, fold ? "\r\n <" : " <");
	if (code == BM_OK)
		code = bm_buf_append_span(out, mailbox);
	return code == BM_OK ? bm_buf_append_char(out, '>') : code;
}

enum bm_code bm_address_append_field(struct bm_buf *out, const struct bm_address *address, size_t column)
{
	size_t size = out->size;

	if (bm_is_ascii(address->original))
		return bm_buf_append_span(out, address->original);
	enum bm_code code = append_folded(out, address, column);
	if (code != BM_OK)
		out->size = size;
	return code;
}

enum bm_code bm_address_append_header(struct bm_buf *out, const struct bm_address *address)
{
	return bm_address_append_field(out, address, sizeof "To: " - 1);
}

enum bm_code bm_address_append_group(struct bm_buf *out, struct bm_span text, size_t column)
{
	struct phrase name;

	text = trim_blanks(text);
	struct cursor cur = cursor_over(text);
	if (!at_group(&cur, &name))
		return BM_E_ADDRESS;
	struct bm_span members = bm_span_make(cur.at, (size_t)(cur.end - cur.at));
	if (!bm_is_ascii(members))
		return BM_E_ADDRESS;
	enum bm_code code = append_display(out, name.text, &column);
	return code == BM_OK ? bm_buf_append_span(out, members) : code;
}
