/* SPDX-License-Identifier: MIT */
#include "smtp/dsn.h"

#include "base/error.h"
#include "base/utf8.h"

#include <stdint.h>

#define EXPANSION_MAX 6 /* of an octet: \x{2B} */

struct writer {
	char *out;
	size_t size;
};

static void write_octet(struct writer *writer, unsigned char c)
{
	writer->out[writer->size++] = (char)c;
}

static void write_text(struct writer *writer, const char *text)
{
	for (; *text != '\0'; text++)
		write_octet(writer, (unsigned char)*text);
}

/* digits of them at least, as many as are needed */
static void write_hex(struct writer *writer, uint32_t value, int digits)
{
	static const char hex[] = "0123456789ABCDEF";
	while (digits < 8 && value >> (4 * digits) != 0)
		digits++;
	for (int i = digits - 1; i >= 0; i--)
		write_octet(writer, (unsigned char)hex[value >> (4 * i) & 15]);
}

/* RFC 3461, 4: what xtext holds as it is. */
static bool is_plain(unsigned char c)
{
	return c > ' ' && c < 0x7f && c != '+' && c != '=';
}

static void write_xtext(struct writer *writer, struct bm_span text)
{
	for (size_t i = 0; i < text.size; i++) {
		unsigned char c = text.data[i];
		if (is_plain(c)) {
			write_octet(writer, c);
			continue;
		}
		write_octet(writer, '+');
		write_hex(writer, c, 2);
	}
}

/* The character at data, which is well-formed. */
static uint32_t code_point(const unsigned char *data, size_t length)
{
	static const unsigned char lead[] = {0, 0x7f, 0x1f, 0x0f, 0x07};
	uint32_t value = data[0] & lead[length];
	for (size_t i = 1; i < length; i++)
		value = value << 6 | (data[i] & 0x3f);
	return value;
}

/* In its 7-bit form (RFC 6533, 3: utf-8-addr-xtext), which is right on any way that the report may take. */
static void write_unicode(struct writer *writer, struct bm_span text)
{
	for (size_t i = 0; i < text.size;) {
		size_t length = bm_utf8_length(text.data + i, text.size - i);
		length = length == 0 ? 1 : length;
		unsigned char c = text.data[i];
		if (is_plain(c) && c != '\\') {
			write_octet(writer, c);
		} else {
			write_text(writer, "\\x{");
			write_hex(writer, code_point(text.data + i, length), 2);
			write_octet(writer, '}');
		}
		i += length;
	}
}

size_t bm_dsn_mail(const struct bm_smtp_transaction *given, char *out)
{
	struct writer writer = {out, 0};
	if (given->ret != NULL) {
		write_text(&writer, " RET=");
		write_text(&writer, given->ret);
	}
	if (given->envid.size > 0) {
		write_text(&writer, " ENVID=");
		write_xtext(&writer, given->envid);
	}
	return writer.size;
}

/* What cannot become too long is tried; the rest of the room is for what it does become. */
static void write_orcpt(struct writer *writer, const struct bm_smtp_transaction *given, struct bm_span address)
{
	char value[EXPANSION_MAX * BM_DSN_ORCPT_MAX];
	struct writer whole = {value, 0};
	bool unicode = given->utf8 && !bm_span_is_ascii(address);

	if (address.size >= BM_DSN_ORCPT_MAX)
		return;
	write_text(&whole, unicode ? "utf-8;" : "rfc822;");
	if (unicode)
		write_unicode(&whole, address);
	else
		write_xtext(&whole, address);
	if (whole.size > BM_DSN_ORCPT_MAX)
		return;
	write_text(writer, " ORCPT=");
	memcpy(writer->out + writer->size, value, whole.size);
	writer->size += whole.size;
}

size_t bm_dsn_rcpt(const struct bm_smtp_transaction *given, struct bm_span address, char *out)
{
	struct writer writer = {out, 0};
	write_text(&writer, " NOTIFY=");
	write_text(&writer, given->notify);
	write_orcpt(&writer, given, address);
	return writer.size;
}

/* The word in front of a comma, or the last; cut from the front of rest. */
static struct bm_span cut_word(struct bm_span *rest)
{
	const unsigned char *comma = memchr(rest->data, ',', rest->size);
	struct bm_span word = bm_span_make(rest->data, comma == NULL ? rest->size : (size_t)(comma - rest->data));
	size_t cut = word.size + (comma != NULL);
	*rest = bm_span_make(rest->data + cut, rest->size - cut);
	return word;
}

/* The list that ends with a comma ends with an empty word. */
static bool is_notify(const char *text)
{
	static const char *const words[] = {"SUCCESS", "FAILURE", "DELAY"};
	struct bm_span rest = bm_span_of(text);
	size_t said = 0;

	if (bm_span_equal_nocase(rest, bm_span_of("NEVER")))
		return true;
	for (bool more = true; more;) {
		struct bm_span word = cut_word(&rest);
		size_t which = 0;
		while (which < 3 && !bm_span_equal_nocase(word, bm_span_of(words[which])))
			which++;
		if (which == 3 || (said & (size_t)1 << which) != 0)
			return false;
		said |= (size_t)1 << which;
		more = rest.data > word.data + word.size;
	}
	return true;
}

static bool is_ret(const char *text)
{
	struct bm_span ret = bm_span_of(text);
	return bm_span_equal_nocase(ret, bm_span_of("FULL")) || bm_span_equal_nocase(ret, bm_span_of("HDRS"));
}

enum bm_code bm_dsn_check(const struct bm_smtp_transaction *given, struct bm_error *err)
{
	if (given->ret != NULL && !is_ret(given->ret))
		return bm_error_set(err, BM_E_USAGE, "", "ret is neither FULL nor HDRS");
	if (given->notify != NULL && !is_notify(given->notify))
		return bm_error_set(err, BM_E_USAGE, "", "notify is neither NEVER nor a list of SUCCESS, FAILURE and DELAY");
	if (given->envid.size > BM_DSN_ENVID_MAX)
		return bm_error_set(err, BM_E_USAGE, "", "an envid of more than %d octets", BM_DSN_ENVID_MAX);
	/* RFC 3461, 4.4: it stands in a report's header as it is */
	if (!bm_span_is_ascii(given->envid) || bm_span_has_control(given->envid))
		return bm_error_set(err, BM_E_USAGE, "", "an envid with octets that are not printable ASCII");
	return BM_OK;
}
