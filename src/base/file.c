/* SPDX-License-Identifier: GPL-2.0-or-later WITH cryptsetup-OpenSSL-exception */
#include "base/file.h"

#include "base/error.h"

#include <fcntl.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>

#include <linux/fs.h>

int file_pread(int fd, void *ret, size_t size, uint64_t offset)
{
	uint8_t *to = ret;

	while (size > 0) {
		ssize_t n = pread(fd, to, size, (off_t)offset);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (n == 0)
			return -EIO;
		to += n;
		offset += (uint64_t)n;
		size -= (size_t)n;
	}
	return 0;
}

int file_pwrite(int fd, const void *data, size_t size, uint64_t offset)
{
	const uint8_t *from = data;

	while (size > 0) {
		ssize_t n = pwrite(fd, from, size, (off_t)offset);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (n == 0)
			return -EIO;
		from += n;
		offset += (uint64_t)n;
		size -= (size_t)n;
	}
	return 0;
}

int file_write(int fd, const void *data, size_t size)
{
	const uint8_t *from = data;

	while (size > 0) {
		ssize_t n = write(fd, from, size);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		from += n;
		size -= (size_t)n;
	}
	return 0;
}

int file_read_all_fd(int fd, size_t limit, char **ret, size_t *ret_size)
{
	cleanup(freep) char *data = NULL;
	size_t size = 0, allocated = 0;

	for (;;) {
		ssize_t n;

		if (size == allocated) {
			/* Files in /proc, /sys and pipes do not tell their size: double. */
			size_t next = MAX(allocated * 2, (size_t)4096);
			char *grown = realloc(data, next + 1);

			if (!grown)
				return -ENOMEM;
			data = grown;
			allocated = next;
		}
		n = read(fd, data + size, allocated - size);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (n == 0)
			break;
		size += (size_t)n;
		if (size > limit)
			return -E2BIG;
	}
	data[size] = '\0';
	*ret = TAKE_PTR(data);
	*ret_size = size;
	return 0;
}

int file_read_all(const char *path, size_t limit, char **ret, size_t *ret_size)
{
	cleanup(closep) int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);

	if (fd < 0)
		return -errno;
	return file_read_all_fd(fd, limit, ret, ret_size);
}

int file_load_text(const char *path, size_t limit, const char *what, char **ret)
{
	size_t size;
	int r = file_read_all(path, limit, ret, &size);

	if (r == -E2BIG)
		return fail(r, "the %s %s is longer than %zu KiB", what, path, limit / KIB);
	return r < 0 ? fail(r, "cannot read the %s %s: %s", what, path, strerror(-r)) : 0;
}

static int write_all(int fd, const void *data, size_t size, mode_t mode, bool sync)
{
	int r;

	if (fchmod(fd, mode) < 0)
		return -errno;
	r = file_write(fd, data, size);
	if (r < 0)
		return r;
	return sync && fsync(fd) < 0 ? -errno : 0;
}

static int replace_file(const char *path, const void *data, size_t size, mode_t mode, bool sync)
{
	cleanup(freep) char *temporary = NULL;
	cleanup(closep) int fd = -1;
	int r;

	if (asprintf(&temporary, "%s.XXXXXX", path) < 0)
		return -ENOMEM;
	fd = mkostemp(temporary, O_CLOEXEC);
	if (fd < 0)
		return -errno;
	r = write_all(fd, data, size, mode, sync);
	if (r == 0 && rename(temporary, path) < 0)
		r = -errno;
	if (r < 0)
		unlink(temporary);
	return r;
}

int file_write_atomic(const char *path, const void *data, size_t size, mode_t mode)
{
	return replace_file(path, data, size, mode, true);
}

int file_write_volatile(const char *path, const void *data, size_t size, mode_t mode)
{
	return replace_file(path, data, size, mode, false);
}

int file_size(int fd, uint64_t *ret)
{
	struct stat status;

	if (fstat(fd, &status) < 0)
		return -errno;
	if (S_ISREG(status.st_mode)) {
		*ret = (uint64_t)status.st_size;
		return 0;
	}
	if (!S_ISBLK(status.st_mode))
		return -EMEDIUMTYPE;
	return ioctl(fd, BLKGETSIZE64, ret) < 0 ? -errno : 0;
}

int directory_make(const char *path, mode_t mode)
{
	cleanup(freep) char *copy = strdup(path);

	if (!copy)
		return -ENOMEM;
	for (char *slash = copy + 1;; slash++) {
		bool last = *slash == '\0';

		if (*slash != '/' && !last)
			continue;
		*slash = '\0';
		if (mkdir(copy, mode) < 0 && errno != EEXIST)
			return -errno;
		if (last)
			return 0;
		*slash = '/';
	}
}
