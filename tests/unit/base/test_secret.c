/* SPDX-License-Identifier: MIT */
#include "../unit.h"
#include "base/secret.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Linked with --wrap: what memory holds when it is given back. */
int __real_munmap(void *address, size_t size);
int __wrap_munmap(void *address, size_t size);

static size_t given_back;
static size_t not_zero;

int __wrap_munmap(void *address, size_t size)
{
	const unsigned char *data = address;
	for (size_t i = 0; i < size; i++)
		not_zero += data[i] != 0;
	given_back += size;
	return __real_munmap(address, size);
}

static struct bm_secret *make(const void *data, size_t size)
{
	struct bm_secret *secret = NULL;
	assert_int_equal(bm_secret_new(&secret, data, size, NULL), BM_OK);
	return secret;
}

static void holds_a_copy(void **state)
{
	(void)state;
	char text[] = "hunter2";
	struct bm_secret *secret = make(text, strlen(text));
	memset(text, 'x', sizeof text - 1);
	struct bm_span held = bm_secret_reveal(secret);
	assert_int_equal(held.size, 7);
	assert_string_equal((const char *)held.data, "hunter2");
	bm_secret_free(secret);
	bm_secret_free(NULL);
}

static void any_octets_of_any_size(void **state)
{
	(void)state;
	static const size_t sizes[] = {0, 1, 4079, 4080, 4081, 4095, 4096, 4097, 8192, 100000};
	for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
		unsigned char *data = calloc(1, sizes[i] + 1);
		for (size_t at = 0; at < sizes[i]; at++)
			data[at] = (unsigned char)(at * 7); /* NUL is among them */
		struct bm_secret *secret = make(sizes[i] == 0 ? NULL : data, sizes[i]);
		struct bm_span held = bm_secret_reveal(secret);
		assert_int_equal(held.size, sizes[i]);
		assert_memory_equal(held.data, data, sizes[i] + 1);
		bm_secret_free(secret);
		free(data);
	}
}

static void too_much_is_an_error(void **state)
{
	(void)state;
	struct bm_secret *secret = (struct bm_secret *)"";
	struct bm_error err = BM_ERROR_INIT;
	assert_int_equal(bm_secret_new(&secret, "x", SIZE_MAX, &err), BM_E_NOMEM);
	assert_null(secret);
	assert_int_equal(bm_secret_new(&secret, "x", SIZE_MAX / 2 - 100, &err), BM_E_NOMEM);
	assert_null(secret);
}

/* The flags of the mapping that address lies in, as /proc/self/smaps has them; "" when it lies in none. */
static void flags_of(const void *address, char *flags, size_t room)
{
	FILE *maps = fopen("/proc/self/smaps", "re");
	char line[512];
	bool within = false;
	unsigned long begin = 0;
	unsigned long end = 0;

	flags[0] = '\0';
	assert_non_null(maps);
	while (fgets(line, sizeof line, maps) != NULL) {
		if (sscanf(line, "%lx-%lx ", &begin, &end) == 2)
			within = (unsigned long)(uintptr_t)address >= begin && (unsigned long)(uintptr_t)address < end;
		else if (within && strncmp(line, "VmFlags:", 8) == 0)
			snprintf(flags, room, "%s", line + 8);
	}
	fclose(maps);
}

/* conformance: A34 */
static void core_dumps_leave_it_out(void **state)
{
	(void)state;
	char flags[512];
	char *data = calloc(1, 20000);
	struct bm_secret *secret = make(data, 20000);
	struct bm_span held = bm_secret_reveal(secret);
	for (size_t at = 0; at <= held.size; at += 4096) {
		flags_of(held.data + at, flags, sizeof flags);
		if (strstr(flags, " dd") == NULL)
			fail_msg("VmFlags are \"%s\"", flags);
	}
	bm_secret_free(secret);
	flags_of(data, flags, sizeof flags); /* other memory is dumped: the test can tell */
	assert_true(flags[0] != '\0' && strstr(flags, " dd") == NULL);
	free(data);
}

/* conformance: A34 */
static void its_pages_are_wiped_and_given_back(void **state)
{
	(void)state;
	struct bm_secret *secret = make("hunter2", 7);
	given_back = 0;
	bm_secret_free(secret);
	assert_true(given_back >= 4096);
	assert_int_equal(not_zero, 0);
}

/* conformance: A34 */
static void wiping_overwrites(void **state)
{
	(void)state;
	unsigned char data[64];
	static const unsigned char zeros[64];
	memset(data, 'x', sizeof data);
	bm_secret_wipe(data + 1, 62);
	assert_int_equal(data[0], 'x');
	assert_memory_equal(data + 1, zeros, 62);
	assert_int_equal(data[63], 'x');
	bm_secret_wipe(NULL, 0);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(holds_a_copy),
		cmocka_unit_test(any_octets_of_any_size),
		cmocka_unit_test(too_much_is_an_error),
		cmocka_unit_test(core_dumps_leave_it_out),
		cmocka_unit_test(its_pages_are_wiped_and_given_back),
		cmocka_unit_test(wiping_overwrites),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
