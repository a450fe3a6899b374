/* SPDX-License-Identifier: MIT */
#include "store/credentials.h"

#include "base/error.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define SHOWN_MAX 200

struct shown {
	char path[SHOWN_MAX];
};

static struct shown show(const char *path)
{
	struct shown shown;
	bm_escape(shown.path, sizeof shown.path, path, strlen(path));
	return shown;
}

static enum bm_code fail_system(struct bm_error *err, int system_errno, const char *path)
{
	bool missing = system_errno == ENOENT || system_errno == ENOTDIR;
	struct shown shown = show(path);
	return bm_error_set_errno(
		err, missing ? BM_E_MISSING : BM_E_IO, "MBO009", system_errno, "cannot read the password file %s", shown.path);
}

static enum bm_code check_private(const struct stat *found, const char *path, struct bm_error *err)
{
	struct shown shown = show(path);
	unsigned mode = found->st_mode & 07777;

	if (found->st_uid != geteuid() && found->st_uid != 0)
		return bm_error_set(err, BM_E_CONF, "MBO008",
			"%s: found owner uid %u, expected uid %u or root, as the file leads to a password", shown.path,
			(unsigned)found->st_uid, (unsigned)geteuid());
	if ((mode & 077) != 0)
		return bm_error_set(err, BM_E_CONF, "MBO008",
			"%s: found mode %04o, expected no rights for others, as the file leads to a password: chmod 600 %s",
			shown.path, mode, shown.path);
	return BM_OK;
}

enum bm_code bm_credentials_check(int fd, const char *path, struct bm_error *err)
{
	struct stat found;

	return fstat(fd, &found) != 0 ? fail_system(err, errno, path) : check_private(&found, path, err);
}

static enum bm_code check_file(int fd, const char *path, struct bm_error *err)
{
	struct stat found;

	if (fstat(fd, &found) != 0)
		return fail_system(err, errno, path);
	if (!S_ISREG(found.st_mode))
		return bm_error_set(
			err, BM_E_CONF, "MBO008", "%s: found no regular file, expected a password file", show(path).path);
	return check_private(&found, path, err);
}

/* Who may write to the directory may put another file there; with the sticky bit only in place of their own. */
static enum bm_code check_directory(int fd, const char *path, struct bm_error *err)
{
	struct stat found;

	if (fstat(fd, &found) != 0)
		return fail_system(err, errno, path);
	if ((found.st_mode & 022) == 0 || (found.st_mode & S_ISVTX) != 0)
		return BM_OK;
	return bm_error_set(err, BM_E_CONF, "MBO008",
		"%s: found its directory of mode %04o, expected one that others may not write to", show(path).path,
		(unsigned)found.st_mode & 07777);
}

/* path is changed for a moment: the name of its directory ends where the file's begins. */
static int open_directory(char *path, const char **name)
{
	char *slash = strrchr(path, '/');

	*name = slash == NULL ? path : slash + 1;
	if (slash == NULL)
		return open(".", O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (slash == path)
		return open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
	*slash = '\0';
	int fd = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	*slash = '/';
	return fd;
}

/* O_NONBLOCK: a pipe without a writer is told from a file before anything waits for it. */
static enum bm_code open_in(int *fd, int directory, const char *name, const char *path, struct bm_error *err)
{
	*fd = openat(directory, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NOCTTY | O_NONBLOCK);
	if (*fd < 0 && errno == ELOOP)
		return bm_error_set(
			err, BM_E_CONF, "MBO008", "%s: found a symbolic link, expected the password file itself", show(path).path);
	return *fd < 0 ? fail_system(err, errno, path) : BM_OK;
}

static enum bm_code open_private(int *fd, const char *path, struct bm_error *err)
{
	const char *name = NULL;
	char *copy = strdup(path);

	*fd = -1;
	if (copy == NULL)
		return bm_error_nomem(err);
	int directory = open_directory(copy, &name);
	enum bm_code code = directory < 0 ? fail_system(err, errno, path) : check_directory(directory, path, err);
	if (code == BM_OK)
		code = open_in(fd, directory, name, path, err);
	if (code == BM_OK)
		code = check_file(*fd, path, err);
	if (directory >= 0)
		close(directory);
	free(copy);
	return code;
}

static enum bm_code read_some(
	int fd, unsigned char *data, size_t room, size_t *size, const char *path, struct bm_error *err)
{
	*size = 0;
	while (*size < room) {
		ssize_t got = read(fd, data + *size, room - *size);
		if (got == 0)
			break;
		if (got < 0 && errno != EINTR)
			return fail_system(err, errno, path);
		if (got > 0)
			*size += (size_t)got;
	}
	return BM_OK;
}

static enum bm_code fail_line(struct bm_error *err, const char *path, const char *found)
{
	return bm_error_set(
		err, BM_E_CONF, "MBO009", "%s: found %s, expected a password on its first line", show(path).path, found);
}

static enum bm_code take_line(
	struct bm_secret **out, const unsigned char *data, size_t size, const char *path, struct bm_error *err)
{
	const unsigned char *end = memchr(data, '\n', size);
	size_t length = end == NULL ? size : (size_t)(end - data);

	if (end != NULL && length > 0 && data[length - 1] == '\r')
		length--;
	if (length == 0)
		return fail_line(err, path, "nothing");
	if (length > BM_CREDENTIALS_SIZE_MAX)
		return fail_line(err, path, "more than 16384 octets");
	if (memchr(data, '\0', length) != NULL)
		return fail_line(err, path, "a NUL");
	return bm_secret_new(out, data, length, err);
}

enum bm_code bm_credentials_read(struct bm_secret **out, const char *path, struct bm_error *err)
{
	unsigned char data[BM_CREDENTIALS_SIZE_MAX + 2]; /* with CR LF */
	size_t size = 0;
	int fd = -1;

	*out = NULL;
	enum bm_code code = open_private(&fd, path, err);
	if (code == BM_OK)
		code = read_some(fd, data, sizeof data, &size, path, err);
	if (code == BM_OK)
		code = take_line(out, data, size, path, err);
	bm_secret_wipe(data, sizeof data);
	if (fd >= 0)
		close(fd);
	return code;
}
