/* SPDX-License-Identifier: MIT */
/*
 * Any octets as an address. What is accepted has no control octet, is ASCII unless it says so, and then UTF-8, has one
 * "@" outside of quotes, fits its limits, and is read again as itself.
 */
#include "base/utf8.h"
#include "mail/address.h"

#include <stdint.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define REQUIRE(what)                                                                                                  \
	do {                                                                                                               \
		if (!(what))                                                                                                   \
			abort();                                                                                                   \
	} while (0)

static size_t unquoted_ats(struct bm_span mailbox)
{
	size_t count = 0;
	bool quoted = false;

	for (size_t i = 0; i < mailbox.size; i++) {
		unsigned char c = mailbox.data[i];
		if (quoted && c == '\\')
			i++;
		else if (c == '"')
			quoted = !quoted;
		else if (c == '@' && !quoted)
			count++;
	}
	return count;
}

static void check_mailbox(const struct bm_address *address)
{
	struct bm_span mailbox = bm_address_mailbox(address);
	struct bm_address again;
	const char *reason = NULL;

	REQUIRE(mailbox.size <= BM_ADDRESS_MAX && address->mailbox[mailbox.size] == '\0');
	REQUIRE(strlen(address->mailbox) == mailbox.size);
	REQUIRE(!bm_span_has_control(mailbox));
	REQUIRE(bm_span_is_ascii(mailbox) == !address->utf8 && bm_utf8_valid(mailbox.data, mailbox.size));
	REQUIRE(bm_span_is_ascii(bm_address_domain(address)));
	REQUIRE(unquoted_ats(mailbox) == 1);
	REQUIRE(address->domain >= 2 && address->mailbox[address->domain - 1] == '@');
	REQUIRE(bm_address_parse(&again, mailbox, &reason) == BM_OK);
	REQUIRE(bm_span_equal(bm_address_mailbox(&again), mailbox));
	REQUIRE(again.domain == address->domain && again.display.size == 0 && again.utf8 == address->utf8);
}

/* The header's text holds no bare line end, no 8-bit octet, and the same mailbox when it is unfolded. */
static void check_header(const struct bm_address *address)
{
	struct bm_address again;
	struct bm_buf out;
	struct bm_buf flat;

	bm_buf_init(&out, 1 << 24);
	bm_buf_init(&flat, 1 << 24);
	REQUIRE(bm_address_append_header(&out, address) == BM_OK);
	for (size_t i = 0; i < out.size; i++) {
		unsigned char c = out.data[i];
		REQUIRE((c < 0x80 || address->utf8) && c != 0 && c != 0x7f);
		if (c == '\r')
			REQUIRE(i + 2 < out.size && out.data[i + 1] == '\n' && out.data[i + 2] == ' ');
		else if (c == '\n')
			REQUIRE(i > 0 && out.data[i - 1] == '\r');
		else
			REQUIRE(c >= 0x20 && bm_buf_append_char(&flat, c) == BM_OK);
	}
	REQUIRE(bm_address_parse(&again, bm_buf_view(&flat), NULL) == BM_OK);
	REQUIRE(bm_span_equal(bm_address_mailbox(&again), bm_address_mailbox(address)));
	bm_buf_deinit(&out);
	bm_buf_deinit(&flat);
}

static void check_trusted(struct bm_span text)
{
	struct bm_address address;
	struct bm_address parsed;

	if (bm_address_trust(&address, text, NULL) != BM_OK)
		return;
	struct bm_span mailbox = bm_address_mailbox(&address);
	REQUIRE(mailbox.size > 0 && mailbox.size <= BM_ADDRESS_MAX && !bm_span_has_control(mailbox));
	REQUIRE(address.domain <= mailbox.size);
	REQUIRE(bm_span_is_ascii(mailbox) == !address.utf8 && bm_utf8_valid(mailbox.data, mailbox.size));
	/* What is no mailbox by our own reading must not end the path of MAIL or RCPT by a server's. */
	bool proper = bm_address_parse(&parsed, text, NULL) == BM_OK;
	for (size_t i = 0; i < mailbox.size; i++)
		REQUIRE(proper || (mailbox.data[i] != '<' && mailbox.data[i] != '>'));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct bm_address address;
	const char *reason = NULL;
	struct bm_span text = bm_span_make(data, size);
	unsigned char key[BM_ADDRESS_MAX];

	check_trusted(text);
	enum bm_code header = bm_address_check_header(text, &reason);
	reason = NULL;
	if (bm_address_parse(&address, text, &reason) != BM_OK) {
		REQUIRE(reason != NULL && address.size == 0);
		return 0;
	}
	REQUIRE(header == BM_OK);
	REQUIRE(bm_address_key(&address, size % 2 == 0, key) == address.size);
	check_mailbox(&address);
	check_header(&address);
	return 0;
}
