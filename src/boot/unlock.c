/* SPDX-License-Identifier: GPL-2.0-or-later WITH cryptsetup-OpenSSL-exception */
#include "boot/context.h"

#include "base/error.h"
#include "base/log.h"

#include <string.h>

void root_done(struct root *root)
{
	luks_header_free(root->header);
	secret_free(root->volume_key);
	*root = (struct root){};
}

/*
 * The facts are authenticated by the slot's MAC; the record says whether they are about our disk.
 */
static int check_record(const struct boot *boot, const struct luks_facts *facts)
{
	if (memcmp(facts->uuid, boot->record.luks_uuid, UUID_SIZE) != 0)
		return fail(
			-ESTALE,
			"%s: the LUKS UUID is not the one that the TPM remembers: this is another "
			"disk",
			boot->partition->path);
	if (facts->epoch != boot->record.epoch)
		return fail(
			-ESTALE,
			"%s: the header's epoch is not the one that the TPM remembers: this is an "
			"old state of the disk",
			boot->partition->path);
	return 0;
}

static int check_fingerprint(const struct boot *boot, const struct luks_facts *facts)
{
	if (mac_equal(facts->fingerprint, boot->record.fingerprint, sizeof(facts->fingerprint)))
		return 0;
	return fail(
		-ESTALE,
		"%s: the volume key is not the one that the TPM remembers: the encrypted volume "
		"was replaced",
		boot->partition->path);
}

static int try_token(struct boot *boot, const struct key_provider_ops *provider,
		     const struct luks_header *header, json_t *token, int slot, struct root *root)
{
	cleanup(secret_freep) struct secret *passphrase = NULL;
	const struct provider_context context = {
		.config = boot->config,
		.tpm = boot->tpm,
		.binding = &boot->binding.binding,
		.sealed_values = boot->has_record ? &boot->record.sealed_values : NULL,
	};
	int r = provider->unlock(&context, token, &passphrase);

	if (r < 0)
		return r;
	r = luks_header_unlock(header, slot, passphrase, CONFIG_MAPPING, &root->facts,
			       &root->volume_key);
	if (r < 0)
		return r;
	root->provider = provider->name;
	return 0;
}

/* 0, or the error of the last token of this provider; -ENOKEY when it has none. */
static int try_provider(struct boot *boot, const struct key_provider_ops *provider,
			const struct luks_header *header, struct root *root)
{
	size_t cursor = 0;
	json_t *token;
	int slot;
	int r = fail(-ENOKEY, "%s: the header has no keyslot of the provider %s",
		     boot->partition->path, provider->name);

	while ((token = luks_header_token(header, provider->token_type, &cursor, &slot))) {
		r = try_token(boot, provider, header, token, slot, root);
		if (r == 0)
			return 0;
		log_debug("keyslot %d: %s", slot, fail_sentence(r));
	}
	return r;
}

int boot_unlock(struct boot *boot, struct luks_header *header, enum boot_root how, struct root *ret)
{
	cleanup(root_done) struct root root = {.how = how, .header = header};
	int r = check_record(boot, luks_header_facts(header));

	if (r < 0)
		return r;
	for (size_t i = 0; i < boot->config->providers_count; i++) {
		const struct key_provider_ops *provider;

		r = provider_find(boot->config->providers[i], &provider);
		if (r < 0)
			return r;
		r = try_provider(boot, provider, header, &root);
		if (r == 0)
			break;
	}
	if (r < 0)
		return r;
	r = check_record(boot, &root.facts);
	if (r < 0)
		return r;
	r = check_fingerprint(boot, &root.facts);
	if (r < 0)
		return r;
	*ret = root;
	root = (struct root){};
	return 0;
}
