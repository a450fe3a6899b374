/* SPDX-License-Identifier: MIT */
/* The drivers' talk with a test: "WORD SIZE\n" and SIZE octets, each way. */
#ifndef BM_TESTS_FRAMES_H
#define BM_TESTS_FRAMES_H

#include <stdio.h>
#include <stdlib.h>

/* The next frame's octets (the caller frees them), NULL at the end. */
static inline unsigned char *frame_read(char word[32], size_t *size)
{
	if (scanf("%31s %zu", word, size) != 2 || getchar() != '\n')
		return NULL;
	unsigned char *data = malloc(*size + 1);
	if (data == NULL || fread(data, 1, *size, stdin) != *size)
		abort();
	data[*size] = '\0';
	return data;
}

static inline void frame_write(const char *word, const void *data, size_t size)
{
	printf("%s %zu\n", word, size);
	if (size > 0)
		fwrite(data, 1, size, stdout);
}

#endif
