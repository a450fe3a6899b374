/* SPDX-License-Identifier: MIT */
/*
 * Preloaded, it makes the allocation number FAIL_AT fail, and says so by the file FAILED_MARK. Those of libuv are not
 * counted: it ends the process when it has no memory for its table of descriptors (decision 19).
 */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

void *__libc_malloc(size_t size);
void *__libc_calloc(size_t count, size_t size);
void *__libc_realloc(void *data, size_t size);

static atomic_long count;

static bool is_of_libuv(const void *caller)
{
	Dl_info info;
	return dladdr(caller, &info) != 0 && info.dli_fname != NULL && strstr(info.dli_fname, "libuv") != NULL;
}

static bool fails(const void *caller)
{
	const char *at = getenv("FAIL_AT");
	const char *mark = getenv("FAILED_MARK");

	if (at == NULL || mark == NULL || is_of_libuv(caller) || atomic_fetch_add(&count, 1) + 1 != strtol(at, NULL, 10))
		return false;
	close(open(mark, O_WRONLY | O_CREAT, 0600));
	errno = ENOMEM;
	return true;
}

void *malloc(size_t size)
{
	return fails(__builtin_return_address(0)) ? NULL : __libc_malloc(size);
}

void *calloc(size_t items, size_t size)
{
	return fails(__builtin_return_address(0)) ? NULL : __libc_calloc(items, size);
}

void *realloc(void *data, size_t size)
{
	return fails(__builtin_return_address(0)) ? NULL : __libc_realloc(data, size);
}
