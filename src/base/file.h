/* SPDX-License-Identifier: GPL-2.0-or-later WITH cryptsetup-OpenSSL-exception */
#ifndef CVMROOT_BASE_FILE_H
#define CVMROOT_BASE_FILE_H

#include "base/macro.h"

/* Read or write all of @size bytes at @offset, through short transfers and EINTR. A read that meets
 * the end of the file is -EIO. */
int file_pread(int fd, void *ret, size_t size, uint64_t offset);
int file_pwrite(int fd, const void *data, size_t size, uint64_t offset);
int file_write(int fd, const void *data, size_t size);

/*
 * The whole of a small file, NUL-terminated behind *ret_size bytes; the caller frees it. -E2BIG
 * when it is longer than @limit. Not for secrets.
 */
int file_read_all(const char *path, size_t limit, char **ret, size_t *ret_size);
int file_read_all_fd(int fd, size_t limit, char **ret, size_t *ret_size);

/*
 * The same for a text, with a sentence on failure in which @what says what the file is: "broker's CA
 * file".
 */
int file_load_text(const char *path, size_t limit, const char *what, char **ret);

/* Replace @path with @data: a temporary file beside it, fsync, rename. */
int file_write_atomic(const char *path, const void *data, size_t size, mode_t mode);

/*
 * The same without fsync, for files in /run that are written often and need not outlive the boot.
 */
int file_write_volatile(const char *path, const void *data, size_t size, mode_t mode);

/* Bytes of a regular file or a block device. -EMEDIUMTYPE for anything else. */
int file_size(int fd, uint64_t *ret);

/* mkdir for every missing part of @path. */
int directory_make(const char *path, mode_t mode);

#endif
