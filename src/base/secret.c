/* SPDX-License-Identifier: MIT */
#include "base/secret.h"

#include "base/error.h"

#include <stdint.h>
#include <sys/mman.h>
#include <unistd.h>

/* Alone on its pages: that they are left out of dumps holds for whole pages. */
struct bm_secret {
	size_t mapped;
	size_t size;
	unsigned char data[];
};

static size_t whole_pages(size_t size)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);
	return (size + page - 1) / page * page;
}

enum bm_code bm_secret_new(struct bm_secret **out, const void *data, size_t size, struct bm_error *err)
{
	*out = NULL;
	if (size > SIZE_MAX / 2)
		return bm_error_nomem(err);
	size_t mapped = whole_pages(sizeof(struct bm_secret) + size + 1);
	struct bm_secret *secret = mmap(NULL, mapped, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (secret == MAP_FAILED)
		return bm_error_nomem(err);
	/* where the system cannot do it the secret is as safe as all other memory */
	(void)madvise(secret, mapped, MADV_DONTDUMP);
	secret->mapped = mapped;
	secret->size = size;
	if (size > 0)
		memcpy(secret->data, data, size);
	*out = secret;
	return BM_OK;
}

void bm_secret_free(struct bm_secret *secret)
{
	if (secret == NULL)
		return;
	size_t mapped = secret->mapped;
	bm_secret_wipe(secret, mapped);
	munmap(secret, mapped);
}

struct bm_span bm_secret_reveal(const struct bm_secret *secret)
{
	return bm_span_make(secret->data, secret->size);
}

void bm_secret_wipe(void *data, size_t size)
{
	if (size > 0)
		explicit_bzero(data, size);
}
