/* SPDX-License-Identifier: GPL-2.0-or-later WITH cryptsetup-OpenSSL-exception */
#include "disk/luks/ram.h"

#include "base/log.h"

#include <string.h>
#include <sys/mman.h>

static _Thread_local char last_error[200];

int ram_file_new(uint64_t size, struct ram_file *ret)
{
	cleanup(closep) int fd = memfd_create("cvmroot-luks-header", MFD_CLOEXEC);

	if (fd < 0)
		return -errno;
	if (ftruncate(fd, (off_t)size) < 0)
		return -errno;
	snprintf(ret->path, sizeof(ret->path), "/proc/self/fd/%d", fd);
	ret->fd = TAKE_FD(fd);
	return 0;
}

void ram_file_done(struct ram_file *file)
{
	closep(&file->fd);
}

/* Its messages name no secrets; the errors end in our sentences. */
static void keep_message(int level, const char *message, void *context)
{
	(void)context;
	if (level == CRYPT_LOG_ERROR) {
		snprintf(last_error, sizeof(last_error), "%.*s", (int)strcspn(message, ".\n"),
			 message);
	}
	log_debug("libcryptsetup: %.*s", (int)strcspn(message, "\n"), message);
}

const char *luks_ram_error(void)
{
	return last_error[0] != '\0' ? last_error : "no reason given";
}

int luks_ram_open(const struct ram_file *header, const char *device, struct crypt_device **ret)
{
	last_error[0] = '\0';
	crypt_set_log_callback(NULL, keep_message, NULL);
	/*
	 * A memfd needs no lock against others; plugins would be code and answers from elsewhere.
	 */
	crypt_metadata_locking(NULL, 0);
	crypt_token_external_disable();
	return device ? crypt_init_data_device(ret, header->path, device)
		      : crypt_init(ret, header->path);
}
