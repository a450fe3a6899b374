/* SPDX-License-Identifier: MIT */
/*
 * Preloaded into OpenSMTPD 6.8: its listeners sign by a process of their own that holds the key, with a make-believe
 * key of which OpenSSL 3.0 says "missing private key" (OpenSMTPD issue 1239). Here they get the key itself, from the
 * file that OWN_KEY names, read before they leave their rights and the file system.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <stdlib.h>

static char text[8192];
static int size;

__attribute__((constructor)) static void read_key(void)
{
	const char *path = getenv("OWN_KEY");
	FILE *file = path == NULL ? NULL : fopen(path, "r");

	if (file == NULL)
		return;
	size = (int)fread(text, 1, sizeof text, file);
	fclose(file);
}

int SSL_CTX_use_PrivateKey(SSL_CTX *context, EVP_PKEY *make_believe)
{
	int (*use)(SSL_CTX *, EVP_PKEY *) = (int (*)(SSL_CTX *, EVP_PKEY *))dlsym(RTLD_NEXT, "SSL_CTX_use_PrivateKey");
	BIO *source = BIO_new_mem_buf(text, size);
	EVP_PKEY *own = PEM_read_bio_PrivateKey(source, NULL, NULL, NULL);
	int done = use(context, own == NULL ? make_believe : own);

	EVP_PKEY_free(own);
	BIO_free(source);
	return done;
}
