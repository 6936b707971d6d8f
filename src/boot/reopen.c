/* SPDX-License-Identifier: GPL-2.0-or-later WITH cryptsetup-OpenSSL-exception */
#include "boot/context.h"

#include "base/error.h"
#include "tpm/token.h"

#include <string.h>

static int read_front(struct boot *boot, size_t size, struct luks_header **ret)
{
	cleanup(freep) uint8_t *data = NULL;
	int r = disk_buffer_new(size, &data);

	if (r < 0)
		return r;
	r = boot->io.read(boot->io.context, data, size, 0);
	if (r < 0)
		return fail(r, "%s: the LUKS2 header cannot be read: %s", boot->partition->path,
			    strerror(-r));
	r = luks_header_check(data, size, ret);
	return r < 0 ? fail(r, "%s: %s", boot->partition->path, fail_sentence(r)) : 0;
}

/*
 * One read of the header, on whose copy everything later works. Where that is too little another
 * one reads it whole, and nothing of the first is kept: the disk may have changed in between.
 */
static int read_header(struct boot *boot, struct luks_header **ret)
{
	int r;

	if (disk_file_size(boot->disk) < LUKS_DATA_OFFSET)
		return fail(-ENOSPC, "%s is smaller than a LUKS2 header", boot->partition->path);
	r = read_front(boot, LUKS_FRONT_SIZE, ret);
	if (r != -ENODATA)
		return r;
	fail_clear();
	return read_front(boot, LUKS_HEADER_SIZE, ret);
}

int boot_front_sealed(struct boot *boot, struct tpm_sealed **ret)
{
	const struct key_provider_ops *provider;
	size_t cursor = 0;
	json_t *token;
	int slot;

	if (boot->config->providers_count != 1 ||
	    provider_find(boot->config->providers[0], &provider) < 0 ||
	    strcmp(provider->token_type, TPM_TOKEN_TYPE) != 0 ||
	    read_header(boot, &boot->header) < 0)
		return -ENOENT;
	token = luks_header_token(boot->header, TPM_TOKEN_TYPE, &cursor, &slot);
	return token && tpm_token_parse(token, ret) == 0 ? 0 : -ENOENT;
}

int boot_reopen(struct boot *boot, struct root *ret)
{
	struct luks_header *header = TAKE_PTR(boot->header);
	int r = 0;

	boot_progress_state(boot, BOOT_UNLOCKING);
	if (!header)
		r = read_header(boot, &header);
	return r < 0 ? r : boot_unlock(boot, header, BOOT_ROOT_REOPENED, ret);
}
