/* SPDX-License-Identifier: MIT */
/* A directory of its own for a test program, and files in it. */
#ifndef BM_TESTS_STORE_SCRATCH_H
#define BM_TESTS_STORE_SCRATCH_H

#include "../unit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define SCRATCH_PATH_SIZE 256

struct scratch {
	char directory[64];
	char path[SCRATCH_PATH_SIZE];
};

static inline void scratch_init(struct scratch *scratch)
{
	snprintf(scratch->directory, sizeof scratch->directory, "/tmp/bm_store_XXXXXX");
	assert_non_null(mkdtemp(scratch->directory));
}

/* The path of name in the directory; valid until the next call. */
static inline const char *scratch_path(struct scratch *scratch, const char *name)
{
	snprintf(scratch->path, sizeof scratch->path, "%s/%s", scratch->directory, name);
	return scratch->path;
}

static inline const char *scratch_write(struct scratch *scratch, const char *name, const void *data, size_t size)
{
	FILE *file = fopen(scratch_path(scratch, name), "wb");
	assert_non_null(file);
	assert_int_equal(fwrite(data, 1, size, file), size);
	assert_int_equal(fclose(file), 0);
	return scratch->path;
}

static inline void scratch_deinit(struct scratch *scratch, const char *const *names)
{
	for (; *names != NULL; names++)
		unlink(scratch_path(scratch, *names));
	rmdir(scratch->directory);
}

#endif
