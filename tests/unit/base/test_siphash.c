/* SPDX-License-Identifier: MIT */
#include "../unit.h"
#include "base/siphash.h"

#include <string.h>

/* As `openssl mac -macopt hexkey:0001…0f -macopt size:16 SIPHASH` gives them. */
static void hashes_as_siphash_128_does(void **state)
{
	(void)state;
	static const uint64_t key[2] = {0x0706050403020100u, 0x0f0e0d0c0b0a0908u};
	static const char text[] = "jim@example.org";
	uint64_t hash[2];
	bm_siphash128(hash, key, "", 0);
	assert_true(hash[0] == 0xe6a825ba047f81a3u);
	assert_true(hash[1] == 0x930255c71472f66du);
	bm_siphash128(hash, key, text, strlen(text));
	assert_true(hash[0] == 0x2a2205911299250cu);
	assert_true(hash[1] == 0xd3b3a8e0f52df8d1u);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(hashes_as_siphash_128_does),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
