/* SPDX-License-Identifier: MIT */
/*
 * For tests/e2e/test_address_oracle.py: each frame's octets are parsed as a mailbox; the answer is "ok" and the
 * mailbox, or "bad" and the reason.
 */
#include "frames.h"

#include "mail/address.h"

#include <string.h>

int main(void)
{
	char word[32];
	size_t size = 0;
	unsigned char *data;

	while ((data = frame_read(word, &size)) != NULL) {
		struct bm_address address;
		const char *reason = "";
		if (bm_address_parse(&address, bm_span_make(data, size), &reason) == BM_OK)
			frame_write("ok", address.mailbox, address.size);
		else
			frame_write("bad", reason, strlen(reason));
		free(data);
	}
	return 0;
}
