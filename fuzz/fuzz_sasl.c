/* SPDX-License-Identifier: MIT */
/*
 * A login against a server that says anything. The first octet chooses the mechanism (the last choice: ours of what the
 * first line lists), the second what the channel is and whether the lines that follow are challenges as they stand on
 * the wire or are put into base64 here.
 *
 * Checked: no more than eight challenges are answered; what is said is one line of base64; nothing is said with an
 * error, whose text is printable and holds no secret; SCRAM is done only behind a signature.
 */
#include "base/base64.h"
#include "smtp/sasl.h"

#include <gsasl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool condition)
{
	if (!condition)
		abort();
}

/* libgsasl draws its nonce here: "fyko+d2lbbFgONRv9qkxdawL", as RFC 5802 does. */
__attribute__((visibility("default"))) int gsasl_nonce(char *data, size_t size)
{
	static const unsigned char of_rfc[] = {
		0x7f, 0x29, 0x28, 0xf9, 0xdd, 0xa5, 0x6d, 0xb1, 0x60, 0x38, 0xd4, 0x6f, 0xf6, 0xa9, 0x31, 0x75, 0xac, 0x0b};
	for (size_t i = 0; i < size; i++)
		data[i] = (char)of_rfc[i % sizeof of_rfc];
	return GSASL_OK;
}

static const char *const names[] = {
	"SCRAM-SHA-256-PLUS", "SCRAM-SHA-256", "SCRAM-SHA-1", "CRAM-MD5", "PLAIN", "LOGIN", "XOAUTH2", "OAUTHBEARER", NULL};

#define NAMES (sizeof names / sizeof names[0])
#define SECRET "pencil"

enum { IN_BASE64 = 1, UNVERIFIED = 2, UNBOUND = 4, UNIQUE = 8 };

static struct bm_span cut_line(struct bm_span *rest)
{
	const unsigned char *end = rest->size == 0 ? NULL : memchr(rest->data, '\n', rest->size);
	struct bm_span line = bm_span_make(rest->data, end == NULL ? rest->size : (size_t)(end - rest->data));
	size_t used = line.size + (end == NULL ? 0 : 1);
	*rest = bm_span_make(rest->data + used, rest->size - used);
	return line;
}

/* Many iterations are allowed, and take the time that other inputs could have. */
static bool takes_long(struct bm_span line)
{
	size_t digits = 0;

	for (size_t i = 0; i < line.size; i++) {
		digits = line.data[i] >= '0' && line.data[i] <= '9' ? digits + 1 : 0;
		if (digits == 5)
			return true;
	}
	return false;
}

static void check_error(enum bm_code code, const struct bm_error *err)
{
	check(code == err->code && err->text[0] != '\0');
	check(code == BM_E_PROTOCOL || code == BM_E_AUTH);
	check(!bm_span_has_control(bm_span_of(err->text)));
	check(strstr(err->text, SECRET) == NULL);
}

static void check_said(const struct bm_buf *out)
{
	struct bm_buf octets;

	check(out->size <= BM_SASL_LINE_MAX);
	bm_buf_init(&octets, BM_SASL_LINE_MAX);
	check(bm_base64_read(&octets, bm_buf_view(out)) == BM_OK);
	bm_buf_deinit(&octets);
}

/* False: the login is over. */
static bool answer(struct bm_sasl *sasl, struct bm_span challenge, struct bm_buf *out)
{
	struct bm_error err = BM_ERROR_INIT;
	enum bm_code code = bm_sasl_answer(sasl, challenge, out, &err);

	if (code == BM_OK) {
		check_said(out);
		return true;
	}
	check(out->size == 0);
	check_error(code, &err);
	return false;
}

static void play(struct bm_sasl *sasl, struct bm_span rest, unsigned flags)
{
	struct bm_buf out;
	struct bm_buf form;
	bool has = false;
	bool proved = false;
	size_t answered = 0;
	struct bm_error err = BM_ERROR_INIT;

	bm_buf_init(&out, BM_SASL_LINE_MAX);
	bm_buf_init(&form, 256 * 1024);
	check(bm_sasl_begin(sasl, &out, &has, &err) == BM_OK);
	check(has || out.size == 0);
	check_said(&out);
	while (rest.size > 0) {
		struct bm_span line = cut_line(&rest);
		if ((flags & IN_BASE64) != 0 && takes_long(line))
			break;
		bm_buf_clear(&form);
		check(bm_base64_write(&form, line) == BM_OK);
		if (!answer(sasl, (flags & IN_BASE64) != 0 ? bm_buf_view(&form) : line, &out))
			break;
		answered++;
		proved = line.size > 2 && memcmp(line.data, "v=", 2) == 0;
	}
	check(answered <= BM_SASL_ROUNDS_MAX);
	bool scram = strncmp(bm_sasl_mechanism(sasl), "SCRAM", 5) == 0;
	if (bm_sasl_done(sasl, &err) == BM_OK)
		check(!scram || proved || (flags & IN_BASE64) == 0);
	bm_buf_deinit(&out);
	bm_buf_deinit(&form);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct bm_error err = BM_ERROR_INIT;
	struct bm_secret *secret = NULL;
	struct bm_sasl *sasl = NULL;

	/* what a server says itself may be repeated to people */
	if (size < 2 || memmem(data, size, SECRET, strlen(SECRET)) != NULL)
		return 0;
	unsigned flags = data[1];
	struct bm_smtp_channel channel = {.verified = (flags & UNVERIFIED) == 0};
	channel.binding = (flags & UNBOUND) != 0 ? NULL : (flags & UNIQUE) != 0 ? "tls-unique" : "tls-exporter";
	channel.binding_data = bm_span_of("0123456789ab");
	check(bm_secret_new(&secret, SECRET, strlen(SECRET), &err) == BM_OK);
	struct bm_sasl_options options = {
		.mechanisms = names[data[0] % NAMES], .user = "user", .secret = secret, .host = "mx.example", .port = 25};
	struct bm_span rest = bm_span_make(data + 2, size - 2);
	struct bm_span offered = options.mechanisms == NULL ? cut_line(&rest) : bm_span_of(options.mechanisms);
	enum bm_code code = bm_sasl_new(&sasl, &options, offered, &channel, &err);
	if (code == BM_OK)
		play(sasl, rest, flags);
	else
		check_error(code, &err);
	bm_sasl_free(sasl);
	bm_secret_free(secret);
	return 0;
}
