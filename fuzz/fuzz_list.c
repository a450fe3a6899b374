/* SPDX-License-Identifier: MIT */
/* Lists: the same octets by a path, in large blocks, and by a stream, line by line, give the same records. */
#include "bulkmail/recipients.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool fact)
{
	if (!fact)
		abort();
}

static bool is_blank(char c)
{
	return c == ' ' || (c >= '\t' && c <= '\r');
}

static struct bm_record next(struct bm_recipients *list, uint64_t seq)
{
	struct bm_record record;
	struct bm_error err = BM_ERROR_INIT;

	require(bm_recipients_next(list, &record, &err) == BM_OK);
	if (record.text == NULL)
		return record;
	require(record.seq == seq && record.size > 0 && record.size <= BM_RECORD_SIZE_MAX);
	require(memchr(record.text, '\n', record.size) == NULL && !is_blank(record.text[0]));
	require(record.too_long || !is_blank(record.text[record.size - 1]));
	require(!record.too_long || record.size == BM_RECORD_SIZE_MAX);
	return record;
}

static void compare(struct bm_recipients *a, struct bm_recipients *b)
{
	uint64_t seq = 0;
	for (;;) {
		seq++;
		struct bm_record one = next(a, seq);
		struct bm_record two = next(b, seq);
		require((one.text == NULL) == (two.text == NULL));
		if (one.text == NULL)
			return;
		require(one.size == two.size && one.too_long == two.too_long);
		require(memcmp(one.text, two.text, one.size) == 0);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char path[64];
	struct bm_recipients *by_path = NULL;
	struct bm_recipients *by_stream = NULL;
	int fd = memfd_create("list", MFD_CLOEXEC);

	require(fd >= 0 && write(fd, data, size) == (ssize_t)size);
	snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
	FILE *stream = fopen(path, "rb");
	require(stream != NULL);
	require(bm_recipients_open(&by_path, path, NULL) == BM_OK);
	require(bm_recipients_new_stream(&by_stream, stream, NULL) == BM_OK);
	compare(by_path, by_stream);
	bm_recipients_free(by_path);
	bm_recipients_free(by_stream);
	fclose(stream);
	close(fd);
	return 0;
}
