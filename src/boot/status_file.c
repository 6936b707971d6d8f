/* SPDX-License-Identifier: GPL-2.0-or-later WITH cryptsetup-OpenSSL-exception */
#include "base/file.h"
#include "boot/status.h"

#include <string.h>
#include <time.h>

static int make_folder_of(const char *path)
{
	const char *slash = strrchr(path, '/');
	cleanup(freep) char *folder = NULL;

	if (!slash || slash == path)
		return 0;
	folder = strndup(path, (size_t)(slash - path));
	if (!folder)
		return -ENOMEM;
	return directory_make(folder, 0755);
}

int boot_status_write(const char *path, const struct boot_status *status)
{
	cleanup(freep) char *text = NULL;
	size_t size;
	int r = boot_status_format(status, &text, &size);

	if (r < 0)
		return r;
	r = file_write_volatile(path, text, size, 0644);
	if (r != -ENOENT)
		return r;
	r = make_folder_of(path);
	if (r < 0)
		return r;
	return file_write_volatile(path, text, size, 0644);
}

int boot_status_read(const char *path, struct boot_status *ret)
{
	cleanup(freep) char *text = NULL;
	size_t size;
	int r = file_read_all(path, STATUS_SIZE_LIMIT, &text, &size);

	if (r == -ENOENT)
		return r;
	if (r < 0)
		return fail(r, "%s: cannot read the status: %s", path, strerror(-r));
	r = boot_status_parse(text, size, ret);
	if (r == -ENOMEM)
		return r;
	if (r < 0)
		return fail(r, "%s: not a status of this version of cvmroot", path);
	return 0;
}

uint64_t boot_status_now(void)
{
	struct timespec now = {};

	(void)clock_gettime(CLOCK_BOOTTIME, &now);
	return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}
